"""Reads the vectors and builds the API that each one is sent to.

`build.py` says what the files hold. Here their words become ours: a `Vector` is one case, typed, and
`resource_server` is the `ResourceServer` that its settings describe, with the case's time as clock.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, cast

from atjwt import AUTH0, RFC9068, Principal, ResourceServer, TrustedIssuer
from atjwt.core.profile import Profile

JSON = Mapping[str, Any]
"""One JSON object."""

_PROFILES: Mapping[str, Profile] = {"auth0": AUTH0, "rfc9068": RFC9068}


@dataclass(frozen=True, slots=True)
class Vector:
    """One case.

    id: the file and the name of the case.
    token: the credentials; its characters are bytes (Latin-1).
    issuers: the settings of each trusted issuer, its key set under `jwks`.
    reason, status: why it is refused and the status of the answer; None and 200 where it is let in.
    principal: the fields that the principal must have; None where it is refused.
    """

    id: str
    token: str
    issuers: tuple[JSON, ...]
    audience: str | tuple[str, ...]
    leeway: float | None
    now: float
    reason: str | None
    status: int
    principal: JSON | None
    why: str
    source: str

    def credentials(self) -> bytes:
        """What stands behind `Bearer` in the Authorization header."""
        return self.token.encode("latin-1")


def files() -> list[Path]:
    """The files of vectors."""
    return sorted(Path(__file__).parent.glob("*.json"))


@cache
def cases() -> tuple[Vector, ...]:
    """Every case of every file."""
    return tuple(
        _vector(path.stem, case, document)
        for path in files()
        for document in [json.loads(path.read_text(encoding="ascii"))]
        for case in document["cases"]
    )


def _vector(file: str, case: JSON, document: JSON) -> Vector:
    settings: JSON = document["settings"][case["settings"]]
    key_sets: Mapping[str | None, JSON | None] = {None: None, **document["key_sets"]}
    token, audience, expect = case["token"], settings["audience"], case["expect"]
    others = [{**other, "jwks": key_sets[other["jwks"]]} for other in settings.get("also", ())]
    return Vector(
        id=f"{file}/{case['id']}",
        token=token if isinstance(token, str) else token["repeat"] * token["count"],
        issuers=({**settings, "jwks": key_sets[case["jwks"]]}, *others),
        audience=audience if isinstance(audience, str) else tuple(audience),
        leeway=settings.get("leeway"),
        now=case["now"],
        reason=expect.get("reason"),
        status=expect.get("status", 200),
        principal=expect.get("principal"),
        why=case["why"],
        source=case["source"],
    )


def resource_server(vector: Vector) -> ResourceServer:
    """The API that the vector is sent to, as its own settings describe it."""
    options: dict[str, Any] = {} if vector.leeway is None else {"leeway": vector.leeway}
    return ResourceServer(
        audience=vector.audience,
        issuers=[_trusted_issuer(settings) for settings in vector.issuers],
        clock=lambda: vector.now,
        fetch=_nothing_is_fetched,
        **options,
    )


async def _nothing_is_fetched(url: str) -> NoReturn:
    # All keys are given; a token that makes us fetch some is answered 503, and its test fails.
    raise AssertionError(f"fetched {url}")


def _trusted_issuer(settings: JSON) -> TrustedIssuer:
    options: dict[str, Any] = {
        "profiles": frozenset(_PROFILES[name] for name in settings["profiles"]),
        "jwks": settings["jwks"],
    }
    if "algorithms" in settings:
        options["algorithms"] = settings["algorithms"]
    if "secret" in settings:
        options["secret"] = settings["secret"].encode("utf-8")
    issuer = cast("str", settings["issuer"])
    if settings.get("auth0"):
        return TrustedIssuer.auth0(issuer.removeprefix("https://").removesuffix("/"), **options)
    return TrustedIssuer(issuer, **options)


def fields(principal: Principal) -> dict[str, Any]:
    """The fields of a principal as the vectors write them: sets as sorted lists."""
    permissions = principal.permissions
    return {
        "issuer": principal.issuer,
        "subject": principal.subject,
        "client_id": principal.client_id,
        "kind": principal.kind,
        "scopes": sorted(principal.scopes),
        "permissions": None if permissions is None else sorted(permissions),
        "profile": str(principal.profile),
        "audience": list(principal.audience),
        "issued_at": principal.issued_at,
        "expires_at": principal.expires_at,
        "token_id": principal.token_id,
    }
