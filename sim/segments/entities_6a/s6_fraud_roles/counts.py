"""What 6A.S6 counts over its rows as published: roles by cell, causes, mule accounts, tiers, rings."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sim.segments.entities_6a.s6_fraud_roles.parties import Roles
from sim.state.context import PartitionContext
from sim.state.counters import Counters, Each, Scalar, Vector
from sim.state.frames import Array, Frame

KINDS = ("party", "account", "device", "ip", "merchant")
_TYPES = {"account": "account_type", "device": "device_type", "ip": "ip_type"}


class RoleCounts(Counters):
    """Roles by cell, their causes without and with a ring, and who is together in rings and clusters."""

    party_roles = Vector("country", "segment", "party_role")
    account_roles = Vector("country", "account_type", "account_role")
    device_roles = Vector("country", "device_type", "device_role")
    ip_roles = Vector("country", "ip_type", "ip_role")
    merchant_roles = Vector("mcc_risk", "merchant_role")
    party_causes = Vector("party_role", "role_cause", 2)
    account_causes = Vector("account_role", "role_cause", 2)
    device_causes = Vector("device_role", "role_cause", 2)
    ip_causes = Vector("ip_role", "role_cause", 2)
    merchant_causes = Vector("merchant_role", "role_cause", 2)
    clean_by_type = Vector("party_type", 2)
    tiers = Each(KINDS, Vector("risk_tier"))
    mule_owners = Vector("party_role")
    owners_without = Vector("party_role")
    may_be_mule = Scalar()
    rings = Scalar()
    ring_members = Scalar()
    rings_peopled = Scalar()
    clustered = Scalar()
    clusters = Scalar()


_COUNTED = {
    "party": (RoleCounts.party_roles, RoleCounts.party_causes),
    "account": (RoleCounts.account_roles, RoleCounts.account_causes),
    "device": (RoleCounts.device_roles, RoleCounts.device_causes),
    "ip": (RoleCounts.ip_roles, RoleCounts.ip_causes),
    "merchant": (RoleCounts.merchant_roles, RoleCounts.merchant_causes),
}


def count_piece(
    ctx: PartitionContext,
    people: Frame,
    groups: Frame,
    accounts: Frame,
    devices: Frame,
    ips: Frame,
    roles: Sequence[Roles],
    tiers: Sequence[Array],
) -> None:
    """Integer sums of a piece, over its rows as published.

    Args:
        ctx: Context of 6A.S6.
        people: Parties, in order of the groups.
        groups: Rows of s1_party_summary_6A of the piece.
        accounts: Rows of the base.
        devices: Rows of the base.
        ips: Rows of the base.
        roles: Of parties, accounts, devices and addresses.
        tiers: Of the same, codes of `risk_tier`.
    """
    segments = len(ctx.vocabulary("segment"))
    cell = np.repeat(
        groups.country_iso.astype(np.int64) * segments + groups.segment_id, groups.parties.astype(np.int64)
    )
    _tally(ctx, "party", cell, len(ctx.vocabulary("country")) * segments, roles[0])
    tables = (
        ("account", accounts, "country_iso"),
        ("device", devices, "home_country_iso"),
        ("ip", ips, "country_iso"),
    )
    for (kind, frame, country), found in zip(tables, roles[1:], strict=True):
        types = len(ctx.vocabulary(_TYPES[kind]))
        _tally(
            ctx,
            kind,
            frame[country].astype(np.int64) * types + frame[_TYPES[kind]],
            len(ctx.vocabulary("country")) * types,
            found,
        )
    types_of = np.bincount(
        people.party_type.astype(np.int64) * 2 + (roles[0].role == 0),
        minlength=2 * len(ctx.vocabulary("party_type")),
    )
    ctx.count(RoleCounts.clean_by_type, types_of)
    _count_rings(ctx, roles[0])
    for kind, tier in zip(KINDS, tiers, strict=False):
        _count_tiers(ctx, kind, tier)


def count_mules(ctx: PartitionContext, owner: Array, parties: Roles, accounts: Roles, may_be: Array) -> None:
    """Mule accounts by their owner's role, and parties by role that own none.

    Args:
        ctx: Context of 6A.S6.
        owner: int64: row of each account's owner.
        parties: Roles of the parties.
        accounts: Roles of the accounts.
        may_be: bool: accounts that drew for it.
    """
    roles = len(ctx.vocabulary("party_role"))
    mule = accounts.role == ctx.code("account_role", "MULE_ACCOUNT")
    held = np.zeros(len(parties.role), dtype=np.bool_)
    held[owner[mule]] = True
    ctx.count(RoleCounts.mule_owners, np.bincount(parties.role[owner[mule]], minlength=roles))
    ctx.count(RoleCounts.owners_without, np.bincount(parties.role[~held], minlength=roles))
    ctx.count(RoleCounts.may_be_mule, int(may_be.sum()))


def _count_tiers(ctx: PartitionContext, kind: str, tier: Array) -> None:
    ctx.count(RoleCounts.tiers[kind], np.bincount(tier, minlength=len(ctx.vocabulary("risk_tier"))))


def count_merchants(ctx: PartitionContext, merchants: Frame, roles: Roles, tier: Array) -> None:
    """Integer sums over all merchants."""
    _count_tiers(ctx, "merchant", tier)
    _tally(ctx, "merchant", merchants.mcc_risk.astype(np.int64), len(ctx.vocabulary("mcc_risk")), roles)


def _tally(ctx: PartitionContext, kind: str, cell: Array, cells: int, found: Roles) -> None:
    """Roles by cell, and causes with and without ring by role."""
    roles, causes = len(ctx.vocabulary(f"{kind}_role")), len(ctx.vocabulary("role_cause"))
    by_cell = np.bincount(cell * roles + found.role, minlength=cells * roles)
    ctx.count(_COUNTED[kind][0], by_cell)
    mixed = (found.role.astype(np.int64) * causes + found.cause) * 2 + found.ringed
    ctx.count(_COUNTED[kind][1], np.bincount(mixed, minlength=roles * causes * 2))


def _count_rings(ctx: PartitionContext, parties: Roles) -> None:
    """Rings, those with members beside the organiser, and all their members.

    Synthetic identities in clusters.
    """
    organiser, synthetic = ctx.code("party_role", "ORGANISER"), ctx.code("party_role", "SYNTHETIC_ID")
    members = parties.ring_id[parties.ringed & (parties.role != organiser) & (parties.role != synthetic)]
    ctx.count(RoleCounts.rings, int((parties.role == organiser).sum()))
    ctx.count(RoleCounts.ring_members, len(members))
    ctx.count(RoleCounts.rings_peopled, len(np.unique(members)))
    clustered = parties.ring_id[parties.ringed & (parties.role == synthetic)]
    ctx.count(RoleCounts.clustered, len(clustered))
    ctx.count(RoleCounts.clusters, len(np.unique(clustered)))
