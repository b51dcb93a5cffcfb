"""Serves an ASGI app on a socket that is bound already, until SIGINT or SIGTERM; then just returns.

The only file that imports uvicorn, which is an extra.
"""

import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import uvicorn
from starlette.types import ASGIApp


def serve(app: ASGIApp, listener: socket.socket, *, ready: Callable[[], None]) -> None:
    """Serves in the main thread. ready: called once, when connecting and stopping both work."""
    config = uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,  # a request that hangs on purpose must not keep us
    )
    server = uvicorn.Server(config)

    # Requests that a fault still holds are cancelled when the time is up. That was asked for, and
    # is no error to print a traceback of.
    logging.getLogger("uvicorn.error").addFilter(lambda record: not server.should_exit)

    def stop(number: int, frame: FrameType | None) -> None:
        server.should_exit = True

    # uvicorn sends itself the signal again when it has stopped, to die of it as a program should;
    # here stopping is the expected end, so the signal finds these handlers and the exit code is 0.
    handlers = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        ready()
        server.run(sockets=[listener])
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
