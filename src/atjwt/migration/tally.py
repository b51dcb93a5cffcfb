"""What one process has counted and not yet handed on.

A request with a remembered token costs one call of a counter, which takes no lock and knows no time.
All tokens of one client share a counter. It is read every few seconds, so of these requests it is
known to within that when they came; of a token that is verified it is known exactly.

A counter is kept until no token that it counted can be alive: a remembered token may still call it.
"""

import itertools
import math
import sysconfig
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Final

from atjwt.core.principal import Principal
from atjwt.events import Tick
from atjwt.migration.account import OTHERS, Batch, RefusalKey, Refusals, Use, UseKey
from atjwt.migration.pruning import GRACE, hour_of

LONGEST_TEXT: Final = 256
"""Characters of a client id that are kept."""

_COUNTERS_PER_CLIENT: Final = 10  # of the clients that are told apart within an hour


class LockedCount:
    """As `itertools.count`, where no global lock makes that one safe for threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._value = 0

    def __next__(self) -> int:
        with self._lock:
            value = self._value
            self._value += 1
            return value

    def __iter__(self) -> Iterator[int]:
        return self


_count: Final = LockedCount if sysconfig.get_config_var("Py_GIL_DISABLED") else itertools.count


class _Counter:
    """Requests with tokens that are counted together. Each method is called under the tally's lock.

    fresh: how many tokens were verified since it was last taken; first, last: when.
    until: when the last of its tokens is accepted at the latest.
    """

    __slots__ = (
        *("expires", "first", "fresh", "key", "last", "lifetime", "read", "since", "tick", "until"),
    )

    def __init__(self, key: UseKey, at: float) -> None:
        self.key = key
        self.tick: Callable[[], int] = _count().__next__  # returns how often it was called before
        self.read = 0
        self.since = at
        self.expires = self.lifetime = self.until = 0.0
        self.fresh = 0
        self.first = self.last = at

    def note(self, at: float, expires: float, lifetime: float, until: float) -> None:
        """Counts a token that was verified."""
        self.first = min(self.first, at) if self.fresh else at
        self.last = max(self.last, at) if self.fresh else at
        self.fresh += 1
        self.expires = max(self.expires, expires)
        self.lifetime = max(self.lifetime, lifetime)
        self.until = max(self.until, until)
        self.tick()

    def take(self, now: float) -> Use | None:
        """What was counted since it was last taken, if anything."""
        called = self.tick()
        requests = called - self.read
        self.read = called + 1
        first, last = self.first, self.last
        if requests > self.fresh:  # remembered ones came, at times that nobody noted
            first, last = self.since, max(self.since, min(now, self.until))
            if self.fresh:
                first, last = min(first, self.first), max(last, self.last)
        self.since, self.fresh = now, 0
        if requests == 0:
            return None
        return Use(requests, first, last, self.expires, self.lifetime)


class Tally:
    """Counts accepted and refused requests, from any thread.

    service: whose. most_clients: how many clients are told apart within an hour.
    """

    def __init__(self, service: str, most_clients: int) -> None:
        self._service = service
        self._most_clients = most_clients
        self._most_counters = most_clients * _COUNTERS_PER_CLIENT
        self._clients: tuple[int, set[str]] = (0, set())
        self._counters: dict[UseKey, _Counter] = {}
        self._uses: dict[UseKey, Use] = {}
        self._refusals: dict[RefusalKey, Refusals] = {}
        self._lock = Lock()

    def accepted(
        self, audience: str, principal: Principal, at: float, leeway: float = math.inf
    ) -> Tick:
        """Counts a token that was verified. Returns what counts it when it comes again.

        leeway: seconds past its `exp` for which it is accepted.
        """
        client_id = (principal.client_id or "")[:LONGEST_TEXT]
        key = UseKey(
            0, self._service, principal.issuer, audience, str(principal.profile),
            principal.permissions is not None, principal.kind, client_id,
        )  # fmt: skip
        expires = float(principal.expires_at or 0)
        lifetime = max(0.0, expires - (principal.issued_at or 0))
        with self._lock:
            counter = self._counters.get(key)
            if counter is None:
                counter = self._new(key, at)
            elif counter.fresh and hour_of(counter.first) != hour_of(at):
                self._take(counter, at)
            counter.note(at, expires, lifetime, expires + leeway if expires else math.inf)
            return counter.tick

    def refused(self, key: RefusalKey, at: float) -> None:
        """Counts a refusal."""
        with self._lock:
            refusals, more = self._refusals, Refusals(1, at)
            refusals[key] = more.joined(refusals[key]) if key in refusals else more

    def take(self, now: float) -> Batch:
        """What was counted since it was last taken."""
        with self._lock:
            counters = list(self._counters.values())
        for counter in counters:
            with self._lock:  # each for itself, so that no request waits for all of them
                took = self._take(counter, now)
                if not took and counter.expires + GRACE < now:
                    self._counters.pop(counter.key, None)
        with self._lock:
            batch = Batch(uses=self._uses, refusals=self._refusals)
            self._uses, self._refusals = {}, {}
        return batch

    def forget(self, now: float) -> None:
        """Begins anew in a process that was forked; the parent hands on what was counted until now."""
        self._lock = Lock()
        for counter in self._counters.values():
            counter.take(now)
        self._uses, self._refusals = {}, {}

    def _new(self, key: UseKey, at: float) -> _Counter:
        if len(self._counters) >= self._most_counters:
            key = key._replace(client_id=OTHERS)
        return self._counters.setdefault(key, _Counter(key, at))

    def _take(self, counter: _Counter, now: float) -> bool:
        use = counter.take(now)
        if use is None:
            return False
        hour = hour_of(use.first)
        if self._clients[0] != hour:
            self._clients = (hour, set())
        clients, client_id = self._clients[1], counter.key.client_id
        if client_id not in clients and len(clients) >= self._most_clients:
            client_id = OTHERS
        elif client_id != OTHERS:
            clients.add(client_id)
        key = counter.key._replace(hour=hour, client_id=client_id)
        uses = self._uses
        uses[key] = use.joined(uses[key]) if key in uses else use
        return True
