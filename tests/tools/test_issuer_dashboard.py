"""The local issuer's Dashboard: its list of APIs, and what its forms change and refuse."""

from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer, Setup
from tools.dashboard import HOME, LAB, REGISTER, Page, api_of, get, path_of, save
from tools.login import API, BASE

NOW = 1_790_000_000


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


def test_a_browser_is_shown_the_dashboard_and_curl_the_listing(client: TestClient) -> None:
    """Who asks for HTML at / is sent there; who takes anything gets JSON, which names it."""
    answer = client.get("/", headers={"accept": "text/html,*/*;q=0.8"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, HOME)
    assert answer.headers["vary"] == "accept"
    assert f"GET {HOME}" in client.get("/").json()["paths"]


@pytest.mark.parametrize("path", [HOME, f"{HOME}/"])
def test_the_list_has_every_api(client: TestClient, path: str) -> None:
    """Name, identifier, profile in words, permissions and RBAC; the issuer's own is marked."""
    text = get(client, path).text
    assert f"Management API system API {BASE}api/v2/ Auth0 no off" in text
    assert f"Example API {API} Auth0 no on" in text


def test_the_list_follows_the_setting(issuer: LocalIssuer, client: TestClient) -> None:
    """The profile has the Dashboard's name, whatever the dialect is called."""
    issuer.dialect = "rfc9068_profile_authz"
    assert f"{API} RFC 9068 yes on" in get(client, HOME).text


def test_an_api_is_registered_with_its_profile(issuer: LocalIssuer, client: TestClient) -> None:
    """The form makes an API; the browser is led to its page, which says so."""
    form = get(client, REGISTER).form(REGISTER)
    assert (form.method, form.fields["profile"]) == ("post", "auth0")
    fields = {"name": "Shop", "identifier": " urn:shop ", "profile": "rfc9068"}
    answer = form.send(client, **fields, signing_alg="RS256")
    (redirect,) = answer.history
    assert (redirect.status_code, redirect.headers["cache-control"]) == (303, "no-store")
    page = Page(answer)
    assert page.title == "Shop - local issuer"
    assert "The API is registered; it signs by RS256." in page.text
    made = api_of(issuer, "urn:shop")
    assert (made["name"], made["token_dialect"], made["signing_alg"]) == (
        "Shop",
        "rfc9068_profile",
        "RS256",
    )


def test_an_api_signs_as_the_issuer_does_unless_told(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """The first choice leaves the algorithm to the issuer, although no API may ask for that one."""
    form = get(client, REGISTER).form(REGISTER)
    form.send(client, name="Shop", identifier="urn:shop")
    assert api_of(issuer, "urn:shop")["signing_alg"] == "ES256"


@pytest.mark.parametrize(
    ("typed", "field", "sentence", "status"),
    [
        ({"name": "a<b"}, "name", "name is a string of 1 to 200 characters without < and >", 400),
        ({"name": " "}, "name", "name is a string of 1 to 200 characters without < and >", 400),
        ({"identifier": "x" * 601}, "identifier", "is a string of 1 to 600 characters", 400),
        ({"identifier": ""}, "identifier", "identifier is a string of 1 to 600 characters", 400),
        ({"identifier": f"{BASE}userinfo"}, "identifier", "This identifier is reserved", 400),
        ({"identifier": API}, "identifier", "with the same identifier already exists", 409),
        ({"profile": "saml"}, "profile", "token_dialect is one of access_token, access_", 400),
        ({"signing_alg": "none"}, "signing_alg", "signing_alg is one of HS256, RS256, RS", 400),
    ],
)
def test_a_wrong_field_is_told_beside_it(
    client: TestClient, typed: dict[str, str], field: str, sentence: str, status: int
) -> None:
    """In the words of the Management API, in a list that leads there; what was typed stays."""
    good = {"name": "Shop", "identifier": "urn:shop"}
    answer = get(client, REGISTER).form(REGISTER).send(client, **(good | typed))
    page = Page(answer)
    assert answer.status_code == status
    assert page.title.startswith("Error: ")
    assert page.text.count(sentence) == 2
    assert any(attributes.get("href") == f"#{field}" for _, attributes in page.elements)
    assert page.by_id(f"{field}-problem")["class"] == "problem"
    if field == "profile":
        groups = [attributes for tag, attributes in page.elements if tag == "fieldset"]
        assert groups == [{"aria-describedby": "profile-problem"}]
    else:
        control = page.by_id(field)
        assert control["aria-invalid"] == "true"
        assert f"{field}-problem" in control["aria-describedby"].split()
    kept = page.form(REGISTER).fields
    for name, text in (good | typed).items():
        if name not in {"profile", "signing_alg"}:  # there is no such choice to keep
            assert kept.get(name, "").strip() == text.strip()


def test_every_wrong_field_is_told_at_once(client: TestClient) -> None:
    """Nobody has to send a form twice to learn of the second mistake; order is the form's."""
    form = get(client, REGISTER).form(REGISTER)
    page = Page(form.send(client, name="<", identifier=""))
    links = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    assert links[-2:] == ["#name", "#identifier"]


def test_there_can_be_no_more_than_so_many() -> None:
    """What is wrong with no field is told of the whole page, in the Management API's words."""
    setup = Setup(apis=tuple({"identifier": f"urn:{number}"} for number in range(1_000)))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", audience="urn:0", setup=setup)
    client = TestClient(issuer.app, base_url=BASE)
    answer = get(client, REGISTER).form(REGISTER).send(client, name="Shop", identifier="urn:shop")
    page = Page(answer)
    assert answer.status_code == 403
    assert "There are 1000 resource servers, and no more can be" in page.text
    assert any(attributes.get("href") == "#content" for _, attributes in page.elements[8:])


@pytest.mark.parametrize(
    ("profile", "boxes", "dialect"),
    [
        ("auth0", "RBAC", "access_token"),
        ("auth0", "RBAC permissions", "access_token_authz"),
        ("rfc9068", "RBAC", "rfc9068_profile"),
        ("rfc9068", "RBAC permissions", "rfc9068_profile_authz"),
        ("rfc9068", "", "rfc9068_profile"),
        ("rfc9068", "permissions", "rfc9068_profile"),
        ("auth0", "permissions", "access_token"),
    ],
)
def test_the_two_settings_make_the_dialect(
    issuer: LocalIssuer, client: TestClient, profile: str, boxes: str, dialect: str
) -> None:
    """Profile and permissions choose one of four; without RBAC no permissions, and that is said."""
    rbac, permissions = "RBAC" in boxes, "permissions" in boxes
    wanted = {"enforce_policies": rbac, "permissions": permissions}
    ticked = {name: "on" for name, is_on in wanted.items() if is_on}
    answer = save(client, path_of(issuer), *wanted, profile=profile, **ticked)
    assert answer.status_code == 200
    assert (issuer.dialect, api_of(issuer)["enforce_policies"]) == (dialect, rbac)
    told = "Permissions in the token need RBAC, and are left out." in Page(answer).text
    assert told == (permissions and not rbac)
    fields = get(client, path_of(issuer)).form(path_of(issuer)).fields
    assert ("permissions" in fields) == dialect.endswith("_authz")
    assert ("enforce_policies" in fields, fields["profile"]) == (rbac, profile)


def test_saving_says_what_is_so_now(issuer: LocalIssuer, client: TestClient) -> None:
    """One sentence per setting that changed, as the browser's status; the others are not touched."""
    before = api_of(issuer)
    path = path_of(issuer)
    answer = save(client, path, profile="rfc9068", permissions="on", token_lifetime="60")
    page = Page(answer)
    assert "New tokens are in the RFC 9068 profile, with permissions." in page.text
    assert "New tokens live for 60 seconds." in page.text
    assert "RBAC is" not in page.text
    assert any(attributes.get("role") == "status" for _, attributes in page.elements)
    changed = {"token_dialect", "token_lifetime", "token_lifetime_for_web"}
    after = api_of(issuer)
    assert {name for name in after if after[name] != before.get(name)} == changed
    answer = save(client, path, "enforce_policies", "permissions")
    assert "RBAC is off." in Page(answer).text


def test_saving_what_is_there_changes_nothing(issuer: LocalIssuer, client: TestClient) -> None:
    """It is said, and no member is written that was a default before."""
    before = api_of(issuer)
    answer = save(client, path_of(issuer))
    assert "Nothing was different, so nothing was changed." in Page(answer).text
    assert api_of(issuer) == before
    assert "token_dialect" not in before


@pytest.mark.parametrize(
    "word", ["deleted", "clear", "fault", "rotated", "withdrawn", "registered", "token_dialect"]
)
def test_a_link_can_say_nothing(issuer: LocalIssuer, client: TestClient, word: str) -> None:
    """What was done is told to who did it, and to nobody whom another page sends there."""
    for path in (HOME, LAB, path_of(issuer)):
        page = get(client, f"{path}?done={word}")
        assert not any(attributes.get("role") == "status" for _, attributes in page.elements)


def test_what_was_done_is_told_once(issuer: LocalIssuer, client: TestClient) -> None:
    """The page that a browser is led to says it; the same page, loaded again, is silent."""
    answer = save(client, path_of(issuer), token_lifetime="60")
    assert "New tokens live for 60 seconds." in Page(answer).text
    assert "New tokens live" not in get(client, str(answer.url)).text


@pytest.mark.parametrize("text", ["", "-1", "2592001", "1e3", "60 s", "\u0661", "9" * 5000])
def test_a_lifetime_is_a_whole_number(issuer: LocalIssuer, client: TestClient, text: str) -> None:
    """What is none, or too long, is refused as by the Management API, and nothing is half done."""
    before = api_of(issuer)
    answer = save(client, path_of(issuer), profile="rfc9068", token_lifetime=text)
    page = Page(answer)
    assert answer.status_code == 400
    assert page.text.count("token_lifetime is a whole number from 0 to 2592000") == 2
    fields = page.form(path_of(issuer)).fields
    assert (fields["token_lifetime"], fields["profile"]) == (text, "rfc9068")
    assert api_of(issuer) == before


def test_settings_that_do_not_go_together_are_refused(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """The Management API's own sentence, beside the field that it is about."""
    identifier = "urn:web"
    setup = Setup(apis=({"identifier": identifier, "token_lifetime_for_web": 600},))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    client = TestClient(issuer.app, base_url=BASE)
    answer = save(client, path_of(issuer, identifier), token_lifetime="599")
    page = Page(answer)
    assert answer.status_code == 400
    assert page.text.count("token_lifetime_for_web is no longer than token_lifetime") == 2
    assert page.by_id("token_lifetime")["aria-invalid"] == "true"


def test_permissions_are_added_and_removed(issuer: LocalIssuer, client: TestClient) -> None:
    """One at a time, with a description; the count is told."""
    path = path_of(issuer)
    form = get(client, path).form(f"{path}/scopes")
    page = Page(form.send(client, value="ship:orders", description="Ship <orders>"))
    assert "The API has 3 permissions." in page.text
    assert "ship:orders Ship <orders>" in page.text
    assert api_of(issuer)["scopes"][-1] == {"value": "ship:orders", "description": "Ship <orders>"}
    removal = page.form(f"{path}/scopes/remove")
    assert ("scope", "read:orders") in removal.buttons
    page = Page(removal.send(client, scope="read:orders"))
    assert [scope["value"] for scope in api_of(issuer)["scopes"]] == ["write:orders", "ship:orders"]
    page = Page(removal.send(client, scope="read:orders"))
    assert "Nothing was different" in page.text
    for name in ("write:orders", "ship:orders"):
        page = Page(removal.send(client, scope=name))
    assert "The API has no permissions." in page.text
    assert "It has none yet." in page.text


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("read orders", "a member value that is a string of 1 to 280 characters without blanks"),
        ("", "a member value that is a string of 1 to 280 characters without blanks"),
        ("read:orders", "scopes names a scope twice"),
    ],
)
def test_a_permission_that_will_not_do_is_told_beside_it(
    issuer: LocalIssuer, client: TestClient, value: str, sentence: str
) -> None:
    """As the Management API says it; the settings beside it show what is, and what was typed stays."""
    path = path_of(issuer)
    form = get(client, path).form(f"{path}/scopes")
    answer = form.send(client, value=value, description="as typed")
    page = Page(answer)
    assert answer.status_code == 400
    assert page.text.count(sentence) == 2
    assert page.by_id("value")["aria-invalid"] == "true"
    assert page.form(f"{path}/scopes").fields["description"] == "as typed"
    assert page.form(path).fields["enforce_policies"] == "on"
    assert len(api_of(issuer)["scopes"]) == 2


def test_an_api_is_deleted_after_a_question(issuer: LocalIssuer, client: TestClient) -> None:
    """Looking at the question deletes nothing; answering it does, the main API too."""
    path = path_of(issuer)
    form = get(client, f"{path}/delete").form(f"{path}/delete")
    assert api_of(issuer)
    page = Page(form.send(client))
    assert "The API is deleted." in page.text
    assert [api["name"] for api in issuer.apis] == ["Management API"]
    assert client.get(path).status_code == 404
    assert form.send(client).status_code == 404


def test_the_system_api_is_read_only(issuer: LocalIssuer, client: TestClient) -> None:
    """Its page has no form, and who sends one all the same is told what the Management API tells."""
    path = path_of(issuer, issuer.management_audience)
    for shown in (path, f"{path}/delete"):
        page = get(client, shown)
        assert page.forms == []
        assert "A system API: it is read here, and cannot be changed." in page.text
        assert "create:resource_servers" in page.text
    token = get(client, REGISTER).form(REGISTER).fields["csrf_token"]
    sent = {"csrf_token": token, "profile": "rfc9068", "token_lifetime": "86400", "value": "x"}
    for at in ("", "/scopes", "/scopes/remove", "/delete"):
        answer = client.post(path + at, data={**sent, "scope": "read:resource_servers"})
        assert answer.status_code == 400
        assert "System resource servers cannot be changed" in Page(answer).text


def test_an_unknown_api_is_not_found(client: TestClient) -> None:
    """For every path below it, with a page that leads on; an identifier is no id."""
    token = get(client, REGISTER).form(REGISTER).fields["csrf_token"]
    for id_ in ("0" * 24, "x", quote(API, safe="")):
        path = f"{HOME}/apis/{id_}"
        for at in ("", "/delete"):
            assert client.get(path + at).status_code == 404
    for at in ("", "/scopes", "/scopes/remove", "/delete"):
        answer = client.post(f"{HOME}/apis/{'0' * 24}{at}", data={"csrf_token": token})
        assert answer.status_code == 404
        assert "There is no such API" in Page(answer).text
