"""The token beside an API's settings on the local issuer's Dashboard."""

import shlex
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer, Setup, User
from tools.dashboard import HOME, LAB, REGISTER, Page, api_of, get, path_of, save
from tools.login import API, BASE
from tools.second_opinion import parts_of

NOW = 1_790_000_000


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


def test_saving_says_that_only_new_tokens_follow(issuer: LocalIssuer, client: TestClient) -> None:
    """The sentence is the description of the button, and it is true."""
    path = path_of(issuer)
    page = get(client, path)
    old = page.area("token")
    assert page.by_id("new-only")
    assert "New tokens only: from the next one on." in page.text
    assert any(
        tag == "button" and attributes.get("aria-describedby") == "new-only"
        for tag, attributes in page.elements
    )
    new = Page(save(client, path, profile="rfc9068")).area("token")
    assert [parts_of(token)[0]["typ"] for token in (old, new)] == ["JWT", "at+jwt"]


def _marked(page: Page, response_text: str) -> list[str]:
    pieces = response_text.split("<mark>")[1:]
    found = [piece.split("</mark>")[0] for piece in pieces]
    return [piece.split("&quot;")[1] for piece in found if "&quot;" in piece]


@pytest.mark.parametrize(
    ("profile", "caller", "marked", "rows"),
    [
        (
            "auth0",
            "user:auth0|66f0c2",
            ["typ", "azp"],
            [
                'header typ: "JWT" typ: "at+jwt"',
                'claims azp: "local-app" client_id: "local-app"',
                "claims not written jti",
            ],
        ),
        (
            "auth0",
            "machine:local-machine",
            ["typ", "azp", "gty"],
            ['claims gty: "client-credentials" not written', "claims not written jti"],
        ),
        (
            "rfc9068",
            "user:auth0|66f0c3",
            ["typ", "client_id", "jti"],
            ['header typ: "at+jwt" typ: "JWT"', "claims jti not written"],
        ),
        (
            "rfc9068",
            "machine:local-machine",
            ["typ", "client_id", "jti"],
            ['claims not written gty: "client-credentials"'],
        ),
    ],
)
def test_what_the_other_profile_writes_is_marked(
    issuer: LocalIssuer,
    client: TestClient,
    profile: str,
    caller: str,
    marked: list[str],
    rows: list[str],
) -> None:
    """By a sign, not by colour alone, with the other profile's members in a table."""
    path = path_of(issuer)
    save(client, path, profile=profile)
    answer = client.get(path, params={"for": caller})
    page = Page(answer)
    assert _marked(page, answer.text) == marked
    assert answer.text.count("\N{NOT EQUAL TO}") == len(marked) + 1  # and in the legend
    for row in rows:
        assert row in page.text


@pytest.mark.parametrize("caller", ["user:auth0|66f0c3", "machine:local-machine"])
def test_the_token_shown_is_the_token_issued(
    issuer: LocalIssuer, client: TestClient, caller: str
) -> None:
    """The one in the field has the members that are shown, and is signed by a published key."""
    issuer.dialect = "rfc9068_profile_authz"
    page = Page(client.get(path_of(issuer), params={"for": caller}))
    header, claims = parts_of(page.area("token"))
    assert header["kid"] == issuer.jwks()["keys"][0]["kid"]
    for part in (header, claims):
        for name, value in part.items():
            assert f'"{name}":' in page.text
            assert not isinstance(value, str) or f'"{value}"' in page.text
    assert claims["permissions"] == ["read:orders", "write:orders"]
    chosen = [a for _, a in page.elements if a.get("aria-current") == "true"]
    assert [quote(caller, safe="") in attributes["href"] for attributes in chosen] == [True]


def test_the_printed_commands_bring_such_a_token(issuer: LocalIssuer, client: TestClient) -> None:
    """What curl would send, sent: the same members, in the setting of the API, RBAC on or off."""
    path = path_of(issuer)
    for without in ([], ["enforce_policies"]):
        issuer.dialect = "access_token_authz"
        save(client, path, *without)
        page = Page(client.get(path, params={"for": "user:auth0|66f0c3"}))
        command = shlex.split(page.area("command"))
        assert command[:2] == ["curl", "-s"]
        name, _, value = command[4].partition(": ")
        answer = client.post(command[2], content=command[6], headers={name: value})
        assert parts_of(answer.json()["access_token"]) == parts_of(page.area("token"))
    page = Page(client.get(path, params={"for": "machine:local-machine"}))
    command = shlex.split(page.area("command"))
    assert command[-1] == "client_secret=$CLIENT_SECRET"
    body = "&".join([*command[4::2][:3], f"client_secret={issuer.client_secret}"])
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post(command[2], content=body, headers=headers)
    assert parts_of(answer.json()["access_token"]) == parts_of(page.area("token"))


def test_the_command_heeds_that_rbac_is_off() -> None:
    """A dialect with permissions shows none then, in either profile, and neither does the command."""
    for dialect in ("access_token_authz", "rfc9068_profile_authz"):
        setup = Setup(apis=({"identifier": API, "token_dialect": dialect},))
        issuer = LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW, setup=setup)
        client = TestClient(issuer.app, base_url=BASE)
        page = get(client, path_of(issuer))
        command = shlex.split(page.area("command"))
        headers = {"content-type": "application/json"}
        token = client.post(command[2], content=command[6], headers=headers).json()["access_token"]
        shown, sent = (parts_of(one)[1] for one in (page.area("token"), token))
        assert "permissions" not in shown
        assert shown.keys() == sent.keys()


def test_an_api_may_sign_by_another_algorithm(issuer: LocalIssuer, client: TestClient) -> None:
    """Its keys are published before its first token, and the command's token is signed so too."""
    form = get(client, REGISTER).form(REGISTER)
    client.follow_redirects = False
    form.send(client, name="Shop", identifier="urn:shop", signing_alg="RS256")
    keys = [key["kid"] for key in issuer.jwks()["keys"] if key["alg"] == "RS256"]
    page = get(client, path_of(issuer, "urn:shop"))
    command = shlex.split(page.area("command"))
    answer = client.post(
        command[2], content=command[6], headers={"content-type": "application/json"}
    )
    for token in (page.area("token"), answer.json()["access_token"]):
        assert parts_of(token)[0] == {"alg": "RS256", "typ": "JWT", "kid": keys[0]}


def test_without_a_grant_there_is_no_token(issuer: LocalIssuer, client: TestClient) -> None:
    """The page says what the token endpoint would, and mints none."""
    page = Page(client.get(path_of(issuer), params={"for": "machine:local-management"}))
    assert "refuses, because the client has no grant for this API." in page.text
    with pytest.raises(KeyError):
        page.area("token")


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"subject_type_authorization": {"user": {"policy": "deny_all"}}}, "users get no tokens"),
        ({"proof_of_possession": {"mechanism": "dpop", "required": True}}, "bound tokens"),
    ],
)
def test_an_api_whose_tokens_are_not_issued_says_why(
    settings: dict[str, object], sentence: str
) -> None:
    """In the words of the token endpoint."""
    setup = Setup(apis=({"identifier": API, **settings},))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    page = get(TestClient(issuer.app, base_url=BASE), path_of(issuer))
    assert sentence in page.text


def test_an_unknown_caller_is_the_first_one(issuer: LocalIssuer, client: TestClient) -> None:
    """The parameter chooses among those that are there and means nothing else."""
    page = Page(client.get(path_of(issuer), params={"for": "user:nobody"}))
    assert parts_of(page.area("token"))[1]["sub"] == "auth0|66f0c2"


def test_the_choice_of_the_caller_outlives_a_save(issuer: LocalIssuer, client: TestClient) -> None:
    """Who looks at a machine's token goes on looking at it."""
    path = path_of(issuer)
    form = Page(client.get(path, params={"for": "machine:local-machine"})).form(path)
    page = Page(form.send(client, profile="rfc9068"))
    assert parts_of(page.area("token"))[1]["sub"] == "local-machine@clients"


def test_a_secret_is_not_shown(client: TestClient) -> None:
    """Neither the secret of an API that signs by HS256 nor those of the clients are on any page."""
    settings = {"identifier": API, "signing_alg": "HS256"}
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=Setup(apis=(settings,)))
    client = TestClient(issuer.app, base_url=BASE)
    secret = str(api_of(issuer)["signing_secret"])
    texts = [client.get(path).text for path in (HOME, LAB, path_of(issuer))]
    texts.append(client.get(path_of(issuer), params={"for": "machine:local-machine"}).text)
    assert "with a secret that is not shown here" in texts[2]
    assert '<textarea id="token"' in texts[3]
    for text in texts:
        for hidden in (secret, issuer.client_secret, issuer.management_client_secret):
            assert hidden not in text


def test_users_of_a_setup_can_be_looked_at() -> None:
    """Whoever can log in is among those that a token is shown for."""
    users = [User(subject="auth0|baker", name="baker", permissions=("read:orders",))]
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", users=users)
    page = get(TestClient(issuer.app, base_url=BASE), path_of(issuer))
    assert "baker (user)" in page.text
    assert parts_of(page.area("token"))[1]["sub"] == "auth0|baker"
