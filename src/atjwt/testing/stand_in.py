"""Puts an issuer in process in the place of one that an app trusts, and takes it out again.

A resource server holds three things that outlive a request: its issuers' keys, the tokens that it has
verified, and a clock. What it holds is worked out anew, whole, from what it had and from who stands
in for it now, so that several may come and go in any order, and the last to go leaves the very
objects that were there. The keys are fetched, kept and dropped by the `JwksClient` of production.
Requests on other threads see the values of before or of after.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Final

from cachetools import FIFOCache

from atjwt.core.key_record import KeyRecord
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import Reason
from atjwt.fetch import Fetch
from atjwt.jwks_client import JwksClient
from atjwt.resource_server import ResourceServer
from atjwt.testing.choice import Choice
from atjwt.testing.clock import SharedClock

_METADATA: Final = "/.well-known/openid-configuration"
_JWKS: Final = "/.well-known/jwks.json"


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """From where the documents come. fetch: answers for `issuer` and its `jwks_uri`, in process."""

    fetch: Fetch
    issuer: str
    jwks_uri: str


class StandIn:
    """One issuer in process, for one issuer of an app.

    choice: for which. source: the issuer in process. clock: what the two are to share.
    """

    def __init__(self, choice: Choice, source: Source, clock: SharedClock) -> None:
        self.choice = choice
        self.clock = clock
        self._source = source
        self._is_over = False
        self._clients: dict[ResourceServer, JwksClient] = {}

    def begin(self) -> None:
        """Stands in from now on; the clock of whoever stood in for the app before is shared.

        Raises RuntimeError: another one stands in for this issuer.
        """
        with _LOCK:
            for server in self.choice.trusted:
                others = _BORROWED[server].present if server in _BORROWED else ()
                if any(other.choice.issuer == self.choice.issuer for other in others):
                    raise RuntimeError(
                        f"stands_in_for: another LocalIssuer stands in for {self.choice.issuer}"
                    )
                self.clock = others[0].clock if others else self.clock
            for server in self.choice.trusted:
                _BORROWED.setdefault(server, _Borrowed(server)).present.append(self)
            self._renew()

    def end(self) -> None:
        """Leaves the app as it would be had this one never been there."""
        with _LOCK:
            self._is_over = True
            for server in self.choice.trusted:
                _BORROWED[server].present.remove(self)
                _BORROWED[server].settle()
            for client in self._clients.values():
                client.record = KeyRecord()  # what a request under way remembers holds no longer

    def make_possible(self, reason: Reason, token: str) -> None:
        """Sees to it that the app can refuse this token for this reason.

        Raises ValueError: it cannot, as it is configured.
        """
        problem = self.choice.obstacle(reason, token)
        if problem is not None:
            raise ValueError(f"broken: {problem}, so no token is refused for {reason} there")
        if reason is Reason.AMBIGUOUS_KEY:
            with _LOCK:
                self._renew()  # the two keys of one name have just been published

    def client(self, server: ResourceServer) -> JwksClient:
        """The keys of this issuer, for that resource server."""
        return self._clients[server]

    def _renew(self) -> None:
        for server, trusted in self.choice.trusted.items():
            fetched = trusted
            if trusted.static_keys is not None:
                # Its keys were given, so its name need not be an address that keys are fetched from.
                fetched = replace(trusted, static_keys=None, unsafe_http=True)
            self._clients[server] = JwksClient(
                fetched,
                clock=self.clock,
                reporter=server._reporter,
                fetch=self._fetch_for(fetched),
            )
            _BORROWED[server].settle()

    def _fetch_for(self, trusted: TrustedIssuer) -> Fetch:
        source = self._source
        jwks_uri = trusted.jwks_uri or f"{trusted.issuer.rstrip('/')}{_JWKS}"

        async def fetch(url: str) -> tuple[int, Mapping[str, str], bytes]:
            if self._is_over:
                raise ConnectionError("the local issuer stands in no longer")
            if url == jwks_uri:
                return await source.fetch(source.jwks_uri)
            status, headers, body = await source.fetch(f"{source.issuer.rstrip('/')}{_METADATA}")
            names = {"issuer": trusted.issuer, "jwks_uri": jwks_uri}
            return status, headers, _renamed(body, source.issuer, names)

        return fetch


def _renamed(body: bytes, issuer: str, names: Mapping[str, str]) -> bytes:
    """An issuer's metadata under another one's names; everything else as it is, lies included."""
    try:
        document: object = json.loads(body)
    except ValueError:
        return body
    if not isinstance(document, dict) or document.get("issuer") != issuer:
        return body
    return json.dumps({**document, **names}).encode("ascii")


@dataclass(eq=False)
class _Borrowed:
    """What a resource server had, and who stands in for it now, the first to come first."""

    server: ResourceServer
    present: list[StandIn] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._clients = self.server._clients
        self._remembered = self.server._remembered
        self._clock = self.server.clock

    def settle(self) -> None:
        """Gives the resource server what it is to have now."""
        server, present = self.server, self.present
        if not present:
            _give(server, _clients=self._clients, clock=self._clock, _remembered=self._remembered)
            del _BORROWED[server]
            return
        clients = {each.choice.issuer: each.client(server) for each in present}
        _give(
            server,
            _clients={**self._clients, **clients},
            clock=present[0].clock,
            _remembered=FIFOCache[object, object](server.token_cache_size),
        )


def _give(server: ResourceServer, **values: object) -> None:
    # The keys before the memory: what is verified in between goes into the memory that was.
    for name, value in values.items():
        object.__setattr__(server, name, value)


_LOCK: Final = Lock()
_BORROWED: Final[dict[ResourceServer, _Borrowed]] = {}
"""The resource servers that somebody stands in for."""
