"""Random policies and callers, and the verdict on them worked out the plain way.

A policy is a tree of plain data: a leaf is the function that builds it and what it is given, a node is
`and` or `or` and its parts. `holds` reads the tree and the caller and knows nothing of the product;
`built` makes the same policy of the product's own functions. The domains are small on purpose, so
that whatever is said of policies can be tried out on everybody who there is.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any, Final

import pytest
from hypothesis import strategies as st

from atjwt import AuthError, ConfigurationError, Policy, Principal
from atjwt.core.kind import Kind
from atjwt.core.policy import require
from atjwt.policies import (
    acr,
    all_of,
    any_of,
    authenticated_within,
    authorization_detail,
    has_claim,
    has_permission,
    has_role,
    has_scope,
    in_org,
    is_client,
    is_kind,
)

NOW: Final = 1_790_000_100.0
LEEWAY: Final = 10.0
PLAN: Final = "https://acme.test/plan"
KINDS: Final[tuple[Kind, ...]] = ("user", "client", "agent", "anonymous")


@dataclass(frozen=True)
class Caller:
    """Somebody who calls.

    scopes, permissions, roles: one letter each; None is a token without the claim.
    age: seconds since the user was authenticated. plan: the value of a claim; None is no claim.
    actions: those of the token's one authorization detail, one letter each; None is no detail.
    """

    kind: Kind = "user"
    client: str = "x"
    org: str | None = None
    acr: str | None = None
    age: float | None = None
    scopes: str = ""
    permissions: str | None = None
    roles: str = ""
    plan: Any = None
    actions: str | None = None

    def principal(self) -> Principal:
        """The same as the product knows it."""
        claims = {
            "roles": sorted(self.roles), "org_id": self.org, "acr": self.acr, PLAN: self.plan,
            "auth_time": None if self.age is None else NOW - self.age,
            "authorization_details": [] if self.actions is None else [
                {"type": "t", "actions": sorted(self.actions)}
            ],
        }  # fmt: skip
        carried = {name: value for name, value in claims.items() if value is not None}
        return Principal(
            issuer="https://issuer.example",
            subject="s",
            kind=self.kind,
            client_id=self.client,
            scopes=frozenset(self.scopes),
            permissions=None if self.permissions is None else frozenset(self.permissions),
            payload=json.dumps(carried).encode(),
        )


# --- policies as trees ---------------------------------------------------------------------------

Tree = tuple[str, Any]

_BUILD: Final[Mapping[str, Callable[[Any], Policy]]] = {
    "scope": lambda names: has_scope(*names),
    "permission": lambda names: has_permission(*names),
    "role": lambda names: has_role(*names),
    "kind": lambda kinds: is_kind(*kinds),
    "client": lambda names: is_client(*names),
    "org": lambda names: in_org(*names),
    "acr": lambda values: acr(*values),
    "within": authenticated_within,
    "equals": lambda value: has_claim(PLAN, equals=value),
    "contains": lambda value: has_claim(PLAN, contains=value),
    "actions": lambda letters: authorization_detail(type="t", actions=list(letters)),
    "and": lambda parts: all_of(*map(built, parts)),
    "or": lambda parts: any_of(*map(built, parts)),
}


def built(tree: Tree) -> Policy:
    """The product's policy."""
    word, given = tree
    return _BUILD[word](given)


def is_buildable(tree: Tree) -> bool:
    """Whether the product builds it."""
    try:
        built(tree)
    except ConfigurationError:
        return False
    return True


def holds(tree: Tree, who: Caller) -> bool:
    """Whether a caller meets a policy."""
    word, given = tree
    match word:
        case "and":
            return all(holds(part, who) for part in given)
        case "or":
            return any(holds(part, who) for part in given)
        case "scope" | "permission" | "role":
            return set(given) <= set(getattr(who, f"{word}s") or "")
        case "kind" | "client" | "org" | "acr":
            return getattr(who, word) in given
        case "within":
            return who.age is not None and -LEEWAY <= who.age <= given + LEEWAY
        case "equals":
            return alike(who.plan, given)
        case "contains":
            return isinstance(who.plan, list) and any(alike(item, given) for item in who.plan)
        case _:
            return who.actions is not None and set(given) <= set(who.actions)


def alike(one: object, other: object) -> bool:
    """Whether two JSON scalars are equal: True is not 1, and 1 is 1.0."""
    kinds = [bool if isinstance(each, bool) else str if isinstance(each, str) else float
             for each in (one, other)]  # fmt: skip
    return kinds[0] is kinds[1] and one == other


def names_anonymous(tree: Tree, who: Caller) -> bool:
    """Whether what lets the caller in says that an anonymous session will do."""
    word, given = tree
    if word in {"and", "or"}:
        return any(names_anonymous(part, who) for part in given if holds(part, who))
    return word == "kind" and "anonymous" in given


def is_let_in(tree: Tree, who: Caller) -> bool:
    """The verdict: the policy is met, and an anonymous session is named where it is one."""
    return holds(tree, who) and (who.kind != "anonymous" or names_anonymous(tree, who))


def refusal(policy: Policy | None, who: Caller) -> AuthError | None:
    """What the product tells a caller; None if it lets it in."""
    principal = who.principal()
    try:
        assert require(policy, principal, NOW, LEEWAY) is principal
    except AuthError as error:
        return error
    return None


def refused(policy: Policy | None, principal: Principal) -> AuthError:
    """What a principal is told that is not let in."""
    with pytest.raises(AuthError) as caught:
        require(policy, principal, NOW, LEEWAY)
    return caught.value


def nodes(tree: Tree) -> Iterator[Tree]:
    """A tree and all that it is made of."""
    yield tree
    if tree[0] in {"and", "or"}:
        for part in tree[1]:
            yield from nodes(part)


# --- all there are -------------------------------------------------------------------------------

PLANS: Final[tuple[Any, ...]] = (1, True, "1", [1], [True, "1"], [1, True, "1"])
SCOPE_SETS: Final = tuple(
    frozenset(names) for size in range(4) for names in combinations("abc", size)
)
"""The smallest first, and the alphabet among those of one size."""


def everybody() -> tuple[Caller, ...]:
    """All callers that differ in what has one value, with every right that can be had besides.

    Nobody was authenticated where a client or an anonymous session calls.
    """
    rights: dict[str, Any] = {
        "scopes": "abc", "permissions": "abc", "roles": "abc", "actions": "abc",
    }  # fmt: skip
    return tuple(
        Caller(kind=kind, client=client, org=org, acr=level, age=age, plan=plan, **rights)
        for kind, client, org, plan in product(KINDS, "xy", (None, "o", "p"), (None, *PLANS))
        for level, age in (
            product((None, "lo", "hi"), (None, 0)) if kind in {"user", "agent"} else [(None, None)]
        )
    )


# --- strategies ----------------------------------------------------------------------------------

letters = st.text("abc", min_size=1, max_size=3)
scalars = st.sampled_from([1, 1.0, True, "1"])


def some(*values: str) -> st.SearchStrategy[list[str]]:
    """One or more of these, in any order."""
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


scope_leaves = st.tuples(st.just("scope"), letters)
rights_leaves = st.one_of(
    [st.tuples(st.just(word), letters) for word in ("scope", "permission", "role", "actions")]
)
caller_leaves = st.one_of(
    st.tuples(st.just("kind"), some(*KINDS)),
    st.tuples(st.just("client"), some("x", "y")),
    st.tuples(st.just("org"), some("o", "p")),
    st.tuples(st.sampled_from(["equals", "contains"]), scalars),
)
login_leaves = st.one_of(
    st.tuples(st.just("acr"), st.sampled_from([["hi"], ["hi", "lo"], ["lo", "hi"]])),
    st.tuples(st.just("within"), st.sampled_from([60, 60.0, 0.5, 600])),
)


def trees_of(leaves: st.SearchStrategy[Tree], max_leaves: int = 6) -> st.SearchStrategy[Tree]:
    """Trees of these leaves."""
    return st.recursive(
        leaves,
        lambda inner: st.tuples(
            st.sampled_from(["and", "or"]), st.lists(inner, min_size=1, max_size=3)
        ),
        max_leaves=max_leaves,
    )


all_trees = trees_of(rights_leaves | caller_leaves | login_leaves)
trees = all_trees.filter(is_buildable)
policies = trees.map(built)

subsets = st.text("abc", max_size=3)
callers = st.builds(
    Caller,
    kind=st.sampled_from(KINDS),
    client=st.sampled_from(["x", "y", "z"]),
    org=st.sampled_from([None, "o", "p", "q"]),
    acr=st.sampled_from([None, "lo", "hi", "other"]),
    age=st.sampled_from([None, -10.5, -10, 0, 10.5, 10.6, 70, 70.5, 610, 611]),
    scopes=subsets,
    permissions=st.none() | subsets,
    roles=subsets,
    plan=st.sampled_from([None, 1.0, "11", {}, *PLANS]),
    actions=st.none() | subsets,
)
