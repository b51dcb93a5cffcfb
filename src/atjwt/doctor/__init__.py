"""What is wrong with a set-up, and how to mend it: this machine, an issuer, an app.

    examine_surroundings()      versions, TLS roots, proxies
    examine_issuer(issuer)      what it publishes, its keys, its clock
    examine_app(app, name)      its guards, its middleware, and each issuer that it trusts
    examine_token(token, …)     whether a resource server lets it in (`atjwt.explain`)
    servers_of(app)             the resource servers in an app

Each gathers evidence first and asks nobody after that; what is then looked at are rows of a table
(`CHECKS` in `surroundings`, `issuers` and `apps`). An issuer that is down, slow or lying is a finding
and never an exception. `python -m atjwt doctor` prints them.
"""

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.doctor import apps, evidence, issuers, surroundings
from atjwt.doctor.apps import servers_of
from atjwt.doctor.evidence import Certificate
from atjwt.doctor.finding import Finding, Level, Remarks
from atjwt.errors import ConfigurationError
from atjwt.explain import explain
from atjwt.fetch import Fetch
from atjwt.resource_server import ResourceServer

__all__ = [
    "Finding", "Level", "examine_app", "examine_issuer", "examine_surroundings", "examine_token",
    "servers_of",
]  # fmt: skip

Seen = TypeVar("Seen")


def examine_surroundings(environ: Mapping[str, str] | None = None) -> list[Finding]:
    """Versions, TLS roots and proxies of this machine. environ: default the process's."""
    here = surroundings.gather() if environ is None else surroundings.gather(environ)
    return _told("here", surroundings.CHECKS, here)


def examine_issuer(
    issuer: TrustedIssuer,
    *,
    leeway: float = 10,
    clock: Callable[[], float] = time.time,
    fetch: Fetch | None = None,
    certificate: Certificate | None = None,
    timer: Callable[[], float] = time.perf_counter,
) -> list[Finding]:
    """What an issuer publishes, asked for as the API would. Blocks; not for use on an event loop.

    leeway: seconds, of the API. clock: seconds since 1970. fetch: default over HTTP.
    certificate: when a server's certificate expires. timer: seconds, for latencies.
    """
    seen = asyncio.run(
        evidence.gather(
            issuer, leeway=leeway, clock=clock, fetch=fetch, certificate=certificate, timer=timer
        )
    )
    return _told(f"issuer {issuer.issuer}", issuers.CHECKS, seen)


def examine_app(
    app: object, name: str = "module:app", *, certificate: Certificate | None = None
) -> tuple[list[Finding], list[ResourceServer]]:
    """An app, and each issuer that it trusts, once. → findings, the app's resource servers.

    name: as a server would be told it. An app that is set up wrongly is a finding.
    """
    area = f"app {name}"
    try:
        seen = apps.gather(app, name)
    except ConfigurationError as error:
        return [
            Finding(area, "PROBLEM", text, "correct its settings") for text in error.problems
        ], []
    found = _told(area, apps.CHECKS, seen)
    trusted = {issuer: server for server in seen.servers for issuer in server.issuers}
    for issuer, server in trusted.items():
        found += examine_issuer(
            issuer,
            leeway=server.leeway,
            clock=server.clock,
            fetch=server.fetch,
            certificate=certificate,
        )
    return found, list(seen.servers)


def examine_token(token: str, server: ResourceServer) -> list[Finding]:
    """Whether a resource server lets a token in; `atjwt.explain` says all of it."""
    found = explain(token, server)
    area = f"token {found.fingerprint} for {server.realm}"
    if found.verdict == "accepted":
        return [Finding(area, "ok", f"it is accepted; the kind of its caller is {found.kind}")]
    reason = found.reason or "not judged"
    return [Finding(area, "PROBLEM", f"{found.verdict}: {reason}", found.fix)]


def _told(area: str, checks: Iterable[Callable[[Seen], Remarks]], seen: Seen) -> list[Finding]:
    return [Finding(area, *remark) for check in checks for remark in check(seen)]
