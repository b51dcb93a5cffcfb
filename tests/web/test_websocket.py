"""WebSockets: judged before they are accepted, refused by a denial response or by close code 1008."""

import asyncio
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from atjwt import InvalidToken, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware, Receive, Scope, Send
from atjwt.starlette import principal_of
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Clock,
    Refusal,
    answer_of,
    app_of,
    bearer,
    read_refusal,
    sent_by,
    serving,
    websocket_scope,
)

CONNECT = {"type": "websocket.connect"}
LEAVE = {"type": "websocket.disconnect", "code": 1000}
WITHOUT_DENIAL: list[dict[str, Any]] = [
    {"extensions": {}},
    {"extensions": None},
    {"extensions": {"tls": {}}},
]


async def greet(websocket: WebSocket) -> None:
    """An endpoint that says who is calling."""
    await websocket.accept()
    await websocket.send_text(principal_of(websocket).subject)
    await websocket.close()


@pytest.fixture
def app(server: ResourceServer) -> Starlette:
    return app_of(server, WebSocketRoute("/", greet))


def _bare(server: ResourceServer, **settings: Any) -> AccessTokenMiddleware:
    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})

    return AccessTokenMiddleware(inner, resource_server=server, **settings)


def _denial(app: Any, headers: list[tuple[bytes, bytes]]) -> Refusal:
    sent = asyncio.run(sent_by(app, websocket_scope(headers), CONNECT))
    return read_refusal(answer_of(sent, "websocket."))


def test_with_a_good_token_it_is_accepted(app: Starlette, issuer: LocalIssuer) -> None:
    """The endpoint knows who is calling, as it does on HTTP."""
    with TestClient(app).websocket_connect("/", headers=issuer.headers(subject="ada")) as websocket:
        assert websocket.receive_text() == "ada"


@pytest.mark.parametrize(
    ("reason", "status", "error"),
    [
        (None, 401, None),
        (Reason.EXPIRED, 401, "invalid_token"),
        (Reason.INVALID_SIGNATURE, 401, "invalid_token"),
        (Reason.WRONG_AUDIENCE, 401, "invalid_token"),
        (Reason.MALFORMED_CREDENTIALS, 400, "invalid_request"),
        (Reason.OPAQUE_TOKEN, 401, "invalid_token"),
    ],
)
def test_a_denial_is_the_same_answer_as_on_http(
    server: ResourceServer, issuer: LocalIssuer, reason: Reason | None, status: int,
    error: str | None,
) -> None:  # fmt: skip
    """Status, challenge and body, where the server offers the extension; the app is not reached."""
    told = _denial(_bare(server), bearer(issuer.broken(reason)) if reason else [])
    assert (told.status, told.error, told.realm) == (status, error, API)


def test_two_credentials_are_denied(server: ResourceServer, issuer: LocalIssuer) -> None:
    """With 400, as on HTTP."""
    assert _denial(_bare(server), bearer(issuer.token()) * 2).status == 400


@pytest.mark.parametrize("members", WITHOUT_DENIAL)
@pytest.mark.parametrize("reason", [None, Reason.EXPIRED, Reason.MALFORMED_CREDENTIALS])
def test_where_a_denial_cannot_be_sent_it_is_closed_before_it_is_accepted(
    server: ResourceServer, issuer: LocalIssuer, members: dict[str, Any], reason: Reason | None
) -> None:
    """Close code 1008, policy violation; a server makes 403 of it."""
    scope = websocket_scope(bearer(issuer.broken(reason)) if reason else [], **members)
    sent = asyncio.run(sent_by(_bare(server), scope, CONNECT))
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


def test_a_scope_without_extensions_is_closed(server: ResourceServer) -> None:
    """The member may be missing altogether (ASGI)."""
    scope = websocket_scope()
    del scope["extensions"]
    assert asyncio.run(sent_by(_bare(server), scope, CONNECT))[0]["code"] == 1008


def test_while_keys_cannot_be_had_it_is_denied_with_503(issuer: LocalIssuer, clock: Clock) -> None:
    """With `Retry-After`, so that a client comes back and keeps its token."""
    issuer.faults.set(down=True)
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], clock=clock, fetch=issuer.fetch
    )
    told = _denial(_bare(server), bearer(issuer.token()))
    assert (told.status, told.retry_after) == (503, 1)


@pytest.mark.parametrize("name", [b"sec-websocket-protocol", b"cookie", b"sec-websocket-key"])
def test_no_other_header_carries_a_token(
    server: ResourceServer, issuer: LocalIssuer, name: bytes
) -> None:
    """Browsers cannot set `Authorization`; what people do instead is not read."""
    token = issuer.token()
    headers = [(name, f"bearer, {token}".encode()), (name, f"access_token={token}".encode())]
    scope = websocket_scope(
        headers, query_string=f"access_token={token}".encode(), subprotocols=["bearer", token]
    )
    sent = asyncio.run(sent_by(_bare(server), scope, CONNECT))
    assert read_refusal(answer_of(sent, "websocket.")).error is None


def test_where_nothing_is_required_a_bad_token_still_never_passes(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """`required=False` on WebSockets is what it is on HTTP."""
    app = _bare(server, required=False)
    assert asyncio.run(sent_by(app, websocket_scope(), CONNECT))[0]["type"] == "websocket.accept"
    assert _denial(app, bearer(issuer.broken(Reason.EXPIRED))).status == 401


def test_an_origin_and_a_requested_method_make_no_preflight(server: ResourceServer) -> None:
    """A handshake is a GET whatever its headers say."""
    headers = [(b"origin", b"https://a.test"), (b"access-control-request-method", b"GET")]
    assert _denial(_bare(server, allow_preflight=True), headers).status == 401


def test_an_auth_error_before_the_handshake_denies(server: ResourceServer) -> None:
    """Of an endpoint that asks for the caller where there need be none."""
    optional = app_of(server, WebSocketRoute("/", _asks_first), required=False)
    assert _denial(optional, []).error is None


async def _asks_first(websocket: WebSocket) -> None:
    principal_of(websocket)


def test_an_auth_error_after_the_handshake_passes(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """There is no status any more; the server closes the connection."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        raise InvalidToken(Reason.EXPIRED)

    app = AccessTokenMiddleware(inner, resource_server=server)
    with pytest.raises(InvalidToken):
        asyncio.run(sent_by(app, websocket_scope(bearer(issuer.token())), CONNECT))


def test_the_test_client_shows_a_denial_as_a_response(app: Starlette) -> None:
    """What users see in their own tests: a response with status and challenge."""
    with (
        pytest.raises(WebSocketDenialResponse) as denied,
        TestClient(app).websocket_connect("/"),
    ):
        pass
    assert denied.value.status_code == 401
    assert denied.value.headers["www-authenticate"] == f'Bearer realm="{API}"'


def test_an_unknown_path_tells_a_stranger_nothing(app: Starlette, issuer: LocalIssuer) -> None:
    """Without a token 401 everywhere; with one, what Starlette says of a path that is not there."""
    client = TestClient(app)
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/nowhere"):
        pass
    with (
        pytest.raises(WebSocketDisconnect) as gone,
        client.websocket_connect("/nowhere", headers=issuer.headers()),
    ):
        pass
    assert not isinstance(gone.value, WebSocketDenialResponse)


def test_over_a_real_server_and_a_real_client(app: Starlette, issuer: LocalIssuer) -> None:
    """uvicorn and websockets: a real 401 with its challenge, and a real conversation."""

    async def conversation() -> tuple[Any, str | bytes]:
        async with serving(app) as port:
            url = f"ws://127.0.0.1:{port}/"
            with pytest.raises(InvalidStatus) as refused:
                await connect(url, proxy=None)
            headers = issuer.headers(subject="ada")
            async with connect(url, proxy=None, additional_headers=headers) as websocket:
                return refused.value.response, await websocket.recv()

    response, heard = asyncio.run(conversation())
    assert heard == "ada"
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == f'Bearer realm="{API}"'
    assert response.headers["cache-control"] == "no-store"
    assert b"An access token is required." in response.body
