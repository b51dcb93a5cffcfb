"""`switch` and `undo`: what is changed, what is recorded, and what becomes of a change cut short."""

import json
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from atjwt import ConfigurationError
from atjwt.issuer import LocalIssuer
from atjwt.migration import ManagementApi, ManagementError
from atjwt.migration.account import Account, Batch, Origin
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.instances import is_live
from atjwt.migration.management import Answer
from atjwt.migration.proposal import Proposal, Terms, propose_switch, propose_undo
from atjwt.migration.standing import InTheWay, api_of, standing
from atjwt.migration.store import LedgerError, Store
from atjwt.migration.switch import Outcome, carry_out, switch, undo
from atjwt.migration.told import Told, record_told, told_undo
from tools.login import BASE
from tools.migrating import (
    API,
    DAY,
    ISSUER,
    START,
    THROUGH,
    WHICH,
    Clock,
    Killed,
    Ledger,
    Tenant,
    Trap,
    beat,
    step,
    use,
)

DOWN = Answer(503, {}, b"")


class World:
    """A tenant, a ledger that an instance reports to, and a person at the command."""

    def __init__(self, dialect: str = "access_token", **settings: object) -> None:
        self.clock = Clock()
        self.tenant = Tenant(self.clock, dialect, **settings)
        self.ledger = Ledger(self.clock)
        self.ledger.write(Batch(heartbeats=(beat(START),)))
        self.told: list[str] = []

    def report(self) -> None:
        self.ledger.write(Batch(heartbeats=(beat(self.clock()),)))

    def propose(self, to: str | None = "rfc9068", **terms: Any) -> Proposal:
        common: dict[str, Any] = {
            "management": self.tenant.management(),
            "account": self.ledger.read(),
            "now": self.clock(),
            "terms": Terms(**terms),
        }
        return propose_undo(API, **common) if to is None else propose_switch(API, to, **common)

    def do(self, proposal: Proposal) -> Outcome:
        return carry_out(
            proposal,
            management=self.tenant.management(),
            ledger=self.ledger,
            tell=self.told.append,
            clock=self.clock,
            sleep=self.clock.sleep,
        )

    def switch(self, to: str | None = "rfc9068", **terms: Any) -> Outcome:
        return self.do(self.propose(to, **terms))

    def undo(self, **terms: Any) -> Outcome:
        return self.switch(None, **terms)

    @property
    def steps(self) -> list[tuple[str, str, str]]:
        return [(each.name, each.before, each.after) for each in self.ledger.peek().steps]


# --- The straight way -----------------------------------------------------------------------------


def test_a_switch_is_begun_made_read_back_and_recorded() -> None:
    """In that order, with one member sent; the longer of the two lifetimes counts."""
    world = World(token_lifetime=3_600, token_lifetime_for_web=7_200)
    outcome = world.switch()
    assert world.tenant.dialect == "rfc9068_profile"
    assert world.tenant.sent == ["GET", "GET", "PATCH", "GET"]
    assert [name for name in world.ledger.trap.seen if name != "read"] == [
        "record begun", "record switched",
    ]  # fmt: skip
    begun, switched = world.ledger.read().steps
    assert outcome.switched == switched
    assert (begun.lifetime, switched.lifetime, switched.margin) == (7_200, 7_200, 60)
    assert (switched.before, switched.after, switched.undo) == (
        "access_token", "rfc9068_profile", False,
    )  # fmt: skip
    assert switched.issuer == ISSUER
    assert outcome.moment is not None
    assert outcome.moment.at == switched.at + 7_200 + 60 + 10
    assert outcome.changed == ()


@pytest.mark.parametrize("before", DIALECTS)
@pytest.mark.parametrize("after", DIALECTS)
def test_there_and_back_again(before: str, after: str) -> None:
    """Between any two dialects; and undone, it is as it was."""
    world = World(before)
    outcome = world.switch(after)
    assert (outcome.switched is None) == (before == after)
    assert world.tenant.dialect == after
    if before != after:
        back = world.undo()
        assert back.switched is not None
        assert back.switched.undo
        assert world.tenant.dialect == before
        assert world.undo().switched is None  # once is enough


@pytest.mark.parametrize(
    ("before", "to", "after"),
    [
        ("access_token", "rfc9068", "rfc9068_profile"),
        ("access_token_authz", "rfc9068", "rfc9068_profile_authz"),
        ("rfc9068_profile_authz", "auth0", "access_token_authz"),
    ],
)
def test_a_profile_keeps_the_permissions_claim(before: str, to: str, after: str) -> None:
    """As it is set; a dialect is taken as it is, and a claim that goes is told."""
    assert World(before).propose(to).after.name == after
    notes = World("access_token_authz").propose("rfc9068_profile").notes
    assert any("no permissions claim" in note for note in notes)


def test_what_the_answer_leaves_out_is_the_default() -> None:
    """A dialect that was never set is `access_token`; a lifetime is a day."""
    world = World()
    for name in ("token_dialect", "token_lifetime", "token_lifetime_for_web", "name", "id"):
        del world.tenant.settings[name]
    proposal = world.propose()
    assert (proposal.before.name, proposal.lifetime) == ("access_token", DAY)
    world = World(token_lifetime_for_web=7_200)
    del world.tenant.settings["token_lifetime"]
    assert world.propose().lifetime == DAY
    assert World(token_lifetime=2_592_000.0).propose().lifetime == 30 * DAY
    assert World(name=None).propose().name == ""
    assert proposal.request == (
        "PATCH",
        "resource-servers/https%3A%2F%2Fapi.example.com%2F",
        {"token_dialect": "rfc9068_profile"},
    )


@pytest.mark.parametrize("odd", ["1", -1, 10**400, 1.5, True, [9]])
@pytest.mark.parametrize("name", ["token_lifetime", "token_lifetime_for_web"])
def test_a_lifetime_that_is_none_is_not_guessed(name: str, odd: object) -> None:
    """Nothing is begun."""
    settings: dict[str, Any] = {name: odd}
    world = World(**settings)
    with pytest.raises(ManagementError, match=f"{name} is no number of seconds"):
        world.switch()
    assert world.steps == []


def test_an_api_that_is_set_so_is_left_alone() -> None:
    """Nothing is sent, and nothing recorded."""
    world = World("rfc9068_profile")
    assert world.switch() == Outcome()
    assert (world.tenant.sent, world.steps) == (["GET"], [])


def test_against_the_local_issuer() -> None:
    """With its login, its guard and its documented answers; nothing else of the API changes."""
    issuer = LocalIssuer(issuer=BASE)
    http = TestClient(issuer.app, base_url=BASE)

    def send(method: str, url: str, headers: Any, body: bytes | None) -> Answer:
        found = http.request(method, url, headers=dict(headers), content=body)
        return Answer(found.status_code, dict(found.headers), found.content)

    management = ManagementApi(
        issuer.issuer,
        client_id=issuer.management_client_id,
        client_secret=issuer.management_client_secret,
        send=send,
    )
    clock = Clock()
    ledger = Ledger(clock)
    ledger.write(Batch(heartbeats=(beat(START, issuer=issuer.issuer),)))
    before = management.get(API)
    common: dict[str, Any] = {"management": management, "now": START}
    for to, expected in (("rfc9068", "rfc9068_profile"), (None, "access_token")):
        common["account"] = ledger.read()
        proposal = propose_undo(API, **common) if to is None else propose_switch(API, to, **common)
        outcome = carry_out(proposal, management=management, ledger=ledger, clock=clock)
        assert outcome.changed == ()
        assert issuer.dialect == expected
    assert management.get(API) == before | {"token_dialect": "access_token"}
    with pytest.raises(InTheWay, match="system API"):
        propose_switch(issuer.management_audience, "rfc9068", **common)
    with pytest.raises(ManagementError, match="exactly, with its slash"):
        propose_switch("https://api.example.com", "rfc9068", **common)


# --- What stands in the way -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beats", "says"),
    [
        ([], "no live instance reports"),
        ([beat(START, profiles=("auth0",))], "1 of 1 live instances do not accept the rfc9068"),
        ([beat(START), beat(START, "b:2", profiles=("auth0",))], r"orders \(b:2\)"),
        ([beat(START - 31)], "no live instance reports"),
        ([beat(START, stopped=True)], "no live instance reports"),
        ([beat(START, audience=("https://other/",))], "no live instance reports"),
        ([beat(START, issuer="https://login.shop.test/")], "give that one with --issuer"),
    ],
)
def test_instances_that_would_refuse_stand_in_the_way(beats: list[Any], says: str) -> None:
    """As do none that report; nothing is sent. Whoever insists is told the same as a note."""
    world = World()
    world.ledger = Ledger(world.clock)
    world.ledger.write(Batch(heartbeats=tuple(beats)))
    with pytest.raises(InTheWay, match=says):
        world.propose()
    assert (world.tenant.sent, world.steps) == (["GET"], [])
    assert any(
        says.replace("\\", "") in note for note in world.propose(despite_instances=True).notes
    )
    assert world.switch(despite_instances=True).switched is not None


@pytest.mark.parametrize(("interval", "live"), [(1.0, 15), (5.0, 15), (10.0, 30), (60.0, 180)])
def test_an_instance_is_live_for_three_intervals(interval: float, live: int) -> None:
    """And for a quarter of a minute at the least: a busy process is late now and then."""
    assert is_live(beat(START - live, interval=interval), START)
    assert not is_live(beat(START - live - 1, interval=interval), START)
    assert not is_live(beat(START, stopped=True), START)


def test_of_many_instances_some_are_named() -> None:
    """And the rest is counted; a clock that is a minute ahead is no news."""
    world = World()
    world.ledger.write(
        Batch(heartbeats=tuple(beat(START, f"n:{n}", profiles=("auth0",)) for n in range(7)))
    )
    with pytest.raises(InTheWay, match=r"orders \(n:4\) and 2 more: set"):
        world.propose()
    world = World()
    world.ledger.write(Batch(heartbeats=(beat(START + 60),)))
    assert world.propose().notes == ()


def test_what_is_odd_about_instances_is_told() -> None:
    """Silent ones, clocks that are ahead, other issuers that the API trusts."""
    world = World()
    world.ledger.write(
        Batch(
            heartbeats=(
                beat(START - 31, "b:2"),
                beat(START + 61, "c:3"),
                beat(START, "d:4", issuer="https://login.shop.test/"),
            )
        )
    )
    silent, ahead, other = world.propose().notes
    assert silent.startswith("silent, and refusing the rfc9068 profile perhaps")
    assert "orders (b:2)" in silent
    assert "clock is ahead" in ahead
    assert "orders (c:3)" in ahead
    assert "https://login.shop.test/" in other
    assert world.propose(issuer="https://login.shop.test/").api.issuer != ISSUER


def test_a_ledger_that_nobody_writes_to_is_told() -> None:
    """The others may be fresh; what it lacks is not seen."""
    world = World()
    world.clock.now += 3_600
    whole = replace(world.ledger.peek(), heartbeats=(beat(world.clock()),))
    fresh = (Origin("fresh.db", "f", world.clock()), *whole.origins)

    def notes(account: Account) -> tuple[str, ...]:
        return propose_switch(
            API, "rfc9068", management=world.tenant.management(), account=account,
            now=world.clock(),
        ).notes  # fmt: skip

    assert notes(replace(whole, origins=fresh)) == ()
    world.clock.now += 1
    assert notes(replace(whole, origins=fresh)) == (
        "memory was last written to at 2026-09-21 14:13:20 UTC: what came since is not in it",
    )


def test_undo_needs_instances_that_accept_the_old_profile() -> None:
    """They may have been narrowed already."""
    world = World()
    world.switch()
    world.ledger.write(Batch(heartbeats=(beat(world.clock(), profiles=("rfc9068",)),)))
    with pytest.raises(InTheWay, match="do not accept the auth0 profile"):
        world.undo()
    assert world.tenant.dialect == "rfc9068_profile"


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(404, {}, b'{"errorCode": "inexistent_resource_server"}'), 404),
        (Answer(403, {}, b'{"errorCode": "insufficient_scope"}'), 403),
        (Answer(401, {}, b"{}"), 401),
    ],
)
def test_what_cannot_be_read_is_not_changed(answer: Answer, status: int) -> None:
    """An unknown API, a lacking scope, a token that is refused."""
    world = World()
    world.tenant.answers = [answer]
    with pytest.raises(ManagementError) as caught:
        world.switch()
    assert (caught.value.status, world.steps) == (status, [])


def test_a_management_api_that_is_down_is_asked_for_a_while() -> None:
    """Before anything is begun it is a plain failure."""
    world = World()
    world.tenant.answers = [DOWN] * 5
    with pytest.raises(ManagementError, match="503"):
        world.switch()
    assert (world.clock.waits, world.steps) == ([1, 2, 4, 8], [])


@pytest.mark.parametrize("to", ["rfc9086", "", "RFC9068", "jwt"])
def test_a_dialect_that_is_none_is_told_before_anything_is_asked(to: str) -> None:
    """With those that there are."""
    world = World()
    with pytest.raises(ConfigurationError, match="rfc9068_profile_authz"):
        world.switch(to)
    assert world.tenant.sent == []


@pytest.mark.parametrize("margin", [-1.0, float("nan"), float("inf")])
def test_a_margin_is_seconds(margin: float) -> None:
    """And no less than none."""
    with pytest.raises(ConfigurationError, match="margin"):
        World().switch(margin=margin)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"is_system": True}, "system API"),
        ({"identifier": None}, "no identifier"),
        ({"token_dialect": "rfc10000_profile"}, "new to this version"),
    ],
)
def test_apis_that_are_none_of_ours(settings: dict[str, object], says: str) -> None:
    """Auth0's own, what is no API, and a dialect of the future."""
    world = World()
    world.tenant.settings |= settings
    with pytest.raises(InTheWay, match=says):
        world.switch()
    assert world.tenant.sent == ["GET"]


def test_a_ledger_that_cannot_keep_it_is_no_ledger() -> None:
    """Full or out of reach, nothing is patched: nobody would know when to drain."""
    world = World()
    world.ledger.trap = Trap("record begun", LedgerError("is full"))
    with pytest.raises(LedgerError, match="is full"):
        world.switch()
    assert (world.tenant.sent, world.steps) == (["GET", "GET"], [])


# --- While it is made -----------------------------------------------------------------------------


def test_a_change_that_is_refused_has_failed() -> None:
    """Nothing is pending then, and it can be asked for anew."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, Answer(403, {}, b'{"errorCode": "x"}')]
    with pytest.raises(ManagementError, match="lacks a scope"):
        world.switch()
    assert [name for name, _, _ in world.steps] == ["begun", "failed"]
    assert world.propose().pending is None
    assert world.propose().notes == ()


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_to_the_change_is_taken(status: int) -> None:
    """Auth0's papers say 201, its servers 200; where there is no body, it is read back."""
    world = World()
    send = world.tenant.send

    def odd(method: str, url: str, headers: Any, body: bytes | None) -> Answer:
        answer = send(method, url, headers, body)
        return Answer(status, {}, b"" if status == 204 else answer.body) if body else answer

    world.tenant.send = odd  # type: ignore[method-assign]
    assert world.switch().switched is not None
    assert (world.tenant.dialect, len(world.told)) == ("rfc9068_profile", int(status == 204))


def test_a_rate_limit_is_waited_for() -> None:
    """Until its reset; then it goes on."""
    world = World()
    limit = Answer(429, {"x-ratelimit-reset": str(int(START) + 7)}, b"{}")
    world.tenant.answers = [THROUGH, limit, THROUGH, limit]
    assert world.switch().switched is not None
    assert world.clock.waits == [8.0, 1.0]


@pytest.mark.parametrize("trouble", [DOWN, ConnectionError("reset")])
def test_without_a_clear_answer_it_is_read_back(trouble: Answer | Exception) -> None:
    """It was made after all; the person is told what was done."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, trouble]
    world.tenant.meanwhile = {3: {"token_dialect": "rfc9068_profile"}}
    assert world.switch().switched is not None
    assert world.tenant.sent == ["GET", "GET", "PATCH", "GET"]
    assert "no clear answer to the change" in world.told[0]


def test_a_change_that_shows_late_is_looked_for_again() -> None:
    """With growing pauses; the moment is that at which it shows."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, DOWN]
    world.tenant.meanwhile = {5: {"token_dialect": "rfc9068_profile"}}
    outcome = world.switch()
    assert world.clock.waits == [1, 2]
    assert outcome.switched is not None
    assert outcome.switched.at == START + 3


def test_a_change_that_does_not_show_stays_begun() -> None:
    """Until the same is run again, which goes on with it."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, ConnectionError("reset")]
    with pytest.raises(InTheWay, match=r"not set to rfc9068_profile but to access_token.*as begun"):
        world.switch()
    assert [name for name, _, _ in world.steps] == ["begun"]
    world.report()
    proposal = world.propose()
    assert "nobody has said how it ended" in proposal.notes[0]
    world.do(proposal)
    assert [name for name, _, _ in world.steps] == ["begun", "switched"]


def test_a_read_back_that_fails_leaves_it_unknown() -> None:
    """It is said so plainly, and the same again settles it without sending it twice."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, THROUGH, *[DOWN] * 5]
    with pytest.raises(InTheWay, match="nobody knows whether"):
        world.switch()
    assert [name for name, _, _ in world.steps] == ["begun"]
    proposal = world.propose()
    assert (proposal.action, proposal.before.name) == ("settle", "access_token")
    outcome = world.do(proposal)
    assert world.tenant.sent.count("PATCH") == 1
    assert outcome.switched is not None
    assert outcome.switched.at == world.clock()


def test_a_change_that_the_ledger_cannot_keep_is_told() -> None:
    """It is made; when, and what to do."""
    world = World()
    world.ledger.trap = Trap("record switched", LedgerError("is full"))
    with pytest.raises(LedgerError, match=r"IS set to rfc9068_profile.*UTC.*is full.*same again"):
        world.switch()
    world.ledger.trap = Trap()
    world.switch()
    assert [name for name, _, _ in world.steps] == ["begun", "switched"]


def test_what_others_change_meanwhile_is_told_by_name() -> None:
    """Never by value: there are secrets among the settings."""
    world = World()
    world.tenant.meanwhile = {3: {"signing_secret": "another", "scopes": []}}
    outcome = world.switch()
    assert outcome.changed == ("scopes", "signing_secret")
    assert "another" not in repr(outcome)


def test_a_lifetime_that_others_raise_meanwhile_counts() -> None:
    """Tokens of the old dialect may have been issued with it."""
    world = World()
    world.tenant.meanwhile = {1: {"token_lifetime": 90_000}, 3: {"token_lifetime": 100_000}}
    outcome = world.switch()
    assert outcome.switched is not None
    assert outcome.switched.lifetime == 100_000
    assert world.ledger.peek().steps[0].lifetime == 90_000


def test_a_setting_that_others_change_while_a_person_thinks_is_left() -> None:
    """Nothing is begun; where they set what is wanted, it is recorded."""
    world = World()
    proposal = world.propose()
    world.tenant.settings["token_dialect"] = "rfc9068_profile_authz"
    with pytest.raises(InTheWay, match="meanwhile; nothing was done"):
        world.do(proposal)
    assert world.steps == []
    world.tenant.settings["token_dialect"] = "rfc9068_profile"
    assert world.do(proposal).switched is not None
    assert "PATCH" not in world.tenant.sent


def test_who_begins_second_gives_way() -> None:
    """Of two that saw nothing begun; their one change is made once, and recorded once."""
    world = World()
    mine = world.propose()
    theirs = world.propose("rfc9068_profile_authz")
    world.ledger.record(step("begun", at=START, after="rfc9068_profile_authz"))
    with pytest.raises(InTheWay, match="somebody else has begun a change to rfc9068_profile_authz"):
        world.do(mine)
    assert world.tenant.changed == []
    assert [name for name, _, _ in world.steps] == ["begun", "begun", "failed"]
    pending = standing(world.ledger.read(), WHICH).pending
    assert pending is not None
    assert pending.after == theirs.after.name


def test_two_that_begin_in_the_same_moment_both_give_way() -> None:
    """Neither knows which was first; each sees the other's."""
    world = World()
    mine = world.propose()
    theirs = step("begun", at=START, after="rfc9068_profile_authz")

    class Busy(Trap):
        def __call__(self, name: str, effect: Any) -> Any:
            done = super().__call__(name, effect)
            if name == "record begun" and theirs not in world.ledger.peek().steps:
                world.ledger.trap = Trap()
                world.ledger.record(theirs)
            return done

    world.ledger.trap = Busy()
    world.clock.now = START
    with pytest.raises(InTheWay, match="at the same time"):
        world.do(mine)
    assert [each.after for each in standing(world.ledger.peek(), WHICH).begun] == [theirs.after]


def test_another_change_waits_until_one_is_settled() -> None:
    """Both ways out are named."""
    world = World()
    world.ledger.record(step("begun", at=START))
    with pytest.raises(
        InTheWay, match=r"`switch --to rfc9068_profile` goes on.*`undo` gives it up"
    ):
        world.switch("rfc9068_profile_authz")
    world.ledger.record(step("switched", at=START + 1))
    world.tenant.settings["token_dialect"] = "rfc9068_profile"
    world.ledger.record(
        step("begun", at=START + 2, before="rfc9068_profile", after="access_token", undo=True)
    )
    with pytest.raises(
        InTheWay, match="`undo` goes on with it, `switch --to rfc9068_profile` gives"
    ):
        world.switch("rfc9068_profile_authz")


# --- What others did, and what is begun -----------------------------------------------------------


def test_undo_gives_up_what_was_not_made() -> None:
    """Nothing is sent."""
    world = World()
    world.ledger.record(step("begun"))
    outcome = world.undo()
    assert [each.name for each in outcome.settled] == ["failed"]
    assert (outcome.switched, world.tenant.changed) == (None, [])
    with pytest.raises(InTheWay, match="nothing to undo"):
        world.undo()


def test_undo_leads_back_from_what_was_made_and_not_recorded() -> None:
    """Which is recorded first: its new tokens are the old ones then."""
    world = World("rfc9068_profile")
    world.ledger.record(step("begun"))
    world.undo()
    assert world.tenant.dialect == "access_token"
    assert world.steps == [
        ("begun", "access_token", "rfc9068_profile"),
        ("switched", "access_token", "rfc9068_profile"),
        ("begun", "rfc9068_profile", "access_token"),
        ("switched", "rfc9068_profile", "access_token"),
    ]


def test_a_switch_gives_up_an_undo_that_was_not_made() -> None:
    """It is the mirror image."""
    world = World("rfc9068_profile")
    world.ledger.record(step("begun", before="rfc9068_profile", after="access_token", undo=True))
    assert [each.name for each in world.switch().settled] == ["failed"]


@pytest.mark.parametrize(("then", "now"), [(7_200.0, 3_600), (3_600.0, 7_200)])
def test_what_is_settled_keeps_the_longer_lifetime(then: float, now: int) -> None:
    """Of when it was begun, and of now: either may have been in force when it was made."""
    world = World("rfc9068_profile", token_lifetime=now, token_lifetime_for_web=now)
    world.ledger.record(step("begun", lifetime=then))
    assert [each.lifetime for each in world.undo().settled] == [7_200]


@pytest.mark.parametrize("again", ["rfc9068_profile", None])
def test_a_change_that_was_overtaken_is_recorded_with_what_overtook_it(again: str | None) -> None:
    """The tokens of all three dialects may be alive."""
    world = World("rfc9068_profile_authz")
    world.ledger.record(step("begun"))
    world.switch(again)
    wanted = again or "access_token"
    assert world.tenant.dialect == wanted
    assert world.steps[1:3] == [
        ("failed", "access_token", "rfc9068_profile"),
        ("switched", "access_token", "rfc9068_profile_authz"),
    ]
    assert world.steps[-1] == ("switched", "rfc9068_profile_authz", wanted)


def test_what_somebody_changed_behind_the_ledger_is_recorded() -> None:
    """An undo by hand in the Dashboard is known for one, and not undone in turn."""
    world = World()
    world.switch()
    world.tenant.settings["token_dialect"] = "access_token"
    world.report()
    proposal = world.propose(None)
    assert "somebody has changed it since" in proposal.notes[0]
    assert [each.undo for each in world.do(proposal).settled] == [True]
    assert world.undo() == Outcome()
    world.tenant.settings["token_dialect"] = "rfc9068_profile_authz"
    world.report()
    world.switch()
    assert [name for name, _, _ in world.steps] == ["begun", *["switched"] * 3]
    world.undo()
    assert world.tenant.dialect == "access_token"


def test_undo_after_somebody_set_a_third_dialect_still_leads_back() -> None:
    """To the one from before the last switch that was ours."""
    world = World()
    world.switch("rfc9068_profile")
    world.tenant.settings["token_dialect"] = "access_token_authz"
    world.report()
    world.undo()
    assert world.tenant.dialect == "access_token"


def test_undo_is_asked_for_the_issuer_that_was_switched() -> None:
    """Where it was a custom domain; it is told."""
    world = World()
    login = "https://login.shop.test/"
    world.ledger.write(Batch(heartbeats=(beat(START, issuer=login),)))
    world.switch(issuer=login)
    with pytest.raises(InTheWay, match=f"but of {login}: give that one with --issuer"):
        world.undo()
    assert world.undo(issuer=login).switched is not None


def test_as_functions_it_takes_no_asking() -> None:
    """For whoever automates it."""
    world = World()
    world.ledger.write(Batch(heartbeats=(beat(time.time()),)))
    there: dict[str, Any] = {"management": world.tenant.management(), "ledger": world.ledger}
    assert switch(API, "rfc9068", **there).switched is not None
    assert world.tenant.dialect == "rfc9068_profile"
    assert undo(API, **there).switched is not None
    assert world.tenant.settings["token_dialect"] == "access_token"


# --- By others ------------------------------------------------------------------------------------


def test_an_external_change_is_waited_for() -> None:
    """Nothing is sent by us; the moment is that of the look that showed it."""
    world = World()
    world.tenant.meanwhile = {4: {"token_dialect": "rfc9068_profile", "scopes": []}}
    outcome = world.switch(external=True)
    assert set(world.tenant.sent) == {"GET"}
    assert [name for name, _, _ in world.steps] == ["begun", "switched"]
    assert outcome.switched is not None
    assert outcome.switched.external
    assert outcome.switched.at == START + 10
    assert world.told == ["still access_token; waiting for rfc9068_profile"]
    assert outcome.changed == ("scopes",)


def test_waiting_outlives_trouble_but_not_a_refusal() -> None:
    """The Management API may be away for a while; a token that is refused stays so."""
    world = World()
    trouble: list[Answer | Exception] = [
        *[DOWN] * 5,
        *[ConnectionError()] * 5,
        *[Answer(500, {}, b"")] * 5,
    ]
    world.tenant.answers = [THROUGH, THROUGH, *trouble]
    world.tenant.meanwhile = {17: {"token_dialect": "rfc9068_profile"}}
    assert world.switch(external=True).switched is not None
    assert all("cannot be asked for now" in sentence for sentence in world.told)
    other = World()
    other.tenant.answers = [THROUGH, THROUGH, Answer(401, {}, b"{}")]
    with pytest.raises(ManagementError, match="401"):
        other.switch(external=True)
    assert [name for name, _, _ in other.steps] == ["begun"]


def test_waiting_ends_when_something_else_was_set() -> None:
    """It stays begun, and what is to be typed then settles it."""
    world = World()
    world.tenant.meanwhile = {3: {"token_dialect": "rfc9068_profile_authz"}}
    with pytest.raises(InTheWay) as ended:
        world.switch(external=True)
    assert str(ended.value) == (
        "the API was set to rfc9068_profile_authz (with the permissions claim) instead of "
        "rfc9068_profile. Accept that: `switch --to rfc9068_profile_authz --external`; or have "
        "rfc9068_profile set, and give this again"
    )
    world.report()
    assert world.switch("rfc9068_profile_authz").switched is None  # they meant that one
    assert world.steps[1:] == [
        ("failed", "access_token", "rfc9068_profile"),
        ("switched", "access_token", "rfc9068_profile_authz"),
    ]


def test_waiting_for_others_is_told_once_a_minute() -> None:
    """And not at each look."""
    world = World()
    world.tenant.meanwhile = {2 + 40: {"token_dialect": "rfc9068_profile"}}
    world.switch(external=True)
    assert world.clock() == START + 40 * 5
    assert len(world.told) == 4


def test_news_while_waiting_are_told_at_once() -> None:
    """What becomes of the Management API, there and back, within the same minute."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, THROUGH, *[DOWN] * 5]  # one look asks five times
    world.tenant.meanwhile = {10: {"token_dialect": "rfc9068_profile"}}
    world.switch(external=True)
    assert [sentence.partition(" ")[0] for sentence in world.told] == ["still", "the", "still"]


def _calls(world: World, *, permissions: bool = True) -> None:
    uses = use(START - 9, permissions=permissions, kind="user", client_id="web")
    world.ledger.write(Batch(uses=uses))


@pytest.mark.parametrize(
    ("prepare", "warns"),
    [
        (_calls, True),
        (lambda world: _calls(world, permissions=False), False),
        (lambda world: world.ledger.record(step(after="access_token_authz")), True),
        (lambda world: world.ledger.record(step("begun", after="rfc9068_profile_authz")), True),
        (lambda world: world.ledger.record(step()), False),
        (lambda _: None, False),
    ],
    ids=["counted", "counted without", "switched", "begun", "meant", "unknown"],
)
def test_permissions_that_others_took_away_are_told(
    prepare: Callable[[World], object],
    warns: bool,  # noqa: FBT001 - what is told
) -> None:
    """Where the profile is set as wanted already, and the claim was there before."""
    world = World("rfc9068_profile")
    prepare(world)
    notes = world.propose("rfc9068").notes
    warning = "If that is not meant: `switch --to rfc9068_profile_authz`"
    assert any(warning in note for note in notes) is warns


def test_a_wait_that_was_stopped_is_gone_on_with() -> None:
    """By anybody, from any host."""
    world = World()
    world.tenant.trap = Trap(2, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        world.switch(external=True)
    world.tenant.trap = Trap()
    world.tenant.settings["token_dialect"] = "rfc9068_profile"
    assert world.switch(external=True).switched is not None
    assert [name for name, _, _ in world.steps] == ["begun", "switched"]


def told(**changes: Any) -> Told:
    whole: dict[str, Any] = {
        "api": WHICH,
        "before": DIALECTS["access_token"],
        "after": DIALECTS["rfc9068_profile"],
        "lifetime": 3_600.0,
        "at": START - 100,
    }
    return Told(**whole | changes)


def test_what_a_person_tells_is_recorded_without_the_management_api() -> None:
    """Once; what is odd about it is told, since it has been done."""
    world = World()
    world.ledger.write(Batch(heartbeats=(beat(START, profiles=("auth0",)),)))
    kept = record_told(told(), ledger=world.ledger, now=START)
    assert kept.step is not None
    assert (kept.step.at, kept.step.lifetime, kept.step.external) == (START - 100, 3_600, True)
    assert "do not accept the rfc9068 profile" in kept.notes[0]
    again = record_told(told(), ledger=world.ledger, now=START)
    assert (again.step, len(world.steps)) == (None, 1)
    assert "the ledger has it so since" in again.notes[0]


def test_what_is_told_settles_what_was_begun() -> None:
    """Not earlier than it was begun, and with the longer of the lifetimes."""
    world = World()
    world.ledger.record(step("begun", external=True))
    kept = record_told(told(), ledger=world.ledger, now=START + 9)
    assert kept.step is not None
    assert kept.step.at > START
    assert kept.step.lifetime == DAY
    assert standing(world.ledger.read(), WHICH).pending is None


def test_what_is_told_of_another_change_waits() -> None:
    """As does what is none."""
    world = World()
    world.ledger.record(step("begun", after="rfc9068_profile_authz"))
    with pytest.raises(InTheWay, match="is not settled"):
        record_told(told(), ledger=world.ledger, now=START)
    with pytest.raises(ConfigurationError, match="is no change"):
        record_told(told(before=DIALECTS["rfc9068_profile"]), ledger=world.ledger, now=START)


def test_an_undo_is_told_from_what_the_ledger_has() -> None:
    """From and to, and the lifetime if none is given."""
    world = World()
    world.ledger.record(step(lifetime=7_200.0))
    account = world.ledger.read()
    whole = told_undo(account, WHICH, at=START + 5, lifetime=None)
    assert (whole.before.name, whole.after.name) == ("rfc9068_profile", "access_token")
    assert (whole.lifetime, whole.undo) == (7_200, True)
    record_told(whole, ledger=world.ledger, now=START + 5)
    assert told_undo(account, WHICH, at=START, lifetime=5.0).lifetime == 5
    world.ledger.record(
        step("begun", START + 9, before="rfc9068_profile", after="access_token", undo=True)
    )
    pending = told_undo(world.ledger.peek(), WHICH, at=START, lifetime=None)
    assert (pending.before.name, pending.after.name) == ("rfc9068_profile", "access_token")
    with pytest.raises(InTheWay, match="nothing to undo"):
        told_undo(Ledger(world.clock).read(), WHICH, at=START, lifetime=5.0)


# --- The order of steps ---------------------------------------------------------------------------


def test_steps_stay_in_order_though_a_clock_is_behind() -> None:
    """The second host's clock is an hour slow; the moment errs on the late side."""
    world = World()
    world.tenant.answers = [THROUGH, THROUGH, ConnectionError()]
    with pytest.raises(InTheWay):
        world.switch()
    world.clock.now -= 3_600
    world.report()
    outcome = world.switch()
    assert outcome.switched is not None
    begun, switched = world.ledger.read().steps
    assert switched.at > begun.at
    assert standing(world.ledger.read(), WHICH).pending is None


def test_which_api_is_meant_is_asked_where_there_are_several() -> None:
    """And told where there is none."""
    ledger = Ledger(Clock())
    with pytest.raises(InTheWay, match="no switch is recorded"):
        api_of(ledger.read(), None)
    ledger.record(step())
    assert api_of(ledger.read(), None) == WHICH
    with pytest.raises(InTheWay, match=f"but of: {API} --issuer"):
        api_of(ledger.read(), "https://other/")
    ledger.record(step(audience="https://other/", at=START + 1))
    with pytest.raises(ConfigurationError, match=r"say which: .*https://other/ --issuer"):
        api_of(ledger.read(), None)
    assert api_of(ledger.read(), "https://other/").audience == "https://other/"
    ledger.record(step(issuer="https://issuer.other/", at=START + 2))
    with pytest.raises(ConfigurationError, match="say which"):
        api_of(ledger.read(), API)
    assert api_of(ledger.read(), API, ISSUER) == WHICH


# --- Cut short at every point ---------------------------------------------------------------------


def drive(world: World, to: str | None) -> None:
    """Runs the command until it ends well, as a person would; five times at most."""
    for _ in range(5):
        world.report()
        try:
            world.switch(to)
        except (Killed, LedgerError, ManagementError, InTheWay):
            world.clock.now += 30
            continue
        return
    raise AssertionError("it never ended well")


def check(world: World, wanted: str) -> None:
    """The setting is as wanted, the ledger says so, and no later than it was in force."""
    account = world.ledger.peek()
    stands = standing(account, WHICH)
    assert world.tenant.dialect == wanted
    assert stands.pending is None
    assert stands.last is not None
    assert stands.last.after == wanted
    assert stands.last.at >= max(world.tenant.changed)
    assert stands.last.lifetime == DAY
    times = [each.at for each in account.steps]
    assert times == sorted(set(times))


FAILURES: dict[str, BaseException | None] = {"killed": Killed(), "broken": None}


@pytest.mark.parametrize("way", ["switch", "undo"])
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_cut_short_at_any_point_it_ends_rightly_when_run_again(
    way: str, failure: str, *, after: bool
) -> None:
    """At each effect on tenant and ledger in turn, before it or when it is there and nobody heard."""
    for point in range(20):
        world = World()
        if way == "undo":
            world.switch()
        trap = Trap(point, FAILURES[failure], after=after)
        world.ledger.trap = world.tenant.trap = trap
        to = None if way == "undo" else "rfc9068"
        drive(world, to)
        check(world, "access_token" if way == "undo" else "rfc9068_profile")
        if point >= len(trap.seen):
            break
    else:
        raise AssertionError("there are more effects than points")
    assert point >= 9


@settings(max_examples=150, deadline=None)
@given(
    points=st.lists(
        st.tuples(st.integers(0, 11), st.sampled_from([*FAILURES]), st.booleans()), max_size=4
    ),
    ways=st.lists(
        st.sampled_from(["rfc9068", "rfc9068_profile_authz", "access_token_authz", None]),
        min_size=1,
        max_size=4,
    ),
)
def test_no_interleaving_loses_what_was_begun(
    points: list[tuple[int, str, bool]], ways: list[str | None]
) -> None:
    """Whatever is asked for, cut short and asked for again: the ledger knows each dialect that was in
    force, and whoever goes on to the end finds the setting and the ledger at one."""
    world = World()
    cuts = list(points)
    for to in ways:
        at, failure, after = cuts.pop() if cuts else (99, "killed", False)
        world.ledger.trap = world.tenant.trap = Trap(at, FAILURES[failure], after=after)
        world.report()
        with suppress(Killed, LedgerError, ManagementError, InTheWay):
            world.switch(to)
        world.clock.now += 30
        stands = standing(world.ledger.peek(), WHICH)
        known = {"access_token"} | {each.after for each in stands.switched}
        known |= set() if stands.pending is None else {stands.pending.after}
        assert world.tenant.dialect in known
    world.ledger.trap = world.tenant.trap = Trap()
    stands = standing(world.ledger.read(), WHICH)
    if stands.pending is not None:
        drive(world, None if stands.pending.undo else stands.pending.after)
        check(world, stands.pending.after)
    elif stands.last is not None:
        assert world.tenant.dialect == stands.last.after
    else:
        assert world.tenant.dialect == "access_token"


def test_a_store_is_what_the_ledgers_are() -> None:
    """The stand-in of these tests keeps the protocol."""
    ledger: Store = Ledger(Clock())
    assert json.dumps(ledger.name) == '"memory"'
