"""JSON text, of a body or of the state file → its value; stricter than Python's own parser.

A member that is given twice, a number that is not finite or has no end, and half a surrogate pair,
with which no answer could be written, are refused here, so that no other part ever meets one.
"""

import json
from typing import Final, NoReturn

_MOST_DIGITS: Final = 400  # no float is longer; Python itself refuses from some thousands on


def parse_json(text: str | bytes) -> object:
    """The value. Raises ValueError, with a sentence that repeats nothing of the text."""
    try:
        value: object = json.loads(
            text, object_pairs_hook=_members, parse_constant=_not_finite, parse_int=_whole
        )
        if has_half_pair(value):
            raise ValueError("the body has half a surrogate pair, which is no character")
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("the body is not JSON") from None
    except RecursionError:
        raise ValueError("the body is nested too deep") from None
    return value


def has_half_pair(value: object) -> bool:
    """Whether a JSON value has half a surrogate pair anywhere, names of members included."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is given more than once")
    return members


def _whole(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has more than {_MOST_DIGITS} digits")
    return int(digits)


def _not_finite(name: str) -> NoReturn:
    raise ValueError("a number is not finite")
