"""Overlay factors cell by cell, from the runs that `scenario_overlay_factors_5A` tells.

A combination is a (country, time zone, class) with demand. It has a cell for each local bucket of its zone;
the factor of a cell is the product of the told factors that cover it, type after type, within the policy's
bounds. 5A.S5 proves that these are the factors of its surfaces, cell by cell.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.local_calendar import LocalCalendar
from sim.state.frames import Array, Frame

SCOPE = ("tzid", "legal_country_iso", "demand_class")


def packed(keys: Frame) -> Array:
    """Each key's combination in one int64, in the order of `SCOPE`."""
    code = np.zeros(len(keys), dtype=np.int64)
    for name in SCOPE:
        code = (code << 16) | keys[name].astype(np.int64)
    return code


@dataclass(frozen=True)
class Combinations:
    """The distinct combinations among some keys.

    Attributes:
        code: int64: `packed`, ascending.
        first: int64: a key of each.
        of_key: int64, one a key: which combination it is.
        offset: uint64, combinations + 1: a combination's cells, one a local bucket of its zone.
    """

    code: Array
    first: Array
    of_key: Array
    offset: Array


def combinations_of(keys: Frame, clock: LocalCalendar) -> Combinations:
    """Combinations among keys (columns of `SCOPE`), and their cells by the clocks of their zones."""
    code, first, of_key = np.unique(packed(keys), return_index=True, return_inverse=True)
    size = np.diff(clock.offset)[clock.zone_of(keys.tzid[first])]
    return Combinations(code, first, of_key, np.append(np.uint64(0), np.cumsum(size, dtype=np.uint64)))


def told_factors(combinations: Combinations, table: Frame, types: int, bounds: tuple[float, float]) -> Array:
    """Factor of each cell: float64.

    Args:
        combinations: The combinations.
        table: Rows of `scenario_overlay_factors_5A`; those of other combinations are left out.
        types: Number of event types.
        bounds: Least and greatest factor: `overlay_policy_5A.total`.
    """
    known = packed(table)
    rows = np.flatnonzero(np.isin(known, combinations.code))
    own = np.searchsorted(combinations.code, known[rows])
    first = combinations.offset[:-1].astype(np.int64)[own] + table.local_bucket_index[rows]
    length = table.local_buckets[rows].astype(np.int64)
    kind, factor = table.event_type[rows], table.factor[rows]
    total = np.ones(int(combinations.offset[-1]), dtype=np.float64)
    for code in range(types):  # of one type no two runs of a combination overlap
        mine = np.flatnonzero(kind == code)
        size = length[mine]
        begin = np.cumsum(size) - size
        cell = np.repeat(first[mine] - begin, size) + np.arange(int(size.sum()))
        total[cell] *= np.repeat(factor[mine], size)
    return np.minimum(np.maximum(total, bounds[0]), bounds[1])
