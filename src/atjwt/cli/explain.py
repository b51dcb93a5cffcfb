"""`atjwt explain`: every check of one token, and what is likely to mend it.

The token comes from stdin, from a hidden prompt, or from the arguments with a warning; it goes
nowhere. Claims are named and never shown. 0: the API accepts it. 1: it refuses it. 2: asked wrongly.
3: it cannot be judged, since the issuer's keys cannot be had.
"""

import argparse
import getpass
import json
import sys
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Final

from atjwt.cli.asking import add_api, resource_server, tell
from atjwt.cli.printing import painter
from atjwt.errors import ConfigurationError

if TYPE_CHECKING:
    from atjwt.explain import Check, Explanation, Taken

_CODES: Final = {"accepted": 0, "refused": 1, "not judged": 3}
_COLOURS: Final = {
    "holds": "32", "FAILS": "31", "not judged": "33", "accepted": "32", "refused": "31",
}  # fmt: skip
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
    from atjwt.explain import explain

    try:
        server = resource_server(arguments)
        taken = _taken(arguments)
    except ConfigurationError as error:
        return tell("explain", error)
    except ValueError as error:
        print(f"atjwt explain: {error}", file=sys.stderr)
        return 2
    if taken.out_of:
        print(f"atjwt explain: the token was taken out of {taken.out_of}", file=sys.stderr)
    found = explain(taken.token, server, now=arguments.at, offline=arguments.offline)
    if arguments.json:
        print(json.dumps(found.as_json(), indent=2))
    else:
        _print_text(found)
    return _CODES[found.verdict]


# --- The token ------------------------------------------------------------------------------------


def _taken(arguments: argparse.Namespace) -> "Taken":
    """The token that was given, in whichever way. Raises ValueError: there is none."""
    from atjwt.explain import take_token

    taken = take_token(_given(arguments.token))
    if not taken.token:
        raise ValueError("there is no token: give one on stdin, or at the prompt")
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
    except (EOFError, KeyboardInterrupt):
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


# --- What is printed ------------------------------------------------------------------------------


def _print_text(found: "Explanation") -> None:
    paint = painter()
    for name, said in _facts(found):
        print(f"{name:11}  {said}")
    print()
    width = max(len(check.rule) for check in found.checks)
    for check in found.checks:
        verdict = paint(check.verdict, _COLOURS[check.verdict]) + " " * (10 - len(check.verdict))
        print(f"{check.step}  {verdict}  {check.rule:{width}}  {check.source}")
        for detail in check.details:
            print(f"{'':15}{detail}")
    print()
    print(f"{paint(found.verdict, _COLOURS[found.verdict])}: {_verdict(found)}")
    fixes = [check.fix for check in found.checks if check.fix]
    for label, fix in zip(["fix", *["then"] * len(fixes)], dict.fromkeys(fixes), strict=False):
        print(f"{label}: {fix}")
    for note in found.notes:
        print(f"note: {note}")


def _facts(found: "Explanation") -> list[tuple[str, str]]:
    from atjwt.explain import spoken

    words = {
        "iat": ("issued", "issued"),
        "nbf": ("valid since", "valid"),
        "exp": ("expired", "expires"),
    }
    times = [
        f"{words[name][0]} {spoken(seconds)} ago"
        if seconds <= 0
        else f"{words[name][1]} in {spoken(seconds)}"
        for name, seconds in found.times.items()
    ]
    whose = "" if found.proven else ", by its own word: no signature was found to hold"
    rows = [
        ("fingerprint", found.fingerprint),
        ("issuer", found.issuer or "none that is configured"),
        ("profile", f"{found.profile}{whose}" if found.profile else "none that is known"),
        ("dialect", found.dialect or ""),
        ("claims", ", ".join(found.claims)),
        ("times", ", ".join(times)),
        ("keys", found.keys),
    ]
    return [(name, said) for name, said in rows if said]


def _verdict(found: "Explanation") -> str:
    if found.verdict == "accepted":
        return f"the API lets it in; the kind of its caller is {found.kind}"
    if found.verdict == "not judged":
        answered = f"; the API answers {found.status} while it has none" if found.status else ""
        return f"nothing is wrong with it as far as can be seen without keys{answered}"
    said = f"{found.reason}; the API answers {found.status}: {found.answer}"
    return f"{said}{' Until it has the keys, 503.' if _keyless(found.checks) else ''}"


def _keyless(checks: "tuple[Check, ...]") -> bool:
    """Whether keys were missing before anything failed."""
    first = next(check for check in checks if check.verdict != "holds")
    return first.verdict == "not judged"
