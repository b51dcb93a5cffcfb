"""The page of one API: its settings, its permissions, and beside them the token that they make."""

import json
from collections.abc import Iterable, Mapping
from typing import Final
from urllib.parse import urlencode

from starlette.responses import Response

from atjwt.issuer.api import Api
from atjwt.issuer.dashboard_forms import PROFILES, Typed, profile_of
from atjwt.issuer.dashboard_pages import path_of, profile_choice, yes_or_no
from atjwt.issuer.dashboard_parts import HOME, field, form, notice, page, section, tick
from atjwt.issuer.dashboard_sample import Difference, Part, Sample
from atjwt.issuer.markup import Html, element, joined, value_of
from atjwt.issuer.members import MAX_LIFETIME
from atjwt.issuer.tokens import shows_permissions

FOR: Final = "for"
"""The parameter that says for whom the token beside the settings is."""

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
        _settings(action, token, typed, problems),
        _sample(api, shown, callers, chosen),
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
        "Add Permissions in the Access Token": yes_or_no(fact=shows_permissions(api.dialect)),
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


def settings_of(api: Api) -> dict[str, str]:
    """What the form says when nobody has typed: the settings as they are."""
    boxes = {
        "enforce_policies": api.enforces_policies,
        "permissions": shows_permissions(api.dialect),
    }
    ticked = {name: "on" for name, is_on in boxes.items() if is_on}
    return {"profile": profile_of(api), "token_lifetime": str(api.lifetime), **ticked}


def _signs(api: Api) -> str:
    secret = ", with a secret that is not shown here" if api.signing_alg == "HS256" else ""
    return f"its tokens are signed by {api.signing_alg}{secret}."


def _settings(action: str, token: str, typed: Typed, problems: Mapping[str, str]) -> Html:
    lifetime = field(
        "token_lifetime",
        "Token lifetime, in seconds",
        typed.get("token_lifetime", ""),
        hint=f"token_lifetime: 0 to {MAX_LIFETIME}, which are 30 days.",
        problem=problems.get("token_lifetime"),
        inputmode="numeric",
    )
    rbac = "enforce_policies" in typed
    permissions = "All that the caller may do, in the claim permissions. "
    permissions += (
        "The dialect becomes its _authz form."
        if rbac
        else "It needs RBAC: without it, this box is switched off when you save."
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
    return form(
        action,
        token,
        element("h2", "Access Token Settings", id="access-token-settings"),
        profile_choice(typed.get("profile", ""), problems.get("profile")),
        lifetime,
        element("h2", "RBAC Settings"),
        element("fieldset", element("legend", "RBAC Settings", class_="unseen"), *boxes),
        element(
            "div",
            element("button", "Save", class_="main", aria_describedby="new-only"),
            element("p", _NEW_ONLY, id="new-only", class_="soft"),
            class_="actions",
        ),
        class_="card",
        aria_labelledby="access-token-settings",
    )


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


def _sample(api: Api, shown: Sample | str, callers: Mapping[str, str], chosen: str) -> Html:
    links = (
        element(
            "a",
            element("bdi", name),
            href=f"{path_of(api)}?{urlencode({FOR: key})}#token-heading",
            aria_current="true" if key == chosen else None,
        )
        for key, name in callers.items()
    )
    chooser = element("nav", *links, class_="callers", aria_label="Token for")
    content = (_no_token(shown),) if isinstance(shown, str) else _token(api, shown)
    return section(
        "token-heading", "A token with these settings", chooser, *content, class_="card sample"
    )


def _no_token(sentence: str) -> Html:
    refused = "There is none: the token endpoint refuses, because "
    return element("p", refused, sentence, ".")


def _token(api: Api, shown: Sample) -> tuple[Html, ...]:
    here = profile_of(api)
    there = PROFILES["auth0" if here == "rfc9068" else "rfc9068"]
    rows = (_difference(difference) for difference in shown.differences)
    columns = (PROFILES[here], there)
    heads = (element("th", name, scope="col") for name in columns)
    table = element(
        "table",
        element("thead", element("tr", element("th", "In the", scope="col"), *heads)),
        element("tbody", *rows),
        class_="differences",
    )
    parts = (
        element("h3", "Header"),
        _json(shown.header, shown.marked("header")),
        element("h3", "Claims"),
        _json(shown.claims, shown.marked("claims")),
        element(
            "p",
            element("mark", element("span", "\N{NOT EQUAL TO} ", class_="sign"), "marked"),
            f": {there} writes it differently, as below. All else is the same in both profiles.",
            class_="soft after",
        ),
        element("h3", f"What {there} has in its place"),
        table,
        _copied("token", "The token itself", shown.token),
    )
    if shown.command is None:
        return parts
    return (*parts, _copied("command", "A command that gets one", shown.command, _hint_of(shown)))


def _hint_of(shown: Sample) -> str | None:
    if shown.command and "$CLIENT_SECRET" in shown.command:
        return "CLIENT_SECRET is printed when the issuer starts."
    return "Without a login, which the development surface can do."


def _copied(id_: str, label: str, text: str, hint: str | None = None) -> Html:
    heading = element("h3", element("label", label, for_=id_))
    note = element("p", hint, id=f"{id_}-hint", class_="soft") if hint else None
    area = element(
        "textarea",
        text,
        id=id_,
        readonly=True,
        spellcheck="false",
        class_=None if id_ == "token" else "short",
        aria_describedby=f"{id_}-hint" if hint else None,
    )
    return joined(heading, note, area)


def _difference(difference: Difference) -> Html:
    # The words for what is not written are no code, and are nobody's value.
    cells = (
        element("td", element("em", "not written") if text is None else value_of(text))
        for text in (difference.here, difference.there)
    )
    return element("tr", element("th", difference.part, scope="row"), *cells)


def _json(members: Part, marked: set[str]) -> Html:
    """JSON in ASCII, so that a name with a will of its own is shown as what it is."""
    lines: list[Html | str] = ["  {\n"]
    for number, (name, value) in enumerate(members.items(), start=1):
        written = json.dumps(value, indent=2).replace("\n", "\n    ")
        line = f"  {json.dumps(name)}: {written}{',' if number < len(members) else ''}"
        if name in marked:
            sign = element("span", "\N{NOT EQUAL TO} ", class_="sign")
            lines.append(joined(element("mark", sign, line), "\n"))
        else:
            lines.append(f"  {line}\n")
    return element("pre", element("code", *lines, "  }"))
