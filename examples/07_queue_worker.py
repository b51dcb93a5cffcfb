"""A worker without an event loop: each message of a queue brings the token of who asked for the job.

The work is done for the caller whom the token names, if a policy lets that caller have it. A message
with a bad token is put aside; one that came while the issuer's keys could not be had goes back into
the queue, since nobody can say yet whether its token is good.

    .venv/bin/python examples/07_queue_worker.py
"""

from queue import SimpleQueue
from typing import NamedTuple

from atjwt import AuthError, KeysUnavailable, Reason, ResourceServer, TrustedIssuer, has_scope
from atjwt.policies import is_kind
from atjwt.testing import LocalIssuer

issuer = LocalIssuer(issuer="https://tenant.eu.auth0.com/")
resource_server = ResourceServer(
    audience=issuer.audience,
    issuers=[TrustedIssuer.auth0("tenant.eu.auth0.com")],
    fetch=issuer.fetch,  # leave this out, and the tenant's keys are fetched
)

MAY_EXPORT = has_scope("read:orders") & is_kind("user", "agent")


class Message(NamedTuple):
    job: str
    token: str


def work(message: Message) -> str:
    """Does one job. Raises AuthError: the token does not allow it, or cannot be judged now."""
    who = resource_server.authorize(resource_server.verify_sync(message.token), MAY_EXPORT)
    return f"{message.job} done for {who.subject}"


def drain(queue: SimpleQueue[Message]) -> None:
    again = []
    while not queue.empty():
        message = queue.get()
        try:
            print(work(message))
        except KeysUnavailable as error:
            print(f"{message.job} goes back: {error.reason}, in {error.retry_after:.0f} s")
            again.append(message)
        except AuthError as error:
            print(f"{message.job} put aside: {error.reason}")
    for message in again:
        queue.put(message)


def main() -> None:
    queue: SimpleQueue[Message] = SimpleQueue()
    issuer.down()
    queue.put(Message("export 1", issuer.token(scopes=["read:orders"])))
    drain(queue)
    issuer.up()
    issuer.advance(2)
    queue.put(Message("export 2", issuer.token(kind="client", scopes=["read:orders"])))
    queue.put(Message("export 3", issuer.broken(Reason.EXPIRED)))
    drain(queue)


if __name__ == "__main__":
    with issuer.stands_in_for(resource_server):  # so that they share a clock
        main()
