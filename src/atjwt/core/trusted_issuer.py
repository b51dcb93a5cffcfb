"""An authorization server whose tokens are accepted, and what is accepted from it.

Configuration, checked when it is made. Migrating an API from one profile to the other is widening
`TrustedIssuer.profiles`, watching, and narrowing it again.
"""

from collections.abc import Collection, Mapping
from dataclasses import InitVar, dataclass, field

from atjwt.core import configuration
from atjwt.core.key_record import KeyPolicy
from atjwt.core.key_set import KeySet
from atjwt.core.profile import AUTH0, RFC9068, Profile
from atjwt.errors import ConfigurationError


@dataclass(frozen=True, kw_only=True, eq=False)
class TrustedIssuer:
    """One authorization server whose tokens are accepted.

    issuer: its issuer identifier (RFC 8414 section 2), compared with `iss` character by character.
    profiles: the token profiles accepted from it.
    algorithms: the signature algorithms accepted from it. Default RS256, PS256 and ES256; HS256
        alone where there is a secret.
    jwks_uri: where its keys are, if it publishes no metadata.
    jwks: its keys, a JWK Set (RFC 7517 section 5); then nothing is ever fetched.
    secret: what it signs HS256 with, at least 32 bytes; then nothing else is accepted from it.
    tenant: a name shared by several issuers with the same users, such as a tenant's two domains;
        part of `Principal.key`. Default the issuer.
    unsafe_http: fetch without TLS from other hosts than this one.
    key_policy: how long its keys are used.
    roles_claim, auth_time_claim, acr_claim: the claims in which it writes roles (`roles`), when the
        user was authenticated (`auth_time`, seconds since 1970) and how (`acr`), where not in those;
        at Auth0 an Action adds them, under a name with a namespace.
    static_keys: what `jwks` and `secret` become; give those.
    is_auth0: whether subjects are read as Auth0 writes them; `TrustedIssuer.auth0` says so.

    Raises ConfigurationError: every problem, each with its fix.
    """

    issuer: str = field(kw_only=False)
    profiles: Collection[Profile] = frozenset({RFC9068})
    algorithms: Collection[str] = ()
    jwks_uri: str | None = None
    jwks: InitVar[Mapping[str, object] | None] = None
    secret: InitVar[bytes | str | None] = None
    tenant: str | None = None
    unsafe_http: bool = False
    key_policy: KeyPolicy = KeyPolicy()
    roles_claim: str | None = None
    auth_time_claim: str | None = None
    acr_claim: str | None = None
    static_keys: KeySet | None = field(default=None, repr=False)
    is_auth0: bool = field(default=False, repr=False)
    renamed: tuple[tuple[str, str], ...] = field(init=False, repr=False, default=())

    def __post_init__(self, jwks: Mapping[str, object] | None, secret: bytes | str | None) -> None:
        problems, keys = configuration.read_keys(self.jwks_uri, jwks, secret)
        keys = keys or self.static_keys  # kept by dataclasses.replace
        shared = secret is not None or (keys is not None and keys.secret)
        algorithms = self.algorithms
        if algorithms == ():
            algorithms = ("HS256",) if shared else ("RS256", "PS256", "ES256")
        problems += configuration.url_problems(
            "issuer", self.issuer, unsafe_http=self.unsafe_http or keys is not None
        )
        problems += configuration.auth0_problems(self.issuer)
        if self.jwks_uri is not None:
            problems += configuration.url_problems(
                "jwks_uri", self.jwks_uri, unsafe_http=self.unsafe_http
            )
        problems += configuration.algorithm_problems(algorithms, secret=shared)
        problems += configuration.profile_problems(self.profiles)
        if self.tenant is not None and (
            not isinstance(self.tenant, str) or not self.tenant.strip()
        ):
            problems.append("tenant: give a name, or leave it out")
        if not isinstance(self.unsafe_http, bool):
            problems.append("unsafe_http: give True or False")
        if not isinstance(self.key_policy, KeyPolicy):
            problems.append("key_policy: give a KeyPolicy")
        names = {
            "roles": self.roles_claim, "auth_time": self.auth_time_claim, "acr": self.acr_claim,
        }  # fmt: skip
        problems += configuration.renamed_problems(names)
        if problems:
            raise ConfigurationError(f"TrustedIssuer: {problem}" for problem in problems)
        renamed = tuple((claim, name) for claim, name in names.items() if name is not None)
        object.__setattr__(self, "renamed", renamed)
        object.__setattr__(self, "profiles", frozenset(self.profiles))
        object.__setattr__(self, "algorithms", frozenset(algorithms))
        object.__setattr__(self, "static_keys", keys)
        host = configuration.host_of(self.issuer) or ""
        # Auth0 is who writes its profile, whatever the domain is called.
        is_auth0 = self.is_auth0 or host.endswith(".auth0.com") or AUTH0 in self.profiles
        object.__setattr__(self, "is_auth0", is_auth0)

    @classmethod
    def auth0(
        cls,
        domain: str,
        *,
        profiles: Collection[Profile] = frozenset({AUTH0, RFC9068}),
        algorithms: Collection[str] = (),
        jwks_uri: str | None = None,
        jwks: Mapping[str, object] | None = None,
        secret: bytes | str | None = None,
        tenant: str | None = None,
        unsafe_http: bool = False,
        key_policy: KeyPolicy = KeyPolicy(),
        roles_claim: str | None = None,
        auth_time_claim: str | None = None,
        acr_claim: str | None = None,
    ) -> "TrustedIssuer":
        """An Auth0 tenant, by its domain or custom domain.

        `https://` and the slash that ends every Auth0 issuer are added. Accepts both profiles, and
        RS256 and PS256, unless told otherwise. The other arguments are as of `TrustedIssuer`.
        """
        if not isinstance(domain, str) or not domain.strip():
            raise ConfigurationError(["TrustedIssuer.auth0: give the tenant's domain"])
        url = (domain if "://" in domain else f"https://{domain}").rstrip("/") + "/"
        if url.partition("://")[2].count("/") != 1:
            raise ConfigurationError(["TrustedIssuer.auth0: give a domain without a path"])
        return cls(
            url,
            profiles=profiles,
            algorithms=algorithms or (("RS256", "PS256") if secret is None else ()),
            jwks_uri=jwks_uri,
            jwks=jwks,
            secret=secret,
            tenant=tenant,
            unsafe_http=unsafe_http,
            key_policy=key_policy,
            roles_claim=roles_claim,
            auth_time_claim=auth_time_claim,
            acr_claim=acr_claim,
            is_auth0=True,
        )


def trusted_issuer(issuer: TrustedIssuer | str) -> TrustedIssuer:
    """An issuer by its identifier alone.

    On a host under `.auth0.com` both profiles are accepted, elsewhere RFC 9068 only. The identifier
    is taken as it is written, except that an Auth0 one is given the slash at its end.
    """
    if isinstance(issuer, TrustedIssuer):
        return issuer
    host = configuration.host_of(issuer) or issuer
    if isinstance(host, str) and host.endswith(".auth0.com"):
        return TrustedIssuer.auth0(issuer)
    return TrustedIssuer(issuer)
