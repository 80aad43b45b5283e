"""The user's own merchants: the law of an MCC outside the taxonomy, and values that replace a prior."""

from __future__ import annotations

import numpy as np

from sim.recipes.join import look_up
from sim.state.frames import Array, Frame

SUPPLIED_DTYPES = {
    "merchant_id": np.uint64,
    "merchant_ref": object,
    "name": object,
    "law_mcc": np.uint16,
    "demand_class": np.int16,
    "weekly_volume": np.float64,
    "ticket_median": np.float64,
    "open_from_minute": np.uint16,
    "open_to_minute": np.uint16,
    "rows": np.uint32,
}


def nothing_supplied() -> Frame:
    """Rows of `merchant_supplied_1A` in a world whose merchants are all generated: none."""
    return Frame({name: np.empty(0, dtype=dtype) for name, dtype in SUPPLIED_DTYPES.items()})


def replaced(merchant_id: Array, values: Array, supplied: Frame, column: str) -> Array:
    """`values` by merchant, with what `supplied` has in `column` where it has something; dtype of `values`.

    Args:
        merchant_id: uint64, n, ascending.
        values: n.
        supplied: Rows of `merchant_supplied_1A`; those of other merchants are passed over.
        column: One of its nullable columns.
    """
    given = supplied.take(supplied.present(column) & np.isin(supplied.merchant_id, merchant_id))
    result = values.copy()
    result[look_up(merchant_id, given.merchant_id)] = given[column]
    return result
