"""What the list of guards tells besides the policy: whose tokens, who else gets there, what stands
before a route, and what cannot be looked through.
"""

from typing import Any
from unittest.mock import MagicMock

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Match, Mount, Route
from starlette.testclient import TestClient

from atjwt import ResourceServer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.fastapi import AccessTokenScheme
from atjwt.guards import GuardedRoute, coverage
from atjwt.starlette import RequiresMiddleware, requires
from atjwt.testing import LocalIssuer
from web.asking import API, reached, trusting


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse("reached")


def behind(server: ResourceServer, *routes: Any, **settings: Any) -> list[GuardedRoute]:
    door = Middleware(AccessTokenMiddleware, resource_server=server, **settings)
    return [*coverage(Starlette(routes=list(routes), middleware=[door])).routes]


def test_whose_tokens_are_looked_at_is_told(server: ResourceServer, issuer: LocalIssuer) -> None:
    """A route that moves to the guard of another API is another route."""
    other = ResourceServer(audience="https://other.example/", issuers=[trusting(issuer)])
    for one, name in ((server, API), (other, "https://other.example/")):
        app = FastAPI(openapi_url=None)
        app.add_api_route("/", lambda: "reached", dependencies=[AccessTokenScheme(one).requires()])
        assert [route.audience for route in coverage(app).routes] == [(name,)]


@pytest.mark.parametrize(
    ("setting", "besides"), [("anonymous", "anonymous"), ("allow_preflight", "preflights")]
)
def test_who_else_gets_to_what_no_guard_covers_is_told(
    server: ResourceServer, setting: str, besides: str
) -> None:
    """With a note, and as part of what is stored; mounts and routes of any method too."""
    mounted = Mount("/raw", reached)
    for routes in ([Route("/", plain, methods=["OPTIONS"])], [mounted]):
        (route,) = behind(server, *routes, **{setting: True})
        assert (route.state, route.besides) == ("authenticated", (besides,))
        assert any(setting in note for note in route.notes)
    (guarded,) = behind(
        server, Route("/", requires()(plain), methods=["OPTIONS"]), **{setting: True}
    )
    assert (guarded.besides, guarded.notes) == ((), ())


def test_a_route_that_another_one_stands_before_is_told(server: ResourceServer) -> None:
    """The order of two routes decides who gets in as much as their guards do."""
    me = Route("/users/me", requires(scopes=["admin"])(plain))
    anyone = Route("/users/{id}", requires()(plain))
    assert [route.besides for route in behind(server, me, anyone)] == [(), ()]
    _, hidden = behind(server, anyone, me)
    assert hidden.besides == ("whoever /users/{id} lets in",)
    assert "change their order" in hidden.notes[0]


def test_the_metadata_of_an_app_behind_a_middleware_is_public(
    issuer: LocalIssuer,
) -> None:
    """The middleware gives the document before the route could, and both are the same."""
    server = ResourceServer(
        audience=API, issuers=[trusting(issuer)], resource="https://api.example.com/"
    )
    app = FastAPI(openapi_url=None)
    AccessTokenScheme(server).install(app)
    app.add_middleware(AccessTokenMiddleware, resource_server=server)
    found = coverage(app).routes
    assert [(route.state, route.notes) for route in found] == [("public", ())] * 2


def test_optional_behind_a_middleware_that_demands_is_told(server: ResourceServer) -> None:
    """It never is optional there."""
    app = FastAPI(openapi_url=None)
    app.add_api_route("/", lambda: "in", dependencies=[AccessTokenScheme(server).optional])
    app.add_middleware(AccessTokenMiddleware, resource_server=server)
    (route,) = coverage(app).routes
    assert route.state == "authenticated"
    assert "give it required=False" in route.notes[0]


def test_only_fastapi_s_own_docs_pages_are_declared_public(server: ResourceServer) -> None:
    """A route of somebody's own on such a path stays what it is."""
    app = FastAPI(redoc_url=None)
    app.add_api_route("/redoc", lambda: "mine", methods=["POST"])
    AccessTokenScheme(server).install(app)
    states = {route.path: route.state for route in coverage(app).routes}
    assert states["/redoc"] == "UNGUARDED"
    assert states["/docs"] == states["/openapi.json"] == "public"


class Raising:
    """An app whose parts cannot be had."""

    @property
    def app(self) -> Any:
        raise RuntimeError("no")

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        await reached(scope, receive, send)


class Greedy(Route):
    """A route that takes what it likes."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}


def nested(depth: int) -> Starlette:
    app = Starlette(routes=[Route("/", plain)])
    for _ in range(depth):
        app = Starlette(routes=[Mount("/m", app)])
    return app


@pytest.mark.parametrize(
    "app",
    [
        Starlette(routes=[Mount("/m", MagicMock())]),
        Starlette(routes=[Mount("/m", Raising())]),
        nested(200),
        Starlette(routes=[Greedy("/", requires()(plain))]),
    ],
    ids=["mock", "raising", "deep", "greedy"],
)
def test_what_cannot_be_looked_through_is_unguarded(app: Starlette) -> None:
    """Whatever it does when it is looked at; the walk ends."""
    assert [route.state for route in coverage(app).routes] == ["UNGUARDED"]


def test_a_guard_around_a_mounted_app_answers_whatever_handlers_are_outside(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """What it raised would be the mounted app's 500."""

    async def handler(request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse("mine", 418)

    inner = Starlette(
        routes=[Route("/", plain)], middleware=[Middleware(RequiresMiddleware, scopes=["x"])]
    )
    app = Starlette(
        routes=[Mount("/in", inner)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
        exception_handlers={Exception: handler},
    )
    answer = TestClient(app).get("/in/", headers=issuer.headers(scopes=["y"]))
    assert answer.status_code == 403


def test_an_anonymous_session_is_not_authenticated_to_starlette(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Starlette's own `@requires("authenticated")` would let it in."""

    async def who(request: Request) -> PlainTextResponse:
        return PlainTextResponse(" ".join(request.auth.scopes))

    door = Middleware(AccessTokenMiddleware, resource_server=server, anonymous=True)
    app = Starlette(routes=[Route("/", who)], middleware=[door])
    headers = issuer.headers(subject="anon@1", scopes=["browse"])
    assert TestClient(app).get("/", headers=headers).text == "browse"
