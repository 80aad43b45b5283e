"""What an issuer makes of a payment: points for what it sees at that instant, and for nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.recipes.groups import run_of_row, run_starts
from sim.segments.flows_6b.s5_flows.prices import Prices
from sim.segments.flows_6b.s5_flows.rows import NOBODY, People, Rows
from sim.state.frames import Array

_HOUR_US, _DAY_US, _MINUTE_US = 3_600_000_000, 86_400_000_000, 60_000_000


def points_of(law: Any, rows: Rows, people: People, prices: Prices, own: Array) -> Array:
    """Points of each payment: int64, n.

    Args:
        law: `issuer_policy_6B.suspicion`.
        rows: The range's rows.
        people: The range's people.
        prices: What pass 3 said: amounts are compared in the account's currency.
        own: bool, n: started by the payer. Hour and channel of what a merchant charges by itself say nothing.
    """
    points = np.zeros(len(rows.ts_us), dtype=np.int64)
    points += int(law.new_merchant) * first_at_merchant(rows)
    points += int(law.abroad) * (rows.country != people.country[rows.party])
    points += int(law.remote) * (own & (rows.site == NOBODY))
    before, mean = habit_of(rows, prices.billing)
    for rule in (law.large, law.huge):
        points += int(rule.points) * ((before >= _KNOWN) & (prices.billing > int(rule.times) * mean))
    points += int(law.busy.points) * (in_last_hour(rows) >= int(law.busy.payments))
    first, stop = law.night.hours
    hour = (rows.ts_us + rows.offset_minutes.astype(np.int64) * _MINUTE_US) % _DAY_US // _HOUR_US
    return points + int(law.night.points) * (own & (hour >= int(first)) & (hour < int(stop)))


_KNOWN = 5
"""Payments after which an issuer knows what is usual."""


def first_at_merchant(rows: Rows) -> Array:
    """Whether a row is its party's first at the merchant in the horizon: bool, n."""
    pair = (rows.party.astype(np.uint64) << np.uint64(32)) | rows.merchant.astype(np.uint64)
    order = np.argsort(pair, kind="stable")
    first = np.zeros(len(pair), dtype=np.bool_)
    first[order[run_starts(pair[order])]] = True
    return first


def habit_of(rows: Rows, amount: Array) -> tuple[Array, Array]:
    """Payments of the party before each row, and their mean amount, rounded down: int64 each."""
    begin = rows.row_first[:-1].astype(np.int64)
    of = run_of_row(rows.row_first)
    before = np.arange(len(amount), dtype=np.int64) - begin[of]
    total = np.concatenate((np.zeros(1, dtype=np.int64), np.cumsum(amount)))
    spent = total[:-1] - total[begin][of]
    return before, spent // np.maximum(before, 1)


def in_last_hour(rows: Rows) -> Array:
    """Payments of the party in the hour before each row: int64."""
    if len(rows.ts_us) == 0:
        return np.zeros(0, dtype=np.int64)
    since = rows.ts_us - rows.ts_us.min() + _HOUR_US
    width = np.int64(int(since.max()) + 1)
    # Rows ascend by party and instant, so one search finds where each hour begins.
    packed = rows.party.astype(np.int64) * width + since
    found: Array = np.arange(len(packed)) - np.searchsorted(packed, packed - _HOUR_US, side="left")
    return found
