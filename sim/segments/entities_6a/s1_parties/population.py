"""How many parties live where: world size, countries, types, segments, households.

Small tables that every partition recomputes.

parties    = expected weekly arrivals / (arrivals of an active party x active share), or outlets x parties an
outlet; between the least and the most of policy, and no more than the countries have people for
country    ~ expected arrivals (or outlets), below a cap

Where there are fewer people than customers asked for, each buys more often: the merchants of a small place
sell to its visitors too, who are counted as if they lived there. `population_measure` says it.
type       by the region's mix, segment by the mix of region and type: largest remainder at each level
households of size k hold k x p(k) / mean of a country's RETAIL parties; where k does not divide them, one
household is smaller
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.ground.errors import ValidationError
from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, fixed_point, largest_remainder
from sim.recipes.entities import ENTITY_NEEDS, pair_entity
from sim.recipes.terms import COUNTRY_TERMS_NEEDS, region_of_country, require_terms, shares_by_region
from sim.segments.entities_6a.segment_types import SEGMENT_TYPES_NEEDS, segment_types
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Measurement, Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse, refuse_any

_ARRIVAL_BITS = 20
_WEIGHT_BITS = 40

POPULATION_NEEDS = Needs(
    reads={"merchant_zone_profile_5A": ROW_LEVEL, "outlet_catalogue": ROW_LEVEL},
    config=("household_prior_6A", "population_prior_6A", "segmentation_prior_6A"),
    reference=("countries",),
    uses=(COUNTRY_TERMS_NEEDS, ENTITY_NEEDS, LARGEST_REMAINDER_NEEDS, SEGMENT_TYPES_NEEDS),
)


@dataclass(frozen=True)
class Population:
    """Counts that fix every id.

    Attributes:
        summary: Rows of `s1_party_summary_6A`.
        countries: One row a country: `country_iso`, `parties`, `households`, `first_household` (ids from 1),
            all uint64 but the first.
        members: uint64, countries x sizes: RETAIL parties in households of 1, 2, 3 .. members.
        asked: Parties that demand and the bounds of policy ask for.
        room: Parties that the countries have people for.
    """

    summary: Frame
    countries: Frame
    members: Array
    asked: int
    room: int


def population(ctx: Context) -> Population:
    """The population of a world.

    Args:
        ctx: Context.
    """
    places, asked, room = _countries(ctx)
    region = region_of_country(ctx)[places.country_iso]
    summary = _segments(ctx, places, region)
    retail = np.zeros(len(ctx.vocabulary("country")), dtype=np.uint64)
    own = summary.party_type == ctx.code("party_type", "RETAIL")
    np.add.at(retail, summary.country_iso[own], summary.parties[own])
    retail = retail[places.country_iso]
    members = _members(ctx, retail, region)
    size = np.arange(1, members.shape[1] + 1, dtype=np.uint64)
    homes = ((members + size - np.uint64(1)) // size).sum(axis=1) + places.parties - retail
    first = np.cumsum(homes) - homes + np.uint64(1)
    return Population(
        summary,
        places.with_columns(None, retail=retail, households=homes, first_household=first),
        members,
        asked,
        room,
    )


def population_measure(ctx: Context) -> Measurement:
    """How many parties demand and policy ask for, how many there is room for, and how many there are."""
    found = population(ctx)
    parties = int(found.countries.parties.sum())
    figures = {"asked": found.asked, "room": found.room, "parties": parties}
    note = "asked for by demand and policy; room: people of the countries. With fewer, each buys more often"
    return Measurement("customers", figures, "parties", note)


def check_priors(ctx: Context) -> None:
    """Refuse priors of parties that cannot be met, before anything runs."""
    prior, house = ctx.params.population_prior_6A, ctx.params.household_prior_6A
    region_of_country(ctx)
    _mixes(ctx)
    require_terms(ctx, house.size_mix, ctx.vocabulary("region"), "household_prior_6A.size_mix", "region")
    require_terms(
        ctx, house.crowding, retail_segments(ctx), "household_prior_6A.crowding", "segment (RETAIL)"
    )
    sizes, mixes = "household_prior_6A.size_mix", dict(house.size_mix.items())
    faults = [
        Fault(f"{sizes}.{name}", f"size_mix.{name} sums to {sum(mix)}, not 10000")
        for name, mix in mixes.items()
        if sum(mix) != 10_000
    ]
    faults += (
        [Fault(sizes, "size_mix has lists of different lengths")]
        if len(set(map(len, mixes.values()))) > 1
        else []
    )
    if prior.min_parties > prior.max_parties:
        what = f"min_parties > max_parties: {prior.min_parties} > {prior.max_parties}"
        faults.append(Fault("population_prior_6A.min_parties", what))
    refuse_any(
        ctx, "PRIORS_IMPOSSIBLE", "The priors of parties contradict themselves.", faults, do="correct them"
    )


def retail_segments(ctx: Context) -> list[str]:
    """Names of the RETAIL segments."""
    types = segment_types(ctx)
    return [
        name
        for code, name in enumerate(ctx.vocabulary("segment"))
        if types[code] == ctx.code("party_type", "RETAIL")
    ]


def _countries(ctx: Context) -> tuple[Frame, int, int]:
    """Countries with demand or outlets and their parties by code; parties asked for, and room for them."""
    prior = ctx.params.population_prior_6A
    count = len(ctx.vocabulary("country"))
    outlets = np.bincount(
        ctx.load("outlet_catalogue", columns=("legal_country_iso",)).legal_country_iso, minlength=count
    )
    profile = ctx.load("merchant_zone_profile_5A", columns=("legal_country_iso", "weekly_volume_expected"))
    arrivals_q = np.zeros(count, dtype=np.uint64)
    np.add.at(
        arrivals_q, profile.legal_country_iso, fixed_point(profile.weekly_volume_expected, _ARRIVAL_BITS)
    )
    total = np.float64(int(arrivals_q.sum())) / np.float64(1 << _ARRIVAL_BITS)
    size = prior.size
    if size.law == "arrivals":
        wanted = total / (np.float64(size.arrivals_per_active_party_week) * np.float64(size.active_share))
    else:
        wanted = np.float64(int(outlets.sum())) * np.float64(size.parties_per_outlet)
    party_total = int(np.clip(np.floor(wanted + 0.5), prior.min_parties, prior.max_parties))

    # Parties are where the demand is that they make, so the arrivals a party are the same everywhere.
    share_of = arrivals_q if size.law == "arrivals" else outlets.astype(np.uint64)
    used = np.flatnonzero(share_of > 0)
    weight = share_of[used].astype(np.float64)
    if len(used) == 0:
        refuse(
            ctx,
            "ZERO_WEIGHT",
            "There are parties to place and no country to place them in.",
            found=f"{party_total} parties; outlets and expected arrivals are 0 everywhere",
            expected="a merchant with demand",
            at=("merchant_universe_1A.merchants", "demand_policy_5A.volume_scale"),
            do="raise merchant_universe_1A.merchants or demand_policy_5A.volume_scale",
            error=ValidationError,
        )
    people = _people(ctx, used)
    room = int(people.sum())
    if room == 0:
        refuse(
            ctx,
            "NO_PEOPLE",
            "No country with demand has people enough for one customer.",
            found=f"{len(used)} countries, no customer",
            expected="one customer at least",
            at="population_prior_6A.parties_per_inhabitant_max_permille",
            do="raise it, or give merchants in a larger country",
            error=ValidationError,
        )
    asked, party_total = party_total, min(party_total, room)
    parties = _between(
        ctx, fixed_point(weight / weight.max(), _WEIGHT_BITS), _caps(ctx, people, party_total), party_total
    )
    places = Frame({"country_iso": used.astype(np.int16), "parties": parties})
    return places.take(np.flatnonzero(parties > 0)), asked, room


def _people(ctx: Context, used: Array) -> Array:
    """Most parties that each country has people for: int64."""
    prior, table = ctx.params.population_prior_6A, ctx.reference("countries")
    people = np.zeros(len(ctx.vocabulary("country")), dtype=np.int64)
    people[table.country_iso] = table.population
    most: Array = people[used] * prior.parties_per_inhabitant_max_permille // 1000
    return most


def _caps(ctx: Context, people: Array, party_total: int) -> Array:
    """Greatest number of parties of each country, `people` at most: uint64."""
    # A world of one country has everybody there.
    permille = ctx.params.population_prior_6A.country_share_max_permille if len(people) > 1 else 1000
    return np.minimum(party_total * permille // 1000, people).astype(np.uint64)


def _between(ctx: Context, weight: Array, cap: Array, party_total: int) -> Array:
    """`party_total` parties shared in proportion to weight, with no country's count above its cap.

    What a cap cuts off is shared again among the other countries.
    """
    if int(cap.sum()) < party_total:
        refuse(
            ctx,
            "COUNTRY_BOUNDS_INFEASIBLE",
            "No distribution of parties over countries is within the bounds.",
            found=f"{party_total} parties, at most {int(cap.sum())} over {len(cap)} countries",
            expected="an upper sum not below the number of parties",
            at=[
                f"population_prior_6A.{key}"
                for key in ("country_share_max_permille", "parties_per_inhabitant_max_permille")
            ],
            do="change one of these keys",
            error=ValidationError,
        )
    count = np.zeros(len(cap), dtype=np.uint64)
    free = np.flatnonzero((cap > 0) & (weight > 0))
    while (left := party_total - int(count.sum())) > 0:
        if len(free) == 0:
            free = np.flatnonzero(cap > count)
            weight = cap - count
        offsets = np.array([0, len(free)], dtype=np.uint64)
        wanted = count[free] + largest_remainder(
            ctx, weight[free], offsets, np.array([left], dtype=np.uint64)
        )
        count[free] = np.minimum(wanted, cap[free])
        free = free[count[free] < cap[free]]
    return count


def _mixes(ctx: Context) -> tuple[Array, Array, Array]:
    """Type of each segment (int16), shares of types by region, shares of segments by region (uint64).

    A segment's share is that within its type.
    """
    mix, types = ctx.params.segmentation_prior_6A, segment_types(ctx)
    names = ctx.vocabulary("party_type")
    by_type = shares_by_region(ctx, "party_type", mix.party_type_mix, "segmentation_prior_6A.party_type_mix")
    require_terms(ctx, mix.segment_mix, names, "segmentation_prior_6A.segment_mix", "party_type")
    by_segment = np.zeros((len(by_type), len(types)), dtype=np.uint64)
    for code, name in enumerate(names):
        own = [segment for at, segment in enumerate(ctx.vocabulary("segment")) if types[at] == code]
        by_segment += shares_by_region(
            ctx, "segment", mix.segment_mix[name], f"segmentation_prior_6A.segment_mix.{name}", own
        )
    return types, by_type, by_segment


def _segments(ctx: Context, places: Frame, region: Array) -> Frame:
    """Rows of `s1_party_summary_6A`: parties of each country and segment, and the ids they get."""
    types, by_type, by_segment = _mixes(ctx)
    kinds, rows = by_type.shape[1], len(places)
    offsets = np.arange(rows + 1, dtype=np.uint64) * np.uint64(kinds)
    of_type = largest_remainder(
        ctx, by_type[region].ravel(), offsets, places.parties, _chance(ctx, places, "party_type")
    )
    of_type = of_type.reshape(rows, kinds)
    parties = np.zeros((rows, len(types)), dtype=np.uint64)
    chance = _chance(ctx, places, "segment").reshape(rows, len(types))
    for kind in range(kinds):
        own = np.flatnonzero(types == kind)
        offsets = np.arange(rows + 1, dtype=np.uint64) * np.uint64(len(own))
        weight = by_segment[region][:, own].ravel()
        shared = largest_remainder(
            ctx, weight, offsets, of_type[:, kind], np.ascontiguousarray(chance[:, own]).ravel()
        )
        parties[:, own] = shared.reshape(rows, len(own))
    at, segment = np.nonzero(parties)
    found = parties[at, segment]
    return Frame(
        {
            "country_iso": places.country_iso[at],
            "segment_id": segment.astype(np.int16),
            "region_id": region[at],
            "party_type": types[segment],
            "parties": found,
            "first_party_no": np.cumsum(found) - found + np.uint64(1),
        }
    )


def _chance(ctx: Context, places: Frame, vocabulary: str) -> Array:
    """Words that break ties between a vocabulary's terms in each country: uint64, countries x terms, flat."""
    terms = ctx.name_hashes(vocabulary)
    return pair_entity(
        ctx,
        np.repeat(ctx.name_hashes("country")[places.country_iso], len(terms)),
        np.tile(terms, len(places)),
    )


def _members(ctx: Context, retail: Array, region: Array) -> Array:
    """RETAIL parties in households of each size: uint64, countries x sizes."""
    mix = ctx.params.household_prior_6A.size_mix
    weight = np.array([mix[name] for name in ctx.vocabulary("region")], dtype=np.uint64)
    weight = weight * np.arange(1, weight.shape[1] + 1, dtype=np.uint64)
    offsets = np.arange(len(retail) + 1, dtype=np.uint64) * np.uint64(weight.shape[1])
    return largest_remainder(ctx, weight[region].ravel(), offsets, retail).reshape(
        len(retail), weight.shape[1]
    )
