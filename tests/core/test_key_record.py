"""What is known of one issuer's keys, how long it holds, and an hour of attacks on it."""

import itertools
import math
from collections.abc import Callable
from dataclasses import FrozenInstanceError, asdict, dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import ConfigurationError, KeyPolicy
from atjwt.core.jwk import VerificationKey
from atjwt.core.jwks import Step, next_step
from atjwt.core.key_record import KeyRecord, failed, refreshed
from atjwt.core.key_set import KeySet

POLICY = KeyPolicy()
EMPTY = KeyRecord()
START = 1_790_000_000.0


def published(*kids: str) -> KeySet:
    """A key set by its kids; what the keys are made of does not matter here."""
    es256 = frozenset({"ES256"})
    return KeySet(tuple(VerificationKey(kid, es256, None, {"kid": kid}) for kid in kids))


def fetched(
    record: KeyRecord = EMPTY,
    now: float = START,
    *,
    keys: KeySet | None = None,
    policy: KeyPolicy = POLICY,
    max_age: float | None = None,
    spread: float = 0.7,
    forced: bool = False,
) -> KeyRecord:
    """The record after a good fetch."""
    found = keys or published("a")
    return refreshed(record, found, policy, now, max_age=max_age, spread=spread, forced=forced)


# --- the policy ----------------------------------------------------------------------------------

NUMBERS = ("fresh", "stale", "cooldown", "timeout", "max_bytes")
VALUES: list[object] = [None, "60", True, False, -1, -0.1, math.nan, math.inf, -math.inf, []]


def test_policy_defaults() -> None:
    """The default is ten minutes fresh, an hour stale, one forced fetch in thirty seconds."""
    assert asdict(POLICY) == {
        "fresh": 600, "stale": 3_600, "cooldown": 30, "timeout": 5, "max_bytes": 1_048_576,
    }  # fmt: skip
    assert KeyPolicy() == POLICY


@pytest.mark.parametrize("value", VALUES, ids=str)
@pytest.mark.parametrize("name", NUMBERS)
def test_policy_numbers(name: str, value: Any) -> None:
    """Each limit is a finite number above zero, and the problem names it."""
    with pytest.raises(ConfigurationError) as caught:
        KeyPolicy(**{name: value})
    (problem,) = caught.value.problems
    assert name in problem
    assert "positive number" in problem


def test_policy_beyond_floats() -> None:
    """A number too large for a time is a problem like any other."""
    with pytest.raises(ConfigurationError) as caught:
        KeyPolicy(fresh=10**400, stale=10**400, cooldown=10**400, timeout=10**400)
    assert len(caught.value.problems) == 4


def test_policy_bytes() -> None:
    """Bytes are whole."""
    with pytest.raises(ConfigurationError, match=r"max_bytes"):
        KeyPolicy(max_bytes=1_000.5)  # type: ignore[arg-type]


def test_policy_zero() -> None:
    """Only stale may be zero: then nothing serves once it is no longer fresh."""
    assert KeyPolicy(stale=0).stale == 0
    for name in set(NUMBERS) - {"stale"}:
        with pytest.raises(ConfigurationError):
            KeyPolicy(**{name: 0})


def test_policy_small() -> None:
    """All times may be fractions of a second, so that tests can be quick."""
    KeyPolicy(fresh=0.02, stale=0.01, cooldown=0.02, timeout=0.001)


def test_frozen() -> None:
    """A policy and a record are values: made by names, never changed."""
    for value in (POLICY, EMPTY):
        for name in asdict(value):
            with pytest.raises(FrozenInstanceError):
                setattr(value, name, 1)
        build: Callable[..., object] = type(value)
        with pytest.raises(TypeError, match="positional"):
            build(600)


def test_policy_cooldown() -> None:
    """A cooldown longer than fresh is refused, one as long is not."""
    assert KeyPolicy(fresh=10, cooldown=10).cooldown == 10
    with pytest.raises(ConfigurationError, match=r"cooldown is longer than fresh"):
        KeyPolicy(fresh=10, cooldown=10.5)


def test_policy_problems_together() -> None:
    """All problems are reported together."""
    with pytest.raises(ConfigurationError) as caught:
        KeyPolicy(fresh=-1, timeout=0, max_bytes=True)
    assert len(caught.value.problems) == 3


# --- the record ----------------------------------------------------------------------------------


def test_nothing_is_known() -> None:
    """An empty record has no keys, is due, and forbids nothing, at any time."""
    assert set(asdict(KeyRecord()).values()) == {None, 0}
    for now in (START, 1.0, 0.0):
        assert KeyRecord().usable(now) is None
        assert KeyRecord().due(now)
        assert not KeyRecord().waiting(now)
        assert next_step(KeyRecord(), now, known=False) is Step.FETCH


def test_times_of_a_good_fetch() -> None:
    """Keys are fresh, due at a part of that, and stale for a bounded time after it."""
    record = fetched()
    assert record.fetched_at == START
    assert record.refresh_at == START + 420
    assert record.fresh_until == START + 600
    assert record.stale_until == START + 4_200
    assert not record.due(START)
    assert not record.due(math.nextafter(START + 420, 0))
    assert record.due(START + 420)
    assert record.due(math.nextafter(START, 0))
    assert record.usable(math.nextafter(START + 4_200, 0)) is record.keys
    assert record.usable(START + 4_200) is None


@pytest.mark.parametrize(
    ("fresh", "max_age", "effective"),
    [
        (600, None, 600), (600, 86_400, 600), (600, 600, 600), (600, 300, 300), (600, 61, 61),
        (600, 60, 60), (600, 59, 60), (600, 0, 60), (20, 0, 20), (20, 5, 20), (20, 60, 20),
        (20, None, 20), (60, 0, 60),
    ],
)  # fmt: skip
def test_max_age(fresh: float, max_age: float | None, effective: float) -> None:
    """The answer's max-age only shortens, to no less than a minute or `fresh`."""
    record = fetched(policy=KeyPolicy(fresh=fresh, stale=100, cooldown=5), max_age=max_age)
    assert record.fresh_until == START + effective
    assert record.refresh_at == START + effective * 0.7
    assert record.stale_until == START + effective + 100


def test_a_good_fetch_forgets_failures() -> None:
    """After a good fetch nothing waits any longer, except for a cooldown that was running."""
    forced = fetched(now=START, forced=True)
    record = fetched(failed(forced, POLICY, START + 500, retry_after=900), START + 501)
    assert record.failures == 0
    assert not record.waiting(START + 501)
    assert (record.forced_at, record.force_at) == (START, START + 30)


def test_forced() -> None:
    """A forced fetch starts the cooldown; a scheduled one leaves it as it was."""
    record = fetched(now=START, forced=True)
    assert (record.forced_at, record.force_at) == (START, START + 30)
    later = fetched(record, START + 10)
    assert (later.forced_at, later.force_at) == (START, START + 30)
    again = fetched(record, START + 31, forced=True)
    assert (again.forced_at, again.force_at) == (START + 31, START + 61)
    assert fetched().force_at == 0


def test_unchanged_keys_are_kept() -> None:
    """A good fetch keeps the objects of unchanged keys."""
    before = fetched(keys=published("a", "b"))
    after = fetched(before, START + 500, keys=published("b", "c"))
    assert before.keys is not None
    assert after.keys is not None
    assert after.keys.keys[0] is before.keys.keys[1]
    assert [key.kid for key in after.keys.keys] == ["b", "c"]


def test_backs_off_without_keys() -> None:
    """Without keys the next attempt is 1 s away, then 2, doubling up to the cooldown."""
    record, waits = KeyRecord(), []
    for _ in range(8):
        record = failed(record, POLICY, START, retry_after=None)
        waits.append(record.retry_at - START)
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert record.failures == 8
    assert record.keys is None


@pytest.mark.parametrize("failures", [1, 30, 31, 1_000, 10_000])
def test_backs_off_for_ever(failures: int) -> None:
    """The wait is bounded by the cooldown, however often a fetch has failed."""
    record = replace(KeyRecord(), failures=failures)
    policy = KeyPolicy(fresh=600, cooldown=600)
    wait = failed(record, policy, START, retry_after=None).retry_at - START
    assert wait == (2 if failures == 1 else 600)
    quick = KeyPolicy(fresh=1, cooldown=0.25)
    assert failed(record, quick, START, retry_after=None).retry_at == START + 0.25


def test_waits_a_cooldown_with_keys() -> None:
    """With keys in hand the next attempt is a cooldown away; past stale, it backs off as well."""
    for now in (START + 1, START + 4_199):
        record = failed(fetched(), POLICY, now, retry_after=None)
        assert (record.attempted_at, record.retry_at) == (now, now + 30)
        assert record.force_at == 0
    record = failed(fetched(), POLICY, START + 4_200, retry_after=None)
    assert record.retry_at == START + 4_201


@pytest.mark.parametrize(
    ("retry_after", "wait"),
    [(None, 30), (0, 30), (29, 30), (31, 31), (3_600, 3_600), (3_601, 3_600), (1e9, 3_600)],
)
def test_retry_after(retry_after: float | None, wait: float) -> None:
    """Retry-After moves the next attempt further, never closer, and not past a stale time."""
    record = failed(fetched(), POLICY, START, retry_after=retry_after)
    assert record.retry_at == START + wait


moments = st.integers(-100, 100).map(float)
records = st.builds(
    KeyRecord,
    keys=st.sampled_from([None, published("a"), published("a", "b")]),
    fetched_at=moments, refresh_at=moments, fresh_until=moments, stale_until=moments,
    failures=st.integers(0, 50), attempted_at=moments, retry_at=moments,
    forced_at=moments, force_at=moments,
)  # fmt: skip
policies = st.builds(
    KeyPolicy,
    fresh=st.floats(10, 1_000),
    stale=st.floats(0, 10_000),
    cooldown=st.floats(0.001, 10),
)
seconds = st.none() | st.floats(0, 1e9)


@given(records, policies, moments, seconds)
def test_a_failure_costs_no_key(
    record: KeyRecord, policy: KeyPolicy, now: float, retry_after: float | None
) -> None:
    """A failed fetch changes neither the keys nor how long they are fresh and usable."""
    after = failed(record, policy, now, retry_after=retry_after)
    for name in ("keys", "fetched_at", "refresh_at", "fresh_until", "stale_until"):
        assert getattr(after, name) == getattr(record, name)
    assert after.failures == record.failures + 1
    assert after.attempted_at == now
    assert (after.forced_at, after.force_at) == (record.forced_at, record.force_at)
    assert now < after.retry_at <= now + max(policy.cooldown, policy.stale) + 1e-9


@given(records, policies, moments, seconds, st.floats(0.6, 0.8), st.booleans())
def test_a_good_fetch_in_order(
    record: KeyRecord,
    policy: KeyPolicy,
    now: float,
    max_age: float | None,
    spread: float,
    forced: bool,  # noqa: FBT001
) -> None:
    """After a good fetch: due while fresh, fresh before stale, neither longer than was asked for."""
    after = fetched(record, now, policy=policy, max_age=max_age, spread=spread, forced=forced)
    assert now < after.refresh_at < after.fresh_until <= after.stale_until
    assert after.fresh_until <= now + policy.fresh
    assert after.stale_until <= now + policy.fresh + policy.stale
    assert not after.failures
    assert not after.waiting(now)


@given(records, moments, st.floats(0.01, 1_000))
def test_a_clock_set_back(record: KeyRecord, now: float, back: float) -> None:
    """A clock that is set back never lengthens a wait: what is to come is never longer than it was."""
    if record.waiting(now):
        assert record.retry_at - now <= record.retry_at - record.attempted_at
    assert not record.waiting(record.attempted_at - back)
    before_force = record.forced_at - back
    free = replace(record, keys=published("a"), stale_until=math.inf, retry_at=-math.inf)
    assert next_step(free, before_force, known=False) is Step.FETCH
    assert record.due(record.fetched_at - back)


# --- an issuer under attack ----------------------------------------------------------------------


@dataclass
class Simulation:
    """An issuer whose answers take no time, and a client that does what the table says."""

    policy: KeyPolicy = POLICY
    keys: KeySet = field(default_factory=lambda: published("a"))
    up: bool = True
    record: KeyRecord = EMPTY
    fetches: list[tuple[float, bool]] = field(default_factory=list)
    check: Callable[[KeyRecord, KeyRecord, float], None] = lambda before, after, now: None

    def ask(self, kid: str, now: float) -> Step:
        """What becomes of one token: SERVE, UNKNOWN or UNAVAILABLE."""
        asked = False
        while True:
            keys = self.record.usable(now)
            known = keys is not None and keys.knows(kid, "ES256")
            step = next_step(self.record, now, known=known)
            if step in {Step.SERVE, Step.REFRESH}:
                assert known
            if step is Step.REFRESH:
                self.fetch(now, forced=False)
                return Step.SERVE
            if step is not Step.FETCH:
                return step
            if asked:
                return Step.UNKNOWN
            self.fetch(now, forced=keys is not None)
            asked = True

    def fetch(self, now: float, *, forced: bool) -> None:
        before = self.record
        self.fetches.append((now, forced))
        if self.up:
            self.record = fetched(before, now, keys=self.keys, policy=self.policy, forced=forced)
        else:
            self.record = failed(before, self.policy, now, retry_after=None)
        self.check(before, self.record, now)

    def gaps(self, *, forced_only: bool = False) -> list[float]:
        times = [at for at, forced in self.fetches if forced or not forced_only]
        return [later - earlier for earlier, later in itertools.pairwise(times)]


def test_an_hour_of_outage_and_unknown_kids() -> None:
    """180,000 unknown kids in an hour's outage: one fetch per cooldown, no honest token refused."""
    issuer = Simulation()
    assert issuer.ask("a", START) is Step.SERVE
    issuer.up, issuer.fetches = False, []
    for number in range(180_000):
        now = START + number / 50
        assert issuer.ask(f"unknown-{number}", now) is Step.UNAVAILABLE
        if number % 50 == 0:
            assert issuer.ask("a", now) is Step.SERVE
    assert len(issuer.fetches) == 3_600 / 30
    assert min(issuer.gaps()) >= 30


def test_past_stale() -> None:
    """An outage is bridged up to the stale limit, to the second, and ends with the outage."""
    issuer = Simulation()
    issuer.ask("a", START)
    issuer.up = False
    assert {issuer.ask("a", START + second) for second in range(4_200)} == {Step.SERVE}
    assert {issuer.ask("a", START + second) for second in range(4_200, 5_000)} == {Step.UNAVAILABLE}
    issuer.up = True
    outcomes = [issuer.ask("a", START + second) for second in range(5_000, 5_031)]
    assert outcomes[-1] is Step.SERVE


def test_unknown_kids_while_all_is_well() -> None:
    """Under attack on a healthy issuer, forced fetches keep the cooldown, and say `unknown`."""
    issuer = Simulation()
    issuer.ask("a", START)
    for number in range(36_000):
        now = START + number / 10
        assert issuer.ask(f"unknown-{number}", now) is Step.UNKNOWN
        assert issuer.ask("a", now) is Step.SERVE
    assert min(issuer.gaps(forced_only=True)) >= 30
    assert len(issuer.fetches) <= 3_600 / 30 + 3_600 / 420 + 2


def test_a_rotated_key_when_calm() -> None:
    """When calm, a rotated key is found at once, by one fetch, and the old one is gone."""
    issuer = Simulation()
    issuer.ask("a", START)
    issuer.keys = published("b")
    assert issuer.ask("b", START + 1) is Step.SERVE
    assert len(issuer.fetches) == 2
    assert issuer.ask("a", START + 2) is Step.UNKNOWN
    assert len(issuer.fetches) == 2


@pytest.mark.parametrize("moment", [0, 1, 7, 15, 29, 30])
def test_a_rotated_key_under_attack(moment: int) -> None:
    """Under attack a rotated key is found within one cooldown, the known ones served throughout."""
    issuer = Simulation()
    issuer.ask("a", START)
    issuer.ask("unknown", START)
    issuer.keys = published("a", "b")
    for tenth in range(moment * 10, moment * 10 + 301):
        now = START + tenth / 10
        issuer.ask(f"unknown-{tenth}", now)
        assert issuer.ask("a", now) is Step.SERVE
        if issuer.ask("b", now) is Step.SERVE:
            break
    else:
        pytest.fail("not within one cooldown")


def test_a_withdrawn_key() -> None:
    """While all is well a withdrawn key is accepted no longer than fresh."""
    issuer = Simulation()
    issuer.ask("a", START)
    issuer.keys = published("b")
    served = [second for second in range(700) if issuer.ask("a", START + second) is Step.SERVE]
    assert served == list(range(421))  # at 420 it is fetched again behind


events = st.lists(
    st.tuples(
        st.sampled_from(["a", "b", "unknown", "rotate", "down", "up", "flood"]),
        st.sampled_from([0.0, 0.5, 1, 5, 29, 30, 31, 200, 420, 601, 5_000, -1, -40, -7_000]),
    ),
    max_size=40,
)


@given(events)
def test_any_sequence(happenings: list[tuple[str, float]]) -> None:
    """Whatever happens in whatever order, and wherever the clock is set, the promises hold."""

    def unharmed(before: KeyRecord, after: KeyRecord, now: float) -> None:
        assert not before.waiting(now)
        if after.failures:
            assert after.keys is before.keys
            assert after.stale_until == before.stale_until

    issuer, now = Simulation(check=unharmed), START
    for what, passes in happenings:
        now += passes
        if passes < 0:
            issuer.fetches = []
        if what in {"down", "up"}:
            issuer.up = what == "up"
        elif what == "rotate":
            issuer.keys = published("b") if issuer.keys.named("a") else published("a", "c")
        else:
            kids = [f"unknown-{number}" for number in range(20)] if what == "flood" else [what]
            for kid in kids:
                outcome = issuer.ask(kid, now)
                if outcome is Step.SERVE:
                    assert now < issuer.record.stale_until
                else:
                    assert (outcome is Step.UNAVAILABLE) is (
                        issuer.record.usable(now) is None or issuer.record.failures > 0
                    )
        assert all(gap >= POLICY.cooldown for gap in issuer.gaps(forced_only=True))
