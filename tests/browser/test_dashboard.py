"""The local issuer's Dashboard in a real browser: by keyboard alone, and as it is laid out.

A person, played by `dashboard.mjs`, goes through it once; the tests look at what they saw. The
contrast of every text is computed from the colours that the browser painted.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from atjwt.issuer import LocalIssuer, Setup
from browser.serving import free_socket, no_proxy, serving, url_of, visited

LONG = "x" * 200
API: dict[str, object] = {"identifier": "https://api.example.com/", "name": "Example API"}
API |= {"scopes": [{"value": "read:orders", "description": "Read orders"}]}
HOSTILE: dict[str, object] = {"identifier": f"urn:{LONG}", "name": f"\u202e{LONG[1:]}"}
HOSTILE |= {"scopes": [{"value": f"<b>{LONG}", "description": f"{LONG}\u202e"}]}
HOSTILE |= {"token_dialect": "rfc9068_profile"}


def _attacker(url: str) -> Starlette:
    """A page of another port that shows the Dashboard in a frame and sends one of its forms."""

    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse(
            f'<iframe src="{url}"></iframe><form method="post" action="{url}/keys-and-faults/rotate">'
            "<button>Win</button></form>"
        )

    return Starlette(routes=[Route("/", page)])


@pytest.fixture(scope="module")
def visit(chromium: str, pictures: Path) -> Iterator[dict[str, Any]]:
    """What the person saw."""
    with free_socket() as first, free_socket() as second, no_proxy():
        issuer = LocalIssuer(issuer=url_of(first), setup=Setup(apis=(API, HOSTILE)))
        url = f"{issuer.issuer}dashboard"
        plan = {
            "dashboard": url,
            "apis": [f"{url}/apis/{api['id']}" for api in issuer.apis],
            "attacker": url_of(second),
            "jwks": issuer.jwks_uri,
            "chromium": chromium,
            "pictures": str(pictures),
        }
        with serving(issuer.app, first), serving(_attacker(url), second):
            yield visited("dashboard.mjs", plan)


@pytest.fixture
def steps(visit: dict[str, Any]) -> Any:
    """The steps of the visit, which came to its end."""
    assert "failure" not in visit, visit["failure"]
    return visit["steps"]


def test_the_visit_stays_on_this_computer(visit: dict[str, Any]) -> None:
    """No page asks for anything off loopback."""
    assert visit["strangers"] == []


def test_the_browser_complains_of_nothing(steps: Any, visit: dict[str, Any]) -> None:
    """No script error, nothing blocked by the content policy, on any page."""
    assert steps["quiet"] == visit["complaints"] == []


def test_the_first_stop_skips_the_navigation(steps: Any) -> None:
    """As it should for who has to go through all of it."""
    assert steps["first"] == "Skip to the content"


def test_a_refused_form_leads_to_its_fields(steps: Any) -> None:
    """The list of problems has the focus, the page's title says so, its links lead to the fields."""
    refused = steps["refused"]
    assert refused["title"] == "Error: Register API - local issuer"
    assert refused["focus"] == "summary"
    assert refused["led"] == "name"


def test_an_api_is_registered_by_keyboard(steps: Any) -> None:
    """In the RFC 9068 profile, and the token beside the settings is one."""
    registered = steps["registered"]
    assert registered["heading"] == "Shop"
    assert "The API is registered" in registered["told"]
    assert registered["token"]["typ"] == "at+jwt"
    assert {"client_id", "jti"} <= set(registered["token"]["claims"])
    assert "permissions" not in registered["token"]["claims"]
    marked = [line.split('"')[1] for line in registered["token"]["marked"]]
    assert marked == ["typ", "client_id", "jti"]
    assert all(line.startswith("\N{NOT EQUAL TO}") for line in registered["token"]["marked"])


def test_rbac_and_permissions_change_the_token(steps: Any) -> None:
    """Two boxes and *Save*: the claim is there."""
    step = steps["permissions"]
    assert "New tokens are in the RFC 9068 profile, with permissions." in step["told"]
    assert "RBAC is on." in step["told"]
    assert step["token"]["typ"] == "at+jwt"
    assert "permissions" in step["token"]["claims"]


def test_another_profile_changes_the_token(steps: Any) -> None:
    """One arrow key and *Save*: the token is Auth0's, permissions stay."""
    step = steps["profile"]
    assert "New tokens are in the Auth0 profile, with permissions." in step["told"]
    assert "New tokens live for 3600 seconds." in step["told"]
    assert step["token"]["typ"] == "JWT"
    assert "azp" in step["token"]["claims"]
    assert not {"client_id", "jti"} & set(step["token"]["claims"])
    assert "permissions" in step["token"]["claims"]


def test_permissions_go_with_rbac(steps: Any) -> None:
    """Who switches RBAC off is told what that does to the other box."""
    step = steps["withoutRbac"]
    assert "Permissions in the token need RBAC, and are left out." in step["told"]
    assert "permissions" not in step["token"]["claims"]


def test_faults_and_keys_by_keyboard(steps: Any) -> None:
    """What the page says has happened has happened: an outside look at the JWKS shows it."""
    assert (steps["fault"]["told"], steps["fault"]["status"]) == ("The fault is set.", 429)
    assert (steps["clear"]["told"], steps["clear"]["status"]) == ("All faults are off.", 200)
    first, second = steps["rotate"]["before"]
    assert second in steps["rotate"]["told"]
    assert steps["rotate"]["after"][0] == second
    assert first in steps["rotate"]["after"]
    assert first not in steps["withdraw"]["kids"]


def test_a_page_of_another_port_can_do_nothing(steps: Any) -> None:
    """It is of the same site, so the browser sends the cookie; the form is refused all the same."""
    attack = steps["attack"]
    assert "The form came from a page of another site." in attack["told"]
    assert attack["same"] is True
    assert attack["framed"].startswith("chrome-error:")
    assert all("frame-ancestors" in line for line in attack["complaints"])
    assert attack["complaints"]


PAGES = ["list", "register", "lab", "api-0", "api-1", "api-2", "delete"]
SCREENS = ["wide", "dark", "narrow", "narrow-dark"]


@pytest.mark.parametrize("page", PAGES)
def test_the_tab_key_goes_through_a_page_as_it_is_read(steps: Any, page: str) -> None:
    """Every link, button and field once, in the order of the document, each with a visible focus."""
    walk = steps["looks"][page]["walk"]
    assert walk["same"] is True
    assert walk["hidden"] == []
    assert walk["stops"] >= 5


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("page", PAGES)
def test_a_page_can_be_read(steps: Any, page: str, screen: str) -> None:
    """Contrast of level AA, labels, nothing beside the screen even at 320 pixels, nothing tiny."""
    look = steps["looks"][page][screen]
    assert look["faults"] == []
    assert look["looked"] >= 10
