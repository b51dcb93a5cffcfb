"""Where a ledger is kept. A store adds batches up, keeps the steps in order, and gives all of it back.

    sqlite:///path      one file, for all processes of one host (an absolute path has a fourth slash)
    redis://host/0      for many hosts (the extra `redis`); rediss:// with TLS
    lines:path          JSON lines, as collected from the stdout of many processes; `lines:-` is stdin
    stdout:             writes such lines; cannot be read

What is wrong with one is a `LedgerError`, whose text says what to do and holds no password.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from atjwt.errors import ConfigurationError
from atjwt.migration.account import Account
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError, Memory, Store

__all__ = ["LedgerError", "Memory", "Store", "open_store", "read_ledgers"]


def open_store(url: str) -> Store:
    """The store that a URL names; nothing is opened or made before it is used.

    Raises ConfigurationError: the URL names none. LedgerError: an extra is not installed.
    """
    scheme, colon, rest = url.partition(":") if isinstance(url, str) else ("", "", "")
    if not colon or scheme not in _OPENERS:
        raise ConfigurationError(
            ["a ledger is named by a URL such as sqlite:///ledger.db, redis://host/0, stdout: or"
             " lines:FILE"]
        )  # fmt: skip
    return _OPENERS[scheme](rest)


def read_ledgers(urls: Iterable[str]) -> Account:
    """What several ledgers hold together.

    Raises ConfigurationError, LedgerError: one cannot be read; two are copies of one; one was written
    by a newer version.
    """
    accounts: list[Account] = []
    for url in dict.fromkeys(urls):
        store = open_store(url)
        try:
            accounts.append(store.read())
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
    return whole


def _sqlite(rest: str) -> Store:
    path = rest.removeprefix("///")
    if not rest.startswith("///") or not path.strip("/") or path.endswith("/"):
        raise ConfigurationError(
            ["sqlite: name a file: sqlite:///ledger.db, or sqlite:////var/lib/ledger.db with its"
             " whole path"]
        )  # fmt: skip
    if path.startswith((":memory:", "file:")) or "?" in path or "\0" in path:
        raise ConfigurationError(["sqlite: name a file by its path, without options"])
    return SqliteStore(path)


_OPENERS: Final[Mapping[str, Callable[[str], Store]]] = {"sqlite": _sqlite}
"""By the scheme of the URL: what is made of the text after its colon."""
