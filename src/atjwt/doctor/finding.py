"""What the doctor says: one thing that was looked at, whether it is well, and how to mend it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "PROBLEM"]
"""Well; or it will be trouble some day; or valid tokens are refused, or a route stands open."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    area: of what: `here`, an issuer or an app. fix: what to do; empty where all is well.
    """

    area: str
    level: Level
    sentence: str
    fix: str = ""


Remark = tuple[Level, str, str]
"""A finding without its area: level, sentence, fix."""

Remarks = Iterator[Remark]


def ok(sentence: str) -> Remark:
    """It is well."""
    return "ok", sentence, ""


def warning(sentence: str, fix: str) -> Remark:
    """It will be trouble some day, or for some."""
    return "warning", sentence, fix


def problem(sentence: str, fix: str) -> Remark:
    """Valid tokens are refused by it, or somebody gets in who should not."""
    return "PROBLEM", sentence, fix


def shown(text: object, most: int = 200) -> str:
    """What a stranger has written, made printable and cut."""
    return ascii(str(text)[:most])[1:-1]
