"""The table of threats: what has gone wrong in systems like ours, as requests to an API of ours.

A row is one thing that really happened elsewhere, with the names under which it is known. Where one
request shows it, the attacks are in the row, each with the reason for which it is refused; where it
takes more, the row names the tests. `test_threats.py` makes the requests and keeps the table honest.
"""

import base64
import hmac
import json
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from atjwt import Reason
from web.asking import API, NOW
from web.forging import ABSENT, ISSUER, Forge, b64, public, sign

Forging = Callable[[Forge], bytes]


class Threat(NamedTuple):
    """One row. happened: where, by its public name. attacks: by reason, each forging one token.

    tests: where one request cannot show it; names of test functions of this folder.
    """

    section: str
    threat: str
    happened: str
    attacks: Mapping[Reason, list[Forging]] = MappingProxyType({})
    tests: tuple[str, ...] = ()


def _hmac(form: Callable[[Forge], bytes], size: str = "256", **header: Any) -> Forging:
    """The public key, in some form, taken for an HMAC secret."""

    def forging(forge: Forge) -> bytes:
        def signer(message: bytes) -> bytes:
            return hmac.digest(form(forge), message, f"sha{size}")

        return forge.token({"alg": f"HS{size}", "kid": "rsa", **header}, signer=signer)

    return forging


def _pem(forge: Forge, encoding: Encoding = Encoding.PEM) -> bytes:
    key: Any = forge.rsa.public_key
    pem: bytes = key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
    return pem


_PUBLIC_FORMS: list[Callable[[Forge], bytes]] = [
    _pem,
    lambda forge: _pem(forge).strip(),
    lambda forge: b"\n " + _pem(forge),
    lambda forge: b"\xef\xbb\xbf" + _pem(forge),
    lambda forge: _pem(forge).replace(b"\n", b"\r\n"),
    lambda forge: _pem(forge, Encoding.DER),
    lambda forge: base64.b64encode(_pem(forge, Encoding.DER)),
    lambda forge: json.dumps(forge.jwks()["keys"][0]).encode(),
    lambda forge: json.dumps(forge.jwks()).encode(),
    lambda forge: forge.jwks()["keys"][0]["n"].encode(),
    lambda forge: b"",
    lambda forge: b"rsa",
]


def _none(alg: object, signature: bytes = b"") -> Forging:
    return lambda forge: forge.token({"alg": alg}, signer=lambda message: signature)


def _es256(r: int, s: int) -> Forging:
    pair = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return lambda forge: forge.token(signer=lambda message: pair)


_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def _der(forge: Forge) -> bytes:
    def signer(message: bytes) -> bytes:
        raw = forge.by_ec(message)
        return encode_dss_signature(
            int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")
        )

    return forge.token(signer=signer)


def _offering(name: str, **header: Any) -> Forging:
    """The attacker's own key, in or behind a header parameter."""

    def forging(forge: Forge) -> bytes:
        offered = {
            "jwk": public(forge.stranger, "ec"),
            "jku": "https://evil.example/jwks.json",
            "x5u": "https://evil.example/cert.pem",
            "x5c": [base64.b64encode(_pem(forge, Encoding.DER)).decode()],
        }[name]
        return forge.token({name: offered, **header}, signer=forge.by_stranger)

    return forging


def _header(**changes: Any) -> Forging:
    return lambda forge: forge.token(changes)


def _headers(name: str, *values: Any) -> list[Forging]:
    """One header parameter with one value after another."""
    return [_header(**{name: value}) for value in values]


def _claims(**changes: Any) -> Forging:
    return lambda forge: forge.token(claims=changes)


def _claim(name: str, *values: Any) -> list[Forging]:
    """One claim with one value after another."""
    return [_claims(**{name: value}) for value in values]


def _by_rsa(alg: str, by: str, **header: Any) -> Forging:
    """Says one algorithm, and is signed by another."""

    def forging(forge: Forge) -> bytes:
        return forge.token({"alg": alg, **header}, signer=lambda m: sign(m, forge.rsa, by))

    return forging


def _signed(change: Callable[[bytes], bytes]) -> Forging:
    """The right signature, tampered with."""
    return lambda forge: forge.token(signer=lambda message: change(forge.by_ec(message)))


def _rsa_signature(size: int) -> Forging:
    """So many bytes of nonsense for an RSA signature."""
    header = {"alg": "RS256", "kid": "rsa"}
    return lambda forge: forge.token(header, signer=lambda message: b"\x01" * size)


def _auth0(header: dict[str, Any] | None = None, **changes: Any) -> Forging:
    return lambda forge: forge.auth0(header, **changes)


def _texts(header: Callable[[bytes], bytes], claims: Callable[[bytes], bytes]) -> Forging:
    """The JSON texts themselves are tampered with, before they are signed."""

    def forging(forge: Forge) -> bytes:
        parts = json.dumps(forge.header()).encode(), json.dumps(forge.claims()).encode()
        return forge.assemble(header(parts[0]), claims(parts[1]))

    return forging


def _same(text: bytes) -> bytes:
    return text


def _claims_text(text: bytes) -> Forging:
    """The claims end with this text."""
    return _texts(_same, lambda claims: claims[:-1] + text + b"}")


def _with_exp(text: bytes) -> Forging:
    return _texts(_same, lambda claims: re.sub(rb'"exp": \d+', b'"exp": ' + text, claims))


def _parts(change: Callable[[list[bytes]], list[bytes]]) -> Forging:
    """The segments are tampered with after they were signed."""
    return lambda forge: b".".join(change(forge.token().split(b".")))


def _junk(index: int, junk: bytes) -> Forging:
    """Junk in the middle of a segment."""
    return _segment(index, lambda part: part[:4] + junk + part[4:])


def _end(end: bytes) -> Forging:
    """Something after the last segment."""
    return _segment(2, lambda part: part + end)


def _recoded(codec: str, *, header: bool) -> Forging:
    """One of the JSON texts in another encoding."""

    def recode(text: bytes) -> bytes:
        return text.decode().encode(codec)

    return _texts(recode, _same) if header else _texts(_same, recode)


def _segment(index: int, change: Callable[[bytes], bytes]) -> Forging:
    def changed(parts: list[bytes]) -> list[bytes]:
        return [change(part) if at == index else part for at, part in enumerate(parts)]

    return _parts(changed)


def _nested(depth: int) -> Forging:
    return _claims_text(b',"a":' + b"[" * depth + b"]" * depth)


_BITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def _stray_bit(segment: bytes) -> bytes:
    # 64 bytes of signature leave four bits of the last character unused: set one of them.
    return segment[:-1] + _BITS[_BITS.index(chr(segment[-1])) + 1].encode()


_CODECS = ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"]
_NOT_STRINGS: list[Any] = [None, 0, 1, 1.5, True, False, [], ["ec"], {}, {"a": "ec"}]
_NOT_TIMES: list[Any] = [
    None,
    True,
    False,
    "4102444800",
    "٤١٠٢٤٤٤٨٠٠",
    "",
    [],
    {},
    [int(NOW) + 60],
    -1,
    10**50,
]

THREATS = [
    # 1.1 Algorithm and signature
    Threat(
        "1.1", "alg: none and spellings", "CVE-2015-2951, CVE-2022-23540, CVE-2026-28802",
        {
            Reason.ALGORITHM_NOT_ALLOWED: [
                *(_none(alg, signature) for signature in (b"", b"x", bytes(64)) for alg in (
                    "none", "None", "NONE", "nOnE", "none ", " none", "none\0", "", "null", "ES256 ",
                    "es256", "ＮＯＮＥ",
                )),
                lambda forge: forge.token({"alg": "none"}),
            ],
            Reason.OPAQUE_TOKEN: [
                lambda forge: forge.token({"alg": "none"}).rpartition(b".")[0],
            ],
            Reason.INVALID_SIGNATURE: [_none("ES256")],
        },
    ),
    Threat(
        "1.1", "public key as HMAC secret",
        "CVE-2017-11424, CVE-2022-29217, CVE-2024-33663, CVE-2023-48223, CVE-2026-22817",
        {
            Reason.ALGORITHM_NOT_ALLOWED: [
                *(_hmac(form, size) for form in _PUBLIC_FORMS for size in ("256", "384", "512")),
                _hmac(_pem, kid=ABSENT),
                _hmac(_pem, typ="JWT"),
            ],
        },
        ("test_symmetric_keys_of_a_published_set_are_ignored",
         "test_an_issuer_with_a_secret_has_no_other_algorithm"),
    ),
    Threat(
        "1.1", "allow-list checked, other algorithm used", "CVE-2026-48523, CVE-2016-9122",
        {
            Reason.UNSUITABLE_KEY: [
                _header(kid="rsa"),
                _by_rsa("RS256", "RS256"),
                _by_rsa("PS256", "PS256", kid="rsa"),
            ],
            Reason.INVALID_SIGNATURE: [_by_rsa("RS256", "PS256", kid="rsa")],
            Reason.ALGORITHM_NOT_ALLOWED: [
                _by_rsa(alg, alg, kid="rsa") for alg in ("RS384", "RS512", "PS512")
            ],
            Reason.MALFORMED_CREDENTIALS: [  # the JSON serialization, with its several signatures
                lambda forge: b'{"payload":"e30","signatures":[{"protected":"e30","signature":""}]}',
            ],
        },
    ),
    Threat(
        "1.1", "psychic and degenerate signatures", "CVE-2022-21449, CVE-2019-14859",
        {
            Reason.INVALID_SIGNATURE: [
                *(_es256(r, s) for r in (0, 1, _ORDER) for s in (0, 1, _ORDER)),
                _der,
                _signed(lambda signature: signature[:-1]),
                _signed(lambda signature: signature[1:]),
                _signed(lambda signature: signature + b"\0"),
                _signed(lambda signature: b"\0" + signature),
                _signed(lambda signature: signature * 2),
                _signed(lambda signature: signature[32:] + signature[:32]),
                lambda forge: forge.token(signer=lambda message: forge.by_ec(message[:-1])),
                lambda forge: forge.token(signer=forge.by_stranger),
                *map(_rsa_signature, (0, 1, 255, 256, 257, 4096)),
            ],
        },
    ),
    Threat(
        "1.1", "key offered by the token (jwk, jku, x5u, x5c)",
        "CVE-2018-0114, CVE-2026-27962, CVE-2026-41413, GHSA-993g-76c3-p5m4",
        {
            Reason.INVALID_SIGNATURE: [
                *(_offering(name) for name in ("jwk", "jku", "x5u", "x5c")),
                _offering("jwk", kid=ABSENT),
            ],
            Reason.UNKNOWN_KEY: [_offering(name, kid="mine") for name in ("jwk", "jku", "x5u", "x5c")],
        },
        ("test_nothing_is_fetched_that_a_token_names",),
    ),
    Threat(
        "1.1", "kid as path, SQL, command, URL", "PortSwigger labs 6 and 7, UnityAuth #45",
        {
            Reason.UNKNOWN_KEY: _headers(
                "kid",
                "../../../dev/null", "/dev/null", "' UNION SELECT 'key", "x| sleep 10", "EC",
                " ec", "ec ",
                "ec\0", "e", "https://evil.example/jwks.json", "file:///etc/passwd", "*", ".*", "0", "é",
                "%00", "${jndi:ldap://evil.example}", "a" * 5_000,
            ),
        },
    ),
    Threat(
        "1.1", "non-string kid, alg, typ crash or pass", "PyJWT #1177 and #1186, CVE-2019-17195",
        {
            Reason.INVALID_HEADER: [
                *(_header(**{name: value}) for name in ("kid", "alg", "typ") for value in _NOT_STRINGS),
                _header(alg=ABSENT),
                _header(kid=""),
            ],
        },
    ),
    Threat(
        "1.1", "crit and b64", "CVE-2026-32597, CVE-2026-48525, CVE-2025-59420, CVE-2026-35042",
        {
            Reason.CRITICAL_HEADER: [
                *_headers(
                    "crit",
                    ["b64"], ["exp"], ["x"], [], {}, None, "", "b64", 0, False, [5], ["alg"], [None],
                ),
                *_headers("b64", False, True, None, "false", 0),
                _header(crit=["b64"], b64=False),
                # Unencoded, as RFC 7797 has it: refused before the payload is decoded.
                lambda forge: b64(json.dumps(forge.header(b64=False, crit=["b64"])).encode())
                + b".not-base64-at-all.AA",
            ],
        },
    ),
    Threat(
        "1.1", "weak, wrong-use, malformed keys in the JWKS", "Wycheproof; joserfc 1.7.7, 1.8.0",
        tests=("test_a_key_that_is_not_fit_verifies_nothing", "test_an_ambiguous_kid_is_refused"),
    ),
    Threat(
        "1.1", "one bad JWKS member breaks all", "GHSA-w6j9-cwv2-h6wq",
        tests=("test_one_bad_key_costs_only_itself",),
    ),
    Threat(
        "1.1", "timing", "CVE-2016-7036, CVE-2026-22746",
        tests=("test_an_almost_right_mac_is_refused_like_any_other",),
    ),
    # 1.2 Reading the token
    Threat(
        "1.2", "dots and giant segments", "CVE-2025-27144, CVE-2025-30204, CVE-2025-61920",
        {
            Reason.TOKEN_TOO_LARGE: [
                lambda forge: b"." * 1_000_000,
                lambda forge: b"A" * 500_000 + b".A.A",
                lambda forge: b"A." + b"A" * 500_000 + b".A",
                _claims(padding="x" * 16_384),
                _segment(2, lambda part: part * 500),
            ],
            Reason.OPAQUE_TOKEN: [
                lambda forge: b"." * 16_384,
                lambda forge: b".",
                lambda forge: b"...",
                lambda forge: b"A",
                lambda forge: b"/" * 100,
                _parts(lambda parts: parts[:1]),
                _parts(lambda parts: parts[:2]),
                _parts(lambda parts: [*parts, b""]),
                _parts(lambda parts: [b"", *parts]),
                _parts(lambda parts: parts * 2),
            ],
            Reason.INVALID_JSON: [
                lambda forge: b"..",
                _parts(lambda parts: [b"", parts[1], parts[2]]),
                _parts(lambda parts: [parts[0], b"", parts[2]]),
            ],
            Reason.INVALID_SIGNATURE: [_parts(lambda parts: [*parts[:2], b""])],
        },
        ("test_length_is_the_first_thing_that_is_looked_at",),
    ),
    Threat(
        "1.2", "lenient base64 (padding, junk, newline)", "GHSA-hxm8-2xgr-2p9m, PyJWT #1209",
        {
            Reason.INVALID_ENCODING: [
                *map(_end, (b"=", b"==", b"AAA")),
                *(_segment(index, lambda part: b"+" + part[1:]) for index in range(3)),
                *(_segment(index, lambda part: b"/" + part[1:]) for index in range(3)),
                *(_segment(index, lambda part: part[:-1] + b"~") for index in range(3)),
                _segment(2, _stray_bit),
            ],
            Reason.MALFORMED_CREDENTIALS: [
                *(
                    _junk(index, junk)
                    for index in range(3)
                    for junk in (b"\n", b"\r\n", b" ", b"\t", b"!", b"%3D", b"\x00", b"\xc3\xa9", b"=")
                ),
                _segment(0, lambda part: part + b"=="),
                _segment(1, lambda part: part + b"="),
            ],
        },
    ),
    Threat(
        "1.2", "deep nesting", "GHSA-8wjv-2p76-3863, CVE-2025-53864",
        {
            Reason.INVALID_JSON: [
                *(_nested(depth) for depth in (64, 100, 1_000, 5_000)),
                _claims_text(b',"a":' + b"[" * 10_000),
                _texts(lambda text: text[:-1] + b',"a":' + b"[" * 5_000 + b"]" * 5_000 + b"}", _same),
            ],
        },
        ("test_deep_nesting",),
    ),
    Threat(
        "1.2", "huge ints, 1e400, NaN, Infinity", "Superset #41394, python-jose #420, CXF #3137",
        {
            Reason.INVALID_JSON: [_with_exp(text) for text in (
                b"1e400", b"-1e400", b"NaN", b"Infinity", b"-Infinity", b"9" * 5_000, b"1E9999",
                b"+1", b"01",
                b"0x10", b"1_000", b".5", b"1.", b"",
            )],
            Reason.INVALID_CLAIM: [
                *_claim("exp", 10**50, 10**4_000, 1e308, 2**53 + 1),
                _claims(iat=10**30),
                _claims(nbf=-(10**30)),
                _claims(iat=1e300),
            ],
        },
        ("test_an_expiry_past_the_year_9999_is_an_expiry",),
    ),
    Threat(
        "1.2", "bool and strings as dates", "Authlib #641, joserfc 1.8.0",
        {
            Reason.INVALID_CLAIM: [
                *_claim("exp", *_NOT_TIMES),
                *_claim("iat", *_NOT_TIMES),
                *_claim("nbf", *_NOT_TIMES),
                *_claim("auth_time", *_NOT_TIMES),
                *(_auth0(exp=value) for value in _NOT_TIMES),
            ],
        },
    ),
    Threat(
        "1.2", "falsy claims skipped", "Authlib #179, did-jwt #344",
        {
            Reason.EXPIRED: [_claims(exp=0), _claims(exp=0.0), _claims(exp=1), _auth0(exp=0)],
            Reason.INVALID_CLAIM: [
                *(_claims(**{name: ""}) for name in ("sub", "client_id", "jti", "org_id", "acr", "aud")),
                *(_claims(**{name: None}) for name in (
                    "sub", "client_id", "jti", "aud", "exp", "iat", "nbf", "scope", "permissions", "cnf",
                    "azp", "act", "org_id",
                )),
                _claims(aud=[]),
                _claims(aud=[API, ""]),
                _claims(iss=None),
                _claims(iss=0),
                _auth0(azp=""),
                _auth0(azp=None),
            ],
            Reason.UNKNOWN_ISSUER: [_claims(iss="")],
            Reason.ID_TOKEN: [_claims(nonce=""), _claims(at_hash=None), _claims(c_hash=False)],
            Reason.BOUND_TOKEN: [_claims(cnf={})],
        },
    ),
    Threat(
        "1.2", "duplicate members", "RFC 7515 section 4 and RFC 7519 section 4 leave a choice",
        {
            Reason.INVALID_JSON: [
                _texts(lambda text: text[:-1] + b',"alg":"none"}', _same),
                _texts(lambda text: b'{"alg":"none",' + text[1:], _same),
                _texts(lambda text: text[:-1] + b',"kid":"ec"}', _same),
                _texts(lambda text: text[:-1] + b',"\\u0061lg":"ES256"}', _same),
                _claims_text(b',"exp":9999999999'),
                _claims_text(b',"scope":"admin"'),
                _claims_text(b',"custom":{"a":1,"a":2}'),
                _claims_text(b',"custom":[{"a":1,"a":1}]'),
            ],
        },
        ("test_a_member_that_appears_twice", "test_whatever_the_issuer_answers_it_is_503"),
    ),
    Threat(
        "1.2", "other encodings", "json.loads guesses; PyJWT 2.15.1 takes UTF-16 and UTF-32",
        {
            Reason.INVALID_JSON: [
                *(_recoded(codec, header=header) for codec in _CODECS for header in (True, False)),
                _claims_text(b',"name":"\xe9"'),
                _claims_text(b',"name":"\xc0\x80"'),
                _claims_text(b',"name":"\xed\xa0\x80"'),
                _claims_text(b',"name":"\xff"'),
            ],
        },
    ),
    Threat(
        "1.2", "lone surrogates", "found here: sub \\ud800 passes PyJWT and breaks the response",
        {
            Reason.INVALID_JSON: [
                _claims(sub="\ud800"),
                _claims(sub="a\udfffb"),
                _claims(**{"\ud800": 1}),
                _claims(custom=[{"a": "\udc00"}]),
                _header(kid="\ud800"),
                _header(typ="\ud83d"),
            ],
        },
    ),
    Threat(
        "1.2", "JWE, zip, PBES2 p2c",
        "CVE-2024-33664, CVE-2024-28102, CVE-2024-28176, CVE-2023-52428, CVE-2026-29000",
        {
            Reason.ENCRYPTED_TOKEN: [
                _parts(lambda parts: [*parts, b"", b""]),
                lambda forge: b"....",
                lambda forge: b".".join([
                    b64(json.dumps({"alg": "dir", "enc": "A256GCM", "zip": "DEF"}).encode()),
                    b"", b"AAAA", b"AAAA", b"AAAA",
                ]),
                lambda forge: b".".join([
                    b64(b'{"alg":"PBES2-HS256+A128KW","enc":"A128GCM","p2c":2147483647,"p2s":"AA"}'),
                    b"AA", b"AAAA", b64(forge.token()), b"AAAA",
                ]),
            ],
            Reason.OPAQUE_TOKEN: [_parts(lambda parts: [*parts, b"", b"", b""])],
            Reason.ALGORITHM_NOT_ALLOWED: [
                _header(alg="dir", enc="A256GCM"),
                _header(alg="PBES2-HS256+A128KW", p2c=2**31, p2s="AA"),
                _header(alg="RSA-OAEP", enc="A128GCM", zip="DEF"),
            ],
        },
    ),
    Threat(
        "1.2", "ReDoS", "CVE-2026-35041, GHSA-3j8v-cgw4-2g6q, CVE-2024-24762",
        {
            Reason.WRONG_AUDIENCE: _claim(
                "aud",
                ".*", "^https://", "(a+)+$", "https://api.example.com/.*", "*", "%", "https://*/",
            ),
            Reason.MALFORMED_CREDENTIALS: [
                lambda forge: b"A" * 16_000 + b"!",
                lambda forge: b"=" * 16_000,
                lambda forge: b"A=" * 8_000,
                lambda forge: b"A" * 8_000 + b"=" * 8_000 + b"A",
            ],
        },
    ),
    # 1.3 Claims and kinds of token
    Threat(
        "1.3", "issuer by prefix or substring", "GHSA-75c5-xw7c-p5pm",
        {
            Reason.UNKNOWN_ISSUER: _claim(
                "iss",
                "https://issuer.example.co", "issuer.example.com", "https://issuer.example.com.evil.test/",
                f"{ISSUER}x", f"x{ISSUER}", f" {ISSUER}", f"{ISSUER} ", f"{ISSUER}\0", "https://",
                "h", "/",
                ISSUER.upper(), "HTTPS://issuer.example.com/", "http://issuer.example.com/",
                "https://issuer.example.com:443/", "https://issuer.example.com//", f"{ISSUER}?a",
                f"{ISSUER}#a",
                "https://user@issuer.example.com/", "https://issuer%2eexample.com/",
                "https://\u0456ssuer.example.com/", "https://issuer\u3002example.com/", "*", ".*",
            ),
            Reason.INVALID_CLAIM: _claim("iss", [ISSUER], {"iss": ISSUER}, True, 1, None),
        },
    ),
    Threat(
        "1.3", "trailing slash mix-ups", "okta-jwt-verifier-java #306, jans #14082, bambuddy #995",
        {Reason.UNKNOWN_ISSUER: [_claims(iss=ISSUER[:-1]), _auth0(iss=ISSUER[:-1])]},
        ("test_a_slash_too_few_is_named_in_the_log", "test_an_auth0_domain_is_given_its_slash_once"),
    ),
    Threat(
        "1.3", "issuer not checked at all", "CVE-2026-22748, Spring #18230, Clerk C# #90",
        {Reason.MISSING_CLAIM: [_claims(iss=ABSENT), _auth0(iss=ABSENT)]},
        ("test_issuer_and_audience_cannot_be_left_out",),
    ),
    Threat(
        "1.3", "cross-tenant keys", "STORM-0558, CVE-2018-6873, CVE-2026-9094, CVE-2026-49998",
        tests=("test_one_issuers_key_signs_nothing_for_another",),
    ),
    Threat(
        "1.3", "audience missing, substring, any",
        "CVE-2020-26160, CVE-2024-5798, CVE-2025-69196, CVE-2026-55669, CVE-2026-44428",
        {
            Reason.MISSING_CLAIM: [_claims(aud=ABSENT), _auth0(aud=ABSENT)],
            Reason.WRONG_AUDIENCE: [
                *_claim(
                    "aud",
                    API[:-1], f"{API}x", f"x{API}", API.upper(), "https://", "api", "/", f"{API} {API}",
                    f"{API},{API}", f" {API}", "null", "client", f"{ISSUER}userinfo",
                ),
                *(_claims(aud=[aud]) for aud in (API[:-1], f"{API}x", "https://")),
                _claims(aud=["https://other.example/", f"{ISSUER}userinfo"]),
                _auth0(aud="https://other.example/"),
            ],
            Reason.INVALID_CLAIM: _claim(
                "aud",
                [], None, 0, True, {API: 1}, {"aud": API}, [[API]], [API, 1], [API, None], [None], "",
            ),
        },
        ("test_two_mounts_two_apis",),
    ),
    Threat(
        "1.3", "ID token, logout token, assertion as access token", "RFC 8725 section 3.11",
        {
            Reason.WRONG_TYPE: [
                *_headers(
                    "typ",
                    "logout+jwt", "dpop+jwt", "id_token", "ID", "secevent+jwt", "entity-statement+jwt",
                    "token-introspection+jwt", "client-authentication+jwt", "oauth-authz-req+jwt",
                    "kb+jwt",
                    "application/jwt", "text/at+jwt", "at+jwt;v=1", " at+jwt", "at+jwt ", "at",
                    "JWS", "JOSE",
                    "application/application/at+jwt", "at+jwt\0", "ât+jwt", "",
                ),
                _header(typ=ABSENT),
            ],
            Reason.ID_TOKEN: [
                _auth0(nonce="n"), _auth0(at_hash="h"), _auth0(c_hash="h"), _claims(nonce="n"),
                _auth0(nonce="n", at_hash="h", aud=[API, "client"]),
            ],
            Reason.WRONG_AUDIENCE: [_auth0(aud="client", nonce="n")],
            Reason.MISSING_CLAIM: [
                _auth0(azp=ABSENT),
                _auth0(azp=ABSENT, events={"http://schemas.openid.net/event/backchannel-logout": {}}),
                _header(typ="JWT"),
                *(_claims(**{name: ABSENT}) for name in ("client_id", "jti", "sub", "iat", "exp")),
            ],
            Reason.CLIENT_MISMATCH: [
                _claims(azp="other"), _auth0(client_id="other"), _claims(azp="Client"),
            ],
        },
    ),
    Threat(
        "1.3", "expiry or nbf unchecked or loose", "GHSA-wxg7-w2v3-w38g, CVE-2026-9097",
        {
            Reason.EXPIRED: [_claims(exp=NOW - 10), _claims(exp=NOW - 10.001), _auth0(exp=NOW - 3600)],
            Reason.NOT_YET_VALID: [_claims(nbf=NOW + 10.001), _auth0(nbf=NOW + 3600)],
            Reason.MISSING_CLAIM: [_claims(exp=ABSENT), _auth0(exp=ABSENT), _claims(iat=ABSENT)],
        },
        ("test_time_is_that_of_the_injected_clock", "test_a_token_that_expires_in_the_cache_is_refused",
         "test_a_token_that_expires_while_keys_are_fetched_is_refused",
         "test_the_leeway_has_a_hard_limit"),
    ),
    Threat(
        "1.3", "confirmation ignored (cnf)", "zeroid #272, auth0 express #258",
        {
            Reason.BOUND_TOKEN: _claim(
                "cnf",
                {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}, {"x5t#S256": "a"},
                {"jwk": {}}, {},
                {"jkt": None}, {"unknown": 1},
            ),
            Reason.INVALID_CLAIM: _claim("cnf", None, [], "jkt", 0, True),
        },
    ),
    Threat(
        "1.3", "scope by substring, split(), case, wildcard", "kong-plugin-jwt-keycloak #31, fosite",
        {
            Reason.MISSING_SCOPE: [
                *_claim(
                    "scope",
                    "", " ", "read", "read:orders2", "xread:orders", "READ:ORDERS", "read:*", "*",
                    "read:orders\t", "write\tread:orders", "write\nread:orders", "read :orders",
                    "write\u00a0read:orders", "write,read:orders", "write\u2028read:orders",
                    "read%3Aorders", "read:order\u0455", '"read:orders"',
                ),
                _claims(scope=ABSENT, scp=["read:orders"]),
                _claims(scope="x", roles=["read:orders"]),
            ],
            Reason.INVALID_CLAIM: _claim("scope", ["read:orders"], {"read:orders": 1}, True, 1, None),
        },
        ("test_policies_say_who_passes_and_which_scopes_would_help",),
    ),
    Threat(
        "1.3", "scope and permissions confused", "found here: `in str(permissions)`",
        {
            Reason.MISSING_SCOPE: [_claims(scope="x", permissions=["read:orders"])],
            Reason.INVALID_CLAIM: _claim(
                "permissions",
                "read:orders", "orders:admin", {"orders:admin": 1}, [["orders:admin"]], [1],
                [None], True, None,
            ),
        },
        ("test_permissions_never_stand_among_the_scopes",
         "test_policies_say_who_passes_and_which_scopes_would_help"),
    ),
    # 1.4 Keys: fetching and caching
    Threat("1.4", "unknown-kid amplification", "CVE-2026-48524, go-oidc #482, fastapi-zitadel-auth #149",
           tests=("test_unknown_kids_cost_the_issuer_one_request_per_cooldown",
                  "test_what_can_be_refused_without_a_key_costs_no_request")),
    Threat("1.4", "limiter also starves known keys", "jwks-rsa-java #173",
           tests=("test_unknown_kids_cost_the_issuer_one_request_per_cooldown",)),
    Threat("1.4", "failed fetch wipes good keys", "CVE-2026-48524, Nimbus #348, CVE-2026-31837",
           tests=("test_a_failed_fetch_costs_no_good_key_until_the_stale_limit",)),
    Threat("1.4", "keys pinned for ever", "garden-co/jazz #340, apollo-mcp, Micronaut #2289",
           tests=("test_a_withdrawn_key_is_forgotten_whatever_its_age_is_said_to_be",
                  "test_a_failed_fetch_costs_no_good_key_until_the_stale_limit")),
    Threat("1.4", "redirects as key sources", "GHSA-9v7f-9g4p-ffgj",
           tests=("test_over_http_no_redirect_is_followed_and_no_giant_is_read",)),
    Threat("1.4", "oversized or compressed answers", "jwx #1622, Istio #35723, aisix #825",
           tests=("test_over_http_no_redirect_is_followed_and_no_giant_is_read",
                  "test_whatever_the_issuer_answers_it_is_503")),
    Threat("1.4", "slow answers", "openeverest #2835",
           tests=("test_a_hanging_issuer_is_given_up", "test_a_hanging_issuer_delays_no_known_key")),
    Threat("1.4", "thundering herd, cancellation", "CVE-2025-64527, CVE-2024-45809",
           tests=("test_a_cold_start_under_load_is_one_fetch",
                  "test_a_caller_that_leaves_takes_nothing_along")),
    Threat("1.4", "garbage from the endpoint", "PyJWT 2.15.0",
           tests=("test_whatever_the_issuer_answers_it_is_503",)),
    Threat("1.4", "discovery lies", "apollo-mcp #791, formance #624",
           tests=("test_metadata_that_lies_is_not_believed",)),
    Threat("1.4", "issuer down at start", "common",
           tests=("test_a_good_configuration_starts_without_asking_the_issuer",
                  "test_keys_that_cannot_be_had_are_503_and_never_401")),
    # 1.5 The verified-token cache
    Threat("1.5", "key too short or wrong", "CVE-2026-35030, CVE-2026-35039, CVE-2026-33496",
           tests=("test_a_token_that_differs_in_its_last_byte_is_another_token",)),
    Threat("1.5", "cached past expiry, nbf, policy", "GHSA-qvp4-rpmr-xwrr, CVE-2026-8922",
           tests=("test_a_token_that_expires_in_the_cache_is_refused",
                  "test_policies_are_asked_on_every_request")),
    Threat("1.5", "cached past the key's withdrawal", "MCP SDK audit",
           tests=("test_a_remembered_token_dies_with_its_key",)),
    Threat("1.5", "refusals cached", "outages after rotation",
           tests=("test_a_refusal_is_not_remembered",)),
    Threat("1.5", "shared between apps, issuers, audiences", "Clerk C# #90",
           tests=("test_nothing_is_shared_between_resource_servers", "test_two_mounts_two_apis")),
    Threat("1.5", "unbounded", "common", tests=("test_the_cache_is_bounded",)),
    # 1.6 HTTP and ASGI
    Threat("1.6", "two Authorization headers, comma-joined", "httpwg #180, CVE-2026-31838",
           tests=("test_what_is_not_one_well_formed_credential_is_400",)),
    Threat("1.6", "header aliases and spoofed identity",
    "CVE-2025-64484, CVE-2026-40575, CVE-2026-33433",
           tests=("test_only_the_header_authorization_is_read", "test_forwarded_headers_change_nothing",
                  "test_nothing_that_was_in_the_scope_before_is_believed")),
    Threat("1.6", "token in query, body, cookie", "RFC 6750 section 5.3, CVE-2021-29651",
           tests=("test_a_token_in_the_query_the_body_or_a_cookie_is_not_looked_at",
                  "test_no_other_header_carries_a_token")),
    Threat("1.6", "Host decides the path", "CVE-2026-48710",
           tests=("test_no_header_decides_the_path",
                  "test_over_a_real_server_every_spelling_is_judged_by_the_decoded_path")),
    Threat("1.6", "path exclusions", "CVE-2025-54576, CVE-2021-29492, CVE-2025-66490, CVE-2026-22753",
           tests=("test_what_is_public_for_us_is_routed_to_the_public_route",
                  "test_nothing_near_a_public_path_is_public",
                  "test_under_a_mount_the_path_is_that_after_the_mount")),
    Threat("1.6", "OPTIONS", "fastapi-keycloak-middleware #79, LocalAI #11113",
           tests=("test_every_method_is_guarded", "test_only_a_genuine_preflight_is_let_through",
                  "test_with_cors_outermost_a_browser_gets_everything_it_needs")),
    Threat("1.6", "WebSockets forgotten", "CVE-2026-39987",
           tests=("test_a_denial_is_the_same_answer_as_on_http",
                  "test_where_a_denial_cannot_be_sent_it_is_closed_before_it_is_accepted",
                  "test_over_a_real_server_and_a_real_client")),
    Threat("1.6", "scope types, lifespan", "-",
           tests=("test_an_unknown_scope_type_is_refused", "test_lifespan_passes",
                  "test_uvicorn_ends_with_every_problem_printed")),
    Threat("1.6", "WWW-Authenticate injection", "CVE-2024-21499",
           tests=("test_nothing_can_be_injected_by_the_realm", "test_nothing_of_the_request_is_repeated",
                  "test_scopes_that_an_app_names_cannot_inject_anything")),
    Threat("1.6", "token in logs and errors", "CVE-2022-23469, CVE-2024-45808",
           tests=("test_one_stable_reason_per_cause", "test_arbitrary_headers",
                  "test_an_accepted_token_is_reported_by_its_fingerprint")),
    Threat("1.6", "errors answered as success", "CVE-2022-29165, CVE-2024-51744, CVE-2026-28498",
           tests=("test_a_foreign_exception_passes", "test_a_bug_of_ours_lets_nobody_in",
                  "test_mutated_tokens")),
]  # fmt: skip
