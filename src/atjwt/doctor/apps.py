"""What can be wrong with an app as a whole: a table over what the walk has found.

Nothing is served. The app's middleware is built, as its first request would build it.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Router

from atjwt.asgi import AccessTokenMiddleware
from atjwt.doctor.finding import Remarks, ok, problem, shown, warning
from atjwt.guards import Coverage, coverage
from atjwt.looking import inner
from atjwt.resource_server import ResourceServer
from atjwt.walk import walk

_MOST_LAYERS = 64


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in an app.

    name: as the command was given it. servers: every resource server, each once.
    layers: the middleware around everything, from the outside to the inside.
    """

    name: str
    servers: tuple[ResourceServer, ...]
    coverage: Coverage
    layers: tuple[object, ...]


def gather(app: object, name: str) -> Seen:
    """Walks over an app. Raises ConfigurationError: it, or its set-up of this library, is wrong."""
    return Seen(name, servers_of(app), coverage(app), tuple(_layers(app)))


def servers_of(app: object) -> tuple[ResourceServer, ...]:
    """Every resource server that looks at tokens somewhere in an app, each once.

    Raises ConfigurationError: it is no app, or its set-up of this library is wrong.
    """
    servers = dict.fromkeys(
        server
        for way in walk(app).found
        for server in (
            *(door.middleware.resource_server for door in way.way.doors),
            *(server for _, server in way.guards.own),
        )
    )
    return tuple(servers)


def _layers(app: object) -> Iterator[object]:
    """Middleware around the app, and the app's own, down to its router."""
    for _ in range(_MOST_LAYERS):
        if isinstance(app, Starlette):
            app = app.middleware_stack or app.build_middleware_stack()
        within = inner(app)
        if isinstance(app, Router) or not callable(within):
            return
        yield app
        app = within


def _guarded(seen: Seen) -> Remarks:
    routes, open_to_all = len(seen.coverage.routes), len(seen.coverage.unguarded)
    look = f"python -m atjwt routes {seen.name} lists them, each with its fix"
    if open_to_all:
        yield problem(f"routes: {open_to_all} of {routes} are UNGUARDED", look)
    else:
        yield ok(f"routes: {routes}, each of them guarded or declared public")
    noted = sum(bool(route.notes) for route in seen.coverage.routes if route.state != "UNGUARDED")
    if noted:
        yield warning(f"routes: {noted} of them have a note", look)
    public = [route.path for route in seen.coverage.routes if route.state == "public"]
    if public:
        listed = ", ".join(map(shown, dict.fromkeys(public[:10])))
        more = f" and {len(public) - 10} more" if len(public) > 10 else ""
        yield ok(f"public, for anybody without a token: {listed}{more}")


def _servers(seen: Seen) -> Remarks:
    if not seen.servers:
        yield problem(
            "no resource server is in it, so that nobody looks at a token",
            "put AccessTokenMiddleware around it, or guard its routes",
        )
    for server in seen.servers:
        issuers = ", ".join(shown(issuer.issuer) for issuer in server.issuers)
        yield ok(f"tokens for {', '.join(map(shown, server.audience))} from {issuers}")
        if server.leeway > 60:
            yield warning(
                f"the leeway is {server.leeway:g} s: so long after its end a token is still good",
                "set the clocks (NTP), and the leeway to 10",
            )
        if any(issuer.is_auth0 and f"{issuer.issuer}api/v2/" in server.audience
               for issuer in server.issuers):  # fmt: skip
            yield warning(
                "its audience is that of Auth0's Management API, whose tokens are Auth0's affair",
                "register an API of your own, and take its identifier",
            )


def _warned(seen: Seen) -> Remarks:
    for text in seen.coverage.warnings:
        sentence, _, fix = text.rpartition(": ")
        # Browsers then get no answer to any preflight; the rest is untidy and no more.
        yield (problem if text.startswith("CORSMiddleware") else warning)(sentence, fix)


def _browsers(seen: Seen) -> Remarks:
    cors = [layer for layer in seen.layers if isinstance(layer, CORSMiddleware)]
    if not cors:
        yield ok("CORS: there is no CORSMiddleware, so pages of other origins cannot read answers")
    for layer in cors:
        exposed = layer.simple_headers.get("Access-Control-Expose-Headers", "").lower()
        named = {name.strip() for name in exposed.split(",")}
        if "www-authenticate" in named or ("*" in named and not layer.allow_credentials):
            yield ok("CORS: pages can read WWW-Authenticate, and so why they are refused")
        else:
            yield warning(
                "CORS: pages cannot read WWW-Authenticate, and so not why they are refused",
                'CORSMiddleware(expose_headers=["WWW-Authenticate"])',
            )
        if not layer.allow_all_headers and "authorization" not in layer.allow_headers:
            yield problem(
                "CORS: pages may not send Authorization, so that no token of theirs arrives",
                'CORSMiddleware(allow_headers=["Authorization"])',
            )


_OUTSIDE = {
    "HTTPSRedirectMiddleware": "a token that comes by http is answered before it is sent to https",
    "TrustedHostMiddleware": "requests for other hosts are answered before they are turned away",
}


def _order(seen: Seen) -> Remarks:
    names = [type(layer).__name__ for layer in seen.layers]
    if names:
        yield ok(f"middleware, from the outside: {', '.join(map(shown, names))}")
    ours = [isinstance(layer, AccessTokenMiddleware) for layer in seen.layers]
    within = names[ours.index(True) + 1 :] if True in ours else []
    for name in within:
        if name in _OUTSIDE:
            yield warning(
                f"{name} is inside AccessTokenMiddleware: {_OUTSIDE[name]}",
                f"put {name} before it in the list of middleware",
            )


CHECKS: tuple[Callable[[Seen], Remarks], ...] = (_servers, _guarded, _warned, _browsers, _order)
