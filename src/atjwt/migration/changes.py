"""What differs between the tokens of two dialects, and where code may depend on it.

A table, from Auth0's page *Access Token Profiles* and RFC 9068 section 2: each member that one
profile has and the other has not, or has otherwise; what to search for in one's own code; and what to
write there instead. A test holds it against minted tokens.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from atjwt.core.profile import AUTH0, RFC9068, Profile
from atjwt.migration.dialects import Dialect

ABSENT: Final = "absent"


@dataclass(frozen=True, slots=True)
class Change:
    """A member of a token that changes.

    where: `header` or `claim`. before, after: its value, or what it is, or `absent`.
    search: what to look for in one's own code. instead: what to write there.
    """

    where: str
    name: str
    before: str
    after: str
    search: tuple[str, ...]
    instead: str


class _Member(NamedTuple):
    """how: what it is in each profile. search: by whether it goes away, or changes, or comes."""

    where: str
    name: str
    how: Mapping[Profile, str]
    search: tuple[str, ...]
    instead: Mapping[Profile, str]
    """By the profile that is gone to."""


_MEMBERS: Final = (
    _Member(
        "header",
        "typ",
        {AUTH0: "JWT", RFC9068: "at+jwt"},
        ('typ == "JWT"', '"typ": "JWT"', "at+jwt"),
        {
            RFC9068: "accept at+jwt, in any case and with application/ before it, beside JWT",
            AUTH0: "accept JWT beside at+jwt; ID tokens have it too, so check aud",
        },
    ),
    _Member(
        "claim",
        "azp",
        {AUTH0: "the client id", RFC9068: ABSENT},
        ('claims["azp"]', '.get("azp")', ".azp", '"azp" in rules of gateways and queries of logs'),
        {
            RFC9068: "principal.client_id; elsewhere client_id, or else azp",
            AUTH0: "nothing, unless it is wrong that the claim is there",
        },
    ),
    _Member(
        "claim",
        "client_id",
        {AUTH0: ABSENT, RFC9068: "the client id"},
        ('claims["client_id"]', '.get("client_id")', '"client_id" in claims'),
        {
            RFC9068: "nothing, unless its being there is taken for a machine: principal.kind",
            AUTH0: "principal.client_id; elsewhere azp, or else client_id",
        },
    ),
    _Member(
        "claim",
        "jti",
        {AUTH0: ABSENT, RFC9068: "the token's own id"},
        ('claims["jti"]', '.get("jti")', "token_id", "lists of revoked tokens"),
        {
            RFC9068: "nothing; it is of the token, not of the request, and comes again",
            AUTH0: "the SHA-256 of the token, where a token must be told from others",
        },
    ),
    _Member(
        "claim",
        "gty",
        {AUTH0: "in some, the grant", RFC9068: ABSENT},
        ('gty == "client-credentials"', 'claims["gty"]', '.get("gty")', ".gty"),
        {
            RFC9068: 'principal.kind == "client"; in guards is_kind("client")',
            AUTH0: "nothing; it is not in every token, so do not rely on it",
        },
    ),
)

_PERMISSIONS: Final = (
    'claims["permissions"]', '.get("permissions")', "has_permission(", "permissions=[",
)  # fmt: skip
_COMES: Final = "nothing; it lists all that the caller may do, and scope what the client may"
_GOES: Final = "has_scope(...); or go to the dialect of the same profile that ends in _authz"

STAYS: Final[Mapping[str, str]] = {
    "iss, sub, aud": "the same issuer, subject (of a machine ID@clients) and API identifier",
    "scope": "the same scopes for the same grant",
    "exp, iat": "the same lifetime",
    "alg, kid": "the same keys",
    "org_id, act, cnf": "likewise, and what Actions add",
    "Principal": "key, kind, client_id and scopes are equal in both",
}
"""What is the same in every dialect, and how."""

PIPELINES: Final[Mapping[str, str]] = {
    "gateways": "whatever validates tokens before the API: nginx ($jwt_header_typ, $jwt_claim_azp),"
    " Istio (request.auth.presenter is azp; request.auth.claims[...]), Envoy (claim_to_headers), Kong"
    " (key_claim_name), Apigee (AdditionalClaims), AWS (context.authorizer, Lambda authorizers)",
    "rate limits": "keys and quotas made of azp, or of a gateway's header that holds it",
    "caches": "entries that are keyed by claims of the token, or keep its claims",
    "logs": "fields, alerts, dashboards and bills that group by azp or gty",
    "services behind": "whoever is handed the token on, or verifies it by another library",
    "clients": "apps that read their own access token; it is not meant for them",
}
"""What reads tokens besides the API's own code, and what of it to look at."""


def changes(before: Dialect, after: Dialect) -> tuple[Change, ...]:
    """What changes in tokens when an API goes from one dialect to the other."""
    found = [
        Change(
            member.where,
            member.name,
            member.how[before.profile],
            member.how[after.profile],
            member.search,
            member.instead[after.profile],
        )
        for member in _MEMBERS
        if before.profile is not after.profile
    ]
    if before.permissions != after.permissions:
        shown = ("all that the caller may do", ABSENT)
        was, will = shown if before.permissions else shown[::-1]
        instead = _GOES if before.permissions else _COMES
        found.append(Change("claim", "permissions", was, will, _PERMISSIONS, instead))
    return tuple(found)


def lost(before: Dialect, after: Dialect) -> frozenset[str]:
    """The claims that tokens have no more."""
    return frozenset(change.name for change in changes(before, after) if change.after == ABSENT)


def is_old(before: Dialect, after: Dialect, profile: str, *, permissions: bool) -> bool:
    """Whether a token is known to be from before the change.

    Where the claim is added, none is: machines, and everybody while RBAC is off, never have it.
    profile: the name of its profile. permissions: whether it has the claim.
    """
    told_apart = before.profile is not after.profile or (before.permissions and permissions)
    return profile == before.profile.name and told_apart
