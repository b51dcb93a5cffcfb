"""An issuer's metadata: where it is looked for, when it is believed, how long it is remembered."""

import asyncio
import json
from typing import Any

import pytest

from atjwt import KeyPolicy, Reason, TrustedIssuer
from atjwt.discovery import fetch_metadata, metadata_urls, read_metadata
from atjwt.events import KeysFailed, KeysRefreshed
from atjwt.fetch import FetchFailed, HttpFetcher
from atjwt.testing import LocalIssuer
from shell.wire import (
    JWKS,
    METADATA,
    METADATA_TOO,
    Clock,
    Recorder,
    Reply,
    WireIssuer,
    answer,
    document,
    eventually,
    flying,
    hold,
    reason_of,
    redirect,
    reset,
    served,
    trusting,
)

DAY = 86_400
ISSUER = "https://issuer.example.org"


@pytest.mark.parametrize(
    ("issuer", "openid", "oauth"),
    [
        ("https://a.example", "https://a.example{0}", "https://a.example{1}"),
        ("https://a.example/", "https://a.example{0}", "https://a.example{1}"),
        ("https://a.example:8443/", "https://a.example:8443{0}", "https://a.example:8443{1}"),
        ("https://a.example/t", "https://a.example/t{0}", "https://a.example{1}/t"),
        ("https://a.example/t/u/", "https://a.example/t/u{0}", "https://a.example{1}/t/u"),
    ],
)
def test_where_metadata_is_looked_for(issuer: str, openid: str, oauth: str) -> None:
    """OpenID Connect appends to the issuer, RFC 8414 section 3.1 inserts before its path."""
    places = (METADATA, METADATA_TOO)
    assert metadata_urls(issuer) == (openid.format(*places), oauth.format(*places))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"issuer": f"{ISSUER}/"}, "its issuer is not the configured one"),
        ({"issuer": "https://ISSUER.example.org"}, "its issuer is not the configured one"),
        ({"issuer": f" {ISSUER}"}, "its issuer is not the configured one"),
        ({"issuer": f"{ISSUER}.evil.example"}, "its issuer is not the configured one"),
        ({"issuer": [ISSUER]}, "its issuer is not the configured one"),
        ({"issuer": None}, "its issuer is not the configured one"),
        ({"jwks_uri": None}, "jwks_uri: give a URL"),
        ({"jwks_uri": ""}, "jwks_uri: give a URL"),
        ({"jwks_uri": [f"{ISSUER}/keys"]}, "jwks_uri: give a URL"),
        ({"jwks_uri": "/keys"}, "jwks_uri: this is no URL"),
        ({"jwks_uri": "file:///etc/passwd"}, "jwks_uri: this is no URL"),
        ({"jwks_uri": "https://[::1/keys"}, "jwks_uri: this is no URL"),
        ({"jwks_uri": "https://a.example:x/keys"}, "jwks_uri: this is no URL"),
        ({"jwks_uri": "http://issuer.example.org/keys"}, "jwks_uri: http is for loopback only"),
        ({"jwks_uri": "http://127.0.0.1/keys"}, "jwks_uri: not https"),
        ({"jwks_uri": "http://localhost/keys"}, "jwks_uri: not https"),
        ({"jwks_uri": "https://u:p@issuer.example.org/keys"}, "jwks_uri: take the user"),
        ({"jwks_uri": f"{ISSUER}/keys?x=1"}, "jwks_uri: take the user"),
        ({"jwks_uri": f"{ISSUER}/keys#x"}, "jwks_uri: take the user"),
        ({"jwks_uri": f"{ISSUER}/ke ys"}, "jwks_uri: take the user"),
        ({"jwks_uri": f"{ISSUER}/keys\r\nx: y"}, "jwks_uri: take the user"),
    ],
)
def test_metadata_that_is_not_believed(changes: dict[str, Any], why: str) -> None:
    """Another issuer, or keys where they could be swapped; the error repeats nothing of it."""
    members = {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/keys", **changes}
    with pytest.raises(FetchFailed) as failure:
        read_metadata(TrustedIssuer(ISSUER), json.dumps(members).encode())
    assert str(failure.value).startswith(f"metadata: {why}")
    assert "passwd" not in str(failure.value)
    assert "evil" not in str(failure.value)


@pytest.mark.parametrize(
    "text", [b"", b"<html>", b"[]", b"null", b'{"issuer":1,"issuer":2}', b"\xff"]
)
def test_metadata_that_is_none(text: bytes) -> None:
    """Anything but one strict JSON object."""
    with pytest.raises(FetchFailed, match="metadata: "):
        read_metadata(TrustedIssuer(ISSUER), text)


def test_metadata_that_is_believed() -> None:
    """The keys may be on another host; with `unsafe_http` they may come without TLS."""
    for uri, unsafe in [
        (f"{ISSUER}/keys", False),
        ("https://cdn.example.net:8443/keys", False),
        ("http://issuer.example.org/keys", True),
    ]:
        issuer = TrustedIssuer(ISSUER, unsafe_http=unsafe)
        text = json.dumps({"issuer": ISSUER, "jwks_uri": uri}).encode()
        assert read_metadata(issuer, text).jwks_uri == uri


@pytest.mark.parametrize("status", [301, 400, 401, 403, 404, 410])
def test_the_second_place(wire: WireIssuer, clock: Clock, status: int) -> None:
    """An issuer that has its metadata at RFC 8414's place only is found."""
    wire.routes[METADATA_TOO] = wire.routes[METADATA]
    wire.routes[METADATA] = answer(status=status)
    assert reason_of(trusting(wire.issuer, clock), wire.issuer.token()) is None
    assert wire.requests == {METADATA: 1, METADATA_TOO: 1, JWKS: 1}


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_issuer_in_trouble_is_not_asked_twice(wire: WireIssuer, status: int) -> None:
    """Its answer, and how long it wants to be left alone, are in the error."""
    wire.routes[METADATA] = answer(status=status, headers={"retry-after": 77})
    with pytest.raises(FetchFailed) as failure:
        asyncio.run(fetch_metadata(TrustedIssuer(wire.url), HttpFetcher()))
    assert (failure.value.status, failure.value.retry_after) == (status, "77")
    assert wire.requests == {METADATA: 1}


def test_no_metadata_anywhere(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Then the keys cannot be had, and the event says why."""
    wire.routes.clear()
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert seen.wait(KeysFailed).cause == "metadata: answered 404"
    assert wire.requests == {METADATA: 1, METADATA_TOO: 1}


@pytest.mark.parametrize("name", ["issuer", "jwks_uri"])
def test_a_lie_in_the_metadata_fetches_no_key(
    wire: WireIssuer, clock: Clock, seen: Recorder, name: str
) -> None:
    """What is not believed is not followed."""
    lie = {**wire.issuer.metadata(), name: "http://keys.example.org/"}
    wire.routes[METADATA] = document(lie)
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert seen.wait(KeysFailed).cause.startswith("metadata: ")
    assert wire.fetches == (1, 0)


def test_a_configured_jwks_uri_needs_no_metadata(wire: WireIssuer, clock: Clock) -> None:
    """Nor is it looked for when the keys are gone from there, nor after days."""
    token = wire.issuer.token(lifetime=9 * DAY)
    server = trusting(wire.issuer, clock, jwks_uri=wire.issuer.jwks_uri)
    for _ in range(3):
        assert reason_of(server, token) is None
        clock.advance(2 * DAY)
    wire.routes[JWKS] = answer(status=404)
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    assert wire.fetches == (0, 4)


def test_it_is_read_once_a_day(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """Key fetches go straight to the keys; about once a day one looks where they are."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token(lifetime=9 * DAY)
    for count in range(1, 2 * 48 + 1):
        assert reason_of(server, token) is None
        seen.wait(KeysRefreshed, count)
        clock.advance(1800)
    eventually(lambda: issuer.requests[METADATA] == 2)
    assert issuer.requests == {METADATA: 2, JWKS: 96}


def test_keys_that_moved_are_found_within_a_day(
    wire: WireIssuer, clock: Clock, seen: Recorder
) -> None:
    """Also where the old place still answers, with keys that are out of date."""
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes["/moved"] = wire.routes[JWKS]
    wire.routes[JWKS] = document(wire.issuer.jwks())
    wire.routes[METADATA] = document({**wire.issuer.metadata(), "jwks_uri": f"{wire.url}moved"})
    wire.issuer.rotate_keys()
    wire.issuer.rotate_keys()
    clock.advance(DAY)
    assert reason_of(server, wire.issuer.token()) is Reason.UNKNOWN_KEY
    eventually(lambda: wire.fetches[0] == 2)
    clock.advance(60)
    eventually(lambda: _accepted_after(server, wire, clock))
    assert wire.requests["/moved"] == 1


def _accepted_after(server: Any, wire: WireIssuer, clock: Clock) -> bool:
    accepted = reason_of(server, wire.issuer.token()) is None
    clock.advance(30)
    return accepted


@pytest.mark.parametrize("status", [404, 410])
def test_keys_that_are_gone_are_looked_for_at_once(
    wire: WireIssuer, clock: Clock, status: int
) -> None:
    """404 or 410 where they were: the same flight reads the metadata again and finds them."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes["/moved"] = wire.routes[JWKS]
    wire.routes[JWKS] = answer(status=status)
    wire.routes[METADATA] = document({**wire.issuer.metadata(), "jwks_uri": f"{wire.url}moved"})
    clock.advance(2 * 3600)
    assert reason_of(server, wire.issuer.token()) is None
    assert wire.requests == {METADATA: 2, JWKS: 2, "/moved": 1}


def test_keys_that_are_gone_for_good(wire: WireIssuer, clock: Clock, seen: Recorder) -> None:
    """Where the metadata still names the place, one look is enough and the failure is reported."""
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes[JWKS] = answer(status=404)
    clock.advance(590)
    assert reason_of(server, wire.issuer.token()) is None
    assert seen.wait(KeysFailed).cause == "keys: answered 404"
    assert wire.fetches == (2, 3)


@pytest.mark.parametrize(
    "old_place", [answer(status=503), redirect("/moved"), reset], ids=["503", "redirect", "reset"]
)
def test_keys_that_moved_from_a_dead_place(
    wire: WireIssuer, clock: Clock, seen: Recorder, old_place: Reply
) -> None:
    """A place that no longer answers must not keep us from reading, within a day, where they are."""
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes["/moved"] = wire.routes[JWKS]
    wire.routes[JWKS] = old_place
    wire.routes[METADATA] = document({**wire.issuer.metadata(), "jwks_uri": f"{wire.url}moved"})
    outcomes = []
    for _ in range(4):
        clock.advance(DAY)
        outcomes.append(reason_of(server, wire.issuer.token()))
    assert outcomes[-1] is None


@pytest.mark.parametrize("old_place", [answer(status=503), reset], ids=["503", "reset"])
def test_keys_that_have_not_moved(wire: WireIssuer, clock: Clock, old_place: Reply) -> None:
    """Where the metadata still names the dead place, that is not asked twice in a row."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes[JWKS] = old_place
    clock.advance(DAY)
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    assert wire.fetches == (2, 2)


def test_keys_that_moved_from_a_place_that_hangs(wire: WireIssuer, clock: Clock) -> None:
    """A host that is gone for good is most often one that does not answer at all."""
    policy = KeyPolicy(timeout=0.5, cooldown=1)
    server = trusting(wire.issuer, clock, policy=policy)
    eventually(lambda: _accepted_after(server, wire, clock))
    wire.routes["/moved"] = wire.routes[JWKS]
    wire.routes[JWKS] = hold
    wire.routes[METADATA] = document({**wire.issuer.metadata(), "jwks_uri": f"{wire.url}moved"})
    outcomes = []
    for _ in range(5):
        clock.advance(DAY)
        outcomes.append(reason_of(server, wire.issuer.token()))
        eventually(lambda: not flying())
    assert outcomes[-1] is None


def test_keys_that_moved_during_an_outage(wire: WireIssuer, clock: Clock) -> None:
    """An issuer that comes back at another place is found when it is back, not a day later."""
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token()) is None
    wire.routes["/moved"] = wire.routes[JWKS]
    wire.routes[JWKS] = wire.routes[METADATA] = answer(status=503)
    clock.advance(DAY)
    assert reason_of(server, wire.issuer.token()) is Reason.KEYS_UNAVAILABLE
    wire.routes[METADATA] = document({**wire.issuer.metadata(), "jwks_uri": f"{wire.url}moved"})
    outcomes = []
    for _ in range(60):
        clock.advance(60)
        outcomes.append(reason_of(server, wire.issuer.token()))
    assert outcomes[-1] is None


@pytest.mark.parametrize(
    "reply",
    [answer(status=500), answer(b"<html>"), document({}), reset, hold],
    ids=["500", "HTML", "empty", "reset", "hang"],
)
def test_metadata_that_fails_blocks_no_key(
    wire: WireIssuer, clock: Clock, seen: Recorder, reply: Reply
) -> None:
    """The daily look may fail or hang: keys come, tokens are served, what is remembered stays."""
    token = wire.issuer.token(lifetime=9 * DAY)
    server = trusting(wire.issuer, clock, observers=[seen])
    assert reason_of(server, token) is None
    clock.advance(DAY)
    wire.routes[METADATA] = reply
    assert reason_of(server, token) is None
    assert seen.wait(KeysRefreshed, 2).keys == 2
    eventually(lambda: wire.fetches[0] == 2)
    assert served(server, token)
    wire.let_go.set()
    clock.advance(3000)
    assert reason_of(server, token) is None
    assert seen.wait(KeysRefreshed, 3).keys == 2
    assert not seen.of(KeysFailed)
    assert server.health().issuers[0].state == "fresh"
    eventually(lambda: not flying())
    assert wire.fetches == (2, 3)  # the next look is tomorrow's


def test_metadata_that_hangs_has_a_deadline(wire: WireIssuer, clock: Clock) -> None:
    """The daily look ends with the time limit, and its thread with it."""
    policy = KeyPolicy(timeout=0.5, cooldown=1)
    server = trusting(wire.issuer, clock, policy=policy)
    token = wire.issuer.token(lifetime=9 * DAY)
    eventually(lambda: _accepted_after(server, wire, clock))
    clock.advance(DAY)
    wire.routes[METADATA] = hold
    assert reason_of(server, token) is None
    assert wire.held.wait(30)
    # That the thread ends before the server lets go, the fixture that counts threads shows.
    eventually(lambda: not flying())
