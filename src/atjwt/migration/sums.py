"""Sums over what a ledger counted: which tokens are old, what is alike, how many came since."""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias, TypeVar

from atjwt.migration.account import HOUR, Account, Step, Use, UseKey
from atjwt.migration.changes import is_old
from atjwt.migration.dialects import DIALECTS

Uses: TypeAlias = Mapping[UseKey, Use]

Old: TypeAlias = Callable[[UseKey], bool]
"""Whether tokens are from before a step."""

Sort = TypeVar("Sort", bound=Hashable)

_RECENT: Final = 2
"""Clock hours: the one that runs, and the one before it."""


def old_tokens(step: Step | None) -> Old:
    """Which tokens are from before a step; none where there was no step."""
    if step is None or step.before not in DIALECTS or step.after not in DIALECTS:
        return lambda _: False
    before, after = DIALECTS[step.before], DIALECTS[step.after]
    return lambda key: is_old(before, after, key.profile, permissions=key.permissions)


def last_step(
    steps: Iterable[Step], audiences: Iterable[str], issuers: Iterable[str]
) -> Step | None:
    """What was done last with the setting of an API; an attempt that failed did nothing.

    steps: the oldest first.
    """
    named, told = set(audiences), set(issuers)
    found = [step for step in steps if step.audience in named and step.issuer in told]
    return next((step for step in reversed(found) if step.name != "failed"), None)


def about(account: Account, names: Collection[str]) -> Account:
    """The part of an account that is about an API. names: all that it has."""
    return replace(
        account,
        uses={key: use for key, use in account.uses.items() if key.audience in names},
        refusals={key: them for key, them in account.refusals.items() if key.audience in names},
        heartbeats=tuple(beat for beat in account.heartbeats if {*beat.audience} & {*names}),
        steps=tuple(step for step in account.steps if step.audience in names),
    )


def grouped(uses: Uses, by: Callable[[UseKey], Sort]) -> dict[Sort, Uses]:
    """The uses that are alike."""
    found: dict[Sort, dict[UseKey, Use]] = defaultdict(dict)
    for key, use in uses.items():
        found[by(key)][key] = use
    return dict(found)


def joined(uses: Iterable[Use]) -> Use:
    """All of them together; there is at least one."""
    first, *others = uses
    for use in others:
        first = first.joined(use)
    return first


def requests(uses: Uses, since: int) -> int:
    """How many requests came in the clock hours from then on, seconds since 1970."""
    return sum(use.requests for key, use in uses.items() if key.hour >= since)


def recent(now: float) -> int:
    """The start of the clock hour before the one that runs."""
    return int(now // HOUR) * HOUR - (_RECENT - 1) * HOUR
