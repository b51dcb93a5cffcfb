"""What an API's settings may be: each member with its type, its bounds and where it may be sent.

A table; the Management API, the configuration file and the state file are all held against it. The
source is Auth0's OpenAPI file of its Management API (`/resource-servers`), and for the members that
it leaves out, its documentation and Terraform provider. Problems name members, never values.
"""

import re
from collections.abc import Callable, Collection, Mapping
from typing import Final, TypeAlias

from atjwt.issuer.json_text import has_half_pair
from atjwt.issuer.keys import ALGORITHMS
from atjwt.issuer.tokens import DIALECTS

Check: TypeAlias = Callable[[object], str | None]
"""Looks at one value: None if it will do, else what it must be (`is true or false`)."""

MAX_LIFETIME: Final = 2_592_000
"""Seconds; 30 days, the longest that an access token of an API may live."""

_NAME_SHOWN: Final = 60  # characters of a member's name that a message repeats


def text(least: int, most: int, pattern: str = "", shape: str = "") -> Check:
    """A string of so many characters. shape: what the pattern asks for, in words."""
    sentence = f"is a string of {least} to {most} characters{shape}"

    def check(value: object) -> str | None:
        fits = isinstance(value, str) and least <= len(value) <= most and not has_half_pair(value)
        return None if fits and re.fullmatch(pattern or ".*", str(value), re.DOTALL) else sentence

    return check


def whole(least: int, most: int) -> Check:
    """A whole number."""

    def check(value: object) -> str | None:
        if type(value) is int and least <= value <= most:
            return None
        return f"is a whole number from {least} to {most}"

    return check


def flag(value: object) -> str | None:
    """True or false."""
    return None if isinstance(value, bool) else "is true or false"


def one_of(*words: str) -> Check:
    """One of these words."""
    sentence = f"is one of {', '.join(words)}" if len(words) > 1 else f"is {words[0]}"
    return lambda value: None if isinstance(value, str) and value in words else sentence


def array(each: Check) -> Check:
    """A list, all of whose items will do."""

    def check(value: object) -> str | None:
        if not isinstance(value, list):
            return "is a list"
        wrong = ((number, each(item)) for number, item in enumerate(value))
        return next((f"has an item, [{n}], that {why}" for n, why in wrong if why), None)

    return check


def table(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """An object with these members and no others."""
    members = {**required, **(optional or {})}

    def check(value: object) -> str | None:
        if not isinstance(value, dict):
            return "is an object"
        if value.keys() - members.keys():
            return f"has a member that is none of {', '.join(members)}"
        for name in required:
            if name not in value:
                return f"lacks the member {name}"
        wrong = ((name, members[name](item)) for name, item in value.items())
        return next((f"has a member {name} that {why}" for name, why in wrong if why), None)

    return check


def or_null(check: Check) -> Check:
    """The same, or null, which takes the setting away."""
    return lambda value: None if value is None else check(value)


def _scopes(value: object) -> str | None:
    one = table({"value": text(1, 280, r"\S+", " without blanks")}, {"description": text(0, 500)})
    why = array(one)(value)
    if why is None and isinstance(value, list):
        names = [item["value"] for item in value]
        return "names a scope twice" if len(set(names)) < len(names) else None
    return why


def _subject_types() -> Check:
    user = one_of("allow_all", "deny_all", "require_client_grant")
    client = one_of("deny_all", "require_client_grant")
    return table({}, {"user": table({"policy": user}), "client": table({"policy": client})})


_ENCRYPTION: Final = table({
    "format": one_of("compact-nested-jwe"),
    "encryption_key": table(
        {
            "alg": one_of("RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"),
            "pem": text(1, 4_096),
        },
        {"name": text(1, 128), "kid": text(1, 128)},
    ),
})  # fmt: skip
_POSSESSION: Final = table(
    {"mechanism": one_of("mtls", "dpop"), "required": flag},
    {"required_for": one_of("public_clients", "all_clients")},
)

SIGNING_ALGS: Final = ("HS256", "RS256", "RS512", "PS256")
"""What an API may be set to; an issuer that was told to sign by another one may keep that."""

MEMBERS: Final[Mapping[str, Check]] = {
    "identifier": text(1, 600, r"[^\x00-\x1f\x7f-\x9f]+", " without control characters"),
    "name": text(1, 200, r"[^<>]+", " without < and >"),
    "scopes": _scopes,
    "signing_alg": one_of(*SIGNING_ALGS),
    "signing_secret": text(16, 4_096),
    "allow_offline_access": flag,
    "allow_online_access": flag,
    "allow_online_access_with_ephemeral_sessions": flag,
    "skip_consent_for_verifiable_first_party_clients": flag,
    "token_lifetime": whole(0, MAX_LIFETIME),
    "token_lifetime_for_web": whole(0, MAX_LIFETIME),
    "enforce_policies": flag,
    "token_dialect": one_of(*DIALECTS),
    "token_encryption": or_null(_ENCRYPTION),
    "consent_policy": or_null(one_of("transactional-authorization-with-mfa")),
    "authorization_details": or_null(array(table({"type": text(1, 255)}))),
    "proof_of_possession": or_null(_POSSESSION),
    "subject_type_authorization": _subject_types(),
    "authorization_policy": or_null(table({"policy_id": text(1, 1_024)})),
    "agent_subject_claims": one_of("auth0-v1"),
    "verification_location": text(1, 600),
}
"""The members that a request may have; `id`, `is_system` and `client_id` are in answers only."""


def creation_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with the settings of a new API: one phrase per member."""
    missing = [] if "identifier" in members else ["identifier is missing"]
    return missing + problems_in(members, MEMBERS)


def change_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with a change of an API's settings; its identifier is for ever."""
    return problems_in(members, {name: MEMBERS[name] for name in MEMBERS if name != "identifier"})


def kept_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with the whole settings of an API: no member, but two that do not go together."""
    problems = []
    lifetime, for_web = members.get("token_lifetime", 86_400), members.get("token_lifetime_for_web")
    if isinstance(lifetime, int) and isinstance(for_web, int) and for_web > lifetime:
        problems.append("token_lifetime_for_web is no longer than token_lifetime")
    if "signing_secret" in members and members.get("signing_alg") != "HS256":
        problems.append("signing_secret goes with the signing_alg HS256 only")
    return problems


def stored_problems(members: Mapping[str, object]) -> list[str]:
    """What is wrong with settings that were kept in a file."""
    checks = {**MEMBERS, "signing_alg": one_of(*SIGNING_ALGS, *ALGORITHMS)}
    needed = ["identifier", "signing_alg"]
    needed += ["signing_secret"] if members.get("signing_alg") == "HS256" else []
    problems = [f"{name} is missing" for name in needed if name not in members]
    problems += [f"{name} is null" for name, value in members.items() if value is None]
    return problems + problems_in(members, checks) + kept_problems(members)


def named(names: Collection[str]) -> str:
    """Names that a stranger sent, for a message: sorted, and none of them endless."""
    return ", ".join(sorted(name[:_NAME_SHOWN] for name in names))


def problems_in(members: Mapping[str, object], allowed: Mapping[str, Check]) -> list[str]:
    """What is wrong with members of which none need be there: one phrase per member."""
    unknown = members.keys() - allowed.keys()
    problems = [f"additional properties not allowed: {named(unknown)}"] if unknown else []
    for name, check in allowed.items():
        why = check(members[name]) if name in members else None
        if why:
            problems.append(f"{name} {why}")
    return problems
