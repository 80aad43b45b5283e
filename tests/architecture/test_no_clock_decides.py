"""No test has a bound in wall time: how fast or how busy a machine is decides no result. `tests/work.py`
counts calls and waits instead.
"""

from __future__ import annotations

import ast
from pathlib import Path

import hypothesis
import pytest

ROOT = Path(__file__).resolve().parents[2]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
CLOCKS = {"monotonic", "perf_counter", "process_time", "thread_time", "time", "clock_gettime"}
NETS = {"PATIENCE_S", "timeout"}
ALLOWED = {
    "tests/work.py": "waits for what comes, until nothing can come any more",
    "tests/trust/mutant_runs.py": "ends mutants that wait for ever; the table tells how long one took",
    "tests/trust/test_kills.py": "kills at random moments of a run as long as the one before; "
    "nothing is held against them",
    "tests/runs/test_variations.py": "a wait that ends in a kill, longer each time",
    "tests/gpu/node.py": (
        "a script for a GPU node with little time: it measures, and leaves out stages that would not end in "
        "time"
    ),
    "tests/executors/hostile_world.py": "names of marks, unlike any other",
}


def clocks(tree: ast.AST) -> list[int]:
    """Lines that read a clock."""
    attributes = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    ]
    found = [
        node.lineno
        for node in attributes
        if node.value.id == "time" and node.attr.removesuffix("_ns") in CLOCKS
    ]  # type: ignore[attr-defined]
    taken = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in ("time", "timeit")
    ]
    return found + [node.lineno for node in taken if {alias.name for alias in node.names} - {"sleep"}]


def impatient(tree: ast.AST) -> list[int]:
    """Lines that give up waiting after a time of their own, or that let hypothesis do so."""
    keywords = [node for node in ast.walk(tree) if isinstance(node, ast.keyword)]
    timeouts = [
        node
        for node in keywords
        if node.arg == "timeout" and not (isinstance(node.value, ast.Name) and node.value.id in NETS)
    ]
    deadlines = [
        node
        for node in keywords
        if node.arg == "deadline" and not (isinstance(node.value, ast.Constant) and node.value.value is None)
    ]
    alarms = [
        node for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    given = [node.args[0] for node in alarms if node.func.attr == "alarm" and node.args]  # type: ignore[attr-defined]
    soon = [node for node in given if isinstance(node, ast.Constant) and 0 < node.value < 600]
    return [node.value.lineno for node in timeouts + deadlines] + [node.lineno for node in soon]


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_clock_decides(path: Path) -> None:
    if str(path.relative_to(ROOT)) in ALLOWED:
        return
    tree = ast.parse(path.read_text())
    assert clocks(tree) == [] and impatient(tree) == []


def test_what_is_allowed_is_there_and_needed() -> None:
    for name in ALLOWED:
        tree = ast.parse((ROOT / name).read_text())
        assert clocks(tree) or impatient(tree), name


def test_hypothesis_has_no_deadline() -> None:
    assert hypothesis.settings.default.deadline is None


@pytest.mark.parametrize(
    "text",
    [
        "import time\nstarted = time.monotonic()",
        "from time import perf_counter",
        "time.time_ns()",
        "run(timeout=60)",
        "settings(deadline=200)",
        "signal.alarm(5)",
        "child.wait(timeout=1.0 + rng.random())",
    ],
)
def test_a_bound_is_found(text: str) -> None:
    tree = ast.parse(text)
    assert clocks(tree) or impatient(tree)
