"""`sim.world.run`: the same worlds as the command's, from Python."""

from __future__ import annotations

import datetime
import json
from pathlib import Path

import numpy as np
import pytest

import sim.world as cw
from sim.ground.errors import ContractError, SimError, UsageError
from sim.model.inputs.merchants import MERCHANTS_INPUT
from tests.tiny_world import TINY


def test_a_world_is_built_opened_and_built_once(cli, tmp_path, capsys):
    world = cw.run(preset="demo", seed=7, overrides=TINY, out=tmp_path / "worlds", until="1B", progress=False)
    assert list(world.segments) == ["1A", "1B"]
    assert (world.seed, world.path.parent, world.receipt["preset"]) == (7, tmp_path / "worlds", "demo")
    assert len(world["site_locations"]) > 0
    words = [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    planned = json.loads(cli("plan", "--seed", "7", *words, "--out", tmp_path / "worlds", "--json").out)
    assert planned["run_id"] == world.run_id
    assert {state["status"] for state in planned["states"] if state["segment"] in ("1A", "1B")} == {
        "published"
    }
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
    given = {
        "merchants": str(file),
        "scenarios": ["stress_peak_online_v1", "baseline_v1"],
        "out": tmp_path,
        "until": "1A",
    }
    world = cw.run(**given, progress=False, workers=1)
    assert world.scenarios == ("baseline_v1", "stress_peak_online_v1")
    assert 1001 in world["merchant_catalogue_1A"].to_arrow()["merchant_id"].to_pylist()
    words = ["--merchants", file, "--scenario", "baseline_v1", "--scenario", "stress_peak_online_v1"]
    assert json.loads(cli("plan", *words, "--json").out)["run_id"] == world.run_id
    told = json.loads(cli("status", world.path, "--json").out)
    digest = world.receipt["externals"][MERCHANTS_INPUT]
    assert told["asked"]["externals"] == [
        {"input": MERCHANTS_INPUT, "file": "merchants.csv", "rows": 1, "sha256": digest}
    ]
    assert f"merchants.csv as {MERCHANTS_INPUT}, 1 rows, SHA-256 {digest}" in cli("status", world.path).out


def test_status_tells_how_a_world_was_asked_for_and_what_it_takes(cli, tmp_path):
    """Hostile text in a receipt's provenance, which no digest covers, cannot drive a terminal."""
    overrides = {"merchant_universe_1A.merchants": 40, "scenario_horizon_5A.start": "2026-03-27"}
    world = cw.run(overrides=overrides, out=tmp_path, until="1A", progress=False)
    told = json.loads(cli("status", world.path, "--json").out)
    assert (told["asked"], told["arrivals"]) == ({"overrides": overrides, "externals": []}, 0)
    assert told["run"]["bytes"] == sum(
        path.stat().st_size for path in world.path.rglob("*") if path.is_file()
    )
    assert "override  merchant_universe_1A.merchants=40\n" in cli("status", world.path).out
    receipt = json.loads((world.path / "run_receipt.json").read_text())
    for overrides in ({"a\x1b[31m": "b\x07"}, "\x1b", [1]):
        receipt["provenance"]["overrides"] = overrides
        (world.path / "run_receipt.json").chmod(0o644)
        (world.path / "run_receipt.json").write_text(json.dumps(receipt))
        assert cli("status", world.path).code == 0  # the fixture looks for escapes
        assert cli("status", world.path, "--json").code == 0


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
        (
            {"overrides": {"scenario_horizon_5A.start": datetime.date(2026, 3, 27)}},
            UsageError,
            "SHELL.OVERRIDE_INVALID",
        ),
        (
            {"overrides": {"demand_policy_5A.volume_scale": float("nan")}},
            UsageError,
            "SHELL.OVERRIDE_INVALID",
        ),
        (
            {"overrides": {"merchant_universe_1A.merchants": np.int64(3)}},
            UsageError,
            "SHELL.OVERRIDE_INVALID",
        ),
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
    assert all(
        part in told
        for part in ("there is no preset called 'demmo'", "where  ", "expected  demo", "did you mean 'demo'?")
    )
