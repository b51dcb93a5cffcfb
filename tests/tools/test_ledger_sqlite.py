"""A ledger in a file: many processes write to it, it stays within bounds, and tells what is wrong."""

import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from atjwt.migration import LedgerError
from atjwt.migration.account import OTHERS, Batch, Refusals, Use
from atjwt.migration.sqlite_store import SqliteStore
from tools.ledgers import (
    DAY,
    NOW,
    THIS_HOUR,
    batch,
    heartbeat,
    refusal_key,
    step,
    use_key,
    used,
)


def store_at(path: Path, now: float = NOW, *, most_rows: int = 1_000) -> SqliteStore:
    return SqliteStore(path, clock=lambda: now, most_rows=most_rows, patience=0.05)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


def run(path: Path, statement: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(statement)


# --- many at once ------------------------------------------------------------------------------------

_WRITER = """
import sys
from tools.ledgers import NOW, batch, step
from atjwt.migration.sqlite_store import SqliteStore
store = SqliteStore(sys.argv[1], clock=lambda: NOW)
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[2])):
    store.write(batch(7))
    store.record(step(NOW + number))
"""


def test_many_processes(path: Path) -> None:
    """Of what processes write at the same moment, to a file that none of them made, nothing is lost."""
    tests = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(path), "10"], env=environment,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for _ in range(4)
    ]  # fmt: skip
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        _, errors = writer.communicate(timeout=60)
        assert (writer.returncode, errors) == (0, "")
    told = store_at(path).read()
    assert told.uses[use_key()].requests == 4 * 10 * 7
    assert told.refusals[refusal_key()].requests == 4 * 10 * 2
    assert told.lost == 4 * 10 * 4
    assert len(told.steps) == 10


def test_a_file_that_another_process_makes_too(path: Path) -> None:
    """Both want it at the same moment. SQLite does not wait there by itself."""
    path.touch()
    has_it, going_on = threading.Event(), threading.Event()

    def make() -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            has_it.set()
            going_on.wait(0.1)
            other.execute("COMMIT")

    thread = threading.Thread(target=make)
    thread.start()
    assert has_it.wait(30)
    SqliteStore(path, clock=lambda: NOW).write(batch(1))
    going_on.set()
    thread.join()
    assert store_at(path).read().uses[use_key()].requests == 1


def test_a_reader_disturbs_no_writer(path: Path) -> None:
    """Both at once: what is read is of one moment."""
    store_at(path).write(batch(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        before = reader.execute("SELECT sum(requests) FROM uses").fetchone()
        store_at(path).write(batch(1))
        assert reader.execute("SELECT sum(requests) FROM uses").fetchone() == before


def test_all_or_nothing(path: Path) -> None:
    """A batch that fails half-way leaves nothing of it behind."""
    store_at(path).write(batch(1))
    run(path, "CREATE TRIGGER t BEFORE UPDATE ON heartbeats BEGIN SELECT RAISE(ABORT, 'no'); END")
    before = store_at(path).read()
    with pytest.raises(LedgerError):
        store_at(path).write(batch(1))
    assert store_at(path).read() == before


def test_the_file_is_its_owners(path: Path) -> None:
    """Nobody else may read it, and what SQLite puts beside it."""
    before = os.umask(0)
    try:
        store_at(path).write(batch())
        with closing(sqlite3.connect(path)) as other:
            other.execute("SELECT * FROM meta").fetchall()  # keeps what is beside it
            modes = {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {0o600}


def test_a_file_that_is_gone_is_made_anew(path: Path) -> None:
    """Whoever moves it away begins a new ledger, also while services run."""
    store = store_at(path)
    store.write(batch(1))
    first = store.read().origins[0].id
    path.rename(path.with_name("old.db"))
    store.write(batch(1))
    told = store.read()
    assert told.uses[use_key()].requests == 1
    assert told.origins[0].id != first


def test_a_path_that_is_relative(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Is one from where the process was when it named the ledger."""
    monkeypatch.chdir(path.parent)
    store = store_at(Path(path.name))
    monkeypatch.chdir("/")
    store.write(batch(1))
    assert store.name == f"the ledger {path.name}"
    assert store.read().uses == store_at(path).read().uses != {}


# --- bounds ------------------------------------------------------------------------------------------


def test_what_is_old_goes(path: Path) -> None:
    """Hours, refusals and heartbeats of more than 45 days ago; nothing of it is lost, it is old."""
    old = THIS_HOUR - 46 * DAY
    kept = THIS_HOUR - 44 * DAY
    store_at(path, NOW - 44 * DAY).write(
        Batch(
            uses={
                use_key(hour=old): used(5, at=old, expires=NOW - 3_600),
                use_key(hour=kept): used(6, at=kept, expires=kept),
            },
            refusals={
                refusal_key(hour=old): Refusals(1, old),
                refusal_key(hour=kept): Refusals(2, kept),
            },
            heartbeats=(heartbeat("old", at=old), heartbeat("kept", at=kept)),
        )
    )  # fmt: skip
    store_at(path, NOW + 61).write(Batch(uses={use_key("new"): used(1)}))
    told = store_at(path).read()
    assert set(told.uses) == {use_key(hour=kept), use_key("new")}
    assert set(told.refusals) == {refusal_key(hour=kept)}
    assert [beat.instance for beat in told.heartbeats] == ["kept"]
    assert told.lost == 0


def test_a_token_that_may_be_alive_is_not_forgotten(path: Path) -> None:
    """The latest `exp` outlives its hour until an hour has passed since, without the client."""
    old = THIS_HOUR - 50 * DAY
    store_at(path, old).write(
        Batch(
            uses={
                use_key("a", hour=old): Use(5, old + 1, old + 2, NOW + 100, 4_400_000.0),
                use_key("b", hour=old): Use(6, old, old + 3, NOW + 50, 4_400_001.0),
                use_key("c", hour=old): Use(7, old, old + 3, NOW - 3_601, 60.0),
            }
        )
    )
    for _ in range(2):
        store_at(path).write(Batch())
    (key,) = (told := store_at(path).read()).uses
    assert key == use_key(OTHERS, hour=THIS_HOUR - 45 * DAY)
    assert told.uses[key] == Use(11, old, old + 3, NOW + 100, 4_400_001.0)
    store_at(path, NOW + 3_600).write(Batch())
    assert len(store_at(path).read().uses) == 1
    store_at(path, NOW + 7_200).write(Batch())
    assert store_at(path).read().uses == {}


def test_a_cap_on_rows(path: Path) -> None:
    """The oldest hours lose their clients first; no count is lost."""
    hours = [THIS_HOUR - n * 3_600 for n in range(10)]
    uses = {
        use_key(f"app {n}", hour=hour): used(1, at=hour, expires=NOW + 5 if n == 0 else NOW - 5)
        for hour in hours
        for n in range(10)
    }
    refusals = {
        refusal_key(f"r{n}", hour=hour): Refusals(1, hour) for hour in hours for n in range(10)
    }
    store_at(path, most_rows=50).write(Batch(uses=uses, refusals=refusals))
    told = store_at(path).read()
    assert 40 <= len(told.uses) <= 50
    assert 40 <= len(told.refusals) <= 50
    assert max(use.expires for use in told.uses.values()) == NOW + 5
    kept = sum(use.requests for use in told.uses.values())
    kept += sum(each.requests for each in told.refusals.values())
    assert (kept, told.lost) == (200, 0)
    assert {use_key(f"app {n}", hour=hours[0]) for n in range(10)} <= set(told.uses)
    folded = [use for key, use in told.uses.items() if key.client_id == OTHERS]
    assert [use.requests for use in folded] == [53]  # the oldest
    assert folded[0].first == hours[-1]


def test_a_cap_that_is_always_met(path: Path) -> None:
    """However long it goes on, and however many rows come of what may be alive."""
    store = store_at(path, most_rows=40)
    for n in range(100):
        hour = THIS_HOUR + n * 3_600
        refusals = {refusal_key(f"r{n % 3}", hour=hour): Refusals(1, hour)}
        store.write(Batch(uses={use_key(f"app {n}", hour=hour): used()}, refusals=refusals))
    told = store_at(path).read()
    assert len(told.uses) <= 40
    assert len(told.refusals) <= 40
    assert sum(use.requests for use in told.uses.values()) == 100
    assert sum(each.requests for each in told.refusals.values()) == 100
    assert told.lost == 0


def test_hours_become_days(path: Path) -> None:
    """Before any client is forgotten: those of more than a day ago, where there are too many rows."""
    hours = [THIS_HOUR - n * 3_600 for n in range(72)]
    uses = {use_key(name, hour=hour): used(2, at=hour) for hour in hours for name in "ab"}
    refusals = {refusal_key(name, hour=hour): Refusals(3, hour) for hour in hours for name in "ab"}
    store_at(path, most_rows=144).write(Batch(uses=uses, refusals=refusals))
    told = store_at(path).read()
    assert (told.uses, told.refusals) == (uses, refusals)
    for _ in range(2):
        store_at(path, most_rows=143).write(Batch())
        told = store_at(path).read()
        days = {THIS_HOUR - THIS_HOUR % DAY - n * DAY for n in range(4)}
        recent = {hour for hour in hours if hour >= THIS_HOUR - DAY}
        expected = recent | {day for day in days if day >= min(hours) - DAY}
        for counts in (told.uses, told.refusals):
            assert {key.hour for key in counts} <= expected
            assert {key.hour for key in counts} >= recent
        assert {key.client_id for key in told.uses} == {"a", "b"}
        assert sum(use.requests for use in told.uses.values()) == 2 * 2 * 72
        assert sum(each.requests for each in told.refusals.values()) == 3 * 2 * 72
        assert min(use.first for use in told.uses.values()) == hours[-1]
        assert told.lost == 0


@pytest.mark.parametrize("how", ["deleted", "another one", "an older copy"])
def test_a_file_that_is_replaced(path: Path, how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Whoever has written to it counts that as lost in the new one, and says so once."""
    if how == "another one":
        store_at(path.with_name("other.db")).write(batch(1))
    now = [NOW]
    store = SqliteStore(path, clock=lambda: now[0])
    store.write(batch(5))
    copy = path.read_bytes()
    now[0] += 10
    store.write(batch(5))
    path.unlink()
    if how == "another one":
        path.with_name("other.db").rename(path)
    elif how == "an older copy":
        path.write_bytes(copy)
    before = 0 if how == "deleted" else 4
    now[0] += 10
    for _ in range(2):
        store.write(Batch(uses={use_key("new"): used(2)}))
    told = store.read()
    assert told.lost == before + 2 * (5 + 1 + 2)
    assert told.lost_at == NOW + 20
    assert [record.levelname for record in caplog.records] == ["ERROR"]
    assert "was replaced while in use: 16 counts" in caplog.text


# --- what is wrong with one --------------------------------------------------------------------------

Spoil = Callable[[Path], object]


def _in_the_middle(path: Path, rubbish: bytes = b"\xff" * 8_192) -> None:
    store_at(path, most_rows=10**6).write(
        Batch(uses={use_key(f"app {n}"): used() for n in range(2_000)})
    )
    with path.open("r+b") as file:
        file.seek(path.stat().st_size // 2)
        file.write(rubbish)


def _emptied(path: Path) -> None:
    """Takes the rows of one page out, so that whoever reads simply does not find them."""
    _in_the_middle(path, b"")
    page = bytearray(path.read_bytes())
    leaves = [at for at in range(4_096, len(page), 4_096) if page[at] == 0x0A]
    page[leaves[-2] + 3 : leaves[-2] + 5] = b"\0\1"  # how many there are
    path.write_bytes(page)


def _made(*statements: str) -> Spoil:
    def spoil(path: Path) -> None:
        store_at(path).write(batch())
        run(path, ";".join(statements))

    return spoil


BAD_TO_READ: dict[str, tuple[Spoil, str]] = {
    "not there": (lambda _: None, "is not there: has a service"),
    "its folder is not there": (lambda path: path.parent.rmdir(), "is not there"),
    "a folder": (lambda path: path.mkdir(), "is a folder: name a file"),
    "empty": (lambda path: path.touch(), "is empty: has a service"),
    "of something else": (lambda path: path.write_text("hello " * 1000), "is a file of something else"),
    "short": (lambda path: path.write_text("hello"), "is a file of something else"),
    "another database": (lambda path: run(path, "CREATE TABLE t (a)"), "a database of something else"),
    "damaged in the middle": (_in_the_middle, "is damaged: move it away"),
    "rows that are gone": (_emptied, "is damaged"),
    "damaged values": (_made("UPDATE uses SET requests = 'x'"), "is damaged"),
    "damaged text": (_made("UPDATE heartbeats SET body = '{'"), "is damaged"),
    "damaged meta": (_made("DELETE FROM meta"), "is damaged"),
    "no text": (_made("UPDATE uses SET client_id = x'ff'"), "is damaged"),
    "a step that is none": (_made("INSERT INTO steps VALUES ('{\"name\": \"x\"}')"), "is damaged"),
    "a step that is deep": (
        _made(f"INSERT INTO steps VALUES ('{'[' * 99_999}')"),
        "is damaged: move it away, .* without the steps recorded in this one: if there is a backup",
    ),
    "no table": (_made("DROP TABLE uses"), "is damaged"),
    "newer": (_made("PRAGMA user_version = 2"), "by a newer version of atjwt: install"),
    "older": (_made("PRAGMA user_version = 0"), "by an older version of atjwt: move it away"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_TO_READ)
def test_what_cannot_be_read(path: Path, name: str) -> None:
    """Says what it is and what to do, names the file, and makes none."""
    spoil, why = BAD_TO_READ[name]
    spoil(path)
    there = path.exists()
    with pytest.raises(LedgerError, match=why) as refusal:
        store_at(path).read()
    assert str(path) in str(refusal.value)
    assert path.exists() is there


BAD_TO_WRITE: dict[str, tuple[Spoil, str]] = {
    "its folder is not there": (lambda path: path.parent.rmdir(), "make its folder first"),
    "a folder": (lambda path: path.mkdir(), "is a folder"),
    "of something else": BAD_TO_READ["of something else"],
    "another database": BAD_TO_READ["another database"],
    "newer": BAD_TO_READ["newer"],
    "older": BAD_TO_READ["older"],
}


@pytest.mark.parametrize("name", BAD_TO_WRITE)
def test_what_cannot_be_written(path: Path, name: str) -> None:
    """Says so, and is left as it was, byte by byte."""
    spoil, why = BAD_TO_WRITE[name]
    spoil(path)
    before = path.read_bytes() if path.is_file() else None
    store = store_at(path)
    attempts: list[Callable[[], None]] = [
        lambda: store.write(batch()),
        lambda: store.record(step()),
    ]
    for attempt in attempts:
        with pytest.raises(LedgerError, match=why):
            attempt()
        assert before == (path.read_bytes() if path.is_file() else None)


def test_a_full_one(path: Path) -> None:
    """Says so; what was there is there, and can be read."""
    store_at(path).write(batch(1))
    size = path.stat().st_size
    small = SqliteStore(path, clock=lambda: NOW, most_bytes=size)
    with pytest.raises(LedgerError, match="is full, or the disk is: make room"):
        small.write(Batch(uses={use_key(f"app {n}" * 20): used() for n in range(2_000)}))
    assert small.read().uses[use_key()].requests == 1


def test_one_that_somebody_has_locked(path: Path) -> None:
    """Says so after a while, and works when the other one is done."""
    store_at(path).write(batch(1))
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerError, match="is locked by another process"):
            store_at(path).write(batch(1))
        assert store_at(path).read().uses[use_key()].requests == 1
        other.execute("ROLLBACK")
    store_at(path).write(batch(1))
    assert store_at(path).read().uses[use_key()].requests == 2


# --- permissions, as somebody who is not root ---------------------------------------------------------


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder that others can reach, which pytest's own cannot be."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def told_to_others(program: str, path: Path) -> str:
    """What a process prints that may not do everything."""
    done = subprocess.run(
        [sys.executable, "-c", f"{_AS_NOBODY}\n{program}", str(path)],
        capture_output=True, text=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
    )  # fmt: skip
    return done.stdout + done.stderr


_AS_NOBODY = """
import os, sys
from atjwt.migration.account import Batch
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
store = SqliteStore(sys.argv[1])
def told(call, *given):
    try:
        return call(*given)
    except LedgerError as error:
        print(error)
"""


def test_one_without_permission(shared: Path) -> None:
    """Is told, reading and writing alike."""
    path = shared / "ledger.db"
    store_at(path).write(batch())
    path.chmod(0o000)
    told = told_to_others("told(store.read), told(store.write, Batch())", path)
    lines = told.splitlines()
    assert len(lines) == 2, told
    assert all("cannot be opened: look at the permissions" in line for line in lines), told


@pytest.mark.parametrize("is_new", [True, False])
def test_a_disk_that_is_read_only(shared: Path, is_new: bool) -> None:  # noqa: FBT001
    """A ledger there can be read; that it cannot be written is told."""
    path = shared / "ledger.db"
    if not is_new:
        store_at(path).write(batch())
        path.chmod(0o444)
    shared.chmod(0o555)
    told = told_to_others("told(store.write, Batch())", path)
    assert "cannot be" in told
    assert "Traceback" not in told
    if not is_new:
        assert "it, and its folder, writable" in told
        told = told_to_others(
            "print(sum(use.requests for use in told(store.read).uses.values()))", path
        )
        assert told == "4\n"


def test_a_hint_of_nothing_else(path: Path) -> None:
    """No error of SQLite's comes through, whatever happens to the file."""
    _in_the_middle(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), len(whole) // 50):
        spoilt = bytearray(whole)
        spoilt[place : place + 64] = b"\x5a" * 64
        for beside in path.parent.iterdir():
            beside.unlink()
        path.write_bytes(spoilt)
        with suppress(LedgerError):
            store_at(path).read()
        with suppress(LedgerError):
            store_at(path).write(batch())
