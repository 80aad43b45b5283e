"""Recurring payments: what of each key's demand they are, in which hours, and what the checks find."""

from functools import cache

import numpy as np
import pytest

from sim.backends import get_backend
from sim.segments.intensity_5a import s6_merchant_hours
from tests.states.demand_world import DemandWorld, packs, upstream
from tests.states.memory_world import config

PROFILE, CLOCKS, BASELINE = (
    "merchant_zone_profile_5A",
    "s6_merchant_clocks_5A",
    "merchant_zone_baseline_local_5A",
)
LAW = config("layer2/5A/recurring_payments.yaml")


def built(merchants: int = 200, **overrides) -> DemandWorld:
    made = DemandWorld(upstream(merchants), packs(**overrides))
    for state in ("5A.S1", "5A.S2", "5A.S6", "5A.S3"):
        made.run(state)
    return made


@cache
def world() -> DemandWorld:
    made = built()
    assert all(check.passed for check in made.checks.values()), made.checks
    return made


def test_a_batch_begins_at_an_hour_by_the_weights():
    made, kernels = world(), get_backend("cpu").kernels
    ctx = made.context(type("P", (), {"state": s6_merchant_hours.STATE})())
    clocks = made.store.load(CLOCKS)
    names = ctx.vocabulary("country")
    letters = np.array(
        [int.from_bytes(names[place].encode(), "big") for place in clocks.legal_country_iso.tolist()],
        dtype=np.uint64,
    )
    at = ctx.address("5A.merchant_clock", country_letters=letters, merchant_id=clocks.merchant_id)
    _, tenth = kernels.philox_block(key=ctx.stream("5A.merchant_clock"), c0=at.c0 + np.uint64(4), c1=at.c1)
    upper = np.cumsum(LAW["begins_weights"])
    expected = [
        next(hour for hour, most in enumerate(upper) if chance * upper[-1] < most)
        for chance in kernels.open_uniform(x=tenth).tolist()
    ]
    assert clocks.batch_hour.tolist() == expected
    assert set(expected) == set(range(len(upper)))


def test_what_recurs_is_the_trade_s_share_of_online_demand_in_the_batch_of_each_night():
    made = world()
    profile, clocks, merchants = (
        made.store.load(name) for name in (PROFILE, CLOCKS, "merchant_catalogue_1A")
    )
    week = made.store.load(BASELINE)
    rate, recurring, virtual = (
        week[name].reshape(len(profile), 168)
        for name in ("lambda_local_base", "recurring_share", "virtual_share")
    )
    batch = {
        (owner, place): hour
        for owner, place, hour in zip(
            clocks.merchant_id.tolist(),
            clocks.legal_country_iso.tolist(),
            clocks.batch_hour.tolist(),
            strict=True,
        )
    }
    mcc = dict(zip(merchants.merchant_id.tolist(), merchants.mcc.tolist(), strict=True))
    seen = 0
    for row, owner in enumerate(profile.merchant_id.tolist()):
        share = LAW["mccs"].get(str(mcc[owner]), 0) / 1000 * float(profile.virtual_share[row])
        begin = batch[owner, int(profile.legal_country_iso[row])]
        night = [0.0] * 24
        for later, weight in enumerate(LAW["spread_weights"]):
            night[begin + later] = weight / sum(LAW["spread_weights"]) / 7
        expected = float(profile.weekly_volume_expected[row]) * share * np.array(night * 7)
        found = rate[row] * recurring[row]
        assert np.abs(found - expected).max() <= 1e-12 * max(1.0, expected.max())
        assert (recurring[row] <= virtual[row]).all()
        seen += share > 0.0
    assert seen > 10
    assert np.abs(rate.sum(axis=1) / profile.weekly_volume_expected - 1.0).max() < 1e-12


@pytest.mark.parametrize(
    ("overrides", "red"),
    [
        ({"begins_weights": [1] * 12}, "recurring payments by night"),
        ({"mccs": dict.fromkeys(LAW["mccs"], 0)}, "share of recurring payments"),
        ({"mccs": dict.fromkeys(range(10000), 1000)}, "share of recurring payments"),
    ],
)
def test_what_no_expert_believes_turns_red(overrides, red):
    made = built(
        1500,
        **{f"recurring_payments_5A__{key}": value for key, value in overrides.items()},
        realism_gates_5A__false_alarm_sigma=1.0,
    )
    assert not made.checks[red].passed


def test_a_user_s_merchants_are_not_judged():
    up = upstream(200)
    merchants = up["merchant_catalogue_1A"]
    count = len(merchants)
    given = up["merchant_supplied_1A"]
    nothing = {
        name: np.zeros(count, dtype=array.dtype) if array.dtype != object else np.full(count, "", object)
        for name, array in given.items()
    }
    absent = {
        name: np.zeros(count, dtype=np.bool_) for name in nothing if name not in ("merchant_id", "rows")
    }
    up["merchant_supplied_1A"] = type(given)(nothing | {"merchant_id": merchants.merchant_id}, absent)
    made = DemandWorld(up, packs(recurring_payments_5A__mccs={}))
    for state in ("5A.S1", "5A.S2", "5A.S6", "5A.S3"):
        made.run(state)
    assert made.checks["share of recurring payments"].passed
    assert made.checks["share of recurring payments"].found == 0.0
