"""The page of what goes wrong on purpose: the signing keys, and a fault switch per endpoint."""

from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

from starlette.responses import Response

from atjwt.issuer.dashboard_forms import Typed, number
from atjwt.issuer.dashboard_parts import LAB, choice, field, form, notice, page, section, table
from atjwt.issuer.faults import ENDPOINTS, Endpoint, Fault
from atjwt.issuer.markup import Html, element, value_of
from atjwt.issuer.rings import KeyRings

_NAMES: Final = {
    "metadata": "Metadata",
    "jwks": "Keys (JWKS)",
    "token": "Token endpoint",
    "management": "Management API",
}
_WORDS: Final = {
    "": "as it should",
    "down": "down: an error status",
    "hang": "hangs: no answer at all",
    "garbage": "garbage: HTML with status 200",
    "empty": "empty: JSON without content",
    "huge": "huge: more than 2 MiB",
    "redirect": "redirects elsewhere",
    "lying": "lying: names another issuer",
}
_KINDS: Final[Mapping[str, Mapping[str, str]]] = {
    endpoint: {
        kind: words
        for kind, words in _WORDS.items()
        if not kind or Fault(**{kind: True}).problem_at(endpoint) is None
    }
    for endpoint in ENDPOINTS
}
"""Endpoint → the kinds of `Fault` that mean something there, and what they do."""

_TWINS: Final = "test"
_STAGES: Final = {
    ("current", False): "current: signs",
    ("current", True): "current: signs, and is withdrawn, so nobody can verify new tokens",
    ("next", False): "next: published ahead",
    ("next", True): "next: withdrawn before its time",
    ("previous", False): "previous: old tokens still verify",
    ("previous", True): "withdrawn",
    (_TWINS, False): "a test's: two keys of one kid",
}
_COLUMNS: Final = ("Key id (kid)", "State", "Published", "Action")

_Active: TypeAlias = Mapping[str, Mapping[str, object]]


def lab_page(
    token: str,
    keys: KeyRings,
    active: _Active,
    *,
    told: Iterable[str] = (),
    typed: Typed | None = None,
    problems: Mapping[str, str] | None = None,
    status: int = 200,
) -> Response:
    """The keys and the faults.

    active: the faults that are on. typed, problems: of the one form that was not taken.
    """
    refused = (typed or {}).get("on")
    cards = (
        _fault(token, endpoint, active.get(endpoint, {}), typed if refused == endpoint else None,
               (problems or {}) if refused == endpoint else {})
        for endpoint in ENDPOINTS
    )  # fmt: skip
    clear = form(f"{LAB}/clear", token, element("button", "Clear all faults"))
    return page(
        "Keys and faults",
        element("p", "What an API must be able to bear, on purpose.", class_="lead"),
        notice(told),
        _keys(token, keys),
        section(
            "faults",
            "Faults",
            element("p", "Each is seen by the next request. ", _summary(active), class_="lead"),
            clear,
            element("div", *cards, class_="grid"),
            class_="part",
        ),
        here=LAB,
        problems=problems,
        status=status,
    )


def fault_of(typed: Typed) -> dict[str, object]:
    """What was typed → the members of `Switchboard.set_from`. Raises ValueError: no such fault."""
    endpoint, kind = typed.get("on", ""), typed.get("kind", "")
    if endpoint not in _KINDS:
        raise ValueError(f"on is one of {', '.join(ENDPOINTS)}")
    if kind not in _KINDS[endpoint]:
        known = ", ".join(filter(None, _KINDS[endpoint]))
        raise ValueError(f"kind is one of {known}, or nothing")
    members: dict[str, object] = {"on": [endpoint]}
    members |= {kind: True} if kind else {}
    members |= {name: _seconds(typed[name]) for name in ("slow", "drip") if name in typed}
    if kind == "down":  # of no meaning otherwise
        answer = ("status", "retry_after")
        members |= {name: number(typed[name]) for name in answer if name in typed}
    return members


def fault_field(endpoint: str, sentence: str) -> str:
    """The id of the field that a sentence about a fault begins with; else of the first field."""
    name = sentence.partition(" ")[0]
    fields = ("slow", "drip", "status", "retry_after", "kind")
    if endpoint not in ENDPOINTS:
        return "faults"
    return f"{endpoint}-{name if name in fields else 'kind'}"


def _seconds(text: str) -> object:
    try:
        return float(text)
    except ValueError:
        return text


def _summary(active: _Active) -> str:
    named = [_NAMES[endpoint] for endpoint in ENDPOINTS if endpoint in active]
    return f"On now: {', '.join(named)}." if named else "None is on."


def _keys(token: str, keys: KeyRings) -> Html:
    published = {key["kid"]: key["alg"] for key in keys.jwks()["keys"]}
    stages = keys.stages()
    known = {kid for kid, _, _ in stages}
    stages += [(kid, _TWINS, False) for kid in published if kid not in known]
    rows = (
        (
            value_of(kid),
            _STAGES[stage, is_withdrawn],
            f"for {published[kid]}" if kid in published else "no longer",
            _withdrawal(token, kid) if kid in published else "none",
        )
        for kid, stage, is_withdrawn in stages
    )
    rotate = form(
        f"{LAB}/rotate",
        token,
        element("button", "Rotate", class_="main", aria_describedby="rotate-hint"),
        element(
            "p",
            "The next key signs from then on; the one before stays published until it is withdrawn.",
            id="rotate-hint",
            class_="soft",
        ),
        class_="actions after",
    )
    return section(
        "keys-heading",
        "Signing keys",
        table("Signing keys", _COLUMNS, rows),
        rotate,
    )


def _withdrawal(token: str, kid: str) -> Html:
    return form(
        f"{LAB}/withdraw",
        token,
        element("input", type="hidden", name="kid", value=kid),
        element(
            "button", "Withdraw", element("span", f" {kid}", class_="unseen"), class_="small risky"
        ),
    )


def _fault(
    token: str,
    endpoint: Endpoint,
    active: Mapping[str, object],
    typed: Typed | None,
    problems: Mapping[str, str],
) -> Html:
    values = _values(active) if typed is None else typed
    kinds = _KINDS[endpoint]
    numbers = {
        "slow": "Slow, seconds",
        "drip": "Drip, seconds",
        "status": "Status when down",
        "retry_after": "Retry-After, seconds",
    }
    if Fault(drip=1).problem_at(endpoint):  # no document, so no body that could come in pieces
        del numbers["drip"]
    id_ = f"{endpoint}-kind"
    what = choice(
        "kind", "It answers", kinds, values.get("kind", ""), id_=id_, problem=problems.get(id_)
    )
    lines = [
        field(
            name,
            label,
            values.get(name, ""),
            id_=f"{endpoint}-{name}",
            problem=problems.get(f"{endpoint}-{name}"),
            inputmode="decimal",
        )
        for name, label in numbers.items()
    ]
    fields = (what, element("div", *lines, class_="pair"))
    badge = element("span", "on" if active else "off", class_="badge on" if active else "badge")
    heading = element("h3", _NAMES[endpoint], " ", badge, id=f"{endpoint}-heading")
    hidden = element("input", type="hidden", name="on", value=endpoint)
    button = element("button", "Set", element("span", f" for {_NAMES[endpoint]}", class_="unseen"))
    return form(
        LAB, token, hidden, heading, *fields, button, class_="card",
        aria_labelledby=f"{endpoint}-heading",
    )  # fmt: skip


def _values(active: Mapping[str, object]) -> dict[str, str]:
    kind = next((name for name, value in active.items() if value is True), "")
    numbers = {name: str(value) for name, value in active.items() if value is not True}
    return {"kind": kind, "status": str(Fault().status), **numbers}
