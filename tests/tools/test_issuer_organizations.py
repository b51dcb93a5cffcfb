"""Organizations at the local issuer: who gets a token with `org_id`, and who is told no."""

from typing import Any, get_args

import pytest
from starlette.testclient import TestClient

from atjwt import ResourceServer, TrustedIssuer
from atjwt.issuer import Client, Dialect, Grant, LocalIssuer, Organization, Setup
from tools.login import API, BASE, CLERK, MANAGER, answer_of, ask, click, tokens_of
from tools.second_opinion import parts_of

NOW = 1_790_000_000
SHOP = Organization(id="org_shop1", name="shop", members=(CLERK,), clients=("nightly",))
MILL = Organization(id="org_mill1", name="mill", members=(CLERK, MANAGER))
NIGHTLY = Client(client_id="nightly", name="nightly job", type="machine")
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)


def _issuer(**setup: Any) -> LocalIssuer:
    whole = Setup(organizations=(SHOP, MILL), **setup)
    return LocalIssuer(issuer=BASE, algorithm="ES256", setup=whole, clock=lambda: NOW)


def _browser(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


def _machine(issuer: LocalIssuer, **more: str) -> Any:
    asked = {"grant_type": "client_credentials", "audience": issuer.audience}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    return _browser(issuer).post("/oauth/token", data={**asked, **more})


def _of_grant(**settings: Any) -> LocalIssuer:
    """An issuer whose machine has a grant of these settings."""
    grant = Grant(client_id="nightly", audience=API, allow_all_scopes=True, **settings)
    return _issuer(clients=(NIGHTLY,), grants=(grant,))


def _error(answer: Any) -> tuple[int, str]:
    body = answer.json()
    assert body["error_description"]
    return answer.status_code, body["error"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_login_to_an_organization_is_in_the_tokens(dialect: Dialect) -> None:
    """`org_id`, in the access token of every dialect and in the ID token; no name by default."""
    issuer = _issuer()
    issuer.dialect = dialect
    tokens = tokens_of(_browser(issuer), organization=SHOP.id)
    for name in ("access_token", "id_token"):
        claims = parts_of(tokens[name])[1]
        assert claims["org_id"] == SHOP.id
        assert "org_name" not in claims
    trusted = TrustedIssuer.auth0(BASE, algorithms=["ES256"])
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch)
    who = server.verify_sync(tokens["access_token"])
    assert (who.kind, who.org_id, who.org_name) == ("user", SHOP.id, None)


def test_a_login_to_none_is_as_ever() -> None:
    """Without the parameter there is no organization, whatever the user is a member of."""
    tokens = tokens_of(_browser(_issuer()))
    assert not {"org_id", "org_name"} & {*parts_of(tokens["access_token"])[1]}
    assert "org_id" not in parts_of(tokens["id_token"])[1]


def test_who_is_no_member_is_refused() -> None:
    """In Auth0's words, after they have said who they are; the page names the organization."""
    client = _browser(_issuer())
    page = ask(client, organization=SHOP.id)
    assert f"shop <code>{SHOP.id}</code>" in page.text
    answer = answer_of(click(client, page, MANAGER))
    assert answer["error"] == "access_denied"
    expected = f"user {MANAGER} is not part of the {SHOP.id} organization"
    assert answer["error_description"] == expected
    assert "code" not in answer
    assert answer_of(click(client, ask(client, organization=MILL.id), MANAGER))["code"]


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ("org_none", "there is no such organization"),
        ("shop", "authorization request parameter organization must be an organization id"),
        ("org_SHOP1", "there is no such organization"),
    ],
)
def test_an_organization_that_is_not_there_is_refused(asked: str, told: str) -> None:
    """`invalid_request`, at both endpoints; a name is none unless names are allowed."""
    issuer = _issuer()
    answer = answer_of(ask(_browser(issuer), organization=asked))
    assert (answer["error"], answer["error_description"]) == ("invalid_request", told)
    answer = _machine(issuer, organization=asked)
    assert (answer.status_code, answer.json()) == (
        400,
        {"error": "invalid_request", "error_description": told},
    )


def test_an_organization_is_named_once() -> None:
    """Two of them are none; the client is told."""
    client = _browser(_issuer())
    query = [*ask(client).request.url.params.multi_items()]
    query += [("organization", SHOP.id), ("organization", MILL.id)]
    answer = answer_of(client.get("/authorize", params=query))
    assert answer["error"] == "invalid_request"


@pytest.mark.parametrize("asked", ["shop", "Shop", SHOP.id])
def test_names_may_be_allowed(asked: str) -> None:
    """Then an organization is found by name, in any case, or id, and tokens have its name too."""
    issuer = _issuer(with_organization_names=True)
    tokens = tokens_of(_browser(issuer), organization=asked)
    for name in ("access_token", "id_token"):
        claims = parts_of(tokens[name])[1]
        assert (claims["org_id"], claims["org_name"]) == (SHOP.id, "shop")
    claims = parts_of(_machine(issuer, organization=asked).json()["access_token"])[1]
    assert (claims["org_id"], claims["org_name"]) == (SHOP.id, "shop")
    answer = answer_of(ask(_browser(issuer), organization="none"))
    assert answer["error_description"] == "there is no such organization"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_built_in_machine_may_act_in_any(dialect: Dialect) -> None:
    """`organization` at the token endpoint; without it the token is in none."""
    issuer = _issuer()
    issuer.dialect = dialect
    for asked in (SHOP.id, MILL.id):
        token = _machine(issuer, organization=asked).json()["access_token"]
        assert parts_of(token)[1]["org_id"] == asked
    assert "org_id" not in parts_of(_machine(issuer).json()["access_token"])[1]


@pytest.mark.parametrize(
    ("settings", "asked", "expected"),
    [
        ({}, None, None),
        ({}, SHOP.id, (400, "invalid_request")),
        ({"allow_any_organization": True}, SHOP.id, (400, "invalid_request")),
        ({"organization_usage": "allow"}, None, None),
        ({"organization_usage": "allow"}, SHOP.id, SHOP.id),
        ({"organization_usage": "allow"}, MILL.id, (403, "access_denied")),
        ({"organization_usage": "allow", "allow_any_organization": True}, MILL.id, MILL.id),
        ({"organization_usage": "require"}, None, (400, "invalid_request")),
        ({"organization_usage": "require"}, SHOP.id, SHOP.id),
        ({"organization_usage": "require"}, "org_none", (400, "invalid_request")),
    ],
)
def test_a_grant_says_which_organizations_a_machine_acts_in(
    settings: dict[str, Any], asked: str | None, expected: str | tuple[int, str] | None
) -> None:
    """None, as it likes or always one; any, or one that lists the client."""
    issuer = _of_grant(**settings)
    answer = _machine(issuer, **({} if asked is None else {"organization": asked}))
    if isinstance(expected, tuple):
        assert _error(answer) == expected
    else:
        assert parts_of(answer.json()["access_token"])[1].get("org_id") == expected


def test_an_organization_goes_with_an_audience() -> None:
    """Nothing could be seen of it in an opaque token, so that is refused."""
    answer = _machine(_issuer(), audience="", organization=SHOP.id)
    assert _error(answer) == (400, "invalid_request")


def test_organizations_are_listed() -> None:
    """`GET /` says which there are."""
    assert _browser(_issuer()).get("/").json()["organizations"] == [
        {"id": SHOP.id, "name": "shop"},
        {"id": MILL.id, "name": "mill"},
    ]
