"""Whether the old profile may be refused from now on, and whether every instance does so.

Nothing of the old profile can be alive, and the ledger must be in a state to say so: every instance
has reported since, no ledger was forgotten, no count was lost. What only cannot be attested may be
taken upon oneself; what is known to be wrong may not.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from atjwt.migration.account import Account, Heartbeat, Step
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.domains import Strangers, strangers
from atjwt.migration.drain import UNREAD, refused, settled
from atjwt.migration.instances import SKEW, heartbeats_of, is_live, leeway_of, named, written
from atjwt.migration.management import Settings
from atjwt.migration.moment import (
    in_force,
    late_clients,
    latest_moment,
    old_uses,
    renewed,
    stray_problem,
    strays,
    turns,
)
from atjwt.migration.standing import Api, api_of, changes_profile, dialect_of, standing
from atjwt.migration.stores import Store
from atjwt.migration.times import when


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """Whether the old profile may go. All times are seconds since 1970.

    step: the last switch. drained_at: since when nothing of the old profile can be alive.
    profile: the one to accept alone; None where the switch left the profile as it was.
    wrong: what stands in the way. unattested: what cannot be known, which stands in the way too,
    unless it is taken upon oneself. narrowed, wide: the live instances that accept that profile
    alone, and the others. refused: requests since, with tokens of the old profile. enforced: the
    recorded step, once all of them are narrowed.
    """

    step: Step
    drained_at: float
    profile: str | None
    wrong: tuple[str, ...] = ()
    unattested: tuple[str, ...] = ()
    narrowed: tuple[Heartbeat, ...] = ()
    wide: tuple[Heartbeat, ...] = ()
    refused: int = 0
    enforced: Step | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What is known besides the ledger.

    now: seconds since 1970. settings: the API's, if they were read just now. alone: the issuer was
    named, so that old tokens of others are taken for another tenant's. expected: how many instances
    of each service there should be.
    """

    now: float
    settings: Settings | None = None
    alone: bool = False
    expected: Mapping[str, int] = field(default_factory=dict)


def enforcement(account: Account, api: Api, look: Look) -> Enforcement:
    """Whether the old profile may go, as the ledger has it.

    Raises InTheWay: nothing was switched, or a change is pending.
    """
    stands = standing(account, api)
    step = settled(stands, api)
    after = DIALECTS[step.after]
    steps = in_force(account, api, of_profile=True)
    drained_at = latest_moment(account, steps).at
    narrows = changes_profile(steps[0])
    live = [beat for beat in heartbeats_of(account, api) if is_live(beat, look.now)]
    narrow = [beat for beat in live if beat.profiles == (after.profile.name,)]
    others = strangers(account, steps[0], look.now) if narrows else Strangers([], [])
    latest = [turn for turn in turns(account, api) if changes_profile(turn) is narrows]
    wrong = _wrong(account, step, latest, drained_at, look)
    unattested = _unattested(account, api, drained_at, look) if narrows else []
    if narrow and len(narrow) == len(live):
        unattested += _gone_wide(account, api, narrow[0].profiles, look.now)
    (unattested if look.alone else wrong).extend(others.alive)
    return Enforcement(
        step=step,
        drained_at=drained_at,
        profile=after.profile.name if narrows else None,
        wrong=tuple(dict.fromkeys(wrong)),
        unattested=tuple(dict.fromkeys([*unattested, *others.unknown])),
        narrowed=tuple(narrow),
        wide=tuple(beat for beat in live if beat not in narrow),
        refused=refused(account, stands.turns[0], drained_at),
        enforced=stands.enforced,
    )


def _wrong(
    account: Account, last: Step, latest: list[Step], drained_at: float, look: Look
) -> list[str]:
    found = []
    if look.now < drained_at:
        found.append(f"not before {when(drained_at)}: until then old tokens may live: run `drain`")
    for step in latest:
        if strays(account, step):
            found.append(stray_problem(step, look.settings))
        if late := late_clients(account, step, drained_at):
            found.append(
                f"tokens as {step.before} makes them were accepted since {when(drained_at)}, when "
                f"none should live, of {', '.join(late[:5])}: set the clocks of the instances, then "
                f"`switch --to {step.after}` records the setting anew, and it is waited for again"
            )
    if look.settings is not None and (set_to := dialect_of(look.settings).name) != last.after:
        found.append(
            f"the API is set to {set_to}, and not to {last.after}, as it was switched: somebody has "
            f"changed it; `switch --to {last.after}` sets it again"
        )
    return found


def _unattested(account: Account, api: Api, drained_at: float, look: Look) -> list[str]:
    now = look.now
    beats = heartbeats_of(account, api)
    live = [beat for beat in beats if is_live(beat, now)]
    silent = [beat for beat in beats if not is_live(beat, now) and beat.at < drained_at]
    early = [beat for beat in live if beat.at < drained_at <= now]
    ahead = [beat for beat in beats if beat.at > now + SKEW]
    found = [] if look.settings is not None else [UNREAD]
    if not live:
        found.append("no instance reports: nobody says that no old token comes")
    found += _fewer(live, look.expected)
    if silent:
        found.append(
            f"silent, and so perhaps with counts not yet written: {named(silent)}: end them in order, "
            "or make sure that they are gone"
        )
    if early:
        found.append(f"not yet heard of since {when(drained_at)}: {named(early)}: try again soon")
    if ahead:
        found.append(
            f"the clock is ahead of this host's, so nobody knows whether they live: {named(ahead)}: "
            "set the clocks, there or here"
        )
    if account.lost and not _is_past(account, api, now):
        found.append(f"{account.lost} counts were lost, and nobody knows of which tokens")
    return found + _ledgers(account, drained_at, now)


def _is_past(account: Account, api: Api, now: float) -> bool:
    """Whether all that was lost came so long ago that none of those tokens can be alive."""
    steps = in_force(account, api)
    longest = max(step.lifetime + step.margin for step in steps)
    seen = (use.lifetime for step in steps for use in old_uses(account, step).values())
    lives = max(longest, *seen, 0.0) + leeway_of(account, api)
    return 0 < account.lost_at <= now - lives


def _fewer(live: list[Heartbeat], expected: Mapping[str, int]) -> list[str]:
    found = []
    for service, wanted in sorted(expected.items()):
        count = len({beat.instance for beat in live if beat.service == service})
        if count < wanted:
            found.append(f"{service}: {count} of {wanted} instances report: start the others")
    return found


def _gone_wide(account: Account, api: Api, narrow: tuple[str, ...], now: float) -> list[str]:
    """Who may accept the old profile still, though every live instance does not."""
    beats = heartbeats_of(account, api)
    wide = [beat for beat in beats if not is_live(beat, now) and beat.profiles != narrow]
    if not wide:
        return []
    return [
        f"silent, and accepting more than {narrow[0]} when last heard of: {named(wide)}: end them in "
        "order, or make sure that they are gone"
    ]


def _ledgers(account: Account, drained_at: float, now: float) -> list[str]:
    stale = [
        f"{origin.name} was not written to since {when(drained_at)}, and so says nothing of then: "
        "leave it out if nobody writes to it any more"
        for origin in account.origins
        if written(account, origin) < drained_at <= now
    ]
    ahead = [
        f"{origin.name} was written to in the future, at {when(origin.updated)}: set the clocks"
        for origin in account.origins
        if origin.updated > now + SKEW
    ]
    return stale + ahead


def enforce(
    ledger: Store,
    *,
    audience: str | None = None,
    issuer: str | None = None,
    unattested: bool = False,
    expected: Mapping[str, int] | None = None,
    settings: Callable[[Api], Settings | None] = lambda _: None,
    clock: Callable[[], float] = time.time,
) -> Enforcement:
    """Looks whether the old profile may go; records `enforced`, once, when every instance says so.

    ledger: where the switch is recorded. audience, issuer: which API, where the ledger has several.
    unattested: what cannot be known is taken upon oneself. expected: how many instances of each
    service there should be. settings: reads the API's, if it can.
    Old tokens that were issued after the switch are waited for anew, from a reading that shows the
    setting as wanted; that is recorded.

    Raises InTheWay: nothing was switched, or a change is pending. LedgerError. ConfigurationError: say
    which API.
    """
    account = ledger.read()
    api = api_of(account, audience, issuer)
    read = settings(api)
    now = clock()  # after it was read
    again = renewed(account, api, read, now)
    for step in again:
        ledger.record(step)
    account = ledger.read() if again else account
    look = Look(now=now, settings=read, alone=issuer is not None, expected=expected or {})
    found = enforcement(account, api, look)
    if found.wrong or (found.unattested and not unattested):
        return found
    is_done = found.profile is not None and found.narrowed and not found.wide
    if is_done and found.enforced is None:
        step = replace(found.step, name="enforced", at=standing(account, api).next(now))
        ledger.record(step)
        return replace(found, enforced=step)
    return found
