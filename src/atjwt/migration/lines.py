"""How the lines of a ledger look, and how they are found again in a log.

A line of ours is a whole message: it stands alone, or behind what a collector puts before each line, or
it is the text in the JSON object that a collector makes of each line. What only contains one, such as
the access log of a request whose URL holds it, was written by somebody else.

With a key a line ends with an HMAC (RFC 2104, SHA-256) of what stands before it, and a line without is
none. Each counts once, by `instance` and `seq`; one that is cut off, has no right HMAC, or is missing
before another one of its instance, is counted as lost.
"""

import hmac
import json
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from typing import Any, Final

from atjwt.migration import rows
from atjwt.migration.account import Account, Origin

VERSION: Final = 1
"""Of the lines."""

LONGEST: Final = 4_000
"""Bytes of a line; POSIX promises 4,096 for a pipe on Linux."""

_FIELDS: Final = ("log", "message", "msg", "line", "MESSAGE", "textPayload")
"""In which collectors put a line."""

_MESSAGE: Final = re.compile(r'(?:[^"{}\r\n]*[ \t])?(\{.*)', re.DOTALL)
_INNER_MESSAGE: Final = re.compile(r"(\{.*)", re.DOTALL)
_BEGINNING: Final = re.compile(r'\{"atjwt_ledger": ?(\d{1,9})[,}]')
_FRAGMENT: Final = re.compile(
    r'\{"atjwt_ledger": ?\d{1,9}, ?"instance": ?"([^"\\]*)", ?"seq": ?(\d{1,15})[,}]'
    r'(?: ?"at": ?(\d{1,12}(?:\.\d{1,9})?)[,}])?'
)
_SIGNED: Final = re.compile(r'(.*), "hmac": "([0-9a-f]{64})"\}', re.DOTALL)

_Parts = tuple[str, int, float, Account]


class NewerVersion(Exception):
    """A line was written by a newer version."""


def packed(members: dict[str, list[object]]) -> list[dict[str, list[object]]]:
    """Spreads rows over as many lines as they need."""
    bodies: list[dict[str, list[object]]] = [{}]
    room = LONGEST - 400  # for the head, and the HMAC
    left = room
    for name, listed in members.items():
        for row in listed:
            size = len(json.dumps(row)) + 2
            if size > left and bodies[-1]:
                bodies.append({})
                left = room
            bodies[-1].setdefault(name, []).append(row)
            left -= size
    return bodies


def written(told: dict[str, object], key: bytes | None) -> str:
    """A line, in ASCII, with its end."""
    text = json.dumps(told)
    if key is not None:
        text = f'{text[:-1]}, "hmac": "{_hmac(text, key)}"}}'
    return text + "\n"


class Gathered:
    """What was read until now.

    key: with which lines must be signed; None: none must be. now: seconds since 1970.
    """

    def __init__(self, key: bytes | None, now: float) -> None:
        self._key = key
        self._now = now
        self._seen: dict[str, dict[int, float]] = {}
        self._cut: dict[tuple[str, int], float] = {}
        self._parts: list[Account] = []
        self._whole = Account()

    def add(self, lines: Iterable[str]) -> tuple[str, float] | None:
        """Reads a log. Returns what tells it from others, and when it was last written to.

        Raises OSError; NewerVersion.
        """
        marks: set[tuple[str, int]] = set()
        updated = 0.0
        for text in (message for line in lines for message in _messages(line)):
            parts = self._read(text)
            if parts is None:
                continue
            instance, seq, at, part = parts
            marks.add((instance, seq))
            updated = max(updated, at)
            known = self._seen.setdefault(instance, {})
            if seq not in known:
                known[seq] = at
                self._keep(part)
        if not marks:
            return None
        return sha256(repr(sorted(marks)).encode()).hexdigest()[:32], updated

    def account(self, origins: tuple[Origin, ...]) -> Account:
        """All of it."""
        lost = [_holes(seen) for seen in self._seen.values()]
        lost += [
            (1, at)
            for (instance, seq), at in self._cut.items()
            if seq > max(self._seen.get(instance, {}), default=0)
        ]
        missing = Account(
            origins=origins,
            lost=sum(count for count, _ in lost),
            lost_at=max((at for _, at in lost), default=0.0),
        )
        return Account.merged([self._whole, *self._parts, missing])

    def _keep(self, part: Account) -> None:
        self._parts.append(part)
        if len(self._parts) >= 1_000:
            self._whole = Account.merged([self._whole, *self._parts])
            self._parts.clear()

    def _read(self, text: str) -> _Parts | None:
        if self._key is None or _is_signed(text, self._key):
            if (beginning := _BEGINNING.match(text)) and int(beginning[1]) > VERSION:
                raise NewerVersion
            try:
                return _parts(json.loads(text))
            except (KeyError, TypeError, ValueError, RecursionError):
                pass
        if fragment := _FRAGMENT.match(text):
            at = float(fragment[3]) if fragment[3] else self._now
            self._cut.setdefault((fragment[1], int(fragment[2])), at)
        return None


def _messages(text: str, depth: int = 0) -> Iterator[str]:
    """The objects of ours that a line of a log is, in whatever a collector has put it."""
    if "atjwt_ledger" not in text:
        return
    message = (_INNER_MESSAGE if depth else _MESSAGE).fullmatch(text.strip())
    if message is None:
        return
    if _BEGINNING.match(message[1]):
        yield message[1]
    elif depth < 3:
        try:
            outer = json.loads(message[1])
        except (ValueError, RecursionError):
            return
        for inner in map(outer.get, _FIELDS):
            if isinstance(inner, str):
                yield from _messages(inner, depth + 1)


def _holes(seen: dict[int, float]) -> tuple[int, float]:
    """How many lines of an instance are missing, and when the one behind the last hole was written."""
    first = max(seen)
    while first - 1 in seen:
        first -= 1
    return max(seen) - len(seen), seen[first] if first > 1 else 0.0


def _is_signed(text: str, key: bytes) -> bool:
    signed = _SIGNED.fullmatch(text)
    return signed is not None and hmac.compare_digest(_hmac(signed[1] + "}", key), signed[2])


def _hmac(text: str, key: bytes) -> str:
    return hmac.digest(key, text.encode(errors="replace"), "sha256").hex()


def _parts(told: dict[str, Any]) -> _Parts:
    seq, at, lost = (
        rows.whole(told["seq"]),
        rows.number(told["at"]),
        rows.whole(told.get("lost", 0)),
    )
    if seq < 1 or lost < 0:
        raise ValueError("no such line")
    lines = {name: told.get(name, []) for name in ("uses", "refusals", "heartbeats")}
    part = Account(
        uses={rows.use_key(row[:8]): rows.use(row[8:]) for row in lines["uses"]},
        refusals={rows.refusal_key(row[:6]): rows.refusals(row[6:]) for row in lines["refusals"]},
        heartbeats=tuple(map(rows.heartbeat, lines["heartbeats"])),
        lost=lost,
        lost_at=at if lost else 0.0,
    )
    return rows.text(told["instance"]), seq, at, part
