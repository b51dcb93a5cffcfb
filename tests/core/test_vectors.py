"""The vectors, one by one, through `verify`; and the vectors' own upkeep.

`vectors/build.py` says what they are. Each is judged twice, with an event loop and without, and the
signatures are judged a third time by joserfc alone, so that a vector that is wrong about itself
does not pass for one that shows something.
"""

import asyncio
import json
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import JWKRegistry, Key, OctKey
from joserfc.jws import JWSRegistry

from atjwt import AuthError, Principal, Reason, ResourceServer
from vectors import loading
from vectors.build import ROOMS
from vectors.loading import Vector, fields, resource_server
from vectors.making import SECRET, Keys

CASES = loading.cases()
GOOD = [vector for vector in CASES if vector.reason is None]
FORGED = [vector for vector in CASES if vector.reason == Reason.INVALID_SIGNATURE]

# What no token can cause: these come from the request around it, the issuer, or a policy.
NOT_OF_A_TOKEN = {
    Reason.MISSING_TOKEN,
    Reason.MULTIPLE_CREDENTIALS,
    Reason.KEYS_UNAVAILABLE,
    Reason.MISSING_SCOPE,
    Reason.MISSING_PERMISSION,
    Reason.NO_PERMISSIONS_CLAIM,
    Reason.MISSING_ROLE,
    Reason.WRONG_CLAIM,
    Reason.WRONG_KIND,
    Reason.WRONG_CLIENT,
    Reason.WRONG_ORGANIZATION,
    Reason.MISSING_AUTHORIZATION_DETAIL,
    Reason.INSUFFICIENT_USER_AUTHENTICATION,
}


def named(vector: Vector) -> str:
    """The vector's id, for pytest."""
    return vector.id


def check(vector: Vector, verdict: Principal | AuthError) -> None:
    """Compares a verdict with what the vector expects."""
    if isinstance(verdict, AuthError):
        assert str(verdict.reason) == vector.reason, f"{vector.why} ({verdict})"
    else:
        assert vector.principal is not None, f"let in, though {vector.why}"
        got = fields(verdict)
        assert {name: got[name] for name in vector.principal} == vector.principal, vector.why


async def verdict_of(server: ResourceServer, vector: Vector) -> Principal | AuthError:
    """What the server says to the vector's token."""
    try:
        return await server.verify(vector.token)
    except AuthError as error:
        return error


@pytest.mark.parametrize("vector", CASES, ids=named)
def test_verify_gives_the_verdict_of_the_vector(vector: Vector) -> None:
    """Each token is let in as the principal, or refused for the reason, that the data names."""
    check(vector, asyncio.run(verdict_of(resource_server(vector), vector)))


@pytest.mark.parametrize("vector", CASES, ids=named)
def test_verify_sync_gives_the_same_verdict_twice(vector: Vector) -> None:
    """Without an event loop the verdict is the same, and the same again for a token seen before."""
    server = resource_server(vector)
    for _ in ("first", "again"):
        try:
            check(vector, server.verify_sync(vector.token))
        except AuthError as error:
            check(vector, error)


@pytest.mark.parametrize("vector", GOOD, ids=named)
def test_the_second_library_finds_each_good_signature_good(vector: Vector) -> None:
    """joserfc, asked alone, finds that a key of the set signed each token that is let in."""
    assert any(second_opinions(vector))


@pytest.mark.parametrize("vector", FORGED, ids=named)
def test_the_second_library_finds_each_forged_signature_forged(vector: Vector) -> None:
    """joserfc, asked alone, finds that no key the token names signed it."""
    opinions = list(second_opinions(vector))
    assert opinions
    assert not any(opinions)


def second_opinions(vector: Vector) -> Iterator[bool]:
    """For each key that the header can mean: does joserfc find that it signed the token?"""
    signing_input, _, signature = vector.token.rpartition(".")
    header, claims = (json.loads(decoded(part)) for part in signing_input.split("."))
    algorithm = JWSRegistry.algorithms[header["alg"]]
    issuer = next(one for one in vector.issuers if one["issuer"] == claims["iss"])
    for key in keys_of(issuer, header.get("kid")):
        try:
            yield algorithm.verify(signing_input.encode("ascii"), decoded(signature), key)
        except Exception:
            yield False  # a key of another type


def keys_of(issuer: loading.JSON, kid: str | None) -> Iterator[Key]:
    """The keys of an issuer that a token with this kid can mean, as joserfc reads them."""
    if "secret" in issuer:
        yield OctKey.import_key(issuer["secret"])
        return
    for jwk in issuer["jwks"]["keys"]:
        if isinstance(jwk, dict) and (kid is None or jwk.get("kid") == kid):
            bare = {name: jwk[name] for name in ("kty", "n", "e", "crv", "x", "y") if name in jwk}
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # weak keys are among them
                yield JWKRegistry.import_key(bare)


def decoded(segment: str) -> bytes:
    """The bytes of one segment."""
    return urlsafe_b64decode(segment + "=" * (-len(segment) % 4))


# --- Upkeep --------------------------------------------------------------------------------------


def documents() -> list[dict[str, Any]]:
    """The files as they are."""
    return [json.loads(path.read_text(encoding="ascii")) for path in loading.files()]


def test_there_are_many_and_each_has_a_name_of_its_own() -> None:
    """There are at least 150 cases, of both kinds, and no two share an id."""
    assert len(CASES) >= 150
    assert len(GOOD) >= 50
    names = [case["id"] for document in documents() for case in document["cases"]]
    assert len(set(names)) == len(names) == len(CASES)


@pytest.mark.parametrize("reason", sorted(set(Reason) - NOT_OF_A_TOKEN))
def test_each_reason_that_a_token_can_cause_has_a_vector(reason: Reason) -> None:
    """For every reason that a token alone can cause there is one that causes it."""
    assert any(vector.reason == reason for vector in CASES)


def test_every_case_says_why_and_whence() -> None:
    """Each case gives its reason in a sentence, its source, and a verdict that is one of two."""
    known = {str(reason) for reason in set(Reason) - NOT_OF_A_TOKEN}
    for vector in CASES:
        assert len(vector.why) >= 10, vector.id
        assert len(vector.source) >= 5, vector.id
        assert (vector.principal is None) == (vector.reason in known), vector.id
        assert vector.status == (
            200 if vector.reason is None else 400 if "credentials" in vector.reason else 401
        ), vector.id


def test_no_private_key_is_in_the_data() -> None:
    """No JWK of the files has a private member; the one secret there says what it is."""
    marked = urlsafe_b64encode(SECRET.encode()).rstrip(b"=").decode()
    assert SECRET.startswith("test-only-secret")
    for document in documents():
        for key_set in document["key_sets"].values():
            for jwk in key_set["keys"]:
                members = jwk if isinstance(jwk, dict) else {}
                assert not {"d", "p", "q", "dp", "dq", "qi", "oth"} & members.keys()
                assert members.get("k", marked) == marked
        for settings in document["settings"].values():
            assert settings.get("secret", SECRET) == SECRET
    for path in loading.files():
        assert "PRIVATE KEY" not in path.read_text(encoding="ascii")


def test_the_files_stay_small() -> None:
    """All files together stay below 700,000 bytes."""
    assert sum(path.stat().st_size for path in loading.files()) < 700_000


def test_the_files_are_what_the_builder_makes() -> None:
    """A new run of the builder gives the same cases in all but keys and signatures."""
    assert {path.stem for path in loading.files()} == set(ROOMS)
    keys = Keys()
    for path in loading.files():
        made = json.loads(ROOMS[path.stem](keys).text())
        kept = json.loads(path.read_text(encoding="ascii"))
        for document in (made, kept):
            for case in document["cases"]:
                del case["token"]
            document["key_sets"] = list(document["key_sets"])
        assert made == kept, f"{path.name}: run `python -m vectors.build` in tests"


def test_the_makers_do_not_know_the_verifier() -> None:
    """Nothing that makes vectors imports what they test, so one wrong table cannot pass."""
    here = Path(loading.__file__).parent
    for path in [here / "build.py", here / "making.py", *here.glob("cases_*.py")]:
        lines = path.read_text(encoding="utf-8").splitlines()
        assert not [line for line in lines if "import" in line and "atjwt" in line], path.name
