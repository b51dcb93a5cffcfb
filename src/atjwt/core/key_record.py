"""The key cache's decision table: may these keys be used, and is it time to fetch?

A `KeyRecord` is what is known of one issuer's keys at one moment, a value that is replaced and never
changed. `next_step` looks it up in a table; `refreshed` and `failed` make the next record. There is
no clock here: `now` is the wall clock, in seconds, handed in. `jwks_client.py` obeys.

    fresh      the keys are used as they are; from 60 to 80 % of it on, they are fetched again behind
    stale      past fresh, the issuer cannot be reached: the keys still serve, for a bounded time
    cooldown   the least time between two fetches that an unknown key id may cause
"""

from dataclasses import dataclass, replace
from enum import Enum
from math import isfinite

from atjwt.core.jwks import KeySet
from atjwt.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyPolicy:
    """How long an issuer's keys are used, and how often they are asked for.

    fresh: seconds for which fetched keys are used without a look at the issuer. The answer's
        `max-age` only shortens it, to no less than 60 (or `fresh`, where that is less). It is also
        how long a withdrawn key stays accepted while all is well.
    stale: seconds past `fresh` for which they still serve while the issuer cannot be reached.
    cooldown: seconds between two fetches forced by an unknown key id.
    timeout: seconds for one whole fetch, metadata and keys together.
    max_bytes: the largest answer that is read, in bytes, after decompression.
    """

    fresh: float = 600
    stale: float = 3_600
    cooldown: float = 30
    timeout: float = 5
    max_bytes: int = 1_048_576

    def __post_init__(self) -> None:
        limits = {name: getattr(self, name) for name in self.__slots__}
        problems = [
            f"KeyPolicy({name}={value!r}): give a positive number"
            for name, value in limits.items()
            if isinstance(value, bool)
            or not isinstance(value, int | float)
            or not isfinite(value)
            or value < 0
            or (value == 0 and name != "stale")
        ]
        if not problems and self.cooldown > self.fresh:
            problems.append("KeyPolicy: cooldown is longer than fresh; make it shorter")
        if problems:
            raise ConfigurationError(problems)


class Step(Enum):
    """What to do about one token's key."""

    SERVE = "use the keys in hand"
    REFRESH = "use the keys in hand, and fetch behind"
    FETCH = "fetch, then look again"
    UNKNOWN = "the issuer has no such key"
    UNAVAILABLE = "the keys cannot be had now"


class Hand(Enum):
    """What is in hand."""

    NONE = "no keys, or keys past the stale limit"
    FRESH = "keys, and no reason to fetch"
    DUE = "keys, and it is time to fetch again"


# in hand, key id known, a fetch is allowed now → step
_TABLE = {
    (Hand.NONE, False, True): Step.FETCH,
    (Hand.NONE, False, False): Step.UNAVAILABLE,
    (Hand.NONE, True, True): Step.FETCH,
    (Hand.NONE, True, False): Step.UNAVAILABLE,
    (Hand.FRESH, True, True): Step.SERVE,
    (Hand.FRESH, True, False): Step.SERVE,
    (Hand.FRESH, False, True): Step.FETCH,
    (Hand.FRESH, False, False): Step.UNKNOWN,
    (Hand.DUE, True, True): Step.REFRESH,
    (Hand.DUE, True, False): Step.SERVE,
    (Hand.DUE, False, True): Step.FETCH,
    (Hand.DUE, False, False): Step.UNKNOWN,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord:
    """What is known of one issuer's keys.

    keys: the last good set, whatever its age.
    fetched_at, refresh_at, fresh_until, stale_until: its times.
    failures: failed attempts since the last good one.
    attempted_at, retry_at: after a failure, nothing is fetched between the two.
    forced_at, force_at: after a fetch forced by an unknown key id, none is forced between the two.

    All times are seconds of the wall clock. Each wait is a pair, because a clock that is set back
    must not lengthen it.
    """

    keys: KeySet | None = None
    fetched_at: float = 0.0
    refresh_at: float = 0.0
    fresh_until: float = 0.0
    stale_until: float = 0.0
    failures: int = 0
    attempted_at: float = 0.0
    retry_at: float = 0.0
    forced_at: float = 0.0
    force_at: float = 0.0

    def usable(self, now: float) -> KeySet | None:
        """The keys, unless they are past the stale limit."""
        return self.keys if now < self.stale_until else None

    def due(self, now: float) -> bool:
        """Whether it is time to fetch again; an age below zero counts as due."""
        return not self.fetched_at <= now < self.refresh_at

    def waiting(self, now: float) -> bool:
        """Whether a failure forbids an attempt now."""
        return self.attempted_at <= now < self.retry_at


def next_step(record: KeyRecord, now: float, *, known: bool, remembered: bool = False) -> Step:
    """Decides what to do about a token's key.

    known: the set in hand holds the key that the token names.
    remembered: a recent fetch has shown that the issuer has no such key.
    """
    hand = Hand.NONE
    if record.usable(now) is not None:
        hand = Hand.DUE if record.due(now) else Hand.FRESH
    allowed = not record.waiting(now)
    if hand is not Hand.NONE and not known:
        allowed = allowed and not remembered and not record.forced_at <= now < record.force_at
    step = _TABLE[hand, known, allowed]
    # While the last attempt failed, nobody can say that a key id is unknown.
    return Step.UNAVAILABLE if step is Step.UNKNOWN and record.failures else step


def refreshed(
    record: KeyRecord,
    keys: KeySet,
    policy: KeyPolicy,
    now: float,
    *,
    max_age: float | None,
    spread: float,
    forced: bool,
) -> KeyRecord:
    """The record after a good fetch.

    max_age: seconds, from the answer's Cache-Control; None without one.
    spread: which part of fresh passes before the next fetch; one number per process.
    forced: an unknown key id caused it, so the cooldown starts.
    """
    fresh = policy.fresh
    if max_age is not None:
        fresh = min(fresh, max(max_age, min(60.0, fresh)))
    return KeyRecord(
        keys=keys.keeping(record.keys),
        fetched_at=now,
        refresh_at=now + fresh * spread,
        fresh_until=now + fresh,
        stale_until=now + fresh + policy.stale,
        forced_at=now if forced else record.forced_at,
        force_at=now + policy.cooldown if forced else record.force_at,
    )


def failed(
    record: KeyRecord, policy: KeyPolicy, now: float, *, retry_after: float | None
) -> KeyRecord:
    """The record after a failed fetch: the keys stay, only the next attempt moves.

    With keys in hand the next attempt is a cooldown away. Without, it backs off from one second,
    doubling up to the cooldown. An answer's Retry-After moves it further, up to `policy.stale`.
    retry_after: seconds, or None.
    """
    failures = record.failures + 1
    wait = policy.cooldown
    if record.usable(now) is None:
        wait = min(policy.cooldown, 2.0 ** min(failures - 1, 30))
    if retry_after is not None:
        wait = max(wait, min(retry_after, policy.stale))
    return replace(
        record,
        failures=failures,
        attempted_at=now,
        retry_at=now + wait,
        forced_at=now,
        force_at=now + policy.cooldown,
    )
