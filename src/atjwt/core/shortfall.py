"""What a principal lacks for a policy, how far away it is, and how that is said."""

from typing import NamedTuple

from atjwt.errors import AuthError, InsufficientScope, InsufficientUserAuthentication, Reason

_NONE: frozenset[str] = frozenset()
_TWO_LOGINS = (Reason.WRONG_CLAIM, "no acr would do for all of it")


class Shortfall(NamedTuple):
    """What a principal lacks.

    no_permissions_claim: the token has no `permissions` at all; its dialect is the likely cause.
    others: what the caller is and has that does not do, each with its reason and a sentence.
    acr_values, max_age: which authentication of the user would do (RFC 9470 section 3), `max_age`
        in whole seconds.
    authentication: why the one at hand does not, in sentences.
    """

    scopes: frozenset[str] = _NONE
    permissions: frozenset[str] = _NONE
    roles: frozenset[str] = _NONE
    no_permissions_claim: bool = False
    others: tuple[tuple[Reason, str], ...] = ()
    acr_values: tuple[str, ...] = ()
    max_age: int | None = None
    authentication: tuple[str, ...] = ()

    def joined(self, other: "Shortfall") -> "Shortfall":
        """What is lacking where both are needed."""
        ages = [age for age in (self.max_age, other.max_age) if age is not None]
        levels = self.acr_values or other.acr_values
        if self.acr_values and other.acr_values:
            levels = tuple(level for level in self.acr_values if level in other.acr_values)
        # One login gives one `acr`; where no value does for both, there is no such login.
        both = () if levels or not self.acr_values else (_TWO_LOGINS,)
        return Shortfall(
            self.scopes | other.scopes,
            self.permissions | other.permissions,
            self.roles | other.roles,
            self.no_permissions_claim or other.no_permissions_claim,
            tuple(dict.fromkeys((*self.others, *other.others, *both))),
            levels,
            min(ages, default=None),
            tuple(dict.fromkeys(self.authentication + other.authentication)),
        )

    def distance(self) -> tuple[int, bool, int, list[str]]:
        """How far away it is: first what no new token can mend, then whether the user must be
        authenticated anew, then how many scopes must be asked for; the alphabet breaks a tie.
        """
        beyond_reach = len(self.permissions) + len(self.roles) + len(self.others)
        return beyond_reach, bool(self.authentication), len(self.scopes), sorted(self.scopes)

    def error(self) -> AuthError:
        """What the caller is told: the first reason; the log gets all of them."""
        found = [*self._said()]
        reason, detail = found[0][0], "; ".join(sentence for _, sentence in found)
        if reason is Reason.INSUFFICIENT_USER_AUTHENTICATION:
            return InsufficientUserAuthentication(
                reason,
                detail,
                scopes=self.scopes,
                acr_values=self.acr_values,
                max_age=self.max_age,
            )
        return InsufficientScope(
            reason,
            detail,
            scopes=self.scopes,
            permissions=self.permissions,
            roles=self.roles,
        )

    def _said(self) -> list[tuple[Reason, str]]:
        said: list[tuple[Reason, str]] = []
        if self.scopes:
            said.append((Reason.MISSING_SCOPE, f"scope lacks {_listed(self.scopes)}"))
        if self.no_permissions_claim:
            sentence = "the token has no permissions claim; its dialect is the likely cause"
            said.append((Reason.NO_PERMISSIONS_CLAIM, sentence))
        elif self.permissions:
            sentence = f"permissions lack {_listed(self.permissions)}"
            said.append((Reason.MISSING_PERMISSION, sentence))
        if self.roles:
            said.append((Reason.MISSING_ROLE, f"roles lack {_listed(self.roles)}"))
        said += self.others
        stepping = [(Reason.INSUFFICIENT_USER_AUTHENTICATION, why) for why in self.authentication]
        # A new login mends nothing where something else is beyond reach; where a scope is all that
        # lacks besides, one login brings both (RFC 9470 section 3).
        beyond_reach = self.permissions or self.roles or self.others
        return [*said, *stepping] if beyond_reach else [*stepping, *said]


MET = Shortfall()
"""Nothing is lacking."""


def _listed(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
