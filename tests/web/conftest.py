"""What the tests of this room are given: a clock, an issuer, a resource server and its events."""

import logging

import pytest

from atjwt import ResourceServer
from atjwt.events import Event
from atjwt.testing import LocalIssuer
from web.asking import API, Clock, trusting


@pytest.fixture
def clock() -> Clock:
    """The clock that the issuer and the resource server share."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    """An issuer with keys of its own; ES256, because RSA keys take long to make."""
    return LocalIssuer(algorithm="ES256", audience=API, clock=clock)


@pytest.fixture
def events() -> list[Event]:
    """What the resource server's observer was told."""
    return []


@pytest.fixture
def server(issuer: LocalIssuer, clock: Clock, events: list[Event]) -> ResourceServer:
    """A resource server that trusts the issuer, in both profiles, and knows its keys."""
    return ResourceServer(
        audience=API, issuers=[trusting(issuer)], clock=clock, observers=[events.append]
    )


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """Our log, at every level."""
    caplog.set_level(logging.DEBUG, "atjwt")
    return caplog
