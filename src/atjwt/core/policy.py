"""Step 9 of the route: a principal → allowed, or `InsufficientScope`.

Policies are values: frozen, comparable, hashable, printable, joined with `&` and `|`. What each can
ask for is in `core/requirement.py`. A policy answers with the *ways* in which the principal could
come to meet it, so that a caller is told the smallest that would do. There is no negation: a right
that one has must never shut a door. An empty policy is refused when it is built, since nobody means
it, and so is one that nobody can meet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from heapq import nsmallest
from typing import NoReturn

from atjwt.core.bounds import UNBOUNDED, Bounds, both, either
from atjwt.core.principal import Principal
from atjwt.core.shortfall import MET, Shortfall
from atjwt.errors import ConfigurationError, InsufficientScope, Reason

Ways = tuple[Shortfall, ...]

ALLOWED: Ways = (MET,)
"""The one answer that lets a caller in; compared by identity."""

_MOST_WAYS = 16
"""How many ways are kept while a refusal is worked out: the nearest."""


class Policy:
    """What a caller must have. Build one with `has_scope` and the others of `atjwt.policies`."""

    __slots__ = ()

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """In which ways the principal could come to meet it; `ALLOWED` where it does.

        now: seconds since 1970. leeway: seconds by which clocks may differ.
        """
        raise NotImplementedError

    def names_anonymous(self, principal: Principal, now: float, leeway: float) -> bool:
        """Whether, being met, it says of itself that an anonymous session will do."""
        return False

    def scopes_needed(self) -> frozenset[str]:
        """The scopes without which there is no way."""
        return frozenset()

    def bounds(self) -> Bounds:
        """What a principal that meets it can be; empty if nothing can."""
        return UNBOUNDED

    def merged(self, other: "Policy") -> "Policy | None":
        """The two as one, where they ask the same question; None where not."""
        return None

    def __and__(self, other: "Policy") -> "Policy":
        return all_of(self, other) if isinstance(other, Policy) else NotImplemented

    def __or__(self, other: "Policy") -> "Policy":
        return any_of(self, other) if isinstance(other, Policy) else NotImplemented

    def __bool__(self) -> NoReturn:
        raise TypeError("a policy is neither true nor false; join policies with & and |")


@dataclass(frozen=True, slots=True, repr=False)
class _AllOf(Policy):
    policies: tuple[Policy, ...]

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        lacking = [policy.ways(principal, now, leeway) for policy in self.policies]
        total = ALLOWED
        # Those with little choice first: what they need is then at hand when others choose.
        for ways in sorted((ways for ways in lacking if ways is not ALLOWED), key=len):
            total = _nearest(had.joined(more) for had in total for more in ways)
        return total

    def names_anonymous(self, principal: Principal, now: float, leeway: float) -> bool:
        return any(policy.names_anonymous(principal, now, leeway) for policy in self.policies)

    def scopes_needed(self) -> frozenset[str]:
        return frozenset().union(*(policy.scopes_needed() for policy in self.policies))

    def bounds(self) -> Bounds:
        return reduce(both, (policy.bounds() for policy in self.policies), UNBOUNDED)

    def __repr__(self) -> str:
        return " & ".join(
            f"({policy!r})" if isinstance(policy, _AnyOf) else repr(policy)
            for policy in self.policies
        )


@dataclass(frozen=True, slots=True, repr=False)
class _AnyOf(Policy):
    policies: tuple[Policy, ...]

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        found: list[Shortfall] = []
        for policy in self.policies:
            lacking = policy.ways(principal, now, leeway)
            if lacking is ALLOWED:
                return ALLOWED
            found += lacking
        return _nearest(found)

    def names_anonymous(self, principal: Principal, now: float, leeway: float) -> bool:
        return any(
            policy.names_anonymous(principal, now, leeway)
            for policy in self.policies
            if policy.ways(principal, now, leeway) is ALLOWED
        )

    def scopes_needed(self) -> frozenset[str]:
        return frozenset.intersection(*(policy.scopes_needed() for policy in self.policies))

    def bounds(self) -> Bounds:
        return either(policy.bounds() for policy in self.policies)

    def __repr__(self) -> str:
        return " | ".join(map(repr, self.policies))


def all_of(*policies: Policy) -> Policy:
    """Every one of these holds; the same as joining them with `&`.

    Raises ConfigurationError: none is given, one is no policy, or nobody can meet all of them.
    """
    parts: list[Policy] = []
    for policy in dict.fromkeys(_parts(_AllOf, policies)):
        for index, part in enumerate(parts):
            merged = part.merged(policy)
            if merged is not None:
                parts[index] = merged
                break
        else:
            parts.append(policy)
    if len(parts) == 1:
        return parts[0]
    joined = _AllOf(_in_order(parts))
    if not joined.bounds():
        raise ConfigurationError([f"all_of: nobody can meet {joined!r}; join with | what may vary"])
    return joined


def any_of(*policies: Policy) -> Policy:
    """At least one of these holds; the same as joining them with `|`.

    Raises ConfigurationError: none is given, or one is no policy.
    """
    parts = _in_order(_parts(_AnyOf, policies))
    return parts[0] if len(parts) == 1 else _AnyOf(parts)


def require(
    policy: Policy | None, principal: Principal, now: float, leeway: float = 0
) -> Principal:
    """Returns the principal, if the policy allows it.

    policy: None lets in any authenticated caller. An anonymous session is one only where the policy
        names that kind.
    now: seconds since 1970. leeway: seconds by which clocks may differ.
    Raises InsufficientScope: with what was missing, nothing else. InsufficientUserAuthentication.
    """
    if policy is not None:
        ways = policy.ways(principal, now, leeway)
        if ways is not ALLOWED:
            raise min(ways, key=Shortfall.distance).error()
    if principal.kind == "anonymous" and not (
        policy is not None and policy.names_anonymous(principal, now, leeway)
    ):
        raise InsufficientScope(
            Reason.WRONG_KIND, 'an anonymous session; only is_kind("anonymous") lets one in'
        )
    return principal


def _nearest(ways: Iterable[Shortfall]) -> Ways:
    return tuple(nsmallest(_MOST_WAYS, dict.fromkeys(ways), key=Shortfall.distance))


def _in_order(policies: Iterable[Policy]) -> tuple[Policy, ...]:
    # One order, so that equal policies compare and print alike however they were written.
    return tuple(sorted(dict.fromkeys(policies), key=repr))


def _parts(kind: type[_AllOf] | type[_AnyOf], policies: Sequence[object]) -> list[Policy]:
    if not policies:
        raise ConfigurationError(["all_of, any_of: give at least one policy"])
    flat: list[Policy] = []
    for policy in policies:
        if not isinstance(policy, Policy):
            name = f"({policy!r})"
            raise ConfigurationError(
                [f"{policy!r} is no policy; write has_scope{name} or has_permission{name}"]
            )
        flat += policy.policies if isinstance(policy, kind) else (policy,)
    return flat
