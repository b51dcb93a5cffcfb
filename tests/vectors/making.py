"""What the vectors are made with: throwaway keys, a signer, claim sets, and the sheet they go on.

Strategy. Everything is spelled out here a second time, from the papers and not from the verifier,
which is never imported: one wrong table cannot pass every test. joserfc signs. A token that joserfc
is willing to make goes through its `serialize_compact` (`issue`); a hostile one is put together byte
by byte, and joserfc's algorithm objects sign the bytes (`assemble`, `sign`).

Private keys are made anew by every run and live only as long as it does. The one secret that must be
in the data, because HS256 is verified with it, says what it is.
"""

import base64
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

NOW: Final = 1_790_000_100
ISSUED: Final = 1_790_000_000
EXPIRES: Final = 1_790_086_400

API: Final = "https://api.acme.test/"
TENANT: Final = "https://acme.eu.auth0.com/"
USERINFO: Final = "https://acme.eu.auth0.com/userinfo"
GENERIC: Final = "https://as.example"
NEIGHBOUR: Final = "https://neighbour.example.net"

SECRET: Final = "test-only-secret-published-in-this-repository-0123456789"

# --- Bytes ---------------------------------------------------------------------------------------


def b64(data: bytes) -> str:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def json_bytes(value: object) -> bytes:
    """Compact JSON text in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def without(members: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """The same members but these."""
    return {name: value for name, value in members.items() if name not in names}


# --- Keys ----------------------------------------------------------------------------------------


def _rsa(bits: int, exponent: int = 65537) -> RSAKey:
    private = rsa.generate_private_key(public_exponent=exponent, key_size=bits)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about the weak ones, which are wanted here
        return RSAKey.import_key(pem)


@dataclass(frozen=True)
class Keys:
    """Fresh private keys, by the kid under which their public halves are published."""

    private: dict[str, Key] = field(
        default_factory=lambda: {
            "rsa-1": _rsa(2048),
            "rsa-2": _rsa(2048),
            "rsa-weak": _rsa(1024),
            "rsa-e3": _rsa(2048, 3),
            "ec-1": ECKey.generate_key("P-256"),
            "ec-2": ECKey.generate_key("P-256"),
            "ec-384": ECKey.generate_key("P-384"),
            "ec-521": ECKey.generate_key("P-521"),
            "ec-k1": ECKey.generate_key("secp256k1"),
            "ed-25519": OKPKey.generate_key("Ed25519"),
            "ed-448": OKPKey.generate_key("Ed448"),
            "x-25519": OKPKey.generate_key("X25519"),
            "stranger-rsa": _rsa(2048),
            "stranger-ec": ECKey.generate_key("P-256"),
            "secret": OctKey.import_key(SECRET),
        }
    )

    def __getitem__(self, name: str) -> Key:
        return self.private[name]

    def jwk(self, name: str, **members: object) -> dict[str, Any]:
        """The public JWK. A member given as None is left out; kid is the name unless given."""
        whole = {**self[name].as_dict(private=False), "kid": name, "use": "sig", **members}
        return {member: value for member, value in whole.items() if value is not None}

    def tenant(self) -> dict[str, Any]:
        """A key set as Auth0 publishes it: two RSA keys, the current one and the next."""
        return {"keys": [self.jwk("rsa-1", alg="RS256"), self.jwk("rsa-2", alg="RS256")]}

    def standard(self) -> dict[str, Any]:
        """A key set of another authorization server: RSA and EC, no `alg`."""
        return {"keys": [self.jwk("rsa-1"), self.jwk("ec-1"), self.jwk("ec-2")]}


# --- Tokens --------------------------------------------------------------------------------------

_REGISTRY: Final = jws.JWSRegistry(
    algorithms=list(jws.JWSRegistry.algorithms), strict_check_header=False
)


def issue(header: Mapping[str, Any], claims: Mapping[str, Any], key: Key) -> str:
    """A token made by joserfc as it makes any token."""
    return jws.serialize_compact(dict(header), json_bytes(claims), key, registry=_REGISTRY)


def sign(alg: str, message: bytes, key: Key) -> bytes:
    """joserfc's signature over any bytes, whether or not they are a token."""
    return jws.JWSRegistry.algorithms[alg].sign(message, key)


def assemble(
    header: bytes | Mapping[str, Any], payload: bytes | Mapping[str, Any], alg: str, key: Key
) -> str:
    """A token of these very bytes, signed with `alg` whatever the header says."""
    header_bytes = header if isinstance(header, bytes) else json_bytes(header)
    payload_bytes = payload if isinstance(payload, bytes) else json_bytes(payload)
    return seal(b64(header_bytes), b64(payload_bytes), alg, key)


def seal(header_segment: str, payload_segment: str, alg: str, key: Key) -> str:
    """A token of these very segments, signed over them."""
    signing_input = f"{header_segment}.{payload_segment}"
    return f"{signing_input}.{b64(sign(alg, signing_input.encode('latin-1'), key))}"


AUTH0_HEADER: Final = {"alg": "RS256", "typ": "JWT", "kid": "rsa-1"}
RFC9068_HEADER: Final = {"alg": "ES256", "typ": "at+jwt", "kid": "ec-1"}

# Short, because there are hundreds of them; the samples of real length are in cases_auth0.py and
# cases_rfc9068.py.
AUTH0_CLAIMS: Final = {
    "iss": TENANT,
    "sub": "auth0|6f",
    "aud": API,
    "iat": ISSUED,
    "exp": EXPIRES,
    "azp": "cliA",
}
RFC9068_CLAIMS: Final = {
    "iss": GENERIC,
    "sub": "user-47",
    "aud": API,
    "iat": ISSUED,
    "exp": EXPIRES,
    "client_id": "cliA",
    "jti": "j-1",
}

# --- Settings and expectations -------------------------------------------------------------------


def tenant(*profiles: str, **more: object) -> dict[str, Any]:
    """An API behind an Auth0 tenant, made by `TrustedIssuer.auth0`."""
    accepted = list(profiles) or ["auth0", "rfc9068"]
    return {"issuer": TENANT, "auth0": True, "profiles": accepted, "audience": API, **more}


def generic(*profiles: str, **more: object) -> dict[str, Any]:
    """An API behind another authorization server, made by `TrustedIssuer`."""
    return {"issuer": GENERIC, "profiles": list(profiles) or ["rfc9068"], "audience": API, **more}


def principal(claims: Mapping[str, Any], profile: str, **changes: object) -> dict[str, Any]:
    """The principal these claims must give; what is not plain is given as a change."""
    audience = claims["aud"]
    expected = {
        "issuer": claims["iss"],
        "subject": claims["sub"],
        "client_id": claims["azp"] if profile == "auth0" else claims["client_id"],
        "kind": "user",
        "scopes": sorted(scope for scope in claims.get("scope", "").split(" ") if scope),
        "permissions": sorted(claims["permissions"]) if "permissions" in claims else None,
        "profile": profile,
        "audience": [audience] if isinstance(audience, str) else list(audience),
        "issued_at": claims["iat"],
        "expires_at": claims["exp"],
        "token_id": claims.get("jti"),
    }
    return expected | changes


def caller(claims: Mapping[str, Any], profile: str) -> dict[str, Any]:
    """The few fields that say whose token it is, where the case is about something else."""
    whole = principal(claims, profile)
    return {name: whole[name] for name in ("subject", "client_id", "profile")}


@dataclass(frozen=True)
class Profile:
    """What a case that applies to both profiles needs to know of one of them."""

    name: str
    typ: str
    claims: dict[str, Any]
    section: str

    def make(self, keys: Keys, claims: Mapping[str, Any]) -> str:
        """A token of this profile with these claims."""
        return issue({**RFC9068_HEADER, "typ": self.typ}, claims, keys["ec-1"])

    def settings(self, **more: object) -> dict[str, Any]:
        """An API that accepts this profile and no other."""
        return generic(self.name, **more)


# Both at the issuer with the short signatures; a tenant's own tokens are in cases_auth0.py.
PROFILES: Final = (
    Profile("auth0", "JWT", {**AUTH0_CLAIMS, "iss": GENERIC}, "token-profiles 1.3"),
    Profile("rfc9068", "at+jwt", RFC9068_CLAIMS, "RFC 9068 section 2.2"),
)

# --- The sheet -----------------------------------------------------------------------------------


class Sheet:
    """The cases of one file. `good` and `bad` differ in what is expected, and in nothing else."""

    def __init__(self, description: str, key_sets: Mapping[str, dict[str, Any]]) -> None:
        self.description = description
        self.key_sets = key_sets
        self.settings: dict[str, dict[str, Any]] = {}
        self.cases: dict[str, dict[str, Any]] = {}

    def good(
        self, name: str, token: object, expected: Mapping[str, Any], why: str, source: str,
        *, settings: dict[str, Any], jwks: str | None, now: int = NOW,
    ) -> None:  # fmt: skip
        """The token is let in, as this principal."""
        self._add(name, token, {"principal": dict(expected)}, why, source, settings, jwks, now)

    def bad(
        self, name: str, token: object, reason: str, why: str, source: str,
        *, settings: dict[str, Any], jwks: str | None, now: int = NOW,
    ) -> None:  # fmt: skip
        """The token is refused, for this reason."""
        status = 400 if reason == "malformed_credentials" else 401
        expect = {"reason": reason, "status": status}
        self._add(name, token, expect, why, source, settings, jwks, now)

    def _add(
        self, name: str, token: object, expect: Mapping[str, Any], why: str, source: str,
        settings: dict[str, Any], jwks: str | None, now: int,
    ) -> None:  # fmt: skip
        if name in self.cases:
            raise ValueError(f"two cases are called {name}")
        self.cases[name] = {
            "id": name, "token": token, "settings": self._named(settings), "jwks": jwks, "now": now,
            "expect": expect, "why": why, "source": source,
        }  # fmt: skip

    def _named(self, settings: dict[str, Any]) -> str:
        base = "tenant" if settings.get("auth0") else "-".join(settings["profiles"])
        number = 1
        while self.settings.setdefault(name := f"{base}-{number}", settings) != settings:
            number += 1
        return name

    def text(self) -> str:
        """The file, one case a line."""
        used = {case["jwks"] for case in self.cases.values()}
        for settings in self.settings.values():
            used |= {other["jwks"] for other in settings.get("also", ())}
        key_sets = {name: self.key_sets[name] for name in sorted(used - {None})}
        cases = ",\n".join(_line(case) for case in self.cases.values())
        return (
            f'{{"description":{_line(self.description)},\n"settings":{{\n{_lines(self.settings)}\n}},\n'
            f'"key_sets":{{\n{_lines(key_sets)}\n}},\n"cases":[\n{cases}\n]}}\n'
        )


def _lines(members: Mapping[str, object]) -> str:
    return ",\n".join(f"{_line(name)}:{_line(value)}" for name, value in members.items())


def _line(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))
