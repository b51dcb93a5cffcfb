"""The key rings of an issuer: one per algorithm by which any of its APIs signs; all are published.

The ring of the issuer's own algorithm is there from the beginning, and is the only one unless an API
is set to another algorithm. HS256 has no ring: an API's secret is its own, and never published.
"""

import hashlib
import hmac
from dataclasses import dataclass, field
from threading import RLock

from atjwt.errors import ConfigurationError
from atjwt.issuer.api import Api
from atjwt.issuer.keys import ALGORITHMS, KIND, KeyRing, Signer, SigningKey
from atjwt.issuer.store import Store


@dataclass(frozen=True, slots=True)
class SecretKey:
    """The secret of an API that is set to HS256 (RFC 7518 section 3.2)."""

    secret: str = field(repr=False)
    algorithm: str = "HS256"
    kid: None = None  # nobody could look it up

    def sign(self, message: bytes, algorithm: str | None = None) -> bytes:
        """Signs. algorithm: this one, whatever is said."""
        return hmac.digest(self.secret.encode("utf-8"), message, hashlib.sha256)


class KeyRings:
    """All keys of an issuer. Safe to share between threads."""

    def __init__(self, algorithm: str, store: Store) -> None:
        """Makes the ring of the issuer's algorithm, and takes what the store has.

        Raises ValueError: another algorithm than those of `ALGORITHMS`. ConfigurationError: what the
        store has is no key.
        """
        self.algorithm = algorithm
        self._store = store
        self._lock = RLock()
        self._rings: dict[str, KeyRing] = {}
        self.main = self._ring(algorithm)
        for kept in store.all(KIND):
            if kept not in ALGORITHMS:
                raise ConfigurationError(
                    [f"{store.name}: it has keys of an unknown algorithm; delete it and begin anew"]
                )
            self._ring(kept)

    @property
    def current(self) -> SigningKey:
        """The key that signs, by the issuer's algorithm."""
        return self.main.current

    def signer_for(self, api: Api) -> Signer:
        """What signs the tokens of an API. The keys of a new algorithm are published from then on."""
        if api.signing_alg == "HS256":
            return SecretKey(api.signing_secret)
        return self._ring(api.signing_alg).current

    def prepare(self, algorithm: str) -> None:
        """Publishes keys of an algorithm ahead, if it is one that has keys. Raises NotKept."""
        if algorithm in ALGORITHMS:
            self._ring(algorithm)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The published keys as a JWK Set (RFC 7517 section 5), the issuer's algorithm first."""
        return {"keys": [key for ring in self._all() for key in ring.jwks()["keys"]]}

    def stages(self) -> list[tuple[str, str, bool]]:
        """Key id, stage and whether withdrawn, of every key, the issuer's algorithm first."""
        return [stage for ring in self._all() for stage in ring.stages()]

    def rotate(self) -> str:
        """Rotates every ring, or none. Returns the kid that signs by the issuer's algorithm then."""
        KeyRing.rotate_all(self._all())
        return self.main.current.kid

    def withdraw(self, kid: str | None = None) -> str:
        """Takes a key out of the published set, for good.

        kid: any published key; by default the issuer's one that was current last.
        Returns the key id. Raises ValueError: no such key.
        """
        for ring in self._all():
            if any(key.kid == kid for key in ring.published()):
                return ring.withdraw(kid)
        return self.main.withdraw(kid)

    def _all(self) -> list[KeyRing]:
        with self._lock:
            return list(self._rings.values())

    def _ring(self, algorithm: str) -> KeyRing:
        with self._lock:
            if algorithm not in self._rings:
                self._rings[algorithm] = KeyRing(algorithm, self._store)
            return self._rings[algorithm]
