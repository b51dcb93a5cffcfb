"""What can be wrong with a configuration: one sentence for each problem, with its fix."""

import math
from typing import Any

import pytest

from atjwt import AUTH0, RFC9068
from atjwt.core.configuration import (
    algorithm_problems,
    audience_problems,
    auth0_problems,
    is_loopback,
    number_problems,
    profile_problems,
    read_keys,
    renamed_problems,
    url_problems,
)
from atjwt.core.jwk import ALGORITHMS
from core.making import SECRET, jwk


@pytest.mark.parametrize(
    "host", ["localhost", "a.localhost", "127.0.0.1", "127.9.8.7", "::1", "0:0:0:0:0:0:0:1"]
)
def test_loopback(host: str) -> None:
    """These names and addresses are this machine."""
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    [
        "", "localhost.evil.example", "notlocalhost", "127.0.0.1.evil.example", "0.0.0.0", "::",
        "10.0.0.1", "169.254.169.254", "issuer.example", "2130706433", "0x7f.1", "127.1", "LOCALHOST.",
    ],
)  # fmt: skip
def test_no_loopback(host: str) -> None:
    """These are not, however much they look like it."""
    assert not is_loopback(host)


def test_no_host_is_no_loopback() -> None:
    """No host is no machine."""
    assert not is_loopback(None)


@pytest.mark.parametrize(
    "url",
    [
        "https://issuer.example", "https://issuer.example/", "https://issuer.example/a/b",
        "https://issuer.example:8443/", "HTTPS://issuer.example/", "https://[2001:db8::1]/",
        "http://localhost:3000/", "http://127.0.0.1/", "http://[::1]:8080", "http://a.localhost/",
    ],
)  # fmt: skip
def test_good_url(url: str) -> None:
    """https anywhere, http on this machine."""
    assert url_problems("issuer", url, unsafe_http=False) == []


@pytest.mark.parametrize(
    "url", ["http://issuer.example/", "http://10.0.0.1/", "http://localhost.evil.example/"]
)
def test_http(url: str) -> None:
    """http elsewhere is a problem unless somebody says otherwise."""
    (problem,) = url_problems("jwks_uri", url, unsafe_http=False)
    assert problem.startswith("jwks_uri: http is for loopback only")
    assert url_problems("jwks_uri", url, unsafe_http=True) == []


@pytest.mark.parametrize(
    "url",
    [
        None, True, 1, b"https://issuer.example/", [], "", "issuer.example", "/path", "https://",
        "https:///path", "https:issuer.example", "file:///etc/passwd", "ftp://issuer.example/",
        "urn:issuer", "data:,x", "https://[::1", "https://]/", "https://a\u2100b.example/",
        "https://issuer.example:port/", "https://issuer.example:99999/", "ws://issuer.example/",
    ],
    ids=repr,
)  # fmt: skip
@pytest.mark.parametrize("unsafe", [False, True], ids=["", "unsafe_http"])
def test_no_url(url: object, *, unsafe: bool) -> None:
    """What is no URL of http or https is a problem, and nothing but a sentence comes of it."""
    problems = url_problems("issuer", url, unsafe_http=unsafe)
    assert problems
    assert all(problem.startswith("issuer: ") for problem in problems)


@pytest.mark.parametrize(
    "url",
    [
        "https://user@issuer.example/", "https://user:pass@issuer.example/", "https://@issuer.example/",
        "https://issuer.example/?a=b", "https://issuer.example/?", "https://issuer.example/#a",
        "https://issuer.example/#", "https://issuer.example/a b", "https://issuer.example/\n",
        " https://issuer.example/", "https://issuer.example/\u00e9", "https://issuer.example/\x7f",
        "https://issuer.example\t/",
    ],
    ids=repr,
)  # fmt: skip
def test_forbidden_parts(url: str) -> None:
    """User, password, query, fragment, white space and foreign characters are taken out."""
    problems = url_problems("issuer", url, unsafe_http=False)
    assert "issuer: take the user, password, query, fragment or space out of it" in problems


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("https://acme.eu.auth0.com/", False), ("https://acme.eu.auth0.com", True),
        ("https://ACME.AUTH0.COM", True), ("https://login.acme.com", False), ("", False),
        ("https://auth0.com", False), ("https://notauth0.com", False), (None, False), (5, False),
        ("https://[::1", False), ("https://]/", False), ("https://a\u2100b", False),
    ],
    ids=repr,
)  # fmt: skip
def test_auth0_slash(issuer: object, *, problem: bool) -> None:
    """An Auth0 issuer without its slash is a problem, since each of its tokens would be refused."""
    problems = auth0_problems(issuer)
    assert bool(problems) is problem
    assert all("TrustedIssuer.auth0(" in text for text in problems)


@pytest.mark.parametrize("profiles", [{AUTH0}, {RFC9068}, {AUTH0, RFC9068}, [AUTH0], (RFC9068,)])
def test_profiles(profiles: object) -> None:
    """One profile or both, in any collection."""
    assert profile_problems(profiles) == []


@pytest.mark.parametrize(
    "profiles", [None, 1, "", "auth0", set(), [], ["auth0"], [AUTH0, "rfc9068"], AUTH0, [[]]], ids=repr
)  # fmt: skip
def test_no_profiles(profiles: object) -> None:
    """Nothing, and anything else, is a problem with a fix."""
    assert profile_problems(profiles) == ["profiles: give a set of AUTH0, RFC9068 or both"]


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_algorithms(alg: str) -> None:
    """Each algorithm of the table can be listed, HS256 with a secret only and then alone."""
    assert bool(algorithm_problems([alg], secret=False)) is (alg == "HS256")
    assert bool(algorithm_problems([alg], secret=True)) is (alg != "HS256")
    assert bool(algorithm_problems([alg, "HS256"], secret=True)) is (alg != "HS256")
    assert algorithm_problems([alg, "HS256"], secret=False)


@pytest.mark.parametrize(
    "algorithms", [None, 1, "RS256", iter(["RS256"]), ["none"], ["RS256", "NONE"], [["RS256"]], [None]],
    ids=lambda value: type(value).__name__ if hasattr(value, "__next__") else repr(value),
)  # fmt: skip
@pytest.mark.parametrize("secret", [False, True], ids=["", "secret"])
def test_no_algorithms(algorithms: object, *, secret: bool) -> None:
    """A bare name, and what is no algorithm of ours, is a problem; none never is one."""
    assert algorithm_problems(algorithms, secret=secret)


def test_unknown_algorithm_is_named() -> None:
    """An unknown algorithm is named, with those that there are."""
    (problem,) = algorithm_problems(["RS265", "RS256"], secret=False)
    assert "'RS265' is not one of" in problem
    assert all(alg in problem for alg in ALGORITHMS)


def test_bare_algorithm_is_listed() -> None:
    """A bare name is shown as the list that was meant."""
    assert "['RS256']" in algorithm_problems("RS256", secret=False)[0]


# --- keys ----------------------------------------------------------------------------------------


def test_no_keys() -> None:
    """Without keys of its own, or with an address of them, an issuer's keys are fetched."""
    assert read_keys(None, None, None) == ([], None)
    assert read_keys("https://issuer.example/keys", None, None) == ([], None)


@pytest.mark.parametrize("secret", [SECRET, SECRET.decode(), b"x" * 32, "é" * 16], ids=repr)
def test_secret(secret: bytes | str) -> None:
    """A secret of at least 32 bytes is the issuer's one key."""
    problems, keys = read_keys(None, None, secret)
    assert problems == []
    assert keys is not None
    assert keys.secret
    assert keys.keys[0].material == (secret.encode() if isinstance(secret, str) else secret)


@pytest.mark.parametrize(
    "secret",
    ["", b"", "x" * 31, b"x" * 31, 5, True, bytearray(40), "\ud800" * 40],
    ids=["nothing", "no bytes", "31", "31 bytes", "5", "True", "bytearray", "surrogates"],
)
def test_no_secret(secret: object) -> None:
    """A short secret, and one that is no text or bytes, is a problem that does not show it."""
    problems, keys = read_keys(None, None, secret)
    assert problems == ["secret: HS256 needs at least 32 bytes (RFC 7518 section 3.2)"]
    assert keys is None


def test_jwks() -> None:
    """A JWK Set is the issuer's keys."""
    problems, keys = read_keys(None, {"keys": [jwk("P-256")]}, None)
    assert problems == []
    assert keys is not None
    assert [key.kid for key in keys.keys] == ["P-256"]
    assert not keys.secret


@pytest.mark.parametrize(
    "jwks", [5, "{}", [], {}, {"keys": []}, {"keys": [{"kty": "oct", "k": "marker"}]}], ids=repr
)
def test_no_jwks(jwks: object) -> None:
    """What is no JWK Set with a usable public key is a problem that does not show it."""
    (problem,), keys = read_keys(None, jwks, None)
    assert problem.startswith("jwks: ")
    assert "marker" not in problem
    assert keys is None


@pytest.mark.parametrize(
    "sources", [("u", {}, None), ("u", None, "s"), (None, {}, "s"), ("u", {}, "s"), ("", "", "")]
)
def test_one_source_of_keys(sources: tuple[Any, Any, Any]) -> None:
    """Keys come from one source: two would leave open which is believed."""
    assert read_keys(*sources) == (["give one of jwks_uri, jwks and secret"], None)


# --- audience and numbers ------------------------------------------------------------------------


@pytest.mark.parametrize("audience", ["https://api.example/", ["a", "b"], ("a",), {"a"}, "urn:a b"])
def test_audience(audience: object) -> None:
    """One name, or several."""
    assert audience_problems(audience) == []


@pytest.mark.parametrize(
    "audience",
    [None, 5, True, "", " ", b"api", [], {}, [""], ["a", " "], ["a", None], [["a"]]],
    ids=repr,
)  # fmt: skip
def test_no_audience(audience: object) -> None:
    """No name, an empty one, or one that is no string."""
    (problem,) = audience_problems(audience)
    assert problem.startswith("audience: ")


def test_userinfo_is_no_audience() -> None:
    """/userinfo stands in every token of a user, so as an audience it would let in all of them."""
    for audience in ("https://acme.eu.auth0.com/userinfo", ["a", "https://x/userinfo"]):
        (problem,) = audience_problems(audience)
        assert "/userinfo" in problem


@pytest.mark.parametrize("value", [0, 10, 300, 0.5, 300.0])
def test_number(value: float) -> None:
    """A number from the least to the most, both included."""
    assert number_problems("leeway", value, 0, 300) == []


@pytest.mark.parametrize(
    "value", [-1, -0.1, 300.1, 301, math.nan, math.inf, True, False, None, "10", [], 10**400], ids=str
)  # fmt: skip
def test_no_number(value: object) -> None:
    """Anything else is a problem that says from what to what."""
    assert number_problems("leeway", value, 0, 300) == ["leeway: give a number from 0 to 300"]
    (problem,) = number_problems("leeway", value, 0, 300, whole=True)
    assert problem == "leeway: give a whole number from 0 to 300"


def test_whole_number() -> None:
    """Where a number counts something, it is whole."""
    assert number_problems("token_cache_size", 5, 0, 10, whole=True) == []
    for value in (5.0, 5.5):
        assert number_problems("token_cache_size", value, 0, 10, whole=True)


def test_an_empty_list_of_algorithms_is_no_default() -> None:
    """A list that came out empty is a problem, and does not mean the usual ones."""
    assert algorithm_problems([], secret=False) == [
        "algorithms: give at least one, or leave it out"
    ]


@pytest.mark.parametrize(
    "secret",
    ["-----BEGIN PUBLIC KEY-----\n" + "A" * 40, "ssh-rsa " + "A" * 40, '{"kty": "RSA"}' + "A" * 40],
    ids=["PEM", "ssh", "JWK"],
)
def test_a_published_key_is_no_secret(secret: str) -> None:
    """Whoever can read a public key could sign with it."""
    problems, keys = read_keys(None, None, secret)
    assert keys is None
    assert problems == ["secret: this is the key of a key pair, not a secret; give jwks=… instead"]


def test_blanks_around_an_audience_are_told() -> None:
    """They would refuse every good token."""
    assert audience_problems([" https://api.example.com/"]) == [
        "audience: take the blanks around it away; it is compared exactly"
    ]


# --- claims under a name of their own ------------------------------------------------------------


def test_renamed_claims() -> None:
    """A claim is read under its own name, or under one that means nothing else to a profile."""
    for name in ("https://acme.test/roles", "roles", "app_roles", None):
        assert renamed_problems({"roles": name}) == []
    assert renamed_problems({"roles": "permissions", "acr": "", "auth_time": 5}) == [
        "roles_claim: permissions means something else; give the claim it is in",
        "acr_claim: give the claim's name, or leave it out",
        "auth_time_claim: give the claim's name, or leave it out",
    ]
