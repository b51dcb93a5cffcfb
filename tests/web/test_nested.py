"""Guards in nested apps, and what is told of a refusal wherever it comes from."""

import dataclasses
import logging
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, Router, WebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket

from atjwt import (
    AUTH0,
    RFC9068,
    ConfigurationError,
    InsufficientScope,
    Reason,
    ResourceServer,
    TrustedIssuer,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import AccessDenied, Event, TokenRefused, fingerprint
from atjwt.starlette import RequiresMiddleware, principal_of, requires
from atjwt.testing import LocalIssuer


@requires(scopes=["read:orders"])
async def by_function(request: Request) -> Response:
    return PlainTextResponse("in")


@requires(scopes=["read:orders"])
def by_sync_function(request: Request) -> Response:
    return PlainTextResponse("in")


@requires(scopes=["read:orders"])
class ByClass(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse("in")


@requires(scopes=["read:orders"])
async def by_socket(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


def _inner(**settings: Any) -> Starlette:
    routes = [
        Route("/function", by_function), Route("/sync", by_sync_function),
        Route("/class", ByClass), WebSocketRoute("/socket", by_socket),
    ]  # fmt: skip
    return Starlette(debug=True, routes=routes, **settings)


def _outer(server: ResourceServer, inner: Any, *, required: bool = True) -> Starlette:
    guard = Middleware(AccessTokenMiddleware, resource_server=server, required=required)
    return Starlette(routes=[Mount("/sub", app=inner)], middleware=[guard])


@pytest.mark.parametrize("path", ["/sub/function", "/sub/sync", "/sub/class"])
@pytest.mark.parametrize("required", [True, False])
def test_a_guard_in_a_nested_app_answers(
    server: ResourceServer, issuer: LocalIssuer, path: str, *, required: bool
) -> None:
    """Its refusal is a 403 or 401 with a challenge, and no 500 of the inner app."""
    with TestClient(_outer(server, _inner(), required=required)) as client:
        assert client.get(path, headers=issuer.headers(scopes=["read:orders"])).text == "in"
        refused = client.get(path, headers=issuer.headers(scopes=["read:menus"]))
        assert refused.status_code == 403
        assert 'scope="read:orders"' in refused.headers["www-authenticate"]
        assert client.get(path).status_code == 401


def test_a_guarded_socket_in_a_nested_app_is_denied(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Before it is accepted, with the same challenge."""
    with TestClient(_outer(server, _inner())) as client:
        with client.websocket_connect(
            "/sub/socket", headers=issuer.headers(scopes=["read:orders"])
        ):
            pass
        with (
            pytest.raises(WebSocketDenialResponse) as denied,
            client.websocket_connect("/sub/socket", headers=issuer.headers(scopes=["x"])),
        ):
            raise AssertionError
        assert denied.value.status_code == 403


def test_a_guard_around_a_nested_app_answers(server: ResourceServer, issuer: LocalIssuer) -> None:
    """`RequiresMiddleware` among the middleware of an app that is mounted."""
    inner = _inner(middleware=[Middleware(RequiresMiddleware, scopes=["admin"])])
    with TestClient(_outer(server, inner)) as client:
        headers = issuer.headers(scopes=["read:orders"])
        assert client.get("/sub/function", headers=headers).status_code == 403


def test_an_app_that_handles_such_errors_is_asked(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Its own handler makes the answer, as for any error of its own."""

    async def handler(request: Request, error: Exception) -> Response:
        return PlainTextResponse("my own", 418)

    inner = _inner(exception_handlers={InsufficientScope: handler})
    with TestClient(_outer(server, inner)) as client:
        assert client.get("/sub/function", headers=issuer.headers(scopes=["x"])).status_code == 418


def test_a_refusal_stops_whoever_calls_the_endpoint(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """What asks a guarded function and goes on with what it gets does not go on."""
    seen: list[object] = []

    async def caller(request: Request) -> Response:
        seen.append(await by_function(request))
        return Response("went on")

    with TestClient(_outer(server, Starlette(routes=[Route("/", caller)]))) as client:
        answer = client.get("/sub/", headers=issuer.headers(scopes=["x"]))
    assert (seen, answer.status_code) == ([], 403)
    assert answer.json()["error"] == "insufficient_scope"
    assert 'error="insufficient_scope"' in answer.headers["www-authenticate"]


def test_where_no_app_could_answer_a_refusal_is_returned(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """A router alone has nobody who answers what is raised."""
    app = AccessTokenMiddleware(Router([Route("/", by_function)]), resource_server=server)
    answer = TestClient(app).get("/", headers=issuer.headers(scopes=["x"]))
    assert (answer.status_code, answer.json()["error"]) == (403, "insufficient_scope")


def test_of_several_guarded_bases_each_is_asked(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Whatever their order, a subclass needs what each of them needs."""

    @requires(scopes=["read:items"])
    class Reads(HTTPEndpoint):
        pass

    @requires(scopes=["admin"])
    class Admins(HTTPEndpoint):
        pass

    class One(Reads, Admins):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("secret")

    class Other(Admins, Reads):
        async def get(self, request: Request) -> Response:
            return PlainTextResponse("secret")

    inner = Starlette(routes=[Route("/one", One), Route("/other", Other)])
    with TestClient(_outer(server, inner)) as client:
        for path in ("/sub/one", "/sub/other"):
            for scopes in (["read:items"], ["admin"]):
                assert client.get(path, headers=issuer.headers(scopes=scopes)).status_code == 403
            both = issuer.headers(scopes=["read:items", "admin"])
            assert client.get(path, headers=both).text == "secret"


@pytest.mark.parametrize("empty", [(), [], set(), {}.keys()], ids=["()", "[]", "set", "keys"])
def test_names_that_came_out_empty_are_refused(empty: Any) -> None:
    """An empty setting must not let in every authenticated caller."""
    with pytest.raises(ConfigurationError, match="give a list of names, or leave scopes out"):
        requires(scopes=empty)


def test_a_forgotten_pair_of_parentheses_is_told() -> None:
    """`@requires` without a call."""
    with pytest.raises(ConfigurationError, match="with parentheses"):
        requires(by_function)  # type: ignore[arg-type]


def test_a_denied_request_can_be_found_by_its_token(
    server: ResourceServer,
    issuer: LocalIssuer,
    events: list[Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """The log line of a 403 has the token's fingerprint, its issuer and the path."""
    caplog.set_level(logging.INFO, "atjwt")
    token = issuer.token(scopes=["x"])
    with TestClient(_outer(server, _inner())) as client:
        client.get("/sub/function", headers={"authorization": f"Bearer {token}"})
    mark = fingerprint(token.encode())
    (line,) = [record.getMessage() for record in caplog.records if record.name == "atjwt"]
    assert f"token={mark} issuer={issuer.issuer}" in line
    assert "path='/sub/function'" in line
    assert [event.fingerprint for event in events if isinstance(event, AccessDenied)] == [mark]


def test_a_refused_token_is_told_once(
    server: ResourceServer, issuer: LocalIssuer, events: list[Event]
) -> None:
    """By the resource server that judged it, and not again by the middleware that answers."""
    with TestClient(_outer(server, _inner())) as client:
        client.get(
            "/sub/function", headers={"authorization": f"Bearer {issuer.broken(Reason.EXPIRED)}"}
        )
    told = [event for event in events if isinstance(event, TokenRefused)]
    assert [event.reason for event in told] == [Reason.EXPIRED]


def test_a_refusal_by_the_app_itself_is_told_once(
    server: ResourceServer, events: list[Event]
) -> None:
    """`principal_of` where nothing was sent: one event, like any other refusal."""

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(principal_of(request).subject)

    guard = Middleware(AccessTokenMiddleware, resource_server=server, required=False)
    with TestClient(Starlette(routes=[Route("/", endpoint)], middleware=[guard])) as client:
        assert client.get("/").status_code == 401
        assert client.get("/", headers={"authorization": "Basic dTpw"}).status_code == 401
    told = [event for event in events if isinstance(event, TokenRefused)]
    assert [event.reason for event in told] == [Reason.MISSING_TOKEN] * 2


def test_narrowing_profiles_by_replace_keeps_the_rest() -> None:
    """Pinned keys stay pinned, and a tenant stays a tenant."""
    keys = LocalIssuer().jwks()
    pinned = TrustedIssuer("https://a.example/", jwks=keys, profiles={AUTH0, RFC9068})
    assert dataclasses.replace(pinned, profiles={RFC9068}).static_keys is pinned.static_keys
    tenant = TrustedIssuer.auth0("login.example.com")
    assert dataclasses.replace(tenant, profiles={RFC9068}).is_auth0
    shared = TrustedIssuer("https://a.example/", secret="test-only " * 4)
    assert dataclasses.replace(shared, tenant="a").static_keys is shared.static_keys
