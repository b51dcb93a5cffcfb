"""Several APIs at one local issuer: who gets which token for which of them, in each setting."""

from collections.abc import Mapping
from typing import Any, get_args

import pytest
from joserfc import jwt
from starlette.testclient import TestClient

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, ResourceServer, TrustedIssuer
from atjwt.issuer import Client, Dialect, Grant, LocalIssuer, Setup, User
from tools.login import API, BACK, BASE, MANAGER, ask, code_for, redeem, tokens_of
from tools.second_opinion import key_set, parts_of

NOW = 1_790_000_000
OTHER = "urn:other"
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
SECRET = "0123456789abcdef" * 2


def _api(identifier: str = API, **members: object) -> dict[str, object]:
    scopes = [{"value": name} for name in ("read:items", "write:items", "delete:items")]
    return {"identifier": identifier, "scopes": scopes, **members}


def _issuer(*apis: Mapping[str, object], **more: Any) -> LocalIssuer:
    """An issuer of these APIs, at each of which the manager may read and delete."""
    rights = {str(api["identifier"]): ("read:items", "delete:items") for api in apis}
    people = (User(subject=MANAGER, name="manager", permissions_at=rights),)
    setup = Setup(apis=tuple(apis), users=people, **more)
    return LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup, clock=lambda: NOW)


def _client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


def _user(issuer: LocalIssuer, scope: str = "openid read:items write:items") -> dict[str, Any]:
    tokens = tokens_of(_client(issuer), MANAGER, audience=issuer.audience, scope=scope)
    return parts_of(tokens["access_token"])[1]


def _machine(issuer: LocalIssuer, **changes: str) -> Any:
    asked = {
        "grant_type": "client_credentials",
        "client_id": issuer.client_id,
        "client_secret": issuer.client_secret,
        "audience": issuer.audience,
        **changes,
    }
    return _client(issuer).post("/oauth/token", data=asked)


@pytest.mark.parametrize("rbac", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_rbac_decides_over_scope_and_permissions(dialect: Dialect, rbac: bool) -> None:  # noqa: FBT001
    """With RBAC: requested and assigned, and all that is assigned; without: requested and defined."""
    issuer = _issuer(_api(token_dialect=dialect, enforce_policies=rbac))
    claims = _user(issuer)
    assert claims["scope"] == ("openid read:items" if rbac else "openid read:items write:items")
    if rbac and dialect.endswith("_authz"):
        assert claims["permissions"] == ["read:items", "delete:items"]
    else:
        assert "permissions" not in claims


@pytest.mark.parametrize("rbac", [True, False])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_machine_gets_what_its_grant_allows(dialect: Dialect, rbac: bool) -> None:  # noqa: FBT001
    """RBAC is about users: a machine's scopes are its grant's, its permissions the same."""
    grant = Grant(client_id="local-machine", audience=API, scopes=("read:items", "write:items"))
    issuer = _issuer(_api(token_dialect=dialect, enforce_policies=rbac), grants=(grant,))
    whole = parts_of(_machine(issuer).json()["access_token"])[1]
    part = parts_of(_machine(issuer, scope="write:items").json()["access_token"])[1]
    assert (whole["scope"], part["scope"]) == ("read:items write:items", "write:items")
    shown = rbac and dialect.endswith("_authz")
    assert whole.get("permissions") == (["read:items", "write:items"] if shown else None)
    assert part.get("permissions") == (["write:items"] if shown else None)
    assert _machine(issuer, scope="delete:items").json()["error"] == "invalid_scope"


def test_what_an_api_does_not_define_is_nobodys_right() -> None:
    """A permission that the API has not is in no token, whoever was assigned it."""
    grant = Grant(client_id="local-machine", audience=API, scopes=("read:items", "paint:items"))
    api = _api(token_dialect="access_token_authz", enforce_policies=True)
    api["scopes"] = [{"value": "read:items"}]
    issuer = _issuer(api, grants=(grant,))
    assert _user(issuer)["permissions"] == ["read:items"]
    assert _machine(issuer).json()["scope"] == "read:items"


def test_each_api_has_its_own_dialect_and_audience() -> None:
    """One issuer, two APIs, two profiles; a token of one is refused by the other."""
    issuer = _issuer(_api(), _api(OTHER, token_dialect="rfc9068_profile"))
    trusted = TrustedIssuer.auth0(BASE, algorithms=["ES256"])
    servers = [
        ResourceServer(audience=name, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch)
        for name in (API, OTHER)
    ]
    tokens = [
        tokens_of(_client(issuer), MANAGER, audience=name, scope="read:items")["access_token"]
        for name in (API, OTHER)
    ]
    assert [servers[i].verify_sync(tokens[i]).profile for i in (0, 1)] == [AUTH0, RFC9068]
    for i in (0, 1):
        with pytest.raises(InvalidToken) as refused:
            servers[i].verify_sync(tokens[1 - i])
        assert refused.value.reason is Reason.WRONG_AUDIENCE


def test_a_change_of_the_dialect_changes_new_tokens_only() -> None:
    """A token that is out keeps its form and holds until it expires; the next one is of the new form."""
    issuer = _issuer(_api(enforce_policies=True))
    trusted = TrustedIssuer.auth0(BASE, algorithms=["ES256"])
    server = ResourceServer(
        audience=API, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch, token_cache_size=0
    )
    tokens = []
    for dialect in DIALECTS:
        issuer.dialect = dialect
        tokens.append(_machine(issuer).json()["access_token"])
    profiles = [server.verify_sync(token).profile for token in tokens]
    assert profiles == [AUTH0, AUTH0, RFC9068, RFC9068]
    assert [server.verify_sync(token).permissions is None for token in tokens] == [1, 0, 1, 0]


def test_a_token_lives_as_long_as_its_api_says() -> None:
    """`token_lifetime`, a day by default; the one for browser flows is for flows not served here."""
    settings: list[tuple[dict[str, Any], int]] = [
        ({}, 86_400),
        ({"token_lifetime": 60}, 60),
        ({"token_lifetime": 600, "token_lifetime_for_web": 30}, 600),
    ]
    for members, lifetime in settings:
        issuer = _issuer(_api(**members))
        answer = _machine(issuer).json()
        claims = parts_of(answer["access_token"])[1]
        assert answer["expires_in"] == claims["exp"] - claims["iat"] == lifetime
        assert _user(issuer)["exp"] == NOW + lifetime


@pytest.mark.parametrize("alg", ["RS256", "RS512", "PS256"])
def test_an_api_may_sign_by_another_algorithm(alg: str) -> None:
    """Its keys are published beside the issuer's, before the first token, under kids of their own."""
    issuer = _issuer(_api(), _api(OTHER, signing_alg=alg))
    jwks = issuer.jwks()
    assert [key["alg"] for key in jwks["keys"]] == ["ES256", "ES256", alg, alg]
    token = tokens_of(_client(issuer), MANAGER, audience=OTHER, scope="read:items")["access_token"]
    assert parts_of(token)[0]["alg"] == alg
    assert jwt.decode(token, key_set(jwks), algorithms=[alg]).claims["aud"] == OTHER
    current = issuer.rotate_keys()
    assert [key["alg"] for key in issuer.jwks()["keys"]] == ["ES256"] * 3 + [alg] * 3
    assert issuer.jwks()["keys"][0]["kid"] == current == jwks["keys"][1]["kid"]
    assert issuer.withdraw(jwks["keys"][2]["kid"]) == jwks["keys"][2]["kid"]
    assert issuer.withdraw() == jwks["keys"][0]["kid"]
    assert len(issuer.jwks()["keys"]) == 4


def test_an_api_may_sign_by_a_secret() -> None:
    """HS256 by the API's own secret: no `kid`, nothing published, `aud` the API alone."""
    issuer = _issuer(_api(signing_alg="HS256", signing_secret=SECRET))
    assert {key["alg"] for key in issuer.jwks()["keys"]} == {"ES256"}
    trusted = TrustedIssuer.auth0(BASE, secret=SECRET)
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW)
    token = tokens_of(_client(issuer), MANAGER, scope="openid read:items")["access_token"]
    assert list(parts_of(token)[0]) == ["alg", "typ"]
    assert parts_of(token)[1]["aud"] == API
    assert server.verify_sync(token).scopes == {"openid", "read:items"}
    assert SECRET not in repr(issuer._authority)
    assert SECRET not in repr(Setup(apis=(_api(signing_alg="HS256", signing_secret=SECRET),)))


def test_a_client_without_a_grant_gets_no_token() -> None:
    """As at Auth0: `access_denied` with 403 for an API that is there, `invalid_target` for none."""
    grant = Grant(client_id="local-machine", audience=API, scopes=())
    issuer = _issuer(_api(), _api(OTHER), grants=(grant,))
    for audience, status, error in [
        (OTHER, 403, "access_denied"),
        (f"{BASE}api/v2/", 403, "access_denied"),
        ("urn:nobody", 400, "invalid_target"),
    ]:
        answer = _machine(issuer, audience=audience)
        assert (answer.status_code, answer.json()["error"]) == (status, error)


@pytest.mark.parametrize(
    ("policy", "scope"),
    [
        ({}, "read:items write:items"),
        ({"user": {"policy": "allow_all"}}, "read:items write:items"),
        ({"user": {"policy": "require_client_grant"}}, "write:items"),
        ({"user": {"policy": "deny_all"}}, None),
    ],
)
def test_an_api_decides_whether_users_come(policy: dict[str, object], scope: str | None) -> None:
    """`subject_type_authorization`: all users, those of clients with a grant for it, or none."""
    grant = Grant(client_id="local-app", audience=API, scopes=("write:items",), subject_type="user")
    issuer = _issuer(_api(subject_type_authorization=policy), grants=(grant,))
    if scope is None:
        answer = ask(_client(issuer))
        assert "error=invalid_target" in answer.headers["location"]
    else:
        assert _user(issuer, "read:items write:items")["scope"] == scope
    closed = _issuer(_api(subject_type_authorization={"user": {"policy": "require_client_grant"}}))
    assert "error=invalid_target" in ask(_client(closed)).headers["location"]


def test_an_api_decides_whether_machines_come() -> None:
    """`subject_type_authorization`: with `deny_all` a grant is of no use."""
    issuer = _issuer(_api(subject_type_authorization={"client": {"policy": "deny_all"}}))
    assert _machine(issuer).json()["error"] == "access_denied"
    assert _user(issuer)["scope"] == "openid read:items write:items"


def test_agent_subject_claims_make_a_machines_subject_its_client_id() -> None:
    """With `agent_subject_claims` there is no `@clients` after it."""
    plain, agents = _issuer(_api()), _issuer(_api(agent_subject_claims="auth0-v1"))
    subjects = [
        parts_of(_machine(issuer).json()["access_token"])[1]["sub"] for issuer in (plain, agents)
    ]
    assert subjects == ["local-machine@clients", "local-machine"]


@pytest.mark.parametrize(
    "members",
    [
        {"proof_of_possession": {"mechanism": "dpop", "required": True}},
        {
            "token_encryption": {
                "format": "compact-nested-jwe",
                "encryption_key": {"alg": "RSA-OAEP-256", "pem": "-----BEGIN PUBLIC KEY-----"},
            }
        },
    ],
)
def test_what_cannot_be_issued_is_refused(members: dict[str, Any]) -> None:
    """No plain token where a bound or an encrypted one is demanded."""
    issuer = _issuer(_api(**members))
    assert _machine(issuer).json()["error"] == "invalid_request"
    client = _client(issuer)
    assert redeem(client, code_for(client, MANAGER)).json()["error"] == "invalid_request"


def test_a_proof_that_is_not_required_is_no_matter() -> None:
    """`required: false` allows bound tokens; plain ones are good too."""
    possession = {"mechanism": "dpop", "required": False}
    assert _machine(_issuer(_api(proof_of_possession=possession))).status_code == 200


def test_a_code_is_for_the_client_that_asked() -> None:
    """Another app that gets hold of a code cannot redeem it, and it is lost."""
    apps = tuple(Client(client_id=name, name=name, type="app") for name in ("local-app", "other"))
    client = _client(_issuer(_api(), clients=apps))
    code = code_for(client, MANAGER)
    for client_id in ("other", "local-app"):
        assert redeem(client, code, client_id=client_id).json()["error"] == "invalid_grant"
    code = code_for(client, MANAGER, client_id="other", scope="read:items")
    token = redeem(client, code, client_id="other").json()["access_token"]
    assert parts_of(token)[1]["azp"] == "other"


def test_clients_that_are_given_take_the_place_of_the_built_in_ones() -> None:
    """A machine of one's own is the machine; the app, of which none is given, stays."""
    mine = Client(client_id="nightly", name="nightly job", type="machine")
    grant = Grant(client_id="nightly", audience=API, scopes=("read:items",))
    issuer = _issuer(_api(), clients=(mine,), grants=(grant,))
    assert (issuer.client_id, issuer.spa_client_id) == ("nightly", "local-app")
    assert _machine(issuer).json()["scope"] == "read:items"
    assert _machine(issuer, client_id="local-machine").status_code == 401


def test_the_built_in_users_know_the_apis_that_are_given() -> None:
    """The clerk may read, the manager do everything, and so may the built-in machine."""
    issuer = LocalIssuer(
        issuer=BASE, algorithm="ES256", setup=Setup(apis=(_api(enforce_policies=True),))
    )
    client, every = _client(issuer), "read:items write:items delete:items"
    assert tokens_of(client, scope=every)["scope"] == "read:items"
    assert tokens_of(client, MANAGER, scope=every)["scope"] == every
    assert _machine(issuer).json()["scope"] == every


def test_arguments_win_over_a_setup() -> None:
    """`audience` chooses the main API or adds one; `dialect` is the main API's."""
    setup = Setup(apis=(_api(token_dialect="rfc9068_profile"), _api(OTHER)))
    assert LocalIssuer(algorithm="ES256", setup=setup).dialect == "rfc9068_profile"
    assert LocalIssuer(algorithm="ES256", setup=setup).audience == API
    issuer = LocalIssuer(
        algorithm="ES256", setup=setup, audience=OTHER, dialect="access_token_authz"
    )
    assert (issuer.audience, issuer.dialect) == (OTHER, "access_token_authz")
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup, audience="urn:new")
    assert TestClient(issuer.app, base_url=BASE).get("/").json()["apis"] == [
        f"{BASE}api/v2/",
        "urn:new",
        API,
        OTHER,
    ]


def test_the_login_page_says_what_each_user_gets() -> None:
    """Without RBAC every scope of the API; the redirect goes back to the app."""
    page = ask(_client(_issuer(_api())), scope="write:items paint:items", redirect_uri=BACK)
    assert "gets write:items<" in page.text
    assert page.text.count("(unknown here)") == 1
