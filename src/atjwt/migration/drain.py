"""When no token from before a switch can be alive any more, and waiting for it.

A token of the old profile was issued at the latest when the new setting was read back, or a margin
later, until which it may not be in force everywhere; so it has expired a lifetime later. Tokens that
were seen tell more: one that expires later still moves the moment. On top comes the leeway that the
instances allow. What the ledger says decides, and it is read again for as long as the wait lasts.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import NamedTuple

from atjwt.migration.account import OTHERS, Account, Step, Use, UseKey
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.instances import leeway_of, names_of
from atjwt.migration.management import Settings
from atjwt.migration.standing import Api, InTheWay, Standing, api_of, dialect_of, standing
from atjwt.migration.stores import LedgerError, Store
from atjwt.migration.times import when

_LATELY = 600.0  # seconds; who brought an old token since then is named
_INTERVAL = 5.0  # seconds between two looks at the ledger


class Moment(NamedTuple):
    """The earliest moment at which no old token can be alive. Times are seconds since 1970.

    at: that moment. issued: until when those live that were issued before the switch, as the settings
    said. longer: as `issued`, where tokens were seen that live longer than the settings said, else 0.
    expires: the latest `exp` seen, 0 if none. leeway: seconds.
    """

    at: float
    issued: float
    longer: float
    expires: float
    leeway: float


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
    switch on. since: of them, those since the look before. stray: whether old tokens were issued after
    the switch. notes: what should be known. drained: the recorded step, once it is over.
    """

    step: Step
    now: float
    moment: Moment
    clients: tuple[OldClient, ...] = ()
    came: int = 0
    since: int = 0
    stray: bool = False
    notes: tuple[str, ...] = ()
    drained: Step | None = None

    @property
    def remaining(self) -> float:
        """Seconds; 0 when it is over."""
        return max(0.0, self.moment.at - self.now)


def old_uses(account: Account, step: Step) -> dict[UseKey, Use]:
    """The accepted tokens that are of the old kind: of the old profile, or where the switch changes
    the `permissions` claim alone, those that had, or lacked, it as before.
    """
    before, after = DIALECTS[step.before], DIALECTS[step.after]
    names = names_of(account, Api(step.issuer, step.audience))
    old: dict[UseKey, Use] = {}
    for key, use in account.uses.items():
        if key.issuer not in {step.issuer, OTHERS} or key.audience not in names:
            continue
        is_old = key.profile == before.profile.name
        if before.profile is after.profile:
            is_old = is_old and key.permissions == before.permissions
        if is_old:
            old[key] = use
    return old


def moment(account: Account, step: Step) -> Moment:
    """When no token from before a switch can be alive. step: a `switched` one.

    Tokens that were seen with a longer lifetime than the settings said (it was lowered, or is set
    otherwise) may have been issued as late as the last of them came, and not have come yet.
    """
    uses = old_uses(account, step).values()
    issued = step.at + step.lifetime + step.margin
    latest = max(
        (min(use.last, step.at) + use.lifetime + step.margin for use in uses), default=0.0
    )  # fmt: skip
    longer = latest if latest > issued else 0.0
    expires = max((use.expires for use in uses), default=0.0)
    leeway = leeway_of(account, Api(step.issuer, step.audience))
    return Moment(max(issued, longer, expires) + leeway, issued, longer, expires, leeway)


def latest_moment(account: Account, steps: Iterable[Step]) -> Moment:
    """The latest of their moments."""
    return max(moment(account, step) for step in steps)


def draining(account: Account, api: Api, now: float) -> Draining:
    """How far it is, as the ledger has it. now: seconds since 1970.

    Raises InTheWay: nothing was switched, or a change is pending.
    """
    stands = standing(account, api)
    last = settled(stands, api)
    until = latest_moment(account, stands.in_force)
    uses: dict[UseKey, Use] = {}
    for step in stands.in_force:
        uses |= old_uses(account, step)
    began = stands.in_force[0].at
    recorded = stands.drained
    return Draining(
        step=last,
        now=now,
        moment=until,
        clients=_clients(uses, now),
        came=sum(use.requests for use in uses.values() if use.last >= began),
        stray=any(_strays(account, step) for step in stands.in_force),
        notes=_notes(account, stands, now),
        drained=recorded if recorded is not None and recorded.at >= until.at else None,
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


def _strays(account: Account, step: Step) -> bool:
    uses = old_uses(account, step).values()
    return any(use.expires - use.lifetime > step.at + step.margin for use in uses)


def _notes(account: Account, stands: Standing, now: float) -> tuple[str, ...]:
    found = []
    for step in stands.in_force:
        if _strays(account, step):
            found.append(
                f"tokens as {step.before} makes them were issued after the switch of "
                f"{when(step.at)}: the setting has not taken effect everywhere, or somebody has "
                "changed it back"
            )
        if moment(account, step).longer:
            found.append(
                "tokens were seen that live longer than the settings said: a lifetime was lowered, or "
                "is set otherwise; so the wait is longer"
            )
        if step.at > now:
            found.append("the clock of the host that recorded the switch is ahead of this one's")
    last = stands.switched[-1].at
    found += [
        f"{origin.name} was not written to since the switch: what it counted cannot be seen"
        for origin in account.origins
        if origin.updated < last
    ]
    return tuple(dict.fromkeys(found))


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
    where the ledger has several. wait: or else look once. interval: seconds between two looks.
    settings: reads the API's, if it can; asked where old tokens are issued after the switch.
    tell: is called at each look. trouble: is told when the ledger cannot be read for now.

    Raises InTheWay: nothing was switched, or a change is pending. LedgerError: the ledger cannot be
    read at the first look, or cannot be written to at the end. ConfigurationError: say which API.
    """
    account = ledger.read()
    api = api_of(account, audience, issuer)
    came: int | None = None
    asked: dict[float, tuple[str, ...]] = {}
    while True:
        state = draining(account, api, clock())
        if state.stray and state.moment.at not in asked:
            asked = {state.moment.at: _set_otherwise(settings(api), state.step)}
        notes = (*state.notes, *asked.get(state.moment.at, ()))
        state = replace(state, notes=notes, since=0 if came is None else max(0, state.came - came))
        came = state.came
        if not state.remaining:
            return _recorded(ledger, account, api, state, tell)
        tell(state)
        if not wait:
            return state
        sleep(min(interval, state.remaining))
        account = _read_in_time(ledger, trouble, lambda: sleep(interval))


def _set_otherwise(settings: Settings | None, step: Step) -> tuple[str, ...]:
    if settings is None or (dialect := dialect_of(settings).name) == step.after:
        return ()
    return (f"the API is set to {dialect} now: `switch --to {step.after}` sets it again",)


def _recorded(
    ledger: Store, account: Account, api: Api, state: Draining, tell: Callable[[Draining], object]
) -> Draining:
    if state.drained is None:
        at = standing(account, api).next(state.now)
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
