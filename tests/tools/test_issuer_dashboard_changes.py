"""The local issuer's Dashboard while others change the same API, and what a Save leaves alone."""

from threading import Thread
from typing import Any

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import Client, Grant, LocalIssuer, Setup
from tools.dashboard import HOME, Page, api_of, get, path_of, save
from tools.login import API, BASE

NOW = 1_790_000_000


def _issuer(**settings: object) -> LocalIssuer:
    """An issuer whose one API is set so."""
    setup = Setup(apis=({"identifier": API, **settings},))
    return LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup, clock=lambda: NOW)


@pytest.fixture
def issuer() -> LocalIssuer:
    return _issuer()


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


@pytest.mark.parametrize(
    ("at", "fields"), [("/scopes", {"value": "mine"}), ("/scopes/remove", {"scope": "first"})]
)
def test_nobody_gets_in_between(
    monkeypatch: pytest.MonkeyPatch, at: str, fields: dict[str, str]
) -> None:
    """The list of permissions that a change begins with is still so when the change is made."""
    issuer = _issuer(scopes=[{"value": "first"}, {"value": "second"}])
    client, path = TestClient(issuer.app, base_url=BASE), path_of(issuer)
    form = get(client, path).form(path + at)
    others: list[Thread] = []
    apis, change = issuer._authority.apis, issuer._authority.apis.change

    def late(key: str, changes: Any) -> Any:
        if not others:
            others.append(Thread(target=change, args=(key, {"scopes": [{"value": "other"}]})))
            others[0].start()
            others[0].join(0.1)  # it gets its turn where nobody holds the lock
        return change(key, changes)

    monkeypatch.setattr(apis, "change", late)
    form.send(client, **fields)
    others[0].join(10)
    assert [scope["value"] for scope in api_of(issuer)["scopes"]] == ["other"]


def test_an_old_page_overwrites_nothing(issuer: LocalIssuer, client: TestClient) -> None:
    """What others changed meanwhile is shown, what was typed stays, and a second Save is meant."""
    path = path_of(issuer)
    form = get(client, path).form(path)
    issuer.dialect = "rfc9068_profile"
    answer = form.send(client, token_lifetime="60", enforce_policies="on")
    page = Page(answer)
    assert answer.status_code == 409
    assert "The settings were changed since this page was shown." in page.text
    assert "New tokens are in the RFC 9068 profile, without permissions. RBAC is off." in page.text
    assert "New tokens live for 86400 seconds." in page.text
    assert (issuer.dialect, api_of(issuer)["token_lifetime"]) == ("rfc9068_profile", 86_400)
    again = page.form(path)
    typed = (again.fields["token_lifetime"], again.fields["profile"], "enforce_policies")
    assert typed == ("60", "auth0", "enforce_policies")
    assert again.fields["enforce_policies"] == "on"
    assert again.send(client).status_code == 200
    assert (issuer.dialect, api_of(issuer)["token_lifetime"]) == ("access_token", 60)


def test_a_form_that_says_not_what_it_showed_is_an_old_one(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """Nobody knows on what it was based."""
    assert save(client, path_of(issuer), "shown", profile="rfc9068").status_code == 409
    assert issuer.dialect == "access_token"


@pytest.mark.parametrize("dialect", ["access_token_authz", "rfc9068_profile_authz"])
def test_a_save_leaves_alone_what_nobody_touched(dialect: str) -> None:
    """Permissions without RBAC are a legal pair; only a change of profile or boxes ends it."""
    issuer = _issuer(token_dialect=dialect, enforce_policies=False)
    client, path = TestClient(issuer.app, base_url=BASE), path_of(issuer)
    page = Page(save(client, path, token_lifetime="60"))
    assert (issuer.dialect, api_of(issuer)["token_lifetime"]) == (dialect, 60)
    assert "need RBAC, and are left out" not in page.text
    other = "auth0" if dialect.startswith("rfc") else "rfc9068"
    page = Page(save(client, path, profile=other))
    assert not issuer.dialect.endswith("_authz")
    assert "Permissions in the token need RBAC, and are left out." in page.text


def test_the_list_says_what_tokens_have() -> None:
    """Permissions are in no token without RBAC, whatever the dialect is called."""
    issuer = _issuer(token_dialect="rfc9068_profile_authz", enforce_policies=False)
    client = TestClient(issuer.app, base_url=BASE)
    assert f"{API} RFC 9068 no off" in get(client, HOME).text
    page = Page(save(client, path_of(issuer), enforce_policies="on"))
    assert "New tokens are in the RFC 9068 profile, with permissions." not in page.text
    assert f"{API} RFC 9068 yes on" in get(client, HOME).text


def test_a_machine_is_shown_no_token_that_it_would_not_get() -> None:
    """The page asks the function that the token endpoint asks, and says why there is none."""
    nightly = Client(client_id="nightly", name="nightly", type="machine")
    grant = Grant(client_id="nightly", audience=API, organization_usage="require")
    setup = Setup(apis=({"identifier": API},), clients=(nightly,), grants=(grant,))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    client = TestClient(issuer.app, base_url=BASE)
    page = Page(client.get(path_of(issuer), params={"for": "machine:nightly"}))
    assert "the token endpoint refuses, because parameter organization is required" in page.text
    assert not any(attributes.get("id") == "command" for _, attributes in page.elements)
