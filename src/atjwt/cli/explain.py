"""`atjwt explain`: every check of one token, and what is likely to mend it.

The token comes from stdin, from a hidden prompt, or from the arguments with a warning; it goes
nowhere. Claims are named and never shown. It is judged by the API that the arguments describe, or by
those that are found in an app. 0: the API accepts it. 1: it refuses it. 2: asked wrongly. 3: it
cannot be judged, since the issuer's keys cannot be had. 130: Ctrl+C.
"""

import argparse
import contextlib
import getpass
import json
import sys
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Final

from atjwt.cli.asking import (
    add_api,
    assumed,
    keys_at,
    named_settings,
    resource_server,
    stopped,
    tell,
)
from atjwt.cli.loading import NotLoadedError, load_app, target, told
from atjwt.errors import ConfigurationError

if TYPE_CHECKING:
    from atjwt.cli.explain_shown import Judged
    from atjwt.cli.pasted import Taken

_CODES: Final = {"accepted": 0, "refused": 1, "not judged": 3}
_LONGEST: Final = 2_000_000
"""So many characters are read from stdin."""
_PROMPT_CUTS: Final = 4_095
"""What a terminal gives of one line, in many systems."""


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its arguments."""
    parser = commands.add_parser(
        "explain",
        help="tell why an API accepts or refuses a token",
        description="Makes every check that the API makes, and tells what each one finds in a token, "
        "why the API refuses it, and what is likely to mend that. The token goes nowhere: only the "
        "issuer's metadata and keys are fetched. Exit code 0: the API accepts it; 1: it refuses it; "
        "2: asked wrongly; 3: it cannot be judged without the issuer's keys.",
    )
    parser.add_argument(
        "token",
        nargs="?",
        metavar="TOKEN",
        help="better: - for stdin, or nothing for a hidden prompt; others on this machine see "
        "arguments",
    )
    add_api(parser)
    parser.add_argument(
        "--app",
        type=target,
        metavar="module:app",
        help="judge it by the settings of this app, or of its factory, module:make_app(), and tell "
        "which of its routes let it in; of several APIs in it, by those that the token is meant for",
    )
    parser.add_argument(
        "--at",
        type=_time,
        metavar="TIME",
        help="judge it for another time: seconds since 1970, or ISO 8601 with its offset from UTC "
        "(default: now)",
    )
    parser.add_argument("--offline", action="store_true", help="fetch nothing")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Reads the token, explains it. Returns the exit code."""
    try:
        return _explained(arguments)
    except ConfigurationError as error:
        return tell("explain", error)
    except (NotLoadedError, ValueError) as error:
        print(f"atjwt explain: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return stopped("explain")


def _explained(arguments: argparse.Namespace) -> int:
    from atjwt.cli.explain_shown import as_json, print_text

    count, judged = _by_app(arguments) if arguments.app is not None else _by_arguments(arguments)
    if arguments.json:
        print(json.dumps(as_json(judged, arguments.app), indent=2))
    else:
        print_text(judged, arguments.app, count)
    # Where several APIs of an app may be meant, it is good if one of them accepts it.
    return min((_CODES[each.found.verdict] for each in judged), key=(0, 3, 1).index)


def _by_arguments(arguments: argparse.Namespace) -> "tuple[int, list[Judged]]":
    """The token, judged by the one API that the arguments and the environment describe."""
    from atjwt.cli.explain_shown import Judged
    from atjwt.explain import explain

    server = resource_server(arguments)
    (issuer,) = server.issuers
    token = _taken(arguments).token
    found = explain(token, server, now=arguments.at, offline=arguments.offline)
    return 1, [Judged(found, server, assumed(issuer, arguments))]


def _by_app(arguments: argparse.Namespace) -> "tuple[int, list[Judged]]":
    """How many APIs an app has, and the token, judged by those of them that it is meant for."""
    from atjwt.cli.explain_shown import Judged, routes_of
    from atjwt.doctor import servers_of
    from atjwt.explain import explain, fitting
    from atjwt.guards import routes

    keys = _keys_beside_app(arguments)
    app = load_app(arguments.app)
    try:
        with contextlib.redirect_stdout(sys.stderr):  # an app may print while it is built
            servers, ways = servers_of(app), routes(app)
    except ConfigurationError:
        raise
    except Exception as error:  # the app's own middleware is built, and may fail
        raise NotLoadedError(f"building the app's middleware failed: {told(error)}") from error
    if not servers:
        raise NotLoadedError(
            f"nobody looks at tokens in {arguments.app}: put AccessTokenMiddleware around it"
        )
    token = _taken(arguments).token
    judged = []
    for server in fitting(token, servers) or servers:
        there = routes_of(server, ways)
        found = explain(
            token, server, keys=keys, now=arguments.at, offline=arguments.offline,
            guards=[route.policies for route in there],
        )  # fmt: skip
        judged.append(Judged(found, server, "", there))
    return len(servers), judged


def _keys_beside_app(arguments: argparse.Namespace) -> Mapping[str, object] | None:
    """The keys that stand in for those of the app's issuers. Raises ConfigurationError."""
    problems = [
        f"{name}: --app brings its own settings; leave one of the two out"
        for name in named_settings(arguments)
    ]
    given = {} if arguments.jwks is None else keys_at(arguments.jwks)
    if "jwks_uri" in given:
        problems.append("jwks: beside --app give a file")
    if problems:
        raise ConfigurationError(problems)
    keys = given.get("jwks")
    return keys if isinstance(keys, dict) else None


# --- The token ------------------------------------------------------------------------------------


def _taken(arguments: argparse.Namespace) -> "Taken":
    """The token that was given, in whichever way. Raises ValueError: there is none."""
    from atjwt.cli.pasted import take_token

    taken = take_token(_given(arguments.token))
    if not taken.token:
        raise ValueError("there is no token: give one on stdin, or at the prompt")
    if taken.out_of:
        print(f"atjwt explain: the token was taken out of {taken.out_of}", file=sys.stderr)
    return taken


def _given(argument: str | None) -> str:
    if argument not in (None, "-"):
        print(
            "atjwt explain: others on this machine see a token among the arguments, and the shell"
            " keeps it: give - and a pipe, or nothing for a prompt",
            file=sys.stderr,
        )
        return str(argument)
    if argument == "-" or not sys.stdin.isatty():
        # What is not UTF-8 is no token; the checks say so.
        text = sys.stdin.buffer.read(_LONGEST).decode("utf-8", "replace")
        return text.removeprefix("\ufeff")
    try:
        typed = getpass.getpass("access token (not shown): ")
    except EOFError:
        print(file=sys.stderr)  # the prompt has no end of its own then
        raise ValueError("no token was given") from None
    if len(typed) >= _PROMPT_CUTS:
        print(
            f"atjwt explain: a terminal cuts lines at {_PROMPT_CUTS} characters: if the token was"
            " longer, give it by a pipe",
            file=sys.stderr,
        )
    return typed


def _time(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            raise argparse.ArgumentTypeError(
                "give seconds since 1970, or a time such as 2026-11-25T14:03:00+01:00"
            ) from None
        seconds = moment.timestamp()
    if not isfinite(seconds):
        raise argparse.ArgumentTypeError("give a number of seconds")
    return seconds
