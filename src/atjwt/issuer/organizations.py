"""Organizations: who logs in, or asks for a machine's token, on whose behalf (Auth0: Organizations).

    a user       `/authorize?organization=…`; must be a member
    a machine    `organization` beside `client_credentials`; its grant must allow that, and either any
                 organization or one that lists the client

Either token then has `org_id`. An organization is named by its id; where the issuer allows names
(Auth0's page *Use Organization Names in Authentication API*), by its name too, and tokens then have
`org_name` beside. What Auth0 says to a user who is no member, and to a name that is not allowed, is
said here in its words; for the other refusals no source has any.
"""

from collections.abc import Collection
from dataclasses import dataclass

from atjwt.issuer.clients import Grant
from atjwt.issuer.refusal import Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Organization:
    """An organization.

    id: `org_` and what follows. name: lower case, for people. members: the subjects of the users
    who may log in to it. clients: the ids of the machines that may ask for its tokens.
    """

    id: str
    name: str
    members: tuple[str, ...] = ()
    clients: tuple[str, ...] = ()

    def check_member(self, subject: str) -> None:
        """Raises Refused: the user of this subject is no member."""
        if subject not in self.members:
            raise Refused(
                "access_denied", f"user {subject} is not part of the {self.id} organization"
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Organizations:
    """All organizations of one issuer. with_names: whether their names are used and written."""

    known: Collection[Organization] = ()
    with_names: bool = False

    def named(self, asked: str | None) -> Organization | None:
        """The organization that a request names; None where it names none. Raises Refused."""
        if asked is None:
            return None
        by_id = asked.startswith("org_")
        if not by_id and not self.with_names:
            raise Refused(
                "invalid_request",
                "authorization request parameter organization must be an organization id",
            )
        for one in self.known:
            if asked == one.id if by_id else asked.lower() == one.name:
                return one
        raise Refused("invalid_request", "there is no such organization")

    def for_machine(self, asked: str | None, grant: Grant) -> Organization | None:
        """The same for a client that acts for itself. Raises Refused: its grant does not allow it."""
        one = self.named(asked)
        if one is None:
            if grant.organization_usage == "require":
                raise Refused(
                    "invalid_request", "parameter organization is required for this client"
                )
            return None
        if grant.organization_usage == "deny":
            raise Refused(
                "invalid_request", "parameter organization is not allowed for this client"
            )
        if not grant.allow_any_organization and grant.client_id not in one.clients:
            raise Refused("access_denied", "the client has no access to this organization", 403)
        return one

    def claims(self, one: Organization | None) -> dict[str, str]:
        """What the tokens of an organization have (Auth0: Work with Tokens and Organizations)."""
        if one is None:
            return {}
        return {"org_id": one.id} | ({"org_name": one.name} if self.with_names else {})
