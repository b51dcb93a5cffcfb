"""What `atjwt migrate switch` and `undo` print: what is about to be done, and what came of it."""

import argparse
import json
from typing import TYPE_CHECKING

from atjwt.cli.ledgers import command
from atjwt.cli.saying import Saying

if TYPE_CHECKING:
    from atjwt.migration.account import Step
    from atjwt.migration.management import ManagementApi
    from atjwt.migration.moment import Moment
    from atjwt.migration.proposal import Proposal
    from atjwt.migration.switch import Outcome


def show(proposal: "Proposal", management: "ManagementApi", say: Saying) -> None:
    """What is about to be done."""
    from atjwt.migration.times import span

    before, after = proposal.before, proposal.after
    rows = {
        "API": f"{proposal.name}  {proposal.api.audience}".strip(),
        "tenant": management.issuer,
        "issuer": proposal.api.issuer,
        "dialect": f"{before.name} -> {after.name}",
        "profile": f"{before.profile.name} -> {after.profile.name}",
        "lifetime": f"{span(proposal.lifetime)} ({proposal.lifetime:.0f} s)",
    }
    say(*(f"{row:8}  {value}" for row, value in rows.items()))
    say(*(f"note: {note}" for note in proposal.notes))
    if proposal.action == "change" and not proposal.external:
        method, path, body = proposal.request
        say("", f"  {method} {management.issuer}api/v2/{path}", f"  {json.dumps(body)}", "")
    elif proposal.action == "change":
        say("", "Others are to change the setting; this waits for it.", "")


def show_outcome(
    proposal: "Proposal", outcome: "Outcome", arguments: argparse.Namespace, say: Saying
) -> None:
    """What came of it, and what comes next."""
    from atjwt.migration.times import when

    for step in outcome.settled:
        say(f"Recorded: {step.before} -> {step.after}: {step.name}.")
    if outcome.switched is None:
        given_up = any(step.name == "failed" for step in outcome.settled)
        what = "What was begun is given up: the" if given_up else "Nothing to do: the"
        say(f"{what} API is set to {proposal.after.name}.")
        return
    step = outcome.switched
    say(f"Switched: {step.before} -> {step.after}, read back at {when(step.at)}.")
    if outcome.changed:
        names = ", ".join(outcome.changed)
        say(f"note: other settings changed meanwhile, by other hands: {names}")
    show_ways(step, outcome.moment, arguments, say)


def show_ways(
    step: "Step", moment: "Moment | None", arguments: argparse.Namespace, say: Saying
) -> None:
    """The ways on and back."""
    from atjwt.migration.times import when

    if moment is not None:
        until = when(moment.at)
        say(f"Old tokens live until {until} at the latest, as far as is known by now.")
    back = ("switch", "--to", step.before) if step.undo else ("undo",)
    say(
        "",
        f"  next  {command(arguments, 'drain', step.audience)}",
        f"  back  {command(arguments, back[0], step.audience, *back[1:])}",
    )


def facts(
    proposal: "Proposal", management: "ManagementApi", outcome: "Outcome | None"
) -> dict[str, object]:
    """What `--json` prints.

    action: change, settle or nothing. lifetime, margin: seconds. request: method, url and body; null
    where none is sent. switched_at, drained_at: seconds since 1970, null where nothing was switched.
    changed: names of other settings that changed. settled: steps that were recorded first.
    """
    method, path, body = proposal.request
    sends = proposal.action == "change" and not proposal.external
    request = {"method": method, "url": f"{management.issuer}api/v2/{path}", "body": body}
    settled = () if outcome is None else outcome.settled
    switched = None if outcome is None else outcome.switched
    return {
        "api": proposal.key,
        "identifier": proposal.api.audience,
        "issuer": proposal.api.issuer,
        "name": proposal.name,
        "action": proposal.action,
        "before": proposal.before.name,
        "after": proposal.after.name,
        "lifetime": proposal.lifetime,
        "margin": proposal.margin,
        "undo": proposal.undo,
        "external": proposal.external,
        "notes": list(proposal.notes),
        "request": request if sends else None,
        "switched_at": None if switched is None else switched.at,
        "drained_at": None if outcome is None or outcome.moment is None else outcome.moment.at,
        "changed": [] if outcome is None else list(outcome.changed),
        "settled": [
            {"step": step.name, "before": step.before, "after": step.after, "at": step.at}
            for step in settled
        ],
    }
