"""6B.S9: what sales cost at every shop: its level, its spread, how its prices end."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.flows_6b.s9_shops.law import SHOP_LAW_NEEDS, require_prices, shop_keys, shops
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.totals import Totals

STREAM = "6B.merchant_price"
_CATALOGUE = "merchant_catalogue_1A"


class Counts(Counters):
    """Merchants and shops, shops by class of prices, and those that ask for less than they sell."""

    merchants = Scalar()
    shops = Scalar()
    by_class = Vector("price_class")
    changing = Scalar()
    wrong_bounds = Scalar()


STATE = State(
    id="6B.S9",
    title="Prices of shops",
    reads={_CATALOGUE: ROW_LEVEL},
    writes=("shop_prices_6B",),
    streams=(STREAM,),
    kernels=("exp_map",),
    counts=(Counts,),
    uses=(SHOP_LAW_NEEDS, WORDS_NEEDS),
)


def preflight(ctx: Context) -> None:
    """Refuse a law of prices that contradicts itself."""
    require_prices(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """All shops."""
    merchant_id = ctx.load(_CATALOGUE, columns=("merchant_id",)).merchant_id
    frame = shops(ctx, shop_keys(ctx), words(ctx, STREAM, merchant_id=merchant_id))
    ctx.count(Counts.merchants, len(merchant_id))
    ctx.count(Counts.shops, len(frame))
    kinds = len(ctx.vocabulary("price_class"))
    ctx.count(Counts.by_class, np.bincount(frame.price_class, minlength=kinds).astype(np.int64))
    ctx.count(Counts.changing, int(frame.present("change_date").sum()))
    median = ctx.kernels.exp_map(x=frame.log_median)
    # A pump asks for at least the price of a median fill, and no bound is below the median but by rounding.
    low = (frame.most_minor + 1 < median) | ((frame.hold_minor > 0) & (frame.hold_minor < median / 4.0))
    ctx.count(Counts.wrong_bounds, int(low.sum()))
    return {"shop_prices_6B": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every merchant has prices; bounds leave room for them."""
    seen = Counts(totals)
    merchants = sum(file.rows for file in ctx.files(_CATALOGUE))
    return [
        ledger_check(totals, STREAM, seen.merchants, 6),
        Check("every merchant has prices", seen.merchants == merchants, seen.merchants, merchants),
        Check(
            "every shop has a class",
            int(seen.by_class.sum()) == seen.shops,
            int(seen.by_class.sum()),
            seen.shops,
        ),
        Check("bounds leave room for prices", seen.wrong_bounds == 0, seen.wrong_bounds, 0, "over all shops"),
    ]


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Shops by class of prices, and those whose recurring prices change."""
    seen = Counts(totals)
    by_class = dict(zip(ctx.vocabulary("price_class"), seen.by_class.tolist(), strict=True))
    return [
        Measurement("shops by class of prices", by_class, "shops"),
        Measurement("shops that change prices that recur", seen.changing, "shops"),
    ]
