"""Which party has which role: rings and clusters are given, the rest of a country's number is raced for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_starts
from sim.segments.entities_6a.s6_fraud_roles.people import ROLE_PEOPLE_NEEDS, People, score
from sim.segments.entities_6a.s6_fraud_roles.prevalence import PREVALENCE_NEEDS, prevalence
from sim.segments.entities_6a.s6_fraud_roles.race import NEVER, ROLE_RACE_NEEDS, places, winners
from sim.segments.entities_6a.s6_fraud_roles.rings import Seats
from sim.segments.entities_6a.s6_fraud_roles.targets import (
    RACED,
    ROLE_TARGETS_NEEDS,
    by_name,
    tilt_of,
)
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

STREAM = "6A.party_role"
LEAST = np.uint64(64)

ROLE_PARTIES_NEEDS = Needs(
    streams=(STREAM,),
    uses=(PREVALENCE_NEEDS, ROLE_PEOPLE_NEEDS, ROLE_RACE_NEEDS, ROLE_TARGETS_NEEDS),
)


@dataclass(frozen=True)
class Roles:
    """Roles of the entities of a piece.

    Attributes:
        role: int16 codes.
        cause: int16 codes of `role_cause`.
        ring_id: uint64, 0 where `ringed` is not set.
        ringed: bool.
    """

    role: Array
    cause: Array
    ring_id: Array
    ringed: Array

    def frame(self, leading: dict[str, Array], **trailing: Array) -> Frame:
        """Rows of a role table between these columns."""
        roles = {"fraud_role": self.role, "cause": self.cause, "ring_id": self.ring_id}
        return Frame({**leading, **roles, **trailing}, {"ring_id": self.ringed})


def clean(ctx: PartitionContext, count: int) -> Roles:
    """Nobody has a role: arrays to be filled."""
    role, none = np.zeros(count, dtype=np.int16), ctx.code("role_cause", "NONE")
    return Roles(
        role,
        np.full(count, none, dtype=np.int16),
        np.zeros(count, dtype=np.uint64),
        np.zeros(count, dtype=np.bool_),
    )


def party_roles(ctx: PartitionContext, people: People, groups: Frame, targets: Array, seats: Seats) -> Roles:
    """Roles of the parties of a piece: those of rings and clusters as they are, the others by races.

    Args:
        ctx: Context of 6A.S6.
        people: Parties.
        groups: Rows of s1_party_summary_6A of the piece.
        targets: uint64, groups x roles; the sum over a country is met.
        seats: Who is in rings and clusters.
    """
    found = clean(ctx, len(people.frame))
    found.role[seats.party] = seats.role
    found.ring_id[seats.party], found.ringed[seats.party] = seats.ring_id, True
    made_up = seats.role == ctx.code("party_role", "SYNTHETIC_ID")
    found.cause[seats.party] = np.where(
        made_up, ctx.code("role_cause", "SYNTHETIC_CLUSTER"), ctx.code("role_cause", "RING")
    )
    tie = _household_ring(people, found, seats.party[~made_up])
    nations = _nations(people, groups, targets)
    for name in RACED:
        tier = np.where(tie > 0, 0, 1) if name == "ASSOCIATE" else np.zeros(len(tie), dtype=np.int64)
        rows = _race(ctx, name, people, groups, nations, found.role, tier)
        _give(ctx, found, name, "INDIVIDUAL", rows, None)
        if name == "ASSOCIATE":
            tied = rows[tie[rows] > 0]
            _give(ctx, found, name, "HOUSEHOLD_TIE", tied, tie[tied])
    return found


@dataclass(frozen=True)
class Nations:
    """Countries of a piece.

    Attributes:
        offsets: uint64, c + 1: their parties.
        wanted: uint64, c x roles.
    """

    offsets: Array
    wanted: Array


def _nations(people: People, groups: Frame, targets: Array) -> Nations:
    """Targets of whole countries: who bears a role there is a matter of weights, not of a quota a segment."""
    first = run_starts(groups.country_iso)
    if len(first) == 0:
        return Nations(np.zeros(1, dtype=np.uint64), targets)
    offsets = np.append(people.offsets[:-1][first], people.offsets[-1:])
    return Nations(offsets.astype(np.uint64), np.add.reduceat(targets, first, axis=0))


def _race(
    ctx: PartitionContext,
    name: str,
    people: People,
    groups: Frame,
    nations: Nations,
    role: Array,
    tier: Array,
) -> Array:
    """Rows of the winners of what rings and clusters leave of a role."""
    code = ctx.code("party_role", name)
    wanted, size = nations.wanted[:, code], np.diff(nations.offsets).astype(np.int64)
    nation = np.repeat(np.arange(len(size)), size)
    given = np.bincount(nation[role == code], minlength=len(size)).astype(np.uint64)
    runs = np.flatnonzero((wanted > 0)[nation])
    share = by_name(ctx, "party_type", prevalence(ctx, "party").share_ppm[name])
    tilt = tilt_of(ctx, name)[groups.region_id, groups.segment_id] * share[groups.party_type]
    weight = np.repeat(tilt // np.uint64(1000), np.diff(people.offsets).astype(np.int64))
    # In thousandths of scores, at most 2**21, times tilts below 2**37.
    scored = score(ctx, name, people) // np.uint64(1000) * weight
    value, place = np.zeros(len(role), dtype=np.uint64), np.full(len(role), NEVER)
    free = (role[runs] == 0) & (weight[runs] > 0)
    value[runs] = np.where(free, np.maximum(scored[runs], LEAST), np.uint64(0))
    at = ctx.address(STREAM, party_rank=people.rank[runs], role=code, party_cell=people.cell[runs])
    place[runs] = places(ctx, at, value[runs], tier[runs].astype(np.uint8))
    return winners(ctx, place, nations.offsets, wanted - np.minimum(given, wanted))


def _give(
    ctx: PartitionContext, found: Roles, name: str, cause: str, rows: Array, ring_id: Array | None
) -> None:
    found.role[rows] = ctx.code("party_role", name)
    found.cause[rows] = ctx.code("role_cause", cause)
    if ring_id is not None:
        found.ring_id[rows], found.ringed[rows] = ring_id, True


def _household_ring(people: People, found: Roles, members: Array) -> Array:
    """Ring of a member of the party's household, 0 for none: uint64, n; of several, the smallest id."""
    household = people.frame.household_id.astype(np.int64)
    household -= int(household.min()) if len(household) else 0
    ring = np.full(int(household.max()) + 1 if len(household) else 0, np.uint64(0xFFFFFFFFFFFFFFFF))
    np.minimum.at(ring, household[members], found.ring_id[members])
    own = ring[household]
    return np.where(own == np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), own)
