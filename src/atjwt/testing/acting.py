"""Tests without tokens: who is calling is said, and what they may do is checked as always.

Only the authentication is stood in for. Scopes, permissions and policies, the middleware and the
guards, the refusals and their challenges are those of production.
"""

import json
import time
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Final

from atjwt.core.kind import Kind
from atjwt.core.member import IS_OF
from atjwt.core.principal import Principal, to_principal
from atjwt.core.profile import RFC9068, Profile
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import VerifiedClaims
from atjwt.resource_server import Headers, ResourceServer
from atjwt.testing.search import HoldsResourceServer, Target, find_resource_servers

_WHO: Final[dict[Kind, tuple[str, str]]] = {
    "user": ("auth0|test-user", "test-app"),
    "client": ("test-machine@clients", "test-machine"),
    "agent": ("agt_test-agent", "test-agent"),
    "anonymous": ("anon@test-session", "test-app"),
}
"""For each kind of caller a subject and the client through which it calls."""

Authenticate = Callable[..., Awaitable[Principal | None]]

_LOCK: Final = Lock()
_ACTING: Final[dict[ResourceServer, list[Authenticate]]] = {}
"""Who acts at each resource server, the first to begin first."""

_SPELLED: Final = {
    "iss": "issuer", "sub": "subject", "aud": "audience", "azp": "client_id", "iat": "issued_at",
    "exp": "lifetime", "scope": "scopes", "expires_at": "lifetime", "authenticated_at": "auth_time",
    "token_id": "jti",
}  # fmt: skip
"""The claims that have arguments of their own."""


@contextmanager
def acting_as(
    app: Target,
    auth: ResourceServer | HoldsResourceServer | None,
    principal: Principal | None,
) -> Iterator[None]:
    """While the `with` lasts, every request to the app is made by this principal.

        with acting_as(app, None, principal(scopes=["read:orders"])):
            assert TestClient(app).get("/orders").is_success

    Whatever the request carries is not looked at; what the principal may do is checked as always.
    app: as of `LocalIssuer.stands_in_for`.
    auth: whose judgement is stood in for, an AccessTokenScheme or a ResourceServer; by default that
        of all resource servers found in the app.
    principal: who is calling (`principal` makes one); None for nobody, as when nothing is sent.
    Raises ValueError: there is no resource server in the app. TypeError: this is no principal.
    """
    if principal is not None and not isinstance(principal, Principal):
        raise TypeError("acting_as: give a Principal, such as principal(scopes=[…]), or None")
    servers = find_resource_servers(app if auth is None else auth)
    if auth is not None and not isinstance(app, ResourceServer):
        _check_belongs(app, servers)

    async def authenticate(
        headers: Headers, *, method: str | None = None, url: str | None = None
    ) -> Principal | None:
        return principal

    for server in servers:
        _begin(server, authenticate)
    try:
        yield
    finally:
        for server in servers:
            _end(server, authenticate)


def _check_belongs(app: Target, servers: Collection[ResourceServer]) -> None:
    try:
        there = find_resource_servers(app)
    except ValueError:
        return  # hidden from the search; whoever gives `auth` knows
    if not {*servers} & {*there}:
        raise ValueError(
            "acting_as: this auth guards nothing of this app; give the app's own, or None"
        )


def _begin(server: ResourceServer, authenticate: Authenticate) -> None:
    with _LOCK:
        _ACTING.setdefault(server, []).append(authenticate)
        object.__setattr__(server, "authenticate", authenticate)


def _end(server: ResourceServer, authenticate: Authenticate) -> None:
    """Whoever began last acts on, in whatever order the others end; the last to end leaves nothing."""
    with _LOCK:
        acting = _ACTING[server]
        acting.remove(authenticate)
        object.__delattr__(server, "authenticate")
        if acting:
            object.__setattr__(server, "authenticate", acting[-1])
        else:
            del _ACTING[server]


def principal(
    subject: str | None = None,
    *,
    kind: Kind = "user",
    scopes: Collection[str] = (),
    permissions: Collection[str] | None = None,
    roles: Collection[str] = (),
    client_id: str | None = None,
    profile: Profile = RFC9068,
    issuer: str = "https://issuer.test/",
    audience: str | Collection[str] = "https://api.example.com/",
    issued_at: float | None = None,
    lifetime: float = 86_400,
    **claims: object,
) -> Principal:
    """A principal for tests, read from a claim set as production reads it from a token's.

    subject, client_id: by default made up to fit the kind.
    kind: a user, a client, an agent or an anonymous session; the claims are such that they say so.
    scopes, permissions, roles: what the caller may do; `permissions=None` for a token without that
        claim, which is not the same as one that grants nothing.
    profile: the token profile, RFC9068 or AUTH0.
    issued_at: seconds since 1970, by default now. lifetime: seconds from there to the expiry.
    claims: any other claims, such as `org_id="org_1"` or `auth_time=…`.
    Raises ValueError: no token says that, or a claim is of a type that no token passes with.
        TypeError: a list of names is a string.
    """
    given = {"scopes": scopes, "permissions": permissions, "roles": roles}
    for name, names in given.items():
        if isinstance(names, str):
            raise TypeError(f"principal: {name} is a list of names: {name}=[…]")
    for name in claims.keys() & _SPELLED.keys():
        raise ValueError(f"principal: write {_SPELLED[name]}= in place of {name}=")
    if "claims" in claims:
        raise ValueError(
            "principal: write each claim as an argument, or **{…}, in place of claims="
        )
    if kind not in _WHO:
        raise ValueError(f"principal: kind is one of {', '.join(_WHO)}")
    own_subject, own_client = _WHO[kind]
    if kind == "client" and subject is not None:
        own_client = subject.removesuffix("@clients")
    elif kind == "client" and client_id is not None:
        own_subject = f"{client_id}@clients"
    now = int(time.time()) if issued_at is None else issued_at
    members: dict[str, object] = {
        "iss": issuer,
        "sub": subject or own_subject,
        "aud": audience if isinstance(audience, str) else list(audience),
        "iat": now,
        "exp": now + lifetime,
        profile.client_claim: client_id or own_client,
    }
    if profile is RFC9068:
        members["jti"] = "test-token"
    if scopes:
        members["scope"] = " ".join(scopes)
    if permissions is not None:
        members["permissions"] = list(permissions)
    if roles:
        members["roles"] = list(roles)
    if kind == "agent":
        members["sub_profile"] = "ai_agent"
    return _read({**members, **claims}, profile, kind)


def _read(claims: dict[str, object], profile: Profile, kind: Kind) -> Principal:
    for member in profile.members:
        if member.name in claims and not IS_OF[member.type](claims[member.name]):
            raise ValueError(f"principal: {member.name} is of a type that no token passes with")
    # Subjects are read as Auth0 writes them, so that every kind can be had under any issuer.
    trusted = TrustedIssuer(str(claims["iss"]), profiles={profile}, is_auth0=True)
    payload = json.dumps(claims).encode("ascii")
    read = to_principal(VerifiedClaims(trusted, profile, claims, payload, ()))
    if read.kind != kind:
        raise ValueError(
            f"principal: a token with this subject and client is that of kind {read.kind!r}"
        )
    return read
