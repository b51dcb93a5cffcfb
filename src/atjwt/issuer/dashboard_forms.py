"""What was typed into the Dashboard's forms → members of the Management API, and what is wrong.

The words of the page (a profile, two boxes) become `token_dialect` and `enforce_policies` here. What
is right is decided by the tables of the Management API, field by field, so that the sentences are
the same; what could not be read goes there as the text that it is, and is refused there.
"""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import urlencode

from atjwt.issuer.api import Api
from atjwt.issuer.members import change_problems, creation_problems
from atjwt.issuer.tokens import is_rfc9068, shows_permissions

Typed: TypeAlias = Mapping[str, str]
"""The fields of a form; one that is empty is left out."""

VERSION: Final = "shown"
"""The hidden field that has the settings which the form showed."""

PROFILES: Final = {"auth0": "Auth0", "rfc9068": "RFC 9068"}
"""The values of *JSON Web Token (JWT) Profile* and what they are called."""

_OF_DIALECT: Final = ("profile", "enforce_policies", "permissions")
_DIALECTS: Final = {"auth0": "access_token", "rfc9068": "rfc9068_profile"}
_FIELDS: Final = {"token_dialect": "profile", "scopes": "value"}


def profile_of(api: Api) -> str:
    """Which of `PROFILES` an API is set to."""
    return "rfc9068" if is_rfc9068(api.dialect) else "auth0"


def registration(typed: Typed) -> dict[str, object]:
    """The settings of a new API."""
    members: dict[str, object] = {
        "name": typed.get("name", "").strip(),
        "identifier": typed.get("identifier", "").strip(),
        "token_dialect": _dialect(typed, permissions=False),
    }
    if "signing_alg" in typed:
        members["signing_alg"] = typed["signing_alg"]
    return members


def registration_problems(members: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with a new API, by field of the form."""
    return _by_field(members, creation_problems, {"identifier": members["identifier"]})


def settings_of(api: Api) -> dict[str, str]:
    """What the form says when nobody has typed: the settings as they are."""
    boxes = {
        "enforce_policies": api.enforces_policies,
        "permissions": shows_permissions(api.dialect),
    }
    ticked = {name: "on" for name, is_on in boxes.items() if is_on}
    return {"profile": profile_of(api), "token_lifetime": str(api.lifetime), **ticked}


def version_of(api: Api) -> str:
    """The settings that a form showed, in one field, to tell whether they are still so."""
    return urlencode(settings_of(api))


def touches_dialect(api: Api, typed: Typed) -> bool:
    """Whether somebody chose another profile, or ticked another box."""
    now = settings_of(api)
    return any(typed.get(name) != now.get(name) for name in _OF_DIALECT)


def settings(api: Api, typed: Typed) -> dict[str, object]:
    """What is to be changed of an API: the members that differ from what they are.

    Permissions come into a token while RBAC is on only, so without it they are not asked for. An API
    that has them without RBAC all the same keeps them until its profile or a box is touched.
    """
    rbac = "enforce_policies" in typed
    dialect: object = api.dialect
    if touches_dialect(api, typed):
        dialect = _dialect(typed, permissions=rbac and "permissions" in typed)
    wanted: dict[str, object] = {
        "token_dialect": dialect,
        "enforce_policies": rbac,
        "token_lifetime": number(typed.get("token_lifetime", "")),
    }
    now = {
        "token_dialect": api.dialect,
        "enforce_policies": api.enforces_policies,
        "token_lifetime": api.lifetime,
    }
    return {name: value for name, value in wanted.items() if value != now[name]}


def with_scope(api: Api, typed: Typed) -> dict[str, object]:
    """The change that adds a permission."""
    added = {"value": typed.get("value", "").strip()}
    if "description" in typed:
        added["description"] = typed["description"]
    return {"scopes": [*api.scope_entries, added]}


def change_problems_by_field(changes: Mapping[str, object]) -> dict[str, str]:
    """What is wrong with a change, by field of the form."""
    return _by_field(changes, change_problems, {})


def field_of(sentence: str) -> str:
    """Which field of a form a refusal is about, by the member that it names; else the whole page."""
    fields = ("identifier", "token_lifetime")
    return next((name for name in fields if name in sentence), "content")


def number(text: str) -> object:
    """A whole number, or the text itself, which no table takes."""
    text = text.strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else text


def _dialect(typed: Typed, *, permissions: bool) -> str:
    profile = typed.get("profile", "")
    return _DIALECTS.get(profile, profile) + ("_authz" if permissions else "")


def _by_field(
    members: Mapping[str, object],
    problems_of: Callable[[Mapping[str, object]], list[str]],
    always: Mapping[str, object],
) -> dict[str, str]:
    found = {}
    for name, value in members.items():
        problems = problems_of({**always, name: value})
        own = [sentence for sentence in problems if sentence.startswith(f"{name} ")]
        if own:
            found[_FIELDS.get(name, name)] = own[0]
    return found
