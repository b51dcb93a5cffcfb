"""The local issuer's keys: what is published, how they rotate, and where the documents stand."""

import asyncio
import json
from typing import get_args

import pytest
from joserfc import jwt

from atjwt.errors import Reason
from atjwt.issuer import Algorithm
from atjwt.issuer.keys import SigningKey
from atjwt.testing import LocalIssuer
from tools.second_opinion import key_set, parts_of

ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@pytest.mark.filterwarnings("ignore:EdDSA is deprecated")
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_is_understood_by_a_second_library(algorithm: Algorithm) -> None:
    """Keys and signatures of all algorithms are those of the RFCs, says joserfc."""
    issuer = LocalIssuer(algorithm=algorithm)
    assert issuer.algorithm == algorithm
    keys = key_set(issuer.jwks())
    assert jwt.decode(issuer.token(), keys, algorithms=[algorithm]).header["alg"] == algorithm
    assert {key["alg"] for key in issuer.jwks()["keys"]} == {algorithm}


def test_an_unknown_algorithm_is_refused() -> None:
    """There is no issuer that signs by `none`."""
    with pytest.raises(ValueError, match="RS256"):
        LocalIssuer(algorithm="none")  # type: ignore[arg-type]


def test_the_published_keys_have_auth0s_members_and_nothing_private() -> None:
    """A JWK has kty, n, e, use, kid and alg, and no private member."""
    assert [set(key) for key in LocalIssuer().jwks()["keys"]] == [
        {"kty", "n", "e", "use", "kid", "alg"}
    ] * 2


@pytest.mark.parametrize(
    ("own", "other"), [("RS256", "ES256"), ("ES256", "ES384"), ("EdDSA", "RS256")]
)
def test_a_key_signs_by_what_its_type_can(own: str, other: str) -> None:
    """An RSA key may be asked for another RSA algorithm, and no key for one of another type."""
    with pytest.raises(ValueError, match="cannot sign"):
        SigningKey.generate(own).sign(b"", other)


def test_rotation_is_announced_and_keeps_old_tokens_good() -> None:
    """The next key is published before it signs, the previous one until it is withdrawn."""
    issuer = LocalIssuer(algorithm="ES256")
    current, following = (key["kid"] for key in issuer.jwks()["keys"])
    old = issuer.token()
    assert issuer.rotate_keys() == following
    assert [key["kid"] for key in issuer.jwks()["keys"]][::2] == [following, current]
    assert parts_of(issuer.token())[0]["kid"] == following
    assert jwt.decode(old, key_set(issuer.jwks()), algorithms=["ES256"]).header["kid"] == current
    assert issuer.withdraw() == current
    assert current not in {key["kid"] for key in issuer.jwks()["keys"]}


def test_two_rotations_keep_both_previous_keys_until_withdrawn_the_latest_first() -> None:
    """Without a name, `withdraw` takes the key that was current last."""
    issuer = LocalIssuer(algorithm="ES256")
    first = issuer.jwks()["keys"][0]["kid"]
    second = issuer.rotate_keys()
    issuer.rotate_keys()
    assert len(issuer.jwks()["keys"]) == 4
    assert [issuer.withdraw(), issuer.withdraw()] == [second, first]
    with pytest.raises(ValueError, match="rotate first"):
        issuer.withdraw()


def test_any_published_key_can_be_withdrawn_once() -> None:
    """Also the current one, so that a test can have good tokens of an unpublished key."""
    issuer = LocalIssuer(algorithm="ES256")
    kid = parts_of(issuer.token())[0]["kid"]
    issuer.withdraw(kid)
    assert kid not in {key["kid"] for key in issuer.jwks()["keys"]}
    with pytest.raises(ValueError, match="no published key"):
        issuer.withdraw(kid)


def test_an_ambiguous_pair_stays_until_it_is_withdrawn() -> None:
    """The two keys of one id are added once, go together, and are made anew after that."""
    issuer = LocalIssuer(algorithm="ES256")
    kids = [parts_of(issuer.broken(Reason.AMBIGUOUS_KEY))[0]["kid"] for _ in range(2)]
    assert kids[0] == kids[1]
    assert [key["kid"] for key in issuer.jwks()["keys"]].count(kids[0]) == 2
    issuer.withdraw(kids[0])
    assert len(issuer.jwks()["keys"]) == 2
    assert parts_of(issuer.broken(Reason.AMBIGUOUS_KEY))[0]["kid"] != kids[0]


def test_a_secret_is_in_no_repr() -> None:
    """Neither the client secret nor a private key shows when an issuer is printed."""
    issuer = LocalIssuer(algorithm="ES256")
    assert repr(issuer) == (
        "LocalIssuer(issuer='https://issuer.test/', audience='https://api.example.com/')"
    )
    assert issuer.client_secret not in repr(issuer._authority)
    assert "private" not in repr(issuer._authority.keys.current)


@pytest.mark.parametrize(
    ("identifier", "metadata_urls", "jwks_uri"),
    [
        (
            "https://issuer.test/",
            [
                "https://issuer.test/.well-known/openid-configuration",
                "https://issuer.test/.well-known/oauth-authorization-server",
            ],
            "https://issuer.test/.well-known/jwks.json",
        ),
        (
            "https://issuer.test/realms/a",
            [
                "https://issuer.test/realms/a/.well-known/openid-configuration",
                "https://issuer.test/.well-known/oauth-authorization-server/realms/a",
            ],
            "https://issuer.test/realms/a/.well-known/jwks.json",
        ),
    ],
)
def test_metadata_is_where_each_standard_puts_it(
    identifier: str, metadata_urls: list[str], jwks_uri: str
) -> None:
    """OpenID Connect appends to the issuer's path, RFC 8414 inserts before it."""
    issuer = LocalIssuer(issuer=identifier, algorithm="ES256")
    for url in metadata_urls:
        status, _, body = asyncio.run(issuer.fetch(url))
        assert (status, json.loads(body)) == (200, issuer.metadata())
    assert issuer.metadata()["issuer"] == identifier
    assert issuer.metadata()["jwks_uri"] == issuer.jwks_uri == jwks_uri
    assert issuer.metadata()["token_endpoint"] == issuer.token_endpoint
