"""An issuer's metadata: where its keys are.

OpenID Connect Discovery 1.0 and RFC 8414 publish the same document in two places. The first is
tried first, since nearly everybody has it. The document is believed only if the `issuer` in it is
the configured one, character by character (RFC 8414 section 3.3): otherwise somebody who can write
one document somewhere could name the keys of somebody else.
"""

from dataclasses import dataclass
from urllib.parse import urlsplit

from atjwt.core.configuration import url_problems
from atjwt.core.reading import read_json_object
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.fetch import Fetch, FetchFailed


@dataclass(frozen=True, slots=True)
class Metadata:
    """What is used of an issuer's metadata (RFC 8414 section 2)."""

    jwks_uri: str


def metadata_urls(issuer: str) -> tuple[str, ...]:
    """Where an issuer's metadata may stand, in the order in which it is looked for.

    OpenID Connect appends its well-known path to the issuer; RFC 8414 section 3.1 puts its own
    between host and path.
    """
    parts = urlsplit(issuer)
    path = parts.path.rstrip("/")
    origin = f"{parts.scheme}://{parts.netloc}"
    return (
        f"{origin}{path}/.well-known/openid-configuration",
        f"{origin}/.well-known/oauth-authorization-server{path}",
    )


def read_metadata(issuer: TrustedIssuer, text: bytes) -> Metadata:
    """Reads the document. Raises FetchFailed, with a text that holds nothing of it."""
    try:
        document = read_json_object(text)
    except ValueError as error:
        raise FetchFailed(f"metadata: {error}") from None
    if document.get("issuer") != issuer.issuer:
        raise FetchFailed("metadata: its issuer is not the configured one")
    jwks_uri = document.get("jwks_uri")
    problems = url_problems("jwks_uri", jwks_uri, unsafe_http=issuer.unsafe_http)
    # A document fetched over TLS must not lead away from it, not even to this machine.
    if isinstance(jwks_uri, str) and issuer.issuer.startswith("https:") and not issuer.unsafe_http:
        problems += [] if jwks_uri.startswith("https:") else ["jwks_uri: not https"]
    if problems or not isinstance(jwks_uri, str):
        raise FetchFailed(f"metadata: {problems[0]}")
    return Metadata(jwks_uri)


async def fetch_metadata(issuer: TrustedIssuer, fetch: Fetch) -> Metadata:
    """Fetches an issuer's metadata from the first place that has it. Raises FetchFailed."""
    failure = None
    for url in metadata_urls(issuer.issuer):
        status, headers, body = await fetch(url)
        if status == 200 and len(body) > issuer.key_policy.max_bytes:
            raise FetchFailed("metadata: more bytes than are read")
        if status == 200:
            return read_metadata(issuer, body)
        failure = FetchFailed(
            f"metadata: answered {status}",
            status=status,
            retry_after=headers.get("retry-after", ""),
        )
        if status == 429 or status >= 500:
            break  # the issuer is in trouble; asking it twice would not help
    raise failure or FetchFailed("metadata: not found")
