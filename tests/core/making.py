"""What the tests of the core are made with: keys, tokens, cases, and values to be wrong with.

joserfc makes the keys and signs; nothing here is signed by PyJWT or by us. Keys are made once per
run, when first needed. Claim sets are spelled out from the papers, not from the product's tables.
"""

import base64
import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any, Final, TypeVar

import pytest
from joserfc import jws
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, TrustedIssuer
from atjwt.core.jwk import VerificationKey
from atjwt.core.key_set import KeySet, read_key_set
from atjwt.core.member import Type
from atjwt.core.profile import Profile
from atjwt.core.token import UnverifiedToken, parse_token
from atjwt.core.verify import Case

NOW: Final = 1_790_000_100
ISSUED: Final = 1_790_000_000
EXPIRES: Final = 1_790_086_400
ISSUER: Final = "https://acme.eu.auth0.com/"
API: Final = "https://api.acme.test/"
SECRET: Final = b"a secret of these tests, forty bytes long"

Claims = dict[str, Any]
Result = TypeVar("Result")
REMOVE: Final = object()
"""Given for a member, takes it away."""

# --- Keys ----------------------------------------------------------------------------------------

_KINDS: Final[Mapping[str, Callable[[], Key]]] = {
    "rsa": lambda: RSAKey.generate_key(2048),
    "rsa-2": lambda: RSAKey.generate_key(2048),
    "P-256": lambda: ECKey.generate_key("P-256"),
    "P-256-2": lambda: ECKey.generate_key("P-256"),
    "P-384": lambda: ECKey.generate_key("P-384"),
    "P-521": lambda: ECKey.generate_key("P-521"),
    "secp256k1": lambda: ECKey.generate_key("secp256k1"),
    "Ed25519": lambda: OKPKey.generate_key("Ed25519"),
    "Ed448": lambda: OKPKey.generate_key("Ed448"),
    "X25519": lambda: OKPKey.generate_key("X25519"),
    "secret": lambda: OctKey.import_key(SECRET),
}

SIGNERS: Final[Mapping[str, tuple[str, ...]]] = {
    "RS256": ("rsa",),
    "RS384": ("rsa",),
    "RS512": ("rsa",),
    "PS256": ("rsa",),
    "PS384": ("rsa",),
    "PS512": ("rsa",),
    "ES256": ("P-256",),
    "ES384": ("P-384",),
    "ES512": ("P-521",),
    "EdDSA": ("Ed25519", "Ed448"),
    "Ed25519": ("Ed25519",),
    "Ed448": ("Ed448",),
    "HS256": ("secret",),
}
"""Which of our keys can sign which algorithm (RFC 7518 section 3.1, RFC 8037, RFC 9864)."""


@cache
def private_key(kind: str) -> Key:
    """The run's one private key of a kind."""
    return _KINDS[kind]()


def jwk(kind: str, **members: object) -> dict[str, Any]:
    """Its public JWK, named by its kind unless told otherwise; REMOVE takes a member away."""
    return changed(
        {**private_key(kind).as_dict(private=False), "kid": kind, "use": "sig"}, **members
    )


def key_set(*kinds: str) -> KeySet:
    """The key set of these keys."""
    return read_key_set({"keys": [jwk(kind) for kind in kinds]})


@cache
def verification_key(kind: str) -> VerificationKey:
    """The one key of that kind, as the product reads it."""
    if kind == "secret":
        issuer = TrustedIssuer(ISSUER, secret=SECRET)
        assert issuer.static_keys is not None
        return issuer.static_keys.keys[0]
    return key_set(kind).keys[0]


def sign(alg: str, message: bytes, kind: str) -> bytes:
    """joserfc's signature over any bytes, whether or not they are a token."""
    return jws.JWSRegistry.algorithms[alg].sign(message, private_key(kind))


# --- Tokens --------------------------------------------------------------------------------------

PROFILES: Final = (AUTH0, RFC9068)
TYP: Final[Mapping[Profile, str]] = {AUTH0: "JWT", RFC9068: "at+jwt"}


def good_claims(profile: Profile, **changes: object) -> Claims:
    """The smallest claim set that a profile lets in, changed."""
    whole: Claims = {"iss": ISSUER, "sub": "auth0|6f", "aud": API, "iat": ISSUED, "exp": EXPIRES}
    whole |= {"azp": "cliA"} if profile is AUTH0 else {"client_id": "cliA", "jti": "t1"}
    return changed(whole, **changes)


def changed(members: Mapping[str, Any], **changes: object) -> dict[str, Any]:
    """The members with these changed, or taken away by REMOVE."""
    whole = {**members, **changes}
    return {name: value for name, value in whole.items() if value is not REMOVE}


def base64url(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def json_text(value: object) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8")


def assemble(
    header: bytes | Mapping[str, Any],
    payload: bytes | Mapping[str, Any],
    *,
    alg: str = "ES256",
    kind: str = "P-256",
) -> bytes:
    """A token of these very parts, signed with `alg` whatever the header says."""
    parts = [part if isinstance(part, bytes) else json_text(part) for part in (header, payload)]
    signing_input = b".".join(base64url(part) for part in parts)
    return signing_input + b"." + base64url(sign(alg, signing_input, kind))


def token(profile: Profile, claims: Mapping[str, Any], **header: object) -> bytes:
    """A token of a profile, signed with ES256; `header` changes its header."""
    whole = changed({"alg": "ES256", "typ": TYP[profile], "kid": "P-256"}, **header)
    return assemble(whole, claims)


def parsed(profile: Profile, claims: Mapping[str, Any], **header: object) -> UnverifiedToken:
    """The same, after step 1."""
    return parse_token(token(profile, claims, **header))


@cache
def tenant() -> TrustedIssuer:
    """An Auth0 tenant that signs with ES256 here, because that is quick."""
    return TrustedIssuer.auth0("acme.eu.auth0.com", algorithms=["ES256", "RS256"])


def case(profile: Profile, claims: Mapping[str, Any], **changes: Any) -> Case:
    """A token before the bench, signed, in time and for us unless changed."""
    return Case(
        token=parsed(profile, claims),
        issuer=tenant(),
        profile=profile,
        key=verification_key("P-256"),
        audience=frozenset({API}),
        now=NOW,
        leeway=10,
    )._replace(**changes)


# --- Values to be wrong with ---------------------------------------------------------------------

VALUES: Final[tuple[object, ...]] = (
    *(None, True, False, 0, 1, -1, 1.5, -0.5, 2**53, 2**53 + 1, 10**60, "", " ", "x", "1790000000"),
    *([], [""], ["x"], ["x", "y"], ["x", ""], [1], [None], [["x"]], ["x", {}], [{}], [{"a": 1}]),
    *([{}, "x"], {}, {"x": "y"}),
)
"""JSON of every type, and of the borders between them."""


GOOD: Final[Mapping[Type, list[Any]]] = {
    Type.STRING: [" ", "x", "1790000000"],
    Type.TEXT: ["", " ", "x", "1790000000"],
    Type.NUMBER: [0, 1, 1.5, 2**53],
    Type.STRINGS: [[], [""], ["x"], ["x", "y"], ["x", ""]],
    Type.AUDIENCE: [" ", "x", "1790000000", ["x"], ["x", "y"]],
    Type.OBJECT: [{}, {"x": "y"}],
    Type.DETAILS: [{}, {"x": "y"}, [], [{}], [{"a": 1}]],
}
"""Those of them that are of a type; all others are not."""


def same_json(value: object, listed: Iterable[object]) -> bool:
    """Whether a JSON value is among those listed; True is not 1, and 1 is not 1.0."""
    return json_text(value) in {json_text(other) for other in listed}


def attempt(act: Callable[[], Result], *errors: type[Exception]) -> Result | Exception:
    """What comes of something: its result, or its error if it is one of these."""
    try:
        return act()
    except errors as error:
        return error


def refuses(reason: Reason, judge: Callable[[], object]) -> InvalidToken:
    """Runs what must refuse a token for that reason, and returns the error."""
    with pytest.raises(InvalidToken) as caught:
        judge()
    assert caught.value.reason is reason
    return caught.value
