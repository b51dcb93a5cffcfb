"""For which of an app's issuers a local one stands in, and what its tokens then say.

Everything that would make every token fail is found here and said at once, with the fix.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, get_args

from atjwt.core.profile import AUTH0, RFC9068, Profile
from atjwt.core.token import parse_token
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.errors import Reason
from atjwt.issuer import Algorithm, Dialect
from atjwt.resource_server import ResourceServer

_T = TypeVar("_T")
_ALGORITHMS: Final[tuple[str, ...]] = get_args(Algorithm)


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One issuer of an app.

    issuer: its identifier, for `iss`. audience: for `aud`.
    trusted: how each resource server that trusts it does so.
    profiles, algorithms: what all of them accept from it.
    """

    issuer: str
    audience: str
    trusted: dict[ResourceServer, TrustedIssuer]
    profiles: frozenset[Profile]
    algorithms: frozenset[str]

    @property
    def dialect(self) -> Dialect | None:
        """The dialect of tokens that name none; None where the usual one is accepted."""
        return "access_token" if self.profiles and RFC9068 not in self.profiles else None

    def obstacle(self, reason: Reason, token: str) -> str | None:
        """Why the app cannot refuse for this reason, as it is configured; None where it can.

        token: the one that is to be refused.
        """
        if reason is Reason.PROFILE_NOT_ACCEPTED and len(self.profiles) > 1:
            return f"the app accepts both profiles from {self.issuer}"
        if reason is Reason.MISSING_KEY_ID and AUTH0 not in self.profiles:
            return "the app accepts the RFC 9068 profile only, in which kid may be absent"
        if reason is Reason.TOKEN_TOO_LARGE:
            longest = max(server.max_token_size for server in self.trusted)
            return (
                f"the app reads tokens of up to {longest} bytes" if len(token) <= longest else None
            )
        if reason is Reason.UNSUITABLE_KEY:
            alg = parse_token(token.encode("ascii")).alg
            if alg not in self.algorithms:
                return f"the app does not accept {alg} from {self.issuer}"
        return None


def choose(
    servers: Sequence[ResourceServer],
    *,
    issuer: str | None,
    own_issuer: str,
    own_audience: str,
    algorithm: str,
) -> Choice:
    """The issuer that is named, or the only one, or the one of the local issuer's own name.

    servers: of the app, the outermost first. own_issuer, own_audience, algorithm: of the local one.
    Raises ValueError.
    """
    listed = [(server, trusted) for server in servers for trusted in server.issuers]
    chosen = _named(
        list(dict.fromkeys(trusted.issuer for _, trusted in listed)), issuer, own_issuer
    )
    trusted = {server: trusted for server, trusted in listed if trusted.issuer == chosen}
    if any(each.static_keys is not None and each.static_keys.secret for each in trusted.values()):
        raise ValueError(
            f"stands_in_for: {chosen} signs with a shared secret, which no key set can stand in for;"
            " acting_as(app, None, principal(…)) needs no token"
        )
    algorithms = _common(each.algorithms for each in trusted.values())
    if algorithm not in algorithms:
        raise ValueError(
            f"stands_in_for: this issuer signs by {algorithm}, which the app does not accept from"
            f" {chosen}; {_advice(algorithms)}"
        )
    return Choice(
        issuer=chosen,
        audience=_audience(trusted, own_audience),
        trusted=trusted,
        profiles=_common(each.profiles for each in trusted.values()),
        algorithms=algorithms,
    )


def _named(issuers: Sequence[str], issuer: str | None, own: str) -> str:
    if issuer is None and len(issuers) == 1:
        return issuers[0]
    chosen = own if issuer is None else issuer
    if chosen in issuers:
        return chosen
    spellings = " or ".join(f'issuer="{each}"' for each in issuers)
    problem = "trusts several issuers" if issuer is None else "does not trust the issuer named"
    raise ValueError(f"stands_in_for: the app {problem}; write stands_in_for(app, {spellings})")


def _audience(servers: Iterable[ResourceServer], own: str) -> str:
    """The local issuer's own where it is one of the app's, else the app's first."""
    audiences = [name for server in servers for name in server.audience]
    return own if own in audiences else audiences[0]


def _advice(algorithms: frozenset[str]) -> str:
    ours = [each for each in _ALGORITHMS if each in algorithms]
    if ours:
        return f'write LocalIssuer(algorithm="{ours[0]}")'
    return f"of what it accepts ({', '.join(sorted(algorithms))}) a LocalIssuer signs by none"


def _common(sets: Iterable[Iterable[_T]]) -> frozenset[_T]:
    return frozenset.intersection(*map(frozenset, sets))
