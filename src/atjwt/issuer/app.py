"""The issuer as a Starlette app: the documents, the login, the token endpoint, the Management API,
the control surface, the Dashboard.

Served on loopback only: every request must say so in its Host header, and come from there.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from atjwt.issuer.authority import Authority
from atjwt.issuer.authorization import AuthorizationEndpoint
from atjwt.issuer.control import control_paths, control_routes, listing
from atjwt.issuer.cors import LoopbackCors
from atjwt.issuer.dashboard import dashboard_routes
from atjwt.issuer.dashboard_parts import HOME
from atjwt.issuer.loopback import LoopbackOnly
from atjwt.issuer.management import management_app, management_paths
from atjwt.issuer.oauth import TokenEndpoint
from atjwt.issuer.users import User


def build_app(authority: Authority) -> Starlette:
    """The app of one authority. Its paths follow the issuer's own path, if it has one."""
    wellknown = authority.wellknown
    authorization = AuthorizationEndpoint(authority)
    token_endpoint = TokenEndpoint(authority, authorization.codes)

    async def document(request: Request) -> Response:
        answer = await wellknown.answer(request.scope["path"], gone=request.is_disconnected)
        if answer is None:
            return PlainTextResponse("Not Found; GET / lists what there is", status_code=404)
        return StreamingResponse(answer.pieces, answer.status, answer.headers)

    async def index(request: Request) -> Response:
        vary = {"vary": "accept"}
        if "text/html" in request.headers.get("accept", ""):  # a browser, and a person before it
            return RedirectResponse(HOME, status_code=303, headers=vary)
        return _index(authority)

    async def token(request: Request) -> Response:
        return await token_endpoint(request)

    return Starlette(
        routes=[
            Route("/", index, methods=["GET"]),
            Route(wellknown.authorization_path, authorization.ask, methods=["GET"]),
            Route(wellknown.login_path, authorization.answer, methods=["POST"]),
            Route(wellknown.token_path, token, methods=["POST"]),
            *control_routes(authority),
            *dashboard_routes(authority),
            Mount(wellknown.management_path, management_app(authority)),
            Route("/{path:path}", document),  # last: which documents there are is known there
        ],
        middleware=[
            Middleware(LoopbackOnly),
            Middleware(LoopbackCors, paths={*wellknown.paths, wellknown.token_path}),
        ],
    )


def _index(authority: Authority) -> Response:
    wellknown = authority.wellknown
    paths: dict[str, str] = {f"GET {path}": what for path, what in wellknown.paths.items()}
    paths |= {
        f"GET {wellknown.authorization_path}": "the login of the app, by code and PKCE",
        f"POST {wellknown.login_path}": "the answer of the login page",
        f"POST {wellknown.token_path}": "tokens, for a code or by client credentials",
        f"GET {HOME}": "the Dashboard: pages to see and change all this by",
    }
    return listing(
        issuer=authority.mint.issuer,
        audience=authority.mint.audience,
        client_id=authority.machines[0].client_id,
        spa_client_id=authority.apps[0].client_id,
        users=[_user(authority, user) for user in authority.users],
        apis=[api.identifier for api in authority.apis.all()],
        organizations=[{"id": one.id, "name": one.name} for one in authority.organizations.known],
        paths={**paths, **management_paths(wellknown.management_path), **control_paths()},
    )


def _user(authority: Authority, user: User) -> dict[str, object]:
    main = authority.main
    permissions = [*user.permissions] if main is None else authority.assigned(user, main)
    return {"subject": user.subject, "name": user.name, "permissions": permissions}
