"""The clients of the issuer, and what each may ask for at which API.

    machine    acts for itself; has a secret, made at run time; `client_credentials`
    app        users log in to it; public (RFC 6749 section 2.1): it has no secret, and proves by
               PKCE that a code is its own; `authorization_code`

Three are built in: a machine and a single-page app for the first API, each unless another of its type
is given, and a machine for the issuer's own Management API.

Either may be linked to an agent (Auth0: Agents as Principal); then its tokens name the agent.
"""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from atjwt.issuer.store import Store
from atjwt.issuer.tokens import MACHINE_CLIENT, USER_CLIENT

ClientType: TypeAlias = Literal["machine", "app"]
SubjectType: TypeAlias = Literal["client", "user"]
OrganizationUsage: TypeAlias = Literal["deny", "allow", "require"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client.

    name: for the login page. agent: the id of the agent that it is linked to, `agt_…`, or the one
        that the agent has elsewhere (Auth0: `external_agent_id`); None for an ordinary client.
    """

    client_id: str
    name: str
    type: ClientType
    agent: str | None = None

    @property
    def grant_type(self) -> str:
        """The one grant of RFC 6749 that it has."""
        return "authorization_code" if self.type == "app" else "client_credentials"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a client may ask for at an API (Auth0: client grant).

    audience: the API's identifier, `MANAGEMENT`, or `EVERY_API`. scopes: of that API; others are of
        no effect. allow_all_scopes: instead of them, all that the API has at the moment.
    subject_type: whether for the client itself or for the users that log in to it; the second is
        looked at only where the API's `subject_type_authorization` requires it.
    organization_usage: whether a client that acts for itself names an organization: never (`deny`),
        as it likes (`allow`) or always (`require`). allow_any_organization: whether that may be any;
        otherwise the organization lists the client.
    """

    client_id: str
    audience: str
    scopes: tuple[str, ...] = ()
    subject_type: SubjectType = "client"
    organization_usage: OrganizationUsage = "deny"
    allow_any_organization: bool = False
    allow_all_scopes: bool = False

    @property
    def pair(self) -> tuple[str, str, SubjectType]:
        """What there is one grant for: a client at an API, for itself or for users."""
        return self.client_id, self.audience, self.subject_type


MANAGEMENT: Final = "management"
"""As an audience in a setup: the issuer's Management API, whose identifier has the port in it."""

EVERY_API: Final = "*"
"""As an audience in a setup: every API but the Management API, those made later too."""

MACHINE: Final = Client(client_id=MACHINE_CLIENT, name="the local machine", type="machine")
APP: Final = Client(client_id=USER_CLIENT, name="the local app", type="app")
MANAGER: Final = Client(client_id="local-management", name="the local manager", type="machine")

_KIND: Final = "secret"


def secrets_of(clients: Iterable[Client], store: Store) -> dict[str, str]:
    """The secrets of the machines among the clients, by client id: kept ones, or new ones."""
    kept = store.all(_KIND)
    found: dict[str, str] = {}
    for client in clients:
        if client.type == "machine":
            secret = kept.get(client.client_id, {}).get("secret")
            if not isinstance(secret, str) or not secret:
                secret = secrets.token_urlsafe(24)
                store.put(_KIND, client.client_id, {"secret": secret})
            found[client.client_id] = secret
    return found
