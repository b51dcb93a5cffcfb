"""`/api/v2/resource-servers`: the part of Auth0's Management API that an API's profile is set by.

    GET     /resource-servers        read:resource_servers      a page of them, or all of it with totals
    POST    /resource-servers        create:resource_servers    201
    GET     /resource-servers/{id}   read:resource_servers
    PATCH   /resource-servers/{id}   update:resource_servers    only what is named changes; 200
    DELETE  /resource-servers/{id}   delete:resource_servers    204, also for what is gone already

`{id}` is an id or a URL-encoded identifier. Auth0's OpenAPI file says 201 for PATCH; every recorded
answer says 200, and so does this. Errors are `{"statusCode", "error", "message", "errorCode"?}`.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from atjwt.issuer.api import Api
from atjwt.issuer.apis import Unacceptable, payload_message
from atjwt.issuer.authority import Authority
from atjwt.issuer.bodies import json_object, media_type, read_body
from atjwt.issuer.management_guard import ManagementGuard, error_body
from atjwt.issuer.members import change_problems, creation_problems, named
from atjwt.issuer.store import NotKept
from atjwt.issuer.wellknown import unavailable
from atjwt.starlette import requires

_Action: TypeAlias = Callable[[Authority, Request, bytes], Awaitable[Response]]

_PER_PAGE: Final = 50
_MOST_PER_PAGE: Final = 100
_MOST_IDENTIFIERS: Final = 10
_WAIT: Final = 60  # seconds until a rate limit is said to be over, where the fault says nothing
_FLAGS: Final = {"true": True, "false": False}

COLLECTION: Final = "/resource-servers"
ITEM: Final = "/resource-servers/{id}"


def management_app(authority: Authority) -> ASGIApp:
    """The Management API of one authority, guarded; to be mounted at `/api/v2`."""
    routes = [
        Route(
            path.replace("{id}", "{id:path}"),
            requires(scopes=[f"{verb}:resource_servers"])(_endpoint(authority, action, path)),
            methods=[method],
        )
        for method, path, verb, action, _ in _ACTIONS
    ]
    return ManagementGuard(Starlette(routes=routes), authority)


def management_paths(prefix: str) -> dict[str, str]:
    """What there is, by method and path. prefix: where it is mounted."""
    return {f"{method} {prefix}{path}": what for method, path, _, _, what in _ACTIONS}


def _endpoint(
    authority: Authority, action: _Action, path: str
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        wellknown = authority.wellknown
        wellknown.count(f"{request.scope['root_path']}{path}")
        try:
            body = await read_body(request)
        except ValueError as error:
            return _error(413, str(error))
        await wellknown.stall("management", gone=request.is_disconnected)
        if authority.faults["management"].down:
            return _unavailable(authority)
        try:
            return await action(authority, request, body)
        except Unacceptable as refusal:
            return _error(refusal.status, refusal.message, refusal.code)
        except NotKept as error:
            return _error(500, str(error))

    return endpoint


def _error(status: int, message: str, code: str = "") -> Response:
    return JSONResponse(error_body(status, message, code), status_code=status)


def _unavailable(authority: Authority) -> Response:
    fault = authority.faults["management"]
    status, headers, _ = unavailable(fault)
    if status == 429:  # Auth0 says when the limit is over, in seconds since 1970
        wait = _WAIT if fault.retry_after is None else fault.retry_after
        headers |= {"x-ratelimit-limit": "10", "x-ratelimit-remaining": "0"}
        headers["x-ratelimit-reset"] = str(int(authority.mint.clock()) + wait)
    body = error_body(status, "Switched off: this is a fault on purpose")
    return JSONResponse(body, status, headers)


async def _list(authority: Authority, request: Request, body: bytes) -> Response:
    query = _Query(request.url.query)
    found = [
        api.as_json()
        for api in authority.apis.all()
        if not query.identifiers or api.identifier in query.identifiers
    ]
    start = query.page * query.per_page
    page = found[start : start + query.per_page]
    if not query.include_totals:
        return JSONResponse(page)
    return JSONResponse(
        {"start": start, "limit": query.per_page, "total": len(found), "resource_servers": page}
    )


async def _create(authority: Authority, request: Request, body: bytes) -> Response:
    members = _members(request, body, creation_problems)
    api = await run_in_threadpool(_created, authority, members)
    return JSONResponse(api.as_json(), status_code=201)


async def _get(authority: Authority, request: Request, body: bytes) -> Response:
    _Query(request.url.query, only="include_fields")
    api = authority.apis.find(request.path_params["id"])
    if api is None:
        raise Unacceptable(404, "The resource server does not exist", "inexistent_resource_server")
    return JSONResponse(api.as_json())


async def _change(authority: Authority, request: Request, body: bytes) -> Response:
    changes = _members(request, body, change_problems)
    key = request.path_params["id"]
    api = await run_in_threadpool(_changed, authority, key, changes)
    return JSONResponse(api.as_json())


async def _remove(authority: Authority, request: Request, body: bytes) -> Response:
    authority.apis.remove(request.path_params["id"])
    return Response(status_code=204)


# In a thread, because new keys take their time; and keys before settings, so that no token is ever
# issued by a key that cannot be kept.


def _created(authority: Authority, members: Mapping[str, object]) -> Api:
    authority.keys.prepare(members.get("signing_alg"))
    return authority.apis.create(members)


def _changed(authority: Authority, key: str, changes: Mapping[str, object]) -> Api:
    authority.keys.prepare(changes.get("signing_alg"))
    return authority.apis.change(key, changes)


def _members(
    request: Request, body: bytes, problems_of: Callable[[Mapping[str, object]], list[str]]
) -> dict[str, object]:
    """The body, held against the table. Raises Unacceptable."""
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


class _Query:
    """The parameters of the list. Raises Unacceptable: all that is wrong with them."""

    def __init__(self, query: str, *, only: str = "") -> None:
        self.page = 0
        self.per_page = _PER_PAGE
        self.include_totals = False
        self.identifiers: list[str] = []
        problems, seen = [], set()
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=64)
        except ValueError:
            raise Unacceptable(
                400, "Query validation error: not URL-encoded", "invalid_query_string"
            ) from None
        for name, value in pairs:
            if name in seen and name != "identifiers":
                problems.append(f"{named([name])} is given more than once")
            elif (why := self._take(name, value, only)) is not None:
                problems.append(why)
            seen.add(name)
        if len(self.identifiers) > _MOST_IDENTIFIERS:
            problems.append(f"identifiers is given {_MOST_IDENTIFIERS} times at most")
        if problems:
            message = f"Query validation error: {'; '.join(problems)}"
            raise Unacceptable(400, message, "invalid_query_string")

    def _take(self, name: str, value: str, only: str) -> str | None:
        if name == "include_fields":  # says what `fields` means; without that one, nothing
            return None if value in _FLAGS else "include_fields is true or false"
        if only or name not in {"page", "per_page", "include_totals", "identifiers"}:
            return f"{named([name])} is no parameter of this request"
        if name == "identifiers":
            self.identifiers.append(value)
        elif name == "include_totals":
            self.include_totals = _FLAGS.get(value, False)
            return None if value in _FLAGS else "include_totals is true or false"
        else:
            least, most = (0, 1_000) if name == "page" else (1, _MOST_PER_PAGE)
            number = int(value) if value.isascii() and value.isdigit() and len(value) < 9 else -1
            if not least <= number <= most:
                return f"{name} is a whole number from {least} to {most}"
            setattr(self, name, number)
        return None


_ACTIONS: Final[tuple[tuple[str, str, str, _Action, str], ...]] = (
    ("GET", COLLECTION, "read", _list, "the APIs; page, per_page, include_totals, identifiers"),
    ("POST", COLLECTION, "create", _create, "a new API"),
    ("GET", ITEM, "read", _get, "an API, by id or URL-encoded identifier"),
    ("PATCH", ITEM, "update", _change, "changes settings, such as token_dialect"),
    ("DELETE", ITEM, "delete", _remove, "removes an API"),
)
"""Method, path, verb of the scope, what answers, what it does."""
