"""Step 9 of the route: a principal → allowed, or `InsufficientScope`.

Policies are values: frozen, comparable, printable, joined with `&` and `|`. Each can say what a
principal lacks, and that is what the caller is told. There is no negation: a right that one has must
never shut a door. An empty policy is refused when it is built, since nobody means it.
"""

from dataclasses import dataclass
from typing import NoReturn

from atjwt.core.principal import Principal
from atjwt.core.shortfall import Shortfall
from atjwt.errors import ConfigurationError, InsufficientScope, Reason


class Policy:
    """What a caller must have. Build one with `has_scope`, `has_permission`, `has_role`."""

    __slots__ = ()

    def shortfall(self, principal: Principal) -> Shortfall | None:
        """What the principal lacks; None if nothing."""
        raise NotImplementedError

    def __and__(self, other: "Policy") -> "Policy":
        return all_of(self, other) if isinstance(other, Policy) else NotImplemented

    def __or__(self, other: "Policy") -> "Policy":
        return any_of(self, other) if isinstance(other, Policy) else NotImplemented

    def __bool__(self) -> NoReturn:
        raise TypeError("a policy is neither true nor false; join policies with & and |")


@dataclass(frozen=True, slots=True, repr=False)
class _Has(Policy):
    """All of these names are among the principal's `what`."""

    what: str
    names: frozenset[str]

    def shortfall(self, principal: Principal) -> Shortfall | None:
        held: frozenset[str] | None = getattr(principal, self.what)
        missing = self.names - (held or frozenset())
        if not missing:
            return None
        none: frozenset[str] = frozenset()
        return Shortfall(
            scopes=missing if self.what == "scopes" else none,
            permissions=missing if self.what == "permissions" else none,
            roles=missing if self.what == "roles" else none,
            no_permissions_claim=held is None,
        )

    def __repr__(self) -> str:
        return f"has_{self.what[:-1]}({', '.join(map(repr, sorted(self.names)))})"


@dataclass(frozen=True, slots=True, repr=False)
class _AllOf(Policy):
    policies: frozenset[Policy]

    def shortfall(self, principal: Principal) -> Shortfall | None:
        total = None
        for policy in self.policies:
            lacking = policy.shortfall(principal)
            if lacking is not None:
                total = lacking if total is None else total.joined(lacking)
        return total

    def __repr__(self) -> str:
        return " & ".join(
            f"({policy!r})" if isinstance(policy, _AnyOf) else repr(policy)
            for policy in sorted(self.policies, key=repr)
        )


@dataclass(frozen=True, slots=True, repr=False)
class _AnyOf(Policy):
    policies: frozenset[Policy]

    def shortfall(self, principal: Principal) -> Shortfall | None:
        nearest = None
        for policy in sorted(self.policies, key=repr):
            lacking = policy.shortfall(principal)
            if lacking is None:
                return None
            if nearest is None or lacking.distance() < nearest.distance():
                nearest = lacking
        return nearest

    def __repr__(self) -> str:
        return " | ".join(repr(policy) for policy in sorted(self.policies, key=repr))


def has_scope(*names: str) -> Policy:
    """Every one of these scopes was granted to the client (RFC 6749 section 3.3).

    Raises ConfigurationError: no name, or one that is no scope-token.
    """
    for name in names:
        if isinstance(name, str) and not all(
            char == "!" or "#" <= char <= "[" or "]" <= char <= "~" for char in name
        ):
            raise ConfigurationError(
                [f"has_scope: {name!r} is no scope; one name each, without spaces (RFC 6749 3.3)"]
            )
    return _Has("scopes", _names("has_scope", names))


def has_permission(*names: str) -> Policy:
    """Every one of these permissions is held (Auth0's `permissions` claim).

    Raises ConfigurationError: no name.
    """
    return _Has("permissions", _names("has_permission", names))


def has_role(*names: str) -> Policy:
    """Every one of these roles is held (RFC 9068 section 2.2.3.1).

    Raises ConfigurationError: no name.
    """
    return _Has("roles", _names("has_role", names))


def all_of(*policies: Policy) -> Policy:
    """Every one of these holds; the same as joining them with `&`."""
    return _joined(_AllOf, policies)


def any_of(*policies: Policy) -> Policy:
    """At least one of these holds; the same as joining them with `|`."""
    return _joined(_AnyOf, policies)


def require(policy: Policy, principal: Principal) -> Principal:
    """Returns the principal, if the policy allows it.

    Raises InsufficientScope: with what was missing, nothing else.
    """
    lacking = policy.shortfall(principal)
    if lacking is None:
        return principal
    if lacking.scopes:
        reason, detail = Reason.MISSING_SCOPE, f"scope lacks {', '.join(sorted(lacking.scopes))}"
    elif lacking.no_permissions_claim:
        reason = Reason.NO_PERMISSIONS_CLAIM
        detail = "the token has no permissions claim; its dialect is the likely cause"
    elif lacking.permissions:
        reason = Reason.MISSING_PERMISSION
        detail = f"permissions lack {', '.join(sorted(lacking.permissions))}"
    else:
        reason, detail = Reason.MISSING_ROLE, f"roles lack {', '.join(sorted(lacking.roles))}"
    raise InsufficientScope(
        reason,
        detail,
        scopes=lacking.scopes,
        permissions=lacking.permissions,
        roles=lacking.roles,
    )


def _joined(kind: type[_AllOf] | type[_AnyOf], policies: tuple[Policy, ...]) -> Policy:
    if not policies:
        raise ConfigurationError(["all_of, any_of: give at least one policy"])
    for policy in policies:
        if not isinstance(policy, Policy):
            raise ConfigurationError(
                [
                    f"{policy!r} is no policy; write has_scope({policy!r}) or has_permission({policy!r})"
                ]
            )
    flat = frozenset(
        inner
        for policy in policies
        for inner in (policy.policies if isinstance(policy, kind) else (policy,))
    )
    return next(iter(flat)) if len(flat) == 1 else kind(flat)


def _names(function: str, names: tuple[str, ...]) -> frozenset[str]:
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ConfigurationError(
            [f'{function}: give names one by one, each a string with content: {function}("a", "b")']
        )
    return frozenset(names)
