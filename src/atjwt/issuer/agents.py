"""Agents in the tokens of an API that asks for it by `agent_subject_claims`.

    caller, through a client         sub          sub_profile   client_profile      act
    an agent, through its machine    the agent    ai_agent      service ai_agent    -
    a user, through an agent's app   the user     user          ai_agent            the agent
    a user, through another app      the user     user          browser_app         -
    another machine                  client id    -             -                   -

The source is Auth0's page *Agent Identity in Tokens* (Agents as Principal); it shows no profile of an
ordinary machine. At any other API an agent's client is like every other one.
"""

from atjwt.issuer.api import Api
from atjwt.issuer.clients import Client


def names_agents(api: Api) -> bool:
    """Whether the tokens of an API say who is an agent."""
    return api.is_set("agent_subject_claims")


def machine_subject(api: Api, client: Client) -> str | None:
    """The `sub` of a client that acts for itself; None for that of other APIs, `…@clients`."""
    return (client.agent or client.client_id) if names_agents(api) else None


def agent_claims(api: Api, client: Client, *, is_user: bool) -> dict[str, object]:
    """The claims about agents, `sub` aside. is_user: whether somebody logged in to the client."""
    if not names_agents(api):
        return {}
    if not is_user:
        profiles = {"sub_profile": "ai_agent", "client_profile": "service ai_agent"}
        return {**profiles} if client.agent else {}
    if client.agent is None:
        return {"sub_profile": "user", "client_profile": "browser_app"}
    actor = {"sub": client.agent, "sub_profile": "ai_agent", "client_id": client.client_id}
    return {"sub_profile": "user", "client_profile": "ai_agent", "act": actor}
