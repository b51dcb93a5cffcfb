"""Agents at the local issuer: who is the subject, who acts, and what a verifier makes of it."""

from typing import Any, get_args

import pytest
from starlette.testclient import TestClient

from atjwt import Principal, ResourceServer, TrustedIssuer
from atjwt.issuer import EVERY_API, Client, Dialect, Grant, LocalIssuer, Setup
from tools.login import API, BASE, CLERK, code_for, redeem
from tools.second_opinion import parts_of

NOW = 1_790_000_000
AGENT = "agt_1a2b3c"
PROFILES = {"sub_profile", "client_profile", "act"}
DIALECTS: tuple[Dialect, ...] = get_args(Dialect)
PLAIN = Client(client_id="plain-machine", name="a machine", type="machine")


def _issuer(dialect: Dialect, *clients: Client, agents: bool = True) -> LocalIssuer:
    """An issuer with one API. agents: whether that has agent subject claims."""
    api: dict[str, object] = {
        "identifier": API,
        "scopes": [{"value": "read:orders"}],
        "token_dialect": dialect,
        "enforce_policies": True,
        **({"agent_subject_claims": "auth0-v1"} if agents else {}),
    }
    grants = tuple(
        Grant(client_id=client.client_id, audience=EVERY_API, allow_all_scopes=True)
        for client in clients
    )
    setup = Setup(apis=(api,), clients=clients, grants=grants)
    return LocalIssuer(issuer=BASE, algorithm="ES256", setup=setup, clock=lambda: NOW)


def _browser(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


def _machine_token(issuer: LocalIssuer) -> str:
    asked = {"grant_type": "client_credentials", "audience": API}
    asked |= {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    return str(_browser(issuer).post("/oauth/token", data=asked).json()["access_token"])


def _user_token(issuer: LocalIssuer) -> str:
    client, app = _browser(issuer), issuer.spa_client_id
    code = code_for(client, client_id=app, scope="read:orders")
    return str(redeem(client, code, client_id=app).json()["access_token"])


def _verified(issuer: LocalIssuer, token: str) -> Principal:
    trusted = TrustedIssuer.auth0(BASE, algorithms=["ES256"])
    server = ResourceServer(audience=API, issuers=[trusted], clock=lambda: NOW, fetch=issuer.fetch)
    return server.verify_sync(token)


def _profiles(token: str) -> dict[str, Any]:
    claims = parts_of(token)[1]
    return {name: claims[name] for name in PROFILES & claims.keys()}


@pytest.mark.parametrize("agent", [AGENT, "my own agent/1"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_agent_is_the_subject_of_its_machines_token(dialect: Dialect, agent: str) -> None:
    """By its id, or the one that it has elsewhere; nobody acts for it; the verifier knows an agent."""
    machine = Client(client_id="agents-machine", name="m", type="machine", agent=agent)
    issuer = _issuer(dialect, machine)
    token = _machine_token(issuer)
    assert parts_of(token)[1]["sub"] == agent
    assert _profiles(token) == {"sub_profile": "ai_agent", "client_profile": "service ai_agent"}
    who = _verified(issuer, token)
    assert (who.kind, who.subject, who.client_id) == ("agent", agent, "agents-machine")
    assert who.actor is None
    assert who.scopes == {"read:orders"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_user_of_an_agents_app_is_acted_for(dialect: Dialect) -> None:
    """The user stays the subject, and a single-level `act` names the agent and its client."""
    app = Client(client_id="agents-app", name="an agent", type="app", agent=AGENT)
    issuer = _issuer(dialect, app)
    token = _user_token(issuer)
    actor = {"sub": AGENT, "sub_profile": "ai_agent", "client_id": "agents-app"}
    assert _profiles(token) == {"sub_profile": "user", "client_profile": "ai_agent", "act": actor}
    who = _verified(issuer, token)
    assert (who.kind, who.subject, who.client_id) == ("user", CLERK, "agents-app")
    assert who.actor == actor
    assert (who.permissions is None) is (not dialect.endswith("_authz"))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_others_are_told_apart_from_agents(dialect: Dialect) -> None:
    """A user through an ordinary app; an ordinary machine, whose `sub` is its plain client id."""
    issuer = _issuer(dialect, PLAIN)
    token = _user_token(issuer)
    assert _profiles(token) == {"sub_profile": "user", "client_profile": "browser_app"}
    assert (_verified(issuer, token).kind, _verified(issuer, token).actor) == ("user", None)
    token = _machine_token(issuer)
    assert _profiles(token) == {}
    assert parts_of(token)[1]["sub"] == "plain-machine"
    assert _verified(issuer, token).kind == "client"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_an_api_must_ask_for_agents(dialect: Dialect) -> None:
    """Without `agent_subject_claims` an agent's clients get what every client gets."""
    machine = Client(client_id="agents-machine", name="m", type="machine", agent=AGENT)
    app = Client(client_id="agents-app", name="an agent", type="app", agent=AGENT)
    issuer = _issuer(dialect, machine, app, agents=False)
    token = _machine_token(issuer)
    assert parts_of(token)[1]["sub"] == "agents-machine@clients"
    assert _verified(issuer, token).kind == "client"
    assert _profiles(token) == _profiles(_user_token(issuer)) == {}


def test_the_setting_is_read_anew_for_every_token() -> None:
    """Asked for while the issuer runs, agents are in the next token."""
    machine = Client(client_id="agents-machine", name="m", type="machine", agent=AGENT)
    issuer = _issuer("rfc9068_profile", machine, agents=False)
    before = _machine_token(issuer)
    issuer._authority.apis.change(API, {"agent_subject_claims": "auth0-v1"})
    kinds = [_verified(issuer, token).kind for token in (before, _machine_token(issuer))]
    assert kinds == ["client", "agent"]
