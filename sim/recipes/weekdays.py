"""Days of the week on which banks do business: working weeks of countries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

WEEK = 7
WORKDAYS = 5
"""Days before a weekend on one of which what would fall on it may lie."""
PARTS = 10_000

WEEKENDS_NEEDS = Needs(reference=("countries",))
WEEKDAYS_NEEDS = Needs(reference=("countries",), kernels=("bounded_integer",))


@dataclass(frozen=True)
class Weekdays:
    """Working weeks of countries.

    Attributes:
        weekend: bool, countries x 7 from Monday on.
        back: int32, countries x 7 x 5: days from a day of the week back to each of the last five workdays.
        moved: uint64, countries: parts of ten thousand of what falls on a weekend that goes to a workday.
    """

    weekend: Array
    back: Array
    moved: Array

    @classmethod
    def by_country(cls, ctx: Context, weekend_permille: int) -> Weekdays:
        """Working weeks of the countries of the snapshot.

        Args:
            ctx: Context with the reference table `countries`.
            weekend_permille: Share of events that is left on a weekend of two days; a shorter one has its
                natural share where that is less.
        """
        table = ctx.reference("countries")
        weekend = np.zeros((len(ctx.vocabulary("country")), WEEK), dtype=np.bool_)
        for code, text in zip(table.country_iso.tolist(), table.weekend_days.tolist(), strict=True):
            for day in text.split(","):
                weekend[code, int(day) - 1] = True
        back = np.zeros((*weekend.shape, WORKDAYS), dtype=np.int32)
        for pattern in np.unique(weekend, axis=0):
            rows = (weekend == pattern).all(axis=1)
            for weekday in range(WEEK):
                before = [days for days in range(1, 2 * WEEK) if not pattern[(weekday - days) % WEEK]]
                back[rows, weekday] = before[:WORKDAYS]
        length = np.maximum(weekend.sum(axis=1), 1)
        moved = np.maximum(PARTS - weekend_permille * PARTS * WEEK // 1000 // length, 0).astype(np.uint64)
        return cls(weekend, back, moved)

    def settle(self, ctx: Context, day: Array, country: Array, word: Array, earliest: Array) -> Array:
        """Days, some of those on a weekend moved to one of the workdays before: int32, n.

        No day moves before its earliest one, so that no bound gathers what others lose.

        Args:
            ctx: Context of a state with `WEEKDAYS_NEEDS`.
            day: int32, n: days since 1970-01-01, a Thursday.
            country: int16, n.
            word: uint64, n: random words.
            earliest: int32, n: first day that is allowed.
        """
        take = ctx.columns.take
        at = country.astype(np.int64) * WEEK + (day.astype(np.int64) + 3) % WEEK
        point = ctx.kernels.bounded_integer(x=word, bound=np.full_like(word, PARTS))
        moved = take(self.moved, country)
        turn = np.minimum(
            point * np.uint64(WORKDAYS) // np.maximum(moved, np.uint64(1)), np.uint64(WORKDAYS - 1)
        )
        other = day - take(self.back.ravel(), at * WORKDAYS + turn.astype(np.int64))
        goes = take(self.weekend.ravel(), at) & (point < moved) & (other >= earliest)
        settled: Array = np.where(goes, other, day)
        return settled

    def on_weekend(self, ctx: Context, day: Array, country: Array) -> Array:
        """Whether each day (int32, n) is on the weekend of its country (int16, n): bool, n."""
        found: Array = ctx.columns.take(
            self.weekend.ravel(), country.astype(np.int64) * WEEK + (day.astype(np.int64) + 3) % WEEK
        )
        return found
