"""A token as an API would get one now, and what the other profile would write in its place.

Both are minted the way the token endpoint does it, the second for the same API with the other
dialect; what differs is read off the two, and no table says it a second time.
"""

import json
import shlex
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias, cast
from urllib.parse import quote, urljoin

from atjwt.issuer.api import Api
from atjwt.issuer.authority import Authority
from atjwt.issuer.control import PREFIX as CONTROL
from atjwt.issuer.issuing import Caller, machine_caller, token_response
from atjwt.issuer.refusal import Refused
from atjwt.issuer.rights import shows_rights
from atjwt.issuer.tokens import Dialect, is_rfc9068, shows_permissions
from atjwt.issuer.users import User

_OTHER: Final[Mapping[Dialect, Dialect]] = {
    "access_token": "rfc9068_profile",
    "access_token_authz": "rfc9068_profile_authz",
    "rfc9068_profile": "access_token",
    "rfc9068_profile_authz": "access_token_authz",
}
_INSTEAD: Final = {"azp": "client_id", "client_id": "azp"}

Part: TypeAlias = Mapping[str, object]
"""The JOSE header, or the claims."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One member that the two profiles write differently; None: it is not written.

    part: `header` or `claims`. name: of the member here, or of the one that only the other has.
    """

    part: str
    name: str
    here: str | None
    there: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A token, its parts, how it differs from one of the other profile, how to get one.

    command: a curl command, and what is to be known about it.
    """

    token: str = field(repr=False)
    header: Part
    claims: Part = field(repr=False)
    differences: tuple[Difference, ...] = field(repr=False)
    command: tuple[str, str] = field(repr=False)

    def marked(self, part: str) -> set[str]:
        """The names of the members of a part that the other profile writes differently."""
        return {
            difference.name
            for difference in self.differences
            if difference.part == part and difference.here is not None
        }


def callers(authority: Authority) -> dict[str, str]:
    """For whom a sample can be: key → what they are called; users first."""
    users = {f"user:{user.subject}": f"{user.name} (user)" for user in authority.users}
    machines = {
        f"machine:{client.client_id}": f"{client.client_id} (machine)"
        for client in authority.machines
    }
    return users | machines


def sample(authority: Authority, api: Api, key: str) -> Sample:
    """A token for one of `callers`. Raises Refused: they would get none, and why."""
    caller = _caller(authority, api, key)
    other = replace(api, members={**api.members, "token_dialect": _OTHER[api.dialect]})
    token, (header, claims) = _minted(authority, api, caller)
    _, (other_header, other_claims) = _minted(authority, other, caller)
    return Sample(
        token=token,
        header=header,
        claims=claims,
        differences=(
            *_differences("header", header, other_header),
            *_differences("claims", claims, other_claims),
        ),
        command=_command(authority, api, caller, claims),
    )


def _caller(authority: Authority, api: Api, key: str) -> Caller:
    for user in authority.users:
        if key == f"user:{user.subject}":
            return _user(authority, api, user)
    (machine,) = (one for one in authority.machines if key == f"machine:{one.client_id}")
    return machine_caller(authority, api, machine)


def _user(authority: Authority, api: Api, user: User) -> Caller:
    app = authority.apps[0]
    if not authority.is_open_to_users(app.client_id, api):
        raise Refused("access_denied", "users get no tokens for this API")
    wanted = ("openid", "profile", *api.scopes)
    return Caller(
        client=app,
        subject=user.subject,
        scopes=authority.scopes_for(user, app.client_id, api, wanted),
        permissions=authority.assigned(user, api),
    )


def _minted(authority: Authority, api: Api, caller: Caller) -> tuple[str, list[dict[str, object]]]:
    token = cast("str", token_response(authority, api, caller)["access_token"])
    parts = token.split(".")[:2]
    return token, [json.loads(urlsafe_b64decode(f"{part}==")) for part in parts]


def _differences(part: str, here: Part, there: Part) -> list[Difference]:
    found = []
    for name in here:
        instead = _INSTEAD.get(name, name)
        # A claim that both have differs by chance only: two tokens were made one after the other.
        if name not in there or (part == "header" and here[name] != there[name]):
            shown = _shown(instead, there)
            found.append(Difference(part=part, name=name, here=_shown(name, here), there=shown))
    named = {_INSTEAD.get(name, name) for name in here} | here.keys()
    found += [
        Difference(part=part, name=name, here=None, there=_shown(name, there))
        for name in there
        if name not in named
    ]
    return found


def _shown(name: str, part: Part) -> str | None:
    # The value of an identifier is chance, and says nothing about the profile.
    if name not in part:
        return None
    return name if name == "jti" else f"{name}: {json.dumps(part[name])}"


def _command(authority: Authority, api: Api, caller: Caller, claims: Part) -> tuple[str, str]:
    if caller.subject is None:
        return _by_secret(authority, api, caller), "CLIENT_SECRET is printed at the issuer's start."
    dialect = api.dialect
    if shows_permissions(dialect) and not shows_rights(api):
        dialect = "rfc9068_profile" if is_rfc9068(dialect) else "access_token"
    wanted = {
        "dialect": dialect,
        "subject": caller.subject,
        "client_id": caller.client.client_id,
        "scopes": list(caller.scopes),
        "permissions": list(caller.permissions),
        "audience": claims["aud"],
        "lifetime": api.lifetime,
    }
    url = shlex.quote(urljoin(authority.mint.issuer, f"{CONTROL}/token"))
    body = shlex.quote(json.dumps(wanted))
    told = "It needs no login, for development only."
    return f"curl -s {url} -H 'content-type: application/json' -d {body}", told


def _by_secret(authority: Authority, api: Api, caller: Caller) -> str:
    fields = {
        "grant_type": "client_credentials",
        "client_id": caller.client.client_id,
        "audience": api.identifier,
    }
    # ASCII, so that what is pasted is what was read, whatever an identifier has in it.
    pairs = (f"{name}={quote(text, safe=':/')}" for name, text in fields.items())
    data = " ".join(f"-d {shlex.quote(pair)}" for pair in pairs)
    url = shlex.quote(authority.wellknown.token_endpoint)
    return f'curl -s {url} {data} --data-urlencode "client_secret=$CLIENT_SECRET"'
