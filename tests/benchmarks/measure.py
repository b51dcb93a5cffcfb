"""The stopwatch: every case once per round, shuffled, so that what disturbs one disturbs all.

A figure is compared with another inside a round only, and what is told of it is the median over the
rounds. The garbage collector is off while the watch runs.
"""

import gc
import random
from collections.abc import Callable, Coroutine, Iterable, Sequence
from statistics import quantiles
from time import perf_counter_ns
from typing import NamedTuple

Batch = Callable[[int], object]
"""Does the measured thing so many times."""
Value = Callable[..., float]
"""Figures of one round → what is told."""


class Case(NamedTuple):
    """One thing that is measured."""

    name: str
    batch: Batch


Samples = dict[str, list[float]]
"""For each case its microseconds in each round."""


def measure(cases: Sequence[Case], *, rounds: int, batch_ms: float) -> Samples:
    """Measures all cases side by side. A batch is as many as take about `batch_ms`."""
    counts = {case.name: _fitting(case.batch, batch_ms) for case in cases}
    samples: Samples = {case.name: [] for case in cases}
    gc.collect()
    gc.freeze()  # the tokens and caches of all cases: walking over them would take the longest
    order = list(cases)
    for _ in range(rounds):
        gc.collect()
        random.shuffle(order)
        for case in order:
            count = counts[case.name]
            samples[case.name].append(_timed(case.batch, count) / count)
    return samples


def _fitting(batch: Batch, batch_ms: float) -> int:
    # The first runs warm up what is looked up once; the least disturbed one counts.
    once = min(_timed(batch, 5) for _ in range(7)) / 5
    return max(5, int(batch_ms * 1000 / max(once, 0.01)))


def _timed(batch: Batch, count: int) -> float:
    gc.disable()
    try:
        start = perf_counter_ns()
        batch(count)
        return (perf_counter_ns() - start) / 1000
    finally:
        gc.enable()


def spread(values: Sequence[float]) -> float:
    """The distance of the quartiles, as a part of the median."""
    if len(values) < 2:
        return 0.0
    first, middle, third = quantiles(values, n=4)
    return (third - first) / middle if middle else 0.0


def in_rounds(samples: Samples, value: Value, names: Iterable[str]) -> list[float]:
    """A value computed from the cases' figures of one round, for each round."""
    return [value(*figures) for figures in zip(*(samples[name] for name in names), strict=True)]


def drive(coroutine: Coroutine[object, object, object]) -> None:
    """Runs what never waits for anything, without an event loop's share in the figure."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("it waited for something")
