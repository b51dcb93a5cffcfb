"""Keys and faults on the local issuer's Dashboard."""

import pytest
from starlette.testclient import TestClient

from atjwt import Reason
from atjwt.issuer import LocalIssuer
from tools.dashboard import LAB, Page, get
from tools.login import BASE

NOW = 1_790_000_000


@pytest.fixture
def issuer() -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=lambda: NOW)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE)


def test_faults_are_set_shown_and_cleared(issuer: LocalIssuer, client: TestClient) -> None:
    """One endpoint at a time; the form keeps what is set, and one button puts all right."""
    forms = {form.fields.get("on"): form for form in get(client, LAB).forms}
    page = Page(forms["jwks"].send(client, kind="down", status="429", retry_after="30", slow="0.5"))
    assert "The fault is set." in page.text
    assert "On now: Keys (JWKS)." in page.text
    assert issuer.faults.active() == {
        "jwks": {"down": True, "status": 429, "retry_after": 30, "slow": 0.5}
    }
    shown = {form.fields.get("on"): form for form in page.forms}["jwks"].fields
    assert (shown["kind"], shown["status"], shown["slow"]) == ("down", "429", "0.5")
    Page(forms["metadata"].send(client, kind="lying"))
    assert set(issuer.faults.active()) == {"jwks", "metadata"}
    page = Page(page.form(f"{LAB}/clear").send(client))
    assert "All faults are off." in page.text
    assert "None is on." in page.text
    assert issuer.faults.active() == {}


@pytest.mark.parametrize(
    ("endpoint", "kinds"),
    [
        ("metadata", {"down", "hang", "garbage", "empty", "huge", "redirect", "lying"}),
        ("jwks", {"down", "hang", "garbage", "empty", "huge", "redirect"}),
        ("token", {"down", "hang"}),
        ("management", {"down", "hang"}),
    ],
)
def test_each_endpoint_offers_the_faults_that_it_has(
    issuer: LocalIssuer, client: TestClient, endpoint: str, kinds: set[str]
) -> None:
    """Every one of them can be set from the page, and no other."""
    form = next(form for form in get(client, LAB).forms if form.fields.get("on") == endpoint)
    for kind in ("down", "hang", "garbage", "empty", "huge", "redirect", "lying"):
        answer = form.send(client, kind=kind)
        assert (answer.status_code == 200) == (kind in kinds)
        if kind in kinds:
            assert issuer.faults.active()[endpoint] == {kind: True}
    form.send(client, kind="", status="429", retry_after="9")  # of no meaning unless it is down
    assert issuer.faults.active() == {}


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"slow": "soon"}, "slow", "slow is a number of seconds from 0 to 86400"),
        ({"slow": "-1"}, "slow", "slow is a number of seconds from 0 to 86400"),
        ({"drip": "nan"}, "drip", "drip is a number of seconds from 0 to 86400"),
        ({"kind": "down", "status": "200"}, "status", "status is an HTTP status from 400 to 599"),
        ({"kind": "down", "retry_after": "x"}, "retry_after", "retry_after is a whole number"),
        ({"kind": "status"}, "kind", "kind is one of down, hang"),
    ],
)
def test_a_fault_that_will_not_do_is_told_beside_it(
    issuer: LocalIssuer, client: TestClient, typed: dict[str, str], field: str, sentence: str
) -> None:
    """Beside the field of that endpoint's form, and what was typed stays in it."""
    form = next(form for form in get(client, LAB).forms if form.fields.get("on") == "jwks")
    answer = form.send(client, **typed)
    page = Page(answer)
    assert answer.status_code == 400
    assert page.text.count(sentence) == 2
    assert page.by_id(f"jwks-{field}")["aria-invalid"] == "true"
    other = next(form for form in page.forms if form.fields.get("on") == "metadata")
    assert (other.fields["slow"], other.fields["drip"], other.fields["kind"]) == ("", "", "")
    assert "aria-invalid" not in page.by_id(f"metadata-{field}")
    if "kind" not in typed:
        shown = next(form for form in page.forms if form.fields.get("on") == "jwks")
        assert shown.fields[field] == typed[field]
    assert issuer.faults.active() == {}


def test_a_fault_of_no_endpoint_is_refused(issuer: LocalIssuer, client: TestClient) -> None:
    """Nor is it set anywhere else."""
    form = next(form for form in get(client, LAB).forms if form.fields.get("on") == "jwks")
    answer = form.send(client, on="dashboard", kind="down")
    assert answer.status_code == 400
    assert "on is one of metadata, jwks, token, management" in Page(answer).text
    assert issuer.faults.active() == {}


def test_keys_are_rotated_and_withdrawn(issuer: LocalIssuer, client: TestClient) -> None:
    """The page shows what each key is, and the published set follows it."""
    first, second = (key["kid"] for key in issuer.jwks()["keys"])
    page = get(client, LAB)
    assert f"{first} current: signs for ES256" in page.text
    assert f"{second} next: published ahead for ES256" in page.text
    page = Page(page.form(f"{LAB}/rotate").send(client))
    assert f"The keys are rotated: {second} signs from now on." in page.text
    assert f"{first} previous: old tokens still verify for ES256" in page.text
    withdrawal = next(form for form in page.forms if form.fields.get("kid") == first)
    page = Page(withdrawal.send(client))
    assert "The key is withdrawn: it is published no longer." in page.text
    assert f"{first} withdrawn no longer none" in page.text
    assert first not in {key["kid"] for key in issuer.jwks()["keys"]}
    assert first not in {form.fields.get("kid") for form in page.forms}
    answer = withdrawal.send(client)
    assert answer.status_code == 400
    assert "no published key has this kid" in Page(answer).text


def test_a_withdrawn_key_that_signs_is_said(issuer: LocalIssuer, client: TestClient) -> None:
    """The one that is current can be withdrawn too, and so can a test's two of one key id."""
    issuer.broken(Reason.AMBIGUOUS_KEY)
    page = get(client, LAB)
    assert page.text.count("a test's: two keys of one kid") == 1
    current = issuer.jwks()["keys"][0]["kid"]
    withdrawal = next(form for form in page.forms if form.fields.get("kid") == current)
    assert "so nobody can verify new tokens" in Page(withdrawal.send(client)).text
