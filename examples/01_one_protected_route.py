"""One protected route.

A middleware around the app, a guard on the route, the caller as a `Principal`. A local issuer stands
in for the tenant, so that this runs offline. After the tour has made `.venv`:

    .venv/bin/python examples/01_one_protected_route.py
"""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer

issuer = LocalIssuer(issuer="https://tenant.eu.auth0.com/", audience="https://api.example.com/")

resource_server = ResourceServer(
    audience="https://api.example.com/",
    issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")],
    fetch=issuer.fetch,  # leave this out, and the tenant's keys are fetched
)


@requires(scopes=["read:orders"])
async def orders(request: Request) -> JSONResponse:
    who = principal_of(request)
    return JSONResponse({"kind": who.kind, "subject": who.subject, "profile": str(who.profile)})


app = Starlette(
    routes=[Route("/orders", orders)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server)],
)


async def main() -> None:
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for dialect in ("access_token", "rfc9068_profile"):
            headers = issuer.headers(dialect=dialect, scopes=["read:orders"])
            answer = await client.get("/orders", headers=headers)
            print(f"a token in the dialect {dialect}: {answer.status_code} {answer.text}")
        answer = await client.get("/orders", headers=issuer.headers(scopes=["read:menus"]))
        print(f"a token without the scope: {answer.status_code}")
        print(f"  {answer.headers['www-authenticate']}")
        answer = await client.get("/orders")
        print(f"no token: {answer.status_code}")


if __name__ == "__main__":
    asyncio.run(main())
