"""Step 1 of the route: the token string → its parts, well-formed and not yet believed.

Nothing here knows an issuer, a key or a time. Of what a token says, later steps may use `alg`,
`kid`, `typ` and `iss` before the signature is verified, and only to refuse or to choose among what
is configured.
"""

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
