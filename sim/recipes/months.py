"""Calendar months and years of days, and first days of months, by the proleptic Gregorian calendar.

Years are counted from 1 March 0000, so that the leap day is a year's last (Hinnant, *chrono-compatible
low-level date algorithms*).
"""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array


def month_of_day(day: Array) -> Array:
    """Months since 1970-01 of days since 1970-01-01: int32 both, n."""
    shifted = day.astype(np.int32) + np.int32(719_468)
    era, of_era = shifted // 146_097, shifted % 146_097
    year = (of_era - of_era // 1_460 + of_era // 36_524 - of_era // 146_096) // 365
    of_year = of_era - (365 * year + year // 4 - year // 100)
    month = (5 * of_year + 2) // 153
    months: Array = (era * 400 + year) * 12 + month + 2 - 1_970 * 12
    return months


def year_of_day(day: Array) -> Array:
    """Years of days since 1970-01-01: int32 both, n."""
    years: Array = month_of_day(day) // 12 + np.int32(1_970)
    return years


def first_day_of_month(month: Array) -> Array:
    """The day since 1970-01-01 that each month since 1970-01 begins on: int32 both, n."""
    since_march = month.astype(np.int32) + np.int32(1_970 * 12 - 2)
    year, of_year = since_march // 12, since_march % 12
    days: Array = 365 * year + year // 4 - year // 100 + year // 400 + (153 * of_year + 2) // 5
    return days - np.int32(719_468)


def last_valid_day(expiry_month: Array) -> Array:
    """Last day of the month a card expires in: int64; the month is told by its first day."""
    return first_day_of_month(month_of_day(expiry_month) + np.int32(1)).astype(np.int64) - 1
