"""A change that others made, recorded as a person tells it, without the Management API."""

from dataclasses import dataclass
from typing import NamedTuple

from atjwt.errors import ConfigurationError
from atjwt.migration.account import Account, Step
from atjwt.migration.dialects import Dialect, dialect_named
from atjwt.migration.instances import hindrances, remarks
from atjwt.migration.moment import is_doubtful
from atjwt.migration.proposal import MARGIN, back
from atjwt.migration.standing import Api, InTheWay, standing
from atjwt.migration.store import Store
from atjwt.migration.times import when


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a person tells of a change.

    at: when the new setting was in force, seconds since 1970. lifetime: seconds, the largest that new
    tokens had before. See `Step` for the others.
    """

    api: Api
    before: Dialect
    after: Dialect
    lifetime: float
    at: float
    margin: float = MARGIN
    undo: bool = False


class Kept(NamedTuple):
    """What was made of it. step: None where the ledger had it. notes: what should be known."""

    step: Step | None
    notes: tuple[str, ...]


def told_undo(
    account: Account, api: Api, *, at: float, lifetime: float | None, margin: float = MARGIN
) -> Told:
    """What a person tells who has led the API back to where it was before the last switch.

    lifetime: None: as it was then. Raises InTheWay: the ledger has no switch.
    """
    stands = standing(account, api)
    after = back(stands, api)
    step = stands.pending or stands.last
    if step is None:  # `back` has raised then
        raise InTheWay("nothing to undo")
    return Told(
        api=api,
        before=dialect_named(step.before if step.undo else step.after),
        after=after,
        lifetime=step.lifetime if lifetime is None else lifetime,
        at=at,
        margin=margin,
        undo=True,
    )


def record_told(told: Told, *, ledger: Store, now: float) -> Kept:
    """Records it. now: seconds since 1970.

    Raises InTheWay: another change is pending. ConfigurationError: it is no change. LedgerError.
    """
    if told.before is told.after:
        raise ConfigurationError([f"from {told.before.name} to {told.after.name} is no change"])
    account = ledger.read()
    stands = standing(account, told.api)
    pending, last = stands.pending, stands.last
    if pending is not None and pending.after != told.after.name:
        raise InTheWay(
            f"a change to {pending.after} was begun at {when(pending.at)} and is not settled: tell "
            "first how that one ended, or let `switch` or `undo` read it, without --at"
        )
    is_so = pending is None and last is not None and last.after == told.after.name
    if is_so and last is not None and not is_doubtful(account, told.api):
        return Kept(None, (f"the ledger has it so since {when(last.at)}: nothing to do",))
    step = Step(
        name="switched",
        at=stands.next(told.at),
        issuer=told.api.issuer,
        audience=told.api.audience,
        before=told.before.name,
        after=told.after.name,
        lifetime=max(told.lifetime, 0.0 if pending is None else pending.lifetime),
        margin=told.margin,
        undo=told.undo,
        external=True,
    )
    ledger.record(step)
    profile = told.after.profile
    hurts = hindrances(account, told.api, profile, now)
    return Kept(step, (*hurts, *remarks(account, told.api, profile, now)))
