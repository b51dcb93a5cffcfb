"""Steady load for `08_migration.py`: clients that do everything right, and somebody who does not.

Each client is a thread. A machine has its tokens by client credentials, a person by a login with
authorization code and PKCE; both keep a token until just before it expires, as good clients do. The
attacker sends tokens that are invalid, each in another way. Every answer is counted.
"""

import base64
import hashlib
import html
import re
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import httpx

EARLY = 1.25  # seconds before its expiry at which a client asks for another token; `exp` is whole
BACK = "http://127.0.0.1:8000/callback"
BROKEN = (
    "expired", "invalid_signature", "unknown_issuer", "wrong_audience", "id_token", "wrong_type",
    "algorithm_not_allowed", "not_yet_valid", "client_mismatch", "invalid_claim",
)  # fmt: skip


class Answer(NamedTuple):
    """What the API said. at: when it was asked, seconds since 1970. profile: as the API saw it."""

    at: float
    client: str
    path: str
    status: int
    profile: str | None


class Token(NamedTuple):
    """A token in the hand of a client. expires: seconds since 1970, as the client reckons."""

    text: str
    expires: float


def client() -> httpx.Client:
    """One connection for each request: a server that goes is missed by nobody."""
    return httpx.Client(
        trust_env=False, timeout=10, limits=httpx.Limits(max_keepalive_connections=0)
    )


class Traffic:
    """All clients together, and what they were told.

    issuer: its facts, as `atjwt issuer --json` prints them. api: the URL of the API.
    paths: asked for in turn.
    """

    def __init__(self, issuer: Mapping[str, str], api: str, paths: tuple[str, ...]) -> None:
        self._issuer, self._api, self._paths = issuer, api, paths
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._pause = 0.05  # seconds between two requests of one client
        self.answers: list[Answer] = []
        self.let_in: list[Answer] = []  # invalid ones
        self.repelled = 0
        self.repeated = 0
        self.failures: list[str] = []
        self.issued: dict[str, float] = {}
        work: list[Callable[[], None]] = [
            lambda: self._client("a person", self._log_in, 0.0),
            lambda: self._client("a machine", self._authenticate, 0.5),
            lambda: self._client("another person", self._log_in, 1.2),
            lambda: self._client("another machine", self._authenticate, 1.9),
            self._attack,
        ]
        self._threads = [threading.Thread(target=self._run, args=(task,)) for task in work]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *args: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    @property
    def refused(self) -> list[Answer]:
        """Valid requests that were refused."""
        return [answer for answer in self.answers if answer.status != 200]

    def by_profile(self, since: float = 0.0) -> Counter[str]:
        """How many valid requests were let in, by the profile of their token."""
        return Counter(
            answer.profile
            for answer in [*self.answers]
            if answer.profile is not None and answer.at >= since
        )

    def _run(self, task: Callable[[], None]) -> None:
        try:
            task()
        except Exception as error:  # noqa: BLE001 - told at the end, by whoever looks
            self.failures.append(f"{type(error).__name__}: {error}")

    def _client(self, name: str, ask: Callable[[httpx.Client], Token | None], delay: float) -> None:
        token: Token | None = None
        turn = 0
        self._over.wait(delay)  # so that their tokens do not all expire together
        with client() as http:
            while not self._over.wait(self._pause):
                if token is None or time.time() > token.expires - EARLY:
                    token = ask(http)
                    if token is None:  # the issuer is down
                        continue
                    with self._lock:
                        self.issued[token.text] = token.expires
                path = self._paths[turn % len(self._paths)]
                turn += 1
                at = time.time()
                response = self._get(http, path, token.text)
                profile = response.json()["profile"] if response.status_code == 200 else None
                answer = Answer(at, name, path, response.status_code, profile)
                with self._lock:
                    self.answers.append(answer)

    def _attack(self) -> None:
        turn = 0
        with client() as http:
            while not self._over.wait(self._pause):
                broken, path = BROKEN[turn % len(BROKEN)], self._paths[turn % len(self._paths)]
                turn += 1
                wanted = {"broken": broken, "scopes": ["read:orders"]}
                made = http.post(f"{self._issuer['issuer']}_local/token", json=wanted)
                response = self._get(http, path, made.raise_for_status().json()["access_token"])
                with self._lock:
                    if response.status_code == 401:
                        self.repelled += 1
                    else:
                        status = response.status_code
                        self.let_in.append(Answer(time.time(), broken, path, status, None))

    def _get(self, http: httpx.Client, path: str, token: str) -> httpx.Response:
        headers = {"authorization": f"Bearer {token}"}
        try:
            return http.get(self._api + path, headers=headers)
        except httpx.TransportError:
            # A server that stops may close a connection that it has not read from. No answer was
            # given; a GET is sent again (RFC 9110 section 9.2.2).
            self.repeated += 1
            return http.get(self._api + path, headers=headers)

    def _authenticate(self, http: httpx.Client) -> Token | None:
        return self._tokens(
            http,
            grant_type="client_credentials",
            client_secret=self._issuer["client_secret"],
            client_id=self._issuer["client_id"],
            audience=self._issuer["audience"],
        )

    def _log_in(self, http: httpx.Client) -> Token | None:
        verifier = secrets.token_urlsafe(32)
        digest = hashlib.sha256(verifier.encode()).digest()
        page = http.get(
            self._issuer["authorization_endpoint"],
            params={
                "response_type": "code",
                "client_id": self._issuer["spa_client_id"],
                "redirect_uri": BACK,
                "scope": "openid read:orders",
                "audience": self._issuer["audience"],
                "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
                "code_challenge_method": "S256",
            },
        )
        view, user = (
            html.unescape(re.findall(pattern, page.text)[0])
            for pattern in ('name="view" value="([^"]+)"', 'name="user" value="([^"]+)"')
        )
        address = f"{self._issuer['authorization_endpoint']}/login"
        back = http.post(address, data={"view": view, "user": user}).headers["location"]
        return self._tokens(
            http,
            grant_type="authorization_code",
            code=parse_qs(urlsplit(back).query)["code"][0],
            redirect_uri=BACK,
            client_id=self._issuer["spa_client_id"],
            code_verifier=verifier,
        )

    def _tokens(self, http: httpx.Client, **asked: str) -> Token | None:
        at = time.time()
        answer = http.post(self._issuer["token_endpoint"], data=asked)
        if answer.status_code == 503:
            return None
        told = answer.raise_for_status().json()
        return Token(told["access_token"], at + told["expires_in"])
