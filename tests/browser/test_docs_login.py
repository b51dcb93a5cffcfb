"""The docs page of a FastAPI app logs in at the local issuer, in a real browser.

Both are served on sockets of this computer, the docs page as FastAPI makes it. A person, played by
`docs_login.mjs`, goes through it once; the tests look at what they saw.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import FastAPI

from atjwt import Principal, ResourceServer, TrustedIssuer
from atjwt.fastapi import AccessTokenScheme
from atjwt.issuer import LocalIssuer
from browser.serving import free_socket, no_proxy, serving, url_of, visited


def orders_app(issuer: LocalIssuer) -> FastAPI:
    """An API with two guarded routes and FastAPI's own docs page."""
    trusted = TrustedIssuer.auth0(issuer.issuer)
    server = ResourceServer(audience=issuer.audience, issuers=[trusted])
    auth = AccessTokenScheme(
        server, scopes={"read:orders": "Read orders", "write:orders": "Write orders"}
    )
    app = FastAPI(title="Orders")
    reader, writer = (auth.requires(scopes=[scope]) for scope in ("read:orders", "write:orders"))

    @app.get("/orders")
    async def orders(who: Annotated[Principal, reader]) -> dict[str, str]:
        return {"orders": f"those that {who.subject} may see"}

    @app.post("/orders")
    async def order(who: Annotated[Principal, writer]) -> dict[str, str]:
        return {"ordered": f"by {who.subject}"}

    auth.install(app, docs_client_id=issuer.spa_client_id)
    return app


@pytest.fixture(scope="module")
def visit(chromium: str, pictures: Path) -> Iterator[dict[str, Any]]:
    """What the person saw, from the first look at the docs page to the last."""
    with free_socket() as first, free_socket() as second, no_proxy():
        issuer = LocalIssuer(issuer=url_of(first))
        with serving(issuer.app, first), serving(orders_app(issuer), second):
            plan = {
                "docs": f"{url_of(second)}docs",
                "chromium": chromium,
                "pictures": str(pictures),
            }
            yield visited("docs_login.mjs", plan)


@pytest.fixture
def steps(visit: dict[str, Any]) -> Any:
    """The steps of the visit, which came to its end."""
    assert "failure" not in visit, visit["failure"]
    return visit["steps"]


def test_the_visit_stays_on_this_computer(visit: dict[str, Any]) -> None:
    """Nothing off loopback is asked for but the docs page's own two files and its favicon."""
    assert visit["strangers"] == []


def test_the_browser_complains_of_nothing(visit: dict[str, Any]) -> None:
    """No script error, nothing blocked by a content policy, no answer kept from the page."""
    assert visit["complaints"] == []


def test_a_stranger_is_sent_away(steps: Any) -> None:
    """Before the login the route answers 401, with a challenge that names no error."""
    call = steps["stranger"]["call"]
    assert call["status"] == 401
    assert "www-authenticate: Bearer realm=" in call["text"]
    assert "invalid_token" not in call["text"]


def test_a_login_with_the_scope_opens_the_route(steps: Any) -> None:
    """One click on the issuer's page, and the page shows 200 and the user's answer."""
    reader = steps["reader"]
    assert reader["client"] == "local-app"
    assert reader["told"] is None
    assert reader["call"]["status"] == 200
    assert "those that auth0|66f0c2 may see" in reader["call"]["text"]


def test_the_login_page_says_who_asks_for_what(steps: Any) -> None:
    """Which app, for which API, with which scopes: those that were ticked and no others."""
    shown = steps["reader"]["login"]
    for part in ("local-app", "https://api.example.com/", "read:orders", "clerk", "manager"):
        assert part in shown
    assert "write:orders" not in shown
    assert "none" in steps["scopeless"]["login"]


def test_a_login_without_the_scope_is_told_which_one(steps: Any) -> None:
    """By keyboard this time: 403, and the challenge names the scope to ask for."""
    scopeless = steps["scopeless"]
    assert scopeless["told"] is None
    assert scopeless["call"]["status"] == 403
    assert 'error="insufficient_scope"' in scopeless["call"]["text"]
    assert 'scope="read:orders"' in scopeless["call"]["text"]


def test_another_user_may_do_more(steps: Any) -> None:
    """The manager writes, through the same app."""
    call = steps["writer"]["call"]
    assert call["status"] == 200
    assert "by auth0|66f0c3" in call["text"]


def test_saying_no_is_told_to_the_docs_page(steps: Any) -> None:
    """*Cancel* comes back as the error that it is."""
    assert "access_denied" in steps["refuser"]["told"]
