"""The two pages that a person sees: the one to log in by, and the one that says why they cannot.

Plain HTML in the frame that all pages have. All that others wrote is escaped on its way in here, and
the error page shows none of it.
"""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from atjwt.issuer.authorization_request import AuthorizationRequest
from atjwt.issuer.loopback import loopback_origin
from atjwt.issuer.page_frame import OWN_TRACE, PALETTE, framed
from atjwt.issuer.tokens import OIDC_SCOPES
from atjwt.issuer.users import User

_STYLE: Final = f"""{PALETTE}
body {{ display: grid; place-items: center; padding: 1.5rem 1rem; }}
main {{ width: 100%; max-width: 27rem; padding: 1.75rem; border: 1px solid var(--line);
  border-radius: .75rem; background: var(--paper); }}
h1 {{ margin: 0 0 .25rem; font-size: 1.375rem; line-height: 1.25; }}
h2 {{ margin: 1.5rem 0 .5rem; font-size: 1rem; }}
.note {{ margin-bottom: 1rem; color: var(--note); font-size: .875rem; font-weight: 600; }}
dl {{ margin: 1.25rem 0 0; display: grid; grid-template-columns: auto 1fr; gap: .375rem 1rem; }}
dt {{ color: var(--soft); }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
button {{ display: block; width: 100%; margin-bottom: .625rem; padding: .75rem 1rem;
  border: 1px solid var(--line); border-radius: .5rem; background: transparent; color: inherit;
  font: inherit; text-align: left; cursor: pointer; overflow-wrap: anywhere; }}
button:hover {{ border-color: var(--main); }}
button:focus-visible {{ outline: 3px solid var(--main); outline-offset: 2px; }}
button strong {{ display: block; color: var(--main); }}
button.cancel {{ margin: .375rem 0 0; border-color: transparent; color: var(--soft);
  text-align: center; }}
"""


def login_page(
    request: AuthorizationRequest,
    users: Sequence[tuple[User, Sequence[str]]],
    *,
    known: Iterable[str],
    action: str,
    view: str,
    client: str,
) -> Response:
    """The page that asks who it is: one button per user, and one to say no.

    users: each with the scopes that they would get. known: the scopes of the API.
    action: the path that the answer is posted to. view: the one-time value of this page view.
    client: what the app is called.
    """
    address = request.address.redirect_uri
    people = "".join(_button(user, scopes) for user, scopes in users)
    body = f"""\
<p class="note">For development only: no password is asked.</p>
<h1>Log in to {escape(client)}</h1>
<p class="soft">You go back to <code>{escape(urlsplit(address).netloc)}</code>.</p>
<dl>
<dt>App</dt><dd><code>{escape(request.client_id)}</code></dd>
<dt>API</dt><dd>{_api(request)}</dd>
{_organization(request)}<dt>Scopes</dt><dd>{_scopes(request, known)}</dd>
</dl>
<form method="post" action="{escape(action)}">
<input type="hidden" name="view" value="{escape(view)}">
<h2>Log in as</h2>
{people}<button class="cancel" name="cancel" value="yes">Cancel</button>
</form>
"""
    return _page("Log in", body, form_action=f"'self' {_source(address)}")


def error_page(sentence: str) -> Response:
    """The page for a fault that no client is told of; it names no one and leads nowhere."""
    body = f"""\
<p class="note">Local issuer, for development only.</p>
<h1>This login cannot go on</h1>
<p>{escape(sentence)}</p>
"""
    return _page("Login error", body, form_action="'none'", status=400)


def _page(title: str, body: str, *, form_action: str, status: int = 200) -> Response:
    inner = f"<main>\n{body}</main>\n"
    return framed(
        title, inner, style=_STYLE, form_action=form_action, status=status, headers=OWN_TRACE
    )


def _source(address: str) -> str:
    # Chromium holds the redirect after a form to `form-action` too, so the client's origin is in
    # it. The grammar of CSP has no IPv6 addresses; for one, the scheme must do.
    origin = loopback_origin(address) or "'none'"
    return f"{urlsplit(address).scheme}:" if "[" in origin else origin


def _api(request: AuthorizationRequest) -> str:
    if request.audience is None:
        return "none is asked for, so the access token is opaque"
    return f"<code>{escape(request.audience)}</code>"


def _organization(request: AuthorizationRequest) -> str:
    if request.organization is None:
        return ""
    name, id_ = request.organization.name, request.organization.id
    return f"<dt>Organization</dt><dd>{escape(name)} <code>{escape(id_)}</code></dd>\n"


def _scopes(request: AuthorizationRequest, defined: Iterable[str]) -> str:
    if not request.scopes:
        return "none"
    known = OIDC_SCOPES.union(defined)
    unknown = ' <span class="soft">(unknown here)</span>'
    items = (
        f"<li><code>{escape(scope)}</code>{'' if scope in known else unknown}</li>"
        for scope in request.scopes
    )
    return f"<ul>{''.join(items)}</ul>"


def _button(user: User, scopes: Sequence[str]) -> str:
    granted = " ".join(scopes) or "no scope"
    return (
        f'<button name="user" value="{escape(user.subject)}">'
        f"<strong>{escape(user.name)}</strong>"
        f'<span class="soft">{escape(user.subject)}<br>gets {escape(granted)}</span>'
        "</button>\n"
    )
