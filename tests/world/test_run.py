"""`sim.world.run`: the same worlds as the command's, from Python."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest

import sim.world as cw
from sim.shell.errors import ContractError, SimError, UsageError
from tests.tiny_world import TINY


def test_a_world_is_built_opened_and_built_once(cli, tmp_path, capsys):
    world = cw.run(preset="demo", seed=7, overrides=TINY, out=tmp_path / "worlds", until="1B", progress=False)
    assert list(world.segments) == ["1A", "1B"]
    assert (world.seed, world.path.parent, world.receipt["preset"]) == (7, tmp_path / "worlds", "demo")
    assert len(world["site_locations"]) > 0
    words = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    planned = json.loads(cli("plan", "--seed", "7", *words, "--out", tmp_path / "worlds", "--json").out)
    assert planned["run_id"] == world.run_id
    assert {state["status"] for state in planned["states"] if state["segment"] in ("1A", "1B")} == {"published"}
    before = {path: path.stat().st_mtime_ns for path in (world.path / "data").rglob("*.parquet")}
    capsys.readouterr()
    again = cw.run("demo", np.uint64(7), TINY, out=str(tmp_path / "worlds"), until="1B")
    assert again.run_id == world.run_id
    assert {path: path.stat().st_mtime_ns for path in (world.path / "data").rglob("*.parquet")} == before
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "complete: sizes checked, bytes not re-read" in captured.err  # progress, on stderr


def test_merchants_and_scenarios_as_the_command_takes_them(cli, tmp_path):
    file = tmp_path / "merchants.csv"
    file.write_text("merchant_id,mcc,channel,country\n1001,5411,card_present,DE\n")
    given = {"merchants": str(file), "scenarios": ["stress_peak_online_v1", "baseline_v1"], "out": tmp_path, "until": "1A"}
    world = cw.run(**given, progress=False, workers=1)
    assert world.scenarios == ("baseline_v1", "stress_peak_online_v1")
    assert 1001 in world["merchant_catalogue_1A"].to_arrow()["merchant_id"].to_pylist()
    words = ["--merchants", file, "--scenario", "baseline_v1", "--scenario", "stress_peak_online_v1"]
    assert json.loads(cli("plan", *words, "--json").out)["run_id"] == world.run_id


@pytest.mark.parametrize(
    ("given", "kind", "code"),
    [
        ({"preset": "demmo"}, UsageError, "SHELL.UNKNOWN_PRESET"),
        ({"seed": -1}, UsageError, "SHELL.SEED_INVALID"),
        ({"seed": 2**64}, UsageError, "SHELL.SEED_INVALID"),
        ({"until": "9Z"}, UsageError, "SHELL.UNKNOWN_SEGMENT"),
        ({"scenarios": ["nowhere_v1"]}, UsageError, "SHELL.UNKNOWN_SCENARIO"),
        ({"backend": "quantum"}, SimError, "SHELL.BACKEND_UNAVAILABLE"),
        ({"merchants": "/nonexistent.csv"}, ContractError, "1A.S1.MERCHANTS_FILE_INVALID"),
        ({"overrides": {"merchant_universe_1A.merchant": 3}}, ContractError, "SHELL.OVERRIDE_UNKNOWN"),
        ({"overrides": {"merchant_universe_1A.merchants": -3}}, ContractError, "SHELL.DOCUMENT_INVALID"),
        ({"overrides": {"scenario_horizon_5A.start": datetime.date(2026, 3, 27)}}, UsageError, "SHELL.OVERRIDE_INVALID"),
        ({"overrides": {"demand_policy_5A.volume_scale": float("nan")}}, UsageError, "SHELL.OVERRIDE_INVALID"),
        ({"overrides": {"merchant_universe_1A.merchants": np.int64(3)}}, UsageError, "SHELL.OVERRIDE_INVALID"),
    ],
)
def test_what_cannot_be_asked_is_refused_before_anything_is_written(tmp_path, given, kind, code):
    with pytest.raises(kind) as refusal:
        cw.run(**{"out": tmp_path / "worlds", "progress": False, **given})
    assert refusal.value.code == code
    assert not (tmp_path / "worlds").exists()


def test_an_error_says_all_it_knows(tmp_path: Path):
    with pytest.raises(UsageError) as refusal:
        cw.run(preset="demmo", out=tmp_path)
    told = str(refusal.value)
    assert all(part in told for part in ("there is no preset called 'demmo'", "where  ", "expected  demo", "did you mean 'demo'?"))
