"""Guard coverage behind the middleware: what it demands, exempts, publishes, and what is warned of."""

import subprocess
import sys
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, Router
from starlette.staticfiles import StaticFiles

from atjwt import ConfigurationError, ResourceServer, TrustedIssuer, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.fastapi import AccessTokenScheme
from atjwt.guards import Coverage, GuardedRoute, assert_guarded, coverage, routes
from atjwt.policies import is_kind
from atjwt.starlette import RequiresMiddleware, metadata_routes, public, requires
from web.entering import Row, enters, row_of
from web.hiding import (
    FREE,
    GUARDED,
    HERE,
    KNOWN,
    OPEN,
    READ,
    SERVER,
    declared,
    door,
    guarded,
    opaque,
    reached,
    reached_app,
    shut,
)

CORS = Middleware(CORSMiddleware, allow_origins=["https://app.example.com"])
NOBODY = "nobody gets past its guard, since"


def behind(*ways: BaseRoute, **settings: Any) -> Starlette:
    """An app behind the middleware."""
    return Starlette(routes=list(ways), middleware=[door(**settings)])


def only(app: object, **settings: Any) -> GuardedRoute:
    """The one route of an app."""
    (route,) = routes(app, **settings)
    return route


def expect(app: Any, rows: list[Row], **settings: Any) -> Coverage:
    """Checks what is said of an app, and that callers meet just that."""
    found = coverage(app, **settings)
    assert [row_of(route) for route in found.routes] == rows
    for route in found.routes:
        assert enters(app, route) == (route.state in {"public", "optional", "UNGUARDED"})
    return found


# --- What the middleware demands ------------------------------------------------------------------


def test_behind_the_middleware_all_is_authenticated() -> None:
    """Whatever it is, seen or unseen; a guard's policy is told all the same."""
    app = behind(
        Route("/open", reached),
        Route("/guarded", guarded),
        Mount("/static", StaticFiles(directory=HERE)),
        Mount("/foreign", reached_app),
        Route("/opaque", guarded, middleware=[Middleware(opaque)]),
    )
    found = expect(app, [
        (READ, "/open", KNOWN, None),
        (READ, "/guarded", GUARDED, "has_scope('a')"),
        shut("/static", KNOWN),
        shut("/foreign", KNOWN),
        (READ, "/opaque", KNOWN, None),
    ])  # fmt: skip
    assert (found.warnings, found.unguarded) == ((), ())
    assert not any(route.notes for route in found.routes)
    assert_guarded(app)


def test_what_is_public_is_told_apart_from_a_pattern() -> None:
    """A single path that the middleware exempts is a way in of its own, however it is routed."""
    app = behind(
        Route("/health", reached),
        Route("/items/{id}", reached),
        Route("/{name:path}", guarded, methods=["POST"]),
        Mount("/static", StaticFiles(directory=HERE)),
        public={"/health", "/items/7", "/static/asking.py"},
    )
    found = expect(app, [
        (READ, "/health", FREE, None),
        (READ, "/items/7", FREE, None),
        (READ, "/items/{id}", KNOWN, None),
        ("POST", "/health", GUARDED, "has_scope('a')"),
        ("POST", "/items/7", GUARDED, "has_scope('a')"),
        ("POST", "/static/asking.py", GUARDED, "has_scope('a')"),
        ("POST", "/{name:path}", GUARDED, "has_scope('a')"),
        ("*", "/static/asking.py", FREE, None),
        shut("/static", KNOWN),
    ])  # fmt: skip
    assert found.warnings == ()
    assert found.routes[3].notes == (
        f"{NOBODY} the public= of the middleware names its path: take it out there",
    )


def test_the_first_of_two_that_take_the_same_requests_counts() -> None:
    """An exempt path that a route before has taken is not told apart from a pattern again."""
    app = behind(Route("/health", reached), Route("/{name}", guarded), public=["/health"])
    expect(app, [(READ, "/health", FREE, None), (READ, "/{name}", GUARDED, "has_scope('a')")])


def test_several_middlewares_each_have_their_say() -> None:
    """A path is public if all of them exempt it; the innermost is whom a guard believes."""
    inner = Starlette(
        routes=[Route("/a", reached), Route("/b", reached), Route("/guarded", guarded)],
        middleware=[door(public=["/a", "/b"])],
    )
    app = behind(Mount("/in", inner), public=["/in/a", "/in/guarded"])
    found = expect(app, [
        (READ, "/in/a", FREE, None),
        (READ, "/in/b", KNOWN, None),
        (READ, "/in/guarded", GUARDED, "has_scope('a')"),
    ])  # fmt: skip
    assert [route.notes for route in found.routes] == [(), (), ()]


def test_where_a_token_may_be_missing_guards_decide() -> None:
    """`required=False` demands nothing, and the note says whose turn it is."""
    app = behind(Route("/open", reached), Route("/free", declared), required=False)
    found = expect(app, [(READ, "/open", OPEN, None), (READ, "/free", FREE, None)])
    assert found.routes[0].notes == (
        "the middleware has required=False, so a guard must ask:"
        " guard it with @requires(…), or declare it with @public",
    )


def test_a_declaration_that_does_not_help_is_told() -> None:
    """Declared by a mark or an argument, and yet a token is demanded."""
    app = behind(Route("/marked", declared), Route("/argument", reached), Route("/both", guarded))
    found = expect(
        app,
        [
            (READ, "/marked", KNOWN, None),
            (READ, "/argument", KNOWN, None),
            (READ, "/both", GUARDED, "has_scope('a')"),
        ],
        public=["/argument", "/both"],
    )
    said = "it is declared public, and yet"
    assert [route.notes for route in found.routes] == [
        (f"{said} a middleware demands a token: name it in its public=",),
        (f"{said} a middleware demands a token: name it in its public=",),
        (f"{said} a guard looks at tokens: drop one of the two",),
    ]


def test_a_guard_without_a_middleware_outside_it_is_told() -> None:
    """It lets nobody in; so does one whose middleware is further in."""
    for_all = Middleware(RequiresMiddleware, scopes=["a"])
    app = Starlette(routes=[Route("/a", reached)], middleware=[for_all, door()])
    found = expect(app, [(READ, "/a", GUARDED, "has_scope('a')")])
    assert found.routes[0].notes == (
        f"{NOBODY} no AccessTokenMiddleware is outside it: put one around the app",
    )


def test_a_guard_of_fastapi_on_an_exempt_path_is_told() -> None:
    """It believes the middleware that has the same resource server, which looked at nothing."""
    other = ResourceServer(
        audience="https://api.example.com/", issuers=[TrustedIssuer("https://issuer.example.org")]
    )
    for server, passable in ((SERVER, False), (other, True)):
        app = FastAPI(openapi_url=None, middleware=[door(public=["/a"])])
        guard = AccessTokenScheme(server).requires(has_scope("a"))
        app.add_api_route("/a", lambda: "reached", dependencies=[guard])
        (route,) = expect(app, [("GET", "/a", GUARDED, "has_scope('a')")]).routes
        assert (route.notes == ()) is passable


def test_guards_that_rule_each_other_out_are_told() -> None:
    """Each may be right in its place; together they let nobody in, and the walk goes on."""
    needs = Middleware(RequiresMiddleware, is_kind("client"))
    ways = [Route("/a", requires(is_kind("user"))(reached)), Route("/b", reached)]
    app = behind(Mount("/in", routes=ways, middleware=[needs]))
    found = expect(app, [
        (READ, "/in/a", GUARDED, "(is_kind('client')) & (is_kind('user'))"),
        (READ, "/in/b", GUARDED, "is_kind('client')"),
    ])  # fmt: skip
    assert [route.notes for route in found.routes] == [
        (f"{NOBODY} its policies rule each other out: take one away",),
        (),
    ]


def test_preflights_let_through_reach_an_options_handler() -> None:
    """A note where the handler is the app's own, and nothing but the middleware asks for a token."""

    class Options(HTTPEndpoint):
        async def options(self, request: Request) -> Response:
            return PlainTextResponse("reached")

    @requires()
    class Guarded(Options):
        pass

    app = behind(Route("/a", Options), Route("/b", Guarded), allow_preflight=True)
    first, second = routes(app)
    assert first.notes == (
        "allow_preflight=True lets whoever sends the headers of a preflight get to its OPTIONS",
    )
    assert second.notes == ()
    inner = Mount("/in", routes=[Route("/a", Options)], middleware=[door(required=False)])
    assert only(behind(inner, allow_preflight=True)).notes == first.notes
    assert only(behind(Route("/a", reached, methods=["OPTIONS"]))).notes == ()


def test_what_the_middleware_publishes_is_a_way_in() -> None:
    """Its metadata (RFC 9728), to anybody; of an API on a mount, by a route of its own."""
    server = ResourceServer(
        audience="https://api.example.com/api",
        issuers=[TrustedIssuer("https://issuer.example.org")],
        resource="https://api.example.com/api",
    )
    publishing = Middleware(AccessTokenMiddleware, resource_server=server)
    path = "/.well-known/oauth-protected-resource/api"
    app = Starlette(routes=[Route("/a", reached)], middleware=[publishing])
    expect(app, [(READ, path, FREE, None), (READ, "/a", KNOWN, None)])
    inner = Mount("/api", routes=[Route("/a", reached)], middleware=[publishing])
    mounted = Starlette(routes=[inner, *metadata_routes(server)])
    expect(mounted, [(READ, "/api/a", KNOWN, None), (READ, path, FREE, None)])


# --- Warnings -------------------------------------------------------------------------------------


def test_cors_within_the_middleware_is_warned_of() -> None:
    """There preflights are refused; outside, or where preflights may pass, all is well."""
    ways = [Route("/a", reached)]
    (warning,) = coverage(Starlette(routes=ways, middleware=[door(), CORS])).warnings
    assert warning.startswith("CORSMiddleware of / is inside AccessTokenMiddleware")
    inner = Mount("/in", routes=ways, middleware=[CORS])
    (warning,) = coverage(behind(inner)).warnings
    assert warning.startswith("CORSMiddleware of /in is inside")
    for stack in ([CORS, door()], [door(allow_preflight=True), CORS], [door(required=False), CORS]):
        assert coverage(Starlette(routes=ways, middleware=stack)).warnings == ()


def test_public_paths_that_are_not_there_are_warned_of() -> None:
    """Of the middleware, as it sees them, and of the argument."""
    inner = Starlette(routes=[Route("/a", reached)], middleware=[door(public=["/a", "/b"])])
    app = Starlette(routes=[Mount("/in", inner)])
    assert coverage(app, public=["/in/a", "/in/c"]).warnings == (
        "public: there is no /in/c to declare public: take it out, or correct it",
        "AccessTokenMiddleware: there is no /in/b to make public: take it out",
    )


# --- Of a test ------------------------------------------------------------------------------------


def test_assert_guarded_lists_what_is_not() -> None:
    """Each with its fix; what is declared public passes, as do mounts."""
    app = Starlette(
        routes=[
            Route("/a", reached),
            Route("/b", public(lambda request: Response())),
            Mount("/static", StaticFiles(directory=HERE)),
        ]
    )
    with pytest.raises(AssertionError) as failed:
        assert_guarded(app)
    assert str(failed.value).splitlines() == [
        "unguarded routes: 2",
        "  http GET HEAD /a, web.hiding.reached: guard it with @requires(…), or declare it with"
        " @public",
        "  mount * /static, starlette.staticfiles.StaticFiles: starlette.staticfiles.StaticFiles"
        " cannot be looked into: put AccessTokenMiddleware around it, or declare its path public",
    ]
    assert_guarded(app, public=["/a", "/static"])


def test_docs_pages_are_ways_in() -> None:
    """They are told how to close; `install` declares them, and no one need do more."""
    app = FastAPI()
    assert {route.state for route in routes(app)} == {OPEN}
    assert all("docs_url=None" in route.notes[0] for route in routes(app))
    assert_guarded(app, public=[route.path for route in routes(app)])
    AccessTokenScheme(SERVER).install(app)
    assert {route.state for route in routes(app)} == {FREE}


# --- The app stays what it is ---------------------------------------------------------------------


def test_the_app_is_left_as_it_was() -> None:
    """Nothing is built for good: middleware may be added afterwards, and is then seen."""
    app = Starlette(routes=[Route("/a", reached)])
    assert only(app).state == OPEN
    app.add_middleware(AccessTokenMiddleware, resource_server=SERVER)
    assert only(app).state == KNOWN


def test_what_is_built_already_is_walked_as_it_is() -> None:
    """An app that has served."""
    app = Starlette(routes=[Route("/a", reached)])
    assert enters(app, only(app))
    app.user_middleware.append(door())  # too late
    assert only(app).state == OPEN


def test_apps_within_each_other_end() -> None:
    """Two apps, each mounted in the other."""
    first, second = Starlette(), Starlette(routes=[Route("/a", reached)])
    first.mount("/second", second)
    second.mount("/first", first)
    rows = [(route.path, route.state) for route in routes(first)]
    assert rows == [("/second/a", OPEN), ("/second/first", OPEN)]


def test_middleware_that_is_its_own_app_ends() -> None:
    """What leads to itself leads nowhere."""
    middleware = GZipMiddleware(reached_app)
    middleware.app = middleware
    assert only(middleware).state == OPEN


def test_decorators_in_a_circle_end() -> None:
    """A function that says it wraps itself."""

    async def circular(request: Request) -> Response:
        return PlainTextResponse("reached")

    vars(circular)["__wrapped__"] = circular
    assert only(Starlette(routes=[Route("/a", circular)])).state == OPEN


def test_a_route_of_a_kind_that_is_new_is_unguarded() -> None:
    """Also one that Starlette itself should come to have, and what is no route at all."""
    api = APIRouter()
    for thing in (BaseRoute(), api):
        app = Starlette()
        app.router.routes.append(thing)  # type: ignore[arg-type]
        (note,) = only(app).notes
        assert note.startswith("its kind is unknown: ")


def test_any_asgi_app_can_be_walked() -> None:
    """A router, an app behind the middleware, a function."""
    assert row_of(only(Router(routes=[Route("/a", guarded)]))) == (
        READ, "/a", GUARDED, "has_scope('a')",
    )  # fmt: skip
    assert row_of(only(AccessTokenMiddleware(reached_app, resource_server=SERVER))) == shut(
        "/", KNOWN
    )
    assert row_of(only(reached_app)) == shut("/")


# --- Wrong set-up ---------------------------------------------------------------------------------


@pytest.mark.parametrize("app", [None, "main:app", Starlette, 7])
def test_what_is_no_app_is_refused(app: object) -> None:
    """A class is none either."""
    with pytest.raises(ConfigurationError, match="no ASGI app"):
        coverage(app)


def test_one_path_is_not_a_list_of_paths() -> None:
    """A string would be its letters."""
    with pytest.raises(ConfigurationError, match=r"public=\['/a'\]"):
        coverage(Starlette(), public="/a")


def test_wrong_settings_of_ours_are_told_together() -> None:
    """Wherever in the app they are."""
    needs = Middleware(RequiresMiddleware, "read:orders")  # type: ignore[arg-type]
    inner = Mount("/in", routes=[], middleware=[needs])
    app = Starlette(routes=[inner], middleware=[Middleware(AccessTokenMiddleware)])
    with pytest.raises(ConfigurationError) as refused:
        coverage(app)
    words = [problem.partition(":")[0] for problem in refused.value.problems]
    assert words[0] == "AccessTokenMiddleware"
    assert words[-1].startswith("requires('read")


WITHOUT_FASTAPI = """\
import sys
sys.modules["fastapi"] = None
from starlette.applications import Starlette
from atjwt.guards import assert_guarded, routes
assert_guarded(Starlette())
print(any(name.startswith("fastapi.") for name in sys.modules))
"""


def test_without_fastapi_the_walk_works() -> None:
    """It is an extra, and is not imported."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_FASTAPI], capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"
