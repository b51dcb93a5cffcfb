"""An authorization server whose tokens are accepted, and what is accepted from it."""

import dataclasses
from typing import Any

import pytest

from atjwt import AUTH0, RFC9068, ConfigurationError, KeyPolicy, TrustedIssuer
from atjwt.core.trusted_issuer import trusted_issuer
from core.making import SECRET, jwk

ISSUER = "https://issuer.example.org"


def problems(*args: Any, **settings: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as caught:
        TrustedIssuer(*args, **settings)
    return caught.value.problems


def test_defaults() -> None:
    """By default an issuer's RFC 9068 tokens are accepted, by three algorithms."""
    issuer = TrustedIssuer(ISSUER)
    assert issuer.issuer == ISSUER
    assert issuer.profiles == {RFC9068}
    assert issuer.algorithms == {"RS256", "PS256", "ES256"}
    assert issuer.key_policy == KeyPolicy()
    assert (issuer.jwks_uri, issuer.tenant, issuer.static_keys) == (None, None, None)
    assert not issuer.unsafe_http
    assert not issuer.is_auth0


def test_collections_are_frozen() -> None:
    """What is given as a list or a set is kept as neither can be changed."""
    profiles, algorithms = [AUTH0, RFC9068], ["ES256"]
    issuer = TrustedIssuer(ISSUER, profiles=profiles, algorithms=algorithms)
    profiles.clear()
    algorithms.append("HS256")
    assert issuer.profiles == frozenset({AUTH0, RFC9068})
    assert issuer.algorithms == frozenset({"ES256"})
    with pytest.raises(dataclasses.FrozenInstanceError):
        issuer.issuer = "https://evil.example"  # type: ignore[misc]


def test_issuer_is_kept_as_written() -> None:
    """The identifier is compared as it is written, so nothing is added or taken away."""
    for issuer in ("https://issuer.example.org/", "https://Issuer.example.org", ISSUER + "/a/"):
        assert TrustedIssuer(issuer).issuer == issuer


def test_secret() -> None:
    """A secret makes HS256 the only algorithm, and is shown nowhere."""
    issuer = TrustedIssuer(ISSUER, secret=b"marker" * 8)
    assert issuer.algorithms == {"HS256"}
    assert issuer.static_keys is not None
    assert issuer.static_keys.secret
    assert "marker" not in f"{issuer} {issuer!r} {vars(issuer)}"
    assert "static_keys" not in repr(issuer)
    assert TrustedIssuer(ISSUER, secret=SECRET, algorithms=["HS256"]).algorithms == {"HS256"}


def test_jwks() -> None:
    """Keys that are brought along are the issuer's, and then http is no problem: nothing is fetched."""
    issuer = TrustedIssuer("http://issuer.example.org", jwks={"keys": [jwk("P-256")]})
    assert issuer.static_keys is not None
    assert [key.kid for key in issuer.static_keys.keys] == ["P-256"]
    assert jwk("P-256")["x"] not in f"{issuer} {issuer!r} {vars(issuer)}"


def test_unsafe_http() -> None:
    """http elsewhere than here has to be asked for, for the issuer as for its keys."""
    assert len(problems("http://issuer.example.org", jwks_uri="http://issuer.example.org/k")) == 2
    TrustedIssuer("http://issuer.example.org", jwks_uri="http://a.example/k", unsafe_http=True)
    TrustedIssuer("http://localhost:3000/")


def test_jwks_uri_is_checked() -> None:
    """The address of the keys is checked as the issuer is."""
    (problem,) = problems(ISSUER, jwks_uri="file:///etc/passwd")
    assert problem.startswith("TrustedIssuer: jwks_uri: ")
    assert TrustedIssuer(ISSUER, jwks_uri=ISSUER + "/k").jwks_uri == ISSUER + "/k"


def test_all_problems_together() -> None:
    """Every problem is reported, each in a sentence of its own that names the argument."""
    found = problems(
        "ftp://issuer.example.org", profiles={"auth0"}, algorithms=["none"], secret="short",
        key_policy=None,
    )  # fmt: skip
    words = ["secret", "issuer", "algorithms", "algorithms", "profiles", "key_policy"]
    assert [problem.split(": ")[1] for problem in found] == words
    assert all(problem.startswith("TrustedIssuer: ") for problem in found)
    assert "short" not in " ".join(found)


def test_problems_are_the_text() -> None:
    """The text of the error lists all problems."""
    with pytest.raises(ConfigurationError) as caught:
        TrustedIssuer("", algorithms=["none"])
    assert all(problem in str(caught.value) for problem in caught.value.problems)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("issuer", [None, 5, "", "https://]/", "https://a\u2100b/", "https://["])
def test_no_issuer(issuer: Any) -> None:
    """Whatever is given as an issuer, the only error is a configuration error."""
    assert problems(issuer)


@pytest.mark.parametrize("tenant", [5, "", " "], ids=repr)
def test_tenant(tenant: Any) -> None:
    """A tenant's name is a string with content, since it is part of the key of a row."""
    assert "tenant" in problems(ISSUER, tenant=tenant)[0]
    assert TrustedIssuer(ISSUER, tenant="acme").tenant == "acme"


# --- Auth0 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "domain",
    [
        "acme.eu.auth0.com", "acme.eu.auth0.com/", "https://acme.eu.auth0.com",
        "https://acme.eu.auth0.com/",
    ],
)  # fmt: skip
def test_auth0(domain: str) -> None:
    """Of a tenant's domain, however it is written, comes its one issuer identifier."""
    issuer = TrustedIssuer.auth0(domain)
    assert issuer.issuer == "https://acme.eu.auth0.com/"
    assert issuer.profiles == {AUTH0, RFC9068}
    assert issuer.algorithms == {"RS256", "PS256"}
    assert issuer.is_auth0


def test_auth0_settings() -> None:
    """A custom domain takes the same settings as any issuer."""
    policy = KeyPolicy(fresh=60)
    issuer = TrustedIssuer.auth0(
        "http://login.acme.com", profiles={AUTH0}, algorithms=["RS256"], tenant="acme",
        key_policy=policy, jwks_uri="http://login.acme.com/k", unsafe_http=True,
    )  # fmt: skip
    assert issuer.issuer == "http://login.acme.com/"
    assert issuer.profiles == {AUTH0}
    assert issuer.algorithms == {"RS256"}
    assert issuer.tenant == "acme"
    assert issuer.key_policy is policy
    assert issuer.jwks_uri == "http://login.acme.com/k"
    with_keys = TrustedIssuer.auth0("acme.eu.auth0.com", jwks={"keys": [jwk("rsa")]})
    assert with_keys.static_keys is not None


def test_auth0_secret() -> None:
    """A tenant's API that signs with a secret takes HS256; without one it cannot be asked for."""
    assert TrustedIssuer.auth0("a.auth0.com", secret=SECRET).algorithms == {"HS256"}
    assert TrustedIssuer.auth0("a.auth0.com", secret=None).algorithms == {"RS256", "PS256"}
    with pytest.raises(ConfigurationError, match=r"with a secret only HS256"):
        TrustedIssuer.auth0("a.auth0.com", secret=SECRET, algorithms=["RS256"])
    with pytest.raises(ConfigurationError, match=r"HS256 needs secret"):
        TrustedIssuer.auth0("a.auth0.com", algorithms=["HS256"])


@pytest.mark.parametrize(
    "domain",
    [
        None, 5, "", " ", "https://", "a.auth0.com/path", "https://a.auth0.com/path/", "[", "]",
        "a.auth0.com?x", "a b", "user@a.auth0.com", "ftp://a.auth0.com", "a\u2100b", "//a.auth0.com",
    ],
    ids=repr,
)  # fmt: skip
def test_no_auth0_domain(domain: Any) -> None:
    """What is no domain is a configuration error."""
    with pytest.raises(ConfigurationError):
        TrustedIssuer.auth0(domain)


def test_auth0_slash() -> None:
    """An Auth0 issuer that is written without its slash is refused, with the fix."""
    (problem,) = problems("https://acme.eu.auth0.com")
    assert 'TrustedIssuer.auth0("acme.eu.auth0.com")' in problem


# --- claims under a name of its own --------------------------------------------------------------

NAMES = {
    "roles_claim": "https://acme.test/roles",
    "auth_time_claim": "https://acme.test/auth_time",
    "acr_claim": "https://acme.test/acr",
}


def test_renamed() -> None:
    """What an Action adds under a name with a namespace is read as the claim that it stands for."""
    pairs = tuple((argument.removesuffix("_claim"), name) for argument, name in NAMES.items())
    for issuer in (
        TrustedIssuer(ISSUER, **NAMES),  # type: ignore[arg-type]
        TrustedIssuer.auth0("acme.eu.auth0.com", **NAMES),  # type: ignore[arg-type]
    ):
        assert issuer.renamed == pairs
        assert dataclasses.replace(issuer, tenant="acme").renamed == pairs
        assert dataclasses.replace(issuer, acr_claim=None).renamed == pairs[:2]
    assert TrustedIssuer(ISSUER).renamed == ()
    assert TrustedIssuer(ISSUER, acr_claim="acr").renamed == (("acr", "acr"),)
    with pytest.raises((TypeError, ValueError)):
        TrustedIssuer(ISSUER, renamed=pairs)  # type: ignore[call-arg]


@pytest.mark.parametrize("argument", NAMES)
@pytest.mark.parametrize("name", ["", " ", 5, ["roles"], True], ids=repr)
def test_no_claim_name(argument: str, name: Any) -> None:
    """The name of a claim is a string with content."""
    assert problems(ISSUER, **{argument: name}) == (
        f"TrustedIssuer: {argument}: give the claim's name, or leave it out",
    )


@pytest.mark.parametrize(
    ("argument", "name"),
    [
        ("roles_claim", "permissions"), ("roles_claim", "scope"), ("roles_claim", "sub"),
        ("auth_time_claim", "iat"), ("auth_time_claim", "exp"), ("acr_claim", "amr"),
        ("acr_claim", "client_id"), ("acr_claim", "azp"), ("acr_claim", "auth_time"),
    ],
)  # fmt: skip
def test_a_claim_that_means_something_else(argument: str, name: str) -> None:
    """No claim of the standard is read as another: an `iat` is no login, a permission is no role."""
    (problem,) = problems(ISSUER, **{argument: name})
    assert problem.startswith(f"TrustedIssuer: {argument}: {name} means something else; ")


# --- by its identifier alone ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "issuer",
    [
        "https://acme.eu.auth0.com/", "https://acme.eu.auth0.com", "acme.eu.auth0.com",
        "https://acme.us.auth0.com/",
    ],
)  # fmt: skip
def test_identifier_of_auth0(issuer: str) -> None:
    """On a host under auth0.com an identifier means a tenant, both profiles."""
    found = trusted_issuer(issuer)
    assert found.is_auth0
    assert found.profiles == {AUTH0, RFC9068}
    assert found.issuer.endswith(".auth0.com/")


@pytest.mark.parametrize(
    "issuer",
    [
        ISSUER, ISSUER + "/", "https://auth0.com.evil.example/", "https://evil-auth0.com/",
        "https://auth0.com/", "https://issuer.example.org/.auth0.com", "https://[::1]",
    ],
)  # fmt: skip
def test_identifier_of_others(issuer: str) -> None:
    """Elsewhere it means an issuer of RFC 9068 tokens, as it is written."""
    found = trusted_issuer(issuer)
    assert found.issuer == issuer
    assert found.profiles == {RFC9068}
    assert not found.is_auth0


def test_issuer_itself() -> None:
    """An issuer is taken as it is."""
    issuer = TrustedIssuer(ISSUER)
    assert trusted_issuer(issuer) is issuer


@pytest.mark.parametrize(
    "issuer",
    ["", "issuer.example.org", "https://[", "https://]/", "http://a.example", 5, None],
    ids=repr,
)  # fmt: skip
def test_no_identifier(issuer: Any) -> None:
    """What is no issuer identifier is a configuration error."""
    with pytest.raises(ConfigurationError):
        trusted_issuer(issuer)


@pytest.mark.parametrize("switch", ["false", 0, 1, None])
def test_unsafe_http_is_true_or_false(switch: Any) -> None:
    """What takes TLS away is not left to truthiness."""
    assert problems(ISSUER, unsafe_http=switch) == (
        "TrustedIssuer: unsafe_http: give True or False",
    )
