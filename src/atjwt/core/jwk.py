"""One key as it is published, a JWK (RFC 7517) → a key that can verify.

The only file of this folder that knows a JOSE library: PyJWT turns a JWK into a key and verifies by
it; the `ALGORITHMS` table, which binds each algorithm (RFC 7518, 8037, 9864) to one key type and
curve, decides what it may be asked.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms


class Algorithm(NamedTuple):
    """A signature algorithm: which keys it takes, and how it verifies.

    verify: (signed bytes, key, signature) → does it hold?
    """

    kty: str
    curves: frozenset[str]
    verify: Callable[[bytes, object, bytes], bool]


def _algorithms() -> dict[str, Algorithm]:
    jose = get_default_algorithms()
    rsa = [f"{family}{size}" for family in ("RS", "PS") for size in (256, 384, 512)]
    table = {name: Algorithm("RSA", frozenset(), jose[name].verify) for name in rsa}
    for name, curve in (("ES256", "P-256"), ("ES384", "P-384"), ("ES512", "P-521")):
        table[name] = Algorithm("EC", frozenset({curve}), jose[name].verify)
    for name, curves in (("EdDSA", ("Ed25519", "Ed448")), ("Ed25519",) * 2, ("Ed448",) * 2):
        okp = frozenset([curves] if isinstance(curves, str) else curves)
        table[name] = Algorithm("OKP", okp, jose["EdDSA"].verify)
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
        return algorithm in self.algorithms and ALGORITHMS[algorithm].verify(
            signing_input, self.material, signature
        )


_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})
_FROM_JWK: Mapping[str, Callable[[dict[str, object]], object]] = {
    "RSA": RSAAlgorithm.from_jwk,
    "EC": ECAlgorithm.from_jwk,
    "OKP": OKPAlgorithm.from_jwk,
}


def read_key(jwk: object) -> VerificationKey:
    """Reads one member of a key set. Raises ValueError, whose text holds nothing of the key."""
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
