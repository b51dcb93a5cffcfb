"""Against an authorization server of the world: npm's oidc-provider, and nothing in between.

The other tests sign their tokens here, under our reading of the RFCs. These do not: the provider
decides what a token, a key set and the metadata look like, and it is a certified implementation by
people who never saw this one. Three questions are put to it.

    accepted   what it issues for our API, under each algorithm, to machines and to users
    refused    everything else that it signs with the same keys: tokens of another API, ID tokens,
               answers that are JWTs, tokens that are bound to a key, encrypted or opaque
    rotation   its keys change while requests flow, and no good request notices

Each test asks for its own tokens and makes its own resource server, so each may rotate the keys.
"""

import asyncio
import base64
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpx2
import pytest
from joserfc import jws
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import (
    AUTH0,
    RFC9068,
    InvalidToken,
    KeyPolicy,
    Principal,
    Reason,
    ResourceServer,
    TrustedIssuer,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import principal_of, requires
from interop.provider_process import AuthorizationServer

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA", "Ed25519")
METADATA = "/.well-known/openid-configuration"
KEYS = "/jwks"

# --- accepted -----------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_machines_token_is_accepted_under_each_algorithm(
    authorization_server: AuthorizationServer, alg: str
) -> None:
    """A client credentials token gives a principal that says what the token says, in each field."""
    token = authorization_server.machine_token(f"urn:orders:{alg}", "read:orders write:orders")
    header, claims = _read(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", alg)

    who = _verify(_resource_server(authorization_server, algorithms=[alg]), token)

    assert who.issuer == authorization_server.issuer == claims["iss"]
    assert who.subject == who.client_id == authorization_server.machine == claims["client_id"]
    assert who.kind == "client"
    assert who.scopes == {"read:orders", "write:orders"}
    assert who.permissions is None
    assert set(who.audience) == {authorization_server.audience} == {claims["aud"]}
    assert who.profile == RFC9068
    assert who.token_id == claims["jti"]
    assert (who.issued_at, who.expires_at) == (claims["iat"], claims["exp"])
    assert claims["exp"] - claims["iat"] == authorization_server.lifetime
    assert who.claims == claims


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_users_token_is_accepted_under_each_algorithm(
    authorization_server: AuthorizationServer, alg: str
) -> None:
    """A token of a user who logged in and consented gives that user, and the app they used."""
    tokens = authorization_server.login("ada", f"urn:orders:{alg}", "openid read:orders")

    who = _verify(_resource_server(authorization_server, algorithms=[alg]), tokens.access_token)

    assert (who.kind, who.subject) == ("user", "ada")
    assert who.client_id == authorization_server.app
    assert who.scopes == {"read:orders"}
    assert set(who.audience) == {authorization_server.audience}


def test_the_default_algorithms_are_the_three_that_everybody_has(
    authorization_server: AuthorizationServer,
) -> None:
    """With no algorithms given, RS256, PS256 and ES256 are accepted and EdDSA is refused."""
    server = _resource_server(authorization_server)
    for alg in ("RS256", "PS256", "ES256"):
        _verify(server, authorization_server.machine_token(f"urn:orders:{alg}"))
    for alg in ("EdDSA", "Ed25519"):
        token = authorization_server.machine_token(f"urn:orders:{alg}")
        assert _refusal(server, token) is Reason.ALGORITHM_NOT_ALLOWED


def test_both_profiles_may_be_open_while_an_api_migrates(
    authorization_server: AuthorizationServer,
) -> None:
    """An issuer of which both profiles are accepted has its RFC 9068 tokens accepted as such."""
    server = _resource_server(authorization_server, profiles={AUTH0, RFC9068})
    assert _verify(server, authorization_server.machine_token()).profile == RFC9068


def test_a_token_is_verified_where_there_is_no_event_loop(
    authorization_server: AuthorizationServer,
) -> None:
    """`verify_sync` fetches the same keys and gives the same principal."""
    token = authorization_server.machine_token()
    found = _resource_server(authorization_server).verify_sync(token)
    assert found == _verify(_resource_server(authorization_server), token)


def test_a_cold_start_under_load_costs_one_fetch_of_each(
    authorization_server: AuthorizationServer,
) -> None:
    """Of 200 first requests at once all succeed, after one fetch of metadata and one of keys."""
    tokens = authorization_server.machine_tokens() * 40
    server = _resource_server(authorization_server, algorithms=ALGORITHMS)
    before = [authorization_server.hits(path) for path in (METADATA, KEYS)]

    async def all_at_once() -> list[Principal]:
        return await asyncio.gather(*(server.verify(token) for token in tokens))

    assert len(asyncio.run(all_at_once())) == len(tokens)
    after = [authorization_server.hits(path) for path in (METADATA, KEYS)]
    assert after == [count + 1 for count in before]


def test_with_the_jwks_uri_given_no_metadata_is_asked_for(
    authorization_server: AuthorizationServer,
) -> None:
    """A configured `jwks_uri` is used as it is: the keys are fetched, the metadata is not."""
    server = _resource_server(authorization_server, jwks_uri=authorization_server.jwks_uri)
    before = authorization_server.hits(METADATA)
    _verify(server, authorization_server.machine_token())
    assert authorization_server.hits(METADATA) == before


# --- refused ------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_an_algorithm_that_is_not_listed_is_refused(
    authorization_server: AuthorizationServer, alg: str
) -> None:
    """A good token is refused for its algorithm alone, even where a listed one has the same key."""
    others = [other for other in ALGORITHMS if other != alg]
    server = _resource_server(authorization_server, algorithms=others)
    token = authorization_server.machine_token(f"urn:orders:{alg}")
    assert _refusal(server, token) is Reason.ALGORITHM_NOT_ALLOWED


def test_a_token_of_another_api_is_refused(authorization_server: AuthorizationServer) -> None:
    """A token that the same client got from the same server for another API does not open ours."""
    token = authorization_server.machine_token("urn:billing")
    assert _refusal(_resource_server(authorization_server), token) is Reason.WRONG_AUDIENCE


def _id_token(server: AuthorizationServer) -> str:
    return server.login("ada").id_token


def _userinfo_response(server: AuthorizationServer) -> str:
    return server.userinfo_response("ada")


def _introspection_response(server: AuthorizationServer) -> str:
    return server.introspection_response()


@pytest.mark.parametrize("signed", [_id_token, _userinfo_response, _introspection_response])
def test_what_is_no_access_token_is_refused_although_the_same_key_signed_it(
    authorization_server: AuthorizationServer, signed: Callable[[AuthorizationServer], str]
) -> None:
    """ID tokens and signed answers are refused by type, even by an API that their `aud` names."""
    token = signed(authorization_server)
    _, claims = _read(token)
    server = _resource_server(
        authorization_server, audience=claims["aud"], profiles={AUTH0, RFC9068}
    )
    assert _refusal(server, token) is Reason.WRONG_TYPE


@pytest.mark.parametrize("resource", [None, "urn:orders:opaque"])
def test_an_opaque_token_is_refused(
    authorization_server: AuthorizationServer, resource: str | None
) -> None:
    """A token that means something to the provider alone is refused, for that reason."""
    token = authorization_server.machine_token(resource)
    assert _refusal(_resource_server(authorization_server), token) is Reason.OPAQUE_TOKEN


def test_an_encrypted_token_is_refused(authorization_server: AuthorizationServer) -> None:
    """A token that is encrypted for somebody else is refused, for that reason."""
    token = authorization_server.machine_token("urn:orders:encrypted")
    assert _refusal(_resource_server(authorization_server), token) is Reason.ENCRYPTED_TOKEN


def test_a_bound_token_is_refused_as_a_bearer_token(
    authorization_server: AuthorizationServer,
) -> None:
    """A token that the provider bound to a client's key by DPoP is of no use without that key."""
    token = authorization_server.bound_token("urn:orders:ES256")
    assert _refusal(_resource_server(authorization_server), token) is Reason.BOUND_TOKEN


def test_a_token_is_refused_once_it_has_expired(authorization_server: AuthorizationServer) -> None:
    """A token is refused when its lifetime and the leeway are over, even if it was seen before."""
    ahead = 0.0
    server = _resource_server(authorization_server, clock=lambda: time.time() + ahead)
    token = authorization_server.machine_token()
    _verify(server, token)
    ahead = authorization_server.lifetime + 11
    assert _refusal(server, token) is Reason.EXPIRED


def test_a_profile_that_is_not_accepted_is_refused(
    authorization_server: AuthorizationServer,
) -> None:
    """An API that takes the Auth0 profile only refuses an RFC 9068 token, good as it is."""
    server = _resource_server(authorization_server, profiles={AUTH0})
    token = authorization_server.machine_token()
    assert _refusal(server, token) is Reason.PROFILE_NOT_ACCEPTED


def test_an_issuer_is_compared_to_the_letter(authorization_server: AuthorizationServer) -> None:
    """A slash more in the configured issuer makes it another, and nothing is fetched for it."""
    before = authorization_server.hits(KEYS)
    server = ResourceServer(
        audience=authorization_server.audience,
        issuers=[TrustedIssuer(f"{authorization_server.issuer}/")],
    )
    assert _refusal(server, authorization_server.machine_token()) is Reason.UNKNOWN_ISSUER
    assert authorization_server.hits(KEYS) == before


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_changed_claim_breaks_the_signature(
    authorization_server: AuthorizationServer, alg: str
) -> None:
    """A scope written into a good token by anybody but the provider makes it no token at all."""
    header, _, signature = authorization_server.machine_token(f"urn:orders:{alg}").split(".")
    _, claims = _read(authorization_server.machine_token(f"urn:orders:{alg}"))
    forged = json.dumps(claims | {"scope": "read:orders write:orders"}).encode()
    payload = base64.urlsafe_b64encode(forged).rstrip(b"=").decode()
    server = _resource_server(authorization_server, algorithms=ALGORITHMS)
    assert _refusal(server, f"{header}.{payload}.{signature}") is Reason.INVALID_SIGNATURE


# --- over HTTP ----------------------------------------------------------------------------------


def test_a_guarded_app_answers_as_the_rfcs_say(authorization_server: AuthorizationServer) -> None:
    """The one line of set-up gives 401 for no or a bad token, 403 for too little, and else 200."""
    one_line = Middleware(
        AccessTokenMiddleware,
        issuer=authorization_server.issuer,
        audience=authorization_server.audience,
    )
    with TestClient(_app(one_line)) as client:
        nothing = client.get("/orders")
        assert nothing.status_code == 401
        assert nothing.headers["www-authenticate"].startswith("Bearer ")
        assert "error" not in nothing.headers["www-authenticate"]

        id_token = client.get(
            "/orders", headers=_bearer(authorization_server.login("ada").id_token)
        )
        assert id_token.status_code == 401
        assert 'error="invalid_token"' in id_token.headers["www-authenticate"]

        ada = _bearer(authorization_server.login("ada", scope="openid read:orders").access_token)
        allowed = client.get("/orders", headers=ada)
        assert (allowed.status_code, allowed.json()) == (200, {"caller": "ada", "kind": "user"})

        too_little = client.post("/orders", headers=ada)
        assert too_little.status_code == 403
        assert 'error="insufficient_scope"' in too_little.headers["www-authenticate"]
        assert 'scope="write:orders"' in too_little.headers["www-authenticate"]

        writer = _bearer(authorization_server.machine_token(scope="write:orders"))
        assert client.post("/orders", headers=writer).status_code == 200
        assert client.get("/orders", headers=writer).status_code == 403


# --- rotation -----------------------------------------------------------------------------------

# About a thousandth of the usual times, so that what takes an API hours is seen here.
QUICK = KeyPolicy(fresh=0.5, stale=5, cooldown=0.05)


def test_keys_rotate_while_requests_flow_and_no_good_request_is_refused(
    authorization_server: AuthorizationServer,
) -> None:
    """Rotated twice under load: old and new tokens are served, withdrawn ones no longer."""
    server = _resource_server(authorization_server, algorithms=ALGORITHMS, key_policy=QUICK)

    async def rotate() -> None:
        await asyncio.to_thread(authorization_server.rotate, keep_previous=True)

    async def tokens() -> list[str]:
        return await asyncio.to_thread(authorization_server.machine_tokens)

    async def scenario() -> tuple[Counter[int], list[str]]:
        first = await tokens()
        async with Traffic(_app(Middleware(AccessTokenMiddleware, resource_server=server))) as flow:
            await flow.serves(first)
            await rotate()
            second = await tokens()
            await flow.serves(first + second)
            # The next rotation withdraws the first keys, so from here on their tokens are bad ones.
            await flow.serves(second)
            await rotate()
            third = await tokens()
            await flow.serves(second + third)
        return flow.statuses, first

    fetched, began = authorization_server.hits(KEYS), time.monotonic()
    statuses, withdrawn = asyncio.run(scenario())
    fetched, lasted = authorization_server.hits(KEYS) - fetched, time.monotonic() - began

    assert set(statuses) == {200}, statuses
    # The first fetch, one for each rotation (two, if it fell into another), and those that are due.
    assert 3 <= fetched <= 5 + lasted / (0.6 * QUICK.fresh)
    assert {_refusal(server, token) for token in withdrawn} == {Reason.UNKNOWN_KEY}


def test_a_rotation_without_notice_is_followed_at_once(
    authorization_server: AuthorizationServer,
) -> None:
    """When all keys are replaced at once, the first new token is accepted and the old are not."""
    server = _resource_server(authorization_server, algorithms=ALGORITHMS)
    old = authorization_server.machine_tokens()
    for token in old:
        _verify(server, token)

    authorization_server.rotate(keep_previous=False)

    for token in authorization_server.machine_tokens():
        _verify(server, token)
    assert {_refusal(server, token) for token in old} == {Reason.UNKNOWN_KEY}


def test_a_withdrawn_key_is_noticed_without_any_new_token(
    authorization_server: AuthorizationServer,
) -> None:
    """A token of a withdrawn key, although seen before, is refused once the keys are due."""
    server = _resource_server(authorization_server, key_policy=QUICK)
    token = authorization_server.machine_token()

    async def scenario() -> Reason:
        await server.verify(token)
        await asyncio.to_thread(authorization_server.rotate, keep_previous=False)
        async with asyncio.timeout(5):
            while True:
                try:
                    await server.verify(token)
                except InvalidToken as error:
                    return error.reason
                await asyncio.sleep(0.01)

    assert asyncio.run(scenario()) is Reason.UNKNOWN_KEY


class Traffic:
    """Callers who never pause, each taking the next of the tokens that are good at the moment.

    statuses: how often each status was answered.
    """

    CALLERS = 8
    ENOUGH = 200

    def __init__(self, app: Starlette) -> None:
        self.statuses: Counter[int] = Counter()
        self._transport = httpx2.ASGITransport(app)
        self._tokens: Sequence[str] = ()
        self._sent = 0
        self._under_way: Counter[str] = Counter()
        self._answered = asyncio.Condition()
        self._callers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Traffic":
        return self

    async def __aexit__(self, *_: object) -> None:
        self._tokens = ()
        await asyncio.gather(*self._callers)

    async def serves(self, tokens: Sequence[str]) -> None:
        """Sends these tokens only; back when no other is under way and enough are answered."""
        self._tokens = tokens
        if not self._callers:
            self._callers = [asyncio.create_task(self._call()) for _ in range(self.CALLERS)]
        enough = self.statuses.total() + self.ENOUGH
        async with asyncio.timeout(10), self._answered:
            await self._answered.wait_for(
                lambda: self.statuses.total() >= enough and set(+self._under_way) <= set(tokens)
            )

    async def _call(self) -> None:
        async with httpx2.AsyncClient(transport=self._transport, base_url="http://api") as client:
            while self._tokens:
                token = self._tokens[self._sent % len(self._tokens)]
                self._sent += 1
                self._under_way[token] += 1
                response = await client.get("/orders", headers=_bearer(token))
                self._under_way[token] -= 1
                self.statuses[response.status_code] += 1
                async with self._answered:
                    self._answered.notify_all()
                await asyncio.sleep(0.001)


# --- help ---------------------------------------------------------------------------------------


def _resource_server(
    server: AuthorizationServer,
    *,
    audience: str | None = None,
    clock: Callable[[], float] = time.time,
    algorithms: Iterable[str] | None = None,
    **issuer: Any,
) -> ResourceServer:
    if algorithms is not None:
        issuer["algorithms"] = list(algorithms)
    trusted = TrustedIssuer(server.issuer, **({"profiles": {RFC9068}} | issuer))
    return ResourceServer(audience=audience or server.audience, issuers=[trusted], clock=clock)


def _verify(server: ResourceServer, token: str) -> Principal:
    return asyncio.run(server.verify(token))


def _refusal(server: ResourceServer, token: str) -> Reason:
    with pytest.raises(InvalidToken) as refused:
        _verify(server, token)
    return refused.value.reason


def _read(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, read by a second JOSE library."""
    parsed = jws.extract_compact(token.encode())
    return parsed.headers(), json.loads(parsed.payload)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@requires(scopes=["read:orders"])
async def _list_orders(request: Request) -> Response:
    who = principal_of(request)
    return JSONResponse({"caller": who.subject, "kind": who.kind})


@requires(scopes=["write:orders"])
async def _make_order(request: Request) -> Response:
    return JSONResponse({"caller": principal_of(request).subject})


def _app(middleware: Middleware) -> Starlette:
    return Starlette(
        routes=[
            Route("/orders", _list_orders, methods=["GET"]),
            Route("/orders", _make_order, methods=["POST"]),
        ],
        middleware=[middleware],
    )
