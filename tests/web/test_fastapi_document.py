"""The OpenAPI document as a whole: valid, of two schemes, of the user's own, built again."""

import json
from typing import Any

from fastapi import FastAPI, Security
from fastapi.openapi.models import OpenAPI
from fastapi.openapi.utils import get_openapi

from atjwt import ResourceServer, TrustedIssuer
from atjwt.fastapi import AccessTokenScheme
from web.asking import API

AUTH0 = TrustedIssuer.auth0("tenant.eu.auth0.com")
ELSEWHERE = TrustedIssuer("https://issuer.example.org/realm")
FLOW = ("components", "securitySchemes", "AccessToken", "flows", "authorizationCode")


def scheme_of(issuer: TrustedIssuer = AUTH0, **settings: Any) -> AccessTokenScheme:
    """A scheme that trusts this issuer."""
    return AccessTokenScheme(ResourceServer(audience=API, issuers=[issuer]), **settings)


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


async def reached() -> str:
    return "in"


def checked(schema: Any) -> None:
    """Checks what OpenAPI 3.1 demands of the parts that we write."""
    OpenAPI.model_validate(schema)
    schemes = schema["components"]["securitySchemes"]

    def references(part: Any) -> list[str]:
        if isinstance(part, dict):
            own = [part["$ref"]] if "$ref" in part else []
            return own + [found for each in part.values() for found in references(each)]
        return (
            [found for each in part for found in references(each)] if isinstance(part, list) else []
        )

    for reference in references(schema):
        assert reference.startswith("#/")
        assert within(schema, *reference.removeprefix("#/").split("/"))
    for path in schema["paths"].values():
        for told in path.values():
            assert all(response["description"] for response in told["responses"].values())
            extensions = told.keys() - set(OPERATION)
            assert all(name.startswith("x-") for name in extensions)
            for requirement in told.get("security", []):
                for name, scopes in requirement.items():
                    flows = schemes[name].get("flows", {})
                    for flow in flows.values():
                        assert flow["scopes"].keys() >= set(scopes)


OPERATION = (
    "tags", "summary", "description", "externalDocs", "operationId", "parameters", "requestBody",
    "responses", "callbacks", "deprecated", "security", "servers",
)  # fmt: skip
"""The fixed fields of an Operation Object (OpenAPI 3.1.0 section 4.8.10)."""


def orders(*schemes: AccessTokenScheme) -> FastAPI:
    """An app with a route for each scheme, and one for all."""
    app = FastAPI()
    for scheme in schemes:
        guards = [
            scheme.requires(permissions=["p"]),
            Security(scheme, scopes=[scheme.name.lower()]),
        ]
        app.add_api_route(f"/{scheme.name}", reached, dependencies=guards)
        app.add_api_route(f"/{scheme.name}/menu", reached, dependencies=[scheme.optional])
    app.add_api_route("/both", reached, dependencies=[scheme.requires() for scheme in schemes])
    return app


def two() -> tuple[AccessTokenScheme, AccessTokenScheme]:
    """The schemes of two APIs, of two issuers."""
    return scheme_of(scheme_name="Orders"), scheme_of(ELSEWHERE, scheme_name="Stock")


def test_the_document_is_valid() -> None:
    """References lead somewhere, requirements name a scheme and scopes that it has."""
    checked(document(orders(scheme := scheme_of()), scheme))
    schemes = two()
    checked(document(orders(*schemes), *schemes))


def test_two_apis_on_one_app_have_their_own_names() -> None:
    """Each route is told under the scheme that guards it."""
    schemes = two()
    schema = document(orders(*schemes), *schemes)
    kinds = {name: each["type"] for name, each in schema["components"]["securitySchemes"].items()}
    assert kinds == {"Orders": "oauth2", "Stock": "openIdConnect"}
    flow = schema["components"]["securitySchemes"]["Orders"]["flows"]["authorizationCode"]
    assert flow["scopes"] == {"orders": ""}
    for name in kinds:
        told = schema["paths"][f"/{name}"]["get"]
        assert told["security"] == [{name: [name.lower()]}]
        assert told["description"].count("Requires") == 1
    # Of a list of requirements one will do; both in one is both (OpenAPI 3.1.0 section 4.8.30).
    assert schema["paths"]["/both"]["get"]["security"] == [{"Orders": [], "Stock": []}]


def test_without_install_fastapi_says_what_it_knows() -> None:
    """The scheme and the scopes of each route; the rest is what `install` is for."""
    auth = scheme_of()
    schema = document(orders(auth))
    assert within(schema, *FLOW)["authorizationUrl"].endswith("/authorize")
    told = schema["paths"]["/AccessToken"]["get"]
    assert told["security"] == [{"AccessToken": ["accesstoken"]}]
    assert "x-atjwt-policy" not in told


def test_a_document_of_the_users_own_is_kept_and_completed() -> None:
    """Whether it is kept or made anew each time, each copy is completed once."""
    auth = scheme_of()
    app = FastAPI()
    app.add_api_route("/", reached, dependencies=[auth.requires(scopes=["a"])])

    def own() -> dict[str, Any]:
        return get_openapi(title="My own", version="7", routes=app.routes)

    app.openapi = own  # type: ignore[method-assign]
    auth.install(app)
    for _ in range(2):
        schema = app.openapi()
        assert schema["info"] == {"title": "My own", "version": "7"}
        assert schema["paths"]["/"]["get"]["description"] == "Requires `has_scope('a')`."


def test_it_is_built_once_and_again_when_the_app_says_so() -> None:
    """FastAPI keeps the document until `openapi_schema` is emptied; routes added since are there."""
    auth = scheme_of()
    app = orders(auth)
    auth.install(app)
    first: Any = app.openapi()
    before = json.dumps(first)
    assert app.openapi() is first
    assert json.dumps(app.openapi()) == before
    app.add_api_route("/late", reached, dependencies=[auth.requires(scopes=["late"])])
    app.openapi_schema = None
    schema: Any = app.openapi()
    assert schema["paths"]["/late"]["get"]["x-atjwt-policy"] == "has_scope('late')"
    assert schema["paths"]["/AccessToken"] == first["paths"]["/AccessToken"]


def test_what_an_app_changes_in_its_document_changes_no_other() -> None:
    """Not the next operation, not the next app, not what is written from now on."""
    auth, app, other = scheme_of(), FastAPI(), FastAPI()
    for each in (app, other):
        for path in ("/one", "/two"):
            each.add_api_route(path, reached, dependencies=[auth.requires(scopes=["a"])])
        auth.install(each)
    schema: Any = app.openapi()

    def refusals(of: Any, path: str) -> str:
        responses = of["paths"][path]["get"]["responses"]
        return json.dumps({status: told for status, told in responses.items() if status != "200"})

    before = refusals(schema, "/one")
    for response in schema["paths"]["/one"]["get"]["responses"].values():
        response["description"] = "changed"
        response.get("headers", {}).clear()
    schema["components"]["schemas"]["AccessRefused"]["properties"].clear()
    assert refusals(schema, "/one") != before
    assert refusals(schema, "/two") == before
    assert refusals(other.openapi(), "/one") == before
    assert other.openapi()["components"]["schemas"]["AccessRefused"]["properties"]
