"""Step 9: a principal → allowed, or `InsufficientScope`."""

import copy
import functools
import json
import operator
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import (
    ConfigurationError,
    InsufficientScope,
    Policy,
    Principal,
    Reason,
    all_of,
    any_of,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.core.policy import require
from atjwt.core.shortfall import Shortfall

BUILDERS: dict[str, Callable[..., Policy]] = {
    "scopes": has_scope,
    "permissions": has_permission,
    "roles": has_role,
}


def caller(
    scopes: str = "", permissions: str | None = None, roles: str = "", **fields: Any
) -> Principal:
    """A principal with these names, one letter each; None is a token without the claim."""
    return Principal(
        issuer="https://issuer.example",
        subject="s",
        scopes=frozenset(scopes),
        permissions=None if permissions is None else frozenset(permissions),
        payload=json.dumps({"roles": sorted(roles)}).encode(),
        **fields,
    )


def refused(policy: Policy, principal: Principal) -> InsufficientScope:
    with pytest.raises(InsufficientScope) as caught:
        require(policy, principal)
    return caught.value


# --- an algebra ----------------------------------------------------------------------------------

# A policy as a tree: ("scopes", "ab"), or ("and", [...]), or ("or", [...]).
Tree = tuple[str, Any]
letters = st.text("abc", min_size=1, max_size=3)
leaves = st.tuples(st.sampled_from(sorted(BUILDERS)), letters)
trees: st.SearchStrategy[Tree] = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)
    ),
    max_leaves=6,
)
subsets = st.text("abc", max_size=3)
callers = st.builds(caller, scopes=subsets, permissions=st.none() | subsets, roles=subsets)


def built(tree: Tree) -> Policy:
    word, parts = tree
    if word in BUILDERS:
        return BUILDERS[word](*parts)
    return (all_of if word == "and" else any_of)(*map(built, parts))


def holds(tree: Tree, who: Principal) -> bool:
    """The verdict, worked out the plain way."""
    word, parts = tree
    if word in BUILDERS:
        return set(parts) <= (getattr(who, word) or set())
    return (all if word == "and" else any)(holds(part, who) for part in parts)


policies = trees.map(built)


@given(trees, callers)
def test_verdict(tree: Tree, who: Principal) -> None:
    """A policy lets in exactly whom its parts, joined by and & or, let in."""
    policy = built(tree)
    lacking = policy.shortfall(who)
    assert (lacking is None) is holds(tree, who)
    if lacking is None:
        assert require(policy, who) is who
    else:
        error = refused(policy, who)
        assert (error.scopes, error.permissions, error.roles) == lacking[:3]


@given(policies, callers)
def test_shortfall_is_what_is_lacking(policy: Policy, who: Principal) -> None:
    """What is lacking is not held, and whoever is given it is let in."""
    lacking = policy.shortfall(who)
    if lacking is None:
        return
    assert lacking.scopes | lacking.permissions | lacking.roles
    assert lacking.scopes.isdisjoint(who.scopes)
    assert lacking.permissions.isdisjoint(who.permissions or ())
    assert lacking.roles.isdisjoint(who.roles)
    assert lacking.no_permissions_claim is (who.permissions is None and bool(lacking.permissions))
    richer = caller(
        "".join(who.scopes | lacking.scopes),
        "".join((who.permissions or frozenset()) | lacking.permissions),
        "".join(who.roles | lacking.roles),
    )
    assert require(policy, richer) is richer


def same(one: Policy, other: Policy, who: Principal) -> bool:
    return (
        one == other
        and hash(one) == hash(other)
        and repr(one) == repr(other)
        and one.shortfall(who) == other.shortfall(who)
    )


@given(policies, policies, policies, callers)
def test_algebra(a: Policy, b: Policy, c: Policy, who: Principal) -> None:
    """& and | are commutative, associative and idempotent, as values and as verdicts."""
    assert same(a & b, b & a, who)
    assert same(a | b, b | a, who)
    assert same((a & b) & c, a & (b & c), who)
    assert same((a | b) | c, a | (b | c), who)
    assert same(a & a, a, who)
    assert same(a | a, a, who)
    assert same(a & b & a, b & a, who)
    assert same(all_of(a, b, c), a & b & c, who)
    assert same(any_of(c, b, a), a | b | c, who)
    assert same(all_of(a), a, who)
    assert same(any_of(a), a, who)


@given(policies, policies, callers)
def test_join_and_meet(a: Policy, b: Policy, who: Principal) -> None:
    """Whom & lets in both let in; whom | lets in one of them does."""
    passes_a, passes_b = a.shortfall(who) is None, b.shortfall(who) is None
    assert ((a & b).shortfall(who) is None) is (passes_a and passes_b)
    assert ((a | b).shortfall(who) is None) is (passes_a or passes_b)


@given(policies, callers, callers)
def test_no_right_shuts_a_door(policy: Policy, poorer: Principal, other: Principal) -> None:
    """Whoever has more rights is let in wherever somebody with fewer is."""
    richer = caller(
        "".join(poorer.scopes | other.scopes),
        "".join((poorer.permissions or frozenset()) | (other.permissions or frozenset())),
        "".join(poorer.roles | other.roles),
    )
    if policy.shortfall(poorer) is None:
        assert policy.shortfall(richer) is None


@given(policies)
def test_printed(policy: Policy) -> None:
    """A policy is printed as it could be written, so what the log says can be pasted into code."""
    names: dict[str, object] = {builder.__name__: builder for builder in BUILDERS.values()}
    assert eval(repr(policy), names) == policy


@given(policies)
def test_values(policy: Policy) -> None:
    """A policy can be copied and pickled, is frozen, and is never asked whether it is true."""
    assert pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy) == policy
    with pytest.raises((AttributeError, TypeError)):
        policy.names = frozenset()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"& and |"):
        bool(policy)


def test_different_policies_differ() -> None:
    """Policies of other names, of another kind, or joined otherwise are not equal."""
    a, b = has_scope("a"), has_scope("b")
    different = [a, b, has_permission("a"), has_role("a"), has_scope("a", "b"), a & b, a | b]
    different.append(has_permission("a") & (a | b))
    assert len(set(different)) == len(different)


# --- what is told --------------------------------------------------------------------------------

S, P, R = has_scope("s"), has_permission("p"), has_role("r")


@pytest.mark.parametrize(
    ("policy", "who", "reason", "shortfall"),
    [
        (S, caller(), Reason.MISSING_SCOPE, ("s", "", "")),
        (has_scope("s", "t"), caller("s"), Reason.MISSING_SCOPE, ("t", "", "")),
        (P, caller(permissions="q"), Reason.MISSING_PERMISSION, ("", "p", "")),
        (P, caller(permissions=""), Reason.MISSING_PERMISSION, ("", "p", "")),
        (P, caller("p"), Reason.NO_PERMISSIONS_CLAIM, ("", "p", "")),
        (R, caller("r", "r", "q"), Reason.MISSING_ROLE, ("", "", "r")),
        (S & P & R, caller(), Reason.MISSING_SCOPE, ("s", "p", "r")),
        (S & P & R, caller("s"), Reason.NO_PERMISSIONS_CLAIM, ("", "p", "r")),
        (S & P & R, caller("s", ""), Reason.MISSING_PERMISSION, ("", "p", "r")),
        (S & P & R, caller("s", "p"), Reason.MISSING_ROLE, ("", "", "r")),
        # Of several ways, the nearest: first what no scope can mend, then how many scopes.
        (S | P, caller(permissions=""), Reason.MISSING_SCOPE, ("s", "", "")),
        (R | has_scope("s", "t"), caller(), Reason.MISSING_SCOPE, ("st", "", "")),
        (has_scope("a", "b") | has_scope("c"), caller(), Reason.MISSING_SCOPE, ("c", "", "")),
        (has_scope("a", "b") | has_scope("c", "d"), caller("b"), Reason.MISSING_SCOPE, ("a", "", "")),
        (P & S | has_permission("a", "b"), caller("", ""), Reason.MISSING_SCOPE, ("s", "p", "")),
        (S & (P | R), caller("s", ""), Reason.MISSING_PERMISSION, ("", "p", "")),
    ],
    ids=repr,
)  # fmt: skip
def test_shortfall(
    policy: Policy, who: Principal, reason: Reason, shortfall: tuple[str, str, str]
) -> None:
    """What is lacking is told, nothing else, and the reason is what can be mended most easily."""
    error = refused(policy, who)
    assert error.reason is reason
    told = (error.scopes, error.permissions, error.roles)
    assert told == tuple(frozenset(names) for names in shortfall)


@pytest.mark.parametrize(
    ("policy", "who", "detail"),
    [
        (has_scope("b", "a"), caller(), "scope lacks a, b"),
        (has_permission("b", "a"), caller(permissions=""), "permissions lack a, b"),
        (P, caller(), "the token has no permissions claim; its dialect is the likely cause"),
        (has_role("b", "a"), caller(), "roles lack a, b"),
    ],
    ids=lambda value: repr(value) if isinstance(value, Policy) else "",
)
def test_detail(policy: Policy, who: Principal, detail: str) -> None:
    """The log is told in words what is lacking."""
    assert refused(policy, who).detail == detail


def test_names_are_exact() -> None:
    """Names are compared exactly: no part, no case, no pattern, no other kind of right."""
    who = Principal(
        issuer="i",
        subject="s",
        scopes=frozenset({"read:items", "*"}),
        permissions=frozenset({"x:y"}),
    )
    assert require(has_scope("read:items"), who) is who
    for policy in (
        has_scope("read"), has_scope("read:item"), has_scope("READ:ITEMS"), has_scope("read:*"),
        has_scope("x:y"), has_permission("read:items"), has_permission("x"), has_role("x:y"),
    ):  # fmt: skip
        refused(policy, who)


def test_shortfall_of_a_policy_of_ones_own() -> None:
    """A policy has to say what is lacking; one that does not is no policy."""

    class Nothing(Policy):
        """Says nothing."""

    class Everything(Policy):
        """Lets everybody in."""

        def shortfall(self, principal: Principal) -> Shortfall | None:
            return None

    with pytest.raises(NotImplementedError):
        Nothing().shortfall(caller())
    assert (Everything() & has_scope("s")).shortfall(caller("s")) is None
    assert (Everything() | has_scope("s")).shortfall(caller()) is None


# --- refused when built --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "names", [(), ("",), (" ",), ("a", ""), (None,), (5,), (["a"],), (("a", "b"),)], ids=repr
)
@pytest.mark.parametrize("builder", BUILDERS.values(), ids=lambda builder: builder.__name__)
def test_names(builder: Callable[..., Policy], names: tuple[Any, ...]) -> None:
    """An empty policy, an empty name, and what is no name are refused."""
    with pytest.raises(ConfigurationError, match=builder.__name__):
        builder(*names)


@pytest.mark.parametrize("name", ["a b", "a\tb", 'a"b', "a\\b", "é", "a\n", " a", "\x7f"], ids=repr)
def test_scope_names(name: str) -> None:
    """A scope has no space, quote, backslash or foreign character (RFC 6749 section 3.3)."""
    with pytest.raises(ConfigurationError, match=r"is no scope"):
        has_scope("good", name)


def test_scope_alphabet() -> None:
    """Every other printable ASCII character can stand in a scope; and all in a permission."""
    for code in range(0x21, 0x7F):
        if chr(code) not in '"\\':
            assert isinstance(has_scope(chr(code)), Policy)
    assert isinstance(has_permission("read all", "é"), Policy)
    assert isinstance(has_role("Zoë's role"), Policy)


@pytest.mark.parametrize("join", [all_of, any_of])
def test_nothing_to_join(join: Callable[..., Policy]) -> None:
    """Joining nothing is refused: it could mean everybody or nobody."""
    with pytest.raises(ConfigurationError, match=r"at least one policy"):
        join()


@pytest.mark.parametrize("join", [all_of, any_of])
@pytest.mark.parametrize("thing", ["read:items", None, 5, ["a"], has_scope], ids=str)
def test_no_policy(join: Callable[..., Policy], thing: object) -> None:
    """A bare name is no policy, and the error shows both spellings."""
    with pytest.raises(ConfigurationError, match=r"is no policy") as caught:
        join(has_scope("a"), thing)
    if thing == "read:items":
        assert "has_scope('read:items') or has_permission('read:items')" in str(caught.value)


@pytest.mark.parametrize("thing", ["read:items", None, True, 5])
def test_operators_take_policies(thing: Any) -> None:
    """& and | join policies with nothing else."""
    for join in (operator.and_, operator.or_):
        for pair in ((S, thing), (thing, S)):
            with pytest.raises(TypeError):
                join(*pair)


def test_many() -> None:
    """A hundred policies joined one by one are one flat policy."""
    joined = functools.reduce(Policy.__and__, [has_scope(f"s{n}") for n in range(100)])
    assert refused(joined, caller()).scopes == {f"s{n}" for n in range(100)}
    assert "(" not in repr(joined).replace("has_scope(", "")
