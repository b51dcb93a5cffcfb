"""A desk at which the steps of a migration are commanded: a tenant, a ledger, a clock, a person."""

import io
import sys
from types import SimpleNamespace

import pytest

from atjwt.cli.main import main
from atjwt.migration.account import Batch
from tools.migrating import START, Clock, Ledger, Tenant, beat

COMMANDS = ("migrate_switch", "migrate_drain")


class Terminal(io.StringIO):
    """Where a person types, or reads."""

    def isatty(self) -> bool:
        return True


class Desk:
    """Commands in this process. What they would reach outside of it is on the desk.

    time: what they have of that module.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.clock = Clock()
        self.tenant = Tenant(self.clock)
        self.ledger = Ledger(self.clock)
        self.ledger.write(Batch(heartbeats=(beat(START),)))
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.time = SimpleNamespace(time=self.clock, sleep=self.clock.sleep)
        for name in COMMANDS:
            monkeypatch.setattr(f"atjwt.cli.{name}.time", self.time)
            monkeypatch.setattr(f"atjwt.cli.{name}.ledgers_of", lambda _: self.ledger)
        self.has_management(True)
        self.types("", at_terminal=False)
        monkeypatch.setenv("COLUMNS", "100")

    def has_management(self, has: bool) -> None:  # noqa: FBT001 - that is what is told
        """Whether there are credentials for the Management API."""
        management = self.tenant.management() if has else None
        self._monkeypatch.setattr("atjwt.cli.migrate_switch.management_api", lambda _: management)
        self._monkeypatch.setattr(
            "atjwt.cli.migrate_drain.management_api_if_any", lambda _: management
        )

    def types(self, words: str, *, at_terminal: bool = True) -> None:
        """What is typed next."""
        given = Terminal(words) if at_terminal else io.StringIO(words)
        self._monkeypatch.setattr(sys, "stdin", given)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """The exit code, what was printed, and what was told on stderr."""
        code = main(["migrate", *arguments])
        out, err = self._capsys.readouterr()
        return code, out, err
