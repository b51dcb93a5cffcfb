"""What an issuer begins with: APIs, users, clients, grants. What is not given is built in. There are
no organizations but those that are given.

APIs      one, with the scopes that the users and the machine have; RBAC is on
users     a clerk who may read and a manager who may do everything
clients   a machine and a single-page app, each unless another of its type is given; one for the
          Management API, always
grants    the built-in machine may do everything at every API, those made later too, in any
          organization or none, unless a grant of its own is given; the client for the Management
          API may do everything there, always
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Self, TypeAlias

from atjwt.errors import ConfigurationError
from atjwt.issuer.clients import APP, EVERY_API, MACHINE, MANAGER, Client, Grant
from atjwt.issuer.members import creation_problems, kept_problems
from atjwt.issuer.organizations import Organization
from atjwt.issuer.tokens import MACHINE_SCOPES
from atjwt.issuer.users import USERS, User, checked

AUDIENCE: Final = "https://api.example.com/"

_EVERYTHING: Final = Grant(
    client_id=MACHINE.client_id,
    audience=EVERY_API,
    organization_usage="allow",
    allow_any_organization=True,
    allow_all_scopes=True,
)

Settings: TypeAlias = Mapping[str, object]
"""An API's settings, by the names of the Management API."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """APIs, users, clients and the rest to begin with; where there are none, the built-in ones.

    apis: their settings; the first is the issuer's main API. `read_setup` reads a file.
    with_organization_names: whether requests may name an organization by its name, and tokens have
        `org_name` (Auth0's tenant setting `allow_organization_name_in_authentication_api`).
    Raises ConfigurationError: every setting that is wrong.
    """

    apis: tuple[Settings, ...] = field(default=(), repr=False)  # a signing secret may be in it
    users: tuple[User, ...] = ()
    clients: tuple[Client, ...] = ()
    grants: tuple[Grant, ...] = ()
    organizations: tuple[Organization, ...] = ()
    with_organization_names: bool = False

    def __post_init__(self) -> None:
        problems = [
            f"Setup: apis[{number}]: {problem}"
            for number, api in enumerate(self.apis)
            for problem in creation_problems(api) or kept_problems(api)
        ]
        both = clashes(self.clients, self.grants)
        if problems or both:
            raise ConfigurationError([*problems, *(f"Setup: {problem}" for problem in both)])

    @property
    def audience(self) -> str | None:
        """The identifier of the first API, if one is given."""
        return str(self.apis[0]["identifier"]) if self.apis else None

    def completed(self, *, audience: str, users: Iterable[User] | None = None) -> Self:
        """The whole of it, with what is built in.

        audience: the identifier of the main API; one that is not here is added.
        users: instead of these. Raises ValueError: about the users.
        """
        people = checked(users if users is not None else self.users or USERS)
        apis = self.apis
        if all(api["identifier"] != audience for api in apis):
            apis = (_main_api(audience, people), *apis)
        clients = (*self.clients, *built_in(self.clients))
        is_there = any(client.client_id == MACHINE.client_id for client in clients)
        has_own = any(grant.client_id == MACHINE.client_id for grant in self.grants)
        grants = (*self.grants, _EVERYTHING) if is_there and not has_own else self.grants
        return replace(self, apis=apis, users=people, clients=clients, grants=grants)


def built_in(clients: Iterable[Client]) -> list[Client]:
    """The clients that are there beside these."""
    given = [*clients]
    types = {client.type for client in given}
    beside = [client for client in (MACHINE, APP) if client.type not in types]
    return beside if MANAGER in given else [*beside, MANAGER]


def clashes(clients: Sequence[Client], grants: Sequence[Grant]) -> list[str]:
    """Clients and grants that cannot be told from those before them, each with its place."""
    ids = [client.client_id for client in (*built_in(clients), *clients)]
    pairs = [grant.pair for grant in grants]
    problems = twice("clients", "client_id", ids, skip=len(ids) - len(clients))
    return problems + [
        f"grants[{number}]: there is one for this client, audience and subject_type; join the two"
        for number, pair in enumerate(pairs)
        if pair in pairs[:number]
    ]


def twice(section: str, member: str, names: Sequence[str], *, skip: int = 0) -> list[str]:
    """The entries whose name is another's before them. skip: how many names are of no entry."""
    return [
        f"{section}[{number - skip}]: {member} is taken; give another one"
        for number, name in enumerate(names)
        if name in names[:number]
    ]


def _main_api(audience: str, users: Iterable[User]) -> Settings:
    names = [*MACHINE_SCOPES, *(name for user in users for name in user.permissions)]
    return {
        "identifier": audience,
        "name": "Example API",
        "scopes": [{"value": name} for name in dict.fromkeys(names)],
        "enforce_policies": True,
    }
