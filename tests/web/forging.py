"""Forged tokens of one issuer: every byte of them can be chosen. Signed by joserfc."""

import base64
import json
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.jws import JWSRegistry

from web.asking import API, NOW

ISSUER: Final = "https://issuer.example.com/"
ABSENT: Final = object()
"""As the value of a member: it is left out."""


def b64(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def rsa_key(bits: int = 2048, exponent: int = 65537) -> RSAKey:
    """A new RSA key, weak ones included."""
    private = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the weak ones, which are wanted here
        return RSAKey.import_key(pem)


def sign(message: bytes, key: Key, alg: str) -> bytes:
    """A signature by any algorithm that joserfc knows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return JWSRegistry.algorithms[alg].sign(message, key)


def public(key: Key, kid: str, **members: Any) -> dict[str, Any]:
    """The public half as a JWK of a published set."""
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", **members}


def changed(members: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The same members with changes."""
    merged = {**members, **changes}
    return {name: value for name, value in merged.items() if value is not ABSENT}


Signer = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Forge:
    """An issuer's keys, and whatever tokens one likes.

    rsa, ec: published under the kids `rsa` and `ec`. stranger: published by nobody.
    """

    rsa: RSAKey = field(default_factory=rsa_key)
    ec: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    stranger: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))

    def jwks(self) -> dict[str, list[dict[str, Any]]]:
        """What the issuer publishes."""
        return {"keys": [public(self.rsa, "rsa", alg="RS256"), public(self.ec, "ec", alg="ES256")]}

    def header(self, **changes: Any) -> dict[str, Any]:
        """The JOSE header of a good token."""
        return changed({"alg": "ES256", "typ": "at+jwt", "kid": "ec"}, changes)

    def claims(self, **changes: Any) -> dict[str, Any]:
        """The claim set of a good token, for both profiles at once."""
        good = {
            "iss": ISSUER, "sub": "auth0|66f0c2", "aud": API, "iat": int(NOW) - 60,
            "exp": int(NOW) + 3600, "client_id": "client", "jti": "1", "scope": "read:orders",
        }  # fmt: skip
        return changed(good, changes)

    def assemble(self, header: bytes, claims: bytes, signer: Signer | None = None) -> bytes:
        """A token of these very bytes; by default under the EC key."""
        message = b64(header) + b"." + b64(claims)
        return message + b"." + b64((signer or self.by_ec)(message))

    def token(
        self,
        header: Mapping[str, Any] | None = None,
        claims: Mapping[str, Any] | None = None,
        signer: Signer | None = None,
    ) -> bytes:
        """A good token but for these changes to header and claims, and who signs."""
        header_text = json.dumps(self.header(**(header or {}))).encode("ascii")
        claims_text = json.dumps(self.claims(**(claims or {}))).encode("ascii")
        return self.assemble(header_text, claims_text, signer)

    def auth0(self, header: Mapping[str, Any] | None = None, **changes: Any) -> bytes:
        """A good token of the Auth0 profile but for these changes."""
        own = {"client_id": ABSENT, "jti": ABSENT, "azp": "client"}
        return self.token({"typ": "JWT", **(header or {})}, {**own, **changes})

    def by_ec(self, message: bytes) -> bytes:
        """ES256 by the EC key."""
        return sign(message, self.ec, "ES256")

    def by_rsa(self, message: bytes) -> bytes:
        """RS256 by the RSA key."""
        return sign(message, self.rsa, "RS256")

    def by_stranger(self, message: bytes) -> bytes:
        """ES256 by a key that the issuer does not have."""
        return sign(message, self.stranger, "ES256")
