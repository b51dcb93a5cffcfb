"""Steps 2 and 3 of the route: an unverified token → under whose rules is it judged?

A `Profile` is data: the media types that mark it and its members with their JSON types. There are
two, `AUTH0` and `RFC9068`. Which of them is accepted from whom says a `TrustedIssuer`
(`core/trusted_issuer.py`).

`admit` chooses among what is configured, by `iss`, `typ` and `alg`, exactly. It runs before any key
is fetched, so that a token can make us ask nobody but an issuer on the list.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from atjwt.core.member import Member, Type, slash_hint
from atjwt.core.token import UnverifiedToken
from atjwt.errors import ConfigurationError, InvalidToken, Reason

if TYPE_CHECKING:
    from atjwt.core.trusted_issuer import TrustedIssuer


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Profile:
    """The rules for one kind of access token.

    name: as it appears in `Principal.profile`, in events and in `ATJWT_PROFILES`.
    types: the values of `typ` that mark it, in lower case (RFC 7515 4.1.9).
    client_claim: the member that names the client.
    kid_required: whether a token without `kid` is refused even where only one key fits.
    members: every member whose type is checked.
    foreign: members that only the other profile has; noted, not refused.
    """

    name: str
    types: frozenset[str]
    client_claim: str
    kid_required: bool
    members: tuple[Member, ...]
    foreign: frozenset[str]

    def __repr__(self) -> str:
        return self.name.upper()

    def __str__(self) -> str:
        return self.name

    def __reduce__(self) -> str:
        return self.name.upper()  # pickled by its name, so that it stays the one constant

    @classmethod
    def __get_pydantic_core_schema__(cls, *args: object) -> NoReturn:
        refuse_as_input()


def refuse_as_input() -> NoReturn:
    """Refuses to be read from a request, or written into an answer, by a framework.

    Raises ConfigurationError: always, when the route is declared.
    """
    raise ConfigurationError(
        ["a Principal comes from a guard: write Annotated[Principal, auth.requires()], with its"
         " parentheses; as a return type, write a model of your own"]
    )  # fmt: skip


_COMMON = (
    Member("iss", Type.STRING, required=True),
    Member("sub", Type.STRING, required=True),
    Member("aud", Type.AUDIENCE, required=True),
    Member("exp", Type.NUMBER, required=True),
    Member("iat", Type.NUMBER, required=True),
    Member("nbf", Type.NUMBER),
    Member("scope", Type.TEXT),
    Member("permissions", Type.STRINGS),
    Member("org_id", Type.STRING),
    Member("org_name", Type.STRING),
    Member("cnf", Type.OBJECT),
    Member("act", Type.OBJECT),
    Member("auth_time", Type.NUMBER),
    Member("acr", Type.STRING),
    Member("amr", Type.STRINGS),
    Member("sub_profile", Type.STRING),
    Member("client_profile", Type.STRING),
    Member("gty", Type.STRING),
    # RFC 9396 section 2 demands an array. Auth0 documents both an array and one object, and nobody
    # has shown us a token; one object is read as an array of one.
    Member("authorization_details", Type.DETAILS),
)

AUTH0 = Profile(
    name="auth0",
    types=frozenset({"jwt"}),
    client_claim="azp",
    kid_required=True,
    members=(
        *_COMMON,
        Member("azp", Type.STRING, required=True),
        Member("client_id", Type.STRING),
        Member("jti", Type.STRING),
    ),
    foreign=frozenset({"client_id", "jti"}),
)
"""Auth0's own token profile (Auth0: Access Token Profiles). Its `typ` is that of any JWT, ID tokens
included, so the audience and the marks of an ID token are all that tells it from one."""

RFC9068 = Profile(
    name="rfc9068",
    types=frozenset({"at+jwt", "application/at+jwt"}),
    client_claim="client_id",
    kid_required=False,
    members=(
        *_COMMON,
        Member("client_id", Type.STRING, required=True),
        Member("jti", Type.STRING, required=True),
        Member("azp", Type.STRING),
    ),
    foreign=frozenset({"azp", "gty"}),
)
"""The JWT profile for OAuth 2.0 access tokens (RFC 9068 section 2)."""

PROFILES: Mapping[str, Profile] = {profile.name: profile for profile in (AUTH0, RFC9068)}


_BY_TYPE = {typ: profile for profile in PROFILES.values() for typ in profile.types}


def admit(
    token: UnverifiedToken, issuers: Mapping[str, "TrustedIssuer"]
) -> tuple["TrustedIssuer", Profile]:
    """Selects the issuer and detects the profile under which the token will be judged.

    Raises InvalidToken: what the first of the functions below refuses.
    """
    issuer = select_issuer(token.claims, issuers)
    profile = None
    try:
        profile = detect_profile(token.typ)
        check_accepted(profile, issuer)
        check_algorithm(token.alg, issuer)
        check_key_id(token.kid, token.alg, profile)
    except InvalidToken as error:
        error.issuer, error.profile = issuer.issuer, None if profile is None else profile.name
        raise
    return issuer, profile


def select_issuer(
    claims: Mapping[str, object], issuers: Mapping[str, "TrustedIssuer"]
) -> "TrustedIssuer":
    """Step 2: the configured issuer that equals `iss` exactly (RFC 9068 section 4)."""
    iss = claims.get("iss", _ABSENT)
    if iss is _ABSENT:
        raise InvalidToken(Reason.MISSING_CLAIM, "iss is absent")
    if not isinstance(iss, str):
        raise InvalidToken(Reason.INVALID_CLAIM, "iss is not a string")
    issuer = issuers.get(iss)
    if issuer is None:
        hint = slash_hint("issuer", [iss], issuers)
        raise InvalidToken(Reason.UNKNOWN_ISSUER, f"iss is no configured issuer{hint}")
    return issuer


def detect_profile(typ: str | None) -> Profile:
    """Step 2: the profile that the header's `typ` marks."""
    profile = _BY_TYPE.get((typ or "").lower())
    if profile is None:
        detail = "header: typ is absent" if typ is None else "header: typ marks no access token"
        raise InvalidToken(Reason.WRONG_TYPE, detail)
    return profile


def check_accepted(profile: Profile, issuer: "TrustedIssuer") -> None:
    """Step 2: refuses a token of a profile that is not accepted from its issuer."""
    if profile not in issuer.profiles:
        raise InvalidToken(
            Reason.PROFILE_NOT_ACCEPTED,
            f"the token is of the profile {profile}, which is not accepted from this issuer",
        )


def check_algorithm(alg: str, issuer: "TrustedIssuer") -> None:
    """Step 3: refuses an algorithm that is not on the issuer's list (RFC 8725 section 3.1)."""
    if alg not in issuer.algorithms:
        raise InvalidToken(Reason.ALGORITHM_NOT_ALLOWED, "header: alg is not on the issuer's list")


def check_key_id(kid: str | None, alg: str, profile: Profile) -> None:
    """Step 3: refuses a token that names no key, where its profile demands one."""
    if kid is None and profile.kid_required and alg != "HS256":
        raise InvalidToken(Reason.MISSING_KEY_ID, "header: kid is absent")


_ABSENT = object()
