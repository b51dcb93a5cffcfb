"""What a process has written to a ledger, by which it notes that the ledger is no longer the same.

A file that was deleted, or replaced by an older copy, and a Redis that was emptied, begin anew and know
nothing of it. Whoever had written there counts that as lost, in the one that is there now.

No lock is taken, which a fork would leave locked: what was known is looked at before the ledger is, so
that what another thread writes in between makes the ledger only newer.
"""

import os
from dataclasses import dataclass

from atjwt.events import logger


@dataclass(frozen=True, slots=True)
class Known:
    """What a process knows of a ledger.

    ledger: its id, None where nothing was written yet. mark: a number in it that never becomes
    smaller, as it was last seen. requests: so many were written.
    """

    pid: int
    ledger: str | None = None
    mark: float = 0.0
    requests: int = 0

    def lost(self, ledger: str | None, mark: float) -> int:
        """How many requests are not in there any more, by the id and the mark that it has now."""
        is_same = ledger == self.ledger and mark >= self.mark
        return 0 if is_same or self.ledger is None else self.requests


class Written:
    """Remembers what was written to one store.

    name: what a message calls the ledger.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._known = Known(os.getpid())

    def known(self) -> Known:
        """What is known, before the ledger is looked at."""
        if self._known.pid != os.getpid():  # forked: the parent tells what it has written
            self._known = Known(os.getpid())
        return self._known

    def add(self, ledger: str, mark: float, requests: int, lost: int) -> None:
        """Takes note of what has just been written, and logs what was lost before."""
        before = self._known
        if ledger != before.ledger or lost:
            before = Known(os.getpid())
        self._known = Known(os.getpid(), ledger, max(mark, before.mark), before.requests + requests)
        if lost:
            logger.error(
                "%s was replaced while in use: %d counts that were written to it are lost",
                self._name, lost, extra={"event": "ledger_replaced", "lost": lost},
            )  # fmt: skip
