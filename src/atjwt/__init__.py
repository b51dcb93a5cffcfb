"""atjwt validates OAuth 2.0 access tokens in ASGI apps.

It accepts the two token profiles that an authorization server such as Auth0 issues, its own and
RFC 9068, judges each under its own strict rules, and hands the app one `Principal`.

The map, in the order in which a request is judged:

    asgi                the middleware; `starlette` has the decorators, `fastapi` the dependencies
    core/bearer         the Authorization header → the access token
    core/token          its shape
    core/profile        whose token, under which rules
    jwks_client         the issuer's keys; `core/jwks` selects the one
    core/verify         signature, times, claims
    core/principal      who is calling
    core/policy         what they may do; `policies` has all that can be asked
    core/challenge      what a refused caller is told
    resource_server     joins all of these

Beside it: `errors` (what can go wrong), `events` (what happened), `guards` (which routes are guarded),
`explain` (why a token is refused), `doctor` (what is wrong with a set-up), `testing` and `issuer` (a
local authorization server), `python -m atjwt` (the command line).
"""

from atjwt.core.key_record import KeyPolicy
from atjwt.core.policy import Policy, all_of, any_of
from atjwt.core.principal import Principal
from atjwt.core.profile import AUTH0, RFC9068
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import (
    AuthError,
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    Reason,
)
from atjwt.policies import has_permission, has_role, has_scope
from atjwt.resource_server import ResourceServer

__all__ = [
    "AUTH0",
    "RFC9068",
    "AuthError",
    "ConfigurationError",
    "InsufficientScope",
    "InvalidToken",
    "KeyPolicy",
    "KeysUnavailable",
    "Policy",
    "Principal",
    "Reason",
    "ResourceServer",
    "TrustedIssuer",
    "all_of",
    "any_of",
    "has_permission",
    "has_role",
    "has_scope",
]
