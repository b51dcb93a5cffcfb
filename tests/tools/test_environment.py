"""How the README's commands set themselves up: once, whole, alone, and never the system's Python.

No network: what would run pip or make an environment is noted instead, and leaves the files that it
would leave.
"""

import importlib.machinery
import importlib.util
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
MODULES = ("pytest", "uvicorn")


class Restarted(BaseException):
    """The script would start again inside the environment."""


class Machine:
    """A checkout, and what is done on it.

    done: `create`, `install EXTRA`. present: modules of the running Python. working: whether those
    of the environment can be imported. slow: seconds that a command takes.
    """

    def __init__(self, checkout: Path, module: ModuleType) -> None:
        self.venv = checkout / ".venv"
        self.python = self.venv / "bin" / "python"
        self.project = checkout / "pyproject.toml"
        self.project.write_text("[project]\n")
        self.done: list[str] = []
        self.present: set[str] = set()
        self.missing: set[str] = set()
        self.working = False
        self.fails_at = ""
        self.slow = 0.0
        self.module = module

    def run(self, command: list[str]) -> None:
        """Stands in for the commands of a first run."""
        step = "create" if "venv" in command else f"install {command[-1].partition('[')[2][:-1]}"
        self.done.append(step)
        time.sleep(self.slow)
        if step == "create":
            assert "--clear" in command
            for stamp in self.venv.glob("installed-*"):
                stamp.unlink()
            self.python.parent.mkdir(parents=True, exist_ok=True)
            self.python.touch()
        if step == self.fails_at:
            raise SystemExit(step)
        self.working = step != "create"

    def find_spec(self, name: str) -> importlib.machinery.ModuleSpec | None:
        """Stands in for the import system."""
        if name in self.missing or (name in {"atjwt", *MODULES} and name not in self.present):
            return None
        return importlib.machinery.ModuleSpec(name, None, origin="somewhere")

    def enter(self, extra: str = "test") -> list[str]:
        """Calls `enter` and returns what was done."""
        self.done.clear()
        with pytest.raises(Restarted):
            self.module.enter(extra, *MODULES)
        return self.done


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    spec = importlib.util.spec_from_file_location("environment", EXAMPLES / "environment.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    machine = Machine(tmp_path, module)

    def restart(python: Path, arguments: list[str]) -> None:
        raise Restarted(python, arguments)

    for name, value in {
        "ROOT": tmp_path,
        "VENV": machine.venv,
        "PYTHON": machine.python,
        "_run": machine.run,
        "_imports": lambda modules: machine.python.exists() and machine.working,
    }.items():
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr("os.execv", restart)
    monkeypatch.setattr("importlib.util.find_spec", machine.find_spec)
    return machine


def test_a_python_that_has_everything_is_used_as_it_is(machine: Machine) -> None:
    """Nothing is made, installed or started again."""
    machine.present = {"atjwt", *MODULES}
    machine.module.enter("test", *MODULES)
    assert (machine.done, machine.venv.exists()) == ([], False)


def test_a_first_run(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """An environment, an install into it, and word of both; the second run does neither."""
    assert machine.enter() == ["create", "install test"]
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert all(line.startswith("[first run] ") for line in said)
    assert "package index" in said[1]
    assert machine.enter() == []
    assert capsys.readouterr().err == ""


def test_a_second_extra_is_added(machine: Machine) -> None:
    """The environment of the tour serves the tests too."""
    machine.enter("issuer")
    machine.working = False  # the tests' modules are not there yet
    assert machine.enter("test") == ["install test"]


def test_a_changed_project_is_installed_again(machine: Machine) -> None:
    """What it needs may have changed."""
    machine.enter()
    machine.project.write_text("[project]\nname = 'other'\n")
    assert machine.enter() == ["install test"]


def test_a_checkout_that_was_moved_is_installed_again(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its environment still leads to where it was."""
    machine.enter()
    monkeypatch.setattr(machine.module, "ROOT", tmp_path / "elsewhere" / "..")
    (tmp_path / "elsewhere").mkdir()
    assert machine.enter() == ["install test"]


@pytest.mark.parametrize("step", ["create", "install test"])
def test_an_interrupted_first_run_heals_itself(machine: Machine, step: str) -> None:
    """Without the stamp of a finished install, the environment is made anew."""
    machine.fails_at = step
    with pytest.raises(SystemExit):
        machine.module.enter("test", *MODULES)
    machine.fails_at = ""
    assert machine.enter() == ["create", "install test"]
    assert machine.enter() == []


def test_an_environment_that_works_is_kept(machine: Machine) -> None:
    """Somebody may have made `.venv` by hand; what is in it is theirs."""
    machine.python.parent.mkdir(parents=True)
    machine.python.touch()
    machine.working = True
    assert machine.enter() == ["install test"]


def test_an_environment_whose_python_is_gone_is_made_anew(machine: Machine) -> None:
    """As after an upgrade of the system: the link in it leads nowhere."""
    machine.enter()
    machine.python.unlink()
    assert machine.enter() == ["create", "install test"]


def test_two_first_runs_at_once(machine: Machine, capsys: pytest.CaptureFixture[str]) -> None:
    """One sets up, the other waits for it and finds everything done."""
    machine.slow = 0.1
    both = Barrier(2)

    def enter() -> None:
        both.wait()
        with pytest.raises(Restarted):
            machine.module.enter("test", *MODULES)

    with ThreadPoolExecutor(2) as pool:
        for run in [pool.submit(enter), pool.submit(enter)]:
            run.result()
    assert machine.done == ["create", "install test"]
    assert "waiting for another run" in capsys.readouterr().err


@pytest.fixture
def inside(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """The running Python is that of `.venv`, whose install is stamped."""
    machine.enter()
    monkeypatch.setattr(sys, "prefix", str(machine.venv))
    return machine


def test_what_is_missing_inside_is_installed(inside: Machine) -> None:
    """The stamp is not believed where the modules are not there."""
    inside.present = {"atjwt", "pytest"}
    assert inside.enter() == ["install test"]
    inside.present = {"atjwt", *MODULES}
    inside.module.enter("test", *MODULES)


def test_a_damaged_environment_is_no_endless_loop(
    inside: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If installing does not help, the command says so and ends."""
    monkeypatch.setattr(inside.module, "_imports", lambda modules: False)
    with pytest.raises(SystemExit, match="remove it and run this again"):
        inside.module.enter("test", *MODULES)


def test_a_folder_that_was_left_over_is_no_module(machine: Machine) -> None:
    """Python takes any folder for a package; such a one has no origin."""
    machine.present = {"atjwt", *MODULES}
    whole = machine.find_spec
    leftover: Callable[[str], object] = lambda name: (  # noqa: E731
        importlib.machinery.ModuleSpec(name, None) if name == "uvicorn" else whole(name)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("importlib.util.find_spec", leftover)
        assert machine.enter() == ["create", "install test"]


def test_an_old_python_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is done, also where everything is there."""
    machine.present = {"atjwt", *MODULES}
    monkeypatch.setattr(sys, "version_info", (3, 10, 12, "final", 0))
    monkeypatch.setattr(sys, "version", "3.10.12 (main, Jan  1 2024)")
    with pytest.raises(SystemExit) as ended:
        machine.module.enter("test", *MODULES)
    assert ended.value.code == "atjwt needs Python 3.11 or newer; this is 3.10.12"
    assert machine.done == []


@pytest.mark.parametrize("module", ["venv", "ensurepip"])
def test_a_python_without_venv_is_told_what_to_install(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, module: str
) -> None:
    """The package has the name that Debian and Ubuntu give it."""
    machine.missing = {module}
    monkeypatch.setattr(sys, "version_info", (3, 12, 3, "final", 0))
    with pytest.raises(SystemExit) as ended:
        machine.module.enter("test", *MODULES)
    assert "sudo apt-get install python3.12-venv" in str(ended.value.code)
    assert not machine.venv.exists()


def test_a_command_that_fails_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """With its output, and the script ends."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    environment = importlib.import_module("environment")
    code = "import sys; print('half'); sys.exit('no network')"
    with pytest.raises(SystemExit, match=r"(?s)half\nno network"):
        environment._run([sys.executable, "-c", code])
    monkeypatch.setattr(environment, "PYTHON", Path(sys.executable))
    assert environment._imports(("json", "sys"))
    assert not environment._imports(("json", "no_such_module"))
