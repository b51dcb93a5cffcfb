"""What FastAPI's guards answer: for every reason the very answer of the middleware, and no more.

And what they never read: a token that is not in the Authorization header.
"""

import asyncio
import json
from typing import Annotated, Any

import pytest
from fastapi import Body, Cookie, FastAPI, Query, Request, Security, WebSocket
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atjwt import (
    AUTH0,
    RFC9068,
    InsufficientScope,
    Policy,
    Principal,
    Reason,
    ResourceServer,
    TrustedIssuer,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import AccessDenied, Event, TokenRefused
from atjwt.fastapi import AccessTokenScheme
from atjwt.policies import acr, authorization_detail, has_claim, in_org, is_client, is_kind
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    Answer,
    Clock,
    Pairs,
    answer_of,
    app_of,
    ask,
    bearer,
    http_scope,
    logged,
    read_refusal,
    reasons,
    refusal,
    sent_by,
    trusting,
    websocket_scope,
)

POLICIES: dict[Reason, Policy] = {
    Reason.MISSING_SCOPE: has_scope("read:orders"),
    Reason.MISSING_PERMISSION: has_permission("orders:admin"),
    Reason.NO_PERMISSIONS_CLAIM: has_permission("orders:admin"),
    Reason.MISSING_ROLE: has_role("auditor"),
    Reason.WRONG_CLAIM: has_claim("https://example.com/plan", equals="gold"),
    Reason.WRONG_KIND: is_kind("user"),
    Reason.WRONG_CLIENT: is_client("orders-app"),
    Reason.WRONG_ORGANIZATION: in_org("org_1"),
    Reason.MISSING_AUTHORIZATION_DETAIL: authorization_detail(type="payment"),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: acr("mfa"),
}
"""The guard that a good token of `LocalIssuer.broken` does not pass."""


def cause(reason: Reason, issuer: LocalIssuer) -> Pairs:
    """The headers of a request that is refused for this reason."""
    if reason is Reason.MISSING_TOKEN:
        return []
    if reason is Reason.MULTIPLE_CREDENTIALS:
        return bearer(issuer.token()) * 2
    if reason is Reason.KEYS_UNAVAILABLE:
        return bearer(issuer.token())
    return bearer(issuer.broken(reason))


def server_for(
    reason: Reason, issuer: LocalIssuer, clock: Clock, **settings: Any
) -> ResourceServer:
    """A resource server that refuses it for this reason and for no other."""
    accepted = {RFC9068} if reason is Reason.PROFILE_NOT_ACCEPTED else {AUTH0, RFC9068}
    trust: dict[str, Any] = {"algorithms": ["ES256", "RS256"], "profiles": accepted}
    if reason is Reason.KEYS_UNAVAILABLE:
        issuer.faults.set(down=True)
        trusted = TrustedIssuer(issuer.issuer, **trust)
    else:
        trusted = trusting(issuer, **trust)
    return ResourceServer(
        audience=API, issuers=[trusted], clock=clock, fetch=issuer.fetch, **settings
    )


def answer_to_a_socket(app: Any, headers: Pairs) -> Answer:
    """The denial of a WebSocket for /orders."""
    scope = websocket_scope(headers, path="/orders")
    return answer_of(asyncio.run(sent_by(app, scope, {"type": "websocket.connect"})), "websocket.")


async def socket(websocket: WebSocket) -> None:
    """An endpoint that no refused caller gets to."""
    await websocket.accept()


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_is_the_answer_of_the_middleware(
    reason: Reason, issuer: LocalIssuer, clock: Clock
) -> None:
    """Status, all headers in their order, and body; on HTTP, and as the denial of a WebSocket."""
    headers, policy = cause(reason, issuer), POLICIES.get(reason)
    server = server_for(reason, issuer, clock)
    guards = requires(*([] if policy is None else [policy]))
    plain = app_of(server, Route("/orders", guards(lambda request: PlainTextResponse("in"))))
    expected = ask(plain, headers, path="/orders")
    guard = AccessTokenScheme(server).requires(*([] if policy is None else [policy]))
    app = FastAPI()
    app.add_api_route("/orders", lambda: "in", dependencies=[guard])
    app.add_api_websocket_route("/orders", socket, dependencies=[guard])
    assert expected.status in {400, 401, 403, 503}
    assert ask(app, headers, path="/orders") == expected
    assert answer_to_a_socket(app, headers) == expected


@pytest.mark.parametrize("reason", Reason)
def test_every_refusal_has_its_reason_in_event_and_log(
    reason: Reason, issuer: LocalIssuer, clock: Clock, events: list[Event],
    log: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The same word in both, with method and path; the token in neither."""
    headers, policy = cause(reason, issuer), POLICIES.get(reason)
    server = server_for(reason, issuer, clock, observers=[events.append])
    guard = AccessTokenScheme(server).requires(*([] if policy is None else [policy]))
    app = FastAPI()
    app.add_api_route("/orders", lambda: "in", dependencies=[guard])
    ask(app, headers, path="/orders")
    [told] = [event for event in events if isinstance(event, TokenRefused | AccessDenied)]
    assert (told.reason, told.method, told.path) == (reason, "GET", "/orders")
    assert reasons(log) == [reason.value]
    assert not any(value.decode()[7:] in logged(log) for _, value in headers)


def test_keys_that_cannot_be_had_are_503_with_retry_after(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """Also where the token is optional, and never 401: the token may be good."""
    auth = AccessTokenScheme(server_for(Reason.KEYS_UNAVAILABLE, issuer, clock))
    app = FastAPI()
    app.add_api_route("/guarded", lambda: "in", dependencies=[auth.requires()])
    app.add_api_route("/optional", lambda: "in", dependencies=[auth.optional])
    for path in ("/guarded", "/optional"):
        told = refusal(app, bearer(issuer.token()), path=path)
        assert (told.status, told.code) == (503, "temporarily_unavailable")
        assert (told.retry_after or 0) >= 1
    assert refusal(app, path="/guarded").status == 401
    assert ask(app, path="/optional").status == 200  # nothing sent, nothing to judge


def test_nothing_of_the_request_is_repeated(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Neither path nor query nor header nor claim comes back to whoever is refused."""
    app = FastAPI()
    guard = AccessTokenScheme(server).requires(scopes=["a"])
    app.add_api_route("/{name}", lambda: "in", dependencies=[guard])
    token = issuer.token(scopes=["marked-scope"], subject="marked-subject")
    for headers in (bearer("marked-token"), bearer("marked token"), bearer(token)):
        answer = ask(app, headers, path="/marked-path", query_string=b"a=marked-query")
        assert answer.status in {400, 401, 403}
        assert "marked" not in repr(answer)


def test_a_step_up_is_told_with_all_it_takes(server: ResourceServer, issuer: LocalIssuer) -> None:
    """RFC 9470 section 3: `acr_values` and the scope in one challenge."""
    auth = AccessTokenScheme(server)
    app = FastAPI()
    app.add_api_route("/", lambda: "in", dependencies=[auth.requires(acr("mfa"), scopes=["a"])])
    answer = ask(app, bearer(issuer.token(scopes=["b"])))
    [challenge] = answer.values(b"www-authenticate")
    assert answer.status == 401
    assert b'error="insufficient_user_authentication"' in challenge
    assert b'acr_values="mfa"' in challenge
    assert b'scope="a"' in challenge


def test_an_anonymous_session_passes_only_where_a_policy_names_it(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """A guard that names no kind does not let it in, whatever scopes it holds."""
    trusted = trusting(issuer, is_auth0=True)
    auth = AccessTokenScheme(ResourceServer(audience=API, issuers=[trusted], clock=clock))
    token = issuer.token(subject="anon@session", scopes=["a"], dialect="access_token")
    cases = [
        (auth.requires(), 403), (auth.requires(scopes=["a"]), 403), (auth.optional, 403),
        (Security(auth, scopes=["a"]), 403), (auth.requires(is_kind("anonymous", "user")), 200),
    ]  # fmt: skip
    for guard, status in cases:
        app = FastAPI()
        app.add_api_route("/", lambda: "in", dependencies=[guard])
        assert ask(app, bearer(token)).status == status


# --- Refusals of the endpoint's own ---------------------------------------------------------------


def refusing(auth: AccessTokenScheme, **settings: Any) -> FastAPI:
    """An app whose endpoints refuse callers themselves. settings: of the app."""
    app = FastAPI(**settings)

    @app.get("/who")
    async def who(request: Request, maybe: Annotated[Any, auth.optional]) -> str:
        return principal_of(request).subject

    @app.get("/policy")
    def policy(caller: Annotated[Principal, auth.requires()]) -> str:
        return auth.resource_server.authorize(caller, has_scope("late")).subject

    @app.get("/raised")
    async def raised(caller: Annotated[Principal, auth.requires()]) -> Response:
        raise InsufficientScope(Reason.MISSING_SCOPE, scopes=["late"])

    return app


@pytest.mark.parametrize("around", ["the middleware", "nothing", "another app"])
def test_a_refusal_in_the_endpoint_becomes_its_challenge(
    server: ResourceServer, issuer: LocalIssuer, around: str
) -> None:
    """As everywhere: whoever asks for the caller, or for more, need not answer by hand."""
    within = Middleware(AccessTokenMiddleware, resource_server=server, required=False)
    auth = AccessTokenScheme(server)
    app = refusing(auth, middleware=[within] if around == "the middleware" else [])
    if around == "another app":
        inner, app = app, FastAPI()
        app.mount("/", inner)
    token = bearer(issuer.token(scopes=["a"]))
    assert refusal(app, path="/who").error is None
    assert refusal(app, token, path="/policy").scope == "late"
    assert refusal(app, token, path="/raised").scope == "late"


# --- What is never read ---------------------------------------------------------------------------


def test_a_token_in_the_query_the_body_or_a_cookie_is_not_looked_at(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Not even where the endpoint itself takes a parameter of that name (RFC 6750 section 5.3)."""
    auth, token = AccessTokenScheme(server), issuer.token(scopes=["a"])
    guard = auth.requires(scopes=["a"])
    app = FastAPI()

    @app.api_route("/", methods=["GET", "POST"])
    async def endpoint(
        who: Annotated[Principal, guard],
        access_token: Annotated[str | None, Query()] = None,
        token: Annotated[str | None, Cookie()] = None,
    ) -> str:
        return "in"

    @app.post("/body")
    async def body(who: Annotated[Principal, guard], access_token: Annotated[Any, Body()]) -> str:
        return "in"

    raw = token.encode()
    assert refusal(app, query_string=b"access_token=" + raw + b"&token=" + raw).error is None
    for name in (b"access_token", b"token", b"authorization", b"Authorization"):
        assert refusal(app, [(b"cookie", name + b"=" + raw)]).error is None
    kinds = {
        b"application/x-www-form-urlencoded": b"access_token=" + raw,
        b"application/json": json.dumps({"access_token": token}).encode(),
    }
    for kind, content in kinds.items():
        message = {"type": "http.request", "body": content, "more_body": False}
        headers = [(b"content-type", kind), (b"content-length", b"%d" % len(content))]
        for path in ("/", "/body"):
            scope = http_scope(headers, path=path, method="POST")
            answer = answer_of(asyncio.run(sent_by(app, scope, message)))
            assert read_refusal(answer).error is None


def test_no_other_header_carries_a_token(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Not those that proxies set, not the subprotocols of a WebSocket."""
    token = issuer.token().encode()
    app = FastAPI(dependencies=[AccessTokenScheme(server).requires()])
    app.add_api_route("/orders", lambda: "in")
    app.add_api_websocket_route("/orders", socket)
    names = (
        b"proxy-authorization", b"x-authorization", b"x-access-token", b"x-forwarded-authorization",
        b"authentication", b"sec-websocket-protocol", b"x-forwarded-access-token",
    )  # fmt: skip
    for name in names:
        for value in (token, b"Bearer " + token, b"bearer, " + token):
            assert refusal(app, [(name, value)], path="/orders").error is None
            assert read_refusal(answer_to_a_socket(app, [(name, value)])).error is None


def test_two_credentials_are_refused_wherever_the_guard_is(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Two headers, one with a comma, another scheme besides: 400, though each token is good."""
    app = FastAPI(dependencies=[AccessTokenScheme(server).requires()])
    app.add_api_route("/orders", lambda: "in")
    good = issuer.token()
    for headers in (
        bearer(good) * 2,
        bearer(f"{good}, Bearer {good}"),
        [*bearer(good), (b"authorization", b"Basic YTpi")],
    ):
        told = refusal(app, headers, path="/orders")
        assert (told.status, told.error) == (400, "invalid_request")
