"""`atjwt migrate report`: what it prints, to people and to programs, and how it ends."""

import io
import json
from pathlib import Path

import pytest

from atjwt.cli.main import main
from atjwt.migration.account import Account
from atjwt.migration.sqlite_store import SqliteStore
from tools.accounts import API, ISSUER, NOW, account, beat, done, keep, refusal, use

MIGRATE_HELP = """\
usage: atjwt migrate [-h] STEP ...

Takes an API from one token profile to the other while it runs: report who brings which tokens,
plan what would change, switch the setting at the authorization server, drain the old tokens,
enforce the new profile. undo leads back.
"""

HELP = """\
usage: atjwt migrate report [-h] [--api IDENTIFIER] [--hours N] [--ledger URL] [--json]

Prints what the ledger holds: which tokens are accepted, by profile, kind of caller and client;
until when old ones live; what is refused and what to do about it; which instances report; what
was done. Exit code 0: printed; 1: a ledger cannot be read; 2: asked wrongly.

options:
  -h, --help        show this help message and exit
  --api IDENTIFIER  of one API only (default: of all)
  --hours N         count the last N clock hours (default: 24)
  --ledger URL      sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are
                    merged, and the first but lines keeps what is done (default: the environment
                    variable ATJWT_LEDGER)
  --json            print JSON instead of text
"""

TEXT = """\
2026-09-21 14:15:00 UTC, the last 24 clock hours

API https://api.example.com/, tokens from https://acme.eu.auth0.com/
  1,300 requests with good tokens

  PROFILE  PERMISSIONS  KIND    REQUESTS  SHARE  LAST 2 H  FIRST SEEN           LAST SEEN            \
ALIVE UNTIL
  auth0    yes          user       1,000  76.9%         0  2026-09-21 04:01:00  2026-09-21 04:05:00  \
2026-09-21 18:15:00
  rfc9068  yes          user         295  22.7%       295  2026-09-21 13:01:00  2026-09-21 14:05:00  \
2026-09-22 14:15:00
  auth0    no           client         5   0.4%         5  2026-09-21 13:01:00  2026-09-21 13:05:00  \
expired

  share of rfc9068 each hour, in tenths (# all, . no request)  .............0........9#

  CLIENT             KIND    PROFILE  PERMISSIONS  REQUESTS  LAST 2 H  LAST SEEN            \
ALIVE UNTIL          OLD
  app                user    auth0    yes             1,000         0  2026-09-21 04:05:00  \
2026-09-21 18:15:00  old
  job\\x1b[31m & co.  client  auth0    no                  5         5  2026-09-21 13:05:00  \
expired              old
  app                user    rfc9068  yes               295       295  2026-09-21 14:05:00  \
2026-09-22 14:15:00

  old tokens (access_token_authz, from before it was set to rfc9068_profile_authz): those seen so
  far are alive until 2026-09-21 18:15:00, of 1 client; drain tells when all are gone for certain

Refused
  REASON        REQUESTS  LAST SEEN            PROFILE  WHAT TO DO
  opaque_token         9  2026-09-21 13:05:00  -        the client must ask for a token with this \
API's audience
  expired              2  2026-09-21 14:05:00  auth0    the client must renew its token in time; else \
compare the clocks

Instances
  SERVICE  INSTANCE  STATE   ACCEPTS         REPORTED
  orders   web-1     live    auth0, rfc9068  00:00:04 ago
  orders   web-2     silent  auth0, rfc9068  00:06:40 ago
  and 1 that ended, or fell silent, before that

Steps
  WHEN                 STEP      FROM                TO                     API
  2026-09-21 13:15:00  switched  access_token_authz  rfc9068_profile_authz  https://api.example.com/

Ledgers
  LEDGER                WRITTEN
  the ledger ledger.db  00:00:00 ago

Next: python -m atjwt migrate drain https://api.example.com/ --ledger sqlite:///ledger.db
"""

EMPTY = """\
2026-09-21 14:15:00 UTC, the last 24 clock hours

Ledgers
  LEDGER                WRITTEN
  the ledger ledger.db  00:00:00 ago

The ledger is empty. Give it to the app, deploy that, and look again after a few requests:

    from atjwt.migration import Ledger
    ResourceServer(..., observers=[Ledger("sqlite:///ledger.db", service="orders")])
"""

FULL = account(
    [
        use(1_000, hours_ago=10, expires=NOW + 4 * 3_600),
        use(95, hours_ago=1, profile="rfc9068"),
        use(200, profile="rfc9068"),
        use(5, hours_ago=1, kind="client", client_id="job\x1b[31m & co.", permissions=False,
            expires=NOW - 5),
    ],
    refusals=[refusal("expired", 2), refusal("opaque_token", 9, hours_ago=1, issuer="", profile="")],
    beats=[beat(), beat("web-2", ago=400), beat("web-0", ago=90_000, stopped=True)],
    steps=[done()],
)  # fmt: skip


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which the command is given, at a certain time."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.delenv("ATJWT_LEDGER", raising=False)
    monkeypatch.setattr("atjwt.cli.step.now", lambda: NOW)
    return tmp_path


def kept(whole: Account, name: str = "ledger.db") -> str:
    """The URL of a ledger that holds this."""
    keep(SqliteStore(name, clock=lambda: NOW), whole)
    return f"sqlite:///{name}"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of the command."""
    code = main(["migrate", "report", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


# --- What is printed ------------------------------------------------------------------------------


@pytest.mark.parametrize(("words", "text"), [([], MIGRATE_HELP), (["report"], HELP)])
def test_the_help_is_as_written_here(
    words: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Word for word; of the steps, each tells its own."""
    with pytest.raises(SystemExit) as stopped:
        main(["migrate", *words, "--help"])
    out = capsys.readouterr().out
    assert stopped.value.code == 0
    assert out.startswith(text)
    assert words or "    report    who brings which tokens\n" in out
    assert not words or out == text


def test_the_report_is_as_written_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word; nothing that came in a token moves the terminal's cursor."""
    assert run(capsys, "--ledger", kept(FULL)) == (0, TEXT, "")


def test_an_empty_ledger_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    """Rather than nothing."""
    assert run(capsys, "--ledger", kept(Account())) == (0, EMPTY, "")


def test_json_has_all_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    """In seconds since 1970, and whatever the terminal."""
    code, out, _ = run(capsys, "--ledger", kept(FULL), "--json")
    facts = json.loads(out)
    assert (code, out.isascii()) == (0, True)
    (api,) = facts["apis"]
    assert (api["audience"], api["issuer"], api["requests"]) == (API, ISSUER, 1_300)
    assert api["old_until"] == NOW + 4 * 3_600
    assert api["clients"][1]["client_id"] == "job\x1b[31m & co."
    assert [one["state"] for one in facts["instances"]] == ["stopped", "live", "silent"]
    assert facts["ledgers"] == [{"name": "the ledger ledger.db", "updated": NOW, "age": 0.0}]


def test_ledgers_are_read_as_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """By argument or by the environment; arguments are given back in what to type next."""
    one, other = kept(account([use(1)]), "a.db"), kept(account([use(2)]), "b.db")
    code, out, _ = run(capsys, "--ledger", one, "--ledger", other)
    assert " OLD" not in out
    assert (code, "  3 requests with good tokens\n" in out) == (0, True)
    assert out.endswith(
        f"plan {API} --to rfc9068 --ledger sqlite:///a.db --ledger sqlite:///b.db\n"
    )
    monkeypatch.setenv("ATJWT_LEDGER", f"{one} {other}")
    code, out, _ = run(capsys)
    assert (code, "  3 requests with good tokens\n" in out) == (0, True)
    assert out.endswith(f"\nNext: python -m atjwt migrate plan {API} --to rfc9068\n")


def test_what_is_doubted_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """A line each, before what to do next."""
    url = kept(account([use()], beats=[beat(ago=-90)]))
    out = run(capsys, "--ledger", url)[1]
    assert "\n! written in the future: orders/web-1: set the clocks, there or here\n" in out


def test_several_apis_are_told_apart_in_every_table(capsys: pytest.CaptureFixture[str]) -> None:
    """And one of them can be asked for."""
    other = "https://x.example/"
    whole = account(
        [use(1), use(2, audience=other)],
        refusals=[refusal("expired"), refusal("expired", audience=other)],
        beats=[beat(), beat("web-2", audience=(other,))],
    )
    out = run(capsys, "--ledger", kept(whole))[1]
    assert "\n  REASON   REQUESTS  LAST SEEN            PROFILE  API " in out
    assert f"  00:00:04 ago  {other}        {ISSUER}\n" in out
    code, out, _ = run(capsys, "--ledger", "sqlite:///ledger.db", "--api", other)
    assert (code, API in out, out.count("API https")) == (0, False, 1)


def test_long_tables_are_cut_and_hours_put_together(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is in the JSON."""
    url = kept(account([use(1, client_id=f"c{number:02}") for number in range(23)]))
    out = run(capsys, "--ledger", url, "--hours", "200")[1]
    assert "  c19 " in out
    assert "  c20 " not in out
    assert "\n  and 3 more, which --json has\n" in out
    assert f"  share of rfc9068 each 3 hours, in tenths (# all, . no request)  {'.' * 66}0\n" in out


def test_on_a_terminal_tables_are_cut_to_its_width(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The widest columns first, and none to nothing; elsewhere nothing is cut."""
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "90")
    url = kept(account(beats=[beat("w" * 200)]))
    out = run(capsys, "--ledger", url)[1]
    (row,) = (line for line in out.splitlines() if "www" in line)
    assert len(row) == 90
    assert "ww...  live   auth0, rfc9068  00:00:04 ago" in row
    monkeypatch.setattr("sys.stdout.isatty", lambda: False)
    assert "w" * 200 in run(capsys, "--ledger", url)[1]
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "20")
    assert "\n  orders   wwwww...  live   auth0...  00:00...\n" in run(capsys, "--ledger", url)[1]


@pytest.mark.parametrize(
    ("whole", "words"),
    [
        (account([use()]), f"python -m atjwt migrate plan {API} --to rfc9068 "),
        (account(beats=[beat()]), f"python -m atjwt migrate plan {API} --to rfc9068 "),
        (account(refusals=[refusal("expired")]), "python -m atjwt migrate plan API --to rfc9068 "),
        (account([use(profile="rfc9068")]), "nothing; every token was of the RFC 9068 profile"),
        (
            account(steps=[done("begun")]),
            f"python -m atjwt migrate switch {API} --to rfc9068_profile_authz ",
        ),
        (account(steps=[done("begun", undo=True)]), f"python -m atjwt migrate undo {API} "),
        (account(steps=[done(), done("failed", ago=5)]), f"python -m atjwt migrate drain {API} "),
        (account(steps=[done("drained")]), f"python -m atjwt migrate enforce {API} "),
        (account(steps=[done("enforced")]), "nothing; it is enforced"),
    ],
)  # fmt: skip
def test_the_next_step_is_named(
    whole: Account, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """As far as it is; the steps themselves say what they lack."""
    last = run(capsys, "--ledger", kept(whole))[1].splitlines()[-1]
    assert last.startswith(f"Next: {words}")


def test_an_output_without_the_letters_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as that of a container without a locale: what it lacks is written as its escape."""
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr("sys.stdout", out)
    url = kept(account([use(client_id="caf\u00e9 \U0001f512")]))
    assert main(["migrate", "report", "--ledger", url]) == 0
    out.flush()
    assert "caf\\xe9 \\U0001f512" in out.buffer.getvalue().decode("ascii")


def test_it_says_when_no_old_token_is_alive(capsys: pytest.CaptureFixture[str]) -> None:
    """By what is in the ledger: seen and expired, or none seen at all."""
    for uses in ([use(expires=NOW - 1)], [use(profile="rfc9068")]):
        out = run(capsys, "--ledger", kept(account(uses, steps=[done()])))[1]
        assert "): none is alive, by what is in the ledger" in " ".join(out.split())
        assert "\n  1 request with good tokens\n" in out
        Path("ledger.db").unlink()


# --- How it fails ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ([], 2, "name the ledger: --ledger sqlite:///FILE, or the environment variable"),
        (["--ledger", "nothing"], 2, "a ledger is named by a URL"),
        (["--ledger", "sqlite:///none.db"], 1, "none.db is not there"),
        (["--ledger", "sqlite:///notes.txt"], 1, "notes.txt"),
        (["--ledger", "sqlite:///ledger.db", "--api", "x"], 2, f"it knows {API}"),
        (["--ledger", "sqlite:///ledger.db", "--hours", "0"], 2, "from 1 to 1,080"),
    ],
)
def test_what_cannot_be_reported_is_told(
    arguments: list[str], code: int, text: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sentence, and nothing on stdout."""
    kept(account([use()]))
    (here / "notes.txt").write_text("my notes, " * 1_000, "utf-8")
    assert run(capsys, *arguments)[:2] == (code, "")
    main(["migrate", "report", *arguments])
    err = capsys.readouterr().err
    assert err.startswith("atjwt migrate report: ")
    assert (text in err, "Traceback" in err) == (True, False)


def test_a_copy_of_a_ledger_is_told(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It would count twice."""
    kept(account([use()]))
    (here / "copy.db").write_bytes((here / "ledger.db").read_bytes())
    code, _, err = run(capsys, "--ledger", "sqlite:///ledger.db", "--ledger", "sqlite:///copy.db")
    assert (code, "are copies of one ledger" in err) == (1, True)
