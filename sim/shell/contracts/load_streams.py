"""Streams and the fields of their addresses, compiled from `contracts/rng/*.yaml`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from sim.ground.errors import ContractError
from sim.rng import AddressError, Field, Stream, Streams
from sim.shell.contracts.strict_yaml import JsonPath, Located


def compile_streams(
    files: Sequence[Located], once: Callable[[str, str, str], bool]
) -> tuple[Streams, list[ContractError]]:
    """Compile all streams; refuse every expression that is not of the grammar or does not fit.

    `sim/rng/grammar.py` is the grammar.

    Args:
        files: Files that follow their meta-schema.
        once: Whether a (kind, id, place) is new.
    """
    fields: dict[str, Field] = {}
    streams: dict[str, Stream] = {}
    problems: list[ContractError] = []

    def add(into: dict[str, Any], id: str, make: Callable[[], Any], file: Located, path: JsonPath) -> None:
        try:
            into[id] = make()
        except AddressError as error:
            where = file.where((*path, error.key))
            problems.append(
                ContractError(
                    "SHELL.CONTRACT_INVALID", error.what, error.found, error.expected, where, error.do
                )
            )

    for file in files:
        for name, entry in file.value.get("fields", {}).items():
            if once("field", name, file.where(("fields", name))):
                add(fields, name, partial(Field.parse, name, entry, fields), file, ("fields", name))
    if problems:  # every address that names a broken field would miss it
        return Streams(streams, fields), problems
    for file in files:
        for number, entry in enumerate(file.value["streams"]):
            if once("stream", entry["id"], file.where(("streams", number))):
                add(streams, entry["id"], partial(Stream.parse, entry, fields), file, ("streams", number))
    permuted = frozenset(entry["id"] for file in files for entry in file.value.get("permutations", ()))
    return Streams(streams, fields, permuted), problems
