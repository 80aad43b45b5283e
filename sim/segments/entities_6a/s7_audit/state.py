"""6A.S7: audit of the published entity world across its tables: no sharing with strangers, no orphans.

Foreign keys, ranges and orders are the shell's; exact totals, caps and mixes are checked where they are made
(6A.S1 to S6). Here are the laws that span tables, each derived from other rows than it was made from, and the
degrees of the graph.
"""

from __future__ import annotations

from sim.segments.entities_6a.circle_members import circle_rows
from sim.segments.entities_6a.country_pieces import COUNTRY_PIECES_NEEDS, piece_of, plan_pieces
from sim.segments.entities_6a.s4_devices.checks import percentiles
from sim.segments.entities_6a.s7_audit.circles import AUDIT_CIRCLES_NEEDS, circle_checks, count_circles
from sim.segments.entities_6a.s7_audit.counts import TABLES, WIDEST, AuditCounts
from sim.segments.entities_6a.s7_audit.links import (
    AUDIT_LINKS_NEEDS,
    count_degrees,
    count_neighbourhoods,
    count_orphans,
    count_sharing,
    links_of,
    whole,
)
from sim.segments.entities_6a.s7_audit.roles import (
    AUDIT_ROLES_NEEDS,
    count_rings,
    count_spread,
    roles_of,
    spread_checks,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import METADATA_ONLY, ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.totals import Totals

STATE = State(
    id="6A.S7",
    title="Audit of entities",
    reads={
        "s1_party_base_6A": METADATA_ONLY,
        "s2_account_base_6A": METADATA_ONLY,
        "s3_instrument_base_6A": METADATA_ONLY,
        "s4_device_base_6A": METADATA_ONLY,
        "s4_device_links_6A": METADATA_ONLY,
        "s4_ip_base_6A": METADATA_ONLY,
        "s4_ip_links_6A": METADATA_ONLY,
        "s5_merchant_fraud_roles_6A": ROW_LEVEL,
    },
    config=("realism_gates_posture_6A",),
    writes=(),
    counts=(AuditCounts,),
    uses=(AUDIT_CIRCLES_NEEDS, AUDIT_LINKS_NEEDS, AUDIT_ROLES_NEEDS, COUNTRY_PIECES_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """Runs of whole countries."""
    return plan_pieces(ctx)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Audit a run of countries."""
    piece = piece_of(part)
    links = links_of(ctx, piece)
    bases = (
        len(rows) for rows in (links.parties, links.accounts, links.instruments, links.devices, links.ips)
    )
    for name, rows in zip(TABLES, (*bases, len(links.used_device), len(links.ip)), strict=True):
        ctx.count(AuditCounts.rows[name], rows)
    circles = circle_rows(ctx, piece.parties[0] + 1, len(links.parties))
    count_sharing(ctx, links, circles)
    count_circles(ctx, links, circles)
    count_orphans(ctx, links)
    count_degrees(ctx, links)
    count_neighbourhoods(ctx, piece, links)
    roles = roles_of(ctx, piece, links)
    count_spread(ctx, links, roles)
    trade = ctx.load("s5_merchant_fraud_roles_6A", columns=("ring_id",))
    ring = trade.ring_id[trade.present("ring_id")]
    count_rings(ctx, links, roles[0], circles, ring)
    ctx.count(AuditCounts.merchants_in_rings, len(ring) if part.index == 0 else 0)
    return {}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """No fault in any row, no orphans, all rows seen; odds ratios."""
    seen = AuditCounts(totals)
    result = [Check(name, found == 0, found, 0, "over all rows") for name, found in seen.faults.items()]
    orphans, most = dict(seen.orphans), int(ctx.params.realism_gates_posture_6A.orphan_rows)
    result.append(Check("orphan rows", sum(orphans.values()) <= most, orphans, most, "rows nothing hangs on"))
    looked_at, rows = dict(seen.rows), {name: whole(ctx, dataset) for name, dataset in TABLES.items()}
    result.append(Check("all rows looked at", looked_at == rows, looked_at, rows))
    found, named = seen.merchants_rings_found, seen.merchants_in_rings
    result.append(Check("collusive merchants work for rings that exist", found == named, found, named))
    return result + spread_checks(ctx, totals) + circle_checks(ctx, totals)


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """Rings, and degrees of every kind of entity; the states that make them check priors and caps."""
    seen = AuditCounts(totals)
    sizes = {"rings": seen.rings, **percentiles(seen.ring_sizes)}
    result = [Measurement("parties of a ring", sizes, "parties")]
    sharing = zip(ctx.vocabulary("circle_kind"), seen.circle_sharing.tolist(), strict=True)
    shares = {
        kind: round(shared / max(1, members), 4)
        for (kind, shared), members in zip(sharing, seen.circle_members.tolist(), strict=True)
    }
    result.append(Measurement("members of circles who share a device or address", shares, "share of members"))
    for name, histogram in sorted(seen.degree.items()):
        links = seen.links[name]
        shown = {"mean": round(links / max(1, int(histogram.sum())), 4), **percentiles(histogram)}
        result.append(Measurement(name, shown, "", f"{WIDEST} means more" if histogram[-1] else ""))
    return result
