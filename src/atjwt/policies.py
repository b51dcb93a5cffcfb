"""What a caller must have: every policy that can be asked for, in one place.

    has_scope, has_permission, has_role, has_claim, authorization_detail     what the token grants
    is_kind, is_client, in_org                                               who is calling
    acr, authenticated_within                                                how the user logged in
    all_of, any_of                                                           or & and |

Policies are values: comparable, hashable, printable. A mistake is refused when a policy is built: no
names, a misspelt kind, a claim that has a policy of its own (which knows how each token profile
writes it), a claim that one of the profiles lacks (an API that changes its profile would refuse
everybody), and what nobody can meet, such as `is_kind("user") & is_kind("client")`.
"""

import re
from collections.abc import Collection, Mapping
from keyword import iskeyword
from typing import TypeAlias, get_args

from atjwt.core.configuration import number_problems
from atjwt.core.detail import Wanted, json_text
from atjwt.core.kind import Kind
from atjwt.core.policy import Policy, all_of, any_of
from atjwt.core.requirement import Authorized, Claim, Has, OneOf, Within
from atjwt.errors import ConfigurationError

__all__ = [
    "Kind",
    "Policy",
    "acr",
    "all_of",
    "any_of",
    "authenticated_within",
    "authorization_detail",
    "has_claim",
    "has_permission",
    "has_role",
    "has_scope",
    "in_org",
    "is_client",
    "is_kind",
]

Value: TypeAlias = str | int | float | bool
"""A value as JSON has it; compared by JSON's types, so that `1` is not `True`."""


def has_scope(*names: str) -> Policy:
    """Every one of these scopes was granted to the client (RFC 6749 section 3.3).

    Raises ConfigurationError: no name, or one that is no scope-token.
    """
    for name in names:
        if isinstance(name, str) and not _SCOPE.fullmatch(name) and name.strip():
            raise ConfigurationError(
                [f"has_scope: {name!r} is no scope; one name each, without spaces (RFC 6749 3.3)"]
            )
    return Has("scopes", frozenset(_names("has_scope", names)))


def has_permission(*names: str) -> Policy:
    """Every one of these permissions is held (Auth0's `permissions` claim).

    Raises ConfigurationError: no name.
    """
    return Has("permissions", frozenset(_names("has_permission", names)))


def has_role(*names: str) -> Policy:
    """Every one of these roles is held (RFC 9068 section 2.2.3.1, or `roles_claim` of the issuer).

    Raises ConfigurationError: no name.
    """
    return Has("roles", frozenset(_names("has_role", names)))


def has_claim(name: str, *, equals: Value | None = None, contains: Value | None = None) -> Policy:
    """A claim that the issuer adds equals a value, or is an array with that value in it.

    name: the claim, such as `https://example.com/plan`. A string is never searched for a part.
    Raises ConfigurationError: not one of `equals` and `contains`, or a claim that has a policy.
    """
    value = contains if equals is None else equals
    problems = []
    if not isinstance(name, str) or not name.strip():
        problems.append("has_claim: give the claim's name, a string with content")
    elif name in _INSTEAD:
        problems.append(f"has_claim({name!r}): {_INSTEAD[name]}")
    if (equals is None) == (contains is None):
        problems.append("has_claim: give one of equals=… and contains=…")
    text = json_text(value)
    if value is not None and text is None:
        problems.append("has_claim: the value is a string, a finite number, True or False")
    if problems or text is None:
        raise ConfigurationError(problems)
    return Claim(name, "contains" if equals is None else "equals", text)


def is_kind(*kinds: Kind) -> Policy:
    """The caller is of one of these kinds: `user`, `client`, `agent`, `anonymous`.

    An anonymous session passes no policy that does not name its kind.
    Raises ConfigurationError: no kind, or one that there is not.
    """
    known = get_args(Kind)
    if not kinds:
        raise ConfigurationError([f"is_kind: give at least one of {', '.join(known)}"])
    for kind in kinds:
        if kind not in known:
            raise ConfigurationError([f"is_kind({kind!r}): give one of {', '.join(known)}"])
    return OneOf("is_kind", "kind", _sorted("is_kind", kinds))


def is_client(*client_ids: str) -> Policy:
    """The call is made through one of these applications (`client_id`, or `azp`, by profile).

    Raises ConfigurationError: no id.
    """
    return OneOf("is_client", "client_id", _sorted("is_client", client_ids))


def in_org(*org_ids: str) -> Policy:
    """The call is made in one of these organizations (`org_id`; names change hands, ids do not).

    Raises ConfigurationError: no id.
    """
    return OneOf("in_org", "org_id", _sorted("in_org", org_ids))


def acr(*values: str) -> Policy:
    """The user was authenticated in one of these ways, the best first (RFC 9470 section 3).

    A caller who was not is told which, so that its client can ask the user to log in so.
    Raises ConfigurationError: no value, or one with a space, a quote or a backslash.
    """
    for value in values:
        if isinstance(value, str) and value.strip() and not _SCOPE.fullmatch(value):
            raise ConfigurationError(
                [f"acr({value!r}): one value each, printable ASCII without space, quote, backslash"]
            )
    return OneOf("acr", "acr", _names("acr", values))


def authenticated_within(seconds: float) -> Policy:
    """The user was authenticated no longer ago than this (`auth_time`, RFC 9470 section 3).

    A caller who was not is told the `max_age`, so that its client can ask the user to log in anew.
    Raises ConfigurationError: no positive number.
    """
    problems = number_problems("authenticated_within", seconds, 0, 1e9)
    if problems or seconds == 0:
        raise ConfigurationError(problems or ["authenticated_within: give more than 0 seconds"])
    return Within(seconds)


def authorization_detail(
    *,
    type: str,  # noqa: A002 - the standard's own name
    locations: Collection[str] | None = None,
    actions: Collection[str] | None = None,
    datatypes: Collection[str] | None = None,
    privileges: Collection[str] | None = None,
    identifier: str | None = None,
    **members: Value | Collection[Value],
) -> Policy:
    """One entry of the token's `authorization_details` has this type and all of the rest (RFC 9396).

    locations, actions, datatypes, privileges: the entry has each of these; one without the member
        has none of them.
    identifier, members: equal; of a list, the entry's array has each.
    Raises ConfigurationError: no type, an empty list, a value that JSON has no scalar for.
    """
    lists = {
        "locations": locations, "actions": actions, "datatypes": datatypes,
        "privileges": privileges,
    }  # fmt: skip
    problems = [
        f"authorization_detail({name}=…): give a list of strings"
        for name, values in lists.items()
        if values is not None
        and not (_is_list(values) and all(isinstance(value, str) for value in values))
    ]
    if identifier is not None and not isinstance(identifier, str):
        problems.append("authorization_detail(identifier=…): give a string")
    if not isinstance(type, str) or not type.strip():
        problems.append("authorization_detail(type=…): give the type, a string with content")
    problems += [
        f"authorization_detail: {name!r} is no name; members are written as arguments"
        for name in members
        if not name.isidentifier() or iskeyword(name)
    ]
    standard = {"type": type, **lists, "identifier": identifier}
    asked: dict[str, object] = {
        name: value for name, value in standard.items() if value is not None
    }
    asked |= {name: members[name] for name in sorted(members)}
    wanted = {name: _wanted(name, value) for name, value in asked.items()}
    problems += [
        f"authorization_detail({name}=…): give a string, a number, True or False, or a list of such"
        for name, found in wanted.items()
        if found is None
    ]
    if problems:
        raise ConfigurationError(problems)
    return Authorized(tuple(found for found in wanted.values() if found is not None))


def _is_list(value: object) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _wanted(name: str, value: object) -> Wanted | None:
    many = _is_list(value)
    texts = [json_text(item) for item in (value if many else [value])]  # type: ignore[attr-defined]
    values = sorted({text for text in texts if text is not None})
    return Wanted(name, tuple(values), many) if values and None not in texts else None


def _sorted(function: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted(_names(function, names)))


def _names(function: str, names: tuple[str, ...]) -> tuple[str, ...]:
    if not names or not all(isinstance(name, str) and name.strip() for name in names):
        raise ConfigurationError(
            [f'{function}: give names one by one, each a string with content: {function}("a", "b")']
        )
    return tuple(dict.fromkeys(map(str.__str__, names)))  # of an enumeration its value


_SCOPE = re.compile(r"[!#-\[\]-~]+")
"""A scope-token (RFC 6749 section 3.3), which is also what an `acr` in a challenge can be."""

_ONE_PROFILE = "one token profile lacks it; ask is_kind(…), or for a scope"
_INSTEAD = {
    "scope": "write has_scope(…)",
    "permissions": "write has_permission(…)",
    "roles": "write has_role(…)",
    "sub": "a policy is for many callers; compare Principal.subject in the endpoint",
    "iss": "which issuers are trusted says ResourceServer(issuers=…)",
    "aud": "two APIs are two resource servers",
    "azp": "one token profile lacks it; write is_client(…)",
    "client_id": "one token profile lacks it; write is_client(…)",
    "gty": _ONE_PROFILE,
    "jti": _ONE_PROFILE,
    "org_id": "write in_org(…)",
    "org_name": "names change hands; write in_org(…) with the id",
    "acr": "write acr(…)",
    "auth_time": "write authenticated_within(seconds)",
    "authorization_details": "write authorization_detail(type=…)",
    "sub_profile": "write is_kind(…)",
    **dict.fromkeys(("exp", "iat", "nbf"), "times are checked for every token"),
    "cnf": "a bound token is never accepted as a bearer token",
}
"""Claims that are not asked for by name, and what to write."""
