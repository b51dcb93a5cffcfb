"""The walk over an app: every way in, and what stands on it.

From the outside to the inside, as a request goes: middleware by their `.app`, Starlette and FastAPI
apps by the stack that they would build, routers by their routes. Nothing is served and nothing is
left changed. Where the walk cannot go on, it says so in the place of what may be there: nothing is
ever skipped, and no app is entered by way of itself. Middleware of others that has an `.app` is
believed to hand on to it; what it answers itself is not seen.
"""

import inspect
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple, Protocol, cast

from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute

from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.policy import Policy
from atjwt.endpoints import (
    ANY,
    JUDGING,
    Guards,
    class_guards,
    closed,
    dependant_guards,
    function_guards,
)
from atjwt.errors import ConfigurationError
from atjwt.looking import blind, foreign, inner, is_built, name_of, real_name
from atjwt.starlette import RequiresMiddleware

Kind = Literal["http", "websocket", "mount"]
"""What is reached: a route, a WebSocket, or an app that takes whatever is beneath its path."""


_DEEPEST = 64
"""So many layers and mounts are passed."""


class Door(NamedTuple):
    """An `AccessTokenMiddleware` on the way in. prefix: of the mounts outside it."""

    middleware: AccessTokenMiddleware
    prefix: str


class Check(NamedTuple):
    """A policy that is checked on the way in; None for any authenticated caller.

    door: the middleware that has verified the token by then; None where there was none.
    alone: it verifies the token itself, if no middleware did.
    """

    policy: Policy | None
    door: Door | None
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Way:
    """How far a request has come, and past what.

    host: in front of paths; empty for any. within: the apps and routers that it is in.
    replaced: the `dependency_overrides` in force. notes: what was met and does not count. doubted:
    the innermost middleware is such; guards believe it, and so do not count either.
    """

    prefix: str = ""
    host: str = ""
    doors: tuple[Door, ...] = ()
    checks: tuple[Check, ...] = ()
    within: tuple[object, ...] = ()
    replaced: Mapping[object, object] | None = None
    notes: tuple[str, ...] = ()
    doubted: bool = False

    @property
    def door(self) -> Door | None:
        """The innermost middleware so far."""
        return self.doors[-1] if self.doors else None


@dataclass(frozen=True, slots=True)
class Found:
    """One way in, to its end.

    path: as it is written, after all prefixes. name: of the endpoint. way: to the endpoint's guards.
    """

    kind: Kind
    path: str
    methods: tuple[str, ...]
    name: str
    way: Way
    guards: Guards


@dataclass(frozen=True, slots=True)
class Walk:
    """All that was met. warnings: of the app as a whole. problems: wrong settings of ours."""

    found: list[Found]
    warnings: list[str]
    problems: list[str]


def walk(app: object) -> Walk:
    """Walks over an app.

    Raises ConfigurationError: what was given is no app, or a middleware of ours is set up wrongly.
    """
    if not callable(app) or isinstance(app, type):
        raise ConfigurationError(["the thing to walk over is no ASGI app: give the app itself"])
    done = Walk([], [], [])
    _Walker(done).enter(app, Way())
    if done.problems:
        raise ConfigurationError(dict.fromkeys(done.problems))
    return done


class _RouteLike(Protocol):
    """A route, or FastAPI's context around one; it has what its kind has."""

    @property
    def path(self) -> str: ...
    @property
    def host(self) -> str: ...
    @property
    def app(self) -> object: ...
    @property
    def endpoint(self) -> object: ...


class _Frontend(Protocol):
    @property
    def path(self) -> str: ...
    @property
    def methods(self) -> set[str]: ...
    @property
    def app(self) -> object: ...


class _Frontends(Protocol):
    @property
    def routes(self) -> Iterable[_Frontend]: ...


class _Walker:
    def __init__(self, done: Walk) -> None:
        self._done = done

    def enter(self, app: object, way: Way) -> None:
        """Goes into an app, whatever it is."""
        app, way = self._through(app, way)
        if len(way.within) > _DEEPEST:
            self._shut(app, way, "it is mounted too deep")
            return
        if any(app is outer for outer in way.within):
            self._shut(app, way, "it is mounted within itself")
            return
        way = replace(way, within=(*way.within, app))
        strange = foreign(app, "__call__", *(["app"] if isinstance(app, Router) else []))
        if isinstance(app, Starlette) and not strange:
            self.enter(app.middleware_stack or app.build_middleware_stack(), way)
        elif isinstance(app, Router) and not strange:
            end, way = self._through(app.middleware_stack, way)
            if end == app.app:
                self._router(app, way)
            else:
                self._shut(end, way, blind(end))
        else:
            own = isinstance(app, Starlette | Router)
            self._shut(app, way, f"its class has its own {strange}" if own else blind(app))

    def _through(self, app: object, way: Way) -> tuple[object, Way]:
        """Passes every middleware; returns what is inside them, and the way to it."""
        passed: list[object] = []
        while not isinstance(app, Starlette | Router):
            way = self._past(app, way)
            within = inner(app)
            own = getattr(within, "__self__", None) is app
            if not callable(within) or own or any(within is it for it in passed):
                break
            if len(passed) > _DEEPEST:
                break
            passed.append(app)
            app = within
        return app, way

    def _past(self, layer: object, way: Way) -> Way:
        if isinstance(layer, AccessTokenMiddleware):
            error = layer.configuration_error
            self._done.problems.extend([] if error is None else error.problems)
            if strange := foreign(layer, *_methods_of(AccessTokenMiddleware)):
                return replace(way, notes=(*way.notes, _unlike(layer, strange)), doubted=True)
            server = getattr(layer, "resource_server", None)
            if strange := foreign(server, *JUDGING):
                return replace(way, notes=(*way.notes, _unlike(server, strange)), doubted=True)
            self._published(layer, way)
            return replace(way, doors=(*way.doors, Door(layer, way.prefix)), doubted=False)
        if isinstance(layer, RequiresMiddleware):
            self._done.problems.extend(layer.problems)
            if strange := foreign(layer, *_methods_of(RequiresMiddleware)):
                return replace(way, notes=(*way.notes, _unlike(layer, strange)))
            if not layer.problems and not way.doubted:
                return replace(way, checks=(*way.checks, Check(layer.policy, way.door)))
        if isinstance(layer, CORSMiddleware) and any(_refuses_preflights(d) for d in way.doors):
            self._done.warnings.append(
                f"CORSMiddleware of {way.prefix or '/'} is inside AccessTokenMiddleware, which refuses"
                " preflights: put it outside, before it in the list of middleware"
            )
        return way

    def _published(self, door: AccessTokenMiddleware, way: Way) -> None:
        """What a middleware answers itself, to anybody (RFC 9728): at the root of the host only."""
        if door.published is not None and not way.prefix:
            name, path = name_of(door.published), door.published.path
            guards = Guards(public=True)
            self._done.found.append(Found("http", path, ("GET", "HEAD"), name, way, guards))

    def _router(self, router: Router, way: Way) -> None:
        provider = getattr(router, "dependency_overrides_provider", None)
        way = replace(way, replaced=getattr(provider, "dependency_overrides", None))
        for top in router.routes:
            if strange := _foreign_included(top):
                context = getattr(top, "include_context", None)
                prefix = str(getattr(context, "prefix", ""))
                self._shut(top, beneath(way, prefix), f"a router in it has its own {strange}")
                continue
            for route in _unfolded(top):
                self._route(route, way)
        for route in getattr(router, _FRONTENDS, list)():
            self._route(route, way)
        if router.default != getattr(router, "not_found", None) or foreign(router, "not_found"):
            self._shut(router.default, way, "its router calls it wherever no route fits")
        # Frontends of FastAPI are not among the routes. Where they are is no promise of FastAPI's.
        if hasattr(router, "frontend") and not hasattr(router, _FRONTENDS):
            self._shut(router, way, "it may have frontends, which this version keeps elsewhere")

    def _route(self, route: _RouteLike, way: Way) -> None:
        # FastAPI includes a router by contexts around its routes; `route` is one, or the route.
        original: object = getattr(route, "original_route", route)
        strange = foreign(original, "handle", "matches", "__call__", "get_route_handler")
        if isinstance(original, Route | WebSocketRoute):
            self._endpoint(
                "http" if isinstance(original, Route) else "websocket", route, way, strange
            )
        elif strange:
            why = f"its route class has its own {strange}"
            self._shut(original, beneath(way, getattr(route, "path", None)), why)
        elif isinstance(original, Mount):
            self.enter(route.app, beneath(way, route.path))
        elif isinstance(original, Host):
            self.enter(route.app, replace(way, host=f"//{route.host}"))
        elif hasattr(original, "routes") and hasattr(original, "dependant"):
            self._frontends(route, cast("_Frontends", original), way)
        else:
            self._shut(original, beneath(way, getattr(route, "path", None)), "its kind is unknown")

    def _endpoint(self, kind: Kind, route: _RouteLike, way: Way, strange: str) -> None:
        end, way = self._through(route.app, way)
        endpoint: object = route.endpoint
        methods = set(getattr(route, "methods", None) or ())
        every = tuple(sorted(methods)) or ANY
        if is_built(end):
            called = getattr(getattr(route, "dependant", None), "call", endpoint)
            guards = function_guards(called).joined(_dependencies(route, way))
            rows = [(every, guards)]
        elif end is endpoint and isinstance(endpoint, type):
            rows = class_guards(endpoint, methods)
        else:
            rows = [(every, closed(blind(end)))]
        if strange:
            why = f"its route class has its own {strange}"
            rows = [(some, guards.distrusted(why)) for some, guards in rows]
        if way.doubted:
            rows = [(some, replace(guards, checks=(), own=())) for some, guards in rows]
        for some, guards in rows:
            shown = () if kind == "websocket" else some
            path = way.prefix + route.path
            self._done.found.append(Found(kind, path, shown, name_of(endpoint), way, guards))

    def _frontends(self, route: object, group: _Frontends, way: Way) -> None:
        """FastAPI's static frontends: files, behind the dependencies of their router."""
        guards = _dependencies(route, way)
        prefix = way.prefix + getattr(route, "frontend_prefix", "")
        for one in group.routes:
            path = (prefix + one.path).rstrip("/") or "/"
            methods = tuple(sorted(one.methods))
            self._done.found.append(Found("mount", path, methods, name_of(one.app), way, guards))

    def _shut(self, thing: object, way: Way, why: str) -> None:
        """Notes what cannot be looked into, and goes no further."""
        found = Found("mount", way.prefix or "/", ANY, real_name(thing), way, closed(why))
        self._done.found.append(found)


def beneath(way: Way, path: str | None) -> Way:
    """The way on, into what is mounted at a path, if it has one."""
    return replace(way, prefix=way.prefix + (path or "").rstrip("/"))


_FRONTENDS = "_iter_low_priority_routes"


def _unfolded(route: BaseRoute) -> Iterable[_RouteLike]:
    """A route; of an included router all, with what the inclusion adds to them."""
    unfold = getattr(sys.modules.get("fastapi.routing"), "iter_route_contexts", list)
    return cast("Iterable[_RouteLike]", unfold([route]))


def _foreign_included(route: object) -> str:
    """Whether this is an included router that takes requests itself, or has one such within."""
    router = getattr(route, "original_router", None)
    if router is None:
        return ""
    inner = (_foreign_included(one) for one in router.routes)
    return foreign(router, "handle", "matches") or next(filter(None, inner), "")


def _dependencies(route: object, way: Way) -> Guards:
    dependant = getattr(route, "dependant", None)
    return Guards() if dependant is None else dependant_guards(dependant, way.replaced or {})


def _methods_of(cls: type) -> list[str]:
    return [name for name, it in vars(cls).items() if inspect.isfunction(it) and name != "__init__"]


def _unlike(thing: object, strange: str) -> str:
    return f"{name_of(thing)} has its own {strange}, so it does not count"


def _refuses_preflights(door: Door) -> bool:
    return door.middleware.required and not door.middleware.allow_preflight
