"""The local issuer's state file: what survives a restart, and which files are left alone."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from starlette.testclient import TestClient

from atjwt.errors import ConfigurationError
from atjwt.issuer import LocalIssuer, Setup
from atjwt.issuer.state_file import StateFile
from atjwt.issuer.store import NotKept
from tools.login import API, BASE
from tools.second_opinion import key_set, parts_of

OTHER = "urn:other"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer.db"


@contextmanager
def _run(path: Path, **arguments: Any) -> Iterator[LocalIssuer]:
    """One run of an issuer with this state file."""
    issuer = LocalIssuer(issuer=BASE, state=path, **arguments)
    with closing(issuer):
        yield issuer


def _token(issuer: LocalIssuer) -> dict[str, Any]:
    asked = {"grant_type": "client_credentials", "audience": issuer.audience}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    answer = TestClient(issuer.app, base_url=BASE).post("/oauth/token", data=asked)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert isinstance(body, dict)
    return body


def test_a_restart_changes_nothing(path: Path) -> None:
    """Keys, secrets, APIs and their settings are those of the run before."""
    with _run(path, algorithm="ES256") as issuer:
        issuer.rotate_keys()
        kid = issuer.withdraw()
        issuer.rotate_keys()
        issuer.dialect = "rfc9068_profile"
        before = (issuer.jwks(), issuer.client_secret, issuer.apis, issuer.algorithm)
        token = _token(issuer)["access_token"]
    with _run(path) as issuer:
        after = (issuer.jwks(), issuer.client_secret, issuer.apis, issuer.algorithm)
        assert after == before
        assert jwt.decode(token, key_set(issuer.jwks()), algorithms=["ES256"]).claims["iss"] == BASE
        assert parts_of(_token(issuer)["access_token"])[0]["typ"] == "at+jwt"
        assert kid not in {key["kid"] for key in issuer.jwks()["keys"]}


@pytest.mark.parametrize("algorithm", ["RS256", "Ed25519"])
def test_keys_of_every_kind_survive(path: Path, algorithm: str) -> None:
    """RSA and Ed25519 too; a token of the first run verifies by the keys of the second."""
    with _run(path, algorithm=algorithm) as issuer:
        token = issuer.token()
    with _run(path) as issuer:
        keys = key_set(issuer.jwks())
        assert jwt.decode(token, keys, algorithms=[algorithm]).claims["iss"] == BASE


def test_an_argument_wins_over_what_is_remembered(path: Path) -> None:
    """Said in so many words, dialect, algorithm and audience are what they are said to be."""
    with _run(path, algorithm="ES256", dialect="rfc9068_profile"):
        pass
    with _run(path, algorithm="EdDSA", dialect="access_token_authz") as issuer:
        assert (issuer.algorithm, issuer.dialect) == ("EdDSA", "access_token_authz")
        assert parts_of(_token(issuer)["access_token"])[0]["alg"] == "EdDSA"
        algorithms = [key["alg"] for key in issuer.jwks()["keys"]]
        assert algorithms == ["EdDSA", "EdDSA", "ES256", "ES256"]
    with _run(path, audience=OTHER) as issuer:
        assert issuer.audience == OTHER
    with _run(path) as issuer:  # the last one that was named is the main one
        assert issuer.audience == OTHER
        assert [api["identifier"] for api in issuer.apis][1:] == [API, OTHER]


def test_a_setup_begins_and_the_state_goes_on(path: Path) -> None:
    """An API of the setup is added once; what was changed or removed since then stays so."""
    setup = Setup(apis=({"identifier": API}, {"identifier": OTHER}))
    with _run(path, algorithm="ES256", setup=setup) as issuer:
        issuer.dialect = "rfc9068_profile"
        issuer._authority.apis.remove(OTHER)
    more = Setup(apis=(*setup.apis, {"identifier": "urn:new"}))
    with _run(path, setup=more) as issuer:
        assert issuer.dialect == "rfc9068_profile"
        assert [api["identifier"] for api in issuer.apis][1:] == [API, "urn:new"]


def test_the_main_api_may_be_gone(path: Path) -> None:
    """Somebody removed it: tokens for it are refused, and its dialect cannot be set."""
    with _run(path, algorithm="ES256") as issuer:
        issuer._authority.apis.remove(API)
    with _run(path) as issuer:
        assert issuer.dialect == "access_token"
        with pytest.raises(ValueError, match="removed"):
            issuer.dialect = "rfc9068_profile"
        client = TestClient(issuer.app, base_url=BASE)
        asked = {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
        asked |= {"grant_type": "client_credentials", "audience": API}
        assert client.post("/oauth/token", data=asked).json()["error"] == "invalid_target"
        del asked["audience"]
        assert "scope" not in client.post("/oauth/token", data=asked).json()
        assert client.get("/").json()["users"][0]["permissions"] == ["read:orders"]


@pytest.mark.skipif(os.name != "posix", reason="modes are those of POSIX")
def test_the_file_is_its_owners_alone(path: Path) -> None:
    """There are keys in it: it is made with mode 0600, whatever the umask, and refused otherwise."""
    before = os.umask(0)
    try:
        with _run(path, algorithm="ES256"):
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
    finally:
        os.umask(before)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="others may read it"):
        StateFile(path)


def test_a_file_of_something_else_is_left_alone(path: Path) -> None:
    """Text, and a database that is none of ours, stay as they are."""
    path.write_text("my notes", "utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="a file of something else; name another one"):
        StateFile(path)
    assert path.read_text("utf-8") == "my notes"
    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE documents (a)")
    path.chmod(0o600)
    content = path.read_bytes()
    with pytest.raises(ConfigurationError, match="a database of something else"):
        StateFile(path)
    assert path.read_bytes() == content


def _make(path: Path) -> None:
    with _run(path, algorithm="ES256"):
        pass


def _edit(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_another_version_is_refused(path: Path) -> None:
    """A later atjwt may write other documents."""
    _make(path)
    _edit(path, "PRAGMA user_version = 2")
    with pytest.raises(ConfigurationError, match="another version of atjwt"):
        StateFile(path)


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("api", "{"),
        ("api", "[]"),
        ("api", "[" * 50_000),
        ("api", "{}"),
        ("api", '{"identifier": "a", "token_dialect": "auth0", "signing_alg": "ES256"}'),
        ("keys", "{}"),
        ("keys", '{"current": 1, "next": 2, "previous": 3, "withdrawn": 4}'),
        ("keys", '{"current": {"kid": "a", "pem": "s3cret"}}'),
    ],
)
def test_a_damaged_document_is_told_and_not_shown(path: Path, kind: str, body: str) -> None:
    """The message names the file and says what to do; nothing of the document is in it."""
    _make(path)
    _edit(path, f"UPDATE documents SET body = '{body}' WHERE kind = '{kind}'")
    with pytest.raises(ConfigurationError) as refused:
        LocalIssuer(issuer=BASE, state=path)
    assert str(path) in str(refused.value)
    assert "s3cret" not in str(refused.value)
    StateFile(path).close()  # nobody holds it


def test_a_key_of_another_kind_is_damage(path: Path) -> None:
    """An RSA key under the name of ES256 signs nothing."""
    _make(path)
    with _run(path.with_name("rsa.db"), algorithm="RS256"):
        pass
    with closing(StateFile(path.with_name("rsa.db"))) as other, closing(StateFile(path)) as store:
        store.put("keys", "ES256", other.all("keys")["RS256"])
    with pytest.raises(ConfigurationError, match="its keys for ES256 cannot be read"):
        LocalIssuer(issuer=BASE, state=path)


def test_keys_of_no_known_algorithm_are_damage(path: Path) -> None:
    """As a later atjwt may have, or a stranger's hand."""
    _make(path)
    _edit(path, "UPDATE documents SET name = 'none' WHERE kind = 'keys'")
    with pytest.raises(ConfigurationError, match="keys of an unknown algorithm"):
        LocalIssuer(issuer=BASE, state=path)


def test_a_file_that_takes_nothing_is_told_at_the_start(path: Path) -> None:
    """What cannot be kept from the beginning stops the issuer, and the file is let go of."""
    _make(path)
    _edit(
        path,
        "CREATE TRIGGER no BEFORE INSERT ON documents BEGIN SELECT RAISE(FAIL, 's3cret'); END",
    )
    with pytest.raises(ConfigurationError, match="state file") as refused:
        LocalIssuer(issuer=BASE, state=path)
    assert "s3cret" not in str(refused.value)
    StateFile(path).close()


def test_a_file_is_deaf_to_what_makes_no_sense_in_it(path: Path) -> None:
    """An unknown algorithm of the last run, and a secret that is none: as if there were none."""
    _make(path)
    with closing(StateFile(path)) as store:
        store.put("issuer", "main", {"audience": 1, "algorithm": "none"})
        store.put("secret", "local-machine", {"secret": 1})
    with _run(path) as issuer:
        assert (issuer.algorithm, issuer.audience) == ("RS256", API)
        assert _token(issuer)["scope"] == "read:orders write:orders"


def test_damage_below_the_documents_is_told(path: Path) -> None:
    """Pages overwritten with rubbish: no traceback, and the file is named."""
    _make(path)
    content = bytearray(path.read_bytes())
    content[4_096:] = b"\xff" * (len(content) - 4_096)
    path.write_bytes(content)
    with pytest.raises(ConfigurationError, match="damaged"):
        LocalIssuer(issuer=BASE, state=path)


def test_a_rotation_is_of_all_keys_or_of_none(path: Path) -> None:
    """Where the keys of one algorithm cannot be kept, those of the others stay what they are."""
    setup = Setup(apis=({"identifier": API}, {"identifier": OTHER, "signing_alg": "PS256"}))
    with _run(path, algorithm="ES256", setup=setup) as issuer:
        before, store = issuer.jwks(), issuer._authority.store
        assert isinstance(store, StateFile)
        store._connection.execute(
            "CREATE TRIGGER no BEFORE UPDATE ON documents"
            " WHEN NEW.name = 'PS256' BEGIN SELECT RAISE(FAIL, 'no'); END"
        )
        with pytest.raises(NotKept):
            issuer.rotate_keys()
        assert issuer.jwks() == before
        store._connection.execute("DROP TRIGGER no")
    with _run(path) as issuer:
        assert issuer.jwks() == before
        issuer.rotate_keys()
        assert len(issuer.jwks()["keys"]) == 6


def test_one_issuer_at_a_time(path: Path) -> None:
    """The second is told so; when the first has closed, it may have the file."""
    with (
        _run(path, algorithm="ES256"),
        pytest.raises(ConfigurationError, match="another process has it"),
    ):
        StateFile(path)
    StateFile(path).close()


@pytest.mark.parametrize("name", ["nowhere/issuer.db", "."])
def test_a_file_that_cannot_be_opened_is_told(tmp_path: Path, name: str) -> None:
    """A folder that is not there, and a folder in place of a file."""
    with pytest.raises(ConfigurationError, match=r"cannot be opened: |no regular file"):
        StateFile(tmp_path / name)


def test_an_empty_file_is_a_new_one(path: Path) -> None:
    """As a temporary file is that somebody has made ahead."""
    path.touch(0o600)
    with _run(path, algorithm="ES256") as issuer:
        secret = issuer.client_secret
    with _run(path) as issuer:
        assert issuer.client_secret == secret


def test_what_cannot_be_kept_does_not_happen(path: Path) -> None:
    """With a full file every change is refused by a sentence, and what was is still so."""
    with _run(path, algorithm="ES256") as issuer:
        client = TestClient(issuer.app, base_url=BASE)
        before = issuer.apis
        store = issuer._authority.store
        assert isinstance(store, StateFile)
        pages = int(store._connection.execute("PRAGMA page_count").fetchone()[0])
        store._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(NotKept, match="make room"):
            store.put("note", "long", {"text": "x" * 100_000})
        answers = [client.post("/_local/rotate", json={}) for _ in range(20)]  # keys need room
        assert answers[-1].status_code == 500
        assert "make room" in answers[-1].json()["error_description"]
        assert len(issuer.jwks()["keys"]) == 2 + [a.status_code for a in answers].count(200)
        assert issuer.apis == before
        store.close()
        answer = client.put("/_local/dialect", json={"dialect": "rfc9068_profile"})
        assert (answer.status_code, issuer.dialect) == (500, "access_token")
