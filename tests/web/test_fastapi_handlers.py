"""The user's own exception handlers: each is run where it is registered, and our answer is given where
none is.
"""

import asyncio
import json
import traceback
from collections.abc import Awaitable, Callable
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, WebSocket
from fastapi.exception_handlers import http_exception_handler
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection
from starlette.responses import PlainTextResponse, Response

from atjwt import (
    AuthError,
    InsufficientScope,
    InvalidToken,
    Principal,
    Reason,
    ResourceServer,
    TrustedIssuer,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.errors import InvalidRequest, KeysUnavailable, MissingToken
from atjwt.fastapi import AccessTokenScheme, RefusedRequest
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Answer,
    Clock,
    Pairs,
    answer_of,
    ask,
    bearer,
    read_refusal,
    sent_by,
    websocket_scope,
)

KINDS: dict[type[AuthError], int] = {
    MissingToken: 401, InvalidRequest: 400, InvalidToken: 401, InsufficientScope: 403,
    KeysUnavailable: 503,
}  # fmt: skip
"""Every kind of refusal that these requests meet, and its status."""

HANDLED: dict[Any, set[type[AuthError]]] = {
    AuthError: {*KINDS},
    MissingToken: {MissingToken},
    InvalidToken: {InvalidToken},
    InsufficientScope: {InsufficientScope},
    KeysUnavailable: {KeysUnavailable},
    RefusedRequest: {*KINDS},
    HTTPException: {*KINDS},
    StarletteHTTPException: {*KINDS},
    400: {InvalidRequest},
    401: {MissingToken, InvalidToken},
    403: {InsufficientScope},
    503: {KeysUnavailable},
    404: set(),
    ValueError: set(),
    Exception: set(),
    500: set(),
}
"""What a handler is registered for, and which refusals are its own. A refusal is never unhandled, so
one for `Exception` is not asked.
"""


async def own(connection: HTTPConnection, error: Exception) -> Response:
    """A handler of the user's."""
    return PlainTextResponse("own", 418, {"x-error": type(error).__name__})


def own_sync(connection: HTTPConnection, error: Exception) -> Response:
    """The same, in the thread pool."""
    return PlainTextResponse("own", 418)


async def accepted(websocket: WebSocket) -> None:
    """An endpoint of a WebSocket."""
    await websocket.accept()
    await websocket.close()


@pytest.fixture
def asked(issuer: LocalIssuer) -> dict[type[AuthError], tuple[str, Pairs]]:
    """A path and headers for each kind of refusal."""
    poor = bearer(issuer.token(scopes=["b"]))
    return {
        MissingToken: ("/guarded", []),
        InvalidRequest: ("/guarded", bearer("a b")),
        InvalidToken: ("/guarded", bearer(issuer.broken(Reason.EXPIRED))),
        InsufficientScope: ("/guarded", poor),
        KeysUnavailable: ("/without-keys", poor),
    }


@pytest.fixture
def build(server: ResourceServer, issuer: LocalIssuer, clock: Clock) -> Callable[..., FastAPI]:
    """Makes an app with these settings that refuses in every way; its keys for one route are down."""

    async def down(url: str) -> tuple[int, dict[str, str], bytes]:
        return 503, {}, b""

    without_keys = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], clock=clock, fetch=down
    )
    auth = AccessTokenScheme(server)
    places = {
        "/guarded": auth.requires(scopes=["a"]),
        "/without-keys": AccessTokenScheme(without_keys).requires(),
    }

    def app_with(**settings: Any) -> FastAPI:
        app = FastAPI(**settings)
        for path, guard in places.items():
            app.add_api_route(path, lambda: "in", dependencies=[guard])
            app.add_api_websocket_route(path, accepted, dependencies=[guard])
        return app

    return app_with


def over_http(app: Any, path: str, headers: Pairs) -> Answer:
    """A request."""
    return ask(app, headers, path=path)


def over_a_socket(app: Any, path: str, headers: Pairs) -> Answer:
    """A handshake that is denied."""
    scope = websocket_scope(headers, path=path)
    return answer_of(asyncio.run(sent_by(app, scope, {"type": "websocket.connect"})), "websocket.")


Asked = dict[type[AuthError], tuple[str, Pairs]]
Asking = Callable[[Any, str, Pairs], Answer]
EACH = pytest.mark.parametrize(
    "key", HANDLED, ids=[f"{getattr(key, '__module__', '')} {key}" for key in HANDLED]
)
WAYS = pytest.mark.parametrize("way", [over_http, over_a_socket])


def answered_by_own(app: Any, asked: Asked, way: Asking, prefix: str = "") -> set[type[AuthError]]:
    """The refusals that the user's handler has answered; checks that the others are ours and whole."""
    found = set()
    for kind in [*asked, *reversed(asked)]:  # what was answered first decides nothing for later
        path, headers = asked[kind]
        answer = way(app, prefix + path, headers)
        if answer.status == 418:
            found.add(kind)
        else:
            assert kind not in found
            assert read_refusal(answer).status == KINDS[kind]
    return found


@WAYS
@pytest.mark.parametrize("handler", [own, own_sync])
@EACH
def test_a_handler_is_run_for_what_it_is_registered_for(
    build: Callable[..., FastAPI], asked: Asked, key: Any, handler: Any, way: Asking
) -> None:
    """On HTTP and for a WebSocket, async and sync, given at once or added later."""
    assert answered_by_own(build(exception_handlers={key: handler}), asked, way) == HANDLED[key]
    later = build()
    later.add_exception_handler(key, handler)
    assert answered_by_own(later, asked, way) == HANDLED[key]


@WAYS
@EACH
def test_in_a_mounted_app_its_own_handlers_count(
    build: Callable[..., FastAPI], asked: Asked, key: Any, way: Asking
) -> None:
    """Those of the app around are for the app around, as with all that FastAPI handles itself."""
    handlers: dict[Any, Any] = {key: own}
    for outer, inner, expected in (
        (FastAPI(), build(exception_handlers=handlers), HANDLED[key]),
        (FastAPI(exception_handlers=handlers), build(), set()),
    ):
        outer.mount("/inner", inner)
        assert answered_by_own(outer, asked, way, "/inner") == expected


@WAYS
@pytest.mark.parametrize("key", [AuthError, MissingToken, HTTPException, 401, Exception])
def test_behind_the_middleware_the_handlers_are_run_all_the_same(
    build: Callable[..., FastAPI], asked: Asked, server: ResourceServer, key: Any, way: Asking
) -> None:
    """For what the guards refuse; what the middleware refuses never gets to the app."""
    within = Middleware(AccessTokenMiddleware, resource_server=server, required=False)
    app = build(exception_handlers={key: own}, middleware=[within])
    refused_inside = {MissingToken, InsufficientScope, KeysUnavailable}
    assert answered_by_own(app, asked, way) == HANDLED[key] & refused_inside


@pytest.mark.parametrize(
    ("keys", "winner"),
    [
        ([AuthError, HTTPException, 401], AuthError),
        ([AuthError, MissingToken], MissingToken),
        ([HTTPException, 401], 401),
        ([HTTPException, StarletteHTTPException], HTTPException),
        ([RefusedRequest, HTTPException], RefusedRequest),
        ([RefusedRequest, 401], 401),
    ],
)
def test_of_several_handlers_the_nearest_is_run(
    build: Callable[..., FastAPI], keys: list[Any], winner: Any
) -> None:
    """As FastAPI chooses: our errors first, then the status, then the class."""

    def named(key: Any) -> Callable[..., Awaitable[Response]]:
        async def handler(connection: HTTPConnection, error: Exception) -> Response:
            return PlainTextResponse(str(key))

        return handler

    for order in (keys, keys[::-1]):
        app = build(exception_handlers={key: named(key) for key in order})
        assert ask(app, path="/guarded").text == str(winner)


def test_other_http_errors_are_left_alone(
    build: Callable[..., FastAPI], issuer: LocalIssuer
) -> None:
    """Before and after a refusal, FastAPI answers them as ever."""
    app = build()

    @app.get("/gone")
    async def gone() -> None:
        raise HTTPException(410, "gone", {"x-own": "1"})

    for _ in range(2):
        answer = ask(app, path="/gone")
        assert (answer.status, answer.text) == (410, '{"detail":"gone"}')
        assert answer.values(b"x-own") == [b"1"]
        assert ask(app, path="/guarded").status == 401
        assert ask(app, path="/nowhere").text == '{"detail":"Not Found"}'


# --- What a handler is given ----------------------------------------------------------------------


def test_a_handler_of_http_errors_is_given_all_it_needs(build: Callable[..., FastAPI]) -> None:
    """Status, challenge, and our sentence as the detail; FastAPI's own handler can finish the job."""
    seen: list[Any] = []

    async def handler(request: Any, error: Any) -> Response:
        seen.append(error)
        return await http_exception_handler(request, error)

    app = build(exception_handlers={StarletteHTTPException: handler})
    answer = ask(app, path="/guarded")
    [error] = seen
    sentence = "An access token is required."
    assert (error.status_code, error.detail) == (401, sentence)
    assert (answer.status, json.loads(answer.text)) == (401, {"detail": sentence})
    assert answer.values(b"www-authenticate") == [f'Bearer realm="{API}"'.encode()]
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert len(answer.values(b"content-length")) == 1


def test_what_a_handler_of_http_errors_shows_holds_no_secret_and_nothing_of_the_log(
    build: Callable[..., FastAPI], issuer: LocalIssuer
) -> None:
    """However it is printed: no token, no claim, and not the detail that is for the API's owner."""
    shown: list[tuple[str, str]] = []

    async def handler(request: Any, error: Any) -> Response:
        told = [repr(error), str(error), repr(error.args), repr(error.detail), repr(error.headers)]
        shown.append((" ".join([*told, *traceback.format_exception(error)]), error.error.detail))
        return PlainTextResponse("")

    app = build(exception_handlers={HTTPException: handler})
    options: Any = {"subject": "marked-subject", "client_id": "marked-client", "scopes": ["marked"]}
    tokens = [issuer.token(**options)]
    tokens += [
        issuer.broken(reason, **options)
        for reason in (Reason.EXPIRED, Reason.UNKNOWN_ISSUER, Reason.WRONG_AUDIENCE)
    ]
    for token in tokens:
        ask(app, bearer(token), path="/guarded")
        text, detail = shown.pop()
        assert detail
        assert detail not in text
        assert "marked" not in text
        assert not any(part in text for part in token.split("."))


def test_a_handler_of_our_errors_is_given_the_error(
    build: Callable[..., FastAPI], server: ResourceServer, asked: Asked
) -> None:
    """With its reason, and with what is missing; the challenge can still be had."""
    seen: list[AuthError] = []

    async def handler(request: Any, error: Any) -> Response:
        seen.append(error)
        return PlainTextResponse("", server.challenge(error).status)

    app = build(exception_handlers={AuthError: handler})
    for kind, (path, headers) in asked.items():
        assert ask(app, headers, path=path).status == KINDS[kind]
        assert type(seen[-1]) is kind
    [lacking] = [error for error in seen if isinstance(error, InsufficientScope)]
    assert lacking.scopes == {"a"}


def test_dependencies_are_cleaned_up_when_a_later_guard_refuses(server: ResourceServer) -> None:
    """The refusal is an exception like any other to whatever was opened before."""
    seen: list[str] = []
    auth = AccessTokenScheme(server)

    async def session() -> Any:
        seen.append("opened")
        try:
            yield
        finally:
            seen.append("closed")

    app = FastAPI()

    @app.get("/", dependencies=[Depends(session)])
    async def endpoint(who: Annotated[Principal, auth.requires()]) -> None:
        seen.append("reached")

    assert ask(app).status == 401
    assert seen == ["opened", "closed"]
