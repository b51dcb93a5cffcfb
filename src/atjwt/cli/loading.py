"""An app by its name, `module:app`, imported as a server would import it, and not served."""

import argparse
import contextlib
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Final, NamedTuple

_TARGET: Final = re.compile(r"([\w.]+):([^\W\d]\w*(?:\.[^\W\d]\w*)*)(\(\))?")


class NotLoadedError(Exception):
    """The app could not be had; the text says why."""


class Target(NamedTuple):
    """Which app: a module, an attribute in it, and whether that is to be called."""

    module: str
    path: str
    call: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.path}{'()' if self.call else ''}"


def target(text: str) -> Target:
    """Reads `module:app` or `module:make_app()`; a type for argparse.

    Raises argparse.ArgumentTypeError: it is neither.
    """
    matched = _TARGET.fullmatch(text)
    if matched is None:
        raise argparse.ArgumentTypeError(
            "write module:app, as in shop.main:app, or a factory, as in shop.main:make_app()"
        )
    return Target(matched[1], matched[2], matched[3] is not None)


def load_app(wanted: Target) -> object:
    """Imports a module, from the current folder too, and returns the app in it.

    What the import prints goes to stderr, so that stdout holds the command's own answer alone.
    Raises NotLoadedError.
    """
    with contextlib.redirect_stdout(sys.stderr):
        return _loaded(wanted)


def told(error: BaseException) -> str:
    """An error of somebody else's code, in a line."""
    return f"{type(error).__name__}: {error}"


def _loaded(wanted: Target) -> object:
    module, path, call = wanted
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        thing: object = importlib.import_module(module)
    except (Exception, SystemExit) as error:  # an import may raise anything
        raise NotLoadedError(f"importing {module} failed: {told(error)}") from error
    for name in path.split("."):
        if not hasattr(thing, name):
            raise NotLoadedError(f"{module} has no {path}")
        thing = getattr(thing, name)
    if call:
        try:
            thing = thing()  # type: ignore[operator]
        except (Exception, SystemExit) as error:  # so may its factory
            raise NotLoadedError(f"calling {module}:{path}() failed: {told(error)}") from error
    if not _is_app(thing):
        hint = "" if call or not callable(thing) else f"; a factory is {module}:{path}()"
        raise NotLoadedError(f"{module}:{path} is no ASGI app{hint}")
    return thing


def _is_app(thing: object) -> bool:
    if not callable(thing) or inspect.isclass(thing):
        return False
    try:
        inspect.signature(thing).bind({}, None, None)
    except (TypeError, ValueError):
        return False
    return True
