"""Every check of steps 0 to 7, told of one token: the first that fails is why it is refused."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AUTH0, RFC9068, AuthError, Reason, ResourceServer, TrustedIssuer
from atjwt.core.explain import ROWS, Facts, Judgement, explain
from atjwt.core.key_set import KeySet
from atjwt.core.verify import CHECKS
from core.making import (
    API,
    EXPIRES,
    ISSUER,
    NOW,
    REMOVE,
    SECRET,
    TYP,
    assemble,
    attempt,
    changed,
    good_claims,
    jwk,
    token,
)
from vectors import loading
from vectors.loading import Vector

KEYS = ("P-256", "P-256-2")
LONGEST = 4_096


def server() -> ResourceServer:
    """The API that all of these tokens are sent to, its issuer's keys in hand."""
    issuer = TrustedIssuer(
        ISSUER, profiles={AUTH0, RFC9068}, algorithms=["ES256"],
        jwks={"keys": [jwk(kind) for kind in KEYS]},
    )  # fmt: skip
    return ResourceServer(audience=API, issuers=[issuer], clock=lambda: NOW, max_token_size=LONGEST)


def facts(credentials: bytes, of: ResourceServer, now: float = NOW, *, keys: bool = True) -> Facts:
    """What `explain` is given for one token and one API."""
    sets = {one.issuer: one.static_keys for one in of.issuers if one.static_keys is not None}
    return Facts(
        credentials,
        max_size=of.max_token_size,
        issuers={one.issuer: one for one in of.issuers},
        key_sets=sets if keys else {},
        audience=frozenset(of.audience),
        now=now,
        leeway=of.leeway,
    )


def explained(credentials: bytes, **settings: Any) -> tuple[Judgement, ...]:
    return explain(facts(credentials, server(), **settings))


def first_reason(told: tuple[Judgement, ...]) -> str | None:
    """The reason of the first failure, in the order of the checks."""
    return next((str(one.failures[0].reason) for one in told if one.failures), None)


def failing(told: tuple[Judgement, ...]) -> list[str]:
    return [one.row.rule for one in told if one.failures]


def unjudged(told: tuple[Judgement, ...]) -> dict[str, str]:
    return {one.row.rule: one.missing for one in told if one.missing}


# --- One rule set, two drivers -------------------------------------------------------------------


@pytest.mark.parametrize("vector", loading.cases(), ids=lambda vector: vector.id)
def test_what_fails_first_is_the_verdict_of_the_vector(vector: Vector) -> None:
    """The first failure is the reason of the vector; without one every check was made and holds."""
    of = loading.resource_server(vector)
    told = explain(facts(vector.token.encode("utf-8", "surrogatepass"), of, vector.now))
    assert first_reason(told) == vector.reason, vector.why
    assert [one.row for one in told] == list(ROWS)
    if vector.reason is None:
        assert not unjudged(told)


PIECES = st.sampled_from([
    b"", b".", b"..", b"....", b" ", b"=", b"A", b"AAAA", b"e30", b"eyJhbGciOiJFUzI1NiJ9", b"\xff",
    b"W10", b"x" * LONGEST,
])  # fmt: skip
HEADERS = st.fixed_dictionaries({}, optional={
    "alg": st.sampled_from(["ES256", "HS256", "none", 1]),
    "kid": st.sampled_from([*KEYS, "nobody", "", 1, REMOVE]),
    "typ": st.sampled_from(["JWT", "at+jwt", "dpop+jwt", 1, REMOVE]),
    "crit": st.just([]),
})  # fmt: skip
CLAIMS = st.fixed_dictionaries({}, optional={
    "iss": st.sampled_from(["https://nobody.test/", 1, REMOVE]),
    "aud": st.sampled_from(["https://other.test/", 1, REMOVE]),
    "exp": st.sampled_from([1, "x", REMOVE]),
    "nonce": st.just("n"),
    "cnf": st.just({}),
})  # fmt: skip


@given(
    st.sampled_from([AUTH0, RFC9068]), HEADERS, CLAIMS, st.sampled_from(KEYS),
    st.lists(st.tuples(st.integers(0, 400), PIECES), max_size=2),
)  # fmt: skip
def test_a_request_is_refused_for_the_first_failure(
    profile: Any, header: Any, claims: Any, kind: str, pieces: list[tuple[int, bytes]]
) -> None:
    """Whatever is wrong with a token, and however much, the server says what stands first."""
    whole = changed({"alg": "ES256", "typ": TYP[profile], "kid": "P-256"}, **header)
    sent = assemble(whole, good_claims(profile, **claims), kind=kind)
    for at, piece in pieces:
        sent = sent[:at] + piece + sent[at:]
    outcome = attempt(lambda: server().verify_sync(sent), AuthError)
    told = explained(sent)
    expected = str(outcome.reason) if isinstance(outcome, AuthError) else None
    assert first_reason(told) == expected
    if expected is None:
        assert not unjudged(told)


# --- The rows ------------------------------------------------------------------------------------


def test_every_row_says_where_it_comes_from() -> None:
    """Steps 0 to 7 in their order, each row with its own rule and its source; the last are CHECKS."""
    assert [row.step for row in ROWS] == sorted(row.step for row in ROWS)
    assert {row.step for row in ROWS} == set(range(8))
    assert len({row.rule for row in ROWS}) == len(ROWS)
    assert all(row.source for row in ROWS)
    assert [row.rule for row in ROWS[-len(CHECKS) :]] == [check.rule for check in CHECKS]


HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "P-256"}
GOOD = good_claims(RFC9068)


@pytest.mark.parametrize(
    ("sent", "rules"),
    [
        (lambda: token(RFC9068, GOOD), []),
        (lambda: token(RFC9068, {**GOOD, "x": "x" * LONGEST}), ["it is no longer than the API reads"]),
        (lambda: token(RFC9068, GOOD) + b" ", ["it is one token68", "the signature is base64url"]),
        (lambda: b"opaque", ["it is a signed JWT, of three parts"]),
        (lambda: assemble(b"[]", GOOD), ["the header is one JSON object in base64url"]),
        (lambda: token(RFC9068, GOOD, crit=[]), ["the header demands no extension"]),
        (lambda: token(RFC9068, GOOD, alg=1), ["alg is a string"]),
        (lambda: token(RFC9068, GOOD, kid=1), ["kid is a string, if it is there"]),
        (lambda: token(RFC9068, GOOD, typ=1), ["typ is a string, if it is there"]),
        (lambda: token(RFC9068, GOOD)[:-1], ["the signature is base64url"]),
        (lambda: token(RFC9068, GOOD).replace(b".", b".+", 1), ["the claims are base64url"]),
        (lambda: assemble(HEADER, b"[]"), ["the claims are one JSON object"]),
        (
            lambda: token(RFC9068, {**GOOD, "iss": "https://nobody.test/"}),
            ["iss is an issuer that the API trusts"],
        ),
        (lambda: token(RFC9068, GOOD, typ="dpop+jwt"), ["typ marks an access token"]),
        (
            lambda: token(RFC9068, GOOD, alg="RS256"),
            ["alg is on the issuer's list", "exactly one key of the issuer fits"],
        ),
        (
            lambda: token(AUTH0, good_claims(AUTH0), kid=REMOVE),
            ["it names its key, where its profile must", "exactly one key of the issuer fits"],
        ),
        (lambda: token(RFC9068, GOOD, kid="nobody"), ["exactly one key of the issuer fits"]),
        (
            lambda: token(RFC9068, GOOD, kid="P-256-2"),
            ["the signature holds under the issuer's key"],
        ),
        (
            lambda: token(RFC9068, {**GOOD, "iss": "https://nobody.test/", "exp": 1, "aud": "x"}),
            [
                "iss is an issuer that the API trusts",
                "now lies between nbf and exp",
                "aud names this API",
            ],
        ),
    ],
)  # fmt: skip
def test_it_goes_on_after_a_failure(sent: Any, rules: list[str]) -> None:
    """Each of these tokens fails these rows, and no other; what can still be judged is judged."""
    assert failing(explained(sent())) == rules


def test_a_profile_that_is_not_accepted_still_judges_the_members() -> None:
    """The members are those of the profile that `typ` marks, accepted or not."""
    issuer = TrustedIssuer(ISSUER, algorithms=["ES256"], jwks={"keys": [jwk("P-256")]})
    of = ResourceServer(audience=API, issuers=[issuer])
    told = explain(facts(token(AUTH0, good_claims(AUTH0, azp=REMOVE)), of))
    assert [(one.failures[0].reason, one.failures[0].detail) for one in told if one.failures] == [
        (
            Reason.PROFILE_NOT_ACCEPTED,
            "the token is of the profile auth0, which is not accepted from this issuer",
        ),
        (Reason.MISSING_CLAIM, "azp is absent"),
    ]


@pytest.mark.parametrize(
    ("sent", "missing"),
    [
        (
            lambda: b"opaque",
            {"parts", "header", "payload", "token", "typ", "issuer", "profile"},
        ),
        (lambda: assemble(b"[]", GOOD), {"header", "typ", "profile", "alg", "kid", "key"}),
        (lambda: token(RFC9068, GOOD, typ=1), {"typ", "profile"}),
        (lambda: token(RFC9068, GOOD, alg=1), {"alg", "key"}),
        (lambda: token(RFC9068, GOOD, kid=1), {"kid", "key"}),
        (lambda: assemble(HEADER, b"[]"), {"token", "issuer"}),
        (lambda: token(RFC9068, GOOD)[:-1], {"signature"}),
        (lambda: token(RFC9068, {**GOOD, "iss": "https://nobody.test/"}), {"issuer", "key"}),
        (lambda: token(RFC9068, GOOD, kid="nobody"), {"key"}),
    ],
)
def test_what_is_not_judged_says_what_is_missing(sent: Any, missing: set[str]) -> None:
    """A row that cannot be judged has found nothing, and names the fact that it lacks."""
    told = explained(sent())
    assert set(unjudged(told).values()) == missing
    assert not [one for one in told if one.missing and one.failures]


def test_without_keys_the_rest_is_judged() -> None:
    """Keys that are not in hand cost the two checks that need them."""
    told = explained(token(RFC9068, GOOD), keys=False)
    assert unjudged(told) == {
        "exactly one key of the issuer fits": "keys",
        "the signature holds under the issuer's key": "key",
    }
    assert failing(told) == []
    late = explained(token(RFC9068, GOOD), keys=False, now=EXPIRES + 10)
    assert failing(late) == ["now lies between nbf and exp"]


def test_facts_show_nothing() -> None:
    """What was found out is the token's own, and is not printed."""
    found = facts(token(RFC9068, {**GOOD, "sub": "marker"}), server())
    explain(found)
    assert (found.token.claims["sub"], "marker" in repr(found)) == ("marker", False)


def test_a_shared_secret_is_a_key_like_another() -> None:
    """A token of an issuer with a secret is explained as well."""
    issuer = TrustedIssuer(ISSUER, secret=SECRET)
    assert isinstance(issuer.static_keys, KeySet)
    of = ResourceServer(audience=API, issuers=[issuer])
    sent = assemble({"alg": "HS256", "typ": "at+jwt"}, GOOD, alg="HS256", kind="secret")
    assert failing(explain(facts(sent, of))) == []
