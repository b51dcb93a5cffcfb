"""The conductor: its configuration, its health, and what it answers from every side it is asked."""

import asyncio
import math
from typing import Any

import pytest

from atjwt import (
    AUTH0,
    RFC9068,
    AuthError,
    ConfigurationError,
    InsufficientScope,
    KeyPolicy,
    KeysUnavailable,
    Reason,
    ResourceServer,
    TrustedIssuer,
    has_scope,
)
from atjwt.errors import InvalidRequest, MissingToken
from atjwt.events import KeysRefreshed
from atjwt.testing import LocalIssuer
from shell.wire import (
    JWKS,
    LONG,
    METADATA,
    NOW,
    Clock,
    Recorder,
    WireIssuer,
    at_once,
    hold,
    reason,
    reason_of,
    served,
    trusting,
)

AUDIENCE = "https://api.example.com/"


def _made(**changes: Any) -> ResourceServer:
    settings = {"audience": AUDIENCE, "issuers": [TrustedIssuer("https://a.example/")], **changes}
    return ResourceServer(**settings)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"audience": ""}, "audience"), ({"audience": []}, "audience"),
        ({"audience": ["a", ""]}, "audience"), ({"audience": 5}, "audience"),
        ({"audience": "https://a.example/userinfo"}, "/userinfo"),
        ({"issuers": []}, "issuers"), ({"issuers": "https://a.example/"}, "issuers"),
        ({"issuers": TrustedIssuer("https://a.example/")}, "issuers"),
        ({"issuers": ["https://a.example/"]}, "issuers"),
        ({"issuers": [TrustedIssuer("https://a.example/")] * 2}, "twice"),
        ({"leeway": -1}, "leeway"), ({"leeway": 301}, "leeway"), ({"leeway": "1"}, "leeway"),
        ({"leeway": True}, "leeway"), ({"leeway": math.nan}, "leeway"),
        ({"token_cache_size": -1}, "token_cache_size"),
        ({"token_cache_size": None}, "token_cache_size"),
        ({"token_cache_size": math.inf}, "token_cache_size"),
        ({"max_token_size": 0}, "max_token_size"), ({"observers": [print, 1]}, "observers"),
    ],
)  # fmt: skip
def test_a_wrong_configuration(changes: dict[str, Any], problem: str) -> None:
    """It is refused when it is made, with the name of what is wrong."""
    with pytest.raises(ConfigurationError, match=problem) as refusal:
        _made(**changes)
    assert len(refusal.value.problems) == 1
    assert refusal.value.problems[0].startswith("ResourceServer: ")


def test_every_problem_at_once() -> None:
    """Three mistakes are three sentences in one error."""
    with pytest.raises(ConfigurationError) as refusal:
        _made(audience="", leeway=999, observers=[1])
    assert len(refusal.value.problems) == 3


def test_the_defaults() -> None:
    """As they are documented; making one fetches nothing."""
    server = _made()
    assert (server.leeway, server.token_cache_size, server.max_token_size) == (10, 10_000, 16_384)
    assert (server.audience, server.realm, server.observers) == ((AUDIENCE,), AUDIENCE, ())
    assert not server.health().ready
    with pytest.raises(AttributeError):
        server.leeway = 5  # type: ignore[misc]


ENVIRONMENT = {"AUTH0_DOMAIN": "acme.eu.auth0.com", "AUTH0_AUDIENCE": AUDIENCE}


@pytest.mark.parametrize(
    ("profiles", "accepted"),
    [
        (None, {AUTH0, RFC9068}), ("auth0", {AUTH0}), ("rfc9068", {RFC9068}),
        ("auth0,rfc9068", {AUTH0, RFC9068}), (" rfc9068 , auth0 ,", {AUTH0, RFC9068}),
    ],
)  # fmt: skip
def test_from_env(profiles: str | None, accepted: set[Any]) -> None:
    """The tenant, the API and the accepted profiles; narrowing is a rollout of configuration."""
    environ = ENVIRONMENT if profiles is None else {**ENVIRONMENT, "ATJWT_PROFILES": profiles}
    server = ResourceServer.from_env(environ, leeway=3, realm="r")
    (issuer,) = server.issuers
    assert issuer.issuer == "https://acme.eu.auth0.com/"
    assert issuer.profiles == accepted
    assert (server.audience, server.leeway, server.realm) == ((AUDIENCE,), 3, "r")


def test_from_env_reads_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default the environment of the process, as it is when it is read; several names of one API."""
    for name, value in {**ENVIRONMENT, "AUTH0_AUDIENCE": f"{AUDIENCE}, urn:x"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ATJWT_PROFILES", raising=False)
    assert ResourceServer.from_env().audience == (AUDIENCE, "urn:x")


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"AUTH0_DOMAIN": ""}, "AUTH0_DOMAIN"), ({"AUTH0_AUDIENCE": " "}, "AUTH0_AUDIENCE"),
        ({"ATJWT_PROFILES": "okta"}, "ATJWT_PROFILES"), ({"ATJWT_PROFILES": ""}, "ATJWT_PROFILES"),
        ({"ATJWT_PROFILES": "auth0,9068"}, "ATJWT_PROFILES"),
        ({"AUTH0_DOMAIN": "acme.eu.auth0.com/x"}, "domain"),
        ({"AUTH0_DOMAIN": "http://acme.eu.auth0.com"}, "AUTH0_DOMAIN"),
    ],
)  # fmt: skip
def test_a_wrong_environment(changes: dict[str, str], named: str) -> None:
    """The error names the variable."""
    with pytest.raises(ConfigurationError, match=named):
        ResourceServer.from_env({**ENVIRONMENT, **changes})


def test_an_empty_environment() -> None:
    """Both missing variables at once."""
    with pytest.raises(ConfigurationError) as refusal:
        ResourceServer.from_env({})
    assert len(refusal.value.problems) == 2


# --- health and warming up -----------------------------------------------------------------------


def test_health(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """None, fresh, stale, none again: ready as long as tokens can be judged, outage or not."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    states = []

    def look() -> None:
        health = server.health()
        (one,) = health.issuers
        assert one.issuer == issuer.issuer
        assert health.ready == one.ready == (one.state != "none")
        states.append((one.state, one.keys, one.failures))

    look()  # which starts what a request would have started
    seen.wait(KeysRefreshed)
    look()
    issuer.faults.set(down=True)
    clock.now = NOW + 600
    look()
    assert reason_of(server, issuer.broken(Reason.UNKNOWN_KEY)) is Reason.KEYS_UNAVAILABLE
    look()
    clock.now = NOW + 4200
    look()
    assert states == [
        ("none", 0, 0), ("fresh", 2, 0), ("stale", 2, 0), ("stale", 2, 1), ("none", 0, 1),
    ]  # fmt: skip


def test_health_of_several_issuers(clock: Clock) -> None:
    """Ready only when every one of them is, and each is told apart."""
    issuers = [
        LocalIssuer(issuer=f"https://{name}.test/", algorithm="ES256", clock=clock)
        for name in ("one", "two")
    ]

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        return await issuers["two" in url].fetch(url)

    server = ResourceServer(
        audience=AUDIENCE, clock=clock, fetch=fetch,
        issuers=[TrustedIssuer(issuer.issuer) for issuer in issuers],
    )  # fmt: skip
    assert reason_of(server, issuers[0].token()) is None
    assert [each.ready for each in server.health().issuers] == [True, False]
    assert not server.health().ready
    assert reason_of(server, issuers[1].token()) is None
    assert server.health().ready


def test_a_server_without_traffic_becomes_ready(issuer: LocalIssuer, clock: Clock) -> None:
    """Who is kept out of traffic for not being ready must be able to become ready."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    issuer.faults.set(down=True)
    assert not asyncio.run(server.warm_up()).ready
    issuer.faults.clear()
    for _ in range(50):
        clock.advance(5)
        server.health()
        asyncio.run(asyncio.sleep(0.01))
    assert server.health().ready


def test_warming_up(wire: WireIssuer, clock: Clock) -> None:
    """The keys are in hand before the first request; a second time fetches nothing."""
    server = trusting(wire.issuer, clock)

    async def start() -> None:
        healths = await asyncio.gather(*(server.warm_up(LONG) for _ in range(5)))
        assert all(health.ready for health in healths)

    asyncio.run(start())
    assert served(server, wire.issuer.token())
    assert asyncio.run(server.warm_up()).issuers[0].state == "fresh"
    assert wire.fetches == (1, 1)


def test_warming_up_joins_the_flight(wire: WireIssuer, clock: Clock) -> None:
    """A request that came first has started it already."""
    server = trusting(wire.issuer, clock)

    async def both() -> tuple[Reason | None, bool]:
        asked = asyncio.create_task(reason(server, wire.issuer.token()))
        warmed = await server.warm_up(LONG)
        return await asked, warmed.ready

    assert asyncio.run(both()) == (None, True)
    assert wire.fetches == (1, 1)


@pytest.mark.parametrize("timeout", [0, -1, 0.05])
def test_warming_up_is_bounded(wire: WireIssuer, clock: Clock, timeout: float) -> None:
    """It leaves after its own time, never raises, and the flight goes on behind."""
    wire.routes[METADATA] = hold
    server = trusting(wire.issuer, clock)
    assert not asyncio.run(server.warm_up(timeout)).ready
    assert wire.held.wait(LONG)
    wire.let_go.set()


def test_warming_up_while_the_issuer_is_down(issuer: LocalIssuer, clock: Clock) -> None:
    """It never raises and does not insist: within the back-off nothing is fetched."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    issuer.faults.set(down=True)
    for _ in range(3):
        health = asyncio.run(server.warm_up())
        assert (health.ready, health.issuers[0].failures) == (False, 1)
    assert issuer.requests[METADATA] == 1
    clock.advance(1)
    issuer.faults.clear()
    assert asyncio.run(server.warm_up()).ready


def test_warming_up_and_a_caller_that_gives_up(wire: WireIssuer, clock: Clock) -> None:
    """The caller's own cancellation is the caller's; the next one is warm."""
    wire.routes[METADATA] = hold
    server = trusting(wire.issuer, clock)

    async def give_up() -> None:
        warming = asyncio.create_task(server.warm_up(LONG))
        await asyncio.to_thread(wire.held.wait, LONG)
        warming.cancel()
        with pytest.raises(asyncio.CancelledError):
            await warming

    asyncio.run(give_up())
    wire.let_go.set()


def test_on_trio(wire: WireIssuer, clock: Clock) -> None:
    """An app on Trio is served as well."""
    trio = pytest.importorskip("trio", reason="Trio is not installed")
    server = trusting(wire.issuer, clock)
    assert trio.run(server.warm_up).ready
    assert trio.run(reason, server, wire.issuer.token()) is None
    other = trusting(wire.issuer, clock)

    async def burst() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(other.verify, wire.issuer.token())

    trio.run(burst)
    assert wire.fetches == (2, 2)


# --- the ways in -----------------------------------------------------------------------------------


def test_every_way_in_gives_the_same(issuer: LocalIssuer, clock: Clock) -> None:
    """Text or bytes, sync or async, with or without headers."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.token()
    first = server.verify_sync(token)
    assert server.verify_sync(token.encode()) == first
    assert asyncio.run(server.verify(token)) == first
    headers = [(b"host", b"x"), (b"authorization", b"Bearer " + token.encode())]
    assert asyncio.run(server.authenticate(headers, method="GET", url="/x")) == first
    assert at_once(server.authenticate([(b"host", b"x")])) is None


@pytest.mark.parametrize(
    "token", ["", " ", "\u00e9", "\ud800", "a b", "a\nb", "a,b", "=", "Bearer x"]
)
def test_what_is_no_token_at_all(issuer: LocalIssuer, clock: Clock, token: str) -> None:
    """Refused before anything else, and nothing is fetched for it."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    with pytest.raises(InvalidRequest):
        server.verify_sync(token)
    with pytest.raises(InvalidRequest):
        asyncio.run(server.verify(token))
    assert issuer.requests.total() == 0


@pytest.mark.parametrize(
    "reason_expected",
    [Reason.OPAQUE_TOKEN, Reason.UNKNOWN_ISSUER, Reason.WRONG_TYPE, Reason.ALGORITHM_NOT_ALLOWED,
     Reason.TOKEN_TOO_LARGE, Reason.INVALID_JSON],
)  # fmt: skip
def test_what_is_refused_without_a_key(
    issuer: LocalIssuer, clock: Clock, reason_expected: Reason
) -> None:
    """A stranger's token makes us fetch nothing from nobody."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    assert reason_of(server, issuer.broken(reason_expected)) is reason_expected
    assert issuer.requests.total() == 0


def test_a_refusal_knows_issuer_and_profile(issuer: LocalIssuer, clock: Clock) -> None:
    """As far as the judgement came."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    for broken, known in [
        (Reason.UNKNOWN_ISSUER, (None, None)),
        (Reason.UNKNOWN_KEY, (issuer.issuer, "rfc9068")),
        (Reason.EXPIRED, (issuer.issuer, "rfc9068")),
    ]:
        with pytest.raises(AuthError) as refusal:
            server.verify_sync(issuer.broken(broken))
        assert (refusal.value.issuer, refusal.value.profile) == known
        assert refusal.value.__cause__ is None
        assert refusal.value.__suppress_context__ or refusal.value.__context__ is None


def test_keys_unavailable_is_challenged_with_retry_after(issuer: LocalIssuer, clock: Clock) -> None:
    """503 and the seconds to the next attempt, rounded up, at least one."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    issuer.faults.set(down=True, status=429, retry_after=77)
    with pytest.raises(KeysUnavailable) as refusal:
        server.verify_sync(issuer.token())
    status, headers, _ = server.challenge(refusal.value)
    assert status == 503
    assert dict(headers)[b"retry-after"] == b"77"
    clock.advance(76.9)
    with pytest.raises(KeysUnavailable) as refusal:
        server.verify_sync(issuer.token())
    assert dict(server.challenge(refusal.value)[1])[b"retry-after"] == b"1"


def test_authorize(issuer: LocalIssuer, clock: Clock) -> None:
    """The principal, or what was missing; nobody is no principal."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    who = server.verify_sync(issuer.token(scopes=["read:items"]))
    assert server.authorize(who, has_scope("read:items")) is who
    assert server.authorize(who, None) is who
    with pytest.raises(InsufficientScope) as refusal:
        server.authorize(who, has_scope("write:items"))
    assert refusal.value.scopes == {"write:items"}
    with pytest.raises(MissingToken):
        server.authorize(None, None)


def test_an_error_in_the_clock_is_not_hidden(issuer: LocalIssuer) -> None:
    """A foreign exception propagates: fail closed, no catch-all."""

    def clock() -> float:
        raise ZeroDivisionError

    server = trusting(issuer, clock, fetch=issuer.fetch)
    with pytest.raises(ZeroDivisionError):
        server.verify_sync(issuer.token())


def test_the_clock_is_read_again_after_a_wait(wire: WireIssuer, clock: Clock) -> None:
    """A token that expires while the keys are fetched is expired."""
    from shell.wire import Exchange, document

    def late(exchange: Exchange) -> None:
        clock.advance(200)
        document(wire.issuer.jwks())(exchange)

    wire.routes[JWKS] = late
    server = trusting(wire.issuer, clock)
    assert reason_of(server, wire.issuer.token(lifetime=100)) is Reason.EXPIRED


def test_several_audiences_are_one_api(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """Each of its names is as good as the other, and the keys are had once."""
    server = ResourceServer(
        audience=["urn:one", "urn:two"], clock=clock, fetch=issuer.fetch, observers=[seen],
        issuers=[TrustedIssuer(issuer.issuer, key_policy=KeyPolicy(timeout=30))],
    )  # fmt: skip
    for audience, outcome in [
        ("urn:one", None), ("urn:two", None), (["x", "urn:two"], None),
        ("urn:three", Reason.WRONG_AUDIENCE), ([], Reason.INVALID_CLAIM),
    ]:  # fmt: skip
        assert reason_of(server, issuer.token(audience=audience)) is outcome
    seen.wait(KeysRefreshed)
    assert len(seen.of(KeysRefreshed)) == 1
