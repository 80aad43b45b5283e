"""Opening hours of merchants' sites on local clocks: which part of an hour, or of a bucket, is open.

Times are in slots of five minutes; a local week has 2016, Monday 0 h first. A merchant in a country has
stretches of time on each weekday, of which one may reach into the next day.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets
from sim.recipes.join import look_up
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

SLOT_MINUTES = 5
HOUR_SLOTS = 12
DAY_SLOTS = 288
WEEK_SLOTS = 7 * DAY_SLOTS
WEEK_HOURS = 168
_COUNTRY_BITS = 16

OPENING_NEEDS = Needs(reads={"s6_merchant_clocks_5A": ROW_LEVEL, "s6_opening_hours_5A": ROW_LEVEL})


@dataclass(frozen=True)
class Opening:
    """Opening hours of some merchants.

    Attributes:
        clocks: Rows of `s6_merchant_clocks_5A`, one a pair.
        pair: uint64: position of (merchant, country) pairs, ascending, see `_packed`.
        merchants: uint64, ascending: their merchants.
        begin: int64, (pairs, 7, stretches): first open slot of the day's stretch, counted from the day's
            midnight; 0 where there is none.
        end: int64, like `begin`: first slot after it; 0 where there is none.
    """

    clocks: Frame
    pair: Array
    merchants: Array
    begin: Array
    end: Array

    def row_of(self, merchant_id: Array, country: Array) -> Array:
        """Position of each (merchant, country) among the pairs: int64.

        Args:
            merchant_id: uint64, n.
            country: int16 codes, n.
        """
        return look_up(self.pair, _packed(look_up(self.merchants, merchant_id), country))

    def open_part(self, row: Array, first: Array, slots: Array | int) -> tuple[Array, Array]:
        """Which part of a stretch of local time is open: begin and end in slots from its beginning.

        Of two open parts the longer counts, of equals the first; where nothing is open both are 0. Hours
        have one part only: stretches of a merchant lie whole hours apart.

        Args:
            row: int64, n: pair of each stretch.
            first: int64, n: slot of the week at which it begins.
            slots: Its length, at most a day; one number, or int64, n.

        Returns:
            Two int64 arrays, n. A pair that never closes is open throughout.
        """
        low, high = np.zeros(len(row), dtype=np.int64), np.zeros(len(row), dtype=np.int64)
        day = first // DAY_SLOTS
        for back in (1, 0, -1):  # what began the day before; the next day, for a stretch over midnight
            weekday = (day - back) % 7
            midnight = (day - back) * DAY_SLOTS
            for number in range(self.begin.shape[2]):
                begin = self.begin[row, weekday, number]
                length = self.end[row, weekday, number] - begin
                start = np.clip(midnight + begin - first, 0, slots)
                stop = np.clip(midnight + begin + length - first, 0, slots)
                longer = stop - start > high - low
                low, high = np.where(longer, start, low), np.where(longer, stop, high)
        whole = self.clocks.always_open[row]
        return np.where(whole, 0, low), np.where(whole, slots, high)

    def hours(self, row: Array) -> Array:
        """Open slots, 0 to 12, in each hour of the week: int64, (n, 168)."""
        week = np.arange(WEEK_HOURS, dtype=np.int64) * HOUR_SLOTS
        used, back = np.unique(row, return_inverse=True)
        low, high = self.open_part(np.repeat(used, WEEK_HOURS), np.tile(week, len(used)), HOUR_SLOTS)
        found: Array = (high - low).reshape(-1, WEEK_HOURS)[back]
        return found

    def within_hours(self, row: Array, bucket_seconds: int) -> Array:
        """How demand inside an hour falls on its buckets: 1 where it is even.

        An hour's demand falls on its open part alone. In an hour without one (only edges sell then) it is
        even.

        Args:
            row: int64, n: pairs.
            bucket_seconds: 900, 1800 or 3600.

        Returns:
            float64, (n, 168 x buckets of an hour): factor on the demand of a bucket.
        """
        parts = 3600 // bucket_seconds
        size = HOUR_SLOTS // parts
        used, back = np.unique(row, return_inverse=True)
        begin = np.arange(WEEK_HOURS * parts, dtype=np.int64) * size
        low, high = self.open_part(np.repeat(used, len(begin)), np.tile(begin, len(used)), size)
        slots = (high - low).reshape(-1, WEEK_HOURS, parts)
        whole = slots.sum(axis=2, keepdims=True)
        even = whole == 0
        factor = np.where(even, 1.0, slots * np.float64(parts) / np.where(even, 1, whole))
        found: Array = factor.reshape(len(used), -1)[back]
        return found


def opening_in(ctx: Context, merchant_id: Array) -> Opening:
    """Opening hours of some merchants (uint64, ascending) from the published tables."""
    return opening_of(
        *(
            frame.take(np.flatnonzero(np.isin(frame.merchant_id, merchant_id)))
            for frame in (ctx.load("s6_merchant_clocks_5A"), ctx.load("s6_opening_hours_5A"))
        )
    )


def opening_of(clocks: Frame, hours: Frame) -> Opening:
    """Opening hours from their tables.

    Args:
        clocks: Rows of `s6_merchant_clocks_5A`: whole merchants.
        hours: Rows of `s6_opening_hours_5A` of the same merchants.
    """
    starts = run_offsets(clocks.merchant_id)[:-1].astype(np.int64)
    merchants = clocks.merchant_id[starts]
    pair = _packed(look_up(merchants, clocks.merchant_id), clocks.legal_country_iso)
    row = look_up(pair, _packed(look_up(merchants, hours.merchant_id), hours.legal_country_iso))
    day = row * 7 + hours.weekday.astype(np.int64) - 1
    runs = run_offsets(day)
    number = np.arange(len(day)) - runs[:-1].astype(np.int64)[run_of_row(runs)]
    shape = (len(pair), 7, int(number.max(initial=0)) + 1)
    begin, end = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    at = (row, day % 7, number)
    begin[at] = hours.opens_minute.astype(np.int64) // SLOT_MINUTES
    end[at] = hours.closes_minute.astype(np.int64) // SLOT_MINUTES
    return Opening(clocks, pair, merchants, begin, end)


def _packed(merchant: Array, country: Array) -> Array:
    code: Array = (merchant.astype(np.uint64) << np.uint64(_COUNTRY_BITS)) | country.astype(np.uint64)
    return code
