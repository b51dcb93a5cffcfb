"""The API that a command is asked about: its arguments, and AUTH0_DOMAIN and the like instead.

The secret of HS256 is no argument, which every process of the host could read: it comes from
ATJWT_SECRET, or is typed unseen.
"""

import argparse
import dataclasses
import getpass
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from atjwt.core.configuration import audience_problems
from atjwt.core.profile import AUTH0, PROFILES, Profile
from atjwt.core.reading import read_json_object
from atjwt.core.trusted_issuer import TrustedIssuer, trusted_issuer
from atjwt.errors import ConfigurationError
from atjwt.resource_server import ResourceServer

SECRET: Final = "ATJWT_SECRET"  # noqa: S105 - the name of a variable
_LEEWAY: Final = 10.0
_NAMES: Final = ("issuer", "audience", "profiles", "algorithms", "leeway")


def add_api(parser: argparse.ArgumentParser) -> None:
    """Adds the arguments that say which API it is, and whose tokens it accepts."""
    parser.add_argument(
        "--issuer",
        metavar="URL",
        help="the issuer, as the API is configured with it (default: from AUTH0_DOMAIN)",
    )
    parser.add_argument(
        "--audience",
        action="append",
        metavar="ID",
        help="the API's identifier; may be repeated (default: AUTH0_AUDIENCE)",
    )
    parser.add_argument(
        "--profiles",
        type=_profiles,
        metavar="NAMES",
        help="token profiles accepted: auth0, rfc9068 or auth0,rfc9068 (default: rfc9068; both from a "
        "host under .auth0.com; with AUTH0_DOMAIN, ATJWT_PROFILES or both)",
    )
    parser.add_argument(
        "--algorithms",
        type=_words,
        metavar="NAMES",
        help="signature algorithms accepted, with commas between them (default: RS256,PS256 from "
        f"Auth0, and ES256 from others); HS256 takes its secret from {SECRET}, or asks for it",
    )
    parser.add_argument(
        "--leeway",
        type=float,
        metavar="SECONDS",
        help=f"by which clocks may differ (default: {_LEEWAY:g})",
    )
    parser.add_argument(
        "--jwks", metavar="FILE|URL", help="the issuer's keys, instead of those it publishes"
    )


def resource_server(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> ResourceServer:
    """The resource server that the arguments describe. Raises ConfigurationError: every problem."""
    audience = audiences(arguments, environ)
    problems = []
    if not audience:
        problems.append("audience: give --audience, or set AUTH0_AUDIENCE")
    else:
        problems += audience_problems(audience)
    issuer = None
    try:
        issuer = named_issuer(arguments, environ)
    except ConfigurationError as error:
        problems += error.problems
    if issuer is None or problems:
        raise ConfigurationError(problems)
    return ResourceServer(audience=audience, issuers=[issuer], leeway=leeway_of(arguments))


def leeway_of(arguments: argparse.Namespace) -> float:
    """By how many seconds clocks may differ."""
    given: float | None = arguments.leeway
    return _LEEWAY if given is None else given


def named_settings(arguments: argparse.Namespace) -> list[str]:
    """The arguments, as they are written, that say what an API accepts, and were given."""
    return [f"--{name}" for name in _NAMES if getattr(arguments, name) is not None]


def audiences(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> list[str]:
    """The API's identifiers that were named, as arguments or by the environment; may be none."""
    given: list[str] | None = arguments.audience
    return given or _words(environ.get("AUTH0_AUDIENCE", ""))


def names_an_issuer(arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ) -> bool:
    """Whether an issuer was named, as an argument or by the environment."""
    return arguments.issuer is not None or bool(environ.get("AUTH0_DOMAIN", "").strip())


def named_issuer(
    arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> TrustedIssuer:
    """The issuer that was named, with the other arguments. Raises ConfigurationError."""
    profiles: frozenset[Profile] | None = arguments.profiles
    if arguments.issuer is not None:
        issuer = trusted_issuer(arguments.issuer)
    elif names_an_issuer(arguments, environ):
        issuer = TrustedIssuer.auth0(environ["AUTH0_DOMAIN"].strip())
        if profiles is None and environ.get("ATJWT_PROFILES", "").strip():
            try:
                profiles = _profiles(environ["ATJWT_PROFILES"])
            except argparse.ArgumentTypeError as error:
                raise ConfigurationError([f"ATJWT_PROFILES: {error}"]) from None
    else:
        raise ConfigurationError(["issuer: give --issuer, or set AUTH0_DOMAIN"])
    changes: dict[str, object] = {} if profiles is None else {"profiles": profiles}
    if arguments.algorithms is not None:
        changes["algorithms"] = arguments.algorithms
        if "HS256" in arguments.algorithms:
            changes["secret"] = _secret(environ)
    if arguments.jwks is not None:
        changes |= keys_at(arguments.jwks)
    return dataclasses.replace(issuer, **changes)  # type: ignore[arg-type]  # it checks all itself


def assumed(
    issuer: TrustedIssuer, arguments: argparse.Namespace, environ: Mapping[str, str] = os.environ
) -> str:
    """What was assumed of the profiles that are accepted; empty where they were named."""
    if arguments.profiles is not None:
        return ""
    if AUTH0 not in issuer.profiles and arguments.issuer is not None:
        return (
            "rfc9068 alone, since the issuer's host is not under .auth0.com: if this is a custom"
            " domain of Auth0, or the local issuer, give --profiles auth0,rfc9068"
        )
    if arguments.issuer is not None:
        return (
            "both profiles, since the issuer's host is under .auth0.com: where the API accepts one"
            " alone, give --profiles"
        )
    if environ.get("ATJWT_PROFILES", "").strip():
        return ""
    return (
        "both profiles, since AUTH0_DOMAIN names the issuer: where the API accepts one alone, set"
        " ATJWT_PROFILES"
    )


def _secret(environ: Mapping[str, str]) -> str:
    """What tokens are signed with by HS256. Raises ConfigurationError: there is none."""
    secret = environ.get(SECRET, "")
    if not secret and sys.stdin.isatty():
        try:
            secret = getpass.getpass("the issuer's secret (not shown): ", stream=sys.stderr)
        except EOFError:
            print(file=sys.stderr)  # the prompt has no end of its own then
    if not secret:
        raise ConfigurationError(
            [f"algorithms: HS256 needs the issuer's secret: set {SECRET}, or type it at a terminal"]
        )
    return secret


def keys_at(source: str) -> dict[str, object]:
    """The keys that `--jwks` gives, as a setting of an issuer. Raises ConfigurationError."""
    if "://" in source:
        return {"jwks_uri": source}
    try:
        return {"jwks": read_json_object(Path(source).read_bytes())}
    except OSError as error:
        raise ConfigurationError([f"jwks: cannot read {source}: {error.strerror}"]) from None
    except ValueError:
        raise ConfigurationError([f"jwks: {source} is no JSON; give a JWK Set"]) from None


def _words(listed: str) -> list[str]:
    return [word.strip() for word in listed.split(",") if word.strip()]


def _profiles(listed: str) -> frozenset[Profile]:
    names = [name.lower() for name in _words(listed)]
    if not names or not PROFILES.keys() >= set(names):
        raise argparse.ArgumentTypeError("give auth0, rfc9068 or auth0,rfc9068")
    return frozenset(PROFILES[name] for name in names)


def tell(command: str, error: ConfigurationError) -> int:
    """Prints the problems of a command that was asked wrongly. Returns the exit code, 2."""
    for problem in error.problems:
        said = problem
        for prefix in ("TrustedIssuer: ", "ResourceServer: ", "explain: "):
            said = said.removeprefix(prefix)
        print(f"atjwt {command}: {said}", file=sys.stderr)
    return 2


def stopped(command: str) -> int:
    """Ends the line that Ctrl+C was typed on. Returns the exit code that shells give to it."""
    print(f"\natjwt {command}: stopped", file=sys.stderr)
    return 130
