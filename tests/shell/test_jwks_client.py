"""The keys of one issuer, in every kind of trouble: none costs a good key or a good request."""

import asyncio
import gc
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from email.utils import formatdate
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import InvalidToken, KeyPolicy, KeysUnavailable, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.key_record import refreshed
from atjwt.events import KeysFailed, KeysRefreshed, TokenAccepted
from atjwt.fetch import FetchFailed, HttpFetcher
from atjwt.flight import Flight
from atjwt.issuer.keys import SigningKey
from atjwt.testing import LocalIssuer
from shell.wire import (
    JWKS,
    LONG,
    METADATA,
    NOW,
    PATIENT,
    Clock,
    Exchange,
    Recorder,
    Reply,
    Sabotage,
    WireIssuer,
    answer,
    chunked,
    cut_off,
    document,
    dripping,
    eventually,
    flying,
    hold,
    raw,
    reason,
    reason_of,
    redirect,
    reset,
    served,
    slow_headers,
    trusting,
    zipped,
)

FRESH, STALE, COOLDOWN = 600, 3600, 30
Answer = tuple[int, Mapping[str, str], bytes]


def _right(exchange: Exchange) -> dict[str, Any]:
    assert isinstance(exchange.server, WireIssuer)
    return dict(exchange.server.issuer.jwks())


def _with(change: Callable[[dict[str, Any]], object]) -> Reply:
    """The right key set, after a change."""

    def reply(exchange: Exchange) -> None:
        members = _right(exchange)
        document(change(members))(exchange)

    return reply


def _as(wrap: Callable[[bytes], Reply]) -> Reply:
    """The right key set, answered in the wrong way."""

    def reply(exchange: Exchange) -> None:
        wrap(json.dumps(_right(exchange)).encode())(exchange)

    return reply


def _each_key(**changes: Any) -> Reply:
    return _with(lambda right: {"keys": [{**key, **changes} for key in right["keys"]]})


def _elsewhere(exchange: Exchange) -> None:
    redirect(f"{exchange.server.url}elsewhere")(exchange)


TROUBLE: dict[str, Reply] = {
    "redirect": _elsewhere,
    "oversized": _with(lambda right: {**right, "padding": "x" * 1_100_000}),
    "compressed": _as(lambda body: zipped(body + b" " * 40_000_000)),
    "encoding": _as(lambda body: answer(body, headers={"content-encoding": "br"})),
    "gzip cut off": _as(lambda body: zipped(body, keep=0.8)),
    "HTML": answer(b"<!DOCTYPE html><html></html>", headers={"content-type": "application/json"}),
    "nothing": answer(b""),
    "empty set": document({"keys": []}),
    "no set": document({}),
    "null": document(None),
    "an array": _with(lambda right: [right]),
    "keys are an object": _with(lambda right: {"keys": {"0": right["keys"][0]}}),
    "no key among keys": document({"keys": [None, 1, "x", [], {}]}),
    "every key broken": _each_key(x="AAAA"),
    "every key private": _each_key(d="AAAA"),
    "every key for encryption": _each_key(use="enc"),
    "only a secret": document(
        {"keys": [{"kty": "oct", "k": "A" * 43, "kid": "a", "alg": "HS256"}]}
    ),
    "byte order mark": _as(lambda body: answer(b"\xef\xbb\xbf" + body)),
    "UTF-16": _as(lambda body: answer(body.decode().encode("utf-16"))),
    "keys twice": _as(lambda body: answer(b'{"keys":[],' + body[1:])),
    "nested": _as(lambda body: answer(b'{"x":' + b"[" * 5000 + b"]" * 5000 + b"," + body[1:])),
    "nested deeply": answer(b"[" * 300_000),
    "digits": _as(lambda body: answer(b'{"x":' + b"9" * 9000 + b"," + body[1:])),
    "NaN": _as(lambda body: answer(b'{"x":NaN,' + body[1:])),
    "cut off": _as(cut_off),
    "reset": reset,
    "closed": raw(b""),
    "no HTTP": raw(b"hello\r\n\r\n"),
    "broken chunk": raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nxyz\r\n"),
    "204": answer(status=204),
    "206": _as(lambda body: answer(body, status=206)),
    "404": answer(status=404),
    "500": answer(b"{}", status=500),
    "503": answer(status=503),
    "429": answer(status=429),
}


@pytest.fixture(params=TROUBLE)
def trouble(request: pytest.FixtureRequest, wire: WireIssuer) -> Reply:
    """One kind of trouble; the right answer is where a redirect leads."""
    wire.routes["/elsewhere"] = wire.routes[JWKS]
    return TROUBLE[request.param]


def test_trouble_costs_no_good_key(
    wire: WireIssuer, clock: Clock, seen: Recorder, trouble: Reply
) -> None:
    """Keys in hand go on serving, at once, known and new tokens alike, until all is well again."""
    server = trusting(wire.issuer, clock, observers=[seen])
    known = wire.issuer.token()
    assert reason_of(server, known) is None
    wire.routes[JWKS] = trouble
    clock.advance(FRESH - 10)  # due, and fresh
    assert served(server, known)
    failure = seen.wait(KeysFailed)
    assert (failure.failures, failure.retry_after) == (1, COOLDOWN)
    assert failure.usable_for == STALE + 10
    assert served(server, known)
    assert served(server, wire.issuer.token())
    clock.advance(STALE - 2 * COOLDOWN)  # stale, and nearly too much so
    assert server.health().issuers[0].state == "stale"
    assert served(server, wire.issuer.token())
    assert seen.wait(KeysFailed, 2).failures == 2
    wire.mend()
    clock.advance(COOLDOWN)
    assert served(server, known)
    assert seen.wait(KeysRefreshed, 2).keys == 2
    assert server.health().issuers[0].state == "fresh"


def test_trouble_without_keys_ends_with_it(
    wire: WireIssuer, clock: Clock, seen: Recorder, trouble: Reply
) -> None:
    """Cold, a good token is 503 and never 401; a second later, when all is well, it is accepted."""
    server = trusting(wire.issuer, clock, observers=[seen])
    token = wire.issuer.token()
    wire.routes[JWKS] = trouble
    with pytest.raises(KeysUnavailable) as refusal:
        server.verify_sync(token)
    assert refusal.value.retry_after == 1
    assert refusal.value.reason is Reason.KEYS_UNAVAILABLE
    failure = seen.wait(KeysFailed)
    assert (failure.failures, failure.retry_after, failure.usable_for) == (1, 1, 0)
    assert server.health().issuers[0].state == "none"
    wire.mend()
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    clock.advance(1)
    assert reason_of(server, token) is None
    assert wire.requests["/elsewhere"] == 0


@pytest.mark.parametrize(
    "reply",
    [
        hold,
        _as(lambda body: slow_headers(body, pause=0.05)),
        _as(lambda body: dripping(body, pieces=100, pause=0.05)),
    ],
    ids=["hang", "slow headers", "slow body"],
)
def test_an_answer_that_takes_too_long(
    wire: WireIssuer, clock: Clock, seen: Recorder, reply: Reply
) -> None:
    """One deadline ends it, though each byte comes in time; and the next attempt may succeed."""
    policy = KeyPolicy(timeout=0.5)
    server = trusting(wire.issuer, clock, policy=policy, observers=[seen])
    wire.routes[JWKS] = reply
    started = time.monotonic()
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert time.monotonic() - started < 5
    assert seen.wait(KeysFailed).cause == "no answer within the time limit"
    wire.mend()
    clock.advance(1)
    eventually(lambda: _accepted_after_a_while(server, wire, clock))


def _accepted_after_a_while(server: ResourceServer, wire: WireIssuer, clock: Clock) -> bool:
    # On a machine that is busy enough even a good answer may come too late for a short limit.
    accepted = reason_of(server, wire.issuer.token()) is None
    clock.advance(COOLDOWN)
    return accepted


def test_one_deadline_for_metadata_and_keys(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Two answers, each within the limit, are too late together."""
    slowly = {
        path: dripping(json.dumps(members).encode(), pieces=10, pause=0.07)
        for path, members in [(METADATA, wire.issuer.metadata()), (JWKS, wire.issuer.jwks())]
    }
    wire.routes = slowly
    server = trusting(wire.issuer, clock, policy=KeyPolicy(timeout=1), observers=[seen])
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert seen.wait(KeysFailed).cause == "no answer within the time limit"


def test_one_broken_key_costs_itself_only(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Whatever stands among the good keys; the event counts what was skipped and repeats nothing."""
    broken = [
        None, "key", {}, {"kty": "RSA"}, {"kty": "EC", "crv": "P-256", "x": "%", "y": ""},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "AQAB", "kid": "MARKER"},
        {"kty": "oct", "k": "MARKER", "kid": "s"}, {"kty": ["EC"]}, {"kty": "XX", "kid": "x"},
    ]  # fmt: skip
    wire.routes[JWKS] = _with(lambda right: {"keys": [*broken, *right["keys"], *broken]})
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    event = seen.wait(KeysRefreshed)
    assert (event.keys, len(event.skipped)) == (2, 2 * len(broken))
    assert "MARKER" not in repr(event)


def test_a_refresh_with_one_key_broken_keeps_the_others(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """A key that comes back broken is as good as withdrawn; its neighbour serves on."""
    server = trusting(wire.issuer, clock, observers=[seen])
    first = wire.issuer.token()
    wire.issuer.rotate_keys()
    second = wire.issuer.token()
    assert (reason_of(server, first), reason_of(server, second)) == (None, None)
    kid = wire.issuer.jwks()["keys"][-1]["kid"]
    wire.routes[JWKS] = _with(
        lambda right: {
            "keys": [{**key, "y": "AA"} if key["kid"] == kid else key for key in right["keys"]]
        }
    )
    clock.advance(FRESH - 1)
    assert served(server, second)
    assert seen.wait(KeysRefreshed, 2).keys == 2
    assert served(server, second)
    assert reason_of(server, first) is Reason.UNKNOWN_KEY


def test_duplicate_kids(wire: WireIssuer, clock: Clock) -> None:
    """Two keys of one kid are ambiguous and cost the others nothing; other key types are not meant."""
    twins = wire.issuer.broken(Reason.AMBIGUOUS_KEY)
    server = trusting(wire.issuer, clock)
    assert reason_of(server, twins) is Reason.AMBIGUOUS_KEY
    assert reason_of(server, wire.issuer.token()) is None
    assert wire.fetches == (1, 1)
    kid = wire.issuer.jwks()["keys"][0]["kid"]
    rsa = SigningKey.generate("RS256", kid=kid).jwk()
    wire.routes[JWKS] = _with(lambda right: {"keys": [rsa, *right["keys"]]})
    assert reason_of(trusting(wire.issuer, clock), wire.issuer.token()) is None


def test_rotation(wire: WireIssuer, clock: Clock) -> None:
    """The next key is known before it signs; one that is not known costs one fetch, at once."""
    server = trusting(wire.issuer, clock)
    first = wire.issuer.token()
    assert reason_of(server, first) is None
    wire.issuer.rotate_keys()
    assert served(server, wire.issuer.token())
    wire.issuer.rotate_keys()
    assert reason_of(server, wire.issuer.token()) is None
    assert served(server, first)
    assert wire.fetches == (1, 2)


def test_withdrawal(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """A withdrawn key is refused from the next refresh on, for tokens that were cached as well."""
    server = trusting(wire.issuer, clock, observers=[seen])
    old = wire.issuer.token()
    wire.issuer.rotate_keys()
    new = wire.issuer.token()
    assert (reason_of(server, old), reason_of(server, new)) == (None, None)
    wire.issuer.withdraw()
    clock.advance(0.5 * FRESH)
    assert served(server, old)  # nothing was fetched yet
    clock.advance(0.4 * FRESH)
    assert served(server, old)  # and this started the refresh
    seen.wait(KeysRefreshed, 2)
    assert served(server, new)
    assert reason_of(server, old) is Reason.UNKNOWN_KEY
    # The unknown kid forced one fetch more; from then on it is remembered.
    assert [reason_of(server, old) for _ in range(3)] == [Reason.UNKNOWN_KEY] * 3
    assert wire.fetches == (1, 3)


def test_withdrawal_by_an_unusable_twin(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """A kid whose key material was exchanged no longer vouches for what the old one signed."""
    server = trusting(wire.issuer, clock, observers=[seen])
    token = wire.issuer.token()
    assert reason_of(server, token) is None
    kid = wire.issuer.jwks()["keys"][0]["kid"]
    other = SigningKey.generate("ES256", kid=kid).jwk()
    wire.routes[JWKS] = document({"keys": [other]})
    clock.advance(0.9 * FRESH)
    assert served(server, token)
    seen.wait(KeysRefreshed, 2)
    assert reason_of(server, token) is Reason.INVALID_SIGNATURE


# --- when is fetched ---------------------------------------------------------------------------


def test_refresh_ahead(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """Between 60 and 80 % of fresh, spread over processes, and nobody waits for it."""
    token = issuer.token()
    servers = [trusting(issuer, clock, fetch=issuer.fetch, observers=[seen]) for _ in range(40)]
    for server in servers:
        assert reason_of(server, token) is None
    for part in (0.599, 0.7, 0.801):
        clock.now = NOW + part * FRESH
        for server in servers:
            assert served(server, token)
        if part < 0.6:
            assert issuer.requests[JWKS] == 40
    seen.wait(KeysRefreshed, 80)
    assert issuer.requests[JWKS] == 80
    refreshed_at = {event.at for event in seen.of(KeysRefreshed)[40:]}
    assert refreshed_at == {NOW + 0.7 * FRESH, NOW + 0.801 * FRESH}


@pytest.mark.parametrize(
    ("header", "fresh"),
    [
        (None, 600), ("", 600), ("public", 600), ("max-age=600", 600), ("max-age=86400", 600),
        ("max-age=99999999999999999999", 600), ("max-age=300", 300), ("MAX-AGE=300", 300),
        ('public, max-age="300", must-revalidate', 300), ("max-age=61", 61), ("max-age=59", 60),
        ("max-age=0", 60), ("no-store", 60), ("no-cache, max-age=300", 60), ("max-age=-5", 600),
        ("max-age=abc", 600), ("max-age=", 600), ("max-age", 600), ("s-maxage=100", 600),
        ("max-age=1.5", 600), ("max-age=\xb2", 600),
    ],
)  # fmt: skip
def test_cache_control_only_shortens(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, header: str | None, fresh: float
) -> None:
    """Fresh is min(max-age, fresh), but no less than 60 seconds, whatever the header holds."""

    async def fetch(url: str) -> Answer:
        status, headers, body = await issuer.fetch(url)
        del headers["cache-control"]
        return status, headers if header is None else {**headers, "cache-control": header}, body

    server = trusting(issuer, clock, fetch=fetch, observers=[seen])
    assert reason_of(server, issuer.token()) is None
    record = server._clients[issuer.issuer].record
    assert (record.fresh_until, record.stale_until) == (NOW + fresh, NOW + fresh + STALE)
    clock.now = NOW + 0.599 * fresh
    assert served(server, issuer.token())
    assert issuer.requests[JWKS] == 1
    clock.now = NOW + 0.801 * fresh
    assert served(server, issuer.token())
    seen.wait(KeysRefreshed, 2)


def test_cache_control_under_a_short_fresh(issuer: LocalIssuer, clock: Clock) -> None:
    """Where fresh itself is under 60 seconds, the header cannot lengthen it."""
    issuer = LocalIssuer(algorithm="ES256", clock=clock, max_age=1)
    policy = KeyPolicy(fresh=10, cooldown=1, stale=5, timeout=30)
    server = trusting(issuer, clock, fetch=issuer.fetch, policy=policy)
    assert reason_of(server, issuer.token()) is None
    states = []
    for _ in range(4):
        states.append(server.health().issuers[0].state)
        clock.advance(5)
    assert states == ["fresh", "fresh", "stale", "none"]


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [
        ("90", 90), ("0", 30), ("1", 30), ("31", 31), ("3600", 3600), ("999999999", 3600),
        ("9" * 400, 3600), (formatdate(NOW + 90, usegmt=True), 90), (formatdate(NOW - 90), 30),
        (formatdate(NOW + 10**7, usegmt=True), 3600), ("", 30), ("-5", 30), ("soon", 30),
        ("Mon, 99 Foo 99999 99:99:99 GMT", 30), ("1.5", 30), ("\xb2", 30), ("nan", 30),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_obeyed(
    wire: WireIssuer, clock: Clock, seen: Recorder, status: int, retry_after: str, wait: float
) -> None:
    """That of a 429: in seconds or as a date, never under the cooldown, never over the stale limit."""
    wait = wait if status == 429 else COOLDOWN
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes[JWKS] = answer(status=status, headers={"retry-after": retry_after})
    clock.advance(0)
    unknown = wire.issuer.broken(Reason.UNKNOWN_KEY)
    assert reason_of(server, unknown) is Reason.KEYS_UNAVAILABLE
    assert seen.wait(KeysFailed).retry_after == wait
    wire.mend()
    clock.advance(wait - 0.001)
    with pytest.raises(KeysUnavailable) as refusal:
        server.verify_sync(unknown)
    assert refusal.value.retry_after == 1
    assert served(server, wire.issuer.token())
    assert wire.fetches == (1, 2)
    clock.advance(0.002)
    assert reason_of(server, unknown) is Reason.UNKNOWN_KEY
    assert wire.fetches == (1, 3)


def test_back_off_without_keys(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """1, 2, 4, 8, 16 and then 30 seconds apart; between two attempts nothing is fetched."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    issuer.faults.set(down=True, on=["metadata"])
    attempts = []
    for second in range(150):
        clock.now = NOW + second
        before = issuer.requests.total()
        with pytest.raises(KeysUnavailable) as refusal:
            server.verify_sync(issuer.token())
        assert 1 <= refusal.value.retry_after <= COOLDOWN
        if issuer.requests.total() > before:
            attempts.append(second)
    assert attempts == [0, 1, 3, 7, 15, 31, 61, 91, 121]
    seen.wait(KeysFailed, 9)
    assert sorted(event.failures for event in seen.of(KeysFailed)) == list(range(1, 10))
    issuer.faults.clear()
    clock.advance(30)
    assert reason_of(server, issuer.token()) is None


def test_the_back_off_never_exceeds_a_short_cooldown(issuer: LocalIssuer, clock: Clock) -> None:
    """A cooldown below a second is the wait from the first failure on."""
    policy = KeyPolicy(cooldown=0.25, timeout=30)
    server = trusting(issuer, clock, fetch=issuer.fetch, policy=policy)
    issuer.faults.set(down=True)
    token = issuer.token()
    for _ in range(3):
        assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
        clock.advance(0.26)
    assert issuer.requests[METADATA] == 3


def test_an_unknown_kid_forces_one_fetch_per_cooldown(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """Then it is 401, and remembered; scheduled fetches that succeed do not count."""
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    for cooldown in range(4):
        for _ in range(5):
            unknown = wire.issuer.broken(Reason.UNKNOWN_KEY)
            assert reason_of(server, unknown) is Reason.UNKNOWN_KEY
            assert wire.fetches == (1, cooldown + 2)
            clock.advance(COOLDOWN / 5)
    clock.advance(0.9 * FRESH - COOLDOWN)
    assert served(server, wire.issuer.token())
    seen.wait(KeysRefreshed, 6)
    wire.issuer.rotate_keys()
    wire.issuer.rotate_keys()
    assert reason_of(server, wire.issuer.token()) is None
    assert wire.fetches == (1, 7)


@pytest.mark.parametrize("sync", [True, False])
def test_an_unknown_kid_right_after_a_cold_start(
    issuer: LocalIssuer, clock: Clock, *, sync: bool
) -> None:
    """The cold fetch has answered for it: no second one, for that kid, within the cooldown."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    unknown = issuer.broken(Reason.UNKNOWN_KEY)

    def outcome() -> Reason | None:
        return reason_of(server, unknown) if sync else asyncio.run(reason(server, unknown))

    for _ in range(3):
        assert outcome() is Reason.UNKNOWN_KEY
        clock.advance(9)
    assert issuer.requests[JWKS] == 1
    clock.advance(4)
    assert outcome() is Reason.UNKNOWN_KEY
    assert issuer.requests[JWKS] == 2


def test_what_is_remembered_of_unknown_kids_is_bounded(issuer: LocalIssuer, clock: Clock) -> None:
    """256 at most, the oldest goes first; forgetting one costs a fetch, never an answer."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    client = server._clients[issuer.issuer]
    flight = client.refresh_if_due()
    assert flight is not None
    flight.landed_within_patience()
    for number in range(300):
        # Each has waited for a scheduled flight that brought no such key.
        with pytest.raises(InvalidToken, match="unknown_key"):
            client.look(kid=f"kid-{number}", alg="ES256", arrived=0, after=flight)
    assert list(client._unknown) == [f"kid-{number}" for number in range(44, 300)]
    assert issuer.requests[JWKS] == 1


def test_an_unknown_kid_while_the_issuer_is_down(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """While the last attempt failed nobody can say so: 503, with the time of the next attempt."""
    server = trusting(wire.issuer, clock, observers=[seen])
    good = wire.issuer.token()
    assert reason_of(server, good) is None
    wire.routes[JWKS] = answer(status=503)
    unknown = wire.issuer.broken(Reason.UNKNOWN_KEY)
    assert reason_of(server, unknown) is Reason.KEYS_UNAVAILABLE
    clock.advance(10)
    with pytest.raises(KeysUnavailable) as refusal:
        server.verify_sync(unknown)
    assert refusal.value.retry_after == COOLDOWN - 10
    assert served(server, good)
    assert wire.fetches == (1, 2)


def test_past_the_stale_limit(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """503 then, for tokens that were cached as well; and all is well after one good fetch."""
    server = trusting(wire.issuer, clock, observers=[seen])
    token = wire.issuer.token()
    assert reason_of(server, token) is None
    wire.routes[JWKS] = answer(status=503)
    clock.now = NOW + 0.9 * FRESH
    assert served(server, token)
    seen.wait(KeysFailed)
    clock.now = NOW + FRESH + STALE - 0.001
    assert served(server, token)
    seen.wait(KeysFailed, 2)
    clock.advance(0.001)
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    assert not server.health().ready
    wire.mend()
    clock.advance(COOLDOWN)
    assert reason_of(server, token) is None
    assert served(server, token)
    assert server.health().ready


def test_a_clock_that_is_set_back(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """An age below zero is due, a wait that has not begun is over: nothing lasts a year longer."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token(claims={"iat": NOW - 10**8, "exp": NOW + 10**6})
    assert reason_of(server, token) is None
    issuer.faults.set(down=True)
    assert reason_of(server, issuer.broken(Reason.UNKNOWN_KEY)) is Reason.KEYS_UNAVAILABLE
    clock.now = NOW - 10**7
    issuer.faults.clear()
    assert served(server, token)
    assert seen.wait(KeysRefreshed, 2).at == clock.now
    assert server.health().issuers[0].state == "fresh"
    clock.advance(FRESH)
    assert server.health().issuers[0].state == "stale"


def test_a_cooldown_under_a_clock_that_is_set_back(issuer: LocalIssuer, clock: Clock) -> None:
    """A cooldown that began in the future is over: an unknown kid may force a fetch again."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    assert reason_of(server, issuer.token()) is None
    assert reason_of(server, issuer.broken(Reason.UNKNOWN_KEY)) is Reason.UNKNOWN_KEY
    issuer.rotate_keys()
    issuer.rotate_keys()
    clock.now = NOW - 5  # the keys are due then, but a flight behind would be no help to this token
    assert reason_of(server, issuer.token()) is None


def test_a_key_that_is_published_while_a_fetch_is_under_way(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """A fetch that began before the token came has not answered for it: one more follows, at once."""
    server = trusting(wire.issuer, clock, observers=[seen])
    release = threading.Event()
    old = wire.issuer.jwks()

    def late(exchange: Exchange) -> None:
        wire.held.set()
        release.wait(LONG)
        wire.routes[JWKS] = document(wire.issuer.jwks())
        document(old)(exchange)

    wire.routes[JWKS] = late
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(reason_of, server, wire.issuer.token())
        assert wire.held.wait(LONG)
        wire.issuer.rotate_keys()
        wire.issuer.rotate_keys()
        joining = server._clients[wire.url].look

        def joined(kid: str | None, alg: str, arrived: int, after: Flight | None = None) -> Any:
            found = joining(kid, alg, arrived, after)
            release.set()
            return found

        server._clients[wire.url].look = joined  # type: ignore[method-assign]
        second = pool.submit(reason_of, server, wire.issuer.token())
        assert (first.result(LONG), second.result(LONG)) == (None, None)
    assert wire.fetches == (1, 2)


def test_a_clock_that_is_set_forward(issuer: LocalIssuer, clock: Clock) -> None:
    """Past the stale limit the keys are fetched anew before anything is believed."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    assert reason_of(server, issuer.token()) is None
    clock.advance(10**6)
    assert reason_of(server, issuer.token()) is None
    assert issuer.requests[JWKS] == 2


def test_static_keys_are_never_fetched(issuer: LocalIssuer, clock: Clock) -> None:
    """Nor do they age; an unknown kid is 401 at once."""

    async def fetch(url: str) -> Answer:
        raise AssertionError(url)

    trusted = TrustedIssuer(issuer.issuer, jwks=issuer.jwks())
    server = ResourceServer(
        audience=issuer.audience, issuers=[trusted], clock=clock, fetch=fetch
    )  # fmt: skip
    for _ in range(3):
        assert served(server, issuer.token())
        assert server.health().issuers[0].state == "fresh"
        clock.advance(10**7)
    assert asyncio.run(server.warm_up()).ready
    unknown = issuer.broken(Reason.UNKNOWN_KEY)
    assert reason_of(server, unknown) is Reason.UNKNOWN_KEY


# --- one flight, whoever waits -----------------------------------------------------------------


def test_many_loops_and_threads_at_once(wire: WireIssuer, clock: Clock) -> None:
    """Twenty event loops and twenty sync callers, cold: one metadata fetch and one key fetch."""
    server = trusting(wire.issuer, clock)
    tokens = [wire.issuer.token() for _ in range(10)]
    ready = threading.Barrier(40)

    def on_a_loop() -> list[Reason | None]:
        async def ask() -> list[Reason | None]:
            return await asyncio.gather(*(reason(server, token) for token in tokens))

        ready.wait(LONG)
        return asyncio.run(ask())

    def in_a_thread() -> list[Reason | None]:
        ready.wait(LONG)
        return [reason_of(server, token) for token in tokens]

    with ThreadPoolExecutor(40) as pool:
        asked = [pool.submit(call) for call in [on_a_loop, in_a_thread] * 20]
        assert all(outcome is None for call in asked for outcome in call.result(LONG))
    assert wire.fetches == (1, 1)


@pytest.mark.parametrize("wait", range(1, 6))
def test_a_request_cancelled_at_its_nth_wait(
    wire: WireIssuer, clock: Clock, seen: Recorder, wait: int
) -> None:
    """A client that leaves, wherever, takes neither the flight nor the others along."""
    wire.routes[JWKS] = hold
    server = trusting(wire.issuer, clock, observers=[seen])
    token = wire.issuer.token()

    async def requests() -> None:
        saboteur = Sabotage(server.verify(token), wait)

        async def leader() -> None:
            await saboteur

        first = asyncio.create_task(leader())
        await asyncio.sleep(0)
        followers = [asyncio.create_task(reason(server, token)) for _ in range(5)]
        await asyncio.to_thread(wire.held.wait, LONG)
        wire.routes[JWKS] = document(wire.issuer.jwks())
        wire.let_go.set()
        await asyncio.wait([first], timeout=LONG)
        assert first.cancelled() == saboteur.fired
        if not saboteur.fired:
            with pytest.raises(KeysUnavailable):
                first.result()
        # The held answer broke off: the flight failed, for all of them alike, and once.
        assert await asyncio.gather(*followers) == [Reason.KEYS_UNAVAILABLE] * 5
        assert asyncio.all_tasks() == {asyncio.current_task()}
        clock.advance(1)
        assert await reason(server, token) is None

    asyncio.run(requests())
    eventually(lambda: not flying())
    assert len(seen.of(KeysFailed)) == 1
    assert wire.fetches == (1, 2)


def test_a_cancelled_leader(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """The one whose request started the fetch leaves; the others get what it brings."""
    release = threading.Event()

    def late(exchange: Exchange) -> None:
        wire.held.set()
        release.wait(LONG)
        document(wire.issuer.jwks())(exchange)

    wire.routes[JWKS] = late
    server = trusting(wire.issuer, clock, observers=[seen])

    async def requests() -> None:
        leader = asyncio.create_task(server.verify(wire.issuer.token()))
        await asyncio.to_thread(wire.held.wait, LONG)
        followers = [asyncio.create_task(reason(server, wire.issuer.token())) for _ in range(20)]
        await asyncio.sleep(0)
        leader.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leader
        release.set()
        assert await asyncio.gather(*followers) == [None] * 20

    asyncio.run(requests())
    assert wire.fetches == (1, 1)


def test_the_leaders_loop_ends(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """The event loop that started the fetch closes with the waiter inside; another gets the keys."""
    release = threading.Event()

    def late(exchange: Exchange) -> None:
        wire.held.set()
        release.wait(LONG)
        document(wire.issuer.jwks())(exchange)

    wire.routes[JWKS] = late
    server = trusting(wire.issuer, clock, observers=[seen])

    async def leave() -> None:
        waiter = asyncio.create_task(server.verify(wire.issuer.token()))
        await asyncio.to_thread(wire.held.wait, LONG)
        assert not waiter.done()

    asyncio.run(leave())
    with ThreadPoolExecutor(1) as pool:
        other = pool.submit(reason_of, server, wire.issuer.token())
        release.set()
        assert other.result(LONG) is None
    assert wire.fetches == (1, 1)


def test_a_loop_per_request(wire: WireIssuer, clock: Clock) -> None:
    """Starlette's test client makes an event loop for each request, cold ones at once included."""

    async def home(request: Request) -> PlainTextResponse:
        return PlainTextResponse(request.user.kind)

    server = trusting(wire.issuer, clock)
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    client = TestClient(Starlette(routes=[Route("/", home)], middleware=[guard]))
    ready = threading.Barrier(8)

    def ask(number: int) -> tuple[int, str]:
        ready.wait(LONG)
        response = client.get("/", headers=wire.issuer.headers())
        return response.status_code, response.text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [(200, "user")] * 8
    for _ in range(5):
        assert client.get("/", headers=wire.issuer.headers()).status_code == 200
    assert wire.fetches == (1, 1)


def test_several_issuers_do_not_wait_for_each_other(clock: Clock) -> None:
    """One that hangs costs the tokens of the other nothing, cold or warm."""
    with WireIssuer(clock) as good, WireIssuer(clock) as bad:
        bad.routes[METADATA] = hold
        server = ResourceServer(
            audience=good.issuer.audience, clock=clock,
            issuers=[TrustedIssuer(each.url, key_policy=PATIENT) for each in (good, bad)],
        )  # fmt: skip

        async def requests() -> None:
            stuck = asyncio.create_task(reason(server, bad.issuer.token()))
            await asyncio.to_thread(bad.held.wait, LONG)
            assert await reason(server, good.issuer.token()) is None
            assert not stuck.done()
            bad.let_go.set()
            assert await stuck is Reason.KEYS_UNAVAILABLE

        asyncio.run(requests())


# --- what a user's own fetch may do -------------------------------------------------------------


class OwnError(Exception):
    """An exception of the user's own."""


class OwnBaseError(BaseException):
    """One that no `except Exception` catches."""


_ORDINARY = [
    ValueError("MARKER"), OSError(5, "MARKER"), TimeoutError(), RecursionError(), MemoryError(),
    StopAsyncIteration(), KeyError("MARKER"), OwnError("MARKER"), FetchFailed("said so"),
    ExceptionGroup("MARKER", [ValueError()]), UnicodeDecodeError("utf-8", b"MARKER", 0, 1, "no"),
]  # fmt: skip
_EXTRAORDINARY = [
    asyncio.CancelledError(), OwnBaseError("MARKER"), SystemExit(3), GeneratorExit(),
    BaseExceptionGroup("MARKER", [OwnBaseError()]), KeyboardInterrupt(),
]  # fmt: skip


@pytest.mark.parametrize("error", _ORDINARY, ids=lambda error: type(error).__name__)
def test_a_fetch_that_raises(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, error: Exception
) -> None:
    """Whatever it is: 503, its text is nowhere, and the next good fetch is believed."""
    broken = [True]

    async def fetch(url: str) -> Answer:
        if broken[0]:
            raise error
        return await issuer.fetch(url)

    server = trusting(issuer, clock, fetch=fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    assert asyncio.run(reason(server, token)) is Reason.KEYS_UNAVAILABLE
    assert "MARKER" not in seen.wait(KeysFailed).cause
    broken[0] = False
    clock.advance(1)
    assert reason_of(server, token) is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", _EXTRAORDINARY, ids=lambda error: type(error).__name__)
def test_a_fetch_that_raises_what_is_no_exception(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, error: BaseException
) -> None:
    """A fetch's thread is its own: there is nobody else to hand its CancelledError to."""

    async def fetch(url: str) -> Answer:
        raise error

    server = trusting(issuer, clock, fetch=fetch, observers=[seen], policy=KeyPolicy(timeout=0.2))
    assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    assert [event.failures for event in seen.of(KeysFailed)] == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("error", _EXTRAORDINARY, ids=lambda error: type(error).__name__)
def test_a_fetch_recovers_from_what_is_no_exception(
    issuer: LocalIssuer, clock: Clock, error: BaseException
) -> None:
    """A later attempt is made, and believed."""
    broken = [True]

    async def fetch(url: str) -> Answer:
        if broken[0]:
            raise error
        return await issuer.fetch(url)

    server = trusting(issuer, clock, fetch=fetch, policy=KeyPolicy(timeout=0.3))
    token = issuer.token()
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    broken[0] = False
    eventually(lambda: _accepted_at_last(server, token, clock))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_nobody_spins(issuer: LocalIssuer, clock: Clock) -> None:
    """A flight that ended badly is waited for once, not a hundred thousand times."""
    looks = Clock(NOW, tick=1e-6)

    async def fetch(url: str) -> Answer:
        raise OwnBaseError

    server = trusting(issuer, looks, fetch=fetch, policy=KeyPolicy(timeout=0.2))
    for _ in range(2):
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    assert looks.now < NOW + 100e-6


@pytest.mark.parametrize(
    "result",
    [None, 200, (), (200, {}), (200, None, b""), (200, {}, None), ("200", {}, b""), (200, {}, "{}"),
     (200, [], b"{}"), (200, {}, b"{}", 1)],
    ids=repr,
)  # fmt: skip
def test_a_fetch_that_returns_nonsense(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, result: Any
) -> None:
    """A fetcher that does not keep its contract is a failed fetch, not a 500."""
    broken = [True]

    async def fetch(url: str) -> Answer:
        if broken[0]:
            nonsense: Answer = result
            return nonsense
        return await issuer.fetch(url)

    policy = KeyPolicy(timeout=1)
    server = trusting(issuer, clock, fetch=fetch, observers=[seen], policy=policy)
    assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    assert seen.of(KeysFailed)
    broken[0] = False
    clock.advance(1)
    assert reason_of(server, issuer.token()) is None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("retry_after", [7, None, b"7"], ids=repr)
def test_a_fetch_that_returns_a_header_of_another_type(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, retry_after: Any
) -> None:
    """It is a failed fetch like any other."""

    async def fetch(url: str) -> Answer:
        return 503, {"retry-after": retry_after}, b""

    server = trusting(issuer, clock, fetch=fetch, observers=[seen], policy=KeyPolicy(timeout=0.2))
    assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    assert [event.failures for event in seen.of(KeysFailed)] == [1]


def test_a_fetch_that_fails_at_its_nth_wait(
    issuer: LocalIssuer, clock: Clock, seen: Recorder
) -> None:
    """Wherever it fails, with keys in hand: the app goes on, and no thread or lock is left."""

    async def steps(url: str) -> Answer:
        for _ in range(3):
            await asyncio.sleep(0)
        fetched = await issuer.fetch(url)
        for _ in range(3):
            await asyncio.sleep(0)
        return fetched

    saboteurs: list[Sabotage] = []
    fail_at = [0]

    async def fetch(url: str) -> Answer:
        saboteur = Sabotage(steps(url), fail_at[0], OSError("sabotage"))
        saboteurs.append(saboteur)
        fetched: Answer = await saboteur
        return fetched

    server = trusting(issuer, clock, fetch=fetch, observers=[seen])
    token = issuer.token(lifetime=10**6)
    assert reason_of(server, token) is None
    for wait in range(1, 8):
        clock.advance(0.9 * FRESH)
        fail_at[0] = wait
        assert served(server, token)
        seen.wait_for_landings(wait + 1)
        assert saboteurs[-1].fired == (wait < 7)
        assert served(server, issuer.token())
    assert len(seen.of(KeysFailed)) == 6
    assert server.health().issuers[0].failures == 0


def test_a_fetch_that_swallows_its_cancellation(
    issuer: LocalIssuer, clock: Clock, seen: Recorder
) -> None:
    """It comes back late and is still in time for the record: no key is lost by it."""
    release = threading.Event()

    async def fetch(url: str) -> Answer:
        if not release.is_set():
            try:
                await asyncio.sleep(LONG)
            except asyncio.CancelledError:
                release.set()
        return await issuer.fetch(url)

    server = trusting(issuer, clock, fetch=fetch, observers=[seen], policy=KeyPolicy(timeout=0.1))
    assert reason_of(server, issuer.token()) in {None, Reason.KEYS_UNAVAILABLE}
    assert release.wait(LONG)
    eventually(lambda: _accepted_at_last(server, issuer.token(), clock))
    assert not asyncio.run(server.warm_up()).issuers[0].failures


class Stuck:
    """A fetch that blocks its thread, and with it its event loop, until it is released."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self.issuer = issuer
        self.blocking = True
        self.entered = 0
        self.release = threading.Event()

    async def __call__(self, url: str) -> Answer:
        self.entered += 1
        if self.blocking:
            self.release.wait(LONG)
            raise ConnectionError
        return await self.issuer.fetch(url)


@pytest.fixture
def stuck(issuer: LocalIssuer) -> Iterator[Stuck]:
    fetch = Stuck(issuer)
    yield fetch
    fetch.release.set()


def test_a_flight_that_is_lost(
    issuer: LocalIssuer, stuck: Stuck, clock: Clock, seen: Recorder
) -> None:
    """A thread that is stuck, or was killed by a fork: bounded waiting, then another attempt."""
    clock.tick = 1e-3
    server = trusting(issuer, clock, fetch=stuck, observers=[seen], policy=KeyPolicy(timeout=0.2))
    token = issuer.token()

    async def ask() -> list[Reason | None]:
        async with asyncio.timeout(LONG):
            return await asyncio.gather(*(reason(server, token) for _ in range(20)))

    with ThreadPoolExecutor(5) as pool:
        others = [pool.submit(reason_of, server, token) for _ in range(5)]
        assert asyncio.run(ask()) == [Reason.KEYS_UNAVAILABLE] * 20
        assert [other.result(LONG) for other in others] == [Reason.KEYS_UNAVAILABLE] * 5
    stuck.blocking = False
    eventually(lambda: _accepted_at_last(server, token, clock))
    stuck.release.set()
    # What the lost ones bring when they wake is not looked at.
    eventually(lambda: not flying())
    assert server.health().issuers[0].failures == 0
    assert reason_of(server, token) is None


def _accepted_at_last(server: ResourceServer, token: str, clock: Clock) -> bool:
    clock.advance(COOLDOWN)
    return reason_of(server, token) is None


def test_what_a_lost_flight_brings_is_not_looked_at(
    issuer: LocalIssuer, clock: Clock, seen: Recorder
) -> None:
    """A thread that wakes an hour later has an old key set in its hands."""
    old = asyncio.run(issuer.fetch(issuer.jwks_uri))
    first = issuer.token()
    release = threading.Event()
    entered: list[str] = []

    async def fetch(url: str) -> Answer:
        entered.append(url)
        if len(entered) == 1:
            release.wait(LONG)  # blocks its event loop, deadline and all
            return old
        return await issuer.fetch(url)

    server = trusting(
        issuer, clock, fetch=fetch, observers=[seen], policy=KeyPolicy(timeout=0.2),
        jwks_uri=issuer.jwks_uri,
    )  # fmt: skip
    assert reason_of(server, first) is Reason.KEYS_UNAVAILABLE
    issuer.rotate_keys()
    issuer.withdraw()
    eventually(lambda: _accepted_at_last(server, issuer.token(), clock))
    seen.wait(KeysRefreshed)
    release.set()
    eventually(lambda: not flying())
    assert len(seen.of(KeysRefreshed)) == 1
    clock.advance(COOLDOWN)
    assert reason_of(server, first) is Reason.UNKNOWN_KEY


def test_lost_flights_are_a_cooldown_apart(
    issuer: LocalIssuer, stuck: Stuck, clock: Clock, seen: Recorder
) -> None:
    """With keys in hand a fetch that blocks for ever costs one thread per cooldown, no more."""
    stuck.blocking = False
    server = trusting(issuer, clock, fetch=stuck, observers=[seen], policy=KeyPolicy(timeout=0.1))
    token = issuer.token()
    eventually(lambda: _accepted_at_last(server, token, clock))
    stuck.entered, stuck.blocking = 0, True
    clock.advance(0.9 * FRESH)
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert served(server, token)
        time.sleep(0.02)
    assert stuck.entered == 1


def test_a_lost_flight_is_reported(
    issuer: LocalIssuer, stuck: Stuck, clock: Clock, seen: Recorder
) -> None:
    """It is a failed fetch like any other: an event for the observers, an error in the log."""
    server = trusting(issuer, clock, fetch=stuck, observers=[seen], policy=KeyPolicy(timeout=0.1))
    for _ in range(2):
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
        clock.advance(COOLDOWN)
    assert seen.of(KeysFailed)


@contextmanager
def _no_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "atjwt-keys":
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        yield


def test_no_thread_can_be_started(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As good as an issuer that cannot be reached: 503 cold, served warm, and it passes."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    with _no_threads(monkeypatch):
        assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
        assert asyncio.run(reason(server, token)) is Reason.KEYS_UNAVAILABLE
        assert not asyncio.run(server.warm_up()).ready
    clock.advance(1)
    assert reason_of(server, token) is None
    clock.advance(0.9 * FRESH)
    with _no_threads(monkeypatch):
        assert served(server, token)
        assert served(server, issuer.token())
    clock.advance(COOLDOWN)
    assert served(server, token)
    seen.wait(KeysRefreshed, 2)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore:coroutine .* was never awaited:RuntimeWarning")
def test_no_event_loop_can_be_made(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is out of file descriptors: a failed fetch, reported, and it passes."""

    def refuse() -> asyncio.AbstractEventLoop:
        raise OSError(24, "Too many open files")

    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.events, "new_event_loop", refuse)
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
        eventually(lambda: not flying())
    assert seen.wait(KeysFailed).failures == 1
    clock.advance(1)
    assert reason_of(server, issuer.token()) is None
    gc.collect()


def test_a_thread_that_does_not_start_is_reported(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a failed fetch like any other: an event for the observers, an error in the log."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    with _no_threads(monkeypatch):
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert [event.failures for event in seen.of(KeysFailed)] == [1]


def test_a_flight_that_lands_while_a_hit_waits_for_the_lock(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """A refresh that has just been made is not made again."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.token()
    assert reason_of(server, token) is None
    client = server._clients[issuer.issuer]
    clock.advance(0.9 * FRESH)
    entered, landed = threading.Event(), threading.Event()

    class SlowLock:
        """The client's lock, at a moment when a landing flight is just before us."""

        def __enter__(self) -> None:
            entered.set()
            landed.wait(LONG)

        def __exit__(self, *error: object) -> None:
            return

    lock = client._lock
    client._lock = SlowLock()  # type: ignore[assignment]
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(reason_of, server, token)
        assert entered.wait(LONG)
        keys = client.record.keys
        assert keys is not None
        client.record = refreshed(
            client.record, keys, PATIENT, clock(), max_age=None, spread=0.7, forced=False
        )
        landed.set()
        assert late.result(LONG) is None
    client._lock = lock
    eventually(lambda: not flying())
    assert issuer.requests[JWKS] == 1


def test_a_flight_that_lands_between_the_clock_and_the_record(
    issuer: LocalIssuer, clock: Clock, seen: Recorder
) -> None:
    """Keys that were fetched a moment after the clock was read are new, and not due."""
    release = threading.Event()

    async def fetch(url: str) -> Answer:
        await asyncio.to_thread(release.wait, LONG)
        return await issuer.fetch(url)

    slow_reader: list[threading.Thread] = []

    def interrupted() -> float:
        now = clock()
        if threading.current_thread() in slow_reader:
            slow_reader.clear()
            clock.advance(0.001)
            release.set()
            seen.wait(KeysRefreshed)
        return now

    server = trusting(issuer, interrupted, fetch=fetch, observers=[seen])
    token = issuer.token()
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(reason_of, server, token)
        eventually(flying)
        slow_reader.append(threading.current_thread())
        assert reason_of(server, token) is None
        assert first.result(LONG) is None
    eventually(lambda: not flying())
    assert issuer.requests[JWKS] == 1


# --- the issuer as it runs ----------------------------------------------------------------------


@contextmanager
def _under_uvicorn(clock: Clock) -> Iterator[LocalIssuer]:
    listener = socket.create_server(("127.0.0.1", 0))
    issuer = LocalIssuer(
        issuer=f"http://127.0.0.1:{listener.getsockname()[1]}/", algorithm="ES256", clock=clock
    )
    config = uvicorn.Config(
        issuer.app, log_level="critical", access_log=False, lifespan="off", ws="none",
        timeout_graceful_shutdown=1,
    )  # fmt: skip
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, name="uvicorn")
    thread.start()
    try:
        eventually(lambda: running.started)
        yield issuer
    finally:
        issuer.faults.clear()
        running.should_exit = True
        thread.join(LONG)
        listener.close()


def test_a_real_issuer(clock: Clock, seen: Recorder) -> None:
    """The local issuer under uvicorn, fault after fault, costs no request while keys are in hand."""
    faults: list[dict[str, Any]] = [
        {"down": True}, {"down": True, "status": 429, "retry_after": 40}, {"garbage": True},
        {"empty": True}, {"huge": True}, {"redirect": True},
    ]  # fmt: skip
    with _under_uvicorn(clock) as issuer:
        server = trusting(issuer, clock, observers=[seen])
        issuer.faults.set(lying=True, on=["metadata"])
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
        issuer.faults.clear()
        clock.advance(1)
        known = issuer.token()
        assert reason_of(server, known) is None
        for count, fault in enumerate(faults, 2):
            clock.advance(550 if count == 2 else COOLDOWN + 10)
            issuer.faults.set(**fault)
            assert served(server, known)
            assert seen.wait(KeysFailed, count).failures == count - 1
            assert served(server, issuer.token())
        issuer.faults.clear()
        clock.advance(COOLDOWN)
        assert served(server, known)
        assert seen.wait(KeysRefreshed, 2).keys == 2
        issuer.rotate_keys()
        issuer.rotate_keys()
        assert reason_of(server, issuer.token()) is None
        assert all(
            accepted.principal.issuer == issuer.issuer for accepted in seen.of(TokenAccepted)
        )
        assert issuer.requests == {METADATA: 2, JWKS: 9}


def test_the_cap_is_the_policys(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """`max_bytes` bounds what is read, by whichever fetcher."""
    size = len(json.dumps(wire.issuer.jwks()).encode())
    for fetch in (None, HttpFetcher()):
        for cap, outcome in [(size, None), (size - 1, Reason.KEYS_UNAVAILABLE)]:
            policy = KeyPolicy(timeout=30, max_bytes=cap)
            server = trusting(
                wire.issuer, clock, policy=policy, fetch=fetch, jwks_uri=wire.issuer.jwks_uri
            )
            assert reason_of(server, wire.issuer.token()) is outcome


def test_an_answer_in_chunks_and_many_keys(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """A set of more than a thousand keys is read up to the thousandth."""
    key = wire.issuer.jwks()["keys"]
    more = [{**key[1], "kid": f"kid-{number}"} for number in range(1200)]
    body = json.dumps({"keys": [key[0], *more]}).encode()
    wire.routes[JWKS] = chunked([body[start : start + 1000] for start in range(0, len(body), 1000)])
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    event = seen.wait(KeysRefreshed)
    assert (event.keys, event.skipped) == (1000, ("201 keys past the first 1000",))
