"""The ledger of a service: an observer that counts, in each process, and writes it down now and then.

    request → counter (`tally.py`) → every few seconds → batch (`writer.py`) → store

No request waits for the store, and none is disturbed by it. The thread that writes is started by the
first request, or by the middleware when the app starts, never by an import. What is not written yet
is written when the app shuts down, or else when the interpreter exits. A process that was forked is
one of its own, under another name.
"""

import atexit
import os
import socket
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from secrets import token_hex
from typing import TYPE_CHECKING, Final
from weakref import WeakSet

from atjwt.core.configuration import number_problems
from atjwt.core.principal import Principal
from atjwt.errors import ConfigurationError
from atjwt.events import AccessDenied, Event, Tick, TokenRefused
from atjwt.migration.account import HOUR, Heartbeat, RefusalKey, in_part
from atjwt.migration.pruning import hour_of
from atjwt.migration.store import LedgerError, Store
from atjwt.migration.stores import open_store
from atjwt.migration.tally import LONGEST_TEXT, Tally
from atjwt.migration.writer import Heartbeats, Writer

if TYPE_CHECKING:
    from atjwt.resource_server import ResourceServer

_ROWS_PER_CLIENT: Final = 10  # of the clients told apart, kept while the store is away


class Ledger:
    """Counts which tokens a service is sent (`ResourceServer(observers=[Ledger(…)])`).

    store: where to, a URL (`atjwt.migration.stores`) or a `Store`.
    service: its name, the same in all of its processes.
    instance: what stands for the host in the name of a process; default its own name. A process
        adds its number and a random mark.
    interval: seconds between two writes; default 10, or 60 where lines are written. With 0 no thread
        is started, and `flush` writes.
    most_clients: how many clients one process tells apart within an hour.
    clock: the wall clock, seconds since 1970.

    May be shared by several resource servers, and by threads. A fork waits for a write under way, two
    seconds at most, where the store hangs. Raises ConfigurationError: every problem, with its fix.
    What the store raises later is logged when it begins and when it ends.
    """

    def __init__(
        self,
        store: str | Store,
        *,
        service: str,
        instance: str | None = None,
        interval: float | None = None,
        most_clients: int = 1_000,
        clock: Callable[[], float] = time.time,
    ) -> None:
        problems = _name_problems("service", service)
        problems += [] if instance is None else _name_problems("instance", instance)
        if interval is not None:
            problems += number_problems("interval", interval, 0, HOUR)
        problems += number_problems("most_clients", most_clients, 1, 10**5, whole=True)
        if not callable(clock):
            problems.append("clock: give a function that returns seconds, such as time.time")
        if not isinstance(store, str) and not callable(getattr(store, "write", None)):
            problems.append("store: give a URL, such as sqlite:///ledger.db")
        try:
            self.store = open_store(store, clock=clock) if isinstance(store, str) else store
        except ConfigurationError as error:
            problems += error.problems
        except LedgerError as error:
            problems.append(str(error))
        if problems:
            raise ConfigurationError(f"Ledger: {problem}" for problem in problems)
        self.service = service
        self.interval = float(getattr(self.store, "interval", 10) if interval is None else interval)
        self.clock = clock
        self.tally = Tally(service, most_clients)
        self._host = instance or socket.gethostname() or "host"
        self._most_rows = most_clients * _ROWS_PER_CLIENT
        self._listeners: WeakSet[_Listener] = WeakSet()
        self.instance = self._named()
        self.writer = self._new_writer()
        _LEDGERS.add(self)

    def __repr__(self) -> str:
        return f"<Ledger {self.store.name} service={self.service!r}>"

    def listener_for(self, resource_server: "ResourceServer") -> "_Listener":
        """See `atjwt.events.Joining`."""
        listener = _Listener(self, resource_server)
        self._listeners.add(listener)
        return listener

    def flush(self) -> None:
        """Writes what was counted, now. Raises LedgerError: it could not be; it is kept."""
        self.writer.write()

    def close(self) -> None:
        """Writes what was counted, says that this process ends, and lets the store go.

        Takes about two seconds at most, and raises nothing. A request that comes all the same is
        counted, and begins it anew.
        """
        for listener in list(self._listeners):
            listener.is_running = False
        self.writer.settle()
        with suppress(LedgerError):
            self.store.close()

    def renew(self) -> None:
        """In a process that was forked: nothing was counted yet, and the parent is another one."""
        self.instance = self._named()
        self.tally.forget(self.clock())
        self.writer = self._new_writer()
        for listener in list(self._listeners):
            listener.is_running = False

    def _named(self) -> str:
        # A number comes again, on a host and in every container; the mark does not.
        return f"{self._host}:{os.getpid()}:{token_hex(3)}"

    def _new_writer(self) -> Writer:
        return Writer(
            self.store, self.tally, self._heartbeats,
            interval=self.interval, most_rows=self._most_rows, clock=self.clock,
        )  # fmt: skip

    def _heartbeats(self, now: float) -> Heartbeats:
        beats: dict[tuple[str, str, str, str], list[Heartbeat]] = {}
        for listener in list(self._listeners):
            for beat in listener.heartbeats(now) if listener.is_running else ():
                beats.setdefault(beat.key, []).append(beat)
        return {key: _together(same) for key, same in beats.items()}


class _Listener:
    """What a ledger hears of one resource server. See `atjwt.events.Listener`."""

    def __init__(self, ledger: Ledger, resource_server: "ResourceServer") -> None:
        names = resource_server.audience
        self._ledger = ledger
        self._audience = (names,) if isinstance(names, str) else tuple(names)
        self._leeway = resource_server.leeway
        self._profiles = {
            issuer.issuer: tuple(sorted(str(profile) for profile in issuer.profiles))
            for issuer in resource_server.issuers
        }
        self._started = 0.0
        self.is_running = False

    def start(self) -> None:
        if not self.is_running:
            self._started = self._ledger.clock()
            self.is_running = True
            self._ledger.writer.begin()
        elif self._ledger.writer.has_fallen:
            self._ledger.writer.begin()

    def stop(self) -> None:
        if self.is_running:
            self.is_running = False
            self._ledger.writer.settle()

    def accepted(self, principal: Principal, at: float) -> Tick:
        tick = self._ledger.tally.accepted(self._audience[0], principal, at, self._leeway)
        self.start()
        return tick

    def __call__(self, event: Event) -> None:
        if isinstance(event, TokenRefused):
            issuer, profile = event.issuer, event.profile
        elif isinstance(event, AccessDenied):
            who = event.principal
            issuer, profile = (who.issuer, str(who.profile)) if who else (None, None)
        else:
            return
        key = RefusalKey(
            hour_of(event.at), self._ledger.service, issuer or "", self._audience[0],
            profile or "", event.reason.value,
        )  # fmt: skip
        self._ledger.tally.refused(key, event.at)
        self.start()

    def heartbeats(self, now: float) -> list[Heartbeat]:
        """One for each issuer."""
        return [
            Heartbeat(
                service=self._ledger.service,
                instance=self._ledger.instance,
                issuer=issuer,
                audience=self._audience,
                profiles=profiles,
                leeway=self._leeway,
                started=self._started,
                at=now,
                interval=self._ledger.interval,
            )
            for issuer, profiles in self._profiles.items()
        ]


def _together(beats: Sequence[Heartbeat]) -> Heartbeat:
    """Of several resource servers for one API: the process accepts what all do, the rest in part."""
    if len(beats) == 1:
        return beats[0]
    profiles = [{*beat.profiles} for beat in beats]
    accepted = set.intersection(*profiles)
    partly = {in_part(profile) for profile in set.union(*profiles) - accepted}
    return replace(
        beats[0],
        audience=(
            beats[0].audience[0],
            *sorted({name for beat in beats for name in beat.audience[1:]}),
        ),
        profiles=tuple(sorted(accepted | partly)),
        leeway=max(beat.leeway for beat in beats),
        started=min(beat.started for beat in beats),
    )


def _name_problems(what: str, name: object) -> list[str]:
    if isinstance(name, str) and name.strip() and name.isprintable() and len(name) <= LONGEST_TEXT:
        return []
    return [f"{what}: give a name of printable characters, {LONGEST_TEXT} at most"]


_LEDGERS: Final[WeakSet[Ledger]] = WeakSet()


def _of_each(method: Callable[[Ledger], None]) -> Callable[[], None]:
    def called() -> None:
        for ledger in list(_LEDGERS):
            method(ledger)

    return called


atexit.register(_of_each(Ledger.close))
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_of_each(lambda ledger: ledger.writer.hold()),
        after_in_parent=_of_each(lambda ledger: ledger.writer.let_go()),
        after_in_child=_of_each(Ledger.renew),
    )
