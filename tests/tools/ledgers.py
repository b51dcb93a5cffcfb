"""Batches for tests of ledgers, and what a store must give back of them."""

from pathlib import Path

from atjwt.migration.account import (
    HOUR,
    Batch,
    Heartbeat,
    RefusalKey,
    Refusals,
    Step,
    Use,
    UseKey,
)

NOW = 1_790_000_000.0
THIS_HOUR = int(NOW // HOUR) * HOUR
DAY = 86_400
ISSUER = "https://tenant.eu.auth0.com/"
API = "https://api.example.com/"


def use_key(client_id: str = "app", *, hour: int = THIS_HOUR, profile: str = "auth0") -> UseKey:
    return UseKey(hour, "orders", ISSUER, API, profile, True, "user", client_id)


def refusal_key(reason: str = "expired", *, hour: int = THIS_HOUR) -> RefusalKey:
    return RefusalKey(hour, "orders", ISSUER, API, "auth0", reason)


def used(requests: int = 1, *, at: float = NOW, expires: float = NOW + 60) -> Use:
    return Use(requests, at, at, expires, 60.0)


def heartbeat(instance: str = "host:1:abc", *, at: float = NOW, stopped: bool = False) -> Heartbeat:
    return Heartbeat(
        service="orders", instance=instance, issuer=ISSUER, audience=(API, "urn:orders"),
        profiles=("auth0", "rfc9068"), leeway=10.0, started=NOW - 5, at=at, interval=10.0,
        stopped=stopped,
    )  # fmt: skip


def step(at: float = NOW) -> Step:
    return Step(
        name="switched", at=at, issuer=ISSUER, audience=API, before="access_token",
        after="rfc9068_profile", lifetime=86_400.0, margin=60.0, external=True,
    )  # fmt: skip


def batch(requests: int = 3) -> Batch:
    return Batch(
        uses={use_key(): used(requests), use_key(profile="rfc9068"): used(1)},
        refusals={refusal_key(): Refusals(2, NOW)},
        heartbeats=(heartbeat(),),
        lost=4,
    )


def url_of(path: Path) -> str:
    return f"sqlite:///{path}"
