"""A ledger in one SQLite file, for all processes of one host.

Each call opens the file, does one transaction and closes it: a write every few seconds costs little
so, a fork finds nothing open, and a file that was moved away is made anew. Readers and writers do not
wait for each other (WAL), which needs memory that processes share: no network filesystem.

The file is made for its owner alone (mode 0600) and known by its `application_id`; one of something
else is never written to.
"""

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NoReturn

from atjwt.migration import rows
from atjwt.migration import sqlite_tables as tables
from atjwt.migration.account import Account, Batch, Origin, Step
from atjwt.migration.pruning import MOST_ROWS
from atjwt.migration.store import LedgerError, NotBegun
from atjwt.migration.written import Written

_NOT_WRITABLE: Final = "cannot be written to: make it, and its folder, writable for this process"
_DAMAGED: Final = (
    "is damaged: move it away, and a new one is begun, without the steps recorded in this one: if there"
    " is a backup, put that in its place"
)
_SENTENCES: Final = {
    sqlite3.SQLITE_ERROR: _DAMAGED,  # a table is missing
    sqlite3.SQLITE_BUSY: "is locked by another process: end that one, or wait for it",
    sqlite3.SQLITE_READONLY: _NOT_WRITABLE,
    sqlite3.SQLITE_PERM: _NOT_WRITABLE,
    sqlite3.SQLITE_CANTOPEN: "cannot be opened: look at the permissions of it and of its folder",
    sqlite3.SQLITE_FULL: "is full, or the disk is: make room, or move it away",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk has trouble",
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: "is a file of something else: name another one",
}

_CANNOT_MAKE: Final = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN}
"""What a reader meets where the files that readers and writers share cannot be made."""


class SqliteStore:
    """A store in a file. See `atjwt.migration.store.Store`.

    path: of the file; made when it is first written to, its folder is not.
    clock: seconds since 1970. most_rows: beyond which the oldest hours fold.
    most_bytes: of the file. patience: seconds to wait for other processes.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        most_rows: int = MOST_ROWS,
        most_bytes: int = 512 * 1024 * 1024,
        patience: float = 5,
    ) -> None:
        self.path = Path(path)
        self._file = self.path.absolute()  # wherever the process goes
        self._clock = clock
        self._most_rows = most_rows
        self._most_bytes = most_bytes
        self._patience = patience
        self._written = Written(self.name)

    @property
    def name(self) -> str:
        """See `Store`."""
        return f"the ledger {self.path}"

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        now, known = self._clock(), self._written.known()
        with self._writing() as connection:
            gone = known.lost(*tables.mark(connection))
            tables.add(connection, batch)
            tables.prune(connection, now, self._most_rows)
            tables.lose(connection, now, batch.lost + gone)
            tables.touch(connection, now)
            mark = tables.mark(connection)
        self._written.add(*mark, batch.requests, gone)

    def record(self, step: Step) -> None:
        """See `Store`."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO steps VALUES (?)", (rows.dumped(step),))

    def read(self) -> Account:
        """See `Store`."""
        with self._reading() as connection:
            if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
                self._refuse(_DAMAGED)
            meta = dict(connection.execute("SELECT name, value FROM meta"))
            uses = connection.execute("SELECT * FROM uses").fetchall()
            refusals = connection.execute("SELECT * FROM refusals").fetchall()
            beats = connection.execute("SELECT body FROM heartbeats ORDER BY 1").fetchall()
            steps = connection.execute("SELECT body FROM steps ORDER BY rowid").fetchall()
            whole = Account(
                uses={rows.use_key(row[:8]): rows.use(row[8:]) for row in uses},
                refusals={rows.refusal_key(row[:6]): rows.refusals(row[6:]) for row in refusals},
                heartbeats=tuple(rows.heartbeat(body) for (body,) in beats),
                steps=tuple(rows.step(body) for (body,) in steps),
                origins=(Origin(self.name, str(meta["id"]), float(meta["updated"])),),
                lost=int(meta["lost"]),
                lost_at=float(meta.get("lost_at", 0)),
            )
        return Account.merged([whole])  # in order

    def close(self) -> None:
        """See `Store`. Nothing is open between calls."""

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction that writes; the file is made if there is none."""
        with self._telling():
            self._make()
            with closing(self._connect("rw")) as connection:
                if not self._is_empty(connection):
                    self._check(connection)
                if connection.execute("PRAGMA journal_mode").fetchone() != ("wal",):
                    _become_wal(connection, self._patience)
                (size,) = connection.execute("PRAGMA page_size").fetchone()
                connection.execute(f"PRAGMA max_page_count = {self._most_bytes // size}")
                connection.execute("BEGIN IMMEDIATE")
                if self._is_empty(connection):
                    tables.create(connection)
                yield connection
                connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction that reads; nothing is made."""
        with self._telling():
            self._look()
            with closing(self._open_to_read()) as connection:
                if self._is_empty(connection):
                    raise NotBegun(
                        f"{self.name} is empty: has a service with this ledger been started?"
                    )
                self._check(connection)
                yield connection

    def _open_to_read(self) -> sqlite3.Connection:
        connection = self._connect("ro")
        try:
            connection.execute("BEGIN")
            connection.execute("PRAGMA schema_version").fetchone()
        except sqlite3.Error as error:
            connection.close()
            if error.sqlite_errorcode & 0xFF not in _CANNOT_MAKE or self._has_wal():
                raise
            connection = self._connect("ro&immutable=1")  # nothing changes on such a disk
            connection.execute("BEGIN")
        return connection

    def _has_wal(self) -> bool:
        return Path(f"{self._file}-wal").exists()

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._file.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._patience,
            isolation_level=None,  # transactions begin and end where it says so
        )

    def _make(self) -> None:
        try:
            os.close(os.open(self._file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        except FileExistsError:
            self._look()
        except FileNotFoundError:
            self._refuse("cannot be made: make its folder first")

    def _look(self) -> None:
        if self._file.is_dir():
            self._refuse("is a folder: name a file in it")
        if not self._file.exists():
            raise NotBegun(
                f"{self.name} is not there: has a service with this ledger been started, on this host?"
            )

    def _is_empty(self, connection: sqlite3.Connection) -> bool:
        found: tuple[int] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return found == (0,)

    def _check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != tables.APPLICATION_ID:
            self._refuse("is a database of something else: name another file")
        if version > tables.VERSION:
            self._refuse("was written by a newer version of atjwt: install that one here too")
        if version < tables.VERSION:
            self._refuse("was written by an older version of atjwt: move it away, and begin anew")

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Makes what SQLite and the system raise a LedgerError; the transaction is undone."""
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            self._refuse(_SENTENCES.get(code, f"cannot be used ({type(error).__name__})"))
        except OSError as error:
            self._refuse(f"cannot be opened: {error.strerror}")
        except (KeyError, TypeError, ValueError, RecursionError):  # of what was read
            self._refuse(_DAMAGED)

    def _refuse(self, why: str) -> NoReturn:
        raise LedgerError(f"{self.name} {why}") from None


def _become_wal(connection: sqlite3.Connection, patience: float) -> None:
    # SQLite does not wait here when another process does the same.
    end = time.monotonic() + patience
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return
