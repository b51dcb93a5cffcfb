"""The conductor: takes a request's headers along the route, station by station, to a `Principal`.

    bearer → token → profile → (keys) → verify → principal

It holds what outlives a request: the issuers' keys and the tokens that were verified before. A
remembered token is believed again only while it is not expired and its key is still in the issuer's
set; anything else takes the full path, so that the verdict is the same. Refusals are not
remembered. The clock is read once per request, and again after a wait.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Set
from dataclasses import dataclass, field, fields
from hashlib import sha256
from typing import NamedTuple, Unpack

import anyio
from cachetools import FIFOCache

from atjwt.core.bearer import (
    check_size,
    check_token68,
    find_credentials,
    sent_credentials,
    why_missing,
)
from atjwt.core.challenge import Challenge, build_challenge
from atjwt.core.jwk import VerificationKey
from atjwt.core.policy import Policy, require
from atjwt.core.principal import Principal, to_principal
from atjwt.core.profile import Profile, admit
from atjwt.core.protected_resource import ProtectedResource
from atjwt.core.token import UnverifiedToken, parse_token
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import Case, verify
from atjwt.errors import AuthError, ConfigurationError, MissingToken
from atjwt.events import Observer, Tick, TokenAccepted
from atjwt.fetch import Fetch
from atjwt.flight import Flight
from atjwt.health import Health
from atjwt.jwks_client import JwksClient
from atjwt.reporter import Reporter
from atjwt.settings import Settings, protected_resource, read_environment, server_problems

Headers = Iterable[tuple[bytes, bytes]]
"""A request's header pairs as ASGI gives them: bytes, names in lower case."""


class _Remembered(NamedTuple):
    """A token that was verified before, what must still be true of it, and what counts it then."""

    principal: Principal
    key: VerificationKey
    client: JwksClient
    since: float
    until: float
    tick: Tick | None


_Admitted = tuple[UnverifiedToken, TrustedIssuer, Profile, JwksClient, int]
"""A token after step 3, well-formed, of a known issuer and to be judged under one profile; with the
issuer's keys, and how many of their flights had been started when the token came."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceServer:
    """Judges access tokens for one API (a resource server, RFC 6749 section 1.1).

    audience: the API's identifier. Several are several names of one API; two APIs are two resource
        servers.
    issuers: the authorization servers whose tokens are accepted.
    leeway: seconds by which clocks may differ, 0 to 300 (RFC 9068 section 4).
    token_cache_size: how many verified tokens are remembered; 0 for none.
    max_token_size: bytes of the longest token that is looked at.
    observers: callables that are handed events, and ledgers (`atjwt.events`).
    realm: what challenges call the protected space; default the first audience.
    resource: the URL under which clients reach the API, or a `ProtectedResource` that says more;
        then its metadata is published and challenges name it (RFC 9728).
    clock: the wall clock, seconds since 1970.
    fetch: how issuers' documents are had (`atjwt.fetch`); default over HTTP.

    May be shared by threads and event loops. Raises ConfigurationError: every problem, with its fix.
    """

    audience: str | Collection[str]
    issuers: Collection[TrustedIssuer]
    leeway: float = 10
    token_cache_size: int = 10_000
    max_token_size: int = 16_384
    observers: Collection[Observer] = ()
    realm: str | None = None
    resource: ProtectedResource | str | None = None
    clock: Callable[[], float] = time.time
    fetch: Fetch | None = None
    protected_resource: ProtectedResource | None = field(init=False, repr=False)
    _audience: frozenset[str] = field(init=False, repr=False)
    _issuers: Mapping[str, TrustedIssuer] = field(init=False, repr=False)
    _clients: Mapping[str, JwksClient] = field(init=False, repr=False)
    _reporter: Reporter = field(init=False, repr=False)
    _remembered: FIFOCache[bytes, _Remembered] = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        problems = server_problems(
            {each.name: getattr(self, each.name) for each in fields(self) if each.init}
        )
        if problems:
            raise ConfigurationError(f"ResourceServer: {problem}" for problem in problems)
        names = (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)
        if isinstance(self.audience, Set):
            names = tuple(sorted(names))  # so that the realm is the same in every process
        reporter = Reporter(self.observers)
        clients = {
            issuer.issuer: JwksClient(issuer, clock=self.clock, reporter=reporter, fetch=self.fetch)
            for issuer in self.issuers
        }
        derived: dict[str, object] = {
            "audience": names,
            "issuers": tuple(self.issuers),
            "realm": self.realm or names[0],
            "protected_resource": protected_resource(self.resource),
            "_audience": frozenset(names),
            "_issuers": {issuer.issuer: issuer for issuer in self.issuers},
            "_clients": clients,
            "_reporter": reporter,
            "_remembered": FIFOCache(self.token_cache_size),
            "_lock": threading.Lock(),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)
        reporter.join(self)

    @classmethod
    def from_env(
        cls, environ: Mapping[str, str] | None = None, **settings: Unpack[Settings]
    ) -> "ResourceServer":
        """A resource server for one Auth0 tenant, configured by the environment: the process's own.

        AUTH0_DOMAIN: the tenant's domain. AUTH0_AUDIENCE: the API's identifier, or several.
        ATJWT_PROFILES: `auth0`, `rfc9068` or both with a comma; default both.
        settings: the other arguments of `ResourceServer`.
        """
        audience, issuer = read_environment(os.environ if environ is None else environ)
        return cls(audience=audience, issuers=[issuer], **settings)

    async def verify(self, token: str | bytes) -> Principal:
        """Judges one access token: steps 1 to 8 of the route. Raises as `authenticate` does."""
        credentials = _to_bytes(token)
        try:
            check_size(credentials, self.max_token_size)
            digest = sha256(credentials).digest()
            return self._recall(digest) or await self._verify(credentials, digest)
        except AuthError as error:
            self._reporter.refused(error, credentials, self.clock())
            raise

    def verify_sync(self, token: str | bytes) -> Principal:
        """As `verify`, where there is no event loop; blocks while keys are fetched."""
        credentials = _to_bytes(token)
        try:
            check_size(credentials, self.max_token_size)
            digest = sha256(credentials).digest()
            return self._recall(digest) or self._verify_sync(credentials, digest)
        except AuthError as error:
            self._reporter.refused(error, credentials, self.clock())
            raise

    async def authenticate(
        self, headers: Headers, *, method: str | None = None, url: str | None = None
    ) -> Principal | None:
        """Judges the access token of one request; None if nothing was sent.

        headers: all header pairs of the request.
        method, url: of the request (URL or path); for the log, and for proofs of possession.
        Raises InvalidRequest, InvalidToken, KeysUnavailable.
        """
        credentials = None
        try:
            credentials = find_credentials(headers)
            if credentials is None:
                return None
            check_size(credentials, self.max_token_size)
            digest = sha256(credentials).digest()
            return self._recall(digest) or await self._verify(credentials, digest)
        except AuthError as error:
            self._reporter.refused(error, credentials, self.clock(), method=method, path=url)
            raise

    def report(
        self,
        error: AuthError,
        headers: Headers = (),
        *,
        method: str | None = None,
        url: str | None = None,
    ) -> None:
        """Tells log and observers of a refusal, unless they were told already.

        headers, method, url: of the request, for the log.
        """
        if error.reported:
            return
        credentials = sent_credentials(headers)
        self._reporter.refused(error, credentials, self.clock(), method=method, path=url)

    def authorize(
        self,
        principal: Principal | None,
        policy: Policy | None,
        *,
        headers: Headers = (),
        method: str | None = None,
        url: str | None = None,
    ) -> Principal:
        """Returns the principal, if the policy allows it (step 9 of the route).

        principal: as `authenticate` returned it. policy: None lets in any authenticated caller.
        headers, method, url: of the request, for the log.
        Raises MissingToken: there is none. InsufficientScope: with what was missing.
        InsufficientUserAuthentication: with the authentication that would do.
        """
        try:
            if principal is None:
                raise MissingToken(detail=why_missing(headers))
            return require(policy, principal, self.clock(), self.leeway)
        except AuthError as error:
            self._reporter.denied(
                error, principal, "authenticated" if policy is None else repr(policy),
                sent_credentials(headers), self.clock(), method=method, path=url,
            )  # fmt: skip
            raise

    def challenge(self, error: AuthError) -> Challenge:
        """What a request that is not let in is answered (RFC 6750 section 3)."""
        url = None if self.protected_resource is None else self.protected_resource.metadata_url
        return build_challenge(error, realm=self.realm or "", resource_metadata=url)

    def health(self) -> Health:
        """Whether tokens can be judged now.

        Waits for nothing. Where keys are missing it starts a fetch behind, as a request would: a
        server that is kept out of traffic for not being ready must be able to become ready.
        """
        now = self.clock()
        issuers = tuple(client.health(now) for client in self._clients.values())
        return Health(all(issuer.ready for issuer in issuers), issuers)

    async def warm_up(self, timeout: float = 5) -> Health:  # noqa: ASYNC109 - its own name for it
        """Fetches the keys that are not in hand, for at most `timeout` seconds. Never raises."""
        flights = [
            flight for client in self._clients.values() if (flight := client.refresh_if_due())
        ]
        with anyio.move_on_after(timeout):
            for flight in flights:
                await flight.landed()
        return self.health()

    def start(self) -> None:
        """Says that requests are to come, to who keeps a ledger; the middleware does it by itself."""
        self._reporter.start()

    async def stop(self) -> None:
        """Says that no more requests come. A ledger is written then, which takes 2 seconds at most."""
        await self._reporter.stop()

    def _recall(self, digest: bytes) -> Principal | None:
        """The principal of a token that was verified before, if all of that still holds."""
        found = self._remembered.get(digest)  # changes nothing, so needs no lock
        if found is None:
            return None
        principal, key, client, since, until, tick = found
        now = self.clock()
        if not since <= now < until or not client.holds(key, now):
            return None
        if tick is not None:
            self._reporter.count(tick)
        if self._reporter.observers:
            self._reporter.emit_accepted(
                TokenAccepted(
                    at=now, principal=principal, fingerprint=digest.hex()[:16], remembered=True
                )
            )
        return principal

    async def _verify(self, credentials: bytes, digest: bytes) -> Principal:
        admitted = self._admit(credentials)
        found = self._look(admitted, None)
        while isinstance(found, Flight):
            await found.landed()
            found = self._look(admitted, found)
        return self._judge(admitted, found, digest)

    def _verify_sync(self, credentials: bytes, digest: bytes) -> Principal:
        admitted = self._admit(credentials)
        found = self._look(admitted, None)
        while isinstance(found, Flight):
            found.landed_within_patience()
            found = self._look(admitted, found)
        return self._judge(admitted, found, digest)

    def _admit(self, credentials: bytes) -> _Admitted:
        """Steps 0 to 3: what can be refused without a key."""
        try:
            token = parse_token(credentials)
        except AuthError:
            check_token68(credentials)  # what is none is answered as such
            raise
        issuer, profile = admit(token, self._issuers)
        client = self._clients[issuer.issuer]
        return token, issuer, profile, client, client.launched

    def _look(self, admitted: _Admitted, after: Flight | None) -> VerificationKey | Flight:
        """Step 4: the one key, or the fetch to wait for."""
        token, _, _, client, arrived = admitted
        try:
            return client.look(token.kid, token.alg, arrived, after)
        except AuthError as error:
            raise _located(error, admitted) from None

    def _judge(self, admitted: _Admitted, key: VerificationKey, digest: bytes) -> Principal:
        """Steps 5 to 8, and remembers what held."""
        now = self.clock()
        token, issuer, profile, client, _ = admitted
        try:
            verified = verify(Case(token, issuer, profile, key, self._audience, now, self.leeway))
        except AuthError as error:
            raise _located(error, admitted) from None
        principal, tick = to_principal(verified), None
        if verified.notes or self._reporter.is_heard:
            tick = self._reporter.accepted(principal, digest.hex()[:16], now, verified.notes)
        if self.token_cache_size:
            until = (principal.expires_at or 0) + self.leeway
            with self._lock:
                self._remembered[digest] = _Remembered(principal, key, client, now, until, tick)
        return principal


def _located(error: AuthError, admitted: _Admitted) -> AuthError:
    _, issuer, profile, _, _ = admitted
    error.issuer, error.profile = issuer.issuer, profile.name
    return error


def _to_bytes(token: object) -> bytes:
    if not isinstance(token, str | bytes):
        raise TypeError("verify: give the token, a str or bytes")
    # What is not ASCII is no token68; the check to come says so.
    return token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
