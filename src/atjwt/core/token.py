"""Step 1 of the route: the token string → its parts, well-formed and not yet believed.

Two strict readers, used for everything that comes from outside: base64url (RFC 7515 section 2:
no padding, no foreign character, no stray bits) and JSON (RFC 8259 read as narrowly as RFC 7515
section 10.12 and RFC 8725 section 3.7 allow: UTF-8, one object, each member once, finite numbers,
whole characters, bounded depth). On top of them stands `parse_token`.

Nothing here knows an issuer, a key or a time. Of what a token says, later steps may use `alg`,
`kid`, `typ` and `iss` before the signature is verified, and only to refuse or to choose among what
is configured.
"""

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from functools import lru_cache
from math import isfinite
from typing import NamedTuple

from atjwt.errors import InvalidToken, Reason

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
    try:
        characters = text.decode("utf-8").strip(" \t\n\r")
        value, end = _DECODER.raw_decode(characters)
    except UnicodeDecodeError:
        raise ValueError("not UTF-8") from None
    except json.JSONDecodeError:
        raise ValueError("not JSON") from None
    except RecursionError:
        raise ValueError("nested too deep") from None
    if end != len(characters):
        raise ValueError("not JSON")
    if type(value) is not dict:
        raise ValueError("not a JSON object")
    if text.count(b"{") + text.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise ValueError("nested too deep")
    if b"\\u" in text:
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            raise ValueError("half of a surrogate pair") from None
    return value


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


class UnverifiedToken(NamedTuple):
    """A well-formed signed JWT (RFC 7519 section 7.2) of which nothing is believed yet.

    alg, kid, typ: as in the JOSE header.
    claims, payload: the claim set, and the JSON text it was read from.
    signing_input, signature: what was signed, and by what (RFC 7515 section 5.2).
    """

    alg: str
    kid: str | None
    typ: str | None
    claims: dict[str, object]
    payload: bytes
    signing_input: bytes
    signature: bytes

    def __repr__(self) -> str:
        return "<UnverifiedToken>"


def parse_token(token: bytes) -> UnverifiedToken:
    """Takes a compact JWS apart (RFC 7515 section 7.1).

    token: the credentials, already known to be of bounded length.
    Raises InvalidToken.
    """
    signing_input, _, encoded_signature = token.rpartition(b".")
    encoded_header, dot, encoded_claims = signing_input.partition(b".")
    if not dot or b"." in encoded_claims:
        raise _not_signed(token.count(b"."))
    # The header first: what it demands must not cost the work of reading the rest.
    alg, kid, typ = _read_header(encoded_header)
    try:
        payload = read_base64url(encoded_claims)
        signature = read_base64url(encoded_signature)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_ENCODING, f"claims or signature: {error}") from None
    try:
        claims = read_json_object(payload)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_JSON, f"claims: {error}") from None
    return UnverifiedToken(alg, kid, typ, claims, payload, signing_input, signature)


def _not_signed(dots: int) -> InvalidToken:
    if dots == 4:
        return InvalidToken(
            Reason.ENCRYPTED_TOKEN, "five parts: a JWE, and no decryption key is configured"
        )
    return InvalidToken(
        Reason.OPAQUE_TOKEN,
        "not three parts: no JWT; an authorization server issues opaque tokens where the client"
        " asked for no audience",
    )


@lru_cache(maxsize=256)  # a pure function; an issuer's tokens have very few different headers
def _read_header(segment: bytes) -> tuple[str, str | None, str | None]:
    try:
        text = read_base64url(segment)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_ENCODING, f"header: {error}") from None
    try:
        header = read_json_object(text)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_JSON, f"header: {error}") from None
    # `jwk`, `jku`, `x5u` and `x5c` are not looked at: a token never brings or names its own key.
    if "crit" in header or "b64" in header:
        raise InvalidToken(Reason.CRITICAL_HEADER, "header: crit or b64 is present")
    alg = header.get("alg")
    if type(alg) is not str:
        raise InvalidToken(Reason.INVALID_HEADER, "header: alg is not a string")
    kid = header.get("kid", _ABSENT)
    if kid is _ABSENT:
        kid = None
    elif type(kid) is not str or not kid:
        raise InvalidToken(Reason.INVALID_HEADER, "header: kid is not a string with content")
    typ = header.get("typ", _ABSENT)
    if typ is _ABSENT:
        typ = None
    elif type(typ) is not str:
        raise InvalidToken(Reason.INVALID_HEADER, "header: typ is not a string")
    return alg, kid, typ


_ABSENT = object()
