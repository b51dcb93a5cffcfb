"""The RFC 9068 token profile: at an Auth0 tenant, and at any other authorization server."""

from typing import Any

from vectors.making import (
    API,
    EXPIRES,
    GENERIC,
    ISSUED,
    NEIGHBOUR,
    RFC9068_CLAIMS,
    RFC9068_HEADER,
    TENANT,
    USERINFO,
    Keys,
    Sheet,
    generic,
    issue,
    principal,
    tenant,
    without,
)

HEADER = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa-1"}
USER = {
    "iss": TENANT, "sub": "auth0|66f0c2", "aud": [API, USERINFO], "iat": ISSUED, "exp": EXPIRES,
    "client_id": "CLIENTaaaa", "jti": "Qm1xJrWb7Vn0sKdT4cYh2A",
    "scope": "openid profile read:items",
}  # fmt: skip
MACHINE = {
    "iss": TENANT, "sub": "CLIENTbbbb@clients", "aud": API, "iat": ISSUED, "exp": EXPIRES,
    "client_id": "CLIENTbbbb", "jti": "zP9uE3aLq5XfGm8rNwT1oB", "scope": "read:items write:items",
}  # fmt: skip
BOTH = ["read:items", "write:items"]

# name, claims, kind, why, source
AT_A_TENANT: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("R1-rfc9068_profile-user", USER, "user",
     "the authorization code sample of the dialect rfc9068_profile", "token-profiles 1.8 R1"),
    ("R2-rfc9068_profile-machine", MACHINE, "client",
     "the client credentials sample of the dialect rfc9068_profile", "token-profiles 1.8 R2"),
    ("R3-rfc9068_profile_authz-user",
     {**USER, "jti": "K7hVd2sPz0QbYw6uRcJ5mE", "permissions": BOTH}, "user",
     "permissions wider than scope stay apart from it", "token-profiles 1.8 R3"),
    ("R4-rfc9068_profile_authz-machine",
     {**MACHINE, "jti": "t4NfX8oCq1LeIv9bSgM3yD", "scope": "read:items",
      "permissions": ["read:items"]}, "client",
     "the client credentials sample of the dialect rfc9068_profile_authz", "token-profiles 1.8 R4"),
    ("machine-without-scope", without(MACHINE, "scope"), "client",
     "a machine token without a granted scope has no scope member at all", "token-profiles 1.3 G1"),
    ("permissions-empty", {**USER, "permissions": []}, "user",
     "an empty permissions claim is a claim: nothing is granted", "token-profiles T11"),
    ("org_id", {**USER, "org_id": "org_7Hn3", "org_name": "acme-shop"}, "user",
     "a login in an Organization", "token-profiles 1.3"),
    ("authorization_details-array", {**USER, "authorization_details": [{"type": "payment"}]}, "user",
     "rich authorization details as RFC 9396 writes them", "RFC 9396 section 9"),
    ("authorization_details-lone-object",
     {**USER, "authorization_details": {"type": "payment"}}, "user",
     "Auth0's profile page shows a lone object for both profiles, which is tolerated",
     "token-profiles T32"),
    ("agent-id", {
        **USER, "sub": "agt_5Xk2", "sub_profile": "ai_agent", "client_profile": "service ai_agent",
        "act": {"sub": "CLIENTaaaa", "sub_profile": "ai_agent"}}, "agent",
     "an agent acting as itself", "token-profiles 1.7"),
    ("machine-plain-client-id", {**MACHINE, "sub": "CLIENTbbbb"}, "client",
     "with agent subject claims on, a machine's sub is its bare client id", "token-profiles 1.4"),
    ("anonymous", {**USER, "sub": "anon@1234-5678-90"}, "anonymous",
     "an anonymous session is neither user nor client", "token-profiles T22"),
    ("user-whose-id-ends-in-clients", {**USER, "sub": "CLIENTzzzz@clients"}, "user",
     "the suffix @clients means a machine only behind the token's own client id",
     "token-profiles T20"),
    ("mixed-gty", {**MACHINE, "gty": "client-credentials"}, "client",
     "a gty in the RFC 9068 profile is noted, not refused", "DESIGN 5 profile"),
    ("mixed-azp-equal", {**USER, "azp": "CLIENTaaaa"}, "user",
     "azp and client_id that agree are accepted", "token-profiles T2"),
]  # fmt: skip

ELSEWHERE: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("example", {
        "iss": GENERIC, "sub": "5ba552d67", "aud": API, "exp": EXPIRES, "iat": ISSUED,
        "client_id": "s6BhdRkqt3", "jti": "dbe39bf3a3ba4238a513f51d6e1691c4",
        "scope": "openid profile reademail"}, "user",
     "the claims of the RFC's own example", "RFC 9068 section 2.2, figure 2"),
    ("without-scope", RFC9068_CLAIMS, "user",
     "scope is there only when the request had one", "RFC 9068 section 2.2.3"),
    ("machine", {**RFC9068_CLAIMS, "sub": RFC9068_CLAIMS["client_id"]}, "client",
     "without a resource owner sub is an id of the client", "RFC 9068 section 2.2"),
    ("step-up-members",
     {**RFC9068_CLAIMS, "auth_time": ISSUED - 60, "acr": "urn:acr:silver", "amr": ["pwd", "otp"]},
     "user", "authentication information is optional and typed", "RFC 9068 section 2.2.1"),
    ("roles-groups-entitlements",
     {**RFC9068_CLAIMS, "roles": ["admin"], "groups": ["staff"], "entitlements": ["gold"]}, "user",
     "authorization attributes have their SCIM names", "RFC 9068 section 2.2.3.1"),
    ("act", {**RFC9068_CLAIMS, "act": {"sub": "CLIENTaaaa", "iss": GENERIC}}, "user",
     "a delegated token names the actor", "RFC 8693 section 4.1"),
    ("sub-like-an-agent", {**RFC9068_CLAIMS, "sub": "agt_5Xk2"}, "user",
     "the forms of sub are Auth0's own; at another issuer agt_… is any user",
     "DESIGN 4, Principal.kind"),
    ("sub-like-an-anonymous", {**RFC9068_CLAIMS, "sub": "anon@1234"}, "user",
     "the forms of sub are Auth0's own; at another issuer anon@… is any user",
     "DESIGN 4, Principal.kind"),
    ("unknown-claims", {**RFC9068_CLAIMS, "ver": 1, "acct": None, "uti": "", "wids": []}, "user",
     "claims that are not understood are ignored", "RFC 7519 section 4"),
    ("nbf-past", {**RFC9068_CLAIMS, "nbf": ISSUED}, "user",
     "nbf is optional in both profiles", "RFC 7519 section 4.1.5"),
]  # fmt: skip


def sheet(keys: Keys) -> Sheet:
    """Good tokens of both kinds of issuer, and tokens of other kinds from them."""
    made = Sheet(
        "The RFC 9068 token profile: at an Auth0 tenant and at another authorization server.",
        {
            "tenant": keys.tenant(),
            "standard": keys.standard(),
            "neighbour": {"keys": [keys.jwk("stranger-ec", kid="ec-1"), keys.jwk("ec-384")]},
        },
    )
    for name, claims, kind, why, source in AT_A_TENANT:
        made.good(
            f"rfc9068-{name}", issue(HEADER, claims, keys["rsa-1"]),
            principal(claims, "rfc9068", kind=kind), why, source,
            settings=tenant(), jwks="tenant",
        )  # fmt: skip
    for name, claims, kind, why, source in ELSEWHERE:
        made.good(
            f"rfc9068-elsewhere-{name}", issue(RFC9068_HEADER, claims, keys["ec-1"]),
            principal(claims, "rfc9068", kind=kind), why, source,
            settings=generic(), jwks="standard",
        )  # fmt: skip
    _profiles(made, keys)
    _issuers(made, keys)
    _several_issuers(made, keys)
    return made


def _profiles(made: Sheet, keys: Keys) -> None:
    made.bad(
        "rfc9068-not-accepted-yet", issue(HEADER, USER, keys["rsa-1"]), "profile_not_accepted",
        "before the migration only the Auth0 profile is accepted",
        "DESIGN 4, TrustedIssuer.profiles", settings=tenant("auth0"), jwks="tenant",
    )  # fmt: skip
    made.good(
        "rfc9068-only-profile", issue(HEADER, USER, keys["rsa-1"]), principal(USER, "rfc9068"),
        "after the migration the tokens of the new profile go on being accepted",
        "DESIGN 4, TrustedIssuer.profiles", settings=tenant("rfc9068"), jwks="tenant",
    )  # fmt: skip
    hydra = {**RFC9068_HEADER, "typ": "JWT"}
    made.bad(
        "rfc9068-claims-under-typ-JWT", issue(hydra, RFC9068_CLAIMS, keys["ec-1"]),
        "profile_not_accepted", "all claims of the profile without its typ are not the profile",
        "token-profiles T5", settings=generic(), jwks="standard",
    )  # fmt: skip
    made.bad(
        "rfc9068-claims-under-typ-JWT-where-auth0-is-accepted",
        issue({**HEADER, "typ": "JWT"}, USER, keys["rsa-1"]), "missing_claim",
        "typ JWT calls for the Auth0 profile, which needs azp", "token-profiles T5",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
    made.bad(
        "rfc9068-keycloak-user-token",
        issue(
            RFC9068_HEADER,
            {**without(RFC9068_CLAIMS, "client_id"), "azp": "CLIENTaaaa"}, keys["ec-1"],
        ), "missing_claim", "azp does not stand in for client_id", "token-profiles T6",
        settings=generic(), jwks="standard",
    )  # fmt: skip


def _issuers(made: Sheet, keys: Keys) -> None:
    variants = {
        "with-a-slash": (f"{GENERIC}/", "a slash more is another issuer"),
        "upper-case": ("https://AS.example", "issuers are compared code point by code point"),
        "http": ("http://as.example", "another scheme is another issuer"),
        "default-port": (f"{GENERIC}:443", "no URL normalisation is done"),
        "prefix": (GENERIC[:-1], "a prefix of a trusted issuer is not trusted"),
        "longer": (f"{GENERIC}.evil.example", "a trusted issuer as a prefix is not trusted"),
        "path": (f"{GENERIC}/realms/other", "a path below a trusted issuer is another issuer"),
        "userinfo": (f"{GENERIC}@evil.example", "nothing is parsed out of the issuer"),
        "trailing-dot": (f"{GENERIC}.", "an absolute host name is another string"),
        "space": (f"{GENERIC} ", "nothing is trimmed"),
        "homoglyph": ("https://аs.example", "a Cyrillic letter is another letter"),
        "percent": ("https://as%2Eexample", "nothing is percent-decoded"),
        "empty": ("", "an empty issuer is no trusted issuer"),
        "other": (NEIGHBOUR, "an issuer that is not on our list"),
        "without-scheme": ("as.example", "the host alone is not the issuer"),
    }
    for name, (issuer, why) in variants.items():
        made.bad(
            f"issuer-{name}",
            issue(RFC9068_HEADER, {**RFC9068_CLAIMS, "iss": issuer}, keys["ec-1"]),
            "unknown_issuer", why, "RFC 9068 section 4; PyJWT GHSA-75c5-xw7c-p5pm",
            settings=generic(), jwks="standard",
        )  # fmt: skip
    made.bad(
        "issuer-tenant-without-its-slash",
        issue(HEADER, {**USER, "iss": TENANT.rstrip("/")}, keys["rsa-1"]), "unknown_issuer",
        "a tenant's issuer ends in a slash", "token-profiles T26",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
    wrong_types: dict[str, object] = {
        "null": None, "number": 1, "true": True, "array": [GENERIC], "object": {"iss": GENERIC},
    }  # fmt: skip
    for name, value in wrong_types.items():
        made.bad(
            f"issuer-{name}", issue(RFC9068_HEADER, {**RFC9068_CLAIMS, "iss": value}, keys["ec-1"]),
            "invalid_claim", "iss is a string", "RFC 7519 section 4.1.1",
            settings=generic(), jwks="standard",
        )  # fmt: skip
    made.bad(
        "issuer-absent", issue(RFC9068_HEADER, without(RFC9068_CLAIMS, "iss"), keys["ec-1"]),
        "missing_claim", "without iss nobody's keys can be chosen", "RFC 9068 section 2.2",
        settings=generic(), jwks="standard",
    )  # fmt: skip


def _several_issuers(made: Sheet, keys: Keys) -> None:
    """Two trusted issuers, each with its own keys; one kid is in both sets."""
    other = {"issuer": NEIGHBOUR, "profiles": ["rfc9068"], "algorithms": ["ES256", "ES384"]}
    both = generic(also=[{**other, "jwks": "neighbour"}])
    theirs = {**RFC9068_CLAIMS, "iss": NEIGHBOUR}
    made.good(
        "two-issuers-first", issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"]),
        principal(RFC9068_CLAIMS, "rfc9068"), "each issuer's tokens verify by its own keys",
        "RFC 8725 section 3.8", settings=both, jwks="standard",
    )  # fmt: skip
    made.good(
        "two-issuers-second", issue(RFC9068_HEADER, theirs, keys["stranger-ec"]),
        principal(theirs, "rfc9068"), "the same kid at two issuers means two keys",
        "DESIGN 5; CVE-2026-49998", settings=both, jwks="standard",
    )  # fmt: skip
    made.bad(
        "two-issuers-key-of-the-other", issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["stranger-ec"]),
        "invalid_signature", "iss chooses the key set before kid chooses the key",
        "STORM-0558; Auth0 CVE-2018-6873", settings=both, jwks="standard",
    )  # fmt: skip
    made.bad(
        "two-issuers-kid-of-the-other",
        issue({**RFC9068_HEADER, "kid": "ec-2"}, theirs, keys["ec-2"]), "unknown_key",
        "a kid that only another trusted issuer has is unknown", "Casdoor CVE-2026-9094",
        settings=both, jwks="standard",
    )  # fmt: skip
    made.bad(
        "two-issuers-algorithm-of-the-other",
        issue({**HEADER, "alg": "RS256"}, theirs, keys["rsa-1"]), "algorithm_not_allowed",
        "algorithms are listed per issuer", "RFC 8725 section 3.1", settings=both, jwks="standard",
    )  # fmt: skip
