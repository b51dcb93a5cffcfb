"""Who may use the Management API, and in which words others are told: this library, guarding its own.

The one place where the issuer meets the verifier. It trusts this very issuer, in Auth0's profile, by
the keys that are published at the moment of the request: a rotation or a withdrawal counts at once.
A refusal keeps the status and the challenge of RFC 6750; its body is rewritten as Auth0 writes it.
"""

import json
import re
from http import HTTPStatus
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.profile import AUTH0
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.issuer.authority import Authority
from atjwt.resource_server import ResourceServer

_SCOPES: Final = re.compile(r' scope="([^"]*)"')


class ManagementGuard:
    """Middleware: lets requests with a token for this issuer's Management API through."""

    def __init__(self, app: ASGIApp, authority: Authority) -> None:
        """app: looks at scopes for itself. authority: whose Management API it is."""
        self._app = app
        self._authority = authority
        self._guard: tuple[list[str], ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        await self._guarded()(scope, receive, AnswersAsAuth0(send))

    def _guarded(self) -> ASGIApp:
        """The app behind the middleware, which is made anew when other keys are published."""
        keys = {key["kid"]: key for key in self._authority.keys.main.jwks()["keys"]}
        if self._guard is None or self._guard[0] != list(keys):
            self._guard = list(keys), self._guarded_by([*keys.values()])
        return self._guard[1]

    def _guarded_by(self, keys: list[dict[str, str]]) -> ASGIApp:
        authority = self._authority
        # All may have been withdrawn. A key that signs nothing for us stands in for none.
        keys = keys or [authority.keys.main.stranger().jwk()]
        issuer = TrustedIssuer(
            authority.mint.issuer,
            profiles={AUTH0},
            algorithms=[authority.keys.algorithm],
            jwks={"keys": keys},
        )
        server = ResourceServer(
            audience=authority.apis.system.identifier,
            issuers=[issuer],
            clock=authority.mint.clock,
        )
        return AccessTokenMiddleware(self._app, resource_server=server)


class AnswersAsAuth0:
    """A `send` that rewrites refusals: `statusCode`, `error`, `message` and, if known, `errorCode`."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None

    async def __call__(self, message: Message) -> None:
        """Passes answers on; the beginning of an error waits for its body, which is in one piece."""
        if message["type"] == "http.response.start" and message["status"] >= 400:
            self._start = message
        elif self._start is None:
            await self._send(message)
        else:
            start, body = _rewritten(self._start, message["body"])
            await self._send(start)
            await self._send({"type": "http.response.body", "body": body})


def error_body(status: int, message: str, code: str = "") -> dict[str, object]:
    """An error as the Management API writes it."""
    body: dict[str, object] = {
        "statusCode": status,
        "error": HTTPStatus(status).phrase,
        "message": message,
    }
    return body | ({"errorCode": code} if code else {})


def _rewritten(start: Message, body: bytes) -> tuple[Message, bytes]:
    status = int(start["status"])
    try:
        told = json.loads(body)
    except ValueError:  # of a path or a method that is not there
        told = {}
    if "statusCode" in told:
        return start, body
    message, code = told.get("error_description", HTTPStatus(status).phrase), ""
    kept = {b"content-type", b"content-length"}
    headers = [(name, value) for name, value in start["headers"] if name.lower() not in kept]
    challenge = b"".join(value for name, value in headers if name == b"www-authenticate")
    scopes = _SCOPES.search(challenge.decode("ascii"))
    if scopes:
        message = f"Insufficient scope, expected any of: {scopes[1].replace(' ', ',')}"
        code = "insufficient_scope"
    rewritten = json.dumps(error_body(status, message, code)).encode("utf-8")
    headers.append((b"content-type", b"application/json; charset=utf-8"))
    headers.append((b"content-length", b"%d" % len(rewritten)))
    return {**start, "headers": headers}, rewritten
