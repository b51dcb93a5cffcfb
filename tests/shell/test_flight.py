"""One flight, and everybody who waits for it: event loops, threads, sync callers."""

import asyncio
import gc
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from atjwt.flight import Flight
from shell.wire import LONG, eventually


def test_it_lands_once_and_for_everybody() -> None:
    """Twenty event loops and ten threads wait for one flight, and all go on when it lands."""
    flight = Flight(0, LONG)
    waiting = threading.Barrier(31)

    def on_a_loop() -> None:
        async def wait() -> None:
            waiter = asyncio.create_task(flight.landed())
            await asyncio.sleep(0)
            await asyncio.to_thread(waiting.wait, LONG)
            await waiter

        asyncio.run(wait())

    def in_a_thread() -> None:
        waiting.wait(LONG)
        flight.landed_within_patience()

    with ThreadPoolExecutor(30) as pool:
        waiters = [pool.submit(call) for call in [on_a_loop] * 20 + [in_a_thread] * 10]
        waiting.wait(LONG)
        assert not any(waiter.done() for waiter in waiters[:20])
        started = time.monotonic()
        flight.land()
        flight.land()
        for waiter in waiters:
            waiter.result(LONG)
        assert time.monotonic() - started < LONG / 2


def test_what_has_landed_is_not_waited_for() -> None:
    """Whoever comes late goes on at once."""
    flight = Flight(0, LONG)
    flight.land()
    started = time.monotonic()
    flight.landed_within_patience()
    asyncio.run(flight.landed())
    assert time.monotonic() - started < LONG / 2


def test_patience_ends() -> None:
    """Nobody waits for ever for a flight that never lands, on a loop or in a thread."""
    flight = Flight(0, 0.1)
    assert 0 < flight.patience <= 0.1
    started = time.monotonic()

    async def wait() -> None:
        await asyncio.gather(*(flight.landed() for _ in range(5)))

    asyncio.run(wait())
    assert flight.patience == 0
    assert time.monotonic() - started >= 0.1
    flight.landed_within_patience()
    asyncio.run(flight.landed())
    assert time.monotonic() - started < LONG / 2


def test_a_waiter_that_is_cancelled_disturbs_nobody() -> None:
    """The one leaves with CancelledError, the other waits on, the flight lands."""
    flight = Flight(0, LONG)

    async def wait() -> None:
        leader, follower = (asyncio.create_task(flight.landed()) for _ in range(2))
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        assert not follower.done()
        flight.land()
        await asyncio.wait_for(follower, LONG)

    asyncio.run(wait())


def test_a_cancelled_waiter_is_not_taken_for_an_impatient_one() -> None:
    """A caller's own deadline stays the caller's, and is raised to it."""
    flight = Flight(0, LONG)

    async def wait() -> None:
        async with asyncio.timeout(0.05):
            await flight.landed()

    with pytest.raises(TimeoutError):
        asyncio.run(wait())
    flight.land()


@pytest.mark.parametrize("orderly", [True, False])
def test_a_loop_may_end_with_waiters_inside(*, orderly: bool) -> None:
    """Landing after a waiter's loop has closed is no error, and the others are woken all the same."""
    flight = Flight(0, LONG)

    async def leave() -> None:
        waiters = [asyncio.create_task(flight.landed()) for _ in range(3)]
        await asyncio.sleep(0)
        assert not any(waiter.done() for waiter in waiters)

    if orderly:
        asyncio.run(leave())
    else:
        loop = asyncio.new_event_loop()
        waiter = loop.create_task(flight.landed())
        loop.run_until_complete(asyncio.sleep(0))
        assert not waiter.done()
        loop.close()
        waiter._log_destroy_pending = False  # type: ignore[attr-defined]  # that is the point here
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(asyncio.run, flight.landed())
        flight.land()
        other.result(LONG)
    gc.collect()


def test_landing_and_impatience_at_the_same_moment() -> None:
    """Whichever is first, the waiter goes on and nothing is raised."""
    for _ in range(30):
        flight = Flight(0, 0.005)
        timer = threading.Timer(0.005, flight.land)
        timer.start()
        asyncio.run(flight.landed())
        timer.join()


def test_on_trio() -> None:
    """Where there is no asyncio a thread waits, and the waiter may leave."""
    trio = pytest.importorskip("trio", reason="Trio is not installed")
    flight = Flight(0, LONG)

    async def wait() -> None:
        with trio.move_on_after(0.1) as left:
            await flight.landed()
        assert left.cancelled_caught
        async with trio.open_nursery() as nursery:
            nursery.start_soon(flight.landed)
            await trio.sleep(0.01)
            flight.land()

    run: Callable[[object], None] = trio.run
    run(wait)
    eventually(lambda: flight.patience > 0)
