"""One GET of a small document from an issuer, by the HTTP client that is installed.

Narrow on purpose: no redirects (a redirect would make somebody else the source of keys), a cap on
the size after decompression, no cookies, no credentials. The deadline is the caller's, since it is
one for metadata and keys together. `httpx2`, the maintained continuation of `httpx`, is used where
it is installed; the trusted TLS roots are the same either way.

A user may hand in any other `Fetch`.
"""

import os
import ssl
import zlib
from collections.abc import Awaitable, Callable, Mapping
from email.utils import parsedate_to_datetime
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING

from atjwt.core.configuration import host_of, is_loopback

if TYPE_CHECKING:
    import httpx

Fetch = Callable[[str], Awaitable[tuple[int, Mapping[str, str], bytes]]]
"""Gets a URL: → (status, headers with names in lower case, body)."""


class FetchFailed(Exception):
    """A document could not be had; the text says why and holds nothing of it.

    status: of the answer, if there was one. retry_after: its Retry-After, as sent.
    """

    def __init__(self, why: str, *, status: int | None = None, retry_after: str = "") -> None:
        super().__init__(why)
        self.status = status
        self.retry_after = retry_after


class HttpFetcher:
    """Fetches over HTTP.

    max_bytes: the largest body, in bytes after decompression.
    ssl_context: what to trust; default the file in SSL_CERT_FILE, else the system's store, else
        certifi.
    """

    def __init__(
        self, *, max_bytes: int = 1_048_576, ssl_context: ssl.SSLContext | None = None
    ) -> None:
        self.max_bytes = max_bytes
        self.given_context = ssl_context

    async def __call__(self, url: str) -> tuple[int, Mapping[str, str], bytes]:
        """Gets a URL. Raises FetchFailed, and whatever the HTTP client raises."""
        http = http_library()
        verify = False if url.lower().startswith("http:") else self.ssl_context
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        async with (
            http.AsyncClient(
                verify=verify,
                timeout=None,  # the deadline is the caller's
                headers=headers,
                trust_env=not is_loopback(host_of(url)),  # no proxy between us and ourselves
            ) as client,
            client.stream("GET", url, follow_redirects=False) as response,
        ):
            body = b"" if response.status_code != 200 else await self._read(response)
            return response.status_code, dict(response.headers), body

    async def _read(self, response: "httpx.Response") -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip"}:
            raise FetchFailed("an encoding that was not asked for")
        gzip = zlib.decompressobj(wbits=31) if encoding == "gzip" else None
        body = bytearray()
        async for chunk in response.aiter_raw():
            body += gzip.decompress(chunk, self.max_bytes - len(body) + 1) if gzip else chunk
            if len(body) > self.max_bytes:
                raise FetchFailed(f"more than {self.max_bytes} bytes")
        if gzip and not gzip.eof:
            raise FetchFailed("a cut-off body")
        return bytes(body)

    @cached_property
    def ssl_context(self) -> ssl.SSLContext:
        """Made once, when first needed: reading the roots takes some 20 ms."""
        if self.given_context is not None:
            return self.given_context
        context = ssl.create_default_context()
        if tls_roots() == "certifi":
            import certifi

            context.load_verify_locations(cafile=certifi.where())
        return context


def tls_roots() -> str:
    """Whose TLS roots are trusted by default: the name of a variable, `the system` or `certifi`."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if os.environ.get(name):
            return name
    paths = ssl.get_default_verify_paths()
    # OpenSSL looks a certificate up by its hash, in a file such as 1a2b3c4d.0.
    folder = os.listdir(paths.capath) if paths.capath and os.access(paths.capath, os.R_OK) else []  # noqa: PTH208 - pathlib is slow to load
    has_own = os.name == "nt" or bool(paths.cafile) or any(name.endswith(".0") for name in folder)
    return "the system" if has_own else "certifi"


def http_library() -> ModuleType:
    """`httpx2`, or `httpx` where that is what is installed."""
    # Imported when first needed, in the thread that fetches: it takes longer than all of us.
    try:
        import httpx2
    except ModuleNotFoundError:
        import httpx

        return httpx
    return httpx2


def max_age_of(cache_control: object) -> float | None:
    """Seconds for which an answer is fresh (RFC 9111 section 5.2.2); None if it does not say."""
    text = cache_control if isinstance(cache_control, str) else ""
    directives = [part.strip().lower() for part in text.split(",")]
    if "no-store" in directives or "no-cache" in directives:
        return 0.0
    for directive in directives:
        name, _, value = directive.partition("=")
        if name.strip() == "max-age" and value.strip('" ').isdecimal():
            return float(value.strip('" ')[:9])
    return None


def seconds_of(retry_after: object, now: float) -> float | None:
    """Seconds to wait, from Retry-After in either of its forms (RFC 9110 section 10.2.3)."""
    if not isinstance(retry_after, str):
        return None
    if retry_after.isdecimal():
        return float(retry_after[:9])
    at = date_of(retry_after)
    return max(0.0, at - now) if at else None


def date_of(header: object) -> float:
    """Seconds since 1970, from an HTTP date (RFC 9110 section 5.6.7); 0 where it is none."""
    try:
        return parsedate_to_datetime(str(header)).timestamp()
    except (ValueError, OverflowError):
        return 0.0
