"""The shape of the credentials: token68, length, parts, base64url. Most tokens are truly signed.

A case that is refused for its shape would pass if the verifier were lenient, wherever that can be
arranged: so the shape alone decides.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from joserfc import jwe
from joserfc.jwk import RSAKey

from vectors.making import (
    AUTH0_CLAIMS,
    AUTH0_HEADER,
    RFC9068_CLAIMS,
    RFC9068_HEADER,
    Keys,
    Sheet,
    assemble,
    b64,
    caller,
    generic,
    issue,
    json_bytes,
    seal,
)

HERE: dict[str, Any] = {"settings": generic(), "jwks": "standard"}
MAX_SIZE = 16_384


def sheet(keys: Keys) -> Sheet:
    """From the outside in: credentials, length, dots, base64url."""
    made = Sheet(
        "The shape of the credentials: token68, length, parts, base64url.",
        {"standard": keys.standard()},
    )
    good = issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"])
    _credentials(made, good)
    _length(made, keys)
    _parts(made, keys, good)
    _base64url(made, keys, good)
    return made


def _credentials(made: Sheet, good: str) -> None:
    spoiled = {
        "empty": ("", "a scheme with nothing behind it is not a credential"),
        "trailing-newline": (f"{good}\n", "a grammar that ends in $ lets a newline through"),
        "trailing-space": (f"{good} ", "nothing follows the token"),
        "inner-space": (good.replace(".", ". ", 1), "a space is not in token68"),
        "inner-newline": (good.replace(".", "\n.", 1), "lenient base64 skips line ends"),
        "inner-crlf": (good.replace(".", "\r\n.", 1), "lenient base64 skips line ends"),
        "tab": (good.replace(".", "\t.", 1), "a tab is not in token68"),
        "nul": (f"{good}\0", "a NUL does not end anything"),
        "comma-joined": (f"{good},{good}", "two credentials in one header field"),
        "two-bearers": (f"{good}, Bearer {good}", "two credentials in one header field"),
        "parameter": (f'{good}, realm="x"', "the token is followed by a parameter"),
        "quoted": (f'"{good}"', "quotes are not in token68"),
        "angle-brackets": (f"<{good}>", "placeholders' brackets are not in token68"),
        "json": ('{"access_token":"x"}', "JSON is not in token68"),
        "percent": (good.replace("-", "%2D").replace(".", "%2E"), "nothing is percent-decoded"),
        "latin-1": (f"{good}é", "bytes beyond ASCII are not in token68"),
        "no-break-space": (f"{good}\xa0", "a no-break space is neither trimmed nor accepted"),
        "padding-only": ("===", "padding pads something"),
        "padding-inside": (good.replace(".", "=.", 1), "padding ends a token68"),
        "doubled-scheme": (f"Bearer {good}", "the scheme is named once"),
    }
    for name, (token, why) in spoiled.items():
        made.bad(
            f"credentials-{name}", token, "malformed_credentials", why,
            "RFC 6750 section 2.1; RFC 9110 section 11.2", **HERE,
        )  # fmt: skip


def _length(made: Sheet, keys: Keys) -> None:
    made.good(
        "length-at-the-limit", _of_length(keys, MAX_SIZE),
        caller(RFC9068_CLAIMS, "rfc9068"), "16,384 bytes are still read",
        "DESIGN 4, max_token_size", **HERE,
    )  # fmt: skip
    for name, token in {
        "over-the-limit": {"repeat": "A", "count": MAX_SIZE + 1},
        "60-kilobytes": {"repeat": "eyJhbGciOiJub25lIn0.", "count": 3_000},
        "dots": {"repeat": ".", "count": 20_000},
        "not-token68": {"repeat": "é ", "count": 10_000},
    }.items():
        made.bad(
            f"length-{name}", token, "token_too_large",
            "length is looked at before anything else is",
            "go-jose CVE-2025-27144; golang-jwt CVE-2025-30204", **HERE,
        )  # fmt: skip


def _of_length(keys: Keys, length: int) -> str:
    # A base64url segment cannot be of every length, so header and claims share the filling.
    for extra in range(4):
        header = {**RFC9068_HEADER, "x": "x" * extra}
        for filling in range(length * 3 // 4 - 600, length * 3 // 4):
            claims = json_bytes({**RFC9068_CLAIMS, "x": "x" * filling})
            if len(b64(json_bytes(header))) + len(b64(claims)) + 2 + 86 == length:
                return assemble(header, claims, "ES256", keys["ec-1"])
    raise AssertionError("no filling gives this length")


def _parts(made: Sheet, keys: Keys, good: str) -> None:
    header, payload, _ = good.split(".")
    for name, token, why in (
        ("one", "mF_9.B5f-4.1JqM".replace(".", ""), "an opaque token has no parts"),
        ("token68-signs", "aa~bb+cc/dd==", "an opaque token can hold every sign of token68"),
        ("two", f"{header}.{payload}", "an unsigned rest of a token"),
        ("trailing-dot", f"{good}.", "four parts are none of ours"),
        ("leading-dot", f".{good}", "four parts are none of ours"),
        ("six", f"{good}.{good}", "two tokens joined by a dot"),
        ("many", "." * 100, "dots are counted, not split"),
        ("one-dot", ".", "a dot is no token"),
    ):
        made.bad(
            f"parts-{name}", token, "opaque_token", why,
            "RFC 7515 section 7.1; token-profiles T15", **HERE,
        )  # fmt: skip
    recipient = RSAKey.generate_key(2048)
    inner = issue(AUTH0_HEADER, AUTH0_CLAIMS, keys["rsa-1"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # joserfc has an opinion on some of these
        nested = jwe.encrypt_compact(
            {"alg": "RSA-OAEP-256", "enc": "A256GCM", "cty": "JWT"}, inner, recipient,
            algorithms=["RSA-OAEP-256", "A256GCM"],
        )  # fmt: skip
    bomb = {"alg": "PBES2-HS256+A128KW", "enc": "A128GCM", "p2c": 2_000_000_000, "p2s": "AAAA"}
    for name, token, why, source in (
        ("encrypted", nested, "a JWE around a good token; no decryption key is configured",
         "token-profiles T14"),
        ("encrypted-costly", f"{b64(json_bytes(bomb))}.AA.AA.AA.AA",
         "the work factor of a JWE is not even read", "python-jose CVE-2024-33664"),
        ("encrypted-around-unsigned", f"{b64(b'{}')}..{b64(b'{}')}.{b64(b'{}')}.",
         "five parts are refused by counting dots", "pac4j CVE-2026-29000"),
        ("encrypted-empty", "....", "five parts, all of them empty", "RFC 7516 section 9"),
    ):  # fmt: skip
        made.bad(f"parts-{name}", token, "encrypted_token", why, source, **HERE)


def _base64url(made: Sheet, keys: Keys, good: str) -> None:
    header, payload, _ = good.split(".")
    ec = keys["ec-1"]
    # Claims whose encoding holds both `-` and `_`, so that the other alphabet spells it otherwise.
    signs = b64(json_bytes({**RFC9068_CLAIMS, "x": "???>>>~~~ÿÿÿ"}))
    if not {"-", "_"} <= set(signs):
        raise AssertionError("choose other claims")
    cases: list[tuple[str, str, str]] = [
        ("standard-alphabet",
         seal(header, signs.replace("-", "+").replace("_", "/"), "ES256", ec),
         "base64's own + and / are not base64url"),
        ("tilde", seal(header, f"{payload}~", "ES256", ec), "~ is in token68 and not in base64url"),
        ("padded-signature", f"{good}==", "padding makes a second spelling of the same token"),
        ("one-character-too-many",
         seal(header, _ending(RFC9068_CLAIMS, 0) + "A", "ES256", ec),
         "no group of base64 has one character"),
        ("stray-bits-in-payload", seal(header, _stray(_ending(RFC9068_CLAIMS, 1)), "ES256", ec),
         "bits that encode nothing are zero, or one token has many spellings"),
        ("stray-bits-in-header", seal(_stray(_ending(RFC9068_HEADER, 2)), payload, "ES256", ec),
         "bits that encode nothing are zero, or one token has many spellings"),
        ("stray-bits-in-signature", _stray(good),
         "bits that encode nothing are zero, or a denylist is walked around"),
        ("dotless-signature-junk", f"{good}~", "junk behind the signature is not skipped"),
        ("signature-of-one-character", f"{header}.{payload}.A", "one character encodes no byte"),
    ]  # fmt: skip
    for name, token, why in cases:
        made.bad(
            f"base64url-{name}", token, "invalid_encoding", why,
            "RFC 7515 section 2; PyJWT GHSA-hxm8-2xgr-2p9m", **HERE,
        )  # fmt: skip
    made.bad(
        "base64url-empty-header", seal("", payload, "ES256", ec), "invalid_json",
        "an empty header is not a JSON object", "RFC 7515 section 4", **HERE,
    )  # fmt: skip
    made.bad(
        "base64url-empty-payload", seal(header, "", "ES256", ec), "invalid_json",
        "an empty payload, as of detached content, is not a claim set", "RFC 7515 appendix F",
        **HERE,
    )  # fmt: skip
    made.bad(
        "base64url-all-empty", "..", "invalid_json", "two dots are three parts, all of them empty",
        "RFC 7515 section 7.1", **HERE,
    )  # fmt: skip


def _ending(members: Mapping[str, Any], remainder: int) -> str:
    """The encoded object, with so many bytes in its last group of three (0: the group is full)."""
    text = json_bytes(members)
    while len(text) % 3 != remainder:
        text = b" " + text
    return b64(text)


def _stray(token: str) -> str:
    """The same token with a bit set in its last character that encodes nothing."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) | 1]
