"""`atjwt routes`: who gets to each route of an app, and what nobody has guarded.

The app is imported as a server would import it, and not served. What its import prints goes to
stderr, so that stdout holds the answer alone. 0: all is guarded or declared. 1: something is not, or
has changed. 2: it could not be looked at.
"""

import argparse
import contextlib
import json
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from atjwt.cli.loading import NotLoadedError, load_app, target, told
from atjwt.cli.printing import counted, painter

if TYPE_CHECKING:
    from atjwt.guards import Coverage, GuardedRoute

Key = tuple[str, str, tuple[str, ...]]
"""Which route: path, kind, methods."""

Change = tuple[str, Key, str]
"""Added `+`, removed `-` or changed `~`; which route; what it was and is."""

_SHOWN: Final = (
    "path", "methods", "kind", "state", "policy", "endpoint", "audience", "besides", "notes",
)  # fmt: skip
"""What `--json` tells of a route."""

_COLOURS: Final = {"UNGUARDED": "31", "public": "33", "optional": "33"}


def add_to(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Adds the command and its arguments."""
    parser = commands.add_parser(
        "routes",
        help="list the routes of an app and what guards them",
        description="Lists every route, WebSocket and mount of an app: public, optional, "
        "authenticated, guarded (with its policy) or UNGUARDED. What cannot be looked into is "
        "unguarded. Exit code 0: nothing is unguarded; 1: something is, or has changed; 2: the app "
        "could not be looked at.",
    )
    parser.add_argument(
        "app", type=target, metavar="module:app", help="the app; or its factory, module:make_app()"
    )
    parser.add_argument(
        "--public",
        action="append",
        default=[],
        metavar="PATH",
        help="declare a path public, as the table shows it; may be repeated",
    )
    parser.add_argument("--strict", action="store_true", help="warnings and notes fail too")
    parser.add_argument("--check", metavar="FILE", help="fail on any change from a stored list")
    parser.add_argument(
        "--write", metavar="FILE", help="store the list, to be reviewed and checked"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Looks, prints, compares. Returns the exit code."""
    changes: list[Change] = []
    try:
        with contextlib.redirect_stdout(sys.stderr):
            found = _look(arguments)
        if arguments.check is not None:
            changes = _differences(_read(Path(arguments.check)), _states(found.routes))
        if arguments.write is not None:
            _write(Path(arguments.write), found.routes)
    except NotLoadedError as error:
        print(f"atjwt routes: {error}", file=sys.stderr)
        return 2
    if arguments.json:
        _print_json(found, changes)
    else:
        _print_text(found, changes, arguments.check)
    worried = any(route.notes for route in found.routes) or bool(found.warnings)
    return int(bool(found.unguarded or changes or (arguments.strict and worried)))


def _look(arguments: argparse.Namespace) -> "Coverage":
    from atjwt.errors import ConfigurationError
    from atjwt.guards import coverage

    app = load_app(arguments.app)
    try:
        return coverage(app, public=arguments.public)
    except ConfigurationError as error:
        raise NotLoadedError("; ".join(error.problems)) from error
    except Exception as error:  # the app's own middleware is built, and may fail
        raise NotLoadedError(f"building the app's middleware failed: {told(error)}") from error


# --- A stored list --------------------------------------------------------------------------------


def _states(routes: "Sequence[GuardedRoute]") -> dict[Key, list[str]]:
    """Who gets to what; of routes that are written twice all, the first being the one that counts."""
    states: dict[Key, list[str]] = {}
    for route in routes:
        key = (route.path, route.kind, route.methods)
        states.setdefault(key, []).append(
            _state(route.state, route.policy, route.audience, route.besides)
        )
    return states


def _state(
    state: str, policy: str | None, audience: "Sequence[str]", besides: "Sequence[str]"
) -> str:
    """Everything that decides who gets in: a change of it is told."""
    said = [state, *([] if policy is None else [policy])]
    said += [f"for {', '.join(audience)}"] if audience else []
    said += [f"besides {', '.join(besides)}"] if besides else []
    return " ".join(said)


def _differences(before: dict[Key, list[str]], after: dict[Key, list[str]]) -> list[Change]:
    changes: list[Change] = []
    for key in sorted(before.keys() | after.keys()):
        was, now = ", ".join(before.get(key, [])), ", ".join(after.get(key, []))
        if not was:
            changes.append(("+", key, now))
        elif not now:
            changes.append(("-", key, was))
        elif was != now:
            changes.append(("~", key, f"{was} -> {now}"))
    return changes


def _write(file: Path, routes: "Sequence[GuardedRoute]") -> None:
    """Stores a list: a line for each route, in an order that moving code does not change."""
    ordered = sorted(routes, key=lambda route: (route.path, route.kind, route.methods))
    lines = (
        json.dumps(
            {
                "path": route.path,
                "methods": route.methods,
                "kind": route.kind,
                "state": route.state,
                "policy": route.policy,
                "audience": route.audience,
                "besides": route.besides,
            },
            ensure_ascii=False,
        )
        for route in ordered
    )
    text = '{"routes": [\n' + ",\n".join(lines) + "\n]}\n"
    try:
        file.write_text(text, "utf-8")
    except OSError as error:
        raise NotLoadedError(f"cannot write {file}: {error.strerror}") from error


def _read(file: Path) -> dict[Key, list[str]]:
    states: dict[Key, list[str]] = {}
    try:
        for entry in json.loads(file.read_text("utf-8"))["routes"]:
            key = (str(entry["path"]), str(entry["kind"]), tuple(map(str, entry["methods"])))
            told = _state(entry["state"], entry["policy"], entry["audience"], entry["besides"])
            states.setdefault(key, []).append(told)
    except OSError as error:
        raise NotLoadedError(f"cannot read {file}: {error.strerror}; --write makes it") from error
    except (ValueError, LookupError, TypeError) as error:
        raise NotLoadedError(f"{file} is no list of --write: write it anew") from error
    return states


# --- What is printed ------------------------------------------------------------------------------


def _print_json(found: "Coverage", changes: list[Change]) -> None:
    facts = {
        "routes": [{name: getattr(route, name) for name in _SHOWN} for route in found.routes],
        "warnings": found.warnings,
        "changes": [
            {"change": sign, "path": path, "kind": kind, "methods": methods, "state": state}
            for sign, (path, kind, methods), state in changes
        ],
    }
    print(json.dumps(facts, indent=2, ensure_ascii=False))


def _print_text(found: "Coverage", changes: list[Change], stored: str | None) -> None:
    paint = painter()
    rows = [(route, _what(route.kind, route.methods)) for route in found.routes]
    widths = (
        max((len(route.state) for route in found.routes), default=0),
        max((len(what) for _, what in rows), default=0),
        max((len(route.path) for route in found.routes), default=0),
    )
    for route, what in rows:
        state = paint(route.state, _COLOURS.get(route.state, "32")) + " " * (
            widths[0] - len(route.state)
        )
        line = f"{state}  {what:{widths[1]}}  {route.path:{widths[2]}}  {route.policy or ''}"
        print(line.rstrip())
        for note in route.notes:
            print(f"{'':{widths[0]}}  {route.endpoint}: {note}")
    for warning in found.warnings:
        print(f"\n{paint('warning', '33')}: {warning}")
    counts = Counter(route.state for route in found.routes)
    parts = ", ".join(f"{counts[state]} {state}" for state in _STATES if counts[state])
    print(f"\n{counted(len(found.routes), 'route')}: {parts}" if parts else "no routes")
    for sign, (path, kind, methods), state in changes:
        print(f"{sign} {_what(kind, methods)} {path}  {state}")
    if stored is not None:
        print(f"{counted(len(changes), 'change')} from {stored}")


_STATES: Final = ("public", "optional", "authenticated", "guarded", "UNGUARDED")


def _what(kind: str, methods: Sequence[str]) -> str:
    """Methods of a route; else what it is, with methods where not all are taken."""
    if kind == "http":
        return ",".join(methods)
    return kind if methods in ((), ("*",)) else f"{kind} {','.join(methods)}"
