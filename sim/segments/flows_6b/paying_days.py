"""Days on which somebody away from home counts as a customer there."""

from __future__ import annotations

import numpy as np

from sim.recipes.horizon import Horizon
from sim.state.frames import Array, Frame


def days_inside(
    first: Array, last: Array, horizon: Horizon, can: tuple[Array, Array, Array]
) -> tuple[Array, Array]:
    """First day that counts, and how many do: inside the horizon, while the party pays: int64, int64.

    Args:
        first: int64, n: first day of each trip.
        last: int64, n: last day.
        horizon: Days that all scenarios cover.
        can: Of the parties of these trips, see `can_pay`.
    """
    pays, low, high = can
    begin = np.maximum(np.maximum(first, low), horizon.first_day)
    stop = np.minimum(np.minimum(last, high), horizon.first_day + horizon.days - 1)
    return begin, np.where(pays, np.maximum(stop - begin + 1, 0), 0)


def can_pay(behaviour: Frame, row: Array) -> tuple[Array, Array, Array]:
    """Whether the parties at `row` of party_behaviour_6B pay (bool), from which day to which (int64)."""
    has = behaviour.present("can_pay_from") & behaviour.present("can_pay_to")
    pays = (behaviour.activity_q > 0) & has
    low, high = (behaviour[name].astype(np.int64) for name in ("can_pay_from", "can_pay_to"))
    return pays[row], low[row], high[row]
