"""The API of `08_migration.py`, as a team would have it: the profiles that it accepts are configuration.

    AUTH0_DOMAIN, AUTH0_AUDIENCE    whose tokens, for which API
    ATJWT_PROFILES                  auth0, rfc9068, or both with a comma
    ATJWT_LEDGER                    where it says which tokens come

It is served by `uvicorn migrating_api:app`, in as many processes as there are cores.
"""

import os

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from atjwt import KeyPolicy, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.core.profile import PROFILES
from atjwt.migration import Ledger
from atjwt.starlette import principal_of, requires

resource_server = ResourceServer(
    audience=os.environ.get("AUTH0_AUDIENCE", "https://orders.example.com/"),
    issuers=[
        TrustedIssuer.auth0(
            os.environ.get("AUTH0_DOMAIN", "tenant.eu.auth0.com"),
            profiles={
                PROFILES[name]
                for name in os.environ.get("ATJWT_PROFILES", "auth0,rfc9068").split(",")
            },
            # Quick, so that an outage of seconds is one: in production leave the defaults.
            key_policy=KeyPolicy(fresh=2, stale=60, cooldown=1),
        )
    ],
    leeway=1,
    observers=[Ledger(os.environ.get("ATJWT_LEDGER", "stdout:"), service="orders", interval=0.25)],
)


@requires(scopes=["read:orders"])
async def orders(request: Request) -> JSONResponse:
    return JSONResponse({"profile": str(principal_of(request).profile)})


@requires(permissions=["read:orders"])
async def archive(request: Request) -> JSONResponse:
    return JSONResponse({"profile": str(principal_of(request).profile)})


app = Starlette(
    routes=[Route("/orders", orders), Route("/archive", archive)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server)],
)
