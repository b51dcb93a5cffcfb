"""The moment against the verifier itself: an API with its ledger, an issuer, and the whole way."""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from atjwt import AUTH0, RFC9068, InvalidToken, Reason, ResourceServer, TrustedIssuer
from atjwt.core.profile import Profile
from atjwt.issuer import LocalIssuer
from atjwt.migration import Ledger, ManagementApi
from atjwt.migration.drain import drain
from atjwt.migration.enforce import enforce
from atjwt.migration.management import Answer
from atjwt.migration.proposal import Terms, propose_switch, propose_undo
from atjwt.migration.sqlite_store import SqliteStore
from atjwt.migration.switch import carry_out
from tools.login import API, BASE
from tools.migrating import START, Clock

LIFETIME, LEEWAY = 600, 30


class Street:
    """The issuer, and an API whose instances write into one file. Everybody has the same clock."""

    def __init__(self, path: Path, *, margin: float) -> None:
        self.clock = Clock()
        self.margin = margin
        self.issuer = LocalIssuer(issuer=BASE, clock=self.clock, algorithm="RS256")
        self.http = TestClient(self.issuer.app, base_url=BASE)
        self.store = SqliteStore(path / "ledger.db", clock=self.clock)
        self.management = ManagementApi(
            self.issuer.issuer,
            client_id=self.issuer.management_client_id,
            client_secret=self.issuer.management_client_secret,
            send=self.send,
            clock=self.clock,
        )
        self.management.patch(API, token_lifetime=LIFETIME)
        self.open({AUTH0, RFC9068})

    def send(self, method: str, url: str, headers: Any, body: bytes | None) -> Answer:
        found = self.http.request(method, url, headers=dict(headers), content=body)
        return Answer(found.status_code, dict(found.headers), found.content)

    def open(self, profiles: Collection[Profile]) -> None:
        """Rolls out an instance that accepts these."""
        self.ledger = Ledger(self.store, service="orders", interval=0, clock=self.clock)
        trusted = TrustedIssuer.auth0(BASE, profiles=profiles, jwks=self.issuer.jwks())
        self.api = ResourceServer(
            audience=API,
            issuers=[trusted],
            leeway=LEEWAY,
            observers=[self.ledger],
            clock=self.clock,
        )
        self.api.start()
        self.ledger.flush()

    def token(self) -> str:
        """One that the issuer gives a machine client, as the API is set."""
        asked = {
            "grant_type": "client_credentials",
            "client_id": self.issuer.client_id,
            "client_secret": self.issuer.client_secret,
            "audience": API,
        }
        token: str = self.http.post("/oauth/token", data=asked).json()["access_token"]
        return token

    def change(self, to: str | None) -> None:
        """`switch`, or `undo`."""
        common: dict[str, Any] = {
            "management": self.management,
            "account": self.store.read(),
            "now": self.clock(),
            "terms": Terms(margin=self.margin),
        }
        proposal = propose_switch(API, to, **common) if to else propose_undo(API, **common)
        carry_out(
            proposal, management=self.management, ledger=self.store, clock=self.clock,
            sleep=self.clock.sleep,
        )  # fmt: skip

    def drained_at(self) -> float:
        return drain(self.store, wait=False, clock=self.clock).moment.at


@pytest.mark.parametrize("margin", [0.0, 60.0])
@pytest.mark.parametrize("before", ["access_token", "access_token_authz", "rfc9068_profile"])
def test_the_last_old_token_is_refused_at_the_moment_and_not_before(
    before: Any, margin: float, tmp_path: Path
) -> None:
    """It is issued when the new setting is read back, or the margin later. There and back."""
    street = Street(tmp_path, margin=margin)
    street.issuer.dialect = before
    for to in ("auth0" if before == "rfc9068_profile" else "rfc9068", None):
        street.clock.now = float(int(street.clock.now) + 10)
        street.ledger.flush()
        street.clock.now += margin  # the last one is issued so much later than it should be
        last = street.token()
        street.clock.now -= margin
        street.change(to)
        new = street.token()
        old, other = (street.api.verify_sync(each).profile for each in (last, new))
        assert old != other
        at = street.drained_at()
        assert at == pytest.approx(street.clock.now + LIFETIME + margin + LEEWAY, abs=0.01)
        street.clock.now = at - 0.02
        street.api.verify_sync(last)
        street.ledger.flush()
        assert street.drained_at() == at  # it was seen, and told nothing new
        street.clock.now = at
        with pytest.raises(InvalidToken) as caught:
            street.api.verify_sync(last)
        assert caught.value.reason is Reason.EXPIRED


def test_the_whole_way_refuses_nobody(tmp_path: Path) -> None:
    """Both profiles are accepted, switched, drained, enforced, and then the new one alone is."""
    street = Street(tmp_path, margin=5.0)
    clients = [street.token()]
    street.api.verify_sync(clients[0])
    street.change("rfc9068")
    for _ in range(30):  # a client asks for a new token when its own has expired
        street.clock.now += 30
        if street.clock() >= START + LIFETIME:
            clients = [street.token()]
        street.api.verify_sync(clients[0])
        street.ledger.flush()
    look: Any = {"settings": lambda api: street.management.get(api.audience)}
    found = enforce(street.store, clock=street.clock, **look)
    assert (found.wrong, found.unattested, found.profile) == ((), (), "rfc9068")
    assert drain(street.store, clock=street.clock).drained is not None
    street.ledger.close()
    street.open({RFC9068})
    street.api.verify_sync(clients[0])
    street.ledger.flush()
    found = enforce(street.store, clock=street.clock, **look)
    assert found.enforced is not None
    assert found.refused == 0
    with pytest.raises(InvalidToken) as caught:
        street.api.verify_sync(street.issuer.token(dialect="access_token"))
    assert caught.value.reason is Reason.PROFILE_NOT_ACCEPTED
    street.ledger.close()
