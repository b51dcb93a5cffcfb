"""The local issuer's TOML file: what it says is there, and every mistake is told at once."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from atjwt.errors import ConfigurationError
from atjwt.issuer import LocalIssuer, Organization, Setup, read_setup
from tools.login import BASE, tokens_of
from tools.second_opinion import parts_of

ORDERS, STOCK = "https://orders.example.com/", "https://stock.example.com/"

WHOLE = f"""\
[[apis]]
identifier = "{ORDERS}"
name = "Orders"
scopes = ["read:orders", {{ value = "write:orders", description = "Change orders" }}]
token_dialect = "access_token_authz"
enforce_policies = true
token_lifetime = 600

[[apis]]
identifier = "{STOCK}"
token_dialect = "rfc9068_profile"
scopes = ["read:stock"]

[[users]]
subject = "auth0|1"
name = "clerk"
permissions = {{ "{ORDERS}" = ["read:orders"], "{STOCK}" = ["read:stock"] }}

[[users]]
subject = "auth0|2"
name = "manager"

[[clients]]
client_id = "nightly"
name = "nightly job"
type = "machine"

[[grants]]
client_id = "nightly"
audience = "{STOCK}"
scope = ["read:stock"]

[[grants]]
client_id = "nightly"
audience = "management"
scope = ["read:resource_servers"]

[[grants]]
client_id = "local-app"
audience = "{STOCK}"
scope = []
subject_type = "user"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer.toml"


def _problems(path: Path, text: str | bytes) -> list[str]:
    """What is wrong with a file, each without the file's name, which all of them begin with."""
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigurationError) as refused:
        read_setup(path)
    assert all(problem.startswith(f"{path}: ") for problem in refused.value.problems)
    return [problem.removeprefix(f"{path}: ") for problem in refused.value.problems]


def test_an_issuer_is_what_its_file_says(path: Path) -> None:
    """APIs with their settings, users with their permissions, a client with its grants."""
    path.write_text(WHOLE, "utf-8")
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=read_setup(path))
    assert (issuer.audience, issuer.dialect) == (ORDERS, "access_token_authz")
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    everything = "read:orders write:orders"
    tokens = tokens_of(client, "auth0|1", audience=ORDERS, scope=everything)
    claims = parts_of(tokens["access_token"])[1]
    assert (claims["scope"], claims["permissions"]) == ("read:orders", ["read:orders"])
    assert tokens["expires_in"] == 600
    tokens = tokens_of(client, "auth0|2", audience=ORDERS, scope=everything)
    assert parts_of(tokens["access_token"])[1]["permissions"] == []
    asked = {"client_id": "nightly", "client_secret": issuer.client_secret}
    asked |= {"grant_type": "client_credentials"}
    for audience, scope, kind in [
        (STOCK, "read:stock", "at+jwt"),
        (f"{BASE}api/v2/", "read:resource_servers", "JWT"),
    ]:
        answer = client.post("/oauth/token", data={**asked, "audience": audience}).json()
        assert answer["scope"] == scope
        assert parts_of(answer["access_token"])[0]["typ"] == kind


def test_an_empty_file_is_the_built_in_setup(path: Path) -> None:
    """What is not in the file is built in."""
    path.write_text("", "utf-8")
    assert read_setup(path) == Setup()


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    """Each with its place; where entries are wrong, names are not compared yet."""
    assert _problems(
        path,
        """\
colour = "red"
grants = {}
[[apis]]
identifier = "a"
token_dialect = "auth0"
colour = "red"
[[apis]]
scopes = "read:orders"
[[apis]]
identifier = "b"
token_lifetime = 60
token_lifetime_for_web = 61
[[users]]
subject = ""
permissions = ["read:orders"]
[[users]]
subject = "u"
name = "u"
permissions = { a = ["b c"] }
[[users]]
subject = "v"
name = "v"
permissions = { a = "read" }
[[clients]]
client_id = "c"
type = "robot"
client_secret = "s3cret"
""",
    ) == [
        "colour: there is no such section; there are apis, users, clients, grants, organizations",
        "apis[0]: additional properties not allowed: colour",
        "apis[0]: token_dialect is one of access_token, access_token_authz, rfc9068_profile,"
        " rfc9068_profile_authz",
        "apis[1]: identifier is missing",
        "apis[1]: scopes is a list",
        "apis[2]: token_lifetime_for_web is no longer than token_lifetime; change one of them",
        "users[0]: name is missing; add it",
        "users[0]: subject is a string of 1 to 600 characters",
        "users[0]: permissions is a table of lists, by API identifier",
        "users[1]: permissions has a list that has an item, [0], that is a string of 1 to 280"
        " characters without blanks",
        "users[2]: permissions is a table of lists, by API identifier",
        "clients[0]: client_secret means nothing here; there are client_id, type, name, agent",
        "clients[0]: type is one of machine, app",
        "grants: write each of them under [[grants]]",
    ]


def test_all_names_are_compared(path: Path) -> None:
    """What is there twice, and what is named and not there."""
    assert _problems(
        path,
        """\
[[apis]]
identifier = "a"
scopes = ["read"]
[[apis]]
identifier = "a"
[[users]]
subject = "u"
name = "u"
permissions = { a = ["write"], b = [] }
[[users]]
subject = "u"
name = "u"
[[clients]]
client_id = "local-management"
type = "app"
[[clients]]
client_id = "c"
type = "machine"
[[clients]]
client_id = "c"
type = "machine"
[[grants]]
client_id = "nobody"
audience = "a"
scope = ["write"]
[[grants]]
client_id = "c"
audience = "management"
scope = ["read:orders"]
[[grants]]
client_id = "c"
audience = "nowhere"
scope = []
[[grants]]
client_id = "c"
audience = "management"
scope = []
""",
    ) == [
        "apis[1]: identifier is taken; give another one",
        "users[1]: subject is taken; give another one",
        "clients[0]: client_id is taken; give another one",
        "clients[2]: client_id is taken; give another one",
        "grants[3]: there is one for this client, audience and subject_type; join the two",
        "users[0]: permissions: a defines no scope 'write'; add it to the API's",
        "users[0]: permissions: no API has the identifier 'b'; there are a",
        "grants[0]: client_id names none of local-management, c",
        "grants[0]: scope: a defines no scope 'write'; add it to the API's",
        "grants[1]: scope: management defines no scope 'read:orders'; add it to the API's",
        "grants[2]: audience: no API has the identifier 'nowhere'; there are a, management",
    ]


@pytest.mark.parametrize(
    ("client_id", "type_"), [("local-machine", "app"), ("local-app", "machine")]
)
def test_a_client_is_not_called_as_a_built_in_one_beside_it(
    path: Path, client_id: str, type_: str
) -> None:
    """The one of the other type is there too; with a client of its type it is not."""
    entry = f'[[clients]]\nclient_id = "{client_id}"\ntype = "{type_}"\n'
    assert _problems(path, entry) == ["clients[0]: client_id is taken; give another one"]
    other = "machine" if type_ == "app" else "app"
    path.write_text(f'{entry}[[clients]]\nclient_id = "c"\ntype = "{other}"\n', "utf-8")
    assert len(read_setup(path).clients) == 2


def test_agents_and_organizations_are_in_the_file(path: Path) -> None:
    """An agent's client, a grant for every API, two organizations, and that names may be used."""
    path.write_text(
        """\
allow_organization_name_in_authentication_api = true
[[clients]]
client_id = "agents-machine"
type = "machine"
agent = "agt_1"
[[grants]]
client_id = "agents-machine"
audience = "*"
allow_all_scopes = true
organization_usage = "require"
[[organizations]]
id = "org_1"
name = "shop"
members = ["auth0|66f0c2"]
clients = ["agents-machine"]
[[organizations]]
id = "org_2"
name = "mill"
""",
        "utf-8",
    )
    setup = read_setup(path)
    assert setup.organizations == (
        Organization(
            id="org_1", name="shop", members=("auth0|66f0c2",), clients=("agents-machine",)
        ),
        Organization(id="org_2", name="mill"),
    )
    assert setup.with_organization_names
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)
    issuer._authority.apis.change(issuer.audience, {"agent_subject_claims": "auth0-v1"})
    asked = {"grant_type": "client_credentials", "audience": issuer.audience}
    asked |= {"client_id": "agents-machine", "client_secret": issuer.client_secret}
    client = TestClient(issuer.app, base_url=BASE, follow_redirects=False)
    answer = client.post("/oauth/token", data={**asked, "organization": "shop"}).json()
    claims = parts_of(answer["access_token"])[1]
    assert (claims["sub"], claims["org_id"], claims["org_name"]) == ("agt_1", "org_1", "shop")
    assert answer["scope"] == "read:orders write:orders"
    for organization in ("", "mill"):
        answer = client.post("/oauth/token", data={**asked, "organization": organization})
        assert answer.status_code >= 400
    tokens = tokens_of(client, organization="shop")
    assert parts_of(tokens["access_token"])[1]["org_id"] == "org_1"


def test_mistakes_about_organizations_and_grants_are_told(path: Path) -> None:
    """Ids and names of the wrong shape, a switch that is none, scopes said twice or not at all."""
    assert _problems(
        path,
        """\
allow_organization_name_in_authentication_api = "yes"
[[clients]]
client_id = "c"
type = "machine"
agent = ""
[[grants]]
client_id = "c"
audience = "*"
[[grants]]
client_id = "c"
audience = "*"
scope = []
allow_all_scopes = true
[[grants]]
client_id = "c"
audience = "*"
scope = []
organization_usage = "never"
[[organizations]]
id = "shop"
name = "The Shop"
members = "auth0|1"
owner = "auth0|1"
""",
    ) == [
        "allow_organization_name_in_authentication_api is true or false",
        "clients[0]: agent is a string of 1 to 600 characters",
        "grants[0]: scope or allow_all_scopes = true; give one of them",
        "grants[1]: scope or allow_all_scopes = true; give one of them",
        "grants[2]: organization_usage is one of deny, allow, require",
        "organizations[0]: owner means nothing here; there are id, name, members, clients",
        "organizations[0]: id is a string of 5 to 64 characters, org_ and letters and digits",
        "organizations[0]: name is a string of 1 to 50 characters: a-z, 0-9, - and _",
        "organizations[0]: members is a list",
    ]


def test_the_names_of_organizations_are_compared(path: Path) -> None:
    """What is there twice; members and clients that are not there; built-in ones are."""
    assert _problems(
        path,
        """\
[[organizations]]
id = "org_1"
name = "shop"
members = ["auth0|66f0c2", "auth0|1"]
clients = ["local-machine", "nobody"]
[[organizations]]
id = "org_1"
name = "shop"
""",
    ) == [
        "organizations[1]: id is taken; give another one",
        "organizations[1]: name is taken; give another one",
        "organizations[0]: members names none of auth0|66f0c2, auth0|66f0c3",
        "organizations[0]: clients names none of local-machine, local-app, local-management",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a = ", "it is not TOML: Invalid value (at end of document)"),
        (b"\xff", "it is not UTF-8; save it as UTF-8"),
        (b"#" * 1_048_577, "it is longer than 1048576 bytes; shorten it"),
        ("a = " + "[" * 5_000, "it is nested too deep"),
        ("a = " + "9" * 5_000, "a number in it is too long; shorten it"),
    ],
)
def test_a_file_that_cannot_be_read_is_told(path: Path, text: str | bytes, problem: str) -> None:
    """One sentence, with the place where there is one."""
    (told,) = _problems(path, text)
    assert told.startswith(problem[:20])


def test_a_file_that_is_not_there_is_told(path: Path) -> None:
    """By the system's own word for it."""
    with pytest.raises(ConfigurationError, match="it cannot be read: No such file"):
        read_setup(path)


README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("text", "machine", "user"),
    [
        (block.partition("```")[0], machine, user)
        for block, machine, user in zip(
            README.split("```toml\n")[1:],
            ("nightly-job", "helper"),
            ("clerk", "clerk"),
            strict=True,
        )
    ],
    ids=["the first", "organizations and agents"],
)
def test_the_readmes_files_are_good_ones(path: Path, text: str, machine: str, user: str) -> None:
    """What is shown there can be pasted."""
    path.write_text(text, "utf-8")
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256", setup=read_setup(path))
    assert (issuer.client_id, issuer.users[0].name) == (machine, user)


@pytest.mark.parametrize("identifier", [f"{BASE}api/v2/", f"{BASE}userinfo"])
def test_an_api_cannot_have_the_issuers_own_name(identifier: str) -> None:
    """Which names those are is known with the issuer's; it is told as any other mistake."""
    setup = Setup(apis=({"identifier": ORDERS}, {"identifier": identifier}))
    with pytest.raises(ConfigurationError, match="This identifier is reserved; change it"):
        LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup)


def test_a_setup_in_python_is_checked_too() -> None:
    """Its APIs are held against the same table."""
    with pytest.raises(ConfigurationError, match=r"Setup: apis\[0\]: identifier is missing"):
        Setup(apis=({"token_dialect": "access_token"},))
