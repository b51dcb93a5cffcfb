"""Where a command has the Management API's domain and credentials from."""

import argparse
import io
import sys

import pytest

from atjwt import ConfigurationError
from atjwt.cli.management import add_domain, management_api, management_api_if_any

DOMAIN = "tenant.eu.auth0.com"
CLIENT = {"AUTH0_CLIENT_ID": "c", "AUTH0_CLIENT_SECRET": "s"}


class Person:
    """Types what it was given, and keeps the prompts."""

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.asked: list[str] = []

    def __call__(self, prompt: str) -> str:
        self.asked.append(prompt)
        if not self.words:
            raise EOFError
        return self.words.pop(0)


def test_the_argument_goes_before_the_environment() -> None:
    """For the domain; a secret has no argument."""
    environ = {**CLIENT, "AUTH0_DOMAIN": "other.eu.auth0.com"}
    assert management_api(DOMAIN, environ=environ).issuer == f"https://{DOMAIN}/"
    assert management_api(None, environ=environ).issuer == "https://other.eu.auth0.com/"
    parser = argparse.ArgumentParser()
    add_domain(parser)
    assert vars(parser.parse_args([])) == {"domain": None}


@pytest.mark.parametrize(
    ("environ", "words", "asked"),
    [
        ({}, ["c", " s\n"], ["AUTH0_CLIENT_ID: ", "AUTH0_CLIENT_SECRET: "]),
        ({"AUTH0_CLIENT_ID": "c"}, ["s"], ["AUTH0_CLIENT_SECRET: "]),
        (CLIENT, [], []),
        ({"AUTH0_MANAGEMENT_TOKEN": "t"}, [], []),
    ],
)
def test_a_person_is_asked_for_what_is_missing(
    environ: dict[str, str], words: list[str], asked: list[str]
) -> None:
    """And for no more."""
    person = Person(*words)
    assert management_api(DOMAIN, environ=environ, ask=person).issuer == f"https://{DOMAIN}/"
    assert person.asked == asked


def test_who_types_nothing_is_told_what_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    """By the names of the variables; the line of the prompt is ended."""
    with pytest.raises(ConfigurationError, match="AUTH0_CLIENT_SECRET"):
        management_api(DOMAIN, environ={"AUTH0_CLIENT_ID": "c"}, ask=Person())
    assert capsys.readouterr() == ("", "\n")


def test_without_a_terminal_nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is told instead; the domain first, which says where secrets go."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("c\ns\n"))
    with pytest.raises(ConfigurationError, match="AUTH0_CLIENT_ID"):
        management_api(DOMAIN, environ={})
    with pytest.raises(ConfigurationError, match="give --domain, or set"):
        management_api(None, environ=CLIENT)


def test_on_a_terminal_the_typing_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """By getpass, on stderr, so that stdout holds the answer alone."""

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    asked: list[tuple[str, object]] = []

    def typed(prompt: str, stream: object) -> str:
        asked.append((prompt, stream))
        return "x"

    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr("getpass.getpass", typed)
    management_api(DOMAIN, environ={})
    assert asked == [("AUTH0_CLIENT_ID: ", sys.stderr), ("AUTH0_CLIENT_SECRET: ", sys.stderr)]


@pytest.mark.parametrize(
    ("domain", "environ", "there"),
    [
        (None, {}, False),
        (None, CLIENT, False),
        (DOMAIN, {"AUTH0_CLIENT_ID": "c"}, False),
        (DOMAIN, CLIENT, True),
        (DOMAIN, {"AUTH0_MANAGEMENT_TOKEN": "t"}, True),
    ],
)
def test_where_it_is_of_use_only_its_absence_is_no_mistake(
    domain: str | None, environ: dict[str, str], *, there: bool
) -> None:
    """Nobody is asked then; a wrong domain is one all the same."""
    assert (management_api_if_any(domain, environ=environ) is not None) == there
    with pytest.raises(ConfigurationError):
        management_api_if_any("tenant.eu.auth0.com/path", environ=CLIENT)
