"""Plain text for people: aligned tables, durations, moments. No colours, no box drawing.

What a table shows may come from a stranger's token, so whatever could move a terminal's cursor is
written as its escape; and whatever the output's encoding lacks, too.
"""

import shutil
import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from typing import Final

_LEAST: Final = 8
"""Characters to which a column is cut at most."""

_WIDEST: Final = 100
"""Characters of a line of prose."""


def show(lines: Iterable[str]) -> None:
    """Prints lines, in whatever encoding stdout has."""
    encoding = sys.stdout.encoding or "utf-8"
    text = "\n".join(line.rstrip() for line in lines)
    print(text.encode(encoding, "backslashreplace").decode(encoding))


def width() -> int | None:
    """Characters of a line of the terminal; None where there is none, and nothing is cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    right: Collection[str] = (),
    indent: int = 2,
) -> list[str]:
    """Aligned columns; those to the right by their names. Cut to the terminal, the widest first."""
    cells = [[*head], *([safe(cell) for cell in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    limit = width()
    while limit is not None and indent + sum(widths) + 2 * (len(widths) - 1) > limit:
        widest = widths.index(max(widths))
        if widths[widest] <= _LEAST:
            break
        widths[widest] -= 1
    return [
        " " * indent
        + "  ".join(
            f"{_cut(cell, size):{'>' if name in right else '<'}{size}}"
            for cell, size, name in zip(row, widths, head, strict=True)
        )
        for row in cells
    ]


def prose(text: str, *, first: str = "", indent: int = 2) -> list[str]:
    """A paragraph. first: what stands before its first line; the others are as far in."""
    size = min(width() or _WIDEST, _WIDEST)
    before = " " * indent + first
    return textwrap.wrap(
        safe(text),
        width=max(size, len(before) + 20),
        initial_indent=before,
        subsequent_indent=" " * len(before),
        break_long_words=False,
        break_on_hyphens=False,
    )


def safe(text: str) -> str:
    """Text without what a terminal would obey."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in text)


def tenths(shares: Iterable[float | None]) -> str:
    """A share for each stretch of time in one character: its tenths, `#` all, `.` none to share in."""
    return "".join(
        "." if one is None else "#" if one >= 1 else str(int(one * 10)) for one in shares
    )


def _cut(text: str, size: int) -> str:
    return text if len(text) <= size else text[: size - 3] + "..."
