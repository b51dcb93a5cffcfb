"""Runs a script of this checkout with everything it needs, without touching the system's Python.

`enter` makes a virtual environment in `.venv`, installs the checkout and one of its extras there, and
starts the calling script again inside it. It returns at once where that is done already, or where the
running Python has what is needed. Uses the standard library only, and no syntax that an old Python
cannot read: it has to be able to say what is missing.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def enter(extra: str, *modules: str) -> None:
    """Returns only inside an environment that has atjwt[extra].

    modules: what the script imports; if the running Python has all of it, it is used as it is.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - the point of it
        sys.exit("atjwt needs Python 3.11 or newer; this is " + sys.version.split()[0])
    if Path(sys.prefix).resolve() == VENV.resolve():
        return
    if all(importlib.util.find_spec(module) for module in ("atjwt", *modules)):
        return
    if not PYTHON.exists():
        _create()
    _install(extra)
    arguments = [str(PYTHON), *sys.argv]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(PYTHON, arguments)


def _create() -> None:
    if importlib.util.find_spec("venv") is None or importlib.util.find_spec("ensurepip") is None:
        version = "python{}.{}-venv".format(*sys.version_info[:2])
        sys.exit(
            "This Python cannot make virtual environments: it lacks venv or ensurepip.\n"
            "Install the package that has them and run this again. On Debian and Ubuntu:\n"
            f"    sudo apt-get install {version}"
        )
    _say("making a virtual environment in .venv")
    _run([sys.executable, "-m", "venv", "--clear", str(VENV)])


def _install(extra: str) -> None:
    wanted = hashlib.sha256((ROOT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = VENV / f"installed-{extra}"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _say(f"installing atjwt[{extra}] there")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--editable", f"{ROOT}[{extra}]"])
    stamp.write_text(wanted)


def _run(command: "list[str]") -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}")


def _say(what: str) -> None:
    sys.stderr.write(f"[first run] {what}\n")
    sys.stderr.flush()
