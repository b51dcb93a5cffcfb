"""What one process counts: counters that threads share, and what becomes of them."""

import itertools
import math
import threading
from dataclasses import replace

import pytest

from atjwt.core.profile import AUTH0
from atjwt.migration import tally as counting
from atjwt.migration.account import HOUR, Use
from atjwt.migration.tally import LockedCount, Tally
from atjwt.testing import principal
from tools.ledgers import API, NOW, THIS_HOUR

WHO = principal(profile=AUTH0, client_id="app", issued_at=NOW - 10, lifetime=600)


def test_a_count_with_a_lock() -> None:
    """Counts as `itertools.count` does, and no call of any thread is lost."""
    locked, plain = LockedCount(), itertools.count()
    assert [next(locked) for _ in range(3)] == [next(plain) for _ in range(3)]
    assert iter(locked) is locked
    threads = [
        threading.Thread(target=lambda: [next(locked) for _ in range(1_000)]) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert next(locked) == 4_003


@pytest.mark.parametrize("count", [LockedCount, itertools.count])
def test_both_kinds_of_counter(count: type, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a global lock of the interpreter the sums are the same."""
    monkeypatch.setattr(counting, "_count", count)
    tally = Tally("orders", 10)
    tick = tally.accepted(API, WHO, NOW)
    for _ in range(4):
        tick()
    assert [use.requests for use in tally.take(NOW + 1).uses.values()] == [5]
    assert tally.take(NOW + 2).uses == {}


def test_tokens_of_one_client_share_a_counter() -> None:
    """Whoever calls through it, and however many tokens there are."""
    tally = Tally("orders", 10)
    ticks = {tally.accepted(API, replace(WHO, subject=f"user {n}"), NOW) for n in range(50)}
    assert len(ticks) == 1


def test_when_the_requests_came() -> None:
    """Of tokens that were verified exactly; of remembered ones, since it was last taken."""
    tally = Tally("orders", 10)
    tick = tally.accepted(API, WHO, NOW + 1)
    tally.accepted(API, WHO, NOW + 3)
    assert list(tally.take(NOW + 9).uses.values()) == [
        Use(2, NOW + 1, NOW + 3, NOW + 590, 600)
    ]  # fmt: skip
    tick()
    assert list(tally.take(NOW + 19).uses.values()) == [
        Use(1, NOW + 9, NOW + 19, NOW + 590, 600)
    ]  # fmt: skip
    tick()
    tally.accepted(API, WHO, NOW + 25)
    assert list(tally.take(NOW + 29).uses.values()) == [
        Use(2, NOW + 19, NOW + 29, NOW + 590, 600)
    ]  # fmt: skip


def test_a_remembered_token_did_not_come_after_its_end() -> None:
    """However late it is counted: it is not accepted past `exp` and the leeway, where that is known."""
    for leeways, until in (
        ([10], NOW + 600), ([10, 30, 20], NOW + 620), ([math.inf], math.inf),
    ):  # fmt: skip
        tally = Tally("orders", 10)
        (tick,) = {tally.accepted(API, WHO, NOW, leeway) for leeway in leeways}
        tally.take(NOW + 5)
        for now in (NOW + 590, NOW + 9_000):
            tick()
            (use,) = tally.take(now).uses.values()
            assert use.last == min(now, until)
        tick()
        (use,) = tally.take(NOW + 9_010).uses.values()
        assert use.first == NOW + 9_000  # clocks that disagree that much are not made to agree
        assert use.last == min(NOW + 9_010, max(NOW + 9_000, until))


def test_the_hour_of_remembered_tokens() -> None:
    """Is that in which the time since it was last taken began."""
    tally = Tally("orders", 10)
    tick = tally.accepted(API, WHO, THIS_HOUR)
    end = THIS_HOUR + HOUR
    tally.take(end - 5)
    tick()
    tick()
    (key,) = tally.take(end + 0.5).uses
    assert key.hour == THIS_HOUR
    tick()
    (key,) = tally.take(end + 9).uses
    assert key.hour == end


def test_a_counter_is_kept_while_its_tokens_may_be_remembered() -> None:
    """A call is never lost because nobody had called for long."""
    tally = Tally("orders", 10)
    tick = tally.accepted(API, WHO, NOW)
    for seconds in (10, 300, 600, 890):  # it expires after 590, and a leeway is 300 at most
        tally.take(NOW + seconds)
        tick()
        assert [use.requests for use in tally.take(NOW + seconds).uses.values()] == [1]


def test_a_fork_forgets() -> None:
    """What was counted before, and not that there are counters."""
    tally = Tally("orders", 10)
    tick = tally.accepted(API, WHO, NOW)
    tick()
    tally.forget(NOW)
    assert tally.take(NOW).uses == {}
    tick()
    assert [use.requests for use in tally.take(NOW + 1).uses.values()] == [1]
