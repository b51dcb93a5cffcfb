"""Keys and tokens for the benchmark: made by `cryptography` alone, so that nothing measured here has
made what it reads.

A token is as large as one of a real authorization server: 1,056 characters under RS256.
"""

import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable
from hashlib import sha256
from hmac import digest
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

ISSUER = "https://issuer.example.org"
AUDIENCE = "https://api.example.com/"
SECRET = b"a secret that only this benchmark's HS256 tokens have"

Jwk = dict[str, str]


class Signer(NamedTuple):
    """How tokens of one algorithm are signed, and the raw check of such a signature.

    jwk: the public key, as an issuer publishes it; None where there is none.
    holds: (signature as it stands in a token, signed bytes) → nothing, or an exception.
    """

    algorithm: str
    jwk: Jwk | None
    sign: Callable[[bytes], bytes]
    holds: Callable[[bytes, bytes], object]

    def token(self, number: int) -> bytes:
        """One token; another number, another token."""
        signing_input = _encoded(_header(self.algorithm)) + b"." + _encoded(_claims(number))
        return signing_input + b"." + _base64url(self.sign(signing_input))

    def tokens(self, count: int) -> list[bytes]:
        """So many different tokens."""
        return [self.token(number) for number in range(count)]


def signers() -> dict[str, Signer]:
    """A signer with new keys for each algorithm that is measured."""
    made = (_rs256(), _es256(), _eddsa(), _hs256())
    return {signer.algorithm: signer for signer in made}


def _rs256() -> Signer:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public, padding, algorithm = key.public_key(), PKCS1v15(), SHA256()
    numbers = public.public_numbers()
    jwk = {"kty": "RSA", "n": _number(numbers.n, 256), "e": _number(numbers.e, 3)}
    return Signer(
        "RS256",
        _published("RS256", jwk),
        lambda message: key.sign(message, padding, algorithm),
        lambda signature, message: public.verify(signature, message, padding, algorithm),
    )


def _es256() -> Signer:
    key = ec.generate_private_key(ec.SECP256R1())
    public, algorithm = key.public_key(), ec.ECDSA(SHA256())
    numbers = public.public_numbers()
    jwk = {
        "kty": "EC", "crv": "P-256", "x": _number(numbers.x, 32), "y": _number(numbers.y, 32)
    }  # fmt: skip

    def sign(message: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(message, algorithm))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def holds(signature: bytes, message: bytes) -> None:
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public.verify(encode_dss_signature(r, s), message, algorithm)

    return Signer("ES256", _published("ES256", jwk), sign, holds)


def _eddsa() -> Signer:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key()
    x = _base64url(public.public_bytes_raw()).decode("ascii")
    jwk = _published("EdDSA", {"kty": "OKP", "crv": "Ed25519", "x": x})
    return Signer("EdDSA", jwk, key.sign, public.verify)


def _hs256() -> Signer:
    def sign(message: bytes) -> bytes:
        return digest(SECRET, message, "sha256")

    return Signer("HS256", None, sign, lambda signature, message: sign(message) == signature)


def _published(algorithm: str, jwk: Jwk) -> Jwk:
    return {**jwk, "kid": _kid(algorithm), "use": "sig", "alg": algorithm}


def _kid(algorithm: str) -> str:
    return sha256(algorithm.encode("ascii")).hexdigest()[:13]


def _header(algorithm: str) -> dict[str, object]:
    return {"alg": algorithm, "typ": "at+jwt", "kid": _kid(algorithm)}


def _claims(number: int) -> dict[str, object]:
    now = int(time.time())
    things = ("orders", "profile", "reports", "rates")
    scopes = [f"{verb}:{thing}" for thing in things[:3] for verb in ("read", "write")]
    permissions = [f"{verb}:{thing}" for thing in things for verb in ("read", "write")]
    return {
        "iss": ISSUER,
        "sub": f"auth0|{number:012x}",
        "aud": [AUDIENCE, f"{ISSUER}/userinfo"],
        "client_id": "AbCdEfGhIjKlMnOpQrStUvWxYz012345",
        "scope": " ".join(scopes),
        "permissions": permissions,
        "iat": now,
        "exp": now + 86_400,
        "jti": f"{number:032x}",
    }


def _encoded(members: dict[str, object]) -> bytes:
    return _base64url(json.dumps(members, separators=(",", ":")).encode("ascii"))


def _number(value: int, size: int) -> str:
    return _base64url(value.to_bytes(size, "big")).decode("ascii")


def _base64url(raw: bytes) -> bytes:
    return urlsafe_b64encode(raw).rstrip(b"=")
