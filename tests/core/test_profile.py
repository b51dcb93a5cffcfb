"""Steps 2 and 3: whose token it is, under which rules, and by which algorithm."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, TrustedIssuer
from atjwt.core.member import Type
from atjwt.core.profile import (
    PROFILES,
    Profile,
    admit,
    check_accepted,
    detect_profile,
    select_issuer,
)
from core.making import (
    ISSUER,
    REMOVE,
    SECRET,
    SIGNERS,
    TYP,
    VALUES,
    good_claims,
    parsed,
    refuses,
    tenant,
)

OTHER = "https://issuer.example.org"
BOTH = frozenset({AUTH0, RFC9068})


def configured(*issuers: TrustedIssuer) -> Mapping[str, TrustedIssuer]:
    return {issuer.issuer: issuer for issuer in issuers}


def admitted(profile: Profile, *issuers: TrustedIssuer, iss: object = ISSUER, **header: Any) -> Any:
    """Whom a token of that profile, `iss` and header is admitted for."""
    sent = parsed(profile, good_claims(profile, iss=iss), **header)
    return admit(sent, configured(*(issuers or (tenant(),))))


# --- the tables ----------------------------------------------------------------------------------


def test_profiles() -> None:
    """There are two profiles, known by their names."""
    assert PROFILES == {"auth0": AUTH0, "rfc9068": RFC9068}
    assert AUTH0.types.isdisjoint(RFC9068.types)


REQUIRED = {
    AUTH0: {"iss", "sub", "aud", "exp", "iat", "azp"},
    RFC9068: {"iss", "sub", "aud", "exp", "iat", "client_id", "jti"},
}
TYPES = {
    "iss": Type.STRING, "sub": Type.STRING, "client_id": Type.STRING, "azp": Type.STRING,
    "jti": Type.STRING, "org_id": Type.STRING, "org_name": Type.STRING, "acr": Type.STRING,
    "sub_profile": Type.STRING, "client_profile": Type.STRING, "gty": Type.STRING,
    "aud": Type.AUDIENCE, "scope": Type.TEXT, "permissions": Type.STRINGS, "amr": Type.STRINGS,
    "exp": Type.NUMBER, "iat": Type.NUMBER, "nbf": Type.NUMBER, "auth_time": Type.NUMBER,
    "cnf": Type.OBJECT, "act": Type.OBJECT, "authorization_details": Type.DETAILS,
}  # fmt: skip


@pytest.mark.parametrize("profile", PROFILES.values(), ids=str)
def test_members(profile: Profile) -> None:
    """Each profile requires what its paper requires, and gives each member the paper's type."""
    assert {member.name for member in profile.members if member.required} == REQUIRED[profile]
    assert {member.name: member.type for member in profile.members} == TYPES
    assert len(profile.members) == len(TYPES)
    assert profile.client_claim in REQUIRED[profile]


def test_constants() -> None:
    """A profile is the one constant: it cannot be changed, and a copy of it is not it."""
    for value in (AUTH0, AUTH0.members[0]):
        for field in dataclasses.fields(value):
            with pytest.raises(dataclasses.FrozenInstanceError):
                setattr(value, field.name, None)
    assert dataclasses.replace(AUTH0) != AUTH0
    assert len({AUTH0, RFC9068, AUTH0}) == 2


def test_foreign() -> None:
    """What only the other profile has: it adds jti, says client_id for azp, and drops gty."""
    assert AUTH0.foreign == {"client_id", "jti"}
    assert RFC9068.foreign == {"azp", "gty"}


# --- whose token ---------------------------------------------------------------------------------


def test_issuer() -> None:
    """Of several issuers the one that `iss` names is selected."""
    other = TrustedIssuer(OTHER, algorithms=["ES256"])
    for issuer in (tenant(), other):
        found, profile = admitted(RFC9068, tenant(), other, iss=issuer.issuer)
        assert found is issuer
        assert profile is RFC9068


@pytest.mark.parametrize(
    "iss",
    [
        "", " ", "https://acme.eu.auth0.com//", "https://acme.eu.auth0.com/ ",
        "https://ACME.eu.auth0.com/", "http://acme.eu.auth0.com/", "acme.eu.auth0.com",
        "https://acme.eu.auth0.com/x", "https://evil.example/https://acme.eu.auth0.com/",
        "https://acme.eu.auth0.com.evil.example/", "https://acme.eu.auth0.com:443/",
        "https://\u0430cme.eu.auth0.com/", "\x00https://acme.eu.auth0.com/",
    ],
)  # fmt: skip
def test_another_issuer(iss: str) -> None:
    """`iss` is compared character by character; whatever else it is, it is nobody we know."""
    error = refuses(Reason.UNKNOWN_ISSUER, lambda: admitted(RFC9068, iss=iss))
    assert not iss.strip() or iss not in error.detail


@given(st.text(max_size=40) | st.integers(0, len(ISSUER)).map(lambda cut: ISSUER[:cut] + "\n"))
def test_any_other_issuer(iss: str) -> None:
    """No text but the configured one is the configured issuer."""
    if iss != ISSUER:
        refuses(Reason.UNKNOWN_ISSUER, lambda: select_issuer({"iss": iss}, configured(tenant())))


@pytest.mark.parametrize(
    ("iss", "hint"),
    [(ISSUER.rstrip("/"), True), (OTHER + "/", True), ("https://nobody.example/", False)],
)
def test_slash(iss: str, *, hint: bool) -> None:
    """An issuer that differs in the slash at its end is refused, and the log says why."""
    issuers = configured(tenant(), TrustedIssuer(OTHER, algorithms=["ES256"]))
    sent = parsed(RFC9068, good_claims(RFC9068, iss=iss))
    error = refuses(Reason.UNKNOWN_ISSUER, lambda: admit(sent, issuers))
    assert ("slash" in error.detail) is hint


@pytest.mark.parametrize("iss", [value for value in VALUES if not isinstance(value, str)], ids=str)
def test_iss_is_no_string(iss: object) -> None:
    """An `iss` that is no string is refused, whatever it is."""
    refuses(Reason.INVALID_CLAIM, lambda: admitted(AUTH0, iss=iss))


def test_iss_is_absent() -> None:
    """A token without `iss` is nobody's."""
    refuses(Reason.MISSING_CLAIM, lambda: admitted(AUTH0, iss=REMOVE))


# --- under which rules ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typ", "profile"),
    [
        ("JWT", AUTH0), ("jwt", AUTH0), ("Jwt", AUTH0),
        ("at+jwt", RFC9068), ("at+JWT", RFC9068), ("AT+JWT", RFC9068),
        ("application/at+jwt", RFC9068), ("Application/AT+jwt", RFC9068),
    ],
)  # fmt: skip
def test_profile_by_typ(typ: str, profile: Profile) -> None:
    """typ marks the profile, in any case, with or without one application/."""
    assert detect_profile(typ) is profile
    assert admitted(RFC9068, typ=typ)[1] is profile
    for accepted in (BOTH, {profile}):
        check_accepted(profile, dataclasses.replace(tenant(), profiles=accepted))
    other = dataclasses.replace(tenant(), profiles=BOTH - {profile})
    refuses(Reason.PROFILE_NOT_ACCEPTED, lambda: check_accepted(profile, other))


@pytest.mark.parametrize(
    "typ",
    [
        None, "", " ", "JWS", "JOSE", "at", "jwt ", " at+jwt", "at+jwt ", "at+jwt;v=1", "at+jwt\n",
        "application/application/at+jwt", "/at+jwt", "text/at+jwt", "application/at+jwt;a=b",
        "dpop+jwt", "logout+jwt", "secevent+jwt", "token-introspection+jwt", "id+jwt",
        "oauth-authz-req+jwt", "entity-statement+jwt", "client-authentication+jwt", "JWT,at+jwt",
        "at-jwt", "at+jw\u0442", "\uff2a\uff37\uff34", "Bearer",
    ],
)  # fmt: skip
def test_no_access_token(typ: str | None) -> None:
    """Any other type is that of something else, and no setting accepts it."""
    refuses(Reason.WRONG_TYPE, lambda: detect_profile(typ))
    header = REMOVE if typ is None else typ
    refuses(Reason.WRONG_TYPE, lambda: admitted(AUTH0, typ=header))


def test_absent_typ_is_said() -> None:
    """An absent typ is told from a foreign one."""
    assert "absent" in refuses(Reason.WRONG_TYPE, lambda: detect_profile(None)).detail
    assert "absent" not in refuses(Reason.WRONG_TYPE, lambda: detect_profile("x")).detail


def test_claims_mark_nothing() -> None:
    """The claims of one profile under the typ of the other do not change which rules apply."""
    assert admitted(RFC9068, typ="JWT")[1] is AUTH0
    assert admitted(AUTH0, typ="at+jwt")[1] is RFC9068


@pytest.mark.parametrize(
    ("header", "profile"),
    [({"typ": "x"}, None), ({"alg": "PS512"}, "rfc9068"), ({"typ": "JWT", "kid": REMOVE}, "auth0")],
)
def test_a_refusal_says_how_far_it_came(header: dict[str, Any], profile: str | None) -> None:
    """The issuer that was found, and the profile under which the token was judged, if any."""
    with pytest.raises(InvalidToken) as caught:
        admitted(RFC9068, **header)
    assert (caught.value.issuer, caught.value.profile) == (ISSUER, profile)
    with pytest.raises(InvalidToken) as caught:
        admitted(RFC9068, TrustedIssuer(ISSUER), typ="JWT")
    assert (caught.value.issuer, caught.value.profile) == (ISSUER, "auth0")


# --- by which algorithm --------------------------------------------------------------------------


@pytest.mark.parametrize("alg", [*SIGNERS, "none", "None", "NONE", "", "es256", "ES256 ", "HS512"])
@pytest.mark.parametrize("listed", [("ES256",), ("RS256", "ES256"), ("PS512", "EdDSA")], ids=str)
def test_algorithm(listed: tuple[str, ...], alg: str) -> None:
    """The token's algorithm must be on its issuer's list, exactly."""
    issuer = TrustedIssuer(ISSUER, algorithms=listed)
    if alg in listed:
        assert admitted(RFC9068, issuer, alg=alg) == (issuer, RFC9068)
    else:
        refuses(Reason.ALGORITHM_NOT_ALLOWED, lambda: admitted(RFC9068, issuer, alg=alg))


@pytest.mark.parametrize("alg", SIGNERS)
def test_algorithm_with_secret(alg: str) -> None:
    """An issuer with a secret takes HS256 and nothing else; nobody else takes HS256."""
    issuer = TrustedIssuer(ISSUER, secret=SECRET)
    if alg == "HS256":
        assert admitted(RFC9068, issuer, alg=alg)[0] is issuer
    else:
        refuses(Reason.ALGORITHM_NOT_ALLOWED, lambda: admitted(RFC9068, issuer, alg=alg))


def test_missing_key_id() -> None:
    """An Auth0 token names its key, except where the key is a secret; an RFC 9068 one need not."""
    refuses(Reason.MISSING_KEY_ID, lambda: admitted(AUTH0, kid=REMOVE))
    assert admitted(RFC9068, kid=REMOVE)[1] is RFC9068
    secret = TrustedIssuer.auth0("acme.eu.auth0.com", secret=SECRET)
    assert admitted(AUTH0, secret, kid=REMOVE, alg="HS256") == (secret, AUTH0)


def test_order() -> None:
    """Issuer before profile, profile before algorithm, algorithm before key id."""
    wrong = {"typ": "x", "alg": "none", "kid": REMOVE}
    refuses(Reason.UNKNOWN_ISSUER, lambda: admitted(AUTH0, iss="x", **wrong))
    refuses(Reason.WRONG_TYPE, lambda: admitted(AUTH0, **wrong))
    refuses(Reason.ALGORITHM_NOT_ALLOWED, lambda: admitted(AUTH0, alg="none", kid=REMOVE))


def test_errors_hold_nothing_sent() -> None:
    """What is wrong with a token is said without repeating its iss, typ, alg or kid."""
    for change in ({"iss": "marker"}, {"typ": "marker"}, {"alg": "marker"}):
        with pytest.raises(Exception, match=r".") as caught:
            admitted(AUTH0, **{"kid": "marker", **change})
        assert "marker" not in f"{caught.value} {caught.value!r}"


def test_printed() -> None:
    """A profile is printed by its name, and in code as it is written in code."""
    assert [str(profile) for profile in PROFILES.values()] == ["auth0", "rfc9068"]
    assert repr(AUTH0) == "AUTH0"
    assert repr(RFC9068) == "RFC9068"
    assert TYP.keys() == set(PROFILES.values())
