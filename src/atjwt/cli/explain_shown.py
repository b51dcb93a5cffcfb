"""What `atjwt explain` prints: as a person reads it, and as JSON."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, NamedTuple

from atjwt.cli.loading import Target
from atjwt.cli.printing import painter

if TYPE_CHECKING:
    from atjwt.explain import Check, Explanation
    from atjwt.guards import GuardedRoute
    from atjwt.resource_server import ResourceServer

_COLOURS: Final = {
    "holds": "32", "FAILS": "31", "not judged": "33", "accepted": "32", "refused": "31",
}  # fmt: skip


class Judged(NamedTuple):
    """A token and one API.

    found: what the API makes of it. assumed: what was assumed of the API, since nothing said it.
    routes: where this API alone looks at tokens; `found.allowed` answers for each.
    """

    found: "Explanation"
    server: "ResourceServer"
    assumed: str
    routes: "tuple[GuardedRoute, ...]" = ()


def routes_of(
    server: "ResourceServer", routes: "Sequence[GuardedRoute]"
) -> "tuple[GuardedRoute, ...]":
    """The routes that need a token, and one of this API and no other."""
    return tuple(
        route
        for route in routes
        if route.state in ("authenticated", "guarded") and route.servers == (server,)
    )


def as_json(judged: Sequence[Judged], app: Target | None) -> dict[str, object]:
    """All of it, of JSON's own types: of an app, for each API that the token may be meant for."""
    if app is None:
        return _facts_of(judged[0]) | {"assumed": judged[0].assumed}
    told = [
        {"audience": list(each.server.audience)}
        | _facts_of(each)
        | {"routes": [*_routes_as_json(each)]}
        for each in judged
    ]
    return {"app": str(app), "judged": told}


def _facts_of(judged: Judged) -> dict[str, object]:
    facts = judged.found.as_json()
    del facts["allowed"]  # `routes` tells it
    return facts


def _routes_as_json(judged: Judged) -> Iterator[dict[str, object]]:
    for route, allowed in zip(judged.routes, judged.found.allowed, strict=False):
        yield {
            "path": route.path,
            "methods": list(route.methods),
            "kind": route.kind,
            "policy": route.policy,
            "allowed": allowed,
        }


def print_text(judged: Sequence[Judged], app: Target | None, count: int) -> None:
    """Prints it for a person. count: how many APIs there are in the app."""
    if count > 1:
        which = "each of them"
        if len(judged) < count:
            which = f"{len(judged)} of them, whose issuer and audience are the token's"
        print(f"{app} has {count} APIs; judged by {which}\n")
    for number, each in enumerate(judged):
        if number:
            print()
        _print_one(each, app)


def _print_one(judged: Judged, app: Target | None) -> None:
    paint, found = painter(), judged.found
    for name, said in (*_facts(found), *_settings(judged)):
        print(f"{name:11}  {said}")
    print()
    _print_checks(found.checks)
    print()
    print(f"{paint(found.verdict, _COLOURS[found.verdict])}: {_verdict(found)}")
    fixes = [check.fix for check in found.checks if check.fix]
    for label, fix in zip(["fix", *["then"] * len(fixes)], dict.fromkeys(fixes), strict=False):
        print(f"{label}: {fix}")
    for note in (*found.notes, *_guards(judged, app)):
        print(f"note: {note}")
    _print_routes(judged)


def _print_checks(checks: "Sequence[Check]") -> None:
    """A line for each; one for a run of those that cannot be judged for the same reason."""
    paint = painter()
    runs = [
        [*run]
        for _, run in groupby(
            checks, lambda each: each.details if each.verdict == "not judged" else each.rule
        )
    ]
    width = max(len(run[0].rule) for run in runs if len(run) == 1)
    for first, *more in runs:
        verdict = paint(first.verdict, _COLOURS[first.verdict]) + " " * (10 - len(first.verdict))
        if more:
            many = f"{len(more) + 1} checks, to step {more[-1].step}"
            print(f"{first.step}  {verdict}  {many}: {'; '.join(first.details)}")
            continue
        print(f"{first.step}  {verdict}  {first.rule:{width}}  {first.source}")
        for detail in first.details:
            print(f"{'':15}{detail}")


def _guards(judged: Judged, app: Target | None) -> Iterator[str]:
    """What is not said by `accepted`."""
    if judged.found.verdict != "accepted":
        return
    if app is None:
        yield (
            "guards are not judged, and a route may still answer 403: --app module:app judges them"
            " too; what they ask for: atjwt routes module:app"
        )
    elif not judged.routes:
        yield f"no route in it needs a token of this API alone; see atjwt routes {app}"


def _print_routes(judged: Judged) -> None:
    rows = [
        (allowed, ",".join(route.methods) or route.kind, route)
        for route, allowed in zip(judged.routes, judged.found.allowed, strict=False)
    ]
    if not rows:
        return
    paint = painter()
    print("\nroutes that need a token of this API, by what their guards ask for:")
    widths = max(len(what) for _, what, _ in rows), max(len(route.path) for *_, route in rows)
    for allowed, what, route in rows:
        verdict = paint("let in ", "32") if allowed else paint("refused", "31")
        asked = route.policy or "any authenticated caller"
        print(f"{verdict}  {what:{widths[0]}}  {route.path:{widths[1]}}  {asked}")


def _settings(judged: Judged) -> Iterator[tuple[str, str]]:
    """What it is judged by."""
    yield "API", ", ".join(judged.server.audience)
    for issuer in judged.server.issuers:
        profiles = " and ".join(sorted(map(str, issuer.profiles)))
        signed = ", ".join(sorted(issuer.algorithms))
        yield "accepts", f"{profiles} from {issuer.issuer}, signed by {signed}"
    if judged.assumed:
        yield "assumed", judged.assumed


def _facts(found: "Explanation") -> list[tuple[str, str]]:
    from atjwt.explain import spoken

    words = {
        "iat": ("issued", "issued"),
        "nbf": ("valid since", "valid"),
        "exp": ("expired", "expires"),
    }
    times = [
        f"{words[name][0]} {spoken(seconds)} ago"
        if seconds <= 0
        else f"{words[name][1]} in {spoken(seconds)}"
        for name, seconds in found.times.items()
    ]
    whose = "" if found.proven else ", by its own word: no signature was found to hold"
    rows = [
        ("fingerprint", found.fingerprint),
        ("issuer", found.issuer or "none that is configured"),
        ("profile", f"{found.profile}{whose}" if found.profile else "none that is known"),
        ("dialect", found.dialect or ""),
        ("claims", ", ".join(found.claims)),
        ("times", ", ".join(times)),
        ("keys", found.keys),
    ]
    return [(name, said) for name, said in rows if said]


def _verdict(found: "Explanation") -> str:
    if found.verdict == "accepted":
        return f"it passes every check; the kind of its caller is {found.kind}"
    if found.verdict == "not judged":
        answered = f"; the API answers {found.status} while it has none" if found.status else ""
        return f"nothing is wrong with it as far as can be seen without keys{answered}"
    said = f"{found.reason}; the API answers {found.status}: {found.answer}"
    return f"{said}{' Until it has the keys, 503.' if _keyless(found.checks) else ''}"


def _keyless(checks: "tuple[Check, ...]") -> bool:
    """Whether keys were missing before anything failed."""
    first = next(check for check in checks if check.verdict != "holds")
    return first.verdict == "not judged"
