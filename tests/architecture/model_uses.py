"""What the model reaches for through `ctx`, by the function that writes the name."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from functools import cached_property
from typing import NamedTuple

from sim.rng import Field, Stream, Streams
from tests.architecture.model_code import UNKNOWN, Model, Module, Scope

RUNNING = ("plan", "compute", "finish", "checks", "measure")
NAMED = {
    "load": "rows",
    "files": "files",
    "publishes": "files",
    "reference": "reference",
    "reference_metadata": "reference",
    "external": "external",
    "stream": "streams",
    "event_unit": "streams",
    "written": "writes",
    "address": "streams",
    "draws_of": "streams",
    "load_groups": "rows",
    "group_rows": "files",
    "published": "sets",
    "natural": "sets",
}
"""Methods of a context whose first argument is a name that must be declared."""
GROUPS = {"params": "config", "kernels": "kernels"}
"""Attributes of a context whose attributes are such names."""


class Use(NamedTuple):
    """One name that a function reaches for.

    Attributes:
        kind: Field of a declaration; `rows` and `files` are both `reads`.
        name: The name.
        module: The module that wrote it.
        function: `id` of the function that wrote it.
    """

    kind: str
    name: str
    module: str
    function: int


class Uses:
    """Uses of all functions of a model.

    Args:
        model: The model.
        streams: The random streams, whose contract says which addresses are hashed; None for none.
    """

    def __init__(self, model: Model, streams: Streams | None = None) -> None:
        self.model, self._streams = model, streams

    @cached_property
    def _of(self) -> dict[int, set[Use]]:
        found: dict[int, set[Use]] = {}
        for scope in self.model.functions():
            for use in self._uses(scope):
                found.setdefault(use.function, set()).add(use)
        return found

    def of_function(self, function: ast.FunctionDef) -> set[Use]:
        """Names that a function writes."""
        return self._of.get(id(function), set())

    def reached(self, module: Module, roots: tuple[str, ...]) -> set[Use]:
        """Names that functions of a module, and all that they call, write."""
        return {
            use for _, function in self.model.reached(module, roots) for use in self.of_function(function)
        }

    def _uses(self, scope: Scope) -> set[Use]:
        module, function = scope
        found: set[Use] = set()
        for node in ast.walk(function):
            if isinstance(node, ast.Attribute) and _is_group(node.value):
                assert isinstance(node.value, ast.Attribute)
                if (node.value.attr, node.attr) != ("params", "place"):
                    found.add(Use(GROUPS[node.value.attr], node.attr, module.name, id(function)))
            elif isinstance(node, ast.Call) and _is_context(node.func):
                assert isinstance(node.func, ast.Attribute)
                if (kind := NAMED.get(node.func.attr)) is not None:
                    first = node.args[0]
                    if isinstance(first, ast.Starred) and isinstance(first.value, ast.Tuple):
                        first = first.value.elts[0]
                    if not (isinstance(first, ast.Attribute) and first.attr == "stream"):
                        found |= self._named(scope, kind, first)  # an address's stream was named with it
            if isinstance(node, ast.Call) and self._hashes(scope, node):
                found.add(Use("kernels", "entity_hash", module.name, id(function)))
        return found

    def _hashes(self, scope: Scope, call: ast.Call) -> bool:
        """Whether a call forms an address, or a field, from what it must hash: `ctx.address`, `ctx.field`,
        or a helper that hands its keywords on to them.
        """
        name = ast.unparse(call.func)
        forms = name in ("ctx.address", "ctx.field")
        if self._streams is None or not (forms or self._hands_on(scope[0], call)):
            return False
        given = {word.arg for word in call.keywords}
        if None in given:
            return False  # the callers say which
        first = call.args[0] if name.startswith("ctx.") else call.args[1]
        texts = {value.text for value in self.model.values(scope, first)}
        fields: Mapping[str, Field] = self._streams.fields
        if name == "ctx.field":
            return any(_hashed(fields[text], fields, set(), top=True) for text in texts)
        streams: list[Stream] = [self._streams[text] for text in texts if text in self._streams]
        return any(_hashed(field, fields, given) for stream in streams for field in stream.fields)

    def _hands_on(self, module: Module, call: ast.Call) -> bool:
        """Whether a call's keywords become those of `ctx.address`."""
        for home, function, _ in self.model.called(module, call):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and _is_spread(node, function):
                    return ast.unparse(node.func) == "ctx.address" or self._hands_on(home, node)
        return False

    def _named(self, scope: Scope, kind: str, name: ast.expr) -> set[Use]:
        values = self.model.values(scope, name)
        return {Use(kind, value.text, value.module, value.function) for value in values}


def _is_spread(call: ast.Call, function: ast.FunctionDef) -> bool:
    """Whether a call hands on the keywords of the function around it."""
    words = function.args.kwarg
    return words is not None and any(
        word.arg is None and ast.unparse(word.value) == words.arg for word in call.keywords
    )


def _hashed(field: Field, fields: Mapping[str, Field], given: set[str | None], top: bool = False) -> bool:
    """Whether a field must be hashed from what is given."""
    if field.of is None or (field.name in given and not top):
        return False
    parts = [fields[word] for word in re.findall(r"[a-z_]+", field.text) if word in fields]
    return "hash(" in field.text or any(_hashed(part, fields, given) for part in parts)


def _is_context(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ctx"


def _is_group(node: ast.expr) -> bool:
    return _is_context(node) and isinstance(node, ast.Attribute) and node.attr in GROUPS


def unfollowed(uses: Uses) -> list[Use]:
    """Names that could not be followed."""
    return [use for found in uses._of.values() for use in found if UNKNOWN in use.name]
