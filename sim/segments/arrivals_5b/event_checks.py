"""Events of the calendar as they come out in arrivals: what a holiday or a payday moves, against its law.

The calendar's factors are in the demand. So the effect of an event, over what its law says, is the arrivals
of its days over their demand: noise and counting are all that may stand between. A UTC day of a key counts
for a type of event where factors of that type hold for half of it or longer. Outages last hours, so they
hardly count here; 5A.S5 proves their factors cell by cell.

A day of events may be off by a tolerance, or by the sampling error of its noise if that is more: counting,
one draw of the world, one of a country, a class, a metro and a group at most, and each merchant's own by its
share. All days of a type together have as many draws as days that weigh alike; merchants stay as they are.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import DAY_S, span_of
from sim.recipes.told_factors import packed
from sim.segments.arrivals_5b.intensity import Cells
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Vector
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

EVENT_CHECKS_NEEDS = Needs(
    reads={"scenario_manifest_5A": ROW_LEVEL, "scenario_overlay_factors_5A": ROW_LEVEL},
    config=("arrival_lgcp_config_5B", "realism_gates_5B", "scenario_horizon_5A"),
)

_PARTS = ("days", "types")
_UNIT = 1 << 20  # demand is in 2**-20 arrivals
_COARSE = 1 << 10


def _days(ctx: Any) -> int:
    """Days of the longest horizon."""
    return span_of(ctx.params.scenario_horizon_5A).days


class EventCounts(Counters):
    """By scenario, type of event and UTC day: arrivals, demand (2**-20) and variance of counting (2**-10).

    And the sum of squares of merchants' demand, in whole arrivals.
    """

    sold_on = PerScenario(Vector("event_type", _days))
    wanted_on = PerScenario(Vector("event_type", _days))
    law_on = PerScenario(Vector("event_type", _days))
    squares_on = PerScenario(Vector("event_type", _days))


def count_events(
    ctx: PartitionContext, scenario: str, cells: Cells, arrivals: Array, demand: Array, law: Array
) -> None:
    """Add the days of a run of merchants.

    Args:
        ctx: Context.
        scenario: Scenario.
        cells: Their cells.
        arrivals: uint64, keys x days.
        demand: uint64, keys x days: 2**-20 arrivals.
        law: uint64, keys x days: sum of the counts' variances, 2**-16.
    """
    types, days = len(ctx.vocabulary("event_type")), arrivals.shape[1]
    figures = np.zeros((4, types, _days(ctx)), dtype=np.int64)
    starts = run_starts(cells.keys.merchant_id)
    columns = [values.astype(np.int64) for values in (arrivals, demand, law >> np.uint64(6))]
    for code, held in _days_of_events(ctx, scenario, cells, days).items():
        touched = [np.where(held, values, 0) for values in columns]
        for place, values in enumerate(touched):
            figures[place, code, :days] = values.sum(axis=0)
        whole = np.add.reduceat(touched[1], starts, axis=0) >> 20
        figures[3, code, :days] = (whole * whole).sum(axis=0)
    counters = (EventCounts.sold_on, EventCounts.wanted_on, EventCounts.law_on, EventCounts.squares_on)
    for counter, values in zip(counters, figures, strict=True):
        ctx.count(counter[scenario], values)


def _days_of_events(ctx: Context, scenario: str, cells: Cells, days: int) -> dict[int, Array]:
    """By type of event, the days of each key (bool, keys x days) of which it moves half or more."""
    table = ctx.load("scenario_overlay_factors_5A", scenario=scenario)
    known, own = packed(table), cells.combinations
    rows = np.flatnonzero(np.isin(known, own.code))
    of_row = np.searchsorted(own.code, known[rows])
    first = own.offset[:-1].astype(np.int64)[of_row] + table.local_bucket_index[rows]
    stop, kind = first + table.local_buckets[rows].astype(np.int64), table.event_type[rows]
    zone = cells.clock.zone_of(cells.keys.tzid[own.first])
    local = cells.clock.local.reshape(-1, cells.buckets)[zone].astype(np.int64)
    place = own.offset[:-1].astype(np.int64)[:, None] + local
    found: dict[int, Array] = {}
    for code in np.unique(kind).tolist():
        mine = np.flatnonzero(kind == code)
        edges = np.zeros(int(own.offset[-1]) + 1, dtype=np.int64)
        np.add.at(edges, first[mine], 1)
        np.add.at(edges, stop[mine], -1)
        moved = np.cumsum(edges)[place] > 0
        long = 2 * moved.reshape(len(zone), days, -1).sum(axis=2) >= moved.shape[1] // days
        found[code] = long[own.of_key]
    return found


def event_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Days of events against their law, one by one and by type; asked of baseline scenarios."""
    seen, found = EventCounts(totals), []
    for name in ctx.scenarios:
        manifest = ctx.load("scenario_manifest_5A", scenario=name)
        if ctx.vocabulary("scenario_band")[manifest.band[0]] != "baseline":
            note = "not asked: a stress scenario may be as nervous as it likes"
            found += [Check(f"{part} of events in {name}", True, None, None, note) for part in _PARTS]
            continue
        days = int(manifest.buckets[0]) * int(manifest.bucket_seconds[0]) // DAY_S
        figures = (seen.sold_on, seen.wanted_on, seen.law_on, seen.squares_on)
        table = [figure[name][:, :days] for figure in figures]
        found += [_day_check(ctx, name, *table), _type_check(ctx, name, *table)]
    return found


def _day_check(ctx: Context, name: str, sold: Array, wanted: Array, law: Array, squares: Array) -> Check:
    """Each day of each type."""
    least = ctx.params.realism_gates_5B.events.least_arrivals * _UNIT
    judged = wanted >= least
    demand = np.maximum(wanted.astype(np.float64) / _UNIT, 1.0)
    shared, own = _noise(ctx)
    chance = law.astype(np.float64) / _COARSE + own * squares.astype(np.float64)
    error = np.sqrt(shared[0] + shared[1] + chance / (demand * demand))
    return _check(
        ctx, f"days of events in {name}", sold / demand, error, judged, "arrivals over demand of a UTC day"
    )


def _type_check(ctx: Context, name: str, sold: Array, wanted: Array, law: Array, squares: Array) -> Check:
    """All days of each type together."""
    gates = ctx.params.realism_gates_5B
    judged = wanted.sum(axis=1, keepdims=True) >= gates.events.least_arrivals * _UNIT
    part = wanted >> 20
    demand = np.maximum(part.sum(axis=1).astype(np.float64), 1.0)
    together = np.maximum((part * part).sum(axis=1).astype(np.float64) / (demand * demand), 0.0)
    shared, own = _noise(ctx)
    again = float(ctx.params.arrival_lgcp_config_5B.days.metro_correlation)
    again = (1.0 + again) / (1.0 - again)
    memory = min(float(gates.days.memory_days), float(wanted.shape[1]))
    chance = law.sum(axis=1).astype(np.float64) / _COARSE
    chance += memory * own * squares.sum(axis=1).astype(np.float64)
    error = np.sqrt((shared[0] + again * shared[1]) * together + chance / (demand * demand))
    ratio = sold.sum(axis=1).astype(np.float64) / demand
    note = "arrivals over demand of all days of a type"
    return _check(ctx, f"types of events in {name}", ratio[:, None], error[:, None], judged, note)


def _noise(ctx: Context) -> tuple[tuple[float, float], float]:
    """Variances of a day's noise: what a whole day shares, without and with memory, and a merchant's own."""
    law, gates = ctx.params.arrival_lgcp_config_5B, ctx.params.realism_gates_5B
    days = law.days
    group = float(law.sigma_range[1]) ** 2 * float(gates.grouping.largest_share)
    plain = sum(float(days[level]) ** 2 for level in ("world", "country", "country_class"))
    own = sum(float(days[level]) ** 2 for level in ("merchant", "zone", "outlet"))
    nerves = float(days.band.baseline) ** 2
    return (nerves * plain, nerves * float(days.metro) ** 2 + group), nerves * own


def _check(ctx: Context, name: str, ratio: Array, error: Array, judged: Array, note: str) -> Check:
    """Ratios within the tolerance, or within their sampling error; the widest is shown."""
    gates = ctx.params.realism_gates_5B
    allowed = np.maximum(float(gates.events.tolerance), float(gates.false_alarm_sigma) * error)
    apart = np.where(judged, np.abs(ratio - 1.0), 0.0)
    kind, day = np.unravel_index(int(np.argmax(apart / allowed)), apart.shape)
    figures = {
        "type": ctx.vocabulary("event_type")[int(kind)],
        "day": int(day),
        "effect_over_law": float(ratio[kind, day]) if judged[kind, day] else None,
        "judged": int(np.count_nonzero(judged)),
    }
    limit = {"off_at_most": float(allowed[kind, day]), "tolerance": float(gates.events.tolerance)}
    return Check(name, bool((apart <= allowed).all()), figures, limit, f"{note}; the widest is shown")
