"""Prices of rows: steps of the currency, endings, notes, tips, pumps, payments that recur, fees, Benford."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from memory_world import MemoryWorld, merchants, vocabularies
from test_6b_money_shops import LAW, code, world

from sim.segments.flows_6b.s5_flows import prices as pricing
from sim.segments.flows_6b.s5_flows.rows import NOBODY, Merchants
from sim.segments.flows_6b.s8_exchange import state as s8_exchange
from sim.segments.flows_6b.s9_shops import state as s9_shops
from sim.state.declaration import State
from sim.state.frames import Array
from sim.state.program import Program

STATE = State(
    id="6B.S5",
    title="Prices alone",
    writes=(),
    kernels=("log_map", "price_rows"),
    uses=(pricing.PRICE_TABLES_NEEDS, pricing.FEES_NEEDS),
)
DAY_US = 86_400_000_000
HOMES = ("US", "DE", "JP", "KW", "SE")
KEYS: dict[str, Any] = {"key": 11, "pair_key": 12, "tip_key": 13}


@cache
def shops() -> tuple[MemoryWorld, Merchants]:
    catalogue = merchants(4000)
    home = np.resize(np.array([code("country", iso) for iso in HOMES], np.int16), 4000)
    catalogue = catalogue.with_columns(home_country_iso=home)
    made = world(catalogue, change=LAW["change"] | {"permille": 300})
    made.run(Program.of(s8_exchange))
    made.run(Program.of(s9_shops))
    return made, Merchants(catalogue.merchant_id, catalogue.mcc, home, home)


@cache
def priced(kind: str = "CIT", n: int = 120_000) -> SimpleNamespace:
    """Rows of all merchants by 3,000 people with accounts in four currencies."""
    made, base = shops()
    ctx, rng, people = made.context(STATE), np.random.default_rng(5), 3000
    tables = pricing.price_tables(ctx, base)
    ts = tables.first_day * DAY_US + rng.integers(0, tables.days * DAY_US, n)
    site = np.where(rng.random(n) < 0.6, 0, NOBODY).astype(np.uint32)
    rows = SimpleNamespace(
        c0=(ts - tables.first_day * DAY_US).astype(np.uint64) << np.uint64(8),
        place_id=rng.integers(1, 2**63, n, dtype=np.uint64),
        ts_us=ts,
        party=rng.integers(0, people, n).astype(np.uint32),
        merchant=rng.integers(0, len(base.merchant_id), n).astype(np.uint32),
        site=site,
        kind=np.full(n, code("arrival_kind", kind), np.int16),
    )
    money = np.array([code("currency", name) for name in ("USD", "EUR", "JPY", "KWD")], np.int16)
    who = SimpleNamespace(
        word=rng.integers(0, 2**63, people, dtype=np.uint64),
        spend_level=rng.lognormal(0, 0.35, people),
        instruments=SimpleNamespace(account=np.arange(people, dtype=np.uint32)),
        accounts=SimpleNamespace(
            currency=np.resize(money, people), account_type=np.resize(np.int16([0, 1]), people)
        ),
    )
    rows.country = base.country[rows.merchant]
    shop = pricing.shop_of(tables, rows)
    given = pricing.price_arguments(ctx, tables, rows, shop, who, SimpleNamespace(instrument=rows.party))
    amount, capture, billing = ctx.kernels.price_rows(**KEYS, **given)
    found = dict(rows.__dict__, amount=amount, capture=capture, billing=billing, shop=shop, given=given)
    return SimpleNamespace(**found, columns=tables.columns, law=tables.columns["law"][shop])


def of(found: SimpleNamespace, name: str, currency: str = "USD") -> Array:
    """Rows of a class of prices in a currency, without tips and pumps."""
    own = found.columns["currency"][found.shop] == code("currency", currency)
    plain = (found.capture == found.amount) & (found.columns["hold"][found.shop] == 0)
    return own & plain & (found.law == code("price_class", name))


def test_amounts_are_whole_steps_of_their_currency_within_bounds():
    found = priced()
    grain = found.columns["grain"][found.columns["currency"][found.shop]].astype(np.int64)
    assert (found.amount > 0).all() and (found.capture > 0).all() and (found.billing > 0).all()
    assert (found.amount % grain == 0).all()
    most = found.columns["most"][found.shop].astype(np.int64)
    held = found.columns["hold"][found.shop] > 0
    assert ((found.amount <= 2 * most) | held).all()
    assert (found.capture[held] <= found.amount[held]).all() and (
        found.capture[~held] >= found.amount[~held]
    ).all()


@pytest.mark.parametrize("name", ["SHELF", "MENU", "PLAN", "ROUND", "BASKET"])
def test_prices_end_as_their_class_says(name):
    found = priced()
    ends = found.amount[of(found, name)] % 100
    assert len(ends) > 500
    law = LAW["classes"][name]
    rest = 1000 - law["under"] - law["half_under"] - law["half"] - law["whole"]
    for ending, key in ((99, "under"), (49, "half_under"), (50, "half"), (0, "whole")):
        wanted = (law[key] + rest / 100) / 1000
        assert abs((ends == ending).mean() - wanted) < 0.035


def test_machines_pay_out_notes():
    found = priced()
    for currency, note in (("USD", 2000), ("JPY", 1000)):
        some = of(found, "CASH", currency)
        assert some.sum() > 50 and (found.amount[some] % note == 0).all()


def test_leading_digits_follow_benford():
    found = priced()
    digit = np.array([int(str(each)[0]) for each in found.amount])
    share = np.bincount(digit, minlength=10)[1:] / len(digit)
    assert np.abs(share - np.log10(1 + 1 / np.arange(1, 10))).mean() < 0.012


def test_plans_cost_the_same_each_time_until_the_price_changes():
    made, _ = shops()
    found, ctx = priced(), made.context(STATE)
    rows = np.flatnonzero(found.law == code("price_class", "PLAN"))[:400]
    given = dict(found.given)
    for name in ("c0", "place", "ts_us", "party", "shop", "present", "account_currency", "fee_ppm"):
        given[name] = np.repeat(found.given[name][rows], 3)
    first = found.given["first_day"] * DAY_US
    given["ts_us"] = first + np.tile(np.arange(3), len(rows)) * 6 * DAY_US
    given["c0"] = given["c0"] + np.arange(len(given["c0"]), dtype=np.uint64) * np.uint64(256)
    given["repeats"] = np.ones(len(given["c0"]), np.uint8)
    amount = ctx.kernels.price_rows(**KEYS, **given)[0].reshape(-1, 3)
    change = found.columns["change_us"][found.shop[rows]]
    later = np.stack([given["ts_us"].reshape(-1, 3)[:, k] >= change for k in range(3)], axis=1)
    still = later[:, 0] == later[:, 2]
    assert still.any() and (~still).any()
    assert (amount[still, 0] == amount[still, 2]).all()
    assert (amount[~still, 2] >= amount[~still, 0]).all() and (
        amount[~still, 2] > amount[~still, 0]
    ).mean() > 0.5


def test_bills_are_in_the_accounts_currency_with_its_fee():
    found, given = priced(), priced().given
    own = found.columns["currency"][found.shop]
    same = own == given["account_currency"]
    assert same.any() and (found.billing[same] == found.amount[same]).all()
    day = found.ts_us // DAY_US - given["first_day"]
    rate = found.columns["rate"].reshape(len(vocabularies()["currency"]), -1)
    for row in np.flatnonzero(~same)[:300].tolist():
        here, there = (int(rate[int(code_of[row]), day[row]]) for code_of in (own, given["account_currency"]))
        exact = int(found.amount[row]) * there / here * (1 + int(given["fee_ppm"][row]) / 1e6)
        assert abs(found.billing[row] - exact) <= max(1.02, 1e-12 * exact)
    assert set(given["fee_ppm"].tolist()) == {0, 25_000}


def test_tips_are_given_where_somebody_serves():
    found = priced()
    tipped = (found.capture > found.amount) & (found.columns["hold"][found.shop] == 0)
    assert tipped.any() and found.columns["tip_later"][found.shop[tipped]].all()
    assert (found.site[tipped] != NOBODY).all()
    served = (found.columns["tip_later"][found.shop] > 0) & (found.site != NOBODY)
    assert abs(tipped[served].mean() - 0.85) < 0.02
    share = found.capture[tipped] / found.amount[tipped] - 1
    assert 0.13 < np.median(share) < 0.25
