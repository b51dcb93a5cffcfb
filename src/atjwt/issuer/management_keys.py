"""`/api/v2/keys/signing`: the signing keys and their rotation, as Auth0 documents them.

    GET     /keys/signing                 read:signing_keys
    GET     /keys/signing/{kid}           read:signing_keys
    POST    /keys/signing/rotate          create:signing_keys     201, with the next key's id
    PUT     /keys/signing/{kid}/revoke    update:signing_keys     of a previous key only

A key is shown as current, next or previous, and as revoked or not. There are no certificates here, so
`cert`, `pkcs7` and their hashes are left out, and no dates. An issuer whose APIs sign by several
algorithms has a current and a next key for each; all are rotated together.
"""

from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from atjwt.issuer.apis import Unacceptable
from atjwt.issuer.authority import Authority
from atjwt.issuer.management_request import Entry, read_query

_COLLECTION: Final = "/keys/signing"
_ITEM: Final = "/keys/signing/{id}"


async def _list(authority: Authority, request: Request, body: bytes) -> Response:
    read_query(request.url.query, {})
    return JSONResponse([_shown(*key) for key in authority.keys.stages()])


async def _get(authority: Authority, request: Request, body: bytes) -> Response:
    read_query(request.url.query, {})
    return JSONResponse(_shown(*_found(authority, request.path_params["id"])))


async def _rotate(authority: Authority, request: Request, body: bytes) -> Response:
    await run_in_threadpool(authority.keys.rotate)  # new keys take their time
    following = (kid for kid, stage, _ in authority.keys.stages() if stage == "next")
    return JSONResponse({"kid": next(following)}, status_code=201)


async def _revoke(authority: Authority, request: Request, body: bytes) -> Response:
    kid, stage, revoked = _found(authority, request.path_params["id"])
    if stage != "previous":
        raise Unacceptable(400, "Only a previously used signing key can be revoked")
    if not revoked:
        authority.keys.withdraw(kid)
    return JSONResponse({"kid": kid})


def _found(authority: Authority, kid: str) -> tuple[str, str, bool]:
    for key in authority.keys.stages():
        if key[0] == kid:
            return key
    raise Unacceptable(404, "Signing key not found")


def _shown(kid: str, stage: str, revoked: bool) -> dict[str, object]:  # noqa: FBT001
    return {"kid": kid, stage: True, "revoked": revoked}


KEY_ACTIONS: Final[tuple[Entry, ...]] = (
    ("GET", _COLLECTION, "read:signing_keys", _list, "the signing keys"),
    ("POST", f"{_COLLECTION}/rotate", "create:signing_keys", _rotate, "signs with the next key"),
    ("PUT", f"{_ITEM}/revoke", "update:signing_keys", _revoke, "unpublishes a previous key"),
    ("GET", _ITEM, "read:signing_keys", _get, "a signing key"),
)
"""What there is."""
