"""One API (a resource server) as the issuer knows it: an id, and the settings that were made.

The settings are kept as the Management API writes them, so that what was sent is what is kept and
shown. What was never set has Auth0's default; `token_dialect` and `enforce_policies` are then not
shown either, as in recorded answers. Every value was held against `atjwt.issuer.members`.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final, cast

from atjwt.issuer.clients import EVERY_API, MANAGEMENT
from atjwt.issuer.loopback import loopback_origin
from atjwt.issuer.tokens import Dialect

MANAGEMENT_SCOPES: Final = (
    *(f"{verb}:resource_servers" for verb in ("read", "create", "update", "delete")),
    *(f"{verb}:client_grants" for verb in ("read", "create", "update", "delete")),
    *(f"{verb}:signing_keys" for verb in ("read", "create", "update")),
)
"""The scopes of the issuer's own Management API."""

_LIFETIME: Final = 86_400  # seconds, as at Auth0; so are the 7,200 of browser flows
_LIFETIME_FOR_WEB: Final = 7_200
_SUBJECT_TYPES: Final[Mapping[str, object]] = {
    "client": {"policy": "require_client_grant"},
    "user": {"policy": "allow_all"},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Api:
    """One API and its settings.

    id: 24 hexadecimal digits. members: what was set, by the names of the Management API.
    is_system: the issuer's own; nobody changes it.
    """

    id: str
    members: Mapping[str, object] = field(repr=False)  # there may be a signing secret in it
    is_system: bool = False

    @property
    def identifier(self) -> str:
        """The `aud` of its tokens."""
        return cast("str", self.members["identifier"])

    @property
    def name(self) -> str:
        """What it is called; its identifier where nobody said."""
        return cast("str", self.members.get("name", self.identifier))

    @property
    def dialect(self) -> Dialect:
        """How its tokens are written; `access_token` where it was never set."""
        return cast("Dialect", self.members.get("token_dialect", "access_token"))

    @property
    def enforces_policies(self) -> bool:
        """Whether RBAC is on: users get what they are assigned and nothing else."""
        return cast("bool", self.members.get("enforce_policies", False))

    @property
    def lifetime(self) -> int:
        """Seconds that its tokens live.

        `token_lifetime_for_web` is kept and shown, and of no effect here: it is for the implicit
        and the hybrid flow, which are not served; a code with PKCE brings the other one.
        """
        return cast("int", self.members.get("token_lifetime", _LIFETIME))

    @property
    def signing_alg(self) -> str:
        """The `alg` of its tokens."""
        return cast("str", self.members["signing_alg"])

    @property
    def signing_secret(self) -> str:
        """What signs by HS256; there is one wherever that is the algorithm."""
        return cast("str", self.members["signing_secret"])

    @property
    def scopes(self) -> tuple[str, ...]:
        """The names of its permissions."""
        return scope_names(self.members)

    @property
    def scope_entries(self) -> list[dict[str, str]]:
        """Its permissions: `value`, and `description` where there is one."""
        return [*cast("list[dict[str, str]]", self.members.get("scopes", []))]

    def policy_for(self, subject_type: str) -> str:
        """Who gets tokens: the policy for subjects of the type `user` or `client`."""
        policies = cast("dict[str, dict[str, str]]", self._subject_types())
        return policies[subject_type]["policy"]

    def is_set(self, name: str) -> bool:
        """Whether a setting without a default was made."""
        return name in self.members

    def as_json(self) -> dict[str, object]:
        """The resource server object that the Management API answers with."""
        shown: dict[str, object] = {
            "id": self.id,
            **({"is_system": True} if self.is_system else {}),
            "scopes": [],
            "allow_offline_access": False,
            "skip_consent_for_verifiable_first_party_clients": False,
            "token_lifetime": _LIFETIME,
            "token_lifetime_for_web": min(_LIFETIME_FOR_WEB, self.lifetime),
            **self.members,
            "subject_type_authorization": self._subject_types(),
        }
        if "token_encryption" in shown:
            shown["token_encryption"] = _without_pem(self.members["token_encryption"])
        return shown

    def _subject_types(self) -> dict[str, object]:
        own = cast("Mapping[str, object]", self.members.get("subject_type_authorization", {}))
        return {**_SUBJECT_TYPES, **own}


def scope_names(members: Mapping[str, object]) -> tuple[str, ...]:
    """The names of the scopes in an API's settings."""
    entries = cast("list[dict[str, str]]", members.get("scopes", []))
    return tuple(entry["value"] for entry in entries)


def new_id() -> str:
    """An id for a new API, of the shape that Auth0's have."""
    return secrets.token_hex(12)


def completed(members: Mapping[str, object], algorithm: str) -> dict[str, object]:
    """Settings as they are kept: null taken away, an algorithm always there, a secret if it needs one.

    algorithm: by which an API signs that was not told.
    """
    kept = {name: value for name, value in members.items() if value is not None}
    kept.setdefault("signing_alg", algorithm)
    if kept["signing_alg"] == "HS256":
        kept.setdefault("signing_secret", secrets.token_urlsafe(32))
    return kept


def management_api(issuer: str, algorithm: str) -> Api:
    """The issuer's own API, which is there without being kept anywhere."""
    identifier = management_audience(issuer)
    return Api(
        id=sha256(b"atjwt management api").hexdigest()[:24],
        members={
            "name": "Management API",
            "identifier": identifier,
            "scopes": [{"value": name, "description": _what(name)} for name in MANAGEMENT_SCOPES],
            "signing_alg": algorithm,
        },
        is_system=True,
    )


def management_audience(issuer: str) -> str:
    """The identifier of the issuer's Management API, which is its address too."""
    return f"{issuer.rstrip('/')}/api/v2/"


def is_reserved(identifier: str, issuer: str) -> bool:
    """Whether an identifier means something to this issuer, or to one on another port.

    A state file may be used on another port next time, and what was an API's would be the
    Management API's then. `management` and `*` are words of a setup's grants.
    """
    own = {management_audience(issuer), f"{issuer.rstrip('/')}/userinfo", MANAGEMENT, EVERY_API}
    is_local = loopback_origin(identifier) is not None
    return identifier in own or (is_local and identifier.endswith(("/api/v2/", "/userinfo")))


def _what(scope: str) -> str:
    return scope.replace(":", " ").replace("_", " ").title()


def _without_pem(encryption: object) -> dict[str, object]:
    # A recorded answer shows the key's name, algorithm and thumbprint, and never the key.
    key = cast("dict[str, dict[str, str]]", encryption)["encryption_key"]
    shown = {name: value for name, value in key.items() if name != "pem"}
    thumbprint = sha256(key["pem"].encode("utf-8")).hexdigest()
    return {
        "format": "compact-nested-jwe",
        "encryption_key": {**shown, "thumbprint_sha256": thumbprint},
    }
