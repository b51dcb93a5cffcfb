"""One fetch under way, for whoever waits: event loops, threads, sync callers, all at once.

A flight lands once. Nobody who waits can disturb it or the others, by leaving, by being cancelled or
by its event loop's end; and nobody waits longer than it can take.
"""

import asyncio
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from time import monotonic


class Flight:
    """One fetch under way. It lands once, well or badly; what came of it is in the record.

    number: counts an issuer's flights; a token is answered for by a flight that began after it came.
    patience: seconds after which it is given up for lost.
    """

    def __init__(self, number: int, patience: float) -> None:
        self.number = number
        self._lost_at = monotonic() + patience
        self._landing: Future[None] = Future()

    @property
    def patience(self) -> float:
        """Seconds for which it is still worth waiting."""
        return max(0.0, self._lost_at - monotonic())

    def land(self) -> None:
        """Wakes everybody who waits."""
        if not self._landing.done():
            self._landing.set_result(None)

    def landed_within_patience(self) -> None:
        """Waits, in a thread that may block."""
        try:
            self._landing.result(self.patience)
        except FutureTimeout:
            return

    async def landed(self) -> None:
        """Waits, on any event loop; a waiter that is cancelled disturbs nobody."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:  # not asyncio: Trio
            from anyio.to_thread import run_sync

            await run_sync(self.landed_within_patience, abandon_on_cancel=True)
            return
        woken = loop.create_future()

        def wake() -> None:
            if not woken.done():
                woken.set_result(None)

        def wake_loop(_: Future[None]) -> None:
            try:
                loop.call_soon_threadsafe(wake)
            except RuntimeError:
                return  # that loop has ended, and its waiter with it

        self._landing.add_done_callback(wake_loop)
        try:
            async with asyncio.timeout(self.patience):
                await woken
        except TimeoutError:
            return
