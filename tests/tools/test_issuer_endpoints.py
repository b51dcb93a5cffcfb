"""The local issuer's token endpoint and its control surface, over HTTP."""

from base64 import b64encode
from typing import Any, get_args

import pytest
from joserfc import jwt
from starlette.testclient import TestClient

from atjwt.errors import Reason
from atjwt.issuer import Dialect, Setup
from atjwt.issuer.broken import NOT_BY_A_TOKEN
from atjwt.testing import LocalIssuer
from tools.second_opinion import key_set, parts_of

BASE = "http://127.0.0.1:9400/"
API = "https://api.example.com/"
JWKS = "/.well-known/jwks.json"
JSON = {"content-type": "application/json"}
GRANT = {"grant_type": "client_credentials", "client_id": "local-machine", "audience": API}


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256")


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


def _token(client: TestClient, issuer: LocalIssuer, **changes: str | None) -> Any:
    fields = {**GRANT, "client_secret": issuer.client_secret, **changes}
    return client.post("/oauth/token", data={k: v for k, v in fields.items() if v is not None})


def test_the_machine_client_gets_a_token_in_the_dialect_of_the_api(
    client: TestClient, issuer: LocalIssuer
) -> None:
    """A form brings a JWT for the client, in the dialect the API is set to at that moment."""
    answer = _token(client, issuer).json()
    claims = jwt.decode(answer["access_token"], key_set(issuer.jwks()), algorithms=["ES256"]).claims
    assert (claims["azp"], claims["gty"]) == ("local-machine", "client-credentials")
    assert answer["scope"] == claims["scope"] == "read:orders write:orders"
    assert (answer["token_type"], answer["expires_in"]) == ("Bearer", claims["exp"] - claims["iat"])
    issuer.dialect = "rfc9068_profile_authz"
    header, claims = parts_of(_token(client, issuer, scope="read:orders").json()["access_token"])
    assert (header["typ"], claims["permissions"]) == ("at+jwt", ["read:orders"])


def test_the_token_endpoint_takes_json_and_basic(client: TestClient, issuer: LocalIssuer) -> None:
    """Auth0's JSON body, and the client's credentials in the Authorization header."""
    secret = issuer.client_secret
    answer = client.post("/oauth/token", json={**GRANT, "client_secret": secret})
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    basic = b64encode(f"local-machine:{secret}".encode()).decode()
    sent = {"grant_type": "client_credentials", "audience": API}
    headers = {"authorization": f"Basic {basic}"}
    assert client.post("/oauth/token", data=sent, headers=headers).status_code == 200
    answer = client.post("/oauth/token", data={**sent, "client_secret": "x"}, headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_without_audience_the_token_is_opaque(client: TestClient, issuer: LocalIssuer) -> None:
    """As at Auth0: who asks for no API gets no JWT."""
    assert "." not in _token(client, issuer, audience=None).json()["access_token"]


@pytest.mark.parametrize(
    ("changes", "status", "error"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"client_id": "nobody"}, 401, "invalid_client"),
        ({"client_secret": "wrong"}, 401, "invalid_client"),
        ({"client_secret": None}, 401, "invalid_client"),
        ({"scope": "delete:items"}, 400, "invalid_scope"),
        ({"audience": "https://another.test/"}, 400, "invalid_target"),
    ],
)
def test_token_errors_are_those_of_the_rfc(
    client: TestClient, issuer: LocalIssuer, changes: dict[str, str | None], status: int, error: str
) -> None:
    """RFC 6749 section 5.2, and RFC 8707 section 2 for an API that is not here."""
    answer = _token(client, issuer, **changes)
    assert (answer.status_code, answer.json()["error"]) == (status, error)
    assert ("www-authenticate" in answer.headers) == (status == 401)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        ("application/x-www-form-urlencoded", b"grant_type=a&grant_type=b"),
        ("application/x-www-form-urlencoded", b"grant_type=%ff"),
        ("application/x-www-form-urlencoded", b"\xff"),
        ("application/x-www-form-urlencoded", b"a=b&" * 1000),
        ("application/x-www-form-urlencoded", b"a" * 70_000),
        ("text/plain", b"grant_type=client_credentials"),
        ("application/json", b'{"grant_type": 1}'),
        ("application/json", b"[]"),
        ("application/json", b"[" * 50_000),
        ("application/json", b"\xff"),
        ("application/json", b'{"a": "b", "a": "c"}'),
    ],
)
def test_a_token_request_that_cannot_be_read_is_invalid(
    client: TestClient, content_type: str, body: bytes
) -> None:
    """Unreadable parameters are 400 `invalid_request`, never 500."""
    answer = client.post("/oauth/token", content=body, headers={"content-type": content_type})
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize("header", ["Basic", "Basic !", "Basic eA==", "Bearer a:b", "Basic /w=="])
def test_bad_client_credentials_are_401(client: TestClient, header: str) -> None:
    """An Authorization header that is not Basic credentials names no client."""
    sent = {"grant_type": "client_credentials"}
    answer = client.post("/oauth/token", data=sent, headers={"authorization": header})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_half_a_surrogate_pair_is_nobodys_secret(client: TestClient) -> None:
    """JSON can spell text that UTF-8 cannot; such a body is refused before anything is compared."""
    body = (
        b'{"grant_type":"client_credentials","client_id":"local-machine","client_secret":"\\ud800"}'
    )
    answer = client.post("/oauth/token", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


def test_two_headers_name_two_clients(client: TestClient, issuer: LocalIssuer) -> None:
    """One method per request (RFC 6749 section 2.3), and one client: never the first that fits."""
    name, secret = issuer.client_id, issuer.client_secret
    good = f"Basic {b64encode(f'{name}:{secret}'.encode()).decode()}"
    sent = {"grant_type": "client_credentials"}
    for headers, fields in (
        ([good, good], sent),
        ([good], sent | {"client_id": issuer.management_client_id}),
    ):
        pairs = [("authorization", header) for header in headers]
        answer = client.post("/oauth/token", data=fields, headers=pairs)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    answer = client.post(
        "/oauth/token", data=sent | {"client_id": name}, headers={"authorization": good}
    )
    assert answer.status_code == 200


def test_any_token_is_as_its_api_is_set() -> None:
    """Dialect, lifetime and algorithm are those of the API that it is for, unless it says its own."""
    stock = {"identifier": "urn:stock", "token_dialect": "rfc9068_profile", "token_lifetime": 60}
    setup = Setup(apis=({"identifier": API}, {**stock, "signing_alg": "HS256"}))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    client = TestClient(issuer.app, base_url=BASE)
    for body, expected in (
        ({}, ("JWT", "ES256", 86_400)),
        ({"audience": "urn:stock"}, ("at+jwt", "HS256", 60)),
        ({"audience": ["urn:stock", "urn:x"]}, ("at+jwt", "HS256", 60)),
        ({"audience": "urn:stock", "dialect": "access_token", "lifetime": 5}, ("JWT", "HS256", 5)),
        ({"audience": "urn:nobodys"}, ("JWT", "ES256", 86_400)),
    ):
        token = client.post("/_local/token", json=body).json()["access_token"]
        header, claims = parts_of(token)
        assert (header["typ"], header["alg"], claims["exp"] - claims["iat"]) == expected


def test_the_token_endpoint_can_be_down(client: TestClient, issuer: LocalIssuer) -> None:
    """Faults reach it when they are set on it, and only then."""
    issuer.faults.set(down=True)
    assert _token(client, issuer).status_code == 200
    issuer.faults.set(down=True, on=["token"])
    assert _token(client, issuer).status_code == 503


def test_the_control_surface_issues_any_token(client: TestClient, issuer: LocalIssuer) -> None:
    """The arguments of `token` as JSON; the dialect is the API's unless it is named."""
    body = {"kind": "agent", "client_id": "c", "scopes": ["a"], "lifetime": 60, "remove": ["exp"]}
    body |= {"audience": ["x"], "claims": {"n": None}, "header": {"x": 1}, "subject": "s"}
    body |= {"permissions": ["p"]}
    header, claims = parts_of(client.post("/_local/token", json=body).json()["access_token"])
    assert (header["typ"], header["x"]) == ("JWT", 1)
    assert (claims["sub"], claims["azp"], claims["scope"], claims["aud"]) == ("s", "c", "a", ["x"])
    assert claims["n"] is None
    assert "exp" not in claims
    answer = client.post("/_local/token", json={"dialect": "rfc9068_profile", "audience": "y"})
    header, claims = parts_of(answer.json()["access_token"])
    assert (header["typ"], claims["aud"][0]) == ("at+jwt", "y")


@pytest.mark.parametrize("reason", list(Reason))
def test_the_control_surface_issues_broken_tokens(client: TestClient, reason: Reason) -> None:
    """Each reason by its word; the three that no token causes are a 400 with the sentence."""
    answer = client.post("/_local/token", json={"broken": reason})
    if reason in NOT_BY_A_TOKEN:
        assert answer.status_code == 400
        assert answer.json()["error_description"] == NOT_BY_A_TOKEN[reason]
    else:
        assert list(answer.json()) == ["access_token"]


@pytest.mark.parametrize("setting", get_args(Dialect))
def test_a_missing_key_id_is_a_fault_in_auth0s_profile(
    client: TestClient, issuer: LocalIssuer, setting: Dialect
) -> None:
    """RFC 9068 allows a token without `kid`; where no dialect is asked for, Auth0's is taken."""
    issuer.dialect = setting
    answer = client.post("/_local/token", json={"broken": "missing_key_id"}).json()
    header, claims = parts_of(answer["access_token"])
    assert (header["typ"], "kid" in header) == ("JWT", False)
    assert ("permissions" in claims) == setting.endswith("_authz")


def test_the_issuer_lists_what_it_serves(client: TestClient, issuer: LocalIssuer) -> None:
    """`/` and `/_local/` name every path and method, and each of them is there."""
    index, control = client.get("/").json(), client.get("/_local/").json()
    assert index["issuer"] == issuer.issuer
    assert index["paths"].items() > control["paths"].items()
    assert client.get("/_local").json() == control
    for line in index["paths"]:
        method, path = line.split()
        assert client.request(method, path).status_code not in {404, 405}, line
    assert client.get("/nothing").text == "Not Found; GET / lists what there is"


def test_the_control_surface_turns_every_switch(client: TestClient, issuer: LocalIssuer) -> None:
    """Rotation, withdrawal, faults, dialect and the count, all while faults are on."""
    current, following = (key["kid"] for key in issuer.jwks()["keys"])
    answer = client.put("/_local/faults", json={"hang": True, "on": ["metadata", "jwks"]})
    assert answer.json()["faults"] == {"metadata": {"hang": True}, "jwks": {"hang": True}}
    assert client.post("/_local/rotate", headers=JSON).json() == {"kid": following}
    assert client.post("/_local/withdraw", json={}).json() == {"kid": current}
    assert client.post("/_local/withdraw", json={"kid": following}).json() == {"kid": following}
    assert client.delete("/_local/faults").json() == {"faults": {}}
    assert client.get(JWKS).json() == issuer.jwks()
    assert client.put("/_local/dialect", json={"dialect": "rfc9068_profile"}).status_code == 200
    assert issuer.dialect == "rfc9068_profile"
    assert client.get("/_local/requests").json() == {"requests": {JWKS: 1}}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "token", b"{"),
        ("POST", "token", b"[]"),
        ("POST", "token", b"\xff"),
        ("POST", "token", b"[" * 60_000),
        ("POST", "token", b"{" + b" " * 70_000 + b"}"),
        ("POST", "token", b'{"kind": "user", "kind": "agent"}'),
        ("POST", "token", b'{"lifetime": NaN}'),
        ("POST", "token", b'{"lifetime": 1e999}'),
        ("POST", "token", b'{"lifetime": true}'),
        ("POST", "token", b'{"lifetime": 1' + b"0" * 400 + b"}"),
        ("POST", "token", b'{"lifetime": 1' + b"0" * 5_000 + b"}"),
        ("POST", "token", b'{"claims": {"a": ' + b"[" * 900 + b"]" * 900 + b'}, "lifetime": []}'),
        ("POST", "token", b'{"scopes": "read:items"}'),
        ("POST", "token", b'{"scopes": [1]}'),
        ("POST", "token", b'{"audience": 1}'),
        ("POST", "token", b'{"subject": ""}'),
        ("POST", "token", b'{"kind": []}'),
        ("POST", "token", b'{"dialect": {}}'),
        ("POST", "token", b'{"claims": []}'),
        ("POST", "token", b'{"remove": {}}'),
        ("POST", "token", b'{"broken": "heart"}'),
        ("POST", "token", b'{"broken": []}'),
        ("POST", "token", b'{"colour": "red"}'),
        ("POST", "rotate", b'{"kid": "a"}'),
        ("POST", "withdraw", b"{}"),
        ("POST", "withdraw", b'{"kid": 1}'),
        ("POST", "withdraw", b'{"kid": "nobody"}'),
        ("PUT", "faults", b'{"down": "yes"}'),
        ("PUT", "faults", b'{"slow": 1' + b"0" * 400 + b"}"),
        ("PUT", "faults", b'{"colour": true}'),
        ("PUT", "faults", b'{"on": 1}'),
        ("PUT", "faults", b'{"on": [[]]}'),
        ("PUT", "dialect", b"{}"),
        ("PUT", "dialect", b'{"dialect": "auth0"}'),
        ("DELETE", "faults", b'{"on": ["jwks"]}'),
    ],
)
def test_a_bad_body_is_400_with_a_sentence(
    client: TestClient, method: str, path: str, body: bytes
) -> None:
    """Whatever is sent to the control surface, the answer says what is wrong with it."""
    answer = client.request(method, f"/_local/{path}", content=body, headers=JSON)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert answer.json()["error_description"]


def test_a_web_page_cannot_turn_the_switches(client: TestClient, issuer: LocalIssuer) -> None:
    """Without a JSON content type, which a page cannot send across origins, nothing happens."""
    before = issuer.jwks()
    for path in ("rotate", "token", "withdraw"):
        sent = client.post(f"/_local/{path}", content=b"{}", headers={"content-type": "text/plain"})
        assert sent.status_code == 415
        assert "content-type: application/json" in sent.json()["error_description"]
    assert issuer.jwks() == before
