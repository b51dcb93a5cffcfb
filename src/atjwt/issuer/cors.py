"""Which web pages may read what the issuer answers: those of this computer, on some paths only.

A docs page is served from another port, which makes another origin; it reads the metadata, and the
token endpoint's answer. Nothing here rests on cookies, so no credentials are allowed.
"""

from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from atjwt.issuer.loopback import loopback_origin


class LoopbackCors(CORSMiddleware):
    """Middleware: lets the pages of loopback origins read the answers under these paths."""

    def __init__(self, app: ASGIApp, *, paths: Collection[str]) -> None:
        """paths: of the endpoints that scripts call; all others stay closed to other origins."""
        super().__init__(
            app,
            allow_methods=("GET", "POST"),
            allow_headers=("Authorization", "X-Requested-With"),  # Swagger UI sends the second
        )
        self._paths = frozenset(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a preflight, adds the headers, or passes the request on as it is."""
        if scope["type"] == "http" and scope["path"] in self._paths:
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    def is_allowed_origin(self, origin: str) -> bool:
        """Whether the `Origin` header names this computer, whatever the port."""
        return loopback_origin(origin) == origin
