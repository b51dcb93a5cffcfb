"""The issuer as a Starlette app: the documents, the token endpoint, the control surface.

Served on loopback only: every request must say so in its Host header, and come from there.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from atjwt.issuer.authority import Authority
from atjwt.issuer.control import control_paths, control_routes, listing
from atjwt.issuer.loopback import LoopbackOnly
from atjwt.issuer.oauth import TokenEndpoint


def build_app(authority: Authority) -> Starlette:
    """The app of one authority. Its paths follow the issuer's own path, if it has one."""
    token_path = authority.wellknown.token_path
    token_endpoint = TokenEndpoint(authority)

    async def document(request: Request) -> Response:
        answer = await authority.wellknown.answer(request.url.path, gone=request.is_disconnected)
        if answer is None:
            return PlainTextResponse("Not Found; GET / lists what there is", status_code=404)
        return StreamingResponse(answer.pieces, answer.status, answer.headers)

    async def index(request: Request) -> Response:
        paths: dict[str, str] = {
            f"GET {path}": what for path, what in authority.wellknown.paths.items()
        }
        paths[f"POST {token_path}"] = "a token for the machine client, by client credentials"
        return listing(
            issuer=authority.mint.issuer,
            audience=authority.mint.audience,
            paths={**paths, **control_paths()},
        )

    async def token(request: Request) -> Response:
        return await token_endpoint(request)

    return Starlette(
        routes=[
            Route("/", index, methods=["GET"]),
            Route(token_path, token, methods=["POST"]),
            *control_routes(authority),
            Route("/{path:path}", document),  # last: which documents there are is known there
        ],
        middleware=[Middleware(LoopbackOnly)],
    )
