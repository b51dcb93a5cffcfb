"""`LocalIssuer`: an authorization server that a test, or a developer, has for themselves.

It hands on to the parts and does nothing of its own. In process it issues tokens and answers fetches of
its metadata and keys without a network; its `app` serves the same over sockets (`python -m atjwt
issuer`).
"""

import asyncio
import os
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Unpack
from urllib.parse import urlsplit

from starlette.applications import Starlette

from atjwt.errors import ConfigurationError, Reason
from atjwt.issuer.assembly import Plan, build_authority
from atjwt.issuer.broken import broken_token, reason_named
from atjwt.issuer.clients import MANAGER
from atjwt.issuer.faults import Switchboard
from atjwt.issuer.keys import Algorithm
from atjwt.issuer.setup import Setup
from atjwt.issuer.state_file import StateFile
from atjwt.issuer.store import Memory, NotKept
from atjwt.issuer.tokens import Dialect, Kind, TokenOptions, dialect_named
from atjwt.issuer.users import User


class LocalIssuer:
    """An issuer of access tokens in Auth0's four token dialects, for development and tests only.

    issuer.token(...) makes a good token, issuer.broken(reason, ...) one that is refused for exactly
    that reason; `ResourceServer(fetch=issuer.fetch)` has the keys from it without a network.
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
        """Makes the keys and the machines' secrets.

        issuer: the issuer identifier, an http or https URL; Auth0's end in a slash.
        audience: the identifier of the main API, by default `https://api.example.com/`.
        algorithm: by which tokens are signed, by default RS256.
        dialect: the main API's setting, which `/oauth/token` and `/_local/token` follow; by default
            `access_token`.
        users: who can log in at `/authorize`, and what each may do.
        setup: APIs, users, clients, grants and organizations to begin with. The first API is the
            main one, unless `audience` names another; what is given beside it wins over it.
        state: a file in which APIs, client grants, keys and secrets outlive this issuer; it is made
            where there is none, for its owner alone. What it remembers wins over `setup`. `close`
            lets go of it.
        clock: seconds since 1970; give the verifier the same one.
        max_age: seconds, in the JWKS' and the metadata's `Cache-Control`.
        sleep: how the faults `slow` and `drip` wait, in seconds.
        Raises ValueError; ConfigurationError, which is one: the state file cannot be used.
        """
        plan = Plan(
            issuer=issuer,
            audience=audience,
            algorithm=algorithm,
            dialect=dialect,
            users=users,
            setup=setup or Setup(),
            clock=clock,
            max_age=max_age,
            sleep=sleep,
        )
        store = Memory() if state is None else StateFile(state)
        try:
            self._authority = build_authority(plan, store)
        except NotKept as error:
            store.close()
            raise ConfigurationError([str(error)]) from None
        except BaseException:
            store.close()
            raise

    def __repr__(self) -> str:
        return f"LocalIssuer(issuer={self.issuer!r}, audience={self.audience!r})"

    @property
    def issuer(self) -> str:
        """The issuer identifier, as in `iss`."""
        return self._authority.mint.issuer

    @property
    def audience(self) -> str:
        """The identifier of the main API, as in `aud`."""
        return self._authority.mint.audience

    @property
    def algorithm(self) -> str:
        """The `alg` that tokens are signed by."""
        return self._authority.keys.algorithm

    @property
    def jwks_uri(self) -> str:
        """Where the keys are."""
        return self._authority.wellknown.jwks_uri

    @property
    def authorization_endpoint(self) -> str:
        """Where users log in."""
        return self._authority.wellknown.authorization_endpoint

    @property
    def token_endpoint(self) -> str:
        """Where clients get their tokens."""
        return self._authority.wellknown.token_endpoint

    @property
    def client_id(self) -> str:
        """The first machine client, which is built in unless a setup has another."""
        return self._authority.machines[0].client_id

    @property
    def client_secret(self) -> str:
        """Its secret, made when this issuer was."""
        return self._authority.secrets[self.client_id]

    @property
    def spa_client_id(self) -> str:
        """The first app that users log in to, built in unless a setup has one. It has no secret."""
        return self._authority.apps[0].client_id

    @property
    def management_audience(self) -> str:
        """The identifier of the Management API, which is also where it is."""
        return self._authority.apis.system.identifier

    @property
    def management_client_id(self) -> str:
        """The built-in client that may do everything at the Management API."""
        return MANAGER.client_id

    @property
    def management_client_secret(self) -> str:
        """Its secret."""
        return self._authority.secrets[MANAGER.client_id]

    @property
    def users(self) -> tuple[User, ...]:
        """Who can log in, and what each may do."""
        return self._authority.users

    def assigned(self, user: User) -> list[str]:
        """What a user may do at the main API, as it is at the moment."""
        main = self._authority.main
        return [] if main is None else self._authority.assigned(user, main)

    @property
    def dialect(self) -> Dialect:
        """The main API's setting. `token` does not follow it: a test says which dialect it means."""
        return self._authority.dialect

    @dialect.setter
    def dialect(self, dialect: Dialect) -> None:
        self._authority.set_dialect(dialect_named(dialect))

    @property
    def apis(self) -> list[dict[str, object]]:
        """All APIs and their settings, as the Management API shows them; the issuer's own first."""
        return [api.as_json() for api in self._authority.apis.all()]

    @property
    def faults(self) -> Switchboard:
        """What goes wrong on purpose."""
        return self._authority.faults

    @property
    def requests(self) -> Counter[str]:
        """How often each path was asked for, the control surface aside."""
        return self._authority.wellknown.requests

    @cached_property
    def app(self) -> Starlette:
        """The issuer as an ASGI app, for loopback hosts only."""
        from atjwt.issuer.app import build_app

        return build_app(self._authority)

    def close(self) -> None:
        """Lets go of the state file, if there is one; nothing can be changed afterwards."""
        self._authority.store.close()

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The published key set (RFC 7517 section 5), whatever faults are on."""
        return self._authority.keys.jwks()

    def metadata(self) -> dict[str, object]:
        """The issuer's metadata (OpenID Connect Discovery 1.0), whatever faults are on."""
        return self._authority.wellknown.metadata()

    def rotate_keys(self) -> str:
        """Signs with the next key from now on; the one before stays published. Returns the kid.

        An app finds a key that it does not know by asking, once per `KeyPolicy.cooldown`; the next
        key is published ahead, so that one rotation asks nothing of it.
        """
        return self._authority.keys.rotate()

    def withdraw(self, kid: str | None = None) -> str:
        """Unpublishes the key that was current last, or the named one. Returns the kid.

        Raises ValueError: no such key is published.
        """
        return self._authority.keys.withdraw(kid)

    def token(
        self,
        *,
        dialect: Dialect = "rfc9068_profile",
        kind: Kind = "user",
        subject: str | None = None,
        client_id: str | None = None,
        scopes: Iterable[str] | None = None,
        permissions: Iterable[str] | None = None,
        audience: str | Sequence[str] | None = None,
        lifetime: float = 86_400,
        claims: Mapping[str, object] | None = None,
        header: Mapping[str, object] | None = None,
    ) -> str:
        """A good access token, signed by the current key.

        subject, client_id: by default those of a built-in user, client or agent. A client's `sub`
            is its id with `@clients` after it, unless `subject` says otherwise.
        scopes: what the client was granted; nothing granted, no `scope` claim. With `openid`, a
            user's token is good for the issuer's `/userinfo` too, so `aud` is an array.
        permissions: what the caller may do, by default its scopes without those of OpenID Connect.
            Dialects without the claim leave it out.
        audience: by default the API; a list is taken as it is.
        lifetime: seconds from `iat` to `exp`.
        claims, header: members added or replaced; the value `REMOVE` leaves one out. The header
            only says what it says here: the current key signs by its own algorithm all the same.
        Raises ValueError.
        """
        options: TokenOptions = {
            "dialect": dialect,
            "kind": kind,
            "subject": subject,
            "client_id": client_id,
            "scopes": scopes,
            "permissions": permissions,
            "audience": audience,
            "lifetime": lifetime,
            "claims": claims,
            "header": header,
        }
        return self._authority.mint.token(options)

    def headers(self, **options: Unpack[TokenOptions]) -> dict[str, str]:
        """Request headers with a good token. options: as in `token`."""
        return {"Authorization": f"Bearer {self.token(**options)}"}

    def claims(self, **options: Unpack[TokenOptions]) -> dict[str, object]:
        """The claim set that `token` would sign. options: as in `token`."""
        return self._authority.mint.claims(options)

    def broken(self, reason: Reason, **options: Unpack[TokenOptions]) -> str:
        """A token that is refused for exactly this reason; everything else about it is good.

        The verifier trusts this issuer, by its algorithm and this API's audience, and
        - for `missing_key_id` accepts Auth0's profile, which the token is in unless `dialect` says
          otherwise: in the RFC 9068 profile a token may come without `kid`;
        - for `profile_not_accepted` accepts the profile of `dialect` only; the token is of the
          other;
        - for `unsuitable_key` allows the other RSA padding too (RS256 beside PS256), or RS256 where
          this issuer signs by EC or Ed25519;
        - for `unknown_key` looks for a key id that is new in every token;
        - for `ambiguous_key` has fetched the keys after this call: the two keys of one key id are
          published from the first such token on, until they are withdrawn;
        - for `missing_scope` and the reasons after it guards something by a policy that names a
          scope, a permission (twice), a role, a claim that `claims` has not, the kind of `kind`, a
          client, an organization, an authorization detail, or an authentication: these tokens are
          good and do not meet it. The two about permissions choose the dialect of the profile that
          fits.
        options: as in `token`. Raises ValueError: no token can cause the reason, or it is none.
        """
        return broken_token(self._authority.mint, reason_named(reason), options)

    async def fetch(self, url: str) -> tuple[int, dict[str, str], bytes]:
        """Answers a GET for the metadata or the keys in process, faults included.

        Returns status, headers (names in lower case) and body; 404 for other paths.
        Raises ConnectionError: the URL is on another host, which this issuer does not answer for.
        """
        asked, own = urlsplit(url), urlsplit(self.issuer)
        if (asked.scheme, asked.netloc) != (own.scheme, own.netloc):
            raise ConnectionError("the local issuer answers for its own host only")
        answer = await self._authority.wellknown.answer(asked.path)
        if answer is None:
            return 404, {"content-type": "text/plain; charset=utf-8"}, b"Not Found"
        return answer.status, answer.headers, b"".join([piece async for piece in answer.pieces])
