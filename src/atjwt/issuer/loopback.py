"""Is this host the very computer we run on? Decided by name, without asking a resolver.

The command refuses to listen elsewhere. The app, which others may serve, refuses requests that were
made for another host, because a web page can point its own name at 127.0.0.1 (DNS rebinding), and
requests that another computer sent. A login ends at a loopback URL, and only pages from one may read
what the issuer answers.
"""

import re
from ipaddress import IPv6Address, ip_address

from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

# RFC 3986, and nothing that browsers read in a way of their own: no user name, no backslash, no
# blank, no fragment. Without ASCII, ignoring case would let letters in that only look alike.
_URL = re.compile(
    r"(https?://(localhost|[0-9.]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?)"
    r"(?:[/?](?:[a-z0-9._~!$&'()*+,;=:@/?-]|%[0-9a-f]{2})*)?",
    re.ASCII | re.IGNORECASE,
)


def is_loopback(host: str) -> bool:
    """Whether a host name or address without port is a loopback one (RFC 6761 section 6.3)."""
    if host.lower() == "localhost":
        return True
    return _is_loopback_address(host) is True


def loopback_origin(url: str) -> str | None:
    """The origin of an http or https URL whose host is a loopback one; None for any other text."""
    found = _URL.fullmatch(url)
    if found is None or not is_loopback(found[2].strip("[]")) or int(found[3] or 0) > 65_535:
        return None
    return found[1]


class LoopbackOnly:
    """Middleware: answers 403 to a request that is not from this computer to this computer.

    That is one whose Host header is not a loopback name, or whose sender has another address. A
    sender without an address, as in process or on a Unix socket, is on this computer.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes the request on, or refuses it."""
        if scope["type"] != "http" or (_is_for_us(scope) and _is_from_us(scope)):
            await self.app(scope, receive, send)
            return
        refusal = JSONResponse(
            {"error": "forbidden", "error_description": "this issuer serves loopback hosts only"},
            status_code=403,
        )
        await refusal(scope, receive, send)


def _is_for_us(scope: Scope) -> bool:
    return is_loopback(_host(Headers(scope=scope).getlist("host")))


def _is_from_us(scope: Scope) -> bool:
    client = scope.get("client")
    return client is None or _is_loopback_address(client[0]) is not False


def _is_loopback_address(host: str) -> bool | None:
    """Whether an address is a loopback one; None if it is no address."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def _host(values: list[str]) -> str:
    found = _AUTHORITY.fullmatch(values[0]) if len(values) == 1 else None
    return "" if found is None else found[1].strip("[]")


_AUTHORITY = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+)(?::[0-9]{1,5})?", re.ASCII)
