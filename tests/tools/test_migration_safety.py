"""Nobody is told that it is safe while an old token may be alive, or may still come."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from atjwt.migration.account import OTHERS, Batch, Step, in_part
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.drain import Draining, drain
from atjwt.migration.enforce import Enforcement, enforce
from atjwt.migration.management import Answer, ManagementError
from atjwt.migration.proposal import Proposal, Terms, propose_switch, propose_undo
from atjwt.migration.standing import InTheWay
from atjwt.migration.switch import Outcome, carry_out
from atjwt.migration.told import Told, record_told
from tools.migrating import (
    API,
    DAY,
    ISSUER,
    START,
    THROUGH,
    WHICH,
    Clock,
    Ledger,
    Tenant,
    beat,
    step,
    use,
)

LOGIN = "https://login.shop.test/"
SHORT = 600.0


class World:
    """A tenant, a ledger, an instance that reports whenever it is asked to, and a team."""

    def __init__(self, *steps: Step, dialect: str = "rfc9068_profile") -> None:
        self.clock = Clock()
        self.tenant = Tenant(
            self.clock, dialect, token_lifetime=int(SHORT), token_lifetime_for_web=None
        )
        self.ledger = Ledger(self.clock)
        self.report()
        for each in steps:
            self.ledger.record(each)

    def report(self, *instances: str, **changes: Any) -> None:
        beats = (beat(self.clock(), instance, **changes) for instance in instances or ("a:1",))
        self.ledger.write(Batch(heartbeats=tuple(beats)))

    def count(self, at: float, **changes: Any) -> None:
        self.ledger.write(Batch(uses=use(at, **changes)))

    def settings(self, *_: object) -> dict[str, object]:
        return self.tenant.management().get(API)

    def at(self, seconds: float) -> None:
        """So many seconds after the first switch, everybody reports."""
        self.clock.now = START + seconds
        self.report()

    def drain(self, **changes: Any) -> Draining:
        whole: dict[str, Any] = {"settings": self.settings, "wait": False} | changes
        return drain(self.ledger, audience=API, clock=self.clock, **whole)

    def enforce(self, **changes: Any) -> Enforcement:
        whole: dict[str, Any] = {"settings": self.settings} | changes
        return enforce(self.ledger, audience=API, clock=self.clock, **whole)

    def propose(self, to: str | None, **terms: Any) -> Proposal:
        common: dict[str, Any] = {
            "management": self.tenant.management(),
            "account": self.ledger.read(),
            "now": self.clock(),
            "terms": Terms(**terms),
        }
        return propose_switch(API, to, **common) if to else propose_undo(API, **common)

    def switch(self, to: str | None = "rfc9068", **terms: Any) -> Outcome:
        self.told: list[str] = []
        return carry_out(
            self.propose(to, **terms),
            management=self.tenant.management(),
            ledger=self.ledger,
            tell=self.told.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def names(self) -> list[str]:
        return self.ledger.names()


def is_safe(world: World, **changes: Any) -> bool:
    """Whether either of the two says so."""
    found = world.enforce(**changes)
    drained = world.drain(**changes).drained is not None
    assert drained <= (not found.wrong)
    return not found.wrong and not found.unattested


# --- Every switch counts --------------------------------------------------------------------------


def test_a_token_from_before_an_earlier_switch_is_not_forgotten() -> None:
    """There, back, a shorter lifetime, and there again: what was issued first lives a day."""
    world = World(
        step(),
        step(at=START + 100, before="rfc9068_profile", after="access_token", undo=True),
        step(at=START + 200, lifetime=SHORT),
    )
    world.at(200 + SHORT + 70)
    assert not is_safe(world)
    world.at(DAY + 70 - 1)
    assert not is_safe(world)
    world.at(DAY + 200 + 70)  # the lifetime may have been lowered just before the last switch
    assert is_safe(world)


def test_a_change_by_others_has_the_lifetime_that_the_ledger_knew() -> None:
    """It was lowered meanwhile; when, nobody knows."""
    world = World(step(), dialect="access_token")
    world.at(100)
    world.switch()
    others, last = world.ledger.peek().steps[1], world.ledger.peek().steps[-1]
    assert (others.before, others.lifetime) == ("rfc9068_profile", DAY)
    assert world.drain().moment.at == last.at + DAY + 70


def test_a_change_that_was_overtaken_leaves_its_lifetime() -> None:
    """Begun with a day; what overtook it is read when it is ten minutes."""
    world = World(step("begun"), dialect="rfc9068_profile_authz")
    world.switch("rfc9068_profile_authz")
    assert [(each.name, each.lifetime) for each in world.ledger.peek().steps[1:]] == [
        ("failed", DAY),
        ("switched", DAY),
    ]


# --- Strays ---------------------------------------------------------------------------------------


def test_tokens_issued_after_the_switch_void_the_moment() -> None:
    """Somebody set it back and right again: another client's token, unseen, outlives those seen."""
    world = World(step(lifetime=SHORT))
    world.count(START + 290, lifetime=SHORT)
    world.at(290 + SHORT + 70)
    assert not is_safe(world, settings=lambda _: None)
    assert "nobody has seen it as wanted since" in world.drain(settings=lambda _: None).wrong[0]
    assert world.names() == ["switched"]
    found = world.enforce()  # it looks, and all is well from now on
    assert found.drained_at == START + 2 * (SHORT + 70) + 290
    assert found.wrong[0].startswith("not before ")
    assert world.names() == ["switched", "switched"]
    world.at(2 * (SHORT + 70) + 290)
    assert is_safe(world)


def test_while_the_setting_is_wrong_nothing_is_reckoned_anew() -> None:
    """Not before it is read as wanted."""
    world = World(step(lifetime=SHORT), dialect="access_token")
    world.count(START + 290, lifetime=SHORT)
    for seconds in (300, 9_000, 99_000):
        world.at(seconds)
        assert not is_safe(world)
    assert world.names() == ["switched"]


def test_the_same_command_again_settles_strays() -> None:
    """By `switch`, or as a person tells it; where there are none, nothing is to do."""
    world = World(step(lifetime=SHORT))
    world.at(300)
    assert world.switch() == Outcome()
    world.count(START + 290, lifetime=SHORT)
    assert "it is recorded anew" in world.propose("rfc9068").notes[0]
    outcome = world.switch()
    assert outcome.switched is not None
    assert (outcome.switched.before, outcome.switched.at) == ("access_token", START + 300)
    assert "PATCH" not in world.tenant.sent
    assert world.switch() == Outcome()
    world.count(START + 390, lifetime=SHORT)
    told = Told(
        api=WHICH, before=DIALECTS["access_token"],
        after=DIALECTS["rfc9068_profile"], lifetime=SHORT, at=START + 400,
    )  # fmt: skip
    world.at(410)
    assert record_told(told, ledger=world.ledger, now=START + 410).step is not None
    assert record_told(told, ledger=world.ledger, now=START + 410).step is None
    assert world.drain().moment.at == START + 400 + SHORT + 70


def test_tokens_that_came_too_late_are_got_over_by_a_new_record() -> None:
    """When the clocks are right again."""
    world = World(step(lifetime=SHORT))
    world.count(START + SHORT + 90, lifetime=1.0, expires=START)
    world.at(SHORT + 100)
    assert "were accepted since" in world.enforce().wrong[0]
    assert world.switch().switched is not None
    world.at(2 * SHORT + 170)
    assert is_safe(world)


def test_the_setting_is_wanted_since_it_was_read_not_since_it_was_asked_for() -> None:
    """The Management API may have been away for a while."""
    for look in (World.enforce, World.drain):
        world = World(step(lifetime=SHORT))
        world.count(START + 290, lifetime=SHORT)
        world.at(300)
        world.tenant.answers = [Answer(503, {}, b"")] * 3
        look(world)
        assert world.ledger.peek().steps[-1].at == world.clock() == START + 307


# --- The setting ----------------------------------------------------------------------------------


def test_a_setting_that_nobody_has_read_is_not_attested() -> None:
    """No credentials, or a Management API that is down; that may be taken upon oneself."""
    world = World(step(lifetime=SHORT))
    world.at(SHORT + 70)
    found = world.enforce(settings=lambda _: None)
    assert (found.wrong, len(found.unattested)) == ((), 1)
    assert "the setting was not read" in found.unattested[0]
    assert world.enforce().unattested == ()


# --- The permissions claim ------------------------------------------------------------------------


def test_adding_the_permissions_claim_ends() -> None:
    """Machines never have it, so none of their tokens tells that it is old."""
    adds = step(before="rfc9068_profile", after="rfc9068_profile_authz", lifetime=SHORT)
    world = World(adds, dialect="rfc9068_profile_authz")
    world.count(START + SHORT, profile="rfc9068", lifetime=SHORT)
    world.at(SHORT + 70)
    assert world.drain().drained is not None
    found = world.enforce()
    assert (found.wrong, found.unattested, found.profile) == ((), (), None)


def test_after_the_profile_the_claim_does_not_hold_up_its_narrowing() -> None:
    """Only what left the profile decides."""
    world = World(
        step(lifetime=SHORT),
        step(
            at=START + 300, before="rfc9068_profile", after="rfc9068_profile_authz", lifetime=SHORT
        ),
        dialect="rfc9068_profile_authz",
    )
    world.count(START + SHORT, profile="rfc9068", lifetime=SHORT)
    world.at(SHORT + 70)
    found = world.enforce()
    assert (found.wrong, found.unattested, found.profile) == ((), (), "rfc9068")
    assert world.drain().moment.at == START + 300 + SHORT + 70


# --- Several domains of one tenant ----------------------------------------------------------------


def two_domains(**changes: Any) -> World:
    world = World(step(lifetime=SHORT))
    world.clock.now = START + SHORT + 70
    world.report()
    world.ledger.write(Batch(heartbeats=(beat(world.clock(), issuer=LOGIN, **changes),)))
    return world


def test_old_tokens_of_another_domain_are_in_the_way() -> None:
    """As long as they live; of another tenant's, the issuer that is meant is said."""
    world = two_domains()
    world.count(START - 1, issuer=LOGIN, lifetime=DAY)
    found = world.enforce()
    assert f"tokens of {LOGIN} in the auth0 profile live until" in found.wrong[0]
    assert world.drain().wrong == found.wrong
    found = world.enforce(issuer=ISSUER)
    assert (found.wrong, len(found.unattested)) == ((), 1)
    assert LOGIN in world.drain(issuer=ISSUER).notes[0]
    assert world.drain(issuer=ISSUER).drained is not None


@pytest.mark.parametrize(
    ("profiles", "unknown"),
    [(("auth0", "rfc9068"), 1), ((in_part("auth0"), "rfc9068"), 1), (("rfc9068",), 0)],
)
def test_another_issuer_that_is_accepted_so_is_not_attested(
    profiles: tuple[str, ...], unknown: int
) -> None:
    """None of its tokens was seen; one that is accepted by RFC 9068 alone does not matter."""
    found = two_domains(profiles=profiles).enforce()
    assert (found.wrong, len(found.unattested)) == ((), unknown)


def test_tokens_that_the_ledger_tells_apart_no_more_are_no_domain() -> None:
    """They count for each."""
    world = World(step(lifetime=SHORT))
    world.count(START - 1, issuer=OTHERS, lifetime=SHORT)
    world.at(SHORT + 70)
    assert is_safe(world)


def test_a_second_domain_is_recorded_by_the_same_command() -> None:
    """It is set so already; from now on its old tokens are waited for, by both."""
    world = two_domains()
    world.count(START - 1, issuer=LOGIN, lifetime=DAY)
    before = world.clock()
    outcome = world.switch(issuer=LOGIN)
    assert (outcome.switched, "PATCH" in world.tenant.sent) == (None, False)
    (settled,) = outcome.settled
    assert (settled.issuer, settled.before, settled.at) == (LOGIN, "access_token", before)
    assert (settled.external, settled.lifetime) == (True, SHORT)
    assert world.switch(issuer=LOGIN) == Outcome()
    with pytest.raises(InTheWay, match="no switch of"):
        world.switch(None, issuer="https://typo/")
    assert world.switch(issuer="https://typo/") == Outcome()
    for which in (ISSUER, LOGIN):
        assert world.enforce(issuer=which).drained_at >= before + SHORT + 70
        assert world.drain(issuer=which).drained is None
    world.at(DAY + SHORT + 200)
    world.report(issuer=LOGIN)
    for which in (ISSUER, LOGIN):
        assert is_safe(world, issuer=which)


def test_a_second_domain_that_is_pending_is_in_the_way() -> None:
    """It is to be settled first."""
    world = two_domains()
    world.ledger.record(step("begun", issuer=LOGIN))
    assert "nobody knows whether it was made" in world.enforce(issuer=ISSUER).unattested[0]


# --- Clocks ---------------------------------------------------------------------------------------


def test_an_instance_whose_clock_is_ahead_attests_nothing() -> None:
    """It may have been killed long ago; so may who wrote a ledger in the future."""
    world = World(step(lifetime=SHORT))
    world.at(SHORT + 70)
    world.ledger.write(Batch(heartbeats=(beat(world.clock() + 3_600, "b:2"),)))
    assert "orders (b:2)" in world.enforce().unattested[0]
    world = World(step(lifetime=SHORT))
    world.at(SHORT + 70)
    world.ledger._updated = world.clock() + 61
    assert "written to in the future" in world.enforce().unattested[0]


def test_a_step_that_is_recorded_does_not_make_a_ledger_fresh() -> None:
    """`drain` writes to it, too; what counts is what instances wrote."""
    world = World(step(lifetime=SHORT))
    world.clock.now = START + SHORT + 75
    assert world.drain().drained is not None
    assert any("was not written to since" in each for each in world.enforce().unattested)


def http(date: str) -> Iterator[Answer]:
    settings = {"identifier": API, "id": "x", "token_dialect": "rfc9068_profile"}
    while True:
        yield Answer(200, {"date": date}, json.dumps(settings).encode())


@pytest.mark.parametrize(
    ("date", "at", "says"),
    [
        ("Mon, 21 Sep 2026 14:18:20 GMT", 300, ["the clock of this host is 300 s behind"]),
        ("Mon, 21 Sep 2026 14:08:20 GMT", 0, ["the clock of this host is 300 s ahead of"]),
        ("Mon, 21 Sep 2026 14:13:25 GMT", 5, []),
        ("no date", 0, []),
        ("", 0, []),
    ],
)
def test_the_later_of_two_clocks_is_recorded(date: str, at: float, says: list[str]) -> None:
    """The moment must not be early on a host whose clock is right."""
    world = World(dialect="access_token")
    answers = http(date)
    last = world.tenant.send

    def send(method: str, *rest: Any) -> Answer:
        return next(answers) if "PATCH" in world.tenant.sent else last(method, *rest)

    world.tenant.send = send  # type: ignore[method-assign,assignment]
    outcome = world.switch()
    assert outcome.switched is not None
    assert outcome.switched.at == pytest.approx(START + at, abs=0.01)
    assert [each.partition(" the Management")[0] for each in world.told] == says


# --- Instances ------------------------------------------------------------------------------------


def test_who_fell_silent_and_accepts_both_holds_up_the_end() -> None:
    """It may still run, and accept what all others refuse."""
    world = World(step(lifetime=SHORT))
    world.at(SHORT + 75)
    world.report("b:2")
    world.at(SHORT + 200)
    assert world.enforce().unattested == ()
    world.report(profiles=("rfc9068",))
    found = world.enforce()
    assert "accepting more than rfc9068 when last heard of: orders (b:2)" in found.unattested[0]
    assert found.enforced is None
    assert world.enforce(unattested=True).enforced is not None


def test_fewer_instances_than_expected_attest_nothing() -> None:
    """By service; more are welcome."""
    world = World(step(lifetime=SHORT))
    world.at(SHORT + 75)
    world.report("b:2")
    world.report("c:3", service="stock")
    assert world.enforce(expected={"orders": 2, "stock": 1}).unattested == ()
    found = world.enforce(expected={"orders": 3, "shop": 1})
    assert found.unattested == (
        "orders: 2 of 3 instances report: start the others",
        "shop: 0 of 1 instances report: start the others",
    )


# --- What is answered to a change -----------------------------------------------------------------


@pytest.mark.parametrize("status", [302, 402, 408, 418, 425, 499, 500])
def test_only_an_answer_that_is_documented_says_that_it_was_not_done(status: int) -> None:
    """After any other it is read back; 408 may come from a gateway that has handed it on."""
    world = World(dialect="access_token")
    world.tenant.answers = [THROUGH, THROUGH, Answer(status, {}, b"{}")]
    world.tenant.meanwhile = {3: {"token_dialect": "rfc9068_profile"}}
    assert world.switch().switched is not None
    assert world.names() == ["begun", "switched"]


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 415])
def test_what_has_failed_and_shows_all_the_same_is_settled(status: int) -> None:
    """By the same command, with the moment of the reading."""
    world = World(dialect="access_token")
    world.tenant.answers = [THROUGH, THROUGH, Answer(status, {}, b"{}")]
    with pytest.raises(ManagementError):
        world.switch()
    assert world.names() == ["begun", "failed"]
    world.tenant.settings["token_dialect"] = "rfc9068_profile"
    world.at(50)
    assert "shows all the same" in world.propose("rfc9068").notes[0]
    outcome = world.switch()
    assert outcome.switched is not None
    assert (outcome.switched.before, outcome.switched.at) == ("access_token", START + 50)
    world.at(60)
    world.switch(None)
    assert world.tenant.dialect == "access_token"


def test_what_has_failed_and_shows_is_recorded_before_another_change() -> None:
    """Its tokens may be alive, too."""
    world = World(step("failed"))
    world.switch("access_token_authz")
    assert [(each.name, each.before, each.after) for each in world.ledger.peek().steps[1:]] == [
        ("switched", "access_token", "rfc9068_profile"),
        ("begun", "rfc9068_profile", "access_token_authz"),
        ("switched", "rfc9068_profile", "access_token_authz"),
    ]


@pytest.mark.parametrize("ahead", [30.0, -30.0])
def test_of_two_at_the_same_time_both_never_change_it(ahead: float) -> None:
    """Whatever their clocks say: who looks after having written sees the other."""
    world = World(dialect="access_token")
    other = step("begun", at=START + ahead, after="rfc9068_profile_authz")
    record = world.ledger.record

    def both(one: Step) -> None:
        record(one)
        if one.name == "begun":
            record(other)

    world.ledger.record = both  # type: ignore[method-assign,assignment]
    with pytest.raises(InTheWay, match="somebody else has begun"):
        world.switch()
    assert "PATCH" not in world.tenant.sent
