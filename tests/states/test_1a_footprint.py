"""1A: the part of the Earth that a world is - its sample of countries and metros, and what a user brings."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sim.backends import get_backend
from sim.ground.errors import ContractError
from sim.recipes.samples import systematic
from tests.states.layer1 import build, rows
from tests.world.draw_values import madow

KERNELS = get_backend("cpu").kernels
HEADER = "merchant_id,mcc,channel,country,outlet_country,lat,lon\n"


class _Context:
    kernels = KERNELS


def taken(size: list[int], many: int, start: int) -> list[int]:
    word = np.array([start], dtype=np.uint64)
    found = systematic(_Context(), np.array(size, dtype=np.uint64), many, word)  # type: ignore[arg-type]
    return np.flatnonzero(found).tolist()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return build(tmp_path_factory.mktemp("world"), until="1B")


def test_probabilities_are_in_proportion_to_size() -> None:
    """Every start of a small sample, exactly: the first row is certain, row k is taken in size / interval."""
    size, many, starts = [50, 6, 3, 9, 0, 2], 3, 20
    often = Counter(
        row for start in range(starts) for row in taken(size, many, (2 * start + 1) * 2**63 // starts)
    )
    # 50 is certain; two of the others, whose sizes sum to 20, so row k in 2 x size of 20 starts.
    assert often == {0: 20, 1: 12, 2: 6, 3: 18, 5: 4}


@pytest.mark.parametrize("many", [1, 2, 5, 9, 30])
def test_a_sample_is_that_of_plain_integers(many: int) -> None:
    rng = np.random.default_rng(many)
    for _ in range(50):
        size = (rng.pareto(0.8, 24) * 1000 + 1).astype(int).tolist()
        start = int(rng.integers(0, 2**64, dtype=np.uint64))
        assert taken(size, many, start) == madow(start, size, many)
        assert len(taken(size, many, start)) == min(many, len(size))


def test_everything_lies_in_the_world(world) -> None:
    """Four countries, none excluded; merchants and outlets in them, and sites in places of them."""
    countries = {row["country_iso"] for row in rows(world, "world_markets_1A")}
    places = {row["city_id"]: row for row in rows(world, "world_footprint_1A")}
    assert len(countries) == 4 and not countries & {"CU", "IR", "KP", "RU", "SY"}
    assert {row["home_country_iso"] for row in rows(world, "merchant_catalogue_1A")} == countries
    assert {row["legal_country_iso"] for row in rows(world, "outlet_catalogue")} <= countries
    assert {site["city_id"] for site in rows(world, "site_locations")} <= set(places)
    metros = {city for city, row in places.items() if row["place_kind"] == "METRO"}
    assert len(metros) == 9 and {row["metro_id"] for row in places.values()} == metros
    for country in countries:
        own = [row for row in places.values() if row["country_iso"] == country]
        towns = [row for row in own if row["place_kind"] == "TOWN"]
        homes = sum(row["home_weight"] for row in own)
        assert len(towns) <= 2 * sum(row["place_kind"] == "METRO" for row in own)
        assert not towns or 0.02 < sum(row["home_weight"] for row in towns) / homes < 0.101


def test_more_merchants_and_another_prior_leave_the_world_where_it_is(world, tmp_path: Path) -> None:
    other = build(
        tmp_path,
        overrides={"merchant_universe_1A.merchants": 900, "merchant_universe_1A.brand_sigma": 0.5},
        until="1A",
    )
    assert rows(other, "world_footprint_1A") == rows(world, "world_footprint_1A")


def test_no_generated_merchant_is_its_market(world) -> None:
    """Small markets have the smaller limit and give back more; both are figures of policy."""
    markets = sorted(rows(world, "world_markets_1A"), key=lambda row: row["market_size"])
    for small, large in pairwise(markets):
        assert small["largest_volume"] < large["largest_volume"]
        assert small["volume_factor"] > large["volume_factor"] >= 1.0


def test_a_users_merchants_bring_their_places(tmp_path: Path) -> None:
    """Countries of the file alone, an excluded one too; the metro and the town that coordinates name."""
    path = tmp_path / "merchants.csv"
    path.write_text(
        HEADER + "1,5411,card_present,NO,,59.13,11.39\n2,5812,mixed,RU,,,\n3,5411,card_present,LI,,,\n"
    )
    own = build(tmp_path / "out", merchants=path, until="1B")
    markets = rows(own, "world_markets_1A")
    assert {row["country_iso"] for row in markets} == {"LI", "NO", "RU"}
    assert all(row["merchant_weight"] == 0 and row["volume_factor"] == 1.0 for row in markets)
    places = {row["city_id"]: row for row in rows(own, "world_footprint_1A")}
    halden = next(row for row in rows(own, "site_locations") if row["merchant_id"] == 1)["city_id"]
    assert places[places[halden]["metro_id"]]["place_kind"] == "METRO"
    assert sum(row["place_kind"] == "METRO" for row in places.values()) == 3


@pytest.mark.parametrize(
    ("override", "code"),
    [
        ({"footprint_policy_1A.excluded_markets": ["XX"]}, "1A.S1.MARKET_UNKNOWN"),
        ({"footprint_policy_1A.least_market_share_ppm": 900_000}, "1A.S1.NO_COUNTRY"),
    ],
)
def test_a_policy_without_countries_is_refused(tmp_path: Path, override, code: str) -> None:
    with pytest.raises(ContractError) as refused:
        build(tmp_path, overrides=override, until="1A")
    assert refused.value.code == code
