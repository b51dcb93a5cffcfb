"""What an API says of itself: protected resource metadata (RFC 9728).

A client that knows only the API's address learns from it which authorization servers to ask. The
document stands at the root of the host, with the API's path behind the well-known part, wherever the
app is mounted.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from atjwt.core.configuration import url_problems
from atjwt.errors import ConfigurationError

WELL_KNOWN = "/.well-known/oauth-protected-resource"


@dataclass(frozen=True, slots=True)
class ProtectedResource:
    """How an API describes itself.

    resource: the URL under which clients reach the API, https and without fragment. A client that
        finds the document takes it only if this is the URL that it asked for.
    scopes_supported: scopes that a client may ask for.
    resource_name: the API's name, for people.
    resource_documentation: the URL of a page for developers.
    members: other members of the document (RFC 9728 section 2).

    Raises ConfigurationError: every problem, with its fix.
    """

    resource: str
    scopes_supported: Collection[str] = ()
    resource_name: str | None = None
    resource_documentation: str | None = None
    members: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        problems = url_problems("resource", self.resource, unsafe_http=False)
        if not problems and not _is_plain(urlsplit(self.resource).path):
            problems.append("resource: give a path without braces, dot segments, %2F and //")
        scopes = self.scopes_supported
        if (
            isinstance(scopes, str)
            or not isinstance(scopes, Collection)
            or not all(isinstance(scope, str) and scope for scope in scopes)
        ):
            problems.append('scopes_supported: give a list, such as ["read:orders"]')
        members = {} if self.members is None else self.members
        taken = {"resource", "authorization_servers", "bearer_methods_supported"}
        for name in sorted(taken.intersection(members if isinstance(members, Mapping) else ())):
            problems.append(f"members: {name} is written by itself; take it out")
        try:
            json.dumps(dict(members), allow_nan=False)
        except (TypeError, ValueError):
            problems.append("members: give what JSON can write")
        if problems:
            raise ConfigurationError(f"ProtectedResource: {problem}" for problem in problems)

    def __hash__(self) -> int:
        return hash(self.resource)

    @property
    def path(self) -> str:
        """Where the document is on the API's host (RFC 9728 section 3.1)."""
        path = urlsplit(self.resource).path
        return WELL_KNOWN + ("" if path == "/" else path)

    @property
    def metadata_url(self) -> str:
        """The document's URL, as challenges name it (RFC 9728 section 5.1)."""
        parts = urlsplit(self.resource)
        return f"{parts.scheme}://{parts.netloc}{self.path}"

    def document(self, issuers: Collection[str]) -> bytes:
        """The document. issuers: the issuer identifiers of the authorization servers."""
        members: dict[str, object] = {
            "resource": self.resource,
            "authorization_servers": list(issuers),
            "bearer_methods_supported": ["header"],
            "scopes_supported": list(self.scopes_supported),
            "resource_name": self.resource_name,
            "resource_documentation": self.resource_documentation,
            **(self.members or {}),
        }
        # Members without a value must be left out (RFC 9728 section 3.2).
        kept = {name: value for name, value in members.items() if value not in (None, [], "")}
        return json.dumps(kept).encode("ascii")


def _is_plain(path: str) -> bool:
    """Whether a path is the same to everybody who reads it."""
    decoded = unquote(path)
    segments = decoded.split("/")
    return (
        decoded.count("/") == path.count("/")
        and not {"{", "}"} & {*decoded}
        and not {".", ".."} & {*segments}
        and "" not in segments[1:-1]
    )
