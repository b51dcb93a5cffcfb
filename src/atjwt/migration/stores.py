"""Where a ledger is kept. A store adds batches up, keeps the steps in order, and gives all of it back.

    sqlite:///path      one file, for all processes of one host (an absolute path has a fourth slash)
    redis://host/0      for many hosts (the extra `redis`); rediss:// with TLS
    lines:path          JSON lines, as collected from the stdout of many processes; `lines:-` is stdin
    stdout:             writes such lines; cannot be read

A blank in a path is written as %20. Lines keep no steps; the environment variable ATJWT_LEDGER_KEY has
them signed, and only signed ones read.
What is wrong with one is a `LedgerError`, whose text says what to do and holds no password.
"""

import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias
from urllib.parse import unquote

from atjwt.errors import ConfigurationError
from atjwt.migration.account import Account
from atjwt.migration.lines_store import LinesStore, StdoutStore
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError, Memory, NotBegun, Store

__all__ = ["LedgerError", "Memory", "Store", "open_store", "read_ledgers"]


Clock: TypeAlias = Callable[[], float]

_SHORTEST_KEY: Final = 16  # characters of ATJWT_LEDGER_KEY


def open_store(url: str, *, clock: Clock = time.time) -> Store:
    """The store that a URL names; nothing is opened or made before it is used.

    clock: seconds since 1970, by which it tells what is old.
    Raises ConfigurationError: the URL names none, or several. LedgerError: an extra is not installed.
    """
    scheme, colon, _ = url.partition(":") if isinstance(url, str) else ("", "", "")
    if not colon or scheme not in _OPENERS:
        raise ConfigurationError(
            ["a ledger is named by a URL such as sqlite:///ledger.db, redis://host/0, stdout: or"
             " lines:FILE; a blank in a path is %20"]
        )  # fmt: skip
    if any(word.partition(":")[0] in _OPENERS and ":" in word for word in url.split()[1:]):
        raise ConfigurationError(
            ["these are several ledgers: a service writes to one, and a command reads each that an"
             " --ledger of its own names"]
        )  # fmt: skip
    return _OPENERS[scheme](url, clock)


def read_ledgers(urls: Iterable[str]) -> Account:
    """What several ledgers hold together. A line that stands in several logs counts once.

    Beside logs, which keep no steps, a ledger that is there for these need not be begun; and one that
    holds nothing but steps is no witness of what came, and not among the origins.

    Raises ConfigurationError, LedgerError: one cannot be read; two are copies of one; one was written
    by a newer version.
    """
    stores = [open_store(url) for url in dict.fromkeys(urls)]
    logs = [path for store in stores if type(store) is LinesStore for path in store.paths]
    stores = [store for store in stores if type(store) is not LinesStore]
    stores += [LinesStore(*logs, key=_key())] if logs else []
    accounts: list[Account] = []
    for store in stores:
        try:
            accounts.append(store.read())
        except NotBegun:
            if not logs:
                raise
        finally:
            store.close()
    whole = Account.merged(accounts)
    names: dict[str, str] = {}
    for origin in whole.origins:
        if origin.id in names:
            raise LedgerError(
                f"{names[origin.id]} and {origin.name} are copies of one ledger, and would count"
                " twice: give one of them"
            )
        names[origin.id] = origin.name
    witnesses = [account for account in accounts if _counts(account)] or accounts
    origins = tuple(origin for account in witnesses for origin in account.origins)
    return replace(whole, origins=origins)


def _counts(account: Account) -> bool:
    """Whether a service writes to it."""
    return bool(account.uses or account.refusals or account.heartbeats or account.lost)


def _key() -> bytes | None:
    """By which lines are signed. Raises ConfigurationError: it is too short to be one."""
    key = os.environ.get("ATJWT_LEDGER_KEY")
    if key is not None and len(key) < _SHORTEST_KEY:
        raise ConfigurationError(
            [f"ATJWT_LEDGER_KEY: give {_SHORTEST_KEY} characters at least, such as those of `openssl"
             " rand -hex 32`"]
        )  # fmt: skip
    return None if key is None else os.fsencode(key)


def _sqlite(url: str, clock: Clock) -> Store:
    rest = url.removeprefix("sqlite:")
    path = unquote(rest.removeprefix("///"))
    if not rest.startswith("///") or not path.strip("/") or path.endswith("/"):
        raise ConfigurationError(
            ["sqlite: name a file: sqlite:///ledger.db, or sqlite:////var/lib/ledger.db with its"
             " whole path"]
        )  # fmt: skip
    if path.startswith((":memory:", "file:")) or "?" in path or "\0" in path:
        raise ConfigurationError(["sqlite: name a file by its path, without options"])
    return SqliteStore(path, clock=clock)


def _redis(url: str, clock: Clock) -> Store:
    try:
        from atjwt.migration.redis_store import RedisStore
    except ImportError as error:
        if error.name != "redis":
            raise
        raise LedgerError('a ledger in Redis takes an extra: pip install "atjwt[redis]"') from None
    return RedisStore(url, clock=clock)


def _lines(url: str, clock: Clock) -> Store:
    path = unquote(url.removeprefix("lines:"))
    if not path or "\0" in path:
        raise ConfigurationError(["lines: name a file, lines:FILE, or stdin, lines:-"])
    return LinesStore(path, key=_key(), clock=clock)


def _stdout(url: str, clock: Clock) -> Store:
    if url != "stdout:":
        raise ConfigurationError(["stdout: nothing stands after the colon"])
    return StdoutStore(key=_key(), clock=clock)


_OPENERS: Final[Mapping[str, Callable[[str, Clock], Store]]] = {
    "sqlite": _sqlite, "redis": _redis, "rediss": _redis, "lines": _lines, "stdout": _stdout,
}  # fmt: skip
"""By the scheme of the URL."""
