"""Guards for Starlette: decorators, a middleware for a mount, and the typed way to the principal.

A guard asks what the `AccessTokenMiddleware` outside it has verified, checks its policy, and raises
what the middleware turns into an answer. It never lets anything through that it has not seen: where
no middleware ran, it says so and fails.
"""

import functools
import inspect
from collections.abc import Awaitable, Callable, Collection
from typing import Any, TypeVar, cast

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import HTTPConnection

from atjwt.asgi import (
    SCOPE_KEY,
    ASGIApp,
    Authentication,
    Receive,
    Scope,
    Send,
    refuse_to_start,
)
from atjwt.core.policy import Policy, all_of, has_permission, has_scope
from atjwt.core.principal import Principal
from atjwt.errors import ConfigurationError, MissingToken

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])  # whatever Starlette takes as an endpoint


def principal_of(connection: HTTPConnection) -> Principal:
    """The verified caller of a request or WebSocket.

    Raises MissingToken: nothing was sent, where nothing had to be. ConfigurationError: no
    `AccessTokenMiddleware` is around this app.
    """
    principal = _authentication(connection.scope).principal
    if principal is None:
        raise MissingToken
    return principal


def requires(
    *policies: Policy, scopes: Collection[str] = (), permissions: Collection[str] = ()
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
                check(_connection(args, kwargs).scope, policy)
                return await endpoint(*args, **kwargs)

            return cast("Endpoint", guarded)

        @functools.wraps(endpoint)
        def guarded_sync(*args: object, **kwargs: object) -> object:
            check(_connection(args, kwargs).scope, policy)
            return endpoint(*args, **kwargs)

        return cast("Endpoint", guarded_sync)

    return guard


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
        scopes: Collection[str] = (),
        permissions: Collection[str] = (),
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
        if scope["type"] != "lifespan":
            check(scope, self.policy)
        await self.app(scope, receive, send)


def to_policy(
    policies: Collection[object], scopes: Collection[str], permissions: Collection[str]
) -> Policy | None:
    """One policy of all that a guard was given; None where any authenticated caller will do.

    Raises ConfigurationError: every problem, with its fix.
    """
    problems = [
        f"requires({name!r}): a bare name says neither scope nor permission; write"
        f" requires(scopes=[{name!r}]) or requires(permissions=[{name!r}])"
        for name in policies
        if not isinstance(name, Policy)
    ]
    for word, names in (("scopes", scopes), ("permissions", permissions)):
        if isinstance(names, str):
            problems.append(f"requires({word}={names!r}): give a list, {word}=[{names!r}]")
        elif names != () and (not isinstance(names, Collection) or not names):
            # A list that came out empty by mistake must not let everybody in.
            problems.append(f"requires({word}=…): give a list of names, or leave {word} out")
    if problems:
        raise ConfigurationError(problems)
    parts = [policy for policy in policies if isinstance(policy, Policy)]
    parts += [has_scope(*scopes)] if scopes else []
    parts += [has_permission(*permissions)] if permissions else []
    return all_of(*parts) if parts else None


def check(scope: Scope, policy: Policy | None) -> Principal:
    """Returns the principal of a connection, if the policy allows it.

    Raises MissingToken, InsufficientScope; ConfigurationError where no middleware ran.
    """
    server, principal = _authentication(scope)
    return server.authorize(principal, policy, method=scope.get("method"), url=scope["path"])


def _authentication(scope: Scope) -> Authentication:
    found = scope.get(SCOPE_KEY)
    if not isinstance(found, Authentication):
        raise ConfigurationError(
            ["no AccessTokenMiddleware ran for this request: put it around the app"]
        )
    return found


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
    dispatch: Callable[..., Awaitable[None]] = endpoint.dispatch

    @functools.wraps(dispatch)
    async def guarded(self: HTTPEndpoint | WebSocketEndpoint) -> None:
        check(self.scope, policy)
        await dispatch(self)

    endpoint.dispatch = guarded  # type: ignore[method-assign]
    return endpoint
