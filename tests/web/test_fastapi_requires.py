"""FastAPI's guards one by one: what they take, optional and public, and what the endpoint gets."""

from typing import Annotated, Any

import pytest
from fastapi import FastAPI, Request, Security

from atjwt import (
    ConfigurationError,
    Principal,
    Reason,
    ResourceServer,
    has_permission,
    has_scope,
)
from atjwt.events import Event
from atjwt.fastapi import AccessTokenScheme
from atjwt.starlette import principal_of
from atjwt.testing import LocalIssuer
from web.asking import ask, bearer, refusal


@pytest.fixture
def auth(server: ResourceServer) -> AccessTokenScheme:
    """The scheme of the resource server."""
    return AccessTokenScheme(server)


def taking(marker: Any) -> FastAPI:
    """An app whose one endpoint takes the caller by this annotation."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(who: Annotated[Principal, marker]) -> str:
        return who.subject

    return app


def test_policies_scopes_and_permissions_are_asked_as_everywhere(
    auth: AccessTokenScheme, issuer: LocalIssuer
) -> None:
    """What `requires` takes elsewhere it takes here; alone it means any authenticated caller."""
    either = auth.requires(has_scope("x") | has_permission("y"), scopes=["a"])
    app, anyone = taking(either), taking(auth.requires())
    cases = [
        (["a", "x"], [], 200), (["a"], ["y"], 200), (["a"], ["x"], 403), (["x"], ["y"], 403),
    ]  # fmt: skip
    for scopes, permissions, status in cases:
        token = issuer.token(
            dialect="access_token_authz", scopes=scopes, permissions=permissions, subject="ada"
        )
        assert ask(app, bearer(token)).status == status
        assert ask(anyone, bearer(token)).text == '"ada"'
    assert refusal(anyone).error is None


def test_a_stranger_is_refused_before_parameters_are_judged(auth: AccessTokenScheme) -> None:
    """What is wrong with path and query is told to callers only."""
    app = FastAPI()

    @app.get("/{order}")
    async def endpoint(order: int, page: int, who: Annotated[Principal, auth.requires()]) -> int:
        return order

    assert refusal(app, path="/seven").status == 401


# --- Optional and public --------------------------------------------------------------------------


@pytest.fixture
def menu(auth: AccessTokenScheme) -> FastAPI:
    """An app that greets those who say who they are."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(who: Annotated[Principal | None, auth.optional]) -> str | None:
        return None if who is None else who.subject

    return app


def test_optional_is_none_for_whoever_sends_nothing(menu: FastAPI, issuer: LocalIssuer) -> None:
    """And the principal for whoever sends a token; other schemes are nothing sent."""
    assert ask(menu).text == "null"
    assert ask(menu, bearer(issuer.token(subject="ada"))).text == '"ada"'
    assert ask(menu, [(b"authorization", b"Basic YTpi")]).text == "null"


def test_optional_never_lets_in_what_is_sent_and_does_not_hold(
    menu: FastAPI, issuer: LocalIssuer
) -> None:
    """Broken, malformed, or more than one: refused as where a token must be."""
    for reason in (Reason.EXPIRED, Reason.INVALID_SIGNATURE, Reason.OPAQUE_TOKEN):
        assert refusal(menu, bearer(issuer.broken(reason))).status == 401
    good = bearer(issuer.token())
    for headers in (
        good * 2,
        [*good, (b"authorization", b"Basic YTpi")],
        bearer("a b"),
        bearer(""),
    ):
        assert refusal(menu, headers).status == 400


def test_public_declares_and_reads_nothing(
    auth: AccessTokenScheme, issuer: LocalIssuer, events: list[Event]
) -> None:
    """Whatever is sent there is not looked at."""
    app = FastAPI()
    app.add_api_route("/", lambda: "in", dependencies=[auth.public])
    for headers in ([], bearer(issuer.broken(Reason.EXPIRED)), bearer("a b"), bearer("a") * 2):
        assert ask(app, headers).text == '"in"'
    assert events == []


def test_public_takes_no_guard_away(auth: AccessTokenScheme, issuer: LocalIssuer) -> None:
    """Wherever the guard is, and wherever the declaration: the guard holds."""
    for outer, inner in (
        (auth.public, auth.requires(scopes=["a"])),
        (auth.requires(scopes=["a"]), auth.public),
    ):
        app = FastAPI(dependencies=[outer])
        app.add_api_route("/", lambda: "in", dependencies=[inner])
        assert refusal(app).status == 401
        assert refusal(app, bearer(issuer.token(scopes=[]))).status == 403


# --- What the endpoint is given, and misuse -------------------------------------------------------


def test_the_endpoint_is_given_the_principal(auth: AccessTokenScheme, issuer: LocalIssuer) -> None:
    """By the annotation, and by `principal_of` the same object."""
    app = FastAPI()

    @app.get("/")
    def endpoint(request: Request, who: Annotated[Principal, auth.requires()]) -> list[Any]:
        assert principal_of(request) is who
        return [type(who).__name__, who.subject, sorted(who.scopes)]

    token = issuer.token(subject="ada", scopes=["b", "a"])
    assert ask(app, bearer(token)).text == '["Principal","ada",["a","b"]]'


@pytest.mark.parametrize(
    ("arguments", "settings", "fixes"),
    [
        (("read:orders",), {}, ["requires(scopes=['read:orders'])"]),
        ((), {"scopes": "a"}, ["scopes=['a']"]),
        ((), {"scopes": []}, ["leave scopes out"]),
        (("a",), {"scopes": "b", "permissions": ()}, ["['a']", "['b']", "leave permissions out"]),
        ((), {"scopes": ["a b"]}, ["without spaces"]),
    ],
)
def test_misuse_is_told_when_the_guard_is_made(
    auth: AccessTokenScheme, arguments: Any, settings: Any, fixes: list[str]
) -> None:
    """All that is wrong in one error, with what to write."""
    with pytest.raises(ConfigurationError) as caught:
        auth.requires(*arguments, **settings)
    assert len(caught.value.problems) == len(fixes)
    for problem, fix in zip(caught.value.problems, fixes, strict=True):
        assert fix in problem


def test_a_scope_that_is_none_lets_nobody_in(auth: AccessTokenScheme, issuer: LocalIssuer) -> None:
    """FastAPI's `Security` takes any text; what no token can hold is told, and never passes."""
    app = taking(Security(auth, scopes=["a b"]))
    for headers in ([], bearer(issuer.token(scopes=["a", "b"]))):
        with pytest.raises(ConfigurationError, match="is no scope"):
            ask(app, headers)
