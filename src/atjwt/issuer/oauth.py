"""`POST /oauth/token`: client credentials (RFC 6749 section 4.4) for the built-in machine client, and
codes (section 4.1.3) for the built-in app. Each client has its one grant.

Takes a form or, as Auth0 does, JSON. Answers a JWT in the dialect the API is set to; without
`audience` an opaque token, as Auth0 does. Refusals are those of RFC 6749 section 5.2, and
`invalid_target` of RFC 8707 section 2 for an API that is not here.
"""

import hmac
import secrets
from base64 import b64decode
from binascii import Error as Base64Error
from typing import Final
from urllib.parse import unquote_plus

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from atjwt.issuer.authority import Authority
from atjwt.issuer.authorization import Login
from atjwt.issuer.bodies import media_type, parameters, read_body
from atjwt.issuer.code_grant import code_grant
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.refusal import Refused
from atjwt.issuer.tokens import TokenOptions
from atjwt.issuer.wellknown import GRANT_TYPES, unavailable

_LIFETIME: Final = 86_400  # seconds; Auth0's default for an API
_NO_STORE: Final = {"cache-control": "no-store", "pragma": "no-cache"}  # RFC 6749 section 5.1


class TokenEndpoint:
    """The token endpoint of one authority."""

    def __init__(self, authority: Authority, codes: OnceOnly[Login]) -> None:
        """Keeps the authority, whose setting is read by every request.

        codes: those that the authorization endpoint has given out.
        """
        self._authority = authority
        self._codes = codes

    async def __call__(self, request: Request) -> Response:
        """Answers a token or an error, each as RFC 6749 section 5 writes it."""
        authority = self._authority
        authority.wellknown.count(request.scope["path"])
        try:
            try:
                body = await read_body(request)
                await authority.wellknown.stall("token", gone=request.is_disconnected)
                if authority.faults["token"].down:
                    status, headers, text = unavailable(authority.faults["token"])
                    return Response(text, status, headers)
                asked = parameters(body, media_type(request))
            except ValueError as error:
                raise Refused("invalid_request", str(error)) from None
            grant_type = self._grant_type(asked, request.headers.get("authorization"))
            if grant_type == "authorization_code":
                answer = code_grant(self._authority, self._codes, asked, lifetime=_LIFETIME)
            else:
                answer = self._client_credentials(asked)
            return JSONResponse(answer, headers=_NO_STORE)
        except Refused as refusal:
            return _refusal(refusal)

    def _grant_type(self, asked: dict[str, str], header: str | None) -> str:
        own = self._authenticate(asked, header)
        grant_type = asked.get("grant_type")
        if grant_type is None:
            raise Refused("invalid_request", "grant_type is missing")
        if grant_type not in GRANT_TYPES:
            raise Refused("unsupported_grant_type", f"served here: {', '.join(GRANT_TYPES)}")
        if grant_type != own:
            raise Refused("unauthorized_client", f"this client has the grant {own} only")
        return grant_type

    def _authenticate(self, asked: dict[str, str], header: str | None) -> str:
        """Who is it? Returns the one grant that this client has."""
        client_id, client_secret = asked.get("client_id"), asked.get("client_secret")
        if header is not None:
            if client_secret is not None:  # RFC 6749 section 2.3: one method per request
                raise Refused("invalid_request", "the client authenticates in two ways at once")
            client_id, client_secret = _basic(header)
        elif client_secret is None and client_id == self._authority.app_client.client_id:
            return "authorization_code"  # a public client has nothing to authenticate by
        client = self._authority.client
        known = _same(client_id, client.client_id) & _same(client_secret, client.client_secret)
        if not known:
            raise Refused("invalid_client", "unknown client, or not its secret", 401)
        return "client_credentials"

    def _client_credentials(self, asked: dict[str, str]) -> dict[str, object]:
        authority = self._authority
        scopes = self._scopes(asked.get("scope"))
        audience = asked.get("audience")
        if audience is None:
            token = secrets.token_urlsafe(24)
        elif audience == authority.mint.audience:
            options: TokenOptions = {
                "dialect": authority.dialect,
                "kind": "client",
                "client_id": authority.client.client_id,
                "scopes": scopes,
                "lifetime": _LIFETIME,
            }
            token = authority.mint.token(options)
        else:
            raise Refused("invalid_target", "no API has this audience")
        answer: dict[str, object] = {
            "access_token": token,
            "token_type": "Bearer",
            "expires_in": _LIFETIME,
        }
        return answer | ({"scope": " ".join(scopes)} if scopes else {})

    def _scopes(self, asked: str | None) -> list[str]:
        granted = self._authority.client.scopes
        if asked is None:
            return list(granted)
        wanted = [scope for scope in asked.split(" ") if scope]
        if not set(wanted) <= set(granted):
            raise Refused("invalid_scope", "the client may not ask for one of these scopes")
        return wanted


def _basic(header: str) -> tuple[str, str]:
    scheme, _, credentials = header.partition(" ")
    try:
        text = b64decode(credentials.strip(), validate=True).decode("utf-8")
    except (Base64Error, ValueError):
        text = ""
    if scheme.lower() != "basic" or ":" not in text:
        raise Refused("invalid_client", "the Authorization header is not Basic credentials", 401)
    client_id, _, client_secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(client_secret)  # RFC 6749 section 2.3.1


def _same(given: str | None, expected: str) -> bool:
    # "surrogatepass", because a JSON text may hold half a surrogate pair and must not cause a 500.
    sent = (given or "").encode("utf-8", "surrogatepass")
    return hmac.compare_digest(sent, expected.encode("utf-8"))


def _refusal(refusal: Refused) -> Response:
    headers = dict(_NO_STORE)
    if refusal.status == 401:
        headers["www-authenticate"] = 'Basic realm="local issuer"'
    return JSONResponse(
        {"error": refusal.error, "error_description": refusal.description},
        status_code=refusal.status,
        headers=headers,
    )
