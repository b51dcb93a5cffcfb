"""An ASGI app on a real socket of this computer, for as long as a block lasts, and a visit to it."""

import json
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import ASGIApp

HERE = Path(__file__).parent
DEADLINE = 120.0  # seconds for a whole visit, which takes about ten


@contextmanager
def free_socket() -> Iterator[socket.socket]:
    """A bound socket: its port is known before the app that is to be served."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def url_of(listener: socket.socket) -> str:
    """The origin under which a socket is served, with a slash."""
    return f"http://127.0.0.1:{listener.getsockname()[1]}/"


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Iterator[None]:
    """Serves the app. Connections queue up in the socket until the server is ready."""
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, ws="none", timeout_graceful_shutdown=1
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=10)


@contextmanager
def no_proxy() -> Iterator[None]:
    """Where a proxy is configured for all else, it would be asked for our own loopback too."""
    with pytest.MonkeyPatch.context() as env:
        for name in ("NO_PROXY", "no_proxy"):
            env.setenv(name, "127.0.0.1", prepend=",")
        yield


def visited(script: str, plan: Mapping[str, object]) -> dict[str, Any]:
    """What the person of a script saw. plan: what they are told."""
    ended = subprocess.run(
        ["node", HERE / script, json.dumps(plan)],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    seen = json.loads(ended.stdout)
    assert isinstance(seen, dict)
    return seen
