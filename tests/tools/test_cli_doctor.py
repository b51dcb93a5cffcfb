"""`atjwt doctor`: what it prints, whom it looks at, and how it ends."""

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from atjwt import Reason
from atjwt.cli.main import main
from shell.wire import JWKS, METADATA, Clock, WireIssuer, answer, document, raw, redirect

API = "https://api.example.com/"

HELP = """\
usage: atjwt doctor [-h] [--issuer URL] [--audience ID] [--profiles NAMES] [--algorithms NAMES]
                    [--leeway SECONDS] [--jwks FILE|URL] [--app module:app] [--token {-}] [--json]

Looks at this machine (versions, TLS roots, proxies), at what an issuer publishes (metadata, keys,
caching, clock) and at an app (guards, middleware, and each issuer that it trusts), and tells what
is wrong and how to mend it. Name an issuer, an app or both. Exit code 0: no problem; 1: problems;
2: asked wrongly.

options:
  -h, --help          show this help message and exit
  --issuer URL        the issuer, as the API is configured with it (default: from AUTH0_DOMAIN)
  --audience ID       the API's identifier; may be repeated (default: AUTH0_AUDIENCE)
  --profiles NAMES    token profiles accepted: auth0, rfc9068 or auth0,rfc9068 (default: rfc9068;
                      both from a host under .auth0.com; with AUTH0_DOMAIN, ATJWT_PROFILES or
                      both)
  --algorithms NAMES  signature algorithms accepted, with commas between them (default:
                      RS256,PS256 from Auth0, and ES256 from others); HS256 takes its secret from
                      ATJWT_SECRET, or asks for it
  --leeway SECONDS    by which clocks may differ (default: 10)
  --jwks FILE|URL     the issuer's keys, instead of those it publishes
  --app module:app    look at this app, or its factory, module:make_app()
  --token {-}         judge a token from stdin too; atjwt explain tells more
  --json              print JSON instead of text
"""

SICK = """\
here
  ok       VERSIONS
  ok       keys are fetched by httpx2
  ok       TLS roots: those of SSL_CERT_FILE, in place of the system's

issuer URL
  ok       assumed: rfc9068 alone, since the issuer's host is not under .auth0.com: if this is a \
custom domain of Auth0, or the local issuer, give --profiles auth0,rfc9068
  ok       accepted from it: rfc9068, signed by ES256, PS256, RS256
  ok       metadata: found by OpenID Connect Discovery, and of this very issuer
  ok       jwks_uri: on the issuer's own host, by http
  PROBLEM  keys: URL.well-known/jwks.json answers 503
           fix: mend the issuer; tokens wait for it
  ok       latency: metadata and keys took TIME ms of the 5 s they may take
  ok       clock: not compared, since its answers carry no Date

1 problem, 0 warnings
"""

SHOP = """\
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from atjwt import ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import public, requires

print("the shop is open")

server = ResourceServer(audience="https://api.example.com/", issuers=[TrustedIssuer(URL)])

@requires()
async def orders(request):
    return PlainTextResponse("orders")

async def cart(request):
    return PlainTextResponse("cart")

def make_app(**settings):
    return Starlette(
        routes=[Route("/orders", orders), Route("/cart", cart)],
        middleware=[Middleware(AccessTokenMiddleware, resource_server=server, **settings)],
    )

app = make_app()

def two():
    other = ResourceServer(audience="https://b.example.com/", issuers=server.issuers)
    inner = Starlette(routes=[Route("/orders", orders)])
    return Starlette(routes=[
        Mount("/a", app),
        Mount("/b", AccessTokenMiddleware(inner, resource_server=other)),
    ])

def open_app():
    return make_app(required=False)

def broken():
    return Starlette(middleware=[Middleware(AccessTokenMiddleware, 7, 8, 9)])
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def wire() -> Iterator[WireIssuer]:
    """An issuer on a real socket, at the time that it is."""
    with WireIssuer(Clock(time.time())) as served:
        yield served


@pytest.fixture
def run(
    wire: WireIssuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Gives the command: → exit code, stdout without what varies, stderr."""
    (tmp_path / "shop.py").write_text(SHOP.replace("URL", repr(wire.url)), "utf-8")
    (tmp_path / "roots.pem").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    for name in list(os.environ):
        if name.upper().endswith("_PROXY") or name.startswith(("AUTH0_", "ATJWT_", "SSL_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("SSL_CERT_FILE", "roots.pem")

    def run(*arguments: str, stdin: str = "") -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        code = main(["doctor", *arguments])
        out, err = capsys.readouterr()
        out = re.sub(r"Python 3[^\n\"]*", "VERSIONS", out).replace(wire.url, "URL")
        return code, re.sub(r"took \d+ ms", "took TIME ms", out), err

    yield run
    sys.modules.pop("shop", None)


def ending(out: str) -> str:
    """The last line."""
    return out.splitlines()[-1]


# --- What is printed ------------------------------------------------------------------------------


def test_a_problem_is_printed_with_its_fix(run: Run, wire: WireIssuer) -> None:
    """Word for word; the exit code is 1, and nothing is on stderr."""
    wire.routes[JWKS] = answer(status=503)
    assert run("--issuer", wire.url, "--audience", API) == (1, SICK, "")


def test_all_well_exits_with_0(run: Run, wire: WireIssuer) -> None:
    """One request for the metadata, one for the keys; the audience is not needed for that."""
    code, out, err = run("--issuer", wire.url)
    assert (code, ending(out), err) == (0, "0 problems, 0 warnings", "")
    assert wire.fetches == (1, 1)


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (answer(b"<html>"), "metadata: not JSON"),
        (answer(b"{" + b" " * 2_000_000), "more than 1048576 bytes"),
        (answer(b"", status=500), "answers 500"),
        (redirect("https://evil.example/\x1b[31m"), "redirects to https://evil.example/"),
        (raw(b""), "metadata: URL.well-known/openid-configuration: "),
        (raw(b"nonsense\r\n\r\n"), "metadata: URL.well-known/openid-configuration: "),
        (answer(b'{"issuer": "\\u001b[31m"}'), "its issuer is not the configured one"),
    ],
    ids=["html", "huge", "error", "redirect", "nothing", "nonsense", "another issuer"],
)
def test_whatever_an_issuer_answers_is_a_finding(
    run: Run, wire: WireIssuer, reply: Any, said: str
) -> None:
    """Over a real socket; no traceback, and no character that a terminal obeys."""
    wire.routes[METADATA] = reply
    code, out, err = run("--issuer", wire.url)
    assert (code, err, "\x1b" in out) == (1, "", False)
    assert said in out


def test_an_issuer_that_is_not_there_is_a_finding(run: Run) -> None:
    """Nobody listens."""
    code, out, err = run("--issuer", "http://127.0.0.1:1/")
    assert (code, err, ending(out)) == (1, "", "1 problem, 0 warnings")
    assert "fix: let this machine reach it: is it up" in out


def test_json_is_whole(run: Run, wire: WireIssuer) -> None:
    """Each finding with its area, level, sentence and fix."""
    wire.routes[JWKS] = answer(status=503)
    code, out, _ = run("--issuer", wire.url, "--json")
    findings = json.loads(out)["findings"]
    assert (code, findings[-3]) == (
        1,
        {
            "area": "issuer URL",
            "level": "PROBLEM",
            "sentence": "keys: URL.well-known/jwks.json answers 503",
            "fix": "mend the issuer; tokens wait for it",
        },
    )


def test_colours_are_for_a_person(
    run: Run, wire: WireIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal only, and not against NO_COLOR."""
    wire.routes[JWKS] = answer(status=503)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("--issuer", wire.url)[1] == SICK
    monkeypatch.delenv("NO_COLOR")
    assert "  \x1b[31mPROBLEM\x1b[0m  keys: " in run("--issuer", wire.url)[1]


# --- Whom it looks at -----------------------------------------------------------------------------


def test_the_environment_names_one(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """As ResourceServer.from_env reads it; an app beside it speaks for itself."""
    monkeypatch.setenv("AUTH0_DOMAIN", "127.0.0.1:1")
    monkeypatch.setenv("AUTH0_AUDIENCE", API)
    code, out, _ = run()
    assert (code, "\nissuer https://127.0.0.1:1/\n" in out) == (1, True)
    assert "127.0.0.1:1/" not in run("--app", "shop:app")[1]


def test_an_app_is_looked_at(run: Run) -> None:
    """Its guards, and the issuers that it trusts; what it prints goes to stderr."""
    code, out, err = run("--app", "shop:app")
    assert (code, ending(out), err) == (0, "0 problems, 0 warnings", "the shop is open\n")
    assert "\napp shop:app\n  ok       tokens for https://api.example.com/ from URL\n" in out
    assert "\nissuer URL\n" in out
    code, out, _ = run("--app", "shop:open_app()")
    assert code == 1
    assert "  PROBLEM  routes: 1 of 2 are UNGUARDED\n" in out
    assert "fix: python -m atjwt routes shop:open_app() lists them" in out


def test_a_token_is_judged_by_each_api(run: Run, wire: WireIssuer) -> None:
    """From stdin, with whatever is around it; the token itself is printed nowhere."""
    good = wire.issuer.token(dialect="rfc9068_profile")
    code, out, err = run("--app", "shop:app", "--token", "-", stdin=f"Bearer {good}\n")
    assert (code, good in out + err) == (0, False)
    assert "it is accepted; the kind of its caller is user" in out
    out = run("--app", "shop:two()", "--token", "-", stdin=good)[1]
    assert out.count("it is accepted; ") == 1
    assert "refused" not in out
    bad = wire.issuer.broken(Reason.OPAQUE_TOKEN)
    code, out, _ = run("--issuer", wire.url, "--audience", API, "--token", "-", stdin=bad)
    assert (code, "  PROBLEM  refused: opaque_token\n" in out) == (1, True)


def test_what_was_assumed_is_said(run: Run, wire: WireIssuer) -> None:
    """Of an issuer by its name alone; where the profiles are named, nothing is."""
    assert "ok       assumed: rfc9068 alone, " in run("--issuer", wire.url)[1]
    assert "assumed" not in run("--issuer", wire.url, "--profiles", "rfc9068")[1]
    assert "assumed" not in run("--app", "shop:app")[1]


def test_the_leeway_is_the_apis(run: Run, wire: WireIssuer) -> None:
    """Clocks that differ by less are a warning; by default it is ten seconds."""
    date = formatdate(time.time() + 40, usegmt=True)
    wire.routes[JWKS] = document(wire.issuer.jwks(), headers={"date": date})
    assert "more than the leeway of 10 s\n" in run("--issuer", wire.url)[1]
    assert "within the leeway of 60 s\n" in run("--issuer", wire.url, "--leeway", "60")[1]


def test_ctrl_c_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it comes; the exit code is the shells' own for it."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("atjwt.doctor.examine_issuer", interrupted)
    assert run("--issuer", "http://127.0.0.1:1/") == (130, "", "\natjwt doctor: stopped\n")


# --- What is asked wrongly ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "nothing is named to look at: give --issuer or --app, or set AUTH0_DOMAIN"),
        (("--audience", API), "issuer: give --issuer, or set AUTH0_DOMAIN"),
        (("--app", "shop:app", "--audience", API), "issuer: give --issuer, or set AUTH0_DOMAIN"),
        (("--issuer", "ftp://x"), "issuer: this is no URL"),
        (("--issuer", "http://x.example/", "--audience", API), "issuer: http is for loopback only"),
        (("--app", "shopp:app"), "importing shopp failed: ModuleNotFoundError"),
        (("--app", "shop:broken()"), "building the app's middleware failed: TypeError"),
        (("--token", "-"), "nothing is named to look at"),
        (("--issuer", "http://127.0.0.1:1/", "--token", "-"), "--token: name the API"),
        (("--app", "shop:app", "--token", "-"), "--token: there is no token on stdin"),
    ],
)
def test_what_is_asked_wrongly_exits_with_2(
    run: Run, arguments: tuple[str, ...], said: str
) -> None:
    """It says how to ask, and prints nothing else."""
    code, out, err = run(*arguments)
    assert (code, out) == (2, "")
    assert f"atjwt doctor: {said}" in err


@pytest.mark.parametrize("arguments", [("--token", "x.y.z"), ("--app", "shop"), ("--leeway", "x")])
def test_an_argument_that_is_none_is_told(run: Run, arguments: tuple[str, ...]) -> None:
    """By argparse, with exit code 2."""
    with pytest.raises(SystemExit) as stopped:
        run(*arguments)
    assert stopped.value.code == 2


def test_as_a_process_it_finds_the_app_in_the_current_folder(run: Run) -> None:
    """And its help is as written here, word for word."""
    settings: dict[str, Any] = {
        "capture_output": True,
        "text": True,
        "encoding": "utf-8",
        "timeout": 30,
        "env": {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    }
    command = [sys.executable, "-W", "error", "-P", "-m", "atjwt", "doctor"]
    done = subprocess.run([*command, "--app", "shop:app"], **settings, check=False)
    assert (done.returncode, ending(done.stdout)) == (0, "0 problems, 0 warnings")
    shown = subprocess.run([*command, "--help"], **settings, check=True)
    assert shown.stdout == HELP
