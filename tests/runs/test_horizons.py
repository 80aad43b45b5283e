"""Horizons and surfaces by scenario, in whole worlds: what a switch or another scenario's dates may move,
and what not.
"""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

import sim.world as cw
from sim.ground.errors import UsageError
from tests.runs.worlds import closedworld, content_digests

REALISED = "s2_realised_intensity_5B"
BASE, STRESS = "baseline_v1", "stress_peak_online_v1"
LOCAL, UTC = "merchant_zone_scenario_local_5A", "merchant_zone_scenario_utc_5A"
DATES = ["--set", "scenario_horizon_5A.start=2026-03-28", "--set", "scenario_horizon_5A.end=2026-03-30"]


def build(out: Path, *more: str) -> Path:
    arguments = [
        "run",
        "--set",
        "merchant_universe_1A.merchants=60",
        *DATES,
        "--scenario",
        BASE,
        "--scenario",
        STRESS,
    ]
    return Path(json.loads(closedworld(*arguments, *more, "--out", str(out), "--json").stdout)["run_dir"])


def own(**scenarios: dict[str, Any]) -> list[str]:
    return ["--set", f"scenario_horizon_5A.scenarios={json.dumps(scenarios)}"]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("plain"))


@pytest.mark.parametrize(
    ("how", "gone"),
    [
        (
            ["--set", "scenario_horizon_5A.emit_local_intensities=false"],
            {f"{LOCAL}/{BASE}", f"{LOCAL}/{STRESS}"},
        ),
        (
            [
                word
                for name in ("local", "utc", "realised")
                for word in ("--set", f"scenario_horizon_5A.emit_{name}_intensities=false")
            ],
            {f"{name}/{scenario}" for name in (LOCAL, UTC, REALISED) for scenario in (BASE, STRESS)},
        ),
        (
            own(**{STRESS: {"emit_local_intensities": False}, BASE: {"emit_utc_intensities": False}}),
            {f"{LOCAL}/{STRESS}", f"{UTC}/{BASE}"},
        ),
    ],
    ids=["no local", "none", "one each"],
)
def test_with_one_surface_everything_else_is_the_same(
    plain: Path, tmp_path: Path, how: list[str], gone: set[str]
) -> None:
    """Arrivals too, over a change of clocks, and 6A: the digest of every other dataset is that of the world
    with both.
    """
    run = build(tmp_path, *how)
    whole = content_digests(plain)
    assert content_digests(run) == {name: digest for name, digest in whole.items() if name not in gone}
    assert run.name != plain.name and set(whole) >= gone and f"arrival_events_5B/{STRESS}" in whole
    closedworld("verify", str(run), "--deep")
    told = json.loads(closedworld("status", str(run), "--json").stdout)["left_out"]
    assert {name.replace(" of ", "/") for name in told} == gone
    (dataset, *others) = sorted({name.partition("/")[0] for name in gone})
    if not others:
        with pytest.raises(
            UsageError,
            match=r"it is published when scenario_horizon_5A\.emit_(utc|local)_intensities is true",
        ):
            cw.open(run)[dataset]


BOTH = {"tz_timetable_cache", "s8_trade_seasons_5A", "trips_6B", "visitors_6B", "exchange_rates_6B"}
"""Tables by day, which cover the days of all scenarios."""


def test_a_scenario_of_other_days_leaves_the_other_alone(plain: Path, tmp_path: Path) -> None:
    """Other days of the stress scenario move what is its own, and nothing of the other but what is made once
    for both.
    """
    run = build(tmp_path, *own(**{STRESS: {"start": "2026-03-29", "end": "2026-04-01"}}))
    before, after = content_digests(plain), content_digests(run)
    assert before.keys() == after.keys()
    moved = {name for name in before if before[name] != after[name]}
    # Who travels is drawn once for the days of both, and so is who pays where travellers are.
    payers = ("arrival_entities_6B", "flow_origin_6B", "flows_6B", "sessions_6B")
    assert {name for name in moved if name.endswith(f"/{BASE}")} == {f"{name}/{BASE}" for name in payers}
    # Clocks and seasons cover the days of both; lives, those of a pack's own days, are the same for both.
    assert {name for name in moved if "/" not in name} <= BOTH
    seasons = [cw.open(world)["s8_trade_seasons_5A"].to_arrow() for world in (plain, run)]
    common = [row for row in seasons[1].to_pylist() if row["date"] < date(2026, 3, 30)]
    assert seasons[0].to_pylist() == common
    assert {
        f"scenario_manifest_5A/{STRESS}",
        f"arrival_events_5B/{STRESS}",
        f"s1_time_grid_5B/{STRESS}",
    } <= moved
    closedworld("verify", str(run), "--deep")
    planned = json.loads(
        closedworld(
            "plan",
            "--set",
            "merchant_universe_1A.merchants=60",
            *DATES,
            "--scenario",
            BASE,
            "--scenario",
            STRESS,
            *own(**{STRESS: {"start": "2026-03-29", "end": "2026-04-01"}}),
            "--out",
            str(tmp_path),
            "--json",
        ).stdout
    )
    assert planned["estimate"]["days"] == 3 and planned["run_id"] == run.name
