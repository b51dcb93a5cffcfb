"""Is this form one of ours, sent by the person who looks at it? (cross-site request forgery)

A cookie names the browser session; every form carries a token made from it with a key of this run.
Pages of other sites cannot send the cookie (`SameSite=Strict`), but pages on other ports of this
computer can: those cannot read the token. What the browser says about the sender is looked at too.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from atjwt.issuer.form_origin import foreign_origin

FIELD: Final = "csrf_token"
"""The form field of the token."""

COOKIE: Final = "atjwt_dashboard"
"""The cookie of the session; ports share it, which does no harm: each issuer has its own key."""

_SESSION: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


class Sessions:
    """The sessions of one run: nothing is kept of them but the key."""

    def __init__(self) -> None:
        """Makes the key."""
        self._key = secrets.token_bytes(32)

    def of(self, request: Request) -> str:
        """The session that the browser names, or a new one."""
        named = request.cookies.get(COOKIE, "")
        return named if _SESSION.fullmatch(named) else secrets.token_urlsafe(32)

    def token_for(self, session: str) -> str:
        """What a form of this session carries."""
        return hmac.new(self._key, session.encode("ascii"), hashlib.sha256).hexdigest()

    def problem(self, request: Request, sent: Mapping[str, str]) -> str | None:
        """Why a form is not taken, in one sentence; None: it is ours."""
        elsewhere = foreign_origin(request)
        if elsewhere is not None:
            return f"The form came from a page of another {elsewhere}."
        expected = self.token_for(request.cookies.get(COOKIE, "")) if self._has(request) else ""
        given = sent.get(FIELD, "").encode("utf-8")
        if not expected or not hmac.compare_digest(given, expected.encode("ascii")):
            return (
                "The form belongs to another session, or to an earlier run of this issuer. "
                "Go back, load the page again, and send it from there."
            )
        return None

    @staticmethod
    def remember(response: Response, session: str) -> None:
        """Gives the browser the session."""
        response.set_cookie(COOKIE, session, path="/dashboard", httponly=True, samesite="strict")

    def _has(self, request: Request) -> bool:
        return _SESSION.fullmatch(request.cookies.get(COOKIE, "")) is not None
