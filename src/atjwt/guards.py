"""Guard coverage: who gets to each route of an app, and what nobody has guarded.

    assert_guarded(app, public=["/docs"])        in a test: fails and lists what is unguarded
    python -m atjwt routes module:app            the same on the command line, as a table

For each way in, `atjwt/walk.py` tells what stands on it; this file says what that comes to for a
caller who has no token. What cannot be known counts as unguarded, unless a token is demanded before
it is reached.
"""

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from starlette.routing import compile_path

from atjwt.core.policy import Policy, all_of
from atjwt.endpoints import ANY
from atjwt.errors import ConfigurationError
from atjwt.walk import Check, Door, Found, Kind, walk

if TYPE_CHECKING:
    from atjwt.resource_server import ResourceServer

__all__ = ["Coverage", "GuardedRoute", "State", "assert_guarded", "coverage", "routes"]

State = Literal["public", "optional", "authenticated", "guarded", "UNGUARDED"]
"""Who gets to a route: anyone, as declared; anyone, while a token is verified if there is one; any
authenticated caller; a caller whom a policy allows; anyone, although nobody has said so.
"""


@dataclass(frozen=True, slots=True)
class GuardedRoute:
    """One way into an app.

    path: with all prefixes, as the app writes it; of a host, after `//host`. methods: sorted; `*`
    for any, none for a WebSocket. kind: a mount takes whatever is beneath its path. policy: printed;
    None where there is none. endpoint: module and name. audience: of the APIs whose tokens are looked
    at on the way. besides: who else gets there: `anonymous` sessions, `preflights`, whom another route
    lets in. notes: what is wrong, each with its fix. policies, servers: what must be met, all of it, and
    who looks at tokens on the way; for programs.
    """

    path: str
    methods: tuple[str, ...]
    kind: Kind
    state: State
    policy: str | None
    endpoint: str
    audience: tuple[str, ...] = ()
    besides: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    policies: tuple[Policy, ...] = field(default=(), repr=False, compare=False)
    servers: "tuple[ResourceServer, ...]" = field(default=(), repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Every way into an app, in the order in which it is routed, and warnings of the whole."""

    routes: tuple[GuardedRoute, ...]
    warnings: tuple[str, ...]

    @property
    def unguarded(self) -> tuple[GuardedRoute, ...]:
        """What anyone gets to although nobody has said so."""
        return tuple(route for route in self.routes if route.state == "UNGUARDED")


def coverage(app: object, *, public: Collection[str] = ()) -> Coverage:
    """Walks over a Starlette, FastAPI or other ASGI app, without serving it.

    public: paths that are declared to need no token, as `GuardedRoute.path` has them.
    Raises ConfigurationError: this is no app, or the app's own set-up of this library is wrong.
    """
    if isinstance(public, str):
        raise ConfigurationError([f"public: give a list of paths, public=[{public!r}]"])
    walked = walk(app)
    ways = [*_told_apart(walked.found)]
    warnings = [*walked.warnings, *_needless(ways, public)]
    found = tuple(
        _judged(way, declared=_shown(way) in public, taken=taken)
        for way, taken in zip(ways, _takers(ways), strict=True)
    )
    return Coverage(found, tuple(dict.fromkeys(warnings)))


def routes(app: object, *, public: Collection[str] = ()) -> tuple[GuardedRoute, ...]:
    """The routes of `coverage`, alone."""
    return coverage(app, public=public).routes


def assert_guarded(app: object, public: Collection[str] = ()) -> None:
    """Passes if every route of an app is guarded or declared public; for a test.

    public: paths that are declared to need no token.
    Raises AssertionError: the routes that are neither, each with its fix. ConfigurationError: as
    `coverage`.
    """
    __tracebackhide__ = True  # pytest then shows the test's line
    open_to_all = coverage(app, public=public).unguarded
    if open_to_all:
        lines = (
            f"  {' '.join((route.kind, *route.methods))} {route.path}, {route.endpoint}:"
            f" {'; '.join(route.notes)}"
            for route in open_to_all
        )
        raise AssertionError("\n".join([f"unguarded routes: {len(open_to_all)}", *lines]))


# --- Paths ----------------------------------------------------------------------------------------


def _told_apart(found: Sequence[Found]) -> Iterator[Found]:
    """All ways in, and of one with a pattern also the single paths that a middleware exempts."""
    earlier: list[Found] = []
    for way in found:
        for path in _exempted(way):
            single = replace(way, path=path, kind="http" if way.kind == "mount" else way.kind)
            if not any(_covers(one, single) for one in earlier):
                earlier.append(single)
                yield single
        earlier.append(way)
        yield way


def _exempted(way: Found) -> list[str]:
    """The single paths among those of a pattern that are in the `public=` of a middleware."""
    pattern = _pattern(way)
    if "{" not in pattern:
        return []
    return sorted({
        door.prefix + path
        for door in way.way.doors
        for path in door.middleware.public
        if _fits(_inside(door, pattern), path)
    })  # fmt: skip


def _pattern(way: Found) -> str:
    return way.path.rstrip("/") + "/{path:path}" if way.kind == "mount" else way.path


def _fits(pattern: str, path: str) -> bool:
    return _compiled(pattern).match(path) is not None


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    count = iter(range(pattern.count("{")))
    # Starlette knows each parameter by its name; after a mount two may have the same one.
    unique = re.sub(r"\{\w+", lambda _: f"{{p{next(count)}", pattern)
    return compile_path(unique)[0]


def _inside(door: Door, path: str) -> str:
    """A path as the middleware sees it: after the mounts outside it."""
    return "/" + "/".join(path.split("/")[door.prefix.count("/") + 1 :])


def _covers(earlier: Found, later: Found) -> bool:
    """Whether the earlier takes all requests for the later."""
    same = (earlier.kind, earlier.way.host, earlier.path) == (
        later.kind,
        later.way.host,
        later.path,
    )
    return same and (earlier.methods == ANY or {*later.methods} <= {*earlier.methods})


def _shown(way: Found) -> str:
    return way.way.host + way.path


def _needless(ways: Sequence[Found], public: Collection[str]) -> Iterator[str]:
    """What is declared public and is not there: a slip of the pen, or left behind."""
    paths = {_shown(way) for way in ways}
    for path in sorted({*public} - paths):
        yield f"public: there is no {path} to declare public: take it out, or correct it"
    doors = {id(door.middleware): door for way in ways for door in way.way.doors}
    for door in doors.values():
        there = {_inside(door, _pattern(way)) for way in ways if door in way.way.doors}
        for path in sorted(door.middleware.public - there):
            yield f"AccessTokenMiddleware: there is no {door.prefix}{path} to make public: take it out"


# --- What it comes to -----------------------------------------------------------------------------


def _takers(ways: Sequence[Found]) -> Iterator[Found | None]:
    """For each way in that is one path, the earlier one that takes all of its requests."""
    patterns: list[Found] = []
    plain: dict[str, list[Found]] = {}
    for way in ways:
        one_path = way.kind != "mount" and "{" not in way.path
        earlier = [*plain.get(way.path, ()), *patterns] if one_path else []
        yield next((one for one in earlier if _takes(one, way)), None)
        if "{" in _pattern(way):
            patterns.append(way)
        else:
            plain.setdefault(way.path, []).append(way)


def _takes(one: Found, way: Found) -> bool:
    methods = one.methods == ANY or {*way.methods} <= {*one.methods}
    same = one.kind in (way.kind, "mount") and one.way.host == way.way.host
    return methods and same and _fits(_pattern(one), way.path)


def _judged(found: Found, *, declared: bool, taken: Found | None) -> GuardedRoute:
    """What a caller without a token meets. taken: an earlier way in that stands before it."""
    way, guards, path = found.way, found.guards, _pattern(found)
    passed = [door for door in way.doors if not _exempts(door, path)]
    servers = _servers(found, passed)
    demanded = any(door.middleware.required for door in passed)
    checks = [*way.checks, *_own_checks(found)]
    policies = [check.policy for check in checks if check.policy is not None]
    said = declared or guards.public
    state: State = "UNGUARDED"
    if checks:
        state = "guarded" if policies else "authenticated"
    elif demanded:
        state = "authenticated"
    elif guards.optional:
        state = "optional"
    elif said or len(passed) < len(way.doors):
        state = "public"
    policy, contradiction = _together(policies)
    notes = [*way.notes, *guards.notes, *contradiction, *_impassable(checks, path)]
    if said and state != "public":
        notes.append(_CONTRADICTED if checks or not demanded else _NOT_EXEMPT)
    besides = dict(_besides(found, taken, demanded=demanded and not checks))
    if taken is not None and found.name.startswith(_METADATA):
        notes, besides, state = [], {}, "public"  # the middleware gives the same document
    if state == "UNGUARDED" and (guards.closed or not guards.notes):  # those say what to do
        notes.append(_fix(found))
    notes += [_NEVER_OPTIONAL] if guards.optional and demanded and not checks else []
    return GuardedRoute(
        path=_shown(found),
        methods=found.methods,
        kind=found.kind,
        state=state,
        policy=policy,
        endpoint=found.name,
        audience=tuple(dict.fromkeys(name for server in servers for name in server.audience)),
        besides=tuple(besides),
        notes=tuple(dict.fromkeys([*notes, *besides.values()])),
        policies=tuple(policies),
        servers=servers,
    )


def _besides(found: Found, taken: Found | None, *, demanded: bool) -> Iterator[tuple[str, str]]:
    """Who else gets there, and what to do about it. demanded: by a middleware alone."""
    if taken is not None:
        note = f"{taken.path} stands before it and takes its requests: change their order"
        yield f"whoever {taken.path} lets in", note
    doors = [door.middleware for door in found.way.doors if door.middleware.required]
    takes_options = found.methods == ANY or "OPTIONS" in found.methods
    if demanded and takes_options and all(door.allow_preflight for door in doors):
        yield "preflights", _PREFLIGHTS
    if demanded and any(door.anonymous for door in doors):
        yield "anonymous", _ANONYMOUS


_METADATA = "atjwt.starlette._metadata_route."
_CONTRADICTED = "it is declared public, and yet a guard looks at tokens: drop one of the two"
_NOT_EXEMPT = "it is declared public, and yet a middleware demands a token: name it in its public="
_NEVER_OPTIONAL = "it is optional, and yet a middleware demands a token: give it required=False"
_PREFLIGHTS = (
    "allow_preflight=True lets whoever sends the headers of a preflight get to its OPTIONS"
)
_ANONYMOUS = "anonymous=True lets anonymous sessions get there: guard it, for example by requires()"
_IMPASSABLE = "nobody gets past its guard, since"
_DOCS = (
    "it shows what the API can do: close it (docs_url=None, …), or declare its path public, as"
    " auth.install(app) does"
)


def _servers(found: Found, passed: Sequence[Door]) -> "tuple[ResourceServer, ...]":
    servers = [door.middleware.resource_server for door in passed]
    return tuple(dict.fromkeys([*servers, *(server for _, server in found.guards.own)]))


def _exempts(door: Door, path: str) -> bool:
    return _inside(door, path) in door.middleware.public


def _own_checks(found: Found) -> Iterator[Check]:
    door = found.way.door
    for policy in found.guards.checks:
        yield Check(policy, door)
    for policy, server in found.guards.own:
        same = door is not None and door.middleware.resource_server is server
        yield Check(policy, door if same else None, alone=True)


def _together(policies: Sequence[Policy]) -> tuple[str | None, list[str]]:
    """All policies as one, printed; and what to say if nobody can meet them all."""
    if not policies:
        return None, []
    try:
        return repr(all_of(*policies)), []
    except ConfigurationError:  # each of them is fine, but they stand in different places
        joined = " & ".join(f"({policy!r})" for policy in policies)
        return joined, [f"{_IMPASSABLE} its policies rule each other out: take one away"]


def _impassable(checks: Sequence[Check], path: str) -> Iterator[str]:
    for check in checks:
        if check.door is None and not check.alone:
            yield f"{_IMPASSABLE} no AccessTokenMiddleware is outside it: put one around the app"
        if check.door is not None and _exempts(check.door, path):
            yield f"{_IMPASSABLE} the public= of the middleware names its path: take it out there"


def _fix(found: Found) -> str:
    guards = found.guards
    if guards.closed is not None:
        return f"{guards.closed}: {guards.fix}"
    if found.name.startswith("fastapi.applications."):
        return _DOCS
    if found.way.doors:
        return f"the middleware has required=False, so a guard must ask: {guards.fix}"
    return guards.fix
