"""How a command gets to the Management API: the domain, and the credentials, which are no arguments.

Arguments are seen by every process of the host and kept by the shell; so a secret comes from the
environment, or is typed unseen where a person sits at the terminal.
"""

import argparse
import getpass
import os
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from atjwt.errors import ConfigurationError

if TYPE_CHECKING:
    from atjwt.migration import ManagementApi

DOMAIN: Final = "AUTH0_DOMAIN"
TOKEN: Final = "AUTH0_MANAGEMENT_TOKEN"  # noqa: S105 - the name of a variable
CLIENT_ID: Final = "AUTH0_CLIENT_ID"
CLIENT_SECRET: Final = "AUTH0_CLIENT_SECRET"  # noqa: S105

Ask = Callable[[str], str]
"""Shows a prompt and returns what was typed, without showing it."""


def add_domain(parser: argparse.ArgumentParser) -> None:
    """Adds `--domain`."""
    parser.add_argument(
        "--domain",
        help="the tenant's domain, not a custom one, or the local issuer's URL (default: the "
        "environment variable AUTH0_DOMAIN). Credentials are AUTH0_CLIENT_ID with AUTH0_CLIENT_SECRET, "
        "or AUTH0_MANAGEMENT_TOKEN; on a terminal, what is missing is asked for",
    )


def management_api(
    domain: str | None, *, environ: Mapping[str, str] = os.environ, ask: Ask | None = None
) -> "ManagementApi":
    """The Management API that is meant.

    domain: as `--domain` was given. ask: asks for what the environment lacks; by default on a terminal
    only. Raises ConfigurationError: every thing that is missing or wrong, with its fix.
    """
    from atjwt.migration import ManagementApi

    known = _known(domain, environ)
    if not known.get(DOMAIN):
        raise ConfigurationError(["give --domain, or set the environment variable AUTH0_DOMAIN"])
    if ask is None and sys.stdin.isatty():
        ask = _unseen
    if ask is not None and not known.get(TOKEN):
        try:
            for name in (CLIENT_ID, CLIENT_SECRET):
                known[name] = known.get(name) or ask(f"{name}: ").strip()
        except EOFError:
            print(file=sys.stderr)  # the prompt has no end of its own then
    return ManagementApi.from_env(known)


def management_api_if_any(
    domain: str | None, *, environ: Mapping[str, str] = os.environ
) -> "ManagementApi | None":
    """The Management API, or None where the environment lacks the domain or the credentials.

    Never asks. Raises ConfigurationError: what is there is wrong.
    """
    known = _known(domain, environ)
    has_client = known.get(CLIENT_ID) and known.get(CLIENT_SECRET)
    if not known.get(DOMAIN) or not (known.get(TOKEN) or has_client):
        return None
    return management_api(domain, environ=environ, ask=None)


def _known(domain: str | None, environ: Mapping[str, str]) -> dict[str, str]:
    return dict(environ) | ({} if domain is None else {DOMAIN: domain})


def _unseen(prompt: str) -> str:
    return getpass.getpass(prompt, stream=sys.stderr)
