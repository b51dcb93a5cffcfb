"""CORS: preflights carry no token, so somebody has to answer them; best CORSMiddleware, outermost."""

import logging

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import ResourceServer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.testing import LocalIssuer
from web.asking import API, Answer, app_of, ask, bearer, logged, reached, refusal, who

ORIGIN = "https://app.example.com"
PREFLIGHT = [
    (b"origin", ORIGIN.encode()),
    (b"access-control-request-method", b"GET"),
    (b"access-control-request-headers", b"authorization"),
]
CORS = Middleware(
    CORSMiddleware,
    allow_origins=[ORIGIN],
    allow_headers=["authorization"],
    expose_headers=["WWW-Authenticate", "Retry-After"],
)


def _app(server: ResourceServer, *, cors_outside: bool) -> Starlette:
    guard = Middleware(AccessTokenMiddleware, resource_server=server)
    order = [CORS, guard] if cors_outside else [guard, CORS]
    return Starlette(routes=[Route("/", who)], middleware=order)


def _preflight(client: TestClient) -> Answer:
    headers = {name.decode(): value.decode() for name, value in PREFLIGHT}
    answer = client.options("/", headers=headers)
    return Answer(answer.status_code, tuple(answer.headers.raw), answer.content)


def test_with_cors_outermost_a_browser_gets_everything_it_needs(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Preflight, refusal and answer, the refusal with a challenge that the page may read."""
    client = TestClient(_app(server, cors_outside=True), headers={"origin": ORIGIN})
    assert _preflight(client).status == 200
    refused = client.get("/")
    assert refused.status_code == 401
    assert refused.headers["access-control-allow-origin"] == ORIGIN
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    assert refused.headers["www-authenticate"] == f'Bearer realm="{API}"'
    answered = client.get("/", headers=issuer.headers())
    assert answered.status_code == 200
    assert answered.headers["access-control-allow-origin"] == ORIGIN


def test_a_foreign_origin_gets_no_help(server: ResourceServer) -> None:
    """The refusal of another origin's page is one that the page cannot read."""
    client = TestClient(_app(server, cors_outside=True), headers={"origin": "https://evil.test"})
    refused = client.get("/")
    assert refused.status_code == 401
    assert "access-control-allow-origin" not in refused.headers


def test_a_refused_preflight_logs_the_fix_once(
    server: ResourceServer, log: pytest.LogCaptureFixture
) -> None:
    """One warning with both remedies, however many preflights come."""
    client = TestClient(_app(server, cors_outside=False))
    for _ in range(3):
        assert _preflight(client).status == 401
    warnings = [record for record in log.records if record.levelno >= logging.WARNING]
    (warning,) = [record.getMessage() for record in warnings]
    assert "put CORSMiddleware outside AccessTokenMiddleware" in warning
    assert "allow_preflight=True" in warning


def test_other_refusals_log_no_advice_about_cors(
    server: ResourceServer, log: pytest.LogCaptureFixture
) -> None:
    """An `OPTIONS` that is no preflight, a GET, a preflight that was let through."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    refusal(app, method="OPTIONS")
    refusal(app, PREFLIGHT)
    ask(AccessTokenMiddleware(reached, resource_server=server, allow_preflight=True), PREFLIGHT,
        method="OPTIONS")  # fmt: skip
    assert "CORS" not in logged(log)


@pytest.mark.parametrize(
    ("method", "left_out"),
    [
        ("OPTIONS", b"origin"),
        ("OPTIONS", b"access-control-request-method"),
        ("options", b""),
        ("GET", b""),
        ("HEAD", b""),
        ("POST", b""),
        ("DELETE", b""),
        ("OPTIONS\r", b""),
        ("", b""),
    ],
)
def test_only_a_genuine_preflight_is_let_through(
    server: ResourceServer, method: str, left_out: bytes
) -> None:
    """`OPTIONS` with `Origin` and `Access-Control-Request-Method` (Fetch standard); all three."""
    app = AccessTokenMiddleware(reached, resource_server=server, allow_preflight=True)
    headers = [pair for pair in PREFLIGHT if pair[0] != left_out]
    assert refusal(app, headers, method=method).status == 401


def test_allow_preflight_lets_a_preflight_through_as_nobody(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """No credential is read there, and no other request is let through by it."""
    app = app_of(server, Route("/", who, methods=["OPTIONS"]), allow_preflight=True)
    for extra in ([], bearer("junk"), bearer(issuer.token())):
        answer = ask(app, [*PREFLIGHT, *extra], method="OPTIONS")
        assert answer.text == '{"user":"","scopes":[]}'
    assert refusal(app, PREFLIGHT, method="GET").status == 401


def test_without_allow_preflight_a_preflight_needs_a_token(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """By default `OPTIONS` is guarded like any method, preflight or not."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    assert refusal(app, PREFLIGHT, method="OPTIONS").status == 401
    assert ask(app, [*PREFLIGHT, *bearer(issuer.token())], method="OPTIONS").text == "reached"
