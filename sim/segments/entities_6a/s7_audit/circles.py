"""Audit of circles over published rows: what members share, and how far shared addresses give rings away."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_starts
from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, CircleRows
from sim.segments.entities_6a.s7_audit.counts import LARGEST_RING, AuditCounts
from sim.segments.entities_6a.s7_audit.links import Links
from sim.state.context import Context, PartitionContext
from sim.state.declaration import Check, Needs
from sim.state.frames import Array
from sim.state.totals import Totals

FLAGGED = 3
"""An address that so many of one circle use is one that a search for communities finds."""

CROWD = 200
"""On an address that more use, nobody looks for a community."""

AUDIT_CIRCLES_NEEDS = Needs(config=("realism_gates_posture_6A",), uses=(CIRCLE_ROWS_NEEDS,))


def count_circles(ctx: PartitionContext, links: Links, circles: CircleRows) -> None:
    """Shared devices and addresses of each circle of a piece."""
    people, count = len(links.parties), len(circles.size)
    of_party = circles.of_party(people)
    ring = circles.kind == ctx.code("circle_kind", "MULE_RING")
    main = ring & circles.led
    users = np.isin(
        links.used_role, [ctx.code("device_link_role", name) for name in ("PRIMARY_OWNER", "SECONDARY_USER")]
    )
    together = _together(of_party, links.used_device[users], links.used_party[users])
    on_device = np.zeros(people, dtype=np.bool_)
    on_device[together.party] = True
    pairs = np.zeros(count, dtype=np.int64)
    np.add.at(pairs, together.circle, together.mates * (together.mates - 1) // 2)
    on_line = np.flatnonzero(links.ip_party >= 0)
    meets = _together(of_party, links.ip[on_line], links.ip_party[on_line])
    on_ip = np.zeros(people, dtype=np.bool_)
    on_ip[meets.party] = True
    member = main[circles.circle]
    followers = circles.party[member]
    ctx.count(AuditCounts.rings, int(main.sum()))
    ctx.count(AuditCounts.ring_pairs, int(pairs[main].sum()))
    ctx.count(AuditCounts.ring_members, len(followers))
    ctx.count(AuditCounts.ring_on_device, int(on_device[followers].sum()))
    ctx.count(AuditCounts.ring_sharing, int((on_device | on_ip)[followers].sum()))
    sizes = np.bincount(np.minimum(circles.size[main], LARGEST_RING), minlength=LARGEST_RING + 1)
    ctx.count(AuditCounts.ring_sizes, sizes)
    kinds = len(ctx.vocabulary("circle_kind"))
    sharing = np.bincount(circles.kind[circles.circle[(on_device | on_ip)[circles.party]]], minlength=kinds)
    ctx.count(AuditCounts.circle_sharing, sharing)
    ctx.count(AuditCounts.circle_members, np.bincount(circles.kind[circles.circle], minlength=kinds))
    _count_flagged(ctx, links, meets, of_party, ring)


@dataclass(frozen=True)
class Together:
    """Members of one circle on one thing.

    Attributes:
        thing: int64, t: device or address, each with two members or more of a circle.
        circle: int64, t.
        mates: int64, t: members on it.
        party: int64: those members, once a thing.
    """

    thing: Array
    circle: Array
    mates: Array
    party: Array


def _together(of_party: Array, thing: Array, party: Array) -> Together:
    """Things that two members of a circle use at least."""
    known = (party >= 0) & (thing >= 0)
    known[known] = of_party[party[known]] >= 0
    thing, party = thing[known], party[known]
    circle = of_party[party]
    order = np.lexsort((party, circle, thing))
    thing, circle, party = thing[order], circle[order], party[order]
    once = run_starts(thing, circle, party)
    thing, circle, party = thing[once], circle[once], party[once]
    starts = run_starts(thing, circle)
    mates = np.diff(np.append(starts, len(thing)))
    several = mates > 1
    return Together(
        thing[starts][several], circle[starts][several], mates[several], party[np.repeat(several, mates)]
    )


def _count_flagged(
    ctx: PartitionContext, links: Links, meets: Together, of_party: Array, ring: Array
) -> None:
    """Parties on addresses that several of a circle use, and how many of them are in rings."""
    flagged = np.zeros(len(links.ips), dtype=np.bool_)
    flagged[meets.thing[meets.mates >= FLAGGED]] = True
    crowd = np.bincount(links.ip[links.ip_party >= 0], minlength=len(links.ips))
    flagged &= crowd <= CROWD
    rows = np.flatnonzero(flagged[links.ip] & (links.ip_party >= 0))
    party = np.unique(links.ip_party[rows])
    circle = of_party[party]
    ctx.count(AuditCounts.flagged, len(party))
    ctx.count(AuditCounts.flagged_ring, int(ring[circle[circle >= 0]].sum()))


def circle_checks(ctx: Context, totals: Totals) -> list[Check]:
    """What rings share, from a number of rings on; small worlds are reported without a limit."""
    seen, gates = AuditCounts(totals), ctx.params.realism_gates_posture_6A.rings
    rings, members = int(seen.rings), int(seen.ring_members)
    small = rings < int(gates.rings_least)
    pairs, sharing = int(seen.ring_pairs), int(seen.ring_sharing)
    flagged, found = int(seen.flagged), int(seen.flagged_ring)
    held = {"from rings": int(gates.rings_least)}
    device = int(seen.ring_on_device)
    return [
        Check(
            "pairs on a device in a ring",
            small or pairs * 1000 >= int(gates.device_pairs_permille) * rings,
            {"mean": round(pairs / max(1, rings), 3), "rings": rings},
            {"mean": int(gates.device_pairs_permille) / 1000, **held},
        ),
        Check(
            "members of rings who share a device",
            small or device * 1000 >= int(gates.sharing_permille) * members,
            {"members": members, "on a device": device, "on a device or address": sharing},
            {"permille": int(gates.sharing_permille), **held},
            "with another member of the ring",
        ),
        Check(
            "members of rings who meet",
            small or sharing * 1000 >= int(gates.meeting_permille) * members,
            {"members": members, "on a device or address": sharing},
            {"permille": int(gates.meeting_permille), **held},
            "who use a device or an address with another member of the ring",
        ),
        Check(
            "rings found by common addresses alone",
            small or found * 1000 <= int(gates.co_ip_precision_permille) * flagged,
            {"parties": flagged, "in rings": found, "precision": round(found / max(1, flagged), 4)},
            {"permille": int(gates.co_ip_precision_permille), **held},
            f"parties on addresses of at most {CROWD} links that {FLAGGED} of one circle use",
        ),
    ]
