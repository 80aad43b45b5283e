"""How much a card is used: arrivals of an ordinary month over the cards that are active at the end.

Cards a person are those of its country, and arrivals a person are the same everywhere. So the figure scatters
with the countries that were drawn: its relative error is that of a ratio over a sample of them (Cochran 1977,
6.4), sum of w**2 x (r / r_world - 1)**2 with w a country's part of the cards and r its own figure.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.segments.entities_6a.s3_instruments.card_checks import CardCounts
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.totals import Totals

USE_CHECK_NEEDS = Needs(
    reads={
        "merchant_zone_profile_5A": ROW_LEVEL,
        "s1_party_summary_6A": ROW_LEVEL,
        "world_markets_1A": ROW_LEVEL,
    },
    config=("population_prior_6A", "realism_gates_6A"),
)

_WEEKS_A_MONTH = 365.25 / 12 / 7
_NAME = "arrivals a card-month"
_NEAR = 0.01
_BITS = 8
_UNIT = 256.0


def use_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Arrivals a card-month, over the countries where generated merchants are at home.

    It is asked of worlds of several countries whose parties follow arrivals: where the prior counts outlets,
    or a bound on parties holds, arrivals a person are something else.
    """
    gate = ctx.params.realism_gates_6A.instruments.card_month
    count = len(ctx.vocabulary("country"))
    profile = ctx.load("merchant_zone_profile_5A", columns=("legal_country_iso", "weekly_volume_expected"))
    weekly, parties = np.zeros(count, dtype=np.uint64), np.zeros(count, dtype=np.uint64)
    np.add.at(weekly, profile.legal_country_iso, fixed_point(profile.weekly_volume_expected, _BITS))
    people = ctx.load("s1_party_summary_6A", columns=("country_iso", "parties"))
    np.add.at(parties, people.country_iso, people.parties)
    markets = ctx.load("world_markets_1A", columns=("country_iso", "merchant_weight"))
    some = markets.country_iso[markets.merchant_weight > 0]
    some = some[CardCounts(totals).active_in[some] > 0]
    cards = CardCounts(totals).active_in[some]
    sold, all_cards = int(weekly[some].sum()), int(cards.sum())
    if len(some) < gate.from_countries or not _follow(ctx, sold, int(parties[some].sum())):
        return [Check(_NAME, True, None, None, "not asked: few countries, or parties follow other things")]
    found = sold / all_cards
    part = cards.astype(np.float64) / np.float64(all_cards)
    apart = part * (weekly[some].astype(np.float64) / cards.astype(np.float64) / np.float64(found) - 1.0)
    error = float(gate.sigma) * sum((apart * apart).tolist()) ** 0.5
    low, high = float(gate.low) * max(0.0, 1.0 - error), float(gate.high) * (1.0 + error)
    found *= _WEEKS_A_MONTH / _UNIT
    return [
        Check(
            _NAME,
            low <= found <= high,
            found,
            {"from": low, "to": high, "sampling_error": error, "from_countries": gate.from_countries},
            f"ordinary weeks of {len(some)} countries over their active cards",
        )
    ]


def _follow(ctx: Context, sold: int, parties: int) -> bool:
    """Whether parties are as many as their arrivals (in 2**-8) ask for."""
    size = ctx.params.population_prior_6A.size
    if size.law != "arrivals":
        return False
    rate = float(size.arrivals_per_active_party_week) * float(size.active_share) * _UNIT
    return bool(abs(sold / max(1, parties) / rate - 1.0) < _NEAR)
