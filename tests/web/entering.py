"""A caller without a token, who tries a way in as the walk has listed it."""

import asyncio
import re
from typing import Final

from atjwt import ConfigurationError
from atjwt.asgi import ASGIApp, Message
from atjwt.guards import GuardedRoute
from web.asking import http_scope, sent_by, websocket_scope

Row = tuple[str, str, str, str | None]
"""Methods or kind, path, state, policy: a route as the tables of these tests write it."""

BENEATH: Final = {"/itself": "/open", "/mount/owned": "/own"}
"""What is asked for beneath a mount: a file that is there, or a route."""


def row_of(route: GuardedRoute) -> Row:
    """A route as a row."""
    what = ",".join(route.methods) if route.kind == "http" else route.kind
    return what, route.path, route.state, route.policy


def label(route: GuardedRoute) -> str:
    """The name of a test."""
    return f"{row_of(route)[0]} {route.path}"


def enters(app: ASGIApp, route: GuardedRoute) -> bool:
    """Whether a caller without a token gets there; by each of its methods alike."""
    host, path = "api.example.com", re.sub(r"\{.*?\}", "1", route.path)
    if path.startswith("//"):
        host, _, path = path[2:].partition("/")
        path = f"/{path}"
    if route.kind == "mount":
        path = path.rstrip("/") + BENEATH.get(route.path, "/hiding.py")
    headers = [(b"host", host.encode())]
    if route.kind == "websocket":
        scope = websocket_scope(headers, path=path)
        messages = ({"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000})
        return _meets(app, scope, *messages) == "websocket.accept"
    methods = ("GET", "TRACE") if route.methods == ("*",) else route.methods
    met = {_meets(app, http_scope(headers, path=path, method=one)) for one in methods}
    assert met <= {200, 401, 405, 500}, f"{route.path} is not there"
    assert len(met) == 1 or route.methods == ("*",)
    return 200 in met


def _meets(app: ASGIApp, scope: dict[str, object], *received: Message) -> object:
    """The status of the answer, or the first message to a WebSocket; 500 for a wrong set-up."""
    try:
        first = asyncio.run(sent_by(app, scope, *received))[0]
    except ConfigurationError:
        return 500
    return first.get("status", first["type"])
