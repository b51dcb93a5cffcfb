"""`atjwt migrate`: an API goes from one token profile to the other, and no valid request is refused.

Each step is a command of its own, in its own file; what was done is in the ledger, so that any host
can go on. 0: done, or nothing stands in the way. 1: it could not be done, or something does. 2: it
was asked for wrongly.
"""

import argparse
import os
from typing import Final

COMMANDS: Final = ("report", "plan", "switch", "undo", "drain", "enforce")


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and those under it."""
    parser = commands.add_parser(
        "migrate",
        help="take an API from one token profile to the other",
        description="Takes an API from one token profile to the other while it runs: report who "
        "brings which tokens, plan what would change, switch the setting at the authorization server, "
        "drain the old tokens, enforce the new profile. undo leads back.",
    )
    parser.add_subparsers(title="steps", metavar="STEP", required=True)


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """Adds `--ledger` and `--json`, which every step has."""
    parser.add_argument(
        "--ledger",
        action="append",
        metavar="URL",
        help="sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are merged and "
        "the first keeps what is done (default: the environment variable ATJWT_LEDGER)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def ledgers(arguments: argparse.Namespace) -> list[str]:
    """The ledgers that were named; none where neither an argument nor the environment names one."""
    given: list[str] | None = arguments.ledger
    named = os.environ.get("ATJWT_LEDGER", "")
    return given if given else [url for url in named.split() if url]
