"""What can be wrong with a resource server's settings, and settings from the environment.

As in `core/configuration.py`: a sentence for each problem, with its fix, and all of them at once.
"""

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import TypedDict

from atjwt.core.configuration import audience_problems, number_problems
from atjwt.core.profile import PROFILES
from atjwt.core.protected_resource import ProtectedResource
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import ConfigurationError
from atjwt.events import Observer, joins
from atjwt.fetch import Fetch


class Settings(TypedDict, total=False):
    """What `ResourceServer.from_env` takes besides the environment."""

    leeway: float
    token_cache_size: int
    max_token_size: int
    observers: Collection[Observer]
    realm: str | None
    resource: ProtectedResource | str | None
    clock: Callable[[], float]
    fetch: Fetch | None


def server_problems(settings: Mapping[str, object]) -> list[str]:
    """What is wrong with the arguments of `ResourceServer`."""
    problems = audience_problems(settings["audience"])
    problems += number_problems("leeway", settings["leeway"], 0, 300)
    for name, least, most in (("token_cache_size", 0, 10**9), ("max_token_size", 64, 10**6)):
        problems += number_problems(name, settings[name], least, most, whole=True)
    problems += _issuer_problems(settings["issuers"]) + _observer_problems(settings["observers"])
    realm, clock, fetch = settings["realm"], settings["clock"], settings["fetch"]
    if realm is not None and not isinstance(realm, str):
        problems.append("realm: give a string")
    try:
        protected_resource(settings["resource"])
    except ConfigurationError as error:
        problems += error.problems
    if not callable(clock):
        problems.append("clock: give a function that returns seconds, such as time.time")
    if fetch is not None and not callable(fetch):
        problems.append("fetch: give an async function, such as issuer.fetch")
    return problems


def protected_resource(given: object) -> ProtectedResource | None:
    """How the API describes itself, if it does. Raises ConfigurationError."""
    if given is None or isinstance(given, ProtectedResource):
        return given
    if not isinstance(given, str):
        raise ConfigurationError(["resource: give the API's URL, or a ProtectedResource"])
    return ProtectedResource(given)


def _issuer_problems(issuers: object) -> list[str]:
    if isinstance(issuers, str | TrustedIssuer) or not isinstance(issuers, Collection):
        return ["issuers: give a list of TrustedIssuer"]
    if not issuers or not all(isinstance(issuer, TrustedIssuer) for issuer in issuers):
        return ['issuers: give a list of TrustedIssuer, such as [TrustedIssuer("https://…")]']
    if len({issuer.issuer for issuer in issuers}) < len(issuers):
        return ["issuers: one is listed twice; give each once"]
    names = {issuer.issuer for issuer in issuers}
    return [
        "issuers: the tenant of one is the issuer identifier of another; give it a name of its own"
        for issuer in issuers
        if issuer.tenant is not None and issuer.tenant in names - {issuer.issuer}
    ]


def _observer_problems(observers: object) -> list[str]:
    if not isinstance(observers, Collection) or isinstance(observers, str):
        return ["observers: give a list, such as [print]"]
    problems = []
    for observer in observers:
        if joins(observer):
            continue
        if not callable(observer):
            problems.append("observers: each must be callable")
        elif _is_async(observer):
            problems.append("observers: one is async and would never run; give a plain function")
    return problems


def _is_async(observer: Callable[..., object]) -> bool:
    call = getattr(type(observer), "__call__", None)  # noqa: B004 - which kind it is, not whether
    return inspect.iscoroutinefunction(observer) or inspect.iscoroutinefunction(call)


def read_environment(environ: Mapping[str, str]) -> tuple[list[str], TrustedIssuer]:
    """The audiences and the tenant that AUTH0_DOMAIN, AUTH0_AUDIENCE and ATJWT_PROFILES name.

    Raises ConfigurationError: every problem.
    """
    problems = [
        f"{name}: set this environment variable"
        for name in ("AUTH0_DOMAIN", "AUTH0_AUDIENCE")
        if not environ.get(name, "").strip()
    ]
    audience = _words(environ.get("AUTH0_AUDIENCE", ""))
    listed = [name.lower() for name in _words(environ.get("ATJWT_PROFILES", ",".join(PROFILES)))]
    profiles = {PROFILES[name] for name in listed if name in PROFILES}
    if not listed or not PROFILES.keys() >= set(listed):
        problems.append("ATJWT_PROFILES: give auth0, rfc9068 or auth0,rfc9068")
    issuer = None
    if environ.get("AUTH0_DOMAIN", "").strip():
        try:
            issuer = TrustedIssuer.auth0(
                environ["AUTH0_DOMAIN"].strip(), profiles=profiles or set(PROFILES.values())
            )
        except ConfigurationError:
            problems.append("AUTH0_DOMAIN: give the tenant's domain, such as tenant.eu.auth0.com")
    if problems or issuer is None:
        raise ConfigurationError(problems)
    return audience, issuer


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",") if word.strip()]
