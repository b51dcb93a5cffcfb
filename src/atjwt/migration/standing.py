"""Where an API stands on its way, read from the steps that a ledger holds.

    begun ──┬── switched ── drained ── enforced
            └── failed

A step that is begun may have been made or not, if whoever began it is gone: it is *pending* until
somebody reads the setting and records how it ended. Every step of an API is recorded later than the
one before, whatever the clocks of the hosts say, so that their order is certain.
"""

from dataclasses import dataclass
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

    pending: the latest step that is begun, and of which nobody has said how it ended.
    others: steps that are pending besides; somebody began at the same time.
    switched: the changes that were made, the oldest first.
    drained, enforced: of the last of them.
    updated: when the last step was recorded, seconds since 1970; 0 if none was.
    """

    pending: Step | None = None
    others: tuple[Step, ...] = ()
    switched: tuple[Step, ...] = ()
    drained: Step | None = None
    enforced: Step | None = None
    updated: float = 0.0

    @property
    def last(self) -> Step | None:
        """The last change that was made."""
        return self.switched[-1] if self.switched else None

    @property
    def in_force(self) -> tuple[Step, ...]:
        """The changes whose old tokens may be alive: the last, and the last that changed the profile.

        The second is another one where, after the profile, the `permissions` claim was changed too.
        """
        last = self.last
        if last is None:
            return ()
        profile = DIALECTS[last.after].profile
        for step in reversed(self.switched):
            if DIALECTS[step.after].profile is not profile:
                break
            if DIALECTS[step.before].profile is not profile:
                return (last,) if step is last else (step, last)
        return (last,)

    def next(self, now: float) -> float:
        """When the next step is recorded: now, or just after the last one."""
        return max(now, self.updated + _TICK if self.updated else 0.0)


def standing(account: Account, api: Api) -> Standing:
    """Where an API stands."""
    pending: list[Step] = []
    switched: list[Step] = []
    later: dict[str, Step] = {}
    updated = 0.0
    for step in account.steps:
        if (step.issuer, step.audience) != api or not _is_known(step):
            continue
        updated = max(updated, step.at)
        if step.name == "begun":
            pending.append(step)
        elif step.name == "failed":
            _settle(pending, step)
        elif step.name == "switched":
            pending = [begun for begun in pending if begun.after != step.after]
            switched.append(step)
            later = {}
        else:
            later[step.name] = step
    return Standing(
        pending=pending[-1] if pending else None,
        others=tuple(pending[:-1]),
        switched=tuple(switched),
        drained=later.get("drained"),
        enforced=later.get("enforced"),
        updated=updated,
    )


def _is_known(step: Step) -> bool:
    return step.before in DIALECTS and step.after in DIALECTS


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


def api_of(account: Account, audience: str | None, issuer: str | None = None) -> Api:
    """The API that is meant, of those with steps in the ledger.

    audience, issuer: its identifier, and the `iss` of its tokens; None where there is only one.
    Raises InTheWay: nothing is recorded. ConfigurationError: it must be said which one.
    """
    known = {Api(step.issuer, step.audience): None for step in account.steps}
    if not known:
        raise InTheWay(
            "no switch is recorded in this ledger: give the ledger that has it, or begin"
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
    raise InTheWay(f"no switch of that API is recorded in this ledger, but of: {listed}")
