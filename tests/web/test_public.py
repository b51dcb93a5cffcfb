"""Public paths: exact, after `root_path`, and never a way to any other route.

The yardstick is Starlette itself: what we let through without a token must be routed to the public
route and to nothing else, however the path is spelt.
"""

import asyncio
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware, ASGIApp
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    app_of,
    ask,
    bearer,
    reached,
    refusal,
    sent_by,
    serving,
    trusting,
    websocket_scope,
)

PUBLIC = {"/health", "/docs/", "/a b", "/é"}


def _named(name: str, path: str) -> Route:
    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(name)

    return Route(path, endpoint, methods=["GET", "POST"])


def _routes() -> list[Route]:
    return [
        *(_named("public", path) for path in sorted(PUBLIC)),
        _named("secret", "/docs"),
        _named("secret", "/health/"),
        _named("secret", "/api/health"),
        _named("secret", "/{rest:path}"),
    ]


def _server() -> ResourceServer:
    issuer = LocalIssuer(algorithm="ES256", audience=API)
    return ResourceServer(audience=API, issuers=[trusting(issuer)])


SERVER = _server()
GUARD = Middleware(AccessTokenMiddleware, resource_server=SERVER, public=PUBLIC)
GUARDED = Starlette(routes=_routes(), middleware=[GUARD])
OPEN = Starlette(routes=_routes())
GUARDED_MOUNT = Starlette(routes=[Mount("/api", routes=_routes(), middleware=[GUARD])])
OPEN_MOUNT = Starlette(routes=[Mount("/api", routes=_routes())])

_PIECES = [
    "/", "/", "//", "health", "/health", "Health", "HEALTH", "docs", "/docs/", "/a b", "/é", "/e\u0301",
    "api", "/api", ".", "..", "/../health", "/./health", ";a=b", ";", "?", "?x=/health", "#", "#/health",
    "%2F", "%2f", "%68ealth", "%00", "\\", "\x00", " ", "\t", "\u2024", "*", "{rest}", "http://h/health",
]  # fmt: skip
_PATHS = st.lists(st.sampled_from(_PIECES), min_size=1, max_size=4).map("".join)
_ROOTS = st.sampled_from(["", "", "/", "/api", "/api/", "/ap", "/health", "/é", "api"])


@settings(max_examples=400, deadline=None)
@given(path=_PATHS, root_path=_ROOTS)
@example(path="/api/health", root_path="/api")
@example(path="/api/health", root_path="/ap")
@example(path="/health", root_path="/health")
@example(path="/health/health", root_path="/health")
def test_what_is_public_for_us_is_routed_to_the_public_route(path: str, root_path: str) -> None:
    """A request without a token gets exactly what Starlette would route to a public route."""
    members: dict[str, Any] = {"path": path, "root_path": root_path}
    routed, answer = ask(OPEN, **members), ask(GUARDED, **members)
    assert (answer.status == 401) == (routed.body != b"public")
    assert answer.status == 401 or answer == routed


@settings(max_examples=200, deadline=None)
@given(path=_PATHS, root_path=st.sampled_from(["", "", "/api", "/health"]))
@example(path="/api/health", root_path="")
@example(path="/api/api/health", root_path="")
@example(path="/api/health", root_path="/api")
@example(path="/health", root_path="/api")
def test_under_a_mount_the_path_is_that_after_the_mount(path: str, root_path: str) -> None:
    """A middleware on a mount compares what Starlette compares there."""
    members: dict[str, Any] = {"path": f"/api{path}", "root_path": root_path}
    routed, answer = ask(OPEN_MOUNT, **members), ask(GUARDED_MOUNT, **members)
    assert (answer.status == 401) == (routed.body == b"secret")
    assert answer.status == 401 or answer == routed


def test_a_line_feed_after_a_public_path_is_not_public() -> None:
    """Starlette's patterns end before one; ours do not."""
    assert ask(OPEN, path="/health\n").text == "public"
    assert refusal(GUARDED, path="/health\n").status == 401


@pytest.mark.parametrize(
    "path",
    [
        "/health/", "//health", "/health//", "/Health", "/HEALTH", "/health;a=b", "/health;", "/healt",
        "/healthz", "/./health", "/x/../health", "/health/..", "/health%20", "/health ", "/%68ealth",
        "/health?", "/health?x", "/health#", "health", "", "*", "http://api.example.com/health",
        "/health\x00", "/docs", "/docs/index.html", "/docs//", "/docs/../secret", "/\u0065\u0301",
    ],
)  # fmt: skip
def test_nothing_near_a_public_path_is_public(path: str) -> None:
    """No prefixes, no case folding, no normalization: one code point more and it is another path."""
    assert refusal(GUARDED, path=path).status == 401


@pytest.mark.parametrize(
    "headers",
    [
        [(b"host", b"api.example.com/health?")],
        [(b"host", b"api.example.com/health#")],
        [(b"host", b"x:1/health")],
        [(b"host", b"")],
        [(b"host", b"a"), (b"host", b"b/health")],
        [(b"x-forwarded-prefix", b"/health"), (b"x-forwarded-path", b"/health")],
        [(b"x-original-uri", b"/health"), (b"x-forwarded-uri", b"/health")],
    ],
)
def test_no_header_decides_the_path(headers: list[tuple[bytes, bytes]]) -> None:
    """Neither `Host`, from which Starlette builds `request.url`, nor what a proxy might add."""
    assert refusal(GUARDED, headers, path="/secret").status == 401
    assert ask(GUARDED, headers, path="/health").text == "public"


def test_a_query_string_changes_nothing() -> None:
    """In either direction."""
    assert ask(GUARDED, path="/health", query_string=b"next=/secret&x=%2e%2e").text == "public"
    assert refusal(GUARDED, path="/secret", query_string=b"/health").status == 401


def test_the_raw_path_changes_nothing() -> None:
    """Only `path` is compared, which is what routes."""
    assert refusal(GUARDED, path="/secret", raw_path=b"/health").status == 401
    assert ask(GUARDED, path="/health", raw_path=b"/%68ealth").text == "public"


def test_on_a_public_path_no_credential_is_read(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """A bad token is not refused there, and a good one authenticates nobody."""

    async def endpoint(request: Request) -> Response:
        return PlainTextResponse(f"{request.user.is_authenticated} {request.auth.scopes}")

    app = app_of(server, Route("/health", endpoint), public=["/health"])
    for headers in ([], bearer("junk"), bearer(issuer.token()), bearer("a") * 2):
        assert ask(app, headers, path="/health").text == "False []"


def test_a_public_path_needs_no_keys(issuer: LocalIssuer) -> None:
    """A health check answers while the issuer is down, and asks it for nothing."""
    issuer.faults.set(down=True)
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], fetch=issuer.fetch
    )
    app = AccessTokenMiddleware(reached, resource_server=server, public={"/health"})
    assert ask(app, bearer(issuer.token()), path="/health").text == "reached"
    assert issuer.requests.total() == 0


def test_a_public_websocket_needs_no_token(server: ResourceServer) -> None:
    """A path is public for HTTP and WebSocket alike; its neighbour is for neither."""

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close()

    routes = [WebSocketRoute("/feed", endpoint), WebSocketRoute("/feeds", endpoint)]
    app = app_of(server, *routes, public={"/feed"})
    connect = {"type": "websocket.connect"}
    sent = asyncio.run(sent_by(app, websocket_scope(path="/feed"), connect))
    assert sent[0]["type"] == "websocket.accept"
    sent = asyncio.run(sent_by(app, websocket_scope(path="/feeds"), connect))
    assert sent[0]["type"] == "websocket.http.response.start"


async def _status_lines(app: ASGIApp, targets: list[bytes], root_path: str) -> list[int]:
    found = []
    async with serving(app, root_path=root_path) as port:
        for target in targets:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                b"GET " + target + b" HTTP/1.1\r\nHost: h/health\r\nConnection: close\r\n\r\n"
            )
            answer = await reader.read()
            writer.close()
            await writer.wait_closed()
            found.append(int(answer.split(b" ", 2)[1]))
    return found


@pytest.mark.parametrize("root_path", ["", "/v1"])
def test_over_a_real_server_every_spelling_is_judged_by_the_decoded_path(root_path: str) -> None:
    """uvicorn decodes the target once and prefixes `root_path`; only the very path is public."""
    public = [
        b"/health",
        b"/health?a=b",
        b"/%68ealth",
        b"/a%20b",
        b"/%C3%A9",
        b"/docs/",
        b"/docs%2F",
    ]
    guarded = [
        b"/secret", b"//health", b"/health/", b"/%2Fhealth", b"/health%2F", b"/health%3F", b"/health;a",
        b"/HEALTH", b"/./health", b"/secret/../health", b"/%2e/health", b"/secret%2f..%2fhealth",
        b"/%2568ealth", b"/health%00", b"/health%0A", b"/health%23", b"http://h/health", b"*",
        b"//h/health", b"/secret?/health", b"/v1/health", b"/docs", b"/%FF",
    ]  # fmt: skip
    statuses = asyncio.run(_status_lines(GUARDED, [*public, *guarded], root_path))
    assert statuses == [200] * len(public) + [401] * len(guarded)
