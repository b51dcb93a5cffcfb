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
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import NamedTuple
from urllib.parse import urlsplit

from cachetools import LRUCache

from atjwt.core import configuration
from atjwt.core.bearer import check_token68, find_credentials
from atjwt.core.challenge import Challenge, build_challenge
from atjwt.core.jwks import VerificationKey
from atjwt.core.policy import Policy, require
from atjwt.core.principal import Principal, to_principal
from atjwt.core.profile import PROFILES, Profile, admit
from atjwt.core.token import UnverifiedToken, parse_token
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import Case, verify
from atjwt.errors import (
    AuthError,
    ConfigurationError,
    InsufficientScope,
    InvalidRequest,
    MissingToken,
    Reason,
)
from atjwt.events import Observer, Reporter, TokenAccepted, fingerprint
from atjwt.fetch import Fetch
from atjwt.health import Health, IssuerHealth
from atjwt.jwks_client import Flight, JwksClient

Headers = Iterable[tuple[bytes, bytes]]
"""A request's header pairs as ASGI gives them: bytes, names in lower case."""


class _Remembered(NamedTuple):
    """A token that was verified before, and what must still be true of it."""

    principal: Principal
    key: VerificationKey
    client: JwksClient
    since: float
    until: float


class _Admitted(NamedTuple):
    """A token after step 3: well-formed, of a known issuer, to be judged under one profile."""

    token: UnverifiedToken
    issuer: TrustedIssuer
    profile: Profile
    client: JwksClient
    arrived: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ResourceServer:
    """Judges access tokens for one API (a resource server, RFC 6749 section 1.1).

    audience: the API's identifier. Several are several names of one API; two APIs are two resource
        servers.
    issuers: the authorization servers whose tokens are accepted.
    leeway: seconds by which clocks may differ, 0 to 300 (RFC 9068 section 4).
    token_cache_size: how many verified tokens are remembered; 0 for none.
    max_token_size: bytes of the longest token that is looked at.
    observers: callables that are handed events (`atjwt.events`).
    realm: what challenges call the protected space; default the first audience.
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
    clock: Callable[[], float] = time.time
    fetch: Fetch | None = None
    _audience: frozenset[str] = field(init=False, repr=False)
    _issuers: Mapping[str, TrustedIssuer] = field(init=False, repr=False)
    _clients: Mapping[str, JwksClient] = field(init=False, repr=False)
    _reporter: Reporter = field(init=False, repr=False)
    _remembered: LRUCache[bytes, _Remembered] = field(init=False, repr=False)
    _lock: threading.Lock = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._check_configuration()
        names = (self.audience,) if isinstance(self.audience, str) else tuple(self.audience)
        reporter = Reporter(self.observers)
        clients = {
            issuer.issuer: JwksClient(
                issuer, clock=self._now, reporter=reporter, fetch=self.fetch
            )
            for issuer in self.issuers
        }
        derived = {
            "audience": names,
            "issuers": tuple(self.issuers),
            "realm": self.realm or names[0],
            "_audience": frozenset(names),
            "_issuers": {issuer.issuer: issuer for issuer in self.issuers},
            "_clients": clients,
            "_reporter": reporter,
            "_remembered": LRUCache(self.token_cache_size),
            "_lock": threading.Lock(),
        }
        for name, value in derived.items():
            object.__setattr__(self, name, value)

    def _check_configuration(self) -> None:
        problems = configuration.audience_problems(self.audience)
        problems += configuration.number_problems("leeway", self.leeway, 0, 300)
        problems += configuration.number_problems("token_cache_size", self.token_cache_size, 0, 1e9)
        problems += configuration.number_problems("max_token_size", self.max_token_size, 64, 1e6)
        if isinstance(self.issuers, str | TrustedIssuer) or not self.issuers:
            problems.append("issuers: give a list of TrustedIssuer")
        elif not all(isinstance(issuer, TrustedIssuer) for issuer in self.issuers):
            problems.append("issuers: each must be a TrustedIssuer")
        elif len({issuer.issuer for issuer in self.issuers}) < len(self.issuers):
            problems.append("issuers: one is listed twice; give each once")
        if not all(callable(observer) for observer in self.observers):
            problems.append("observers: each must be callable")
        if problems:
            raise ConfigurationError(f"ResourceServer: {problem}" for problem in problems)

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ, **settings: object) -> "ResourceServer":
        """A resource server for one Auth0 tenant, configured by the environment.

        AUTH0_DOMAIN: the tenant's domain. AUTH0_AUDIENCE: the API's identifier; several with commas.
        ATJWT_PROFILES: `auth0`, `rfc9068` or both with a comma; default both.
        settings: the other arguments of `ResourceServer`.
        """
        problems = [
            f"{name}: set this environment variable"
            for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE")
            if not environ.get(name, "").strip()
        ]
        listed = _words(environ.get("ATJWT_PROFILES", ",".join(PROFILES)))
        if not listed or not PROFILES.keys() >= set(listed):
            problems.append("ATJWT_PROFILES: give auth0, rfc9068 or auth0,rfc9068")
        if problems:
            raise ConfigurationError(problems)
        issuer = TrustedIssuer.auth0(
            environ["AUTH0_DOMAIN"].strip(), profiles={PROFILES[name] for name in listed}
        )
        return cls(
            audience=_words(environ["AUTH0_AUDIENCE"]),
            issuers=[issuer],
            **settings,  # type: ignore[arg-type]  # the constructor checks them
        )

    async def verify(self, token: str | bytes) -> Principal:
        """Judges one access token (steps 1 to 8 of the route).

        Raises InvalidRequest, InvalidToken, KeysUnavailable.
        """
        credentials = _to_bytes(token)
        try:
            now = self._now()
            remembered = self._recall(credentials, now)
            if remembered is not None:
                return remembered
            admitted = self._admit(credentials, now)
            found = self._look(admitted, None)
            while isinstance(found, Flight):
                await found.landed()
                found = self._look(admitted, found)
            return self._judge(credentials, admitted, found)
        except AuthError as error:
            self._reporter.refused(error, credentials, self._now())
            raise

    def verify_sync(self, token: str | bytes) -> Principal:
        """As `verify`, where there is no event loop; blocks while keys are fetched."""
        credentials = _to_bytes(token)
        try:
            now = self._now()
            remembered = self._recall(credentials, now)
            if remembered is not None:
                return remembered
            admitted = self._admit(credentials, now)
            found = self._look(admitted, None)
            while isinstance(found, Flight):
                found.landed_within_patience()
                found = self._look(admitted, found)
            return self._judge(credentials, admitted, found)
        except AuthError as error:
            self._reporter.refused(error, credentials, self._now())
            raise

    async def authenticate(
        self, headers: Headers, *, method: str | None = None, url: str | None = None
    ) -> Principal | None:
        """Judges the access token of one request; None if nothing was sent.

        headers: all header pairs of the request.
        method, url: of the request; for the log, and for proofs of possession.
        Raises InvalidRequest, InvalidToken, KeysUnavailable.
        """
        credentials = None
        try:
            credentials = find_credentials(headers)
            if credentials is None:
                return None
            now = self._now()
            remembered = self._recall(credentials, now)
            if remembered is not None:
                return remembered
            admitted = self._admit(credentials, now)
            found = self._look(admitted, None)
            while isinstance(found, Flight):
                await found.landed()
                found = self._look(admitted, found)
            return self._judge(credentials, admitted, found)
        except AuthError as error:
            self._reporter.refused(error, credentials, self._now(), method=method, path=url)
            raise
