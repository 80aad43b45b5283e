"""Mutation testing of publish.py and gate.py: cosmic-ray's operators make the mutants, forked processes run the tests on them.

cosmic-ray's own runner rewrites the source file and starts an interpreter for every mutant. Here the parent has everything
imported, a child swaps in the mutated functions and runs pytest in process: seconds a mutant, and no file of the tree changes.
For every statement that is a call a mutant of our own is added: the call left out (cosmic-ray has no such operator).

    python tests/trust/mutants.py [name ...]     # one line a mutant, of all or of those named
"""

from __future__ import annotations

import ast
import hashlib
import importlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("publish", "gate")
TESTS = (
    "trust/test_protocol.py",
    "trust/test_published_files.py",
    "shell/test_publish.py",
    "trust/test_checks_demanded.py",
    "shell/test_gate.py",
)
LEFT_OUT = "not lock_names and not demanded_check and not contract_alone and not of_a_world and not only_the_writer"
TIME_LIMIT_S = 90


@dataclass(frozen=True)
class Mutant:
    """One changed source; `name` stays the same while the text around the change does."""

    module: str
    operator: str
    line: int
    before: str
    after: str
    source: str

    @property
    def name(self) -> str:
        text = f"{self.operator}\0{self.before.strip()}\0{self.after.strip()}"
        return f"{self.module}:{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def _changed(module: str, operator: str, old: str, new: str) -> Mutant | None:
    before, after = old.splitlines(), new.splitlines()
    first = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), None)
    if first is None or _meaning(old) == _meaning(new):
        return None
    return Mutant(module, operator, first + 1, before[first], after[first], new)


class _Unannotated(ast.NodeTransformer):
    """Annotations are text here (`from __future__ import annotations`): a change of one changes nothing."""

    def visit_arg(self, node: ast.arg) -> ast.arg:
        node.annotation = None
        return node

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.FunctionDef:
        self.generic_visit(node)
        node.returns = None
        return node


def _meaning(source: str) -> str:
    return ast.dump(_Unannotated().visit(ast.parse(source)))


def _worth(mutant: Mutant) -> bool:
    """Of the dozen replacements of a binary operator two: `/` joins paths and `+` lists here, and every other one just raises."""
    name, _, to = mutant.operator.rpartition("_")
    return not name.startswith("ReplaceBinaryOperator") or to in ("BitAnd", "Sub")


def _calls_left_out(module: str, source: str) -> Iterator[Mutant]:
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
            start, end = node.lineno - 1, node.end_lineno or node.lineno
            indent = lines[start][: len(lines[start]) - len(lines[start].lstrip())]
            changed = "".join([*lines[:start], f"{indent}pass\n", *lines[end:]])
            yield Mutant(module, "call left out", node.lineno, lines[start], "pass", changed)


def mutants() -> list[Mutant]:
    """Every mutant of both modules, in a fixed order."""
    from cosmic_ray.mutating import mutate_code
    from cosmic_ray.plugins import get_operator, operator_names

    found = []
    for module in MODULES:
        source = (ROOT / f"sim/shell/{module}.py").read_text()
        for name in sorted(operator_names()):
            if "/variable_" in name.lower() or "/Variable" in name:
                continue  # these need names to be given, and no name here is a free variable of a model
            occurrence = 0
            operator = get_operator(name)
            while (changed := mutate_code(source.encode(), operator(), occurrence)) is not None:
                occurrence += 1
                text = changed.decode() if isinstance(changed, bytes) else changed
                mutant = _changed(module, name.removeprefix("core/"), source, text)
                if mutant is not None and _worth(mutant):
                    found.append(mutant)
        found += _calls_left_out(module, source)
    unique = {mutant.name: mutant for mutant in found}
    return sorted(unique.values(), key=lambda mutant: (mutant.module, mutant.line, mutant.operator, mutant.after))


def swap_in(mutant: Mutant) -> None:
    """Give the module's functions the mutant's code, wherever they were imported to, and its constants their values."""
    module = importlib.import_module(f"sim.shell.{mutant.module}")
    changed: dict[str, Any] = {"__name__": module.__name__}
    exec(compile(mutant.source, f"{module.__file__}", "exec", dont_inherit=True), changed)
    for name, value in list(vars(module).items()):
        other = changed.get(name)
        if hasattr(value, "__code__") and value.__module__ == module.__name__:
            value.__code__, value.__defaults__ = other.__code__, other.__defaults__  # type: ignore[union-attr]
        elif not name.startswith("__") and (name.startswith("_") or name.isupper()):
            setattr(module, name, other)


def survives(mutant: Mutant, number: int) -> str:
    """`survived`, `killed`, or `killed: time` for a mutant under the tests."""
    base = Path("/dev/shm" if os.access("/dev/shm", os.W_OK) else "/tmp") / f"mutant-{os.getpid()}-{number}"
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.setsid()
            quiet = os.open(os.devnull, os.O_WRONLY)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            os.chdir(ROOT)
            swap_in(mutant)
            import pytest

            options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", f"--basetemp={base}", "-m", "not slow", "-k", LEFT_OUT]
            code = int(pytest.main([*options, *(f"tests/{name}" for name in TESTS)]))
        except BaseException:
            code = 1
        finally:
            os._exit(code)
    end = time.monotonic() + TIME_LIMIT_S
    status = None
    while status is None and time.monotonic() < end:
        pid, code = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(code) if pid else None
        time.sleep(0.02)
    if status is None:
        os.killpg(child, signal.SIGKILL)
        os.waitpid(child, 0)
    shutil.rmtree(base, ignore_errors=True)
    return "killed: time" if status is None else "survived" if status == 0 else "killed"


def warm() -> None:
    """Import and compile what every child would."""
    sys.path[:0] = [str(ROOT), str(ROOT / "tests/shell")]
    import tempfile

    import miniworld

    with tempfile.TemporaryDirectory() as folder:
        miniworld.write_world(Path(folder))
        miniworld.build(Path(folder))


def run(chosen: list[Mutant], workers: int = 2) -> Iterator[tuple[Mutant, str]]:
    """Each mutant with what became of it; a forking thread does nothing but fork and wait."""
    warm()
    with ThreadPoolExecutor(workers) as pool:
        yield from zip(chosen, pool.map(survives, chosen, range(len(chosen))), strict=True)


if __name__ == "__main__":
    chosen = [mutant for mutant in mutants() if not sys.argv[1:] or mutant.name in sys.argv[1:]]
    started = time.monotonic()
    for mutant, fate in run(chosen):
        print(f"{fate}\t{mutant.name}\t{mutant.line}\t{mutant.operator}\t{mutant.before.strip()}\t{mutant.after.strip()}", flush=True)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
