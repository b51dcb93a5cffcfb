"""Steps 5 to 7: token + key + profile + now → verified claims, by one table with two drivers."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, TrustedIssuer
from atjwt.core.member import Member
from atjwt.core.profile import Profile
from atjwt.core.token import parse_token
from atjwt.core.verify import CHECKS, Case, Check, Failure, Failures, VerifiedClaims, verify
from core.making import (
    API,
    EXPIRES,
    GOOD,
    ISSUED,
    NOW,
    PROFILES,
    REMOVE,
    SIGNERS,
    TYP,
    VALUES,
    Claims,
    assemble,
    attempt,
    case,
    good_claims,
    json_text,
    parsed,
    refuses,
    same_json,
    token,
    verification_key,
)


def explain(at_bench: Case) -> list[tuple[Check, Failures]]:
    """Every check with all that it found wrong; nothing where it passes."""
    return [(check, check.judge(at_bench)) for check in CHECKS]


def found(at_bench: Case) -> list[Failure]:
    """Everything that is wrong, as the rows list it."""
    return [failure for _, listed in explain(at_bench) for failure in listed]


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_good(profile: Profile) -> None:
    """The smallest claim set of each profile holds, and comes out as it was signed."""
    claims = good_claims(profile)
    at_bench = case(profile, claims)
    verified = verify(at_bench)
    assert verified.claims == claims
    assert verified.payload == json_text(claims)
    assert verified.issuer is at_bench.issuer
    assert verified.profile is profile
    assert verified.notes == ()
    assert found(at_bench) == []


# --- the table -----------------------------------------------------------------------------------

BREAKS: dict[str, tuple[Reason, Any]] = {
    "the signature holds under the issuer's key": (
        Reason.INVALID_SIGNATURE, lambda p: case(p, good_claims(p), key=verification_key("P-256-2")),
    ),
    "now lies between nbf and exp": (
        Reason.EXPIRED, lambda p: case(p, good_claims(p), now=EXPIRES + 10),
    ),
    "aud names this API": (
        Reason.WRONG_AUDIENCE, lambda p: case(p, good_claims(p, aud="https://other.test/")),
    ),
    "each member is of its type, and the required ones are there": (
        Reason.MISSING_CLAIM, lambda p: case(p, good_claims(p, sub=REMOVE)),
    ),
    "it is not an ID token": (Reason.ID_TOKEN, lambda p: case(p, good_claims(p, nonce="n"))),
    "it names one client": (
        Reason.CLIENT_MISMATCH, lambda p: case(p, good_claims(p, azp="cliA", client_id="cliB")),
    ),
    "it is not bound to a key": (
        Reason.BOUND_TOKEN, lambda p: case(p, good_claims(p, cnf={"jkt": "x"})),
    ),
}  # fmt: skip


def test_every_check_is_broken_below() -> None:
    """The table has these rows, in the order of the route, and each names where it comes from."""
    assert [check.rule for check in CHECKS] == list(BREAKS)
    assert [check.step for check in CHECKS] == [5, 6, 7, 7, 7, 7, 7]
    assert all(check.source for check in CHECKS)


@pytest.mark.parametrize("rule", BREAKS)
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_each_check_alone(profile: Profile, rule: str) -> None:
    """A token that breaks one rule is refused for that one, and fails no other row."""
    reason, make = BREAKS[rule]
    at_bench = make(profile)
    assert [check.rule for check, listed in explain(at_bench) if listed] == [rule]
    refuses(reason, lambda: verify(at_bench))


def test_first_of_all() -> None:
    """A token that breaks every rule is refused for the first, and the rows list all, in order."""
    claims: Claims = {"aud": "x", "exp": 1, "nbf": 2**40, "nonce": 1, "azp": 1, "client_id": 2}
    claims["cnf"] = {}
    at_bench = case(AUTH0, claims, key=verification_key("P-256-2"))
    assert all(listed for _, listed in explain(at_bench))
    assert [check for check, _ in explain(at_bench)] == list(CHECKS)
    refuses(Reason.INVALID_SIGNATURE, lambda: verify(at_bench))


anything = st.sampled_from(VALUES) | st.sampled_from(["marker", ["marker"], {"marker": "marker"}])
names = st.sampled_from(
    [member.name for member in AUTH0.members] + ["nonce", "at_hash", "c_hash", "marker"]
)
mutations = st.dictionaries(names, anything | st.just(REMOVE), max_size=4)


@given(
    st.sampled_from(PROFILES),
    mutations,
    st.sampled_from(["P-256", "P-256-2"]),
    st.sampled_from([0, ISSUED - 11, NOW, EXPIRES, EXPIRES + 10, 1e300]),
    st.sampled_from([0, 10, 300]),
)
def test_two_drivers(
    profile: Profile, changes: Claims, kind: str, now: float, leeway: float
) -> None:
    """Whatever the claims, `verify` refuses for the first failure that the rows find, or for none."""
    at_bench = case(
        profile, good_claims(profile, **changes), key=verification_key(kind), now=now, leeway=leeway
    )
    wrong = found(at_bench)
    assert "marker" not in f"{wrong}"
    outcome = attempt(lambda: verify(at_bench), InvalidToken)
    if isinstance(outcome, InvalidToken):
        assert (outcome.reason, outcome.detail) == wrong[0]
    else:
        assert isinstance(outcome, VerifiedClaims)
        assert outcome.claims == at_bench.token.claims
        assert not wrong


# --- step 5, the signature -----------------------------------------------------------------------


@pytest.mark.parametrize(("alg", "kind"), [(alg, kind) for alg in SIGNERS for kind in SIGNERS[alg]])
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_signature(profile: Profile, alg: str, kind: str) -> None:
    """A token signed by any configurable algorithm holds, and none of its parts can be changed."""
    header = {"alg": alg, "typ": TYP[profile], "kid": kind}
    sent = assemble(header, good_claims(profile), alg=alg, kind=kind)
    whole = case(profile, {}, token=parse_token(sent), key=verification_key(kind))
    assert verify(whole).claims
    signing_input, _, signature = sent.rpartition(b".")
    other = assemble(header, good_claims(profile, sub="another"), alg=alg, kind=kind)
    for changed in (
        other.rpartition(b".")[0] + b"." + signature,
        signing_input + b"." + other.rpartition(b".")[2],
        signing_input + b".",
    ):
        at_bench = whole._replace(token=parse_token(changed))
        refuses(Reason.INVALID_SIGNATURE, lambda: verify(at_bench))  # noqa: B023


# --- step 6, the times ---------------------------------------------------------------------------

T = 1_790_000_000


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@pytest.mark.parametrize(
    ("claims", "now", "leeway", "reason"),
    [
        ({"exp": T}, T - 1, 0, None),
        ({"exp": T}, T - 0.001, 0, None),
        ({"exp": T}, T, 0, Reason.EXPIRED),
        ({"exp": T}, T + 9.999, 10, None),
        ({"exp": T}, T + 10, 10, Reason.EXPIRED),
        ({"exp": T + 0.5}, T + 10.25, 10, None),
        ({"exp": T + 0.5}, T + 10.5, 10, Reason.EXPIRED),
        ({"exp": 0}, T, 300, Reason.EXPIRED),
        ({"exp": 0.0}, T, 300, Reason.EXPIRED),
        ({"exp": 2**53}, T, 0, None),
        ({"nbf": T}, T, 0, None),
        ({"nbf": T}, T - 0.001, 0, Reason.NOT_YET_VALID),
        ({"nbf": T}, T - 10, 10, None),
        ({"nbf": T}, T - 10.001, 10, Reason.NOT_YET_VALID),
        ({"nbf": 0}, T, 0, None),
        ({"nbf": 2**53}, T, 300, Reason.NOT_YET_VALID),
        ({"exp": T - 100, "nbf": T + 100}, T, 10, Reason.EXPIRED),
    ],
    ids=str,
)
def test_times(
    profile: Profile, claims: Claims, now: float, leeway: float, reason: Reason | None
) -> None:
    """now < exp + leeway and now >= nbf - leeway, to the fraction of a second."""
    whole = good_claims(profile, **{"exp": T + 1_000, **claims})
    at_bench = case(profile, whole, now=now, leeway=leeway)
    if reason is None:
        assert verify(at_bench).claims
    else:
        refuses(reason, lambda: verify(at_bench))


small = st.integers(0, 30)


@given(st.sampled_from(PROFILES), small, small | st.none(), small, st.integers(0, 12))
def test_times_as_a_rule(
    profile: Profile, exp: int, nbf: int | None, now: int, leeway: int
) -> None:
    """The same rule for any times."""
    claims = good_claims(profile, exp=exp, nbf=REMOVE if nbf is None else nbf, iat=0)
    reasons = {failure.reason for failure in found(case(profile, claims, now=now, leeway=leeway))}
    assert (Reason.EXPIRED in reasons) is (now - leeway >= exp)
    assert (Reason.NOT_YET_VALID in reasons) is (nbf is not None and now + leeway < nbf)


# --- step 7, the members -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "member"),
    [(profile, member) for profile in PROFILES for member in profile.members],
    ids=lambda value: value.name,
)
def test_member(profile: Profile, member: Member) -> None:
    """Each member is refused in every type but its own, null included, and said by its name."""
    for value in VALUES:
        claims = good_claims(profile, **{member.name: value})
        wrong = [f for f in found(case(profile, claims)) if f.reason is Reason.INVALID_CLAIM]
        if same_json(value, GOOD[member.type]):
            assert not wrong, value
        else:
            expected = Failure(Reason.INVALID_CLAIM, f"{member.name} is not {member.type.value}")
            assert wrong == [expected], value


@pytest.mark.parametrize(
    ("profile", "member"),
    [(profile, member) for profile in PROFILES for member in profile.members],
    ids=lambda value: value.name,
)
def test_absent_member(profile: Profile, member: Member) -> None:
    """A required member must be there, any other need not."""
    at_bench = case(profile, good_claims(profile, **{member.name: REMOVE}))
    if member.required:
        assert found(at_bench) == [Failure(Reason.MISSING_CLAIM, f"{member.name} is absent")]
    else:
        assert verify(at_bench).claims


def test_other_members() -> None:
    """A member of which no profile speaks may be anything."""
    for value in VALUES:
        claims = good_claims(AUTH0, **{"https://acme.test/x": value, "typ": value})
        assert verify(case(AUTH0, claims)).claims == claims


def test_claims_of_the_other_profile() -> None:
    """The claims of one profile do not do under the rules of the other."""
    refuses(Reason.MISSING_CLAIM, lambda: verify(case(AUTH0, good_claims(RFC9068))))
    refuses(Reason.MISSING_CLAIM, lambda: verify(case(RFC9068, good_claims(AUTH0))))


# --- step 7, the audience ------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES, ids=str)
@pytest.mark.parametrize(
    ("aud", "audience", "ours"),
    [
        (API, {API}, True),
        ([API], {API}, True),
        (["https://acme.eu.auth0.com/userinfo", API], {API}, True),
        ([API, API], {API}, True),
        ("b", {"a", "b"}, True),
        (["c", "b"], {"a", "b"}, True),
        ("c", {"a", "b"}, False),
        (["c", "d"], {"a", "b"}, False),
        (API.rstrip("/"), {API}, False),
        (API + "/", {API}, False),
        (API.upper(), {API}, False),
        (API + "x", {API}, False),
        (API[:-2], {API}, False),
        (f"{API} other", {API}, False),
        (f"{API},other", {API}, False),
        ("a", {API}, False),
        (["https://acme.eu.auth0.com/userinfo"], {API}, False),
    ],
    ids=str,
)
def test_audience(profile: Profile, aud: object, audience: set[str], *, ours: bool) -> None:
    """One of the API's names must stand in `aud`, whole and exactly."""
    at_bench = case(profile, good_claims(profile, aud=aud), audience=frozenset(audience))
    if ours:
        assert verify(at_bench).claims
    else:
        refuses(Reason.WRONG_AUDIENCE, lambda: verify(at_bench))


@pytest.mark.parametrize(
    ("aud", "hint"),
    [(API.rstrip("/"), True), (["x", API.rstrip("/")], True), (f"{API}/", False), ("x", False)],
    ids=str,
)
def test_a_slash_at_the_end_of_an_audience_is_said(aud: object, *, hint: bool) -> None:
    """An audience that differs in the slash at its end is refused, and the log says why."""
    at_bench = case(AUTH0, good_claims(AUTH0, aud=aud))
    error = refuses(Reason.WRONG_AUDIENCE, lambda: verify(at_bench))
    assert ("slash" in error.detail) is hint


def test_audience_of_the_wrong_type() -> None:
    """An `aud` of the wrong type is malformed, and a name of ours in it does not help."""
    for aud in ([API, 1], [API, None], [API, ""], {API: 1}, [[API]], []):
        at_bench = case(AUTH0, good_claims(AUTH0, aud=aud))
        assert [failure.reason for failure in found(at_bench)] == [Reason.INVALID_CLAIM]


# --- step 7, what is no access token for a bearer ------------------------------------------------


@pytest.mark.parametrize("value", [None, "", "x", 1, False])
@pytest.mark.parametrize("name", ["nonce", "at_hash", "c_hash"])
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_id_token(profile: Profile, name: str, value: object) -> None:
    """The marks of an ID token are refused, whatever they hold."""
    refuses(Reason.ID_TOKEN, lambda: verify(case(profile, good_claims(profile, **{name: value}))))


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_two_clients(profile: Profile) -> None:
    """azp and client_id may both be there if they name one client, exactly."""
    assert verify(case(profile, good_claims(profile, azp="cliA", client_id="cliA"))).claims
    for other in ("clia", "cliA ", "cliA@clients"):
        at_bench = case(profile, good_claims(profile, azp="cliA", client_id=other))
        refuses(Reason.CLIENT_MISMATCH, lambda: verify(at_bench))  # noqa: B023


@pytest.mark.parametrize("cnf", [{}, {"jkt": "x"}, {"x5t#S256": "x"}, {"unknown": {}}], ids=str)
@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_bound_token(profile: Profile, cnf: object) -> None:
    """A token that is bound to a key is never accepted as a bearer token, by whatever method."""
    refuses(Reason.BOUND_TOKEN, lambda: verify(case(profile, good_claims(profile, cnf=cnf))))


# --- notes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("profile", "changes", "notes"),
    [
        (AUTH0, {"jti": "t", "client_id": "cliA"}, ("mixed: client_id", "mixed: jti")),
        (AUTH0, {"gty": "password"}, ()),
        (RFC9068, {"azp": "cliA", "gty": "password"}, ("mixed: azp", "mixed: gty")),
        (RFC9068, {"iat": NOW + 10}, ()),
        (RFC9068, {"iat": NOW + 11}, ("iat lies ahead: a clock is off",)),
        (AUTH0, {"iat": 2**53, "jti": "t"}, ("iat lies ahead: a clock is off", "mixed: jti")),
    ],
    ids=str,
)
def test_notes(profile: Profile, changes: Claims, notes: tuple[str, ...]) -> None:
    """What is unusual without being wrong is noted, and the token accepted."""
    assert verify(case(profile, good_claims(profile, **changes))).notes == notes


def test_nothing_is_shown() -> None:
    """Neither verified claims nor a case nor an error shows what a token holds."""
    marked = good_claims(
        RFC9068, sub="marker", scope="marker", marker="marker", permissions=["marker"]
    )
    at_bench = case(RFC9068, marked)
    assert "marker" not in f"{verify(at_bench)!r} {verify(at_bench)} {at_bench!r}"
    for changes in ({"permissions": "marker"}, {"aud": "marker"}, {"nonce": "marker"}):
        with pytest.raises(InvalidToken) as caught:
            verify(case(RFC9068, {**marked, **changes}))
        assert "marker" not in f"{caught.value} {caught.value!r}"


def test_a_case_is_not_changed() -> None:
    """Judging changes nothing: the same case gives the same verdict twice."""
    issuer = TrustedIssuer.auth0("acme.eu.auth0.com", algorithms=["ES256"])
    sent = parse_token(token(AUTH0, good_claims(AUTH0)))
    at_bench = case(AUTH0, {}, token=sent, issuer=issuer)
    before = parsed(AUTH0, good_claims(AUTH0)).claims
    assert verify(at_bench).claims == verify(at_bench).claims == before == sent.claims
