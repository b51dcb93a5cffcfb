"""Every step says in a sentence, and in JSON for programs, why it was not done."""

import getpass
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from atjwt import ConfigurationError
from atjwt.cli.main import main
from atjwt.migration import ManagementApi, ManagementError
from atjwt.migration.account import Batch
from atjwt.migration.management import Answer
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError
from tools.desk import Desk, Terminal
from tools.migrating import API, ISSUER, START, Trap, beat, step

PLAN = ["plan", API, "--to", "rfc9068", "--offline"]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(monkeypatch, capsys)


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AUTH0_DOMAIN", "ATJWT_LEDGER", "AUTH0_MANAGEMENT_TOKEN", "AUTH0_CLIENT_ID"):
        monkeypatch.delenv(name, raising=False)


def interrupt(*_: object, **__: object) -> Any:
    raise KeyboardInterrupt


# --- JSON -----------------------------------------------------------------------------------------

REFUSALS: dict[str, tuple[list[str], Callable[[Desk], object], int]] = {
    "nothing was switched": (["drain"], lambda _: None, 1),
    "nothing to enforce": (["enforce"], lambda _: None, 1),
    "an instance in the way": (
        ["switch", API, "--to", "rfc9068", "--yes"],
        lambda desk: desk.ledger.write(Batch(heartbeats=(beat(START, profiles=("auth0",)),))),
        1,
    ),
    "no such API": (
        ["switch", API, "--to", "rfc9068"],
        lambda desk: setattr(desk.tenant, "answers", [Answer(404, {}, b"{}")]),
        1,
    ),
    "nobody at a terminal": (["switch", API, "--to", "rfc9068"], lambda _: None, 2),
    "not agreed": (["switch", API, "--to", "rfc9068"], lambda desk: desk.types("no\n"), 1),
    "nothing to undo": (["undo", API], lambda _: None, 1),
    "a ledger in trouble": (
        ["drain"],
        lambda desk: setattr(desk.ledger, "trap", Trap(0, LedgerError("is locked"))),
        1,
    ),
    "arguments that do not go together": (
        ["switch", API, "--to", "rfc9068", "--from", "access_token"],
        lambda _: None,
        2,
    ),
    "no ledger named": (["report"], lambda _: None, 2),
    "no ledger there": (["report", "--ledger", "sqlite:///none.db"], lambda _: None, 1),
    "half an answer": (PLAN, lambda _: None, 2),
}


@pytest.mark.parametrize("which", REFUSALS)
def test_a_refusal_is_json_too(which: str, desk: Desk) -> None:
    """One object, with the sentences that are on stderr."""
    arguments, prepare, code = REFUSALS[which]
    prepare(desk)
    ended, out, err = desk(*arguments, "--json")
    assert ended == code
    (error,) = json.loads(out).values()
    if which != "not agreed":
        said = [line.partition(": ")[2] for line in err.splitlines() if line.startswith("atjwt mi")]
        assert error == "; ".join(said)
    assert error


@pytest.mark.parametrize("command", ["drain", "enforce"])
def test_a_ledger_without_a_switch_is_told_with_the_ways_out(command: str, desk: Desk) -> None:
    """Another ledger, the beginning, or, if it was lost, to record it again."""
    assert desk(command)[2] == (
        f"atjwt migrate {command}: no switch is recorded in this ledger: give the one that has it by "
        "--ledger, or begin with `report` and `plan`; if it was lost, record it again: `switch --at`\n"
    )


def test_without_json_stdout_stays_empty(desk: Desk) -> None:
    """As before."""
    assert desk("drain")[1] == ""


# --- Ctrl+C ---------------------------------------------------------------------------------------


def test_stopped_at_the_prompt_nothing_was_begun(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And it is not said that anything was."""
    desk.types("")
    monkeypatch.setattr(sys.stdin, "readline", interrupt)
    code, _, err = desk("switch", API, "--to", "rfc9068")
    assert (code, err) == (1, "atjwt migrate switch: stopped; nothing was changed\n")
    assert desk.ledger.names() == []


def test_stopped_while_a_secret_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On a terminal the sentence has a line of its own."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setattr(getpass, "getpass", interrupt)
    asked = ["migrate", "plan", API, "--to", "rfc9068", "--domain", "127.0.0.1:9", "--json"]
    assert main(asked) == 1
    assert screen.getvalue() == "\natjwt migrate plan: stopped\n"
    assert json.loads(capsys.readouterr().out) == {"error": "stopped"}


def test_stopped_while_the_setting_is_read(desk: Desk) -> None:
    """Attempts are repeated for a while."""
    desk.ledger.record(step())
    desk.tenant.trap = Trap(0, KeyboardInterrupt())
    code, out, err = desk("enforce")
    assert (code, out, err) == (1, "", "atjwt migrate enforce: stopped\n")


# --- enforce --------------------------------------------------------------------------------------


def test_how_many_there_should_be_is_told_to_enforce(desk: Desk) -> None:
    """As to plan."""
    desk.ledger.record(step(lifetime=180.0, margin=2.0))
    desk.tenant.settings["token_dialect"] = "rfc9068_profile"
    desk.clock.now = START + 200
    desk.ledger.write(Batch(heartbeats=(beat(START + 200),)))
    assert desk("enforce", "--expect", "orders=1")[0] == 0
    code, out, _ = desk("enforce", "--expect", "orders=2")
    assert code == 1
    assert "not attested: orders: 1 of 2 instances report: start the others\n" in out
    with pytest.raises(SystemExit):
        main(["migrate", "enforce", "--expect", "orders"])


def test_what_is_not_drained_in_the_end_is_told(desk: Desk) -> None:
    """Exit code 1, though the time is over."""
    desk.ledger.record(step(lifetime=180.0, margin=2.0))
    code, out, _ = desk("drain")
    assert code == 1
    assert out.endswith(
        "in the way: the API is set to access_token now: `switch --to rfc9068_profile` sets it again\n"
        "Not drained: old tokens may be alive, or still come.\n"
    )
    assert desk.clock() == START + 192


def test_a_wait_for_an_earlier_switch_is_told(desk: Desk) -> None:
    """It is not the last one's lifetime that counts."""
    desk.ledger.record(step())
    desk.ledger.record(
        step(at=START + 1, before="rfc9068_profile", after="access_token", lifetime=9.0)
    )
    desk.ledger.record(step(at=START + 2, lifetime=9.0))
    out = desk("drain", "--no-wait")[1]
    assert "those from before an earlier switch live longer, and 10 s of leeway" in out


# --- What is no text, and what is too deep --------------------------------------------------------


def test_an_identifier_that_is_no_text_is_told(desk: Desk) -> None:
    """What a shell hands over may be any bytes."""
    api = os.fsdecode(b"\xff")
    desk.has_management(True)
    code, _, err = desk("switch", api, "--to", "rfc9068")
    assert (code, err) == (
        2, "atjwt migrate switch: the API's id or identifier is no text in UTF-8\n",
    )  # fmt: skip
    with pytest.raises(ConfigurationError, match="no text in UTF-8"):
        desk.tenant.management().patch(api)


def test_an_answer_that_is_too_deep_is_none() -> None:
    """No traceback."""
    deep = Answer(200, {}, b"[" * 200_000)
    api = ManagementApi(ISSUER, token="t", send=lambda *_: deep)
    with pytest.raises(ManagementError, match="no JSON object"):
        api.get(API)


def test_a_step_of_a_newer_version_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What it did is not passed over, nor taken for damage."""
    path = tmp_path / "ledger.db"
    SqliteStore(path).record(step())
    with closing(sqlite3.connect(path)) as ledger:
        ledger.execute("UPDATE steps SET body = replace(body, '\"switched\"', '\"paused\"')")
        ledger.commit()
    monkeypatch.setenv("ATJWT_LEDGER", f"sqlite:///{path}")
    assert main(["migrate", "drain", "--no-wait"]) == 1
    assert "newer version of atjwt: install that one here too" in capsys.readouterr().err


# --- Closed streams -------------------------------------------------------------------------------


@pytest.mark.parametrize("closed", [">&-", "<&-", "2>&-", ">&- <&- 2>&-"])
@pytest.mark.parametrize("command", ["report", "drain --no-wait", "switch a --to rfc9068"])
def test_a_closed_stream_is_no_trouble(command: str, closed: str, tmp_path: Path) -> None:
    """Whatever it would have printed is lost, and nothing else is written to instead."""
    store = SqliteStore(tmp_path / "ledger.db")
    store.record(step(at=time.time() - 99, lifetime=0.0, margin=0.0))
    shell = f'exec "$0" -m atjwt migrate {command} --ledger sqlite:///{tmp_path}/ledger.db {closed}'
    environ = {name: value for name, value in os.environ.items() if not name.startswith("AUTH0_")}
    ended = subprocess.run(
        ["/bin/sh", "-c", shell, sys.executable],
        env=environ, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "Traceback" not in ended.stderr + ended.stdout
    assert ended.returncode == (2 if command.startswith("switch") else 0)
    assert [each.name for each in store.read().steps][:1] == ["switched"]


@pytest.mark.parametrize("name", ["stdin", "stdout", "stderr"])
def test_a_stream_that_is_none_is_made(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In this process too."""
    monkeypatch.setattr(sys, name, None)
    assert main(["migrate", "report"]) == 2
    stream = getattr(sys, name)
    assert stream.name == os.devnull
    stream.close()
