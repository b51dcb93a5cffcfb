"""What the tests of `atjwt.testing` share: a tenant, an API that trusts it, an endpoint."""

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse

from atjwt import ResourceServer, TrustedIssuer
from atjwt.starlette import principal_of

TENANT = "https://tenant.eu.auth0.com/"
API = "https://api.shop.test/"
OTHER = "https://issuer.other.test"


async def who(request: Request) -> JSONResponse:
    """Says who is calling."""
    caller = principal_of(request)
    return JSONResponse({"issuer": caller.issuer, "sub": caller.subject, "aud": caller.audience})


def tenant(**settings: Any) -> ResourceServer:
    """A resource server that trusts the tenant. settings: of the `TrustedIssuer`."""
    return ResourceServer(audience=API, issuers=[TrustedIssuer(TENANT, **settings)])


def bearer(token: str) -> dict[str, str]:
    """The headers of a request with this token."""
    return {"Authorization": f"Bearer {token}"}
