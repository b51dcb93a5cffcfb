"""One broken token per `Reason`: everything about it is good but the one thing.

A table, a maker per reason. The order of `Reason` is the order of a verifier's checks; a maker that
breaks a late thing therefore keeps every earlier one good. Three reasons no token can cause; asking
for them is an error that says what causes them instead.
"""

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from atjwt.errors import Reason
from atjwt.issuer.keys import SigningKey, base64url
from atjwt.issuer.tokens import (
    REMOVE,
    Dialect,
    Kind,
    Mint,
    TokenOptions,
    compact,
    dialect_named,
    is_rfc9068,
    json_bytes,
)

_HOUR: Final = 3600
_CUSTOM: Final = "https://local.test/"  # namespaced, as Auth0 asks custom claims to be

NOT_BY_A_TOKEN: Final[dict[Reason, str]] = {
    Reason.MISSING_TOKEN: "no token causes missing_token: send no Authorization header",
    Reason.MULTIPLE_CREDENTIALS: "no token causes multiple_credentials: send two headers",
    Reason.KEYS_UNAVAILABLE: "no token causes keys_unavailable: switch the fault `down` on",
}


def broken_token(
    mint: Mint, reason: Reason, options: TokenOptions, *, default: Dialect = "rfc9068_profile"
) -> str:
    """A token that is refused for exactly this reason, by a verifier that trusts this issuer.

    options: the arguments of `LocalIssuer.token`. default: the dialect, if they name none and the
        reason can be had in it.
    Raises ValueError: no token can cause this reason.
    """
    if reason in NOT_BY_A_TOKEN:
        raise ValueError(NOT_BY_A_TOKEN[reason])
    if reason is Reason.MISSING_KEY_ID and is_rfc9068(default):
        default = _other_profile(default)  # RFC 9068 allows a token without `kid`
    options = {**options, "dialect": dialect_named(options.get("dialect", default))}
    return _MAKERS[reason](mint, options)


def reason_named(name: object) -> Reason:
    """The reason of this name. Raises ValueError: there is none."""
    for reason in Reason:
        if reason == name:
            return reason
    raise ValueError(f"broken is one of {', '.join(Reason)}")


def _with_claims(options: TokenOptions, **changes: object) -> TokenOptions:
    return {**options, "claims": {**(options.get("claims") or {}), **changes}}


def _with_header(options: TokenOptions, changes: Mapping[str, object]) -> TokenOptions:
    return {**options, "header": {**(options.get("header") or {}), **changes}}


def _signed_by(mint: Mint, options: TokenOptions, key: SigningKey) -> str:
    return compact(mint.header(options, key), mint.claims(options), key)


def _other_profile(dialect: Dialect) -> Dialect:
    others: dict[Dialect, Dialect] = {
        "access_token": "rfc9068_profile",
        "access_token_authz": "rfc9068_profile_authz",
        "rfc9068_profile": "access_token",
        "rfc9068_profile_authz": "access_token_authz",
    }
    return others[dialect]


def _profile(options: TokenOptions) -> bool:
    return is_rfc9068(options["dialect"])


# Step 0 and 1: the shape.


def _malformed_credentials(mint: Mint, options: TokenOptions) -> str:
    token = mint.token(options)
    return f"{token[:20]} {token[20:]}"  # a blank ends a token68 (RFC 9110 section 11.2)


def _token_too_large(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, **{f"{_CUSTOM}padding": "x" * 16_384}))


def _opaque_token(mint: Mint, options: TokenOptions) -> str:
    return secrets.token_urlsafe(24)


def _encrypted_token(mint: Mint, options: TokenOptions) -> str:
    # RFC 7516 section 7.1: header, encrypted key, initialization vector, ciphertext, tag.
    header = {"alg": "RSA-OAEP-256", "enc": "A256GCM", "kid": mint.keys.current.kid}
    sizes = (256, 12, len(mint.token(options)), 16)
    return ".".join(
        base64url(part) for part in (json_bytes(header), *map(secrets.token_bytes, sizes))
    )


def _invalid_encoding(mint: Mint, options: TokenOptions) -> str:
    token = mint.token(options)
    signature = token.rpartition(".")[2]
    return token + "=" * (-len(signature) % 4 or 1)  # JOSE leaves the padding out


def _invalid_json(mint: Mint, options: TokenOptions) -> str:
    payload = b'{"sub":"auth0|somebody-else",' + json_bytes(mint.claims(options))[1:]
    return compact(mint.header(options), payload, mint.keys.current)


def _invalid_header(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_header(options, {"kid": 1}))


def _critical_header(mint: Mint, options: TokenOptions) -> str:
    extension = f"{_CUSTOM}extension"
    return mint.token(_with_header(options, {"crit": [extension], extension: True}))


# Steps 2 to 4: whose token, by which algorithm and key.


def _unknown_issuer(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, iss="https://issuer-nobody-trusts.test/"))


def _wrong_type(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_header(options, {"typ": "dpop+jwt"}))


def _profile_not_accepted(mint: Mint, options: TokenOptions) -> str:
    dialect = _other_profile(options["dialect"])
    return mint.token({**options, "dialect": dialect})


def _algorithm_not_allowed(mint: Mint, options: TokenOptions) -> str:
    # The classic confusion (RFC 8725 section 2.1): the public key, taken for an HMAC secret.
    header = mint.header(_with_header(options, {"alg": "HS256"}))
    signing_input = f"{base64url(json_bytes(header))}.{base64url(json_bytes(mint.claims(options)))}"
    secret = mint.keys.current.public_pem()
    digest = hmac.digest(secret, signing_input.encode("ascii"), hashlib.sha256)
    return f"{signing_input}.{base64url(digest)}"


def _missing_key_id(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_header(options, {"kid": REMOVE}))


def _unknown_key(mint: Mint, options: TokenOptions) -> str:
    return _signed_by(mint, options, mint.keys.stranger())


def _unsuitable_key(mint: Mint, options: TokenOptions) -> str:
    key = mint.keys.current
    if key.algorithm.startswith(("RS", "PS")):
        # The key could verify it; only that it is published for the other algorithm forbids it.
        alg = ("PS" if key.algorithm.startswith("RS") else "RS") + key.algorithm[2:]
        header = mint.header(_with_header(options, {"alg": alg}))
        return compact(header, mint.claims(options), key, algorithm=alg)
    other = SigningKey.generate("RS256", kid=key.kid)
    return _signed_by(mint, options, other)


def _ambiguous_key(mint: Mint, options: TokenOptions) -> str:
    return _signed_by(mint, options, mint.keys.twins())


# Steps 5 to 7: signature, times, claims.


def _invalid_signature(mint: Mint, options: TokenOptions) -> str:
    key, header, claims = mint.keys.current, mint.header(options), mint.claims(options)
    signing_input = f"{base64url(json_bytes(header))}.{base64url(json_bytes(claims))}"
    signature = bytearray(key.sign(signing_input.encode("ascii")))
    signature[len(signature) // 2] ^= 1  # encoded anew, so the base64url stays canonical
    return f"{signing_input}.{base64url(bytes(signature))}"


def _expired(mint: Mint, options: TokenOptions) -> str:
    now = int(mint.clock())
    return mint.token(_with_claims(options, iat=now - 2 * _HOUR, exp=now - _HOUR))


def _not_yet_valid(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, nbf=int(mint.clock()) + _HOUR))


def _wrong_audience(mint: Mint, options: TokenOptions) -> str:
    return mint.token({**options, "audience": "https://another-api.example.com/"})


def _missing_claim(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, sub=REMOVE))


def _invalid_claim(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, sub=66))


def _client_mismatch(mint: Mint, options: TokenOptions) -> str:
    member = "azp" if _profile(options) else "client_id"
    return mint.token(_with_claims(options, **{member: "another-client"}))


def _id_token(mint: Mint, options: TokenOptions) -> str:
    at_hash = base64url(secrets.token_bytes(16))
    return mint.token(_with_claims(options, nonce=secrets.token_urlsafe(12), at_hash=at_hash))


def _bound_token(mint: Mint, options: TokenOptions) -> str:
    thumbprint = base64url(secrets.token_bytes(32))  # of a DPoP key (RFC 9449 section 6.1)
    return mint.token(_with_claims(options, cnf={"jkt": thumbprint}))


# Step 9: good tokens that allow too little.


def _missing_scope(mint: Mint, options: TokenOptions) -> str:
    return mint.token({**options, "scopes": ()})


def _missing_permission(mint: Mint, options: TokenOptions) -> str:
    dialect: Dialect = "rfc9068_profile_authz" if _profile(options) else "access_token_authz"
    return mint.token({**options, "dialect": dialect, "permissions": ()})


def _no_permissions_claim(mint: Mint, options: TokenOptions) -> str:
    dialect: Dialect = "rfc9068_profile" if _profile(options) else "access_token"
    return mint.token({**options, "dialect": dialect})


def _missing_role(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, roles=REMOVE))


def _wrong_claim(mint: Mint, options: TokenOptions) -> str:
    return mint.token(options)  # which claim a policy looks for is not known here; there is none


def _wrong_kind(mint: Mint, options: TokenOptions) -> str:
    others: dict[Kind, Kind] = {"user": "client", "client": "user", "agent": "user"}
    return mint.token({**options, "kind": others[options.get("kind", "user")], "subject": None})


def _wrong_client(mint: Mint, options: TokenOptions) -> str:
    return mint.token({**options, "client_id": "another-client"})


def _wrong_organization(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, org_id="org_another"))


def _missing_authorization_detail(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, authorization_details=REMOVE))


def _insufficient_user_authentication(mint: Mint, options: TokenOptions) -> str:
    return mint.token(_with_claims(options, acr=REMOVE, auth_time=REMOVE))


_MAKERS: Final[dict[Reason, Callable[[Mint, TokenOptions], str]]] = {
    Reason.MALFORMED_CREDENTIALS: _malformed_credentials,
    Reason.TOKEN_TOO_LARGE: _token_too_large,
    Reason.OPAQUE_TOKEN: _opaque_token,
    Reason.ENCRYPTED_TOKEN: _encrypted_token,
    Reason.INVALID_ENCODING: _invalid_encoding,
    Reason.INVALID_JSON: _invalid_json,
    Reason.INVALID_HEADER: _invalid_header,
    Reason.CRITICAL_HEADER: _critical_header,
    Reason.UNKNOWN_ISSUER: _unknown_issuer,
    Reason.WRONG_TYPE: _wrong_type,
    Reason.PROFILE_NOT_ACCEPTED: _profile_not_accepted,
    Reason.ALGORITHM_NOT_ALLOWED: _algorithm_not_allowed,
    Reason.MISSING_KEY_ID: _missing_key_id,
    Reason.UNKNOWN_KEY: _unknown_key,
    Reason.UNSUITABLE_KEY: _unsuitable_key,
    Reason.AMBIGUOUS_KEY: _ambiguous_key,
    Reason.INVALID_SIGNATURE: _invalid_signature,
    Reason.EXPIRED: _expired,
    Reason.NOT_YET_VALID: _not_yet_valid,
    Reason.WRONG_AUDIENCE: _wrong_audience,
    Reason.MISSING_CLAIM: _missing_claim,
    Reason.INVALID_CLAIM: _invalid_claim,
    Reason.CLIENT_MISMATCH: _client_mismatch,
    Reason.ID_TOKEN: _id_token,
    Reason.BOUND_TOKEN: _bound_token,
    Reason.MISSING_SCOPE: _missing_scope,
    Reason.MISSING_PERMISSION: _missing_permission,
    Reason.NO_PERMISSIONS_CLAIM: _no_permissions_claim,
    Reason.MISSING_ROLE: _missing_role,
    Reason.WRONG_CLAIM: _wrong_claim,
    Reason.WRONG_KIND: _wrong_kind,
    Reason.WRONG_CLIENT: _wrong_client,
    Reason.WRONG_ORGANIZATION: _wrong_organization,
    Reason.MISSING_AUTHORIZATION_DETAIL: _missing_authorization_detail,
    Reason.INSUFFICIENT_USER_AUTHENTICATION: _insufficient_user_authentication,
}
