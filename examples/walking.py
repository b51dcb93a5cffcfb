"""What `08_migration.py` walks through: an issuer, an API of several processes, and a load on it.

All of it on this machine, each on a real socket. The processes of the API share one socket, so that
new ones can take over from old ones as in a rolling deployment: nobody who calls notices.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from traffic import Traffic

HERE = Path(__file__).resolve().parent
AUDIENCE = "https://orders.example.com/"
LIFETIME = 6  # seconds; days, in real life


class Issuer:
    """`python -m atjwt issuer` with one API, in a process of its own."""

    def __init__(self, folder: Path, *, dialect: str) -> None:
        config = folder / "issuer.toml"
        config.write_text(f"""
[[apis]]
identifier = "{AUDIENCE}"
scopes = ["read:orders"]
token_dialect = "{dialect}"
enforce_policies = true
token_lifetime = {LIFETIME}
token_lifetime_for_web = {LIFETIME}
""")
        command = [sys.executable, "-m", "atjwt", "issuer", "--port", "0", "--json"]
        self._process = subprocess.Popen(
            [*command, "--config", str(config)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        )  # fmt: skip
        assert self._process.stdout is not None
        self.facts: dict[str, str] = json.loads(self._process.stdout.readline())
        self._http = httpx.Client(base_url=self.facts["issuer"], trust_env=False)

    def token(self, **wanted: object) -> str:
        """A token as it was asked for."""
        answer = self._http.post("/_local/token", json=wanted)
        token: str = answer.raise_for_status().json()["access_token"]
        return token

    def rotate_keys(self) -> None:
        """Signs by the next key from now on."""
        self._http.post("/_local/rotate", json={}).raise_for_status()

    @contextmanager
    def down(self) -> Iterator[None]:
        """Answers nothing but 503, wherever it is asked."""
        self._http.put("/_local/faults", json={"down": True, "on": ALL}).raise_for_status()
        yield
        self._http.delete("/_local/faults").raise_for_status()

    def stop(self) -> None:
        """Ends the process."""
        self._http.close()
        end(self._process)


ALL = ["metadata", "jwks", "token", "management"]


class Fleet:
    """The processes of the API behind one socket."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, size: int = 2) -> None:
        self._folder, self._environment, self._size = folder, environment, size
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._workers: list[subprocess.Popen[bytes]] = []
        self._started = 0
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"

    def roll(self, profiles: str) -> None:
        """Starts processes that accept these profiles; when they are up, ends those before."""
        before, self._workers = self._workers, []
        logs = [self._start(profiles) for _ in range(self._size)]
        for log in logs:
            self._wait(log)
        for worker in before:
            end(worker)

    def stop(self) -> None:
        """Ends them all."""
        for worker in self._workers:
            end(worker)
        self._socket.close()

    def _start(self, profiles: str) -> Path:
        self._started += 1
        log = self._folder / f"worker-{self._started}.log"
        environment = {**os.environ, **self._environment, "ATJWT_PROFILES": profiles}
        command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "migrating_api:app"]
        options = ["--fd", str(self._socket.fileno()), "--no-access-log"]
        with log.open("wb") as file:
            self._workers.append(
                subprocess.Popen(
                    [*command, *options], env=environment, stderr=file, stdout=file,
                    pass_fds=[self._socket.fileno()],
                )
            )  # fmt: skip
        return log

    def _wait(self, log: Path) -> None:
        for _ in range(600):
            if "Uvicorn running" in log.read_text():
                return
            time.sleep(0.05)
        raise RuntimeError(f"a process of the API does not start:\n{log.read_text()}")


class World:
    """All of it together.

    dialect: what the API is set to at the beginning. ends: what has to be ended, whatever happens.
    """

    def __init__(self, folder: Path, *, dialect: str, ends: ExitStack) -> None:
        self.issuer = Issuer(folder, dialect=dialect)
        ends.callback(self.issuer.stop)
        self.ledger = f"sqlite:///{folder / 'ledger.db'}"
        facts = self.issuer.facts
        self._environment = {
            "AUTH0_DOMAIN": facts["issuer"],
            "AUTH0_AUDIENCE": AUDIENCE,
            "ATJWT_LEDGER": self.ledger,
        }
        self._management = {
            **self._environment,
            "AUTH0_CLIENT_ID": facts["management_client_id"],
            "AUTH0_CLIENT_SECRET": facts["management_client_secret"],
        }
        self.fleet = Fleet(folder, self._environment)
        ends.callback(self.fleet.stop)
        paths = ("/orders", "/archive") if dialect.endswith("_authz") else ("/orders",)
        self.traffic = Traffic(facts, self.fleet.url, paths)

    def migrate(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Runs `python -m atjwt migrate …`, as a team would at its tenant."""
        return subprocess.run(
            [sys.executable, "-m", "atjwt", "migrate", *arguments],
            env={**os.environ, **self._management},
            capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    def asked_with(self, token: str, path: str = "/orders") -> int:
        """The status that a token gets."""
        headers = {"authorization": f"Bearer {token}"}
        return httpx.get(self.fleet.url + path, headers=headers, trust_env=False).status_code


@contextmanager
def world(*, dialect: str, profiles: str) -> Iterator[World]:
    """A world in a folder of its own; its clients are at work for as long as the block lasts."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as ends:
        made = World(Path(folder), dialect=dialect, ends=ends)
        made.fleet.roll(profiles)
        with made.traffic:
            yield made


class Watching:
    """Prints what the clients are told while it goes on, again and again."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic, self._start = traffic, time.time()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._stays = sys.stdout.isatty()

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *args: object) -> None:
        self._over.set()
        self._thread.join()
        self._say("\n")

    def _watch(self) -> None:
        while not self._over.wait(0.2 if self._stays else 1.0):
            self._say("\r" if self._stays else "\n")

    def _say(self, end: str) -> None:
        now = time.time()
        all_of_it = self._traffic.by_profile()
        lately = self._traffic.by_profile(since=now - 1)
        counts = "   ".join(
            f"{name} {all_of_it[name]:5} ({lately[name]:3}/s)" for name in ("auth0", "rfc9068")
        )
        print(
            f"  {now - self._start:5.1f} s   {counts}   valid and refused"
            f" {len(self._traffic.refused)}   invalid and let in {len(self._traffic.let_in)}",
            end=end, flush=True,
        )  # fmt: skip


def end(process: "subprocess.Popen[str] | subprocess.Popen[bytes]") -> None:
    """Asks a process to end, and waits for it."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    process.wait(timeout=15)
    if process.stdout is not None:
        process.stdout.close()
