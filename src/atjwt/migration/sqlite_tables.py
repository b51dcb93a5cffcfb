"""The tables of a ledger in SQLite, and what is done to them within one transaction."""
# ruff: noqa: S608 - every statement is put together of constants of this file

import sqlite3
from secrets import token_hex
from typing import Final

from atjwt.migration import rows
from atjwt.migration.account import Batch
from atjwt.migration.pruning import (
    DAY,
    GRACE,
    KEPT,
    MOST_HEARTBEATS,
    excess,
    fold,
    hour_of,
    without_clients,
)

APPLICATION_ID: Final = 0x61746A6C
"""By which a file is known: "atjl"."""

VERSION: Final = 1
"""Of the tables."""

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

_USE_KEY: Final = "hour, service, issuer, audience, profile, permissions, kind, client_id"
_REFUSAL_KEY: Final = "hour, service, issuer, audience, profile, reason"

_JOIN_USES: Final = f"""
    ON CONFLICT ({_USE_KEY}) DO UPDATE SET
    requests = requests + excluded.requests, first = min(first, excluded.first),
    last = max(last, excluded.last), expires = max(expires, excluded.expires),
    lifetime = max(lifetime, excluded.lifetime)"""
_JOIN_REFUSALS: Final = f"""
    ON CONFLICT ({_REFUSAL_KEY}) DO UPDATE SET
    requests = requests + excluded.requests, last = max(last, excluded.last)"""
_ADD_USE: Final = f"INSERT INTO uses VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) {_JOIN_USES}"
_ADD_REFUSALS: Final = f"INSERT INTO refusals VALUES (?, ?, ?, ?, ?, ?, ?, ?) {_JOIN_REFUSALS}"

_IN_HOURS: Final = f"hour % {DAY} AND hour < ?"
_USES_INTO_DAYS: Final = f"""
    INSERT INTO uses SELECT hour - hour % {DAY}, service, issuer, audience, profile, permissions, kind,
    client_id, sum(requests), min(first), max(last), max(expires), max(lifetime)
    FROM uses WHERE {_IN_HOURS} GROUP BY 1, 2, 3, 4, 5, 6, 7, 8 {_JOIN_USES}"""
_REFUSALS_INTO_DAYS: Final = f"""
    INSERT INTO refusals SELECT hour - hour % {DAY}, service, issuer, audience, profile, reason,
    sum(requests), max(last) FROM refusals WHERE {_IN_HOURS} GROUP BY 1, 2, 3, 4, 5, 6
    {_JOIN_REFUSALS}"""

_PUT_HEARTBEAT: Final = """
    INSERT INTO heartbeats VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT (service, instance, issuer, audience) DO UPDATE SET
    at = excluded.at, body = excluded.body WHERE excluded.at >= at"""


def create(connection: sqlite3.Connection) -> None:
    """Makes the tables of a new ledger."""
    for statement in _SCHEMA:
        connection.execute(statement)
    meta = {"id": token_hex(16), "updated": 0.0, "lost": 0, "lost_at": 0.0}
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")


def mark(connection: sqlite3.Connection) -> tuple[str, float]:
    """Which ledger it is, and when a service last wrote to it."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    return rows.text(meta["id"]), rows.number(meta["updated"])


def add(connection: sqlite3.Connection, batch: Batch) -> None:
    """Adds what is counted, and replaces heartbeats."""
    connection.executemany(_ADD_USE, [(*key, *use) for key, use in batch.uses.items()])
    connection.executemany(_ADD_REFUSALS, [(*key, *each) for key, each in batch.refusals.items()])
    connection.executemany(
        _PUT_HEARTBEAT, [(*beat.key, beat.at, rows.dumped(beat)) for beat in batch.heartbeats]
    )


def lose(connection: sqlite3.Connection, now: float, requests: int) -> None:
    """Takes note of so many that are lost, if any."""
    if requests:
        connection.execute("UPDATE meta SET value = value + ? WHERE name = 'lost'", (requests,))
        connection.execute("INSERT OR IGNORE INTO meta VALUES ('lost_at', 0)")
        connection.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'lost_at'", (now,))


def touch(connection: sqlite3.Connection, now: float) -> None:
    """Says when a service has written to it."""
    connection.execute("UPDATE meta SET value = max(value, ?) WHERE name = 'updated'", (now,))


def prune(connection: sqlite3.Connection, now: float, most: int) -> None:
    """Lets go what is old, and folds what is too much. most: uses, and refusals."""
    oldest = hour_of(now - KEPT)
    connection.execute("DELETE FROM uses WHERE hour < ? AND expires + ? < ?", (oldest, GRACE, now))
    _fold_uses(connection, "hour < ?", (oldest,), oldest)
    connection.execute("DELETE FROM refusals WHERE hour < ?", (oldest,))
    connection.execute("DELETE FROM heartbeats WHERE at < ?", (oldest,))
    connection.execute(
        "DELETE FROM heartbeats WHERE at <= (SELECT at FROM heartbeats ORDER BY at DESC LIMIT 1"
        " OFFSET ?)",
        (MOST_HEARTBEATS,),
    )
    _bound_uses(connection, now, most)
    _bound_refusals(connection, now, most)


def _bound_uses(connection: sqlite3.Connection, now: float, most: int) -> None:
    if _count(connection, "uses") > most:
        before = (hour_of(now - DAY),)
        connection.execute(_USES_INTO_DAYS, before)
        connection.execute(f"DELETE FROM uses WHERE {_IN_HOURS}", before)
    if (left := _count(connection, "uses")) > most:
        last = connection.execute(
            f"SELECT {_USE_KEY} FROM uses ORDER BY {_USE_KEY} LIMIT 1 OFFSET ?",
            (excess(left, most) - 1,),
        ).fetchone()
        where = f"({_USE_KEY}) <= (?, ?, ?, ?, ?, ?, ?, ?)"
        _fold_uses(connection, where, last, rows.whole(last[0]))


def _bound_refusals(connection: sqlite3.Connection, now: float, most: int) -> None:
    if _count(connection, "refusals") > most:
        before = (hour_of(now - DAY),)
        connection.execute(_REFUSALS_INTO_DAYS, before)
        connection.execute(f"DELETE FROM refusals WHERE {_IN_HOURS}", before)
    if (left := _count(connection, "refusals")) > most:
        last = connection.execute(
            f"SELECT {_REFUSAL_KEY} FROM refusals ORDER BY {_REFUSAL_KEY} LIMIT 1 OFFSET ?",
            (excess(left, most) - 1,),
        ).fetchone()
        where = f"({_REFUSAL_KEY}) <= (?, ?, ?, ?, ?, ?)"
        going = connection.execute(f"SELECT * FROM refusals WHERE {where}", last).fetchall()
        connection.execute(f"DELETE FROM refusals WHERE {where}", last)
        connection.executemany(_ADD_REFUSALS, [(last[0], *row[1:]) for row in going])


def _fold_uses(
    connection: sqlite3.Connection, where: str, values: tuple[object, ...], hour: int
) -> None:
    """Takes their clients from those uses, and gives them that hour."""
    going = connection.execute(f"SELECT * FROM uses WHERE {where}", values).fetchall()
    connection.execute(f"DELETE FROM uses WHERE {where}", values)
    counts = [(rows.use_key(row[:8]), rows.use(row[8:])) for row in going]
    folded = fold(counts, without_clients(hour))
    connection.executemany(_ADD_USE, [(*key, *use) for key, use in folded.items()])


def _count(connection: sqlite3.Connection, table: str) -> int:
    (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
    return rows.whole(count)
