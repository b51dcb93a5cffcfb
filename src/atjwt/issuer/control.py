"""The development control surface `/_local/`: any token on request, rotation, faults, the dialect.

It is as open as the loopback interface is, and kept from web pages: bodies must be JSON, which a
page cannot send to another origin without asking first, and there is no CORS here. A body that does
not fit is answered with 400 and one sentence; `GET /_local/` lists what there is. No fault ever
reaches this surface.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from atjwt.issuer.authority import Authority
from atjwt.issuer.bodies import json_object, media_type, read_body
from atjwt.issuer.broken import broken_token, reason_named
from atjwt.issuer.faults import ENDPOINTS, Fault
from atjwt.issuer.keys import Signer
from atjwt.issuer.store import NotKept
from atjwt.issuer.tokens import (
    DIALECTS,
    KINDS,
    REMOVE,
    Kind,
    TokenOptions,
    compact,
    dialect_named,
)

PREFIX: Final = "/_local"

_Action: TypeAlias = Callable[[Authority, Mapping[str, object]], dict[str, object]]


def control_routes(authority: Authority) -> list[Route]:
    """The routes of the control surface."""
    routes = [
        Route(PREFIX + path, _endpoint(authority, action), methods=[method])
        for path, method, action, _ in _ACTIONS
    ]
    return [*routes, *(Route(path, _list, methods=["GET"]) for path in (PREFIX, f"{PREFIX}/"))]


def control_paths() -> dict[str, str]:
    """What the control surface does, by method and path."""
    return {f"{method} {PREFIX}{path}": what for path, method, _, what in _ACTIONS}


def listing(**facts: object) -> Response:
    """JSON that is read by people."""
    return Response(f"{json.dumps(facts, indent=2)}\n", media_type="application/json")


async def _list(request: Request) -> Response:
    return listing(content_type="application/json", paths=control_paths())


def _endpoint(authority: Authority, action: _Action) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        if request.method in {"POST", "PUT"} and media_type(request) != "application/json":
            return _error(415, "send the header content-type: application/json")
        try:
            body = await read_body(request)
            return JSONResponse(action(authority, json_object(body) if body else {}))
        except ValueError as error:
            return _error(400, str(error))
        except NotKept as error:
            return _error(500, str(error))
        except (OverflowError, RecursionError):
            return _error(400, "a number is too large, or the body is nested too deep")

    return endpoint


def _error(status: int, description: str) -> Response:
    return JSONResponse(
        {"error": "invalid_request", "error_description": description}, status_code=status
    )


def _token(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    members = dict(body)
    name = members.pop("broken", None)
    options = read_options(members)
    if name is None:
        return {"access_token": _good_token(authority, options)}
    token = broken_token(authority.mint, reason_named(name), options, default=authority.dialect)
    return {"access_token": token}


def _good_token(authority: Authority, options: TokenOptions) -> str:
    """As the API that it is for is set, where nothing else is said; the first one of several."""
    audience = options.get("audience") or authority.mint.audience
    api = authority.apis.of_audience(audience if isinstance(audience, str) else audience[0])
    defaults: TokenOptions = {"dialect": authority.dialect}
    signer: Signer = authority.keys.current
    if api is not None:
        defaults = {"dialect": api.dialect, "lifetime": api.lifetime}
        signer = authority.keys.signer_for(api)
    mint, options = authority.mint, {**defaults, **options}
    return compact(mint.header(options, signer), mint.claims(options), signer)


def _rotate(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    _only(body)
    return {"kid": authority.keys.rotate()}


def _withdraw(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    _only(body, "kid")
    return {"kid": authority.keys.withdraw(_text("kid", body["kid"]) if "kid" in body else None)}


def _set_faults(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    authority.faults.set_from(body)
    return {"faults": authority.faults.active()}


def _clear_faults(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    _only(body)
    authority.faults.clear()
    return {"faults": {}}


def _set_dialect(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    _only(body, "dialect")
    authority.set_dialect(dialect_named(body.get("dialect")))
    return {"dialect": authority.dialect}


def _requests(authority: Authority, body: Mapping[str, object]) -> dict[str, object]:
    _only(body)
    return {"requests": dict(authority.wellknown.requests)}


_TOKEN: Final = ", ".join((*TokenOptions.__annotations__, "remove", "broken"))
_FAULTS: Final = ", ".join(Fault.__annotations__)

_ACTIONS: Final[tuple[tuple[str, str, _Action, str], ...]] = (
    ("/token", "POST", _token, f"any token; the body may have {_TOKEN}"),
    ("/rotate", "POST", _rotate, "signs with the next key; the one before stays published"),
    ("/withdraw", "POST", _withdraw, "unpublishes the previous key, or the one of this kid"),
    ("/faults", "PUT", _set_faults, f"{_FAULTS}; on: {', '.join(ENDPOINTS)}"),
    ("/faults", "DELETE", _clear_faults, "all faults off"),
    ("/dialect", "PUT", _set_dialect, f"dialect: {', '.join(DIALECTS)}"),
    ("/requests", "GET", _requests, "how often each path was asked for"),
)


def read_options(members: Mapping[str, object]) -> TokenOptions:
    """The arguments of `LocalIssuer.token` from a JSON object; an absent one keeps its default.

    JSON cannot say `REMOVE`, so `remove` lists the claims that are to be left out.
    Raises ValueError.
    """
    _only(members, *TokenOptions.__annotations__, "remove")
    options: TokenOptions = {}
    given = {name: value for name, value in members.items() if name != "remove"}
    if "dialect" in given:
        options["dialect"] = dialect_named(given["dialect"])
    if "kind" in given:
        options["kind"] = _kind(given["kind"])
    if "subject" in given:
        options["subject"] = _text("subject", given["subject"])
    if "client_id" in given:
        options["client_id"] = _text("client_id", given["client_id"])
    if "scopes" in given:
        options["scopes"] = _texts("scopes", given["scopes"])
    if "permissions" in given:
        options["permissions"] = _texts("permissions", given["permissions"])
    if "audience" in given:
        audience = given["audience"]
        one = isinstance(audience, str)
        options["audience"] = (_text if one else _texts)("audience", audience)
    if "lifetime" in given:
        options["lifetime"] = _number("lifetime", given["lifetime"])
    if "header" in given:
        options["header"] = _members("header", given["header"])
    removed = dict.fromkeys(_texts("remove", members.get("remove", [])), REMOVE)
    options["claims"] = {**_members("claims", given.get("claims", {})), **removed}
    return options


def _only(members: Mapping[str, object], *allowed: str) -> None:
    if members.keys() - set(allowed):
        names = ", ".join(allowed) or "no members"
        raise ValueError(f"the body has a member that means nothing here; it has {names}")


def _kind(value: object) -> Kind:
    for kind in KINDS:
        if kind == value:
            return kind
    raise ValueError(f"kind is one of {', '.join(KINDS)}")


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} is a string with content")
    return value


def _texts(name: str, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        raise ValueError(f"{name} is a list of strings with content")
    return value


def _number(name: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    raise ValueError(f"{name} is a number")


def _members(name: str, value: object) -> dict[str, object]:
    if isinstance(value, dict):
        return value
    raise ValueError(f"{name} is an object")
