"""How moments and spans are written and read."""

import pytest

from atjwt.migration.times import span, when


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0.0, "1970-01-01 00:00:00 UTC"),
        (1_790_000_000.0, "2026-09-21 14:13:20 UTC"),
        (1_790_000_000.001, "2026-09-21 14:13:21 UTC"),
        (1e300, "a time out of any calendar"),
        (float("inf"), "a time out of any calendar"),
        (float("nan"), "a time out of any calendar"),
    ],
)
def test_a_moment_is_shown_in_utc_and_never_too_early(at: float, text: str) -> None:
    """A token may claim any `exp`; that fells nothing."""
    assert when(at) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5.0, "00:00:00"),
        (0.2, "00:00:01"),
        (86_399.0, "23:59:59"),
        (86_400.0, "1 d 00:00:00"),
        (2_592_000.0, "30 d 00:00:00"),
        (float("inf"), "for ever"),
        (1e300, "for ever"),
    ],
)
def test_a_span_is_shown_to_the_second(seconds: float, text: str) -> None:
    """Rounded up, as what is left of a wait is."""
    assert span(seconds) == text
