"""What is measured: each verifier and each app on the same tokens."""

from collections.abc import Callable, Sequence
from itertools import cycle
from random import sample
from typing import Any

import jwt
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.errors import AuthError
from benchmarks import minimal
from benchmarks.measure import Batch, Case, drive
from benchmarks.tokens import AUDIENCE, ISSUER, SECRET, Signer

Message = dict[str, Any]
JUNK = b"Bearer " + b"Z" * 60_000
NO_SCHEME = b"Z" * 60_000


def cases(signers: dict[str, Signer], *, distinct: int, cached: int) -> list[Case]:
    """All cases.

    distinct: so many different tokens take turns where tokens are new.
    cached: the size of the large cache.
    """
    tokens = {name: signers[name].tokens(distinct) for name in ("RS256", "ES256", "EdDSA")}
    found = [case for name, made in tokens.items() for case in _verifying(signers[name], made)]
    found += _in_an_app(signers["RS256"], tokens["RS256"])
    found += _many_cached(signers["HS256"], cached)
    return found + _junk(signers["RS256"])


def _server(signer: Signer, **settings: Any) -> ResourceServer:
    keys: dict[str, Any] = {"jwks": {"keys": [signer.jwk]}, "algorithms": [signer.algorithm]}
    issuer = TrustedIssuer(ISSUER, **(keys if signer.jwk else {"secret": SECRET}))
    return ResourceServer(audience=AUDIENCE, issuers=[issuer], **settings)


def _each(judge: Callable[[bytes], object], tokens: Sequence[bytes]) -> Batch:
    turns = cycle(tokens)

    def batch(count: int) -> None:
        for _, token in zip(range(count), turns, strict=False):
            judge(token)

    return batch


def _verifying(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    name = signer.algorithm
    server = _server(signer, token_cache_size=0)
    key = jwt.PyJWK.from_dict(signer.jwk or {})
    required = {"require": ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"]}
    parts = {token: _signature_and_input(token) for token in tokens}

    def raw(token: bytes) -> None:
        signer.holds(*parts[token])

    def pyjwt(token: bytes) -> None:
        jwt.decode(
            token, key, algorithms=[name], audience=AUDIENCE, issuer=ISSUER, leeway=10,
            options=required,  # type: ignore[arg-type]
        )  # fmt: skip

    def atjwt(token: bytes) -> None:
        drive(server.authenticate([(b"authorization", b"Bearer " + token)]))

    return [
        Case(f"{name} raw", _each(raw, tokens)),
        Case(f"{name} minimal", _each(lambda token: minimal.verify(token, signer), tokens)),
        Case(f"{name} PyJWT decode", _each(pyjwt, tokens)),
        Case(f"{name} atjwt", _each(atjwt, tokens)),
        Case(f"{name} atjwt verify_sync", _each(server.verify_sync, tokens)),
    ]


def _signature_and_input(token: bytes) -> tuple[bytes, bytes]:
    signing_input, _, signature = token.rpartition(b".")
    return minimal.decoded(signature), signing_input


async def _endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def _receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


async def _send(message: Message) -> None:
    pass


def _requests(server: ResourceServer | None) -> Callable[[bytes], None]:
    """A Starlette app, guarded if there is a resource server: called with an Authorization header."""
    middleware = [Middleware(AccessTokenMiddleware, resource_server=server)] if server else []
    app = Starlette(routes=[Route("/orders", _endpoint)], middleware=middleware)

    def request(authorization: bytes) -> None:
        headers = [
            (b"host", b"api.example.com"),
            (b"user-agent", b"benchmark/1.0"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate, br"),
            (b"authorization", authorization),
        ]
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": "/orders", "raw_path": b"/orders", "query_string": b"", "root_path": "",
            "headers": headers, "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 50_000),
            "state": {}, "asgi": {"version": "3.0"},
        }  # fmt: skip
        drive(app(scope, _receive, _send))

    return request


def _in_an_app(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    server = _server(signer)
    for token in tokens:
        server.verify_sync(token)
    guarded, bare = _requests(server), _requests(None)
    new = _requests(_server(signer, token_cache_size=0))

    def of(request: Callable[[bytes], None], some: Sequence[bytes]) -> Batch:
        return _each(lambda token: request(b"Bearer " + token), some)

    return [
        Case("app bare, one token", of(bare, tokens[:1])),
        Case("app guarded, one token", of(guarded, tokens[:1])),
        Case("app bare", of(bare, tokens)),
        Case("app guarded, seen before", of(guarded, tokens)),
        Case("app guarded, new", of(new, tokens)),
    ]


def _many_cached(signer: Signer, cached: int) -> list[Case]:
    # HS256 only because it is quick to sign: what a hit costs does not depend on the algorithm.
    tokens = signer.tokens(cached)

    def hits(count: int) -> Batch:
        server = _server(signer, token_cache_size=count)
        for token in tokens[:count]:
            server.verify_sync(token)

        def hit(token: bytes) -> None:
            drive(server.authenticate([(b"authorization", b"Bearer " + token)]))

        return _each(hit, sample(tokens[:count], count))

    def untouched(count: int) -> Batch:
        # Fetching the token itself from far memory is not the cache's doing: a request brings it.
        return _each(lambda token: [(b"authorization", b"Bearer " + token)], sample(tokens, count))

    few = min(100, cached)
    return [
        Case("hit of 100", hits(few)),
        Case("hit of 100, the loop alone", untouched(few)),
        Case("hit of many", hits(cached)),
        Case("hit of many, the loop alone", untouched(cached)),
    ]


def _junk(signer: Signer) -> list[Case]:
    server = _server(signer)
    guarded, bare = _requests(server), _requests(None)

    def refused(header: bytes) -> None:
        try:
            drive(server.authenticate([(b"authorization", header)]))
        except AuthError:
            return

    return [
        Case("junk, authenticate", _each(refused, [JUNK])),
        Case("junk, app guarded", _each(guarded, [JUNK])),
        Case("junk without a scheme, app guarded", _each(guarded, [NO_SCHEME])),
        Case("junk, app bare", _each(bare, [JUNK])),
    ]
