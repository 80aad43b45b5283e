"""How prices of shops find their draws."""

from __future__ import annotations

from sim.recipes.drawn import INTEGER, NORMAL, UNIFORM, Drawn, Explained, MadeOf, Word
from sim.segments.flows_6b.s9_shops.state import STREAM

_ROWS = "shop_prices_6B"

EXPLAINED = Explained(
    (
        Drawn(
            _ROWS,
            STREAM,
            (
                Word(0, NORMAL, "log_median: level of the merchant's prices, the same in every country"),
                Word(1, INTEGER, "whether its prices that recur change: below change.permille", below=1000),
                Word(2, UNIFORM, "change_date: day of the change", "change_date"),
                Word(3, UNIFORM, "change_log: by how much", "change_log"),
                Word(4, UNIFORM, "hold_minor: what its pumps ask for", "hold_minor"),
                Word(5, UNIFORM, "batch_minute: when its batch of a day closes", "batch_minute"),
            ),
        ),
    ),
    (MadeOf(_ROWS, "merchant_catalogue_1A", "its merchant", {"merchant_id": "merchant_id"}),),
)
"""How rows of 6B.S9 are explained."""
