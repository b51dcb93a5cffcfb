"""Verified claims → what kind of caller: a person, an application, an agent, an anonymous session."""

from collections.abc import Mapping
from typing import Any, Literal

Kind = Literal["user", "client", "agent", "anonymous"]

_KIND_OF_PROFILE: Mapping[str, Kind] = {
    "user": "user",
    "ai_agent": "agent",
    "service": "client",
    "browser_app": "client",
    "native_app": "client",
}
"""Auth0: Agent Identity in Tokens, `sub_profile`."""


def kind_of(claims: Mapping[str, Any], client_id: str, *, is_auth0: bool) -> Kind:
    """What kind of caller a verified claim set names."""
    # Never from `gty`, which only one profile has, and never from the suffix @clients alone, which
    # could be part of a user's id.
    subject = claims["sub"]
    if is_auth0 and subject.startswith("anon@"):
        return "anonymous"
    if "sub_profile" in claims:
        for word in claims["sub_profile"].split(" "):
            if word in _KIND_OF_PROFILE:
                return _KIND_OF_PROFILE[word]
    if subject in (client_id, f"{client_id}@clients"):
        return "client"
    if is_auth0 and subject.startswith("agt_"):
        return "agent"
    return "user"
