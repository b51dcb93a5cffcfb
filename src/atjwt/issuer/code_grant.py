"""An authorization code → tokens (RFC 6749 section 4.1.3, RFC 7636 section 4.6).

A code is taken out before anything about it is compared, so that a wrong verifier or redirect URI
costs the code and nobody guesses twice. A second use finds nothing, and nothing else happens.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from typing import Final

from atjwt.issuer.authority import Authority
from atjwt.issuer.authorization import Login
from atjwt.issuer.clients import Client
from atjwt.issuer.issuing import Caller, token_response
from atjwt.issuer.keys import base64url
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.refusal import Refused
from atjwt.issuer.tokens import compact

_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)  # RFC 7636 section 4.1
_ID_TOKEN_LIFETIME: Final = 36_000  # seconds; Auth0's default


def code_grant(
    authority: Authority, codes: OnceOnly[Login], asked: Mapping[str, str], client: Client
) -> dict[str, object]:
    """The successful token response (RFC 6749 section 5.1), with an ID token for `openid`.

    asked: the request's parameters. client: who sends them.
    Raises Refused.
    """
    login = _redeemed(codes, asked, client)
    request, user = login.request, login.user
    api = None if request.audience is None else authority.apis.of_audience(request.audience)
    if request.audience is not None and (
        api is None or not authority.is_open_to_users(client.client_id, api)
    ):
        raise Refused("invalid_target", "since the login, the API has gone, or is closed")
    scopes = authority.scopes_for(user, client.client_id, api, request.scopes)
    caller = Caller(
        client=client,
        subject=user.subject,
        scopes=scopes,
        permissions=authority.assigned(user, api) if api else (),
        organization=request.organization,
    )
    answer = token_response(authority, api, caller)
    if "openid" in scopes:
        answer["id_token"] = _id_token(authority, login)
    return answer


def _redeemed(codes: OnceOnly[Login], asked: Mapping[str, str], client: Client) -> Login:
    for name in ("code", "redirect_uri", "code_verifier"):
        if name not in asked:
            raise Refused("invalid_request", f"{name} is missing")
    login = codes.take(asked["code"])
    if login is None:
        raise Refused("invalid_grant", "the code is unknown, was used before, or is too old")
    if login.request.client_id != client.client_id:
        raise Refused("invalid_grant", "the code was given to another client")
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
        **authority.organizations.claims(request.organization),
    }
    if "profile" in request.scopes:
        claims["name"] = login.user.name
    if request.nonce is not None:
        claims["nonce"] = request.nonce
    key = mint.keys.current
    return compact(mint.header({"dialect": "access_token"}, key), claims, key)
