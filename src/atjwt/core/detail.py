"""Values that a policy compares with those of a token: JSON's own, by JSON's own types.

A value is kept as its JSON text, because to Python `1` and `True` are equal and to JSON they are not.
Numbers are compared as numbers: `1` and `1.0` are one.
"""

import json
from collections.abc import Mapping
from math import isfinite
from typing import NamedTuple


class Wanted(NamedTuple):
    """What one member of a `authorization_details` entry must be (RFC 9396 section 2).

    values: JSON texts. many: the member is an array that has all of them; otherwise it is the one.
    """

    name: str
    values: tuple[str, ...]
    many: bool

    def __repr__(self) -> str:
        values = [json.loads(value) for value in self.values]
        return f"{self.name}={values if self.many else values[0]!r}"

    def held_by(self, entry: Mapping[str, object]) -> bool:
        """Whether an entry has it; an absent member grants nothing."""
        held = entry.get(self.name)
        if not self.many:
            return json_text(held) == self.values[0]
        return isinstance(held, list) and {*self.values} <= {json_text(item) for item in held}


def json_text(value: object) -> str | None:
    """The JSON text of a string, a number or a truth value; None of anything else."""
    if isinstance(value, float):
        if not isfinite(value):
            return None
        value = int(value) if value.is_integer() else value
    try:
        return json.dumps(value) if isinstance(value, str | int | float) else None
    except ValueError:  # more digits than are written as text
        return None
