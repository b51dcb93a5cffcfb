"""Algorithms and signatures: every configured one, every spelling of none, confusion, forgery."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from joserfc.jwk import Key

from vectors.making import (
    AUTH0_CLAIMS,
    AUTH0_HEADER,
    RFC9068_CLAIMS,
    RFC9068_HEADER,
    SECRET,
    Keys,
    Sheet,
    assemble,
    b64,
    generic,
    issue,
    json_bytes,
    principal,
    seal,
    sign,
    tenant,
    without,
)

ALL = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519", "Ed448",
]  # fmt: skip
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def sheet(keys: Keys) -> Sheet:
    """First what is accepted, then what is not."""
    names = ("rsa-1", "ec-1", "ec-384", "ec-521", "ed-25519", "ed-448")
    made = Sheet(
        "Algorithms and signatures: the configured ones, none, confusion, malformed signatures.",
        {
            "all": {"keys": [keys.jwk(name) for name in names]},
            "standard": keys.standard(),
            "tenant": keys.tenant(),
        },
    )
    _every_algorithm(made, keys)
    _defaults(made, keys)
    _not_listed(made, keys)
    _secret(made, keys)
    _confusion(made, keys)
    _rsa_signatures(made, keys)
    _ec_signatures(made, keys)
    _okp_signatures(made, keys)
    _changed(made, keys)
    return made


def _kid(alg: str) -> str:
    by_name = {"ES256": "ec-1", "ES384": "ec-384", "ES512": "ec-521", "Ed448": "ed-448"}
    return by_name.get(alg, "ed-25519" if alg in {"EdDSA", "Ed25519"} else "rsa-1")


def _every_algorithm(made: Sheet, keys: Keys) -> None:
    expected = principal(RFC9068_CLAIMS, "rfc9068")
    for alg in ALL:
        kid = _kid(alg)
        token = assemble(
            {**RFC9068_HEADER, "alg": alg, "kid": kid}, RFC9068_CLAIMS, alg, keys[kid]
        )
        made.good(
            f"alg-{alg}", token, expected, f"{alg} is on the issuer's list", "RFC 7518 section 3.1;"
            " RFC 8037; RFC 9864", settings=generic(algorithms=[alg]), jwks="all",
        )  # fmt: skip
        made.good(
            f"alg-{alg}-of-all", token, expected, f"{alg} is one of many on the issuer's list",
            "RFC 8725 section 3.1", settings=generic(algorithms=ALL), jwks="all",
        )  # fmt: skip
    header = {**RFC9068_HEADER, "alg": "EdDSA", "kid": "ed-448"}
    made.good(
        "alg-EdDSA-with-Ed448", assemble(header, RFC9068_CLAIMS, "EdDSA", keys["ed-448"]), expected,
        "EdDSA is either curve", "RFC 8037 section 3.1", settings=generic(algorithms=["EdDSA"]),
        jwks="all",
    )  # fmt: skip
    for alg, kid in (("Ed25519", "ed-448"), ("Ed448", "ed-25519")):
        made.bad(
            f"alg-{alg}-with-the-other-curve",
            assemble({**header, "alg": alg, "kid": kid}, RFC9068_CLAIMS, "EdDSA", keys[kid]),
            "unsuitable_key", "the fully-specified names are one curve each", "RFC 9864 section 2.2",
            settings=generic(algorithms=["Ed25519", "Ed448"]), jwks="all",
        )  # fmt: skip
    for alg in ("ES384", "ES512"):
        made.bad(
            f"alg-{alg}-with-P-256",
            assemble({**RFC9068_HEADER, "alg": alg}, RFC9068_CLAIMS, alg, keys["ec-1"]),
            "unsuitable_key", f"{alg} is bound to its own curve", "RFC 7518 section 3.4",
            settings=generic(algorithms=["ES384", "ES512"]), jwks="all",
        )  # fmt: skip


def _defaults(made: Sheet, keys: Keys) -> None:
    auth0, rfc9068 = principal(AUTH0_CLAIMS, "auth0"), principal(RFC9068_CLAIMS, "rfc9068")
    for alg in ("RS256", "PS256", "ES256"):
        kid = _kid(alg)
        made.good(
            f"alg-default-{alg}",
            issue({**RFC9068_HEADER, "alg": alg, "kid": kid}, RFC9068_CLAIMS, keys[kid]), rfc9068,
            f"{alg} is accepted where no list is given", "DESIGN 5 algorithms",
            settings=generic(), jwks="all",
        )  # fmt: skip
    for alg in ("RS256", "PS256"):
        made.good(
            f"alg-default-auth0-{alg}",
            issue({**AUTH0_HEADER, "alg": alg}, AUTH0_CLAIMS, keys["rsa-1"]), auth0,
            f"{alg} is accepted of a tenant where no list is given", "DESIGN 5 algorithms",
            settings=tenant(), jwks="all",
        )  # fmt: skip
    for alg in ("RS384", "RS512", "PS384", "PS512", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"):
        kid = _kid(alg)
        token = assemble(
            {**RFC9068_HEADER, "alg": alg, "kid": kid}, RFC9068_CLAIMS, alg, keys[kid]
        )
        made.bad(
            f"alg-default-{alg}", token, "algorithm_not_allowed",
            f"{alg} is accepted only where it is listed", "DESIGN 5 algorithms",
            settings=generic(), jwks="all",
        )  # fmt: skip
    made.bad(
        "alg-default-auth0-ES256",
        issue({**AUTH0_HEADER, "alg": "ES256", "kid": "ec-1"}, AUTH0_CLAIMS, keys["ec-1"]),
        "algorithm_not_allowed", "Auth0 signs with RSA only", "token-profiles 3",
        settings=tenant(), jwks="all",
    )  # fmt: skip
    made.good(
        "alg-auth0-RS512-listed",
        assemble({**AUTH0_HEADER, "alg": "RS512"}, AUTH0_CLAIMS, "RS512", keys["rsa-1"]), auth0,
        "a tenant's API can be set to RS512", "token-profiles 2.1",
        settings=tenant(algorithms=["RS512"]), jwks="all",
    )  # fmt: skip
    made.bad(
        "alg-narrowed-to-PS256", issue(RFC9068_HEADER | {"alg": "RS256", "kid": "rsa-1"},
                                       RFC9068_CLAIMS, keys["rsa-1"]),
        "algorithm_not_allowed", "a list given replaces the default", "RFC 8725 section 3.1",
        settings=generic(algorithms=["PS256"]), jwks="all",
    )  # fmt: skip


def _not_listed(made: Sheet, keys: Keys) -> None:
    signing_input = f"{b64(json_bytes({**RFC9068_HEADER, 'alg': 'none'}))}.{b64(json_bytes(RFC9068_CLAIMS))}"
    es256 = b64(sign("ES256", signing_input.encode(), keys["ec-1"]))
    made.bad(
        "none-with-a-signature", f"{signing_input}.{es256}", "algorithm_not_allowed",
        "alg none with a good signature is alg none", "Authlib CVE-2026-28802", settings=generic(),
        jwks="standard",
    )  # fmt: skip
    for alg in ("none", "None", "NONE", "nOnE", "none ", "\tnone", "none\0", "ｎｏｎｅ", "", "null"):
        segment = b64(json_bytes({**RFC9068_HEADER, "alg": alg}))
        made.bad(
            f"none-unsigned-{alg!a}", f"{segment}.{b64(json_bytes(RFC9068_CLAIMS))}.",
            "algorithm_not_allowed", "no spelling of none is on any list",
            "RFC 8725 section 3.1; CVE-2015-2951; jsonwebtoken CVE-2022-23540",
            settings=generic(algorithms=ALL), jwks="all",
        )  # fmt: skip
    made.bad(
        "none-auth0",
        f"{b64(json_bytes({'alg': 'none', 'typ': 'JWT'}))}.{b64(json_bytes(AUTH0_CLAIMS))}.",
        "algorithm_not_allowed", "an unsigned token of a tenant", "CVE-2015-2951",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
    for alg in (
        "es256", "ES256 ", " ES256", "ES-256", "ES256\n", "SHA256withECDSA", "ES256K", "ESP256",
        "ECDH-ES", "RSA1_5", "A128GCM", "dir", "ML-DSA-44", "ＥＳ256", "ES256,RS256", "*",
        "constructor",
    ):  # fmt: skip
        made.bad(
            f"alg-not-listed-{alg!a}",
            assemble({**RFC9068_HEADER, "alg": alg}, RFC9068_CLAIMS, "ES256", keys["ec-1"]),
            "algorithm_not_allowed", "algorithms are compared exactly with the issuer's list",
            "RFC 7515 section 4.1.1; RFC 8725 section 3.1", settings=generic(algorithms=ALL),
            jwks="all",
        )  # fmt: skip


def _secret(made: Sheet, keys: Keys) -> None:
    """An issuer with a shared secret has HS256 and nothing else."""
    here: dict[str, Any] = {"settings": generic(secret=SECRET), "jwks": None}
    there: dict[str, Any] = {"settings": tenant(secret=SECRET), "jwks": None}
    header = {"alg": "HS256", "typ": "at+jwt"}
    secret = keys["secret"]
    expected = principal(RFC9068_CLAIMS, "rfc9068")
    source = "DESIGN 5 algorithms; token-profiles T36"
    made.good(
        "hs256", issue(header, RFC9068_CLAIMS, secret), expected,
        "a shared secret needs no kid", source, **here,
    )  # fmt: skip
    made.good(
        "hs256-kid", issue({**header, "kid": "any"}, RFC9068_CLAIMS, secret), expected,
        "a shared secret has no kid that could differ", source, **here,
    )  # fmt: skip
    made.good(
        "hs256-auth0", issue({**header, "typ": "JWT"}, AUTH0_CLAIMS, secret),
        principal(AUTH0_CLAIMS, "auth0"), "an Auth0 API can be set to HS256, without kid",
        "token-profiles 1.2", **there,
    )  # fmt: skip
    token = issue(header, RFC9068_CLAIMS, secret)
    signing_input = token.rpartition(".")[0]
    digest = hmac.digest(SECRET.encode(), signing_input.encode(), hashlib.sha256)
    for name, signature, why in (
        ("empty", b"", "an empty tag is no tag"),
        ("short", digest[:16], "a tag cut in half"),
        ("one-byte", digest[:1], "a tag of one byte"),
        ("long", digest + b"\0", "a tag with a byte more"),
        ("zero", bytes(32), "a tag of zeros"),
        ("empty-secret", hmac.digest(b"", signing_input.encode(), hashlib.sha256),
         "a tag made with no secret"),
        ("secret-in-base64", hmac.digest(b64(SECRET.encode()).encode(), signing_input.encode(),
                                         hashlib.sha256), "a tag made with another form of the secret"),
        ("sha512", hmac.digest(SECRET.encode(), signing_input.encode(), hashlib.sha512)[:32],
         "a tag made with another hash"),
    ):  # fmt: skip
        made.bad(
            f"hs256-{name}", f"{signing_input}.{b64(signature)}", "invalid_signature", why,
            "RFC 7518 section 3.2", **here,
        )  # fmt: skip
    for alg in ("HS384", "HS512"):
        made.bad(
            f"hs256-issuer-{alg}",
            assemble({**header, "alg": alg}, RFC9068_CLAIMS, alg, secret), "algorithm_not_allowed",
            "an issuer with a secret has no algorithm but HS256", source, **here,
        )  # fmt: skip
    made.bad(
        "hs256-issuer-RS256", issue({**AUTH0_HEADER, "typ": "at+jwt"}, RFC9068_CLAIMS, keys["rsa-1"]),
        "algorithm_not_allowed", "an issuer with a secret has no algorithm but HS256", source, **here,
    )  # fmt: skip
    made.bad(
        "hs256-issuer-none", f"{b64(json_bytes({**header, 'alg': 'none'}))}"
        f".{signing_input.partition('.')[2]}.", "algorithm_not_allowed",
        "an issuer with a secret has no algorithm but HS256", source, **here,
    )  # fmt: skip


def _confusion(made: Sheet, keys: Keys) -> None:
    """A public key as an HMAC secret. joserfc refuses to sign so; the tag is made by hand."""
    public = keys["rsa-1"]
    pem, der = public.as_pem(private=False), public.as_der(private=False)
    jwk = keys.jwk("rsa-1")
    secrets = {
        "pem": pem, "pem-without-newline": pem.rstrip(b"\n"), "pem-crlf": pem.replace(b"\n", b"\r\n"),
        "pem-after-white-space": b"\n \t" + pem, "pem-after-bom": b"\xef\xbb\xbf" + pem,
        "der": der, "jwk": json_bytes(jwk), "jwk-spaced": str(jwk).replace("'", '"').encode(),
        "jwks": json_bytes({"keys": [jwk]}), "modulus": jwk["n"].encode(), "empty": b"",
        "null": b"null", "kid": b"rsa-1",
    }  # fmt: skip
    for alg, digest in (("HS256", hashlib.sha256), ("HS512", hashlib.sha512)):
        for name, secret in secrets.items() if alg == "HS256" else [("pem", pem)]:
            header = {"alg": alg, "typ": "at+jwt", "kid": "rsa-1"}
            signing_input = f"{b64(json_bytes(header))}.{b64(json_bytes(RFC9068_CLAIMS))}"
            tag = hmac.digest(secret, signing_input.encode(), digest)
            made.bad(
                f"confusion-{alg}-{name}", f"{signing_input}.{b64(tag)}", "algorithm_not_allowed",
                "a public key is no HMAC secret; HMAC is not on the list of an issuer with keys",
                "PyJWT CVE-2017-11424, CVE-2022-29217, CVE-2026-48526; python-jose CVE-2024-33663;"
                " fast-jwt CVE-2026-34950", settings=generic(algorithms=ALL), jwks="all",
            )  # fmt: skip
    header = {**RFC9068_HEADER, "alg": "RS256", "kid": "rsa-1"}
    signing_input = f"{b64(json_bytes(header))}.{b64(json_bytes(RFC9068_CLAIMS))}"
    tag = hmac.digest(pem, signing_input.encode(), hashlib.sha256)
    made.bad(
        "confusion-tag-under-RS256", f"{signing_input}.{b64(tag)}", "invalid_signature",
        "an HMAC tag is no RSA signature", "PyJWT CVE-2026-48523", settings=generic(), jwks="all",
    )  # fmt: skip


def _rsa_signatures(made: Sheet, keys: Keys) -> None:
    key = keys["rsa-1"]
    native: RSAPrivateKey = key.private_key  # type: ignore[assignment]

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
        ("RS256-short", "RS256", lambda m: sign("RS256", m, key)[:-1], "a byte less"),
        ("RS256-long", "RS256", lambda m: sign("RS256", m, key) + b"\0", "a byte more"),
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
        "short": (signature[:-1], "a byte less"),
        "long": (signature + b"\0", "a byte more"),
        "halves-of-33-bytes": (raw(r, s, 33), "r and s are 32 bytes each"),
        "halves-swapped": (signature[32:] + signature[:32], "r comes before s"),
        "half": (signature[:32], "r alone"),
        "twice": (signature * 2, "two signatures are not one"),
        "96-bytes": (bytes(16) + signature[:32] + bytes(16) + signature[32:], "the size of P-384's"),
        "2-kilobytes": (b"\x01" * 2_000, "a length that nothing is computed for"),
        "stranger": (sign("ES256", signing_input.encode(), keys["stranger-ec"]), "another key"),
    }
    for name, (changed, why) in cases.items():
        made.bad(
            f"signature-ES256-{name}", f"{signing_input}.{b64(changed)}", "invalid_signature", why,
            "RFC 7518 section 3.4; Java CVE-2022-21449; python-ecdsa CVE-2019-14859",
            settings=generic(), jwks="all",
        )  # fmt: skip
    made.good(
        "signature-ES256-other-s", f"{signing_input}.{b64(raw(r, order - s))}",
        principal(RFC9068_CLAIMS, "rfc9068"),
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
        "short": (signature[:-1], "a byte less"),
        "long": (signature + b"\0", "a byte more"),
        "empty": (b"", "an empty signature is no signature"),
        "s-above-the-order": (signature[:32] + above.to_bytes(32, "little"),
                              "s is below the order, or one token has two spellings"),
        "of-Ed448": (sign("Ed448", signing_input.encode(), keys["ed-448"]), "another curve's"),
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
    more = b64(json_bytes({**RFC9068_CLAIMS, "scope": "read:items admin"}))
    spaced = b64(b" " + json_bytes(RFC9068_CLAIMS))
    relabelled = b64(json_bytes({**RFC9068_HEADER, "x": 1}))
    decoded = json_bytes(RFC9068_HEADER) + b"." + json_bytes(RFC9068_CLAIMS)
    over_decoded = b64(sign("ES256", decoded, keys["ec-1"]))
    over_payload = b64(sign("ES256", payload.encode(), keys["ec-1"]))
    another = seal(header, more, "ES256", keys["ec-1"]).rpartition(".")[2]
    flipped = ("B" if signature[0] == "A" else "A") + signature[1:]
    for name, token, why in (
        ("payload", f"{header}.{more}.{signature}", "a scope was added"),
        ("payload-white-space", f"{header}.{spaced}.{signature}", "the bytes are signed, not the claims"),
        ("header", f"{relabelled}.{payload}.{signature}", "the header is signed too"),
        ("signature", f"{header}.{payload}.{flipped}", "a bit was turned"),
        ("signature-of-the-payload-only", f"{header}.{payload}.{over_payload}",
         "the header is signed too"),
        ("signature-of-decoded-bytes", f"{header}.{payload}.{over_decoded}",
         "the encoded form is signed, not the decoded one"),
        ("signature-of-another-token", f"{header}.{payload}.{another}",
         "another token's signature"),
    ):  # fmt: skip
        made.bad(
            f"changed-{name}", token, "invalid_signature", why, "RFC 7515 section 5.2",
            settings=generic(), jwks="standard",
        )  # fmt: skip
    relabelled = b64(json_bytes({**AUTH0_HEADER, "typ": "at+jwt"}))
    rest = issue(AUTH0_HEADER, {**AUTH0_CLAIMS, **without(RFC9068_CLAIMS, "iss")},
                 keys["rsa-1"]).partition(".")[2]  # fmt: skip
    made.bad(
        "changed-typ", f"{relabelled}.{rest}", "invalid_signature",
        "typ is taken from the header that is verified", "token-profiles T9",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
