"""WebSockets: a token where a browser can put one, and the end of a socket with its token.

A browser's `WebSocket` cannot set headers; what it can set is the list of subprotocols (RFC 6455
section 1.9). With `websocket_subprotocol="access-token"` it says

    new WebSocket(url, ["access-token", `access-token.${token}`])

The second entry is taken out before the app, and what logs there, sees it; the first one is what the
server then answers with, unless the app chooses another, since a browser hangs up without an answer.
"""

from collections.abc import Awaitable, Callable
from contextlib import suppress

import anyio
from starlette.websockets import WebSocketDisconnect

from atjwt.messages import ASGIApp, Message, Receive, Scope, Send

_HEADER = b"sec-websocket-protocol"
_CLOSE = {"type": "websocket.close", "code": 1008, "reason": "the access token expired"}
_LONGEST_NAP = 60.0  # seconds; so that a wall clock that is set is noticed


def take_tokens(scope: Scope, name: str) -> tuple[list[bytes], str | None]:
    """Takes the entries with a token out of a WebSocket's subprotocols, and the one that names them.

    Returns the tokens, and the name as the client wrote it, to be answered with; None if it did not.
    """
    mark = f"{name}.".lower()
    offered = [
        entry.strip()
        for header, value in scope["headers"]
        if header == _HEADER
        for entry in value.decode("latin-1").split(",")
    ]
    named = [entry for entry in offered if entry.lower() == name.lower()]
    marked = [entry for entry in offered if entry.lower().startswith(mark)]
    left = [entry for entry in offered if entry not in (*named, *marked)]
    scope["subprotocols"] = left
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != _HEADER]
    if left:
        scope["headers"].append((_HEADER, ", ".join(left).encode("latin-1")))
    tokens = [entry[len(mark) :].encode("latin-1") for entry in marked]
    return tokens, named[0] if named else None


def answering_with(name: str, send: Send) -> Send:
    """Accepts with this subprotocol where the app chooses none."""

    def sending(message: Message) -> Awaitable[None]:
        if message["type"] == "websocket.accept" and not message.get("subprotocol"):
            message = {**message, "subprotocol": name}
        return send(message)

    return sending


async def run_until(
    app: ASGIApp,
    scope: Scope,
    receive: Receive,
    send: Send,
    *,
    until: float,
    clock: Callable[[], float],
) -> None:
    """Runs an app on a WebSocket, and closes the socket with code 1008 when its time is over.

    until: seconds since 1970, by `clock`. After it nothing more passes, in either direction.
    """
    ending = _Ending(receive, send, until, clock)
    problem: BaseException | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(ending.watch)
        try:
            await app(scope, ending.receive, ending.send)
        except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001
            problem = error  # raised again below, not in a group of one
        group.cancel_scope.cancel()
    # An app that is cut off in the middle of a sentence has done nothing wrong.
    cut_off = ending.over and isinstance(problem, _Over | WebSocketDisconnect)
    if problem is not None and not cut_off:
        raise problem


class _Over(OSError):
    """Something was sent after the end."""


class _Ending:
    """A WebSocket that ends at a given time. over: it was ended here."""

    def __init__(
        self, receive: Receive, send: Send, until: float, clock: Callable[[], float]
    ) -> None:
        self._receive, self._send = receive, send
        self._until, self._clock = until, clock
        self._closed = self.over = False

    async def watch(self) -> None:
        """Waits for the end, and closes."""
        while (left := self._until - self._clock()) > 0:  # noqa: ASYNC110 - a time is waited for
            await anyio.sleep(min(left, _LONGEST_NAP))
        await self._close()

    async def receive(self) -> Message:
        """What the client sends; nothing more after the end."""
        message = await self._receive()
        if message["type"] == "websocket.receive" and self._clock() >= self._until:
            await self._close()
            return {"type": "websocket.disconnect", "code": 1008, "reason": _CLOSE["reason"]}
        self._closed = self._closed or message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        """Sends to the client. Raises OSError after the end, as a server does (ASGI 2.4)."""
        if self._clock() >= self._until:
            await self._close()
        if self.over:
            raise _Over("the socket is closed: its access token expired")
        self._closed = self._closed or message["type"] == "websocket.close"
        await self._send(message)

    async def _close(self) -> None:
        if not self._closed:
            self._closed = self.over = True
            with suppress(OSError, RuntimeError):  # the other end may be gone already
                await self._send(_CLOSE)
