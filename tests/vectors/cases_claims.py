"""Claims but times: audience, required and optional members with every wrong type, marks."""

from collections.abc import Mapping
from typing import Any

from vectors.making import API, PROFILES, USERINFO, Keys, Profile, Sheet, principal, without

OTHER = "https://other.acme.test/"

REQUIRED: Mapping[str, tuple[str, ...]] = {
    "auth0": ("sub", "azp"),
    "rfc9068": ("sub", "client_id", "jti"),
}
SHARED = ("gty", "org_id", "org_name", "acr", "sub_profile", "client_profile")
# What the other profile requires is only typed here.
OPTIONAL: Mapping[str, tuple[str, ...]] = {
    "auth0": ("client_id", "jti", *SHARED),
    "rfc9068": ("azp", *SHARED),
}

NOT_STRINGS: dict[str, object] = {
    "null": None, "number": 1, "true": True, "array": ["x"], "object": {"x": "x"},
}  # fmt: skip

# member → what is wrong with each value
WRONG: dict[str, dict[str, object]] = {
    "scope": {**NOT_STRINGS, "empty-array": []},
    "permissions": {
        "null": None, "number": 1, "true": True, "string": "read:items", "empty-string": "",
        "object": {"read:items": True}, "array-of-numbers": [1], "array-with-null": ["read:items", None],
        "nested-array": [["read:items"]], "array-of-objects": [{"permission_name": "read:items"}],
    },
    "auth_time": {"null": None, "string": "1790000000", "true": True, "array": [1_790_000_000]},
    "amr": {"null": None, "string": "pwd", "number": 1, "array-of-numbers": [1], "object": {}},
    "act": {"null": None, "string": "CLIENTaaaa", "array": [{"sub": "x"}], "true": True},
    "authorization_details": {
        "null": None, "string": "payment", "number": 1, "array-of-strings": ["payment"],
        "array-with-null": [{"type": "payment"}, None],
    },
    "cnf": {"null": None, "string": "x", "array": [{"jkt": "x"}], "true": True},
}  # fmt: skip


def sheet(keys: Keys) -> Sheet:
    """The same questions for both profiles."""
    made = Sheet(
        "Claims but times: audience, required and optional members, scope, marks of other tokens.",
        {"standard": keys.standard()},
    )
    for profile in PROFILES:
        _audience(made, keys, profile)
        _required(made, keys, profile)
        _optional(made, keys, profile)
        _scope(made, keys, profile)
        _marks(made, keys, profile)
    return made


def _where(profile: Profile, **settings: object) -> dict[str, Any]:
    return {"settings": profile.settings(**settings), "jwks": "standard"}


def _audience(made: Sheet, keys: Keys, profile: Profile) -> None:
    accepted: list[tuple[str, object, object, str]] = [
        ("array-of-one", [API], API, "an array of one is as good as the string"),
        ("among-others", [USERINFO, API], API, "our identifier is one member"),
        ("last-of-many", [*(f"{OTHER}{n}" for n in range(5)), API], API, "the place says nothing"),
        ("twice", [API, API], API, "naming us twice is naming us"),
        ("second-name", OTHER, [API, OTHER], "one API can have several names"),
        ("both-names", [OTHER, API], [API, OTHER], "both of the API's names"),
        ("any-string", "orders api", "orders api", "an identifier is any string"),
    ]
    for name, audience, configured, why in accepted:
        claims = {**profile.claims, "aud": audience}
        made.good(
            f"aud-{profile.name}-{name}", profile.make(keys, claims),
            principal(claims, profile.name), why, "RFC 7519 section 4.1.3",
            **_where(profile, audience=configured),
        )  # fmt: skip
    foreign: dict[str, tuple[object, str]] = {
        "other-api": (OTHER, "another API's token"),
        "without-slash": (API.rstrip("/"), "a slash less is another identifier"),
        "upper-case": (API.upper(), "identifiers are compared exactly"),
        "prefix": (API[:-6], "a prefix of our identifier is not ours"),
        "longer": (f"{API}v1", "our identifier as a prefix is not ours"),
        "containing": (f"x {API} x", "our identifier inside another string is not ours"),
        "space-joined": (f"{OTHER} {API}", "aud is no list in a string"),
        "space": (f" {API}", "nothing is trimmed"),
        "others": ([OTHER, USERINFO], "an array of other APIs"),
        "array-containing": ([f"{API}v1", API[:-1]], "members are compared whole"),
        "wildcard": ("*", "an audience is no pattern"),
        "regular-expression": (".*", "an audience is no pattern"),
    }
    for name, (audience, why) in foreign.items():
        made.bad(
            f"aud-{profile.name}-{name}", profile.make(keys, {**profile.claims, "aud": audience}),
            "wrong_audience", why, "RFC 9068 section 4; jwt-go CVE-2020-26160",
            **_where(profile),
        )  # fmt: skip
    wrong: dict[str, object] = {
        "null": None, "number": 1, "true": True, "object": {API: API}, "empty-array": [],
        "array-with-number": [API, 1], "array-with-null": [None, API], "nested-array": [[API]],
        "empty-string": "", "array-with-empty-string": [API, ""],
    }  # fmt: skip
    for name, audience in wrong.items():
        made.bad(
            f"aud-{profile.name}-{name}", profile.make(keys, {**profile.claims, "aud": audience}),
            "invalid_claim", "aud is a string or an array of strings, and neither is empty",
            "RFC 7519 section 4.1.3; token-profiles T24", **_where(profile),
        )  # fmt: skip
    made.bad(
        f"aud-{profile.name}-absent", profile.make(keys, without(profile.claims, "aud")),
        "missing_claim", "a token for nobody in particular is not for us",
        profile.section, **_where(profile),
    )  # fmt: skip


def _required(made: Sheet, keys: Keys, profile: Profile) -> None:
    for member in REQUIRED[profile.name]:
        made.bad(
            f"required-{profile.name}-{member}-absent",
            profile.make(keys, without(profile.claims, member)), "missing_claim",
            f"{member} is required in this profile", profile.section, **_where(profile),
        )  # fmt: skip
        for name, value in {**NOT_STRINGS, "false": False, "empty-string": ""}.items():
            made.bad(
                f"required-{profile.name}-{member}-{name}",
                profile.make(keys, {**profile.claims, member: value}), "invalid_claim",
                f"{member} is a string with at least one character", profile.section,
                **_where(profile),
            )  # fmt: skip


def _optional(made: Sheet, keys: Keys, profile: Profile) -> None:
    few = {name: NOT_STRINGS[name] for name in ("null", "number")}
    wrong = {**WRONG, **dict.fromkeys(OPTIONAL[profile.name], few)}
    for member, values in wrong.items():
        for name, value in values.items():
            made.bad(
                f"optional-{profile.name}-{member}-{name}",
                profile.make(keys, {**profile.claims, member: value}), "invalid_claim",
                f"{member} may be absent, and is of its own type when present",
                "token-profiles 1.3 and 7.2; RFC 9068 section 2.2", **_where(profile),
            )  # fmt: skip


def _scope(made: Sheet, keys: Keys, profile: Profile) -> None:
    cases: list[tuple[str, str, list[str], str]] = [
        ("empty", "", [], "an empty scope grants nothing, and no scope of no name"),
        ("spaces-only", "   ", [], "spaces separate nothing from nothing"),
        ("several-spaces", "  read:items   write:items ", ["read:items", "write:items"],
         "empty names are dropped"),
        ("repeated", "read:items read:items", ["read:items"], "a scope is granted or not"),
        ("comma", "read:items,write:items", ["read:items,write:items"],
         "commas do not separate scopes"),
        ("tab", "read:items\twrite:items", ["read:items\twrite:items"],
         "only U+0020 separates scopes"),
        ("newline", "read:items\nwrite:items", ["read:items\nwrite:items"],
         "only U+0020 separates scopes"),
        ("no-break-space", "read:items\xa0write:items", ["read:items\xa0write:items"],
         "only U+0020 separates scopes"),
        ("wildcard", "* read:*", ["*", "read:*"], "a wildcard is a name like any other"),
        ("case", "Read:Items", ["Read:Items"], "scopes are case-sensitive"),
        ("url", "https://acme.test/auth/items.read", ["https://acme.test/auth/items.read"],
         "scopes can be URLs"),
    ]  # fmt: skip
    for name, scope, scopes, why in cases:
        claims = {**profile.claims, "scope": scope}
        made.good(
            f"scope-{profile.name}-{name}", profile.make(keys, claims),
            principal(claims, profile.name, scopes=scopes), why,
            "RFC 6749 section 3.3; token-profiles T16 and T17", **_where(profile),
        )  # fmt: skip
    claims = {**profile.claims, "scp": ["read:items"], "permissions": ["a b", "a b"]}
    made.good(
        f"scope-{profile.name}-elsewhere", profile.make(keys, claims),
        principal(claims, profile.name, permissions=["a b"]),
        "neither scp nor permissions is scope, and a permission may hold a space",
        "token-profiles T16 and T18", **_where(profile),
    )  # fmt: skip


def _marks(made: Sheet, keys: Keys, profile: Profile) -> None:
    for mark in ("nonce", "at_hash", "c_hash"):
        for name, value in (("", "n-0S6_WzA2Mj"), ("-empty", "")):
            made.bad(
                f"id-token-{profile.name}-{mark}{name}",
                profile.make(keys, {**profile.claims, mark: value}), "id_token",
                f"{mark} is the mark of an ID token, whatever else fits",
                "token-profiles 7.3; RFC 8725 section 3.11", **_where(profile),
            )  # fmt: skip
    second = "client_id" if profile.name == "auth0" else "azp"
    for name, value in (("other", "cliB"), ("other-case", "CLIA"), ("space", "cliA ")):
        made.bad(
            f"client-{profile.name}-{name}", profile.make(keys, {**profile.claims, second: value}),
            "client_mismatch", "azp and client_id name two clients; none is picked silently",
            "token-profiles T2; DESIGN 5 profile", **_where(profile),
        )  # fmt: skip
    confirmations: dict[str, dict[str, Any]] = {
        "dpop": {"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"},
        "mtls": {"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"},
        "unknown-method": {"kid": "k"},
        "two-methods": {"jkt": "AAAA", "x5t#S256": "AAAA"},
        "empty": {},
    }
    for name, confirmation in confirmations.items():
        made.bad(
            f"bound-{profile.name}-{name}",
            profile.make(keys, {**profile.claims, "cnf": confirmation}), "bound_token",
            "a bound token is never accepted as a plain bearer token",
            "RFC 7800 section 3.1; RFC 9449 section 7.1; zeroid #272", **_where(profile),
        )  # fmt: skip
