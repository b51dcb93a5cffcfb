"""When no token from before a switch can be alive any more, and what speaks against it.

A token of the old profile was issued at the latest when the new setting was read back, or a margin
later, until which it may not be in force everywhere; so it has expired a lifetime later. Tokens that
were seen tell more: one that expires later still moves the moment. On top comes the leeway that the
instances allow. Every change that left another dialect counts, and each issuer of the API.

A *stray* is a token of the old kind that was issued later than that. Then the setting has not stayed,
and no moment holds before it was read as wanted again; from there on it is reckoned anew.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from atjwt.migration.account import OTHERS, Account, Step, Use, UseKey
from atjwt.migration.changes import is_old
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.instances import interval_of, leeway_of, names_of
from atjwt.migration.management import Settings
from atjwt.migration.setting import lifetime_of
from atjwt.migration.standing import (
    Api,
    Standing,
    changes_profile,
    dialect_of,
    siblings,
    standing,
)

_EXACT: Final = 1.0  # seconds; moments are rounded here and there


class Moment(NamedTuple):
    """The earliest moment at which no old token can be alive. Times are seconds since 1970.

    at: that moment. issued: until when those live that were issued before the switch, as the settings
    said. longer: as `issued`, where tokens were seen that live longer than the settings said, else 0.
    expires: the latest `exp` seen, 0 if none. leeway: seconds.
    """

    at: float
    issued: float
    longer: float
    expires: float
    leeway: float


def old_uses(account: Account, step: Step) -> dict[UseKey, Use]:
    """The accepted tokens that are known to be of the old kind: of the old profile, or where the
    switch takes the `permissions` claim away, those that have it.
    """
    before, after = DIALECTS[step.before], DIALECTS[step.after]
    names = names_of(account, Api(step.issuer, step.audience))
    return {
        key: use
        for key, use in account.uses.items()
        if key.issuer in {step.issuer, OTHERS}
        and key.audience in names
        and is_old(before, after, key.profile, permissions=key.permissions)
    }


def moment(account: Account, step: Step) -> Moment:
    """When no token from before a switch can be alive. step: a `switched` one.

    Tokens that were seen with a longer lifetime than the settings said (it was lowered, or is set
    otherwise) may have been issued as late as the last of them came, and not have come yet.
    """
    uses = old_uses(account, step).values()
    issued = step.at + step.lifetime + step.margin
    latest = max(
        (min(use.last, step.at) + use.lifetime + step.margin for use in uses), default=0.0
    )  # fmt: skip
    longer = latest if latest > issued else 0.0
    expires = max((use.expires for use in uses), default=0.0)
    leeway = leeway_of(account, Api(step.issuer, step.audience))
    return Moment(max(issued, longer, expires) + leeway, issued, longer, expires, leeway)


def latest_moment(account: Account, steps: Iterable[Step]) -> Moment:
    """The latest of their moments."""
    return max(moment(account, step) for step in steps)


def in_force(account: Account, api: Api, *, of_profile: bool = False) -> tuple[Step, ...]:
    """The changes whose old tokens may be alive, of all issuers of the API that were switched.

    of_profile: only those that changed the profile, where any did.
    """
    found = [step for each in _standings(account, api) for step in each.in_force]
    others = [step for step in found if changes_profile(step)]
    return tuple(others if others and of_profile else found)


def turns(account: Account, api: Api) -> tuple[Step, ...]:
    """The changes since which no old token should have been issued, by each of its issuers."""
    return tuple(step for each in _standings(account, api) for step in each.turns)


def _standings(account: Account, api: Api) -> tuple[Standing, ...]:
    return (standing(account, api), *siblings(account, api))


def strays(account: Account, step: Step) -> list[Use]:
    """Old tokens that were issued after a switch, and when it should have been in force."""
    uses = old_uses(account, step).values()
    return [use for use in uses if use.expires - use.lifetime > step.at + step.margin]


def late_clients(account: Account, step: Step, at: float) -> list[str]:
    """The clients of old tokens that were accepted after the moment, when none should live.

    A token that was seen before is counted when its instance writes next, which may be a while later.
    """
    until = at + interval_of(account, Api(step.issuer, step.audience)) + _EXACT
    uses = old_uses(account, step).items()
    return sorted({key.client_id for key, use in uses if use.last > until})


def is_doubtful(account: Account, api: Api) -> Step | None:
    """The switch that has to be recorded anew: old tokens were issued after it, or came too late."""
    latest = standing(account, api).turns
    at = latest_moment(account, in_force(account, api)).at if latest else 0.0
    for step in latest:
        if strays(account, step) or late_clients(account, step, at):
            return step
    return None


def renewed(account: Account, api: Api, settings: Settings | None, now: float) -> tuple[Step, ...]:
    """The switches after which old tokens were issued, recorded anew, if the setting is as wanted now.

    settings: as they were read just now, if they could be. now: seconds since 1970.
    """
    if settings is None:
        return ()
    return tuple(
        replace(
            step,
            name="switched",
            at=standing(account, Api(step.issuer, step.audience)).next(now),
            lifetime=max(step.lifetime, lifetime_of(settings), *(use.lifetime for use in astray)),
            external=True,
        )
        for step in turns(account, api)
        if (astray := strays(account, step)) and dialect_of(settings).name == step.after
    )


def stray_problem(step: Step, settings: Settings | None) -> str:
    """What is said of strays that nobody has settled. settings: read just now, if they could be."""
    if settings is not None:
        what = f"set it again by `switch --to {step.after}`"
    else:
        what = (
            f"have it read (--domain and credentials), or see yourself that {step.after} is set, and "
            "tell by `switch --at now`"
        )
    return (
        f"tokens of {step.issuer} as {step.before} makes them were issued after the switch: the "
        "setting has not taken effect everywhere, or somebody has changed it back; nobody has seen it "
        f"as wanted since: {what}; then it is waited for anew"
    )
