"""How an endpoint's refusal becomes an answer, in any app of Starlette's or FastAPI's, nested or not.

A refusal is raised as an `HTTPException`, which every app can answer. The app's own handlers come
first: for `AuthError` and its kinds, for `HTTPException`, for the status. Where there is none, ours
is put beside them, in the innermost app: an exception that only an outer app knows would be its 500.
"""

import json
from collections.abc import Mapping
from typing import cast

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.responses import Response

from atjwt.asgi import SCOPE_KEY, Authentication, answer
from atjwt.core.challenge import Challenge
from atjwt.errors import AuthError, ConfigurationError
from atjwt.messages import Receive, Scope, Send
from atjwt.resource_server import ResourceServer


def authentication_of(scope: Scope) -> Authentication:
    """What was verified about a request. Raises ConfigurationError: nobody has looked at it."""
    found = scope.get(SCOPE_KEY)
    if not isinstance(found, Authentication):
        raise ConfigurationError(
            ["no AccessTokenMiddleware ran for this request: put it around the app"]
        )
    return found


class Refusal(Response):
    """A refusal as a response of Starlette's, which any app can send, however deep it is nested.

    challenge: what it says.
    """

    def __init__(self, challenge: Challenge) -> None:
        headers = {name.decode("ascii"): value.decode("ascii") for name, value in challenge.headers}
        super().__init__(challenge.body, challenge.status, headers)
        self.challenge = challenge

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends it; to a WebSocket as a denial."""
        await answer(self.challenge, scope, send)


class RefusedRequest(HTTPException):
    """A refusal as Starlette's error handling knows it.

    detail: the safe sentence that a stranger is told. error: what was refused, and why.
    refusal: the answer.
    """

    def __init__(self, error: AuthError, refusal: Refusal) -> None:
        status, headers, body = refusal.challenge
        told = {
            name.decode("ascii"): value.decode("ascii")
            for name, value in headers
            if name not in {b"content-type", b"content-length"}  # another body has its own
        }
        super().__init__(status, json.loads(body)["error_description"], told)
        self.args = (status, self.detail)  # without the error, whose detail is for the log
        self.error = error
        self.refusal = refusal


def refused(
    error: AuthError,
    server: ResourceServer,
    scope: Scope,
    kind: type[RefusedRequest] = RefusedRequest,
) -> Exception:
    """What to raise in an endpoint, so that the app's own handler answers if it has one, and ours if
    not.

    The app is the innermost one: an exception that only an outer app knows would be its 500.
    """
    handlers, by_status = scope["starlette.exception_handlers"]
    if _has_own(handlers, error):
        return error
    raised = kind(error, Refusal(server.challenge(error)))
    others = [handlers[each] for each in kind.__mro__ if each in handlers and each is not Exception]
    if raised.status_code not in by_status and all(map(_is_framework_s, others)):
        handlers.setdefault(kind, _answer_refused)
    return raised


def _has_own(handlers: Mapping[object, object], error: AuthError) -> bool:
    """Whether the app has a handler of its own for an error of ours, not just for any."""
    kinds = (kind for kind in type(error).__mro__ if issubclass(kind, AuthError))
    found = (handlers.get(kind) for kind in kinds)
    return any(each is not None and each is not _answer_error for each in found)


def _is_framework_s(handler: object) -> bool:
    module = str(getattr(handler, "__module__", ""))
    return handler is _answer_refused or module.partition(".")[0] in {"starlette", "fastapi"}


def answer_errors(scope: Scope) -> None:
    """Lets the innermost app answer an `AuthError` that one of its endpoints raises, unless it has a
    handler of its own for it.
    """
    handlers = scope.get("starlette.exception_handlers")
    if handlers is not None:
        handlers[0].setdefault(AuthError, _answer_error)


async def _answer_error(connection: HTTPConnection, error: Exception) -> Response:
    raised, scope = cast("AuthError", error), connection.scope
    server = authentication_of(scope).resource_server
    server.report(raised, scope["headers"], method=scope.get("method"), url=scope["path"])
    return Refusal(server.challenge(raised))


async def _answer_refused(connection: HTTPConnection, error: Exception) -> Response:
    return cast("RefusedRequest", error).refusal
