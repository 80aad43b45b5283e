"""Which part of a bucket a key's sites are open in; which part of its demand edges serve then, and recurs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.opening import HOUR_SLOTS, SLOT_MINUTES, WEEK_HOURS, WEEK_SLOTS, Opening, opening_of
from sim.segments.arrivals_5b.clock import MINUTE_US, Clock
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs, Partition
from sim.state.frames import Array, Frame

CLOCKS, HOURS, BASELINE = "s6_merchant_clocks_5A", "s6_opening_hours_5A", "merchant_zone_baseline_local_5A"
OPEN_PARTS_NEEDS = Needs(reads={CLOCKS: ROW_LEVEL, HOURS: ROW_LEVEL, BASELINE: ROW_LEVEL})

_MONDAY_MINUTES = np.int64(3 * 1440)  # 1970-01-01 was a Thursday
_WEEK_MINUTES = np.int64(7 * 1440)


@dataclass(frozen=True)
class OpenParts:
    """What count rows know of their buckets; all arrays are one a count row.

    Attributes:
        first: uint8: first slot of the bucket in which arrivals fall.
        stop: uint8: slot after the last.
        closed: bool: no site of the key is open in the bucket, so that all arrivals are virtual.
        virtual_share: float64: part of the demand that edges serve.
        recurring_share: float64: part of the demand that recurs, at most `virtual_share`.
    """

    first: Array
    stop: Array
    closed: Array
    virtual_share: Array
    recurring_share: Array


def open_parts(
    ctx: PartitionContext,
    part: Partition,
    counts: Frame,
    keys: Frame,
    key_row: Array,
    grid: Frame,
    clock: Clock,
) -> OpenParts:
    """Open parts of the buckets of count rows.

    A bucket shows the local time of its middle, as in 5A. Keys without sites, and sites that never close,
    have whole buckets; so has a bucket in which every site is closed, because its arrivals are virtual.

    Args:
        ctx: Context of 5B.S4 or 5B.S5.
        part: Its spec gives the row ranges of the tables.
        counts: Rows of s3_bucket_counts_5B.
        keys: Rows of merchant_zone_profile_5A: all of the partition's merchants.
        key_row: uint32: key of each count row.
        grid: s1_time_grid_5B.
        clock: The sealed timetable.
    """
    width = int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0]) // MINUTE_US
    slots = width // SLOT_MINUTES
    middle = grid.bucket_start_utc[counts.bucket_index] + np.int64(width * MINUTE_US // 2)
    offset = clock.minutes(ctx, middle, counts.tzid).astype(np.int64)
    # In half minutes: the middle of a bucket of 15 minutes is at 7.5.
    local = (middle * 2 // MINUTE_US + 2 * (offset + _MONDAY_MINUTES)) % (2 * _WEEK_MINUTES)
    label = local // (2 * width)
    begin = (local - width) // (2 * SLOT_MINUTES)
    opening = opening_of(*(ctx.load(name, rows=tuple(part.spec[name])) for name in (CLOCKS, HOURS)))
    pair = opening.row_of(keys.merchant_id, keys.legal_country_iso)
    first, stop = _from_table(opening, pair, key_row.astype(np.int64), label, slots)
    askew = np.flatnonzero(begin != label * slots)  # clocks that are no whole number of buckets from UTC
    if len(askew):
        own = pair[key_row[askew].astype(np.int64)]
        first[askew], stop[askew] = opening.open_part(own, begin[askew] % WEEK_SLOTS, slots)
    online = (keys.virtual_share >= 1.0)[key_row.astype(np.int64)]
    closed = (stop == first) & ~online
    whole = online | closed
    shares = _shares(ctx, part, keys, key_row.astype(np.int64), label * slots // HOUR_SLOTS)
    return OpenParts(
        np.where(whole, 0, first).astype(np.uint8),
        np.where(whole, slots, stop).astype(np.uint8),
        closed,
        *shares,
    )


def _from_table(
    opening: Opening, pair: Array, key_row: Array, label: Array, slots: int
) -> tuple[Array, Array]:
    """Open part of the local bucket `label` of the week of each count row."""
    pairs, buckets = len(opening.pair), WEEK_SLOTS // slots
    row = np.repeat(np.arange(pairs, dtype=np.int64), buckets)
    low, high = opening.open_part(row, np.tile(np.arange(buckets, dtype=np.int64) * slots, pairs), slots)
    at = pair[key_row] * buckets + label
    return low[at], high[at]


def _shares(ctx: Context, part: Partition, keys: Frame, key_row: Array, hour: Array) -> tuple[Array, Array]:
    """Part of each count row's demand that edges serve, and that recurs: of the hour, for keys with edges."""
    share: Array = keys.virtual_share[key_row]
    recurring = np.zeros(len(share), dtype=np.float64)
    online = np.flatnonzero(share > 0.0)
    if len(online):
        first, stop = part.spec["merchant_zone_profile_5A"]
        table = ctx.load(
            BASELINE,
            rows=(first * WEEK_HOURS, stop * WEEK_HOURS),
            columns=("virtual_share", "recurring_share"),
        )
        at = key_row[online] * WEEK_HOURS + hour[online]
        recurring[online] = table.recurring_share[at]
        both = share[online] < 1.0
        share[online[both]] = table.virtual_share[at[both]]
    return share, recurring
