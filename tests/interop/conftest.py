"""The authorization server that nobody here wrote, or the reason why it is not there.

Where node or its packages are missing, the tests are skipped with the command that installs them.
In CI nothing may be skipped silently, so there it is a failure.
"""

import os
import shutil
from collections.abc import Iterator
from typing import NoReturn

import pytest

from interop.provider_process import HERE, AuthorizationServer, running

INSTALL = "npm install --no-package-lock --prefix tests/interop"


def _missing(what: str, remedy: str) -> NoReturn:
    reason = f"{what}; {remedy}"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def authorization_server() -> Iterator[AuthorizationServer]:
    """A node-oidc-provider on loopback, started here and ended here."""
    if shutil.which("node") is None:
        _missing("node is not installed", f"install Node.js 20.20 or later, then run: {INSTALL}")
    if not (HERE / "node_modules" / "oidc-provider" / "package.json").is_file():
        _missing("oidc-provider is not installed", f"run: {INSTALL}")
    with pytest.MonkeyPatch.context() as environment, running() as server:
        # Where a proxy is configured for all else, it would be asked for our own loopback too.
        for name in ("NO_PROXY", "no_proxy"):
            environment.setenv(name, "127.0.0.1", prepend=",")
        yield server
