"""A ledger in Redis (6.2 or newer), for many hosts (the extra `redis`).

    atjwt:uses:HOUR, atjwt:refusals:HOUR                    hashes of counts
    atjwt:first:HOUR, last, expires, lifetime, refused      sorted sets, whose scores are times
    atjwt:hours                                             the hours, by when their keys expire
    atjwt:sums                                              how many requests each hour was given
    atjwt:heartbeats, atjwt:beats, atjwt:steps, atjwt:meta

Redis adds and compares by itself, so no process reads before it writes. The keys of an hour expire 45
days later, or with the last token that was counted in them. A batch is one MULTI; since that does not
stop at a command that fails, whatever can be wrong is looked at before. A batch whose answer was lost
on the way is written again, and may count twice; the times are the same then.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import pairwise
from secrets import token_hex
from typing import Any, Final, NoReturn

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from atjwt.errors import ConfigurationError
from atjwt.migration import redis_keys as keys
from atjwt.migration import rows
from atjwt.migration.account import Account, Batch, Origin, Step, UseKey
from atjwt.migration.pruning import (
    KEPT,
    MOST_HEARTBEATS,
    MOST_ROWS,
    at_day,
    day_of,
    fold,
    folds_into_a_day,
    hour_of,
    without_clients,
)
from atjwt.migration.redis_keys import Commands
from atjwt.migration.store import LedgerError, NotBegun
from atjwt.migration.written import Written

_PATIENCE: Final = 2.0  # seconds, to connect and for each answer
_LONGEST: Final = 3_650 * 86_400.0  # seconds for which an hour is kept at most

_SENTENCES: Final[tuple[tuple[type[Exception], str], ...]] = (
    (exceptions.AuthenticationError, "refuses the password: look at the URL"),
    (exceptions.NoPermissionError, "does not permit it: grant this user the keys atjwt:*"),
    (exceptions.OutOfMemoryError, "is full: give it more memory"),
    (exceptions.ReadOnlyError, "is a replica: name the primary"),
    (exceptions.ConnectionError, "cannot be reached: is it running, and does the URL name it?"),
    (exceptions.TimeoutError, "does not answer in time"),
    (exceptions.ResponseError, "refuses a command: it must be Redis 6.2 or newer, without cluster"),
)
"""The first that fits."""


_EVICTED: Final = (
    "it was deleted or evicted: set maxmemory-policy noeviction; a service makes it anew"
)


class RedisStore:
    """A store in Redis. See `atjwt.migration.store.Store`.

    redis_or_url: such as redis://:password@host:6379/0?socket_timeout=1, rediss:// with TLS; or a
        client of one's own.
    clock: seconds since 1970. most_rows: beyond which the oldest hours fold; looked at once an hour.

    Raises ConfigurationError: the URL is none.
    """

    def __init__(
        self,
        redis_or_url: "str | redis.Redis",
        *,
        clock: Callable[[], float] = time.time,
        most_rows: int = MOST_ROWS,
    ) -> None:
        is_url = isinstance(redis_or_url, str)
        self._redis: Commands = (
            _client(redis_or_url) if isinstance(redis_or_url, str) else redis_or_url
        )
        self._is_own = is_url
        self._clock = clock
        self._most_rows = most_rows
        self._swept = 0
        self._written = Written(self.name)

    @property
    def name(self) -> str:
        """See `Store`."""
        told = self._redis.connection_pool.connection_kwargs
        where = told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}"
        return f"the ledger in Redis {where}/{told.get('db') or 0}"

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        now, known = self._clock(), self._written.known()
        with self._telling():
            gone = known.lost(*self._check(keys.sums(batch)))
            expiries = self._note_hours(batch)
            with self._redis.pipeline(transaction=True) as pipe:
                self._add(pipe, replace(batch, lost=batch.lost + gone), expiries, now)
                *_, mark, ledger = pipe.execute()
            self._written.add(keys.text(ledger), mark, batch.requests, gone)
            if self._swept != hour_of(now):
                self._sweep(now)
                self._swept = hour_of(now)

    def record(self, step: Step) -> None:
        """See `Store`."""
        with self._telling():
            self._check(())
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.rpush(keys.of("steps"), rows.dumped(step))
                _touch(pipe)
                pipe.execute()

    def read(self) -> Account:
        """See `Store`."""
        with self._telling():
            self._check(())
            try:
                found = self._read_all(transaction=True)
            except exceptions.OutOfMemoryError:  # then Redis refuses even to read in a transaction
                found = self._read_all(transaction=False)
            if not found.meta:
                if found.beats or found.steps or found.hours:
                    self._refuse(f"has lost {keys.of('meta')}: {_EVICTED}")
                raise NotBegun(
                    f"{self.name} is empty: has a service with this ledger been started?"
                )
            counted = found.counted()
            lost, lost_at = keys.missing(found.sums, counted, self._clock())
            whole = Account(
                uses=counted.uses,
                refusals=counted.refusals,
                heartbeats=tuple(rows.heartbeat(beat) for beat in found.beats.values()),
                steps=tuple(rows.step(step) for step in found.steps),
                origins=(Origin(self.name, found.meta["id"], float(found.meta.get("updated", 0))),),
                lost=int(found.meta.get("lost", 0)) + lost,
                lost_at=max(float(found.meta.get("lost_at", 0)), lost_at),
            )
        return Account.merged([whole])  # in order

    def close(self) -> None:
        """See `Store`. A client that was given stays open."""
        if self._is_own:
            self._redis.close()

    def _check(self, hours: Iterable[int]) -> tuple[str | None, int]:
        """That every key is of its type, and of our version. Returns which ledger it is, if it is not
        new, and how often it was written to.
        """
        types = {keys.of(name): kind for name, kind in keys.LASTING.items()}
        types |= {keys.of(name, hour): kind for hour in hours for name, kind in keys.HOURLY.items()}
        with self._redis.pipeline(transaction=False) as pipe:
            for key in types:
                pipe.type(key)
            found = [keys.text(kind) for kind in pipe.execute()]
        for (key, kind), there in zip(types.items(), found, strict=True):
            if there not in {kind, "none"}:
                self._refuse(
                    f"holds something else under {key}: rename that, or use another database"
                )
        told = self._redis.hmget(keys.of("meta"), "version", "id", "writes")
        version, ledger, writes = (None if each is None else keys.text(each) for each in told)
        if version is not None and int(version) != keys.VERSION:
            age = "a newer" if int(version) > keys.VERSION else "an older"
            self._refuse(f"was written by {age} version of atjwt: use the same one here")
        return ledger, int(writes or 0)

    def _note_hours(self, batch: Batch) -> Mapping[int, int]:
        """Notes until when hours are kept, never shorter than before. Returns it."""
        until = {hour: float(hour + KEPT) for hour in keys.sums(batch)}
        for key, use in batch.uses.items():
            until[key.hour] = max(until[key.hour], min(use.expires, key.hour + _LONGEST))
        if not until:
            return {}
        self._redis.zadd(keys.of("hours"), {str(hour): at for hour, at in until.items()}, gt=True)
        return {hour: int(self._redis.zscore(keys.of("hours"), str(hour))) for hour in until}

    def _add(self, pipe: Commands, batch: Batch, expiries: Mapping[int, int], now: float) -> None:
        for key, use in batch.uses.items():
            field = json.dumps(key[1:])
            pipe.hincrby(keys.of("uses", key.hour), field, use.requests)
            pipe.zadd(keys.of("first", key.hour), {field: use.first}, lt=True)
            for name in ("last", "expires", "lifetime"):
                pipe.zadd(keys.of(name, key.hour), {field: getattr(use, name)}, gt=True)
        for reason, refusals in batch.refusals.items():
            field = json.dumps(reason[1:])
            pipe.hincrby(keys.of("refusals", reason.hour), field, refusals.requests)
            pipe.zadd(keys.of("refused", reason.hour), {field: refusals.last}, gt=True)
        for hour, requests in keys.sums(batch).items():
            pipe.hincrby(keys.of("sums"), str(hour), requests)
        for hour, at in expiries.items():
            for name in keys.HOURLY:
                pipe.expire(keys.of(name, hour), max(1, at + 1 - int(now)))
        for beat in batch.heartbeats:
            field = json.dumps(beat.key)
            pipe.hset(keys.of("heartbeats"), field, rows.dumped(beat))
            pipe.zadd(keys.of("beats"), {field: beat.at})
        if batch.lost:
            pipe.hincrby(keys.of("meta"), "lost", batch.lost)
            pipe.hset(keys.of("meta"), "lost_at", now)
        pipe.hset(keys.of("meta"), "updated", now)
        _touch(pipe)

    def _read_all(self, *, transaction: bool) -> keys.Found:
        """In a transaction, at one moment."""
        known: Any = self._redis.zrange(keys.of("hours"), 0, -1)
        while True:
            hours = [int(hour) for hour in known]
            with self._redis.pipeline(transaction=transaction) as pipe:
                pipe.zrange(keys.of("hours"), 0, -1)
                pipe.hgetall(keys.of("meta"))
                pipe.hgetall(keys.of("sums"))
                pipe.hgetall(keys.of("heartbeats"))
                pipe.lrange(keys.of("steps"), 0, -1)
                for hour in hours:
                    keys.ask_hour(pipe, hour)
                there, meta, sums, beats, steps, *replies = pipe.execute()
            if there == known:
                break
            known = there  # an hour began in between
        size = len(keys.HOURLY)
        by_hour = {hour: replies[i * size : (i + 1) * size] for i, hour in enumerate(hours)}
        told = [keys.text(step) for step in steps]
        return keys.Found(keys.texts(meta), keys.texts(sums), keys.texts(beats), told, by_hour)

    def _sweep(self, now: float) -> None:
        """Lets go what is old, and folds what is too much."""
        client = self._redis
        client.zremrangebyscore(keys.of("hours"), "-inf", now - 1)
        old = client.zrangebyscore(keys.of("beats"), "-inf", now - KEPT)
        old += client.zrange(keys.of("beats"), 0, -MOST_HEARTBEATS - 1)
        if old:
            client.hdel(keys.of("heartbeats"), *old)
            client.zrem(keys.of("beats"), *old)
        if gone := [hour for hour in client.hkeys(keys.of("sums")) if int(hour) + KEPT < now]:
            client.hdel(keys.of("sums"), *gone)
        if sum((counts := self._rows()).values()) > self._most_rows:
            for hour in filter(lambda hour: folds_into_a_day(hour, now), counts):
                self._fold(hour, day_of(hour), at_day, now)
            counts = self._rows()
        left = sum(counts.values())
        for hour, following in pairwise(counts):
            if left <= self._most_rows:
                break
            self._fold(hour, following, without_clients(following), now)
            left -= counts[hour]

    def _rows(self) -> dict[int, int]:
        """How many rows each hour has, the oldest first."""
        hours = sorted(int(hour) for hour in self._redis.zrange(keys.of("hours"), 0, -1))
        with self._redis.pipeline(transaction=False) as pipe:
            for hour in hours:
                pipe.hlen(keys.of("uses", hour))
                pipe.hlen(keys.of("refusals", hour))
            counts = pipe.execute()
        return {hour: counts[2 * at] + counts[2 * at + 1] for at, hour in enumerate(hours)}

    def _fold(self, hour: int, into: int, key_of: Callable[[UseKey], UseKey], now: float) -> None:
        """Moves an hour into another one."""
        there = [keys.of(name, hour) for name in keys.HOURLY]
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.watch(*there)  # another process may do the same, or still write to it
            told = int(pipe.hget(keys.of("sums"), str(hour)) or 0)
            replies = keys.ask_hour(pipe, hour)
            refused = keys.refusals(hour, replies).items()
            batch = Batch(
                uses=fold(keys.uses(hour, replies).items(), key_of),
                refusals=fold(refused, lambda reason: reason._replace(hour=into)),
            )
            expiries = self._note_hours(batch)
            pipe.multi()
            pipe.delete(*there)
            pipe.zrem(keys.of("hours"), str(hour))
            pipe.hdel(keys.of("sums"), str(hour))
            self._add(pipe, replace(batch, lost=max(0, told - batch.requests)), expiries, now)
            with suppress(exceptions.WatchError):
                pipe.execute()

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Makes what the client raises a LedgerError."""
        try:
            yield
        except exceptions.RedisError as error:
            known = (told for kind, told in _SENTENCES if isinstance(error, kind))
            self._refuse(next(known, f"cannot be used ({type(error).__name__})"))
        except OSError:
            self._refuse("cannot be reached: is it running, and does the URL name it?")
        except (KeyError, TypeError, ValueError, RecursionError):
            self._refuse(
                "holds under atjwt:* what is no ledger: use another database, or mend what was"
                f" changed there; the recorded steps are in {keys.of('steps')}"
            )

    def _refuse(self, why: str) -> NoReturn:
        raise LedgerError(f"{self.name} {why}") from None


def _client(url: str) -> "redis.Redis":
    """Raises ConfigurationError. The client repeats nothing: it cannot know what was done."""
    try:
        client = redis.Redis.from_url(
            url,
            socket_timeout=_PATIENCE,
            socket_connect_timeout=_PATIENCE,
            retry=Retry(NoBackoff(), 0),
        )
        client.connection_pool.make_connection()  # opens nothing, and knows what options there are
    except (TypeError, ValueError):
        raise ConfigurationError(
            ["redis: give a URL such as redis://:PASSWORD@HOST:6379/0, its options after a ?"]
        ) from None
    return client


def _touch(pipe: Commands) -> None:
    """Says that it was written to; the last two replies are how often, and which ledger it is."""
    meta = keys.of("meta")
    pipe.hsetnx(meta, "id", token_hex(16))
    pipe.hsetnx(meta, "version", keys.VERSION)
    pipe.hincrby(meta, "writes", 1)
    pipe.hget(meta, "id")
