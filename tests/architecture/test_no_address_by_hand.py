"""No model forms an address by hand: words come from `sim/recipes/words.py`,
counter words from `ctx.address`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HELPER = ROOT / "sim/recipes/words.py"
FILES = sorted(
    path for room in ("segments", "recipes", "model") for path in (ROOT / "sim" / room).rglob("*.py")
)


def wrong(tree: ast.AST) -> Iterator[str]:
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        name = (
            call.func.attr
            if isinstance(call.func, ast.Attribute)
            else call.func.id
            if isinstance(call.func, ast.Name)
            else ""
        )
        if name in ("philox_block", "Address"):
            yield f"line {call.lineno}: {name}(...)"
        for given in call.keywords:
            if given.arg in ("c0", "c1") and not (
                isinstance(given.value, ast.Attribute) and given.value.attr == given.arg
            ):
                yield f"line {call.lineno}: {given.arg}={ast.unparse(given.value)}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_addresses_come_from_the_contract(path: Path) -> None:
    found = list(wrong(ast.parse(path.read_text())))
    assert found == [] or (path == HELPER and len(found) == 2), found


def test_the_rule_bites() -> None:
    for text in (
        "ctx.kernels.philox_block(key=1)",
        "ctx.kernels.draw_counts(c0=rank << 8, c1=at.c1)",
        "Address('1A.x', a, b)",
        "f(c1=at.c0)",
    ):
        assert list(wrong(ast.parse(text))), text
    assert not list(wrong(ast.parse("ctx.kernels.role_race(c0=at.c0, c1=at.c1)")))
