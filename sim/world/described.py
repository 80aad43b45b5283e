"""What a world's sealed documents say: its identity, its datasets, its checks, its contracts.

This module reads no row.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from sim.shell.publish.bundle import Bundle
from sim.shell.runs.opened import LEDGER_FIELDS, OpenRun
from sim.state.records import Published
from sim.world.gates import gates
from sim.world.view_columns import LINEAGE, added

if TYPE_CHECKING:
    from sim.ground.contract_types import Contracts
    from sim.shell.tables.reference import Reference


class Described:
    """The part of a `World` that its documents describe; opening the world proved all of them.

    Attributes:
        _run: The opened run.
        _roots: Contracts directory and config directory.
    """

    _run: OpenRun
    _roots: tuple[Path, Path]

    def __contains__(self, dataset: object) -> bool:
        return dataset in self._items

    def __len__(self) -> int:
        """Number of datasets."""
        return len(self._items)

    def __bool__(self) -> bool:
        """True: a world that has published nothing yet is one all the same."""
        return True

    def _ipython_key_completions_(self) -> list[str]:
        """What Jupyter and IPython offer inside `world["`."""
        return list(self._items)

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    @property
    def path(self) -> Path:
        """Run directory; for a run in an object store, a copy of its documents."""
        return self._run.path

    @property
    def location(self) -> str:
        """Where the run lies: its directory or its URL."""
        return str(self.path)

    @property
    def run_id(self) -> str:
        """Name of the world: fingerprint, seed and scenarios in 32 hex digits."""
        return str(self._run.receipt["run_id"])

    @property
    def seed(self) -> int:
        """The world's seed."""
        return int(self._run.receipt["seed"])

    @property
    def scenarios(self) -> tuple[str, ...]:
        """Scenario ids."""
        return tuple(self._run.receipt["scenarios"])

    @property
    def receipt(self) -> Mapping[str, Any]:
        """Content of `run_receipt.json`: identity, resolved parameters, provenance."""
        return self._run.receipt

    @property
    def lineage(self) -> Mapping[str, str]:
        """What views say of every row: the run and its parameters."""
        return {name: str(self.receipt[name]) for name in LINEAGE}

    @property
    def segments(self) -> Mapping[str, Bundle]:
        """Segments that passed, with their bundles."""
        return self._run.bundles

    @property
    def tables(self) -> tuple[str, ...]:
        """Dataset ids in build order."""
        return tuple(self._items)

    def catalogue(self) -> list[dict[str, Any]]:
        """Every dataset the contracts declare, and what this run publishes of each.

        An entry is that of `closedworld contracts catalogue --json`, with `published`, `rows`, `files`,
        `bytes`, `scenarios`, and `view_columns`: the columns that views and `to_arrow` add.

        Raises:
            ContractError: If the contracts at hand are not those the run was built with.
        """
        from sim.model import MODEL
        from sim.shell.runs.catalogue import catalogue

        entries = catalogue(self.contracts, MODEL.readers)
        for entry in entries:
            items = self._items.get(entry["id"], [])
            entry |= {
                "published": bool(items),
                "rows": sum(item.rows for item in items),
                "files": sum(len(item.files) for item in items),
                "bytes": sum(item.bytes for item in items),
                "scenarios": [item.scenario for item in items if item.scenario is not None],
                "view_columns": added([column["name"] for column in entry["columns"]]) if items else [],
            }
        return entries

    def ledger(self) -> pa.Table:
        """Random numbers drawn: one row a state, stream and scenario (uint64 figures, key in hex)."""
        rows = self._document("ledger")
        types = [
            (name, pa.uint64() if name in ("entities", "draws", "blocks") else pa.string())
            for name in LEDGER_FIELDS
        ]
        return pa.table({name: pa.array([row[name] for row in rows], kind) for name, kind in types})

    def checks(self) -> list[dict[str, Any]]:
        """Every check that ran, with its figures.

        Contract checks name their dataset, model checks their expectation.
        """
        return self._document("checks")

    @cached_property
    def contracts(self) -> Contracts:
        """The contracts the run was built with.

        Raises:
            ContractError: If those at hand are others.
        """
        from sim.shell.contracts.load import load_contracts
        from sim.shell.runs.built_with import require_same_contracts

        contracts = load_contracts(self._roots[0])
        require_same_contracts(self.path, gates(), contracts, self.reference.digests())
        return contracts

    @cached_property
    def reference(self) -> Reference:
        """The reference snapshot at hand; `contracts` proves that it is the run's."""
        from sim.shell.tables.reference import Reference

        return Reference(self._roots[1] / "reference")

    @cached_property
    def vocabularies(self) -> dict[str, tuple[str, ...]]:
        """Every closed list by name, in code order."""
        from sim.shell.runs.verify import sealed_vocabularies

        return sealed_vocabularies(self.contracts, self.reference)

    def keys_of(self, item: Published) -> dict[str, str | int]:
        """The partition keys of a published directory, from receipt and manifest.

        Its path says the same, or the run was refused.
        """
        scenario = {} if item.scenario is None else {"scenario_id": item.scenario}
        return {
            "manifest_fingerprint": str(self.receipt["manifest_fingerprint"]),
            **scenario,
            "seed": self.seed,
        }

    def _document(self, name: str) -> list[dict[str, Any]]:
        return [dict(row) for bundle in self._run.bundles.values() for row in bundle.document[name]]

    @cached_property
    def _items(self) -> dict[str, list[Published]]:
        grouped: dict[str, list[Published]] = {}
        for item in self._run.published:
            grouped.setdefault(item.dataset, []).append(item)
        return grouped
