"""Places of published arrivals against the weights of their catalogues."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_lengths
from sim.segments.arrivals_5b.members import Members
from sim.segments.arrivals_5b.pick_sums import count_chi_square, count_collisions
from sim.segments.arrivals_5b.routes import ALWAYS, coin_of
from sim.segments.arrivals_5b.sums import add_real
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Each, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

NONE = np.uint32(0xFFFFFFFF)
_HALF = np.uint64(32)

PLACE_AUDIT_NEEDS = Needs(config=("realism_gates_5B",))


COINS = ("virtual", "recurring")


class CoinCounts(Counters):
    """Of count rows whose coin can fall either way: arrivals, and how many are of a kind and should be."""

    coin_arrivals = Each(COINS, Scalar())
    coin_found = Each(COINS, Scalar())
    coin_expected = Each(COINS, Scalar())
    coin_variance = Each(COINS, Scalar())
    coin_root_cubes = Each(COINS, Scalar())


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
    count_coin(ctx, "virtual", virtual_share, row[served], member[served] >= members.sites)


def count_terminals(ctx: PartitionContext, terminal: Array, members: Members) -> None:
    """Add terminals picked at each site against their weights.

    Args:
        ctx: Context of 5B.S5.
        terminal: uint32: terminal of each arrival; 2**32 - 1 where there is none.
        members: Sites with their terminals.
    """
    least = float(ctx.params.realism_gates_5B.routing.least_expected)
    tally = np.bincount(terminal[terminal != NONE], minlength=len(members.till_id))
    count_chi_square(ctx, "terminals", tally, members.till_weight, members.till_offsets, least)


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


def count_coin(ctx: PartitionContext, name: str, share: Array, row: Array, hit: Array) -> None:
    """Add arrivals of a kind, of count rows whose coin can fall either way.

    Args:
        ctx: Context of 5B.S5.
        name: One of `COINS`.
        share: float64, one a count row: part of its arrivals that should be of the kind.
        row: Count row of each arrival.
        hit: bool, one an arrival: whether it is.
    """
    coin = coin_of(share)
    both = (coin > 0) & (coin != ALWAYS)
    if not both.any():
        return
    mean = share[both]
    total = np.bincount(row, minlength=len(both))[both].astype(np.float64)
    found = np.bincount(row[hit], minlength=len(both))[both]
    variance = total * mean * (1.0 - mean)
    ctx.count(CoinCounts.coin_arrivals[name], int(total.astype(np.int64).sum()))
    ctx.count(CoinCounts.coin_found[name], int(found.sum()))
    add_real(ctx, CoinCounts.coin_expected[name], total * mean)
    add_real(ctx, CoinCounts.coin_variance[name], variance)
    add_real(ctx, CoinCounts.coin_root_cubes[name], variance * np.sqrt(variance))
