"""A WebSocket for browsers, which cannot set headers: the token goes along in one of two other ways.

/updates   as a subprotocol. The middleware takes it out before the app sees it, and closes the socket
           when the token expires:

               new WebSocket("wss://…/updates", ["access-token", `access-token.${token}`])

/chat      as the first message. The path is public and the endpoint verifies by itself:

               socket.onopen = () => socket.send(token)

Serves both on this machine, connects as a browser would, and stops:

    .venv/bin/python examples/06_browser_websocket.py
"""

import asyncio
import socket

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Subprotocol

from atjwt import AuthError, ResourceServer, TrustedIssuer, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import principal_of, public, requires
from atjwt.testing import LocalIssuer

issuer = LocalIssuer(issuer="https://tenant.eu.auth0.com/")
resource_server = ResourceServer(
    audience=issuer.audience,
    issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")],
    fetch=issuer.fetch,  # leave this out, and the tenant's keys are fetched
)


@requires(scopes=["read:orders"])
async def updates(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"for {principal_of(websocket).subject}: order 7 was packed")
    await websocket.close()


@public
async def chat(websocket: WebSocket) -> None:
    await websocket.accept()
    try:
        token = await asyncio.wait_for(websocket.receive_text(), timeout=5)
        who = resource_server.authorize(
            await resource_server.verify(token), has_scope("read:orders")
        )
    except (AuthError, TimeoutError):
        await websocket.close(1008)
        return
    await websocket.send_text(f"hello {who.subject}")
    await websocket.close()


app = Starlette(
    routes=[WebSocketRoute("/updates", updates), WebSocketRoute("/chat", chat)],
    middleware=[
        Middleware(
            AccessTokenMiddleware,
            resource_server=resource_server,
            websocket_subprotocol="access-token",
            public={"/chat"},
        )
    ],
)


async def browse(address: str) -> None:
    token = issuer.token(scopes=["read:orders"])
    offered = [Subprotocol("access-token"), Subprotocol(f"access-token.{token}")]
    async with connect(f"{address}/updates", subprotocols=offered) as client:
        print(
            f"/updates with a token: {await client.recv(decode=True)} (subprotocol {client.subprotocol})"
        )
    try:
        async with connect(f"{address}/updates", subprotocols=offered[:1]):
            pass
    except InvalidStatus as refused:
        print(f"/updates without one: {refused.response.status_code}")
    async with connect(f"{address}/chat") as client:
        await client.send(token)
        print(f"/chat with a token: {await client.recv(decode=True)}")
    async with connect(f"{address}/chat") as client:
        await client.send("not a token")
        try:
            await client.recv()
        except ConnectionClosed as closed:
            print(f"/chat without one: closed with {closed.rcvd.code if closed.rcvd else '?'}")


async def main() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await browse(f"ws://127.0.0.1:{listener.getsockname()[1]}")
        server.should_exit = True
        await serving


if __name__ == "__main__":
    asyncio.run(main())
