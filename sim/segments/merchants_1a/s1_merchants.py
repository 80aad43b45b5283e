"""1A.S1: which part of the Earth the world is, and who its merchants are.

The countries and places of the world come first (`countries.py`, `footprint.py`); a merchant has a home
country among them, a trade, a channel, and a brand that is more or less strong.

Merchant r of the generated universe has an id drawn from r alone; everything else is drawn from the id, so
adding merchants changes none of the existing ones. The user's own merchants keep the properties in the
user's file and draw only the brand; policy says whether they replace the generated ones or join them.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.entities import id_of
from sim.recipes.groups import run_starts
from sim.recipes.join import look_up
from sim.recipes.sampling import fixed, from_fixed, multinomial_check, sampling_check
from sim.recipes.words import WORDS_NEEDS, word, words_at
from sim.segments.merchants_1a.countries import (
    COUNTRIES_NEEDS,
    eligible_markets,
    replaces,
    sized_by,
    world_markets,
)
from sim.segments.merchants_1a.footprint import FOOTPRINT_NEEDS, world_footprint
from sim.segments.merchants_1a.size_law import SIZE_LAW_NEEDS, limited_markets
from sim.segments.merchants_1a.taxonomy import TAXONOMY_NEEDS, channel_permille, require_consistent, taxonomy
from sim.segments.merchants_1a.world_checks import WORLD_CHECKS_NEEDS, WorldCounts, count_world, world_checks
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import Check, Frames, Partition, State
from sim.state.frames import Array, Frame, concat
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """What the checks of merchants need."""

    merchants = Scalar()
    generated = Scalar()
    generated_by_country = Vector("country")
    generated_by_mcc = Vector(lambda ctx: len(ctx.params.mcc_taxonomy_1A.mccs))
    generated_by_channel = Vector("channel")


_ONE_EACH = ("1A.merchant_id", "1A.merchant_country", "1A.merchant_mcc", "1A.merchant_channel")

STATE = State(
    id="1A.S1",
    title="World and merchants",
    writes=("world_markets_1A", "world_footprint_1A", "merchant_catalogue_1A"),
    config=("merchant_universe_1A", "mcc_taxonomy_1A", "realism_gates_1A"),
    external=("merchants_input_1A",),
    streams=(*_ONE_EACH, "1A.merchant_brand"),
    kernels=("bounded_integer", "lognormal_factor"),
    counts=(Counts, WorldCounts),
    uses=(COUNTRIES_NEEDS, FOOTPRINT_NEEDS, SIZE_LAW_NEEDS, TAXONOMY_NEEDS, WORDS_NEEDS, WORLD_CHECKS_NEEDS),
)


def preflight(ctx: Context) -> None:
    """Refuse a taxonomy that contradicts itself, a world without countries, and taken ids.

    Ids are taken where the seed generates some of the user's too.
    """
    require_consistent(ctx)
    if not replaces(ctx):
        eligible_markets(ctx)
    if ctx.external("merchants_input_1A") is not None:
        _supplied(ctx, generated_ids(ctx))


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """The world, and the whole population: generated, supplied, sorted by id."""
    require_consistent(ctx)
    markets = world_markets(ctx)
    footprint = world_footprint(ctx, markets)
    markets = limited_markets(ctx, markets, footprint)
    count_world(ctx, markets, footprint)
    generated = _generated(ctx, sized_by(ctx, markets, "merchant_weight"))
    supplied = _supplied(ctx, generated.merchant_id)
    merchants = concat([generated, supplied]).sort("merchant_id")
    sigma = np.full(len(merchants), ctx.params.merchant_universe_1A.brand_sigma, dtype=np.float64)
    brand = ctx.kernels.lognormal_factor(
        x=word(ctx, "1A.merchant_brand", merchant_id=merchants.merchant_id),
        mu=sigma * sigma * -0.5,
        sigma=sigma,
    )
    mccs = look_up(taxonomy(ctx).mcc, generated.mcc)
    ctx.count(Counts.merchants, len(merchants))
    ctx.count(Counts.generated, len(generated))
    ctx.count(WorldCounts.merchant_weight, sized_by(ctx, markets, "merchant_weight").astype(np.int64))
    ctx.count(
        Counts.generated_by_country,
        np.bincount(generated.home_country_iso, minlength=len(ctx.vocabulary("country"))),
    )
    ctx.count(Counts.generated_by_mcc, np.bincount(mccs, minlength=len(ctx.params.mcc_taxonomy_1A.mccs)))
    ctx.count(
        Counts.generated_by_channel, np.bincount(generated.channel, minlength=len(ctx.vocabulary("channel")))
    )
    return {
        "world_markets_1A": markets,
        "world_footprint_1A": footprint,
        "merchant_catalogue_1A": merchants.with_columns(brand_factor=brand),
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """The world against its policy, the mixes against their priors, the ledger against the rows."""
    seen = Counts(totals)
    gates = ctx.params.realism_gates_1A
    allowance = (gates.mix.sigmas, gates.mix.slack_merchants)
    mix = channel_permille(ctx).astype(np.float64) / 1000.0
    by_mcc = seen.generated_by_mcc.astype(np.float64)[:, None]
    # Two-step law: given its MCC a merchant's channel is one trial, so means and variances add up over the
    # MCCs.
    expected = from_fixed(fixed(by_mcc * mix).sum(axis=0))
    variance = from_fixed(fixed(by_mcc * mix * (1.0 - mix)).sum(axis=0))
    generated, everyone = seen.generated, seen.merchants
    return [
        *world_checks(ctx, totals),
        _by_country(ctx, totals, allowance),
        multinomial_check(
            "generated merchants by mcc",
            [str(code) for code in taxonomy(ctx).mcc],
            seen.generated_by_mcc,
            taxonomy(ctx).share_weight,
            allowance,
            "trades follow the taxonomy's share weights",
        ),
        sampling_check(
            "generated merchants by channel",
            ctx.vocabulary("channel"),
            seen.generated_by_channel,
            expected,
            variance,
            allowance,
            "channels follow each trade's channel mix",
        ),
        *(ledger_check(totals, stream, generated, 1) for stream in _ONE_EACH),
        ledger_check(totals, "1A.merchant_brand", everyone, 1),
    ]


def generated_ids(ctx: Context) -> Array:
    """Ids of the generated merchants by rank: uint64; none where the user's own replace them."""
    universe = ctx.params.merchant_universe_1A
    rank = np.arange(0 if replaces(ctx) else universe.merchants, dtype=np.uint64)
    (drawn,) = words_at(ctx, ctx.address("1A.merchant_id", merchant_rank=rank))
    return id_of(drawn)


def _by_country(ctx: Context, totals: Totals, allowance: tuple[float, float]) -> Check:
    """Home countries of generated merchants against the weights of the world's markets."""
    found, weight = Counts(totals).generated_by_country, WorldCounts(totals).merchant_weight
    if not weight.any():  # all merchants are the user's
        weight = np.ones_like(weight)
    return multinomial_check(
        "generated merchants by country",
        ctx.vocabulary("country"),
        found,
        weight.astype(np.uint64),
        allowance,
        "home countries follow the market sizes of the world's countries",
    )


def _generated(ctx: PartitionContext, weight: Array) -> Frame:
    """Generated merchants; `weight` is that of each country code."""
    merchant_id = generated_ids(ctx)
    ctx.ledger(ctx.address("1A.merchant_id", merchant_rank=np.arange(len(merchant_id), dtype=np.uint64)))
    kinds = taxonomy(ctx)
    country = np.zeros(0, dtype=np.int64)
    if len(merchant_id):
        country = _choose(ctx, word(ctx, "1A.merchant_country", merchant_id=merchant_id), weight)
    kind = _choose(ctx, word(ctx, "1A.merchant_mcc", merchant_id=merchant_id), kinds.share_weight)
    upper = np.cumsum(channel_permille(ctx), axis=1)[kind]
    ticket = ctx.kernels.bounded_integer(
        x=word(ctx, "1A.merchant_channel", merchant_id=merchant_id),
        bound=np.full(len(merchant_id), 1000, dtype=np.uint64),
    )
    return _merchants(
        merchant_id,
        np.full(len(merchant_id), "", dtype=object),
        kinds.mcc[kind],
        (ticket[:, None] >= upper).sum(axis=1).astype(np.int16),
        country.astype(np.int16),
    )


def _merchants(merchant_id: Array, ref: Array, mcc: Array, channel: Array, country: Array) -> Frame:
    columns = {
        "merchant_id": merchant_id,
        "merchant_ref": ref,
        "mcc": mcc,
        "channel": channel,
        "home_country_iso": country,
    }
    return Frame(columns, {"merchant_ref": ref != ""})


def _supplied(ctx: Context, taken: Array) -> Frame:
    rows = ctx.external("merchants_input_1A")
    if rows is None:
        empty = np.empty(0, dtype=np.int16)
        dtypes = (np.uint64, object, np.uint16, np.int16, np.int16)
        return _merchants(*(empty.astype(dtype) for dtype in dtypes))
    first = rows.take(run_starts(rows.merchant_id))
    both = np.flatnonzero(np.isin(first.merchant_id, taken))
    if len(both):
        refuse(
            ctx,
            "MERCHANT_ID_TAKEN",
            f"{len(both)} merchant id(s) of the merchants file are also ids of generated merchants",
            at="merchant_universe_1A.when_supplied",
            expected="ids that this seed does not generate",
            examples=[
                key if key == str(merchant) else f"{key}, whose id is {merchant}"
                for key, merchant in zip(
                    first.merchant_ref[both[:5]].tolist(), first.merchant_id[both[:5]].tolist(), strict=True
                )
            ],
            total=len(both),
            do="renumber these merchants, or run with another --seed",
        )
    return _merchants(first.merchant_id, first.merchant_ref, first.mcc, first.channel, first.country)


def _choose(ctx: Context, words: Array, weight: Array) -> Array:
    """Index drawn with probability weight / total, by inversion of the cumulative weights.

    The error is less than 2**-64.
    """
    upper = np.cumsum(weight)
    ticket = ctx.kernels.bounded_integer(x=words, bound=np.full(len(words), upper[-1], dtype=np.uint64))
    index: Array = np.searchsorted(upper, ticket, side="right")
    return index
