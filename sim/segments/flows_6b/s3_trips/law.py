"""Who travels how much, and how long trips are: whole numbers that every later step takes as they are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import Horizon, span_of
from sim.recipes.terms import by_term
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import Fault, refuse_any

LAW = "trip_law_6B"
BEHAVIOUR, PARTIES = "party_behaviour_6B", "s1_party_base_6A"
ORDINARY = 65_536
"""Mass of an ordinary party, as its activity."""
_BANDS, _PURPOSE = "income_band", "trip_purpose"
_PERMILLE = 1000
_FINE = np.float64(1 << 32)

TRIP_LAW_NEEDS = Needs(config=(LAW, "scenario_horizon_5A"), kernels=("log_map", "normal_cdf_map"))


@dataclass(frozen=True)
class Lengths:
    """Lengths of trips that meet the horizon, each of whose first days is equally likely.

    Attributes:
        horizon: The days that all scenarios cover.
        cumulative: uint64: weight of 1 .. L days, at L - 1. A longer trip meets the horizon more often.
        inside: Mean days of such a trip inside the horizon.
        meet: Share of pairs of them that touch a common day, about.
    """

    horizon: Horizon
    cumulative: Array
    inside: float
    meet: float

    def median(self) -> int:
        """Median of the days of trips that meet the horizon."""
        return int(np.searchsorted(self.cumulative, self.cumulative[-1] // np.uint64(2))) + 1


def require_trips(ctx: Context) -> None:
    """Refuse a law that does not use the vocabularies, or contradicts itself.

    Raises:
        ContractError: `6B.S3.VOCABULARY_MISMATCH`, `6B.S3.LAW_CONTRADICTS`.
    """
    law = ctx.params.trip_law_6B
    by_term(ctx, _BANDS, law.tilt_of_income, f"{LAW}.tilt_of_income")
    by_term(ctx, "segment", law.tilt_of_segment, f"{LAW}.tilt_of_segment")
    faults = []
    for whose in law.purpose:
        total = sum(by_term(ctx, _PURPOSE, law.purpose[whose], f"{LAW}.purpose.{whose}"))
        if total != _PERMILLE:
            faults.append(Fault(f"{LAW}.purpose.{whose}", f"sums to {total}"))
    first, last = law.hours.first, law.hours.last
    if not first[0] <= first[1] < last[0] <= last[1]:
        faults.append(Fault(f"{LAW}.hours", f"{list(first)} and {list(last)} are not one after the other"))
    what = "Purposes must sum to 1000, and trips must begin earlier in the day than they end."
    refuse_any(ctx, "LAW_CONTRADICTS", what, faults, do="correct the pack")


def lengths(ctx: Context) -> Lengths:
    """The law of lengths, of the horizon of all scenarios."""
    law, horizon = ctx.params.trip_law_6B.days, span_of(ctx.params.scenario_horizon_5A)
    days = np.arange(1, int(law.most) + 1, dtype=np.float64)
    median = ctx.kernels.log_map(x=np.array([float(law.median)]))[0]
    edge = (ctx.kernels.log_map(x=days + 0.5) - median) / np.float64(law.sigma)
    below = np.floor(ctx.kernels.normal_cdf_map(z=edge) * _FINE).astype(np.uint64)
    each = np.diff(np.concatenate((np.zeros(1, dtype=np.uint64), below)))
    places = (days + (horizon.days - 1)).astype(np.uint64)
    weight = each * places
    total, inside, touched = int(weight.sum()), 0.0, 0.0
    for n, place, w in zip(days.tolist(), places.tolist(), weight.tolist(), strict=True):
        inside += w / total * n * horizon.days / place
        touched += w / total * n
    # Two spans of n and m days within about the same places meet at n + m - 1 of them.
    meet = min(1.0, (2.0 * touched - 1.0) / (touched + horizon.days - 1.0))
    return Lengths(horizon, np.cumsum(weight, dtype=np.uint64), inside, meet)


def masses(ctx: Context, parties: Frame, activity: Array) -> Array:
    """How much each party travels beside the others: uint64, 65,536 an ordinary one, 0 for who does not pay.

    Args:
        ctx: Context.
        parties: Columns `segment_id`, `income_band` of s1_party_base_6A.
        activity: uint32, n: `activity_q` of the same parties.
    """
    law = ctx.params.trip_law_6B
    segment = by_term(ctx, "segment", law.tilt_of_segment, f"{LAW}.tilt_of_segment")
    band = by_term(ctx, _BANDS, law.tilt_of_income, f"{LAW}.tilt_of_income")
    income = np.array([*band, 1.0], dtype=np.float64)
    at = np.where(parties.present(_BANDS), parties.income_band, np.int16(len(band)))
    tilt = np.array(segment, dtype=np.float64)[parties.segment_id] * income[at]
    # 65,536 x sqrt(activity / 65,536); roots are exact to the last bit everywhere.
    root = np.sqrt(activity.astype(np.float64)) * np.float64(256.0)
    found: Array = np.floor(root * tilt).astype(np.uint64)
    return found


def purposes(ctx: Context) -> Array:
    """Cumulative permille of purposes: int64, [people at home, people abroad, organisations] x purposes."""
    law = ctx.params.trip_law_6B.purpose
    rows = [
        by_term(ctx, _PURPOSE, law[whose], f"{LAW}.purpose.{whose}")
        for whose in ("PERSON_DOMESTIC", "PERSON_FOREIGN", "ORGANISATION")
    ]
    return np.cumsum(np.array(rows, dtype=np.int64), axis=1)
