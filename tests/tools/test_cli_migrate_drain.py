"""`atjwt migrate drain` and `enforce`: what they print, and how they end."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from atjwt.cli.main import main
from atjwt.cli.saying import Saying
from atjwt.migration.account import Batch, RefusalKey, Refusals
from atjwt.migration.management import Answer
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.store import LedgerError
from tools.desk import Desk, Terminal
from tools.migrating import API, ISSUER, START, Trap, beat, step, use

DRAIN_HELP = """\
usage: atjwt migrate drain [-h] [--no-wait] [--issuer ISSUER] [--domain DOMAIN] [--ledger URL]
                           [--json]
                           [API]

Waits until no token from before the last switch can be alive, and records that. It may be stopped
and begun again, on any host. Exit code 0: it is so; 1: not yet, or nothing was switched; 2: asked
for wrongly.

positional arguments:
  API              the API's identifier, where the ledger has several

options:
  -h, --help       show this help message and exit
  --no-wait        look once; 1 while it is not so yet
  --issuer ISSUER  the iss of its tokens, where the ledger has several
  --domain DOMAIN  the tenant's domain, not a custom one, or the local issuer's URL (default: the
                   environment variable AUTH0_DOMAIN). Credentials are AUTH0_CLIENT_ID with
                   AUTH0_CLIENT_SECRET, or AUTH0_MANAGEMENT_TOKEN; without them, nobody looks
                   whether the setting has stayed
  --ledger URL     sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are
                   merged, and the first but lines keeps what is done (default: the environment
                   variable ATJWT_LEDGER)
  --json           print JSON instead of text
"""

ENFORCE_HELP = """\
usage: atjwt migrate enforce [-h] [--unattested] [--expect SERVICE=N] [--issuer ISSUER]
                             [--domain DOMAIN] [--ledger URL] [--json]
                             [API]

Checks that nothing of the old profile can be alive and that every instance has reported since,
and prints the setting to change. Given again after that, it says which instances have it, and
records when all do. Exit code 0: nothing stands in the way, or all is done; 1: something does; 2:
asked for wrongly.

positional arguments:
  API                 the API's identifier, where the ledger has several

options:
  -h, --help          show this help message and exit
  --unattested        go on although something cannot be known: silent instances, lost counts,
                      ledgers nobody has written to since, a setting that was not read
  --expect SERVICE=N  there must be N live instances of a service; may be repeated
  --issuer ISSUER     the iss of its tokens, where the ledger has several
  --domain DOMAIN     the tenant's domain, not a custom one, or the local issuer's URL (default:
                      the environment variable AUTH0_DOMAIN). Credentials are AUTH0_CLIENT_ID with
                      AUTH0_CLIENT_SECRET, or AUTH0_MANAGEMENT_TOKEN; without them, nobody looks
                      whether the setting has stayed
  --ledger URL        sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are
                      merged, and the first but lines keeps what is done (default: the environment
                      variable ATJWT_LEDGER)
  --json              print JSON instead of text
"""

HEAD = """\
https://api.example.com/: access_token -> rfc9068_profile, switched at 2026-09-21 14:13:20 UTC
"""

WAITED = (
    HEAD
    + """\
Tokens from before may live until 2026-09-21 14:16:32 UTC: they lived 180 s at the most, 2 s of \
margin, and 10 s of leeway.
Old tokens came in the last 10 minutes of:
  batch  client        1 requests  last 2026-09-21 14:13:19 UTC, until 2026-09-21 14:16:19 UTC
00:03:12 left
00:02:11 left; old tokens meanwhile: 3
late tokens have moved the moment: it is 2026-09-21 14:16:40 UTC now
note: tokens were seen that live longer than the settings said: a lifetime was lowered, or is set \
otherwise; so the wait is longer
00:01:15 left; old tokens meanwhile: 4
00:00:15 left; old tokens meanwhile: 4
Drained: since 2026-09-21 14:16:40 UTC no token from before can be alive.

  next  python -m atjwt migrate enforce https://api.example.com/
"""
)

NOT_YET = (
    HEAD
    + """\
in the way: not before 2026-09-21 14:16:32 UTC: until then old tokens may live: run `drain`

Leave the accepted profiles as they are.
"""
)

MAY = """\
Since 2026-09-21 14:16:32 UTC no token from before the switch can be alive.

Set for every instance, and roll it out:

  ATJWT_PROFILES=rfc9068    where the app uses ResourceServer.from_env()
  profiles={RFC9068}        otherwise, at its TrustedIssuer

"""

DONE = (
    HEAD
    + """\
Since 2026-09-21 14:16:32 UTC no token from before the switch can be alive.
Every live instance (2) accepts rfc9068 alone, recorded at 2026-09-21 14:16:40 UTC: the migration \
is done.
"""
)


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    desk = Desk(monkeypatch, capsys)
    desk.tenant.settings["token_dialect"] = "rfc9068_profile"
    desk.ledger.record(step(lifetime=180.0, margin=2.0))
    desk.ledger.write(Batch(uses=use(START - 1, lifetime=180.0)))
    return desk


@pytest.mark.parametrize(
    ("name", "text"),
    [("drain", DRAIN_HELP), ("enforce", ENFORCE_HELP)],
)
def test_help(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word."""
    monkeypatch.setenv("COLUMNS", "100")
    with pytest.raises(SystemExit) as stopped:
        main(["migrate", name, "--help"])
    assert stopped.value.code == 0
    assert capsys.readouterr().out == text


# --- drain ----------------------------------------------------------------------------------------


def while_waiting(desk: Desk, events: dict[float, Batch]) -> None:
    """What is counted meanwhile, by seconds from now."""

    def sleep(seconds: float) -> None:
        desk.clock.sleep(seconds)
        for at in [at for at in events if at <= desk.clock() - START]:
            desk.ledger.write(events.pop(at))

    desk.time.sleep = sleep


def test_without_a_terminal_there_is_a_line_where_there_is_news(desk: Desk) -> None:
    """And one a minute; late tokens move the moment, and that is said."""
    last_look = use(START + 58, lifetime=180.0, expires=START + 100)
    key, one = next(iter(last_look.items()))
    moved = use(START + 61, lifetime=188.0, expires=START + 190)
    while_waiting(
        desk,
        {60: Batch(uses={key: one._replace(requests=3)}), 65: Batch(uses=moved)},
    )
    code, out, err = desk("drain")
    assert (code, err) == (0, "")
    assert out == WAITED
    assert desk.clock() == START + 200


def test_looked_at_once(desk: Desk) -> None:
    """Exit code 1 while it is not so yet; 0 when it is, and from then on."""
    code, out, _ = desk("drain", "--no-wait")
    assert (code, out.splitlines()[-1]) == (1, "00:03:12 left")
    desk.clock.now = START + 192
    for _ in range(2):
        code, out, _ = desk("drain", "--no-wait", API, "--issuer", ISSUER)
        assert code == 0
        assert "No old token came in the last 10 minutes" not in out
    assert desk.ledger.names() == ["switched", "drained"]


def test_drain_as_json(desk: Desk) -> None:
    """Alone on stdout."""
    code, out, err = desk("drain", "--no-wait", "--json")
    assert (code, err.splitlines()[-1]) == (1, "00:03:12 left")
    assert json.loads(out) == {
        "identifier": API,
        "issuer": ISSUER,
        "before": "access_token",
        "after": "rfc9068_profile",
        "switched_at": START,
        "lifetime": 180,
        "margin": 2,
        "leeway": 10,
        "expires": START + 179,
        "drained_at": START + 192,
        "remaining": 192,
        "drained": False,
        "clients": [
            {
                "client_id": "batch",
                "kind": "client",
                "requests": 1,
                "last": START - 1,
                "expires": START + 179,
            }
        ],
        "wrong": [],
        "notes": [],
    }


def test_on_a_terminal_a_bar_moves(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over itself, each second; news end it."""
    screen = Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    late = use(START + 96, lifetime=188.0, expires=START + 190)
    while_waiting(desk, {97: Batch(uses=late)})
    code = desk("drain")[0]
    shown = screen.getvalue()
    assert code == 0
    assert f"\r[{'-' * 30}]   0%  00:03:12 left" in shown
    assert f"\r[{'#' * 15}{'-' * 15}]  50%  00:01:36 left" in shown
    assert "\nlate tokens have moved the moment: it is 2026-09-21 14:16:40 UTC now\n" in shown
    assert shown.count("\r") > 100
    assert "\nDrained: since 2026-09-21 14:16:40 UTC no token" in shown


def test_old_tokens_that_are_issued_on_are_told(desk: Desk) -> None:
    """And what the API is set to, where that can be seen; trouble with that is no failure."""
    desk.ledger.write(Batch(uses=use(START + 99, lifetime=180.0)))
    desk.clock.now = START + 100
    desk.tenant.settings["token_dialect"] = "access_token"
    _, out, _ = desk("drain", "--no-wait")
    assert (
        "in the way: tokens of https://tenant.eu.auth0.com/ as access_token makes them were" in out
    )
    assert (
        "in the way: the API is set to access_token now: `switch --to rfc9068_profile` sets" in out
    )
    desk.tenant.answers = [Answer(403, {}, b"{}")]
    code, _, err = desk("drain", "--no-wait")
    assert (code, "note: the Management API does not say how the API is set: 403" in err) == (
        1,
        True,
    )
    desk.has_management(False)
    assert "is set to" not in desk("drain", "--no-wait")[1]


def test_a_long_wait_says_less(desk: Desk) -> None:
    """A line in a quarter of an hour, until an hour is left."""
    desk.ledger.record(step(at=START + 1, audience="x", lifetime=7_200.0, margin=0.0))
    desk.clock.now = START + 1
    desk.ledger.write(Batch(heartbeats=(beat(START + 1),)))
    _, out, _ = desk("drain", "x")
    left = [line.split()[0] for line in out.splitlines() if line.endswith(" left")]
    assert left[:3] == ["02:00:10", "01:45:10", "01:30:10"]
    assert len(left) == 5 + 60


def test_exactly_twenty_clients_are_all(desk: Desk) -> None:
    """In columns as wide as the longest is."""
    for number in range(19):
        desk.ledger.write(Batch(uses=use(START, client_id="c" * (number + 1))))
    _, out, _ = desk("drain", "--no-wait")
    lines = [line for line in out.splitlines() if " requests  last " in line]
    assert len(lines) == 20
    assert len({line.index(" requests") for line in lines}) == 1
    assert " more" not in out


def test_many_clients_are_cut(desk: Desk) -> None:
    """Twenty are listed, whatever they are called: a client id is any text (T52)."""
    for number in range(25):
        desk.ledger.write(Batch(uses=use(START, client_id=f"https://c{number}/\x1b[31m")))
    _, out, _ = desk("drain", "--no-wait")
    assert out.count(" requests  last ") == 20
    assert "  and 6 more" in out
    assert "\x1b" not in out


def test_a_wait_can_be_stopped_and_gone_on_with(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is lost: the ledger has it all."""

    def interrupted(seconds: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("atjwt.cli.migrate_drain.time.sleep", interrupted)
    code, _, err = desk("drain")
    assert (code, err) == (1, "atjwt migrate drain: stopped; the same command again goes on\n")


class Away(Trap):
    """For the second to the fourth look."""

    def __call__(self, name: str, effect: Any) -> Any:
        self.at = len(self.seen) if 1 <= len(self.seen) <= 3 else None
        return super().__call__(name, effect)


def test_a_ledger_that_is_away_is_waited_for(desk: Desk) -> None:
    """Its trouble is told; at the first look it ends with 1."""
    desk.ledger.trap = Away()
    code, out, _ = desk("drain")
    assert (code, out.count("waiting for the ledger: is locked\n")) == (0, 1)
    desk.ledger.trap = Trap(0)
    assert desk("drain") == (1, "", "atjwt migrate drain: is locked\n")


@pytest.mark.parametrize("command", ["drain", "enforce"])
def test_which_api_is_meant_is_asked(command: str, desk: Desk) -> None:
    """Where the ledger has several; where it has none, that is told."""
    desk.ledger.record(step(audience="https://other/"))
    code, out, err = desk(command)
    assert (code, out) == (2, "")
    assert f"say which: {API} --issuer {ISSUER}, https://other/ --issuer {ISSUER}" in err
    code, _, err = desk(command, "https://third/")
    assert (code, "no switch of that API is recorded" in err) == (1, True)
    desk.ledger.record(step("begun", at=START + 1))
    code, _, err = desk(command, API)
    assert (code, "run `switch --to rfc9068_profile` again" in err) == (1, True)


# --- enforce --------------------------------------------------------------------------------------


def test_before_the_moment_it_is_in_the_way(desk: Desk) -> None:
    """Exit code 1."""
    assert desk("enforce") == (1, NOT_YET, "")


def test_the_setting_to_change_and_who_has_it(desk: Desk) -> None:
    """Until all have it, which is recorded."""
    desk.clock.now = now = START + 200
    wide, narrow = beat(now), beat(now, "b:2", profiles=("rfc9068",))
    desk.ledger.write(Batch(heartbeats=(wide,)))
    who = "Have it not yet (1): orders (a:1)\n"
    again = (
        "From that deployment on, undo needs both profiles deployed first.\n"
        "Then give this command again.\n"
    )
    assert desk("enforce") == (0, HEAD + MAY + who + again, "")
    desk.ledger.write(Batch(heartbeats=(narrow,)))
    have = "Have it (1): orders (b:2)\n"
    assert desk("enforce") == (0, HEAD + MAY + have + who + again, "")
    desk.ledger.write(Batch(heartbeats=(beat(now, profiles=("rfc9068",)),)))
    assert desk("enforce") == (0, DONE, "")
    assert desk.ledger.names() == ["switched", "enforced"]
    assert json.loads(desk("enforce", "--json")[1])["enforced_at"] == now
    desk.ledger.write(Batch(heartbeats=(wide,)))  # somebody has rolled it back
    assert desk("enforce") == (0, HEAD + MAY + have + who + again, "")


def test_what_cannot_be_attested_is_in_the_way(desk: Desk) -> None:
    """Unless it is taken upon oneself; what is wrong cannot be."""
    desk.clock.now = now = START + 200
    desk.ledger.write(Batch(heartbeats=(beat(now), beat(now - 99, "b:2")), lost=2))
    code, out, _ = desk("enforce")
    assert code == 1
    assert out == HEAD + (
        "not attested: silent, and so perhaps with counts not yet written: orders (b:2): end them in "
        "order, or make sure that they are gone\n"
        "not attested: 2 counts were lost, and nobody knows of which tokens\n\n"
        "Leave the accepted profiles as they are (--unattested takes it upon yourself).\n"
    )
    assert desk("enforce", "--unattested")[0] == 0
    desk.tenant.settings["token_dialect"] = "access_token"
    code, out, _ = desk("enforce", "--unattested")
    assert (code, "in the way: the API is set to access_token" in out) == (1, True)


def test_old_tokens_that_are_refused_since_are_told(desk: Desk) -> None:
    """As a note."""
    desk.clock.now = now = START + 200
    key = RefusalKey(0, "orders", ISSUER, API, "auth0", "profile_not_accepted")
    desk.ledger.write(Batch(heartbeats=(beat(now),), refusals={key: Refusals(4, now)}))
    code, out, _ = desk("enforce")
    assert code == 0
    assert "note: 4 requests with tokens of the old profile were refused since then.\n" in out


def test_enforce_as_json(desk: Desk) -> None:
    """Alone on stdout."""
    desk.clock.now = now = START + 200
    desk.ledger.write(Batch(heartbeats=(beat(now),)))
    code, out, err = desk("enforce", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out) == {
        "identifier": API,
        "issuer": ISSUER,
        "before": "access_token",
        "after": "rfc9068_profile",
        "switched_at": START,
        "drained_at": START + 192,
        "profile": "rfc9068",
        "wrong": [],
        "unattested": [],
        "narrowed": [],
        "refused": 0,
        "wide": [{"service": "orders", "instance": "a:1", "profiles": ["auth0", "rfc9068"]}],
        "enforced_at": None,
    }


def test_a_switch_of_permissions_alone_has_nothing_to_narrow(desk: Desk) -> None:
    """It says so."""
    desk.ledger.record(
        step(at=START + 1, audience="x", before="rfc9068_profile", after="rfc9068_profile_authz",
             lifetime=1.0)
    )  # fmt: skip
    desk.has_management(False)
    desk.clock.now = START + 200
    desk.ledger.write(Batch(heartbeats=(beat(START + 200, audience=("x",)),)))
    code, out, _ = desk("enforce", "x")
    assert (code, out.splitlines()[-1]) == (
        0,
        "The switch left the profile as it was: there is nothing to narrow.",
    )


def test_a_ledger_that_cannot_keep_it_exits_with_1(desk: Desk) -> None:
    """Both commands can be given again."""
    desk.clock.now = START + 200
    desk.ledger.write(Batch(heartbeats=(beat(START + 200, profiles=("rfc9068",)),)))
    desk.ledger.trap = Trap("record drained", LedgerError("is full"))
    assert desk("drain")[0] == 1
    desk.ledger.trap = Trap("record enforced", LedgerError("is full"))
    assert desk("enforce") == (1, "", "atjwt migrate enforce: is full\n")


# --- With ledgers in files ------------------------------------------------------------------------


def test_ledgers_of_different_ages_cannot_attest(
    tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that nobody has written to since is named; the first keeps what is done."""
    for name in ("AUTH0_DOMAIN", "ATJWT_LEDGER"):
        monkeypatch.delenv(name, raising=False)
    now = time.time()
    old = SqliteStore(tmp_path / "old.db", clock=lambda: now - 900)
    old.write(Batch(heartbeats=(beat(now - 900, "old:1", stopped=True),)))
    new = SqliteStore(tmp_path / "new.db")
    new.write(Batch(heartbeats=(beat(now),)))
    new.record(step(at=now - 500, lifetime=60.0))
    named = [f"--ledger=sqlite:///{tmp_path / name}" for name in ("new.db", "old.db")]
    assert main(["migrate", "drain", *named]) == 0
    out = capsys.readouterr().out
    assert "old.db was not written to since the switch" in out
    assert [each.name for each in new.read().steps] == ["switched", "drained"]
    assert old.read().steps == ()
    assert main(["migrate", "enforce", *named]) == 1
    assert f"not attested: the ledger {tmp_path / 'old.db'} was not written to since" in (
        capsys.readouterr().out
    )
    assert main(["migrate", "enforce", named[0], "--unattested"]) == 0
    assert "old.db" not in capsys.readouterr().out


def test_ledgers_that_are_none_are_told(tmp_path: Path, capsys: Any) -> None:
    """Not there, or no ledger: one sentence each."""
    (tmp_path / "text.db").write_text("no ledger" * 999)
    for name in ("none.db", "text.db"):
        for command in ("drain", "enforce"):
            assert main(["migrate", command, f"--ledger=sqlite:///{tmp_path / name}"]) == 1
            assert capsys.readouterr().err.count("\n") == 1


def test_a_line_that_stays_open_is_ended_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the next one, or at the end. It covers the one before, and is no longer than the terminal's."""
    monkeypatch.setenv("COLUMNS", "8")
    say = Saying()
    say.over("abc")
    say.over("b")
    say("c")
    say.end()
    say.over("1234567890")
    say.end()
    assert capsys.readouterr().out == "\rabc\rb  \nc\n\r1234567\n"
