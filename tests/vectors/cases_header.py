"""The JOSE header: types of its members, typ spellings, crit and b64, keys that a token brings."""

from typing import Any

from vectors.making import (
    AUTH0_CLAIMS,
    AUTH0_HEADER,
    GENERIC,
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
    tenant,
    without,
)

HERE: dict[str, Any] = {"settings": generic(), "jwks": "standard"}
BOTH: dict[str, Any] = {"settings": generic("auth0", "rfc9068"), "jwks": "standard"}
AUTH0_HERE = {**AUTH0_CLAIMS, "iss": GENERIC}
EITHER = {**RFC9068_CLAIMS, "azp": "cliA"}  # whichever profile is judged, nothing is missing


def sheet(keys: Keys) -> Sheet:
    """Whatever a header can say, and what it cannot."""
    made = Sheet(
        "The JOSE header: types, typ, crit and b64, kid, embedded keys.",
        {"standard": keys.standard(), "tenant": keys.tenant()},
    )
    _text(made, keys)
    _types(made, keys)
    _typ(made, keys)
    _critical(made, keys)
    _kid(made, keys)
    _own_keys(made, keys)
    _never_read(made, keys)
    return made


def _es256(keys: Keys, header: bytes | dict[str, Any], key: str = "ec-1") -> str:
    return assemble(header, RFC9068_CLAIMS, "ES256", keys[key])


def _text(made: Sheet, keys: Keys) -> None:
    text = json_bytes(RFC9068_HEADER)
    for name, header, why in (
        ("array", b"[" + text + b"]", "a header is a JSON object"),
        ("string", b'"ES256"', "a header is a JSON object"),
        ("null", b"null", "a header is a JSON object"),
        ("not-json", b"ES256", "a header is JSON"),
        ("bom", b"\xef\xbb\xbf" + text, "a byte order mark is not JSON"),
        ("utf-16", text.decode().encode("utf-16-le"), "JSON between systems is UTF-8"),
        ("not-utf-8", text[:-1] + b',"x":"\xff"}', "a byte that is not UTF-8"),
        ("two-algs", b'{"alg":"none",' + text[1:], "alg twice: readers differ on which counts"),
        ("two-kids", text[:-1] + b',"kid":"ec-2"}', "kid twice: readers differ on which counts"),
        ("two-typs-escaped", text[:-1] + b',"t\\u0079p":"JWT"}', "typ twice, once escaped"),
        ("duplicate-nested", text[:-1] + b',"x":{"a":1,"a":1}}', "a duplicate at any depth"),
        ("nan", text[:-1] + b',"x":NaN}', "a number is finite"),
        ("1e400", text[:-1] + b',"x":1e400}', "a number is finite"),
        ("surrogate-in-kid", text.replace(b"ec-1", b"ec-\\ud800"), "half a pair is no character"),
        ("trailing-junk", text + b"}", "the text is one JSON value and nothing more"),
    ):
        made.bad(
            f"header-text-{name}", _es256(keys, header), "invalid_json", why,
            "RFC 7515 sections 4 and 10.12", **HERE,
        )  # fmt: skip


def _types(made: Sheet, keys: Keys) -> None:
    wrong: dict[str, object] = {
        "null": None, "number": 1, "true": True, "array": ["ES256"], "object": {"ES256": 1},
    }  # fmt: skip
    for name, value in wrong.items():
        made.bad(
            f"header-alg-{name}", _es256(keys, {**RFC9068_HEADER, "alg": value}), "invalid_header",
            "alg is a string", "RFC 7515 section 4.1.1; PyJWT #1186", **HERE,
        )  # fmt: skip
        made.bad(
            f"header-kid-{name}", _es256(keys, {**RFC9068_HEADER, "kid": value}), "invalid_header",
            "kid is a string", "RFC 7515 section 4.1.4; PyJWT #1177", **HERE,
        )  # fmt: skip
        made.bad(
            f"header-typ-{name}", _es256(keys, {**RFC9068_HEADER, "typ": value}), "invalid_header",
            "typ is a string", "RFC 7515 section 4.1.9; token-profiles T7", **HERE,
        )  # fmt: skip
    made.bad(
        "header-alg-absent", _es256(keys, without(RFC9068_HEADER, "alg")), "invalid_header",
        "alg is required", "RFC 7515 section 4.1.1", **HERE,
    )  # fmt: skip
    made.bad(
        "header-empty", _es256(keys, b"{}"), "invalid_header",
        "an empty header names no algorithm", "RFC 7515 section 4.1.1", **HERE,
    )  # fmt: skip
    made.bad(
        "header-kid-empty", _es256(keys, {**RFC9068_HEADER, "kid": ""}), "invalid_header",
        "an empty kid names nothing", "RFC 7515 section 4.1.4", **HERE,
    )  # fmt: skip
    made.bad(
        "header-ALG", _es256(keys, {**without(RFC9068_HEADER, "alg"), "ALG": "ES256"}),
        "invalid_header", "names of members are case-sensitive", "RFC 7515 section 4", **HERE,
    )  # fmt: skip


def _typ(made: Sheet, keys: Keys) -> None:
    spelled = (
        "at+jwt", "at+JWT", "AT+JWT", "aT+jWt", "application/at+jwt", "application/AT+JWT",
        "APPLICATION/AT+JWT",
    )  # fmt: skip
    for typ in spelled:
        made.good(
            f"typ-accepted-{typ}",
            issue({**RFC9068_HEADER, "typ": typ}, RFC9068_CLAIMS, keys["ec-1"]),
            caller(RFC9068_CLAIMS, "rfc9068"),
            "media types are case-insensitive, and application/ may be left out",
            "RFC 9068 section 4; RFC 7515 section 4.1.9", **BOTH,
        )  # fmt: skip
    for typ in ("JWT", "jwt", "Jwt"):
        made.good(
            f"typ-accepted-{typ}",
            issue({**RFC9068_HEADER, "typ": typ}, AUTH0_HERE, keys["ec-1"]),
            caller(AUTH0_HERE, "auth0"),
            "the Auth0 profile's typ is JWT, in any case", "RFC 7519 section 5.1", **BOTH,
        )  # fmt: skip
    for typ, why in (
        ("", "an empty typ is no type"),
        ("application/application/at+jwt", "one prefix is taken off, not two"),
        ("application/", "a prefix alone is no type"),
        ("text/at+jwt", "another top-level type is another type"),
        ("/at+jwt", "application/ is the only prefix"),
        ("at+jwt;charset=utf-8", "a type with parameters is another type"),
        (" at+jwt", "nothing is trimmed"),
        ("at+jwt ", "nothing is trimmed"),
        ("at+jwt\n", "a grammar that ends in $ lets a newline through"),
        ("at jwt", "a plus is not a space"),
        ("at-jwt", "a minus is not a plus"),
        ("at+jwt+jwt", "a longer type is another type"),
        ("xat+jwt", "the type is compared whole"),
        ("ａｔ+jwt", "full-width letters are other letters"),
        ("application/JWT", "the Auth0 profile's typ is exactly JWT"),
        ("JWS", "a JWS is not said to be a JWT"),
        ("JOSE", "a type of serialization"),
        ("id_token+jwt", "an ID token is not an access token"),
        ("dpop+jwt", "a DPoP proof is not an access token"),
        ("logout+jwt", "a logout token is not an access token"),
        ("secevent+jwt", "a security event is not an access token"),
        ("token-introspection+jwt", "an introspection response is not an access token"),
        ("oauth-authz-req+jwt", "an authorization request is not an access token"),
        ("entity-statement+jwt", "an entity statement is not an access token"),
        ("client-authentication+jwt", "a client's assertion is not an access token"),
        ("kb+jwt", "a key binding is not an access token"),
        ("dc+sd-jwt", "a credential is not an access token"),
    ):
        made.bad(
            f"typ-refused-{typ!a}",
            issue({**RFC9068_HEADER, "typ": typ}, EITHER, keys["ec-1"]), "wrong_type", why,
            "RFC 9068 section 4; RFC 8725 section 3.11; token-profiles T10", **BOTH,
        )  # fmt: skip
    made.bad(
        "typ-absent", issue(without(RFC9068_HEADER, "typ"), EITHER, keys["ec-1"]), "wrong_type",
        "a token that does not say what it is, is not taken for either",
        "RFC 9068 section 4; token-profiles T4", **BOTH,
    )  # fmt: skip


def _critical(made: Sheet, keys: Keys) -> None:
    members: list[tuple[str, dict[str, Any], str, str]] = [
        (f"crit-{name}", {"crit": value}, why, source)
        for name, value, why, source in (
            ("unknown", ["x"], "an extension that is not understood", "RFC 7515 section 4.1.11"),
            ("registered", ["exp"], "crit names no registered member", "PyJWT CVE-2026-32597"),
            ("empty-list", [], "an empty list is not allowed", "RFC 7515 section 4.1.11"),
            ("string", "exp", "crit is a list; a string can be searched", "python-jose #413"),
            ("null", None, "present is present", "fast-jwt CVE-2026-35042"),
            ("false", False, "present is present", "fast-jwt CVE-2026-35042"),
            ("object", {"exp": True}, "crit is a list", "Authlib CVE-2025-59420"),
            ("list-of-numbers", [1], "crit is a list of names", "RFC 7515 section 4.1.11"),
        )
    ]
    for name, value in (("true", True), ("false", False), ("null", None), ("text", "false")):
        members.append(
            (f"b64-{name}", {"b64": value}, "no extension is understood, b64 neither", "RFC 7797")
        )
    members.append(
        ("crit-b64-true", {"crit": ["b64"], "b64": True}, "b64 is not understood, and it is said"
         " to be critical", "RFC 7797 section 6"),
    )  # fmt: skip
    for name, extra, why, source in members:
        made.bad(
            f"critical-{name}", _es256(keys, {**RFC9068_HEADER, **extra, "x": 1}),
            "critical_header", why, source, **HERE,
        )  # fmt: skip
    unencoded = {**RFC9068_HEADER, "crit": ["b64"], "b64": False}
    for name, payload, why in (
        ("unencoded-payload", "hello", "b64 is refused before the payload is decoded"),
        ("unencoded-payload-signs", "~a/b+c~", "b64 is refused before the payload is decoded"),
        ("unencoded-json", b64(b"hello"), "b64 is refused before the payload is read as JSON"),
    ):
        made.bad(
            f"critical-{name}",
            seal(b64(json_bytes(unencoded)), payload, "ES256", keys["ec-1"]), "critical_header",
            why, "RFC 7797; PyJWT CVE-2026-48525", **HERE,
        )  # fmt: skip


def _kid(made: Sheet, keys: Keys) -> None:
    for name, kid, why in (
        ("another", "ec-9", "a kid that is not in the set; no other key is tried"),
        ("prefix", "ec", "a prefix of a kid is another kid"),
        ("other-case", "EC-1", "kids are compared exactly"),
        ("space", "ec-1 ", "nothing is trimmed"),
        ("path", "../../../../dev/null", "a kid is no path"),
        ("file-url", "file:///dev/null", "a kid is no address"),
        ("url", "https://evil.example/jwks.json", "a kid is no address"),
        ("sql", "x' UNION SELECT 'secret' -- ", "a kid is no part of a query"),
        ("command", "ec-1|sleep 10", "a kid is no part of a command"),
        ("nul", "ec-1\0", "a NUL does not end a kid"),
        ("newline", "ec-1\nforged: log line", "a kid is no line of a log"),
        ("format", "{0.__class__}%s%n", "a kid is no format"),
        ("index", "0", "a kid is no index"),
        ("name-of-an-attribute", "__proto__", "a kid is no attribute"),
        ("asterisk", "*", "a kid is no pattern"),
        ("regular-expression", "ec-.", "a kid is no pattern"),
        ("long", "k" * 400, "a long kid is just another kid"),
    ):
        made.bad(
            f"kid-{name}", _es256(keys, {**RFC9068_HEADER, "kid": kid}), "unknown_key", why,
            "RFC 7515 section 4.1.4; threats 1.1, kid", **HERE,
        )  # fmt: skip
    made.bad(
        "kid-of-another-key", _es256(keys, {**RFC9068_HEADER, "kid": "ec-2"}), "invalid_signature",
        "kid names the key; the other keys are not tried", "UnityAuth #45", **HERE,
    )  # fmt: skip


def _own_keys(made: Sheet, keys: Keys) -> None:
    """A stranger's signature, and a header that offers the stranger's key."""
    jwk = keys.jwk("stranger-ec", kid="ec-1")
    offers: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": jwk},
        "jku": {"jku": "https://evil.example/jwks.json"},
        "x5u": {"x5u": "https://evil.example/certificate.pem"},
        "x5c": {"x5c": [b64(b"a certificate of the stranger's own making")]},
        "all": {"jwk": jwk, "jku": "file:///etc/jwks.json", "x5u": "x", "x5c": [], "x5t": "AAAA"},
    }
    for name, offer in offers.items():
        made.bad(
            f"own-key-{name}", _es256(keys, {**RFC9068_HEADER, **offer}, "stranger-ec"),
            "invalid_signature", "a token never brings or names its own key",
            "CVE-2018-0114; Authlib CVE-2026-27962; Istio CVE-2026-41413", **HERE,
        )  # fmt: skip
    made.bad(
        "own-key-jwk-and-kid",
        _es256(keys, {**RFC9068_HEADER, "jwk": jwk, "kid": "theirs"}, "stranger-ec"),
        "unknown_key", "a token never brings its own key, under its own name neither",
        "CVE-2018-0114", **HERE,
    )  # fmt: skip
    made.bad(
        "own-key-jwk-without-kid",
        assemble(
            {**without(AUTH0_HEADER, "kid"), "jwk": keys.jwk("stranger-rsa")}, AUTH0_CLAIMS,
            "RS256", keys["stranger-rsa"],
        ), "missing_key_id", "an embedded key does not stand in for a kid", "CVE-2018-0114",
        settings=tenant(), jwks="tenant",
    )  # fmt: skip


def _never_read(made: Sheet, keys: Keys) -> None:
    ignored: dict[str, dict[str, Any]] = {
        "jwk": {"jwk": keys.jwk("stranger-ec")},
        "jwk-of-no-type": {"jwk": 7},
        "jku": {"jku": "https://evil.example/jwks.json"},
        "x5u": {"x5u": "file:///etc/passwd"},
        "x5c": {"x5c": "not a list"},
        "x5t": {"x5t": "AAAA", "x5t#S256": "AAAA"},
        "cty": {"cty": "JWT"},
        "zip": {"zip": "DEF"},
        "iss": {"iss": "https://evil.example", "aud": "x", "exp": 0},
        "unknown": {"x": {"y": [None, True, 1.5]}, "": 0},
    }
    for name, extra in ignored.items():
        made.good(
            f"never-read-{name}", _es256(keys, {**RFC9068_HEADER, **extra}),
            caller(RFC9068_CLAIMS, "rfc9068"),
            "the member is not looked at, so it spoils nothing", "RFC 7515 section 4; DESIGN 2",
            **HERE,
        )  # fmt: skip
