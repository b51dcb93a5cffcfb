"""Threats to the keys and to what is remembered, as requests to an API whose issuer misbehaves."""

import asyncio
import base64
import json
import socket
import threading
from collections.abc import Mapping
from typing import Any

import pytest

from atjwt import AUTH0, RFC9068, KeyPolicy, Reason, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.events import Event, TokenAccepted
from atjwt.fetch import Fetch
from atjwt.starlette import RequiresMiddleware
from atjwt.testing import LocalIssuer
from web.asking import API, NOW, Clock, ask, asking, bearer, reached, refusal, serving, trusting

METADATA = "/.well-known/openid-configuration"
JWKS = "/.well-known/jwks.json"
Document = tuple[int, Mapping[str, str], bytes]


class Api:
    """An API whose keys have to be fetched. asked: every URL that was."""

    def __init__(
        self,
        issuer: LocalIssuer,
        clock: Clock,
        *,
        policy: KeyPolicy | None = None,
        fetch: Fetch | None = None,
        **settings: Any,
    ) -> None:
        self.asked: list[str] = []
        self.fetch = fetch or issuer.fetch
        trusted = TrustedIssuer(
            issuer.issuer, profiles={AUTH0, RFC9068}, key_policy=policy or KeyPolicy()
        )
        self.server = ResourceServer(
            audience=API, issuers=[trusted], clock=clock, fetch=self._fetch, **settings
        )
        self.app = AccessTokenMiddleware(reached, resource_server=self.server)

    async def _fetch(self, url: str) -> Document:
        self.asked.append(url)
        return await self.fetch(url)

    def status(self, token: str) -> int:
        """The status of one request with this token."""
        return ask(self.app, bearer(token)).status


def settled() -> None:
    """Waits for the fetches that go on behind."""
    for thread in threading.enumerate():
        if thread.name == "atjwt-keys":
            thread.join(5)
            assert not thread.is_alive()


@pytest.fixture
def api(issuer: LocalIssuer, clock: Clock) -> Api:
    return Api(issuer, clock)


# --- Fetching -------------------------------------------------------------------------------------


def test_nothing_is_fetched_that_a_token_names(api: Api, issuer: LocalIssuer) -> None:
    """Not its jku, not its x5u, not its kid, not its iss: only the configured issuer is asked."""
    evil = "https://evil.example/jwks.json"
    for name in ("jku", "x5u", "kid", "url", "iss"):
        assert api.status(issuer.token(header={name: evil})) in {200, 401}
    assert api.status(issuer.token(claims={"iss": evil})) == 401
    assert api.status(issuer.token(claims={"jku": evil, "jwks_uri": evil})) == 200
    assert api.asked
    assert all(url.startswith(issuer.issuer) for url in api.asked)


def test_unknown_kids_cost_the_issuer_one_request_per_cooldown(
    api: Api, issuer: LocalIssuer, clock: Clock
) -> None:
    """However many there are, whether it answers or not; and good tokens are served meanwhile."""
    good = issuer.token()
    assert api.status(good) == 200
    for down in (False, True):
        issuer.faults.set(down=down)
        clock.now += 31
        before = issuer.requests[JWKS]
        statuses = [api.status(issuer.broken(Reason.UNKNOWN_KEY)) for _ in range(50)]
        assert set(statuses) == ({503} if down else {401})
        assert issuer.requests[JWKS] == before + 1
        assert api.status(good) == api.status(issuer.token()) == 200


def test_what_can_be_refused_without_a_key_costs_no_request(api: Api, issuer: LocalIssuer) -> None:
    """A stranger's issuer, algorithm, type or shape never makes us ask anybody."""
    cheap = [
        Reason.MALFORMED_CREDENTIALS, Reason.TOKEN_TOO_LARGE, Reason.OPAQUE_TOKEN,
        Reason.ENCRYPTED_TOKEN,
        Reason.INVALID_ENCODING, Reason.INVALID_JSON, Reason.INVALID_HEADER, Reason.CRITICAL_HEADER,
        Reason.UNKNOWN_ISSUER, Reason.WRONG_TYPE, Reason.ALGORITHM_NOT_ALLOWED,
    ]  # fmt: skip
    assert {api.status(issuer.broken(reason)) for reason in cheap} == {400, 401}
    assert api.asked == []


def test_a_failed_fetch_costs_no_good_key_until_the_stale_limit(
    api: Api, issuer: LocalIssuer, clock: Clock
) -> None:
    """Then it is 503, for tokens that are remembered too; nothing falls back to other keys."""
    good = issuer.token()
    assert api.status(good) == 200
    issuer.faults.set(garbage=True)
    for age in (599, 601, 2_000, 4_199):
        clock.now = NOW + age
        assert api.status(good) == api.status(issuer.token()) == 200
        settled()
    clock.now = NOW + 4_201
    assert api.status(good) == api.status(issuer.token()) == 503
    issuer.faults.clear()
    clock.now += 30
    assert api.status(good) == 200


def test_a_withdrawn_key_is_forgotten_whatever_its_age_is_said_to_be(clock: Clock) -> None:
    """`max-age` only shortens: no answer can pin a key."""
    issuer = LocalIssuer(algorithm="ES256", audience=API, clock=clock, max_age=10**9)
    api = Api(issuer, clock)
    old = issuer.token()
    assert api.status(old) == 200
    issuer.rotate_keys()
    issuer.withdraw()
    clock.now += 600
    api.status(old)
    settled()
    assert api.status(old) == 401
    assert api.status(issuer.token()) == 200


def test_a_rotated_key_is_accepted_at_once(api: Api, issuer: LocalIssuer) -> None:
    """A kid that is new makes us look again, once."""
    assert api.status(issuer.token()) == 200
    issuer.rotate_keys()
    issuer.rotate_keys()  # past the key that was published in advance
    assert api.status(issuer.token()) == 200
    assert issuer.requests == {METADATA: 1, JWKS: 2}


def _raising(error: BaseException) -> Fetch:
    async def fetch(url: str) -> Document:
        raise error

    return fetch


def _answering(body: bytes, status: int = 200) -> Fetch:
    async def fetch(url: str) -> Document:
        return status, {}, body

    return fetch


_KEY = b'{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}'
_ANSWERS: dict[str, Fetch] = {
    **{
        repr(body[:30]): _answering(body)
        for body in (
            b"", b"null", b"5", b"[]", b"{}", b'"keys"', b"\xff", b"<html>", b'{"keys":5}',
            b'{"keys":[]}',
            b'{"keys":[' + _KEY + b"]}", b'{"keys":[],"keys":[]}', b"[" * 100_000, b'{"keys":[NaN]}',
            '{"keys":[]}'.encode("utf-16"), b"\xef\xbb\xbf{}", b'{"a":' * 1_000 + b"1" + b"}" * 1_000,
        )
    },
    **{str(status): _answering(b"", status) for status in (204, 301, 302, 304, 401, 403, 404, 410,
    429, 500)},
    **{
        repr(error)[:30]: _raising(error)
        for error in (
            ConnectionResetError(), TimeoutError(), OSError("x"), ValueError("x"), KeyError("x"),
            RecursionError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "x"), AssertionError(),
            MemoryError(),
            RuntimeError("x"), StopAsyncIteration(), ExceptionGroup("x", [ValueError()]),
        )
    },
}  # fmt: skip


@pytest.mark.parametrize("where", ["metadata", "keys"])
@pytest.mark.parametrize("name", _ANSWERS)
def test_whatever_the_issuer_answers_it_is_503(
    issuer: LocalIssuer, clock: Clock, where: str, name: str
) -> None:
    """Any failure of a fetch is one error, ours and not the caller's; and it passes by itself."""

    async def fetch(url: str) -> Document:
        is_jwks = url.endswith("jwks.json")
        return await (_ANSWERS[name] if is_jwks == (where == "keys") else issuer.fetch)(url)

    api = Api(issuer, clock, fetch=fetch)
    told = refusal(api.app, bearer(issuer.token()))
    assert (told.status, told.retry_after) == (503, 1)
    api.fetch = issuer.fetch
    clock.now += 1
    assert api.status(issuer.token()) == 200


@pytest.mark.parametrize("fault", ["down", "garbage", "empty", "huge", "redirect"])
@pytest.mark.parametrize("on", [["jwks"], ["metadata", "jwks"]])
def test_every_fault_of_the_issuer_is_503(
    api: Api, issuer: LocalIssuer, fault: str, on: list[Any]
) -> None:
    """While it lasts, and never 401: the token may be good."""
    issuer.faults.set_from({"on": on, fault: True})
    assert api.status(issuer.token()) == 503


def test_metadata_that_lies_is_not_believed(api: Api, issuer: LocalIssuer, clock: Clock) -> None:
    """`issuer` in it must be the configured one, exactly, and the keys' address a decent one."""
    issuer.faults.set(lying=True, on=["metadata"])
    assert api.status(issuer.token()) == 503
    assert issuer.requests[JWKS] == 0
    for changes in (
        {"issuer": issuer.issuer[:-1]}, {"issuer": issuer.issuer.upper()}, {"issuer": None},
        {"jwks_uri": 5},
        {"jwks_uri": "http://evil.example/jwks.json"}, {"jwks_uri": "file:///etc/passwd"},
        {"jwks_uri": "https://user:pass@issuer.test/jwks.json"}, {"jwks_uri": ""},
        {"jwks_uri": "jwks.json"},
        {"jwks_uri": "//evil.example/jwks.json"}, {"jwks_uri": "gopher://issuer.test/"},
    ):  # fmt: skip
        lying = Api(
            issuer, clock, fetch=_answering(json.dumps({**issuer.metadata(), **changes}).encode())
        )
        assert lying.status(issuer.token()) == 503, changes
        assert all("well-known" in url for url in lying.asked), changes
    issuer.faults.clear()
    clock.now += 1
    assert api.status(issuer.token()) == 200


def test_a_hanging_issuer_is_given_up(issuer: LocalIssuer, clock: Clock) -> None:
    """Metadata and keys together have one deadline; nobody waits longer."""
    api = Api(issuer, clock, policy=KeyPolicy(timeout=0.05))
    issuer.faults.set(hang=True, on=["jwks"])
    assert api.status(issuer.token()) == 503
    issuer.faults.clear()
    clock.now += 1
    assert api.status(issuer.token()) == 200


def test_a_hanging_issuer_delays_no_known_key(issuer: LocalIssuer, clock: Clock) -> None:
    """The refresh goes on behind; who is waiting for an unknown kid waits alone."""
    api = Api(issuer, clock, policy=KeyPolicy(timeout=5))
    good = issuer.token()
    assert api.status(good) == 200
    issuer.faults.set(hang=True, on=["jwks"])
    clock.now += 599

    async def meanwhile() -> list[int]:
        waiting = asyncio.create_task(asking(api.app, bearer(issuer.broken(Reason.UNKNOWN_KEY))))
        await asyncio.sleep(0)
        served = [await asking(api.app, bearer(token)) for token in (good, issuer.token(), good)]
        assert not waiting.done()
        waiting.cancel()
        return [answer.status for answer in served]

    try:
        assert asyncio.run(meanwhile()) == [200, 200, 200]
    finally:
        issuer.faults.clear()
        settled()


def test_a_cold_start_under_load_is_one_fetch(api: Api, issuer: LocalIssuer) -> None:
    """Of 200 requests at once the first one fetches, and all are served."""

    async def herd() -> list[int]:
        tokens = [issuer.token(subject=f"user {n}") for n in range(200)]
        answers = await asyncio.gather(*(asking(api.app, bearer(token)) for token in tokens))
        return [answer.status for answer in answers]

    assert asyncio.run(herd()) == [200] * 200
    assert issuer.requests == {METADATA: 1, JWKS: 1}


def test_a_caller_that_leaves_takes_nothing_along(api: Api, issuer: LocalIssuer) -> None:
    """The first of several waiting callers is cancelled; the others get their answer."""
    gate = threading.Event()

    async def fetch(url: str) -> Document:
        await asyncio.to_thread(gate.wait, 5)
        return await issuer.fetch(url)

    api.fetch = fetch

    async def some_leave() -> list[int]:
        tasks = [asyncio.create_task(asking(api.app, bearer(issuer.token()))) for _ in range(5)]
        await asyncio.sleep(0)
        tasks[0].cancel()
        tasks[3].cancel()
        gate.set()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(end, asyncio.CancelledError) for end in ended] == [
            True, False, False, True, False,
        ]  # fmt: skip
        return [end.status for end in ended if not isinstance(end, BaseException)]

    assert asyncio.run(some_leave()) == [200, 200, 200]
    assert issuer.requests == {METADATA: 1, JWKS: 1}


def test_over_http_no_redirect_is_followed_and_no_giant_is_read(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With our own fetcher, over a socket: both are 503, and the honest answer is 200."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")

    async def visits() -> list[int]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            base = f"http://127.0.0.1:{listener.getsockname()[1]}/"
            issuer = LocalIssuer(issuer=base, algorithm="ES256", audience=API, clock=clock)
            server = ResourceServer(audience=API, issuers=[TrustedIssuer(base)], clock=clock)
            app = AccessTokenMiddleware(reached, resource_server=server)
            statuses = []
            async with serving(issuer.app, listener, lifespan="off"):
                for faults in ({"redirect": True}, {"huge": True}, {}):
                    issuer.faults.set_from({"on": ["jwks"], **faults})
                    statuses.append((await asking(app, bearer(issuer.token()))).status)
                    clock.now += 30
            return statuses

    assert asyncio.run(visits()) == [503, 503, 200]


# --- What is remembered ---------------------------------------------------------------------------


def _remembered(events: list[Event]) -> list[bool]:
    return [event.remembered for event in events if isinstance(event, TokenAccepted)]


def test_a_token_that_differs_in_its_last_byte_is_another_token(
    server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Nothing short of the whole token makes it the one that was verified."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    token = issuer.token()
    assert ask(app, bearer(token)).status == 200
    message, _, encoded = token.rpartition(".")
    signature = bytearray(base64.urlsafe_b64decode(encoded + "=="))
    for index in (0, 31, 32, 63):
        other = bytearray(signature)
        other[index] ^= 1
        written = base64.urlsafe_b64encode(other).rstrip(b"=").decode()
        assert refusal(app, bearer(f"{message}.{written}")).status == 401
    assert refusal(app, bearer(token[:-1])).status == 401
    assert refusal(app, bearer(f"{token}=")).status == 401
    assert ask(app, bearer(token)).status == 200


def test_a_token_that_expires_in_the_cache_is_refused(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock, events: list[Event]
) -> None:
    """At the same moment, and for the same reason, as one that was never seen."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    seen, unseen = issuer.token(lifetime=60), issuer.token(lifetime=60, subject="other")
    assert ask(app, bearer(seen)).status == 200
    clock.now = NOW + 69.999
    assert ask(app, bearer(seen)).status == 200
    clock.now = NOW + 70
    assert refusal(app, bearer(seen)) == refusal(app, bearer(unseen))
    assert _remembered(events) == [False, True]


def test_a_token_that_expires_while_keys_are_fetched_is_refused(
    issuer: LocalIssuer, clock: Clock
) -> None:
    """The clock is read again after the wait."""

    async def slowly(url: str) -> Document:
        clock.now += 100
        return await issuer.fetch(url)

    told = refusal(Api(issuer, clock, fetch=slowly).app, bearer(issuer.token(lifetime=60)))
    assert told.sentence == "The access token expired."


def test_a_clock_that_is_set_back_brings_no_token_back_too_early(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> None:
    """A remembered token is judged anew before the moment when it was verified."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    token = issuer.token(claims={"nbf": NOW})
    assert ask(app, bearer(token)).status == 200
    clock.now = NOW - 60
    assert refusal(app, bearer(token)).sentence == "The access token is not valid yet."


def test_policies_are_asked_on_every_request(server: ResourceServer, issuer: LocalIssuer) -> None:
    """What is remembered is that the token holds, never what it may do."""
    token = bearer(issuer.token(scopes=["read"]))
    read, write = (
        AccessTokenMiddleware(RequiresMiddleware(reached, scopes=[name]), resource_server=server)
        for name in ("read", "write")
    )
    assert [ask(app, token).status for app in (read, write, read, write)] == [200, 403, 200, 403]


def test_a_remembered_token_dies_with_its_key(
    issuer: LocalIssuer, clock: Clock, events: list[Event]
) -> None:
    """When the key has left the set, what it signed is unknown, remembered or not."""
    api = Api(issuer, clock, observers=[events.append])
    old = issuer.token()
    assert [api.status(old) for _ in range(2)] == [200, 200]
    issuer.rotate_keys()
    new = issuer.token()
    issuer.withdraw()
    clock.now += 599
    assert api.status(new) == 200  # serves, and fetches behind
    settled()
    assert api.status(old) == 401
    assert api.status(new) == 200
    assert _remembered(events) == [False, True, False, True]


def test_a_refusal_is_not_remembered(
    server: ResourceServer, issuer: LocalIssuer, clock: Clock
) -> None:
    """What was refused a moment ago is judged again."""
    app = AccessTokenMiddleware(reached, resource_server=server)
    token = issuer.token(claims={"nbf": NOW + 60})
    assert refusal(app, bearer(token)).status == 401
    clock.now += 60
    assert ask(app, bearer(token)).status == 200


def test_nothing_is_shared_between_resource_servers(issuer: LocalIssuer, clock: Clock) -> None:
    """A token that one remembers is new to every other, and refused where it is another API's."""
    heard: list[Event] = []
    trusted = trusting(issuer)
    servers = [
        ResourceServer(audience=audience, issuers=[trusted], clock=clock, observers=[heard.append])
        for audience in (API, API, "urn:other")
    ]
    apps = [AccessTokenMiddleware(reached, resource_server=server) for server in servers]
    statuses = [ask(app, bearer(issuer.token())).status for app in apps]
    token = bearer(issuer.token())
    assert [ask(app, token).status for app in apps] == statuses == [200, 200, 401]
    assert _remembered(heard) == [False] * 4


@pytest.mark.parametrize(("size", "expected"), [(0, 0), (1, 1), (2, 2), (5, 3)])
def test_the_cache_is_bounded(
    issuer: LocalIssuer, clock: Clock, events: list[Event], size: int, expected: int
) -> None:
    """At most so many tokens are remembered; the one that was not used for longest goes."""
    server = ResourceServer(
        audience=API, issuers=[trusting(issuer)], clock=clock, token_cache_size=size,
        observers=[events.append],
    )  # fmt: skip
    app = AccessTokenMiddleware(reached, resource_server=server)
    tokens = [bearer(issuer.token(subject=f"user {n}")) for n in range(3)]
    for token in (*tokens, *reversed(tokens)):
        assert ask(app, token).status == 200
    assert sum(_remembered(events)) == expected


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_fetch_that_is_cancelled_from_within_is_a_failed_fetch(issuer: LocalIssuer) -> None:
    """A fetcher of the user's own may raise `CancelledError`; nobody spins until its deadline."""
    looked = 0

    class CountingClock(Clock):
        def __call__(self) -> float:
            nonlocal looked
            looked += 1
            return self.now

    api = Api(
        issuer,
        CountingClock(),
        policy=KeyPolicy(timeout=0.05),
        fetch=_raising(asyncio.CancelledError()),
    )
    assert [api.status(issuer.token()) for _ in range(2)] == [503, 503]
    assert looked < 20
