"""What the tests of this room share: a clock, a bare ASGI client, a strict reader of refusals.

The client is stricter than a server: it checks every message that an app sends. The reader of
challenges is written from RFC 6750 section 3 and RFC 9110 section 11, not from our own writer.
"""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute

from atjwt import AUTH0, RFC9068, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware, ASGIApp, Message, Scope
from atjwt.testing import LocalIssuer

NOW: Final = 1_790_000_000.0
API: Final = "https://api.example.com/"

Pairs = Iterable[tuple[bytes, bytes]]


class Clock:
    """A wall clock that moves when it is told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def trusting(issuer: LocalIssuer, **settings: Any) -> TrustedIssuer:
    """The local issuer as one whose keys are known, so that nothing is ever fetched."""
    given = {"profiles": {AUTH0, RFC9068}, "jwks": issuer.jwks(), **settings}
    return TrustedIssuer(issuer.issuer, **given)


def app_of(server: ResourceServer, *routes: BaseRoute, **settings: Any) -> Starlette:
    """A Starlette app behind the middleware. settings: of the middleware."""
    guard = Middleware(AccessTokenMiddleware, resource_server=server, **settings)
    return Starlette(routes=list(routes), middleware=[guard])


async def who(request: Request) -> JSONResponse:
    """An endpoint that says who is calling, by Starlette's own means."""
    return JSONResponse({"user": request.user.identity, "scopes": request.auth.scopes})


async def reached(scope: Scope, receive: object, send: Any) -> None:
    """An app that says that it was reached."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"reached"})


# --- A bare client --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response, or the denial of a WebSocket."""

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes

    def values(self, name: bytes) -> list[bytes]:
        """All values of one header."""
        return [value for found, value in self.headers if found == name]

    @property
    def text(self) -> str:
        """The body."""
        return self.body.decode("ascii")


def http_scope(headers: Pairs = (), **members: Any) -> dict[str, Any]:
    """The scope of a GET /, but for the members given."""
    path = members.get("path", "/")
    return {
        "type": "http", "asgi": {"version": "3.0", "spec_version": "2.4"}, "http_version": "1.1",
        "method": "GET", "scheme": "https", "path": path, "query_string": b"", "root_path": "",
        "raw_path": path.encode("utf-8", "surrogatepass"), "headers": list(headers),
        "client": ("127.0.0.1", 50_000), "server": ("127.0.0.1", 443), **members,
    }  # fmt: skip


def websocket_scope(headers: Pairs = (), **members: Any) -> dict[str, Any]:
    """The scope of a WebSocket handshake for /, on a server with the denial extension."""
    scope = http_scope(headers, **members)
    del scope["method"]
    given = {"type": "websocket", "subprotocols": [], "extensions": {"websocket.http.response": {}}}
    return {**scope, "scheme": "wss", **given, **members}


async def sent_by(app: ASGIApp, scope: Scope, *received: Message) -> list[Message]:
    """All that an app sends on one connection."""
    waiting = list(received) or [{"type": "http.request", "body": b"", "more_body": False}]
    sent: list[Message] = []

    async def receive() -> Message:
        return waiting.pop(0) if waiting else {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def answer_of(sent: list[Message], prefix: str = "") -> Answer:
    """The one response that these messages are; checks what a server would choke on."""
    start, *rest = sent
    assert start["type"] == f"{prefix}http.response.start"
    assert all(message["type"] == f"{prefix}http.response.body" for message in rest)
    headers = tuple((name, value) for name, value in start["headers"])
    for name, value in headers:
        assert re.fullmatch(rb"[!#$%&'*+\-.^_`|~0-9a-z]+", name)
        assert re.fullmatch(rb"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?", value)
    body = b"".join(message.get("body", b"") for message in rest)
    answer = Answer(start["status"], headers, body)
    assert answer.values(b"content-length") in ([], [b"%d" % len(body)])
    return answer


async def asking(app: ASGIApp, headers: Pairs = (), **members: Any) -> Answer:
    """Sends one HTTP request to an app."""
    return answer_of(await sent_by(app, http_scope(headers, **members)))


def ask(app: ASGIApp, headers: Pairs = (), **members: Any) -> Answer:
    """Sends one HTTP request to an app, where there is no event loop."""
    return asyncio.run(asking(app, headers, **members))


def bearer(token: str | bytes) -> list[tuple[bytes, bytes]]:
    """The header of a request with this token."""
    credentials = token if isinstance(token, bytes) else token.encode()
    return [(b"authorization", b"Bearer " + credentials)]


# --- A strict reader ------------------------------------------------------------------------------

_PARAMETER = re.compile(
    r"([!#$%&'*+\-.^_`|~0-9A-Za-z]+)=\"([\x20-\x21\x23-\x5b\x5d-\x7e]*)\"(, (?=[a-z])|$)"
)
_SCOPE_TOKENS = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")
_STATUS = {
    "invalid_request": 400,
    "invalid_token": 401,
    "insufficient_scope": 403,
    "insufficient_user_authentication": 401,
    None: 401,
}


def read_challenge(value: bytes) -> dict[str, str]:
    """The parameters of one Bearer challenge and nothing else (RFC 6750 3, RFC 9470 3, RFC 9728 5.1)."""
    scheme, blank, rest = value.decode("ascii").partition(" ")
    assert (scheme, blank) == ("Bearer", " ")
    found: dict[str, str] = {}
    position = 0
    while position < len(rest):
        matched = _PARAMETER.match(rest, position)
        assert matched, f"no auth-param at {position} of {rest!r}"
        name, text, _ = matched.groups()
        assert name not in found, f"{name} appears twice"
        found[name] = text
        position = matched.end()
    step_up = {"acr_values", "max_age"}
    assert found.keys() <= {
        "realm", "error", "error_description", "scope", "resource_metadata", *step_up,
    }  # fmt: skip
    assert not found.keys() & step_up or found["error"] == "insufficient_user_authentication"
    assert "acr_values" not in found or _SCOPE_TOKENS.fullmatch(found["acr_values"])
    assert "max_age" not in found or re.fullmatch("0|[1-9][0-9]*", found["max_age"])
    assert "realm" in found
    assert ("error" in found) == ("error_description" in found)
    assert "scope" not in found or _SCOPE_TOKENS.fullmatch(found["scope"])
    return found


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a refused caller is told. error, scope, acr_values, max_age: of the challenge."""

    status: int
    error: str | None
    sentence: str
    realm: str | None
    scope: str | None
    retry_after: int | None
    code: str
    acr_values: str | None = None
    max_age: int | None = None


def read_refusal(answer: Answer) -> Refusal:
    """Checks that an answer is a whole and consistent refusal, and reads it."""
    body = json.loads(answer.text)
    assert body.keys() == {"error", "error_description"}
    code, sentence = body["error"], body["error_description"]
    assert re.fullmatch(r"[a-z_]+", code)
    assert re.fullmatch(r"[A-Z][A-Za-z0-9 ,.'-]+\.", sentence), sentence
    assert answer.values(b"content-type") == [b"application/json"]
    assert answer.values(b"cache-control") == [b"no-store"]
    assert answer.values(b"content-length") == [b"%d" % len(answer.body)]
    challenges, waits = answer.values(b"www-authenticate"), answer.values(b"retry-after")
    if answer.status == 503:
        assert (len(challenges), len(waits)) == (0, 1)
        assert re.fullmatch(rb"[1-9][0-9]*", waits[0])
        return Refusal(503, None, sentence, None, None, int(waits[0]), code)
    assert (len(challenges), len(waits)) == (1, 0)
    found = read_challenge(challenges[0])
    error = found.get("error")
    assert answer.status == _STATUS[error]
    assert error is None or (error, found["error_description"]) == (code, sentence)
    assert found.get("scope") is None or error in {
        "insufficient_scope", "insufficient_user_authentication",
    }  # fmt: skip
    return Refusal(
        answer.status,
        error,
        sentence,
        found["realm"],
        found.get("scope"),
        None,
        code,
        found.get("acr_values"),
        int(found["max_age"]) if "max_age" in found else None,
    )


def refusal(app: ASGIApp, headers: Pairs = (), **members: Any) -> Refusal:
    """Sends a request that is refused."""
    return read_refusal(ask(app, headers, **members))


def logged(caplog: pytest.LogCaptureFixture) -> str:
    """All that our log says, with every field of every record, at any level."""
    records = [record for record in caplog.records if record.name.startswith("atjwt")]
    return "\n".join(f"{record.getMessage()} {record.__dict__!r}" for record in records)


def reasons(caplog: pytest.LogCaptureFixture) -> list[str]:
    """The reason of each refusal in the log."""
    return [record.reason for record in caplog.records if hasattr(record, "reason")]


# --- A real server --------------------------------------------------------------------------------


class _Server(uvicorn.Server):
    """uvicorn on the loop of a test: says when it is ready, and leaves signals alone."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@asynccontextmanager
async def serving(
    app: ASGIApp, listener: socket.socket | None = None, **settings: Any
) -> AsyncIterator[int]:
    """Serves an app by uvicorn on loopback, or on a socket that is bound already; gives the port."""
    config = uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, **settings)
    server = _Server(config)
    async with asyncio.timeout(20):
        running = asyncio.create_task(server.serve(sockets=[listener] if listener else None))
        ready = asyncio.create_task(server.ready.wait())
        await asyncio.wait({running, ready}, return_when=asyncio.FIRST_COMPLETED)
        assert server.started
        try:
            yield (listener or server.servers[0].sockets[0]).getsockname()[1]
        finally:
            server.should_exit = True
            await running
