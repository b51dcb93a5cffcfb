"""Every example runs offline, ends by itself and says what it promises."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parent.parent / "examples"

SAYS = {
    "01_one_protected_route.py": [
        "in the dialect access_token: 200",
        "in the dialect rfc9068_profile: 200",
        "without the scope: 403",
        'scope="read:orders"',
        "no token: 401",
    ],
    "02_policies.py": [
        "nobody asks /health: ready",
        "with the scope and the permission: 200",
        "without the permission: 403",
        "in a dialect without permissions: 403",
        "without the scope: 403",
    ],
    "03_two_issuers.py": [
        "nobody asks /health: ready",
        "in Auth0's profile: 200 the orders of auth0|66f0c2, user of https://tenant.eu.auth0.com/",
        "in RFC 9068's: 200 the orders of local-machine@clients, client of https://login.partner",
        "in Auth0's: 401",
    ],
    "tour.py": [
        "access_token, for a user",
        "rfc9068_profile_authz, for a client",
        "client local-machine@clients, permissions: read:orders ",
        "a token from before the rotation",
        "Both servers are stopped.",
    ],
}


def run(name: str) -> str:
    finished = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / name],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert finished.stderr == ""
    return finished.stdout


def test_each_example_is_listed_here() -> None:
    """No example goes untested."""
    programs = {path.name for path in EXAMPLES.glob("*.py")} - {"environment.py"}
    assert programs == SAYS.keys()


@pytest.mark.parametrize("name", SAYS)
def test_an_example_runs_and_says_what_it_promises(name: str) -> None:
    """An example ends without an error or a warning, and its output has the promised lines."""
    output = run(name)
    for line in SAYS[name]:
        assert line in output


def test_the_tour_gives_every_caller_the_right_answer() -> None:
    """Good tokens pass whatever happens to the issuer, bad ones never do, and no one is a 500."""
    rows = re.findall(r"^(.{35}) .{7} .{54} (\d{3} \w+)$", run("tour.py"), flags=re.MULTILINE)
    answers = {sent.strip(): answer for sent, answer in rows}
    refused = {
        "nothing": "401 missing_token",
        "a token with a scope too few": "403 missing_scope",
        "an expired token": "401 expired",
        "a foreign token, of another issuer": "401 unknown_issuer",
        "a foreign token, for another API": "401 wrong_audience",
        "a forged token, one bit changed": "401 invalid_signature",
        "a forged token, HS256 by public key": "401 algorithm_not_allowed",
        "an ID token": "401 id_token",
        "not a token": "400 malformed_credentials",
        "an expired token meanwhile": "401 expired",
        "a token by a key not fetched yet": "503 keys_unavailable",
    }
    for sent, answer in answers.items():
        assert answer == refused.get(sent, "200 OK"), sent
    assert len(answers.keys() - refused.keys()) == 11
    assert answers.keys() > refused.keys()
