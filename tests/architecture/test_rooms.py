"""The rooms and their laws, read from the sources."""

from __future__ import annotations

import ast
import subprocess
import sys
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    path for room in ("sim", "cpu_fallback", "gpu_kernels") for path in (ROOT / room).rglob("*.py")
)
SEGMENT_FILES = sorted((ROOT / "sim/segments").rglob("*.py"))
KERNEL_FILES = sorted((ROOT / "cpu_fallback").rglob("*.py"))

ROOM = 350
"""Lines of a file that need no reason."""
LARGE: dict[str, str] = {}
"""Files over `ROOM` lines, each with the reason why it is one file."""


def imports(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def names_from(path: Path, module: str) -> set[str]:
    """Names taken by `from module import ...`."""
    nodes = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module == module
    ]
    return {alias.name for node in nodes for alias in node.names}


def test_layers_hold() -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout


def module_of(path: Path) -> str:
    """The dotted name of a source file."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def test_no_circle_of_files() -> None:
    """Imports inside functions and those for type checkers alone count as well:
    a file can be read after what it uses.
    """
    files = {module_of(path): path for path in SOURCES}
    graph: dict[str, set[str]] = {}
    for name, path in files.items():
        uses = graph.setdefault(name, set())
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module:
                named = {f"{node.module}.{alias.name}" for alias in node.names}
                uses |= named & files.keys() or {node.module} & files.keys()
            elif isinstance(node, ast.Import):
                uses |= {alias.name for alias in node.names} & files.keys()
        uses.discard(name)
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the files


def test_states_ask_which_rows_are_present() -> None:
    """A mask need not be there: a file without nulls has none. `Frame.present` knows,
    `valid["name"]` does not.
    """
    assert not [path for path in SEGMENT_FILES if ".valid[" in path.read_text()]


@pytest.mark.parametrize("path", SEGMENT_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_segment_is_modelling_and_nothing_else(path: Path) -> None:
    """No path, clock, environment, backend, thread, Arrow or chance that is not addressed."""
    banned = {
        "os",
        "sys",
        "time",
        "datetime",
        "pathlib",
        "random",
        "secrets",
        "threading",
        "multiprocessing",
        "subprocess",
        "logging",
    }
    banned |= {"pyarrow", "numba", "cupy", "cudf", "duckdb", "polars", "blake3", "json", "yaml"}
    found = imports(path)
    assert "math" not in found or names_from(path, "math") == {"isqrt"}
    assert not {name for name in found if name.split(".")[0] in banned}
    own = path.relative_to(ROOT / "sim/segments").parts[0]
    other = {name for name in found if name.startswith("sim.segments.") and name.split(".")[2] != own}
    assert not other or path == ROOT / "sim/segments/__init__.py"
    allowed = ("sim.segments", "sim.recipes", "sim.state", "sim.ground.errors")
    assert not {name for name in found if name.startswith("sim.") and not name.startswith(allowed)}


@pytest.mark.parametrize(
    "path",
    SEGMENT_FILES + sorted((ROOT / "sim/recipes").rglob("*.py")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_model_arithmetic_is_exact(path: Path) -> None:
    """libm and float reductions are not bit-equal across machines: kernels and integers only."""
    banned = {"exp", "log", "log2", "log10", "log1p", "expm1", "power", "sin", "cos", "tan"}
    banned |= {"mean", "std", "var", "dot", "matmul", "average", "random"}
    tree = ast.parse(path.read_text())
    attributes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    assert not {node.attr for node in attributes if node.value.id == "np"} & banned
    assert not [
        node for node in ast.walk(tree) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult)
    ]


@pytest.mark.parametrize("path", KERNEL_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_kernels_use_no_libm_and_no_fast_math(path: Path) -> None:
    tree = ast.parse(path.read_text())
    assert not imports(path) & {"cmath", "random"} and not names_from(path, "math")
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in ("fastmath", "parallel"):
            assert isinstance(node.value, ast.Constant) and node.value.value is False
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id in ("np", "numpy")
        ):
            assert node.attr not in {"exp", "log", "power", "sin", "cos", "sum", "mean", "random"}
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "math":
            assert node.attr == "sqrt", "only sqrt is correctly rounded everywhere"
        assert not (
            isinstance(node, ast.BinOp)
            and isinstance(node.op, ast.Pow)
            and not isinstance(node.left, ast.Constant)
        )


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_file_is_a_room(path: Path) -> None:
    """A file over `ROOM` lines holds more than one idea, or has its reason in `LARGE`;
    a reason without such a file is stale.
    """
    assert (len(path.read_text().splitlines()) > ROOM) == (str(path.relative_to(ROOT)) in LARGE)


def test_no_large_file_is_gone() -> None:
    assert set(LARGE) <= {str(path.relative_to(ROOT)) for path in SOURCES} and all(
        map(str.strip, LARGE.values())
    )


def test_nothing_is_unpickled() -> None:
    for path in SOURCES:
        text = path.read_text()
        assert "pickle" not in text and "allow_pickle" not in text and "joblib" not in text, path
