"""A ledger as lines: read back out of a log as it is, each line once."""

import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from atjwt.migration import LedgerError
from atjwt.migration.account import Account, Batch
from atjwt.migration.lines_store import LinesStore, StdoutStore
from atjwt.migration.stores import open_store, read_ledgers
from tools.ledgers import NOW, batch, step, use_key, used


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "service.log"


def lines_of(*batches: Batch) -> list[str]:
    """What one process writes, one line for each batch."""
    output = io.StringIO()
    store = StdoutStore(clock=lambda: NOW)
    before, sys.stdout = sys.stdout, output
    try:
        for each in batches:
            store.write(each)
    finally:
        sys.stdout = before
    lines = output.getvalue().splitlines(keepends=True)
    assert len(lines) == len(batches)
    return lines


def counted(requests: int) -> Batch:
    return Batch(uses={use_key(): used(requests)})


def read(log: Path, text: str) -> Account:
    log.write_text(text, encoding="utf-8")
    return read_ledgers([f"lines:{log}"])


@pytest.mark.parametrize(
    "wrapped",
    [
        "{}",
        "2026-11-25T03:20:07Z {}",
        "orders-7d9f-abcde | {}",
        "2026-11-25T03:20:07.1Z stdout F {}",
        "\x1b[32mINFO\x1b[0m: {} trailing words",
        'a "quoted" {{"json": "line"}} before {}',
        "{}{}",
    ],
)
def test_among_other_lines(log: Path, wrapped: str) -> None:
    """Whatever stands before it, behind it and around it."""
    (line,) = lines_of(counted(3))
    whole = wrapped.format(line.strip(), line.strip())
    text = f"INFO: started\n\n{{not json\n{whole}\r\nGET /atjwt_ledger 200\n\0\ufffd\n"
    told = read(log, text)
    assert told.uses == {use_key(): used(3)}
    assert told.lost == 0


def test_within_another_object(log: Path) -> None:
    """As a container runtime or a log service stores it: as a string in JSON, or in JSON in JSON."""
    one, other, third = lines_of(counted(3), counted(4), counted(5))
    text = json.dumps({"log": one, "stream": "stdout"}) + "\n"
    text += json.dumps({"fields": {"n": 1, "message": other}}) + "\n"
    text += json.dumps({"line": json.dumps({"log": third})}) + "\n"
    assert read(log, text).uses == {use_key(): used(12)}


def test_a_line_that_comes_again(log: Path) -> None:
    """Counts once, within one log and over several."""
    lines = lines_of(counted(1), counted(10), counted(100))
    told = read(log, "".join([*lines, lines[0], *lines[1:]]))
    assert told.uses[use_key()].requests == 111
    later = log.with_name("later.log")
    later.write_text("".join([*lines[1:], *lines_of(counted(1_000))]), encoding="utf-8")
    told = read_ledgers([f"lines:{log}", f"lines:{later}"])
    assert told.uses[use_key()].requests == 1_111
    assert told.lost == 0


def test_what_is_missing_is_counted(log: Path) -> None:
    """A line that was cut off, or that stands nowhere between two others, is one that was lost."""
    lines = lines_of(*(counted(1) for _ in range(6)))
    told = read(log, "".join([lines[0], lines[2], lines[3][:150], "\n", lines[4], lines[5][:150]]))
    assert told.uses[use_key()].requests == 3
    assert told.lost == 3  # the second, the fourth, the sixth


def test_a_line_that_was_cut_and_comes_whole(log: Path) -> None:
    """Is not lost, even where the whole one stands right behind the cut one."""
    lines = lines_of(*(counted(1) for _ in range(3)))
    told = read(log, "".join([lines[0], lines[1][:150], lines[1], lines[2][:150], "\n", lines[2]]))
    assert told.uses[use_key()].requests == 3
    assert told.lost == 0


@pytest.mark.parametrize(
    "spoilt",
    [
        '{"atjwt_ledger": 1}', '{"atjwt_ledger": 1, "instance": 5, "seq": 1, "at": 1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": "1", "at": 1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": NaN}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "uses": [[1]]}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "uses": 5}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "heartbeats": [{}]}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "steps": [{"name": "x"}]}',
        '{"atjwt_ledger": 1, "x": ' + "[" * 100_000, '{"x": ' + "[" * 100_000 + "atjwt_ledger",
        "{" * 10_000 + "atjwt_ledger",
    ],
)  # fmt: skip
def test_what_only_looks_like_one(log: Path, spoilt: str) -> None:
    """Is passed over, and stops nothing."""
    (line,) = lines_of(counted(3))
    assert read(log, f"{spoilt}\n{line}").uses == {use_key(): used(3)}


def test_no_line_at_all(log: Path) -> None:
    """Is a mistake that says where such lines come from, as is a log that is not there."""
    with pytest.raises(LedgerError, match="no line of a ledger: does the service write to stdout:"):
        read(log, "INFO: started\n")
    log.unlink()
    with pytest.raises(LedgerError, match="cannot be read"):
        read_ledgers([f"lines:{log}"])
    with pytest.raises(LedgerError, match="cannot be read"):
        read_ledgers([f"lines:{log.parent}"])


def test_a_newer_version(log: Path) -> None:
    """Is told, and not half understood."""
    with pytest.raises(LedgerError, match="by a newer version of atjwt: install"):
        read(log, '{"atjwt_ledger": 2, "instance": "a"}\n')


def test_many_clients_are_spread_over_short_lines(log: Path) -> None:
    """No line is longer than what a pipe passes on in one piece and a log keeps on one line."""
    uses = {use_key(f"https://client.example/{n}/{'x' * 100}"): used(n) for n in range(1, 500)}
    LinesStore(str(log)).write(Batch(uses=uses, lost=3))
    lines = log.read_bytes().splitlines(keepends=True)
    assert 10 < len(lines) < 100
    assert max(map(len, lines)) <= 4_000
    told = read_ledgers([f"lines:{log}"])
    assert told.uses == uses
    assert told.lost == 3


def test_steps_stand_in_the_file(log: Path) -> None:
    """They are appended to it, and read with it; a pipe keeps none."""
    LinesStore(str(log)).write(batch())
    open_store(f"lines:{log}").record(step())
    assert read_ledgers([f"lines:{log}"]).steps == (step(),)
    for store in (open_store("stdout:"), LinesStore(str(log), str(log))):
        with pytest.raises(LedgerError, match="name"):
            store.record(step())
    with pytest.raises(LedgerError, match="read its log back"):
        open_store("stdout:").read()


class _Breaking(io.StringIO):
    """An output that refuses from one line on, until it is mended."""

    def __init__(self, lines: int) -> None:
        super().__init__()
        self.left = lines

    def write(self, text: str) -> int:
        if self.left == 0:
            raise OSError(errno.EPIPE, os.strerror(errno.EPIPE))
        self.left -= 1
        return super().write(text)


@pytest.mark.parametrize("lines", [0, 1, 2])
def test_an_output_that_breaks(log: Path, monkeypatch: pytest.MonkeyPatch, lines: int) -> None:
    """Nothing of a batch is out, or all of it comes in the end: each request counts once."""
    uses = {use_key(f"{n:03}{'x' * 200}"): used() for n in range(30)}
    output = _Breaking(lines)
    monkeypatch.setattr(sys, "stdout", output)
    store = StdoutStore(clock=lambda: NOW)
    if lines:
        store.write(Batch(uses=uses))
    else:
        with pytest.raises(LedgerError, match="stdout cannot be written: Broken pipe"):
            store.write(Batch(uses=uses))
    output.left = 100
    store.write(counted(5) if lines else Batch(uses={**uses, use_key(): used(5)}))
    told = read(log, output.getvalue())
    assert told.uses == {**uses, use_key(): used(5)}
    assert told.lost == 0


def test_a_closed_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is told, as is none at all."""
    closed = io.StringIO()
    closed.close()
    for output in (closed, None):
        monkeypatch.setattr(sys, "stdout", output)
        with pytest.raises(LedgerError, match="stdout cannot be written"):
            StdoutStore().write(batch())


def test_stdin(log: Path) -> None:
    """`lines:-` reads what is piped in, such as `kubectl logs`."""
    program = (
        "from atjwt.migration.stores import read_ledgers\n"
        "print(sum(use.requests for use in read_ledgers(['lines:-']).uses.values()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], input="x\n" + "".join(lines_of(counted(3), counted(4))),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "7\n"


def test_a_forked_process_goes_on_under_its_own_name(log: Path) -> None:
    """So its lines are not taken for those of its parent."""
    program = f"""
import os
from atjwt.migration.lines_store import LinesStore
from tools.ledgers import batch
store = LinesStore({str(log)!r})
store.write(batch(1))
if (child := os.fork()) == 0:
    store.write(batch(10))
    os._exit(0)
os.waitpid(child, 0)
store.write(batch(100))
"""
    tests = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    subprocess.run([sys.executable, "-W", "error", "-c", program], env=environment, check=True)
    told = read_ledgers([f"lines:{log}"])
    assert told.uses[use_key()].requests == 111
