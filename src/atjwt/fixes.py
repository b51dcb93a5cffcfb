"""What is likely to mend a token that is refused, for each reason: a table.

For the owner of the API, with the token in hand. A sentence may compare a claim with what is
configured, and tell a time as a difference from now; it never repeats what a claim says.
"""

from collections.abc import Callable, Mapping

from atjwt.core.configuration import host_of
from atjwt.core.explain import Facts
from atjwt.core.jwk import ALGORITHMS
from atjwt.core.member import is_time, slash_hint
from atjwt.core.profile import AUTH0
from atjwt.errors import Reason


def fix_of(reason: Reason, facts: Facts) -> str:
    """One sentence, or a few, with what to do. facts: of the refused token, as `explain` left them."""
    fix = _FIXES[reason]
    return fix if isinstance(fix, str) else fix(facts)


def spoken(seconds: float) -> str:
    """A span of time as people say it: its two largest units."""
    rest = round(abs(seconds))
    said: list[str] = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or (unit == "s" and not said):
            said.append(f"{count} {unit}")
    return " ".join(said[:2])


def _audience_of(facts: Facts) -> list[str]:
    aud = facts.token.claims.get("aud")
    names = aud if isinstance(aud, list) else [aud]
    return [name for name in names if isinstance(name, str)]


def _too_large(facts: Facts) -> str:
    return (
        f"it has {len(facts.credentials)} bytes and the API reads {facts.max_size}: put fewer or"
        " shorter claims into it, or raise ResourceServer(max_token_size=…)"
    )


def _opaque(facts: Facts) -> str:
    if facts.credentials.count(b".") == 1:
        return "it has two parts, where a JWT has three: it was probably cut off; copy it whole"
    return (
        "an opaque token is what an authorization server issues when no audience was asked for:"
        " ask for one with audience= and the API's identifier (RFC 8707: resource=)"
    )


def _unknown_issuer(facts: Facts) -> str:
    iss = str(facts.token.claims["iss"])
    if slash_hint("issuer", [iss], facts.issuers):
        word = "ends with a slash" if iss.endswith("/") else "has no slash at its end"
        return f"iss {word}: write the configured issuer the same way, character by character"
    if host_of(iss) in {host_of(issuer) for issuer in facts.issuers}:
        return (
            "iss has the host of a configured issuer and differs in scheme, port, path or case:"
            " write the configured issuer exactly as the authorization server does"
        )
    return (
        "it comes from another authorization server or tenant, or from another domain of the same"
        " tenant: ask at the configured one for a token, or add its issuer to `issuers`"
    )


def _wrong_type(facts: Facts) -> str:
    if facts.typ is None:
        return (
            "an access token of either profile has a typ: let the authorization server issue tokens"
            " of the RFC 9068 profile (typ at+jwt)"
        )
    return (
        "its typ is that of another kind of token, such as a proof, a logout or an ID token: send"
        " the access_token of the token response"
    )


def _not_accepted(facts: Facts) -> str:
    if facts.profile is AUTH0 and not facts.issuer.is_auth0:
        return (
            "if this is a custom domain of Auth0, or the local issuer, give --profiles auth0,rfc9068,"
            " or write TrustedIssuer.auth0(…), or profiles={AUTH0, RFC9068}; else let the"
            " authorization server issue tokens of the RFC 9068 profile (typ at+jwt)"
        )
    return (
        f"accept the profile {facts.profile} from this issuer as well (profiles={{AUTH0, RFC9068}};"
        " ATJWT_PROFILES or --profiles auth0,rfc9068), or set the API's token profile at the"
        " authorization server to one that is accepted"
    )


def _algorithm(facts: Facts) -> str:
    if facts.alg == "HS256":
        return (
            "it is signed with a shared secret: set the API's signing algorithm to RS256 at the"
            " authorization server, or give the issuer secret=… (--algorithms HS256 with ATJWT_SECRET)"
        )
    if facts.alg in ALGORITHMS:
        return (
            f"it is signed by {facts.alg}: add that to the issuer's algorithms, if the authorization"
            " server is meant to sign by it"
        )
    return "no signature of that kind can be accepted: find out who made this token"


def _expired(facts: Facts) -> str:
    exp = facts.token.claims.get("exp")
    ago = spoken(facts.now - exp) if is_time(exp) else ""
    return (
        f"it expired {ago} ago: get a new one; if it ought to be valid still, a clock is off (atjwt"
        f" doctor compares them), and the leeway of {facts.leeway:g} s is not enough"
    )


def _not_yet(facts: Facts) -> str:
    nbf = facts.token.claims.get("nbf")
    ahead = spoken(nbf - facts.now) if is_time(nbf) else ""
    return (
        f"it is valid in {ahead} only: a clock is off, this one's or the issuer's (atjwt doctor"
        f" compares them), and the leeway of {facts.leeway:g} s is not enough"
    )


def _wrong_audience(facts: Facts) -> str:
    names, claims = _audience_of(facts), facts.token.claims
    if slash_hint("audience", names, facts.audience):
        return (
            "aud and the configured audience differ in the slash at their end only: write the"
            " audience exactly as the API's identifier is registered"
        )
    if any(claims.get(member) in names for member in ("azp", "client_id")):
        return "aud is the client itself, as in an ID token: send the access_token instead"
    if all(name.endswith("/userinfo") for name in names):
        return (
            "it is for the issuer's own /userinfo: ask the authorization server with audience= and"
            " the API's identifier"
        )
    return (
        "it was issued for another API: ask the authorization server with audience= and this API's"
        " identifier"
    )


def _missing_claim(facts: Facts) -> str:
    profile = getattr(facts, "profile", None)
    if profile is AUTH0 and "client_id" in facts.token.claims:
        return (
            "its typ is that of Auth0's profile, its claims are not: let the authorization server"
            " issue tokens of the RFC 9068 profile (typ at+jwt)"
        )
    named = f"the profile {profile}" if profile else "every profile"
    return (
        f"{named} requires that claim: correct what the authorization server writes into access"
        " tokens, or choose the profile that it really issues"
    )


_DAMAGED = "it was changed or cut off on its way: copy it anew, whole, from the token response"
_STRANGE = "no usual authorization server issues such a header: find out who made this token"

_FIXES: Mapping[Reason, str | Callable[[Facts], str]] = {
    Reason.MALFORMED_CREDENTIALS: (
        "send Authorization: Bearer, one blank and the token: no quotes, blanks or line breaks in it"
    ),
    Reason.TOKEN_TOO_LARGE: _too_large,
    Reason.OPAQUE_TOKEN: _opaque,
    Reason.ENCRYPTED_TOKEN: (
        "the authorization server encrypts this API's access tokens (JWE): switch that off there, so"
        " that they are signed only"
    ),
    Reason.INVALID_ENCODING: _DAMAGED,
    Reason.INVALID_JSON: _DAMAGED,
    Reason.INVALID_HEADER: _STRANGE,
    Reason.CRITICAL_HEADER: _STRANGE,
    Reason.UNKNOWN_ISSUER: _unknown_issuer,
    Reason.WRONG_TYPE: _wrong_type,
    Reason.PROFILE_NOT_ACCEPTED: _not_accepted,
    Reason.ALGORITHM_NOT_ALLOWED: _algorithm,
    Reason.KEYS_UNAVAILABLE: "atjwt doctor tells why the issuer's keys cannot be had",
    Reason.MISSING_KEY_ID: (
        "Auth0 names the key in every token that it signs by one: this token was made by somebody"
        " else, or altered"
    ),
    Reason.UNKNOWN_KEY: (
        "its key was withdrawn after a rotation, or belongs to another tenant or a local issuer under"
        " the same name: get a new token from the configured issuer"
    ),
    Reason.UNSUITABLE_KEY: (
        "the issuer publishes this key for another algorithm or use, or it is too weak: correct the"
        " key set (atjwt doctor lists it)"
    ),
    Reason.AMBIGUOUS_KEY: (
        "several of the issuer's keys fit: give each a kid of its own, and name it in the token"
    ),
    Reason.INVALID_SIGNATURE: (
        "it was changed after it was signed, or signed by another key of the same kid: copy it anew,"
        " whole, or get a new one from the configured issuer"
    ),
    Reason.EXPIRED: _expired,
    Reason.NOT_YET_VALID: _not_yet,
    Reason.WRONG_AUDIENCE: _wrong_audience,
    Reason.MISSING_CLAIM: _missing_claim,
    Reason.INVALID_CLAIM: (
        "that claim is of another JSON type than it must be: correct the action or mapper that"
        " writes it"
    ),
    Reason.CLIENT_MISMATCH: (
        "azp and client_id must name the same client: correct the action or mapper that writes them"
    ),
    Reason.ID_TOKEN: "send the access_token of the token response, not its id_token",
    Reason.BOUND_TOKEN: (
        "it is bound to a key (DPoP or mutual TLS) and this API takes bearer tokens: ask for one"
        " without sender constraint, or switch that off for this API"
    ),
}
