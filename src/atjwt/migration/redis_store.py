"""A ledger in Redis (6.2 or newer), for many hosts (the extra `redis`).

    atjwt:uses:HOUR, atjwt:refusals:HOUR                    hashes of counts
    atjwt:first:HOUR, last, expires, lifetime, refused      sorted sets, whose scores are times
    atjwt:hours                                             the hours, by when their keys expire
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
from secrets import token_hex
from typing import Any, Final, NoReturn, TypeAlias

import redis
from redis import exceptions
from redis.backoff import NoBackoff
from redis.retry import Retry

from atjwt.errors import ConfigurationError
from atjwt.migration import rows
from atjwt.migration.account import Account, Batch, Origin, RefusalKey, Refusals, Step, Use, UseKey
from atjwt.migration.pruning import KEPT, MOST_HEARTBEATS, MOST_ROWS, fold, hour_of
from atjwt.migration.store import LedgerError

_Commands: TypeAlias = Any
"""A client, or a pipeline; as the library types their answers, each may be a coroutine."""

_VERSION: Final = 1
_PREFIX: Final = "atjwt:"
_PATIENCE: Final = 2.0  # seconds, to connect and for each answer
_LONGEST: Final = 3_650 * 86_400.0  # seconds for which an hour is kept at most
_TIMES: Final = ("first", "last", "expires", "lifetime")
_HOURLY: Final = {
    "uses": "hash", "refusals": "hash", "refused": "zset", **dict.fromkeys(_TIMES, "zset"),
}  # fmt: skip
"""The keys of an hour, and their types in Redis."""
_LASTING: Final = {
    "meta": "hash", "hours": "zset", "heartbeats": "hash", "beats": "zset", "steps": "list",
}  # fmt: skip

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


class RedisStore:
    """A store in Redis. See `atjwt.migration.store.Store`.

    redis_or_url: such as redis://:password@host:6379/0?socket_timeout=1, rediss:// with TLS; or a
        client of one's own.
    clock: seconds since 1970. most_rows: beyond which the oldest hours go; looked at once an hour.

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
        self._redis: _Commands = (
            _client(redis_or_url) if isinstance(redis_or_url, str) else redis_or_url
        )
        self._is_own = is_url
        self._clock = clock
        self._most_rows = most_rows
        self._swept = 0

    @property
    def name(self) -> str:
        """See `Store`."""
        told = self._redis.connection_pool.connection_kwargs
        where = told.get("path") or f"{told.get('host', 'localhost')}:{told.get('port', 6379)}"
        return f"the ledger in Redis {where}/{told.get('db') or 0}"

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        now = self._clock()
        with self._telling():
            self._check({key.hour for key in batch.uses} | {key.hour for key in batch.refusals})
            expiries = self._note_hours(batch)
            with self._redis.pipeline(transaction=True) as pipe:
                self._add(pipe, batch, expiries, now)
                pipe.execute()
            if self._swept != hour_of(now):
                self._sweep(now)
                self._swept = hour_of(now)

    def record(self, step: Step) -> None:
        """See `Store`."""
        with self._telling():
            self._check(())
            with self._redis.pipeline(transaction=True) as pipe:
                pipe.rpush(_key("steps"), rows.dumped(step))
                _touch(pipe, self._clock())
                pipe.execute()

    def read(self) -> Account:
        """See `Store`."""
        with self._telling():
            self._check(())
            try:
                meta, beats, steps, hours = self._read_all(transaction=True)
            except exceptions.OutOfMemoryError:  # then Redis refuses even to read in a transaction
                meta, beats, steps, hours = self._read_all(transaction=False)
            if not meta:
                self._refuse("is empty: has a service with this ledger been started?")
            uses: dict[UseKey, Use] = {}
            refusals: dict[RefusalKey, Refusals] = {}
            for hour, replies in hours.items():
                uses |= _uses(hour, replies)
                refusals |= _refusals(hour, replies)
            updated = float(meta.get("updated", 0))
            whole = Account(
                uses=uses,
                refusals=refusals,
                heartbeats=tuple(rows.heartbeat(beat) for beat in beats.values()),
                steps=tuple(rows.step(step) for step in steps),
                origins=(Origin(self.name, meta["id"], updated),),
                lost=int(meta.get("lost", 0)),
            )
        return Account.merged([whole])  # in order

    def close(self) -> None:
        """See `Store`. A client that was given stays open."""
        if self._is_own:
            self._redis.close()

    def _check(self, hours: Iterable[int]) -> None:
        """That every key is of its type, and of our version; says which ledger it is, if it is new."""
        types = {_key(name): kind for name, kind in _LASTING.items()}
        types |= {_key(name, hour): kind for hour in hours for name, kind in _HOURLY.items()}
        with self._redis.pipeline(transaction=False) as pipe:
            for key in types:
                pipe.type(key)
            found = [_text(kind) for kind in pipe.execute()]
        for (key, kind), there in zip(types.items(), found, strict=True):
            if there not in {kind, "none"}:
                self._refuse(
                    f"holds something else under {key}: rename that, or use another database"
                )
        version = self._redis.hget(_key("meta"), "version")
        if version is not None and int(version) != _VERSION:
            age = "a newer" if int(version) > _VERSION else "an older"
            self._refuse(f"was written by {age} version of atjwt: use the same one here")

    def _note_hours(self, batch: Batch) -> Mapping[int, int]:
        """Notes until when hours are kept, never shorter than before. Returns it."""
        hours = {key.hour for key in batch.uses} | {key.hour for key in batch.refusals}
        until = {hour: float(hour + KEPT) for hour in hours}
        for key, use in batch.uses.items():
            until[key.hour] = max(until[key.hour], min(use.expires, key.hour + _LONGEST))
        if not until:
            return {}
        self._redis.zadd(_key("hours"), {str(hour): at for hour, at in until.items()}, gt=True)
        return {hour: int(self._redis.zscore(_key("hours"), str(hour))) for hour in until}

    def _add(self, pipe: _Commands, batch: Batch, expiries: Mapping[int, int], now: float) -> None:
        for key, use in batch.uses.items():
            field = json.dumps(key[1:])
            pipe.hincrby(_key("uses", key.hour), field, use.requests)
            pipe.zadd(_key("first", key.hour), {field: use.first}, lt=True)
            for name in ("last", "expires", "lifetime"):
                pipe.zadd(_key(name, key.hour), {field: getattr(use, name)}, gt=True)
        for reason, refusals in batch.refusals.items():
            field = json.dumps(reason[1:])
            pipe.hincrby(_key("refusals", reason.hour), field, refusals.requests)
            pipe.zadd(_key("refused", reason.hour), {field: refusals.last}, gt=True)
        for hour, at in expiries.items():
            for name in _HOURLY:
                pipe.expire(_key(name, hour), max(1, at + 1 - int(now)))
        for beat in batch.heartbeats:
            field = json.dumps(beat.key)
            pipe.hset(_key("heartbeats"), field, rows.dumped(beat))
            pipe.zadd(_key("beats"), {field: beat.at})
        if batch.lost:
            pipe.hincrby(_key("meta"), "lost", batch.lost)
        _touch(pipe, now)

    def _read_all(
        self, *, transaction: bool
    ) -> tuple[dict[str, str], dict[str, str], list[str], dict[int, list[Any]]]:
        """Meta, heartbeats, steps and the keys of each hour; in a transaction, at one moment."""
        known: Any = self._redis.zrange(_key("hours"), 0, -1)
        while True:
            hours = [int(hour) for hour in known]
            with self._redis.pipeline(transaction=transaction) as pipe:
                pipe.zrange(_key("hours"), 0, -1)
                pipe.hgetall(_key("meta"))
                pipe.hgetall(_key("heartbeats"))
                pipe.lrange(_key("steps"), 0, -1)
                for hour in hours:
                    _ask_hour(pipe, hour)
                there, meta, beats, steps, *replies = pipe.execute()
            if there == known:
                break
            known = there  # an hour began in between
        size = len(_HOURLY)
        by_hour = {hour: replies[i * size : (i + 1) * size] for i, hour in enumerate(hours)}
        return _texts(meta), _texts(beats), [_text(step) for step in steps], by_hour

    def _sweep(self, now: float) -> None:
        """Lets go what is old or too much."""
        client = self._redis
        client.zremrangebyscore(_key("hours"), "-inf", now - 1)
        old = client.zrangebyscore(_key("beats"), "-inf", now - KEPT)
        old += client.zrange(_key("beats"), 0, -MOST_HEARTBEATS - 1)
        if old:
            client.hdel(_key("heartbeats"), *old)
            client.zrem(_key("beats"), *old)
        hours = sorted(int(hour) for hour in client.zrange(_key("hours"), 0, -1))
        with client.pipeline(transaction=False) as pipe:
            for hour in hours:
                pipe.hlen(_key("uses", hour))
                pipe.hlen(_key("refusals", hour))
            counts = pipe.execute()
        left = sum(counts)
        for place, hour in enumerate(hours[:-1]):
            if left <= self._most_rows:
                break
            self._let_go(hour, hours[place + 1], now)
            left -= counts[2 * place] + counts[2 * place + 1]

    def _let_go(self, hour: int, into: int, now: float) -> None:
        keys = [_key(name, hour) for name in _HOURLY]
        with self._redis.pipeline(transaction=True) as pipe:
            pipe.watch(*keys)  # another process may do the same, or still write to it
            replies = _ask_hour(pipe, hour)
            folded = fold(_uses(hour, replies).items(), now, into)
            lost = folded.lost + sum(each.requests for each in _refusals(hour, replies).values())
            batch = Batch(uses=folded.uses, lost=lost)
            expiries = self._note_hours(batch)
            pipe.multi()
            pipe.delete(*keys)
            pipe.zrem(_key("hours"), str(hour))
            self._add(pipe, batch, expiries, now)
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
        except (KeyError, TypeError, ValueError):
            self._refuse(
                "holds what is no ledger: delete the keys atjwt:*, or use another database"
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


def _key(name: str, hour: int | None = None) -> str:
    return f"{_PREFIX}{name}" if hour is None else f"{_PREFIX}{name}:{hour}"


def _touch(pipe: _Commands, now: float) -> None:
    pipe.hsetnx(_key("meta"), "id", token_hex(16))
    pipe.hsetnx(_key("meta"), "version", _VERSION)
    pipe.hset(_key("meta"), "updated", now)


def _ask_hour(pipe: _Commands, hour: int) -> list[Any]:
    """Asks for the keys of an hour, in the order of `_HOURLY`."""
    return [
        pipe.hgetall(_key(name, hour))
        if kind == "hash"
        else pipe.zrange(_key(name, hour), 0, -1, withscores=True)
        for name, kind in _HOURLY.items()
    ]


def _uses(hour: int, replies: list[Any]) -> dict[UseKey, Use]:
    counts, (first, last, expires, lifetime) = _texts(replies[0]), map(_scores, replies[3:])
    return {
        rows.use_key([hour, *json.loads(field)]): Use(
            int(count), first[field], last[field], expires[field], lifetime[field]
        )
        for field, count in counts.items()
    }


def _refusals(hour: int, replies: list[Any]) -> dict[RefusalKey, Refusals]:
    last = _scores(replies[2])
    return {
        rows.refusal_key([hour, *json.loads(field)]): Refusals(int(count), last[field])
        for field, count in _texts(replies[1]).items()
    }


def _scores(pairs: Iterable[Any]) -> dict[str, float]:
    return {_text(member): float(score) for member, score in pairs}


def _texts(told: Mapping[Any, Any]) -> dict[str, str]:
    return {_text(name): _text(value) for name, value in told.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # as a client of one's own has it
