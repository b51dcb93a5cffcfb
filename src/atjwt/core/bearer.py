"""Step 0 of the route: the Authorization header → the access token, as it was sent.

Takes every value of the header, as bytes. Returns the credentials of the one `Bearer` credential,
or `None` when nothing was sent for us (no header, or another scheme), or raises `InvalidRequest`
when what was sent is ours but is not one well-formed credential (RFC 6750 sections 2.1 and 3.1).

The size is checked before anything else. The grammar is checked last, and only of what turned out
not to be a well-formed token, since one that is cannot break it.
"""

import re
from collections.abc import Iterable

from atjwt.errors import InvalidRequest, InvalidToken, Reason

_TOKEN68 = re.compile(
    rb"[A-Za-z0-9\-._~+/]+=*"
)  # RFC 9110 section 11.2; RFC 6750 calls it b64token
# Bearer, and not merely the beginning of another scheme's name (RFC 9110 section 5.6.2).
_OURS = re.compile(rb"[ \t]*bearer(?![A-Za-z0-9!#$%&'*+\-.^_`|~])", re.IGNORECASE)
_OURS_TOO = re.compile(rb",[ \t]*bearer[ \t]", re.IGNORECASE)


def find_credentials(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Returns what follows `Bearer` in the request's one Authorization header, else None.

    headers: the request's header pairs, names in lower case, as ASGI gives them.
    Raises InvalidRequest: more than one Authorization header, or several credentials in one.
    """
    found: bytes | None = None
    for name, value in headers:
        if name == b"authorization":
            if found is not None:
                raise InvalidRequest(
                    Reason.MULTIPLE_CREDENTIALS, "more than one Authorization header"
                )
            found = value
    if found is None:
        if any(isinstance(name, str) for name, _ in headers):
            raise TypeError(
                "headers: give pairs of bytes, names in lower case, as in an ASGI scope"
            )
        return None
    if found[:7].lower() == b"bearer ":
        return found[7:].lstrip(b" ")
    if _OURS.match(found):
        raise InvalidRequest(Reason.MALFORMED_CREDENTIALS, "no space and token after Bearer")
    if b"," in found and _OURS_TOO.search(found):
        raise InvalidRequest(
            Reason.MULTIPLE_CREDENTIALS, "several credentials in one Authorization header"
        )
    return None


def check_size(credentials: bytes, max_size: int) -> None:
    """Refuses what is longer than `max_size` bytes, before anything costs time in proportion.

    Raises InvalidToken.
    """
    if len(credentials) > max_size:
        raise InvalidToken(
            Reason.TOKEN_TOO_LARGE, f"{len(credentials)} bytes where {max_size} are allowed"
        )


def check_token68(credentials: bytes) -> None:
    """Refuses what is not one token68 and nothing after it. Raises InvalidRequest."""
    if _TOKEN68.fullmatch(credentials) is None:
        raise InvalidRequest(
            Reason.MALFORMED_CREDENTIALS, "not one token68 and nothing after it (RFC 6750 2.1)"
        )


def sent_credentials(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """As `find_credentials`, for the log: None instead of an error."""
    try:
        return find_credentials(headers)
    except InvalidRequest:
        return None


def why_missing(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """For the log: in which way nothing was sent for us."""
    if any(name == b"authorization" for name, _ in headers):
        return "no Authorization header of the scheme Bearer was read"
    return "no Authorization header"
