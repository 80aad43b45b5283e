"""Which party has which role: races in each (country, segment), those who sit together first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.s6_fraud_roles.links import Links
from sim.segments.entities_6a.s6_fraud_roles.people import ROLE_PEOPLE_NEEDS, People, score
from sim.segments.entities_6a.s6_fraud_roles.race import ROLE_RACE_NEEDS, places, winners
from sim.segments.entities_6a.s6_fraud_roles.rings import ROLE_RINGS_NEEDS, Rings, clusters_of, rings_of
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

STREAM = "6A.party_role"

ROLE_PARTIES_NEEDS = Needs(
    config=("fraud_roles_party_6A",),
    streams=(STREAM,),
    uses=(ROLE_PEOPLE_NEEDS, ROLE_RACE_NEEDS, ROLE_RINGS_NEEDS),
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


def party_roles(
    ctx: PartitionContext, people: People, groups: Frame, targets: Array, links: Links, ip_entity: Array
) -> Roles:
    """Roles of the parties of a piece.

    Args:
        ctx: Context of 6A.S6.
        people: Parties.
        groups: Rows of s1_party_summary_6A of the piece.
        targets: uint64, groups x roles.
        links: Who uses what.
        ip_entity: uint64, one an address.
    """
    count = len(people.frame)
    found = clean(ctx, count)
    meets = np.zeros(count, dtype=np.bool_)
    meets[links.meeting_party] = True
    organiser = np.sort(_race(ctx, "ORGANISER", people, targets, found.role, np.where(meets, 0, 1)))
    rings = rings_of(ctx, people, links, ip_entity, organiser)
    _give(ctx, found, "ORGANISER", "RING", organiser, rings.ring_id)
    every = int(ctx.params.fraud_roles_party_6A.rings.associate_every)
    helper = rings.seat % every == every - 1
    seated = rings.seat_ring >= 0
    mules = _race(ctx, "MULE", people, targets, found.role, np.where(seated & ~helper, 0, 1))
    _seat(ctx, found, "MULE", rings, mules, seated & ~helper)
    tie = _household_ring(people, found)
    associates = _race(
        ctx, "ASSOCIATE", people, targets, found.role, np.where(seated & helper, 0, np.where(tie > 0, 1, 2))
    )
    _seat(ctx, found, "ASSOCIATE", rings, associates, seated & helper)
    tied = associates[(tie[associates] > 0) & ~found.ringed[associates]]
    _give(ctx, found, "ASSOCIATE", "HOUSEHOLD_TIE", tied, tie[tied])
    _synthetic(ctx, people, groups, targets, found)
    abusers = _race(ctx, "FIRST_PARTY_ABUSER", people, targets, found.role, np.zeros(count, dtype=np.int64))
    _give(ctx, found, "FIRST_PARTY_ABUSER", "INDIVIDUAL", abusers, None)
    return found


def _race(
    ctx: PartitionContext, name: str, people: People, targets: Array, role: Array, tier: Array
) -> Array:
    """Rows of the winners of a role."""
    code = ctx.code("party_role", name)
    runs = np.flatnonzero(
        (targets[:, code] > 0)[np.repeat(np.arange(len(targets)), np.diff(people.offsets).astype(np.int64))]
    )
    value = np.zeros(len(role), dtype=np.uint64)
    place = np.full(len(role), np.uint64(0xFFFFFFFFFFFFFFFF))
    value[runs] = np.where(role[runs] == 0, score(ctx, name, people)[runs], np.uint64(0))
    at = ctx.address(STREAM, party_rank=people.rank[runs], role=code, party_cell=people.cell[runs])
    place[runs] = places(ctx, at, value[runs], tier[runs].astype(np.uint8))
    return winners(ctx, place, people.offsets, targets[:, code])


def _give(
    ctx: PartitionContext, found: Roles, name: str, cause: str, rows: Array, ring_id: Array | None
) -> None:
    found.role[rows] = ctx.code("party_role", name)
    found.cause[rows] = ctx.code("role_cause", cause)
    if ring_id is not None:
        found.ring_id[rows], found.ringed[rows] = ring_id, True


def _seat(ctx: PartitionContext, found: Roles, name: str, rings: Rings, rows: Array, seated: Array) -> None:
    """Winners with a seat join its ring, the others work alone."""
    _give(ctx, found, name, "INDIVIDUAL", rows, None)
    members = rows[seated[rows]]
    _give(ctx, found, name, "RING", members, rings.ring_id[rings.seat_ring[members]])


def _household_ring(people: People, found: Roles) -> Array:
    """Ring of a member of the party's household, 0 for none: uint64, n; of several, the smallest id."""
    household = people.frame.household_id.astype(np.int64)
    household -= int(household.min()) if len(household) else 0
    ring = np.full(int(household.max()) + 1 if len(household) else 0, np.uint64(0xFFFFFFFFFFFFFFFF))
    members = np.flatnonzero(found.ringed)
    np.minimum.at(ring, household[members], found.ring_id[members])
    own = ring[household]
    return np.where(own == np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0), own)


def _synthetic(ctx: PartitionContext, people: People, groups: Frame, targets: Array, found: Roles) -> None:
    """Synthetic identities: whole households first; a cluster of one is none."""
    name = "SYNTHETIC_ID"
    units = targets[:, ctx.code("party_role", name)]
    open_groups = np.repeat(units > 0, np.diff(people.offsets).astype(np.int64))
    cluster, ids = clusters_of(ctx, people, groups, units, (found.role == 0) & open_groups)
    rows = _race(ctx, name, people, targets, found.role, np.where(cluster >= 0, 0, 1))
    _give(ctx, found, name, "INDIVIDUAL", rows, None)
    inside = rows[cluster[rows] >= 0]
    size = np.bincount(cluster[inside], minlength=len(ids))
    inside = inside[size[cluster[inside]] > 1]
    _give(ctx, found, name, "SYNTHETIC_CLUSTER", inside, ids[cluster[inside]])
