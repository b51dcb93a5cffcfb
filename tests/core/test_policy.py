"""Step 9: a principal → allowed, or what is missing. The algebra, and what it tells a caller."""

import copy
import functools
import operator
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

import atjwt.policies
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
from atjwt.core.bounds import UNBOUNDED
from atjwt.core.policy import ALLOWED, Ways, require
from atjwt.policies import acr, authenticated_within, has_claim, is_client, is_kind
from core.callers import (
    KINDS,
    LEEWAY,
    NOW,
    SCOPE_SETS,
    Caller,
    Tree,
    built,
    callers,
    everybody,
    holds,
    is_buildable,
    is_let_in,
    policies,
    refusal,
    trees,
)

EVERYBODY = everybody()
S, P, R = has_scope("s"), has_permission("p"), has_role("r")


def lacking(policy: Policy, who: Caller) -> Ways:
    return policy.ways(who.principal(), NOW, LEEWAY)


# --- an algebra ----------------------------------------------------------------------------------


@given(trees, callers)
def test_verdict(tree: Tree, who: Caller) -> None:
    """A policy lets in exactly whom its parts let in, and an anonymous session where it is named."""
    policy = built(tree)
    assert (lacking(policy, who) is ALLOWED) is holds(tree, who)
    assert (refusal(policy, who) is None) is is_let_in(tree, who)


def same(one: Policy, other: Policy, who: Caller) -> bool:
    """Whether two policies are one value and give one answer."""
    return (
        one == other
        and hash(one) == hash(other)
        and repr(one) == repr(other)
        and lacking(one, who) == lacking(other, who)
        and str(refusal(one, who)) == str(refusal(other, who))
    )


@given(trees, trees, trees, callers)
def test_algebra(one: Tree, other: Tree, third: Tree, who: Caller) -> None:
    """& and | are commutative, associative and idempotent, as values and as verdicts."""
    a, b, c = built(one), built(other), built(third)
    assert same(a | b, b | a, who)
    assert same((a | b) | c, a | (b | c), who)
    assert same(any_of(c, b, a), a | b | c, who)
    assert same(any_of(a), a, who)
    assert same(all_of(a), a, who)
    for policy in (a, a | b, b | a | c):
        assert same(policy | policy, policy, who)
        assert same(policy & policy, policy, who)
    if not is_buildable(("and", [one, other, third])):
        return
    assert same(a & b, b & a, who)
    assert same((a & b) & c, a & (b & c), who)
    assert same(all_of(a, b, c), a & b & c, who)
    assert same(a & b & a, b & a, who)


@pytest.mark.parametrize("build", [is_kind, is_client, atjwt.policies.in_org])
def test_alternatives_have_no_order(build: Callable[..., Policy]) -> None:
    """Of which kind, client or organization a caller may be is a set: two spellings are one policy."""
    one, other = build("user", "client"), build("client", "user")
    assert one == other
    assert repr(one) == repr(other)
    assert one & other == other & one == one | other == one


def test_authentications_have_an_order() -> None:
    """Which authentication is preferred is part of the policy; `&` of two orders is one all the same."""
    one, other = acr("a", "b"), acr("b", "a")
    assert one != other
    assert one & one == one
    assert one & other == other & one
    assert repr(one & other) == repr(other & one)


@given(trees, trees, callers)
def test_join_and_meet(one: Tree, other: Tree, who: Caller) -> None:
    """Whom & lets in both let in; whom | lets in one of them does."""
    a, b = built(one), built(other)
    passes_a, passes_b = lacking(a, who) is ALLOWED, lacking(b, who) is ALLOWED
    assert (lacking(a | b, who) is ALLOWED) is (passes_a or passes_b)
    if is_buildable(("and", [one, other])):
        assert (lacking(a & b, who) is ALLOWED) is (passes_a and passes_b)
    else:
        assert not (passes_a and passes_b and who in EVERYBODY)


@given(policies, callers, callers)
def test_no_right_shuts_a_door(policy: Policy, poorer: Caller, other: Caller) -> None:
    """Whoever has more rights is let in wherever somebody with fewer is."""
    richer = replace(
        poorer,
        scopes=poorer.scopes + other.scopes,
        roles=poorer.roles + other.roles,
        permissions=poorer.permissions
        if other.permissions is None
        else (poorer.permissions or "") + other.permissions,
        actions=poorer.actions if other.actions is None else (poorer.actions or "") + other.actions,
    )
    if refusal(policy, poorer) is None:
        assert refusal(policy, richer) is None


@given(policies)
def test_printed(policy: Policy) -> None:
    """A policy is printed on one line as it could be written, so what the log says can be pasted."""
    assert repr(policy).isprintable()
    assert eval(repr(policy), dict(vars(atjwt.policies))) == policy


@given(policies)
def test_values(policy: Policy) -> None:
    """A policy can be copied and pickled, is frozen, and is never asked whether it is true."""
    for other in (pickle.loads(pickle.dumps(policy)), copy.deepcopy(policy), copy.copy(policy)):
        assert other == policy
        assert hash(other) == hash(policy)
        assert repr(other) == repr(policy)
    with pytest.raises((AttributeError, TypeError)):
        policy.names = frozenset()  # type: ignore[attr-defined]
    with pytest.raises(TypeError, match=r"& and |"):
        bool(policy)


def test_different_policies_differ() -> None:
    """Policies of other names, of another kind, or joined otherwise are not equal."""
    a, b = has_scope("a"), has_scope("b")
    different = [a, b, has_permission("a"), has_role("a"), has_scope("a", "b"), a | b]
    different += [has_permission("a") & (a | b), is_client("a"), acr("a"), is_kind("user")]
    different += [has_claim("a", equals="a"), has_claim("a", contains="a")]
    assert len(set(different)) == len(different)


def test_scopes_that_must_be_had_are_one_policy() -> None:
    """Two policies of one question that must both hold are the one that asks for all of it."""
    assert has_scope("a") & has_scope("b") == has_scope("b", "a")
    assert has_permission("a") & has_permission("b") == has_permission("a", "b")
    assert has_scope("a") & has_permission("a") != has_scope("a")
    assert authenticated_within(60) & authenticated_within(600) == authenticated_within(60)
    assert is_kind("user", "agent") & is_kind("agent", "client") == is_kind("agent")
    assert has_scope("a") | has_scope("b") != has_scope("a", "b")


# --- who is anonymous ----------------------------------------------------------------------------


def test_an_anonymous_session_has_to_be_named() -> None:
    """A verified anonymous session passes no policy, and no guard without one, that does not name it."""
    session = Caller("anonymous", scopes="s", permissions="p", roles="r")
    for policy in (None, S, P, S & P & R, S | is_kind("user"), S & (P | is_kind("user"))):
        error = refusal(policy, session)
        assert isinstance(error, InsufficientScope)
        assert error.reason is Reason.WRONG_KIND
        assert error.scopes == error.permissions == error.roles == frozenset()
    named = is_kind("anonymous", "user")
    for policy in (named, S & named, S & (P | named), named | R, is_kind(*KINDS)):
        assert refusal(policy, session) is None


def test_only_a_satisfied_branch_names_it() -> None:
    """That another branch names it, which is not met, does not help an anonymous session."""
    policy = S | (is_kind("anonymous") & has_scope("preview"))
    assert refusal(policy, Caller("anonymous", scopes="s")) is not None
    assert refusal(policy, Caller("anonymous", scopes="sp")) is not None
    session = replace(Caller("anonymous").principal(), scopes=frozenset({"s", "preview"}))
    assert require(policy, session, NOW) is session


def test_no_policy() -> None:
    """Without a policy every other authenticated caller is let in."""
    for kind in KINDS[:3]:
        assert refusal(None, Caller(kind)) is None


# --- policies of one's own -----------------------------------------------------------------------


class Everything(Policy):
    """Lets everybody in."""

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        return ALLOWED


def test_a_policy_of_ones_own() -> None:
    """A policy has to say what is lacking; one that does not is no policy."""
    with pytest.raises(NotImplementedError):
        refusal(Policy(), Caller())
    own = Everything()
    assert refusal(own & S, Caller(scopes="s")) is None
    assert refusal(own & S, Caller()) is not None
    assert refusal(own | S, Caller()) is None
    assert refusal(own, Caller("anonymous")) is not None
    assert own.bounds() == UNBOUNDED
    assert own.scopes_needed() == frozenset()
    assert own.merged(S) is None


# --- which scopes a route needs ------------------------------------------------------------------


@given(trees)
def test_scopes_needed(tree: Tree) -> None:
    """What is said to be needed is had by everybody who is let in, and no such scope is left out."""
    needed = built(tree).scopes_needed()
    everything = [replace(who, plan=plan) for who in EVERYBODY[::7] for plan in (1, [1, True, "1"])]
    for who in everything:
        for more in SCOPE_SETS:
            if holds(tree, replace(who, scopes="".join(more))):
                assert needed <= more


@pytest.mark.parametrize(
    ("policy", "needed"),
    [
        (has_scope("a", "b"), {"a", "b"}), (S & P & R, {"s"}), (S | P, set()), (P & R, set()),
        (has_scope("a", "b") | has_scope("b", "c"), {"b"}), (S & (P | has_scope("a")), {"s"}),
    ],
    ids=repr,
)  # fmt: skip
def test_scopes_needed_of(policy: Policy, needed: set[str]) -> None:
    """A scope is needed where there is no way without it."""
    assert policy.scopes_needed() == needed


# --- refused when built --------------------------------------------------------------------------


@pytest.mark.parametrize("join", [all_of, any_of])
def test_nothing_to_join(join: Callable[..., Policy]) -> None:
    """Joining nothing is refused: it could mean everybody or nobody."""
    with pytest.raises(ConfigurationError, match=r"at least one policy"):
        join()


@pytest.mark.parametrize("join", [all_of, any_of])
@pytest.mark.parametrize("thing", ["read:items", None, 5, ["a"], has_scope], ids=str)
def test_no_policy_to_join(join: Callable[..., Policy], thing: object) -> None:
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
    one = functools.reduce(Policy.__and__, [has_scope(f"s{n}") for n in range(100)])
    error = refusal(one, Caller())
    assert isinstance(error, InsufficientScope)
    assert error.scopes == {f"s{n}" for n in range(100)}
    assert "(" not in repr(one).replace("has_scope(", "")
