"""What a principal lacks for a policy, and how far away it is."""

from typing import NamedTuple


class Shortfall(NamedTuple):
    """What a principal lacks.

    no_permissions_claim: the token has no `permissions` at all; its dialect is the likely cause.
    """

    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    no_permissions_claim: bool = False

    def joined(self, other: "Shortfall") -> "Shortfall":
        """What is lacking where both are needed."""
        return Shortfall(
            self.scopes | other.scopes,
            self.permissions | other.permissions,
            self.roles | other.roles,
            self.no_permissions_claim or other.no_permissions_claim,
        )

    def distance(self) -> tuple[int, int]:
        """How far away it is: first what asking for a scope cannot mend, then how many scopes."""
        return (len(self.permissions) + len(self.roles), len(self.scopes))
