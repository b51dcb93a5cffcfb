"""The browser, or the reason why it is not there.

Where Chromium, node or its packages are missing, the tests are skipped with the command that installs
them. In CI nothing may be skipped silently, so there it is a failure.
"""

import os
import shutil
from pathlib import Path
from typing import NoReturn

import pytest

HERE = Path(__file__).parent
INSTALL = "npm install --no-package-lock --ignore-scripts --prefix tests/browser"


def _missing(what: str, remedy: str) -> NoReturn:
    reason = f"{what}; {remedy}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def chromium() -> str:
    """Where Chromium is: what CHROMIUM names, or the one of the system."""
    named = os.environ.get("CHROMIUM", "chromium")
    found = shutil.which(named)
    if found is None:
        _missing(f"{named} is not installed", "install Chromium, or let CHROMIUM name it")
    if shutil.which("node") is None:
        _missing("node is not installed", f"install Node.js 20 or later, then run: {INSTALL}")
    for package in ("playwright-core", "swagger-ui-dist"):
        if not (HERE / "node_modules" / package / "package.json").is_file():
            _missing(f"{package} is not installed", f"run: {INSTALL}")
    return found


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for pictures of each step: what ATJWT_PICTURES names, or one of pytest's."""
    named = os.environ.get("ATJWT_PICTURES")
    folder = Path(named) if named else tmp_path_factory.mktemp("pictures")
    folder.mkdir(parents=True, exist_ok=True)
    return folder.resolve()
