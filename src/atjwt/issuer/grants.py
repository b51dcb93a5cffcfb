"""All client grants of one issuer: found, added, changed, removed.

Kept like the APIs: what the store has wins over what the setup says, and a grant that was removed is
remembered as such, so that it does not come back with the next start. With an API its grants go.

A grant of the setup comes with its API, whenever that is made, and one for every API with each. The
built-in machine has such a grant, so that a token for a new API can be had at once; it follows the
API's scopes.
"""

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from threading import RLock
from typing import Final

from atjwt.errors import ConfigurationError
from atjwt.issuer.api import MANAGEMENT_SCOPES
from atjwt.issuer.clients import EVERY_API, MANAGEMENT, MANAGER, Grant, SubjectType
from atjwt.issuer.grant_members import grant_of, members_of, stored_problems
from atjwt.issuer.store import Change, Store

_KIND: Final = "grant"
_REMOVED: Final = "removed grant"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientGrant:
    """A grant that is there, with its id: `cgr_` and 16 letters and digits.

    is_system: the issuer's own; nobody changes it.
    """

    id: str
    grant: Grant
    is_system: bool = False

    def as_json(self) -> dict[str, object]:
        """The client grant object that the Management API answers with."""
        own = {"is_system": True} if self.is_system else {}
        return {"id": self.id, **members_of(self.grant), **own}


class Grants:
    """The client grants of one issuer, in the order in which they were made, its own first."""

    def __init__(self, store: Store, *, management: str) -> None:
        """Begins with what the store has.

        management: the identifier of the Management API. It has the port in it, so it is not kept:
        a grant for it is kept with null for an audience.
        Raises ConfigurationError: what the store has is no grant.
        """
        self.lock = RLock()  # held, too, while an API is made or removed
        self._store = store
        self._management = management
        self._system = ClientGrant(
            id=f"cgr_{sha256(b'atjwt management grant').hexdigest()[:16]}",
            grant=Grant(client_id=MANAGER.client_id, audience=management, scopes=MANAGEMENT_SCOPES),
            is_system=True,
        )
        self._grants = self._read(_KIND)
        self._removed = {id_: one.grant for id_, one in self._read(_REMOVED).items()}
        self._of_setup: tuple[Grant, ...] = ()
        self._first: tuple[ClientGrant, ...] = ()

    def begin(self, first: Iterable[Grant], apis: Sequence[str]) -> None:
        """Adds those grants that the store has never seen; what happened to the others holds.

        first: those of the setup. apis: the identifiers of the APIs that there are; for others no
        grant is made.
        """
        self._of_setup = tuple(first)
        wanted = [
            replace(grant, audience=self._management)
            for grant in self._of_setup
            if grant.audience == MANAGEMENT
        ]
        wanted += [grant for api in apis for grant in self.for_new(api)]
        known = {one.grant.pair for one in self.all()}
        known |= {grant.pair for grant in self._removed.values()}
        self.add(*(grant for grant in wanted if grant.pair not in known))

    def settle(self) -> None:
        """Says that what there is now is the beginning, to which `restore` goes back."""
        self._first = tuple(self._grants.values())

    def restore(self, also: Iterable[Change] = ()) -> None:
        """Makes everything as it was in the beginning. also: changes to keep with it."""
        with self.lock:
            first = {one.id: one for one in self._first}
            gone = [one for one in self._grants.values() if one.id not in first]
            self._commit(made=self._first, gone=gone, also=also)

    def all(self) -> list[ClientGrant]:
        """Every grant, the issuer's own first."""
        return [self._system, *self._grants.values()]

    def find(self, id_: str) -> ClientGrant | None:
        """The grant of this id."""
        return next((one for one in self.all() if one.id == id_), None)

    def of(
        self, client_id: str, audience: str, subject_type: SubjectType = "client"
    ) -> Grant | None:
        """What a client was granted at an API."""
        wanted = (client_id, audience, subject_type)
        return next((one.grant for one in self.all() if one.grant.pair == wanted), None)

    def for_new(self, audience: str) -> list[Grant]:
        """The grants that come with an API of this identifier, its own before those for every API."""
        named = [grant for grant in self._of_setup if grant.audience == audience]
        every = [grant for grant in self._of_setup if grant.audience == EVERY_API]
        found: dict[object, Grant] = {}
        for grant in (*named, *every):
            found.setdefault(
                (grant.client_id, grant.subject_type), replace(grant, audience=audience)
            )
        return [*found.values()]

    def add(self, *grants: Grant, also: Iterable[Change] = ()) -> list[ClientGrant]:
        """Adds grants for pairs that have none. also: changes to keep with it. Raises NotKept."""
        with self.lock:
            made = [ClientGrant(id=f"cgr_{secrets.token_hex(8)}", grant=one) for one in grants]
            self._commit(made=made, also=also)
            return made

    def replace(self, one: ClientGrant, grant: Grant) -> ClientGrant:
        """Gives a grant other settings. Raises NotKept."""
        with self.lock:
            changed = replace(one, grant=grant)
            self._commit(made=[changed])
            return changed

    def remove(self, one: ClientGrant) -> None:
        """Removes a grant, and remembers that. Raises NotKept."""
        with self.lock:
            self._commit(gone=[one], remember=True)

    def remove_api(self, audience: str, also: Iterable[Change] = ()) -> None:
        """Removes all grants for an API. also: changes to keep with it. Raises NotKept."""
        with self.lock:
            gone = [one for one in self._grants.values() if one.grant.audience == audience]
            forgotten = [id_ for id_, g in self._removed.items() if g.audience == audience]
            self._commit(gone=gone, also=also, forgotten=forgotten)

    def _commit(
        self,
        *,
        made: Sequence[ClientGrant] = (),
        gone: Sequence[ClientGrant] = (),
        also: Iterable[Change] = (),
        forgotten: Sequence[str] = (),
        remember: bool = False,
    ) -> None:
        """Keeps it first, all of it or nothing; only then requests see it."""
        pairs = {one.grant.pair for one in made}
        again = [id_ for id_, grant in self._removed.items() if grant.pair in pairs]
        forgotten = [*forgotten, *again]
        remembered = {one.id: one.grant for one in gone} if remember else {}
        self._store.write([
            *also,
            *((_KIND, one.id, self._saved(one.grant)) for one in made),
            *((_KIND, one.id, None) for one in gone),
            *((_REMOVED, id_, self._saved(grant)) for id_, grant in remembered.items()),
            *((_REMOVED, id_, None) for id_ in forgotten),
        ])  # fmt: skip
        left = {one.id for one in gone}
        kept = {id_: one for id_, one in self._grants.items() if id_ not in left}
        self._grants = {**kept, **{one.id: one for one in made}}
        removed = {**self._removed, **remembered}
        self._removed = {id_: g for id_, g in removed.items() if id_ not in forgotten}

    def _saved(self, grant: Grant) -> Mapping[str, object]:
        members = members_of(grant)
        return members | ({"audience": None} if grant.audience == self._management else {})

    def _read(self, kind: str) -> dict[str, ClientGrant]:
        found: dict[str, ClientGrant] = {}
        for id_, members in self._store.all(kind).items():
            problems = stored_problems(members)
            if members.get("audience") == self._management:  # what was so is kept as null
                problems.append("audience is reserved")
            if problems:
                raise ConfigurationError(
                    f"{self._store.name}: a grant's {why}; name another file" for why in problems
                )
            audience = members["audience"] or self._management
            grant = grant_of({**members, "audience": audience})
            found[id_] = ClientGrant(id=id_, grant=grant)
        return found
