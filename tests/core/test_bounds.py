"""What a principal that meets a policy can be, so that a policy nobody can meet is refused."""

from itertools import product
from typing import Any

import pytest
from hypothesis import given

from atjwt import ConfigurationError, Policy, all_of, any_of, has_permission, has_role, has_scope
from atjwt.core.bounds import UNBOUNDED, both, bound, either
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from core.callers import Tree, all_trees, everybody, holds, is_buildable, nodes

EVERYBODY = everybody()


@given(all_trees)
def test_impossible(tree: Tree) -> None:
    """What nobody can meet is refused when it is built, and nothing else is."""
    impossible = any(
        word == "and" and not any(holds((word, parts), who) for who in EVERYBODY)
        for word, parts in nodes(tree)
    )
    assert is_buildable(tree) is not impossible


@pytest.mark.parametrize(
    "parts",
    [
        [is_kind("user"), is_kind("client")],
        [is_client("a"), is_client("b")],
        [in_org("a", "b"), in_org("c")],
        [acr("a"), acr("b")],
        [is_kind("client"), acr("a")],
        [is_kind("anonymous"), authenticated_within(60)],
        [has_claim("c", equals=1), has_claim("c", equals=True)],
        [has_claim("c", equals=1), has_claim("c", contains=1)],
        [is_kind("user") | is_kind("agent"), is_kind("client"), has_scope("a")],
        [is_kind("user") | is_client("a"), is_kind("client"), is_client("b")],
        [is_kind("client") | is_client("a"), is_kind("user"), is_client("b") | in_org("o"), in_org("p")],
    ],
    ids=repr,
)  # fmt: skip
def test_nobody(parts: list[Policy]) -> None:
    """What contradicts itself is refused, however it is joined, and the error shows it with a fix."""
    for joined in (parts, parts[::-1]):
        with pytest.raises(ConfigurationError, match="nobody can meet") as caught:
            all_of(*joined)
        (problem,) = caught.value.problems
        assert problem.endswith("; join with | what may vary")
    assert any_of(*parts) == any_of(*parts[::-1])


@pytest.mark.parametrize(
    "parts",
    [
        [is_kind("user"), acr("a"), authenticated_within(60), is_client("a"), in_org("o")],
        [is_kind("agent"), authenticated_within(60)],
        [has_claim("c", contains=1), has_claim("c", contains=2)],
        [has_claim("c", equals=1), has_claim("d", equals=2)],
        [has_claim("c", equals=1), has_claim("c", equals=1.0)],
        [is_kind("client") | acr("a"), is_kind("user")],
        [is_kind("client") & is_client("a") | is_kind("user"), is_client("b")],
        [has_scope("a"), has_permission("a"), has_role("a"), is_kind("client")],
        [authorization_detail(type="a"), authorization_detail(type="b")],
        [authorization_detail(type="a", actions=["r"]), authorization_detail(type="a", n=1)],
    ],
    ids=repr,
)  # fmt: skip
def test_somebody(parts: list[Policy]) -> None:
    """What somebody can meet is built."""
    assert all_of(*parts).bounds()


def test_refused_as_soon_as_it_is_built() -> None:
    """A contradiction is refused where it stands, also as one of several ways."""
    with pytest.raises(ConfigurationError, match="nobody can meet"):
        _ = has_scope("a") | (is_kind("user") & is_kind("client"))


def test_very_many_ways() -> None:
    """Past a thousand ways a policy is built without being looked at, and never refused for it."""
    many = [any_of(*(has_claim(name, equals=value) for value in range(11))) for name in "abcd"]
    joined = all_of(*many, is_kind("user"))
    assert 0 < len(joined.bounds()) <= 1_000
    assert all_of(*many[:3]).bounds() == UNBOUNDED
    assert len(all_of(*many[:2]).bounds()) == 121


# --- the arithmetic ------------------------------------------------------------------------------


def test_both_and_either() -> None:
    """Both is what each allows; either is what one of them allows; to allow all swallows the rest."""
    ab, bc, c, other = bound(x="ab"), bound(x="bc"), bound(x="c"), bound(y="a")
    assert both(ab, bc) == bound(x="b")
    assert both(ab, c) == frozenset()
    assert both(ab, other) == bound(x="ab", y="a")
    assert both(ab, UNBOUNDED) == both(UNBOUNDED, ab) == ab
    assert both(either([ab, c]), bc) == either([bound(x="b"), c])
    assert either([ab, UNBOUNDED]) == UNBOUNDED
    assert either([ab]) == ab
    assert both(ab, frozenset()) == frozenset()


def test_order_is_nothing() -> None:
    """In which order bounds are put together makes no difference."""
    found: list[Any] = [bound(x="ab"), bound(x="bc"), bound(y="a", x="b"), UNBOUNDED]
    for one, other, third in product(found, repeat=3):
        assert both(one, other) == both(other, one)
        assert both(both(one, other), third) == both(one, both(other, third))
        assert either([one, other, third]) == either([third, other, one])
