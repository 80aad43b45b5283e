"""Audit of a piece's fraud roles: they spread from owners, and members of rings sit in their circles."""

from __future__ import annotations

import numpy as np

from sim.segments.entities_6a.circle_members import CircleRows
from sim.segments.entities_6a.country_pieces import Piece
from sim.segments.entities_6a.s7_audit.counts import AuditCounts
from sim.segments.entities_6a.s7_audit.links import Links
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_FAULTS = AuditCounts.faults
_TABLES = (
    ("s5_party_fraud_roles_6A", "party_id"),
    ("s5_account_fraud_roles_6A", "account_id"),
    ("s5_device_fraud_roles_6A", "device_id"),
    ("s5_ip_fraud_roles_6A", "ip_id"),
)

AUDIT_ROLES_NEEDS = Needs(
    reads={
        "s5_account_fraud_roles_6A": ROW_LEVEL,
        "s5_device_fraud_roles_6A": ROW_LEVEL,
        "s5_ip_fraud_roles_6A": ROW_LEVEL,
        "s5_party_fraud_roles_6A": ROW_LEVEL,
    },
    config=("realism_gates_posture_6A",),
)


def roles_of(ctx: PartitionContext, piece: Piece, links: Links) -> tuple[Frame, Frame, Frame, Frame]:
    """Role rows of parties, accounts, devices and addresses.

    Rows that are not one for one with the bases are counted.
    """
    bases = (links.parties, links.accounts, links.devices, links.ips)
    rows = (
        piece.parties,
        *(piece.tables[name] for name in ("s2_account_base_6A", "s4_device_base_6A", "s4_ip_base_6A")),
    )
    found = []
    for (dataset, key), base, at in zip(_TABLES, bases, rows, strict=True):
        frame = ctx.load(dataset, rows=at, columns=(key, "fraud_role", "cause", "ring_id"))
        strays = int((frame[key][: len(base)] != base[key][: len(frame)]).sum())
        ctx.count(_FAULTS["entities without their role"], abs(len(frame) - len(base)) + strays)
        found.append(frame)
    return found[0], found[1], found[2], found[3]


def count_spread(ctx: PartitionContext, links: Links, roles: tuple[Frame, Frame, Frame, Frame]) -> None:
    """Two-by-two tables: owner clean or risky, by what is owned clean or risky."""
    party, account, device = (frame.fraud_role != 0 for frame in roles[:3])
    owned = np.flatnonzero(links.device_owner >= 0)
    line = ctx.code("ip_role", "ABUSED_IP")
    homes = links.ips.present("owner_household_id")
    risky_home = np.zeros(len(links.ips), dtype=np.bool_)
    linked = links.ip_party >= 0
    risky_home[links.ip[linked][party[links.ip_party[linked]]]] = True
    tables = {
        "account": (party[links.account_owner], account),
        "instrument": (
            party[links.account_owner[links.instrument_account]],
            account[links.instrument_account],
        ),
        "device": (party[links.device_owner[owned]], device[owned]),
        "home_ip": (risky_home[homes], (roles[3].fraud_role == line)[homes]),
    }
    for name, (owner, entity) in tables.items():
        ctx.count(AuditCounts.spread[name], np.bincount(owner * np.int64(2) + entity, minlength=4))


def count_rings(
    ctx: PartitionContext, links: Links, parties: Frame, circles: CircleRows, merchant_ring: Array
) -> None:
    """Parties of rings and clusters who sit in no such circle, or sit there without; ties without a tie.

    Args:
        ctx: Context of 6A.S7.
        links: The piece.
        parties: Roles of its parties.
        circles: Its circles.
        merchant_ring: uint64: rings of all collusive merchants that work for one.
    """
    causes = {
        name: parties.cause == ctx.code("role_cause", name)
        for name in ("RING", "SYNTHETIC_CLUSTER", "HOUSEHOLD_TIE")
    }
    home = links.parties.household_id
    seated = np.zeros(len(parties), dtype=np.uint64)
    seated[circles.party] = circles.ring_id[circles.circle]
    named = np.where(causes["RING"] | causes["SYNTHETIC_CLUSTER"], parties.ring_id, np.uint64(0))
    ctx.count(_FAULTS["parties of rings in no circle of theirs"], int((seated != named).sum()))
    members = np.flatnonzero(causes["RING"])
    names = np.unique(parties.ring_id[members])
    tied = np.flatnonzero(causes["HOUSEHOLD_TIE"])
    near = home.astype(np.int64) - int(home.min() if len(home) else 0)
    span = int(near.max() if len(near) else 0) + 1
    pair = np.searchsorted(names, parties.ring_id) * np.int64(span) + near
    known = np.isin(parties.ring_id[tied], names) & np.isin(pair[tied], pair[members])
    ctx.count(_FAULTS["ties without a tie"], int((~known).sum()))
    led = circles.led & (circles.kind == ctx.code("circle_kind", "MULE_RING"))
    ctx.count(AuditCounts.merchants_rings_found, int(np.isin(merchant_ring, circles.ring_id[led]).sum()))


def spread_checks(ctx: Context, totals: Totals) -> list[Check]:
    """Odds of a risky entity given a risky owner over the odds given a clean one."""
    gates, result = ctx.params.realism_gates_posture_6A.odds_ratio, []
    for name, table in AuditCounts(totals).spread.items():
        clean_clean, clean_risky, risky_clean, risky_risky = (int(value) for value in table.ravel())
        owned, total = risky_clean + risky_risky, clean_clean + clean_risky + risky_clean + risky_risky
        by_chance = owned * (clean_risky + risky_risky) // max(1, total)
        ratio = risky_risky * clean_clean * 1000 // max(1, risky_clean * clean_risky)
        least = int(gates[f"{name}_permille"])
        small = by_chance < int(gates.expected_rows)
        figures = {
            "odds_ratio": ratio / 1000,
            "risky_of_risky": risky_risky,
            "by_chance": by_chance,
            "rows": total,
        }
        label = "home line" if name == "home_ip" else name
        limits = {"odds_ratio": least / 1000, "from by_chance": int(gates.expected_rows)}
        text = "reported without a limit in small worlds"
        result.append(
            Check(
                f"odds ratio of a risky {label}, risky owner", small or ratio >= least, figures, limits, text
            )
        )
    return result
