"""Step 1: the token string → its parts, well-formed and not yet believed."""

import base64
import binascii
import json
import math
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from atjwt import AUTH0, RFC9068, InvalidToken, Reason
from atjwt.core.reading import MAX_DEPTH, read_base64url, read_json_object
from atjwt.core.token import UnverifiedToken, parse_token
from core.making import (
    NOW,
    assemble,
    attempt,
    base64url,
    changed,
    good_claims,
    json_text,
    parsed,
    refuses,
    token,
)

HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": "P-256"}
ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# --- base64url -----------------------------------------------------------------------------------


@given(st.binary(max_size=80))
def test_base64url_inverse(data: bytes) -> None:
    """Reading is the inverse of writing."""
    assert read_base64url(base64url(data)) == data


@given(
    st.one_of(
        st.binary(max_size=12),
        st.lists(st.sampled_from(ALPHABET + b"+/= \n"), max_size=12).map(bytes),
        st.lists(st.sampled_from(ALPHABET), max_size=12).map(bytes),
    )
)
@example(b"QQ==")
@example(b"QQ")
@example(b"QR")
@example(b"QUI")
@example(b"QUJ")
@example(b"QUJD\n")
@example(b"Q+J/")
@example(b"Q")
def test_base64url_one_form(segment: bytes) -> None:
    """Whatever is accepted is the one canonical form of what it says; all else is refused."""
    outcome = attempt(lambda: read_base64url(segment), ValueError)
    if isinstance(outcome, bytes):
        assert base64url(outcome) == segment
        return
    assert type(outcome) is ValueError
    assert str(outcome) in {"not base64url", "not canonical base64url"}
    padded = segment + b"=" * (-len(segment) % 4)
    lenient = attempt(lambda: base64.b64decode(padded, b"-_", validate=True), binascii.Error)
    if isinstance(lenient, bytes):
        assert base64url(lenient) != segment


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_base64url_last_characters(size: int) -> None:
    """Of the last characters of a short group, those with stray bits are refused."""
    accepted = 0
    for last in ALPHABET:
        try:
            read_base64url(b"AAAA" + b"A" * (size - 1) + bytes([last]))
        except ValueError:
            continue
        accepted += 1
    assert accepted == {1: 0, 2: 4, 3: 16, 4: 64}[size]


# --- JSON ----------------------------------------------------------------------------------------

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)
)
values: st.SearchStrategy[Any] = st.recursive(
    scalars | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)
objects = st.dictionaries(st.text(max_size=6), values, max_size=5)


@given(objects, st.booleans(), st.sampled_from([None, 1, "\t"]))
def test_json_agrees(value: dict[str, Any], ascii_only: bool, indent: int | str | None) -> None:  # noqa: FBT001
    """Every object that json.dumps can write, in whichever way, is read as json.loads reads it."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    try:
        encoded = text.encode("utf-8")
    except UnicodeEncodeError:
        return
    assert read_json_object(encoded) == json.loads(text) == value


@given(
    st.binary(max_size=40) | st.text('{}[]":,0123eE+-.\\u truefalsn', max_size=30).map(str.encode)
)
def test_json_never_more(text: bytes) -> None:
    """What is accepted at all, json.loads reads the same; what is refused, as a ValueError."""
    outcome = attempt(lambda: read_json_object(text), ValueError)
    if isinstance(outcome, dict):
        assert outcome == json.loads(text.decode("utf-8"))
    else:
        assert type(outcome) is ValueError


REFUSED = {
    "nothing": (b"", "not JSON"),
    "an array": (b"[]", "not a JSON object"),
    "a string": (b'"x"', "not a JSON object"),
    "null": (b"null", "not a JSON object"),
    "cut off": (b'{"a":1', "not JSON"),
    "two objects": (b"{}{}", "not JSON"),
    "something after": (b"{} x", "not JSON"),
    "a comment": (b"{/**/}", "not JSON"),
    "a comma too many": (b'{"a":1,}', "not JSON"),
    "single quotes": (b"{'a':1}", "not JSON"),
    "a control character": (b'{"a":"\n"}', "not JSON"),
    "a byte order mark": (b"\xef\xbb\xbf{}", "not JSON"),
    "UTF-16": ('{"a":1}'.encode("utf-16-le"), "not JSON"),
    "UTF-16 with a mark": ('{"a":1}'.encode("utf-16"), "not UTF-8"),
    "UTF-32": ('{"a":1}'.encode("utf-32-be"), "not JSON"),
    "Latin-1": ('{"a":"é"}'.encode("latin-1"), "not UTF-8"),
    "overlong UTF-8": (b'{"a":"\xc0\x80"}', "not UTF-8"),
    "a surrogate in UTF-8": (b'{"a":"\xed\xa0\x80"}', "not UTF-8"),
    "half a pair": (b'{"a":"\\ud800"}', "half of a surrogate pair"),
    "half a pair in a name": (b'{"\\udc00":1}', "half of a surrogate pair"),
    "half a pair far down": (b'{"a":[{"b":"\\udfff"}]}', "half of a surrogate pair"),
    "a member twice": (b'{"a":1,"a":1}', "a member appears twice"),
    "a member twice by escape": (b'{"a":1,"\\u0061":2}', "a member appears twice"),
    "a member twice far down": (b'{"a":[{"b":1,"b":2}]}', "a member appears twice"),
    "NaN": (b'{"a":NaN}', "a number is not finite"),
    "Infinity": (b'{"a":Infinity}', "a number is not finite"),
    "-Infinity": (b'{"a":[-Infinity]}', "a number is not finite"),
    "too large a float": (b'{"a":1e400}', "a number is not finite"),
    "too small a float": (b'{"a":-1e400}', "a number is not finite"),
    "Arabic digits": ('{"a":\u0661}'.encode(), "not JSON"),
    "a leading zero": (b'{"a":01}', "not JSON"),
    "a plus": (b'{"a":+1}', "not JSON"),
    "hexadecimal": (b'{"a":0x10}', "not JSON"),
}


@pytest.mark.parametrize(("text", "why"), REFUSED.values(), ids=list(REFUSED))
def test_json_refused(text: bytes, why: str) -> None:
    """JSON is read as narrowly as a token allows, and the reason is said."""
    with pytest.raises(ValueError, match=f"^{why}$"):
        read_json_object(text)


def test_whole_characters() -> None:
    """A whole surrogate pair, and an escape of any other character, are characters."""
    text = b'{"a":"\\ud83d\\ude00","b":"\\u00e9","c":"\\\\ud800"}'
    assert read_json_object(text) == {"a": "\U0001f600", "b": "é", "c": "\\ud800"}


def test_integers() -> None:
    """An integer is read exactly, up to the number of digits that Python reads."""
    assert read_json_object(b'{"a":%d}' % 10**60) == {"a": 10**60}
    with pytest.raises(ValueError, match=r"digits") as caught:
        read_json_object(b'{"a":' + b"9" * (sys.get_int_max_str_digits() + 1) + b"}")
    assert "999" not in str(caught.value)


@pytest.mark.parametrize("inner", [b"1", b'"x"', b"[]", b"{}"], ids=repr)
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=repr)
def test_depth(opening: bytes, closing: bytes, inner: bytes) -> None:
    """64 levels of arrays and objects are read, one more is not, and a million crash nothing."""

    def nested(levels: int, beside: bytes = b"") -> bytes:
        between = levels - 1 - (inner in {b"[]", b"{}"})
        return b'{"a":' + opening * between + inner + closing * between + beside + b"}"

    assert MAX_DEPTH == 64
    assert read_json_object(nested(MAX_DEPTH))
    assert read_json_object(nested(MAX_DEPTH, beside=b',"b":[{},{}]'))
    for levels in (MAX_DEPTH + 1, 1_000_000):
        with pytest.raises(ValueError, match=r"^nested too deep$"):
            read_json_object(nested(levels))


def test_width_is_not_depth() -> None:
    """Many arrays side by side, and brackets in strings, are not deep."""
    assert read_json_object(json_text({"a": [[]] * 200, "b": "[{" * 200}))["a"] == [[]] * 200


def test_read_errors_hold_nothing_read() -> None:
    """The text of an error holds nothing of what was read."""
    for text in (b'{"marker":', b'{"marker":1,"marker":2}', b'{"a":"marker\\ud800"}', b'"marker"'):
        with pytest.raises(ValueError, match=r".") as caught:
            read_json_object(text)
        assert "marker" not in f"{caught.value!r}"


# --- the token -----------------------------------------------------------------------------------


def test_parts() -> None:
    """A well-formed token comes apart into what was put in."""
    claims = good_claims(RFC9068, name="Zoë")
    sent = token(RFC9068, claims)
    parts = parse_token(sent)
    assert (parts.alg, parts.kid, parts.typ) == ("ES256", "P-256", "at+jwt")
    assert parts.claims == claims
    assert parts.payload == json_text(claims)
    assert parts.signing_input + b"." + base64url(parts.signature) == sent


def test_absent_parameters() -> None:
    """Without kid and typ the header is well-formed, and they are None."""
    parts = parse_token(assemble({"alg": "ES256"}, good_claims(AUTH0)))
    assert (parts.kid, parts.typ) == (None, None)


@pytest.mark.parametrize("dots", range(12))
def test_number_of_parts(dots: int) -> None:
    """Three parts are a signed token, five an encrypted one, any other number no JWT."""
    reason = {2: Reason.INVALID_JSON, 4: Reason.ENCRYPTED_TOKEN}.get(dots, Reason.OPAQUE_TOKEN)
    refuses(reason, lambda: parse_token(b".".join([b"AAAA"] * (dots + 1))))
    if dots != 2:
        refuses(reason, lambda: parse_token(b"." * dots))


@pytest.mark.parametrize("part", [0, 1, 2])
@pytest.mark.parametrize("damage", [b"=", b"\n", b" ", b"+", b"/", b"A", b"%3D"])
def test_encoding_of_each_part(part: int, damage: bytes) -> None:
    """Padding, white space, foreign characters or a stray character in any part are refused."""
    # Each part is made as long as a multiple of four, so that one more character is a stray one.
    parts = [base64url(b'{"alg":"ab"}'), base64url(b"{}    "), base64url(b"123")]
    parts[part] += damage
    refuses(Reason.INVALID_ENCODING, lambda: parse_token(b".".join(parts)))


@pytest.mark.parametrize("text", [b"[]", b"{", b"{}}", b'{"alg":"ES256","alg":"ES256"}', b"\xff"])
def test_json_of_each_part(text: bytes) -> None:
    """Header and claim set are JSON objects, and the error says which of them is not."""
    error = refuses(Reason.INVALID_JSON, lambda: parse_token(assemble(text, good_claims(AUTH0))))
    assert error.detail.startswith("header: ")
    error = refuses(Reason.INVALID_JSON, lambda: parse_token(assemble(HEADER, text)))
    assert error.detail.startswith("claims: ")


@pytest.mark.parametrize("value", [None, True, 1, 1.5, [], ["ES256"], {}, {"a": "b"}])
@pytest.mark.parametrize("name", ["alg", "kid", "typ"])
def test_types_of_header(name: str, value: object) -> None:
    """alg, kid and typ are strings if they are there, null included among what they are not."""
    sent = assemble(changed(HEADER, **{name: value}), good_claims(RFC9068))
    error = refuses(Reason.INVALID_HEADER, lambda: parse_token(sent))
    assert name in error.detail


def test_header_lacks() -> None:
    """A header without alg, or with an empty kid, is refused."""
    for header in ({"typ": "at+jwt"}, {}, {"alg": "ES256", "kid": ""}):
        refuses(Reason.INVALID_HEADER, lambda: parse_token(assemble(header, {})))  # noqa: B023


@pytest.mark.parametrize("value", [None, False, True, [], ["b64"], ["exp"], "b64", {}])
@pytest.mark.parametrize("name", ["crit", "b64"])
def test_critical_header(name: str, value: object) -> None:
    """Any crit and any b64 is refused, well-formed or not (RFC 7515 4.1.11, RFC 7797)."""
    sent = assemble({**HEADER, name: value}, good_claims(RFC9068))
    refuses(Reason.CRITICAL_HEADER, lambda: parse_token(sent))


def test_critical_header_before_claims() -> None:
    """An unencoded payload is refused by its header, before anybody reads it."""
    refuses(Reason.CRITICAL_HEADER, lambda: parse_token(assemble({**HEADER, "b64": False}, b"no")))


def test_same_header_again() -> None:
    """A header that was read before is read the same again, and a bad one is refused again."""
    for claims in (good_claims(RFC9068), good_claims(RFC9068, sub="another")):
        assert parsed(RFC9068, claims).claims == claims
        assert parsed(RFC9068, claims).kid == "P-256"
        bad = assemble({**HEADER, "crit": ["exp"]}, claims)
        refuses(Reason.CRITICAL_HEADER, lambda: parse_token(bad))  # noqa: B023


def test_keys_in_header() -> None:
    """A token that brings or names its own key is read as if it did not."""
    for name in ("jwk", "jku", "x5u", "x5c", "x5t"):
        parts = parsed(RFC9068, good_claims(RFC9068), **{name: {"kty": "oct"}})
        assert parts.kid == "P-256"
        assert not hasattr(parts, name)


@given(st.binary(max_size=60) | st.text("abcAB01-_.=", max_size=60).map(str.encode))
def test_nothing_else_is_raised(sent: bytes) -> None:
    """Whatever is sent, it comes apart or is refused as an invalid token."""
    outcome = attempt(lambda: parse_token(sent), Exception)
    assert isinstance(outcome, UnverifiedToken | InvalidToken)


def test_unverified_token_shows_nothing() -> None:
    """Neither the printed form of a token nor an error shows a value that it holds."""
    marked = parsed(RFC9068, good_claims(RFC9068, sub="marker"), kid="marker", extra="marker")
    assert "marker" not in f"{marked} {marked!r}"
    shown = base64url(b"marker").decode()
    assert shown not in f"{marked!r}"
    for sent in (
        assemble({"alg": "marker", "kid": 1}, {}),
        assemble({"alg": "a", "crit": "marker"}, {}),
        assemble(HEADER, b'{"marker":1,"marker":2}'),
        b"marker.marker",
        b"marker!.e30.e30",
    ):
        with pytest.raises(Exception, match=r".") as caught:
            parse_token(sent)
        assert "marker" not in f"{caught.value} {caught.value!r}"


def test_times_stay_numbers() -> None:
    """A time is read as the number that was written: no float becomes an integer or back."""
    parts = parse_token(assemble(HEADER, b'{"exp":%d.0,"iat":1e3}' % NOW))
    exp = parts.claims["exp"]
    assert isinstance(exp, float)
    assert math.isclose(exp, NOW)
