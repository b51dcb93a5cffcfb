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


def take_tokens(scope: Scope, name: str) -> tuple[list[bytes], bool]:
    """Takes the entries with a token out of a WebSocket's subprotocols, and the one that names them.

    Returns the tokens, and whether `name` itself was offered, to be answered with.
    """
    mark = f"{name}."
    offered = [
        entry.strip()
        for header, value in scope["headers"]
        if header == _HEADER
        for entry in value.decode("latin-1").split(",")
    ]
    left = [entry for entry in offered if entry != name and not entry.startswith(mark)]
    scope["subprotocols"] = left
    scope["headers"] = [pair for pair in scope["headers"] if pair[0] != _HEADER]
    if left:
        scope["headers"].append((_HEADER, ", ".join(left).encode("latin-1")))
    tokens = [entry[len(mark) :] for entry in offered if entry.startswith(mark)]
    return [token.encode("latin-1") for token in tokens], name in offered


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
    closed = over = False

    async def close() -> None:
        nonlocal closed, over
        if not closed:
            closed = over = True
            with suppress(OSError, RuntimeError):  # the other end may be gone already
                await send(_CLOSE)

    async def receiving() -> Message:
        nonlocal closed
        message = await receive()
        if message["type"] == "websocket.receive" and clock() >= until:
            await close()
            return {"type": "websocket.disconnect", "code": 1008, "reason": _CLOSE["reason"]}
        closed = closed or message["type"] == "websocket.disconnect"
        return message

    async def sending(message: Message) -> None:
        nonlocal closed
        if clock() >= until:
            await close()
        if over:
            raise OSError("the socket is closed: its access token expired")
        closed = closed or message["type"] == "websocket.close"
        await send(message)

    async def watch() -> None:
        while (left := until - clock()) > 0:  # noqa: ASYNC110 - it is a time that is waited for
            await anyio.sleep(min(left, _LONGEST_NAP))
        await close()

    problem: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(watch)
        try:
            await app(scope, receiving, sending)
        except Exception as error:  # noqa: BLE001 - raised again below, not in a group of one
            problem = error
        group.cancel_scope.cancel()
    if problem is not None and not (over and isinstance(problem, OSError | WebSocketDisconnect)):
        raise problem
