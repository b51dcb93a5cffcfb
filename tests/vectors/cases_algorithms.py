"""Algorithms: every configured one, every spelling of none, a secret, and key confusion."""

import hashlib
import hmac
from typing import Any

from joserfc.jwk import RSAKey

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
    caller,
    generic,
    issue,
    json_bytes,
    sign,
    tenant,
)

ALL = [
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
    "Ed25519", "Ed448",
]  # fmt: skip


def sheet(keys: Keys) -> Sheet:
    """First what is accepted, then what is not."""
    names = ("rsa-1", "ec-1", "ec-384", "ec-521", "ed-25519", "ed-448")
    made = Sheet(
        "Algorithms: the configured ones, the defaults, none, HS256 with a secret, key confusion.",
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
    return made


def _kid(alg: str) -> str:
    by_name = {"ES256": "ec-1", "ES384": "ec-384", "ES512": "ec-521", "Ed448": "ed-448"}
    return by_name.get(alg, "ed-25519" if alg in {"EdDSA", "Ed25519"} else "rsa-1")


def _every_algorithm(made: Sheet, keys: Keys) -> None:
    expected = caller(RFC9068_CLAIMS, "rfc9068")
    for alg in ALL:
        kid = _kid(alg)
        token = assemble({**RFC9068_HEADER, "alg": alg, "kid": kid}, RFC9068_CLAIMS, alg, keys[kid])
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
    auth0, rfc9068 = caller(AUTH0_CLAIMS, "auth0"), caller(RFC9068_CLAIMS, "rfc9068")
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
        token = assemble({**RFC9068_HEADER, "alg": alg, "kid": kid}, RFC9068_CLAIMS, alg, keys[kid])
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
    signing_input = (
        f"{b64(json_bytes({**RFC9068_HEADER, 'alg': 'none'}))}.{b64(json_bytes(RFC9068_CLAIMS))}"
    )
    es256 = b64(sign("ES256", signing_input.encode(), keys["ec-1"]))
    made.bad(
        "none-with-a-signature", f"{signing_input}.{es256}", "algorithm_not_allowed",
        "alg none with a good signature is alg none", "Authlib CVE-2026-28802", settings=generic(),
        jwks="standard",
    )  # fmt: skip
    for alg in (
        "none",
        "None",
        "NONE",
        "nOnE",
        "none ",
        "\tnone",
        "none\0",
        "ｎｏｎｅ",
        "",
        "null",
    ):
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
    expected = caller(RFC9068_CLAIMS, "rfc9068")
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
        caller(AUTH0_CLAIMS, "auth0"), "an Auth0 API can be set to HS256, without kid",
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
    assert isinstance(public, RSAKey)
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
