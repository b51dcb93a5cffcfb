"""The middleware on HTTP: what is let in, what is refused, and what a refused caller is told."""

import asyncio
import json
import re
from collections.abc import Sequence
from typing import Any

import pytest
from starlette.routing import Mount, Route

from atjwt import (
    AUTH0,
    RFC9068,
    AuthError,
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    Reason,
    ResourceServer,
    TrustedIssuer,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.asgi import SCOPE_KEY, AccessTokenMiddleware, Authentication, Receive, Scope, Send
from atjwt.events import AccessDenied, Event, TokenAccepted, TokenRefused
from atjwt.issuer.tokens import DIALECTS, Dialect
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from atjwt.starlette import RequiresMiddleware, check
from atjwt.testing import LocalIssuer
from web.asking import (
    API,
    NOW,
    Clock,
    app_of,
    ask,
    bearer,
    http_scope,
    logged,
    reached,
    read_challenge,
    reasons,
    refusal,
    sent_by,
    trusting,
    who,
)


@pytest.fixture
def app(server: ResourceServer) -> AccessTokenMiddleware:
    return AccessTokenMiddleware(reached, resource_server=server)


def _authorization(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", value) for value in values]


# --- What was sent --------------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_token_of_every_dialect_is_let_in(
    app: AccessTokenMiddleware, issuer: LocalIssuer, dialect: Dialect
) -> None:
    """Whichever of the four dialects the API is set to, its tokens pass."""
    assert ask(app, bearer(issuer.token(dialect=dialect))).text == "reached"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        _authorization(b""),
        _authorization(b"Basic YTpi"),
        _authorization(b"Digest username=a, realm=b"),
        _authorization(b"DPoP eyJ.eyJ.sig"),
        _authorization(b"eyJ.eyJ.sig"),
        _authorization(b"Bearers eyJ.eyJ.sig"),
        _authorization(b"BearereyJ.eyJ.sig"),
        *(
            _authorization(b"Bearer" + char + b" x")
            for char in (b"2", b"-", b"_", b".", b"!", b"~")
        ),
        _authorization(b"Basic YTpi, Digest a=b"),
        _authorization(b"\xff\xfe\x00"),
        [(b"proxy-authorization", b"Bearer eyJ.eyJ.sig")],
    ],
)
def test_where_nothing_for_us_is_sent_the_challenge_has_no_error_code(
    app: AccessTokenMiddleware, headers: Sequence[tuple[bytes, bytes]], events: list[Event]
) -> None:
    """401 with the realm alone: no header, or another scheme (RFC 6750 section 3.1)."""
    told = refusal(app, headers)
    assert (told.status, told.error, told.realm, told.scope) == (401, None, API, None)
    assert told.sentence == "An access token is required."
    (event,) = events
    assert isinstance(event, TokenRefused)
    assert (event.reason, event.fingerprint) == (Reason.MISSING_TOKEN, None)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        # RFC 9110 section 11.6.2 and RFC 6750 section 2.1: one credential, one token68.
        ([b"Bearer TOKEN", b"Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Bearer TOKEN", b"Bearer other"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Basic YTpi", b"Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Bearer TOKEN", b"Basic YTpi"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Basic YTpi", b"Basic YTpi"], Reason.MULTIPLE_CREDENTIALS),
        ([b"", b"Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Bearer TOKEN", b""], Reason.MULTIPLE_CREDENTIALS),
        ([b"Bearer TOKEN"] * 3, Reason.MULTIPLE_CREDENTIALS),
        ([b"Basic YTpi, Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Basic YTpi,Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Basic YTpi , BEARER TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b", Bearer TOKEN"], Reason.MULTIPLE_CREDENTIALS),
        ([b"Bearer TOKEN, Bearer TOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN,Basic YTpi"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer "], Reason.MALFORMED_CREDENTIALS),
        ([b"bEARER \t "], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN TOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN "], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\t"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer \tTOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN,"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN;"], Reason.MALFORMED_CREDENTIALS),
        ([b'Bearer "TOKEN"'], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer token=TOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer =TOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer <TOKEN>"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\r\n"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\r\nX-Injected: 1"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\n"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer \nTOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\x00"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer \xc3\xa9"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer TOKEN\xa0"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer \xef\xbb\xbfTOKEN"], Reason.MALFORMED_CREDENTIALS),
        ([b"Bearer %2E"], Reason.MALFORMED_CREDENTIALS),
    ],
)
@pytest.mark.parametrize("required", [True, False])
def test_what_is_not_one_well_formed_credential_is_400(
    server: ResourceServer, issuer: LocalIssuer, events: list[Event], values: list[bytes],
    reason: Reason, *, required: bool,
) -> None:  # fmt: skip
    """`invalid_request`, even where the good token is in it, and where nothing need be sent."""
    token = issuer.token().encode()
    headers = _authorization(*(value.replace(b"TOKEN", token) for value in values))
    app = AccessTokenMiddleware(reached, resource_server=server, required=required)
    told = refusal(app, headers)
    assert (told.status, told.error, told.realm) == (400, "invalid_request", API)
    (event,) = events
    assert isinstance(event, TokenRefused)
    assert event.reason is reason


@pytest.mark.parametrize(
    "value",
    [b"Basic YTpi,  Bearer TOKEN", b"Basic YTpi,\tBearer TOKEN", b"Basic a , bearer\tTOKEN"],
)
def test_any_white_space_may_stand_between_two_credentials(
    app: AccessTokenMiddleware, issuer: LocalIssuer, value: bytes
) -> None:
    """Two credentials are 400, whatever optional white space is between them (RFC 9110 5.6.1)."""
    headers = _authorization(value.replace(b"TOKEN", issuer.token().encode()))
    assert refusal(app, headers).status == 400


@pytest.mark.parametrize(
    "value",
    [b"Bearer\tTOKEN", b"Bearer\x00TOKEN", b"Bearer,TOKEN", b"Bearer:TOKEN", b" Bearer TOKEN"],
)
@pytest.mark.parametrize("required", [True, False])
def test_bearer_followed_by_something_else_than_a_space_is_400(
    server: ResourceServer, issuer: LocalIssuer, value: bytes, *, required: bool
) -> None:
    """It is ours and malformed, not another scheme, so it never passes as 'nothing sent'."""
    app = AccessTokenMiddleware(reached, resource_server=server, required=required)
    headers = _authorization(value.replace(b"TOKEN", issuer.token().encode()))
    assert ask(app, headers).status == 400


@pytest.mark.parametrize("before", [b"Bearer ", b"bearer ", b"BEARER ", b"bEaReR ", b"Bearer    "])
def test_the_scheme_is_of_any_case_and_spaces_may_follow(
    app: AccessTokenMiddleware, issuer: LocalIssuer, before: bytes
) -> None:
    """RFC 9110 section 11.1 and 11.6.2: `Bearer` in any case, then one space or several."""
    assert ask(app, _authorization(before + issuer.token().encode())).status == 200


@pytest.mark.parametrize(
    "name",
    [
        b"Authorization", b"AUTHORIZATION", b"authorization_", b"authorization ", b"x_authorization",
        b"http_authorization", b"x-authorization", b"x-forwarded-authorization",
        b"x-original-authorization",
        b"proxy-authorization", b"x-forwarded-access-token", b"x-auth-request-access-token",
        b"x-access-token", b"authentication",
    ],
)  # fmt: skip
def test_only_the_header_authorization_is_read(
    app: AccessTokenMiddleware, issuer: LocalIssuer, name: bytes
) -> None:
    """A good token under any other name is nothing; ASGI servers give names in lower case."""
    headers = [(name, f"Bearer {issuer.token()}".encode())]
    assert refusal(app, headers).error is None


def test_forwarded_headers_change_nothing(app: AccessTokenMiddleware, issuer: LocalIssuer) -> None:
    """No X-* header and no hop-by-hop trick adds an identity, or takes one away."""
    spoofed = [
        (b"x-forwarded-user", b"admin"), (b"x-forwarded-uri", b"/health"),
        (b"x-original-url", b"/health"), (b"x-rewrite-url", b"/health"), (b"x-user", b"admin"),
        (b"x-http-method-override", b"OPTIONS"), (b"user-agent", b"kube-probe/1.0"),
        (b"connection", b"close, authorization"), (b"x-real-ip", b"127.0.0.1"),
    ]  # fmt: skip
    assert refusal(app, spoofed).status == 401
    assert ask(app, [*spoofed, *bearer(issuer.token())]).status == 200


def test_a_token_in_the_query_the_body_or_a_cookie_is_not_looked_at(
    app: AccessTokenMiddleware, issuer: LocalIssuer, log: pytest.LogCaptureFixture
) -> None:
    """RFC 6750 sections 2.2 and 2.3 are not supported; nothing was sent, and nothing is logged."""
    token = issuer.token()
    form = [(b"content-type", b"application/x-www-form-urlencoded")]
    cookies = [(b"cookie", f"access_token={token}; Authorization=Bearer {token}".encode())]
    query = f"access_token={token}".encode()
    told = refusal(app, [*form, *cookies], method="POST", query_string=query)
    assert (told.status, told.error) == (401, None)
    assert token not in logged(log)


def test_length_is_the_first_thing_that_is_looked_at(
    app: AccessTokenMiddleware, issuer: LocalIssuer, events: list[Event]
) -> None:
    """60 kB of anything is `token_too_large`, though it is malformed and no JWT besides."""
    for junk in (b"A" * 60_000, b"." * 60_000, b"\x00" * 60_000, b"a, " * 20_000, b" x" * 30_000):
        told = refusal(app, _authorization(b"Bearer " + junk))
        assert (told.status, told.error) == (401, "invalid_token")
        assert isinstance(events[-1], TokenRefused)
        assert events[-1].reason is Reason.TOKEN_TOO_LARGE


def test_the_largest_token_is_as_large_as_the_argument_says(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """`max_token_size` bytes pass, one more does not."""
    token = issuer.token()
    for size, status in ((len(token), 200), (len(token) - 1, 401)):
        server = ResourceServer(
            audience=API, issuers=[trusting(issuer)], clock=clock, max_token_size=size
        )
        assert (
            ask(AccessTokenMiddleware(reached, resource_server=server), bearer(token)).status
            == status
        )


def test_a_refusal_costs_nothing_of_the_next_good_request(
    app: AccessTokenMiddleware, issuer: LocalIssuer
) -> None:
    """Good and bad tokens in turn: each is judged for itself."""
    for _ in range(3):
        assert ask(app, bearer(issuer.broken(Reason.INVALID_SIGNATURE))).status == 401
        assert ask(app, bearer(issuer.token())).status == 200
        assert ask(app).status == 401


# --- One reason per cause -------------------------------------------------------------------------

_STATUS = {
    Reason.MISSING_TOKEN: 401,
    Reason.MULTIPLE_CREDENTIALS: 400,
    Reason.MALFORMED_CREDENTIALS: 400,
    Reason.KEYS_UNAVAILABLE: 503,
    Reason.MISSING_SCOPE: 403,
    Reason.MISSING_PERMISSION: 403,
    Reason.NO_PERMISSIONS_CLAIM: 403,
    Reason.MISSING_ROLE: 403,
    Reason.WRONG_CLAIM: 403,
    Reason.WRONG_KIND: 403,
    Reason.WRONG_CLIENT: 403,
    Reason.WRONG_ORGANIZATION: 403,
    Reason.MISSING_AUTHORIZATION_DETAIL: 403,
    Reason.INSUFFICIENT_USER_AUTHENTICATION: 401,
}
_POLICIES = {
    Reason.MISSING_SCOPE: has_scope("read:orders"),
    Reason.MISSING_PERMISSION: has_permission("orders:admin"),
    Reason.NO_PERMISSIONS_CLAIM: has_permission("orders:admin"),
    Reason.MISSING_ROLE: has_role("auditor"),
    Reason.WRONG_CLAIM: has_claim("https://example.com/plan", equals="gold"),
    Reason.WRONG_KIND: is_kind("user", "agent"),
    Reason.WRONG_CLIENT: is_client("orders-app"),
    Reason.WRONG_ORGANIZATION: in_org("org_1"),
    Reason.MISSING_AUTHORIZATION_DETAIL: authorization_detail(type="account"),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: acr("urn:high") & authenticated_within(60),
}


def _cause(reason: Reason, issuer: LocalIssuer) -> list[tuple[bytes, bytes]]:
    """The headers of a request that is refused for this reason."""
    if reason is Reason.MISSING_TOKEN:
        return []
    if reason is Reason.MULTIPLE_CREDENTIALS:
        return bearer(issuer.token()) * 2
    if reason is Reason.KEYS_UNAVAILABLE:
        return bearer(issuer.token())
    if reason is Reason.MISSING_KEY_ID:  # required of the Auth0 profile only
        return bearer(issuer.broken(reason, dialect="access_token"))
    return bearer(issuer.broken(reason))


@pytest.mark.parametrize("reason", Reason)
def test_one_stable_reason_per_cause(
    reason: Reason, issuer: LocalIssuer, clock: Clock, events: list[Event],
    log: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The same word on the exception, in the event and in the log; a status and a safe sentence."""
    headers = _cause(reason, issuer)
    profiles = {RFC9068} if reason is Reason.PROFILE_NOT_ACCEPTED else {AUTH0, RFC9068}
    settings: dict[str, Any] = {"algorithms": ["ES256", "RS256"], "profiles": profiles}
    if reason is Reason.KEYS_UNAVAILABLE:
        issuer.faults.set(down=True)
        trusted = TrustedIssuer(issuer.issuer, **settings)
    else:
        trusted = trusting(issuer, **settings)
    server = ResourceServer(
        audience=API, issuers=[trusted], clock=clock, fetch=issuer.fetch, observers=[events.append]
    )
    raised: list[AuthError] = []

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            check(scope, _POLICIES.get(reason))
            await reached(scope, receive, send)
        except AuthError as error:
            raised.append(error)
            raise

    told = refusal(AccessTokenMiddleware(inner, resource_server=server), headers, path="/orders")
    assert told.status == _STATUS.get(reason, 401)
    if reason not in _POLICIES and reason is not Reason.MISSING_TOKEN:
        with pytest.raises(AuthError) as caught:
            asyncio.run(server.authenticate(headers, method="GET", url="/orders"))
        raised.append(caught.value)
    assert [error.reason for error in raised] == [reason] * (reason is not Reason.MISSING_TOKEN)
    refusals = [event for event in events if isinstance(event, TokenRefused | AccessDenied)]
    assert {event.reason for event in refusals} == {reason}
    assert {(event.method, event.path) for event in refusals} == {("GET", "/orders")}
    assert set(reasons(log)) == {reason.value}
    assert not any(value.decode()[7:] in logged(log) for _, value in headers)


def test_the_table_of_statuses_covers_every_reason_once(app: AccessTokenMiddleware) -> None:
    """A new reason must be given a status by whoever adds it; 401 is for what the token is."""
    four_hundred_ones = [reason for reason in Reason if reason not in _STATUS]
    assert len(four_hundred_ones) == len(Reason) - 14
    for reason in four_hundred_ones:
        told = app.resource_server.challenge(InvalidToken(reason))
        assert told.status == 401
        assert read_challenge(dict(told.headers)[b"www-authenticate"])["error"] == "invalid_token"


def test_an_accepted_token_is_reported_by_its_fingerprint(
    app: AccessTokenMiddleware, issuer: LocalIssuer, events: list[Event]
) -> None:
    """First as verified, then as remembered; never with the token."""
    token = issuer.token()
    ask(app, bearer(token))
    ask(app, bearer(token))
    first, second = events
    assert isinstance(first, TokenAccepted)
    assert isinstance(second, TokenAccepted)
    assert (first.remembered, second.remembered) == (False, True)
    assert first.fingerprint == second.fingerprint
    assert re.fullmatch("[0-9a-f]{16}", first.fingerprint)
    assert not any(part in repr(events) for part in token.split("."))


# --- What a stranger is told ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("realm", "written"),
    [
        ('orders" error="none', "orders error=none"),
        ("orders\\", "orders"),
        ("orders\r\nSet-Cookie: a=b", "ordersSet-Cookie: a=b"),
        ("orders\x00\x7f", "orders"),
        ("commandes réglées", "commandes rgles"),
        ("注文", ""),
        ("a, Basic realm=b", "a, Basic realm=b"),
    ],
)
def test_nothing_can_be_injected_by_the_realm(
    issuer: LocalIssuer, clock: Clock, realm: str, written: str
) -> None:
    """Quotes, backslashes, control characters and what is not ASCII are left out."""
    server = ResourceServer(audience=API, issuers=[trusting(issuer)], clock=clock, realm=realm)
    app = AccessTokenMiddleware(reached, resource_server=server)
    assert refusal(app).realm == written
    assert refusal(app, bearer("x")).realm == written


def test_the_realm_is_the_first_audience_however_it_is_spelt(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """An API identifier may be any text; in the challenge only what may stand there is left."""
    names = ['https://api.example.com/"é', "urn:other"]
    server = ResourceServer(audience=names, issuers=[trusting(issuer)], clock=clock)
    told = refusal(AccessTokenMiddleware(reached, resource_server=server))
    assert told.realm == "https://api.example.com/"


def test_nothing_of_the_request_is_repeated(
    app: AccessTokenMiddleware, log: pytest.LogCaptureFixture
) -> None:
    """Neither the path, nor the query, nor what was sent comes back; the log has it printable."""
    path = "/<i>\r\nforged reason=expired\x1b[2J"
    answer = ask(app, _authorization(b"Bearer <i>"), path=path, query_string=b"<q>", method="GET")
    everything = answer.body + b"".join(value for _, value in answer.headers)
    assert not re.search(rb"forged|<", everything)
    assert "\n" not in log.records[-1].getMessage()
    assert "\x1b" not in log.records[-1].getMessage()
    assert r"\r\nforged" in log.records[-1].getMessage()


def test_the_path_is_made_safe_in_the_log_and_in_events(
    app: AccessTokenMiddleware, log: pytest.LogCaptureFixture, events: list[Event]
) -> None:
    """A stranger can neither fill a line nor begin one, nor leave a field of the record or event."""
    ask(app, path="/" + "\n\x1b\u2028\ud800" + "x" * 60_000)
    (event,) = events
    assert isinstance(event, TokenRefused)
    (record,) = log.records
    for text in (record.getMessage(), record.__dict__["path"], str(event.path)):
        assert text.isascii()
        assert text.isprintable()
        assert len(text) < 500


@pytest.mark.parametrize(
    "method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "QUERY", "get", ""]
)
def test_every_method_is_guarded(
    app: AccessTokenMiddleware, issuer: LocalIssuer, method: str
) -> None:
    """`OPTIONS` and `HEAD` like any other; there is no method without a token."""
    assert refusal(app, method=method).status == 401
    assert ask(app, bearer(issuer.token()), method=method).status == 200


def test_unmet_scopes_alone_are_named(server: ResourceServer, issuer: LocalIssuer) -> None:
    """403 with `scope=` naming what is missing, sorted, and nothing that is there."""
    inner = RequiresMiddleware(reached, scopes=["write:orders", "read:orders", "admin"])
    app = AccessTokenMiddleware(inner, resource_server=server)
    told = refusal(app, bearer(issuer.token(scopes=["read:orders", "other"])))
    assert (told.status, told.error) == (403, "insufficient_scope")
    assert (told.scope, told.realm) == ("admin write:orders", API)
    assert (
        ask(app, bearer(issuer.token(scopes=["read:orders", "write:orders", "admin"]))).status
        == 200
    )


@pytest.mark.parametrize("dialect", ["access_token", "access_token_authz"])
def test_missing_permissions_name_no_scope(
    server: ResourceServer, issuer: LocalIssuer, dialect: Dialect
) -> None:
    """A permission is no scope, so a client is not told to ask for one."""
    app = AccessTokenMiddleware(
        RequiresMiddleware(reached, permissions=["orders:admin"]), resource_server=server
    )
    told = refusal(app, bearer(issuer.token(dialect=dialect, permissions=["orders:read"])))
    assert (told.status, told.error, told.scope) == (403, "insufficient_scope", None)


def test_keys_that_cannot_be_had_are_503_and_never_401(issuer: LocalIssuer, clock: Clock) -> None:
    """With `Retry-After`, which grows with the back-off and counts down with the clock."""
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], clock=clock, fetch=issuer.fetch
    )
    app = AccessTokenMiddleware(reached, resource_server=server)
    headers = bearer(issuer.token())
    issuer.faults.set(down=True)
    waits = []
    for _ in range(7):
        told = refusal(app, headers)
        assert (told.status, told.code) == (503, "temporarily_unavailable")
        assert told.retry_after is not None
        waits.append(told.retry_after)
        clock.now += told.retry_after
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert refusal(app, headers).retry_after == 30
    clock.now += 12.5
    assert refusal(app, headers).retry_after == 18
    asked = issuer.requests.total()
    refusal(app, headers)
    assert issuer.requests.total() == asked
    issuer.faults.clear()
    clock.now += 20
    assert ask(app, headers).status == 200


def test_a_bad_token_is_401_even_while_the_keys_cannot_be_had(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """What is wrong without a key is said at once, and costs the issuer no request."""
    issuer.faults.set(down=True)
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer(issuer.issuer)], clock=clock, fetch=issuer.fetch
    )
    app = AccessTokenMiddleware(reached, resource_server=server)
    for reason in (Reason.UNKNOWN_ISSUER, Reason.WRONG_TYPE, Reason.ALGORITHM_NOT_ALLOWED):
        assert refusal(app, bearer(issuer.broken(reason))).status == 401
    assert issuer.requests.total() == 0


# --- What the app gets, and what it raises --------------------------------------------------------


def test_what_was_verified_stands_under_one_key(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """With the resource server that verified it, and as Starlette's own middleware would say it."""
    scope = http_scope(bearer(issuer.token(scopes=["b", "a"], permissions=["p"])))
    asyncio.run(sent_by(AccessTokenMiddleware(reached, resource_server=server), scope))
    found = scope[SCOPE_KEY]
    assert isinstance(found, Authentication)
    assert found.resource_server is server
    assert found.principal is scope["user"]
    assert sorted(scope["auth"].scopes) == ["a", "authenticated", "b"]


@pytest.mark.parametrize(
    "forged", [("server", "principal"), {"principal": "admin"}, "admin", None, object()]
)
def test_nothing_that_was_in_the_scope_before_is_believed(
    server: ResourceServer, forged: object
) -> None:
    """Whatever stands under our key, or as user, when a request comes is replaced or refused."""
    members: dict[str, Any] = {
        SCOPE_KEY: forged,
        "user": "admin",
        "auth": "all",
        "state": {"atjwt": 1},
    }
    app = AccessTokenMiddleware(reached, resource_server=server)
    assert refusal(app, **members).status == 401
    optional = AccessTokenMiddleware(reached, resource_server=server, required=False)
    scope = http_scope(**members)
    asyncio.run(sent_by(optional, scope))
    assert scope[SCOPE_KEY] == Authentication(server, None)
    assert not scope["user"].is_authenticated
    assert scope["auth"].scopes == []


def test_where_nothing_is_required_nothing_sent_passes_and_nothing_invalid_does(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """`required=False`: anonymous is one thing, a bad token another."""
    app = app_of(server, Route("/", who), required=False)
    assert json.loads(ask(app).text) == {"user": "", "scopes": []}
    assert json.loads(ask(app, bearer(issuer.token(scopes=[]))).text)["scopes"] == ["authenticated"]
    for reason in (Reason.EXPIRED, Reason.INVALID_SIGNATURE, Reason.OPAQUE_TOKEN):
        assert refusal(app, bearer(issuer.broken(reason))).status == 401


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (InsufficientScope(Reason.MISSING_SCOPE, scopes=["a"]), 403),
        (InvalidToken(Reason.EXPIRED), 401),
        (KeysUnavailable(retry_after=7.2), 503),
    ],
)
def test_an_auth_error_of_the_app_becomes_its_challenge(
    server: ResourceServer, issuer: LocalIssuer, error: AuthError, status: int
) -> None:
    """As long as the response has not begun, whichever `AuthError` it is."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    told = refusal(AccessTokenMiddleware(inner, resource_server=server), bearer(issuer.token()))
    assert told.status == status
    assert told.retry_after == (8 if status == 503 else None)


def test_scopes_that_an_app_names_cannot_inject_anything(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """An app may build an error from its own data; the challenge stays well-formed."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise InsufficientScope(Reason.MISSING_SCOPE, scopes=['a"\r\nX:y', "b\\"])

    app = AccessTokenMiddleware(inner, resource_server=server)
    assert refusal(app, bearer(issuer.token())).scope == "aX:y b"


@pytest.mark.parametrize("names", [["ü"], ["a", "ü"], [""]])
def test_a_scope_of_which_nothing_is_left_is_not_named(
    server: ResourceServer, issuer: LocalIssuer, names: list[str]
) -> None:
    """`scope=` is one scope-token or several, with one space between (RFC 6750 section 3)."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise InsufficientScope(Reason.MISSING_SCOPE, scopes=names)

    app = AccessTokenMiddleware(inner, resource_server=server)
    assert refusal(app, bearer(issuer.token())).scope in {"a", None}


def test_once_a_response_has_begun_an_auth_error_passes(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Half a response is not followed by another; the server cuts the connection."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise InvalidToken(Reason.EXPIRED)

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    app = AccessTokenMiddleware(inner, resource_server=server)
    with pytest.raises(InvalidToken):
        asyncio.run(app(http_scope(bearer(issuer.token())), receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_an_early_hint_is_not_the_beginning_of_a_response(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """103 is informational (RFC 8297); the answer may still be a challenge."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload"]})
        raise InvalidToken(Reason.EXPIRED)

    app = AccessTokenMiddleware(inner, resource_server=server)
    sent = asyncio.run(sent_by(app, http_scope(bearer(issuer.token()))))
    assert [message.get("status") for message in sent] == [None, 401, None]


@pytest.mark.parametrize("error", [RuntimeError("x"), PermissionError("x"), KeyError("x")])
def test_a_foreign_exception_passes(
    server: ResourceServer, issuer: LocalIssuer, error: Exception
) -> None:
    """There is no catch-all that could turn a bug into an answer."""

    async def inner(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    app = AccessTokenMiddleware(inner, resource_server=server)
    with pytest.raises(type(error)):
        ask(app, bearer(issuer.token()))


def test_a_bug_of_ours_lets_nobody_in(server: ResourceServer) -> None:
    """If the judgement itself breaks, the exception passes and the app is not reached."""
    server = ResourceServer(audience=API, issuers=server.issuers, clock=lambda: 1 // 0)
    app = AccessTokenMiddleware(reached, resource_server=server)
    with pytest.raises(ZeroDivisionError):
        ask(app)


# --- Several middleware ---------------------------------------------------------------------------


def test_two_mounts_two_apis(issuer: LocalIssuer, clock: Clock) -> None:
    """A token of one audience never passes the other's guard; one of both passes both."""
    servers = {
        name: ResourceServer(audience=f"urn:{name}", issuers=[trusting(issuer)], clock=clock)
        for name in ("orders", "billing")
    }
    mounts = [
        Mount(f"/{name}", app=AccessTokenMiddleware(reached, resource_server=server))
        for name, server in servers.items()
    ]
    app = app_of(servers["orders"], *mounts, required=False)
    tokens = {name: bearer(issuer.token(audience=f"urn:{name}")) for name in servers}
    both = bearer(issuer.token(audience=["urn:orders", "urn:billing"]))
    assert ask(app, tokens["orders"], path="/orders/").status == 200
    assert refusal(app, tokens["orders"], path="/billing/").realm == "urn:billing"
    assert refusal(app, tokens["billing"], path="/billing/").realm == "urn:orders"
    for path in ("/orders/", "/billing/"):
        assert ask(app, both, path=path).status == 200


def test_a_nested_middleware_verifies_anew(issuer: LocalIssuer, clock: Clock) -> None:
    """By its own resource server, which then stands in the scope."""
    outer, inner = (
        ResourceServer(audience=name, issuers=[trusting(issuer)], clock=clock)
        for name in ("urn:outer", "urn:inner")
    )
    app = AccessTokenMiddleware(
        AccessTokenMiddleware(reached, resource_server=inner), resource_server=outer
    )
    assert refusal(app, bearer(issuer.token(audience="urn:outer"))).realm == "urn:inner"
    scope = http_scope(bearer(issuer.token(audience=["urn:inner", "urn:outer"])))
    asyncio.run(sent_by(app, scope))
    assert scope[SCOPE_KEY].resource_server is inner


def test_a_nested_optional_middleware_forgets_what_it_did_not_verify(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """On the inner one's public path nobody is authenticated, whoever the outer one knew."""
    outer, inner = (
        ResourceServer(audience=API, issuers=[trusting(issuer)], clock=clock) for _ in range(2)
    )
    app = AccessTokenMiddleware(
        AccessTokenMiddleware(reached, resource_server=inner, public={"/"}), resource_server=outer
    )
    scope = http_scope(bearer(issuer.token()))
    asyncio.run(sent_by(app, scope))
    assert scope[SCOPE_KEY] == Authentication(inner, None)
    assert not scope["user"].is_authenticated


# --- Scope types ----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["http2", "", "HTTP", "webtransport", "websocket.connect", "sse"])
def test_an_unknown_scope_type_is_refused(
    server: ResourceServer, issuer: LocalIssuer, kind: str
) -> None:
    """Whatever protocol comes next is not let through because nobody thought of it."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    with pytest.raises(ConfigurationError, match="unknown scope"):
        asyncio.run(sent_by(app, http_scope(bearer(issuer.token()), type=kind)))


def test_lifespan_passes(server: ResourceServer) -> None:
    """With the messages of both directions untouched."""
    app = AccessTokenMiddleware(app_of(server), resource_server=server)
    messages = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = asyncio.run(sent_by(app, {"type": "lifespan", "state": {}}, *messages))
    assert [message["type"] for message in sent] == [
        "lifespan.startup.complete", "lifespan.shutdown.complete",
    ]  # fmt: skip


def test_time_is_that_of_the_injected_clock(
    app: AccessTokenMiddleware, issuer: LocalIssuer, clock: Clock
) -> None:
    """The same token passes, expires, and is good again for a clock that is set back."""
    headers = bearer(issuer.token(lifetime=60))
    assert ask(app, headers).status == 200
    clock.now = NOW + 69.9
    assert ask(app, headers).status == 200
    clock.now = NOW + 70
    assert refusal(app, headers).sentence == "The access token expired."
    clock.now = NOW
    assert ask(app, headers).status == 200
