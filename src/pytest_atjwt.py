"""The pytest plugin of `atjwt`: fixtures for the tests of an app that it guards.

pytest imports this file in every run of everybody who has `atjwt` installed. So it imports pytest and
nothing else, has no hooks and nothing that runs unasked; `atjwt` itself is imported by the first
fixture that a test asks for.

    def test_orders(atjwt_stand_in):
        issuer = atjwt_stand_in(app)
        answer = TestClient(app).get("/orders", headers=issuer.headers(scopes=["read:orders"]))
        assert answer.status_code == 200
"""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from atjwt.testing import LocalIssuer
    from atjwt.testing.search import Target


class StandsIn(Protocol):
    """The type of `atjwt_stand_in`."""

    def __call__(self, app: "Target", *, issuer: str | None = None) -> "LocalIssuer":
        """As `LocalIssuer.stands_in_for`, until the test ends; returns the issuer."""


@pytest.fixture(scope="session")
def atjwt_session_issuer() -> "LocalIssuer":
    """The one `LocalIssuer` of the session, since its keys take a moment to make.

    Define a fixture of this name in your `conftest.py` for another one, such as
    `LocalIssuer(algorithm="ES256")`. Tests ask for `atjwt_issuer`.
    """
    from atjwt.testing import LocalIssuer

    return LocalIssuer()


@pytest.fixture
def atjwt_issuer(atjwt_session_issuer: "LocalIssuer") -> "Iterator[LocalIssuer]":
    """A `LocalIssuer` to which nothing has happened; the keys are those of the session."""
    atjwt_session_issuer.reset()
    yield atjwt_session_issuer
    atjwt_session_issuer.reset()


@pytest.fixture
def atjwt_stand_in(atjwt_issuer: "LocalIssuer") -> Iterator[StandsIn]:
    """A function that lets `atjwt_issuer` stand in for an app's issuer until the test ends.

    `atjwt_stand_in(app)` takes what `LocalIssuer.stands_in_for` takes, and returns the issuer.
    """
    with ExitStack() as stack:

        def stand_in(app: "Target", *, issuer: str | None = None) -> "LocalIssuer":
            return stack.enter_context(atjwt_issuer.stands_in_for(app, issuer=issuer))

        yield stand_in
