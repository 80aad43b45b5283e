"""5A.S1 to S3: volumes recomputed one by one, exact shapes, hours by name."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from sim.backends import get_backend
from sim.ground.errors import ContractError, ValidationError
from sim.segments.intensity_5a.masses import shares, weekend_hours
from tests.states.demand_world import PROGRAMS, DemandWorld, code, packs, upstream
from tests.states.memory_world import config, vocabularies
from tests.totals import altered

KERNELS = get_backend("cpu").kernels
CLASSES = config("layer2/5A/demand_classes.yaml")["classes"]
POLICY = config("layer2/5A/demand_policy.yaml")
TAXONOMY = {row["mcc"]: row["demand_class"] for row in config("layer1/1A/mcc_taxonomy.yaml")["mccs"]}


@cache
def world() -> DemandWorld:
    made = DemandWorld(upstream(150))
    for state in ("5A.S1", "5A.S2", "5A.S6", "5A.S3"):
        made.run(state)
        assert all(check.passed for check in made.checks.values()), made.checks
    return made


def frame(name: str):
    return world().store.load(name)


def names(vocabulary: str, codes) -> list[str]:
    return [vocabularies()[vocabulary][value] for value in codes.tolist()]


def test_every_volume_recomputed():
    """The profile from its definition, one merchant at a time;
    only the virtual scale is taken from the rows.
    """
    up = world().store
    merchants = up.load("merchant_catalogue_1A")
    modes = up.load("virtual_classification_3B")
    sites, edges, profile = (
        up.load("s4_group_weights_2B"),
        up.load("edge_group_weights_3B"),
        frame("merchant_zone_profile_5A"),
    )
    expected = {}
    scales = {}
    for row, merchant in enumerate(merchants.merchant_id.tolist()):
        channel = names("channel", merchants.channel[row : row + 1])[0]
        own, online = (TAXONOMY[int(merchants.mcc[row])][name] for name in (channel, "card_not_present"))
        share = float(modes.virtual_share[row])
        common = (
            float(merchants.brand_factor[row])
            * POLICY["channel_multiplier"][channel]
            * POLICY["volume_scale"]
        )
        mine = np.flatnonzero(sites.merchant_id == merchant)
        scale = sum(sites.site_scale_q[mine].tolist()) / 2**20
        outlets = np.array([float(max(1, int(sites.sites[mine].sum())))])
        scale *= float(KERNELS.exp_map(x=POLICY["chain_premium"] * KERNELS.log_map(x=outlets))[0])
        physical = CLASSES[own]["weekly_volume_per_site_median"] * common * scale * (1.0 - share)
        for group in mine.tolist():
            key = (merchant, int(sites.legal_country_iso[group]), int(sites.tzid[group]))
            expected.setdefault(key, [channel, own, online, 0.0, 0])[3] = physical * (
                int(sites.weight_q[group]) / 2**40
            )
        if share > 0.0:
            for group in np.flatnonzero(edges.merchant_id == merchant).tolist():
                key = (merchant, int(edges.country_iso[group]), int(edges.tzid[group]))
                expected.setdefault(key, [channel, own, online, 0.0, 0])[4] = int(edges.weight_q[group])
    expected = {key: value for key, value in expected.items() if value[3] > 0.0 or value[4] > 0}
    found = [
        tuple(key)
        for key in zip(
            *(profile[name].tolist() for name in ("merchant_id", "legal_country_iso", "tzid")), strict=True
        )
    ]
    assert found == sorted(expected)
    for row, key in enumerate(found):
        channel, own, online, physical, weight = expected[key]
        virtual = float(profile.virtual_volume[row])
        assert float(profile.physical_volume[row]) == physical
        assert (virtual > 0.0) == (weight > 0)
        if weight:
            scales.setdefault(key[0], set()).add(round(virtual / weight * 2**40, 6))
        assert float(profile.weekly_volume_expected[row]) == physical + virtual
        assert float(profile.virtual_share[row]) == virtual / (physical + virtual)
        assert names("demand_class", profile.demand_class[row : row + 1])[0] == (
            online if virtual > physical else own
        )
        assert names("channel", profile.channel_group[row : row + 1])[0] == channel
    assert len(scales) == world().store.load("virtual_classification_3B").virtual_share.astype(bool).sum()
    assert all(len(values) == 1 for values in scales.values()), (
        "virtual volume follows the edge weights of its merchant"
    )


def test_mixed_keys_occur():
    share = frame("merchant_zone_profile_5A").virtual_share
    assert (share == 0.0).any() and (share == 1.0).any() and ((share > 0.0) & (share < 1.0)).any()


def test_profile_of_a_merchant_does_not_know_the_others():
    whole = frame("merchant_zone_profile_5A")
    up = upstream(150)
    kept = up["merchant_catalogue_1A"].merchant_id[::3]
    fewer = {
        name: rows.take(np.isin(rows.merchant_id, kept)) if "merchant_id" in rows else rows
        for name, rows in up.items()
    }
    alone = DemandWorld(fewer)
    alone = alone.run("5A.S1")[("merchant_zone_profile_5A", None)]
    rows = whole.take(np.isin(whole.merchant_id, kept))
    assert all(np.array_equal(rows[name], alone[name]) for name in rows)


def test_shapes_sum_to_one_and_follow_their_formula():
    shape = frame("class_zone_shape_5A")
    assert shape.shape_value.tolist() == [value / 2**40 for value in shape.shape_q.tolist()]
    weeks = shape.shape_q.reshape(10, 3, 5, 168)
    assert (weeks.sum(axis=3) == 2**40).all()
    for label, law in CLASSES.items():
        for channel, day in law["shape"].items():
            hours = [0.0] * 24
            for minute in range(1440):
                for peak in day["peaks"]:
                    apart = abs(minute + 0.5 - peak["minute"])
                    hours[minute // 60] += (
                        peak["amp"]
                        * math.exp(-(min(apart, 1440 - apart) ** 2) / (2 * peak["sigma"] ** 2))
                        / 60
                    )
            for rule, weekend in POLICY["weekend_rules"].items():
                week = [
                    law["day_weights"][at]
                    * (law["weekend_factor"] if at + 1 in weekend else 1.0)
                    * (hour + day["floor"])
                    for at in range(7)
                    for hour in hours
                ]
                found = weeks[
                    code("demand_class", label), code("channel", channel), code("weekend_rule", rule)
                ]
                off = max(
                    abs(int(got) - value / math.fsum(week) * 2**40)
                    for got, value in zip(found, week, strict=True)
                )
                assert off < 64, (label, channel, rule, off)


def test_weekend_mass_moves_with_the_rule():
    weeks = frame("class_zone_shape_5A").shape_q.astype(np.int64).reshape(10, 3, 5, 7, 24).sum(axis=4)
    offices = weeks[code("demand_class", "office_hours"), 0]
    rules = POLICY["weekend_rules"]
    for rule, weekend in rules.items():
        quiet = sorted(np.argsort(offices[code("weekend_rule", rule)])[: len(weekend)] + 1)
        assert quiet == weekend, rule


def test_no_step_at_midnight():
    """Sunday 23 h to Monday 0 h and every other midnight: no jump beyond twice the steepest step inside the
    day.
    """
    weeks = frame("class_zone_shape_5A").shape_value.reshape(150, 7, 24)
    for week in weeks:
        day = week[1]
        steepest = np.abs(np.diff(day)).max()
        assert abs(week[1, 23] - week[2, 0]) <= 2 * steepest


def test_shares_of_a_known_week():
    mass = np.zeros((1, 1, 168), dtype=np.int64)
    mass[0, 0, [5, 12, 36, 6 * 24 + 12]] = [1, 2, 3, 4]  # Monday 5 h and 12 h, Tuesday 12 h, Sunday 12 h
    assert shares(mass, mass, weekend_hours([(6, 7)])).tolist() == [[400_000, 100_000, 900_000]]


@pytest.mark.parametrize(
    ("state", "override", "error"),
    [
        (
            "5A.S1",
            {"mcc_taxonomy_1A__mccs": config("layer1/1A/mcc_taxonomy.yaml")["mccs"][:3]},
            "5A.S1.MCC_UNKNOWN",
        ),
        ("5A.S6", {"demand_policy_5A__weekend_rules": {"SAT_SUN": [6, 7]}}, "5A.S6.WEEKEND_UNKNOWN"),
        ("5A.S6", {"merchant_hours_5A__trades__sectors": {}}, "5A.S6.TRADE_UNKNOWN"),
    ],
)
def test_what_config_does_not_cover_is_refused(state, override, error):
    made = DemandWorld(upstream(20))
    for name in PROGRAMS:
        if name == state:
            break
        made.run(name)
    made = DemandWorld({key[0]: frames[0] for key, frames in made.store.parts.items()}, packs(**override))
    with pytest.raises(ContractError, match=error.replace(".", r"\.")):
        made.run(state)


def test_a_classification_of_other_merchants_is_refused():
    up = upstream(20)
    up["virtual_classification_3B"] = up["virtual_classification_3B"].slice(0, 19)
    with pytest.raises(ValidationError, match=r"5A\.S1\.MERCHANTS_DIFFER"):
        DemandWorld(up).run("5A.S1")


@pytest.mark.parametrize(
    ("state", "override", "check"),
    [
        ("5A.S1", {"realism_gates_5A__max_weekly_volume": 1.0}, "largest weekly volume"),
        ("5A.S2", {"realism_gates_5A__online__peak_hour": {"from": 0, "to": 2}}, "hours of online_24h mixed"),
        ("5A.S2", {"realism_gates_5A__channel_distance_permille": 900}, "channels differ"),
    ],
)
def test_gates_turn_red(state, override, check):
    made = DemandWorld(upstream(20), packs(**override))
    made.run(state)
    assert not made.checks[check].passed


@pytest.mark.parametrize(
    ("state", "total", "value", "check"),
    [
        ("5A.S1", "virtual_merchants", 3, "ledger 5A.virtual_scale"),
        ("5A.S1", "uncovered_pairs", 1, "every merchant-country with weight has demand"),
        ("5A.S2", "bad_sums", 1, "shapes sum to 1"),
        ("5A.S6", "clocks", 0, "ledger 5A.merchant_clock"),
        ("5A.S6", "never_open", 1, "every site opens"),
        ("5A.S6", "card_present", np.array([10**6, 10**6]), "merchants with a closed weekday"),
        ("5A.S3", "bad_weeks", 1, "weekly mass of every key"),
        ("5A.S3", "sold_closed", 1, "sites sell while open"),
        ("5A.S3", "night_volume", 1, "trades that sleep"),
        ("5A.S3", "squares", np.full(10, 10**12), "clocks of a class differ"),
    ],
)
def test_checks_turn_red(state, total, value, check):
    made = DemandWorld(upstream(150))
    for name in PROGRAMS:
        made.run(name)
        if name == state:
            break
    program = PROGRAMS[state]
    results = {
        result.name: result
        for result in program.checks(made.context(program), altered(made.totals, {total: value}))
    }
    assert not results[check].passed and all(
        result.passed for name, result in results.items() if name != check
    )
