"""Who may import whom, what the core must not touch, and how large a room may be."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent.parent / "src"
FILES = {
    ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(SOURCE.rglob("*.py"))
}
TREES = {name: ast.parse(path.read_text("utf-8")) for name, path in FILES.items()}
CORE = [name for name in FILES if name.startswith("atjwt.core")]

MAY_IMPORT = {
    "errors": "",
    "core": "errors",
    "events": "errors core",
    "reporter": "errors core events",
    "flight": "",
    "health": "",
    "settings": "errors core events fetch",
    "fetch": "errors core",
    "discovery": "errors core fetch",
    "jwks_client": "errors core events reporter fetch flight health discovery",
    "resource_server": "errors core events reporter fetch flight health settings jwks_client",
    "messages": "",
    "sockets": "messages",
    "published": "errors core messages resource_server",
    "asgi": "errors core events messages published resource_server sockets",
    "marks": "errors core",
    "policies": "errors core",
    "refusal": "errors core asgi messages resource_server",
    "starlette": "errors core asgi marks policies published refusal resource_server",
    "openapi": "errors core marks policies resource_server",
    "fastapi": "errors core asgi marks messages openapi policies refusal resource_server starlette",
    "looking": "",
    "endpoints": "core looking marks resource_server",
    "walk": "errors core asgi endpoints looking starlette",
    "guards": "errors core endpoints walk",
    "fixes": "errors core",
    "explain": "errors core events fixes jwks_client reporter resource_server",
    "doctor": "errors core asgi discovery explain fetch fixes guards looking resource_server walk",
    # Its Management API is guarded by the library; nothing else of it may know the verifier.
    "issuer": "errors core resource_server asgi starlette",
    "migration": "errors core events fetch guards resource_server",
    "testing": "errors core fetch jwks_client asgi resource_server issuer",
    "pytest_atjwt": "testing",
    "cli": "errors core events asgi resource_server issuer testing guards explain doctor migration",
    "__main__": "cli",
    "": "errors core policies resource_server",
}
"""A room → the rooms beside its own that it may import; the root is the room without a name."""

IMPURE = {
    *("asyncio", "anyio", "threading", "concurrent", "multiprocessing", "subprocess", "signal"),
    *("time", "datetime", "random", "secrets", "uuid", "os", "pathlib", "tempfile", "shutil", "io"),
    *("socket", "ssl", "http", "urllib.request", "logging"),
}


def room(module: str) -> str:
    first, _, inner = module.partition(".")
    return inner.split(".")[0] if first == "atjwt" else first


def imports(node: ast.AST) -> Iterator[str]:
    """The modules that a file imports when it runs, wherever in it."""
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
        node = ast.Module(node.orelse, [])
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        assert node.level == 0, "relative imports hide the way"
        for alias in node.names:
            whole = f"{node.module}.{alias.name}"
            yield whole if whole in FILES else str(node.module)
    for child in ast.iter_child_nodes(node):
        yield from imports(child)


@pytest.mark.parametrize("module", FILES)
def test_direction(module: str) -> None:
    """A room imports only what the table lets it import."""
    assert room(module) in MAY_IMPORT, "a new room: give it its place in the table"
    allowed = {room(module), *MAY_IMPORT[room(module)].split()}
    ours = {name for name in imports(TREES[module]) if name.split(".")[0] == "atjwt"}
    assert {room(name) for name in ours} <= allowed
    if module == "atjwt.events":
        assert {name for name in ours if room(name) == "core"} <= {"atjwt.core.principal"}


@pytest.mark.parametrize("module", [name for name in FILES if room(name) == "issuer"])
def test_the_issuer_reads_no_table_of_the_verifier(module: str) -> None:
    """One wrong table could pass every test if both ends read it; only the guard meets the other."""
    own = {"atjwt.errors", "atjwt.issuer"}
    foreign = {name for name in imports(TREES[module]) if name.startswith("atjwt")}
    foreign = {name for name in foreign if ".".join(name.split(".")[:2]) not in own}
    guards = {"atjwt.issuer.management": {"atjwt.starlette"}}
    if module != "atjwt.issuer.management_guard":
        assert foreign <= guards.get(module, set())


def test_no_ring() -> None:
    """No file imports itself, by whatever way."""
    graph = {module: set(imports(tree)) - {module} for module, tree in TREES.items()}
    TopologicalSorter(graph).prepare()


@pytest.mark.parametrize("module", CORE)
def test_core_is_pure(module: str) -> None:
    """The core knows no event loop, no clock, no network, no chance; jwk alone knows JOSE."""
    foreign = {name for name in imports(TREES[module]) if room(name) != "core"}
    assert not {name for name in foreign if {name, name.split(".")[0]} & IMPURE}
    third_parties = {name.split(".")[0] for name in foreign} - sys.stdlib_module_names - {"atjwt"}
    assert third_parties == ({"jwt", "cryptography"} if module == "atjwt.core.jwk" else set())
    called = {node.func for node in ast.walk(TREES[module]) if isinstance(node, ast.Call)}
    methods = {function.attr for function in called if isinstance(function, ast.Attribute)}
    functions = {function.id for function in called if isinstance(function, ast.Name)}
    assert not methods & {"now", "utcnow", "today"}
    assert not functions & {"open", "input", "print", "exec", "eval", "__import__"}


@pytest.mark.parametrize("module", FILES)
def test_size(module: str) -> None:
    """A file is read in one sitting, a function on one screen; docstrings do not count in it."""
    lines = FILES[module].read_text("utf-8").count("\n")
    assert lines <= (200 if module in CORE else 350)
    for node in ast.walk(TREES[module]):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            last = node.body[-1].end_lineno or 0
            assert not body or last - body[0].lineno < 40, f"{node.name} is too long"
