"""`LocalIssuer` for tests: the local authorization server, standing in for one that an app trusts.

It keeps no rules of its own: tokens and documents are those of `atjwt.issuer`, under the app's issuer
and for the app's audience while it stands in.
"""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self, Unpack

from atjwt.errors import Reason
from atjwt.issuer import Algorithm, Dialect, Setup, TokenOptions, User
from atjwt.issuer import LocalIssuer as IssuerInProcess
from atjwt.issuer.tokens import dialect_named
from atjwt.testing.choice import choose
from atjwt.testing.clock import SharedClock
from atjwt.testing.search import Target, find_resource_servers
from atjwt.testing.stand_in import Source, StandIn


class LocalIssuer(IssuerInProcess):
    """An issuer of access tokens for an app's own tests, in the same process.

    `token`, `headers`, `claims` and `broken` make tokens; `rotate_keys`, `down`, `advance` and
    `faults` let things happen to the app. Threads may use it; two tests at once should not.
    """

    def __init__(
        self,
        *,
        issuer: str = "https://issuer.test/",
        audience: str | None = None,
        algorithm: Algorithm | None = None,
        dialect: Dialect | None = None,
        users: Iterable[User] | None = None,
        setup: Setup | None = None,
        state: str | os.PathLike[str] | None = None,
        clock: Callable[[], float] = time.time,
        max_age: int = 600,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Makes the keys, which for RSA takes a moment: make one and keep it.

        issuer, audience: while it stands in for an app's issuer, those of the app. By default
            `https://issuer.test/` and `https://api.example.com/`.
        algorithm: by which tokens are signed, by default RS256; the app must accept it.
        dialect: the API's setting, which `/oauth/token` and `/_local/token` follow; by default
            `access_token`.
        users: who can log in at `/authorize` of its `app`, and what each may do.
        setup: several APIs, users, clients and grants to begin with.
        state: a file in which APIs, keys and secrets outlive this issuer; `close` lets go of it.
        clock: seconds since 1970. `advance` moves what everybody sees of it.
        max_age: seconds, in the JWKS' and the metadata's `Cache-Control`.
        sleep: how the faults `slow` and `drip` wait, in seconds.
        Raises ValueError.
        """
        self._clock = SharedClock(clock)
        self._stand_in: StandIn | None = None
        super().__init__(
            issuer=issuer, audience=audience, algorithm=algorithm, dialect=dialect, users=users,
            setup=setup, state=state, clock=self.clock, max_age=max_age, sleep=sleep,
        )  # fmt: skip

    def clock(self) -> float:
        """Seconds since 1970, with what was advanced; for a ResourceServer of the test's own."""
        return self._clock()

    @contextmanager
    def stands_in_for(self, app: Target, *, issuer: str | None = None) -> Iterator[Self]:
        """While the `with` lasts, the app has its keys from here, and the time.

            with issuer.stands_in_for(app):
                TestClient(app).get("/orders", headers=issuer.headers(scopes=["read:orders"]))

        The app's resource servers keep their issuer, audience, profiles, algorithms and key policy.
        They fetch in process, forget nobody else's keys, and get their own keys, remembered tokens
        and clock back at the end. Tokens are written under the app's issuer and for its audience:
        this one's own where the app has it, otherwise the first; `token(audience=…)` chooses. Where
        the app does not accept the RFC 9068 profile, they are in Auth0's unless `dialect` says more.

        app: a Starlette or FastAPI app, any app with an `AccessTokenMiddleware` in it, or a
            ResourceServer, an AccessTokenScheme. All resource servers that trust the issuer are
            stood in for. The middleware of an app that has answered no request yet is built.
        issuer: which of the app's, if it trusts several; by default the one with this one's own name.
        Raises ValueError: no such resource server or issuer, or it would refuse every token; says
            what to write. RuntimeError: this one stands in already, or another one does there.
        """
        if self._stand_in is not None:
            raise RuntimeError(
                "stands_in_for: this LocalIssuer stands in already; make another, or end the first"
            )
        choice = choose(
            find_resource_servers(app),
            issuer=issuer,
            own_issuer=self.issuer,
            own_audience=self.audience,
            algorithm=self.algorithm,
        )
        source = Source(fetch=self.fetch, issuer=self.issuer, jwks_uri=self.jwks_uri)
        stand_in, own_clock = StandIn(choice, source, self._clock), self._clock
        stand_in.begin()
        self._stand_in, self._clock = stand_in, stand_in.clock
        try:
            yield self
        finally:
            self._stand_in, self._clock = None, own_clock
            stand_in.end()

    def token(self, **options: Unpack[TokenOptions]) -> str:
        """A good access token; while it stands in for an app's issuer, good at the app.

        options: as of `atjwt.issuer.LocalIssuer.token`: `dialect`, `kind`, `subject`, `client_id`,
            `scopes`, `permissions`, `audience`, `lifetime`, `claims`, `header`. With `permissions`
            and no `dialect` it is one that carries them.
        Raises ValueError.
        """
        return super().token(**self._completed(options))

    def claims(self, **options: Unpack[TokenOptions]) -> dict[str, object]:
        """The claim set that `token` would sign. options: as in `token`."""
        return super().claims(**self._completed(options))

    def broken(self, reason: Reason, **options: Unpack[TokenOptions]) -> str:
        """A token that is refused for exactly this reason; everything else about it is good.

        options: as in `token`. Raises ValueError: no token can cause the reason; while it stands in,
        no token at this app. The reasons of policies take what `atjwt.issuer.LocalIssuer.broken` says.
        """
        token = super().broken(reason, **self._completed(options))
        if self._stand_in is not None:
            self._stand_in.make_possible(reason, token)
        return token

    def down(self) -> "Outage":
        """Answers 503 for metadata and keys from now on, or for the time of a `with`.

            with issuer.down(): …                  or      issuer.down(); …; issuer.up()

        An app with keys in hand goes on with them; see `KeyPolicy`.
        """
        self.faults.set(down=True)
        return Outage(self)

    def up(self) -> None:
        """Ends what `down` began. The app asks again when its cooldown is over: `advance(30)`."""
        self.faults.clear("metadata", "jwks")

    def advance(self, seconds: float) -> None:
        """Moves the shared clock forward, here and in the app stood in for.

        Tokens issued later carry the later times. Raises ValueError: back.
        """
        self._clock.advance(seconds)

    def reset(self) -> None:
        """As it was made, but for the keys: no faults, nothing advanced, no requests counted, and the
        APIs as they were set.
        """
        self.faults.clear()
        self._clock.reset()
        self.requests.clear()
        self._authority.apis.restore()

    def _completed(self, options: TokenOptions) -> TokenOptions:
        """The options, with the issuer, audience and dialect of the app stood in for."""
        completed: TokenOptions = {**options}
        choice = None if self._stand_in is None else self._stand_in.choice
        if "dialect" not in options and choice is not None and choice.dialect is not None:
            completed["dialect"] = choice.dialect
        if "dialect" not in options and options.get("permissions") is not None:
            # Whoever says what is permitted means a token that carries it.
            dialect = completed.get("dialect", "rfc9068_profile")
            completed["dialect"] = dialect_named(f"{dialect.removesuffix('_authz')}_authz")
        if choice is None:
            return completed
        completed["scopes"] = _reread(options.get("scopes"))
        completed["permissions"] = _reread(options.get("permissions"))
        completed["audience"] = options.get("audience") or choice.audience
        completed["claims"] = None
        drawn = super().claims(**completed)["aud"]
        if isinstance(drawn, list) and isinstance(completed["audience"], str):
            # A user's login: the token is good for /userinfo too, that of the app's issuer.
            completed["audience"] = [*drawn[:-1], f"{choice.issuer.rstrip('/')}/userinfo"]
        completed["claims"] = {"iss": choice.issuer, **(options.get("claims") or {})}
        return completed


def _reread(names: Iterable[str] | None) -> Iterable[str] | None:
    """Names that can be read twice; a string stays one, so that it is refused as such."""
    return names if names is None or isinstance(names, str) else list(names)


class Outage:
    """An issuer that is down. As the context of a `with`, it ends the outage at the end."""

    def __init__(self, issuer: LocalIssuer) -> None:
        self._issuer = issuer

    def __enter__(self) -> None:
        """The issuer is down already."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._issuer.up()
