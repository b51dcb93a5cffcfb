"""Who can log in: two invented people with different rights, unless others are given.

The clerk may read at every API, those made later too, and the manager do everything.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from atjwt.issuer.tokens import USER


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in at the local issuer.

    subject: the `sub` of their tokens. name: what the login page calls them, and `name` in the ID
    token. permissions: what they may do at the issuer's first API, by the names that its scopes
    have. permissions_at: the same at other APIs, by identifier. everywhere: where an API is not
    named there, they may, beside `permissions`, do what has a name that begins so, whenever it was
    added to the API; "" is everything, None nothing.
    """

    subject: str
    name: str
    permissions: tuple[str, ...] = ()
    permissions_at: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    everywhere: str | None = None

    def everywhere_at(self, scopes: Iterable[str]) -> tuple[str, ...]:
        """What `everywhere` lets them do at an API with these scopes."""
        if self.everywhere is None:
            return ()
        return tuple(name for name in scopes if name.startswith(self.everywhere))


USERS: Final = (
    User(subject=USER, name="clerk", permissions=("read:orders",), everywhere="read:"),
    User(
        subject="auth0|66f0c3",
        name="manager",
        permissions=("read:orders", "write:orders"),
        everywhere="",
    ),
)


def checked(users: Iterable[User]) -> tuple[User, ...]:
    """The users as they are kept. Raises ValueError: none, or they cannot be told apart."""
    people = tuple(users)
    if not people or not all(user.subject and user.name for user in people):
        raise ValueError("users has at least one, each with a subject and a name")
    if len({user.subject for user in people}) != len(people):
        raise ValueError("users have a subject each of their own")
    names = (scope for user in people for some in _rights(user) for scope in some)
    if not all(scope and " " not in scope for scope in names):
        raise ValueError("permissions are names without blanks, none of them empty")
    return people


def _rights(user: User) -> list[tuple[str, ...]]:
    return [user.permissions, *user.permissions_at.values()]
