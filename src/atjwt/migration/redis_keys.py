"""The keys of a ledger in Redis, and what is read from those of one hour."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from atjwt.migration import rows
from atjwt.migration.account import HOUR, Batch, RefusalKey, Refusals, Use, UseKey
from atjwt.migration.pruning import DAY, KEPT

Commands: TypeAlias = Any
"""A client, or a pipeline; as the library types their answers, each may be a coroutine."""

VERSION: Final = 1
"""Of the keys."""

_PREFIX: Final = "atjwt:"
_TIMES: Final = ("first", "last", "expires", "lifetime")

HOURLY: Final = {
    "uses": "hash", "refusals": "hash", "refused": "zset", **dict.fromkeys(_TIMES, "zset"),
}  # fmt: skip
"""The keys of an hour, and their types in Redis."""

LASTING: Final = {
    "meta": "hash", "hours": "zset", "sums": "hash", "heartbeats": "hash", "beats": "zset",
    "steps": "list",
}  # fmt: skip
"""The others, and their types."""


class Found(NamedTuple):
    """What was read. sums: how many requests each hour was given. hours: the replies for each."""

    meta: dict[str, str]
    sums: dict[str, str]
    beats: dict[str, str]
    steps: list[str]
    hours: dict[int, list[Any]]

    def counted(self) -> Batch:
        """What the hours hold."""
        counted: dict[UseKey, Use] = {}
        refused: dict[RefusalKey, Refusals] = {}
        for hour, replies in self.hours.items():
            counted |= uses(hour, replies)
            refused |= refusals(hour, replies)
        return Batch(uses=counted, refusals=refused)


def of(name: str, hour: int | None = None) -> str:
    """The whole key."""
    return f"{_PREFIX}{name}" if hour is None else f"{_PREFIX}{name}:{hour}"


def ask_hour(pipe: Commands, hour: int) -> list[Any]:
    """Asks for the keys of an hour, in the order of `HOURLY`."""
    return [
        pipe.hgetall(of(name, hour))
        if kind == "hash"
        else pipe.zrange(of(name, hour), 0, -1, withscores=True)
        for name, kind in HOURLY.items()
    ]


def uses(hour: int, replies: list[Any]) -> dict[UseKey, Use]:
    """The uses of an hour; without those of which Redis has let a part go."""
    counts, times = texts(replies[0]), [_scores(reply) for reply in replies[3:]]
    return {
        rows.use_key([hour, *json.loads(field)]): Use(int(count), *(each[field] for each in times))
        for field, count in counts.items()
        if all(field in each for each in times)
    }


def refusals(hour: int, replies: list[Any]) -> dict[RefusalKey, Refusals]:
    """The refusals of an hour, likewise."""
    last = _scores(replies[2])
    return {
        rows.refusal_key([hour, *json.loads(field)]): Refusals(int(count), last[field])
        for field, count in texts(replies[1]).items()
        if field in last
    }


def sums(batch: Batch) -> dict[int, int]:
    """How many requests are in each hour."""
    requests: Counter[int] = Counter()
    for key, use in batch.uses.items():
        requests[key.hour] += use.requests
    for reason, refused in batch.refusals.items():
        requests[reason.hour] += refused.requests
    return requests


def missing(told: Mapping[str, str], there: Batch, now: float) -> tuple[int, float]:
    """How many requests hours were given that are not there, and when the last of these came at the
    latest. Hours that are about to expire are passed over.
    """
    found = sums(there)
    lost = {
        int(hour): int(requests) - found.get(int(hour), 0)
        for hour, requests in told.items()
        if int(hour) + KEPT - HOUR > now
    }
    lost = {hour: requests for hour, requests in lost.items() if requests > 0}
    return sum(lost.values()), min(now, max(lost) + DAY) if lost else 0.0


def _scores(pairs: Iterable[Any]) -> dict[str, float]:
    return {text(member): float(score) for member, score in pairs}


def texts(told: Mapping[Any, Any]) -> dict[str, str]:
    """The reply as text."""
    return {text(name): text(value) for name, value in told.items()}


def text(value: str | bytes) -> str:
    """The reply as text; a client of one's own may have made it that."""
    return value.decode() if isinstance(value, bytes) else value
