"""Step 4: a key set → the one key; and the key cache's decision table."""

import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import InvalidToken, Reason
from atjwt.core.jwk import VerificationKey
from atjwt.core.jwks import Step, next_step, select_key
from atjwt.core.key_record import KeyRecord
from atjwt.core.key_set import KeySet, read_key_set, secret_key_set
from core.making import REMOVE, SECRET, SIGNERS, attempt, jwk, key_set, refuses

# --- the one key ---------------------------------------------------------------------------------


def selected(keys: KeySet, kid: str | None, alg: str) -> str | None:
    return select_key(keys, kid=kid, alg=alg).kid


def test_by_kid() -> None:
    """The key of that kid is selected, compared character by character."""
    keys = key_set("rsa", "rsa-2", "P-256")
    assert selected(keys, "rsa-2", "RS256") == "rsa-2"
    assert selected(keys, "P-256", "ES256") == "P-256"
    for kid in ("RSA", "rsa ", "rs", "rsa-3", "", "../rsa", "*", "\x00"):
        refuses(Reason.UNKNOWN_KEY, lambda: selected(keys, kid, "RS256"))  # noqa: B023


def test_never_another_key() -> None:
    """A kid that is unknown is not helped by a key that would fit."""
    refuses(Reason.UNKNOWN_KEY, lambda: selected(key_set("P-256"), "P-384", "ES256"))


def test_without_kid() -> None:
    """Without kid the one key that fits the algorithm is selected, if there is one only."""
    keys = key_set("rsa", "P-256", "P-256-2")
    assert selected(keys, None, "PS512") == "rsa"
    refuses(Reason.AMBIGUOUS_KEY, lambda: selected(keys, None, "ES256"))
    refuses(Reason.UNKNOWN_KEY, lambda: selected(keys, None, "EdDSA"))


def test_one_kid_twice() -> None:
    """Of keys with one kid the one that fits is selected; where both fit, neither is."""
    keys = read_key_set({"keys": [jwk("rsa", kid="a"), jwk("P-256", kid="a")]})
    assert select_key(keys, kid="a", alg="ES256") is keys.keys[1]
    refuses(Reason.UNSUITABLE_KEY, lambda: selected(keys, "a", "EdDSA"))
    keys = read_key_set({"keys": [jwk("rsa", kid="a"), jwk("rsa-2", kid="a")]})
    refuses(Reason.AMBIGUOUS_KEY, lambda: selected(keys, "a", "RS256"))
    keys = read_key_set({"keys": [jwk("rsa", kid="a"), jwk("rsa", kid="a", use="enc")]})
    assert select_key(keys, kid="a", alg="RS256") is keys.keys[0]


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ({}, "its kty, crv or alg is another"),
        ({"alg": "ES512"}, "its alg or crv"),
        ({"use": "enc"}, "its use is not sig"),
        ({"key_ops": ["sign"]}, "its key_ops do not include verify"),
    ],
    ids=str,
)
def test_unsuitable(members: dict[str, Any], why: str) -> None:
    """A key that is known and does not fit is told from an unknown one, and why it does not."""
    keys = read_key_set({"keys": [jwk("P-256", kid="a", **members), jwk("rsa")]})
    error = refuses(Reason.UNSUITABLE_KEY, lambda: selected(keys, "a", "ES384"))
    assert why in error.detail


def test_unnamed_key_beside_a_kid() -> None:
    """A key without kid is never meant by a token with one, and can be by a token without."""
    keys = read_key_set({"keys": [jwk("P-256", kid=REMOVE), jwk("rsa")]})
    refuses(Reason.UNKNOWN_KEY, lambda: selected(keys, "P-256", "ES256"))
    assert selected(keys, None, "ES256") is None


@pytest.mark.parametrize("kid", [None, "anything"])
def test_secret(kid: str | None) -> None:
    """The one secret of an issuer is selected, whatever kid a token names."""
    keys = secret_key_set(SECRET)
    assert select_key(keys, kid=kid, alg="HS256") is keys.keys[0]


members = st.lists(
    st.tuples(
        st.sampled_from(["rsa", "P-256", "P-256-2", "Ed25519"]),
        st.sampled_from(["a", "b", REMOVE]),
        st.sampled_from([{}, {"use": "enc"}, {"alg": "ES256"}, {"alg": "RS256"}]),
    ),
    min_size=1,
    max_size=4,
)


@given(members)
def test_only(listed: list[tuple[str, object, dict[str, object]]]) -> None:
    """What a set has looked up beforehand is what would be selected, and nothing else."""
    document = {"keys": [jwk(kind, kid=kid, **more) for kind, kid, more in listed]}
    document["keys"].append(jwk("P-384"))
    keys = read_key_set(document)
    for kid in ("a", "b", "P-384", "unknown", None):
        for alg in (*SIGNERS, "none"):
            chosen = attempt(lambda: select_key(keys, kid=kid, alg=alg), InvalidToken)  # noqa: B023
            expected = chosen if isinstance(chosen, VerificationKey) else None
            assert keys.only.get((kid, alg)) is expected


def test_errors_hold_no_kid() -> None:
    """What is wrong with a key is said without its kid."""
    keys = read_key_set({"keys": [jwk("P-256", kid="marker"), jwk("P-256-2", kid="marker")]})
    asked: list[tuple[str, str, Reason]] = [
        ("marker2", "ES256", Reason.UNKNOWN_KEY),
        ("marker", "ES256", Reason.AMBIGUOUS_KEY),
        ("marker", "RS256", Reason.UNSUITABLE_KEY),
    ]
    for kid, alg, reason in asked:
        error = refuses(reason, lambda: selected(keys, kid, alg))  # noqa: B023
        assert "marker" not in f"{error} {error!r}"


# --- the decision table --------------------------------------------------------------------------

KEYS = KeySet((VerificationKey("a", frozenset({"ES256"}), None, {}),))
AT = 1_000.0

HANDS: dict[str, dict[str, Any]] = {
    "nothing": {"keys": None},
    "keys past stale": {"keys": KEYS, "stale_until": AT, "refresh_at": AT - 50},
    "fresh keys": {"refresh_at": AT + 50, "fresh_until": AT + 60},
    "keys that are due": {"refresh_at": AT, "fresh_until": AT + 1},
    "keys of the future": {"fetched_at": AT + 1, "fresh_until": AT + 60},
    "keys past fresh": {"refresh_at": AT - 9, "fresh_until": AT},
}
WAITS: dict[str, dict[str, Any]] = {
    "free": {},
    "after a failure": {"failures": 1, "attempted_at": AT - 1, "retry_at": AT + 1},
    "after a failure, waited": {"failures": 1, "attempted_at": AT - 1, "retry_at": AT},
    "after a forced fetch": {"forced_at": AT, "force_at": AT + 1},
    "after a forced fetch, waited": {"forced_at": AT - 1, "force_at": AT},
    "before a failure": {"failures": 1, "attempted_at": AT + 1, "retry_at": AT + 9},
    "before a forced fetch": {"forced_at": AT + 1, "force_at": AT + 9},
}
FREE = {"free", "after a failure, waited", "before a failure"}
UNFORCED = {"after a forced fetch", "after a forced fetch, waited", "before a forced fetch"}
MAY_FORCE = FREE | UNFORCED - {"after a forced fetch"}


def expected(hand: str, wait: str, *, known: bool, remembered: bool) -> Step:
    """What the papers say, in words."""
    if hand in {"nothing", "keys past stale"}:
        return Step.UNAVAILABLE if wait == "after a failure" else Step.FETCH
    if known:
        if hand == "keys past fresh" and "a failure" not in wait:
            return Step.FETCH
        due = hand != "fresh keys"
        return Step.REFRESH if due and wait != "after a failure" else Step.SERVE
    if wait in MAY_FORCE and not remembered:
        return Step.FETCH
    return Step.UNAVAILABLE if "a failure" in wait else Step.UNKNOWN


@pytest.mark.parametrize("remembered", [False, True], ids=["", "remembered"])
@pytest.mark.parametrize("known", [False, True], ids=["unknown", "known"])
@pytest.mark.parametrize("wait", WAITS)
@pytest.mark.parametrize("hand", HANDS)
def test_next_step(hand: str, wait: str, *, known: bool, remembered: bool) -> None:
    """Each row of the table, at its very borders."""
    usual = {"keys": KEYS, "stale_until": AT + 90, "fetched_at": AT - 60}
    record = KeyRecord(**{**usual, **HANDS[hand], **WAITS[wait]})
    step = next_step(record, AT, known=known, remembered=remembered)
    assert step is expected(hand, wait, known=known, remembered=remembered)


def test_every_step_is_taken() -> None:
    """No step of the table is there for nothing."""
    rows = itertools.product(HANDS, WAITS, (True, False), (True, False))
    taken = {expected(hand, wait, known=a, remembered=b) for hand, wait, a, b in rows}
    assert taken == set(Step)


moments = st.integers(-5, 5).map(float)
records = st.builds(
    KeyRecord,
    keys=st.sampled_from([None, KEYS]),
    fetched_at=moments,
    refresh_at=moments,
    fresh_until=moments,
    stale_until=moments,
    failures=st.integers(0, 2),
    attempted_at=moments,
    retry_at=moments,
    forced_at=moments,
    force_at=moments,
)
RULES: dict[Step, Callable[[KeyRecord, float, bool], bool]] = {
    Step.SERVE: lambda record, now, known: record.usable(now) is not None and known,
    Step.REFRESH: lambda record, now, known: (
        record.usable(now) is not None and known and record.due(now) and not record.waiting(now)
    ),
    Step.FETCH: lambda record, now, known: (
        not record.waiting(now) and (record.usable(now) is None or not known or record.overdue(now))
    ),
    Step.UNKNOWN: lambda record, now, known: (
        record.usable(now) is not None and not known and not record.failures
    ),
    Step.UNAVAILABLE: lambda record, now, known: (
        record.waiting(now) if record.usable(now) is None else not known and record.failures > 0
    ),
}


@given(records, moments, st.booleans(), st.booleans())
def test_any_record(record: KeyRecord, now: float, known: bool, remembered: bool) -> None:  # noqa: FBT001
    """Whatever the record and the time, nothing is served past stale or fetched while waiting."""
    step = next_step(record, now, known=known, remembered=remembered)
    assert RULES[step](record, now, known)
