"""Chains: how many outlets a merchant has, in how many countries, in which ones.

Size: one outlet unless a trade-dependent coin says chain; a chain has 1 + F outlets, F ~ NB2(mu, kappa) given
F >= 1, with mu the trade's mean times a lognormal, so sizes are heavy-tailed. Reach: Poisson(rate x F **
exponent) foreign countries, drawn without replacement by an exponential race on market size x affinity
(Efraimidis & Spirakis 2006).
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.groups import run_offsets, sum_by_run
from sim.recipes.join import look_up
from sim.recipes.sampling import fixed
from sim.recipes.weights import POWER_NEEDS, power
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.merchants_1a.countries import letters_of, sized_by
from sim.segments.merchants_1a.gates import ChainCounts
from sim.segments.merchants_1a.market import MARKET_NEEDS, affinity
from sim.segments.merchants_1a.taxonomy import TAXONOMY_NEEDS, taxonomy
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

_LARGEST = 2**32 - 1  # outlets of a merchant fit 32 bits
_POISSON_PART = 512.0  # largest mean of one inversion; policy keeps reaches below it, so they take one draw

CHAINS_NEEDS = Needs(
    reads={"world_markets_1A": ROW_LEVEL},
    config=("demand_classes_5A", "demand_policy_5A", "mcc_taxonomy_1A", "outlet_policy_1A"),
    streams=("1A.foreign_choice", "1A.foreign_reach", "1A.multi_site", "1A.outlet_count", "1A.outlet_scale"),
    kernels=("bounded_integer", "draw_counts", "lognormal_factor", "race_key"),
    uses=(LARGEST_REMAINDER_NEEDS, MARKET_NEEDS, POWER_NEEDS, TAXONOMY_NEEDS, WORDS_NEEDS),
)


def sizes(ctx: PartitionContext, merchants: Frame, generated: Array) -> Array:
    """Outlets of each merchant: uint64, n, at least 1; counts what the outlet law expected.

    `generated` (bool, n) says which merchants are not the user's: their chains have a largest size.
    """
    policy = ctx.params.outlet_policy_1A
    outlets = np.ones(len(merchants), dtype=np.uint64)
    open_to = np.flatnonzero(merchants.channel != ctx.code("channel", "card_not_present"))
    law = taxonomy(ctx)
    kind = look_up(law.mcc, merchants.mcc[open_to])
    coin = ctx.kernels.bounded_integer(
        x=word(ctx, "1A.multi_site", merchant_id=merchants.merchant_id[open_to]),
        bound=np.full(len(open_to), 1_000_000, dtype=np.uint64),
    )
    chance = law.multi_site_permille * np.uint64(policy.multi_site.scale_permille)
    is_chain = coin < chance[kind]
    chain, kind = open_to[is_chain], kind[is_chain]
    merchant_id = merchants.merchant_id[chain]
    sigma = np.full(len(chain), policy.outlets.tail_sigma, dtype=np.float64)
    tail = ctx.kernels.lognormal_factor(
        x=word(ctx, "1A.outlet_scale", merchant_id=merchant_id), mu=sigma * sigma * -0.5, sigma=sigma
    )
    mean = law.site_mean[kind] * (np.float64(policy.outlets.mean_permille) / 1000.0)
    mean = np.minimum(mean * tail, np.float64(policy.outlets.largest_mean))
    at = ctx.address("1A.outlet_count", merchant_id=merchant_id)
    further, draws = ctx.kernels.draw_counts(
        key=ctx.stream("1A.outlet_count"),
        c0=at.c0,
        c1=at.c1,
        mu=mean,
        kappa=np.full(len(chain), policy.outlets.dispersion, dtype=np.float64),
        part_mean=policy.outlets.largest_mean,
        zero_truncated=1,
    )
    ctx.ledger(at, draws=draws)
    _expect(ctx, mean, further)
    _foresee(ctx, merchants.take(open_to[generated[open_to]]))
    outlets[chain] += further.astype(np.uint64)
    most = most_outlets(ctx, merchants.take(chain))
    outlets[chain] = np.where(generated[chain], np.minimum(outlets[chain], most), outlets[chain])
    return outlets


def most_outlets(ctx: Context, chains: Frame) -> Array:
    """Outlets with which a chain sells, on average, what its home market allows: uint64, n, at least 2."""
    demand, classes = ctx.params.demand_policy_5A, ctx.params.demand_classes_5A.classes
    mccs = sorted(ctx.params.mcc_taxonomy_1A.mccs, key=lambda entry: int(entry.mcc))
    near = np.array(
        [
            [
                classes[entry.demand_class[name]].weekly_volume_per_site_median
                * demand.channel_multiplier[name]
                for name in ctx.vocabulary("channel")
            ]
            for entry in mccs
        ]
    )
    markets = ctx.load("world_markets_1A", columns=("country_iso", "largest_volume"))
    largest = np.zeros(len(ctx.vocabulary("country")))
    largest[markets.country_iso] = markets.largest_volume
    one = near[look_up(taxonomy(ctx).mcc, chains.mcc), chains.channel] * chains.brand_factor
    most = power(ctx, largest[chains.home_country_iso] / one, 1.0 / (1.0 + demand.chain_premium))
    return np.clip(np.floor(most), 2.0, np.float64(_LARGEST)).astype(np.uint64)


def spread(ctx: PartitionContext, merchants: Frame, outlets: Array) -> Frame:
    """Outlets of each merchant by country.

    Returns:
        One row a merchant and country, sorted: row i64 (of `merchants`), country i16, outlets u64 (at least
        1).
    """
    row, country, pull = _abroad(ctx, merchants, outlets)
    # The home row leads its merchant's rows; its weight is in proportion to what the merchant's foreign
    # countries weigh.
    rows = np.concatenate([np.arange(len(merchants)), row])
    order = np.argsort(rows, kind="stable")
    rows = rows[order]
    is_home = np.concatenate([np.ones(len(merchants), np.bool_), np.zeros(len(row), np.bool_)])[order]
    countries = np.concatenate([merchants.home_country_iso, country])[order]
    weight = np.concatenate([np.zeros(len(merchants), dtype=np.uint64), pull])[order]
    offsets = run_offsets(rows)
    home = _home_permille(ctx, outlets)
    weight[is_home] = sum_by_run(weight, offsets) // (np.uint64(1000) - home) * home + np.uint64(1)
    shared = outlets - np.diff(offsets)  # each country keeps one outlet, the others are shared out
    counts = largest_remainder(ctx, weight, offsets, shared) + np.uint64(1)
    return Frame({"row": rows, "country": countries, "outlets": counts}).sort("row", "country")


def home_ladder(ctx: Context) -> tuple[Array, Array]:
    """Steps of the ladder of home shares: the largest chain each reaches, and its permille; two uint64.

    Raises:
        ContractError: `1A.S2.HOME_SHARE_LADDER`.
    """
    steps = ctx.params.outlet_policy_1A.home_share
    reach = np.array([step.outlets_up_to for step in steps], dtype=np.uint64)
    if (reach[1:] <= reach[:-1]).any() or reach[-1] < _LARGEST:
        refuse(
            ctx,
            "HOME_SHARE_LADDER",
            "the ladder of home shares is not one",
            found=f"outlets_up_to {reach.tolist()}",
            expected=f"ascending, the last step reaching {_LARGEST}",
            at="outlet_policy_1A.home_share",
            do="order outlet_policy_1A.home_share by outlets_up_to and let its last step reach all chains",
        )
    return reach, np.array([step.home_permille for step in steps], dtype=np.uint64)


def _home_permille(ctx: Context, outlets: Array) -> Array:
    """Share of its outlets that a chain of this size keeps at home: uint64, n.

    The first step of the ladder that reaches the size decides.
    """
    reach, permille = home_ladder(ctx)
    share: Array = permille[np.searchsorted(reach, outlets)]
    return share


def _abroad(ctx: PartitionContext, merchants: Frame, outlets: Array) -> tuple[Array, Array, Array]:
    """Foreign countries drawn: merchant row i64, country i16 and pull u64, in merchant order."""
    policy, markets = ctx.params.outlet_policy_1A, ctx.load("world_markets_1A")
    codes = letters_of(ctx, markets.country_iso)
    chain = np.flatnonzero(outlets > 1)
    merchant_id, further = merchants.merchant_id[chain], outlets[chain] - np.uint64(1)
    at = ctx.address("1A.foreign_reach", merchant_id=merchant_id)
    many, draws = ctx.kernels.draw_counts(
        key=ctx.stream("1A.foreign_reach"),
        c0=at.c0,
        c1=at.c1,
        mu=power(ctx, further.astype(np.float64), policy.reach.size_exponent) * np.float64(policy.reach.rate),
        kappa=np.zeros(len(chain), dtype=np.float64),
        part_mean=_POISSON_PART,
        zero_truncated=0,
    )
    ctx.ledger(at, draws=draws)
    most = min(policy.reach.most_countries, len(codes) - 1)
    many = np.minimum(np.minimum(many.astype(np.uint64), further), np.uint64(most))
    chain, many = chain[many > 0], many[many > 0]
    size = sized_by(ctx, markets, "market_size")
    pull = affinity(ctx, size, policy.bonds)[merchants.home_country_iso[chain]][:, markets.country_iso]
    options, whose = np.tile(codes, len(chain)), np.repeat(merchants.merchant_id[chain], len(codes))
    x = word(ctx, "1A.foreign_choice", country_letters=options, merchant_id=whose)
    times = ctx.kernels.race_key(x=x, weight=pull.astype(np.float64).reshape(-1)).reshape(pull.shape)
    winners = np.argsort(times, axis=1, kind="stable")  # ties to the smaller country code
    taken = np.arange(len(codes), dtype=np.uint64)[None, :] < many[:, None]
    country = winners[taken]
    row = np.repeat(np.arange(len(chain)), many.astype(np.int64))
    return chain[row], markets.country_iso[country], pull[row, country]


def _expect(ctx: PartitionContext, mean: Array, further: Array) -> None:
    """Count the Pearson residuals of F, and their squares, under its own law.

    A residual is a chain's F less its mean, over its deviation.

    With p0 = (1 + mu / kappa) ** -kappa: E[F] = mu / (1 - p0), E[F**2] = (mu + mu**2 / kappa + mu**2) / (1 -
    p0).
    """
    kappa = np.float64(ctx.params.outlet_policy_1A.outlets.dispersion)
    p0 = power(ctx, 1.0 + mean / kappa, -float(kappa))
    expected = mean / (1.0 - p0)
    variance = (mean + mean * mean / kappa + mean * mean) / (1.0 - p0) - expected * expected
    residual = (further.astype(np.float64) - expected) / np.sqrt(variance)
    ctx.count(ChainCounts.law_chains, len(mean))
    ctx.count(ChainCounts.law_residual_q, fixed(residual).sum())
    ctx.count(ChainCounts.law_square_q, fixed(residual * residual).sum())


def _foresee(ctx: PartitionContext, merchants: Frame) -> None:
    """Count what the law promises of the squares of chains' sizes: they make the share of chains scatter.

    To first order in the trade's mean m, E[1 + F] = 1 + m / (1 - p0) and E[(1 + F)**2] = 1 + (3 m + m**2
    exp(sigma**2) (1 + 1 / kappa)) / (1 - p0); the square of a size that ends at c is c E[1 + F] at most.

    Args:
        ctx: Context of 1A.S2.
        merchants: Generated merchants that may be chains.
    """
    policy, law = ctx.params.outlet_policy_1A, taxonomy(ctx)
    kappa, sigma = np.float64(policy.outlets.dispersion), np.float64(policy.outlets.tail_sigma)
    mean = law.site_mean * (np.float64(policy.outlets.mean_permille) / 1000.0)
    tail = ctx.kernels.lognormal_factor(
        x=np.full(1, 2**63, dtype=np.uint64), mu=np.full(1, sigma * sigma), sigma=np.zeros(1)
    )[0]
    some = 1.0 - power(ctx, 1.0 + mean / kappa, -float(kappa))
    size = 1.0 + mean / some
    square = 1.0 + (3.0 * mean + mean * mean * tail * (1.0 + 1.0 / kappa)) / some
    chance = law.multi_site_permille.astype(np.float64) * np.float64(policy.multi_site.scale_permille) / 1e6
    kind = look_up(law.mcc, merchants.mcc)
    held = most_outlets(ctx, merchants).astype(np.float64) * size[kind]
    promised = np.minimum(chance, 1.0)[kind] * np.minimum(square[kind], held)
    ctx.count(ChainCounts.foreseen_squares_q, fixed(promised).sum())
