"""What the Dashboard says has been done, after a form was taken.

The address that the browser is sent to has a value that works once; it stands for words of the tables
here, and what they mean is read off the settings as they are. So a link that somebody else made says
nothing, and neither does the same page when it is loaded again.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from atjwt.issuer.api import Api
from atjwt.issuer.dashboard_forms import PROFILES, profile_of
from atjwt.issuer.rights import shows_rights

DONE: Final = "done"
"""The parameter of an address that stands for words of the tables here."""


def told_of_apis(done: Iterable[str]) -> list[str]:
    """The sentences for the list of APIs."""
    return ["The API is deleted."] if "deleted" in done else []


def told_of_settings(api: Api, done: Iterable[str]) -> list[str]:
    """The sentences for an API's page, in the order of the table."""
    words = set(done)
    return [sentence(api) for word, sentence in _SETTINGS.items() if word in words]


def changed_meanwhile(api: Api) -> str:
    """What is said to who saves what they chose before somebody else changed the settings."""
    now = f"{_dialect(api)} {_rbac(api)} {_SETTINGS['token_lifetime'](api)}"
    return f"The settings were changed since this page was shown. {now} Save to set what the form says."


def told_of_keys(kid: str, done: Iterable[str]) -> list[str]:
    """The sentences for the page of keys and faults. kid: of the key that signs."""
    words = set(done)
    return [sentence.format(kid=kid) for word, sentence in _KEYS.items() if word in words]


def _dialect(api: Api) -> str:
    claim = "with" if shows_rights(api) else "without"
    return f"New tokens are in the {PROFILES[profile_of(api)]} profile, {claim} permissions."


def _rbac(api: Api) -> str:
    return f"RBAC is {'on' if api.enforces_policies else 'off'}."


_SETTINGS: Final[Mapping[str, Callable[[Api], str]]] = {
    "registered": lambda api: f"The API is registered; it signs by {api.signing_alg}.",
    "token_dialect": _dialect,
    "enforce_policies": _rbac,
    "token_lifetime": lambda api: f"New tokens live for {api.lifetime} seconds.",
    "scopes": lambda api: f"The API has {_count(len(api.scopes))}.",
    "permissions_need_rbac": lambda api: "Permissions in the token need RBAC, and are left out.",
    "nothing": lambda api: "Nothing was different, so nothing was changed.",
}
_KEYS: Final = {
    "rotated": "The keys are rotated: {kid} signs from now on.",
    "withdrawn": "The key is withdrawn: it is published no longer.",
    "fault": "The fault is set.",
    "clear": "All faults are off.",
}


def _count(number: int) -> str:
    return "1 permission" if number == 1 else f"{number or 'no'} permissions"
