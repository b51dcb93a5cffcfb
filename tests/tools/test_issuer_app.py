"""The local issuer's documents, in process and over HTTP: right, and wrong on purpose."""

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import Endpoint, Fault
from atjwt.testing import LocalIssuer

BASE = "http://127.0.0.1:9400/"
METADATA = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"


class Sleeper:
    """Sleeps no time at all, and knows for how long it was asked to."""

    def __init__(self) -> None:
        self.asked: list[float] = []

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)


@pytest.fixture
def sleeper() -> Sleeper:
    return Sleeper()


@pytest.fixture
def issuer(sleeper: Sleeper) -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", sleep=sleeper)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


Ask = Callable[[str], tuple[int, dict[str, str], bytes]]


@pytest.fixture(params=["in process", "over HTTP"])
def ask(request: pytest.FixtureRequest, issuer: LocalIssuer, client: TestClient) -> Ask:
    """A GET, both ways that there are to the issuer."""

    def over_http(path: str) -> tuple[int, dict[str, str], bytes]:
        response = client.get(path)
        return response.status_code, dict(response.headers), response.content

    def in_process(path: str) -> tuple[int, dict[str, str], bytes]:
        return asyncio.run(issuer.fetch(BASE.rstrip("/") + path))

    return over_http if request.param == "over HTTP" else in_process


def test_documents_are_served_with_a_lifetime(issuer: LocalIssuer, ask: Ask) -> None:
    """Metadata and keys are JSON with `Cache-Control`, the same both ways, and counted by path."""
    for path, document in [(METADATA, issuer.metadata()), (JWKS, issuer.jwks())]:
        status, headers, body = ask(path)
        assert (status, json.loads(body)) == (200, document)
        assert headers["cache-control"] == "public, max-age=600"
        assert headers["content-type"].startswith("application/json")
        assert int(headers["content-length"]) == len(body)
    assert issuer.requests == {METADATA: 1, JWKS: 1}


def test_other_paths_are_not_found(ask: Ask) -> None:
    """No document is anywhere else."""
    assert ask("/jwks.json")[0] == 404


def test_fetch_answers_for_its_own_host_only(issuer: LocalIssuer) -> None:
    """A verifier that fetches elsewhere finds nobody, as on a network without one."""
    for url in ["http://127.0.0.1:9401/.well-known/jwks.json", "https://127.0.0.1:9400/"]:
        with pytest.raises(ConnectionError):
            asyncio.run(issuer.fetch(url))


def test_down(issuer: LocalIssuer, ask: Ask) -> None:
    """`down` answers its status, with `Retry-After` when there is one, until it is cleared."""
    issuer.faults.set(down=True)
    status, headers, _ = ask(JWKS)
    assert status == 503
    assert "retry-after" not in headers
    issuer.faults.set(down=True, status=429, retry_after=30, on=["jwks"])
    status, headers, _ = ask(JWKS)
    assert (status, headers["retry-after"]) == (429, "30")
    assert ask(METADATA)[0] == 503
    issuer.faults.clear("metadata")
    assert (ask(METADATA)[0], ask(JWKS)[0]) == (200, 429)
    issuer.faults.clear()
    assert ask(JWKS)[0] == 200


def test_slow_and_drip(issuer: LocalIssuer, sleeper: Sleeper, ask: Ask) -> None:
    """`slow` waits before the answer, `drip` between any two pieces; the answer is right."""
    issuer.faults.set(slow=3, drip=0.5)
    assert json.loads(ask(JWKS)[2]) == issuer.jwks()
    assert sleeper.asked == [3, *[0.5] * 15]


def test_garbage_empty_and_lying(issuer: LocalIssuer, ask: Ask) -> None:
    """HTML with 200, documents without content, and metadata of somebody else."""
    issuer.faults.set(garbage=True)
    status, headers, body = ask(METADATA)
    assert (status, headers["content-type"][:9], body[:15]) == (
        200,
        "text/html",
        b"<!DOCTYPE html>",
    )
    issuer.faults.set(empty=True)
    assert [json.loads(ask(path)[2]) for path in (METADATA, JWKS)] == [{}, {"keys": []}]
    issuer.faults.set(lying=True)
    assert json.loads(ask(METADATA)[2])["issuer"] == "https://another-issuer.test/"
    assert json.loads(ask(JWKS)[2]) == issuer.jwks()


def test_huge_is_right_but_for_its_size(issuer: LocalIssuer, ask: Ask) -> None:
    """Only a size limit can refuse it: the keys are in it."""
    issuer.faults.set(huge=True)
    body = ask(JWKS)[2]
    assert len(body) > 2 * 1024 * 1024
    assert json.loads(body)["keys"] == issuer.jwks()["keys"]


def test_a_redirect_leads_to_the_right_answer(issuer: LocalIssuer, ask: Ask) -> None:
    """A client that follows would be served; that it did can be counted."""
    issuer.faults.set(redirect=True)
    status, headers, _ = ask(JWKS)
    path = headers["location"].removeprefix(BASE.rstrip("/"))
    assert (status, path) == (302, f"/elsewhere{JWKS}")
    assert json.loads(ask(path)[2]) == issuer.jwks()
    assert issuer.requests == {JWKS: 1, path: 1}


def test_hanging_ends_when_it_is_switched_off(issuer: LocalIssuer) -> None:
    """A fetch that hangs has no answer before the fault is cleared, and the right one after."""

    async def fetch() -> bool:
        issuer.faults.set(hang=True)
        fetching = asyncio.ensure_future(issuer.fetch(issuer.jwks_uri))
        done, _ = await asyncio.wait([fetching], timeout=0.05)
        issuer.faults.clear()
        return not done and json.loads((await fetching)[2]) == issuer.jwks()

    assert asyncio.run(fetch())


def test_hanging_ends_when_the_client_gives_up(issuer: LocalIssuer) -> None:
    """A cancelled fetch stops at once, and over HTTP nobody waits for a client that has gone."""

    async def give_up() -> None:
        issuer.faults.set(hang=True)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(issuer.fetch(issuer.jwks_uri), 0.01)
        scope = {
            "type": "http",
            "method": "GET",
            "path": JWKS,
            "root_path": "",
            "query_string": b"",
        }
        scope |= {"headers": [(b"host", b"127.0.0.1")]}
        await issuer.app(scope, _gone, _ignored)

    asyncio.run(give_up())


async def _gone() -> dict[str, str]:
    return {"type": "http.disconnect"}


async def _ignored(message: object) -> None:
    pass


@pytest.mark.parametrize(
    "members",
    [
        {"slow": -1},
        {"slow": True},
        {"drip": float("nan")},
        {"down": 1},
        {"down": True, "status": 200},
        {"down": True, "retry_after": 1.5},
        {"down": True, "garbage": True},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(members: dict[str, Any]) -> None:
    """Values are of their type and range, and an endpoint has one kind of fault at a time."""
    with pytest.raises(ValueError, match=r"is |at most one"):
        Fault(**members)


@pytest.mark.parametrize("on", [[], ["keys"], "jwks", ["jwks", "jwks"]])
def test_a_fault_needs_an_endpoint(issuer: LocalIssuer, on: list[Endpoint]) -> None:
    """`on` lists endpoints by their names."""
    with pytest.raises(ValueError, match="on is a list"):
        issuer.faults.set(down=True, on=on)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:9400", "[::1]:9400", "127.8.8.8"])
def test_loopback_hosts_are_served(client: TestClient, host: str) -> None:
    """The names and addresses of this computer, with and without a port."""
    assert client.get(JWKS, headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.test", "10.0.0.1", "", "[::2]:80", "127.0.0.1.evil.test"])
def test_other_hosts_are_refused(client: TestClient, host: str) -> None:
    """A page whose own name points at this computer is refused (DNS rebinding)."""
    assert client.get(JWKS, headers={"host": host}).status_code == 403


@pytest.mark.parametrize("sender", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "testclient", ""])
def test_senders_on_this_computer_are_served(issuer: LocalIssuer, sender: str) -> None:
    """Loopback addresses, and names that are no address: in process, or a Unix socket."""
    client = TestClient(issuer.app, base_url=BASE, client=(sender, 50_000))
    assert client.get(JWKS).status_code == 200


@pytest.mark.parametrize("sender", ["10.0.0.1", "0.0.0.0", "::2", "::ffff:10.0.0.1", "fe80::1%a"])
def test_senders_elsewhere_are_refused(issuer: LocalIssuer, sender: str) -> None:
    """Whoever serves the app to a network serves nobody there, whatever Host they send."""
    client = TestClient(issuer.app, base_url=BASE, client=(sender, 50_000))
    assert client.get(JWKS).status_code == 403


def test_two_host_headers_are_refused(client: TestClient) -> None:
    """Which of them was meant nobody knows (RFC 9112 section 3.2)."""
    headers = [("host", "127.0.0.1"), ("host", "evil.test")]
    assert client.get(JWKS, headers=headers).status_code == 403
