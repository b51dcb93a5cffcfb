"""The pytest plugin, as somebody else's project meets it: its own run, its own processes."""

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent

SHOP = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from atjwt.asgi import AccessTokenMiddleware
from atjwt.starlette import requires


@requires(scopes=["read:orders"])
async def orders(request):
    return PlainTextResponse("orders")


app = Starlette(
    routes=[Route("/orders", orders)],
    middleware=[Middleware(
        AccessTokenMiddleware,
        issuer="https://tenant.eu.auth0.com/", audience="https://api.shop.test/",
    )],
)
"""

TESTS = """
import pytest
from shop import app
from starlette.testclient import TestClient


def status(headers):
    return TestClient(app).get("/orders", headers=headers).status_code


@pytest.mark.parametrize("number", range(4))
def test_a_token(atjwt_stand_in, number):
    issuer = atjwt_stand_in(app)
    assert status(issuer.headers(scopes=["read:orders"])) == 200
    assert status(issuer.headers(scopes=[])) == 403
    assert sum(issuer.requests.values()) == 2
    issuer.advance(3600)
    issuer.down()


@pytest.mark.parametrize("number", range(4))
def test_nothing_is_left_of_another_test(atjwt_issuer, number):
    assert not atjwt_issuer.faults.active()
    assert not atjwt_issuer.requests
    with atjwt_issuer.stands_in_for(app):
        assert status(atjwt_issuer.headers(scopes=["read:orders"])) == 200


def test_one_issuer_serves_a_session(atjwt_issuer, atjwt_session_issuer):
    assert atjwt_issuer is atjwt_session_issuer
"""

OF_ITS_OWN = """
import pytest
from atjwt.testing import LocalIssuer


@pytest.fixture(scope="session")
def atjwt_session_issuer():
    return LocalIssuer(algorithm="PS256")
"""

LAZY = """
import sys


def test_nothing_is_imported_unasked():
    ours = {name for name in sys.modules if name.split(".")[0] == "atjwt"}
    assert not ours and "pytest_atjwt" in sys.modules
    assert not {"starlette", "jwt", "cryptography"} & set(sys.modules)


def test_what_is_asked_for_is_imported(atjwt_issuer):
    assert "atjwt.testing" in sys.modules
"""


def run(project: Path, *arguments: str, **files: str) -> str:
    """Runs pytest in a project of these files, with warnings as errors; returns what it prints."""
    for name, text in files.items():
        (project / f"{name}.py").write_text(text, "utf-8")
    (project / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    finished = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stdout + finished.stderr
    return finished.stdout


def test_the_fixtures_of_a_project(tmp_path: Path) -> None:
    """A project has the fixtures by the entry point alone, and each test meets a fresh issuer."""
    assert "9 passed" in run(tmp_path, shop=SHOP, test_shop=TESTS)


def test_under_xdist(tmp_path: Path) -> None:
    """Each worker of pytest-xdist has an issuer of its own; a project may say which."""
    printed = run(tmp_path, "-n", "2", "-v", shop=SHOP, test_shop=TESTS, conftest=OF_ITS_OWN)
    assert "2 workers" in printed
    assert "9 passed" in printed


def test_who_asks_for_nothing_pays_nothing(tmp_path: Path) -> None:
    """The plugin imports pytest; atjwt is imported by the first fixture that is asked for."""
    assert "2 passed" in run(tmp_path, test_lazy=LAZY)


def test_the_entry_point_is_declared_and_installed() -> None:
    """pyproject.toml names the plugin, the wheel has it, and this environment found it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["entry-points"]["pytest11"] == {"atjwt": "pytest_atjwt"}
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert "src/pytest_atjwt.py" in wheel["packages"]
    [plugin] = entry_points(group="pytest11", name="atjwt")
    assert plugin.value == "pytest_atjwt"


def test_its_fixtures_are_its_own(pytestconfig: pytest.Config) -> None:
    """What the plugin defines is prefixed, is not used unasked, and is all there is of it: no hook."""
    plugin = pytestconfig.pluginmanager.get_plugin("atjwt")
    public = {name for name in vars(plugin) if not name.startswith("_")}
    fixtures = {name for name in public if name.startswith("atjwt_")}
    assert fixtures == {"atjwt_session_issuer", "atjwt_issuer", "atjwt_stand_in"}
    assert not {name for name in public if name.startswith("pytest_")}
    assert plugin is not None
    assert "autouse" not in Path(str(plugin.__file__)).read_text("utf-8")
