"""How an app's parts are looked at without being called: whose methods they have, what they are
called, what they are around.
"""

import functools
import inspect
from collections.abc import Sequence

_KNOWN = frozenset({"starlette", "fastapi", "atjwt", "builtins"})
_BUILT = frozenset({"starlette.routing", "fastapi.routing"})


def foreign(thing: object, *names: str) -> str:
    """Which of these methods an object has from a class that is neither Starlette's, FastAPI's nor
    ours, or of its own; empty if none.
    """
    own = {} if isinstance(thing, type) else getattr(thing, "__dict__", {})
    mro = (thing if isinstance(thing, type) else type(thing)).__mro__
    found = [name for name in names if name in own or _module_defining(mro, name) not in _KNOWN]
    return ", ".join(found)


def _module_defining(mro: Sequence[type], name: str) -> str:
    for cls in mro:
        if name in vars(cls):
            return cls.__module__.partition(".")[0]
    return "builtins"


def name_of(endpoint: object) -> str:
    """What a person calls an endpoint: module and name of a function or class, or of an object's."""
    thing = bare(endpoint)
    if not hasattr(thing, "__qualname__"):
        thing = type(thing)
    return f"{getattr(thing, '__module__', '?')}.{getattr(thing, '__qualname__', '?')}"


def real_name(app: object) -> str:
    """As it is written, where `functools.wraps` has given a function the name of another."""
    if inspect.isfunction(app):
        return f"{app.__globals__.get('__name__')}.{app.__code__.co_qualname}"
    return name_of(app)


def bare(endpoint: object) -> object:
    """The function that a partial or a bound method is certain to call."""
    while True:
        if type(endpoint) is functools.partial:
            endpoint = endpoint.func
        elif inspect.ismethod(endpoint) or isinstance(endpoint, staticmethod | classmethod):
            endpoint = endpoint.__func__
        else:
            return endpoint


def inner(app: object) -> object:
    """What a middleware is around; only what it really has, where a mock would make one up."""
    if inspect.isroutine(app):
        return None  # of a function it would be a copy, made by `functools.wraps`
    if "app" not in getattr(app, "__dict__", {}) and not hasattr(type(app), "app"):
        return None
    try:
        return getattr(app, "app", None)
    except Exception:  # noqa: BLE001 - whatever it does, it cannot be looked through
        return None


def is_built(app: object) -> bool:
    """Whether this is what the framework makes of a function; `functools.wraps` copies no globals."""
    return inspect.isfunction(app) and app.__globals__.get("__name__") in _BUILT


def blind(app: object) -> str:
    """Why nothing is known of what this app does."""
    return f"{real_name(app)} cannot be looked into"
