"""`atjwt migrate plan`: what would change if an API went to another dialect, and what is in the way.

`--json` prints what `atjwt.migration.plan.Plan` holds, member by member under the same names, and its
`verdict`: `ready`, `blocked` or `done`; times are seconds since 1970.
"""

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from atjwt.cli import step
from atjwt.cli.loading import NotLoadedError, load_app, target
from atjwt.cli.management import add_domain, management_api
from atjwt.cli.table import prose, safe, show, table

if TYPE_CHECKING:
    from atjwt.migration.account import Account
    from atjwt.migration.finding import Finding
    from atjwt.migration.plan import Machine, Plan
    from atjwt.migration.setting import ApiSetting

_MOST: Final = 20
"""So many machines are shown; `--json` has all."""


def add_to(steps: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the step and its arguments."""
    parser = steps.add_parser(
        "plan",
        help="what would change, and what stands in the way",
        description="Reckons, without changing anything, what going to another token dialect would do "
        "to an API: to its tokens and the code that reads them, its guards, its instances. What stands "
        "in the way comes first. Exit code 0: nothing does; 1: something does, or it cannot be told; "
        "2: asked wrongly.",
    )
    parser.add_argument("api", metavar="API", help="the API's id or identifier")
    parser.add_argument(
        "--to",
        required=True,
        metavar="DIALECT",
        help="rfc9068 or auth0, which keep the permissions claim as it is; or access_token, "
        "access_token_authz, rfc9068_profile, rfc9068_profile_authz",
    )
    add_domain(parser)
    _add_evidence(parser)
    _add_offline(parser)
    step.add_ledger(parser)
    parser.set_defaults(run=run)


def _add_evidence(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--issuer",
        action="append",
        default=[],
        metavar="URL",
        help="where tokens come from a custom domain: its issuer; may be repeated",
    )
    parser.add_argument(
        "--app",
        action="append",
        default=[],
        type=target,
        metavar="module:app",
        help="look whether the guards of this app could be met; may be repeated",
    )
    step.add_expect(parser)


def _add_offline(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--offline",
        action="store_true",
        help="ask no Management API; then API is the identifier, with --from and --lifetime",
    )
    parser.add_argument("--from", dest="before", metavar="DIALECT", help="what is set now")
    parser.add_argument(
        "--lifetime", type=float, metavar="SECONDS", help="the longest that a token may live"
    )


@step.telling("plan")
def run(arguments: argparse.Namespace) -> int:
    """Looks and prints. Returns the exit code."""
    from atjwt.errors import ConfigurationError
    from atjwt.migration.account import Account
    from atjwt.migration.plan import plan

    account = step.account_of(arguments) if step.ledgers(arguments) else Account()
    try:
        apps = [load_app(app) for app in arguments.app]
    except NotLoadedError as error:
        raise ConfigurationError([str(error)]) from error
    with contextlib.redirect_stdout(sys.stderr):  # the app's own middleware is built, and may print
        found = plan(
            _setting(arguments, account),
            arguments.to,
            account,
            now=step.now(),
            issuers=arguments.issuer,
            apps=apps,
            expected=dict(arguments.expect),
        )
    if arguments.json:
        print(json.dumps({"verdict": found.verdict, **dataclasses.asdict(found)}, indent=2))
    else:
        show([*_text(found, arguments)])
    return int(found.verdict == "blocked")


def _setting(arguments: argparse.Namespace, account: "Account") -> "ApiSetting":
    """What the API is set to: as the Management API says, or as the arguments do."""
    from atjwt.errors import ConfigurationError
    from atjwt.migration.dialects import dialect_named
    from atjwt.migration.setting import ApiSetting

    if not arguments.offline:
        if arguments.before is not None or arguments.lifetime is not None:
            raise ConfigurationError(
                [
                    "--from and --lifetime say what the Management API would: give --offline with them"
                ]
            )
        management = management_api(arguments.domain)
        return ApiSetting.from_settings(management.get(arguments.api), management.issuer)
    if arguments.before is None or arguments.lifetime is None or not arguments.lifetime > 0:
        raise ConfigurationError(
            ["--offline: give --from, the dialect that is set now, and --lifetime, in seconds"]
        )
    return ApiSetting(
        identifier=arguments.api,
        issuer=_issuer(arguments, account),
        dialect=dialect_named(arguments.before),
        lifetime=arguments.lifetime,
    )


def _issuer(arguments: argparse.Namespace, account: "Account") -> str:
    """The issuer that was named, or else the only one of which the ledger knows."""
    from atjwt.errors import ConfigurationError
    from atjwt.migration.sums import about
    from atjwt.migration.witnesses import every_name_of

    if arguments.issuer:
        return str(arguments.issuer[0])
    whole = about(account, every_name_of(account, arguments.api))
    known = {beat.issuer for beat in whole.heartbeats} | {key.issuer for key in whole.uses}
    if len(known) != 1:
        several = (
            f", one of {', '.join(sorted(known))}" if known else "; the ledger knows none for it"
        )
        raise ConfigurationError([f"--offline: give the issuer of the tokens by --issuer{several}"])
    return known.pop()


# --- What is printed ------------------------------------------------------------------------------


def _text(found: "Plan", arguments: argparse.Namespace) -> Iterator[str]:
    yield from _headline(found)
    if found.is_done:
        return
    yield from _findings("In the way", found.blockers)
    yield from _changes(found)
    yield from _findings("To know", found.notes)
    yield from _machines(found.machines, found.at)
    yield ""
    yield "Look at, outside this code"
    for name, what in found.pipelines.items():
        yield from prose(what, first=f"[ ] {name:17}")
    yield ""
    yield "Not confirmed by any source; try it at an API that nobody uses"
    for what in found.unconfirmed:
        yield from prose(what, first="- ")
    yield from _facts(found)
    yield ""
    yield from _next(found, arguments)


def _changes(found: "Plan") -> Iterator[str]:
    yield ""
    yield "What changes in tokens"
    yield from table(
        ("MEMBER", "NOW", "THEN"),
        [(f"{one.where} {one.name}", one.before, one.after) for one in found.changes],
    )
    yield ""
    yield "Search your code for, and write instead"
    for change in found.changes:
        yield f"  {change.name}"
        yield from prose(", ".join(change.search), first="search  ", indent=4)
        yield from prose(change.instead, first="write   ", indent=4)
    yield ""
    yield "What stays"
    for name, how in found.stays.items():
        yield from prose(how, first=f"{name:18}")


def _headline(found: "Plan") -> Iterator[str]:
    way = f"{found.before} -> {found.after}, {safe(found.api)}"
    if found.is_done:
        yield f"NOTHING TO DO: {safe(found.api)} is set to {found.after}"
    elif found.blockers:
        count = len(found.blockers)
        yield f"NOT READY, {count} {'thing is' if count == 1 else 'things are'} in the way: {way}"
    else:
        yield f"READY, nothing is in the way: {way}"


def _findings(heading: str, findings: Sequence["Finding"]) -> Iterator[str]:
    if findings:
        yield ""
        yield heading
    for one in findings:
        yield from prose(one.text, first=f"{one.matter:11}")
        if one.fix:
            yield from prose(one.fix, first=f"{'':11}-> ")


def _machines(machines: Sequence["Machine"], now: float) -> Iterator[str]:
    if not machines:
        return
    yield ""
    yield "Machines and agents, which mostly keep a token until it expires"
    yield from table(
        ("CLIENT", "KIND", "PERMISSIONS", "24 H", "LAST SEEN", "ALIVE UNTIL"),
        [
            (one.client_id, one.kind, "yes" if one.permissions else "no", f"{one.requests:,}",
             _when(one.last), _when(one.expires) if one.expires > now else "expired")
            for one in machines[:_MOST]
        ],
        right=("24 H",),
    )  # fmt: skip
    if len(machines) > _MOST:
        yield f"  and {len(machines) - _MOST:,} more, which --json has"


def _facts(found: "Plan") -> Iterator[str]:
    from atjwt.migration.times import span

    live = {(one.service, one.instance) for one in found.instances if one.state == "live"}
    web = found.lifetime_for_web
    more = "" if web is None else f", of browser flows {web:,.0f} s"
    yield ""
    yield f"Tokens live {found.lifetime:,.0f} s{more}"
    gone = _when(found.earliest or found.at)
    yield f"Switched now, the old ones are gone by {gone} UTC at the earliest"
    yield f"Live instances: {len(live):,}"
    for one in found.ledgers:
        age = "never" if one.age is None else f"{span(one.age)} ago"
        yield f"Read: {safe(one.name)}, written {age}"


def _next(found: "Plan", arguments: argparse.Namespace) -> Iterator[str]:
    words = [found.api, "--to", arguments.to]
    told = []
    if arguments.domain is not None:
        words += ["--domain", arguments.domain]
    if arguments.offline:
        told = ["--from", arguments.before, "--lifetime", f"{arguments.lifetime:g}"]
    if not found.blockers:
        named = [word for issuer in arguments.issuer[:1] for word in ("--issuer", issuer)]
        if told:
            words += ["--at", "now", *told, "--issuer", found.issuers[0]]
            yield f"Next: change it there, then {step.command(arguments, 'switch', *words)}"
        else:
            yield f"Next: {step.command(arguments, 'switch', *words, *named)}"
        return
    words += [word for issuer in arguments.issuer for word in ("--issuer", issuer)]
    for app in arguments.app:
        words += ["--app", f"{app.module}:{app.path}{'()' if app.call else ''}"]
    for service, count in arguments.expect:
        words += ["--expect", f"{service}={count}"]
    words += ["--offline", *told] if told else []
    yield f"Next: mend that, then {step.command(arguments, 'plan', *words)}"


def _when(at: float) -> str:
    from atjwt.migration.times import when

    return when(at).removesuffix(" UTC")
