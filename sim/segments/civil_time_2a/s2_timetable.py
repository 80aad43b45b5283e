"""2A.S2: every clock over the horizon - the offset at its beginning, and each change until its end.

A margin on both sides covers local days that begin before or end after the horizon in UTC. The offsets come
from the sealed snapshot of the IANA database; a horizon it does not cover is refused, never extrapolated.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import span_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """Zones with an offset at the beginning, and their changes."""

    zones_at_begin = Scalar()
    illegal_offsets = Scalar()
    changes = Scalar()


STATE = State(
    id="2A.S2",
    title="Time zone timetable",
    writes=("tz_timetable_cache",),
    config=("realism_gates_2A", "scenario_horizon_5A", "timetable_policy_2A"),
    reference=("tz_transitions",),
    counts=(Counts,),
)

_DAY_S, _MICRO = 86_400, np.int64(1_000_000)


def preflight(ctx: Context) -> None:
    """A horizon the snapshot does not cover is refused before anything is built."""
    _span(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """The rows of the snapshot that matter for the horizon."""
    first_s, last_s = _span(ctx)
    clocks = ctx.reference("tz_transitions").sort("tzid", "transition_utc_s")
    needed = (_until(clocks) > first_s) & (clocks.transition_utc_s < last_s)
    rows = clocks.take(needed)
    begins = rows.take(run_starts(rows.tzid))
    gates = ctx.params.realism_gates_2A.offset_minutes
    legal = (
        (rows.offset_minutes >= gates.minimum)
        & (rows.offset_minutes <= gates.maximum)
        & (rows.offset_minutes % gates.multiple_of == 0)
    )
    ctx.count(Counts.zones_at_begin, np.count_nonzero(begins.transition_utc_s <= first_s))
    ctx.count(Counts.illegal_offsets, np.count_nonzero(~legal))
    ctx.count(Counts.changes, len(rows) - len(begins))
    return {
        "tz_timetable_cache": Frame(
            {
                "tzid": rows.tzid,
                "transition_utc": rows.transition_utc_s * _MICRO,
                "offset_minutes": rows.offset_minutes,
            }
        )
    }


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """All zones begin known, with offsets that civil time has."""
    seen = Counts(totals)
    zones, gates = len(ctx.vocabulary("tzid")), ctx.params.realism_gates_2A.offset_minutes
    law = f"{gates.minimum} to {gates.maximum} minutes, whole multiples of {gates.multiple_of}"
    found = {"zones": seen.zones_at_begin, "changes_within": seen.changes}
    return [
        Check(
            "zones known from the beginning",
            seen.zones_at_begin == zones,
            found,
            {"zones": zones},
            "one offset at the start",
        ),
        Check("legal offsets", seen.illegal_offsets == 0, seen.illegal_offsets, 0, law),
    ]


def _until(clocks: Frame) -> Array:
    """Instant (s, UTC) at which each row's offset ends: the zone's next change, or never."""
    until = np.full(len(clocks), np.iinfo(np.int64).max)
    until[:-1] = np.where(clocks.tzid[1:] == clocks.tzid[:-1], clocks.transition_utc_s[1:], until[:-1])
    return until


def _day(day: int) -> str:
    return str(np.datetime64(day, "D"))


def _span(ctx: Context) -> tuple[int, int]:
    """First and last instant (s, UTC) that must be covered: the horizon with its margins."""
    dates, margin = ctx.params.scenario_horizon_5A, ctx.params.timetable_policy_2A.margin_days * _DAY_S
    horizon = span_of(dates)
    first_s, last_s = horizon.start_s - margin, horizon.end_us // int(_MICRO) + margin
    covers = ctx.reference_metadata("tz_transitions")
    if first_s < int(covers["covers_from_utc_s"]) or last_s > int(covers["covers_to_utc_s"]):
        refuse(
            ctx,
            "HORIZON_NOT_COVERED",
            "the time zone snapshot does not cover the horizon and its margins",
            found=(
                f"{_day(horizon.first_day)} to {_day(horizon.first_day + horizon.days)}, and "
                f"{margin // _DAY_S} days on each side"
            ),
            expected=(
                f"within {covers['covers_from']} to {covers['covers_to']} (tzdata {covers['tzdata_version']})"
            ),
            at=("scenario_horizon_5A.start", "scenario_horizon_5A.end"),
            do=(
                "choose other dates, or rebuild the reference snapshot with a longer span "
                "(reference/build.py in the configuration)"
            ),
        )
    return first_s, last_s
