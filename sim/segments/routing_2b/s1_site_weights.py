"""2B.S1: how much each site of a merchant sells, relative to its others.

site_scale = (city population / reference population) ** a x lognormal(mean 1, sigma): sites in bigger cities
sell more, and equal cities differ. Weights are the scales' shares in each merchant as exact integers of
2**-40.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.audits import between_check, ledger_check
from sim.recipes.groups import run_offsets
from sim.recipes.join import look_up
from sim.recipes.partitions import rows_of, whole_runs
from sim.recipes.places import country_letters
from sim.recipes.weights import EXACT_WEIGHTS_NEEDS, POWER_NEEDS, WEIGHT_BITS, as_share, exact_weights, power
from sim.recipes.words import WORDS_NEEDS, word
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STREAM = "2B.site_scale"
FACTOR_BITS = 20
# A scale is below 2**10 and a merchant has fewer than 2**21 sites, so 2**32 keeps a merchant's sum inside 63
# bits.
SCALE_BITS = 32


class Counts(Counters):
    """Sites, their factors in fixed point, and the top shares of merchants with many."""

    sites = Scalar()
    factor_q = Scalar()
    big_merchants = Scalar()
    big_top_permille = Scalar()


STATE = State(
    id="2B.S1",
    title="Site weights",
    reads={"site_timezones": ROW_LEVEL, "site_locations": ROW_LEVEL},
    config=("site_weight_policy_2B", "realism_gates_2B"),
    reference=("cities",),
    writes=("s1_site_weights_2B",),
    streams=(STREAM,),
    kernels=("lognormal_factor", "exp_map"),
    counts=(Counts,),
    uses=(EXACT_WEIGHTS_NEEDS, POWER_NEEDS, WORDS_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """Ranges of whole merchants."""
    return whole_runs(ctx.load("site_timezones", columns=("merchant_id",)).merchant_id, 1 << 19)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Scales and weights of the sites of a range of merchants."""
    policy = ctx.params.site_weight_policy_2B
    sites = ctx.load("site_timezones", rows=rows_of(part))
    city_id = ctx.load("site_locations", rows=rows_of(part), columns=("city_id",)).city_id
    factor = _site_factor(ctx, sites, policy.site_sigma)
    scale = _city_factor(ctx, city_id) * factor
    offsets = run_offsets(sites.merchant_id)
    weight_q = exact_weights(ctx, fixed_point(scale, SCALE_BITS), offsets)
    _count(ctx, sites, factor, weight_q, offsets)
    return {
        "s1_site_weights_2B": sites.with_columns(
            site_scale=scale, weight_q=weight_q, p_weight=as_share(weight_q)
        )
    }


def _city_factor(ctx: Context, city_id: Array) -> Array:
    """(population / reference population) ** exponent of each site's city, float64."""
    policy = ctx.params.site_weight_policy_2B
    cities = ctx.reference("cities")
    people = np.maximum(cities.population, np.int64(policy.city_population_floor)).astype(np.float64)
    factor = power(ctx, people / np.float64(policy.city_population_reference), policy.city_exponent)
    order = np.argsort(cities.city_id, kind="stable")
    return factor[order][look_up(cities.city_id[order], city_id)]


def _site_factor(ctx: PartitionContext, sites: Frame, sigma: float) -> Array:
    """Lognormal factor of mean 1 of each site, float64: one draw, addressed by the site's natural key."""
    letters = country_letters(ctx)[sites.legal_country_iso]
    x = word(ctx, STREAM, country_letters=letters, site_order=sites.site_order, merchant_id=sites.merchant_id)
    spread = np.full(len(sites), sigma)
    y: Array = ctx.kernels.lognormal_factor(x=x, mu=spread * spread * -0.5, sigma=spread)
    return y


def _count(ctx: PartitionContext, sites: Frame, factor: Array, weight_q: Array, offsets: Array) -> None:
    """Count sites and their factors, and how far the largest site of big merchants exceeds the others."""
    first = offsets[:-1].astype(np.int64)
    size = np.diff(offsets).astype(np.int64)
    top = np.maximum.reduceat(weight_q, first) if len(first) else weight_q
    big = size >= ctx.params.realism_gates_2B.skew_min_sites
    ctx.count(Counts.sites, len(sites))
    ctx.count(Counts.factor_q, int(fixed_point(factor, FACTOR_BITS).sum()))
    ctx.count(Counts.big_merchants, int(big.sum()))
    # Largest share over equal share, in permille.
    ctx.count(
        Counts.big_top_permille,
        int(((top.astype(np.int64) >> 20) * size * 1000 >> (WEIGHT_BITS - 20))[big].sum()),
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every site has a weight.

    The site factor has mean 1; big merchants are skewed, but not to a single site.
    """
    seen = Counts(totals)
    gates = ctx.params.realism_gates_2B
    sites = seen.sites
    expected = sum(file.rows for file in ctx.files("site_timezones"))
    sigma = np.full(1, ctx.params.site_weight_policy_2B.site_sigma)
    deviation = (
        np.sqrt(ctx.kernels.exp_map(x=sigma * sigma) - 1.0)
        * gates.factor_mean_z
        / np.sqrt(np.float64(max(sites, 1)))
    )
    slack = int(np.floor(deviation * 2.0**FACTOR_BITS)[0]) + 1
    mean = seen.factor_q // max(sites, 1)
    result = [
        Check("one weight a site", sites == expected, sites, expected),
        between_check(
            "site factor mean",
            mean,
            ((1 << FACTOR_BITS) - slack, (1 << FACTOR_BITS) + slack),
            f"mean of the lognormal site factor in 2**-{FACTOR_BITS}; the law's mean is 1",
        ),
        ledger_check(totals, STREAM, sites, 1),
    ]
    big = seen.big_merchants
    if big >= gates.skew_min_merchants:
        bounds = (gates.skew_min_permille, gates.skew_max_permille)
        found = seen.big_top_permille // big
        result.append(
            between_check(
                "largest site stands out",
                found,
                bounds,
                f"its share over an equal share, permille, {big} merchants",
            )
        )
    return result
