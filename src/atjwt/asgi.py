"""The middleware: guards any ASGI app, HTTP and WebSocket alike.

Secure unless told otherwise: a request without a valid access token does not reach the app. What was
verified goes into the ASGI scope under one key of ours, together with the resource server that
verified it, and is believed by that same object only. `scope["user"]` and `scope["auth"]` are set as
Starlette's own middleware would. An `AuthError` that the app raises becomes its challenge, if the
response has not begun; every other exception passes.
"""

import functools
import inspect
import re
from collections.abc import Awaitable, Callable, Collection
from typing import NamedTuple, NoReturn, ParamSpec

from starlette.authentication import AuthCredentials, UnauthenticatedUser

from atjwt.core.bearer import why_missing
from atjwt.core.challenge import Challenge
from atjwt.core.configuration import audience_problems
from atjwt.core.principal import Principal
from atjwt.core.protected_resource import ProtectedResource
from atjwt.core.trusted_issuer import TrustedIssuer, trusted_issuer
from atjwt.errors import AuthError, ConfigurationError, MissingToken
from atjwt.events import logger
from atjwt.messages import ASGIApp, Message, Receive, Scope, Send
from atjwt.published import Published
from atjwt.resource_server import Headers, ResourceServer
from atjwt.sockets import answering_with, run_until, take_tokens

__all__ = [
    "SCOPE_KEY", "ASGIApp", "AccessTokenMiddleware", "Authentication", "Message", "Receive", "Scope",
    "Send", "answer", "is_preflight", "refuse_to_start", "route_path",
]  # fmt: skip

_BEGINNINGS = frozenset({
    "http.response.start", "websocket.accept", "websocket.close", "websocket.http.response.start",
})  # fmt: skip
"""After one of these messages no other answer can be given."""

SCOPE_KEY = "atjwt"
"""Under which a request's `Authentication` stands in the ASGI scope."""


class Authentication(NamedTuple):
    """What was verified about one request, and by whom.

    principal: None where nothing was sent and nothing had to be.
    """

    resource_server: ResourceServer
    principal: Principal | None


Arguments = ParamSpec("Arguments")


def _telling_misspelt(init: Callable[Arguments, None]) -> Callable[Arguments, None]:
    """Makes a misspelt argument a problem like any other: Starlette builds middleware late, and then
    a TypeError does not stop a server.
    """
    names = list(inspect.signature(init).parameters)

    @functools.wraps(init)
    def wrapper(*args: Arguments.args, **kwargs: Arguments.kwargs) -> None:
        unknown = sorted(kwargs.keys() - names)
        for name in unknown:
            del kwargs[name]
        init(*args, **kwargs)
        middleware = args[0]
        if unknown and isinstance(middleware, AccessTokenMiddleware):
            error = middleware.configuration_error
            middleware.configuration_error = ConfigurationError(
                [f"AccessTokenMiddleware: no argument is called {name}; there are"
                 f" {', '.join(names[2:])}" for name in unknown]
                + ([] if error is None else [*error.problems])
            )  # fmt: skip

    return wrapper


class AccessTokenMiddleware:
    """Lets requests with a valid access token through to `app`, with their `Principal`.

    issuer, audience: the short form. `issuer` is a `TrustedIssuer` or a string; on a host under
        `.auth0.com` a string means `TrustedIssuer.auth0(…)`, elsewhere RFC 9068 only.
    resource_server: the full form, instead of both.
    public: paths that need no token, compared exactly with the path after `root_path`, as Starlette
        routes it. No credential is read there.
    required: False lets requests through that send nothing, for guards to decide; what is sent and
        invalid never passes.
    allow_preflight: lets genuine CORS preflights through (Fetch standard). Better is CORSMiddleware
        outside this one, which also puts its headers on refusals.
    anonymous: True lets verified anonymous sessions through, for guards to decide; a guard lets one
        in only where its policy names that kind.
    resource: as of `ResourceServer`, with the short form. The API's metadata is published.
    websocket_subprotocol: the subprotocol with which a browser may send the token (`atjwt.sockets`).
    close_at_expiry: whether a WebSocket is closed with code 1008 when its token expires.

    A wrong configuration is not raised here, since Starlette builds middleware late: it is answered
    to `lifespan` as `startup.failed`, which stops the server, and raised on any other scope.
    """

    @_telling_misspelt
    def __init__(
        self,
        app: ASGIApp,
        *,
        issuer: TrustedIssuer | str | None = None,
        audience: str | Collection[str] | None = None,
        resource_server: ResourceServer | None = None,
        public: Collection[str] = (),
        required: bool = True,
        allow_preflight: bool = False,
        anonymous: bool = False,
        resource: ProtectedResource | str | None = None,
        websocket_subprotocol: str | None = None,
        close_at_expiry: bool = True,
    ) -> None:
        self.app = app
        self.required = required
        self.allow_preflight = allow_preflight
        self.configuration_error: ConfigurationError | None = None
        self._preflight_refused = False
        problems = _public_problems(public)
        self.public = frozenset() if problems else frozenset(public)
        self.anonymous = anonymous
        self.websocket_subprotocol = websocket_subprotocol
        self.close_at_expiry = close_at_expiry
        self.published: Published | None = None
        switches = {
            "required": required, "allow_preflight": allow_preflight, "anonymous": anonymous,
            "close_at_expiry": close_at_expiry,
        }  # fmt: skip
        for name, switch in switches.items():
            if not isinstance(switch, bool):
                problems.append(f"AccessTokenMiddleware: {name}: give True or False")
        problems += _subprotocol_problems(websocket_subprotocol)
        try:
            self.resource_server = _resource_server(issuer, audience, resource_server, resource)
            if self.resource_server.protected_resource is not None:
                self.published = Published(self.resource_server)
        except ConfigurationError as error:
            problems += error.problems
        if problems:
            self.configuration_error = ConfigurationError(problems)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection (ASGI 3)."""
        if self.configuration_error is not None:
            await refuse_to_start(self.configuration_error.problems, scope, receive, send)
        if scope["type"] == "lifespan":
            await self.app(scope, receive, _telling(self.resource_server, send))
            return
        if scope["type"] not in {"http", "websocket"}:
            raise ConfigurationError([f"AccessTokenMiddleware: unknown scope {scope['type']!r}"])
        if self.published is not None and self.published.asked_by(scope):
            await self.published.send(scope, send)
            return
        headers = scope["headers"]
        if scope["type"] == "websocket" and self.websocket_subprotocol is not None:
            tokens, named = take_tokens(scope, self.websocket_subprotocol)
            headers = [*scope["headers"], *((b"authorization", b"Bearer " + t) for t in tokens)]
            send = send if named is None else answering_with(named, send)
        started = False

        def noting(message: Message) -> Awaitable[None]:
            nonlocal started
            started = started or message["type"] in _BEGINNINGS
            return send(message)

        try:
            principal = None
            if not (self.public or self.allow_preflight) or not self._is_exempt(scope):
                principal = await self._authenticate(scope, headers)
            self._enter(scope, principal)
            if scope["type"] == "websocket" and principal is not None and self.close_at_expiry:
                until = (principal.expires_at or 0) + self.resource_server.leeway
                clock = self.resource_server.clock
                await run_until(self.app, scope, receive, noting, until=until, clock=clock)
            else:
                await self.app(scope, receive, noting)
        except AuthError as error:
            self.resource_server.report(
                error, headers, method=scope.get("method"), url=scope["path"]
            )
            if started:
                raise
            await answer(self.resource_server.challenge(error), scope, send)

    async def _authenticate(self, scope: Scope, headers: Headers) -> Principal | None:
        server, method, url = self.resource_server, scope.get("method"), scope["path"]
        principal = await server.authenticate(headers, method=method, url=url)
        if principal is None and self.required:
            self._explain_preflight(scope)
            raise MissingToken(detail=why_missing(scope["headers"]))
        if principal is not None and principal.kind == "anonymous" and not self.anonymous:
            server.authorize(principal, None, headers=headers, method=method, url=url)
        return principal

    def _enter(self, scope: Scope, principal: Principal | None) -> None:
        scope[SCOPE_KEY] = Authentication(self.resource_server, principal)
        if principal is None:
            scope["user"], scope["auth"] = UnauthenticatedUser(), AuthCredentials()
        else:
            scope["user"] = principal
            known = [] if principal.kind == "anonymous" else ["authenticated"]
            scope["auth"] = AuthCredentials([*known, *principal.scopes])

    def _is_exempt(self, scope: Scope) -> bool:
        if self.public and route_path(scope) in self.public:
            return True
        return self.allow_preflight and is_preflight(scope)

    def _explain_preflight(self, scope: Scope) -> None:
        if not self._preflight_refused and is_preflight(scope):
            self._preflight_refused = True
            logger.warning(
                "a CORS preflight was refused: put CORSMiddleware outside AccessTokenMiddleware"
                " (before it in the list of middleware), or say allow_preflight=True"
            )


def _telling(resource_server: ResourceServer, send: Send) -> Send:
    """A `send` of `lifespan` by which the resource server learns of the app's beginning and end."""

    async def telling(message: Message) -> None:
        if message["type"] == "lifespan.startup.complete":
            resource_server.start()
        elif message["type"].startswith("lifespan.shutdown."):
            await resource_server.stop()
        await send(message)

    return telling


async def refuse_to_start(
    problems: Collection[str], scope: Scope, receive: Receive, send: Send
) -> NoReturn:
    """Tells the server why it must not start, then raises, as on any scope but `lifespan`."""
    error = ConfigurationError(problems)
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": str(error)})
    raise error


async def answer(challenge: Challenge, scope: Scope, send: Send) -> None:
    """Sends a challenge; to a WebSocket as a denial, or as close code 1008 where that is all."""
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in (scope.get("extensions") or {}):
            await send({"type": "websocket.close", "code": 1008, "reason": ""})
            return
        prefix = "websocket."
    status, headers, body = challenge
    await send({"type": f"{prefix}http.response.start", "status": status, "headers": [*headers]})
    await send({"type": f"{prefix}http.response.body", "body": body})


def route_path(scope: Scope) -> str:
    """The path after `root_path`, as Starlette routes it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    if root and path.startswith(root) and path[len(root) : len(root) + 1] in {"", "/"}:
        return path[len(root) :]
    return path


def is_preflight(scope: Scope) -> bool:
    """Whether this is a CORS preflight (Fetch standard, CORS-preflight request)."""
    if scope.get("method") != "OPTIONS":
        return False
    names = {name for name, _ in scope["headers"]}
    return {b"origin", b"access-control-request-method"} <= names


def _resource_server(
    issuer: TrustedIssuer | str | None,
    audience: str | Collection[str] | None,
    resource_server: ResourceServer | None,
    resource: ProtectedResource | str | None,
) -> ResourceServer:
    if resource_server is not None:
        if resource is not None:
            raise ConfigurationError(
                ["AccessTokenMiddleware: resource: give it to the ResourceServer"]
            )
        if issuer is not None or audience is not None:
            raise ConfigurationError(
                ["AccessTokenMiddleware: give resource_server, or issuer and audience, not both"]
            )
        if not isinstance(resource_server, ResourceServer):
            raise ConfigurationError(
                ["AccessTokenMiddleware: resource_server: give a ResourceServer"]
            )
        return resource_server
    problems = []
    if issuer is None:
        problems.append('AccessTokenMiddleware: give issuer="https://…", or resource_server=')
    else:
        try:
            issuer = trusted_issuer(issuer)
        except ConfigurationError as error:
            problems += error.problems
    problems += [f"ResourceServer: {problem}" for problem in audience_problems(audience)]
    if problems or audience is None or not isinstance(issuer, TrustedIssuer):
        raise ConfigurationError(problems)
    return ResourceServer(audience=audience, issuers=[issuer], resource=resource)


def _subprotocol_problems(name: object) -> list[str]:
    if name is None or (
        isinstance(name, str) and re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
    ):
        return []
    return [
        'AccessTokenMiddleware: websocket_subprotocol: give a name such as "access-token", of letters,'
        " digits and hyphens"
    ]


def _public_problems(public: object) -> list[str]:
    if isinstance(public, str):
        return [f'AccessTokenMiddleware: write public={{"{public}"}}, a set of paths']
    if not isinstance(public, Collection):
        return ["AccessTokenMiddleware: public: give a set of paths"]
    return [
        f"AccessTokenMiddleware: public path {path!r}: give one exact path that starts with /, as"
        " Starlette sees it: decoded, without query"
        for path in public
        if not isinstance(path, str) or not path.startswith("/") or not _PATTERN.isdisjoint(path)
    ]


_PATTERN = frozenset("*{}?#%")
