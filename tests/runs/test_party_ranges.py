"""Ranges of parties cut files and nothing else: a world in many ranges has the same payments, row by row."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq

import sim.world as cw
from tests.runs.worlds import build

ROWS_A_RANGE = 4000
BASE = "baseline_v1"
PAYMENTS = ("flows_6B", "sessions_6B", "flow_origin_6B")


def test_many_ranges_hold_the_same_payments(demo_run: Path, tmp_path: Path) -> None:
    run = build("tiny", tmp_path, "--set", f"payer_law_6B.rows_a_range={ROWS_A_RANGE}")
    whole, cut = cw.open(demo_run), cw.open(run)
    assert len(whole.table("flows_6B", BASE).files) == 1
    assert len(cut.table("flows_6B", BASE).files) > 5
    for name in PAYMENTS:
        one, many = (world.table(name, BASE).to_arrow() for world in (whole, cut))
        assert one.equals(many.cast(one.schema)), name
    # A party's payments lie in one file.
    owners: list[set[int]] = []
    for item in cut.table("flows_6B", BASE).published:
        for part in item.files:
            rows = pq.read_table(cut.path / item.path / part.name, columns=["party_id"])
            owners.append(set(pc.unique(rows["party_id"]).to_pylist()))
    assert sum(map(len, owners)) == len(set().union(*owners))
