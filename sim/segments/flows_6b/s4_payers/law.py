"""Numbers of the law that are the same for every arrival: rhythm, habits of segments, and the horizon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes import horizon
from sim.recipes.terms import by_term, require_terms
from sim.segments.flows_6b.clientele import CLIENTELE_NEEDS
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array
from sim.state.params import Params

PAYERS = "payer_law_6B"
HOUR_US = 3_600_000_000
ONE = 256
"""A factor of 1 in rhythms."""
# The curve is integrated over g ** shape: a cut far out, or few steps, would leave nothing of its beginning.
_TOP, _QUANTILES, _STEPS, _MOST = 4095, 16, 1 << 20, 6.0
_DAYS = ("weekday",) * 5 + ("saturday", "sunday")

LAW_NEEDS = Needs(
    config=(PAYERS, "clientele_law_6B", "scenario_horizon_5A"),
    kernels=("inverse_lorenz",),
    uses=(CLIENTELE_NEEDS,),
)


@dataclass(frozen=True)
class Span:
    """The days of all scenarios.

    Attributes:
        first: Days since 1970.
        days: Number of days.
        stride: Words of a record of people: two, and a bit for each day from the one before to the one after.
    """

    first: int
    days: int
    stride: int


def span_of(ctx: Context) -> Span:
    """The days of all scenarios of the configuration, run or not."""
    found = horizon.span_of(ctx.params.scenario_horizon_5A)
    return Span(int(found.first_day), int(found.days), 2 + (int(found.days) + 2 + 63) // 64)


def lives_of(ctx: Context) -> tuple[int, int]:
    """Days in which members change, which no scenario moves: the first, after the span's, and how many."""
    lives = horizon.life_span(ctx.params.scenario_horizon_5A)
    return int(lives.first_day) - span_of(ctx).first, int(lives.days)


def tokens(ctx: Context) -> Array:
    """Factors by their bits, mean 256: month 16, week 16, day 256, hour 16: uint16."""
    rhythm = ctx.params.payer_law_6B.rhythm
    slow = [_gamma(ctx, float(rhythm[name].shape)) for name in ("month", "week")]
    fast = [_coin(rhythm[name], many) for name, many in (("day", 256), ("hour", 16))]
    return np.concatenate((*slow, *fast)).astype(np.uint16)


def _gamma(ctx: Context, shape: float) -> Array:
    """Means of the 16 equally likely parts of a Gamma of mean 1.

    They follow from the share of members who make a share of visits: where the curve of visits over members
    is at k/16, is what the k rarest sixteenths are worth together.
    """
    share = ctx.kernels.inverse_lorenz(
        shape=np.array([shape]), most=np.array([_MOST]), steps=_STEPS, points=4096, dims={"n": 4097}
    )
    # share[p] is the part of members that make p/4096 of visits: turned round at sixteenths of members.
    wanted = np.arange(_QUANTILES + 1, dtype=np.uint64) << np.uint64(28)
    at = np.clip(np.searchsorted(share, wanted, side="right") - 1, 0, 4095)
    low, high = share[at].astype(np.float64), share[at + 1].astype(np.float64)
    part = np.where(high > low, (wanted.astype(np.float64) - low) / np.maximum(high - low, 1.0), 0.0)
    made = (at.astype(np.float64) + np.clip(part, 0.0, 1.0)) / 4096.0
    made[-1] = 1.0
    found: Array = np.clip(np.floor(np.diff(made) * _QUANTILES * ONE + 0.5), 1.0, float(_TOP))
    return found


def _coin(law: Params, many: int) -> Array:
    """`low` for the first points, else so high that the mean is 1."""
    low, chance = float(law.low), float(law.chance)
    below = round(chance * many)
    high = (many - below * low) / (many - below)
    return np.floor(np.where(np.arange(many) < below, low, high) * ONE + 0.5)


def profiles(ctx: Context) -> Array:
    """Habit of each segment by hour of the week, mean 64, at least 1: uint8, 168 a segment."""
    law = ctx.params.payer_law_6B
    rows = []
    for name in by_term(ctx, "segment", law.shape_of_segment, f"{PAYERS}.shape_of_segment"):
        week = np.concatenate([np.array([float(x) for x in law.shapes[name][day]]) for day in _DAYS])
        rows.append(np.clip(np.floor(week * (64.0 * len(week)) / float(int(week.sum())) + 0.5), 1.0, 255.0))
    return np.concatenate(rows).astype(np.uint8)


def require_law(ctx: Context) -> None:
    """Refuse segments without a shape, or shapes that do not exist.

    Raises:
        ContractError: `6B.S4.VOCABULARY_MISMATCH`.
    """
    law = ctx.params.payer_law_6B
    shapes = by_term(ctx, "segment", law.shape_of_segment, f"{PAYERS}.shape_of_segment")
    require_terms(ctx, set(shapes), tuple(law.shapes), f"{PAYERS}.shape_of_segment", "shapes", complete=False)


def strata(ctx: Context) -> int:
    """Days over which bills are spread."""
    return int(ctx.params.clientele_law_6B.recurring.strata)
