"""Query string → `AuthorizationRequest`, in two steps, because a fault goes one of two ways.

1. Where does the answer go? Who cannot be told apart from an attacker is never redirected to, so a
   fault in `client_id` or `redirect_uri` is `Unanswerable` and is shown to the person in front.
2. What is asked? Every other fault is `Refused` and goes back to the client (RFC 6749 section
   4.1.2.1). PKCE with S256 is demanded of everybody (RFC 7636, RFC 9700 section 2.1.1).
"""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from atjwt.issuer.loopback import loopback_origin
from atjwt.issuer.organizations import Organization, Organizations
from atjwt.issuer.refusal import Refused

Asked: TypeAlias = Mapping[str, Sequence[str]]
"""The parameters as they came: each with all of its values."""

_MAX_QUERY: Final = 8_192  # bytes; an ordinary request has about 500
_CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)  # a SHA-256 hash in base64url
_SCOPE: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 3.3
_ANSWERED: Final = frozenset({"code", "state", "iss", "error", "error_description", "error_uri"})
_ONCE: Final = (
    *("response_type", "response_mode", "scope", "state", "nonce", "prompt", "audience"),
    *("organization", "code_challenge", "code_challenge_method", "request", "request_uri"),
)


class Unanswerable(Exception):
    """A request that no client may be told the fault of. Its text is for the person in front."""


@dataclass(frozen=True, slots=True, repr=False)
class ReturnAddress:
    """Where the answer goes, and what comes back with any answer (RFC 6749, RFC 9207)."""

    redirect_uri: str
    state: str | None
    issuer: str

    def with_answer(self, **members: str) -> str:
        """The URL that takes these members to the client, `state` and `iss` beside them."""
        if self.state is not None:
            members["state"] = self.state
        members["iss"] = self.issuer
        uri = self.redirect_uri
        between = "" if uri.endswith(("?", "&")) else "&" if "?" in uri else "?"
        # A blank is %20, not +: scripts that take queries apart by hand know no +.
        return f"{uri}{between}{urlencode(members, quote_via=quote)}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AuthorizationRequest:
    """A request that only the user's word is wanting for.

    audience: the API that is asked for, or None. scopes: as requested, each once. organization: in
    which the user is to log in, or None.
    """

    client_id: str
    address: ReturnAddress
    audience: str | None
    scopes: tuple[str, ...]
    code_challenge: str
    nonce: str | None
    organization: Organization | None = None


def read_query(query: bytes) -> Asked:
    """The parameters of a query string. Raises Unanswerable: it cannot be read."""
    if len(query) > _MAX_QUERY:
        raise Unanswerable(f"The request is longer than {_MAX_QUERY} bytes.")
    parameters: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise Unanswerable("The request is not URL-encoded UTF-8.") from None
    for name, value in pairs:
        parameters.setdefault(name, []).append(value)
    return parameters


def return_address(asked: Asked, *, client_id: str, issuer: str) -> ReturnAddress:
    """Step 1: where the answer goes.

    client_id: of the one client that may log users in. A redirect URI need not be registered, but
    it leads to this very computer.
    Raises Unanswerable.
    """
    if _only(asked, "client_id") != client_id:
        raise Unanswerable("client_id is missing, or names no app that can log users in here.")
    redirect_uri = _only(asked, "redirect_uri")
    if redirect_uri is None or loopback_origin(redirect_uri) is None:
        raise Unanswerable(
            "redirect_uri is missing, or is not an http or https URL of a loopback host "
            "(localhost, 127.0.0.1, [::1]) without user name and fragment."
        )
    names = {name for name, _ in parse_qsl(urlsplit(redirect_uri).query, keep_blank_values=True)}
    if names & _ANSWERED:
        raise Unanswerable(
            f"redirect_uri has a parameter that the answer brings: {', '.join(sorted(_ANSWERED))}."
        )
    return ReturnAddress(redirect_uri, _only(asked, "state"), issuer)


def authorization_request(
    asked: Asked,
    address: ReturnAddress,
    *,
    client_id: str,
    audience: str | Collection[str],
    organizations: Organizations | None = None,
) -> AuthorizationRequest:
    """Step 2: what is asked.

    audience: the identifier of the API that may be asked for, or of each of several.
    organizations: those that may be named, by default none.
    Raises Refused.
    """
    if any(len(asked.get(name, ())) > 1 for name in _ONCE):
        raise Refused("invalid_request", "a parameter is given more than once")
    for name in ("request", "request_uri"):  # OpenID Connect Core 1.0 section 3.1.2.6
        if name in asked:
            raise Refused(f"{name}_not_supported", "the parameters are taken from the query only")
    _check_response(asked)
    challenge = _code_challenge(asked)
    api = _only(asked, "audience")
    apis = {audience} if isinstance(audience, str) else {*audience}
    if api not in {None, *apis}:
        raise Refused("invalid_target", "no API has this audience")
    scopes = [scope for scope in (_only(asked, "scope") or "").split(" ") if scope]
    if not all(map(_SCOPE.fullmatch, scopes)):
        raise Refused("invalid_scope", "a scope has a character that no scope may have")
    _check_prompt(asked)
    return AuthorizationRequest(
        client_id=client_id,
        address=address,
        audience=api,
        scopes=tuple(dict.fromkeys(scopes)),
        code_challenge=challenge,
        nonce=_only(asked, "nonce"),
        organization=(organizations or Organizations()).named(_only(asked, "organization")),
    )


def _only(asked: Asked, name: str) -> str | None:
    """The one value; None if there are several. RFC 6749 section 3.1: an empty one is none."""
    values = asked.get(name, ())
    return (values[0] or None) if len(values) == 1 else None


def _check_response(asked: Asked) -> None:
    response_type = _only(asked, "response_type")
    if response_type is None:
        raise Refused("invalid_request", "response_type is missing")
    if response_type != "code":
        raise Refused("unsupported_response_type", "only response_type=code is served here")
    if _only(asked, "response_mode") not in {None, "query"}:
        raise Refused("invalid_request", "only response_mode=query is served here")


def _code_challenge(asked: Asked) -> str:
    challenge = _only(asked, "code_challenge")
    # RFC 7636 section 4.3: without a method, `plain` is meant.
    if challenge is None or _only(asked, "code_challenge_method") != "S256":
        raise Refused("invalid_request", "send a code_challenge with code_challenge_method=S256")
    if not _CHALLENGE.fullmatch(challenge):
        raise Refused("invalid_request", "code_challenge is not a SHA-256 hash in base64url")
    return challenge


def _check_prompt(asked: Asked) -> None:
    prompts = (_only(asked, "prompt") or "").split(" ")
    if prompts == ["none"]:  # nobody is ever logged in before they click
        raise Refused("login_required", "the user must log in, and prompt=none forbids to ask")
    if "none" in prompts:
        raise Refused("invalid_request", "prompt=none goes with no other value")
