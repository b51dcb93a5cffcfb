"""The command line, as a process: what it prints, serves, refuses, and how it ends."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from socket import create_server
from typing import Any

import httpx
import pytest
from joserfc import jwt

from atjwt import AUTH0, RFC9068, ResourceServer, TrustedIssuer
from atjwt.cli import issuer as issuer_command
from atjwt.cli.main import main
from atjwt.issuer.keys import ALGORITHMS
from atjwt.issuer.tokens import DIALECTS
from atjwt.migration import ManagementApi
from tools.second_opinion import key_set

HELP = """\
usage: atjwt [-h] [--version] COMMAND ...

Tools around OAuth 2.0 access tokens and their two profiles.

options:
  -h, --help  show this help message and exit
  --version   show program's version number and exit

commands:
  COMMAND
    issuer    run a local authorization server for development
    routes    list the routes of an app and what guards them
    explain   tell why an API accepts or refuses a token
    doctor    find what is wrong with an issuer, an app or this machine
    migrate   take an API from one token profile to the other
"""

ISSUER_HELP = """\
usage: atjwt issuer [-h] [--host HOST] [--port PORT] [--config FILE] [--state FILE]
                    [--audience AUDIENCE] [--dialect DIALECT] [--algorithm ALG] [--json]

Runs a local authorization server: metadata, keys, logins, a token endpoint, and broken tokens and
faults on request. For development only; it listens on loopback addresses only.

options:
  -h, --help           show this help message and exit
  --host HOST          loopback name or address (default: 127.0.0.1)
  --port PORT          0 for any free one (default: 9400)
  --config FILE        APIs, users, clients, grants and organizations to begin with, as TOML
                       (default: built-in ones)
  --state FILE         keep APIs, client grants, signing keys and client secrets in this SQLite
                       file, for the next run; readable by its owner alone (default: in memory)
  --audience AUDIENCE  identifier of the main API (default: the first of --config, or
                       https://api.example.com/)
  --dialect DIALECT    token dialect of the main API: access_token, access_token_authz,
                       rfc9068_profile, rfc9068_profile_authz (default: access_token)
  --algorithm ALG      signs by RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512,
                       EdDSA, Ed25519 (default: RS256)
  --json               print one JSON line instead of text, when listening
"""

WITHOUT_UVICORN = """\
import sys
sys.modules["uvicorn"] = None
from atjwt.cli.main import main
sys.exit(main(["issuer", "--port", "0"]))
"""


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONWARNINGS": "error"}


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=30,
        env=_environment(),
        check=False,
    )


@contextmanager
def _serving(*arguments: str) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """A running issuer and the first line it printed; stopped at the end, if it has not ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "atjwt", "issuer", "--port", "0", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.kill()
        process.communicate()


def _stop(process: "subprocess.Popen[str]", number: signal.Signals) -> tuple[int, str, str]:
    # Not `communicate`: it would miss what `readline` has read ahead.
    process.send_signal(number)
    code = process.wait(timeout=30)
    assert process.stdout is not None
    assert process.stderr is not None
    return code, process.stdout.read(), process.stderr.read()


def _grant(facts: dict[str, Any]) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": facts["client_id"],
        "client_secret": facts["client_secret"],
        "audience": facts["audience"],
    }


def test_a_program_can_start_use_and_stop_it() -> None:
    """One JSON line, real sockets, a token that verifies, and exit code 0 on SIGTERM."""
    with _serving("--json", "--dialect", "rfc9068_profile") as (process, line):
        facts = json.loads(line)
        assert facts["issuer"].startswith("http://127.0.0.1:")
        metadata = httpx.get(f"{facts['issuer']}.well-known/openid-configuration").json()
        assert metadata["issuer"] == facts["issuer"]
        assert metadata["jwks_uri"] == facts["jwks_uri"]
        answer = httpx.post(metadata["token_endpoint"], data=_grant(facts)).json()
        keys = key_set(httpx.get(facts["jwks_uri"]).json())
        token = jwt.decode(answer["access_token"], keys, algorithms=[facts["algorithm"]])
        assert token.header["typ"] == "at+jwt"
        assert token.claims["iss"] == facts["issuer"]
        assert facts["dashboard"] == f"{facts['issuer']}dashboard"
        page = httpx.get(facts["issuer"], headers={"accept": "text/html"}, follow_redirects=True)
        assert (str(page.url), page.status_code) == (facts["dashboard"], 200)
        code, out, err = _stop(process, signal.SIGTERM)
    assert (code, out) == (0, "")
    assert "for development only" in err
    assert facts["client_secret"] not in err


@pytest.mark.parametrize("host", ["::1", "localhost"])
def test_the_issuer_is_named_after_its_host(host: str) -> None:
    """Also an IPv6 address or a name of the loopback interface is served under its own URL."""
    with _serving("--json", "--host", host, "--algorithm", "ES256") as (process, line):
        facts = json.loads(line)
        shown = f"[{host}]" if ":" in host else host
        assert facts["issuer"].startswith(f"http://{shown}:")
        assert httpx.get(facts["jwks_uri"]).json()["keys"][0]["alg"] == "ES256"
        assert _stop(process, signal.SIGINT)[0] == 0


def test_a_person_reads_what_to_do() -> None:
    """The text warns, names everything, and its curl line is whole."""
    with _serving("--audience", "urn:it's mine") as (process, line):
        code, out, err = _stop(process, signal.SIGINT)
    assert line == "atjwt issuer: for development only; it answers this computer only (loopback).\n"
    assert (code, err) == (0, "")
    shown = dict(row.split(maxsplit=1) for row in out.splitlines()[1:9])
    assert list(shown)[:4] == ["issuer", "jwks_uri", "token_endpoint", "audience"]
    assert shown["audience"] == "urn:it's mine"
    assert f"curl -s {shown['token_endpoint']} " in out
    assert (
        f"\nSee and change all this in a browser, on the Dashboard: {shown['issuer']}dashboard\n"
        in out
    )
    assert shown["client_secret"] in out


def test_what_is_printed_works_when_it_is_pasted() -> None:
    """An API that trusts the issuer as printed takes the token that the printed request brings."""
    with _serving("--algorithm", "ES256", "--host", "::1") as (process, line):
        assert process.stdout is not None
        lines = [line, *iter(process.stdout.readline, "Stop with Ctrl+C.\n")]
        server = _pasted("".join(lines).partition("by:\n")[2].partition("Get a token")[0])
        (issuer,) = server.issuers
        assert (issuer.algorithms, issuer.profiles) == ({"ES256"}, {AUTH0, RFC9068})
        curl = shlex.split(next(line for line in lines if "_local/token" in line))
        assert (curl[:2], curl[3], curl[5]) == (["curl", "-s"], "-H", "-d")
        name, _, value = curl[4].partition(": ")
        answer = httpx.post(curl[2], content=curl[6], headers={name: value}).json()
        who = server.verify_sync(answer["access_token"])
        assert who.profile == RFC9068
        assert who.scopes == {"read:orders"}
        assert _stop(process, signal.SIGINT)[0] == 0


def _pasted(text: str) -> ResourceServer:
    names = {"ResourceServer": ResourceServer, "TrustedIssuer": TrustedIssuer}
    server = eval(text.strip(), names)  # the text is ours
    assert isinstance(server, ResourceServer)
    return server


@pytest.mark.parametrize("fault", [{"hang": True}, {"slow": 600}])
def test_it_stops_although_a_request_hangs(fault: dict[str, object]) -> None:
    """A fault cannot keep the process: it ends in a second or so, with exit code 0 and no noise."""
    with _serving("--json") as (process, line):
        facts = json.loads(line)
        httpx.put(f"{facts['issuer']}_local/faults", json=fault).raise_for_status()
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(facts["jwks_uri"], timeout=0.1)
        code, _, err = _stop(process, signal.SIGTERM)
    assert (code, len(err.splitlines())) == (0, 1)


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("access_token", "rfc9068_profile"),
        ("access_token_authz", "rfc9068_profile_authz"),
        ("rfc9068_profile_authz", "access_token_authz"),
    ],
)
def test_the_printed_switch_works_when_it_is_pasted(
    before: str, after: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token for the Management API, and the change of the profile, which keeps the permissions; and
    what the commands of the migration read.
    """
    monkeypatch.setenv("NO_PROXY", "*")
    arguments = ("--algorithm", "ES256", "--audience", "urn:it's mine", "--dialect", before)
    with _serving(*arguments) as (process, line):
        assert process.stdout is not None
        lines = [line, *iter(process.stdout.readline, "Stop with Ctrl+C.\n")]
        script, _, rest = "".join(lines).partition("as at Auth0:\n")[2].partition("Or step by step")
        ended = subprocess.run(
            ["sh", "-e"], input=script, capture_output=True, text=True, timeout=30,
            env={**_environment(), "NO_PROXY": "*"}, check=True,
        )  # fmt: skip
        answer = json.loads(ended.stdout)
        assert (answer["identifier"], answer["token_dialect"]) == ("urn:it's mine", after)
        export = next(text for text in rest.splitlines() if text.startswith("  export "))
        environment = dict(pair.split("=", 1) for pair in shlex.split(export)[1:])
        assert ManagementApi.from_env(environment).get("urn:it's mine") == answer
        assert _stop(process, signal.SIGINT)[0] == 0


SETUP = """\
[[apis]]
identifier = "urn:mine"
scopes = ["read:items"]
token_dialect = "rfc9068_profile"
signing_alg = "HS256"

[[users]]
subject = "auth0|1"
name = "clerk"
permissions = { "urn:mine" = ["read:items"] }
"""


def test_it_serves_what_its_file_says_and_goes_on_where_it_was(tmp_path: Path) -> None:
    """`--config` begins, `--state` remembers; it says where the keys are; a secret is printed to
    paste.
    """
    config, state = tmp_path / "issuer.toml", tmp_path / "issuer.db"
    config.write_text(SETUP, "utf-8")
    runs = []
    for arguments in (["--config", str(config)], []):
        with _serving("--json", "--state", str(state), *arguments) as (process, line):
            facts = json.loads(line)
            assert (facts["audience"], facts["algorithm"]) == ("urn:mine", "HS256")
            assert facts["dialect"] == "rfc9068_profile"
            answer = httpx.post(facts["token_endpoint"], data=_grant(facts)).json()
            runs.append((facts["client_secret"], facts["issuer"], answer["access_token"]))
            code, _, err = _stop(process, signal.SIGTERM)
        assert (code, f"client secrets are kept in {state}." in err) == (0, True)
    assert runs[0][0] == runs[1][0]
    with _serving("--state", str(state), "--config", str(config)) as (process, line):
        assert process.stdout is not None
        lines = [line, *iter(process.stdout.readline, "Stop with Ctrl+C.\n")]
        server = _pasted("".join(lines).partition("by:\n")[2].partition("Get a token")[0])
        assert "  as clerk, who may read:items\n" in lines
        for _, issuer, token in runs:
            trusted = TrustedIssuer.auth0(issuer, secret=_secret_in(lines))
            server = ResourceServer(audience=server.audience, issuers=[trusted])
            assert server.verify_sync(token).client_id == "local-machine"


def _secret_in(lines: list[str]) -> str:
    (secret,) = (
        line.partition('secret="')[2].partition('"')[0] for line in lines if 'secret="' in line
    )
    return secret


def test_a_wrong_file_stops_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and a line for each mistake in `--config`, 1 for a `--state` of something else."""
    config, state = tmp_path / "issuer.toml", tmp_path / "notes"
    config.write_text("colour = 1\nshape = 2\n", "utf-8")
    state.write_text("my notes", "utf-8")
    assert main(["issuer", "--port", "0", "--config", str(config)]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert [line[: line.find(": there")] for line in lines] == [
        f"atjwt issuer: {config}: {name}" for name in ("colour", "shape")
    ]
    assert main(["issuer", "--port", "0", "--state", str(state)]) == 1
    assert "is a file of something else" in capsys.readouterr().err


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_other_hosts_are_refused(host: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The issuer hands out any token to anyone, so it never listens to a network."""
    assert main(["issuer", "--port", "0", "--host", host]) == 2
    assert "not a loopback one" in capsys.readouterr().err


def test_a_port_in_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1 and the system's own word for it, which names host and port no second time."""
    with create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["issuer", "--port", str(port)]) == 1
    told = capsys.readouterr().err
    assert f"cannot listen on port {port} of 127.0.0.1: " in told
    assert (told.count("127.0.0.1"), told.count(str(port))) == (1, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["isuer"],
        ["issuer", "--port", "65536"],
        ["issuer", "--port", "-1"],
        ["issuer", "--port", "²"],
        ["issuer", "--dialect", "auth0"],
        ["issuer", "--algorithm", "none"],
        ["issuer", "--audience", ""],
    ],
)
def test_arguments_that_do_not_fit_exit_with_2(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """argparse says what does not fit."""
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "error: " in capsys.readouterr().err


def test_without_uvicorn_it_says_what_to_install() -> None:
    """uvicorn is an extra; only this command needs it."""
    ended = _run("-c", WITHOUT_UVICORN)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == (
        "atjwt issuer: this command needs uvicorn: pip install 'atjwt[issuer]'\n"
    )


@pytest.mark.parametrize(("arguments", "text"), [([], HELP), (["issuer"], ISSUER_HELP)])
def test_help_is_as_written_here(arguments: list[str], text: str) -> None:
    """The help texts, word for word."""
    ended = _run("-m", "atjwt", *arguments, "--help")
    assert (ended.returncode, ended.stdout) == (0, text)


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    """As `atjwt … | head` does: no traceback."""
    program = (
        "import sys, types; from starlette.applications import Starlette;"
        "sys.modules['big'] = types.SimpleNamespace(app=Starlette(routes=["
        "__import__('starlette.routing').routing.Route(f'/{n}', print) for n in range(5000)]));"
        "from atjwt.cli.main import main; sys.exit(main(['routes', 'big:app', '--json']))"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", program], stdout=pipe, stderr=pipe) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_version_is_the_packages() -> None:
    """`--version` reads the installed metadata."""
    assert _run("-m", "atjwt", "--version").stdout == f"atjwt {version('atjwt')}\n"


def test_choices_are_the_issuers() -> None:
    """What the command offers is what the issuer can do; it is spelled twice to keep help quick."""
    assert issuer_command.DIALECTS == DIALECTS
    assert issuer_command.ALGORITHMS == ALGORITHMS


def test_help_does_not_load_the_issuer() -> None:
    """Neither the issuer nor its server is imported before a command runs."""
    code = "import sys, atjwt.cli.main; print({'uvicorn', 'atjwt.issuer'} & sys.modules.keys())"
    assert _run("-c", code).stdout == "set()\n"
