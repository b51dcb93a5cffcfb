"""What a principal that meets a policy can be, so that a policy nobody can meet is refused.

For each way to meet it, the values that are left for an attribute that has one value only: the kind
of caller, its client, its organization. Where a way leaves an attribute no value, it is none.
"""

from collections.abc import Iterable

Bound = frozenset[tuple[str, frozenset[object]]]
"""One way: attributes and the values left for each; an attribute that is not named may be anything."""

Bounds = frozenset[Bound]

UNBOUNDED: Bounds = frozenset({frozenset()})

_MOST = 1_000
"""So many ways are looked at; past that a policy is met or not when somebody calls."""


def bound(**values: Iterable[object]) -> Bounds:
    """One way with these attributes and values."""
    return frozenset({frozenset((name, frozenset(held)) for name, held in values.items())})


def both(one: Bounds, other: Bounds) -> Bounds:
    """The ways to be what both allow; empty if there is none."""
    if len(one) * len(other) > _MOST:
        return UNBOUNDED
    return frozenset(left for a in one for b in other if (left := _narrowed(a, b)) is not None)


def either(bounds: Iterable[Bounds]) -> Bounds:
    """The ways to be what one of them allows."""
    total = frozenset[Bound]().union(*bounds)
    return UNBOUNDED if total >= UNBOUNDED else total


def _narrowed(one: Bound, other: Bound) -> Bound | None:
    left = dict(one)
    for name, values in other:
        left[name] = left.get(name, values) & values
    return frozenset(left.items()) if all(left.values()) else None
