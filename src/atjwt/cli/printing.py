"""What the commands print alike."""

import os
import sys
from collections.abc import Callable


def painter() -> Callable[[str, str], str]:
    """Colours only for a person: on a terminal, and unless NO_COLOR is set (no-color.org)."""
    if sys.stdout.isatty() and not os.environ.get("NO_COLOR"):
        return lambda text, colour: f"\x1b[{colour}m{text}\x1b[0m"
    return lambda text, colour: text


def counted(count: int, noun: str) -> str:
    """A number and its noun, one or several."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
