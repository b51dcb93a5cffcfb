"""Fetches and keeps one issuer's keys.

The decisions are made by the table in `core/jwks.py`; this file does what it says. At most one
fetch of an issuer is under way, a *flight*, whatever event loops, threads and sync callers wait for
it: it runs on an event loop of its own in a short-lived daemon thread, so that neither a waiter that
leaves nor a loop that ends can take it along, and a slow issuer never blocks the caller's loop. The
whole flight, metadata and keys together, has one deadline. A flight that fails changes nothing but
the time of the next attempt.

    look()  → the key for a token, or a flight to wait for, or an error
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from random import uniform

from atjwt.core.jwk import VerificationKey
from atjwt.core.jwks import Step, next_step, select_key
from atjwt.core.key_record import KeyRecord, failed, refreshed
from atjwt.core.key_set import KeySet, parse_key_set
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.discovery import fetch_metadata
from atjwt.errors import InvalidToken, KeysUnavailable, Reason
from atjwt.events import KeysFailed, KeysRefreshed, logger
from atjwt.fetch import Fetch, FetchFailed, HttpFetcher, max_age_of, seconds_of
from atjwt.flight import Flight
from atjwt.health import IssuerHealth, State
from atjwt.reporter import Reporter

DAY = 86_400.0
MAX_REMEMBERED = 256
"""How many unknown key ids are remembered."""
_GRACE = 1.0  # seconds past its deadline after which a flight is given up for lost


class JwksClient:
    """The keys of one issuer.

    fetch: how documents are had; the default goes over HTTP.
    clock: seconds of the wall clock.
    """

    def __init__(
        self,
        issuer: TrustedIssuer,
        *,
        clock: Callable[[], float],
        reporter: Reporter,
        fetch: Fetch | None = None,
    ) -> None:
        self.issuer = issuer
        self.clock = clock
        self.fetch = fetch or HttpFetcher(max_bytes=issuer.key_policy.max_bytes)
        self.record = KeyRecord()
        self.launched = 0
        self._reporter = reporter
        self._spread = uniform(0.6, 0.8)  # noqa: S311 - keeps processes apart, guards nothing
        self._lock = threading.Lock()
        self._flight: Flight | None = None
        self._flight_is_ahead = False  # whether it was started while the keys were fresh
        self._unknown: dict[str | None, tuple[float, float]] = {}
        self._untold: deque[KeysFailed] = deque()
        self._dark = False  # whether it was told that nothing can be judged
        self._jwks_uri = issuer.jwks_uri
        self._metadata_at: float | None = None
        if issuer.unsafe_http and "http:" in {
            url[:5] for url in (issuer.issuer, issuer.jwks_uri or "")
        }:
            logger.warning("keys are fetched without TLS issuer=%s", issuer.issuer)
        if issuer.static_keys is not None:
            eternity = float("inf")
            self.record = KeyRecord(
                keys=issuer.static_keys, fetched_at=-eternity,
                refresh_at=eternity, fresh_until=eternity, stale_until=eternity,
            )  # fmt: skip

    def holds(self, key: VerificationKey, now: float) -> bool:
        """Whether a key is still one of the issuer's, for a token that was verified before.

        Starts a refresh when one is due, and does not wait for it.
        """
        record = self.record
        if now >= record.stale_until or record.keys is None or key not in record.keys.members:
            return False
        if record.overdue(now):
            return False  # the full path waits for the keys
        if record.due(now) and not record.waiting(now):
            self.refresh_if_due()
        return True

    def look(
        self, kid: str | None, alg: str, arrived: int, after: Flight | None = None
    ) -> VerificationKey | Flight:
        """The one key for a token, or the flight to wait for before looking again.

        kid, alg: of the token's header.
        arrived: how many flights had been started when the token came. A later one answers for it.
        after: the flight that was waited for.
        Raises InvalidToken: none or several fit. KeysUnavailable: that cannot be said now.
        """
        now = self.clock()
        record = self.record
        if record.keys is not None and not record.due(now):
            key = record.keys.only.get((kid, alg))
            if key is not None:
                return key
        if self.issuer.static_keys is not None:
            return select_key(self.issuer.static_keys, kid=kid, alg=alg)  # nothing is ever fetched
        try:
            with self._lock:
                return self._decide(kid, alg, arrived, after)
        finally:
            self._tell()

    def _decide(
        self, kid: str | None, alg: str, arrived: int, after: Flight | None
    ) -> VerificationKey | Flight:
        """As `look`, by the decision table. The lock is held."""
        now = self._now_and_then()
        record = self.record
        keys = record.usable(now)
        known = keys is not None and keys.knows(kid, alg)
        step = next_step(record, now, known=known, remembered=self._remembers(kid, now))
        if known and keys is not None:
            answered = after is not None and after.number > arrived
            ahead = self._flight is not None and self._flight_is_ahead
            if step is Step.FETCH and not answered and not ahead:
                return self._start(now)
            if step is Step.REFRESH:
                self._start(now)
            return select_key(keys, kid=kid, alg=alg)
        if step is Step.FETCH and not self._answered(kid, arrived, after, now):
            return self._start(now, forced=keys is not None)
        if step is Step.UNKNOWN or (keys is not None and not record.failures):
            raise InvalidToken(Reason.UNKNOWN_KEY, "the issuer has no key of that kid")
        raise self._unavailable(record, now)

    def health(self, now: float) -> IssuerHealth:
        """How this issuer's keys stand. Starts a fetch where there are none, and waits for nothing."""
        record = self.record
        usable = record.usable(now)
        if usable is None and not record.waiting(now):
            self.refresh_if_due()
        state: State
        state = "none" if usable is None else "fresh" if now < record.fresh_until else "stale"
        return IssuerHealth(
            self.issuer.issuer, state, 0 if usable is None else len(usable.keys), record.failures
        )

    def refresh_if_due(self) -> Flight | None:
        """Starts a fetch, or joins the one under way, if it is time for one and none is forbidden."""
        try:
            with self._lock:
                now = self._now_and_then()
                if not self.record.due(now) or self.record.waiting(now):
                    return None
                return self._start(now)
        finally:
            self._tell()

    def _answered(self, kid: str | None, arrived: int, after: Flight | None, now: float) -> bool:
        """Whether the flight waited for was later than the token, so that its word is final."""
        if after is None or after.number <= arrived:
            return False
        if not self.record.failures:
            if len(self._unknown) >= MAX_REMEMBERED:
                self._unknown.pop(next(iter(self._unknown)))
            self._unknown[kid] = (now, now + self.issuer.key_policy.cooldown)
        return True

    def _remembers(self, kid: str | None, now: float) -> bool:
        since, until = self._unknown.get(kid, (0.0, 0.0))
        return since <= now < until

    def _unavailable(self, record: KeyRecord, now: float) -> KeysUnavailable:
        wait = record.retry_at - now if record.waiting(now) else 1.0
        return KeysUnavailable(
            detail="the issuer's keys cannot be fetched", retry_after=max(1.0, wait)
        )

    def _now_and_then(self) -> float:
        """The time, after a flight that was lost has been given up. The lock is held."""
        now = self.clock()
        flight = self._flight
        if flight is not None and flight.patience <= 0:
            # Its thread was lost in a fork, or is stuck in somebody's fetch.
            self._fail(flight, FetchFailed("no answer, and no end"), now)
        return now

    def _start(self, now: float, *, forced: bool = False) -> Flight:
        """Starts a flight, or joins the one under way. The lock is held."""
        if self._flight is not None:
            return self._flight
        timeout = self.issuer.key_policy.timeout
        self._flight_is_ahead = not self.record.overdue(now)
        self.launched += 1
        self._flight = flight = Flight(self.launched, timeout + min(_GRACE, timeout))
        thread = threading.Thread(
            target=self._fly, args=(flight, forced), name="atjwt-keys", daemon=True
        )
        try:
            thread.start()
        except RuntimeError:  # as good as an issuer that cannot be reached
            self._fail(flight, FetchFailed("no thread can be started"), now)
        return flight

    def _fly(self, flight: Flight, forced: bool) -> None:  # noqa: FBT001 - a thread's argument
        try:
            runner = asyncio.Runner()
            runner.get_loop()
        except OSError:  # no more file descriptors: as good as an issuer that cannot be reached
            self._land_badly(flight, FetchFailed("no event loop can be made"))
            return
        try:
            with runner:
                runner.run(self._journey(flight, forced=forced))
        finally:
            self._land_badly(flight, FetchFailed("the fetch came to no end"))

    async def _journey(self, flight: Flight, *, forced: bool) -> None:
        try:
            async with asyncio.timeout(self.issuer.key_policy.timeout):
                keys, max_age = await self._fetch_keys()
        except TimeoutError:
            self._land_badly(flight, FetchFailed("no answer within the time limit"))
            await self._look_for_move()
        except FetchFailed as failure:
            self._land_badly(flight, failure)
        except BaseException as error:  # noqa: BLE001 - whatever it is, nobody else waits for it here
            self._land_badly(flight, FetchFailed(type(error).__name__))
        else:
            self._land_well(flight, keys, max_age, forced=forced)
            await self._look_for_move()

    async def _fetch_keys(self) -> tuple[KeySet, float | None]:
        known = self._jwks_uri
        if known is None:
            return await self._fetch_from(await self._read_metadata())
        try:
            return await self._fetch_from(known)
        except Exception as error:
            moved = isinstance(error, FetchFailed) and error.status in {404, 410}
            if self.issuer.jwks_uri is not None or not (moved or self._may_have_moved()):
                raise
            uri = await self._read_metadata()
            if uri == known and not moved:
                raise
            return await self._fetch_from(uri)

    async def _fetch_from(self, uri: str) -> tuple[KeySet, float | None]:
        status, headers, body = await self.fetch(uri)
        if status != 200:
            retry_after = headers.get("retry-after", "")
            raise FetchFailed(f"keys: answered {status}", status=status, retry_after=retry_after)
        if len(body) > self.issuer.key_policy.max_bytes:
            raise FetchFailed("keys: more bytes than are read")
        try:
            return parse_key_set(body), max_age_of(headers.get("cache-control"))
        except ValueError as error:
            raise FetchFailed(f"keys: {error}") from None

    async def _read_metadata(self) -> str:
        metadata = await fetch_metadata(self.issuer, self.fetch)
        self._jwks_uri, self._metadata_at = metadata.jwks_uri, self.clock()
        return metadata.jwks_uri

    def _may_have_moved(self) -> bool:
        """Whether to look where the keys are: once a day, and whenever there are none to use."""
        now, read_at = self.clock(), self._metadata_at
        if read_at is None:
            return False
        if read_at <= now < read_at + DAY and self.record.usable(now) is not None:
            return False
        self._metadata_at = now
        return True

    async def _look_for_move(self) -> None:
        """Looks once a day whether the keys have moved; the keys never wait for it."""
        if not self._may_have_moved():
            return
        try:
            async with asyncio.timeout(self.issuer.key_policy.timeout):
                await self._read_metadata()
        except Exception:  # noqa: BLE001 - what is remembered still serves; tomorrow is another day
            return

    def _land_well(
        self, flight: Flight, keys: KeySet, max_age: float | None, *, forced: bool
    ) -> None:
        now = self.clock()
        with self._lock:
            if self._flight is not flight:
                return  # given up for lost; another one is or was under way
            before = self.record
            self.record = record = refreshed(
                before, keys, self.issuer.key_policy, now,
                max_age=max_age, spread=self._spread, forced=forced,
            )  # fmt: skip
            self._flight = None
            self._dark = False
        flight.land()
        event = KeysRefreshed(
            at=now, issuer=self.issuer.issuer, keys=len(keys.keys), skipped=keys.skipped
        )
        self._reporter.refreshed(event, after_failure=before.failures > record.failures)

    def _land_badly(self, flight: Flight, failure: FetchFailed) -> None:
        with self._lock:
            self._fail(flight, failure, self.clock())
        self._tell()

    def _fail(self, flight: Flight, failure: FetchFailed, now: float) -> None:
        """Records a bad landing, unless the flight has landed or was given up. The lock is held."""
        if self._flight is flight:
            wait = seconds_of(failure.retry_after, now) if failure.status == 429 else None
            self.record = record = failed(
                self.record, self.issuer.key_policy, now, retry_after=wait
            )
            self._flight = None
            usable_for = max(0.0, record.stale_until - now) if record.keys else 0.0
            self._untold.append(
                KeysFailed(
                    at=now, issuer=self.issuer.issuer, cause=str(failure),
                    failures=record.failures, retry_after=record.retry_at - now,
                    usable_for=usable_for,
                )
            )  # fmt: skip
        flight.land()

    def _tell(self) -> None:
        """Reports what has failed. The lock is not held: an observer may call us."""
        while self._untold:
            try:
                event = self._untold.popleft()
            except IndexError:
                return  # another thread told it
            dark = event.usable_for == 0
            self._reporter.failed(event, news=event.failures == 1 or (dark and not self._dark))
            self._dark = dark
