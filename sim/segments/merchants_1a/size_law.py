"""How large merchants are, by the priors alone, and what one may be in its home market.

Sizes have heavy tails: one chain in a hundred merchants sells what half of all sell. In a market of a
hundred merchants such a chain would be the market. So no generated merchant is larger than a share of its
home market's expected volume; and since this cuts more off the mean of a small market than of a large one, a
market's merchants are as much larger on average as makes each market what it should be:

    volume = volume_factor x min(X, largest_volume),   volume_factor = E[X] / E[min(X, largest_volume)]

X is the volume of a merchant by 1A, 2B, 3B and 5A before `volume_scale`. Its distribution is taken at nodes:
every trade, channel, virtual mode and kind (single or chain), with quantiles of the brand and of the size.
Nodes and sums are whole numbers.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.recipes.weights import POWER_NEEDS, power
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

_BRANDS, _SIZES = 16, 32
_TURNS = {"virtual": 11, "count": 7}  # coprime to _SIZES: quantiles of two laws are paired as if independent
_UNIT = np.float64(16.0)
_MASS = np.float64(2.0**34)
NO_LIMIT = 1e15

SIZE_LAW_NEEDS = Needs(
    config=(
        "demand_classes_5A",
        "demand_policy_5A",
        "footprint_policy_1A",
        "mcc_taxonomy_1A",
        "merchant_universe_1A",
        "outlet_policy_1A",
        "site_weight_policy_2B",
        "virtual_policy_3B",
    ),
    reference=("cities",),
    kernels=("lognormal_factor", "log_map"),
    uses=(POWER_NEEDS,),
)


def limited_markets(ctx: Context, markets: Frame, footprint: Frame) -> Frame:
    """`markets` with `largest_volume` and `volume_factor` of each country: float64.

    A country without generated merchants has no limit.
    """
    policy = ctx.params.footprint_policy_1A
    size, mass = _nodes(ctx, _city_factor(ctx, markets, footprint))
    order = np.argsort(size, kind="stable")
    size, mass = size[order], mass[order]
    below, mass_below = np.cumsum(size * mass), np.cumsum(mass)
    mean = np.float64(int(below[-1])) / np.float64(int(mass_below[-1]))
    weight = markets.merchant_weight.astype(np.float64)
    share = weight / np.float64(max(1, int(markets.merchant_weight.sum())))
    largest = (
        share * np.float64(policy.made_for_merchants) * mean * np.float64(policy.largest_permille) / 1000.0
    )
    least = np.float64(int(size[0]) + 1)
    largest = np.maximum(largest, least)
    place = np.searchsorted(size.astype(np.float64), largest, side="left")
    inner = np.where(place > 0, below[np.maximum(place - 1, 0)], 0).astype(np.float64)
    outer = (mass_below[-1] - np.where(place > 0, mass_below[np.maximum(place - 1, 0)], 0)).astype(np.float64)
    cut = (inner + largest * outer) / np.float64(int(mass_below[-1]))
    there = weight > 0
    return markets.with_columns(
        largest_volume=np.where(there, largest / _UNIT, NO_LIMIT),
        volume_factor=np.where(there, mean / cut, 1.0),
    )


def _city_factor(ctx: Context, markets: Frame, footprint: Frame) -> np.float64:
    """Mean factor of 2B on a site's sales for its city, over the outlets of the world."""
    policy = ctx.params.site_weight_policy_2B
    cities = ctx.reference("cities").sort("city_id")
    people = np.maximum(
        cities.population[look_up(cities.city_id, footprint.city_id)], policy.city_population_floor
    )
    factor = power(
        ctx, people.astype(np.float64) / np.float64(policy.city_population_reference), policy.city_exponent
    )
    total = np.zeros(len(ctx.vocabulary("country")), dtype=np.uint64)
    np.add.at(total, footprint.country_iso, footprint.site_weight)
    market = np.zeros(len(total))
    market[markets.country_iso] = markets.market_size.astype(np.float64) / np.float64(
        int(markets.market_size.sum())
    )
    part = footprint.site_weight.astype(np.float64) / total[footprint.country_iso].astype(np.float64)
    weight = np.floor(part * market[footprint.country_iso] * 2.0**30).astype(np.int64)
    return np.float64(int((weight * np.floor(factor * 2.0**20).astype(np.int64)).sum())) / np.float64(
        max(1, int(weight.sum())) * 2.0**20
    )


def _nodes(ctx: Context, city: np.float64) -> tuple[Array, Array]:
    """Volumes in 1/16 of an arrival a week and their masses: int64, one a node."""
    policy, demand = ctx.params.outlet_policy_1A, ctx.params.demand_policy_5A
    cells = _cells(ctx)
    brand = _quantiles(ctx, _BRANDS, ctx.params.merchant_universe_1A.brand_sigma)
    site = _quantiles(ctx, _SIZES, ctx.params.site_weight_policy_2B.site_sigma)
    turn = np.arange(_SIZES) * _TURNS["virtual"] % _SIZES
    spread = np.full(_SIZES, demand.virtual_sigma)
    online = _lognormal(ctx, np.zeros(_SIZES), spread, np.arange(_SIZES))[turn]
    chain_scale = _chain_scales(ctx, cells.site_mean * np.float64(policy.outlets.mean_permille) / 1000.0)
    scale = np.where(cells.chain[:, None], chain_scale, site[None, :])
    inner = (cells.shop * city)[:, None] * scale + cells.online[:, None] * online[None, :]
    size = np.floor(inner[:, :, None] * brand[None, None, :] * _UNIT).astype(np.int64)
    mass = np.floor(cells.mass * _MASS / np.float64(_BRANDS * _SIZES)).astype(np.int64)
    return size.ravel(), np.repeat(mass, _BRANDS * _SIZES)


def _cells(ctx: Context) -> Frame:
    """Trade x channel x virtual mode x single or chain.

    Columns: mass f64; chain bool; site_mean f64; shop, online f64: volume in shops of one outlet, and online.
    """
    mccs = ctx.params.mcc_taxonomy_1A.mccs
    classes = ctx.params.demand_classes_5A.classes
    demand, virtual = ctx.params.demand_policy_5A, ctx.params.virtual_policy_3B.hybrid_share
    total = sum(entry.share_weight for entry in mccs)
    coin = ctx.params.outlet_policy_1A.multi_site.scale_permille
    rows = []
    for entry in mccs:
        far = classes[entry.demand_class.card_not_present].weekly_volume_per_site_median
        for channel in ctx.vocabulary("channel"):
            near = classes[entry.demand_class[channel]].weekly_volume_per_site_median
            times = demand.channel_multiplier[channel]
            chain = 0.0 if channel == "card_not_present" else min(1.0, entry.multi_site_permille * coin / 1e6)
            modes = [("NON_VIRTUAL", 1000, 0.0)]
            if channel in entry.virtual:
                law, part = entry.virtual[channel], (virtual[channel].low + virtual[channel].high) / 2
                modes = [
                    ("NON_VIRTUAL", 1000 - law.hybrid - law.virtual_only, 0.0),
                    ("HYBRID", law.hybrid, part),
                    ("VIRTUAL_ONLY", law.virtual_only, 1.0),
                ]
            for mode, permille, part in modes:
                base = entry.share_weight / total * entry.channel_mix[channel] / 1000 * permille / 1000
                size = 0.0 if mode == "NON_VIRTUAL" else demand.virtual_multiplier[mode]
                online = far * times * size * part
                shop = near * times * (1.0 - part)
                for is_chain, odds in ((False, 1.0 - chain), (True, chain)):
                    if base * odds > 0.0:
                        rows.append((base * odds, is_chain, float(entry.site_mean), shop, online))
    columns = zip(*rows, strict=True)
    return Frame(
        {
            name: np.array(values, dtype=np.bool_ if name == "chain" else np.float64)
            for name, values in zip(("mass", "chain", "site_mean", "shop", "online"), columns, strict=True)
        }
    )


def _chain_scales(ctx: Context, mean: Array) -> Array:
    """Outlets ** (1 + premium) of chains of each cell at the quantiles of their size: cells x _SIZES.

    Outlets beyond one are lognormal with the moments of the zero-truncated NB2 of `chains.sizes`.
    """
    policy = ctx.params.outlet_policy_1A.outlets
    kappa = np.float64(policy.dispersion)
    tail = _quantiles(ctx, _SIZES, policy.tail_sigma)
    mu = np.minimum(mean[:, None] * tail[None, :], np.float64(policy.largest_mean)).ravel()
    p0 = power(ctx, 1.0 + mu / kappa, -float(kappa))
    first = mu / (1.0 - p0)
    second = (mu + mu * mu / kappa + mu * mu) / (1.0 - p0)
    spread = np.sqrt(ctx.kernels.log_map(x=np.maximum(second / (first * first), 1.0)))
    turn = np.tile(np.arange(_SIZES) * _TURNS["count"] % _SIZES, len(mean))
    further = first * _lognormal(ctx, spread * spread * -0.5, spread, turn)
    premium = 1.0 + ctx.params.demand_policy_5A.chain_premium
    return power(ctx, 1.0 + further, premium).reshape(len(mean), _SIZES)


def _quantiles(ctx: Context, many: int, sigma: float) -> Array:
    """Mid-quantiles of a lognormal of mean 1: float64, many."""
    spread = np.full(many, sigma, dtype=np.float64)
    return _lognormal(ctx, spread * spread * -0.5, spread, np.arange(many))


def _lognormal(ctx: Context, mu: Array, sigma: Array, place: Array) -> Array:
    """exp(mu + sigma z) at the mid-quantile z of each place (int64) among _SIZES, or among all of mu."""
    of = min(len(mu), _SIZES)
    words = place.astype(np.uint64) * np.uint64(2**64 // of) + np.uint64(2**63 // of)
    y: Array = ctx.kernels.lognormal_factor(x=words, mu=mu, sigma=sigma)
    return y
