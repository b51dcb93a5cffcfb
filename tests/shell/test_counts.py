"""What trouble costs, counted: fetches, refusals and waiting (rows e to h of the numbers to reach).

The clock stands still unless a test moves it, so that each count has one right value.

Waiting is not timed. A good token is served by one step of its coroutine, or it has waited.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable
from typing import Any

import pytest

from atjwt import AuthError, KeyPolicy, Reason, ResourceServer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import KeysFailed, KeysRefreshed
from atjwt.testing import LocalIssuer
from shell.wire import (
    JWKS,
    LONG,
    NOW,
    Clock,
    Recorder,
    Reply,
    WireIssuer,
    answer,
    eventually,
    flying,
    hold,
    raw,
    reason,
    reason_of,
    reset,
    served,
    trusting,
)

MANY = 1_000
FRESH, STALE, COOLDOWN = 600, 3_600, 30


async def _app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def _ask(app: AccessTokenMiddleware, token: str) -> int:
    """One request, as a server would hand it in; its status."""
    scope = {
        "type": "http", "method": "GET", "path": "/", "root_path": "",
        "headers": [(b"authorization", b"Bearer " + token.encode())],
    }  # fmt: skip
    statuses: list[int] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await app(scope, receive, send)
    (status,) = statuses
    return status


def _unknown(issuer: LocalIssuer, count: int) -> list[str]:
    return [issuer.broken(Reason.UNKNOWN_KEY) for _ in range(count)]


# --- e: a cold start ---------------------------------------------------------------------------------


def test_a_thousand_requests_at_once_cold(wire: WireIssuer, clock: Clock) -> None:
    """One metadata fetch, one key fetch, and every one of them is served."""
    app = AccessTokenMiddleware(_app, resource_server=trusting(wire.issuer, clock))
    tokens = [wire.issuer.token() for _ in range(MANY)]

    async def burst() -> Counter[int]:
        return Counter(await asyncio.gather(*(_ask(app, token) for token in tokens)))

    assert asyncio.run(burst()) == {204: MANY}
    assert wire.fetches == (1, 1)


def test_a_cold_start_with_strangers_among_them(wire: WireIssuer, clock: Clock) -> None:
    """Five hundred unknown kids in the burst cost one forced fetch, and no good token anything."""
    app = AccessTokenMiddleware(_app, resource_server=trusting(wire.issuer, clock))
    good = [wire.issuer.token() for _ in range(MANY // 2)]
    bad = _unknown(wire.issuer, MANY // 2)

    async def burst(order: Iterable[str]) -> dict[str, int]:
        asked = list(order)
        statuses = await asyncio.gather(*(_ask(app, token) for token in asked))
        return dict(zip(asked, statuses, strict=True))

    mixed = [token for pair in zip(good, bad, strict=True) for token in pair]
    answers = asyncio.run(burst(mixed))
    assert {answers[token] for token in good} == {204}
    assert {answers[token] for token in bad} == {401}
    assert wire.fetches[0] == 1
    assert wire.fetches[1] <= 2


def test_a_thousand_requests_at_once_while_the_issuer_is_down(
    wire: WireIssuer, clock: Clock
) -> None:
    """One attempt, 503 for all of them, and all is well a second later."""
    app = AccessTokenMiddleware(_app, resource_server=trusting(wire.issuer, clock))
    tokens = [wire.issuer.token() for _ in range(MANY)]
    wire.routes[JWKS] = answer(status=503)

    async def burst() -> Counter[int]:
        return Counter(await asyncio.gather(*(_ask(app, token) for token in tokens)))

    assert asyncio.run(burst()) == {503: MANY}
    assert wire.fetches == (1, 1)
    wire.mend()
    clock.advance(1)
    assert asyncio.run(burst()) == {204: MANY}
    assert wire.fetches == (1, 2)


# --- f: a flood of unknown kids ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (None, Reason.UNKNOWN_KEY),
        (answer(status=503), Reason.KEYS_UNAVAILABLE),
        (reset, Reason.KEYS_UNAVAILABLE),
    ],
    ids=["well", "503", "reset"],
)
def test_a_thousand_unknown_kids(
    wire: WireIssuer, clock: Clock, reply: Reply | None, outcome: Reason
) -> None:
    """One fetch per cooldown, whatever it brings; good tokens never wait."""
    server = trusting(wire.issuer, clock)
    good = wire.issuer.token(lifetime=10**6)
    assert reason_of(server, good) is None
    if reply is not None:
        wire.routes[JWKS] = reply

    async def flood() -> Counter[Reason | None]:
        asked = [reason(server, token) for token in _unknown(wire.issuer, MANY // 4)]
        flooding = asyncio.gather(*asked)
        while not flooding.done():
            assert served(server, good)
            assert served(server, wire.issuer.token())
            await asyncio.sleep(0)
        return Counter(await flooding)

    for cooldown in range(4):
        assert asyncio.run(flood()) == {outcome: MANY // 4}
        assert wire.fetches == (1, 2 + cooldown)
        clock.now = NOW + (cooldown + 1) * (COOLDOWN + 1)


def test_a_thousand_unknown_kids_while_the_issuer_hangs(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """They wait together for one fetch; good tokens are served meanwhile without waiting at all."""
    server = trusting(wire.issuer, clock, observers=[seen])
    good = wire.issuer.token()
    assert reason_of(server, good) is None
    wire.routes[JWKS] = hold
    unknown = _unknown(wire.issuer, MANY)

    async def flood() -> Counter[Reason | None]:
        flooding = [asyncio.create_task(reason(server, token)) for token in unknown]
        await asyncio.to_thread(wire.held.wait, LONG)
        for _ in range(100):
            assert served(server, good)
            assert served(server, wire.issuer.token())
            await asyncio.sleep(0)
        assert not any(task.done() for task in flooding)
        assert not seen.of(KeysFailed)
        wire.let_go.set()
        return Counter(await asyncio.gather(*flooding))

    assert asyncio.run(flood()) == {Reason.KEYS_UNAVAILABLE: MANY}
    assert wire.fetches == (1, 2)
    assert seen.wait(KeysFailed).failures == 1
    eventually(lambda: not flying())
    assert len(seen.of(KeysFailed)) == 1


def test_a_flood_in_threads(wire: WireIssuer, clock: Clock) -> None:
    """Sync callers on many threads share the one fetch as well."""
    from concurrent.futures import ThreadPoolExecutor

    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    with ThreadPoolExecutor(20) as pool:
        outcomes = pool.map(
            lambda token: reason_of(server, token), _unknown(wire.issuer, MANY // 4)
        )
        assert set(outcomes) == {Reason.UNKNOWN_KEY}
    assert wire.fetches == (1, 2)


def test_an_hour_of_flood(issuer: LocalIssuer, clock: Clock) -> None:
    """An unknown kid every second for an hour: one forced fetch per cooldown, and the scheduled ones."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    good = issuer.token()
    assert reason_of(server, good) is None
    for second in range(1, 3_601):
        clock.now = NOW + second
        assert reason_of(server, issuer.broken(Reason.UNKNOWN_KEY)) is Reason.UNKNOWN_KEY
        assert served(server, good)
    assert issuer.requests[JWKS] <= 1 + 3_600 / COOLDOWN + 3_600 / (0.6 * FRESH)


# --- g: an outage ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [answer(status=503), answer(b"<html>"), reset, raw(b""), hold],
    ids=["503", "HTML", "reset", "closed", "hang"],
)
def test_an_outage_within_the_stale_limit(
    wire: WireIssuer, clock: Clock, seen: Recorder, reply: Reply
) -> None:
    """To its last second no good token is refused or waits, new or remembered."""
    server = trusting(wire.issuer, clock, observers=[seen])
    known = wire.issuer.token()
    assert reason_of(server, known) is None
    wire.routes[JWKS] = reply
    for second in range(0, FRESH + STALE, 7):
        clock.now = NOW + second
        assert served(server, known)
        assert served(server, wire.issuer.token())
        assert server.health().ready
        if reply is not hold:
            eventually(lambda: not flying())
    clock.now = NOW + FRESH + STALE - 0.001
    assert served(server, known)
    if reply is hold:
        assert wire.fetches == (1, 2)
    else:
        assert wire.fetches[1] >= (STALE + 0.2 * FRESH) / (COOLDOWN + 7)
        assert wire.fetches[1] <= 2 + (STALE + 0.4 * FRESH) / COOLDOWN
    wire.mend()  # what hung ends


def test_an_issuer_that_is_gone(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Nobody listens any more: the same; and past the limit it is 503, for all alike."""
    server = trusting(wire.issuer, clock, observers=[seen])
    known = wire.issuer.token()
    assert reason_of(server, known) is None
    wire.close()
    for second in range(0, FRESH + STALE, 60):
        clock.now = NOW + second
        assert served(server, known)
        assert served(server, wire.issuer.token())
    clock.now = NOW + FRESH + STALE
    assert reason_of(server, known) is Reason.KEYS_UNAVAILABLE
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert "Connect" in seen.wait(KeysFailed).cause


def test_an_outage_that_ends(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Within one cooldown the keys are fresh again, and nobody has noticed."""
    server = trusting(wire.issuer, clock, observers=[seen])
    known = wire.issuer.token()
    assert reason_of(server, known) is None
    wire.routes[JWKS] = answer(status=503)
    clock.advance(0.9 * FRESH)
    assert served(server, known)
    seen.wait(KeysFailed)
    clock.advance(3_000)
    assert served(server, known)
    seen.wait(KeysFailed, 2)
    wire.mend()
    clock.advance(COOLDOWN)
    assert served(server, known)
    seen.wait(KeysRefreshed, 2)
    assert server.health().issuers[0].state == "fresh"


# --- h: a rotated key --------------------------------------------------------------------------------


def _rotate_out_of_sight(issuer: LocalIssuer) -> str:
    """Signs with a key that no verifier has seen: the next one was published, the one after not."""
    issuer.rotate_keys()
    issuer.rotate_keys()
    return issuer.token()


def test_a_rotated_key_when_calm(wire: WireIssuer, clock: Clock) -> None:
    """Its first token is accepted at once, for one fetch."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    for rotation in range(1, 4):
        clock.advance(COOLDOWN)
        assert reason_of(server, _rotate_out_of_sight(wire.issuer)) is None
        assert wire.fetches == (1, 1 + rotation)


@pytest.mark.parametrize("second", [0, 1, 15, 29])
def test_a_rotated_key_under_attack(wire: WireIssuer, clock: Clock, second: int) -> None:
    """Within one cooldown, with strangers asking all the time; what it was before is still served."""
    server = trusting(wire.issuer, clock)
    old = wire.issuer.token()
    assert reason_of(server, old) is None
    clock.advance(100)
    assert reason_of(server, _unknown(wire.issuer, 1)[0]) is Reason.UNKNOWN_KEY
    clock.advance(second)
    new = _rotate_out_of_sight(wire.issuer)
    waited = 0
    while reason_of(server, new) is not None:
        for token in _unknown(wire.issuer, 3):
            assert reason_of(server, token) is Reason.UNKNOWN_KEY
        assert served(server, old)
        clock.advance(1)
        waited += 1
    assert waited == (COOLDOWN - second) % COOLDOWN or second == 0
    assert waited <= COOLDOWN
    assert wire.fetches == (1, 3)


def test_a_rotated_key_that_strangers_find_first(wire: WireIssuer, clock: Clock) -> None:
    """A forced fetch that strangers cause brings it for everybody."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    new = _rotate_out_of_sight(wire.issuer)
    assert reason_of(server, _unknown(wire.issuer, 1)[0]) is Reason.UNKNOWN_KEY
    assert served(server, new)
    assert wire.fetches == (1, 2)


def test_a_rotated_key_during_an_outage(wire: WireIssuer, clock: Clock) -> None:
    """503 and never 401 while nobody can say; accepted within one cooldown after it."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes[JWKS] = answer(status=503)
    new = _rotate_out_of_sight(wire.issuer)
    for _ in range(10):
        with pytest.raises(AuthError, match="keys_unavailable"):
            server.verify_sync(new)
        clock.advance(9)
    wire.mend()
    clock.advance(COOLDOWN)
    assert reason_of(server, new) is None


def test_short_times_are_counted_alike(issuer: LocalIssuer, clock: Clock) -> None:
    """Floats well below a second are as good as minutes."""
    policy = KeyPolicy(fresh=0.2, stale=0.5, cooldown=0.1, timeout=30)
    server: ResourceServer = trusting(issuer, clock, fetch=issuer.fetch, policy=policy)
    assert reason_of(server, issuer.token()) is None
    for fetches in range(2, 6):
        assert reason_of(server, _unknown(issuer, 1)[0]) is Reason.UNKNOWN_KEY
        assert reason_of(server, _unknown(issuer, 1)[0]) is Reason.UNKNOWN_KEY
        assert issuer.requests[JWKS] == fetches
        clock.advance(0.1001)
