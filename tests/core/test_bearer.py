"""Step 0: the Authorization header → the access token."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atjwt import AuthError, InvalidToken, Reason
from atjwt.core.bearer import (
    check_size,
    check_token68,
    find_credentials,
    sent_credentials,
    why_missing,
)
from atjwt.errors import InvalidRequest
from core.making import attempt

TOKEN68 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~+/"
tokens = st.builds(
    lambda body, padding: bytes(body) + b"=" * padding,
    st.lists(st.sampled_from(TOKEN68), min_size=1, max_size=40),
    st.integers(0, 3),
)


def header(*values: bytes) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"api"), *((b"authorization", value) for value in values), (b"x", b"y")]


@given(tokens, st.integers(1, 3))
def test_bearer_and_one_token(sent: bytes, spaces: int) -> None:
    """What follows Bearer is found as it was sent, and is one token68."""
    found = find_credentials(header(b"Bearer" + b" " * spaces + sent))
    assert found == sent
    check_token68(sent)


@pytest.mark.parametrize("scheme", [b"Bearer", b"bearer", b"BEARER", b"bEaReR"])
def test_case_of_scheme(scheme: bytes) -> None:
    """The scheme is compared without case (RFC 9110 section 11.1)."""
    assert find_credentials(header(scheme + b" abc")) == b"abc"


@pytest.mark.parametrize(
    "value",
    [
        *(b"Basic dTpw", b"DPoP abc", b"Bearerabc", b"Bearer2 abc", b"Token abc", b"abc", b""),
        *(b"Bearer-x abc", b"Bearer_ abc", b"X-Bearer abc", b'Digest a="Bearer", b="c"'),
        *(b"Digest realm=bearer", b'Digest a="b", bearerlike="c"', b"Basic bearer"),
    ],
)
def test_another_scheme(value: bytes) -> None:
    """Credentials of another scheme are not ours, so nothing was sent for us."""
    assert find_credentials(header(value)) is None


def test_no_header() -> None:
    """Without an Authorization header nothing was sent, whatever other headers say."""
    assert find_credentials([]) is None
    assert find_credentials([(b"x-authorization", b"Bearer abc"), (b"cookie", b"a=b")]) is None


@pytest.mark.parametrize(
    "values",
    [
        (b"Bearer abc", b"Bearer abc"),
        (b"Bearer abc", b"Basic dTpw"),
        (b"Basic dTpw", b"Bearer abc"),
        (b"Basic dTpw", b"Basic dTpw"),
        (b"", b"Bearer abc"),
        (b"Bearer abc", b""),
    ],
)
def test_two_headers(values: tuple[bytes, bytes]) -> None:
    """More than one Authorization header is refused, even where both say the same."""
    with pytest.raises(InvalidRequest) as caught:
        find_credentials(header(*values))
    assert caught.value.reason is Reason.MULTIPLE_CREDENTIALS


@pytest.mark.parametrize(
    "value",
    [
        *(b"Basic dTpw, Bearer abc", b"Basic dTpw,bearer abc", b"Basic dTpw,\t BEARER\tabc"),
        b'Digest a="b", c="d",  Bearer abc',
    ],
)
def test_joined_headers(value: bytes) -> None:
    """Two credentials that a proxy has joined into one header are still two."""
    with pytest.raises(InvalidRequest) as caught:
        find_credentials(header(value))
    assert caught.value.reason is Reason.MULTIPLE_CREDENTIALS


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"Bearer",
            b"bearer",
            b" Bearer ",
            b"Bearer\t",
            b"Bearer ",
            b"Bearer\tabc",
            b" Bearer abc",
        ),
        *(b"Bearer,abc", b"Bearer=abc", b'Bearer"abc"', b"Bearer:abc", b"Bearer/abc"),
    ],
)
def test_bearer_and_no_token(value: bytes) -> None:
    """Bearer without a space and a token is a malformed request and not an absent token."""

    def judge() -> None:
        found = find_credentials(header(value))
        assert found is not None
        check_token68(found)

    with pytest.raises(InvalidRequest) as caught:
        judge()
    assert caught.value.reason is Reason.MALFORMED_CREDENTIALS


@given(st.binary(max_size=30))
def test_token68_is_all_there_is(sent: bytes) -> None:
    """Whatever is not a token68 from its first byte to its last is refused (RFC 6750 2.1)."""
    body = sent.rstrip(b"=")
    well_formed = bool(body) and all(byte in TOKEN68 for byte in body)
    outcome = attempt(lambda: check_token68(sent), InvalidRequest)
    assert (outcome is None) is well_formed
    if isinstance(outcome, InvalidRequest):
        assert outcome.reason is Reason.MALFORMED_CREDENTIALS


@pytest.mark.parametrize(
    "sent", [b"abc, Bearer def", b"abc def", b"abc,def", b"abc\n", b"abc\t", b"=abc", b"a=b", b"="]
)
def test_not_one_token68(sent: bytes) -> None:
    """One token stands alone: no second one, no comma, no line end, no padding before its end."""
    with pytest.raises(InvalidRequest) as caught:
        check_token68(sent)
    assert caught.value.reason is Reason.MALFORMED_CREDENTIALS


@pytest.mark.parametrize("size", [1, 64, 16_384])
def test_size(size: int) -> None:
    """A token of the largest size passes; one byte more is too large, whatever it is made of."""
    check_size(b"a" * size, size)
    for sent in (b"a" * (size + 1), b"\x00" * (size + 1)):
        with pytest.raises(InvalidToken) as caught:
            check_size(sent, size)
        assert caught.value.reason is Reason.TOKEN_TOO_LARGE


@pytest.mark.parametrize(
    "judge",
    [lambda: check_token68(b"marker!"), lambda: check_size(b"marker" * 20, 100)],
    ids=["no token68", "too large"],
)
def test_errors_hold_nothing_sent(judge: Callable[[], None]) -> None:
    """What is wrong with credentials is said without repeating them."""
    with pytest.raises(AuthError) as caught:
        judge()
    assert "marker" not in f"{caught.value} {caught.value!r}"


def test_header_pairs_of_text_are_told() -> None:
    """Pairs of strings are a mistake of the caller, and not a request in which nothing was sent."""
    with pytest.raises(TypeError, match="pairs of bytes"):
        find_credentials([("authorization", "Bearer abc")])  # type: ignore[list-item]


def test_what_the_log_is_told_of_the_header() -> None:
    """The credentials if there are any, and else in which way there are none."""
    assert sent_credentials(header(b"Bearer abc")) == b"abc"
    assert sent_credentials(header(b"Bearer abc", b"Bearer abc")) is None
    assert why_missing(header(b"Basic dTpw")).endswith("of the scheme Bearer was read")
    assert why_missing(header()) == "no Authorization header"
