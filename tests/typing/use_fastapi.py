"""What a user of FastAPI writes, as a type checker sees it. Checked, never run."""

from typing import Annotated, assert_type

from fastapi import APIRouter, Depends, FastAPI, Request, Security, WebSocket
from fastapi.params import Depends as DependsParameter
from fastapi.params import Security as SecurityParameter

from atjwt import (
    AuthError,
    Policy,
    Principal,
    ResourceServer,
    TrustedIssuer,
    has_permission,
    has_scope,
)
from atjwt.fastapi import AccessTokenScheme, Guard, RefusedRequest
from atjwt.policies import authenticated_within, is_kind
from atjwt.starlette import principal_of

SERVER = ResourceServer(
    audience="https://api.example.com/", issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")]
)
auth = AccessTokenScheme(
    SERVER,
    scopes={"read:orders": "Read orders"},
    scheme_name="Orders",
    description="Tokens of the tenant.",
    authorization_url="https://login.example.com/authorize",
    token_url="https://login.example.com/oauth/token",
)

Caller = Annotated[Principal, auth.requires()]
Reader = Annotated[Principal, auth.requires(scopes=["read:orders"])]
MAY_REFUND = has_scope("write:orders") & has_permission("orders:refund") & authenticated_within(600)


class Session:
    """A class dependency."""

    def __init__(self, who: Caller) -> None:
        assert_type(who, Principal)


router = APIRouter(dependencies=[auth.requires(scopes=("read:orders",)), Depends(Session)])
app = FastAPI(dependencies=[auth.requires(is_kind("user") | is_kind("client"))])


@router.get("/orders")
async def orders(who: Reader, request: Request) -> dict[str, str]:
    assert_type(who, Principal)
    assert_type(principal_of(request), Principal)
    return {"orders of": who.subject}


@router.post("/refund", dependencies=[auth.requires(MAY_REFUND, permissions={"orders:read"})])
def refund(who: Annotated[Principal, Security(auth, scopes=["write:orders"])]) -> str:
    assert_type(who, Principal)
    return who.subject


@router.get("/menu")
async def menu(who: Annotated[Principal | None, auth.optional]) -> str:
    return "the usual" if who is None else f"the usual, {who.subject}"


@router.websocket("/live")
async def live(websocket: WebSocket, who: Reader) -> None:
    await websocket.send_text(who.subject)


@router.get("/health", dependencies=[auth.public])
async def health() -> None:
    """Needs no token."""


app.include_router(router, dependencies=[auth.requires()])
auth.install(app)
auth.install(app, docs_client_id="orders-docs")


def stand_in() -> Principal | None:
    """Who is calling, in a test."""
    return None


app.dependency_overrides[auth] = stand_in


@app.exception_handler(RefusedRequest)
async def refused(request: Request, error: RefusedRequest) -> None:
    assert_type(error.error, AuthError)
    assert_type(error.status_code, int)


def parts(guard: Guard) -> None:
    """What guards are to whoever looks at them."""
    assert_type(auth.requires(), SecurityParameter)
    assert_type(auth.optional, SecurityParameter)
    assert_type(auth.public, DependsParameter)
    assert_type(auth.resource_server, ResourceServer)
    assert_type(guard.policy, Policy | None)
    assert_type(guard.effective_policy(["a"]), Policy | None)
    assert_type(guard.scheme, AccessTokenScheme)
