"""Where an API stands on its way, read from the steps that a ledger holds.

    begun ──┬── switched ── drained ── enforced
            └── failed

A step that is begun may have been made or not, if whoever began it is gone: it is *pending* until
somebody reads the setting and records how it ended. Every step of an API is recorded later than the
one before, whatever the clocks of the hosts say, so that their order is certain.
"""

from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from atjwt.errors import ConfigurationError
from atjwt.migration.account import Account, Step
from atjwt.migration.dialects import DIALECTS, Dialect, dialect_set
from atjwt.migration.management import Settings

_TICK: Final = 0.001  # seconds between two steps at the least


class Api(NamedTuple):
    """Which API: the `iss` of its tokens, and its identifier."""

    issuer: str
    audience: str


class InTheWay(Exception):
    """It was not done, since something stands in the way. problems: what, each with its fix."""

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What was done with the setting of one API.

    begun: what is pending, the oldest first: several only where two began at the same time.
    switched: the changes that were made, the oldest first.
    failed: the last that was given up or refused, if nothing was switched since.
    drained, enforced: of the last of them.
    updated: when the last step was recorded, seconds since 1970; 0 if none was.
    """

    begun: tuple[Step, ...] = ()
    switched: tuple[Step, ...] = ()
    failed: Step | None = None
    drained: Step | None = None
    enforced: Step | None = None
    updated: float = 0.0

    @property
    def pending(self) -> Step | None:
        """The latest step that is begun, and of which nobody has said how it ended."""
        return self.begun[-1] if self.begun else None

    @property
    def last(self) -> Step | None:
        """The last change that was made."""
        return self.switched[-1] if self.switched else None

    @property
    def in_force(self) -> tuple[Step, ...]:
        """The changes that left another dialect than that of today, as if each had led there.

        Tokens from before each may be alive. A lifetime that was lowered between two changes may
        have been so just before the later one: it has the longer of both.
        """
        found: list[Step] = []
        known = 0.0
        for step in self.switched:
            if self.last is not None and step.before != self.last.after:
                longest = max(step.lifetime, known)
                found.append(replace(step, after=self.last.after, lifetime=longest))
            known = step.lifetime
        return tuple(found)

    @property
    def turns(self) -> tuple[Step, ...]:
        """Of these the last that changed the profile, and the last that changed the `permissions`
        claim alone: since then no old token should have been issued.
        """
        latest = {changes_profile(step): step for step in self.in_force}
        return tuple(sorted(latest.values(), key=changes_profile, reverse=True))

    def next(self, now: float) -> float:
        """When the next step is recorded: now, or just after the last one."""
        return max(now, self.updated + _TICK if self.updated else 0.0)


def changes_profile(step: Step) -> bool:
    """Whether it leads to another profile, or changes the `permissions` claim alone."""
    return DIALECTS[step.before].profile is not DIALECTS[step.after].profile


def standing(account: Account, api: Api) -> Standing:
    """Where an API stands. Raises InTheWay: a newer version of this has recorded it."""
    pending: list[Step] = []
    switched: list[Step] = []
    failed: Step | None = None
    later: dict[str, Step] = {}
    updated = 0.0
    for step in account.steps:
        if (step.issuer, step.audience) != api:
            continue
        _refuse_new(step)
        updated = max(updated, step.at)
        if step.name == "begun":
            pending.append(step)
        elif step.name == "failed":
            _settle(pending, step)
            failed = step
        elif step.name == "switched":
            pending = [begun for begun in pending if begun.after != step.after]
            switched.append(step)
            failed, later = None, {}
        else:
            later[step.name] = step
    return Standing(
        begun=tuple(pending),
        switched=tuple(switched),
        failed=failed,
        drained=later.get("drained"),
        enforced=later.get("enforced"),
        updated=updated,
    )


def _refuse_new(step: Step) -> None:
    if step.before not in DIALECTS or step.after not in DIALECTS:
        raise InTheWay(
            f"the steps of {step.audience} in the ledger were written by a newer version of atjwt: "
            "install that one here too"
        )


def _settle(pending: list[Step], failed: Step) -> None:
    for at in reversed(range(len(pending))):
        begun = pending[at]
        if (begun.before, begun.after, begun.undo) == (failed.before, failed.after, failed.undo):
            del pending[at]
            return


def dialect_of(settings: Settings) -> Dialect:
    """The dialect that an API is set to. Raises InTheWay: one that this version does not know."""
    try:
        return dialect_set(settings)
    except ConfigurationError as error:
        raise InTheWay(f"what the API is set to is new to this version: {error}") from None


def siblings(account: Account, api: Api) -> tuple[Standing, ...]:
    """Of the API's other issuers, where the ledger has a switch to the same profile: one setting has
    one tenant, which may issue by several domains.
    """
    others = {Api(step.issuer, step.audience): None for step in account.steps}
    found = (standing(account, each) for each in others if each.audience == api.audience)
    last = standing(account, api).last
    return tuple(
        each
        for each in found
        if each.last is not None and last is not None and each.last.issuer != api.issuer
        and DIALECTS[each.last.after].profile is DIALECTS[last.after].profile
    )  # fmt: skip


def api_of(account: Account, audience: str | None, issuer: str | None = None) -> Api:
    """The API that is meant, of those with steps in the ledger.

    audience, issuer: its identifier, and the `iss` of its tokens; None where there is only one.
    Raises InTheWay: nothing is recorded. ConfigurationError: it must be said which one.
    """
    known = {Api(step.issuer, step.audience): None for step in account.steps}
    if not known:
        raise InTheWay(
            "no switch is recorded in this ledger: give the one that has it by --ledger, or begin with "
            "`report` and `plan`; if it was lost, record it again: `switch --at`"
        )
    found = [
        api
        for api in known
        if audience in {None, api.audience} and issuer in {None, api.issuer}
    ]  # fmt: skip
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{api.audience} --issuer {api.issuer}" for api in found or known)
    if found:
        raise ConfigurationError([f"there are several APIs in the ledger; say which: {listed}"])
    raise InTheWay(
        f"no switch of that API is recorded in this ledger, but of: {listed}. Tokens from another "
        "domain of the same tenant are recorded by `switch` with --issuer"
    )
