"""Where the issuer keeps what must outlive a request: small documents by kind and name.

In memory, or in one SQLite file that survives a restart (`atjwt.issuer.state_file`).
"""

from collections.abc import Iterable, Mapping
from typing import Protocol, TypeAlias

Change: TypeAlias = tuple[str, str, Mapping[str, object] | None]
"""Kind, name and body of a document to keep; with None for a body, it is forgotten."""


class NotKept(Exception):
    """A change that could not be kept, and so has not happened, or a store that cannot be read.

    Its text says why.
    """


class Store(Protocol):
    """Keeps JSON objects. What was changed is kept when a method returns. All raise NotKept."""

    @property
    def name(self) -> str:
        """What a message calls it."""

    def all(self, kind: str) -> dict[str, dict[str, object]]:
        """The documents of a kind, by name, in the order in which they were first put."""

    def put(self, kind: str, name: str, body: Mapping[str, object]) -> None:
        """Keeps a document, in place of the one before."""

    def drop(self, kind: str, name: str) -> None:
        """Forgets a document, if there is one."""

    def write(self, changes: Iterable[Change]) -> None:
        """Makes all of these changes, or none."""

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

    def write(self, changes: Iterable[Change]) -> None:
        """See `Store`."""
        for kind, name, body in changes:
            if body is None:
                self.drop(kind, name)
            else:
                self.put(kind, name, body)

    def close(self) -> None:
        """See `Store`."""
