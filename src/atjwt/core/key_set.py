"""The keys of one issuer at one moment, a JWK Set (RFC 7517 section 5).

Read key by key, so that a bad one costs itself only.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from atjwt.core.jwk import VerificationKey, read_key
from atjwt.core.reading import read_json_object

MAX_KEYS = 1_000
"""How many keys of a set are read."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeySet:
    """The keys of one issuer at one moment (RFC 7517 section 5).

    skipped: for each member that could not be read, why; never any of its content.
    secret: its one key is a shared secret, which every `kid` means.
    only: for a header's (kid, alg) the key that it means, where exactly one fits.
    """

    keys: tuple[VerificationKey, ...]
    skipped: tuple[str, ...] = ()
    secret: bool = False
    members: frozenset[VerificationKey] = field(init=False)
    only: Mapping[tuple[str | None, str], VerificationKey] = field(init=False)

    def __post_init__(self) -> None:
        fitting: dict[tuple[str | None, str], list[VerificationKey]] = {}
        for key in self.keys:
            for alg in key.algorithms:
                for kid in {key.kid, None}:
                    fitting.setdefault((kid, alg), []).append(key)
        only = {header: keys[0] for header, keys in fitting.items() if len(keys) == 1}
        object.__setattr__(self, "members", frozenset(self.keys))
        object.__setattr__(self, "only", only)

    def named(self, kid: str | None) -> tuple[VerificationKey, ...]:
        """The keys that a token with this `kid` can mean; without one it can mean each."""
        if kid is None or self.secret:
            return self.keys
        return tuple(key for key in self.keys if key.kid == kid)

    def knows(self, kid: str | None, alg: str) -> bool:
        """Whether fetching the set again could not change which keys this token means."""
        return any(kid is not None or alg in key.algorithms for key in self.named(kid))

    def keeping(self, earlier: "KeySet | None") -> "KeySet":
        """The same set, made of the earlier set's objects where a key is unchanged.

        What was verified by such a key stays valid; what was verified by a key that has left the
        set does not.
        """
        if self.secret:
            return self
        known = {} if earlier is None else {_canonical(key): key for key in earlier.keys}
        kept = tuple(known.get(_canonical(key), key) for key in self.keys)
        return KeySet(kept, self.skipped, secret=self.secret)


def _canonical(key: VerificationKey) -> str:
    return json.dumps(key.members, sort_keys=True)


def secret_key_set(secret: bytes) -> KeySet:
    """The key set of an issuer that signs with a shared secret, and with nothing else."""
    return KeySet((VerificationKey(None, frozenset({"HS256"}), secret, {}),), secret=True)


def parse_key_set(text: bytes) -> KeySet:
    """Reads a JWK Set (RFC 7517 section 5); members that are no usable public key are skipped.

    Raises ValueError: not a JWK Set, or not one key in it is usable. Its text holds no key.
    """
    return read_key_set(read_json_object(text))


def read_key_set(document: Mapping[str, object]) -> KeySet:
    """As `parse_key_set`, for a JWK Set that is parsed already."""
    members = document.get("keys")
    if not isinstance(members, list):
        raise ValueError("not a JWK Set: no array `keys`")
    keys: list[VerificationKey] = []
    skipped: list[str] = []
    for index, member in enumerate(members[:MAX_KEYS]):
        try:
            keys.append(read_key(member))
        except ValueError as error:
            skipped.append(f"key {index}: {error}")
    if len(members) > MAX_KEYS:
        skipped.append(f"{len(members) - MAX_KEYS} keys past the first {MAX_KEYS}")
    if not any(key.algorithms for key in keys):
        raise ValueError("no usable key in the set")
    # The same key published twice is one key, not an ambiguity.
    once = {_canonical(key): key for key in keys}
    return KeySet(tuple(once.values()), tuple(skipped))
