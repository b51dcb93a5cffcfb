"""The other issuers whose tokens are accepted for an API: most likely domains of the same tenant.

An API has one setting, and its tenant may issue by its own domain and by custom ones. Each has its
steps in the ledger. Of one that has none nobody can tell whether it is another tenant's; its old
tokens would be refused all the same, where the profiles of all are narrowed.
"""

from typing import NamedTuple

from atjwt.migration.account import OTHERS, Account, Step, in_part
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.instances import heartbeats_of, is_live, leeway_of, names_of
from atjwt.migration.standing import Api, siblings, standing
from atjwt.migration.times import when


class Strangers(NamedTuple):
    """alive: what old tokens of others live. unknown: what may, for all that is known."""

    alive: list[str]
    unknown: list[str]


def strangers(account: Account, step: Step, now: float) -> Strangers:
    """What is to be known of the other issuers. step: the switch. now: seconds since 1970."""
    api = Api(step.issuer, step.audience)
    found = Strangers([], [])
    recorded = {each.last.issuer for each in siblings(account, api) if each.last is not None}
    for issuer in sorted(_issuers(account, api) - {step.issuer, OTHERS}):
        other = Api(issuer, api.audience)
        pending = standing(account, other).pending
        if pending is not None:
            found.alive.append(
                f"a change for tokens of {issuer} to {pending.after} was begun at "
                f"{when(pending.at)}, and nobody knows whether it was made: give it again with "
                f"--issuer {issuer}"
            )
        elif issuer not in recorded:
            _look(account, other, step, now, found)
    return found


def _issuers(account: Account, api: Api) -> set[str]:
    issuers = {beat.issuer for beat in account.heartbeats if api.audience in beat.audience}
    issuers |= {step.issuer for step in account.steps if step.audience == api.audience}
    named = {name for each in issuers for name in names_of(account, Api(each, api.audience))}
    return issuers | {key.issuer for key in account.uses if key.audience in named}


def _look(account: Account, other: Api, step: Step, now: float, found: Strangers) -> None:
    old = DIALECTS[step.before].profile.name
    names, leeway = names_of(account, other), leeway_of(account, other)
    until = max(
        (
            use.expires + leeway
            for key, use in account.uses.items()
            if (key.issuer, key.profile) == (other.issuer, old) and key.audience in names
        ),
        default=0.0,
    )
    what = (
        f"and no switch of them is recorded: if that is another domain of the same tenant, `switch "
        f"--to {step.after} --issuer {other.issuer}` records it"
    )
    if until > now:
        found.alive.append(
            f"tokens of {other.issuer} in the {old} profile live until {when(until)}, {what}; if it is "
            f"another tenant's, say which issuer is meant: --issuer {step.issuer}"
        )
    elif any(
        is_live(beat, now) and {old, in_part(old)} & {*beat.profiles}
        for beat in heartbeats_of(account, other)
    ):
        found.unknown.append(
            f"the {old} profile of {other.issuer} is accepted for this API too, {what}"
        )
