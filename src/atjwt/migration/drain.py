"""Waiting until no token from before a switch can be alive.

The moment (`moment.py`) is what the ledger says, and that is read again for as long as the wait lasts.
In the end the setting is looked at once more, where it can be: if it has not stayed, nothing is
drained.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from atjwt.errors import Reason
from atjwt.migration.account import HOUR, Account, Step, Use, UseKey
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.domains import strangers
from atjwt.migration.instances import (
    SKEW,
    accepts,
    heartbeats_of,
    is_live,
    named,
    names_of,
    written,
)
from atjwt.migration.management import Settings
from atjwt.migration.moment import (
    Moment,
    in_force,
    latest_moment,
    moment,
    old_uses,
    renewed,
    stray_problem,
    strays,
    turns,
)
from atjwt.migration.standing import (
    Api,
    InTheWay,
    Standing,
    api_of,
    changes_profile,
    dialect_of,
    standing,
)
from atjwt.migration.stores import LedgerError, Store
from atjwt.migration.times import when

_LATELY = 600.0  # seconds; who brought an old token since then is named
_PATIENCE = 120.0  # seconds; a ledger that nobody has written to for longer is told
_INTERVAL = 5.0  # seconds between two looks at the ledger, at the most

UNREAD = (
    "the setting was not read, so nobody knows whether it has stayed as it was switched: give --domain "
    "and credentials"
)
"""What is said where the Management API could not be asked."""


class OldClient(NamedTuple):
    """A client that lately brought old tokens. requests: with old tokens, in the last hour or two.

    last, expires: when the last came, and when the last to expire does, seconds since 1970.
    """

    client_id: str
    kind: str
    requests: int
    last: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Draining:
    """How far it is.

    step: the last switch. now: when it was looked at. moment: when it is over. clients: those that
    brought old tokens in the last ten minutes. came: requests with old tokens, from the hour of the
    switch on. since: of them, those since the look before. wrong: why it is not over at the moment.
    notes: what should be known. drained: the recorded step, once it is over.
    """

    step: Step
    now: float
    moment: Moment
    clients: tuple[OldClient, ...] = ()
    came: int = 0
    since: int = 0
    wrong: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    drained: Step | None = None

    @property
    def remaining(self) -> float:
        """Seconds; 0 when it is over."""
        return max(0.0, self.moment.at - self.now)


def draining(
    account: Account,
    api: Api,
    now: float,
    *,
    settings: Settings | None = None,
    alone: bool = False,
) -> Draining:
    """How far it is, as the ledger has it.

    now: seconds since 1970. settings: the API's, if they were read just now. alone: the issuer was
    named, so others are noted, and stand in nobody's way.
    Raises InTheWay: nothing was switched, or a change is pending.
    """
    stands = standing(account, api)
    last = settled(stands, api)
    until = latest_moment(account, in_force(account, api))
    latest = turns(account, api)
    uses: dict[UseKey, Use] = {}
    for step in latest:
        uses |= old_uses(account, step)
    began = last.at // HOUR * HOUR
    recorded = stands.drained
    wrong = [stray_problem(step, settings) for step in latest if strays(account, step)]
    if settings is not None and (dialect := dialect_of(settings).name) != last.after:
        wrong.append(f"the API is set to {dialect} now: `switch --to {last.after}` sets it again")
    others = strangers(account, latest[0], now) if changes_profile(latest[0]) else ([], [])
    wrong += () if alone else others[0]
    notes = _notes(account, stands, latest, now)
    is_so = recorded is not None and recorded.at >= until.at and not wrong
    return Draining(
        step=last,
        now=now,
        moment=until,
        clients=_clients(uses, now),
        came=sum(use.requests for key, use in uses.items() if key.hour >= began),
        wrong=tuple(dict.fromkeys(wrong)),
        notes=tuple(dict.fromkeys((*notes, *(others[0] if alone else ()), *others[1]))),
        drained=recorded if is_so else None,
    )


def settled(stands: Standing, api: Api) -> Step:
    """The last switch. Raises InTheWay: there is none, or a change is pending."""
    if stands.pending is not None:
        again = "undo" if stands.pending.undo else f"switch --to {stands.pending.after}"
        raise InTheWay(
            f"a change of {api.audience} to {stands.pending.after} was begun at "
            f"{when(stands.pending.at)}, and nobody knows whether it was made: run `{again}` again"
        )
    if stands.last is None:
        raise InTheWay(f"no switch of {api.audience} is recorded in this ledger")
    return stands.last


def _clients(uses: dict[UseKey, Use], now: float) -> tuple[OldClient, ...]:
    found: dict[tuple[str, str], OldClient] = {}
    for key, use in uses.items():
        if use.last < now - _LATELY:
            continue
        client = OldClient(key.client_id, key.kind, use.requests, use.last, use.expires)
        known = found.get((key.client_id, key.kind), client._replace(requests=0))
        found[key.client_id, key.kind] = client._replace(
            requests=known.requests + client.requests,
            last=max(known.last, client.last),
            expires=max(known.expires, client.expires),
        )
    return tuple(sorted(found.values(), key=lambda client: (-client.requests, client.client_id)))


def refused(account: Account, step: Step, since: float) -> int:
    """Requests since then that were refused because their tokens are of the old profile.

    since: seconds since 1970. Whole hours of a service are counted, so it may be some more.
    """
    names = names_of(account, Api(step.issuer, step.audience))
    return sum(
        count.requests
        for key, count in account.refusals.items()
        if (key.issuer, key.profile) == (step.issuer, DIALECTS[step.before].profile.name)
        and key.audience in names
        and key.reason == Reason.PROFILE_NOT_ACCEPTED
        and count.last >= since
    )


def _narrowed(account: Account, step: Step, now: float) -> list[str]:
    """Who refuses old tokens already, though they may be alive."""
    old = DIALECTS[step.before].profile
    beats = heartbeats_of(account, Api(step.issuer, step.audience))
    early = [beat for beat in beats if is_live(beat, now) and not accepts(beat, old)]
    found = []
    if early and moment(account, step).at > now:
        found.append(
            f"these instances refuse the {old.name} profile, whose tokens may still be valid: "
            f"{named(early)}: set ATJWT_PROFILES=auth0,rfc9068 there until it is drained"
        )
    if count := refused(account, step, step.at):
        found.append(
            f"{count} requests with tokens of the {old.name} profile were refused since the switch, "
            "for their profile alone"
        )
    return found


def _notes(
    account: Account, stands: Standing, latest: tuple[Step, ...], now: float
) -> tuple[str, ...]:
    found = []
    for step in latest:
        found += _narrowed(account, step, now)
        if moment(account, step).longer:
            found.append(
                "tokens were seen that live longer than the settings said: a lifetime was lowered, or "
                "is set otherwise; so the wait is longer"
            )
        if step.at > now + SKEW:
            found.append("the clock of the host that recorded the switch is ahead of this one's")
    last = stands.switched[-1].at
    found += [
        f"{origin.name} was not written to since the switch: what it counted cannot be seen"
        for origin in account.origins
        if written(account, origin) < last < now - _PATIENCE
    ]
    return tuple(found)


def drain(
    ledger: Store,
    *,
    audience: str | None = None,
    issuer: str | None = None,
    wait: bool = True,
    interval: float = _INTERVAL,
    settings: Callable[[Api], Settings | None] = lambda _: None,
    tell: Callable[[Draining], object] = lambda _: None,
    trouble: Callable[[str], object] = lambda _: None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> Draining:
    """Waits until no old token can be alive, and records that once.

    ledger: where the switch is recorded; it is read again all the time. audience, issuer: which API,
    where the ledger has several. wait: or else look once. interval: seconds between two looks, at the
    most; fewer when the end is near.
    settings: reads the API's, if it can; asked where old tokens are issued after the switch, and in
    the end. tell: is called at each look. trouble: is told when the ledger cannot be read for now.

    Returns with `drained` None where it does not wait, or something is wrong in the end.
    Raises InTheWay: nothing was switched, or a change is pending. LedgerError: the ledger cannot be
    read at the first look, or cannot be written to at the end. ConfigurationError: say which API.
    """
    account = ledger.read()
    api = api_of(account, audience, issuer)
    came: int | None = None
    asked: dict[float, Settings | None] = {}
    while True:
        now = clock()
        state = draining(account, api, now, alone=issuer is not None)
        at = state.moment.at
        if not state.remaining or (state.wrong and at not in asked):
            asked = {at: settings(api)}
            now = clock()  # it may have taken a while
            again = renewed(account, api, asked[at], now)
            for step in again:
                ledger.record(step)
            account = ledger.read() if again else account
        state = draining(account, api, now, settings=asked.get(at), alone=issuer is not None)
        state = replace(state, since=0 if came is None else max(0, state.came - came))
        came = state.came
        if not state.remaining:
            notes = state.notes if asked.get(at) else (*state.notes, UNREAD)
            state = replace(state, notes=notes)
            return _ended(ledger, state, standing(account, api).next(now), tell)
        tell(state)
        if not wait:
            return state
        sleep(min(interval, max(1.0, state.remaining // 60), state.remaining))
        account = _read_in_time(ledger, trouble, lambda: sleep(interval))


def _ended(
    ledger: Store, state: Draining, at: float, tell: Callable[[Draining], object]
) -> Draining:
    if state.drained is None and not state.wrong:
        step = replace(state.step, name="drained", at=at)
        ledger.record(step)
        state = replace(state, drained=step)
    tell(state)
    return state


def _read_in_time(
    ledger: Store, trouble: Callable[[str], object], pause: Callable[[], object]
) -> Account:
    """A wait of a day outlives a ledger's bad minute; what cannot be read decides nothing."""
    while True:
        try:
            return ledger.read()
        except LedgerError as error:
            trouble(str(error))
            pause()
