"""What a switch, or an undo, would do, found out before anything is done.

The settings and the ledger are read, everything that could hurt is looked at, and what was begun
before and not settled is settled first: the setting as it is now says how it ended.

    the setting is…       the change that is pending        and now
    as it leads to        was made                          it is recorded so
    as it began with      was not made                      it is made, or given up if undone
    a third one           was overtaken by somebody         both are recorded
"""

import math
from dataclasses import dataclass, replace
from typing import Final, Literal, NamedTuple
from urllib.parse import quote

from atjwt.errors import ConfigurationError
from atjwt.migration.account import Account, Step
from atjwt.migration.dialects import DIALECTS, Dialect, dialect_named, target
from atjwt.migration.instances import heartbeats_of, hindrances, names_of, remarks
from atjwt.migration.management import ManagementApi, Settings
from atjwt.migration.moment import is_doubtful
from atjwt.migration.setting import lifetime_of
from atjwt.migration.standing import Api, InTheWay, Standing, dialect_of, standing
from atjwt.migration.times import when

MARGIN: Final = 60.0
"""Seconds until a new setting is in force everywhere, and by which clocks may differ."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What is about to be done.

    key: the API's id, by which it is asked for. name: what people call it, empty if nothing.
    action: `change`: the setting is to be changed. `settle`: it is changed already, which is to be
        recorded. `nothing`: it is as wanted.
    lifetime: seconds, the largest in force. settings: as they are now.
    pending: what was begun before, and is gone on with. settles: what is recorded first.
    notes: what should be known. See `Step` for the others.
    """

    api: Api
    key: str
    name: str
    action: Literal["change", "settle", "nothing"]
    before: Dialect
    after: Dialect
    lifetime: float
    margin: float
    undo: bool
    external: bool
    settings: Settings
    standing: Standing
    pending: Step | None = None
    settles: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def request(self) -> tuple[str, str, dict[str, object]]:
        """Method, path under the Management API's URL, and body of the one request that changes."""
        path = f"resource-servers/{quote(self.key, safe='')}"
        return "PATCH", path, {"token_dialect": self.after.name}


class Terms(NamedTuple):
    """How a change is made. issuer: the `iss` of the API's tokens, if it is not the tenant's own.

    margin: seconds. external: others make it. despite_instances: whether or not instances accept it.
    """

    issuer: str | None = None
    margin: float = MARGIN
    external: bool = False
    despite_instances: bool = False


def propose_switch(
    api: str,
    to: str,
    *,
    management: ManagementApi,
    account: Account,
    now: float,
    terms: Terms = Terms(),
) -> Proposal:
    """What a switch would do.

    api: its id or its identifier. to: a dialect, or a profile, which keeps the `permissions` claim.
    account: what the ledger holds. now: seconds since 1970.
    Raises InTheWay: something would hurt. ManagementError. ConfigurationError: wrong arguments.
    """
    target(DIALECTS["access_token"], to)  # a word that is none is told before anything is asked
    found = _look(api, management, account, now, terms)
    return _proposal(found, target(found.dialect, to), undo=False)


def propose_undo(
    api: str,
    *,
    management: ManagementApi,
    account: Account,
    now: float,
    terms: Terms = Terms(),
) -> Proposal:
    """What leads back to the setting from before the last switch. See `propose_switch`."""
    found = _look(api, management, account, now, terms)
    same = {step.issuer for step in account.steps if step.audience == found.api.audience}
    if same and found.api.issuer not in same:
        raise InTheWay(
            f"no switch of {found.api.audience} with tokens of {found.api.issuer} is recorded, but of "
            f"{', '.join(sorted(same))}: give that one with --issuer, if it is meant"
        )
    return _proposal(found, back(found.standing, found.api), undo=True)


def back(stands: Standing, api: Api) -> Dialect:
    """The dialect from before the last switch, or the one an undo led, or leads, to.

    Raises InTheWay: there was none.
    """
    step = stands.pending or stands.last
    if step is None:
        raise InTheWay(f"no switch of {api.audience} is recorded in this ledger: nothing to undo")
    return dialect_named(step.after if step.undo else step.before)


class _Found(NamedTuple):
    api: Api
    key: str
    settings: Settings
    dialect: Dialect
    standing: Standing
    account: Account
    now: float
    terms: Terms


def _look(
    api: str, management: ManagementApi, account: Account, now: float, terms: Terms
) -> _Found:
    if not (math.isfinite(terms.margin) and terms.margin >= 0):
        raise ConfigurationError(["margin: give seconds, 0 or more"])
    settings = management.get(api)
    identifier, key = settings.get("identifier"), settings.get("id")
    if not isinstance(identifier, str):
        raise InTheWay("the Management API's answer is no API: it has no identifier")
    if settings.get("is_system") is True:
        raise InTheWay(
            f"{identifier} is a system API of Auth0's: its profile cannot be changed; give one of yours"
        )
    which = Api(terms.issuer or management.issuer, identifier)
    return _Found(
        api=which,
        key=key if isinstance(key, str) and key else identifier,
        settings=settings,
        dialect=dialect_of(settings),
        standing=standing(account, which),
        account=account,
        now=now,
        terms=terms,
    )


_ANEW: Final = {
    "failed": "this change was refused, as was answered, and shows all the same: it is recorded",
    "switched": "old tokens were issued after the switch, or came when none should live: it is recorded "
    "anew, and waited for from now on",
}
"""Why something is recorded though it is set as wanted, by the step that says otherwise."""


def _proposal(found: _Found, wanted: Dialect, *, undo: bool) -> Proposal:
    stands, terms = found.standing, found.terms
    _refuse_another(found, wanted)
    pending, settles = _settlement(found, wanted)
    action: Literal["change", "settle", "nothing"] = "change"
    before = found.dialect
    if before is wanted:
        action = "nothing" if pending is None else "settle"
        before = before if pending is None else dialect_named(pending.before)
    notes = _notes(found, wanted)
    if pending is not None and pending.name != "begun":
        notes.append(_ANEW[pending.name])
    if action == "change":
        hurts = hindrances(found.account, found.api, wanted.profile, found.now)
        if hurts and not terms.despite_instances:
            raise InTheWay(*hurts)
        notes += hurts + remarks(found.account, found.api, wanted.profile, found.now)
    name = found.settings.get("name")
    return Proposal(
        api=found.api,
        key=found.key,
        name=name if isinstance(name, str) else "",
        action=action,
        before=before,
        after=wanted,
        lifetime=lifetime_of(found.settings),
        margin=terms.margin,
        undo=undo,
        external=terms.external,
        settings=found.settings,
        standing=stands,
        pending=pending,
        settles=settles,
        notes=tuple(notes),
    )


def _refuse_another(found: _Found, wanted: Dialect) -> None:
    pending = found.standing.pending
    if pending is None or wanted.name in {pending.before, pending.after, found.dialect.name}:
        return
    go_on = "undo" if pending.undo else f"switch --to {pending.after}"
    give_up = f"switch --to {pending.before}" if pending.undo else "undo"
    raise InTheWay(
        f"a change to {pending.after} was begun at {when(pending.at)} and is not settled: "
        f"`{go_on}` goes on with it, `{give_up}` gives it up"
    )


def _settlement(found: _Found, wanted: Dialect) -> tuple[Step | None, tuple[Step, ...]]:
    """The step to go on with, and what is to be recorded first of what has happened meanwhile."""
    pending = found.standing.pending
    now_set = found.dialect.name
    if pending is None:
        unsettled = _unsettled(found, wanted)
        return unsettled, () if unsettled else _missed(found)
    if now_set not in {pending.before, pending.after}:
        overtaken = replace(pending, name="failed")
        stood = replace(pending, after=pending.before)
        return None, (overtaken, _by_others(found, stood))
    if wanted.name == pending.after:
        return pending, ()
    ended = replace(pending, name="switched" if now_set == pending.after else "failed")
    return None, (replace(ended, lifetime=max(ended.lifetime, lifetime_of(found.settings))),)


def _unsettled(found: _Found, wanted: Dialect) -> Step | None:
    """What has failed, as was said, though it shows; or what was switched, and holds no more."""
    failed, last = found.standing.failed, found.standing.last
    if found.dialect is not wanted:
        return None
    if failed is not None and failed.after == wanted.name:
        return failed
    is_so = last is not None and last.after == wanted.name
    return is_doubtful(found.account, found.api) if is_so else None


def _missed(found: _Found) -> tuple[Step, ...]:
    """What the ledger does not have: a change by others, or one of another domain of the tenant."""
    last, failed = found.standing.last, found.standing.failed
    if last is None and failed is not None:
        last = replace(failed, after=failed.before)
    if last is not None:
        return (_by_others(found, last),) if last.after != found.dialect.name else ()
    which = found.api
    others = [step for step in found.account.steps
              if (step.name, step.audience, step.after) ==
              ("switched", which.audience, found.dialect.name)]  # fmt: skip
    if not others or not heartbeats_of(found.account, which):
        return ()
    longest = max(step.lifetime for step in others)
    lifetime = max(longest, lifetime_of(found.settings))
    return (
        replace(others[-1], at=found.now, issuer=which.issuer, lifetime=lifetime, external=True),
    )


def _by_others(found: _Found, last: Step) -> Step:
    """A change that was made while nobody told the ledger; when, is not known, so it is now."""
    return Step(
        name="switched",
        at=found.now,
        issuer=found.api.issuer,
        audience=found.api.audience,
        before=last.after,
        after=found.dialect.name,
        lifetime=max(last.lifetime, lifetime_of(found.settings)),
        margin=found.terms.margin,
        undo=found.dialect.name == last.before and not last.undo,
        external=True,
    )


def _notes(found: _Found, wanted: Dialect) -> list[str]:
    notes = []
    pending, last = found.standing.pending, found.standing.last
    if pending is not None:
        notes.append(
            f"a change from {pending.before} to {pending.after} was begun at {when(pending.at)} and "
            f"nobody has said how it ended; the API is set to {found.dialect.name} now. If somebody "
            "is at it, let them finish"
        )
    elif last is not None and last.after != found.dialect.name:
        notes.append(
            f"the API was switched to {last.after} at {when(last.at)}, and is set to "
            f"{found.dialect.name} now: somebody has changed it since, which is recorded too"
        )
    if found.dialect is wanted and _has_lost_permissions(found):
        kept = target(wanted._replace(permissions=True), wanted.profile.name).name
        notes.append(
            "tokens had a permissions claim before, and new ones have none: a policy that asks for one "
            f"does not hold. If that is not meant: `switch --to {kept}`"
        )
    if found.dialect.permissions and not wanted.permissions:
        notes.append(
            "new tokens will have no permissions claim, and no policy that asks for one holds"
        )
    return notes


def _has_lost_permissions(found: _Found) -> bool:
    """Whether others took the `permissions` claim away, by what is known of before."""
    stands = found.standing
    if found.dialect.permissions:
        return False
    if stands.pending is not None:
        return DIALECTS[stands.pending.after].permissions
    if stands.last is not None:
        return DIALECTS[stands.last.after].permissions
    names = names_of(found.account, found.api)
    return any(
        key.permissions
        for key in found.account.uses
        if key.issuer == found.api.issuer and key.audience in names
    )
