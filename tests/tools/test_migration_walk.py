"""The promise: an API changes its profile while it is used, and no valid request is refused.

Everything is real: an issuer, an API of two processes behind one socket, people who log in, machines,
an attacker, and the commands as a team would give them. Tokens live for seconds.
"""

import base64
import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from traffic import Traffic
from walking import AUDIENCE, LIFETIME, World, world

MARGIN, LEEWAY = 1, 1


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a proxy is configured for all else, it would be asked for our own loopback too."""
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(name, "127.0.0.1", prepend=",")


def done(it: World, *arguments: str) -> str:
    finished = it.migrate(*arguments)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def told(it: World, *arguments: str) -> Any:
    return json.loads(done(it, *arguments, "--json"))


def until(condition: Callable[[], bool]) -> None:
    """Waits for something that is on its way."""
    for _ in range(200):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("it does not come")


def claims(token: str) -> dict[str, Any]:
    payload = token.split(".")[1]
    read = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert isinstance(read, dict)
    return read


def last_expiry(traffic: Traffic, client_claim: str) -> int:
    """The latest `exp` among the tokens of one profile that clients were given."""
    issued = map(claims, list(traffic.issued))
    return max(int(each["exp"]) for each in issued if client_claim in each)


def came(traffic: Traffic, profile: str, since: float) -> int:
    return traffic.by_profile(since=since)[profile]


def everybody_was_served(traffic: Traffic) -> None:
    """No valid request was refused, no invalid one accepted, and there were enough of both."""
    assert traffic.failures == []
    assert traffic.refused == []
    assert traffic.let_in == []
    assert len(traffic.answers) > 300
    assert traffic.repelled > 60
    assert {answer.client for answer in traffic.answers} == {
        "a person", "another person", "a machine", "another machine",
    }  # fmt: skip


@pytest.fixture
def ready(request: pytest.FixtureRequest) -> Iterator[World]:
    """An API that has learnt to accept both profiles, by a rolling deployment under load."""
    with world(dialect=request.param, profiles="auth0") as it:
        until(lambda: came(it.traffic, "auth0", 0) > 40)
        blocked = it.migrate("plan", AUDIENCE, "--to", "rfc9068", "--expect", "orders=2")
        assert blocked.returncode == 1, blocked.stderr
        assert "do not accept rfc9068" in blocked.stdout
        refused = it.migrate("switch", AUDIENCE, "--to", "rfc9068", "--yes")
        assert refused.returncode == 1, "the switch looks for itself"
        it.fleet.roll("auth0,rfc9068")
        done(it, "plan", AUDIENCE, "--to", "rfc9068", "--expect", "orders=2")
        yield it


def switched(it: World, *arguments: str) -> float:
    """When the new setting was read back."""
    step = told(it, *arguments, "--margin", str(MARGIN), "--yes")
    return float(step["switched_at"])


def drained(it: World, at: float, old_client_claim: str, old: str) -> None:
    """The moment is right to the second, and nothing of the old profile comes past it."""
    moment = told(it, "drain", AUDIENCE)["drained_at"]
    expiry = last_expiry(it.traffic, old_client_claim)
    assert moment == max(at + LIFETIME + MARGIN, expiry) + LEEWAY
    assert moment > expiry
    assert time.time() >= moment
    assert came(it.traffic, old, since=expiry + LEEWAY) == 0
    until(lambda: it.migrate("enforce", AUDIENCE).returncode == 0)


@pytest.mark.parametrize("ready", ["access_token_authz"], indirect=True)
def test_an_api_goes_from_auth0_to_rfc9068_while_its_issuer_has_trouble(ready: World) -> None:
    """Rotation and outage in the middle; in the end the old profile is refused, and nobody has it."""
    it = ready
    at = switched(it, "switch", AUDIENCE, "--to", "rfc9068")
    until(lambda: came(it.traffic, "rfc9068", at) > 5)
    assert came(it.traffic, "auth0", at) > 5, "both come side by side"
    it.issuer.rotate_keys()
    with it.issuer.down():
        time.sleep(2.5)  # longer than keys are fresh: they are stale, and serve
    drained(it, at, "azp", "auth0")
    it.fleet.roll("rfc9068")
    until(lambda: "migration is done" in it.migrate("enforce", AUDIENCE).stdout)
    old, new = (
        it.issuer.token(dialect=dialect, scopes=["read:orders"])
        for dialect in ("access_token_authz", "rfc9068_profile_authz")
    )
    assert (it.asked_with(old), it.asked_with(new)) == (401, 200)
    everybody_was_served(it.traffic)


@pytest.mark.parametrize("ready", ["access_token"], indirect=True)
def test_the_way_to_rfc9068_without_permissions(ready: World) -> None:
    """`access_token` becomes `rfc9068_profile`."""
    it = ready
    at = switched(it, "switch", AUDIENCE, "--to", "rfc9068")
    drained(it, at, "azp", "auth0")
    it.fleet.roll("rfc9068")
    until(lambda: "migration is done" in it.migrate("enforce", AUDIENCE).stdout)
    everybody_was_served(it.traffic)
    assert all("permissions" not in claims(token) for token in it.traffic.issued)


@pytest.mark.parametrize("ready", ["access_token_authz"], indirect=True)
def test_the_way_back_refuses_nobody_either(ready: World) -> None:
    """`undo` in the middle: the API ends as it began, with Auth0's profile alone."""
    it = ready
    at = switched(it, "switch", AUDIENCE, "--to", "rfc9068")
    until(lambda: came(it.traffic, "rfc9068", at) > 20)
    back = switched(it, "undo", AUDIENCE)
    until(lambda: came(it.traffic, "auth0", back) > 20)
    drained(it, back, "client_id", "rfc9068")
    it.fleet.roll("auth0")
    until(lambda: "migration is done" in it.migrate("enforce", AUDIENCE).stdout)
    assert it.asked_with(it.issuer.token(dialect="rfc9068_profile")) == 401
    everybody_was_served(it.traffic)
