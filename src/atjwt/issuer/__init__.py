"""A local authorization server for development and tests: loopback only, made-up keys, any token.

It spells its claims out itself and reads nothing of the verifier, so that one wrong table there
cannot pass every test; only its Management API is guarded by `atjwt` itself. The way in is
`LocalIssuer`; over sockets it is `python -m atjwt issuer`.
"""

from atjwt.issuer.clients import EVERY_API, MANAGEMENT, Client, Grant
from atjwt.issuer.faults import Endpoint, Fault, Switchboard
from atjwt.issuer.keys import Algorithm
from atjwt.issuer.local import LocalIssuer
from atjwt.issuer.organizations import Organization
from atjwt.issuer.setup import Setup
from atjwt.issuer.setup_file import read_setup
from atjwt.issuer.tokens import REMOVE, Dialect, Kind, TokenOptions
from atjwt.issuer.users import User

__all__ = [
    "EVERY_API",
    "MANAGEMENT",
    "REMOVE",
    "Algorithm",
    "Client",
    "Dialect",
    "Endpoint",
    "Fault",
    "Grant",
    "Kind",
    "LocalIssuer",
    "Organization",
    "Setup",
    "Switchboard",
    "TokenOptions",
    "User",
    "read_setup",
]
