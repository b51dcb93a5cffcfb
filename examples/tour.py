"""The whole of it in one command: what a protected API says to every kind of caller.

Starts a local issuer and a small API, both on real sockets of this machine, calls the API with good
and bad tokens of both profiles, before and after a rotation of the issuer's key, and while the issuer
is gone; prints what was sent and what came back; stops both.

    python3 examples/tour.py

The first run makes a virtual environment in `.venv` and installs the checkout there, for which it
needs the package index once.
"""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from environment import enter

enter("examples", "uvicorn", "fastapi", "websockets")

import httpx  # noqa: E402 - not before the environment is there
import uvicorn  # noqa: E402
from starlette.applications import Starlette  # noqa: E402
from starlette.middleware import Middleware  # noqa: E402
from starlette.requests import Request  # noqa: E402
from starlette.responses import JSONResponse  # noqa: E402
from starlette.routing import Route  # noqa: E402

from atjwt import ResourceServer, TrustedIssuer  # noqa: E402
from atjwt.asgi import AccessTokenMiddleware  # noqa: E402
from atjwt.events import AccessDenied, Event, KeysRefreshed, TokenAccepted, TokenRefused  # noqa: E402
from atjwt.starlette import principal_of, requires  # noqa: E402

DIALECTS = ("access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz")
SCOPE = "read:orders"


# The API: this is all that protects it.


@requires(scopes=[SCOPE])
async def orders(request: Request) -> JSONResponse:
    return JSONResponse({"hello": principal_of(request).subject})


def protected_api(resource_server: ResourceServer) -> Starlette:
    return Starlette(
        routes=[Route("/orders", orders)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=resource_server)],
    )


# The issuer and the API as servers.


class Issuer:
    """`python -m atjwt issuer`, in a process of its own."""

    def __init__(self) -> None:
        command = [sys.executable, "-m", "atjwt", "issuer", "--port", "0", "--json"]
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        assert self._process.stdout is not None
        self.facts = json.loads(self._process.stdout.readline())
        self._client = httpx.Client(base_url=self.facts["issuer"], trust_env=False)

    def token(self, **wanted: object) -> str:
        answer = self._client.post("/_local/token", json=wanted)
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def rotate_key(self) -> None:
        self._client.post("/_local/rotate", json={}).raise_for_status()

    def stop(self) -> None:
        if self._process.poll() is None:
            self._client.close()
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(timeout=10)
            assert self._process.stdout is not None
            self._process.stdout.close()


@contextmanager
def served(app: Starlette) -> Iterator[str]:
    """Serves an app on a free port of this machine; yields its URL."""
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


# What is sent.


class Call(NamedTuple):
    sent: str
    token: str | None


def calls_while_all_is_well(issuer: Issuer) -> Iterator[Call]:
    yield Call("nothing", None)
    for dialect in DIALECTS:
        for kind in ("user", "client"):
            yield Call(
                f"{dialect}, for a {kind}",
                issuer.token(dialect=dialect, kind=kind, scopes=[SCOPE]),
            )
    yield Call("a token with a scope too few", issuer.token(scopes=["read:menus"]))
    for sent, broken in (
        ("an expired token", "expired"),
        ("a foreign token, of another issuer", "unknown_issuer"),
        ("a foreign token, for another API", "wrong_audience"),
        ("a forged token, one bit changed", "invalid_signature"),
        ("a forged token, HS256 by public key", "algorithm_not_allowed"),
        ("an ID token", "id_token"),
    ):
        yield Call(sent, issuer.token(broken=broken, dialect="rfc9068_profile"))
    yield Call("three words, not a token", "not a token")


def calls_around_a_rotation(issuer: Issuer) -> Iterator[Call]:
    before = issuer.token(scopes=[SCOPE])
    issuer.rotate_key()
    yield Call("a token from before the rotation", before)
    yield Call("a token from after it", issuer.token(scopes=[SCOPE]))


def calls_without_the_issuer(issuer: Issuer) -> Iterator[Call]:
    tokens = {
        "a token while the issuer is down": issuer.token(scopes=[SCOPE]),
        "an expired token meanwhile": issuer.token(broken="expired"),
        "a token by a key not fetched yet": issuer.token(broken="unknown_key"),
    }
    issuer.stop()
    for sent, token in tokens.items():
        yield Call(sent, token)


# What comes back.


class Tour:
    def __init__(self, issuer: Issuer, events: list[Event]) -> None:
        self._issuer = issuer
        self._events = events

    def walk(self, client: httpx.Client) -> None:
        row("WHAT WAS SENT", "PROFILE", "PRINCIPAL", "ANSWER")
        for title, calls in (
            ("", calls_while_all_is_well),
            ("The issuer rotates its key.", calls_around_a_rotation),
            ("The issuer is stopped.", calls_without_the_issuer),
        ):
            print(title)
            for call in calls(self._issuer):
                self._call(client, call)

    def _call(self, client: httpx.Client, call: Call) -> None:
        del self._events[:]
        headers = {} if call.token is None else {"authorization": f"Bearer {call.token}"}
        answer = client.get("/orders", headers=headers)
        profile = principal = reason = ""
        for event in self._events:
            if isinstance(event, TokenAccepted):
                who = event.principal
                profile, principal = str(who.profile), f"{who.kind} {who.subject}"
                if who.permissions is not None:
                    principal += f", permissions: {' '.join(sorted(who.permissions))}"
            if isinstance(event, TokenRefused | AccessDenied):
                reason = event.reason.value
            if isinstance(event, TokenRefused):
                profile = event.profile or ""
        verdict = "OK" if answer.status_code == 200 else reason
        row(call.sent, profile or "-", principal or "-", f"{answer.status_code} {verdict}")


def row(sent: str, profile: str, principal: str, answer: str) -> None:
    print(f"{sent:<35} {profile:<7} {principal:<54} {answer}")


def main() -> None:
    issuer = Issuer()
    events: list[Event] = []
    fetched: list[KeysRefreshed] = []

    def watch(event: Event) -> None:
        (fetched if isinstance(event, KeysRefreshed) else events).append(event)  # type: ignore[arg-type]

    resource_server = ResourceServer(
        audience=issuer.facts["audience"],
        issuers=[TrustedIssuer.auth0(issuer.facts["issuer"])],
        observers=[watch],
    )
    try:
        with served(protected_api(resource_server)) as url:
            print(f"issuer  {issuer.facts['issuer']}    API  {url}/orders    requires  {SCOPE}\n")
            with httpx.Client(base_url=url, trust_env=False) as client:
                Tour(issuer, events).walk(client)
    finally:
        issuer.stop()
    print()
    print("200  whichever profile and dialect: the same principal, for people and for machines")
    print(
        "401  the token does not hold; the log and the event say why, the caller one safe sentence"
    )
    print("403  the token holds, and does not allow this")
    print("503  the keys cannot be had: the token is not called bad, the client keeps it")
    print(f"\nThe API fetched the issuer's keys {len(fetched)} time(s). Both servers are stopped.")


if __name__ == "__main__":
    main()
