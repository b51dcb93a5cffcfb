"""Every check of steps 0 to 7, with all that each finds wrong with one token.

The rows name the very functions by which a request is judged, in the order in which it meets them:
what fails first here is why the request is refused, and where nothing fails it is let in. A row that
needs what an earlier one could not find out is not judged; all others are.

    0  size, one token68     1  shape, header, claims     2  issuer, profile
    3  algorithm, key id     4  the one key               5 to 7  `CHECKS` of core/verify.py
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from atjwt.core.bearer import check_size, check_token68
from atjwt.core.jwk import VerificationKey
from atjwt.core.jwks import select_key
from atjwt.core.key_set import KeySet
from atjwt.core.profile import (
    Profile,
    check_accepted,
    check_algorithm,
    check_key_id,
    detect_profile,
    select_issuer,
)
from atjwt.core.token import (
    UnverifiedToken,
    check_extensions,
    read_alg,
    read_kid,
    read_members,
    read_part,
    read_typ,
    split_token,
)
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import CHECKS, Failure, Failures
from atjwt.errors import AuthError


class Facts:
    """What is known so far. An attribute is there when a row has found it out, and not before.

    key_sets: the keys of each issuer whose keys are in hand, by its identifier.
    now, leeway: seconds. max_size: bytes.
    """

    parts: tuple[bytes, bytes, bytes, bytes]
    header: dict[str, object]
    alg: str
    kid: str | None
    typ: str | None
    payload: bytes
    signature: bytes
    token: UnverifiedToken
    issuer: TrustedIssuer
    profile: Profile
    keys: KeySet
    key: VerificationKey

    def __init__(
        self, credentials: bytes, *, max_size: int, issuers: Mapping[str, TrustedIssuer],
        key_sets: Mapping[str, KeySet], audience: frozenset[str], now: float, leeway: float,
    ) -> None:  # fmt: skip
        self.credentials = credentials
        self.max_size = max_size
        self.issuers = issuers
        self.key_sets = key_sets
        self.audience = audience
        self.now = now
        self.leeway = leeway

    def __repr__(self) -> str:
        return "<Facts>"


class Row(NamedTuple):
    """One check.

    needs: the facts without which it cannot be made.
    judge: what is wrong; returned, or raised where a request is refused by an exception.
    """

    step: int
    rule: str
    source: str
    needs: tuple[str, ...]
    judge: Callable[[Facts], Failures | None]


class Judgement(NamedTuple):
    """A check and what came of it.

    failures: what it found wrong. missing: the fact that it could not be made without, else "".
    """

    row: Row
    failures: Failures
    missing: str


def explain(facts: Facts) -> tuple[Judgement, ...]:
    """Makes every check that can be made, in their order; `facts` gathers what is found out."""
    return tuple(_judged(row, facts) for row in ROWS)


def _judged(row: Row, facts: Facts) -> Judgement:
    missing = next((name for name in row.needs if not hasattr(facts, name)), "")
    if missing:
        return Judgement(row, (), missing)
    try:
        return Judgement(row, row.judge(facts) or (), "")
    except AuthError as error:
        return Judgement(row, (Failure(error.reason, error.detail),), "")


def _shape(facts: Facts) -> None:
    facts.parts = split_token(facts.credentials)


def _header(facts: Facts) -> None:
    facts.header = read_members("header", read_part("header", facts.parts[0]))


def _alg(facts: Facts) -> None:
    facts.alg = read_alg(facts.header)


def _kid(facts: Facts) -> None:
    facts.kid = read_kid(facts.header)


def _typ(facts: Facts) -> None:
    facts.typ = read_typ(facts.header)


def _payload(facts: Facts) -> None:
    facts.payload = read_part("claims", facts.parts[1])


def _signature(facts: Facts) -> None:
    facts.signature = read_part("signature", facts.parts[2])


def _claims(facts: Facts) -> None:
    claims = read_members("claims", facts.payload)
    # What has not been found out is looked at by no row: each says what it needs.
    alg, kid, typ = (getattr(facts, name, None) for name in ("alg", "kid", "typ"))
    signature = getattr(facts, "signature", b"")
    facts.token = UnverifiedToken(
        alg or "", kid, typ, claims, facts.payload, facts.parts[3], signature
    )


def _issuer(facts: Facts) -> None:
    facts.issuer = select_issuer(facts.token.claims, facts.issuers)
    keys = facts.key_sets.get(facts.issuer.issuer)
    if keys is not None:
        facts.keys = keys


def _profile(facts: Facts) -> None:
    facts.profile = detect_profile(facts.typ)


def _key(facts: Facts) -> None:
    facts.key = select_key(facts.keys, kid=facts.kid, alg=facts.alg)


_AUTH0 = "Auth0, Access Token Profiles"

ROWS: tuple[Row, ...] = (
    Row(0, "it is no longer than the API reads", "ResourceServer.max_token_size", (),
        lambda facts: check_size(facts.credentials, facts.max_size)),
    Row(0, "it is one token68", "RFC 6750 section 2.1", (),
        lambda facts: check_token68(facts.credentials)),
    Row(1, "it is a signed JWT, of three parts", "RFC 7515 section 7.1", (), _shape),
    Row(1, "the header is one JSON object in base64url", "RFC 7515 section 7.1", ("parts",), _header),
    Row(1, "the header demands no extension", "RFC 7515 section 4.1.11, RFC 7797 section 3",
        ("header",), lambda facts: check_extensions(facts.header)),
    Row(1, "alg is a string", "RFC 7515 section 4.1.1", ("header",), _alg),
    Row(1, "kid is a string, if it is there", "RFC 7515 section 4.1.4", ("header",), _kid),
    Row(1, "typ is a string, if it is there", "RFC 7515 section 4.1.9", ("header",), _typ),
    Row(1, "the claims are base64url", "RFC 7515 section 2", ("parts",), _payload),
    Row(1, "the signature is base64url", "RFC 7515 section 2", ("parts",), _signature),
    Row(1, "the claims are one JSON object", "RFC 7519 section 7.2", ("payload",), _claims),
    Row(2, "iss is an issuer that the API trusts", "RFC 9068 section 4", ("token",), _issuer),
    Row(2, "typ marks an access token", f"RFC 9068 section 4; {_AUTH0}", ("typ",), _profile),
    Row(2, "its profile is accepted from this issuer", "TrustedIssuer.profiles",
        ("issuer", "profile"), lambda facts: check_accepted(facts.profile, facts.issuer)),
    Row(3, "alg is on the issuer's list", "RFC 8725 section 3.1", ("issuer", "alg"),
        lambda facts: check_algorithm(facts.alg, facts.issuer)),
    Row(3, "it names its key, where its profile must", _AUTH0, ("profile", "kid", "alg"),
        lambda facts: check_key_id(facts.kid, facts.alg, facts.profile)),
    Row(4, "exactly one key of the issuer fits", "RFC 7515 sections 4.1.4 and 6",
        ("issuer", "kid", "alg", "keys"), _key),
    *(Row(check.step, check.rule, check.source, check.needs, check.judge) for check in CHECKS),
)  # fmt: skip
"""Every check, in the order in which a request is judged."""
