"""How a ledger stays within its bounds, and loses no count: it only tells less apart.

    too many rows → those older than a day: hours become days → still too many: the oldest lose their
    clients (`OTHERS`), and share the hour of the last of them

Only what is older than 45 days goes, and of that what holds a token that may be alive stays.
"""

from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from atjwt.migration.account import HOUR, OTHERS, Batch, RefusalKey, Refusals, Use, UseKey

DAY: Final = 86_400
"""Seconds."""

KEPT: Final = 45 * DAY
"""Seconds for which hours are kept: longer than the largest lifetime, 30 days, and a margin."""

MOST_ROWS: Final = 100_000
"""Rows of one ledger: uses and refusals by hour."""

MOST_HEARTBEATS: Final = 10_000
"""Instances of which a ledger knows, the ended ones of the last 45 days included."""

GRACE: Final = 3_600
"""Seconds past `exp` for which a token may still be accepted: the leeway, and clocks that differ."""

Key = TypeVar("Key", UseKey, RefusalKey)
Counts = TypeVar("Counts", Use, Refusals)


def hour_of(at: float) -> int:
    """The start of the hour in which a moment lies."""
    return int(at // HOUR) * HOUR


def day_of(hour: int) -> int:
    """The start of the day (UTC) in which an hour lies."""
    return hour - hour % DAY


def folds_into_a_day(hour: int, now: float) -> bool:
    """Whether an hour is old enough, and not yet that of a whole day."""
    return hour != day_of(hour) and hour < hour_of(now - DAY)


def excess(rows: int, most: int) -> int:
    """How many of too many rows fold: more than must, so that not every write folds some."""
    return min(rows, rows - most + most // 20 + 1)


def at_day(key: Key) -> Key:
    """The key of the day in which the hour lies."""
    return key._replace(hour=day_of(key.hour))


def without_clients(hour: int) -> Callable[[UseKey], UseKey]:
    """Gives a key without its client, of that hour."""
    return lambda key: key._replace(hour=hour, client_id=OTHERS)


def fold(counts: Iterable[tuple[Key, Counts]], into: Callable[[Key], Key]) -> dict[Key, Counts]:
    """Adds up what has the same key once it is folded."""
    folded: dict[Key, Counts] = {}
    for key, each in counts:
        other = into(key)
        folded[other] = each.joined(folded[other]) if other in folded else each
    return folded


def bounded(batch: Batch, most: int, now: float) -> Batch:
    """A batch of about so many uses, and as many refusals, at most."""

    def days(key: Key) -> Key:
        return at_day(key) if folds_into_a_day(key.hour, now) else key

    uses, refusals = dict(batch.uses), dict(batch.refusals)
    if len(uses) > most:
        uses = fold(uses.items(), days)
    if len(uses) > most:
        going = sorted(uses)[: excess(len(uses), most)]
        merge = without_clients(going[-1].hour)
        uses = fold(uses.items(), lambda key: merge(key) if key <= going[-1] else key)
    if len(refusals) > most:
        refusals = fold(refusals.items(), days)
    if len(refusals) > most:
        last = sorted(refusals)[excess(len(refusals), most) - 1]
        refusals = fold(
            refusals.items(), lambda key: key._replace(hour=last.hour) if key <= last else key
        )
    return Batch(uses=uses, refusals=refusals, heartbeats=batch.heartbeats, lost=batch.lost)
