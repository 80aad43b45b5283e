"""What a merchant may be in its home market, and whether each country sells what its market says."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.join import look_up
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_LEAST_MERCHANTS = 10.0
_TOP_PART = 100
_LEAST_TOP = 10  # fewer say next to nothing of a tail, and nothing of their error
_SHARE_BITS = 30

MARKET_VOLUMES_NEEDS = Needs(
    reads={"world_markets_1A": ROW_LEVEL},
    config=("demand_policy_5A", "footprint_policy_1A", "realism_gates_5A"),
)


class MarketCounts(Counters):
    """Generated merchants, and the weekly arrivals of generated merchants in each country.

    The largest part of what its home market allows that one of them sells (permille), and how many sell more;
    what the largest hundredth sell of all (2**-30), and the variance of that share (2**-60).
    """

    generated_merchants = Scalar()
    volume_by_country = Vector("country")
    largest_permille = Scalar()
    beyond_market = Scalar()
    top_share = Scalar()
    top_variance = Scalar()


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
    _count_largest(ctx, merchants, profile.take(mine))


def _count_largest(ctx: PartitionContext, merchants: Frame, profile: Frame) -> None:
    """Count how large the largest generated merchants are; `profile` has the rows of generated ones."""
    offsets = run_offsets(profile.merchant_id)
    volume = sum_by_run(fixed_point(profile.weekly_volume_expected, 0), offsets).astype(np.int64)
    owner = look_up(merchants.merchant_id, profile.merchant_id[offsets[:-1].astype(np.int64)])
    markets = ctx.load("world_markets_1A", columns=("country_iso", "largest_volume", "volume_factor"))
    market = look_up(markets.country_iso, merchants.home_country_iso[owner])
    scale = np.float64(ctx.params.demand_policy_5A.volume_scale)
    most = markets.largest_volume[market] * markets.volume_factor[market] * scale
    part = np.ceil(np.float64(1000.0) * volume.astype(np.float64) / most).astype(np.int64)
    ctx.count(MarketCounts.largest_permille, int(part.max(initial=0)))
    ctx.count(MarketCounts.beyond_market, int(np.count_nonzero(volume > np.ceil(most))))
    share, variance = _top_share(volume)
    ctx.count(MarketCounts.top_share, share)
    ctx.count(MarketCounts.top_variance, variance)


def _top_share(volume: Array) -> tuple[int, int]:
    """Share of the largest hundredth (2**-30), and its sampling variance (2**-60).

    With x a merchant's share, q that of the least of the largest, p their part and S what they have, each
    merchant moves S by max(x - q, 0) + p q - S x (influence function of a Lorenz curve: Monti 1991), and the
    variance is the sum of squares.

    Args:
        volume: int64, merchants.
    """
    whole, many = int(volume.sum()), len(volume)
    if whole == 0:
        return 0, 0
    part = np.sort((volume.astype(np.float64) / np.float64(whole) * 2.0**_SHARE_BITS).astype(np.int64))
    top = -(-many // _TOP_PART)
    least, share = int(part[many - top]), int(part[many - top :].sum())
    moved = np.maximum(part - least, 0) + least * top // many - ((part * np.int64(share)) >> _SHARE_BITS)
    return share, int((moved * moved).sum())


def largest_checks(ctx: Context, totals: Totals) -> list[Check]:
    """No merchant is the market; what the largest sell; no country is a ghost town. Generated merchants only.

    In a world of fewer merchants than the footprint is made for, a country may have as much less. Countries
    of less than ten expected merchants are not judged, as in `market_check`.
    """
    seen, gate, policy = MarketCounts(totals), ctx.params.realism_gates_5A, ctx.params.footprint_policy_1A
    markets = ctx.load("world_markets_1A")
    weight = markets.merchant_weight.astype(np.float64)
    made = min(1.0, seen.generated_merchants / float(policy.made_for_merchants))
    due = weight / np.float64(max(1, int(markets.merchant_weight.sum())))
    judged = due * np.float64(seen.generated_merchants) >= _LEAST_MERCHANTS
    sold = seen.volume_by_country[markets.country_iso][judged]
    least, floor = int(sold.min(initial=2**62)), float(gate.least_weekly) * made
    share = seen.top_share / 2.0**_SHARE_BITS
    error = float(gate.false_alarm_sigma) * float(np.sqrt(np.float64(seen.top_variance))) / 2.0**_SHARE_BITS
    low, high = float(gate.top_share.low) - error, float(gate.top_share.high) + error
    return [
        Check(
            "no merchant is the market",
            seen.beyond_market == 0,
            {"beyond": seen.beyond_market, "largest_permille": seen.largest_permille},
            {"beyond": 0},
            "generated merchants above what their home market allows; the largest in permille of that",
        ),
        Check(
            "top hundredth of merchants",
            seen.generated_merchants < _LEAST_TOP * _TOP_PART or low <= share <= high,
            share,
            {"from": low, "to": high, "sampling_error": error},
            f"of generated merchants' weekly arrivals; asked of {_LEAST_TOP * _TOP_PART} merchants or more",
        ),
        Check(
            "arrivals of the least country",
            not judged.any() or least >= floor,
            {"weekly": least if judged.any() else None, "judged": int(np.count_nonzero(judged))},
            floor,
            "generated merchants' arrivals a week",
        ),
    ]


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
