"""When a party joined its bank and when it left it: four draws a party.

Newcomers and leavers of the horizon are among the parties of their cell, so that counts stay exact. Nobody
joined younger than a bank takes customers, and no firm before it was founded.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.terms import by_term
from sim.recipes.weekdays import WEEKDAYS_NEEDS, Weekdays
from sim.segments.entities_6a.tenure import DAYS_A_YEAR, NEVER, TENURE_NEEDS, AgeLaws, Days
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

PARTY_LIFE_NEEDS = Needs(
    config=("party_life_6A", "party_taxonomy_6A"),
    uses=(TENURE_NEEDS, WEEKDAYS_NEEDS),
)


def party_life(ctx: Context, drawn: tuple[Array, ...], people: Frame, age_years: Array) -> Frame:
    """Columns `joined_date` and `left_date` (absent for those who stay).

    Args:
        ctx: Context.
        drawn: Words of stream 6A.party_life: tenure; weekday of joining; leaving; weekday of leaving.
        people: Columns `segment_id`, `country_iso`.
        age_years: float64, n: ages of people at the end of the horizon; infinite for all others.
    """
    prior, days = ctx.params.party_life_6A, Days.of_horizon(ctx)
    x0, x1, x2, x3 = drawn
    segments = by_term(ctx, "segment", ctx.params.party_taxonomy_6A.segments, "party_taxonomy_6A.segments")
    median = np.array([row.tenure_median_years for row in segments], dtype=np.float64)
    longest = np.array([row.tenure_max_years for row in segments], dtype=np.float64)[people.segment_id]
    most = np.minimum(longest, age_years - np.float64(prior.least_age_years)) * DAYS_A_YEAR
    laws = AgeLaws.by_median(
        ctx, median, prior.tenure_sigma, rate=prior.joined_a_median, share=prior.joining_share
    )
    since = laws.ages(ctx, x0, most, people.segment_id)
    week = Weekdays.by_country(ctx, prior.weekend_permille)
    earliest = days.last - np.floor(most).astype(np.int32)
    joined = week.settle(ctx, days.last - since, people.country_iso, x1, earliest)
    rate = np.full(len(joined), prior.left_a_year, dtype=np.float64)
    left = days.closing(ctx, x2, joined, rate)
    leaves = left != NEVER
    settled = week.settle(ctx, left, people.country_iso, x3, days.may_close_from(joined))
    return Frame(
        {"joined_date": joined, "left_date": np.where(leaves, settled, np.int32(0))}, {"left_date": leaves}
    )
