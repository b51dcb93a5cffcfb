"""What a store of a ledger is, and the one that is kept in memory.

A store adds batches up, keeps the steps in order, and gives all of it back.
"""

from typing import Protocol

from atjwt.migration.account import Account, Batch, Origin, Step


class LedgerError(Exception):
    """A ledger cannot be read or written. The text says why, and what to do."""


class NotBegun(LedgerError):
    """Nobody has written to it yet."""


class Store(Protocol):
    """Keeps what several processes count. What has returned is kept; all raise LedgerError."""

    @property
    def name(self) -> str:
        """What a message calls it, without a password."""

    def write(self, batch: Batch) -> None:
        """Adds what a process has counted, and replaces its heartbeats. All of it or nothing."""

    def record(self, step: Step) -> None:
        """Adds a step."""

    def read(self) -> Account:
        """All that it holds, at one moment."""

    def close(self) -> None:
        """Lets go of what was opened."""


class Memory:
    """A store that is gone with the process; for tests."""

    name = "memory"

    def __init__(self) -> None:
        self._account = Account(origins=(Origin(self.name, f"memory-{id(self)}", 0.0),))

    def write(self, batch: Batch) -> None:
        """See `Store`."""
        self._account = self._account.with_batch(batch)

    def record(self, step: Step) -> None:
        """See `Store`."""
        self._account = Account.merged([self._account, Account(steps=(step,))])

    def read(self) -> Account:
        """See `Store`."""
        return self._account

    def close(self) -> None:
        """See `Store`."""
