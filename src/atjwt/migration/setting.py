"""What an API is set to, as far as its tokens take it, read from the Management API's answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from atjwt.migration.dialects import Dialect, dialect_set
from atjwt.migration.management import ManagementError

DEFAULT_LIFETIME: Final = 86_400.0
"""Seconds (Auth0: Update Access Token Lifetime)."""

_LONGEST: Final = 10 * 366 * 86_400  # seconds; whatever says more is no lifetime

_Value = TypeVar("_Value", bool, str)


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiSetting:
    """The settings of one API that its tokens depend on.

    identifier: as in `aud`. issuer: as in `iss` of tokens from the tenant's own domain.
    id: at the Management API; empty where that was not asked.
    lifetime, lifetime_for_web: seconds. is_system: Auth0's own, which nobody changes.
    rbac: `enforce_policies`; None where it is not known. algorithm: `signing_alg`; or empty.
    encrypted: its tokens are JWEs. bound: whether `proof_of_possession` is `allowed`, `required`, or
    empty. agents: `agent_subject_claims` is set.
    """

    identifier: str
    issuer: str
    dialect: Dialect
    id: str = ""
    lifetime: float = DEFAULT_LIFETIME
    lifetime_for_web: float | None = None
    is_system: bool = False
    rbac: bool | None = None
    algorithm: str = ""
    encrypted: bool = False
    bound: str = ""
    agents: bool = False

    @property
    def longest(self) -> float:
        """Seconds that a token may live."""
        return max(self.lifetime, self.lifetime_for_web or 0.0)

    @classmethod
    def from_settings(cls, settings: Mapping[str, object], issuer: str) -> Self:
        """Reads a resource server object. What is not in it has Auth0's default.

        Raises ManagementError: it is none. ConfigurationError: its dialect is not known here.
        """
        identifier = _read(settings, "identifier", str)
        if not identifier:
            raise ManagementError("the answer is no resource server: it has no identifier")
        proof = settings.get("proof_of_possession")
        bound = ""
        if isinstance(proof, dict):
            bound = "required" if proof.get("required") is True else "allowed"
        return cls(
            identifier=identifier,
            issuer=issuer,
            dialect=dialect_set(settings),
            id=_read(settings, "id", str) or "",
            lifetime=_or(_seconds(settings, "token_lifetime"), DEFAULT_LIFETIME),
            lifetime_for_web=_seconds(settings, "token_lifetime_for_web"),
            is_system=_read(settings, "is_system", bool) or False,
            rbac=_read(settings, "enforce_policies", bool) or False,
            algorithm=_read(settings, "signing_alg", str) or "",
            encrypted=settings.get("token_encryption") is not None,
            bound=bound,
            agents=settings.get("agent_subject_claims") is not None,
        )


def lifetime_of(settings: Mapping[str, object]) -> float:
    """The largest lifetime, in seconds, that new tokens have under these settings.

    Raises ManagementError: they do not say.
    """
    told = (_seconds(settings, "token_lifetime"), _seconds(settings, "token_lifetime_for_web"))
    return max(_or(told[0], DEFAULT_LIFETIME), _or(told[1], 0.0))


def _seconds(settings: Mapping[str, object], name: str) -> float | None:
    value = settings.get(name)
    if value is None:
        return None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if is_number and 0 <= (seconds := float(str(value))) <= _LONGEST and seconds.is_integer():
        return seconds
    raise ManagementError(
        f"the answer is no resource server: {name} is no number of seconds; see what the API has there, "
        "and set it anew"
    )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _read(settings: Mapping[str, object], name: str, wanted: type[_Value]) -> _Value | None:
    value = settings.get(name)
    if value is None:
        return None
    if not isinstance(value, wanted):
        raise ManagementError(f"the answer is no resource server: {name} is of another type")
    return value
