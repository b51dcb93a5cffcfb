"""`atjwt migrate switch` and `undo`: what they print, ask, refuse, and how they end."""

import io
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from socket import create_server
from typing import Any

import pytest
import uvicorn

from atjwt.cli.ledgers import Ledgers
from atjwt.cli.main import main
from atjwt.issuer import LocalIssuer
from atjwt.migration.account import Batch
from atjwt.migration.management import Answer
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError, Store
from atjwt.migration.times import when
from tools.desk import Desk, Terminal
from tools.migrating import API, ISSUER, START, THROUGH, Trap, beat, step

HELP = """\
usage: atjwt migrate switch [-h] --to DIALECT [--from DIALECT] [--yes] [--dry-run] [--external]
                            [--despite-instances] [--at TIME] [--lifetime SECONDS]
                            [--issuer ISSUER] [--margin SECONDS] [--domain DOMAIN] [--ledger URL]
                            [--json]
                            API

Changes the token dialect of an API, and nothing else of it, reads it back, and records it in the
ledger. Asks first. Interrupted at any point, it is gone on with by the same command. Exit code 0:
the API is set as wanted; 1: it is not, or nobody knows, or something stands in the way; 2: asked
for wrongly.

positional arguments:
  API                  the API's id, or its identifier

options:
  -h, --help           show this help message and exit
  --to DIALECT         rfc9068 or auth0, which keep the permissions claim as it is set; or a token
                       dialect: access_token, access_token_authz, rfc9068_profile,
                       rfc9068_profile_authz
  --from DIALECT       with --at: what it was set to before
"""

UNDO_HELP = """\
usage: atjwt migrate undo [-h] [--yes] [--dry-run] [--external] [--despite-instances] [--at TIME]
                          [--lifetime SECONDS] [--issuer ISSUER] [--margin SECONDS]
                          [--domain DOMAIN] [--ledger URL] [--json]
                          API

Changes the API back to the token dialect from before the last switch that the ledger has, in the
same way; or gives up a switch that is begun and was not made. Exit codes are those of switch.

positional arguments:
  API                  the API's id, or its identifier

options:
  -h, --help           show this help message and exit
"""

TERMS_HELP = """\
  --yes                do it without asking
  --dry-run            look at everything, show the request, change nothing
  --external           others make the change (Terraform, a person at the Dashboard): wait for it
                       and record it
  --despite-instances  go on although instances refuse the new profile, or none reports: requests
                       are refused then
  --at TIME            others have made the change, at this time (now, or as
                       2026-11-25T09:30:00Z): record it, without the Management API. API is its
                       identifier then
  --lifetime SECONDS   with --at: the largest lifetime of tokens before the change
  --issuer ISSUER      the iss of the API's tokens, if it is not the tenant's domain but a custom
                       one
  --margin SECONDS     how long a new setting may take to be in force everywhere (default: 60)
  --domain DOMAIN      the tenant's domain, not a custom one, or the local issuer's URL (default:
                       the environment variable AUTH0_DOMAIN). Credentials are AUTH0_CLIENT_ID
                       with AUTH0_CLIENT_SECRET, or AUTH0_MANAGEMENT_TOKEN; on a terminal, what is
                       missing is asked for
  --ledger URL         sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they
                       are merged, and the first but lines keeps what is done (default: the
                       environment variable ATJWT_LEDGER)
  --json               print JSON instead of text
"""

PROPOSED = """\
API       Orders  https://api.example.com/
tenant    https://tenant.eu.auth0.com/
issuer    https://tenant.eu.auth0.com/
dialect   access_token -> rfc9068_profile
profile   auth0 -> rfc9068
lifetime  1 d 00:00:00 (86400 s)

  PATCH https://tenant.eu.auth0.com/api/v2/resource-servers/65f0c0ffee65f0c0ffee65f0
  {"token_dialect": "rfc9068_profile"}

"""

SWITCHED = """\
Switched: access_token -> rfc9068_profile, read back at 2026-09-21 14:13:21 UTC.
Old tokens live until 2026-09-22 14:14:31 UTC at the latest, as far as is known by now.

  next  python -m atjwt migrate drain https://api.example.com/
  back  python -m atjwt migrate undo https://api.example.com/
"""

QUESTION = "Type the API's identifier to go on: "


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(monkeypatch, capsys)


@pytest.mark.parametrize(("name", "text"), [("switch", HELP), ("undo", UNDO_HELP)])
def test_help(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stopped:
        main(["migrate", name, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == text + TERMS_HELP


# --- What is asked and done -----------------------------------------------------------------------


def test_what_is_about_to_be_done_is_shown_and_done_when_said(desk: Desk) -> None:
    """By the API's identifier, typed at the terminal."""
    desk.types(f"{API}\n")
    assert desk("switch", API, "--to", "rfc9068") == (0, PROPOSED + QUESTION + SWITCHED, "")
    assert desk.tenant.dialect == "rfc9068_profile"


@pytest.mark.parametrize("words", ["", "\n", "yes\n", "https://api.example.com\n"])
def test_whoever_says_anything_else_changes_nothing(desk: Desk, words: str) -> None:
    """Not the API that is meant, perhaps; exit code 1."""
    desk.types(words)
    code, out, _ = desk("switch", API, "--to", "rfc9068")
    assert (code, out) == (
        1,
        PROPOSED + QUESTION + "Nothing was changed: that is not the API's identifier.\n",
    )
    assert desk.ledger.names() == []


def test_without_a_terminal_yes_is_to_be_given(desk: Desk) -> None:
    """Or it was asked for wrongly; with it nobody is asked."""
    code, out, err = desk("switch", API, "--to", "rfc9068")
    assert (code, out) == (2, PROPOSED)
    assert err == "atjwt migrate switch: nobody is at a terminal to say yes: give --yes\n"
    assert desk.tenant.changed == []
    assert desk("switch", API, "--to", "rfc9068", "--yes") == (0, PROPOSED + SWITCHED, "")


def test_a_dry_run_shows_the_request_and_sends_none(desk: Desk) -> None:
    """Nor is anything recorded; there is no token in what is shown."""
    answer = desk("switch", API, "--to", "rfc9068", "--dry-run")
    assert answer == (0, PROPOSED + "Nothing was changed: --dry-run.\n", "")
    assert (desk.tenant.sent, desk.ledger.names()) == (["GET"], [])
    code, out, _ = desk("switch", API, "--to", "rfc9068", "--dry-run", "--json")
    facts = json.loads(out)
    assert (code, facts["request"]) == (
        0,
        {
            "method": "PATCH",
            "url": f"{ISSUER}api/v2/resource-servers/65f0c0ffee65f0c0ffee65f0",
            "body": {"token_dialect": "rfc9068_profile"},
        },
    )
    assert facts["switched_at"] is None


def test_json_for_programs(desk: Desk) -> None:
    """Alone on stdout; what is for people goes to stderr."""
    code, out, err = desk("switch", API, "--to", "rfc9068", "--yes", "--json")
    assert (code, err) == (0, PROPOSED + SWITCHED)
    facts = json.loads(out)
    at = desk.ledger.peek().steps[-1].at
    assert facts == {
        "api": "65f0c0ffee65f0c0ffee65f0",
        "identifier": API,
        "issuer": ISSUER,
        "name": "Orders",
        "action": "change",
        "before": "access_token",
        "after": "rfc9068_profile",
        "lifetime": 86_400,
        "margin": 60,
        "undo": False,
        "external": False,
        "notes": [],
        "request": facts["request"],
        "switched_at": at,
        "drained_at": at + 86_470,
        "changed": [],
        "settled": [],
    }


def test_json_of_what_others_did(desk: Desk) -> None:
    """What was settled and what they changed; no request where we send none."""
    desk.tenant.settings["token_dialect"] = "rfc9068_profile"
    desk.ledger.record(step("begun", at=START - 9))
    desk.tenant.meanwhile = {2: {"scopes": []}}
    facts = json.loads(desk("undo", API, "--yes", "--json")[1])
    at = desk.ledger.peek().steps[1].at
    assert facts["settled"] == [
        {"step": "switched", "before": "access_token", "after": "rfc9068_profile", "at": at}
    ]
    desk.ledger.write(Batch(heartbeats=(beat(desk.clock()),)))
    desk.tenant.meanwhile = {len(desk.tenant.sent) + 2: {
        "token_dialect": "rfc9068_profile", "name": "Other",
    }}  # fmt: skip
    facts = json.loads(desk("switch", API, "--to", "rfc9068", "--external", "--yes", "--json")[1])
    assert (facts["request"], facts["changed"], facts["external"]) == (None, ["name"], True)
    facts = json.loads(desk("switch", API, "--to", "rfc9068", "--json")[1])
    assert (facts["action"], facts["request"]) == ("nothing", None)


def test_what_is_set_already_needs_no_yes(desk: Desk) -> None:
    """There is nothing to do; exit code 0."""
    desk.tenant.settings["token_dialect"] = "rfc9068_profile"
    code, out, _ = desk("switch", API, "--to", "rfc9068")
    assert (code, out.splitlines()[-1]) == (
        0,
        "Nothing to do: the API is set to rfc9068_profile.",
    )


def test_undo_leads_back_and_gives_up(desk: Desk) -> None:
    """What was recorded first is told."""
    _, out, _ = desk("switch", API, "--to", "rfc9068", "--yes")
    assert f"migrate undo {API}\n" in out, "the way back"
    code, out, _ = desk("undo", API, "--yes")
    assert (code, desk.tenant.dialect) == (0, "access_token")
    assert "Switched: rfc9068_profile -> access_token, read back at " in out
    assert f"migrate switch {API} --to rfc9068_profile\n" in out, "and back from there"
    desk.ledger.record(step("begun", at=START + 99))
    code, out, _ = desk("undo", API)
    assert code == 0
    assert out.splitlines()[-2:] == [
        "Recorded: access_token -> rfc9068_profile: failed.",
        "What was begun is given up: the API is set to access_token.",
    ]


def test_what_is_odd_is_told(desk: Desk) -> None:
    """Before it is done, and after; the names of settings that others changed, not their values."""
    desk.tenant.settings["token_dialect"] = "access_token_authz"
    desk.tenant.meanwhile = {3: {"signing_secret": "another"}}
    code, out, _ = desk("switch", API, "--to", "rfc9068_profile", "--yes")
    assert code == 0
    assert "note: new tokens will have no permissions claim" in out
    assert "changed meanwhile, by other hands: signing_secret\n" in out
    assert "another" not in out


def test_the_next_command_has_the_same_ledgers_and_issuer(desk: Desk) -> None:
    """And no password."""
    desk.ledger.write(Batch(heartbeats=(beat(START, issuer="https://login.shop.test/"),)))
    _, out, _ = desk(
        "switch", API, "--to", "rfc9068", "--yes", "--issuer", "https://login.shop.test/",
        "--domain", "tenant.eu.auth0.com",
        "--ledger", "sqlite:///a b.db", "--ledger", "redis://:s3cret@host/0",
    )  # fmt: skip
    assert "drain https://api.example.com/ --issuer https://login.shop.test/ --domain " in out
    assert "'sqlite:///a b.db'" in out
    assert "s3cret" not in out


def test_a_name_does_not_move_the_cursor(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it holds; and what the output's encoding lacks is written as its escape."""
    desk.tenant.settings["name"] = "Bestellungen für a\x1b[2J\rb"
    _, out, _ = desk("switch", API, "--to", "rfc9068", "--dry-run")
    assert out.startswith("API       Bestellungen für a\\x1b[2J\\rb  https://")
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding="ascii"))
    assert main(["migrate", "switch", API, "--to", "rfc9068", "--dry-run"]) == 0
    assert b"Bestellungen f\\xfcr a" in raw.getvalue()
    capsys.readouterr()


# --- What goes wrong ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        ([Answer(404, {}, b'{"errorCode": "inexistent_resource_server"}')], "exactly, with its"),
        ([Answer(403, {}, b'{"errorCode": "insufficient_scope"}')], "update:resource_servers"),
        ([THROUGH, THROUGH, Answer(400, {}, b"{}")], "the change is not accepted"),
        ([Answer(503, {}, b"")] * 5, "the service has trouble"),
        ([Answer(429, {"x-ratelimit-reset": str(int(START) + 9)}, b"{}")] * 5, "rate limit"),
        ([THROUGH, THROUGH, THROUGH, *[OSError()] * 5], "nobody knows whether"),
    ],
)
def test_trouble_with_the_management_api_exits_with_1(
    desk: Desk, answers: list[Answer | Exception], says: str
) -> None:
    """With a sentence that says what to do, and no traceback."""
    desk.tenant.answers = answers
    code, _, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert code == 1
    assert err.startswith("atjwt migrate switch: ")
    assert says in err
    assert err.count("\n") == 1


def test_what_stands_in_the_way_exits_with_1(desk: Desk) -> None:
    """Nothing was done; whoever insists says so by the flag."""
    desk.ledger.write(Batch(heartbeats=(beat(START, profiles=("auth0",)),)))
    code, out, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert (code, out) == (1, "")
    assert "set ATJWT_PROFILES=auth0,rfc9068 there first" in err
    code, out, _ = desk("switch", API, "--to", "rfc9068", "--yes", "--despite-instances")
    assert (code, "note: 1 of 1 live instances do not accept" in out) == (0, True)


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"is_system": True}, "is a system API of Auth0's"),
        ({"token_dialect": "new"}, "new to this version"),
    ],
)
def test_apis_that_are_left_alone(desk: Desk, settings: dict[str, object], says: str) -> None:
    """Exit code 1."""
    desk.tenant.settings |= settings
    code, _, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert (code, says in err) == (1, True)


def test_trouble_with_the_ledger_exits_with_1(desk: Desk) -> None:
    """Before the change nothing is changed; after it, that is said."""
    desk.ledger.trap = Trap("record begun", LedgerError("is full"))
    code, _, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert (code, err, desk.tenant.changed) == (1, "atjwt migrate switch: is full\n", [])
    desk.ledger.trap = Trap("record switched", LedgerError("is full"))
    code, _, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert (code, "the API IS set to rfc9068_profile" in err) == (1, True)


def test_a_second_person_is_told_that_somebody_has_begun(desk: Desk) -> None:
    """And goes on with it, if they say so."""
    desk.ledger.record(step("begun", at=START - 5))
    desk.types("")
    code, out, _ = desk("switch", API, "--to", "rfc9068")
    assert code == 1
    assert "was begun at 2026-09-21 14:13:15 UTC and nobody has said how it ended" in out
    code, _, err = desk("switch", API, "--to", "rfc9068_profile_authz", "--yes")
    assert (code, "is not settled" in err) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--to", "rfc9086"], "there is no such profile or token dialect"),
        (["--to", "rfc9068", "--from", "access_token"], "--from goes with --at"),
        (["--to", "rfc9068", "--lifetime", "5"], "--lifetime goes with --at"),
        (["--to", "rfc9068", "--at", "now"], "--at: give --from too"),
        (["--to", "rfc9068", "--at", "now", "--dry-run"], "leave --dry-run out"),
    ],
)
def test_what_is_asked_wrongly_exits_with_2(desk: Desk, arguments: list[str], says: str) -> None:
    """With the right way."""
    code, out, err = desk("switch", API, "--yes", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert desk.tenant.changed == []


@pytest.mark.parametrize("option", ["--margin", "--lifetime"])
@pytest.mark.parametrize("seconds", ["-1", "nan", "inf", "soon", "99999999"])
def test_seconds_are_numbers(desk: Desk, option: str, seconds: str) -> None:
    """By argparse."""
    with pytest.raises(SystemExit) as stopped:
        desk("switch", API, "--to", "rfc9068", f"{option}={seconds}")
    assert stopped.value.code == 2


def test_a_ledger_is_named(monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """By argument or environment."""
    monkeypatch.delenv("ATJWT_LEDGER", raising=False)
    assert main(["migrate", "switch", API, "--to", "rfc9068"]) == 2
    assert "name the ledger: --ledger sqlite:///FILE" in capsys.readouterr().err
    assert main(["migrate", "undo", API, "--ledger", "mysql://host"]) == 2


# --- By others ------------------------------------------------------------------------------------


def test_an_external_change_is_waited_for(desk: Desk) -> None:
    """With a line at each look; nothing is sent by us."""
    desk.tenant.meanwhile = {3: {"token_dialect": "rfc9068_profile"}}
    code, out, _ = desk("switch", API, "--to", "rfc9068", "--external", "--yes")
    assert code == 0
    assert "\nOthers are to change the setting; this waits for it.\n" in out
    assert "\nstill access_token; waiting for rfc9068_profile …\nSwitched: " in out
    assert set(desk.tenant.sent) == {"GET"}
    assert desk.ledger.peek().steps[-1].external


def test_a_wait_can_be_stopped_and_gone_on_with(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl+C leaves it begun."""

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("atjwt.cli.migrate_switch.time.sleep", interrupted)
    code, _, err = desk("switch", API, "--to", "rfc9068", "--external", "--yes")
    assert code == 1
    assert "stopped; what was begun by then is in the ledger: the same command again" in err
    assert desk.ledger.names() == ["begun"]
    desk.tenant.settings["token_dialect"] = "rfc9068_profile"
    code, out, _ = desk("switch", API, "--to", "rfc9068", "--external")
    assert (code, "Switched: " in out) == (0, True)


AT = ["--to", "rfc9068", "--from", "access_token", "--lifetime", "3600", "--issuer", ISSUER]


@pytest.mark.parametrize(
    ("at", "shown"),
    [
        ("now", "14:13:20"),
        ("1789999990", "14:13:10"),
        ("2026-09-21T14:00:00Z", "14:00:00"),
        ("2026-09-21T16:00:00+02:00", "14:00:00"),
    ],
)
def test_a_change_that_was_made_is_recorded_as_told(desk: Desk, at: str, shown: str) -> None:
    """The Management API is not asked."""
    code, out, err = desk("switch", API, *AT, "--at", at)
    assert (code, err, desk.tenant.sent) == (0, "", [])
    first = f"Switched: access_token -> rfc9068_profile, as told, at 2026-09-21 {shown} UTC."
    assert out.splitlines()[0] == first
    code, out, _ = desk("undo", API, "--at", "now", "--json")
    facts = json.loads(out)
    assert (facts["before"], facts["after"]) == ("rfc9068_profile", "access_token")
    assert facts["drained_at"] == facts["switched_at"] + 3_600 + 60 + 10
    told = json.loads(desk("undo", API, "--at", "now", "--json")[1])
    assert (told["switched_at"], told["drained_at"]) == (None, None)
    code, out, _ = desk("undo", API, "--at", "now")
    assert (code, out) == (
        0, f"note: the ledger has it so since {when(facts['switched_at'])}: nothing to do\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("at", "says"),
    [
        ("soon", "give a time as"),
        ("nan", "give a time as"),
        ("-5", "give a time as"),
        ("2026-09-21T14:00:00", "say in which time zone"),
        ("2026-09-21T15:00:00Z", "lies ahead"),
    ],
)
def test_a_time_that_is_none_is_told(desk: Desk, at: str, says: str) -> None:
    """Exit code 2; nothing is recorded."""
    code, _, err = desk("switch", API, *AT, f"--at={at}")
    assert (code, says in err, desk.ledger.names()) == (2, True, [])


# --- Over real sockets, with a ledger in a file ---------------------------------------------------


@contextmanager
def served() -> Iterator[LocalIssuer]:
    with create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        issuer = LocalIssuer(issuer=f"http://127.0.0.1:{port}/")
        server = uvicorn.Server(uvicorn.Config(issuer.app, log_config=None))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive()
                time.sleep(0.005)
            yield issuer
        finally:
            server.should_exit = True
            thread.join()


def process(issuer: LocalIssuer, ledger: Path, *arguments: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "atjwt", "migrate", *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
        env={
            **os.environ,
            "AUTH0_DOMAIN": issuer.issuer,
            "AUTH0_CLIENT_ID": issuer.management_client_id,
            "AUTH0_CLIENT_SECRET": issuer.management_client_secret,
            "ATJWT_LEDGER": f"sqlite:///{ledger}",
            "PYTHONIOENCODING": "utf-8",
        },
    )
    assert issuer.management_client_secret not in done.stdout + done.stderr
    return done.returncode, done.stdout, done.stderr


def test_as_a_process_against_the_local_issuer(tmp_path: Path) -> None:
    """There, not yet drained, and back; then with a ledger that is damaged."""
    path = tmp_path / "ledger.db"
    with served() as issuer:
        now = time.time()
        SqliteStore(path).write(Batch(heartbeats=(beat(now, issuer=issuer.issuer),)))
        code, out, err = process(issuer, path, "switch", API, "--to", "rfc9068", "--yes")
        assert (code, err) == (0, "")
        assert "Switched: access_token -> rfc9068_profile, read back at " in out
        assert issuer.dialect == "rfc9068_profile"
        code, out, err = process(issuer, path, "drain", "--no-wait")
        assert (code, err) == (1, "")
        code, out, err = process(issuer, path, "undo", API, "--yes")
        assert (code, err, issuer.dialect) == (0, "", "access_token")
        audience = issuer.management_audience
        code, _, err = process(issuer, path, "switch", audience, "--to", "rfc9068", "--yes")
        assert (code, "system API" in err) == (1, True)
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * 8192)
        code, _, err = process(issuer, path, "switch", API, "--to", "rfc9068", "--yes")
        assert (code, issuer.dialect) == (1, "access_token")
        assert "damaged" in err
        assert "Traceback" not in err


def test_a_full_ledger_changes_nothing(
    tmp_path: Path, desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`begun` cannot be kept, so nothing is patched."""
    store = SqliteStore(tmp_path / "ledger.db")
    now = time.time()
    store.write(Batch(heartbeats=(beat(now),)))
    fill = SqliteStore(tmp_path / "ledger.db", most_bytes=4096)
    monkeypatch.setattr("atjwt.cli.migrate_switch.ledgers_of", lambda _: fill)
    desk.clock.now = now
    for size in (900, 90, 1):  # until nothing fits any more
        with suppress(LedgerError):
            for number in range(400):
                fill.record(step("failed", at=now - number, audience="x" * size))
    code, _, err = desk("switch", API, "--to", "rfc9068", "--yes")
    assert (code, desk.tenant.changed) == (1, [])
    assert "is full" in err


def test_of_several_ledgers_the_first_is_written_to(tmp_path: Path) -> None:
    """And all of them are read."""
    paths = [tmp_path / name for name in ("a.db", "b.db")]
    SqliteStore(paths[1]).write(Batch(lost=2))
    ledgers: Store = Ledgers([f"sqlite:///{path}" for path in paths])
    ledgers.write(Batch(lost=1))
    ledgers.record(step())
    whole = ledgers.read()
    ledgers.close()
    assert (ledgers.name, whole.lost, len(whole.steps)) == (f"the ledger {paths[0]}", 3, 1)
    assert SqliteStore(paths[0]).read().steps == whole.steps


def test_copies_of_one_ledger_are_told(tmp_path: Path, capsys: Any) -> None:
    """They would count twice."""
    store = SqliteStore(tmp_path / "a.db")
    store.write(Batch(heartbeats=(beat(time.time()),)))
    (tmp_path / "b.db").write_bytes((tmp_path / "a.db").read_bytes())
    names = [f"--ledger=sqlite:///{tmp_path / name}" for name in ("a.db", "b.db")]
    assert main(["migrate", "switch", API, *AT, "--at", "now", *names]) == 1
    assert "copies of one ledger" in capsys.readouterr().err
    assert store.read().steps == ()


def test_a_terminal_is_one() -> None:
    """The stand-in of these tests is taken for a terminal."""
    assert Terminal("x\n").isatty()
