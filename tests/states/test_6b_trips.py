"""6B.S3, 6B.S7: trips made again from published rows; lengths, the table, who gives way in plain Python."""

from __future__ import annotations

import math
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, config, vocabularies

import sim.world as cw
from sim.ground.errors import ContractError
from sim.segments.flows_6b.s3_trips import state as s3_trips
from sim.segments.flows_6b.s3_trips.law import lengths
from sim.segments.flows_6b.s3_trips.rows import kept
from sim.segments.flows_6b.s3_trips.table import _balanced
from sim.state.frames import Frame

PACK = config("layer3/6B/trips.yaml")
HOUR, DAY = 3_600_000_000, 86_400_000_000


def context(pack: dict[str, Any] = PACK) -> Any:
    horizon = config("layer2/5A/scenario_horizon.yaml") | {"start": "2026-01-01", "end": "2026-04-01"}
    configs = {"trip_law_6B": pack, "scenario_horizon_5A": horizon | {"scenarios": {}}}
    return MemoryWorld(configs).context(s3_trips.STATE)


def test_lengths_are_lognormal_weighted_by_the_days_they_may_begin():
    law = lengths(context())
    most, found = PACK["days"]["most"], np.diff(np.concatenate(([0], law.cumulative.astype(float))))

    def below(days: float) -> float:
        z = (math.log(days) - math.log(4.0)) / 0.6
        return 0.5 * math.erfc(-z / math.sqrt(2.0))

    plain = [below(n + 0.5) - (below(n - 0.5) if n > 1 else 0.0) for n in range(1, most + 1)]
    wanted = np.array(plain) * (90 + np.arange(most))
    assert np.abs(found / found.sum() - wanted / wanted.sum()).max() < 1e-6
    days = np.arange(1, most + 1)
    inside = (np.array(plain) * days * 90).sum() / wanted.sum()
    assert abs(law.inside - inside) < 1e-6
    assert law.median() == 4


def test_table_ends_with_what_destinations_ask_and_the_share_at_home():
    rng = np.random.default_rng(3)
    country = np.array([0, 0, 0, 1, 1, 2])
    home = country[:, None] == country[None, :]
    seed = rng.uniform(0.5, 2.0, (6, 6))
    np.fill_diagonal(seed, 0.0)
    column = np.array([50.0, 70.0, 90.0, 80.0, 60.0, 20.0])
    row = np.array([60.0, 60.0, 80.0, 90.0, 60.0, 20.0])
    found = _balanced(seed, row, column, home, 0.7 * column.sum(), 200)
    assert np.abs(found.sum(axis=0) - column).max() < 1e-9
    assert np.abs(found.sum(axis=1) / row - 1.0).max() < 0.01
    assert abs(found[home].sum() / found.sum() - 0.7) < 0.01
    assert (np.diag(found) == 0).all()


def test_whatever_comes_too_near_to_what_stands_gives_way():
    rng = np.random.default_rng(5)
    row = np.sort(rng.integers(0, 400, 1500))
    first = rng.integers(0, 60 * DAY, 1500)
    last = first + rng.integers(HOUR, 9 * DAY, 1500)
    trips = Frame({"row": row, "first_us": first, "last_us": last})
    found = kept(context(), trips)
    gap, wanted = PACK["gap_hours"] * HOUR, []
    stand: dict[int, list[tuple[int, int]]] = {}
    for who, begin, end in zip(row.tolist(), first.tolist(), last.tolist(), strict=True):
        others = stand.setdefault(who, [])
        clear = all(begin >= stop + gap or end + gap <= start for start, stop in others)
        wanted.append(clear)
        if clear:
            others.append((begin, end))
    assert found.tolist() == wanted
    assert 0 < sum(wanted) < 1500


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"hours": {"first": [6, 18], "last": [16, 22]}}, "LAW_CONTRADICTS"),
        (
            {"purpose": PACK["purpose"] | {"ORGANISATION": {"HOLIDAY": 1, "VISIT": 50, "BUSINESS": 950}}},
            "LAW_CONTRADICTS",
        ),
        ({"tilt_of_income": {"LOW": 1.0}}, "VOCABULARY_MISMATCH"),
    ],
)
def test_a_law_that_contradicts_itself_is_refused(change: dict[str, Any], code: str):
    with pytest.raises(ContractError, match=f"6B.S3.{code}"):
        s3_trips.preflight(context(PACK | change))


@pytest.fixture(scope="module")
def tables(demo_run: Path) -> SimpleNamespace:
    world = cw.open(demo_run)
    names = {
        "trips": "trips_6B",
        "visitors": "visitors_6B",
        "links": "s8_links_abroad_6A",
        "behaviour": "party_behaviour_6B",
    }
    return SimpleNamespace(**{key: world[name].to_polars() for key, name in names.items()})


def test_trips_of_a_party_never_overlap(tables: SimpleNamespace):
    before: dict[int, Any] = {}
    rows = tables.trips.sort("party_id", "trip_no")
    for row in rows.iter_rows(named=True):
        assert row["first_utc"] < row["last_utc"]
        assert row["origin_metro_id"] != row["destination_metro_id"]
        last = before.get(row["party_id"])
        if last is not None:
            assert (row["first_utc"] - last).total_seconds() >= PACK["gap_hours"] * 3600
        before[row["party_id"]] = row["last_utc"]
    assert len(before) > 0


def test_journeys_are_trips_in_the_days_that_devices_were_seen(tables: SimpleNamespace):
    kinds = config("layer3/6A/priors/ip_abroad.yaml")["travel_kinds"]
    wanted = {
        row["party_id"]: (row["metro_id"], row["valid_from"], row["valid_to"])
        for row in tables.links.iter_rows(named=True)
        if row["ip_type"] in kinds
    }
    found = [row for row in tables.trips.iter_rows(named=True) if row["drawn_no"] == 0]
    assert {row["party_id"] for row in found} == set(wanted)
    for row in found:
        metro, first, last = wanted[row["party_id"]]
        assert (row["destination_metro_id"], row["first_utc"].date()) == (metro, first)
        assert last is None or row["last_utc"].date() == last


def test_there_is_a_seat_for_each_day_of_a_traveller_that_pays(tables: SimpleNamespace):
    payers = {row["party_id"]: row for row in tables.behaviour.iter_rows(named=True)}
    first, last = (np.datetime64(day) for day in ("2026-03-27", "2026-03-30"))
    wanted: Counter[tuple[int, Any, int, int]] = Counter()
    for row in tables.trips.iter_rows(named=True):
        payer = payers[row["party_id"]]
        if payer["activity_q"] == 0:
            continue
        low = max(first, np.datetime64(row["first_utc"].date()), np.datetime64(payer["can_pay_from"]))
        high = min(last, np.datetime64(row["last_utc"].date()), np.datetime64(payer["can_pay_to"]))
        for day in np.arange(low, high + 1):
            wanted[(row["destination_metro_id"], day.item(), row["party_id"], row["trip_no"])] += 1
    columns = ("destination_metro_id", "day", "party_id", "trip_no")
    found = Counter(tables.visitors.select(columns).iter_rows())
    assert found == wanted
    seats = tables.visitors.select("destination_metro_id", "day", "seat_no").rows()
    assert seats == sorted(seats)
    assert set(tables.trips["purpose"].unique()) <= set(vocabularies()["trip_purpose"])
