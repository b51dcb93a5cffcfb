"""Observers that are given the resource server: of remembered tokens they hear by a cheap call."""

import asyncio
import logging
from typing import Any

import pytest

import atjwt.events
import atjwt.reporter
import atjwt.resource_server
from atjwt import AuthError, ConfigurationError, Principal, Reason, ResourceServer, has_scope
from atjwt.asgi import AccessTokenMiddleware, Message, Receive, Scope, Send
from atjwt.events import (
    AccessDenied,
    Event,
    KeysRefreshed,
    Tick,
    TokenAccepted,
    TokenRefused,
)
from atjwt.testing import LocalIssuer
from shell.wire import NOW, Clock, Recorder, reason_of, trusting


class Listening:
    """An observer that joins, and notes what it is told."""

    def __init__(self) -> None:
        self.servers: list[ResourceServer] = []
        self.accepted: list[tuple[Principal, float]] = []
        self.ticks: list[str] = []
        self.events: list[Event] = []
        self.turns: list[str] = []

    def listener_for(self, resource_server: ResourceServer) -> "Hearing":
        self.servers.append(resource_server)
        assert resource_server.realm
        return Hearing(self)


class Hearing:
    def __init__(self, notes: Listening) -> None:
        self.notes = notes

    def __call__(self, event: Event) -> None:
        self.notes.events.append(event)

    def accepted(self, principal: Principal, at: float) -> Tick:
        self.notes.accepted.append((principal, at))
        return lambda: self.notes.ticks.append(principal.subject)

    def start(self) -> None:
        self.notes.turns.append("start")

    def stop(self) -> None:
        self.notes.turns.append("stop")


class Failing(Listening):
    """One whose calls for remembered tokens raise."""

    def listener_for(self, resource_server: ResourceServer) -> Hearing:
        return HearingBadly(self)


class HearingBadly(Hearing):
    def accepted(self, principal: Principal, at: float) -> Tick:
        return _boom


@pytest.fixture
def listening() -> Listening:
    return Listening()


def test_it_is_given_the_resource_server(
    issuer: LocalIssuer, clock: Clock, listening: Listening
) -> None:
    """Once, when it has been built; each one that it observes."""
    servers = [trusting(issuer, clock, fetch=issuer.fetch, observers=[listening]) for _ in range(2)]
    assert listening.servers == servers


def test_a_token_that_is_verified(issuer: LocalIssuer, clock: Clock, listening: Listening) -> None:
    """Its principal, once; what was returned is called each time it comes again."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[listening])
    one, other = issuer.token(subject="one"), issuer.token(subject="other")
    who = server.verify_sync(one)
    clock.now = NOW + 5
    for token in (one, other, one, one, other):
        server.verify_sync(token)
    assert [(each.subject, at) for each, at in listening.accepted] == [
        ("one", NOW), ("other", NOW + 5),
    ]  # fmt: skip
    assert listening.accepted[0][0] is who
    assert listening.ticks == ["one", "one", "one", "other"]


def test_no_event_is_built_for_it(
    issuer: LocalIssuer, clock: Clock, listening: Listening, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of accepted tokens; nobody is handed one."""

    def never(**fields: Any) -> None:
        raise AssertionError(fields)

    for module in (atjwt.reporter, atjwt.resource_server):
        monkeypatch.setattr(module, "TokenAccepted", never)
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[listening])
    token = issuer.token(claims={"gty": "x"})  # with notes, which are in the log all the same
    for _ in range(2):
        server.verify_sync(token)
    assert len(listening.ticks) == 1


def test_every_other_event_is_handed_to_it(
    issuer: LocalIssuer, clock: Clock, listening: Listening
) -> None:
    """Refusals, denials and what becomes of keys."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[listening])
    who = server.verify_sync(issuer.token())
    reason_of(server, issuer.broken(Reason.EXPIRED))
    with pytest.raises(AuthError):
        server.authorize(who, has_scope("admin"))
    assert [type(event) for event in listening.events] == [
        KeysRefreshed, TokenRefused, AccessDenied,
    ]  # fmt: skip


def test_beside_an_ordinary_one(
    issuer: LocalIssuer, clock: Clock, listening: Listening, seen: Recorder
) -> None:
    """Each hears in its own way, in whatever order they are given."""
    for observers in ([listening, seen], [seen, listening]):
        listening.ticks.clear()
        seen.events.clear()
        server = trusting(issuer, clock, fetch=issuer.fetch, observers=observers)
        token = issuer.token()
        for _ in range(3):
            server.verify_sync(token)
        assert len(listening.ticks) == 2
        assert [event.remembered for event in seen.of(TokenAccepted)] == [False, True, True]
        assert not any(isinstance(event, TokenAccepted) for event in listening.events)


def test_several(issuer: LocalIssuer, clock: Clock) -> None:
    """Each of them counts each token; one that fails costs the others nothing."""
    several = [Listening(), Failing(), Listening()]
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=several)
    token = issuer.token()
    for _ in range(4):
        server.verify_sync(token)
    assert [len(each.ticks) for each in several] == [3, 0, 3]
    assert server._reporter.errors == 3


def _boom(*_: object) -> Any:
    raise RuntimeError("boom")


@pytest.mark.parametrize("method", ["accepted", "tick", "__call__", "start", "stop"])
def test_one_that_raises(
    issuer: LocalIssuer, clock: Clock, caplog: pytest.LogCaptureFixture, method: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Costs no request; it is in the log once, and counted."""
    caplog.set_level(logging.ERROR, logger="atjwt")
    monkeypatch.setattr(Hearing, method, _boom, raising=False)
    if method == "tick":
        monkeypatch.setattr(Hearing, "accepted", lambda *_: _boom)
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[Listening()])
    server.start()
    token = issuer.token()
    who = server.verify_sync(token)
    for _ in range(2):
        assert server.verify_sync(token) is who
    assert reason_of(server, issuer.broken(Reason.EXPIRED)) is Reason.EXPIRED
    asyncio.run(server.stop())
    errors = [record for record in caplog.records if "observer raised" in record.getMessage()]
    assert len(errors) == 1
    assert errors[0].exc_info is not None
    expected = {"accepted": 1, "tick": 2, "__call__": 2, "start": 1, "stop": 1}
    assert server._reporter.errors == expected[method]


def test_start_and_stop(issuer: LocalIssuer, clock: Clock, listening: Listening) -> None:
    """Are passed on; an ordinary observer hears nothing of them."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[listening, _boom])
    server.start()
    asyncio.run(server.stop())
    assert listening.turns == ["start", "stop"]
    assert server._reporter.errors == 0


@pytest.mark.parametrize("wrong", ["text", b"", object(), 5])
def test_what_neither_joins_nor_is_callable(
    clock: Clock, issuer: LocalIssuer, wrong: object
) -> None:
    """Is no observer."""
    observers: Any = [Listening(), wrong]
    with pytest.raises(ConfigurationError, match="each must be callable"):
        trusting(issuer, clock, observers=observers)


@pytest.mark.parametrize("is_started", [True, False])
def test_an_app_that_begins_and_ends(
    clock: Clock,
    issuer: LocalIssuer,
    listening: Listening,
    is_started: bool,  # noqa: FBT001
) -> None:
    """Is told by the middleware, before the server is told; one whose start fails never began."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[listening])
    outcome = "complete" if is_started else "failed"
    told: list[tuple[str, list[str]]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for turn in ("startup", "shutdown") if is_started else ("startup",):
            await send({"type": f"lifespan.{turn}.{outcome}"})

    async def receive() -> Message:
        raise AssertionError("the app asks nothing")

    async def send(message: Message) -> None:
        told.append((message["type"], [*listening.turns]))

    middleware = AccessTokenMiddleware(app, resource_server=server)
    asyncio.run(middleware({"type": "lifespan"}, receive, send))
    assert told == (
        [("lifespan.startup.complete", ["start"]),
         ("lifespan.shutdown.complete", ["start", "stop"])]
        if is_started else [("lifespan.startup.failed", [])]
    )  # fmt: skip
