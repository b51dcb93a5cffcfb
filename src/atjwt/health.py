"""Whether tokens can be judged, for a readiness probe."""

from dataclasses import dataclass
from typing import Literal

State = Literal["fresh", "stale", "none"]


@dataclass(frozen=True, slots=True)
class IssuerHealth:
    """How one issuer's keys stand.

    state: `fresh`, `stale` (the issuer cannot be reached, its keys still serve) or `none`.
    keys: how many are in hand. failures: failed fetches since the last good one.
    """

    issuer: str
    state: State
    keys: int
    failures: int

    @property
    def ready(self) -> bool:
        """Whether this issuer's tokens can be judged."""
        return self.state != "none"


@dataclass(frozen=True, slots=True)
class Health:
    """Whether tokens can be judged.

    ready: each issuer's keys are in hand and within the stale limit, so that an outage of the
        issuer does not empty a fleet.
    """

    ready: bool
    issuers: tuple[IssuerHealth, ...]
