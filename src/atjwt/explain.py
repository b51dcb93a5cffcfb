"""Why a token is accepted or refused: every check, what came of it, and what is likely to mend it.

    explain(token, resource_server)  → Explanation          python -m atjwt explain on the command line

The checks are those of the request path (`core/explain.py`). The token goes nowhere: only keys are
fetched, and only those of a configured issuer. For the owner of the API: an explanation names claims
and tells times as differences from now, and never holds what another claim says.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from queue import Empty, SimpleQueue
from typing import Final, Literal, NamedTuple

from atjwt.core.challenge import ANSWERS
from atjwt.core.configuration import read_keys
from atjwt.core.explain import Facts, Judgement
from atjwt.core.explain import explain as judge
from atjwt.core.key_set import KeySet
from atjwt.core.member import is_time
from atjwt.core.principal import to_principal
from atjwt.core.reading import read_json_object
from atjwt.core.trusted_issuer import TrustedIssuer
from atjwt.core.verify import Case, verify
from atjwt.errors import ConfigurationError, Reason
from atjwt.events import Event, KeysFailed, fingerprint
from atjwt.fixes import fix_of, spoken
from atjwt.jwks_client import JwksClient
from atjwt.reporter import Reporter
from atjwt.resource_server import ResourceServer

__all__ = ["Check", "Explanation", "Taken", "explain", "spoken", "take_token"]


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
) -> Explanation:
    """Makes every check that can be made, as the resource server would; may block for its issuer.

    keys: a JWK Set (RFC 7517 section 5) to use for the token's issuer, instead of fetching.
    now: seconds since 1970; default the resource server's clock.
    offline: whether to fetch nothing.
    Raises ConfigurationError: `keys` is no JWK Set with a usable key.
    """
    credentials = token if isinstance(token, bytes) else token.encode("utf-8", "surrogatepass")
    at = resource_server.clock() if now is None else now
    problems, given = read_keys(None, keys, None)
    if problems:
        raise ConfigurationError(f"explain: {problem}" for problem in problems)
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
    kind, notes = _accepted(facts) if not failing and not unjudged else (None, ())
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


def _check(judgement: Judgement, facts: Facts, keys: str) -> Check:
    row, failures, missing = judgement
    said = (row.step, row.rule, row.source)
    if failures:
        reasons = tuple(failure.reason for failure in failures)
        details = tuple(failure.detail for failure in failures)
        return Check(*said, "FAILS", reasons, details, fix_of(reasons[0], facts))
    if missing == "keys":
        fix = _FETCH if keys == _OFFLINE else fix_of(Reason.KEYS_UNAVAILABLE, facts)
        return Check(*said, "not judged", (), (f"keys: {keys}",), fix)
    if missing:
        return Check(*said, "not judged", (), (_MISSING[missing],))
    return Check(*said, "holds")


def _accepted(facts: Facts) -> tuple[str, tuple[str, ...]]:
    """What the server makes of a token that passes every check: the kind of caller, and notes."""
    verified = verify(
        Case(
            facts.token, facts.issuer, facts.profile, facts.key, facts.audience, facts.now,
            facts.leeway,
        )
    )  # fmt: skip
    return to_principal(verified).kind, verified.notes


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


# --- What people paste ----------------------------------------------------------------------------


class Taken(NamedTuple):
    """A token, and what it was taken out of; empty where it was all there was."""

    token: str
    out_of: str

    def __repr__(self) -> str:
        return "<Taken>"


def take_token(text: str) -> Taken:
    """Takes the token out of what people paste: a header, a quoted string, a token response.

    Raises ValueError: a token response without access token.
    """
    bare = text.strip()
    if bare.startswith("{"):
        return Taken(_from_response(bare), "a token response")
    layers = []
    for name, beginning in _WRAPPINGS:
        unquoted = bare.strip("\"'` \t,")
        layers += ["quotes"] if unquoted != bare and "quotes" not in layers else []
        bare = unquoted[match.end() :] if (match := beginning.match(unquoted)) else unquoted
        layers += [name] if bare != unquoted else []
    return Taken(bare, " and ".join(layers))


_WRAPPINGS: Final = (
    ("a header", re.compile(r"authorization:\s*", re.IGNORECASE)),
    ("the scheme Bearer", re.compile(r"bearer(\s+|$)", re.IGNORECASE)),
)


def _from_response(text: str) -> str:
    try:
        token = read_json_object(text.encode("utf-8", "replace")).get("access_token")
    except ValueError:
        token = None
    if not isinstance(token, str):
        raise ValueError("this is no token response with an access_token; give the token itself")
    return token.strip()
