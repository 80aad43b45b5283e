"""The countries of the world, and how much of it each is.

A world smaller than the Earth is a sample of its markets: countries by systematic sampling in proportion to
their card market, the large ones for certain. Where the user's own merchants replace the generated ones, the
world has the countries they are in.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.places import country_letters
from sim.recipes.samples import SYSTEMATIC_NEEDS, systematic
from sim.recipes.words import WORDS_NEEDS, word
from sim.segments.merchants_1a.market import MARKET_NEEDS, market_size
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

COUNTRIES_OF = np.uint64(0)
"""Number of the sample of countries (field sample_number)."""

COUNTRIES_NEEDS = Needs(
    config=("footprint_policy_1A", "merchant_universe_1A"),
    reference=("countries",),
    external=("merchants_input_1A",),
    streams=("1A.footprint_country",),
    uses=(LARGEST_REMAINDER_NEEDS, MARKET_NEEDS, SYSTEMATIC_NEEDS, WORDS_NEEDS),
)


def replaces(ctx: Context) -> bool:
    """Whether the world has no merchants but the user's."""
    rows = ctx.external("merchants_input_1A")
    return rows is not None and ctx.params.merchant_universe_1A.when_supplied == "replace"


def eligible_markets(ctx: Context) -> Array:
    """Market size of each country that a world may choose, 0 of the others: uint64, one a country code.

    A country is left out where policy excludes it, and where its share of all markets that are not excluded
    is below the least share.

    Raises:
        ContractError: `1A.S1.MARKET_UNKNOWN` if policy excludes what is no country,
            `1A.S1.NO_COUNTRY` if no country is left.
    """
    policy, names = ctx.params.footprint_policy_1A, ctx.vocabulary("country")
    unknown = sorted(set(policy.excluded_markets) - set(names))
    if unknown:
        refuse(
            ctx,
            "MARKET_UNKNOWN",
            "the policy of the footprint excludes what is no country",
            at="footprint_policy_1A.excluded_markets",
            found=", ".join(unknown),
            expected="ISO 3166-1 alpha-2 codes of the reference snapshot",
        )
    size = market_size(ctx, ctx.params.merchant_universe_1A.country_market)
    size[[ctx.code("country", name) for name in policy.excluded_markets]] = 0
    share = size.astype(np.float64) / np.float64(max(1, int(size.sum())))
    size[share * 1e6 < policy.least_market_share_ppm] = 0
    if not size.any():
        refuse(
            ctx,
            "NO_COUNTRY",
            "the policy of the footprint leaves no country to choose",
            at="footprint_policy_1A.least_market_share_ppm",
            found=f"every market is excluded or below {policy.least_market_share_ppm} ppm",
            expected="one country at least",
        )
    return size


def world_markets(ctx: PartitionContext) -> Frame:
    """Rows of `world_markets_1A`: the countries of the world by code.

    `merchant_weight` is 0 for a country that only the user's own merchants brought.
    """
    universe, policy = ctx.params.merchant_universe_1A, ctx.params.footprint_policy_1A
    rows = ctx.external("merchants_input_1A")
    given = np.zeros(len(ctx.vocabulary("country")), dtype=np.bool_)
    if rows is not None:
        given[rows.country] = True
        given[rows.outlet_country[rows.present("outlet_country")]] = True
    size = market_size(ctx, universe.country_market)
    weight = np.zeros_like(size)
    if not replaces(ctx):
        eligible = eligible_markets(ctx)
        table = ctx.reference("countries")
        # Neighbours in this order are near each other, so the sample spreads over the regions of the world.
        order = np.lexsort((eligible, table.subregion, table.region))
        start = word(ctx, "1A.footprint_country", sample_number=np.array([COUNTRIES_OF]))
        chosen = order[systematic(ctx, eligible[order], policy.countries, start)]
        weight[chosen] = eligible[chosen]
    country = np.flatnonzero(given | (weight > 0))
    metros = _metros(ctx, size[country], int(np.count_nonzero(weight)), rows)
    return Frame(
        {
            "country_iso": country.astype(np.int16),
            "market_size": size[country],
            "merchant_weight": weight[country],
            "metros_wanted": metros,
        }
    )


def sized_by(ctx: Context, markets: Frame, column: str) -> Array:
    """A column of `world_markets_1A` by country code, 0 for countries outside the world: uint64."""
    full = np.zeros(len(ctx.vocabulary("country")), dtype=np.uint64)
    full[markets.country_iso] = markets[column]
    return full


def letters_of(ctx: Context, country: Array) -> Array:
    """The two ISO letters of country codes, uint64."""
    letters: Array = country_letters(ctx)[country]
    return letters


def _metros(ctx: Context, size: Array, generated: int, rows: Frame | None) -> Array:
    """Number of metros of each country: one each, the others in proportion to the markets: uint64.

    A world of the user's own merchants has as many metros as its size asks for; `generated` is the number of
    countries chosen for generated merchants.
    """
    policy = ctx.params.footprint_policy_1A
    metros = policy.metros
    if generated == 0 and rows is not None:
        own = len(np.unique(rows.merchant_id))
        metros = -(-metros * min(own, policy.made_for_merchants) // policy.made_for_merchants)
    free = max(0, metros - len(size))
    offsets = np.array([0, len(size)], dtype=np.uint64)
    return largest_remainder(ctx, size, offsets, np.array([free], dtype=np.uint64)) + np.uint64(1)
