"""A key nobody reads only looks like a knob: every property a config schema declares is named by the code
that may see it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sim.ground.paths import contracts_root
from sim.shell.contracts.load import load_contracts
from sim.shell.contracts.schema_check import resolve

ROOT = Path(__file__).resolve().parents[3]
MODEL = "\n".join(
    path.read_text()
    for room in ("segments", "recipes")
    for path in sorted((ROOT / "sim" / room).rglob("*.py"))
)
ELSEWHERE = {
    "version": "says which shape of file this is; the schema pins it",
    "description": "for people",
    "name": "for people",
    "scenarios": "read by sim/shell/request/request.py",
    "ticket": "the ticket-size law of an MCC; amounts are drawn in 6B",
    "median_minor": "as ticket",
    "sigma": "as ticket",
}
CONTRACTS = load_contracts(contracts_root())


def properties(schema: Any, pack: str) -> Iterator[str]:
    """Names of all declared properties, at any depth; `pack` is the `$id` of the file local references point
    into.
    """
    if isinstance(schema, dict):
        for name, value in schema.get("properties", {}).items():
            yield name
            yield from properties(value, pack)
        if "$ref" in schema:
            reference = schema["$ref"] if not schema["$ref"].startswith("#") else pack + schema["$ref"]
            yield from properties(resolve(CONTRACTS.documents, reference, ""), reference.partition("#")[0])
        for key, value in schema.items():
            if key != "properties":
                yield from properties(value, pack)
    elif isinstance(schema, list):
        for value in schema:
            yield from properties(value, pack)


# 6A is held to more: tests/states/test_6a_*_leaves*.py change every single value and want to see a digest
# or a bound move.
PACKS = sorted(name for name, artefact in CONTRACTS.artefacts.items() if artefact.segment != "6A")


@pytest.mark.parametrize("artefact", PACKS)
def test_every_declared_key_is_read(artefact: str) -> None:
    reference = CONTRACTS.artefacts[artefact].schema
    schema = resolve(CONTRACTS.documents, reference, "")
    words = {value for vocabulary in CONTRACTS.vocabularies.values() for value in vocabulary}
    names = set(properties(schema, reference.partition("#")[0])) - set(ELSEWHERE) - words
    # sim/state/switches.py
    names -= {dataset.published_when.key for dataset in CONTRACTS.datasets.values() if dataset.published_when}
    unread = {
        name
        for name in names
        if not name.isupper() and not re.search(rf"(\.{name}\b|[\"']{name}[\"'])", MODEL)
    }
    assert not unread
