"""`atjwt migrate`: an API goes from one token profile to the other, and no valid request is refused.

Each step is a command of its own, in its own file; what was done is in the ledger, so that any host
can go on. 0: done, or nothing stands in the way. 1: it could not be done, or something does. 2: it
was asked for wrongly.
"""

import argparse

from atjwt.cli import migrate_drain, migrate_plan, migrate_report, migrate_switch


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and those under it."""
    parser = commands.add_parser(
        "migrate",
        help="take an API from one token profile to the other",
        description="Takes an API from one token profile to the other while it runs: report who "
        "brings which tokens, plan what would change, switch the setting at the authorization server, "
        "drain the old tokens, enforce the new profile. undo leads back.",
    )
    steps = parser.add_subparsers(title="steps", metavar="STEP", required=True)
    migrate_report.add_to(steps)
    migrate_plan.add_to(steps)
    migrate_switch.add_to(steps)
    migrate_drain.add_to(steps)
