"""A ledger in Redis: many writers, bounds, and what is wrong with one; where it is there, a real one."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import fakeredis
import pytest
import redis

from atjwt.migration import LedgerError
from atjwt.migration.account import OTHERS, Batch, Refusals, Use
from atjwt.migration.redis_store import RedisStore
from atjwt.migration.stores import open_store
from tools.ledgers import DAY, NOW, THIS_HOUR, batch, heartbeat, refusal_key, step, use_key, used

NEEDED = pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server here")
HOURLY = {
    f"atjwt:{name}:{THIS_HOUR}"
    for name in ("uses", "first", "last", "expires", "lifetime", "refusals", "refused")
}
LASTING = {
    "atjwt:meta",
    "atjwt:hours",
    "atjwt:sums",
    "atjwt:heartbeats",
    "atjwt:beats",
    "atjwt:steps",
}


@pytest.fixture
def client() -> Any:
    return fakeredis.FakeRedis(decode_responses=True)


def store_of(client: Any, now: float = NOW, *, most_rows: int = 1_000) -> RedisStore:
    return RedisStore(client, clock=lambda: now, most_rows=most_rows)


def test_its_keys(client: Any) -> None:
    """Begin with `atjwt:`, and those of an hour expire 45 days after it."""
    store_of(client).write(batch())
    store_of(client).record(step())
    assert set(client.keys("*")) == HOURLY | LASTING
    for key in HOURLY:
        assert 0 <= client.ttl(key) - (THIS_HOUR + 45 * DAY - NOW) <= 1
    for key in LASTING:
        assert client.ttl(key) == -1


def test_a_token_that_lives_longer_keeps_its_hour(client: Any) -> None:
    """Whoever writes to the hour later does not shorten it."""
    store_of(client).write(Batch(uses={use_key(): used(expires=NOW + 90 * DAY)}))
    store_of(client).write(Batch(uses={use_key(): used(expires=NOW + 60)}))
    assert 0 <= client.ttl(f"atjwt:uses:{THIS_HOUR}") - 90 * DAY <= 1
    store_of(client).write(Batch(uses={use_key(): used(expires=1e300)}))
    assert client.ttl(f"atjwt:uses:{THIS_HOUR}") < 3_651 * DAY


def test_what_is_old_goes(client: Any) -> None:
    """Hours that have expired are not asked for, and silent instances are forgotten."""
    store_of(client).write(Batch(heartbeats=(heartbeat("old"),)))
    store_of(client).write(Batch(uses={use_key(): used()}))
    later = NOW + 46 * DAY
    store_of(client, later).write(Batch(heartbeats=(heartbeat("new", at=later),)))
    told = store_of(client, later).read()
    assert [beat.instance for beat in told.heartbeats] == ["new"]
    assert told.uses == {}
    assert client.zcard("atjwt:hours") == 0


def test_a_cap_on_rows(client: Any) -> None:
    """The oldest hours lose their clients first; no count is lost."""
    for n in range(10):
        hour = THIS_HOUR + (n - 10) * 3_600
        uses = {
            use_key("a", hour=hour): Use(3, hour, hour, NOW + 5, 60.0),
            use_key("b", hour=hour): Use(4, hour, hour, NOW - 5, 60.0),
        }
        refusals = {refusal_key(hour=hour): Refusals(2, hour)}
        store_of(client, hour, most_rows=1_000).write(Batch(uses=uses, refusals=refusals))
    for _ in range(2):
        store_of(client, most_rows=9).write(Batch(uses={use_key(): used()}))
    told = store_of(client).read()
    assert len(told.uses) + len(told.refusals) <= 10
    assert max(use.expires for use in told.uses.values()) == NOW + 60
    assert told.uses[use_key()].requests == 2
    others = [use for key, use in told.uses.items() if key.client_id == OTHERS]
    (folded,) = others
    kept = sum(use.requests for use in told.uses.values())
    kept += sum(each.requests for each in told.refusals.values())
    assert (kept, told.lost) == (92, 0)
    assert folded.expires == NOW + 5
    assert folded.first == THIS_HOUR - 10 * 3_600


def test_hours_become_days(client: Any) -> None:
    """Before any client is forgotten: those of more than a day ago, where there are too many rows."""
    hours = [THIS_HOUR - n * 3_600 for n in range(72)]
    uses = {use_key(name, hour=hour): used(2, at=hour) for hour in hours for name in "ab"}
    refusals = {refusal_key(hour=hour): Refusals(3, hour) for hour in hours}
    store_of(client).write(Batch(uses=uses, refusals=refusals))
    store_of(client, most_rows=200).write(Batch())
    told = store_of(client).read()
    assert {hour for hour in hours if hour >= THIS_HOUR - DAY} <= {key.hour for key in told.uses}
    assert len(told.uses) < 72
    assert {key.client_id for key in told.uses} == {"a", "b"}
    assert sum(use.requests for use in told.uses.values()) == 2 * 2 * 72
    assert sum(each.requests for each in told.refusals.values()) == 3 * 72
    assert min(use.first for use in told.uses.values()) == hours[-1]
    assert told.lost == 0


@pytest.mark.parametrize(
    ("gone", "lost"), [("uses", 4), ("last", 4), ("refusals", 2), ("refused", 2)]
)
def test_an_hour_that_was_evicted(client: Any, gone: str, lost: int) -> None:
    """Is counted as lost, whether all of it is gone or a part; the rest can be read."""
    for hour in (THIS_HOUR - 5 * 3_600, THIS_HOUR):
        uses = {use_key(hour=hour): used(4, at=hour)}
        refusals = {refusal_key(hour=hour): Refusals(2, hour)}
        store_of(client, hour).write(Batch(uses=uses, refusals=refusals))
    store_of(client).record(step())
    client.delete(f"atjwt:{gone}:{THIS_HOUR - 5 * 3_600}")
    told = store_of(client).read()
    assert (told.lost, told.lost_at) == (lost, NOW)
    assert use_key() in told.uses
    assert told.steps == (step(),)
    store_of(client, most_rows=1).write(Batch())
    assert store_of(client).read().lost == lost


def test_an_hour_that_has_expired_is_not_lost(client: Any) -> None:
    """Redis lets it go when it is too old to matter."""
    store_of(client).write(batch())
    later = NOW + 45 * DAY
    for key in HOURLY:
        client.delete(key)
    assert store_of(client, later).read().lost == 4


def test_one_that_was_emptied(client: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has written to it counts that as lost in the new one, and says so once."""
    store = store_of(client)
    store.write(batch(5))
    client.flushall()
    for _ in range(2):
        store.write(Batch(uses={use_key("new"): used(2)}))
    told = store.read()
    assert (told.lost, told.lost_at) == (5 + 1 + 2, NOW)
    assert caplog.text.count("was replaced while in use") == 1


def test_another_thread_that_writes_in_between(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Makes the ledger newer, not another one."""
    store = store_of(client)
    store.write(batch(1))
    check = store._check
    later: list[Any] = []

    def checking(hours: Any) -> Any:
        found = check(hours)
        if not later:
            later.append(found)
            store.write(batch(1))
        return found

    monkeypatch.setattr(store, "_check", checking)
    store.write(batch(1))
    store.write(batch(1))
    assert store.read().lost == 4 * 4
    assert store.read().uses[use_key()].requests == 4


def test_meta_that_was_evicted(client: Any) -> None:
    """Is not told as a ledger that nobody has begun, nor as one to delete."""
    store_of(client).write(batch())
    client.delete("atjwt:meta")
    with pytest.raises(LedgerError, match="has lost atjwt:meta: it was deleted or evicted"):
        store_of(client).read()


def test_two_that_let_go_at_once(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What another process has just let go, or still writes to, is not let go twice."""
    hours = [THIS_HOUR - 3_600, THIS_HOUR]
    for hour in hours:
        store_of(client, hour).write(Batch(uses={use_key(hour=hour): used(5, expires=NOW - 1)}))
    store = store_of(client, most_rows=1)
    note = RedisStore._note_hours

    def noting(self: RedisStore, batch: Batch) -> Any:
        if self is store and batch.uses:
            late = Batch(uses={use_key(hour=hours[0]): used(7, expires=NOW - 1)})
            store_of(client, most_rows=1_000).write(late)
        return note(self, batch)

    monkeypatch.setattr(RedisStore, "_note_hours", noting)
    store.write(Batch())
    told = store_of(client).read()
    assert told.lost == 0
    assert told.uses[use_key(hour=hours[0])].requests == 12


@pytest.mark.parametrize("key", sorted(HOURLY | LASTING))
def test_something_else_under_a_key(client: Any, key: str) -> None:
    """Is told before anything is written."""
    client.set(key, "x")
    with pytest.raises(LedgerError, match=f"something else under {key}: rename that"):
        store_of(client).write(batch())
    assert set(client.keys("*")) == {key}


def _change_version(client: Any, version: int) -> None:
    client.hset("atjwt:meta", "version", version)


NO_LEDGER = "holds under atjwt:. what is no ledger: .* steps are in atjwt:steps"
BAD: dict[str, tuple[Callable[[Any], object], str]] = {
    "empty": (lambda client: client.flushall(), "is empty: has a service"),
    "newer": (lambda client: _change_version(client, 2), "by a newer version of atjwt"),
    "older": (lambda client: _change_version(client, 0), "by an older version of atjwt"),
    "no version": (lambda client: client.hset("atjwt:meta", "version", "x"), NO_LEDGER),
    "no time": (lambda client: client.hset("atjwt:meta", "updated", "x"), NO_LEDGER),
    "no id": (lambda client: client.hdel("atjwt:meta", "id"), NO_LEDGER),
    "no heartbeat": (lambda client: client.hset("atjwt:heartbeats", "a", "{"), NO_LEDGER),
    "no step": (lambda client: client.rpush("atjwt:steps", "[]"), NO_LEDGER),
    "no use": (
        lambda client: client.hset(f"atjwt:uses:{THIS_HOUR}", json.dumps(use_key()[1:]), "x"),
        NO_LEDGER,
    ),
    "deep": (lambda client: client.rpush("atjwt:steps", "[" * 99_999), NO_LEDGER),
    "no hour": (lambda client: client.zadd("atjwt:hours", {"x": 1}), NO_LEDGER),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_read(client: Any, name: str) -> None:
    """Says what it is and what to do."""
    spoil, why = BAD[name]
    store_of(client).write(batch())
    spoil(client)
    with pytest.raises(LedgerError, match=why):
        store_of(client).read()


def test_one_that_is_down() -> None:
    """Is told, without its password, also where nobody listens at all."""
    for url in (
        "redis://somebody:hunter2@127.0.0.1:1/3", "rediss://:hunter2@127.0.0.1:1/0",
        "redis://:hunter2@no-such-host.invalid/0",
    ):  # fmt: skip
        store = open_store(url)
        for attempt in (store.read, lambda: store.write(batch()), lambda: store.record(step())):  # noqa: B023
            with pytest.raises(LedgerError, match="cannot be reached: is it running") as refusal:
                attempt()
            assert "hunter2" not in str(refusal.value) + repr(refusal.value.__cause__)
    assert open_store("redis://a:hunter2@host:7000/3").name == "the ledger in Redis host:7000/3"


def test_one_that_answers_badly(client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind of refusal has its sentence."""
    told = {
        redis.exceptions.AuthenticationError: "refuses the password",
        redis.exceptions.NoPermissionError: "does not permit it",
        redis.exceptions.OutOfMemoryError: "is full: give it more memory",
        redis.exceptions.ReadOnlyError: "is a replica",
        redis.exceptions.TimeoutError: "does not answer in time",
        redis.exceptions.ResponseError: "must be Redis 6.2 or newer",
        redis.exceptions.RedisError: "cannot be used",
    }
    store = store_of(client)
    for error, why in told.items():
        monkeypatch.setattr(store, "_check", _raising(error("hunter2")))
        with pytest.raises(LedgerError, match=why) as refusal:
            store.write(batch())
        assert "hunter2" not in str(refusal.value)


def _raising(error: Exception) -> Any:
    def raises(*_: object) -> None:
        raise error

    return raises


def test_a_client_of_ones_own_stays_open(client: Any) -> None:
    """Whoever opened it closes it."""
    closed: list[bool] = []
    client.close = lambda: closed.append(True)
    store_of(client).close()
    assert closed == []


# --- a real one --------------------------------------------------------------------------------------


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """The URL of a Redis of our own, with a password."""
    path = tmp_path / "redis.sock"
    process = subprocess.Popen(
        ["redis-server", "--port", "0", "--unixsocket", str(path), "--save", "", "--appendonly",
         "no", "--requirepass", "hunter2", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        end = time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < end
            time.sleep(0.02)
        yield f"unix://:hunter2@{path}?db=3"
    finally:
        process.terminate()
        process.wait(30)


_WRITER = """
import sys
from atjwt.migration.redis_store import RedisStore
from tools.ledgers import NOW, batch
store = RedisStore(sys.argv[1], clock=lambda: NOW)
for _ in range(10):
    store.write(batch(7))
"""


@NEEDED
def test_a_real_one(server: str) -> None:
    """Keeps what a stand-in keeps; what many threads and processes write adds up."""
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), *sys.path]),
    }
    writers = [
        subprocess.Popen([sys.executable, "-c", _WRITER, server], env=environment) for _ in range(2)
    ]
    with closing(RedisStore(server, clock=lambda: NOW)) as store:
        threads = [threading.Thread(target=store.write, args=(batch(100),)) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [writer.wait(60) for writer in writers] == [0, 0]
        store.record(step())
        told = store.read()
        assert told.uses[use_key()] == Use(20 * 7 + 5 * 100, NOW, NOW, NOW + 60, 60.0)
        assert told.refusals[refusal_key()] == Refusals(50, NOW)
        assert told.heartbeats == (heartbeat(),)
        assert told.steps == (step(),)
        assert told.lost == 100
        assert "hunter2" not in store.name


@NEEDED
def test_a_real_one_refuses(server: str) -> None:
    """A wrong password, what is of another type, and a full one are told as they are."""
    with (
        closing(RedisStore(server.replace("hunter2", "hunter3"))) as store,
        pytest.raises(LedgerError, match="refuses the password") as refusal,
    ):
        store.read()
    assert "hunter" not in str(refusal.value)
    admin = redis.Redis.from_url(server)
    with closing(RedisStore(server, clock=lambda: NOW)) as store, closing(admin):
        store.write(batch(1))
        before = store.read()
        admin.config_set("maxmemory", "1")
        with pytest.raises(LedgerError, match="is full"):
            store.write(batch(1))
        assert store.read() == before
        admin.config_set("maxmemory", "0")
        store.write(batch(1))
        assert store.read().uses[use_key()].requests == 2


@NEEDED
def test_a_copy_is_found_out(server: str) -> None:
    """A database that was copied says which ledger it is a copy of; a new one is another."""
    admin: Any = redis.Redis.from_url(server)
    with closing(admin):
        with closing(RedisStore(server, clock=lambda: NOW)) as store:
            store.write(batch())
            mine = store.read().origins[0].id
        for key in admin.keys("*"):
            admin.execute_command("COPY", key, key, "DB", 4)
    with closing(RedisStore(server.replace("db=3", "db=4"))) as copy:
        assert copy.read().origins[0].id == mine
    with closing(RedisStore(server.replace("db=3", "db=5"), clock=lambda: NOW)) as other:
        other.write(batch())
        assert other.read().origins[0].id != mine
