"""Which guards of an app could be met no more by principals as another dialect would make them.

Each policy is asked with a principal of each kind that has nothing yet, as the dialect at hand and as
the one to come would make it; a policy answers with the ways in which it could be met. A way that asks
for a permission is none where the dialect has no `permissions` claim. What a policy of one's own asks
for cannot be told from its answer, so it is watched which claims it reads.
"""

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, cast, get_args

from atjwt.core.kind import Kind
from atjwt.core.policy import Policy
from atjwt.core.principal import Principal
from atjwt.core.shortfall import Shortfall
from atjwt.errors import Reason
from atjwt.guards import GuardedRoute
from atjwt.migration.changes import lost
from atjwt.migration.dialects import Dialect

KINDS: Final[tuple[Kind, ...]] = get_args(Kind)


class Met(NamedTuple):
    """How a guarded route fares.

    before, after: the kinds of callers that could pass, in the dialect at hand and in the one to come.
    narrower: whether some way is lost, while one is left. machines: whether only clients can pass, by a
    permission. reads: claims that the dialect to come lacks, and the policy was seen to read.
    """

    route: GuardedRoute
    before: tuple[Kind, ...]
    after: tuple[Kind, ...]
    narrower: bool
    machines: bool
    reads: tuple[str, ...]


def met(route: GuardedRoute, before: Dialect, after: Dialect) -> Met:
    """Asks the policies of one route, all of which must be met."""
    was, will = (
        {kind: [*_ways(route.policies, kind, dialect)] for kind in KINDS}
        for dialect in (before, after)
    )
    passing = tuple(kind for kind in KINDS if any(_is_open(way, after) for way in will[kind]))
    ways = [way for kind in passing for way in will[kind]]
    return Met(
        route=route,
        before=tuple(kind for kind in KINDS if any(_is_open(way, before) for way in was[kind])),
        after=passing,
        narrower=before.permissions
        and not all(_is_open(way, after) for way in ways if not _is_of_another_kind(way)),
        machines=passing == ("client",) and all(way.permissions for way in ways),
        reads=tuple(sorted(_read(route.policies, after) & lost(before, after))),
    )


def _ways(policies: Sequence[Policy], kind: Kind, dialect: Dialect) -> Iterator[Shortfall]:
    """The ways to meet all of the policies; an anonymous session has none unless they name it."""
    total = [Shortfall()]
    for policy in policies:
        caller = _principal(kind, dialect)
        if kind == "anonymous" and not policy.names_anonymous(caller, 0.0, 0.0):
            return
        total = [had.joined(more) for had in total for more in _asked(policy, caller)][:_MOST]
    yield from total


def _asked(policy: Policy, caller: Principal) -> Iterable[Shortfall]:
    try:
        return policy.ways(caller, 0.0, 0.0)
    except Exception:  # noqa: BLE001 - a policy of one's own, which expects a claim to be there
        return [Shortfall()]


_MOST: Final = 256
"""So many ways are kept; what is beyond is as good as none for a person to understand."""


def _is_open(way: Shortfall, dialect: Dialect) -> bool:
    return not _is_of_another_kind(way) and not (way.permissions and not dialect.permissions)


def _is_of_another_kind(way: Shortfall) -> bool:
    return any(reason is Reason.WRONG_KIND for reason, _ in way.others)


def _principal(kind: Kind, dialect: Dialect) -> Principal:
    """A caller with nothing, of a kind, as the dialect makes it."""
    return Principal(
        issuer="https://issuer.invalid/",
        subject="nobody",
        client_id="nobody",
        kind=kind,
        permissions=frozenset() if dialect.permissions else None,
        profile=dialect.profile,
        issued_at=0,
        expires_at=0,
    )


# --- What a policy of one's own reads -------------------------------------------------------------


class _Claims(dict[str, object]):
    """A claim set that notes what it is asked for. It has nothing."""

    def __init__(self, seen: set[str]) -> None:
        super().__init__()
        self._seen = seen

    def get(self, key: str, default: object = None) -> object:
        self._seen.add(key)
        return default

    def __getitem__(self, key: str) -> object:
        self._seen.add(key)
        raise KeyError(key)

    def __contains__(self, key: object) -> bool:
        self._seen.add(str(key))
        return False


class _Watched(Principal):
    """A principal with nothing that notes which claims are read."""

    __slots__ = ("seen",)
    seen: set[str]

    def __getattribute__(self, name: str) -> object:
        seen = cast("set[str]", object.__getattribute__(self, "seen"))
        if name == "claims":
            return _Claims(seen)
        if name == "claim":
            return _Claims(seen).get
        if name in _ATTRIBUTES:
            seen.add(_ATTRIBUTES[name])
        return object.__getattribute__(self, name)


_ATTRIBUTES: Final = {"token_id": "jti"}


def _read(policies: Collection[Policy], dialect: Dialect) -> set[str]:
    """The claims that policies were seen to read, whatever they make of them."""
    seen: set[str] = set()
    for kind in KINDS:
        plain = _principal(kind, dialect)
        watched = object.__new__(_Watched)
        object.__setattr__(watched, "seen", seen)
        for name in Principal.__dataclass_fields__:
            object.__setattr__(watched, name, getattr(plain, name))
        for policy in policies:
            _asked(policy, watched)
    return seen
