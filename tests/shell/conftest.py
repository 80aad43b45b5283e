from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

import miniworld

from sim.ground.contract_types import Column, Dataset, TableContract


@pytest.fixture(scope="session")
def mini_sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("mini")
    miniworld.write_world(root)
    return root


@pytest.fixture
def root(mini_sources: Path, tmp_path: Path) -> Path:
    """Contracts and config of the mini world in a fresh directory (hard work shared
    through the parse cache).
    """
    shutil.copytree(mini_sources, tmp_path / "w", copy_function=shutil.copy2)
    return tmp_path / "w"


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
