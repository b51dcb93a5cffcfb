"""What can be wrong with this machine and what is installed on it: a table over plain facts."""

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from atjwt.core.configuration import host_of
from atjwt.doctor.finding import Remarks, ok, problem, shown, warning
from atjwt.fetch import http_library, tls_roots

_PACKAGES = (
    "atjwt", "starlette", "fastapi", "pyjwt", "cryptography", "cachetools", "httpx", "httpx2",
)  # fmt: skip
_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The facts.

    python: its version. packages: name → version, of those that are installed.
    client: the HTTP client that fetches keys; empty where there is none.
    roots: as `tls_roots` says. environ: the environment.
    """

    python: str
    packages: Mapping[str, str]
    client: str
    roots: str
    environ: Mapping[str, str]


def gather(environ: Mapping[str, str] = os.environ) -> Surroundings:
    """Looks around; asks nobody."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    try:
        client = http_library().__name__
    except ImportError:
        client = ""
    return Surroundings(
        python=".".join(map(str, sys.version_info[:3])),
        packages=packages, client=client, roots=tls_roots(), environ=environ,
    )  # fmt: skip


def _versions(here: Surroundings) -> Remarks:
    listed = ", ".join(f"{name} {number}" for name, number in here.packages.items())
    yield ok(f"Python {here.python}; {listed}")
    if here.client:
        yield ok(f"keys are fetched by {here.client}")
    else:
        yield problem("no HTTP client is installed, so no key can be fetched", "install httpx2")


def _roots(here: Surroundings) -> Remarks:
    path = here.environ.get(here.roots)
    if path is None:
        yield ok(f"TLS roots: those of {here.roots}")
        return
    right = Path(path).is_file() if here.roots == "SSL_CERT_FILE" else Path(path).is_dir()
    if right and os.access(path, os.R_OK):
        yield ok(f"TLS roots: those of {here.roots}, in place of the system's")
    else:
        kind = "file" if here.roots == "SSL_CERT_FILE" else "folder"
        yield problem(
            f"TLS roots: {here.roots} names no {kind} that can be read, so no issuer is trusted",
            f"correct {here.roots}, or take it away",
        )


def _proxies(here: Surroundings) -> Remarks:
    for name in _PROXIES:
        value = here.environ.get(name) or here.environ.get(name.lower())
        if not value:
            continue
        if name == "NO_PROXY":
            yield ok("NO_PROXY: some hosts are reached without a proxy")
        elif host_of(value) is None:
            yield warning(
                f"{name} is no URL of a proxy", "write it as http://proxy.example.com:3128"
            )
        else:  # the host alone: a proxy's URL may hold a password
            yield ok(f"{name}: issuers are reached through {shown(host_of(value))}")


CHECKS: tuple[Callable[[Surroundings], Remarks], ...] = (_versions, _roots, _proxies)
