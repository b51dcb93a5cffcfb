"""Step 1 of the route: the token string → its parts, well-formed and not yet believed.

Nothing here knows an issuer, a key or a time. Of what a token says, later steps may use `alg`,
`kid`, `typ` and `iss` before the signature is verified, and only to refuse or to choose among what
is configured. Each rule is a function of its own, for `parse_token` and `core/explain.py` alike.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import NamedTuple

from atjwt.core.reading import read_base64url, read_json_object
from atjwt.errors import InvalidToken, Reason


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
    Raises InvalidToken: what the first of the functions below refuses.
    """
    header, encoded_claims, encoded_signature, signing_input = split_token(token)
    # The header first: what it demands must not cost the work of reading the rest.
    alg, kid, typ = _read_header(header)
    payload = read_part("claims", encoded_claims)
    signature = read_part("signature", encoded_signature)
    claims = read_members("claims", payload)
    return UnverifiedToken(alg, kid, typ, claims, payload, signing_input, signature)


def split_token(token: bytes) -> tuple[bytes, bytes, bytes, bytes]:
    """Header, claims and signature, each still encoded; and what was signed."""
    signing_input, _, signature = token.rpartition(b".")
    header, dot, claims = signing_input.partition(b".")
    if not dot or b"." in claims:
        raise _not_signed(token.count(b"."))
    return header, claims, signature, signing_input


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


def read_part(name: str, segment: bytes) -> bytes:
    """What a part of the token encodes (RFC 7515 section 2)."""
    try:
        return read_base64url(segment)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_ENCODING, f"{name}: {error}") from None


def read_members(name: str, text: bytes) -> dict[str, object]:
    """The one JSON object that a part of the token is (RFC 7519 section 7.2)."""
    try:
        return read_json_object(text)
    except ValueError as error:
        raise InvalidToken(Reason.INVALID_JSON, f"{name}: {error}") from None


@lru_cache(maxsize=256)  # a pure function; an issuer's tokens have very few different headers
def _read_header(segment: bytes) -> tuple[str, str | None, str | None]:
    header = read_members("header", read_part("header", segment))
    check_extensions(header)
    return read_alg(header), read_kid(header), read_typ(header)


# `jwk`, `jku`, `x5u` and `x5c` are not looked at: a token never brings or names its own key.


def check_extensions(header: Mapping[str, object]) -> None:
    """Refuses a header that demands an extension (RFC 7515 section 4.1.11, RFC 7797 section 3)."""
    if "crit" in header or "b64" in header:
        raise InvalidToken(Reason.CRITICAL_HEADER, "header: crit or b64 is present")


def read_alg(header: Mapping[str, object]) -> str:
    """The algorithm that the header names (RFC 7515 section 4.1.1)."""
    alg = header.get("alg")
    if type(alg) is not str:
        raise InvalidToken(Reason.INVALID_HEADER, "header: alg is not a string")
    return alg


def read_kid(header: Mapping[str, object]) -> str | None:
    """The key id (RFC 7515 section 4.1.4); None where the header has none."""
    if "kid" not in header:
        return None
    kid = header["kid"]
    if type(kid) is not str or not kid:
        raise InvalidToken(Reason.INVALID_HEADER, "header: kid is not a string with content")
    return kid


def read_typ(header: Mapping[str, object]) -> str | None:
    """The media type (RFC 7515 section 4.1.9); None where the header has none."""
    if "typ" not in header:
        return None
    typ = header["typ"]
    if type(typ) is not str:
        raise InvalidToken(Reason.INVALID_HEADER, "header: typ is not a string")
    return typ
