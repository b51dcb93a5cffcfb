"""Everything that can go wrong, by whose fault it is."""

import copy
import pickle

import pytest

from atjwt import (
    AuthError,
    ConfigurationError,
    InsufficientScope,
    InvalidToken,
    KeysUnavailable,
    Reason,
)
from atjwt.errors import InsufficientUserAuthentication, InvalidRequest, MissingToken

LACKING = InsufficientScope(
    Reason.MISSING_SCOPE, "scope lacks a", scopes=["a"], permissions=["p"], roles=["r"]
)
ERRORS: list[AuthError] = [
    InvalidRequest(Reason.MALFORMED_CREDENTIALS, "not one"),
    MissingToken(),
    InvalidToken(Reason.EXPIRED, "exp has passed"),
    InvalidToken(Reason.EXPIRED),
    LACKING,
    InsufficientUserAuthentication(
        detail="too old", acr_values=["b", "a"], max_age=5, scopes=["a"]
    ),
    InsufficientUserAuthentication(),
    KeysUnavailable(detail="cannot be fetched", retry_after=7),
]


@pytest.mark.parametrize("reason", Reason)
def test_reason_is_a_word(reason: Reason) -> None:
    """A reason is one stable word, its own name in lower case."""
    assert str(reason) == reason.value == reason.name.lower()


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_text(error: AuthError) -> None:
    """An error is printed as its reason, and its detail if it has one."""
    assert str(error) == (f"{error.reason}: {error.detail}" if error.detail else error.reason)
    assert (error.issuer, error.profile) == (None, None)


@pytest.mark.parametrize("error", ERRORS, ids=repr)
def test_travels(error: AuthError) -> None:
    """An error can be copied and pickled, with all that it says."""
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)


def test_defaults() -> None:
    """Errors that have one reason need not be told it."""
    assert MissingToken().reason is Reason.MISSING_TOKEN
    assert KeysUnavailable().reason is Reason.KEYS_UNAVAILABLE
    assert KeysUnavailable().retry_after == 1
    assert InsufficientScope(Reason.MISSING_ROLE).roles == frozenset()
    login = InsufficientUserAuthentication()
    assert login.reason is Reason.INSUFFICIENT_USER_AUTHENTICATION
    assert (login.acr_values, login.max_age, login.scopes) == ((), None, frozenset())


def test_a_login_is_kept_in_order() -> None:
    """Which `acr` is preferred stays in its order, and nothing of it can be changed."""
    levels = ["b", "a"]
    login = InsufficientUserAuthentication(acr_values=levels, max_age=60, scopes=levels)
    levels.clear()
    assert (login.acr_values, login.max_age, login.scopes) == (("b", "a"), 60, frozenset("ab"))
    assert not isinstance(login, InsufficientScope)


def test_configuration_error() -> None:
    """A configuration error lists every problem, is no AuthError, and can be pickled."""
    error = ConfigurationError(problem for problem in ("a: do b", "c: do d"))
    assert error.problems == ("a: do b", "c: do d")
    assert str(error) == "atjwt is not configured correctly:\n  - a: do b\n  - c: do d"
    assert not isinstance(error, AuthError)
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert other.problems == error.problems
        assert str(other) == str(error)
