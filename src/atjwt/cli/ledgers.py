"""The ledgers that a step goes on with: all are read, and the first that can keeps what is done."""

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from atjwt.cli.step import command as step_command
from atjwt.cli.step import ledgers

if TYPE_CHECKING:
    from atjwt.migration.account import Account, Batch, Step
    from atjwt.migration.store import Store


class Ledgers:
    """Several ledgers as one store. See `atjwt.migration.store.Store`.

    urls: at least one. Raises ConfigurationError: one is none. LedgerError: an extra is missing.
    """

    def __init__(self, urls: Sequence[str]) -> None:
        from atjwt.migration.lines_store import LinesStore
        from atjwt.migration.stores import open_store

        self._urls = tuple(urls)
        stores = [open_store(url) for url in self._urls]
        keeping = [store for store in stores if not isinstance(store, LinesStore)]
        self._first: Store = (keeping or stores)[0]

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


def command(arguments: argparse.Namespace, step: str, api: str, *words: str) -> str:
    """The command for another step of the same API, with what was named. words: further arguments."""
    named = (("--issuer", arguments.issuer), ("--domain", arguments.domain))
    same = [word for name, value in named if value is not None for word in (name, value)]
    return step_command(arguments, step, api, *words, *same)
