"""Merchants and grocers near homes, against a count over every pair of home and shop; gates that refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from memory_world import ROOT, vocabularies
from people_world import EntityWorld, changed

from sim.segments.entities_6a.s1_parties import near_checks, state
from sim.segments.entities_6a.s3_instruments import state as cards
from sim.shell.tables.reference import Reference
from tests.totals import altered, figures

NEAR = "realism_gates_people_6A.near."


@pytest.fixture(scope="module")
def world() -> EntityWorld:
    return EntityWorld(6000, changed({"population_prior_6A.min_parties": 100})).build()


def squares(degrees: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return (np.rint(degrees * 1e6).astype(np.int64) // 20_000) * 20_000 + 10_000


def test_every_home_and_shop(world: EntityWorld) -> None:
    parties = world.frames["s1_party_base_6A"]
    parties = parties.take(parties.party_type == vocabularies()["party_type"].index("RETAIL"))
    cities = Reference(ROOT / "config" / "reference").frame("cities", vocabularies())
    scale = dict(zip(cities.city_id.tolist(), cities.lon_scale.tolist(), strict=True))
    store = world.store
    merchants, sites = store.load("merchant_catalogue_1A"), store.load("site_locations")
    row = np.searchsorted(merchants.merchant_id, sites.merchant_id)
    till = merchants.channel[row] != vocabularies()["channel"].index("card_not_present")
    sites, row = sites.take(till), row[till]
    homes: dict[tuple[int, int], list[int]] = {}
    lat, lon = squares(parties.home_lat_deg), squares(parties.home_lon_deg)
    for place, key in enumerate(zip(lat.tolist(), lon.tolist(), strict=True)):
        homes.setdefault(key, []).append(place)
    near, with_grocer = np.zeros(near_checks.MOST + 1, dtype=np.int64), 0
    for (north, east), people in homes.items():
        up = north - np.rint(sites.lat_deg * 1e6)
        turn = np.abs(east - np.rint(sites.lon_deg * 1e6))
        first = scale[int(parties.home_city_id[people[0]])]
        km = np.hypot(up, np.minimum(turn, 360e6 - turn) / first) * 111.195e-6
        near[len(set(sites.merchant_id[km <= 20].tolist()))] += len(people)
        with_grocer += len(people) * bool((merchants.mcc[row[km <= 10]] == 5411).any())
    seen = figures(world.totals["6A.S1"])
    assert (seen["near"] == near).all()
    assert seen["with_grocer"] == with_grocer and 0 < with_grocer < len(parties)
    assert near[1:].sum() > 100


def check(world: EntityWorld, packs: Any, name: str, totals: Any) -> Any:
    other = EntityWorld(6000, packs)
    other.store.parts |= world.store.parts
    module = cards if name == "arrivals a card-month" else state
    return next(c for c in module.checks(other.context(module.STATE), totals) if c.name == name)


def test_too_few_shops_are_refused(world: EntityWorld) -> None:
    """Forty merchants stand for forty of two thousand; for a world made for forty they are too few."""
    made = {"footprint_policy_1A.made_for_merchants": 40}
    totals = world.totals["6A.S1"]
    assert check(world, changed({}), "merchants near people", totals).passed
    refused = check(world, changed(made), "merchants near people", totals)
    full = {"p10": 15.0, "median": 60.0}
    assert not refused.passed and refused.expected == {**full, "in_full": full}
    enough = made | {NEAR + "merchants_p10": 0, NEAR + "merchants_median": 0}
    assert check(world, changed(enough), "merchants near people", totals).passed


def test_people_without_a_grocer_are_refused(world: EntityWorld) -> None:
    name, totals = "people with a grocer", world.totals["6A.S1"]
    found = check(world, changed({}), name, totals)
    assert found.passed and found.expected["from"] < 0.95
    many = {key: figures(totals)[key] for key in ("near", "walk")}
    for key in many:
        many[key] = np.zeros_like(many[key])
        many[key][200] = 6000
    without = altered(totals, {**many, "with_grocer": 5000, "tile_variance": 0})
    assert not check(world, changed({}), name, without).passed
    fed = altered(totals, {**many, "with_grocer": 5800, "tile_variance": 0})
    assert check(world, changed({}), name, fed).passed


def test_cards_that_idle_are_refused(world: EntityWorld) -> None:
    name, totals = "arrivals a card-month", world.totals["6A.S3"]
    plain = check(world, changed({}), name, totals)
    assert plain.passed and 7 < plain.found < 13
    some = figures(totals)["active_in"]
    for factor in (5, 0.2):
        other = altered(totals, {"active_in": (some * factor).astype(np.int64)})
        assert not check(world, changed({}), name, other).passed
    few = changed({"realism_gates_6A.instruments.card_month.from_countries": 200})
    assert check(world, few, name, totals).found is None
