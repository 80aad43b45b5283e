"""What all partitions look payers up in: made once a process, and the same for all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_offsets
from sim.recipes.tables import ALIAS_BUILD_NEEDS, build_alias
from sim.segments.flows_6b.clientele import CLIENTELE_NEEDS, clientele
from sim.segments.flows_6b.metros import METROS_NEEDS, Metros, metros
from sim.segments.flows_6b.party_ranges import PARTY_RANGES_NEEDS, range_width
from sim.segments.flows_6b.people import PARTY_WORDS_NEEDS, party_words
from sim.segments.flows_6b.s4_payers.away import AWAY_NEEDS, seats_of, trips_of
from sim.segments.flows_6b.s4_payers.law import HOUR_US, LAW_NEEDS, Span, profiles, span_of, tokens
from sim.state.context import Context
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

BEHAVIOUR, PARTIES, CELLS = "party_behaviour_6B", "s1_party_base_6A", "cells_6B"
UNITS, EDGES, CATCHMENTS = "units_6B", "unit_edges_6B", "catchments_6B"
ZONE_CELLS, OUTINGS, SHARES = "zone_cells_6B", "outings_6B", "visit_shares_6B"
_COIN = 1 << 24
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

TABLES_NEEDS = Needs(
    config=("clientele_law_6B", "payer_law_6B"),
    reads={
        BEHAVIOUR: ROW_LEVEL,
        PARTIES: ROW_LEVEL,
        CELLS: METADATA_ONLY,
        UNITS: ROW_LEVEL,
        EDGES: ROW_LEVEL,
        CATCHMENTS: ROW_LEVEL,
        ZONE_CELLS: ROW_LEVEL,
        OUTINGS: ROW_LEVEL,
        SHARES: ROW_LEVEL,
    },
    kernels=("entity_hash",),
    uses=(
        ALIAS_BUILD_NEEDS,
        AWAY_NEEDS,
        CLIENTELE_NEEDS,
        LAW_NEEDS,
        METROS_NEEDS,
        PARTY_RANGES_NEEDS,
        PARTY_WORDS_NEEDS,
    ),
)


@dataclass(frozen=True)
class Tables:
    """Arguments of `attach_payers` that do not depend on the partition, and what rows find their unit by.

    Attributes:
        given: Columns of the kernel by name.
        units: By unit: columns of the kernel that belong to units, `merchant_id`, `word`.
        site_id: uint64, ascending: sites; `site_unit` is the unit of each.
        site_unit: int64.
        edge_id: uint64, ascending; `edge_unit` is the unit of each.
        edge_unit: int64.
        party_range: uint32, one a party: range of its published id.
    """

    given: dict[str, Array]
    units: Frame
    site_id: Array
    site_unit: Array
    edge_id: Array
    edge_unit: Array
    party_range: Array


def tables(ctx: Context) -> Tables:
    """All tables."""
    span, every = span_of(ctx), metros(ctx)
    behaviour = ctx.load(
        BEHAVIOUR,
        columns=(
            "party_id", "cell_id", "activity_q", "online_q", "clock_shift_minutes", "phase_minutes",
            "can_pay_from", "can_pay_to",
        ),
    )  # fmt: skip
    parties, cells = len(behaviour), sum(file.rows for file in ctx.files(CELLS))
    rides = _trips(trips_of(ctx), parties)
    given = _people_of_cells(ctx, behaviour, cells)
    given |= rides | _rosters(ctx, span, every, rides["trips_first"])
    given["people"] = _records(ctx, span, behaviour, rides)
    zone_entries, zones = _zones(ctx, every, cells)
    units, entries = _units(ctx, every, zones)
    given |= {name: zones[name] for name in ("zone_word", "zone_first", "zone_size", "outings")}
    given["cell_table"] = np.concatenate((zone_entries, entries))
    given |= {
        "curves": ctx.load(SHARES, columns=("members_q",)).members_q,
        "profile": profiles(ctx),
        "tokens": tokens(ctx),
    }
    sites = np.flatnonzero(units.site_id)
    order = sites[np.argsort(units.site_id[sites], kind="stable")]
    edges = ctx.load(EDGES)
    published = ctx.published("party", np.arange(1, parties + 1, dtype=np.uint64))
    width = np.uint64(range_width(ctx, parties))
    return Tables(
        given,
        units,
        units.site_id[order],
        order,
        edges.edge_id,
        edges.unit_no.astype(np.int64),
        ((published - np.uint64(1)) // width).astype(np.uint32),
    )


def _entries(threshold: Array, below: Array, other: Array) -> Array:
    """Two words an entry: the threshold, and what is taken below it and else."""
    pair = below.astype(np.uint64) | (other.astype(np.uint64) << _HALF)
    return np.stack((threshold, pair), axis=1).ravel()


def _people_of_cells(ctx: Context, behaviour: Frame, cells: int) -> dict[str, Array]:
    """Alias tables over the parties of each cell: by activity, then by activity and taste for online."""
    order = np.argsort(behaviour.cell_id, kind="stable")
    size = np.bincount(behaviour.cell_id, minlength=cells)
    first = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(size)))
    active = behaviour.activity_q[order].astype(np.uint64)
    online = (active * behaviour.online_q[order].astype(np.uint64)) >> np.uint64(16)
    pieces = []
    base = np.repeat(first[:-1], size)
    for weight in (active, online):
        total = np.concatenate((np.zeros(1, dtype=np.uint64), np.cumsum(weight)))
        nobody = np.repeat(total[first[1:]] == total[first[:-1]], size)
        # A cell where nobody pays still needs a table: its picks weigh nothing, and others are looked for.
        made = build_alias(ctx, _kept(first, size), np.where(nobody, np.uint64(1), weight))
        pieces.append(_entries(made.threshold, order, order[base + made.alias.astype(np.int64)]))
    return {
        "people_table": np.concatenate(pieces),
        "people_first": np.concatenate((first, first[1:] + len(order))).astype(np.uint64),
    }


def _kept(first: Array, size: Array) -> Array:
    """Offsets of the cells that hold somebody: an alias table has an entry."""
    return np.concatenate((first[:-1][size > 0], first[-1:])).astype(np.uint64)


def _trips(trips: Frame, parties: int) -> dict[str, Array]:
    """Trips by party."""
    owner = (trips.party_id - np.uint64(1)).astype(np.int64)
    many = np.bincount(owner, minlength=parties)
    return {
        "trips_first": np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(many))).astype(np.uint32),
        "trip_party": owner.astype(np.uint32),
        "trip_no": trips.trip_no,
        "trip_from": trips.first_utc,
        "trip_to": trips.last_utc,
    }


def _rosters(ctx: Context, span: Span, every: Metros, trips_first: Array) -> dict[str, Array]:
    """Trips of those who are in a metro on a day."""
    seats = seats_of(ctx)
    order = np.argsort(every.metro_id, kind="stable")
    at = np.searchsorted(every.metro_id[order], seats.destination_metro_id)
    metro = order[np.minimum(at, len(order) - 1)]
    day = seats.day.astype(np.int64) - span.first
    here = (every.metro_id[metro] == seats.destination_metro_id) & (day >= 0) & (day < span.days)
    key = (metro * span.days + day)[here]
    rank = np.argsort(key, kind="stable")
    owner = (seats.party_id - np.uint64(1)).astype(np.int64)
    trip = (trips_first[owner].astype(np.int64) + seats.trip_no.astype(np.int64) - 1)[here]
    many = np.bincount(key, minlength=len(every) * span.days)
    return {
        "roster_first": np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(many))).astype(np.uint64),
        "roster": trip[rank].astype(np.uint32),
    }


def _records(ctx: Context, span: Span, behaviour: Frame, rides: dict[str, Array]) -> Array:
    """One record a party: its word, its clock and time of paying, its map of days on trips."""
    people = np.zeros((len(behaviour), span.stride), dtype=np.uint64)
    people[:, 0] = party_words(ctx, behaviour.party_id)
    # The hour's mean start is half an hour late: its own hours are as far before the clock's as after them.
    lag = (
        behaviour.clock_shift_minutes.astype(np.int64) + behaviour.phase_minutes.astype(np.int64) - 30 + 32768
    )
    segment = ctx.load(PARTIES, columns=("segment_id",)).segment_id.astype(np.uint64)
    pays = behaviour.present("can_pay_from") & behaviour.present("can_pay_to") & (behaviour.activity_q > 0)
    start = np.where(pays, behaviour.can_pay_from.astype(np.int64), 1).astype(np.uint64)
    stop = np.where(pays, behaviour.can_pay_to.astype(np.int64), 0).astype(np.uint64)
    people[:, 1] = (
        lag.astype(np.uint64)
        | (segment << np.uint64(16))
        | (start << np.uint64(24))
        | (np.minimum(stop, np.uint64(0xFFFFF)) << np.uint64(44))
    )
    margin, day_us = int(ctx.params.payer_law_6B.away_hours) * HOUR_US, 24 * HOUR_US
    low = np.clip((rides["trip_from"] - margin) // day_us - span.first + 1, 0, span.days + 1)
    high = np.clip((rides["trip_to"] + margin) // day_us - span.first + 1, -1, span.days + 1)
    owner = rides["trip_party"].astype(np.int64)
    for step in range(int((high - low).max(initial=-1)) + 1):
        some = np.flatnonzero(low + step <= high)
        bit = low[some] + step
        np.bitwise_or.at(people, (owner[some], 2 + bit // 64), np.uint64(1) << (bit % 64).astype(np.uint64))
    return people.ravel()


def _zones(ctx: Context, every: Metros, cells: int) -> tuple[Array, dict[str, Array]]:
    """Alias tables of zones' cells, and columns by zone; online zones pick by taste for online."""
    law = ctx.params.clientele_law_6B.outings
    pieces = int(law.zones) + 1
    number = np.arange(len(every) * pieces)
    rows, hours = ctx.load(ZONE_CELLS), ctx.load(OUTINGS)
    made = build_alias(ctx, run_offsets(rows.zone_no), rows.weight_q)
    cell = rows.cell_id.astype(np.int64) + np.where(rows.zone_no % pieces == pieces - 1, cells, 0)
    base = np.searchsorted(rows.zone_no, rows.zone_no, side="left")
    first = np.searchsorted(rows.zone_no, number, side="left")
    outings = np.ones((len(number), 168), dtype=np.uint32)
    outings[hours.zone_no.astype(np.int64), hours.hour_of_week.astype(np.int64)] = hours.outings
    word = (every.metro_id[number // pieces].astype(np.uint64) << np.uint64(8)) | (number % pieces).astype(
        np.uint64
    )
    return _entries(made.threshold, cell, cell[base + made.alias.astype(np.int64)]), {
        "zone_word": word,
        "zone_first": first.astype(np.uint64),
        "zone_size": (np.searchsorted(rows.zone_no, number, side="right") - first).astype(np.uint32),
        "outings": outings.ravel(),
    }


def _units(ctx: Context, every: Metros, zones: dict[str, Array]) -> tuple[Frame, Array]:
    """Columns by unit, and alias tables of the cells of sites, which follow those of zones."""
    units, rows, law = ctx.load(UNITS), ctx.load(CATCHMENTS), clientele(ctx)
    made = build_alias(ctx, run_offsets(rows.unit_no), rows.weight_q)
    base = np.searchsorted(rows.unit_no, rows.unit_no, side="left")
    cell = rows.cell_id
    entries = _entries(made.threshold, cell, cell[base + made.alias.astype(np.int64)])
    number, zone = np.arange(len(units)), units.zone_no.astype(np.int64)
    first = np.searchsorted(rows.unit_no, number, side="left")
    size = np.searchsorted(rows.unit_no, number, side="right") - first
    before = int(zones["zone_size"].sum())
    online = ~units.present("site_id")
    kind = units.clientele_class
    visitors, once = law.visitors[kind], law.occasional[kind]
    place = np.where(online, units.metro_id.astype(np.uint64), units.site_id)
    frame = Frame(
        {
            "merchant_id": units.merchant_id,
            "site_id": np.where(online, np.uint64(0), units.site_id),
            "word": ctx.field("unit", merchant_id=units.merchant_id, unit_place=place),
            "clientele_class": kind,
            "slots": units.slots,
            "strata_slots": units.strata_slots.astype(np.uint32),
            "curve": kind.astype(np.uint32),
            "visitor_below": np.floor(visitors * _COIN + 0.5).astype(np.uint32),
            "once_below": np.floor((visitors + once * (1.0 - visitors)) * _COIN + 0.5).astype(np.uint32),
            "metro": every.called(units.country_iso, units.metro_id).astype(np.uint32),
            "zone": units.zone_no,
            "subzone": units.subzone,
            "parts": np.where(online, 1, int(ctx.params.clientele_law_6B.outings.subzones)).astype(np.uint8),
            "cells_first": np.where(size > 0, before + first, zones["zone_first"][zone]).astype(np.uint64),
            "cells_size": np.where(size > 0, size, zones["zone_size"][zone]).astype(np.uint32),
        }
    )
    return frame, entries
