"""Room: how many addresses the links of a place need at least, so that caps hold wherever the links turn up.

Links of a spot go to its P pools in turn: of l links, l mod P pools get ceil(l / P) and the others
floor(l / P). The addresses of a spot, those without an owner first, go to its pools in turn too. An address
takes `cap` links.

Feasible for every world. `least_free(l, P, cap)` addresses without an owner hold l links in every pool: a
pool of x links needs ceil(x / cap), which falls from the fuller pools to the others by one at most, and so
does what dealing in turn gives them. Owned addresses come after these and only add. A country has at least
`least_free` of all its links (`NetworkTargets`), so one spot always works. Several work where their needs sum
up to no more; `spots.py` gives up the smallest spots until they do. No pool has more addresses that must have
a link than it has links, since there are no more such addresses than links, and both are dealt in turn.
"""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array


def least_free(links: Array, pools: Array, cap: Array | int) -> Array:
    """Addresses without an owner that hold `links` in `pools` pools: int64, at most `links`.

    Args:
        links: int64, n.
        pools: int64, n, at least 1.
        cap: Links an address takes, at least 1.
    """
    low, fuller = np.divmod(links, pools)
    need: Array = fuller * -(-(low + 1) // cap) + (pools - fuller) * -(-low // cap)
    return need


def least_room(spot: Array, room: Array, pools: Array, spots: int) -> Array:
    """Links that owned addresses alone take in each pool of a spot, wherever its first pool is: int64, spots.

    Args:
        spot: int64, o, never falling: spot of each owned address.
        room: int64, o: further links that it takes.
        pools: int64, spots: pools of each, at least 1.
        spots: How many there are.
    """
    most = int(pools.max(initial=1))
    place = np.arange(len(spot)) - np.searchsorted(spot, spot)
    sums = np.zeros((spots, most), dtype=np.int64)
    np.add.at(sums, (spot, place % pools[spot]), room)
    sums[np.arange(most)[None, :] >= pools[:, None]] = np.iinfo(np.int64).max
    least: Array = sums.min(axis=1)
    return least
