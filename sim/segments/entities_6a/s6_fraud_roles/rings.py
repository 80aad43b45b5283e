"""Rings and clusters: groups of parties, formed before any party has a role.

A ring has one organiser and meets at one address that the organiser uses; its seats go to parties of the
country who use that address too. A cluster of synthetic identities is a whole household. Both only put
parties first in the races: cell targets stay exact.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.recipes.groups import run_offsets, run_starts
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.recipes.weights import POWER_NEEDS, power
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.s6_fraud_roles.people import People
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

SEAT, SIZE, CLUSTER = "6A.ring_seat", "6A.ring_size", "6A.synthetic_cluster"
# ASCII "ring" above the ordinal: no other thing of a country has this key
_RING_TAG = np.uint64(0x72696E6700000000)
_CLUSTER_TAG = np.uint64(0x636C7573)  # ASCII "clus"

ROLE_RINGS_NEEDS = Needs(
    config=("fraud_roles_party_6A",),
    streams=(SEAT, SIZE, CLUSTER),
    kernels=("bounded_integer",),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, ENTITY_NEEDS, POWER_NEEDS, WORDS_NEEDS),
)


class RingCounts(Counters):
    """Synthetic identities that were drawn for: who may head a cluster."""

    cluster_candidates = Scalar()


@dataclass(frozen=True)
class Rings:
    """Rings of a piece.

    Attributes:
        ring_id: uint64, one a ring: hash of country and ordinal.
        organiser: int64, one a ring: its party.
        seat_ring: int64, one a party: ring it may sit in, -1 for none.
        seat: int64, one a party: its seat there, from 0.
    """

    ring_id: Array
    organiser: Array
    seat_ring: Array
    seat: Array


def ring_ids(ctx: Context, country: Array, ordinal: Array) -> Array:
    """Ids of rings by country code and ordinal from 0: uint64."""
    tagged = _RING_TAG | ordinal.astype(np.uint64)
    return id_of(pair_entity(ctx, ctx.name_hashes("country")[country], tagged))


def rings_of(
    ctx: PartitionContext, people: People, links: Links, ip_entity: Array, organiser: Array
) -> Rings:
    """Rings led by these organisers, and who may sit in them.

    Args:
        ctx: Context of 6A.S6.
        people: Parties of the piece.
        links: Who uses what.
        ip_entity: uint64, one an address.
        organiser: int64, ascending: rows of the organisers.
    """
    count = len(people.frame)
    country = people.frame.country_iso[organiser]
    first = run_starts(country)
    ordinal = np.arange(len(organiser)) - np.repeat(first, np.diff(np.append(first, len(organiser))))
    entity = people.entity[links.meeting_party]
    meeting = ip_entity[links.meeting_ip]
    x0, x1 = words(ctx, SEAT, ip=meeting, party=entity)
    ring_of_party = np.full(count, -1, dtype=np.int64)
    ring_of_party[organiser] = np.arange(len(organiser))
    # Where each organiser's ring meets: the address with the smallest word among those the organiser uses.
    theirs = np.flatnonzero(ring_of_party[links.meeting_party] >= 0)
    chosen = theirs[_first_by(links.meeting_party[theirs], x0[theirs])]
    at = np.lexsort((links.meeting_party[chosen], links.meeting_ip[chosen]))
    hub, ring_at_hub = links.meeting_ip[chosen][at], ring_of_party[links.meeting_party[chosen]][at]
    offsets = run_offsets(hub)
    rings_here = np.zeros(len(ip_entity), dtype=np.uint64)
    first_here = np.zeros(len(ip_entity), dtype=np.int64)
    starts = offsets[:-1].astype(np.int64)
    rings_here[hub[starts]] = np.diff(offsets)
    first_here[hub[starts]] = starts
    # Everybody else there: one address each, one of the rings that meet at it, seats in the order of the same
    # word.
    guests = np.flatnonzero((rings_here[links.meeting_ip] > 0) & (ring_of_party[links.meeting_party] < 0))
    guests = guests[_first_by(links.meeting_party[guests], x0[guests])]
    place = links.meeting_ip[guests]
    pick = ctx.kernels.bounded_integer(x=x1[guests], bound=rings_here[place]).astype(np.int64)
    ring = ring_at_hub[first_here[place] + pick]
    order = np.lexsort((links.meeting_party[guests], x0[guests], ring))
    ring, party = ring[order], links.meeting_party[guests][order]
    begin = run_starts(ring)
    seat = np.arange(len(ring)) - np.repeat(begin, np.diff(np.append(begin, len(ring))))
    seated = seat < _sizes(ctx, country, ordinal)[ring]
    seat_ring, seats = np.full(count, -1, dtype=np.int64), np.full(count, -1, dtype=np.int64)
    seat_ring[party[seated]] = ring[seated]
    seats[party[seated]] = seat[seated]
    return Rings(ring_ids(ctx, country, ordinal), organiser, seat_ring, seats)


def _first_by(key: Array, word: Array) -> Array:
    """Position of the smallest word of each key, ties to the earlier: int64, by key."""
    order = np.lexsort((word, key))
    return order[run_starts(key[order])] if len(key) else order


def _sizes(ctx: PartitionContext, country: Array, ordinal: Array) -> Array:
    """Seats of each ring: int64, by a zipf law (P(k) in proportion to k ** -exponent)."""
    law = ctx.params.fraud_roles_party_6A.rings.members
    sizes = np.arange(int(law.smallest), int(law.largest) + 1)
    weight = np.floor(power(ctx, sizes.astype(np.float64), -law.exponent) * 2.0**40).astype(
        np.uint64
    ) + np.uint64(1)
    table = build_alias(ctx, np.array([0, len(sizes)], dtype=np.uint64), weight)
    x = word(ctx, SIZE, ring_number=ordinal, country_name=ctx.name_hashes("country")[country])
    found: Array = sizes[table.pick(ctx, x, np.zeros(len(x), dtype=np.int64))]
    return found


def clusters_of(
    ctx: PartitionContext, people: People, groups: Frame, targets: Array, free: Array
) -> tuple[Array, Array]:
    """Households that are made up of synthetic identities.

    Households of a country come in random order and are taken while their members fit
    `clusters.share_permille` of its target.

    Args:
        ctx: Context of 6A.S6.
        people: Parties of the piece.
        groups: Rows of s1_party_summary_6A of the piece.
        targets: uint64, one a group: synthetic identities.
        free: bool, n: parties without a role in groups that have any.

    Returns:
        Cluster of each party (int64, -1: none) and the clusters' ids (uint64).
    """
    law = ctx.params.fraud_roles_party_6A.clusters
    cluster = np.full(len(people.frame), -1, dtype=np.int64)
    rows = np.flatnonzero(free)
    # Members of one household need not be neighbours: the first of them in party order names it.
    rows = rows[np.argsort(people.frame.household_id[rows], kind="stable")]
    offsets = run_offsets(people.frame.household_id[rows]).astype(np.int64)
    size = np.diff(offsets)
    fits = np.flatnonzero((size >= int(law.smallest)) & (size <= int(law.largest)))
    head = rows[offsets[:-1][fits]]
    x = word(ctx, CLUSTER, party=people.entity[head])
    ctx.count(RingCounts.cluster_candidates, len(head))
    country = people.frame.country_iso[head]
    order = np.lexsort((head, x, country))
    members = size[fits][order]
    ends = np.cumsum(members)
    begin = run_starts(country[order])
    before = np.repeat(ends[begin] - members[begin], np.diff(np.append(begin, len(order))))
    wanted = np.zeros(len(ctx.vocabulary("country")), dtype=np.uint64)
    np.add.at(wanted, groups.country_iso, targets)
    capacity = (wanted * np.uint64(law.share_permille) // np.uint64(1000)).astype(np.int64)
    taken = fits[order[ends - before <= capacity[country[order]]]]
    length = size[taken]
    at = np.arange(int(length.sum())) + np.repeat(offsets[:-1][taken] - (np.cumsum(length) - length), length)
    cluster[rows[at]] = np.repeat(np.arange(len(taken)), length)
    tags = np.full(len(taken), _CLUSTER_TAG)
    return cluster, id_of(pair_entity(ctx, people.entity[rows[offsets[:-1][taken]]], tags))
