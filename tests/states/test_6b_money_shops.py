"""6B.S9: every merchant has prices where it sells; levels, bounds, tips, pumps, users' medians, refusals."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, config, merchants, vocabularies

from sim.ground.errors import ContractError
from sim.recipes.supplied import SUPPLIED_DTYPES, nothing_supplied
from sim.segments.flows_6b.s9_shops import state as s9_shops
from sim.state.frames import Frame
from sim.state.program import Program

LAW = config("layer3/6B/price_law.yaml")
PROGRAM = Program.of(s9_shops)


def code(vocabulary: str, value: str) -> int:
    return vocabularies()[vocabulary].index(value)


def world(catalogue: Frame, supplied: Frame | None = None, **changes: Any) -> MemoryWorld:
    made = MemoryWorld(
        {
            "price_law_6B": copy.deepcopy(LAW) | changes,
            "exchange_rates_config_6B": config("layer3/6B/exchange_rates.yaml"),
            "settlement_law_6B": config("layer3/6B/settlement_law.yaml"),
            "mcc_taxonomy_1A": config("layer1/1A/mcc_taxonomy.yaml"),
            "scenario_horizon_5A": config("layer2/5A/scenario_horizon.yaml"),
        }
    )
    abroad = np.where(np.arange(len(catalogue)) % 9 == 0, code("country", "US"), catalogue.home_country_iso)
    outlets = Frame({"merchant_id": catalogue.merchant_id, "legal_country_iso": abroad.astype(np.int16)})
    made.store.parts |= {
        "merchant_catalogue_1A": [catalogue],
        "merchant_supplied_1A": [nothing_supplied() if supplied is None else supplied],
        "outlet_catalogue": [outlets],
    }
    return made


def given(catalogue: Frame, row: int, ticket: float) -> Frame:
    """One merchant of the user's with a median of its own."""
    rows = {name: np.zeros(1, dtype=kind) for name, kind in SUPPLIED_DTYPES.items()}
    rows |= {"merchant_id": catalogue.merchant_id[[row]], "ticket_median": np.array([ticket])}
    absent = ("merchant_ref", "name", "law_mcc", "demand_class", "weekly_volume", "open_from_minute")
    valid = {name: np.zeros(1, dtype=bool) for name in (*absent, "open_to_minute")}
    return Frame(rows, valid | {"ticket_median": np.ones(1, dtype=bool)})


def test_every_merchant_has_prices_at_home_and_where_it_has_outlets():
    catalogue = merchants(3000)
    made = world(catalogue)
    rows = made.run(PROGRAM)["shop_prices_6B"]
    assert made.failed() == []
    assert np.unique(rows.merchant_id).tolist() == catalogue.merchant_id.tolist()
    home = dict(zip(catalogue.merchant_id.tolist(), catalogue.home_country_iso.tolist(), strict=True))
    pairs = set(zip(rows.merchant_id.tolist(), rows.country_iso.tolist(), strict=True))
    assert set(home.items()) <= pairs
    assert len(pairs) == len(rows) > len(home)
    # Medians of a trade in one country are those of the taxonomy, in that country's money.
    dollars = np.exp(rows.log_median)[rows.currency == code("currency", "USD")]
    assert 2000 < np.median(dollars) < 9000


def test_pumps_ask_beforehand_and_tips_are_local():
    rows = world(merchants(6000)).run(PROGRAM)["shop_prices_6B"]
    assert ((rows.hold_minor > 0) == (rows.mcc == 5542)).all()
    here = (rows.country_iso == code("country", "US")) & (rows.mcc == 5812)
    assert here.sum() > 5 and set(rows.tip_permille[here].tolist()) == {850} and rows.tip_later[here].all()
    assert not rows.tip_later[rows.country_iso != code("country", "US")][::1].any()
    assert set(rows.tip_permille[rows.mcc == 5411].tolist()) == {0}
    assert set(rows.price_class[rows.mcc == 6011].tolist()) == {code("price_class", "CASH")}


def test_prices_that_recur_change_as_often_as_the_law_says():
    rows = world(merchants(6000), change={"permille": 500, "low": 30, "high": 180}).run(PROGRAM)[
        "shop_prices_6B"
    ]
    some = rows.present("change_date")
    assert abs(some.mean() - 0.5) < 0.04
    assert (rows.change_log[some] > 0.029).all() and (rows.change_log[some] < 0.166).all()
    assert not rows.change_log[~some].any()


def test_a_users_median_is_the_median_at_home():
    catalogue = merchants(50)
    catalogue = catalogue.with_columns(home_country_iso=np.full(50, code("country", "JP"), np.int16))
    rows = world(catalogue, given(catalogue, 7, 1234.0)).run(PROGRAM)["shop_prices_6B"]
    mine = rows.merchant_id == catalogue.merchant_id[7]
    assert abs(np.exp(rows.log_median[mine]) - 1234.0).max() < 1e-6


def test_each_price_level_moves_its_country_alone():
    catalogue = merchants(1000)
    before = world(catalogue).run(PROGRAM)["shop_prices_6B"]
    after = world(catalogue, price_level=LAW["price_level"] | {"IN": 0.6}).run(PROGRAM)["shop_prices_6B"]
    moved = before.log_median != after.log_median
    assert (moved == (before.country_iso == code("country", "IN"))).all() and moved.any()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"class_of_sector": {"health": "BILL"}}, "VOCABULARY_MISMATCH"),
        ({"class_of_mcc": {"5411": "CHEAP"}}, "PRICES_INVALID"),
        ({"change": {"permille": 1, "low": 9, "high": 8}}, "PRICES_INVALID"),
        ({"grains": {"XXX": 5}}, "PRICES_INVALID"),
        ({"price_level": {"QQ": 1.0}}, "PRICES_INVALID"),
        ({"price_level_of_income": {"HIGH": 1.0}}, "PRICES_INVALID"),
        ({"classes": LAW["classes"] | {"MENU": LAW["classes"]["MENU"] | {"whole": 900}}}, "PRICES_INVALID"),
    ],
)
def test_refuses_a_law_that_contradicts_itself(changes, error):
    with pytest.raises(ContractError, match=error):
        PROGRAM.preflight(world(merchants(3), **changes).context(s9_shops.STATE))


@pytest.mark.parametrize(
    ("check", "counter"),
    [
        ("every merchant has prices", "merchants"),
        ("every shop has a class", "shops"),
        ("bounds leave room for prices", "wrong_bounds"),
    ],
)
def test_each_check_can_fail(check, counter):
    made = world(merchants(30))
    made.run(PROGRAM)
    assert not made.check_with(s9_shops, check, {counter: 1}).passed
