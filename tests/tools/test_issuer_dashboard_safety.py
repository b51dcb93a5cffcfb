"""What holds for every page of the local issuer's Dashboard, whoever asks for it, and how."""

import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer, Setup, User
from atjwt.issuer.markup import printable
from tools.dashboard import HOME, LAB, REGISTER, Form, Page, api_of, get, path_of
from tools.login import API, BASE, policy_of

NOW = 1_790_000_000
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


def test_other_methods_are_not_allowed(issuer: LocalIssuer, client: TestClient) -> None:
    """What only shows takes no form, and what only changes shows nothing."""
    path = path_of(issuer)
    assert client.post(HOME).status_code == 405
    for at in (f"{path}/scopes", f"{path}/scopes/remove", f"{LAB}/clear", f"{LAB}/rotate"):
        assert client.get(at).status_code in {404, 405}
    for method in ("PUT", "PATCH", "DELETE"):
        assert client.request(method, path).status_code == 405


def test_looking_changes_nothing(issuer: LocalIssuer, client: TestClient) -> None:
    """Whatever is in the query of a GET."""
    issuer.faults.set(down=True, on=["token"])
    before = (json.dumps(issuer.apis), issuer.jwks(), issuer.faults.active())
    query = "?profile=rfc9068&kind=down&on=jwks&done=clear&done=rotated&done=deleted&name=x"
    for path in (HOME, REGISTER, LAB, path_of(issuer), f"{path_of(issuer)}/delete"):
        assert client.get(path + query).status_code == 200
    assert (json.dumps(issuer.apis), issuer.jwks(), issuer.faults.active()) == before


def test_pages_stay_nowhere_and_do_nothing(issuer: LocalIssuer, client: TestClient) -> None:
    """No script, no frame around them, nothing from elsewhere, forms to ourselves, nothing kept."""
    for path in (HOME, REGISTER, LAB, path_of(issuer), f"{HOME}/apis/x"):
        answer = client.get(path, headers={"origin": "http://127.0.0.1:8000"})
        policy = policy_of(answer)
        assert policy["default-src"] == ["'none'"]
        assert policy["style-src"][0].startswith("'sha256-")
        assert policy["form-action"] == ["'self'"]
        assert policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
        assert "script-src" not in policy
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "access-control-allow-origin" not in answer.headers
        page = Page(answer)
        tags = {tag for tag, _ in page.elements}
        assert not tags & {"script", "img", "link", "iframe", "object"}
        assert not {n for _, attributes in page.elements for n in attributes if n[:2] == "on"}


def test_every_field_has_a_label_and_its_descriptions(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """Ids are unique, and each label and description is of something that is there."""
    path = path_of(issuer)
    texts = [client.get(at) for at in (HOME, REGISTER, LAB, path, f"{path}/delete")]
    texts.append(get(client, REGISTER).form(REGISTER).send(client, name="<"))
    for page in map(Page, texts):
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(set(ids)) == len(ids)
        labels = {attributes["for"] for tag, attributes in page.elements if tag == "label"}
        assert labels <= set(ids)
        for tag, attributes in page.elements:
            if tag in {"input", "select", "textarea"} and attributes.get("type") != "hidden":
                assert attributes["id"] in labels
            for name in ("aria-describedby", "aria-labelledby"):
                assert set(attributes.get(name, "").split()) <= set(ids)
        levels = [int(tag[1]) for tag, _ in page.elements if tag in {"h1", "h2", "h3"}]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))


def _forms(issuer: LocalIssuer, client: TestClient) -> list[Form]:
    """Every kind of form, filled so that it would change something."""
    path = path_of(issuer)
    pages = [get(client, at) for at in (REGISTER, path, f"{path}/delete", LAB)]
    change = {"name": "Shop", "identifier": "urn:shop", "profile": "rfc9068", "kind": "down"}
    change |= {"value": "ship:orders", "scope": "read:orders"}
    forms = {form.action: form for page in pages for form in page.forms}
    for form in forms.values():
        form.fields |= change
    assert len(forms) == 9
    return list(forms.values())


def _state(issuer: LocalIssuer) -> str:
    return json.dumps([issuer.apis, issuer.jwks(), issuer.faults.active()])


FOREIGN: dict[str, dict[str, str]] = {
    "no token": {"csrf_token": ""},
    "another token": {"csrf_token": "0" * 64},
    "a token that is no ASCII": {"csrf_token": "\u00e9"},
}


@pytest.mark.parametrize("fields", FOREIGN.values(), ids=FOREIGN)
def test_a_form_without_its_token_changes_nothing(
    issuer: LocalIssuer, client: TestClient, fields: dict[str, str]
) -> None:
    """Every form has one and none is taken without it; the page that says so has no form."""
    before = _state(issuer)
    for form in _forms(issuer, client):
        answer = client.post(form.action, data=form.fields | fields)
        assert answer.status_code == 403
        assert "another session, or to an earlier run" in Page(answer).text
        assert Page(answer).forms == []
    assert _state(issuer) == before


def test_the_token_is_of_one_session_and_one_run(issuer: LocalIssuer, client: TestClient) -> None:
    """Without the cookie, with another one or at another issuer it opens nothing."""
    before = _state(issuer)
    form = get(client, LAB).form(f"{LAB}/rotate")
    session = client.cookies["atjwt_dashboard"]
    for cookie in (b"A" * 43, b"", b"x", b"A" * 42 + b"\xe9"):
        headers = {b"cookie": b"atjwt_dashboard=" + cookie}
        other = TestClient(issuer.app, base_url=BASE)
        assert other.post(form.action, data=form.fields, headers=headers).status_code == 403
    without = TestClient(issuer.app, base_url=BASE)
    assert without.post(form.action, data=form.fields).status_code == 403
    again = TestClient(LocalIssuer(issuer=BASE, algorithm="ES256").app, base_url=BASE)
    again.cookies.set("atjwt_dashboard", session)
    assert again.post(form.action, data=form.fields).status_code == 403
    assert _state(issuer) == before
    assert form.send(client).status_code == 200
    assert _state(issuer) != before


def test_the_cookie_is_for_the_dashboard_alone(client: TestClient) -> None:
    """Out of reach of scripts, never sent from another site, the same until the browser ends."""
    given = client.get(HOME).headers["set-cookie"]
    first = client.cookies["atjwt_dashboard"]
    attributes = {part.strip().lower() for part in given.split(";")[1:]}
    assert attributes == {"httponly", "path=/dashboard", "samesite=strict"}
    client.get(LAB)
    assert client.cookies["atjwt_dashboard"] == first
    client.cookies.clear()
    client.cookies.set("atjwt_dashboard", "planted")
    assert "planted" not in client.get(HOME).headers["set-cookie"]


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "none"},
        {"origin": "https://attacker.test"},
        {"origin": "http://127.0.0.1:8000"},
        {"origin": "https://127.0.0.1:9400"},
        {"origin": "null"},
    ],
)
def test_a_form_from_another_origin_changes_nothing(
    issuer: LocalIssuer, client: TestClient, headers: dict[str, str]
) -> None:
    """Even with cookie and token: another port of this computer is another origin too."""
    before = _state(issuer)
    for form in _forms(issuer, client):
        answer = client.post(form.action, data=form.fields, headers=headers)
        assert answer.status_code == 403
        assert "The form came from a page of another" in Page(answer).text
    assert _state(issuer) == before


def test_a_form_from_our_own_origin_is_taken(issuer: LocalIssuer, client: TestClient) -> None:
    """As a browser sends it; every form changes something."""
    issuer.faults.set(hang=True, on=["token"])  # for the one that clears them
    headers = {"sec-fetch-site": "same-origin", "origin": BASE.rstrip("/")}
    for form in _forms(issuer, client):
        before = _state(issuer)
        answer = client.post(form.action, data=form.fields, headers=headers)
        assert answer.status_code == 200
        assert _state(issuer) != before


def test_the_page_is_for_this_computer_only(issuer: LocalIssuer, client: TestClient) -> None:
    """A name that was pointed here, or another computer, sees nothing and changes nothing."""
    forms, before = _forms(issuer, client), _state(issuer)
    stranger = TestClient(issuer.app, base_url=BASE, client=("192.0.2.1", 50_000))
    for form in forms:
        for asking, headers in ((client, {"host": "attacker.test"}), (stranger, {})):
            for answer in (
                asking.get(form.action, headers=headers),
                asking.post(form.action, data=form.fields, headers=headers),
            ):
                assert answer.status_code == 403
                assert answer.json()["error"] == "forbidden"
    assert _state(issuer) == before


@pytest.mark.parametrize(
    ("body", "media", "status", "sentence"),
    [
        (b"{}", "application/json", 415, "This is no form"),
        (b"", "", 415, "This is no form"),
        (b"--x--", "multipart/form-data; boundary=x", 415, "This is no form"),
        (b"a=1&a=2", FORM, 400, "a parameter is given more than once"),
        (b"a=%ff", FORM, 400, "the body is not UTF-8"),
        (b"a=\xff", FORM, 400, "the body is not UTF-8"),
        (b"a=" + b"x" * 65_536, FORM, 400, "the body is longer than 65536 bytes"),
    ],
)
def test_a_body_that_is_no_form_is_refused(
    client: TestClient, body: bytes, media: str, status: int, sentence: str
) -> None:
    """Before anything is read from it, with a page that says what is wrong."""
    answer = client.post(REGISTER, content=body, headers={"content-type": media})
    assert answer.status_code == status
    assert sentence in f"{Page(answer).title} {Page(answer).text}"


HOSTILE = {
    "an element": "<script>alert(1)</script>",
    "an attribute": "\" onfocus=alert(1) autofocus x='",
    "the end of the area": "</textarea></pre></title></style><img/src=x/onerror=alert(1)>",
    "an entity": "&lt;b&gt;&amp;&#60;",
    "an override": "\u202eevil\u2066\u2069",
    "control characters": "a\x00b\x1bc\x85d",
    "a long one": "x" * 200,
    "braces": "{kid}{0}%s",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_others_wrote_is_only_text(text: str) -> None:
    """In a name, an identifier, a scope, its description, a user: no element is added or lost."""
    pages = []
    for value in ("plain", text):
        identifier = re.sub(r"[\x00-\x1f\x80-\x9f]", "", value)  # it can have none of these
        scope = {"value": "".join(value.split()), "description": value}
        setup = Setup(
            apis=(
                {"identifier": identifier, "name": re.sub(r"[<>]", "", value), "scopes": [scope]},
            )
        )
        users = [User(subject="auth0|1", name=value)]
        issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup, users=users)
        client = TestClient(issuer.app, base_url=BASE)
        path = path_of(issuer, identifier)
        machine = {"for": "machine:local-machine"}
        answers = [client.get(HOME), client.get(path), client.get(f"{path}/delete")]
        answers.append(client.get(path, params=machine))
        pages.append([Page(answer) for answer in answers])
    for plain, hostile in zip(*pages, strict=True):
        shapes = [[(tag, list(a)) for tag, a in page.elements] for page in (plain, hostile)]
        assert shapes[0] == shapes[1]
        assert " ".join(printable(text).split()) in hostile.text
    assert pages[1][3].area("command").isascii()


def test_half_a_pair_is_shown_as_what_cannot_be() -> None:
    """No API may have one, but a user of a setup in Python may; no page fails for it."""
    users = [User(subject="auth0|1", name="\ud800x")]
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", users=users)
    client = TestClient(issuer.app, base_url=BASE)
    assert "\N{REPLACEMENT CHARACTER}x (user)" in get(client, path_of(issuer)).text


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_what_was_typed_comes_back_as_text(client: TestClient, text: str) -> None:
    """A form that is refused shows what was typed, whatever that was."""
    typed = text.encode("utf-8", "replace").decode("utf-8")
    form = get(client, REGISTER).form(REGISTER)
    shapes = []
    for name in ("<plain>", f"<{typed}>"):
        page = Page(form.send(client, name=name, identifier=""))
        assert page.form(REGISTER).fields["name"] == printable(name)
        shapes.append([(tag, list(attributes)) for tag, attributes in page.elements])
    assert shapes[0] == shapes[1]


@pytest.mark.parametrize("text", [HOSTILE["control characters"], HOSTILE["an attribute"]])
def test_a_hostile_scope_can_be_removed(issuer: LocalIssuer, text: str) -> None:
    """By its button, although a page cannot carry every name unchanged."""
    scopes = [{"value": "".join(text.split())}, {"value": "read:orders"}]
    setup = Setup(apis=({"identifier": API, "scopes": scopes},))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    client, path = TestClient(issuer.app, base_url=BASE), path_of(issuer)
    removal = get(client, path).form(f"{path}/scopes/remove")
    removal.send(client, scope=removal.buttons[0][1])
    assert api_of(issuer)["scopes"] == scopes[1:]


def test_a_name_from_others_ends_where_it_ends(client: TestClient) -> None:
    """Each stands in an element of its own for its writing direction."""
    setup = Setup(apis=({"identifier": API, "name": "\u202eedis"},))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    text = TestClient(issuer.app, base_url=BASE).get(HOME).text
    assert "<bdi>\u202eedis</bdi>" in text


def test_what_cannot_be_kept_is_said(tmp_path: Path) -> None:
    """A state file that takes nothing more: a page says so, and nothing has changed."""
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", state=tmp_path / "state")
    client = TestClient(issuer.app, base_url=BASE)
    before, path = _state(issuer), path_of(issuer)
    form = get(client, path).form(path)
    issuer.close()
    answer = form.send(client, profile="rfc9068")
    assert answer.status_code == 500
    assert "Nothing was changed" in Page(answer).text
    assert _state(issuer) == before
