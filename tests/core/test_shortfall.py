"""What a caller is told that it lacks: the smallest scope set, a new login, or that nothing helps."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import (
    InsufficientScope,
    Policy,
    Reason,
    all_of,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.core.shortfall import MET, Shortfall
from atjwt.errors import InsufficientUserAuthentication
from core.callers import (
    SCOPE_SETS,
    Caller,
    Tree,
    built,
    caller_leaves,
    callers,
    holds,
    is_buildable,
    login_leaves,
    refusal,
    rights_leaves,
    scope_leaves,
    trees_of,
)

knowing = callers.filter(lambda who: who.kind != "anonymous")


@given(trees_of(scope_leaves | scope_leaves | rights_leaves | caller_leaves, 8), knowing)
def test_smallest_scope_set(tree: Tree, who: Caller) -> None:
    """Where scopes alone can do it, the caller is told the smallest set that does, and nothing else."""
    doing = [more for more in SCOPE_SETS if holds(tree, replace(who, scopes=joined(who, more)))]
    if not doing or not is_buildable(tree):
        return
    error = refusal(built(tree), who)
    if holds(tree, who):
        assert error is None
        return
    assert isinstance(error, InsufficientScope)
    assert error.reason is Reason.MISSING_SCOPE
    assert error.scopes == doing[0]
    assert not error.permissions
    assert not error.roles


def joined(who: Caller, more: frozenset[str]) -> str:
    return who.scopes + "".join(sorted(more))


@given(trees_of(rights_leaves | login_leaves), knowing, st.sampled_from(["user", "agent"]))
def test_step_up(tree: Tree, caller: Caller, kind: Any) -> None:
    """A caller is sent to log in where that and scopes do it, and is let in when it has done so.

    Where scopes alone do it, it is not; and where nothing of the kind helps, it is a 403.
    """
    if not is_buildable(tree):
        return
    who = replace(caller, kind=kind)
    error = refusal(built(tree), who)
    logins = [
        replace(who, acr=level, age=age) for level in {who.acr, "lo", "hi"} for age in {who.age, 0}
    ]
    doing = [
        more
        for more in SCOPE_SETS
        if any(holds(tree, replace(login, scopes=joined(who, more))) for login in logins)
    ]
    alone = any(holds(tree, replace(who, scopes=joined(who, more))) for more in SCOPE_SETS)
    if not doing or alone:
        assert not isinstance(error, InsufficientUserAuthentication)
        return
    assert isinstance(error, InsufficientUserAuthentication)
    assert error.reason is Reason.INSUFFICIENT_USER_AUTHENTICATION
    assert len(error.scopes) == len(doing[0])
    assert error.acr_values or error.max_age is not None
    age = who.age if error.max_age is None else 0
    for level in error.acr_values or [who.acr]:
        obeying = replace(who, acr=level, age=age, scopes=joined(who, error.scopes))
        assert refusal(built(tree), obeying) is None


S, P, R = has_scope("s"), has_permission("p"), has_role("r")


@pytest.mark.parametrize(
    ("policy", "who", "reason", "shortfall"),
    [
        (S, Caller(), Reason.MISSING_SCOPE, ("s", "", "")),
        (has_scope("s", "t"), Caller(scopes="s"), Reason.MISSING_SCOPE, ("t", "", "")),
        (P, Caller(permissions="q"), Reason.MISSING_PERMISSION, ("", "p", "")),
        (P, Caller(permissions=""), Reason.MISSING_PERMISSION, ("", "p", "")),
        (P, Caller(scopes="p"), Reason.NO_PERMISSIONS_CLAIM, ("", "p", "")),
        (R, Caller(scopes="r", permissions="r", roles="q"), Reason.MISSING_ROLE, ("", "", "r")),
        (S & P & R, Caller(), Reason.MISSING_SCOPE, ("s", "p", "r")),
        (S & P & R, Caller(scopes="s"), Reason.NO_PERMISSIONS_CLAIM, ("", "p", "r")),
        (S & P & R, Caller(scopes="s", permissions=""), Reason.MISSING_PERMISSION, ("", "p", "r")),
        (S & P & R, Caller(scopes="s", permissions="p"), Reason.MISSING_ROLE, ("", "", "r")),
        # Of several ways, the nearest: first what no scope can mend, then how many scopes.
        (S | P, Caller(permissions=""), Reason.MISSING_SCOPE, ("s", "", "")),
        (R | has_scope("s", "t"), Caller(), Reason.MISSING_SCOPE, ("st", "", "")),
        (has_scope("a", "b") | has_scope("c"), Caller(), Reason.MISSING_SCOPE, ("c", "", "")),
        (has_scope("a", "b") | has_scope("c", "d"), Caller(scopes="b"), Reason.MISSING_SCOPE,
         ("a", "", "")),
        (P & S | has_permission("a", "b"), Caller(permissions=""), Reason.MISSING_SCOPE, ("s", "p", "")),
        (S & (P | R), Caller(scopes="s", permissions=""), Reason.MISSING_PERMISSION, ("", "p", "")),
        # One scope that does for both, rather than one for each.
        ((has_scope("a") | has_scope("z")) & (has_scope("b") | has_scope("z")), Caller(),
         Reason.MISSING_SCOPE, ("z", "", "")),
        ((has_scope("a") | has_scope("z")) & (has_scope("b") | has_scope("z")), Caller(scopes="a"),
         Reason.MISSING_SCOPE, ("b", "", "")),
    ],
    ids=repr,
)  # fmt: skip
def test_shortfall(
    policy: Policy, who: Caller, reason: Reason, shortfall: tuple[str, str, str]
) -> None:
    """What is lacking is told, nothing else, and the reason is what can be mended most easily."""
    error = refusal(policy, who)
    assert isinstance(error, InsufficientScope)
    assert error.reason is reason
    told = (error.scopes, error.permissions, error.roles)
    assert told == tuple(frozenset(names) for names in shortfall)


def test_many_ways() -> None:
    """The smallest set is found among many ways, also where most of them are longer."""
    eithers = [has_scope(f"s{number}") | has_scope("z") for number in range(12)]
    error = refusal(all_of(*eithers), Caller())
    assert isinstance(error, InsufficientScope)
    assert error.scopes == {"z"}


# --- joined --------------------------------------------------------------------------------------

WRONG_A, WRONG_B = (Reason.WRONG_CLAIM, "a"), (Reason.WRONG_KIND, "b")


def test_joined() -> None:
    """Where both are needed, the rights and reasons of both are lacking, each once."""
    one = Shortfall(
        scopes=frozenset("a"), permissions=frozenset("p"), others=(WRONG_A, WRONG_B),
        max_age=60, authentication=("old",),
    )  # fmt: skip
    other = Shortfall(
        scopes=frozenset("b"), roles=frozenset("r"), no_permissions_claim=True, others=(WRONG_A,),
        acr_values=("hi",), max_age=30, authentication=("old", "weak"),
    )  # fmt: skip
    assert one.joined(other) == Shortfall(
        scopes=frozenset("ab"), permissions=frozenset("p"), roles=frozenset("r"),
        no_permissions_claim=True, others=(WRONG_A, WRONG_B), acr_values=("hi",), max_age=30,
        authentication=("old", "weak"),
    )  # fmt: skip
    for each in (one, other, MET):
        assert MET.joined(each) == each.joined(MET) == each.joined(each) == each


def test_joined_logins() -> None:
    """Of two lists of `acr` one login has to do for both, in the order that is preferred."""
    one = Shortfall(acr_values=("c", "b", "a"), authentication=("weak",))
    other = Shortfall(acr_values=("a", "c"), authentication=("weak",))
    assert one.joined(other).acr_values == ("c", "a")
    assert set(other.joined(one).acr_values) == {"c", "a"}
    neither = one.joined(Shortfall(acr_values=("d",), authentication=("weak",)))
    assert neither.acr_values == ()
    assert not isinstance(neither.error(), InsufficientUserAuthentication)


def test_distance() -> None:
    """Nearest is what a scope mends, then what a login mends, then what no new token can mend."""
    in_order = [
        MET,
        Shortfall(scopes=frozenset("b")),
        Shortfall(scopes=frozenset("c")),
        Shortfall(scopes=frozenset("ab")),
        Shortfall(acr_values=("hi",), authentication=("weak",)),
        Shortfall(scopes=frozenset("a"), max_age=60, authentication=("old",)),
        Shortfall(roles=frozenset("r")),
        Shortfall(others=(WRONG_A,), max_age=60, authentication=("old",)),
        Shortfall(permissions=frozenset("pq")),
    ]
    found = [each.distance() for each in in_order]
    assert found == sorted(found)
    assert len(set(map(repr, found))) == len(found)


def test_error_holds_all() -> None:
    """The log gets every sentence; programs get the first reason and what is missing."""
    lacking = Shortfall(
        scopes=frozenset("a"), permissions=frozenset("p"), roles=frozenset("r"), others=(WRONG_A,),
        acr_values=("hi",), authentication=("weak",),
    )  # fmt: skip
    error = lacking.error()
    assert isinstance(error, InsufficientScope)
    assert error.reason is Reason.MISSING_SCOPE
    assert error.detail == "scope lacks a; permissions lack p; roles lack r; a; weak"
    mended = lacking._replace(permissions=frozenset(), roles=frozenset(), others=()).error()
    assert isinstance(mended, InsufficientUserAuthentication)
    assert mended.detail == "weak; scope lacks a"
    assert (mended.scopes, mended.acr_values, mended.max_age) == (frozenset("a"), ("hi",), None)
