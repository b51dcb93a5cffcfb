"""FastAPI: calls `orders_api.py`, an app of several routers, as callers of several kinds would.

A local issuer stands in for the tenant that the app trusts, so that this runs offline:

    .venv/bin/python examples/04_fastapi.py
    .venv/bin/python -m atjwt routes examples.orders_api:app       what is guarded by what
"""

import asyncio
import time
from collections.abc import Sequence

import httpx
from orders_api import app

from atjwt.testing import LocalIssuer

issuer = LocalIssuer()


def refunder(logged_in: int, permissions: Sequence[str] = ("orders:refund",)) -> dict[str, str]:
    return issuer.headers(
        dialect="access_token_authz",
        scopes=["read:orders", "write:orders"],
        permissions=permissions,
        claims={"https://api.example.com/auth_time": logged_in},
    )


async def main() -> None:
    now = int(time.time())
    calls = {
        "nobody, the menu": ("GET", "/menu", {}),
        "a user, the menu": ("GET", "/menu", issuer.headers()),
        "a bad token, the menu": ("GET", "/menu", {"Authorization": "Bearer a.b.c"}),
        "nobody, the orders": ("GET", "/orders", {}),
        "a user, the orders": ("GET", "/orders", issuer.headers(scopes=["read:orders"])),
        "without the permission, a refund": ("POST", "/orders/7/refund", refunder(now, [])),
        "logged in long ago, a refund": ("POST", "/orders/7/refund", refunder(now - 9_000)),
        "just logged in, a refund": ("POST", "/orders/7/refund", refunder(now)),
        "a user, the stock": ("PUT", "/stock/cup?pieces=3", issuer.headers()),
        "a machine, the stock": ("PUT", "/stock/cup?pieces=3", issuer.headers(kind="client")),
    }  # fmt: skip
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        for what, (method, path, headers) in calls.items():
            answer = await client.request(method, path, headers=headers)
            print(f"{what}: {answer.status_code} {answer.text}")
            if answer.status_code in {401, 403}:
                print(f"    {answer.headers['www-authenticate']}")


if __name__ == "__main__":
    with issuer.stands_in_for(app):
        asyncio.run(main())
