"""Two issuers: 02 plus a second authorization server, with rules of its own, and a look at events.

The tenant signs RS256 and may use either token profile; the partner signs ES256 under RFC 9068 and
nothing else. What one is allowed, the other is not:

    python examples/03_two_issuers.py
"""

import asyncio

import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt import RFC9068, KeyPolicy, ResourceServer, TrustedIssuer, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import Event, KeysRefreshed, TokenRefused
from atjwt.starlette import principal_of, requires
from atjwt.testing import LocalIssuer

API = "https://api.example.com/"
tenant = LocalIssuer(issuer="https://tenant.eu.auth0.com/", audience=API)
partner = LocalIssuer(issuer="https://login.partner.example/", audience=API, algorithm="ES256")


async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
    """Either issuer's documents; leave it out, and they are fetched over HTTP."""
    issuer = tenant if url.startswith(tenant.issuer) else partner
    return await issuer.fetch(url)


def watch(event: Event) -> None:
    if isinstance(event, KeysRefreshed):
        print(f"  [event] {event.keys} keys of {event.issuer}")
    if isinstance(event, TokenRefused):
        print(f"  [event] token {event.fingerprint} refused: {event.reason}")


resource_server = ResourceServer(
    audience=API,
    issuers=[
        TrustedIssuer.auth0("tenant.eu.auth0.com"),
        TrustedIssuer(
            "https://login.partner.example/",
            profiles={RFC9068},
            algorithms=["ES256"],
            key_policy=KeyPolicy(fresh=300, stale=1_800),
        ),
    ],
    observers=[watch],
    fetch=fetch,
)


@requires(has_scope("read:orders"))
async def orders(request: Request) -> PlainTextResponse:
    who = principal_of(request)
    return PlainTextResponse(f"{who.kind} of {who.issuer}, {who.profile}")


app = Starlette(
    routes=[Route("/orders", orders)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server)],
)


async def main() -> None:
    scopes = ["read:orders"]
    callers = {
        "the tenant's user": tenant.headers(dialect="access_token", scopes=scopes),
        "the partner's client": partner.headers(kind="client", scopes=scopes),
        "the partner in Auth0's profile": partner.headers(dialect="access_token", scopes=scopes),
    }
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for caller, headers in callers.items():
            print(caller)
            answer = await client.get("/orders", headers=headers)
            print(f"  {answer.status_code} {answer.text}")


if __name__ == "__main__":
    asyncio.run(main())
