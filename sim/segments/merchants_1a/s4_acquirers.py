"""1A.S4: the acquirers of the countries that merchants are at home in: a few each, known by their rank."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.weights import POWER_NEEDS, power
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Needs, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

# ASCII "acquirer": ids of acquirers and of other things never share a key
_ACQUIRER_TAG = np.uint64(0x6163717569726572)
_RANK_BITS = 32
_STEP = 7

ACQUIRERS_NEEDS = Needs(reference=("countries",), config=("merchant_identity_1A",))
RANKS_NEEDS = Needs(uses=(ACQUIRERS_NEEDS, POWER_NEEDS))


class Counts(Counters):
    """Acquirers as published, and countries of merchants without one."""

    acquirers = Scalar()
    countries_without = Scalar()


STATE = State(
    id="1A.S4",
    title="Acquirers",
    reads={"merchant_catalogue_1A": ROW_LEVEL},
    writes=("s4_acquirers_1A",),
    counts=(Counts,),
    uses=(ACQUIRERS_NEEDS, ENTITY_NEEDS),
)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Acquirers of all countries that merchants are at home in."""
    homes = ctx.load("merchant_catalogue_1A", columns=("home_country_iso",)).home_country_iso
    acquirers = _acquirers(ctx, np.unique(homes)).sort("acquirer_id")
    ctx.count(Counts.acquirers, len(acquirers))
    ctx.count(Counts.countries_without, len(np.setdiff1d(homes, acquirers.country_iso)))
    return {"s4_acquirers_1A": acquirers}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every home country has an acquirer."""
    seen = Counts(totals)
    return [
        Check(
            "every home country has acquirers",
            seen.countries_without == 0 < seen.acquirers,
            {"without": seen.countries_without, "acquirers": seen.acquirers},
            {"without": 0},
            "countries that merchants are at home in",
        )
    ]


def most_acquirers(ctx: Context) -> int:
    """Acquirers of the country that has most."""
    return max(int(entry.acquirers) for entry in ctx.params.merchant_identity_1A.acquirers.a_country)


def acquirers_of(ctx: Context) -> Array:
    """Acquirers of each country: int64, one a code of `country`."""
    table, law = ctx.reference("countries"), ctx.params.merchant_identity_1A.acquirers.a_country
    people = np.zeros(len(ctx.vocabulary("country")), dtype=np.int64)
    people[table.country_iso] = table.population
    found = np.zeros(len(people), dtype=np.int64)
    for entry in sorted(law, key=lambda entry: int(entry.population_from)):
        found = np.where(people >= int(entry.population_from), int(entry.acquirers), found)
    return np.maximum(found, 1)


def rank_totals(ctx: Context) -> Array:
    """Weights of the ranks 1, 2, ... summed up: uint64, in 2**-32 of the first."""
    rank = np.arange(1, most_acquirers(ctx) + 1, dtype=np.float64)
    weight = power(ctx, rank, -float(ctx.params.merchant_identity_1A.acquirers.exponent))
    return np.cumsum(fixed_point(weight, _RANK_BITS))


def _acquirers(ctx: Context, countries: Array) -> Frame:
    """Acquirers of some countries (int16, ascending), by country and rank."""
    law = ctx.params.merchant_identity_1A
    many = acquirers_of(ctx)[countries]
    country = np.repeat(countries, many)
    rank = np.arange(len(country)) - np.repeat(np.cumsum(many) - many, many)
    hashes = ctx.name_hashes("country")[country]
    beginnings, endings = (np.array(words, dtype=object) for words in (law.beginnings, law.endings))
    kinds = np.array(law.acquirers.kinds, dtype=object)
    # A country begins anywhere in the lists, and its acquirers go on in steps: few share a word.
    first = (hashes % np.uint64(len(beginnings))).astype(np.int64) + rank * _STEP
    second = (hashes // np.uint64(2**32) % np.uint64(len(endings))).astype(np.int64) + rank * _STEP
    name = beginnings[first % len(beginnings)] + endings[second % len(endings)] + " "
    return Frame(
        {
            "acquirer_id": id_of(pair_entity(ctx, hashes ^ _ACQUIRER_TAG, rank.astype(np.uint64))),
            "acquirer_name": name + kinds[rank % len(kinds)],
            "country_iso": country.astype(np.int16),
            "acquirer_rank": (rank + 1).astype(np.uint8),
        }
    )
