"""Policies on the wire: a client is told how to log in, does so and is let in; anonymous sessions."""

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import Policy, Reason, ResourceServer, has_permission, has_scope
from atjwt.events import AccessDenied, Event
from atjwt.issuer.tokens import DIALECTS, Dialect
from atjwt.policies import acr, authenticated_within, has_claim, is_kind
from atjwt.starlette import requires
from atjwt.testing import LocalIssuer
from web.asking import API, NOW, Clock, app_of, ask, bearer, logged, refusal, trusting

STRONG = acr("urn:strong", "urn:good") & authenticated_within(300) & has_scope("pay")


def endpoint(request: Request) -> PlainTextResponse:
    return PlainTextResponse("in")


def guarded(server: ResourceServer, policy: Policy | None, **settings: Any) -> Any:
    """An app of one route behind a policy. settings: of the middleware."""
    guard = requires() if policy is None else requires(policy)
    return app_of(server, Route("/", guard(endpoint)), **settings)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_client_does_what_it_is_told(
    server: ResourceServer, issuer: LocalIssuer, dialect: Dialect
) -> None:
    """RFC 9470 section 3: with the login and the scope that the challenge names it is let in."""
    app = guarded(server, STRONG)
    told = refusal(app, bearer(issuer.token(dialect=dialect, scopes=["read"])))
    assert (told.status, told.error) == (401, "insufficient_user_authentication")
    assert (told.acr_values, told.max_age, told.scope) == ("urn:strong urn:good", 300, "pay")
    assert told.acr_values is not None
    assert told.max_age is not None
    for level in told.acr_values.split():
        login = {"acr": level, "auth_time": NOW - told.max_age}
        token = issuer.token(dialect=dialect, scopes=[told.scope or ""], claims=login)
        assert ask(app, bearer(token)).text == "in"


@pytest.mark.parametrize(
    ("claims", "acr_values", "max_age"),
    [
        ({"acr": "urn:strong"}, None, 300),
        ({"auth_time": NOW}, "urn:strong urn:good", None),
        ({"acr": "urn:weak", "auth_time": NOW}, "urn:strong urn:good", None),
        ({"acr": "urn:good", "auth_time": NOW - 311}, None, 300),
    ],
    ids=repr,
)
def test_only_what_is_missing_is_asked_for(
    server: ResourceServer, issuer: LocalIssuer, claims: dict[str, object],
    acr_values: str | None, max_age: int | None,
) -> None:  # fmt: skip
    """What the login at hand gives already is not asked for again."""
    told = refusal(guarded(server, STRONG), bearer(issuer.token(scopes=["pay"], claims=claims)))
    assert (told.error, told.acr_values, told.max_age, told.scope) == (
        "insufficient_user_authentication", acr_values, max_age, None,
    )  # fmt: skip


def test_a_login_that_would_not_help(server: ResourceServer, issuer: LocalIssuer) -> None:
    """Where a permission is missing besides, nobody is sent to log in for nothing."""
    token = issuer.token(dialect="access_token_authz", scopes=["pay"], permissions=[])
    told = refusal(guarded(server, STRONG & has_permission("p")), bearer(token))
    assert (told.status, told.error) == (403, "insufficient_scope")
    assert (told.acr_values, told.max_age) == (None, None)


def test_claims_of_an_action(
    issuer: LocalIssuer, clock: Clock, events: list[Event], log: pytest.LogCaptureFixture
) -> None:
    """A tenant whose Action writes them elsewhere says where; without that the log says why not."""
    names = {"auth_time_claim": "https://acme.test/at", "acr_claim": "https://acme.test/acr"}
    token = issuer.token(
        dialect="access_token",
        scopes=["pay"],
        claims={"https://acme.test/at": NOW, "https://acme.test/acr": "urn:strong"},
    )
    mapped = ResourceServer(audience=API, issuers=[trusting(issuer, **names)], clock=clock)
    assert ask(guarded(mapped, STRONG), bearer(token)).text == "in"
    plain = ResourceServer(
        audience=API, issuers=[trusting(issuer)], clock=clock, observers=[events.append]
    )
    assert refusal(guarded(plain, STRONG), bearer(token)).status == 401
    (denied,) = [event for event in events if isinstance(event, AccessDenied)]
    assert denied.reason is Reason.INSUFFICIENT_USER_AUTHENTICATION
    for setting in ("acr_claim", "auth_time_claim"):
        assert setting in denied.detail
        assert setting in logged(log)


def test_an_odd_policy_is_one_line_of_the_log(
    server: ResourceServer, issuer: LocalIssuer, log: pytest.LogCaptureFixture
) -> None:
    """Whatever names a policy has, its refusal is one line, and one header."""
    name = 'a\r\nrefused reason="x"\u2028\ud800'
    policy = has_permission(name) & has_claim(name, equals=name)
    token = issuer.token(dialect="access_token_authz", permissions=[])
    assert refusal(guarded(server, policy), bearer(token)).status == 403
    lines = [record.getMessage() for record in log.records]
    assert all(line.isprintable() for line in lines)
    assert sum("denied reason=" in line for line in lines) == 1


def test_anonymous_sessions(issuer: LocalIssuer, clock: Clock) -> None:
    """One passes only a middleware that says so, and then only a policy that names its kind."""
    trusted = trusting(issuer, is_auth0=True)
    server = ResourceServer(audience=API, issuers=[trusted], clock=clock)
    named = is_kind("anonymous", "user")
    for dialect in DIALECTS:
        headers = bearer(issuer.token(subject="anon@1", scopes=["a"], dialect=dialect))
        for policy in (None, has_scope("a"), named, named & has_scope("a")):
            told = refusal(guarded(server, policy), headers)
            assert (told.status, told.error) == (403, "insufficient_scope")
        for policy, status in ((None, 403), (has_scope("a"), 403), (named & has_scope("a"), 200)):
            assert ask(guarded(server, policy, anonymous=True), headers).status == status
