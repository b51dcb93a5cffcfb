"""Two issuers: 02 plus a second authorization server, with rules of its own.

The tenant signs RS256 and may use either token profile; the partner signs ES256 under RFC 9068 and
nothing else. What one is allowed, the other is not. Routes and policies are those of 02:

    .venv/bin/python examples/03_two_issuers.py
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

from atjwt import RFC9068, ResourceServer, TrustedIssuer, has_permission, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer

API = "https://api.example.com/"
tenant = LocalIssuer(issuer="https://tenant.eu.auth0.com/", audience=API)
partner = LocalIssuer(issuer="https://login.partner.example/", audience=API, algorithm="ES256")


async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """The documents of either issuer; leave it out, and they are fetched over HTTP."""
    issuer = tenant if url.startswith(tenant.issuer) else partner
    return await issuer.fetch(url)


resource_server = ResourceServer(
    audience=API,
    issuers=[
        TrustedIssuer.auth0("tenant.eu.auth0.com"),
        TrustedIssuer("https://login.partner.example/", profiles={RFC9068}, algorithms=["ES256"]),
    ],
    fetch=fetch,
)

MAY_DELETE = has_scope("delete:orders") & has_permission("orders:admin")


class Orders(HTTPEndpoint):
    @requires(has_scope("read:orders") | has_scope("orders:all"))
    async def get(self, request: Request) -> PlainTextResponse:
        who = principal_of(request)
        return PlainTextResponse(f"the orders of {who.subject}, {who.kind} of {who.issuer}")

    @requires(MAY_DELETE)
    def delete(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("deleted")


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    await resource_server.warm_up(timeout=5)  # the keys of both, side by side
    yield


async def health(request: Request) -> PlainTextResponse:
    ready = resource_server.health().ready  # only if both have keys
    return PlainTextResponse("ready" if ready else "no keys yet", 200 if ready else 503)


app = Starlette(
    routes=[Route("/orders", Orders), Route("/health", health)],
    middleware=[
        Middleware(AccessTokenMiddleware, resource_server=resource_server, public={"/health"})
    ],
    lifespan=lifespan,
)


async def main() -> None:
    scopes = ["read:orders"]
    callers = {
        "the tenant's user, in Auth0's profile": tenant.headers(
            dialect="access_token", scopes=scopes
        ),
        "the partner's client, in RFC 9068's": partner.headers(kind="client", scopes=scopes),
        "the partner's client, in Auth0's": partner.headers(
            dialect="access_token", kind="client", scopes=scopes
        ),
    }
    transport = httpx.ASGITransport(app=app)
    async with (
        lifespan(app),  # a server does this
        httpx.AsyncClient(transport=transport, base_url="http://api") as client,
    ):
        print(f"nobody asks /health: {(await client.get('/health')).text}")
        for caller, headers in callers.items():
            answer = await client.get("/orders", headers=headers)
            print(f"{caller}: {answer.status_code} {answer.text}")


if __name__ == "__main__":
    asyncio.run(main())
