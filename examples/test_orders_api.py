"""How a team tests its own app: `orders_api.py`, as it is, with every kind of token and no network.

    .venv/bin/python -m pytest examples/test_orders_api.py

The fixture `atjwt_issuer` comes with atjwt. Standing in for the app's tenant it answers the app's key
fetches in process and shares a clock with it; all checks are those of production.
"""

from collections.abc import Iterator
from typing import get_args

import pytest
from fastapi.testclient import TestClient
from orders_api import app, auth

from atjwt import Reason
from atjwt.guards import assert_guarded
from atjwt.issuer import Dialect
from atjwt.testing import LocalIssuer, acting_as, principal


@pytest.fixture
def issuer(atjwt_issuer: LocalIssuer) -> Iterator[LocalIssuer]:
    with atjwt_issuer.stands_in_for(app):
        yield atjwt_issuer


@pytest.fixture
def client() -> TestClient:
    return TestClient(app)


def test_nothing_is_unguarded() -> None:
    assert_guarded(app)


@pytest.mark.parametrize("dialect", get_args(Dialect))
def test_a_reader_reads_in_every_dialect(
    issuer: LocalIssuer, client: TestClient, dialect: Dialect
) -> None:
    headers = issuer.headers(dialect=dialect, scopes=["read:orders"])
    assert client.get("/orders", headers=headers).status_code == 200


def test_without_the_scope_the_client_is_told_which(
    issuer: LocalIssuer, client: TestClient
) -> None:
    answer = client.get("/orders", headers=issuer.headers(scopes=["openid"]))
    assert answer.status_code == 403
    assert 'scope="read:orders"' in answer.headers["www-authenticate"]


@pytest.mark.parametrize("reason", [Reason.EXPIRED, Reason.WRONG_AUDIENCE, Reason.ID_TOKEN])
def test_a_broken_token_is_refused(issuer: LocalIssuer, client: TestClient, reason: Reason) -> None:
    headers = {"Authorization": f"Bearer {issuer.broken(reason)}"}
    assert client.get("/orders", headers=headers).status_code == 401


def test_a_rotation_of_keys_costs_nothing(issuer: LocalIssuer, client: TestClient) -> None:
    before = issuer.headers(scopes=["read:orders"])
    issuer.rotate_keys()
    for headers in (before, issuer.headers(scopes=["read:orders"])):
        assert client.get("/orders", headers=headers).status_code == 200


def test_an_outage_of_the_issuer_is_our_side_s_fault(
    issuer: LocalIssuer, client: TestClient
) -> None:
    headers = issuer.headers()
    with issuer.down():
        assert client.get("/me", headers=headers).status_code == 503


def test_a_token_expires(issuer: LocalIssuer, client: TestClient) -> None:
    headers = issuer.headers(lifetime=300)
    assert client.get("/me", headers=headers).status_code == 200
    issuer.advance(310)
    assert client.get("/me", headers=headers).status_code == 401


def test_without_any_token_policies_are_still_checked(client: TestClient) -> None:
    with acting_as(app, auth, principal(kind="client")):
        assert client.put("/stock/cup?pieces=3").status_code == 200
    with acting_as(app, auth, principal(kind="user")):
        assert client.put("/stock/cup?pieces=3").status_code == 403
