"""Request bodies of strangers → values of known type, or ValueError with a sentence for them.

The sentences never repeat what was sent.
"""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from atjwt.issuer.json_text import parse_json

_MAX_BODY: Final = 65_536  # bytes; the longest that is meant here is some claims for one token


async def read_body(request: Request, most: int = _MAX_BODY) -> bytes:
    """The whole body. most: bytes. Raises ValueError: it is longer."""
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise ValueError(f"the body is longer than {most} bytes")
    return bytes(body)


def media_type(request: Request) -> str:
    """The content type without parameters, in lower case."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def json_object(body: bytes) -> dict[str, object]:
    """One JSON object. Raises ValueError."""
    value = parse_json(body)
    if isinstance(value, dict):
        return value
    raise ValueError("the body is not a JSON object")


def parameters(body: bytes, media: str) -> dict[str, str]:
    """OAuth parameters, from a form (RFC 6749 section 3.2) or, as at Auth0, from JSON.

    media: the content type. Parameters without a value count as left out.
    Raises ValueError.
    """
    if media == "application/json":
        members = json_object(body)
        texts = {name: value for name, value in members.items() if isinstance(value, str)}
        if len(texts) != len(members):
            raise ValueError("every parameter is a string")
        return {name: value for name, value in texts.items() if value}
    if media != "application/x-www-form-urlencoded":
        raise ValueError(
            "send the header content-type: application/json, or that of a URL-encoded form"
        )
    try:
        pairs = parse_qsl(body.decode("utf-8"), keep_blank_values=True, errors="strict")
    except UnicodeDecodeError:
        raise ValueError("the body is not UTF-8") from None
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a parameter is given more than once")
    return {name: value for name, value in pairs if value}
