"""The request of Auth0's page *Configure Access Token Profile*, at the local issuer: curl and httpx.

Only scheme and host are changed, and its placeholders are filled in. Over real sockets, on loopback.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

REQUEST = """\
curl --request PATCH \\
  --url 'https://{yourDomain}/api/v2/resource-servers/API_ID' \\
  --header 'authorization: Bearer MGMT_API_ACCESS_TOKEN' \\
  --header 'content-type: application/json' \\
  --data '{"token_dialect": "rfc9068_profile"}'
"""
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.fixture(scope="module")
def facts() -> Iterator[dict[str, Any]]:
    """A running issuer, by what it says of itself."""
    command = [sys.executable, "-m", "atjwt", "issuer", "--port", "0", "--json"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.terminate()


def _granted(facts: dict[str, Any], client: str, audience: str) -> str:
    asked = {"grant_type": "client_credentials", "audience": audience}
    asked |= {"client_id": facts[f"{client}client_id"]}
    asked |= {"client_secret": facts[f"{client}client_secret"]}
    return str(httpx.post(facts["token_endpoint"], json=asked).json()["access_token"])


@pytest.fixture
def management(facts: dict[str, Any]) -> Iterator[httpx.Client]:
    """A client with a Management API token; the API's dialect is `access_token` at first."""
    token = _granted(facts, "management_", facts["management_audience"])
    headers = {"authorization": f"Bearer {token}"}
    with httpx.Client(base_url=facts["management_audience"], headers=headers) as client:
        api = f"resource-servers/{quote(facts['audience'], safe='')}"
        client.patch(api, json={"token_dialect": "access_token"}).raise_for_status()
        yield client


def _id(facts: dict[str, Any], management: httpx.Client) -> str:
    query = {"identifiers": facts["audience"]}
    (api,) = management.get("resource-servers", params=query).json()
    return str(api["id"])


def _is_switched(facts: dict[str, Any], answer: dict[str, Any]) -> bool:
    """Whether the answer shows the new dialect, and the next token is of the RFC 9068 profile."""
    header = _granted(facts, "", facts["audience"]).partition(".")[0]
    # `typ` is the second member of the header: eyJhbGciOi… holds it in base64url.
    claims = answer["token_dialect"], answer["identifier"]
    return claims == ("rfc9068_profile", facts["audience"]) and "ImF0K2p3dCI" in header


def _run(text: str, **variables: str) -> str:
    """What shell commands print."""
    ended = subprocess.run(
        ["sh", "-c", text],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "NO_PROXY": "*", **variables},
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_documented_curl_works(facts: dict[str, Any], management: httpx.Client) -> None:
    """Word for word but for scheme, host and placeholders; the answer is the whole API."""
    origin = facts["issuer"].rstrip("/")
    text = REQUEST.replace("https://{yourDomain}", origin)
    text = text.replace("API_ID", _id(facts, management))
    text = text.replace("Bearer MGMT_API_ACCESS_TOKEN", management.headers["authorization"])
    assert _is_switched(facts, json.loads(_run(text)))


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_readmes_requests_work(facts: dict[str, Any], management: httpx.Client) -> None:
    """Pasted one after the other: a token, the API's id, the change of its dialect."""
    blocks = [block.partition("```")[0] for block in README.split("```sh\n")[1:]]
    first = next(n for n, block in enumerate(blocks) if "MGMT_API_ACCESS_TOKEN=$(" in block)
    text = "\n".join(blocks[first : first + 2])
    text = text.replace("http://127.0.0.1:9400/", facts["issuer"])
    text = text.replace("$(python ", f"$({sys.executable} ")
    told = _run(text, CLIENT_SECRET=facts["management_client_secret"])
    assert _is_switched(facts, json.loads(told))


def test_the_same_by_httpx(facts: dict[str, Any], management: httpx.Client) -> None:
    """By id and by URL-encoded identifier, through a real server's decoding."""
    for key in (_id(facts, management), quote(facts["audience"], safe="")):
        management.patch(f"resource-servers/{key}", json={"token_dialect": "access_token"})
        answer = management.patch(
            f"resource-servers/{key}", content=b'{"token_dialect": "rfc9068_profile"}',
            headers={"content-type": "application/json"},
        )  # fmt: skip
        assert answer.status_code == 200
        assert _is_switched(facts, answer.json())


def test_an_identifier_is_decoded_once(management: httpx.Client) -> None:
    """By a real server: one that holds a percent sign itself is found, and is no other's."""
    for identifier in ("urn:a%2Fb", "urn:a/b"):
        path = f"resource-servers/{quote(identifier, safe='')}"
        made = management.post("resource-servers", json={"identifier": identifier}).json()
        assert management.get(path).json() == made
