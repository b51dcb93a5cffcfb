"""How the middleware lives with Starlette: its users, its guards, its errors, its threads."""

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any, assert_type

import anyio
import pytest
from starlette.applications import Starlette
from starlette.authentication import requires as starlette_requires
from starlette.background import BackgroundTask
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from atjwt import (
    AuthError,
    ConfigurationError,
    InvalidToken,
    Principal,
    Reason,
    ResourceServer,
    has_scope,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.issuer.tokens import DIALECTS, Dialect
from atjwt.starlette import RequiresMiddleware, principal_of, requires
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Clock,
    app_of,
    ask,
    asking,
    bearer,
    http_scope,
    reached,
    refusal,
    sent_by,
    trusting,
    who,
)

# --- Who is calling -------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_principal_is_typed_and_the_same_everywhere(
    server: ResourceServer, issuer: LocalIssuer, dialect: Dialect
) -> None:
    """`principal_of` says what it returns; `request.user` is the same object."""

    async def endpoint(request: Request) -> Response:
        principal = principal_of(request)
        assert_type(principal, Principal)
        assert principal is request.user
        return JSONResponse([principal.subject, principal.kind, sorted(principal.scopes)])

    app = app_of(server, Route("/", endpoint))
    token = issuer.token(dialect=dialect, subject="ada", scopes=["b", "a"])
    assert ask(app, bearer(token)).text == '["ada","user",["a","b"]]'


def test_without_a_caller_the_principal_is_a_missing_token(server: ResourceServer) -> None:
    """Where nothing had to be sent, asking who it was is asking for a token."""

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(principal_of(request).subject)

    assert refusal(app_of(server, Route("/", endpoint), required=False)).error is None


def test_without_the_middleware_there_is_no_principal() -> None:
    """The text says what to do."""
    with pytest.raises(ConfigurationError, match="no AccessTokenMiddleware ran for this request"):
        principal_of(Request(http_scope()))


def test_starlettes_own_guard_works_by_scopes(server: ResourceServer, issuer: LocalIssuer) -> None:
    """`@requires("read:orders")` of Starlette asks `request.auth`, which we fill."""

    @starlette_requires("read:orders")
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse("in")

    app = app_of(server, Route("/", endpoint), required=False)
    assert ask(app, bearer(issuer.token(scopes=["read:orders"]))).text == "in"
    assert ask(app, bearer(issuer.token(scopes=["read:other"]))).status == 403
    assert ask(app).status == 403


def test_permissions_never_stand_among_the_scopes(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """What a user may do is not what this client was granted."""
    app = app_of(server, Route("/", who))
    token = issuer.token(
        dialect="access_token_authz", subject="u", scopes=["s"], permissions=["p", "authenticated"]
    )
    assert ask(app, bearer(token)).text == '{"user":"u","scopes":["authenticated","s"]}'


def test_a_scope_called_authenticated_gains_nothing(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Starlette's word for any caller is no scope of ours, and no token can become it."""
    routes = [
        Route("/ours", requires(scopes=["authenticated"])(_in)),
        Route("/policy", requires(has_scope("read:x"))(_in)),
        Route("/theirs", starlette_requires("read:x")(_in)),
    ]
    app = app_of(server, *routes)
    tricky = bearer(issuer.token(scopes=["authenticated"]))
    plain = bearer(issuer.token(scopes=[]))
    assert [ask(app, plain, path=route.path).status for route in routes] == [403, 403, 403]
    assert [ask(app, tricky, path=route.path).status for route in routes] == [200, 403, 403]
    optional = app_of(server, Route("/", starlette_requires("authenticated")(_in)), required=False)
    assert ask(optional).status == 403


async def _in(request: Request) -> Response:
    return PlainTextResponse("in")


def _in_sync(request: Request) -> Response:
    return PlainTextResponse(principal_of(request).subject)


# --- Guards for a mount ---------------------------------------------------------------------------


def test_requires_middleware_guards_a_mount_and_a_route(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Everything under it, also what is not there; beside it nothing changes."""
    guard = Middleware(RequiresMiddleware, has_scope("read"), scopes=["admin"])
    mount = Mount("/admin", routes=[Route("/", _in), Route("/more", _in_sync)], middleware=[guard])
    route = Route("/one", _in, middleware=[Middleware(RequiresMiddleware, permissions=["p"])])
    app = app_of(server, mount, route, Route("/free", _in))
    reader = bearer(
        issuer.token(scopes=["read"], dialect="rfc9068_profile_authz", permissions=["p"])
    )
    for path in ("/admin/", "/admin/more", "/admin/nowhere"):
        assert refusal(app, path=path).error is None
        told = refusal(app, reader, path=path)
        assert (told.status, told.scope) == (403, "admin")
    assert ask(app, reader, path="/one").text == "in"
    assert (
        ask(app, bearer(issuer.token(scopes=["admin", "read"])), path="/admin/more").status == 200
    )
    assert refusal(app, bearer(issuer.token(scopes=["admin"])), path="/one").status == 403
    assert ask(app, bearer(issuer.token(scopes=[])), path="/free").text == "in"


def test_requires_middleware_without_arguments_asks_for_any_caller(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Around a mount of an app that lets anonymous callers in elsewhere."""
    mount = Mount("/own", routes=[Route("/", _in)], middleware=[Middleware(RequiresMiddleware)])
    app = app_of(server, mount, Route("/", _in), required=False)
    assert ask(app).text == "in"
    assert refusal(app, path="/own/").error is None
    assert ask(app, bearer(issuer.token(scopes=[])), path="/own/").text == "in"


def test_requires_middleware_guards_websockets(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Before they are accepted."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    guard = Middleware(RequiresMiddleware, scopes=["feed"])
    route = WebSocketRoute("/", endpoint, middleware=[guard])
    client = TestClient(app_of(server, route, required=False))
    for headers, status in (({}, 401), (issuer.headers(scopes=[]), 403)):
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/", headers=headers),
        ):
            pass
        assert denied.value.status_code == status
    with client.websocket_connect("/", headers=issuer.headers(scopes=["feed"])):
        pass


def test_requires_middleware_lets_lifespan_pass(server: ResourceServer) -> None:
    """It guards requests, and a server's start-up is none."""
    guards = [
        Middleware(AccessTokenMiddleware, resource_server=server),
        Middleware(RequiresMiddleware, scopes=["a"]),
    ]
    with TestClient(Starlette(middleware=guards)) as client:
        assert client.get("/").status_code == 401


@pytest.mark.parametrize("kind", ["http", "websocket", "other"])
def test_requires_middleware_alone_lets_nobody_in(kind: str) -> None:
    """Without the middleware that verifies, there is nothing to go by."""
    app = RequiresMiddleware(reached, scopes=["a"])
    with pytest.raises(ConfigurationError, match="no AccessTokenMiddleware ran"):
        asyncio.run(sent_by(app, http_scope(type=kind)))


def test_requires_middleware_tells_misuse() -> None:
    """With the same texts as the decorator, at start-up and on every request."""
    for guard, text in (
        (RequiresMiddleware(reached, scopes="a"), r"scopes=\['a'\]"),
        (RequiresMiddleware(reached, "a"), r"requires\(scopes=\['a'\]\)"),  # type: ignore[arg-type]
    ):
        with pytest.raises(ConfigurationError, match=text):
            ask(guard)


def test_a_guard_asks_the_innermost_middleware(issuer: LocalIssuer, clock: Clock) -> None:
    """Whose resource server verified last; its realm is in the challenge."""
    outer, inner = (
        ResourceServer(audience=name, issuers=[trusting(issuer)], clock=clock)
        for name in ("urn:outer", "urn:inner")
    )
    guard = Middleware(AccessTokenMiddleware, resource_server=inner, required=False)
    mount = Mount("/in", routes=[Route("/", requires(scopes=["a"])(_in))], middleware=[guard])
    app = app_of(outer, mount)
    told = refusal(app, bearer(issuer.token(audience=["urn:inner", "urn:outer"])), path="/in/")
    assert (told.status, told.realm) == (403, "urn:inner")


# --- Errors ---------------------------------------------------------------------------------------


def _raises_in_class() -> type[HTTPEndpoint]:
    class Endpoint(HTTPEndpoint):
        async def get(self, request: Request) -> Response:
            raise InvalidToken(Reason.EXPIRED)

    return Endpoint


async def _raises(request: Request) -> Response:
    raise InvalidToken(Reason.EXPIRED)


def _raises_sync(request: Request) -> Response:
    raise InvalidToken(Reason.EXPIRED)


ROUTES = [
    Route("/async", _raises),
    Route("/sync", _raises_sync),
    Route("/class", _raises_in_class()),
    Mount("/mount", routes=[Route("/async", _raises)]),
]
PATHS = ["/async", "/sync", "/class", "/mount/async"]


@pytest.mark.parametrize("path", PATHS)
def test_an_auth_error_of_any_endpoint_becomes_its_challenge(
    server: ResourceServer, issuer: LocalIssuer, path: str
) -> None:
    """Through Starlette's own layers, from a thread as well."""
    told = refusal(app_of(server, *ROUTES), bearer(issuer.token()), path=path)
    assert (told.status, told.sentence) == (401, "The access token expired.")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("of", [AuthError, InvalidToken])
def test_an_apps_own_handler_comes_first(
    server: ResourceServer, issuer: LocalIssuer, path: str, of: type[Exception]
) -> None:
    """`exception_handlers={AuthError: …}` answers what the app raises; the middleware, the rest."""

    def handler(request: Request, error: Exception) -> Response:
        return PlainTextResponse(f"ours: {error}", status_code=418)

    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    app = Starlette(routes=ROUTES, middleware=[guard], exception_handlers={of: handler})
    answer = ask(app, bearer(issuer.token()), path=path)
    assert (answer.status, answer.text) == (418, "ours: expired")
    assert refusal(app, path=path).status == 401


def test_a_handler_of_everything_does_not_swallow_a_challenge(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Starlette puts a handler of `Exception` outside all middleware, ours included."""
    seen: list[Exception] = []

    def handler(request: Request, error: Exception) -> Response:
        seen.append(error)
        return PlainTextResponse("", status_code=500)

    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    app = Starlette(routes=ROUTES, middleware=[guard], exception_handlers={Exception: handler})
    assert refusal(app, bearer(issuer.token()), path="/async").status == 401
    assert seen == []


def test_http_errors_of_the_app_are_its_own(server: ResourceServer, issuer: LocalIssuer) -> None:
    """404, 405 and an `HTTPException` are answered by Starlette, to callers who may ask."""

    async def teapot(request: Request) -> Response:
        raise HTTPException(418)

    app = app_of(server, Route("/", teapot))
    headers = bearer(issuer.token())
    assert ask(app, headers).status == 418
    assert ask(app, headers, path="/nowhere").status == 404
    assert ask(app, headers, method="POST").status == 405
    assert refusal(app, path="/nowhere").status == 401


class _Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


class _Raising(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        raise InvalidToken(Reason.EXPIRED)


@pytest.mark.parametrize(
    "inner", [[_Passing], [_Passing, _Passing], [_Raising], [_Passing, _Raising]]
)
@pytest.mark.parametrize("path", PATHS)
def test_through_task_groups_of_other_middleware_it_is_still_the_challenge(
    server: ResourceServer, issuer: LocalIssuer, inner: list[type[BaseHTTPMiddleware]], path: str
) -> None:
    """`BaseHTTPMiddleware` runs the app in a task group; what comes out is the error itself."""
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    app = Starlette(routes=ROUTES, middleware=[guard, *map(Middleware, inner)])
    told = refusal(app, bearer(issuer.token()), path=path)
    assert (told.status, told.sentence) == (401, "The access token expired.")


def test_within_other_middleware_guards_and_principals_work(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """The scope goes through a `BaseHTTPMiddleware` unharmed."""
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    routes = [Route("/", requires(scopes=["a"])(_in_sync))]
    app = Starlette(routes=routes, middleware=[guard, Middleware(_Passing)])
    assert ask(app, bearer(issuer.token(scopes=["a"], subject="ada"))).text == "ada"
    assert refusal(app, bearer(issuer.token(scopes=[]))).scope == "a"


def test_an_exception_group_of_the_apps_own_passes(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Among several errors none is ours to answer: fail closed."""

    async def endpoint(request: Request) -> Response:
        async with anyio.create_task_group() as group:
            group.start_soon(_fails, InvalidToken(Reason.EXPIRED))
            group.start_soon(_fails, RuntimeError("x"))
        return PlainTextResponse("")

    with pytest.raises(ExceptionGroup):
        ask(app_of(server, Route("/", endpoint)), bearer(issuer.token()))


async def _fails(error: Exception) -> None:
    raise error


def test_an_error_in_the_middle_of_a_stream_cuts_it(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """The response has begun, so there is no other; what was sent is not called complete."""

    async def endpoint(request: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            yield b"first"
            raise InvalidToken(Reason.EXPIRED)

        return StreamingResponse(pieces())

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        await asyncio.Event().wait()

    app = app_of(server, Route("/", endpoint))
    with pytest.raises(InvalidToken):
        asyncio.run(app(http_scope(bearer(issuer.token())), receive, send))
    assert [message.get("more_body") for message in sent] == [None, True]


def test_an_error_of_a_background_task_passes(server: ResourceServer, issuer: LocalIssuer) -> None:
    """The answer is out; the task knows who was calling, and its error is the server's to log."""
    heard: list[str] = []

    async def endpoint(request: Request) -> Response:
        def task() -> None:
            heard.append(principal_of(request).subject)
            raise InvalidToken(Reason.EXPIRED)

        return PlainTextResponse("out", background=BackgroundTask(task))

    with pytest.raises(InvalidToken):
        ask(app_of(server, Route("/", endpoint)), bearer(issuer.token(subject="ada")))
    assert heard == ["ada"]


def test_a_stream_knows_its_caller_to_the_end(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Also when the token expires meanwhile: it was judged when the request came."""

    async def endpoint(request: Request) -> Response:
        async def pieces() -> AsyncIterator[str]:
            for _ in range(3):
                yield principal_of(request).subject

        return StreamingResponse(pieces())

    assert (
        ask(app_of(server, Route("/", endpoint)), bearer(issuer.token(subject="a"))).text == "aaa"
    )


# --- Many at once ---------------------------------------------------------------------------------


def test_simultaneous_requests_never_mix(server: ResourceServer, issuer: LocalIssuer) -> None:
    """200 callers are in the endpoint at one moment, and each is told its own name and rights."""
    callers = 200

    async def all_at_once() -> None:
        inside = asyncio.Barrier(callers)

        async def endpoint(request: Request) -> Response:
            before = principal_of(request)
            await inside.wait()
            assert principal_of(request) is before is request.user
            return await who(request)

        app = app_of(server, Route("/", endpoint))
        tokens = [issuer.token(subject=f"user {n}", scopes=[f"s{n}"]) for n in range(callers)]
        async with asyncio.timeout(20):
            answers = await asyncio.gather(*(asking(app, bearer(token)) for token in tokens))
        for n, answer in enumerate(answers):
            assert answer.text == f'{{"user":"user {n}","scopes":["authenticated","s{n}"]}}'

    asyncio.run(all_at_once())


def test_good_and_bad_at_once_never_mix(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Of 200 at once, every second a bad one, exactly the good ones are let in."""
    bad = [Reason.EXPIRED, Reason.INVALID_SIGNATURE, Reason.WRONG_AUDIENCE, Reason.UNKNOWN_KEY]
    tokens = [
        issuer.token(subject=f"user {n}") if n % 2 else issuer.broken(bad[n % len(bad)])
        for n in range(200)
    ]

    async def all_at_once() -> list[int]:
        app = app_of(server, Route("/", requires()(_in_sync)), required=False)
        answers = await asyncio.gather(*(asking(app, bearer(token)) for token in tokens))
        return [answer.status for answer in answers]

    assert asyncio.run(all_at_once()) == [401, 200] * 100


def test_sync_endpoints_see_their_own_caller_in_their_threads(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """20 threads are in the endpoint at one moment."""
    inside = threading.Barrier(20, timeout=20)

    @requires(scopes=["a"])
    def endpoint(request: Request) -> Response:
        before = principal_of(request)
        inside.wait()
        assert principal_of(request) is before
        return PlainTextResponse(before.subject)

    async def all_at_once() -> list[str]:
        app = app_of(server, Route("/", endpoint))
        tokens = [issuer.token(subject=f"user {n}", scopes=["a"]) for n in range(20)]
        answers = await asyncio.gather(*(asking(app, bearer(token)) for token in tokens))
        return [answer.text for answer in answers]

    assert asyncio.run(all_at_once()) == [f"user {n}" for n in range(20)]


def test_one_app_serves_several_event_loops(server: ResourceServer, issuer: LocalIssuer) -> None:
    """As Starlette's TestClient makes one per request."""
    app = app_of(server, Route("/", _in))
    client = TestClient(app)
    for _ in range(3):
        assert client.get("/", headers=issuer.headers()).text == "in"


def test_a_router_alone_may_be_guarded(server: ResourceServer, issuer: LocalIssuer) -> None:
    """The middleware goes around any ASGI app, whether Starlette builds it or not."""
    app = AccessTokenMiddleware(Router([Route("/", _in)]), resource_server=server)
    assert ask(app, bearer(issuer.token())).text == "in"
    assert refusal(app).realm == API
