"""A login as a browser and a single-page app do it: the page, one click, the code, the tokens.

Everything goes over HTTP to the issuer's app; nothing is read from its insides.
"""

import base64
import hashlib
import html
import re
import secrets
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from starlette.testclient import TestClient

BASE = "http://127.0.0.1:9400/"
API = "https://api.example.com/"
APP = "local-app"
BACK = "http://127.0.0.1:8000/docs/oauth2-redirect"
CLERK, MANAGER = "auth0|66f0c2", "auth0|66f0c3"

VERIFIER = secrets.token_urlsafe(32)


def challenge_of(verifier: str) -> str:
    """The S256 challenge (RFC 7636 section 4.2)."""
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def request(**changes: str | None) -> dict[str, str]:
    """The parameters of a good authorization request; None leaves one out."""
    whole: dict[str, str | None] = {
        "response_type": "code",
        "client_id": APP,
        "redirect_uri": BACK,
        "scope": "openid read:orders",
        "state": "s t+a&t=e",
        "audience": API,
        "code_challenge": challenge_of(VERIFIER),
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (whole | changes).items() if value is not None}


def ask(client: TestClient, **changes: str | None) -> Any:
    """The response to an authorization request."""
    return client.get("/authorize", params=request(**changes))


def view_of(page: Any) -> str:
    """The one-time value of a login page."""
    assert page.status_code == 200, page.text
    found = re.findall(r'<input type="hidden" name="view" value="([^"]+)">', page.text)
    assert len(found) == 1
    return html.unescape(found[0])


def click(client: TestClient, page: Any, user: str = CLERK, **fields: str) -> Any:
    """The response to a click on one of the page's buttons."""
    action = re.search(r'<form method="post" action="([^"]+)">', page.text)
    assert action
    return client.post(action[1], data={"view": view_of(page), "user": user, **fields})


def answer_of(response: Any, redirect_uri: str = BACK) -> dict[str, str]:
    """What a redirect to the client carries."""
    assert response.status_code == 303, response.text
    location = response.headers["location"]
    assert location.partition("?")[0] == redirect_uri.partition("?")[0]
    pairs = parse_qsl(urlsplit(location).query, strict_parsing=True)
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def code_for(client: TestClient, user: str = CLERK, **changes: str | None) -> str:
    """A code, by a whole login."""
    return answer_of(click(client, ask(client, **changes), user))["code"]


def redeem(client: TestClient, code: str, **changes: str | None) -> Any:
    """The token endpoint's response to a code."""
    whole: dict[str, str | None] = {
        "grant_type": "authorization_code",
        "client_id": APP,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
    }
    fields = {name: value for name, value in (whole | changes).items() if value is not None}
    return client.post("/oauth/token", data=fields)


def tokens_of(client: TestClient, user: str = CLERK, **changes: str | None) -> dict[str, Any]:
    """The tokens of a whole login."""
    response = redeem(client, code_for(client, user, **changes))
    assert response.status_code == 200, response.text
    body = response.json()
    assert isinstance(body, dict)
    return body


def policy_of(page: Any) -> dict[str, list[str]]:
    """The directives of a page's content security policy."""
    directives = page.headers["content-security-policy"].split("; ")
    return {
        name: values.split() for name, _, values in (line.partition(" ") for line in directives)
    }


def query_of(url: str) -> dict[str, list[str]]:
    """The query of a URL, every value of every parameter."""
    return parse_qs(urlsplit(url).query)
