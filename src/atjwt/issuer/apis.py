"""All APIs of one issuer: found by id or identifier, made, changed, removed.

Every change is judged whole, then kept in the store, and only then seen by requests, so that a
change that fails has not happened. Several threads may serve one issuer.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Final

from atjwt.errors import ConfigurationError
from atjwt.issuer.api import Api, completed, is_reserved, management_api, new_id
from atjwt.issuer.grants import Grants
from atjwt.issuer.members import kept_problems, stored_problems
from atjwt.issuer.store import Store

_MOST: Final = 1_000  # APIs; at Auth0 no more can be reached by pages
_KIND: Final = "api"
_SEEN: Final = "seen"


class Unacceptable(Exception):
    """A change that is not made.

    status, code: of the Management API's answer; the code may be empty, where none is documented.
    """

    def __init__(self, status: int, message: str, code: str = "") -> None:
        super().__init__(status, message, code)
        self.status = status
        self.message = message
        self.code = code


class Apis:
    """The APIs of one issuer, in the order in which they were made, its own first."""

    def __init__(
        self,
        store: Store,
        *,
        issuer: str,
        algorithm: str,
        grants: Grants,
        prepare: Callable[[str], None],
    ) -> None:
        """Begins with what the store has.

        issuer: the issuer identifier. algorithm: by which an API signs that was not told.
        grants: come and go with the APIs. prepare: makes and keeps the keys of an algorithm.
        Raises ConfigurationError: what the store has is no API.
        """
        self.lock = grants.lock  # held by whoever reads a setting to change it
        self._store = store
        self._issuer = issuer
        self._algorithm = algorithm
        self._grants = grants
        self._prepare = prepare
        self.system = management_api(issuer, algorithm)
        self._apis: dict[str, Api] = self._read()
        self._first: tuple[Api, ...] = ()

    def begin(self, first: Iterable[Mapping[str, object]]) -> None:
        """Adds those APIs that the store has never seen; what happened to the others holds.

        first: their settings, right each for itself. Raises ConfigurationError: one cannot be made.
        """
        seen = self._store.all(_SEEN)
        there = {api.identifier for api in self._apis.values()}
        for members in first:
            identifier = str(members["identifier"])
            if identifier not in seen and identifier not in there:
                try:
                    self.create(members)
                except Unacceptable as error:
                    problem = f"API {identifier}: {error.message}; change it, or leave it out"
                    raise ConfigurationError([problem]) from None

    def settle(self) -> None:
        """Says that what there is now is the beginning, to which `restore` goes back."""
        self._first = tuple(self._apis.values())
        self._grants.settle()

    def restore(self) -> None:
        """Makes everything as it was in the beginning, client grants included."""
        with self.lock:
            first = {api.id: api for api in self._first}
            gone = [api for api in self._apis.values() if api.id not in first]
            self._grants.restore([
                *((_KIND, gone.id, None) for gone in gone),
                *((_SEEN, gone.identifier, None) for gone in gone),
                *((_KIND, api.id, api.members) for api in self._first),
                *((_SEEN, api.identifier, {}) for api in self._first),
            ])  # fmt: skip
            self._apis = first

    def all(self) -> list[Api]:
        """Every API, the issuer's own first."""
        apis = self._apis  # replaced, never changed; so no lock, which may be held for long
        return [self.system, *apis.values()]

    def find(self, key: str) -> Api | None:
        """The API of this id or, as at Auth0, of this identifier."""
        by_id = (api for api in self.all() if api.id == key)
        return next(by_id, None) or self.of_audience(key)

    def of_audience(self, identifier: str) -> Api | None:
        """The API of this identifier."""
        return next((api for api in self.all() if api.identifier == identifier), None)

    def create(self, members: Mapping[str, object]) -> Api:
        """Makes an API of settings that are right each for itself. Raises Unacceptable.

        With it come those grants of the setup that are for it, or for every API.
        """
        identifier = str(members["identifier"])
        with self.lock:
            if is_reserved(identifier, self._issuer):
                raise Unacceptable(400, "This identifier is reserved")
            if identifier in {api.id for api in self.all()}:
                raise Unacceptable(409, "This identifier is the id of another resource server")
            if self.of_audience(identifier) is not None:
                raise Unacceptable(409, "A resource server with the same identifier already exists")
            if len(self._apis) >= _MOST:
                raise Unacceptable(403, f"There are {_MOST} resource servers, and no more can be")
            api = Api(id=new_id(), members=self._checked(members))
            grants = self._grants.for_new(identifier)
            kept = [(_KIND, api.id, api.members), (_SEEN, identifier, {})]
            self._grants.add(*grants, also=kept)
            self._apis = {**self._apis, api.id: api}
            return api

    def change(self, key: str, changes: Mapping[str, object]) -> Api:
        """Changes an API's settings; those that are not named stay. Raises Unacceptable.

        key: id or identifier. changes: right each for itself; null takes a setting away.
        """
        with self.lock:
            api = self._changeable(key)
            if api is None:
                raise Unacceptable(
                    404, "The resource server does not exist", "inexistent_resource_server"
                )
            before = dict(api.members)
            if changes.get("signing_alg", "HS256") != "HS256":
                before.pop("signing_secret", None)
            changed = replace(api, members=self._checked({**before, **changes}))
            self._store.put(_KIND, api.id, changed.members)
            self._apis = {**self._apis, api.id: changed}
            return changed

    def remove(self, key: str) -> None:
        """Removes an API and its grants, if it is there. Raises Unacceptable: the issuer's own."""
        with self.lock:
            api = self._changeable(key)
            if api is not None:
                self._grants.remove_api(api.identifier, also=[(_KIND, api.id, None)])
                self._apis = {id_: other for id_, other in self._apis.items() if id_ != api.id}

    def _changeable(self, key: str) -> Api | None:
        api = self.find(key)
        if api is not None and api.is_system:
            raise Unacceptable(400, "System resource servers cannot be changed")
        return api

    def _checked(self, members: Mapping[str, object]) -> dict[str, object]:
        kept = completed(members, self._algorithm)
        problems = kept_problems(kept)
        if problems:
            raise Unacceptable(400, payload_message(problems), "invalid_body")
        # Keys before settings, so that no token is ever issued by a key that cannot be kept.
        self._prepare(str(kept["signing_alg"]))
        return kept

    def _read(self) -> dict[str, Api]:
        found = {
            id_: Api(id=id_, members=members) for id_, members in self._store.all(_KIND).items()
        }
        problems = [why for api in found.values() for why in stored_problems(api.members)]
        if not problems:
            names = [api.identifier for api in found.values()]
            if any(is_reserved(name, self._issuer) for name in names):
                problems.append("identifier is reserved")
            if len(set(names)) < len(names):
                problems.append("identifier is there twice")
        if problems:
            name = self._store.name
            raise ConfigurationError(
                f"{name}: an API's {why}; name another file" for why in problems
            )
        return found


def payload_message(problems: Iterable[str]) -> str:
    """What the Management API says of a body that does not fit."""
    return f"Payload validation error: {'; '.join(problems)}"
