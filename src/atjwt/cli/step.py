"""What every step of `atjwt migrate` has: the ledgers that are read, and how trouble is told.

1: it could not be done, for which a ledger or the Management API is the reason. 2: it was asked for
wrongly.
"""

import argparse
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from atjwt.cli.table import safe

if TYPE_CHECKING:
    from atjwt.migration.account import Account

Run = Callable[[argparse.Namespace], int]
"""Does what the arguments say. Returns the exit code."""


def add_ledger(parser: argparse.ArgumentParser) -> None:
    """Adds `--ledger` and `--json`, which every step has."""
    parser.add_argument(
        "--ledger",
        action="append",
        metavar="URL",
        help="sqlite:///FILE, redis://HOST/0 or lines:FILE; may be repeated, then they are merged, and "
        "the first but lines keeps what is done (default: the environment variable ATJWT_LEDGER)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def add_expect(parser: argparse.ArgumentParser) -> None:
    """Adds `--expect`: pairs of a service and a number."""
    parser.add_argument(
        "--expect",
        action="append",
        default=[],
        type=_expected,
        metavar="SERVICE=N",
        help="there must be N live instances of a service; may be repeated",
    )


def _expected(text: str) -> tuple[str, int]:
    service, _, count = text.rpartition("=")
    if not service or not count.isdecimal() or int(count) < 1:
        raise argparse.ArgumentTypeError("write SERVICE=N, as in orders=4")
    return service, int(count)


def ledgers(arguments: argparse.Namespace) -> list[str]:
    """The ledgers that were named; none where neither an argument nor the environment names one."""
    given: list[str] | None = arguments.ledger
    named = os.environ.get("ATJWT_LEDGER", "")
    return given if given else [url for url in named.split() if url]


def now() -> float:
    """Seconds since 1970."""
    return time.time()


def command(arguments: argparse.Namespace, *words: str) -> str:
    """A step to type next, with the ledgers that were named by argument; never with a password."""
    named = [word for url in arguments.ledger or () for word in ("--ledger", _hidden(url))]
    return shlex.join(["python", "-m", "atjwt", "migrate", *words, *named])


def _hidden(url: str) -> str:
    return re.sub(r"(?<=password=)[^&]*", "PASSWORD", re.sub(r"//[^/]*@", "//USER:PASSWORD@", url))


def account_of(arguments: argparse.Namespace) -> "Account":
    """What the named ledgers hold together.

    Raises ConfigurationError: none is named, or a URL names none. LedgerError: one cannot be read.
    """
    from atjwt.errors import ConfigurationError
    from atjwt.migration.stores import read_ledgers

    urls = ledgers(arguments)
    if not urls:
        raise ConfigurationError(
            ["name the ledger: --ledger sqlite:///FILE, or the environment variable ATJWT_LEDGER"]
        )
    return read_ledgers(urls)


def telling(name: str, *, stopped: str = "stopped") -> Callable[[Run], Run]:
    """Decorates a step, so that what goes wrong in it is a sentence on stderr and an exit code; with
    `--json` it is on stdout too, as the member `error` of an object.

    name: of the step. stopped: what is said after Ctrl+C, unless the KeyboardInterrupt says more.
    """

    def decorated(run: Run) -> Run:
        @wraps(run)
        def told(arguments: argparse.Namespace) -> int:
            from atjwt.errors import ConfigurationError
            from atjwt.migration.management import ManagementError
            from atjwt.migration.standing import InTheWay
            from atjwt.migration.stores import LedgerError

            try:
                return run(arguments)
            except ConfigurationError as error:
                code, problems = 2, error.problems
            except (LedgerError, ManagementError) as error:
                code, problems = 1, (str(error),)
            except InTheWay as error:
                code, problems = 1, error.problems
            except KeyboardInterrupt as error:
                code, problems = 1, (str(error) or stopped,)
                if sys.stderr.isatty():
                    print(file=sys.stderr)  # the terminal has shown ^C
            for problem in problems:
                print(f"atjwt migrate {name}: {safe(problem)}", file=sys.stderr)
            if arguments.json:
                print(json.dumps({"error": "; ".join(problems)}))
            return code

        return told

    return decorated
