"""The plan: what would change if an API went to another dialect, and what stands in the way.

Nothing is changed. What is known comes from the API's settings, from a ledger, and from the app's own
guards; what nobody can know from here, code that reads claims and the gateways before the API, is
listed to be looked at. A blocker is what would refuse valid requests, or may, for all that is known.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from atjwt.errors import ConfigurationError
from atjwt.guards import GuardedRoute, routes
from atjwt.migration.account import HOUR, Account, Step
from atjwt.migration.changes import PIPELINES, STAYS, Change, changes
from atjwt.migration.dialects import Dialect, target
from atjwt.migration.finding import Finding, note
from atjwt.migration.fleet import Fleet, accepting, fleet_findings
from atjwt.migration.moment import latest_moment
from atjwt.migration.obstacles import api_findings, app_findings, past_findings, token_findings
from atjwt.migration.proposal import MARGIN
from atjwt.migration.setting import ApiSetting
from atjwt.migration.standing import Api, standing
from atjwt.migration.sums import Uses, about, grouped, joined, requests
from atjwt.migration.witnesses import (
    Instance,
    LedgerState,
    doubts,
    every_name_of,
    ledgers,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A client that calls on its own, or an agent.

    requests: in the last 24 clock hours. last: when seen; expires: the latest `exp` of its tokens, both
    in seconds since 1970.
    """

    client_id: str
    kind: str
    permissions: bool
    requests: int
    last: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What was found.

    at: when, seconds since 1970. api: the identifier. issuers: whose tokens it is about.
    before, after: token dialects. lifetime, lifetime_for_web: seconds, of the settings.
    earliest: when the last old token would be gone at the earliest, were the API switched now; None
    where it is set so already.
    blockers, notes: what stands in the way, and what should be known.
    changes: of a token. stays: what does not change, and how it stays.
    pipelines: what to look at besides the code, and what of it. unconfirmed: what no source says.
    instances: of this API. machines: the most requests first. ledgers: that were read.
    """

    at: float
    api: str
    issuers: tuple[str, ...]
    before: str
    after: str
    lifetime: float
    lifetime_for_web: float | None
    earliest: float | None
    blockers: tuple[Finding, ...]
    notes: tuple[Finding, ...]
    changes: tuple[Change, ...]
    stays: Mapping[str, str]
    pipelines: Mapping[str, str]
    unconfirmed: tuple[str, ...]
    instances: tuple[Instance, ...]
    machines: tuple[Machine, ...]
    ledgers: tuple[LedgerState, ...]

    @property
    def is_done(self) -> bool:
        """Whether the API is set so already."""
        return self.before == self.after

    @property
    def verdict(self) -> str:
        """`done`, `ready` or `blocked`."""
        return "done" if self.is_done else "blocked" if self.blockers else "ready"


def plan(
    api: ApiSetting,
    to: str,
    account: Account,
    *,
    now: float,
    issuers: Collection[str] = (),
    apps: Iterable[object] = (),
    expected: Mapping[str, int] | None = None,
    margin: float = MARGIN,
) -> Plan:
    """Reckons what going to a dialect would do.

    to: a dialect; or a profile, `auth0` or `rfc9068`, which keeps the `permissions` claim.
    account: what the ledgers hold. now: seconds since 1970.
    issuers: as in `iss`, where tokens come from custom domains too; the tenant's own is among them.
    apps: ASGI apps that serve the API; their guards are looked at. expected: instances by service.
    margin: seconds on top of the longest lifetime.
    Raises ConfigurationError: `to` is neither; something is expected of no instance; an app is none.
    """
    after = target(api.dialect, to)
    wanted = _counts(expected or {})
    told = tuple(dict.fromkeys([api.issuer, *issuers]))
    whole = about(account, every_name_of(account, api.identifier))
    uses = {key: use for key, use in whole.uses.items() if key.issuer in told}
    fleet = Fleet.of(account, whole, told, wanted, now)
    found: list[Finding] = []
    if after != api.dialect:
        found += api_findings(api, after)
        for issuer in told:
            found += past_findings(standing(whole, Api(issuer, api.identifier)), api.dialect)
        found += fleet_findings(fleet, accepting(api.dialect, after), now)
        found += [*_apps(apps, api, after, told)]
        found += token_findings(api, uses, now)
        found += [note("ledger", doubt) for doubt in doubts(account, now)]
    machines = _machines(uses, now)
    return Plan(
        at=now,
        api=api.identifier,
        issuers=told,
        before=api.dialect.name,
        after=after.name,
        lifetime=api.lifetime,
        lifetime_for_web=api.lifetime_for_web,
        earliest=_earliest(api, after, told, whole, now=now, margin=margin),
        blockers=tuple(dict.fromkeys(one for one in found if one.blocks)),
        notes=tuple(dict.fromkeys(one for one in found if not one.blocks)),
        changes=changes(api.dialect, after),
        stays=STAYS,
        pipelines=PIPELINES,
        unconfirmed=tuple(_unconfirmed(api, after, machines)),
        instances=fleet.ours,
        machines=machines,
        ledgers=ledgers(account, now),
    )


def _apps(
    apps: Iterable[object], api: ApiSetting, after: Dialect, issuers: Collection[str]
) -> Iterator[Finding]:
    looked = False
    for app in apps:
        looked = True
        yield from app_findings(_routes(app), api, after, issuers)
    if not looked:
        yield note("routes", "no app was looked at, so its guards may be in the way",
                   "name it: --app module:app")  # fmt: skip


def _routes(app: object) -> tuple[GuardedRoute, ...]:
    try:
        return routes(app)
    except ConfigurationError:
        raise
    except Exception as error:  # the app's own middleware is built, and may fail
        why = f"building the app's middleware failed: {type(error).__name__}: {error}"
        raise ConfigurationError([why]) from error


def _counts(expected: Mapping[str, int]) -> dict[str, int]:
    if any(count < 1 for count in expected.values()):
        raise ConfigurationError(["expected: give how many instances of a service, one or more"])
    return dict(expected)


def _earliest(
    api: ApiSetting,
    after: Dialect,
    issuers: Iterable[str],
    account: Account,
    *,
    now: float,
    margin: float,
) -> float | None:
    """When the last old token would be gone, were it switched now; None where it is set so."""
    found: list[float] = []
    for issuer in issuers if after != api.dialect else ():
        stands = standing(account, Api(issuer, api.identifier))
        step = Step(
            name="switched",
            at=now,
            issuer=issuer,
            audience=api.identifier,
            before=api.dialect.name,
            after=after.name,
            lifetime=api.longest,
            margin=margin,
        )
        steps = replace(stands, switched=(*stands.switched, step)).in_force
        found.append(latest_moment(account, steps).at)
    return max(found, default=None)


def _machines(uses: Uses, now: float) -> tuple[Machine, ...]:
    day = int(now // HOUR) * HOUR - 23 * HOUR
    found = [
        Machine(
            client_id=client_id,
            kind=kind,
            permissions=any(key.permissions for key in group),
            requests=requests(group, day),
            last=whole.last,
            expires=whole.expires,
        )
        for (client_id, kind), group in grouped(uses, lambda key: (key.client_id, key.kind)).items()
        if kind in ("client", "agent")
        for whole in [joined(group.values())]
    ]
    return tuple(sorted(found, key=lambda one: (-one.requests, one.client_id)))


def _unconfirmed(api: ApiSetting, after: Dialect, machines: Sequence[Machine]) -> Iterator[str]:
    """What no source says, as far as it matters here: try it at an API that nobody uses."""
    yield "how soon the setting takes effect everywhere"
    yield "whether a refresh token from before brings new tokens at its next use"
    if machines and after.profile is not api.dialect.profile:
        yield "sub of machines: documented as ID@clients in either profile, of RFC 9068 none was seen"
    if machines and after.permissions:
        yield "permissions of machines"
    if api.agents:
        yield "tokens of agents in the other profile; samples lack jti"
