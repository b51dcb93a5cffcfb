"""The authorization code grant at the local issuer's token endpoint, and which pages may call it."""

import base64
import hashlib
import secrets

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer
from tools.login import APP, BACK, BASE, CLERK, VERIFIER, ask, challenge_of, code_for, redeem

TOKEN = "/oauth/token"
METADATA = "/.well-known/openid-configuration"
OAUTH = "/.well-known/oauth-authorization-server"
JWKS = "/.well-known/jwks.json"
PAGE = "http://localhost:8000"


class Clock:
    """A clock that is set by hand, in seconds since 1970."""

    now = 1_790_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> LocalIssuer:
    return LocalIssuer(issuer=BASE, algorithm="ES256", clock=clock)


@pytest.fixture
def client(issuer: LocalIssuer) -> TestClient:
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


def test_a_code_is_good_once(client: TestClient) -> None:
    """The second time it is refused, and so it is ever after."""
    code = code_for(client)
    first = redeem(client, code)
    assert first.status_code == 200
    assert first.headers["cache-control"] == "no-store"
    for _ in range(2):
        again = redeem(client, code)
        assert (again.status_code, again.json()["error"]) == (400, "invalid_grant")
        assert set(again.json()) == {"error", "error_description"}


def test_the_example_of_rfc_7636_works(client: TestClient) -> None:
    """The verifier and the challenge of its appendix B."""
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    assert challenge_of(verifier) == challenge
    code = code_for(client, code_challenge=challenge)
    assert redeem(client, code, code_verifier=verifier).status_code == 200


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code": None}, "invalid_request"),
        ({"code": ""}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code_verifier": None}, "invalid_request"),
        ({"code_verifier": ""}, "invalid_request"),
        ({"grant_type": None}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "unauthorized_client"),
        ({"client_id": None}, "invalid_client"),
        ({"client_id": "nobody"}, "invalid_client"),
        ({"client_secret": "anything"}, "invalid_client"),
    ],
)
def test_a_request_that_is_not_whole_costs_nothing(
    client: TestClient, changes: dict[str, str | None], error: str
) -> None:
    """RFC 6749 section 5.2; the code was not looked at, so it is still good."""
    code = code_for(client)
    refused = redeem(client, **{"code": code, **changes})  # type: ignore[arg-type]
    assert refused.json()["error"] == error
    assert refused.status_code == (401 if error == "invalid_client" else 400)
    assert redeem(client, code).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"code_verifier": secrets.token_urlsafe(32)},
        {"code_verifier": challenge_of(VERIFIER)},
        {"code_verifier": f"{VERIFIER}a"},
        {"code_verifier": f"{VERIFIER}\n"},
        {"code_verifier": "ä" * 43},
        {"redirect_uri": f"{BACK}/"},
        {"redirect_uri": f"{BACK}?a=b"},
        {"redirect_uri": BACK.replace("127.0.0.1", "localhost")},
        {"redirect_uri": BACK.replace("8000", "8001")},
        {"redirect_uri": BACK.upper()},
    ],
)
def test_a_wrong_proof_costs_the_code(client: TestClient, changes: dict[str, str]) -> None:
    """Verifier and redirect URI fit exactly; there is no second guess (RFC 9700 section 4.5)."""
    code = code_for(client)
    for wanted in (changes, {}):
        refused = redeem(client, code, **wanted)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize("length", [42, 129])
def test_a_verifier_has_a_length(client: TestClient, length: int) -> None:
    """43 to 128 characters, even if a shorter or longer one fits (RFC 7636 section 4.1)."""
    verifier = "v" * length
    code = code_for(client, code_challenge=challenge_of(verifier))
    assert redeem(client, code, code_verifier=verifier).json()["error"] == "invalid_grant"
    verifier = "v" * (length + (1 if length == 42 else -1))
    code = code_for(client, code_challenge=challenge_of(verifier))
    assert redeem(client, code, code_verifier=verifier).status_code == 200


@pytest.mark.parametrize("code", ["x", "\x00", "ä", "' or 1=1", "a" * 10_000])
def test_an_unknown_code_is_refused(client: TestClient, code: str) -> None:
    """Whatever is sent in place of one, nothing of it comes back."""
    refused = redeem(client, code)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_grant")
    assert f'"{code}"' not in refused.text


def test_a_code_is_good_for_a_minute(client: TestClient, clock: Clock) -> None:
    """By the issuer's clock, which nobody needs to wait for."""
    for seconds, status in [(59.0, 200), (60.0, 400), (3_600.0, 400)]:
        code = code_for(client)
        clock.now += seconds
        assert redeem(client, code).status_code == status


def test_codes_are_random_and_long(client: TestClient) -> None:
    """256 bits, so that nobody guesses one (RFC 6749 section 10.10)."""
    codes = {code_for(client) for _ in range(20)}
    assert len(codes) == 20
    assert {len(code) for code in codes} == {43}


def test_each_client_has_its_grant(client: TestClient, issuer: LocalIssuer) -> None:
    """The machine client cannot redeem a code, not even with its secret, and costs it nothing."""
    code = code_for(client)
    machine = {"client_id": issuer.client_id, "client_secret": issuer.client_secret}
    assert redeem(client, code, **machine).json()["error"] == "unauthorized_client"
    assert redeem(client, code).status_code == 200


def test_a_public_client_has_no_password(client: TestClient) -> None:
    """The app names itself in the body; Basic credentials without a password name nobody."""
    basic = base64.b64encode(f"{APP}:".encode()).decode()
    fields = {"grant_type": "authorization_code", "code": "x", "redirect_uri": BACK}
    answer = client.post(TOKEN, data=fields, headers={"authorization": f"Basic {basic}"})
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_code_may_be_redeemed_by_json(client: TestClient) -> None:
    """The token endpoint takes JSON for this grant too, as Auth0's does."""
    body = {"grant_type": "authorization_code", "client_id": APP, "code": code_for(client)}
    body |= {"redirect_uri": BACK, "code_verifier": VERIFIER}
    assert client.post(TOKEN, json=body).status_code == 200


def test_the_token_endpoint_can_be_down_for_codes_too(
    client: TestClient, issuer: LocalIssuer
) -> None:
    """A fault comes before the code is looked at, so a client may try again."""
    code = code_for(client)
    issuer.faults.set(down=True, on=["token"])
    assert redeem(client, code).status_code == 503
    issuer.faults.clear()
    assert redeem(client, code).status_code == 200


def test_a_rotation_between_login_and_code_is_no_matter(
    client: TestClient, issuer: LocalIssuer
) -> None:
    """The dialect and the key are those of the moment in which the token is made."""
    code = code_for(client, scope="openid")
    kid = issuer.rotate_keys()
    issuer.dialect = "rfc9068_profile"
    tokens = redeem(client, code).json()
    for token, kind in ((tokens["access_token"], "at+jwt"), (tokens["id_token"], "JWT")):
        header = base64.urlsafe_b64decode(token.partition(".")[0] + "==")
        assert kid.encode() in header
        assert f'"typ":"{kind}"'.encode() in header


@pytest.mark.parametrize(
    ("method", "path"), [("GET", METADATA), ("GET", OAUTH), ("GET", JWKS), ("POST", TOKEN)]
)
@pytest.mark.parametrize(
    "origin", [PAGE, "http://127.0.0.1:8000", "https://[::1]:8443", "http://localhost"]
)
def test_pages_of_this_computer_may_read(
    client: TestClient, method: str, path: str, origin: str
) -> None:
    """A docs page on another port asks first, with Swagger UI's header, and then reads."""
    headers = {"origin": origin, "access-control-request-method": method}
    headers["access-control-request-headers"] = "content-type,x-requested-with,authorization"
    preflight = client.options(path, headers=headers)
    assert preflight.status_code == 200
    for answer in (preflight, client.request(method, path, headers={"origin": origin})):
        assert answer.headers["access-control-allow-origin"] == origin
        assert "access-control-allow-credentials" not in answer.headers
        assert "Origin" in answer.headers["vary"]


@pytest.mark.parametrize("path", [METADATA, JWKS, TOKEN])
@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.test",
        "http://127.0.0.1.evil.test",
        "http://localhost.evil.test",
        "http://localhost@evil.test",
        "http://localhost/",
        "null",
        "file://",
        "*",
        "",
    ],
)
def test_other_pages_may_not_read(client: TestClient, path: str, origin: str) -> None:
    """Neither the preflight nor the answer names a page of another computer, or of none."""
    headers = {"origin": origin, "access-control-request-method": "POST"}
    preflight = client.options(path, headers=headers)
    assert preflight.status_code == 400
    method = "POST" if path == TOKEN else "GET"
    for answer in (preflight, client.request(method, path, headers={"origin": origin})):
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/"), ("GET", "/_local/"), ("POST", "/_local/token"), ("PUT", "/_local/faults")],
)
def test_the_control_surface_is_for_no_page(client: TestClient, method: str, path: str) -> None:
    """There is no CORS on it, so a page can neither ask nor read."""
    headers = {"origin": PAGE, "access-control-request-method": method}
    for answer in (
        client.options(path, headers=headers),
        client.request(method, path, headers=headers),
    ):
        assert "access-control-allow-origin" not in answer.headers


def test_the_login_page_is_for_no_script(client: TestClient) -> None:
    """Its one-time value is what guards the form, so no other origin reads the page."""
    page = client.get("/authorize", params=ask(client).request.url.params, headers={"origin": PAGE})
    assert page.status_code == 200
    assert "access-control-allow-origin" not in page.headers


def test_a_refusal_can_be_read_by_the_page(client: TestClient, issuer: LocalIssuer) -> None:
    """An error, and an endpoint that is down, are told to the docs page as well."""
    refused = client.post(TOKEN, data={"client_id": APP}, headers={"origin": PAGE})
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (400, PAGE)
    issuer.faults.set(down=True, on=["token"])
    down = client.post(TOKEN, data={"client_id": APP}, headers={"origin": PAGE})
    assert (down.status_code, down.headers["access-control-allow-origin"]) == (503, PAGE)


def test_the_challenge_of_these_tests_is_the_hash_of_its_verifier() -> None:
    """RFC 7636 section 4.2, spelled out a second time."""
    digest = hashlib.sha256(VERIFIER.encode("ascii")).digest()
    assert challenge_of(VERIFIER) + "=" == base64.urlsafe_b64encode(digest).decode()
    assert CLERK.startswith("auth0|")
