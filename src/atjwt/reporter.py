"""Tells observers and the log what happened.

What an observer raises is swallowed and counted: nobody's metrics may cost a request. Nothing is
built where nobody listens.
"""

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, ParamSpec, TypeVar

import anyio

from atjwt.core.principal import Principal
from atjwt.errors import AuthError
from atjwt.events import (
    AccessDenied,
    Event,
    KeysFailed,
    KeysRefreshed,
    Listener,
    Observer,
    Tick,
    TokenAccepted,
    TokenRefused,
    fingerprint,
    joins,
    logger,
)

if TYPE_CHECKING:
    from atjwt.resource_server import ResourceServer

P = ParamSpec("P")
T = TypeVar("T")


class Reporter:
    """Hands events to the observers and writes the log.

    observers: those that are handed every event. listeners: those that are told of accepted tokens.
    errors: how many times one of them raised.
    """

    def __init__(self, observers: Collection[Observer] = ()) -> None:
        self.observers = tuple(each for each in observers if callable(each) and not joins(each))
        self.listeners: tuple[Listener, ...] = ()
        self.errors = 0
        self._joining = tuple(each for each in observers if joins(each))

    def join(self, resource_server: "ResourceServer") -> None:
        """Introduces a resource server that has been built. What an observer raises here is raised."""
        self.listeners = tuple(each.listener_for(resource_server) for each in self._joining)

    @property
    def is_heard(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self.observers or self.listeners)

    def emit(self, event: Event) -> None:
        """Hands an event to everybody."""
        everybody: tuple[Callable[[Event], object], ...] = (*self.observers, *self.listeners)
        for observer in everybody:
            self._call(observer, event)

    def emit_accepted(self, event: TokenAccepted) -> None:
        """Hands it to those who are handed every event; listeners are told in their own way."""
        for observer in self.observers:
            self._call(observer, event)

    def count(self, tick: Tick) -> None:
        """Counts one more request with a remembered token."""
        try:
            tick()
        except Exception as error:  # noqa: BLE001 - nobody's metrics may cost a request
            self._swallow(error)

    def start(self) -> None:
        """Tells the listeners that requests are to come."""
        for listener in self.listeners:
            self._call(listener.start)

    async def stop(self) -> None:
        """Tells the listeners that no more come, in another thread, since they may write something."""
        for listener in self.listeners:
            await anyio.to_thread.run_sync(self._call, listener.stop)

    def accepted(
        self, principal: Principal, mark: str, at: float, notes: tuple[str, ...]
    ) -> Tick | None:
        """Reports a token that was verified and held; a line in the log if it is unusual.

        Returns what is to be called each time it comes again.
        """
        if notes:
            logger.info(
                "accepted with notes=%s token=%s issuer=%s profile=%s",
                ", ".join(notes), mark, principal.issuer, principal.profile,
                extra={"event": "token_accepted", "notes": notes, "fingerprint": mark},
            )  # fmt: skip
        if self.observers:
            self.emit_accepted(
                TokenAccepted(
                    at=at,
                    principal=principal,
                    fingerprint=mark,
                    remembered=False,
                    notes=notes,
                )
            )
        called = [self._call(listener.accepted, principal, at) for listener in self.listeners]
        ticks = [tick for tick in called if tick is not None]
        if len(ticks) < 2:
            return ticks[0] if ticks else None

        def each() -> None:
            for tick in ticks:
                self.count(tick)

        return each

    def _call(self, told: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        try:
            return told(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - as above
            self._swallow(error)
            return None

    def _swallow(self, error: Exception) -> None:
        self.errors += 1
        if self.errors == 1:
            logger.error("an observer raised; from here on it is counted only", exc_info=error)

    def refused(
        self,
        error: AuthError,
        token: bytes | None,
        at: float,
        *,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Reports a request that was not let in."""
        error.reported = True
        if not self.is_heard and not logger.isEnabledFor(logging.INFO):
            return
        mark = None if token is None else fingerprint(token)
        where = {"method": _safe(method), "path": _safe(path)}
        logger.info(
            "refused reason=%s detail=%r token=%s issuer=%s profile=%s method=%s path=%s",
            error.reason, error.detail, mark or "-", error.issuer or "-", error.profile or "-",
            where["method"] or "-", _quoted(path),
            extra={"event": "token_refused", "reason": error.reason.value, "fingerprint": mark,
                   "issuer": error.issuer, "profile": error.profile, **where},
        )  # fmt: skip
        if self.is_heard:
            self.emit(
                TokenRefused(
                    at=at, reason=error.reason, detail=error.detail, fingerprint=mark,
                    issuer=error.issuer, profile=error.profile, **where,
                )
            )  # fmt: skip

    def denied(
        self,
        error: AuthError,
        principal: Principal | None,
        policy: str,
        token: bytes | None,
        at: float,
        *,
        method: str | None = None,
        path: str | None = None,
    ) -> None:
        """Reports a policy that was not met."""
        error.reported = True
        if not self.is_heard and not logger.isEnabledFor(logging.INFO):
            return
        mark = None if token is None else fingerprint(token)
        where = {"method": _safe(method), "path": _safe(path)}
        logger.info(
            "denied reason=%s detail=%r policy=%r token=%s issuer=%s profile=%s kind=%s method=%s"
            " path=%s",
            error.reason, error.detail, policy, mark or "-",
            principal.issuer if principal else "-", principal.profile if principal else "-",
            principal.kind if principal else "-",
            where["method"] or "-", _quoted(path),
            extra={"event": "access_denied", "reason": error.reason.value, "policy": policy,
                   "fingerprint": mark, **where},
        )  # fmt: skip
        if self.is_heard:
            self.emit(
                AccessDenied(
                    at=at, reason=error.reason, detail=error.detail, policy=policy,
                    principal=principal, fingerprint=mark, **where,
                )
            )  # fmt: skip

    def refreshed(self, event: KeysRefreshed, *, after_failure: bool) -> None:
        """Reports fetched keys; a line in the log if that is news."""
        if after_failure:
            logger.warning(
                "keys again issuer=%s keys=%d", event.issuer, event.keys,
                extra={"event": "keys_refreshed", "issuer": event.issuer},
            )  # fmt: skip
        for why in event.skipped:
            logger.debug("key skipped issuer=%s why=%r", event.issuer, why)
        self.emit(event)

    def failed(self, event: KeysFailed, *, news: bool) -> None:
        """Reports keys that could not be fetched; a line in the log if that is news."""
        if news:
            logger.error(
                "keys cannot be fetched issuer=%s cause=%r usable_for=%.0f retry_after=%.0f",
                event.issuer, event.cause, event.usable_for, event.retry_after,
                extra={"event": "keys_failed", "issuer": event.issuer, "cause": event.cause},
            )  # fmt: skip
        self.emit(event)


def _quoted(text: str | None) -> str:
    # In quotes, so that a blank in it cannot begin what looks like a field of ours.
    return "-" if text is None else ascii(text[:200])


def _safe(text: str | None) -> str | None:
    # A path is the stranger's own text: made printable and cut, so that it cannot forge a line.
    return None if text is None else ascii(text[:200])[1:-1]
