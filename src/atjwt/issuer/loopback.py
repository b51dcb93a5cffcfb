"""Is this host the very computer we run on? Decided by name, without asking a resolver.

Used twice: the command refuses to listen elsewhere, and the app refuses requests that were made for
another host, because a web page can point its own name at 127.0.0.1 (DNS rebinding).
"""

from ipaddress import ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send


def is_loopback(host: str) -> bool:
    """Whether a host name or address without port is a loopback one (RFC 6761 section 6.3)."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class LoopbackOnly:
    """Middleware: answers 403 to a request whose Host header is not a loopback name."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http" or is_loopback(_host(Headers(scope=scope).getlist("host"))):
            await self.app(scope, receive, send)
            return
        refusal = JSONResponse(
            {"error": "forbidden", "error_description": "this issuer serves loopback hosts only"},
            status_code=403,
        )
        await refusal(scope, receive, send)


def _host(values: list[str]) -> str:
    if len(values) != 1:
        return ""
    if values[0].startswith("["):
        return values[0][1:].partition("]")[0]
    return values[0].partition(":")[0]
