"""What happened, for logs, ledgers and metrics.

Observers are callables that are handed frozen events, in the thread where the thing happened. What
an observer raises is swallowed and counted: nobody's metrics may cost a request. Nothing is built
where nobody listens. No event holds a token; `fingerprint`, the first 16 hex digits of the token's
SHA-256, tells one from another.

The log (`logging.getLogger("atjwt")`) has one line at INFO for each refusal, written so that 'why
was this call refused at 14:03' can be answered from it alone, and one at ERROR or WARNING for each
change in whether an issuer's keys can be had. `extra` holds the same as fields.
"""

import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from hashlib import sha256

from atjwt.core.principal import Principal
from atjwt.errors import AuthError, Reason

logger = logging.getLogger("atjwt")
logger.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    at: when, in seconds since 1970, by the resource server's clock.
    """

    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenAccepted(Event):
    """A token held.

    remembered: it was verified before, and nothing has changed since.
    notes: what is unusual about it; empty for a remembered one.
    """

    principal: Principal
    fingerprint: str
    remembered: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRefused(Event):
    """A request was not let in because of what it sent, or because the keys could not be had.

    fingerprint: None where there was no token.
    issuer, profile: as far as the judgement came.
    method, path: of the request, where there was one.
    """

    reason: Reason
    detail: str
    fingerprint: str | None
    issuer: str | None
    profile: str | None
    method: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessDenied(Event):
    """A token held, and did not allow what was asked; or nothing was sent where something must be.

    policy: the policy, printed.
    method, path: of the request, where there was one.
    """

    reason: Reason
    detail: str
    policy: str
    principal: Principal | None
    fingerprint: str | None = None
    method: str | None = None
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysRefreshed(Event):
    """An issuer's keys were fetched.

    keys: how many are in hand now. skipped: why others are not.
    """

    issuer: str
    keys: int
    skipped: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysFailed(Event):
    """An issuer's keys could not be fetched.

    cause: why. failures: how often in a row. retry_after: seconds to the next attempt.
    usable_for: seconds for which the keys in hand still serve; 0 where there are none.
    """

    issuer: str
    cause: str
    failures: int
    retry_after: float
    usable_for: float


Observer = Callable[[Event], object]


def fingerprint(token: bytes) -> str:
    """What identifies a token in logs and events: 16 hex digits of its SHA-256."""
    return sha256(token).hexdigest()[:16]


class Reporter:
    """Hands events to the observers and writes the log.

    errors: how many times an observer raised.
    """

    def __init__(self, observers: Collection[Observer] = ()) -> None:
        self.observers = tuple(observers)
        self.errors = 0

    def emit(self, event: Event) -> None:
        """Hands an event to every observer."""
        for observer in self.observers:
            try:
                observer(event)
            except Exception:
                self.errors += 1
                if self.errors == 1:
                    logger.exception("an observer raised; from here on it is counted only")

    def accepted(self, principal: Principal, mark: str, at: float, notes: tuple[str, ...]) -> None:
        """Reports a token that was verified and held; a line in the log if it is unusual."""
        if notes:
            logger.info(
                "accepted with notes=%s token=%s issuer=%s profile=%s",
                ", ".join(notes), mark, principal.issuer, principal.profile,
                extra={"event": "token_accepted", "notes": notes, "fingerprint": mark},
            )  # fmt: skip
        if self.observers:
            self.emit(
                TokenAccepted(
                    at=at,
                    principal=principal,
                    fingerprint=mark,
                    remembered=False,
                    notes=notes,
                )
            )

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
        if not self.observers and not logger.isEnabledFor(logging.INFO):
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
        if self.observers:
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
        if not self.observers and not logger.isEnabledFor(logging.INFO):
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
        if self.observers:
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
