"""Places of published arrivals against the weights of their catalogues."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths
from sim.segments.arrivals_5b.members import Members
from sim.segments.arrivals_5b.pick_sums import count_chi_square, count_collisions
from sim.segments.arrivals_5b.routes import ALWAYS, coin_of
from sim.segments.arrivals_5b.sums import add_real
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

NONE = np.uint32(0xFFFFFFFF)
_HALF = np.uint64(32)

PLACE_AUDIT_NEEDS = Needs(config=("realism_gates_5B",))


class CoinCounts(Counters):
    """Arrivals of keys that have both kinds, and how many of them are virtual and should be."""

    coin_arrivals = Scalar()
    coin_virtual = Scalar()
    coin_expected = Scalar()
    coin_variance = Scalar()
    coin_root_cubes = Scalar()


def count_places(
    ctx: PartitionContext,
    counts: Frame,
    virtual_share: Array,
    runs: tuple[Array, Array],
    row: Array,
    member: Array,
    members: Members,
) -> None:
    """Add everything the checks of places need of one file.

    Args:
        ctx: Context of 5B.S5.
        counts: Count rows of the file.
        virtual_share: float64, one a count row: part of its arrivals that edges serve.
        runs: Count rows, and arrivals, of each (merchant, bucket).
        row: uint32: count row of each arrival.
        member: uint32: member that served it; 2**32 - 1 where none did (such an arrival has failed already).
        members: Sites and edges.
    """
    least = float(ctx.params.realism_gates_5B.routing.least_expected)
    served = member != NONE
    tally = np.bincount(member[served], minlength=len(members.id))
    count_chi_square(ctx, "places", tally, members.weight, members.offsets, least)
    choice = run_lengths(members.offsets) > 1
    of_choice = choice[members.group]
    chosen = served & of_choice[np.minimum(member, np.uint32(len(members.id) - 1))]
    before = np.concatenate([np.zeros(1, dtype=np.uint64), np.cumsum(chosen).astype(np.uint64)])
    picks = (row[chosen].astype(np.uint64) << _HALF) | member[chosen]
    bounds = before[runs[1].astype(np.int64)]
    count_collisions(ctx, picks, bounds, members.group, members.weight, members.offsets)
    _count_busiest(ctx, counts, picks, members, least)
    _count_coin(ctx, virtual_share, row[served], member[served] >= members.sites)


def _count_busiest(
    ctx: PartitionContext, counts: Frame, picks: Array, members: Members, least: float
) -> None:
    """Chi-square inside the count rows with the most arrivals that had a choice; ties go to the first.

    `picks` are sorted within the runs of (merchant, bucket), hence by count row.
    """
    rows = (picks >> _HALF).astype(np.int64)
    size = np.bincount(rows, minlength=len(counts))
    wanted = min(int(ctx.params.realism_gates_5B.routing.busiest_rows), len(size))
    bar = np.partition(size, len(size) - wanted)[len(size) - wanted]
    busiest = np.flatnonzero((size >= bar) & (size > 0))
    for number in busiest[np.argsort(-size[busiest], kind="stable")][:wanted].tolist():
        first, stop = np.searchsorted(rows, [number, number + 1])
        own = (picks[first:stop] & np.uint64(NONE)).astype(np.int64)
        for group in np.unique(members.group[own]).tolist():
            low, high = (int(edge) for edge in members.offsets[group : group + 2])
            tally = np.bincount(own[members.group[own] == group] - low, minlength=high - low)
            offsets = np.array([0, high - low], dtype=np.uint64)
            count_chi_square(ctx, "busiest hours", tally, members.weight[low:high], offsets, least)


def _count_coin(ctx: PartitionContext, virtual_share: Array, row: Array, virtual: Array) -> None:
    """Virtual arrivals of count rows whose coin can fall either way."""
    coin = coin_of(virtual_share)
    both = (coin > 0) & (coin != ALWAYS)
    if not both.any():
        return
    share = virtual_share[both]
    total = np.bincount(row, minlength=len(both))[both].astype(np.float64)
    found = np.bincount(row[virtual], minlength=len(both))[both]
    variance = total * share * (1.0 - share)
    ctx.count(CoinCounts.coin_arrivals, int(total.astype(np.int64).sum()))
    ctx.count(CoinCounts.coin_virtual, int(found.sum()))
    add_real(ctx, CoinCounts.coin_expected, total * share)
    add_real(ctx, CoinCounts.coin_variance, variance)
    add_real(ctx, CoinCounts.coin_root_cubes, variance * np.sqrt(variance))
