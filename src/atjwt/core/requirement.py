"""What a policy can ask for: one class for each kind of question.

Each compares exactly, and what a token does not carry is never met. The functions that build them
and refuse what cannot be asked are in `atjwt.policies`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import floor
from typing import Literal

from atjwt.core.bounds import Bounds, bound
from atjwt.core.detail import Wanted, json_text
from atjwt.core.policy import ALLOWED, Policy, Ways
from atjwt.core.principal import Principal
from atjwt.core.shortfall import Shortfall
from atjwt.errors import Reason

_AUTHENTICATED = ("user", "agent")
"""Kinds behind which a person may have been authenticated."""

_NO_LOGIN: Ways = (Shortfall(others=((Reason.WRONG_KIND, "there is no user who could log in"),)),)


@dataclass(frozen=True, slots=True, repr=False)
class Has(Policy):
    """All of these names are among the principal's `what`."""

    what: str
    names: frozenset[str]

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """See `Policy`."""
        held: frozenset[str] | None = getattr(principal, self.what)
        if held is not None and self.names <= held:
            return ALLOWED
        missing = self.names - (held or frozenset())
        if self.what == "scopes":
            return (Shortfall(scopes=missing),)
        if self.what == "roles":
            return (Shortfall(roles=missing),)
        return (Shortfall(permissions=missing, no_permissions_claim=held is None),)

    def scopes_needed(self) -> frozenset[str]:
        """See `Policy`."""
        return self.names if self.what == "scopes" else frozenset()

    def merged(self, other: Policy) -> Policy | None:
        """See `Policy`."""
        if isinstance(other, Has) and other.what == self.what:
            return Has(self.what, self.names | other.names)
        return None

    def __repr__(self) -> str:
        return f"has_{self.what[:-1]}({', '.join(map(repr, sorted(self.names)))})"


@dataclass(frozen=True, slots=True, repr=False)
class OneOf(Policy):
    """The principal's `attribute`, which has one value, is one of these, the best first."""

    function: str
    attribute: str
    values: tuple[str, ...]

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """See `Policy`."""
        held = getattr(principal, self.attribute)
        if held in self.values:
            return ALLOWED
        why = f"{self.attribute} is absent" if held is None else f"{self.attribute} is another"
        if self.attribute == "acr" and principal.kind not in _AUTHENTICATED:
            return _NO_LOGIN
        if self.attribute == "acr":
            hint = "; only the issuer can add it (TrustedIssuer: acr_claim)" if held is None else ""
            return (Shortfall(acr_values=self.values, authentication=(why + hint,)),)
        return (Shortfall(others=((_REASONS[self.attribute], f"{why}; allowed: {self!r}"),)),)

    def names_anonymous(self, principal: Principal, now: float, leeway: float) -> bool:
        """See `Policy`."""
        return self.attribute == "kind" and "anonymous" in self.values

    def bounds(self) -> Bounds:
        """See `Policy`."""
        if self.attribute == "acr":
            return bound(acr=self.values, kind=_AUTHENTICATED)
        return bound(**{self.attribute: self.values})

    def merged(self, other: Policy) -> Policy | None:
        """See `Policy`."""
        # Two orders of preference are not made one.
        if isinstance(other, OneOf) and other.attribute == self.attribute != "acr":
            left = tuple(value for value in self.values if value in other.values)
            return OneOf(self.function, self.attribute, left) if left else None
        return None

    def __repr__(self) -> str:
        return f"{self.function}({', '.join(map(repr, self.values))})"


_REASONS: Mapping[str, Reason] = {
    "kind": Reason.WRONG_KIND,
    "client_id": Reason.WRONG_CLIENT,
    "org_id": Reason.WRONG_ORGANIZATION,
}


@dataclass(frozen=True, slots=True, repr=False)
class Within(Policy):
    """The person was authenticated no longer ago than `seconds`."""

    seconds: float

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """See `Policy`."""
        at = principal.authenticated_at
        if at is None and principal.kind not in _AUTHENTICATED:
            return _NO_LOGIN
        if at is None:
            why = "auth_time is absent; only the issuer can add it (TrustedIssuer: auth_time_claim)"
        elif now - at > self.seconds + leeway:
            why = "auth_time is too long ago"
        elif at - now > leeway:
            why = "auth_time lies ahead: a clock is off"
        else:
            return ALLOWED
        return (Shortfall(max_age=floor(self.seconds), authentication=(why,)),)

    def bounds(self) -> Bounds:
        """See `Policy`."""
        return bound(kind=_AUTHENTICATED)

    def merged(self, other: Policy) -> Policy | None:
        """See `Policy`."""
        if isinstance(other, Within):
            return Within(min(self.seconds, other.seconds))
        return None

    def __repr__(self) -> str:
        return f"authenticated_within({json_text(self.seconds)})"


@dataclass(frozen=True, slots=True, repr=False)
class Claim(Policy):
    """A claim equals a value, or is an array with that value in it. value: its JSON text."""

    name: str
    how: Literal["equals", "contains"]
    value: str

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """See `Policy`."""
        held = principal.claim(self.name)
        items = held if isinstance(held, list) and self.how == "contains" else ()
        if (
            json_text(held) == self.value
            if self.how == "equals"
            else self.value in map(json_text, items)
        ):
            return ALLOWED
        return (Shortfall(others=((Reason.WRONG_CLAIM, f"not met: {self!r}"),)),)

    def bounds(self) -> Bounds:
        """See `Policy`."""
        # A claim with one value is no array, and has no other value.
        return bound(**{f"claim {self.name}": [self.value if self.how == "equals" else list]})

    def __repr__(self) -> str:
        return f"has_claim({self.name!r}, {self.how}={json.loads(self.value)!r})"


@dataclass(frozen=True, slots=True, repr=False)
class Authorized(Policy):
    """One entry of `authorization_details` has all of this."""

    wanted: tuple[Wanted, ...]

    def ways(self, principal: Principal, now: float, leeway: float) -> Ways:
        """See `Policy`."""
        for entry in principal.authorization_details:
            if all(wanted.held_by(entry) for wanted in self.wanted):
                return ALLOWED
        lacking = (Reason.MISSING_AUTHORIZATION_DETAIL, f"no such entry: {self!r}")
        return (Shortfall(others=(lacking,)),)

    def __repr__(self) -> str:
        return f"authorization_detail({', '.join(map(repr, self.wanted))})"
