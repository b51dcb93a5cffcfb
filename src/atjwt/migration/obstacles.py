"""What an API's own settings, its tokens so far, its app and its past say about going to a dialect."""

from collections.abc import Collection, Iterator, Sequence

from atjwt.guards import GuardedRoute
from atjwt.migration.account import OTHERS
from atjwt.migration.dialects import Dialect, target
from atjwt.migration.finding import Finding, blocker, note
from atjwt.migration.fleet import WIDEN, accepting, listed
from atjwt.migration.meeting import Met, met
from atjwt.migration.setting import ApiSetting
from atjwt.migration.standing import Standing
from atjwt.migration.sums import Uses, grouped, joined, recent, requests
from atjwt.migration.times import span

# --- The API's settings ---------------------------------------------------------------------------


def api_findings(api: ApiSetting, after: Dialect) -> Iterator[Finding]:
    """What its settings say."""
    before = api.dialect
    if api.is_system:
        yield blocker("api", "it is an API of the authorization server's own (is_system)",
                      "its profile cannot be changed: name an API of yours")  # fmt: skip
    if before.permissions and not after.permissions:
        keeps = target(before, after.profile.name).name
        yield note("api", "the tokens lose their permissions claim", f"to keep it: --to {keeps}")
    if after.permissions and not before.permissions:
        yield note("api", "the tokens get a permissions claim, and longer",
                   "see that proxies pass it (nginx: large_client_header_buffers)")  # fmt: skip
    if after.permissions and api.rbac is False:
        yield note("api", "RBAC is off, so expect no permissions claim (not confirmed)",
                   "set enforce_policies, if guards ask for permissions")  # fmt: skip
    if api.algorithm == "HS256" and after.profile is not before.profile:
        yield note("api", f"it signs by HS256; whether it may have {after.name} is not confirmed",
                   "try it at an API that nobody uses")  # fmt: skip
    if api.encrypted:
        yield note("api", "its tokens are encrypted, which this library refuses in either profile",
                   "turn token_encryption off, if the API is guarded by this library")  # fmt: skip
    if api.bound:
        yield note("api", f"proof of possession is {api.bound}; bound tokens are refused by this"
                   " library in either profile")  # fmt: skip


def past_findings(stands: Standing, before: Dialect) -> Iterator[Finding]:
    """What was begun before, and not brought to its end."""
    last = stands.last
    if stands.pending is not None:
        yield blocker("api", f"a switch to {stands.pending.after} was begun, and how it ended is not"
                      " known", "run switch again, which settles it, or undo")  # fmt: skip
    elif last is not None and last.after != before.name:
        yield note("api", f"it was switched to {last.after} by a step in the ledger, and is"
                   f" {before.name} now: somebody else has changed it")  # fmt: skip
    elif last is not None and stands.drained is None:
        yield note("tokens", f"the switch from {last.before} is not drained yet",
                   "its tokens may be alive: drain tells until when")  # fmt: skip


# --- The tokens so far ----------------------------------------------------------------------------


def token_findings(api: ApiSetting, uses: Uses, now: float) -> Iterator[Finding]:
    """What came, and whether it fits the settings. uses: of this API and its issuers."""
    if not uses:
        yield note("tokens", "no token of this API was ever counted",
                   "wait until its clients have called, to know which there are")  # fmt: skip
        return
    profiles = grouped(uses, lambda key: (key.profile,))
    for (profile,), group in sorted(profiles.items()):
        since = recent(now)
        if profile != api.dialect.profile.name and (lately := requests(group, since)):
            yield note("tokens", f"{lately:,} requests of late had {profile} tokens, though"
                       f" {api.dialect.name} is set",
                       "see whether old tokens live on, or another issues them")  # fmt: skip
    longest = joined(uses.values()).lifetime
    if longest > api.longest + 1:
        yield note("tokens", f"tokens that lived {span(longest)} came, longer than the"
                   f" {span(api.longest)} of the settings; drain waits for them")  # fmt: skip
    bare = sorted({key.client_id for key in uses if key.kind == "client" and not key.permissions})
    if api.dialect.permissions and bare:
        yield note("clients", f"machines come without permissions claim: {listed(bare)}",
                   "guard what they call by scope")  # fmt: skip
    if any(key.client_id == OTHERS for key in uses):
        yield note("clients", "there are more clients than the ledger tells apart")


# --- The app --------------------------------------------------------------------------------------


def app_findings(
    routes: Sequence[GuardedRoute], api: ApiSetting, after: Dialect, issuers: Collection[str]
) -> Iterator[Finding]:
    """What the app's code says: what it accepts, and whether its guards can be met.

    routes: of one app; those for other APIs do not matter.
    """
    ours = [route for route in routes if api.identifier in route.audience]
    if not ours:
        yield blocker("routes", "the app has no route that looks at tokens of this API",
                      "name the app that serves it, or correct its audience")  # fmt: skip
        return
    yield from _acceptance(ours, api, after, issuers)
    before, will = (
        dialect._replace(permissions=dialect.permissions and api.rbac is not False)
        for dialect in (api.dialect, after)
    )
    keeps = target(after._replace(permissions=True), after.profile.name).name
    for route in ours:
        if route.policies:
            yield from _route(met(route, before, will), will, keeps)


def _acceptance(
    routes: Sequence[GuardedRoute], api: ApiSetting, after: Dialect, issuers: Collection[str]
) -> Iterator[Finding]:
    servers = {server for route in routes for server in route.servers}
    accepted = [
        {profile.name for profile in issuer.profiles}
        for server in servers
        if api.identifier in server.audience
        for issuer in server.issuers
        if issuer.issuer in issuers
    ]
    if not accepted:
        yield blocker("routes", f"the app trusts no token from {listed(sorted(issuers))}",
                      "correct its issuer, or --issuer for a custom domain")  # fmt: skip
    for profile in accepting(api.dialect, after):
        if not all(profile in names for names in accepted):
            yield blocker("routes", f"the app does not accept {profile}", WIDEN)


def _route(found: Met, after: Dialect, keeps: str) -> Iterator[Finding]:
    route = found.route
    name = f"{','.join(route.methods) or route.kind} {route.path}"
    asks = f"{name} asks for {route.policy}"
    lost = [kind for kind in found.before if kind not in found.after]
    if not found.before:
        if not after.permissions:
            yield note("routes", f"{asks}: nobody can meet it, neither now nor then")
    elif not found.after:
        yield blocker("routes", f"{asks}: nobody could meet it, without a permissions claim",
                      f"to keep it: --to {keeps}; or guard it by has_scope")  # fmt: skip
    elif lost:
        kinds = " and ".join(_PLURAL[kind] for kind in lost)
        yield note("routes", f"{asks}: {kinds} could meet it no more, without a permissions claim",
                   "let them in by has_scope, or keep the claim")  # fmt: skip
    elif found.narrower:
        yield note("routes", f"{asks}: by permission nobody could meet it, by the rest they could",
                   "see that those who come by permission have the scope")  # fmt: skip
    if found.machines:
        yield note("routes", f"{asks}: what machines have for permissions is not confirmed",
                   "guard what machines call by scope")  # fmt: skip
    if found.reads:
        yield note("routes", f"{asks}: its own policy reads {listed(found.reads)}, which the tokens"
                   " will lack", "ask Principal.client_id, kind or key instead")  # fmt: skip


_PLURAL = {
    "user": "users",
    "client": "machines",
    "agent": "agents",
    "anonymous": "anonymous sessions",
}
