"""Two strict readers, for everything that comes from outside: tokens, key sets, metadata.

base64url (RFC 7515 section 2: no padding, no foreign character, no stray bits) and JSON (RFC 8259
read as narrowly as RFC 7515 section 10.12 and RFC 8725 section 3.7 allow: UTF-8, one object, each
member once, finite numbers, whole characters, bounded depth).
"""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from math import isfinite

MAX_DEPTH = 64
"""How deep arrays and objects may stand in one another."""


def read_base64url(segment: bytes) -> bytes:
    """Decodes base64url without padding, and only its one canonical form (RFC 7515 section 2).

    Raises ValueError.
    """
    remainder = len(segment) & 3
    if remainder == 1 or (remainder and segment[-1] not in _LAST_CHARACTERS[remainder]):
        raise ValueError("not canonical base64url")
    try:
        return a2b_base64(segment.translate(_TO_STANDARD) + _PADDING[remainder], strict_mode=True)
    except Base64Error:
        raise ValueError("not base64url") from None


# Every byte that is not base64url becomes one that is not base64 either, "+", "/" and "=" included.
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes(
    {ord("-"): ord("+"), ord("_"): ord("/")}.get(byte, byte) if byte in _ALPHABET else ord("!")
    for byte in range(256)
)
_PADDING = (b"", b"", b"==", b"=")
# The last character of a short group has bits that encode nothing; they must be zero.
_LAST_CHARACTERS = {2: frozenset(_ALPHABET[::16]), 3: frozenset(_ALPHABET[::4])}


def read_json_object(text: bytes) -> dict[str, object]:
    """Reads one JSON object from UTF-8 text, strictly.

    Refused: other encodings and a byte order mark, anything but an object, a member that appears
    twice (at any depth), NaN and infinities by name or by size, halves of surrogate pairs, integers
    of more digits than Python reads, more than 64 levels.
    Raises ValueError, whose text never holds any of the input.
    """
    value, problem = _decoded(text)
    if problem:
        # Raised out here: an exception's context would carry the text.
        raise ValueError(problem)
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("nested too deep")
    return value


def _decoded(text: bytes) -> tuple[object, str]:
    """The value, or what is wrong."""
    try:
        characters = text.decode("utf-8").strip(" \t\n\r")
        value, end = _DECODER.raw_decode(characters)
        if end != len(characters):
            return None, "not JSON"
        if b"\\" in text:  # only an escape can stand for half a pair
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeDecodeError:
        return None, "not UTF-8"
    except UnicodeEncodeError:
        return None, "half of a surrogate pair"
    except json.JSONDecodeError:
        return None, "not JSON"
    except RecursionError:
        return None, "nested too deep"
    except ValueError as error:  # our own, or an integer of too many digits
        return None, str(error)
    return value, ""


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member appears twice")
    return members


def _finite(digits: str) -> float:
    number = float(digits)
    if not isfinite(number):
        raise ValueError("a number is not finite")
    return number


def _constant(name: str) -> object:
    raise ValueError("a number is not finite")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_members, parse_float=_finite, parse_constant=_constant
)


def _depth(value: dict[str, object]) -> int:
    depth = 0
    level: list[dict[str, object] | list[object]] = [value]
    while level:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
