"""The reference for row b: the least that a whole verification can be, written out by hand.

The raw signature check, strict base64url, the standard library's JSON, and the checks that every
verifier must make. No rule tables, no errors that say why, no principal, no key look-up.
"""

import json
from binascii import a2b_base64
from time import time

from benchmarks.tokens import AUDIENCE, ISSUER, Signer

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_TO_STANDARD = bytes.maketrans(b"-_+/=", b"+/!!!")
_LAST = {2: _ALPHABET[::16], 3: _ALPHABET[::4]}
_PADDING = (b"", b"", b"==", b"=")


def decoded(segment: bytes) -> bytes:
    """Strict base64url."""
    remainder = len(segment) & 3
    if remainder == 1 or (remainder and segment[-1] not in _LAST[remainder]):
        raise ValueError("not canonical base64url")
    return a2b_base64(segment.translate(_TO_STANDARD) + _PADDING[remainder], strict_mode=True)


def verify(token: bytes, signer: Signer) -> dict[str, object]:
    """Returns the claims of a good token; raises anything for another."""
    signing_input, _, signature = token.rpartition(b".")
    encoded_header, _, encoded_claims = signing_input.partition(b".")
    header = json.loads(decoded(encoded_header))
    if header["alg"] != signer.algorithm or header["typ"] != "at+jwt" or "crit" in header:
        raise ValueError("header")
    signer.holds(decoded(signature), signing_input)
    claims: dict[str, object] = json.loads(decoded(encoded_claims))
    now, expires_at, issued_at = time(), claims["exp"], claims["iat"]
    if type(expires_at) is not int or type(issued_at) is not int or now >= expires_at + 10:
        raise ValueError("times")
    if claims["iss"] != ISSUER or AUDIENCE not in claims["aud"]:  # type: ignore[operator]
        raise ValueError("iss or aud")
    for name in ("sub", "client_id", "jti"):
        if type(claims[name]) is not str:
            raise ValueError(name)
    return claims
