"""What strangers send to the local issuer and must not: nothing is done, and nothing is poisoned."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.errors import ConfigurationError
from atjwt.issuer import Client, Endpoint, Grant, LocalIssuer, Setup
from tools.login import API, BACK, BASE, answer_of, ask, click

AT, GRANTS = "/api/v2/resource-servers", "/api/v2/client-grants"
HERE = f"{AT}/{quote(API, safe='')}"
JSON = {"content-type": "application/json"}
HALF = "read:\\ud800"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer.db"


@pytest.fixture
def issuer(path: Path) -> Iterator[LocalIssuer]:
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", state=path)
    with closing(issuer):
        yield issuer


def _manager(issuer: LocalIssuer) -> TestClient:
    """Somebody who may do everything at the Management API."""
    client = TestClient(issuer.app, base_url=BASE)
    asked = {"grant_type": "client_credentials", "audience": issuer.management_audience}
    asked |= {"client_id": issuer.management_client_id}
    asked |= {"client_secret": issuer.management_client_secret}
    token = client.post("/oauth/token", data=asked).json()["access_token"]
    client.headers["authorization"] = f"Bearer {token}"
    return client


@pytest.fixture
def manager(issuer: LocalIssuer) -> TestClient:
    return _manager(issuer)


@pytest.mark.parametrize(
    ("method", "at", "body"),
    [
        ("PATCH", HERE, f'{{"scopes": [{{"value": "{HALF}"}}]}}'),
        ("PATCH", HERE, f'{{"name": "{HALF}"}}'),
        ("PATCH", HERE, f'{{"{HALF}": 1}}'),
        ("POST", AT, f'{{"identifier": "{HALF}"}}'),
        ("POST", GRANTS, f'{{"client_id": "local-app", "audience": "{API}", "scope": ["{HALF}"]}}'),
    ],
)
def test_half_a_surrogate_pair_is_400_and_kept_nowhere(
    path: Path, issuer: LocalIssuer, manager: TestClient, method: str, at: str, body: str
) -> None:
    """No answer could be written with it: neither this one, nor any later one, nor the next run's."""
    before = (issuer.apis, manager.get(GRANTS).json())
    for content in (
        body.encode(),
        body.replace("\\ud800", "\ud800").encode("utf-8", "surrogatepass"),
    ):
        answer = manager.request(method, at, content=content, headers=JSON)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "invalid_body")
    assert (issuer.apis, manager.get(GRANTS).json()) == before
    issuer.close()
    LocalIssuer(issuer=BASE, state=path).close()


def test_a_number_without_end_is_told_in_our_words(manager: TestClient) -> None:
    """Python's own sentence is about a setting of Python."""
    for digits in (401, 5_000):
        content = f'{{"token_lifetime": {"9" * digits}}}'
        answer = manager.patch(HERE, content=content, headers=JSON)
        assert answer.status_code == 400
        assert answer.json()["message"].endswith("a number has more than 400 digits")


@pytest.mark.parametrize(
    "identifier",
    [
        "http://127.0.0.1:9500/api/v2/",
        "http://localhost:1/tenant/api/v2/",
        "https://[::1]/userinfo",
        "management",
        "*",
    ],
)
def test_names_of_an_issuer_on_any_port_are_reserved(manager: TestClient, identifier: str) -> None:
    """A file may be used on another port: the API of today would be the Management API then."""
    answer = manager.post(AT, json={"identifier": identifier})
    assert (answer.status_code, answer.json()["message"]) == (400, "This identifier is reserved")


@pytest.mark.parametrize("identifier", ["urn:a\nb", "urn:\x00", "urn:\x85"])
def test_an_identifier_has_no_control_characters(manager: TestClient, identifier: str) -> None:
    """It is shown, compared and logged by everybody."""
    answer = manager.post(AT, json={"identifier": identifier})
    assert answer.status_code == 400
    assert "without control characters" in answer.json()["message"]


def test_an_identifier_is_no_id_of_another(issuer: LocalIssuer, manager: TestClient) -> None:
    """Else a change that means the one would be made to the other."""
    for api in issuer.apis:
        answer = manager.post(AT, json={"identifier": api["id"]})
        assert answer.status_code == 409
    assert len(issuer.apis) == 2


def test_an_id_is_never_taken_for_an_identifier(path: Path, issuer: LocalIssuer) -> None:
    """Where both fit, in a file that somebody wrote by hand, the id is meant."""
    id_ = str(issuer.apis[1]["id"])
    store = issuer._authority.store
    store.put("api", "f" * 24, {"identifier": id_, "signing_alg": "ES256"})
    store.drop("api", id_)  # and put anew, so that it comes last
    store.put("api", id_, {"identifier": API, "signing_alg": "ES256"})
    issuer.close()
    with closing(LocalIssuer(issuer=BASE, state=path)) as again:
        found = again._authority.apis.find(id_)
        assert found is not None
        assert found.identifier == API


@pytest.mark.parametrize(
    ("at", "body", "status"),
    [
        (f"{AT}/nothere", {"signing_alg": "PS256"}, 404),
        (HERE, {"signing_alg": "PS256", "token_lifetime_for_web": 2_592_000}, 400),
        (HERE, {"signing_alg": "PS256", "signing_secret": "x" * 16}, 400),
    ],
)
def test_a_refused_change_publishes_no_keys(
    issuer: LocalIssuer, manager: TestClient, at: str, body: dict[str, Any], status: int
) -> None:
    """It has not happened, the keys that it would have needed included."""
    assert manager.patch(at, json=body).status_code == status
    assert manager.post(AT, json={"identifier": API, "signing_alg": "RS512"}).status_code == 409
    assert {key["alg"] for key in issuer.jwks()["keys"]} == {"ES256"}
    assert manager.patch(HERE, json={"signing_alg": "PS256"}).status_code == 200
    assert {key["alg"] for key in issuer._authority.keys.jwks()["keys"]} == {"ES256", "PS256"}


def test_a_large_body_is_taken(manager: TestClient) -> None:
    """Some thousands of scopes are no attack; a MiB is enough for them."""
    scopes = [{"value": f"read:{number}", "description": "x" * 30} for number in range(5_000)]
    assert manager.patch(HERE, json={"scopes": scopes}).status_code == 200


def test_a_form_is_no_body_of_the_management_api(manager: TestClient) -> None:
    """Auth0 takes one; the difference is told by 415."""
    assert manager.patch(HERE, data={"token_dialect": "rfc9068_profile"}).status_code == 415


def test_scopes_are_granted_once(issuer: LocalIssuer, manager: TestClient) -> None:
    """Named twice in a grant, a scope is in the token once."""
    (grant,) = (g for g in manager.get(GRANTS).json() if g["audience"] == API)
    twice = {"scope": ["read:orders", "read:orders"]}
    assert manager.patch(f"{GRANTS}/{grant['id']}", json=twice).status_code == 200
    asked = {"grant_type": "client_credentials", "audience": API}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    client = TestClient(issuer.app, base_url=BASE)
    assert client.post("/oauth/token", data=asked).json()["scope"] == "read:orders"


def test_clients_and_grants_are_told_apart() -> None:
    """Two clients of one id, the built-in ones included, and two grants for one pair are refused."""
    app = Client(client_id="local-machine", name="a", type="app")
    machine = Client(client_id="local-app", name="m", type="machine")
    for client in (app, machine):
        with pytest.raises(ConfigurationError, match=r"clients\[0\]: client_id is taken"):
            Setup(clients=(client,))
    grants = [Grant(client_id="c", audience=API, scopes=(scope,)) for scope in ("a", "b")]
    with pytest.raises(ConfigurationError, match=r"grants\[1\]: there is one for this client"):
        Setup(grants=(*grants,))


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "null", "https://127.0.0.1:9400"])
def test_a_login_is_answered_from_its_own_page_only(issuer: LocalIssuer, origin: str) -> None:
    """A browser that says so in `Origin` is refused; the page stays good for the right answer."""
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    page = ask(client)
    client.headers["origin"] = origin
    answer = click(client, page)
    assert answer.status_code == 400
    assert "another origin" in answer.text
    client.headers["origin"] = BASE.rstrip("/")
    assert "code" in answer_of(click(client, page))


@pytest.mark.parametrize("name", ["code", "state", "iss", "error", "error_description"])
def test_a_redirect_uri_brings_no_answer_of_its_own(issuer: LocalIssuer, name: str) -> None:
    """The client would find two, and might take the wrong one."""
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    answer = ask(client, redirect_uri=f"{BACK.partition('?')[0]}?a=b&{name}=")
    assert answer.status_code == 400
    assert "redirect_uri has a parameter that the answer brings" in answer.text


@pytest.mark.parametrize("endpoint", ["token", "management"])
@pytest.mark.parametrize("kind", ["garbage", "empty", "huge", "redirect", "lying", "drip"])
def test_a_fault_without_a_meaning_is_refused(
    issuer: LocalIssuer, endpoint: Endpoint, kind: str
) -> None:
    """Nothing there would follow it, and a test that sets it would test nothing."""
    with pytest.raises(ValueError, match=f"{kind} means nothing at the endpoint {endpoint}"):
        issuer.faults.set_from({"on": [endpoint], kind: 1 if kind == "drip" else True})
    assert issuer.faults.active() == {}


def test_lying_is_of_the_metadata(issuer: LocalIssuer) -> None:
    """Where no endpoint is named, it is set there, and the keys are put right."""
    issuer.faults.set(empty=True)
    issuer.faults.set(lying=True)
    assert issuer.faults.active() == {"metadata": {"lying": True}}
    with pytest.raises(ValueError, match="lying means nothing at the endpoint jwks"):
        issuer.faults.set(on=["jwks"], lying=True)


@pytest.mark.parametrize("seconds", [1e300, 86_401, float("inf"), float("nan"), -1, True])
def test_a_delay_has_a_bound(issuer: LocalIssuer, seconds: float) -> None:
    """No event loop waits for ever, nor for less than no time."""
    for name in ("slow", "drip"):
        with pytest.raises(ValueError, match=f"{name} is a number of seconds from 0 to 86400"):
            issuer.faults.set_from({name: seconds})
    issuer.faults.set(slow=86_400)
