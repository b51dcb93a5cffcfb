"""Moments and spans of time as people read and write them; all moments are shown in UTC."""

import math
from datetime import UTC, datetime, timedelta

from atjwt.errors import ConfigurationError


def when(at: float) -> str:
    """A moment, to the second. at: seconds since 1970. Never shown earlier than it is."""
    try:
        moment = datetime.fromtimestamp(math.ceil(at), UTC)
    except (OverflowError, ValueError, OSError):
        return "a time out of any calendar"
    return f"{moment:%Y-%m-%d %H:%M:%S} UTC"


def span(seconds: float) -> str:
    """How long something takes, as `1 d 02:03:04`, or `00:00:09`."""
    if not math.isfinite(seconds) or seconds >= timedelta.max.total_seconds():
        return "for ever"
    left = math.ceil(max(seconds, 0))
    days, rest = divmod(left, 86_400)
    clock = f"{rest // 3_600:02}:{rest // 60 % 60:02}:{rest % 60:02}"
    return f"{days} d {clock}" if days else clock


def moment_named(text: str, now: float) -> float:
    """A moment that has been, in seconds since 1970.

    text: `now`, seconds since 1970, or ISO 8601 with its offset, as in `2026-11-25T09:30:00Z`.
    now: seconds since 1970. Raises ConfigurationError: it is none of these, or lies ahead.
    """
    try:
        at = now if text == "now" else float(text)
    except ValueError:
        at = _iso(text)
    if not math.isfinite(at) or at < 0:
        raise ConfigurationError(["give a time as 2026-11-25T09:30:00Z, or as seconds since 1970"])
    if at > now:
        raise ConfigurationError(["that time lies ahead; give the one at which it was done"])
    return at


def _iso(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return math.nan
    if moment.tzinfo is None:
        raise ConfigurationError(["say in which time zone: add Z for UTC, or an offset as +01:00"])
    return moment.timestamp()
