"""Whether the old profile may be refused, and who does so already."""

import re
from dataclasses import replace
from typing import Any

import pytest

from atjwt.migration.account import Batch, Heartbeat, Origin, RefusalKey, Refusals, Step
from atjwt.migration.enforce import Enforcement, enforce
from atjwt.migration.standing import InTheWay
from atjwt.migration.store import LedgerError
from tools.migrating import API, DAY, ISSUER, START, Clock, Ledger, Tenant, Trap, beat, step, use

END = START + DAY + 70
NOW = END + 15


class Shop:
    """A ledger with a switch that is drained, and instances that report."""

    def __init__(self, *beats: Heartbeat, steps: tuple[Step, ...] = (step(),)) -> None:
        self.clock = Clock(NOW)
        self.ledger = Ledger(self.clock)
        self.ledger.write(Batch(heartbeats=beats or (beat(NOW - 5),)))
        for each in steps:
            self.ledger.record(each)

    def enforce(self, **changes: Any) -> Enforcement:
        """The setting is read, and as it was switched."""
        last = self.ledger.peek().steps[-1].after if self.ledger.peek().steps else None
        whole: dict[str, Any] = {"settings": lambda _: {"token_dialect": last}, **changes}
        return enforce(self.ledger, clock=self.clock, **whole)


def test_when_all_is_well_nothing_stands_in_the_way() -> None:
    """The profile to accept alone, and who does not yet; nothing is recorded."""
    shop = Shop()
    found = shop.enforce()
    assert (found.wrong, found.unattested) == ((), ())
    assert (found.profile, found.drained_at) == ("rfc9068", END)
    assert [each.instance for each in found.wide] == ["a:1"]
    assert (found.narrowed, found.enforced) == ((), None)
    assert shop.ledger.names() == ["switched"]


def test_after_the_rollout_it_is_recorded_once() -> None:
    """When every live instance accepts the new profile alone; before, it says which do."""
    narrow = beat(NOW - 5, "b:2", profiles=("rfc9068",))
    shop = Shop(beat(NOW - 5), narrow)
    found = shop.enforce()
    assert ([each.instance for each in found.narrowed], len(found.wide)) == (["b:2"], 1)
    shop.ledger.write(Batch(heartbeats=(beat(NOW - 4, stopped=True),)))
    found = shop.enforce()
    assert found.enforced is not None
    assert (found.enforced.name, found.enforced.at) == ("enforced", NOW)
    assert shop.enforce().enforced == found.enforced
    assert shop.ledger.names() == ["switched", "enforced"]


def test_an_instance_that_takes_neither_is_not_narrowed() -> None:
    """Only the new profile, and it alone, is what is meant."""
    found = Shop(beat(NOW - 5, profiles=("auth0",))).enforce()
    assert len(found.wide) == 1


def test_the_way_back_narrows_to_the_old_profile() -> None:
    """It is the same the other way round."""
    shop = Shop(
        beat(NOW - 5, profiles=("auth0",)),
        steps=(step(before="rfc9068_profile", after="access_token", undo=True),),
    )
    found = shop.enforce()
    assert (found.profile, found.enforced is not None) == ("auth0", True)


def test_a_switch_of_permissions_alone_leaves_nothing_to_narrow() -> None:
    """The profile is the same; but after one that changed it, it is narrowed all the same."""
    alone = step(before="rfc9068_profile", after="rfc9068_profile_authz")
    shop = Shop(beat(NOW - 5, profiles=("rfc9068",)), steps=(alone,))
    assert shop.enforce().profile is None
    assert shop.ledger.names() == ["switched"]
    assert Shop(steps=(step(), replace(alone, at=START + 9, lifetime=1.0))).enforce().profile


@pytest.mark.parametrize("unattested", [False, True])
def test_before_the_moment_nobody_may_narrow(*, unattested: bool) -> None:
    """Nor is that taken upon oneself."""
    shop = Shop(beat(END - 2, profiles=("rfc9068",)))
    shop.clock.now = END - 1
    found = shop.enforce(unattested=unattested)
    assert found.wrong[0].startswith("not before ")
    assert shop.ledger.names() == ["switched"]
    shop.clock.now = END
    shop.ledger.write(Batch(heartbeats=(beat(END, profiles=("rfc9068",)),)))
    assert shop.enforce().wrong == ()


def test_old_tokens_that_came_since_stand_in_the_way() -> None:
    """A clock is wrong somewhere, if they came after they can have lived."""
    shop = Shop()
    shop.ledger.write(Batch(uses=use(END + 11.5, lifetime=1.0, expires=START)))
    assert "were accepted since" in shop.enforce().wrong[0]
    assert "of batch" in shop.enforce().wrong[0]
    assert "`switch --to rfc9068_profile` records the setting anew" in shop.enforce().wrong[0]


@pytest.mark.parametrize(("interval", "later"), [(10.0, 11.0), (60.0, 61.0)])
def test_a_token_that_was_remembered_is_counted_when_its_instance_writes(
    interval: float, later: float
) -> None:
    """It came before it expired; moments are rounded, too."""
    shop = Shop(beat(NOW - 5, interval=interval))
    shop.ledger.write(Batch(uses=use(END + later, lifetime=1.0, expires=START)))
    assert shop.enforce().wrong == ()
    shop.ledger.write(Batch(uses=use(END + later + 1, lifetime=1.0, expires=START)))
    assert shop.enforce().wrong


def test_a_setting_that_somebody_changed_back_stands_in_the_way() -> None:
    """It is looked at where it can be."""
    shop = Shop()
    tenant = Tenant(shop.clock)
    look = {"settings": lambda api: tenant.management().get(api.audience)}
    assert "`switch --to rfc9068_profile` sets it again" in shop.enforce(**look).wrong[0]
    tenant.settings["token_dialect"] = "rfc9068_profile"
    assert shop.enforce(**look).wrong == ()
    tenant.settings["token_dialect"] = "rfc10000"
    with pytest.raises(InTheWay, match="new to this version"):
        shop.enforce(**look)


@pytest.mark.parametrize(
    ("beats", "says"),
    [
        ([beat(NOW - 60)], "no instance reports"),
        ([beat(NOW - 60, stopped=True)], "no instance reports"),
        ([beat(NOW - 5), beat(NOW - 60, "b:2")], r"silent.*orders \(b:2\)"),
        ([beat(NOW - 5), beat(END - 1, "b:2")], r"not yet heard of since.*orders \(b:2\)"),
    ],
)
def test_instances_that_have_not_reported_since_cannot_attest(
    beats: list[Heartbeat], says: str
) -> None:
    """Each is named; that may be taken upon oneself."""
    shop = Shop(*beats)
    found = shop.enforce()
    assert found.wrong == ()
    assert re.search(says, found.unattested[0])
    if "no instance" not in says:
        shop.ledger.write(
            Batch(heartbeats=tuple(replace(each, profiles=("rfc9068",)) for each in beats))
        )
        assert shop.enforce().enforced is None
        assert shop.enforce(unattested=True).enforced is not None


def test_old_tokens_that_are_refused_since_are_counted() -> None:
    """They stand in nobody's way: none of them can have been valid."""
    key = RefusalKey(0, "orders", ISSUER, API, "auth0", "profile_not_accepted")
    shop = Shop()
    shop.ledger.write(Batch(refusals={key: Refusals(4, NOW)}))
    assert (shop.enforce().refused, shop.enforce().wrong) == (4, ())
    shop = Shop()
    shop.ledger.write(Batch(refusals={key: Refusals(4, END - 1)}))
    assert shop.enforce().refused == 0


def test_an_instance_that_fell_silent_later_has_attested() -> None:
    """It has reported since the moment; whatever it saw before is written."""
    shop = Shop(beat(NOW - 5), beat(END, "b:2"))
    shop.clock.now = NOW + 90
    shop.ledger.write(Batch(heartbeats=(beat(NOW + 90),)))
    assert shop.enforce().unattested == ()


def test_nobody_at_all_enforces_nothing() -> None:
    """Though it is taken upon oneself."""
    assert Shop(beat(START)).enforce(unattested=True).enforced is None


def test_lost_counts_and_old_ledgers_cannot_attest() -> None:
    """They say nothing about the time since."""
    shop = Shop()
    shop.ledger.write(Batch(lost=3))
    assert shop.enforce().unattested == ("3 counts were lost, and nobody knows of which tokens",)
    shop = Shop()
    whole = shop.ledger.peek()
    stale = (Origin("old.db", "o", END - 1), *whole.origins)
    shop.ledger.peek = lambda: replace(whole, origins=stale)  # type: ignore[method-assign]
    assert [each.split()[0] for each in shop.enforce().unattested] == ["old.db"]


@pytest.mark.parametrize(
    ("ago", "lifetime", "counts"),
    [(DAY + 69, 1.0, True), (DAY + 71, 1.0, False), (DAY + 71, DAY + 99, True), (None, 1.0, True)],
)
def test_what_was_lost_long_ago_does_not_matter(
    ago: float | None, lifetime: float, *, counts: bool
) -> None:
    """None of those tokens can be alive; where nobody knows when it was, it does."""
    shop = Shop()
    shop.ledger.write(Batch(uses=use(START - 9, lifetime=lifetime, expires=START)))
    shop.clock.now = NOW + DAY
    shop.ledger.write(Batch(heartbeats=(beat(NOW + DAY - 5),)))
    lost_at = 0.0 if ago is None else shop.clock() - ago
    whole = replace(shop.ledger.peek(), lost=3, lost_at=lost_at)
    shop.ledger.peek = lambda: whole  # type: ignore[method-assign]
    assert len(shop.enforce().unattested) == counts


def test_what_is_begun_is_settled_first() -> None:
    """As is what was never switched."""
    with pytest.raises(InTheWay, match="run `switch --to rfc9068_profile` again"):
        Shop(steps=(step("begun"),)).enforce()
    with pytest.raises(InTheWay, match="no switch is recorded"):
        Shop(steps=()).enforce()


def test_a_ledger_that_cannot_keep_it_is_told() -> None:
    """Run again, it is recorded."""
    shop = Shop(beat(NOW - 5, profiles=("rfc9068",)))
    shop.ledger.trap = Trap("record enforced", LedgerError("is full"))
    with pytest.raises(LedgerError, match="is full"):
        shop.enforce()
    shop.ledger.trap = Trap()
    assert shop.enforce().enforced is not None
