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
from secrets import token_hex
from typing import Any, Final, NoReturn

from atjwt.migration import rows
from atjwt.migration.account import Account, Batch, Origin, Step
from atjwt.migration.pruning import KEPT, MOST_HEARTBEATS, MOST_ROWS, excess, fold, hour_of
from atjwt.migration.store import LedgerError

_APPLICATION_ID: Final = 0x61746A6C  # "atjl"
_VERSION: Final = 1

_SCHEMA: Final = (
    "CREATE TABLE meta (name TEXT PRIMARY KEY, value NOT NULL) WITHOUT ROWID",
    """CREATE TABLE uses (
        hour INTEGER NOT NULL, service TEXT NOT NULL, issuer TEXT NOT NULL, audience TEXT NOT NULL,
        profile TEXT NOT NULL, permissions INTEGER NOT NULL, kind TEXT NOT NULL,
        client_id TEXT NOT NULL, requests INTEGER NOT NULL, first REAL NOT NULL, last REAL NOT NULL,
        expires REAL NOT NULL, lifetime REAL NOT NULL,
        PRIMARY KEY (hour, service, issuer, audience, profile, permissions, kind, client_id)
    ) WITHOUT ROWID""",
    """CREATE TABLE refusals (
        hour INTEGER NOT NULL, service TEXT NOT NULL, issuer TEXT NOT NULL, audience TEXT NOT NULL,
        profile TEXT NOT NULL, reason TEXT NOT NULL, requests INTEGER NOT NULL, last REAL NOT NULL,
        PRIMARY KEY (hour, service, issuer, audience, profile, reason)
    ) WITHOUT ROWID""",
    """CREATE TABLE heartbeats (
        service TEXT NOT NULL, instance TEXT NOT NULL, issuer TEXT NOT NULL, audience TEXT NOT NULL,
        at REAL NOT NULL, body TEXT NOT NULL, PRIMARY KEY (service, instance, issuer, audience)
    ) WITHOUT ROWID""",
    "CREATE INDEX heartbeats_by_age ON heartbeats (at)",
    "CREATE TABLE steps (body TEXT NOT NULL UNIQUE)",
)

_ADD_USE: Final = """
    INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (hour, service, issuer, audience, profile, permissions, kind, client_id)
    DO UPDATE SET
    requests = requests + excluded.requests, first = min(first, excluded.first),
    last = max(last, excluded.last), expires = max(expires, excluded.expires),
    lifetime = max(lifetime, excluded.lifetime)"""
_ADD_REFUSALS: Final = """
    INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    ON CONFLICT (hour, service, issuer, audience, profile, reason) DO UPDATE SET
    requests = requests + excluded.requests, last = max(last, excluded.last)"""
_DROP_USE: Final = """
    DELETE FROM uses WHERE (hour, service, issuer, audience, profile, permissions, kind, client_id)
    = (?, ?, ?, ?, ?, ?, ?, ?)"""
_DROP_REFUSALS: Final = """
    DELETE FROM refusals WHERE (hour, service, issuer, audience, profile, reason)
    = (?, ?, ?, ?, ?, ?)"""
_PUT_HEARTBEAT: Final = """
    INSERT INTO heartbeats VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (service, instance, issuer, audience) DO UPDATE SET
    at = excluded.at, body = excluded.body WHERE excluded.at >= at"""

_NOT_WRITABLE: Final = "cannot be written to: make it, and its folder, writable for this process"
_DAMAGED: Final = "is damaged: move it away, and a new one is begun"
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
    clock: seconds since 1970. most_rows: beyond which the oldest hours go.
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

    @property
    def name(self) -> str:
        """See `Store`."""
        return f"the ledger {self.path}"

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        now = self._clock()
        with self._writing() as connection:
            connection.executemany(_ADD_USE, [(*key, *use) for key, use in batch.uses.items()])
            connection.executemany(
                _ADD_REFUSALS, [(*key, *refusals) for key, refusals in batch.refusals.items()]
            )
            connection.executemany(
                _PUT_HEARTBEAT,
                [(*beat.key, beat.at, rows.dumped(beat)) for beat in batch.heartbeats],
            )
            lost = batch.lost + _prune(connection, now, self._most_rows)
            connection.execute("UPDATE meta SET value = value + ? WHERE name = 'lost'", (lost,))
            _touch(connection, now)

    def record(self, step: Step) -> None:
        """See `Store`."""
        with self._writing() as connection:
            connection.execute("INSERT OR IGNORE INTO steps VALUES (?)", (rows.dumped(step),))
            _touch(connection, self._clock())

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
                    _create(connection)
                yield connection
                connection.execute("COMMIT")

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        """One transaction that reads; nothing is made."""
        with self._telling():
            self._look()
            with closing(self._open_to_read()) as connection:
                if self._is_empty(connection):
                    self._refuse("is empty: has a service with this ledger been started?")
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
            self._refuse("is not there: has a service with this ledger been started, on this host?")

    def _is_empty(self, connection: sqlite3.Connection) -> bool:
        found: tuple[int] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        return found == (0,)

    def _check(self, connection: sqlite3.Connection) -> None:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if application != _APPLICATION_ID:
            self._refuse("is a database of something else: name another file")
        if version > _VERSION:
            self._refuse("was written by a newer version of atjwt: install that one here too")
        if version < _VERSION:
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
        except (KeyError, TypeError, ValueError):  # of what was read
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


def _create(connection: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        connection.execute(statement)
    meta = {"id": token_hex(16), "updated": 0.0, "lost": 0}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {_VERSION}")


def _touch(connection: sqlite3.Connection, now: float) -> None:
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'updated'", (now,))


def _prune(connection: sqlite3.Connection, now: float, most: int) -> int:
    """Lets go what is old or too much. Returns how many requests are lost by it."""
    oldest = hour_of(now - KEPT)
    old = connection.execute("SELECT * FROM uses WHERE hour < ?", (oldest,)).fetchall()
    _let_go(connection, old, now, oldest)  # of no use any more, so not lost
    connection.execute("DELETE FROM refusals WHERE hour < ?", (oldest,))
    connection.execute("DELETE FROM heartbeats WHERE at < ?", (oldest,))
    connection.execute(
        "DELETE FROM heartbeats WHERE at <= (SELECT at FROM heartbeats ORDER BY at DESC LIMIT 1"
        " OFFSET ?)",
        (MOST_HEARTBEATS,),
    )
    lost = 0
    (uses,) = connection.execute("SELECT count(*) FROM uses").fetchone()
    if uses > most:
        going = connection.execute(
            "SELECT * FROM uses ORDER BY hour LIMIT ?", (excess(uses, most),)
        ).fetchall()
        lost += _let_go(connection, going, now, going[-1][0])
    (refusals,) = connection.execute("SELECT count(*) FROM refusals").fetchone()
    if refusals > most:
        going = connection.execute(
            "SELECT * FROM refusals ORDER BY hour LIMIT ?", (excess(refusals, most),)
        ).fetchall()
        connection.executemany(_DROP_REFUSALS, [row[:6] for row in going])
        lost += sum(row[6] for row in going)
    return lost


def _let_go(connection: sqlite3.Connection, going: list[Any], now: float, hour: int) -> int:
    connection.executemany(_DROP_USE, [row[:8] for row in going])
    folded = fold([(rows.use_key(row[:8]), rows.use(row[8:])) for row in going], now, hour)
    connection.executemany(_ADD_USE, [(*key, *use) for key, use in folded.uses.items()])
    return folded.lost
