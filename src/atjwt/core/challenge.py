"""The last station: an error → status, headers, body.

One table says what a stranger is told: for each `Reason` a status, RFC 6750's error code and one
safe sentence. Nothing of the request is repeated, so nothing of it can be injected; quotes,
backslashes and whatever is not ASCII cannot stand in a challenge (RFC 6750 section 3). Details are
for the log.
"""

import json
import re
from collections.abc import Mapping
from math import ceil
from typing import NamedTuple

from atjwt.errors import (
    AuthError,
    InsufficientScope,
    InsufficientUserAuthentication,
    KeysUnavailable,
    Reason,
)


class Answer(NamedTuple):
    """What a stranger is told for one reason.

    error: the code of RFC 6750 section 3.1; None where there must be none in the challenge.
    """

    status: int
    error: str | None
    sentence: str


def _invalid_token(sentence: str) -> Answer:
    return Answer(401, "invalid_token", sentence)


def _not_allowed(sentence: str) -> Answer:
    return Answer(403, "insufficient_scope", sentence)


ANSWERS: Mapping[Reason, Answer] = {
    Reason.MISSING_TOKEN: Answer(401, None, "An access token is required."),
    Reason.MULTIPLE_CREDENTIALS: Answer(
        400, "invalid_request", "The request carries more than one set of credentials."
    ),
    Reason.MALFORMED_CREDENTIALS: Answer(
        400, "invalid_request", "The Authorization header is not Bearer and one access token."
    ),
    Reason.TOKEN_TOO_LARGE: _invalid_token("The access token is too large."),
    Reason.OPAQUE_TOKEN: _invalid_token(
        "The access token is not a JWT. Ask the authorization server for one with this API's"
        " audience."
    ),
    Reason.ENCRYPTED_TOKEN: _invalid_token("The access token is encrypted."),
    Reason.INVALID_ENCODING: _invalid_token("The access token is not well-formed."),
    Reason.INVALID_JSON: _invalid_token("The access token is not well-formed."),
    Reason.INVALID_HEADER: _invalid_token("The access token's header is not well-formed."),
    Reason.CRITICAL_HEADER: _invalid_token(
        "The access token's header demands an extension that is not supported."
    ),
    Reason.UNKNOWN_ISSUER: _invalid_token("The access token's issuer is not trusted here."),
    Reason.WRONG_TYPE: _invalid_token("The token is not an access token."),
    Reason.PROFILE_NOT_ACCEPTED: _invalid_token(
        "Access tokens of this token profile are not accepted here."
    ),
    Reason.ALGORITHM_NOT_ALLOWED: _invalid_token(
        "The access token is signed by an algorithm that is not accepted here."
    ),
    Reason.KEYS_UNAVAILABLE: Answer(
        503, "temporarily_unavailable", "Access tokens cannot be verified at the moment. Try again."
    ),
    Reason.MISSING_KEY_ID: _invalid_token("The access token names no key."),
    Reason.UNKNOWN_KEY: _invalid_token("The access token is signed by an unknown key."),
    Reason.UNSUITABLE_KEY: _invalid_token("The access token's key does not fit its algorithm."),
    Reason.AMBIGUOUS_KEY: _invalid_token("The access token's key is ambiguous."),
    Reason.INVALID_SIGNATURE: _invalid_token("The access token's signature does not hold."),
    Reason.EXPIRED: _invalid_token("The access token expired."),
    Reason.NOT_YET_VALID: _invalid_token("The access token is not valid yet."),
    Reason.WRONG_AUDIENCE: _invalid_token("The access token is meant for another API."),
    Reason.MISSING_CLAIM: _invalid_token("The access token lacks a required claim."),
    Reason.INVALID_CLAIM: _invalid_token("A claim of the access token is not well-formed."),
    Reason.CLIENT_MISMATCH: _invalid_token("The access token names two different clients."),
    Reason.ID_TOKEN: _invalid_token("The token is an ID token, not an access token."),
    Reason.BOUND_TOKEN: _invalid_token(
        "The access token is bound to a key and cannot be used as a bearer token."
    ),
    Reason.MISSING_SCOPE: _not_allowed(
        "The access token lacks a scope that this request requires."
    ),
    Reason.MISSING_PERMISSION: _not_allowed(
        "The caller lacks a permission that this request requires."
    ),
    Reason.NO_PERMISSIONS_CLAIM: _not_allowed(
        "The access token carries no permissions, and this request requires one."
    ),
    Reason.MISSING_ROLE: _not_allowed("The caller lacks a role that this request requires."),
    Reason.WRONG_CLAIM: _not_allowed("The access token does not allow this request."),
    Reason.WRONG_KIND: _not_allowed("This request is not for this kind of caller."),
    Reason.WRONG_CLIENT: _not_allowed("This request is not for this client."),
    Reason.WRONG_ORGANIZATION: _not_allowed("This request is not for this organization."),
    Reason.MISSING_AUTHORIZATION_DETAIL: _not_allowed(
        "The access token lacks the authorization details that this request requires."
    ),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: Answer(
        401,
        "insufficient_user_authentication",
        "The user must log in again for this request, or in a stronger way.",
    ),
}


# The body has no rule of its own for a request without credentials; clients look for `error`.
_BODIES: Mapping[Reason, bytes] = {
    reason: json.dumps(
        {"error": answer.error or reason.value, "error_description": answer.sentence}
    ).encode("ascii")
    for reason, answer in ANSWERS.items()
}


class Challenge(NamedTuple):
    """An answer as ASGI sends it.

    headers: pairs of bytes, names in lower case.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def build_challenge(
    error: AuthError, *, realm: str, resource_metadata: str | None = None
) -> Challenge:
    """Builds the answer to a request that is not let in (RFC 6750 section 3, RFC 9470 section 3).

    realm: the name of what is protected; what cannot stand in a challenge is left out of it.
    resource_metadata: the URL of the API's metadata (RFC 9728 section 5.1).
    """
    answer = ANSWERS[error.reason]
    body = _BODIES[error.reason]
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
    ]
    if isinstance(error, KeysUnavailable):
        headers.append((b"retry-after", b"%d" % max(1, ceil(error.retry_after))))
    else:
        parameters = _parameters(error, answer, realm)
        if resource_metadata is not None:
            parameters["resource_metadata"] = resource_metadata
        headers.append((b"www-authenticate", _challenge_header(parameters)))
    return Challenge(answer.status, tuple(headers), body)


def _parameters(error: AuthError, answer: Answer, realm: str) -> dict[str, str]:
    parameters = {"realm": realm}
    if answer.error is not None:
        parameters |= {"error": answer.error, "error_description": answer.sentence}
    if isinstance(error, InsufficientUserAuthentication):
        acr_values = " ".join(filter(None, map(_quotable, error.acr_values)))
        parameters |= {"acr_values": acr_values} if acr_values else {}
        if error.max_age is not None:
            parameters["max_age"] = str(error.max_age)
    if isinstance(error, InsufficientScope | InsufficientUserAuthentication):
        scopes = " ".join(filter(None, map(_quotable, sorted(error.scopes))))
        parameters |= {"scope": scopes} if scopes else {}
    return parameters


def _challenge_header(parameters: Mapping[str, str]) -> bytes:
    written = ", ".join(f'{name}="{_quotable(value)}"' for name, value in parameters.items())
    return f"Bearer {written}".encode("ascii")


def _quotable(text: str) -> str:
    return _UNQUOTABLE.sub("", text)


_UNQUOTABLE = re.compile(r"[^ !#-\[\]-~]")
