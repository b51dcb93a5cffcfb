"""What a type checker stops in FastAPI apps before it runs. Checked, never run.

Each comment says which error there must be: where there is none, the check fails, because a comment
that is not needed is an error itself.
"""

from typing import Annotated

from fastapi import FastAPI
from starlette.applications import Starlette

from atjwt import Principal, ResourceServer, TrustedIssuer
from atjwt.fastapi import AccessTokenScheme

SERVER = ResourceServer(audience="a", issuers=[TrustedIssuer.auth0("a.auth0.com")])
auth = AccessTokenScheme(SERVER)


def mistaken() -> None:
    """A setting that does not exist, or is of the wrong type."""
    AccessTokenScheme()  # type: ignore[call-arg]
    AccessTokenScheme("https://a.auth0.com/")  # type: ignore[arg-type]
    AccessTokenScheme(SERVER, {"a": "A"})  # type: ignore[call-arg]
    AccessTokenScheme(SERVER, scopes=["read:orders"])  # type: ignore[arg-type]
    AccessTokenScheme(SERVER, scheme_name=None)  # type: ignore[arg-type]
    AccessTokenScheme(SERVER, tokenUrl="https://a.example/")  # type: ignore[call-arg]
    auth.install(Starlette())  # type: ignore[arg-type]
    auth.install(FastAPI(), "client")  # type: ignore[call-arg]
    auth.install(FastAPI(), docs_client_id=5)  # type: ignore[arg-type]


def bare_names() -> None:
    """A bare name is no policy, and a set of names is none either."""
    auth.requires("read:orders")  # type: ignore[arg-type]
    auth.requires(["read:orders"])  # type: ignore[arg-type]
    auth.requires(scopes=5)  # type: ignore[arg-type]
    auth.requires(scope="read:orders")  # type: ignore[call-arg]
    auth.optional()  # type: ignore[operator]
    auth.public()  # type: ignore[operator]


async def unlooked_at(who: Annotated[Principal | None, auth.optional]) -> str:
    """That nobody need be there has to be looked at."""
    return who.subject  # type: ignore[union-attr]
