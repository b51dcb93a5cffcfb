"""The Dashboard as a browser reads it: elements, text, forms with what they would send."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer
from tools.login import API

HOME = "/dashboard"
REGISTER = f"{HOME}/register"
LAB = f"{HOME}/keys-and-faults"

_VOID = {"input", "meta", "br"}


@dataclass
class Form:
    """A form: where it is sent to and its fields as they stand; buttons: name and value of each."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)

    def send(self, client: TestClient, *without: str, **changes: str) -> Any:
        """The response to the form. without: boxes that are not ticked."""
        fields = {name: text for name, text in self.fields.items() if name not in without}
        return client.post(self.action, data=fields | changes)


class Page(HTMLParser):
    """The parsed body of a response. elements: every tag with its attributes, in order."""

    def __init__(self, response: Any) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.forms: list[Form] = []
        self.title = ""
        self._words: list[str] = []
        self._open: list[str] = []
        self._areas: dict[str, str] = {}
        self._select = ""
        self.feed(response.text)
        self.close()
        assert self._open == []

    @property
    def text(self) -> str:
        """What is to be read, blanks counted once."""
        return " ".join(" ".join(self._words).split())

    def area(self, id_: str) -> str:
        """The content of a textarea."""
        return self._areas[id_]

    def form(self, action: str) -> Form:
        """The form that is sent there, the query aside."""
        found = [form for form in self.forms if form.action.partition("?")[0] == action]
        assert len(found) == 1, [form.action for form in self.forms]
        return found[0]

    def by_id(self, id_: str) -> dict[str, str]:
        """The attributes of the element with an id."""
        (found,) = (attributes for _, attributes in self.elements if attributes.get("id") == id_)
        return found

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if tag not in _VOID:
            self._open.append(tag)
        name = attributes.get("name", "")
        if tag == "form":
            self.forms.append(Form(attributes["action"], attributes["method"]))
        elif tag == "textarea":
            self._areas[attributes["id"]] = ""
        elif tag == "select":
            self._select = name
        elif tag == "option" and "selected" in attributes:
            self.forms[-1].fields[self._select] = attributes["value"]
        elif tag == "button":
            self.forms[-1].buttons.append((name, attributes.get("value", "")))
        elif tag == "input" and (
            attributes["type"] not in {"checkbox", "radio"} or "checked" in attributes
        ):
            self.forms[-1].fields[name] = attributes["value"]

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        within = self._open[-1] if self._open else ""
        if within == "title":
            self.title += data
        elif within == "textarea":
            last = list(self._areas)[-1]
            self._areas[last] += data
        elif within != "style":
            self._words.append(data)


def api_of(issuer: LocalIssuer, identifier: str = API) -> dict[str, Any]:
    """An API's settings, as the Management API shows them."""
    (found,) = (api for api in issuer.apis if api["identifier"] == identifier)
    return found


def path_of(issuer: LocalIssuer, identifier: str = API) -> str:
    """Where an API's page is."""
    return f"{HOME}/apis/{api_of(issuer, identifier)['id']}"


def get(client: TestClient, path: str) -> Page:
    """The page there, which is there."""
    answer = client.get(path)
    assert answer.status_code == 200, answer.text
    return Page(answer)


def save(client: TestClient, path: str, *without: str, **changes: str) -> Any:
    """The response to an API's settings, these changed. without: boxes that are not ticked."""
    return get(client, path).form(path).send(client, *without, **changes)
