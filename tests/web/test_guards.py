"""What the walk says of each way into a Starlette app is what a caller without a token meets."""

import pytest

from atjwt.guards import GuardedRoute, coverage
from web.entering import enters, label, row_of
from web.hiding import hiding

APP, ROWS = hiding()
ROUTES = coverage(APP).routes


def test_every_way_in_is_found_and_nothing_else() -> None:
    """Each guard and each gap of the app built to hide them, in the order in which they are routed."""
    assert [row_of(route) for route in ROUTES] == ROWS


@pytest.mark.parametrize("route", ROUTES, ids=label)
def test_a_caller_without_a_token_meets_what_the_state_says(route: GuardedRoute) -> None:
    """Refused where it says guarded or authenticated, let in where it says public or UNGUARDED."""
    assert enters(APP, route) == (route.state in {"public", "optional", "UNGUARDED"})
