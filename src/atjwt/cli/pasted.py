"""What people paste where a token is asked for: a header, a quoted string, a token response."""

import re
from typing import Final, NamedTuple

from atjwt.core.reading import read_json_object


class Taken(NamedTuple):
    """A token, and what it was taken out of; empty where it was all there was."""

    token: str
    out_of: str

    def __repr__(self) -> str:
        return "<Taken>"


def take_token(text: str) -> Taken:
    """Takes the token out of what people paste: a header, a quoted string, a token response.

    Raises ValueError: a token response without access token.
    """
    bare = text.strip()
    if bare.startswith("{"):
        return Taken(_from_response(bare), "a token response")
    layers = []
    for name, beginning in _WRAPPINGS:
        unquoted = bare.strip("\"'` \t,")
        layers += ["quotes"] if unquoted != bare and "quotes" not in layers else []
        bare = unquoted[match.end() :] if (match := beginning.match(unquoted)) else unquoted
        layers += [name] if bare != unquoted else []
    return Taken(bare, " and ".join(layers))


_WRAPPINGS: Final = (
    ("a header", re.compile(r"authorization:\s*", re.IGNORECASE)),
    ("the scheme Bearer", re.compile(r"bearer(\s+|$)", re.IGNORECASE)),
)


def _from_response(text: str) -> str:
    try:
        token = read_json_object(text.encode("utf-8", "replace")).get("access_token")
    except ValueError:
        token = None
    if not isinstance(token, str):
        raise ValueError("this is no token response with an access_token; give the token itself")
    return token.strip()
