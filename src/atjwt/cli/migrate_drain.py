"""`atjwt migrate drain` and `enforce`: the old tokens are waited for, and then may be refused.

Both only read the ledger, and record there what they found: drain once no old token can be alive,
enforce once every instance accepts the new profile alone. 0: that is so, or for enforce: nothing
stands in the way. 1: not yet, or something does. 2: it was asked for wrongly.
"""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from atjwt.cli.drain_shown import Display, drain_facts
from atjwt.cli.enforce_shown import enforce_facts, show_enforcement
from atjwt.cli.ledgers import command, ledgers_of
from atjwt.cli.management import add_domain, management_api_if_any
from atjwt.cli.saying import Saying
from atjwt.cli.step import add_expect, add_ledger, telling

if TYPE_CHECKING:
    from atjwt.migration.management import ManagementApi, Settings
    from atjwt.migration.standing import Api


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds both steps and their arguments."""
    parser = steps.add_parser(
        "drain",
        help="wait until no token from before the switch can be alive",
        description="Waits until no token from before the last switch can be alive, and records that. "
        "It may be stopped and begun again, on any host. Exit code 0: it is so; 1: not yet, or nothing "
        "was switched; 2: asked for wrongly.",
    )
    parser.add_argument(
        "--no-wait", action="store_true", help="look once; 1 while it is not so yet"
    )
    _add_api(parser)
    parser.set_defaults(run=run_drain)
    parser = steps.add_parser(
        "enforce",
        help="check that the old profile may be refused, and how",
        description="Checks that nothing of the old profile can be alive and that every instance has "
        "reported since, and prints the setting to change. Given again after that, it says which "
        "instances have it, and records when all do. Exit code 0: nothing stands in the way, or all is "
        "done; 1: something does; 2: asked for wrongly.",
    )
    parser.add_argument(
        "--unattested",
        action="store_true",
        help="go on although something cannot be known: silent instances, lost counts, ledgers nobody "
        "has written to since, a setting that was not read",
    )
    add_expect(parser)
    _add_api(parser)
    parser.set_defaults(run=run_enforce)


def _add_api(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "api",
        metavar="API",
        nargs="?",
        help="the API's identifier, where the ledger has several",
    )
    parser.add_argument("--issuer", help="the iss of its tokens, where the ledger has several")
    add_domain(parser, otherwise="without them, nobody looks whether the setting has stayed")
    add_ledger(parser)


def _settings(management: "ManagementApi | None", api: "Api") -> "Settings | None":
    """The API's settings, where they can be had; what is missing stands in nobody's way."""
    from atjwt.migration.management import ManagementError

    if management is None:
        return None
    try:
        return management.get(api.audience)
    except ManagementError as error:
        print(f"note: the Management API does not say how the API is set: {error}", file=sys.stderr)
        return None


@telling("drain", stopped="stopped; the same command again goes on")
def run_drain(arguments: argparse.Namespace) -> int:
    """Waits, or looks once. Returns the exit code."""
    from atjwt.migration.drain import drain

    management = management_api_if_any(arguments.domain)
    ledger = ledgers_of(arguments)
    say = Saying(as_json=arguments.json)
    display = Display(say, alone=arguments.no_wait)
    try:
        state = drain(
            ledger,
            audience=arguments.api,
            issuer=arguments.issuer,
            wait=not arguments.no_wait,
            settings=lambda api: _settings(management, api),
            tell=display.show,
            trouble=display.trouble,
            clock=time.time,
            sleep=time.sleep,
        )
    finally:
        say.end()
        ledger.close()
    if arguments.json:
        print(json.dumps(drain_facts(state)))
    if state.drained is None:
        return 1
    say("", f"  next  {command(arguments, 'enforce', state.step.audience)}")
    return 0


@telling("enforce")
def run_enforce(arguments: argparse.Namespace) -> int:
    """Checks. Returns the exit code."""
    from atjwt.migration.enforce import enforce

    management = management_api_if_any(arguments.domain)
    ledger = ledgers_of(arguments)
    try:
        found = enforce(
            ledger,
            audience=arguments.api,
            issuer=arguments.issuer,
            unattested=arguments.unattested,
            expected=dict(arguments.expect),
            settings=lambda api: _settings(management, api),
            clock=time.time,
        )
    finally:
        ledger.close()
    is_clear = not found.wrong and (arguments.unattested or not found.unattested)
    if arguments.json:
        print(json.dumps(enforce_facts(found)))
    else:
        show_enforcement(found, Saying(), is_clear=is_clear)
    return 0 if is_clear else 1
