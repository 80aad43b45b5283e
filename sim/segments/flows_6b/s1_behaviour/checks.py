"""What behaviour is held against: who pays, how much and how unevenly; cells that hold everybody once."""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.segments.flows_6b.s1_behaviour.expected import EXPECTED_ACTIVITY_NEEDS, expected_activity
from sim.segments.flows_6b.s1_behaviour.law import (
    BEHAVIOUR_LAW_NEEDS,
    HOUR,
    active_share,
    band_of,
    ordinary_clock,
    ordinary_level,
)
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.declaration import METADATA_ONLY, Check, Measurement, Needs
from sim.state.frames import Frame
from sim.state.totals import Totals

BINS = 512
"""Activity is binned by its power of two and sixteen steps between: Gini is exact to a thousandth."""
PARTIES = "s1_party_base_6A"
STREAM = "6B.behaviour"

BEHAVIOUR_CHECKS_NEEDS = Needs(
    reads={PARTIES: METADATA_ONLY},
    config=("behaviour_prior_6B",),
    uses=(BEHAVIOUR_LAW_NEEDS, EXPECTED_ACTIVITY_NEEDS),
)


class BehaviourCounts(Counters):
    """Parties, those with cards, those who pay, their activity by bin, sides of medians; cells."""

    parties = Scalar()
    holders = Scalar()
    active = Scalar()
    paying_without_card = Scalar()
    bin_parties = Vector(BINS)
    bin_activity = Vector(BINS)
    active_of = Vector("segment", "income_band")
    dear = Scalar()
    cheap = Scalar()
    late = Scalar()
    early = Scalar()
    beyond_clock = Scalar()
    phases = Vector(HOUR)
    cells = Scalar()
    uneven = Scalar()
    planned_cells = Scalar()
    in_cells = Scalar()
    cell_activity = Scalar()
    activity = Scalar()
    smallest_cells = Scalar()


def count_behaviour(ctx: PartitionContext, rows: Frame, parties: Frame) -> None:
    """Count the behaviour of a partition.

    Args:
        ctx: Context.
        rows: Rows of party_behaviour_6B.
        parties: Columns `segment_id`, `income_band`, `birth_year` of the same parties.
    """
    weight = rows.activity_q
    active = weight > 0
    holds = rows.present("can_pay_from")
    ctx.count(BehaviourCounts.parties, len(rows))
    ctx.count(BehaviourCounts.holders, int(holds.sum()))
    ctx.count(BehaviourCounts.active, int(active.sum()))
    ctx.count(BehaviourCounts.paying_without_card, int((active & ~holds).sum()))
    some = weight[active].astype(np.uint64)
    at = bins(some)
    ctx.count(BehaviourCounts.bin_parties, np.bincount(at, minlength=BINS).astype(np.int64))
    sums = np.zeros(BINS, dtype=np.int64)
    np.add.at(sums, at, some.astype(np.int64))
    ctx.count(BehaviourCounts.bin_activity, sums)
    ctx.count(BehaviourCounts.activity, int(some.sum()))
    bands = len(ctx.vocabulary("income_band"))
    group = parties.segment_id[active].astype(np.int64) * bands + band_of(ctx, parties)[active]
    size = len(ctx.vocabulary("segment")) * bands
    ctx.count(BehaviourCounts.active_of, np.bincount(group, minlength=size).astype(np.int64))
    level, ordinary = rows.spend_level, ordinary_level(ctx, parties)
    ctx.count(BehaviourCounts.dear, int((level > ordinary).sum()))
    ctx.count(BehaviourCounts.cheap, int((level < ordinary).sum()))
    shift, mean = rows.clock_shift_minutes.astype(np.int64), ordinary_clock(ctx, parties)
    ctx.count(BehaviourCounts.late, int((shift > mean).sum()))
    ctx.count(BehaviourCounts.early, int((shift < mean).sum()))
    most = int(ctx.params.behaviour_prior_6B.clock.most_minutes)
    ctx.count(BehaviourCounts.beyond_clock, int((np.abs(shift) > most).sum()))
    ctx.count(BehaviourCounts.phases, np.bincount(rows.phase_minutes, minlength=HOUR).astype(np.int64))


def count_cells(ctx: PartitionContext, cells: Frame, planned: int, uneven: int) -> None:
    """Count the cells of a partition.

    Args:
        ctx: Context.
        cells: Rows of cells_6B.
        planned: How many there should be.
        uneven: How many are not their metro's share.
    """
    ctx.count(BehaviourCounts.cells, len(cells))
    ctx.count(BehaviourCounts.planned_cells, planned)
    ctx.count(BehaviourCounts.uneven, uneven)
    ctx.count(BehaviourCounts.in_cells, int(cells.parties.sum(dtype=np.int64)))
    ctx.count(BehaviourCounts.cell_activity, int(cells.activity_q.sum()))
    least = int(ctx.params.behaviour_prior_6B.cells.parties)
    ctx.count(BehaviourCounts.smallest_cells, int((cells.parties < least).sum()))


def bins(weight: np.ndarray) -> np.ndarray:
    """Bin of each positive weight: sixteen to a factor of two, int64."""
    value = weight.astype(np.uint64)
    width = np.zeros(len(value), dtype=np.int64)
    for step in (32, 16, 8, 4, 2, 1):
        more = (value >> np.uint64(step)) > 0
        width += np.where(more, step, 0)
        value = np.where(more, value >> np.uint64(step), value)
    up = np.maximum(4 - width, 0).astype(np.uint64)
    down = np.maximum(width - 4, 0).astype(np.uint64)
    mantissa = ((weight.astype(np.uint64) << up) >> down).astype(np.int64) & 15
    found: np.ndarray = np.minimum(width * 16 + mantissa, BINS - 1)
    return found


def gini_permille(parties: np.ndarray, activity: np.ndarray) -> int:
    """Gini coefficient of weights given by bins in ascending order, in permille: by trapezes."""
    people, weight = [int(n) for n in parties], [int(n) for n in activity]
    total, sum_weight = sum(people), sum(weight)
    if total == 0 or sum_weight == 0:
        return 0
    area, before = 0, 0
    for n, w in zip(people, weight, strict=True):
        area += n * (2 * before + w)
        before += w
    return 1000 - area * 1000 // (total * sum_weight)


def behaviour_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Draws, cards, active share, Gini, cells."""
    seen, gates = BehaviourCounts(totals), ctx.params.behaviour_prior_6B.gates
    share, holders = active_share(ctx), seen.holders
    sigmas = float(gates.sigmas)
    sigma = sigmas * (holders * share * (1 - share)) ** 0.5
    low, high = gates.gini_permille
    gini = gini_permille(seen.bin_parties, seen.bin_activity)
    enough = seen.active >= 1000
    mean, deviation = expected_activity(ctx, seen.active_of)
    even = seen.parties / HOUR
    uneven_phase = max(abs(int(n) - even) for n in seen.phases)
    everybody = sum(file.rows for file in ctx.files(PARTIES))
    return [
        ledger_check(totals, STREAM, seen.parties, 6),
        Check("everybody has a behaviour", seen.parties == everybody, seen.parties, everybody),
        Check(
            "who pays holds a card",
            seen.paying_without_card == 0,
            seen.paying_without_card,
            0,
            "over all rows",
        ),
        Check(
            "share of holders who pay",
            abs(seen.active - holders * share) <= sigma + 1,
            seen.active / max(1, holders),
            {"share": share, "sigmas": sigmas},
        ),
        Check(
            "sum of activity",
            abs(seen.activity - mean) <= sigmas * deviation + seen.active,
            seen.activity,
            {"mean": mean, "deviation": deviation, "sigmas": sigmas},
            "of those who pay, by segment and income",
        ),
        _halves("half buy above the level of their income", seen.dear, seen.cheap, sigmas),
        _halves("half are later than their generation", seen.late, seen.early, sigmas),
        Check("clocks within their bounds", seen.beyond_clock == 0, seen.beyond_clock, 0, "over all rows"),
        Check(
            "own hours begin at any minute",
            uneven_phase <= sigmas * even**0.5 + 1,
            uneven_phase,
            {"parties a minute": even, "sigmas": sigmas},
        ),
        Check(
            "Gini of activity",
            low <= gini <= high or not enough,
            gini,
            [low, high],
            "permille, among who pays; a world of fewer than a thousand is not held to it",
        ),
        Check(
            "cells as planned",
            seen.cells == seen.planned_cells,
            seen.cells,
            seen.planned_cells,
            "none is empty",
        ),
        Check("cells of a metro are of one size", seen.uneven == 0, seen.uneven, 0, "within three parties"),
        Check("cells hold everybody once", seen.in_cells == seen.parties, seen.in_cells, seen.parties),
        Check("activity of cells", seen.cell_activity == seen.activity, seen.cell_activity, seen.activity),
    ]


def _halves(name: str, above: int, below: int, sigmas: float) -> Check:
    """As many above a median as below it."""
    bound = sigmas * (above + below) ** 0.5 + 1
    return Check(name, abs(above - below) <= bound, above - below, {"within": bound})


def behaviour_measure(totals: Totals) -> list[Measurement]:
    """How many there are to pay, and how many cells are below their size."""
    seen = BehaviourCounts(totals)
    return [
        Measurement("parties who pay", seen.active, "parties"),
        Measurement("card holders", seen.holders, "parties"),
        Measurement("cells of fewer parties than asked for", seen.smallest_cells, "cells", "small metros"),
    ]
