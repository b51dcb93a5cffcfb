"""Who says what a ledger holds, and whether they can be believed now: instances, and ledgers.

An instance that has been silent for three of its intervals may be gone, hang, or have lost the way to
the ledger; nobody can tell which. A ledger that nobody writes to proves nothing about the present.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from atjwt.migration.account import Account, Heartbeat
from atjwt.migration.instances import is_live
from atjwt.migration.times import span

State = Literal["live", "silent", "stopped"]
"""live: it has reported lately. silent: it has not, and did not say that it ends. stopped: it did."""

_STALE: Final = 300.0  # seconds without a writing; the lines of a log come once a minute
_AHEAD: Final = 60.0  # seconds by which a clock may be ahead before it is told


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One process that judges tokens of one issuer for one API.

    audience: the names of the API. profiles: those it accepts. leeway: seconds.
    started, at: when it began, and reported last, seconds since 1970.
    """

    service: str
    instance: str
    issuer: str
    audience: tuple[str, ...]
    profiles: tuple[str, ...]
    leeway: float
    started: float
    at: float
    state: State


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerState:
    """A ledger that was read. updated: seconds since 1970; 0 if never. age: seconds, then None."""

    name: str
    updated: float
    age: float | None


def instances(account: Account, now: float) -> tuple[Instance, ...]:
    """Every instance that has ever reported and is not forgotten, by service and name."""
    return tuple(
        Instance(
            service=beat.service,
            instance=beat.instance,
            issuer=beat.issuer,
            audience=beat.audience,
            profiles=beat.profiles,
            leeway=beat.leeway,
            started=beat.started,
            at=beat.at,
            state=_state(beat, now),
        )
        for beat in account.heartbeats
    )


def _state(beat: Heartbeat, now: float) -> State:
    if beat.stopped:
        return "stopped"
    return "live" if is_live(beat, now) else "silent"


def every_name_of(account: Account, api: str) -> frozenset[str]:
    """All names of an API, as its services list them: they count under the first, and steps are about
    its identifier.
    """
    listed = (beat.audience for beat in account.heartbeats if api in beat.audience)
    return frozenset({api}).union(*listed)


def ledgers(account: Account, now: float) -> tuple[LedgerState, ...]:
    """The ledgers that were read, and how old what they hold is."""
    return tuple(
        LedgerState(
            name=origin.name,
            updated=origin.updated,
            age=now - origin.updated if origin.updated else None,
        )
        for origin in account.origins
    )


def doubts(account: Account, now: float) -> Iterator[str]:
    """Why what the ledgers hold may not be the whole truth, each with what to do."""
    read = ledgers(account, now)
    stale = [one for one in read if one.age is None or one.age > _STALE]
    for one in stale:
        since = "ever" if one.age is None else f"for {span(one.age)}"
        if len(stale) == len(read):
            yield (
                f"nobody has written to {one.name} {since}: see that the services run, have a Ledger"
                " for it, and can reach it"
            )
        else:
            yield (
                f"nobody has written to {one.name} {since}, while others are fresh: leave it out if"
                " no service uses it, else see why they cannot reach it, or collect its lines anew"
            )
    ahead = [one.name for one in read if one.age is not None and one.age < -_AHEAD]
    ahead += sorted({
        f"{beat.service}/{beat.instance}"
        for beat in account.heartbeats
        if beat.at - now > _AHEAD
    })  # fmt: skip
    if ahead:
        yield f"written in the future: {', '.join(ahead)}: set the clocks, there or here"
    if account.lost:
        yield (
            f"{account.lost:,} counts are lost: a ledger was full or could not be reached; what came"
            " then is not in here"
        )
