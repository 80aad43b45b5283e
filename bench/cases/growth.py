"""Arrivals from ten million to a thousand million: rows/s should stay, memory too. 1A to 5B, 90 days,
as many merchants as that takes.
"""

from __future__ import annotations

import datetime

from bench.case import Options, Row
from bench.cases.end_to_end import one_run, row_of

# What a merchant-day comes to in the presets; the arrivals that came out are what is reported.
ARRIVALS_A_MERCHANT_DAY = 56.7
FEWEST_MERCHANTS = 120
DAYS = 90
START = "2026-01-01"


def run(options: Options) -> list[Row]:
    """A row a size, from small to large."""
    rows = []
    for size in sorted(options.sizes):
        extra = [word for setting in settings(size) for word in ("--set", setting)]
        if options.until is None:
            extra += ["--until", "5B"]
        runs = []
        for number in range(options.runs):
            options.say(f"growth: {size:,} arrivals, {number + 1}/{options.runs}")
            runs.append(one_run(options, "reference", extra=tuple(extra)))
        rows.append(row_of(f"{size:,}", runs))
    return rows


def settings(size: int) -> list[str]:
    """`--set` values for about `size` arrivals: merchants, and days only where a few merchants over 90 days
    would be too many.
    """
    merchants = max(FEWEST_MERCHANTS, round(size / DAYS / ARRIVALS_A_MERCHANT_DAY))
    days = (
        DAYS
        if merchants > FEWEST_MERCHANTS
        else min(DAYS, max(2, round(size / merchants / ARRIVALS_A_MERCHANT_DAY)))
    )
    end = _date(days)
    return [
        f"merchant_universe_1A.merchants={merchants}",
        f"scenario_horizon_5A.start={START}",
        f"scenario_horizon_5A.end={end}",
    ]


def _date(days: int) -> str:
    return (datetime.date.fromisoformat(START) + datetime.timedelta(days=days)).isoformat()
