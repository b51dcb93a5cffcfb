"""When no old token can be alive: the moment to the second, and waiting for it."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from atjwt import ConfigurationError
from atjwt.migration.account import OTHERS, Account, Batch, Origin, RefusalKey, Refusals, Step
from atjwt.migration.drain import Draining, drain, draining
from atjwt.migration.enforce import Look, enforcement
from atjwt.migration.moment import moment, renewed
from atjwt.migration.standing import InTheWay, standing
from atjwt.migration.store import LedgerError
from tools.migrating import (
    API,
    DAY,
    ISSUER,
    START,
    WHICH,
    Clock,
    Ledger,
    Tenant,
    Trap,
    beat,
    step,
    use,
)

END = START + DAY + 60 + 10  # lifetime, margin, leeway


def account(*uses: dict[Any, Any], **rest: Any) -> Account:
    whole = Account.merged([Account(uses=each) for each in uses])
    rest = {"heartbeats": (beat(START),), **rest}
    return replace(whole, **rest)


# --- The moment -----------------------------------------------------------------------------------


def test_without_a_token_seen_it_is_lifetime_margin_and_leeway_after_the_read_back() -> None:
    """To the second, and below."""
    assert moment(account(), step(at=START + 0.25)).at == END + 0.25
    assert moment(account(), step(lifetime=0.0, margin=0.0)).at == START + 10


def test_a_token_that_expires_later_moves_it() -> None:
    """To its `exp` and the leeway; one that expires earlier does not."""
    assert moment(account(use(START, expires=START + 2 * DAY)), step()).at == START + 2 * DAY + 10
    assert moment(account(use(START, expires=START + 5)), step()).at == END
    several = [
        use(START, expires=START + days * DAY, client_id=str(days)) for days in (1, 3, 2)
    ]  # fmt: skip
    assert moment(account(*several), step()).at == START + 3 * DAY + 10


def test_the_largest_leeway_counts() -> None:
    """Of those that report for this API; ten seconds where none does."""
    beats = (beat(START), beat(START, "b:2", leeway=30.0), beat(START, "c:3", leeway=2.0))
    assert moment(account(heartbeats=beats), step()).leeway == 30
    others = (beat(START, leeway=99.0, audience=("https://other/",)),)
    assert moment(account(heartbeats=others), step()).leeway == 10
    assert moment(account(heartbeats=(beat(START, leeway=0.0),)), step()).at == END - 10


@pytest.mark.parametrize(
    "key",
    [
        {"profile": "rfc9068"},
        {"audience": "https://other/"},
        {"issuer": "https://issuer.other/"},
    ],
)
def test_tokens_of_something_else_do_not_count(key: dict[str, Any]) -> None:
    """Of the new profile, of another API (T46), of another issuer."""
    assert moment(account(use(START, expires=START + 9 * DAY, **key)), step()).at == END


@pytest.mark.parametrize("key", [{"issuer": OTHERS}, {"client_id": OTHERS}, {"permissions": True}])
def test_tokens_that_may_be_old_count(key: dict[str, Any]) -> None:
    """Those the ledger no longer tells apart, and with or without permissions."""
    assert moment(account(use(START, expires=START + 9 * DAY, **key)), step()).at > END


def test_the_api_counts_by_each_of_its_names() -> None:
    """A resource server may list another name first, and the ledger counts under that one."""
    beats = (beat(START, audience=("urn:orders", API)),)
    late = use(START, expires=START + 9 * DAY, audience="urn:orders")
    assert moment(account(late, heartbeats=beats), step()).at == START + 9 * DAY + 10
    assert moment(account(late), step()).at == END


def test_where_only_the_permissions_claim_changes_it_tells_old_from_new() -> None:
    """Tokens that have it are old where it goes. Where it comes, machines never have it, so none is
    known for old, and the moment is reckoned.
    """
    adds = step(before="rfc9068_profile", after="rfc9068_profile_authz")
    late: dict[str, Any] = {"expires": START + 9 * DAY, "profile": "rfc9068"}
    assert moment(account(use(START, permissions=False, **late)), adds).at == END
    assert moment(account(use(START, permissions=True, **late)), adds).at == END
    assert moment(account(use(START, expires=START + 9 * DAY)), adds).at == END
    drops = step(before="rfc9068_profile_authz", after="rfc9068_profile")
    assert moment(account(use(START, permissions=False, **late)), drops).at == END
    assert moment(account(use(START, permissions=True, **late)), drops).at > END


def test_a_lifetime_that_was_lowered_just_before_is_not_forgotten() -> None:
    """Tokens of the longer one were seen; others of it may not have come yet."""
    week = use(START - 3_600, lifetime=7 * DAY, expires=START + 10)
    found = moment(account(week), step())
    assert found.at == START - 3_600 + 7 * DAY + 60 + 10
    assert found.longer == found.at - 10
    old = use(START - 40 * DAY, lifetime=7 * DAY)
    assert moment(account(old), step()).at == END
    assert moment(account(old, week, use(START, client_id="x")), step()).at == found.at
    assert moment(account(use(START + 5, lifetime=7 * DAY, expires=START + 10)), step()).at == (
        START + 7 * DAY + 60 + 10
    )


def test_the_profile_is_drained_though_the_permissions_were_changed_after_it() -> None:
    """Both kinds of old tokens are waited for; a profile from before an undo is not."""
    clock = Clock()
    ledger = Ledger(clock)
    ledger.record(step())
    ledger.record(
        step(at=START + 60, before="rfc9068_profile", after="rfc9068_profile_authz", lifetime=10.0)
    )
    state = draining(ledger.read(), WHICH, START + 60)
    assert state.moment.at == END + 60  # a day may have been the lifetime in between
    assert enforcement(ledger.read(), WHICH, Look(now=START + 60)).drained_at == END
    assert state.step.after == "rfc9068_profile_authz"
    ledger.record(step(at=START + 99, before="rfc9068_profile_authz", after="access_token"))
    assert [each.at for each in standing(ledger.read(), WHICH).in_force] == [START + 60, START + 99]
    alone = Ledger(clock)
    alone.record(step(before="rfc9068_profile", after="rfc9068_profile_authz"))
    assert len(standing(alone.read(), WHICH).in_force) == 1
    assert standing(Account(), WHICH).in_force == ()


def test_old_tokens_of_one_of_two_changes_are_told() -> None:
    """Those of the profile, though those of the permissions have stopped."""
    steps = (step(), step(at=START + 60, before="rfc9068_profile", after="rfc9068_profile_authz"))
    late = use(START + 3_600)
    assert draining(account(late, steps=steps), WHICH, START + 3_600).wrong


@pytest.mark.parametrize("odd", [{"before": "new"}, {"after": "new"}])
def test_steps_between_dialects_that_this_version_does_not_know_are_not_passed_over(
    odd: dict[str, Any],
) -> None:
    """A newer version has recorded them; those of another API do not matter."""
    with pytest.raises(InTheWay, match="newer version"):
        standing(account(steps=(step(**odd),)), WHICH)
    assert standing(account(steps=(step(**odd, audience="x"),)), WHICH).switched == ()


# --- A world in which tokens are issued and come --------------------------------------------------


@settings(deadline=None)
@given(
    lifetime=st.floats(1, 500),
    margin=st.floats(0, 60),
    leeway=st.floats(0, 60),
    delay=st.floats(0, 60),
    skews=st.tuples(st.floats(-30, 30), st.floats(-30, 30)),
    issued=st.lists(st.floats(-600, 60), max_size=8),
)
@example(lifetime=100.0, margin=0.0, leeway=0.0, delay=0.0, skews=(0.0, 0.0), issued=[0.0])
def test_no_old_token_is_valid_at_the_moment(
    lifetime: float,
    margin: float,
    leeway: float,
    delay: float,
    skews: tuple[float, float],
    issued: list[float],
) -> None:
    """Whether or not it was seen, if the margin covers the delay and the clocks' differences.

    Times are those of the host that switches: read back at START. The issuer goes on with the old
    setting for `delay`. Its clock and that of an instance differ by `skews`.
    """
    of_issuer, of_instance = skews
    assume(delay + of_issuer - of_instance <= margin)
    switched = step(lifetime=lifetime, margin=margin)
    at = moment(account(heartbeats=(beat(START, leeway=leeway),)), switched).at
    for after in issued:
        if after > delay:
            continue  # it is a new one
        exp = START + after + of_issuer + lifetime
        is_valid = at + of_instance < exp + leeway
        assert not is_valid or at + of_instance == pytest.approx(exp + leeway)


@settings(deadline=None)
@given(
    tokens=st.lists(
        st.tuples(
            st.floats(-600, 900),  # issued, after the switch
            st.floats(1, 700),  # lives so long
            st.lists(st.floats(0, 1), min_size=1, max_size=3),  # comes then, as a share of its life
        ),
        max_size=6,
    ),
    flush=st.floats(1, 30),
    lifetime=st.floats(0, 300),
    leeway=st.floats(0, 60),
)
def test_enforce_says_yes_only_when_no_token_that_came_is_valid(
    tokens: list[tuple[float, float, list[float]]], flush: float, lifetime: float, leeway: float
) -> None:
    """However late the new setting is in force, and however late counts are written: an instance that
    has reported since the moment has told of all that came. In the end it does say yes. Strays are
    waited for anew, from when the setting is read as wanted.
    """
    switched = step(lifetime=lifetime, margin=0.0)
    came: list[tuple[float, float, dict[Any, Any]]] = []
    for issued, lives, shares in tokens:
        exp = START + issued + lives
        for share in shares:
            at = START + issued + share * lives
            came.append((at, exp, use(at, lifetime=lives, expires=exp)))
    answers = []
    steps: tuple[Step, ...] = (switched,)
    read: dict[str, object] = {"token_dialect": switched.after, "token_lifetime": int(lifetime)}
    for now in (START + 37.0 * look for look in range(99)):
        written = now - now % flush  # the last report of the one instance
        told = account(
            *(each for at, _, each in came if at <= written),
            heartbeats=(beat(written, leeway=leeway, interval=flush),),
            steps=steps,
            origins=(Origin("a", "a", written),),
        )
        steps += renewed(told, WHICH, read, now)
        found = enforcement(replace(told, steps=steps), WHICH, Look(now=now, settings=read))
        answers.append(not found.wrong and not found.unattested)
        if answers[-1]:
            assert all(exp + leeway <= now for at, exp, _ in came if at <= written)
    assert answers[-1]


# --- How far it is --------------------------------------------------------------------------------


def state_of(*uses: dict[Any, Any], now: float = START, **rest: Any) -> Draining:
    rest = {"steps": (step(),), "origins": (Origin("here", "a", now),), **rest}
    return draining(account(*uses, **rest), WHICH, now)


def test_who_brought_old_tokens_lately_is_named() -> None:
    """Most requests first; by kind; those who stopped ten minutes ago are not."""
    state = state_of(
        use(START - 10, client_id="batch"),
        use(START - 5, client_id="batch", service="stock"),
        use(START - 20, client_id="app", kind="user"),
        use(START - 30, client_id="new", profile="rfc9068"),
        use(START - 601, client_id="gone"),
    )
    assert [(client.client_id, client.kind, client.requests) for client in state.clients] == [
        ("batch", "client", 2),
        ("app", "user", 1),
    ]
    assert (state.clients[0].last, state.clients[0].expires) == (START - 5, START - 5 + DAY)
    assert state.remaining == DAY + 70
    assert not state.notes


def test_old_tokens_that_are_issued_after_the_switch_are_told() -> None:
    """The setting is not in force everywhere, or not any more; within the margin it is no wonder."""
    late = state_of(use(START + 3_600), now=START + 3_600)
    assert "were issued after the switch" in late.wrong[0]
    assert late.moment.at == START + 3_600 + DAY + 10
    assert not state_of(use(START + 60), now=START + 60).wrong


def test_what_is_odd_is_told() -> None:
    """Longer lifetimes, clocks that are ahead, ledgers that nobody wrote to since."""
    assert not state_of(now=START - 60).notes
    longer = state_of(use(START - 60, lifetime=7 * DAY))
    assert "a lifetime was lowered" in longer.notes[0]
    assert (
        "clock of the host that recorded the switch is ahead" in state_of(now=START - 61).notes[0]
    )
    origins = (Origin("old.db", "a", START - 1), Origin("b.db", "b", START + 1))
    assert [note.split()[0] for note in state_of(origins=origins, now=START + 121).notes] == [
        "old.db"
    ]
    assert not state_of(origins=origins, now=START + 119).notes


def test_instances_that_refuse_old_tokens_too_early_are_told() -> None:
    """They refuse valid requests, which is what all of this is to prevent."""
    early = (beat(START), beat(START, "b:2", profiles=("rfc9068",)))
    assert "refuse the auth0 profile" in state_of(heartbeats=early).notes[0]
    assert "orders (b:2)" in state_of(heartbeats=early).notes[0]
    assert "orders (a:1)" not in state_of(heartbeats=early).notes[0]
    beats = (beat(END, "b:2", profiles=("rfc9068",)),)
    assert not state_of(heartbeats=beats, now=END).notes
    silent = (beat(START - 99, profiles=("rfc9068",)),)
    assert not state_of(heartbeats=silent).notes


@pytest.mark.parametrize(
    ("key", "last", "counts"),
    [
        ({}, START, True),
        ({}, START - 1, False),
        ({"profile": "rfc9068"}, START, False),
        ({"reason": "expired"}, START, False),
        ({"audience": "https://other/"}, START, False),
        ({"issuer": "https://issuer.other/"}, START, False),
    ],
)
def test_refusals_of_old_tokens_are_told(key: dict[str, str], last: float, *, counts: bool) -> None:
    """Those since the switch, for their profile alone."""
    whole = {
        "service": "orders", "issuer": ISSUER, "audience": API, "profile": "auth0",
        "reason": "profile_not_accepted", **key,
    }  # fmt: skip
    refusals = {RefusalKey(hour=0, **whole): Refusals(3, last)}
    notes = state_of(refusals=refusals).notes
    assert [note.partition(" were")[0] for note in notes] == (
        ["3 requests with tokens of the auth0 profile"] if counts else []
    )


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ((step("begun"),), "run `switch --to rfc9068_profile` again"),
        ((step("begun", undo=True),), "run `undo` again"),
        ((step("begun"), step("failed", START + 1)), "no switch of"),
    ],
)
def test_without_a_switch_that_was_made_there_is_nothing_to_drain(
    steps: tuple[Step, ...], says: str
) -> None:
    """What is begun is to be settled first."""
    with pytest.raises(InTheWay, match=says):
        state_of(steps=steps)


# --- Waiting --------------------------------------------------------------------------------------


class Watch:
    """A ledger with a switch in it, and somebody who waits; `meanwhile` happens at their looks."""

    def __init__(self, *steps: Step) -> None:
        self.clock = Clock()
        self.ledger = Ledger(self.clock)
        self.ledger.write(Batch(heartbeats=(beat(START),)))
        for each in steps or (step(lifetime=30.0, margin=2.0),):
            self.ledger.record(each)
        self.meanwhile: dict[float, Batch] = {}
        self.states: list[Draining] = []
        self.troubles: list[str] = []

    def sleep(self, waited: float) -> None:
        self.clock.sleep(waited)
        for at in [at for at in self.meanwhile if at <= self.clock()]:
            self.ledger.write(self.meanwhile.pop(at))

    def drain(self, **changes: Any) -> Draining:
        return drain(
            self.ledger,
            tell=self.states.append,
            trouble=self.troubles.append,
            clock=self.clock,
            sleep=self.sleep,
            **changes,
        )


def test_it_waits_until_the_moment_and_records_it_once() -> None:
    """Not a second longer, whatever the interval; and another time it is known at once."""
    watch = Watch()
    state = watch.drain()
    assert watch.clock() == START + 42
    assert watch.clock.waits == [1.0] * 42
    assert state.drained is not None
    assert (state.drained.at, state.drained.name) == (START + 42, "drained")
    assert watch.states[-1] == state
    assert watch.drain().drained == state.drained
    assert watch.ledger.names() == ["switched", "drained"]


def test_the_looks_are_as_far_apart_as_the_wait_is_long() -> None:
    """Five seconds at the most, and the last one is at the moment itself."""
    watch = Watch(step(lifetime=588.5, margin=2.0))
    watch.drain()
    assert (watch.clock.waits[0], watch.clock.waits[-2:]) == (5.0, [1.0, pytest.approx(0.5, abs=1)])
    assert watch.clock() == START + 600.5


def test_without_waiting_it_looks_once() -> None:
    """Nothing is recorded before the moment."""
    watch = Watch()
    assert watch.drain(wait=False).drained is None
    assert (watch.clock.waits, watch.ledger.names()) == ([], ["switched"])
    watch.clock.now = START + 42
    assert watch.drain(wait=False).drained is not None


def test_late_tokens_move_the_moment_while_it_waits() -> None:
    """T45: what comes is watched, not assumed; how many came is counted from look to look."""
    watch = Watch()
    late = use(START + 11, expires=START + 60, lifetime=59.0)
    watch.meanwhile = {START + 12: Batch(uses=late), START + 17: Batch(uses=late)}
    state = watch.drain()
    assert state.drained is not None
    assert state.drained.at == START + 71
    assert [state.since for state in watch.states if state.since] == [1, 1]
    assert len({each.moment.at for each in watch.states}) == 2


def test_tokens_that_come_after_it_was_drained_are_waited_for_again() -> None:
    """What was recorded does not hold then, and is recorded anew."""
    watch = Watch()
    watch.drain()
    watch.ledger.write(Batch(uses=use(START + 50, expires=START + 80, lifetime=80.0)))
    assert watch.drain(wait=False).drained is None
    state = watch.drain()
    assert state.drained is not None
    assert state.drained.at == START + 92
    assert watch.ledger.names() == ["switched", "drained", "drained"]


def test_a_ledger_that_is_away_for_a_while_is_waited_for() -> None:
    """At the first look it is an error; what cannot be read decides nothing."""
    watch = Watch()
    watch.ledger.trap = Trap(2)
    assert watch.drain().drained is not None
    assert watch.troubles == ["is locked"]
    watch.ledger.trap = Trap(0)
    with pytest.raises(LedgerError):
        watch.drain()


def test_a_ledger_that_cannot_keep_it_is_told() -> None:
    """Run again, it is recorded."""
    watch = Watch()
    watch.ledger.trap = Trap("record drained", LedgerError("is full"))
    with pytest.raises(LedgerError, match="is full"):
        watch.drain()
    watch.ledger.trap = Trap()
    assert watch.drain().drained is not None


def test_where_old_tokens_are_issued_the_setting_is_looked_at() -> None:
    """Once for each time they move the moment, and in the end; while it is set otherwise, nothing is
    drained. Read as wanted, that is recorded, and it is waited for anew.
    """
    watch = Watch()
    tenant = Tenant(watch.clock, token_lifetime=30, token_lifetime_for_web=None)
    strays = use(START + 11, expires=START + 41, lifetime=30.0)
    watch.meanwhile = {START + 12: Batch(uses=strays)}
    look: dict[str, Any] = {"settings": lambda api: tenant.management().get(api.audience)}
    state = watch.drain(**look)
    assert tenant.sent == ["GET", "GET"]
    assert watch.states[0].wrong == ()
    assert "`switch --to rfc9068_profile` sets it again" in watch.states[-1].wrong[1]
    assert (state.drained, watch.ledger.names()) == (None, ["switched"])
    tenant.settings["token_dialect"] = "rfc9068_profile"
    seen = watch.clock()
    state = watch.drain(**look)
    assert state.wrong == ()
    assert state.drained is not None
    assert state.drained.at == seen + 30 + 2 + 10
    assert watch.ledger.names() == ["switched", "switched", "drained"]


def test_a_setting_that_has_not_stayed_is_not_drained() -> None:
    """Though no old token was seen; and where nobody can look, that is said."""
    watch = Watch()
    state = watch.drain(settings=lambda _: {"token_dialect": "access_token"})
    assert (state.drained, watch.clock()) == (None, START + 42)
    assert "the API is set to access_token now" in state.wrong[0]
    assert "the setting was not read" in watch.drain().notes[0]


def test_which_api_is_said_where_there_are_several() -> None:
    """By identifier, and by issuer if need be."""
    watch = Watch(step(), step(at=START + 1, audience="https://other/"))
    with pytest.raises(ConfigurationError, match="say which"):
        watch.drain(wait=False)
    assert watch.drain(wait=False, audience=API, issuer=ISSUER).step.audience == API
