"""WebSockets for browsers: the token among the subprotocols, and the end of a socket with its token."""

import asyncio
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from atjwt import ConfigurationError, ResourceServer
from atjwt.asgi import AccessTokenMiddleware, Message, Receive, Scope, Send
from atjwt.starlette import principal_of
from atjwt.testing import LocalIssuer
from web.asking import (
    Clock,
    answer_of,
    app_of,
    bearer,
    logged,
    read_refusal,
    refusal,
    sent_by,
    serving,
    websocket_scope,
)

NAME = "access-token"
CONNECT = {"type": "websocket.connect"}
SHORT = 30


class Seen:
    """An ASGI app that keeps what it sees and accepts, with a subprotocol if it is given one."""

    def __init__(self, subprotocol: str | None = None) -> None:
        self.scope: dict[str, Any] = {}
        self.subprotocol = subprotocol

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope = dict(scope)
        await receive()
        await send({"type": "websocket.accept", "subprotocol": self.subprotocol})


def offering(
    server: ResourceServer, seen: Seen, *entries: str, headers: Any = (), **settings: Any
) -> list[Message]:
    """What is sent to a browser that offers these subprotocols."""
    app = AccessTokenMiddleware(
        seen, resource_server=server, **{"websocket_subprotocol": NAME, **settings}
    )
    pair = (b"sec-websocket-protocol", ", ".join(entries).encode("latin-1"))
    scope = websocket_scope([*headers, pair], subprotocols=list(entries))
    return asyncio.run(sent_by(app, scope, CONNECT))


def test_the_token_is_taken_and_the_app_does_not_see_it(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Neither subprotocols nor headers hold it; the other entries stay, in their order."""
    token, seen = issuer.token(subject="ada"), Seen()
    offering(server, seen, "chat", NAME, f"{NAME}.{token}", "mqtt")
    assert seen.scope["user"].subject == "ada"
    assert seen.scope["subprotocols"] == ["chat", "mqtt"]
    assert (b"sec-websocket-protocol", b"chat, mqtt") in seen.scope["headers"]
    assert token not in repr(seen.scope)
    assert NAME not in repr(seen.scope)


def test_the_name_is_compared_without_case(server: ResourceServer, issuer: LocalIssuer) -> None:
    """So that a misspelt entry does not take the token to the app."""
    token, seen = issuer.token(), Seen()
    [accepted] = offering(server, seen, NAME.upper(), f"{NAME.title()}.{token}")
    assert token not in repr(seen.scope)
    assert accepted["subprotocol"] == NAME.upper()


def test_without_other_entries_the_header_is_gone(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """An empty header would be none that a server ever sends."""
    seen = Seen()
    offering(server, seen, f"{NAME}.{issuer.token()}")
    assert not [name for name, _ in seen.scope["headers"] if name == b"sec-websocket-protocol"]
    assert seen.scope["subprotocols"] == []


@pytest.mark.parametrize(
    ("entries", "chosen", "answered"),
    [
        ((NAME,), None, NAME),
        ((), None, None),
        (("chat", NAME), "chat", "chat"),
        ((NAME, "chat"), "chat", "chat"),
    ],
)
def test_the_name_is_answered_with_where_it_was_offered_and_the_app_chooses_none(
    server: ResourceServer, issuer: LocalIssuer, entries: tuple[str, ...], chosen: str | None,
    answered: str | None,
) -> None:  # fmt: skip
    """A browser that offered something hangs up unless one of it is chosen (RFC 6455 4.1)."""
    [accepted] = offering(server, Seen(chosen), *entries, f"{NAME}.{issuer.token()}")
    assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", answered)


@pytest.mark.parametrize(
    ("entries", "headers", "status"),
    [
        ((NAME,), [], 401),
        ((f"{NAME}.",), [], 400),
        ((f"{NAME}.not a token",), [], 400),
        ((f"{NAME}.no.good.token",), [], 401),
        ((f"{NAME}.a", f"{NAME}.b"), [], 400),
        ((f"{NAME}.a",), bearer("a"), 400),
        ((f"{NAME}.\xff",), [], 400),
        ((f"{NAME.upper()}.GOOD",), bearer("a"), 400),
        (("chat.GOOD",), [], 401),
    ],
)
def test_what_is_no_one_good_token_is_refused(
    server: ResourceServer, issuer: LocalIssuer, entries: tuple[str, ...], headers: Any, status: int
) -> None:
    """As from the Authorization header, and two tokens are two wherever they stand."""
    seen = Seen()
    good = [entry.replace("GOOD", issuer.token()) for entry in entries]
    sent = offering(server, seen, *good, headers=headers)
    assert read_refusal(answer_of(sent, "websocket.")).status == status
    assert not seen.scope


def test_it_is_off_by_default(server: ResourceServer, issuer: LocalIssuer) -> None:
    """A subprotocol is no credential unless somebody said so."""
    seen = Seen()
    sent = offering(server, seen, NAME, f"{NAME}.{issuer.token()}", websocket_subprotocol=None)
    assert read_refusal(answer_of(sent, "websocket.")).status == 401


def test_on_http_it_is_no_credential(server: ResourceServer, issuer: LocalIssuer) -> None:
    """The header means nothing there."""
    app = AccessTokenMiddleware(Seen(), resource_server=server, websocket_subprotocol=NAME)
    header = (b"sec-websocket-protocol", f"{NAME}.{issuer.token()}".encode())
    assert refusal(app, [header]).status == 401


def test_on_a_public_path_it_is_taken_away_all_the_same(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """No credential is read there, and none is shown to the app."""
    token, seen = issuer.token(), Seen()
    offering(server, seen, f"{NAME}.{token}", public={"/"})
    assert token not in repr(seen.scope)
    assert not seen.scope["user"].is_authenticated


@pytest.mark.parametrize("name", ["", "a b", "a,b", "ä", 'a"', 3, True])
def test_a_name_that_no_browser_can_send_is_refused(server: ResourceServer, name: Any) -> None:
    """A subprotocol is a token of RFC 9110 section 5.6.2."""
    app = AccessTokenMiddleware(Seen(), resource_server=server, websocket_subprotocol=name)
    with pytest.raises(ConfigurationError, match='websocket_subprotocol: give a name such as "acc'):
        asyncio.run(sent_by(app, websocket_scope(), CONNECT))


async def _over_a_real_server(server: ResourceServer, issuer: LocalIssuer) -> None:
    async def greet(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.send_text(principal_of(websocket).subject)
        await websocket.close()

    app = app_of(server, WebSocketRoute("/", greet), websocket_subprotocol=NAME)
    async with serving(app) as port:
        offered = [Subprotocol(NAME), Subprotocol(f"{NAME}.{issuer.token(subject='ada')}")]
        async with connect(f"ws://127.0.0.1:{port}/", subprotocols=offered) as client:
            assert (client.subprotocol, await client.recv()) == (NAME, "ada")
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{port}/", subprotocols=offered[:1]):
                pass
        assert refused.value.response.status_code == 401


def test_over_a_real_server_the_client_gets_its_subprotocol(
    server: ResourceServer, issuer: LocalIssuer, log: pytest.LogCaptureFixture
) -> None:
    """uvicorn and a client of another make agree, and nothing that is logged holds the token."""
    logging.getLogger("uvicorn").setLevel(logging.INFO)  # at DEBUG it prints what it receives
    asyncio.run(_over_a_real_server(server, issuer))
    assert issuer.token().split(".")[0] not in logged(log) + log.text


# --- the end of a token ---------------------------------------------------------------------------


async def echo(websocket: WebSocket) -> None:
    """Says whatever it hears, until somebody hangs up."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text(await websocket.receive_text())
    except WebSocketDisconnect as gone:
        websocket.app.state.codes.append(gone.code)


async def shout(websocket: WebSocket) -> None:
    """Says what it has to say and never listens."""
    await websocket.accept()
    for number in range(1_000):
        await websocket.send_text(str(number))
        await asyncio.sleep(0)


@pytest.fixture
def echoing(server: ResourceServer) -> Starlette:
    app = app_of(server, WebSocketRoute("/", echo), WebSocketRoute("/shout", shout))
    app.state.codes = []
    return app


def _headers(issuer: LocalIssuer) -> dict[str, str]:
    return issuer.headers(lifetime=SHORT)


def test_what_comes_after_the_token_expired_is_not_delivered(
    echoing: Starlette, issuer: LocalIssuer, clock: Clock
) -> None:
    """The client is told 1008, the app that it is gone."""
    with TestClient(echoing).websocket_connect("/", headers=_headers(issuer)) as client:
        client.send_text("in time")
        assert client.receive_text() == "in time"
        clock.now += SHORT + 9.5  # within the leeway
        client.send_text("in time")
        assert client.receive_text() == "in time"
        clock.now += 0.5
        client.send_text("too late")
        with pytest.raises(WebSocketDisconnect) as closed:
            client.receive_text()
    assert closed.value.code == 1008
    assert echoing.state.codes == [1008]


def test_an_app_that_only_sends_is_stopped(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Nothing is sent after the end, and the app's end is no error of the server's."""
    token = issuer.token(lifetime=SHORT)
    until = server.clock() + SHORT + 10
    ticking = iter(range(10_000))
    object.__setattr__(server, "clock", lambda: until - 20 + next(ticking))
    app = app_of(server, WebSocketRoute("/", shout))
    sent = asyncio.run(sent_by(app, websocket_scope(bearer(token)), CONNECT))
    kinds = [message["type"] for message in sent]
    assert kinds[0] == "websocket.accept"
    assert kinds[-1] == "websocket.close"
    assert 2 < len(kinds) < 22
    assert set(kinds[1:-1]) == {"websocket.send"}
    assert sent[-1]["code"] == 1008


async def _silent(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> tuple[int, list[int]]:
    app = app_of(server, WebSocketRoute("/", echo))
    app.state.codes = []
    token = issuer.token(lifetime=1)
    clock.now += 10.95
    async with serving(app) as port:
        headers = {"Authorization": f"Bearer {token}"}
        async with connect(f"ws://127.0.0.1:{port}/", additional_headers=headers) as client:
            clock.now += 0.1
            with pytest.raises(ConnectionClosed):
                await client.recv()
            assert client.close_code is not None
            return client.close_code, app.state.codes


def test_a_silent_socket_is_closed_too(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> None:
    """On a real server, without anybody sending anything."""
    assert asyncio.run(_silent(server, issuer, clock)) == (1008, [1008])


def test_it_can_be_left_open(server: ResourceServer, issuer: LocalIssuer, clock: Clock) -> None:
    """`close_at_expiry=False`: the token was good when the socket was opened, and that is all."""
    app = app_of(server, WebSocketRoute("/", echo), close_at_expiry=False)
    app.state.codes = []
    with TestClient(app).websocket_connect("/", headers=_headers(issuer)) as client:
        clock.now += 3_600
        client.send_text("still here")
        assert client.receive_text() == "still here"


def test_a_problem_of_the_app_stays_the_app_s(server: ResourceServer, issuer: LocalIssuer) -> None:
    """It is raised as it is, not in a group, and cancelled is cancelled."""

    async def broken(websocket: WebSocket) -> None:
        await websocket.accept()
        raise LookupError("of the app")

    async def stuck(websocket: WebSocket) -> None:
        await asyncio.Event().wait()

    headers = bearer(issuer.token())
    app = app_of(server, WebSocketRoute("/", broken), WebSocketRoute("/stuck", stuck))
    with pytest.raises(LookupError, match="of the app"):
        asyncio.run(sent_by(app, websocket_scope(headers), CONNECT))

    async def cancelled() -> None:
        task = asyncio.create_task(sent_by(app, websocket_scope(headers, path="/stuck"), CONNECT))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(cancelled())


def test_a_client_that_leaves_first_is_not_closed_again(
    echoing: Starlette, issuer: LocalIssuer, clock: Clock
) -> None:
    """After a disconnect nothing more is sent, expired or not."""
    scope = websocket_scope(
        [(b"authorization", b"Bearer " + issuer.token(lifetime=SHORT).encode())]
    )
    leave = {"type": "websocket.disconnect", "code": 1001}
    sent = asyncio.run(sent_by(echoing, scope, CONNECT, leave))
    assert [message["type"] for message in sent] == ["websocket.accept"]
    assert echoing.state.codes == [1001]
