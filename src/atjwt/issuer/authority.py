"""The parts of one local authorization server, joined by whoever needs them: the app, the tests.

Mutable in three places only, each made for it: the key ring, the fault switches, and the dialect of
the one API, which is the setting this library is about.
"""

from dataclasses import dataclass, field

from atjwt.issuer.faults import Switchboard
from atjwt.issuer.keys import KeyRing
from atjwt.issuer.tokens import Dialect, Mint
from atjwt.issuer.users import User
from atjwt.issuer.wellknown import WellKnown


@dataclass(frozen=True, slots=True)
class MachineClient:
    """The built-in client that acts for itself.

    client_secret: made at run time. scopes: what it may ask for, and gets when it asks for nothing.
    """

    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AppClient:
    """The built-in client that users log in to: a single-page app, such as a docs page.

    It is public (RFC 6749 section 2.1): it has no secret, and proves by PKCE that a code is its own.
    name: for the login page.
    """

    client_id: str
    name: str


@dataclass(slots=True, kw_only=True)
class Authority:
    """An issuer with one API, two clients, and some users. dialect: the API's setting."""

    keys: KeyRing
    mint: Mint
    faults: Switchboard
    wellknown: WellKnown
    client: MachineClient
    app_client: AppClient
    users: tuple[User, ...]
    dialect: Dialect
