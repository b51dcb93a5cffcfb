"""The four token dialects of Auth0, as data: a profile, with or without the `permissions` claim.

A tenant that was never told leaves `token_dialect` out of what it answers, and means `access_token`.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from atjwt.core.profile import AUTH0, PROFILES, RFC9068, Profile
from atjwt.errors import ConfigurationError


class Dialect(NamedTuple):
    """One value of `token_dialect` (Auth0: Configure Access Token Profile).

    permissions: whether its tokens have the `permissions` claim, while RBAC is on.
    """

    name: str
    profile: Profile
    permissions: bool


DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect
    for dialect in (
        Dialect("access_token", AUTH0, permissions=False),
        Dialect("access_token_authz", AUTH0, permissions=True),
        Dialect("rfc9068_profile", RFC9068, permissions=False),
        Dialect("rfc9068_profile_authz", RFC9068, permissions=True),
    )
}


def dialect_named(name: str) -> Dialect:
    """The dialect of that name. Raises ConfigurationError: there is none."""
    try:
        return DIALECTS[name]
    except KeyError:
        raise ConfigurationError(
            [f"there is no token dialect of that name; there are {', '.join(DIALECTS)}"]
        ) from None


def dialect_set(settings: Mapping[str, object]) -> Dialect:
    """The dialect that an API is set to, as the Management API shows its settings.

    Raises ConfigurationError: it is one that this version does not know.
    """
    name = settings.get("token_dialect")
    if name is None:
        return DIALECTS["access_token"]
    return dialect_named(name if isinstance(name, str) else "")


def target(before: Dialect, wanted: str) -> Dialect:
    """The dialect to go to.

    wanted: a dialect, taken as it is; or a profile, `auth0` or `rfc9068`, which keeps the
        `permissions` claim as it is set. Raises ConfigurationError: it is neither.
    """
    if wanted not in PROFILES and wanted not in DIALECTS:
        there = ", ".join((*PROFILES, *DIALECTS))
        raise ConfigurationError([f"there is no such profile or token dialect; there are {there}"])
    if wanted in DIALECTS:
        return DIALECTS[wanted]
    return next(
        dialect
        for dialect in DIALECTS.values()
        if (dialect.profile.name, dialect.permissions) == (wanted, before.permissions)
    )
