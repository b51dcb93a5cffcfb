"""Every threat of the table, as requests: refused with the right reason, and nothing else happens.

The keys of this file's issuer are in hand; `test_threats_keys.py` is about getting them.
"""

import ast
import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import ECKey

from atjwt import AUTH0, RFC9068, ConfigurationError, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import Event, TokenRefused
from atjwt.starlette import RequiresMiddleware
from web.asking import API, NOW, ask, bearer, reached, read_refusal, refusal
from web.forging import ABSENT, ISSUER, Forge, b64, public, rsa_key, sign
from web.threat_table import THREATS, Forging

ATTACKS = [
    pytest.param(reason, forging, id=f"{row.section} {row.threat} - {reason} {number}")
    for row in THREATS
    for reason, forgings in row.attacks.items()
    for number, forging in enumerate(forgings, 1)
]


@pytest.fixture(scope="module")
def forge() -> Forge:
    return Forge()


@pytest.fixture(scope="module")
def seen() -> list[Event]:
    return []


@pytest.fixture(scope="module")
def app(forge: Forge, seen: list[Event]) -> AccessTokenMiddleware:
    return _api(forge, observers=[seen.append])


def _api(forge: Forge, jwks: Any = None, **settings: Any) -> AccessTokenMiddleware:
    """An API that trusts the forge's issuer, and asks for one scope."""
    trusted = TrustedIssuer(
        ISSUER, profiles={AUTH0, RFC9068}, algorithms=["RS256", "PS256", "ES256"],
        jwks=jwks or forge.jwks(),
    )  # fmt: skip
    server = ResourceServer(
        audience=API, issuers=[trusted], leeway=10, clock=lambda: NOW, **settings
    )
    guarded = RequiresMiddleware(reached, scopes=["read:orders"])
    return AccessTokenMiddleware(guarded, resource_server=server)


@pytest.mark.parametrize("make", [Forge.token, Forge.auth0])
def test_what_the_attacks_are_made_of_is_good(
    app: AccessTokenMiddleware, forge: Forge, make: Forging
) -> None:
    """So that each attack is refused for what it changes and for nothing else."""
    assert ask(app, bearer(make(forge))).text == "reached"
    good_rsa = forge.token({"alg": "RS256", "kid": "rsa"}, signer=forge.by_rsa)
    assert ask(app, bearer(good_rsa)).text == "reached"


@pytest.mark.parametrize(("reason", "forging"), ATTACKS)
def test_the_attack_is_refused(
    app: AccessTokenMiddleware, forge: Forge, seen: list[Event], reason: Reason, forging: Forging
) -> None:
    """With 400, 401 or 403, a safe sentence, and the one reason that names the cause."""
    token = forging(forge)
    answer = ask(app, bearer(token))
    told = read_refusal(answer)
    status = {Reason.MALFORMED_CREDENTIALS: 400, Reason.MISSING_SCOPE: 403}.get(reason, 401)
    event = seen[-1]
    assert getattr(event, "reason", None) is reason
    assert told.status == status
    if isinstance(event, TokenRefused):
        assert event.fingerprint == hashlib.sha256(token).hexdigest()[:16]
    said = f"{event!r}{answer!r}"
    assert not any(len(part) > 16 and part.decode("latin-1") in said for part in token.split(b"."))


def test_every_threat_has_a_test() -> None:
    """A row without attacks names tests, and every name is that of a test of this folder."""
    tests = {
        node.name
        for path in Path(__file__).parent.glob("test_*.py")
        for node in ast.parse(path.read_text("utf-8")).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    for row in THREATS:
        assert row.attacks or row.tests, row.threat
        assert tests.issuperset(row.tests), (row.threat, set(row.tests) - tests)
    sections = [row.section for row in THREATS]
    rows = {"1.1": 11, "1.2": 11, "1.3": 10, "1.4": 11, "1.5": 6, "1.6": 11}
    assert {section: sections.count(section) for section in rows} == rows


# --- Rows that take more than one token -----------------------------------------------------------


def test_symmetric_keys_of_a_published_set_are_ignored(forge: Forge) -> None:
    """Whoever can read the set could sign with them."""
    shared = {"kty": "oct", "kid": "shared", "alg": "HS256", "k": b64(b"k" * 32).decode()}
    app = _api(forge, {"keys": [shared, *forge.jwks()["keys"]]})
    header = {"alg": "HS256", "kid": "shared"}
    token = forge.token(header, signer=lambda message: hmac.digest(b"k" * 32, message, "sha256"))
    assert refusal(app, bearer(token)).status == 401
    assert ask(app, bearer(forge.token())).status == 200


def _with_secret(secret: bytes) -> AccessTokenMiddleware:
    trusted = TrustedIssuer(ISSUER, secret=secret)
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW)
    return AccessTokenMiddleware(reached, resource_server=server)


def test_an_issuer_with_a_secret_has_no_other_algorithm(forge: Forge) -> None:
    """HS256 and nothing else; and no configuration mixes the two worlds."""
    secret = b"not a secret, but long enough for HS256"
    app = _with_secret(secret)
    good = forge.token({"alg": "HS256"}, signer=lambda m: hmac.digest(secret, m, "sha256"))
    assert ask(app, bearer(good)).status == 200
    for alg in ("ES256", "RS256", "none", "HS384", "HS512", "hs256"):
        assert refusal(app, bearer(forge.token({"alg": alg}))).status == 401
    for wrong in (
        {"secret": secret, "algorithms": ["HS256", "RS256"]},
        {"secret": secret, "jwks": forge.jwks()},
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"algorithms": ["NONE", "ES256"]},
        {"secret": b"short"},
    ):
        with pytest.raises(ConfigurationError):
            TrustedIssuer(ISSUER, **wrong)


def test_an_almost_right_mac_is_refused_like_any_other(forge: Forge) -> None:
    """One wrong byte at either end, one too few, one too many: the same answer."""
    secret = b"not a secret, but long enough for HS256"

    def told(change: Callable[[bytes], bytes]) -> object:
        token = forge.token(
            {"alg": "HS256"}, signer=lambda m: change(hmac.digest(secret, m, "sha256"))
        )
        return refusal(_with_secret(secret), bearer(token))

    changes: list[Callable[[bytes], bytes]] = [
        lambda mac: bytes([mac[0] ^ 1]) + mac[1:],
        lambda mac: mac[:-1] + bytes([mac[-1] ^ 1]),
        lambda mac: mac[:-1],
        lambda mac: mac + b"\0",
        lambda mac: b"",
    ]
    assert len({told(change) for change in changes}) == 1


def test_a_key_that_is_not_fit_verifies_nothing(forge: Forge) -> None:
    """Too short, of a small exponent, for encryption, not for verifying: published, never used."""
    weak, small = rsa_key(1024), rsa_key(2048, 3)
    wide = ECKey.generate_key("P-384")
    rows: list[tuple[dict[str, Any], Any, str]] = [
        (public(weak, "k"), weak, "RS256"),
        (public(small, "k"), small, "RS256"),
        (public(forge.rsa, "k", use="enc"), forge.rsa, "RS256"),
        (public(forge.rsa, "k", key_ops=["sign"]), forge.rsa, "RS256"),
        (public(forge.rsa, "k", key_ops=[]), forge.rsa, "RS256"),
        (public(forge.rsa, "k", alg="RSA-OAEP"), forge.rsa, "RS256"),
        (public(forge.rsa, "k", alg="PS256"), forge.rsa, "RS256"),
        (public(forge.ec, "k", crv="P-384"), forge.ec, "ES256"),
        (public(wide, "k"), wide, "ES384"),
        ({**forge.ec.as_dict(private=True), "kid": "k"}, forge.ec, "ES256"),
    ]
    for jwk, key, alg in rows:
        app = _api(forge, {"keys": [jwk, *forge.jwks()["keys"]]})
        token = forge.token({"alg": alg, "kid": "k"}, signer=lambda m: sign(m, key, alg))  # noqa: B023
        assert refusal(app, bearer(token)).status == 401, jwk
        assert ask(app, bearer(forge.token())).status == 200


def test_an_ambiguous_kid_is_refused(forge: Forge) -> None:
    """Two keys of one kid: neither is tried, whichever signed."""
    twins = [public(forge.ec, "ec", alg="ES256"), public(forge.stranger, "ec", alg="ES256")]
    app = _api(forge, {"keys": twins})
    for signer in (forge.by_ec, forge.by_stranger):
        told = refusal(app, bearer(forge.token(signer=signer)))
        assert told.sentence == "The access token's key is ambiguous."
    without_kid = _api(forge, {"keys": [twins[0], public(forge.stranger, "other", alg="ES256")]})
    assert refusal(without_kid, bearer(forge.token({"kid": ABSENT}))).status == 401


def test_one_bad_key_costs_only_itself(forge: Forge) -> None:
    """Whatever else stands in the set, a good key in it serves."""
    bad: list[Any] = [
        None, 5, "key", [], {}, {"kty": "RSA"}, {"kty": "RSA", "n": "!", "e": "AQAB"}, {"kty": ["RSA"]},
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"}, {"kty": "EC", "crv": "P-256", "x": "",
        "y": ""},
        {"kty": "OKP", "crv": "X25519", "x": "AA"}, {"kty": "OKP", "crv": "Ed25519", "x": ""},
        {"kty": "AKP", "alg": "ML-DSA-44", "pub": "AA"}, {"kty": "oct", "k": "AA"}, {"kty": "EC",
        "kid": 5},
        {**forge.jwks()["keys"][1], "kid": None}, {**forge.jwks()["keys"][1], "kid": "x",
        "key_ops": "verify"},
    ]  # fmt: skip
    app = _api(forge, {"keys": [*bad, *forge.jwks()["keys"], *bad]})
    assert ask(app, bearer(forge.token())).status == 200


def test_an_expiry_past_the_year_9999_is_an_expiry(forge: Forge) -> None:
    """A number that no date can be made of crashes nothing; a token with one simply holds."""
    app = _api(forge)
    for exp in (253_402_300_800, 2**53, 1e15):
        assert ask(app, bearer(forge.token(claims={"exp": exp}))).status == 200


def test_a_slash_too_few_is_named_in_the_log(
    forge: Forge, app: AccessTokenMiddleware, log: pytest.LogCaptureFixture
) -> None:
    """The one mistake that everybody makes is told to the owner, not to the stranger."""
    told = refusal(app, bearer(forge.token(claims={"iss": ISSUER[:-1]})))
    assert told.sentence == "The access token's issuer is not trusted here."
    assert "differs from a configured issuer in the slash" in log.records[-1].getMessage()


@pytest.mark.parametrize(
    "domain",
    ["tenant.eu.auth0.com", "https://tenant.eu.auth0.com", "https://tenant.eu.auth0.com/"],
)
def test_an_auth0_domain_is_given_its_slash_once(forge: Forge, domain: str) -> None:
    """However it is configured, `iss` is then compared exactly."""
    trusted = TrustedIssuer.auth0(domain, algorithms=["ES256"], jwks=forge.jwks())
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW)
    app = AccessTokenMiddleware(reached, resource_server=server)
    issuer = "https://tenant.eu.auth0.com"
    assert ask(app, bearer(forge.auth0(iss=f"{issuer}/"))).status == 200
    for iss in (issuer, f"{issuer}//", "tenant.eu.auth0.com", "https://tenant.us.auth0.com/"):
        assert refusal(app, bearer(forge.auth0(iss=iss))).status == 401


def test_issuer_and_audience_cannot_be_left_out(forge: Forge) -> None:
    """There is no way to build a resource server that does not check them."""
    trusted = TrustedIssuer(ISSUER, jwks=forge.jwks())
    for wrong in ({"audience": API}, {"issuers": [trusted]}):
        with pytest.raises(TypeError):
            ResourceServer(**wrong)
    for audience, issuers in (("", [trusted]), ([], [trusted]), (API, []), (None, [trusted])):
        with pytest.raises(ConfigurationError):
            ResourceServer(audience=audience, issuers=issuers)  # type: ignore[arg-type]


@pytest.mark.parametrize("leeway", [301, -1, float("inf"), float("nan"), True, "10", None])
def test_the_leeway_has_a_hard_limit(forge: Forge, leeway: Any) -> None:
    """A leeway that makes expiry meaningless is a configuration error."""
    trusted = TrustedIssuer(ISSUER, jwks=forge.jwks())
    with pytest.raises(ConfigurationError, match="leeway"):
        ResourceServer(audience=API, issuers=[trusted], leeway=leeway)


def test_one_issuers_key_signs_nothing_for_another() -> None:
    """Two issuers with the same kid: `iss` chooses the keys before the kid chooses the key."""
    ours, theirs = Forge(), Forge()
    neighbour = "https://neighbour.example.net"
    issuers = [
        TrustedIssuer(ISSUER, algorithms=["ES256"], jwks=ours.jwks()),
        TrustedIssuer(
            neighbour, algorithms=["ES256"],
            jwks={"keys": [*theirs.jwks()["keys"], public(theirs.stranger, "own", alg="ES256")]},
        ),
    ]  # fmt: skip
    server = ResourceServer(audience=API, issuers=issuers, clock=lambda: NOW)
    app = AccessTokenMiddleware(reached, resource_server=server)
    assert ask(app, bearer(ours.token())).status == 200
    assert ask(app, bearer(theirs.token(claims={"iss": neighbour}))).status == 200
    assert refusal(app, bearer(theirs.token())).status == 401
    assert refusal(app, bearer(ours.token(claims={"iss": neighbour}))).status == 401
    own = {"kid": "own"}
    good = theirs.token(own, {"iss": neighbour}, theirs.by_stranger)
    assert ask(app, bearer(good)).status == 200
    assert refusal(app, bearer(theirs.token(own, signer=theirs.by_stranger))).status == 401
