"""What is measured: each verifier and each app on the same tokens."""

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from itertools import cycle, islice
from random import sample
from typing import Any, TypeVar

import jwt
from fastapi import Depends, FastAPI, Security
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.errors import AuthError
from atjwt.events import Observer
from atjwt.fastapi import AccessTokenScheme
from atjwt.migration import Ledger
from atjwt.migration.stores import Memory
from benchmarks import minimal
from benchmarks.measure import Batch, Case, drive
from benchmarks.tokens import AUDIENCE, ISSUER, SECRET, Signer

T = TypeVar("T")
Message = MutableMapping[str, Any]
JUNK = b"Bearer " + b"Z" * 60_000
NO_SCHEME = b"Z" * 60_000
_JWKS_URI = f"{ISSUER}/keys"


def cases(signers: dict[str, Signer], rows: str, *, distinct: int, cached: int) -> list[Case]:
    """All cases that some rows need.

    distinct: so many different tokens take turns.
    cached: the size of the large cache.
    """
    found: list[Case] = []
    if "a" in rows or "b" in rows:
        for name in ("RS256", "ES256", "EdDSA"):
            tokens = signers[name].tokens(distinct)
            found += _verifying(signers[name], tokens)
            found += _in_an_app(signers[name], tokens) if name == "RS256" else []
    if "c" in rows:
        tokens = signers["RS256"].tokens(distinct)
        found += _in_fastapi(signers["RS256"], tokens)
    if "l" in rows:
        found += _observed(signers["RS256"], signers["RS256"].tokens(distinct))
    if {"c", "l"} & {*rows} and not {"a", "b"} & {*rows}:
        found += _verifying(signers["RS256"], signers["RS256"].tokens(distinct))[:1]
    found += _many_cached(signers["HS256"], cached) if "i" in rows else []
    found += _junk(signers["RS256"]) if "j" in rows else []
    return found


def _server(signer: Signer, **settings: Any) -> ResourceServer:
    """A resource server with the issuer's keys in hand, fetched as they are in life."""
    documents: dict[str, object] = {
        f"{ISSUER}/.well-known/openid-configuration": {"issuer": ISSUER, "jwks_uri": _JWKS_URI},
        _JWKS_URI: {"keys": [signer.jwk]},
    }

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps(documents[url]).encode("ascii")

    keys: dict[str, Any] = {"algorithms": [signer.algorithm]} if signer.jwk else {"secret": SECRET}
    server = ResourceServer(
        audience=AUDIENCE, issuers=[TrustedIssuer(ISSUER, **keys)], fetch=fetch, **settings
    )
    if not asyncio.run(server.warm_up()).ready:
        raise RuntimeError("no keys")
    return server


def _each(judge: Callable[[bytes], object], tokens: Sequence[bytes]) -> Batch:
    turns = cycle(tokens)

    def batch(count: int) -> None:
        for token in islice(turns, count):
            judge(token)

    return batch


def _each_awaited(judge: Callable[[T], Awaitable[object]], inputs: Sequence[T]) -> Batch:
    turns = cycle(inputs)

    async def run(count: int) -> None:
        for each in islice(turns, count):
            await judge(each)

    return lambda count: drive(run(count))


def _authenticated(server: ResourceServer, tokens: Sequence[bytes]) -> Batch:
    """Headers in, principals out; the header is a new object each time, as in a server."""
    return _each_awaited(
        lambda token: server.authenticate([(b"authorization", b"Bearer " + token)]), tokens
    )


def _verifying(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    name = signer.algorithm
    server = _server(signer, token_cache_size=0)
    key = jwt.PyJWK.from_dict(signer.jwk or {})
    required = {"require": ["iss", "sub", "aud", "exp", "iat", "client_id", "jti"]}
    parts = {token: _signature_and_input(token) for token in tokens}
    headers = [[(b"authorization", b"Bearer " + token)] for token in tokens]

    def raw(token: bytes) -> None:
        signer.holds(*parts[token])

    def pyjwt(token: bytes) -> None:
        jwt.decode(
            token, key, algorithms=[name], audience=AUDIENCE, issuer=ISSUER, leeway=10,
            options=required,  # type: ignore[arg-type]
        )  # fmt: skip

    return [
        Case(f"{name} raw", _each(raw, tokens)),
        Case(f"{name} minimal", _each(lambda token: minimal.verify(token, signer), tokens)),
        Case(f"{name} PyJWT decode", _each(pyjwt, tokens)),
        Case(f"{name} atjwt", _each_awaited(server.authenticate, headers)),
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


def _requests(server: ResourceServer | None) -> Callable[[bytes], Awaitable[None]]:
    """A Starlette app, guarded if there is a resource server: called with an Authorization header."""
    middleware = [Middleware(AccessTokenMiddleware, resource_server=server)] if server else []
    return _asking(
        Starlette(routes=[Route("/orders", _endpoint)], middleware=middleware), "/orders"
    )


def _asking(app: Starlette, path: str) -> Callable[[bytes], Awaitable[None]]:
    """Calls an app with an Authorization header."""

    def request(authorization: bytes) -> Awaitable[None]:
        headers = [
            (b"host", b"api.example.com"),
            (b"user-agent", b"benchmark/1.0"),
            (b"accept", b"*/*"),
            (b"accept-encoding", b"gzip, deflate, br"),
            (b"authorization", authorization),
        ]
        scope = {
            "type": "http", "http_version": "1.1", "method": "GET", "scheme": "http",
            "path": path, "raw_path": path.encode("ascii"), "query_string": b"", "root_path": "",
            "headers": headers, "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 50_000),
            "state": {}, "asgi": {"version": "3.0"},
        }  # fmt: skip
        return app(scope, _receive, _send)

    return request


def _in_an_app(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    server = _server(signer)
    for token in tokens:
        server.verify_sync(token)
    guarded, bare = _requests(server), _requests(None)
    new = _requests(_server(signer, token_cache_size=0))

    def of(request: Callable[[bytes], Awaitable[None]], some: Sequence[bytes]) -> Batch:
        return _each_awaited(lambda token: request(b"Bearer " + token), some)

    return [
        Case("app bare, one token", of(bare, tokens[:1])),
        Case("app guarded, one token", of(guarded, tokens[:1])),
        Case("app bare", of(bare, tokens)),
        Case("app guarded, seen before", of(guarded, tokens)),
        Case("app guarded, new", of(new, tokens)),
    ]


def _in_fastapi(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    server = _server(signer)
    for token in tokens:
        server.verify_sync(token)
    auth, app = AccessTokenScheme(server), FastAPI()
    guards = {
        "guarded by requires": auth.requires(scopes=["read:orders"]),
        "guarded by Security": Security(auth, scopes=["read:orders"]),
        "with a dependency": Depends(_nothing),
    }
    app.add_api_route("/bare", _plain)
    for name, guard in guards.items():
        app.add_api_route(f"/{name}", _plain, dependencies=[guard])

    def of(path: str) -> Batch:
        request = _asking(app, path)
        return _each_awaited(lambda token: request(b"Bearer " + token), tokens)

    return [Case(f"FastAPI {name}", of(f"/{name}")) for name in ("bare", *guards)]


def _observed(signer: Signer, tokens: Sequence[bytes]) -> list[Case]:
    # Nobody writes meanwhile: the thread of a ledger is another one's time, every ten seconds.
    ledger = Ledger(Memory(), service="orders", interval=0)
    observers: dict[str, list[Observer]] = {
        "nobody": [], "a ledger": [ledger], "a function": [lambda event: None],
    }  # fmt: skip
    found = []
    for name, some in observers.items():
        server = _server(signer, observers=some)
        for token in tokens:
            server.verify_sync(token)
        found.append(Case(f"seen before, {name} listens", _authenticated(server, tokens)))
    return found


async def _nothing() -> None:
    pass


async def _plain() -> PlainTextResponse:
    return PlainTextResponse("ok")


def _many_cached(signer: Signer, cached: int) -> list[Case]:
    # HS256 only because it is quick to sign: what a hit costs does not depend on the algorithm.
    tokens = signer.tokens(cached)

    def hits(count: int) -> Batch:
        server = _server(signer, token_cache_size=count)
        for token in tokens[:count]:
            server.verify_sync(token)
        return _authenticated(server, sample(tokens[:count], count))

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

    async def refused(header: bytes) -> None:
        try:
            await server.authenticate([(b"authorization", header)])
        except AuthError:
            return

    return [
        Case("junk, authenticate", _each_awaited(refused, [JUNK])),
        Case("junk, app guarded", _each_awaited(guarded, [JUNK])),
        Case("junk without a scheme, app guarded", _each_awaited(guarded, [NO_SCHEME])),
        Case("junk, app bare", _each_awaited(bare, [JUNK])),
    ]
