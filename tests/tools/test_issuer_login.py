"""The local issuer's login: the page, the click, the code, and what the tokens are good for."""

import re
from typing import get_args

import pytest
from joserfc import jwt
from starlette.testclient import TestClient

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, ResourceServer, TrustedIssuer
from atjwt.issuer import Dialect, LocalIssuer, User
from atjwt.issuer.authorization import Login
from atjwt.issuer.authorization_request import authorization_request, read_query, return_address
from tools.login import (
    API,
    APP,
    BACK,
    BASE,
    CLERK,
    MANAGER,
    answer_of,
    ask,
    click,
    code_for,
    policy_of,
    redeem,
    tokens_of,
    view_of,
)
from tools.second_opinion import key_set, parts_of

METADATA = "/.well-known/openid-configuration"


class Clock:
    """A clock that is set by hand, in seconds since 1970."""

    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=clock)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


def _resource_server(issuer: LocalIssuer, clock: Clock) -> ResourceServer:
    trusted = TrustedIssuer.auth0(BASE, algorithms=["ES256"])
    return ResourceServer(audience=API, issuers=[trusted], clock=clock, fetch=issuer.fetch)


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_login_brings_a_token_that_the_api_takes(
    issuer: LocalIssuer, client: TestClient, clock: Clock, dialect: Dialect
) -> None:
    """In every dialect: who clicked, through which app, with what was asked for and allowed."""
    issuer.dialect = dialect
    tokens = tokens_of(client, MANAGER, scope="openid read:orders delete:items")
    who = _resource_server(issuer, clock).verify_sync(tokens["access_token"])
    assert (who.subject, who.client_id, who.kind) == (MANAGER, APP, "user")
    assert who.scopes == {"openid", "read:orders"}
    assert who.profile == (RFC9068 if dialect.startswith("rfc9068") else AUTH0)
    all_rights = {"read:orders", "write:orders"}
    assert who.permissions == (all_rights if dialect.endswith("_authz") else None)
    assert tokens["token_type"] == "Bearer"
    assert tokens["scope"] == "openid read:orders"
    claims = parts_of(tokens["access_token"])[1]
    assert tokens["expires_in"] == claims["exp"] - claims["iat"]


def test_the_clerk_may_less_than_the_manager(client: TestClient) -> None:
    """The same request brings each user what they may; a scope too many is dropped, as at Auth0."""
    asked = "read:orders write:orders read:orders"
    assert tokens_of(client, CLERK, scope=asked)["scope"] == "read:orders"
    assert tokens_of(client, MANAGER, scope=asked)["scope"] == "read:orders write:orders"
    for nothing in ("delete:items", None, ""):
        tokens = tokens_of(client, CLERK, scope=nothing)
        assert "scope" not in tokens
        assert "scope" not in parts_of(tokens["access_token"])[1]


def test_without_audience_the_token_is_opaque_and_without_rights(client: TestClient) -> None:
    """As at Auth0: no API, no JWT, and no scope of an API."""
    tokens = tokens_of(client, audience=None, scope="openid read:orders profile")
    assert "." not in tokens["access_token"]
    assert tokens["scope"] == "openid profile"


def test_openid_brings_an_id_token(issuer: LocalIssuer, client: TestClient, clock: Clock) -> None:
    """For the app, with its nonce; the API refuses it for what it is."""
    tokens = tokens_of(client, scope="openid profile", nonce="n-0S6")
    token = jwt.decode(tokens["id_token"], key_set(issuer.jwks()), algorithms=["ES256"])
    assert token.header["typ"] == "JWT"
    assert token.claims == {
        "iss": BASE,
        "sub": CLERK,
        "aud": APP,
        "iat": int(clock()),
        "exp": int(clock()) + 36_000,
        "auth_time": int(clock()),
        "name": "clerk",
        "nonce": "n-0S6",
    }
    with pytest.raises(InvalidToken) as refused:
        _resource_server(issuer, clock).verify_sync(tokens["id_token"])
    assert refused.value.reason in {Reason.WRONG_AUDIENCE, Reason.ID_TOKEN}


def test_an_id_token_says_no_more_than_was_asked(client: TestClient) -> None:
    """No nonce and no name unless the request has them, and no ID token without `openid`."""
    claims = parts_of(tokens_of(client, scope="openid")["id_token"])[1]
    assert not {"nonce", "name"} & claims.keys()
    assert "id_token" not in tokens_of(client, scope="profile", nonce="n")


def test_there_are_no_refresh_tokens(client: TestClient) -> None:
    """`offline_access` is granted to nobody, and nothing is there to refresh with."""
    tokens = tokens_of(client, scope="openid offline_access")
    assert (tokens["scope"], "refresh_token" in tokens) == ("openid", False)
    refreshing = redeem(client, "x", grant_type="refresh_token", refresh_token="x")
    assert refreshing.json()["error"] == "unsupported_grant_type"


def test_the_answer_carries_state_and_issuer(client: TestClient) -> None:
    """`state` as it was sent, `iss` as RFC 9207 wants it, by 303, kept nowhere."""
    response = click(client, ask(client))
    answer = answer_of(response)
    assert (answer["state"], answer["iss"]) == ("s t+a&t=e", BASE)
    assert set(answer) == {"code", "state", "iss"}
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert set(answer_of(click(client, ask(client, state=None)))) == {"code", "iss"}


@pytest.mark.parametrize("tail", ["?a=b", "?", "?a=b&", "/?redirect=%2Fx%3Fy"])
def test_the_query_of_a_redirect_uri_is_kept(client: TestClient, tail: str) -> None:
    """RFC 6749 section 3.1.2: the answer is added to what is there."""
    uri = f"http://localhost:3000{tail}"
    response = click(client, ask(client, redirect_uri=uri))
    location = response.headers["location"]
    assert location.startswith(uri)
    answer = answer_of(response, uri)
    assert redeem(client, answer["code"], redirect_uri=uri).status_code == 200


def test_the_page_says_what_it_is_about(client: TestClient) -> None:
    """Which app, which API, which scopes, who there is, where it leads; no script, no asset."""
    page = ask(client, scope="openid read:orders colour:red")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    for shown in (
        APP,
        API,
        "openid",
        "read:orders",
        "colour:red",
        "(unknown here)",
        "127.0.0.1:8000",
    ):
        assert shown in page.text
    assert page.text.count("(unknown here)") == 1
    assert re.findall(r'<button name="user" value="([^"]+)">', page.text) == [CLERK, MANAGER]
    assert not re.search(r"<script|<img|<link|https?://(?!api\.example\.com)|\son\w+=", page.text)
    assert "s t+a" not in page.text
    page = ask(client, audience=None, scope=None)
    assert "none is asked for" in page.text
    assert "gets no scope" in page.text


def test_the_page_is_shut_to_others(client: TestClient) -> None:
    """Its policy allows its own style and its own form, and to be framed by nobody."""
    page = ask(client)
    policy = policy_of(page)
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == ["'none'"]
    assert policy["style-src"][0].startswith("'sha256-")
    assert policy["form-action"] == ["'self'", "http://127.0.0.1:8000"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "same-origin"  # or its form has `Origin: null`
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in page.headers


def test_an_ipv6_client_is_named_by_its_scheme(client: TestClient) -> None:
    """The grammar of CSP has no IPv6 addresses, and the redirect must be allowed all the same."""
    page = ask(client, redirect_uri="http://[::1]:8000/back")
    assert policy_of(page)["form-action"] == ["'self'", "http:"]


def test_saying_no_goes_back_to_the_client(client: TestClient) -> None:
    """*Cancel* is `access_denied`, whatever else is sent along."""
    answer = answer_of(click(client, ask(client), cancel="yes"))
    assert answer.pop("error_description")
    assert answer == {"error": "access_denied", "state": "s t+a&t=e", "iss": BASE}


def test_a_page_is_answered_once(client: TestClient) -> None:
    """A second click on the same page is refused and gives no code, nor does a guessed value."""
    page = ask(client)
    assert answer_of(click(client, page))["code"]
    for again in (click(client, page), click(client, page, cancel="yes")):
        assert (again.status_code, "used before" in again.text) == (400, True)
        assert "location" not in again.headers
    assert click(client, ask(client), view="guessed").status_code == 400
    assert client.post("/authorize/login", data={"user": CLERK}).status_code == 400


def test_each_page_view_has_a_value_of_its_own(client: TestClient) -> None:
    """What one page was asked is not what another one answers."""
    first, second = ask(client, state="first"), ask(client, state="second")
    assert view_of(first) != view_of(second)
    assert answer_of(click(client, second))["state"] == "second"
    assert answer_of(click(client, first))["state"] == "first"


def test_the_form_cannot_change_the_request(client: TestClient) -> None:
    """The parameters stay with the issuer; those in the form mean nothing."""
    response = click(
        client, ask(client), redirect_uri="http://127.0.0.1:6666/", state="x", scope="write:orders"
    )
    assert answer_of(response)["state"] == "s t+a&t=e"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_another_site_cannot_answer_the_page(client: TestClient, site: str) -> None:
    """A browser that says so is believed, and the page may still be answered by the person."""
    page = ask(client)
    fields = {"view": view_of(page), "user": CLERK}
    forged = client.post("/authorize/login", data=fields, headers={"sec-fetch-site": site})
    assert (forged.status_code, "location" in forged.headers) == (400, False)
    own = client.post("/authorize/login", data=fields, headers={"sec-fetch-site": "same-origin"})
    assert answer_of(own)["code"]


@pytest.mark.parametrize("user", ["", "nobody", "auth0|66f0c2 ", "<b>"])
def test_only_the_users_can_log_in(client: TestClient, user: str) -> None:
    """Another name is no user, and the page is used up."""
    page = ask(client)
    for response in (click(client, page, user), click(client, page)):
        assert (response.status_code, "location" in response.headers) == (400, False)
        assert "<b>" not in response.text


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("text/plain", b"view=a&user=b"),
        ("application/x-www-form-urlencoded", b"view=a&view=b"),
        ("application/x-www-form-urlencoded", b"view=%ff"),
        ("application/x-www-form-urlencoded", b"a" * 70_000),
    ],
)
def test_an_answer_that_cannot_be_read_is_refused(
    client: TestClient, content_type: str, body: bytes
) -> None:
    """An unreadable form gets a page and 400, never 500."""
    sent = client.post("/authorize/login", content=body, headers={"content-type": content_type})
    assert (sent.status_code, "cannot be read" in sent.text) == (400, True)


def test_a_page_is_open_for_ten_minutes(client: TestClient, clock: Clock) -> None:
    """By the issuer's clock; a clock that was put back leaves nothing that is known to be fresh."""
    for seconds, status in [(599.0, 303), (600.0, 400), (-1.0, 400)]:
        page = ask(client)
        clock.now += seconds
        assert click(client, page).status_code == status


def test_only_so_many_pages_are_open(client: TestClient) -> None:
    """The oldest of too many is forgotten, so that nobody fills the memory."""
    first, second = ask(client), ask(client)
    for _ in range(255):
        ask(client)
    assert click(client, first).status_code == 400
    assert click(client, second).status_code == 303


def test_users_of_ones_own_can_log_in(clock: Clock) -> None:
    """Whoever is given stands on the page, and their rights are the API's scopes."""
    people = [
        User(subject="u|1", name="<clerk>", permissions=("paint:<walls>",)),
        User(subject="u|2", name="manager"),
    ]
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", users=people, clock=clock)
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    page = ask(client, scope="paint:<walls> read:orders")
    assert "&lt;clerk&gt;" in page.text
    assert "gets paint:&lt;walls&gt;<" in page.text
    assert tokens_of(client, "u|1", scope="paint:<walls> read:orders")["scope"] == "paint:<walls>"
    assert "scope" not in tokens_of(client, "u|2", scope="paint:<walls>")
    supported = issuer.metadata()["scopes_supported"]
    assert supported == ["openid", "profile", "read:orders", "write:orders", "paint:<walls>"]


@pytest.mark.parametrize(
    "users",
    [
        [],
        [User(subject="", name="clerk")],
        [User(subject="u|1", name="")],
        [User(subject="u|1", name="clerk"), User(subject="u|1", name="manager")],
        [User(subject="u|1", name="clerk", permissions=("a b",))],
        [User(subject="u|1", name="clerk", permissions=("",))],
    ],
)
def test_users_that_make_no_sense_are_refused(users: list[User]) -> None:
    """There is somebody, each has a name and a subject of their own, and rights are single words."""
    with pytest.raises(ValueError, match=r"users|permissions"):
        LocalIssuer(users=users)


def test_the_metadata_promises_the_login(issuer: LocalIssuer, client: TestClient) -> None:
    """RFC 8414 section 2, RFC 7636 section 5, RFC 9207 section 3: what a client must know."""
    metadata = client.get(METADATA).json()
    assert metadata["authorization_endpoint"] == issuer.authorization_endpoint == f"{BASE}authorize"
    assert metadata["response_types_supported"] == ["code"]
    assert metadata["response_modes_supported"] == ["query"]
    assert metadata["grant_types_supported"] == ["authorization_code", "client_credentials"]
    assert metadata["code_challenge_methods_supported"] == ["S256"]
    assert metadata["authorization_response_iss_parameter_supported"] is True
    assert "none" in metadata["token_endpoint_auth_methods_supported"]
    assert metadata["scopes_supported"] == ["openid", "profile", "read:orders", "write:orders"]


def test_an_issuer_with_a_path_logs_in_below_it(clock: Clock) -> None:
    """The login is where the metadata says, and the form leads there too."""
    issuer = LocalIssuer(issuer=f"{BASE}tenant/", algorithm="ES256", clock=clock)
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    assert issuer.authorization_endpoint == f"{BASE}tenant/authorize"
    page = client.get("/tenant/authorize", params=ask(client).request.url.params)
    assert answer_of(click(client, page))["iss"] == f"{BASE}tenant/"


def test_the_issuer_says_who_can_log_in(issuer: LocalIssuer, client: TestClient) -> None:
    """The index names the app and the users, and every visit is counted by path."""
    index = client.get("/").json()
    assert index["spa_client_id"] == issuer.spa_client_id == APP
    assert index["users"] == [
        {"subject": user.subject, "name": user.name, "permissions": [*user.permissions]}
        for user in issuer.users
    ]
    assert [user.subject for user in issuer.users] == [CLERK, MANAGER]
    code_for(client)
    assert issuer.requests == {"/authorize": 1, "/authorize/login": 1}


def test_nothing_of_a_login_shows_in_a_log(client: TestClient) -> None:
    """What waits for an answer has no talkative repr."""
    asked = read_query(ask(client).request.url.query)
    address = return_address(asked, client_id=APP, issuer=BASE)
    wanted = authorization_request(asked, address, client_id=APP, audience=API)
    login = Login(request=wanted, user=User(subject="s3cret", name="clerk"), at=0.0)
    for thing in (address, wanted, login):
        assert not re.search(r"s3cret|s t\+a|code_challenge", repr(thing))
        assert BACK not in repr(thing)
