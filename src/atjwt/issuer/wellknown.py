"""Metadata and JWKS, as the network would bring them: status, headers and the pieces of a body.

Both ways to the issuer, the running server and the in-process `LocalIssuer.fetch`, get their answer
from here, faults included, so that a test in process sees what a test over sockets would see.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from threading import Lock
from typing import Final, TypeAlias
from urllib.parse import urlsplit

from atjwt.issuer.faults import Endpoint, Fault, Switchboard
from atjwt.issuer.rings import KeyRings
from atjwt.issuer.tokens import json_bytes

ELSEWHERE: Final = "/elsewhere"
"""Where the fault `redirect` sends a client: below it, every path answers rightly."""

GRANT_TYPES: Final = ("authorization_code", "client_credentials")
"""What the token endpoint serves (RFC 6749 sections 4.1 and 4.4)."""

_HTML: Final = b"<!DOCTYPE html><html><body><h1>Service is being updated</h1></body></html>\n"
_HUGE: Final = 2 * 1024 * 1024
_PIECES: Final = 16
_POLL: Final = 0.02  # seconds between two looks at a fault that hangs

Gone: TypeAlias = Callable[[], Awaitable[bool]]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response. headers: names in lower case."""

    status: int
    headers: dict[str, str]
    pieces: AsyncIterator[bytes]


class WellKnown:
    """The documents that a verifier reads, at their paths."""

    def __init__(
        self,
        *,
        issuer: str,
        keys: KeyRings,
        faults: Switchboard,
        max_age: int,
        scopes: Callable[[], Iterable[str]],
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        """Works the addresses out once.

        issuer: the issuer identifier. max_age: seconds, for the JWKS' `Cache-Control`.
        scopes: says which the APIs have. sleep: how a fault waits, in seconds.
        """
        parts = urlsplit(issuer)
        self._issuer = issuer
        self._origin = f"{parts.scheme}://{parts.netloc}"
        self._keys = keys
        self._faults = faults
        self._max_age = max_age
        self._scopes = scopes
        self._sleep = sleep
        self._lock = Lock()
        self.requests: Counter[str] = Counter()
        path = parts.path.rstrip("/")
        jwks_path = f"{path}/.well-known/jwks.json"
        self.token_path = f"{path}/oauth/token"
        self.authorization_path = f"{path}/authorize"
        self.login_path = f"{path}/authorize/login"
        self.management_path = f"{path}/api/v2"
        self.jwks_uri = self._origin + jwks_path
        self.token_endpoint = self._origin + self.token_path
        self.authorization_endpoint = self._origin + self.authorization_path
        # OpenID Connect Discovery 1.0 section 4 appends; RFC 8414 section 3.1 inserts before the
        # path. Where the issuer has no path, as at Auth0, the two are the same place.
        self.paths: dict[str, Endpoint] = {
            f"{path}/.well-known/openid-configuration": "metadata",
            f"/.well-known/oauth-authorization-server{path}": "metadata",
            jwks_path: "jwks",
        }

    def metadata(self) -> dict[str, object]:
        """The issuer's metadata (OpenID Connect Discovery 1.0 section 3, RFC 8414 section 2).

        It promises what is served and nothing else: there is no userinfo endpoint, for instance.
        """
        return {
            "issuer": self._issuer,
            "authorization_endpoint": self.authorization_endpoint,
            "token_endpoint": self.token_endpoint,
            "jwks_uri": self.jwks_uri,
            "scopes_supported": ["openid", "profile", *self._scopes()],
            "response_types_supported": ["code"],
            "response_modes_supported": ["query"],
            "grant_types_supported": list(GRANT_TYPES),
            "code_challenge_methods_supported": ["S256"],
            "authorization_response_iss_parameter_supported": True,  # RFC 9207 section 3
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": [self._keys.algorithm],
            "token_endpoint_auth_methods_supported": [
                *("client_secret_basic", "client_secret_post"),  # the machine client
                "none",  # the app
            ],
        }

    def count(self, path: str) -> None:
        """Notes that a path was asked for. Several threads may ask at once."""
        with self._lock:
            self.requests[path] += 1

    async def answer(self, path: str, *, gone: Gone | None = None) -> Answer | None:
        """The answer to a GET for this path, or None: there is no such document.

        gone: tells whether the client has given up, where that can be known.
        """
        astray = path.startswith(f"{ELSEWHERE}/")
        endpoint = self.paths.get(path.removeprefix(ELSEWHERE))
        if endpoint is None:
            return None
        self.count(path)
        if not astray:
            await self.stall(endpoint, gone=gone)
        fault = Fault() if astray else self._faults[endpoint]
        status, headers, body = self._respond(path, endpoint, fault)
        headers["content-length"] = str(len(body))
        return Answer(status, headers, self._pieces(body, fault.drip))

    async def stall(self, endpoint: Endpoint, *, gone: Gone | None = None) -> None:
        """Waits as the endpoint's fault says: for its seconds, then for as long as it hangs."""
        if self._faults[endpoint].slow:
            await self._sleep(self._faults[endpoint].slow)
        # The switch may be thrown from another thread or another event loop, where no asyncio
        # primitive reaches; looking again is what works everywhere.
        while self._faults[endpoint].hang and not (gone and await gone()):  # noqa: ASYNC110
            await asyncio.sleep(_POLL)

    def _respond(
        self, path: str, endpoint: Endpoint, fault: Fault
    ) -> tuple[int, dict[str, str], bytes]:
        if fault.down:
            return unavailable(fault)
        if fault.redirect:
            return 302, {"location": f"{self._origin}{ELSEWHERE}{path}"}, b""
        if fault.garbage:
            return 200, {"content-type": "text/html; charset=utf-8"}, _HTML
        headers = {
            "content-type": "application/json; charset=utf-8",
            "cache-control": f"public, max-age={self._max_age}",
        }
        return 200, headers, json_bytes(self._document(endpoint, fault))

    def _document(self, endpoint: Endpoint, fault: Fault) -> dict[str, object]:
        if endpoint == "jwks":
            document: dict[str, object] = {**self._keys.jwks()}
            if fault.empty:
                document = {"keys": []}
        else:
            document = {} if fault.empty else self.metadata()
            if fault.lying:
                document["issuer"] = "https://another-issuer.test/"
        if fault.huge:
            document["padding"] = "x" * _HUGE
        return document

    async def _pieces(self, body: bytes, pause: float) -> AsyncIterator[bytes]:
        size = max(1, -(-len(body) // _PIECES))
        for start in range(0, len(body), size):
            if start and pause:
                await self._sleep(pause)
            yield body[start : start + size]


def unavailable(fault: Fault) -> tuple[int, dict[str, str], bytes]:
    """What an endpoint that is down answers."""
    headers = {"content-type": "application/json"}
    if fault.retry_after is not None:
        headers["retry-after"] = str(fault.retry_after)
    return fault.status, headers, json.dumps({"error": "temporarily_unavailable"}).encode()
