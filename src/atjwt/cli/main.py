"""The entry point: reads the command line, hands over to the command, returns its exit code.

0: done. 1: it could not be done, or what was looked at is not right. 2: it was asked for wrongly, or
an extra is not installed. Others are a command's own.
"""

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import cast

from atjwt.cli import doctor, explain, issuer, migrate, routes


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code.

    argv: the arguments without the program's name, by default those of the process.
    Raises SystemExit: after `--help` and `--version` (0), and on arguments that do not fit (2).
    """
    _open_streams()
    arguments = _parser().parse_args(argv)
    run = cast("Callable[[argparse.Namespace], int]", arguments.run)
    try:
        code = run(arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # Whoever reads has had enough, as `head` does. Nothing more is written, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return code


def _open_streams() -> None:
    """What is closed (`>&-`) has no stream, and would be the first file that is opened. Nothing is read
    from it, or printed.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open(mode, encoding="utf-8"))  # noqa: SIM115


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="atjwt", description="Tools around OAuth 2.0 access tokens and their two profiles."
    )
    parser.add_argument("--version", action="version", version=f"atjwt {version('atjwt')}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    issuer.add_to(commands)
    routes.add_to(commands)
    explain.add_to(commands)
    doctor.add_to(commands)
    migrate.add_to(commands)
    return parser
