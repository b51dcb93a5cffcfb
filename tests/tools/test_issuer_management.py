"""The local issuer's Management API: an API's settings by HTTP, as Auth0 documents them."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import Grant, LocalIssuer, Setup
from tools.login import API, BASE, ask, code_for, redeem
from tools.second_opinion import parts_of

NOW = 1_790_000_000
MANAGEMENT = f"{BASE}api/v2/"
AT = "/api/v2/resource-servers"
VERBS = ("read", "create", "update", "delete")
SCOPES = [f"{verb}:{what}" for what in ("resource_servers", "client_grants") for verb in VERBS]
SCOPES += [f"{verb}:signing_keys" for verb in VERBS[:3]]
DEFAULTS = {
    "scopes": [],
    "allow_offline_access": False,
    "skip_consent_for_verifiable_first_party_clients": False,
    "token_lifetime": 86_400,
    "token_lifetime_for_web": 7_200,
    "signing_alg": "ES256",
    "subject_type_authorization": {
        "client": {"policy": "require_client_grant"},
        "user": {"policy": "allow_all"},
    },
}


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW)


def _token(issuer: LocalIssuer, scope: str | None = None, audience: str = MANAGEMENT) -> str:
    asked = {"grant_type": "client_credentials", "audience": audience}
    asked |= {"client_id": issuer.management_client_id}
    asked |= {"client_secret": issuer.management_client_secret}
    asked |= {} if scope is None else {"scope": scope}
    answer = TestClient(issuer.app, base_url=BASE).post("/oauth/token", json=asked)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])


def _client(issuer: LocalIssuer, scope: str | None = None) -> TestClient:
    headers = {"authorization": f"Bearer {_token(issuer, scope)}"}
    return TestClient(issuer.app, base_url=BASE, headers=headers)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return _client(issuer)


@pytest.fixture
def api_id(client: TestClient) -> str:
    """The main API's id."""
    return str(client.get(f"{AT}/{quote(API, safe='')}").json()["id"])


def _error(answer: Any) -> tuple[int, str | None]:
    """Status and code of an error, whose body is of the documented form."""
    body = answer.json()
    assert body.keys() - {"errorCode"} == {"statusCode", "error", "message"}
    assert body["statusCode"] == answer.status_code
    assert body["message"]
    return answer.status_code, body.get("errorCode")


def test_the_tokens_are_those_of_a_machine_of_auth0s(issuer: LocalIssuer) -> None:
    """From `/oauth/token`, in Auth0's profile, for the Management API and with its scopes."""
    header, claims = parts_of(_token(issuer))
    assert header["typ"] == "JWT"
    assert (claims["aud"], claims["gty"]) == (MANAGEMENT, "client-credentials")
    assert claims["scope"].split() == SCOPES
    assert parts_of(_token(issuer, "read:resource_servers"))[1]["scope"] == "read:resource_servers"


def test_a_new_api_is_shown_with_the_defaults(client: TestClient) -> None:
    """Of an identifier alone: no dialect, RBAC or name is shown, as in recorded answers."""
    answer = client.post(AT, json={"identifier": "urn:new"})
    assert answer.status_code == 201
    body = answer.json()
    assert body == {"id": body["id"], "identifier": "urn:new", **DEFAULTS}
    assert len(body["id"]) == 24
    for key in (body["id"], "urn:new"):
        assert client.get(f"{AT}/{key}").json() == body


@pytest.mark.parametrize("identifier", ["https://a.test/", "urn:a b", "a/../b?c#d", "ä", "/", "."])
def test_an_api_is_found_by_its_identifier_too(client: TestClient, identifier: str) -> None:
    """URL-encoded, whatever is in it."""
    made = client.post(AT, json={"identifier": identifier}).json()
    path = f"{AT}/{quote(identifier, safe='').replace('.', '%2E')}"
    assert client.get(path).json() == made
    assert client.patch(path, json={"name": "A"}).json() == {**made, "name": "A"}
    assert client.delete(path).status_code == 204
    assert _error(client.get(path)) == (404, "inexistent_resource_server")


def test_the_recorded_sequence_of_changes(client: TestClient, api_id: str) -> None:
    """RBAC and dialect through all four, each 200 with the whole object and the rest unchanged."""
    rest = {"proof_of_possession": {"mechanism": "mtls", "required": False}}
    before = client.patch(f"{AT}/{api_id}", json={**rest, "consent_policy": None}).json()
    for rbac, dialect in [
        (False, "access_token"),
        (True, "access_token_authz"),
        (False, "rfc9068_profile"),
        (True, "rfc9068_profile_authz"),
    ]:
        changes = {"enforce_policies": rbac, "token_dialect": dialect}
        changes["token_lifetime_for_web"] = 3_600
        answer = client.patch(f"{AT}/{api_id}", json=changes)
        assert answer.status_code == 200
        assert answer.json() == {**before, **changes}
        assert client.get(f"{AT}/{api_id}").json() == answer.json()


def test_a_change_of_the_dialect_is_in_the_next_token(
    client: TestClient, issuer: LocalIssuer, api_id: str
) -> None:
    """What this library is about: one PATCH, and the API's tokens are of the other profile."""
    asked = {"grant_type": "client_credentials", "audience": API}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    kinds = []
    for dialect in ("access_token", "rfc9068_profile"):
        client.patch(f"{AT}/{api_id}", json={"token_dialect": dialect})
        answer = TestClient(issuer.app, base_url=BASE).post("/oauth/token", json=asked)
        token = answer.json()["access_token"]
        kinds.append(parts_of(token)[0]["typ"])
        assert issuer.dialect == dialect
    assert kinds == ["JWT", "at+jwt"]


def test_a_code_for_an_api_that_has_gone_is_refused(client: TestClient, api_id: str) -> None:
    """Removed or closed between login and token: no token, and the code is used up."""
    browser = TestClient(client.app, base_url=BASE, follow_redirects=False)
    codes = [code_for(browser), code_for(browser)]
    closed = {"subject_type_authorization": {"user": {"policy": "deny_all"}}}
    client.patch(f"{AT}/{api_id}", json=closed)
    assert redeem(browser, codes[0]).json()["error"] == "invalid_target"
    client.delete(f"{AT}/{api_id}")
    assert redeem(browser, codes[1]).json()["error"] == "invalid_target"


def test_a_new_algorithm_is_published_before_it_signs(client: TestClient, api_id: str) -> None:
    """PATCH `signing_alg`: the keys are in the JWKS when the answer is out."""
    assert client.patch(f"{AT}/{api_id}", json={"signing_alg": "PS256"}).status_code == 200
    keys = client.get("/.well-known/jwks.json").json()["keys"]
    assert [key["alg"] for key in keys] == ["ES256", "ES256", "PS256", "PS256"]
    assert client.get(f"{AT}/{api_id}").json()["signing_alg"] == "PS256"


@pytest.mark.parametrize(
    ("body", "place"),
    [
        (b'{"token_dialect": "auth0"}', "token_dialect is one of "),
        (b'{"enforce_policies": "true"}', "enforce_policies is true or false"),
        (b'{"colour": "red"}', "additional properties not allowed: colour"),
        (b'{"identifier": "urn:other"}', "additional properties not allowed: identifier"),
        (b'{"is_system": true, "id": "a"}', "additional properties not allowed: id, is_system"),
        (b'{"token_lifetime_for_web": 86401}', "no longer than token_lifetime"),
        (b'{"signing_secret": "0123456789abcdef"}', "HS256 only"),
        (b'{"name": "a", "name": "b"}', "a member is given more than once"),
        (b"[]", "the body is not a JSON object"),
        (b"{", "the body is not JSON"),
        (b"", "the body is not JSON"),
        (b"\xff", "the body is not UTF-8"),
        (b"[" * 60_000, "nested too deep"),
    ],
)
def test_a_change_that_does_not_fit_is_400(
    client: TestClient, api_id: str, body: bytes, place: str
) -> None:
    """`invalid_body`, a message with every problem, and nothing is changed."""
    path, before = f"{AT}/{api_id}", client.get(f"{AT}/{api_id}").json()
    answer = client.patch(path, content=body, headers={"content-type": "application/json"})
    assert _error(answer) == (400, "invalid_body")
    assert answer.json()["message"].startswith("Payload validation error: ")
    assert place in answer.json()["message"]
    assert client.get(path).json() == before


def test_a_body_of_another_type_or_size_is_refused(client: TestClient, api_id: str) -> None:
    """JSON, and not endless."""
    path, json = f"{AT}/{api_id}", {"content-type": "application/json"}
    assert _error(client.patch(path, data={"token_dialect": "access_token"})) == (415, None)
    assert _error(client.patch(path, content=b" " * 1_048_577, headers=json)) == (413, None)


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, (400, "invalid_body")),
        ({"identifier": ""}, (400, "invalid_body")),
        ({"identifier": "urn:a", "id": "a"}, (400, "invalid_body")),
        ({"identifier": MANAGEMENT}, (400, None)),
        ({"identifier": f"{BASE}userinfo"}, (400, None)),
        ({"identifier": API}, (409, None)),
    ],
)
def test_an_api_that_cannot_be_made_is_not_made(
    client: TestClient, body: dict[str, object], error: tuple[int, str | None]
) -> None:
    """Settings that do not fit, reserved identifiers, and one that is taken."""
    before = client.get(AT).json()
    assert _error(client.post(AT, json=body)) == error
    assert client.get(AT).json() == before


def test_the_system_api_is_there_and_stays(client: TestClient) -> None:
    """It can be read, is marked as what it is, and is neither changed nor removed."""
    system = client.get(f"{AT}/{quote(MANAGEMENT, safe='')}").json()
    assert system["is_system"] is True
    assert [scope["value"] for scope in system["scopes"]] == SCOPES
    assert _error(client.patch(f"{AT}/{system['id']}", json={"name": "A"})) == (400, None)
    assert _error(client.delete(f"{AT}/{system['id']}")) == (400, None)
    assert client.get(AT).json()[0] == system


def test_what_is_not_there(client: TestClient) -> None:
    """GET and PATCH say 404 and its code; DELETE is done already."""
    assert _error(client.get(f"{AT}/nothing")) == (404, "inexistent_resource_server")
    assert _error(client.patch(f"{AT}/nothing", json={})) == (404, "inexistent_resource_server")
    assert client.delete(f"{AT}/nothing").status_code == 204
    assert _error(client.get("/api/v2/clients")) == (404, None)
    assert _error(client.put(AT, json={})) == (405, None)


def _made(client: TestClient, many: int) -> None:
    for number in range(many):
        assert client.post(AT, json={"identifier": f"urn:{number}"}).status_code == 201


def _identifiers(body: list[dict[str, object]]) -> list[str]:
    return [str(api["identifier"]) for api in body]


def test_the_list_comes_in_pages(client: TestClient) -> None:
    """`page` from 0, `per_page` 50 by default; a bare array, or with totals an object."""
    _made(client, 58)
    assert len(client.get(AT).json()) == 50
    assert len(client.get(AT, params={"page": 1}).json()) == 10
    assert len(client.get(AT, params={"per_page": 100}).json()) == 60
    assert client.get(AT, params={"page": 2}).json() == []
    query = {"page": "2", "per_page": "3", "include_totals": "true"}
    body = client.get(AT, params=query).json()
    servers = body.pop("resource_servers")
    assert body == {"start": 6, "limit": 3, "total": 60}
    assert _identifiers(servers) == ["urn:4", "urn:5", "urn:6"]


def test_the_list_can_be_asked_by_identifier(client: TestClient) -> None:
    """`identifiers`, repeated; ten at most."""
    _made(client, 3)
    query = {"identifiers": ["urn:2", API, "urn:none"], "include_totals": "true"}
    body = client.get(AT, params=query).json()
    assert (body["total"], _identifiers(body["resource_servers"])) == (2, [API, "urn:2"])
    assert (
        client.get(AT, params={"identifiers": [f"urn:{n}" for n in range(10)]}).status_code == 200
    )


@pytest.mark.parametrize(
    "query",
    [
        "page=-1",
        "page=",
        "page=x",
        "page=%C2%B2",
        "page=1001",
        f"page={'9' * 5_000}",
        "per_page=0",
        "per_page=101",
        "per_page=1.5",
        "include_totals=yes",
        "include_fields=1",
        "page=1&page=2",
        "colour=red",
        "&".join(f"identifiers={number}" for number in range(11)),
        "&".join("a=b" for _ in range(100)),
        "page=%ff",
    ],
)
def test_a_query_that_does_not_fit_is_400(client: TestClient, query: str) -> None:
    """`invalid_query_string`, and a message that is not endless."""
    answer = client.get(f"{AT}?{query}")
    assert _error(answer) == (400, "invalid_query_string")
    assert len(answer.json()["message"]) < 2_000


def test_include_fields_means_nothing_by_itself(client: TestClient, api_id: str) -> None:
    """The SDKs send it; without `fields` there is nothing to include or to leave out."""
    for path in (AT, f"{AT}/{api_id}"):
        assert client.get(path, params={"include_fields": "true"}).json() == client.get(path).json()
    assert _error(client.get(f"{AT}/{api_id}?page=1"))[0] == 400


REQUESTS = [
    ("GET", AT, "read"),
    ("POST", AT, "create"),
    ("GET", f"{AT}/urn:a", "read"),
    ("PATCH", f"{AT}/urn:a", "update"),
    ("DELETE", f"{AT}/urn:a", "delete"),
]


@pytest.mark.parametrize(("method", "path", "verb"), REQUESTS)
def test_each_request_needs_its_scope(
    issuer: LocalIssuer, method: str, path: str, verb: str
) -> None:
    """With all other scopes: 403 `insufficient_scope`, which names the one; with it alone: more."""
    others = " ".join(f"{each}:resource_servers" for each in VERBS if each != verb)
    answer = _client(issuer, others).request(method, path, json={"identifier": "urn:a"})
    assert _error(answer) == (403, "insufficient_scope")
    assert answer.json()["message"].endswith(f"expected any of: {verb}:resource_servers")
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]
    own = _client(issuer, f"{verb}:resource_servers")
    assert own.request(method, path, json={"identifier": "urn:b"}).status_code not in {401, 403}


@pytest.mark.parametrize(("method", "path", "verb"), REQUESTS)
def test_each_request_needs_a_token(issuer: LocalIssuer, method: str, path: str, verb: str) -> None:
    """None, an expired one, one for another API, and one of the other profile are 401."""
    client = TestClient(issuer.app, base_url=BASE)
    answer = client.request(method, path)
    assert _error(answer) == (401, None)
    assert answer.headers["www-authenticate"].startswith("Bearer ")
    scopes = [f"{verb}:resource_servers"]
    good: Any = {"dialect": "access_token", "kind": "client", "scopes": scopes}
    for token, passes in [
        (issuer.token(**good, audience=MANAGEMENT), True),
        (issuer.token(**good, audience=MANAGEMENT, lifetime=-60), False),
        (issuer.token(**good), False),
        (issuer.token(**{**good, "dialect": "rfc9068_profile"}, audience=MANAGEMENT), False),
        (issuer.broken("invalid_signature", **good, audience=MANAGEMENT), False),  # type: ignore[arg-type]
    ]:
        headers = {"authorization": f"Bearer {token}"}
        answer = client.request(method, path, headers=headers)
        assert (answer.status_code != 401) == passes
        assert passes or _error(answer) == (401, None)
        assert token not in answer.text
    answer = client.request(method, path, headers={"authorization": "Bearer a b"})
    assert _error(answer) == (400, None)


def test_no_user_and_no_other_client_comes_near_it(issuer: LocalIssuer) -> None:
    """The built-in machine has no grant for it, and users cannot ask for it at all."""
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    asked = {"grant_type": "client_credentials", "audience": MANAGEMENT}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    assert client.post("/oauth/token", json=asked).json()["error"] == "access_denied"
    assert "error=invalid_target" in ask(client, audience=MANAGEMENT).headers["location"]
    grant = Grant(
        client_id="local-machine", audience="management", scopes=("read:resource_servers",)
    )
    reader = LocalIssuer(issuer=BASE, algorithm="ES256", setup=Setup(grants=(grant,)))
    asked |= {"client_secret": reader.client_secret}
    answer = TestClient(reader.app, base_url=BASE).post("/oauth/token", json=asked)
    assert answer.json()["scope"] == "read:resource_servers"


def test_no_page_and_no_other_computer_comes_near_it(client: TestClient) -> None:
    """With a good token too: no CORS, and only loopback hosts are answered."""
    headers = {"origin": "http://localhost:8000", "access-control-request-method": "PATCH"}
    for answer in (client.options(AT, headers=headers), client.get(AT, headers=headers)):
        assert "access-control-allow-origin" not in answer.headers
    assert client.get(AT, headers={"host": "evil.test"}).status_code == 403


def test_a_rotation_counts_at_once(issuer: LocalIssuer) -> None:
    """New keys are known and withdrawn ones are not, by the next request; no clock is waited for."""
    old = _client(issuer)
    for _ in range(3):
        issuer.rotate_keys()
        assert _client(issuer).get(AT).status_code == 200
    assert old.get(AT).status_code == 200
    for key in issuer.jwks()["keys"]:
        issuer.withdraw(key["kid"])
    assert _error(old.get(AT)) == (401, None)
    assert _error(_client(issuer).get(AT)) == (401, None)


def test_an_issuer_with_a_path_has_it_below(issuer: LocalIssuer) -> None:
    """Address and audience follow the issuer's path."""
    issuer = LocalIssuer(issuer=f"{BASE}tenant/", algorithm="RS256")
    assert issuer.management_audience == f"{BASE}tenant/api/v2/"
    token = issuer.token(
        dialect="access_token",
        audience=issuer.management_audience,
        scopes=["read:resource_servers"],
    )
    client = TestClient(issuer.app, base_url=BASE, headers={"authorization": f"Bearer {token}"})
    assert len(client.get("/tenant/api/v2/resource-servers").json()) == 2


def test_it_can_be_down_or_limited(issuer: LocalIssuer, client: TestClient) -> None:
    """Faults reach it when they are set on it; a limit says when it is over, as at Auth0."""
    issuer.faults.set(down=True)
    assert client.get(AT).status_code == 200
    issuer.faults.set(down=True, on=["management"])
    assert _error(client.get(AT)) == (503, None)
    for retry_after, reset in [(None, NOW + 60), (5, NOW + 5)]:
        issuer.faults.set(down=True, status=429, retry_after=retry_after, on=["management"])
        answer = client.patch(f"{AT}/a", json={})
        assert _error(answer) == (429, None)
        assert answer.headers["x-ratelimit-reset"] == str(reset)
        assert answer.headers["x-ratelimit-remaining"] == "0"
    issuer.faults.clear()
    assert client.get(AT).status_code == 200


def test_requests_are_counted_without_what_they_name(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """By the two paths there are, so that nobody fills the memory with names."""
    issuer.requests.clear()
    client.get(AT)
    client.get(f"{AT}/a")
    client.get(f"{AT}/b")
    assert issuer.requests == {AT: 1, f"{AT}/{{id}}": 2}


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[LocalIssuer]:
    """An issuer with a state file."""
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", state=tmp_path / "issuer.db")
    with closing(issuer):
        yield issuer


def test_changes_survive_a_restart(kept: LocalIssuer, tmp_path: Path) -> None:
    """What was made, changed and removed is so in the next run, under the same ids."""
    client = _client(kept)
    client.post(AT, json={"identifier": "urn:a"})
    client.post(AT, json={"identifier": "urn:b", "signing_alg": "HS256"})
    client.patch(f"{AT}/urn:a", json={"token_dialect": "rfc9068_profile"})
    client.delete(f"{AT}/{quote(API, safe='')}")
    before = client.get(AT).json()
    kept.close()
    again = LocalIssuer(issuer=BASE, state=tmp_path / "issuer.db")
    with closing(again):
        assert _client(again).get(AT).json() == before
        assert _identifiers(before)[1:] == ["urn:a", "urn:b"]


def test_what_cannot_be_kept_is_500_and_not_so(kept: LocalIssuer) -> None:
    """A state file that was closed stands for one that is full: a sentence, and nothing half done."""
    client = _client(kept)
    before = client.get(AT).json()
    kept.close()
    path = f"{AT}/{quote(API, safe='')}"
    for answer in (
        client.post(AT, json={"identifier": "urn:a"}),
        client.patch(path, json={"signing_alg": "PS256"}),
        client.patch(path, json={"token_dialect": "rfc9068_profile"}),
        client.delete(path),
    ):
        assert _error(answer) == (500, None)
        assert "state file" in answer.json()["message"]
    assert client.get(AT).json() == before
    assert {key["alg"] for key in kept.jwks()["keys"]} == {"ES256"}
