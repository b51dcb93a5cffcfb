"""What an app imports in its own tests: an issuer in process, no account and no network.

The app is the one that production imports, built as production builds it. For the time of a `with`
its keys come from a `LocalIssuer` in process, and everything else stays: the same issuer, audience,
profiles and algorithms, the same checks, the same answers.

    from starlette.testclient import TestClient
    from atjwt.errors import Reason
    from atjwt.testing import LocalIssuer, acting_as, principal
    from shop.main import app                      # trusts https://tenant.eu.auth0.com/

    issuer = LocalIssuer()

    def test_orders() -> None:
        with issuer.stands_in_for(app):
            client = TestClient(app)
            assert client.get("/orders", headers=issuer.headers(scopes=["read:orders"])).is_success
            assert client.get("/orders", headers=issuer.headers(scopes=[])).status_code == 403
            expired = issuer.broken(Reason.EXPIRED)
            answer = client.get("/orders", headers={"Authorization": f"Bearer {expired}"})
            assert answer.status_code == 401

    def test_outage() -> None:
        with issuer.stands_in_for(app), issuer.down():
            assert TestClient(app).get("/orders", headers=issuer.headers()).status_code == 503

Where a test is about the app and not about tokens, `acting_as` says who is calling, and scopes,
permissions and policies are checked as always:

    def test_orders_of_a_reader() -> None:
        with acting_as(app, None, principal(scopes=["read:orders"])):
            assert TestClient(app).get("/orders").is_success
            assert TestClient(app).delete("/orders/1").status_code == 403

pytest has `atjwt_issuer` and `atjwt_stand_in` as fixtures (`pytest_atjwt`), with nothing to import.

    local.py     LocalIssuer
    stand_in.py  what it puts in the place of a resource server's keys, token cache and clock
    choice.py    for which of an app's issuers, and with which audience
    search.py    an app → its resource servers
    acting.py    acting_as, principal
    clock.py     the clock that is shared
"""

from atjwt.issuer import REMOVE
from atjwt.testing.acting import acting_as, principal
from atjwt.testing.local import LocalIssuer

__all__ = ["REMOVE", "LocalIssuer", "acting_as", "principal"]
