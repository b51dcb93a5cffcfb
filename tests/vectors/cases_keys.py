"""The one key: kid, kty, crv, use, key_ops, alg, size; sets with bad members in them."""

from typing import Any

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
    tenant,
    without,
)

RS256 = {**RFC9068_HEADER, "alg": "RS256"}


def sheet(keys: Keys) -> Sheet:
    """One large set holds a key of each kind; small ones what needs a set of its own."""
    made = Sheet("Keys: which key of the set a token means, and whether it fits.", _sets(keys))
    _fitting(made, keys)
    _unsuitable(made, keys)
    _skipped(made, keys)
    _ambiguous(made, keys)
    _without_kid(made, keys)
    return made


def _sets(keys: Keys) -> dict[str, dict[str, Any]]:
    rsa, other, ec = keys.jwk("rsa-1"), keys.jwk("rsa-2"), keys.jwk("ec-1")
    variants = [
        keys.jwk("rsa-1", kid="plain", use=None),
        keys.jwk("rsa-1", kid="alg-RS256", alg="RS256"),
        keys.jwk("rsa-1", kid="key_ops-verify", use=None, key_ops=["verify"]),
        keys.jwk("rsa-1", kid="key_ops-and-use", key_ops=["verify"]),
        keys.jwk("rsa-1", kid="certificates", x5c=["MIIB"], x5t="AAAA", **{"x5t#S256": "AAAA"}),
        keys.jwk("rsa-1", kid="private-extension", issued_by="us", nbf=1, **{"x-note": [None]}),
        keys.jwk("rsa-1", kid="use-enc", use="enc"),
        keys.jwk("rsa-1", kid="use-SIG", use="SIG"),
        keys.jwk("rsa-1", kid="use-empty", use=""),
        keys.jwk("rsa-1", kid="key_ops-encrypt", use=None, key_ops=["encrypt", "wrapKey"]),
        keys.jwk("rsa-1", kid="key_ops-sign", use=None, key_ops=["sign"]),
        keys.jwk("rsa-1", kid="key_ops-empty", use=None, key_ops=[]),
        keys.jwk("rsa-1", kid="key_ops-contradict-use", use="sig", key_ops=["encrypt"]),
        keys.jwk("rsa-1", kid="alg-RS512", alg="RS512"),
        keys.jwk("rsa-1", kid="alg-PS256", alg="PS256"),
        keys.jwk("rsa-1", kid="alg-RSA-OAEP", alg="RSA-OAEP"),
        keys.jwk("rsa-1", kid="alg-lower-case", alg="rs256"),
        keys.jwk("rsa-1", kid="alg-none", alg="none"),
        keys.jwk("rsa-weak"),
        keys.jwk("rsa-e3"),
    ]
    bad_members: list[object] = [
        None, 7, "key", [], {}, {"kid": "no-kty"}, {"kty": "RSA", "kid": "no-modulus", "e": "AQAB"},
        {"kty": "RSA", "kid": "no-exponent", "n": rsa["n"]},
        {**rsa, "kid": "modulus-not-base64", "n": "!!!"},
        {**rsa, "kid": "modulus-a-number", "n": 65537},
        {"kty": "EC", "kid": "no-curve", "x": ec["x"], "y": ec["y"]},
        {**ec, "kid": "point-off-the-curve", "y": ec["x"]},
        {**ec, "kid": "no-y", "y": None},
        {**ec, "kid": "short-coordinate", "x": ec["x"][:-4]},
        {**ec, "kid": "unknown-curve", "crv": "P-255"},
        {"kty": "OKP", "kid": "short-okp", "crv": "Ed25519", "x": "AAAA"},
        {"kty": "AKP", "kid": "unknown-kty", "alg": "ML-DSA-44", "pub": "AAAA"},
        {"kty": "rsa", "kid": "kty-lower-case", "n": rsa["n"], "e": "AQAB"},
        {"kty": "oct", "kid": "oct", "alg": "HS256", "k": b64(SECRET.encode())},
        {**rsa, "kid": 1}, {**rsa, "kid": None}, {**rsa, "kid": ["ec-1"]},
    ]  # fmt: skip
    enc = keys.jwk("rsa-2", kid="rsa-1", use="enc")
    return {
        "variants": {"keys": [*variants, ec, keys.jwk("ec-384"), keys.jwk("ec-k1")]},
        "with-bad-members": {"keys": [*bad_members, ec, keys.jwk("x-25519"), rsa]},
        "same-kid": {"keys": [rsa, {**other, "kid": "rsa-1"}, ec]},
        "same-kid-one-for-encryption": {"keys": [enc, rsa]},
        "same-kid-other-kty": {"keys": [{**rsa, "kid": "ec-1"}, ec]},
        "same-kid-other-alg": {
            "keys": [{**other, "kid": "rsa-1", "alg": "PS256"}, {**rsa, "alg": "RS256"}]
        },
        "one": {"keys": [rsa]},
        "one-unnamed": {"keys": [without(rsa, "kid")]},
        "one-of-each-kty": {"keys": [rsa, ec]},
        "one-fits": {"keys": [rsa, {**enc, "kid": "e"}, keys.jwk("rsa-weak"), ec]},
        "two": {"keys": [rsa, other]},
        "unnamed-and-named": {"keys": [without(other, "kid"), rsa]},
        "members-beside-keys": {"keys": [ec], "issuer": "x", "expires": None},
    }


def _rsa(keys: Keys, kid: str, key: str = "rsa-1") -> str:
    return assemble({**RS256, "kid": kid}, RFC9068_CLAIMS, "RS256", keys[key])


def _good(made: Sheet, name: str, token: str, jwks: str, why: str, source: str) -> None:
    made.good(
        f"keys-{name}", token, caller(RFC9068_CLAIMS, "rfc9068"), why, source,
        settings=generic(), jwks=jwks,
    )  # fmt: skip


def _fitting(made: Sheet, keys: Keys) -> None:
    for kid, why in (
        ("plain", "use and alg are optional"),
        ("alg-RS256", "the key's alg is the token's"),
        ("key_ops-verify", "key_ops allows to verify"),
        ("key_ops-and-use", "use and key_ops agree"),
        ("certificates", "certificate members are not needed, and not read"),
        ("private-extension", "members that are not understood are ignored"),
    ):
        _good(made, f"fit-{kid}", _rsa(keys, kid), "variants", why, "RFC 7517 section 4")
    ps256 = assemble(
        {**RS256, "alg": "PS256", "kid": "alg-PS256"}, RFC9068_CLAIMS, "PS256", keys["rsa-1"]
    )
    _good(made, "fit-alg-PS256", ps256, "variants", "the key's alg is the token's",
          "RFC 7517 section 4.4")  # fmt: skip
    ec = issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"])
    _good(made, "fit-members-beside-keys", ec, "members-beside-keys",
          "other members of the set are ignored", "RFC 7517 section 5")  # fmt: skip


def _unsuitable(made: Sheet, keys: Keys) -> None:
    for kid, key, why, source in (
        ("use-enc", "rsa-1", "a key for encryption verifies nothing", "Wycheproof #353"),
        ("use-SIG", "rsa-1", "use is case-sensitive", "RFC 7517 section 4.2"),
        ("use-empty", "rsa-1", "an empty use is not sig", "RFC 7517 section 4.2"),
        ("key_ops-encrypt", "rsa-1", "key_ops does not allow to verify", "Wycheproof #355"),
        ("key_ops-sign", "rsa-1", "to sign is not to verify", "RFC 7517 section 4.3"),
        ("key_ops-empty", "rsa-1", "no operation is allowed", "RFC 7517 section 4.3"),
        (
            "key_ops-contradict-use",
            "rsa-1",
            "both use and key_ops must fit",
            "RFC 7517 section 4.3",
        ),
        ("alg-RS512", "rsa-1", "the key's alg is another", "PyJWT CVE-2026-48523"),
        (
            "alg-PS256",
            "rsa-1",
            "a key for PSS does not verify PKCS #1 v1.5",
            "RFC 7517 section 4.4",
        ),
        ("alg-RSA-OAEP", "rsa-1", "the key's alg is for encryption", "RFC 7517 section 4.4"),
        ("alg-lower-case", "rsa-1", "alg is case-sensitive", "RFC 7517 section 4.4"),
        ("alg-none", "rsa-1", "a key for none is a key for nothing", "RFC 7517 section 4.4"),
        ("rsa-weak", "rsa-weak", "1,024 bits are too few", "RFC 7518 section 3.3"),
        ("rsa-e3", "rsa-e3", "an exponent of 3 is too small", "threats 1.1, weak keys"),
    ):
        made.bad(
            f"keys-unsuitable-{kid}", _rsa(keys, kid, key), "unsuitable_key", why, source,
            settings=generic(), jwks="variants",
        )  # fmt: skip
    for name, header, alg, key, why in (
        ("rsa-key-for-ES256", {**RFC9068_HEADER, "kid": "plain"}, "ES256", "ec-1",
         "ES256 needs an EC key"),
        ("ec-key-for-RS256", {**RS256, "kid": "ec-1"}, "RS256", "rsa-1", "RS256 needs an RSA key"),
        ("p384-key-for-ES256", {**RFC9068_HEADER, "kid": "ec-384"}, "ES256", "ec-384",
         "ES256 is bound to P-256"),
        ("secp256k1-key-for-ES256", {**RFC9068_HEADER, "kid": "ec-k1"}, "ES256", "ec-k1",
         "ES256 is bound to P-256, though secp256k1 has its size"),
    ):  # fmt: skip
        made.bad(
            f"keys-unsuitable-{name}", assemble(header, RFC9068_CLAIMS, alg, keys[key]),
            "unsuitable_key", why, "RFC 7518 section 3.1; RFC 8725 section 3.1",
            settings=generic(), jwks="variants",
        )  # fmt: skip


def _skipped(made: Sheet, keys: Keys) -> None:
    for name, header, key in (
        ("ec", RFC9068_HEADER, "ec-1"),
        ("rsa", {**RS256, "kid": "rsa-1"}, "rsa-1"),
    ):
        _good(
            made, f"beside-bad-members-{name}", issue(header, RFC9068_CLAIMS, keys[key]),
            "with-bad-members", "one bad member of a key set costs itself only",
            "RFC 7517 section 5; PyJWT GHSA-w6j9-cwv2-h6wq",
        )  # fmt: skip
    for kid, why in (
        ("no-kty", "a member without kty is no key"),
        ("no-modulus", "an RSA key without n is no key"),
        ("no-exponent", "an RSA key without e is no key"),
        ("modulus-not-base64", "n is not base64url"),
        ("modulus-a-number", "n is not a string"),
        ("unknown-kty", "key types that are not understood are ignored"),
        ("kty-lower-case", "kty is case-sensitive"),
        ("1", "a kid that is a number is not the string of its digits"),
    ):
        made.bad(
            f"keys-skipped-{kid}", _rsa(keys, kid), "unknown_key", why, "RFC 7517 sections 4 and 5",
            settings=generic(), jwks="with-bad-members",
        )  # fmt: skip
    for kid, why in (
        ("no-curve", "an EC key without crv is no key"),
        ("point-off-the-curve", "a point off the curve is no key"),
        ("no-y", "an EC key without y is no key"),
        ("short-coordinate", "a coordinate has the full length of the curve's"),
        ("unknown-curve", "curves that are not understood are ignored"),
    ):
        made.bad(
            f"keys-skipped-{kid}",
            assemble({**RFC9068_HEADER, "kid": kid}, RFC9068_CLAIMS, "ES256", keys["ec-1"]),
            "unknown_key", why, "RFC 7518 section 6.2.1; RFC 7517 section 5",
            settings=generic(), jwks="with-bad-members",
        )  # fmt: skip
    made.bad(
        "keys-skipped-short-okp",
        assemble({**RFC9068_HEADER, "alg": "EdDSA", "kid": "short-okp"}, RFC9068_CLAIMS, "EdDSA",
                 keys["ed-25519"]),
        "unknown_key", "an Ed25519 key has 32 bytes", "RFC 8037 section 2",
        settings=generic(algorithms=["EdDSA", "ES256"]), jwks="with-bad-members",
    )  # fmt: skip
    made.bad(
        "keys-skipped-oct",
        assemble({**RFC9068_HEADER, "alg": "HS256", "kid": "oct"}, RFC9068_CLAIMS, "HS256",
                 keys["secret"]),
        "algorithm_not_allowed", "a published secret verifies nothing",
        "threats 1.1, public key as HMAC secret", settings=generic(), jwks="with-bad-members",
    )  # fmt: skip
    made.bad(
        "keys-skipped-oct-for-ES256",
        assemble({**RFC9068_HEADER, "kid": "oct"}, RFC9068_CLAIMS, "HS256", keys["secret"]),
        "unknown_key", "a symmetric member of a key set is as good as absent",
        "threats 1.1, public key as HMAC secret", settings=generic(), jwks="with-bad-members",
    )  # fmt: skip


def _ambiguous(made: Sheet, keys: Keys) -> None:
    for name in ("rsa-1", "rsa-2"):
        made.bad(
            f"keys-same-kid-{name}", _rsa(keys, "rsa-1", name), "ambiguous_key",
            "two keys of one kid both fit, and none is tried", "Wycheproof, duplicate kid",
            settings=generic(), jwks="same-kid",
        )  # fmt: skip
    _good(
        made, "same-kid-in-the-set-of-another", issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"]),
        "same-kid", "an ambiguity costs the ambiguous kid only", "RFC 7517 section 4.5",
    )  # fmt: skip
    for jwks, token, why in (
        ("same-kid-one-for-encryption", _rsa(keys, "rsa-1"), "the other is for encryption"),
        ("same-kid-other-kty", issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"]),
         "the other is of another type"),
        ("same-kid-other-alg", _rsa(keys, "rsa-1"), "the other is for another algorithm"),
    ):  # fmt: skip
        _good(
            made, jwks, token, jwks,
            f"of two keys of one kid only one fits: {why}", "RFC 7517 section 4.5",
        )  # fmt: skip


def _without_kid(made: Sheet, keys: Keys) -> None:
    rsa, ec = without(RS256, "kid"), without(RFC9068_HEADER, "kid")
    for jwks, header, key, why in (
        ("one", rsa, "rsa-1", "the set has one key"),
        ("one-unnamed", rsa, "rsa-1", "neither the key nor the token has a kid"),
        ("one-of-each-kty", rsa, "rsa-1", "one key of the set is RSA"),
        ("one-of-each-kty", ec, "ec-1", "one key of the set is EC"),
        ("one-fits", rsa, "rsa-1", "the other RSA keys are weak or for encryption"),
    ):
        _good(
            made, f"no-kid-{jwks}-{key}", issue(header, RFC9068_CLAIMS, keys[key]), jwks,
            f"without a kid the one key that fits is meant: {why}",
            "RFC 7515 section 4.1.4; token-profiles T38",
        )  # fmt: skip
    for name, jwks, header, key, reason, why in (
        ("two", "two", rsa, "rsa-1", "ambiguous_key", "two keys fit, and none is tried"),
        ("unnamed-and-named", "unnamed-and-named", rsa, "rsa-2", "ambiguous_key",
         "a key without a kid is not preferred for a token without one"),
        ("none-fits", "one", ec, "ec-1", "unknown_key", "no key of the set fits"),
        ("stranger", "one", rsa, "stranger-rsa", "invalid_signature",
         "the one key that fits did not sign"),
    ):  # fmt: skip
        made.bad(
            f"keys-no-kid-{name}", issue(header, RFC9068_CLAIMS, keys[key]), reason, why,
            "RFC 7515 section 4.1.4; token-profiles T38", settings=generic(), jwks=jwks,
        )  # fmt: skip
    made.bad(
        "keys-kid-and-an-unnamed-key", _rsa(keys, "rsa-9"), "unknown_key",
        "a key without a kid is not meant by a token that names one", "RFC 7515 section 4.1.4",
        settings=generic(), jwks="one-unnamed",
    )  # fmt: skip
    for jwks in ("one", "two"):
        made.bad(
            f"keys-no-kid-auth0-{jwks}",
            issue(without(AUTH0_HEADER, "kid"), AUTH0_CLAIMS, keys["rsa-1"]), "missing_key_id",
            "Auth0 names its key in every token", "token-profiles T38",
            settings=tenant(), jwks=jwks,
        )  # fmt: skip
