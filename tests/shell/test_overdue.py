"""Keys past fresh: asked for before they are believed, unless the issuer cannot be reached."""

import asyncio
import json
import logging
from typing import Any

import pytest

from atjwt import KeyPolicy, Reason, ResourceServer, TrustedIssuer
from atjwt.testing import LocalIssuer
from shell.wire import NOW, Clock, reason_of, served, trusting

FRESH, STALE = 600, 3_600


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    return LocalIssuer(algorithm="ES256", clock=clock)


@pytest.mark.parametrize("remembered_first", [True, False])
@pytest.mark.parametrize("idle", [FRESH, FRESH + 1, FRESH + STALE - 1])
def test_a_withdrawn_key_is_refused_after_any_idle_time(
    issuer: LocalIssuer, clock: Clock, idle: int, *, remembered_first: bool
) -> None:
    """While the issuer answers, no key older than fresh is believed, remembered tokens included."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    old, never_seen = issuer.token(), issuer.token(subject="never seen")
    assert reason_of(server, old) is None
    issuer.rotate_keys()
    issuer.withdraw()
    clock.advance(idle)
    for token in (old, never_seen) if remembered_first else (never_seen, old):
        assert reason_of(server, token) is Reason.UNKNOWN_KEY


def test_an_idle_server_in_an_outage_asks_once_and_serves(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """The first request waits for the answer that does not come; then nobody waits."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.token()
    assert reason_of(server, token) is None
    issuer.faults.set(down=True)
    clock.advance(FRESH + 1_000)
    assert reason_of(server, token) is None
    assert served(server, token)
    assert served(server, issuer.token())
    assert server.health().issuers[0].state == "stale"


def test_many_at_once_after_idle_time_are_one_fetch(issuer: LocalIssuer, clock: Clock) -> None:
    """Everybody waits for the same flight."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    tokens = [issuer.token(subject=f"user {n}") for n in range(50)]
    assert reason_of(server, tokens[0]) is None
    clock.advance(FRESH)

    async def all_of_them() -> None:
        await asyncio.gather(*(server.verify(token) for token in tokens))

    before = issuer.requests["/.well-known/jwks.json"]
    asyncio.run(all_of_them())
    assert issuer.requests["/.well-known/jwks.json"] == before + 1


def test_several_names_in_a_set_give_one_realm() -> None:
    """The order of a set differs between processes; the realm does not."""
    issuer = TrustedIssuer("https://a.example")
    names = {f"urn:{letter}" for letter in "hgfedcba"}
    assert ResourceServer(audience=names, issuers=[issuer]).realm == "urn:a"


@pytest.mark.parametrize("member", [{"extra": 1}, "twice"])
def test_one_key_published_twice_is_one_key(issuer: LocalIssuer, clock: Clock, member: Any) -> None:
    """The very same JWK twice names one key; another of its kid is an ambiguity."""
    keys = issuer.jwks()["keys"]
    again = [key if member == "twice" else {**key, **member} for key in keys]

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"keys": [*keys, *again]}).encode()

    server = ResourceServer(
        audience=issuer.audience, clock=clock, fetch=fetch,
        issuers=[TrustedIssuer(issuer.issuer, jwks_uri=issuer.jwks_uri)],
    )  # fmt: skip
    expected = None if member == "twice" else Reason.AMBIGUOUS_KEY
    assert reason_of(server, issuer.token()) is expected


def test_fetching_without_tls_is_told(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    """Whoever says `unsafe_http` reads it in the log at start-up."""
    keys = "http://lab.example.com/keys"
    issuers = [
        TrustedIssuer("http://lab.example.com", unsafe_http=True),
        TrustedIssuer("https://lab.example.com", jwks_uri=keys, unsafe_http=True),
        TrustedIssuer("https://quiet.example.com"),
    ]
    with caplog.at_level(logging.WARNING, "atjwt"):
        ResourceServer(audience="urn:api", issuers=issuers, clock=clock)
    assert [record.message for record in caplog.records] == [
        f"keys are fetched without TLS issuer={issuer.issuer}" for issuer in issuers[:2]
    ]


def test_a_policy_of_no_stale_time_is_all_or_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    """With `stale=0` keys past fresh are gone."""
    policy = KeyPolicy(stale=0)
    server = trusting(issuer, clock, fetch=issuer.fetch, policy=policy)
    token = issuer.token()
    assert reason_of(server, token) is None
    issuer.faults.set(down=True)
    clock.now = NOW + FRESH
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
