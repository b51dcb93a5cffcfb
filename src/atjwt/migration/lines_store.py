"""A ledger as JSON lines: written to stdout by many processes, read back from where logs are collected.

    {"atjwt_ledger": 1, "instance": "…", "seq": 7, "at": …, "uses": [[…], …], …}

A line holds what was counted since the one before, and is short enough (4,000 bytes, but for what
cannot be cut) that a pipe passes it on in one piece and a log keeps it on one line. In a log such
lines stand among others, after a timestamp or the name of a container, inside another JSON object, or
twice; each counts once, by `instance` and `seq`. One that was cut off, or is missing between two
others, is counted as lost.
"""

import errno
import json
import os
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from hashlib import sha256
from itertools import chain
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Final, NoReturn

from atjwt.migration import rows
from atjwt.migration.account import Account, Batch, Origin, Step
from atjwt.migration.store import LedgerError

_VERSION: Final = 1
_LONGEST: Final = 4_000  # bytes; POSIX promises 4,096 for a pipe on Linux
_BEGINNING: Final = re.compile(r'\{"atjwt_ledger": ?(\d{1,9})')
_FRAGMENT: Final = re.compile(
    r'\{"atjwt_ledger": ?\d{1,9}, ?"instance": ?"([^"\\]*)", ?"seq": ?(\d{1,15})[,}]'
)
_DECODER: Final = json.JSONDecoder()
_STREAM: Final = "-"


class LinesStore:
    """A store of lines. See `atjwt.migration.store.Store`.

    paths: of files; `-` is stdin where it is read, and stdout where it is written. Several are read
        together, and cannot be written.
    clock: seconds since 1970.
    """

    interval = 60.0
    """Seconds between two writes, where nobody says otherwise: a log is read by people, too."""

    def __init__(self, *paths: str, clock: Callable[[], float] = time.time) -> None:
        self.paths = paths
        self._clock = clock
        self._lock = Lock()
        self._unsent: list[str] = []
        self._begin(os.getpid())

    @property
    def name(self) -> str:
        """See `Store`."""
        return f"the ledger lines {', '.join(self.paths)}"

    def write(self, batch: Batch) -> None:
        """See `Store`. Lines that cannot be written once others of the batch were, are written first
        the next time.
        """
        rest = {
            "uses": [[*key, *use] for key, use in batch.uses.items()],
            "refusals": [[*key, *refusals] for key, refusals in batch.refusals.items()],
            "heartbeats": [json.loads(rows.dumped(beat)) for beat in batch.heartbeats],
        }
        with self._lock:
            self._send_batch(_packed(rest), batch.lost)

    def record(self, step: Step) -> None:
        """See `Store`. A line of its own."""
        with self._lock:
            self._send_batch([{"steps": [json.loads(rows.dumped(step))]}], 0)

    def read(self) -> Account:
        """See `Store`."""
        gathered = _Gathered()
        origins = []
        for path in self.paths:
            try:
                mark = gathered.add(self._lines_of(path))
            except OSError as error:
                raise LedgerError(
                    f"the ledger lines {path} cannot be read: {error.strerror}"
                ) from None
            except _NewerVersion:
                raise LedgerError(
                    f"the ledger lines {path} were written by a newer version of atjwt: install that"
                    " one here too"
                ) from None
            if mark is None:
                raise LedgerError(
                    f"the ledger lines {path} hold no line of a ledger: does the service write to"
                    " stdout:, and is this its log?"
                )
            origins.append(Origin(f"the ledger lines {path}", *mark))
        return gathered.account(tuple(origins))

    def close(self) -> None:
        """See `Store`. Nothing is open between calls."""

    def _lines_of(self, path: str) -> Iterator[str]:
        if path == _STREAM:
            if sys.stdin is None:
                self._refuse("cannot be read: there is no stdin")
            yield from sys.stdin
            return
        with Path(path).open(encoding="utf-8", errors="replace") as file:
            yield from file

    def _begin(self, pid: int) -> None:
        self._pid = pid
        self._instance = f"{socket.gethostname()[:64]}:{pid}:{token_hex(6)}"
        self._seq = 0
        self._unsent = []

    def _send_batch(self, bodies: list[dict[str, list[object]]], lost: int) -> None:
        if os.getpid() != self._pid:
            self._begin(os.getpid())  # forked: the parent goes on with its numbers
        self._send_unsent()
        before = self._seq
        for place, body in enumerate(bodies or [{}]):
            self._seq += 1
            head = {"atjwt_ledger": _VERSION, "instance": self._instance, "seq": self._seq}
            told = {**head, "at": self._clock(), **body, "lost": 0 if place else lost}
            self._unsent.append(json.dumps(told) + "\n")
        count = len(self._unsent)
        try:
            self._send_unsent()
        except LedgerError:
            if len(self._unsent) == count:  # nothing of it is out
                self._unsent, self._seq = [], before
                raise

    def _send_unsent(self) -> None:
        while self._unsent:
            try:
                self._send(self._unsent[0])
            except (OSError, ValueError) as error:  # ValueError: stdout was closed
                why = getattr(error, "strerror", None) or "it is closed"
                self._refuse(f"cannot be written: {why}")
            del self._unsent[0]

    def _send(self, line: str) -> None:
        if len(self.paths) != 1:
            self._refuse("cannot be written: name one file")
        if self.paths[0] != _STREAM:
            file = os.open(self.paths[0], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                if os.write(file, line.encode("ascii")) < len(line):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            finally:
                os.close(file)
        elif sys.stdout is None:
            self._refuse("cannot be written: there is no stdout")
        else:
            sys.stdout.write(line)
            sys.stdout.flush()

    def _refuse(self, why: str) -> NoReturn:
        raise LedgerError(f"{self.name} {why}") from None


class StdoutStore(LinesStore):
    """Writes lines to stdout, for a log to collect; cannot be read."""

    def __init__(self, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(_STREAM, clock=clock)

    @property
    def name(self) -> str:
        """See `Store`."""
        return "the ledger on stdout"

    def record(self, step: Step) -> None:
        """Raises LedgerError: nobody would find it there."""
        self._refuse("keeps no steps: name lines:FILE, or a ledger of another kind")

    def read(self) -> Account:
        """Raises LedgerError."""
        self._refuse("cannot be read: read its log back, with lines:FILE or lines:-")


class _NewerVersion(Exception):
    """A line was written by a newer version."""


class _Gathered:
    """What was read until now."""

    def __init__(self) -> None:
        self._seen: dict[str, set[int]] = {}
        self._cut: set[tuple[str, int]] = set()
        self._parts: list[Account] = []
        self._whole = Account()

    def add(self, lines: Iterable[str]) -> tuple[str, float] | None:
        """Reads a log. Returns what tells it from others, and when it was last written to.

        Raises OSError; _NewerVersion.
        """
        marks: set[tuple[str, int]] = set()
        updated = 0.0
        for told in chain.from_iterable(map(self._found, lines)):
            try:
                instance, seq, at, part = _read(told)
            except (KeyError, TypeError, ValueError, RecursionError):
                continue
            marks.add((instance, seq))
            updated = max(updated, at)
            known = self._seen.setdefault(instance, set())
            if seq not in known:
                known.add(seq)
                self._keep(part)
        if not marks:
            return None
        return sha256(repr(sorted(marks)).encode()).hexdigest()[:32], updated

    def account(self, origins: tuple[Origin, ...]) -> Account:
        """All of it."""
        missing = sum(max(seen) - min(seen) + 1 - len(seen) for seen in self._seen.values())
        for instance, seq in self._cut:
            seen = self._seen.get(instance, {0})
            missing += not min(seen) <= seq <= max(seen)
        return Account.merged([self._whole, *self._parts, Account(origins=origins, lost=missing)])

    def _keep(self, part: Account) -> None:
        self._parts.append(part)
        if len(self._parts) >= 1_000:
            self._whole = Account.merged([self._whole, *self._parts])
            self._parts.clear()

    def _found(self, text: str, depth: int = 0) -> Iterator[object]:
        """The objects of ours in a line of a log, whatever else it holds."""
        if "atjwt_ledger" not in text:
            return
        is_plain = False
        for match in _BEGINNING.finditer(text):
            is_plain = True
            if int(match[1]) > _VERSION:
                raise _NewerVersion
            try:
                yield _DECODER.raw_decode(text, match.start())[0]
            except (ValueError, RecursionError):
                fragment = _FRAGMENT.match(text, match.start())
                if fragment:
                    self._cut.add((fragment[1], int(fragment[2])))
        if not is_plain and depth < 3:
            for inner in _strings_in(text):
                yield from self._found(inner, depth + 1)


def _strings_in(text: str) -> Iterator[str]:
    """The strings of a JSON object in a line, such as a container runtime makes of each line."""
    try:
        outer = _DECODER.raw_decode(text, text.index("{"))[0]
    except (ValueError, RecursionError):
        return
    values = list(outer.values()) if isinstance(outer, dict) else []
    for value in values:
        inner = value.values() if isinstance(value, dict) else (value,)
        yield from (each for each in inner if isinstance(each, str))


def _read(told: object) -> tuple[str, int, float, Account]:
    if not isinstance(told, dict):
        raise TypeError("no JSON object")
    lines = {name: told.get(name, []) for name in ("uses", "refusals", "heartbeats", "steps")}
    part = Account(
        uses={rows.use_key(row[:8]): rows.use(row[8:]) for row in lines["uses"]},
        refusals={rows.refusal_key(row[:6]): rows.refusals(row[6:]) for row in lines["refusals"]},
        heartbeats=tuple(map(rows.heartbeat, lines["heartbeats"])),
        steps=tuple(map(rows.step, lines["steps"])),
        lost=rows.whole(told.get("lost", 0)),
    )
    return rows.text(told["instance"]), rows.whole(told["seq"]), rows.number(told["at"]), part


def _packed(members: dict[str, list[object]]) -> list[dict[str, list[object]]]:
    """Spreads rows over as many lines as they need."""
    bodies: list[dict[str, list[object]]] = [{}]
    room = _LONGEST - 400  # for the head
    left = room
    for name, listed in members.items():
        for row in listed:
            size = len(json.dumps(row)) + 2
            if size > left and bodies[-1]:
                bodies.append({})
                left = room
            bodies[-1].setdefault(name, []).append(row)
            left -= size
    return bodies
