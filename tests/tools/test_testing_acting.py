"""`acting_as`: who is calling is said, what they may do is checked; and `principal`, who that is."""

import asyncio
import pickle
from typing import Annotated, Any

import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from atjwt import AUTH0, RFC9068, Principal, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.kind import Kind
from atjwt.fastapi import AccessTokenScheme
from atjwt.policies import authenticated_within, in_org
from atjwt.starlette import requires
from atjwt.testing import LocalIssuer, acting_as, principal
from tools.standing import API, TENANT, bearer, tenant, who

APP = Starlette(
    routes=[
        Route("/", who),
        Route("/orders", requires(scopes=["read:orders"])(who)),
        Route("/all", requires(permissions=["read:all"])(who)),
        Route("/mine", requires(in_org("org_1"))(who)),
        Route("/recent", requires(authenticated_within(60))(who)),
    ],
    middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=API)],
)
SERVER = tenant()
AUTH = AccessTokenScheme(SERVER)
SHOP = FastAPI()


@SHOP.get("/orders")
async def orders(caller: Annotated[Principal, AUTH.requires(scopes=["read:orders"])]) -> str:
    """The orders of one customer."""
    return caller.subject


def status(app: Any, path: str, **headers: str) -> int:
    """The status of the answer to a GET."""
    return TestClient(app).get(path, headers=headers).status_code


# --- acting_as ------------------------------------------------------------------------------------


def test_the_principal_is_who_calls() -> None:
    """A request without anything is that of the principal."""
    with acting_as(APP, None, principal("auth0|me", issuer=TENANT)):
        answer = TestClient(APP).get("/")
    assert answer.json()["sub"] == "auth0|me"


def test_rights_are_checked_as_always() -> None:
    """Scopes, permissions and policies that the principal does not meet are 403, as with a token."""
    with acting_as(APP, None, principal(scopes=["read:orders"])):
        paths = ("/", "/orders", "/all", "/mine", "/recent")
        assert [status(APP, path) for path in paths] == [200, 200, 403, 403, 401]
    with acting_as(APP, None, principal(permissions=["read:all"], org_id="org_1")):
        assert [status(APP, path) for path in paths] == [200, 403, 200, 200, 401]


def test_what_is_sent_is_not_looked_at(atjwt_issuer: LocalIssuer) -> None:
    """No token is needed, none is judged."""
    with acting_as(APP, None, principal()):
        assert status(APP, "/", **bearer("junk")) == 200


def test_nobody() -> None:
    """None is a request with which nothing was sent."""
    with acting_as(APP, None, None):
        assert status(APP, "/") == 401
    with acting_as(SHOP, AUTH, None):
        assert status(SHOP, "/orders") == 401


@pytest.mark.parametrize("auth", [None, AUTH, SERVER])
def test_a_fastapi_app(auth: AccessTokenScheme | None) -> None:
    """Guards ask the stand-in, whether the scheme, the resource server or neither is named."""
    with acting_as(SHOP, auth, principal("auth0|me", scopes=["read:orders"])):
        assert TestClient(SHOP).get("/orders").json() == "auth0|me"
    with acting_as(SHOP, auth, principal()):
        refused = TestClient(SHOP).get("/orders")
    assert refused.status_code == 403
    assert 'scope="read:orders"' in refused.headers["www-authenticate"]


def test_behind_a_middleware_of_its_own() -> None:
    """Where a middleware and guards have resource servers of their own, the caller is the same."""
    app = FastAPI(middleware=[Middleware(AccessTokenMiddleware, issuer=TENANT, audience=API)])
    app.add_api_route("/orders", orders)
    with acting_as(app, None, principal(scopes=["read:orders"])):
        assert status(app, "/orders") == 200
    with acting_as(app, AUTH, principal(scopes=["read:orders"])):
        assert status(app, "/orders") == 401  # the middleware was not stood in for


def test_a_websocket() -> None:
    """A socket is the principal's too, and stays open, for the principal has not expired."""

    async def echo(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text(socket.user.identity)
        await socket.close()

    app = Starlette(
        routes=[WebSocketRoute("/echo", echo)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=SERVER)],
    )
    with (
        acting_as(app, None, principal("auth0|me")),
        TestClient(app).websocket_connect("/echo") as socket,
    ):
        assert socket.receive_text() == "auth0|me"


def test_it_ends() -> None:
    """At the end, after an exception too, the resource server authenticates by itself again."""
    before = dict(vars(SERVER))
    with pytest.raises(ZeroDivisionError), acting_as(SHOP, None, principal()):
        raise ZeroDivisionError
    assert vars(SERVER) == before
    assert status(SHOP, "/orders", **bearer("junk")) == 401


def test_the_inner_one_counts() -> None:
    """Nested, the inner principal calls, and afterwards the outer one again."""
    with acting_as(SHOP, None, principal(scopes=["read:orders"])):
        with acting_as(SHOP, None, principal()):
            assert status(SHOP, "/orders") == 403
        assert status(SHOP, "/orders") == 200


def test_what_is_no_principal() -> None:
    """A subject in place of a principal, and an app without a resource server, are told at once."""
    with (
        pytest.raises(TypeError, match="give a Principal"),
        acting_as(SHOP, None, "auth0|me"),  # type: ignore[arg-type]
    ):
        pass
    with (
        pytest.raises(ValueError, match="no ResourceServer"),
        acting_as(Starlette(), None, principal()),
    ):
        pass


def test_with_a_token_beside_it(atjwt_issuer: LocalIssuer) -> None:
    """It goes together with a stand-in: outside of it the tokens count again."""
    with atjwt_issuer.stands_in_for(SHOP):
        headers = atjwt_issuer.headers()
        with acting_as(SHOP, None, principal()):
            assert status(SHOP, "/orders", **headers) == 403
        assert status(SHOP, "/orders", **headers) == 200


# --- principal ------------------------------------------------------------------------------------

KINDS: tuple[Kind, ...] = ("user", "client", "agent", "anonymous")


@pytest.mark.parametrize("profile", [AUTH0, RFC9068])
@pytest.mark.parametrize("kind", KINDS)
def test_the_claims_say_what_the_fields_say(kind: Kind, profile: Any) -> None:
    """Fields and claims of a principal are of one claim set, for every kind and profile."""
    made = principal(
        kind=kind, profile=profile, scopes=["a", "b"], permissions=["p"], roles=["r"], lifetime=60
    )
    claims = made.claims
    assert (claims["iss"], claims["sub"], claims["aud"]) == (
        made.issuer,
        made.subject,
        *made.audience,
    )
    assert claims[profile.client_claim] == made.client_id
    assert (claims["iat"], claims["exp"]) == (made.issued_at, made.expires_at)
    assert claims.get("jti") == made.token_id
    assert claims["scope"] == "a b"
    assert made.scopes == {"a", "b"}
    assert made.permissions == frozenset({"p"})
    assert made.roles == {"r"}
    assert (made.kind, made.profile) == (kind, profile)
    assert pickle.loads(pickle.dumps(made)) == made


def test_a_token_of_the_same_grant_makes_the_same_principal(atjwt_issuer: LocalIssuer) -> None:
    """What `principal` makes is, field by field, what a token that says the same comes out as."""
    with atjwt_issuer.stands_in_for(SERVER):
        for kind in ("user", "client", "agent"):
            made = principal(
                "auth0|me" if kind == "user" else None,
                kind=kind,
                scopes=["a"],
                permissions=["p"],
                issuer=TENANT,
                audience=API,
                issued_at=int(atjwt_issuer.clock()),
            )
            token = atjwt_issuer.token(
                dialect="rfc9068_profile_authz", kind=kind, scopes=["a"], permissions=["p"],
                subject=made.subject, client_id=made.client_id, claims={"jti": "test-token"},
            )  # fmt: skip
            judged = asyncio.run(SERVER.verify(token))
            names = ("issuer", "subject", "client_id", "kind", "scopes", "permissions", "profile",
                     "audience", "token_id", "key")  # fmt: skip
            assert [getattr(made, name) for name in names] == [
                getattr(judged, name) for name in names
            ]


def test_no_claim_and_an_empty_one() -> None:
    """Without `permissions` there is no such claim; an empty list is one that grants nothing."""
    assert principal().permissions is None
    assert principal(permissions=[]).permissions == frozenset()
    assert "permissions" not in principal().claims


def test_the_ids_of_a_client_agree() -> None:
    """A client is named by its subject or by its id, and the other follows."""
    by_subject = principal("robot@clients", kind="client")
    assert by_subject.client_id == "robot"
    assert principal(kind="client", client_id="robot").subject == "robot@clients"
    assert principal("robot", kind="client").client_id == "robot"


@pytest.mark.parametrize(
    ("arguments", "error", "why"),
    [
        ({"scopes": "read:orders"}, TypeError, "scopes is a list"),
        ({"permissions": "p"}, TypeError, "permissions is a list"),
        ({"roles": "r"}, TypeError, "roles is a list"),
        ({"sub": "x"}, ValueError, "subject= in place of sub="),
        ({"scope": "x"}, ValueError, "scopes= in place of scope="),
        ({"auth_time": "yesterday"}, ValueError, "auth_time is of a type"),
        ({"subject": "agt_x"}, ValueError, "of kind 'agent'"),
        ({"subject": "x", "client_id": "y", "kind": "client"}, ValueError, "of kind 'user'"),
        ({"kind": "robot"}, ValueError, "kind is one of user, client, agent, anonymous"),
        ({"issuer": "no URL"}, ValueError, "issuer"),
    ],
)
def test_what_no_token_says(arguments: dict[str, Any], error: type[Exception], why: str) -> None:
    """A principal that no token could have made is refused, with what to write where that is known."""
    with pytest.raises(error, match=why):
        principal(**arguments)


@pytest.mark.parametrize("first_to_end", [0, 1])
def test_two_that_act_at_once_leave_nothing_in_whatever_order_they_end(first_to_end: int) -> None:
    """The last to begin acts; when both have ended, nobody does."""
    server = ResourceServer(
        audience="https://api.example.com/", issuers=[TrustedIssuer("https://a.test")]
    )
    acts = [acting_as(server, None, principal(f"auth0|{name}")) for name in "ab"]
    for act in acts:
        act.__enter__()
    acts[first_to_end].__exit__(None, None, None)
    left = asyncio.run(server.authenticate([]))
    assert left is not None
    assert left.subject == "auth0|" + "ba"[first_to_end]
    acts[1 - first_to_end].__exit__(None, None, None)
    assert asyncio.run(server.authenticate([])) is None


def test_an_auth_that_guards_nothing_of_the_app_is_refused() -> None:
    """Else a test would pass or fail for no reason that it shows."""
    servers = [
        ResourceServer(audience=f"https://{name}.test", issuers=[TrustedIssuer("https://a.test")])
        for name in "ab"
    ]
    app = Starlette(middleware=[Middleware(AccessTokenMiddleware, resource_server=servers[0])])
    with (
        pytest.raises(ValueError, match="guards nothing of this app"),
        acting_as(app, servers[1], None),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "hint"),
    [("authenticated_at", "auth_time"), ("expires_at", "lifetime"), ("claims", "each claim")],
)
def test_a_name_of_the_principal_s_own_is_no_claim(given: str, hint: str) -> None:
    """What is written as the principal is read would otherwise become a claim of that name."""
    claims: Any = {given: 1}
    with pytest.raises(ValueError, match=hint):
        principal(**claims)
