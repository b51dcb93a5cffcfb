"""exp, nbf and iat against the clock, to the second, and every wrong type of them."""

from typing import Any

from vectors.making import (
    EXPIRES,
    ISSUED,
    NOW,
    PROFILES,
    RFC9068_CLAIMS,
    RFC9068_HEADER,
    Keys,
    Profile,
    Sheet,
    assemble,
    generic,
    issue,
    json_bytes,
    principal,
    without,
)


def sheet(keys: Keys) -> Sheet:
    """The edges of the leeway in both profiles, then types."""
    made = Sheet(
        "Times: exp and nbf against now and leeway, iat, and their types.",
        {"standard": keys.standard()},
    )
    for profile in PROFILES:
        _edges(made, keys, profile)
        _types(made, keys, profile)
    _numbers(made, keys)
    return made


def _edges(made: Sheet, keys: Keys, profile: Profile) -> None:
    claims = {**profile.claims, "nbf": ISSUED + 50}
    token = profile.make(keys, claims)
    # name, now, leeway (None: the default of 10), reason or None, why
    edges: list[tuple[str, int, float | None, str | None, str]] = [
        ("exp-last-second", EXPIRES + 9, None, None, "within the leeway past exp"),
        ("exp-at-the-leeway", EXPIRES + 10, None, "expired", "at exp + leeway it is over"),
        ("exp-before-without-leeway", EXPIRES - 1, 0, None, "the last second of a token's life"),
        ("exp-equal-without-leeway", EXPIRES, 0, "expired", "now is before exp, not equal to it"),
        ("exp-leeway-300", EXPIRES + 299, 300, None, "the largest leeway"),
        ("exp-past-leeway-300", EXPIRES + 300, 300, "expired", "the largest leeway has an end"),
        ("exp-long-past", EXPIRES + 40_000_000, None, "expired", "more than a year too late"),
        ("nbf-first-second", ISSUED + 40, None, None, "within the leeway before nbf"),
        ("nbf-before-the-leeway", ISSUED + 39, None, "not_yet_valid", "a second too early"),
        ("nbf-equal-without-leeway", ISSUED + 50, 0, None, "now is not before nbf"),
        ("nbf-before-without-leeway", ISSUED + 49, 0, "not_yet_valid", "now is before nbf"),
    ]
    for name, now, leeway, reason, why in edges:
        settings = profile.settings() if leeway is None else profile.settings(leeway=leeway)
        where: dict[str, Any] = {"settings": settings, "jwks": "standard", "now": now}
        source = "RFC 7519 sections 4.1.4 and 4.1.5; RFC 9068 section 4"
        name = f"times-{profile.name}-{name}"  # noqa: PLW2901 - the full name
        if reason is None:
            made.good(name, token, principal(claims, profile.name), why, source, **where)
        else:
            made.bad(name, token, reason, why, source, **where)


def _types(made: Sheet, keys: Keys, profile: Profile) -> None:
    wrong: dict[str, object] = {
        "null": None, "true": True, "false": False, "string": str(EXPIRES),
        "array": [EXPIRES], "object": {"value": EXPIRES}, "negative": -1, "negative-float": -0.5,
        "past-2-53": 2**53 + 2, "1e300": 1e300,
    }  # fmt: skip
    for member in ("exp", "nbf", "iat"):
        for name, value in wrong.items():
            made.bad(
                f"times-{profile.name}-{member}-{name}",
                profile.make(keys, {**profile.claims, member: value}), "invalid_claim",
                f"{member} is a finite number of seconds since 1970, no boolean and no string",
                "RFC 7519 section 2, NumericDate; token-profiles T29",
                settings=profile.settings(), jwks="standard",
            )  # fmt: skip
    for member in ("exp", "iat"):
        made.bad(
            f"times-{profile.name}-{member}-absent",
            profile.make(keys, without(profile.claims, member)), "missing_claim",
            f"{member} is required", profile.section, settings=profile.settings(),
            jwks="standard",
        )  # fmt: skip


def _numbers(made: Sheet, keys: Keys) -> None:
    here: dict[str, Any] = {"settings": generic(), "jwks": "standard"}
    accepted: list[tuple[str, dict[str, Any], str, str]] = [
        ("exp-float", {"exp": EXPIRES + 0.5}, "a NumericDate can have a fraction", "RFC 7519 section 2"),
        ("exp-exponent", {"exp": 1.79e9 + 86_400}, "a number is a number, however written",
         "RFC 8259 section 6"),
        ("exp-year-10000", {"exp": 253_402_300_800}, "past the last year of Python's datetime",
         "threats 1.2, huge ints"),
        ("exp-2-53", {"exp": 2**53}, "the largest time that is accepted", "RFC 8259 section 6"),
        ("iat-float", {"iat": ISSUED + 0.25}, "a NumericDate can have a fraction", "RFC 7519 section 2"),
        ("iat-zero", {"iat": 0}, "zero is a number", "Authlib #179"),
        ("iat-future", {"iat": NOW + 3_600}, "a future iat is clock skew, and logged",
         "DESIGN 5 times; token-profiles T30"),
        ("iat-after-exp", {"iat": EXPIRES + 1}, "no rule binds iat to exp", "DESIGN 5 times"),
        ("nbf-zero", {"nbf": 0}, "zero is a number, long past", "Authlib #179"),
        ("nbf-float", {"nbf": NOW + 9.5}, "a NumericDate can have a fraction", "RFC 7519 section 2"),
    ]  # fmt: skip
    for name, changes, why, source in accepted:
        claims = {**RFC9068_CLAIMS, **changes}
        made.good(
            f"times-{name}", issue(RFC9068_HEADER, claims, keys["ec-1"]),
            principal(claims, "rfc9068"), why, source, **here,
        )  # fmt: skip
    refused: list[tuple[str, dict[str, Any], str, str, str]] = [
        ("exp-zero", {"exp": 0}, "expired", "zero is a time, not the absence of one", "Authlib #179"),
        ("nbf-milliseconds", {"nbf": NOW * 1000}, "not_yet_valid",
         "milliseconds are read as the seconds they are not", "RFC 7519 section 2"),
        ("exp-float-past", {"exp": NOW - 10.5}, "expired", "fractions count", "RFC 7519 section 2"),
        ("nbf-float-future", {"nbf": NOW + 10.5}, "not_yet_valid", "fractions count",
         "RFC 7519 section 2"),
        ("exp-digits-of-another-script", {"exp": "١٧٩٠٠٨٦٤٠٠"}, "invalid_claim",
         "a string of Arabic digits is a string", "PyJWT 2.15.1, threats 1.2"),
        ("exp-spaced-string", {"exp": f" {EXPIRES} "}, "invalid_claim", "a string is a string",
         "PyJWT 2.15.1, threats 2"),
    ]  # fmt: skip
    for name, changes, reason, why, source in refused:
        token = issue(RFC9068_HEADER, {**RFC9068_CLAIMS, **changes}, keys["ec-1"])
        made.bad(f"times-{name}", token, reason, why, source, **here)
    huge = json_bytes(RFC9068_CLAIMS).replace(b"1790086400", b"1" + b"0" * 50)
    made.bad(
        "times-exp-1-and-50-zeros", assemble(RFC9068_HEADER, huge, "ES256", keys["ec-1"]),
        "invalid_claim", "an integer that no float and no datetime holds", "PyJWT #1171", **here,
    )  # fmt: skip
