"""FastAPI's guards under many callers at the same time."""

import asyncio
from typing import Annotated

from fastapi import Depends, FastAPI, Request

from atjwt import Principal, ResourceServer
from atjwt.fastapi import AccessTokenScheme
from atjwt.starlette import principal_of
from atjwt.testing import LocalIssuer
from web.asking import asking, bearer


def test_many_callers_at_once_never_see_each_other(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Two hundred requests of as many callers, async and sync, all in flight together."""
    auth = AccessTokenScheme(server)
    app = FastAPI(dependencies=[auth.requires()])
    arrived: list[str] = []
    everybody = asyncio.Event()

    async def waiting(who: Annotated[Principal, auth.requires(scopes=["a"])]) -> Principal:
        arrived.append(who.subject)
        if len(arrived) == 200:
            everybody.set()
        await everybody.wait()
        return who

    @app.get("/async")
    async def endpoint(
        request: Request, who: Annotated[Principal, Depends(waiting)],
        again: Annotated[Principal, Depends(auth)],
    ) -> list[str]:  # fmt: skip
        await asyncio.sleep(0)
        return [who.subject, again.subject, principal_of(request).subject]

    @app.get("/sync")
    def endpoint_sync(
        request: Request, who: Annotated[Principal, Depends(waiting)],
        again: Annotated[Principal, Depends(auth)],
    ) -> list[str]:  # fmt: skip
        return [who.subject, again.subject, principal_of(request).subject]

    async def one(name: str, path: str) -> bool:
        token = bearer(issuer.token(subject=name, scopes=["a"]))
        answer = await asking(app, token, path=path)
        return answer.text == f'["{name}","{name}","{name}"]'

    async def all_of_them() -> list[bool]:
        calls = (one(f"user-{n}", "/sync" if n % 2 else "/async") for n in range(200))
        async with asyncio.timeout(20):
            return await asyncio.gather(*calls)

    assert asyncio.run(all_of_them()) == [True] * 200
    assert len(set(arrived)) == 200
