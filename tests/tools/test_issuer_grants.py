"""The local issuer's client grants: a token for every API, and who may ask for what, by HTTP."""

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.errors import ConfigurationError
from atjwt.issuer import MANAGEMENT, Client, Grant, LocalIssuer, Setup, User
from atjwt.issuer.grant_members import change_problems, creation_problems
from atjwt.issuer.state_file import StateFile
from tools.login import API, BASE, MANAGER, tokens_of
from tools.second_opinion import parts_of

AT = "/api/v2/client-grants"
APIS = "/api/v2/resource-servers"
NEW = "urn:new"
SCOPES = [{"value": "read:items"}, {"value": "write:items"}]
VERBS = ("read", "create", "update", "delete")
NIGHTLY = Client(client_id="nightly", name="nightly job", type="machine")


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256")


def _client(issuer: LocalIssuer, scope: str | None = None) -> TestClient:
    """A client that may do at the Management API what the scope says; all of it by default."""
    scopes = {} if scope is None else {"scope": scope}
    answer = _token(issuer, issuer.management_audience, issuer.management_client_id, **scopes)
    headers = {"authorization": f"Bearer {answer.json()['access_token']}"}
    return TestClient(issuer.app, base_url=BASE, headers=headers)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return _client(issuer)


def _token(issuer: LocalIssuer, audience: str, client_id: str = "", **more: str) -> Any:
    """The answer to a machine's request for a token."""
    client_id = client_id or issuer.client_id
    asked = {"grant_type": "client_credentials", "audience": audience, "client_id": client_id}
    asked["client_secret"] = issuer._authority.secrets[client_id]
    return TestClient(issuer.app, base_url=BASE).post("/oauth/token", data={**asked, **more})


def _error(answer: Any) -> tuple[int, str | None]:
    """Status and code of an error, whose body is of the documented form."""
    body = answer.json()
    assert body.keys() - {"errorCode"} == {"statusCode", "error", "message"}
    assert body["statusCode"] == answer.status_code
    return answer.status_code, body.get("errorCode")


def _made(client: TestClient, audience: str = NEW, **members: object) -> None:
    """A new API."""
    body = {"identifier": audience, "scopes": SCOPES, **members}
    assert client.post(APIS, json=body).status_code == 201


def _of(client: TestClient, audience: str = NEW, client_id: str = "local-machine") -> Any:
    """The one grant of a client at an API."""
    query = {"client_id": client_id, "audience": audience}
    (grant,) = client.get(AT, params=query).json()
    return grant


def test_a_new_api_gives_the_machine_a_token_at_once(
    issuer: LocalIssuer, client: TestClient
) -> None:
    """POST an API, ask for a token: all of its scopes, and those that it is given later."""
    _made(client)
    assert _token(issuer, NEW).json()["scope"] == "read:items write:items"
    client.patch(f"{APIS}/{NEW}", json={"scopes": [*SCOPES, {"value": "paint:items"}]})
    assert _token(issuer, NEW).json()["scope"] == "read:items write:items paint:items"
    assert _of(client) == {
        "id": _of(client)["id"],
        "client_id": "local-machine",
        "audience": NEW,
        "scope": [],
        "subject_type": "client",
        "organization_usage": "allow",
        "allow_any_organization": True,
        "allow_all_scopes": True,
    }
    assert _of(client)["id"].startswith("cgr_")
    assert len(_of(client)["id"]) == 20


def test_the_built_in_users_follow_too(issuer: LocalIssuer, client: TestClient) -> None:
    """At an API made later the clerk may read and the manager do everything."""
    _made(client, enforce_policies=True, token_dialect="access_token_authz")
    browser = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    for user, rights in [
        ("auth0|66f0c2", ["read:items"]),
        (MANAGER, ["read:items", "write:items"]),
    ]:
        tokens = tokens_of(browser, user, audience=NEW, scope="read:items")
        assert parts_of(tokens["access_token"])[1]["permissions"] == rights


def test_they_follow_the_scopes_of_the_main_api(issuer: LocalIssuer, client: TestClient) -> None:
    """A scope that it is given later is the manager's, and if it is one to read, the clerk's."""
    scopes = [{"value": name} for name in ("read:orders", "read:stock", "paint:orders")]
    client.patch(f"{APIS}/{quote(API, safe='')}", json={"scopes": scopes})
    assert [issuer.assigned(user) for user in issuer.users] == [
        ["read:orders", "read:stock"],
        ["read:orders", "read:stock", "paint:orders"],
    ]


def test_what_is_said_about_an_api_is_all_there_is() -> None:
    """A user who may do everything everywhere may do, at an API that they name, only what they say."""
    user = User(subject="u", name="u", permissions_at={API: ("read:orders",)}, everywhere="")
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", users=[user])
    _made(_client(issuer))
    (new,) = [api for api in issuer._authority.apis.all() if api.identifier == NEW]
    assert issuer.assigned(user) == ["read:orders"]
    assert issuer._authority.assigned(user, new) == ["read:items", "write:items"]


def test_removing_an_api_removes_its_grants(issuer: LocalIssuer, client: TestClient) -> None:
    """And those of others stay; made again, the API comes with the machine's grant again."""
    before = client.get(AT).json()
    _made(client)
    grant = _of(client)
    client.delete(f"{AT}/{grant['id']}")
    assert _token(issuer, NEW).json()["error"] == "access_denied"
    assert list(issuer._authority.store.all("removed grant")) == [grant["id"]]
    client.delete(f"{APIS}/{NEW}")
    assert client.get(AT).json() == before
    assert issuer._authority.store.all("removed grant") == {}
    _made(client)
    assert _token(issuer, NEW).status_code == 200
    assert client.get(f"{AT}/{grant['id']}").status_code == 404


def test_a_machine_with_a_grant_of_its_own_has_no_other() -> None:
    """What a setup says about the built-in machine is all that it gets, at later APIs too."""
    grant = Grant(client_id="local-machine", audience=API, scopes=("read:orders",))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=Setup(grants=(grant,)))
    _made(_client(issuer))
    assert _token(issuer, API).json()["scope"] == "read:orders"
    assert _token(issuer, NEW).json()["error"] == "access_denied"


def test_a_setup_may_grant_every_api() -> None:
    """To a machine of one's own: those that there are, and those made later."""
    grant = Grant(client_id="nightly", audience="*", scopes=("read:items", "read:orders"))
    setup = Setup(clients=(NIGHTLY,), grants=(grant,))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    _made(_client(issuer))
    assert _token(issuer, API).json()["scope"] == "read:orders"
    assert _token(issuer, NEW).json()["scope"] == "read:items"
    assert _token(issuer, issuer.management_audience).json()["error"] == "access_denied"


def test_a_grant_is_made_changed_and_removed() -> None:
    """201, 200, 204; what is not named stays, and null gives a setting its default again."""
    setup = Setup(clients=(NIGHTLY,))
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    client = _client(issuer)
    _made(client)
    assert _token(issuer, NEW).json()["error"] == "access_denied"
    asked = {"client_id": "nightly", "audience": NEW, "scope": ["read:items", "paint:items"]}
    answer = client.post(AT, json=asked)
    assert answer.status_code == 201
    defaults = {"organization_usage": "deny", "allow_any_organization": False}
    whole = {"id": answer.json()["id"], **asked, "subject_type": "client", **defaults}
    assert answer.json() == whole
    path = f"{AT}/{whole['id']}"
    assert client.get(path).json() == whole
    assert _token(issuer, NEW).json()["scope"] == "read:items"
    changes: list[tuple[dict[str, object], dict[str, object], str | None]] = [
        ({"scope": ["write:items"]}, {"scope": ["write:items"]}, "write:items"),
        ({"organization_usage": "allow"}, {"organization_usage": "allow"}, "write:items"),
        ({"organization_usage": None}, defaults, "write:items"),
        (
            {"allow_all_scopes": True},
            {"scope": [], "allow_all_scopes": True},
            "read:items write:items",
        ),
        ({"scope": ["read:items"]}, {"scope": ["read:items"]}, "read:items"),
        ({"scope": None}, {"scope": []}, None),
    ]
    for change, expected, scope in changes:
        whole = {name: value for name, value in whole.items() if name != "allow_all_scopes"}
        whole |= expected
        answer = client.patch(path, json=change)
        assert (answer.status_code, answer.json()) == (200, whole)
        assert _token(issuer, NEW).json().get("scope") == scope
    assert [client.delete(path).status_code for _ in range(2)] == [204, 204]
    assert _token(issuer, NEW).json()["error"] == "access_denied"


def test_a_grant_for_users_is_another_one(issuer: LocalIssuer, client: TestClient) -> None:
    """Of the same client and API, with `subject_type: user`; it opens an API that demands it."""
    policy = {"user": {"policy": "require_client_grant"}}
    _made(client, subject_type_authorization=policy)
    asked = {"client_id": "local-app", "audience": NEW, "scope": ["read:items"]}
    assert client.post(AT, json=asked).status_code == 201
    assert client.post(AT, json={**asked, "subject_type": "user"}).status_code == 201
    browser = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    tokens = tokens_of(browser, audience=NEW, scope="read:items write:items")
    assert parts_of(tokens["access_token"])[1]["scope"] == "read:items"


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, (400, "invalid_body")),
        ({"client_id": "local-app", "audience": NEW, "colour": "red"}, (400, "invalid_body")),
        ({"client_id": "local-app", "audience": NEW, "scope": "read"}, (400, "invalid_body")),
        ({"client_id": "nobody", "audience": NEW}, (404, None)),
        ({"client_id": "local-app", "audience": "urn:nothing"}, (404, None)),
        ({"client_id": "local-machine", "audience": NEW}, (409, None)),
    ],
)
def test_a_grant_that_cannot_be_made_is_not_made(
    client: TestClient, body: dict[str, object], error: tuple[int, str | None]
) -> None:
    """Members that do not fit, a client or an API that is not there, and a pair that has one."""
    _made(client)
    before = client.get(AT).json()
    assert _error(client.post(AT, json=body)) == error
    assert client.get(AT).json() == before


PAIR = {"client_id": "a", "audience": "b"}


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"client_id": "a"}, "audience is missing"),
        ({"audience": "b"}, "client_id is missing"),
        ({**PAIR, "client_id": ""}, "client_id is a string of 1 to 600 characters"),
        ({**PAIR, "scope": ["a b"]}, "scope has an item, [0], that is a string of 1 to 280"),
        ({**PAIR, "subject_type": "agent"}, "subject_type is one of client, user"),
        ({**PAIR, "organization_usage": "yes"}, "organization_usage is one of deny, allow"),
        ({**PAIR, "allow_any_organization": 1}, "allow_any_organization is true or false"),
        ({**PAIR, "allow_all_scopes": None}, "allow_all_scopes is true or false"),
        (
            {**PAIR, "allow_all_scopes": True, "scope": ["a"]},
            "scope is empty where allow_all_scopes is true",
        ),
        ({**PAIR, "default_for": "third_party_clients"}, "additional properties not allowed"),
    ],
)
def test_what_a_grant_may_be(members: dict[str, object], problem: str) -> None:
    """Each member has its type and bounds; a problem names the member, never its value."""
    (told,) = creation_problems(members)
    assert told.startswith(problem)


def test_what_a_change_may_be() -> None:
    """Client, API and subject type are for ever."""
    assert change_problems({"scope": None, "allow_all_scopes": None}) == []
    (told,) = change_problems({**PAIR, "subject_type": "user"})
    assert told == "additional properties not allowed: audience, client_id, subject_type"
    assert change_problems({"scope": ["a"], "allow_all_scopes": True}) == [
        "scope is empty where allow_all_scopes is true"
    ]


def test_the_managers_grant_is_the_issuers_own(issuer: LocalIssuer, client: TestClient) -> None:
    """It is listed first, marked as what it is, and neither changed nor removed."""
    own = client.get(AT).json()[0]
    assert own["is_system"] is True
    assert (own["client_id"], own["audience"]) == ("local-management", issuer.management_audience)
    assert _error(client.patch(f"{AT}/{own['id']}", json={"scope": []})) == (400, None)
    assert _error(client.delete(f"{AT}/{own['id']}")) == (400, None)
    assert client.get(f"{AT}/{own['id']}").json() == own


def test_a_grant_that_is_not_there_is_404(client: TestClient) -> None:
    """GET and PATCH say so; DELETE is done already."""
    assert _error(client.get(f"{AT}/cgr_0")) == (404, None)
    assert _error(client.patch(f"{AT}/cgr_0", json={})) == (404, None)
    assert client.delete(f"{AT}/cgr_0").status_code == 204


def test_the_list_comes_in_pages_and_filtered(client: TestClient) -> None:
    """By page with or without totals, and by client, API, subject type and organizations."""
    for number in range(3):
        _made(client, f"urn:{number}")
    client.post(AT, json={"client_id": "local-app", "audience": "urn:0", "subject_type": "user"})
    every = client.get(AT).json()
    assert [grant["audience"] for grant in every[1:]] == [API, "urn:0", "urn:1", "urn:2", "urn:0"]
    query = {"page": "1", "per_page": "2", "include_totals": "true"}
    assert client.get(AT, params=query).json() == {
        "start": 2,
        "limit": 2,
        "total": 6,
        "client_grants": every[2:4],
    }
    for filters, expected in [
        ({"client_id": "local-app"}, every[5:]),
        ({"audience": "urn:0"}, [every[2], every[5]]),
        ({"subject_type": "user", "audience": "urn:0"}, every[5:]),
        ({"allow_any_organization": "true"}, every[1:5]),
        ({"client_id": "nobody"}, []),
    ]:
        assert client.get(AT, params=filters).json() == expected


def test_the_list_can_be_walked_as_the_sdks_do(client: TestClient) -> None:
    """`take` so many `from` an id on; `next` is where the rest begins, and absent at the end."""
    for number in range(3):
        _made(client, f"urn:{number}")
    every, found, query = client.get(AT).json(), [], {"take": "2"}
    for _ in range(3):
        body = client.get(AT, params=query).json()
        found += body["client_grants"]
        if "next" not in body:
            break
        query["from"] = body["next"]
    assert found == every
    assert len(every) == 5
    answer = client.get(AT, params={"client_id": "nobody", "take": "1"})
    assert answer.json() == {"client_grants": []}


@pytest.mark.parametrize(
    "query",
    [
        "take=0",
        "take=101",
        "from=cgr_0",
        "subject_type=agent",
        "allow_any_organization=false",
        "audience=a&audience=b",
        "colour=red",
    ],
)
def test_a_query_that_does_not_fit_is_400(client: TestClient, query: str) -> None:
    """`invalid_query_string`."""
    assert _error(client.get(f"{AT}?{query}")) == (400, "invalid_query_string")


@pytest.mark.parametrize(
    ("method", "path", "verb"),
    [
        ("GET", AT, "read"),
        ("POST", AT, "create"),
        ("GET", f"{AT}/cgr_0", "read"),
        ("PATCH", f"{AT}/cgr_0", "update"),
        ("DELETE", f"{AT}/cgr_0", "delete"),
    ],
)
def test_each_request_needs_its_scope(
    issuer: LocalIssuer, method: str, path: str, verb: str
) -> None:
    """With all others: 403, and the one is named; with it alone: more. Without a token: 401."""
    others = " ".join(
        f"{each}:{what}"
        for what in ("resource_servers", "client_grants")
        for each in VERBS
        if (each, what) != (verb, "client_grants")
    )
    answer = _client(issuer, others).request(method, path, json={})
    assert _error(answer) == (403, "insufficient_scope")
    assert answer.json()["message"].endswith(f"expected any of: {verb}:client_grants")
    own = _client(issuer, f"{verb}:client_grants")
    assert own.request(method, path, json={}).status_code not in {401, 403}
    bare = TestClient(issuer.app, base_url=BASE)
    assert _error(bare.request(method, path, json={})) == (401, None)


@contextmanager
def _run(path: Path, **arguments: Any) -> Iterator[tuple[LocalIssuer, TestClient]]:
    """One run of an issuer with this state file."""
    issuer = LocalIssuer(issuer=BASE, state=path, **arguments)
    with closing(issuer):
        yield issuer, _client(issuer)


def test_grants_survive_a_restart(tmp_path: Path) -> None:
    """Made, changed and removed ones, under the same ids; a removed one does not come back."""
    path = tmp_path / "issuer.db"
    with _run(path, algorithm="ES256") as (_, client):
        for identifier in ("urn:a", "urn:b"):
            _made(client, identifier)
        client.patch(f"{AT}/{_of(client, 'urn:a')['id']}", json={"scope": ["read:items"]})
        client.delete(f"{AT}/{_of(client, 'urn:b')['id']}")
        client.post(AT, json={"client_id": "local-app", "audience": "urn:b"})
        before = client.get(AT).json()
    with _run(path) as (issuer, client):
        assert client.get(AT).json() == before
        assert _token(issuer, "urn:a").json()["scope"] == "read:items"
        assert _token(issuer, "urn:b").json()["error"] == "access_denied"


def test_a_removed_grant_can_be_made_again(tmp_path: Path) -> None:
    """Then it is there in the next run, once."""
    path = tmp_path / "issuer.db"
    with _run(path, algorithm="ES256") as (_, client):
        client.delete(f"{AT}/{_of(client, API)['id']}")
        client.post(AT, json={"client_id": "local-machine", "audience": API, "scope": ["a"]})
        before = client.get(AT).json()
    with _run(path) as (issuer, client):
        assert client.get(AT).json() == before
        assert issuer._authority.store.all("removed grant") == {}
        assert _of(client, API)["scope"] == ["a"]


def test_what_is_remembered_wins_over_the_setup(tmp_path: Path) -> None:
    """A grant of the setup is added once; what was changed or removed since then stays so."""
    path = tmp_path / "issuer.db"
    names = ("urn:a", "urn:b", "urn:c")
    setup = Setup(
        apis=tuple({"identifier": name, "scopes": SCOPES} for name in names),
        clients=(NIGHTLY,),
        grants=tuple(
            Grant(client_id="nightly", audience=name, scopes=("read:items",)) for name in names
        ),
    )
    with _run(path, algorithm="ES256", setup=setup) as (_, client):
        client.patch(f"{AT}/{_of(client, 'urn:a', 'nightly')['id']}", json={"scope": []})
        client.delete(f"{AT}/{_of(client, 'urn:b', 'nightly')['id']}")
        client.delete(f"{APIS}/urn:c")
    with _run(path, setup=setup) as (_, client):
        (left,) = client.get(AT, params={"client_id": "nightly"}).json()
        assert (left["audience"], left["scope"]) == ("urn:a", [])


def test_a_grant_for_the_management_api_follows_its_address(tmp_path: Path) -> None:
    """Its identifier has the port in it; kept in one run, it holds under another port."""
    path = tmp_path / "issuer.db"
    grant = Grant(client_id="nightly", audience=MANAGEMENT, scopes=("read:client_grants",))
    setup = Setup(clients=(NIGHTLY,), grants=(grant,))
    with _run(path, algorithm="ES256", setup=setup):
        pass
    other = LocalIssuer(issuer="http://127.0.0.1:9999/", state=path, setup=setup)
    with closing(other):
        answer = _token(other, "http://127.0.0.1:9999/api/v2/", "nightly")
        assert answer.json()["scope"] == "read:client_grants"
        assert len(other._authority.grants.all()) == 2


@pytest.mark.parametrize("kind", ["grant", "removed grant"])
@pytest.mark.parametrize("body", [{}, {**PAIR, "scope": "s3cret"}, {**PAIR, "allow_all_scopes": 1}])
def test_a_damaged_grant_is_told_and_not_shown(
    tmp_path: Path, kind: str, body: dict[str, object]
) -> None:
    """The message names the file; nothing of the document is in it, and nobody holds the file."""
    path = tmp_path / "issuer.db"
    with closing(StateFile(path)) as store:
        store.put(kind, "cgr_0", body)
    with pytest.raises(ConfigurationError, match="a grant's") as refused:
        LocalIssuer(issuer=BASE, state=path)
    assert str(path) in str(refused.value)
    assert "s3cret" not in str(refused.value)
    StateFile(path).close()


def test_an_api_and_its_grant_are_kept_together(tmp_path: Path) -> None:
    """Where one cannot be kept, the other is not either, in memory and in the file."""
    path = tmp_path / "issuer.db"
    with _run(path, algorithm="ES256") as (issuer, client):
        _made(client)
        before = [client.get(AT).json(), client.get(APIS).json()]
        store = issuer._authority.store
        assert isinstance(store, StateFile)
        for event in ("INSERT", "DELETE"):
            row = "NEW" if event == "INSERT" else "OLD"
            store._connection.execute(
                f"CREATE TRIGGER no_{event} BEFORE {event} ON documents"
                f" WHEN {row}.kind = 'grant' BEGIN SELECT RAISE(FAIL, 'no'); END"
            )
        assert _error(client.post(APIS, json={"identifier": "urn:more"})) == (500, None)
        assert _error(client.delete(f"{APIS}/{NEW}")) == (500, None)
        assert [client.get(AT).json(), client.get(APIS).json()] == before
        assert list(store.all("api")) == [api["id"] for api in before[1][1:]]


def test_putting_everything_back_puts_grants_back(client: TestClient, issuer: LocalIssuer) -> None:
    """As a test's fixture does between two tests."""
    before = client.get(AT).json()
    _made(client)
    client.delete(f"{AT}/{_of(client, API)['id']}")
    issuer._authority.apis.restore()
    assert client.get(AT).json() == before
    assert _token(issuer, API).status_code == 200
