"""Arrivals of each key and UTC day."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths, run_of_row, run_offsets
from sim.recipes.join import look_up
from sim.segments.arrivals_5b.s1_grid_and_groups import DAY_US
from sim.state.frames import Array, Frame


def day_summary(counts: Frame, keys: Frame, key_row: Array, virtual: Array, grid: Frame) -> Frame:
    """s4_arrival_summary_5B of whole merchant-days.

    Args:
        counts: Count rows, sorted by merchant, bucket and key.
        keys: Keys of those merchants, sorted.
        key_row: uint32: key of each count row.
        virtual: int64: virtual arrivals of each count row.
        grid: s1_time_grid_5B.
    """
    a_day = DAY_US // int(grid.bucket_end_utc[0] - grid.bucket_start_utc[0])
    day = counts.bucket_index // np.uint32(a_day)
    days = run_offsets(counts.merchant_id, day)
    head = days[:-1].astype(np.int64)
    # A place for each key of the day's merchant: at most as many as keys times days, and in key order as they
    # stand.
    merchants = run_offsets(keys.merchant_id)
    start = merchants[:-1].astype(np.int64)
    owner = look_up(keys.merchant_id[start], counts.merchant_id[head])
    own = run_lengths(merchants)[owner]
    base = np.cumsum(own) - own
    place = (base - start[owner])[run_of_row(days)] + key_row
    width = int(own.sum())
    total, online = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    np.add.at(total, place, counts.count_n.astype(np.int64))
    np.add.at(online, place, virtual)
    used = np.flatnonzero(total)
    of_day = np.repeat(np.arange(len(own)), own)[used]
    key = used - (base - start[owner])[of_day]
    return Frame(
        {
            "merchant_id": keys.merchant_id[key],
            "utc_day": day[head][of_day],
            "legal_country_iso": keys.legal_country_iso[key],
            "tzid": keys.tzid[key],
            "channel_group": keys.channel_group[key],
            "arrivals": total[used].astype(np.uint32),
            "physical": (total - online)[used].astype(np.uint32),
            "virtual": online[used].astype(np.uint32),
        }
    )
