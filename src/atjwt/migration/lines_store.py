"""A ledger as JSON lines: written to stdout by many processes, read back from where logs are collected.

    {"atjwt_ledger": 1, "instance": "…", "seq": 7, "at": …, "uses": [[…], …], …}

A line holds what was counted since the one before, and is short enough (4,000 bytes, but for what
cannot be cut) that a pipe passes it on in one piece and a log keeps it on one line. In a log such
lines stand among others, after a timestamp or the name of a container, inside another JSON object, or
twice (`lines.py`). It holds no steps: whoever can write to a log could make the moment come early.
"""

import errno
import json
import os
import socket
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from secrets import token_hex
from threading import Lock
from typing import Final, NoReturn

from atjwt.migration import rows
from atjwt.migration.account import Account, Batch, Origin, Step
from atjwt.migration.lines import VERSION, Gathered, NewerVersion, packed, written
from atjwt.migration.store import LedgerError

_STREAM: Final = "-"


class LinesStore:
    """A store of lines. See `atjwt.migration.store.Store`.

    paths: of files; `-` is stdin where it is read, and stdout where it is written. Several are read
        together, and cannot be written.
    key: by which each line is signed, and without which none is read; None for neither.
    clock: seconds since 1970.
    """

    interval = 60.0
    """Seconds between two writes, where nobody says otherwise: a log is read by people, too."""

    def __init__(
        self, *paths: str, key: bytes | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        self.paths = paths
        self._key = key
        self._clock = clock
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
        if os.getpid() != self._pid:
            self._begin(os.getpid())  # forked: the parent goes on with its numbers
        with self._lock:
            self._send_batch(packed(rest), batch.lost)

    def record(self, step: Step) -> None:
        """Raises LedgerError: it keeps none."""
        self._refuse(
            "keeps no steps: name another ledger for them too, such as --ledger sqlite:///migration.db"
            " --ledger lines:FILE"
        )

    def read(self) -> Account:
        """See `Store`."""
        gathered = Gathered(self._key, self._clock())
        origins = []
        for path in self.paths:
            try:
                mark = gathered.add(self._lines_of(path))
            except OSError as error:
                raise LedgerError(
                    f"the ledger lines {path} cannot be read: {error.strerror}"
                ) from None
            except NewerVersion:
                raise LedgerError(
                    f"the ledger lines {path} were written by a newer version of atjwt: install that"
                    " one here too"
                ) from None
            if mark is None:
                signed = "" if self._key is None else " that is signed with ATJWT_LEDGER_KEY"
                raise LedgerError(
                    f"the ledger lines {path} hold no line of a ledger{signed}: does the service write"
                    " to stdout:, and is this its log?"
                )
            origins.append(Origin(f"the ledger lines {path}", *mark))
        return gathered.account(tuple(origins))

    def close(self) -> None:
        """See `Store`. Nothing is open between calls."""

    def _lines_of(self, path: str) -> Iterator[str]:
        if path == _STREAM:
            if sys.stdin is None:
                self._refuse("cannot be read: there is no stdin")
            for line in sys.stdin.buffer:
                yield line.decode(errors="replace")
            return
        with Path(path).open("rb") as file:  # no other character than \n ends a line
            for line in file:
                yield line.decode(errors="replace")

    def _begin(self, pid: int) -> None:
        self._pid = pid
        self._lock = Lock()
        self._instance = f"{socket.gethostname()[:64]}:{pid}:{token_hex(6)}"
        self._seq = 0
        self._unsent = []

    def _send_batch(self, bodies: list[dict[str, list[object]]], lost: int) -> None:
        self._send_unsent()
        before = self._seq
        for place, body in enumerate(bodies or [{}]):
            self._seq += 1
            head = {"atjwt_ledger": VERSION, "instance": self._instance, "seq": self._seq}
            told = {**head, "at": self._clock(), **body, "lost": 0 if place else lost}
            self._unsent.append(written(told, self._key))
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

    def __init__(self, *, key: bytes | None = None, clock: Callable[[], float] = time.time) -> None:
        super().__init__(_STREAM, key=key, clock=clock)

    @property
    def name(self) -> str:
        """See `Store`."""
        return "the ledger on stdout"

    def read(self) -> Account:
        """Raises LedgerError."""
        self._refuse("cannot be read: read its log back, with lines:FILE or lines:-")
