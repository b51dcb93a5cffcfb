"""Signatures: of another scheme, of the wrong length, degenerate, and over something else."""

import hashlib
from collections.abc import Callable

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import Key

from vectors.making import (
    AUTH0_CLAIMS,
    AUTH0_HEADER,
    RFC9068_CLAIMS,
    RFC9068_HEADER,
    Keys,
    Sheet,
    b64,
    caller,
    generic,
    issue,
    json_bytes,
    seal,
    sign,
    tenant,
    without,
)

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def sheet(keys: Keys) -> Sheet:
    """One algorithm after the other, then good signatures of something else."""
    names = ("rsa-1", "ec-1", "ec-384", "ec-521", "ed-25519", "ed-448")
    made = Sheet(
        "Signatures: of another scheme, of the wrong length, degenerate, over something else.",
        {"all": {"keys": [keys.jwk(name) for name in names]}, "tenant": keys.tenant()},
    )
    _rsa_signatures(made, keys)
    _ec_signatures(made, keys)
    _okp_signatures(made, keys)
    _changed(made, keys)
    return made


def _rsa_signatures(made: Sheet, keys: Keys) -> None:
    key = keys["rsa-1"]
    native = key.private_key
    assert isinstance(native, RSAPrivateKey)

    def of(alg: str, make: Callable[[bytes], bytes]) -> str:
        header = {**RFC9068_HEADER, "alg": alg, "kid": "rsa-1"}
        signing_input = f"{b64(json_bytes(header))}.{b64(json_bytes(RFC9068_CLAIMS))}"
        return f"{signing_input}.{b64(make(signing_input.encode()))}"

    def pss(salt: int) -> Callable[[bytes], bytes]:
        # joserfc makes only the salt length that RFC 7518 demands.
        scheme = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt)
        return lambda message: native.sign(message, scheme, hashes.SHA256())

    modulus = native.public_key().public_numbers().n
    cases: list[tuple[str, str, Callable[[bytes], bytes], str]] = [
        ("PS256-under-RS256", "RS256", lambda m: sign("PS256", m, key), "PSS is not PKCS #1 v1.5"),
        ("RS256-under-PS256", "PS256", lambda m: sign("RS256", m, key), "PKCS #1 v1.5 is not PSS"),
        ("RS384-under-RS256", "RS256", lambda m: sign("RS384", m, key), "the hash is the header's"),
        ("RS512-under-RS256", "RS256", lambda m: sign("RS512", m, key), "the hash is the header's"),
        ("PS384-under-PS256", "PS256", lambda m: sign("PS384", m, key), "the hash is the header's"),
        ("PS256-without-salt", "PS256", pss(0), "the salt is as long as the hash"),
        ("PS256-long-salt", "PS256", pss(64), "the salt is as long as the hash"),
        ("RS256-empty", "RS256", lambda m: b"", "an empty signature is no signature"),
        ("RS256-short", "RS256", lambda m: sign("RS256", m, key)[:-1], "one byte is missing"),
        ("RS256-long", "RS256", lambda m: sign("RS256", m, key) + b"\0", "one byte is too many"),
        ("RS256-leading-zero", "RS256", lambda m: b"\0" + sign("RS256", m, key),
         "the same number in one byte more"),
        ("RS256-zero", "RS256", lambda m: bytes(256), "a signature of zeros"),
        ("RS256-one", "RS256", lambda m: bytes(255) + b"\1", "a signature that is the number one"),
        ("RS256-modulus", "RS256", lambda m: modulus.to_bytes(256, "big"), "the modulus itself"),
        ("RS256-above-the-modulus", "RS256", lambda m: b"\xff" * 256, "a number above the modulus"),
        ("RS256-hash", "RS256", lambda m: hashlib.sha256(m).digest(), "the bare hash"),
        ("RS256-stranger", "RS256", lambda m: sign("RS256", m, keys["stranger-rsa"]),
         "another key under the issuer's kid"),
        ("PS256-stranger", "PS256", lambda m: sign("PS256", m, keys["stranger-rsa"]),
         "another key under the issuer's kid"),
    ]  # fmt: skip
    for name, alg, make, why in cases:
        made.bad(
            f"signature-{name}", of(alg, make), "invalid_signature", why,
            "RFC 7518 sections 3.3 and 3.5; RFC 8017 section 8", settings=generic(), jwks="all",
        )  # fmt: skip
    made.bad(
        "signature-RS256-zero-stripped", _zero_stripped(key), "invalid_signature",
        "a signature has the length of the modulus, leading zero and all", "RFC 8017 section 8.2.2",
        settings=generic(), jwks="all",
    )  # fmt: skip


def _zero_stripped(key: Key) -> str:
    for attempt in range(100_000):
        token = issue({**RFC9068_HEADER, "alg": "RS256", "kid": "rsa-1"},
                      {**RFC9068_CLAIMS, "jti": f"attempt-{attempt}"}, key)  # fmt: skip
        signing_input = token.rpartition(".")[0]
        signature = sign("RS256", signing_input.encode(), key)
        if signature[0] == 0:
            return f"{signing_input}.{b64(signature[1:])}"
    raise AssertionError("no signature began with a zero byte")


def _ec_signatures(made: Sheet, keys: Keys) -> None:
    signing_input = f"{b64(json_bytes(RFC9068_HEADER))}.{b64(json_bytes(RFC9068_CLAIMS))}"
    signature = sign("ES256", signing_input.encode(), keys["ec-1"])
    r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")

    def raw(first: int, second: int, size: int = 32) -> bytes:
        return first.to_bytes(size, "big") + second.to_bytes(size, "big")

    order = P256_ORDER
    cases = {
        "der": (utils.encode_dss_signature(r, s), "DER is another form, and malleable"),
        "empty": (b"", "an empty signature is no signature"),
        "zero": (bytes(64), "r and s are not zero"),
        "r-zero": (raw(0, s), "r is not zero"),
        "s-zero": (raw(r, 0), "s is not zero"),
        "order": (raw(order, order), "r and s are below the order"),
        "r-order-s-zero": (raw(order, 0), "r and s are below the order"),
        "one": (raw(1, 1), "a signature anybody can write"),
        "maximum": (b"\xff" * 64, "r and s are below the order"),
        "s-plus-order": (raw(r, s + order, 33), "s is below the order, and of 32 bytes"),
        "short": (signature[:-1], "one byte is missing"),
        "long": (signature + b"\0", "one byte is too many"),
        "halves-of-33-bytes": (raw(r, s, 33), "r and s are 32 bytes each"),
        "halves-swapped": (signature[32:] + signature[:32], "r comes before s"),
        "half": (signature[:32], "r without s is half a signature"),
        "twice": (signature * 2, "two signatures are not one"),
        "96-bytes": (
            bytes(16) + signature[:32] + bytes(16) + signature[32:],
            "the size of P-384's",
        ),
        "600-bytes": (b"\x01" * 600, "a length that nothing is computed for"),
        "stranger": (
            sign("ES256", signing_input.encode(), keys["stranger-ec"]),
            "another key signed under the issuer's kid",
        ),
    }
    for name, (changed, why) in cases.items():
        made.bad(
            f"signature-ES256-{name}", f"{signing_input}.{b64(changed)}", "invalid_signature", why,
            "RFC 7518 section 3.4; Java CVE-2022-21449; python-ecdsa CVE-2019-14859",
            settings=generic(), jwks="all",
        )  # fmt: skip
    made.good(
        "signature-ES256-other-s", f"{signing_input}.{b64(raw(r, order - s))}",
        caller(RFC9068_CLAIMS, "rfc9068"),
        "n - s signs as well as s: JWA has no low-s rule, so nothing may count on unique tokens",
        "RFC 7518 section 3.4", settings=generic(), jwks="all",
    )  # fmt: skip


def _okp_signatures(made: Sheet, keys: Keys) -> None:
    header = {**RFC9068_HEADER, "alg": "Ed25519", "kid": "ed-25519"}
    signing_input = f"{b64(json_bytes(header))}.{b64(json_bytes(RFC9068_CLAIMS))}"
    signature = sign("Ed25519", signing_input.encode(), keys["ed-25519"])
    above = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    cases = {
        "zero": (bytes(64), "a signature of zeros"),
        "short": (signature[:-1], "one byte is missing"),
        "long": (signature + b"\0", "one byte is too many"),
        "empty": (b"", "an empty signature is no signature"),
        "s-above-the-order": (signature[:32] + above.to_bytes(32, "little"),
                              "s is below the order, or one token has two spellings"),
        "of-Ed448": (sign("Ed448", signing_input.encode(), keys["ed-448"]), "another curve's signature"),
    }  # fmt: skip
    for name, (changed, why) in cases.items():
        made.bad(
            f"signature-Ed25519-{name}", f"{signing_input}.{b64(changed)}", "invalid_signature", why,
            "RFC 8032 section 5.1.7", settings=generic(algorithms=["Ed25519"]), jwks="all",
        )  # fmt: skip


def _changed(made: Sheet, keys: Keys) -> None:
    """A good signature over something else."""
    good = issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"])
    header, payload, signature = good.split(".")
    more = b64(json_bytes({**RFC9068_CLAIMS, "scope": "admin"}))
    spaced = b64(b" " + json_bytes(RFC9068_CLAIMS))
    relabelled = b64(json_bytes({**RFC9068_HEADER, "x": 1}))
    decoded = json_bytes(RFC9068_HEADER) + b"." + json_bytes(RFC9068_CLAIMS)
    over_decoded = b64(sign("ES256", decoded, keys["ec-1"]))
    over_payload = b64(sign("ES256", payload.encode(), keys["ec-1"]))
    another = seal(header, more, "ES256", keys["ec-1"]).rpartition(".")[2]
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for name, token, why in (
        ("payload", f"{header}.{more}.{signature}", "a scope was added"),
        ("payload-white-space", f"{header}.{spaced}.{signature}",
         "the bytes are signed, not the claims"),
        ("header", f"{relabelled}.{payload}.{signature}", "the header is signed too"),
        ("signature", f"{header}.{payload}.{flipped}", "a bit of the signature was turned"),
        ("signature-of-the-payload-only", f"{header}.{payload}.{over_payload}",
         "the header is signed too"),
        ("signature-of-decoded-bytes", f"{header}.{payload}.{over_decoded}",
         "the encoded form is signed, not the decoded one"),
        ("signature-of-another-token", f"{header}.{payload}.{another}",
         "another token's signature"),
    ):  # fmt: skip
        made.bad(
            f"changed-{name}", token, "invalid_signature", why, "RFC 7515 section 5.2",
            settings=generic(), jwks="all",
        )  # fmt: skip
    relabelled = b64(json_bytes({**AUTH0_HEADER, "typ": "at+jwt"}))
    rest = issue(AUTH0_HEADER, {**AUTH0_CLAIMS, **without(RFC9068_CLAIMS, "iss")},
                 keys["rsa-1"]).partition(".")[2]  # fmt: skip
    made.bad(
        "changed-typ", f"{relabelled}.{rest}", "invalid_signature",
        "typ is taken from the header that is verified", "token-profiles T9",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
