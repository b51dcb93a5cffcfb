"""Changes the token dialect of an API, and records it, so that whatever happens can be gone on with.

    record `begun` → PATCH the one member → read it back → record `switched`

If the ledger cannot keep that it is begun, nothing is changed. If the change is refused, it has
failed. If nobody knows whether it was made, it stays pending, and the same asked for again settles it.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from atjwt.migration.account import Account, Step, StepName
from atjwt.migration.dialects import Dialect
from atjwt.migration.management import ManagementApi, ManagementError, Settings
from atjwt.migration.moment import Moment, in_force, latest_moment, moment
from atjwt.migration.proposal import (
    Proposal,
    Terms,
    propose_switch,
    propose_undo,
)
from atjwt.migration.setting import lifetime_of
from atjwt.migration.standing import Api, InTheWay, Standing, dialect_of, standing
from atjwt.migration.stores import LedgerError, Store
from atjwt.migration.times import when

_PAUSES: Final = (
    1.0,
    2.0,
    4.0,
    8.0,
)  # seconds before a change that does not show is looked for again
_SKEW: Final = 5.0  # seconds by which the clock may be wrong before it is told
_POLL: Final = 5.0  # seconds between two looks while others are to make the change
_QUIET: Final = 12  # looks after which the same is told again: a minute

Tell = Callable[[str], object]
"""Is told, in a sentence, what is happening."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of it.

    switched: the recorded step; None where nothing was to be done. moment: when no old token can be
    alive, as far as the ledger knows by now. changed: the names of other settings that changed
    meanwhile, by other hands. settled: what was recorded first.
    """

    switched: Step | None = None
    moment: Moment | None = None
    changed: tuple[str, ...] = ()
    settled: tuple[Step, ...] = ()


class _Journal:
    """Records the steps of one API, each later than the one before."""

    def __init__(self, ledger: Store, stands: Standing, clock: Callable[[], float]) -> None:
        self._ledger = ledger
        self._stands = stands
        self._clock = clock

    def record(self, step: Step, name: StepName | None = None, *, since: float = 0.0) -> Step:
        """Adds a step, at the present moment, or at another that is later by another clock."""
        at = self._stands.next(max(self._clock(), since))
        step = replace(step, at=at, name=name or step.name)
        self._ledger.record(step)
        self._stands = replace(self._stands, updated=at)
        return step


def switch(
    api: str,
    to: str,
    *,
    management: ManagementApi,
    ledger: Store,
    terms: Terms = Terms(),
    tell: Tell = lambda _: None,
) -> Outcome:
    """Sets an API to another dialect, at once; see `propose_switch` and `carry_out`."""
    account = ledger.read()
    proposal = propose_switch(
        api, to, management=management, account=account, now=time.time(), terms=terms
    )
    return carry_out(proposal, management=management, ledger=ledger, tell=tell)


def undo(
    api: str,
    *,
    management: ManagementApi,
    ledger: Store,
    terms: Terms = Terms(),
    tell: Tell = lambda _: None,
) -> Outcome:
    """Sets an API back to what it was before the last switch, at once; see `propose_undo`."""
    account = ledger.read()
    proposal = propose_undo(
        api, management=management, account=account, now=time.time(), terms=terms
    )
    return carry_out(proposal, management=management, ledger=ledger, tell=tell)


def carry_out(
    proposal: Proposal,
    *,
    management: ManagementApi,
    ledger: Store,
    tell: Tell = lambda _: None,
    clock: Callable[[], float] = time.time,
    sleep: Callable[[float], object] = time.sleep,
) -> Outcome:
    """Does what was proposed. Stopped at any point, it can be asked for again, and goes on.

    Raises InTheWay: something has changed since, or nobody knows how it ended. ManagementError: the
    change was refused. LedgerError: the ledger cannot keep it; says what was done.
    """
    journal = _Journal(ledger, proposal.standing, clock)
    settled = tuple(journal.record(step) for step in proposal.settles)
    if proposal.action == "nothing":
        return Outcome(settled=settled)
    seen = proposal.settings
    if proposal.action == "change":
        seen = _still(proposal, management)
    begun = proposal.pending or _begin(proposal, journal, ledger, lifetime_of(seen))
    if proposal.action == "change":
        if proposal.external:
            _wait(proposal, management, tell, sleep)
        elif dialect_of(seen) is not proposal.after:
            _patch(proposal, management, journal, begun, tell)
    after = _read_back(proposal, management, sleep)
    step = replace(
        begun,
        lifetime=max(begun.lifetime, lifetime_of(seen), lifetime_of(after)),
        margin=max(begun.margin, proposal.margin),
        external=proposal.external,
    )
    date = management.date
    skew = date - clock()
    if date and abs(skew) > _SKEW:
        tell(
            f"the clock of this host is {abs(skew):.0f} s {'behind' if skew > 0 else 'ahead of'} the "
            "Management API's: the later of both is recorded; set it"
        )
    switched = _keep(journal, step, max(clock(), date))
    return Outcome(
        switched=switched,
        moment=moment_now(ledger, switched),
        changed=_changed(seen, after),
        settled=settled,
    )


def moment_now(ledger: Store, switched: Step) -> Moment:
    """When no old token can be alive, as far as the ledger knows by now."""
    try:
        account = ledger.read()
    except LedgerError:  # the step is kept; what came by now is seen by `drain`
        account = Account()
    steps = in_force(account, Api(switched.issuer, switched.audience))
    return latest_moment(account, steps) if steps else moment(account, switched)


def _still(proposal: Proposal, management: ManagementApi) -> Settings:
    """The settings, read again: a person may have thought about it for long."""
    settings = management.get(proposal.key)
    dialect = dialect_of(settings)
    if dialect not in {proposal.before, proposal.after}:
        raise InTheWay(
            f"somebody has set the API to {dialect.name} meanwhile; nothing was done: look, and begin "
            "again"
        )
    return settings


def _begin(proposal: Proposal, journal: _Journal, ledger: Store, lifetime: float) -> Step:
    begun = journal.record(
        Step(
            name="begun",
            at=0.0,
            issuer=proposal.api.issuer,
            audience=proposal.api.audience,
            before=proposal.before.name,
            after=proposal.after.name,
            lifetime=max(proposal.lifetime, lifetime),
            margin=proposal.margin,
            undo=proposal.undo,
            external=proposal.external,
        )
    )
    pending = standing(ledger.read(), proposal.api).begun
    others = [step for step in pending if step != begun]
    if others:  # whoever records before they look cannot both miss the other
        journal.record(begun, "failed")
        raise InTheWay(
            f"somebody else has begun a change to {others[0].after} at the same time; this one was "
            "given up, and nothing was changed by it: look how theirs ends, or whether it was given up "
            "too, and begin again"
        )
    return begun


def _patch(
    proposal: Proposal, management: ManagementApi, journal: _Journal, begun: Step, tell: Tell
) -> None:
    try:
        management.patch(proposal.key, token_dialect=proposal.after.name)
    except ManagementError as error:
        if not error.is_unknown:
            journal.record(begun, "failed")
            raise
        tell(f"no clear answer to the change ({error}); reading it back")


def _wait(
    proposal: Proposal, management: ManagementApi, tell: Tell, sleep: Callable[[float], object]
) -> None:
    """Until others have made the change. The Management API may be away for a while.

    What stays as it is, is told once a minute.
    """
    told = ""
    for look in itertools.count():
        try:
            dialect = dialect_of(management.get(proposal.key))
        except ManagementError as error:
            if error.status is not None and error.status < 500 and error.status != 429:
                raise
            sentence = f"the Management API cannot be asked for now ({error})"
        else:
            if dialect is proposal.after:
                return
            if dialect is not proposal.before:
                raise InTheWay(_instead(proposal, dialect))
            sentence = f"still {dialect.name}; waiting for {proposal.after.name}"
        if sentence != told or look % _QUIET == 0:
            tell(sentence)
        told = sentence
        sleep(_POLL)


def _instead(proposal: Proposal, dialect: Dialect) -> str:
    """What is said where others have set another dialect than the wanted one."""
    wanted = proposal.after
    claim = ""
    if dialect.permissions is not wanted.permissions:
        claim = f" ({'with' if dialect.permissions else 'without'} the permissions claim)"
    return (
        f"the API was set to {dialect.name}{claim} instead of {wanted.name}. Accept that: "
        f"`switch --to {dialect.name} --external`; or have {wanted.name} set, and give this again"
    )


def _read_back(
    proposal: Proposal, management: ManagementApi, sleep: Callable[[float], object]
) -> Settings:
    """The settings with the change in them. Raises InTheWay: it does not show, or cannot be read."""
    dialect = proposal.before
    for pause in (0.0, *_PAUSES):
        if pause:
            sleep(pause)
        try:
            settings = management.get(proposal.key)
        except ManagementError as error:
            raise InTheWay(
                f"nobody knows whether the API is set to {proposal.after.name}: it could not be read "
                f"back ({error}). The ledger has it as begun: run the same again, and it goes on"
            ) from error
        dialect = dialect_of(settings)
        if dialect is proposal.after:
            return settings
        if dialect is not proposal.before:
            break
    raise InTheWay(
        f"the API is not set to {proposal.after.name} but to {dialect.name}. The ledger has the "
        "change as begun: run the same again, and it goes on"
    )


def _keep(journal: _Journal, step: Step, at: float) -> Step:
    try:
        return journal.record(step, "switched", since=at)
    except LedgerError as error:
        raise LedgerError(
            f"the API IS set to {step.after}, read back at {when(at)}, but the ledger cannot keep "
            f"that: {error}. Mend it and run the same again: it settles what is begun"
        ) from error


def _changed(before: Settings, after: Settings) -> tuple[str, ...]:
    """The names of the other settings that are not as they were; never their values."""
    missing = object()
    return tuple(
        sorted(
            name
            for name in {*before, *after} - {"token_dialect"}
            if before.get(name, missing) != after.get(name, missing)
        )
    )
