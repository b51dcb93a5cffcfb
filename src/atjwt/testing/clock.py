"""The clock that an issuer and the apps it stands in for share: a given one, plus what was advanced."""

from collections.abc import Callable
from math import isfinite


class SharedClock:
    """A wall clock that runs as another one does, and can be moved forward.

    clock: seconds since 1970.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._advanced = 0.0

    def __call__(self) -> float:
        """Seconds since 1970."""
        return self._clock() + self._advanced

    def advance(self, seconds: float) -> None:
        """Moves it forward. Raises ValueError: back, or by no finite number."""
        if isinstance(seconds, bool) or not isfinite(seconds) or seconds < 0:
            raise ValueError(
                "advance: give seconds, 0 or more; reset() takes back what was advanced"
            )
        self._advanced += seconds

    def reset(self) -> None:
        """Takes back all that was advanced."""
        self._advanced = 0.0
