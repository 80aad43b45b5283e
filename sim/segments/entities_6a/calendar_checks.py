"""What days of opening and closing are held against: no day that gathers others, rates as they should be."""

from __future__ import annotations

from typing import Any

import numpy as np

from sim.segments.entities_6a.tenure import DAYS_NEEDS, Days
from sim.state.context import Context
from sim.state.declaration import Check, Needs
from sim.state.frames import Array

CALENDAR_CHECKS_NEEDS = Needs(config=("realism_gates_people_6A",), uses=(DAYS_NEEDS,))
OLDEST_DAYS = 366 * 61
"""No opening is older; longer tenures are refused by the schemas."""
_REACH = 7


def by_age(ctx: Context, opened: Array) -> Array:
    """Openings (int32 days, n) by age in days at the end of the horizon: int64, OLDEST_DAYS.

    What is older, or in the future, which another check refuses, counts as the first or last.
    """
    age = np.minimum(np.maximum(Days.of_horizon(ctx).last - opened, np.int32(0)), np.int32(OLDEST_DAYS - 1))
    counts: Array = np.bincount(age.astype(np.int64), minlength=OLDEST_DAYS)
    return counts


def spike_check(ctx: Context, name: str, ages: Array) -> Check:
    """No day of opening above a multiple of the mean of its neighbours, seven days to either side.

    Chance is allowed for: standard deviations of a count whose events come in bunches (`bunch`: the
    accounts of one party).
    """
    gates = ctx.params.realism_gates_people_6A
    padded = np.concatenate((np.zeros(_REACH + 1, dtype=np.int64), np.cumsum(ages)))
    total = np.concatenate((padded, np.full(_REACH, padded[-1])))
    at = np.arange(len(ages))
    around = total[at + 2 * _REACH + 1] - total[at] - ages
    room = np.minimum(at + _REACH, len(ages) - 1) - np.maximum(at - _REACH, 0)
    # A day without neighbours, in a span of one day, is compared with itself.
    bound = gates.spike_ratio * np.where(room > 0, around, ages) / np.maximum(room, 1)
    allowed = bound + gates.draw_sigmas * np.sqrt((bound + 1.0) * gates.bunch)
    worst = int(np.argmax(ages / allowed))
    figures = {
        "day": int(Days.of_horizon(ctx).last) - worst,
        "found": int(ages[worst]),
        "neighbours_mean": float(around[worst] / max(int(room[worst]), 1)),
    }
    limit = {"at_most": float(allowed[worst]), "ratio": gates.spike_ratio}
    return Check(name, bool((ages <= allowed).all()), figures, limit, "days since 1970; the widest day")


def share_check(
    ctx: Context, name: str, found: int, of: float, bounds: Any, note: str, bunch: int | None = None
) -> Check:
    """A share in permille against bounds, widened by chance.

    Args:
        ctx: Context with `realism_gates_people_6A`.
        name: Name of the check.
        found: Events.
        of: Members, or members x years for a rate.
        bounds: Least and greatest share, permille.
        note: One sentence for people.
        bunch: How many events come at a time; by the gates if nothing is said.
    """
    gates = ctx.params.realism_gates_people_6A
    at_once = gates.bunch if bunch is None else bunch
    low, high = (of * bound / 1000.0 for bound in bounds)
    slack = [gates.draw_sigmas * float(np.sqrt(at_once * side)) + at_once for side in (low, high)]
    passed = low - slack[0] <= found <= high + slack[1]
    figures = {"permille": found * 1000.0 / max(of, 1e-9), "events": found, "of": of}
    limit = {"permille": list(bounds), "events": [low - slack[0], high + slack[1]]}
    return Check(name, bool(passed), figures, limit, f"{note}; bounds of events allow for chance")
