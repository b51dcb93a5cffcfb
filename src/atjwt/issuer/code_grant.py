"""An authorization code → tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

A code is taken out before anything about it is compared, so that a wrong verifier or redirect URI
costs the code and nobody guesses twice. A second use finds nothing, and nothing else happens.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from atjwt.issuer.authority import Authority
from atjwt.issuer.authorization import Login
from atjwt.issuer.keys import base64url
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.refusal import Refused
from atjwt.issuer.tokens import compact

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)  # RFC 7636 section 4.1
_ID_TOKEN_LIFETIME: Final = 36_000  # seconds; Auth0's default


def code_grant(
    authority: Authority, codes: OnceOnly[Login], asked: Mapping[str, str], *, lifetime: int
) -> dict[str, object]:
    """The successful token response (RFC 6749 section 5.1), with an ID token for `openid`.

    asked: the request's parameters; the client is known already.
    lifetime: of the access token, in seconds.
    Raises Refused.
    """
    login = _redeemed(codes, asked)
    request, user = login.request, login.user
    scopes = request.scopes_for(user)
    if request.audience is None:  # as at Auth0: who asks for no API gets no JWT
        token = secrets.token_urlsafe(24)
    else:
        token = authority.mint.token(
            {
                "dialect": authority.dialect,
                "kind": "user",
                "subject": user.subject,
                "client_id": request.client_id,
                "scopes": scopes,
                "permissions": user.permissions,
                "lifetime": lifetime,
            }
        )
    answer: dict[str, object] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
    }
    if scopes:
        answer["scope"] = " ".join(scopes)
    if "openid" in scopes:
        answer["id_token"] = _id_token(authority, login)
    return answer


def _redeemed(codes: OnceOnly[Login], asked: Mapping[str, str]) -> Login:
    for name in ("code", "redirect_uri", "code_verifier"):
        if name not in asked:
            raise Refused("invalid_request", f"{name} is missing")
    login = codes.take(asked["code"])
    if login is None:
        raise Refused("invalid_grant", "the code is unknown, was used before, or is too old")
    if asked["redirect_uri"] != login.request.address.redirect_uri:
        raise Refused("invalid_grant", "redirect_uri is not the one that the code was sent to")
    if not _is_verifier(asked["code_verifier"], login.request.code_challenge):
        raise Refused("invalid_grant", "code_verifier does not fit the code_challenge")
    return login


def _is_verifier(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = hashlib.sha256(verifier.encode("ascii")).digest()
    return hmac.compare_digest(base64url(digest), challenge)


def _id_token(authority: Authority, login: Login) -> str:
    """OpenID Connect Core 1.0 section 2; for the client, so no API may take it."""
    mint, request = authority.mint, login.request
    issued_at = int(mint.clock())
    claims: dict[str, object] = {
        "iss": mint.issuer,
        "sub": login.user.subject,
        "aud": request.client_id,
        "iat": issued_at,
        "exp": issued_at + _ID_TOKEN_LIFETIME,
        "auth_time": int(login.at),
    }
    if "profile" in request.scopes:
        claims["name"] = login.user.name
    if request.nonce is not None:
        claims["nonce"] = request.nonce
    key = mint.keys.current
    return compact(mint.header({"dialect": "access_token"}, key), claims, key)
