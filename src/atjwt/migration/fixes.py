"""What to do about refusals, by their reason: one line each, for the API's owner."""

from collections.abc import Mapping
from typing import Final

from atjwt.errors import Reason

_ILL_FORMED: Final = (
    "the client sends something else than the token it was issued; look at it there"
)
_FORGED: Final = "expected from strangers; from a client of yours, explain one of its tokens"

FIXES: Final[Mapping[Reason, str]] = {
    Reason.MISSING_TOKEN: "the client sends no token; expected from browsers and strangers",
    Reason.MULTIPLE_CREDENTIALS: "send one Authorization header; a proxy may add a second",
    Reason.MALFORMED_CREDENTIALS: "send Authorization: Bearer and the token, nothing else",
    Reason.TOKEN_TOO_LARGE: "make it smaller (permissions, custom claims), or raise max_token_size",
    Reason.OPAQUE_TOKEN: "the client must ask for a token with this API's audience",
    Reason.ENCRYPTED_TOKEN: "turn token encryption off for this API",
    Reason.INVALID_ENCODING: _ILL_FORMED,
    Reason.INVALID_JSON: _ILL_FORMED,
    Reason.INVALID_HEADER: _ILL_FORMED,
    Reason.CRITICAL_HEADER: "the token demands an extension that is not known here",
    Reason.UNKNOWN_ISSUER: "add the issuer, a custom domain perhaps; compare the slash at its end",
    Reason.WRONG_TYPE: "not an access token of a known profile; an issuer without typ is not supported",
    Reason.PROFILE_NOT_ACCEPTED: "widen the profiles of this issuer: ATJWT_PROFILES=auth0,rfc9068",
    Reason.ALGORITHM_NOT_ALLOWED: "add it to the issuer's algorithms, if the issuer really uses it",
    Reason.KEYS_UNAVAILABLE: "the issuer's keys could not be had: see the log, and doctor",
    Reason.MISSING_KEY_ID: _FORGED,
    Reason.UNKNOWN_KEY: "a key was rotated lately, or the token is of another tenant",
    Reason.UNSUITABLE_KEY: "the issuer's key is not for this algorithm: see its JWKS",
    Reason.AMBIGUOUS_KEY: "the issuer publishes two keys of one kid: see its JWKS",
    Reason.INVALID_SIGNATURE: _FORGED,
    Reason.EXPIRED: "the client must renew its token in time; else compare the clocks",
    Reason.NOT_YET_VALID: "compare the clocks; leeway allows for what is left",
    Reason.WRONG_AUDIENCE: "the client asks for a token of another API; compare the slash at its end",
    Reason.MISSING_CLAIM: "the issuer leaves out what the profile requires: see the log for which",
    Reason.INVALID_CLAIM: "a claim has another type than the profile says: see the log for which",
    Reason.CLIENT_MISMATCH: "azp and client_id differ: no Auth0 token has both",
    Reason.ID_TOKEN: "the client sends its ID token; it must send the access token",
    Reason.BOUND_TOKEN: "turn proof of possession off for this API; bound tokens are not supported",
    Reason.MISSING_SCOPE: "the client must ask for the scope, and be granted it",
    Reason.MISSING_PERMISSION: "assign the permission to the caller",
    Reason.NO_PERMISSIONS_CLAIM: "set a dialect that ends in _authz, with RBAC on; or guard by scope",
    Reason.MISSING_ROLE: "assign the role; at Auth0 an Action must add it to the token",
    Reason.WRONG_CLAIM: "the issuer did not give the caller this claim",
    Reason.WRONG_KIND: "this is not for callers of that kind",
    Reason.WRONG_CLIENT: "this is not for that client",
    Reason.WRONG_ORGANIZATION: "this is not for that organization",
    Reason.MISSING_AUTHORIZATION_DETAIL: "the client must ask for the authorization details",
    Reason.INSUFFICIENT_USER_AUTHENTICATION: "expected: the client has the user log in again",
}
"""Every reason has one."""


def fix_for(reason: str) -> str:
    """What to do. reason: one of a newer version has none here."""
    known = {one.value: fix for one, fix in FIXES.items()}
    return known.get(reason, "see the log")
