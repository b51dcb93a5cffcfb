"""A program with a ledger, for tests that start, fork and stop it. Its arguments name what it does."""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from atjwt import AuthError, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.migration import Ledger
from atjwt.testing import LocalIssuer

ISSUER = "https://tenant.eu.auth0.com/"
API = "https://api.example.com/"

issuer = LocalIssuer(issuer=ISSUER, audience=API, algorithm="ES256")
ledger = Ledger(os.environ["LEDGER"], service="orders", interval=float(os.environ["INTERVAL"]))
resource_server = ResourceServer(
    audience=API,
    issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com", algorithms=["ES256"])],
    fetch=issuer.fetch,
    observers=[ledger],
)


async def hello(request: Request) -> Response:
    return PlainTextResponse("hello")


app = Starlette(
    routes=[Route("/", hello)],
    middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server)],
)


def send(requests: int, threads: int = 1) -> None:
    """Sends so many good requests from so many threads, some with new tokens; and one bad one each."""
    bad = issuer.broken(Reason.EXPIRED)

    def several() -> None:
        token = ""
        for number in range(requests):
            if number % 10 == 0:
                token = issuer.token(subject=f"user {number}", client_id=f"app {number % 3}")
            resource_server.verify_sync(token)
        with suppress(AuthError):
            resource_server.verify_sync(bad)

    sending = [threading.Thread(target=several) for _ in range(threads)]
    for thread in sending:
        thread.start()
    for thread in sending:
        thread.join()


def forked(work: Callable[[], None]) -> int:
    """A child that does it and ends as a program does."""
    if (child := os.fork()) == 0:
        work()
        sys.exit(0)
    return child


def ended_well(children: list[int]) -> None:
    for child in children:
        assert os.waitpid(child, 0)[1] == 0


def fork_first() -> None:
    """Children of a process that has done nothing yet, as of a server that loads the app first."""
    ended_well([forked(lambda: send(50)) for _ in range(3)])


def fork_later() -> None:
    """Children of a process that has counted something, and has not written it yet."""
    send(50)
    children = [forked(lambda: send(50)) for _ in range(2)]
    send(50)
    ended_well(children)


def fork_often() -> None:
    """Forks while something is being written, all the time."""
    for _ in range(10):
        send(20)
        ended_well([forked(lambda: send(20))])


def fork_remembering() -> None:
    """A child that only ever sees tokens which its parent has verified."""
    token = issuer.token(client_id="app 0")
    resource_server.verify_sync(token)

    def work() -> None:
        for _ in range(9):
            resource_server.verify_sync(token)

    ended_well([forked(work)])


def fall() -> None:
    """Ends with an error."""
    send(50)
    raise RuntimeError("this is meant to be")


def serve() -> None:
    """Serves the app on a socket."""
    import uvicorn

    print(issuer.token(client_id="app 0"), flush=True)
    uvicorn.run(app, port=int(os.environ["PORT"]), log_level="error")


if __name__ == "__main__":
    name, *numbers = sys.argv[1:]
    globals()[name](*map(int, numbers))
