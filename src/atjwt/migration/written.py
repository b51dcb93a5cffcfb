"""What a process has written to a ledger, by which it notes that the ledger is no longer the same.

A file that was deleted, or replaced by an older copy, and a Redis that was emptied, begin anew and know
nothing of it. Whoever had written there counts that as lost, in the one that is there now.
"""

import os

from atjwt.events import logger


class Written:
    """Remembers, for one store of one process.

    name: what a message calls the ledger.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self._pid = os.getpid()
        self._ledger: str | None = None
        self._mark = 0.0
        self._requests = 0

    def lost(self, ledger: str | None, mark: float) -> int:
        """How many requests were written and are not in there any more.

        ledger: its id, None where there is none yet. mark: a number in it that never becomes smaller.
        """
        if self._pid != os.getpid():  # forked: the parent tells what it has written
            self._pid, self._ledger = os.getpid(), None
        is_same = ledger == self._ledger and mark >= self._mark
        return 0 if is_same or self._ledger is None else self._requests

    def add(self, ledger: str, mark: float, requests: int, lost: int) -> None:
        """Takes note of what has just been written, and logs what was lost before."""
        if ledger != self._ledger or lost:
            self._requests = 0
        self._ledger, self._mark = ledger, mark
        self._requests += requests
        if lost:
            logger.error(
                "%s was replaced while in use: %d counts that were written to it are lost",
                self._name, lost, extra={"event": "ledger_replaced", "lost": lost},
            )  # fmt: skip
