"""Who judges the tokens of an API, as the heartbeats tell: live or silent, and what is accepted.

An instance is *live* until three of its intervals, or 15 s, have passed without a word, and *silent*
from then on: it may have been killed, or its ledger cannot be reached. One that stopped in order is
neither.
"""

from collections.abc import Iterable
from typing import Final

from atjwt.core.profile import Profile
from atjwt.migration.account import Account, Heartbeat, Origin
from atjwt.migration.standing import Api
from atjwt.migration.times import when

_MISSED: Final = 3  # heartbeats, after which an instance is silent
_OLD: Final = 3_600  # seconds after which it is told that nobody writes to a ledger
_SOON: Final = 15  # seconds that any instance is given

SKEW: Final = 60
"""Seconds by which clocks of hosts may differ before it is told."""


def heartbeats_of(account: Account, api: Api) -> tuple[Heartbeat, ...]:
    """The instances that judge the API's tokens and have not stopped in order."""
    return tuple(beat for beat in _all_of(account, api) if not beat.stopped)


def names_of(account: Account, api: Api) -> frozenset[str]:
    """What the ledger may call the API: a resource server may list other names of it first."""
    return frozenset({api.audience, *(beat.audience[0] for beat in _all_of(account, api))})


def leeway_of(account: Account, api: Api) -> float:
    """The largest leeway, in seconds, that an instance allows; the usual one if none reports."""
    return max((beat.leeway for beat in _all_of(account, api)), default=10.0)


def _all_of(account: Account, api: Api) -> list[Heartbeat]:
    return [
        beat
        for beat in account.heartbeats
        if beat.issuer == api.issuer and api.audience in beat.audience
    ]


def is_live(beat: Heartbeat, now: float) -> bool:
    """Whether it has reported lately. now: seconds since 1970."""
    return not beat.stopped and now - beat.at <= max(_MISSED * beat.interval, _SOON)


def interval_of(account: Account, api: Api) -> float:
    """The longest time, in seconds, between two writings of an instance; 0 if none reports."""
    return max((beat.interval for beat in _all_of(account, api)), default=0.0)


def written(account: Account, origin: Origin) -> float:
    """When services last wrote to a ledger, seconds since 1970, or a little earlier; 0 if never.

    A step that is recorded is a writing too, and says nothing about the instances: so it is no later
    than the last that any of them said.
    """
    said = (*(beat.at for beat in account.heartbeats), *(use.last for use in account.uses.values()))
    return min(origin.updated, max(said, default=0.0))


def accepts(beat: Heartbeat, profile: Profile) -> bool:
    """Whether tokens of that profile are accepted."""
    return profile.name in beat.profiles


def named(beats: Iterable[Heartbeat], most: int = 5) -> str:
    """Their services and instances, for a sentence."""
    names = [f"{beat.service} ({beat.instance})" for beat in beats]
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def hindrances(account: Account, api: Api, profile: Profile, now: float) -> list[str]:
    """What would hurt if tokens of that profile came: instances that refuse them, or unknown ones."""
    live = [beat for beat in heartbeats_of(account, api) if is_live(beat, now)]
    if not live:
        return [_nobody(account, api)]
    wrong = [beat for beat in live if not accepts(beat, profile)]
    if not wrong:
        return []
    return [
        f"{len(wrong)} of {len(live)} live instances do not accept the {profile.name} profile, and "
        f"would refuse its tokens: {named(wrong)}: set ATJWT_PROFILES=auth0,rfc9068 there first"
    ]


def _nobody(account: Account, api: Api) -> str:
    said = f"no live instance reports that it accepts tokens of {api.issuer} for {api.audience}"
    others = _other_issuers(account, api)
    if others:
        return f"{said}, but of {', '.join(others)}: give that one with --issuer, if it is meant"
    return f"{said}: add observers=[Ledger(…)] to its resource server, or give the ledger it writes"


def _other_issuers(account: Account, api: Api) -> list[str]:
    return sorted(
        {
            beat.issuer
            for beat in account.heartbeats
            if api.audience in beat.audience and beat.issuer != api.issuer
        }
    )


def remarks(account: Account, api: Api, profile: Profile, now: float) -> list[str]:
    """What should be known about the instances, though it stands in nobody's way."""
    found = []
    beats = heartbeats_of(account, api)
    silent = [beat for beat in beats if not is_live(beat, now)]
    if silent:
        found.append(
            f"silent, and refusing the {profile.name} profile perhaps, if they still run: "
            f"{named(silent)}"
        )
    ahead = [beat for beat in beats if beat.at > now + SKEW]
    if ahead:
        found.append(f"the clock is ahead of this host's, or this one slow, at: {named(ahead)}")
    found += [
        f"{origin.name} was last written to at {when(origin.updated)}: what came since is not in it"
        for origin in account.origins
        if origin.updated < now - _OLD
    ]
    if any(is_live(beat, now) for beat in beats) and (others := _other_issuers(account, api)):
        found.append(
            f"tokens of {', '.join(others)} are accepted for this API too; if that is another domain "
            "of the same tenant, they change with this setting: record it by the same command with "
            "--issuer, once it is switched"
        )
    return found
