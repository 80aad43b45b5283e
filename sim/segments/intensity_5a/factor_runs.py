"""Factor of each event type on each (country, time zone, class) with demand, and the event behind it.

A row is a run of local buckets over which type, event and factor stay the same; buckets without a row have
factor 1. This module computes the factors from the calendar by array arithmetic. Kernel `overlay_factor`
computes them again for the surfaces, and 5A.S5 compares the two in every cell.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.recipes.horizon import MICRO, Horizon
from sim.recipes.local_calendar import LocalCalendar
from sim.recipes.told_factors import told_factors
from sim.segments.intensity_5a.factors import FactorCells, scope_links
from sim.state.context import Context
from sim.state.frames import Array, Frame
from sim.state.params import Params

_NO_WRAP = np.int64(1) << np.int64(40)  # more local buckets than any horizon has


def factor_runs(
    kinds: Sequence[str],
    combinations: Frame,
    calendar: Frame,
    clock: LocalCalendar,
    horizon: Horizon,
    policy: Params,
) -> Frame:
    """Rows of `scenario_overlay_factors_5A`.

    Args:
        kinds: Vocabulary `event_type`.
        combinations: Distinct legal_country_iso, tzid, demand_class, in that order.
        calendar: Rows of `scenario_calendar_5A`.
        clock: Local calendar of their zones.
        horizon: The horizon.
        policy: `overlay_policy_5A`.
    """
    owner, event, cell, value = _moments(combinations, calendar, clock, horizon)
    kind = calendar.event_type[event].astype(np.int64)
    types = [policy.types[name] for name in kinds]
    least = np.array([law.aggregate == "least" for law in types], dtype=np.bool_)
    low, high = (np.array([law[name] for law in types], dtype=np.float64) for name in ("low", "high"))
    group = (owner * len(types) + kind) * _NO_WRAP + cell
    order = np.argsort(group, kind="stable")
    order = order[
        _decisive(
            group[order], calendar.scope_rank[event[order]], np.where(least[kind], value, -value)[order]
        )
    ]
    owner, event, cell, kind = (column[order] for column in (owner, event, cell, kind))
    factor = np.minimum(np.maximum(value[order], low[kind]), high[kind])
    moved = np.flatnonzero(factor != 1.0)
    owner, event, cell, kind, factor = (column[moved] for column in (owner, event, cell, kind, factor))
    goes_on = np.zeros(len(cell), dtype=np.bool_)
    goes_on[1:] = (
        (owner[1:] == owner[:-1])
        & (event[1:] == event[:-1])
        & (factor[1:] == factor[:-1])
        & (cell[1:] == cell[:-1] + 1)
    )
    start = np.flatnonzero(~goes_on)
    length = np.diff(np.append(start, len(cell)))
    owner, event, cell, kind, factor = (column[start] for column in (owner, event, cell, kind, factor))
    origin = clock.origin_s[clock.zone_of(combinations.tzid)][owner]
    return Frame(
        {
            **{name: combinations[name][owner] for name in ("legal_country_iso", "tzid", "demand_class")},
            "event_type": kind.astype(np.int16),
            "local_bucket_index": cell.astype(np.int32),
            "local_buckets": length.astype(np.uint32),
            "local_start": (origin + cell * horizon.bucket_seconds) * MICRO,
            "event_id": calendar.event_id[event],
            "factor": factor,
        }
    )


def _moments(
    combinations: Frame, calendar: Frame, clock: LocalCalendar, horizon: Horizon
) -> tuple[Array, Array, Array, Array]:
    """Every (combination, event, cell) with the event in force at the cell's middle, and its factor there."""
    link, event = scope_links(combinations, calendar)
    seen: Array = np.diff(link.astype(np.int64))
    owner = np.repeat(np.arange(len(combinations)), seen)
    zone = clock.zone_of(combinations.tzid)[owner]
    step, event = np.int64(horizon.bucket_seconds), event.astype(np.int64)
    middle = clock.origin_s[zone] + step // 2
    start, stop = calendar.local_start[event] // MICRO, calendar.local_end[event] // MICRO
    cells = np.diff(clock.offset.astype(np.int64))[zone]
    first = np.maximum(-((middle - start) // step), 0)
    count: Array = np.maximum(np.minimum(-((middle - stop) // step), cells) - first, 0)
    row = np.repeat(np.arange(len(owner)), count)
    cell = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count) + first[row]
    second, event = middle[row] + cell * step, event[row]
    weight = np.ones(len(row), dtype=np.float64)
    for passed, ramp in (
        (second - start[row], calendar.ramp_in_seconds[event].astype(np.int64)),
        (stop[row] - second, calendar.ramp_out_seconds[event].astype(np.int64)),
    ):
        rising = np.flatnonzero(passed < ramp)
        weight[rising] = np.minimum(
            weight[rising], passed[rising].astype(np.float64) / ramp[rising].astype(np.float64)
        )
    return owner[row], event, cell, 1.0 + (calendar.factor[event] - 1.0) * weight


def _decisive(group: Array, rank: Array, value: Array) -> Array:
    """Position of the row that counts in each group: int64.

    It has the highest rank; of several the least value, of these the first.

    Args:
        group: int64, never falling.
        rank: How specific the event's scope is.
        value: Factor, or its negative where the greatest counts.
    """
    start = np.flatnonzero(np.append(True, group[1:] != group[:-1])[: len(group)])
    size = np.diff(np.append(start, len(group)))
    many = np.flatnonzero(np.repeat(size > 1, size))
    ranked = many[np.lexsort((many, value[many], -rank[many].astype(np.int64), group[many]))]
    heads = ranked[np.append(True, group[ranked][1:] != group[ranked][:-1])[: len(ranked)]]
    chosen = start.copy()
    chosen[size > 1] = heads
    return chosen


def factors_apart(ctx: Context, cells: FactorCells, table: Frame, policy: Params) -> int:
    """Cells in which the product of the table's factors is not exactly the factor of the surface.

    Args:
        ctx: Context, for vocabularies.
        cells: Factors of some keys' combinations.
        table: Rows of `scenario_overlay_factors_5A`.
        policy: `overlay_policy_5A`.
    """
    bounds = (float(policy.total.low), float(policy.total.high))
    told = told_factors(cells.combinations, table, len(ctx.vocabulary("event_type")), bounds)
    return int((told != ctx.on_host(cells.factor)).sum())
