"""What an OpenAPI document says about access tokens: how to get one, what each route asks for, and
how a refusal looks.

Everything is worked out from the configuration and the routes; nothing is fetched. FastAPI writes the
security scheme and the scopes of each route by itself; `install` adds what it does not know: the
policy, the responses, and how the docs page logs in.
"""

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI, routing
from fastapi.openapi import models

from atjwt.core.configuration import url_problems
from atjwt.core.policy import Policy, all_of
from atjwt.core.requirement import Has
from atjwt.errors import ConfigurationError
from atjwt.marks import public
from atjwt.policies import has_scope
from atjwt.resource_server import ResourceServer

if TYPE_CHECKING:
    from atjwt.fastapi import AccessTokenScheme, Guard

# As in the OpenAPI specification: a document is JSON.
Schema = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Documented:
    """What an `AccessTokenScheme` was told for its documentation; scopes in use are added."""

    scopes: dict[str, str] = field(default_factory=dict)
    description: str | None = None
    authorization_url: str | None = None
    token_url: str | None = None


def scheme_problems(
    resource_server: object, scopes: object, scheme_name: object, documented: Documented
) -> list[str]:
    """What is wrong with the arguments of an `AccessTokenScheme`."""
    problems = []
    if not isinstance(resource_server, ResourceServer):
        problems.append("resource_server: give a ResourceServer")
    if scopes is not None and not (
        isinstance(scopes, Mapping)
        and all(isinstance(text, str) for pair in scopes.items() for text in pair)
    ):
        problems.append('scopes: give what each means, such as {"read:orders": "Read orders"}')
    else:
        for name in scopes or ():
            try:
                has_scope(name)
            except ConfigurationError as error:
                problems += [f"scopes: {problem}" for problem in error.problems]
    if documented.description is not None and not isinstance(documented.description, str):
        problems.append("description: give a text")
    if not isinstance(scheme_name, str) or not re.fullmatch(r"[A-Za-z0-9._-]+", scheme_name):
        problems.append("scheme_name: give a name of letters, digits, dots, hyphens, underscores")
    urls = {
        "authorization_url": documented.authorization_url, "token_url": documented.token_url,
    }  # fmt: skip
    if len({url is None for url in urls.values()}) == 2:
        problems.append("give both of authorization_url and token_url, or neither")
    for name, url in urls.items():
        found = [] if url is None else url_problems(name, url, unsafe_http=False)
        problems += [
            problem.partition(", or say ")[0] for problem in found
        ]  # there is no such switch
    return problems


def security_scheme(server: ResourceServer, documented: Documented) -> models.SecurityBase:
    """The security scheme: the authorization code flow (with PKCE, which OpenAPI has no word for).

    Where an issuer's endpoints are only in its metadata, the document points there instead.
    """
    issuer = next(iter(server.issuers))
    authorization, token = documented.authorization_url, documented.token_url
    if issuer.is_auth0:
        authorization = authorization or f"{issuer.issuer}authorize"
        token = token or f"{issuer.issuer}oauth/token"
    if authorization is None or token is None:
        metadata = f"{issuer.issuer.rstrip('/')}/.well-known/openid-configuration"
        return models.OpenIdConnect(openIdConnectUrl=metadata, description=documented.description)
    flow = models.OAuthFlowAuthorizationCode(
        authorizationUrl=authorization, tokenUrl=token, scopes=dict(documented.scopes)
    )
    return models.OAuth2(
        flows=models.OAuthFlows(authorizationCode=flow), description=documented.description
    )


def guards_in(dependant: object, scopes: Sequence[str] = ()) -> Iterator[tuple["Guard", list[str]]]:
    """The guards among a route's dependencies, with the scopes that FastAPI's `Security` names.

    dependant: FastAPI's `Dependant`, whose members have had several names.
    """
    inherited = list(scopes)
    for name in ("parent_oauth_scopes", "own_oauth_scopes", "oauth_scopes", "security_scopes"):
        inherited += getattr(dependant, name, None) or []
    inherited = list(dict.fromkeys(inherited))
    call = getattr(dependant, "call", None)
    if hasattr(call, "effective_policy") and hasattr(call, "scheme"):
        yield cast("Guard", call), inherited
    for inner in getattr(dependant, "dependencies", ()):
        yield from guards_in(inner, inherited)


def install(app: FastAPI, scheme: "AccessTokenScheme", *, docs_client_id: str | None) -> None:
    """Completes the documentation of an app; see `AccessTokenScheme.install`."""
    problems: list[str] = []
    installed: frozenset[str] = frozenset()
    if isinstance(app, FastAPI):
        installed = getattr(app.state, "atjwt_schemes", installed)
        problems += _unmeetable(app, scheme)
    else:
        problems.append("give the FastAPI app")
    if scheme.name in installed:
        problems.append(
            f"this app has a scheme {scheme.name!r} already; install each once, and give each its own"
            " scheme_name"
        )
    if docs_client_id is not None and (
        not isinstance(docs_client_id, str) or not docs_client_id.strip()
    ):
        problems.append("docs_client_id: give the id of a single-page app")
    if problems:
        raise ConfigurationError(f"AccessTokenScheme.install: {problem}" for problem in problems)
    app.state.atjwt_schemes = installed | {scheme.name}
    app.openapi = _completed(app, scheme, app.openapi)  # type: ignore[method-assign]
    docs = {app.openapi_url, app.docs_url, app.redoc_url, app.swagger_ui_oauth2_redirect_url}
    for route in app.routes:
        endpoint = getattr(route, "endpoint", None)
        own = getattr(endpoint, "__module__", "") == "fastapi.applications"
        if own and getattr(route, "path", "") in docs:
            public(endpoint)
    if docs_client_id is not None:
        app.swagger_ui_init_oauth = {
            **(app.swagger_ui_init_oauth or {}),
            "clientId": docs_client_id,
            "usePkceWithAuthorizationCodeGrant": True,
            "additionalQueryStringParams": {
                **(app.swagger_ui_init_oauth or {}).get("additionalQueryStringParams", {}),
                "audience": next(iter(scheme.resource_server.audience)),
            },
        }


def _completed(
    app: FastAPI, scheme: "AccessTokenScheme", build: Callable[[], Schema]
) -> Callable[[], Schema]:
    done: list[Schema] = []

    def openapi() -> Schema:
        schema = build()
        if not any(schema is each for each in done):  # FastAPI keeps it and gives it out again
            _complete(schema, app, scheme)
            done[:] = [schema]
        return schema

    return openapi


def _guarded(
    app: FastAPI, scheme: "AccessTokenScheme"
) -> Iterator[tuple[str, Collection[str], list[tuple["Guard", list[str]]]]]:
    """Path, methods and guards of each route that this scheme guards."""
    for route in getattr(routing, "iter_route_contexts", iter)(app.routes):
        guards = [
            (guard, scopes)
            for guard, scopes in guards_in(getattr(route, "dependant", None))
            if guard.scheme is scheme
        ]
        if guards:
            yield getattr(route, "path_format", ""), getattr(route, "methods", None) or (), guards


def _unmeetable(app: FastAPI, scheme: "AccessTokenScheme") -> Iterator[str]:
    """What is wrong with the guards of one route together."""
    for path, _, guards in _guarded(app, scheme):
        try:
            _joined(guards)
        except ConfigurationError as error:
            yield from (f"{path}: {problem}" for problem in error.problems)


def _joined(guards: list[tuple["Guard", list[str]]]) -> Policy | None:
    parts = [guard.effective_policy(scopes) for guard, scopes in guards]
    policies = [policy for policy in parts if policy is not None]
    return all_of(*policies) if policies else None


def _complete(schema: Schema, app: FastAPI, scheme: "AccessTokenScheme") -> None:
    in_use: dict[str, str] = {}
    for path, methods, guards in _guarded(app, scheme):
        try:
            policy = _joined(guards)
        except ConfigurationError:
            continue  # nobody can call it; whoever does is told by the log
        in_use |= {} if policy is None else dict.fromkeys(sorted(_mentioned(policy, "scopes")), "")
        required = any(guard.required for guard, _ in guards)
        for method in methods:
            operation = schema.get("paths", {}).get(path, {}).get(method.lower())
            if operation is not None:
                _document(operation, policy, may_be_left_out=policy is None and not required)
                _demand_all(operation, app.state.atjwt_schemes)
                schema.setdefault("components", {}).setdefault("schemas", {}).setdefault(
                    "AccessRefused", deepcopy(_BODY)
                )
    schemes = schema.get("components", {}).get("securitySchemes", {})
    for flow in schemes.get(scheme.name, {}).get("flows", {}).values():
        flow["scopes"] = {**in_use, **flow.get("scopes", {})}


def _document(operation: Schema, policy: Policy | None, *, may_be_left_out: bool) -> None:
    responses = operation.setdefault("responses", {})
    for status in ("400", "401", *(() if policy is None else ("403",)), "503"):
        responses.setdefault(status, deepcopy(_RESPONSES[status]))
    if may_be_left_out:
        security = operation.setdefault("security", [])
        if {} not in security:
            security.insert(0, {})  # OpenAPI's way to say so
    if policy is not None:
        text = f"Requires `{policy!r}`."
        described = operation.get("description")
        operation["description"] = f"{described}\n\n{text}" if described else text
        operation["x-atjwt-policy"] = repr(policy)
        permissions = sorted(_mentioned(policy, "permissions"))
        if permissions:
            operation["x-atjwt-permissions"] = permissions


def _demand_all(operation: Schema, names: Collection[str]) -> None:
    """Of several schemes of ours on one route each is demanded, not one of them (OpenAPI 4.8.30)."""
    security: list[dict[str, list[str]]] = operation.get("security", [])
    ours = [each for each in security if each and each.keys() <= {*names}]
    if len(ours) > 1:
        joined = {name: scopes for each in ours for name, scopes in each.items()}
        operation["security"] = [*(each for each in security if each not in ours), joined]


def _mentioned(policy: Policy, what: str) -> set[str]:
    """The scopes, or the permissions, that a policy mentions."""
    if isinstance(policy, Has):
        return {*policy.names} if policy.what == what else set()
    parts: Sequence[Policy] = getattr(policy, "policies", ())
    return {name for part in parts for name in _mentioned(part, what)}


_BODY: Schema = {
    "type": "object",
    "title": "AccessRefused",
    "required": ["error", "error_description"],
    "properties": {
        "error": {"type": "string", "description": "A code of RFC 6750 section 3.1."},
        "error_description": {"type": "string", "description": "What it means, in one sentence."},
    },
}


def _response(description: str, header: str, meaning: str) -> Schema:
    return {
        "description": description,
        "headers": {header: {"description": meaning, "schema": {"type": "string"}}},
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/AccessRefused"}}},
    }


_CHALLENGE = ("WWW-Authenticate", "What to send instead (RFC 6750 section 3).")
_RESPONSES: Mapping[str, Schema] = {
    "400": _response("Not one set of credentials.", *_CHALLENGE),
    "401": _response("No access token, one that does not hold, or a login too weak.", *_CHALLENGE),
    "403": _response("The access token does not allow this.", *_CHALLENGE),
    "503": _response(
        "Access tokens cannot be verified at the moment.", "Retry-After", "Seconds to wait."
    ),
}
