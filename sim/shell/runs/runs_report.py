"""Run reports: one row a state and invocation, as the contracted dataset `segment_state_runs_<layer>`.

They hold wall times and memory, so they are outside every digest. Each invocation adds one new file a layer,
published as every document is - read back before it gets its name; nothing is rewritten.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sim.ground.errors import ValidationError, storage_errors
from sim.shell.publish.publish import publish_document
from sim.shell.request.request import Prepared
from sim.shell.tables.frame_checks import check_frame
from sim.shell.tables.parquet import encode_parquet
from sim.state.frames import Frame


@dataclass(frozen=True)
class StateRow:
    """What one state did in one invocation.

    Attributes:
        layer: 1, 2 or 3.
        segment: Segment code.
        state: State id; `<SEG>.BUNDLE` for the gate.
        status: PASS, FAIL or PROVEN (published by an earlier invocation).
        error_code: Code of the failure, empty otherwise.
        rows: Rows published (sealed inputs for S0, checks for the bundle).
        partitions_resumed: Partitions taken over from an interrupted attempt.
        wall_ms: Wall time in milliseconds.
        peak_rss_bytes: Highest resident memory of the process so far.
    """

    layer: int
    segment: str
    state: str
    status: str
    error_code: str
    rows: int
    partitions_resumed: int
    wall_ms: int
    peak_rss_bytes: int


def write_state_runs(run_dir: Path, prepared: Prepared, rows: Sequence[StateRow]) -> None:
    """Write the rows of one invocation, one file a layer that did something.

    Raises:
        ValidationError: If a row breaks the dataset's contract (a bug in the shell).
        StorageError: On I/O failure, or if a report reads back differently.
    """
    ended = time.time_ns() // 1000
    for layer in sorted({row.layer for row in rows}):
        mine = [row for row in rows if row.layer == layer]
        dataset = prepared.contracts.dataset(f"segment_state_runs_{layer}")
        frame = Frame(
            {
                "ended_utc": np.full(len(mine), ended, dtype=np.int64),
                "step": np.arange(len(mine), dtype=np.uint32),
                "segment": np.array([row.segment for row in mine], dtype=object),
                "state": np.array([row.state for row in mine], dtype=object),
                "status": np.array(
                    [prepared.vocabularies["state_status"].index(row.status) for row in mine], dtype=np.int16
                ),
                "error_code": np.array([row.error_code for row in mine], dtype=object),
                "rows": np.array([row.rows for row in mine], dtype=np.uint64),
                "partitions_resumed": np.array([row.partitions_resumed for row in mine], dtype=np.uint32),
                "wall_ms": np.array([row.wall_ms for row in mine], dtype=np.uint64),
                "peak_rss_bytes": np.array([row.peak_rss_bytes for row in mine], dtype=np.uint64),
            }
        )
        broken = [check for check in check_frame(frame, dataset, prepared.vocabularies) if not check.passed]
        if broken:
            found = f"{broken[0].name}: {broken[0].found}"
            raise ValidationError(
                "SHELL.RUN_REPORT_INVALID", "the run report breaks its contract", found=found
            )
        data = encode_parquet(
            frame, dataset, prepared.vocabularies, {"run_id": prepared.run_id, "dataset": dataset.id}
        )
        folder = run_dir / dataset.path
        with storage_errors(folder, "writing the run report"):
            number = len(list(folder.glob("part-*.parquet")))
            while os.path.lexists(folder / f"part-{number:05d}.parquet"):  # somebody removed another one
                number += 1
        # The run lock is held: nobody takes the number meanwhile.
        target = folder / f"part-{number:05d}.parquet"
        publish_document(run_dir / "staging", target, data.to_pybytes(), "A run report is written once.")
