"""`atjwt migrate plan`: what it prints, what it asks the Management API, and how it ends."""

import json
import shlex
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from atjwt.cli.main import main
from atjwt.issuer import LocalIssuer
from atjwt.migration.account import Account
from atjwt.migration.sqlite_store import SqliteStore
from tools.accounts import API, NOW, account, beat, keep, use

HELP = """\
usage: atjwt migrate plan [-h] --to DIALECT [--domain DOMAIN] [--issuer URL] [--app module:app]
                          [--expect SERVICE=N] [--offline] [--from DIALECT] [--lifetime SECONDS]
                          [--ledger URL] [--json]
                          API

Reckons, without changing anything, what going to another token dialect would do to an API: to its
tokens and the code that reads them, its guards, its instances. What stands in the way comes
first. Exit code 0: nothing does; 1: something does, or it cannot be told; 2: asked wrongly.

positional arguments:
  API                 the API's id or identifier

options:
  -h, --help          show this help message and exit
  --to DIALECT        rfc9068 or auth0, which keep the permissions claim as it is; or
                      access_token, access_token_authz, rfc9068_profile, rfc9068_profile_authz
  --domain DOMAIN     the tenant's domain, not a custom one, or the local issuer's URL (default:
                      the environment variable AUTH0_DOMAIN). Credentials are AUTH0_CLIENT_ID with
                      AUTH0_CLIENT_SECRET, or AUTH0_MANAGEMENT_TOKEN; on a terminal, what is
                      missing is asked for
  --issuer URL        where tokens come from a custom domain: its issuer; may be repeated
  --app module:app    look whether the guards of this app could be met; may be repeated
  --expect SERVICE=N  there must be N live instances of a service; may be repeated
  --offline           ask no Management API; then API is the identifier, with --from and
                      --lifetime
  --from DIALECT      what is set now
  --lifetime SECONDS  the longest that a token may live
  --ledger URL        sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are
                      merged, and the first but lines keeps what is done (default: the environment
                      variable ATJWT_LEDGER)
  --json              print JSON instead of text
"""

TEXT = """\
NOT READY, 2 things are in the way: access_token_authz -> rfc9068_profile, https://api.example.com/

In the way
  instances  orders: web-2 does not accept rfc9068
             -> accept both: ATJWT_PROFILES=auth0,rfc9068, or profiles={AUTH0, RFC9068}; deploy it
  routes     GET,HEAD /orders asks for has_permission('orders:read'): nobody could meet it, without
             a permissions claim
             -> to keep it: --to rfc9068_profile_authz; or guard it by has_scope

What changes in tokens
  MEMBER             NOW                         THEN
  header typ         JWT                         at+jwt
  claim azp          the client id               absent
  claim client_id    absent                      the client id
  claim jti          absent                      the token's own id
  claim gty          in some, the grant          absent
  claim permissions  all that the caller may do  absent

Search your code for, and write instead
  typ
    search  typ == "JWT", "typ": "JWT", at+jwt
    write   accept at+jwt, in any case and with application/ before it, beside JWT
  azp
    search  claims["azp"], .get("azp"), .azp, "azp" in rules of gateways and queries of logs
    write   principal.client_id; elsewhere client_id, or else azp
  client_id
    search  claims["client_id"], .get("client_id"), "client_id" in claims
    write   nothing, unless its being there is taken for a machine: principal.kind
  jti
    search  claims["jti"], .get("jti"), token_id, lists of revoked tokens
    write   nothing; it is of the token, not of the request, and comes again
  gty
    search  gty == "client-credentials", claims["gty"], .get("gty"), .gty
    write   principal.kind == "client"; in guards is_kind("client")
  permissions
    search  claims["permissions"], .get("permissions"), has_permission(, permissions=[
    write   has_scope(...); or go to the dialect of the same profile that ends in _authz

What stays
  iss, sub, aud     the same issuer, subject (of a machine ID@clients) and API identifier
  scope             the same scopes for the same grant
  exp, iat          the same lifetime
  alg, kid          the same keys
  org_id, act, cnf  likewise, and what Actions add
  Principal         key, kind, client_id and scopes are equal in both

To know
  api        the tokens lose their permissions claim
             -> to keep it: --to rfc9068_profile_authz
  instances  how many there should be is not known
             -> tell it: --expect orders=2

Machines and agents, which mostly keep a token until it expires
  CLIENT  KIND    PERMISSIONS  24 H  LAST SEEN            ALIVE UNTIL
  job     client  yes             2  2026-09-21 14:05:00  2026-09-22 14:15:00

Look at, outside this code
  [ ] gateways         whatever validates tokens before the API: nginx ($jwt_header_typ,
                       $jwt_claim_azp), Istio (request.auth.presenter is azp;
                       request.auth.claims[...]), Envoy (claim_to_headers), Kong (key_claim_name),
                       Apigee (AdditionalClaims), AWS (context.authorizer, Lambda authorizers)
  [ ] rate limits      keys and quotas made of azp, or of a gateway's header that holds it
  [ ] caches           entries that are keyed by claims of the token, or keep its claims
  [ ] logs             fields, alerts, dashboards and bills that group by azp or gty
  [ ] services behind  whoever is handed the token on, or verifies it by another library
  [ ] clients          apps that read their own access token; it is not meant for them

Not confirmed by any source; try it at an API that nobody uses
  - how soon the setting takes effect everywhere
  - whether a refresh token from before brings new tokens at its next use
  - sub of machines: documented as ID@clients in either profile, of RFC 9068 none was seen

Tokens live 86,400 s
Switched now, the old ones are gone by 2026-09-22 14:16:10 UTC at the earliest
Live instances: 2
Read: the ledger ledger.db, written 00:00:00 ago

Next: mend that, then python -m atjwt migrate plan https://api.example.com/ --to rfc9068_profile \
--app shop:app --offline --from access_token_authz --lifetime 86400 --ledger sqlite:///ledger.db
"""

SHOP = """\
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from atjwt import has_permission
from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import requires

print("the shop is open")

@requires(has_permission("orders:read"))
async def orders(request):
    return PlainTextResponse("orders")

app = Starlette(
    routes=[Route("/orders", orders)],
    middleware=[Middleware(AccessTokenMiddleware, issuer="https://acme.eu.auth0.com/",
                           audience="https://api.example.com/")],
)

def broken():
    return Starlette(middleware=[Middleware(print, colour=1)])
"""

OFFLINE = ("--offline", "--from", "access_token_authz", "--lifetime", "86400")
VARIABLES = ("DOMAIN", "CLIENT_ID", "CLIENT_SECRET", "MANAGEMENT_TOKEN")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of an app and a ledger, in which the command is given at a certain time."""
    (tmp_path / "shop.py").write_text(SHOP, "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name in ("ATJWT_LEDGER", *(f"AUTH0_{variable}" for variable in VARIABLES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("atjwt.cli.step.now", lambda: NOW)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield tmp_path
    sys.modules.pop("shop", None)


def kept(whole: Account) -> str:
    """The URL of a ledger that holds this."""
    keep(SqliteStore("ledger.db", clock=lambda: NOW), whole)
    return "sqlite:///ledger.db"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """The exit code, stdout and stderr of the command."""
    code = main(["migrate", "plan", *arguments])
    out, err = capsys.readouterr()
    return code, out, err


# --- What is printed ------------------------------------------------------------------------------


def test_the_help_is_as_written_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word."""
    with pytest.raises(SystemExit) as stopped:
        main(["migrate", "plan", "--help"])
    assert (stopped.value.code, capsys.readouterr().out) == (0, HELP)


def test_the_plan_is_as_written_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Word for word, what is in the way first; what the app prints goes elsewhere."""
    url = kept(
        account(
            [use(3), use(2, kind="client", client_id="job")],
            beats=[beat(), beat("web-2", profiles=("auth0",))],
        )
    )
    arguments = (API, "--to", "rfc9068_profile", *OFFLINE, "--app", "shop:app", "--ledger", url)
    assert run(capsys, *arguments) == (1, TEXT, "the shop is open\n")


def test_the_next_command_can_be_typed(capsys: pytest.CaptureFixture[str]) -> None:
    """What is printed as the next command is one that the parser takes, and says the same."""
    url = kept(account([use()], beats=[beat(profiles=("auth0",))]))
    arguments = (API, "--to", "rfc9068", *OFFLINE, "--expect", "orders=1", "--issuer",
                 "https://acme.eu.auth0.com/", "--app", "shop:app", "--ledger", url)  # fmt: skip
    code, out, _ = run(capsys, *arguments)
    words = shlex.split(out.splitlines()[-1].partition(", then ")[2])
    assert (code, words[:5]) == (1, ["python", "-m", "atjwt", "migrate", "plan"])
    assert run(capsys, *words[5:])[1] == out


def test_nothing_in_the_way_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """And names the switch: here one that somebody makes who has the Management API."""
    url = kept(account([use()], beats=[beat()]))
    code, out, _ = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--ledger", url)
    assert (code, out.splitlines()[0].partition(":")[0]) == (0, "READY, nothing is in the way")
    assert "In the way" not in out
    assert out.splitlines()[-1] == (
        f"Next: change it there, then python -m atjwt migrate switch {API} --to rfc9068 --at now"
        " --from access_token_authz --lifetime 86400 --issuer https://acme.eu.auth0.com/"
        " --ledger sqlite:///ledger.db"
    )


def test_nothing_to_do_exits_with_0(capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    issuer = ("--issuer", "https://acme.eu.auth0.com/")
    code, out, _ = run(capsys, API, "--to", "auth0", *OFFLINE, *issuer)
    assert (code, out) == (0, f"NOTHING TO DO: {API} is set to access_token_authz\n")


def test_json_says_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    """With the verdict; the exit code too."""
    url = kept(account([use()], beats=[beat(ago=99)]))
    code, out, _ = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--ledger", url, "--json")
    facts = json.loads(out)
    assert (code, facts["verdict"], facts["after"]) == (1, "blocked", "rfc9068_profile_authz")
    assert [one["text"] for one in facts["blockers"]] == ["orders: silent is web-1 for 00:01:39"]
    assert [one["name"] for one in facts["changes"]] == ["typ", "azp", "client_id", "jti", "gty"]
    assert facts["pipelines"].keys() >= {"gateways", "logs"}


def test_nothing_in_a_ledger_moves_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Names come from elsewhere; they are printed with their escapes."""
    url = kept(account([use()], beats=[beat("web\x1b[2J\r1", profiles=("auth0",))]))
    for word in ("plan", "report"):
        options = ["--to", "rfc9068", *OFFLINE] if word == "plan" else []
        main(["migrate", word, *([API] if options else []), *options, "--ledger", url])
        out = capsys.readouterr().out
        assert "web\\x1b[2J\\r1" in out
        assert out.replace("\n", "").isprintable()


def test_many_machines_are_cut(capsys: pytest.CaptureFixture[str]) -> None:
    """The rest is in the JSON; what needs no fix has none."""
    uses = [use(kind="client", client_id=f"c{number:02}") for number in range(22)]
    url = kept(account([*uses, use(client_id="(others)")], beats=[beat()]))
    out = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--ledger", url)[1]
    assert ("  c19 " in out, "  c20 " in out) == (True, False)
    assert "\n  and 2 more, which --json has\n" in out
    assert "\n  clients    there are more clients than the ledger tells apart\n\n" in out


def test_without_a_ledger_that_is_in_the_way(capsys: pytest.CaptureFixture[str]) -> None:
    """Everything else is told all the same."""
    issuer = ("--issuer", "https://acme.eu.auth0.com/")
    code, out, _ = run(capsys, API, "--to", "rfc9068", *OFFLINE, *issuer)
    assert (code, "none has ever reported" in out, "claim azp" in out) == (1, True, True)


def test_a_password_in_a_ledgers_url_is_not_printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even in the command to type next."""
    monkeypatch.setattr("atjwt.cli.step.account_of", lambda _: account())
    for url in ("redis://me:s3cret@host/0", "redis://host/0?password=s3cret&db=1"):
        out = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--issuer", "https://a.example/",
                  "--ledger", url)[1]  # fmt: skip
        assert "s3cret" not in out
        assert "PASSWORD" in out.splitlines()[-1]


# --- The Management API ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    """A local issuer over a real socket."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    local = LocalIssuer(issuer=f"http://127.0.0.1:{port}/", dialect="access_token_authz")
    config = uvicorn.Config(local.app, host="127.0.0.1", port=port, log_config=None)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield local
    server.should_exit = True
    thread.join()


@pytest.fixture
def credentials(issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUTH0_DOMAIN", issuer.issuer)
    monkeypatch.setenv("AUTH0_CLIENT_ID", issuer.management_client_id)
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", issuer.management_client_secret)


@pytest.mark.usefixtures("credentials")
def test_the_settings_are_asked_of_the_management_api(
    issuer: LocalIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    """By identifier or id; the environment's credentials are printed nowhere."""
    own = issuer.issuer
    url = kept(account([use(issuer=own)], beats=[beat(issuer=own)]))
    api_id = next(str(api["id"]) for api in issuer.apis if api["identifier"] == API)
    for api in (API, api_id):
        code, out, err = run(capsys, api, "--to", "rfc9068", "--ledger", url)
        assert (code, err) == (0, "")
        assert out.startswith("READY, nothing is in the way: access_token_authz -> rfc9068_")
        assert "Tokens live 86,400 s, of browser flows 7,200 s\n" in out
        assert issuer.management_client_secret not in out
        switch = f"python -m atjwt migrate switch {API} --to rfc9068 --ledger sqlite:///ledger.db"
        assert out.endswith(f"\nNext: {switch}\n")


@pytest.mark.usefixtures("credentials")
def test_a_custom_domain_is_named(issuer: LocalIssuer, capsys: pytest.CaptureFixture[str]) -> None:
    """By `--issuer`; the domain that was given is in the command to type next."""
    custom = "https://login.acme.example/"
    url = kept(account([use(issuer=custom)], beats=[beat(issuer=custom)]))
    asked = (API, "--to", "rfc9068", "--ledger", url, "--domain", issuer.issuer)
    code, out, _ = run(capsys, *asked)
    assert (code, "give it by --issuer" in out) == (1, True)
    code, out, _ = run(capsys, *asked, "--issuer", custom)
    assert code == 0
    assert out.splitlines()[-1] == (
        f"Next: python -m atjwt migrate switch {API} --to rfc9068 --domain {issuer.issuer}"
        f" --issuer {custom} --ledger {url}"
    )


@pytest.mark.usefixtures("credentials")
@pytest.mark.parametrize(
    ("api", "code", "text"),
    [
        (
            "https://api.example.com",
            1,
            "there is no such API: give its id, or its identifier exactly",
        ),
        ("", 2, "give the API's id or identifier"),
    ],
)
def test_an_api_that_is_not_there_is_told(
    api: str, code: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the likely reason."""
    found, out, err = run(capsys, api, "--to", "rfc9068")
    assert (found, out, text in err) == (code, "", True)


@pytest.mark.usefixtures("credentials")
def test_a_system_api_is_in_the_way(
    issuer: LocalIssuer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, and what to do."""
    code, out, _ = run(capsys, issuer.management_audience, "--to", "rfc9068")
    assert (code, "(is_system)\n             -> its profile cannot be changed" in out) == (1, True)


@pytest.mark.usefixtures("credentials")
def test_wrong_credentials_are_told_without_them(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 1: it cannot be told."""
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", "s3cret")
    code, out, err = run(capsys, API, "--to", "rfc9068")
    assert (code, out, "look at AUTH0_CLIENT_ID" in err, "s3cret" in err) == (1, "", True, False)


# --- How it is asked wrongly ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--to", "rfc9068"], "give --domain, or set the environment variable AUTH0_DOMAIN"),
        (["--to", "rfc9068", "--from", "access_token"], "give --offline with them"),
        (["--to", "rfc9068", "--lifetime", "60"], "give --offline with them"),
        (["--to", "rfc9068", "--offline", "--from", "access_token"], "--lifetime, in seconds"),
        (["--to", "rfc9068", *OFFLINE[:3], "--lifetime", "nan"], "--lifetime, in seconds"),
        (["--to", "rfc9068", *OFFLINE], "give the issuer of the tokens by --issuer"),
        (["--to", "rfc9068_authz", *OFFLINE, "--issuer", "https://a.example/"], "rfc9068_profile"),
        (
            [
                "--to",
                "rfc9068",
                "--offline",
                "--from",
                "auth0",
                "--lifetime",
                "60",
                "--issuer",
                "x",
            ],
            "there is no token dialect of that name",
        ),
        (
            ["--to", "rfc9068", *OFFLINE, "--app", "none:app"],
            "importing none failed: ModuleNotFound",
        ),
        (
            [
                "--to",
                "rfc9068",
                *OFFLINE,
                "--issuer",
                "https://a.example/",
                "--app",
                "shop:broken()",
            ],
            "building the app's middleware failed: TypeError",
        ),
    ],
)
def test_what_is_asked_wrongly_is_told(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, a sentence, and nothing on stdout."""
    code, out, err = run(capsys, API, *arguments)
    assert (code, out) == (2, "")
    assert any(
        line.startswith("atjwt migrate plan: ") and text in line for line in err.splitlines()
    )


def test_of_several_issuers_one_is_to_be_named(capsys: pytest.CaptureFixture[str]) -> None:
    """With those that the ledger knows."""
    url = kept(account([use(), use(issuer="https://other.example")]))
    code, _, err = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--ledger", url)
    assert (code, "one of https://acme.eu.auth0.com/, https://other.example" in err) == (2, True)


@pytest.mark.parametrize("text", ["orders", "orders=", "=3", "orders=0", "orders=x", "orders=-1"])
def test_an_expectation_that_is_none_is_told(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """By argparse, with the way to write it."""
    with pytest.raises(SystemExit) as stopped:
        main(["migrate", "plan", API, "--to", "rfc9068", "--expect", text])
    assert stopped.value.code == 2
    assert "write SERVICE=N, as in orders=4" in capsys.readouterr().err


def test_a_ledger_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1: it cannot be told."""
    code, out, err = run(capsys, API, "--to", "rfc9068", *OFFLINE, "--ledger", "sqlite:///none.db")
    assert (code, out, "none.db is not there" in err) == (1, "", True)
