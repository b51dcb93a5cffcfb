"""The report: who brings which tokens, what is refused, who reports, what was done.

A question to an `Account`, and nothing else: no clock, no network. Counts are of the last clock hours,
since a ledger counts by the hour; when something was seen first or last, and until when a token can
live, is of all that the ledger holds.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from atjwt.errors import ConfigurationError
from atjwt.migration.account import HOUR, Account, Refusals, Step
from atjwt.migration.fixes import fix_for
from atjwt.migration.sums import (
    Old,
    Uses,
    about,
    grouped,
    joined,
    last_step,
    old_tokens,
    recent,
    requests,
)
from atjwt.migration.witnesses import (
    Instance,
    LedgerState,
    doubts,
    every_name_of,
    instances,
    ledgers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """Accepted requests with tokens of one sort.

    permissions: whether the tokens have that claim. requests: in the hours of the report; share: of all
    those of the API, 0 to 1. recent: in this clock hour and the one before. first, last: when seen, and
    expires: the latest `exp`, seconds since 1970, ever.
    """

    profile: str
    permissions: bool
    kind: str
    requests: int
    share: float
    recent: int
    first: float
    last: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """The same for one client. old: its tokens are from before the last switch.

    lifetime: seconds, the longest of its tokens.
    """

    client_id: str
    kind: str
    profile: str
    permissions: bool
    old: bool
    requests: int
    recent: int
    first: float
    last: float
    expires: float
    lifetime: float


@dataclass(frozen=True, slots=True)
class Hour:
    """Accepted requests in one clock hour, by profile. start: seconds since 1970."""

    start: int
    requests: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API and issuer. accepted, clients: the most requests first, those of old tokens before all.

    hours: the oldest first, without gaps. step: what was done last; None if nothing was.
    old_until: the latest `exp` of tokens from before that step, None where there are none or nothing
    was switched.
    """

    audience: str
    issuer: str
    requests: int
    accepted: tuple[Accepted, ...]
    clients: tuple[Client, ...]
    hours: tuple[Hour, ...]
    step: Step | None
    old_until: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """Refused requests. issuer, profile: empty where the judgement did not come so far.

    last: when, seconds since 1970. fix: what to do.
    """

    audience: str
    issuer: str
    profile: str
    reason: str
    requests: int
    last: float
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All of it. at: when it was made; since: the start of its first hour; seconds since 1970.

    doubts: why it may not be the whole truth. lost: counts that no ledger could keep.
    """

    at: float
    since: int
    apis: tuple[Api, ...]
    refused: tuple[Refused, ...]
    instances: tuple[Instance, ...]
    steps: tuple[Step, ...]
    ledgers: tuple[LedgerState, ...]
    doubts: tuple[str, ...]
    lost: int

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever written."""
        return not (self.apis or self.refused or self.instances or self.steps)


def report(account: Account, *, now: float, api: str | None = None, hours: int = 24) -> Report:
    """Sums up what a ledger holds.

    now: seconds since 1970. api: the identifier of one API; None for all. hours: clock hours that are
    counted, this one included, 1 to 1,080 (45 days, as long as a ledger keeps them).
    Raises ConfigurationError: nothing of that API is in the ledger, while something of others is; or
    so many hours are not kept.
    """
    if not 1 <= hours <= _KEPT:
        raise ConfigurationError([f"hours: give a whole number from 1 to {_KEPT:,}"])
    whole = account if api is None else about(account, every_name_of(account, api))
    if _audiences(account) and not _audiences(whole):
        known = ", ".join(sorted(_audiences(account)))
        raise ConfigurationError([f"the ledger has nothing of that API; it knows {known}"])
    since = int(now // HOUR) * HOUR - (hours - 1) * HOUR
    apis = grouped(whole.uses, lambda key: (key.audience, key.issuer))
    return Report(
        at=now,
        since=since,
        apis=tuple(
            _api(audience, issuer, uses, _step(whole, audience, issuer), now=now, since=since)
            for (audience, issuer), uses in sorted(apis.items())
        ),
        refused=_refused(whole, since),
        instances=instances(whole, now),
        steps=whole.steps,
        ledgers=ledgers(whole, now),
        doubts=tuple(doubts(whole, now)),
        lost=whole.lost,
    )


_KEPT: Final = 45 * 24


def _audiences(account: Account) -> set[str]:
    """The APIs of which anything is known."""
    found = {key.audience for key in account.uses} | {key.audience for key in account.refusals}
    found |= {beat.audience[0] for beat in account.heartbeats}
    return found | {step.audience for step in account.steps}


def _step(account: Account, audience: str, issuer: str) -> Step | None:
    """What was done last with an API; an issuer of which no tokens came stands for all of them.

    The Management API knows a tenant by its own domain, while tokens may come from a custom one.
    """
    known = {key.issuer for key in account.uses if key.audience == audience}
    strange = {step.issuer for step in account.steps} - known
    return last_step(account.steps, every_name_of(account, audience), {issuer, *strange})


def _api(
    audience: str,
    issuer: str,
    uses: Uses,
    step: Step | None,
    *,
    now: float,
    since: int,
) -> Api:
    old = old_tokens(step)
    total = requests(uses, since)
    accepted = [
        Accepted(
            profile=profile,
            permissions=permissions,
            kind=kind,
            requests=(counted := requests(group, since)),
            share=counted / total if total else 0.0,
            recent=requests(group, recent(now)),
            first=whole.first,
            last=whole.last,
            expires=whole.expires,
        )
        for (profile, permissions, kind), group in grouped(
            uses, lambda key: (key.profile, key.permissions, key.kind)
        ).items()
        for whole in [joined(group.values())]
    ]
    return Api(
        audience=audience,
        issuer=issuer,
        requests=total,
        accepted=tuple(sorted(accepted, key=lambda one: (-one.requests, one.profile, one.kind))),
        clients=_clients(uses, old, now=now, since=since),
        hours=_hours(uses, now=now, since=since),
        step=step,
        old_until=max((use.expires for key, use in uses.items() if old(key)), default=None),
    )


def _clients(uses: Uses, old: Old, *, now: float, since: int) -> tuple[Client, ...]:
    found = [
        Client(
            client_id=client_id,
            kind=kind,
            profile=profile,
            permissions=permissions,
            old=any(map(old, group)),
            requests=requests(group, since),
            recent=requests(group, recent(now)),
            first=whole.first,
            last=whole.last,
            expires=whole.expires,
            lifetime=whole.lifetime,
        )
        for (client_id, kind, profile, permissions), group in grouped(
            uses, lambda key: (key.client_id, key.kind, key.profile, key.permissions)
        ).items()
        for whole in [joined(group.values())]
    ]
    return tuple(sorted(found, key=lambda one: (not one.old, -one.requests, one.client_id)))


def _hours(uses: Uses, *, now: float, since: int) -> tuple[Hour, ...]:
    counted: dict[int, dict[str, int]] = {
        start: {} for start in range(since, int(now // HOUR) * HOUR + 1, HOUR)
    }
    for key, use in sorted(uses.items()):
        if key.hour in counted:
            one = counted[key.hour]
            one[key.profile] = one.get(key.profile, 0) + use.requests
    return tuple(Hour(start, one) for start, one in counted.items())


def _refused(account: Account, since: int) -> tuple[Refused, ...]:
    counted: dict[tuple[str, str, str, str], Refusals] = {}
    for key, refusals in account.refusals.items():
        if key.hour >= since:
            what = (key.audience, key.issuer, key.profile, key.reason)
            counted[what] = refusals.joined(counted[what]) if what in counted else refusals
    found = [
        Refused(
            audience=audience,
            issuer=issuer,
            profile=profile,
            reason=reason,
            requests=refusals.requests,
            last=refusals.last,
            fix=fix_for(reason),
        )
        for (audience, issuer, profile, reason), refusals in counted.items()
    ]
    return tuple(sorted(found, key=lambda one: (one.audience, -one.requests, one.reason)))
