"""The local issuer's tokens and keys, read by a second JOSE library and a second judge."""

import json
from typing import Any, get_args

import pytest
from joserfc import jwt

from atjwt import Policy, ResourceServer, TrustedIssuer
from atjwt.errors import AuthError, Reason
from atjwt.issuer import Algorithm, Dialect, Kind, TokenOptions
from atjwt.issuer.broken import NOT_BY_A_TOKEN
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_client,
    is_kind,
)
from atjwt.testing import REMOVE, LocalIssuer
from tools.second_opinion import SecondOpinion, allows, key_set, parts_of

NOW = 1_790_000_000
TIER = "https://local.test/tier"
WELCOME: dict[str, object] = {
    TIER: "gold",
    "org_id": "org_1",
    "authorization_details": [{"type": "pay"}],
    "acr": "phr",
    "auth_time": NOW - 10,
}
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
KINDS: tuple[Kind, ...] = get_args(Kind)
POLICY = [Reason.MISSING_SCOPE, Reason.MISSING_PERMISSION, Reason.NO_PERMISSIONS_CLAIM]
POLICY += [Reason.MISSING_ROLE]
CALLER: dict[Reason, Policy] = {
    Reason.WRONG_CLAIM: has_claim(TIER, equals="gold"),
    Reason.WRONG_KIND: is_kind("user"),
    Reason.WRONG_CLIENT: is_client("local-app"),
    Reason.WRONG_ORGANIZATION: in_org("org_1"),
    Reason.MISSING_AUTHORIZATION_DETAIL: authorization_detail(type="pay"),
    Reason.INSUFFICIENT_USER_AUTHENTICATION: acr("phr") & authenticated_within(60),
}
ALLOWING = {*POLICY, *CALLER}

ISSUER = "https://acme.eu.auth0.com/"
API = "https://api.acme.test/"
USER = {
    "iss": ISSUER,
    "sub": "auth0|66f0c2",
    "aud": [API, f"{ISSUER}userinfo"],
    "iat": NOW,
    "exp": NOW + 86_400,
}
MACHINE = {**USER, "sub": "CLIENTbbbb@clients", "aud": API}
WIDE = {"permissions": ["read:items", "write:items"]}
READ = {"scope": "read:items", "permissions": ["read:items"]}
BOTH = {"scope": "read:items write:items"}
LOGIN = {"scope": "openid profile read:items"}
SAMPLES: dict[str, tuple[Dialect, dict[str, Any]]] = {
    "A1": ("access_token", {**USER, "azp": "CLIENTaaaa", **LOGIN}),
    "A2": ("access_token", {**MACHINE, "azp": "CLIENTbbbb", "gty": "client-credentials", **BOTH}),
    "A3": ("access_token_authz", {**USER, "azp": "CLIENTaaaa", **LOGIN, **WIDE}),
    "A4": (
        "access_token_authz",
        {**MACHINE, "azp": "CLIENTbbbb", "gty": "client-credentials", **READ},
    ),
    "R1": ("rfc9068_profile", {**USER, "client_id": "CLIENTaaaa", "jti": "J", **LOGIN}),
    "R2": ("rfc9068_profile", {**MACHINE, "client_id": "CLIENTbbbb", "jti": "J", **BOTH}),
    "R3": (
        "rfc9068_profile_authz",
        {**USER, "client_id": "CLIENTaaaa", "jti": "J", **LOGIN, **WIDE},
    ),
    "R4": ("rfc9068_profile_authz", {**MACHINE, "client_id": "CLIENTbbbb", "jti": "J", **READ}),
}


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=ISSUER, audience=API, clock=lambda: NOW)


def _opinion(issuer: LocalIssuer, dialect: Dialect, **changes: Any) -> SecondOpinion:
    return SecondOpinion(
        jwks=issuer.jwks(),
        issuer=issuer.issuer,
        audience=issuer.audience,
        profile="rfc9068" if dialect.startswith("rfc9068") else "auth0",
        now=NOW,
        **changes,
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_second_library_verifies_every_token(
    issuer: LocalIssuer, dialect: Dialect, kind: Kind
) -> None:
    """joserfc finds the key, verifies the signature and reads back the claims, for all twelve."""
    token = issuer.token(dialect=dialect, kind=kind, claims={"jti": "one"})
    decoded = jwt.decode(token, key_set(issuer.jwks()), algorithms=["RS256"])
    assert decoded.claims == issuer.claims(dialect=dialect, kind=kind, claims={"jti": "one"})
    assert list(decoded.header) == ["alg", "typ", "kid"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_token_is_good(issuer: LocalIssuer, dialect: Dialect, kind: Kind) -> None:
    """The second opinion finds nothing wrong with what `token` makes."""
    token = issuer.token(dialect=dialect, kind=kind)
    assert _opinion(issuer, dialect).on(token) == set()


@pytest.mark.parametrize("name", SAMPLES)
def test_the_eight_samples_come_out_member_by_member(issuer: LocalIssuer, name: str) -> None:
    """A1 to R4 of the papers are what the issuer writes, in the same order of members."""
    dialect, sample = SAMPLES[name]
    token = issuer.token(
        dialect=dialect,
        kind="user" if sample["sub"] == "auth0|66f0c2" else "client",
        client_id=sample.get("azp") or sample["client_id"],
        scopes=sample["scope"].split(),
        permissions=sample.get("permissions"),
        claims={"jti": "J"} if "jti" in sample else None,
    )
    header, claims = parts_of(token)
    assert json.dumps(claims) == json.dumps(sample)
    assert header["typ"] == ("at+jwt" if name.startswith("R") else "JWT")


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"kind": "client", "scopes": ()}, {"scope": REMOVE}),
        ({"dialect": "rfc9068_profile_authz", "permissions": ()}, {"permissions": []}),
        ({"claims": {"org_id": "org_1", "org_name": "acme"}}, {"org_id": "org_1"}),
        ({"dialect": "access_token", "claims": {"gty": "refresh_token"}}, {"sub": "auth0|66f0c2"}),
        ({"claims": {"cnf": {"x5t#S256": "T"}}}, {"cnf": {"x5t#S256": "T"}}),
        ({"claims": {"authorization_details": [{"type": "pay"}]}}, {"sub": "auth0|66f0c2"}),
        ({"kind": "agent"}, {"sub": "agt_66f0c2", "client_profile": "service ai_agent"}),
        ({"kind": "client", "client_id": "C", "subject": "C"}, {"sub": "C", "client_id": "C"}),
        ({"claims": {"iss": "https://login.acme.com/"}}, {"aud": [API, f"{ISSUER}userinfo"]}),
        ({"audience": [API, "urn:other"]}, {"aud": [API, "urn:other"]}),
        ({"claims": {"sub": REMOVE}}, {"sub": REMOVE}),
        ({"claims": {"sub": None}}, {"sub": None}),
        ({"dialect": "access_token"}, {"gty": REMOVE, "jti": REMOVE, "client_id": REMOVE}),
        ({"kind": "client", "dialect": "rfc9068_profile"}, {"gty": REMOVE, "azp": REMOVE}),
        ({"permissions": ["a"], "dialect": "rfc9068_profile"}, {"permissions": REMOVE}),
        ({"lifetime": 60.9}, {"exp": NOW + 60}),
    ],
)
def test_the_variants_can_be_had(
    issuer: LocalIssuer, options: TokenOptions, expected: dict[str, object]
) -> None:
    """Every variant the papers name is a matter of arguments; REMOVE here means absent."""
    _, claims = parts_of(issuer.token(**options))
    assert {name: claims.get(name, REMOVE) for name in expected} == expected


def test_nobody_acts_for_an_agent(issuer: LocalIssuer) -> None:
    """It is the subject; `act` is of tokens in which it acts for somebody else (RFC 8693 4.1)."""
    claims = issuer.claims(kind="agent", dialect="access_token")
    assert "act" not in claims
    assert (claims["sub_profile"], claims["client_profile"]) == ("ai_agent", "service ai_agent")


def test_token_ids_are_new_and_22_characters(issuer: LocalIssuer) -> None:
    """`jti` is random, of the length seen in Auth0's samples."""
    seen = {str(issuer.claims()["jti"]) for _ in range(20)}
    assert len(seen) == 20
    assert {len(jti) for jti in seen} == {22}


def test_headers_carry_the_token(issuer: LocalIssuer) -> None:
    """`headers` is what a test client sends."""
    scheme, _, token = issuer.headers(dialect="access_token")["Authorization"].partition(" ")
    assert scheme == "Bearer"
    assert _opinion(issuer, "access_token").on(token) == set()


def test_the_mark_for_removal_has_a_name() -> None:
    """It shows in a failing test as what it is."""
    assert repr(REMOVE) == "REMOVE"


def test_a_header_parameter_can_be_changed_and_removed(issuer: LocalIssuer) -> None:
    """`header` changes the text of the header and nothing else."""
    header, _ = parts_of(issuer.token(header={"kid": REMOVE, "typ": "AT+JWT", "x": [1]}))
    assert header == {"alg": "RS256", "typ": "AT+JWT", "x": [1]}


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"scopes": "read:items"}, TypeError),
        ({"permissions": "read:items"}, TypeError),
        ({"scopes": [""]}, ValueError),
        ({"dialect": "auth0"}, ValueError),
        ({"kind": "robot"}, ValueError),
        ({"lifetime": float("inf")}, ValueError),
    ],
)
def test_a_wrong_argument_is_refused(
    issuer: LocalIssuer, options: TokenOptions, error: type[Exception]
) -> None:
    """A bare string of scopes, a foreign name and an endless lifetime are errors, not tokens."""
    with pytest.raises(error):
        issuer.token(**options)


@pytest.mark.parametrize("issuer_url", ["issuer.test", "ftp://issuer.test/", "https://a.test/?b"])
def test_an_issuer_is_a_url(issuer_url: str) -> None:
    """An issuer identifier is an http or https URL without a query (RFC 8414 section 2)."""
    with pytest.raises(ValueError, match="URL"):
        LocalIssuer(issuer=issuer_url)


@pytest.mark.parametrize("reason", [r for r in Reason if r not in {*NOT_BY_A_TOKEN, *ALLOWING}])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_broken_token_is_broken_in_one_place(
    dialect: Dialect, kind: Kind, reason: Reason
) -> None:
    """For each reason a token can cause, the second opinion finds that one and no other."""
    token = BROKEN_ISSUER.broken(reason, dialect=dialect, kind=kind)
    assert _opinion(BROKEN_ISSUER, dialect).on(token) == {reason}


@pytest.mark.parametrize("reason", POLICY)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_token_that_allows_too_little_is_good(
    issuer: LocalIssuer, dialect: Dialect, reason: Reason
) -> None:
    """The tokens of step 9 verify in the profile asked for, and lack what the reason says."""
    token = issuer.broken(reason, dialect=dialect)
    assert _opinion(issuer, dialect).on(token) == set()
    assert reason in allows(parts_of(token)[1], "read:items")


@pytest.mark.parametrize("reason", CALLER)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_token_of_the_wrong_caller_is_good(
    issuer: LocalIssuer, dialect: Dialect, reason: Reason
) -> None:
    """The rest of step 9: a policy that a good token meets is not met by this one, for the reason."""
    good: TokenOptions = {"dialect": dialect, "claims": WELCOME}
    unwelcome = {name: value for name, value in WELCOME.items() if name != TIER}
    claims = unwelcome if reason is Reason.WRONG_CLAIM else WELCOME
    token = issuer.broken(reason, dialect=dialect, claims=claims)
    assert _opinion(issuer, dialect).on(token) == set()
    trusted = TrustedIssuer.auth0(ISSUER)
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch)
    server.authorize(server.verify_sync(issuer.token(**good)), CALLER[reason])
    with pytest.raises(AuthError) as refused:
        server.authorize(server.verify_sync(token), CALLER[reason])
    assert refused.value.reason is reason


@pytest.mark.parametrize(
    ("kind", "subject"),
    [("user", "local-machine@clients"), ("client", "auth0|66f0c2"), ("agent", "auth0|66f0c2")],
)
def test_a_token_of_the_wrong_kind_is_of_another_kind(
    issuer: LocalIssuer, kind: Kind, subject: str
) -> None:
    """Whichever kind is wanted: a policy for users gets a client's token, others get a user's."""
    assert parts_of(issuer.broken(Reason.WRONG_KIND, kind=kind))[1]["sub"] == subject


@pytest.mark.parametrize("reason", NOT_BY_A_TOKEN)
def test_three_reasons_are_nobodys_token(issuer: LocalIssuer, reason: Reason) -> None:
    """Asking for a token that causes one of them says what does."""
    with pytest.raises(ValueError, match=f"no token causes {reason}"):
        issuer.broken(reason)


def test_a_reason_may_be_given_by_its_word(issuer: LocalIssuer) -> None:
    """A word that is none gets the list of those that are."""
    assert "exp" in parts_of(issuer.broken("expired"))[1]  # type: ignore[arg-type]
    with pytest.raises(
        ValueError, match=r"broken is one of missing_token, .*, insufficient_user_authentication"
    ):
        issuer.broken("exp")  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["PS256", "ES256", "ES384", "EdDSA"])
@pytest.mark.parametrize("reason", [r for r in Reason if r not in {*NOT_BY_A_TOKEN, *ALLOWING}])
def test_tokens_break_under_other_algorithms_too(algorithm: Algorithm, reason: Reason) -> None:
    """The one broken place stays the only one, whatever the issuer signs by."""
    issuer = BY_ALGORITHM.setdefault(algorithm, LocalIssuer(algorithm=algorithm, clock=lambda: NOW))
    token = issuer.broken(reason)
    allowed = frozenset({"RS256", "PS256", algorithm})
    # Only Auth0's profile asks for a `kid`.
    dialect: Dialect = "access_token" if reason is Reason.MISSING_KEY_ID else "rfc9068_profile"
    opinion = _opinion(issuer, dialect, algorithms=allowed)
    assert opinion.on(token) == {reason}


def test_a_broken_token_keeps_the_other_arguments(issuer: LocalIssuer) -> None:
    """Everything that is not the broken thing is as asked for."""
    token = issuer.broken(Reason.EXPIRED, subject="auth0|1", claims={"org_id": "org_1"})
    _, claims = parts_of(token)
    assert (claims["sub"], claims["org_id"]) == ("auth0|1", "org_1")


def test_unknown_keys_are_new_each_time(issuer: LocalIssuer) -> None:
    """A flood of unknown key ids needs no flood of key generation."""
    kids = {parts_of(issuer.broken(Reason.UNKNOWN_KEY))[0]["kid"] for _ in range(10)}
    assert len(kids) == 10


BROKEN_ISSUER = LocalIssuer(issuer=ISSUER, audience=API, clock=lambda: NOW)
BY_ALGORITHM: dict[str, LocalIssuer] = {}
