"""Arguments, a setup and a store → one `Authority`.

The store wins over the setup for whatever it has seen before, so that what was changed while the
issuer ran holds after a restart; an argument that is given in so many words wins over both.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from atjwt.errors import ConfigurationError
from atjwt.issuer.api import management_audience
from atjwt.issuer.apis import Apis
from atjwt.issuer.authority import Authority
from atjwt.issuer.clients import secrets_of
from atjwt.issuer.faults import Switchboard
from atjwt.issuer.grants import Grants
from atjwt.issuer.keys import ALGORITHMS
from atjwt.issuer.organizations import Organizations
from atjwt.issuer.rings import KeyRings
from atjwt.issuer.setup import AUDIENCE, Setup
from atjwt.issuer.store import Store
from atjwt.issuer.tokens import Dialect, Mint, dialect_named
from atjwt.issuer.users import User
from atjwt.issuer.wellknown import WellKnown

_KIND: Final = "issuer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a `LocalIssuer` was asked to be; None is for what was left out."""

    issuer: str
    audience: str | None = None
    algorithm: str | None = None
    dialect: Dialect | None = None
    users: Iterable[User] | None = None
    setup: Setup = Setup()
    clock: Callable[[], float] = time.time
    max_age: int = 600
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep


def build_authority(plan: Plan, store: Store) -> Authority:
    """Joins the parts. Raises ValueError; ConfigurationError: what the store has cannot be read."""
    parts = urlsplit(plan.issuer)
    if parts.scheme not in {"http", "https"} or not parts.netloc or parts.query:
        raise ValueError("issuer is an http or https URL without a query")
    if plan.dialect is not None:
        dialect_named(plan.dialect)
    audience, algorithm = _remembered(plan, store)
    setup = plan.setup.completed(audience=audience, users=plan.users)
    keys, faults = KeyRings(algorithm, store), Switchboard()
    grants = Grants(store, management=management_audience(plan.issuer))
    apis = Apis(store, issuer=plan.issuer, algorithm=algorithm, grants=grants, prepare=keys.prepare)
    apis.begin(setup.apis)
    _insist(apis, audience, plan)
    grants.begin(setup.grants, [api.identifier for api in apis.all() if not api.is_system])
    store.put(_KIND, "main", {"audience": audience, "algorithm": algorithm})
    apis.settle()
    for api in apis.all():
        keys.signer_for(api)  # so that all keys are published before the first token
    return Authority(
        keys=keys,
        mint=Mint(issuer=plan.issuer, audience=audience, clock=plan.clock, keys=keys.main),
        faults=faults,
        wellknown=WellKnown(
            issuer=plan.issuer,
            keys=keys,
            faults=faults,
            max_age=plan.max_age,
            scopes=lambda: _scopes(apis),
            sleep=plan.sleep,
        ),
        store=store,
        apis=apis,
        clients=setup.clients,
        secrets=secrets_of(setup.clients, store),
        grants=grants,
        users=setup.users,
        organizations=Organizations(
            known=setup.organizations, with_names=setup.with_organization_names
        ),
    )


def _remembered(plan: Plan, store: Store) -> tuple[str, str]:
    """The main API's identifier and the issuer's algorithm: as asked for, else as last time."""
    kept = store.all(_KIND).get("main", {})
    audience = plan.audience or plan.setup.audience or _text(kept, "audience") or AUDIENCE
    before = _text(kept, "algorithm")
    return audience, plan.algorithm or (before if before in ALGORITHMS else None) or "RS256"


def _text(kept: Mapping[str, object], name: str) -> str | None:
    value = kept.get(name)
    return value if isinstance(value, str) and value else None


def _insist(apis: Apis, audience: str, plan: Plan) -> None:
    """Makes the main API what was asked for in so many words, whatever the store remembers."""
    main = apis.of_audience(audience)
    if main is None and plan.dialect is not None:
        raise ConfigurationError([
            "the main API was removed, and cannot be given a dialect; leave the dialect out and make"
            " the API again, or name another audience"
        ])  # fmt: skip
    asked: dict[str, object] = {"token_dialect": plan.dialect}
    settings = (api for api in plan.setup.apis if api["identifier"] == audience)
    if not any("signing_alg" in api for api in settings):  # its own, whatever the issuer's is
        asked["signing_alg"] = plan.algorithm
    changes = {
        name: value
        for name, value in asked.items()
        if value is not None and main is not None and main.members.get(name) != value
    }
    if main is not None and changes:
        apis.change(main.id, changes)


def _scopes(apis: Apis) -> list[str]:
    names = (name for api in apis.all() if not api.is_system for name in api.scopes)
    return list(dict.fromkeys(names))
