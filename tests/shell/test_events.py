"""What is told of what happened: events and log lines, complete, once, and free of anything secret."""

import asyncio
import json
import logging
import re
from collections.abc import Callable
from dataclasses import FrozenInstanceError
from hashlib import sha256
from typing import Any

import pytest

import atjwt.events
import atjwt.reporter
import atjwt.resource_server
from atjwt import AuthError, KeyPolicy, Reason, has_permission, has_scope
from atjwt.errors import MissingToken
from atjwt.events import (
    AccessDenied,
    Event,
    KeysFailed,
    KeysRefreshed,
    TokenAccepted,
    TokenRefused,
)
from atjwt.issuer.broken import NOT_BY_A_TOKEN
from atjwt.testing import LocalIssuer
from shell.wire import NOW, Clock, Recorder, eventually, flying, reason_of, served, trusting

MARKER = "M4rk3r"


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, logger="atjwt")
    return caplog


def mark_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()[:16]


def lines(log: pytest.LogCaptureFixture, level: int) -> list[str]:
    return [record.getMessage() for record in log.records if record.levelno == level]


def test_an_accepted_token(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """One event with the principal, by its fingerprint; no line in the log."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    who = server.verify_sync(token)
    (event,) = seen.of(TokenAccepted)
    assert event == TokenAccepted(
        at=NOW, principal=who, fingerprint=mark_of(token), remembered=False, notes=()
    )
    assert log.records == []


def test_an_unusual_token(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """What is odd about it is noted in the event and in one line, the first time."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token(claims={"gty": "x", "iat": NOW + 60})
    for _ in range(2):
        server.verify_sync(token)
    notes = ("iat lies ahead: a clock is off", "mixed: gty")
    assert [event.notes for event in seen.of(TokenAccepted)] == [notes, ()]
    (line,) = lines(log, logging.INFO)
    assert all(part in line for part in (*notes, mark_of(token), "profile=rfc9068"))


def test_a_refused_token(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """One event and one line, which answers why by itself: reason, fingerprint, issuer, path."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.broken(Reason.EXPIRED)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    with pytest.raises(AuthError) as refusal:
        asyncio.run(server.authenticate(headers, method="POST", url="/orders/1"))
    (event,) = seen.of(TokenRefused)
    assert event == TokenRefused(
        at=NOW, reason=Reason.EXPIRED, detail=refusal.value.detail, fingerprint=mark_of(token),
        issuer=issuer.issuer, profile="rfc9068", method="POST", path="/orders/1",
    )  # fmt: skip
    (record,) = log.records
    assert record.levelno == logging.INFO
    assert record.getMessage() == (
        f"refused reason=expired detail={refusal.value.detail!r} token={mark_of(token)}"
        f" issuer={issuer.issuer} profile=rfc9068 method=POST path='/orders/1'"
    )
    assert record.__dict__["event"] == "token_refused"
    assert record.__dict__["reason"] == "expired"
    assert record.__dict__["fingerprint"] == mark_of(token)
    assert record.__dict__["path"] == "/orders/1"


@pytest.mark.parametrize("reason", [each for each in Reason if each not in NOT_BY_A_TOKEN])
def test_every_refusal_is_reported_once(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture, reason: Reason
) -> None:
    """By `verify`, `verify_sync` and `authenticate` alike; what is good is not."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.broken(reason)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    refused = 0
    calls: list[Callable[[], object]] = [
        lambda: server.verify_sync(token),
        lambda: asyncio.run(server.verify(token)),
        lambda: asyncio.run(server.authenticate(headers)),
    ]
    for call in calls:
        try:
            call()
        except AuthError:
            refused += 1
    assert len(seen.of(TokenRefused)) == refused == len(lines(log, logging.INFO))
    assert refused in {0, 3}
    assert len({event.reason for event in seen.of(TokenRefused)}) == refused // 3


def test_nothing_sent_and_two_credentials(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """There is no token then, and so no fingerprint; a request that need not send any is no event."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    assert asyncio.run(server.authenticate([])) is None
    assert seen.events == []
    server.report(MissingToken(), method="GET", url="/")
    with pytest.raises(AuthError):
        asyncio.run(server.authenticate([(b"authorization", b"Bearer a")] * 2))
    assert [(event.reason, event.fingerprint) for event in seen.of(TokenRefused)] == [
        (Reason.MISSING_TOKEN, None), (Reason.MULTIPLE_CREDENTIALS, None),
    ]  # fmt: skip
    assert [" token=- " in line for line in lines(log, logging.INFO)] == [True, True]


def test_a_denied_access(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """The policy, printed, and what of it was missing; a policy that is met is no event."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    who = server.verify_sync(issuer.token(scopes=["read:items"]))
    seen.events.clear()
    server.authorize(who, has_scope("read:items"), method="GET", url="/")
    for policy in (has_scope("write:items"), has_permission("x")):
        with pytest.raises(AuthError):
            server.authorize(who, policy, method="GET", url="/items")
    with pytest.raises(AuthError):
        server.authorize(None, None)
    events = seen.of(AccessDenied)
    assert [event.reason for event in events] == [
        Reason.MISSING_SCOPE, Reason.NO_PERMISSIONS_CLAIM, Reason.MISSING_TOKEN,
    ]  # fmt: skip
    assert (events[0].policy, events[0].principal) == (repr(has_scope("write:items")), who)
    assert (events[0].method, events[0].path, events[0].at) == ("GET", "/items", NOW)
    assert (events[2].policy, events[2].principal, events[2].path) == ("authenticated", None, None)
    assert len(seen.events) == 3 == len(lines(log, logging.INFO))
    assert lines(log, logging.INFO)[0].startswith("denied reason=missing_scope ")


def test_events_are_frozen(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """One observer cannot change what the next one sees."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen, seen])
    server.verify_sync(issuer.token())
    for event in seen.events:
        with pytest.raises(FrozenInstanceError):
            event.at = 0  # type: ignore[misc]
    assert seen.of(TokenAccepted)[0] is seen.of(TokenAccepted)[1]


# --- keys: news, and no more than news -------------------------------------------------------------


def test_one_error_per_outage_and_one_warning_after(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """However many fetches fail; the events tell each of them."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    for outage in (1, 2):
        issuer.faults.set(down=True)
        clock.advance(590)
        for failures in range(1, 6):
            assert served(server, token)
            seen.wait(KeysFailed, (outage - 1) * 5 + failures)
            clock.advance(30)
        issuer.faults.clear()
        assert served(server, token)
        seen.wait(KeysRefreshed, outage + 1)
        assert [event.failures for event in seen.of(KeysFailed)] == [1, 2, 3, 4, 5] * outage
        assert len(lines(log, logging.ERROR)) == outage
        assert len(lines(log, logging.WARNING)) == outage
    error, warning = lines(log, logging.ERROR)[0], lines(log, logging.WARNING)[0]
    assert error == (
        f"keys cannot be fetched issuer={issuer.issuer} cause='keys: answered 503'"
        " usable_for=3610 retry_after=30"
    )
    assert warning == f"keys again issuer={issuer.issuer} keys=2"


def test_a_cold_outage(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """One error when it begins, though every request is refused, and one warning when it ends."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    issuer.faults.set(garbage=True)
    for _ in range(20):
        assert reason_of(server, issuer.token()) is Reason.KEYS_UNAVAILABLE
        clock.advance(1)
    issuer.faults.clear()
    clock.advance(30)
    assert reason_of(server, issuer.token()) is None
    (event,) = [event for event in seen.of(KeysFailed) if event.failures == 1]
    assert (event.cause, event.usable_for, event.issuer) == ("metadata: not JSON", 0, issuer.issuer)
    seen.wait(KeysRefreshed)
    assert (len(lines(log, logging.ERROR)), len(lines(log, logging.WARNING))) == (1, 1)


def test_an_outage_past_the_stale_limit_is_news(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """From 'the keys still serve' to 'nothing can be judged' is the change that wakes people up."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    issuer.faults.set(down=True)
    clock.advance(590)
    assert served(server, token)
    seen.wait(KeysFailed)
    clock.advance(4000)
    for _ in range(3):
        assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
        clock.advance(30)
    assert len(lines(log, logging.ERROR)) == 2


def test_fetched_keys(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """How many are in hand, and why others are not."""
    broken = [{"kty": "RSA", "kid": MARKER, "n": MARKER}, {"kty": "oct", "k": MARKER}]

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        return 200, {}, json.dumps({"keys": [*broken, *issuer.jwks()["keys"]]}).encode()

    server = trusting(issuer, clock, fetch=fetch, jwks_uri=issuer.jwks_uri, observers=[seen])
    assert reason_of(server, issuer.token()) is None
    event = seen.wait(KeysRefreshed)
    assert event == KeysRefreshed(
        at=NOW, issuer=issuer.issuer, keys=2,
        skipped=("key 0: not a valid key", "key 1: kty is not RSA, EC or OKP"),
    )  # fmt: skip


# --- observers ---------------------------------------------------------------------------------------


def test_an_observer_that_raises_costs_nothing(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """Swallowed, counted, logged once; the observers after it are told all the same."""

    def broken(event: Event) -> None:
        raise ZeroDivisionError(repr(event))

    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[broken, seen, broken])
    good, bad = issuer.token(subject=f"auth0|{MARKER}"), issuer.broken(Reason.EXPIRED)
    assert server.verify_sync(good) is server.verify_sync(good)
    eventually(lambda: not flying())
    assert reason_of(server, bad) is Reason.EXPIRED
    with pytest.raises(AuthError):
        server.authorize(None, None)
    issuer.faults.set(down=True)
    assert reason_of(server, issuer.broken(Reason.UNKNOWN_KEY)) is Reason.KEYS_UNAVAILABLE
    eventually(lambda: not flying())
    kinds = [type(event) for event in seen.events]
    assert {kind: kinds.count(kind) for kind in set(kinds)} == {
        KeysRefreshed: 1, TokenAccepted: 2, TokenRefused: 2, AccessDenied: 1, KeysFailed: 1,
    }  # fmt: skip
    assert server._reporter.errors == 2 * len(kinds)
    raised = [record for record in log.records if record.exc_info]
    assert len(raised) == 1
    assert MARKER not in log.text


def test_nothing_is_built_where_nobody_listens(
    issuer: LocalIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an observer no event of a request is even made."""

    def never(**fields: Any) -> None:
        raise AssertionError(fields)

    for module in (atjwt.events, atjwt.reporter, atjwt.resource_server):
        for name in ("TokenAccepted", "TokenRefused", "AccessDenied"):
            monkeypatch.setattr(module, name, never, raising=False)
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.token(claims={"gty": "x"})
    who = server.verify_sync(token)
    assert server.verify_sync(token) is who
    assert reason_of(server, issuer.broken(Reason.EXPIRED)) is Reason.EXPIRED
    with pytest.raises(AuthError, match="missing_scope"):
        server.authorize(who, has_scope("admin"))


# --- what is never told ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    ["/a\nERROR keys cannot be fetched", "/a\r\n\r\nx", "/\x1b[31mred", "/\u2028x\u0085y\x0b", "/\0",
     "/\ud800", "/caf\u00e9", "/" + "x" * 100_000, "/%0a", "/'\"\\n", "/\u202egnp.exe"],
)  # fmt: skip
def test_a_path_cannot_forge_a_line(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture, path: str
) -> None:
    """It is the stranger's own text: printable ASCII, cut, on one line, in log and event alike."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.broken(Reason.EXPIRED)
    headers = [(b"authorization", f"Bearer {token}".encode())]
    with pytest.raises(AuthError):
        asyncio.run(server.authenticate(headers, method="GET\n", url=path))
    with pytest.raises(AuthError):
        server.authorize(None, None, method="GET\n", url=path)
    messages = lines(log, logging.INFO)
    assert len(messages) == 2
    for message in messages:
        assert re.fullmatch(r"[ -~]{1,2500}", message)
        assert "method=GET\\n" in message
    paths = [event.path for event in seen.of(TokenRefused)]
    paths += [event.path for event in seen.of(AccessDenied)]
    assert len(paths) == 2
    assert all(re.fullmatch(r"[ -~]{1,2000}", path or "") for path in paths)


def test_a_path_cannot_forge_a_field(
    issuer: LocalIssuer, clock: Clock, log: pytest.LogCaptureFixture
) -> None:
    """What follows a blank in a path must not read like a field of ours."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    server.report(MissingToken(), method="GET", url="/ reason=expired token=0123456789abcdef")
    (line,) = lines(log, logging.INFO)
    assert re.findall(r"(?:^| )reason=(\S+)", re.sub(r"'[^']*'|\"[^\"]*\"", "", line)) == [
        "missing_token"
    ]


def test_no_token_claim_or_key_is_ever_told(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, log: pytest.LogCaptureFixture
) -> None:
    """Not in a log line, its fields or its traceback, and not in how an event prints."""
    kid = f"kid-{MARKER}"
    keys = [{**key, "kid": kid} for key in issuer.jwks()["keys"][:1]]
    bodies: list[bytes] = [
        f"<html>{MARKER}</html>".encode(), json.dumps({"keys": [{"kty": MARKER}]}).encode(),
        json.dumps({"keys": [{**keys[0], "d": MARKER}]}).encode(), f'"{MARKER}'.encode(),
        json.dumps({"keys": [*keys, {"kty": "EC", "crv": MARKER, "x": MARKER, "use": MARKER}]}).encode(),
    ]  # fmt: skip
    turn = [0]

    def fail(event: Event) -> None:
        raise RuntimeError(event)

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        if turn[0] == len(bodies):
            raise OSError(MARKER)
        return 200, {"x-marker": MARKER, "retry-after": MARKER}, bodies[turn[0]]

    server = trusting(
        issuer, clock, fetch=fetch, jwks_uri=issuer.jwks_uri, observers=[seen, fail],
        policy=KeyPolicy(cooldown=1),
    )  # fmt: skip
    claims = {
        "sub": f"auth0|{MARKER}",
        "email": MARKER,
        "scope": MARKER,
        "jti": MARKER,
        "gty": MARKER,
    }
    header = {"kid": kid}
    tokens = [issuer.token(claims=claims, header=header)]
    tokens += [
        issuer.broken(reason, claims=claims)
        for reason in Reason
        if reason not in NOT_BY_A_TOKEN and reason is not Reason.MISSING_CLAIM
    ]
    tokens += [
        issuer.token(claims={**claims, name: {"x": MARKER}}, header=header)
        for name in ("exp", "aud", "sub", "scope", "client_id", "cnf", "authorization_details")
    ]
    tokens += [f"{MARKER}.{MARKER}.{MARKER}", MARKER, f"{MARKER} {MARKER}", f"{MARKER}\u00e9"]
    for turn[0] in range(len(bodies) + 1):
        for token in tokens:
            reason_of(server, token)
        clock.advance(2)
    who = server.verify_sync(tokens[0])
    with pytest.raises(AuthError):
        server.authorize(who, has_scope("admin"))
    assert {type(event) for event in seen.events} == {
        TokenAccepted, TokenRefused, AccessDenied, KeysRefreshed, KeysFailed,
    }  # fmt: skip
    told = [log.text, *(repr(event) for event in seen.events)]
    told += [repr({**record.__dict__, "principal": None}) for record in log.records]
    secrets = [
        MARKER,
        *(part for token in tokens[:-4] for part in token.split(".") if len(part) > 20),
    ]
    secrets += [key[name] for key in issuer.jwks()["keys"] for name in ("x", "y")]
    for secret in secrets:
        assert not any(secret in text for text in told)
