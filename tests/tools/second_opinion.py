"""Everything that is wrong with a token, found without any of our own code but the words.

The verifier stops at the first failure; this judge collects all of them, which is how a test can
say that a broken token is broken in one place only. Signatures are checked by joserfc, the second
JOSE library. It is slow, long-winded and written from the papers, as a second opinion should be.
"""

import json
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from typing import Any

from joserfc.jwk import KeySet, import_key
from joserfc.jws import JWSRegistry

from atjwt.errors import Reason

Profile = str  # "auth0" or "rfc9068"


class SecondOpinion:
    """What a resource server of one API would have to say about tokens of one issuer."""

    def __init__(
        self,
        *,
        jwks: Mapping[str, Sequence[Mapping[str, str]]],
        issuer: str,
        audience: str,
        profile: Profile,
        now: float,
        algorithms: frozenset[str] = frozenset({"RS256", "PS256", "ES256"}),
    ) -> None:
        self.keys = jwks["keys"]
        self.issuer = issuer
        self.audience = audience
        self.profile = profile
        self.now = now
        self.algorithms = algorithms

    def on(self, token: str) -> set[Reason]:
        """All reasons to refuse the token, before any question of what it allows."""
        found: set[Reason] = set()
        if not re.fullmatch(r"[A-Za-z0-9\-._~+/]+=*", token):
            found.add(Reason.MALFORMED_CREDENTIALS)
            token = token.replace(" ", "")
        if len(token) > 16_384:
            found.add(Reason.TOKEN_TOO_LARGE)
        parts = token.split(".")
        decoded = [_decode(part, found) for part in parts]
        if len(parts) == 5:
            return found | {Reason.ENCRYPTED_TOKEN}
        if len(parts) != 3:
            return found | {Reason.OPAQUE_TOKEN}
        header, claims = _read(decoded[0], found), _read(decoded[1], found)
        self._header(header, found)
        self._signature(header, f"{parts[0]}.{parts[1]}".encode(), decoded[2], found)
        self._claims(claims, found)
        return found

    def _header(self, header: dict[str, Any], found: set[Reason]) -> None:
        if "crit" in header:
            found.add(Reason.CRITICAL_HEADER)
        if not isinstance(header.get("alg"), str) or not isinstance(header.get("kid", ""), str):
            found.add(Reason.INVALID_HEADER)
        profile = {"JWT": "auth0", "at+jwt": "rfc9068"}.get(header["typ"])
        if profile is None:
            found.add(Reason.WRONG_TYPE)
        elif profile != self.profile:
            found.add(Reason.PROFILE_NOT_ACCEPTED)
        if header["alg"] not in self.algorithms:
            found.add(Reason.ALGORITHM_NOT_ALLOWED)
        if "kid" not in header:
            found.add(Reason.MISSING_KEY_ID)

    def _signature(
        self, header: dict[str, Any], message: bytes, signature: bytes, found: set[Reason]
    ) -> None:
        alg, kid = header["alg"], header.get("kid")
        named = [key for key in self.keys if key["kid"] == kid]
        if isinstance(kid, str):
            if not named:
                found.add(Reason.UNKNOWN_KEY)
                return
            if len(named) > 1:
                found.add(Reason.AMBIGUOUS_KEY)
            if alg == "HS256":  # whatever was signed there, it was not by a key of the set
                return
            if named[0]["alg"] != alg:
                found.add(Reason.UNSUITABLE_KEY)
        keys = [key for key in named or self.keys if _kty(alg) == key["kty"]]
        if keys and not any(_verifies(alg, key, message, signature) for key in keys):
            found.add(Reason.INVALID_SIGNATURE)

    def _claims(self, claims: dict[str, Any], found: set[Reason]) -> None:
        if claims["iss"] != self.issuer:
            found.add(Reason.UNKNOWN_ISSUER)
        if self.now >= claims["exp"]:
            found.add(Reason.EXPIRED)
        if self.now < claims.get("nbf", claims["iat"]):
            found.add(Reason.NOT_YET_VALID)
        audience = claims["aud"]
        if self.audience not in ([audience] if isinstance(audience, str) else audience):
            found.add(Reason.WRONG_AUDIENCE)
        # A token of the other profile is judged by its own rules: it is refused for what it is.
        rfc9068 = (self.profile == "rfc9068") != (Reason.PROFILE_NOT_ACCEPTED in found)
        required = {"sub", "client_id", "jti"} if rfc9068 else {"sub", "azp"}
        if required - claims.keys():
            found.add(Reason.MISSING_CLAIM)
        texts = {"sub", "client_id", "azp", "jti", "scope"} & claims.keys()
        if not all(isinstance(claims[name], str) for name in texts):
            found.add(Reason.INVALID_CLAIM)
        if {"azp", "client_id"} <= claims.keys() and claims["azp"] != claims["client_id"]:
            found.add(Reason.CLIENT_MISMATCH)
        if {"nonce", "at_hash", "c_hash"} & claims.keys():
            found.add(Reason.ID_TOKEN)
        if "cnf" in claims:
            found.add(Reason.BOUND_TOKEN)


def key_set(jwks: Mapping[str, Sequence[Mapping[str, str]]]) -> KeySet:
    """The published keys, as joserfc reads them."""
    return KeySet([import_key({**key}) for key in jwks["keys"]])


def parts_of(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims, unverified, of a token that is known to be well-formed."""
    header, claims, _ = token.split(".")
    wrong: set[Reason] = set()
    parts = _read(_decode(header, wrong), wrong), _read(_decode(claims, wrong), wrong)
    assert not wrong
    return parts


def allows(claims: Mapping[str, Any], right: str) -> set[Reason]:
    """What a good token lacks for a route that asks for this scope, permission and role."""
    found: set[Reason] = set()
    if right not in claims.get("scope", "").split(" "):
        found.add(Reason.MISSING_SCOPE)
    if "permissions" not in claims:
        found.add(Reason.NO_PERMISSIONS_CLAIM)
    elif right not in claims["permissions"]:
        found.add(Reason.MISSING_PERMISSION)
    if right not in claims.get("roles", []):
        found.add(Reason.MISSING_ROLE)
    return found


def _kty(alg: str) -> str:
    return {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}[alg[:2]]


def _verifies(alg: str, key: Mapping[str, str], message: bytes, signature: bytes) -> bool:
    bare: dict[str, str | list[str]] = {
        name: value for name, value in key.items() if name not in {"alg", "use", "kid"}
    }
    return JWSRegistry.algorithms[alg].verify(message, signature, import_key(bare))


def _decode(part: str, found: set[Reason]) -> bytes:
    bare = part.rstrip("=")
    data = urlsafe_b64decode(bare + "=" * (-len(bare) % 4))
    if urlsafe_b64encode(data).rstrip(b"=").decode() != part:
        found.add(Reason.INVALID_ENCODING)
    return data


def _read(text: bytes, found: set[Reason]) -> dict[str, Any]:
    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) != len(pairs):
            found.add(Reason.INVALID_JSON)
        return dict(pairs)

    value = json.loads(text, object_pairs_hook=members)
    assert isinstance(value, dict)
    return value
