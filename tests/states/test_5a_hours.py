"""5A.S6 and the own weeks of 5A.S3: clocks and opening hours, and what they do to a week."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.backends import get_backend
from sim.recipes.opening import WEEK_SLOTS, opening_of
from sim.recipes.supplied import SUPPLIED_DTYPES
from sim.state.frames import Frame
from tests.states.demand_world import DemandWorld, code, packs, upstream
from tests.states.memory_world import config, vocabularies

HOURS = config("layer2/5A/merchant_hours.yaml")
SECTOR = {row["mcc"]: row["sector"] for row in config("layer1/1A/mcc_taxonomy.yaml")["mccs"]}
CLOCKS, OPENING, PROFILE = "s6_merchant_clocks_5A", "s6_opening_hours_5A", "merchant_zone_profile_5A"
STILL = {
    "merchant_hours_5A__clock": {"phase_sigma_minutes": 0, "phase_limit_minutes": 0, "peak_ratio_sigma": 0},
    "merchant_hours_5A__country_shift_minutes": {},
    "recurring_payments_5A__mccs": {},
}


def built(up: dict[str, Frame], **overrides) -> DemandWorld:
    made = DemandWorld(up, packs(**overrides))
    for state in ("5A.S1", "5A.S2", "5A.S6", "5A.S3"):
        made.run(state)
        assert all(check.passed for check in made.checks.values()), made.checks
    return made


@cache
def world() -> DemandWorld:
    return built(upstream(300))


def law(mcc: int) -> dict:
    return HOURS["trades"]["sectors"][SECTOR[mcc]] | HOURS["trades"]["mccs"].get(str(mcc), {})


def merchants_of(made: DemandWorld, frame: Frame) -> tuple[np.ndarray, list[str]]:
    catalogue = made.store.load("merchant_catalogue_1A")
    mcc = catalogue.mcc[np.searchsorted(catalogue.merchant_id, frame.merchant_id)]
    return mcc, [vocabularies()["country"][value] for value in frame.legal_country_iso.tolist()]


def test_hours_keep_the_bounds_of_their_trade_and_days_of_rest_are_closed():
    made = world()
    clocks, hours = made.store.load(CLOCKS), made.store.load(OPENING)
    own = {
        (int(m), int(c)): (bool(a), int(bits))
        for m, c, a, bits in zip(
            clocks.merchant_id,
            clocks.legal_country_iso,
            clocks.always_open,
            clocks.closed_weekdays,
            strict=True,
        )
    }
    mcc, country = merchants_of(made, hours)
    prayer, short = HOURS["prayer_break"], HOURS["rest_day_hours"]
    praying = 0
    for row in range(len(hours)):
        always, bits = own[int(hours.merchant_id[row]), int(hours.legal_country_iso[row])]
        weekday, opens, closes = (
            int(hours[name][row]) for name in ("weekday", "opens_minute", "closes_minute")
        )
        assert not always and not bits >> (weekday - 1) & 1
        bounds = law(int(mcc[row]))
        on_short = country[row] in short["countries"] and weekday == 7 and bounds["rest_day_open"] == "retail"
        if on_short:
            assert (opens, closes) == (short["opens"], short["closes"])
        else:
            assert bounds["earliest"] <= opens < closes <= bounds["latest"]
        if country[row] in prayer["countries"] and weekday == prayer["weekday"]:
            assert closes <= prayer["from"] or opens >= prayer["to"]
            praying += 1
        assert opens % 30 == 0 and closes % 30 == 0
    assert praying > 0
    rest = {key for key, (always, _) in own.items() if not always}
    assert rest == set(zip(hours.merchant_id.tolist(), hours.legal_country_iso.tolist(), strict=True))


def test_clocks_are_their_draws():
    """Phase and peak ratio of every pair from the words at its address, by their definition."""
    made, kernels = world(), get_backend("cpu").kernels
    from sim.segments.intensity_5a import s6_merchant_hours

    ctx = made.context(type("P", (), {"state": s6_merchant_hours.STATE})())
    clocks = made.store.load(CLOCKS)
    mcc, country = merchants_of(made, clocks)
    letters = np.array([int.from_bytes(iso.encode(), "big") for iso in country], dtype=np.uint64)
    at = ctx.address("5A.merchant_clock", country_letters=letters, merchant_id=clocks.merchant_id)
    first, second = kernels.philox_block(key=ctx.stream("5A.merchant_clock"), c0=at.c0, c1=at.c1)
    normal = [kernels.normal_quantile_map(u=kernels.open_uniform(x=word)) for word in (first, second)]
    shift = [
        HOURS["country_shift_minutes"].get(iso, 0) * law(int(code))["shift"] / 1000
        for iso, code in zip(country, mcc, strict=True)
    ]
    expected = np.floor(np.clip(normal[0] * 45.0, -120.0, 120.0) + shift + 0.5)
    assert np.array_equal(clocks.phase_minutes, expected)
    ratio = kernels.lognormal_factor(
        x=second, mu=np.zeros(len(clocks)), sigma=np.full(len(clocks), HOURS["clock"]["peak_ratio_sigma"])
    )
    assert np.array_equal(clocks.peak_ratio, ratio)
    assert len(set(clocks.phase_minutes.tolist())) > 50


def test_without_clocks_and_closing_the_week_is_the_class_s():
    trades = {
        "sectors": {
            name: {**trade, "always_open": 1000} for name, trade in HOURS["trades"]["sectors"].items()
        },
        "mccs": {},
    }
    gates = {
        "realism_gates_5A__clock_hours": {"low": 0.0, "high": 9.0},
        "realism_gates_5A__resting_share": {
            name: {"low": 0.0, "high": 1.0} for name in ("europe", "elsewhere")
        },
        "realism_gates_5A__night": {"mccs": [1], "from": 22, "to": 6},
    }
    made = built(upstream(60), merchant_hours_5A__trades=trades, **STILL, **gates)
    profile, shape = made.store.load(PROFILE), made.store.load("class_zone_shape_5A").shape_value
    rates = made.store.load("merchant_zone_baseline_local_5A").lambda_local_base.reshape(len(profile), 168)
    weeks = shape.reshape(10, 3, 5, 168)[profile.demand_class, profile.channel_group]
    # One of the five weekend rules is the country's.
    expected = profile.weekly_volume_expected[:, None, None] * weeks
    apart = np.abs(rates[:, None, :] / expected - 1.0).max(axis=2).min(axis=1)
    assert apart.max() < 1e-6


def test_sites_sell_while_open_and_edges_all_week():
    made = world()
    profile, baseline = made.store.load(PROFILE), made.store.load("merchant_zone_baseline_local_5A")
    opening = opening_of(made.store.load(CLOCKS), made.store.load(OPENING))
    slots = opening.hours(opening.row_of(profile.merchant_id, profile.legal_country_iso))
    rate, virtual = (
        baseline[name].reshape(len(profile), 168) for name in ("lambda_local_base", "virtual_share")
    )
    for share, rows in (
        (0.0, profile.virtual_share == 0.0),
        (1.0, profile.virtual_share == 1.0),
        (0.5, (profile.virtual_share > 0.0) & (profile.virtual_share < 1.0)),
    ):
        assert rows.any()
        if share < 1.0:
            closed = slots[rows] == 0
            assert closed.any()
            assert ((rate[rows] == 0.0) == closed).all() if share == 0.0 else (rate[rows] > 0.0).all()
            assert (virtual[rows][closed] == (0.0 if share == 0.0 else 1.0)).all()
        else:
            assert (rate[rows] > 0.0).all() and (virtual[rows] == 1.0).all()
    mixed = (rate * virtual).sum(axis=1) / rate.sum(axis=1)
    assert np.abs(mixed - profile.virtual_share).max() < 1e-9
    assert np.abs(rate.sum(axis=1) / profile.weekly_volume_expected - 1.0).max() < 1e-12


def test_hours_a_user_gave_decide():
    up = upstream(40)
    ids = up["merchant_catalogue_1A"].merchant_id[:4]
    rows = {name: np.zeros(4, dtype=dtype) for name, dtype in SUPPLIED_DTYPES.items()}
    rows |= {
        "merchant_id": ids,
        "merchant_ref": np.array(list("abcd"), dtype=object),
        "name": np.array([""] * 4, dtype=object),
        "open_from_minute": np.array([550, 1320, 0, 600], np.uint16),
        "open_to_minute": np.array([1080, 120, 0, 0], np.uint16),
    }
    none = np.zeros(4, dtype=np.bool_)
    valid = dict.fromkeys(("name", "law_mcc", "demand_class", "weekly_volume", "ticket_median"), none)
    valid |= {"open_from_minute": ~none, "open_to_minute": np.array([True, True, True, False])}
    up["merchant_supplied_1A"] = Frame(rows, valid)
    made = built(up)
    clocks, hours, profile = (made.store.load(name) for name in (CLOCKS, OPENING, PROFILE))
    for number, (opens, closes) in enumerate([(550, 1080), (1320, 1560)]):
        mine = hours.take(hours.merchant_id == ids[number])
        if (profile.virtual_share[profile.merchant_id == ids[number]] < 1.0).any():
            assert set(mine.opens_minute.tolist()) == {opens} and set(mine.closes_minute.tolist()) == {closes}
    round_the_clock = clocks.take(clocks.merchant_id == ids[2])
    assert round_the_clock.always_open.all() and not round_the_clock.closed_weekdays.any()
    # With one of the two times alone the law decides.
    before = world_of_nobody()
    same = before.take(before.merchant_id == ids[3])
    now = hours.take(hours.merchant_id == ids[3])
    assert all(np.array_equal(same[name], now[name]) for name in same)


@cache
def world_of_nobody() -> Frame:
    return built(upstream(40)).store.load(OPENING)


def test_half_the_merchants_have_the_same_hours_alone():
    up = upstream(80)
    kept = up["merchant_catalogue_1A"].merchant_id[::2]
    half = {
        name: rows.take(np.isin(rows.merchant_id, kept)) if "merchant_id" in rows else rows
        for name, rows in up.items()
    }
    whole, alone = built(up), built(half)
    for table in (CLOCKS, OPENING, "merchant_zone_baseline_local_5A"):
        rows = whole.store.load(table)
        rows = rows.take(np.isin(rows.merchant_id, kept))
        assert all(np.array_equal(rows[name], alone.store.load(table)[name]) for name in rows)


DAY = st.tuples(st.integers(0, 287), st.integers(12, 288), st.booleans())


@given(st.lists(DAY, min_size=7, max_size=7), st.integers(0, WEEK_SLOTS - 1), st.sampled_from([3, 6, 12]))
def test_open_part_is_the_longest_open_run_of_slots(days, first, slots):
    """Against a week of flags; hours of neighbouring days do not overlap."""
    begin = [opens for opens, _, _ in days]
    week, rows = np.zeros(WEEK_SLOTS, dtype=np.int64), []
    for day, (opens, length, closed) in enumerate(days):
        # Until an hour before the next day's opening, at most.
        end = min(opens + length, 288 + begin[(day + 1) % 7] - 12)
        if closed or end <= opens:
            continue
        rows.append((day + 1, opens * 5, end * 5))
        week[(day * 288 + np.arange(opens, end)) % WEEK_SLOTS] = day + 1
    table = np.array(rows).reshape(-1, 3)
    one = {
        "merchant_id": np.array([7], dtype=np.uint64),
        "legal_country_iso": np.array([code("country", "DE")], dtype=np.int16),
    }
    clocks = Frame({**one, "always_open": np.array([False])})
    hours = Frame(
        {
            **{name: np.repeat(values, len(table)) for name, values in one.items()},
            "weekday": table[:, 0].astype(np.uint8),
            "opens_minute": table[:, 1].astype(np.uint16),
            "closes_minute": table[:, 2].astype(np.uint16),
        }
    )
    opening = opening_of(clocks, hours)
    low, high = opening.open_part(np.array([0]), np.array([first]), slots)
    seen = week[(first + np.arange(slots)) % WEEK_SLOTS]
    runs = [(int((seen == day).sum()), day) for day in set(seen.tolist()) - {0}]
    assert high[0] - low[0] == max(runs, default=(0, 0))[0]
    part = seen[low[0] : high[0]]
    assert len(set(part.tolist())) <= 1 and 0 not in part


@pytest.mark.parametrize("rest", [50, 950])
def test_shops_open_on_sundays_as_the_country_lets_them(rest):
    """Share of German shops open on Sunday; five sigma of 400 shops."""
    up = upstream(400)
    catalogue = up["merchant_catalogue_1A"]
    up["merchant_catalogue_1A"] = catalogue.with_columns(
        mcc=np.full(len(catalogue), 5651, np.uint16), channel=np.zeros(len(catalogue), np.int16)
    )
    weights = up["s4_group_weights_2B"]
    german = {"legal_country_iso": "country", "tzid": "tzid"}
    names = {"country": "DE", "tzid": "Europe/Berlin"}
    first = np.r_[True, np.diff(weights.merchant_id) != 0]
    up["s4_group_weights_2B"] = weights.take(first).with_columns(
        weight_q=np.full(int(first.sum()), 2**40, np.uint64),
        **{
            column: np.full(int(first.sum()), code(vocabulary, names[vocabulary]), np.int16)
            for column, vocabulary in german.items()
        },
    )
    modes = up["virtual_classification_3B"]
    up["virtual_classification_3B"] = modes.with_columns(
        virtual_mode=np.zeros(len(modes), np.int16), virtual_share=np.zeros(len(modes))
    )
    up["edge_group_weights_3B"] = up["edge_group_weights_3B"].slice(0, 0)
    made = DemandWorld(up, packs(merchant_hours_5A__rest_day_retail_permille__countries={"DE": rest}))
    made.run("5A.S1")
    hours = made.run("5A.S6")[(OPENING, None)]
    share = len(np.unique(hours.merchant_id[hours.weekday == 7])) / 400
    # One more weekday off a week falls on Sunday now and then.
    taken = HOURS["trades"]["sectors"]["general_retail"]["weekly_closing"]["europe"] / 1000 * 0.12
    expected = rest / 1000 * (1 - taken)
    assert abs(share - expected) < 5 * (expected * (1 - expected) / 400) ** 0.5
