"""The tests' side of `authorization_server.mjs`: starts it, and asks it for tokens as clients do.

Everything goes over HTTP, as it would from another machine: the client credentials grant with the
client's secret, the authorization code grant with PKCE and a browser's patience (redirects, cookies
and the provider's own login and consent pages), and the control paths that rotate the keys.

What is asked for is named by a *resource*: `urn:orders:ES256` means a token for the orders API that
is signed under ES256, `urn:billing` one for another API, `urn:orders:opaque` and
`urn:orders:encrypted` what their names say. Without a resource the provider gives an opaque token.
"""

import base64
import hashlib
import html
import json
import queue
import re
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any, Self, TextIO
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx2
from joserfc import jwt
from joserfc.jwk import ECKey

HERE = Path(__file__).parent
START_DEADLINE = 20.0
END_DEADLINE = 5.0
MOST_PAGES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class UserTokens:
    """What a login brought: the tokens of one token response."""

    access_token: str
    id_token: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class AuthorizationServer:
    """A running node-oidc-provider.

    issuer, jwks_uri: as its metadata says.
    audience: of the orders API, the `aud` of its tokens.
    lifetime: of its access tokens, in seconds.
    algorithms: the `alg` for each of which there is a resource.
    machine, app: the ids of the client that acts for itself and of the one that a user logs in to.
    """

    issuer: str
    jwks_uri: str
    audience: str
    lifetime: int
    algorithms: tuple[str, ...]
    machine: str
    app: str
    _secret: str
    _redirect_uri: str
    _endpoints: Mapping[str, str]
    _http: httpx2.Client

    @classmethod
    def described_by(cls, line: str, http: httpx2.Client) -> Self:
        """The server that printed this line."""
        told = json.loads(line)
        machine, app = told["clients"]["machine"], told["clients"]["app"]
        return cls(
            issuer=told["issuer"],
            jwks_uri=told["jwks_uri"],
            audience=told["audience"],
            lifetime=told["lifetime"],
            algorithms=tuple(told["algorithms"]),
            machine=machine["client_id"],
            app=app["client_id"],
            _secret=machine["client_secret"],
            _redirect_uri=app["redirect_uri"],
            _endpoints={
                name.removesuffix("_endpoint"): url
                for name, url in told.items()
                if name.endswith("_endpoint") or name == "control"
            },
            _http=http,
        )

    def machine_token(
        self, resource: str | None = "urn:orders:RS256", scope: str = "read:orders"
    ) -> str:
        """An access token by the client credentials grant (RFC 6749 section 4.4, RFC 8707)."""
        return self._token_by_client_credentials(resource, scope, {})

    def machine_tokens(self, scope: str = "read:orders") -> list[str]:
        """One such token under each algorithm."""
        return [self.machine_token(f"urn:orders:{alg}", scope) for alg in self.algorithms]

    def bound_token(self, resource: str) -> str:
        """An access token that is bound to a key by DPoP (RFC 9449 section 5)."""
        key = ECKey.generate_key("P-256")
        proof = jwt.encode(
            {"alg": "ES256", "typ": "dpop+jwt", "jwk": key.as_dict(private=False)},
            {
                "jti": secrets.token_urlsafe(),
                "htm": "POST",
                "htu": self._endpoints["token"],
                "iat": int(time.time()),
            },
            key,
        )
        return self._token_by_client_credentials(resource, "read:orders", {"DPoP": proof})

    def introspection_response(self) -> str:
        """What the provider says of an opaque token, as a signed JWT (RFC 9701)."""
        response = self._http.post(
            self._endpoints["introspection"],
            data={"token": self.machine_token(resource=None)},
            auth=(self.machine, self._secret),
            headers={"accept": "application/token-introspection+jwt"},
        )
        return response.raise_for_status().text

    def userinfo_response(self, subject: str) -> str:
        """What the provider says of a user, as a signed JWT (OpenID Connect Core section 5.3.2)."""
        tokens = self.login(subject, resource=None, scope="openid")
        response = self._http.get(
            self._endpoints["userinfo"],
            headers={"authorization": f"Bearer {tokens.access_token}"},
        )
        return response.raise_for_status().text

    def login(
        self,
        subject: str,
        resource: str | None = "urn:orders:RS256",
        scope: str = "openid read:orders",
    ) -> UserTokens:
        """A user's tokens by the authorization code grant with PKCE (RFC 7636).

        subject: what the user types into the login page, and what `sub` will be.
        """
        verifier = secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        target = {} if resource is None else {"resource": resource}
        state = secrets.token_urlsafe()
        request = {
            "response_type": "code",
            "client_id": self.app,
            "redirect_uri": self._redirect_uri,
            "scope": scope,
            "state": state,
            "nonce": secrets.token_urlsafe(),
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
            **target,
        }
        answer = self._answer_by_browser(request, subject)
        assert answer["state"] == [state], answer
        assert answer["iss"] == [self.issuer], answer
        response = self._http.post(
            self._endpoints["token"],
            data={
                "grant_type": "authorization_code",
                "client_id": self.app,
                "code": answer["code"][0],
                "redirect_uri": self._redirect_uri,
                "code_verifier": verifier,
                **target,
            },
        )
        tokens = response.raise_for_status().json()
        return UserTokens(access_token=tokens["access_token"], id_token=tokens["id_token"])

    def rotate(self, *, keep_previous: bool) -> None:
        """Gives the provider new keys to sign with.

        keep_previous: whether those it signed with until now stay in its key set; those before
            them never do.
        """
        self._http.post(
            f"{self._endpoints['control']}/rotate", json={"keep_previous": keep_previous}
        ).raise_for_status()

    def hits(self, path: str) -> int:
        """How many requests this path of the provider has had."""
        response = self._http.get(f"{self._endpoints['control']}/hits").raise_for_status()
        return int(response.json().get(path, 0))

    def key_set(self) -> Any:
        """Its published keys, fetched as anybody can."""
        return self._http.get(self.jwks_uri).raise_for_status().json()

    def _token_by_client_credentials(
        self, resource: str | None, scope: str, headers: dict[str, str]
    ) -> str:
        target = {} if resource is None else {"resource": resource}
        response = self._http.post(
            self._endpoints["token"],
            data={"grant_type": "client_credentials", "scope": scope, **target},
            auth=(self.machine, self._secret),
            headers=headers,
        )
        return str(response.raise_for_status().json()["access_token"])

    def _answer_by_browser(self, request: Mapping[str, str], subject: str) -> dict[str, list[str]]:
        # A client of its own, so cookies of its own: nobody is logged in yet.
        with httpx2.Client(trust_env=False) as browser:
            page = browser.get(self._endpoints["authorization"], params=request)
            for _ in range(MOST_PAGES):
                if page.has_redirect_location:
                    target = urljoin(str(page.url), page.headers["location"])
                    if target.startswith(f"{self._redirect_uri}?"):
                        return parse_qs(urlsplit(target).query)
                    page = browser.get(target)
                else:
                    action, filled = _form(page.raise_for_status(), subject)
                    page = browser.post(action, data=filled)
        raise AssertionError("the login does not come to an end")


def _form(page: httpx2.Response, subject: str) -> tuple[str, dict[str, str]]:
    """Where the form of the provider's login or consent page goes, and with what."""
    action = re.search(r'<form[^>]* action="([^"]+)"', page.text)
    prompt = re.search(r'name="prompt" value="(\w+)"', page.text)
    assert action, page.text
    assert prompt, page.text
    filled = {"prompt": prompt[1]}
    if prompt[1] == "login":
        filled |= {"login": subject, "password": "any"}
    return urljoin(str(page.url), html.unescape(action[1])), filled


@contextmanager
def running() -> Iterator[AuthorizationServer]:
    """The authorization server, for as long as the block lasts."""
    with (
        TemporaryFile("w+", encoding="utf-8") as log,
        subprocess.Popen(
            ["node", HERE / "authorization_server.mjs"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
        httpx2.Client(trust_env=False) as http,
    ):
        try:
            yield AuthorizationServer.described_by(_first_line(process, log), http)
        finally:
            process.terminate()
            try:
                process.wait(timeout=END_DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()


def _first_line(process: "subprocess.Popen[str]", log: TextIO) -> str:
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    output = process.stdout
    assert output
    # A pipe cannot be read with a deadline everywhere, so a thread reads it. It ends with the
    # process at the latest.
    threading.Thread(target=lambda: lines.put(output.readline()), daemon=True).start()
    try:
        line = lines.get(timeout=START_DEADLINE)
    except queue.Empty:
        line = ""
    if not line:
        log.seek(0)
        raise AssertionError(f"the authorization server did not start:\n{log.read()}")
    return line
