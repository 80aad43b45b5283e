"""Opening hours of trades, from config: one row a merchant category."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.join import match
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.refuse import refuse

PERMILLE = 1e-3
RETAIL = -1
"""`rest_day_open` of a trade that follows the country's law for shops."""
FIGURES = (
    "opens",
    "closes",
    "sigma",
    "earliest",
    "latest",
    "shift",
    "always_open",
    "rest_day_open",
    "other_day_open",
)

TRADE_HOURS_NEEDS = Needs(config=("mcc_taxonomy_1A", "merchant_hours_5A"))


@dataclass(frozen=True)
class TradeHours:
    """Figures of config `merchant_hours_5A.trades` by merchant category.

    Attributes:
        mcc: uint16, ascending.
        figures: float64 by name of `FIGURES`: minutes, and permille.
        weekly_closing: float64, (categories, 2): permille in Europe, elsewhere.
    """

    mcc: Array
    figures: dict[str, Array]
    weekly_closing: Array

    def row_of(self, mcc: Array) -> Array:
        """Row of each category (uint16): int64. All are known: 5A.S1 refuses others."""
        return match(self.mcc, mcc)[0]


def trade_hours(ctx: Context) -> TradeHours:
    """What config says of every category of the taxonomy.

    Raises:
        ContractError: `5A.S6.TRADE_UNKNOWN`: a sector of the taxonomy has no hours.
    """
    trades = ctx.params.merchant_hours_5A.trades
    missing = sorted({row.sector for row in ctx.params.mcc_taxonomy_1A.mccs} - set(trades.sectors))
    if missing:
        refuse(
            ctx,
            "TRADE_UNKNOWN",
            "A sector of the taxonomy has no opening hours.",
            found=", ".join(missing),
            expected="an entry for each sector",
            at="merchant_hours_5A.trades.sectors",
            do="add the sector there",
        )
    mccs = sorted(ctx.params.mcc_taxonomy_1A.mccs, key=lambda row: int(row.mcc))
    laws = [{**dict(trades.sectors[row.sector].items()), **_own(trades.mccs, str(row.mcc))} for row in mccs]
    figures = {
        name: np.array([RETAIL if law[name] == "retail" else law[name] for law in laws], dtype=np.float64)
        for name in FIGURES
    }
    closing = [[law["weekly_closing"][place] for place in ("europe", "elsewhere")] for law in laws]
    return TradeHours(
        np.array([row.mcc for row in mccs], dtype=np.uint16), figures, np.array(closing, dtype=np.float64)
    )


def _own(mccs: object, mcc: str) -> dict[str, object]:
    return dict(mccs[mcc].items()) if mcc in mccs else {}  # type: ignore[index, operator]
