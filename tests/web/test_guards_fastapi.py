"""What the walk says of each way into a FastAPI app is what a caller without a token meets."""

import sys

import pytest
from fastapi import Depends, FastAPI

from atjwt.guards import GuardedRoute, coverage
from web.entering import enters, label, row_of
from web.hiding_fastapi import ShortCut, hiding, hiding_more, replaced

APP, ROWS = hiding()
MORE, MORE_ROWS = hiding_more()
WAYS = [
    pytest.param(app, route, id=label(route))
    for app in (APP, MORE)
    for route in coverage(app).routes
]


@pytest.mark.parametrize(("app", "rows"), [(APP, ROWS), (MORE, MORE_ROWS)])
def test_every_way_in_is_found_and_nothing_else(app: FastAPI, rows: list[object]) -> None:
    """Each guard and each gap of the apps built to hide them, in the order in which they are routed."""
    assert [row_of(route) for route in coverage(app).routes] == rows


@pytest.mark.parametrize(("app", "route"), WAYS)
def test_a_caller_without_a_token_meets_what_the_state_says(
    app: FastAPI, route: GuardedRoute
) -> None:
    """Refused where it says guarded or authenticated, let in where it says public or UNGUARDED."""
    assert enters(app, route) == (route.state in {"public", "optional", "UNGUARDED"})


def test_without_the_adapter_loaded_no_dependency_is_a_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An app that never imported `atjwt.fastapi` cannot have a guard of it."""
    app = FastAPI(openapi_url=None)
    app.add_api_route("/a", lambda: "reached", dependencies=[Depends(lambda: None)])
    monkeypatch.delitem(sys.modules, "atjwt.fastapi")
    assert [route.state for route in coverage(app).routes] == ["UNGUARDED"]


def test_frontends_that_cannot_be_found_are_unguarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a version of FastAPI keeps them elsewhere, there may be some."""
    monkeypatch.setattr("atjwt.walk._FRONTENDS", "_kept_elsewhere")
    (route,) = coverage(FastAPI(openapi_url=None)).routes
    assert row_of(route) == ("mount", "/", "UNGUARDED", None)
    assert route.notes[0].startswith("it may have frontends, which this version keeps elsewhere: ")


def test_what_is_wrong_with_a_guard_does_not_hide_what_is_wrong_with_its_route() -> None:
    """A route class that need not ask, and a guard that was replaced: both are told."""
    app = FastAPI(openapi_url=None)
    app.router.route_class = ShortCut
    app.dependency_overrides[replaced] = lambda: None
    app.add_api_route("/a", lambda: "reached", dependencies=[Depends(replaced)])
    (route,) = coverage(app).routes
    assert [note.partition(":")[0] for note in route.notes] == [
        "dependency_overrides replaces its guard",
        "its route class has its own get_route_handler",
    ]
