"""What ledgers hold, as values: which tokens came, what was refused, who reports, what was done.

Nothing here reads or writes. A process counts into a `Batch`; a store adds batches up and gives an
`Account` back; accounts of several ledgers merge into one. Whatever is asked of a migration is a
question to an `Account`.

    Use         tokens accepted: by hour, service, API, issuer, profile, kind and client
    Refusals    requests refused: by hour, service, API and reason
    Heartbeat   one instance of a service, what it accepts, and when it last said so
    Step        what was done to the API's setting, and when

No claim is in it but `iss`, the client, and of the times the latest `exp` and the longest lifetime:
nothing about a person.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple, Self, TypeAlias

HOUR: Final = 3_600  # seconds

OTHERS: Final = "(others)"
"""Stands for the clients, or the issuers, beyond what a ledger tells apart."""


class UseKey(NamedTuple):
    """Which tokens are counted together.

    hour: the start of the hour in which they came, seconds since 1970.
    audience: of the names of the API, the first one as its resource server lists them.
    permissions: whether they have the `permissions` claim.
    """

    hour: int
    service: str
    issuer: str
    audience: str
    profile: str
    permissions: bool
    kind: str
    client_id: str


class Use(NamedTuple):
    """Accepted requests. first, last: when, in seconds since 1970.

    expires: the latest `exp` among their tokens. lifetime: the longest, from `iat` to `exp`.
    """

    requests: int
    first: float
    last: float
    expires: float
    lifetime: float

    def joined(self, other: "Use") -> "Use":
        """Both together."""
        return Use(
            self.requests + other.requests,
            min(self.first, other.first),
            max(self.last, other.last),
            max(self.expires, other.expires),
            max(self.lifetime, other.lifetime),
        )


class RefusalKey(NamedTuple):
    """Which refusals are counted together; `issuer` and `profile` are empty where it came not so far."""

    hour: int
    service: str
    issuer: str
    audience: str
    profile: str
    reason: str


class Refusals(NamedTuple):
    """Refused requests. last: when, in seconds since 1970."""

    requests: int
    last: float

    def joined(self, other: "Refusals") -> "Refusals":
        """Both together."""
        return Refusals(self.requests + other.requests, max(self.last, other.last))


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """One process that judges tokens of one issuer for one API, and what it accepts.

    instance: which process. audience: the names of the API. profiles: accepted, sorted; one that only
        some of several resource servers in the process accept stands there as `in_part` writes it.
    leeway: seconds. started, at: when it began, and when it last said so, seconds since 1970.
    interval: seconds until it says so again. stopped: it ended in order.
    """

    service: str
    instance: str
    issuer: str
    audience: tuple[str, ...]
    profiles: tuple[str, ...]
    leeway: float
    started: float
    at: float
    interval: float
    stopped: bool = False

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Which of them this is."""
        return self.service, self.instance, self.issuer, self.audience[0]


def in_part(profile: str) -> str:
    """How a heartbeat names a profile that not all resource servers of the process accept.

    So it is not among those that are accepted, and the others are not all that are.
    """
    return f"{profile} (in part)"


StepName: TypeAlias = Literal["begun", "switched", "failed", "drained", "enforced"]
"""begun: the setting is about to be changed, by us or, `external`, by others. switched: it was read
back as wanted. failed: it was not changed. drained: no old token can be alive. enforced: so said
every instance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """Something that was done, or begun, with the setting of an API.

    at: when; of `switched`, when it was read back. issuer: as in `iss`. audience: the API's
        identifier. before, after: token dialects.
    lifetime: seconds, the largest that was in force before. margin: seconds on top of it.
    undo: whether it leads back. external: whether others change the setting.
    """

    name: StepName
    at: float
    issuer: str
    audience: str
    before: str
    after: str
    lifetime: float = 0.0
    margin: float = 0.0
    undo: bool = False
    external: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What one process has counted since its last one. lost: counts that could not be kept."""

    uses: Mapping[UseKey, Use] = field(default_factory=dict)
    refusals: Mapping[RefusalKey, Refusals] = field(default_factory=dict)
    heartbeats: tuple[Heartbeat, ...] = ()
    lost: int = 0

    @property
    def requests(self) -> int:
        """How many requests are counted in it."""
        return sum(use.requests for use in self.uses.values()) + sum(
            refusals.requests for refusals in self.refusals.values()
        )


class Origin(NamedTuple):
    """A ledger that was read.

    name: what a message calls it, without a password. id: differs between any two ledgers, and not
    between copies of one. updated: when a service last wrote to it, seconds since 1970; 0 if never; a
    step is nobody's word that it can be reached.
    """

    name: str
    id: str
    updated: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """All that one ledger holds, or several together.

    steps: the oldest first. lost: counts that are known to be missing. lost_at: no request that is
    missing came later, seconds since 1970; 0 if none is, or nobody knows.
    """

    uses: Mapping[UseKey, Use] = field(default_factory=dict)
    refusals: Mapping[RefusalKey, Refusals] = field(default_factory=dict)
    heartbeats: tuple[Heartbeat, ...] = ()
    steps: tuple[Step, ...] = ()
    origins: tuple[Origin, ...] = ()
    lost: int = 0
    lost_at: float = 0.0

    def with_batch(self, batch: Batch) -> Self:
        """With what a process has counted."""
        return self.merged([
            self,
            type(self)(
                uses=batch.uses,
                refusals=batch.refusals,
                heartbeats=batch.heartbeats,
                lost=batch.lost,
            ),
        ])  # fmt: skip

    @classmethod
    def merged(cls, accounts: Iterable["Account"]) -> Self:
        """All of them together. They are of different ledgers: the same one twice counts twice."""
        uses: dict[UseKey, Use] = {}
        refusals: dict[RefusalKey, Refusals] = {}
        beats: dict[tuple[str, str, str, str], Heartbeat] = {}
        steps: dict[Step, None] = {}
        origins: list[Origin] = []
        lost, lost_at = 0, 0.0
        for account in accounts:
            for key, use in account.uses.items():
                uses[key] = use.joined(uses[key]) if key in uses else use
            for reason, count in account.refusals.items():
                refusals[reason] = count.joined(refusals[reason]) if reason in refusals else count
            for beat in account.heartbeats:
                if beat.key not in beats or beats[beat.key].at <= beat.at:
                    beats[beat.key] = beat
            steps |= dict.fromkeys(account.steps)
            origins += account.origins
            lost += account.lost
            lost_at = max(lost_at, account.lost_at)
        return cls(
            uses=uses,
            refusals=refusals,
            heartbeats=tuple(sorted(beats.values(), key=lambda beat: beat.key)),
            steps=tuple(sorted(steps, key=lambda step: step.at)),
            origins=tuple(origins),
            lost=lost,
            lost_at=lost_at,
        )
