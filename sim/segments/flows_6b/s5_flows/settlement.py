"""What becomes of each purchase of a range after its answer: clearing, reversal, refund."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.horizon import Horizon, span_of
from sim.recipes.join import look_up
from sim.recipes.terms import entry, require_terms
from sim.recipes.weekdays import WEEKENDS_NEEDS, Weekdays
from sim.segments.flows_6b.money import COINS_NEEDS, coins
from sim.segments.flows_6b.s5_flows.prices import SHOPS, Prices
from sim.segments.flows_6b.s5_flows.rows import NOBODY, Rows
from sim.segments.flows_6b.s5_flows.thresholds import WHOLE, below
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array
from sim.state.refuse import Fault, refuse_any

SETTLE = "6B.settle"

SETTLE_TABLES_NEEDS = Needs(
    reads={SHOPS: ROW_LEVEL},
    config=("mcc_taxonomy_1A", "scenario_horizon_5A", "settlement_law_6B"),
    reference=("holidays",),
    kernels=("log_map",),
    uses=(COINS_NEEDS, WEEKENDS_NEEDS),
)
SETTLE_NEEDS = Needs(streams=(SETTLE,), kernels=("settle_rows",))
REQUIRE_SETTLEMENT_NEEDS = Needs(config=("mcc_taxonomy_1A", "settlement_law_6B"))


@dataclass(frozen=True, slots=True)
class SettleTables:
    """What settlement of all ranges is made of; arguments of kernel `settle_rows` by name.

    Attributes:
        shops: Shops; each is there twice, as a shop and online.
        columns: Columns of shops, laws and calendars, and scalars.
    """

    shops: int
    columns: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Settlement:
    """What pass 5 (`settle_rows`) says of each row: n rows; 0 where it did not happen inside the horizon."""

    cleared_us: Array
    """int64, n: after the answer."""
    cleared: Array
    """int64, n: amount in the currency of the sale."""
    reversed_us: Array
    """int64, n: after the answer; then nothing is cleared."""
    refunded_us: Array
    """int64, n: after the clearing."""
    refunded: Array
    """int64, n: amount, at most what was cleared."""


def require_settlement(ctx: Context) -> None:
    """Refuse groups and sectors that do not exist, and fates that are more than all.

    Raises:
        ContractError: `6B.S5.VOCABULARY_MISMATCH`, `6B.S5.SETTLEMENT_INVALID`.
    """
    law, sectors = ctx.params.settlement_law_6B, ctx.params.mcc_taxonomy_1A.sectors
    at = "settlement_law_6B"
    require_terms(ctx, law.group_of_sector, sectors, f"{at}.group_of_sector", "mcc_taxonomy_1A.sectors")
    faults = [
        Fault(f"{at}.{key}.{name}", f"{group} is not a key of refunds")
        for key in ("group_of_sector", "group_of_mcc")
        for name, group in law[key].items()
        if group not in law.refunds
    ]
    if law.lag.third > law.lag.second:
        faults.append(Fault(f"{at}.lag", "more on the third day than on the second and third"))
    if law.reversed + max(law.partial.store, law.partial.online) > WHOLE:
        faults.append(Fault(f"{at}.partial", "with those reversed more than 1000 permille"))
    refuse_any(ctx, "SETTLEMENT_INVALID", "Settlement contradicts itself.", faults, do="correct it")


def settle_tables(ctx: Context, horizon: Horizon) -> SettleTables:
    """Shops, laws of refunds and business days, made once a process.

    Args:
        ctx: Context.
        horizon: The scenario's: nothing happens from its end on.
    """
    shops, span = ctx.load(SHOPS), span_of(ctx.params.scenario_horizon_5A)
    law, groups = ctx.params.settlement_law_6B, list(ctx.params.settlement_law_6B.refunds)
    group, count = _groups(ctx, shops.mcc, groups), len(shops)
    ways = ("store", "online")
    refund = np.array([law.refunds[name][way] for way in ways for name in groups], dtype=np.uint64)
    partial = np.repeat(np.array([law.partial[way] for way in ways], dtype=np.uint64), len(groups))
    laws = len(refund)

    def every(permille: int) -> Array:
        return below(np.full(laws, permille, dtype=np.uint64))

    median = ctx.kernels.log_map(x=np.full(laws, float(law.delay.median_days)))
    columns = {
        "first_day": span.first_day,
        "days": span.days,
        "end_us": horizon.end_us,
        "law": np.concatenate([group, group + len(groups)]).astype(np.uint32),
        "calendar": np.tile(shops.country_iso.astype(np.uint32), 2),
        "batch_minute": np.tile(shops.batch_minute.astype(np.uint32), 2),
        "grain": np.tile(coins(ctx).grain[shops.currency], 2),
        "second_below": every(law.lag.second),
        "third_below": every(law.lag.third),
        "reversed_below": every(law.reversed),
        "partial_below": below(partial + np.uint64(law.reversed)),
        "refund_below": below(refund),
        "full_below": every(law.full),
        "delay_mu": median,
        "delay_sigma": np.full(laws, float(law.delay.sigma)),
        "open": _business_days(ctx, span),
    }
    return SettleTables(count, columns)


def _groups(ctx: Context, mcc: Array, groups: list[str]) -> Array:
    """Place of each trade's group of refunds: int64."""
    law, entries = ctx.params.settlement_law_6B, ctx.params.mcc_taxonomy_1A.mccs
    codes = np.array([each.mcc for each in entries], dtype=np.uint16)
    names = [entry(law.group_of_mcc, str(each.mcc), law.group_of_sector[each.sector]) for each in entries]
    order = np.argsort(codes, kind="stable")
    place = np.array([groups.index(name) for name in names], dtype=np.int64)
    found: Array = place[order[look_up(codes[order], mcc)]]
    return found


def _business_days(ctx: Context, span: Horizon) -> Array:
    """Whether banks of each country do business on each day of the span: uint8, flat."""
    week = Weekdays.by_country(ctx, 0).weekend
    days = np.arange(span.first_day, span.first_day + span.days)
    open_days = ~week[:, (days + 3) % 7]
    feast = ctx.reference("holidays")
    at = feast.date.astype(np.int64) - span.first_day
    inside = (at >= 0) & (at < span.days)
    open_days[feast.country_iso[inside], at[inside]] = False
    return open_days.astype(np.uint8).ravel()


def settle_arguments(
    ctx: Context, tables: SettleTables, rows: Rows, prices: Prices, approved: Array, answered_us: Array
) -> dict[str, Any]:
    """Arguments of `settle_rows` but for the key of its stream."""
    online = (rows.site == NOBODY).astype(np.uint32)
    return {
        "c0": rows.c0,
        "place": rows.place_id,
        "answered_us": answered_us,
        "offset_minutes": rows.offset_minutes,
        "approved": approved,
        "at_once": (rows.kind == ctx.code("arrival_kind", "ATM")).astype(np.uint8),
        "shop": prices.shop + online * np.uint32(tables.shops),
        "capture": prices.capture,
        **tables.columns,
    }


def settlement(
    ctx: Context, tables: SettleTables, rows: Rows, prices: Prices, approved: Array, answered_us: Array
) -> Settlement:
    """Settle the rows of a range; nothing is entered in the ledger.

    Args:
        ctx: Context.
        tables: From `settle_tables`.
        rows: The range's rows.
        prices: What pass 3 said.
        approved: uint8, n: 1 where some attempt was approved.
        answered_us: int64, n: instant of that answer; anything where there is none.
    """
    given = settle_arguments(ctx, tables, rows, prices, approved, answered_us)
    key: Any = ctx.stream(SETTLE)
    return Settlement(*ctx.kernels.settle_rows(key=key, **given))
