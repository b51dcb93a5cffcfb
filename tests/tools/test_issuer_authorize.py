"""What the authorization endpoint refuses, and whom it tells: the person, or the client."""

import asyncio
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from starlette.testclient import TestClient

from atjwt.issuer import LocalIssuer
from atjwt.issuer.loopback import loopback_origin
from tools.login import API, APP, BACK, BASE, answer_of, ask, click, query_of, request

SCRIPT = "\"'><script>alert(1)</script>"


@pytest.fixture(scope="module")
def client() -> TestClient:
    issuer = LocalIssuer(issuer=BASE, algorithm="ES256")
    return TestClient(issuer.app, base_url=BASE, follow_redirects=False)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1",
        "http://127.0.0.1:80/",
        "https://localhost/a/b?c=d",
        "HTTP://LocalHost:3000/",
        "http://127.8.8.8:1/~a/b;c=d/%7e!$&'()*+,:@",
        "http://[::1]:8000/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://127.0.0.1:8000//evil.test",
        "http://127.0.0.1:8000/@evil.test",
    ],
)
def test_a_login_ends_on_this_computer(client: TestClient, uri: str) -> None:
    """Any http or https URL of a loopback host may be where the answer goes."""
    response = click(client, ask(client, redirect_uri=uri))
    assert response.headers["location"].startswith(f"{uri}?" if "?" not in uri else f"{uri}&")
    assert answer_of(response, uri)["code"]


@pytest.mark.parametrize(
    "uri",
    [
        None,
        "",
        "/docs/oauth2-redirect",
        "//127.0.0.1/x",
        "http://evil.test/",
        "http://127.0.0.1.evil.test/",
        "http://127.0.0.1evil.test/",
        "http://localhost@evil.test/",
        "http://localhost:80@evil.test/",
        "http://evil.test@127.0.0.1/",
        "http://evil.test:pw@localhost/",
        "http://evil.test#@localhost/",
        "http://evil.test/?@localhost/",
        "http://evil.test\\@localhost/",
        "http://localhost\\@evil.test/",
        "http://localhost\\.evil.test/",
        "http:\\\\localhost/",
        "http:/\\localhost/",
        "http:///localhost/",
        "http:localhost/",
        "http://localhost/#fragment",
        "http://localhost/#",
        "http://localhost /",
        " http://localhost/",
        "http://localhost/\r\nset-cookie: a=b",
        "http://localhost/\n",
        "http://localhost/\x00",
        "http://localhost/\t",
        "http://local\thost/",
        "http://localhost/ä",
        "http://localhost/<b>",
        'http://localhost/"',
        "http://localhost/%",
        "http://localhost/%zz",
        "http://localhost.",
        "http://localhost.evil.test/",
        "http://localhoſt/",
        "httpſ://localhost/",
        "http://ⓛocalhost/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://127.1/",
        "http://2130706433/",
        "http://0x7f.0.0.1/",
        "http://127.0.0.01/",
        "http://127.0.0.256/",
        "http://[::2]/",
        "http://[::1/",
        "http://[::1]evil.test/",
        "http://[::1%25lo]/",
        "http://localhost:/",
        "http://localhost:65536/",
        "http://localhost:8000evil.test/",
        "http://localhost:-1/",
        "http://localhost;form-action *",
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "ftp://localhost/",
        "com.example.app:/back",
        "urn:ietf:wg:oauth:2.0:oob",
    ],
)
def test_no_login_leads_elsewhere(client: TestClient, uri: str | None) -> None:
    """Whatever else there is in the request, the browser stays here and is told why."""
    for changes in ({}, {"response_type": "token"}, {"prompt": "none"}):
        response = ask(client, redirect_uri=uri, **changes)
        assert (response.status_code, "location" in response.headers) == (400, False)
        assert "redirect_uri is missing, or is not" in response.text
        assert "evil.test" not in response.text


@pytest.mark.parametrize(
    "client_id", [None, "", "local-machine", "LOCAL-APP", "local-app ", SCRIPT]
)
def test_an_unknown_client_is_told_nothing(client: TestClient, client_id: str | None) -> None:
    """A client that cannot log users in is never redirected to, and its name is not repeated."""
    response = ask(client, client_id=client_id)
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert "client_id is missing, or names no app" in response.text
    assert "<script" not in response.text
    assert response.headers["content-security-policy"].count("'none'") == 4
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("name", ["client_id", "redirect_uri"])
def test_two_names_or_addresses_are_none(client: TestClient, name: str) -> None:
    """RFC 6749 section 3.1: no parameter comes twice, and these two decide where errors go."""
    response = client.get(f"/authorize?{urlencode([*request().items(), (name, request()[name])])}")
    assert (response.status_code, "location" in response.headers) == (400, False)


@pytest.mark.parametrize(
    "query", ["a=%ff", "client_id=%ff", "&" * 2_000, "a=" + "b" * 8_192, "", "=", "%", "a=b=c&;"]
)
def test_a_query_that_cannot_be_read_gets_a_page(client: TestClient, query: str) -> None:
    """Not UTF-8, too long, or nothing at all: a page and 400, never 500."""
    response = client.get(f"/authorize?{query}")
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert "This login cannot go on" in response.text


@pytest.mark.parametrize(
    ("tail", "sentence"),
    [("&nonce=%ff", "not URL-encoded UTF-8"), (f"&nonce={'n' * 8_192}", "longer than 8192 bytes")],
)
def test_an_unreadable_part_spoils_the_whole(client: TestClient, tail: str, sentence: str) -> None:
    """What cannot be read might have been anything, so nobody is redirected to."""
    response = client.get(f"/authorize?{urlencode(request())}{tail}")
    assert (response.status_code, "location" in response.headers) == (400, False)
    assert sentence in response.text


def test_bytes_that_are_no_query_get_a_page() -> None:
    """A server may pass on bytes that no URL has."""
    app = LocalIssuer(issuer=BASE, algorithm="ES256").app
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/authorize",
        "root_path": "",
        "query_string": b"client_id=\xff",
        "headers": [(b"host", b"127.0.0.1")],
    }
    sent = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b""}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    assert sent[0]["status"] == 400


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": ""}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "none"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": "s256"}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"code_challenge": "a" * 42 + "="}, "invalid_request"),
        ({"code_challenge": "a" * 43 + "\n"}, "invalid_request"),
        ({"audience": "https://another.test/"}, "invalid_target"),
        ({"audience": API.rstrip("/")}, "invalid_target"),
        ({"audience": SCRIPT}, "invalid_target"),
        ({"scope": 'read:orders "'}, "invalid_scope"),
        ({"scope": "a\\b"}, "invalid_scope"),
        ({"scope": "ä"}, "invalid_scope"),
        ({"scope": "a\tb"}, "invalid_scope"),
        ({"scope": "a\r\nb"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"request": "ey.ey."}, "request_not_supported"),
        ({"request_uri": "https://evil.test/"}, "request_uri_not_supported"),
    ],
)
def test_other_faults_go_back_to_the_client(
    client: TestClient, changes: dict[str, str | None], error: str
) -> None:
    """RFC 6749 section 4.1.2.1: with `state` and `iss`, and nothing of what was sent but that."""
    response = ask(client, **changes)
    answer = answer_of(response)
    sentence = answer.pop("error_description")
    assert answer == {"error": error, "state": "s t+a&t=e", "iss": BASE}
    assert re.fullmatch(r"[\x20\x21\x23-\x5b\x5d-\x7e]+", sentence)
    assert "evil" not in response.headers["location"]
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "name", ["response_type", "scope", "nonce", "audience", "code_challenge", "state", "prompt"]
)
def test_a_parameter_comes_once(client: TestClient, name: str) -> None:
    """A second value is a fault that the client is told of; of two states neither is sent back."""
    twice = urlencode([*request(nonce="n", prompt="login").items(), (name, "other")])
    answer = answer_of(client.get(f"/authorize?{twice}"))
    assert answer["error"] == "invalid_request"
    assert ("state" in answer) == (name != "state")


def test_parameters_that_mean_nothing_here_are_ignored(client: TestClient) -> None:
    """RFC 6749 section 3.1: unknown ones, however often, and those that cannot change anything."""
    params = [*request().items(), ("resource", "urn:a"), ("resource", "urn:b"), ("max_age", "0")]
    params += [("prompt", "login"), ("response_mode", "query"), ("login_hint", SCRIPT)]
    page = client.get(f"/authorize?{urlencode(params)}")
    assert page.status_code == 200
    assert "<script" not in page.text


@pytest.mark.parametrize("name", ["state", "scope", "nonce", "login_hint", "ui_locales"])
@pytest.mark.parametrize(
    "text", ["<script>alert(1)</script>", "'><img/src=x>", "&lt;b&gt;<b>", "{{7*7}}${7*7}<%=1%>"]
)
def test_nothing_that_was_sent_is_markup(client: TestClient, name: str, text: str) -> None:
    """What is shown is shown as text; what need not be shown is not there at all."""
    page = ask(client, **{name: text})
    assert page.status_code == 200
    assert not re.search(r"<script|<img|<b>|<%", page.text)
    assert ("alert(1)" in page.text) == (name == "scope" and "alert" in text)


@pytest.mark.parametrize(
    "state", [SCRIPT, "a\r\nlocation: http://evil.test/", "\x00", "#x", "&code=forged&x=", "ä€😀"]
)
def test_a_state_is_sent_back_as_it_came(client: TestClient, state: str) -> None:
    """Whatever it holds, it stays one parameter of one header."""
    response = click(client, ask(client, state=state))
    answer = query_of(response.headers["location"])
    assert answer["state"] == [state]
    assert len(answer["code"]) == 1
    assert set(answer) == {"code", "state", "iss"}
    assert response.headers["location"].isascii()
    assert re.fullmatch(r"[!-~]+", response.headers["location"])


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS"])
def test_the_login_begins_with_get(client: TestClient, method: str) -> None:
    """Other methods are 405, and scripts of other origins are told nothing."""
    headers = {"origin": "http://127.0.0.1:8000", "access-control-request-method": "GET"}
    response = client.request(method, "/authorize", params=request(), headers=headers)
    assert response.status_code == 405
    assert "access-control-allow-origin" not in response.headers


@pytest.mark.parametrize("url", ["http://localhost:8000/x?y", "https://[::1]/", "http://127.0.0.1"])
def test_an_origin_is_scheme_host_and_port(url: str) -> None:
    """The rest of the URL is no part of it (RFC 6454 section 4)."""
    assert url.startswith(str(loopback_origin(url)))
    assert str(loopback_origin(url)).count("/") == 2


def test_the_good_request_of_these_tests_is_good(client: TestClient) -> None:
    """What the tests here change one thing of is accepted as it is."""
    answer = answer_of(click(client, ask(client)))
    assert answer["code"]
    assert request()["client_id"] == APP
    assert request()["redirect_uri"] == BACK
