"""What is had from an issuer, once: its metadata, its keys, and how the answers came.

The requests are those that the API itself makes, by the same fetcher, in the same order; nothing is
believed here. The checks in `issuers.py` then look at this evidence and ask nobody.
"""

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from atjwt.core.reading import read_json_object
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.discovery import metadata_urls, read_metadata
from atjwt.fetch import Fetch, FetchFailed, HttpFetcher

Certificate = Callable[[str, float], Awaitable[float | None]]
"""URL of a server, seconds at most → when its certificate expires, seconds since 1970; None if that
cannot be seen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of one GET.

    status: None where no answer came; then `failure` says why. headers: names in lower case.
    began, seconds: when it was asked for, since 1970, and how long that took.
    """

    url: str
    status: int | None
    headers: Mapping[str, str]
    body: bytes
    began: float
    seconds: float
    failure: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that was had from one issuer.

    metadata: an answer from each place that was asked. document: the one that was found, read; None
    where it is no JSON object. keys: the answer with its key set; None where nobody knows where that
    is. refused: why the metadata is not believed. expires: of the certificate, seconds since 1970.
    leeway: seconds, of the API. now: seconds since 1970.
    """

    issuer: TrustedIssuer
    metadata: tuple[Answer, ...]
    document: Mapping[str, object] | None
    refused: str
    keys: Answer | None
    expires: float | None
    leeway: float
    now: float

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Every answer, in the order in which they came."""
        return self.metadata if self.keys is None else (*self.metadata, self.keys)


async def gather(
    issuer: TrustedIssuer,
    *,
    leeway: float,
    clock: Callable[[], float] = time.time,
    fetch: Fetch | None = None,
    certificate: Certificate | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> Evidence:
    """Asks an issuer as the API would. Raises nothing that an issuer can cause.

    fetch: default over HTTP. certificate: default none where `fetch` is given.
    """
    if certificate is None and fetch is None:
        certificate = certificate_expiry
    fetch = fetch or HttpFetcher(max_bytes=issuer.key_policy.max_bytes)

    async def ask(url: str) -> Answer:
        began, start = clock(), timer()
        status, headers, body, failure = await _asked(fetch, url, issuer.key_policy.timeout)
        return Answer(
            url=url, status=status, headers=headers, body=body, began=began,
            seconds=timer() - start, failure=failure,
        )  # fmt: skip

    metadata: list[Answer] = []
    document, refused = None, ""
    uri = issuer.jwks_uri
    if issuer.static_keys is None and uri is None:
        for url in metadata_urls(issuer.issuer):
            metadata.append(await ask(url))
            status = metadata[-1].status
            if status in {None, 200, 429} or (status or 0) >= 500:  # as discovery.py does
                break
        body = metadata[-1].body if metadata[-1].status == 200 else b""
        with suppress(ValueError):
            document = read_json_object(body)
        try:
            uri = read_metadata(issuer, body).jwks_uri
        except FetchFailed as failure:
            refused = str(failure).removeprefix("metadata: ")
    keys = None if uri is None else await ask(uri)
    expires = None
    if certificate is not None and issuer.static_keys is None:
        expires = await certificate(uri or issuer.issuer, issuer.key_policy.timeout)
    return Evidence(
        issuer=issuer, metadata=tuple(metadata), document=document, refused=refused, keys=keys,
        expires=expires, leeway=leeway, now=clock(),
    )  # fmt: skip


async def _asked(
    fetch: Fetch, url: str, patience: float
) -> tuple[int | None, Mapping[str, str], bytes, str]:
    try:
        async with asyncio.timeout(patience):
            return (*await fetch(url), "")
    except TimeoutError:
        return None, {}, b"", f"no answer within {patience:g} s"
    except FetchFailed as error:
        return None, {}, b"", str(error)
    except Exception as error:  # noqa: BLE001 - of whatever client was handed in
        return None, {}, b"", f"{type(error).__name__}: {error}"


async def certificate_expiry(url: str, patience: float) -> float | None:
    """When a server's certificate expires. None: not https, or it cannot be had directly."""
    parts = urlsplit(url)
    if parts.scheme != "https" or parts.hostname is None:
        return None
    return await asyncio.to_thread(_expiry, parts.hostname, parts.port or 443, patience)


def _expiry(host: str, port: int, patience: float) -> float | None:
    try:
        context = HttpFetcher().ssl_context
        with (
            socket.create_connection((host, port), timeout=patience) as connection,
            context.wrap_socket(connection, server_hostname=host) as secure,
        ):
            shown = secure.getpeercert() or {}
        return float(ssl.cert_time_to_seconds(str(shown["notAfter"])))
    except (OSError, ValueError, KeyError):  # the requests above tell what is wrong
        return None
