"""How a ledger's values are written down, as rows and as JSON, and read back, whatever is there.

What is read was written by somebody: each function that reads raises ValueError, TypeError or
KeyError where it is not what was expected, and LedgerError where a newer version wrote it.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Final, get_args

from atjwt.migration.account import (
    Heartbeat,
    RefusalKey,
    Refusals,
    Step,
    StepName,
    Use,
    UseKey,
)
from atjwt.migration.store import LedgerError

_STEP_NAMES: Final[tuple[StepName, ...]] = get_args(StepName)


def dumped(value: Heartbeat | Step) -> str:
    """A heartbeat or a step as JSON, in ASCII; the same value always as the same text."""
    return json.dumps(asdict(value), separators=(",", ":"))


def use_key(row: Sequence[object]) -> UseKey:
    """Reads the eight members in their order; `permissions` may be a number."""
    hour, service, issuer, audience, profile, permissions, kind, client_id = row
    return UseKey(
        whole(hour), text(service), text(issuer), text(audience), text(profile),
        bool(whole(permissions)), text(kind), text(client_id),
    )  # fmt: skip


def use(row: Sequence[object]) -> Use:
    """Reads the five members in their order."""
    requests, first, last, expires, lifetime = row
    return Use(whole(requests), number(first), number(last), number(expires), number(lifetime))


def refusal_key(row: Sequence[object]) -> RefusalKey:
    """Reads the six members in their order."""
    hour, service, issuer, audience, profile, reason = row
    return RefusalKey(
        whole(hour), text(service), text(issuer), text(audience), text(profile), text(reason)
    )


def refusals(row: Sequence[object]) -> Refusals:
    """Reads the two members in their order."""
    requests, last = row
    return Refusals(whole(requests), number(last))


def heartbeat(body: object) -> Heartbeat:
    """Reads JSON, or what JSON holds. Members that a later version adds are passed over."""
    told = _object(body)
    audience = _texts(told["audience"])
    if not audience:
        raise ValueError("a heartbeat without audience")
    return Heartbeat(
        service=text(told["service"]),
        instance=text(told["instance"]),
        issuer=text(told["issuer"]),
        audience=audience,
        profiles=_texts(told["profiles"]),
        leeway=number(told["leeway"]),
        started=number(told["started"]),
        at=number(told["at"]),
        interval=number(told["interval"]),
        stopped=_flag(told["stopped"]),
    )


def step(body: object) -> Step:
    """Reads JSON, or what JSON holds. Members that a later version adds are passed over."""
    told = _object(body)
    whole = Step(
        name="begun",
        at=number(told["at"]),
        issuer=text(told["issuer"]),
        audience=text(told["audience"]),
        before=text(told["before"]),
        after=text(told["after"]),
        lifetime=number(told["lifetime"]),
        margin=number(told["margin"]),
        undo=_flag(told["undo"]),
        external=_flag(told["external"]),
    )
    name = text(told["name"])
    for known in _STEP_NAMES:
        if known == name:
            return replace(whole, name=known)
    raise LedgerError(
        "a step in the ledger was written by a newer version of atjwt: install that one here too"
    )


def _object(body: object) -> dict[str, object]:
    told = json.loads(body) if isinstance(body, str | bytes) else body
    if not isinstance(told, dict):
        raise TypeError("no JSON object")
    return told


def text(value: object) -> str:
    """Reads a string."""
    if not isinstance(value, str):
        raise TypeError("no text")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError("no list")
    return tuple(text(item) for item in value)


def whole(value: object) -> int:
    """Reads a whole number."""
    if not isinstance(value, int):  # booleans are numbers here
        raise TypeError("no whole number")
    return value


def number(value: object) -> float:
    """Reads a number that is finite."""
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("no number")
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError("no truth value")
    return value
