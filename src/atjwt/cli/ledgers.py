"""The ledgers that a step goes on with: all of them are read, and the first keeps what is done."""

import argparse
import shlex
from collections.abc import Sequence
from typing import TYPE_CHECKING

from atjwt.cli.step import ledgers

if TYPE_CHECKING:
    from atjwt.migration.account import Account, Batch, Step
    from atjwt.migration.store import Store


class Ledgers:
    """Several ledgers as one store. See `atjwt.migration.store.Store`.

    urls: at least one. Raises ConfigurationError: one is none. LedgerError: an extra is missing.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        from atjwt.migration.stores import open_store

        self._urls = tuple(urls)
        self._first: Store = open_store(self._urls[0])

    @property
    def name(self) -> str:
        """See `Store`."""
        return self._first.name

    def write(self, batch: "Batch") -> None:
        """See `Store`."""
        self._first.write(batch)

    def record(self, step: "Step") -> None:
        """See `Store`."""
        self._first.record(step)

    def read(self) -> "Account":
        """See `Store`. Raises LedgerError also where two are copies of one."""
        from atjwt.migration.stores import read_ledgers

        return read_ledgers(self._urls)

    def close(self) -> None:
        """See `Store`."""
        self._first.close()


def ledgers_of(arguments: argparse.Namespace) -> Ledgers:
    """The ledgers that were named. Raises ConfigurationError: none was, or one is none."""
    from atjwt.errors import ConfigurationError

    urls = ledgers(arguments)
    if not urls:
        raise ConfigurationError(
            ["name the ledger: --ledger sqlite:///FILE, or the environment variable ATJWT_LEDGER"]
        )
    return Ledgers(urls)


def command(step: str, api: str, arguments: argparse.Namespace, *more: str) -> str:
    """The command for another step of the same API. A URL that may hold a password is left out."""
    words = ["atjwt", "migrate", step, api, *more]
    for url in arguments.ledger or ():
        words += ["--ledger", "URL" if "@" in url else url]
    if arguments.issuer is not None:
        words += ["--issuer", arguments.issuer]
    return shlex.join(words)
