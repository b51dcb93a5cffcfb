"""A TOML file → `Setup`, or every problem in it at once, each with its place and its fix.

    [[apis]]      identifier, and any setting of Auth0's resource servers by its name; `scopes` may
                  be a list of names
    [[users]]     subject, name, permissions = { "API identifier" = ["read:orders"] }
    [[clients]]   client_id, name, type = "machine" or "app", agent = "agt_1" if it is linked to one
    [[grants]]    client_id, audience = "API identifier", "management" or "*" for every API,
                  scope = ["read:orders"] or allow_all_scopes = true, subject_type = "client" or
                  "user", organization_usage = "deny", "allow" or "require", allow_any_organization
    [[organizations]]    id = "org_1", name, members = ["auth0|1"], clients = ["nightly-job"]

`allow_organization_name_in_authentication_api = true`, above all sections, lets organizations be
called by their names. What is not in the file is built in. Secrets are not in it: an issuer makes them.
"""

import os
import tomllib
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Final, cast

from atjwt.errors import ConfigurationError
from atjwt.issuer.api import MANAGEMENT_SCOPES, scope_names
from atjwt.issuer.clients import EVERY_API, MANAGEMENT, Client
from atjwt.issuer.grant_members import GRANTED, SETTINGS, grant_of
from atjwt.issuer.members import (
    Check,
    array,
    creation_problems,
    flag,
    kept_problems,
    one_of,
    text,
)
from atjwt.issuer.organizations import Organization
from atjwt.issuer.setup import AUDIENCE, Setup, built_in, clashes, twice
from atjwt.issuer.tokens import MACHINE_SCOPES
from atjwt.issuer.users import USERS, User

_MAX_SIZE: Final = 1_048_576  # bytes; an ordinary one has about 1,000

_NAME: Final = text(1, 600)
_NAMES: Final = "allow_organization_name_in_authentication_api"


def _permissions(value: object) -> str | None:
    if not isinstance(value, dict) or not all(isinstance(names, list) for names in value.values()):
        return "is a table of lists, by API identifier"
    wrong = (why for names in value.values() if (why := GRANTED(names)))
    return next((f"has a list that {why}" for why in wrong), None)


_TABLES: Final[Mapping[str, tuple[Mapping[str, Check], Mapping[str, Check]]]] = {
    "users": ({"subject": _NAME, "name": _NAME}, {"permissions": _permissions}),
    "clients": (
        {"client_id": _NAME, "type": one_of("machine", "app")},
        {"name": _NAME, "agent": _NAME},
    ),
    "grants": (
        {"client_id": _NAME, "audience": _NAME},
        {"scope": GRANTED, "subject_type": one_of("client", "user"), **SETTINGS},
    ),
    "organizations": (
        {
            "id": text(5, 64, r"org_[A-Za-z0-9]+", ", org_ and letters and digits"),
            "name": text(1, 50, r"[a-z0-9][a-z0-9_-]*", ": a-z, 0-9, - and _"),
        },
        {"members": array(_NAME), "clients": array(_NAME)},
    ),
}
"""Section → its required and its optional members."""


def read_setup(path: str | os.PathLike[str]) -> Setup:
    """The setup that a file holds. Raises ConfigurationError: all that is wrong with it."""
    document = _load(Path(path))
    sections, problems = _sections(document)
    if not problems:  # names are compared only where each entry is right for itself
        problems = _references(sections)
    if problems:
        raise ConfigurationError(f"{path}: {problem}" for problem in problems)
    return Setup(
        apis=tuple(sections["apis"]),
        users=tuple(map(_user, sections["users"])),
        clients=tuple(map(_client, sections["clients"])),
        grants=tuple(map(grant_of, sections["grants"])),
        organizations=tuple(map(_organization, sections["organizations"])),
        with_organization_names=document.get(_NAMES) is True,
    )


def _load(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_SIZE + 1)
        if len(content) <= _MAX_SIZE:
            return tomllib.loads(content.decode("utf-8"))
        problem = f"it is longer than {_MAX_SIZE} bytes; shorten it"
    except OSError as error:
        problem = f"it cannot be read: {error.strerror}; name another file"
    except UnicodeDecodeError:
        problem = "it is not UTF-8; save it as UTF-8"
    except tomllib.TOMLDecodeError as error:
        problem = f"it is not TOML: {error}"
    except ValueError:  # of Python, which reads no number of some thousands of digits
        problem = "a number in it is too long; shorten it"
    except RecursionError:
        problem = "it is nested too deep"
    raise ConfigurationError([f"{path}: {problem}"])


def _sections(
    document: Mapping[str, object],
) -> tuple[dict[str, list[dict[str, object]]], list[str]]:
    names = ("apis", *_TABLES)
    unknown = sorted(document.keys() - {*names, _NAMES})
    problems = [
        f"{name}: there is no such section; there are {', '.join(names)}" for name in unknown
    ]
    if _NAMES in document and flag(document[_NAMES]):
        problems.append(f"{_NAMES} is true or false")
    sections: dict[str, list[dict[str, object]]] = {}
    for name in names:
        entries = document.get(name, [])
        if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
            problems.append(f"{name}: write each of them under [[{name}]]")
            entries = []
        if name == "apis":
            entries = [_with_scope_tables(entry) for entry in entries]
        sections[name] = entries
        for number, entry in enumerate(entries):
            wrong = _api_problems(entry) if name == "apis" else _problems(entry, *_TABLES[name])
            wrong += _grant_problems(entry) if name == "grants" and not wrong else []
            problems += [f"{name}[{number}]: {problem}" for problem in wrong]
    return sections, problems


def _with_scope_tables(entry: dict[str, object]) -> dict[str, object]:
    scopes = entry.get("scopes")
    if not isinstance(scopes, list):
        return entry
    return {**entry, "scopes": [{"value": s} if isinstance(s, str) else s for s in scopes]}


def _api_problems(entry: Mapping[str, object]) -> list[str]:
    problems = creation_problems(entry)
    return problems or [f"{why}; change one of them" for why in kept_problems(entry)]


def _grant_problems(entry: Mapping[str, object]) -> list[str]:
    every = entry.get("allow_all_scopes") is True
    if every == bool("scope" in entry):
        return ["scope or allow_all_scopes = true; give one of them"]
    return []


def _problems(
    entry: Mapping[str, object], required: Mapping[str, Check], optional: Mapping[str, Check]
) -> list[str]:
    checks = {**required, **optional}
    problems = [
        f"{name} means nothing here; there are {', '.join(checks)}"
        for name in sorted(entry.keys() - checks.keys())
    ]
    problems += [f"{name} is missing; add it" for name in required if name not in entry]
    for name, check in checks.items():
        why = check(entry[name]) if name in entry else None
        if why:
            problems.append(f"{name} {why}")
    return problems


def _references(sections: Mapping[str, list[dict[str, object]]]) -> list[str]:
    apis = {str(api["identifier"]): scope_names(api) for api in sections["apis"]}
    known = apis or {AUDIENCE: MACHINE_SCOPES}
    given = [*map(_client, sections["clients"])]
    clients = [client.client_id for client in (*given, *built_in(given))]
    problems = twice("apis", "identifier", [str(api["identifier"]) for api in sections["apis"]])
    problems += twice("users", "subject", [str(user["subject"]) for user in sections["users"]])
    problems += clashes(given, [*map(grant_of, sections["grants"])])
    for number, user in enumerate(sections["users"]):
        permissions = cast("dict[str, list[str]]", user.get("permissions", {}))
        for api, names in permissions.items():
            problems += _at(f"users[{number}]", api, names, known, "permissions")
    for number, grant in enumerate(sections["grants"]):
        problems += _none_of(f"grants[{number}]: client_id", [grant["client_id"]], clients)
        if grant["audience"] != EVERY_API:
            names = cast("list[str]", grant.get("scope", []))
            every = {**known, MANAGEMENT: MANAGEMENT_SCOPES}
            problems += _at(f"grants[{number}]", str(grant["audience"]), names, every, "audience")
    return problems + _of_organizations(sections, clients)


def _of_organizations(
    sections: Mapping[str, list[dict[str, object]]], clients: Collection[str]
) -> list[str]:
    entries = sections["organizations"]
    people = [str(user["subject"]) for user in sections["users"]]
    people = people or [user.subject for user in USERS]
    problems = twice("organizations", "id", [str(entry["id"]) for entry in entries])
    problems += twice("organizations", "name", [str(entry["name"]) for entry in entries])
    for number, entry in enumerate(entries):
        for member, there in (("members", people), ("clients", clients)):
            names = cast("list[object]", entry.get(member, []))
            problems += _none_of(f"organizations[{number}]: {member}", names, there)
    return problems


def _none_of(place: str, names: Iterable[object], there: Collection[str]) -> list[str]:
    options = ", ".join(dict.fromkeys(there))
    return [f"{place} names none of {options}" for name in names if name not in there]


def _at(
    place: str, api: str, names: Iterable[str], known: Mapping[str, Collection[str]], member: str
) -> list[str]:
    """member: which of the entry's names the API."""
    if api not in known:
        options = ", ".join(known)
        return [f"{place}: {member}: no API has the identifier {api!r}; there are {options}"]
    where = f"{place}: {'scope' if member == 'audience' else member}"
    unknown = [name for name in names if name not in known[api]]
    return [f"{where}: {api} defines no scope {name!r}; add it to the API's" for name in unknown]


def _user(entry: Mapping[str, object]) -> User:
    permissions = cast("dict[str, list[str]]", entry.get("permissions", {}))
    return User(
        subject=str(entry["subject"]),
        name=str(entry["name"]),
        permissions_at={api: tuple(names) for api, names in permissions.items()},
    )


def _client(entry: Mapping[str, object]) -> Client:
    client_id = str(entry["client_id"])
    return Client(
        client_id=client_id,
        name=str(entry.get("name", client_id)),
        type="app" if entry["type"] == "app" else "machine",
        agent=cast("str | None", entry.get("agent")),
    )


def _organization(entry: Mapping[str, object]) -> Organization:
    return Organization(
        id=str(entry["id"]),
        name=str(entry["name"]),
        members=tuple(cast("list[str]", entry.get("members", []))),
        clients=tuple(cast("list[str]", entry.get("clients", []))),
    )
