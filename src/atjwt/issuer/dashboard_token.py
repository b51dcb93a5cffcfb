"""A token, shown as what it is: its members, those marked that the other profile writes differently."""

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlencode

from atjwt.issuer.api import Api
from atjwt.issuer.dashboard_forms import PROFILES, profile_of
from atjwt.issuer.dashboard_parts import section
from atjwt.issuer.dashboard_sample import Difference, Part, Sample
from atjwt.issuer.markup import Html, element, joined, value_of

FOR: Final = "for"
"""The parameter that says for whom the token beside the settings is."""


def token_section(
    path: str, api: Api, shown: Sample | str, callers: Mapping[str, str], chosen: str
) -> Html:
    """The part of an API's page that shows a token.

    path: of the page. shown: the token for the chosen one of the callers, or why there is none.
    """
    links = (
        element(
            "a",
            element("bdi", name),
            href=f"{path}?{urlencode({FOR: key})}#token-heading",
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
    return (
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
        _copied("command", "A command that gets one", *shown.command),
    )


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
