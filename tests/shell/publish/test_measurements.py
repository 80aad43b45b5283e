"""Figures that gate nothing: they are sealed with a segment, stand beside its checks,
and are none of them.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import miniworld
import numpy as np
import pytest

import sim.world as cw
from sim.ground.errors import GateError
from sim.ground.identity import pretty_json
from sim.shell.publish.bundle import Bundle, encode_flag
from sim.shell.publish.gate import open_bundle
from sim.shell.runs.opened import index_problems, open_segment
from sim.state.declaration import Measurement


def found(run: Path, segment: str, state: str, name: str) -> Any:
    rows = [
        row for row in open_bundle(run, segment).measurements if (row["state"], row["name"]) == (state, name)
    ]
    assert len(rows) == 1 and set(rows[0]) == {"state", "name", "severity", "found", "unit", "note"}
    return rows[0]["found"]


def test_figures_are_what_the_rows_say(demo_run: Path) -> None:
    world = cw.open(demo_run)
    volume = world["merchant_zone_profile_5A"].to_arrow(["merchant_id", "weekly_volume_expected"])
    whole = np.floor(volume["weekly_volume_expected"].to_numpy()).astype(np.int64)
    merchant = np.unique(volume["merchant_id"].to_numpy(), return_inverse=True)[1]
    of_merchant = np.zeros(merchant.max() + 1, dtype=np.int64)
    np.add.at(of_merchant, merchant, whole)
    of_merchant = np.sort(of_merchant)[::-1]
    shares = {
        f"top {part} %": int(of_merchant[: -(-len(of_merchant) * part // 100)].sum()) / int(whole.sum())
        for part in (1, 5, 10)
    }
    assert found(demo_run, "5A", "5A.S1", "upper shares of weekly volume") == shares
    assert found(demo_run, "5A", "5A.S1", "weekly volume") == int(whole.sum())
    online = world["arrival_events_5B"].to_arrow(["is_virtual"])["is_virtual"].to_numpy(zero_copy_only=False)
    assert (
        found(demo_run, "5B", "5B.S4", "virtual share")
        == found(demo_run, "5B", "5B.S5", "virtual share")
        == online.mean()
    )
    for scenario in world.scenarios:
        groups = world.table("s1_grouping_5B", scenario).to_arrow(["group_id"])["group_id"].to_numpy()
        members = np.sort(np.unique(groups, return_counts=True)[1])
        assert (
            found(demo_run, "5B", "5B.S1", f"median group members {scenario}")
            == members[(len(members) - 1) // 2]
        )
        assert found(demo_run, "5B", "5B.S1", f"mean group members {scenario}") == len(groups) / len(members)
        assert found(demo_run, "5B", "5B.S1", f"groups of several members {scenario}") == (
            members > 1
        ).sum() / len(members)
    cells, stored = world["s2_realised_intensity_5B"].rows, world["s3_bucket_counts_5B"].rows
    assert found(demo_run, "5B", "5B.S3", "empty buckets") == (cells - stored) / cells
    dispersion = found(demo_run, "5B", "5B.S3", "index of dispersion")
    assert dispersion["found"] > 1.0 and dispersion["law"] > 1.0


def test_no_flag_counts_a_figure_and_no_name_is_both(demo_run: Path) -> None:
    measured = 0
    for code in cw.open(demo_run).segments:
        bundle = open_bundle(demo_run, code)
        flag = json.loads((demo_run / "gates" / code / "_passed.flag").read_text())
        assert flag["checks"]["number"] == len(bundle.checks)
        names = {(row["state"], row["name"]) for row in bundle.measurements}
        assert names.isdisjoint((row["state"], row["name"]) for row in bundle.checks if "dataset" not in row)
        assert len(names) == len(bundle.measurements) and {
            row["severity"] for row in bundle.measurements
        } <= {"INFO"}
        measured += len(names)
    assert measured > 20


@pytest.fixture
def measured(root: Path) -> Path:
    """The mini world with one figure of its first state."""
    items, doubles = miniworld.segments()
    program = replace(
        items.programs[0], measure=lambda ctx, totals: [Measurement("rows", miniworld.Counts(totals).rows)]
    )
    return miniworld.build(root, programs=(replace(items, programs=(program,)), doubles)).run_dir


FORGED = {
    "another figure": {"found": 7},
    "none": None,
    "one that gates": {"severity": "ERROR"},
}


@pytest.mark.parametrize("how", FORGED)
def test_a_forged_figure_does_not_hold(measured: Path, how: str) -> None:
    folder, change = measured / "gates/1A", FORGED[how]
    assert open_bundle(measured, "1A").measurements[0]["found"] == miniworld_rows(measured)
    index = json.loads((folder / "index.json").read_bytes())
    index["measurements"] = [] if change is None else [{**index["measurements"][0], **change}]
    for path, data in (
        (folder / "index.json", pretty_json(index)),
        (folder / "_passed.flag", encode_flag("1A", pretty_json(index))),
    ):
        path.chmod(0o644)
        path.write_bytes(data)
    if how == "one that gates":
        with pytest.raises(GateError, match="PUBLISHED_FILE_INVALID") as error:
            open_segment(measured, "1A", ["1A", "1B"])
        assert error.value.found == "measurements that are not figures of severity INFO"
        return
    bundle: Bundle = open_segment(measured, "1A", ["1A", "1B"])
    assert "as its states' manifests make" in index_problems(measured, bundle)[0]


def miniworld_rows(run: Path) -> int:
    return sum(item.rows for item in open_bundle(run, "1A").datasets)
