"""What a merchant may be in its home market, and whether each country sells what its market says."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.join import look_up
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_LEAST_MERCHANTS = 10.0

MARKET_VOLUMES_NEEDS = Needs(
    reads={"world_markets_1A": ROW_LEVEL},
    config=("demand_policy_5A", "footprint_policy_1A", "realism_gates_5A"),
)


class MarketCounts(Counters):
    """Generated merchants, and the weekly arrivals of generated merchants in each country."""

    generated_merchants = Scalar()
    volume_by_country = Vector("country")


def within_market(
    ctx: PartitionContext, merchants: Frame, physical: Array, virtual: Array
) -> tuple[Array, Array]:
    """Volumes of generated merchants, held to the largest of their home market: float64, float64.

    A market's `volume_factor` gives back on average what its `largest_volume` cuts off. The user's own
    merchants stay as they are.
    """
    markets = ctx.load("world_markets_1A", columns=("country_iso", "largest_volume", "volume_factor"))
    market = look_up(markets.country_iso, merchants.home_country_iso)
    largest = markets.largest_volume[market] * np.float64(ctx.params.demand_policy_5A.volume_scale)
    whole = physical + virtual
    held = np.where(whole > largest, largest / np.where(whole > 0.0, whole, 1.0), 1.0)
    factor = np.where(merchants.generated, held * markets.volume_factor[market], 1.0)
    return physical * factor, virtual * factor


def count_markets(ctx: PartitionContext, merchants: Frame, profile: Frame) -> None:
    """Count weekly arrivals of generated merchants by country of the demand."""
    mine = merchants.generated[look_up(merchants.merchant_id, profile.merchant_id)]
    volume = np.zeros(len(ctx.vocabulary("country")), dtype=np.uint64)
    sold = fixed_point(profile.weekly_volume_expected[mine], 0)
    np.add.at(volume, profile.legal_country_iso[mine], sold)
    ctx.count(MarketCounts.generated_merchants, int(np.count_nonzero(merchants.generated)))
    ctx.count(MarketCounts.volume_by_country, volume.astype(np.int64))


def market_check(ctx: Context, totals: Totals) -> Check:
    """Each country's share of the expected arrivals over its share of the world's markets.

    In a world of fewer merchants than the footprint is made for, a merchant may be a larger part of its
    market: the deviation of a market is then at most the root of the largest part, and so many deviations are
    allowed beyond the band. A market of less than ten expected merchants is not judged: one outlet of a chain
    from abroad is most of it.
    """
    seen, gate, policy = MarketCounts(totals), ctx.params.realism_gates_5A, ctx.params.footprint_policy_1A
    markets = ctx.load("world_markets_1A")
    name = "arrivals by country against markets"
    weight = markets.merchant_weight.astype(np.float64)
    whole = int(seen.volume_by_country.sum())
    if not weight.any() or whole == 0:
        return Check(name, True, {"countries": 0}, None, "all merchants are the user's")
    share = seen.volume_by_country[markets.country_iso].astype(np.float64) / np.float64(whole)
    due = weight / np.float64(int(markets.merchant_weight.sum()))
    ratio = np.where(due > 0.0, share / np.where(due > 0.0, due, 1.0), 1.0)
    few = np.float64(policy.made_for_merchants) / np.float64(max(1, seen.generated_merchants))
    part = markets.volume_factor * np.float64(policy.largest_permille) / 1000.0 * few
    slack = np.where(few > 1.0, np.float64(gate.false_alarm_sigma) * np.sqrt(part), 0.0)
    passed = (ratio >= gate.market_ratio.low - slack) & (ratio <= gate.market_ratio.high + slack)
    judged = due * np.float64(seen.generated_merchants) >= _LEAST_MERCHANTS
    passed |= ~judged
    ratio = np.where(judged, ratio, 1.0)
    least, most = int(np.argmin(ratio)), int(np.argmax(ratio))
    names = [ctx.vocabulary("country")[code] for code in markets.country_iso.tolist()]
    found = {
        "least": {names[least]: float(ratio[least])},
        "greatest": {names[most]: float(ratio[most])},
        "countries": int(np.count_nonzero(due > 0.0)),
        "judged": int(np.count_nonzero(judged)),
        "least_weekly": int(seen.volume_by_country[markets.country_iso].min()),
    }
    expected = {"band": gate.market_ratio.plain(), "beyond_at_most": float(slack.max())}
    return Check(
        name, bool(passed.all()), found, expected, "generated merchants; share of arrivals over share"
    )
