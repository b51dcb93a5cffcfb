"""The Auth0 token profile: the four samples of the fact sheet, their variants, the kinds of caller."""

from typing import Any

from vectors.making import (
    API,
    AUTH0_CLAIMS,
    AUTH0_HEADER,
    EXPIRES,
    GENERIC,
    ISSUED,
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

USER = {
    "iss": TENANT, "sub": "auth0|66f0c2", "aud": [API, USERINFO], "iat": ISSUED, "exp": EXPIRES,
    "azp": "CLIENTaaaa", "scope": "openid profile read:items",
}  # fmt: skip
MACHINE = {
    "iss": TENANT, "sub": "CLIENTbbbb@clients", "aud": API, "iat": ISSUED, "exp": EXPIRES,
    "azp": "CLIENTbbbb", "gty": "client-credentials", "scope": "read:items write:items",
}  # fmt: skip
BOTH = ["read:items", "write:items"]

# name, claims, kind, why, source
SAMPLES: list[tuple[str, dict[str, Any], str, str, str]] = [
    ("A1-access_token-user", USER, "user",
     "the authorization code sample of the dialect access_token", "token-profiles 1.8 A1"),
    ("A2-access_token-machine", MACHINE, "client",
     "the client credentials sample of the dialect access_token", "token-profiles 1.8 A2"),
    ("A3-access_token_authz-user", {**USER, "permissions": BOTH}, "user",
     "permissions wider than scope stay apart from it", "token-profiles 1.8 A3"),
    ("A4-access_token_authz-machine",
     {**MACHINE, "scope": "read:items", "permissions": ["read:items"]}, "client",
     "the client credentials sample of the dialect access_token_authz", "token-profiles 1.8 A4"),
    ("machine-without-scope", without(MACHINE, "scope"), "client",
     "a machine token without a granted scope has no scope member at all", "token-profiles 1.3 G1"),
    ("permissions-empty", {**USER, "permissions": []}, "user",
     "an empty permissions claim is a claim: nothing is granted", "token-profiles T11"),
    ("org_id", {**USER, "org_id": "org_7Hn3"}, "user",
     "a login in an Organization", "token-profiles 1.3"),
    ("org_id-and-org_name", {**USER, "org_id": "org_7Hn3", "org_name": "acme-shop"}, "user",
     "a login in an Organization whose name is put in tokens", "token-profiles 1.3"),
    ("gty-refresh_token", {**USER, "gty": "refresh_token"}, "user",
     "a refreshed token is still a user's", "token-profiles T23"),
    ("gty-password", {**USER, "gty": "password"}, "user",
     "the password grant is a user's", "token-profiles 1.3"),
    ("gty-client-credentials-of-a-user", {**USER, "gty": "client-credentials"}, "user",
     "the kind of caller is never decided on gty, which one profile lacks", "DESIGN 4"),
    ("authorization_details-array", {**USER, "authorization_details": [{"type": "payment"}]}, "user",
     "rich authorization details as RFC 9396 writes them", "RFC 9396 section 9"),
    ("authorization_details-object", {**USER, "authorization_details": {"type": "payment"}}, "user",
     "Auth0's profile page shows a lone object, which is tolerated", "token-profiles T32"),
    ("agent-id", {
        **USER, "sub": "agt_5Xk2", "sub_profile": "ai_agent", "client_profile": "service ai_agent",
        "act": {"sub": "CLIENTaaaa", "sub_profile": "ai_agent"}}, "agent",
     "an agent acting as itself", "token-profiles 1.7"),
    ("agent-id-by-prefix-alone", {**USER, "sub": "agt_5Xk2"}, "agent",
     "at Auth0 a subject agt_… is an agent", "token-profiles T22"),
    ("agent-external-id", {**USER, "sub": "billing-bot", "sub_profile": "ai_agent"}, "agent",
     "an agent with an external id is known by its sub_profile", "token-profiles 1.4"),
    ("user-through-agent-client",
     {**USER, "sub_profile": "user", "act": {"sub": "CLIENTaaaa", "act": {"sub": "CLIENTcccc"}}},
     "user", "acted for by an agent the caller is still the user", "token-profiles 1.7"),
    ("machine-plain-client-id", {**without(MACHINE, "gty"), "sub": "CLIENTbbbb"}, "client",
     "with agent subject claims on, a machine's sub is its bare client id", "token-profiles 1.4"),
    ("machine-sub_profile-service", {**MACHINE, "sub": "svc-17", "sub_profile": "service"}, "client",
     "a service is a client", "token-profiles 1.4"),
    ("machine-sub_profile-browser_app",
     {**USER, "sub": "spa-17", "sub_profile": "browser_app"}, "client",
     "a browser app on its own behalf is a client", "token-profiles 1.3"),
    ("machine-sub_profile-native_app",
     {**USER, "sub": "app-17", "sub_profile": "native_app"}, "client",
     "a native app on its own behalf is a client", "token-profiles 1.3"),
    ("anonymous", {**USER, "sub": "anon@1234-5678-90"}, "anonymous",
     "an anonymous session is neither user nor client", "token-profiles T22"),
    ("user-whose-id-ends-in-clients", {**USER, "sub": "CLIENTzzzz@clients"}, "user",
     "the suffix @clients means a machine only behind the token's own client id",
     "token-profiles T20"),
    ("client-id-is-a-url", {**USER, "azp": "https://app.example/client.json"}, "user",
     "client ids are opaque and can be URLs", "token-profiles T52"),
    ("custom-claims", {**USER, "https://acme.test/roles": ["admin"], "email": "a@acme.test",
                       "https://acme.test/deep": {"a": [1, {"b": None}]}}, "user",
     "custom claims of any name and type are none of our business", "token-profiles 1.6"),
    ("typ-claim-in-payload", {**USER, "typ": "at+jwt"}, "user",
     "the profile is read from the JOSE header, never from a claim typ", "token-profiles T8"),
    ("mixed-jti", {**USER, "jti": "Qm1xJrWb7Vn0"}, "user",
     "a jti in the Auth0 profile is noted, not refused", "DESIGN 5 profile"),
    ("mixed-client_id-equal", {**USER, "client_id": "CLIENTaaaa"}, "user",
     "azp and client_id that agree are accepted", "token-profiles T2"),
    ("step-up-members", {**USER, "auth_time": ISSUED - 5, "acr": "urn:mfa", "amr": ["pwd", "otp"]},
     "user", "well-formed step-up claims are accepted in either profile", "RFC 9068 section 2.2.1"),
    ("sid", {**USER, "sid": "s-1"}, "user",
     "a session id alone does not make an ID token", "DESIGN 5 profile"),
    ("non-ascii", {**USER, "sub": "oauth2|idp|Zoë 😀", "https://acme.test/name": "Ωmega"}, "user",
     "characters beyond ASCII are characters", "RFC 8259 section 8.1"),
    ("scope-only-oidc", {**USER, "scope": "openid"}, "user",
     "OIDC scopes stand in the same string", "token-profiles 1.5"),
]  # fmt: skip


def sheet(keys: Keys) -> Sheet:
    """Good tokens of a tenant, and what makes its tokens someone else's."""
    made = Sheet(
        "The Auth0 token profile at a tenant: samples, variants, kinds of caller.",
        {"tenant": keys.tenant()},
    )
    for name, claims, kind, why, source in SAMPLES:
        made.good(
            f"auth0-{name}", issue(AUTH0_HEADER, claims, keys["rsa-1"]),
            principal(claims, "auth0", kind=kind), why, source, settings=tenant(), jwks="tenant",
        )  # fmt: skip
    _settings(made, keys)
    _not_access_tokens(made, keys)
    return made


def _settings(made: Sheet, keys: Keys) -> None:
    login = "https://login.acme.test/"
    for host in (login, TENANT):
        claims = {**USER, "iss": login, "aud": [API, f"{host}userinfo"]}
        made.good(
            f"auth0-custom-domain-userinfo-at-{'login' if host == login else 'tenant'}",
            issue(AUTH0_HEADER, claims, keys["rsa-1"]), principal(claims, "auth0"),
            "on a custom domain /userinfo may be named on either domain", "token-profiles 1.8",
            settings=tenant() | {"issuer": login}, jwks="tenant",
        )  # fmt: skip
    made.bad(
        "auth0-custom-domain-not-configured",
        issue(AUTH0_HEADER, {**USER, "iss": login}, keys["rsa-1"]), "unknown_issuer",
        "two domains of one tenant are two issuers, and each is configured", "token-profiles T27",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
    made.good(
        "auth0-signed-by-the-next-key",
        issue({**AUTH0_HEADER, "kid": "rsa-2"}, USER, keys["rsa-2"]), principal(USER, "auth0"),
        "a tenant publishes its next key before it signs with it", "token-profiles 3",
        settings=tenant("auth0"), jwks="tenant",
    )  # fmt: skip
    made.good(
        "auth0-PS256", issue({**AUTH0_HEADER, "alg": "PS256", "kid": "ps"}, USER, keys["rsa-2"]),
        principal(USER, "auth0"), "PS256 is one of an Auth0 API's algorithms",
        "token-profiles 1.2", settings=tenant(), jwks="tenant-without-alg",
    )  # fmt: skip
    made.key_sets = {
        **made.key_sets,
        "tenant-without-alg": {"keys": [keys.jwk("rsa-1"), keys.jwk("rsa-2", kid="ps")]},
    }
    made.good(
        "auth0-key-set-without-alg", issue(AUTH0_HEADER, USER, keys["rsa-1"]),
        principal(USER, "auth0"), "a tenant can leave alg out of its key set", "token-profiles 3",
        settings=tenant(), jwks="tenant-without-alg",
    )  # fmt: skip
    made.bad(
        "auth0-not-accepted-any-more", issue(AUTH0_HEADER, USER, keys["rsa-1"]),
        "profile_not_accepted", "after the migration only the RFC 9068 profile is accepted",
        "DESIGN 4, TrustedIssuer.profiles", settings=tenant("rfc9068"), jwks="tenant",
    )  # fmt: skip
    elsewhere = {**AUTH0_CLAIMS, "iss": GENERIC, "sub": "agt_5Xk2"}
    made.good(
        "auth0-profile-at-a-generic-issuer",
        issue(AUTH0_HEADER, elsewhere, keys["rsa-1"]),
        principal(elsewhere, "auth0", kind="agent"),
        "who writes Auth0's profile writes subjects as Auth0 does, whatever its domain is called",
        "DESIGN 4, Principal.kind", jwks="tenant",
        settings=generic("auth0"),
    )  # fmt: skip


def _not_access_tokens(made: Sheet, keys: Keys) -> None:
    id_token = {
        **without(USER, "scope"), "sid": "s-1",
    }  # fmt: skip
    management = f"{TENANT}api/v2/"
    for name, audience, why in (
        ("id-token-for-a-client", "CLIENTaaaa", "an ID token is addressed to the client"),
        ("userinfo-only", USERINFO, "a token for /userinfo is not for us"),
        ("userinfo-only-array", [USERINFO], "a token for /userinfo is not for us"),
        ("management-api", management, "a Management API token is not for us"),
    ):
        made.bad(
            f"auth0-{name}", issue(AUTH0_HEADER, {**id_token, "aud": audience}, keys["rsa-1"]),
            "wrong_audience", why, "token-profiles 7.3 and T24", settings=tenant(), jwks="tenant",
        )  # fmt: skip
