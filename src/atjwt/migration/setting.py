"""What an API is set to, as far as its tokens take it, read from the Management API's answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self, TypeVar

from atjwt.migration.dialects import Dialect, dialect_set
from atjwt.migration.management import ManagementError

DEFAULT_LIFETIME: Final = 86_400.0
"""Seconds (Auth0: Update Access Token Lifetime)."""

_Value = TypeVar("_Value", bool, int, str)


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
        web = _read(settings, "token_lifetime_for_web", int)
        proof = settings.get("proof_of_possession")
        bound = ""
        if isinstance(proof, dict):
            bound = "required" if proof.get("required") is True else "allowed"
        return cls(
            identifier=identifier,
            issuer=issuer,
            dialect=dialect_set(settings),
            id=_read(settings, "id", str) or "",
            lifetime=float(_or(_read(settings, "token_lifetime", int), DEFAULT_LIFETIME)),
            lifetime_for_web=None if web is None else float(web),
            is_system=_read(settings, "is_system", bool) or False,
            rbac=_read(settings, "enforce_policies", bool) or False,
            algorithm=_read(settings, "signing_alg", str) or "",
            encrypted=settings.get("token_encryption") is not None,
            bound=bound,
            agents=settings.get("agent_subject_claims") is not None,
        )


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _read(settings: Mapping[str, object], name: str, wanted: type[_Value]) -> _Value | None:
    value = settings.get(name)
    if value is None:
        return None
    if not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise ManagementError(f"the answer is no resource server: {name} is of another type")
    return value
