"""Imports the app that a command is asked to look at; it is not served."""

import argparse
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Final

_TARGET: Final = re.compile(r"([\w.]+):([^\W\d]\w*(?:\.[^\W\d]\w*)*)(\(\))?")


class NotSeenError(Exception):
    """The app could not be looked at; the text says why."""


def target(text: str) -> tuple[str, str, str]:
    """Module, attribute, and parentheses if it is to be called."""
    matched = _TARGET.fullmatch(text)
    if matched is None:
        raise argparse.ArgumentTypeError(
            "write module:app, as in shop.main:app, or a factory, as in shop.main:make_app()"
        )
    return matched[1], matched[2], matched[3] or ""


def load(module: str, path: str, call: str) -> object:
    """Imports an app as a server would, from the current folder too; calls its factory.

    Raises NotSeenError.
    """
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        thing: object = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # an import may raise anything
        raise NotSeenError(f"importing {module} failed: {told(error)}") from error
    for name in path.split("."):
        if not hasattr(thing, name):
            raise NotSeenError(f"{module} has no {path}")
        thing = getattr(thing, name)
    if call:
        try:
            thing = thing()  # type: ignore[operator]
        except (Exception, SystemExit) as error:  # so may its factory
            raise NotSeenError(f"calling {module}:{path}() failed: {told(error)}") from error
    if not _is_app(thing):
        hint = "" if call or not callable(thing) else f"; a factory is {module}:{path}()"
        raise NotSeenError(f"{module}:{path} is no ASGI app{hint}")
    return thing


def told(error: BaseException) -> str:
    """An error of somebody's app, in one line."""
    return f"{type(error).__name__}: {error}"


def _is_app(thing: object) -> bool:
    if not callable(thing) or inspect.isclass(thing):
        return False
    try:
        inspect.signature(thing).bind({}, None, None)
    except (TypeError, ValueError):
        return False
    return True
