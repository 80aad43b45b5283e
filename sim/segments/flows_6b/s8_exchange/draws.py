"""How exchange rates find their draws."""

from __future__ import annotations

import numpy as np

from sim.recipes.drawn import NORMAL, Drawn, Explained, Word, where
from sim.segments.flows_6b.s8_exchange.law import currencies, trading
from sim.segments.flows_6b.s8_exchange.state import STREAM
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _movers(ctx: Context, part: Partition, rows: Frame) -> Frame:
    drew = np.isin(rows.currency, currencies(ctx).walkers) & trading(rows.date.astype(np.int64))
    own = where(rows, drew)
    return own.with_columns(
        civil_day=own.date.astype(np.uint64), currency_name=ctx.name_hashes("currency")[own.currency]
    )


EXPLAINED = Explained(
    (
        Drawn(
            "exchange_rates_6B",
            STREAM,
            (
                Word(
                    0,
                    NORMAL,
                    "per_usd_e9: the currency's own move since the day before; earlier days moved it too",
                ),
            ),
            _movers,
        ),
    )
)
"""How rows of 6B.S8 are explained."""
