"""`atjwt doctor`: what is wrong with a set-up, and how to mend it.

0: no problem; there may be warnings. 1: problems. 2: asked wrongly, or the app cannot be looked at.
"""

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from atjwt.cli.asking import (
    add_api,
    assumed,
    audiences,
    leeway_of,
    named_issuer,
    names_an_issuer,
    resource_server,
    stopped,
    tell,
)
from atjwt.cli.loading import NotLoadedError, load_app, target, told
from atjwt.cli.printing import counted, painter
from atjwt.errors import ConfigurationError
from atjwt.resource_server import ResourceServer

if TYPE_CHECKING:
    from atjwt.doctor import Finding

_COLOURS: Final = {"ok": "32", "warning": "33", "PROBLEM": "31"}
_LONGEST: Final = 2_000_000


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its arguments."""
    parser = commands.add_parser(
        "doctor",
        help="find what is wrong with an issuer, an app or this machine",
        description="Looks at this machine (versions, TLS roots, proxies), at what an issuer "
        "publishes (metadata, keys, caching, clock) and at an app (guards, middleware, and each "
        "issuer that it trusts), and tells what is wrong and how to mend it. Name an issuer, an app "
        "or both. Exit code 0: no problem; 1: problems; 2: asked wrongly.",
    )
    add_api(parser)
    parser.add_argument(
        "--app",
        type=target,
        metavar="module:app",
        help="look at this app, or its factory, module:make_app()",
    )
    parser.add_argument(
        "--token", choices=["-"], help="judge a token from stdin too; atjwt explain tells more"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Looks, prints. Returns the exit code."""
    from atjwt.doctor import examine_surroundings

    servers: list[ResourceServer] = []
    found = examine_surroundings()
    try:
        with contextlib.redirect_stdout(sys.stderr):  # an app may print while it is imported
            found += _api(arguments, servers)
            found += _app(arguments, servers)
        found += _token(arguments, servers)
    except ConfigurationError as error:
        return tell("doctor", error)
    except (NotLoadedError, ValueError) as error:
        print(f"atjwt doctor: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return stopped("doctor")
    if arguments.json:
        print(json.dumps({"findings": [asdict(each) for each in found]}, indent=2))
    else:
        _print_text(found)
    return int(any(each.level == "PROBLEM" for each in found))


def _api(arguments: argparse.Namespace, servers: list[ResourceServer]) -> "list[Finding]":
    """What the arguments, or the environment, name; nothing where an app is named instead."""
    from atjwt.doctor import Finding, examine_issuer

    if arguments.app is not None and arguments.issuer is None and not arguments.audience:
        return []  # what the environment says is the app's own affair
    if not names_an_issuer(arguments) and not arguments.audience:
        raise ConfigurationError(
            ["nothing is named to look at: give --issuer or --app, or set AUTH0_DOMAIN"]
        )
    if not audiences(arguments):
        issuer = named_issuer(arguments)
    else:
        server = resource_server(arguments)
        servers.append(server)
        (issuer,) = server.issuers
    found = examine_issuer(issuer, leeway=leeway_of(arguments))
    said = assumed(issuer, arguments)
    return [*([Finding(found[0].area, "ok", f"assumed: {said}")] if said else []), *found]


def _app(arguments: argparse.Namespace, servers: list[ResourceServer]) -> "list[Finding]":
    from atjwt.doctor import examine_app

    if arguments.app is None:
        return []
    app = load_app(arguments.app)
    try:
        found, there = examine_app(app, str(arguments.app))
    except Exception as error:  # the app's own middleware is built, and may fail
        raise NotLoadedError(f"building the app's middleware failed: {told(error)}") from error
    servers += there
    return found


def _token(arguments: argparse.Namespace, servers: Sequence[ResourceServer]) -> "list[Finding]":
    from atjwt.cli.pasted import take_token
    from atjwt.doctor import examine_token
    from atjwt.explain import fitting

    if arguments.token is None:
        return []
    if not servers:
        raise ValueError("--token: name the API: give --audience beside the issuer, or --app")
    token = take_token(sys.stdin.buffer.read(_LONGEST).decode("utf-8", "replace")).token
    if not token:
        raise ValueError("--token: there is no token on stdin")
    meant = fitting(token, servers) or servers
    return [each for server in meant for each in examine_token(token, server)]


def _print_text(found: "Sequence[Finding]") -> None:
    paint = painter()
    for area in dict.fromkeys(each.area for each in found):
        print(area)
        for each in (one for one in found if one.area == area):
            level = paint(each.level, _COLOURS[each.level]) + " " * (7 - len(each.level))
            print(f"  {level}  {each.sentence}")
            if each.fix:
                print(f"{'':11}fix: {each.fix}")
        print()
    counts = Counter(each.level for each in found)
    problems, warnings = (
        counted(counts["PROBLEM"], "problem"),
        counted(counts["warning"], "warning"),
    )
    print(f"{problems}, {warnings}")
