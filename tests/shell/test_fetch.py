"""One GET: what comes back, what is refused, and by whose roots TLS is trusted.

Over a real socket, with each of the two HTTP clients that may be installed.
"""

import asyncio
import os
import ssl
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from atjwt import KeysUnavailable
from atjwt.events import KeysFailed
from atjwt.fetch import FetchFailed, HttpFetcher
from shell.wire import (
    LONG,
    Clock,
    Exchange,
    RawServer,
    Recorder,
    Reply,
    Sabotage,
    WireIssuer,
    answer,
    chunked,
    cut_off,
    dripping,
    head,
    hold,
    raw,
    redirect,
    reset,
    slow_headers,
    trusting,
    zipped,
)

CAP = 10_000


@pytest.fixture(params=["httpx2", "httpx"])
def _library(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The maintained client, and the declared one where that is not installed."""
    if request.param == "httpx":
        monkeypatch.setitem(sys.modules, "httpx2", None)


pytestmark = pytest.mark.usefixtures("_library")


@pytest.fixture
def server() -> Iterator[RawServer]:
    with RawServer() as running:
        yield running


def get(server: RawServer, reply: Reply, **settings: ssl.SSLContext) -> tuple[int, bytes]:
    """What the fetcher makes of one answer, within the time that a patient caller has."""

    async def fetch() -> tuple[int, bytes]:
        async with asyncio.timeout(LONG):
            fetcher = HttpFetcher(max_bytes=CAP, ssl_context=settings.get("ssl_context"))
            status, _, body = await fetcher(f"{server.url}document")
            return status, body

    server.routes["/document"] = reply
    return asyncio.run(fetch())


def test_a_document_comes_back_whole(server: RawServer) -> None:
    """Status, headers by lower-case names, and the body, in one piece or in many."""
    body = b'{"a": 1}' * 100
    server.routes["/plain"] = answer(body, headers={"Cache-Control": "max-age=7", "X-Two": "2"})
    fetched = asyncio.run(HttpFetcher()(f"{server.url}plain"))
    assert fetched[0] == 200
    assert (fetched[1]["cache-control"], fetched[1]["x-two"]) == ("max-age=7", "2")
    assert fetched[2] == body
    for reply in [
        chunked([body[:1], body[1:500], body[500:]]),
        dripping(body, pieces=5, pause=0.005),
        slow_headers(body, pause=0.0),
        answer(body, headers={"content-encoding": "identity"}),
        raw(head(200, {}) + body),  # its end is the connection's
    ]:
        assert get(server, reply) == (200, body)


def test_the_request_asks_for_little(server: RawServer) -> None:
    """One GET for plain JSON, uncompressed, without cookies or credentials."""
    server.routes["/document"] = answer(headers={"set-cookie": "a=b"})
    fetcher = HttpFetcher()
    for _ in range(2):
        asyncio.run(fetcher(f"{server.url}document"))
    for exchange in server.seen:
        sent = dict(exchange.headers)
        assert exchange.method == "GET"
        assert (sent["accept"], sent["accept-encoding"]) == ("application/json", "identity")
        assert sent.keys().isdisjoint({"cookie", "authorization", "proxy-authorization"})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(server: RawServer, status: int) -> None:
    """Else whoever can redirect could name the keys."""
    server.routes["/elsewhere"] = answer(b"{}")
    assert get(server, redirect(f"{server.url}elsewhere", status)) == (status, b"")
    assert server.requests == {"/document": 1}


@pytest.mark.parametrize("status", [201, 204, 206, 304, 400, 404, 429, 500, 503])
def test_only_the_body_of_a_200_is_read(server: RawServer, status: int) -> None:
    """Any other answer is its status and its headers, even if its body never ends."""

    def endless(exchange: Exchange) -> None:
        exchange.send(head(status, {"retry-after": 9}))
        while status not in {204, 304} and not exchange.server.closing.is_set():
            exchange.send(b"x" * 1000)

    assert get(server, endless) == (status, b"")


@pytest.mark.parametrize(
    "reply",
    [
        answer(b"x" * (CAP + 1)),
        chunked([b"x" * CAP, b"x"]),
        answer(b"x" * (CAP * 1000)),
        zipped(b"x" * (CAP + 1)),
        zipped(b"\0" * (CAP * 3000)),
    ],
    ids=["one more", "one more in chunks", "huge", "one more, compressed", "a bomb"],
)
def test_too_many_bytes_are_refused(server: RawServer, reply: Reply) -> None:
    """The cap holds for the decompressed body, however it comes."""
    with pytest.raises(FetchFailed, match=f"more than {CAP} bytes"):
        get(server, reply)


def test_a_bomb_does_not_go_off(server: RawServer) -> None:
    """What is past the cap is not even unpacked: memory stays near the cap, not near the bomb."""
    bomb = zipped(b"\0" * 50_000_000)
    assert get(server, answer(b"{}"))[0] == 200  # the client is imported now
    tracemalloc.start()
    try:
        with pytest.raises(FetchFailed, match="more than"):
            get(server, bomb)
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_as_many_bytes_as_allowed_are_read(server: RawServer) -> None:
    """The cap is the largest body that passes."""
    body = os.urandom(CAP)
    for reply in [answer(body), chunked([body[:9000], body[9000:]]), zipped(body)]:
        assert get(server, reply) == (200, body)


def test_an_endless_body_is_not_read_to_its_end(server: RawServer) -> None:
    """The connection ends soon after the cap, compressed or not."""
    squeezed = zlib.compressobj(wbits=31)
    pieces = squeezed.compress(b"\0" * 4_000_000) + squeezed.flush(zlib.Z_SYNC_FLUSH)

    def endless(piece: bytes) -> Iterable[bytes]:
        while not server.closing.is_set():
            yield piece

    zipping = {"content-encoding": "gzip"}
    for reply in [chunked(endless(b"x" * 999)), chunked(endless(pieces), headers=zipping)]:
        with pytest.raises(FetchFailed, match="more than"):
            get(server, reply)
    server.close()
    # What is sent past the cap is what fits into the sockets' buffers.
    assert all(exchange.sent < 20_000_000 for exchange in server.seen)


@pytest.mark.parametrize("encoding", ["br", "deflate", "zstd", "gzip, gzip", "compress", "x"])
def test_encodings_nobody_asked_for_are_refused(server: RawServer, encoding: str) -> None:
    """All but gzip, which careless proxies add, and which is unpacked under the cap."""
    with pytest.raises(FetchFailed, match="encoding"):
        get(server, answer(b"{}", headers={"content-encoding": encoding}))


def test_gzip_is_unpacked(server: RawServer) -> None:
    """Also when it comes a byte at a time, and whatever the case of its name."""
    body = b'{"keys": []}' * 30
    packed = zlib.compressobj(wbits=31)
    data = packed.compress(body) + packed.flush()
    pieces = [data[index : index + 1] for index in range(len(data))]
    assert get(server, chunked(pieces, headers={"Content-Encoding": "GZIP"})) == (200, body)


@pytest.mark.parametrize(
    "reply",
    [
        cut_off(b"x" * 1000),
        zipped(b"{}" * 400, keep=0.7),
        answer(b"this is not gzip", headers={"content-encoding": "gzip"}),
        reset,
        raw(b""),
        raw(b"GARBAGE\r\n\r\n"),
        raw(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz"),
        raw(b"HTTP/1.1 200 OK\r\nx: " + b"y" * 400_000),
    ],
    ids=["cut off", "gzip cut off", "no gzip", "reset", "closed", "no HTTP", "no chunk", "head"],
)
def test_half_an_answer_is_an_error(server: RawServer, reply: Reply) -> None:
    """What is not whole is not believed."""
    with pytest.raises(Exception):  # noqa: B017, PT011 - the HTTP clients have their own
        get(server, reply)


def test_nobody_listens(server: RawServer) -> None:
    """A refused connection is an error."""
    server.close()
    with pytest.raises(Exception, match=r"(?i)connect"):
        get(server, answer())


@pytest.mark.parametrize(
    "reply",
    [hold, slow_headers(b"{}", pause=0.05), dripping(b"x" * 900, pieces=900, pause=0.05)],
    ids=["hang", "slow headers", "slow body"],
)
def test_the_deadline_is_the_callers(server: RawServer, reply: Reply) -> None:
    """A fetch that is cancelled ends at once, wherever it stands, and closes its connection."""

    async def fetch() -> None:
        async with asyncio.timeout(0.3):
            await HttpFetcher()(f"{server.url}document")

    server.routes["/document"] = reply
    with pytest.raises(TimeoutError):
        asyncio.run(fetch())


def test_a_fetch_cancelled_at_its_nth_wait_leaves_nothing(server: RawServer) -> None:
    """At whichever wait it is cancelled: no socket, no task and no thread stays."""
    server.routes["/document"] = dripping(b"{}" * 100, pieces=2, pause=0.01)

    async def cancelled_at(wait: int) -> bool:
        saboteur = Sabotage(_plain(HttpFetcher(), f"{server.url}document"), wait)
        try:
            await saboteur
        except asyncio.CancelledError:
            assert saboteur.fired
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return saboteur.fired

    waits = 0
    while asyncio.run(cancelled_at(waits + 1)):
        waits += 1
    assert waits >= 3


def test_an_answer_cut_off_at_its_nth_byte_is_an_error(server: RawServer) -> None:
    """Wherever the connection breaks, nothing is believed and nothing is left."""
    whole = head(200, {"content-length": 6, "cache-control": "max-age=9"}) + b'{"a":1'
    for length in range(0, len(whole), 3):
        with pytest.raises(Exception):  # noqa: B017, PT011 - the HTTP clients have their own
            get(server, raw(whole[:length]))
    assert get(server, raw(whole)) == (200, b'{"a":1')


async def _plain(fetcher: HttpFetcher, url: str) -> int:
    return (await fetcher(url))[0]


# --- TLS ---------------------------------------------------------------------------------------


class Authority(NamedTuple):
    """A certificate authority of one run: its file, and contexts that serve and trust."""

    file: Path
    serving: Callable[[str], ssl.SSLContext]

    def trusted(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.file))


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Made when the tests run; nothing of it is kept."""
    folder = tmp_path_factory.mktemp("authority")
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "an authority of one test run")])
    ca = _certificate(ca_name, ca_name, ca_key.public_key(), ca_key, address=None)
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))

    def serving(address: str) -> ssl.SSLContext:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a server of one test run")])
        certificate = _certificate(name, ca_name, key.public_key(), ca_key, address=address)
        path = folder / f"{address}.pem"
        path.write_bytes(
            key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            + certificate.public_bytes(Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path)
        return context

    return Authority(folder / "ca.pem", serving)


def _certificate(
    subject: x509.Name,
    signer: x509.Name,
    public: ec.EllipticCurvePublicKey,
    key: ec.EllipticCurvePrivateKey,
    *,
    address: str | None,
) -> x509.Certificate:
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(signer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=address is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
        )
    )
    usage = x509.KeyUsage(
        digital_signature=address is not None, key_cert_sign=address is None,
        crl_sign=address is None, content_commitment=False, key_encipherment=False,
        data_encipherment=False, key_agreement=False, encipher_only=False, decipher_only=False,
    )  # fmt: skip
    builder = builder.add_extension(usage, critical=True)
    if address is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        serving = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        builder = builder.add_extension(names, critical=False).add_extension(
            serving, critical=False
        )
    return builder.sign(key, hashes.SHA256())


@pytest.fixture
def secure(authority: Authority) -> Iterator[RawServer]:
    """A server with a certificate by that authority."""
    with RawServer(authority.serving("127.0.0.1")) as running:
        yield running


def test_tls_by_the_given_context(secure: RawServer, authority: Authority) -> None:
    """What the given context trusts is trusted."""
    assert get(secure, answer(b"{}"), ssl_context=authority.trusted()) == (200, b"{}")


def test_tls_by_an_unknown_authority_is_refused(secure: RawServer) -> None:
    """No request is even sent."""
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        get(secure, answer(b"{}"))
    assert secure.seen == []


def test_tls_for_another_host_is_refused(authority: Authority) -> None:
    """A certificate of the right authority for the wrong address."""
    with (
        RawServer(authority.serving("127.0.0.2")) as other,
        pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        get(other, answer(b"{}"), ssl_context=authority.trusted())


def test_tls_by_ssl_cert_file(
    secure: RawServer, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The environment names the roots, as everywhere."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert get(secure, answer(b"{}")) == (200, b"{}")


def test_tls_by_ssl_cert_file_in_a_new_process(secure: RawServer, authority: Authority) -> None:
    """Also where it was set before Python started."""
    secure.routes["/document"] = answer(b"{}")
    code = (
        "import asyncio, sys; from atjwt.fetch import HttpFetcher;"
        "print(asyncio.run(HttpFetcher()(sys.argv[1]))[0])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, f"{secure.url}document"],
        env={**os.environ, "SSL_CERT_FILE": str(authority.file)},
        capture_output=True, text=True, timeout=LONG, check=True,
    )  # fmt: skip
    assert ran.stdout == "200\n"


def test_tls_is_verified_however_the_scheme_is_written(secure: RawServer) -> None:
    """HTTPS:// is https:// (RFC 3986 section 3.1)."""
    secure.routes["/document"] = answer(b"{}")
    with pytest.raises(Exception, match="CERTIFICATE_VERIFY_FAILED"):
        asyncio.run(HttpFetcher()(f"{secure.url}document".replace("https:", "HTTPS:")))


def test_tls_and_the_whole_route(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, clock: Clock, seen: Recorder
) -> None:
    """Keys come over TLS; without trust in the issuer's certificate they do not come."""
    with WireIssuer(clock, authority.serving("127.0.0.1")) as wire:
        token = wire.issuer.token()
        with pytest.raises(KeysUnavailable):
            trusting(wire.issuer, clock, observers=[seen]).verify_sync(token)
        assert "Connect" in seen.wait(KeysFailed).cause
        assert wire.fetches == (0, 0)
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert trusting(wire.issuer, clock).verify_sync(token).subject


def test_the_context_is_made_once_and_off_the_loop(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    """It costs some 20 ms, which no caller's event loop pays."""
    makers: list[str] = []
    make = ssl.create_default_context

    def noting() -> ssl.SSLContext:
        makers.append(threading.current_thread().name)
        return make(cafile=str(authority.file))

    monkeypatch.setattr(ssl, "create_default_context", noting)
    with WireIssuer(clock, authority.serving("127.0.0.1")) as wire:
        server = trusting(wire.issuer, clock)
        assert makers == []
        for _ in range(3):
            asyncio.run(server.verify(wire.issuer.token()))
            wire.issuer.rotate_keys()
            wire.issuer.rotate_keys()
            clock.advance(100)
    assert wire.fetches == (1, 3)
    assert makers == ["atjwt-keys"]


def test_roots_of_the_system_or_of_certifi(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the system has no roots, those of certifi are trusted; else the system's alone."""
    import certifi

    bare = ssl.DefaultVerifyPaths(
        cafile="", capath="", openssl_cafile_env="", openssl_cafile="",
        openssl_capath_env="", openssl_capath="",
    )  # fmt: skip
    loaded: list[str | None] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(
            self, cafile: object = None, capath: object = None, cadata: object = None
        ) -> None:
            loaded.append(str(cafile))

    monkeypatch.setattr(ssl, "create_default_context", lambda: Context(ssl.PROTOCOL_TLS_CLIENT))
    (tmp_path / "1a2b3c4d.0").write_text("")
    (tmp_path / "empty").mkdir()
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    for paths, roots in [
        (bare, [certifi.where()]),
        (bare._replace(capath=str(tmp_path / "empty")), [certifi.where()]),
        (bare._replace(capath=str(tmp_path)), []),
        (bare._replace(cafile="roots.pem"), []),
    ]:
        monkeypatch.setattr(ssl, "get_default_verify_paths", lambda paths=paths: paths)
        loaded.clear()
        assert HttpFetcher().ssl_context.verify_mode is ssl.CERT_REQUIRED
        assert loaded == roots
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: bare)
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        loaded.clear()
        monkeypatch.setenv(name, str(tmp_path))
        assert HttpFetcher().ssl_context is not None
        assert loaded == []
        monkeypatch.delenv(name)
