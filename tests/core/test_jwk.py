"""One key set as it is published → keys that can verify."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt.core.jwk import ALGORITHMS, VerificationKey
from atjwt.core.key_set import MAX_KEYS, KeySet, parse_key_set, read_key_set, secret_key_set
from core.making import (
    REMOVE,
    SECRET,
    SIGNERS,
    base64url,
    json_text,
    jwk,
    sign,
    verification_key,
)

MESSAGE = b"header.claims"
KINDS = ("rsa", "P-256", "P-384", "P-521", "Ed25519", "Ed448")


def one(member: object) -> VerificationKey:
    """How a member of a set is read, beside a good one."""
    keys = read_key_set({"keys": [member, jwk("P-256-2")]}).keys
    assert len(keys) == 2
    return keys[0]


def why_skipped(member: object) -> str:
    """Why a member is skipped, beside a good one that is not."""
    read = read_key_set({"keys": [member, jwk("P-256-2")]})
    assert [key.kid for key in read.keys] == ["P-256-2"]
    (why,) = read.skipped
    assert why.startswith("key 0: ")
    return why.removeprefix("key 0: ")


def rsa_of(bits: int, exponent: int = 65537) -> dict[str, Any]:
    """A public RSA JWK of a size, made up: nobody can sign with it."""
    modulus = (1 << (bits - 1)) + 1
    numbers = {"n": modulus, "e": exponent}
    written = {
        name: base64url(number.to_bytes((number.bit_length() + 7) // 8, "big")).decode()
        for name, number in numbers.items()
    }
    return {"kty": "RSA", "kid": "r", **written}


# --- algorithms ----------------------------------------------------------------------------------


def test_algorithms() -> None:
    """These algorithms can be configured and no other; none and its like are not among them."""
    assert ALGORITHMS.keys() == SIGNERS.keys()
    assert not {"none", "None", "", "HS384", "HS512", "ES256K", "RSA1_5"} & ALGORITHMS.keys()


SIGNATURES = [(alg, kind) for alg in ALGORITHMS for kind in SIGNERS[alg]]


@pytest.mark.parametrize(("alg", "kind"), SIGNATURES)
def test_signature(alg: str, kind: str) -> None:
    """A signature of a second library holds, for what was signed and for nothing else."""
    key = verification_key(kind)
    signature = sign(alg, MESSAGE, kind)
    assert key.verify(alg, MESSAGE, signature)
    assert not key.verify(alg, MESSAGE + b"x", signature)
    assert not key.verify(alg, b"", signature)
    broken = bytearray(signature)
    broken[len(broken) // 2] ^= 1
    zeros = bytes(len(signature))
    forms = (b"", signature[:-1], signature + b"\0", b"\0" + signature, bytes(broken), zeros)
    for form in forms:
        assert not key.verify(alg, MESSAGE, form)


@pytest.mark.parametrize(("alg", "kind"), SIGNATURES)
def test_signature_of_another_algorithm(alg: str, kind: str) -> None:
    """A signature holds under the algorithm by which it was made, and under no other of the key."""
    # EdDSA is the older name of what RFC 9864 calls by the curve.
    same = {alg} | ({"EdDSA", kind} if ALGORITHMS[alg].kty == "OKP" else set())
    for other in verification_key(kind).algorithms - same:
        assert not verification_key(kind).verify(other, MESSAGE, sign(alg, MESSAGE, kind))


@pytest.mark.parametrize(("kind", "another"), [("rsa", "rsa-2"), ("P-256", "P-256-2")])
def test_signature_of_another_key(kind: str, another: str) -> None:
    """A signature of another key of the same kind does not hold."""
    for alg in verification_key(kind).algorithms:
        assert not verification_key(kind).verify(alg, MESSAGE, sign(alg, MESSAGE, another))


# --- what a JWK may verify -----------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_key_fits(kind: str) -> None:
    """A key verifies the algorithms of its type and curve, and no other."""
    key = one(jwk(kind))
    assert key.kid == kind
    assert key.algorithms == {alg for alg, kinds in SIGNERS.items() if kind in kinds}
    assert not key.unusable


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("alg", [*ALGORITHMS, "none", "RSA-OAEP", ""])
def test_key_with_alg(kind: str, alg: str) -> None:
    """A key that names its algorithm verifies that one, if it fits, and no other."""
    key = one(jwk(kind, alg=alg))
    assert key.algorithms == ({alg} if kind in SIGNERS.get(alg, ()) else set())
    assert bool(key.unusable) is not bool(key.algorithms)


@pytest.mark.parametrize(
    ("members", "usable"),
    [
        ({"use": "sig"}, True),
        ({"use": REMOVE}, True),
        ({"use": "enc"}, False),
        ({"use": "SIG"}, False),
        ({"use": ""}, False),
        ({"key_ops": ["verify"]}, True),
        ({"key_ops": ["sign", "verify"]}, True),
        ({"key_ops": []}, False),
        ({"key_ops": ["sign"]}, False),
        ({"key_ops": ["encrypt", None, 1, {}]}, False),
        ({"use": "enc", "key_ops": ["verify"]}, False),
        ({"use": "sig", "key_ops": ["sign"]}, False),
        ({"use": REMOVE, "key_ops": ["verify"]}, True),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["rsa", "P-256", "Ed25519"])
def test_use(kind: str, members: Mapping[str, object], *, usable: bool) -> None:
    """A key that is published for something else is in the set and verifies nothing (RFC 7517 4)."""
    key = one(jwk(kind, **members))
    assert bool(key.algorithms) is usable
    assert bool(key.unusable) is not usable


@pytest.mark.parametrize("kind", ["secp256k1", "X25519"])
def test_curves_of_no_algorithm(kind: str) -> None:
    """A key on a curve of which we have no algorithm costs the others nothing."""
    read = read_key_set({"keys": [jwk(kind), jwk("P-256")]})
    assert [key.kid for key in read.keys if key.algorithms] == ["P-256"]


@pytest.mark.parametrize(
    ("bits", "exponent", "usable"),
    [
        (1024, 65537, False),
        (2047, 65537, False),
        (2048, 65537, True),
        (8192, 65537, True),
        (8193, 65537, False),
        (2048, 3, False),
        (2048, 65535, False),
        (2048, 65539, True),
    ],
)
def test_strength(bits: int, exponent: int, *, usable: bool) -> None:
    """RSA keys of 2048 to 8192 bits and an exponent of 65537 or more verify, others nothing."""
    key = one(rsa_of(bits, exponent))
    assert bool(key.algorithms) is usable
    assert ("RSA" in key.unusable) is not usable


# --- what is skipped -----------------------------------------------------------------------------


@pytest.mark.parametrize("member", [None, True, 1, "key", [], [{}]], ids=str)
def test_no_object(member: object) -> None:
    """A member that is no object is skipped."""
    assert why_skipped(member) == "not an object"


@pytest.mark.parametrize("value", [None, True, 1, [], {}, ["sig"]], ids=str)
@pytest.mark.parametrize("name", ["kid", "alg", "use", "crv"])
def test_types_of_members(name: str, value: object) -> None:
    """kid, alg, use and crv are strings if they are there."""
    assert why_skipped(jwk("P-256", **{name: value})) == f"{name} is not a string"


@pytest.mark.parametrize("value", [REMOVE, None, True, 1, [], ["EC"], {}, "oct", "ec", "AKP", ""])
def test_key_types(value: object) -> None:
    """A key that is not RSA, EC or OKP is skipped; a symmetric one never belongs in a set."""
    assert why_skipped(jwk("P-256", kty=value)) == "kty is not RSA, EC or OKP"
    assert "kty" in why_skipped({"kty": "oct", "k": "c2VjcmV0", "kid": "x"})


@pytest.mark.parametrize("value", [None, True, "verify", {}, {"verify": 1}], ids=str)
def test_types_of_operations(value: object) -> None:
    """key_ops is an array if it is there."""
    assert why_skipped(jwk("P-256", key_ops=value)) == "key_ops is not an array"


@pytest.mark.parametrize("name", ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
def test_private_half(name: str) -> None:
    """A key whose private half is published is skipped: whoever reads the set could sign."""
    assert "private" in why_skipped(jwk("P-256", **{name: "AQAB"}))


MALFORMED: dict[str, Callable[[], dict[str, Any]]] = {
    "no n": lambda: jwk("rsa", n=REMOVE),
    "no e": lambda: jwk("rsa", e=REMOVE),
    "n is a number": lambda: jwk("rsa", n=65537),
    "n is not base64": lambda: jwk("rsa", n="!"),
    "e is even": lambda: jwk("rsa", e="AAAC"),
    "no x": lambda: jwk("P-256", x=REMOVE),
    "no y": lambda: jwk("P-256", y=REMOVE),
    "x is null": lambda: jwk("P-256", x=None),
    "a short coordinate": lambda: jwk("P-256", x="AQAB"),
    "off the curve": lambda: jwk("P-256", y=jwk("P-256-2")["y"]),
    "another curve": lambda: jwk("P-256", crv="P-384"),
    "an unknown curve": lambda: jwk("P-256", crv="P-257"),
    "no curve": lambda: jwk("P-256", crv=REMOVE),
    "a short OKP": lambda: jwk("Ed25519", x="AQAB"),
    "an OKP of another curve": lambda: jwk("Ed25519", crv="Ed448"),
    "an OKP without x": lambda: jwk("Ed25519", x=REMOVE),
    "an OKP of an unknown curve": lambda: jwk("Ed25519", crv="Ed1"),
    "an OKP without a curve": lambda: jwk("Ed25519", crv=REMOVE),
}


@pytest.mark.parametrize("make", MALFORMED.values(), ids=list(MALFORMED))
def test_malformed(make: Callable[[], dict[str, Any]]) -> None:
    """A key that is none is skipped, and what is said of it holds nothing of it."""
    assert why_skipped(make()) == "not a valid key"


@given(st.permutations([*range(len(MALFORMED) + 3)]))
def test_a_bad_key_costs_itself_only(order: list[int]) -> None:
    """However bad keys stand among good ones, the good ones are read, in their order."""
    members = [make() for make in MALFORMED.values()]
    members += [jwk("rsa"), jwk("P-256"), jwk("Ed25519")]
    shuffled = [members[index] for index in order]
    read = read_key_set({"keys": shuffled})
    assert [key.members for key in read.keys] == [
        members[index] for index in order if index >= len(MALFORMED)
    ]
    assert len(read.skipped) == len(MALFORMED)


# --- the set -------------------------------------------------------------------------------------


@pytest.mark.parametrize("keys", [REMOVE, None, True, 1, "keys", {}, {"a": 1}], ids=str)
def test_no_set(keys: object) -> None:
    """A document without an array `keys` is no JWK Set."""
    document = {} if keys is REMOVE else {"keys": keys}
    with pytest.raises(ValueError, match=r"^not a JWK Set: no array `keys`$"):
        read_key_set(document)


def test_no_usable_key() -> None:
    """A set in which not one key can verify is refused, so that it never replaces a good one."""
    useless = [None, {"kty": "oct", "k": "AQAB"}, jwk("P-256", use="enc"), jwk("secp256k1")]
    for members in ([], *([member] for member in useless), useless):
        with pytest.raises(ValueError, match=r"^no usable key in the set$"):
            read_key_set({"keys": members})


def test_parse() -> None:
    """A set is read from strict JSON: an object, each member once, UTF-8."""
    text = json_text({"keys": [jwk("P-256")], "more": 1})
    assert [key.kid for key in parse_key_set(text).keys] == ["P-256"]
    for bad in (b"", b"[]", b"\xff", text.decode().encode("utf-16"), text[:-1] + b',"keys":[]}'):
        with pytest.raises(ValueError, match=r"."):
            parse_key_set(bad)


def test_many_keys() -> None:
    """A thousand keys are read; what comes after them is not, and that is said."""
    junk: list[object] = [None] * MAX_KEYS
    read = read_key_set({"keys": [*junk[:-1], jwk("P-256")]})
    assert len(read.keys) == 1
    assert len(read.skipped) == MAX_KEYS - 1
    read = read_key_set({"keys": [jwk("P-256"), *junk, jwk("rsa")]})
    assert [key.kid for key in read.keys] == ["P-256"]
    assert read.skipped[-1] == "2 keys past the first 1000"
    with pytest.raises(ValueError, match=r"no usable key"):
        read_key_set({"keys": [*junk, jwk("P-256")]})


def test_secret() -> None:
    """A shared secret verifies HS256 and nothing else, whatever kid the token names."""
    keys = secret_key_set(SECRET)
    (key,) = keys.keys
    assert key.algorithms == {"HS256"}
    assert keys.named(None) == keys.named("anything") == (key,)
    assert keys.knows(None, "HS256")
    assert keys.knows("anything", "HS256")
    assert not keys.knows(None, "RS256")


def test_named() -> None:
    """A token names the keys of its kid, exactly; without one it can mean each."""
    keys = read_key_set({"keys": [jwk("P-256", kid="a"), jwk("rsa", kid="A"), jwk("P-384")]})
    assert [key.kid for key in keys.named("a")] == ["a"]
    assert [key.kid for key in keys.named("P-384")] == ["P-384"]
    assert keys.named("b") == keys.named("") == keys.named("a ") == ()
    assert keys.named(None) == keys.keys
    assert keys.members == set(keys.keys)


def test_knows() -> None:
    """A kid in the set needs no other fetch, whatever the algorithm; no kid, one that fits."""
    keys = read_key_set({"keys": [jwk("P-256", kid="a"), jwk("rsa", kid=REMOVE)]})
    assert keys.knows("a", "ES256")
    assert keys.knows("a", "EdDSA")
    assert not keys.knows("b", "ES256")
    assert keys.knows(None, "ES256")
    assert keys.knows(None, "RS256")
    assert not keys.knows(None, "EdDSA")


# --- a set after another -------------------------------------------------------------------------


@pytest.mark.parametrize("kid", [None, "one"], ids=["without kid", "with kid"])
def test_unchanged_keys_are_kept(kid: str | None) -> None:
    """A key that is unchanged stays the same object, whatever its order and its kid."""
    members = [jwk("rsa", kid=kid or REMOVE), jwk("P-256", kid=kid or REMOVE), jwk("P-384")]
    earlier = read_key_set({"keys": members})
    for order in itertools.permutations(members):
        later = read_key_set({"keys": list(order)}).keeping(earlier)
        assert later.members == earlier.members
        assert [key.members for key in later.keys] == list(order)


def test_changed_keys_are_not_kept() -> None:
    """A key of the same kid with other members is another object, as is one of another kid."""
    earlier = read_key_set({"keys": [jwk("P-256", kid="a"), jwk("rsa", kid="b")]})
    changes = [
        {"keys": [jwk("P-256-2", kid="a")]},
        {"keys": [jwk("P-256", kid="a", alg="ES256")]},
        {"keys": [jwk("P-256", kid="a", use=REMOVE)]},
        {"keys": [jwk("P-256", kid="c")]},
    ]
    for document in changes:
        later = read_key_set(document).keeping(earlier)
        assert later.members.isdisjoint(earlier.members)
        assert [key.members for key in later.keys] == document["keys"]


def test_kept_set_is_the_later_one() -> None:
    """The set kept is the later one in everything else, and without an earlier one it is itself."""
    earlier = read_key_set({"keys": [jwk("P-256"), jwk("rsa")]})
    read = read_key_set({"keys": [None, jwk("rsa")]})
    later = read.keeping(earlier)
    assert later.keys == (earlier.keys[1],)
    assert later.skipped == read.skipped
    assert read.keeping(None).keys == read.keys
    assert secret_key_set(SECRET).keeping(None).secret
    assert not later.secret


def test_the_same_key_is_one_object() -> None:
    """Two keys are the same only if they are one object, so a reissued kid is a new key."""
    first, second = one(jwk("P-256")), one(jwk("P-256"))
    assert first != second
    assert len({first, second, first}) == 2


def test_nothing_is_shown() -> None:
    """Neither a key nor a set shows a key, a kid or a secret when it is printed."""
    keys = read_key_set({"keys": [jwk("P-256", kid="marker"), {"kty": "oct", "k": "marker"}]})
    secret = secret_key_set(b"marker" * 8)
    for shown in (keys, secret, keys.keys[0], secret.keys[0], keys.skipped, KeySet(keys.keys)):
        assert "marker" not in f"{shown} {shown!r}"
        assert jwk("P-256")["x"] not in f"{shown} {shown!r}"
