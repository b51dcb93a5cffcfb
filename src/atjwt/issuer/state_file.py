"""A store that survives a restart: one SQLite file, which one issuer at a time has to itself.

The signing keys and the clients' secrets are in it, so it is made for its owner alone (mode 0600),
and one that others may read is refused. It is known by its `application_id`; a file of something
else is never written to.
"""

import json
import os
import sqlite3
import stat
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock
from typing import Final, NoReturn

from atjwt.errors import ConfigurationError
from atjwt.issuer.json_text import parse_json
from atjwt.issuer.store import Change, NotKept

_APPLICATION_ID: Final = 0x61746A77  # "atjw"
_VERSION: Final = 1
_MAGIC: Final = b"SQLite format 3\x00"
_SCHEMA: Final = f"""
BEGIN EXCLUSIVE;
CREATE TABLE documents (
    kind TEXT NOT NULL, name TEXT NOT NULL, body TEXT NOT NULL, UNIQUE (kind, name)
);
PRAGMA application_id = {_APPLICATION_ID};
PRAGMA user_version = {_VERSION};
COMMIT;
"""

_PUT: Final = (
    "INSERT INTO documents VALUES (?, ?, ?)"
    " ON CONFLICT (kind, name) DO UPDATE SET body = excluded.body"
)
_DROP: Final = "DELETE FROM documents WHERE kind = ? AND name = ?"

_DAMAGED: Final = "it is damaged; restore it, or delete it and begin anew"
_SENTENCES: Final = {
    sqlite3.SQLITE_ERROR: _DAMAGED,
    sqlite3.SQLITE_CORRUPT: _DAMAGED,
    sqlite3.SQLITE_NOTADB: _DAMAGED,
    sqlite3.SQLITE_BUSY: "another process has it; stop that one, or name another file",
    sqlite3.SQLITE_READONLY: "it cannot be written to; make it writable, or name another file",
    sqlite3.SQLITE_CANTOPEN: "it cannot be written to; make it writable, or name another file",
    sqlite3.SQLITE_FULL: "the disk is full; make room, or name another file",
    sqlite3.SQLITE_IOERR: "the system could not read or write it; keep it, look at the disk, try again",
}


class StateFile:
    """A store in a file. See `atjwt.issuer.store.Store`."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Opens the file, or makes it.

        Raises ConfigurationError: it cannot be opened, is of something else, damaged, in use, or
        open to others; says which, and what to do.
        """
        self.path = Path(path)
        self._lock = Lock()
        self._prepare()
        # Autocommit: a transaction is one where `write` says so.
        self._connection = sqlite3.connect(
            self.path, timeout=0, isolation_level=None, check_same_thread=False
        )
        try:
            self._take()
        except sqlite3.Error as error:
            self._connection.close()
            self._refuse(_why(error))
        except ConfigurationError:
            self._connection.close()
            raise

    @property
    def name(self) -> str:
        """What a message calls it."""
        return f"state file {self.path}"

    def all(self, kind: str) -> dict[str, dict[str, object]]:
        """The documents of a kind. Raises NotKept; ConfigurationError: one is damaged."""
        statement = "SELECT name, body FROM documents WHERE kind = ? ORDER BY rowid"
        try:
            with self._lock:
                rows = self._connection.execute(statement, (kind,)).fetchall()
        except sqlite3.Error as error:
            raise NotKept(f"{self.name}: {_why(error)}") from None
        return {name: self._read(body) for name, body in rows}

    def put(self, kind: str, name: str, body: Mapping[str, object]) -> None:
        """Keeps a document. Raises NotKept: it could not be, and the one before is there."""
        self.write([(kind, name, body)])

    def drop(self, kind: str, name: str) -> None:
        """Forgets a document, if there is one. Raises NotKept."""
        self.write([(kind, name, None)])

    def write(self, changes: Iterable[Change]) -> None:
        """Makes all changes in one transaction. Raises NotKept: none was made."""
        statements = [
            (_DROP, (kind, name)) if body is None else (_PUT, (kind, name, json.dumps(body)))
            for kind, name, body in changes
        ]
        try:
            with self._lock:
                try:
                    self._connection.execute("BEGIN")
                    for statement, values in statements:
                        self._connection.execute(statement, values)
                    self._connection.execute("COMMIT")
                except sqlite3.Error:
                    with suppress(sqlite3.Error):  # SQLite may have done so itself
                        self._connection.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            raise NotKept(f"{self.name}: {_why(error)}") from None

    def close(self) -> None:
        """Closes the file; another issuer may have it."""
        with self._lock:
            self._connection.close()

    def _prepare(self) -> None:
        """Makes the file if there is none, and looks at it otherwise."""
        try:
            try:
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            except FileExistsError:
                self._look()
        except OSError as error:
            self._refuse(f"it cannot be opened: {error.strerror}; name another file")

    def _look(self) -> None:
        if not stat.S_ISREG(self.path.stat().st_mode):  # to open a pipe may take for ever
            self._refuse("it is no regular file; name another one")
        with self.path.open("rb") as file:
            beginning = file.read(len(_MAGIC))
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        # Zeros: its making was interrupted, and SQLite has a journal to roll that back by.
        if beginning not in {b"", _MAGIC, bytes(len(_MAGIC))}:
            self._refuse("it is a file of something else; name another one")
        if os.name == "posix" and mode & 0o077:
            self._refuse("others may read it, and keys are in it; say chmod 600 to it")

    def _take(self) -> None:
        connection = self._connection
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN EXCLUSIVE")  # kept, in this mode, until the file is closed
        connection.execute("COMMIT")
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if (application, version, tables) == (0, 0, 0):  # empty, or its making was interrupted
            connection.executescript(_SCHEMA)
            return
        if application != _APPLICATION_ID:
            self._refuse("it is a database of something else; name another file")
        if version != _VERSION:
            self._refuse("it is of another version of atjwt; name another file, or delete it")
        if connection.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            self._refuse(_DAMAGED)

    def _read(self, body: str) -> dict[str, object]:
        try:
            value = parse_json(body)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            self._refuse(_DAMAGED)
        return value

    def _refuse(self, why: str) -> NoReturn:
        raise ConfigurationError([f"{self.name}: {why}"]) from None


def _why(error: sqlite3.Error) -> str:
    if isinstance(error, sqlite3.ProgrammingError):
        return "it was closed"
    code = getattr(
        error, "sqlite_errorcode", sqlite3.SQLITE_ERROR
    )  # without: text that is no UTF-8
    return _SENTENCES.get(code & 0xFF, f"SQLite refuses it, with code {code}; try again")
