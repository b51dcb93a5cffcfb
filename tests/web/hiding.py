"""A Starlette app that hides guards and gaps, with what each way in is to be called.

Each place is a route and the rows that it makes: methods, path, state and policy. The middleware
around it demands no token by itself, so that each guard decides; every endpoint answers 200 to whoever
gets to it.
"""

import functools
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from atjwt import Principal, ResourceServer, TrustedIssuer, has_permission, has_scope
from atjwt.asgi import AccessTokenMiddleware, ASGIApp, Receive, Scope, Send
from atjwt.starlette import RequiresMiddleware, public, requires
from atjwt.testing import principal
from web.entering import Row

HERE = Path(__file__).parent
SERVER = ResourceServer(
    audience="https://api.example.com/", issuers=[TrustedIssuer("https://issuer.example.org")]
)
"""No token is ever shown to it, so it needs no keys."""
SOMEBODY = principal(scopes=["a", "r"])


Endpoint = Callable[[Request], Awaitable[Response]]


class Place(NamedTuple):
    """A route, and what the walk is to say of it."""

    route: BaseRoute
    rows: tuple[Row, ...]


def at(route: Route | WebSocketRoute, state: str, policy: str | None = None) -> Place:
    """A route that makes one row."""
    methods = ",".join(sorted(getattr(route, "methods", None) or "*"))
    what = methods if isinstance(route, Route) else "websocket"
    return Place(route, ((what, route.path, state, policy),))


def door(**settings: Any) -> Middleware:
    """Our middleware."""
    return Middleware(AccessTokenMiddleware, resource_server=SERVER, **settings)


# --- Endpoints ------------------------------------------------------------------------------------


async def reached(request: Request) -> Response:
    return PlainTextResponse("reached")


def reached_sync(request: Request) -> Response:
    return PlainTextResponse("reached")


async def reached_app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        await PlainTextResponse("reached")(scope, receive, send)
    else:
        await reached_socket(WebSocket(scope, receive, send))


async def reached_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


@requires(scopes=["a"])
async def guarded(request: Request) -> Response:
    return PlainTextResponse("reached")


@requires(scopes=["a"])
@requires(permissions=["b"])
async def twice(request: Request) -> Response:
    return PlainTextResponse("reached")


@public
async def declared(request: Request) -> Response:
    return PlainTextResponse("reached")


@requires(scopes=["a"])
@public
async def contradicted(request: Request) -> Response:
    return PlainTextResponse("reached")


def around(function: Endpoint) -> Endpoint:
    """A decorator of somebody else's that does what it should."""

    @functools.wraps(function)
    async def wrapper(request: Request) -> Response:
        return await function(request)

    return wrapper


def past(function: Endpoint) -> Endpoint:
    """A decorator of somebody else's that passes the guard by."""

    @functools.wraps(function)
    async def wrapper(request: Request) -> Response:
        return await reached(request)

    return wrapper


class Partial(functools.partial[Any]):
    """A partial that does not call what it was made of."""

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        return reached(args[0])


class Holder:
    """Endpoints that are methods."""

    @requires(has_scope("m") | has_permission("m"))
    async def guarded(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    async def open(self, request: Request) -> Response:
        return PlainTextResponse("reached")


class Application:
    """An ASGI app that nobody can look into."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)


# --- Endpoint classes -----------------------------------------------------------------------------


@requires(scopes=["c"])
class Whole(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    @requires(scopes=["p"])
    async def post(self, request: Request) -> Response:
        return PlainTextResponse("reached")


class Heir(Whole):
    async def put(self, request: Request) -> Response:
        return PlainTextResponse("reached")


@requires(scopes=["s"])
class Stacked(Whole):
    pass


class Rebel(Whole):
    async def dispatch(self) -> None:
        await reached_app(self.scope, self.receive, self.send)


@requires(scopes=["t"])
class Tamed(Rebel):
    pass


@requires(scopes=["outer"])
@requires(scopes=["inner"])
class Twice(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")


@public
class Declared(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")


class Undeclared(Declared):
    pass


@requires(scopes=["p"])
class Patched(HTTPEndpoint):
    """Its guard has been taken out again; the mark is left."""


async def dispatch(endpoint: HTTPEndpoint) -> None:
    await reached_app(endpoint.scope, endpoint.receive, endpoint.send)


Patched.dispatch = dispatch  # type: ignore[assignment, method-assign]


class Methods(HTTPEndpoint):
    @requires(scopes=["g"])
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    async def head(self, request: Request) -> Response:
        return PlainTextResponse("")

    @requires()
    def delete(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    patch = staticmethod(guarded)
    put = property(lambda self: reached)


class Dispatching(HTTPEndpoint):
    @requires(scopes=["d"])
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    async def dispatch(self) -> None:
        await reached_app(self.scope, self.receive, self.send)


@requires(scopes=["w"])
class Awaiting(HTTPEndpoint):
    def __await__(self) -> Any:
        return reached_app(self.scope, self.receive, self.send).__await__()


class Making(HTTPEndpoint):
    def __getattr__(self, name: str) -> Any:
        if name == "get":
            return reached
        raise AttributeError(name)


class Refusing(HTTPEndpoint):
    @requires(scopes=["r"])
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")

    async def method_not_allowed(self, request: Request) -> Response:
        return PlainTextResponse("reached")


class Meta(type):
    def __call__(cls, *args: Any) -> Any:
        return reached_app(*args)


class Made(HTTPEndpoint, metaclass=Meta):
    @requires(scopes=["g"])
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("reached")


class Plain:
    """A class that can be awaited, and is none of Starlette's."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.way = scope, receive, send

    def __await__(self) -> Any:
        return reached_app(*self.way).__await__()


class OpenSocket(WebSocketEndpoint):
    @requires(scopes=["x"])
    async def on_receive(self, websocket: WebSocket, data: Any) -> None:
        await websocket.close()


class ConnectSocket(WebSocketEndpoint):
    @requires(scopes=["x"])
    async def on_connect(self, websocket: WebSocket) -> None:
        await websocket.accept()


@requires(scopes=["x"])
class WholeSocket(WebSocketEndpoint):
    pass


@requires(scopes=["x"])
async def guarded_socket(websocket: WebSocket) -> None:
    await reached_socket(websocket)


# --- Middleware, routes, routers of somebody else -------------------------------------------------


class Transparent:
    """Middleware of the usual shape."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


def opaque(app: ASGIApp) -> ASGIApp:
    """Middleware without an `.app`, which does not hand on."""

    @functools.wraps(app)
    async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)

    return middleware


class Lenient(AccessTokenMiddleware):
    """A child of our middleware that lets everybody in."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Impersonating(AccessTokenMiddleware):
    """A child of our middleware that takes everybody for somebody."""

    async def _authenticate(self, *args: Any) -> Principal:
        return SOMEBODY


class Anyones(ResourceServer):
    """A resource server that takes everybody for somebody."""

    async def authenticate(self, *args: Any, **kwargs: Any) -> Principal:
        return SOMEBODY


class LenientRequires(RequiresMiddleware):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)


class Renamed(AccessTokenMiddleware):
    """A child of our middleware that changes nothing but how it is set up."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, resource_server=SERVER)


class ShortCut(Route):
    """A route that does not call its endpoint."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)


class Unknown(BaseRoute):
    """A route of no known kind."""

    path = "/unknown"

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        fits = scope["path"].startswith("/unknown")
        return (Match.FULL if fits else Match.NONE), {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)


class OwnRouter(Router):
    async def app(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)


class OwnStarlette(Starlette):
    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await reached_app(scope, receive, send)


async def pass_on(request: Request, call_next: Any) -> Response:
    response: Response = await call_next(request)
    return response


ANYONES = Anyones(
    audience="https://api.example.com/", issuers=[TrustedIssuer("https://issuer.example.org")]
)

# --- Places ---------------------------------------------------------------------------------------

A = "has_scope('a')"
OPEN, FREE, KNOWN, GUARDED = "UNGUARDED", "public", "authenticated", "guarded"
READ = "GET,HEAD"


def shut(path: str, state: str = OPEN, policy: str | None = None) -> Row:
    """The row of what cannot be looked into."""
    return "mount", path, state, policy


def functions() -> list[Place]:
    """Endpoints that are functions, and such as look like it."""
    holder = Holder()
    return [
        at(Route("/open", reached), OPEN),
        at(Route("/sync", reached_sync), OPEN),
        at(Route("/lambda", lambda request: PlainTextResponse("reached")), OPEN),
        at(Route("/guarded", guarded), GUARDED, A),
        at(Route("/post", guarded, methods=["POST", "PUT"]), GUARDED, A),
        at(Route("/any-method", guarded, methods=[]), GUARDED, A),
        at(Route("/guarded-sync", requires(scopes=["s"])(reached_sync)), GUARDED, "has_scope('s')"),
        at(Route("/guarded-lambda", requires()(lambda request: Response())), KNOWN),
        at(Route("/twice", twice), GUARDED, f"has_permission('b') & {A}"),
        at(Route("/declared", declared), FREE),
        at(Route("/contradicted", contradicted), GUARDED, A),
        at(Route("/around-inside", requires(scopes=["a"])(around(reached))), GUARDED, A),
        at(Route("/past", past(guarded)), OPEN),
        at(Route("/past-public", past(declared)), OPEN),
        at(Route("/partial", functools.partial(guarded)), GUARDED, A),
        at(Route("/partial-open", functools.partial(reached)), OPEN),
        at(
            Route("/partial-inside", requires(scopes=["a"])(functools.partial(reached))), GUARDED, A
        ),
        at(Route("/partial-of-its-own", Partial(guarded)), OPEN),
        at(Route("/method", holder.guarded), GUARDED, "has_permission('m') | has_scope('m')"),
        at(Route("/method-open", holder.open), OPEN),
        at(Route("/{a}/pattern/{b:int}", guarded), GUARDED, A),
        at(Route("/application", Application()), OPEN),
        at(
            Route("/behind-door", AccessTokenMiddleware(reached_app, resource_server=SERVER)), KNOWN
        ),
        at(WebSocketRoute("/socket", reached_socket), OPEN),
        at(WebSocketRoute("/socket-guarded", guarded_socket), GUARDED, "has_scope('x')"),
    ]


def classes() -> list[Place]:
    """Endpoint classes, a row for each handler."""
    c = "has_scope('c')"
    both = "has_scope('c', 'p')"
    return [
        Place(
            Route("/whole", Whole),
            ((READ, "/whole", GUARDED, c), ("POST", "/whole", GUARDED, both)),
        ),
        Place(
            Route("/whole-post", Whole, methods=["POST"]), (("POST", "/whole-post", GUARDED, both),)
        ),
        Place(
            Route("/heir", Heir),
            (
                (READ, "/heir", GUARDED, c),
                ("POST", "/heir", GUARDED, both),
                ("PUT", "/heir", GUARDED, c),
            ),
        ),
        Place(
            Route("/stacked", Stacked),
            (
                (READ, "/stacked", GUARDED, "has_scope('c', 's')"),
                ("POST", "/stacked", GUARDED, "has_scope('c', 'p', 's')"),
            ),
        ),
        at(Route("/rebel", Rebel), OPEN),
        at(Route("/tamed", Tamed), GUARDED, "has_scope('t')"),
        at(Route("/class-patched", Patched), OPEN),
        at(Route("/class-declared", Declared, methods=["GET"]), FREE),
        at(Route("/class-undeclared", Undeclared, methods=["GET"]), OPEN),
        at(Route("/class-twice", Twice, methods=["GET"]), GUARDED, "has_scope('inner', 'outer')"),
        Place(
            Route("/methods", Methods),
            (
                ("GET", "/methods", GUARDED, "has_scope('g')"),
                ("HEAD", "/methods", OPEN, None),
                ("PUT", "/methods", OPEN, None),
                ("PATCH", "/methods", GUARDED, A),
                ("DELETE", "/methods", KNOWN, None),
            ),
        ),
        at(Route("/dispatching", Dispatching), OPEN),
        at(Route("/awaiting", Awaiting), OPEN),
        at(Route("/making", Making), OPEN),
        at(Route("/made", Made), OPEN),
        at(Route("/plain", Plain), OPEN),
        Place(
            Route("/refusing", Refusing),
            ((READ, "/refusing", GUARDED, "has_scope('r')"), ("*", "/refusing", OPEN, None)),
        ),
        at(WebSocketRoute("/socket-class", OpenSocket), OPEN),
        at(WebSocketRoute("/socket-connect", ConnectSocket), GUARDED, "has_scope('x')"),
        at(WebSocketRoute("/socket-whole", WholeSocket), GUARDED, "has_scope('x')"),
    ]


def middleware() -> list[Place]:
    """Middleware of single routes."""
    needs = Middleware(RequiresMiddleware, scopes=["r"])
    lenient = Middleware(Lenient, resource_server=SERVER)
    impersonating = Middleware(Impersonating, resource_server=SERVER)
    anyones = Middleware(AccessTokenMiddleware, resource_server=ANYONES)
    return [
        at(Route("/needs", reached, middleware=[needs]), GUARDED, "has_scope('r')"),
        at(Route("/needs-both", guarded, middleware=[needs]), GUARDED, "has_scope('a', 'r')"),
        at(Route("/needs-outside", reached, middleware=[needs, Middleware(opaque)]), GUARDED,
           "has_scope('r')"),
        at(Route("/needs-inside", reached, middleware=[Middleware(opaque), needs]), OPEN),
        at(Route("/door", reached, middleware=[door()]), KNOWN),
        at(Route("/door-public", reached, middleware=[door(public=["/door-public"])]), FREE),
        at(Route("/lenient", reached, middleware=[lenient]), OPEN),
        at(Route("/impersonating", guarded, middleware=[impersonating, needs]), OPEN),
        at(Route("/impersonating-outside", guarded, middleware=[impersonating, door(required=False)]),
           GUARDED, A),
        at(Route("/anyones", guarded, middleware=[anyones]), OPEN),
        at(Route("/lenient-needs", reached, middleware=[Middleware(LenientRequires, scopes=["r"])]),
           OPEN),
        at(Route("/renamed", reached, middleware=[Middleware(Renamed)]), KNOWN),
        at(Route("/transparent", guarded, middleware=[Middleware(Transparent)]), GUARDED, A),
        at(Route("/transparent-open", reached, middleware=[Middleware(GZipMiddleware)]), OPEN),
        at(Route("/base", guarded, middleware=[Middleware(BaseHTTPMiddleware, dispatch=pass_on)]),
           GUARDED, A),
        at(Route("/opaque", guarded, middleware=[Middleware(opaque)]), OPEN),
        at(Route("/opaque-outside", guarded,
                 middleware=[Middleware(opaque), Middleware(Transparent)]), OPEN),
        at(WebSocketRoute("/socket-door", reached_socket, middleware=[door()]), KNOWN),
        at(ShortCut("/short-cut", guarded), OPEN),
        Place(Unknown(), (shut("/unknown"),)),
    ]  # fmt: skip


def mounts() -> list[Place]:
    """Apps within the app."""
    needs = Middleware(RequiresMiddleware, permissions=["m"])
    m = "has_permission('m')"
    inner = [
        Route("/", reached),
        Route("/a/{id}", guarded),
        Mount("/deep", routes=[Route("/", reached)]),
    ]
    return [
        Place(Mount("/mount", routes=inner), (
            (READ, "/mount/", OPEN, None),
            (READ, "/mount/a/{id}", GUARDED, A),
            (READ, "/mount/deep/", OPEN, None),
        )),
        Place(Mount("/mount-needs", routes=inner, middleware=[needs]), (
            (READ, "/mount-needs/", GUARDED, m),
            (READ, "/mount-needs/a/{id}", GUARDED, f"{m} & {A}"),
            (READ, "/mount-needs/deep/", GUARDED, m),
        )),
        Place(Mount("/sub", Starlette(routes=inner, middleware=[door(public=["/", "/a/7"])])), (
            (READ, "/sub/", FREE, None),
            (READ, "/sub/a/7", GUARDED, A),
            (READ, "/sub/a/{id}", GUARDED, A),
            (READ, "/sub/deep/", KNOWN, None),
        )),
        Place(Mount("/tenants/{tenant}", Starlette(
            routes=[Route("/{id}", reached)], middleware=[door(public=["/7"])])), (
            (READ, "/tenants/{tenant}/7", FREE, None),
            (READ, "/tenants/{tenant}/{id}", KNOWN, None),
        )),
        Place(Mount("/router", Router(routes=inner[:1], middleware=[door()])),
              ((READ, "/router/", KNOWN, None),)),
        Place(Mount("/router-opaque", Router(routes=inner[1:2], middleware=[Middleware(opaque)])),
              (shut("/router-opaque"),)),
        Place(Mount("/router-default", Router(routes=inner[1:2], default=reached_app)), (
            (READ, "/router-default/a/{id}", GUARDED, A),
            shut("/router-default"),
        )),
        Place(Mount("/own-router", OwnRouter(routes=inner)), (shut("/own-router"),)),
        Place(Mount("/own-starlette", OwnStarlette(routes=inner)), (shut("/own-starlette"),)),
        Place(Mount("/static", StaticFiles(directory=HERE)), (shut("/static"),)),
        Place(Mount("/static-door", StaticFiles(directory=HERE),
                    middleware=[door(public=["/conftest.py"])]), (
            ("*", "/static-door/conftest.py", FREE, None),
            shut("/static-door", KNOWN),
        )),
        Place(Mount("/static-needs", StaticFiles(directory=HERE), middleware=[needs]),
              (shut("/static-needs", GUARDED, m),)),
        Place(Mount("/foreign", reached_app), (shut("/foreign"),)),
        Place(Mount("/wrapped", Transparent(Starlette(routes=inner[1:2]))),
              ((READ, "/wrapped/a/{id}", GUARDED, A),)),
        Place(Host("other.example.com", Starlette(routes=[Route("/here", reached),
                                                          Route("/there", guarded)])), (
            (READ, "//other.example.com/here", OPEN, None),
            (READ, "//other.example.com/there", GUARDED, A),
        )),
        Place(Host("closed.example.com", reached_app), (shut("//closed.example.com/"),)),
    ]  # fmt: skip


def hiding() -> tuple[Starlette, list[Row]]:
    """The app, and the rows that it makes."""
    places = [*functions(), *classes(), *middleware(), *mounts()]
    app = Starlette(
        routes=[place.route for place in places],
        middleware=[Middleware(Transparent), door(required=False)],
    )
    app.router.add_route("/added", reached)
    app.router.mount("/itself", Transparent(app))
    added: list[Row] = [(READ, "/added", OPEN, None), shut("/itself")]
    return app, [row for place in places for row in place.rows] + added
