"""Auth0's Management API, as far as an API's profile takes it: read its settings, change one.

The same against a tenant and against the local issuer. What is read may be asked for again: after a
network failure or a 5xx, with growing pauses. What changes something is sent again only after a 429,
which says that it was not done; after anything else nobody knows, and the caller reads it back. Only
what changes is sent, since a whole object would be refused, or undo what somebody else does.
"""

import json
import os
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple
from urllib.parse import quote

from atjwt.core.configuration import host_of, is_loopback
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import ConfigurationError
from atjwt.fetch import HttpFetcher, date_of, http_library, seconds_of

Settings = dict[str, object]
"""A resource server object, as the Management API writes it."""


class Answer(NamedTuple):
    """An HTTP answer. headers: names in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Send = Callable[[str, str, Mapping[str, str], bytes | None], Answer]
"""Sends method, URL, headers and body. Raises OSError or what the HTTP client raises."""

_ATTEMPTS: Final = 5
_LONGEST_WAIT: Final = 60.0  # seconds
_EARLY: Final = 60  # seconds by which a token of ours is given up before it expires


class ManagementError(Exception):
    """The Management API did not do what was asked. The text says why, and what to do.

    status: of the answer; None where there was none.
    code: its `errorCode`, such as `inexistent_resource_server`.
    is_unknown: whether a change may have been made all the same: read it back.
    """

    def __init__(
        self, why: str, *, status: int | None = None, code: str = "", is_unknown: bool = False
    ) -> None:
        super().__init__(why)
        self.status = status
        self.code = code
        self.is_unknown = is_unknown


class ManagementApi:
    """The resource servers of one tenant (Auth0: Management API v2, `/resource-servers`).

    domain: of the tenant, not a custom one; or the local issuer's URL.
    client_id, client_secret: of a machine client that is authorized for the Management API.
    token: a token for it, instead of both.
    send, sleep, clock: how requests are sent, and waits are waited; for tests.

    Raises ConfigurationError: every problem, with its fix.
    """

    def __init__(
        self,
        domain: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        token: str | None = None,
        send: Send | None = None,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        problems: list[str] = []
        try:
            self.issuer = TrustedIssuer.auth0(domain).issuer
        except ConfigurationError as error:
            problems += error.problems
        if (token is None) == (client_id is None or client_secret is None):
            problems.append("ManagementApi: give client_id and client_secret, or token")
        if problems:
            raise ConfigurationError(problems)
        self._client = (client_id, client_secret)
        self._given = token
        self._token: tuple[str, float] | None = None
        self._send = send or _over_http
        self._sleep = sleep
        self._clock = clock
        self.date = 0.0
        """When the last answer was made, as its `Date` says; 0 where it does not."""

    def __repr__(self) -> str:
        return f"ManagementApi({self.issuer!r})"

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> "ManagementApi":
        """With AUTH0_DOMAIN, and AUTH0_CLIENT_ID with AUTH0_CLIENT_SECRET or AUTH0_MANAGEMENT_TOKEN.

        environ: by default the process's own.
        Raises ConfigurationError: one is not set.
        """
        environ = os.environ if environ is None else environ
        domain, token = environ.get("AUTH0_DOMAIN"), environ.get("AUTH0_MANAGEMENT_TOKEN")
        missing = [] if domain else ["AUTH0_DOMAIN: set this environment variable"]
        if not token:
            missing += [
                f"{name}: set this environment variable, or AUTH0_MANAGEMENT_TOKEN"
                for name in ("AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET")
                if not environ.get(name)
            ]
        if missing or not domain:
            raise ConfigurationError(missing)
        if token:
            return cls(domain, token=token)
        return cls(
            domain,
            client_id=environ["AUTH0_CLIENT_ID"],
            client_secret=environ["AUTH0_CLIENT_SECRET"],
        )

    def get(self, api: str) -> Settings:
        """The settings of an API. api: its id or its identifier. Raises ManagementError."""
        return _object(self._asked("GET", _path(api)))

    def patch(self, api: str, **changes: object) -> Settings:
        """Changes settings of an API, and nothing else of it; returns what is set then.

        api: its id or its identifier. changes: such as `token_dialect="rfc9068_profile"`.
        Raises ManagementError; `is_unknown` says that nobody knows whether it was done.
        """
        body = json.dumps(changes).encode("ascii")
        return _object(self._asked("PATCH", _path(api), body))

    def _asked(self, method: str, path: str, body: bytes | None = None) -> Answer:
        url = f"{self.issuer}api/v2{path}"
        answer = self._with_token(method, url, body, fresh=False)
        if answer.status == 401 and self._given is None:  # revoked, or the keys have changed
            answer = self._with_token(method, url, body, fresh=True)
        self.date = date_of(answer.headers.get("date"))
        if not 200 <= answer.status < 300:
            raise _refusal(answer)
        return answer

    def _with_token(self, method: str, url: str, body: bytes | None, *, fresh: bool) -> Answer:
        headers = {"authorization": f"Bearer {self._access_token(fresh=fresh)}"}
        return self._insisting(method, url, headers, body)

    def _access_token(self, *, fresh: bool) -> str:
        if self._given is not None:
            return self._given
        if self._token is None or fresh or self._clock() >= self._token[1]:
            client_id, client_secret = self._client
            asked = {
                "grant_type": "client_credentials",
                "audience": f"{self.issuer}api/v2/",
                "client_id": client_id,
                "client_secret": client_secret,
            }
            url = f"{self.issuer}oauth/token"
            answer = self._insisting("POST", url, {}, json.dumps(asked).encode(), reads=True)
            if answer.status != 200:
                raise ManagementError(
                    f"no token for the Management API: {answer.status} {_code(answer)}: look at"
                    " AUTH0_CLIENT_ID, AUTH0_CLIENT_SECRET, and whether that client is authorized",
                    status=answer.status,
                    code=_code(answer),
                )
            told = _object(answer)
            token, lifetime = told.get("access_token"), told.get("expires_in")
            if not isinstance(token, str) or not isinstance(lifetime, int):
                raise ManagementError("the token endpoint answers without a token", status=200)
            self._token = token, self._clock() + max(0, lifetime - _EARLY)
        return self._token[0]

    def _insisting(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        reads: bool = False,
    ) -> Answer:
        """Sends until there is an answer that another attempt would not change."""
        reads = reads or method == "GET"
        sent = {"accept": "application/json", **headers}
        sent |= {} if body is None else {"content-type": "application/json"}
        for attempt in range(1, _ATTEMPTS + 1):
            wait = min(0.5 * 2**attempt, _LONGEST_WAIT)
            last = attempt == _ATTEMPTS
            try:
                answer = self._send(method, url, sent, body)
            except Exception as error:  # noqa: BLE001 - an HTTP client has many of its own
                if last or not reads:
                    raise ManagementError(
                        f"{method}: no answer from {host_of(url)} ({type(error).__name__}): is"
                        " AUTH0_DOMAIN right, and may this host get there?",
                        is_unknown=not reads,
                    ) from None
            else:
                if answer.status == 429 and not last:
                    wait = self._until_reset(answer, wait)
                elif answer.status < 500 or last or not reads:
                    return answer
            self._sleep(wait)
        raise AssertionError("the last attempt returns or raises")

    def _until_reset(self, answer: Answer, otherwise: float) -> float:
        now = self._clock()
        reset = answer.headers.get("x-ratelimit-reset", "")
        wait = float(reset[:12]) - now if reset.isdecimal() else None
        if wait is None:
            wait = seconds_of(answer.headers.get("retry-after"), now)
        return otherwise if wait is None else min(max(wait, 0.0) + 1, _LONGEST_WAIT)


def _path(api: str) -> str:
    if not api:
        raise ConfigurationError(["give the API's id or identifier"])
    try:
        return f"/resource-servers/{quote(api, safe='')}"
    except UnicodeEncodeError:
        raise ConfigurationError(["the API's id or identifier is no text in UTF-8"]) from None


def _object(answer: Answer) -> Settings:
    try:
        told = json.loads(answer.body)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ManagementError("the answer is no JSON object", status=answer.status, is_unknown=True)
    return told


def _code(answer: Answer) -> str:
    try:
        told = _object(answer)
    except ManagementError:
        return ""
    return str(told.get("errorCode") or told.get("error") or "")[:80]


_HINTS: Final = {
    401: "the token is refused: it is for another audience, or expired",
    403: "the client lacks a scope: grant it read:resource_servers and update:resource_servers",
    404: "there is no such API: give its id, or its identifier exactly, with its slash",
    429: "the rate limit of the tenant is used up: try again later",
}


_NOT_DONE: Final = frozenset({400, 401, 403, 404, 409, 415, 429})
"""What is answered to a change that was not made; after anything else nobody knows."""


def _refusal(answer: Answer) -> ManagementError:
    hint = _HINTS.get(answer.status)
    if hint is None:
        hint = "the service has trouble" if answer.status >= 500 else "the change is not accepted"
    return ManagementError(
        f"{answer.status} {_code(answer)}: {hint}",
        status=answer.status,
        code=_code(answer),
        is_unknown=answer.status not in _NOT_DONE,
    )


def _over_http(method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> Answer:
    http = http_library()
    verify = False if url.startswith("http:") else HttpFetcher().ssl_context
    with http.Client(
        verify=verify,
        timeout=10,
        follow_redirects=False,
        trust_env=not is_loopback(host_of(url)),
    ) as client:
        answer = client.request(method, url, headers=headers, content=body)
        return Answer(answer.status_code, dict(answer.headers), answer.content)
