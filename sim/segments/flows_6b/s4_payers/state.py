"""6B.S4: every arrival gets its payer.

Of three members of the place's clientele, people who are out near by, or travellers in the metro, the one
pays whom the hour, the day and the weeks suit; what recurs is paid by who is billed on that day. Rows leave
in ranges of parties, so that the next state reads one range from every file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.segments.flows_6b.s4_payers.checks import (
    CHECKS_NEEDS,
    PayerCounts,
    count_payers,
    payer_checks,
    payer_measure,
)
from sim.segments.flows_6b.s4_payers.habits import enter_draws
from sim.segments.flows_6b.s4_payers.law import HOUR_US, LAW_NEEDS, require_law, span_of, strata
from sim.segments.flows_6b.s4_payers.rows import ARRIVALS, COLUMNS, ROWS_NEEDS, Met, met, part_of, slots_of
from sim.segments.flows_6b.s4_payers.tables import TABLES_NEEDS, Tables, tables
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

PAYER, OUTING, DAY, SEASON = "6B.payer", "6B.outing", "6B.party_day", "6B.party_season"
WRITES = "arrival_entities_6B"
RELATIONS = ("REGULAR", "OCCASIONAL", "VISITOR", "RECURRING")
_OF_UNITS = (
    "slots", "strata_slots", "curve", "visitor_below", "once_below", "metro", "zone", "subzone", "parts",
    "cells_first", "cells_size",
)  # fmt: skip

STATE = State(
    id="6B.S4",
    title="Arrival entities",
    reads={ARRIVALS: ROW_LEVEL},
    config=("payer_law_6B",),
    writes=(WRITES,),
    kernels=("attach_payers",),
    streams=(PAYER, OUTING, DAY, SEASON),
    per_scenario=True,
    counts=(PayerCounts,),
    uses=(CHECKS_NEEDS, LAW_NEEDS, ROWS_NEEDS, TABLES_NEEDS),
)


def preflight(ctx: Context) -> None:
    """Refuse a law that does not use the vocabularies."""
    require_law(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of arrivals: whole UTC days of merchants."""
    return [
        Partition(index, scenario, {"file": index, "rows": file.rows})
        for scenario in ctx.scenarios
        for index, file in enumerate(ctx.files(ARRIVALS, scenario))
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Payers of the arrivals of a file."""
    found = ctx.shared("tables", lambda: tables(ctx))
    events = ctx.load(ARRIVALS, scenario=part.scenario, part=part_of(part), columns=COLUMNS)
    rows = met(ctx, found, events)
    made = attached(ctx, found, events, rows)
    codes = np.array([ctx.code("relation", name) for name in RELATIONS], dtype=np.int16)
    party_range = found.party_range[made.party]
    order = np.argsort(party_range, kind="stable")
    frame = Frame(
        {
            "party_range": party_range,
            **{name: events[name] for name in COLUMNS},
            "party_id": made.party.astype(np.uint64) + np.uint64(1),
            "relation": codes[made.relation],
            "trip_no": made.trip,
        },
        {
            **{name: events.present(name) for name in ("site_id", "edge_id", "terminal_id")},
            "trip_no": made.trip > 0,
        },
    )
    enter_draws(ctx, part, found, events, rows, made)
    count_payers(ctx, part, found, events, rows, made)
    return {WRITES: frame.take(order)}


def attached(ctx: Context, found: Tables, events: Frame, rows: Met, traced: bool = False) -> Frame:
    """What the kernel says of arrivals.

    Args:
        ctx: Context.
        found: Tables.
        events: Arrivals.
        rows: Their units.
        traced: Whether candidates and weights are asked for.

    Returns:
        Columns `party` (uint32, row of the party), `relation` (uint8, place in RELATIONS), `trip` (uint8),
        `tries` (uint8); if traced, `candidate_0` .. `weight_2` (uint32).
    """
    party, relation, trip, tries, candidate, weight = ctx.kernels.attach_payers(
        **arguments(ctx, found, events, rows),
        traced=int(traced),
        dims={"w": 3 * len(events) if traced else 0},
    )
    columns: dict[str, Array] = {"party": party, "relation": relation, "trip": trip, "tries": tries}
    if traced:
        for name, values in (("candidate", candidate), ("weight", weight)):
            columns |= {f"{name}_{i}": values[i::3] for i in range(3)}
    return Frame(columns)


def arguments(ctx: Context, found: Tables, events: Frame, rows: Met) -> dict[str, Any]:
    """Arguments of `attach_payers` for arrivals, but for `traced`."""
    span, law, slots = span_of(ctx), ctx.params.payer_law_6B, slots_of(ctx, found, rows.number)
    mine = found.units.take(rows.number)
    return {
        **found.given,
        **{name: mine[name] for name in _OF_UNITS},
        "row_key": ctx.stream(PAYER),
        "outing_key": ctx.stream(OUTING),
        "day_key": ctx.stream(DAY),
        "season_key": ctx.stream(SEASON),
        "first_day": span.first,
        "days": span.days,
        "stride": span.stride,
        "strata": strata(ctx),
        "strangers_below": int(law.new_customers) * (1 << 24) // 10_000,
        "away_us": int(law.away_hours) * HOUR_US,
        "inside_us": int(law.inside_hours) * HOUR_US,
        "triples": int(law.triples),
        "ts_us": events.ts_utc,
        "minutes": events.utc_offset_minutes,
        "place": rows.place,
        "unit": rows.unit,
        "mode": rows.mode,
        "rank": rows.rank,
        "slot_first": slots.first[:-1],
        "slot_party": slots.party,
        "slot_second": slots.second,
        "slot_day": slots.day,
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `payer_checks`."""
    return payer_checks(ctx, totals)


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """See `payer_measure`."""
    return payer_measure(ctx, totals)
