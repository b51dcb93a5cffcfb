"""Everything that can go wrong, by whose fault it is.

    AuthError                    the request is not let in; `reason` says why
    ├── InvalidRequest      400  the Authorization header is not one well-formed credential
    ├── MissingToken        401  nothing was sent
    ├── InvalidToken        401  a token was sent and does not hold
    ├── InsufficientScope   403  the token holds and does not allow this
    ├── InsufficientUserAuthentication
    │                       401  the user must be authenticated anew, or better
    └── KeysUnavailable     503  our side: the issuer's keys cannot be had, the token is unjudged
    ConfigurationError           our side: the program is set up wrongly; raised at start-up

An error carries a `Reason`, which is stable and meant for programs, and a `detail`, which is meant
for the log of the API's owner. Neither ever holds a token, a key or the value of a claim. What a
stranger is told is decided in `core/challenge.py` and nowhere else.
"""

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why a request was refused: one stable word per cause, in the order of the checks."""

    # Step 0, bearer: the Authorization header.
    MISSING_TOKEN = "missing_token"  # noqa: S105 - a word, not a password
    MULTIPLE_CREDENTIALS = "multiple_credentials"
    MALFORMED_CREDENTIALS = "malformed_credentials"
    # Step 1, token: its shape.
    TOKEN_TOO_LARGE = "token_too_large"  # noqa: S105
    OPAQUE_TOKEN = "opaque_token"  # noqa: S105
    ENCRYPTED_TOKEN = "encrypted_token"  # noqa: S105
    INVALID_ENCODING = "invalid_encoding"
    INVALID_JSON = "invalid_json"
    INVALID_HEADER = "invalid_header"
    CRITICAL_HEADER = "critical_header"
    # Steps 2 and 3, profile: whose token, under which rules, by which algorithm.
    UNKNOWN_ISSUER = "unknown_issuer"
    WRONG_TYPE = "wrong_type"
    PROFILE_NOT_ACCEPTED = "profile_not_accepted"
    ALGORITHM_NOT_ALLOWED = "algorithm_not_allowed"
    # Step 4, jwks: the one key.
    KEYS_UNAVAILABLE = "keys_unavailable"
    MISSING_KEY_ID = "missing_key_id"
    UNKNOWN_KEY = "unknown_key"
    UNSUITABLE_KEY = "unsuitable_key"
    AMBIGUOUS_KEY = "ambiguous_key"
    # Steps 5 to 7, verify: signature, times, claims.
    INVALID_SIGNATURE = "invalid_signature"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    WRONG_AUDIENCE = "wrong_audience"
    MISSING_CLAIM = "missing_claim"
    INVALID_CLAIM = "invalid_claim"
    CLIENT_MISMATCH = "client_mismatch"
    ID_TOKEN = "id_token"  # noqa: S105
    BOUND_TOKEN = "bound_token"  # noqa: S105
    # Step 9, policy: what the token allows.
    MISSING_SCOPE = "missing_scope"
    MISSING_PERMISSION = "missing_permission"
    NO_PERMISSIONS_CLAIM = "no_permissions_claim"
    MISSING_ROLE = "missing_role"
    WRONG_CLAIM = "wrong_claim"
    WRONG_KIND = "wrong_kind"
    WRONG_CLIENT = "wrong_client"
    WRONG_ORGANIZATION = "wrong_organization"
    MISSING_AUTHORIZATION_DETAIL = "missing_authorization_detail"
    INSUFFICIENT_USER_AUTHENTICATION = "insufficient_user_authentication"


class AuthError(Exception):
    """A request that is not let in.

    reason: why, for programs (stable).
    detail: why, for the log of the API's owner (may change between versions; never a claim value).
    issuer, profile: the configured issuer and the name of the profile under which the token was
        judged, if it came that far.
    reported: whether log and observers were told.
    """

    reason: Reason
    detail: str
    issuer: str | None = None
    profile: str | None = None
    reported: bool = False

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.reason}: {self.detail}" if self.detail else str(self.reason)


class InvalidRequest(AuthError):
    """The request is missing a parameter, repeats one, or is otherwise malformed (RFC 6750 3.1).

    Answered with 400 and `invalid_request`.
    """


class MissingToken(AuthError):
    """The request lacks any authentication information (RFC 6750 3.1).

    Answered with 401 and a challenge that has no error code.
    """

    def __init__(self, reason: Reason = Reason.MISSING_TOKEN, detail: str = "") -> None:
        super().__init__(reason, detail)


class InvalidToken(AuthError):
    """The access token is expired, revoked, malformed, or invalid for other reasons (RFC 6750 3.1).

    Answered with 401 and `invalid_token`.
    """


class InsufficientScope(AuthError):
    """The request requires higher privileges than the access token has (RFC 6750 3.1).

    Answered with 403 and `insufficient_scope`.
    scopes, permissions, roles: what was missing, nothing else.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        *,
        scopes: Iterable[str] = (),
        permissions: Iterable[str] = (),
        roles: Iterable[str] = (),
    ) -> None:
        super().__init__(reason, detail)
        self.scopes = frozenset(scopes)
        self.permissions = frozenset(permissions)
        self.roles = frozenset(roles)


class InsufficientUserAuthentication(AuthError):
    """The user must be authenticated anew, or by better means (RFC 9470 section 3).

    Answered with 401 and `insufficient_user_authentication`.
    acr_values: the authentication context classes of which one would do, the best first.
    max_age: seconds since the authentication at most; None where its age does not matter.
    scopes: what is missing besides.
    """

    def __init__(
        self,
        reason: Reason = Reason.INSUFFICIENT_USER_AUTHENTICATION,
        detail: str = "",
        *,
        acr_values: Iterable[str] = (),
        max_age: int | None = None,
        scopes: Iterable[str] = (),
    ) -> None:
        super().__init__(reason, detail)
        self.acr_values = tuple(acr_values)
        self.max_age = max_age
        self.scopes = frozenset(scopes)


class KeysUnavailable(AuthError):
    """The issuer's keys cannot be had, so the token can be called neither good nor bad.

    Answered with 503 and `Retry-After`, never with 401: a client would throw a good token away.
    retry_after: seconds until the next attempt.
    """

    def __init__(
        self,
        reason: Reason = Reason.KEYS_UNAVAILABLE,
        detail: str = "",
        *,
        retry_after: float = 1.0,
    ) -> None:
        super().__init__(reason, detail)
        self.retry_after = retry_after


class ConfigurationError(ValueError):
    """The program is set up wrongly. Lists every problem found, each with its fix.

    problems: one sentence each.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__(
            "atjwt is not configured correctly:\n"
            + "\n".join(f"  - {problem}" for problem in self.problems)
        )

    def __reduce__(self) -> tuple[type["ConfigurationError"], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)
