"""Values that a policy compares with those of a token: JSON's own, by JSON's own types."""

import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt.core.detail import Wanted, json_text

scalars = (
    st.text() | st.integers() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False)
)


@given(scalars)
def test_a_text_is_its_value(value: Any) -> None:
    """The text of a value is JSON for it, on one line of ASCII."""
    text = json_text(value)
    assert text is not None
    assert json.loads(text) == value
    assert text.isascii()
    assert text.isprintable()


@given(scalars, scalars)
def test_two_texts(one: Any, other: Any) -> None:
    """Two values have one text exactly where they are equal and of one JSON type."""
    alike = isinstance(one, bool) is isinstance(other, bool) and one == other
    assert (json_text(one) == json_text(other)) is alike


@given(st.integers(-(2**60), 2**60))
def test_whole_numbers(number: int) -> None:
    """A whole number is the same with a point and without."""
    exact = float(number)
    assert json_text(exact) == json_text(int(exact))


@pytest.mark.parametrize(
    "value", [None, math.nan, math.inf, -math.inf, [], ["a"], {}, b"a", object], ids=str
)
def test_no_scalar(value: object) -> None:
    """What is no string, finite number or truth value has no text."""
    assert json_text(value) is None


def test_endless_number() -> None:
    """A number of more digits than Python writes has no text either."""
    assert json_text(10**5000) is None


def test_wanted() -> None:
    """One value is equalled; of several, an array holds each, in any order, among others."""
    one, many = Wanted("a", ("1",), many=False), Wanted("a", ("1", "2"), many=True)
    assert (repr(one), repr(many)) == ("a=1", "a=[1, 2]")
    ones: list[dict[str, Any]] = [{"a": 1}, {"a": 1.0, "b": 2}]
    lists: list[dict[str, Any]] = [{"a": [2, 1]}, {"a": [3, 2.0, [1], 1]}]
    neither: list[dict[str, Any]] = [
        {}, {"a": None}, {"a": [1]}, {"a": True}, {"a": "1"}, {"a": {"1": 2}}, {"b": 1},
    ]  # fmt: skip
    for entry in (*ones, *lists, *neither):
        assert one.held_by(entry) is any(entry is each for each in ones)
        assert many.held_by(entry) is any(entry is each for each in lists)
