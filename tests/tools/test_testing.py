"""`LocalIssuer.stands_in_for`: an app that was built at import time, tested without changing it."""

from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route
from starlette.testclient import TestClient

from atjwt import AUTH0, RFC9068, ResourceServer, TrustedIssuer, policies
from atjwt.asgi import AccessTokenMiddleware
from atjwt.errors import KeysUnavailable, Reason
from atjwt.events import AccessDenied, Event, TokenRefused
from atjwt.issuer.broken import NOT_BY_A_TOKEN
from atjwt.starlette import requires
from atjwt.testing import LocalIssuer
from tools.standing import API, TENANT, bearer, tenant, who

APP = Starlette(
    routes=[Route("/who", who), Route("/orders", requires(scopes=["read:orders"])(who))],
    middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=API)],
)
"""As a team's own module has it: built when it is imported, and trusting a tenant of Auth0's."""


# --- what a team does -----------------------------------------------------------------------------


def test_an_app_built_at_import_is_testable_without_change(atjwt_issuer: LocalIssuer) -> None:
    """Tokens are written for the issuer and the audience that the app has been configured with."""
    with atjwt_issuer.stands_in_for(APP) as issuer:
        answer = TestClient(APP).get("/who", headers=issuer.headers(subject="auth0|me"))
    assert answer.json() == {
        "issuer": TENANT,
        "sub": "auth0|me",
        "aud": [API, f"{TENANT}userinfo"],
    }


def test_what_a_token_may_not_do_it_may_not_do(atjwt_issuer: LocalIssuer) -> None:
    """Nothing but the keys is stood in for: nothing sent is 401, too little is 403, junk is 401."""
    client = TestClient(APP)
    with atjwt_issuer.stands_in_for(APP):
        statuses = [
            client.get("/orders", headers=headers).status_code
            for headers in (
                {},
                atjwt_issuer.headers(scopes=[]),
                bearer("junk"),
                atjwt_issuer.headers(audience="https://api.else.test/"),
                atjwt_issuer.headers(scopes=["read:orders"]),
            )
        ]
    assert statuses == [401, 403, 401, 401, 200]


def test_all_dialects_are_tokens_of_the_app(atjwt_issuer: LocalIssuer) -> None:
    """A test says which dialect it means; the app accepts both profiles."""
    with atjwt_issuer.stands_in_for(APP):
        for kind in ("user", "client", "agent"):
            for dialect in ("access_token", "rfc9068_profile_authz"):
                headers = atjwt_issuer.headers(dialect=dialect, kind=kind)
                assert TestClient(APP).get("/who", headers=headers).status_code == 200


def test_what_a_test_says_wins(atjwt_issuer: LocalIssuer) -> None:
    """The app's `iss` and `aud` are defaults; claims, audience and REMOVE go before them."""
    with atjwt_issuer.stands_in_for(APP):
        assert atjwt_issuer.claims(kind="client")["aud"] == API
        assert atjwt_issuer.claims(audience="urn:a", kind="client")["aud"] == "urn:a"
        assert atjwt_issuer.claims(audience=["urn:a", "urn:b"])["aud"] == ["urn:a", "urn:b"]
        assert atjwt_issuer.claims(claims={"iss": "urn:i", "aud": API})["iss"] == "urn:i"
        assert atjwt_issuer.claims(claims={"aud": API})["aud"] == API
        drawn = atjwt_issuer.claims(scopes=iter(["openid", "a"]), permissions=iter(["p"]))
        assert drawn["scope"] == "openid a"
        with pytest.raises(TypeError, match="scopes is a list"):
            atjwt_issuer.token(scopes="read:orders")
    assert atjwt_issuer.claims()["iss"] == "https://issuer.test/"


# --- what can happen to an app --------------------------------------------------------------------


def test_a_rotated_key_is_found(atjwt_issuer: LocalIssuer) -> None:
    """After a rotation tokens of both keys are accepted, and a fetch is needed for neither."""
    client = TestClient(APP)
    with atjwt_issuer.stands_in_for(APP):
        before = atjwt_issuer.token()
        assert client.get("/who", headers=bearer(before)).status_code == 200
        atjwt_issuer.rotate_keys()
        assert client.get("/who", headers=atjwt_issuer.headers()).status_code == 200
        assert client.get("/who", headers=bearer(before)).status_code == 200
        assert sum(atjwt_issuer.requests.values()) == 2


def test_an_outage_costs_nothing_until_the_keys_are_past_stale(atjwt_issuer: LocalIssuer) -> None:
    """Keys in hand serve while the issuer is down; past fresh and stale together it is 503."""
    client = TestClient(APP)
    with atjwt_issuer.stands_in_for(APP):
        headers = atjwt_issuer.headers()
        assert client.get("/who", headers=headers).status_code == 200
        with atjwt_issuer.down():
            assert client.get("/who", headers=atjwt_issuer.headers()).status_code == 200
            atjwt_issuer.advance(600 + 3600 + 1)
            refused = client.get("/who", headers=headers)
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
        atjwt_issuer.advance(30)
        assert client.get("/who", headers=headers).status_code == 200


def test_an_issuer_that_was_never_up(atjwt_issuer: LocalIssuer) -> None:
    """`down` as a plain call: an app without keys answers 503 at once, until `up` and a second."""
    client = TestClient(APP)
    with atjwt_issuer.stands_in_for(APP):
        atjwt_issuer.down()
        assert client.get("/who", headers=atjwt_issuer.headers()).status_code == 503
        atjwt_issuer.up()
        atjwt_issuer.advance(2)
        assert client.get("/who", headers=atjwt_issuer.headers()).status_code == 200


def test_a_token_expires(atjwt_issuer: LocalIssuer) -> None:
    """Advanced past `exp` and the leeway a token is refused, and one that is issued then is good."""
    client = TestClient(APP)
    with atjwt_issuer.stands_in_for(APP):
        headers = atjwt_issuer.headers(lifetime=60)
        assert client.get("/who", headers=headers).status_code == 200
        atjwt_issuer.advance(60)
        assert client.get("/who", headers=headers).status_code == 200
        atjwt_issuer.advance(11)
        assert client.get("/who", headers=headers).status_code == 401
        assert client.get("/who", headers=atjwt_issuer.headers(lifetime=60)).status_code == 200


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), True])
def test_time_goes_forward(atjwt_issuer: LocalIssuer, seconds: float) -> None:
    """`advance` takes a finite number of seconds, none below zero."""
    with pytest.raises(ValueError, match="0 or more"):
        atjwt_issuer.advance(seconds)


def test_a_fault_is_met_as_it_is(atjwt_issuer: LocalIssuer) -> None:
    """The base's faults reach the app: lying metadata, garbage and a huge body cost the keys."""
    for fault in ("lying", "garbage", "huge", "redirect", "empty"):
        atjwt_issuer.faults.set(**{fault: True})  # type: ignore[arg-type]
        server = tenant()
        with atjwt_issuer.stands_in_for(server), pytest.raises(KeysUnavailable):
            server.verify_sync(atjwt_issuer.token())


def test_reset_takes_back_what_happened(atjwt_issuer: LocalIssuer) -> None:
    """After `reset` there is no fault, no time advanced, nothing counted; the keys are the same."""
    server = tenant()
    keys = atjwt_issuer.jwks()
    with atjwt_issuer.stands_in_for(server):
        server.verify_sync(atjwt_issuer.token())
        atjwt_issuer.advance(1e6)
        atjwt_issuer.down()
        atjwt_issuer.dialect = "rfc9068_profile"
        later = atjwt_issuer.clock()
        atjwt_issuer.reset()
        server.verify_sync(atjwt_issuer.token())
    assert atjwt_issuer.clock() < later
    assert not atjwt_issuer.faults.active()
    assert str(atjwt_issuer.dialect) == "access_token"
    assert atjwt_issuer.jwks() == keys


# --- every reason ---------------------------------------------------------------------------------

SEEN: list[Event] = []
GUARDED = {
    Reason.MISSING_SCOPE: policies.has_scope("read:orders"),
    Reason.MISSING_PERMISSION: policies.has_permission("read:orders"),
    Reason.NO_PERMISSIONS_CLAIM: policies.has_permission("read:orders"),
    Reason.MISSING_ROLE: policies.has_role("clerk"),
    Reason.WRONG_CLAIM: policies.has_claim("https://shop.test/plan", equals="gold"),
    Reason.WRONG_KIND: policies.is_kind("user"),
    Reason.WRONG_CLIENT: policies.is_client("local-app"),
    Reason.WRONG_ORGANIZATION: policies.in_org("org_1"),
    Reason.MISSING_AUTHORIZATION_DETAIL: policies.authorization_detail(type="payment"),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: policies.acr("urn:example:mfa"),
}
BOTH = ResourceServer(
    audience=API, issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")], observers=[SEEN.append]
)
ONE = ResourceServer(
    audience=API, issuers=[TrustedIssuer(TENANT, profiles={AUTH0})], observers=[SEEN.append]
)


@pytest.mark.parametrize("reason", [reason for reason in Reason if reason not in NOT_BY_A_TOKEN])
def test_every_reason_is_met(atjwt_issuer: LocalIssuer, reason: Reason) -> None:
    """Every reason that a token can cause is caused by `broken`, one after the other, in one app."""
    server = ONE if reason is Reason.PROFILE_NOT_ACCEPTED else BOTH
    guard = requires(*([GUARDED[reason]] if reason in GUARDED else []))
    app = Starlette(
        routes=[Route("/", guard(who))],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
    )
    SEEN.clear()
    with atjwt_issuer.stands_in_for(app):
        for _ in range(2):  # the second one starts the cooldown, in which no key is looked for
            unknown = bearer(atjwt_issuer.broken(Reason.UNKNOWN_KEY))
            assert TestClient(app).get("/", headers=unknown).status_code == 401
        SEEN.clear()
        answer = TestClient(app).get("/", headers=bearer(atjwt_issuer.broken(reason)))
    refusals = [event.reason for event in SEEN if isinstance(event, TokenRefused | AccessDenied)]
    assert refusals == [reason]
    assert answer.status_code in {400, 401, 403}


@pytest.mark.parametrize(
    ("reason", "settings", "why"),
    [
        (Reason.PROFILE_NOT_ACCEPTED, {"profiles": {AUTH0, RFC9068}}, "accepts both profiles"),
        (Reason.MISSING_KEY_ID, {"profiles": {RFC9068}}, "RFC 9068 profile only"),
        (Reason.UNSUITABLE_KEY, {"algorithms": ["RS256"]}, "does not accept PS256"),
        (Reason.MISSING_TOKEN, {}, "send no Authorization header"),
    ],
)
def test_a_reason_that_the_app_cannot_have(
    atjwt_issuer: LocalIssuer, reason: Reason, settings: dict[str, Any], why: str
) -> None:
    """Where no token is refused for a reason by this app, `broken` says so instead of a wrong one."""
    with atjwt_issuer.stands_in_for(tenant(**settings)), pytest.raises(ValueError, match=why):
        atjwt_issuer.broken(reason)


def test_a_limit_of_the_app_that_no_token_here_exceeds(atjwt_issuer: LocalIssuer) -> None:
    """An app that reads longer tokens than `broken` makes has no `token_too_large` from it."""
    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")], max_token_size=100_000
    )
    with atjwt_issuer.stands_in_for(server), pytest.raises(ValueError, match="100000 bytes"):
        atjwt_issuer.broken(Reason.TOKEN_TOO_LARGE)
