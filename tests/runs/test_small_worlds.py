"""Small worlds of extreme but valid settings: built to the end and verified,
or refused by name. Never a traceback.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import sim.world as cw
from sim.backends import get_backend
from sim.ground.errors import SimError
from sim.ground.paths import config_root
from sim.model import MODEL
from sim.model.inputs.merchants import merchants_input
from sim.segments import SEGMENTS
from sim.shell.events.events import Silent
from sim.shell.loop.run import Options, run_world
from sim.shell.request.request import Request, prepare
from sim.shell.runs.verify import content_check_of, verify_run
from sim.shell.tables.reference import Reference

CODES = [segment.code for segment in SEGMENTS]
BASE, STRESS = "baseline_v1", "stress_peak_online_v1"
COUNTRIES = Reference(config_root() / "reference").vocabulary("countries", "country_iso")
HEADER = "merchant_id,mcc,channel,country,outlet_country,lat,lon\n"
ONE = {"merchant_universe_1A.merchants": 1, "population_prior_6A.min_parties": 1}
DAY = {"scenario_horizon_5A.start": "2026-03-27", "scenario_horizon_5A.end": "2026-03-28"}
VATICAN = ["1,5411,card_present,VA,,,"]  # 921 people
VOLUME = "demand_policy_5A.volume_scale"


def build(
    out: Path,
    sets: Mapping[str, Any],
    rows: Sequence[str] = (),
    scenarios: Sequence[str] = (BASE,),
    seed: int = 42,
) -> set[str]:
    """Build a world and verify every byte of it; returns its datasets.

    Args:
        out: Where; emptied first.
        sets: As `--set`.
        rows: Of the user's merchants file; none means no file.
        scenarios: Scenario ids.
        seed: World seed.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    merchants = out / "merchants.csv" if rows else None
    if merchants is not None:
        merchants.write_text(HEADER + "".join(f"{row}\n" for row in rows))
    prepared = prepare(
        Request(scenarios=scenarios, seed=seed, overrides=sets, inputs=merchants_input(merchants)), MODEL
    )
    run = run_world(prepared, get_backend("cpu"), Options(out=out, workers=1), Silent()).run_dir
    report = verify_run(run, CODES, content_check_of(run, CODES))
    assert report.problems == () and report.not_built == () and report.checks_not_judged == ()
    return {path.name for path in run.glob("data/*/*/*")}


@pytest.mark.promise(
    "P13",
    "worlds of one merchant and one day build and verify",
    faults="no links of a kind, no arrivals in most buckets",
    cases=3,
)
@pytest.mark.parametrize(
    ("sets", "rows", "scenarios"),
    [
        (ONE | DAY, (), (BASE,)),
        (
            ONE | DAY | {VOLUME: 0.3, "scenario_horizon_5A.bucket_seconds": 900},
            ["1,5411,mixed,LI,,,"],
            (BASE, STRESS),
        ),
        (
            ONE | DAY | {"population_prior_6A.max_parties": 2},
            ["18446744073709551615,5816,card_not_present,VA,,,"],
            (STRESS,),
        ),
    ],
    ids=["one merchant", "hardly an arrival", "online only, two parties"],
)
def test_the_smallest_worlds_build(
    tmp_path: Path, sets: dict[str, Any], rows: list[str], scenarios: tuple[str, ...]
) -> None:
    assert len(build(tmp_path, sets, rows, scenarios)) > 50


@pytest.mark.promise(
    "P23", "worlds that cannot be are refused, naming the setting", faults="impossible settings", cases=6
)
@pytest.mark.parametrize(
    ("sets", "rows", "exit_code", "named"),
    [
        ({"scenario_horizon_5A.end": "2026-03-27"}, (), 3, "scenario_horizon_5A.end"),
        ({"scenario_horizon_5A.start": "2026-02-30"}, (), 3, "scenario_horizon_5A.start"),
        (
            {"scenario_horizon_5A.start": "2031-12-31", "scenario_horizon_5A.end": "2032-01-01"},
            (),
            3,
            "scenario_horizon_5A.start",
        ),
        ({VOLUME: 1e-9}, (), 4, VOLUME),
        ({"population_prior_6A.min_parties": 9, "population_prior_6A.max_parties": 8}, (), 3, "min_parties"),
        (
            {"population_prior_6A.parties_per_inhabitant_max_permille": 1},
            VATICAN,
            4,
            "inhabitant_max_permille",
        ),
    ],
    ids=[
        "no day",
        "no such date",
        "beyond the holidays",
        "no arrivals",
        "no size",
        "no people for a customer",
    ],
)
def test_impossible_worlds_are_refused(
    tmp_path: Path, sets: dict[str, Any], rows: Sequence[str], exit_code: int, named: str
) -> None:
    with pytest.raises(SimError) as error:
        build(tmp_path, ONE | DAY | sets, rows)
    assert (error.value.exit_code, named in told(error.value)) == (exit_code, True), told(error.value)


@pytest.mark.parametrize(
    ("sets", "asked", "parties"),
    [
        ({"population_prior_6A.min_parties": 1000}, 1000, 460),
        ({"population_prior_6A.min_parties": 460}, 460, 460),
    ],
    ids=["more than people", "as many as people"],
)
def test_a_small_place_has_no_more_customers_than_people_and_says_so(
    tmp_path: Path, sets: dict[str, Any], asked: int, parties: int
) -> None:
    """Half of its people at most; the merchant's other customers are visitors. An honest world must build."""
    build(tmp_path, ONE | DAY | sets, VATICAN)
    (run,) = (path for path in tmp_path.iterdir() if path.is_dir())
    world = cw.open(run)
    (found,) = [
        json.loads(row["found"])
        for row in world.run_table("validation_checks").to_pylist()
        if (row["state"], row["name"]) == ("6A.S1", "customers")
    ]
    assert found == {"asked": asked, "room": 460, "parties": parties}
    assert len(world["s1_party_base_6A"]) == parties


def told(error: SimError) -> str:
    """All a refusal says, but for its title."""
    return " | ".join([error.found, error.expected, error.where, error.do, *error.examples])


@st.composite
def worlds(draw: st.DrawFn) -> dict[str, Any]:
    """Settings of a small world, each within what its schema allows."""
    start = date(2024, 1, 3) + timedelta(days=draw(st.integers(0, 2900)))
    few = draw(st.sampled_from([1, 1, 50, 1000]))
    sets: dict[str, Any] = {
        "merchant_universe_1A.merchants": draw(st.integers(1, 3)),
        "scenario_horizon_5A.start": start.isoformat(),
        "scenario_horizon_5A.end": (start + timedelta(days=draw(st.integers(1, 2)))).isoformat(),
        "scenario_horizon_5A.bucket_seconds": draw(st.sampled_from([900, 1800, 3600])),
        VOLUME: 10.0 ** draw(st.integers(-6, 0)) if draw(st.booleans()) else draw(st.floats(0.01, 2.0)),
        "population_prior_6A.min_parties": few,
        "population_prior_6A.max_parties": max(few, draw(st.sampled_from([1, 5, 2000, 30_000]))),
    }
    if draw(st.booleans()):
        sets["population_prior_6A.size"] = {
            "law": "outlets",
            "parties_per_outlet": draw(st.sampled_from([0.001, 1.0, 20.0])),
        }
    home = draw(st.sampled_from(COUNTRIES))
    row = st.tuples(
        st.integers(1, 2**64 - 1),
        st.sampled_from([5411, 5816, 4900, 7995, 8999]),
        st.sampled_from(["card_present", "card_not_present", "mixed"]),
        st.sampled_from([home, home, *COUNTRIES]),
    )
    rows = draw(st.just([]) | st.lists(row, min_size=1, max_size=12, unique_by=lambda entry: entry[0]))
    scenarios = draw(st.sampled_from([(BASE,), (STRESS,), (BASE, STRESS)]))
    return {
        "sets": sets,
        "rows": [",".join(map(str, entry)) + ",,," for entry in rows],
        "scenarios": scenarios,
        "seed": draw(st.integers(0, 2**64 - 1)),
    }


@pytest.mark.slow
@pytest.mark.promise(
    "P23",
    "a small world of any valid settings builds and verifies, or is refused by name",
    faults="extreme settings",
    cases=25,
)
# Not shrunk: a smaller example of a world would cost minutes and say nothing that the first does not.
@settings(
    max_examples=25,
    phases=[Phase.generate],
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(world=worlds())
def test_any_small_world_builds_or_is_refused_by_name(
    tmp_path_factory: pytest.TempPathFactory, world: dict[str, Any]
) -> None:
    try:
        build(tmp_path_factory.getbasetemp() / "any", **world)
    except SimError as error:
        assert error.exit_code in (3, 4) and (
            "_5A" in told(error) or "_5B" in told(error) or "_6A" in told(error)
        ), str(error)
