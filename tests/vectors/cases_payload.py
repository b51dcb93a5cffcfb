"""The payload as text: UTF-8, JSON, duplicate members, numbers, surrogates, depth.

Every token here is truly signed, and most would pass if the reader were lenient.
"""

import json
from typing import Any

from vectors.making import (
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
    sign,
)

HERE: dict[str, Any] = {"settings": generic(), "jwks": "standard"}


def sheet(keys: Keys) -> Sheet:
    """From bytes to text, from text to JSON, and how deep it goes."""
    made = Sheet(
        "The payload as text: UTF-8, JSON, duplicate members, numbers, surrogates, depth.",
        {"standard": keys.standard()},
    )
    _encoding(made, keys)
    _refused(made, keys)
    _accepted(made, keys)
    _depth(made, keys)
    return made


def _encoding(made: Sheet, keys: Keys) -> None:
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


def _refused(made: Sheet, keys: Keys) -> None:
    text = json_bytes(RFC9068_CLAIMS)
    for name, payload in {
        "array": b"[" + text + b"]",
        "string": b'"' + b64(text).encode() + b'"',
        "number": b"1",
        "null": b"null",
        "true": b"true",
        "nothing-but-space": b"  ",
        "nested-token": issue(RFC9068_HEADER, RFC9068_CLAIMS, keys["ec-1"]).encode(),
    }.items():
        _bad_json(made, keys, name, payload, "a claim set is a JSON object", "RFC 7519 section 7.2")
    for name, payload in {
        "two-objects": text + text,
        "trailing-junk": text + b"x",
        "trailing-nul": text + b"\0",
        "trailing-comma": text[:-1] + b",}",
        "comment": text[:-1] + b"/**/}",
        "single-quotes": text.replace(b'"', b"'"),
        "cut-short": text[:-1],
        "no-break-space": b"\xc2\xa0" + text,
        "leading-zero": _with('"x":01'),
        "hexadecimal": _with('"x":0x1'),
        "bare-word": _with('"x":undefined'),
        "control-character": _with('"x":"a\nb"'),
        "bad-escape": _with('"x":"\\x41"'),
    }.items():
        _bad_json(made, keys, name, payload, "the text is one JSON value and nothing more",
                  "RFC 8259 section 2")  # fmt: skip
    for name, member in {
        "sub": '"sub":"someone-else"',
        "exp": '"exp":99999999999',
        "of-the-same-value": '"jti":"j-1"',
        "custom": '"x":1,"x":1',
        "escaped": '"s\\u0075b":"x"',
        "nested": '"act":{"sub":"a","sub":"b"}',
        "in-an-array": '"x":[{"a":1,"a":2}]',
    }.items():
        _bad_json(made, keys, f"duplicate-{name}", _with(member),
                  "a member that appears twice is read differently by different readers",
                  "RFC 7515 section 10.12; RFC 8725 section 2.4")  # fmt: skip
    _numbers(made, keys)
    _surrogates(made, keys)


def _bad_json(
    made: Sheet, keys: Keys, name: str, payload: bytes, why: str, source: str
) -> None:  # fmt: skip
    made.bad(
        f"json-{name}", assemble(RFC9068_HEADER, payload, "ES256", keys["ec-1"]), "invalid_json",
        why, source, **HERE,
    )  # fmt: skip


def _numbers(made: Sheet, keys: Keys) -> None:
    for name, number in {
        "nan": "NaN",
        "infinity": "Infinity",
        "minus-infinity": "-Infinity",
        "1e400": "1e400",
        "minus-1e400": "-1e400",
        "nested-nan": '[{"y":NaN}]',
    }.items():
        _bad_json(made, keys, name, _with(f'"x":{number}'), "a number is finite",
                  "RFC 8259 section 6; python-jose #420")  # fmt: skip
    for name, number in {"nan": "NaN", "infinity": "Infinity", "1e309": "1e309"}.items():
        payload = json_bytes(RFC9068_CLAIMS).replace(b"1790086400", number.encode())
        _bad_json(made, keys, f"exp-{name}", payload, "a time is finite",
                  "Superset #41394; PyJWT #1171")  # fmt: skip
    _bad_json(made, keys, "4400-digits", _with('"x":' + "9" * 4_400),
              "Python refuses so long an integer by ValueError",
              "threats 1.2; Python issue 95778")  # fmt: skip


def _surrogates(made: Sheet, keys: Keys) -> None:
    for name, member in {
        "high": '"x":"\\ud800"',
        "low": '"x":"\\udc00"',
        "reversed": '"x":"\\udc00\\ud800"',
        "in-a-name": '"\\ud83d":1',
        "nested": '"x":[{"y":["\\uDFFF"]}]',
        "before-a-pair": '"x":"\\ud83d\\ud83d\\ude00"',
        "in-client-profile": '"client_profile":"\\udbff"',
    }.items():
        _bad_json(made, keys, f"surrogate-{name}", _with(member),
                  "half of a surrogate pair is no character and cannot be sent on",
                  "threats 1.2, found here; RFC 7493 section 2.1")  # fmt: skip
    payload = json_bytes(RFC9068_CLAIMS).replace(b"user-47", b"user-\\ud800")
    _bad_json(made, keys, "surrogate-in-sub", payload,
              "a subject that no response could be encoded with",
              "threats 1.2, found here")  # fmt: skip


def _accepted(made: Sheet, keys: Keys) -> None:
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
            caller(RFC9068_CLAIMS, "rfc9068"), why, source, **HERE,
        )  # fmt: skip


def _depth(made: Sheet, keys: Keys) -> None:
    def nested(levels: int, innermost: str = "1") -> str:
        text = _with('"x":' + "[" * (levels - 1) + innermost + "]" * (levels - 1))
        return assemble(RFC9068_HEADER, text, "ES256", keys["ec-1"])

    made.good(
        "depth-64", nested(64), caller(RFC9068_CLAIMS, "rfc9068"),
        "64 levels, the claim set counted, are still read", "threats 1.2", **HERE,
    )  # fmt: skip
    objects = '{"a":' * 70 + "1" + "}" * 70
    for name, token in {
        "65": nested(65),
        "65-innermost-empty": nested(64, "[]"),
        "objects": assemble(RFC9068_HEADER, _with('"x":' + objects), "ES256", keys["ec-1"]),
        "1100": nested(1_100),
        "unclosed": assemble(RFC9068_HEADER, b'{"x":' + b"[" * 1_100, "ES256", keys["ec-1"]),
    }.items():
        made.bad(
            f"depth-{name}", token, "invalid_json", "nesting is bounded",
            "PyJWT GHSA-8wjv-2p76-3863; Nimbus CVE-2025-53864", **HERE,
        )  # fmt: skip
    deep_header = b'{"alg":"ES256","typ":"at+jwt","kid":"ec-1","x":' + b"[" * 1_100
    made.bad(
        "depth-of-a-header", f"{b64(deep_header)}.{b64(b'{}')}.{b64(sign('ES256', b'', keys['ec-1']))}",
        "invalid_json", "nesting is bounded in the header too", "PyJWT GHSA-8wjv-2p76-3863",
        **HERE,
    )  # fmt: skip
