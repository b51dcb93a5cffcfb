"""The rows of DESIGN section 8 that are measured here, and a few that stand beside them; row l, of a
ledger, among them.

A row's value is computed from the cases' figures of one round; what is told is the median over all
rounds.
"""

from typing import NamedTuple

from benchmarks.measure import Value


class Row(NamedTuple):
    """One row.

    letter: in the design; in brackets where the design has no target of its own.
    cases: whose figures `value` takes.
    target: the largest value that is good; None where there is none.
    """

    letter: str
    what: str
    unit: str
    cases: tuple[str, ...]
    value: Value
    target: float | None = None


def _added(guarded: float, bare: float, raw: float) -> float:
    return (guarded - bare) / raw


def _microseconds_added(guarded: float, bare: float) -> float:
    return guarded - bare


def _ratio(ours: float, other: float) -> float:
    return ours / other


def _more_per_hit(many: float, many_loop: float, few: float, few_loop: float) -> float:
    return (many - many_loop) - (few - few_loop)


def _same(ours: float) -> float:
    return ours


def _milliseconds_added(with_us: float, without: float) -> float:
    return (with_us - without) / 1000


ROWS = (
    Row(
        "a", "seen before, many tokens in turn: added to bare Starlette", "× raw RS256",
        ("app guarded, seen before", "app bare", "RS256 raw"), _added, 0.2,
    ),
    Row(
        "(a)", "the same in microseconds", "µs",
        ("app guarded, seen before", "app bare"), _microseconds_added,
    ),
    Row(
        "(a)", "seen before, always one token: added to bare Starlette", "× raw RS256",
        ("app guarded, one token", "app bare, one token", "RS256 raw"), _added, 0.2,
    ),
    Row(
        "b", "new token, RS256, header to principal", "× minimal",
        ("RS256 atjwt", "RS256 minimal"), _ratio, 1.3,
    ),
    Row(
        "b", "new token, RS256, header to principal", "× PyJWT decode",
        ("RS256 atjwt", "RS256 PyJWT decode"), _ratio, 0.5,
    ),
    Row("(b)", "the same", "× raw RS256", ("RS256 atjwt", "RS256 raw"), _ratio),
    Row(
        "(b)", "new token, RS256, verify_sync", "× minimal",
        ("RS256 atjwt verify_sync", "RS256 minimal"), _ratio,
    ),
    Row(
        "(b)", "new token, RS256: added to bare Starlette", "× raw RS256",
        ("app guarded, new", "app bare", "RS256 raw"), _added,
    ),
    Row(
        "(b)", "new token, ES256, header to principal", "× minimal",
        ("ES256 atjwt", "ES256 minimal"), _ratio,
    ),
    Row(
        "(b)", "new token, EdDSA, header to principal", "× minimal",
        ("EdDSA atjwt", "EdDSA minimal"), _ratio,
    ),
    Row(
        "c", "a guarded FastAPI route, seen before, over an unguarded one", "× raw RS256",
        ("FastAPI guarded by requires", "FastAPI bare", "RS256 raw"), _added, 1.0,
    ),
    Row(
        "(c)", "the same in microseconds", "µs",
        ("FastAPI guarded by requires", "FastAPI bare"), _microseconds_added,
    ),
    Row(
        "(c)", "the same by Security(auth, scopes)", "× raw RS256",
        ("FastAPI guarded by Security", "FastAPI bare", "RS256 raw"), _added, 1.0,
    ),
    Row(
        "(c)", "a dependency that does nothing, over none", "× raw RS256",
        ("FastAPI with a dependency", "FastAPI bare", "RS256 raw"), _added,
    ),
    Row(
        "i", "many cached tokens instead of 100: more per hit", "µs",
        ("hit of many", "hit of many, the loop alone", "hit of 100", "hit of 100, the loop alone"),
        _more_per_hit, 2.0,
    ),
    Row("j", "refusing 60 kB of junk, authenticate", "µs", ("junk, authenticate",), _same, 10.0),
    Row(
        "j", "refusing 60 kB of junk, the whole app", "µs",
        ("junk, app guarded",), _same, 10.0,
    ),
    Row(
        "(j)", "60 kB without a scheme, the whole app", "µs",
        ("junk without a scheme, app guarded",), _same,
    ),
    Row(
        "k", "import of atjwt.asgi beyond starlette and jwt", "ms",
        ("import of these and atjwt.asgi", "import of starlette and jwt"),
        _milliseconds_added, 40.0,
    ),
    Row(
        "l", "a ledger listens: added to a request, seen before", "× raw RS256",
        ("seen before, a ledger listens", "seen before, nobody listens", "RS256 raw"), _added, 0.05,
    ),
    Row(
        "(l)", "the same in microseconds", "µs",
        ("seen before, a ledger listens", "seen before, nobody listens"), _microseconds_added,
    ),
    Row(
        "(l)", "a function listens: added to a request, seen before", "µs",
        ("seen before, a function listens", "seen before, nobody listens"), _microseconds_added,
    ),
)  # fmt: skip
