"""The parts of one local authorization server, joined by whoever needs them: the app, the tests.

What changes while it runs is in three of them, each made for it: the keys, the fault switches, and
the APIs with their settings. The dialect of the main API is the setting this library is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from atjwt.issuer.api import Api
from atjwt.issuer.apis import Apis
from atjwt.issuer.clients import Client, Grant
from atjwt.issuer.faults import Switchboard
from atjwt.issuer.grants import Grants
from atjwt.issuer.organizations import Organizations
from atjwt.issuer.rights import assigned_to, granted_by, user_scopes
from atjwt.issuer.rings import KeyRings
from atjwt.issuer.store import Store
from atjwt.issuer.tokens import Dialect, Mint
from atjwt.issuer.users import User
from atjwt.issuer.wellknown import WellKnown


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """An issuer with its APIs, clients, users and grants.

    mint: makes any token for the main API. secrets: of the machines, by client id.
    """

    keys: KeyRings
    mint: Mint
    faults: Switchboard
    wellknown: WellKnown
    store: Store
    apis: Apis
    clients: tuple[Client, ...]
    secrets: Mapping[str, str] = field(repr=False)
    grants: Grants
    users: tuple[User, ...]
    organizations: Organizations

    @property
    def main(self) -> Api | None:
        """The main API; None: somebody removed it."""
        return self.apis.of_audience(self.mint.audience)

    @property
    def dialect(self) -> Dialect:
        """The setting of the main API; of one that was removed, the default."""
        return "access_token" if self.main is None else self.main.dialect

    @property
    def apps(self) -> list[Client]:
        """The clients that users log in to."""
        return [client for client in self.clients if client.type == "app"]

    @property
    def machines(self) -> list[Client]:
        """The clients that act for themselves, the one for the Management API last."""
        return [client for client in self.clients if client.type == "machine"]

    def set_dialect(self, dialect: Dialect) -> None:
        """Changes the setting of the main API. Raises ValueError: it was removed."""
        if self.main is None:
            raise ValueError("the main API was removed; make it again by the Management API")
        self.apis.change(self.main.id, {"token_dialect": dialect})

    def client(self, client_id: str | None) -> Client | None:
        """The client of this id."""
        return next((client for client in self.clients if client.client_id == client_id), None)

    def assigned(self, user: User, api: Api) -> list[str]:
        """What a user may do at an API."""
        return assigned_to(user, api, main=api.identifier == self.mint.audience)

    def granted(self, client_id: str, api: Api) -> tuple[str, ...] | None:
        """What a machine may ask for at an API; None: nothing, not even a token."""
        grant = self.machine_grant(client_id, api)
        return None if grant is None else granted_by(grant, api)

    def machine_grant(self, client_id: str, api: Api) -> Grant | None:
        """The grant by which a machine gets tokens for an API; None: it gets none."""
        if api.policy_for("client") == "deny_all":
            return None
        return self.grants.of(client_id, api.identifier)

    def is_open_to_users(self, client_id: str, api: Api) -> bool:
        """Whether users that log in to a client get tokens for an API at all."""
        policy = api.policy_for("user")
        if api.is_system or policy == "deny_all":
            return False
        return policy == "allow_all" or bool(self.grants.of(client_id, api.identifier, "user"))

    def scopes_for(
        self, user: User, client_id: str, api: Api | None, requested: tuple[str, ...]
    ) -> list[str]:
        """What is granted if this user says yes to this client."""
        if api is None:
            return user_scopes(None, requested, (), None)
        granted = None
        if api.policy_for("user") == "require_client_grant":
            grant = self.grants.of(client_id, api.identifier, "user")
            granted = () if grant is None else granted_by(grant, api)
        return user_scopes(api, requested, self.assigned(user, api), granted)
