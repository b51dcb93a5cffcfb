"""Who gets which scopes and permissions at an API, as Auth0's pages on RBAC and client grants say.

    a user       scope: what was requested and is assigned to them, or, without RBAC, what was
                 requested and is defined; permissions: all that is assigned, requested or not
    a machine    scope: what its grant allows and was requested, all of it where nothing was;
                 permissions: the same (no source says; recorded tokens look so)

Only what the API defines counts. Scopes of OpenID Connect need no right. `permissions` are shown by
the `_authz` dialects, and only while RBAC is on: the API takes other combinations too, and no source
says what a tenant then writes.
"""

from collections.abc import Sequence
from typing import Final

from atjwt.issuer.api import Api
from atjwt.issuer.clients import Grant
from atjwt.issuer.refusal import Refused
from atjwt.issuer.tokens import OIDC_SCOPES, shows_permissions
from atjwt.issuer.users import User

_FREE: Final = OIDC_SCOPES - {"offline_access"}  # there are no refresh tokens


def assigned_to(user: User, api: Api, *, main: bool) -> list[str]:
    """What a user may do at an API. main: whether it is the issuer's first."""
    own = user.permissions_at.get(api.identifier)
    if own is None:
        own = (*(user.permissions if main else ()), *user.everywhere_at(api.scopes))
    return [name for name in dict.fromkeys(own) if name in api.scopes]


def granted_by(grant: Grant, api: Api) -> tuple[str, ...]:
    """What a grant lets a client ask for at its API."""
    if grant.allow_all_scopes:
        return api.scopes
    return tuple(name for name in dict.fromkeys(grant.scopes) if name in api.scopes)


def shows_rights(api: Api) -> bool:
    """Whether its tokens have the `permissions` claim."""
    return shows_permissions(api.dialect) and api.enforces_policies


def user_scopes(
    api: Api | None,
    requested: Sequence[str],
    assigned: Sequence[str],
    granted: Sequence[str] | None,
) -> list[str]:
    """The scopes of a user's token; as at Auth0, the others are dropped without a word.

    api: None where none was asked for; then only those of OpenID Connect have a meaning.
    granted: what the client may ask for, where that matters.
    """
    allowed: set[str] = set()
    if api is not None:
        allowed = set(assigned if api.enforces_policies else api.scopes)
        allowed &= allowed if granted is None else set(granted)
    return [scope for scope in dict.fromkeys(requested) if scope in allowed | _FREE]


def machine_scopes(granted: Sequence[str], requested: str | None) -> list[str]:
    """The scopes of a machine's token. Raises Refused: it asked for one that it may not have."""
    if requested is None:
        return list(granted)
    wanted = list(dict.fromkeys(scope for scope in requested.split(" ") if scope))
    if not set(wanted) <= set(granted):
        raise Refused("invalid_scope", "the client may not ask for one of these scopes")
    return wanted
