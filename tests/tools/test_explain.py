"""`atjwt.explain`: what is told of a token, what is fetched for it, and what is never told."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import (
    AUTH0,
    RFC9068,
    AuthError,
    ConfigurationError,
    KeyPolicy,
    Policy,
    Reason,
    ResourceServer,
    TrustedIssuer,
    has_permission,
    has_scope,
)
from atjwt.cli.pasted import take_token
from atjwt.explain import Check, Explanation, explain, fitting, spoken
from atjwt.issuer.broken import NOT_BY_A_TOKEN
from atjwt.issuer.tokens import DIALECTS, REMOVE
from atjwt.testing import LocalIssuer
from core.making import VALUES
from vectors import loading
from vectors.loading import Vector

NOW = 1_790_000_000.0
TENANT = "https://tenant.eu.auth0.com/"
API = "https://api.example.com/"
BY_A_TOKEN = [reason for reason in Reason if reason not in NOT_BY_A_TOKEN]


STRANGE = LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture(scope="module")
def keyed() -> LocalIssuer:
    """An issuer whose keys are made once."""
    return LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def issuer(keyed: LocalIssuer) -> Iterator[LocalIssuer]:
    """The issuer, put right again after each test."""
    yield keyed
    keyed.faults.clear()


def api(issuer: LocalIssuer, **settings: Any) -> ResourceServer:
    """An API that trusts the tenant, over the issuer's own fetch."""
    settings = {"profiles": {AUTH0, RFC9068}, "algorithms": ["ES256"], **settings}
    trusted = TrustedIssuer(TENANT, **settings)
    return ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch)


def failing(found: Explanation) -> list[Check]:
    return [check for check in found.checks if check.verdict == "FAILS"]


# --- As the server does ---------------------------------------------------------------------------


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("reason", BY_A_TOKEN)
def test_it_says_what_the_server_says(issuer: LocalIssuer, reason: Reason, dialect: Any) -> None:
    """For each reason and dialect; where the token is good in itself, both let it in."""
    narrow = {"profiles": {RFC9068 if "rfc" in dialect else AUTH0}}
    server = api(issuer, **(narrow if reason is Reason.PROFILE_NOT_ACCEPTED else {}))
    try:
        token = issuer.broken(reason, dialect=dialect)
    except ValueError:  # this dialect cannot have that
        token = issuer.broken(reason)
    said = None
    try:
        server.verify_sync(token)
    except AuthError as error:
        said = error
    found = explain(token, server)
    assert found.reason == (None if said is None else said.reason)
    assert found.verdict == ("accepted" if said is None else "refused")
    assert (said is None) == (found.fix == "") == (found.status is None)
    if said is not None:
        assert found.status == server.challenge(said).status
        assert all(check.fix and check.details for check in failing(found))


@pytest.mark.parametrize("vector", loading.cases(), ids=lambda vector: vector.id)
def test_it_says_what_the_vector_says(vector: Vector) -> None:
    """Also of the strangest tokens; each that is refused has a fix."""
    found = explain(vector.token, loading.resource_server(vector))
    assert found.reason == vector.reason, vector.why
    assert found.verdict == ("accepted" if vector.reason is None else "refused")
    assert (found.status or 200) == vector.status
    assert all(check.fix for check in failing(found))


@given(
    st.dictionaries(
        st.sampled_from(
            ["iss", "aud", "azp", "client_id", "exp", "nbf", "iat", "typ", "permissions"]
        ),
        st.sampled_from(VALUES) | st.just("https://tenant.eu.auth0.com:x"),
        max_size=5,
    ),
    st.sampled_from(DIALECTS),
    st.sampled_from([0, NOW, 1e300, -1e300]),
)
def test_nothing_is_too_strange(claims: Any, dialect: Any, now: float) -> None:
    """Claims of any JSON type, at any time: told, in JSON too, and with a fix for what fails."""
    found = explain(STRANGE.token(dialect=dialect, claims=claims), api(STRANGE), now=now)
    assert json.loads(json.dumps(found.as_json()))["checks"]
    assert all(check.fix for check in failing(found))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_good_token_is_told_whole(issuer: LocalIssuer, dialect: Any) -> None:
    """Fingerprint, profile, what is proven of the dialect, names, times, kind: all of it."""
    permissions: dict[str, Any] = (
        {"permissions": ["read:orders"]} if dialect.endswith("_authz") else {}
    )
    token = issuer.token(dialect=dialect, lifetime=3600, **permissions)
    found = explain(token, api(issuer))
    plain = dialect.removesuffix("_authz")
    told = dialect if permissions else f"{plain}, or {plain}_authz with RBAC off"
    assert (found.verdict, found.reason, found.status, found.answer) == ("accepted",) + (None,) * 3
    assert (found.issuer, found.dialect, found.kind) == (TENANT, told, "user")
    assert found.profile == ("auth0" if dialect.startswith("access") else "rfc9068")
    assert found.proven
    assert found.times == {"iat": 0, "exp": 3600}
    assert {"aud", "exp", "iss", "sub"} <= set(found.claims)
    assert found.keys.endswith(" keys, fetched from the issuer")
    assert {check.verdict for check in found.checks} == {"holds"}
    assert len(found.fingerprint) == 16


def test_only_an_auth0_issuer_has_dialects(issuer: LocalIssuer) -> None:
    """Whatever the claims look like: elsewhere there is a profile, and no dialect."""
    other = "https://issuer.example.org/"
    token = issuer.token(dialect="rfc9068_profile", claims={"iss": other})
    trusted = TrustedIssuer(other, algorithms=["ES256"], jwks=issuer.jwks())
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW)
    found = explain(token, server)
    assert (found.verdict, found.profile, found.dialect) == ("accepted", "rfc9068", None)
    assert found.keys.endswith("given")


def test_json_says_the_same(issuer: LocalIssuer) -> None:
    """Of JSON's own types, with the fix."""
    found = explain(issuer.broken(Reason.EXPIRED), api(issuer))
    whole = found.as_json()
    assert json.loads(json.dumps(whole)) == whole
    assert (whole["verdict"], whole["reason"], whole["status"]) == ("refused", "expired", 401)
    assert whole["fix"] == found.fix
    assert whole["checks"][0] == {  # type: ignore[index]
        "step": 0,
        "rule": "it is no longer than the API reads",
        "source": "ResourceServer.max_token_size",
        "verdict": "holds",
        "reasons": [],
        "details": [],
        "fix": "",
    }


# --- What would mend it ---------------------------------------------------------------------------

FIXES: dict[str, tuple[Any, str]] = {
    "issuer, no slash": (
        lambda i: i.token(claims={"iss": TENANT[:-1]}), "iss has no slash at its end: write",
    ),
    "issuer, another case": (
        lambda i: i.token(claims={"iss": TENANT.upper()}), "has the host of a configured issuer",
    ),
    "another issuer": (
        lambda i: i.broken(Reason.UNKNOWN_ISSUER), "another authorization server or tenant",
    ),
    "audience, no slash": (
        lambda i: i.token(audience=API[:-1]), "differ in the slash at their end only",
    ),
    "another audience": (
        lambda i: i.broken(Reason.WRONG_AUDIENCE), "audience= and this API's identifier",
    ),
    "userinfo": (
        lambda i: i.token(audience=f"{TENANT}userinfo"), "the issuer's own /userinfo",
    ),
    "audience is the client": (
        lambda i: i.token(audience="c1", client_id="c1"), "as in an ID token",
    ),
    "ID token": (lambda i: i.broken(Reason.ID_TOKEN), "not its id_token"),
    "opaque": (lambda i: i.broken(Reason.OPAQUE_TOKEN), "no audience was asked for"),
    "cut off": (lambda i: i.token().rpartition(".")[0], "cut off"),
    "encrypted": (lambda i: i.broken(Reason.ENCRYPTED_TOKEN), "JWE"),
    "large": (
        lambda i: i.broken(Reason.TOKEN_TOO_LARGE), "bytes and the API reads 16384: put fewer",
    ),
    "expired": (lambda i: i.broken(Reason.EXPIRED), "it expired 1 h ago: get a new one"),
    "not yet": (lambda i: i.broken(Reason.NOT_YET_VALID), "it is valid in 1 h only: a clock"),
    "withdrawn key": (lambda i: i.broken(Reason.UNKNOWN_KEY), "withdrawn after a rotation"),
    "no typ": (lambda i: i.token(header={"typ": REMOVE}), "has a typ"),
    "another typ": (lambda i: i.broken(Reason.WRONG_TYPE), "another kind of token"),
    "HS256": (lambda i: i.broken(Reason.ALGORITHM_NOT_ALLOWED), "a shared secret"),
    "alg is missing on the list": (
        lambda i: i.token(header={"alg": "ES512"}), "signed by ES512: add that",
    ),
    "none": (lambda i: i.token(header={"alg": "none"}), "no signature of that kind"),
    "typ JWT, claims of RFC 9068": (
        lambda i: i.token(dialect="rfc9068_profile", header={"typ": "JWT"}),
        "its typ is that of Auth0's profile",
    ),
    "client_id is missing": (
        lambda i: i.token(dialect="rfc9068_profile", claims={"client_id": REMOVE}),
        "the profile rfc9068 requires that claim",
    ),
    "iss and typ are missing": (
        lambda i: i.token(claims={"iss": REMOVE}, header={"typ": REMOVE}),
        "every profile requires that claim",
    ),
    "bound": (lambda i: i.broken(Reason.BOUND_TOKEN), "DPoP or mutual TLS"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIXES)
def test_the_fix_fits(issuer: LocalIssuer, name: str) -> None:
    """Each usual mistake is told from its neighbours, and by its own remedy."""
    make, words = FIXES[name]
    assert words in explain(make(issuer), api(issuer)).fix


def test_a_profile_that_is_not_accepted_names_the_setting(issuer: LocalIssuer) -> None:
    """Widening `profiles` is the fix, and is written as code, variable and argument."""
    token = issuer.token(dialect="access_token")
    found = explain(token, api(issuer, profiles={RFC9068}))
    assert found.reason is Reason.PROFILE_NOT_ACCEPTED
    assert "profiles={AUTH0, RFC9068}" in found.fix
    assert "--profiles auth0,rfc9068" in found.fix
    assert "custom domain" not in found.fix


def test_an_issuer_that_may_be_auth0_is_asked_about(issuer: LocalIssuer) -> None:
    """Where Auth0's profile comes from a domain that is not known as Auth0's, that is the fix."""
    other = "https://login.shop.example/"
    trusted = TrustedIssuer(other, algorithms=["ES256"], jwks=issuer.jwks())
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW)
    found = explain(issuer.token(dialect="access_token", claims={"iss": other}), server)
    assert found.reason is Reason.PROFILE_NOT_ACCEPTED
    assert found.fix.startswith("if this is a custom domain of Auth0, or the local issuer, give")
    assert "TrustedIssuer.auth0(…)" in found.fix


def test_what_is_missing_is_the_first_of_its_chain(issuer: LocalIssuer) -> None:
    """A check that lacks what another lacked too names that one's reason, not its own."""
    for token, details in (
        ("opaque", {"its three parts could not be told apart"}),
        ("!." + issuer.token().partition(".")[2], {"the header could not be read"}),
        (issuer.broken(Reason.UNKNOWN_ISSUER), {"the issuer is not known here"}),
        (issuer.broken(Reason.UNKNOWN_KEY), {"the key is not known"}),
    ):
        checks = explain(token, api(issuer)).checks
        unjudged = [check for check in checks if check.verdict == "not judged"]
        assert {detail for check in unjudged for detail in check.details} == details


def test_guards_answer_for_its_principal(issuer: LocalIssuer) -> None:
    """All policies of a guard must be met; one without any lets in whoever is authenticated."""
    orders, admin = has_scope("read:orders"), has_permission("orders:admin")
    guards: list[list[Policy]] = [[], [orders], [admin], [orders, admin]]
    token = issuer.token(dialect="access_token", scopes=["read:orders"])
    found = explain(token, api(issuer), guards=guards)
    assert found.allowed == (True, True, False, False)
    assert explain(token, api(issuer)).allowed == ()
    assert explain(issuer.broken(Reason.EXPIRED), api(issuer), guards=guards).allowed == ()
    nobody = explain(issuer.token(subject="anon@1234-5678-90"), api(issuer), guards=[[]])
    assert nobody.allowed == (False,)


def test_a_token_is_meant_for_who_trusts_its_issuer_and_has_its_audience(
    issuer: LocalIssuer,
) -> None:
    """In the order of the resource servers; nothing is fetched for that."""
    asked: list[str] = []

    async def fetch(url: str) -> Any:
        asked.append(url)
        return await issuer.fetch(url)

    trusted = TrustedIssuer(TENANT, algorithms=["ES256"])
    ours = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=fetch)
    other = ResourceServer(audience="https://b.example.com/", issuers=ours.issuers)
    stranger = ResourceServer(audience=API, issuers=[TrustedIssuer("https://b.example.org/")])
    assert fitting(issuer.token(), [stranger, other, ours]) == (ours,)
    assert fitting(issuer.token(), [ours, ours]) == (ours, ours)
    assert fitting("opaque", [ours]) == ()
    assert not asked


def test_an_anonymous_session_is_told(issuer: LocalIssuer) -> None:
    """It is accepted, and then stopped by what lets no anonymous caller in."""
    found = explain(issuer.token(subject="anon@1234-5678-90"), api(issuer))
    assert (found.verdict, found.kind) == ("accepted", "anonymous")
    assert any("anonymous=True" in note for note in found.notes)


def test_a_clock_that_is_off_is_told(issuer: LocalIssuer) -> None:
    """A token of the future is accepted, and says by how much clocks differ."""
    found = explain(issuer.token(claims={"iat": NOW + 90, "gty": "x"}), api(issuer))
    assert found.verdict == "accepted"
    assert any("issued 1 min 30 s from now" in note for note in found.notes)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"), (0.4, "0 s"), (1, "1 s"), (-192, "3 min 12 s"), (3600, "1 h"), (3601, "1 h 1 s"),
        (90_061, "1 d 1 h"), (86_400 * 30, "30 d"),
    ],
)  # fmt: skip
def test_times_are_spoken(seconds: float, said: str) -> None:
    """By their two largest units, whichever way they lie."""
    assert spoken(seconds) == said


# --- Keys -----------------------------------------------------------------------------------------


def test_the_time_can_be_another(issuer: LocalIssuer) -> None:
    """`now` moves the judgement, and not the fetch."""
    token = issuer.token(lifetime=60)
    assert explain(token, api(issuer), now=NOW + 69).verdict == "accepted"
    found = explain(token, api(issuer), now=NOW + 70)
    assert (found.reason, found.times["exp"]) == (Reason.EXPIRED, -10)


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        ({"down": True}, "cannot be fetched: metadata: answered 503"),
        ({"garbage": True}, "cannot be fetched: metadata: not JSON"),
        ({"on": ["jwks"], "empty": True}, "cannot be fetched: keys: no usable key in the set"),
        ({"on": ["metadata"], "lying": True}, "cannot be fetched: metadata: its issuer is not the"),
    ],
)
def test_without_keys_it_says_so(issuer: LocalIssuer, fault: Any, why: str) -> None:
    """What needs keys is not judged, the answer would be 503, and what fails without them fails."""
    issuer.faults.set(**fault)
    found = explain(issuer.token(), api(issuer))
    assert (found.verdict, found.reason, found.status) == ("not judged", "keys_unavailable", 503)
    assert found.keys.startswith(why)
    unjudged = [check for check in found.checks if check.verdict == "not judged"]
    assert [check.step for check in unjudged] == [4, 5]
    assert "doctor" in found.fix
    found = explain(issuer.broken(Reason.EXPIRED), api(issuer))
    assert (found.verdict, found.reason, found.proven) == ("refused", Reason.EXPIRED, False)


def test_a_fetch_without_end_ends(issuer: LocalIssuer) -> None:
    """Also one that blocks its thread: the time limit of the key policy holds."""
    stopped = threading.Event()

    async def fetch(url: str) -> Any:
        stopped.wait(30)
        return 503, {}, b""

    trusted = TrustedIssuer(TENANT, key_policy=KeyPolicy(timeout=0.02))
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=fetch)
    found = explain(issuer.token(), server)
    stopped.set()
    assert (found.verdict, found.keys) == (
        "not judged",
        "cannot be fetched: no answer, and no end",
    )


def test_offline_nothing_is_fetched(issuer: LocalIssuer) -> None:
    """Without keys that is no verdict; with keys handed in it is."""
    asked: list[str] = []

    async def fetch(url: str) -> Any:
        asked.append(url)
        return await issuer.fetch(url)

    trusted = TrustedIssuer(TENANT, algorithms=["ES256"])
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=fetch)
    found = explain(issuer.token(dialect="rfc9068_profile"), server, offline=True)
    assert (found.verdict, found.reason, found.keys) == ("not judged", None, "not fetched: offline")
    assert "--jwks" in found.fix
    token = issuer.token(dialect="rfc9068_profile")
    assert explain(token, server, keys=issuer.jwks(), offline=True).verdict == "accepted"
    assert explain(issuer.broken(Reason.UNKNOWN_ISSUER), server).keys.startswith("not asked for")
    assert not asked
    with pytest.raises(ConfigurationError, match="jwks: no usable key in the set"):
        explain(token, server, keys={"keys": []})


def test_a_token_makes_nobody_ask_its_own_issuer(issuer: LocalIssuer) -> None:
    """What is fetched is the configured issuer's, whatever `iss`, `jku` and `x5u` say."""
    asked: list[str] = []

    async def fetch(url: str) -> Any:
        asked.append(url)
        return await issuer.fetch(url)

    server = ResourceServer(
        audience=API, issuers=[TrustedIssuer.auth0(TENANT, algorithms=["ES256"])],
        clock=lambda: NOW, fetch=fetch,
    )  # fmt: skip
    evil = "https://evil.example/"
    explain(issuer.token(claims={"iss": evil}), server)
    explain(issuer.token(header={"jku": evil, "x5u": evil}), server)
    assert asked
    assert all(url.startswith(TENANT) for url in asked)


# --- What is never told ---------------------------------------------------------------------------


def test_no_value_of_a_claim_is_told(issuer: LocalIssuer) -> None:
    """Names are; a name of a stranger is made printable."""
    secret = "marker-of-a-value"
    claims: dict[str, object] = {
        **dict.fromkeys(("iss", "sub", "aud", "azp", "client_id", "jti", "scope", "nonce"), secret)
    }
    claims |= {"cnf": {secret: secret}, "exp": secret, "\x1b[31m\n": 1}
    for token in (issuer.token(claims=claims), issuer.token(claims={"sub": secret, "gty": secret})):
        found = explain(token, api(issuer))
        assert secret not in json.dumps(found.as_json()) + repr(found)
        assert token not in repr(found)
    assert "\\x1b[31m\\n" in explain(issuer.token(claims=claims), api(issuer)).claims


def test_many_names_are_cut(issuer: LocalIssuer) -> None:
    """Fifty are shown, and how many more there are."""
    found = explain(issuer.token(claims={f"c{n}": n for n in range(100)}), api(issuer))
    assert len(found.claims) == 51
    assert found.claims[-1] == "and 58 more"


# --- What people paste ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pasted", "out_of"),
    [
        ("a.b.c", ""),
        (" a.b.c\r\n", ""),
        ('"a.b.c"', "quotes"),
        ("'a.b.c',", "quotes"),
        ("Bearer a.b.c", "the scheme Bearer"),
        ("bearer  a.b.c", "the scheme Bearer"),
        ("Authorization: Bearer a.b.c", "a header and the scheme Bearer"),
        ("'authorization:Bearer a.b.c'", "quotes and a header and the scheme Bearer"),
        ('Authorization: "Bearer a.b.c"', "quotes and a header and the scheme Bearer"),
        ('{"access_token": "a.b.c", "id_token": "x"}', "a token response"),
    ],
)
def test_the_token_is_taken_out(pasted: str, out_of: str) -> None:
    """Of whatever people paste, and it is said of what."""
    assert take_token(pasted) == ("a.b.c", out_of)
    assert "a.b.c" not in repr(take_token(pasted))


@pytest.mark.parametrize("pasted", ["{", '{"id_token": "x"}', '{"access_token": 1}', "{}"])
def test_a_response_without_token_is_refused(pasted: str) -> None:
    """And nothing of it is repeated."""
    with pytest.raises(ValueError, match="no token response with an access_token"):
        take_token(pasted)
