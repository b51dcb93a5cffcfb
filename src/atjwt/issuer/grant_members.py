"""What a client grant may be: each member with its type, its bounds and where it may be sent.

The source is Auth0's OpenAPI file of its Management API (`/client-grants`). Two of its members are
refused here, because nothing would follow them: `default_for` (there are no third-party clients) and
`authorization_details_types` (no token has such details).
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, cast

from atjwt.issuer.clients import Grant, OrganizationUsage
from atjwt.issuer.members import Check, array, flag, one_of, or_null, problems_in, text

GRANTED: Final = array(text(1, 280, r"\S+", " without blanks"))
"""The names of scopes."""

SETTINGS: Final[Mapping[str, Check]] = {
    "organization_usage": one_of("deny", "allow", "require"),
    "allow_any_organization": flag,
    "allow_all_scopes": flag,
}
"""What a grant has beside its scopes; a file says it by the same names."""

_PAIR: Final[Mapping[str, Check]] = {
    "client_id": text(1, 600),
    "audience": text(1, 600),
    "subject_type": one_of("client", "user"),
}
_CREATION: Final[Mapping[str, Check]] = {**_PAIR, "scope": GRANTED, **SETTINGS}
_CHANGE: Final[Mapping[str, Check]] = {
    name: or_null(check) for name, check in {"scope": GRANTED, **SETTINGS}.items()
}


def creation_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with a new grant: one phrase per member."""
    missing = [f"{name} is missing" for name in ("client_id", "audience") if name not in members]
    return missing + problems_in(members, _CREATION) + _together(members)


def change_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with a change of a grant; client, API and subject type are for ever."""
    return problems_in(members, _CHANGE) + _together(members)


def stored_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with a grant that was kept in a file."""
    missing = [f"{name} is missing" for name in ("client_id", "audience") if name not in members]
    return missing + problems_in(members, {**_CREATION, "audience": or_null(_PAIR["audience"])})


def grant_of(members: Mapping[str, object]) -> Grant:
    """The grant that members describe which are right each for itself."""
    made = Grant(
        client_id=cast("str", members["client_id"]), audience=cast("str", members["audience"])
    )
    if members.get("subject_type") == "user":
        made = replace(made, subject_type="user")
    return changed(made, members)


def changed(grant: Grant, changes: Mapping[str, object]) -> Grant:
    """A grant with other settings; null gives one its default again.

    Scopes that are named end `allow_all_scopes`, for the two exclude each other.
    """
    if changes.get("scope"):
        changes = {"allow_all_scopes": False, **changes}
    names = cast("list[str] | None", changes.get("scope", list(grant.scopes)))
    usage = changes.get("organization_usage", grant.organization_usage)
    return replace(
        grant,
        scopes=() if changes.get("allow_all_scopes") else tuple(names or ()),
        organization_usage=cast("OrganizationUsage", usage or "deny"),
        allow_any_organization=bool(
            changes.get("allow_any_organization", grant.allow_any_organization)
        ),
        allow_all_scopes=bool(changes.get("allow_all_scopes", grant.allow_all_scopes)),
    )


def members_of(grant: Grant) -> dict[str, object]:
    """The members of a grant, as the Management API writes them."""
    return {
        "client_id": grant.client_id,
        "audience": grant.audience,
        "scope": list(grant.scopes),
        "subject_type": grant.subject_type,
        "organization_usage": grant.organization_usage,
        "allow_any_organization": grant.allow_any_organization,
        **({"allow_all_scopes": True} if grant.allow_all_scopes else {}),
    }


def _together(members: Mapping[str, object]) -> list[str]:
    both = members.get("allow_all_scopes") is True and members.get("scope")
    return ["scope is empty where allow_all_scopes is true"] if both else []
