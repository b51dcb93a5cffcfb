"""`/api/v2/client-grants`: which client may ask for what at which API, as Auth0 documents it.

    GET     /client-grants        read:client_grants      by page, or by `from` and `take`
    POST    /client-grants        create:client_grants    201
    GET     /client-grants/{id}   read:client_grants
    PATCH   /client-grants/{id}   update:client_grants    only what is named changes; 200
    DELETE  /client-grants/{id}   delete:client_grants    204, also for what is gone already

Client, API and subject type of a grant are for ever. Scopes that the API does not define are taken, as
Auth0 takes them, and are of no effect. No source gives the code of a 404 or a 409, so none is sent.
"""

from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from atjwt.issuer.apis import Unacceptable, payload_message
from atjwt.issuer.authority import Authority
from atjwt.issuer.grant_members import (
    change_problems,
    changed,
    creation_problems,
    grant_of,
)
from atjwt.issuer.grants import ClientGrant
from atjwt.issuer.management_request import (
    PAGES,
    Entry,
    Parameter,
    Query,
    one_of,
    page_of,
    read_members,
    read_query,
    text,
    whole,
)

_COLLECTION: Final = "/client-grants"
_ITEM: Final = "/client-grants/{id}"
_PAGE: Final = 50
_FILTERS: Final[Mapping[str, Parameter]] = {
    "audience": text,
    "client_id": text,
    "allow_any_organization": one_of("true"),
    "subject_type": one_of("client", "user"),
}
_QUERY: Final[Mapping[str, Parameter]] = {
    **PAGES,
    **_FILTERS,
    "from": text,
    "take": whole(1, 100),
}


async def _list(authority: Authority, request: Request, body: bytes) -> Response:
    query = read_query(request.url.query, _QUERY)
    found = [one.as_json() for one in authority.grants.all()]
    for name in _FILTERS.keys() & query.keys():
        wanted = True if query[name] == "true" else query[name]
        found = [grant for grant in found if grant[name] == wanted]
    if query.keys() & {"from", "take"}:
        return _taken(found, query)
    return page_of(found, query, "client_grants")


def _taken(found: list[dict[str, object]], query: Query) -> Response:
    """So many from a grant on, and the id of the next one; how Auth0's SDKs read lists."""
    ids = [grant["id"] for grant in found]
    first = query.get("from")
    if first is not None and first not in ids:
        message = "Query validation error: from is the id of a grant of this list"
        raise Unacceptable(400, message, "invalid_query_string")
    start = 0 if first is None else ids.index(first)
    end = start + query.get("take", _PAGE)
    following = {"next": ids[end]} if end < len(ids) else {}
    return JSONResponse({"client_grants": found[start:end], **following})


async def _create(authority: Authority, request: Request, body: bytes) -> Response:
    grant = grant_of(read_members(request, body, creation_problems))
    with authority.grants.lock:  # so that the API is not removed in between
        if authority.client(grant.client_id) is None:
            raise Unacceptable(404, "No client has this client_id")
        if authority.apis.of_audience(grant.audience) is None:
            raise Unacceptable(404, "No resource server has this identifier")
        if authority.grants.of(*grant.pair) is not None:
            raise Unacceptable(409, "A client grant for this client and audience already exists")
        (made,) = authority.grants.add(grant)
    return JSONResponse(made.as_json(), status_code=201)


async def _get(authority: Authority, request: Request, body: bytes) -> Response:
    read_query(request.url.query, {})
    return JSONResponse(_found(authority, request).as_json())


async def _change(authority: Authority, request: Request, body: bytes) -> Response:
    changes = read_members(request, body, change_problems)
    with authority.grants.lock:
        one = _found(authority, request)
        _check_own(one)
        return JSONResponse(authority.grants.replace(one, changed(one.grant, changes)).as_json())


async def _remove(authority: Authority, request: Request, body: bytes) -> Response:
    with authority.grants.lock:
        one = authority.grants.find(request.path_params["id"])
        if one is not None:
            _check_own(one)
            authority.grants.remove(one)
    return Response(status_code=204)


def _found(authority: Authority, request: Request) -> ClientGrant:
    one = authority.grants.find(request.path_params["id"])
    if one is None:
        raise Unacceptable(404, "The client grant does not exist")
    return one


def _check_own(one: ClientGrant) -> None:
    if one.is_system:
        raise Unacceptable(400, payload_message(["a system grant cannot be changed"]))


GRANT_ACTIONS: Final[tuple[Entry, ...]] = (
    (
        "GET",
        _COLLECTION,
        "read:client_grants",
        _list,
        f"the client grants; {', '.join(_QUERY)}",
    ),
    ("POST", _COLLECTION, "create:client_grants", _create, "lets a client ask for an API's scopes"),
    ("GET", _ITEM, "read:client_grants", _get, "a client grant"),
    ("PATCH", _ITEM, "update:client_grants", _change, "changes its scopes"),
    ("DELETE", _ITEM, "delete:client_grants", _remove, "removes a client grant"),
)
"""What there is."""
