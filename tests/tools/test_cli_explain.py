"""`atjwt explain`: what it prints, where it takes a token from, and how it ends."""

import hmac
import json
import os
import re
import secrets
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import pytest

from atjwt import Reason
from atjwt.cli.main import main
from atjwt.testing import LocalIssuer
from shell.wire import JWKS, Clock, WireIssuer, answer, raw

NOW = 1_790_000_000
TENANT = "https://tenant.eu.auth0.com/"
API = "https://api.example.com/"

HELP = """\
usage: atjwt explain [-h] [--issuer URL] [--audience ID] [--profiles NAMES] [--algorithms NAMES]
                     [--leeway SECONDS] [--jwks FILE|URL] [--app module:app] [--at TIME]
                     [--offline] [--json]
                     [TOKEN]

Makes every check that the API makes, and tells what each one finds in a token, why the API
refuses it, and what is likely to mend that. The token goes nowhere: only the issuer's metadata
and keys are fetched. Exit code 0: the API accepts it; 1: it refuses it; 2: asked wrongly; 3: it
cannot be judged without the issuer's keys.

positional arguments:
  TOKEN               better: - for stdin, or nothing for a hidden prompt; others on this machine
                      see arguments

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
  --app module:app    judge it by the settings of this app, or of its factory, module:make_app(),
                      and tell which of its routes let it in; of several APIs in it, by those that
                      the token is meant for
  --at TIME           judge it for another time: seconds since 1970, or ISO 8601 with its offset
                      from UTC (default: now)
  --offline           fetch nothing
  --json              print JSON instead of text
"""

GOOD = """\
fingerprint  FINGERPRINT
issuer       https://tenant.eu.auth0.com/
profile      auth0
dialect      access_token_authz
claims       aud, azp, exp, iat, iss, permissions, scope, sub
times        issued 0 s ago, expires in 1 h
keys         2 keys, given
API          https://api.example.com/
accepts      auth0 and rfc9068 from https://tenant.eu.auth0.com/, signed by ES256
assumed      both profiles, since the issuer's host is under .auth0.com: where the API \
accepts one alone, give --profiles

0  holds       it is no longer than the API reads                           \
ResourceServer.max_token_size
0  holds       it is one token68                                            RFC 6750 section 2.1
1  holds       it is a signed JWT, of three parts                           RFC 7515 section 7.1
1  holds       the header is one JSON object in base64url                   RFC 7515 section 7.1
1  holds       the header demands no extension                              RFC 7515 section \
4.1.11, RFC 7797 section 3
1  holds       alg is a string                                              RFC 7515 section 4.1.1
1  holds       kid is a string, if it is there                              RFC 7515 section 4.1.4
1  holds       typ is a string, if it is there                              RFC 7515 section 4.1.9
1  holds       the claims are base64url                                     RFC 7515 section 2
1  holds       the signature is base64url                                   RFC 7515 section 2
1  holds       the claims are one JSON object                               RFC 7519 section 7.2
2  holds       iss is an issuer that the API trusts                         RFC 9068 section 4
2  holds       typ marks an access token                                    RFC 9068 section 4; \
Auth0, Access Token Profiles
2  holds       its profile is accepted from this issuer                     TrustedIssuer.profiles
3  holds       alg is on the issuer's list                                  RFC 8725 section 3.1
3  holds       it names its key, where its profile must                     Auth0, Access Token \
Profiles
4  holds       exactly one key of the issuer fits                           RFC 7515 sections \
4.1.4 and 6
5  holds       the signature holds under the issuer's key                   RFC 9068 section 4
6  holds       now lies between nbf and exp                                 RFC 7519 sections \
4.1.4, 4.1.5
7  holds       aud names this API                                           RFC 9068 section 4, \
RFC 7519 section 4.1.3
7  holds       each member is of its type, and the required ones are there  RFC 9068 section 2.2; \
Auth0, Access Token Profiles
7  holds       it is not an ID token                                        RFC 9068 section 5, \
RFC 8725 section 3.11
7  holds       it names one client                                          RFC 8693 section 4.3
7  holds       it is not bound to a key                                     RFC 7800 section 3.1, \
RFC 9449 section 7.2

accepted: it passes every check; the kind of its caller is user
note: guards are not judged, and a route may still answer 403: --app module:app judges them too; \
what they ask for: atjwt routes module:app
"""

BAD = """\
fingerprint  FINGERPRINT
issuer       none that is configured
profile      rfc9068, by its own word: no signature was found to hold
claims       aud, client_id, exp, iat, iss, jti, scope, sub
times        issued 0 s ago, expired 3 min 12 s ago
keys         not asked for: no configured issuer is named
API          https://api.example.com/
accepts      auth0 and rfc9068 from https://tenant.eu.auth0.com/, signed by ES256
assumed      both profiles, since the issuer's host is under .auth0.com: where the API \
accepts one alone, give --profiles

0  holds       it is no longer than the API reads                           \
ResourceServer.max_token_size
0  holds       it is one token68                                            RFC 6750 section 2.1
1  holds       it is a signed JWT, of three parts                           RFC 7515 section 7.1
1  holds       the header is one JSON object in base64url                   RFC 7515 section 7.1
1  holds       the header demands no extension                              RFC 7515 section \
4.1.11, RFC 7797 section 3
1  holds       alg is a string                                              RFC 7515 section 4.1.1
1  holds       kid is a string, if it is there                              RFC 7515 section 4.1.4
1  holds       typ is a string, if it is there                              RFC 7515 section 4.1.9
1  holds       the claims are base64url                                     RFC 7515 section 2
1  holds       the signature is base64url                                   RFC 7515 section 2
1  holds       the claims are one JSON object                               RFC 7519 section 7.2
2  FAILS       iss is an issuer that the API trusts                         RFC 9068 section 4
               iss is no configured issuer; it differs from a configured issuer in the slash at \
its end only
2  holds       typ marks an access token                                    RFC 9068 section 4; \
Auth0, Access Token Profiles
2  not judged  2 checks, to step 3: the issuer is not known here
3  holds       it names its key, where its profile must                     Auth0, Access Token \
Profiles
4  not judged  2 checks, to step 5: the issuer is not known here
6  FAILS       now lies between nbf and exp                                 RFC 7519 sections \
4.1.4, 4.1.5
               exp has passed
7  FAILS       aud names this API                                           RFC 9068 section 4, \
RFC 7519 section 4.1.3
               aud names none of this API's identifiers
7  holds       each member is of its type, and the required ones are there  RFC 9068 section 2.2; \
Auth0, Access Token Profiles
7  holds       it is not an ID token                                        RFC 9068 section 5, \
RFC 8725 section 3.11
7  holds       it names one client                                          RFC 8693 section 4.3
7  holds       it is not bound to a key                                     RFC 7800 section 3.1, \
RFC 9449 section 7.2

refused: unknown_issuer; the API answers 401: The access token's issuer is not trusted here.
fix: iss has no slash at its end: write the configured issuer the same way, character by character
then: it expired 3 min 12 s ago: get a new one; if it ought to be valid still, a clock is off \
(atjwt doctor compares them), and the leeway of 10 s is not enough
then: it was issued for another API: ask the authorization server with audience= and this API's \
identifier
"""


class Stdin(TextIOWrapper):
    """What is on stdin. terminal: whether somebody types it."""

    terminal = False

    def isatty(self) -> bool:
        return self.terminal


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """An issuer of these tests; nothing of it is served."""
    return LocalIssuer(issuer=TENANT, audience=API, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def wire() -> Iterator[WireIssuer]:
    """An issuer on a real socket."""
    with WireIssuer(Clock()) as served:
        yield served


@pytest.fixture
def run(
    issuer: LocalIssuer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Gives the command, with a token on stdin: → exit code, stdout without fingerprint, stderr."""
    monkeypatch.chdir(tmp_path)
    for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE", "ATJWT_PROFILES", "ATJWT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()), "utf-8")

    def run(*arguments: str, stdin: str | bytes = "") -> tuple[int, str, str]:
        given = stdin if isinstance(stdin, bytes) else stdin.encode("utf-8")
        monkeypatch.setattr(sys, "stdin", Stdin(BytesIO(given)))
        code = main(["explain", *arguments])
        out, err = capsys.readouterr()
        return code, re.sub(r"\b[0-9a-f]{16}\b", "FINGERPRINT", out), err

    return run


def asked(*more: str) -> tuple[str, ...]:
    """The arguments that go with the issuer's tokens."""
    settings = ("--issuer", TENANT, "--audience", API, "--algorithms", "ES256")
    return (*settings, "--jwks", "keys.json", "--at", str(NOW), *more)


# --- What is printed ------------------------------------------------------------------------------


def test_a_good_token(run: Run, issuer: LocalIssuer) -> None:
    """Every check, word for word, and exit code 0; nothing on stderr."""
    token = issuer.token(dialect="access_token_authz", permissions=["read:orders"], lifetime=3600)
    assert run("-", *asked(), stdin=token) == (0, GOOD, "")


def test_a_bad_token(run: Run, issuer: LocalIssuer) -> None:
    """What fails, what cannot be judged, the fixes in their order, and exit code 1."""
    claims = {"iss": TENANT[:-1], "aud": "x", "exp": NOW - 192}
    token = issuer.token(dialect="rfc9068_profile", claims=claims)
    assert run("-", *asked(), stdin=token) == (1, BAD, "")


def test_without_keys_the_exit_code_is_3(run: Run, wire: WireIssuer) -> None:
    """And says what the API answers meanwhile; what fails in any case is refused."""
    wire.routes[JWKS] = answer(status=503)
    api = ("--issuer", wire.url, "--audience", wire.issuer.audience, "--profiles", "auth0,rfc9068",
           "--at", str(NOW))  # fmt: skip
    code, out, _ = run("-", *api, stdin=wire.issuer.token())
    assert code == 3
    assert "keys         cannot be fetched: keys: answered 503\n" in out
    assert out.splitlines()[-2:] == [
        "not judged: nothing is wrong with it as far as can be seen without keys; the API answers"
        " 503 while it has none",
        "fix: atjwt doctor tells why the issuer's keys cannot be had",
    ]
    code, out, _ = run("-", *api, stdin=wire.issuer.broken(Reason.EXPIRED))
    assert code == 1
    assert "refused: expired; the API answers 401: The access token expired. Until it has" in out
    code, out, _ = run("-", *api, "--offline", stdin=wire.issuer.token())
    assert (code, "keys         not fetched: offline\n" in out) == (3, True)
    assert "as can be seen without keys\n" in out


def test_keys_are_fetched_from_the_issuer_or_from_where_it_is_told(
    run: Run, wire: WireIssuer
) -> None:
    """By its metadata, or by --jwks with a URL; the token is sent nowhere."""
    api = ("--issuer", wire.url, "--audience", wire.issuer.audience, "--profiles", "auth0",
           "--at", str(NOW))  # fmt: skip
    token = wire.issuer.token(dialect="access_token")
    assert run("-", *api, stdin=token)[0] == 0
    assert wire.fetches == (1, 1)
    assert run("-", *api, "--jwks", wire.url + JWKS[1:], stdin=token)[0] == 0
    assert wire.fetches == (1, 2)
    for exchange in wire.seen:
        assert exchange.method == "GET"
        assert token not in f"{exchange.path} {exchange.headers}"


@pytest.mark.parametrize("nonsense", [b"", b"HTTP/1.1 200\r\n\r\n", b"HTTP/1.1 302 x\r\n\r\n"])
def test_an_issuer_that_talks_nonsense_is_no_traceback(
    run: Run, wire: WireIssuer, nonsense: bytes
) -> None:
    """Whatever comes instead of keys, the exit code is 3."""
    wire.routes[JWKS] = raw(nonsense)
    api = ("--issuer", wire.url, "--audience", wire.issuer.audience, "--at", str(NOW))
    code, out, err = run("-", *api, stdin=wire.issuer.token(dialect="rfc9068_profile"))
    assert (code, err, "keys         cannot be fetched: " in out) == (3, "", True)


def test_json_is_whole(run: Run, issuer: LocalIssuer) -> None:
    """And nothing else is on stdout."""
    code, out, err = run("-", *asked("--json"), stdin=issuer.broken(Reason.WRONG_AUDIENCE))
    facts = json.loads(out)
    assert (code, err, facts["reason"], facts["status"]) == (1, "", "wrong_audience", 401)
    assert len(facts["checks"]) == 24
    assert "audience=" in facts["fix"]


def test_colours_are_for_a_person(
    run: Run, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a terminal only, and not against NO_COLOR."""
    token = issuer.token(dialect="access_token_authz", permissions=["read:orders"], lifetime=3600)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("-", *asked(), stdin=token)[1] == GOOD
    monkeypatch.delenv("NO_COLOR")
    out = run("-", *asked(), stdin=token)[1]
    assert "0  \x1b[32mholds\x1b[0m       it is no longer" in out
    assert "\x1b[32maccepted\x1b[0m: it passes every check" in out


def test_notes_are_printed(run: Run, issuer: LocalIssuer) -> None:
    """Below the verdict."""
    token = issuer.token(subject="anon@1234")
    out = run("-", *asked(), stdin=token)[1]
    assert out.splitlines()[-2].startswith("note: it is an anonymous session: ")


def test_checks_that_lack_the_same_are_one_line(run: Run) -> None:
    """Of an opaque token, all of those that come after what is wrong with it."""
    code, out, _ = run("-", *asked(), stdin="opaque")
    told = out.split("\n\n")[1].splitlines()
    assert code == 1
    assert [line[:13].rstrip() for line in told] == [
        "0  holds", "0  holds", "1  FAILS", "", "1  not judged",
    ]  # fmt: skip
    assert told[1] == "0  holds       it is one token68                   RFC 6750 section 2.1"
    assert told[-1] == (
        "1  not judged  21 checks, to step 7: its three parts could not be told apart"
    )


# --- Where the token comes from -------------------------------------------------------------------


def test_a_token_may_be_pasted_with_what_is_around_it(run: Run, issuer: LocalIssuer) -> None:
    """It is taken out, and that is said on stderr."""
    token = issuer.token()
    said = "atjwt explain: the token was taken out of"
    response = json.dumps({"access_token": token, "id_token": "x"})
    assert run(*asked(), stdin=f"\ufeff{response}\n")[::2] == (0, f"{said} a token response\n")
    header = f"Authorization: Bearer {token}"
    assert run("-", *asked(), stdin=header)[::2] == (0, f"{said} a header and the scheme Bearer\n")


def test_a_token_among_the_arguments_is_warned_of(run: Run, issuer: LocalIssuer) -> None:
    """It works, and says why it should not be done; the warning does not repeat it."""
    token = issuer.token()
    code, out, err = run(token, *asked())
    assert (code, token in out + err) == (0, False)
    assert "others on this machine see a token among the arguments" in err


def test_at_a_terminal_it_is_asked_for(
    run: Run, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a hidden prompt, whose lines a terminal cuts; no answer is no token."""
    prompts: list[str] = []
    typed = [issuer.token(), "x" * 4095]

    def prompt(text: str) -> str:
        prompts.append(text)
        if not typed:
            raise EOFError
        return typed.pop(0)

    monkeypatch.setattr("getpass.getpass", prompt)
    monkeypatch.setattr(Stdin, "terminal", True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert run(*asked())[::2] == (0, "")
    code, _, err = run(*asked())
    assert (code, "a terminal cuts lines at 4095 characters" in err) == (1, True)
    assert run(*asked())[::2] == (2, "\natjwt explain: no token was given\n")
    assert set(prompts) == {"access token (not shown): "}


def test_ctrl_c_at_the_prompt_is_no_traceback(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """It ends the prompt's line, and the exit code is the shells' own for it."""

    def prompt(text: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("getpass.getpass", prompt)
    monkeypatch.setattr(Stdin, "terminal", True)
    assert run(*asked()) == (130, "", "\natjwt explain: stopped\n")


@pytest.mark.parametrize("text", [b"", b" \n", b'""', b"Bearer "])
def test_nothing_is_no_token(run: Run, text: bytes) -> None:
    """Exit code 2, and how to give one."""
    code, out, err = run("-", *asked(), stdin=text)
    assert (code, out) == (2, "")
    assert err.startswith("atjwt explain: there is no token: give one on stdin")


@pytest.mark.parametrize("text", [b"\xff\xfe", b"\x00", b"a b", b"." * 100, b"x" * 1_999_999])
def test_any_bytes_are_explained(run: Run, text: bytes) -> None:
    """As the API would refuse them; nothing is too strange."""
    assert run("-", *asked(), stdin=text)[0] == 1


def test_a_response_without_token_is_asked_wrongly(run: Run) -> None:
    """And is not repeated."""
    code, out, err = run("-", *asked(), stdin='{"error": "marker"}')
    assert (code, out) == (2, "")
    assert err.startswith("atjwt explain: this is no token response with an access_token")
    assert "marker" not in err


# --- What is asked --------------------------------------------------------------------------------


def test_the_environment_says_which_api(
    run: Run, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As ResourceServer.from_env reads it, where no argument says otherwise."""
    monkeypatch.setenv("AUTH0_DOMAIN", "tenant.eu.auth0.com")
    monkeypatch.setenv("AUTH0_AUDIENCE", f"https://other.example.com/, {API}")
    token = issuer.token(dialect="access_token")
    given = ("--algorithms", "ES256", "--jwks", "keys.json", "--at", str(NOW))
    assert run("-", *given, stdin=token)[0] == 0
    monkeypatch.setenv("ATJWT_PROFILES", "rfc9068")
    assert "refused: profile_not_accepted" in run("-", *given, stdin=token)[1]
    assert run("-", *given, "--profiles", "AUTH0", stdin=token)[0] == 0
    assert run("-", *given, "--issuer", TENANT, stdin=token)[0] == 0
    monkeypatch.setenv("ATJWT_PROFILES", "both")
    assert run("-", *given, stdin=token)[::2] == (
        2, "atjwt explain: ATJWT_PROFILES: give auth0, rfc9068 or auth0,rfc9068\n",
    )  # fmt: skip


CUSTOM = "https://login.shop.example/"


def test_a_custom_domain_is_assumed_to_be_no_auth0(
    run: Run, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was assumed of an issuer is said, and so is what to give instead."""
    token = issuer.token(dialect="access_token", claims={"iss": CUSTOM})
    api = ("--algorithms", "ES256", "--jwks", "keys.json", "--at", str(NOW), "--audience", API)
    code, out, _ = run("-", *api, "--issuer", CUSTOM, stdin=token)
    assert (code, "refused: profile_not_accepted" in out) == (1, True)
    assert (
        f"accepts      rfc9068 from {CUSTOM}, signed by ES256\nassumed      rfc9068 alone, " in out
    )
    fix = "if this is a custom domain of Auth0, or the local issuer, give --profiles auth0,rfc9068"
    assert out.count(fix) == 2
    both = ("--issuer", CUSTOM, "--profiles", "auth0,rfc9068")
    code, out, _ = run("-", *api, *both, stdin=token)
    assert (code, "assumed" in out) == (0, False)
    monkeypatch.setenv("AUTH0_DOMAIN", CUSTOM)
    code, out, _ = run("-", *api, stdin=token)
    assert (code, "assumed      both profiles, since AUTH0_DOMAIN names the issuer" in out) == (
        0,
        True,
    )
    _, out, _ = run("-", *api, "--json", stdin=token)
    assert json.loads(out)["assumed"].startswith("both profiles, since AUTH0_DOMAIN")
    monkeypatch.setenv("ATJWT_PROFILES", "auth0")
    assert "assumed" not in run("-", *api, stdin=token)[1]


def test_a_shared_secret_is_no_argument(
    run: Run, issuer: LocalIssuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes from the environment, or from a hidden prompt, and is printed nowhere."""
    secret = secrets.token_urlsafe(32)
    signed, _, _ = issuer.token(dialect="access_token", header={"alg": "HS256"}).rpartition(".")
    mac = hmac.digest(secret.encode(), signed.encode(), "sha256")
    token = f"{signed}.{urlsafe_b64encode(mac).decode().rstrip('=')}"
    api = ("--issuer", TENANT, "--audience", API, "--at", str(NOW), "--algorithms", "HS256")
    code, out, err = run("-", *api, stdin=token)
    assert (code, out) == (2, "")
    assert err.startswith(
        "atjwt explain: algorithms: HS256 needs the issuer's secret: set ATJWT_SEC"
    )
    monkeypatch.setenv("ATJWT_SECRET", secret)
    code, out, err = run("-", *api, stdin=token)
    assert (code, "keys         a shared secret\n" in out) == (0, True)
    assert secret not in out + err
    monkeypatch.setenv("ATJWT_SECRET", "wrong " * 6)
    assert "refused: invalid_signature" in run("-", *api, stdin=token)[1]
    monkeypatch.setenv("ATJWT_SECRET", "short")
    assert run("-", *api, stdin=token)[::2] == (
        2, "atjwt explain: secret: HS256 needs at least 32 bytes (RFC 7518 section 3.2)\n",
    )  # fmt: skip
    monkeypatch.delenv("ATJWT_SECRET")
    answers, prompts = [secret], []

    def prompt(text: str, stream: object = None) -> str:
        prompts.append(text)
        if not answers:
            raise EOFError
        return answers.pop()

    monkeypatch.setattr("getpass.getpass", prompt)
    monkeypatch.setattr(Stdin, "terminal", True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert run("-", *api, stdin=token)[0] == 0
    code, _, err = run("-", *api, stdin=token)
    assert (code, err.startswith("\natjwt explain: algorithms: HS256 needs")) == (2, True)
    monkeypatch.setenv("ATJWT_SECRET", secret)
    assert run("-", *api, stdin=token)[0] == 0
    assert prompts == ["the issuer's secret (not shown): "] * 2


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ((), ["audience: give --audience, or set AUTH0_AUDIENCE", "issuer: give --issuer, or set"]),
        (
            ("--issuer", "http://x.example/", "--audience", " "),
            ["audience: each", "issuer: http is"],
        ),
        (
            ("--issuer", TENANT, "--audience", API, "--algorithms", "none"),
            ["algorithms: 'none' is"],
        ),
        (("--issuer", TENANT, "--audience", API, "--leeway", "900"), ["leeway: give a number"]),
        (
            ("--issuer", TENANT, "--audience", API, "--jwks", "absent.json"),
            ["jwks: cannot read absent.json: No such file"],
        ),
        (
            ("--issuer", TENANT, "--audience", API, "--jwks", "bad.json"),
            ["jwks: bad.json is no JSON"],
        ),
        (("--issuer", TENANT, "--audience", API, "--jwks", "empty.json"), ["jwks: not a JWK Set"]),
    ],
)
def test_what_is_asked_wrongly_is_told(
    run: Run, tmp_path: Path, arguments: tuple[str, ...], problems: list[str]
) -> None:
    """All of it, each with its fix, and exit code 2."""
    (tmp_path / "bad.json").write_text('{"keys": ' + "[" * 100_000, "utf-8")
    (tmp_path / "empty.json").write_text("{}", "utf-8")
    code, out, err = run("-", *arguments, stdin="x")
    assert (code, out) == (2, "")
    lines = err.splitlines()
    assert len(lines) == len(problems)
    for line, problem in zip(lines, problems, strict=True):
        assert line.startswith(f"atjwt explain: {problem}")


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("1790000000", 0), ("1790000000.5", 0.5), ("2026-09-21T16:13:20+02:00", 0),
     ("2026-09-21T14:13:20Z", 0)],
)  # fmt: skip
def test_the_time_may_be_written_in_two_ways(
    run: Run, issuer: LocalIssuer, given: str, seconds: float
) -> None:
    """Seconds since 1970, or ISO 8601 with its offset."""
    _, out, _ = run("-", *asked("--json", "--at", given), stdin=issuer.token())
    assert json.loads(out)["at"] == NOW + seconds


@pytest.mark.parametrize(
    "arguments",
    [("--at", "now"), ("--at", "2026-09-21T15:33:20"), ("--at", "inf"), ("--profiles", "oidc"),
     ("--profiles", ","), ("--leeway", "x")],
)  # fmt: skip
def test_an_argument_that_is_none_is_told(
    run: Run, arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """By argparse, with exit code 2."""
    with pytest.raises(SystemExit) as stopped:
        run("-", *asked(*arguments))
    assert stopped.value.code == 2
    assert f"argument {arguments[0]}: " in capsys.readouterr().err


def test_as_a_process_it_reads_a_pipe(issuer: LocalIssuer, tmp_path: Path) -> None:
    """And its help is as written here, word for word."""
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()), "utf-8")
    settings: dict[str, Any] = {
        "capture_output": True,
        "text": True,
        "encoding": "utf-8",
        "timeout": 30,
        "cwd": tmp_path,
        "env": {**os.environ, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
    }
    command = [sys.executable, "-W", "error", "-m", "atjwt", "explain"]
    token = issuer.token()
    done = subprocess.run([*command, *asked()], input=token, **settings, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "accepted: it passes every check; the kind of its caller is user\n" in done.stdout
    shown = subprocess.run([*command, "--help"], **settings, check=True)
    assert shown.stdout == HELP
