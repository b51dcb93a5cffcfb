"""FastAPI's guards among each other and behind the middleware: each resource server judges a request
once, and believes nobody else.
"""

import asyncio
from collections import Counter
from itertools import permutations
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request, Security
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection

from atjwt import Principal, Reason, ResourceServer
from atjwt.asgi import SCOPE_KEY, AccessTokenMiddleware, ASGIApp, Authentication
from atjwt.events import AccessDenied, Event, TokenAccepted, TokenRefused
from atjwt.fastapi import AccessTokenScheme
from atjwt.policies import is_kind
from atjwt.starlette import principal_of
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Clock,
    Pairs,
    ask,
    bearer,
    http_scope,
    refusal,
    sent_by,
    trusting,
)

OTHER = "https://other.example.com/"


@pytest.fixture
def auth(server: ResourceServer) -> AccessTokenScheme:
    """The scheme of the resource server."""
    return AccessTokenScheme(server)


@pytest.fixture
def judged() -> Counter[str]:
    """How often each other resource server has judged a token good."""
    return Counter()


@pytest.fixture
def others(
    issuer: LocalIssuer, clock: Clock, judged: Counter[str]
) -> tuple[AccessTokenScheme, ...]:
    """Schemes of three more APIs, each with a resource server of its own; the names tell them."""

    def scheme(name: str) -> AccessTokenScheme:
        server = ResourceServer(
            audience=name, issuers=[trusting(issuer)], clock=clock,
            observers=[lambda event: judged.update([name] * isinstance(event, TokenAccepted))],
        )  # fmt: skip
        return AccessTokenScheme(server, scheme_name=f"Token{name[-1]}")

    return scheme("urn:x"), scheme("urn:y"), scheme("urn:z")


def needing(*dependencies: Any, **settings: Any) -> FastAPI:
    """An app whose one route has these dependencies. settings: of the app."""
    app = FastAPI(**settings)
    app.add_api_route("/", lambda: "in", dependencies=dependencies)
    return app


# --- Once -----------------------------------------------------------------------------------------


def every_guard(auth: AccessTokenScheme) -> list[Any]:
    """Guards of every kind, which a caller with the scopes a and b passes."""

    async def parent(who: Annotated[Principal, auth.requires(is_kind("user"))]) -> Principal:
        return who

    return [
        Depends(auth), Security(auth, scopes=["a"]), Security(auth, scopes=["a", "b"]),
        auth.requires(), auth.requires(scopes=["a"]), auth.requires(scopes=["a"]),
        auth.optional, auth.public, Depends(parent), Security(parent, scopes=["b"]),
        Depends(auth, use_cache=False),
    ]  # fmt: skip


def test_a_request_is_judged_once_however_many_guards_ask(
    auth: AccessTokenScheme, issuer: LocalIssuer, events: list[Event]
) -> None:
    """The first verifies, the others read what it found; and the next request is judged anew."""
    app = needing(*every_guard(auth))
    headers = bearer(issuer.token(scopes=["a", "b"]))
    for requests in (1, 2):
        assert ask(app, headers).status == 200
        assert len([event for event in events if isinstance(event, TokenAccepted)]) == requests
    assert len(events) == 2


def test_a_refusal_is_told_once(
    auth: AccessTokenScheme, issuer: LocalIssuer, events: list[Event]
) -> None:
    """One event, whether nothing was sent, the token does not hold, or it does not allow this."""
    app = needing(*every_guard(auth), middleware=[])
    cases: list[tuple[Pairs, type, Reason]] = [
        ([], AccessDenied, Reason.MISSING_TOKEN),
        (bearer(issuer.broken(Reason.EXPIRED)), TokenRefused, Reason.EXPIRED),
        (bearer(issuer.token(scopes=["a"])), AccessDenied, Reason.MISSING_SCOPE),
    ]
    for headers, kind, reason in cases:
        events.clear()
        assert refusal(app, headers, path="/").status in {401, 403}
        [told] = [event for event in events if not isinstance(event, TokenAccepted)]
        assert isinstance(told, AccessDenied | TokenRefused)
        assert (type(told), told.reason, told.method, told.path) == (kind, reason, "GET", "/")


def test_each_of_several_resource_servers_judges_once(
    auth: AccessTokenScheme, others: tuple[AccessTokenScheme, ...], issuer: LocalIssuer,
    judged: Counter[str], events: list[Event],
) -> None:  # fmt: skip
    """Two APIs on one route, or four, in turns: none forgets what it has found for another."""
    schemes = [auth, *others]
    app = needing(*(each.requires() for _ in range(2) for each in schemes))
    names = [str(each.resource_server.realm) for each in schemes]
    assert ask(app, bearer(issuer.token(audience=names))).status == 200
    assert len(events) == 1
    assert judged == dict.fromkeys(names[1:], 1)


# --- No guard vouches for another -----------------------------------------------------------------


def test_no_guard_vouches_for_another_in_any_order(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """FastAPI remembers what a dependency said, by its call and its scopes; policies differ in
    neither, and every one is asked all the same.
    """
    guards = [
        Depends(auth), auth.requires(), auth.optional, auth.requires(permissions=["p"]),
        auth.requires(is_kind("user")),
    ]  # fmt: skip
    poor, good, machine = (
        bearer(issuer.token(dialect="rfc9068_profile_authz", permissions=["q"])),
        bearer(issuer.token(dialect="rfc9068_profile_authz", permissions=["p"])),
        bearer(issuer.token(dialect="rfc9068_profile_authz", permissions=["p"], kind="client")),
    )
    for order in permutations(guards):
        app = needing(*order)
        found = [ask(app, headers).status for headers in ([], poor, machine, good)]
        assert found == [401, 403, 403, 200]


def test_the_same_scopes_are_not_the_same_policy(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """Guards of equal scopes, in both orders and in one signature."""
    easy = auth.requires(scopes=["a"])
    hard = auth.requires(scopes=["a"], permissions=["p"])
    own = Security(auth, scopes=["a"])
    token = issuer.token(dialect="rfc9068_profile_authz", scopes=["a"], permissions=["q"])
    for first, second in permutations([easy, hard, own], 2):
        app = FastAPI()

        @app.get("/")
        async def endpoint(one: Annotated[Any, first], two: Annotated[Any, second]) -> bool:
            return one is two

        expected = 403 if hard in (first, second) else 200
        assert ask(app, bearer(token)).status == expected


def test_scopes_of_one_security_are_not_those_of_another(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """One dependency under several `Security`: the scopes of each are asked."""

    async def shared(who: Annotated[Principal, Depends(auth)]) -> Principal:
        return who

    for pair in permutations([Security(shared, scopes=["a"]), Security(shared, scopes=["b"])]):
        app = needing(Depends(shared), *pair, Depends(shared))
        for scopes, status in ((["a"], 403), (["b"], 403), (["a", "b"], 200)):
            assert ask(app, bearer(issuer.token(scopes=scopes))).status == status


# --- Behind the middleware ------------------------------------------------------------------------


def behind(server: ResourceServer, app: ASGIApp, **settings: Any) -> ASGIApp:
    """An app behind the middleware."""
    return AccessTokenMiddleware(app, resource_server=server, **settings)


@pytest.mark.parametrize("settings", [{}, {"required": False}])
def test_what_the_middleware_has_verified_is_not_verified_again(
    auth: AccessTokenScheme, issuer: LocalIssuer, events: list[Event], settings: Any
) -> None:
    """By the very same resource server, inside the app and around it; policies are asked."""
    server = auth.resource_server
    guards = [auth.requires(scopes=["a"]), auth.optional]
    within = Middleware(AccessTokenMiddleware, resource_server=server, **settings)
    for app in (
        behind(server, needing(*guards), **settings),
        needing(*guards, middleware=[within]),
    ):
        events.clear()
        assert ask(app, bearer(issuer.token(scopes=["a"]))).status == 200
        assert len(events) == 1
        assert refusal(app, bearer(issuer.token(scopes=[]))).scope == "a"
        assert refusal(app).error is None


def test_an_equal_resource_server_is_another(issuer: LocalIssuer, clock: Clock) -> None:
    """Same audience, same issuer, another leeway: what one lets through the other may not."""
    lenient, strict = (
        ResourceServer(audience=API, issuers=[trusting(issuer)], clock=clock, leeway=leeway)
        for leeway in (300, 0)
    )
    app = behind(lenient, needing(AccessTokenScheme(strict).requires()))
    token = issuer.token(lifetime=60)
    assert ask(app, bearer(token)).status == 200
    clock.now += 61
    assert ask(behind(lenient, needing()), bearer(token)).status == 200
    assert refusal(app, bearer(token)).error == "invalid_token"


def test_behind_another_resource_server_everything_is_verified_anew(
    auth: AccessTokenScheme, others: tuple[AccessTokenScheme, ...], issuer: LocalIssuer,
    judged: Counter[str], events: list[Event],
) -> None:  # fmt: skip
    """A token for the one is refused by the other, both ways round, and told under its own realm."""
    ours, other = auth, others[0]
    for outer, inner in ((ours, other), (other, ours)):
        names = [str(each.resource_server.realm) for each in (outer, inner)]
        app = behind(outer.resource_server, needing(inner.requires(), inner.requires()))
        for audience, realm in ((names[0], names[1]), (names[1], names[0])):
            told = refusal(app, bearer(issuer.token(audience=audience)))
            assert (told.status, told.error, told.realm) == (401, "invalid_token", realm)
        judged.clear()
        events.clear()
        assert ask(app, bearer(issuer.token(audience=names))).status == 200
        assert (judged.total(), len(events)) == (1, 1)


def test_two_apis_on_two_mounts(
    auth: AccessTokenScheme, others: tuple[AccessTokenScheme, ...], issuer: LocalIssuer
) -> None:
    """Each knows its own tokens; also where one is behind the middleware of the other."""
    other = others[0]
    for outer in (FastAPI(), FastAPI(dependencies=[auth.optional])):
        outer.mount("/ours", needing(auth.requires(), openapi_url=None))
        outer.mount("/other", needing(other.requires(), openapi_url=None))
        around = behind(auth.resource_server, outer, required=False)
        ours, theirs = (bearer(issuer.token(audience=name)) for name in (API, "urn:x"))
        for app in (outer, around):
            assert ask(app, ours, path="/ours/").status == 200
            assert refusal(app, ours, path="/other/").realm == "urn:x"
            assert refusal(app, theirs, path="/ours/").realm == API
        assert ask(outer, theirs, path="/other/").status == 200
        assert refusal(around, theirs, path="/other/").realm == API  # sent, and invalid there


def test_nothing_that_was_in_the_scope_before_is_believed(
    auth: AccessTokenScheme, others: tuple[AccessTokenScheme, ...], issuer: LocalIssuer
) -> None:
    """Whoever may have put it there: only what this very resource server has verified counts."""
    principal = auth.resource_server.verify_sync(issuer.token(scopes=["a"]))
    app = needing(auth.requires())
    forged: list[Any] = [
        principal, (auth.resource_server, principal), {"principal": principal}, None,
        Authentication(others[0].resource_server, principal),
    ]  # fmt: skip
    for key in (SCOPE_KEY, "atjwt.fastapi", "user", "auth"):
        for value in forged:
            assert refusal(app, **{key: value}).error is None


def test_request_user_and_request_auth_are_those_of_the_middleware(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """The principal, the same object as the guard's; and scopes, never permissions."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request, who: Annotated[Principal, auth.requires()]) -> Any:
        assert request.user is who is principal_of(request)
        return request.auth.scopes

    token = issuer.token(dialect="access_token_authz", scopes=["s"], permissions=["p"])
    around = behind(auth.resource_server, app)
    assert ask(around, bearer(token)).text == '["authenticated","s"]'


def test_what_another_resource_server_has_verified_stays_where_it_is(
    auth: AccessTokenScheme, others: tuple[AccessTokenScheme, ...], issuer: LocalIssuer
) -> None:
    """The middleware's caller is not overwritten by a guard of another API."""
    seen: list[Any] = []

    async def endpoint(
        connection: HTTPConnection, who: Annotated[Principal, others[0].requires()]
    ) -> None:
        seen.append((connection.scope[SCOPE_KEY], who))

    app = FastAPI()
    app.add_api_route("/", endpoint)
    token = bearer(issuer.token(audience=[API, "urn:x"]))
    scope = http_scope(token)
    asyncio.run(sent_by(behind(auth.resource_server, app), scope))
    [(kept, who)] = seen
    assert kept.resource_server is auth.resource_server
    assert kept.principal == who
    assert kept.principal is not who
