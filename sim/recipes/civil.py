"""Months and weekdays of the Gregorian calendar as day numbers since 1970-01-01, without clock or zone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True)
class Month:
    """A month.

    Attributes:
        number: 1 .. 12.
        first: Day number of its first day.
        length: 28 .. 31.
    """

    number: int
    first: int
    length: int

    def day(self, day: int) -> int:
        """Day number of a day of the month: 1 is the first, -1 the last; days past the end are the last."""
        return self.first + (self.length + day if day < 0 else min(day, self.length) - 1)

    def nth_weekday(self, weekday: int, nth: int) -> int:
        """Day number of the nth weekday (Monday = 1) of the month."""
        return self.first + (weekday - weekday_of(self.first)) % 7 + 7 * (nth - 1)


def weekday_of(day: int) -> int:
    """Weekday of a day number, Monday = 1 (1970-01-01 was a Thursday)."""
    return (day + 3) % 7 + 1


def months_between(first_day: int, last_day: int) -> Iterator[Month]:
    """The months that hold the days `first_day` .. `last_day`."""
    start = (_EPOCH + timedelta(days=first_day)).replace(day=1)
    while (start - _EPOCH).days <= last_day:
        following = (start + timedelta(days=32)).replace(day=1)
        yield Month(start.month, (start - _EPOCH).days, (following - start).days)
        start = following
