"""`atjwt explain --app`: a token is judged by the settings of an app, and by its guards."""

import json
import re
import sys
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from atjwt import Reason
from atjwt.cli.main import main
from atjwt.testing import LocalIssuer

CUSTOM = "https://login.shop.example/"
API = "https://api.example.com/"

SHOP = """\
import json
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

from atjwt import AUTH0, ResourceServer, TrustedIssuer
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import requires

print("the shop is open")

jwks = json.loads(Path("keys.json").read_text("utf-8"))
issuer = TrustedIssuer.auth0("login.shop.example", algorithms=["ES256"], jwks=jwks)
shop = ResourceServer(audience="https://api.example.com/", issuers=[issuer])
bank = ResourceServer(audience="https://bank.example.com/", issuers=[issuer])

@requires(scopes=["read:orders"])
async def orders(request):
    return PlainTextResponse("orders")

@requires(permissions=["orders:admin"])
async def admin(request):
    return PlainTextResponse("admin")

async def cart(request):
    return PlainTextResponse("cart")

@requires()
async def live(websocket):
    await websocket.accept()

ROUTES = [
    Route("/orders", orders),
    Route("/admin", admin, methods=["POST"]),
    Route("/cart", cart),
    Route("/health", cart),
    WebSocketRoute("/live", live),
]

def of(server, **settings):
    settings = {"resource_server": server, "public": {"/health"}, **settings}
    return Starlette(routes=ROUTES, middleware=[Middleware(AccessTokenMiddleware, **settings)])

app = of(shop)
two = Starlette(routes=[Mount("/shop", app), Mount("/bank", of(bank))])

def narrow():
    old = TrustedIssuer.auth0(
        "login.shop.example", profiles={AUTH0}, algorithms=["ES256"], jwks=jwks
    )
    server = ResourceServer(audience=shop.audience, issuers=[old])
    return Starlette(routes=[Mount("/new", app), Mount("/old", of(server))])

def bare():
    unasked = TrustedIssuer.auth0("login.shop.example", algorithms=["ES256"])
    return of(ResourceServer(audience=shop.audience, issuers=[unasked]))

def optional():
    return of(shop, required=False)

class Loud:
    def __init__(self, app):
        print("the middleware is built")
        self.app = app

    async def __call__(self, scope, receive, send):
        await self.app(scope, receive, send)

def loud():
    return Starlette(
        routes=ROUTES,
        middleware=[Middleware(Loud), Middleware(AccessTokenMiddleware, resource_server=shop)],
    )

def open_app():
    return Starlette(routes=[Route("/cart", cart)])

def public():
    routes = [Route("/health", cart)]
    return AccessTokenMiddleware(Starlette(routes=routes), resource_server=shop, public={"/health"})

def broken():
    return Starlette(middleware=[Middleware(AccessTokenMiddleware, 7, 8, 9)])

def wrong():
    return Starlette(middleware=[Middleware(AccessTokenMiddleware, issuer="ftp://x", audience="y")])
"""

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """An issuer of these tests; nothing of it is served."""
    return LocalIssuer(issuer=CUSTOM, audience=API, algorithm="ES256")


@pytest.fixture
def run(
    issuer: LocalIssuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Run]:
    """Gives the command, with a token on stdin: → exit code, stdout without fingerprint, stderr."""
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    # What the environment says is the app's own affair.
    monkeypatch.setenv("AUTH0_DOMAIN", "other.eu.auth0.com")
    monkeypatch.setenv("AUTH0_AUDIENCE", "https://other.example.com/")

    def run(app: str, *arguments: str, stdin: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(stdin.encode())))
        code = main(["explain", "-", "--app", app, *arguments])
        out, err = capsys.readouterr()
        return code, re.sub(r"(?<=fingerprint  )[0-9a-f]{16}", "FINGERPRINT", out), err

    yield run
    sys.modules.pop("shop", None)


def after_checks(out: str) -> str:
    """From the verdict on."""
    return re.split(r"\n\n(?=accepted|refused|not judged)", out, maxsplit=1)[1]


GUARDS = """\
accepted: it passes every check; the kind of its caller is user

routes that need a token of this API, by what their guards ask for:
let in   GET,HEAD   /orders  has_scope('read:orders')
refused  POST       /admin   has_permission('orders:admin')
let in   GET,HEAD   /cart    any authenticated caller
let in   websocket  /live    any authenticated caller
"""


def test_the_app_says_what_is_accepted(run: Run, issuer: LocalIssuer) -> None:
    """Its profiles, issuer and audience, and which guards the token meets; nothing is assumed."""
    token = issuer.token(dialect="access_token", scopes=["read:orders"])
    code, out, err = run("shop:app", stdin=token)
    assert (code, err, after_checks(out)) == (0, "the shop is open\n", GUARDS)
    settings = (
        f"API          {API}\naccepts      auth0 and rfc9068 from {CUSTOM}, signed by ES256\n"
    )
    assert settings in out
    assert "assumed" not in out
    code, out, _ = run("shop:app", stdin=issuer.broken(Reason.EXPIRED))
    assert code == 1
    assert after_checks(out).startswith("refused: expired; ")
    assert "routes" not in out


def test_of_several_the_one_that_is_meant(run: Run, issuer: LocalIssuer) -> None:
    """By issuer and audience, and that is said; where none is meant, each is told."""
    code, out, _ = run("shop:two", stdin=issuer.token(scopes=["read:orders"]))
    said = "shop:two has 2 APIs; judged by 1 of them, whose issuer and audience are the token's\n\n"
    assert (code, out.startswith(said)) == (0, True)
    assert "bank" not in out
    assert "let in   GET,HEAD   /shop/orders  has_scope('read:orders')\n" in out
    code, out, _ = run("shop:two", stdin=issuer.token(audience="https://c.example.com/"))
    assert (code, out.startswith("shop:two has 2 APIs; judged by each of them\n\n")) == (1, True)
    assert out.count("refused: wrong_audience; ") == 2
    assert out.count("\n\nfingerprint  FINGERPRINT\n") == 2
    assert [line.split()[1] for line in out.splitlines() if line.startswith("API ")] == [
        API, "https://bank.example.com/",
    ]  # fmt: skip


def test_of_several_that_are_meant_one_is_enough(run: Run, issuer: LocalIssuer) -> None:
    """Each is told; the exit code is 0 if one accepts it."""
    code, out, _ = run("shop:narrow()", stdin=issuer.token(dialect="rfc9068_profile"))
    assert (code, out.startswith("shop:narrow() has 2 APIs; judged by each of them\n")) == (0, True)
    assert (out.count("accepted: "), out.count("refused: profile_not_accepted; ")) == (1, 1)


def test_only_routes_that_need_a_token_are_told(run: Run, issuer: LocalIssuer) -> None:
    """Not those that are open to all, though a middleware looks at tokens on their way."""
    (judged,) = json.loads(run("shop:optional()", "--json", stdin=issuer.token())[1])["judged"]
    assert [route["path"] for route in judged["routes"]] == ["/orders", "/admin", "/live"]


def test_offline_nothing_is_fetched(run: Run, issuer: LocalIssuer) -> None:
    """An app that fetches its keys cannot judge then; the exit code is 3."""
    code, out, _ = run("shop:bare()", "--offline", stdin=issuer.token())
    assert (code, "keys         not fetched: offline\n" in out) == (3, True)


def test_what_an_app_prints_is_not_the_answer(run: Run, issuer: LocalIssuer) -> None:
    """While it is imported and while it is built: on stderr, so that stdout is JSON alone."""
    code, out, err = run("shop:loud()", "--json", stdin=issuer.token())
    assert (code, json.loads(out)["app"]) == (0, "shop:loud()")
    assert err.startswith("the shop is open\nthe middleware is built\n")


def test_json_tells_each_that_is_meant(run: Run, issuer: LocalIssuer) -> None:
    """In a list, each with its audience and its routes."""
    token = issuer.token(scopes=["read:orders"])
    code, out, _ = run("shop:two", "--json", stdin=token)
    facts = json.loads(out)
    (judged,) = facts["judged"]
    assert (code, facts["app"], judged["audience"]) == (0, "shop:two", [API])
    assert (judged["verdict"], len(judged["checks"])) == ("accepted", 24)
    assert "allowed" not in judged
    assert judged["routes"][1] == {
        "path": "/shop/admin",
        "methods": ["POST"],
        "kind": "http",
        "policy": "has_permission('orders:admin')",
        "allowed": False,
    }
    code, out, _ = run("shop:two", "--json", stdin="opaque")
    assert (code, [each["reason"] for each in json.loads(out)["judged"]]) == (
        1, ["opaque_token"] * 2,
    )  # fmt: skip


def test_an_app_whose_routes_are_all_public_is_judged_too(run: Run, issuer: LocalIssuer) -> None:
    """By the middleware around it; that no route needs a token is said."""
    code, out, _ = run("shop:public()", stdin=issuer.token())
    assert code == 0
    assert after_checks(out).splitlines()[1:] == [
        "note: no route in it needs a token of this API alone; see atjwt routes shop:public()"
    ]


def test_keys_may_be_given_and_another_time(run: Run, issuer: LocalIssuer, tmp_path: Path) -> None:
    """Keys of a file stand in for those of the app's issuers."""
    other = LocalIssuer(issuer=CUSTOM, audience=API, algorithm="ES256")
    (tmp_path / "other.json").write_text(json.dumps(other.jwks()), "utf-8")
    token = issuer.token()
    assert run("shop:app", stdin=token)[0] == 0
    code, out, _ = run("shop:app", "--jwks", "other.json", stdin=token)
    assert (code, "refused: unknown_key" in out) == (1, True)
    code, out, _ = run("shop:app", "--at", "0", stdin=issuer.token(claims={"nbf": 900}))
    assert (code, "refused: not_yet_valid" in out) == (1, True)


@pytest.mark.parametrize(
    ("app", "more", "said"),
    [
        ("shopp:app", (), "importing shopp failed: ModuleNotFoundError"),
        ("shop:broken()", (), "building the app's middleware failed: TypeError"),
        ("shop:wrong()", (), "issuer: this is no URL"),
        ("shop:open_app()", (), "nobody looks at tokens in shop:open_app(): put AccessTokenMid"),
        ("shop:app", ("--issuer", CUSTOM), "--issuer: --app brings its own settings; leave one"),
        ("shop:app", ("--leeway", "10"), "--leeway: --app brings its own settings; leave one"),
        ("shop:app", ("--jwks", f"{CUSTOM}keys"), "jwks: beside --app give a file"),
        ("shop:app", ("--jwks", "absent.json"), "jwks: cannot read absent.json"),
        ("shop:app", ("--jwks", "bad.json"), "jwks: not a JWK Set"),
    ],
)
def test_what_is_asked_wrongly_is_told(
    run: Run, tmp_path: Path, issuer: LocalIssuer, app: str, more: Any, said: str
) -> None:
    """Exit code 2, and nothing on stdout."""
    (tmp_path / "bad.json").write_text("{}", "utf-8")
    code, out, err = run(app, *more, stdin=issuer.token())
    assert (code, out) == (2, "")
    assert f"atjwt explain: {said}" in err
