"""`atjwt migrate plan`: what would change, and what stands in the way."""

import argparse

from atjwt.cli.step import add_ledger, telling


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the step and its arguments."""
    parser = steps.add_parser("plan", help="what would change, and what stands in the way")
    add_ledger(parser)
    parser.set_defaults(run=run)


@telling("plan")
def run(arguments: argparse.Namespace) -> int:
    """Looks and prints. Returns the exit code."""
    return 0
