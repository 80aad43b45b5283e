"""What a contract may leave out, because it follows from the rest of the contract.

An entry of a dictionary states what nothing else knows: id, meaning, keys, references, invariants, producer.
Its path follows from its id; schema, partitioning and sort order follow unless the entry states them. Entries
of registries are short for the same reason. `contracts/columns.yaml` describes once the columns that mean the
same in many tables, and tables use them by name.

`load.py` fills in what entries leave out. `lint_defaults.py` refuses an entry that states what follows,
so that no fact is written twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from sim.ground.contract_types import PARTITION_KEYS, nearest
from sim.ground.errors import ContractError

SHELL = "SHELL"
"""Producer of run reports, which no state writes and nothing seals, and of logs."""
EVENTS = "RNG"
"""Segment, in the contracts, of logs and of random events."""
REPORTS = "RUNS"
"""Segment, in the contracts, of run reports: one a layer, all of one table."""
COLUMNS = "columns.yaml"
USE = "use"

_KIND_BY_NAME = {"vocabularies.yaml": "vocabularies", COLUMNS: "columns"}
RNG = "rng"
"""Folder of streams, and of the tables of what is drawn from them."""
_KIND_BY_FOLDER = {"kernels": "kernel", RNG: "streams", "meta": "meta"}
_KINDS_OF_SEGMENTS = ("schemas", "dictionary", "registry")


def kind_of(relative: str) -> str | None:
    """What a file under contracts/ holds; `schemas_network.yaml` is one more file of schemas.

    None if it has no place there.
    """
    if relative in _KIND_BY_NAME:
        return _KIND_BY_NAME[relative]
    parts = PurePosixPath(relative).with_suffix("").parts
    stem = parts[-1].partition("_")[0]
    own = stem if stem in _KINDS_OF_SEGMENTS else None
    if len(parts) == 2 and parts[0] in _KIND_BY_FOLDER and not (parts[0] == RNG and own):
        return _KIND_BY_FOLDER[parts[0]]
    return own


def folder_of(relative: str) -> str:
    """The folder of a file under contracts/: `layer1/1A`."""
    return str(PurePosixPath(relative).parent)


def pack_path(id: str, segment: str, layer: int) -> str:
    """Where a config pack lies below the config root: `layer2/5B/arrival_count_config.yaml`."""
    return f"layer{layer}/{segment}/{id.removesuffix('_' + segment)}.yaml"


def dataset_path(id: str, segment: str, layer: int, produced_by: str) -> str:
    """Where a dataset lies below a run.

    The segment is in the path already, so its suffix is left off the last part.
    """
    if segment == REPORTS:
        return f"reports/layer{layer}/{id.removesuffix(f'_{layer}')}"
    if segment == EVENTS and produced_by == SHELL:
        return "gates"  # made from the indexes of all segments when a reader opens it: no file
    folder = produced_by.partition(".")[0] if segment == EVENTS else segment
    return f"data/layer{layer}/{folder}/{id.removesuffix('_' + segment)}"


def dataset_defaults(entry: Mapping[str, Any], schema: str) -> dict[str, Any]:
    """What follows for each key an entry of a dictionary may leave out, whether it does or not.

    Args:
        entry: The entry, by its meta-schema.
        schema: The table of its own name.
    """
    shell = entry["produced_by"] == SHELL
    defaults: dict[str, Any] = {"schema": schema, "partitioning": [] if shell else list(PARTITION_KEYS[:2])}
    return {**defaults, "sort_order": entry["primary_key"]}


def artefact_defaults(entry: Mapping[str, Any], segment: str, layer: int, schema: str) -> dict[str, Any]:
    """What follows for each key an entry of a registry may leave out.

    `schema` is the document of its own name.
    """
    return {"schema": schema, "path": pack_path(entry["id"], segment, layer)}


def full_column(
    entry: Mapping[str, Any], shared: Mapping[str, Mapping[str, Any]], where: str
) -> dict[str, Any]:
    """A column of a table, with the entry of columns.yaml that it uses filled in.

    `{use: NAME}` takes the column of that name from columns.yaml; every other key of the entry overrides it.

    Raises:
        ContractError: `SHELL.CONTRACT_INVALID`: there is no column of that name.
    """
    if USE not in entry:
        return dict(entry)
    name = str(entry[USE])
    if name not in shared:
        expected = f"a column of contracts/{COLUMNS}"
        raise ContractError(
            "SHELL.CONTRACT_INVALID",
            "There is no such column to use.",
            name,
            expected,
            where,
            nearest(name, shared),
        )
    return {"name": name, **shared[name], **{key: value for key, value in entry.items() if key != USE}}
