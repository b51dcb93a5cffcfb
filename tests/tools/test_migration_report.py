"""The report: sums over what a ledger holds, and why they may not be the whole truth."""

import json
from dataclasses import asdict, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import ConfigurationError, Reason
from atjwt.migration.account import Account, Origin
from atjwt.migration.fixes import FIXES, fix_for
from atjwt.migration.report import Api, report
from tools.accounts import API, DAY, ISSUER, NOW, THIS_HOUR, account, beat, done, refusal, use


def only(whole: Account, hours: int = 24) -> Api:
    (api,) = report(whole, now=NOW, hours=hours).apis
    return api


# --- Who brings which tokens ----------------------------------------------------------------------


def test_an_empty_ledger_is_reported_as_one() -> None:
    """No API, no doubt about it but that nobody has written."""
    found = report(Account(), now=NOW)
    assert found.is_empty
    assert (found.apis, found.refused, found.instances, found.doubts) == ((), (), (), ())


def test_tokens_are_told_apart_by_profile_permissions_and_kind() -> None:
    """With their shares, and what came lately; over all hours when first and last, and until when."""
    api = only(
        account([
            use(60, hours_ago=2, expires=NOW + 100),
            use(10, hours_ago=1, expires=NOW + 50),
            use(20, profile="rfc9068"),
            use(10, kind="client", client_id="job", permissions=False),
        ])
    )  # fmt: skip
    assert (api.audience, api.issuer, api.requests) == (API, ISSUER, 100)
    users, new, machines = api.accepted
    assert (users.profile, users.permissions, users.kind) == ("auth0", True, "user")
    assert (users.requests, users.share, users.recent) == (70, 0.7, 10)
    assert (users.first, users.last) == (THIS_HOUR - 2 * 3600 + 60, THIS_HOUR - 3600 + 300)
    assert users.expires == NOW + 100
    assert (new.profile, new.requests, new.share) == ("rfc9068", 20, 0.2)
    assert (machines.kind, machines.permissions, machines.recent) == ("client", False, 10)


def test_only_the_hours_asked_for_are_counted() -> None:
    """This clock hour is the last of them; what is older still tells when it was seen."""
    whole = account([use(1), use(2, hours_ago=1), use(4, hours_ago=2)])
    assert [only(whole, hours).requests for hours in (1, 2, 3)] == [1, 3, 7]
    assert only(whole, 1).accepted[0].first == THIS_HOUR - 2 * 3600 + 60
    assert report(whole, now=NOW, hours=2).since == THIS_HOUR - 3600


def test_the_hours_have_no_gaps() -> None:
    """The oldest first, by profile, the quiet ones too."""
    hours = only(account([use(3, hours_ago=3), use(1, profile="rfc9068"), use(2)]), 5).hours
    assert [hour.requests for hour in hours] == [
        {}, {"auth0": 3}, {}, {}, {"auth0": 2, "rfc9068": 1},
    ]  # fmt: skip
    assert [hour.start for hour in hours] == [THIS_HOUR - ago * 3600 for ago in (4, 3, 2, 1, 0)]


def test_two_issuers_and_two_apis_are_reported_apart() -> None:
    """Each pair for itself; `api` leaves one, by any of its names."""
    whole = account(
        [use(1), use(2, issuer="https://other.example"), use(4, audience="https://x.example/")],
        beats=[beat(audience=(API, "orders"))],
    )
    found = report(whole, now=NOW)
    assert [(api.audience, api.issuer, api.requests) for api in found.apis] == [
        (API, ISSUER, 1), (API, "https://other.example", 2), ("https://x.example/", ISSUER, 4),
    ]  # fmt: skip
    for name in (API, "orders"):
        assert [api.requests for api in report(whole, now=NOW, api=name).apis] == [1, 2]


def test_an_api_that_the_ledger_does_not_know_is_told() -> None:
    """With those that it knows; of an empty ledger that is no mistake."""
    with pytest.raises(ConfigurationError, match="it knows https://api"):
        report(account([use()]), now=NOW, api="https://api.example.com")
    assert report(Account(), now=NOW, api=API).is_empty


@pytest.mark.parametrize("hours", [0, -1, 1081])
def test_hours_that_are_not_kept_are_refused(hours: int) -> None:
    """A ledger keeps 45 days."""
    with pytest.raises(ConfigurationError, match="from 1 to 1,080"):
        report(Account(), now=NOW, hours=hours)


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.booleans()), max_size=12))
def test_nothing_is_counted_twice_or_left_out(parts: list[tuple[int, int, bool]]) -> None:
    """The API, the sorts, the clients and the hours add up to the same, for any ledger."""
    accounts = [
        account([use(count, hours_ago=ago, profile="rfc9068" if new else "auth0")])
        for ago, count, new in parts
    ]
    found = report(Account.merged(accounts), now=NOW, hours=24)
    total = sum(count for ago, count, _ in parts if ago < 24)
    for api in found.apis:
        assert api.requests == total
        assert sum(one.requests for one in api.accepted) == total
        assert sum(one.requests for one in api.clients) == total
        assert sum(sum(hour.requests.values()) for hour in api.hours) == total
        assert sum(one.share for one in api.accepted) == pytest.approx(1.0 if total else 0.0)


# --- Old tokens -----------------------------------------------------------------------------------


def test_clients_that_still_bring_old_tokens_come_first() -> None:
    """With until when the last of them lives; what they brought of the new profile is not old."""
    whole = account(
        [
            use(90, profile="rfc9068", client_id="app"),
            use(1, client_id="app", expires=NOW + 500),
            use(2, client_id="job", kind="client", expires=NOW + 900),
        ],
        steps=[done()],
    )
    api = only(whole)
    assert [(one.client_id, one.profile, one.old) for one in api.clients] == [
        ("job", "auth0", True), ("app", "auth0", True), ("app", "rfc9068", False),
    ]  # fmt: skip
    assert (api.old_until, api.step) == (NOW + 900, done())


def test_where_only_permissions_change_they_tell_what_is_old() -> None:
    """The profile is the same in both."""
    step = done(before="access_token_authz", after="access_token")
    api = only(account([use(1), use(1, permissions=False, expires=NOW + 9)], steps=[step]))
    assert [(one.permissions, one.old) for one in api.clients] == [(True, True), (False, False)]
    assert api.old_until == NOW + DAY
    other = only(account([use(profile="rfc9068")], steps=[step]))
    assert (other.clients[0].old, other.old_until) == (False, None)


def test_after_an_undo_the_new_profile_is_the_old_one() -> None:
    """The last step counts."""
    back = done(before="rfc9068_profile_authz", after="access_token_authz", ago=60, undo=True)
    api = only(account([use(1), use(1, profile="rfc9068")], steps=[done(), back]))
    assert [(one.profile, one.old) for one in api.clients] == [("rfc9068", True), ("auth0", False)]


def test_nothing_is_old_where_nothing_was_switched() -> None:
    """An attempt that failed switched nothing, nor did a step of a version to come."""
    for steps in ([], [done("failed")], [done(after="rfc9999_profile")]):
        api = only(account([use()], steps=steps))
        assert (api.clients[0].old, api.old_until) == (False, None)


def test_a_step_of_the_tenants_own_domain_counts_for_a_custom_one() -> None:
    """Where no token came from that domain; else each has its own."""
    custom = "https://login.acme.example/"
    assert only(account([use(issuer=custom)], steps=[done()])).clients[0].old
    whole = account([use(issuer=custom), use()], steps=[done()])
    found = {api.issuer: api.clients[0].old for api in report(whole, now=NOW).apis}
    assert found == {ISSUER: True, custom: False}


# --- Refusals, instances, ledgers -----------------------------------------------------------------


def test_refusals_are_summed_by_reason_with_what_to_do() -> None:
    """The most first; those older than the hours asked for are left out."""
    found = report(
        account(
            refusals=[
                refusal("expired", 3), refusal("expired", 4, hours_ago=2),
                refusal("opaque_token", 9, issuer="", profile=""),
                refusal("expired", 50, hours_ago=24),
            ]
        ),
        now=NOW,
    )  # fmt: skip
    assert [(one.reason, one.requests, one.issuer) for one in found.refused] == [
        ("opaque_token", 9, ""), ("expired", 7, ISSUER),
    ]  # fmt: skip
    assert "this API's audience" in found.refused[0].fix
    assert found.refused[1].last == THIS_HOUR + 300


def test_every_reason_has_a_line_of_advice() -> None:
    """One line, and one for reasons of a version to come."""
    assert FIXES.keys() == {*Reason}
    assert all(fix and "\n" not in fix and len(fix) < 100 for fix in FIXES.values())
    assert fix_for("expired") == FIXES[Reason.EXPIRED]
    assert fix_for("to_come") == "see the log"


@pytest.mark.parametrize(
    ("ago", "stopped", "state"),
    [(0, False, "live"), (30, False, "live"), (31, False, "silent"), (5, True, "stopped")],
)
def test_an_instance_is_silent_after_three_of_its_intervals(
    ago: float, *, stopped: bool, state: str
) -> None:
    """One that said that it ends is not."""
    (found,) = report(account(beats=[beat(ago=ago, stopped=stopped)]), now=NOW).instances
    assert (found.state, found.profiles, found.at) == (state, ("auth0", "rfc9068"), NOW - ago)


def test_a_ledger_that_nobody_writes_to_is_doubted() -> None:
    """With what to do: another thing where others are fresh than where none is."""
    fresh = Origin("a.db", "1", NOW - 3)
    stale = Origin("b.db", "2", NOW - 7_200)
    unused = Origin("c.db", "3", 0.0)
    both = report(replace(account(), origins=(fresh, stale, unused)), now=NOW)
    assert [(one.name, one.age) for one in both.ledgers] == [
        ("a.db", 3.0), ("b.db", 7_200.0), ("c.db", None),
    ]  # fmt: skip
    assert [doubt.partition(", while")[0] for doubt in both.doubts] == [
        "nobody has written to b.db for 02:00:00", "nobody has written to c.db ever",
    ]  # fmt: skip
    for age, doubted in ((300.0, False), (301.0, True)):
        assert bool(report(account(written_ago=age), now=NOW).doubts) == doubted
    (alone,) = report(replace(account(), origins=(stale,)), now=NOW).doubts
    assert "see that the services run" in alone


def test_lost_counts_and_clocks_that_are_ahead_are_told() -> None:
    """What is not in there, and what cannot be."""
    lost, *_ = report(account(lost=1_200), now=NOW).doubts
    assert lost.startswith("1,200 counts are lost")
    (ahead,) = report(account(beats=[beat(ago=-90)], written_ago=-90), now=NOW).doubts
    assert ahead.startswith("written in the future: ledger.db, orders/web-1: set the clocks")
    assert report(account(beats=[beat(ago=-60)], written_ago=-60), now=NOW).doubts == ()


def test_it_can_be_written_as_json() -> None:
    """Every member, under its name."""
    found = report(
        account([use()], refusals=[refusal("expired")], beats=[beat()], steps=[done()]), now=NOW
    )
    facts = json.loads(json.dumps(asdict(found)))
    assert facts["apis"][0]["hours"][-1] == {"start": THIS_HOUR, "requests": {"auth0": 1}}
    assert facts["steps"][0]["name"] == "switched"
    assert facts.keys() == {
        "at", "since", "apis", "refused", "instances", "steps", "ledgers", "doubts", "lost",
    }  # fmt: skip
