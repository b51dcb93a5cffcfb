"""`requires`: one line guards anything that Starlette takes as an endpoint, and misuse is told."""

import asyncio
import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest
from starlette.concurrency import run_in_threadpool
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from atjwt import (
    ConfigurationError,
    Policy,
    Reason,
    ResourceServer,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.events import AccessDenied, Event
from atjwt.issuer.tokens import Dialect
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer
from web.asking import app_of, ask, bearer, refusal, sent_by, websocket_scope

READ = requires(scopes=["read:orders"])
WRITE = requires(scopes=["write:orders"])


def _said(request: Request) -> Response:
    return PlainTextResponse(f"for {principal_of(request).subject}")


@READ
async def async_function(request: Request) -> Response:
    """An async endpoint."""
    return _said(request)


@READ
def sync_function(request: Request) -> Response:
    """A sync endpoint, which Starlette runs in its thread pool."""
    return _said(request)


async def _async_with(word: str, request: Request) -> Response:
    return _said(request)


def _sync_with(word: str, request: Request) -> Response:
    return _said(request)


class OfAnObject:
    """Endpoints that are methods of some object of the app's own."""

    @READ
    async def bound(self, request: Request) -> Response:
        """A bound method as endpoint."""
        return _said(request)

    @READ
    def bound_sync(self, request: Request) -> Response:
        """A bound sync method as endpoint."""
        return _said(request)

    @staticmethod
    @READ
    async def static(request: Request) -> Response:
        """A static method, guarded inside."""
        return _said(request)

    @classmethod
    @READ
    async def of_class(cls, request: Request) -> Response:
        """A class method, guarded inside."""
        return _said(request)


class OneMethod(HTTPEndpoint):
    """A class endpoint with guarded methods."""

    @READ
    async def get(self, request: Request) -> Response:
        """Guarded."""
        return _said(request)

    @READ
    def post(self, request: Request) -> Response:
        """Guarded, sync."""
        return _said(request)


@READ
class WholeClass(HTTPEndpoint):
    """A class endpoint that is guarded as a whole."""

    async def get(self, request: Request) -> Response:
        """Guarded by the class."""
        return _said(request)

    def post(self, request: Request) -> Response:
        """Guarded by the class, sync."""
        return _said(request)


class Heir(WholeClass):
    """Inherits the guard, and adds a method."""

    async def put(self, request: Request) -> Response:
        """Guarded by the class above."""
        return _said(request)


ENDPOINTS: dict[str, Any] = {
    "async": async_function,
    "sync": sync_function,
    "guarded partial, async": READ(functools.partial(_async_with, "word")),
    "guarded partial, sync": READ(functools.partial(_sync_with, "word")),
    "partial of guarded, async": functools.partial(READ(_async_with), "word"),
    "partial of guarded, sync": functools.partial(READ(_sync_with), "word"),
    "bound method": OfAnObject().bound,
    "bound method, sync": OfAnObject().bound_sync,
    "static method": OfAnObject.static,
    "class method": OfAnObject.of_class,
    "lambda": READ(lambda request: PlainTextResponse(f"for {principal_of(request).subject}")),
    "method of a class endpoint": OneMethod,
    "class endpoint": WholeClass,
    "heir of a class endpoint": Heir,
}


@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_every_kind_of_endpoint_is_guarded(
    server: ResourceServer, issuer: LocalIssuer, name: str, method: str
) -> None:
    """401 for nobody, 403 for somebody without the scope, and the endpoint for who has it."""
    route = Route("/", ENDPOINTS[name], methods=["GET", "POST"])
    app = app_of(server, route, required=False)
    assert refusal(app, method=method).error is None
    poor = refusal(app, bearer(issuer.token(scopes=["read:other"])), method=method)
    assert (poor.status, poor.scope) == (403, "read:orders")
    rich = ask(app, bearer(issuer.token(scopes=["read:orders"], subject="ada")), method=method)
    assert (rich.status, rich.text) == (200, "for ada")


@pytest.mark.parametrize("endpoint", [WholeClass, Heir])
@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "OPTIONS", "DELETE", "PATCH", "BREW"]
)
def test_a_guarded_class_guards_every_method(
    server: ResourceServer, issuer: LocalIssuer, endpoint: type[HTTPEndpoint], method: str
) -> None:
    """Those it has, those that its heirs add, `HEAD` by default, and those that are not there."""
    app = app_of(server, Route("/", endpoint), required=False)
    assert refusal(app, method=method).status == 401
    assert refusal(app, bearer(issuer.token(scopes=[])), method=method).status == 403
    here = {"GET", "HEAD", "POST"} | ({"PUT"} if endpoint is Heir else set())
    status = ask(app, bearer(issuer.token(scopes=["read:orders"])), method=method).status
    assert status == (200 if method in here else 405)


def test_guarding_a_class_leaves_its_base_alone(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """And what the base was guarded by holds besides."""

    class Open(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("open")

    class Closed(Open):
        pass

    assert READ(Closed) is Closed
    stricter = WRITE(type("Stricter", (Closed,), {}))
    routes = [Route("/open", Open), Route("/closed", Closed), Route("/stricter", stricter)]
    app = app_of(server, *routes, required=False)
    assert ask(app, path="/open").text == "open"
    reader = bearer(issuer.token(scopes=["read:orders"]))
    writer = bearer(issuer.token(scopes=["write:orders"]))
    both = bearer(issuer.token(scopes=["read:orders", "write:orders"]))
    assert [ask(app, reader, path=path).status for path in ("/closed", "/stricter")] == [200, 403]
    assert [ask(app, writer, path=path).status for path in ("/closed", "/stricter")] == [403, 403]
    assert [ask(app, both, path=path).status for path in ("/closed", "/stricter")] == [200, 200]


def _endpoint(request: Request) -> Response:
    return PlainTextResponse("in")


@pytest.mark.parametrize("endpoint", [_endpoint, functools.partial(_async_with, "word")])
def test_stacked_guards_must_all_hold(
    server: ResourceServer, issuer: LocalIssuer, endpoint: Callable[..., Any]
) -> None:
    """The outermost is asked first, and each names what it misses itself."""
    app = app_of(server, Route("/", READ(WRITE(endpoint))))
    assert refusal(app, bearer(issuer.token(scopes=[]))).scope == "read:orders"
    assert refusal(app, bearer(issuer.token(scopes=["read:orders"]))).scope == "write:orders"
    assert refusal(app, bearer(issuer.token(scopes=["write:orders"]))).scope == "read:orders"
    assert ask(app, bearer(issuer.token(scopes=["write:orders", "read:orders"]))).status == 200


def test_without_arguments_any_authenticated_caller_will_do(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """`requires()` where nothing had to be sent: nobody is refused, everybody else is not."""
    app = app_of(server, Route("/", requires()(_endpoint)), required=False)
    assert refusal(app).error is None
    for kind in ("user", "client", "agent"):
        assert ask(app, bearer(issuer.token(kind=kind, scopes=[]))).text == "in"


@pytest.mark.parametrize(
    ("policies", "granted", "status", "scope"),
    [
        ([has_scope("a") & has_scope("b")], {"scopes": ["a"]}, 403, "b"),
        ([has_scope("a") & has_scope("b")], {"scopes": ["c"]}, 403, "a b"),
        ([has_scope("a"), has_scope("b"), has_scope("c")], {"scopes": ["b"]}, 403, "a c"),
        ([has_scope("a") | has_scope("b")], {"scopes": ["b"]}, 200, None),
        ([has_scope("a"), has_permission("p")], {"scopes": ["a"], "permissions": []}, 403, None),
        ([has_scope("a"), has_permission("p")], {"scopes": [], "permissions": ["p"]}, 403, "a"),
        ([has_permission("p") | has_scope("b")], {"scopes": [], "permissions": []}, 403, "b"),
        ([has_permission("p") | has_scope("b")], {"scopes": [], "permissions": ["p"]}, 200, None),
        ([has_permission("p")], {"scopes": ["p"], "permissions": []}, 403, None),
        ([has_scope("p")], {"scopes": [], "permissions": ["p"]}, 403, "p"),
        ([has_scope("A")], {"scopes": ["a"]}, 403, "A"),
        ([has_scope("read")], {"scopes": ["read:all", "rea", "readx"]}, 403, "read"),
        ([has_scope("*")], {"scopes": ["a"]}, 403, "*"),
        ([has_scope("a:b")], {"scopes": ["a:*", "*", "a"]}, 403, "a:b"),
        ([has_role("r")], {"claims": {"roles": ["r"]}}, 200, None),
        ([has_role("r")], {"claims": {"roles": "r"}, "scopes": ["r"]}, 403, None),
        ([has_role("r")], {"claims": {"roles": ["rr"], "groups": ["r"]}}, 403, None),
    ],
)
def test_policies_say_who_passes_and_which_scopes_would_help(
    server: ResourceServer, issuer: LocalIssuer, events: list[Event], policies: list[Policy],
    granted: dict[str, Any], status: int, scope: str | None,
) -> None:  # fmt: skip
    """Exact, case-sensitive, no wildcards; scopes and permissions never stand for one another."""
    app = app_of(server, Route("/", requires(*policies)(_endpoint)))
    headers = bearer(issuer.token(dialect="rfc9068_profile_authz", **granted))
    if status == 200:
        assert ask(app, headers).text == "in"
        return
    told = refusal(app, headers)
    assert (told.status, told.scope) == (status, scope)
    denied = events[-1]
    assert isinstance(denied, AccessDenied)
    assert "has_" in denied.policy


@pytest.mark.parametrize(
    ("dialect", "reason"),
    [
        ("access_token", Reason.NO_PERMISSIONS_CLAIM),
        ("access_token_authz", Reason.MISSING_PERMISSION),
        ("rfc9068_profile", Reason.NO_PERMISSIONS_CLAIM),
        ("rfc9068_profile_authz", Reason.MISSING_PERMISSION),
    ],
)
def test_a_token_without_permissions_claim_has_a_reason_of_its_own(
    server: ResourceServer, issuer: LocalIssuer, events: list[Event], dialect: Dialect, reason: Reason
) -> None:  # fmt: skip
    """So that whoever looks into the log knows that the dialect is the likely cause."""
    app = app_of(server, Route("/", requires(permissions=["p"])(_endpoint)))
    assert refusal(app, bearer(issuer.token(dialect=dialect, permissions=["q"]))).status == 403
    assert isinstance(events[-1], AccessDenied)
    assert events[-1].reason is reason


def test_a_refused_request_does_not_reach_the_endpoint(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Nor construct anything, nor read the body: never a partial success."""
    reached: list[str] = []

    @READ
    async def endpoint(request: Request) -> Response:
        reached.append("async")
        return PlainTextResponse(await request.body())

    @READ
    def endpoint_sync(request: Request) -> Response:
        reached.append("sync")
        return PlainTextResponse("")

    routes = [Route("/a", endpoint), Route("/s", endpoint_sync)]
    app = app_of(server, *routes, required=False)
    for path in ("/a", "/s"):
        for headers in ([], bearer(issuer.token(scopes=[])), bearer("x")):
            refusal(app, headers, path=path)
    assert reached == []


# --- WebSockets -----------------------------------------------------------------------------------


async def _greet(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"for {principal_of(websocket).subject}")
    await websocket.close()


@READ
async def feed(websocket: WebSocket) -> None:
    """A WebSocket endpoint."""
    await _greet(websocket)


@READ
class Feed(WebSocketEndpoint):
    """A WebSocket class endpoint that is guarded as a whole."""

    async def on_connect(self, websocket: WebSocket) -> None:
        """Says who is calling."""
        await _greet(websocket)


class FeedOfOneMethod(WebSocketEndpoint):
    """A WebSocket class endpoint whose first method is guarded."""

    @READ
    async def on_connect(self, websocket: WebSocket) -> None:
        """Says who is calling."""
        await _greet(websocket)


@pytest.mark.parametrize("endpoint", [feed, Feed, FeedOfOneMethod, functools.partial(feed)])
def test_websocket_endpoints_are_guarded_before_they_accept(
    server: ResourceServer, issuer: LocalIssuer, endpoint: Callable[..., Any]
) -> None:
    """Functions, classes and their methods; the denial is that of HTTP."""
    client = TestClient(app_of(server, WebSocketRoute("/", endpoint), required=False))
    for headers, status in (({}, 401), (issuer.headers(scopes=[]), 403)):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/", headers=headers),
        ):
            pass
        assert denied.value.status_code == status
    headers = issuer.headers(scopes=["read:orders"], subject="ada")
    with client.websocket_connect("/", headers=headers) as websocket:
        assert websocket.receive_text() == "for ada"


# --- Misuse ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("misuse", "texts"),
    [
        (
            lambda: requires("read:x"),  # type: ignore[arg-type]
            ["requires(scopes=['read:x'])", "requires(permissions=['read:x'])"],
        ),
        (lambda: requires(scopes="read:x"), ["give a list, scopes=['read:x']"]),
        (lambda: requires(permissions="read:x"), ["give a list, permissions=['read:x']"]),
        (
            lambda: requires("a", has_scope("b"), "c", scopes="d"),  # type: ignore[arg-type]
            ["requires('a')", "requires('c')", "scopes=['d']"],
        ),
        (lambda: requires(scopes=["a b"]), ["one name each, without spaces"]),
        (lambda: requires(scopes=[""]), ["each a string with content"]),
        (lambda: requires(permissions=["a", " "]), ["each a string with content"]),
        (lambda: requires(scopes=['a"b']), ["is no scope"]),
        (lambda: requires(scopes=["é"]), ["is no scope"]),
        (lambda: requires(scopes=[5]), ["each a string with content"]),  # type: ignore[list-item]
        (lambda: requires(scopes=b"read"), ["each a string with content"]),  # type: ignore[arg-type]
        (lambda: requires(None), ["requires("]),  # type: ignore[arg-type]
        (lambda: requires(_endpoint), ["requires("]),  # type: ignore[arg-type]
        (lambda: requires(["read:x"]), ["requires("]),  # type: ignore[arg-type]
    ],
)
def test_misuse_is_told_where_it_is_written(misuse: Callable[[], object], texts: list[str]) -> None:
    """At import, all of it at once, with the right spelling."""
    with pytest.raises(ConfigurationError) as raised:
        misuse()
    assert all(text in str(raised.value) for text in texts)
    assert len(raised.value.problems) >= len(texts) - 1


@pytest.mark.parametrize("word", ["scopes", "permissions"])
@pytest.mark.parametrize("value", [5, None, [], iter(()), frozenset()])
def test_an_empty_or_impossible_list_is_told(word: str, value: object) -> None:
    """Names that came from an empty setting must not open a route to any authenticated caller."""
    with pytest.raises(ConfigurationError, match=word):
        requires(**{word: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("target", [int, object, Router, type("Plain", (), {})])
def test_a_class_that_is_no_endpoint_is_told(target: type) -> None:
    """A guard that could not be asked must not look like one."""
    with pytest.raises(ConfigurationError, match="is no HTTPEndpoint and no WebSocketEndpoint"):
        READ(target)


@pytest.mark.parametrize(
    "target",
    [
        5, None, Route("/", _endpoint), Router(), "endpoint",
        staticmethod(_endpoint), classmethod(lambda cls, request: None),
    ],
)  # fmt: skip
def test_what_is_no_endpoint_is_told_where_it_is_written(target: Any) -> None:
    """Routes, apps, and the descriptors `staticmethod` and `classmethod` under the guard."""
    with pytest.raises(ConfigurationError):
        READ(target)


@pytest.mark.parametrize("arguments", [(), (5,), ("request",), (None, None)])
def test_an_endpoint_that_is_called_without_a_request_refuses(
    arguments: tuple[object, ...],
) -> None:
    """There is nobody to judge, so nobody is let in; sync and async."""
    with pytest.raises(ConfigurationError, match="no request and no WebSocket"):
        READ(lambda *found: "in")(*arguments)
    with pytest.raises(ConfigurationError, match="no request and no WebSocket"):
        asyncio.run(READ(_takes_anything)(*arguments))


async def _takes_anything(*found: object) -> str:
    return "in"


def test_the_request_may_be_given_by_name(server: ResourceServer, issuer: LocalIssuer) -> None:
    """As FastAPI and functools.partial do, whatever the parameter is called."""

    async def outer(request: Request) -> Response:
        @READ
        async def inner(*, word: str, anything: Request) -> Response:
            return _said(anything)

        return await inner(word="x", anything=request)

    app = app_of(server, Route("/", outer))
    assert refusal(app, bearer(issuer.token(scopes=[]))).status == 403
    assert ask(app, bearer(issuer.token(scopes=["read:orders"]))).status == 200


def test_any_number_of_arguments_may_stand_before_the_request(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """As with `functools.partial(guarded, settings, database)`."""

    @READ
    async def endpoint(one: str, two: str, request: Request) -> Response:
        return PlainTextResponse(one + two)

    app = app_of(server, Route("/", functools.partial(endpoint, "1", "2")))
    assert ask(app, bearer(issuer.token(scopes=["read:orders"]))).text == "12"


def _made_async(function: Callable[[Request], Response]) -> Any:
    @functools.wraps(function)
    async def wrapper(request: Request) -> Response:
        return await run_in_threadpool(function, request)

    return wrapper


def _made_sync(function: Callable[[Request], Any]) -> Any:
    @functools.wraps(function)
    def wrapper(request: Request) -> Response:
        return PlainTextResponse("in")

    return wrapper


@pytest.mark.parametrize("endpoint", [_made_async(_endpoint), _made_sync(async_function)])
def test_other_decorators_may_turn_sync_into_async_and_back(
    server: ResourceServer, issuer: LocalIssuer, endpoint: Callable[..., Any]
) -> None:
    """Starlette asks the outermost function whether it is async, and so must a guard."""
    guarded = READ(endpoint)
    assert inspect.iscoroutinefunction(guarded) == inspect.iscoroutinefunction(endpoint)
    app = app_of(server, Route("/", guarded))
    assert ask(app, bearer(issuer.token(scopes=["read:orders"]))).text == "in"


def test_a_guard_keeps_what_the_endpoint_was() -> None:
    """Name, documentation, signature, and whether it is async."""

    async def orders(request: Request) -> Response:
        """All orders."""
        return PlainTextResponse("")

    guarded = READ(orders)
    assert (guarded.__name__, guarded.__doc__) == ("orders", "All orders.")
    assert inspect.signature(guarded) == inspect.signature(orders)
    assert inspect.iscoroutinefunction(guarded)
    assert not inspect.iscoroutinefunction(sync_function)


@pytest.mark.parametrize("endpoint", [async_function, sync_function, OneMethod, WholeClass])
def test_without_the_middleware_nobody_gets_in(endpoint: Any, issuer: LocalIssuer) -> None:
    """A guard that has nothing to go by says what is missing, and fails closed."""
    app = Router([Route("/", endpoint)])
    for headers in ([], bearer(issuer.token(scopes=["read:orders"]))):
        with pytest.raises(ConfigurationError, match="no AccessTokenMiddleware ran"):
            ask(app, headers, user="admin", auth=["authenticated", "read:orders"])


@pytest.mark.parametrize("endpoint", [feed, Feed, FeedOfOneMethod])
def test_without_the_middleware_no_websocket_is_accepted(endpoint: Any) -> None:
    """As on HTTP."""
    app = Router([WebSocketRoute("/", endpoint)])
    with pytest.raises(ConfigurationError, match="no AccessTokenMiddleware ran"):
        asyncio.run(sent_by(app, websocket_scope(), {"type": "websocket.connect"}))


@pytest.mark.parametrize("forged", [None, "admin", ("server", "principal"), {"principal": 1}])
def test_only_what_the_middleware_wrote_is_believed(forged: object) -> None:
    """Something else under our key is nothing."""
    app = Router([Route("/", async_function)])
    with pytest.raises(ConfigurationError, match="no AccessTokenMiddleware ran"):
        ask(app, atjwt=forged)
