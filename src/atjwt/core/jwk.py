"""One key set as it is published → keys that can verify (RFC 7517).

The only file of this folder that knows a JOSE library: PyJWT turns a JWK into a key and verifies by
it; the `ALGORITHMS` table, which binds each algorithm (RFC 7518, 8037, 9864) to one key type and
curve, decides what it may be asked. A set is read key by key, so that a bad one costs itself only.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from atjwt.core.token import read_json_object

if TYPE_CHECKING:
    pass

MAX_KEYS = 1_000
"""How many keys of a set are read."""


class Algorithm(NamedTuple):
    """A signature algorithm: which keys it takes, and how it verifies.

    verify: (signed bytes, key, signature) → does it hold?
    """

    kty: str
    curves: frozenset[str]
    verify: Callable[[bytes, object, bytes], bool]


def _algorithms() -> dict[str, Algorithm]:
    jose = get_default_algorithms()
    curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521"}
    rsa = [f"{family}{size}" for family in ("RS", "PS") for size in (256, 384, 512)]
    table = {name: Algorithm("RSA", frozenset(), jose[name].verify) for name in rsa}
    for name, curve in curves.items():
        table[name] = Algorithm("EC", frozenset({curve}), jose[name].verify)
    for name, okp in {
        "EdDSA": {"Ed25519", "Ed448"},
        "Ed25519": {"Ed25519"},
        "Ed448": {"Ed448"},
    }.items():
        table[name] = Algorithm("OKP", frozenset(okp), jose["EdDSA"].verify)
    table["HS256"] = Algorithm("oct", frozenset(), jose["HS256"].verify)
    return table


ALGORITHMS: Mapping[str, Algorithm] = _algorithms()
"""Every algorithm that can be configured. `none` is not among them and cannot be."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class VerificationKey:
    """One public key of an issuer (or its shared secret). Two are the same only if one object.

    kid: its key id, if it has one.
    algorithms: what it may verify; empty for a key that is published but not usable by us.
    unusable: why `algorithms` is empty.
    """

    kid: str | None
    algorithms: frozenset[str]
    material: object
    members: Mapping[str, object]
    unusable: str = ""

    def verify(self, algorithm: str, signing_input: bytes, signature: bytes) -> bool:
        """Says whether the signature holds (RFC 7515 section 5.2)."""
        return ALGORITHMS[algorithm].verify(signing_input, self.material, signature)


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
            keys.append(_read_key(member))
        except ValueError as error:
            skipped.append(f"key {index}: {error}")
    if len(members) > MAX_KEYS:
        skipped.append(f"{len(members) - MAX_KEYS} keys past the first {MAX_KEYS}")
    if not any(key.algorithms for key in keys):
        raise ValueError("no usable key in the set")
    return KeySet(tuple(keys), tuple(skipped))


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FROM_JWK: Mapping[str, Callable[[dict[str, object]], object]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


def _read_key(jwk: object) -> VerificationKey:
    if not isinstance(jwk, dict):
        raise ValueError("not an object")
    for name in ("kid", "alg", "use", "crv"):
        if name in jwk and not isinstance(jwk[name], str):
            raise ValueError(f"{name} is not a string")
    kty, operations = jwk.get("kty"), jwk.get("key_ops", ["verify"])
    if not isinstance(kty, str) or kty not in _FROM_JWK:
        raise ValueError("kty is not RSA, EC or OKP")
    if not isinstance(operations, list):
        raise ValueError("key_ops is not an array")
    if not _PRIVATE.isdisjoint(jwk):
        # Whoever reads the set could sign with it.
        raise ValueError("its private half is published")
    try:
        material = _FROM_JWK[kty](jwk)
    except Exception:  # noqa: BLE001 - whatever a key provokes, it costs that key only
        raise ValueError("not a valid key") from None
    unusable = _why_unusable(jwk, operations, material)
    fitting = frozenset(
        name
        for name, algorithm in ALGORITHMS.items()
        if not unusable
        and algorithm.kty == kty
        and (not algorithm.curves or jwk.get("crv") in algorithm.curves)
        and jwk.get("alg", name) == name
    )
    return VerificationKey(
        jwk.get("kid"), fitting, material, jwk, unusable or ("" if fitting else "its alg or crv")
    )


def _why_unusable(jwk: Mapping[str, object], operations: list[object], material: object) -> str:
    if jwk.get("use", "sig") != "sig":
        return "its use is not sig"
    if "verify" not in operations:
        return "its key_ops do not include verify"
    if isinstance(material, RSAPublicKey):
        if not 2048 <= material.key_size <= 8192:
            return "an RSA key of less than 2048 or more than 8192 bits"
        if material.public_numbers().e < 65537:
            return "an RSA exponent below 65537"
    return ""
