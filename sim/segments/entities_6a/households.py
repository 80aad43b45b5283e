"""Households of a partition: who belongs to which, and how many addresses each home or premises needs.

A RETAIL household is a home; every other party is the only member of its household, its premises. Both get
one address, or more if the caps of devices and parties on one address require it; devices and members are
then spread evenly over them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

HOUSEHOLDS_NEEDS = Needs(config=("ip_prior_6A",))


@dataclass(frozen=True)
class Households:
    """Households by position; ids of a partition are contiguous.

    Attributes:
        first_id: Id of the first one.
        of_party: int64, n: household of each party (row in the partition).
        size: int64, h: members.
        start: int64, h: where a household's members begin in `member`.
        member: int64, n: parties in the order household, id.
        place: int64, n: position of each party among its household's members.
        private: bool, h: whether it is a home.
        country: int16, h.
    """

    first_id: int
    of_party: Array
    size: Array
    start: Array
    member: Array
    place: Array
    private: Array
    country: Array


def households_of(ctx: Context, parties: Frame) -> Households:
    """The households of whole countries.

    Args:
        ctx: Context.
        parties: Columns `household_id`, `party_type`, `country_iso`.
    """
    first = int(parties.household_id.min()) if len(parties) else 1
    of_party = (parties.household_id - np.uint64(first)).astype(np.int64)
    size = np.bincount(of_party)
    start = np.cumsum(size) - size
    member = np.argsort(of_party, kind="stable")
    place = np.empty(len(member), dtype=np.int64)
    place[member] = np.arange(len(member)) - start[of_party[member]]
    head = member[start] if len(member) else member
    private = parties.party_type[head] == ctx.code("party_type", "RETAIL")
    return Households(first, of_party, size, start, member, place, private, parties.country_iso[head])


def addresses_needed(ctx: Context, homes: Households, devices: Array) -> Array:
    """Addresses of each household: int64, h, at least 1.

    Args:
        ctx: Context with `ip_prior_6A`.
        homes: Households.
        devices: int64, h: devices that belong to their members.
    """
    caps = ctx.params.ip_prior_6A
    most = np.where(
        homes.private, np.int64(caps.devices_per_ip.RESIDENTIAL), np.int64(caps.devices_per_ip.CORPORATE)
    )
    parties = np.where(homes.private, np.int64(caps.parties_per_home), np.int64(1))
    needed: Array = np.maximum(np.maximum(-(-devices // most), -(-homes.size // parties)), np.int64(1))
    return needed


def spread_evenly(household: Array, needed: Array) -> Array:
    """Which of its household's addresses each row uses: int64, n.

    Rows of a household are dealt out in blocks of equal size.

    Args:
        household: int64, n: household of each row.
        needed: int64, h: addresses of each household.
    """
    part = np.zeros(len(household), dtype=np.int64)
    rows = np.flatnonzero(needed[household] > 1)
    if len(rows) == 0:
        return part
    order = rows[np.argsort(household[rows], kind="stable")]
    groups = household[order]
    first = np.flatnonzero(np.append(True, groups[1:] != groups[:-1]))
    size = np.diff(np.append(first, len(order)))
    position = np.arange(len(order)) - np.repeat(first, size)
    part[order] = position * needed[groups] // np.repeat(size, size)
    return part
