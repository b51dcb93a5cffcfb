"""`atjwt migrate report`: who brings which tokens, as the ledgers have it.

`--json` prints what `atjwt.migration.report.Report` holds, member by member under the same names; times
are seconds since 1970.
"""

import argparse
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from atjwt.cli import step
from atjwt.cli.table import prose, safe, show, table, tenths

if TYPE_CHECKING:
    from atjwt.migration.account import Step
    from atjwt.migration.report import Api, Client, Hour, Report
    from atjwt.migration.witnesses import Instance, LedgerState

_MOST: Final = 20
"""So many rows of a table are shown; `--json` has all."""

_STRETCHES: Final = 72
"""So many characters are in the line that shows how the profiles' share went."""

_EMPTY: Final = (
    "The ledger is empty. Give it to the app, deploy that, and look again after a few requests:",
    "",
    "    from atjwt.migration import Ledger",
    '    ResourceServer(..., observers=[Ledger("sqlite:///ledger.db", service="orders")])',
)


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the step and its arguments."""
    parser = steps.add_parser(
        "report",
        help="who brings which tokens",
        description="Prints what the ledger holds: which tokens are accepted, by profile, kind of "
        "caller and client; until when old ones live; what is refused and what to do about it; which "
        "instances report; what was done. Exit code 0: printed; 1: a ledger cannot be read; 2: asked "
        "wrongly.",
    )
    parser.add_argument("--api", metavar="IDENTIFIER", help="of one API only (default: of all)")
    parser.add_argument(
        "--hours",
        type=int,
        default=24,
        metavar="N",
        help="count the last N clock hours (default: 24)",
    )
    step.add_ledger(parser)
    parser.set_defaults(run=run)


@step.telling("report")
def run(arguments: argparse.Namespace) -> int:
    """Reads and prints. Returns the exit code."""
    from atjwt.migration.report import report

    found = report(
        step.account_of(arguments), now=step.now(), api=arguments.api, hours=arguments.hours
    )
    if arguments.json:
        print(json.dumps(dataclasses.asdict(found), indent=2))
    else:
        show([*_text(found, arguments)])
    return 0


def _text(found: "Report", arguments: argparse.Namespace) -> Iterator[str]:
    hours = len(range(found.since, int(found.at) + 1, 3_600))
    yield f"{_when(found.at)} UTC, the last {hours:,} clock hours"
    for api in found.apis:
        yield ""
        yield from _api(api, found.at)
    yield from _refused(found)
    yield from _instances(found.instances, found.since, found.at)
    yield from _steps(found.steps)
    yield from _ledgers(found.ledgers)
    for doubt in found.doubts:
        yield from prose(doubt, first="! ", indent=0)
    yield ""
    if found.is_empty:
        yield from _EMPTY
    else:
        yield f"Next: {_next(found, arguments)}"


# --- One API --------------------------------------------------------------------------------------


def _api(api: "Api", now: float) -> Iterator[str]:
    yield f"API {safe(api.audience)}, tokens from {safe(api.issuer)}"
    yield f"  {_counted(api.requests, 'request')} with good tokens"
    yield ""
    yield from table(
        ("PROFILE", "PERMISSIONS", "KIND", "REQUESTS", "SHARE", "LAST 2 H", "FIRST SEEN",
         "LAST SEEN", "ALIVE UNTIL"),
        [
            (one.profile, _yes(one.permissions), one.kind, f"{one.requests:,}",
             f"{one.share:.1%}", f"{one.recent:,}", _when(one.first), _when(one.last),
             _alive(one.expires, now))
            for one in api.accepted
        ],
        right=("REQUESTS", "SHARE", "LAST 2 H"),
    )  # fmt: skip
    yield ""
    yield from _shares(api.hours)
    yield ""
    yield from _clients(api.clients, now)
    if api.step is not None:
        yield ""
        yield from _old(api, api.step, now)


def _shares(hours: Sequence["Hour"]) -> Iterator[str]:
    """How the share of the RFC 9068 profile went, one character for one hour or several."""
    each = -(-len(hours) // _STRETCHES)
    shares: list[float | None] = []
    for start in range(0, len(hours), each):
        some = [hour.requests for hour in hours[start : start + each]]
        total = sum(sum(one.values()) for one in some)
        new = sum(one.get("rfc9068", 0) for one in some)
        shares.append(new / total if total else None)
    unit = "hour" if each == 1 else f"{each} hours"
    yield f"  share of rfc9068 each {unit}, in tenths (# all, . no request)  {tenths(shares)}"


def _clients(clients: Sequence["Client"], now: float) -> Iterator[str]:
    some_old = any(one.old for one in clients)
    yield from table(
        ("CLIENT", "KIND", "PROFILE", "PERMISSIONS", "REQUESTS", "LAST 2 H", "LAST SEEN",
         "ALIVE UNTIL", *["OLD"] * some_old),
        [
            (one.client_id, one.kind, one.profile, _yes(one.permissions), f"{one.requests:,}",
             f"{one.recent:,}", _when(one.last), _alive(one.expires, now),
             *["old" if one.old else ""] * some_old)
            for one in clients[:_MOST]
        ],
        right=("REQUESTS", "LAST 2 H"),
    )  # fmt: skip
    yield from _more(len(clients))


def _old(api: "Api", last: "Step", now: float) -> Iterator[str]:
    what = f"old tokens ({last.before}, from before it was set to {last.after})"
    if api.old_until is None or api.old_until <= now:
        yield from prose(f"{what}: none is alive, by what is in the ledger")
        return
    alive = len({one.client_id for one in api.clients if one.old and one.expires > now})
    yield from prose(
        f"{what}: those seen so far are alive until {_when(api.old_until)}, of "
        f"{_counted(alive, 'client')}; drain tells when all are gone for certain"
    )


# --- The rest -------------------------------------------------------------------------------------


def _refused(found: "Report") -> Iterator[str]:
    if not found.refused:
        return
    several = len({one.audience for one in found.refused}) > 1
    yield ""
    yield "Refused"
    yield from table(
        ("REASON", "REQUESTS", "LAST SEEN", "PROFILE", *["API"] * several, "WHAT TO DO"),
        [
            (one.reason, f"{one.requests:,}", _when(one.last), one.profile or "-",
             *[one.audience] * several, one.fix)
            for one in found.refused[:_MOST]
        ],
        right=("REQUESTS",),
    )  # fmt: skip
    yield from _more(len(found.refused))


def _instances(instances: Sequence["Instance"], since: float, now: float) -> Iterator[str]:
    shown = [one for one in instances if one.state == "live" or one.at >= since]
    if not instances:
        return
    from atjwt.migration.times import span

    several = len({(one.audience, one.issuer) for one in shown}) > 1
    yield ""
    yield "Instances"
    yield from table(
        ("SERVICE", "INSTANCE", "STATE", "ACCEPTS", "REPORTED", *["API", "ISSUER"] * several),
        [
            (one.service, one.instance, one.state, ", ".join(one.profiles),
             f"{span(now - one.at)} ago", *[", ".join(one.audience), one.issuer] * several)
            for one in shown
        ],
    )  # fmt: skip
    if len(shown) < len(instances):
        yield f"  and {len(instances) - len(shown):,} that ended, or fell silent, before that"


def _steps(steps: Sequence["Step"]) -> Iterator[str]:
    if not steps:
        return
    yield ""
    yield "Steps"
    yield from table(
        ("WHEN", "STEP", "FROM", "TO", "API"),
        [
            (_when(one.at), f"undo: {one.name}" if one.undo else one.name, one.before, one.after,
             one.audience)
            for one in steps
        ],
    )  # fmt: skip


def _ledgers(ledgers: Sequence["LedgerState"]) -> Iterator[str]:
    from atjwt.migration.times import span

    yield ""
    yield "Ledgers"
    yield from table(
        ("LEDGER", "WRITTEN"),
        [(one.name, "never" if one.age is None else f"{span(one.age)} ago") for one in ledgers],
    )


def _next(found: "Report", arguments: argparse.Namespace) -> str:
    """The step that comes now."""
    last = next((one for one in reversed(found.steps) if one.name != "failed"), None)
    if last is None:
        busy = [one for one in found.apis if any(sort.profile == "auth0" for sort in one.accepted)]
        if found.apis and not busy:
            return "nothing; every token was of the RFC 9068 profile"
        names = [one.audience for one in sorted(busy, key=lambda one: -one.requests)]
        names += [one.audience[0] for one in found.instances]
        name = next(iter(names), arguments.api or "API")
        return step.command(arguments, "plan", name, "--to", "rfc9068")
    if last.name == "enforced":
        return "nothing; it is enforced"
    if last.name == "begun" and not last.undo:
        return step.command(arguments, "switch", last.audience, "--to", last.after)
    words = {"begun": "undo", "switched": "drain", "drained": "enforce"}
    return step.command(arguments, words[last.name], last.audience)


def _more(count: int) -> Iterator[str]:
    if count > _MOST:
        yield f"  and {count - _MOST:,} more, which --json has"


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _yes(it_is: bool) -> str:  # noqa: FBT001 - a value, not a switch
    return "yes" if it_is else "no"


def _alive(expires: float, now: float) -> str:
    return _when(expires) if expires > now else "expired"


def _when(at: float) -> str:
    from atjwt.migration.times import when

    return when(at).removesuffix(" UTC")
