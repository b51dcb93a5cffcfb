"""The local issuer's signing keys by its Management API, as Auth0 documents them."""

from typing import Any

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer, Setup
from tools.login import BASE
from tools.second_opinion import parts_of

AT = "/api/v2/keys/signing"


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256")


def _client(issuer: LocalIssuer, *scopes: str) -> TestClient:
    """A client with a token for these scopes at the Management API."""
    asked = {"grant_type": "client_credentials", "audience": issuer.management_audience}
    asked |= {"client_id": issuer.management_client_id}
    asked |= {"client_secret": issuer.management_client_secret, "scope": " ".join(scopes)}
    answer = TestClient(issuer.app, base_url=BASE).post("/oauth/token", data=asked)
    headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
    return TestClient(issuer.app, base_url=BASE, headers=headers)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return _client(issuer)


def _kids(client: TestClient, stage: str) -> list[str]:
    return [key["kid"] for key in client.get(AT).json() if stage in key]


def _error(answer: Any) -> int:
    assert answer.json().keys() == {"statusCode", "error", "message"}
    return int(answer.status_code)


def test_the_keys_are_listed_by_stage(issuer: LocalIssuer, client: TestClient) -> None:
    """The current one and the next, which are those that are published, and each by itself."""
    keys = client.get(AT).json()
    kids = [key["kid"] for key in issuer.jwks()["keys"]]
    assert keys == [
        {"kid": kids[0], "current": True, "revoked": False},
        {"kid": kids[1], "next": True, "revoked": False},
    ]
    assert [client.get(f"{AT}/{kid}").json() for kid in kids] == keys


def test_a_rotation_turns_the_next_key_into_the_current_one(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """201 with the id of the new next key; the one before stays published as previous."""
    (current,), (following,) = _kids(client, "current"), _kids(client, "next")
    answer = client.post(f"{AT}/rotate")
    assert answer.status_code == 201
    assert answer.json() == {"kid": _kids(client, "next")[0]}
    assert (_kids(client, "current"), _kids(client, "previous")) == ([following], [current])
    assert parts_of(issuer.token())[0]["kid"] == following
    assert len(issuer.jwks()["keys"]) == 3


def test_a_previous_key_is_revoked_for_good(issuer: LocalIssuer, client: TestClient) -> None:
    """It is published no more and still listed; said twice it is no error."""
    (current,) = _kids(client, "current")
    client.post(f"{AT}/rotate")
    client = _client(issuer)  # by the new key, for the old one is about to go
    for _ in range(2):
        answer = client.put(f"{AT}/{current}/revoke")
        assert (answer.status_code, answer.json()) == (200, {"kid": current})
    shown = client.get(f"{AT}/{current}").json()
    assert shown == {"kid": current, "previous": True, "revoked": True}
    assert current not in {key["kid"] for key in issuer.jwks()["keys"]}


def test_no_other_key_can_be_revoked(issuer: LocalIssuer, client: TestClient) -> None:
    """The current and the next one: 400; one that is not there: 404; nothing is changed."""
    before = client.get(AT).json()
    for kid in (*_kids(client, "current"), *_kids(client, "next")):
        assert _error(client.put(f"{AT}/{kid}/revoke")) == 400
    assert _error(client.put(f"{AT}/nothing/revoke")) == 404
    assert _error(client.get(f"{AT}/nothing")) == 404
    assert client.get(AT).json() == before


def test_the_keys_of_all_algorithms_are_there() -> None:
    """Those of an API that signs by another one too; one request rotates all."""
    api = {"identifier": "urn:ps", "signing_alg": "PS256"}
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=Setup(apis=(api,)))
    client = _client(issuer)
    before = _kids(client, "next")
    client.post(f"{AT}/rotate")
    assert _kids(client, "current") == before
    assert len(before) == 2


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", AT, "read"),
        ("GET", f"{AT}/nothing", "read"),
        ("POST", f"{AT}/rotate", "create"),
        ("PUT", f"{AT}/nothing/revoke", "update"),
    ],
)
def test_each_request_needs_its_scope(
    issuer: LocalIssuer, method: str, path: str, verb: str
) -> None:
    """With the others: 403; with it alone: more. Without a token: 401, and nothing turns."""
    before = issuer.jwks()
    others = [f"{each}:signing_keys" for each in ("read", "create", "update") if each != verb]
    assert _client(issuer, *others).request(method, path).status_code == 403
    assert TestClient(issuer.app, base_url=BASE).request(method, path).status_code == 401
    assert issuer.jwks() == before
    own = _client(issuer, f"{verb}:signing_keys")
    assert own.request(method, path).status_code not in {401, 403}
