"""Why a token is accepted or refused: every check, what came of it, and what is likely to mend it.

    explain(token, resource_server)  → Explanation          python -m atjwt explain on the command line
    fitting(token, resource_servers) → those that it is meant for

The checks are those of the request path (`core/explain.py`). The token goes nowhere: only keys are
fetched, and only those of a configured issuer. For the owner of the API: an explanation names claims
and tells times as differences from now, and never holds what another claim says.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import Final, Literal

from atjwt.core.challenge import ANSWERS
from atjwt.core.configuration import read_keys
from atjwt.core.explain import Facts, Judgement
from atjwt.core.explain import explain as judge
from atjwt.core.key_set import KeySet
from atjwt.core.member import is_time
from atjwt.core.policy import Policy, require
from atjwt.core.principal import Principal, to_principal
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import Case, verify
from atjwt.errors import AuthError, ConfigurationError, Reason
from atjwt.events import Event, KeysFailed, fingerprint
from atjwt.fixes import fix_of, spoken
from atjwt.jwks_client import JwksClient
from atjwt.reporter import Reporter
from atjwt.resource_server import ResourceServer

__all__ = ["Check", "Explanation", "explain", "fitting", "spoken"]


@dataclass(frozen=True, slots=True)
class Check:
    """One check of one token.

    step: of the route, 0 to 7. source: where the rule comes from.
    verdict: `not judged` where an earlier check did not find out what this one needs.
    reasons: for each thing that is wrong, why a request would be refused.
    details: as many sentences; one with what is missing where it is not judged.
    fix: what is likely to mend it; empty where it holds.
    """

    step: int
    rule: str
    source: str
    verdict: Literal["holds", "FAILS", "not judged"]
    reasons: tuple[Reason, ...] = ()
    details: tuple[str, ...] = ()
    fix: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Everything that can be said of one token.

    fingerprint: 16 hex of its SHA-256, as in the log. at: for when it was judged, seconds since 1970.
    verdict: `refused` if any check fails, `not judged` if none does and the keys could not be had.
    reason, status, answer: of the first check that fails, what the API answers; None for `accepted`,
        and where nobody has asked for the keys.
    issuer: the configured issuer that it names. profile: which its header marks.
    dialect: as far as one token can prove it; None where the issuer is not configured as Auth0.
    proven: whether the signature holds; what is said of the token is its own word otherwise.
    kind: of the caller, `user`, `client`, `agent` or `anonymous`, if it is accepted.
    claims: the names of its claims. times: seconds from `at` to each of its times.
    keys: how the issuer's keys were had, or why not. notes: what is unusual without being wrong.
    allowed: whether its principal meets what each guard asks for; empty unless it is accepted.
    """

    fingerprint: str
    at: float
    verdict: Literal["accepted", "refused", "not judged"]
    reason: Reason | None
    status: int | None
    answer: str | None
    issuer: str | None
    profile: str | None
    dialect: str | None
    proven: bool
    kind: str | None
    claims: tuple[str, ...]
    times: Mapping[str, float]
    keys: str
    checks: tuple[Check, ...]
    notes: tuple[str, ...]
    allowed: tuple[bool, ...] = ()

    @property
    def fix(self) -> str:
        """What is likely to mend what fails first; empty where nothing does."""
        failing = next((check for check in self.checks if check.verdict == "FAILS"), None)
        if failing is not None:
            return failing.fix
        return next((check.fix for check in self.checks if check.fix), "")

    def as_json(self) -> dict[str, object]:
        """All of it, of JSON's own types."""
        whole: dict[str, object] = json.loads(json.dumps({**asdict(self), "fix": self.fix}))
        return whole


def explain(
    token: str | bytes,
    resource_server: ResourceServer,
    *,
    keys: Mapping[str, object] | None = None,
    now: float | None = None,
    offline: bool = False,
    guards: Sequence[Sequence[Policy]] = (),
) -> Explanation:
    """Makes every check that can be made, as the resource server would; may block for its issuer.

    keys: a JWK Set (RFC 7517 section 5) to use for the token's issuer, instead of fetching.
    now: seconds since 1970; default the resource server's clock.
    offline: whether to fetch nothing.
    guards: for each, the policies that it asks for, all of which must be met; a guard without any
        lets in every authenticated caller. `Explanation.allowed` answers, in their order.
    Raises ConfigurationError: `keys` is no JWK Set with a usable key.
    """
    credentials = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    at = resource_server.clock() if now is None else now
    given = _given(keys)
    facts = _facts(credentials, resource_server, at, {})
    told = judge(facts)
    issuer: TrustedIssuer | None = getattr(facts, "issuer", None)
    had, how = None, "not asked for: no configured issuer is named"
    if issuer is not None:
        had, how = _keys_of(issuer, resource_server, given, offline=offline)
        facts = _facts(credentials, resource_server, at, {issuer.issuer: had} if had else {})
        told = judge(facts)
    checks = tuple(_check(one, facts, how) for one in told)
    failing = next((check for check in checks if check.verdict == "FAILS"), None)
    unjudged = any(check.verdict == "not judged" for check in checks)
    reason = failing.reasons[0] if failing else None
    if reason is None and unjudged and not offline:
        reason = Reason.KEYS_UNAVAILABLE
    answer = None if reason is None else ANSWERS[reason]
    who, notes = _accepted(facts) if not failing and not unjudged else (None, ())
    kind = None if who is None else who.kind
    profile = getattr(facts, "profile", None)
    return Explanation(
        fingerprint=fingerprint(credentials),
        at=at,
        verdict="refused" if failing else "not judged" if unjudged else "accepted",
        reason=reason,
        status=None if answer is None else answer.status,
        answer=None if answer is None else answer.sentence,
        issuer=None if issuer is None else issuer.issuer,
        profile=None if profile is None else profile.name,
        dialect=_dialect(facts),
        proven=any(check.step == 5 and check.verdict == "holds" for check in checks),
        kind=kind,
        claims=_names(facts),
        times=_times(facts),
        keys=how,
        checks=checks,
        notes=(*notes, *_remarks(facts, kind)),
        allowed=() if who is None else tuple(_meets(who, asked, facts) for asked in guards),
    )


def fitting(
    token: str | bytes, resource_servers: Sequence[ResourceServer]
) -> tuple[ResourceServer, ...]:
    """The resource servers that a token is meant for: its issuer and its audience are theirs.

    Nothing is fetched, and nothing verified. Empty where it is meant for none of them.
    """
    found = [(server, explain(token, server, offline=True)) for server in resource_servers]
    return tuple(
        server
        for server, said in found
        if said.issuer and not any(Reason.WRONG_AUDIENCE in check.reasons for check in said.checks)
    )


def _facts(
    credentials: bytes, server: ResourceServer, now: float, key_sets: Mapping[str, KeySet]
) -> Facts:
    return Facts(
        credentials,
        max_size=server.max_token_size,
        issuers={issuer.issuer: issuer for issuer in server.issuers},
        key_sets=key_sets,
        audience=frozenset(server.audience),
        now=now,
        leeway=server.leeway,
    )


_OFFLINE: Final = "not fetched: offline"
_FETCH: Final = "let the keys be fetched, or give them (--jwks FILE)"


def _given(keys: Mapping[str, object] | None) -> KeySet | None:
    problems, given = read_keys(None, keys, None)
    if problems:
        raise ConfigurationError(f"explain: {problem}" for problem in problems)
    return given


def _keys_of(
    issuer: TrustedIssuer, server: ResourceServer, given: KeySet | None, *, offline: bool
) -> tuple[KeySet | None, str]:
    """The keys of a configured issuer, and how they were had or why not."""
    keys = given or issuer.static_keys
    if keys is not None:
        return keys, "a shared secret" if keys.secret else f"{_counted(keys)}, given"
    if offline:
        return None, _OFFLINE
    told: SimpleQueue[Event] = SimpleQueue()
    client = JwksClient(
        issuer, clock=server.clock, reporter=Reporter([told.put]), fetch=server.fetch
    )
    flight = client.refresh_if_due()
    try:
        event = told.get(timeout=0 if flight is None else flight.patience)
    except Empty:
        return None, "cannot be fetched: no answer, and no end"
    if isinstance(event, KeysFailed):
        return None, f"cannot be fetched: {event.cause}"
    keys = client.record.keys
    return keys, f"{_counted(keys)}, fetched from the issuer"


def _counted(keys: KeySet | None) -> str:
    count = 0 if keys is None else len(keys.keys)
    return f"{count} key" if count == 1 else f"{count} keys"


# --- What is told ---------------------------------------------------------------------------------

_MISSING: Final = {
    "parts": "its three parts could not be told apart",
    "header": "the header could not be read",
    "alg": "alg could not be read",
    "kid": "kid could not be read",
    "typ": "typ could not be read",
    "payload": "the claims could not be read",
    "signature": "the signature could not be read",
    "token": "the claims could not be read",
    "issuer": "the issuer is not known here",
    "profile": "the profile is not known",
    "key": "the key is not known",
}
_FOUND_BY: Final[Mapping[str, tuple[str, ...]]] = {
    **dict.fromkeys(("header", "payload", "signature"), ("parts",)),
    **dict.fromkeys(("alg", "kid", "typ"), ("header",)),
    "token": ("payload",),
    "issuer": ("token",),
    "profile": ("typ",),
    "key": ("issuer", "kid", "alg", "keys"),
}
"""A fact → what it is found out from."""


def _cause(missing: str, facts: Facts) -> str:
    """The fact for want of which this one is missing too: the first of the chain."""
    for earlier in _FOUND_BY.get(missing, ()):
        if not hasattr(facts, earlier):
            return _cause(earlier, facts)
    return missing


def _check(judgement: Judgement, facts: Facts, keys: str) -> Check:
    row, failures, missing = judgement
    said = (row.step, row.rule, row.source)
    if failures:
        reasons = tuple(failure.reason for failure in failures)
        details = tuple(failure.detail for failure in failures)
        return Check(*said, "FAILS", reasons, details, fix_of(reasons[0], facts))
    cause = _cause(missing, facts)
    if cause == "keys":
        fix = _FETCH if keys == _OFFLINE else fix_of(Reason.KEYS_UNAVAILABLE, facts)
        return Check(*said, "not judged", (), (f"keys: {keys}",), fix)
    if cause:
        return Check(*said, "not judged", (), (_MISSING[cause],))
    return Check(*said, "holds")


def _accepted(facts: Facts) -> tuple[Principal, tuple[str, ...]]:
    """What the server makes of a token that passes every check: the principal, and notes."""
    verified = verify(
        Case(
            facts.token, facts.issuer, facts.profile, facts.key, facts.audience, facts.now,
            facts.leeway,
        )
    )  # fmt: skip
    return to_principal(verified), verified.notes


def _meets(who: Principal, asked: Sequence[Policy], facts: Facts) -> bool:
    policies: Sequence[Policy | None] = asked or (None,)
    try:
        for policy in policies:
            require(policy, who, facts.now, facts.leeway)
    except AuthError:
        return False
    return True


def _dialect(facts: Facts) -> str | None:
    """What `permissions` proves: present, that they are added; absent, nothing (RBAC may be off)."""
    issuer, profile = getattr(facts, "issuer", None), getattr(facts, "profile", None)
    if issuer is None or profile is None or not issuer.is_auth0:
        return None
    plain = _DIALECTS[profile.name]
    if "permissions" in facts.token.claims:
        return f"{plain}_authz"
    return f"{plain}, or {plain}_authz with RBAC off"


_DIALECTS: Final = {"auth0": "access_token", "rfc9068": "rfc9068_profile"}


def _claims(facts: Facts) -> Mapping[str, object]:
    return facts.token.claims if hasattr(facts, "token") else {}


def _names(facts: Facts) -> tuple[str, ...]:
    """Claim names, made printable and cut: a stranger may have chosen them."""
    names = [ascii(name[:80])[1:-1] for name in sorted(_claims(facts))]
    more = [f"and {len(names) - 50} more"] if len(names) > 50 else []
    return (*names[:50], *more)


def _times(facts: Facts) -> dict[str, float]:
    found = {name: _claims(facts).get(name) for name in ("iat", "nbf", "exp")}
    return {name: value - facts.now for name, value in found.items() if is_time(value)}


def _remarks(facts: Facts, kind: str | None) -> list[str]:
    remarks = []
    ahead = _times(facts).get("iat", 0)
    if ahead > facts.leeway:
        remarks.append(f"it was issued {spoken(ahead)} from now: a clock is off; see atjwt doctor")
    if kind == "anonymous":
        remarks.append(
            "it is an anonymous session: a middleware lets it in with anonymous=True only, and a"
            " guard where its policy names that kind"
        )
    return remarks
