"""How long an address is somebody's: leases of homes, lines of premises, links to pools.

A link has one row, with its first and last day: a table of who may be where on which day, not of sessions.
Days before the horizon say how long it has been so already; what goes on when the horizon ends has no last
day. A home whose address changes has two addresses, and its devices a row for each; so "a new address for
this device" exists without a row a lease.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.horizon import Horizon
from sim.recipes.words import BELOW_NEEDS, WORDS_NEEDS, below, words
from sim.segments.entities_6a.network_tables import permille_word
from sim.segments.entities_6a.s5_network.inward import INWARD_NEEDS
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DAYS = "6A.ip_days"
OPEN = np.int32(np.iinfo(np.int32).max)
"""Last day of what goes on when the horizon ends."""
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

DAYS_NEEDS = Needs(
    config=("ip_place_prior_6A",),
    streams=(DAYS,),
    uses=(BELOW_NEEDS, INWARD_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Days:
    """First and last day of n things: int32, days since 1970-01-01; `OPEN` where it goes on."""

    first: Array
    last: Array

    def take(self, rows: Array) -> Days:
        """Those of some rows."""
        return Days(self.first[rows], self.last[rows])

    def inside(self, life: Days) -> Days:
        """What of them is inside the lives of as many things."""
        return Days(np.maximum(self.first, life.first), np.minimum(self.last, life.last))


def lines(ctx: Context, horizon: Horizon, words_: tuple[Array, ...], home: Array) -> Days:
    """Days of addresses that belong to somebody.

    Args:
        ctx: Context.
        horizon: Days of the world.
        words_: uint64, n each: days; share of the lease that has passed.
        home: bool, n: addresses of homes, which are leased; others are premises and sites.
    """
    law = ctx.params.ip_place_prior_6A
    length, passed = words_
    shortest, longest = int(law.lease.shortest), int(law.lease.longest)
    lease = shortest + below(ctx, length, longest - shortest + 1)
    gone = below(ctx, passed, lease)
    there = 1 + below(ctx, length, int(law.premises_days))
    first = horizon.first_day - np.where(home, gone, there)
    return Days(first.astype(np.int32), np.full(len(home), OPEN))


def change_day(ctx: Context, horizon: Horizon, word: Array) -> Array:
    """Day from which a home has its second address: int64, n, any day of the horizon but the first."""
    found: Array = horizon.first_day + 1 + below(ctx, word, horizon.days - 1)
    return found


def lives_of(devices: Frame) -> Days:
    """Days on which devices (rows of s4_device_base_6A) are used."""
    return Days(devices.first_seen, np.where(devices.present("last_seen"), devices.last_seen, OPEN))


def pool_days(
    ctx: PartitionContext, horizon: Horizon, kind: int, link: dict[str, Any], number: Array, life: Days
) -> Days:
    """Days of links to addresses of pools in the country, inside the lives of their devices.

    Args:
        ctx: Context of the partition.
        horizon: Days of the world.
        kind: Code of the kind of address.
        link: Fields of the links' addresses.
        number: n: ordinal of the link among its device's of the kind, from 0.
        life: Of the link's device.
    """
    law = ctx.params.ip_place_prior_6A.holds[ctx.vocabulary("ip_type")[kind]]
    holds, when = words(ctx, DAYS, **link)
    limit = permille_word(np.array([law.first_permille, law.later_permille], dtype=np.int64))
    steady = holds < limit[np.minimum(number.astype(np.int64), 1)]
    fewest, most = np.uint64(law.days[0]), np.uint64(law.days[1])
    # Two whole numbers from the halves of one word, each by multiply-high.
    days = fewest + ((when >> _HALF) * (most - fewest + np.uint64(1)) >> _HALF)
    begin, stop = presence(horizon, life)
    room = days + (stop - begin).astype(np.uint64)
    later = ((when & _LOW) * room >> _HALF).astype(np.int64)
    first = begin - days.astype(np.int64) + 1 + later
    last = first + days.astype(np.int64) - 1
    # What held before and holds after was begun as long ago as such links last.
    first = np.where(steady, horizon.first_day - days.astype(np.int64), first)
    goes_on = steady | (last >= horizon.first_day + horizon.days)
    found = Days(first.astype(np.int32), np.where(goes_on, OPEN, last).astype(np.int32))
    return found.inside(life)


def presence(horizon: Horizon, life: Days) -> tuple[Array, Array]:
    """First and last day of the horizon on which devices are used: int64 each."""
    final = horizon.first_day + horizon.days - 1
    return (
        np.maximum(life.first.astype(np.int64), horizon.first_day),
        np.minimum(life.last.astype(np.int64), final),
    )
