"""Wherever in an app a resource server stands, it is found; where there is none, that is said."""

import functools
from collections.abc import Callable
from typing import Annotated, Any
from unittest.mock import AsyncMock

import pytest
from fastapi import APIRouter, Depends, FastAPI, WebSocket
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Host, Mount, Route, Router
from starlette.testclient import TestClient

from atjwt import Principal, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware, ASGIApp, Receive, Scope, Send
from atjwt.fastapi import AccessTokenScheme
from atjwt.testing import LocalIssuer
from atjwt.testing.search import find_resource_servers
from tools.standing import API, TENANT, tenant, who

SERVER = tenant()
AUTH = AccessTokenScheme(SERVER)
GUARD = Middleware(AccessTokenMiddleware, resource_server=SERVER)
Who = Annotated[Principal, AUTH.requires(scopes=["read:orders"])]


def guarded(app: ASGIApp) -> AccessTokenMiddleware:
    """An app within our middleware."""
    return AccessTokenMiddleware(app, resource_server=SERVER)


class Keeping:
    """A middleware of somebody's, with slots and a name of its own for the app inside."""

    __slots__ = ("_app",)

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(scope, receive, send)


class Service:
    """Something with a resource server and a method that is a dependency, or an app."""

    def __init__(self) -> None:
        self.resource_server = SERVER

    async def caller(self) -> None:
        """A dependency."""

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An app."""


def fastapi_with(build: Callable[[FastAPI], object]) -> FastAPI:
    """A FastAPI app to which something was done."""
    app = FastAPI()
    build(app)
    return app


def _with_route(app: FastAPI | APIRouter) -> None:
    @app.get("/orders")
    async def orders(caller: Who) -> str:
        return caller.subject


def _with_socket(app: FastAPI | APIRouter) -> None:
    @app.websocket("/news")
    async def news(socket: WebSocket, caller: Who) -> None:
        """Never opened here."""


def _with_nested_dependency(app: FastAPI) -> None:
    async def inner(caller: Who) -> str:
        return caller.subject

    @app.get("/")
    async def outer(name: Annotated[str, Depends(inner)]) -> str:
        return name


def _with_routers_in_routers(app: FastAPI) -> None:
    inner, outer = APIRouter(prefix="/inner"), APIRouter(prefix="/outer")
    _with_route(inner)
    outer.include_router(inner)
    app.include_router(outer, prefix="/v1")


def _with_router_dependencies(app: FastAPI) -> None:
    router = APIRouter()
    router.add_api_route("/", lambda: None)
    app.include_router(router, dependencies=[AUTH.requires()])


def _with_method(app: FastAPI) -> None:
    app.add_api_route("/", lambda: None, dependencies=[Depends(Service().caller)])


APPS: dict[str, Any] = {
    "itself": SERVER,
    "the middleware": guarded(Starlette()),
    "a scheme": AUTH,
    "a guard": AUTH.requires().dependency,
    "user middleware": Starlette(middleware=[GUARD]),
    "an app in it": Starlette(routes=[Mount("/v1", app=Starlette(middleware=[GUARD]))]),
    "an app in an app in it": Starlette(
        routes=[Mount("/v1", routes=[Mount("/v2", app=Starlette(middleware=[GUARD]))])]
    ),
    "a mount's middleware": Starlette(routes=[Mount("/v1", routes=[], middleware=[GUARD])]),
    "a route's middleware": Starlette(routes=[Route("/", who, middleware=[GUARD])]),
    "a route that is an app": Starlette(routes=[Route("/", guarded(Starlette()))]),
    "a router's middleware": Router(middleware=[GUARD]),
    "a host": Router([Host("api.test", app=guarded(Starlette()))]),
    "middleware of others": Keeping(Keeping(guarded(Starlette()))),
    "a partial": functools.partial(guarded(Starlette())),
    "a method": Service().serve,
    "app-wide dependencies": FastAPI(dependencies=[AUTH.requires()]),
    "a route": fastapi_with(_with_route),
    "a socket": fastapi_with(_with_socket),
    "a nested dependency": fastapi_with(_with_nested_dependency),
    "routers in routers": fastapi_with(_with_routers_in_routers),
    "a router's dependencies": fastapi_with(_with_router_dependencies),
    "a method as dependency": fastapi_with(_with_method),
    "a FastAPI app in it": Starlette(routes=[Mount("/v1", app=fastapi_with(_with_route))]),
    "a mounted FastAPI app": fastapi_with(lambda app: app.mount("/v1", fastapi_with(_with_route))),
    "a test client": TestClient(fastapi_with(_with_route)),
}


@pytest.mark.parametrize("place", APPS)
def test_a_resource_server_is_found(place: str) -> None:
    """It is found in each of these places, once."""
    assert find_resource_servers(APPS[place]) == [SERVER]


def test_all_are_found_the_outermost_first() -> None:
    """Each is found once, in the order in which a request meets them."""
    one, two, three = tenant(), tenant(), tenant()
    three_of = AccessTokenScheme(three)
    inner = FastAPI(dependencies=[three_of.requires(), three_of.requires(scopes=["a"])])
    app = Starlette(
        routes=[
            Mount(
                "/a", app=inner, middleware=[Middleware(AccessTokenMiddleware, resource_server=two)]
            ),
            Mount("/b", app=inner),
        ],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=one)],
    )
    assert find_resource_servers(app) == [one, two, three]


def test_none_is_found() -> None:
    """An app without one, and one that is a function around another, say what was looked at."""

    async def around(scope: Scope, receive: Receive, send: Send) -> None:
        await APPS["the middleware"](scope, receive, send)

    with pytest.raises(ValueError, match=r"looked at Starlette, .*Route.* itself"):
        find_resource_servers(Starlette(routes=[Route("/", who)]))
    with pytest.raises(ValueError, match=r"looked at function\. Give the ResourceServer"):
        find_resource_servers(around)


def test_a_mock_is_not_believed() -> None:
    """An app that is a mock has every attribute one asks for; the walk comes to an end all the same."""
    assert find_resource_servers(guarded(AsyncMock())) == [SERVER]
    with pytest.raises(ValueError, match="looked at AsyncMock"):
        find_resource_servers(AsyncMock())


def test_the_middleware_that_was_built_is_the_one_that_serves(atjwt_issuer: LocalIssuer) -> None:
    """An app that has answered no request yet is built once; one that has is left as it is."""
    app = Starlette(
        routes=[Route("/", who)],
        middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=API)],
    )
    [server] = find_resource_servers(app)
    stack = app.middleware_stack
    with atjwt_issuer.stands_in_for(app):
        assert TestClient(app).get("/", headers=atjwt_issuer.headers()).status_code == 200
    assert app.middleware_stack is stack
    assert find_resource_servers(app) == [server]


# --- FastAPI, and two APIs ------------------------------------------------------------------------

SHOP = FastAPI()
_with_routers_in_routers(SHOP)
"""Built when this file is imported, as a team's own would be; behind no middleware."""


def test_a_fastapi_app_is_testable_without_change(atjwt_issuer: LocalIssuer) -> None:
    """Guards of an included router: 200, 403, 401 and 503 as in production."""
    client = TestClient(SHOP)
    with atjwt_issuer.stands_in_for(SHOP):

        def status(**headers: str) -> int:
            return client.get("/v1/outer/inner/orders", headers=headers).status_code

        assert status(**atjwt_issuer.headers(scopes=["read:orders"])) == 200
        assert status(**atjwt_issuer.headers(scopes=["read:pets"])) == 403
        assert status() == 401
        with atjwt_issuer.down():
            atjwt_issuer.advance(5000)
            assert status(**atjwt_issuer.headers(scopes=["read:orders"])) == 503


def test_middleware_and_guards_of_two_resource_servers(atjwt_issuer: LocalIssuer) -> None:
    """All resource servers that trust the issuer are stood in for, and share the one clock."""
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=API)])
    _with_route(app)
    with atjwt_issuer.stands_in_for(app):
        servers = find_resource_servers(app)
        assert len({server.clock for server in servers}) == 1 < len(servers)
        assert TestClient(app).get("/orders", headers=atjwt_issuer.headers()).status_code == 200


def test_two_apis_on_two_mounts(atjwt_issuer: LocalIssuer) -> None:
    """Of two APIs of one issuer both are stood in for; `audience=` says for which a token is."""
    names = ("urn:api:orders", "urn:api:pets")
    app = Starlette(
        routes=[
            Mount(
                f"/{name[8:]}",
                routes=[Route("/", who)],
                middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=name)],
            )
            for name in names
        ]
    )
    client = TestClient(app)
    with atjwt_issuer.stands_in_for(app):
        assert client.get("/orders/", headers=atjwt_issuer.headers()).status_code == 200
        assert client.get("/pets/", headers=atjwt_issuer.headers()).status_code == 401
        pets = atjwt_issuer.headers(audience=names[1])
        assert client.get("/pets/", headers=pets).status_code == 200


def test_a_resource_server_of_another_issuer_is_left_alone(atjwt_issuer: LocalIssuer) -> None:
    """What does not trust the issuer stood in for keeps keys, memory and clock."""
    stranger = ResourceServer(audience=API, issuers=[TrustedIssuer("https://issuer.else.test")])
    app = Starlette(
        routes=[Mount("/else", app=AccessTokenMiddleware(Starlette(), resource_server=stranger))],
        middleware=[GUARD],
    )
    before = dict(vars(stranger))
    with atjwt_issuer.stands_in_for(app, issuer=TENANT):
        assert vars(stranger) == before
