"""Something that a plan has found, and whether it stands in the way."""

from dataclasses import dataclass
from typing import Literal

Matter = Literal["api", "instances", "routes", "tokens", "clients", "ledger"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """blocks: whether to switch now would hurt. text: what is so. fix: what to do; empty if nothing."""

    matter: Matter
    blocks: bool
    text: str
    fix: str = ""


def blocker(matter: Matter, text: str, fix: str) -> Finding:
    """Stands in the way."""
    return Finding(matter=matter, blocks=True, text=text, fix=fix)


def note(matter: Matter, text: str, fix: str = "") -> Finding:
    """Should be known."""
    return Finding(matter=matter, blocks=False, text=text, fix=fix)
