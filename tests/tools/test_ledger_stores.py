"""Every store keeps the same: what several processes write adds up, and comes back whole."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fakeredis
import pytest

from atjwt.cli.ledgers import Ledgers
from atjwt.errors import ConfigurationError
from atjwt.migration import LedgerError
from atjwt.migration.account import Account, Batch, Refusals, Use
from atjwt.migration.lines_store import LinesStore
from atjwt.migration.redis_store import RedisStore
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.stores import Memory, Store, open_store, read_ledgers
from tools.ledgers import (
    NOW,
    batch,
    heartbeat,
    refusal_key,
    step,
    url_of,
    use_key,
    used,
)

Opened = Callable[[], Store]


@pytest.fixture(params=["memory", "sqlite", "redis", "redis, text", "lines"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Opened:
    """Gives the same store, opened anew."""
    memory = Memory()
    server = fakeredis.FakeServer()
    stores: dict[str, Opened] = {
        "memory": lambda: memory,
        "sqlite": lambda: SqliteStore(tmp_path / "ledger.db", clock=lambda: NOW),
        "redis": lambda: RedisStore(fakeredis.FakeRedis(server=server), clock=lambda: NOW),
        "redis, text": lambda: RedisStore(
            fakeredis.FakeRedis(server=server, decode_responses=True), clock=lambda: NOW
        ),
        "lines": lambda: LinesStore(str(tmp_path / "ledger.log"), clock=lambda: NOW),
    }
    return stores[request.param]


def test_it_comes_back_whole(opened: Opened) -> None:
    """Uses, refusals, heartbeats and what was lost: as they were given."""
    opened().write(batch())
    store = opened()
    told = store.read()
    store.close()
    expected = Account().with_batch(batch())
    assert told.uses == expected.uses
    assert told.refusals == expected.refusals
    assert told.heartbeats == (heartbeat(),)
    assert told.lost == 4
    (origin,) = told.origins
    assert origin.name == store.name
    assert origin.id
    assert origin.updated in {NOW, 0.0}


def test_it_adds_up(opened: Opened) -> None:
    """Requests are added; the earliest, the latest, the last `exp` and the longest lifetime stay."""
    opened().write(Batch(uses={use_key(): Use(3, 20.5, 30.5, 500.0, 60.0)}))
    opened().write(Batch(uses={use_key(): Use(4, 10.5, 25.0, 900.0, 50.0)}))
    opened().write(Batch(uses={use_key(): Use(1, 15.5, 28.0, 700.0, 55.0)}))
    opened().write(Batch(refusals={refusal_key(): Refusals(2, 20.5)}, lost=1))
    opened().write(Batch(refusals={refusal_key(): Refusals(5, 10.5)}, lost=1))
    told = opened().read()
    assert told.uses == {use_key(): Use(8, 10.5, 30.5, 900.0, 60.0)}
    assert told.refusals == {refusal_key(): Refusals(7, 20.5)}
    assert told.lost == 2


def test_the_last_heartbeat_stands(opened: Opened) -> None:
    """One for each instance, as it said last."""
    opened().write(Batch(heartbeats=(heartbeat("a"), heartbeat("b"))))
    opened().write(Batch(heartbeats=(heartbeat("a", at=NOW + 10, stopped=True),)))
    assert opened().read().heartbeats == (
        heartbeat("a", at=NOW + 10, stopped=True),
        heartbeat("b"),
    )


def test_steps_in_their_order(opened: Opened) -> None:
    """The oldest first, whoever recorded them, and each once. Lines keep none."""
    if isinstance(opened(), LinesStore):
        with pytest.raises(LedgerError, match="name another ledger for them too"):
            opened().record(step())
        return
    for at in (NOW + 2, NOW, NOW + 1, NOW):
        opened().record(step(at))
    assert [each.at for each in opened().read().steps] == [NOW, NOW + 1, NOW + 2]


@pytest.mark.parametrize(
    "client_id",
    ["", "https://client.example/metadata.json", 'a"b\\c', "a\0b", "a\nb", "é\U0001f600\u2028",
     "x" * 256, "\U0001f600" * 256, ",]}", "{\"atjwt_ledger\": 1, "],
)  # fmt: skip
def test_any_client_id(opened: Opened, client_id: str) -> None:
    """It is opaque (T52): kept character by character, and told from every other."""
    uses = {use_key(client_id): used(2), use_key(client_id + "-"): used(3)}
    for _ in range(2):
        opened().write(Batch(uses=uses))
    told = opened().read().uses
    assert told == {use_key(client_id): used(4), use_key(client_id + "-"): used(6)}


@pytest.mark.parametrize("opened", ["sqlite", "redis", "redis, text"], indirect=True)
def test_a_step_does_not_make_it_fresh(opened: Opened) -> None:
    """When it was last written to is when a service did so. (Lines hold no steps, memory no time.)"""
    opened().record(step())
    (origin,) = opened().read().origins
    assert origin.updated == 0
    opened().write(batch())
    (origin,) = opened().read().origins
    assert origin.updated == NOW


def test_nothing_is_made_before_it_is_used(tmp_path: Path) -> None:
    """Naming a ledger touches no disk and no network."""
    for url in (
        url_of(tmp_path / "a.db"), f"lines:{tmp_path / 'a.log'}", "stdout:", "lines:-",
        "redis://:secret@127.0.0.1:1/0", "rediss://127.0.0.1:1/0",
    ):  # fmt: skip
        open_store(url).close()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("url", "fix"),
    [
        ("", "sqlite:///ledger.db"), ("ledger.db", "sqlite:///ledger.db"),
        ("postgres://host/db", "sqlite:///ledger.db"), ("sqlite:ledger.db", "sqlite:///ledger.db"),
        ("sqlite://ledger.db", "name a file"), ("sqlite:///", "name a file"),
        ("sqlite:////", "name a file"), ("sqlite:///folder/", "name a file"),
        ("sqlite:///:memory:", "without options"), ("sqlite:///a.db?mode=ro", "without options"),
        ("sqlite:///file:a.db", "without options"), ("sqlite:///a\0b", "without options"),
        ("redis:", "redis://:PASSWORD@HOST"), ("redis://host:port/0", "redis://:PASSWORD@HOST"),
        ("redis://:hunter2@host/0?nonsense=1", "redis://:PASSWORD@HOST"),
        ("redis://:hunter2@host/0?socket_timeout=x", "redis://:PASSWORD@HOST"),
        ("sqlite:///a.db sqlite:///b.db", "several ledgers"), ("file.db", "a blank in a path is %20"),
        ("lines:a\tredis://:hunter2@host/0", "several ledgers"),
        ("lines:", "lines:FILE"), ("lines:a\0b", "lines:FILE"), ("stdout:x", "after the colon"),
    ],
)  # fmt: skip
def test_a_url_that_names_none(url: str, fix: str) -> None:
    """Is a mistake that says what to write, and repeats no password."""
    with pytest.raises((ConfigurationError, LedgerError)) as refusal:
        open_store(url).read()
    assert fix in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_several_are_one(tmp_path: Path) -> None:
    """What different ledgers hold adds up; a ledger that is named twice counts once."""
    urls = [url_of(tmp_path / "a.db"), f"lines:{tmp_path / 'b.log'}", f"lines:{tmp_path / 'c.log'}"]
    SqliteStore(tmp_path / "a.db", clock=lambda: NOW).write(batch(5))
    for url in urls[1:]:
        open_store(url).write(batch(5))
    told = read_ledgers([*urls, urls[0]])
    assert told.uses[use_key()].requests == 15
    assert len(told.origins) == 3
    assert told.lost == 12


def test_a_blank_in_a_path(tmp_path: Path) -> None:
    """Is written as %20, since the environment names several ledgers with blanks between them."""
    for scheme, name in (("sqlite:///", "a ledger.db"), ("lines:", "a: log.txt"), ("lines:", "5%")):
        url = f"{scheme}{tmp_path}/{name.replace(' ', '%20')}"
        open_store(url, clock=lambda: NOW).write(batch(5))
        assert (tmp_path / name).exists()
        assert read_ledgers([url]).uses[use_key()].requests == 5
    open_store(f"sqlite:///{tmp_path}/with a blank.db").write(batch(5))
    assert (tmp_path / "with a blank.db").exists()


def test_steps_beside_lines(tmp_path: Path) -> None:
    """Are kept in a ledger that need not be there before the first; it is no witness of what came."""
    log, steps = f"lines:{tmp_path / 'a.log'}", url_of(tmp_path / "steps.db")
    LinesStore(str(tmp_path / "a.log"), clock=lambda: NOW).write(batch())
    assert read_ledgers([steps, log]).steps == ()
    with pytest.raises(LedgerError, match="is not there"):
        read_ledgers([steps])
    SqliteStore(tmp_path / "steps.db", clock=lambda: NOW - 9_999).record(step())
    told = read_ledgers([steps, log])
    assert told.steps == (step(),)
    assert [origin.name for origin in told.origins] == [f"the ledger lines {tmp_path / 'a.log'}"]
    assert len(read_ledgers([steps]).origins) == 1
    SqliteStore(tmp_path / "steps.db", clock=lambda: NOW).write(batch())
    assert len(read_ledgers([steps, log]).origins) == 2


def test_the_first_that_can_keeps_the_steps(tmp_path: Path) -> None:
    """Whatever their order."""
    log, steps = f"lines:{tmp_path / 'a.log'}", url_of(tmp_path / "steps.db")
    LinesStore(str(tmp_path / "a.log")).write(batch())
    for urls in ([log, steps], [steps, log]):
        store = Ledgers(urls)
        store.record(step())
        assert store.read().steps == (step(),)
        assert store.name == f"the ledger {tmp_path / 'steps.db'}"
        (tmp_path / "steps.db").unlink()
    with pytest.raises(LedgerError, match="keeps no steps"):
        Ledgers([log]).record(step())


def test_copies_of_one(tmp_path: Path) -> None:
    """Would count twice, so only one of them is taken; both are named."""
    SqliteStore(tmp_path / "a.db").write(batch())
    (tmp_path / "b.db").write_bytes((tmp_path / "a.db").read_bytes())
    with pytest.raises(LedgerError, match=r"a\.db and .*b\.db are copies of one"):
        read_ledgers([url_of(tmp_path / "a.db"), url_of(tmp_path / "b.db")])
    LinesStore(str(tmp_path / "a.log")).write(batch())
    (tmp_path / "b.log").write_bytes((tmp_path / "a.log").read_bytes())
    with pytest.raises(LedgerError, match="copies of one"):
        read_ledgers([f"lines:{tmp_path / 'a.log'}", f"lines:{tmp_path / 'b.log'}"])


def test_without_the_extra() -> None:
    """A ledger in Redis says which extra it takes, and everything else works without."""
    program = """
import sys
sys.modules["redis"] = None
from atjwt.errors import ConfigurationError
from atjwt.migration import Ledger, LedgerError
from atjwt.migration.stores import open_store
try:
    open_store("redis://host/0")
except LedgerError as error:
    print(error)
try:
    Ledger("redis://host/0", service="orders")
except ConfigurationError as error:
    print(error.problems[0])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    told = 'a ledger in Redis takes an extra: pip install "atjwt[redis]"'
    assert done.stdout == f"{told}\nLedger: {told}\n"
