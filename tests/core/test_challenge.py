"""The last station: an error → status, headers, body."""

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AuthError, InsufficientScope, InvalidToken, KeysUnavailable, Reason
from atjwt.core.challenge import ANSWERS, Challenge, build_challenge
from atjwt.errors import InsufficientUserAuthentication, InvalidRequest, MissingToken

REALM = "https://api.acme.test/"
STATUS = {
    **dict.fromkeys([Reason.MULTIPLE_CREDENTIALS, Reason.MALFORMED_CREDENTIALS], 400),
    Reason.KEYS_UNAVAILABLE: 503,
    **dict.fromkeys(
        [
            Reason.MISSING_SCOPE, Reason.MISSING_PERMISSION, Reason.NO_PERMISSIONS_CLAIM,
            Reason.MISSING_ROLE, Reason.WRONG_CLAIM, Reason.WRONG_KIND, Reason.WRONG_CLIENT,
            Reason.WRONG_ORGANIZATION, Reason.MISSING_AUTHORIZATION_DETAIL,
        ],
        403,
    ),
}  # fmt: skip
"""All other reasons are answered with 401."""
CODES = {400: "invalid_request", 401: "invalid_token", 403: "insufficient_scope"}
STEP_UP = Reason.INSUFFICIENT_USER_AUTHENTICATION


def error_of(reason: Reason, detail: str = "marker") -> AuthError:
    """The error that is raised for a reason."""
    if reason is Reason.MISSING_TOKEN:
        return MissingToken(detail=detail)
    if reason is Reason.KEYS_UNAVAILABLE:
        return KeysUnavailable(detail=detail)
    if reason is STEP_UP:
        return InsufficientUserAuthentication(detail=detail)
    kinds: dict[int, type[AuthError]] = {400: InvalidRequest, 401: InvalidToken}
    return kinds.get(STATUS.get(reason, 401), InsufficientScope)(reason, detail)


def parameters(challenge: Challenge) -> dict[str, str] | None:
    """The parameters of WWW-Authenticate, read strictly; None without that header."""
    values = [value for name, value in challenge.headers if name == b"www-authenticate"]
    if not values:
        return None
    (value,) = values
    quoted = r'[a-z_]+="[\x20\x21\x23-\x5b\x5d-\x7e]*"'
    assert re.fullmatch(f"Bearer {quoted}(, {quoted})*", value.decode("ascii"))
    pairs = re.findall(r'([a-z_]+)="([^"]*)"', value.decode("ascii"))
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


# --- the table -----------------------------------------------------------------------------------


def test_every_reason_has_an_answer() -> None:
    """There is an answer for each reason, and for nothing else."""
    assert ANSWERS.keys() == set(Reason)


@pytest.mark.parametrize("reason", Reason)
def test_answer(reason: Reason) -> None:
    """Each reason has the status and the code of RFC 6750 section 3.1, or of RFC 9470 section 3."""
    answer = ANSWERS[reason]
    assert answer.status == STATUS.get(reason, 401)
    if reason is Reason.MISSING_TOKEN:
        assert answer.error is None
    elif reason is STEP_UP:
        assert answer.error == "insufficient_user_authentication"
    elif reason is not Reason.KEYS_UNAVAILABLE:
        assert answer.error == CODES[answer.status]


@pytest.mark.parametrize("reason", Reason)
def test_sentence(reason: Reason) -> None:
    """Each sentence is one, of characters that can stand in a challenge (RFC 6750 section 3)."""
    sentence = ANSWERS[reason].sentence
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+\.", sentence)


# --- the answer ----------------------------------------------------------------------------------


@pytest.mark.parametrize("reason", Reason)
def test_challenge(reason: Reason) -> None:
    """The answer is what the table says, in the header and in the body, and is not to be stored."""
    answer = ANSWERS[reason]
    challenge = build_challenge(error_of(reason), realm=REALM)
    headers = dict(challenge.headers)
    assert challenge.status == answer.status
    assert len(headers) == len(challenge.headers)
    assert headers[b"content-type"] == b"application/json"
    assert headers[b"content-length"] == str(len(challenge.body)).encode()
    assert headers[b"cache-control"] == b"no-store"
    code = "missing_token" if reason is Reason.MISSING_TOKEN else answer.error
    assert json.loads(challenge.body) == {"error": code, "error_description": answer.sentence}
    sent = parameters(challenge)
    if reason is Reason.KEYS_UNAVAILABLE:
        assert sent is None
    elif reason is Reason.MISSING_TOKEN:
        assert sent == {"realm": REALM}
    else:
        assert sent == {"realm": REALM, "error": code, "error_description": answer.sentence}


@pytest.mark.parametrize("reason", Reason)
def test_details_stay_inside(reason: Reason) -> None:
    """Details are for the log: a stranger is told the sentence and nothing of it."""
    error = error_of(reason)
    error.issuer, error.profile = "marker", "marker"
    assert "marker" not in f"{build_challenge(error, realm=REALM)}"


@pytest.mark.parametrize(
    ("retry_after", "seconds"),
    [
        (0, 1),
        (0.2, 1),
        (1, 1),
        (1.01, 2),
        (29.5, 30),
        (3_600, 3_600),
        (-5, 1),
        (1e9, 1_000_000_000),
    ],
)
def test_unavailable(retry_after: float, seconds: int) -> None:
    """503 says when to come back, in whole seconds, one at least, and challenges nobody."""
    challenge = build_challenge(KeysUnavailable(retry_after=retry_after), realm=REALM)
    assert challenge.status == 503
    assert (b"retry-after", str(seconds).encode()) in challenge.headers
    assert parameters(challenge) is None
    assert json.loads(challenge.body)["error"] == "temporarily_unavailable"


def test_only_503_says_when_to_come_back() -> None:
    """No other answer has Retry-After, and every other one has a challenge."""
    for reason in set(Reason) - {Reason.KEYS_UNAVAILABLE}:
        challenge = build_challenge(error_of(reason), realm=REALM)
        assert b"retry-after" not in dict(challenge.headers)
        assert parameters(challenge) is not None


def test_scope() -> None:
    """The scopes that are lacking are named, sorted, and nothing else that is lacking."""
    error = InsufficientScope(
        Reason.MISSING_SCOPE, scopes=["write:b", "read:a"], permissions=["p"], roles=["r"]
    )
    sent = parameters(build_challenge(error, realm=REALM))
    assert sent is not None
    assert sent["scope"] == "read:a write:b"
    assert list(sent) == ["realm", "error", "error_description", "scope"]
    for reason in (Reason.MISSING_PERMISSION, Reason.NO_PERMISSIONS_CLAIM, Reason.MISSING_ROLE):
        lacking = InsufficientScope(reason, permissions=["p"], roles=["r"])
        assert "scope" not in (parameters(build_challenge(lacking, realm=REALM)) or {})


# --- step-up (RFC 9470), metadata (RFC 9728) -----------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "added"),
    [
        ({}, {}),
        ({"acr_values": ["hi", "lo"]}, {"acr_values": "hi lo"}),
        ({"acr_values": ("lo", "hi")}, {"acr_values": "lo hi"}),
        ({"max_age": 0}, {"max_age": "0"}),
        (
            {"max_age": 60, "scopes": {"b", "a"}, "acr_values": ["urn:hi"]},
            {"acr_values": "urn:hi", "max_age": "60", "scope": "a b"},
        ),
    ],
    ids=repr,
)
def test_step_up(settings: dict[str, Any], added: dict[str, str]) -> None:
    """A new login is asked for with the parameters of RFC 9470 section 3, in their order."""
    challenge = build_challenge(InsufficientUserAuthentication(**settings), realm=REALM)
    assert challenge.status == 401
    sent = parameters(challenge)
    assert sent is not None
    known = {"realm": REALM, "error": "insufficient_user_authentication"}
    known["error_description"] = ANSWERS[STEP_UP].sentence
    assert list(sent.items()) == list({**known, **added}.items())
    assert json.loads(challenge.body)["error"] == "insufficient_user_authentication"


@pytest.mark.parametrize("reason", Reason)
def test_resource_metadata(reason: Reason) -> None:
    """Every challenge says where the API's metadata is, if it has any (RFC 9728 section 5.1)."""
    url = "https://api.acme.test/.well-known/oauth-protected-resource"
    without = parameters(build_challenge(error_of(reason), realm=REALM))
    sent = parameters(build_challenge(error_of(reason), realm=REALM, resource_metadata=url))
    assert sent == (None if without is None else {**without, "resource_metadata": url})


@given(st.lists(st.text(max_size=10), max_size=3), st.none() | st.integers(0), st.text(max_size=40))
def test_nothing_can_be_injected_by_a_login(levels: list[str], age: int | None, url: str) -> None:
    """Whatever an `acr` or a URL holds, the header is one well-formed challenge of ASCII."""
    error = InsufficientUserAuthentication(acr_values=levels, max_age=age, scopes=levels)
    sent = parameters(build_challenge(error, realm=REALM, resource_metadata=url))
    assert sent is not None
    assert sent.keys() - {"acr_values", "max_age", "scope"} == {
        "realm", "error", "error_description", "resource_metadata",
    }  # fmt: skip
    assert sent.get("max_age") == (None if age is None else str(age))
    for name in ("acr_values", "scope"):
        assert sent.get(name) != "", "an empty list is no list"


@given(st.text(max_size=40), st.lists(st.text(max_size=10), max_size=3))
def test_nothing_can_be_injected(realm: str, scopes: list[str]) -> None:
    """Whatever a realm or a scope holds, the header is one well-formed challenge of ASCII."""
    error = InsufficientScope(Reason.MISSING_SCOPE, scopes=scopes)
    sent = parameters(build_challenge(error, realm=realm))
    assert sent is not None
    assert sent["realm"] == "".join(c for c in realm if " " <= c <= "~" and c not in '"\\')
    assert sent["error"] == "insufficient_scope"
    assert sent.keys() <= {"realm", "error", "error_description", "scope"}
    assert sent.get("scope") != ""
    told = "".join(char for char in "".join(scopes) if "!" <= char <= "~" and char not in '"\\')
    assert sorted(set(sent.get("scope", "").replace(" ", ""))) == sorted(set(told))


@pytest.mark.parametrize(
    "realm", ['a"b', "a\\b", "a\r\nx: y", "é", 'a", error="x', "\x7f"], ids=repr
)
def test_realm(realm: str) -> None:
    """Quotes, backslashes, line ends and foreign characters are left out of the realm."""
    sent = parameters(build_challenge(MissingToken(), realm=realm))
    assert sent is not None
    assert list(sent) == ["realm"]
    assert not set(sent["realm"]) & set('"\\\r\né\x7f')
