"""The plan: what changes, held against minted tokens; what is in the way, held against the rules."""

import base64
import itertools
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any, cast

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import AUTH0, RFC9068, ConfigurationError, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.policy import ALLOWED, Policy, Ways
from atjwt.core.principal import Principal
from atjwt.core.shortfall import Shortfall
from atjwt.errors import Reason
from atjwt.fastapi import AccessTokenScheme
from atjwt.guards import coverage
from atjwt.issuer import LocalIssuer
from atjwt.issuer.tokens import Dialect as Name
from atjwt.migration import ManagementApi, ManagementError
from atjwt.migration.account import OTHERS, Account
from atjwt.migration.changes import ABSENT, STAYS, changes
from atjwt.migration.dialects import DIALECTS
from atjwt.migration.management import Answer
from atjwt.migration.plan import Plan, plan
from atjwt.migration.setting import ApiSetting
from atjwt.policies import has_permission, has_role, has_scope, is_kind
from atjwt.starlette import requires
from tools.accounts import API, DAY, ISSUER, NOW, account, beat, done, use
from tools.login import BASE

PAIRS = list(itertools.permutations(DIALECTS, 2))


def setting(dialect: str = "access_token_authz", **changes: Any) -> ApiSetting:
    whole: dict[str, Any] = {
        "identifier": API, "issuer": ISSUER, "dialect": DIALECTS[dialect], "rbac": True,
    }  # fmt: skip
    return ApiSetting(**(whole | changes))


def planned(
    to: str = "rfc9068",
    whole: Account | None = None,
    *,
    api: ApiSetting | None = None,
    **more: Any,
) -> Plan:
    """A plan where nothing is in the way, unless told otherwise."""
    good = account([use()], beats=[beat()])
    arguments: dict[str, Any] = {"now": NOW, "expected": {"orders": 1}, **more}
    return plan(api or setting(), to, good if whole is None else whole, **arguments)


def told(found: Plan, matter: str | None = None) -> list[str]:
    """What is in the way."""
    return [one.text for one in found.blockers if matter in (None, one.matter)]


def noted(found: Plan, matter: str | None = None) -> list[str]:
    return [one.text for one in found.notes if matter in (None, one.matter)]


# --- What changes ---------------------------------------------------------------------------------


def members(issuer: LocalIssuer, dialect: str, kind: Any) -> dict[str, str]:
    """The members of a minted token: of the header with their values, of the claims that they are."""
    token = issuer.token(dialect=cast("Name", dialect), kind=kind, permissions=["a"])
    header, claims, _ = token.split(".")
    read = {
        f"header {name}": str(value)
        for name, value in json.loads(base64.urlsafe_b64decode(header + "==")).items()
    }
    names = json.loads(base64.urlsafe_b64decode(claims + "=="))
    return read | {f"claim {name}": "there" for name in names}


@pytest.fixture(scope="module")
def minting() -> LocalIssuer:
    return LocalIssuer()


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_table_tells_exactly_what_differs_in_minted_tokens(
    before: str, after: str, minting: LocalIssuer
) -> None:
    """For each of the twelve ways from one dialect to another; for users, clients and agents."""
    differing: dict[str, tuple[str | None, str | None]] = {}
    for kind in ("user", "client", "agent"):
        was, will = (members(minting, dialect, kind) for dialect in (before, after))
        differing |= {
            name: (was.get(name), will.get(name))
            for name in was.keys() | will.keys()
            if was.get(name) != will.get(name)
        }
    table = {
        f"{one.where} {one.name}": (one.before, one.after)
        for one in changes(DIALECTS[before], DIALECTS[after])
    }
    assert table.keys() == differing.keys()
    for name, (is_now, then) in table.items():
        had, has = differing[name]
        if name == "header typ":
            assert (is_now, then) == (had, has)
        else:
            assert (is_now == ABSENT, then == ABSENT) == (had is None, has is None)


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_the_way_back_changes_the_same_the_other_way_round(before: str, after: str) -> None:
    """What goes comes again; and each change says what to search for, and what to write."""
    there = changes(DIALECTS[before], DIALECTS[after])
    back = changes(DIALECTS[after], DIALECTS[before])
    assert [(one.name, one.before, one.after) for one in there] == [
        (one.name, one.after, one.before) for one in back
    ]
    assert all(one.search and one.instead for one in there)


@pytest.mark.parametrize(("before", "after"), PAIRS)
@pytest.mark.parametrize("kind", ["user", "client", "agent"])
def test_what_stays_is_the_same_in_verified_principals(
    before: str, after: str, kind: Any, minting: LocalIssuer
) -> None:
    """Key, kind, client and scopes, as verified by the library itself."""
    server = ResourceServer(
        audience=minting.audience,
        issuers=[TrustedIssuer.auth0(minting.issuer, jwks=minting.jwks())],
    )
    was, will = (
        server.verify_sync(minting.token(dialect=cast("Name", dialect), kind=kind))
        for dialect in (before, after)
    )
    assert (was.key, was.kind, was.client_id, was.scopes) == (
        will.key, will.kind, will.client_id, will.scopes,
    )  # fmt: skip
    assert set(was.audience) == set(will.audience)
    assert "Principal" in STAYS


def test_for_what_changes_it_names_what_to_search_for() -> None:
    """The forms in which code and gateways read it; and what this library has instead."""
    found = {one.name: one for one in planned().changes}
    assert {'claims["azp"]', ".azp"} <= {*found["azp"].search}
    assert 'gty == "client-credentials"' in found["gty"].search
    assert 'principal.kind == "client"' in found["gty"].instead
    assert 'typ == "JWT"' in found["typ"].search
    assert 'claims["jti"]' in {one.name: one for one in planned("auth0", api=setting(
        "rfc9068_profile")).changes}["jti"].search  # fmt: skip


# --- The verdict ----------------------------------------------------------------------------------


def test_nothing_is_in_the_way_of_a_fleet_that_accepts_both() -> None:
    """With the moment at which the old tokens would be gone: lifetime, margin and leeway from now."""
    found = planned()
    assert (found.verdict, found.blockers) == ("ready", ())
    assert (found.before, found.after) == ("access_token_authz", "rfc9068_profile_authz")
    assert found.earliest == NOW + DAY + 60 + 10


def test_the_latest_token_seen_may_be_later_than_the_settings() -> None:
    """As after a lifetime was lowered."""
    whole = account([use(expires=NOW + 9 * DAY, lifetime=10 * DAY)], beats=[beat(leeway=30.0)])
    found = planned(whole=whole, api=setting(lifetime=600.0))
    assert found.earliest is not None
    assert found.earliest >= NOW + 9 * DAY + 30
    assert any("tokens that lived 10 d 00:00:00 came" in text for text in noted(found))


def test_tokens_from_before_an_earlier_switch_count_for_the_moment() -> None:
    """It was undone, and the lifetime is short now."""
    there = done(ago=99)
    back = replace(there, at=NOW - 9, before=there.after, after=there.before, lifetime=600.0)
    found = planned(whole=account(beats=[beat()], steps=[there, back]), api=setting(lifetime=600.0))
    assert found.earliest == NOW - 99 + DAY + 60 + 10


@pytest.mark.parametrize("to", ["access_token_authz", "auth0"])
def test_nothing_is_to_be_done_where_it_is_set_so_already(to: str) -> None:
    """Whatever else may be wrong."""
    found = planned(to, Account(), api=setting(is_system=True))
    assert (found.verdict, found.blockers, found.changes) == ("done", (), ())
    assert found.earliest is None


def test_a_dialect_that_there_is_not_is_refused() -> None:
    """With those that there are."""
    with pytest.raises(ConfigurationError, match="rfc9068_profile_authz"):
        planned("rfc9068_authz")


def test_it_can_be_written_as_json() -> None:
    """Every member, under its name."""
    whole = account([use(kind="client")], beats=[beat(profiles=("auth0",))])
    facts = json.loads(json.dumps(asdict(planned(whole=whole))))
    assert facts["blockers"][0] == {
        "matter": "instances",
        "blocks": True,
        "text": "orders: web-1 does not accept rfc9068",
        "fix": "accept both: ATJWT_PROFILES=auth0,rfc9068, or profiles={AUTH0, RFC9068}; deploy it",
    }
    assert facts["changes"][0]["name"] == "typ"
    assert facts["machines"][0]["client_id"] == "app"


# --- Instances ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("beats", "expected", "blockers"),
    [
        ([], {}, ["nobody can tell what its instances accept: none has ever reported"]),
        ([], {"orders": 2}, ["orders: 0 of 2 instances report"]),
        ([beat()], {"orders": 2}, ["orders: 1 of 2 instances report"]),
        ([beat(), beat("web-2")], {"orders": 2}, []),
        ([beat(), beat("web-2"), beat("web-3")], {"orders": 2}, []),
        ([beat(), beat("web-2", ago=95)], {}, ["orders: silent is web-2 for 00:01:35"]),
        ([beat(), beat("web-2", ago=95)], {"orders": 1}, []),
        (
            [beat(), beat("web-2", ago=95)],
            {"orders": 2},
            ["orders: 1 of 2 instances report", "orders: silent is web-2 for 00:01:35"],
        ),
        ([beat(stopped=True)], {}, ["orders: every instance has stopped"]),
        ([beat(), beat("web-2", stopped=True)], {}, []),
        ([beat(), beat("web-2", ago=95, profiles=("auth0",))], {"orders": 1}, []),
        ([beat(), beat("x-1", issuer="https://login.acme.example/")], {}, []),
        ([beat(profiles=("auth0",))], {}, ["orders: web-1 does not accept rfc9068"]),
        ([beat(profiles=("rfc9068",))], {}, ["orders: web-1 does not accept auth0"]),
        (
            [beat(f"web-{number}", profiles=("auth0",)) for number in range(1, 6)],
            {},
            ["orders: web-1, web-2, web-3 and 2 more do not accept rfc9068"],
        ),
        (
            [beat(), beat("job-1", service="nightly", profiles=("auth0",))],
            {},
            ["nightly: job-1 does not accept rfc9068"],
        ),
        (
            [beat(), beat("web-2", audience=("https://x.example/",))],
            {"orders": 1},
            [f"orders: web-2 judge no token of this API from {ISSUER}"],
        ),
        (
            [beat(issuer="https://login.acme.example/")],
            {},
            [f"its instances judge tokens from https://login.acme.example/, none from {ISSUER}"],
        ),
    ],
)  # fmt: skip
def test_instances_that_are_in_the_way(
    beats: list[Any], expected: dict[str, int], blockers: list[str]
) -> None:
    """Missing, silent, deaf to the old or the new profile, or of another issuer or API."""
    found = planned(whole=account([use()], beats=beats), expected=expected)
    assert told(found) == blockers
    assert all(one.fix for one in found.blockers)


def test_instances_that_should_be_known() -> None:
    """Too many, silent though enough are live, of a service that nobody expects, of another API."""
    whole = account(
        [use()],
        beats=[
            beat(), beat("web-2"), beat("web-3", ago=95), beat("job-1", service="nightly"),
            beat("job-2", service="nightly", audience=("https://x.example/",)),
            beat("bill-1", service="billing", audience=("https://x.example/",)),
        ],
    )  # fmt: skip
    found = planned(whole=whole, expected={"orders": 1})
    assert noted(found, "instances") == [
        "orders: 2 instances report, 1 are expected",
        "orders: silent is web-3 for 00:01:35; the live ones are as many as expected",
        "nightly: 1 live, and nobody expects that service",
        f"nightly: job-2 judge no token of this API from {ISSUER}",
    ]
    assert found.blockers == ()
    (unknown,) = (one for one in planned(whole=whole, expected={}).notes if "not known" in one.text)
    assert unknown.fix == "tell it: --expect nightly=1 --expect orders=2"


def test_an_instance_that_judges_tokens_of_two_domains_is_one() -> None:
    """A tenant's own domain and a custom one; `issuers` names the custom one."""
    custom = "https://login.acme.example/"
    both = account([use(issuer=custom)], beats=[beat(), beat(issuer=custom)])
    found = planned(whole=both, issuers=[custom])
    assert (found.verdict, found.issuers) == ("ready", (ISSUER, custom))
    assert told(planned(whole=account(beats=[beat(issuer=custom)]), issuers=[custom])) == []
    half = account([use()], beats=[beat(), beat(issuer=custom, ago=95)])
    assert told(planned(whole=half, issuers=[custom], expected={})) == []


def test_as_many_instances_as_are_expected_are_some() -> None:
    """Zero of a service is no expectation."""
    with pytest.raises(ConfigurationError, match="one or more"):
        planned(expected={"orders": 0})


# --- The API's settings, its past, its tokens -----------------------------------------------------


def test_a_system_api_is_in_the_way() -> None:
    """Nobody may change its dialect."""
    assert told(planned(api=setting(is_system=True)), "api") == [
        "it is an API of the authorization server's own (is_system)"
    ]


@pytest.mark.parametrize(
    ("to", "api", "text", "fix"),
    [
        (
            "rfc9068_profile",
            setting(),
            "lose their permissions claim",
            "--to rfc9068_profile_authz",
        ),
        ("access_token", setting("rfc9068_profile_authz"), "lose their", "--to access_token_authz"),
        ("rfc9068_profile_authz", setting("access_token"), "get a permissions claim", "proxies"),
        ("rfc9068", setting(rbac=False), "RBAC is off", "enforce_policies"),
        ("rfc9068", setting(algorithm="HS256"), "signs by HS256", "nobody uses"),
        ("rfc9068", setting(encrypted=True), "are encrypted", "token_encryption"),
        ("rfc9068", setting(bound="required"), "proof of possession is required", ""),
    ],
)
def test_settings_that_should_be_known(to: str, api: ApiSetting, text: str, fix: str) -> None:
    """None of them is in the way by itself."""
    found = planned(to, api=api)
    (one,) = (one for one in found.notes if text in one.text)
    assert fix in one.fix
    assert found.blockers == ()


def test_settings_that_do_not_matter_are_not_told() -> None:
    """Where nothing of what they decide changes."""
    for api, to in (
        (setting("access_token"), "rfc9068"),
        (setting("access_token", rbac=False), "rfc9068"),
        (setting("rfc9068_profile", algorithm="HS256"), "rfc9068_profile_authz"),
    ):
        assert not any(
            word in text for text in noted(planned(to, api=api), "api")
            for word in ("lose", "RBAC", "HS256")
        )  # fmt: skip


def test_the_longer_of_two_lifetimes_counts() -> None:
    """Auth0 says that the one of browser flows is the shorter; nothing depends on it."""
    found = planned(
        api=setting(lifetime=60.0, lifetime_for_web=600.0), whole=account(beats=[beat()])
    )
    assert found.earliest == NOW + 600 + 60 + 10


def test_a_profile_keeps_the_permissions_claim() -> None:
    """So that nobody loses it by the way (T49)."""
    assert not any("permissions" in text for text in noted(planned()))


def test_a_switch_that_was_begun_is_in_the_way() -> None:
    """Nobody knows how it ended; one that failed, or is drained, is not."""
    good: dict[str, Any] = {"beats": [beat()]}
    begun = planned(whole=account([use()], steps=[done("begun")], **good))
    assert told(begun) == [
        "a switch to rfc9068_profile_authz was begun, and how it ended is not known"
    ]
    steps = [done("begun"), done("failed", ago=5)]
    assert planned(whole=account([use()], steps=steps, **good)).verdict == "ready"


def test_a_switch_that_is_not_drained_should_be_known() -> None:
    """And one that somebody else has changed since."""
    whole = account([use()], beats=[beat()], steps=[done()])
    there = planned("auth0", whole, api=setting("rfc9068_profile_authz"))
    assert "the switch from access_token_authz is not drained yet" in noted(there)
    assert any("somebody else has changed it" in text for text in noted(planned(whole=whole)))
    drained = account([use()], beats=[beat()], steps=[done(), done("drained", ago=5)])
    again = planned("auth0", drained, api=setting("rfc9068_profile_authz"))
    assert not any("drained" in text for text in noted(again))


def test_tokens_that_do_not_fit_the_settings_should_be_known() -> None:
    """None at all; of the other profile, lately; machines without the claim; too many clients."""
    assert any("was ever counted" in text for text in noted(planned(whole=account(beats=[beat()]))))
    whole = account(
        [
            use(),
            use(7, profile="rfc9068"),
            use(9, profile="rfc9068", hours_ago=5),
            use(kind="client", client_id="job", permissions=False),
            use(client_id=OTHERS),
        ],
        beats=[beat()],
    )
    assert noted(planned(whole=whole)) == [
        "no app was looked at, so its guards may be in the way",
        "7 requests of late had rfc9068 tokens, though access_token_authz is set",
        "machines come without permissions claim: job",
        "there are more clients than the ledger tells apart",
    ]


def test_machines_without_a_claim_that_nobody_set_are_no_news() -> None:
    """Nor are tokens of another issuer, or machines that have not called for a day."""
    whole = account(
        [
            use(kind="client", client_id="job", permissions=False, hours_ago=23),
            use(kind="client", client_id="job", permissions=False, hours_ago=24),
            use(kind="client", client_id="foreign", issuer="https://other.example"),
        ],
        beats=[beat()],
    )
    found = planned(whole=whole, api=setting("access_token"))
    assert noted(found, "clients") == []
    assert [(one.client_id, one.requests) for one in found.machines] == [("job", 1)]


def test_machines_are_told_apart() -> None:
    """With until when what they keep may live, and what nobody has confirmed about them."""
    whole = account(
        [
            use(3, kind="client", client_id="job", expires=NOW + 50),
            use(8, kind="agent", client_id="agt"),
            use(99),
        ],
        beats=[beat()],
    )
    found = planned(whole=whole)
    assert [(one.client_id, one.kind, one.requests) for one in found.machines] == [
        ("agt", "agent", 8), ("job", "client", 3),
    ]  # fmt: skip
    assert found.machines[1].expires == NOW + 50
    assert "permissions of machines" in found.unconfirmed
    assert "permissions of machines" not in planned().unconfirmed
    assert any("agents" in text for text in planned(api=setting(agents=True)).unconfirmed)


def test_doubts_about_the_ledger_are_in_the_plan() -> None:
    """What nobody writes to proves nothing."""
    whole = account([use()], beats=[beat()], written_ago=4_000)
    assert any("nobody has written" in text for text in noted(planned(whole=whole), "ledger"))


# --- The app --------------------------------------------------------------------------------------


async def endpoint(request: Request) -> Response:
    return PlainTextResponse("ok")


def app_with(
    *policies: Policy, profiles: Any = frozenset({AUTH0, RFC9068}), audience: str = API
) -> Starlette:
    """An app with a route for each policy."""
    server = ResourceServer(
        audience=audience, issuers=[TrustedIssuer.auth0("acme.eu.auth0.com", profiles=profiles)]
    )
    return Starlette(
        routes=[
            Route(f"/{number}", requires(policy)(endpoint), methods=["POST"])
            for number, policy in enumerate(policies)
        ],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
    )


def of_routes(
    policy: Policy, to: str, api: ApiSetting | None = None
) -> tuple[list[str], list[str]]:
    """What is in the way, and what should be known, of an app with this one guard."""
    found = planned(to, api=api, apps=[app_with(policy)])
    return told(found, "routes"), noted(found, "routes")


A, B, S = has_permission("a"), has_permission("b"), has_scope("s")


@pytest.mark.parametrize(
    ("policy", "blocks", "notes"),
    [
        (S, "", ""),
        (has_role("admin"), "", ""),
        (A, "nobody could meet it, without a permissions claim", ""),
        (A & S, "nobody could meet it", ""),
        (A | B, "nobody could meet it", ""),
        (A | S, "", "by permission nobody could meet it, by the rest they could"),
        ((A & is_kind("user")) | (S & is_kind("client")), "", "users could meet it no more"),
        (A & is_kind("client"), "nobody could meet it", ""),
        (A | (S & is_kind("client")), "", ": users and agents could meet it no more"),
        ((S & is_kind("user")) | (has_scope("t") & is_kind("client")), "", ""),
        (is_kind("anonymous"), "", ""),
    ],
)
def test_guards_that_could_be_met_no_more(policy: Policy, blocks: str, notes: str) -> None:
    """Where the permissions claim goes; where it stays all of them can be met as before."""
    for printed, expected in zip(
        of_routes(policy, "rfc9068_profile"), (blocks, notes), strict=True
    ):
        assert [expected in text for text in printed] == [True] * bool(expected)
        assert all(text.startswith("POST /0 asks for ") for text in printed)
    there = of_routes(policy, "access_token_authz", setting("access_token"))
    assert not any("meet it" in text for text in [*there[0], *there[1]])
    same = of_routes(policy | S, "rfc9068_profile", setting("access_token"))
    assert not any("by permission" in text for text in [*same[0], *same[1]])


def test_guards_by_dependency_are_looked_at_too() -> None:
    """As in FastAPI; each with all that must be met on the way, and by whom tokens are looked at."""
    server = ResourceServer(audience=API, issuers=[TrustedIssuer.auth0("acme.eu.auth0.com")])
    auth = AccessTokenScheme(server)
    app = FastAPI(openapi_url=None, dependencies=[auth.requires(S)])
    app.add_api_route("/a", lambda: "a", dependencies=[auth.requires(A)])
    (route,) = coverage(app).routes
    assert (set(route.policies), route.servers) == ({S, A}, (server,))
    (text,) = told(planned("rfc9068_profile", apps=[app]), "routes")
    assert text.startswith("GET /a asks for has_permission('a') & has_scope('s'): nobody could")


def test_with_the_claim_nothing_is_lost() -> None:
    """By either name of the way there; but what machines have in it nobody has confirmed."""
    for to in ("rfc9068", "rfc9068_profile_authz"):
        assert of_routes(A | (B & S), to) == ([], [])
    (text,) = of_routes(A & is_kind("client"), "rfc9068")[1]
    assert text.endswith("what machines have for permissions is not confirmed")


def test_a_guard_that_nobody_can_meet_now_either_is_not_in_the_way() -> None:
    """Without the claim in both dialects; or in neither, as RBAC is off."""
    for api, to in (
        (setting("access_token"), "rfc9068"),
        (setting(rbac=False), "rfc9068_profile"),
        (setting(rbac=False), "rfc9068"),
    ):
        blocks, (text,) = of_routes(A, to, api)
        assert (blocks, text.partition(": ")[2]) == ([], "nobody can meet it, neither now nor then")


def test_what_the_plan_says_of_guards_comes_true() -> None:
    """The way that it says is lost refuses tokens of the target; the one that it leaves lets them in."""
    issuer = LocalIssuer(issuer=ISSUER, clock=lambda: NOW)
    server = ResourceServer(
        audience=API,
        issuers=[TrustedIssuer.auth0(ISSUER, jwks=issuer.jwks())],
        clock=lambda: NOW,
    )
    app = Starlette(
        routes=[Route("/a", requires(A)(endpoint)), Route("/b", requires(A | S)(endpoint))],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
    )
    client = TestClient(app)
    statuses = {
        (dialect, path): client.get(
            path, headers=issuer.headers(dialect=dialect, permissions=["a"], scopes=["s"])
        ).status_code
        for dialect in DIALECTS
        for path in ("/a", "/b")
        for dialect in [cast("Name", dialect)]
    }
    for before, after in PAIRS:
        api = setting(before)
        blocked = told(planned(after, api=api, apps=[app]), "routes")
        broken = [
            path
            for path in ("/a", "/b")
            if statuses[cast("Name", before), path] == 200
            and statuses[cast("Name", after), path] != 200
        ]
        assert [text.split()[1] for text in blocked] == broken


class Own(Policy):
    """A policy of one's own, which reads claims."""

    def __init__(self, read: Any, *, breaks: bool = False) -> None:
        self.read = read
        self.breaks = breaks

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        if self.read(principal):
            return ALLOWED
        return (Shortfall(others=((Reason.WRONG_CLAIM, "not so"),)),)

    def __repr__(self) -> str:
        return "own()"


@pytest.mark.parametrize(
    ("read", "claim"),
    [
        (lambda who: who.claim("azp") == "app", "azp"),
        (lambda who: who.claims["gty"] == "client-credentials", "gty"),
        (lambda who: "azp" in who.claims, "azp"),
        (lambda who: who.claims.get("azp"), "azp"),
        (lambda who: who.claim("https://x.example/plan"), None),
        (lambda who: who.client_id == "app" and who.org_id, None),
    ],
    ids=["a claim", "by index", "whether it is there", "by get", "one of an Action", "attributes"],
)
def test_what_a_policy_of_ones_own_reads_is_seen(read: Any, claim: str | None) -> None:
    """A claim that the target lacks should be known; it may or may not be in the way."""
    blocks, notes = of_routes(Own(read), "rfc9068")
    expected = [] if claim is None else [
        f"POST /0 asks for own(): its own policy reads {claim}, which the tokens will lack"
    ]  # fmt: skip
    assert (blocks, notes) == ([], expected)


def test_the_token_id_is_lost_on_the_way_back() -> None:
    """Whether it is read as a claim or from the principal."""
    api = setting("rfc9068_profile")
    for read in (lambda who: who.token_id, lambda who: who.claim("jti")):
        assert "reads jti" in of_routes(Own(read), "auth0", api)[1][0]


@pytest.mark.parametrize(
    ("app", "text"),
    [
        (app_with(S, profiles={AUTH0}), "the app does not accept rfc9068"),
        (app_with(S, profiles={RFC9068}), "the app does not accept auth0"),
        (
            app_with(S, audience="https://x.example/"),
            "the app has no route that looks at tokens of this API",
        ),
        (Starlette(), "the app has no route that looks at tokens of this API"),
    ],
)
def test_an_app_that_would_refuse_tokens_is_in_the_way(app: Starlette, text: str) -> None:
    """As its own set-up says, whatever its instances have reported."""
    assert told(planned(apps=[app]), "routes") == [text]


def test_an_app_of_another_issuer_is_in_the_way() -> None:
    """Unless that is a custom domain of the tenant."""
    custom = "https://login.acme.example/"
    api = setting(issuer=custom)
    whole = account([use(issuer=custom)], beats=[beat(issuer=custom)])
    found = planned(whole=whole, api=api, apps=[app_with(S)])
    assert told(found, "routes") == [f"the app trusts no token from {custom}"]
    assert planned(whole=whole, api=api, apps=[app_with(S)], issuers=[ISSUER]).verdict == "ready"


def test_what_is_no_app_is_refused() -> None:
    """As is one whose middleware cannot be built."""
    with pytest.raises(ConfigurationError, match="no ASGI app"):
        planned(apps=[7])
    broken = Starlette(middleware=[Middleware(cast("Any", lambda app: 1 / 0))])
    with pytest.raises(ConfigurationError, match="building the app's middleware failed: ZeroDiv"):
        planned(apps=[broken])


# --- The settings as the Management API tells them ------------------------------------------------


def management(issuer: LocalIssuer) -> ManagementApi:
    http = TestClient(issuer.app, base_url=BASE)

    def send(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
        found = http.request(method, url, headers=dict(headers), content=body)
        return Answer(found.status_code, dict(found.headers), found.content)

    return ManagementApi(
        issuer.issuer,
        client_id=issuer.management_client_id,
        client_secret=issuer.management_client_secret,
        send=send,
        clock=lambda: NOW,
    )


@pytest.mark.parametrize(("before", "after"), PAIRS)
def test_settings_are_read_from_the_management_api(before: str, after: str) -> None:
    """Whatever the API is set to; by identifier and by id."""
    issuer = LocalIssuer(issuer=BASE, dialect=cast("Name", before), clock=lambda: NOW)
    api = management(issuer)
    found = ApiSetting.from_settings(api.get(API), api.issuer)
    assert found == ApiSetting.from_settings(api.get(found.id), api.issuer)
    assert (found.identifier, found.issuer) == (API, BASE)
    assert (found.dialect.name, found.longest, found.lifetime_for_web) == (before, DAY, 7_200)
    whole = account([use(issuer=BASE)], beats=[beat(issuer=BASE)])
    assert planned(after, whole, api=found).verdict == "ready"


def test_the_management_api_itself_cannot_be_switched() -> None:
    """It says of itself that it is a system API (T51)."""
    issuer = LocalIssuer(issuer=BASE, clock=lambda: NOW)
    api = management(issuer)
    found = ApiSetting.from_settings(api.get(issuer.management_audience), api.issuer)
    assert "(is_system)" in told(planned(api=found))[0]


def test_what_an_answer_leaves_out_has_its_default() -> None:
    """As in recorded answers of a tenant."""
    found = ApiSetting.from_settings({"identifier": API}, ISSUER)
    assert found == ApiSetting(
        identifier=API, issuer=ISSUER, dialect=DIALECTS["access_token"], rbac=False
    )
    assert found.longest == DAY
    full = ApiSetting.from_settings(
        {
            "identifier": API, "id": "66f0", "token_lifetime": 60, "token_lifetime_for_web": 30,
            "signing_alg": "HS256", "enforce_policies": True, "token_dialect": "rfc9068_profile",
            "token_encryption": {"format": "x"}, "agent_subject_claims": "auth0-v1",
            "proof_of_possession": {"mechanism": "dpop", "required": True},
        },
        ISSUER,
    )  # fmt: skip
    assert full == replace(
        found, id="66f0", lifetime=60.0, lifetime_for_web=30.0, algorithm="HS256", rbac=True,
        dialect=DIALECTS["rfc9068_profile"], encrypted=True, agents=True, bound="required",
    )  # fmt: skip


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"identifier": 7},
        {"identifier": API, "token_lifetime": "1"},
        {"identifier": API, "token_lifetime": True},
        {"identifier": API, "enforce_policies": "true"},
    ],
)
def test_an_answer_that_is_no_resource_server_is_told(settings: dict[str, object]) -> None:
    """Rather than planned with."""
    with pytest.raises(ManagementError, match="no resource server"):
        ApiSetting.from_settings(settings, ISSUER)
