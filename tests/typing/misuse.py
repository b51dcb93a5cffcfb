"""What a type checker stops before it runs. Checked, never run.

Each comment says which error there must be: where there is none, the check fails, because a comment
that is not needed is an error itself.
"""

from atjwt import AUTH0, KeyPolicy, Principal, ResourceServer, TrustedIssuer, has_scope
from atjwt.asgi import AccessTokenMiddleware
from atjwt.migration import Ledger
from atjwt.policies import (
    acr,
    authenticated_within,
    authorization_detail,
    has_claim,
    in_org,
    is_kind,
)
from atjwt.starlette import principal_of, requires

SERVER = ResourceServer(audience="a", issuers=[TrustedIssuer.auth0("a.auth0.com")])


def positional() -> None:
    """Settings are given by name."""
    ResourceServer("a", [])  # type: ignore[call-arg]
    TrustedIssuer("https://issuer.example", {AUTH0})  # type: ignore[call-arg]
    TrustedIssuer.auth0("a.auth0.com", {AUTH0})  # type: ignore[call-arg]
    KeyPolicy(600)  # type: ignore[call-arg]
    Principal("https://issuer.example", "x")  # type: ignore[call-arg]


def unknown() -> None:
    """A setting that does not exist is none."""
    ResourceServer(audience="a", issuers=[], verify=False)  # type: ignore[call-arg]
    TrustedIssuer("https://issuer.example", algorithm="RS256")  # type: ignore[call-arg]
    TrustedIssuer.auth0("a.auth0.com", alogrithms=["RS256"])  # type: ignore[call-arg]
    ResourceServer.from_env(audience="a")  # type: ignore[call-arg]
    ResourceServer(issuers=[])  # type: ignore[call-arg]
    ResourceServer(audience="a")  # type: ignore[call-arg]


def mistaken() -> None:
    """A setting of the wrong type is refused."""
    TrustedIssuer("https://issuer.example", profiles={"auth0"})  # type: ignore[arg-type]
    TrustedIssuer("https://issuer.example", profiles=AUTH0)  # type: ignore[arg-type]
    ResourceServer(audience="a", issuers=["https://issuer.example"])  # type: ignore[list-item]
    ResourceServer(audience="a", issuers=[], observers=[5])  # type: ignore[list-item]
    ResourceServer(audience="a", issuers=[], observers=["ledger.db"])  # type: ignore[list-item]
    ResourceServer(audience="a", issuers=[], fetch=open)  # type: ignore[arg-type]
    Ledger("stdout:", "orders")  # type: ignore[call-arg]
    Ledger("stdout:")  # type: ignore[call-arg]
    AccessTokenMiddleware(5, resource_server=SERVER)  # type: ignore[arg-type]
    AccessTokenMiddleware(print, issuer=5)  # type: ignore[arg-type]


def bare_names() -> None:
    """A bare name is no policy, and a list is no name."""
    requires("read:orders")  # type: ignore[arg-type]
    has_scope(["read:orders"])  # type: ignore[arg-type]
    has_scope("a") & "b"  # type: ignore[operator]
    SERVER.authorize(None, "read:orders")  # type: ignore[arg-type]


def misasked() -> None:
    """What cannot be asked for is stopped: a misspelt kind, a value that JSON has no scalar for."""
    is_kind("machine")  # type: ignore[arg-type]
    in_org(["org_1"])  # type: ignore[arg-type]
    acr(1)  # type: ignore[arg-type]
    authenticated_within("5m")  # type: ignore[arg-type]
    has_claim("plan", "gold")  # type: ignore[call-arg]
    has_claim("plan", equals=["gold"])  # type: ignore[arg-type]
    authorization_detail("account")  # type: ignore[call-arg]
    authorization_detail(actions=["read"])  # type: ignore[call-arg]
    authorization_detail(type="account", limit=None)  # type: ignore[arg-type]
    TrustedIssuer.auth0("a.auth0.com", roles_claim=["roles"])  # type: ignore[arg-type]


def frozen(who: Principal, issuer: TrustedIssuer) -> None:
    """Nothing of a principal or of a setting can be set."""
    who.subject = "x"  # type: ignore[misc]
    who.scopes.add("admin")  # type: ignore[attr-defined]
    who.roles = frozenset({"admin"})  # type: ignore[misc]
    issuer.issuer = "x"  # type: ignore[misc]
    SERVER.leeway = 300  # type: ignore[misc]


async def nothing_sent() -> None:
    """That nothing was sent, and that a token has no permissions, has to be looked at."""
    who = await SERVER.authenticate([])
    who.subject  # type: ignore[union-attr]  # noqa: B018
    SERVER.verify_sync("x").permissions.issuperset({"a"})  # type: ignore[union-attr]
    SERVER.verify_sync("x").token  # type: ignore[attr-defined]  # noqa: B018
    await SERVER.authenticate({"authorization": "Bearer x"})  # type: ignore[dict-item]
    await SERVER.verify(None)  # type: ignore[arg-type]
    principal_of({"type": "http"})  # type: ignore[arg-type]
