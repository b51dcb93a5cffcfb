"""Publishes what an API says of itself (RFC 9728), to anybody, at the root of the host."""

from urllib.parse import unquote, urlsplit

from atjwt.errors import ConfigurationError
from atjwt.messages import Scope, Send
from atjwt.resource_server import ResourceServer

HEADERS = {
    "content-type": "application/json",
    "cache-control": "public, max-age=3600",
    "access-control-allow-origin": "*",  # it is for anybody, clients in a browser among them
}


class Published:
    """The metadata of one resource server, ready to be sent."""

    def __init__(self, resource_server: ResourceServer) -> None:
        """Writes the document once. Raises ConfigurationError: the server has no `resource`."""
        resource = resource_server.protected_resource
        if resource is None:
            raise ConfigurationError(
                ["ResourceServer: give resource=, the https URL under which clients reach the API"]
            )
        self.path = unquote(urlsplit(resource.metadata_url).path)
        issuers = [issuer.issuer for issuer in resource_server.issuers]
        self.body = resource.document(issuers)

    def asked_by(self, scope: Scope) -> bool:
        """Whether a request is for the document: at the root of the host, or of the server where it
        puts a `root_path` before what a proxy took away.
        """
        if scope["type"] != "http" or scope["method"] not in {"GET", "HEAD"}:
            return False
        root: str = scope.get("app_root_path", scope.get("root_path", ""))  # not that of a mount
        path: str = scope["path"]
        return path in {self.path, root + self.path}

    async def send(self, scope: Scope, send: Send) -> None:
        """Answers the request."""
        headers = {**HEADERS, "content-length": str(len(self.body))}
        pairs = [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]
        await send({"type": "http.response.start", "status": 200, "headers": pairs})
        body = b"" if scope["method"] == "HEAD" else self.body
        await send({"type": "http.response.body", "body": body})
