"""Which counters a state declares, adds to and reads, found in the text of the model: nothing is run.

A counter is added to where a class of counters is named with it (`Counts.rows`) in a function that `compute`
may reach. It is read where an instance is (`seen = Counts(totals)`, or a parameter annotated so; then
`seen.rows`) in a function that `finish`, `checks` or `measure` may reach.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("sim/segments", "sim/recipes")
READERS = ("finish", "checks", "measure")


class Field(NamedTuple):
    """One counter: module and class that declare it, and its name."""

    module: str
    owner: str
    name: str


class Thing(NamedTuple):
    """A function, class or constant: its module and its name there."""

    module: str
    name: str


def sources() -> dict[str, str]:
    """The model's text by module."""
    files = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): path.read_text() for path in files}


class Text:
    """The model as syntax trees.

    Args:
        texts: Module -> source.
    """

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.trees = {name: ast.parse(text) for name, text in texts.items()}
        self._defined: dict[Thing, ast.AST] = {}
        self._imported: dict[Thing, Thing] = {}
        for module, tree in self.trees.items():
            for node in tree.body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef):
                    self._defined[Thing(module, node.name)] = node
                elif isinstance(node, ast.Assign):
                    self._defined |= {
                        Thing(module, target.id): node
                        for target in node.targets
                        if isinstance(target, ast.Name)
                    }
                elif isinstance(node, ast.ImportFrom) and node.module:
                    self._imported |= {
                        Thing(module, a.asname or a.name): Thing(node.module, a.name) for a in node.names
                    }

    @cached_property
    def counters(self) -> dict[Thing, frozenset[Field]]:
        """Every class of counters with what it declares."""
        classes = {thing: node for thing, node in self._defined.items() if isinstance(node, ast.ClassDef)}
        return {
            thing: frozenset(Field(*thing, target) for target in _assigned(node))
            for thing, node in classes.items()
            if any(isinstance(base, ast.Name) and base.id == "Counters" for base in node.bases)
        }

    @cached_property
    def states(self) -> dict[str, frozenset[Thing]]:
        """State modules, with the classes each lists in `counts`."""
        result = {}
        for module in self.trees:
            node = self._defined.get(Thing(module, "STATE"))
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                listed = [item.value for item in node.value.keywords if item.arg == "counts"]
                names = [name for value in listed for name in ast.walk(value) if isinstance(name, ast.Name)]
                result[module] = frozenset(
                    thing for name in names if (thing := self.meant(module, name)) is not None
                )
        return result

    def meant(self, module: str, node: ast.AST) -> Thing | None:
        """What a name, or a name in an imported module, stands for in the model; None for anything else."""
        if isinstance(node, ast.Name):
            thing: Thing | None = Thing(module, node.id)
            while thing is not None and thing not in self._defined:
                thing = self._imported.get(thing)
            return thing
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            home = self._imported.get(Thing(module, node.value.id))
            if home is not None and (inside := f"{home.module}.{home.name}") in self.trees:
                return self.meant(inside, ast.Name(node.attr))
        return None

    def reached(self, module: str, roots: tuple[str, ...]) -> Iterator[tuple[str, ast.AST]]:
        """Functions, classes and constants that functions of a module may use, these included."""
        todo = [Thing(module, name) for name in roots]
        seen: set[Thing] = set()
        while todo:
            thing = todo.pop()
            node = self._defined.get(thing)
            if node is None or thing in seen or thing in self.counters:
                continue
            seen.add(thing)
            yield thing.module, node
            todo += [
                found for part in ast.walk(node) if (found := self.meant(thing.module, part)) is not None
            ]

    def added(self, module: str) -> frozenset[Field]:
        """Counters that a state's `compute` may add to."""
        found = set()
        for home, node in self.reached(module, ("compute",)):
            for part in ast.walk(node):
                if (
                    isinstance(part, ast.Attribute)
                    and (owner := self.meant(home, part.value)) in self.counters
                ):
                    assert owner is not None
                    found.add(Field(*owner, part.attr))
        return frozenset(found)

    def read(self, module: str) -> frozenset[Field]:
        """Counters whose totals a state's other functions may read."""
        found = set()
        for home, node in self.reached(module, READERS):
            instances = dict(self._instances(home, node))
            for part in ast.walk(node):
                if isinstance(part, ast.Attribute):
                    owner = (
                        instances.get(part.value.id)
                        if isinstance(part.value, ast.Name)
                        else self._made(home, part.value)
                    )
                    if owner is not None:
                        found.add(Field(*owner, part.attr))
        return frozenset(found)

    def _instances(self, module: str, node: ast.AST) -> Iterator[tuple[str, Thing]]:
        """Names of a function that hold totals."""
        for part in ast.walk(node):
            if (
                isinstance(part, ast.arg)
                and part.annotation is not None
                and (owner := self.meant(module, part.annotation)) in self.counters
            ):
                assert owner is not None
                yield part.arg, owner
            elif isinstance(part, ast.Assign):
                for target in part.targets:
                    pairs = [(target, part.value)]
                    if isinstance(target, ast.Tuple) and isinstance(part.value, ast.Tuple):
                        pairs = list(zip(target.elts, part.value.elts, strict=True))
                    for name, value in pairs:
                        if isinstance(name, ast.Name) and (owner := self._made(module, value)) is not None:
                            yield name.id, owner

    def _made(self, module: str, node: ast.AST) -> Thing | None:
        """The class of counters of which an expression makes an instance."""
        owner = self.meant(module, node.func) if isinstance(node, ast.Call) else None
        return owner if owner in self.counters else None

    def faults(self) -> list[str]:
        """Every disagreement between what is declared, added to and read, a line each."""
        result = []
        listed = frozenset().union(*self.states.values())
        result += [
            f"{thing.module}: no state lists {thing.name} in counts"
            for thing in sorted(self.counters)
            if thing not in listed
        ]
        for module, classes in sorted(self.states.items()):
            declared = frozenset().union(*(self.counters.get(thing, frozenset()) for thing in classes))
            added, read = self.added(module), self.read(module)
            for what, fields in (
                ("is declared and never counted", declared - added),
                ("is declared and never read", declared - read),
                ("is counted and not declared", added - declared),
                ("is read and not declared", read - declared),
            ):
                result += [f"{module}: {field.owner}.{field.name} {what}" for field in sorted(fields)]
        return result


def _assigned(node: ast.ClassDef) -> Iterator[str]:
    for item in node.body:
        if isinstance(item, ast.Assign):
            yield from (target.id for target in item.targets if isinstance(target, ast.Name))
