"""A ledger as lines: read back out of a log as it is, each line once."""

import errno
import io
import json
import os
import re
import secrets
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import repeat
from pathlib import Path

import pytest

from atjwt.errors import ConfigurationError
from atjwt.migration import LedgerError
from atjwt.migration.account import Account, Batch
from atjwt.migration.lines_store import LinesStore, StdoutStore
from atjwt.migration.stores import open_store, read_ledgers
from tools.ledgers import NOW, batch, step, use_key, used


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "service.log"


def lines_of(
    *batches: Batch, times: Iterable[float] = repeat(NOW), key: bytes | None = None
) -> list[str]:
    """What one process writes, one line for each batch."""
    output = io.StringIO()
    store = StdoutStore(key=key, clock=iter(times).__next__)
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
        "[pod/orders-7d9f/app] {}",
        "\x1b[32mINFO\x1b[0m: {}",
        "  {}  ",
    ],
)
def test_among_other_lines(log: Path, wrapped: str) -> None:
    """Alone, or behind what a collector puts before each line."""
    (line,) = lines_of(counted(3))
    whole = wrapped.format(line.strip())
    text = f"INFO: started\n\n{{not json\n{whole}\r\nGET /atjwt_ledger 200\n\0\ufffd\n"
    told = read(log, text)
    assert told.uses == {use_key(): used(3)}
    assert told.lost == 0


def test_within_another_object(log: Path) -> None:
    """As a container runtime or a log service stores it: as a string in JSON, or in JSON in JSON."""
    names = ("log", "message", "msg", "line", "MESSAGE", "textPayload")
    lines = lines_of(*(counted(1) for _ in range(7)))
    text = "".join(
        json.dumps({"stream": "stdout", name: line}) + "\n"
        for name, line in zip(names, lines, strict=False)
    )
    text += "12:00 " + json.dumps({"line": json.dumps({"log": lines[6]})}) + "\n"
    told = read(log, text)
    assert told.uses == {use_key(): used(7)}
    assert told.lost == 0


@pytest.mark.parametrize(
    "forged",
    [
        '127.0.0.1:5000 - "GET /?{} HTTP/1.1" 200 OK',  # uvicorn's access log
        'INFO: 127.0.0.1 - "GET / HTTP/1.1" 200 "-" "{}"',  # combined, with the caller's agent
        "GET /?{} 200", "GET 200 /?{}", 'x "{}', "path=/?{}",
        "GET /\r{}", "GET / \u2028{}", "GET / \x0b{}", '{{"a": 1}} {}',
        ({"path": "/?{}", "status": 200}), ({"query": {"message": "{}"}}), ({"message": "GET /?{}"}),
        ({"message": "GET / {} 200"}), ({"message": "GET /\n{}"}), ({"messages": ["{}"]}),
    ],
)  # fmt: skip
def test_what_a_stranger_can_have_logged(log: Path, forged: str | dict[str, object]) -> None:
    """Holds an object as ours, in an URL or else, and is none: neither counts nor losses come of it."""
    (mine,) = lines_of(counted(3))
    stranger = lines_of(Batch(uses={use_key("evil"): used(9)}, lost=9))[0].strip()
    for inner in (stranger, stranger[:150]):
        text = forged if isinstance(forged, str) else json.dumps(forged).replace("{}", "<>")
        if isinstance(forged, str):
            line = text.replace("{{", "{").replace("}}", "}").replace("{}", inner)
        else:
            line = text.replace("<>", json.dumps(inner)[1:-1])
        told = read(log, f"{line}\n{mine}")
        assert told.uses == {use_key(): used(3)}
        assert told.lost == 0


@pytest.mark.parametrize("wrapped", ["{} trailing words", "{}{}", "{},"])
def test_one_with_something_behind_it(log: Path, wrapped: str) -> None:
    """Is not read, since two outputs were mixed up there; it is lost."""
    lines = lines_of(counted(3), counted(4))
    told = read(log, lines[0] + wrapped.replace("{}", lines[1].strip()))
    assert told.uses == {use_key(): used(3)}
    assert told.lost == 1


def test_steps_in_lines_are_not_read(log: Path) -> None:
    """Whoever can write to a log does not make the moment come early; nor are any written there."""
    (line,) = lines_of(counted(3))
    told = json.loads(line) | {"steps": [asdict(step())]}
    assert read(log, json.dumps(told)).steps == ()
    for store in (open_store(f"lines:{log}"), open_store("stdout:")):
        with pytest.raises(LedgerError, match=r"--ledger sqlite:///migration\.db --ledger"):
            store.record(step())
    with pytest.raises(LedgerError, match="read its log back"):
        open_store("stdout:").read()
    with pytest.raises(LedgerError, match="name one file"):
        LinesStore(str(log), str(log)).write(batch())


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


def test_lines_missing_at_the_beginning(log: Path) -> None:
    """Of a log that was rotated, are lost too; no request in them came after the next line."""
    lines = lines_of(*(counted(1) for _ in range(6)), times=[NOW + n for n in range(6)])
    told = read(log, "".join(lines[3:]))
    assert (told.lost, told.lost_at) == (3, NOW + 3)
    told = read(log, "".join([lines[2], lines[4], lines[5]]))
    assert (told.lost, told.lost_at) == (3, NOW + 4)
    told = read(log, "".join([lines[0], lines[1], lines[2][:150]]))
    assert (told.lost, told.lost_at) == (1, NOW + 2)
    told = read(log, "".join(lines))
    assert (told.lost, told.lost_at) == (0, 0)


def test_a_line_that_was_cut_and_comes_whole(log: Path) -> None:
    """Is not lost."""
    lines = lines_of(*(counted(1) for _ in range(2)))
    told = read(log, "".join([lines[0], lines[1][:150], "\n", lines[1]]))
    assert told.uses[use_key()].requests == 2
    assert told.lost == 0


KEY = secrets.token_hex(32)


@pytest.fixture
def signing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATJWT_LEDGER_KEY", KEY)


@pytest.mark.usefixtures("signing")
def test_signed_lines(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a key in the environment lines are signed; whoever has none reads them, too."""
    store = open_store(f"lines:{log}")
    store.write(counted(3))
    store.write(Batch(uses={use_key("x" * 200 + str(n)): used() for n in range(99)}))
    text = log.read_text()
    assert KEY not in text + repr(vars(store).keys())
    assert max(map(len, text.splitlines())) < 4_000
    wrapped = "".join(json.dumps({"log": line}) + "\n" for line in text.splitlines())
    for each in (text, wrapped):
        told = read(log, each)
        assert (told.uses[use_key()], len(told.uses), told.lost) == (used(3), 100, 0)
    monkeypatch.delenv("ATJWT_LEDGER_KEY")
    assert len(read(log, text).uses) == 100


@pytest.mark.usefixtures("signing")
def test_lines_that_are_not_signed(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not count where there is a key, nor do those of another key, nor changed ones: each is lost."""
    store = open_store(f"lines:{log}")
    store.write(counted(3))
    mine = log.read_text()
    (unsigned,) = lines_of(counted(9))
    (other,) = lines_of(counted(9), key=b"another one of sixteen")
    changed = re.sub(r'"seq": 1,', '"seq": 2,', mine)
    for line in (unsigned, other, changed):
        told = read(log, mine + line)
        assert told.uses == {use_key(): used(3)}
        assert told.lost == 1
        with pytest.raises(LedgerError, match="that is signed with ATJWT_LEDGER_KEY"):
            read(log, line)
    for short in ("", "x" * 15):
        monkeypatch.setenv("ATJWT_LEDGER_KEY", short)
        for url in (f"lines:{log}", "stdout:"):
            with pytest.raises(ConfigurationError, match="16 characters at least"):
                open_store(url)


@pytest.mark.parametrize(
    "spoilt",
    [
        '{"atjwt_ledger": 1}', '{"atjwt_ledger": 1, "instance": 5, "seq": 1, "at": 1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": "1", "at": 1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": NaN}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "uses": [[1]]}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "uses": 5}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "heartbeats": [{}]}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 0, "at": 1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "at": 1, "lost": -1}',
        '{"atjwt_ledger": 1, "instance": "a", "seq": 1, "x": ' + "[" * 99_999 + "]" * 99_999 + "}",
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


def test_a_fork_while_a_line_is_being_written(log: Path) -> None:
    """An output that hangs in the parent holds up no child; each of them counts once."""
    program = f"""
import io, os, sys, threading
from atjwt.migration.lines_store import StdoutStore
from tools.ledgers import NOW, batch
parent, entered, going_on = os.getpid(), threading.Event(), threading.Event()
class Hanging(io.StringIO):
    def write(self, text):
        if os.getpid() == parent:
            entered.set()
            assert going_on.wait(30)
        with open({str(log)!r}, "a") as file:
            return file.write(text)
sys.stdout = Hanging()
store = StdoutStore(clock=lambda: NOW)
thread = threading.Thread(target=store.write, args=(batch(1),))
thread.start()
assert entered.wait(30)
if (child := os.fork()) == 0:
    import signal
    signal.alarm(10)
    store.write(batch(10))
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
going_on.set()
thread.join()
"""
    tests = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([tests, *sys.path])}
    subprocess.run([sys.executable, "-c", program], env=environment, check=True)
    told = read_ledgers([f"lines:{log}"])
    assert told.uses[use_key()].requests == 11
    assert told.lost == 2 * 4
