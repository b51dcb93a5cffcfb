"""The ledger of a service: it counts what was sent, exactly, and disturbs no request."""

import asyncio
import gc
import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import (
    AUTH0,
    RFC9068,
    AuthError,
    ConfigurationError,
    Reason,
    ResourceServer,
    TrustedIssuer,
    has_scope,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.issuer.tokens import DIALECTS
from atjwt.migration import Ledger, LedgerError
from atjwt.migration.account import HOUR, OTHERS, Account, Batch, RefusalKey, Use
from atjwt.migration.stores import Memory
from atjwt.testing import LocalIssuer
from shell.wire import Clock, eventually, reason_of
from tools.ledgers import NOW, THIS_HOUR

API = "https://api.example.com/"
ISSUER = "https://tenant.eu.auth0.com/"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    return LocalIssuer(issuer=ISSUER, audience=API, algorithm="ES256", clock=clock)


@pytest.fixture(autouse=True)
def _no_thread_left() -> Iterator[None]:
    """Every ledger's thread has ended with its test."""
    yield
    left = [thread for thread in threading.enumerate() if thread.name == "atjwt-ledger"]
    for thread in left:
        thread.join(30)
        assert not thread.is_alive()


class Away(Memory):
    """A store that fails when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.trouble: Exception | None = None
        self.batches: list[Batch] = []

    def write(self, batch: Batch) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.batches.append(batch)
        super().write(batch)


def by_hand(store: Memory, clock: Clock, **settings: Any) -> Ledger:
    return Ledger(store, service="orders", interval=0, clock=clock, **settings)


def serving(issuer: LocalIssuer, clock: Clock, *ledgers: Ledger, **settings: Any) -> ResourceServer:
    trusted = TrustedIssuer.auth0("tenant.eu.auth0.com", algorithms=["ES256"])
    settings = {"audience": API, "issuers": [trusted], **settings}
    return ResourceServer(clock=clock, fetch=issuer.fetch, observers=ledgers, **settings)


def told(ledger: Ledger) -> Account:
    ledger.flush()
    return ledger.store.read()


# --- what is counted ---------------------------------------------------------------------------------


def test_accepted_tokens(issuer: LocalIssuer, clock: Clock) -> None:
    """By profile, `permissions`, kind and client; with the times of the requests and of the tokens."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger)
    for number, dialect in enumerate(DIALECTS, 1):
        for _ in range(number):
            token = issuer.token(dialect=dialect, client_id=f"app {number}", lifetime=100 * number)
            server.verify_sync(token)
    server.verify_sync(issuer.token(kind="client", lifetime=50))
    uses = told(ledger).uses
    assert {key.hour for key in uses} == {THIS_HOUR}
    assert {(key.service, key.issuer, key.audience) for key in uses} == {("orders", ISSUER, API)}
    by_client = {key.client_id: (key, use) for key, use in uses.items() if key.kind == "user"}
    expected = {"app 1": ("auth0", False), "app 2": ("auth0", True), "app 3": ("rfc9068", False),
                "app 4": ("rfc9068", True)}  # fmt: skip
    assert {
        name: (key.profile, key.permissions) for name, (key, _) in by_client.items()
    } == expected
    for number in range(1, 5):
        use = by_client[f"app {number}"][1]
        assert use == Use(number, NOW, NOW, NOW + 100 * number, 100 * number)
    (machine,) = [use for key, use in uses.items() if key.kind == "client"]
    assert machine == Use(1, NOW, NOW, NOW + 50, 50)


def test_remembered_tokens(issuer: LocalIssuer, clock: Clock) -> None:
    """Count like any other; when they came is known to within two writes, and not earlier."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger)
    token = issuer.token(lifetime=600)
    for _ in range(5):
        server.verify_sync(token)
    clock.now = NOW + 7
    (use,) = told(ledger).uses.values()
    assert use == Use(5, NOW, NOW + 7, NOW + 600, 600)
    clock.now = NOW + 9
    for _ in range(3):
        server.verify_sync(token)
    clock.now = NOW + 17
    ledger.flush()
    (batch,) = [ledger.store.read()]
    assert list(batch.uses.values()) == [Use(8, NOW, NOW + 17, NOW + 600, 600)]


def test_nothing_new_is_nothing(issuer: LocalIssuer, clock: Clock) -> None:
    """A write without requests in between adds no count, only the heartbeat."""
    store = Away()
    ledger = by_hand(store, clock)
    server = serving(issuer, clock, ledger)
    server.verify_sync(issuer.token())
    for _ in range(3):
        ledger.flush()
    assert [len(batch.uses) for batch in store.batches] == [1, 0, 0]
    assert [len(batch.heartbeats) for batch in store.batches] == [1, 1, 1]
    assert sum(use.requests for use in store.read().uses.values()) == 1


def test_each_hour_has_its_own(issuer: LocalIssuer, clock: Clock) -> None:
    """A request belongs to the hour in which it came, also where nothing was written in between."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger)
    for number in range(3):
        clock.now = THIS_HOUR + number * HOUR
        for _ in range(number + 1):
            server.verify_sync(issuer.token())
    uses = told(ledger).uses
    assert {key.hour: use.requests for key, use in uses.items()} == {
        THIS_HOUR + number * HOUR: number + 1 for number in range(3)
    }


def test_refusals(issuer: LocalIssuer, clock: Clock) -> None:
    """By reason, issuer and profile as far as the judgement came; what a policy refuses, too."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger)
    for _ in range(2):
        assert reason_of(server, issuer.broken(Reason.EXPIRED)) is Reason.EXPIRED
    assert reason_of(server, issuer.broken(Reason.UNKNOWN_ISSUER)) is Reason.UNKNOWN_ISSUER
    who = server.verify_sync(issuer.token(dialect="access_token"))
    for principal in (who, None):
        with pytest.raises(AuthError):
            server.authorize(principal, has_scope("admin"))
    counts = {key: each.requests for key, each in told(ledger).refusals.items()}

    def key(reason: str, issuer: str = "", profile: str = "") -> RefusalKey:
        return RefusalKey(THIS_HOUR, "orders", issuer, API, profile, reason)

    assert counts == {
        key("expired", ISSUER, "rfc9068"): 2,
        key("unknown_issuer"): 1,
        key("missing_scope", ISSUER, "auth0"): 1,
        key("missing_token"): 1,
    }
    assert {each.last for each in told(ledger).refusals.values()} == {NOW}


def test_no_person_is_in_it(issuer: LocalIssuer, clock: Clock) -> None:
    """Of a token it holds the issuer, the client and the times; no subject, no claim, no token."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger)
    token = issuer.token(subject="auth0|m4rk3r", claims={"email": "m4rk3r@example.com"})
    server.verify_sync(token)
    reason_of(server, issuer.broken(Reason.EXPIRED, subject="auth0|m4rk3r"))
    assert "m4rk3r" not in repr(told(ledger)) + repr(ledger)
    assert token not in repr(told(ledger))


def test_a_token_that_the_cache_has_dropped(issuer: LocalIssuer, clock: Clock) -> None:
    """What it was counted with is not lost, and many tokens of one client cost one counter."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger, token_cache_size=2)
    tokens = [issuer.token(subject=f"user {n}") for n in range(6)]
    for token in tokens:
        for _ in range(3):
            server.verify_sync(token)
    (use,) = told(ledger).uses.values()
    assert use.requests == 18


def test_without_a_cache(issuer: LocalIssuer, clock: Clock) -> None:
    """Every token is new, and counts."""
    ledger = by_hand(Memory(), clock)
    server = serving(issuer, clock, ledger, token_cache_size=0)
    token = issuer.token()
    for _ in range(4):
        server.verify_sync(token)
    assert [use.requests for use in told(ledger).uses.values()] == [4]


def test_the_sum_is_what_was_sent(issuer: LocalIssuer, clock: Clock) -> None:
    """From many threads, while it is written again and again, to the last request."""
    ledger = by_hand(Memory(), clock, most_clients=3)
    server = serving(issuer, clock, ledger, token_cache_size=20)
    tokens = [issuer.token(client_id=f"app {n % 5}", subject=f"user {n}") for n in range(25)]
    bad = issuer.broken(Reason.EXPIRED)

    def send(_: int) -> None:
        for token in tokens:
            for _ in range(4):
                server.verify_sync(token)
            reason_of(server, bad)

    done = threading.Event()

    def write() -> None:
        while not done.wait(0.001):
            ledger.flush()

    writer = threading.Thread(target=write)
    writer.start()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(send, range(16)))
    done.set()
    writer.join()
    account = told(ledger)
    assert sum(use.requests for use in account.uses.values()) == 16 * 25 * 4
    assert sum(each.requests for each in account.refusals.values()) == 16 * 25
    assert account.lost == 0


# --- bounds ------------------------------------------------------------------------------------------


def test_clients_beyond_the_bound(issuer: LocalIssuer, clock: Clock) -> None:
    """So many are told apart within an hour, the others are counted together; the next hour anew."""
    ledger = by_hand(Memory(), clock, most_clients=2)
    server = serving(issuer, clock, ledger)
    for hour, names in ((0, "abcd"), (1, "cdab")):
        clock.now = THIS_HOUR + hour * HOUR
        for name in names:
            server.verify_sync(issuer.token(client_id=name, lifetime=9_000))
            ledger.flush()
    uses = told(ledger).uses
    clients = Counter((key.hour, key.client_id) for key in uses)
    assert set(clients) == {
        (THIS_HOUR + hour * HOUR, name)
        for hour, names in ((0, ("a", "b", OTHERS)), (1, ("c", "d", OTHERS)))
        for name in names
    }
    others = [use.requests for key, use in uses.items() if key.client_id == OTHERS]
    assert others == [2, 2]


def test_what_a_process_holds_is_bounded(issuer: LocalIssuer, clock: Clock) -> None:
    """However many clients come; a remembered token of one that is not told apart counts on."""
    ledger = by_hand(Memory(), clock, most_clients=2)
    server = serving(issuer, clock, ledger)
    tokens = [issuer.token(client_id=f"app {n}", lifetime=60) for n in range(40)]
    for token in tokens * 3:
        server.verify_sync(token)
    uses = told(ledger).uses
    assert sum(use.requests for use in uses.values()) == 120
    assert len(uses) == 3
    who = server.verify_sync(tokens[0])
    counters = {ledger.tally.accepted(API, replace(who, client_id=f"{n}"), NOW) for n in range(90)}
    assert len(counters) == 1
    for hours in range(1, 4):  # once they have expired, others take their place
        clock.now = NOW + hours * 2 * HOUR
        ledger.flush()
    server.verify_sync(issuer.token(client_id="late", lifetime=60))
    assert "late" in {key.client_id for key in told(ledger).uses}


@pytest.mark.parametrize("client_id", ["x" * 300, "\U0001f600" * 300, "https://c.example/?a=1#\0"])
def test_a_client_id_is_opaque(issuer: LocalIssuer, clock: Clock, client_id: str) -> None:
    """Whatever it is, and cut at 256 characters (T52)."""
    ledger = by_hand(Memory(), clock)
    serving(issuer, clock, ledger).verify_sync(issuer.token(client_id=client_id))
    (key,) = told(ledger).uses
    assert key.client_id == client_id[:256]


@pytest.mark.parametrize("exp", [2**53, 4e15 + 0.5])
def test_a_time_far_ahead(issuer: LocalIssuer, clock: Clock, exp: float, tmp_path: Path) -> None:
    """Is written as it is, and breaks nothing."""
    ledger = Ledger(f"sqlite:///{tmp_path}/a.db", service="orders", interval=0, clock=clock)
    serving(issuer, clock, ledger).verify_sync(issuer.token(claims={"exp": exp}))
    (use,) = told(ledger).uses.values()
    assert use.expires == exp


# --- a store that is away ----------------------------------------------------------------------------


def test_a_store_that_is_away(
    issuer: LocalIssuer, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """No request notices; what is counted is written when it is back; the log says so, once each."""
    caplog.set_level(logging.DEBUG, logger="atjwt")
    store = Away()
    ledger = by_hand(store, clock)
    server = serving(issuer, clock, ledger)
    token = issuer.token()
    for trouble in (LedgerError("the ledger is full"), LedgerError("down"), RuntimeError("secret")):
        store.trouble = trouble
        for _ in range(5):
            server.verify_sync(token)
        with pytest.raises(LedgerError):
            ledger.flush()
    store.trouble = None
    ledger.flush()
    ledger.flush()
    assert [use.requests for use in store.read().uses.values()] == [15]
    (error, warning) = caplog.records
    assert (error.levelname, warning.levelname) == ("ERROR", "WARNING")
    assert "what is counted is kept: the ledger is full" in error.getMessage()
    assert "secret" not in caplog.text


def test_what_is_kept_while_it_is_away_is_bounded(issuer: LocalIssuer, clock: Clock) -> None:
    """For however long: the oldest hours are told less apart, and no count is lost."""
    store = Away()
    store.trouble = LedgerError("down")
    ledger = by_hand(store, clock, most_clients=2)
    server = serving(issuer, clock, ledger)
    for hour in range(60):
        clock.now = NOW + hour * HOUR
        for client in "ab":
            server.verify_sync(issuer.token(client_id=client, lifetime=60))
        with pytest.raises(LedgerError):
            ledger.flush()
    store.trouble = None
    account = told(ledger)
    assert len(account.uses) <= 20
    assert account.lost == 0
    assert sum(use.requests for use in account.uses.values()) == 120
    assert min(use.first for use in account.uses.values()) == NOW
    latest = {key.client_id for key in account.uses if key.hour == THIS_HOUR + 59 * HOUR}
    assert latest == {"a", "b"}


@pytest.mark.parametrize("spoil", ["a folder", "something else", "full"])
def test_a_ledger_that_cannot_be_written(
    issuer: LocalIssuer, clock: Clock, tmp_path: Path, spoil: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """An app is served as if there were none; the log says why."""
    path = tmp_path / "ledger.db"
    if spoil == "a folder":
        path.mkdir()
    elif spoil == "something else":
        path.write_text("hello" * 1_000)
    else:
        path = Path("/dev/full")
    ledger = Ledger(f"sqlite:///{path}", service="orders", interval=0.01)
    app = Starlette(
        routes=[Route("/", _hello)],
        middleware=[
            Middleware(AccessTokenMiddleware, resource_server=serving(issuer, clock, ledger))
        ],
    )
    with TestClient(app) as client:
        eventually(lambda: "cannot be written" in caplog.text)
        answer = client.get("/", headers={"Authorization": f"Bearer {issuer.token()}"})
        assert answer.status_code == 200
    assert caplog.text.count("cannot be written, what is counted") == 1


async def _hello(request: Request) -> Response:
    return PlainTextResponse("hello")


# --- heartbeats --------------------------------------------------------------------------------------


def test_heartbeats(issuer: LocalIssuer, clock: Clock) -> None:
    """Each issuer of each resource server says what it accepts, from the first request on."""
    ledger = by_hand(Memory(), clock, instance="pod-7")
    first = serving(issuer, clock, ledger, audience=[API, "urn:orders"], leeway=7)
    other = serving(
        issuer, clock, ledger, audience="urn:other",
        issuers=[TrustedIssuer("https://a.example"), TrustedIssuer("https://b.example")],
    )  # fmt: skip
    ledger.flush()
    assert ledger.store.read().heartbeats == ()
    first.start()
    clock.now = NOW + 3
    other.start()
    beats = {(beat.audience, beat.issuer): beat for beat in told(ledger).heartbeats}
    assert set(beats) == {
        ((API, "urn:orders"), ISSUER), (("urn:other",), "https://a.example"),
        (("urn:other",), "https://b.example"),
    }  # fmt: skip
    beat = beats[(API, "urn:orders"), ISSUER]
    assert (beat.service, beat.profiles, beat.leeway) == ("orders", ("auth0", "rfc9068"), 7)
    assert (beat.started, beat.at, beat.stopped) == (NOW, NOW + 3, False)
    assert beat.instance.startswith(f"pod-7:{os.getpid()}:")
    assert beats[("urn:other",), "https://a.example"].profiles == ("rfc9068",)
    assert len({beat.instance for beat in beats.values()}) == 1


def test_two_of_one_api(issuer: LocalIssuer, clock: Clock) -> None:
    """A process accepts what all its resource servers for an API accept; the rest is told apart, so that
    it does not pass for narrow.
    """
    ledger = by_hand(Memory(), clock)
    servers = [
        serving(
            issuer, clock, ledger, audience=[API, name],
            issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com", profiles=profiles)],
        )
        for name, profiles in (("urn:one", {AUTH0, RFC9068}), ("urn:two", {RFC9068}))
    ]  # fmt: skip
    for server in servers:
        server.start()
    (beat,) = told(ledger).heartbeats
    assert beat.profiles == ("auth0 (in part)", "rfc9068")
    assert beat.audience == (API, "urn:one", "urn:two")


def test_one_that_stops(issuer: LocalIssuer, clock: Clock) -> None:
    """Says so, once; and one that has gone is said to have stopped."""
    store = Away()
    ledger = by_hand(store, clock)
    one = serving(issuer, clock, ledger)
    other = serving(issuer, clock, ledger, audience="urn:other")
    for server in (one, other):
        server.start()
    ledger.flush()
    asyncio.run(one.stop())
    assert {beat.audience: beat.stopped for beat in store.read().heartbeats} == {
        (API,): True, ("urn:other",): False,
    }  # fmt: skip
    del server, other
    gc.collect()
    ledger.flush()
    assert all(beat.stopped for beat in store.read().heartbeats)
    before = len(store.batches)
    ledger.flush()
    assert len(store.batches) == before
    one.start()
    ledger.flush()
    assert [beat.audience for beat in store.read().heartbeats if not beat.stopped] == [(API,)]


# --- the thread --------------------------------------------------------------------------------------


def test_the_thread_begins_with_the_first_request(issuer: LocalIssuer, clock: Clock) -> None:
    """Not with an import, a construction or a fetch of keys; and ends with `close`."""
    store = Away()
    ledger = Ledger(store, service="orders", interval=0.01, clock=clock)
    server = serving(issuer, clock, ledger)
    assert not server.health().ready
    server.verify_sync(issuer.token())
    eventually(lambda: len(store.batches) > 3)
    ledger.close()
    assert not any(thread.name == "atjwt-ledger" for thread in threading.enumerate())
    (beat,) = store.read().heartbeats
    assert beat.stopped
    server.verify_sync(issuer.token())
    ledger.close()
    assert sum(use.requests for use in store.read().uses.values()) == 2


class _Ending(BaseException):
    """What no store should raise."""


def test_a_thread_that_has_fallen(
    issuer: LocalIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Is begun anew by the next request with a new token; nothing is lost, and nobody waits for it."""
    fallen: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda told: fallen.append(told.exc_type))
    monkeypatch.setattr("atjwt.migration.writer._AT_THE_END", 30)
    store = Away()
    falling = threading.Event()
    write = store.write

    def writing(batch: Batch) -> None:
        if falling.is_set():
            raise _Ending
        write(batch)

    monkeypatch.setattr(store, "write", writing)
    ledger = Ledger(store, service="orders", interval=0.01, clock=clock)
    server = serving(issuer, clock, ledger)
    server.verify_sync(issuer.token())
    eventually(lambda: store.batches != [])
    falling.set()
    eventually(lambda: ledger.writer.has_fallen)
    falling.clear()
    before = len(store.batches)
    server.verify_sync(issuer.token())
    eventually(lambda: len(store.batches) > before)
    assert not ledger.writer.has_fallen
    falling.set()
    eventually(lambda: ledger.writer.has_fallen)
    falling.clear()
    ledger.close()  # by itself
    assert fallen == [_Ending] * 2
    assert sum(use.requests for use in store.read().uses.values()) == 2
    assert all(beat.stopped for beat in store.read().heartbeats)


def test_whatever_goes_wrong_the_thread_goes_on(
    issuer: LocalIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """Also outside the store; the log says so once."""
    store = Away()
    ledger = Ledger(store, service="orders", interval=0.01, clock=clock)
    failures: list[float] = []
    take = ledger.tally.take

    def taking(now: float) -> Batch:
        if len(failures) < 3:
            failures.append(now)
            raise ZeroDivisionError
        return take(now)

    monkeypatch.setattr(ledger.tally, "take", taking)
    server = serving(issuer, clock, ledger)
    server.verify_sync(issuer.token())
    eventually(lambda: store.batches != [])
    ledger.close()
    assert sum(use.requests for use in store.read().uses.values()) == 1
    assert caplog.text.count("cannot be written") == 1
    assert "memory: ZeroDivisionError" in caplog.text


def test_it_writes_when_the_hour_ends(issuer: LocalIssuer, clock: Clock) -> None:
    """However long the interval is, so that what is counted belongs to one hour."""
    clock.now = THIS_HOUR + HOUR - 0.01
    store = Away()
    ledger = Ledger(store, service="orders", interval=30, clock=clock)
    server = serving(issuer, clock, ledger)
    server.start()
    eventually(lambda: len(store.batches) >= 2)
    ledger.close()


def test_an_idle_app_reports(issuer: LocalIssuer, clock: Clock) -> None:
    """From its start to its end, without one request."""
    store = Away()
    ledger = Ledger(store, service="orders", interval=30, clock=clock)
    server = serving(issuer, clock, ledger)
    app = Starlette(middleware=[Middleware(AccessTokenMiddleware, resource_server=server)])
    assert store.batches == []
    for _ in range(2):
        with TestClient(app):
            eventually(lambda: any(not beat.stopped for beat in store.read().heartbeats))
        (beat,) = store.read().heartbeats
        assert beat.stopped


def test_a_store_that_hangs_does_not_hold_up_the_end(
    issuer: LocalIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The wait is bounded."""
    monkeypatch.setattr("atjwt.migration.writer._AT_THE_END", 0.05)
    entered, going_on = threading.Event(), threading.Event()
    store = Memory()
    write = store.write

    def hanging(batch: Batch) -> None:
        entered.set()
        going_on.wait(30)
        write(batch)

    monkeypatch.setattr(store, "write", hanging)
    ledger = Ledger(store, service="orders", clock=clock)
    server = serving(issuer, clock, ledger)
    server.verify_sync(issuer.token())
    assert entered.wait(30)
    ledger.close()
    assert store.read().uses == {}
    going_on.set()
    eventually(lambda: any(beat.stopped for beat in store.read().heartbeats))
    assert [use.requests for use in store.read().uses.values()] == [1]


# --- its configuration -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "fix"),
    [
        ({"store": "nonsense"}, "named by a URL"), ({"store": 5}, "store: give a URL"),
        ({"store": "sqlite:///a.db sqlite:///b.db"}, "a service writes to one"),
        ({"store": "sqlite://x"}, "name a file"), ({"store": "redis://h:x"}, "redis://"),
        ({"service": ""}, "service: give a name"), ({"service": 5}, "service: give a name"),
        ({"service": "a\nb"}, "service: give a name"), ({"service": "x" * 257}, "service:"),
        ({"instance": " "}, "instance: give a name"), ({"interval": -1}, "interval: give a number"),
        ({"interval": "10"}, "interval:"), ({"interval": 3_601}, "interval:"),
        ({"most_clients": 0}, "most_clients: give a whole number"), ({"most_clients": 1.5}, "whole"),
        ({"clock": 5}, "clock: give a function"),
    ],
)  # fmt: skip
def test_a_wrong_configuration(settings: dict[str, Any], fix: str) -> None:
    """Is raised at once, with its fix."""
    with pytest.raises(ConfigurationError) as refusal:
        Ledger(**{"store": "sqlite:///ledger.db", "service": "orders", **settings})
    (problem,) = refusal.value.problems
    assert problem.startswith("Ledger: ")
    assert fix in problem


def test_every_problem_at_once() -> None:
    """Nobody mends one to be told the next."""
    with pytest.raises(ConfigurationError) as refusal:
        Ledger("x", service="", instance="", interval=-1, most_clients=0)
    assert len(refusal.value.problems) == 5


def test_lines_are_written_once_a_minute() -> None:
    """Where nobody says otherwise; to a store every ten seconds."""
    assert Ledger("stdout:", service="orders").interval == 60
    assert Ledger("lines:a.log", service="orders", interval=5).interval == 5
    assert Ledger("sqlite:///a.db", service="orders").interval == 10


def test_a_file_of_the_whole_route(issuer: LocalIssuer, clock: Clock, tmp_path: Path) -> None:
    """From a request through the middleware to what `read` gives, by a URL."""
    ledger = Ledger(f"sqlite:///{tmp_path}/ledger.db", service="orders", interval=0.01, clock=clock)
    server = serving(issuer, clock, ledger)
    app = Starlette(
        routes=[Route("/", _hello)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
    )
    with closing(ledger), TestClient(app) as client:
        headers = {"Authorization": f"Bearer {issuer.token(dialect='access_token')}"}
        assert [client.get("/", headers=headers).status_code for _ in range(5)] == [200] * 5
        assert client.get("/").status_code == 401
    account = ledger.store.read()
    assert [use.requests for use in account.uses.values()] == [5]
    assert [key.reason for key in account.refusals] == ["missing_token"]
    assert [beat.stopped for beat in account.heartbeats] == [True]
