"""The pages of the Dashboard about all APIs: their list, and the form that registers one."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from atjwt.issuer.api import Api
from atjwt.issuer.dashboard_forms import PROFILES, Typed, profile_of
from atjwt.issuer.dashboard_parts import (
    HOME,
    REGISTER,
    choice,
    field,
    form,
    notice,
    page,
    problem_line,
    table,
    tick,
)
from atjwt.issuer.markup import Html, element, joined, value_of
from atjwt.issuer.members import SIGNING_ALGS
from atjwt.issuer.rights import shows_rights

PROFILE_SENTENCES: Final = {
    "auth0": "The default. typ is JWT; the client is in azp; tokens of machines have gty.",
    "rfc9068": "The standard. typ is at+jwt; the client is in client_id; each token has a jti.",
}
"""What a token of each profile looks like, for the radio buttons."""

_COLUMNS: Final = ("Name", "Identifier", "Token profile", "Permissions in token", "RBAC")


def apis_page(apis: Iterable[Api], told: Iterable[str]) -> Response:
    """The list of APIs. told: what has been done."""
    return page(
        "APIs",
        element(
            "p",
            "Each API has its own token profile. A change is seen in the next token.",
            class_="lead",
        ),
        notice(told),
        element("div", table("APIs", _COLUMNS, map(_row, apis)), class_="card"),
        element(
            "p", element("a", "Register API", href=REGISTER, class_="button main"), class_="after"
        ),
        element(
            "p",
            "Everything else that this issuer serves is listed by ",
            element("code", "curl"),
            " at its address.",
            class_="soft after",
        ),
        here=HOME,
    )


def register_page(
    token: str,
    algorithm: str,
    typed: Typed,
    problems: Mapping[str, str],
    status: int = 200,
) -> Response:
    """The form for a new API, with what was typed and what is wrong with it.

    algorithm: by which an API signs that was not told.
    """
    others = {name: name for name in SIGNING_ALGS if name != algorithm}
    fields = (
        field(
            "name",
            "Name",
            typed.get("name", ""),
            hint="What people call it, without < and >.",
            problem=problems.get("name"),
        ),
        field(
            "identifier",
            "Identifier",
            typed.get("identifier", ""),
            hint="The aud of its tokens, best a URL. It can never be changed.",
            problem=problems.get("identifier"),
            spellcheck="false",
        ),
        profile_choice(typed.get("profile", "auth0"), problems.get("profile")),
        choice(
            "signing_alg",
            "Signing algorithm",
            {"": f"{algorithm} (as this issuer signs)", **others},
            typed.get("signing_alg", ""),
            hint="HS256 signs by a secret of the API, which the Management API tells.",
            problem=problems.get("signing_alg"),
        ),
        element("div", element("button", "Register API", class_="main"), class_="actions"),
    )
    return page(
        "Register API",
        element("p", "A new API, with its token profile from the start.", class_="lead"),
        form(REGISTER, token, *fields, class_="card narrow"),
        here=REGISTER,
        problems=problems,
        status=status,
    )


def profile_choice(chosen: str, problem: str | None) -> Html:
    """*JSON Web Token (JWT) Profile*: two radio buttons, each with its sentence."""
    buttons: Sequence[Html] = [
        tick(
            "profile",
            name,
            ticked=chosen == key,
            hint=PROFILE_SENTENCES[key],
            value=key,
            type_="radio",
            id_="profile" if key == "auth0" else f"profile-{key}",
        )
        for key, name in PROFILES.items()
    ]
    legend = element("legend", "JSON Web Token (JWT) Profile")
    return element(
        "fieldset",
        legend,
        problem_line("profile", problem),
        *buttons,
        aria_describedby="profile-problem" if problem else None,
    )


def path_of(api: Api) -> str:
    """Where an API's settings are."""
    return f"{HOME}/apis/{api.id}"


def yes_or_no(*, fact: bool) -> str:
    """In a word."""
    return "yes" if fact else "no"


def _row(api: Api) -> tuple[Html | str, ...]:
    link = element("a", element("bdi", api.name), href=path_of(api))
    badge = joined(" ", element("span", "system API", class_="badge")) if api.is_system else None
    return (
        joined(link, badge),
        value_of(api.identifier),
        PROFILES[profile_of(api)],
        yes_or_no(fact=shows_rights(api)),
        "on" if api.enforces_policies else "off",
    )
