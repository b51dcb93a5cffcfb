"""What the OpenAPI document says of each route: how to get a token, what it must allow, and how a
refusal looks. Building it asks nobody.
"""

import json
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security

from atjwt import (
    Principal,
    ResourceServer,
    TrustedIssuer,
    has_permission,
    has_scope,
)
from atjwt.fastapi import AccessTokenScheme
from atjwt.openapi import guards_in
from atjwt.policies import is_kind
from atjwt.testing import LocalIssuer
from web.asking import API, ask, bearer

FLOW = ("components", "securitySchemes", "AccessToken", "flows", "authorizationCode")


async def unreachable(url: str) -> tuple[int, dict[str, str], bytes]:
    """A fetcher that must not be asked."""
    raise AssertionError("the document was to be built without asking anybody")


AUTH0 = TrustedIssuer.auth0("tenant.eu.auth0.com")
ELSEWHERE = TrustedIssuer("https://issuer.example.org/realm")


def scheme_of(*issuers: TrustedIssuer, **settings: Any) -> AccessTokenScheme:
    """A scheme that trusts these issuers, by default a tenant of Auth0."""
    server = ResourceServer(audience=API, issuers=issuers or [AUTH0], fetch=unreachable)
    return AccessTokenScheme(server, **settings)


def document(app: FastAPI, *schemes: AccessTokenScheme) -> Any:
    """The document of an app in which these schemes are installed, as a client reads it."""
    for scheme in schemes:
        scheme.install(app)
    return json.loads(json.dumps(app.openapi()))


def within(schema: Any, *keys: str) -> Any:
    """What stands at the end of these keys."""
    for key in keys:
        schema = schema[key]
    return schema


def operation(auth: AccessTokenScheme, *dependencies: Any, **settings: Any) -> Any:
    """What is said of one route that has these dependencies. settings: of the route."""
    app = FastAPI()
    app.add_api_route("/", reached, dependencies=dependencies, **settings)
    return document(app, auth)["paths"]["/"]["get"]


async def reached() -> str:
    return "in"


# --- How to get a token ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("issuers", "urls", "written"),
    [
        ([AUTH0], {}, ("https://tenant.eu.auth0.com/authorize",
                       "https://tenant.eu.auth0.com/oauth/token")),
        ([AUTH0, ELSEWHERE], {}, ("https://tenant.eu.auth0.com/authorize",
                                  "https://tenant.eu.auth0.com/oauth/token")),
        ([ELSEWHERE], {"authorization_url": "https://a.example/in", "token_url": "https://a.example/t"},
         ("https://a.example/in", "https://a.example/t")),
        ([AUTH0], {"authorization_url": "https://a.example/in", "token_url": "https://a.example/t"},
         ("https://a.example/in", "https://a.example/t")),
    ],
)  # fmt: skip
def test_the_authorization_code_flow_is_told_where_its_endpoints_are_known(
    issuers: list[TrustedIssuer], urls: dict[str, str], written: tuple[str, str]
) -> None:
    """Those of an Auth0 tenant are known by its name; those given are taken before all others."""
    auth = scheme_of(*issuers, description="By the tenant.", **urls)
    app = FastAPI(dependencies=[auth.requires()])
    app.add_api_route("/", reached)
    scheme = within(document(app, auth), *FLOW[:3])
    assert scheme == {
        "type": "oauth2",
        "description": "By the tenant.",
        "flows": {
            "authorizationCode": {
                "authorizationUrl": written[0], "tokenUrl": written[1], "scopes": {},
            }
        },
    }  # fmt: skip


@pytest.mark.parametrize("issuer", ["https://issuer.example.org/realm", "https://issuer.example/"])
def test_elsewhere_the_document_points_to_the_metadata(issuer: str) -> None:
    """Where the endpoints are, only the issuer's metadata says, and that is not fetched."""
    auth = scheme_of(TrustedIssuer(issuer))
    app = FastAPI(dependencies=[auth.requires(scopes=["a"])])
    app.add_api_route("/", reached)
    url = f"{issuer.rstrip('/')}/.well-known/openid-configuration"
    scheme = within(document(app, auth), *FLOW[:3])
    assert scheme == {"type": "openIdConnect", "openIdConnectUrl": url}


def test_nothing_is_fetched(issuer: LocalIssuer) -> None:
    """Neither when it is declared and installed, nor while the document is built."""
    trusted = TrustedIssuer(issuer.issuer, algorithms=["ES256"])
    server = ResourceServer(audience=API, issuers=[trusted], fetch=issuer.fetch)
    auth = AccessTokenScheme(server)
    app = FastAPI(dependencies=[auth.requires(scopes=["a"])])
    app.add_api_route("/", reached)
    auth.install(app, docs_client_id="app")
    for path in ("/openapi.json", "/docs"):
        assert ask(app, path=path).status == 200
    assert issuer.requests.total() == 0


def test_scopes_in_use_are_listed_with_what_they_mean() -> None:
    """Wherever a scope is asked for, the docs page can ask the user for it."""
    meanings = {"read:orders": "Read orders", "unused": "Not used yet"}
    auth = scheme_of(scopes=meanings)

    async def parent(who: Annotated[Principal, Depends(auth)]) -> Principal:
        return who

    app = FastAPI(dependencies=[auth.requires(scopes=["app"])])
    guards = [
        Security(auth, scopes=["read:orders", "own"]), Security(parent, scopes=["further"]),
        auth.requires(has_scope("x") & has_permission("p")),
        auth.requires(has_scope("one") | has_scope("two")),
    ]  # fmt: skip
    for n, guard in enumerate(guards):
        app.add_api_route(f"/{n}", reached, dependencies=[guard])
    assert within(document(app, auth), *FLOW, "scopes") == {
        **meanings, **dict.fromkeys(["app", "own", "further", "x", "one", "two"], ""),
    }  # fmt: skip


# --- What a route asks for ------------------------------------------------------------------------


def test_each_route_says_its_policy_its_scopes_and_its_permissions() -> None:
    """Under its own text, as the policy is written, and for programs."""
    auth = scheme_of()
    policy = has_scope("a") & (has_permission("p", "q") | is_kind("client"))

    async def refund() -> None:
        """Refunds an order."""

    app = FastAPI()
    app.add_api_route("/", refund, dependencies=[auth.requires(policy, permissions=["r"])])
    told = document(app, auth)["paths"]["/"]["get"]
    whole = repr(policy & has_permission("r"))
    assert told["description"] == f"Refunds an order.\n\nRequires `{whole}`."
    assert told["x-atjwt-policy"] == whole
    assert told["x-atjwt-permissions"] == ["p", "q", "r"]
    assert told["security"] == [{"AccessToken": ["a"]}]


def test_a_route_without_a_text_gets_the_policy_as_its_text() -> None:
    """And no list of permissions where it asks for none."""
    auth = scheme_of()
    told = operation(auth, auth.requires(scopes=["a"]))
    assert told["description"] == "Requires `has_scope('a')`."
    assert "x-atjwt-permissions" not in told


def test_all_guards_of_a_route_are_told_together() -> None:
    """Of the app, of routers, of the route and of what it depends on; and Security's scopes."""
    auth = scheme_of()

    async def parent(who: Annotated[Principal, auth.requires(permissions=["p"])]) -> Principal:
        return who

    async def endpoint(who: Annotated[Principal, Security(parent, scopes=["parent"])]) -> None:
        """Text."""

    app = FastAPI(dependencies=[auth.requires(scopes=["app"])])
    router = APIRouter(prefix="/in", dependencies=[auth.requires(scopes=["router"])])
    router.add_api_route("/{name:path}", endpoint, dependencies=[auth.optional], methods=["PUT"])
    app.include_router(router, prefix="/v1", dependencies=[Security(auth, scopes=["include"])])
    told = document(app, auth)["paths"]["/v1/in/{name}"]["put"]
    scopes = ["app", "include", "parent", "router"]
    [requirement] = told["security"]
    assert sorted(requirement["AccessToken"]) == scopes
    assert told["x-atjwt-policy"] == repr(has_permission("p") & has_scope(*scopes))


@pytest.mark.parametrize(
    "name", ["parent_oauth_scopes", "own_oauth_scopes", "oauth_scopes", "security_scopes"]
)
def test_scopes_are_found_by_every_name_that_fastapi_has_had_for_them(name: str) -> None:
    """Of the guard itself and of what is around it, each once."""
    guard = scheme_of().requires().dependency
    inner = SimpleNamespace(call=guard, dependencies=[], **{name: ["a", "b"]})
    outer = SimpleNamespace(call=reached, dependencies=[inner], **{name: ["c", "a"]})
    assert [*guards_in(outer)] == [(guard, ["c", "a", "b"])]


def test_each_method_of_a_path_says_its_own() -> None:
    """A path is no operation."""
    auth = scheme_of()
    app = FastAPI()
    app.add_api_route("/", reached, dependencies=[auth.requires(scopes=["read"])])
    app.add_api_route("/", reached, dependencies=[auth.requires(scopes=["write"])], methods=["PUT"])
    app.add_api_route("/", reached, dependencies=[auth.public], methods=["DELETE"])
    told = document(app, auth)["paths"]["/"]
    policies = {method: each.get("x-atjwt-policy") for method, each in told.items()}
    assert policies == {"get": "has_scope('read')", "put": "has_scope('write')", "delete": None}


def test_what_is_not_guarded_is_left_as_it_is() -> None:
    """Nothing is said of routes without a guard, and nothing of ours is there without any."""

    def plain() -> FastAPI:
        app = FastAPI()
        app.add_api_route("/", reached, dependencies=[auth.public])
        app.add_api_route(
            "/hidden", reached, dependencies=[auth.requires()], include_in_schema=False
        )
        app.add_api_websocket_route("/socket", reached, dependencies=[auth.requires()])
        app.mount("/mounted", FastAPI(dependencies=[auth.requires()]))
        return app

    auth = scheme_of()
    assert document(plain(), auth) == document(plain())


# --- How a refusal looks --------------------------------------------------------------------------


def test_refusals_are_documented_with_their_bodies(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """What is said is what a caller gets: status, header, and a body of that shape."""
    auth = AccessTokenScheme(server)
    app = FastAPI()
    app.add_api_route("/", reached, dependencies=[auth.requires(scopes=["a"])])
    schema = document(app, auth)
    responses = schema["paths"]["/"]["get"]["responses"]
    assert sorted(responses) == ["200", "400", "401", "403", "503"]
    for headers in ([], bearer("a b"), bearer("x"), bearer(issuer.token(scopes=[]))):
        answer = ask(app, headers)
        told = responses[str(answer.status)]
        assert told["description"]
        assert list(told["headers"]) == ["WWW-Authenticate"]
        assert answer.values(b"www-authenticate")
        reference = told["content"]["application/json"]["schema"]["$ref"]
        body = within(schema, *reference.removeprefix("#/").split("/"))
        assert (
            sorted(body["required"])
            == sorted(body["properties"])
            == sorted(json.loads(answer.text))
        )
    assert list(responses["503"]["headers"]) == ["Retry-After"]


def test_where_any_caller_will_do_nobody_is_told_of_scopes() -> None:
    """A 403 is documented where a policy can fail."""
    auth = scheme_of()
    assert sorted(operation(auth, auth.requires())["responses"]) == ["200", "400", "401", "503"]


def test_the_users_own_responses_win() -> None:
    """Whatever an app says of a status stays as it said it."""
    auth = scheme_of()
    own = {401: {"description": "Log in first."}, "503": {"description": "Tea break."}}
    told = operation(auth, auth.requires(scopes=["a"]), responses=own)["responses"]
    assert told["401"] == {"description": "Log in first."}
    assert told["503"] == {"description": "Tea break."}
    assert "AccessRefused" in repr(told["403"])


def test_optional_is_told_as_openapi_says_it() -> None:
    """One way to call it is without a token; not where something else on the route demands one."""
    auth = scheme_of()

    async def parent(who: Annotated[Principal | None, auth.optional]) -> Principal | None:
        return who

    cases: list[tuple[list[Any], Any]] = [
        ([auth.optional], [{}, {"AccessToken": []}]),
        ([auth.optional, auth.optional], [{}, {"AccessToken": []}]),
        ([auth.optional, auth.requires()], [{"AccessToken": []}]),
        ([auth.requires(scopes=["a"]), auth.optional], [{"AccessToken": ["a"]}]),
        ([Security(parent, scopes=["a"])], [{"AccessToken": ["a"]}]),
    ]  # fmt: skip
    for dependencies, security in cases:
        app = FastAPI()
        app.add_api_route("/", reached, dependencies=dependencies)
        told = document(app, auth)["paths"]["/"]["get"]
        assert told["security"] == security
        assert ("403" in told["responses"]) == (security[-1] == {"AccessToken": ["a"]})
