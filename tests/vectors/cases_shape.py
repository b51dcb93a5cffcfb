"""The shape of the credentials: length, parts, base64url, JSON. Most tokens here are truly signed.

A case that is refused for its shape would pass if the verifier were lenient, wherever that can be
arranged: so the shape alone decides.
"""

import json
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
    generic,
    issue,
    json_bytes,
    principal,
    seal,
    sign,
    tenant,
)

HERE: dict[str, Any] = {"settings": generic(), "jwks": "standard"}
MAX_SIZE = 16_384


def sheet(keys: Keys) -> Sheet:
    """From the outside in: credentials, length, dots, base64url, JSON."""
    made = Sheet(
        "The shape of the credentials: token68, length, parts, base64url, UTF-8, JSON.",
        {"standard": keys.standard(), "tenant": keys.tenant()},
    )
    good = issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"])
    _credentials(made, good)
    _length(made, keys)
    _parts(made, keys, good)
    _base64url(made, keys, good)
    _payload_encoding(made, keys)
    _payload_json(made, keys)
    _payload_json_accepted(made, keys)
    _depth(made, keys)
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
        principal(RFC9068_CLAIMS, "rfc9068"), "16,384 bytes are still read",
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
    header, payload, signature = good.split(".")
    for name, token, why in (
        ("one", "mF_9.B5f-4.1JqM".replace(".", ""), "an opaque token has no parts"),
        ("token68-signs", "aa~bb+cc/dd==", "an opaque token can hold every sign of token68"),
        ("two", f"{header}.{payload}", "an unsigned rest of a token"),
        ("trailing-dot", f"{good}.", "four parts are none of ours"),
        ("leading-dot", f".{good}", "four parts are none of ours"),
        ("six", f"{good}.{good}", "two tokens joined by a dot"),
        ("many", "." * 1_000, "dots are counted, not split"),
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


def _payload_encoding(made: Sheet, keys: Keys) -> None:
    text = json_bytes(RFC9068_CLAIMS).decode()
    dated = json_bytes({**RFC9068_CLAIMS, "x": "HERE"})
    cases: list[tuple[str, bytes, str]] = [
        ("bom", text.encode("utf-8-sig"), "a byte order mark is not JSON"),
        ("utf-16-le", text.encode("utf-16-le"), "JSON between systems is UTF-8"),
        ("utf-16-be", text.encode("utf-16-be"), "JSON between systems is UTF-8"),
        ("utf-16-bom", text.encode("utf-16"), "JSON between systems is UTF-8"),
        ("utf-32", text.encode("utf-32"), "JSON between systems is UTF-8"),
        ("latin-1", dated.replace(b"HERE", b"\xe9"), "a byte that is not UTF-8"),
        ("overlong", dated.replace(b"HERE", b"\xc0\xa0"), "an overlong form is not UTF-8"),
        ("surrogate-bytes", dated.replace(b"HERE", b"\xed\xa0\x80"), "surrogates are not UTF-8"),
        ("truncated", dated.replace(b"HERE", b"\xf0\x9f\x98"), "a character that is cut short"),
        ("beyond-unicode", dated.replace(b"HERE", b"\xf4\x90\x80\x80"), "past the last character"),
    ]
    for name, payload, why in cases:
        made.bad(
            f"encoding-{name}", assemble(RFC9068_HEADER, payload, "ES256", keys["ec-1"]),
            "invalid_json", why, "RFC 8259 section 8.1; RFC 7519 section 7.2", **HERE,
        )  # fmt: skip


def _with(member: str) -> bytes:
    """Good claims followed by these members as text."""
    return json_bytes(RFC9068_CLAIMS)[:-1] + b"," + member.encode("utf-8") + b"}"


def _payload_json(made: Sheet, keys: Keys) -> None:
    text = json_bytes(RFC9068_CLAIMS)
    cases: list[tuple[str, bytes, str, str]] = [
        *((f"{name}", value, "a claim set is a JSON object", "RFC 7519 section 7.2")
          for name, value in {
              "array": b"[" + text + b"]", "string": b'"' + b64(text).encode() + b'"',
              "number": b"1", "null": b"null", "true": b"true", "nothing-but-space": b"  ",
              "nested-token": issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"]).encode()}.items()),
        *((f"{name}", value, "the text is one JSON value and nothing more", "RFC 8259 section 2")
          for name, value in {
              "two-objects": text + text, "trailing-junk": text + b"x", "trailing-nul": text + b"\0",
              "trailing-comma": text[:-1] + b",}", "comment": text[:-1] + b"/**/}",
              "single-quotes": text.replace(b'"', b"'"), "cut-short": text[:-1],
              "leading-zero": _with('"x":01'), "hexadecimal": _with('"x":0x1'),
              "bare-word": _with('"x":undefined'), "no-break-space": b"\xc2\xa0" + text,
              "control-character": _with('"x":"a\nb"'), "bad-escape": _with('"x":"\\x41"')}.items()),
        *((f"{name}", value, "a member that appears twice is read differently by different readers",
           "RFC 7515 section 10.12; RFC 8725 section 2.4")
          for name, value in {
              "duplicate-sub": _with('"sub":"someone-else"'), "duplicate-exp": _with('"exp":99999999999'),
              "duplicate-of-the-same-value": _with('"scope":"read:items"'),
              "duplicate-custom": _with('"x":1,"x":1'), "duplicate-escaped": _with('"s\\u0075b":"x"'),
              "duplicate-nested": _with('"act":{"sub":"a","sub":"b"}'),
              "duplicate-in-an-array": _with('"x":[{"a":1,"a":2}]')}.items()),
        *((f"{name}", _with(member), "a number is finite", "RFC 8259 section 6; python-jose #420")
          for name, member in {
              "nan": '"x":NaN', "infinity": '"x":Infinity', "minus-infinity": '"x":-Infinity',
              "1e400": '"x":1e400', "minus-1e400": '"x":-1e400', "nested-nan": '"x":[{"y":NaN}]'}.items()),
        *((f"{name}", text.replace(b"1790086400", value.encode()), "a time is finite",
           "Superset #41394; PyJWT #1171")
          for name, value in {"exp-nan": "NaN", "exp-infinity": "Infinity", "exp-1e309": "1e309"}.items()),
        *((f"{name}", _with(member), "half of a surrogate pair is no character and cannot be sent on",
           "threats 1.2, found here; RFC 7493 section 2.1")
          for name, member in {
              "surrogate-high": '"x":"\\ud800"', "surrogate-low": '"x":"\\udc00"',
              "surrogates-reversed": '"x":"\\udc00\\ud800"', "surrogate-in-a-name": '"\\ud83d":1',
              "surrogate-nested": '"x":[{"y":["\\uDFFF"]}]',
              "surrogate-before-a-pair": '"x":"\\ud83d\\ud83d\\ude00"'}.items()),
        ("surrogate-in-sub", text.replace(b"user-47", b"user-\\ud800"),
         "a subject that no response could be encoded with", "threats 1.2, found here"),
        ("5000-digits", _with('"x":' + "9" * 5_000), "Python refuses so long an integer by ValueError",
         "threats 1.2; Python issue 95778"),
    ]  # fmt: skip
    for name, payload, why, source in cases:
        made.bad(
            f"json-{name}", assemble(RFC9068_HEADER, payload, "ES256", keys["ec-1"]),
            "invalid_json", why, source, **HERE,
        )  # fmt: skip


def _payload_json_accepted(made: Sheet, keys: Keys) -> None:
    spread = json.dumps(RFC9068_CLAIMS, indent=2).replace("\n", "\r\n\t").encode()
    for name, payload, why, source in (
        ("white-space", b" \t\r\n" + spread + b"\n ", "white space between tokens is JSON",
         "RFC 8259 section 2"),
        ("surrogate-pair", _with('"x":"\\ud83d\\ude00"'), "an escaped pair is one character",
         "RFC 8259 section 7"),
        ("escaped-backslash-u", _with('"x":"\\\\ud800"'), "a backslash and the letters ud800",
         "RFC 8259 section 7"),
        ("escaped-names", json_bytes(RFC9068_CLAIMS).replace(b'"sub"', b'"\\u0073ub"'),
         "names are compared after unescaping", "RFC 8259 section 8.3"),
        ("big-integer", _with('"x":1' + "0" * 100), "a large integer in a claim of no concern to us",
         "RFC 8259 section 6"),
        ("empty-name", _with('"":1'), "an empty name is a name", "RFC 8259 section 4"),
        ("same-name-at-two-depths", _with('"act":{"sub":"CLIENTaaaa"}'),
         "the same name in another object is another member", "RFC 8259 section 4"),
        ("names-of-another-case", _with('"SUB":"x","Exp":0,"ISS":"x"'),
         "names differ by case", "RFC 7519 section 10.1.1"),
        ("solidus", json_bytes(RFC9068_CLAIMS).replace(b"/", b"\\/"), "a solidus may be escaped",
         "RFC 8259 section 7"),
    ):  # fmt: skip
        made.good(
            f"json-accepted-{name}", assemble(RFC9068_HEADER, payload, "ES256", keys["ec-1"]),
            principal(RFC9068_CLAIMS, "rfc9068"), why, source, **HERE,
        )  # fmt: skip


def _depth(made: Sheet, keys: Keys) -> None:
    def nested(levels: int, innermost: str = "1") -> str:
        text = _with('"x":' + "[" * (levels - 1) + innermost + "]" * (levels - 1))
        return assemble(RFC9068_HEADER, text, "ES256", keys["ec-1"])

    made.good(
        "depth-64", nested(64), principal(RFC9068_CLAIMS, "rfc9068"),
        "64 levels, the claim set counted, are still read", "threats 1.2", **HERE,
    )  # fmt: skip
    objects = '{"a":' * 200 + "1" + "}" * 200
    for name, token in {
        "65": nested(65),
        "65-innermost-empty": nested(64, "[]"),
        "objects": assemble(RFC9068_HEADER, _with('"x":' + objects), "ES256", keys["ec-1"]),
        "2000": nested(2_000),
        "unclosed": assemble(RFC9068_HEADER, b'{"x":' + b"[" * 4_000, "ES256", keys["ec-1"]),
    }.items():
        made.bad(
            f"depth-{name}", token, "invalid_json", "nesting is bounded",
            "PyJWT GHSA-8wjv-2p76-3863; Nimbus CVE-2025-53864", **HERE,
        )  # fmt: skip
    deep_header = b'{"alg":"ES256","typ":"at+jwt","kid":"ec-1","x":' + b"[" * 2_000
    made.bad(
        "depth-of-a-header", f"{b64(deep_header)}.{b64(b'{}')}.{b64(sign('ES256', b'', keys['ec-1']))}",
        "invalid_json", "nesting is bounded in the header too", "PyJWT GHSA-8wjv-2p76-3863",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip
