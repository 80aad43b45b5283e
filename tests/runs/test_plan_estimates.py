"""`plan` says how many merchants, keys and arrivals a world will have: drawn, but for worlds of very many
merchants, which are estimated by expectation.
"""

from __future__ import annotations

import json
import re
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from sim.backends import get_backend
from sim.model import MODEL
from sim.model.estimate.drawn import drawn_rows, drawn_volumes
from sim.model.estimate.volumes import Volumes, expected_volumes
from sim.model.estimate.whole import estimate
from sim.model.inputs.merchants import merchants_input
from sim.shell.loop.rehearsal import rehearse
from sim.shell.request.request import Prepared, Request, prepare

MCCS, CHANNELS, COUNTRIES = (
    (5411, 5812, 4900, 5541, 7011, 5967),
    ("card_present", "mixed", "card_not_present"),
    ("DE", "US", "IN", "BR"),
)


def merchants_file(path: Path, count: int, volume: str = "") -> Path:
    rows = [
        f"{number},{MCCS[number % 6]},{CHANNELS[number % 7 % 3]},{COUNTRIES[number % 5 % 4]},"
        f"{volume if number % 2 else ''}"
        for number in range(1, count + 1)
    ]
    path.write_text("merchant_id,mcc,channel,country,weekly_volume\n" + "\n".join(rows) + "\n")
    return path


def both(prepared: Prepared) -> tuple[Volumes, Volumes]:
    """Volumes by expectation, and as the states draw them."""
    rows = drawn_rows(partial(rehearse, prepared, get_backend("cpu")))
    drawn = drawn_volumes(prepared.facts, rows)
    return expected_volumes(prepared.facts), drawn


def within(found: float, expected: float, permille: int) -> bool:
    return abs(found - expected) * 1000 <= permille * expected


def test_the_demo_world_is_told_before_it_is_built(cli, demo_run: Path) -> None:
    """Merchants and keys exactly, arrivals within 15 %, parties within 5 %, bytes within a quarter: a prior
    that moves what a row or a party costs moves `BYTES_PER_...` with it.
    """
    import sim.world as cw

    world = cw.open(demo_run)
    receipt = world.receipt
    told = receipt["provenance"]["overrides"]
    words = [f"--set={key}={json.dumps(value)}" for key, value in told.items()] + [
        f"--scenario={name}" for name in receipt["scenarios"]
    ]
    answer = json.loads(
        cli("plan", "--preset", receipt["preset"], "--seed", str(receipt["seed"]), *words, "--json").out
    )
    assert answer["run_id"] == receipt["run_id"]
    about = answer["estimate"]
    assert about["merchants"] == len(world["merchant_catalogue_1A"]) and about["keys"] == len(
        world["merchant_zone_profile_5A"]
    )
    assert within(about["arrivals"], len(world["arrival_events_5B"]), 150)
    assert within(about["parties"], len(world["s1_party_base_6A"]), 50)
    written = sum(file.stat().st_size for file in (demo_run / "data").rglob("*") if file.is_file())
    assert within(about["bytes"], written, 250), (about["bytes"], written)


@pytest.mark.parametrize("preset", ["demo", "small", "reference"])
def test_readme_s_volumes_are_those_of_the_presets(preset: str) -> None:
    """A prior that moves volumes moves README's table: arrivals and parties within 7 %."""
    prepared = prepare(Request(preset=preset), MODEL)
    about = estimate(prepared.facts, partial(rehearse, prepared, get_backend("cpu")))
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    (figures,) = re.findall(rf"\| `{preset}` \| ([\d.]+) million \| ([\d.]+) million \|", readme)
    for name, figure in zip(("arrivals", "parties"), figures, strict=True):
        assert within(float(figure) * 1e6, about[name], 70), (preset, name, figure, about[name])


@pytest.mark.parametrize("preset", ["demo", "small", "reference", "planet"])
def test_readme_s_first_table_says_what_kind_of_world_a_preset_is(preset: str) -> None:
    """Countries, metros and merchants exactly, people and arrivals to the figures that are shown."""
    prepared = prepare(Request(preset=preset), MODEL)
    about = estimate(prepared.facts, partial(rehearse, prepared, get_backend("cpu")))
    readme = (Path(__file__).parents[2] / "README.md").read_text()
    row = rf"\| `{preset}` \| (\d+) \| ([\d,]+) \| ([\d,]+) \| ([\d.]+ \w+) \| [^|]+ \| ([\d.]+ \w+) \|"
    (cells,) = re.findall(row, readme)
    told = [int(cell.replace(",", "")) for cell in cells[:3]]
    assert told == [about["countries"], about["metros"], about["merchants"]]
    times = {"thousand": 1e3, "million": 1e6}
    for name, cell in zip(("parties", "arrivals"), cells[3:], strict=True):
        figure, unit = cell.split()
        assert within(float(figure) * times[unit], about[name], 50), (preset, name, cell, about[name])


def test_a_users_file_counts_alone_or_together_with_the_generated(cli, tmp_path: Path) -> None:
    file = str(merchants_file(tmp_path / "mine.csv", 60))
    alone = json.loads(cli("plan", "--merchants", file, "--json").out)["estimate"]
    both = json.loads(
        cli("plan", "--merchants", file, "--set", "merchant_universe_1A.when_supplied=add", "--json").out
    )["estimate"]
    assert (alone["merchants"], both["merchants"]) == (60, 1760)
    assert alone["arrivals"] < both["arrivals"] and alone["keys"] < both["keys"]


@pytest.mark.parametrize("volume", ["", "700"])
def test_expectation_and_draws_agree_where_many_merchants_average_out(tmp_path: Path, volume: str) -> None:
    """5,000 merchants: outlets and keys by the mean law are within 15 % of what the states draw. Volumes have
    so heavy a tail (variance 60 to 100 means squared) that 5,000 add up within 14 %: three times that.
    """
    prepared = prepare(
        Request(inputs=merchants_input(merchants_file(tmp_path / "mine.csv", 5000, volume))), MODEL
    )
    expected, drawn = both(prepared)
    assert expected.merchants == drawn.merchants == 5000
    figures = {
        name: (getattr(expected, name), getattr(drawn, name))
        for name in ("outlets", "keys", "weekly", "arrivals")
    }
    allowed = {"outlets": 150, "keys": 150, "weekly": 420, "arrivals": 420}
    assert all(within(*pair, allowed[name]) for name, pair in figures.items()), figures


PLAIN = {
    "scenarios_5A.scenarios.baseline_v1.overlays": [],
    "scenarios_5A.scenarios.baseline_v1.windows": [],
    "trade_seasons_5A.seasons": {},
}


@pytest.mark.parametrize("sets", [PLAIN, {}], ids=["plain days", "January"])
def test_given_volumes_are_taken_at_their_word(tmp_path: Path, sets: dict[str, Any]) -> None:
    """Every merchant at 700 a week: over two whole weeks 1,400 arrivals each, expected and drawn alike;
    less over the weeks after New Year.
    """
    file = merchants_file(tmp_path / "mine.csv", 40, "700")
    file.write_text(file.read_text().replace(",\n", ",700\n"))
    prepared = prepare(Request(inputs=merchants_input(file), overrides=sets), MODEL)
    found = both(prepared)
    assert [round(volumes.weekly) for volumes in found] == [40 * 700] * 2
    arrivals = [round(volumes.arrivals) for volumes in found]
    if sets:
        assert arrivals == [40 * 1400] * 2
    else:
        assert within(arrivals[0], arrivals[1], 5) and all(
            900 < 1000 * each / 56_000 < 995 for each in arrivals
        )


CHRISTMAS = {"scenario_horizon_5A.start": "2026-12-14", "scenario_horizon_5A.end": "2027-01-04"}
RAMADAN = {"scenario_horizon_5A.start": "2026-02-09", "scenario_horizon_5A.end": "2026-03-30"}
SHORT = {"scenario_horizon_5A.start": "2026-12-25", "scenario_horizon_5A.end": "2026-12-26"}
WORLDS = {
    "two weeks": ({}, 42, "baseline_v1", ()),
    "two weeks of another seed": ({}, 7, "baseline_v1", ()),
    "Christmas": (CHRISTMAS, 42, "baseline_v1", ()),
    "Ramadan at home": (RAMADAN, 42, "baseline_v1", ("SA", "EG", "TR")),
    "stress at own merchants": (CHRISTMAS, 7, "stress_peak_online_v1", COUNTRIES),
    "half a year that many open and close in": (
        {"scenario_horizon_5A.start": "2026-01-01", "scenario_horizon_5A.end": "2026-07-01"}
        | {"merchant_life_5A.openings_a_quarter": 0.2, "merchant_life_5A.closings_a_quarter": 0.2},
        42,
        "baseline_v1",
        (),
    ),
}


@pytest.mark.parametrize(("sets", "seed", "scenario", "countries"), WORLDS.values(), ids=WORLDS)
def test_arrivals_are_those_of_the_demand_surfaces(
    tmp_path: Path, sets: dict[str, Any], seed: int, scenario: str, countries: tuple[str, ...]
) -> None:
    """Holidays, feasts, paydays, campaigns, seasons and lives count: the estimate is the sum of the surfaces
    that arrivals are drawn from. Hours of opening, clocks of one's own and zones are what it leaves out.
    """
    file = tmp_path / "mine.csv"
    if countries:
        lines = [
            f"{n},{MCCS[n % 6]},{CHANNELS[n % 7 % 3]},{countries[n % len(countries)]}" for n in range(1, 300)
        ]
        file.write_text("merchant_id,mcc,channel,country\n" + "\n".join(lines) + "\n")
    few = {"merchant_universe_1A.merchants": 300} | sets
    inputs = merchants_input(file if countries else None)
    prepared = prepare(Request(seed=seed, overrides=few, scenarios=[scenario], inputs=inputs), MODEL)
    backend = get_backend("cpu")
    drawn = drawn_volumes(prepared.facts, drawn_rows(partial(rehearse, prepared, backend)))
    surface = rehearse(prepared, backend, "merchant_zone_scenario_utc_5A")
    whole = float(surface.load("merchant_zone_scenario_utc_5A").lambda_utc_scenario.sum())
    assert within(drawn.arrivals, whole, 15), (drawn.arrivals, whole)


def test_lives_of_many_merchants_are_near_their_mean() -> None:
    """20,000 merchants over half a year in which a fifth opens and a fifth closes a quarter, in markets so
    large that none is cut: expectation and draws have the same weeks of demand an ordinary week to 4 %.
    """
    sets = WORLDS["half a year that many open and close in"][0] | {
        "merchant_universe_1A.merchants": 20_000,
        "footprint_policy_1A.made_for_merchants": 10_000_000,
    }
    prepared = prepare(Request(overrides=sets), MODEL)
    weeks = [volumes.arrivals / volumes.weekly for volumes in both(prepared)]
    assert within(weeks[0], weeks[1], 40) and weeks[1] < 0.9 * 181 / 7, weeks


@pytest.mark.parametrize(
    ("volume", "asked"), [("", 1000), ("1000", 1000), ("50000", 11_774)], ids=["few", "some", "many"]
)
def test_a_plan_says_where_there_are_fewer_people_than_customers(
    cli, tmp_path: Path, volume: str, asked: int
) -> None:
    """A merchant of the Vatican with 50,000 payments a week asks for 50,000 / (6.5333 x .65) customers."""
    file = tmp_path / "mine.csv"
    file.write_text(f"merchant_id,mcc,channel,country,weekly_volume\n1,5411,card_present,VA,{volume}\n")
    about = json.loads(cli("plan", "--merchants", str(file), "--json").out)["estimate"]
    assert (about["parties"], about["parties_asked"], about["where"]) == (460, asked, ["VA"])
    assert f"460 of {asked:,} asked for" in cli("plan", "--merchants", str(file)).out
    assert "asked for" not in cli("plan").out


def test_large_worlds_are_not_drawn() -> None:
    def rehearsed(*datasets: str) -> Any:
        raise AssertionError(f"{datasets} of a large world are drawn")

    prepared = prepare(Request(overrides={"merchant_universe_1A.merchants": 200_000}), MODEL)
    assert estimate(prepared.facts, rehearsed)["merchants"] == 200_000
