"""Protected resource metadata (RFC 9728): where it stands, what it says, and who is told of it."""

import asyncio
import json
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient

from atjwt import ConfigurationError, ResourceServer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.protected_resource import ProtectedResource
from atjwt.starlette import metadata_routes, requires
from atjwt.testing import LocalIssuer
from web.asking import API, Clock, asking, http_scope, reached, sent_by, trusting

ROOT = "/.well-known/oauth-protected-resource"


def serving(issuer: LocalIssuer, resource: Any, **settings: Any) -> ResourceServer:
    """A resource server that says this of itself."""
    return ResourceServer(audience=API, issuers=[trusting(issuer)], resource=resource, **settings)


def guarding(issuer: LocalIssuer, resource: Any) -> AccessTokenMiddleware:
    """A guarded app that says this of itself."""
    return AccessTokenMiddleware(reached, resource_server=serving(issuer, resource))


@pytest.mark.parametrize(
    ("resource", "path"),
    [
        ("https://api.example.com", ROOT),
        ("https://api.example.com/", ROOT),
        ("https://api.example.com/orders", f"{ROOT}/orders"),
        ("https://api.example.com/orders/", f"{ROOT}/orders/"),
        ("https://api.example.com:8443/a/b", f"{ROOT}/a/b"),
        ("https://api.example.com/caf%C3%A9", f"{ROOT}/café"),
    ],
)
def test_it_stands_at_the_root_of_the_host(issuer: LocalIssuer, resource: str, path: str) -> None:
    """With the API's own path behind the well-known part (RFC 9728 section 3.1), and nowhere else."""
    app = guarding(issuer, resource)
    answer = asyncio.run(asking(app, path=path))
    assert answer.status == 200
    assert json.loads(answer.body)["resource"] == resource
    for elsewhere in {ROOT, f"{ROOT}/", f"{path}/x", f"/orders{path}", path.upper()} - {path}:
        assert asyncio.run(asking(app, path=elsewhere)).status == 401


@pytest.mark.parametrize("path", [f"{ROOT}/orders", f"/behind{ROOT}/orders"])
def test_behind_a_root_path_it_is_found_either_way(issuer: LocalIssuer, path: str) -> None:
    """A proxy may take the prefix away, and the server put it back."""
    app = guarding(issuer, "https://api.example.com/orders")
    assert asyncio.run(asking(app, path=path, root_path="/behind")).status == 200


def test_inside_a_mount_it_is_not_published(issuer: LocalIssuer) -> None:
    """A client would never look there; the outer app publishes it by `metadata_routes`."""
    server = serving(issuer, "https://api.example.com/orders")
    inner = Starlette(
        routes=[], middleware=[Middleware(AccessTokenMiddleware, resource_server=server)]
    )
    outside = Starlette(routes=[Mount("/orders", inner)])
    assert TestClient(outside).get(f"/orders{ROOT}/orders").status_code == 401
    published = Starlette(routes=[*metadata_routes(server), Mount("/orders", inner)])
    answer = TestClient(published).get(f"{ROOT}/orders")
    assert (answer.status_code, answer.json()["resource"]) == (
        200, "https://api.example.com/orders",
    )  # fmt: skip


def test_anybody_may_read_it_and_only_read(issuer: LocalIssuer) -> None:
    """No token, from a browser too; HEAD as GET, and other methods are guarded like any path."""
    app = guarding(issuer, "https://api.example.com/")
    answer = asyncio.run(asking(app, path=ROOT))
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"access-control-allow-origin") == [b"*"]
    head = asyncio.run(sent_by(app, http_scope(path=ROOT, method="HEAD")))
    assert (head[0]["status"], head[1]["body"]) == (200, b"")
    assert tuple(head[0]["headers"]) == answer.headers
    for method in ("POST", "OPTIONS", "DELETE"):
        assert asyncio.run(asking(app, path=ROOT, method=method)).status == 401


def test_what_it_says(issuer: LocalIssuer) -> None:
    """RFC 9728 section 2; members without a value are left out."""
    resource = ProtectedResource(
        "https://api.example.com/",
        scopes_supported=["read:orders"],
        resource_name="Orders",
        members={"resource_policy_uri": "https://example.com/policy", "empty": []},
    )
    answer = asyncio.run(asking(guarding(issuer, resource), path=ROOT))
    assert json.loads(answer.body) == {
        "resource": "https://api.example.com/",
        "authorization_servers": [issuer.issuer],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["read:orders"],
        "resource_name": "Orders",
        "resource_policy_uri": "https://example.com/policy",
    }


def test_challenges_name_it(issuer: LocalIssuer, clock: Clock) -> None:
    """Of the middleware and of guards, with an error and without (RFC 9728 section 5.1)."""

    @requires(scopes=["write:orders"])
    async def guarded(request: Request) -> PlainTextResponse:
        return PlainTextResponse("in")

    app = Starlette(
        routes=[Route("/", guarded)],
        middleware=[
            Middleware(
                AccessTokenMiddleware,
                resource_server=serving(issuer, "https://api.example.com/orders", clock=clock),
            )
        ],
    )
    named = f'resource_metadata="https://api.example.com{ROOT}/orders"'
    client = TestClient(app)
    for headers in ({}, {"authorization": "Bearer a.b.c"}, issuer.headers()):
        answer = client.get("/", headers=headers)
        assert answer.headers["www-authenticate"].endswith(named), answer.text


def test_the_short_form_takes_it_too(issuer: LocalIssuer) -> None:
    """`resource=` of the middleware; with a ResourceServer it belongs there."""
    app = AccessTokenMiddleware(
        reached, issuer=trusting(issuer), audience=API, resource="https://api.example.com/"
    )
    assert asyncio.run(asking(app, path=ROOT)).status == 200
    both = AccessTokenMiddleware(
        reached, resource_server=serving(issuer, None), resource="https://api.example.com/"
    )
    assert both.configuration_error is not None
    assert "give it to the ResourceServer" in str(both.configuration_error)


@pytest.mark.parametrize(
    ("resource", "problem"),
    [
        ("api.example.com", "resource: this is no URL"),
        ("http://api.example.com/", "resource: http is for loopback only"),
        ("https://api.example.com/#orders", "resource: take the user, password, query, fragment"),
        (3, "resource: give the API's URL, or a ProtectedResource"),
    ],
)
def test_a_resource_that_is_none_is_a_configuration_error(
    issuer: LocalIssuer, resource: Any, problem: str
) -> None:
    """With its fix, at construction."""
    with pytest.raises(ConfigurationError) as caught:
        serving(issuer, resource)
    assert problem in str(caught.value)


def test_every_problem_of_a_description_is_told_at_once() -> None:
    """Each with its fix."""
    bad: Any = {"scopes_supported": "read:orders", "members": {"resource": "x", "odd": object()}}
    with pytest.raises(ConfigurationError) as caught:
        ProtectedResource("ftp://api.example.com", **bad)
    problems = " ".join(caught.value.problems)
    for name in ("resource: this is no URL", "scopes_supported: give a list", "members: resource is",
                 "members: give what JSON can write"):  # fmt: skip
        assert name in problems


def test_without_a_resource_there_is_nothing_to_publish(issuer: LocalIssuer) -> None:
    """The middleware publishes nothing, and asking for a route is an error."""
    server = serving(issuer, None)
    app = AccessTokenMiddleware(reached, resource_server=server)
    assert asyncio.run(asking(app, path=ROOT)).status == 401
    with pytest.raises(ConfigurationError, match="give resource="):
        metadata_routes(server)
