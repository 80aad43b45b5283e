"""Overlay factors of (country, time zone, class) combinations on their local buckets."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import MICRO, Horizon
from sim.recipes.local_calendar import LocalCalendar
from sim.recipes.told_factors import Combinations, combinations_of
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.params import Params

_SCOPE = (("tzid", "tzid", 4), ("country_iso", "legal_country_iso", 2), ("demand_class", "demand_class", 1))

FACTORS_NEEDS = Needs(kernels=("overlay_factor",))


@dataclass(frozen=True)
class FactorCells:
    """Factors of the distinct combinations among some keys.

    Attributes:
        combinations: The combinations, their keys and cells.
        factor: float64, cells.
    """

    combinations: Combinations
    factor: Array

    @property
    def start(self) -> Array:
        """First cell of each key's combination: uint64."""
        first: Array = self.combinations.offset[self.combinations.of_key]
        return first


def factor_cells(
    ctx: Context, keys: Frame, calendar: Frame, clock: LocalCalendar, horizon: Horizon, policy: Params
) -> FactorCells:
    """Factor of each key's combination in each local bucket, at the middle of the bucket.

    Args:
        ctx: Context.
        keys: Rows of `merchant_zone_profile_5A`.
        calendar: Rows of `scenario_calendar_5A`.
        clock: Local calendar of the keys' zones.
        horizon: The horizon.
        policy: `overlay_policy_5A`.
    """
    found = combinations_of(keys, clock)
    combinations = keys.take(found.first)
    zone = clock.zone_of(combinations.tzid)
    link, event = scope_links(combinations, calendar)
    types = [policy.types[name] for name in ctx.vocabulary("event_type")]
    factor = ctx.kernels.overlay_factor(
        cell=found.offset,
        first=clock.origin_s[zone] + np.int64(horizon.bucket_seconds // 2),
        step=horizon.bucket_seconds,
        link=link,
        event=event,
        start=calendar.local_start // MICRO,
        stop=calendar.local_end // MICRO,
        ramp_in=calendar.ramp_in_seconds.astype(np.int64),
        ramp_out=calendar.ramp_out_seconds.astype(np.int64),
        peak=calendar.factor,
        kind=calendar.event_type.astype(np.uint8),
        rank=calendar.scope_rank,
        take_least=np.array([law.aggregate == "least" for law in types], dtype=np.uint8),
        low=np.array([law.low for law in types], dtype=np.float64),
        high=np.array([law.high for law in types], dtype=np.float64),
        total_low=policy.total.low,
        total_high=policy.total.high,
        dims={"f": int(found.offset[-1])},
    )
    return FactorCells(found, factor)


def scope_links(combinations: Frame, calendar: Frame) -> tuple[Array, Array]:
    """Which events each combination may see.

    Args:
        combinations: Columns tzid, legal_country_iso, demand_class.
        calendar: Rows of `scenario_calendar_5A`.

    Returns:
        Offsets (uint64, combinations + 1) and event rows (uint32), a combination's by type, then by falling
        scope rank.
    """
    owners, events = [np.empty(0, dtype=np.int64)], [np.empty(0, dtype=np.int64)]
    for rank in np.unique(calendar.scope_rank).tolist():
        rows = np.flatnonzero(calendar.scope_rank == rank)
        of_event, of_combination = (
            np.zeros(len(rows), dtype=np.int64),
            np.zeros(len(combinations), dtype=np.int64),
        )
        for column, name, bit in _SCOPE:
            if rank & bit:
                of_event = (of_event << 16) | calendar[column][rows].astype(np.int64)
                of_combination = (of_combination << 16) | combinations[name].astype(np.int64)
        order = np.argsort(of_event, kind="stable")
        low, high = (
            np.searchsorted(of_event[order], of_combination, side=side) for side in ("left", "right")
        )
        count = high - low
        owner = np.repeat(np.arange(len(combinations)), count)
        position = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
        owners.append(owner)
        events.append(rows[order[np.repeat(low, count) + position]])
    owner, event = np.concatenate(owners), np.concatenate(events)
    order = np.lexsort(
        (event, -calendar.scope_rank[event].astype(np.int64), calendar.event_type[event], owner)
    )
    link = np.append(0, np.cumsum(np.bincount(owner, minlength=len(combinations)))).astype(np.uint64)
    return link, event[order].astype(np.uint32)
