"""Signing keys, and their life: next → current → previous → withdrawn, as Auth0 rotates them.

The published set always holds the current and the next key, so that verifiers know a key before the
first token is signed by it, and every previous one until it is withdrawn (Auth0's page *Rotate
Signing Keys*). Keys are made at run time. They live in memory, and in the issuer's store: that is a
file only where somebody named one.

Signing is done on `cryptography` itself and not on the JOSE library that the verifier uses, so that
the two ends share no code.
"""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import Any, Final, Literal, NamedTuple, Protocol, Self, TypeAlias, cast, get_args

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from atjwt.errors import ConfigurationError
from atjwt.issuer.store import Memory, Store

Algorithm: TypeAlias = Literal[
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
]
"""What a local issuer can sign with (RFC 7518 section 3.1). `EdDSA` (RFC 8037 section 3.1) is on
Ed25519, and `Ed25519` is the same under its newer name (RFC 9864 section 2.2)."""

ALGORITHMS: Final[tuple[str, ...]] = get_args(Algorithm)

_PrivateKey: TypeAlias = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_HASHES: Final[dict[str, hashes.HashAlgorithm]] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_CURVES: Final[dict[str, tuple[str, ec.EllipticCurve, int]]] = {
    # alg: name in a JWK, curve, bytes of one coordinate (RFC 7518 sections 3.4 and 6.2.1)
    "ES256": ("P-256", ec.SECP256R1(), 32),
    "ES384": ("P-384", ec.SECP384R1(), 48),
    "ES512": ("P-521", ec.SECP521R1(), 66),
}
_ED25519: Final = ("EdDSA", "Ed25519")
KIND: Final = "keys"
"""Of the store's documents: one per algorithm."""


class Signer(Protocol):
    """Whatever signs a token."""

    @property
    def algorithm(self) -> str:
        """The `alg` of the header."""

    @property
    def kid(self) -> str | None:
        """The `kid` of the header; None for none."""

    def sign(self, message: bytes, algorithm: str | None = None) -> bytes:
        """The signature as RFC 7518 section 3 encodes it. algorithm: by default its own."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One private key, its `kid` and the algorithm it is published with."""

    algorithm: str
    kid: str
    private: _PrivateKey = field(repr=False)

    @classmethod
    def generate(cls, algorithm: str, *, kid: str | None = None) -> Self:
        """Makes a new key.

        algorithm: one of `ALGORITHMS`.
        kid: the key id; by default 22 random characters, about as long as Auth0's.
        """
        return cls(algorithm, kid or secrets.token_urlsafe(16), _generate(algorithm))

    def renamed(self, kid: str) -> Self:
        """The same key material under another key id."""
        return replace(self, kid=kid)

    def sign(self, message: bytes, algorithm: str | None = None) -> bytes:
        """Signs, and encodes the signature as RFC 7518 section 3 and RFC 8037 section 3.1 say.

        algorithm: by default the key's own; another one must be of the same key type.
        Raises ValueError: a key of this type cannot sign by this algorithm.
        """
        algorithm = algorithm or self.algorithm
        key = self.private
        if isinstance(key, rsa.RSAPrivateKey) and algorithm[:2] in {"RS", "PS"}:
            digest = _HASHES[algorithm[2:]]
            return key.sign(message, _rsa_padding(algorithm, digest), digest)
        if isinstance(key, ec.EllipticCurvePrivateKey) and algorithm == self.algorithm:
            width = _CURVES[algorithm][2]
            numbers = decode_dss_signature(key.sign(message, ec.ECDSA(_HASHES[algorithm[2:]])))
            return b"".join(number.to_bytes(width, "big") for number in numbers)
        if isinstance(key, ed25519.Ed25519PrivateKey) and algorithm in _ED25519:
            return key.sign(message)
        raise ValueError(f"a key for {self.algorithm} cannot sign by {algorithm}")

    def saved(self) -> dict[str, str]:
        """The whole key, for the issuer's store. It is a secret."""
        pem = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return {"kid": self.kid, "pem": pem.decode("ascii")}

    @classmethod
    def restored(cls, algorithm: str, saved: Mapping[str, str]) -> Self:
        """A key that was saved. Raises ValueError, TypeError, KeyError: it is none."""
        private = load_pem_private_key(saved["pem"].encode("ascii"), password=None)
        kid = saved["kid"]
        if not isinstance(kid, str) or not kid:
            raise TypeError("a kid is a string with content")
        key = cls(algorithm, kid, cast("_PrivateKey", private))
        key.sign(b"")  # refuses a key of another type
        key.jwk()
        return key

    def public_pem(self) -> bytes:
        """The public key as PEM text: what a careless verifier would take for an HMAC secret."""
        return self.private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )

    def jwk(self) -> dict[str, str]:
        """The public key as a JWK (RFC 7517), as Auth0 publishes it but for the certificate."""
        return {
            **_public_members(self.private, self.algorithm),
            "use": "sig",
            "kid": self.kid,
            "alg": self.algorithm,
        }


class _Ring(NamedTuple):
    """Which key is what at one moment; replaced, never changed."""

    current: SigningKey
    next: SigningKey
    previous: tuple[SigningKey, ...] = ()
    withdrawn: frozenset[str] = frozenset()

    def turned(self, fresh: SigningKey) -> "_Ring":
        """The next key is current, the current one previous, and this one next."""
        return _Ring(self.next, fresh, (self.current, *self.previous), self.withdrawn)

    def saved(self) -> dict[str, object]:
        """All keys, for the issuer's store. They are secrets."""
        return {
            "current": self.current.saved(),
            "next": self.next.saved(),
            "previous": [key.saved() for key in self.previous],
            "withdrawn": sorted(self.withdrawn),
        }


class KeyRing:
    """The keys of one algorithm and which of them are published. Safe to share between threads."""

    def __init__(self, algorithm: str, store: Store | None = None) -> None:
        """Takes the keys that the store has, or makes the first current and the first next key.

        algorithm: one of `ALGORITHMS`.
        Raises ValueError: another algorithm. ConfigurationError: what the store has are no keys.
        """
        if algorithm not in ALGORITHMS:
            raise ValueError(f"algorithm is one of {', '.join(ALGORITHMS)}")
        self.algorithm = algorithm
        self._store = store or Memory()
        self._lock = Lock()
        kept = self._store.all(KIND).get(algorithm)
        self._twins: tuple[SigningKey, ...] = ()
        self._stranger: SigningKey | None = None
        if kept is None:
            self._ring = self._kept(
                _Ring(SigningKey.generate(algorithm), SigningKey.generate(algorithm))
            )
        else:
            self._ring = _restored(algorithm, kept, self._store.name)

    @property
    def current(self) -> SigningKey:
        """The key that signs."""
        return self._ring.current

    def published(self) -> list[SigningKey]:
        """The keys of the JWKS: current, next, then previous ones, the latest first."""
        with self._lock:
            ring = self._ring
            keys = (ring.current, ring.next, *ring.previous, *self._twins)
            return [key for key in keys if key.kid not in ring.withdrawn]

    def stages(self) -> list[tuple[str, str, bool]]:
        """Key id, stage (`current`, `next`, `previous`) and whether withdrawn, of every key."""
        with self._lock:
            ring = self._ring
        stages = [(ring.current, "current"), (ring.next, "next")]
        stages += [(key, "previous") for key in ring.previous]
        return [(key.kid, stage, key.kid in ring.withdrawn) for key, stage in stages]

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The published keys as a JWK Set (RFC 7517 section 5)."""
        return {"keys": [key.jwk() for key in self.published()]}

    def rotate(self) -> str:
        """The next key becomes current, the current one previous, and a new next one appears.

        Returns the key id that signs from now on.
        """
        self.rotate_all([self])
        return self.current.kid

    @classmethod
    def rotate_all(cls, rings: Sequence[Self]) -> None:
        """Rotates rings of one store together: all of them, or, where that cannot be kept, none."""
        fresh = [SigningKey.generate(ring.algorithm) for ring in rings]  # takes its time: unlocked
        with ExitStack() as locks:
            for ring in rings:
                locks.enter_context(ring._lock)
            turned = [ring._ring.turned(key) for ring, key in zip(rings, fresh, strict=True)]
            pairs = list(zip(rings, turned, strict=True))
            rings[0]._store.write((KIND, ring.algorithm, new.saved()) for ring, new in pairs)
            for ring, new in pairs:
                ring._ring = new

    def withdraw(self, kid: str | None = None) -> str:
        """Takes a key out of the published set, for good.

        kid: any published key; by default the one that was current last.
        Returns the key id. Raises ValueError: no such key.
        """
        published = {key.kid for key in self.published()}
        with self._lock:
            ring = self._ring
            if kid is None:
                previous = [key.kid for key in ring.previous if key.kid in published]
                if not previous:
                    raise ValueError("no previous key is published: rotate first, or name a kid")
                kid = previous[0]
            if kid not in published:
                raise ValueError("no published key has this kid")
            self._ring = self._kept(ring._replace(withdrawn=ring.withdrawn | {kid}))
            return kid

    def _kept(self, ring: _Ring) -> _Ring:
        """Hands the keys to the store first: what cannot be kept does not happen."""
        self._store.put(KIND, self.algorithm, ring.saved())
        return ring

    def twins(self) -> SigningKey:
        """One of two published keys with the same key id. They stay published until withdrawn.

        An authorization server never does this; the two are added when first asked for.
        """
        with self._lock:
            if not self._twins or self._twins[0].kid in self._ring.withdrawn:
                first = SigningKey.generate(self.algorithm)
                self._twins = (first, SigningKey.generate(self.algorithm, kid=first.kid))
            return self._twins[0]

    def stranger(self) -> SigningKey:
        """A key that was never published, under a new key id each time."""
        with self._lock:
            if self._stranger is None:
                self._stranger = SigningKey.generate(self.algorithm)
            return self._stranger.renamed(secrets.token_urlsafe(16))


def _restored(algorithm: str, kept: Mapping[str, object], name: str) -> _Ring:
    body = cast("dict[str, Any]", kept)
    try:
        withdrawn = body["withdrawn"]
        if not isinstance(withdrawn, list) or not all(isinstance(kid, str) for kid in withdrawn):
            raise TypeError("withdrawn is a list of kids")
        return _Ring(
            SigningKey.restored(algorithm, body["current"]),
            SigningKey.restored(algorithm, body["next"]),
            tuple(SigningKey.restored(algorithm, key) for key in body["previous"]),
            frozenset(withdrawn),
        )
    except (ValueError, TypeError, KeyError, AttributeError, UnsupportedAlgorithm):
        # Without the cause: it may quote the key.
        raise ConfigurationError([
            f"{name}: its keys for {algorithm} cannot be read; name another file, or delete this one"
        ]) from None  # fmt: skip


def _generate(algorithm: str) -> _PrivateKey:
    if algorithm in _CURVES:
        return ec.generate_private_key(_CURVES[algorithm][1])
    if algorithm in _ED25519:
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _rsa_padding(algorithm: str, digest: hashes.HashAlgorithm) -> padding.PKCS1v15 | padding.PSS:
    if algorithm.startswith("RS"):
        return padding.PKCS1v15()
    # RFC 7518 section 3.5: the salt is as long as the hash.
    return padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)


def _public_members(key: _PrivateKey, algorithm: str) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        rsa_numbers = key.public_key().public_numbers()
        return {"kty": "RSA", "n": _number(rsa_numbers.n), "e": _number(rsa_numbers.e)}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        name, _, width = _CURVES[algorithm]
        numbers = key.public_key().public_numbers()
        return {
            "kty": "EC",
            "crv": name,
            "x": _number(numbers.x, width),
            "y": _number(numbers.y, width),
        }
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url(key.public_key().public_bytes_raw())}


def _number(value: int, width: int | None = None) -> str:
    return base64url(value.to_bytes(width or (value.bit_length() + 7) // 8, "big"))


def base64url(data: bytes) -> str:
    """Encodes without padding (RFC 7515 section 2)."""
    return urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
