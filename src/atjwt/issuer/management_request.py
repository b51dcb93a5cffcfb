"""What a request to the Management API says, held against tables; and its lists in pages.

A query is read by a table of its parameters, each with what reads its values; a body by the problems
that its members have. All that is wrong is told together, as `Unacceptable` with status 400.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from atjwt.issuer.apis import Unacceptable, payload_message
from atjwt.issuer.authority import Authority
from atjwt.issuer.bodies import json_object, media_type
from atjwt.issuer.members import named

Action: TypeAlias = Callable[[Authority, Request, bytes], Awaitable[Response]]
"""Answers a request whose body was read."""

Entry: TypeAlias = tuple[str, str, str, Action, str]
"""Method, path, scope that it needs, what answers, what it does."""

Parameter: TypeAlias = Callable[[Sequence[str]], Any]
"""All values of one parameter → what they mean. Raises ValueError: what they must be."""

Query: TypeAlias = Mapping[str, Any]
"""What a query says, by parameter; one that was not sent is not in it."""

_PER_PAGE: Final = 50
_FLAGS: Final = {"true": True, "false": False}


def flag(values: Sequence[str]) -> bool:
    """True or false."""
    return _FLAGS[one_of("true", "false")(values)]


def whole(least: int, most: int) -> Parameter:
    """A whole number."""

    def read(values: Sequence[str]) -> int:
        value = text(values)
        number = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else -1
        if not least <= number <= most:
            raise ValueError(f"is a whole number from {least} to {most}")
        return number

    return read


def text(values: Sequence[str]) -> str:
    """Any text."""
    if len(values) > 1:
        raise ValueError("is given more than once")
    return values[0]


def one_of(*words: str) -> Callable[[Sequence[str]], str]:
    """One of these words."""

    def read(values: Sequence[str]) -> str:
        if text(values) not in words:
            raise ValueError(f"is {' or '.join(words)}")
        return values[0]

    return read


def some(most: int) -> Parameter:
    """Any texts, so many at most."""

    def read(values: Sequence[str]) -> list[str]:
        if len(values) > most:
            raise ValueError(f"is given {most} times at most")
        return list(values)

    return read


PAGES: Final[Mapping[str, Parameter]] = {
    "page": whole(0, 1_000),
    "per_page": whole(1, 100),
    "include_totals": flag,
}
"""The parameters of a list that comes in pages."""


def read_query(query: str, parameters: Mapping[str, Parameter]) -> Query:
    """The parameters of a query string. Raises Unacceptable: all that is wrong with them."""
    sent: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=64)
    except ValueError:
        raise Unacceptable(
            400, "Query validation error: not URL-encoded", "invalid_query_string"
        ) from None
    for name, value in pairs:
        sent.setdefault(name, []).append(value)
    unknown = sorted(sent.keys() - parameters.keys())
    problems = [f"{named([name])} is no parameter of this request" for name in unknown]
    read: dict[str, Any] = {}
    for name in (name for name in parameters if name in sent):
        try:
            read[name] = parameters[name](sent[name])
        except ValueError as error:
            problems.append(f"{name} {error}")
    if problems:
        message = f"Query validation error: {'; '.join(problems)}"
        raise Unacceptable(400, message, "invalid_query_string")
    return read


def page_of(found: Sequence[Mapping[str, object]], query: Query, name: str) -> Response:
    """One page of a list: bare, or, with totals, in an object in which it has this name."""
    limit = query.get("per_page", _PER_PAGE)
    start = query.get("page", 0) * limit
    page = [*found[start : start + limit]]
    if not query.get("include_totals"):
        return JSONResponse(page)
    return JSONResponse({"start": start, "limit": limit, "total": len(found), name: page})


def read_members(
    request: Request, body: bytes, problems_of: Callable[[Mapping[str, object]], list[str]]
) -> dict[str, object]:
    """The body, held against a table. Raises Unacceptable."""
    if media_type(request) != "application/json":
        raise Unacceptable(415, "Send the header content-type: application/json")
    try:
        members = json_object(body)
    except ValueError as error:
        raise Unacceptable(400, payload_message([str(error)]), "invalid_body") from None
    problems = problems_of(members)
    if problems:
        raise Unacceptable(400, payload_message(problems), "invalid_body")
    return members
