"""Where the issuer keeps what must outlive a request: small documents by kind and name.

In memory, or in one SQLite file that survives a restart (`atjwt.issuer.state_file`).
"""

from collections.abc import Mapping
from typing import Protocol


class NotKept(Exception):
    """A change that could not be kept, and so has not happened, or a store that cannot be read.

    Its text says why.
    """


class Store(Protocol):
    """Keeps JSON objects. `put` and `drop` have happened when they return. All raise NotKept."""

    @property
    def name(self) -> str:
        """What a message calls it."""

    def all(self, kind: str) -> dict[str, dict[str, object]]:
        """The documents of a kind, by name, in the order in which they were first put."""

    def put(self, kind: str, name: str, body: Mapping[str, object]) -> None:
        """Keeps a document, in place of the one before."""

    def drop(self, kind: str, name: str) -> None:
        """Forgets a document, if there is one."""

    def close(self) -> None:
        """Lets go of what was opened."""


class Memory:
    """A store that is gone with the process."""

    name = "memory"

    def __init__(self) -> None:
        self._documents: dict[str, dict[str, dict[str, object]]] = {}

    def all(self, kind: str) -> dict[str, dict[str, object]]:
        """See `Store`."""
        return dict(self._documents.get(kind, {}))

    def put(self, kind: str, name: str, body: Mapping[str, object]) -> None:
        """See `Store`."""
        self._documents.setdefault(kind, {})[name] = dict(body)

    def drop(self, kind: str, name: str) -> None:
        """See `Store`."""
        self._documents.get(kind, {}).pop(name, None)

    def close(self) -> None:
        """See `Store`."""
