"""The vectors, one by one, through the middleware, as raw ASGI: any byte can stand in a header."""

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import pytest

from atjwt.asgi import AccessTokenMiddleware, Receive, Scope, Send
from atjwt.core.principal import Principal
from vectors import loading
from vectors.loading import Vector, fields, resource_server

CASES = loading.cases()
ERROR_CODES = {400: "invalid_request", 401: "invalid_token"}


class Answer(NamedTuple):
    """What came back, and whom the app saw."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes
    callers: list[object]


def named(vector: Vector) -> str:
    """The vector's id, for pytest."""
    return vector.id


async def send_to_api(vector: Vector) -> Answer:
    """Sends one request with the vector's credentials to an API of one route."""
    callers: list[object] = []
    sent: list[MutableMapping[str, Any]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        callers.append(scope["user"])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope: Scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "https",
        "path": "/orders",
        "raw_path": b"/orders",
        "root_path": "",
        "query_string": b"",
        "headers": [
            (b"host", b"api.acme.test"),
            (b"authorization", b"Bearer " + vector.credentials()),
        ],
    }
    middleware = AccessTokenMiddleware(app, resource_server=resource_server(vector), anonymous=True)
    await middleware(scope, receive, send)
    start, *rest = sent
    body = b"".join(message["body"] for message in rest)
    return Answer(start["status"], dict(start["headers"]), body, callers)


@pytest.mark.parametrize("vector", CASES, ids=named)
def test_the_middleware_answers_as_the_vector_says(vector: Vector) -> None:
    """A good token reaches the app as its principal; a bad one is answered with its challenge."""
    answer = asyncio.run(send_to_api(vector))
    assert answer.status == vector.status, vector.why
    if vector.principal is not None:
        (caller,) = answer.callers
        assert isinstance(caller, Principal)
        got = fields(caller)
        assert {name: got[name] for name in vector.principal} == vector.principal, vector.why
        assert answer.body == b"ok"
        return
    assert answer.callers == [], vector.why
    challenge = answer.headers[b"www-authenticate"].decode("ascii")
    code = ERROR_CODES[vector.status]
    assert challenge.startswith('Bearer realm="')
    assert f'error="{code}"' in challenge
    document = json.loads(answer.body)
    assert document["error"] == code
    assert f'error_description="{document["error_description"]}"' in challenge
    assert "scope=" not in challenge


@pytest.mark.parametrize("vector", [vector for vector in CASES if vector.status != 200], ids=named)
def test_a_refusal_repeats_nothing_of_the_token(vector: Vector) -> None:
    """No part of a refused token comes back in the answer, in the header or in the body."""
    answer = asyncio.run(send_to_api(vector))
    whole = answer.body + b" ".join(answer.headers.values())
    for part in vector.credentials().split(b"."):
        assert len(part) < 8 or part not in whole
