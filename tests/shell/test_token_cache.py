"""Tokens that were verified before: believed again as long as all of it still holds, no longer."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from itertools import pairwise
from typing import Any

import pytest

from atjwt import AuthError, InvalidToken, KeyPolicy, Reason, ResourceServer, TrustedIssuer
from atjwt.core.jwk import VerificationKey
from atjwt.events import KeysFailed, KeysRefreshed, TokenAccepted
from atjwt.issuer.keys import SigningKey
from atjwt.testing import LocalIssuer
from shell.wire import JWKS, LONG, NOW, Clock, Recorder, at_once, reason_of, served, trusting

Verified = list[str]


@pytest.fixture
def verified(monkeypatch: pytest.MonkeyPatch) -> Verified:
    """The algorithm of every signature that is verified from now on."""
    signatures: Verified = []
    verify = VerificationKey.verify

    def noting(key: VerificationKey, algorithm: str, signed: bytes, signature: bytes) -> bool:
        signatures.append(algorithm)
        return verify(key, algorithm, signed, signature)

    monkeypatch.setattr(VerificationKey, "verify", noting)
    return signatures


def test_a_hit_is_the_same_principal(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """The very same object, without a second verification, and the event says that it is one."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    first = server.verify_sync(token)
    assert server.verify_sync(token) is first
    assert at_once(server.verify(token.encode())) is first
    headers = [(b"authorization", b"bearer   " + token.encode())]
    assert at_once(server.authenticate(headers)) is first
    assert len(verified) == 1
    accepted = seen.of(TokenAccepted)
    assert [event.remembered for event in accepted] == [False, True, True, True]
    mark = sha256(token.encode()).hexdigest()[:16]
    assert {(event.fingerprint, event.principal) for event in accepted} == {(mark, first)}


@pytest.mark.parametrize("leeway", [0, 10, 300])
def test_a_hit_past_exp_is_expired(
    issuer: LocalIssuer, clock: Clock, verified: Verified, leeway: float
) -> None:
    """To the same second as a token that was never seen, and for the same reason."""
    token = issuer.token(lifetime=100)
    clock.now = NOW + 1  # exp counts from NOW
    cached = trusting(issuer, clock, fetch=issuer.fetch, leeway=leeway)
    uncached = trusting(issuer, clock, fetch=issuer.fetch, leeway=leeway, token_cache_size=0)
    for moment, outcome in [
        (1, None), (100 + leeway - 0.5, None), (100 + leeway, Reason.EXPIRED),
        (101 + leeway, Reason.EXPIRED), (99, None),
    ]:  # fmt: skip
        clock.now = NOW + moment
        assert (reason_of(cached, token), reason_of(uncached, token)) == (outcome, outcome)
        assert (outcome is None) == (moment < 100 + leeway)
        if moment == 100 + leeway - 0.5:
            assert len(verified) == 3  # a hit for as long as it holds


def test_a_fraction_of_a_second_in_exp(issuer: LocalIssuer, clock: Clock) -> None:
    """Times are numbers, not whole ones."""
    server = trusting(issuer, clock, fetch=issuer.fetch, leeway=0)
    token = issuer.token(claims={"exp": NOW + 0.5})
    outcomes = []
    for moment in (0.0, 0.49, 0.5):
        clock.now = NOW + moment
        outcomes.append(reason_of(server, token))
    assert outcomes == [None, None, Reason.EXPIRED]


def test_a_clock_that_is_set_back(issuer: LocalIssuer, clock: Clock, verified: Verified) -> None:
    """A hit from the future takes the full path: a token can become not yet valid."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.token(claims={"nbf": NOW})
    assert reason_of(server, token) is None
    clock.now = NOW - 9
    assert reason_of(server, token) is None
    assert len(verified) == 2
    clock.now = NOW - 11
    assert reason_of(server, token) is Reason.NOT_YET_VALID
    clock.now = NOW
    assert reason_of(server, token) is None


def test_an_unchanged_key_keeps_its_hits(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """A refresh that brings the same key costs no second verification, however often it comes."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    for refreshes in range(2, 6):
        clock.advance(590)
        issuer.rotate_keys()  # other keys come and go
        assert served(server, token)
        seen.wait(KeysRefreshed, refreshes)
        assert served(server, token)
    assert len(verified) == 1


def test_an_unchanged_key_beside_another_of_its_kid_keeps_its_hits(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """Keys of different types may share a kid (RFC 7517 section 4.5)."""
    keys = issuer.jwks()["keys"]
    rsa = SigningKey.generate("RS256", kid=keys[0]["kid"]).jwk()

    async def fetch(url: str) -> tuple[int, dict[str, str], bytes]:
        import json

        return 200, {}, json.dumps({"keys": [*keys, rsa]}).encode()

    server = trusting(issuer, clock, fetch=fetch, jwks_uri=issuer.jwks_uri, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    clock.advance(590)
    assert served(server, token)
    seen.wait(KeysRefreshed, 2)
    assert served(server, token)
    assert len(verified) == 1


def test_a_withdrawn_key_voids_its_hits(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """From the refresh on that does not bring it; and a hit is what starts that refresh."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    old = issuer.token()
    issuer.rotate_keys()
    new = issuer.token()
    assert (reason_of(server, old), reason_of(server, new)) == (None, None)
    issuer.withdraw()
    clock.advance(590)
    assert served(server, old)
    seen.wait(KeysRefreshed, 2)
    assert reason_of(server, old) is Reason.UNKNOWN_KEY
    assert served(server, new)
    assert len(verified) == 2


def test_a_key_that_left_and_came_back_is_another(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """A key that was out of the set vouches for nothing that was remembered by it before."""
    withheld: list[dict[str, str]] = []
    server = trusting(
        issuer, clock, fetch=_without(issuer.fetch, withheld), jwks_uri=issuer.jwks_uri,
        observers=[seen],
    )  # fmt: skip
    token = issuer.token()
    assert reason_of(server, token) is None
    withheld.extend(issuer.jwks()["keys"][:1])
    clock.advance(590)
    assert served(server, token)
    seen.wait(KeysRefreshed, 2)
    assert reason_of(server, token) is Reason.UNKNOWN_KEY
    withheld.clear()
    clock.advance(30)
    assert reason_of(server, token) is None
    assert served(server, token)
    assert len(verified) == 2


def test_a_failed_refresh_costs_no_hit(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """An empty set is a failure and no withdrawal."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    issuer.faults.set(empty=True)
    clock.advance(590)
    assert served(server, token)
    seen.wait(KeysFailed)
    assert served(server, token)
    assert len(verified) == 1


def test_past_the_stale_limit_nothing_is_remembered(
    issuer: LocalIssuer, clock: Clock, seen: Recorder, verified: Verified
) -> None:
    """503 like any other; once keys are back, what was remembered is good again if its key is."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    assert reason_of(server, token) is None
    issuer.faults.set(down=True)
    clock.advance(4200)
    assert reason_of(server, token) is Reason.KEYS_UNAVAILABLE
    issuer.faults.clear()
    clock.advance(30)
    assert reason_of(server, token) is None
    assert reason_of(server, token) is None
    assert len(verified) <= 2


@pytest.mark.parametrize(
    "reason",
    [Reason.EXPIRED, Reason.NOT_YET_VALID, Reason.INVALID_SIGNATURE, Reason.WRONG_AUDIENCE,
     Reason.MISSING_CLAIM, Reason.BOUND_TOKEN],
)  # fmt: skip
def test_refusals_are_not_remembered(
    issuer: LocalIssuer, clock: Clock, verified: Verified, reason: Reason
) -> None:
    """A refused token is judged anew each time, and takes no place."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    token = issuer.broken(reason)
    for count in range(1, 4):
        assert reason_of(server, token) is reason
        assert len(verified) == count
    assert len(server._remembered) == 0


def test_a_refused_token_may_become_good(issuer: LocalIssuer, clock: Clock) -> None:
    """Not yet valid, and then valid; unknown key, and then published."""
    server = trusting(issuer, clock, fetch=issuer.fetch)
    early = issuer.token(claims={"nbf": NOW + 60})
    assert reason_of(server, early) is Reason.NOT_YET_VALID
    clock.advance(60)
    assert reason_of(server, early) is None
    published = issuer.fetch
    issuer.rotate_keys()
    withheld = issuer.jwks()["keys"][:1]
    later = ResourceServer(
        audience=issuer.audience, clock=clock,
        issuers=[TrustedIssuer(issuer.issuer, jwks_uri=issuer.jwks_uri)],
        fetch=_without(published, withheld),
    )  # fmt: skip
    token = issuer.token()
    assert reason_of(later, token) is Reason.UNKNOWN_KEY
    withheld.clear()
    clock.advance(30)
    assert reason_of(later, token) is None


def _without(fetch: Any, withheld: list[dict[str, str]]) -> Any:
    import json

    async def fetch_some(url: str) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = await fetch(url)
        keys = [key for key in json.loads(body)["keys"] if key not in withheld]
        return status, headers, json.dumps({"keys": keys}).encode()

    return fetch_some


@pytest.mark.parametrize("size", [0, 1, 5])
def test_its_size_is_bounded(
    issuer: LocalIssuer, clock: Clock, verified: Verified, size: int
) -> None:
    """The least recently used go first; with size 0 every token is verified each time."""
    server = trusting(issuer, clock, fetch=issuer.fetch, token_cache_size=size)
    tokens = [issuer.token() for _ in range(10)]
    for token in tokens:
        assert reason_of(server, token) is None
        assert len(server._remembered) <= size
    assert len(server._remembered) == size
    before = len(verified)
    for token in reversed(tokens[-size:] if size else []):
        assert reason_of(server, token) is None
    assert len(verified) == before
    assert reason_of(server, tokens[0]) is None
    assert len(verified) == before + 1


def test_half_a_token_is_no_size(issuer: LocalIssuer, clock: Clock) -> None:
    """A size is a whole number of tokens."""
    with pytest.raises(ValueError, match="token_cache_size"):
        trusting(issuer, clock, fetch=issuer.fetch, token_cache_size=0.5)


def test_two_resource_servers_share_nothing(
    issuer: LocalIssuer, clock: Clock, verified: Verified
) -> None:
    """Neither keys nor tokens; what one API accepts, another judges for itself."""
    one = trusting(issuer, clock, fetch=issuer.fetch)
    twin = trusting(issuer, clock, fetch=issuer.fetch)
    other = ResourceServer(
        audience="https://other.example.com/", issuers=one.issuers, clock=clock, fetch=issuer.fetch
    )
    token = issuer.token(audience=issuer.audience)
    assert reason_of(one, token) is None
    assert reason_of(twin, token) is None
    assert [reason_of(other, token) for _ in range(2)] == [Reason.WRONG_AUDIENCE] * 2
    assert len(verified) == 4
    assert issuer.requests[JWKS] == 3


def test_only_the_very_same_bytes_hit(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """No prefix, suffix, padding, case, bit or blank of a remembered token is remembered."""
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen])
    token = issuer.token()
    signed, _, signature = token.rpartition(".")
    assert reason_of(server, token) is None
    variants = {
        *(token[:length] for length in range(0, len(token), 7)), token[:-1], token[1:],
        *(token + tail for tail in ("=", "==", ".", "A", " ", "\n", "\0", "\u00e9", "~", token)),
        *(start + token for start in (" ", "\t", "Bearer ", "A", ".", "\ufeff")),
        token.swapcase(), token.upper(), token.lower(), token.replace("-", "+").replace("_", "/"),
        *(signed + "." + signature[:at] + "A" + signature[at + 1 :] for at in (0, 9, 40, 85)),
        signed + ".", signed + "." + signature[::-1], token.replace(".", "..", 1),
        *(left + right for left, right in pairwise([token, signed, signature])),
    } - {token}  # fmt: skip
    for variant in variants:
        with pytest.raises(AuthError):
            server.verify_sync(variant)
    assert len(seen.of(TokenAccepted)) == 1
    assert len(server._remembered) == 1


def test_threads_at_it(issuer: LocalIssuer, clock: Clock, seen: Recorder) -> None:
    """Twelve threads and loops on a cache far too small, and rotation: each verdict is right."""
    clock.tick = 1e-4
    server = trusting(issuer, clock, fetch=issuer.fetch, token_cache_size=7, observers=[seen])
    good = {issuer.token(subject=f"auth0|{number}"): f"auth0|{number}" for number in range(30)}
    bad = [issuer.broken(Reason.INVALID_SIGNATURE) for _ in range(5)]
    ready = threading.Barrier(12)

    def hammer(number: int) -> int:
        ready.wait(LONG)
        right = 0
        for turn in range(8):
            for token, subject in good.items():
                judged = (
                    server.verify_sync(token)
                    if (number + turn) % 2
                    else asyncio.run(server.verify(token))
                )
                right += judged.subject == subject
            for token in bad:
                try:
                    server.verify_sync(token)
                except InvalidToken as error:
                    right += error.reason is Reason.INVALID_SIGNATURE
            if number == 0:
                issuer.rotate_keys()
        return right

    with ThreadPoolExecutor(12) as pool:
        assert list(pool.map(hammer, range(12))) == [8 * 35] * 12
    assert len(server._remembered) <= 7


def test_a_hit_starts_a_refresh_and_does_not_wait(
    issuer: LocalIssuer, clock: Clock, seen: Recorder
) -> None:
    """Traffic of remembered tokens alone keeps the keys fresh, one fetch at a time."""
    policy = KeyPolicy(fresh=60, cooldown=1, stale=0, timeout=30)
    server = trusting(issuer, clock, fetch=issuer.fetch, observers=[seen], policy=policy)
    token = issuer.token()
    assert reason_of(server, token) is None
    for refreshes in range(2, 12):
        clock.advance(50)
        for _ in range(5):
            assert served(server, token)
        seen.wait(KeysRefreshed, refreshes)
    assert issuer.requests[JWKS] == 11
    assert [event.remembered for event in seen.of(TokenAccepted)] == [False] + [True] * 50
