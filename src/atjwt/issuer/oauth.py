"""`POST /oauth/token`: client credentials (RFC 6749 section 4.4) for machines, and codes (section
4.1.3) for apps. Each client has its one grant.

Takes a form or, as Auth0 does, JSON. Answers a JWT as the API is set; without `audience` an opaque
token, as Auth0 does. Refusals are those of RFC 6749 section 5.2, `invalid_target` of RFC 8707 section
2 for an API that is not here, and Auth0's `access_denied` for one that the client has no grant for.
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
from atjwt.issuer.clients import Client
from atjwt.issuer.code_grant import code_grant
from atjwt.issuer.issuing import Caller, machine_caller, token_response
from atjwt.issuer.once import OnceOnly
from atjwt.issuer.refusal import Refused
from atjwt.issuer.rights import machine_scopes
from atjwt.issuer.wellknown import GRANT_TYPES, unavailable

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
            client = self._client(asked, request.headers.getlist("authorization"))
            if client.type == "app":
                answer = code_grant(authority, self._codes, asked, client)
            else:
                answer = self._client_credentials(asked, client)
            return JSONResponse(answer, headers=_NO_STORE)
        except Refused as refusal:
            return _refusal(refusal)

    def _client(self, asked: dict[str, str], headers: list[str]) -> Client:
        """Who is it, and do they ask for the grant that they have?"""
        client = self._authenticated(asked, headers)
        grant_type = asked.get("grant_type")
        if grant_type is None:
            raise Refused("invalid_request", "grant_type is missing")
        if grant_type not in GRANT_TYPES:
            raise Refused("unsupported_grant_type", f"served here: {', '.join(GRANT_TYPES)}")
        if grant_type != client.grant_type:
            raise Refused(
                "unauthorized_client", f"this client has the grant {client.grant_type} only"
            )
        return client

    def _authenticated(self, asked: dict[str, str], headers: list[str]) -> Client:
        client_id, client_secret = asked.get("client_id"), asked.get("client_secret")
        if headers:
            # RFC 6749 section 2.3: one method per request
            if client_secret is not None or len(headers) > 1:
                raise Refused("invalid_request", "the client authenticates in two ways at once")
            client_id, client_secret = _basic(headers[0])
            if asked.get("client_id", client_id) != client_id:
                raise Refused("invalid_request", "client_id names another client than the header")
        client = self._authority.client(client_id)
        if not headers and client_secret is None and client and client.type == "app":
            return client  # a public client has nothing to authenticate by
        # Of an unknown client a secret is compared too, so that the time tells nothing.
        secret = self._authority.secrets.get(client.client_id) if client else None
        if not _same(client_secret, secret) or client is None:
            raise Refused("invalid_client", "unknown client, or not its secret", 401)
        return client

    def _client_credentials(self, asked: dict[str, str], client: Client) -> dict[str, object]:
        authority, audience = self._authority, asked.get("audience")
        if audience is None:
            scopes = machine_scopes(self._of_the_main_api(client), asked.get("scope"))
            if "organization" in asked:
                raise Refused("invalid_request", "an organization goes with an audience")
            return token_response(authority, None, Caller(client=client, scopes=scopes))
        api = authority.apis.of_audience(audience)
        if api is None:
            raise Refused("invalid_target", "no API has this audience")
        wanted = {name: asked.get(name) for name in ("organization", "scope")}
        return token_response(authority, api, machine_caller(authority, api, client, **wanted))

    def _of_the_main_api(self, client: Client) -> tuple[str, ...]:
        main = self._authority.main
        return (main and self._authority.granted(client.client_id, main)) or ()


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


def _same(given: str | None, expected: str | None) -> bool:
    known = expected if expected is not None else secrets.token_urlsafe(24)
    return hmac.compare_digest((given or "").encode("utf-8"), known.encode("utf-8"))


def _refusal(refusal: Refused) -> Response:
    headers = dict(_NO_STORE)
    if refusal.status == 401:
        headers["www-authenticate"] = 'Basic realm="local issuer"'
    return JSONResponse(
        {"error": refusal.error, "error_description": refusal.description},
        status_code=refusal.status,
        headers=headers,
    )
