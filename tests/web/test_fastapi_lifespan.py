"""What `auth.install` tells of an app's beginning and end, to who counts off the request path."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from fastapi import FastAPI, Request
from starlette.testclient import TestClient

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.fastapi import AccessTokenScheme
from shell.test_observers_join import Listening


def scheme(observer: Listening) -> AccessTokenScheme:
    issuer = TrustedIssuer("https://issuer.test/")
    server = ResourceServer(
        audience="https://api.example.com/", issuers=[issuer], observers=[observer]
    )
    return AccessTokenScheme(server)


@pytest.mark.parametrize("behind", [False, True], ids=["alone", "behind the middleware"])
def test_an_app_begins_and_ends_once(*, behind: bool) -> None:
    """A ledger reports an instance that nobody calls yet, and is written when the app ends."""
    observer = Listening()
    auth, app = scheme(observer), FastAPI()
    auth.install(app)
    if behind:
        app.add_middleware(AccessTokenMiddleware, resource_server=auth.resource_server)
    assert observer.turns == []
    with TestClient(app):
        assert {*observer.turns} == {"start"}
    assert {*observer.turns} == {"start", "stop"}
    assert observer.turns[-1] == "stop"


def test_the_apps_own_lifespan_stays() -> None:
    """Its state is there for requests; the app is up before, and down before, anybody is told."""
    observer = Listening()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, object]]:
        assert observer.turns == []
        yield {"menu": "the usual"}
        assert observer.turns == ["start"]

    app = FastAPI(lifespan=lifespan)
    scheme(observer).install(app)

    @app.get("/menu")
    async def menu(request: Request) -> str:
        return str(request.state.menu)

    with TestClient(app) as client:
        assert client.get("/menu").json() == "the usual"
    assert observer.turns == ["start", "stop"]


def test_an_app_that_does_not_start_is_not_told_of() -> None:
    """Its own lifespan raised."""
    observer = Listening()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        raise RuntimeError("no database")
        yield

    app = FastAPI(lifespan=lifespan)
    scheme(observer).install(app)
    with pytest.raises(RuntimeError, match="no database"), TestClient(app):
        pass
    assert observer.turns == []
