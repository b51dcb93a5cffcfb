"""Step 4 of the route: a key set → the one verification key; and the key cache's decision table.

`select_key` finds exactly one key or refuses; there is no "try them all". `next_step` looks up in a
table whether the keys in hand may be used and whether it is time to fetch. Both are pure;
`jwks_client.py` obeys.
"""

from enum import Enum

from atjwt.core.jwk import VerificationKey
from atjwt.core.key_record import KeyRecord
from atjwt.core.key_set import KeySet
from atjwt.errors import InvalidToken, Reason


def select_key(keys: KeySet, *, kid: str | None, alg: str) -> VerificationKey:
    """Selects the one key that this token's header means (RFC 7515 section 4.1.4 and 6).

    Raises InvalidToken: none fits, or several do.
    """
    named = keys.named(kid)
    fitting = [key for key in named if alg in key.algorithms]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        raise InvalidToken(
            Reason.AMBIGUOUS_KEY, f"{len(fitting)} keys of the issuer fit the token's header"
        )
    if not named or kid is None:
        raise InvalidToken(
            Reason.UNKNOWN_KEY, "the issuer's key set holds no key that the token's header names"
        )
    why = ", ".join(sorted({key.unusable for key in named} - {""}))
    raise InvalidToken(
        Reason.UNSUITABLE_KEY,
        f"the key of that kid does not fit: {why or 'its kty, crv or alg is another'}",
    )


class Step(Enum):
    """What to do about one token's key."""

    SERVE = "use the keys in hand"
    REFRESH = "use the keys in hand, and fetch behind"
    FETCH = "fetch, then look again"
    UNKNOWN = "the issuer has no such key"
    UNAVAILABLE = "the keys cannot be had now"


class Hand(Enum):
    """What is in hand."""

    NONE = "no keys, or keys past the stale limit"
    FRESH = "keys, and no reason to fetch"
    DUE = "keys, and it is time to fetch again"
    OVERDUE = "keys past fresh, and no failed fetch that would excuse them"


# in hand, key id known, a fetch is allowed now → step
_TABLE = {
    (Hand.NONE, False, True): Step.FETCH,
    (Hand.NONE, False, False): Step.UNAVAILABLE,
    (Hand.NONE, True, True): Step.FETCH,
    (Hand.NONE, True, False): Step.UNAVAILABLE,
    (Hand.FRESH, True, True): Step.SERVE,
    (Hand.FRESH, True, False): Step.SERVE,
    (Hand.FRESH, False, True): Step.FETCH,
    (Hand.FRESH, False, False): Step.UNKNOWN,
    (Hand.DUE, True, True): Step.REFRESH,
    (Hand.DUE, True, False): Step.SERVE,
    (Hand.OVERDUE, True, True): Step.FETCH,
    (Hand.OVERDUE, True, False): Step.SERVE,
    (Hand.OVERDUE, False, True): Step.FETCH,
    (Hand.OVERDUE, False, False): Step.UNKNOWN,
    (Hand.DUE, False, True): Step.FETCH,
    (Hand.DUE, False, False): Step.UNKNOWN,
}


def next_step(record: KeyRecord, now: float, *, known: bool, remembered: bool = False) -> Step:
    """Decides what to do about a token's key.

    known: the set in hand holds the key that the token names.
    remembered: a recent fetch has shown that the issuer has no such key.
    """
    hand = Hand.NONE
    if record.usable(now) is not None:
        hand = Hand.DUE if record.due(now) else Hand.FRESH
        hand = Hand.OVERDUE if record.overdue(now) else hand
    allowed = not record.waiting(now)
    if hand is not Hand.NONE and not known:
        allowed = allowed and not remembered and not record.forced_at <= now < record.force_at
    step = _TABLE[hand, known, allowed]
    # While the last attempt failed, nobody can say that a key id is unknown.
    return Step.UNAVAILABLE if step is Step.UNKNOWN and record.failures else step
