"""FastAPI's guards on WebSockets, as real clients meet them, and with the token as a subprotocol."""

import asyncio
from typing import Annotated

import pytest
from fastapi import FastAPI, WebSocket
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Subprotocol

from atjwt import Principal, ResourceServer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.fastapi import AccessTokenScheme
from atjwt.testing import LocalIssuer
from web.asking import API, Clock, serving, trusting

NAME = "access-token"


def echoing(*servers: ResourceServer) -> FastAPI:
    """An app that greets whoever holds the scope `live`, at a path for each resource server."""
    app = FastAPI()
    for number, server in enumerate(servers):
        auth = AccessTokenScheme(server)

        @app.websocket(f"/{number}")
        async def socket(
            websocket: WebSocket, who: Annotated[Principal, auth.requires(scopes=["live"])]
        ) -> None:
            await websocket.accept()
            await websocket.send_text(who.subject)
            await websocket.receive_text()

    return app


def test_over_a_real_server_and_a_real_client(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Denied in the handshake, with status and challenge; opened for who holds the scope."""

    async def talk() -> list[object]:
        found: list[object] = []
        async with serving(echoing(server)) as port:
            url = f"ws://127.0.0.1:{port}/0"
            for headers in ({}, {"Authorization": "Bearer a b"}, issuer.headers(scopes=["b"])):
                with pytest.raises(InvalidStatus) as denied:
                    await connect(url, additional_headers=headers, proxy=None)
                answer = denied.value.response
                assert answer.headers["www-authenticate"].startswith(f'Bearer realm="{API}"')
                found.append(answer.status_code)
            good = issuer.headers(scopes=["live"], subject="ada")
            async with connect(url, additional_headers=good, proxy=None) as client:
                found.append(await client.recv())
        return found

    assert asyncio.run(talk()) == [401, 400, 403, "ada"]


def test_a_token_as_a_subprotocol_is_the_middlewares_to_read(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> None:
    """A guard of the same resource server uses what it has verified; one of another finds nothing."""
    other = ResourceServer(audience=API, issuers=[trusting(issuer)], clock=clock)
    app = AccessTokenMiddleware(
        echoing(server, other), resource_server=server, websocket_subprotocol=NAME
    )

    async def talk() -> object:
        async with serving(app) as port:
            offered = [NAME, f"{NAME}.{issuer.token(scopes=['live'], subject='ada')}"]
            subprotocols = [Subprotocol(each) for each in offered]
            url = f"ws://127.0.0.1:{port}"
            with pytest.raises(InvalidStatus) as denied:
                await connect(f"{url}/1", subprotocols=subprotocols, proxy=None)
            assert denied.value.response.status_code == 401
            async with connect(f"{url}/0", subprotocols=subprotocols, proxy=None) as client:
                return await client.recv()

    assert asyncio.run(talk()) == "ada"


def test_behind_the_middleware_a_socket_ends_with_its_token(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> None:
    """The guard opens it, and the middleware closes it with 1008 when the token has expired."""
    app = AccessTokenMiddleware(echoing(server), resource_server=server, required=False)
    headers = issuer.headers(scopes=["live"], lifetime=60)
    with TestClient(app).websocket_connect("/0", headers=headers) as client:
        client.receive_text()
        clock.now += 70  # the leeway is 10 seconds
        client.send_text("too late")
        with pytest.raises(WebSocketDisconnect) as closed:
            client.receive_text()
    assert closed.value.code == 1008
