"""Says lines to people, on a stream that may be a terminal: nothing in them moves its cursor."""

import shutil
import sys
from typing import TextIO

from atjwt.cli.table import safe


class Saying:
    """Prints lines. as_json: on stderr, since stdout is for a program then."""

    def __init__(self, *, as_json: bool = False) -> None:
        self._stream: TextIO = sys.stderr if as_json else sys.stdout
        self._is_open = False
        self._length = 0  # of the line that is open

    @property
    def is_terminal(self) -> bool:
        """Whether a line can be written over."""
        return self._stream.isatty()

    def __call__(self, *lines: str) -> None:
        """Prints whole lines, in whatever encoding the stream has."""
        before = "\n" if self._is_open else ""
        self._is_open, self._length = False, 0
        self._write(before + "".join(f"{safe(line)}\n" for line in lines))

    def over(self, line: str) -> None:
        """Prints a line over the one before, if that was printed so too; it stays open.

        A line that were longer than the terminal's would not be written over.
        """
        shown = safe(line)[: shutil.get_terminal_size().columns - 1]
        self._write(f"\r{shown:{self._length}}")
        self._is_open, self._length = True, len(shown)

    def ask(self, question: str) -> None:
        """Prints a question; whoever answers ends the line."""
        self._write(safe(question))

    def end(self) -> None:
        """Ends a line that is open."""
        if self._is_open:
            self()

    def _write(self, text: str) -> None:
        encoding = self._stream.encoding or "utf-8"
        self._stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        self._stream.flush()
