"""What may be taken once, and soon: the login pages that are open, the codes that are out.

Each thing is kept under a random handle that says nothing about it. What was taken is gone, whatever
comes of it, so that nobody tries twice; what nobody takes is forgotten.
"""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class OnceOnly(Generic[Kept]):
    """A bounded store of things that can be taken out once."""

    def __init__(self, *, lifetime: float, most: int, clock: Callable[[], float]) -> None:
        """Begins empty.

        lifetime: seconds that a thing can be taken for. most: how many are kept; one more, and the
        oldest goes. clock: seconds since 1970.
        """
        self._lifetime = lifetime
        self._most = most
        self._clock = clock
        self._lock = Lock()  # several threads may serve one issuer, as Starlette's TestClient does
        self._kept: OrderedDict[str, tuple[float, Kept]] = OrderedDict()

    def keep(self, thing: Kept) -> str:
        """Keeps a thing and returns the handle to take it by."""
        handle = secrets.token_urlsafe(32)
        with self._lock:
            self._kept[handle] = (self._clock(), thing)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return handle

    def take(self, handle: str) -> Kept | None:
        """Takes the thing out; None: no such handle, or taken before, or too late."""
        with self._lock:
            since, thing = self._kept.pop(handle, (0.0, None))
        # An age below zero means that the clock was put back; nothing is then known to be fresh.
        return thing if 0 <= self._clock() - since < self._lifetime else None
