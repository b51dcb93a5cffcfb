"""The members of a claim set, and the JSON types that they must have.

Exact types: a bool is no number, a number is no string, and null is nothing at all.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeGuard


class Type(Enum):
    """The JSON type that a member must have. Null is never one of them."""

    STRING = "a string with content"
    TEXT = "a string"
    NUMBER = "a number of seconds"
    STRINGS = "an array of strings"
    AUDIENCE = "a string, or an array of strings with content"
    OBJECT = "an object"
    DETAILS = "an array of objects, or one object"


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a claim set: its name, its type, and whether it must be there."""

    name: str
    type: Type
    required: bool = False


def is_time(value: object) -> TypeGuard[float]:
    """Whether this is a NumericDate (RFC 7519 section 2)."""
    # Past 2**53 a JSON number is no longer exact (RFC 8259 section 6), and no date either.
    return type(value) in _NUMBERS and 0 <= value <= 9007199254740992  # type: ignore[operator]


def is_strings(value: object) -> bool:
    """Whether this is an array of strings."""
    return type(value) is list and _STR.issuperset(map(type, value))


def is_audience(value: object) -> bool:
    """Whether this is one audience or several (RFC 7519 section 4.1.3)."""
    if type(value) is str:
        return bool(value)
    return bool(value) and is_strings(value) and "" not in value  # type: ignore[operator]


def is_details(value: object) -> bool:
    """Whether this is rich authorization (RFC 9396 section 2), or one entry of it."""
    items = value if type(value) is list else [value]
    return all(type(item) is dict for item in items)


def slash_hint(what: str, sent: Iterable[str], configured: Iterable[str]) -> str:
    """For the log: what a name that is not configured differs in, if it is the slash at its end."""
    bare = {name.removesuffix("/") for name in configured}
    if bare.isdisjoint(name.removesuffix("/") for name in sent):
        return ""
    return f"; it differs from a configured {what} in the slash at its end only"


_NUMBERS = (int, float)
_STR = frozenset({str})
IS_OF: Mapping[Type, Callable[[object], bool]] = {
    Type.STRING: lambda value: type(value) is str and value != "",
    Type.TEXT: lambda value: type(value) is str,
    Type.NUMBER: is_time,
    Type.STRINGS: is_strings,
    Type.AUDIENCE: is_audience,
    Type.OBJECT: lambda value: type(value) is dict,
    Type.DETAILS: is_details,
}
