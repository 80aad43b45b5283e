"""3A.S1: sites by time zone for every merchant and country, and an order-free hash of the whole."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import between_check
from sim.recipes.entities import ENTITY_NEEDS, country_zone_entity, pair_entity
from sim.recipes.groups import run_of_row, run_offsets, run_starts, whole_sum
from sim.recipes.partitions import rows_of, whole_runs
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_HALF = np.uint64(32)


class Counts(Counters):
    """Sites and zones; pairs of merchant and country that should show several zones."""

    sites = Scalar()
    zones = Scalar()
    allocated = Scalar()
    foreign_zones = Scalar()
    hashes = Scalar()
    watched_pairs = Scalar()
    watched_multi = Scalar()


STATE = State(
    id="3A.S1",
    title="Zone allocation",
    reads={"site_timezones": ROW_LEVEL, "s4_group_weights_2B": METADATA_ONLY},
    config=("realism_gates_3A",),
    reference=("cities",),
    external=("merchants_input_1A",),
    writes=("zone_alloc", "zone_alloc_universe_hash"),
    counts=(Counts,),
    uses=(ENTITY_NEEDS,),
)


def plan(ctx: Context) -> list[Partition]:
    """Ranges of whole merchants."""
    return whole_runs(ctx.load("site_timezones", columns=("merchant_id",)).merchant_id, 1 << 19)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Group sizes; each zone's row also holds its country's total."""
    columns = ("merchant_id", "legal_country_iso", "tzid")
    sites = ctx.load("site_timezones", rows=rows_of(part), columns=columns).sort(*columns)
    pairs = run_offsets(sites.merchant_id, sites.legal_country_iso)
    zones = run_starts(sites.merchant_id, sites.legal_country_iso, sites.tzid)
    pair_of_zone = run_of_row(pairs)[zones]
    in_pair = np.diff(pairs).astype(np.uint32)
    alloc = sites.take(zones).with_columns(
        zone_site_count=np.diff(np.append(zones, len(sites))).astype(np.uint32),
        country_site_count=in_pair[pair_of_zone],
    )
    _count(ctx, alloc, len(sites), in_pair, np.bincount(pair_of_zone, minlength=len(in_pair)))
    return {"zone_alloc": alloc}


def finish(ctx: Context, totals: Totals) -> Frames:
    """Sum mod 2**64 of a hash of every row: independent of the order in which the zones were made."""
    seen = Counts(totals)
    row = {"rows": seen.zones, "sites": seen.sites, "universe_hash": seen.hashes % (1 << 64)}
    return {
        "zone_alloc_universe_hash": Frame(
            {name: np.array([value], dtype=np.uint64) for name, value in row.items()}
        )
    }


def _count(ctx: PartitionContext, alloc: Frame, sites: int, in_pair: Array, zones_in_pair: Array) -> None:
    gates = ctx.params.realism_gates_3A
    place = country_zone_entity(ctx, alloc.legal_country_iso, alloc.tzid)
    counts = (alloc.zone_site_count.astype(np.uint64) << _HALF) | alloc.country_site_count.astype(np.uint64)
    row_hash = pair_entity(ctx, pair_entity(ctx, alloc.merchant_id, place), counts)
    known, divided = _country_zones(ctx)
    ctx.count(Counts.sites, sites)
    ctx.count(Counts.zones, len(alloc))
    ctx.count(Counts.allocated, int(alloc.zone_site_count.sum(dtype=np.uint64)))
    ctx.count(Counts.foreign_zones, int((~known[alloc.legal_country_iso, alloc.tzid]).sum()))
    ctx.count(Counts.hashes, whole_sum(row_hash))
    first = run_starts(alloc.merchant_id, alloc.legal_country_iso)
    country = alloc.legal_country_iso[first]
    watched = divided[country] & (in_pair >= gates.multi_zone_min_sites)
    given = ctx.external("merchants_input_1A")
    if given is not None:
        # The user decides where the user's own sites are.
        watched &= ~np.isin(alloc.merchant_id[first], given.merchant_id)
    ctx.count(Counts.watched_pairs, int(watched.sum()))
    ctx.count(Counts.watched_multi, int((watched & (zones_in_pair > 1)).sum()))


def _country_zones(ctx: Context) -> tuple[Array, Array]:
    """Zones of each country's cities (bool, countries x zones), and which countries are divided (bool)."""
    cities = ctx.reference("cities")
    people = np.zeros((len(ctx.vocabulary("country")), len(ctx.vocabulary("tzid"))), dtype=np.int64)
    np.add.at(people, (cities.country_iso, cities.tzid), np.maximum(cities.population, np.int64(1)))
    total = people.sum(axis=1)
    outside = total - people.max(axis=1)
    return people > 0, outside * 1000 >= total * ctx.params.realism_gates_3A.divided_country_permille


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Sites are conserved, and zones are those of their countries and of routing.

    Divided countries show several zones.
    """
    seen = Counts(totals)
    gates = ctx.params.realism_gates_3A
    rows = sum(file.rows for file in ctx.files("site_timezones"))
    groups = sum(file.rows for file in ctx.files("s4_group_weights_2B"))
    zones, foreign = seen.zones, seen.foreign_zones
    found = [seen.sites, seen.allocated]
    result = [
        Check("sites are conserved", found == [rows, rows], found, [rows, rows]),
        Check("no zone of another country", foreign == 0, foreign, 0),
        Check(
            "one zone a routing group",
            zones == groups,
            zones,
            groups,
            "zone_alloc against s4_group_weights_2B",
        ),
    ]
    watched = seen.watched_pairs
    if watched >= gates.multi_zone_min_pairs:
        share = seen.watched_multi * 1000 // watched
        note = (
            f"of {watched} merchants with {gates.multi_zone_min_sites} sites or more in a divided country, "
            "permille in several zones"
        )
        result.append(
            between_check(
                "divided countries show several zones", share, (gates.multi_zone_min_permille, 1000), note
            )
        )
    return result
