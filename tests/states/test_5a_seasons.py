"""5A.S8: seasons of trades on their days, in their countries; what they do to demand; refusals."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from sim.ground.errors import ContractError
from sim.segments.intensity_5a import s8_trade_seasons
from sim.state.frames import Frame
from tests.states.demand_world import BASELINE, ETERNAL, PROGRAMS, DemandWorld, code, packs, upstream
from tests.states.memory_world import config

SEASONS = config("layer2/5A/trade_seasons.yaml")["seasons"]
STILL = {key: value for key, value in ETERNAL.items() if not key.startswith("trade")}
BARE = {"scenarios_5A__scenarios__baseline_v1": {"band": "baseline", "overlays": [], "windows": []}}


def trades(mcc: int, countries: list[str]) -> dict[str, Frame]:
    """Card-present merchants of one category, one in each country."""
    up = upstream(len(countries))
    count = len(up["merchant_catalogue_1A"])
    assert count == len(countries)
    ids = up["merchant_catalogue_1A"].merchant_id
    up["merchant_catalogue_1A"] = up["merchant_catalogue_1A"].with_columns(
        mcc=np.full(count, mcc, np.uint16), channel=np.zeros(count, np.int16)
    )
    up["virtual_classification_3B"] = up["virtual_classification_3B"].with_columns(
        virtual_mode=np.zeros(count, np.int16), virtual_share=np.zeros(count)
    )
    up["s4_group_weights_2B"] = Frame(
        {
            "merchant_id": ids,
            "legal_country_iso": np.array([code("country", iso) for iso in countries], np.int16),
            "tzid": np.full(count, code("tzid", "Europe/Berlin"), np.int16),
            "sites": np.ones(count, np.uint32),
            "weight_q": np.full(count, 2**40, np.uint64),
            "site_scale_q": np.full(count, 1 << 20, np.uint64),
        }
    )
    up["edge_group_weights_3B"] = up["edge_group_weights_3B"].slice(0, 0)
    return up


def table(mcc: int, countries: list[str], start: str, end: str) -> dict[tuple[str, str], float]:
    """(country, day) -> factor of a category over a horizon."""
    documents = packs(scenario_horizon_5A__start=start, scenario_horizon_5A__end=end)
    made = DemandWorld(trades(mcc, countries), documents)
    made.run("5A.S1")
    rows = made.run("5A.S8")[("s8_trade_seasons_5A", None)]
    assert set(rows.mcc.tolist()) <= {mcc}
    names = {code("country", iso): iso for iso in countries}
    days = [str(date(1970, 1, 1) + timedelta(days=day)) for day in rows.date.tolist()]
    return {
        (names[iso], day): factor
        for iso, day, factor in zip(rows.legal_country_iso.tolist(), days, rows.factor.tolist(), strict=True)
    }


def test_florists_have_their_days():
    found = table(5992, ["DE", "FR", "GB", "US"], "2026-02-02", "2026-06-15")
    everywhere = {(iso, day): f for iso in ("DE", "FR", "GB", "US") for day, f in VALENTINE.items()}
    assert found == everywhere | {
        ("DE", "2026-05-10"): 4.0,
        ("DE", "2026-05-09"): 2.5,
        ("US", "2026-05-10"): 4.0,
        ("US", "2026-05-09"): 2.5,
        ("FR", "2026-05-31"): 4.0,
        ("GB", "2026-03-15"): 4.0,
        ("GB", "2026-03-14"): 2.5,
    }


VALENTINE = {"2026-02-13": 2.2, "2026-02-14": 4.0}


def test_summers_are_where_they_are_and_other_trades_have_none():
    found = table(5261, ["AU", "DE"], "2026-01-01", "2027-01-01")
    assert {day[5:7] for iso, day in found if iso == "DE"} == {"04", "05", "06"}
    assert {day[5:7] for iso, day in found if iso == "AU"} == {"10", "11", "12"}
    # The horizon's first local day may be the last of the year before.
    assert set(found.values()) == {2.0} and len([day for _, day in found if day >= "2026"]) == 91 + 92
    assert table(5411, ["AU", "DE"], "2026-01-01", "2027-01-01") == {}


def test_demand_is_the_week_times_the_season_of_its_day():
    """Every hour of a German florist over Valentine's day, without overlays."""
    horizon = {"scenario_horizon_5A__start": "2026-02-10", "scenario_horizon_5A__end": "2026-02-18"}
    made = DemandWorld(trades(5992, ["DE"]), packs(**{**horizon, **STILL, **BARE}))
    for state in PROGRAMS:
        made.run(state)
    base = made.store.load("merchant_zone_baseline_local_5A").lambda_local_base
    local = made.store.load("merchant_zone_scenario_local_5A", BASELINE)
    clock = made.store.load("scenario_zone_calendar_5A", BASELINE)
    berlin = int(np.searchsorted(clock.tzid, code("tzid", "Europe/Berlin")))
    hours = int(clock.local_origin[berlin]) // 3_600_000_000 + local.local_bucket_index.astype(np.int64)
    day = [str(date(1970, 1, 1) + timedelta(days=hour // 24)) for hour in hours.tolist()]
    factor = np.array([VALENTINE.get(one, 1.0) for one in day])
    assert np.array_equal(local.lambda_local_scenario, base[(hours + 72) % 168] * factor)
    assert local.lambda_local_scenario[factor == 4.0].sum() > 0.0


@pytest.mark.parametrize(
    ("season", "error"),
    [
        ({"countries": ["XX"]}, "COUNTRY_UNKNOWN"),
        ({"anchor": {"kind": "feast", "feast": "easter", "offset_days": 0}}, "FEAST_UNKNOWN"),
    ],
)
def test_refusals(season, error):
    documents = packs(trade_seasons_5A__seasons={"toys": {**SEASONS["toys"], **season}})
    with pytest.raises(ContractError, match=error):
        s8_trade_seasons.preflight(DemandWorld({}, documents).context(PROGRAMS["5A.S8"]))


def test_seasons_that_pile_up_turn_red():
    twice = {name: {**SEASONS["valentines_day_flowers"], "factor": 3.0} for name in ("one", "other")}
    horizon = {"scenario_horizon_5A__start": "2026-02-10", "scenario_horizon_5A__end": "2026-02-18"}
    made = DemandWorld(trades(5992, ["DE"]), packs(trade_seasons_5A__seasons=twice, **horizon))
    made.run("5A.S1")
    rows = made.run("5A.S8")[("s8_trade_seasons_5A", None)]
    assert rows.factor.tolist() == [9.0] and not made.checks["seasons within bounds"].passed
