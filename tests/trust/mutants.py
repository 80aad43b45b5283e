"""Mutants of publish.py and gate.py: cosmic-ray's operators make them,
and for every statement that is a call one of our own.

The call left out is a mutant that cosmic-ray has no operator for. `mutant_runs.py` runs the tests on them.
"""

from __future__ import annotations

import ast
import hashlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("publish", "gate")


@dataclass(frozen=True)
class Mutant:
    """One changed source; `name` stays the same while the text around the change does.

    Attributes:
        twin: Of mutants that change equal lines in the same way, which this is: 1 is the first.
    """

    module: str
    operator: str
    line: int
    before: str
    after: str
    source: str
    twin: int = 1

    @property
    def name(self) -> str:
        text = f"{self.operator}\0{self.before.strip()}\0{self.after.strip()}"
        return f"{self.module}:{hashlib.sha256(text.encode()).hexdigest()[:10]}" + (
            f".{self.twin}" if self.twin > 1 else ""
        )


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


def _worth(operator: str) -> bool:
    """Of the dozen replacements of a binary operator two: `/` joins paths and `+` lists here,
    and every other one just raises.

    Operators on variables need names to be given, and no name here is a free variable of a model.
    """
    name, _, to = operator.rpartition("_")
    return "/Variable" not in operator and ("ReplaceBinaryOperator" not in name or to in ("BitAnd", "Sub"))


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

    found: list[Mutant] = []
    for module in MODULES:
        source = (ROOT / f"sim/shell/publish/{module}.py").read_text()
        for name in filter(_worth, sorted(operator_names())):
            occurrence = 0
            operator = get_operator(name)
            while (changed := mutate_code(source.encode(), operator(), occurrence)) is not None:
                occurrence += 1
                text = changed.decode() if isinstance(changed, bytes) else changed
                if mutant := _changed(module, name.removeprefix("core/"), source, text):
                    found.append(mutant)
        found += _calls_left_out(module, source)
    unique = {mutant.source: mutant for mutant in reversed(found)}.values()
    ordered = sorted(unique, key=lambda mutant: (mutant.module, mutant.line, mutant.operator, mutant.after))
    seen: Counter[str] = Counter()
    for number, mutant in enumerate(ordered):
        seen[mutant.name] += 1
        ordered[number] = replace(mutant, twin=seen[mutant.name])
    return ordered
