"""What the local issuer writes into an access token, spelled out member by member.

The source is Auth0's page *Access Token Profiles* and, for the `rfc9068_profile*` dialects, RFC
9068 section 2. Nothing here is read from the verifier: the two must agree because both agree with
the papers. A grant (who, through which client, with which rights) is the same in every dialect; the
dialect alone decides how it is written, so `permissions` may always be given and are shown by the
two `_authz` dialects only.
"""

import json
import secrets
from collections.abc import Callable, Iterable, Mapping, Sequence
from math import isfinite
from typing import Final, Literal, TypeAlias, TypedDict, get_args

from atjwt.issuer.keys import KeyRing, Signer, base64url

Dialect: TypeAlias = Literal[
    "access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz"
]
"""Auth0's names of the four token dialects (Management API, `token_dialect`)."""

Kind: TypeAlias = Literal["user", "client", "agent"]
"""On whose behalf the token is issued."""

DIALECTS: Final[tuple[Dialect, ...]] = get_args(Dialect)
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)

USER: Final = "auth0|66f0c2"
USER_CLIENT: Final = "local-app"
MACHINE_CLIENT: Final = "local-machine"
MACHINE_SCOPES: Final = ("read:orders", "write:orders")
AGENT: Final = "agt_66f0c2"
AGENT_CLIENT: Final = "local-agent"

_SCOPES: Final[dict[Kind, tuple[str, ...]]] = {
    "user": ("openid", "profile", "read:orders"),
    "client": ("read:orders",),
    "agent": ("read:orders",),
}
_CLIENTS: Final[dict[Kind, str]] = {
    "user": USER_CLIENT,
    "client": MACHINE_CLIENT,
    "agent": AGENT_CLIENT,
}
# Auth0's page *Agents as Principal*. `act` is of tokens in which an agent acts for somebody else.
_AGENT_CLAIMS: Final = {"sub_profile": "ai_agent", "client_profile": "service ai_agent"}
OIDC_SCOPES: Final = frozenset({"openid", "profile", "email", "address", "phone", "offline_access"})


class _Remove:
    """The type of `REMOVE`."""

    def __repr__(self) -> str:
        return "REMOVE"


REMOVE: Final = _Remove()
"""As the value of a claim or of a header parameter: the member is left out."""


class TokenOptions(TypedDict, total=False):
    """The arguments of `LocalIssuer.token`, by name."""

    dialect: Dialect
    kind: Kind
    subject: str | None
    client_id: str | None
    scopes: Iterable[str] | None
    permissions: Iterable[str] | None
    audience: str | Sequence[str] | None
    lifetime: float
    claims: Mapping[str, object] | None
    header: Mapping[str, object] | None


class Mint:
    """Writes and signs tokens for one issuer, and for one API where no other is named."""

    def __init__(
        self, *, issuer: str, audience: str, clock: Callable[[], float], keys: KeyRing
    ) -> None:
        """Keeps what all tokens have in common.

        issuer: the `iss` claim. audience: the API's identifier.
        clock: seconds since 1970, for `iat` and `exp`.
        """
        self.issuer = issuer
        self.audience = audience
        self.clock = clock
        self.keys = keys

    def header(self, options: TokenOptions, key: Signer | None = None) -> dict[str, object]:
        """The JOSE header: `alg`, `typ`, `kid` in Auth0's order, then what `header` changes."""
        key = key or self.keys.current
        members: dict[str, object] = {
            "alg": key.algorithm,
            "typ": "at+jwt" if is_rfc9068(_dialect(options)) else "JWT",
            **({} if key.kid is None else {"kid": key.kid}),
        }
        return _changed(members, options.get("header"))

    def claims(self, options: TokenOptions) -> dict[str, object]:
        """The claim set that `token` would sign, in the order of Auth0's samples."""
        dialect, kind = _dialect(options), _kind(options)
        scopes = _words("scopes", options.get("scopes"), _SCOPES[kind])
        of_the_api = [scope for scope in scopes if scope not in OIDC_SCOPES]
        permissions = _words("permissions", options.get("permissions"), of_the_api)
        client_id = options.get("client_id") or _CLIENTS[kind]
        issued_at = int(self.clock())
        members: dict[str, object] = {
            "iss": self.issuer,
            "sub": options.get("subject") or _subject(kind, client_id),
            "aud": self._audience(options.get("audience"), kind, scopes),
            "iat": issued_at,
            "exp": issued_at + _lifetime(options),
        }
        if is_rfc9068(dialect):
            members |= {"client_id": client_id, "jti": base64url(secrets.token_bytes(16))}
        else:
            members["azp"] = client_id
            if kind == "client":
                members["gty"] = "client-credentials"
        if scopes:  # Auth0 leaves the member out where nothing is granted, rather than send ""
            members["scope"] = " ".join(scopes)
        if shows_permissions(dialect):
            members["permissions"] = permissions
        if kind == "agent":
            members |= _AGENT_CLAIMS
        return _changed(members, options.get("claims"))

    def token(self, options: TokenOptions) -> str:
        """A token of the current key."""
        return compact(self.header(options), self.claims(options), self.keys.current)

    def _audience(
        self, audience: str | Sequence[str] | None, kind: Kind, scopes: Sequence[str]
    ) -> str | list[str]:
        if audience is not None and not isinstance(audience, str):
            return list(audience)
        own = audience or self.audience
        # Asking for `openid` makes the token good for the issuer's /userinfo too.
        if kind == "user" and "openid" in scopes:
            return [own, self.issuer.rstrip("/") + "/userinfo"]
        return own


def is_rfc9068(dialect: Dialect) -> bool:
    """Whether the dialect writes the RFC 9068 token profile."""
    return dialect in {"rfc9068_profile", "rfc9068_profile_authz"}


def shows_permissions(dialect: Dialect) -> bool:
    """Whether the dialect has the `permissions` claim."""
    return dialect in {"access_token_authz", "rfc9068_profile_authz"}


def dialect_named(name: object) -> Dialect:
    """The dialect of this name. Raises ValueError: there is none."""
    for dialect in DIALECTS:
        if dialect == name:
            return dialect
    raise ValueError(f"dialect is one of {', '.join(DIALECTS)}")


def compact(
    header: Mapping[str, object],
    claims: Mapping[str, object] | bytes,
    key: Signer,
    *,
    algorithm: str | None = None,
) -> str:
    """Signs and writes the JWS compact serialization (RFC 7515 section 7.1).

    claims: the claim set, or the very bytes of its JSON text.
    algorithm: by which the key signs, where that is not the one it is published with.
    """
    payload = claims if isinstance(claims, bytes) else json_bytes(claims)
    signing_input = f"{base64url(json_bytes(header))}.{base64url(payload)}"
    signature = key.sign(signing_input.encode("ascii"), algorithm)
    return f"{signing_input}.{base64url(signature)}"


def json_bytes(members: Mapping[str, object]) -> bytes:
    """JSON without blanks. ASCII only, so that any text a test asks for can be written."""
    return json.dumps(members, separators=(",", ":")).encode("ascii")


def _dialect(options: TokenOptions) -> Dialect:
    return dialect_named(options.get("dialect", "rfc9068_profile"))


def _kind(options: TokenOptions) -> Kind:
    asked = options.get("kind", "user")
    if asked not in KINDS:
        raise ValueError(f"kind is one of {', '.join(KINDS)}")
    return asked


def _lifetime(options: TokenOptions) -> int:
    lifetime = options.get("lifetime", 86_400)
    if not isfinite(lifetime):
        raise ValueError("lifetime is a finite number of seconds")
    return int(lifetime)


def _words(name: str, given: Iterable[str] | None, default: Iterable[str]) -> list[str]:
    if isinstance(given, str):  # a string is an iterable of its letters, which nobody means
        raise TypeError(f'{name} is a list of names: {name}=["a", "b"], not {name}="a b"')
    words = list(default if given is None else given)
    if not all(words):
        raise ValueError(f"{name} is a list of names, none of them empty")
    return words


def _subject(kind: Kind, client_id: str) -> str:
    return {"user": USER, "client": f"{client_id}@clients", "agent": AGENT}[kind]


def _changed(members: dict[str, object], changes: Mapping[str, object] | None) -> dict[str, object]:
    merged = {**members, **(changes or {})}
    return {name: value for name, value in merged.items() if value is not REMOVE}
