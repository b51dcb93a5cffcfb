"""Are all instances of an API there, and does each accept what is issued now and what is to come?"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from atjwt.migration.account import Account
from atjwt.migration.dialects import Dialect
from atjwt.migration.finding import Finding, blocker, note
from atjwt.migration.times import span
from atjwt.migration.witnesses import Instance, instances

WIDEN = "accept both: ATJWT_PROFILES=auth0,rfc9068, or profiles={AUTH0, RFC9068}; deploy it"
"""What to do where a profile is not accepted."""

_NEVER = "nobody can tell what its instances accept: none has ever reported"
_OBSERVE = 'give its resource server observers=[Ledger("…", service="…")], and deploy that first'


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """The instances that matter.

    everyone: of any API. ours: of this API and its issuers. others: of this API, only the issuers
    that are not its own. issuers: its own. expected: how many there should be, by service.
    """

    everyone: tuple[Instance, ...]
    ours: tuple[Instance, ...]
    others: tuple[str, ...]
    issuers: tuple[str, ...]
    expected: Mapping[str, int]

    @classmethod
    def of(
        cls,
        account: Account,
        whole: Account,
        issuers: tuple[str, ...],
        expected: Mapping[str, int],
        now: float,
    ) -> Self:
        """Those of an account. whole: the part of it that is about the API."""
        return cls(
            everyone=instances(account, now),
            ours=tuple(one for one in instances(whole, now) if one.issuer in issuers),
            others=tuple(sorted({beat.issuer for beat in whole.heartbeats} - {*issuers})),
            issuers=issuers,
            expected=expected,
        )


def fleet_findings(fleet: Fleet, profiles: Collection[str], now: float) -> Iterator[Finding]:
    """What is wrong with the instances.

    profiles: names of those that each must accept. now: seconds since 1970.
    """
    ours, expected = fleet.ours, fleet.expected
    if fleet.others and not ours:
        yield blocker("instances", f"its instances judge tokens from {listed(fleet.others)}, none"
                      f" from {listed(fleet.issuers)}", "if that is a custom domain of the tenant,"
                      " give it by --issuer; else add the issuer there")  # fmt: skip
        return
    services = _by_service(ours)
    for service in sorted({*services, *expected}):
        members = services.get(service, [])
        yield from _service(service, members, profiles, expected.get(service), now)
    if not ours and not expected:
        yield blocker("instances", _NEVER, _OBSERVE)
    if ours and expected:
        for service in sorted(services.keys() - expected.keys()):
            live = len(_live(services[service]))
            yield note("instances", f"{service}: {live} live, and nobody expects that service",
                       f"is it part of this API? then --expect {service}={max(live, 1)}")  # fmt: skip
    if ours and not expected:
        named = " ".join(
            f"--expect {service}={max(1, len(_live(members)))}"
            for service, members in sorted(services.items())
        )
        yield note("instances", "how many there should be is not known", f"tell it: {named}")
    yield from _elsewhere(fleet, services.keys() | expected.keys())


def accepting(before: Dialect, after: Dialect) -> list[str]:
    """The names of the profiles that are accepted while old tokens live on."""
    return list(dict.fromkeys([before.profile.name, after.profile.name]))


def _service(
    service: str,
    members: Sequence[Instance],
    profiles: Collection[str],
    wanted: int | None,
    now: float,
) -> Iterator[Finding]:
    live, silent = _live(members), _of_state(members, "silent")
    enough = wanted is not None and len(live) >= wanted
    if wanted is not None and not enough:
        yield blocker("instances", f"{service}: {len(live)} of {wanted} instances report",
                      "start the others, and give each the ledger")  # fmt: skip
    elif wanted is not None and len(live) > wanted:
        yield note("instances", f"{service}: {len(live)} instances report, {wanted} are expected")
    elif wanted is None and not live and not silent:
        yield blocker("instances", f"{service}: every instance has stopped",
                      "start it, or say how many there should be: --expect")  # fmt: skip
    if silent:
        names = [f"{one.instance} for {span(now - one.at)}" for one in silent]
        text = f"{service}: silent {'is' if len(names) == 1 else 'are'} {listed(names)}"
        if enough:
            yield note("instances", f"{text}; the live ones are as many as expected")
        else:
            yield blocker("instances", text, "gone for good? then say how many there should be,"
                          f" --expect {service}=N; else start anew")  # fmt: skip
    for profile in profiles:
        deaf = sorted({one.instance for one in members
                       if one.state == "live" and profile not in one.profiles})  # fmt: skip
        if deaf:
            lacks = "does not accept" if len(deaf) == 1 else "do not accept"
            yield blocker("instances", f"{service}: {listed(deaf)} {lacks} {profile}", WIDEN)


def _elsewhere(fleet: Fleet, services: Collection[str]) -> Iterator[Finding]:
    """Instances of the same services that do not know the API, or not by this issuer."""
    known = {(one.service, one.instance) for one in fleet.ours}
    strange = [
        one
        for one in fleet.everyone
        if one.state == "live"
        and one.service in services
        and (one.service, one.instance) not in known
    ]
    for service, members in sorted(_by_service(strange).items()):
        names = sorted({one.instance for one in members})
        text = f"{service}: {listed(names)} judge no token of this API from {listed(fleet.issuers)}"
        fix = "correct the audience and the issuer there, or --issuer for a custom domain"
        yield (
            blocker("instances", text, fix)
            if service in fleet.expected
            else note("instances", text, fix)
        )


def listed(names: Sequence[str], most: int = 3) -> str:
    """Some names, and how many more."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more:,} more" if more > 0 else "")


def _by_service(members: Sequence[Instance]) -> dict[str, list[Instance]]:
    found: dict[str, list[Instance]] = defaultdict(list)
    for one in members:
        found[one.service].append(one)
    return dict(found)


def _live(members: Sequence[Instance]) -> set[str]:
    return {one.instance for one in members if one.state == "live"}


def _of_state(members: Sequence[Instance], state: str) -> list[Instance]:
    """The instances of which no part is live."""
    live = _live(members)
    latest = {one.instance: one for one in sorted(members, key=lambda one: one.at)}
    return [one for one in latest.values() if one.state == state and one.instance not in live]
