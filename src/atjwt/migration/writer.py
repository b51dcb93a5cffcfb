"""Writes down what a process has counted: a thread, now and then, and whoever asks for it.

What cannot be written is kept, within bounds, until it can. The thread runs while it is needed and is
a daemon: at the end of the interpreter it is still there, and is waited for, but not for long. After a
fork the child begins anew; the fork waits for a write under way, since what SQLite holds locked at
that moment would be locked in the child for ever.
"""

from collections.abc import Callable
from dataclasses import replace
from threading import Condition, Lock, Thread
from typing import Final, TypeAlias

from atjwt.events import logger
from atjwt.migration.account import HOUR, Account, Batch, Heartbeat
from atjwt.migration.pruning import bounded
from atjwt.migration.store import LedgerError, Store
from atjwt.migration.tally import Tally

Heartbeats: TypeAlias = dict[tuple[str, str, str, str], Heartbeat]
"""By their keys."""

_AT_THE_END: Final = 2.0  # seconds that a shutdown, or a fork, waits


class Writer:
    """Takes from a tally, and hands to a store.

    heartbeats: those of this process at a moment; none means that no thread is needed any more.
    interval: seconds between two writes; 0 for no thread. most_rows: that are kept while the store
        is away. clock: seconds since 1970.
    """

    def __init__(
        self,
        store: Store,
        tally: Tally,
        heartbeats: Callable[[float], Heartbeats],
        *,
        interval: float,
        most_rows: int,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._tally = tally
        self._heartbeats = heartbeats
        self._interval = interval
        self._most_rows = most_rows
        self._clock = clock
        self._writing = Lock()  # held by whoever writes
        self._turn = Condition(Lock())  # for the four that follow
        self._thread: Thread | None = None
        self._asked = self._done = 0
        self.has_fallen = False
        """Whether the thread has ended where it should not have; `begin` starts another."""
        self._begun: Heartbeats = {}  # not written yet
        self._pending = Batch()
        self._alive: Heartbeats = {}  # and not said to have stopped
        self._is_failing = False
        self._holds: list[bool] = []  # of each fork under way, whether it has the lock

    def begin(self) -> None:
        """Sees to it that the thread runs."""
        with self._turn:
            self._begun |= self._heartbeats(self._clock())
            if self._thread is None and self._interval:
                self._thread = Thread(target=self._run, name="atjwt-ledger", daemon=True)
                self.has_fallen = False
                try:
                    self._thread.start()
                except RuntimeError:  # the interpreter ends; it writes then
                    self._thread = None

    def settle(self) -> None:
        """Has everything written, and waits for it a little; logs what prevents it."""
        with self._turn:
            if self._thread is not None:
                self._asked += 1
                asked = self._asked
                self._turn.notify_all()
                self._turn.wait_for(lambda: self._done >= asked, _AT_THE_END)
                return
        self._write_quietly()

    def write(self) -> None:
        """Hands on what was counted. Raises LedgerError: it could not be; it is kept."""
        with self._writing:
            self._write(self._clock())

    def hold(self) -> None:
        """Before a fork: nothing is being written."""
        self._holds.append(self._writing.acquire(timeout=_AT_THE_END))

    def let_go(self) -> None:
        """After it, in the parent."""
        if self._holds.pop():
            self._writing.release()

    def _run(self) -> None:
        try:
            self._write_now_and_then()
        except BaseException:  # such as a store that exits
            with self._turn:
                self._thread = None
                self.has_fallen = True
                self._done = self._asked
                self._turn.notify_all()
            raise

    def _write_now_and_then(self) -> None:
        while True:
            with self._turn:
                asked = self._asked
            self._write_quietly()
            with self._turn:
                self._done = asked
                self._turn.notify_all()
                now = self._clock()
                if self._asked == self._done and not self._heartbeats(now):
                    self._thread = None
                    return
                # Not beyond the end of the hour, so that what is counted belongs to one hour.
                pause = min(self._interval, max(0.05, HOUR - now % HOUR))
                self._turn.wait_for(lambda: self._asked > self._done, pause)

    def _write_quietly(self) -> None:
        try:
            self.write()
        except LedgerError:  # told
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            self._tell(f"{self._store.name}: {type(error).__name__}")

    def _write(self, now: float) -> None:
        counted = self._tally.take(now)
        together = Account().with_batch(self._pending).with_batch(counted)
        self._pending = bounded(
            Batch(uses=together.uses, refusals=together.refusals, lost=together.lost),
            self._most_rows,
            now,
        )
        with self._turn:
            self._alive |= self._begun
            self._begun = {}
        beats = self._heartbeats(now)
        for key, beat in self._alive.items():  # also of what ended before it was written once
            beats.setdefault(key, replace(beat, at=now, stopped=True))
        batch = replace(self._pending, heartbeats=tuple(beats.values()))
        if batch == Batch():
            return
        try:
            self._store.write(batch)
        except Exception as error:
            known = isinstance(error, LedgerError)
            why = str(error) if known else f"{self._store.name}: {type(error).__name__}"
            self._tell(why)
            raise LedgerError(why) from error
        self._pending = Batch()
        self._alive = {key: beat for key, beat in beats.items() if not beat.stopped}
        self._tell(None)

    def _tell(self, trouble: str | None) -> None:
        """Logs a change of state."""
        if trouble is not None and not self._is_failing:
            logger.error(
                "the ledger cannot be written, what is counted is kept: %s", trouble,
                extra={"event": "ledger_failed", "cause": trouble},
            )  # fmt: skip
        elif trouble is None and self._is_failing:
            logger.warning(
                "the ledger is written again: %s", self._store.name,
                extra={"event": "ledger_written"},
            )  # fmt: skip
        self._is_failing = trouble is not None
