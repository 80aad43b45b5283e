"""The merchant taxonomy and the demand classes say what they must: complete, summing up, shaped like days."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

import pytest
import yaml

CONFIG = Path(__file__).resolve().parents[2] / "config"
CHANNELS = ("card_present", "card_not_present", "mixed")
CLASSES = {
    "consumer_daytime", "office_hours", "bills_utilities", "fuel_convenience", "travel_hospitality",
    "evening_weekend", "online_24h", "online_bursty", "always_on_local", "low_volume_tail",
}  # fmt: skip
MCC_KEYS = {
    "mcc", "name", "sector", "share_weight", "ticket", "channel_mix", "multi_site_permille", "site_mean",
    "virtual", "demand_class",
}  # fmt: skip


@cache
def taxonomy() -> dict:
    return yaml.safe_load((CONFIG / "layer1" / "1A" / "mcc_taxonomy.yaml").read_text(encoding="utf-8"))


@cache
def classes() -> dict:
    return yaml.safe_load((CONFIG / "layer2" / "5A" / "demand_classes.yaml").read_text(encoding="utf-8"))[
        "classes"
    ]


def day(shape: dict) -> list[float]:
    """Mass of each local hour of a day, summing to 1."""
    hours = [0.0] * 24
    for minute in range(1440):
        value = shape["floor"]
        for peak in shape["peaks"]:
            distance = abs(minute + 0.5 - peak["minute"])
            distance = min(distance, 1440 - distance)
            value += peak["amp"] * math.exp(-(distance**2) / (2 * peak["sigma"] ** 2))
        hours[minute // 60] += value
    total = math.fsum(hours)
    return [hour / total for hour in hours]


def test_taxonomy_is_complete_and_sums_up() -> None:
    mccs = taxonomy()["mccs"]
    codes = [row["mcc"] for row in mccs]
    assert len(codes) >= 70 and codes == sorted(set(codes)) and all(1 <= code <= 9999 for code in codes)
    assert {row["sector"] for row in mccs} == set(taxonomy()["sectors"])
    used = set()
    for row in mccs:
        assert set(row) == MCC_KEYS, row["mcc"]
        assert set(row["channel_mix"]) == set(row["demand_class"]) == set(CHANNELS)
        assert sum(row["channel_mix"].values()) == 1000 and min(row["channel_mix"].values()) >= 0
        assert (
            row["share_weight"] > 0
            and row["ticket"]["median_minor"] > 0
            and 0.3 <= row["ticket"]["sigma"] <= 1.6
        )
        assert 10 <= row["multi_site_permille"] <= 250 and 3 <= row["site_mean"] <= 60
        for law in row["virtual"].values():
            assert set(law) == {"hybrid", "virtual_only"} and 0 <= law["hybrid"] + law["virtual_only"] <= 1000
        assert row["virtual"]["mixed"]["virtual_only"] == 0
        used |= {row["demand_class"][channel] for channel in CHANNELS if row["channel_mix"][channel] > 0}
    assert used == CLASSES


def test_taxonomy_in_the_large() -> None:
    """Nine merchants in ten have one site; most are card present; some are virtual."""
    mccs = taxonomy()["mccs"]
    weight = sum(row["share_weight"] for row in mccs)
    multi = sum(row["share_weight"] * row["multi_site_permille"] for row in mccs) / weight
    assert 60 <= multi <= 130  # single-outlet share 0.87 .. 0.94, with room above the gate's 0.85
    present = sum(row["share_weight"] * row["channel_mix"]["card_present"] for row in mccs) / weight
    assert 600 <= present <= 800
    virtual_only = sum(
        row["share_weight"]
        * row["channel_mix"]["card_not_present"]
        * row["virtual"]["card_not_present"]["virtual_only"]
        for row in mccs
    )
    assert 30 <= virtual_only / weight / 1000 <= 120


def test_classes_are_the_ten_with_every_key() -> None:
    assert set(classes()) == CLASSES
    for law in classes().values():
        assert set(law) == {
            "weekly_volume_per_site_median", "site_sigma", "day_weights", "weekend_factor", "shape",
            "minute_of_hour_profile",
        }  # fmt: skip
        assert law["weekly_volume_per_site_median"] > 0 and 0.5 <= law["site_sigma"] <= 1.3
        assert len(law["day_weights"]) == 7 and min(law["day_weights"]) > 0 and law["weekend_factor"] > 0
        assert len(law["minute_of_hour_profile"]) == 12 and all(
            isinstance(slot, int) and slot > 0 for slot in law["minute_of_hour_profile"]
        )
        assert set(law["shape"]) == set(CHANNELS)
        for shape in law["shape"].values():
            assert shape["floor"] > 0 and shape["peaks"]
            assert all(
                0 <= peak["minute"] < 1440 and peak["sigma"] > 0 and peak["amp"] > 0
                for peak in shape["peaks"]
            )


@pytest.mark.parametrize("name", sorted(CLASSES))
def test_daily_shapes(name: str) -> None:
    """Channels differ; no step at midnight; online peaks 10 to 22 h and is lowest 3 to 5 h;
    everyone sleeps.
    """
    shapes = {channel: day(classes()[name]["shape"][channel]) for channel in CHANNELS}
    apart = (
        sum(abs(a - b) for a, b in zip(shapes["card_present"], shapes["card_not_present"], strict=True)) / 2
    )
    assert apart >= 0.04, apart
    for channel, hours in shapes.items():
        assert max(hours[0], hours[23]) <= 4.5 * min(hours[0], hours[23]), channel
        # three in the morning is the quiet of the night, floor or not
        assert hours[3] <= 1.6 * min(hours), channel
        assert sum(hours[1:6]) <= 0.16, channel
        if name.startswith("online"):
            assert 10 <= hours.index(max(hours)) < 22 and 3 <= hours.index(min(hours)) <= 5, channel
            assert sum(hours[:6]) <= 0.13, channel
    present = shapes["card_present"]
    if name == "office_hours":
        assert sum(present[8:18]) >= 0.9
    if name == "evening_weekend":
        assert 18 <= present.index(max(present)) <= 21


def test_weekly_shapes() -> None:
    """Share of the week on a Saturday-Sunday weekend: offices little, evenings out much."""

    def weekend(name: str) -> float:
        law = classes()[name]
        weights = [
            weight * (law["weekend_factor"] if index >= 5 else 1.0)
            for index, weight in enumerate(law["day_weights"])
        ]
        return sum(weights[5:]) / sum(weights)

    assert weekend("office_hours") < 0.12 < weekend("bills_utilities") < 0.18
    assert 0.34 < weekend("evening_weekend") < 0.45 and 0.26 < weekend("consumer_daytime") < 0.30 < weekend(
        "travel_hospitality"
    )
