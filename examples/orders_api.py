"""A FastAPI app of several routers, guarded by policies: what a team writes, and nothing more.

It is built when it is imported and trusts a tenant that does not exist; `04_fastapi.py` calls it and
`test_orders_api.py` tests it, both without changing a line of it.
"""

from typing import Annotated

from fastapi import APIRouter, FastAPI, Response, WebSocket

from atjwt import Principal, ResourceServer, TrustedIssuer, has_permission, has_scope
from atjwt.fastapi import AccessTokenScheme
from atjwt.policies import authenticated_within, is_kind

resource_server = ResourceServer(
    audience="https://api.example.com/",
    issuers=[
        TrustedIssuer.auth0(
            "tenant.eu.auth0.com", auth_time_claim="https://api.example.com/auth_time"
        )
    ],
)

auth = AccessTokenScheme(
    resource_server,
    scopes={"read:orders": "Read orders", "write:orders": "Place orders"},
)

Caller = Annotated[Principal, auth.requires()]
Reader = Annotated[Principal, auth.requires(scopes=["read:orders"])]

MAY_REFUND = has_scope("write:orders") & has_permission("orders:refund") & authenticated_within(600)

# A router that asks for a scope; one of its routes asks for more.

orders = APIRouter(
    prefix="/orders", tags=["orders"], dependencies=[auth.requires(scopes=["read:orders"])]
)


@orders.get("")
async def list_orders(who: Reader) -> dict[str, str]:
    return {"orders of": who.subject}


@orders.post("/{order}/refund")
def refund(order: int, who: Annotated[Principal, auth.requires(MAY_REFUND)]) -> dict[str, int]:
    return {"refunded": order}


@orders.websocket("/updates")
async def updates(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("order 7 was packed")
    await websocket.close()


# A router for machines only.

stock = APIRouter(prefix="/stock", tags=["stock"], dependencies=[auth.requires(is_kind("client"))])


@stock.put("/{item}")
async def count(item: str, pieces: int) -> dict[str, int]:
    return {item: pieces}


app = FastAPI(title="Orders")
app.include_router(orders)
app.include_router(stock)


@app.get("/me")
async def me(who: Caller) -> dict[str, str | None]:
    return {"kind": who.kind, "subject": who.subject, "client": who.client_id}


@app.get("/menu")
async def menu(who: Annotated[Principal | None, auth.optional]) -> str:
    return "the usual, and a discount" if who else "the usual"


@app.get("/health", dependencies=[auth.public])
async def health(response: Response) -> dict[str, bool]:
    ready = resource_server.health().ready
    response.status_code = 200 if ready else 503
    return {"ready": ready}


auth.install(app, docs_client_id="your-single-page-app")
