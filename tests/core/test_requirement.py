"""What a policy can ask for: each compares exactly, and what a token does not carry is not met."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import (
    AuthError,
    Policy,
    Principal,
    Reason,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.core.challenge import build_challenge
from atjwt.core.policy import require
from atjwt.errors import InsufficientUserAuthentication
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from core.callers import LEEWAY, NOW, PLAN, Caller, callers, policies, refusal, refused
from core.making import attempt

RENAMED = (
    ("roles", "https://acme.test/roles"),
    ("auth_time", "https://acme.test/auth_time"),
    ("acr", "https://acme.test/acr"),
)


def carrying(*, renamed: tuple[tuple[str, str], ...] = (), **claims: object) -> Principal:
    """A principal whose token has these claims, under the names that its issuer gives them."""
    named = {dict(renamed).get(name, name): value for name, value in claims.items()}
    return Principal(
        issuer="https://issuer.example",
        subject="s",
        client_id="x",
        renamed=renamed,
        payload=json.dumps(named).encode(),
    )


def meets(policy: Policy, principal: Principal) -> bool:
    """Whether a principal is let in."""
    return attempt(lambda: require(policy, principal, NOW, LEEWAY), AuthError) is principal


# --- names ---------------------------------------------------------------------------------------


def test_names_are_exact() -> None:
    """Names are compared exactly: no part, no case, no pattern, no other kind of right."""
    who = replace(
        Caller().principal(), scopes=frozenset({"read:items", "*"}), permissions=frozenset({"x:y"})
    )
    assert meets(has_scope("read:items"), who)
    for policy in (
        has_scope("read"), has_scope("read:item"), has_scope("READ:ITEMS"), has_scope("read:*"),
        has_scope("x:y"), has_permission("read:items"), has_permission("x"), has_role("x:y"),
        is_client("X"), is_client("x "), in_org("x"),
    ):  # fmt: skip
        refused(policy, who)


@pytest.mark.parametrize(
    ("policy", "who", "reason", "detail"),
    [
        (has_scope("b", "a"), Caller(), Reason.MISSING_SCOPE, "scope lacks a, b"),
        (has_permission("b", "a"), Caller(permissions=""), Reason.MISSING_PERMISSION,
         "permissions lack a, b"),
        (has_permission("a"), Caller(), Reason.NO_PERMISSIONS_CLAIM,
         "the token has no permissions claim; its dialect is the likely cause"),
        (has_role("b", "a"), Caller(), Reason.MISSING_ROLE, "roles lack a, b"),
        (is_kind("client"), Caller(), Reason.WRONG_KIND,
         "kind is another; allowed: is_kind('client')"),
        (is_client("y"), Caller(), Reason.WRONG_CLIENT,
         "client_id is another; allowed: is_client('y')"),
        (in_org("o"), Caller(org="p"), Reason.WRONG_ORGANIZATION,
         "org_id is another; allowed: in_org('o')"),
        (in_org("o"), Caller(), Reason.WRONG_ORGANIZATION,
         "org_id is absent; allowed: in_org('o')"),
        (has_claim("c", equals=1), Caller(), Reason.WRONG_CLAIM,
         "not met: has_claim('c', equals=1)"),
        (authorization_detail(type="t", actions=["a"]), Caller(),
         Reason.MISSING_AUTHORIZATION_DETAIL,
         "no such entry: authorization_detail(type='t', actions=['a'])"),
        (acr("hi"), Caller(acr="lo"), Reason.INSUFFICIENT_USER_AUTHENTICATION, "acr is another"),
        (acr("hi"), Caller(), Reason.INSUFFICIENT_USER_AUTHENTICATION,
         "acr is absent; only the issuer can add it (TrustedIssuer: acr_claim)"),
        (authenticated_within(60), Caller(age=100), Reason.INSUFFICIENT_USER_AUTHENTICATION,
         "auth_time is too long ago"),
        (authenticated_within(60), Caller(age=-100), Reason.INSUFFICIENT_USER_AUTHENTICATION,
         "auth_time lies ahead: a clock is off"),
        (authenticated_within(60), Caller(), Reason.INSUFFICIENT_USER_AUTHENTICATION,
         "auth_time is absent; only the issuer can add it (TrustedIssuer: auth_time_claim)"),
    ],
    ids=lambda value: value if type(value) is str else "",
)  # fmt: skip
def test_detail(policy: Policy, who: Caller, reason: Reason, detail: str) -> None:
    """The log is told in words what is lacking, and which setting may be the cause."""
    error = refusal(policy, who)
    assert error is not None
    assert (error.reason, error.detail) == (reason, detail)


@given(policies, callers)
def test_no_claim_value_is_told(policy: Policy, who: Caller) -> None:
    """A refusal says what the policy asks for, and nothing of what the token holds."""
    claims = dict.fromkeys(("sub", "acr", PLAN, "org_id", "azp"), "marker")
    claims |= {"roles": ["marker"], "authorization_details": [{"type": "marker"}]}  # type: ignore[dict-item]
    principal = replace(
        who.principal(),
        subject="marker",
        client_id="marker",
        scopes=frozenset({"marker"}),
        permissions=frozenset({"marker"}),
        payload=json.dumps(claims).encode(),
    )
    told = attempt(lambda: require(policy, principal, NOW, LEEWAY), AuthError)
    if isinstance(told, AuthError):
        assert told.detail
        assert "marker" not in f"{told} {told!r} {vars(told)}"


odd = st.text(min_size=1, max_size=8).filter(str.strip)


@given(odd, st.sampled_from([has_permission, has_role, is_client, in_org]))
def test_odd_names(name: str, build: Callable[..., Policy]) -> None:
    """Whatever a name holds, a policy prints as one line, and the challenge is one line of ASCII."""
    one, nobody = build(name), replace(carrying(), client_id=None)
    assert repr(one).isprintable()
    told = build_challenge(refused(one | has_claim(name + "c", equals=name), nobody), realm="r")
    assert told.status == 403
    header = dict(told.headers)[b"www-authenticate"].decode("ascii")
    assert header.isprintable()
    assert header.count('"') % 2 == 0
    assert "\\" not in header


# --- how the user logged in (RFC 9470) -----------------------------------------------------------


def told(policy: Policy, principal: Principal) -> tuple[int, str]:
    """The status and the challenge of a refusal, after the sentence for people."""
    challenge = build_challenge(refused(policy, principal), realm="r")
    header = dict(challenge.headers)[b"www-authenticate"].decode("ascii")
    head, _, rest = header.partition('", error_description="')
    return challenge.status, head.partition('error="')[2] + rest.partition('"')[2]


STEP = "insufficient_user_authentication"


@pytest.mark.parametrize(
    ("policy", "status", "challenge"),
    [
        (acr("hi", "lo"), 401, f'{STEP}, acr_values="hi lo"'),
        (acr("lo", "hi"), 401, f'{STEP}, acr_values="lo hi"'),
        (authenticated_within(60), 401, f'{STEP}, max_age="60"'),
        (authenticated_within(60.9), 401, f'{STEP}, max_age="60"'),
        (authenticated_within(0.5), 401, f'{STEP}, max_age="0"'),
        (acr("hi") & authenticated_within(60), 401, f'{STEP}, acr_values="hi", max_age="60"'),
        (acr("hi") & has_scope("b", "a"), 401, f'{STEP}, acr_values="hi", scope="a b"'),
        (acr("b", "hi") & acr("hi", "a"), 401, f'{STEP}, acr_values="hi"'),
        (authenticated_within(45) & authenticated_within(90), 401, f'{STEP}, max_age="45"'),
        # The stricter of two, also where each stands beside another way.
        ((authenticated_within(60) | has_role("r")) & (authenticated_within(90) | has_role("q")),
         401, f'{STEP}, max_age="60"'),
        ((acr("b") | has_role("r")) & (acr("a", "b") | has_role("q")), 401, f'{STEP}, acr_values="b"'),
        # No login gives two of them, so none is asked for.
        ((acr("a") | has_role("r")) & (acr("b") | has_role("q")), 403, "insufficient_scope"),
        # Where something else is beyond reach, a new login mends nothing.
        (acr("hi") & has_permission("p"), 403, "insufficient_scope"),
        (acr("hi") & has_role("r"), 403, "insufficient_scope"),
        (acr("hi") & is_client("y"), 403, "insufficient_scope"),
        (acr("hi") & has_claim("c", equals=1), 403, "insufficient_scope"),
        (acr("hi") & has_role("r") & has_scope("a"), 403, 'insufficient_scope, scope="a"'),
        # A scope is easier to come by than a login.
        (acr("hi") | has_scope("a"), 403, 'insufficient_scope, scope="a"'),
        (acr("hi") | has_permission("p"), 401, f'{STEP}, acr_values="hi"'),
    ],
    ids=repr,
)  # fmt: skip
def test_step_up(policy: Policy, status: int, challenge: str) -> None:
    """A challenge says how to log in: the best `acr` first, `max_age` in whole seconds, and scopes."""
    assert told(policy, carrying()) == (status, challenge)


@pytest.mark.parametrize(
    ("age", "met"),
    [
        (0, True), (60, True), (60 + LEEWAY, True), (60.001 + LEEWAY, False), (600, False),
        (-LEEWAY, True), (-LEEWAY - 0.001, False), (-600, False),
    ],
)  # fmt: skip
def test_age_of_a_login(age: float, *, met: bool) -> None:
    """A login is as old as `auth_time` says, within the leeway; one that lies ahead proves nothing."""
    assert meets(authenticated_within(60), Caller(age=age).principal()) is met


def test_no_leeway() -> None:
    """Without leeway a login at the limit is let in, and one past it is not."""
    who = carrying(auth_time=NOW - 60)
    assert require(authenticated_within(60), who, NOW) is who
    with pytest.raises(InsufficientUserAuthentication):
        require(authenticated_within(60), who, NOW + 0.5)


@pytest.mark.parametrize("renamed", [(), RENAMED], ids=["as in RFC 9470", "as an Action names it"])
def test_mapped(renamed: tuple[tuple[str, str], ...]) -> None:
    """Roles, `auth_time` and `acr` are read where the issuer writes them, and nowhere else."""
    who = carrying(renamed=renamed, roles=["r"], auth_time=NOW, acr="hi")
    for policy in (has_role("r"), authenticated_within(60), acr("hi")):
        assert meets(policy, who)
        assert not meets(policy, replace(who, renamed=() if renamed else RENAMED))


@pytest.mark.parametrize(
    ("policy", "claim", "values"),
    [
        (authenticated_within(1e9), "auth_time",
         ["2026-09-21T12:00:00Z", str(NOW), [NOW], True, -1, 1e300, {}, "", None, NOW * 1000]),
        (acr("1", "hi"), "acr", [1, ["hi"], {"hi": "hi"}, True, "", None, "HI", " hi", "hi lo"]),
        (has_role("r"), "roles", ["r", "r s", {"r": True}, {"value": "r"}, [["r"]], True, None, [0]]),
    ],
    ids=["auth_time", "acr", "roles"],
)  # fmt: skip
def test_wrongly_typed(policy: Policy, claim: str, values: list[Any]) -> None:
    """A mapped claim of the wrong type, such as a date in words, is met by nobody."""
    for value in values:
        refused(policy, carrying(renamed=RENAMED, **{claim: value}))


# --- claims --------------------------------------------------------------------------------------

SCALARS = [0, 1, -1, 1.5, 2**53 + 1, 1e300, "", "1", "a", "true", "é", "\ud800", True, False]


@given(st.sampled_from(SCALARS), st.sampled_from(SCALARS))
def test_values_are_json(one: Any, other: Any) -> None:
    """A value is equal to itself and to no value of another type: 1 is not True, and not `1`."""
    expected = one == other and isinstance(one, bool) == isinstance(other, bool)
    assert meets(has_claim("c", equals=one), carrying(c=other)) is expected
    assert meets(has_claim("c", contains=one), carrying(c=["x", other])) is expected
    assert (has_claim("c", equals=one) == has_claim("c", equals=other)) is expected


def test_numbers() -> None:
    """1 and 1.0 are one number, in the policy as in the token."""
    assert has_claim("c", equals=1.0) == has_claim("c", equals=1)
    for policy in (has_claim("c", equals=1.0), has_claim("c", equals=1)):
        for value in (1, 1.0):
            assert meets(policy, carrying(c=value))
    assert meets(has_claim("c", equals=0), carrying(c=-0.0))


def test_a_string_is_never_searched() -> None:
    """`contains` is for arrays: a value in a longer string, or a name in an object, is not contained."""
    policy = has_claim("c", contains="admin")
    for value in ("admin", "superadmin", "admin user", {"admin": True}, 1, True, None):
        assert not meets(policy, carrying(c=value))
    assert not meets(policy, carrying(c=["superadmin", ["admin"], {"admin": 1}, None]))
    assert meets(policy, carrying(c=["user", "admin"]))
    assert not meets(has_claim("c", contains="a"), carrying(c="abc"))
    assert not meets(has_claim("c", equals="admin"), carrying(c=["admin"]))


def test_a_claim_that_is_not_there() -> None:
    """An absent claim equals nothing, not even what is false."""
    for value in (False, 0, ""):
        assert not meets(has_claim("c", equals=value), carrying())
        assert not meets(has_claim("c", equals=value), carrying(c=None))
        assert not meets(has_claim("c", contains=value), carrying(c=[]))


def test_the_name_is_the_whole_name() -> None:
    """A claim's name is no path and no pattern."""
    who = carrying(a={"b": 1}, https={"//acme.test/c": 1})
    assert not meets(has_claim("a.b", equals=1), who)
    assert not meets(has_claim("https://acme.test/c", equals=1), who)


# --- authorization details (RFC 9396) ------------------------------------------------------------

ENTRY = {
    "type": "account", "actions": ["read", "list"], "locations": ["https://a.example"],
    "identifier": "a1", "limit": 5, "live": True, "tags": ["x", 1],
}  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "met"),
    [
        ({}, True), ({"actions": ["read"]}, True), ({"actions": ("list", "read", "read")}, True),
        ({"actions": ["write"]}, False), ({"actions": ["read", "write"]}, False),
        ({"locations": {"https://a.example"}}, True), ({"datatypes": ["d"]}, False),
        ({"privileges": ["admin"]}, False), ({"identifier": "a1"}, True),
        ({"identifier": "a2"}, False), ({"limit": 5.0}, True), ({"limit": "5"}, False),
        ({"live": True}, True), ({"live": 1}, False), ({"tags": ["x"]}, True),
        ({"tags": [1, "x"]}, True), ({"tags": [True]}, False), ({"tags": "x"}, False),
        ({"limit": [5]}, False), ({"other": 1}, False), ({"type": "Account"}, False),
    ],
    ids=repr,
)  # fmt: skip
def test_authorization_detail(asked: dict[str, Any], *, met: bool) -> None:
    """An entry has each item of a list, equals every other value, and lacks what it does not name."""
    policy = authorization_detail(**{"type": "account", **asked})
    assert meets(policy, carrying(authorization_details=[{"type": "other"}, ENTRY])) is met
    assert meets(policy, carrying(authorization_details=ENTRY)) is met
    assert not meets(policy, carrying(authorization_details=[]))
    assert not meets(policy, carrying())


def test_one_entry_has_it_all() -> None:
    """What two entries have between them, none of them has."""
    details = [
        {"type": "account", "actions": ["read"], "identifier": "a"},
        {"type": "account", "actions": ["write"], "identifier": "b"},
    ]
    who = carrying(authorization_details=details)
    both = authorization_detail(type="account", actions=["read", "write"])
    assert not meets(both, who)
    assert not meets(authorization_detail(type="account", actions=["read"], identifier="b"), who)
    one = authorization_detail(type="account", actions=["read"])
    assert meets(one & authorization_detail(type="account", actions=["write"]), who)
