"""An app → its resource servers, wherever in it they stand.

It walks objects by the names under which ASGI apps, Starlette and FastAPI keep their parts; it imports
no framework and calls nothing of the app but the building of its middleware, which is what the first
request would do. What it cannot look into, such as an app that is a function around another, it
passes by: then the caller gives the resource server itself.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, Protocol, TypeAlias

from atjwt.asgi import AccessTokenMiddleware, ASGIApp
from atjwt.resource_server import ResourceServer


class HoldsResourceServer(Protocol):
    """Something with a resource server, such as `atjwt.fastapi.AccessTokenScheme`."""

    @property
    def resource_server(self) -> ResourceServer:
        """Who judges the tokens."""


Target: TypeAlias = ASGIApp | ResourceServer | HoldsResourceServer
"""In what resource servers are looked for: an app, or a part of one."""

_ONE: Final = (
    *("resource_server", "scheme"),  # ours
    *("middleware_stack", "router"),  # Starlette's; the outer before the inner
    *("app", "_app", "asgi_app", "application", "inner", "wrapped"),  # what a middleware is around
    *("dependant", "call", "dependency"),  # FastAPI's
    *("func", "__wrapped__", "__self__"),  # Python's: partials, decorators, bound methods
)
_MANY: Final = ("routes", "dependencies")


def find_resource_servers(target: Target) -> list[ResourceServer]:
    """All resource servers in an app, each once, the outermost first.

    Raises ValueError: there is none; it lists what was looked at. ConfigurationError: a middleware
    in it is set up wrongly.
    """
    found: list[ResourceServer] = []
    looked_at: dict[str, None] = {}
    seen: dict[int, object] = {}  # keeps what it has seen, so that no id is used twice
    waiting: list[object] = [target]
    while waiting:
        thing = waiting.pop()
        if thing is None or id(thing) in seen:
            continue
        seen[id(thing)] = thing
        if isinstance(thing, ResourceServer):
            found.append(thing)
            continue
        looked_at[type(thing).__name__] = None
        waiting += reversed(list(_parts(thing)))
    if not found:
        raise ValueError(
            f"no ResourceServer in this app; looked at {', '.join(looked_at)}. Give the"
            " ResourceServer (or the AccessTokenScheme) itself in place of the app"
        )
    return found


def _parts(thing: object) -> Iterator[object]:
    if isinstance(thing, AccessTokenMiddleware) and thing.configuration_error is not None:
        raise thing.configuration_error
    _build(thing)
    for name in _ONE:
        yield _held(thing, name)
    for name in _MANY:
        listed = _held(thing, name)
        if isinstance(listed, list | tuple):
            yield from _unfolded(listed) if name == "routes" else listed


def _build(thing: object) -> None:
    """Builds an app's middleware now, where it would be built by the first request."""
    build: Callable[[], object] | None = getattr(type(thing), "build_middleware_stack", None)
    if build is not None and getattr(thing, "middleware_stack", build) is None:
        thing.middleware_stack = build(thing)  # type: ignore[attr-defined, call-arg]


def _held(thing: object, name: str) -> object:
    """The attribute, if the thing or its class really has it; a mock, say, would make one up."""
    own = getattr(thing, "__dict__", {})
    if name in own:
        return own[name]
    return getattr(thing, name, None) if hasattr(type(thing), name) else None


def _unfolded(routes: Iterable[Any]) -> Iterator[object]:
    """The routes, and what FastAPI's included routers make of theirs, which it keeps apart."""
    fastapi = sys.modules.get("fastapi.routing")
    unfold: Callable[[Iterable[Any]], Iterator[object]] | None
    unfold = getattr(fastapi, "iter_route_contexts", None)
    yield from routes
    for context in unfold(routes) if unfold is not None else ():
        for name in ("original_route", "dependant", "app"):
            yield getattr(context, name, None)
