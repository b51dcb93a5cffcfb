"""The page of one API: its settings, its permissions, and beside them the token that they make."""

from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from atjwt.issuer.api import Api
from atjwt.issuer.dashboard_forms import (
    PROFILES,
    VERSION,
    Typed,
    profile_of,
    settings_of,
    version_of,
)
from atjwt.issuer.dashboard_pages import path_of, profile_choice, yes_or_no
from atjwt.issuer.dashboard_parts import HOME, field, form, notice, page, section, tick
from atjwt.issuer.dashboard_sample import Sample
from atjwt.issuer.dashboard_token import FOR, token_section
from atjwt.issuer.markup import Html, element, joined, value_of
from atjwt.issuer.members import MAX_LIFETIME
from atjwt.issuer.rights import shows_rights

_NEW_ONLY: Final = (
    "New tokens only: from the next one on. Tokens that are out stay as they are until they expire."
)


def settings_page(
    api: Api,
    token: str,
    *,
    shown: Sample | str,
    callers: Mapping[str, str],
    chosen: str,
    told: Iterable[str] = (),
    typed: Typed | None = None,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """One API of which the settings can be changed.

    shown: the token for the chosen one of the callers, or the sentence why there is none.
    told: what has been done. typed: what was typed and was not taken, with its problems.
    """
    problems = problems or {}
    typed = settings_of(api) if typed is None else typed
    action = f"{path_of(api)}?{urlencode({FOR: chosen})}"
    parts = (
        _settings(action, token, version_of(api), typed, problems),
        token_section(path_of(api), api, shown, callers, chosen),
        _permissions(api, token, typed, problems),
    )
    return page(
        api.name,
        element("p", "Identifier ", value_of(api.identifier), "; ", _signs(api), class_="lead"),
        notice(told),
        element("div", *parts, class_="grid api"),
        element(
            "p", element("a", "Delete this API", href=f"{path_of(api)}/delete"), class_="after"
        ),
        problems=problems,
        status=status,
    )


def system_page(api: Api, problems: Mapping[str, str], status: int) -> Response:
    """The issuer's own API, which nobody changes. problems: what was tried all the same."""
    facts = {
        "Identifier": value_of(api.identifier),
        "JSON Web Token (JWT) Profile": PROFILES[profile_of(api)],
        "Add Permissions in the Access Token": yes_or_no(fact=shows_rights(api)),
        "Enable RBAC": yes_or_no(fact=api.enforces_policies),
        "Token lifetime": f"{api.lifetime} seconds",
        "Signing algorithm": api.signing_alg,
        "Permissions": element("ul", *(element("li", value_of(name)) for name in api.scopes)),
    }
    pairs = (joined(element("dt", name), element("dd", fact)) for name, fact in facts.items())
    return page(
        api.name,
        element("p", "A system API: it is read here, and cannot be changed.", class_="lead"),
        element("dl", *pairs, class_="card narrow"),
        element("p", element("a", "All APIs", href=HOME), class_="after"),
        problems=problems,
        status=status,
    )


def delete_page(api: Api, token: str) -> Response:
    """Asks again before an API is removed."""
    path = path_of(api)
    buttons = (
        element("button", "Delete", class_="risky"),
        element("a", "Keep it", href=path),
    )
    return page(
        "Delete this API?",
        element("p", "Identifier ", value_of(api.identifier), class_="lead"),
        form(
            f"{path}/delete",
            token,
            element("p", element("strong", element("bdi", api.name))),
            element(
                "p",
                "There will be no new tokens for it. Those that are out stay until they expire.",
            ),
            element("div", *buttons, class_="actions after"),
            class_="card narrow",
        ),
    )


def _signs(api: Api) -> str:
    secret = ", with a secret that is not shown here" if api.signing_alg == "HS256" else ""
    return f"its tokens are signed by {api.signing_alg}{secret}."


def _settings(
    action: str, token: str, version: str, typed: Typed, problems: Mapping[str, str]
) -> Html:
    lifetime = field(
        "token_lifetime",
        "Token lifetime, in seconds",
        typed.get("token_lifetime", ""),
        hint=f"token_lifetime: 0 to {MAX_LIFETIME}, which are 30 days.",
        problem=problems.get("token_lifetime"),
        inputmode="numeric",
    )
    return form(
        action,
        token,
        element("input", type="hidden", name=VERSION, value=version),
        element("h2", "Access Token Settings", id="access-token-settings"),
        profile_choice(typed.get("profile", ""), problems.get("profile")),
        lifetime,
        element("h2", "RBAC Settings"),
        _rbac(typed),
        element(
            "div",
            element("button", "Save", class_="main", aria_describedby="new-only"),
            element("p", _NEW_ONLY, id="new-only", class_="soft"),
            class_="actions",
        ),
        class_="card",
        aria_labelledby="access-token-settings",
    )


def _rbac(typed: Typed) -> Html:
    rbac = "enforce_policies" in typed
    permissions = "All that the caller may do, in the claim permissions. "
    permissions += (
        "The dialect becomes its _authz form."
        if rbac
        else "It needs RBAC: without it, tokens have none, and a change here switches it off."
    )
    boxes = (
        tick(
            "enforce_policies",
            "Enable RBAC",
            ticked=rbac,
            hint="Users get the scopes that they are assigned; otherwise all that they ask for.",
        ),
        tick(
            "permissions",
            "Add Permissions in the Access Token",
            ticked="permissions" in typed,
            hint=permissions,
        ),
    )
    return element("fieldset", element("legend", "RBAC Settings", class_="unseen"), *boxes)


def _permissions(api: Api, token: str, typed: Typed, problems: Mapping[str, str]) -> Html:
    path = f"{path_of(api)}/scopes"
    rows = (_scope(entry["value"], entry.get("description", "")) for entry in api.scope_entries)
    listed: Html = element("p", "It has none yet.", class_="soft")
    if api.scope_entries:
        listed = form(
            f"{path}/remove", token, element("table", element("tbody", *rows), class_="buttons")
        )
    added = form(
        path,
        token,
        element("h3", "Add a permission"),
        field(
            "value",
            "Permission",
            typed.get("value", ""),
            hint="A scope such as read:orders, without blanks.",
            problem=problems.get("value"),
            spellcheck="false",
        ),
        field("description", "Description (optional)", typed.get("description", "")),
        element("button", "Add"),
        class_="part",
    )
    return section("permissions-heading", "Permissions", listed, added)


def _scope(name: str, description: str) -> Html:
    words = element("div", element("bdi", description), class_="soft") if description else None
    button = element(
        "button",
        "Remove",
        element("span", " ", element("bdi", name), class_="unseen"),
        name="scope",
        value=name,
        class_="small risky",
    )
    return element("tr", element("td", value_of(name), words), element("td", button))
