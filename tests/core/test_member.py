"""The JSON types that the members of a claim set must have."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt.core.member import IS_OF, Type, is_time
from core.making import GOOD, VALUES, same_json


def test_every_type_is_tested() -> None:
    """Each type has its judge and its good values, and they are among all values."""
    assert IS_OF.keys() == GOOD.keys() == set(Type)
    assert all(same_json(value, VALUES) for values in GOOD.values() for value in values)


@pytest.mark.parametrize("type_", Type)
def test_type(type_: Type) -> None:
    """A value is of a type or it is not, and null is of none."""
    for value in VALUES:
        assert IS_OF[type_](value) is same_json(value, GOOD[type_]), value


@given(st.integers() | st.floats(allow_nan=False))
def test_time(value: float) -> None:
    """A time is a number from 1970 on, as long as numbers are exact."""
    assert is_time(value) is (0 <= value <= 2**53)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, True, False, "1", None])
def test_no_time(value: object) -> None:
    """What is no finite number is no time, a bool and a string of digits included."""
    assert not is_time(value)
