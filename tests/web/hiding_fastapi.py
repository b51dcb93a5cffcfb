"""FastAPI apps that hide guards and gaps, with what each way in is to be called.

No middleware is around the first: each guard is on its own. Every endpoint answers 200 to whoever
gets to it.
"""

import functools
from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket
from fastapi.routing import APIRoute
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route

from atjwt import Principal, has_permission, has_scope
from atjwt.fastapi import AccessTokenScheme, Guard
from atjwt.starlette import RequiresMiddleware, public, requires
from atjwt.testing import principal
from web.entering import Row
from web.hiding import (
    ANYONES,
    FREE,
    GUARDED,
    HERE,
    KNOWN,
    OPEN,
    READ,
    SERVER,
    Whole,
    door,
    reached,
    shut,
)

auth = AccessTokenScheme(SERVER)
stood_in_for = AccessTokenScheme(SERVER, scheme_name="StoodInFor")

A = "has_scope('a')"
guard = auth.requires(scopes=["a"])

# --- Dependencies ---------------------------------------------------------------------------------


def on_scheme(who: Annotated[Principal, Depends(auth)]) -> Principal:
    return who


class Deep:
    """A class dependency, on a dependency, on a guard."""

    def __init__(self, who: Annotated[Principal, Security(on_scheme, scopes=["deep"])]) -> None:
        self.who = who


def on_optional(who: Annotated[Principal | None, auth.optional]) -> Principal | None:
    return who


def replaced(who: Annotated[Principal, guard]) -> Principal:
    return who


@requires(scopes=["a"])
def marked_dependency(request: Request) -> str:
    return "not asked by anybody"


class LenientGuard(Guard):
    async def __call__(self, connection: HTTPConnection) -> None:  # type: ignore[override]
        return None


def past(function: Callable[..., Any]) -> Callable[..., Any]:
    """A decorator of somebody else's; the dependencies are none of its business."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> str:
        return "reached"

    return wrapper


# --- Routes of their own kind ---------------------------------------------------------------------


class ShortCut(APIRoute):
    """A route that answers before its dependencies are asked."""

    def get_route_handler(self) -> Callable[[Request], Any]:
        async def handler(request: Request) -> Response:
            return PlainTextResponse("reached")

        return handler


class OwnRouter(APIRouter):
    """A router that takes the requests of its routes itself."""

    async def handle(self, scope: Any, receive: Any, send: Any) -> None:
        await PlainTextResponse("reached")(scope, receive, send)


# --- The app --------------------------------------------------------------------------------------


def anything() -> str:
    return "reached"


async def socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def single(app: FastAPI) -> list[Row]:
    """Routes of the app itself."""
    rows: list[Row] = []

    def add(path: str, state: str, policy: str | None, *dependencies: Any, **more: Any) -> None:
        app.add_api_route(path, more.pop("endpoint", anything), dependencies=dependencies, **more)
        rows.append((",".join(sorted(more.get("methods", ["GET"]))), path, state, policy))

    def annotated(who: Annotated[Principal, auth.requires(permissions=["p"])]) -> str:
        return "reached"

    @requires(scopes=["m"])
    async def marked(request: Request) -> str:
        return "reached"

    add("/open", OPEN, None)
    add("/guarded", GUARDED, A, guard)
    add("/methods", GUARDED, A, guard, methods=["POST", "DELETE"], include_in_schema=False)
    add("/annotated", GUARDED, "has_permission('p')", endpoint=annotated)
    add("/past", GUARDED, "has_permission('p')", endpoint=past(annotated))
    add("/partial", GUARDED, "has_permission('p')", endpoint=functools.partial(annotated))
    add("/marked", GUARDED, "has_scope('m')", endpoint=marked)
    add("/marked-and-guarded", GUARDED, "has_scope('a', 'm')", guard, endpoint=marked)
    add("/declared", FREE, None, auth.public)
    add("/declared-by-mark", FREE, None, endpoint=public(lambda: "reached"))
    add("/contradicted", GUARDED, A, auth.public, guard)
    add("/any", KNOWN, None, auth.requires())
    add("/scheme", KNOWN, None, Depends(auth))
    add("/security", GUARDED, "has_scope('s')", Security(auth, scopes=["s"]))
    add("/two", GUARDED, f"has_permission('b') & {A}", guard, auth.requires(permissions=["b"]))
    either = has_scope("x") | has_permission("y")
    add("/either", GUARDED, "has_permission('y') | has_scope('x')", auth.requires(either))
    add("/deep", GUARDED, "has_scope('deep')", Depends(Deep))
    add("/deeper", GUARDED, "has_scope('deep', 'deeper')", Security(Deep, scopes=["deeper"]))
    add("/optional", "optional", None, auth.optional)
    add("/optional-scoped", GUARDED, "has_scope('o')", Security(on_optional, scopes=["o"]))
    add("/lenient", OPEN, None, Depends(LenientGuard(auth, None, required=True)))
    add("/replaced", OPEN, None, Depends(replaced))
    add("/replaced-elsewhere", GUARDED, A, Depends(replaced), guard)
    add("/anyones", OPEN, None, AccessTokenScheme(ANYONES, scheme_name="Anyones").requires())
    add("/stood-in-for", OPEN, None, stood_in_for.requires(scopes=["a"]))
    app.dependency_overrides[replaced] = lambda: None
    app.dependency_overrides[stood_in_for] = lambda: principal(scopes=["a"])
    return rows


def routers(app: FastAPI) -> list[Row]:
    """Included routers, with and without dependencies, within each other."""
    innermost = APIRouter()
    innermost.add_api_route("/item/{id}", anything)
    innermost.add_api_websocket_route("/socket", socket)
    innermost.add_route("/plain", reached)
    innermost.routes.append(Route("/whole", Whole, methods=["GET"]))
    needs = Middleware(RequiresMiddleware, scopes=["lost"])
    innermost.routes.append(Route("/middleware", reached, middleware=[needs]))
    innermost.routes.append(Mount("/mount", routes=[Route("/", reached)], middleware=[needs]))
    middle = APIRouter(prefix="/middle", dependencies=[auth.requires(scopes=["middle"])])
    middle.include_router(innermost, prefix="/in")
    app.include_router(innermost, prefix="/bare")
    app.include_router(middle, prefix="/{tenant}", dependencies=[guard])
    app.include_router(middle)
    innermost.add_api_route("/late", anything)
    rows: list[Row] = []
    for prefix, state, policy in (
        ("/bare", OPEN, None),
        ("/{tenant}/middle/in", GUARDED, "has_scope('a', 'middle')"),
        ("/middle/in", GUARDED, "has_scope('middle')"),
    ):
        rows += [
            ("GET", f"{prefix}/item/{{id}}", state, policy),
            ("websocket", f"{prefix}/socket", state, policy),
            (READ, f"{prefix}/plain", OPEN, None),
            (READ, f"{prefix}/whole", GUARDED, "has_scope('c')"),
            (READ, f"{prefix}/middleware", OPEN, None),
            (READ, f"{prefix}/mount/", GUARDED, "has_scope('lost')"),
            ("GET", f"{prefix}/late", state, policy),
        ]
    return rows


def hiding(**settings: Any) -> tuple[FastAPI, list[Row]]:
    """The app, and the rows that it makes."""
    app = FastAPI(**settings)
    docs = ("/openapi.json", "/docs", "/docs/oauth2-redirect", "/redoc")
    rows: list[Row] = [(READ, path, OPEN, None) for path in docs]
    rows += [*single(app), *routers(app)]
    app.add_api_websocket_route("/socket", socket)
    app.add_api_websocket_route("/socket-guarded", socket, dependencies=[guard])
    short = APIRouter(route_class=ShortCut)
    short.add_api_route("/short-cut", anything, dependencies=[guard])
    app.include_router(short)
    sub = FastAPI(openapi_url=None, dependencies=[guard])
    sub.add_api_route("/guarded", anything)
    sub.add_route("/plain", reached)
    app.mount("/sub", sub)
    app.mount("/itself", app)
    return app, [
        *rows,
        ("websocket", "/socket", OPEN, None),
        ("websocket", "/socket-guarded", GUARDED, A),
        ("GET", "/short-cut", OPEN, None),
        ("GET", "/sub/guarded", GUARDED, A),
        (READ, "/sub/plain", OPEN, None),
        shut("/itself"),
    ]


def hiding_more() -> tuple[FastAPI, list[Row]]:
    """What only newer versions of FastAPI have: frontends, and routers that stay what they are."""
    app = FastAPI(openapi_url=None, dependencies=[guard])
    app.add_api_route("/all", anything)
    open_app = FastAPI(openapi_url=None, middleware=[door(required=False)])
    depends = [Depends(marked_dependency)]
    open_app.add_api_route("/marked-dependency", anything, dependencies=depends)
    open_app.frontend("/front", directory=HERE, fallback=None)
    behind = APIRouter(prefix="/behind", dependencies=[guard])
    behind.frontend("/", directory=HERE, fallback=None)
    open_app.include_router(behind)
    own = OwnRouter()
    own.add_api_route("/own", anything, dependencies=[guard])
    open_app.include_router(own, prefix="/owned")
    app.frontend("/front", directory=HERE, fallback=None)
    app.mount("/mount", open_app)
    return app, [
        ("GET", "/all", GUARDED, A),
        ("GET", "/mount/marked-dependency", GUARDED, A),
        shut("/mount/owned"),
        shut("/mount/front"),
        shut("/mount/behind", GUARDED, A),
        shut("/front", GUARDED, A),
    ]
