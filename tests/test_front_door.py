"""What a user meets first: the names of the root, the docstrings, the README."""

import ast
import inspect
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

import atjwt
from atjwt import ResourceServer
from atjwt.migration import ManagementApi

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
NAMES = [
    *("ResourceServer", "TrustedIssuer", "KeyPolicy", "AUTH0", "RFC9068", "Principal"),
    *("Policy", "has_scope", "has_permission", "has_role", "all_of", "any_of"),
    *("AuthError", "InvalidToken", "InsufficientScope", "KeysUnavailable"),
    *("ConfigurationError", "Reason"),
]

# --- names ---------------------------------------------------------------------------------------


def test_names() -> None:
    """The root exports what is promised, and no more than somebody can remember."""
    assert set(atjwt.__all__) == set(NAMES)
    assert len(atjwt.__all__) == len(NAMES) <= 20
    # Submodules become attributes of a package when somebody imports them.
    there = {name for name, value in vars(atjwt).items() if not isinstance(value, ModuleType)}
    assert {name for name in there if not name.startswith("_")} == set(NAMES)


def test_names_in_order() -> None:
    """Constants, then classes, then functions, each in the order of the alphabet."""
    kinds = [
        (2 if inspect.isfunction(value) else 1 if inspect.isclass(value) else 0, name)
        for name in atjwt.__all__
        for value in [getattr(atjwt, name)]
    ]
    assert kinds == sorted(kinds)


def test_the_map_names_files() -> None:
    """Each word of the map in the root's docstring is a file."""
    assert atjwt.__doc__ is not None
    files = re.findall(r"^    (\w+(?:/\w+)?)  ", atjwt.__doc__, re.MULTILINE)
    files += re.findall(r"`(core/\w+|[a-z_]+)`", atjwt.__doc__)
    assert len(files) > 10
    for name in files:
        path = ROOT / "src" / "atjwt" / name
        assert path.with_suffix(".py").is_file() or (path / "__init__.py").is_file(), name


def test_version() -> None:
    """There is one version; where the root states it, it is that of the distribution."""
    version = PYPROJECT["project"]["version"]
    assert getattr(atjwt, "__version__", version) == version


def test_typed() -> None:
    """The types are published (PEP 561)."""
    assert (ROOT / "src" / "atjwt" / "py.typed").is_file()


FILES = sorted((ROOT / "src").rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "src")))
def test_docstrings(path: Path) -> None:
    """Every file, public class and public function says what it is."""
    tree = ast.parse(path.read_text("utf-8"))
    assert ast.get_docstring(tree)
    public: list[ast.AST] = [tree]
    for parent in public:  # grows as it is walked: what is inside a public class is public too
        for node in ast.iter_child_nodes(parent):
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                setter = any(ast.unparse(mark).endswith(".setter") for mark in node.decorator_list)
                if setter or (node.name.startswith("_") and node.name != "__call__"):
                    continue
                assert ast.get_docstring(node), f"{node.name} has no docstring"
                if isinstance(node, ast.ClassDef):
                    public.append(node)


# --- what an import costs ------------------------------------------------------------------------


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter has loaded after a statement."""
    program = f"import json, sys\n{statement}\nprint(json.dumps(sorted(sys.modules)))"
    finished = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True
    )
    return set(json.loads(finished.stdout))


def test_import_of_the_middleware() -> None:
    """The middleware loads no HTTP client, no server, no other framework and no issuer."""
    loaded = loaded_by("import atjwt.asgi")
    unwanted = {"httpx", "httpx2", "httpcore", "uvicorn", "fastapi", "pytest", "certifi"}
    unwanted |= {f"atjwt.{name}" for name in ("issuer", "testing", "cli", "starlette", "fastapi")}
    assert "atjwt.asgi" in loaded
    assert not loaded & unwanted


def test_import_of_the_root() -> None:
    """The root loads no adapter and no web framework."""
    loaded = loaded_by("import atjwt")
    assert not loaded & {"starlette", "fastapi", "httpx", "httpx2", "atjwt.asgi", "atjwt.starlette"}


def test_a_signature_shows_no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for help on a shared screen shows nobody the secrets of the process."""
    monkeypatch.setenv("AUTH0_CLIENT_SECRET", "s3cret-of-the-process")
    for what in (ResourceServer.from_env, ManagementApi.from_env):
        assert "s3cret" not in str(inspect.signature(what))


# --- the README ----------------------------------------------------------------------------------

README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = {
    f"line {README.count(chr(10), 0, found.start()) + 2}": (found["mark"], found["code"])
    for found in re.finditer(
        r"^```python(?P<mark>[^\n]*)\n(?P<code>.*?)^```$", README, re.MULTILINE | re.DOTALL
    )
}


@pytest.mark.parametrize("place", BLOCKS)
def test_readme(place: str) -> None:
    """Each Python block of the README runs by itself; an app in it is an ASGI app."""
    mark, code = BLOCKS[place]
    assert mark in {"", " no-run"}
    padding = "\n" * (int(place.removeprefix("line ")) - 1)  # so that a traceback names the line
    compiled = compile(padding + code, ROOT / "README.md", "exec")
    if mark == " no-run":
        pytest.skip("marked no-run")
    namespace = ModuleType("readme").__dict__
    exec(compiled, namespace)
    if "app" in namespace:
        assert callable(namespace["app"])
        build = getattr(namespace["app"], "build_middleware_stack", None)
        if build is not None:
            build()


def test_readme_has_examples() -> None:
    """The runner above finds the README's blocks, if there are any."""
    assert len(BLOCKS) == README.count("```python")
