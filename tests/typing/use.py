"""What a user writes, as a type checker sees it. Checked, never run."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Literal, assert_type

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from atjwt import (
    AUTH0,
    RFC9068,
    AuthError,
    ConfigurationError,
    InsufficientScope,
    KeyPolicy,
    KeysUnavailable,
    Policy,
    Principal,
    Reason,
    ResourceServer,
    TrustedIssuer,
    all_of,
    any_of,
    has_permission,
    has_role,
    has_scope,
)
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.challenge import Challenge
from atjwt.core.profile import Profile
from atjwt.errors import InsufficientUserAuthentication
from atjwt.events import AccessDenied, Event, KeysFailed, KeysRefreshed, TokenAccepted, TokenRefused
from atjwt.health import Health
from atjwt.migration import Ledger
from atjwt.policies import (
    Kind,
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from atjwt.starlette import RequiresMiddleware, principal_of, requires


async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """A fetcher of one's own."""
    return 404, {}, url.encode()


def observe(event: Event) -> None:
    """An observer tells the events apart by their types."""
    match event:
        case TokenAccepted():
            assert_type(event.principal, Principal)
        case TokenRefused():
            assert_type(event.reason, Reason)
            assert_type(event.fingerprint, str | None)
        case AccessDenied():
            assert_type(event.principal, Principal | None)
        case KeysRefreshed() | KeysFailed():
            assert_type(event.issuer, str)
        case _:
            assert_type(event.at, float)


POLICY = has_scope("read:orders") & (has_permission("orders:admin") | has_role("admin", "owner"))
SERVER = ResourceServer(
    audience=["https://api.example.com/", "urn:orders"],
    issuers=[
        TrustedIssuer.auth0("tenant.eu.auth0.com", profiles={AUTH0, RFC9068}),
        TrustedIssuer(
            "https://issuer.example.org",
            profiles={RFC9068},
            algorithms=["ES256"],
            key_policy=KeyPolicy(fresh=0.5, stale=1, cooldown=0.5, timeout=5),
        ),
        TrustedIssuer("https://third.example.org", jwks={"keys": []}, tenant="acme"),
        TrustedIssuer("https://fourth.example.org", secret=b"x" * 32),
        TrustedIssuer.auth0(
            "other.eu.auth0.com",
            roles_claim="https://acme.com/roles",
            auth_time_claim="https://acme.com/auth_time",
            acr_claim="https://acme.com/acr",
        ),
    ],
    leeway=0.5,
    observers=[observe, print, Ledger("stdout:", service="orders")],
    clock=lambda: 0.0,
    fetch=fetch,
)


def values() -> None:
    """Settings and policies have their types."""
    assert_type(POLICY, Policy)
    assert_type(all_of(POLICY, has_scope("a")), Policy)
    assert_type(any_of(POLICY, has_scope("a")), Policy)
    assert_type(TrustedIssuer.auth0("a.auth0.com"), TrustedIssuer)
    assert_type(AUTH0, Profile)
    assert_type(ResourceServer.from_env(leeway=5), ResourceServer)
    assert_type(SERVER.health(), Health)


def policies(kind: Kind) -> None:
    """Every policy is one, whatever it asks for, and joins with every other."""
    assert_type(is_kind(kind, "client"), Policy)
    assert_type(is_client("a") & in_org("b"), Policy)
    assert_type(acr("a", "b") | authenticated_within(0.5), Policy)
    assert_type(has_claim("https://acme.com/plan", equals=True), Policy)
    assert_type(has_claim("https://acme.com/plans", contains=1.5), Policy)
    detail = authorization_detail(
        type="account", actions={"read"}, locations=["https://a.example"], identifier="x"
    )
    assert_type(detail & POLICY, Policy)
    assert_type(POLICY.scopes_needed(), frozenset[str])


async def judged(token: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Whoever is let in is a `Principal`; nothing sent is None, and has to be looked at."""
    assert_type(await SERVER.verify(token), Principal)
    assert_type(await SERVER.verify(token.encode()), Principal)
    assert_type(SERVER.verify_sync(token), Principal)
    who = await SERVER.authenticate(headers, method="GET", url="/orders")
    assert_type(who, Principal | None)
    assert_type(SERVER.authorize(who, POLICY), Principal)
    assert_type(SERVER.authorize(who, None), Principal)
    assert_type(await SERVER.warm_up(timeout=1), Health)


def principal(who: Principal) -> None:
    """Each field of a principal has its type."""
    assert_type(who.subject, str)
    assert_type(who.client_id, str | None)
    assert_type(who.kind, Literal["user", "client", "agent", "anonymous"])
    assert_type(who.scopes, frozenset[str])
    assert_type(who.permissions, frozenset[str] | None)
    assert_type(who.profile, Profile | None)
    assert_type(who.audience, tuple[str, ...])
    assert_type(who.expires_at, float | None)
    assert_type(who.key, tuple[str, str, str])
    assert_type(who.claims, dict[str, object])
    assert_type(who.actor, Mapping[str, object] | None)
    assert_type(who.roles, frozenset[str])
    assert_type(who.acr, str | None)
    assert_type(who.authenticated_at, float | None)
    assert_type(who.claim("https://acme.com/plan"), object)
    assert_type(who.has_scope("a", "b"), bool)


def errors(error: AuthError) -> None:
    """Each error has what it says, and a challenge."""
    assert_type(error.reason, Reason)
    assert_type(SERVER.challenge(error), Challenge)
    status, headers, body = SERVER.challenge(error)
    assert_type(status, int)
    assert_type(headers, tuple[tuple[bytes, bytes], ...])
    assert_type(body, bytes)
    if isinstance(error, InsufficientScope):
        assert_type(error.scopes, frozenset[str])
    if isinstance(error, InsufficientUserAuthentication):
        assert_type(error.acr_values, tuple[str, ...])
        assert_type(error.max_age, int | None)
    if isinstance(error, KeysUnavailable):
        assert_type(error.retry_after, float)
    assert_type(ConfigurationError(["a"]).problems, tuple[str, ...])


@requires(scopes=["read:orders"])
async def orders(request: Request) -> JSONResponse:
    assert_type(principal_of(request), Principal)
    return JSONResponse({})


@requires(POLICY, permissions={"orders:read"})
def orders_sync(request: Request) -> PlainTextResponse:
    return PlainTextResponse("")


@requires()
class Orders(HTTPEndpoint):
    @requires(has_scope("a"), has_scope("b"))
    async def get(self, request: Request) -> Response:
        return Response()


@requires(scopes=("live",))
async def live(websocket: WebSocket) -> None:
    assert_type(principal_of(websocket), Principal)


def guarded() -> None:
    """A guard leaves the type of what it guards as it was."""
    kept: Callable[[Request], Coroutine[Any, Any, JSONResponse]] = orders
    kept_sync: Callable[[Request], PlainTextResponse] = orders_sync
    kept_class: type[Orders] = Orders
    assert_type((kept, kept_sync, kept_class)[2], type[Orders])


APP = Starlette(
    routes=[
        Route("/orders", orders),
        Route("/sync", orders_sync),
        Route("/class", Orders),
        WebSocketRoute("/live", live),
        Mount(
            "/admin",
            routes=[],
            middleware=[Middleware(RequiresMiddleware, has_scope("admin"), scopes=["a"])],
        ),
    ],
    middleware=[
        Middleware(AccessTokenMiddleware, resource_server=SERVER, public={"/health"}),
        Middleware(AccessTokenMiddleware, issuer="https://a.auth0.com/", audience="https://api/"),
    ],
)
WRAPPED = AccessTokenMiddleware(APP, resource_server=SERVER, required=False, allow_preflight=True)
AROUND_OURS = Starlette(routes=[Mount("/", WRAPPED)])
