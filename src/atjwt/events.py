"""What happened, for logs, ledgers and metrics.

Observers are callables that are handed frozen events, in the thread where the thing happened. What
an observer raises is swallowed and counted: nobody's metrics may cost a request. Nothing is built
where nobody listens. No event holds a token; `fingerprint`, the first 16 hex digits of the token's
SHA-256, tells one from another. An observer that only counts, such as a ledger, is a `Joining` one:
it is given the resource server, and told of remembered tokens in a way that costs next to nothing.

The log (`logging.getLogger("atjwt")`) has one line at INFO for each refusal, written so that 'why
was this call refused at 14:03' can be answered from it alone, and one at ERROR or WARNING for each
change in whether an issuer's keys can be had. `extra` holds the same as fields.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Protocol, TypeGuard

from atjwt.core.principal import Principal
from atjwt.errors import Reason

if TYPE_CHECKING:
    from atjwt.resource_server import ResourceServer

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


Tick = Callable[[], object]
"""Counts one more request with a token that is remembered."""


class Listener(Protocol):
    """Hears of one resource server. Accepted tokens are told it in a way that costs next to nothing
    while they are remembered; every other event is handed to it.
    """

    def __call__(self, event: Event) -> object:
        """Takes an event; never a `TokenAccepted`."""

    def accepted(self, principal: Principal, at: float) -> Tick:
        """Takes note of a token that was verified, and returns what is called each time it comes again.

        at: seconds since 1970. What is returned is called by any thread, and by several at once.
        """

    def start(self) -> None:
        """Requests are to come."""

    def stop(self) -> None:
        """No more requests come."""


class Joining(Protocol):
    """An observer that is given the resource server, such as a ledger. It may have several."""

    def listener_for(self, resource_server: "ResourceServer") -> Listener:
        """What listens to this one; called once, when it has been built."""


Observer = Callable[[Event], object] | Joining


def joins(observer: object) -> TypeGuard[Joining]:
    """Whether an observer is given the resource server."""
    return callable(getattr(type(observer), "listener_for", None))


def fingerprint(token: bytes) -> str:
    """What identifies a token in logs and events: 16 hex digits of its SHA-256."""
    return sha256(token).hexdigest()[:16]
