"""Fixtures of the contracts tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from contracts_folder import STATES, Facts, Folder

from sim.ground.contract_types import Column, Dataset, TableContract


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


@pytest.fixture
def states() -> tuple[Facts, ...]:
    return STATES


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    """Dataset from columns: `make_dataset(Column(...), primary_key=(...))`."""

    def make(*columns: Column, primary_key: tuple[str, ...] = (), **options: object) -> Dataset:
        key = primary_key or (columns[0].name,)
        table = TableContract("closedworld:test#/tables/t", "A table.", columns, "test:1:1")
        values: dict[str, object] = {
            "id": "t",
            "segment": "1A",
            "layer": 1,
            "description": "A table.",
            "path": "data/layer1/1A/t",
        }
        values |= {
            "partitioning": ("seed", "manifest_fingerprint"),
            "table": table,
            "primary_key": key,
            "sort_order": key,
        }
        return Dataset(**{**values, **options})  # type: ignore[arg-type]

    return make
