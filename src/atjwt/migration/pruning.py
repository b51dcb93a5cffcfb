"""What a ledger lets go when it would grow beyond its bounds: the oldest hours first.

What goes may still matter: a token that was counted there may be alive. The latest `exp` therefore
stays, under `OTHERS`, for as long as it lies ahead. What goes without a trace is counted as lost, but
for what is old enough to be of no use.
"""

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from atjwt.migration.account import HOUR, OTHERS, Batch, Use, UseKey

KEPT: Final = 45 * 86_400
"""Seconds for which hours are kept: longer than the largest lifetime, 30 days, and a margin."""

MOST_ROWS: Final = 100_000
"""Rows of one ledger: uses and refusals by hour."""

MOST_HEARTBEATS: Final = 10_000
"""Instances of which a ledger knows, the ended ones of the last 45 days included."""


class Folded(NamedTuple):
    """What stays of uses that go. lost: requests that are counted nowhere any more."""

    uses: Mapping[UseKey, Use]
    lost: int


def hour_of(at: float) -> int:
    """The start of the hour in which a moment lies."""
    return int(at // HOUR) * HOUR


def excess(rows: int, most: int) -> int:
    """How many of too many rows go: some more than must, so that not every write lets some go."""
    return min(rows, rows - most + most // 20 + 1)


def fold(going: Iterable[tuple[UseKey, Use]], now: float, hour: int) -> Folded:
    """Folds uses whose tokens may be alive into one for each issuer, API, profile and kind.

    hour: to which these then belong.
    """
    stay: dict[UseKey, Use] = {}
    lost = 0
    for key, use in going:
        if use.expires > now:
            folded = key._replace(hour=hour, client_id=OTHERS)
            stay[folded] = use.joined(stay[folded]) if folded in stay else use
        else:
            lost += use.requests
    return Folded(stay, lost)


def bounded(batch: Batch, most: int, now: float) -> Batch:
    """A batch of at most about so many rows; the oldest hours go."""
    uses, refusals, lost = dict(batch.uses), dict(batch.refusals), batch.lost
    if len(uses) > most:
        going = sorted(uses)[: excess(len(uses), most)]
        folded = fold([(key, uses.pop(key)) for key in going], now, going[-1].hour)
        lost += folded.lost
        for key, use in folded.uses.items():
            uses[key] = use.joined(uses[key]) if key in uses else use
    if len(refusals) > most:
        for reason in sorted(refusals)[: excess(len(refusals), most)]:
            lost += refusals.pop(reason).requests
    return Batch(uses=uses, refusals=refusals, heartbeats=batch.heartbeats, lost=lost)
