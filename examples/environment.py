"""Runs a script of this checkout with everything it needs, without touching the system's Python.

`enter` makes a virtual environment in `.venv`, installs the checkout and one of its extras there, and
starts the calling script again inside it. It returns at once where the running Python has what is
needed. A stamp in `.venv` says that an install came to its end: without one, `.venv` is made anew.
Uses the standard library only, and no syntax that an old Python cannot read: it has to be able to say
what is missing.
"""

import hashlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform != "win32":
    import fcntl

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def enter(extra: str, *modules: str) -> None:
    """Returns only inside an environment that has atjwt[extra].

    modules: what the script imports; if the running Python has all of it, it is used as it is.
    """
    if sys.version_info < (3, 11):  # noqa: UP036 - the point of it
        sys.exit("atjwt needs Python 3.11 or newer; this is " + sys.version.split()[0])
    wanted = ("atjwt", *modules)
    if all(map(_is_there, wanted)):
        return
    if Path(sys.prefix).resolve() == VENV.resolve():
        with _alone():
            _install(extra)  # whatever the stamp says: something is missing
        if not _imports(wanted):
            sys.exit("the environment in .venv is damaged: remove it and run this again")
    elif not _is_installed(extra):
        with _alone():
            _set_up(extra, wanted)
    arguments = [str(PYTHON), *sys.argv]
    if os.name == "nt":
        sys.exit(subprocess.call(arguments))
    os.execv(PYTHON, arguments)


def _is_there(module: str) -> bool:
    found = importlib.util.find_spec(module)
    return found is not None and found.origin is not None  # a folder left over has no origin


def _imports(modules: "tuple[str, ...]") -> bool:
    command = [str(PYTHON), "-c", "import " + ", ".join(modules)]
    return (
        PYTHON.exists() and not subprocess.run(command, capture_output=True, check=False).returncode
    )


def _set_up(extra: str, wanted: "tuple[str, ...]") -> None:
    if _is_installed(extra):  # by another run, while this one waited
        return
    stamped = PYTHON.exists() and any(VENV.glob("installed-*"))
    if not stamped and not _imports(wanted):
        _create()
    _install(extra)


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
    _say(f"installing atjwt[{extra}] there; this once it needs the package index")
    pip = [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([*pip, "--editable", f"{ROOT}[{extra}]"])
    _stamp(extra).write_text(_wanted())


def _is_installed(extra: str) -> bool:
    stamp = _stamp(extra)
    return PYTHON.exists() and stamp.exists() and stamp.read_text() == _wanted()


def _stamp(extra: str) -> Path:
    return VENV / f"installed-{extra}"


def _wanted() -> str:
    # Of this project at this place: an environment that was copied along leads back to the old one.
    project = (ROOT / "pyproject.toml").read_bytes()
    return hashlib.sha256(str(ROOT).encode() + b"\0" + project).hexdigest()


@contextmanager
def _alone() -> "Iterator[None]":
    """Keeps two first runs apart. The system frees the lock of a run that was interrupted."""
    with (ROOT / "pyproject.toml").open("r+b") as lock:
        if sys.platform != "win32":
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                _say("waiting for another run that makes .venv")
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _run(command: "list[str]") -> None:
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    if finished.returncode:
        sys.exit(f"{' '.join(command)}\n{finished.stdout}{finished.stderr}")


def _say(what: str) -> None:
    sys.stderr.write(f"[first run] {what}\n")
    sys.stderr.flush()
