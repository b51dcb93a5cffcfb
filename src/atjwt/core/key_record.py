"""What is known of one issuer's keys at one moment, and how long it holds.

A `KeyRecord` is a value that is replaced and never changed: `refreshed` makes the next one of a good
fetch, `failed` of a bad one. There is no clock here: `now` is the wall clock, in seconds, handed in.

    fresh      the keys are used as they are; from 60 to 80 % of it on, they are fetched again behind
    stale      past fresh, the issuer cannot be reached: the keys still serve, for a bounded time
    cooldown   the least time between two fetches that an unknown key id may cause
"""

from dataclasses import dataclass, replace

from atjwt.core.key_set import KeySet
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
            f"KeyPolicy({name}): give a positive number"
            for name, value in limits.items()
            if isinstance(value, bool)
            or not isinstance(value, int if name == "max_bytes" else int | float)
            or not (0 < value <= 1e9 or (value == 0 and name == "stale"))
        ]
        if not problems and self.cooldown > self.fresh:
            problems.append("KeyPolicy: cooldown is longer than fresh; make it shorter")
        if problems:
            raise ConfigurationError(problems)


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

    def overdue(self, now: float) -> bool:
        """Whether the keys are past fresh and nothing says that the issuer cannot be reached."""
        return now >= self.fresh_until and not self.failures

    def due(self, now: float) -> bool:
        """Whether it is time to fetch again; an age below zero counts as due."""
        return not self.fetched_at <= now < self.refresh_at

    def waiting(self, now: float) -> bool:
        """Whether a failure forbids an attempt now."""
        return self.attempted_at <= now < self.retry_at


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
    doubling up to the cooldown. The Retry-After of a 429 moves it further, up to `policy.stale`.
    retry_after: seconds, or None.
    """
    failures = record.failures + 1
    wait = policy.cooldown
    if record.usable(now) is None:
        wait = min(policy.cooldown, 2.0 ** min(failures - 1, 30))
    if retry_after is not None:
        wait = max(wait, min(retry_after, max(policy.stale, policy.cooldown)))
    return replace(
        record,
        failures=failures,
        attempted_at=now,
        retry_at=now + wait,
    )
