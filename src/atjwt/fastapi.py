"""FastAPI: one dependency that enforces, is documented, and lets the docs page log in.

    auth = AccessTokenScheme(resource_server)

    Annotated[Principal, auth.requires(scopes=["read:orders"])]     a guard, as atjwt's own
    Annotated[Principal, Security(auth, scopes=["read:orders"])]    as FastAPI's own
    dependencies=[auth.requires(…)]                                 for a router, an app

Each guard is one dependant and a security scheme of its own, all of one name. It uses what the
`AccessTokenMiddleware` around it has verified, if that had the very same resource server, and
verifies otherwise; either way once per request, however many guards ask. How a refusal is answered
says `atjwt/refusal.py`; an `AuthError` that an endpoint raises is answered alike. What the schema
says is in `atjwt/openapi.py`.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import lru_cache

try:
    from fastapi import FastAPI, HTTPException
except ModuleNotFoundError as error:
    raise ModuleNotFoundError("FastAPI is not installed: pip install 'atjwt[fastapi]'") from error
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.params import Depends, Security
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.requests import HTTPConnection

from atjwt import openapi, refusal
from atjwt.asgi import SCOPE_KEY, Authentication
from atjwt.core.policy import Policy, all_of
from atjwt.core.principal import Principal
from atjwt.errors import AuthError, ConfigurationError
from atjwt.messages import Scope
from atjwt.policies import has_scope
from atjwt.refusal import answer_errors, refused
from atjwt.resource_server import ResourceServer
from atjwt.starlette import NONE, metadata_routes, to_policy

__all__ = ["AccessTokenScheme", "Guard", "RefusedRequest"]

_OTHERS_KEY = "atjwt.fastapi"
"""Where schemes keep what they verified, by resource server, when another one came first."""


class RefusedRequest(refusal.RefusedRequest, HTTPException):
    """A refusal as FastAPI's error handling knows it.

    detail: the safe sentence that a stranger is told. error: what was refused, and why.
    """


class Guard(SecurityBase):
    """A dependency that returns the `Principal` of a caller whom its policy lets in.

    scheme: whose guard it is. policy: None lets in any authenticated caller.
    required: False lets in callers who send nothing, as None; what is sent and invalid never passes.
    """

    def __init__(
        self, scheme: "AccessTokenScheme", policy: Policy | None, *, required: bool
    ) -> None:
        self.scheme = scheme
        self.policy = policy
        self.required = required
        self._policies = lru_cache(maxsize=64)(self._joined)

    @property
    def scheme_name(self) -> str:  # type: ignore[override]
        """What the security scheme is called in the OpenAPI document."""
        return self.scheme.name

    @property
    def model(self) -> SecurityModel:  # type: ignore[override]
        """The security scheme of the OpenAPI document, with the scopes that are in use."""
        return openapi.security_scheme(self.scheme.resource_server, self.scheme.documented)

    async def __call__(
        self, connection: HTTPConnection, security_scopes: SecurityScopes
    ) -> Principal | None:
        """Returns the caller.

        security_scopes: those that `Security(…, scopes=[…])` names, here and further out; all must
            be held.
        Raises RefusedRequest, or the AuthError itself where the app has a handler for it.
        """
        scope, scheme = connection.scope, self.scheme
        server, headers = scheme.resource_server, scope["headers"]
        method, url = scope.get("method"), scope["path"]
        policy = self._policies(tuple(security_scopes.scopes))
        answer_errors(scope)
        try:
            overrides = getattr(scope.get("app"), "dependency_overrides", None)
            if overrides and scheme in overrides:
                principal = await _overridden(overrides[scheme])
            elif SCOPE_KEY in scope and (found := _verified(scope, server)) is not None:
                principal = found.principal
            else:
                principal = await server.authenticate(headers, method=method, url=url)
                _keep(scope, Authentication(server, principal))
            if principal is None and not self.required and policy is None:
                return None
            return server.authorize(principal, policy, headers=headers, method=method, url=url)
        except AuthError as error:
            raise refused(error, server, scope, RefusedRequest) from None

    def effective_policy(self, scopes: Sequence[str]) -> Policy | None:
        """The policy together with the scopes that FastAPI's `Security` names."""
        return self._policies(tuple(scopes))

    def _joined(self, scopes: tuple[str, ...]) -> Policy | None:
        parts = [*(() if self.policy is None else (self.policy,)), *map(has_scope, scopes)]
        return all_of(*parts) if parts else None


class AccessTokenScheme(Guard):
    """Access tokens of one API as FastAPI dependencies; itself one that any caller passes.

    resource_server: who judges the tokens.
    scopes: what scopes mean, for the docs page.
    scheme_name: what the scheme is called in the OpenAPI document.
    description: what that says of it.
    authorization_url, token_url: where the docs page logs in; by default those of an Auth0 tenant,
        and for other issuers what their metadata says.

    Raises ConfigurationError: every problem, with its fix.
    """

    def __init__(
        self,
        resource_server: ResourceServer,
        *,
        scopes: Mapping[str, str] | None = None,
        scheme_name: str = "AccessToken",
        description: str | None = None,
        authorization_url: str | None = None,
        token_url: str | None = None,
    ) -> None:
        self.documented = openapi.Documented(
            scopes=dict(scopes) if isinstance(scopes, Mapping) else {},
            description=description,
            authorization_url=authorization_url,
            token_url=token_url,
        )
        problems = openapi.scheme_problems(resource_server, scopes, scheme_name, self.documented)
        if problems:
            raise ConfigurationError(f"AccessTokenScheme: {problem}" for problem in problems)
        self.resource_server = resource_server
        self.name = scheme_name
        super().__init__(self, None, required=True)

    def requires(
        self,
        *policies: Policy,
        scopes: Collection[str] = NONE,
        permissions: Collection[str] = NONE,
    ) -> Security:
        """A guard: all policies, scopes and permissions must hold.

        `requires()` alone lets in any authenticated caller.
        Raises ConfigurationError: a bare string among the policies, or a name that is none.
        """
        policy = to_policy(policies, scopes, permissions)
        needed = frozenset[str]() if policy is None else policy.scopes_needed()
        for name in needed:
            self.documented.scopes.setdefault(name, "")
        return Security(Guard(self, policy, required=True), scopes=sorted(needed))

    @property
    def optional(self) -> Security:
        """Lets in callers who send nothing, as None; what is sent and invalid never passes."""
        return Security(Guard(self, None, required=False))

    @property
    def public(self) -> Depends:
        """Declares that a route needs no token: `dependencies=[auth.public]`. Checks nothing."""
        return Depends(declared_public)

    def install(self, app: FastAPI, *, docs_client_id: str | None = None) -> None:
        """Completes an app's documentation, and tells a ledger when the app begins and ends.

        The OpenAPI document says for each route what a caller must have and how a refusal looks,
        and the docs page's *Authorize* button logs in. The docs pages are declared public. Where the
        resource server has a `resource`, its metadata is published (RFC 9728).
        docs_client_id: the client under which the docs page logs in, with PKCE and for this API's
            audience; its callback URL is the docs page's `/oauth2-redirect`.
        Raises ConfigurationError: `app` is no FastAPI app, or already has this scheme.
        """
        openapi.install(app, self, docs_client_id=docs_client_id)
        if self.resource_server.protected_resource is not None:
            for route in metadata_routes(self.resource_server):
                app.add_route(route.path, route.endpoint, include_in_schema=False)
        _tell_beginning_and_end(app, self.resource_server)


def _tell_beginning_and_end(app: FastAPI, server: ResourceServer) -> None:
    # As the middleware does by itself; where both do, the second time changes nothing.
    lifespan = app.router.lifespan_context

    @asynccontextmanager
    async def telling(app: FastAPI) -> AsyncIterator[Mapping[str, object] | None]:
        async with lifespan(app) as state:
            server.start()
            yield state
        await server.stop()

    app.router.lifespan_context = telling  # type: ignore[assignment]  # it yields what that one does


def declared_public() -> None:
    """What stands behind `auth.public`: nothing is asked."""


def _verified(scope: Scope, server: ResourceServer) -> Authentication | None:
    """What this very resource server has verified about a request already."""
    found = scope.get(SCOPE_KEY)
    if isinstance(found, Authentication) and found.resource_server is not server:
        found = scope.get(_OTHERS_KEY, {}).get(server)
    return found if isinstance(found, Authentication) else None


def _keep(scope: Scope, verified: Authentication) -> None:
    """Keeps what was verified; what another resource server has verified stays where it is."""
    if scope.setdefault(SCOPE_KEY, verified) is not verified:
        scope.setdefault(_OTHERS_KEY, {})[verified.resource_server] = verified


async def _overridden(override: Callable[..., object]) -> Principal | None:
    """What `app.dependency_overrides[auth]` says, in place of the authentication; policies stay."""
    needs = inspect.signature(override).parameters.values()
    if any(each.default is each.empty and each.kind not in _COLLECTING for each in needs):
        raise ConfigurationError(
            ["dependency_overrides[auth]: give a function without arguments that returns a Principal"
             " or None; atjwt.testing.acting_as does it for you"]
        )  # fmt: skip
    result = override()
    if isinstance(result, Awaitable):
        result = await result
    if result is not None and not isinstance(result, Principal):
        raise ConfigurationError(["dependency_overrides[auth]: return a Principal or None"])
    return result


_COLLECTING = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
