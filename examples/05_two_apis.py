"""Two APIs on two mounts: two audiences, two resource servers, and a token for one is none for both.

Each says of itself where its clients get their tokens (RFC 9728): the documents stand at the root of
the host, outside of the mounts, so the outer app publishes them.

    .venv/bin/python examples/05_two_apis.py
"""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import metadata_routes, principal_of, requires
from atjwt.testing import LocalIssuer

issuer = LocalIssuer(issuer="https://tenant.eu.auth0.com/")
tenant = TrustedIssuer.auth0("tenant.eu.auth0.com")


def resource_server(name: str) -> ResourceServer:
    return ResourceServer(
        audience=f"https://api.example.com/{name}",
        resource=f"https://api.example.com/{name}",
        issuers=[tenant],
        fetch=issuer.fetch,  # leave this out, and the tenant's keys are fetched
    )


orders, invoices = resource_server("orders"), resource_server("invoices")


@requires()
async def whose(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"those of {principal_of(request).subject}")


def api(server: ResourceServer) -> Starlette:
    return Starlette(
        routes=[Route("/", whose)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server)],
    )


app = Starlette(
    routes=[
        *metadata_routes(orders, invoices),
        Mount("/orders", api(orders)),
        Mount("/invoices", api(invoices)),
    ]
)


async def main() -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="https://api.example.com") as client:
        found = await client.get("/orders/")
        print(f"no token: {found.status_code} {found.headers['www-authenticate']}")
        metadata = await client.get("/.well-known/oauth-protected-resource/orders")
        print(f"where to get one: {metadata.json()['authorization_servers']}")
        token = issuer.headers(audience="https://api.example.com/orders")
        for path in ("/orders/", "/invoices/"):
            answer = await client.get(path, headers=token)
            print(f"a token for orders, sent to {path}: {answer.status_code} {answer.text}")


if __name__ == "__main__":
    asyncio.run(main())
