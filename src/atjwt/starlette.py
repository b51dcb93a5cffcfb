"""Guards for Starlette: decorators, a middleware for a mount, and the typed way to the principal.

A guard asks what the `AccessTokenMiddleware` outside it has verified, and checks its policy. On an
endpoint it raises a refusal as an `HTTPException`, which every app can answer, nested ones too; an
app's own handler for it, or for `AuthError`, does so first. Around an app it answers itself. It never
lets anything through that it has not seen: where no middleware ran, it says so and fails.
"""

import functools
import inspect
from collections.abc import Callable, Collection
from typing import Any, TypeVar, cast

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.websockets import WebSocket

from atjwt.asgi import (
    ASGIApp,
    Receive,
    Scope,
    Send,
    answer,
    refuse_to_start,
)
from atjwt.core.policy import Policy, all_of
from atjwt.core.principal import Principal
from atjwt.errors import AuthError, ConfigurationError, MissingToken
from atjwt.marks import mark, public
from atjwt.policies import has_permission, has_scope
from atjwt.published import HEADERS, Published
from atjwt.refusal import Refusal, authentication_of, refused
from atjwt.resource_server import ResourceServer

__all__ = ["RequiresMiddleware", "metadata_routes", "principal_of", "public", "requires"]


def metadata_routes(*resource_servers: ResourceServer) -> list[Route]:
    """Routes that publish the metadata of APIs (RFC 9728), for the app at the root of the host.

    A middleware publishes what it can see by itself; an API on a mount needs this, since its document
    stands outside of the mount (section 3.1).
    Raises ConfigurationError: a resource server has no `resource`.
    """
    return [_metadata_route(Published(server)) for server in resource_servers]


def _metadata_route(published: Published) -> Route:
    @public
    async def protected_resource_metadata(request: Request) -> Response:
        return Response(published.body, headers=HEADERS)

    return Route(published.path, protected_resource_metadata, methods=["GET"])


NONE: tuple[str, ...] = tuple.__new__(type("NONE", (tuple,), {}))
"""No names were given; unlike `()`, which may be a setting that came out empty by mistake."""

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])  # whatever Starlette takes as an endpoint


def principal_of(connection: HTTPConnection) -> Principal:
    """The verified caller of a request or WebSocket.

    Raises MissingToken: nothing was sent, where nothing had to be. ConfigurationError: no
    `AccessTokenMiddleware` is around this app.
    """
    principal = authentication_of(connection.scope).principal
    if principal is None:
        raise MissingToken
    return principal


def requires(
    *policies: Policy, scopes: Collection[str] = NONE, permissions: Collection[str] = NONE
) -> Callable[[Endpoint], Endpoint]:
    """Guards an endpoint: all policies, scopes and permissions must hold.

    For functions, sync and async, methods of class endpoints, whole class endpoints (every method)
    and WebSocket endpoints. `requires()` alone lets in any authenticated caller.
    Raises ConfigurationError: a bare string among the policies, or a name that is none.
    """
    policy = to_policy(policies, scopes, permissions)

    def guard(endpoint: Endpoint) -> Endpoint:
        if inspect.isclass(endpoint):
            return cast("Endpoint", _guard_class(endpoint, policy))
        if _is_async(endpoint):

            @functools.wraps(endpoint)
            async def guarded(*args: object, **kwargs: object) -> object:
                connection = _connection(args, kwargs)
                refusal = _stop(connection.scope, policy)
                if refusal is None:
                    return await endpoint(*args, **kwargs)
                if isinstance(connection, WebSocket):
                    await answer(refusal.challenge, connection.scope, connection.send)
                    return None
                return refusal

            mark(guarded, policy)
            return cast("Endpoint", guarded)

        @functools.wraps(endpoint)
        def guarded_sync(*args: object, **kwargs: object) -> object:
            return _stop(_connection(args, kwargs).scope, policy) or endpoint(*args, **kwargs)

        mark(guarded_sync, policy)
        return cast("Endpoint", guarded_sync)

    return guard


def _refusal(scope: Scope, policy: Policy | None) -> Refusal | None:
    """Checks a policy around an app, where nobody can be relied on to answer what is raised."""
    try:
        check(scope, policy)
    except AuthError as error:
        return Refusal(authentication_of(scope).resource_server.challenge(error))
    return None


def _stop(scope: Scope, policy: Policy | None) -> Refusal | None:
    """Checks a policy in an endpoint; raises the refusal, so that nothing after it runs. It is
    returned where no app is around that could answer what is raised.
    """
    try:
        check(scope, policy)
    except AuthError as error:
        server = authentication_of(scope).resource_server
        if "starlette.exception_handlers" in scope:
            raise refused(error, server, scope) from None
        return Refusal(server.challenge(error))
    return None


def _is_async(endpoint: object) -> bool:
    """Whether an endpoint is to be awaited, as Starlette will see it."""
    function = endpoint
    while isinstance(function, functools.partial):
        function = function.func
    if not (inspect.isfunction(function) or inspect.ismethod(function)):
        raise ConfigurationError(
            [
                f"requires(): {type(endpoint).__name__}: decorate a function, method or endpoint class"
            ]
        )
    return inspect.iscoroutinefunction(function)


class RequiresMiddleware:
    """Guards an app, such as a mount: `Mount(…, middleware=[Middleware(RequiresMiddleware, …)])`.

    policies, scopes, permissions: as of `requires`. What is wrong with them stops the server at
    start-up, as with `AccessTokenMiddleware`; on a mount, which sees no start-up, each request.
    """

    def __init__(
        self,
        app: ASGIApp,
        *policies: Policy,
        scopes: Collection[str] = NONE,
        permissions: Collection[str] = NONE,
    ) -> None:
        self.app = app
        self.problems: tuple[str, ...] = ()
        try:
            self.policy = to_policy(policies, scopes, permissions)
        except ConfigurationError as error:
            self.problems = error.problems

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One connection (ASGI 3)."""
        if self.problems:
            await refuse_to_start(self.problems, scope, receive, send)
        refusal = None if scope["type"] == "lifespan" else _refusal(scope, self.policy)
        await (refusal or self.app)(scope, receive, send)


def to_policy(
    policies: Collection[object], scopes: Collection[str], permissions: Collection[str]
) -> Policy | None:
    """One policy of all that a guard was given; None where any authenticated caller will do.

    Raises ConfigurationError: every problem, with its fix.
    """
    if any(inspect.isroutine(name) or inspect.isclass(name) for name in policies):
        raise ConfigurationError(["requires: write @requires(), with parentheses"])
    problems = [
        f"requires({name!r}): a bare name says neither scope nor permission; write"
        f" requires(scopes={_list(name)!r}) or requires(permissions={_list(name)!r})"
        for name in policies
        if not isinstance(name, Policy)
    ]
    for word, names in (("scopes", scopes), ("permissions", permissions)):
        if isinstance(names, str):
            problems.append(f"requires({word}={names!r}): give a list, {word}=[{names!r}]")
        elif names is not NONE and (not isinstance(names, Collection) or not names):
            # A list that came out empty by mistake must not let everybody in.
            problems.append(f"requires({word}=…): give a list of names, or leave {word} out")
    if problems:
        raise ConfigurationError(problems)
    parts = [policy for policy in policies if isinstance(policy, Policy)]
    parts += [has_scope(*scopes)] if scopes else []
    parts += [has_permission(*permissions)] if permissions else []
    return all_of(*parts) if parts else None


def _list(name: object) -> list[object]:
    return [*name] if isinstance(name, list | tuple | set | frozenset) else [name]


def check(scope: Scope, policy: Policy | None) -> Principal:
    """Returns the principal of a connection, if the policy allows it.

    Raises MissingToken, InsufficientScope; ConfigurationError where no middleware ran.
    """
    server, principal = authentication_of(scope)
    return server.authorize(
        principal, policy, headers=scope["headers"], method=scope.get("method"), url=scope["path"]
    )


def _connection(args: tuple[object, ...], kwargs: dict[str, object]) -> HTTPConnection:
    for value in (*args, *kwargs.values()):
        if isinstance(value, HTTPConnection):
            return value
    raise ConfigurationError(["requires(): the endpoint is given no request and no WebSocket"])


def _guard_class(endpoint: type, policy: Policy | None) -> type:
    if not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
        raise ConfigurationError(
            [f"requires(): {endpoint.__name__} is no HTTPEndpoint and no WebSocketEndpoint"]
        )
    own = endpoint.__dict__.get("dispatch")

    @functools.wraps(endpoint.dispatch)
    async def guarded(self: HTTPEndpoint | WebSocketEndpoint) -> None:
        refusal = _stop(self.scope, policy)
        if refusal is not None:
            await refusal(self.scope, self.receive, self.send)
        elif own is not None:
            await own(self)
        else:
            # By way of `super`, so that of several guarded bases each is asked.
            await super(endpoint, self).dispatch()  # type: ignore[arg-type]

    endpoint.dispatch = guarded  # type: ignore[method-assign]
    mark(endpoint, policy)
    return endpoint
