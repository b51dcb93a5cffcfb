"""Every policy that can be asked for: what is refused when one is built, and what to write instead."""

import copy
import math
import pickle
from collections.abc import Callable
from enum import Enum
from typing import Any

import pytest

import atjwt
import atjwt.policies
from atjwt import ConfigurationError, Policy, has_permission, has_role, has_scope
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from core.making import attempt

OF_NAMES: list[Callable[..., Policy]] = [
    has_scope, has_permission, has_role, is_kind, is_client, in_org, acr,
]  # fmt: skip


def problem(build: Callable[..., object], *args: Any, **kwargs: Any) -> str:
    """The one problem that a policy is refused for."""
    with pytest.raises(ConfigurationError) as caught:
        build(*args, **kwargs)
    (found,) = caught.value.problems
    assert found.isprintable()
    return found


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [(), ("",), (" ",), ("user", ""), (None,), (5,), (["a"],), (("a", "b"),), (b"a",)], ids=repr
)  # fmt: skip
@pytest.mark.parametrize("build", OF_NAMES, ids=lambda build: build.__name__)
def test_names(build: Callable[..., Policy], names: tuple[Any, ...]) -> None:
    """An empty policy, an empty name, and what is no name are refused, by the function's name."""
    assert problem(build, *names).startswith(build.__name__)


@pytest.mark.parametrize(
    "name", ["a b", "a\tb", 'a"b', "a\\b", "é", "a\n", " a", "\x7f", "\ud800"], ids=ascii
)
def test_scope_names(name: str) -> None:
    """A scope, and an `acr`, has no space, quote, backslash or foreign character (RFC 6749 3.3)."""
    assert problem(has_scope, "good", name) == (
        f"has_scope: {name!r} is no scope; one name each, without spaces (RFC 6749 3.3)"
    )
    assert problem(acr, "good", name) == (
        f"acr({name!r}): one value each, printable ASCII without space, quote, backslash"
    )


def test_alphabet() -> None:
    """Every other printable ASCII character can stand in both; and all in a permission or a role."""
    for code in range(0x21, 0x7F):
        if chr(code) not in '"\\':
            assert isinstance(has_scope(chr(code)), Policy)
            assert isinstance(acr(chr(code)), Policy)
    for build in (has_permission, has_role, is_client, in_org):
        assert isinstance(build("read all", "é", 'Zoë\'s "x"\n'), Policy)


def test_names_given_twice() -> None:
    """A name that is given twice is asked for once."""
    for build in OF_NAMES:
        assert build("user", "client", "user") == build("user", "client")
        assert repr(build("user", "user")) == f"{build.__name__}('user')"


@pytest.mark.parametrize("kind", ["User", "machine", "m2m", "", None, 5, ["user"], "user client"])
def test_kinds(kind: Any) -> None:
    """A misspelt kind is refused, and all that there are are shown."""
    assert problem(is_kind, "user", kind) == (
        f"is_kind({kind!r}): give one of user, client, agent, anonymous"
    )


# --- times ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seconds", [0, -1, -0.5, 0.0, math.nan, math.inf, True, None, "60", [60], 1e9 + 1], ids=repr
)
def test_no_seconds(seconds: Any) -> None:
    """A time is a positive number of seconds."""
    assert problem(authenticated_within, seconds).startswith("authenticated_within: give ")


@pytest.mark.parametrize(
    ("seconds", "printed"),
    [
        (60, "60"),
        (60.0, "60"),
        (0.5, "0.5"),
        (1_234_567, "1234567"),
        (86400.25, "86400.25"),
        (1e9, "1000000000"),
    ],
    ids=repr,
)
def test_seconds(seconds: float, printed: str) -> None:
    """A time is printed exactly, so that no two policies print alike."""
    assert repr(authenticated_within(seconds)) == f"authenticated_within({printed})"
    assert authenticated_within(seconds) == authenticated_within(float(seconds))


def test_times_that_are_nearly_equal() -> None:
    """Two long times stay two, in whatever order they are joined."""
    one, other = authenticated_within(1_234_567), authenticated_within(1_234_568)
    assert one | other == other | one != one


# --- claims --------------------------------------------------------------------------------------

INSTEAD = {
    "scope": "has_scope(", "permissions": "has_permission(", "roles": "has_role(",
    "azp": "is_client(", "client_id": "is_client(", "org_id": "in_org(", "org_name": "in_org(",
    "acr": "acr(", "auth_time": "authenticated_within(", "gty": "is_kind(", "jti": "is_kind(",
    "sub_profile": "is_kind(", "authorization_details": "authorization_detail(type=",
    "sub": "Principal.subject", "iss": "ResourceServer(issuers=", "aud": "resource server",
    "exp": "checked for every token", "iat": "checked for every token",
    "nbf": "checked for every token", "cnf": "never accepted as a bearer token",
}  # fmt: skip


@pytest.mark.parametrize(("claim", "instead"), INSTEAD.items())
def test_a_claim_that_has_a_policy(claim: str, instead: str) -> None:
    """A claim that has a policy is not asked for by name, and the error says what to write."""
    for asked in ({"equals": "x"}, {"contains": "x"}):
        found = problem(has_claim, claim, **asked)
        assert found.startswith(f"has_claim({claim!r}): ")
        assert instead in found


@pytest.mark.parametrize(
    "claim", ["scp", "email", "groups", "amr", "https://acme.test/roles", "Scope", "a b"]
)
def test_a_claim_that_has_none(claim: str) -> None:
    """Every other claim can be asked for."""
    assert repr(has_claim(claim, equals="x")) == f"has_claim({claim!r}, equals='x')"


@pytest.mark.parametrize("name", ["", " ", None, 5, [], {}, b"plan"], ids=repr)
def test_no_claim_name(name: Any) -> None:
    """A claim has a name, a string with content."""
    assert problem(has_claim, name, equals=1).startswith("has_claim: give the claim's name")


@pytest.mark.parametrize(
    "value",
    [math.nan, math.inf, [], ["a"], {}, {"a": 1}, b"a", object(), 10**5000],
    ids=["nan", "inf", "[]", "[a]", "{}", "{a}", "bytes", "object", "endless"],
)
def test_no_claim_value(value: Any) -> None:
    """A value is one scalar of JSON."""
    for asked in ({"equals": value}, {"contains": value}):
        assert problem(has_claim, "plan", **asked).startswith("has_claim: the value is a string")


def test_one_question() -> None:
    """A claim is asked one question, and a value that came out as None is none."""
    for asked in (
        {},
        {"equals": 1, "contains": 1},
        {"equals": None},
        {"equals": False, "contains": 0},
    ):
        assert (
            problem(has_claim, "plan", **asked) == "has_claim: give one of equals=… and contains=…"
        )


def test_all_problems_together() -> None:
    """Every problem of one call is told."""
    with pytest.raises(ConfigurationError) as caught:
        has_claim("scope", equals=[], contains=5)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3
    with pytest.raises(ConfigurationError) as caught:
        authorization_detail(type="", actions="read", limit=None)  # type: ignore[arg-type]
    assert len(caught.value.problems) == 3


# --- authorization details -----------------------------------------------------------------------


@pytest.mark.parametrize("member", ["locations", "actions", "datatypes", "privileges"])
@pytest.mark.parametrize(
    "value", ["read", b"read", 5, True, [5], [None], {"read": True}, [["a"]]], ids=repr
)
def test_no_list_of_strings(member: str, value: Any) -> None:
    """The members that RFC 9396 gives a list take a list of strings; a string or an object is none."""
    with pytest.raises(ConfigurationError) as caught:
        authorization_detail(type="t", **{member: value})
    assert caught.value.problems[0] == f"authorization_detail({member}=…): give a list of strings"


@pytest.mark.parametrize(
    "value", [[], (), None, math.nan, {"currency": "EUR"}, {}, b"a", [[1]], [None], [{}]], ids=repr
)
def test_no_member(value: Any) -> None:
    """A member of one's own takes a scalar or a list of such; one that came out as None is refused.

    Passed over in silence it would let in every entry of the type.
    """
    assert problem(authorization_detail, type="t", limit=value) == (
        "authorization_detail(limit=…): give a string, a number, True or False, or a list of such"
    )


@pytest.mark.parametrize("kind", ["", " ", None, 5, ["t"]], ids=repr)
def test_no_type(kind: Any) -> None:
    """An authorization detail has a type."""
    assert "authorization_detail(type=…): give the type" in problem(authorization_detail, type=kind)


def test_a_list_that_came_out_empty() -> None:
    """An empty list would ask for nothing, so it is refused."""
    assert problem(authorization_detail, type="t", actions=[]).startswith(
        "authorization_detail(actions=…)"
    )


def test_details_have_no_order() -> None:
    """In which order the members and the items of a list are given makes no difference."""
    one = authorization_detail(type="t", actions=["b", "a"], limit=1, account="x", identifier="i")
    other = authorization_detail(
        account="x", identifier="i", limit=1.0, actions=("a", "b", "a"), type="t"
    )
    assert one == other
    assert hash(one) == hash(other)
    assert repr(one) == repr(other)
    assert one & other == one | other == one
    assert authorization_detail(type="t", limit=1) != authorization_detail(type="t", limit=[1])
    assert authorization_detail(type="t", limit=1) != authorization_detail(type="t", limit=True)


@pytest.mark.parametrize("name", ["credit-limit", "a\nb", "a=1, b", "class", "é", " "], ids=ascii)
def test_odd_members(name: str) -> None:
    """A policy whose member has an odd name is refused, or printed on one line as it can be pasted."""
    build: Callable[..., Policy] = authorization_detail
    one = attempt(lambda: build(type="t", **{name: 1}), ConfigurationError)
    if isinstance(one, ConfigurationError):
        assert all(found.isprintable() for found in one.problems)
    else:
        assert repr(one).isprintable()
        assert eval(repr(one), dict(vars(atjwt.policies))) == one


# --- the door ------------------------------------------------------------------------------------


def test_the_room_has_all_of_them() -> None:
    """Every policy is in this one room, and those at the front door are the same."""
    for name in atjwt.policies.__all__:
        there = getattr(atjwt.policies, name)
        assert getattr(atjwt, name, there) is there
        assert there.__doc__ or name == "Kind"
    assert set(atjwt.policies.__all__) >= {build.__name__ for build in OF_NAMES}


def test_travels() -> None:
    """Each of them can be copied and pickled, prints as it was written, and is equal to itself only."""
    written = [
        "has_scope('a', 'b')", "has_permission('a')", "has_role('a')", "is_kind('user')",
        "is_client('a')", "in_org('a')", "acr('b', 'a')", "authenticated_within(60)",
        "has_claim('c', equals=True)", "has_claim('c', contains='é')",
        "authorization_detail(type='t', actions=['a', 'b'], identifier='i', limit=1)",
    ]  # fmt: skip
    read = [eval(text, dict(vars(atjwt.policies))) for text in written]
    assert list(map(repr, read)) == written
    assert len(set(read)) == len(read)
    for one in read:
        for other in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), copy.copy(one)):
            assert other == one
            assert hash(other) == hash(one)


class Named(str, Enum):  # noqa: UP042 - as they were written before StrEnum
    """Names as an enumeration, as some teams keep them."""

    READ = "read:orders"


def test_a_name_of_an_enumeration_is_its_value() -> None:
    """In what is printed, stored and told too."""
    assert repr(has_scope(Named.READ)) == "has_scope('read:orders')"
    assert has_scope(Named.READ) == has_scope("read:orders")
