"""An access token for a caller of one API, written as the API is set at that moment.

The setting is read anew for every token, so a change of the dialect changes new tokens only; those
that are out stay what they are until they expire.
"""

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from atjwt.issuer.agents import agent_claims, machine_subject
from atjwt.issuer.api import Api
from atjwt.issuer.authority import Authority
from atjwt.issuer.clients import Client
from atjwt.issuer.organizations import Organization
from atjwt.issuer.refusal import Refused
from atjwt.issuer.rights import granted_by, machine_scopes, shows_rights
from atjwt.issuer.tokens import REMOVE, Kind, TokenOptions, compact

_OPAQUE_LIFETIME: Final = 86_400  # seconds; Auth0's, for a token that is good for /userinfo only


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Whom a token is for, and what it lets them do.

    client: through which. subject: None for a client that acts for itself. permissions: all that
    they have at the API. organization: in which, if in any.
    """

    client: Client
    scopes: Sequence[str]
    permissions: Sequence[str] = ()
    subject: str | None = None
    organization: Organization | None = None

    @property
    def kind(self) -> Kind:
        """On whose behalf the token is issued."""
        return "client" if self.subject is None else "user"


def machine_caller(
    authority: Authority,
    api: Api,
    client: Client,
    *,
    organization: str | None = None,
    scope: str | None = None,
) -> Caller:
    """What a client that acts for itself gets at an API. Raises Refused: nothing, and why.

    organization, scope: as the request says them.
    """
    grant = authority.machine_grant(client.client_id, api)
    if grant is None:  # as at Auth0, status included
        raise Refused("access_denied", "the client has no grant for this API", 403)
    chosen = authority.organizations.for_machine(organization, grant)
    scopes = machine_scopes(granted_by(grant, api), scope)
    return Caller(client=client, scopes=scopes, permissions=scopes, organization=chosen)


def token_response(authority: Authority, api: Api | None, caller: Caller) -> dict[str, object]:
    """The successful token response (RFC 6749 section 5.1), without an ID token.

    api: None where none was asked for; as at Auth0, the token is then opaque.
    Raises Refused: the API is set to something that this issuer cannot issue.
    """
    if api is None:
        token, lifetime = secrets.token_urlsafe(24), _OPAQUE_LIFETIME
    else:
        token, lifetime = _token(authority, api, caller), api.lifetime
    answer: dict[str, object] = {
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": lifetime,
    }
    return answer | ({"scope": " ".join(caller.scopes)} if caller.scopes else {})


def _token(authority: Authority, api: Api, caller: Caller) -> str:
    _check_possible(api)
    claims = agent_claims(api, caller.client, is_user=caller.kind == "user")
    claims |= authority.organizations.claims(caller.organization)
    if not shows_rights(api):
        claims["permissions"] = REMOVE
    if api.signing_alg == "HS256":
        # Only a token that anybody can verify is good for the issuer's /userinfo too.
        claims["aud"] = api.identifier
    options: TokenOptions = {
        "dialect": api.dialect,
        "kind": caller.kind,
        "subject": caller.subject or machine_subject(api, caller.client),
        "client_id": caller.client.client_id,
        "scopes": caller.scopes,
        "permissions": caller.permissions,
        "audience": api.identifier,
        "lifetime": api.lifetime,
        "claims": claims,
    }
    mint, signer = authority.mint, authority.keys.signer_for(api)
    return compact(mint.header(options, signer), mint.claims(options), signer)


def _check_possible(api: Api) -> None:
    possession = api.members.get("proof_of_possession")
    if isinstance(possession, Mapping) and possession["required"]:
        raise Refused("invalid_request", "the API demands bound tokens, which are not issued here")
    if api.is_set("token_encryption"):
        raise Refused(
            "invalid_request", "the API demands encrypted tokens, which are not issued here"
        )
