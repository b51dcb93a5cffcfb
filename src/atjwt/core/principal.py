"""Step 8 of the route: verified claims → one `Principal`, whichever profile they came in.

The same grant gives the same principal in all four token dialects, except for what a dialect lacks.
Stored is what every request may ask for; everything else is read from the kept claim set when
somebody asks. Nothing that can be changed is shared.
"""

import json
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NoReturn, cast

from atjwt.core.kind import Kind, kind_of
from atjwt.core.member import is_time
from atjwt.core.profile import Profile, refuse_as_input
from atjwt.core.verify import VerifiedClaims


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who is calling, and what they may do.

    issuer: the authorization server that says so (`iss`).
    subject: who is calling (`sub`); unique only together with the issuer and the kind.
    client_id: the application through which (`client_id`, or `azp` in the Auth0 profile).
    kind: a person, an application on its own, an agent, or an anonymous session.
    scopes: what this client was granted (`scope`).
    permissions: all that the caller may do at this API (`permissions`); None where the token has no
        such claim, which the token dialect decides, and empty where it grants nothing.
    profile: the token profile under whose rules the token was judged.
    audience: the APIs that the token is for (`aud`).
    issued_at, expires_at: seconds since 1970 (`iat`, `exp`).
    token_id: the token's own id (`jti`); None in the Auth0 profile.
    tenant: the issuer, or the name that several issuers with the same users share.
    confirmation: pairs of method and value to which the token is bound (`cnf`); none for a bearer's.
    renamed: pairs of claim and the name under which this issuer writes it (`TrustedIssuer`).

    Compared and hashed by these fields and the kept claim set. Its `repr` shows nothing personal.
    """

    issuer: str
    subject: str
    client_id: str | None = None
    kind: Kind = "user"
    scopes: frozenset[str] = frozenset()
    permissions: frozenset[str] | None = None
    profile: Profile | None = None
    audience: tuple[str, ...] = ()
    issued_at: float | None = None
    expires_at: float | None = None
    token_id: str | None = None
    tenant: str | None = None
    confirmation: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    payload: bytes = field(default=b"{}", repr=False)

    def __repr__(self) -> str:
        held = "none" if self.permissions is None else len(self.permissions)
        start = f"<Principal kind={self.kind} profile={self.profile}"
        return f"{start} scopes={len(self.scopes)} permissions={held}>"

    @property
    def key(self) -> tuple[str, str, str]:
        """The key for a row about this caller: (tenant, kind, subject). A subject alone is none: two
        issuers may use the same, and so may a person and a client of one (RFC 9068 section 5).
        """
        return (self.tenant or self.issuer, self.kind, self.subject)

    def has_scope(self, *names: str) -> bool:
        """Whether all of these scopes were granted; exact and case-sensitive (RFC 6749 3.3)."""
        return bool(names) and self.scopes.issuperset(names)

    def has_permission(self, *names: str) -> bool:
        """Whether all of these permissions are held; never so where the token has no such claim."""
        return bool(names) and (self.permissions or frozenset()).issuperset(names)

    def has_role(self, *names: str) -> bool:
        """Whether all of these roles are held."""
        return bool(names) and self.roles.issuperset(names)

    @property
    def claims(self) -> dict[str, object]:
        """The whole claim set of the token: a new copy each time, yours to change."""
        return cast("dict[str, object]", json.loads(self.payload))

    def claim(self, name: str) -> object:
        """One claim by the name that it has in the token, a copy; None if it has no such claim."""
        return deepcopy(_kept(self.payload).get(name))

    @property
    def authenticated_at(self) -> float | None:
        """When the person was authenticated, seconds since 1970 (`auth_time`)."""
        at = self._named("auth_time")
        return at if is_time(at) else None

    @property
    def acr(self) -> str | None:
        """The class of that authentication (`acr`)."""
        acr = self._named("acr")
        return acr if isinstance(acr, str) and acr else None

    @property
    def amr(self) -> tuple[str, ...]:
        """The methods of that authentication (`amr`)."""
        return tuple(cast("list[str]", self.claim("amr") or ()))

    @property
    def org_id(self) -> str | None:
        """The organization in which the call is made (Auth0: Work with Tokens and Organizations)."""
        return cast("str | None", self.claim("org_id"))

    @property
    def org_name(self) -> str | None:
        """Its name, for display only: names change hands, ids do not."""
        return cast("str | None", self.claim("org_name"))

    @property
    def actor(self) -> Mapping[str, object] | None:
        """Who acts on the subject's behalf; the outermost actor alone counts (RFC 8693 4.1)."""
        return cast("Mapping[str, object] | None", self.claim("act"))

    @property
    def authorization_details(self) -> tuple[Mapping[str, object], ...]:
        """The rich authorization of the token (RFC 9396 section 9.1)."""
        details = self.claims.get("authorization_details", [])
        return (details,) if isinstance(details, dict) else tuple(cast("list[dict]", details))  # type: ignore[type-arg]

    @property
    def roles(self) -> frozenset[str]:
        """The caller's roles (`roles`, RFC 9068 section 2.2.3.1)."""
        return self._names("roles")

    @property
    def groups(self) -> frozenset[str]:
        """The caller's groups (`groups`, RFC 9068 section 2.2.3.1)."""
        return self._names("groups")

    def _names(self, claim: str) -> frozenset[str]:
        # Strings, or SCIM's objects with a `value` (RFC 7643 section 4.1.2). Else it grants nothing.
        listed = self._named(claim)
        values = [
            item.get("value") if isinstance(item, dict) else item
            for item in (listed if isinstance(listed, list) else [])
        ]
        return frozenset(value for value in values if isinstance(value, str))

    def _named(self, claim: str) -> object:
        return self.claim(dict(self.renamed).get(claim, claim))

    @classmethod
    def __get_pydantic_core_schema__(cls, *args: object) -> NoReturn:
        refuse_as_input()  # FastAPI would read a principal from the body of whoever calls

    @property
    def is_authenticated(self) -> bool:
        """Always true: there is no principal otherwise. Starlette asks it of `request.user`."""
        return True

    @property
    def identity(self) -> str:
        """The subject."""
        return self.subject

    display_name = identity  # access tokens carry no name to show


def to_principal(verified: VerifiedClaims) -> Principal:
    """Maps verified claims to the one shape. Cannot fail: every member was checked."""
    claims: Mapping[str, Any] = verified.claims  # of the types that the checks have established
    profile, issuer = verified.profile, verified.issuer
    subject, client_id = claims["sub"], claims[profile.client_claim]
    aud, permissions = claims["aud"], claims.get("permissions")
    return Principal(
        issuer=issuer.issuer,
        subject=subject,
        client_id=client_id,
        kind=kind_of(claims, client_id, is_auth0=issuer.is_auth0),
        scopes=_scopes(claims.get("scope", "")),
        permissions=None if permissions is None else frozenset(permissions),
        profile=profile,
        audience=(aud,) if isinstance(aud, str) else tuple(aud),
        issued_at=claims["iat"],
        expires_at=claims["exp"],
        token_id=claims.get("jti"),
        tenant=issuer.tenant,
        renamed=issuer.renamed,
        payload=verified.payload,
    )


@lru_cache(maxsize=256)  # a guard may ask for claims with every request of one token
def _kept(payload: bytes) -> dict[str, object]:
    return cast("dict[str, object]", json.loads(payload))


@lru_cache(maxsize=1024)  # a pure function; one client's scopes come again with each of its users
def _scopes(scope: str) -> frozenset[str]:
    return frozenset(scope.split(" ")) - {""}
