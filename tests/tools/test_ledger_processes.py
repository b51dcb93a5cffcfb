"""A ledger of many processes: begun, forked, stopped and killed, they count what was sent, exactly."""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx2
import pytest

from atjwt.migration.account import Account
from atjwt.migration.stores import read_ledgers
from shell.wire import eventually

TESTS = Path(__file__).parent.parent
PROGRAM = TESTS / "tools" / "ledger_app.py"
CAN_FORK = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")


def environment(ledger: str, interval: float = 0.02) -> dict[str, str]:
    path = os.pathsep.join([str(TESTS), *sys.path])
    return {**os.environ, "PYTHONPATH": path, "LEDGER": ledger, "INTERVAL": str(interval)}


def begun(
    ledger: str, *work: str, interval: float = 0.02, warn: str = "error"
) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-W", warn, str(PROGRAM), *work], env=environment(ledger, interval),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def ended(process: subprocess.Popen[str], code: int = 0) -> str:
    output, errors = process.communicate(timeout=60)
    assert process.returncode == code, errors
    if code == 0:
        assert errors == ""
    return output


def counted(account: Account) -> tuple[int, int]:
    """How many good requests, and how many bad ones."""
    return (
        sum(use.requests for use in account.uses.values()),
        sum(each.requests for each in account.refusals.values()),
    )


@pytest.fixture
def ledger(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/ledger.db"


@pytest.mark.parametrize("interval", [0.01, 30])
def test_the_sum_is_what_was_sent(ledger: str, interval: float) -> None:
    """Threads × requests × processes, whether it is written all the time or only at the end."""
    processes = [begun(ledger, "send", "200", "4", interval=interval) for _ in range(3)]
    for process in processes:
        ended(process)
    account = read_ledgers([ledger])
    assert counted(account) == (200 * 4 * 3, 4 * 3)
    assert account.lost == 0
    assert len({beat.instance for beat in account.heartbeats}) == 3
    assert all(beat.stopped for beat in account.heartbeats)
    assert {key.client_id for key in account.uses} == {"app 0", "app 1", "app 2"}


def test_nothing_is_written_by_an_import(ledger: str, tmp_path: Path) -> None:
    """Whoever imports the app, to list its guards or else, is no instance of the service."""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-m", "atjwt", "routes", "tools.ledger_app:app"],
        env=environment(ledger), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "/" in done.stdout
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_one_that_ends_with_an_error(ledger: str) -> None:
    """Has written what it counted all the same, and has ended in order."""
    ended(begun(ledger, "fall", interval=30), code=1)
    account = read_ledgers([ledger])
    assert counted(account) == (50, 1)
    assert [beat.stopped for beat in account.heartbeats] == [True]


def test_one_that_is_killed(ledger: str) -> None:
    """Falls silent: it has not stopped, as far as anybody knows."""
    process = begun(ledger, "send", "100000000", interval=0.01)
    path = Path(ledger.removeprefix("sqlite:///"))
    end = time.monotonic() + 30
    while not path.exists() or path.stat().st_size == 0 or not _is_written(ledger):
        assert time.monotonic() < end
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=30)
    account = read_ledgers([ledger])
    assert counted(account)[0] > 0
    assert [beat.stopped for beat in account.heartbeats] == [False]


def _is_written(ledger: str) -> bool:
    try:
        return bool(read_ledgers([ledger]).uses)
    except Exception:
        return False


@CAN_FORK
def test_fork_before_anything(ledger: str) -> None:
    """Each child is an instance of its own; the parent, which serves nothing, is none."""
    ended(begun(ledger, "fork_first"))
    account = read_ledgers([ledger])
    assert counted(account) == (150, 3)
    assert len({beat.instance for beat in account.heartbeats}) == 3
    assert all(beat.stopped for beat in account.heartbeats)


@CAN_FORK
@pytest.mark.parametrize("work", ["fork_later", "fork_often"])
@pytest.mark.parametrize("interval", [0.001, 30])
def test_fork_while_it_runs(ledger: str, work: str, interval: float) -> None:
    """What the parent has counted is written by the parent alone; no child finds anything locked."""
    # Since 3.12 Python warns of any fork where threads are.
    ended(begun(ledger, work, interval=interval, warn="ignore::DeprecationWarning"))
    account = read_ledgers([ledger])
    expected = {"fork_later": (200, 4), "fork_often": (400, 20)}[work]
    assert counted(account) == expected
    assert len(account.heartbeats) == {"fork_later": 3, "fork_often": 11}[work]
    assert all(beat.stopped for beat in account.heartbeats)


@CAN_FORK
def test_a_child_that_only_remembers(ledger: str) -> None:
    """Its requests count, though no token of them was verified by it."""
    ended(begun(ledger, "fork_remembering", warn="ignore::DeprecationWarning"))
    account = read_ledgers([ledger])
    assert counted(account) == (10, 0)


def load(port: int, token: str, most: int | None, answers: list[bool]) -> None:
    """Sends good requests until there are so many answers, or the server has gone."""
    headers = {"Authorization": f"Bearer {token}"}
    end = time.monotonic() + 30
    with httpx2.Client(trust_env=False, headers=headers) as client:
        while most is None or len(answers) < most:
            try:
                answers.append(client.get(f"http://127.0.0.1:{port}/").status_code == 200)
            except httpx2.ConnectError:
                if answers:
                    return
                assert time.monotonic() < end
                time.sleep(0.05)
            except httpx2.TransportError:
                answers.append(False)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("most", [20, None])
def test_a_server_that_is_told_to_stop(
    ledger: str, number: signal.Signals, most: int | None
) -> None:
    """Idle or under load: it has written every request that it has answered, and has ended in order."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, str(PROGRAM), "serve"], stdout=subprocess.PIPE, text=True,
        env={**environment(ledger, 30), "PORT": str(port)},
    )  # fmt: skip
    answers: list[list[bool]] = [[] for _ in range(1 if most else 4)]
    try:
        assert server.stdout is not None
        token = server.stdout.readline().strip()
        clients = [
            threading.Thread(target=load, args=(port, token, most, each)) for each in answers
        ]
        for client in clients:
            client.start()
        if most is None:
            eventually(lambda: all(len(each) > 20 for each in answers))
        else:
            clients[0].join()
        server.send_signal(number)
        server.communicate(timeout=30)
        for client in clients:
            client.join()
    finally:
        server.kill()
        server.wait(30)
    good, broken = (sum(each.count(how) for each in answers) for how in (True, False))
    assert good == most or (most is None and good > 80)
    account = read_ledgers([ledger])
    assert good <= counted(account)[0] <= good + broken
    assert broken <= len(answers)
    assert [beat.stopped for beat in account.heartbeats] == [True]


def test_stdout_is_collected(tmp_path: Path) -> None:
    """The output of several processes in one log is the ledger of all of them."""
    processes = [begun("stdout:", "send", "100", "2", interval=0.01) for _ in range(2)]
    log = tmp_path / "log"
    log.write_text("".join(f"pod | {line}" for process in processes for line in
                           ended(process).splitlines(keepends=True)))  # fmt: skip
    account = read_ledgers([f"lines:{log}"])
    assert counted(account) == (400, 4)
    assert account.lost == 0
    assert [beat.stopped for beat in account.heartbeats] == [True, True]
