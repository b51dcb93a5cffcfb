"""Policies: 01 plus what a caller must have, said as values that can be joined.

Scopes are what this client was granted; permissions are all that the caller may do. They are
different things, and a policy says which it means:

    .venv/bin/python examples/02_policies.py
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import ResourceServer, TrustedIssuer, has_permission, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer

issuer = LocalIssuer(issuer="https://tenant.eu.auth0.com/", audience="https://api.example.com/")

resource_server = ResourceServer(
    audience="https://api.example.com/",
    issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")],
    fetch=issuer.fetch,
)

MAY_DELETE = has_scope("delete:orders") & has_permission("orders:admin")


class Orders(HTTPEndpoint):
    @requires(has_scope("read:orders") | has_scope("orders:all"))
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"the orders of {principal_of(request).subject}")

    @requires(MAY_DELETE)
    def delete(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("deleted")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await resource_server.warm_up(timeout=5)  # so that /health is ready before the first caller
    yield


async def health(request: Request) -> PlainTextResponse:
    ready = resource_server.health().ready
    return PlainTextResponse("ready" if ready else "no keys yet", 200 if ready else 503)


app = Starlette(
    routes=[Route("/orders", Orders), Route("/health", health)],
    middleware=[
        Middleware(AccessTokenMiddleware, resource_server=resource_server, public={"/health"})
    ],
    lifespan=lifespan,
)


async def main() -> None:
    print(f"to delete orders: {MAY_DELETE}")
    callers = {
        "with the scope and the permission": issuer.headers(
            dialect="rfc9068_profile_authz",
            scopes=["delete:orders"],
            permissions=["orders:admin"],
        ),
        "without the permission": issuer.headers(
            dialect="rfc9068_profile_authz", scopes=["delete:orders"], permissions=[]
        ),
        "in a dialect without permissions": issuer.headers(
            dialect="access_token", scopes=["delete:orders"]
        ),
        "without the scope": issuer.headers(
            dialect="access_token_authz", scopes=["read:orders"], permissions=["orders:admin"]
        ),
    }
    transport = httpx.ASGITransport(app=app)
    async with (
        lifespan(app),  # a server does this
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        print(f"nobody asks /health: {(await client.get('/health')).text}")
        for caller, headers in callers.items():
            answer = await client.delete("/orders", headers=headers)
            print(f"{caller}: {answer.status_code} {answer.text}")


if __name__ == "__main__":
    asyncio.run(main())
