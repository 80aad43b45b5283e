"""Figures for the checks of the demand profile: size of a week, its concentration, coverage of weights."""

from __future__ import annotations

import numpy as np

from sim.recipes.apportion import fixed_point
from sim.recipes.groups import run_offsets, run_starts, sum_by_run
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Scalar, Vector
from sim.state.frames import Array, Frame

LARGEST = {"top 1 %": 100, "top 5 %": 20, "top 10 %": 10}


class ProfileCounts(Counters):
    """Keys by class and their weekly arrivals; what of the given, and of the weighted, is missing."""

    classes = Vector("demand_class")
    volume = Scalar()
    volume_of_largest = Vector(len(LARGEST))
    too_large = Scalar()
    virtual_merchants = Scalar()
    given_volumes = Scalar()
    given_off = Scalar()
    weighted_pairs = Scalar()
    uncovered_pairs = Scalar()


def of_the_largest(profile: Frame) -> Array:
    """Weekly arrivals of the largest merchants together, one figure for each part of `LARGEST`: int64."""
    volume = fixed_point(profile.weekly_volume_expected, 0)
    of_merchant = np.sort(sum_by_run(volume, run_offsets(profile.merchant_id)).astype(np.int64))[::-1]
    return np.array(
        [of_merchant[: -(-len(of_merchant) // part)].sum() for part in LARGEST.values()], dtype=np.int64
    )


def count_coverage(
    ctx: PartitionContext,
    share: Array,
    sites: tuple[Array, Array, Array],
    edges: tuple[Array, Array, Array],
    profile: Frame,
) -> None:
    """Merchant-country pairs with weight and a part of the demand, and how many the profile lacks.

    `share` is the virtual share by merchant row; `sites` and `edges` are (merchant row, country, weight) of
    the groups.
    """
    sold = (sites[2] > 0) & (share[sites[0]] < 1.0), (edges[2] > 0) & (share[edges[0]] > 0.0)
    pairs = Frame(
        {
            name: np.concatenate([sites[at][sold[0]], edges[at][sold[1]]])
            for at, name in enumerate(("owner", "country"))
        }
    )
    pairs = pairs.sort("owner", "country")
    wanted = len(run_starts(pairs.owner, pairs.country))
    found = len(run_starts(profile.merchant_id, profile.legal_country_iso))
    ctx.count(ProfileCounts.weighted_pairs, wanted)
    ctx.count(ProfileCounts.uncovered_pairs, abs(wanted - found))
