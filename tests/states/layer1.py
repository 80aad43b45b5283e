"""Runs of 1A, 1B and 2A through the real shell, for tests of these segments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset as ds

from sim.backends import get_backend
from sim.model import MODEL
from sim.model.inputs.merchants import merchants_input
from sim.segments.civil_time_2a import SEGMENT as SEGMENT_2A
from sim.segments.merchants_1a import SEGMENT as SEGMENT_1A
from sim.segments.sites_1b import SEGMENT as SEGMENT_1B
from sim.shell.events.progress import reporter
from sim.shell.loop.outcome import RunResult
from sim.shell.loop.run import Options, run_world
from sim.shell.request.request import Request, prepare

SEGMENTS = (SEGMENT_1A, SEGMENT_1B, SEGMENT_2A)
MERCHANTS = 400


def build(
    out: Path,
    *,
    seed: int = 42,
    merchants: Path | None = None,
    overrides: dict[str, Any] | None = None,
    until: str = "2A",
    order: int | None = None,
) -> RunResult:
    """A world of layer 1 up to `until`: the demo preset with `MERCHANTS` merchants."""
    changed = {"merchant_universe_1A.merchants": MERCHANTS, **(overrides or {})}
    request = Request(preset="demo", seed=seed, inputs=merchants_input(merchants), overrides=changed)
    options = Options(out=out, workers=2, until=until, order_seed=order)
    return run_world(
        prepare(request, replace(MODEL, load=lambda: SEGMENTS)), get_backend("cpu"), options, reporter(True)
    )


def rows(result: RunResult, dataset: str) -> list[dict[str, Any]]:
    """All rows of a dataset, in order."""
    return table(result, dataset).to_pylist()


def table(result: RunResult, dataset: str) -> pa.Table:
    """A dataset as one Arrow table, files in order."""
    item = next(
        item for bundle in result.bundles.values() for item in bundle.datasets if item.dataset == dataset
    )
    return ds.dataset(
        [str(result.run_dir / item.path / file.name) for file in item.files], format="parquet"
    ).to_table()


def check(result: RunResult, name: str) -> dict[str, Any]:
    """The published outcome of a model check."""
    return next(row for bundle in result.bundles.values() for row in bundle.checks if row["name"] == name)
