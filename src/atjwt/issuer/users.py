"""Who can log in: two invented people with different rights, unless others are given."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from atjwt.issuer.tokens import USER


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """Somebody who can log in at the local issuer.

    subject: the `sub` of their tokens. name: what the login page calls them, and `name` in the ID
    token. permissions: what they may do at the API, by the names that its scopes have.
    """

    subject: str
    name: str
    permissions: tuple[str, ...] = ()


USERS: Final = (
    User(subject=USER, name="clerk", permissions=("read:orders",)),
    User(subject="auth0|66f0c3", name="manager", permissions=("read:orders", "write:orders")),
)


def checked(users: Iterable[User]) -> tuple[User, ...]:
    """The users as they are kept. Raises ValueError: none, or they cannot be told apart."""
    people = tuple(users)
    if not people or not all(user.subject and user.name for user in people):
        raise ValueError("users has at least one, each with a subject and a name")
    if len({user.subject for user in people}) != len(people):
        raise ValueError("users have a subject each of their own")
    if not all(scope and " " not in scope for user in people for scope in user.permissions):
        raise ValueError("permissions are names without blanks, none of them empty")
    return people
