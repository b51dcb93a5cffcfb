"""The parts of one local authorization server, joined by whoever needs them: the app, the tests.

Mutable in three places only, each made for it: the key ring, the fault switches, and the dialect of
the one API, which is the setting this library is about.
"""

from dataclasses import dataclass, field

from atjwt.issuer.faults import Switchboard
from atjwt.issuer.keys import KeyRing
from atjwt.issuer.tokens import Dialect, Mint
from atjwt.issuer.wellknown import WellKnown


@dataclass(frozen=True, slots=True)
class MachineClient:
    """The one built-in client of the token endpoint.

    client_secret: made at run time. scopes: what it may ask for, and gets when it asks for nothing.
    """

    client_id: str
    client_secret: str = field(repr=False)
    scopes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Authority:
    """An issuer with one API and one machine client. dialect: the API's setting."""

    keys: KeyRing
    mint: Mint
    faults: Switchboard
    wellknown: WellKnown
    client: MachineClient
    dialect: Dialect
