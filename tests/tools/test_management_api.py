"""The client of the Management API, against the local issuer and against answers made by hand."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest
import uvicorn
from starlette.testclient import TestClient

from atjwt import ConfigurationError
from atjwt.issuer import LocalIssuer
from atjwt.migration import ManagementApi, ManagementError
from atjwt.migration.management import Answer
from tools.login import API, BASE

NOW = 1_790_000_000.0
ABSENT = Answer(404, {}, b'{"statusCode": 404, "errorCode": "inexistent_resource_server"}')
OK = Answer(200, {}, b'{"token_dialect": "access_token"}')


class Wire:
    """Sends to an app in process, or answers by hand what is next; keeps what was sent."""

    def __init__(self, issuer: LocalIssuer | None = None, *answers: Answer | Exception) -> None:
        self.http = None if issuer is None else TestClient(issuer.app, base_url=BASE)
        self.answers = list(answers)
        self.sent: list[tuple[str, str, Any]] = []
        self.waits: list[float] = []

    def __call__(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> Answer:
        self.sent.append((method, url, None if body is None else json.loads(body)))
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        assert self.http is not None
        found = self.http.request(method, url, headers=dict(headers), content=body)
        return Answer(found.status_code, dict(found.headers), found.content)


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="RS256", clock=lambda: NOW)


def of(issuer: LocalIssuer, wire: Wire) -> ManagementApi:
    return ManagementApi(
        issuer.issuer,
        client_id=issuer.management_client_id,
        client_secret=issuer.management_client_secret,
        send=wire,
        sleep=wire.waits.append,
        clock=lambda: NOW,
    )


def by_token(wire: Wire) -> ManagementApi:
    return ManagementApi(
        "tenant.eu.auth0.com", token="t", send=wire, sleep=wire.waits.append, clock=lambda: NOW
    )


def test_the_profile_of_an_api_is_changed_and_nothing_else(issuer: LocalIssuer) -> None:
    """By id or by identifier; one login serves all of it, and only the change is sent."""
    wire = Wire(issuer)
    api = of(issuer, wire)
    before = api.get(API)
    after = api.patch(str(before["id"]), token_dialect="rfc9068_profile")
    assert issuer.dialect == after["token_dialect"] == "rfc9068_profile"
    assert {**before, "token_dialect": "rfc9068_profile"} == after == api.get(API)
    assert [method for method, _, _ in wire.sent] == ["POST", "GET", "PATCH", "GET"]
    assert wire.sent[2][2] == {"token_dialect": "rfc9068_profile"}
    assert wire.sent[1][1].endswith("/api/v2/resource-servers/https%3A%2F%2Fapi.example.com%2F")


@pytest.mark.parametrize(
    ("ask", "status", "code", "says"),
    [
        (
            lambda api: api.get("nobody"),
            404,
            "inexistent_resource_server",
            "exactly, with its slash",
        ),
        (lambda api: api.patch(API, token_dialect="odd"), 400, "invalid_body", "not accepted"),
        (lambda api: api.patch(API, id="x"), 400, "invalid_body", "not accepted"),
    ],
    ids=["unknown API", "unknown dialect", "a member that is not to be sent"],
)
def test_what_is_refused_is_told_with_what_to_do(
    issuer: LocalIssuer, ask: Callable[[ManagementApi], object], status: int, code: str, says: str
) -> None:
    """The status, Auth0's own code, and a sentence; nothing was changed, and that is known."""
    with pytest.raises(ManagementError, match=says) as caught:
        ask(of(issuer, Wire(issuer)))
    assert (caught.value.status, caught.value.code) == (status, code)
    assert not caught.value.is_unknown
    assert issuer.dialect == "access_token"


def test_a_wrong_secret_is_told_without_it(issuer: LocalIssuer) -> None:
    """With the names of the variables to look at."""
    wire = Wire(issuer)
    api = ManagementApi(issuer.issuer, client_id="x", client_secret="s3cret", send=wire)
    with pytest.raises(ManagementError, match="AUTH0_CLIENT_SECRET") as caught:
        api.get(API)
    assert "s3cret" not in f"{caught.value}{caught.value!r}{api!r}"


def test_a_token_that_is_refused_is_had_anew_once(issuer: LocalIssuer) -> None:
    """As after a rotation; a token that was given cannot be."""
    wire = Wire(issuer)
    api = of(issuer, wire)
    api.get(API)
    wire.answers = [Answer(401, {}, b"{}")]
    api.patch(API, token_dialect="rfc9068_profile")
    assert [method for method, _, _ in wire.sent[2:]] == ["PATCH", "POST", "PATCH"]
    given = Wire(None, Answer(401, {}, b"{}"))
    with pytest.raises(ManagementError, match="another audience, or expired"):
        by_token(given).get(API)
    assert len(given.sent) == 1


def test_a_host_that_does_not_answer_is_named() -> None:
    """And nothing of what the network's error says."""
    with pytest.raises(ManagementError) as caught:
        by_token(Wire(None, *[ConnectionError("s3cret")] * 5)).get(API)
    assert str(caught.value) == (
        "GET: no answer from tenant.eu.auth0.com (ConnectionError): is AUTH0_DOMAIN right, and may "
        "this host get there?"
    )


@pytest.mark.parametrize("trouble", [Answer(503, {}, b""), ConnectionError("reset")])
def test_a_read_is_asked_again_and_a_change_is_not(trouble: Answer | Exception) -> None:
    """Nobody knows whether a change was made; that is said, and the caller reads it back."""
    reading = Wire(None, trouble, trouble, OK)
    assert by_token(reading).get(API) == {"token_dialect": "access_token"}
    assert reading.waits == [1.0, 2.0]
    changing = Wire(None, trouble)
    with pytest.raises(ManagementError) as caught:
        by_token(changing).patch(API, token_dialect="rfc9068_profile")
    assert caught.value.is_unknown
    assert len(changing.sent) == 1


def test_a_read_is_not_asked_for_ever() -> None:
    """Five times, with growing pauses."""
    wire = Wire(None, *[Answer(502, {}, b"")] * 9)
    with pytest.raises(ManagementError, match="502"):
        by_token(wire).get(API)
    assert (len(wire.sent), wire.waits) == (5, [1.0, 2.0, 4.0, 8.0])


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"x-ratelimit-reset": str(int(NOW) + 7)}, 8.0),
        ({"x-ratelimit-reset": str(int(NOW) + 7_000)}, 60.0),
        ({"x-ratelimit-reset": "soon", "retry-after": "3"}, 4.0),
        ({}, 1.0),
    ],
)
def test_a_rate_limit_is_waited_for_by_changes_too(headers: dict[str, str], wait: float) -> None:
    """It says that nothing was done, and until when (`X-RateLimit-Reset`)."""
    wire = Wire(None, Answer(429, headers, b"{}"), OK)
    by_token(wire).patch(API, token_dialect="access_token")
    assert wire.waits == [wait]
    assert [sent for _, _, sent in wire.sent] == [{"token_dialect": "access_token"}] * 2


@pytest.mark.parametrize("status", [200, 201, 204])
def test_any_2xx_to_a_change_is_taken(status: int) -> None:
    """Auth0's papers say 201, and its servers 200."""
    assert by_token(Wire(None, Answer(status, {}, OK.body))).patch(API, name="x")


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b"\xff"])
def test_an_answer_that_is_none_is_told(body: bytes) -> None:
    """The change may have been made all the same."""
    with pytest.raises(ManagementError, match="no JSON object") as caught:
        by_token(Wire(None, Answer(200, {}, body))).patch(API, name="x")
    assert caught.value.is_unknown


def test_settings_from_the_environment() -> None:
    """A client with its secret, or a token; what is missing is told at once."""
    client = {"AUTH0_CLIENT_ID": "c", "AUTH0_CLIENT_SECRET": "s"}
    for more in (client, {"AUTH0_MANAGEMENT_TOKEN": "t"}):
        api = ManagementApi.from_env({"AUTH0_DOMAIN": "tenant.eu.auth0.com", **more})
        assert api.issuer == "https://tenant.eu.auth0.com/"
    with pytest.raises(ConfigurationError) as caught:
        ManagementApi.from_env({})
    assert [problem.partition(":")[0] for problem in caught.value.problems] == [
        "AUTH0_DOMAIN", "AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "given", [{}, {"client_id": "c"}, {"token": "t", "client_id": "c", "client_secret": "s"}]
)
def test_one_way_to_log_in_is_given(given: dict[str, str]) -> None:
    """Both or neither is a mistake; so is a domain with a path, told together."""
    arguments: Any = given
    with pytest.raises(ConfigurationError) as caught:
        ManagementApi("tenant.eu.auth0.com/path", **arguments)
    assert len(caught.value.problems) == 2


def test_an_api_has_a_name() -> None:
    """An empty one would be the list of all."""
    with pytest.raises(ConfigurationError, match="id or identifier"):
        by_token(Wire()).get("")


@contextmanager
def served(issuer: LocalIssuer, port: int) -> Iterator[None]:
    config = uvicorn.Config(issuer.app, host="127.0.0.1", port=port, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
        yield
    finally:
        server.should_exit = True
        thread.join()


def test_over_a_real_socket(unused_port: int) -> None:
    """With the HTTP client that is installed."""
    issuer = LocalIssuer(issuer=f"http://127.0.0.1:{unused_port}/", algorithm="RS256")
    with served(issuer, unused_port):
        api = ManagementApi(
            issuer.issuer,
            client_id=issuer.management_client_id,
            client_secret=issuer.management_client_secret,
        )
        api.patch(issuer.audience, token_dialect="rfc9068_profile_authz")
        assert api.get(issuer.audience)["token_dialect"] == issuer.dialect
    assert issuer.dialect == "rfc9068_profile_authz"


@pytest.fixture
def unused_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
