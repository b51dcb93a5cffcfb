"""FastAPI's guards: however and wherever one is written, it guards, and all of them hold together.

Every app here stands alone, without the middleware; each guard verifies for itself.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket, routing
from fastapi.responses import PlainTextResponse
from starlette.requests import HTTPConnection

from atjwt import Principal, ResourceServer, has_scope
from atjwt.asgi import SCOPE_KEY
from atjwt.fastapi import AccessTokenScheme
from atjwt.testing import LocalIssuer
from web.asking import (
    Answer,
    Pairs,
    answer_of,
    ask,
    bearer,
    read_refusal,
    refusal,
    sent_by,
    websocket_scope,
)

PATH = "/v1/orders"


@pytest.fixture
def auth(server: ResourceServer) -> AccessTokenScheme:
    """The scheme of the resource server."""
    return AccessTokenScheme(server)


# --- Every way to write a guard that asks for the scope `a` ---------------------------------------


def name_of(connection: HTTPConnection) -> str:
    """The caller's; an endpoint that nobody's request gets to breaks, and so does its test."""
    principal: Principal | None = connection.scope[SCOPE_KEY].principal
    assert principal is not None
    return principal.subject


async def said(connection: HTTPConnection) -> PlainTextResponse:
    """An endpoint that says who is calling."""
    return PlainTextResponse(name_of(connection))


def said_sync(connection: HTTPConnection) -> PlainTextResponse:
    """The same, in FastAPI's thread pool."""
    return PlainTextResponse(name_of(connection))


async def accepted(websocket: WebSocket) -> None:
    """The same for a WebSocket."""
    await websocket.accept()
    await websocket.send_text(name_of(websocket))
    await websocket.close()


def both_at(router: Any, path: str = PATH, **more: Any) -> None:
    """A route and a WebSocket of the same path."""
    router.add_api_route(path, said, methods=["GET", "POST"], **more)
    router.add_api_websocket_route(path, accepted, **more)


def taking(marker: Any) -> FastAPI:
    """Endpoints that take the caller by this annotation."""
    app = FastAPI()

    @app.get(PATH)
    async def endpoint(who: Annotated[Any, marker], connection: HTTPConnection) -> Any:
        return await said(connection)

    @app.post(PATH)
    def endpoint_sync(who: Annotated[Any, marker], connection: HTTPConnection) -> Any:
        return said_sync(connection)

    @app.websocket(PATH)
    async def socket(websocket: WebSocket, who: Annotated[Any, marker]) -> None:
        await accepted(websocket)

    return app


def by_default(auth: AccessTokenScheme) -> FastAPI:
    """As the default value of a parameter, as before `Annotated`."""
    app = FastAPI()
    guard: Any = auth.requires(scopes=["a"])

    async def endpoint(connection: HTTPConnection, who: Principal = guard) -> Any:
        return await said(connection)

    async def socket(websocket: WebSocket, who: Principal = guard) -> None:
        await accepted(websocket)

    app.add_api_route(PATH, endpoint, methods=["GET", "POST"])
    app.add_api_websocket_route(PATH, socket)
    return app


def by_route(auth: AccessTokenScheme) -> FastAPI:
    app = FastAPI()
    both_at(app.router, dependencies=[auth.requires(scopes=["a"])])
    return app


def by_app(auth: AccessTokenScheme) -> FastAPI:
    app = FastAPI(dependencies=[auth.requires(scopes=["a"])])
    both_at(app.router)
    return app


def by_router(auth: AccessTokenScheme) -> FastAPI:
    router = APIRouter(dependencies=[Security(auth, scopes=["a"])])
    both_at(router)
    app = FastAPI()
    app.include_router(router)
    return app


def by_include(auth: AccessTokenScheme) -> FastAPI:
    router, app = APIRouter(), FastAPI()
    both_at(router)
    app.include_router(router, dependencies=[auth.requires(scopes=["a"])])
    return app


def by_outer_router(auth: AccessTokenScheme) -> FastAPI:
    inner, outer, app = APIRouter(), APIRouter(prefix="/v1"), FastAPI()
    both_at(inner, "/orders")
    outer.include_router(inner, dependencies=[auth.requires(scopes=["a"])])
    app.include_router(outer)
    return app


def by_router_included_first(auth: AccessTokenScheme) -> FastAPI:
    """FastAPI looks into an included router when it is asked, so routes may come later."""
    router, app = APIRouter(dependencies=[auth.requires(scopes=["a"])]), FastAPI()
    app.include_router(router)
    both_at(router)
    return app


def by_mount(auth: AccessTokenScheme) -> FastAPI:
    inner, app = FastAPI(dependencies=[auth.requires(scopes=["a"])]), FastAPI()
    both_at(inner.router, "/orders")
    app.mount("/v1", inner)
    return app


def on(guard: Any) -> Callable[..., Any]:
    """A dependency on a dependency on a guard."""

    async def inner(who: Annotated[Principal, guard]) -> Principal:
        return who

    def outer(who: Annotated[Principal, Depends(inner)]) -> Principal:
        return who

    return outer


def on_class(guard: Any) -> type:
    """A class that is a dependency, and has one."""

    class Caller:
        def __init__(self, who: Annotated[Principal, guard]) -> None:
            self.who = who

    return Caller


def on_generator(guard: Any) -> Callable[..., Any]:
    """A dependency that cleans up afterwards."""

    async def dependency(who: Annotated[Principal, guard]) -> Any:
        yield who

    return dependency


WAYS: dict[str, Callable[[AccessTokenScheme], FastAPI]] = {
    "annotation": lambda auth: taking(auth.requires(scopes=["a"])),
    "annotation, as a policy": lambda auth: taking(auth.requires(has_scope("a"))),
    "FastAPI's own annotation": lambda auth: taking(Security(auth, scopes=["a"])),
    "default value": by_default,
    "route": by_route,
    "app": by_app,
    "router": by_router,
    "include": by_include,
    "outer router": by_outer_router,
    "mounted app": by_mount,
    "sub-dependency": lambda auth: taking(Depends(on(auth.requires(scopes=["a"])))),
    "class": lambda auth: taking(Depends(on_class(auth.requires(scopes=["a"])))),
    "generator": lambda auth: taking(Depends(on_generator(auth.requires(scopes=["a"])))),
    "scopes of a parent": lambda auth: taking(Security(on(Depends(auth)), scopes=["a"])),
    "scopes of a parent, any caller": lambda auth: taking(
        Security(on(auth.requires()), scopes=["a"])
    ),
    "scopes of a parent, optional": lambda auth: taking(
        Security(on_class(auth.optional), scopes=["a"])
    ),
}
if hasattr(routing, "iter_route_contexts"):  # before, a route that came later was none of the app's
    WAYS["router included first"] = by_router_included_first


def handshake(app: FastAPI, headers: Pairs = (), **members: Any) -> list[Any]:
    """What a WebSocket handshake is answered with."""
    scope = websocket_scope(headers, path=PATH, **members)
    connected = {"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}
    return asyncio.run(sent_by(app, scope, *connected))


def denied(app: FastAPI, headers: Pairs = ()) -> Answer:
    """The denial of a WebSocket."""
    return answer_of(handshake(app, headers), "websocket.")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_however_it_is_written_a_guard_guards(
    auth: AccessTokenScheme, issuer: LocalIssuer, way: str, method: str
) -> None:
    """401 for nobody, 403 for somebody without the scope, and the endpoint for who has it."""
    app = WAYS[way](auth)
    assert refusal(app, path=PATH, method=method).error is None
    poor = refusal(app, bearer(issuer.token(scopes=["b"])), path=PATH, method=method)
    assert (poor.status, poor.scope) == (403, "a")
    rich = ask(app, bearer(issuer.token(scopes=["a"], subject="ada")), path=PATH, method=method)
    assert (rich.status, rich.text) == (200, "ada")


@pytest.mark.parametrize("way", WAYS)
def test_however_it_is_written_a_guard_guards_a_websocket(
    auth: AccessTokenScheme, issuer: LocalIssuer, way: str
) -> None:
    """Denied before it is accepted, with the answer of HTTP, or closed where that cannot be sent."""
    app = WAYS[way](auth)
    poor, rich = (bearer(issuer.token(scopes=[name], subject="ada")) for name in ("b", "a"))
    assert read_refusal(denied(app)).error is None
    told = read_refusal(denied(app, poor))
    assert (told.status, told.scope) == (403, "a")
    for headers in ([], poor, bearer("x")):
        [closed] = handshake(app, headers, extensions={})
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
        assert not closed.get("reason")
    opened, greeting, _ = handshake(app, rich)
    assert (opened["type"], greeting["text"]) == ("websocket.accept", "ada")


def test_all_guards_of_a_route_hold_together(auth: AccessTokenScheme, issuer: LocalIssuer) -> None:
    """Of the app, of each router, of the route, of the endpoint and of what it depends on."""

    async def parent(who: Annotated[Principal, auth.requires(permissions=["p"])]) -> Principal:
        return who

    async def endpoint(
        who: Annotated[Principal, auth.requires(scopes=["endpoint"])],
        same: Annotated[Principal, Security(parent, scopes=["parent"])],
        any_caller: Annotated[Principal | None, auth.optional],
    ) -> bool:
        return who is same is any_caller

    inner = APIRouter(dependencies=[auth.requires(scopes=["inner"])])
    outer = APIRouter(dependencies=[auth.requires(scopes=["outer"])])
    inner.add_api_route("/", endpoint, dependencies=[Security(auth, scopes=["route", "more"])])
    outer.include_router(inner, dependencies=[auth.requires(scopes=["include"])])
    app = FastAPI(dependencies=[auth.requires(scopes=["app"])])
    app.include_router(outer)
    every = {"app", "outer", "include", "inner", "route", "more", "endpoint", "parent"}

    def token(*scopes: str, permissions: tuple[str, ...] = ("p",)) -> Pairs:
        return bearer(
            issuer.token(
                dialect="rfc9068_profile_authz", scopes=sorted(scopes), permissions=permissions
            )
        )

    assert ask(app, token(*every)).text == "true"
    for missing in every:
        told = refusal(app, token(*every - {missing}))
        assert (told.status, told.scope) == (403, missing)
    assert refusal(app, token(*every, permissions=("q",))).status == 403
