"""The local issuer's state over restarts: the same answers, and files that were hurt on the way."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from atjwt.errors import ConfigurationError
from atjwt.issuer import EVERY_API, Client, Grant, LocalIssuer, Setup
from atjwt.issuer.state_file import StateFile
from atjwt.issuer.store import NotKept
from tools.login import API, BASE

AT, GRANTS = "/api/v2/resource-servers", "/api/v2/client-grants"
LATER = "https://later.example.com/"
SCOPES = [{"value": "read:orders"}]
NIGHTLY = Client(client_id="nightly", name="nightly job", type="machine")
SETUP = Setup(
    apis=({"identifier": API, "scopes": SCOPES},),
    clients=(NIGHTLY,),
    grants=(Grant(client_id="nightly", audience=API, scopes=("read:orders",)),),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "issuer.db"


@contextmanager
def _run(path: Path, **arguments: Any) -> Iterator[tuple[LocalIssuer, TestClient]]:
    """One run with this file, and a client that may do everything at the Management API."""
    issuer = LocalIssuer(**{"issuer": BASE, "algorithm": "ES256", **arguments}, state=path)
    with closing(issuer):
        client = TestClient(issuer.app, base_url=issuer.issuer)
        asked = {"client_id": issuer.management_client_id, "audience": issuer.management_audience}
        asked |= {"client_secret": issuer.management_client_secret}
        answer = client.post("/oauth/token", data=asked | {"grant_type": "client_credentials"})
        client.headers["authorization"] = f"Bearer {answer.json()['access_token']}"
        yield issuer, client


def _at(identifier: str) -> str:
    return f"{AT}/{quote(identifier, safe='')}"


def _status(issuer: LocalIssuer, audience: str = API) -> int:
    """What the first machine gets for its request for a token."""
    asked = {"grant_type": "client_credentials", "audience": audience}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    return (
        TestClient(issuer.app, base_url=issuer.issuer).post("/oauth/token", data=asked).status_code
    )


def _again(client: TestClient, identifier: str = API) -> None:
    assert client.delete(_at(identifier)).status_code == 204
    made = client.post(AT, json={"identifier": identifier, "scopes": SCOPES})
    assert made.status_code == 201


def test_an_api_that_is_made_again_has_its_grants_at_once(path: Path) -> None:
    """Those of the setup come with it, not with the next start."""
    with _run(path, setup=SETUP) as (issuer, client):
        _again(client)
        before = (_status(issuer), client.get(GRANTS).json())
    with _run(path, setup=SETUP) as (issuer, client):
        assert (_status(issuer), client.get(GRANTS).json()) == before
    assert before[0] == 200


def test_a_removed_grant_stays_away_until_its_api_is_made_again(path: Path) -> None:
    """A start never brings it back; a new API has what the setup says, before and after one."""
    with _run(path, setup=SETUP) as (issuer, client):
        (grant,) = (g for g in client.get(GRANTS).json() if g["client_id"] == "nightly")
        client.delete(f"{GRANTS}/{grant['id']}")
    with _run(path, setup=SETUP) as (issuer, client):
        assert _status(issuer) == 403
        _again(client)
        assert _status(issuer) == 200
    with _run(path, setup=SETUP) as (issuer, _):
        assert _status(issuer) == 200


def test_a_grant_of_its_own_comes_before_the_one_for_every_api(path: Path) -> None:
    """As it does at the start, so when the API is made again."""
    every = Grant(client_id="nightly", audience=EVERY_API, allow_all_scopes=True)
    setup = Setup(
        apis=({"identifier": API, "scopes": [*SCOPES, {"value": "write:orders"}]},),
        clients=(NIGHTLY,),
        grants=(every, *SETUP.grants),
    )
    with _run(path, setup=setup) as (issuer, client):
        grants = issuer._authority.grants
        for _ in range(2):
            granted = grants.of("nightly", API)
            assert granted is not None
            assert granted.scopes == ("read:orders",)
            _again(client)


def test_a_deleted_api_of_a_later_setup_stays_deleted(path: Path) -> None:
    """It was made by hand, then the setup named it, then it was deleted: that was the last word."""
    with _run(path) as (_, client):
        assert client.post(AT, json={"identifier": LATER}).status_code == 201
    setup = Setup(apis=({"identifier": API}, {"identifier": LATER}))
    with _run(path, setup=setup) as (_, client):
        assert client.delete(_at(LATER)).status_code == 204
    with _run(path, setup=setup) as (_, client):
        assert client.get(_at(LATER)).status_code == 404


def test_what_is_put_back_to_the_beginning_was_never_seen(path: Path) -> None:
    """An API that was made and undone may still begin with a setup; those before it stay known."""
    setup = Setup(apis=({"identifier": API}, {"identifier": LATER}))
    with _run(path) as (issuer, client):
        client.post(AT, json={"identifier": LATER})
        _again(client)
        issuer._authority.apis.restore()
        client.delete(_at(API))
    with _run(path, setup=setup) as (issuer, _):
        assert [api["identifier"] for api in issuer.apis[1:]] == [LATER]


@pytest.mark.parametrize("kind", ["api", "grant"])
def test_a_file_from_another_port_gives_nobody_the_management_api(path: Path, kind: str) -> None:
    """What an older atjwt let in is refused at the start, in one sentence."""
    identifier = "http://127.0.0.1:9500/api/v2/"
    with _run(path):
        pass
    body: dict[str, object] = {"identifier": identifier, "signing_alg": "ES256"}
    if kind == "grant":
        body = {"client_id": "local-machine", "audience": identifier, "allow_all_scopes": True}
    _put(path, kind, body)
    with pytest.raises(ConfigurationError, match="is reserved; name another file"):
        LocalIssuer(issuer="http://127.0.0.1:9500/", state=path)


def test_two_apis_of_one_identifier_are_refused(path: Path) -> None:
    """Nobody could say whose settings a token follows."""
    with _run(path):
        pass
    _put(path, "api", {"identifier": API, "signing_alg": "ES256"})
    with pytest.raises(ConfigurationError, match="identifier is there twice"):
        LocalIssuer(issuer=BASE, state=path)


def test_a_dialect_for_an_api_that_is_gone_is_told(path: Path) -> None:
    """An argument is followed or refused, never dropped."""
    with _run(path) as (_, client):
        client.delete(_at(API))
    with pytest.raises(ConfigurationError, match="the main API was removed"):
        LocalIssuer(issuer=BASE, state=path, dialect="rfc9068_profile", algorithm="EdDSA")
    with closing(LocalIssuer(issuer=BASE, state=path)) as issuer:
        assert (issuer.dialect, issuer.algorithm) == ("access_token", "ES256")


def _put(path: Path, kind: str, body: dict[str, object]) -> None:
    with closing(StateFile(path)) as store:
        store.put(kind, "0" * 24, body)


def _change(path: Path, kind: str, **members: object) -> None:
    """Damages the first document of a kind; None takes a member away."""
    with closing(StateFile(path)) as store:
        name, body = next(iter(store.all(kind).items()))
        kept = {**body, **members}
        store.put(kind, name, {name: value for name, value in kept.items() if value is not ...})


@pytest.mark.parametrize(
    ("kind", "members"),
    [
        ("api", {"signing_alg": ...}),
        ("api", {"signing_alg": "HS256"}),
        ("api", {"token_encryption": None}),
        ("api", {"name": "\ud800"}),
        ("secret", {"secret": "\ud800"}),
        ("issuer", {"audience": "\ud800"}),
        ("keys", {"withdrawn": "abc"}),
        ("keys", {"withdrawn": [1]}),
    ],
)
def test_documents_that_a_hand_has_damaged_are_told(
    path: Path, kind: str, members: dict[str, object]
) -> None:
    """Each by a sentence with the file's name, at the start and not at the first request."""
    with _run(path):
        pass
    _change(path, kind, **members)
    with pytest.raises(ConfigurationError, match="state file"):
        LocalIssuer(issuer=BASE, state=path)


@pytest.mark.parametrize("kid", [None, 7, ""])
def test_a_key_has_an_id(path: Path, kid: object) -> None:
    """A string with content: verifiers look keys up by it."""
    with _run(path):
        pass
    with closing(StateFile(path)) as store:
        current = store.all("keys")["ES256"]["current"]
    assert isinstance(current, dict)
    _change(path, "keys", current={**current, "kid": kid})
    with pytest.raises(ConfigurationError, match="its keys for ES256 cannot be read"):
        LocalIssuer(issuer=BASE, state=path)


def test_text_that_is_no_utf8_is_damage(path: Path) -> None:
    """Below JSON, where SQLite hands it out."""
    with _run(path):
        pass
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE documents SET body = CAST(x'ff' AS TEXT) WHERE kind = 'api'")
    with pytest.raises(ConfigurationError, match="it is damaged"):
        LocalIssuer(issuer=BASE, state=path)


def test_a_start_that_was_killed_locks_nothing(path: Path) -> None:
    """A database without tables, rolled back before its first one was there, is a new file."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE documents (a)")
        connection.execute("DROP TABLE documents")
    path.chmod(0o600)
    assert path.stat().st_size
    with _run(path) as (issuer, _):
        secret = issuer.client_secret
    with _run(path) as (issuer, _):
        assert issuer.client_secret == secret


KILLED = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute(f"PRAGMA cache_size = {sys.argv[2]}")
connection.execute("BEGIN EXCLUSIVE")
connection.execute("CREATE TABLE documents (kind TEXT)")
for _ in range(100):
    connection.execute("INSERT INTO documents VALUES (?)", ("x" * 3_000,))
os._exit(0)
"""


@pytest.mark.parametrize("cache", ["1", "1000"], ids=["pages written", "nothing written"])
def test_a_process_that_was_killed_locks_nothing(path: Path, cache: str) -> None:
    """In the middle of making the file, with its journal beside it, whatever was written till then."""
    path.touch(0o600)
    subprocess.run([sys.executable, "-c", KILLED, str(path), cache], check=True, timeout=30)
    assert path.with_name(f"{path.name}-journal").exists()
    assert (path.stat().st_size > 0) == (cache == "1")
    with _run(path) as (issuer, _):
        assert _status(issuer) == 200


def test_a_file_of_zeros_is_left_alone(path: Path) -> None:
    """Without a journal it is no database, and nothing is written to it."""
    path.write_bytes(bytes(8_192))
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="state file"):
        StateFile(path)
    assert path.read_bytes() == bytes(8_192)


def test_a_database_of_another_program_is_not_new_for_being_empty(path: Path) -> None:
    """It says whose it is."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA application_id = 7")
        connection.execute("VACUUM")
    path.chmod(0o600)
    with pytest.raises(ConfigurationError, match="a database of something else"):
        StateFile(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_a_pipe_is_no_state_file(path: Path) -> None:
    """To open one would wait for whoever writes into it."""
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigurationError, match="no regular file; name another one"):
        StateFile(path)
    with pytest.raises(ConfigurationError, match="no regular file; name another one"):
        StateFile(os.devnull)


def test_a_failing_disk_is_no_damage(path: Path) -> None:
    """Who is told to delete the file loses the keys in it; the system's fault has its own words."""
    resource = pytest.importorskip("resource")
    with _run(path) as (issuer, _):
        store = issuer._authority.store
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size, before[1]))
        try:
            with pytest.raises(NotKept) as refused:
                store.put("note", "long", {"text": "x" * 200_000})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert "the system could not read or write it; keep it" in str(refused.value)
        store.put("note", "long", {"text": "x" * 200_000})


def test_an_error_without_a_sentence_is_no_damage(path: Path) -> None:
    """It is named by its code."""
    with _run(path) as (issuer, _):
        store = issuer._authority.store
        assert isinstance(store, StateFile)
        store._connection.execute(
            "CREATE TRIGGER no BEFORE INSERT ON documents BEGIN SELECT RAISE(ABORT, 's3cret'); END"
        )
        with pytest.raises(NotKept, match="SQLite refuses it, with code 1811; try again"):
            store.put("note", "a", {})
