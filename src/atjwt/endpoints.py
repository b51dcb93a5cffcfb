"""What guards one endpoint: the marks on functions and classes, the dependencies of FastAPI.

Only what is certain to run counts. A copied mark does not: a decorator of somebody else's over
`@requires` need not ever call what it wraps. Nor does a method's guard where the class dispatches in
its own way, nor a dependency that `dependency_overrides` replaces. FastAPI is looked up among the
loaded modules and never imported: an app that uses it has loaded it.
"""

import inspect
import sys
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, cast

from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint

from atjwt.core.policy import Policy
from atjwt.looking import bare, foreign
from atjwt.marks import mark_of
from atjwt.resource_server import ResourceServer

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY")
"""What an `HTTPEndpoint` can have a handler for."""

JUDGING = ("authenticate", "authorize", "verify")
"""What of a `ResourceServer` decides who gets in."""

ANY = ("*",)
"""The methods of what takes any."""

_BY_MARK = "guard it with @requires(…), or declare it with @public"
_BY_DEPENDENCY = "give it auth.requires(…) as a dependency, or declare it with auth.public"
_CLOSED = "put AccessTokenMiddleware around it, or declare its path public"


@dataclass(frozen=True, slots=True)
class Guards:
    """What is known about who gets to an endpoint.

    checks: the policies that are checked there, None for any authenticated caller; they rely on the
        middleware around.
    own: the same of guards that verify the token themselves, unless a middleware with this resource
        server did.
    optional: a token is verified if there is one.
    public: declared to need no token.
    notes: what is wrong with the way it is guarded.
    closed: why nothing is known; None where all is.
    fix: what to do if it is not guarded.
    """

    checks: tuple[Policy | None, ...] = ()
    own: tuple[tuple[Policy | None, ResourceServer], ...] = ()
    optional: bool = False
    public: bool = False
    notes: tuple[str, ...] = ()
    closed: str | None = None
    fix: str = _BY_MARK

    def joined(self, other: "Guards") -> "Guards":
        """The guards of both."""
        return Guards(
            checks=self.checks + other.checks,
            own=self.own + other.own,
            optional=self.optional or other.optional,
            public=self.public or other.public,
            notes=self.notes + other.notes,
            closed=self.closed or other.closed,
            fix=self.fix if other.fix == _BY_MARK else other.fix,
        )

    def distrusted(self, why: str) -> "Guards":
        """What is left of them where they need not be asked: declarations and notes."""
        return Guards(public=self.public, notes=self.notes, closed=why, fix=_CLOSED)


_REPLACED: Final = Guards(notes=("dependency_overrides replaces its guard: take that out",))


def closed(why: str, fix: str = _CLOSED) -> Guards:
    """Of what cannot be looked into."""
    return Guards(closed=why, fix=fix)


# --- Functions ------------------------------------------------------------------------------------


def function_guards(endpoint: object) -> Guards:
    """The guards of a function, method or partial: its own marks from the outside to the inside."""
    checks: list[Policy | None] = []
    notes: list[str] = []
    public = False
    function = bare(endpoint)
    while inspect.isfunction(function) and (found := mark_of(function)) is not None:
        if found.public:
            public = True
        else:
            checks.append(found.policy)
        if not _is_ours(function):
            break
        function = bare(inspect.getattr_static(function, "__wrapped__"))
    if any(_marked(inner) for inner in _wrapped_by(function)):
        notes.append("another decorator is around @requires or @public: write ours outermost")
    return Guards(checks=tuple(checks), public=public, notes=tuple(notes))


def _is_ours(function: object) -> bool:
    """Whether a function is a wrapper of `requires`; `functools.wraps` does not copy globals."""
    module = getattr(function, "__globals__", {}).get("__name__")
    return module == "atjwt.starlette" and hasattr(function, "__wrapped__")


def _marked(function: object) -> bool:
    return mark_of(bare(function)) is not None


def _wrapped_by(function: object) -> Iterator[object]:
    seen: list[object] = []
    while (inner := getattr(function, "__wrapped__", None)) is not None:
        if any(inner is one for one in seen):
            return
        seen.append(inner)
        yield inner
        function = inner


# --- Classes --------------------------------------------------------------------------------------

Row = tuple[tuple[str, ...], Guards]
"""Methods that are guarded alike; none for a WebSocket."""


def class_guards(endpoint: type, allowed: Collection[str]) -> list[Row]:
    """The guards of an endpoint class, a row for each handler. allowed: methods; empty for any."""
    every = tuple(sorted(allowed)) or ANY
    if not issubclass(endpoint, HTTPEndpoint | WebSocketEndpoint):
        return [(every, closed("its endpoint is a class that is no endpoint class of Starlette"))]
    strange = foreign(type(endpoint), "__call__") or foreign(
        endpoint, "__new__", "__init__", "__await__", "__getattr__", "__getattribute__"
    )
    if strange:
        return [(every, closed(f"its class has its own {strange}"))]
    whole, ended = _dispatch_guards(endpoint)
    if not ended:
        return [(every, whole)]
    if issubclass(endpoint, WebSocketEndpoint):
        return [((), whole.joined(_method_guards(endpoint, "on_connect")))]
    return [
        (methods, whole.joined(guards)) for methods, guards in _handlers(endpoint, set(allowed))
    ]


def _dispatch_guards(endpoint: type) -> tuple[Guards, bool]:
    """The guards of whole classes, and whether they end at Starlette's own `dispatch`."""
    own = mark_of(endpoint)
    public = own is not None and own.public and not _is_ours(vars(endpoint).get("dispatch"))
    checks: list[Policy | None] = []
    rest = list(endpoint.__mro__)
    while rest:
        cls = rest.pop(0)
        if "dispatch" not in vars(cls):
            continue
        if cls in (HTTPEndpoint, WebSocketEndpoint):
            return Guards(tuple(checks), public=public), True
        mark, dispatch = mark_of(cls), vars(cls)["dispatch"]
        if mark is None or not _is_ours(dispatch):
            break
        checks.append(mark.policy)
        while _is_ours(dispatch):  # guarded more than once
            dispatch = dispatch.__wrapped__
        if not _is_inherited(cls, dispatch):
            break
    guards = Guards(tuple(checks), public=public)
    if not checks:
        why = "its class has its own dispatch, which need not ask what guards its methods"
        guards = guards.joined(closed(why, "write @requires on the class"))
    return guards, False


def _is_inherited(cls: type, dispatch: object) -> bool:
    """Whether a guarded class hands on to its bases: it had no `dispatch` when it was guarded."""
    return any(vars(base).get("dispatch") is dispatch for base in cls.__mro__[1:])


def _handlers(endpoint: type, allowed: set[str]) -> Iterator[Row]:
    has = [method for method in METHODS if getattr(endpoint, method.lower(), None) is not None]
    head = ["HEAD"] if "GET" in has and "HEAD" not in has else []
    for method in has:
        methods = [method, *head] if method == "GET" else [method]
        kept = tuple(sorted(name for name in methods if not allowed or name in allowed))
        if kept:
            yield kept, _method_guards(endpoint, method.lower())
    others = (allowed or {"*"}) - {*has, *head}
    if others and foreign(endpoint, "method_not_allowed"):
        yield tuple(sorted(others)), _method_guards(endpoint, "method_not_allowed")


def _method_guards(endpoint: type, name: str) -> Guards:
    return function_guards(inspect.getattr_static(endpoint, name))


# --- Dependencies ---------------------------------------------------------------------------------


class _Guard(Protocol):
    """`atjwt.fastapi.Guard`, as far as it is needed here."""

    @property
    def required(self) -> bool: ...
    @property
    def scheme(self) -> "_Guard": ...
    @property
    def resource_server(self) -> ResourceServer: ...
    def effective_policy(self, scopes: Sequence[str]) -> Policy | None: ...


class _Dependant(Protocol):
    """FastAPI's, as far as it is needed here."""

    @property
    def call(self) -> object: ...
    @property
    def dependencies(self) -> Sequence["_Dependant"]: ...
    @property
    def parent_oauth_scopes(self) -> list[str] | None: ...
    @property
    def own_oauth_scopes(self) -> list[str] | None: ...


def dependant_guards(dependant: _Dependant, replaced: Mapping[object, object]) -> Guards:
    """The guards among the dependencies of a route, however deep.

    replaced: the app's `dependency_overrides`.
    """
    nothing = found = Guards(fix=_BY_DEPENDENCY)
    for inner in dependant.dependencies:
        guards = _own_guards(inner, replaced).joined(dependant_guards(inner, replaced))
        if replaced and inner.call in replaced and guards != nothing:
            guards = _REPLACED
        found = found.joined(guards)
    return found


def _own_guards(dependant: _Dependant, replaced: Mapping[object, object]) -> Guards:
    call = dependant.call
    if _marked(call):  # it raises its refusal, and no endpoint runs
        return replace(function_guards(call), public=False)
    module = sys.modules.get("atjwt.fastapi")
    if module is None:
        return Guards()
    if call is module.declared_public:
        return Guards(public=True)
    if not isinstance(call, module.Guard) or foreign(call, "__call__", "effective_policy"):
        return Guards()
    guard = cast("_Guard", call)
    if strange := foreign(guard.scheme.resource_server, *JUDGING):
        note = (
            f"the resource server of its guard has its own {strange}, so the guard does not count"
        )
        return Guards(notes=(note,))
    if replaced and guard.scheme in replaced:
        return _REPLACED
    # What `Security` names, further out and here.
    scopes = [*(dependant.parent_oauth_scopes or ()), *(dependant.own_oauth_scopes or ())]
    policy = guard.effective_policy(scopes)
    if policy is None and not guard.required:
        return Guards(optional=True)
    return Guards(own=((policy, guard.scheme.resource_server),))
