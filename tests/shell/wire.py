"""An issuer on a real socket, right or wrong byte by byte; and what else these tests share.

`RawServer` speaks HTTP over threads and plain sockets, so that it can do what no web server would:
answer half, answer late, answer for ever. `WireIssuer` publishes a `LocalIssuer` on it.
"""

import asyncio
import gzip
import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Any, Self, TypeVar

from atjwt import AuthError, KeyPolicy, Principal, Reason, ResourceServer, TrustedIssuer
from atjwt.events import Event, KeysFailed, KeysRefreshed
from atjwt.testing import LocalIssuer

NOW = 1_790_000_000.0
METADATA = "/.well-known/openid-configuration"
METADATA_TOO = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
PATIENT = KeyPolicy(timeout=30)
"""For flights that end by themselves, or are ended by the test, however busy the machine is."""
LONG = 30.0
"""Seconds after which a test that waits for something gives up."""

T = TypeVar("T")
E = TypeVar("E", bound=Event)


class Clock:
    """A wall clock that the test sets; `tick` seconds pass with every look at it."""

    def __init__(self, now: float = NOW, *, tick: float = 0.0) -> None:
        self.now = now
        self.tick = tick
        self._lock = threading.Lock()

    def __call__(self) -> float:
        # Two threads at once would set it back, and a clock that is set back makes keys due.
        with self._lock:
            self.now += self.tick
            return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Recorder:
    """An observer that keeps every event, and can wait for one that another thread brings."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._arrived = threading.Condition()

    def __call__(self, event: Event) -> None:
        with self._arrived:
            self.events.append(event)
            self._arrived.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in list(self.events) if isinstance(event, kind)]

    def wait(self, kind: type[E], count: int = 1) -> E:
        """Waits for the count-th event of a kind."""
        with self._arrived:
            assert self._arrived.wait_for(lambda: len(self.of(kind)) >= count, LONG), (
                f"no {kind.__name__} came"
            )
        return self.of(kind)[count - 1]

    def wait_for_landings(self, count: int) -> None:
        """Waits until so many fetches have come to an end, good or bad."""
        with self._arrived:
            assert self._arrived.wait_for(
                lambda: len(self.of(KeysRefreshed)) + len(self.of(KeysFailed)) >= count, LONG
            ), "nothing landed"


class Exchange:
    """One request, and the connection to answer it on."""

    def __init__(self, server: "RawServer", connection: socket.socket, head: str) -> None:
        request, *lines = head.split("\r\n")
        self.method, self.path, _ = request.split(" ", 2)
        self.headers = [(name.lower(), value.strip()) for name, _, value in map(_halves, lines)]
        self.connection = connection
        self.server = server
        self.sent = 0

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)
        self.sent += len(data)

    def pause(self, seconds: float) -> None:
        """Waits; no longer than until the server closes."""
        self.server.closing.wait(seconds)


def _halves(line: str) -> tuple[str, str, str]:
    return line.partition(":")


Reply = Callable[[Exchange], None]


def head(status: int, headers: Mapping[str, object]) -> bytes:
    lines = [
        f"HTTP/1.1 {status} Whatever",
        *(f"{name}: {value}" for name, value in headers.items()),
    ]
    return "\r\n".join([*lines, "connection: close", "", ""]).encode("latin-1")


def answer(body: bytes = b"", *, status: int = 200, headers: Mapping[str, object] = {}) -> Reply:
    """One whole answer."""
    return lambda exchange: exchange.send(
        head(status, {"content-length": len(body), **headers}) + body
    )


def document(members: object, *, headers: Mapping[str, object] = {}) -> Reply:
    """One JSON document."""
    return answer(json.dumps(members).encode(), headers={"content-type": "text/plain", **headers})


def _each_time(members: Callable[[], object]) -> Reply:
    def reply(exchange: Exchange) -> None:
        document(members())(exchange)

    return reply


def raw(data: bytes) -> Reply:
    """These bytes, and no more."""
    return lambda exchange: exchange.send(data)


def redirect(to: str, status: int = 302) -> Reply:
    return answer(status=status, headers={"location": to})


def chunked(pieces: Iterable[bytes], *, headers: Mapping[str, object] = {}) -> Reply:
    """A body in chunks, as many as there are or until the client leaves."""

    def reply(exchange: Exchange) -> None:
        exchange.send(head(200, {"transfer-encoding": "chunked", **headers}))
        for piece in pieces:
            exchange.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        exchange.send(b"0\r\n\r\n")

    return reply


def dripping(body: bytes, *, pieces: int, pause: float) -> Reply:
    """A body that comes in pieces, with a pause before each."""

    def reply(exchange: Exchange) -> None:
        exchange.send(head(200, {"content-length": len(body)}))
        size = -(-len(body) // pieces)
        for start in range(0, len(body), size):
            exchange.pause(pause)
            exchange.send(body[start : start + size])

    return reply


def slow_headers(body: bytes, *, pause: float) -> Reply:
    """The head itself comes byte by byte."""

    def reply(exchange: Exchange) -> None:
        for byte in head(200, {"content-length": len(body)}):
            exchange.pause(pause)
            exchange.send(bytes([byte]))
        exchange.send(body)

    return reply


def cut_off(body: bytes) -> Reply:
    """Half of what was announced."""
    return lambda exchange: exchange.send(
        head(200, {"content-length": len(body)}) + body[: len(body) // 2]
    )


def zipped(body: bytes, *, keep: float = 1.0) -> Reply:
    """Compressed, though nobody asked for it; keep: which part of it is sent."""
    packed = gzip.compress(body)  # now, and not while it is answered
    return answer(packed[: int(len(packed) * keep)], headers={"content-encoding": "gzip"})


def reset(exchange: Exchange) -> None:
    """A connection that breaks (RST)."""
    exchange.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    exchange.connection.close()


def hold(exchange: Exchange) -> None:
    """Nothing, until the test lets go; then the connection ends."""
    server = exchange.server
    server.held.set()
    server.let_go.wait(LONG)


class RawServer:
    """A web server on loopback that answers as it is told, each request in a thread of its own.

    routes: path → how it answers; anything else is 404.
    seen: the requests, in the order in which they came.
    held: somebody waits in `hold`. let_go: ends that.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.routes: dict[str, Reply] = {}
        self.seen: list[Exchange] = []
        self.held, self.let_go, self.closing = (threading.Event() for _ in range(3))
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept, name="wire-accept")]
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/"
        self._threads[0].start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:  # fmt: skip
        self.close()

    @property
    def requests(self) -> Counter[str]:
        """How often each path was asked for."""
        with self._lock:
            return Counter(exchange.path for exchange in self.seen)

    def close(self) -> None:
        """Ends every connection and every thread."""
        if self.closing.is_set():
            return
        self.closing.set()
        self.let_go.set()
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            pass  # wakes the accepting thread
        self._threads[0].join(LONG)
        self._listener.close()
        with self._lock:
            connections = list(self._connections)
        for connection in connections:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(LONG)
            assert not thread.is_alive()

    def _accept(self) -> None:
        while not self.closing.is_set():
            connection, _ = self._listener.accept()
            thread = threading.Thread(target=self._serve, args=(connection,), name="wire")
            with self._lock:
                self._threads.append(thread)
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            # A client that leaves, mistrusts us or is told nonsense is what these tests are about.
            with suppress(OSError, ValueError):
                connection.settimeout(LONG)
                if self._tls is not None:
                    connection = self._tls.wrap_socket(connection, server_side=True)
                self._answer(connection)
        finally:
            with self._lock:
                self._connections.discard(connection)
            connection.close()

    def _answer(self, connection: socket.socket) -> None:
        with self._lock:
            self._connections.add(connection)
        received = b""
        while b"\r\n\r\n" not in received:
            piece = connection.recv(65_536)
            if not piece:
                return
            received += piece
        exchange = Exchange(self, connection, received.partition(b"\r\n\r\n")[0].decode("latin-1"))
        with self._lock:
            self.seen.append(exchange)
        self.routes.get(exchange.path, answer(b"Not Found", status=404))(exchange)


class WireIssuer(RawServer):
    """A `LocalIssuer` as a `RawServer` publishes it, until a route is told otherwise."""

    def __init__(self, clock: Clock, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(tls)
        self.issuer = LocalIssuer(issuer=self.url, algorithm="ES256", clock=clock)
        self.mend()

    def mend(self) -> None:
        """Answers rightly from now on; what was held ends."""
        self.let_go.set()
        self.let_go = threading.Event()
        self.held = threading.Event()
        self.routes = {
            METADATA: _each_time(self.issuer.metadata),
            JWKS: _each_time(self.issuer.jwks),
        }

    @property
    def fetches(self) -> tuple[int, int]:
        """Requests for the metadata, and for the keys."""
        return (
            self.requests[METADATA] + self.requests[METADATA_TOO],
            self.requests[JWKS],
        )


def trusting(
    issuer: LocalIssuer,
    clock: Callable[[], float],
    *,
    policy: KeyPolicy = PATIENT,
    jwks_uri: str | None = None,
    unsafe_http: bool = False,
    **settings: Any,
) -> ResourceServer:
    """A resource server that trusts this issuer; over HTTP unless `fetch` is among the settings."""
    trusted = TrustedIssuer(
        issuer.issuer, key_policy=policy, jwks_uri=jwks_uri, unsafe_http=unsafe_http
    )
    return ResourceServer(audience=issuer.audience, issuers=[trusted], clock=clock, **settings)


def served(server: ResourceServer, token: str) -> bool:
    """Whether a token is accepted without any waiting."""
    return isinstance(at_once(server.verify(token)), Principal)


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that must not wait for anything, not even for a turn."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    coroutine.close()
    raise AssertionError("it waited")


def reason_of(server: ResourceServer, token: str) -> Reason | None:
    """Why a token is refused, as a sync caller learns it; None if it is not."""
    try:
        server.verify_sync(token)
    except AuthError as error:
        return error.reason
    return None


async def reason(server: ResourceServer, token: str) -> Reason | None:
    """As `reason_of`, on an event loop."""
    try:
        await server.verify(token)
    except AuthError as error:
        return error.reason
    return None


def eventually(holds: Callable[[], bool]) -> None:
    """Waits for what another thread is about to do."""
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.002)


def flying() -> bool:
    """Whether any fetch of keys is under way, or still ending."""
    return any(thread.name == "atjwt-keys" for thread in threading.enumerate())


class Sabotage:
    """Awaits a coroutine, and spoils its n-th wait.

    error: what is raised there; None to cancel the task, as a deadline or a leaving client would.
    fired: whether it came that far.
    """

    def __init__(
        self, inner: Coroutine[Any, Any, Any], at: int, error: BaseException | None = None
    ) -> None:
        self._inner = inner
        self._at = at
        self._error = error
        self.fired = False

    def __await__(self) -> Generator[Any, Any, Any]:
        step: Callable[[Any], Any] = self._inner.send
        waits, argument = 0, None
        while True:
            try:
                pending = step(argument)
                waits += 1
                if waits == self._at:
                    self.fired = True
                    if self._error is not None:
                        pending = self._inner.throw(self._error)
                    elif (task := asyncio.current_task()) is not None:
                        task.cancel()
            except StopIteration as stop:
                return stop.value
            try:
                argument, step = (yield pending), self._inner.send
            except BaseException as error:
                argument, step = error, self._inner.throw
