"""What a ledger may hold, made by hand: uses, refusals, heartbeats and steps of one API."""

from collections.abc import Iterable
from typing import Final

from atjwt.migration.account import (
    HOUR,
    Account,
    Batch,
    Heartbeat,
    Origin,
    RefusalKey,
    Refusals,
    Step,
    StepName,
    Use,
    UseKey,
)
from atjwt.migration.store import Store

NOW: Final = 1_790_000_100.0
"""Fifteen minutes past an hour: 2026-09-21 14:15:00 UTC."""

THIS_HOUR: Final = int(NOW // HOUR) * HOUR
API: Final = "https://api.example.com/"
ISSUER: Final = "https://acme.eu.auth0.com/"
DAY: Final = 86_400.0


def use(
    requests: int = 1,
    *,
    hours_ago: int = 0,
    profile: str = "auth0",
    permissions: bool = True,
    kind: str = "user",
    client_id: str = "app",
    issuer: str = ISSUER,
    audience: str = API,
    expires: float = NOW + DAY,
    lifetime: float = DAY,
) -> tuple[UseKey, Use]:
    """Accepted requests in one clock hour, from its first minute to its fifth."""
    hour = THIS_HOUR - hours_ago * HOUR
    key = UseKey(hour, "orders", issuer, audience, profile, permissions, kind, client_id)
    return key, Use(requests, hour + 60.0, hour + 300.0, expires, lifetime)


def refusal(
    reason: str,
    requests: int = 1,
    *,
    hours_ago: int = 0,
    profile: str = "auth0",
    issuer: str = ISSUER,
    audience: str = API,
) -> tuple[RefusalKey, Refusals]:
    """Refused requests in one clock hour."""
    hour = THIS_HOUR - hours_ago * HOUR
    return RefusalKey(hour, "orders", issuer, audience, profile, reason), Refusals(
        requests, hour + 300.0
    )


def beat(
    instance: str = "web-1",
    *,
    service: str = "orders",
    issuer: str = ISSUER,
    audience: tuple[str, ...] = (API,),
    profiles: tuple[str, ...] = ("auth0", "rfc9068"),
    ago: float = 4.0,
    leeway: float = 10.0,
    stopped: bool = False,
) -> Heartbeat:
    """An instance that reported some seconds ago, and does so every ten."""
    return Heartbeat(
        service=service,
        instance=instance,
        issuer=issuer,
        audience=audience,
        profiles=profiles,
        leeway=leeway,
        started=NOW - 9_000,
        at=NOW - ago,
        interval=10.0,
        stopped=stopped,
    )


def done(
    name: StepName = "switched",
    *,
    ago: float = 3_600.0,
    before: str = "access_token_authz",
    after: str = "rfc9068_profile_authz",
    issuer: str = ISSUER,
    undo: bool = False,
) -> Step:
    """A step of the API."""
    return Step(
        name=name,
        at=NOW - ago,
        issuer=issuer,
        audience=API,
        before=before,
        after=after,
        lifetime=DAY,
        margin=60.0,
        undo=undo,
    )


def account(
    uses: Iterable[tuple[UseKey, Use]] = (),
    *,
    refusals: Iterable[tuple[RefusalKey, Refusals]] = (),
    beats: Iterable[Heartbeat] = (),
    steps: Iterable[Step] = (),
    written_ago: float | None = 3.0,
    lost: int = 0,
) -> Account:
    """What one ledger holds. written_ago: seconds; None if it was never written to."""
    at = 0.0 if written_ago is None else NOW - written_ago
    return Account(
        uses=dict(uses),
        refusals=dict(refusals),
        heartbeats=tuple(beats),
        steps=tuple(steps),
        origins=(Origin("ledger.db", "a", at),),
        lost=lost,
    )


def keep(store: Store, whole: Account) -> None:
    """Writes all of it into a store."""
    store.write(Batch(uses=whole.uses, refusals=whole.refusals, heartbeats=whole.heartbeats))
    for step in whole.steps:
        store.record(step)
    store.close()
