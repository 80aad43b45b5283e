"""6A.S6: static fraud roles with causes.

Rings and clusters are circles that were formed before there were devices (6A.S9); roles spread to what risky
parties own.

Numbers of each role are exact (targets); who bears it outside rings and clusters is a race weighted by scores
(race). Accounts, devices and addresses inherit (role_inherited);
merchants fall by their trade (role_merchants).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from sim.recipes.join import look_up
from sim.segments.entities_6a.circle_members import circle_rows
from sim.segments.entities_6a.country_pieces import COUNTRY_PIECES_NEEDS, Piece, piece_of, plan_pieces, row_of
from sim.segments.entities_6a.s6_fraud_roles.accounts import (
    ROLE_ACCOUNTS_NEEDS,
    account_fields,
    account_roles,
    may_be_mule,
)
from sim.segments.entities_6a.s6_fraud_roles.checks import ROLE_CHECKS_NEEDS, role_checks
from sim.segments.entities_6a.s6_fraud_roles.counts import (
    RoleCounts,
    count_merchants,
    count_mules,
    count_piece,
)
from sim.segments.entities_6a.s6_fraud_roles.inherited import (
    ROLE_INHERITED_NEEDS,
    device_fields,
    device_roles,
    ip_entities,
    ip_roles,
    shared_use,
)
from sim.segments.entities_6a.s6_fraud_roles.links import ROLE_LINKS_NEEDS, links_of
from sim.segments.entities_6a.s6_fraud_roles.merchants import (
    FEATURES,
    ROLE_MERCHANTS_NEEDS,
    merchant_features,
    merchant_roles,
    merchants_of,
)
from sim.segments.entities_6a.s6_fraud_roles.parties import ROLE_PARTIES_NEEDS, Roles, party_roles
from sim.segments.entities_6a.s6_fraud_roles.people import ROLE_PEOPLE_NEEDS, people_of
from sim.segments.entities_6a.s6_fraud_roles.plan import ROLE_PLAN_NEEDS, Targets, slice_of, targets_of
from sim.segments.entities_6a.s6_fraud_roles.rings import ROLE_RINGS_NEEDS, seats_of
from sim.segments.entities_6a.s6_fraud_roles.separability import (
    SEPARABILITY_NEEDS,
    SeparabilityCounts,
    count_features,
    separability_checks,
)
from sim.segments.entities_6a.s6_fraud_roles.taxonomy import refuse_contradictions
from sim.segments.entities_6a.s6_fraud_roles.tiers import (
    MERCHANT_TIERS_NEEDS,
    RISK_TIERS_NEEDS,
    account_tiers,
    device_tiers,
    ip_tiers,
    merchant_tiers,
    party_tiers,
)
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

STATE = State(
    id="6A.S6",
    title="Fraud roles",
    reads={
        "s1_party_summary_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
        "s4_ip_base_6A": ROW_LEVEL,
    },
    writes=(
        "s5_party_fraud_roles_6A",
        "s5_account_fraud_roles_6A",
        "s5_merchant_fraud_roles_6A",
        "s5_device_fraud_roles_6A",
        "s5_ip_fraud_roles_6A",
    ),
    counts=(RoleCounts, SeparabilityCounts),
    uses=(
        COUNTRY_PIECES_NEEDS,
        MERCHANT_TIERS_NEEDS,
        RISK_TIERS_NEEDS,
        ROLE_ACCOUNTS_NEEDS,
        ROLE_CHECKS_NEEDS,
        ROLE_INHERITED_NEEDS,
        ROLE_LINKS_NEEDS,
        ROLE_MERCHANTS_NEEDS,
        ROLE_PARTIES_NEEDS,
        ROLE_PEOPLE_NEEDS,
        ROLE_PLAN_NEEDS,
        ROLE_RINGS_NEEDS,
        SEPARABILITY_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Priors that contradict the taxonomy are refused before anything runs."""
    refuse_contradictions(ctx)


def plan(ctx: Context) -> list[Partition]:
    """Runs of whole countries with their targets, and one partition for all merchants."""
    targets = targets_of(ctx)
    pieces = [
        replace(part, spec={**part.spec, "targets": slice_of(targets, piece_of(part))})
        for part in plan_pieces(ctx)
    ]
    merchants = {"merchants": targets.merchants.tolist(), "rings": targets.rings.tolist()}
    return [*pieces, Partition(len(pieces), spec=merchants)]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Roles of everybody and everything in a run of countries, or of the merchants."""
    if "merchants" in part.spec:
        merchants, features, roles = _merchants(ctx, part)
        tier = merchant_tiers(ctx, merchants, features, FEATURES)
        count_merchants(ctx, merchants, roles, tier)
        key = {"merchant_id": merchants.merchant_id, "mcc_risk": merchants.mcc_risk}
        return {"s5_merchant_fraud_roles_6A": roles.frame(key, risk_tier=tier)}
    return _piece(ctx, part)


def _merchants(ctx: PartitionContext, part: Partition) -> tuple[Frame, Array, Roles]:
    merchants = merchants_of(ctx)
    features = merchant_features(ctx, merchants)
    counts, rings = (np.array(part.spec[name], dtype=np.uint64) for name in ("merchants", "rings"))
    return merchants, features, merchant_roles(ctx, merchants, features, counts, rings)


def _piece(ctx: PartitionContext, part: Partition) -> Frames:
    piece, targets = piece_of(part), Targets.restored(ctx, part.spec["targets"])
    summary = ctx.load("s1_party_summary_6A")
    groups = summary.take(
        (summary.country_iso >= piece.countries[0]) & (summary.country_iso < piece.countries[1])
    )
    account_columns = ("account_id", "owner_party_id", "account_type", "country_iso", "open_date", "status")
    accounts = _rows(ctx, piece, "s2_account_base_6A", account_columns)
    device_columns = (
        "device_id",
        "device_type",
        "home_country_iso",
        "primary_party_id",
        "primary_merchant_id",
        "primary_site_id",
    )
    devices = _rows(ctx, piece, "s4_device_base_6A", device_columns)
    ips = _rows(ctx, piece, "s4_ip_base_6A", ("ip_id", "ip_type", "asn_class", "country_iso", "links"))
    owner = row_of(accounts.owner_party_id, piece.parties)
    links = links_of(ctx, piece, devices, ips)
    people = people_of(ctx, piece, groups, accounts, owner, links)
    address = ip_entities(ctx, ips)
    seats = seats_of(ctx, circle_rows(ctx, piece.parties[0] + 1, piece.parties[1] - piece.parties[0]))
    parties = party_roles(ctx, people, groups, targets.parties, seats)
    account, holding = account_fields(ctx, accounts), device_fields(ctx, devices, people)
    shared = shared_use(ips, links, people.frame.household_id)
    brought = np.isin(accounts.account_id, seats.account_id[seats.account_id > 0])
    by_account = account_roles(ctx, accounts, owner, people, parties, (account, brought), targets.accounts)
    by_device = device_roles(
        ctx, devices, links, people, parties, _trade(ctx, part, devices), holding, targets.devices
    )
    by_ip = ip_roles(ctx, ips, links, address, parties, targets.ips)
    tier = party_tiers(ctx, people, groups)
    tiers = (
        tier,
        account_tiers(ctx, accounts, people.entity[owner], owner, account, tier),
        device_tiers(ctx, devices, holding, links, tier),
        ip_tiers(ctx, ips, address, shared),
    )
    count_mules(ctx, owner, parties, by_account, may_be_mule(ctx, accounts.account_type, parties.role[owner]))
    count_features(ctx, people, groups, accounts, owner, links, parties, tier)
    count_piece(
        ctx, people.frame, groups, accounts, devices, ips, (parties, by_account, by_device, by_ip), tiers
    )
    party_id, account_id = {"party_id": people.frame.party_id}, {"account_id": accounts.account_id}
    device_id, ip_id = {"device_id": devices.device_id}, {"ip_id": ips.ip_id}
    return {
        "s5_party_fraud_roles_6A": parties.frame(party_id, risk_tier=tiers[0]),
        "s5_account_fraud_roles_6A": by_account.frame(account_id, risk_tier=tiers[1]),
        "s5_device_fraud_roles_6A": by_device.frame(device_id, risk_tier=tiers[2]),
        "s5_ip_fraud_roles_6A": by_ip.frame(ip_id, shared_use=shared, risk_tier=tiers[3]),
    }


def _rows(ctx: Context, piece: Piece, dataset: str, columns: tuple[str, ...]) -> Frame:
    return ctx.load(dataset, rows=piece.tables[dataset], columns=columns)


def _trade(ctx: PartitionContext, part: Partition, devices: Frame) -> Array:
    """Role of each terminal's merchant: int16; clean for other devices.

    Merchants' roles need no other piece, so they are raced again.
    """
    role = np.zeros(len(devices), dtype=np.int16)
    terminals = np.flatnonzero(devices.present("primary_merchant_id"))
    if len(terminals):
        # its ledger is not ours: these draws are accounted for where they are published
        again = ctx.for_partition(part)
        merchants, _, roles = _merchants(again, Partition(part.index, spec=part.spec["targets"]))
        role[terminals] = roles.role[look_up(merchants.merchant_id, devices.primary_merchant_id[terminals])]
    return role


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Targets met exactly, caps, causes, rings and clusters; see `role_checks`."""
    return [*role_checks(ctx, totals, targets_of(ctx)), *separability_checks(ctx, totals)]
