"""What goes wrong on purpose: one frozen `Fault` per endpoint, on one small switchboard.

A fault never touches the control surface, so that it can always be switched off again. Setting one
replaces what was set for those endpoints before and leaves the others alone.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias, get_args

Endpoint: TypeAlias = Literal["metadata", "jwks", "token", "management"]
"""The issuer's metadata, its JWKS, its token endpoint, its Management API."""

ENDPOINTS: Final[tuple[Endpoint, ...]] = get_args(Endpoint)
_WELL_KNOWN: Final[tuple[Endpoint, ...]] = ("metadata", "jwks")
_EXCLUSIVE: Final = ("down", "garbage", "empty", "huge", "redirect", "lying")
_OF_DOCUMENTS: Final = frozenset({"drip", "garbage", "empty", "huge", "redirect"})
_MEANINGLESS: Final[Mapping[Endpoint, frozenset[str]]] = {
    "metadata": frozenset(),
    "jwks": frozenset({"lying"}),
    "token": _OF_DOCUMENTS | {"lying"},
    "management": _OF_DOCUMENTS | {"lying"},
}
"""Endpoint → what nothing there would follow."""

_MOST_SECONDS: Final = 86_400


def _is_delay(value: object) -> bool:
    return type(value) in {int, float} and 0 <= value <= _MOST_SECONDS  # type: ignore[operator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one endpoint misbehaves. The two delays go together with one of the other kinds.

    slow: seconds before the headers. drip: seconds between any two pieces of the body.
    down: answers `status`, with `Retry-After` if `retry_after` (seconds) is given.
    hang: accepts and does not answer until the fault is switched off or the client gives up.
    garbage: HTML with status 200. empty: no keys, or no metadata members.
    huge: the right answer, made longer than 2 MiB by a member nobody asked for.
    redirect: 302 to a place where the right answer is.
    lying: metadata that names another issuer (RFC 8414 section 3.3 has it refused); metadata only.
    Raises ValueError: a value of the wrong type, or two kinds at once.
    """

    slow: float = 0
    drip: float = 0
    down: bool = False
    status: int = 503
    retry_after: int | None = None
    hang: bool = False
    garbage: bool = False
    empty: bool = False
    huge: bool = False
    redirect: bool = False
    lying: bool = False

    def __post_init__(self) -> None:
        for name in ("slow", "drip"):
            if not _is_delay(getattr(self, name)):
                raise ValueError(f"{name} is a number of seconds from 0 to {_MOST_SECONDS}")
        for name in ("hang", *_EXCLUSIVE):
            if type(getattr(self, name)) is not bool:
                raise ValueError(f"{name} is true or false")
        if type(self.status) is not int or not 400 <= self.status <= 599:
            raise ValueError("status is an HTTP status from 400 to 599")
        if self.retry_after is not None and (
            type(self.retry_after) is not int or self.retry_after < 0
        ):
            raise ValueError("retry_after is a whole number of seconds, 0 or more")
        if sum(getattr(self, name) for name in _EXCLUSIVE) > 1:
            raise ValueError(f"at most one of {', '.join(_EXCLUSIVE)} at a time")

    def problem_at(self, endpoint: Endpoint) -> str | None:
        """Which member means nothing at this endpoint, in a sentence."""
        wrong = sorted(name for name in _MEANINGLESS[endpoint] if getattr(self, name))
        return f"{wrong[0]} means nothing at the endpoint {endpoint}" if wrong else None


_NONE: Final = Fault()
_NAMES: Final = frozenset(field.name for field in fields(Fault))


class Switchboard:
    """The faults of the issuer's endpoints; read anew by every request."""

    def __init__(self) -> None:
        self._faults: Mapping[Endpoint, Fault] = {}

    def __getitem__(self, endpoint: Endpoint) -> Fault:
        return self._faults.get(endpoint, _NONE)

    def set(
        self,
        *,
        on: Iterable[Endpoint] | None = None,
        slow: float = 0,
        drip: float = 0,
        down: bool = False,
        status: int = 503,
        retry_after: int | None = None,
        hang: bool = False,
        garbage: bool = False,
        empty: bool = False,
        huge: bool = False,
        redirect: bool = False,
        lying: bool = False,
    ) -> None:
        """Makes these endpoints misbehave, in place of what they did before.

        on: which endpoints; by default metadata and JWKS, or the one of the two at which it means
            something, and then the other is put right. The rest: as in `Fault`.
        Raises ValueError: a value that does not fit, or that means nothing at an endpoint.
        """
        fault = Fault(
            slow=slow,
            drip=drip,
            down=down,
            status=status,
            retry_after=retry_after,
            hang=hang,
            garbage=garbage,
            empty=empty,
            huge=huge,
            redirect=redirect,
            lying=lying,
        )
        self._put(_on_documents(fault) if on is None else _placed(on, fault))

    def set_from(self, members: Mapping[str, object]) -> None:
        """Like `set`, from a JSON object, of which nothing is known yet.

        Raises ValueError: a member that is not an argument of `set`, or a value that does not fit.
        """
        unknown = members.keys() - _NAMES - {"on"}
        if unknown:
            raise ValueError(f"a fault has no such member; it has on, {', '.join(sorted(_NAMES))}")
        given = {name: value for name, value in members.items() if name != "on"}
        fault = Fault(**given)  # type: ignore[arg-type]  # it checks every type itself
        self._put(_placed(members["on"], fault) if "on" in members else _on_documents(fault))

    def clear(self, *endpoints: Endpoint) -> None:
        """Puts these endpoints right, or all of them if none is named. Raises ValueError."""
        self._put(_placed(endpoints or ENDPOINTS, _NONE))

    def active(self) -> dict[str, dict[str, object]]:
        """What is set, by endpoint, only the members that differ from a healthy endpoint's."""
        return {
            endpoint: {
                name: getattr(fault, name)
                for name in sorted(_NAMES)
                if getattr(fault, name) != getattr(_NONE, name)
            }
            for endpoint, fault in self._faults.items()
            if fault != _NONE
        }

    def _put(self, faults: Mapping[Endpoint, Fault]) -> None:
        # Replaced in one piece: requests on other threads see the old faults or the new ones.
        self._faults = {**self._faults, **faults}


def _on_documents(fault: Fault) -> dict[Endpoint, Fault]:
    return {name: _NONE if fault.problem_at(name) else fault for name in _WELL_KNOWN}


def _placed(endpoints: object, fault: Fault) -> dict[Endpoint, Fault]:
    """The fault at these endpoints, of which nothing is known yet. Raises ValueError."""
    named = list(endpoints) if isinstance(endpoints, Iterable) else []
    chosen = [endpoint for endpoint in ENDPOINTS if endpoint in named]
    if not chosen or len(chosen) != len(named):
        raise ValueError(f"on is a list of {', '.join(ENDPOINTS)}, each once")
    problems = [why for endpoint in chosen if (why := fault.problem_at(endpoint))]
    if problems:
        raise ValueError(problems[0])
    return dict.fromkeys(chosen, fault)
