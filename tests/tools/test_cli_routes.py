"""`atjwt routes`: what it prints, what it stores and compares, and how it ends."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from atjwt.cli.main import main

HELP = """\
usage: atjwt routes [-h] [--public PATH] [--strict] [--check FILE] [--write FILE] [--json]
                    module:app

Lists every route, WebSocket and mount of an app: public, optional, authenticated, guarded (with
its policy) or UNGUARDED. What cannot be looked into is unguarded. Exit code 0: nothing is
unguarded; 1: something is, or has changed; 2: the app could not be looked at.

positional arguments:
  module:app     the app; or its factory, module:make_app()

options:
  -h, --help     show this help message and exit
  --public PATH  declare a path public, as the table shows it; may be repeated
  --strict       warnings and notes fail too
  --check FILE   fail on any change from a stored list
  --write FILE   store the list, to be reviewed and checked
  --json         print JSON instead of text
"""

API = "for https://api.example.com/"

SHOP = """\
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles

from atjwt import has_permission, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import public, requires

print("the shop is open")

@requires(has_scope("read:orders") & (has_permission("orders:admin") | has_scope("orders:all")))
async def orders(request):
    return PlainTextResponse("orders")

@requires()
async def feed(websocket):
    await websocket.accept()

@public
async def health(request):
    return PlainTextResponse("well")

async def cart(request):
    return PlainTextResponse("cart")

def make_app(*middleware, **settings):
    door = Middleware(AccessTokenMiddleware, issuer="https://issuer.example.org",
                      audience="https://api.example.com/", **settings)
    return Starlette(
        routes=[
            Route("/orders", orders), Route("/cart", cart, methods=["POST"]),
            Route("/health", health), WebSocketRoute("/feed", feed),
            Mount("/static", StaticFiles(directory=".")),
        ],
        middleware=[door, *middleware],
    )

app = make_app(required=False)

class holder:
    closed = make_app(public={"/health"})
    wrong = make_app(required=7)

def broken():
    raise ValueError("no database")

def warned():
    return make_app(Middleware(CORSMiddleware), public={"/health"})

def misbuilt():
    return Starlette(middleware=[Middleware(CORSMiddleware, allow="*")])

nothing = 7
"""

TABLE = """\
guarded        GET,HEAD   /orders  (has_permission('orders:admin') | has_scope('orders:all')) \
& has_scope('read:orders')
UNGUARDED      POST       /cart
               shop.cart: the middleware has required=False, so a guard must ask: guard it with \
@requires(…), or declare it with @public
public         GET,HEAD   /health
authenticated  websocket  /feed
UNGUARDED      mount      /static
               starlette.staticfiles.StaticFiles: starlette.staticfiles.StaticFiles cannot be looked \
into: put AccessTokenMiddleware around it, or declare its path public

5 routes: 1 public, 1 authenticated, 1 guarded, 2 UNGUARDED
"""

STORED = """\
{"routes": [
{"path": "/cart", "methods": ["POST"], "kind": "http", "state": "authenticated", "policy": null, \
"audience": ["https://api.example.com/"], "besides": []},
{"path": "/feed", "methods": [], "kind": "websocket", "state": "authenticated", "policy": null, \
"audience": ["https://api.example.com/"], "besides": []},
{"path": "/health", "methods": ["GET", "HEAD"], "kind": "http", "state": "public", "policy": null, \
"audience": [], "besides": []},
{"path": "/orders", "methods": ["GET", "HEAD"], "kind": "http", "state": "guarded", \
"policy": "(has_permission('orders:admin') | has_scope('orders:all')) & has_scope('read:orders')", \
"audience": ["https://api.example.com/"], "besides": []},
{"path": "/static", "methods": ["*"], "kind": "mount", "state": "authenticated", "policy": null, \
"audience": ["https://api.example.com/"], "besides": []}
]}
"""


@pytest.fixture(autouse=True)
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an app, in which the command is given; forgotten afterwards."""
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    for name in ("shop", "till", "7_till"):
        sys.modules.pop(name, None)


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of the command."""
    code = main(["routes", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


# --- What is printed ------------------------------------------------------------------------------


def test_the_table_is_as_written_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word; what the app prints while it is imported goes elsewhere."""
    assert run(capsys, "shop:app") == (1, TABLE, "the shop is open\n")


def test_all_right_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """An attribute of an attribute, behind a middleware that demands a token."""
    code, out, _ = run(capsys, "shop:holder.closed", "--strict")
    assert code == 0
    assert out.endswith("\n5 routes: 1 public, 3 authenticated, 1 guarded\n")


def test_paths_can_be_declared_public(capsys: pytest.CaptureFixture[str]) -> None:
    """As the table shows them, also a mount."""
    code, out, _ = run(capsys, "shop:app", "--public", "/cart", "--public", "/static")
    assert (code, "UNGUARDED" in out) == (0, False)


def test_strict_fails_on_warnings_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    """Both are printed without it, too."""
    code, out, _ = run(capsys, "shop:warned()")
    assert (code, "\nwarning: CORSMiddleware of / is inside" in out) == (0, True)
    assert run(capsys, "shop:warned()", "--strict")[0] == 1
    noted = ("shop:holder.closed", "--public", "/cart")
    code, out, _ = run(capsys, *noted)
    assert (code, "shop.cart: it is declared public, and yet a middleware" in out) == (0, True)
    assert run(capsys, *noted, "--strict")[0] == 1


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """All fields of all routes, for a program."""
    code, out, _ = run(capsys, "shop:app", "--json")
    facts = json.loads(out)
    assert (code, facts.keys()) == (1, {"routes", "warnings", "changes"})
    assert facts["routes"][3] == {
        "path": "/feed",
        "methods": [],
        "kind": "websocket",
        "state": "authenticated",
        "policy": None,
        "endpoint": "shop.feed",
        "audience": ["https://api.example.com/"],
        "besides": [],
        "notes": [],
    }


def test_one_route_is_no_plural(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And a module may be called what no Python name is."""
    (shop / "7_till.py").write_text(SHOP + "app.routes[1:] = []\n", "utf-8")
    run(capsys, "7_till:app", "--write", "guards.json")
    stored = (shop / "guards.json").read_text("utf-8")
    (shop / "guards.json").write_text(stored.replace("/orders", "/order"), "utf-8")
    code, out, _ = run(capsys, "7_till:app", "--check", "guards.json")
    assert (code, out.splitlines()[2]) == (1, "1 route: 1 guarded")
    (shop / "guards.json").write_text('{"routes": []}', "utf-8")
    out = run(capsys, "7_till:app", "--check", "guards.json")[1]
    assert out.endswith("\n1 change from guards.json\n")


def test_an_app_without_routes_is_all_right(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to guard."""
    (shop / "till.py").write_text("import starlette.applications as a\napp = a.Starlette()\n")
    assert run(capsys, "till:app") == (0, "no routes\n", "")


def test_colours_are_for_a_person(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal only, and not against NO_COLOR."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert run(capsys, "shop:app")[1] == TABLE
    monkeypatch.delenv("NO_COLOR")
    out = run(capsys, "shop:app")[1]
    assert "\x1b[31mUNGUARDED\x1b[0m      POST       /cart\n" in out
    assert "\x1b[32mguarded\x1b[0m        GET,HEAD   /orders" in out


# --- A stored list --------------------------------------------------------------------------------


def test_the_stored_list_is_as_written_here(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A line for each route, sorted; checked against itself nothing has changed."""
    file = shop / "guards.json"
    assert run(capsys, "shop:holder.closed", "--write", "guards.json")[0] == 0
    assert file.read_text("utf-8") == STORED
    code, out, _ = run(capsys, "shop:holder.closed", "--check", "guards.json")
    assert (code, out.splitlines()[-1]) == (0, "0 changes from guards.json")


def test_any_change_fails_and_is_shown(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A policy, a state, a route more, a route less; in text and in JSON."""
    file = shop / "guards.json"
    stored = json.loads(STORED)
    cart, feed, health, orders, _ = stored["routes"]
    orders["policy"] = "has_scope('read:orders')"
    cart["state"] = "UNGUARDED"
    stored["routes"].remove(feed)
    health["path"] = "/healthy"
    file.write_text(json.dumps(stored), "utf-8")
    code, out, _ = run(capsys, "shop:holder.closed", "--check", "guards.json")
    policy = "(has_permission('orders:admin') | has_scope('orders:all')) & has_scope('read:orders')"
    assert (code, out.splitlines()[-6:]) == (
        1,
        [
            f"~ POST /cart  UNGUARDED {API} -> authenticated {API}",
            f"+ websocket /feed  authenticated {API}",
            "+ GET,HEAD /health  public",
            "- GET,HEAD /healthy  public",
            f"~ GET,HEAD /orders  guarded has_scope('read:orders') {API} -> guarded {policy} {API}",
            "5 changes from guards.json",
        ],
    )
    code, out, _ = run(capsys, "shop:holder.closed", "--check", "guards.json", "--json")
    assert (code, json.loads(out)["changes"][1]) == (
        1,
        {"change": "+", "path": "/feed", "kind": "websocket", "methods": [],
         "state": f"authenticated {API}"},
    )  # fmt: skip


def test_of_two_routes_on_one_path_both_are_stored(
    shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In their order, since the first is the one that is reached."""
    (shop / "till.py").write_text(
        SHOP + "app.routes[:] = [Route('/', orders), Route('/', health)]\n"
        "def turned():\n    app.routes.reverse()\n    return app\n"
    )
    assert run(capsys, "till:app", "--write", "guards.json")[0] == 0
    assert run(capsys, "till:app", "--check", "guards.json")[0] == 0
    code, out, _ = run(capsys, "till:turned()", "--check", "guards.json")
    assert (code, out.splitlines()[-2][:14]) == (1, "~ GET,HEAD /  ")


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"routes": [{}]}', '{"routes": [7]}', '{"routes": 7}', "\udcff"]
)
def test_what_is_no_stored_list_is_refused(
    shop: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    """With the way to a new one."""
    (shop / "guards.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    code, out, err = run(capsys, "shop:app", "--check", "guards.json")
    assert (code, out) == (2, "")
    assert "atjwt routes: guards.json is no list of --write: write it anew\n" in err


def test_files_that_are_not_there_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    """By the system's own word."""
    code, _, err = run(capsys, "shop:app", "--check", "none.json")
    assert (code, "cannot read none.json: No such file" in err) == (2, True)
    code, _, err = run(capsys, "shop:app", "--write", "none/guards.json")
    assert (code, "cannot write none/guards.json: No such file" in err) == (2, True)


# --- What cannot be looked at ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("shopp:app", "importing shopp failed: ModuleNotFoundError: No module named 'shopp'"),
        ("shop:ap", "shop has no ap"),
        ("shop:holder.open", "shop has no holder.open"),
        ("shop:nothing", "shop:nothing is no ASGI app"),
        ("shop:holder", "shop:holder is no ASGI app; a factory is shop:holder()"),
        ("shop:warned", "shop:warned is no ASGI app; a factory is shop:warned()"),
        ("shop:broken()", "calling shop:broken() failed: ValueError: no database"),
        (
            "shop:nothing()",
            "calling shop:nothing() failed: TypeError: 'int' object is not callable",
        ),
        ("shop:holder()", "shop:holder is no ASGI app"),
        ("shop:holder.wrong", "AccessTokenMiddleware: required: give"),
        ("shop:misbuilt()", "building the app's middleware failed: TypeError: "),
    ],
)
def test_what_cannot_be_looked_at_exits_with_2(
    target: str, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says what went wrong, and prints nothing else."""
    code, out, err = run(capsys, target)
    assert (code, out) == (2, "")
    assert f"atjwt routes: {text}" in err


@pytest.mark.parametrize("text", ["raise SystemExit(0)", "1 / 0", "import nothing_here", "def"])
def test_an_import_that_fails_exits_with_2(
    text: str, shop: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """However it fails; an app that ends the process does not end the command with its own code."""
    (shop / "till.py").write_text(text)
    code, out, err = run(capsys, "till:app")
    assert (code, out) == (2, "")
    assert err.startswith("atjwt routes: importing till failed: ")


@pytest.mark.parametrize(
    "target", ["shop", "shop:", ":app", "shop.py:app()()", "shop:app(1)", "a b:c"]
)
def test_a_target_that_is_none_is_told(target: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By argparse, with the way to write it."""
    with pytest.raises(SystemExit) as stopped:
        main(["routes", target])
    assert stopped.value.code == 2
    assert "write module:app, as in shop.main:app" in capsys.readouterr().err


def test_as_a_process_it_finds_the_app_in_the_current_folder() -> None:
    """And its help is as written here, word for word."""
    settings: dict[str, Any] = {
        "capture_output": True,
        "text": True,
        "encoding": "utf-8",
        "timeout": 30,
        "env": {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    }
    command = [sys.executable, "-W", "error", "-P", "-m", "atjwt", "routes"]
    done = subprocess.run([*command, "shop:app"], **settings, check=False)
    assert (done.returncode, done.stdout) == (1, TABLE)
    shown = subprocess.run([*command, "--help"], **settings, check=True)
    assert shown.stdout == HELP
