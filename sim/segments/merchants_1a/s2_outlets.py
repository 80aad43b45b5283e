"""1A.S2: the outlets of every merchant, by country.

Most merchants have one outlet; chains are sized and spread in `chains.py`; the user's merchants keep the
outlets they were given. Card-not-present merchants have their legal seat. Every merchant is in the catalogue.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.groups import run_of_row, run_offsets, run_starts
from sim.recipes.join import look_up
from sim.recipes.partitions import row_ranges, rows_of
from sim.recipes.places import country_letters
from sim.recipes.supplied import SUPPLIED_DTYPES, nothing_supplied, replaced
from sim.segments.merchants_1a.chains import CHAINS_NEEDS, home_ladder, sizes, spread
from sim.segments.merchants_1a.gates import (
    GATES_NEEDS,
    ChainCounts,
    GateCounts,
    chained_outlets_check,
    foreign_outlets_check,
    outlet_law_checks,
    single_outlet_check,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame, concat
from sim.state.totals import Totals


class Counts(Counters):
    """Merchants before and after; rows that drew from each stream."""

    merchants = Scalar()
    merchants_with_outlets = Scalar()
    rows_open_to_chains = Scalar()
    rows_chains = Scalar()
    rows_abroad = Scalar()


STATE = State(
    id="1A.S2",
    title="Outlets",
    reads={"merchant_catalogue_1A": ROW_LEVEL, "world_markets_1A": METADATA_ONLY},
    writes=("outlet_catalogue", "merchant_supplied_1A"),
    config=("realism_gates_1A",),
    external=("merchants_input_1A",),
    kernels=("expand_rows",),
    counts=(Counts, GateCounts, ChainCounts),
    uses=(CHAINS_NEEDS, ENTITY_NEEDS, GATES_NEEDS),
)

_MERCHANTS_A_PART = 100_000  # some 250,000 outlets


def preflight(ctx: Context) -> None:
    """A ladder of home shares that does not reach all chains is refused before anything is built."""
    home_ladder(ctx)


def plan(ctx: Context) -> list[Partition]:
    """Ranges of merchants."""
    return row_ranges(sum(file.rows for file in ctx.files("merchant_catalogue_1A")), _MERCHANTS_A_PART)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Outlets of a range of merchants, drawn and given."""
    merchants = ctx.load("merchant_catalogue_1A", rows=rows_of(part))
    supplied = _supplied(ctx, merchants)
    given = _given(supplied)
    drawn = merchants.take(~np.isin(merchants.merchant_id, given.merchant_id))
    brought = _brought(supplied)
    law = replaced(drawn.merchant_id, drawn.mcc, brought, "law_mcc")
    generated = ~np.isin(drawn.merchant_id, supplied.merchant_id)
    rows = concat([_drawn_rows(ctx, drawn.with_columns(mcc=law), generated), given]).sort(
        "merchant_id", "legal_country_iso"
    )
    pairs = run_offsets(rows.merchant_id, rows.legal_country_iso)
    order = np.arange(1, len(rows) + 1) - pairs[:-1].astype(np.int64)[run_of_row(pairs)]
    place = country_letters(ctx)[rows.legal_country_iso] << np.uint64(32) | order.astype(np.uint64)
    outlets = rows.with_columns(
        site_order=order.astype(np.uint32), site_id=id_of(pair_entity(ctx, rows.merchant_id, place))
    )
    _count(ctx, merchants, outlets, drawn.merchant_id, supplied.merchant_id)
    return {"outlet_catalogue": outlets, "merchant_supplied_1A": brought}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """The gates on outlets, chain sizes against their law, the ledger against the rows."""
    seen = Counts(totals)
    countries = sum(file.rows for file in ctx.files("world_markets_1A"))
    present = seen.merchants == seen.merchants_with_outlets
    return [
        Check(
            "every merchant has an outlet",
            present,
            seen.merchants_with_outlets,
            seen.merchants,
            "no merchant is lost",
        ),
        single_outlet_check(ctx, totals),
        foreign_outlets_check(ctx, totals),
        chained_outlets_check(ctx, totals),
        *outlet_law_checks(ctx, totals),
        ledger_check(totals, "1A.multi_site", seen.rows_open_to_chains, 1),
        ledger_check(totals, "1A.outlet_scale", seen.rows_chains, 1),
        ledger_check(totals, "1A.outlet_count", seen.rows_chains, 1),
        ledger_check(totals, "1A.foreign_reach", seen.rows_chains, 1),
        ledger_check(totals, "1A.foreign_choice", seen.rows_abroad * countries, 1),
    ]


def _drawn_rows(ctx: PartitionContext, merchants: Frame, generated: Array) -> Frame:
    places = spread(ctx, merchants, sizes(ctx, merchants, generated))
    offset = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(places.outlets)])
    row, _ = ctx.kernels.expand_rows(offset=offset, dims={"m": int(offset[-1])})
    nowhere = np.zeros(len(row), dtype=np.int32)
    return _rows(
        merchants.merchant_id[places.row[row]],
        places.country[row],
        nowhere,
        nowhere,
        nowhere.astype(np.bool_),
    )


def _supplied(ctx: PartitionContext, merchants: Frame) -> Frame:
    """The user's rows of these merchants, all columns of `merchants_input_1A`."""
    rows = ctx.external("merchants_input_1A")
    if rows is None:
        empty = np.empty(0, dtype=np.int32)
        dtypes = {"country": np.int16, "outlet_country": np.int16, "lat_udeg": np.int32, "lon_udeg": np.int32}
        return Frame(
            {
                "merchant_id": empty.astype(np.uint64),
                **{name: empty.astype(dtype) for name, dtype in dtypes.items()},
            }
        )
    return rows.take(np.isin(rows.merchant_id, merchants.merchant_id))


def _brought(supplied: Frame) -> Frame:
    """Rows of `merchant_supplied_1A`: what all rows of a merchant in the user's file have in common."""
    if len(supplied) == 0:
        return nothing_supplied()
    offsets = run_offsets(supplied.merchant_id)
    first = supplied.take(offsets[:-1].astype(np.int64)).select(
        *(name for name in SUPPLIED_DTYPES if name != "rows")
    )
    return first.with_columns(rows=np.diff(offsets).astype(np.uint32))


def _given(supplied: Frame) -> Frame:
    """Outlets the user gave: rows of merchants that have several rows, or a row that names a place."""
    abroad, located = supplied.present("outlet_country"), supplied.present("lat_udeg")
    offsets = run_offsets(supplied.merchant_id)
    run = run_of_row(offsets)
    several = np.diff(offsets.astype(np.int64))[run] > 1
    place_named = np.isin(supplied.merchant_id, supplied.merchant_id[abroad | located])
    keep = several | place_named
    country = np.where(abroad, supplied.outlet_country, supplied.country)
    return _rows(supplied.merchant_id, country, supplied.lat_udeg, supplied.lon_udeg, located).take(keep)


def _rows(merchant_id: Array, country: Array, lat_udeg: Array, lon_udeg: Array, located: Array) -> Frame:
    columns = {
        "merchant_id": merchant_id,
        "legal_country_iso": country,
        "given_lat_udeg": lat_udeg,
        "given_lon_udeg": lon_udeg,
    }
    return Frame(columns, {"given_lat_udeg": located, "given_lon_udeg": located})


def _count(ctx: PartitionContext, merchants: Frame, outlets: Frame, drawn: Array, supplied: Array) -> None:
    """Count the figures of the gates and the ledger's check from the rows as they will be published."""
    starts = run_starts(outlets.merchant_id)
    owner, size = outlets.merchant_id[starts], np.diff(run_offsets(outlets.merchant_id))
    pair_owner = outlets.merchant_id[run_starts(outlets.merchant_id, outlets.legal_country_iso)]
    countries = np.diff(run_offsets(pair_owner))
    at = look_up(merchants.merchant_id, owner)
    is_drawn = np.isin(owner, drawn)
    gated = (
        ~np.isin(owner, supplied)
        if ctx.params.realism_gates_1A.applies_to == "generated"
        else np.ones(len(owner), dtype=np.bool_)
    )
    abroad = outlets.legal_country_iso != np.repeat(merchants.home_country_iso[at], size.astype(np.int64))
    ctx.count(Counts.merchants, len(merchants))
    ctx.count(Counts.merchants_with_outlets, len(owner))
    ctx.count(GateCounts.gated_merchants, np.count_nonzero(gated))
    ctx.count(GateCounts.gated_single, np.count_nonzero(gated & (size == 1)))
    ctx.count(GateCounts.gated_outlets, int(size[gated].astype(np.int64).sum()))
    ctx.count(
        GateCounts.gated_outlets_abroad, np.count_nonzero(abroad & np.repeat(gated, size.astype(np.int64)))
    )
    ctx.count(
        Counts.rows_open_to_chains,
        np.count_nonzero(is_drawn & (merchants.channel[at] != ctx.code("channel", "card_not_present"))),
    )
    ctx.count(Counts.rows_chains, np.count_nonzero(is_drawn & (size > 1)))
    ctx.count(Counts.rows_abroad, np.count_nonzero(is_drawn & (countries > 1)))
