"""`app.dependency_overrides[auth]`: who is calling is said, and what they may do is checked as ever."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from atjwt import ConfigurationError, Principal, Reason, ResourceServer, has_scope
from atjwt.events import AccessDenied, Event
from atjwt.fastapi import AccessTokenScheme
from atjwt.testing import LocalIssuer, acting_as, principal
from web.asking import Answer, ask, bearer, refusal

ADA = principal("ada", scopes=["a"])


@pytest.fixture
def auth(server: ResourceServer) -> AccessTokenScheme:
    """The scheme of the resource server."""
    return AccessTokenScheme(server)


@pytest.fixture
def app(auth: AccessTokenScheme) -> FastAPI:
    """An app with a guard of each kind."""
    app = FastAPI()
    router = APIRouter(dependencies=[auth.requires(scopes=["a"])])

    async def inner(who: Annotated[Principal, auth.requires(has_scope("a"))]) -> Principal:
        return who

    @router.get("/routed")
    def routed(who: Annotated[Principal, auth.requires()]) -> str:
        return who.subject

    @app.get("/guarded")
    async def guarded(who: Annotated[Principal, auth.requires(scopes=["a"])]) -> str:
        return who.subject

    @app.get("/deep")
    async def deep(who: Annotated[Principal, Depends(inner)]) -> str:
        return who.subject

    @app.get("/optional")
    async def optional(who: Annotated[Principal | None, auth.optional]) -> str:
        return "nobody" if who is None else who.subject

    @app.get("/scheme")
    async def scheme(who: Annotated[Any, Depends(auth)]) -> str:
        return "nobody" if who is None else who.subject

    app.include_router(router)
    return app


GUARDED = ("/guarded", "/deep", "/routed")


def _says(who: Principal | None) -> Callable[[], Principal | None]:
    def override() -> Principal | None:
        return who

    return override


async def _async_ada() -> Principal:
    return ADA


class _Ada:
    def __call__(self) -> Principal:
        return ADA


@pytest.mark.parametrize(
    "override",
    [
        _says(ADA),
        _async_ada,
        lambda: ADA,
        functools.partial(lambda who: who, ADA),
        _Ada(),
        lambda *args, **kwargs: ADA,
        lambda who=ADA: who,
    ],
    ids=["function", "async", "lambda", "partial", "object", "collecting", "default"],
)
def test_it_says_who_is_calling(app: FastAPI, auth: AccessTokenScheme, override: Any) -> None:
    """Whatever the request carries, good, bad or nothing."""
    app.dependency_overrides[auth] = override
    for path in (*GUARDED, "/optional"):
        for headers in ([], bearer("x"), bearer("a b")):
            assert ask(app, headers, path=path).text == '"ada"'


def test_policies_are_checked_all_the_same(
    app: FastAPI, auth: AccessTokenScheme, events: list[Event]
) -> None:
    """With the refusals of production, told as there."""
    app.dependency_overrides[auth] = lambda: principal("ben", scopes=["b"])
    for path in GUARDED:
        events.clear()
        told = refusal(app, path=path)
        assert (told.status, told.scope) == (403, "a")
        [event] = events
        assert isinstance(event, AccessDenied)
        assert event.reason is Reason.MISSING_SCOPE
    assert ask(app, path="/optional").text == '"ben"'


def test_none_is_nobody(app: FastAPI, auth: AccessTokenScheme) -> None:
    """As when nothing is sent: 401 where somebody must be, None where nobody need be."""
    app.dependency_overrides[auth] = lambda: None
    for path in GUARDED:
        assert refusal(app, path=path).error is None
    assert ask(app, path="/optional").text == '"nobody"'


def test_an_error_of_the_override_is_a_refusal(app: FastAPI, auth: AccessTokenScheme) -> None:
    """A test can have its app refuse for any reason."""

    def override() -> Principal:
        auth.resource_server.verify_sync("x")
        raise AssertionError

    app.dependency_overrides[auth] = override
    for path in (*GUARDED, "/optional"):
        assert refusal(app, path=path).error == "invalid_token"


WRONG: dict[str, tuple[Any, str]] = {
    "takes the principal": (lambda who: who, "without arguments"),
    "takes the request": (lambda request, *more: ADA, "without arguments"),
    "takes a keyword": (lambda *, who: who, "without arguments"),
    "a subject": (lambda: "ada", "return a Principal or None"),
    "claims": (lambda: {"sub": "ada"}, "return a Principal or None"),
    "false": (lambda: False, "return a Principal or None"),
    "the class": (lambda: Principal, "return a Principal or None"),
    "a generator": (lambda: iter([ADA]), "return a Principal or None"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_no_override_lets_nobody_in(
    app: FastAPI, auth: AccessTokenScheme, wrong: str
) -> None:
    """It is told, with what to write; also where nobody need be there."""
    override, fix = WRONG[wrong]
    app.dependency_overrides[auth] = override
    for path in (*GUARDED, "/optional"):
        with pytest.raises(ConfigurationError, match=fix):
            ask(app, path=path)


def test_it_holds_for_one_app_and_one_scheme_and_until_it_is_taken_out(
    app: FastAPI, auth: AccessTokenScheme, server: ResourceServer, issuer: LocalIssuer
) -> None:
    """Not for another scheme of the same resource server, not in a mounted app, not afterwards."""
    other = AccessTokenScheme(server, scheme_name="Other")
    app.add_api_route("/other", lambda: "in", dependencies=[other.requires()])
    mounted = FastAPI(dependencies=[auth.requires()])
    mounted.add_api_route("/", lambda: "in")
    app.mount("/mounted", mounted)
    app.dependency_overrides[auth] = lambda: ADA
    assert refusal(app, path="/other").status == 401
    assert refusal(app, path="/mounted/").status == 401
    assert ask(app, path="/guarded").status == 200
    assert ask(app, bearer(issuer.token()), path="/mounted/").status == 200
    del app.dependency_overrides[auth]
    assert refusal(app, path="/guarded").status == 401


def test_overriding_something_else_changes_nothing(app: FastAPI, issuer: LocalIssuer) -> None:
    """FastAPI builds its dependants anew then; guards are guards all the same."""
    app.dependency_overrides[_says(ADA)] = lambda: ADA
    poor, rich = (bearer(issuer.token(scopes=[name])) for name in "ba")
    for path in GUARDED:
        assert [ask(app, headers, path=path).status for headers in ([], poor, rich)] == [
            401, 403, 200,
        ]  # fmt: skip


def test_fastapi_puts_it_in_place_of_the_bare_scheme(app: FastAPI, auth: AccessTokenScheme) -> None:
    """`Depends(auth)` is replaced by FastAPI itself: the endpoint is given what is said."""
    app.dependency_overrides[auth] = lambda: ADA
    assert ask(app, path="/scheme").text == '"ada"'


@pytest.mark.parametrize("given", ["scheme", "resource server", "nothing"])
def test_acting_as_checks_scopes_everywhere(
    app: FastAPI, auth: AccessTokenScheme, given: str
) -> None:
    """What to use in tests: also for `Depends(auth)` and in mounted apps; and it ends."""
    mounted = FastAPI(dependencies=[auth.requires(scopes=["b"])])
    mounted.add_api_route("/", lambda: "in")
    app.mount("/mounted", mounted)
    chosen: Any = {"scheme": auth, "resource server": auth.resource_server}.get(given)

    def answers() -> list[Answer]:
        return [ask(app, path=path) for path in (*GUARDED, "/optional", "/scheme", "/mounted/")]

    with acting_as(app, chosen, ADA):
        assert [answer.status for answer in answers()] == [200, 200, 200, 200, 200, 403]
    with acting_as(app, chosen, None):
        assert [answer.status for answer in answers()] == [401, 401, 401, 200, 401, 401]
    assert [answer.status for answer in answers()] == [401, 401, 401, 200, 401, 401]
