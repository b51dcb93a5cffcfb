"""Every example runs offline, ends by itself and says what it promises."""

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from atjwt.guards import assert_guarded

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
    "04_fastapi.py": [
        'nobody, the menu: 200 "the usual"',
        "a bad token, the menu: 401",
        'a user, the orders: 200 {"orders of":"auth0|66f0c2"}',
        "without the permission, a refund: 403",
        "logged in long ago, a refund: 401",
        'error="insufficient_user_authentication"',
        'max_age="600"',
        'just logged in, a refund: 200 {"refunded":7}',
        "a user, the stock: 403",
        "a machine, the stock: 200",
    ],
    "05_two_apis.py": [
        "no token: 401",
        "/.well-known/oauth-protected-resource/orders",
        "where to get one: ['https://tenant.eu.auth0.com/']",
        "a token for orders, sent to /orders/: 200 those of auth0|66f0c2",
        "a token for orders, sent to /invoices/: 401",
    ],
    "06_browser_websocket.py": [
        "/updates with a token: for auth0|66f0c2: order 7 was packed (subprotocol access-token)",
        "/updates without one: 401",
        "/chat with a token: hello auth0|66f0c2",
        "/chat without one: closed with 1008",
    ],
    "07_queue_worker.py": [
        "export 1 goes back: keys_unavailable, in 1 s",
        "export 1 done for auth0|66f0c2",
        "export 2 put aside: wrong_kind",
        "export 3 put aside: expired",
    ],
    "08_migration.py": [
        "NOT READY, 1 thing is in the way",
        "READY, nothing is in the way",
        "Switched: ",
        "Drained: since ",
        "ATJWT_PROFILES=rfc9068",
        "the migration is done",
        "a token in the old profile: 401",
        " valid requests, 0 refused; ",
        " invalid ones, 0 let in",
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


IMPORTED = {"environment.py", "migrating_api.py", "orders_api.py", "traffic.py", "walking.py"}
"""What other examples import."""


def test_each_example_is_listed_here() -> None:
    """No example goes untested."""
    programs = {path.name for path in EXAMPLES.glob("*.py") if not path.name.startswith("test_")}
    assert programs - IMPORTED == SAYS.keys()


def test_the_example_of_a_test_file_passes() -> None:
    """As a team would run it, with the fixture that comes with the package."""
    command = [sys.executable, "-m", "pytest", "-q", str(EXAMPLES / "test_orders_api.py")]
    finished = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    assert re.search(r"\b1[0-9] passed", finished.stdout)


WITH_AN_APP = [
    path.name
    for path in sorted(EXAMPLES.glob("*.py"))
    if re.search("^app = ", path.read_text("utf-8"), re.MULTILINE)
]


@pytest.mark.parametrize("name", WITH_AN_APP)
def test_no_route_of_an_example_is_unguarded(name: str) -> None:
    """Each is guarded, or says that it is public."""
    assert len(WITH_AN_APP) > 5
    assert_guarded(runpy.run_path(str(EXAMPLES / name))["app"])


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
        "three words, not a token": "400 malformed_credentials",
        "an expired token meanwhile": "401 expired",
        "a token by a key not fetched yet": "503 keys_unavailable",
    }
    for sent, answer in answers.items():
        assert answer == refused.get(sent, "200 OK"), sent
    assert len(answers.keys() - refused.keys()) == 11
    assert answers.keys() > refused.keys()
