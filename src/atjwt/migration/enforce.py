"""Whether the old profile may be refused from now on, and whether every instance does so.

Nothing of the old profile can be alive, and the ledger must be in a state to say so: every instance
has reported since, no ledger was forgotten, no count was lost. What only cannot be attested may be
taken upon oneself; what is known to be wrong may not.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from atjwt.migration.account import Account, Heartbeat, Step
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.drain import latest_moment, old_uses, settled
from atjwt.migration.instances import heartbeats_of, is_live, named
from atjwt.migration.management import Settings
from atjwt.migration.standing import Api, api_of, dialect_of, standing
from atjwt.migration.stores import Store
from atjwt.migration.times import when

_EXACT = 1.0  # seconds; a token is no later than the moment while it is not so by more


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """Whether the old profile may go. All times are seconds since 1970.

    step: the last switch. drained_at: since when nothing of the old profile can be alive.
    profile: the one to accept alone; None where the switch left the profile as it was.
    wrong: what stands in the way. unattested: what cannot be known, which stands in the way too,
    unless it is taken upon oneself. narrowed, wide: the live instances that accept that profile
    alone, and the others. enforced: the recorded step, once all of them are narrowed.
    """

    step: Step
    drained_at: float
    profile: str | None
    wrong: tuple[str, ...] = ()
    unattested: tuple[str, ...] = ()
    narrowed: tuple[Heartbeat, ...] = ()
    wide: tuple[Heartbeat, ...] = ()
    enforced: Step | None = None


def enforcement(
    account: Account, api: Api, now: float, *, settings: Settings | None = None
) -> Enforcement:
    """Whether the old profile may go, as the ledger has it.

    now: seconds since 1970. settings: the API's, where they can be had.
    Raises InTheWay: nothing was switched, or a change is pending.
    """
    stands = standing(account, api)
    step = settled(stands, api)
    drained_at = latest_moment(account, stands.in_force).at
    after = DIALECTS[step.after]
    narrows = any(DIALECTS[each.before].profile is not after.profile for each in stands.in_force)
    live = [beat for beat in heartbeats_of(account, api) if is_live(beat, now)]
    narrow = [beat for beat in live if beat.profiles == (after.profile.name,)]
    wrong = _wrong(account, stands.in_force, drained_at, now)
    if settings is not None and (set_to := dialect_of(settings).name) != step.after:
        wrong.append(
            f"the API is set to {set_to}, and not to {step.after}, as it was switched: somebody has "
            f"changed it; `switch --to {step.after}` sets it again"
        )
    return Enforcement(
        step=step,
        drained_at=drained_at,
        profile=after.profile.name if narrows else None,
        wrong=tuple(wrong),
        unattested=tuple(_unattested(account, api, drained_at, now)),
        narrowed=tuple(narrow),
        wide=tuple(beat for beat in live if beat not in narrow),
        enforced=stands.enforced,
    )


def _wrong(account: Account, steps: tuple[Step, ...], drained_at: float, now: float) -> list[str]:
    found = []
    if now < drained_at:
        found.append(f"not before {when(drained_at)}: until then old tokens may live: run `drain`")
    for step in steps:
        late = {
            key: use
            for key, use in old_uses(account, step).items()
            if use.last > drained_at + _EXACT
        }
        if late:
            clients = sorted({key.client_id for key in late})
            found.append(
                f"tokens as {step.before} makes them were accepted since {when(drained_at)}, when "
                f"none should live, of {', '.join(clients[:5])}: look at the clocks of the instances"
            )
    return found


def _unattested(account: Account, api: Api, drained_at: float, now: float) -> list[str]:
    found = []
    beats = heartbeats_of(account, api)
    live = [beat for beat in beats if is_live(beat, now)]
    silent = [beat for beat in beats if not is_live(beat, now)]
    early = [beat for beat in live if beat.at < drained_at <= now]
    if not live:
        found.append("no instance reports: nobody says that no old token comes")
    if silent:
        found.append(f"silent, and so perhaps with counts not yet written: {named(silent)}")
    if early:
        found.append(f"not yet heard of since {when(drained_at)}: {named(early)}: try again soon")
    if account.lost:
        found.append(f"{account.lost} counts were lost, and nobody knows of which tokens")
    found += [
        f"{origin.name} was not written to since {when(drained_at)}, and so says nothing about then"
        for origin in account.origins
        if origin.updated < drained_at <= now
    ]
    return found


def enforce(
    ledger: Store,
    *,
    audience: str | None = None,
    issuer: str | None = None,
    unattested: bool = False,
    settings: Callable[[Api], Settings | None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Enforcement:
    """Looks whether the old profile may go; records `enforced`, once, when every instance says so.

    ledger: where the switch is recorded. audience, issuer: which API, where the ledger has several.
    unattested: what cannot be known is taken upon oneself. settings: reads the API's, if it can.

    Raises InTheWay: nothing was switched, or a change is pending. LedgerError. ConfigurationError: say
    which API.
    """
    account = ledger.read()
    api = api_of(account, audience, issuer)
    now = clock()
    found = enforcement(account, api, now, settings=settings(api))
    if found.wrong or (found.unattested and not unattested):
        return found
    is_done = found.profile is not None and found.narrowed and not found.wide
    if is_done and found.enforced is None:
        step = replace(found.step, name="enforced", at=standing(account, api).next(now))
        ledger.record(step)
        return replace(found, enforced=step)
    return found
