"""The Management API, and of it `/api/v2/resource-servers`, by which an API's profile is set.

    GET     /resource-servers        read:resource_servers      a page of them, or all of it with totals
    POST    /resource-servers        create:resource_servers    201
    GET     /resource-servers/{id}   read:resource_servers
    PATCH   /resource-servers/{id}   update:resource_servers    only what is named changes; 200
    DELETE  /resource-servers/{id}   delete:resource_servers    204, also for what is gone already

`{id}` is an id or a URL-encoded identifier. Auth0's OpenAPI file says 201 for PATCH; every recorded
answer says 200, and so does this. Auth0 takes a form for a body too; here it is JSON, or 415. Errors
are `{"statusCode", "error", "message", "errorCode"?}`.
Client grants are in `atjwt.issuer.management_grants`, signing keys in `atjwt.issuer.management_keys`.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from atjwt.issuer.apis import Unacceptable
from atjwt.issuer.authority import Authority
from atjwt.issuer.bodies import read_body
from atjwt.issuer.management_grants import GRANT_ACTIONS
from atjwt.issuer.management_guard import ManagementGuard, error_body
from atjwt.issuer.management_keys import KEY_ACTIONS
from atjwt.issuer.management_request import (
    PAGES,
    Action,
    Entry,
    flag,
    page_of,
    read_members,
    read_query,
    some,
)
from atjwt.issuer.members import change_problems, creation_problems
from atjwt.issuer.store import NotKept
from atjwt.issuer.wellknown import unavailable
from atjwt.starlette import requires

_FIELDS: Final = {"include_fields": flag}  # says what `fields` means; without that one, nothing
_MOST_IDENTIFIERS: Final = 10
_MAX_BODY: Final = 1_048_576  # bytes; an API may have thousands of scopes
_WAIT: Final = 60  # seconds until a rate limit is said to be over, where the fault says nothing

COLLECTION: Final = "/resource-servers"
ITEM: Final = "/resource-servers/{id}"


def management_app(authority: Authority) -> ASGIApp:
    """The Management API of one authority, guarded; to be mounted at `/api/v2`."""
    routes = [
        Route(
            path.replace("{id}", "{id:path}"),
            requires(scopes=[scope])(_endpoint(authority, action, path)),
            methods=[method],
        )
        for method, path, scope, action, _ in _ACTIONS
    ]
    return ManagementGuard(Starlette(routes=routes), authority)


def management_paths(prefix: str) -> dict[str, str]:
    """What there is, by method and path. prefix: where it is mounted."""
    return {f"{method} {prefix}{path}": what for method, path, _, _, what in _ACTIONS}


def _endpoint(
    authority: Authority, action: Action, path: str
) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        wellknown = authority.wellknown
        wellknown.count(f"{request.scope['root_path']}{path}")
        try:
            body = await read_body(request, _MAX_BODY)
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
    query = read_query(
        request.url.query, {**PAGES, **_FIELDS, "identifiers": some(_MOST_IDENTIFIERS)}
    )
    wanted = query.get("identifiers", [])
    found = [
        api.as_json() for api in authority.apis.all() if not wanted or api.identifier in wanted
    ]
    return page_of(found, query, "resource_servers")


async def _create(authority: Authority, request: Request, body: bytes) -> Response:
    members = read_members(request, body, creation_problems)
    api = await run_in_threadpool(authority.apis.create, members)  # new keys take their time
    return JSONResponse(api.as_json(), status_code=201)


async def _get(authority: Authority, request: Request, body: bytes) -> Response:
    read_query(request.url.query, _FIELDS)
    api = authority.apis.find(request.path_params["id"])
    if api is None:
        raise Unacceptable(404, "The resource server does not exist", "inexistent_resource_server")
    return JSONResponse(api.as_json())


async def _change(authority: Authority, request: Request, body: bytes) -> Response:
    changes = read_members(request, body, change_problems)
    key = request.path_params["id"]
    api = await run_in_threadpool(authority.apis.change, key, changes)
    return JSONResponse(api.as_json())


async def _remove(authority: Authority, request: Request, body: bytes) -> Response:
    await run_in_threadpool(authority.apis.remove, request.path_params["id"])
    return Response(status_code=204)


_ACTIONS: Final[tuple[Entry, ...]] = (
    (
        "GET",
        COLLECTION,
        "read:resource_servers",
        _list,
        "the APIs; page, per_page, include_totals, identifiers",
    ),
    ("POST", COLLECTION, "create:resource_servers", _create, "a new API"),
    ("GET", ITEM, "read:resource_servers", _get, "an API, by id or URL-encoded identifier"),
    ("PATCH", ITEM, "update:resource_servers", _change, "changes settings, such as token_dialect"),
    ("DELETE", ITEM, "delete:resource_servers", _remove, "removes an API"),
    *GRANT_ACTIONS,
    *KEY_ACTIONS,
)
