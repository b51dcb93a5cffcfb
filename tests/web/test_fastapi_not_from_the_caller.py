"""A principal is never read from a request: FastAPI takes what it does not know for a body."""

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI

from atjwt import ConfigurationError, Principal, ResourceServer
from atjwt.core.profile import Profile
from atjwt.fastapi import AccessTokenScheme


def _forgotten_parentheses(auth: AccessTokenScheme) -> Any:
    return Annotated[Principal, auth.requires]


def _the_scheme_itself(auth: AccessTokenScheme) -> Any:
    return Annotated[Principal, auth]


def _nothing(auth: AccessTokenScheme) -> Any:
    return Principal


def _or_none(auth: AccessTokenScheme) -> Any:
    return Principal | None


def _the_class_as_a_dependency(auth: AccessTokenScheme) -> Any:
    return Annotated[Principal, Depends()]


def _a_list(auth: AccessTokenScheme) -> Any:
    return list[Principal]


@pytest.mark.parametrize(
    "annotation",
    [
        _forgotten_parentheses, _the_scheme_itself, _nothing, _or_none, _the_class_as_a_dependency,
        _a_list,
    ],
    ids=lambda function: function.__name__.strip("_"),
)  # fmt: skip
@pytest.mark.parametrize("guarded", [False, True])
def test_a_principal_without_a_guard_is_refused_when_the_route_is_declared(
    server: ResourceServer, annotation: Any, *, guarded: bool
) -> None:
    """With the fix; behind a guard of the whole app too, where any caller could be anybody."""
    auth = AccessTokenScheme(server)
    app = FastAPI(dependencies=[auth.requires()] if guarded else [])

    def endpoint(who: Any) -> str:
        return "reached"

    endpoint.__annotations__["who"] = annotation(auth)
    with pytest.raises(ConfigurationError, match=r"Annotated\[Principal, auth\.requires\(\)\]"):
        app.post("/")(endpoint)


def test_a_principal_is_no_answer_either() -> None:
    """Its claims are personal; what an API tells of a caller is a model of its own."""
    app = FastAPI()
    with pytest.raises(ConfigurationError, match="write a model of your own"):

        @app.get("/")
        def endpoint() -> Principal:
            raise NotImplementedError


def test_a_profile_is_no_input(server: ResourceServer) -> None:
    """There are two, and no request makes a third."""
    app = FastAPI()

    def endpoint(profile: Profile) -> None:
        pass

    with pytest.raises(ConfigurationError, match="a Principal comes from a guard"):
        app.post("/")(endpoint)


def test_with_a_guard_it_is_what_it_always_was(server: ResourceServer) -> None:
    """In each of the ways to write one."""
    auth, app = AccessTokenScheme(server), FastAPI()

    @app.get("/a")
    def required(who: Annotated[Principal, auth.requires()]) -> str:
        return who.subject

    @app.get("/b")
    def optional(who: Annotated[Principal | None, auth.optional]) -> str:
        return who.subject if who else "nobody"

    assert {"/a", "/b"} <= app.openapi()["paths"].keys()
