"""5A.S7 and what it does to demand: openings, ramps, growth, closings; a user's merchants."""

from __future__ import annotations

import math
from datetime import date

import numpy as np
import pytest

from sim.backends import get_backend
from sim.recipes.supplied import SUPPLIED_DTYPES
from sim.segments.intensity_5a import s7_merchant_life
from sim.state.frames import Frame
from tests.states.demand_world import BASELINE, ETERNAL, PROGRAMS, DemandWorld, packs, upstream
from tests.states.memory_world import config
from tests.totals import altered, figures

LIFE, LOCAL = "s7_merchant_life_5A", "merchant_zone_scenario_local_5A"
LAW = config("layer2/5A/merchant_life.yaml")
YEAR = {"scenario_horizon_5A__start": "2026-01-05", "scenario_horizon_5A__end": "2026-12-28"}
MONTH = {"scenario_horizon_5A__start": "2026-03-02", "scenario_horizon_5A__end": "2026-05-04"}
START = (date(2026, 1, 5) - date(1970, 1, 1)).days
BARE = {"scenarios_5A__scenarios__baseline_v1": {"band": "baseline", "overlays": [], "windows": []}}


def lives(up: dict[str, Frame], **overrides) -> tuple[DemandWorld, Frame]:
    made = DemandWorld(up, packs(**{**YEAR, **overrides}))
    return made, made.run("5A.S7")[(LIFE, None)]


def test_lives_are_their_draws():
    """Every merchant from the words at its address: ages and ends in whole days by the hazards, by `math`."""
    up = upstream(400)
    made, life = lives(up)
    assert all(check.passed for check in made.checks.values()), made.checks
    ctx = made.context(type("P", (), {"state": s7_merchant_life.STATE})())
    kernels = get_backend("cpu").kernels
    at = ctx.address("5A.merchant_life", merchant_id=life.merchant_id)
    key = ctx.stream("5A.merchant_life")
    first, second = kernels.philox_block(key=key, c0=at.c0, c1=at.c1)
    third, _ = kernels.philox_block(key=key, c0=at.c0 | np.uint64(1), c1=at.c1)
    u = [kernels.open_uniform(x=word) for word in (first, second, third)]
    owners, outlets = np.unique(up["outlet_catalogue"].merchant_id, return_counts=True)
    assert np.array_equal(owners, life.merchant_id)
    quarter, end = 365.25 / 4, START + 357
    opened_within = closed_within = 0
    for row, (age, rest) in enumerate(zip(u[0].tolist(), u[1].tolist(), strict=True)):
        rate = [-math.log(1 - LAW[name]) / quarter for name in ("openings_a_quarter", "closings_a_quarter")]
        opened = end - 1 - min(math.floor(-math.log(age) / rate[0]), int(LAW["oldest_years"] * 365.25))
        if outlets[row] > 1:
            opened = min(opened, START)
        closed = max(opened, START) + 1 + math.floor(-math.log(rest) / rate[1])
        assert life.opened_date[row] == opened
        if closed < end and outlets[row] == 1:
            assert life.valid["closed_date"][row] and life.closed_date[row] == closed > opened
            closed_within += 1
        else:
            assert not life.valid["closed_date"][row]
        opened_within += opened > START
    assert opened_within > 20 and closed_within > 20
    normal = kernels.normal_quantile_map(u=u[2])
    assert np.array_equal(life.growth, np.clip(normal, -3.0, 3.0) * LAW["growth_sigma"])


def test_demand_is_the_week_times_the_life_of_its_local_day():
    """Every local bucket of every key of a world without overlays."""
    up = upstream(40)
    busy = {"merchant_life_5A__openings_a_quarter": 0.6, "merchant_life_5A__closings_a_quarter": 0.5}
    made = DemandWorld(up, packs(**{**MONTH, **BARE, **busy, "trade_seasons_5A__seasons": {}}))
    for state in PROGRAMS:
        made.run(state)
    profile, life = made.store.load("merchant_zone_profile_5A"), made.store.load(LIFE)
    base = made.store.load("merchant_zone_baseline_local_5A").lambda_local_base.reshape(-1, 168)
    clocks, local = made.store.load("scenario_zone_calendar_5A", BASELINE), made.store.load(LOCAL, BASELINE)
    ramp, first, at, seen = LAW["ramp"], (date(2026, 3, 2) - date(1970, 1, 1)).days, 0, set()
    for row in range(len(profile)):
        own = int(np.searchsorted(life.merchant_id, profile.merchant_id[row]))
        zone = int(np.searchsorted(clocks.tzid, profile.tzid[row]))
        hours = int(clocks.local_origin[zone]) // 3_600_000_000 + np.arange(clocks.local_buckets[zone])
        for hour in hours.tolist():
            day, found = hour // 24, local.lambda_local_scenario[at]
            since = day - int(life.opened_date[own])
            factor = ramp["from"] + (1 - ramp["from"]) * (min(max(since, 0), ramp["days"]) / ramp["days"])
            drift = 1 + life.growth[own] * ((day - first) / 365.25)
            factor *= min(max(drift, 0.1), 3.0)
            closed = bool(life.valid["closed_date"][own]) and day >= life.closed_date[own]
            if since < 0 or closed:
                factor = 0.0
            assert found == base[row, (hour + 72) % 168] * factor
            seen.add("before" if since < 0 else "after" if closed else "ramp" if since < 42 else "life")
            at += 1
    assert at == len(local) and seen == {"before", "after", "ramp", "life"}


def test_what_a_user_brought_is_open_and_keeps_its_volume():
    up = upstream(60)
    ids = up["merchant_catalogue_1A"].merchant_id
    rows = {name: np.zeros(len(ids), dtype=dtype) for name, dtype in SUPPLIED_DTYPES.items()}
    rows |= {"merchant_id": ids, "merchant_ref": ids.astype(str).astype(object)}
    none = np.zeros(len(ids), dtype=np.bool_)
    nullable = set(SUPPLIED_DTYPES) - {"merchant_id", "merchant_ref", "rows"}
    rows["name"] = np.array([""] * len(ids), dtype=object)
    up["merchant_supplied_1A"] = Frame(rows, dict.fromkeys(nullable, none))
    _, life = lives(up, merchant_life_5A__openings_a_quarter=0.9, merchant_life_5A__closings_a_quarter=0.9)
    assert not life.valid["opened_date"].any() and not life.valid["closed_date"].any()
    assert not life.growth.any()


def test_a_merchant_lives_alone_as_among_others():
    up = upstream(90)
    kept = up["merchant_catalogue_1A"].merchant_id[::3]
    fewer = {
        name: rows.take(np.isin(rows.merchant_id, kept)) if "merchant_id" in rows else rows
        for name, rows in up.items()
    }
    (_, whole), (_, alone) = lives(up), lives(fewer)
    rows = whole.take(np.isin(whole.merchant_id, kept))
    assert all(np.array_equal(rows[name], alone[name]) for name in rows)


def test_nobody_opens_closes_or_grows_where_config_says_so():
    _, life = lives(upstream(50), **ETERNAL)
    assert (life.opened_date < START - 20_000).all() and not life.valid["closed_date"].any()
    assert not life.growth.any()


@pytest.mark.parametrize("name", ["openings", "closings"])
def test_too_many_or_too_few_turn_red(name):
    """A tenth of some thousand merchants a year open and close; twice as many do not pass, nor do none."""
    made, _ = lives(upstream(3000))
    program = PROGRAMS["5A.S7"]
    honest = figures(made.totals)[name]
    for wrong in (2 * honest, 0):
        results = program.checks(made.context(program), altered(made.totals, {name: wrong}))
        assert [one.name for one in results if not one.passed] == [name]
