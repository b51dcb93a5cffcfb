"""What the pages of the Dashboard are made of: the frame with its navigation, fields, problems.

Each field has a label, and names its hint and its problem as its description; a page with problems
begins with a list of them that leads to the fields (WCAG 2.2, 3.3.1 and 3.3.2).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from starlette.responses import Response

from atjwt.issuer.dashboard_session import FIELD
from atjwt.issuer.dashboard_style import STYLE
from atjwt.issuer.markup import Attribute, Html, element, joined
from atjwt.issuer.page_frame import OWN_TRACE, framed

HOME: Final = "/dashboard"
REGISTER: Final = f"{HOME}/register"
LAB: Final = f"{HOME}/keys-and-faults"

_NAVIGATION: Final = {HOME: "APIs", REGISTER: "Register API", LAB: "Keys and faults"}


def page(
    title: str,
    *content: str | None,
    here: str = "",
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """A whole page. here: which of the navigation it is. problems: sentences, by id of the field."""
    links = (
        element("a", name, href=path, aria_current="page" if path == here else None)
        for path, name in _NAVIGATION.items()
    )
    body = joined(
        element("a", "Skip to the content", href="#content", class_="skip"),
        element(
            "header",
            element("p", element("strong", "Local issuer"), " for development only"),
            element("nav", *links, aria_label="Dashboard"),
        ),
        element(
            "main",
            element("h1", title),
            _summary(problems) if problems else None,
            *content,
            id="content",
            tabindex="-1",
        ),
    )
    told = f"Error: {title}" if problems else title
    return framed(told, body, style=STYLE, form_action="'self'", status=status, headers=OWN_TRACE)


def message_page(title: str, sentence: str, status: int) -> Response:
    """A page that says why there is no other."""
    link = element("a", "Go to the APIs", href=HOME)
    return page(title, element("p", sentence), element("p", link, class_="after"), status=status)


def form(action: str, token: str, *content: str | None, **attributes: Attribute) -> Html:
    """A form that is posted, with the token of the session."""
    hidden = element("input", type="hidden", name=FIELD, value=token)
    # Without the browser's own checks: the server's sentences are the same by keyboard and by curl.
    fixed: dict[str, Attribute] = {"method": "post", "action": action, "novalidate": True}
    return element("form", hidden, *content, **fixed, **attributes)


def field(
    name: str,
    label: str,
    value: str = "",
    *,
    id_: str = "",
    hint: str | None = None,
    problem: str | None = None,
    **attributes: Attribute,
) -> Html:
    """A line of text to type. id_: where it is not the name."""
    id_ = id_ or name
    control = element(
        "input",
        id=id_,
        name=name,
        value=value,
        **{"type": "text", "autocomplete": "off", **attributes},
        **_described(id_, hint, problem),
    )
    return labelled(id_, label, control, hint=hint, problem=problem)


def choice(
    name: str,
    label: str,
    options: Mapping[str, str],
    chosen: str,
    *,
    id_: str = "",
    hint: str | None = None,
    problem: str | None = None,
) -> Html:
    """One of several words. options: value → what is shown."""
    id_ = id_ or name
    items = (
        element("option", shown, value=value, selected=value == chosen)
        for value, shown in options.items()
    )
    control = element("select", *items, id=id_, name=name, **_described(id_, hint, problem))
    return labelled(id_, label, control, hint=hint, problem=problem)


def tick(
    name: str,
    label: str,
    *,
    ticked: bool,
    hint: str,
    value: str = "on",
    type_: str = "checkbox",
    id_: str = "",
) -> Html:
    """A box to tick, or one of several radio buttons, with its sentence."""
    id_ = id_ or name
    box = element(
        "input",
        type=type_,
        id=id_,
        name=name,
        value=value,
        checked=ticked,
        aria_describedby=f"{id_}-hint",
    )
    words = joined(element("label", label, for_=id_), _hint(id_, hint))
    return element("div", box, element("div", words), class_="tick")


def labelled(id_: str, label: str, control: Html, *, hint: str | None, problem: str | None) -> Html:
    """A control with its label above it."""
    return element(
        "div",
        element("label", label, for_=id_),
        _hint(id_, hint) if hint else None,
        problem_line(id_, problem),
        control,
        class_="field",
    )


def problem_line(id_: str, problem: str | None) -> Html | None:
    """What is wrong with a field, beside it."""
    if problem is None:
        return None
    words = joined(element("strong", "Error: "), problem)
    return element("p", words, id=f"{id_}-problem", class_="problem")


def notice(sentences: Iterable[str]) -> Html | None:
    """What has just been done."""
    lines = [element("p", sentence) for sentence in sentences]
    return element("div", *lines, role="status", class_="notice") if lines else None


def section(id_: str, heading: str, *content: str | None, class_: str = "card") -> Html:
    """A part of a page under a heading of its own."""
    title = element("h2", heading, id=id_)
    return element("section", title, *content, aria_labelledby=id_, class_=class_)


def table(label: str, columns: Sequence[str], rows: Iterable[Sequence[Html | str]]) -> Html:
    """A table whose rows become blocks on a narrow screen. rows: the first cell heads its row."""
    # The roles are said again, because what is stacked is no table to the browser.
    heads = (element("th", name, scope="col", role="columnheader") for name in columns)
    lines = (_row(columns, cells) for cells in rows)
    return element(
        "table",
        element("thead", element("tr", *heads, role="row"), role="rowgroup"),
        element("tbody", *lines, role="rowgroup"),
        role="table",
        class_="stacks",
        aria_label=label,
    )


def _row(columns: Sequence[str], cells: Sequence[Html | str]) -> Html:
    first, *rest = cells
    return element(
        "tr",
        element("th", first, scope="row", role="rowheader"),
        *(
            element("td", cell, role="cell", data_label=column)
            for column, cell in zip(columns[1:], rest, strict=True)
        ),
        role="row",
    )


def _described(id_: str, hint: str | None, problem: str | None) -> dict[str, Attribute]:
    ids = [f"{id_}-{part}" for part, said in (("hint", hint), ("problem", problem)) if said]
    return {
        "aria_describedby": " ".join(ids) or None,
        "aria_invalid": "true" if problem else None,
    }


def _hint(id_: str, hint: str) -> Html:
    return element("p", hint, id=f"{id_}-hint", class_="soft")


def _summary(problems: Mapping[str, str]) -> Html:
    lines = [
        element("li", element("a", sentence, href=f"#{id_}")) for id_, sentence in problems.items()
    ]
    title = element("h2", "Nothing was changed", id="problems")
    return element(
        "div",
        title,
        element("ul", *lines),
        role="alert",
        tabindex="-1",
        autofocus=True,
        aria_labelledby="problems",
        class_="summary",
    )
