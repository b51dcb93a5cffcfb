"""`atjwt migrate switch` and `undo`: the API's setting is changed, and changed back.

What would be done is shown, and done when a person has said so, or `--yes` has. 0: the setting is as
wanted, and the ledger says so. 1: it is not, or nobody knows; or something would be hurt. 2: it was
asked for wrongly.
"""

import argparse
import json
import sys
import time
from typing import TYPE_CHECKING

from atjwt.cli.ledgers import ledgers_of
from atjwt.cli.management import add_domain, management_api
from atjwt.cli.saying import Saying
from atjwt.cli.step import add_ledger, telling
from atjwt.cli.switch_shown import facts, show, show_outcome, show_ways
from atjwt.errors import ConfigurationError

if TYPE_CHECKING:
    from atjwt.migration.management import ManagementApi
    from atjwt.migration.proposal import Proposal, Terms
    from atjwt.migration.store import Store
    from atjwt.migration.told import Told

_NOTHING = "stopped; nothing was changed"
_STOPPED = (
    "stopped; what was begun by then is in the ledger: the same command again goes on with it, and "
    "the opposite one gives it up"
)


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds both steps and their arguments."""
    parser = steps.add_parser(
        "switch",
        help="change the API's token dialect at the authorization server",
        description="Changes the token dialect of an API, and nothing else of it, reads it back, and "
        "records it in the ledger. Asks first. Interrupted at any point, it is gone on with by the same "
        "command. Exit code 0: the API is set as wanted; 1: it is not, or nobody knows, or something "
        "stands in the way; 2: asked for wrongly.",
    )
    parser.add_argument("api", metavar="API", help="the API's id, or its identifier")
    parser.add_argument(
        "--to",
        required=True,
        metavar="DIALECT",
        help="rfc9068 or auth0, which keep the permissions claim as it is set; or a token dialect: "
        "access_token, access_token_authz, rfc9068_profile, rfc9068_profile_authz",
    )
    parser.add_argument(
        "--from", dest="before", metavar="DIALECT", help="with --at: what it was set to before"
    )
    _add_terms(parser)
    parser.set_defaults(run=run_switch)
    parser = steps.add_parser(
        "undo",
        help="change it back to what it was before the last switch",
        description="Changes the API back to the token dialect from before the last switch that the "
        "ledger has, in the same way; or gives up a switch that is begun and was not made. Exit codes "
        "are those of switch.",
    )
    parser.add_argument("api", metavar="API", help="the API's id, or its identifier")
    _add_terms(parser)
    parser.set_defaults(run=run_undo, to=None, before=None)


def _add_terms(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="look at everything, show the request, change nothing",
    )
    parser.add_argument(
        "--external",
        action="store_true",
        help="others make the change (Terraform, a person at the Dashboard): wait for it and record it",
    )
    parser.add_argument(
        "--despite-instances",
        action="store_true",
        help="go on although instances refuse the new profile, or none reports: requests are refused "
        "then",
    )
    _add_told(parser)
    parser.add_argument(
        "--margin",
        type=_seconds,
        default=60.0,
        metavar="SECONDS",
        help="how long a new setting may take to be in force everywhere (default: 60)",
    )
    add_domain(parser)
    add_ledger(parser)


def _add_told(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--at",
        metavar="TIME",
        help="others have made the change, at this time (now, or as 2026-11-25T09:30:00Z): record it, "
        "without the Management API. API is its identifier then",
    )
    parser.add_argument(
        "--lifetime",
        type=_seconds,
        metavar="SECONDS",
        help="with --at: the largest lifetime of tokens before the change",
    )
    parser.add_argument(
        "--issuer",
        help="the iss of the API's tokens, if it is not the tenant's domain but a custom one",
    )


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not 0 <= seconds <= 366 * 86_400:
        raise argparse.ArgumentTypeError("give seconds, 0 or more, and no more than a year")
    return seconds


@telling("switch", stopped=_NOTHING)
def run_switch(arguments: argparse.Namespace) -> int:
    """Switches. Returns the exit code."""
    return _run(arguments)


@telling("undo", stopped=_NOTHING)
def run_undo(arguments: argparse.Namespace) -> int:
    """Switches back. Returns the exit code."""
    return _run(arguments)


def _run(arguments: argparse.Namespace) -> int:
    _check(arguments)
    ledger = ledgers_of(arguments)
    try:
        if arguments.at is not None:
            return _record(arguments, ledger)
        return _switch(arguments, ledger)
    finally:
        ledger.close()


def _check(arguments: argparse.Namespace) -> None:
    """What goes together. Raises ConfigurationError."""
    problems = []
    if arguments.at is None:
        problems += [
            f"--{name} goes with --at"
            for name, given in (("from", arguments.before), ("lifetime", arguments.lifetime))
            if given is not None
        ]
    elif arguments.dry_run:
        problems.append("--at records what was done: leave --dry-run out")
    elif arguments.to is not None:
        problems += [
            f"--at: give --{name} too"
            for name, given in (
                ("from", arguments.before),
                ("lifetime", arguments.lifetime),
                ("issuer", arguments.issuer),
            )
            if given is None
        ]
    if problems:
        raise ConfigurationError(problems)


# --- By us, or by others while we wait ------------------------------------------------------------


def _switch(arguments: argparse.Namespace, ledger: "Store") -> int:
    from atjwt.migration.switch import carry_out

    say = Saying(as_json=arguments.json)
    management = management_api(arguments.domain)
    proposal = _proposed(arguments, management, ledger)
    show(proposal, management, say)
    if arguments.dry_run:
        if arguments.json:
            print(json.dumps(facts(proposal, management, None)))
        say("Nothing was changed: --dry-run.")
        return 0
    if proposal.action == "change" and not (arguments.yes or _agreed(proposal, say)):
        say("Nothing was changed: that is not the API's identifier.")
        if arguments.json:
            print(json.dumps({"error": "nothing was changed: the identifier was not typed"}))
        return 1
    try:
        outcome = carry_out(
            proposal,
            management=management,
            ledger=ledger,
            tell=lambda sentence: say(f"{sentence} …"),
            clock=time.time,
            sleep=time.sleep,
        )
    except KeyboardInterrupt:
        raise KeyboardInterrupt(_STOPPED) from None
    if arguments.json:
        print(json.dumps(facts(proposal, management, outcome)))
    show_outcome(proposal, outcome, arguments, say)
    return 0


def _proposed(
    arguments: argparse.Namespace, management: "ManagementApi", ledger: "Store"
) -> "Proposal":
    from atjwt.migration.proposal import propose_switch, propose_undo

    terms = _terms(arguments)
    account = ledger.read()
    if arguments.to is None:
        return propose_undo(
            arguments.api, management=management, account=account, now=time.time(), terms=terms
        )
    return propose_switch(
        arguments.api,
        arguments.to,
        management=management,
        account=account,
        now=time.time(),
        terms=terms,
    )


def _terms(arguments: argparse.Namespace) -> "Terms":
    from atjwt.migration.proposal import Terms

    return Terms(
        issuer=arguments.issuer,
        margin=arguments.margin,
        external=arguments.external,
        despite_instances=arguments.despite_instances,
    )


def _agreed(proposal: "Proposal", say: Saying) -> bool:
    identifier = proposal.api.audience
    if not sys.stdin.isatty():
        raise ConfigurationError(["nobody is at a terminal to say yes: give --yes"])
    say.ask("Type the API's identifier to go on: ")
    return sys.stdin.readline().strip() == identifier


# --- By others, as a person tells it --------------------------------------------------------------


def _record(arguments: argparse.Namespace, ledger: "Store") -> int:
    from atjwt.migration.switch import moment_now
    from atjwt.migration.times import when
    from atjwt.migration.told import record_told

    say = Saying(as_json=arguments.json)
    now = time.time()
    told = _told(arguments, ledger, now)
    step, notes = record_told(told, ledger=ledger, now=now)
    moment = None if step is None else moment_now(ledger, step)
    if step is not None:
        say(f"Switched: {step.before} -> {step.after}, as told, at {when(step.at)}.")
    say(*(f"note: {note}" for note in notes))
    if step is not None:
        show_ways(step, moment, arguments, say)
    if arguments.json:
        known = {
            "identifier": told.api.audience,
            "issuer": told.api.issuer,
            "before": told.before.name,
            "after": told.after.name,
            "undo": told.undo,
            "external": True,
            "notes": list(notes),
            "switched_at": None if step is None else step.at,
            "drained_at": None if moment is None else moment.at,
        }
        print(json.dumps(known))
    return 0


def _told(arguments: argparse.Namespace, ledger: "Store", now: float) -> "Told":
    from atjwt.migration.dialects import dialect_named, target
    from atjwt.migration.standing import Api, api_of
    from atjwt.migration.times import moment_named
    from atjwt.migration.told import Told, told_undo

    at, lifetime, margin = moment_named(arguments.at, now), arguments.lifetime, arguments.margin
    if arguments.to is None:
        account = ledger.read()
        api = api_of(account, arguments.api, arguments.issuer)
        return told_undo(account, api, at=at, lifetime=lifetime, margin=margin)
    before = dialect_named(arguments.before)
    return Told(
        api=Api(arguments.issuer, arguments.api),
        before=before,
        after=target(before, arguments.to),
        lifetime=lifetime,
        at=at,
        margin=margin,
    )
