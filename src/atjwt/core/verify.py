"""Steps 5 to 7 of the route: token + key + profile + now → verified claims.

The checks are one table, in the order in which they are made. `verify` takes the first failure;
`core/explain.py` takes all of them, of the earlier steps too. So what a command line says about a
token and what the server did with it cannot differ.

    5  signature                                          RFC 7515 section 5.2
    6  exp, nbf, iat against now ± leeway                  RFC 7519 section 4.1
    7  aud contains us; the profile's members; not an      RFC 9068 sections 2.2 and 4, RFC 8725
       ID token; one client; not bound to a key
"""

from collections.abc import Callable, Mapping
from typing import NamedTuple

from atjwt.core.bench import Bench
from atjwt.core.jwk import VerificationKey
from atjwt.core.member import IS_OF, is_audience, is_time, slash_hint
from atjwt.core.profile import PROFILES, Profile
from atjwt.core.token import UnverifiedToken
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import InvalidToken, Reason


class Case(NamedTuple):
    """A token before the bench: everything that its verdict depends on.

    now, leeway: seconds.
    audience: the names under which the API accepts tokens.
    """

    token: UnverifiedToken
    issuer: TrustedIssuer
    profile: Profile
    key: VerificationKey
    audience: frozenset[str]
    now: float
    leeway: float


class Failure(NamedTuple):
    """One thing that is wrong with a token; `detail` names members, never their values."""

    reason: Reason
    detail: str


class VerifiedClaims(NamedTuple):
    """The claim set of a token that passed every check.

    payload: the JSON text it was read from.
    notes: what is unusual about it without being wrong, for the log.
    """

    issuer: TrustedIssuer
    profile: Profile
    claims: Mapping[str, object]
    payload: bytes
    notes: tuple[str, ...]

    def __repr__(self) -> str:
        return "<VerifiedClaims>"


Failures = tuple[Failure, ...]


def _signature(case: Bench) -> Failures:
    token = case.token
    if case.key.verify(token.alg, token.signing_input, token.signature):
        return ()
    return (Failure(Reason.INVALID_SIGNATURE, "the signature does not hold"),)


def _times(case: Bench) -> Failures:
    claims = case.token.claims
    exp, nbf = claims.get("exp"), claims.get("nbf", 0)
    found: Failures = ()
    # A time of the wrong type is the business of `_members`, which finds it in any case.
    if is_time(exp) and case.now >= exp + case.leeway:
        found += (Failure(Reason.EXPIRED, "exp has passed"),)
    if is_time(nbf) and case.now < nbf - case.leeway:
        found += (Failure(Reason.NOT_YET_VALID, "nbf lies ahead"),)
    return found


def _members(case: Bench) -> Failures:
    claims = case.token.claims
    found = []
    for name, is_of_type, member in _ROWS[case.profile]:
        if name in claims:
            if not is_of_type(claims[name]):
                found.append(Failure(Reason.INVALID_CLAIM, f"{name} is not {member.type.value}"))
        elif member.required:
            found.append(Failure(Reason.MISSING_CLAIM, f"{name} is absent"))
    return tuple(found)


def _audience(case: Bench) -> Failures:
    aud = case.token.claims.get("aud")
    names = [aud] if isinstance(aud, str) else aud
    if is_audience(aud) and case.audience.isdisjoint(names):  # type: ignore[arg-type]
        hint = slash_hint("audience", names, case.audience)  # type: ignore[arg-type]
        return (Failure(Reason.WRONG_AUDIENCE, f"aud names none of this API's identifiers{hint}"),)
    return ()


def _id_token(case: Bench) -> Failures:
    if _ID_TOKEN_MARKS.isdisjoint(case.token.claims):
        return ()
    return (Failure(Reason.ID_TOKEN, "nonce, at_hash or c_hash is present: an ID token"),)


def _client(case: Bench) -> Failures:
    claims = case.token.claims
    if "azp" in claims and "client_id" in claims and claims["azp"] != claims["client_id"]:
        return (Failure(Reason.CLIENT_MISMATCH, "azp and client_id name different clients"),)
    return ()


def _confirmation(case: Bench) -> Failures:
    if "cnf" in case.token.claims:
        return (Failure(Reason.BOUND_TOKEN, "cnf: bound to a key, and sent without a proof of it"),)
    return ()


class Check(NamedTuple):
    """One row of the rule table.

    judge: what is wrong; nothing if nothing is.
    needs: what must be known of the token first; `verify` knows all of it.
    """

    step: int
    rule: str
    source: str
    judge: Callable[[Bench], Failures]
    needs: tuple[str, ...] = ("token",)


CHECKS: tuple[Check, ...] = (
    Check(
        5,
        "the signature holds under the issuer's key",
        "RFC 9068 section 4",
        _signature,
        ("token", "signature", "key"),
    ),
    Check(6, "now lies between nbf and exp", "RFC 7519 sections 4.1.4, 4.1.5", _times),
    Check(7, "aud names this API", "RFC 9068 section 4, RFC 7519 section 4.1.3", _audience),
    Check(
        7,
        "each member is of its type, and the required ones are there",
        "RFC 9068 section 2.2; Auth0, Access Token Profiles",
        _members,
        ("token", "profile"),
    ),
    Check(7, "it is not an ID token", "RFC 9068 section 5, RFC 8725 section 3.11", _id_token),
    Check(7, "it names one client", "RFC 8693 section 4.3", _client),
    Check(
        7, "it is not bound to a key", "RFC 7800 section 3.1, RFC 9449 section 7.2", _confirmation
    ),
)


def verify(case: Case) -> VerifiedClaims:
    """Returns the claims of a token that passes every check.

    Raises InvalidToken: the first failure.
    """
    for check in CHECKS:
        failures = check.judge(case)
        if failures:
            raise InvalidToken(*failures[0])
    claims = case.token.claims
    return VerifiedClaims(
        case.issuer, case.profile, claims, case.token.payload, _notes(case, claims)
    )


def _notes(case: Case, claims: Mapping[str, object]) -> tuple[str, ...]:
    ahead = claims["iat"] > case.now + case.leeway  # type: ignore[operator]  # a checked number
    if not ahead and case.profile.foreign.isdisjoint(claims):
        return ()
    notes = [f"mixed: {name}" for name in case.profile.foreign & claims.keys()]
    if ahead:
        notes.append("iat lies ahead: a clock is off")
    return tuple(sorted(notes))


_ID_TOKEN_MARKS = frozenset({"nonce", "at_hash", "c_hash"})


_ROWS = {
    profile: tuple((member.name, IS_OF[member.type], member) for member in profile.members)
    for profile in PROFILES.values()
}
