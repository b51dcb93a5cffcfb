"""An API goes from Auth0's token profile to RFC 9068 while it is used, and nobody is refused.

On this machine: an issuer, an API of two processes, two people and two machines who call it all the
time, and an attacker. The team does what it would do at a real tenant, by the same commands; halfway
the issuer changes its signing key, and is gone for a while. A line tells what the callers meet.

    .venv/bin/python examples/08_migration.py

Tokens live for six seconds here, so that it is over in half a minute.
"""

import sys
import time

from walking import AUDIENCE, Watching, World, world

DIALECT = "access_token_authz"


def main() -> int:
    with world(dialect=DIALECT, profiles="auth0") as it:
        told(it, "who comes?", 2.0)
        step(it, "report")

        say("what would change, and who is not ready?")
        step(it, "plan", AUDIENCE, "--to", "rfc9068", "--expect", "orders=2", expected=1)

        say("the API learns to accept both profiles, by a rolling deployment of ATJWT_PROFILES")
        it.fleet.roll("auth0,rfc9068")
        told(it, "nothing has changed for anybody", 1.0)
        step(it, "plan", AUDIENCE, "--to", "rfc9068", "--expect", "orders=2")

        say("the switch: from now on the issuer issues RFC 9068")
        step(it, "switch", AUDIENCE, "--to", "rfc9068", "--margin", "1", "--yes")
        told(it, "old and new tokens side by side", 1.0)

        say("at a bad moment the issuer changes its signing key, and is gone for a while")
        it.issuer.rotate_keys()
        with it.issuer.down():
            told(it, "the issuer is down", 2.0)

        say("wait until no old token can be alive")
        with Watching(it.traffic):
            drained = it.migrate("drain", AUDIENCE)
        show(drained.stdout)
        told(it, "every process must have reported since", 1.0)
        step(it, "enforce", AUDIENCE)

        say("the API accepts RFC 9068 only, by a rolling deployment of ATJWT_PROFILES=rfc9068")
        it.fleet.roll("rfc9068")
        told(it, "all is done", 2.0)
        step(it, "enforce", AUDIENCE)
        old = it.asked_with(it.issuer.token(dialect=DIALECT, scopes=["read:orders"]))
        print(f"\na token in the old profile: {old}")
    traffic = it.traffic
    print(
        f"\n{len(traffic.answers)} valid requests, {len(traffic.refused)} refused;"
        f" {traffic.repelled + len(traffic.let_in)} invalid ones, {len(traffic.let_in)} let in"
    )
    for failure in traffic.failures:
        print(failure, file=sys.stderr)
    return 1 if traffic.refused or traffic.let_in or traffic.failures else 0


def say(sentence: str) -> None:
    print(f"\n# {sentence}")


def told(it: World, sentence: str, seconds: float) -> None:
    say(sentence)
    with Watching(it.traffic):
        time.sleep(seconds)


def step(it: World, *arguments: str, expected: int = 0) -> None:
    print(f"\n$ python -m atjwt migrate {' '.join(arguments)}")
    finished = it.migrate(*arguments)
    show(finished.stdout)
    if finished.returncode != expected:
        raise SystemExit(f"{finished.stderr}it ended with {finished.returncode}")


def show(output: str) -> None:
    print("".join(f"    {line}\n" for line in output.splitlines()), end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
