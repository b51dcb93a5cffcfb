"""A clock, an observer and two issuers for each test; and the proof that it left nothing behind."""

import threading
import time
from collections.abc import Iterator

import pytest

from atjwt.testing import LocalIssuer
from shell.wire import LONG, Clock, Recorder, WireIssuer


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def seen() -> Recorder:
    return Recorder()


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    """An issuer in process, asked through its `fetch`."""
    return LocalIssuer(algorithm="ES256", clock=clock)


@pytest.fixture
def wire(clock: Clock) -> Iterator[WireIssuer]:
    """An issuer on loopback."""
    with WireIssuer(clock) as server:
        yield server


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stands between this machine and the world does not stand before loopback."""
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture(autouse=True)
def _nothing_left(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Every thread that a test started has ended with it, and no callback has failed unseen."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        end = time.monotonic() + LONG
        while thread.is_alive() and not thread.name.startswith("Trio"):  # which keeps idle ones
            thread.join(0.05)
            assert time.monotonic() < end, f"{thread.name} is still running"
    for record in caplog.get_records("call"):
        assert record.name not in {"asyncio", "concurrent.futures"} or record.levelname != "ERROR"
