"""Settlement of rows: order of instants, business days, parts, refunds by trade and channel, refusals."""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from memory_world import config
from test_6b_money_prices import DAY_US, priced, shops
from test_6b_money_shops import code, merchants, world

from sim.ground.errors import ContractError
from sim.recipes.horizon import life_span
from sim.segments.flows_6b.s5_flows import settlement as settling
from sim.segments.flows_6b.s5_flows.rows import NOBODY
from sim.state.context import Context
from sim.state.declaration import State
from sim.state.frames import Array

STATE = State(
    id="6B.S5",
    title="Settlement alone",
    writes=(),
    kernels=("log_map", "settle_rows"),
    uses=(settling.SETTLE_TABLES_NEEDS, settling.REQUIRE_SETTLEMENT_NEEDS),
)
KEY: dict[str, Any] = {"key": 21}


def context() -> Context:
    made, _ = shops()
    return made.context(STATE)


@cache
def settled() -> SimpleNamespace:
    """The priced rows: nine in ten approved a second after they were asked for."""
    ctx, found = context(), priced()
    tables = settling.settle_tables(ctx, life_span(ctx.params.scenario_horizon_5A))
    n = len(found.amount)
    found.offset_minutes = np.resize(np.int16([-300, 60, 540, 180, 120]), n)
    approved = (np.arange(n) % 10 > 0).astype(np.uint8)
    given = settling.settle_arguments(ctx, tables, found, found, approved, found.ts_us + 1_000_000)
    names = ("cleared_us", "cleared", "reversed_us", "refunded_us", "refunded")
    out = dict(zip(names, ctx.kernels.settle_rows(**KEY, **given), strict=True))
    return SimpleNamespace(**out, rows=found, approved=approved, given=given, tables=tables)


def test_everything_is_in_order_and_inside_the_horizon():
    found = settled()
    answer, end = found.given["answered_us"], found.given["end_us"]
    for name in ("cleared_us", "reversed_us", "refunded_us"):
        at = getattr(found, name)
        assert (at < end).all() and (at[at > 0] > answer[at > 0]).all()
        assert not at[found.approved == 0].any()
    assert not (found.cleared_us[found.reversed_us > 0]).any()
    refunded = found.refunded_us > 0
    assert (found.refunded_us[refunded] > found.cleared_us[refunded]).all()
    assert ((found.cleared > 0) == (found.cleared_us > 0)).all() and ((found.refunded > 0) == refunded).all()
    assert (found.refunded <= found.cleared).all() and (found.cleared <= found.rows.capture).all()


def _of(found: SimpleNamespace, name: str) -> Array:
    column: Array = found.given[name][found.given["shop"]]
    return column


def test_batches_go_out_on_business_days_one_to_three_later():
    found = settled()
    some = (found.cleared_us > 0) & (found.rows.kind == code("arrival_kind", "CIT"))
    shift = found.given["offset_minutes"].astype(np.int64) * 60_000_000
    batch = _of(found, "batch_minute").astype(np.int64) * 60_000_000
    # A clearing lies within two hours after the batch closes, so its day is that of two hours before at most.
    day = (found.cleared_us + shift - batch) // DAY_US - found.given["first_day"]
    sale = (found.given["answered_us"] + shift - batch) // DAY_US + 1 - found.given["first_day"]
    days = found.given["days"]
    open_days = found.given["open"].reshape(-1, days).astype(np.int64)
    total = np.concatenate([np.zeros((len(open_days), 1), np.int64), open_days.cumsum(axis=1)], axis=1)
    calendar = _of(found, "calendar")
    assert (open_days[calendar[some], day[some]] == 1).all()
    lag = total[calendar[some], day[some] + 1] - total[calendar[some], np.clip(sale[some] + 1, 0, days)]
    assert set(np.unique(lag).tolist()) == {1, 2, 3}
    early = found.rows.ts_us[some] < found.given["end_us"] - 9 * DAY_US
    assert abs((lag[early] == 1).mean() - 0.7) < 0.02


def test_cash_is_taken_at_once():
    found = settled()
    given = dict(found.given) | {"at_once": np.ones(len(found.approved), np.uint8)}
    cleared_us, *_ = context().kernels.settle_rows(**KEY, **given)
    some = cleared_us > 0
    assert (cleared_us[some] == given["answered_us"][some] + 1_000_000).all()


def test_refunds_depend_on_trade_and_channel():
    found = settled()
    online = found.rows.site == NOBODY
    early = (found.cleared_us > 0) & (found.rows.ts_us < (found.given["first_day"] + 45) * DAY_US)
    done = found.refunded_us > 0
    ratio = done[early & online].mean() / done[early & ~online].mean()
    assert 1.5 <= ratio <= 2.5
    mcc = found.rows.law  # price class: baskets hardly refund, shelves do
    shelf, basket = (early & (mcc == code("price_class", name)) for name in ("SHELF", "BASKET"))
    assert done[shelf].mean() > 5 * done[basket].mean()
    whole = found.refunded[done] == found.cleared[done]
    assert abs(whole.mean() - 0.75) < 0.03


def test_partly_cleared_only_online():
    found = settled()
    part = (found.cleared_us > 0) & (found.cleared < found.rows.capture)
    assert part.any() and (found.rows.site[part] == NOBODY).all()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"group_of_sector": {"health": "NEVER"}}, "VOCABULARY_MISMATCH"),
        ({"group_of_mcc": {"5411": "OFTEN"}}, "SETTLEMENT_INVALID"),
        ({"lag": {"second": 10, "third": 20}}, "SETTLEMENT_INVALID"),
        ({"reversed": 990}, "SETTLEMENT_INVALID"),
    ],
)
def test_refuses_a_law_that_contradicts_itself(changes, error):
    made = world(merchants(3))
    made.configs["settlement_law_6B"] = type(made.configs["price_law_6B"])(
        config("layer3/6B/settlement_law.yaml") | changes
    )
    with pytest.raises(ContractError, match=error):
        settling.require_settlement(made.context(STATE))
