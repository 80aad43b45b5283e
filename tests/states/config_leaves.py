"""Every value of a config pack must be used: another value that the schema allows changes what is made, what
is checked, or is refused.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
from memory_world import contracts

from sim.backends.binder import KernelFailure
from sim.ground.errors import SimError
from sim.shell.contracts.schema_check import document_problems
from sim.shell.contracts.strict_yaml import Located
from sim.state.declaration import Check
from sim.state.frames import Frame

Path = tuple[str | int, ...]
WHOLES = (1000, 10_000)
"""What the parts of a mix sum to."""


def leaves(value: Any, path: Path = ()) -> Iterator[Path]:
    """Where the scalars of a document are."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for place, inner in enumerate(value):
            yield from leaves(inner, (*path, place))
    else:
        yield path


def at(document: Any, path: Path) -> Any:
    for key in path:
        document = document[key]
    return document


def with_leaf(document: Any, path: Path, value: Any) -> Any:
    """A copy with one value replaced."""
    made = copy.deepcopy(document)
    at(made, path[:-1])[path[-1]] = value
    return made


def others(pack: str, document: Any, path: Path) -> Iterator[Any]:
    """Documents the schema allows that differ in one value, the boldest first; in mixes,
    whose parts have a sum, in two.
    """
    old, parent = at(document, path), at(document, path[:-1])
    keys = list(parent) if isinstance(parent, dict) else list(range(len(parent)))
    parts = [parent[key] for key in keys]
    if len(parts) > 1 and all(type(part) is int for part in parts) and sum(parts) in WHOLES:
        changes = _moved(document, path, [(*path[:-1], key) for key in keys if key != path[-1]])
    else:
        changes = (with_leaf(document, path, value) for value in _candidates(pack, old) if value != old)
    schema = contracts().artefacts[pack].schema
    yield from (
        made
        for made in changes
        if not list(document_problems(contracts().documents, schema, Located(made, pack, {})))
    )


def _moved(document: Any, path: Path, targets: list[Path]) -> Iterator[Any]:
    """A mix with half of one part moved to or from another."""
    for target in targets:
        for giver, taker in ((path, target), (target, path)):
            amount = (at(document, giver) + 1) // 2
            if amount:
                yield with_leaf(
                    with_leaf(document, giver, at(document, giver) - amount),
                    taker,
                    at(document, taker) + amount,
                )


def _candidates(pack: str, old: Any) -> list[Any]:
    if isinstance(old, bool):
        return [not old]
    if isinstance(old, int):
        return [
            old + 90_000,
            old * 10 + 1000,
            old + 4000,
            old - 4000,
            old * 3 + 10,
            old * 2 + 1,
            old + 1,
            0,
            1,
            old // 2,
            old - 1,
        ]
    if isinstance(old, float):
        return [old * 10 + 1, old * 3, old * 1.5 + 0.1, 0.99, 0.5, old * 0.5, 0.0, 1.0, old + 0.001]
    return [*sorted(_words(_schema(pack))), "2026-02-02"]


def _schema(pack: str) -> Any:
    name, _, pointer = contracts().artefacts[pack].schema.partition("#/")
    return at(contracts().documents[name], tuple(pointer.split("/")))


def _words(schema: Any) -> set[str]:
    """Words a schema lists anywhere, references followed."""
    found: set[str] = set()
    if isinstance(schema, dict):
        found |= {word for word in schema.get("enum", ()) if isinstance(word, str)}
        for inner in schema.values():
            found |= _words(inner)
    elif isinstance(schema, list):
        for inner in schema:
            found |= _words(inner)
    return found


def fingerprint(frames: Mapping[str, Frame], checks: list[Check]) -> str:
    """Digest of rows, and of all that checks say."""
    digest = hashlib.blake2b()
    for name in sorted(frames):
        frame = frames[name]
        for column in frame.names:
            values = frame[column]
            text = values.dtype.kind == "O"  # strings: an array of them holds addresses in memory
            digest.update(
                "\0".join(values.tolist()).encode() if text else np.ascontiguousarray(values).tobytes()
            )
        for column in sorted(frame.valid):
            digest.update(frame.valid[column].tobytes())
    digest.update(
        repr(
            [(check.name, check.passed, check.found, check.expected, check.note) for check in checks]
        ).encode()
    )
    return digest.hexdigest()


def unused(
    pack: str, document: Any, run: Callable[[Any], str], paths: list[Path] | None = None
) -> list[Path]:
    """Values of a pack nothing depends on.

    Args:
        pack: Id of the pack.
        document: Its content.
        run: Fingerprint of what the states that declare the pack make of a document; raises `SimError` or
            `KernelFailure` to refuse it.
        paths: Only these values.
    """
    before, idle = run(document), []
    for path in leaves(document) if paths is None else paths:
        tried = False
        for other in others(pack, document, path):
            tried = True
            try:
                if run(other) != before:
                    break
            except (SimError, KernelFailure):
                break
        else:
            # A value without an alternative is fixed by the schema: changing it is refused.
            if tried:
                idle.append(path)
    return idle
