"""Audit of a piece's links, from published rows: only homes share, and no entity lacks its links."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.circle_members import CircleRows
from sim.segments.entities_6a.country_pieces import Piece, row_of, rows_with_ids
from sim.segments.entities_6a.s7_audit.counts import WIDEST, AuditCounts
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

_FAULTS = AuditCounts.faults

AUDIT_LINKS_NEEDS = Needs(
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s2_account_base_6A": ROW_LEVEL,
        "s3_account_instrument_links_6A": ROW_LEVEL,
        "s3_instrument_base_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
        "s4_device_links_6A": ROW_LEVEL,
        "s4_entity_neighbourhoods_6A": ROW_LEVEL,
        "s4_ip_base_6A": ROW_LEVEL,
        "s4_ip_links_6A": ROW_LEVEL,
    }
)


@dataclass(frozen=True)
class Links:
    """Published rows of a piece; ids as rows within the piece, -1 for none or for another piece's.

    Attributes:
        parties: s1_party_base_6A.
        accounts: s2_account_base_6A.
        instruments: s3_instrument_base_6A.
        devices: s4_device_base_6A.
        ips: s4_ip_base_6A.
        account_owner, instrument_account, device_owner: int64.
        used_device, used_party, used_role: links of devices; role codes of `device_link_role`.
        used_account, used_instrument: int64, one a device link.
        ip, ip_device, ip_party: links of addresses; ip_party is the party itself or the device's owner.
    """

    parties: Frame
    accounts: Frame
    instruments: Frame
    devices: Frame
    ips: Frame
    account_owner: Array
    instrument_account: Array
    device_owner: Array
    used_device: Array
    used_party: Array
    used_role: Array
    used_account: Array
    used_instrument: Array
    ip: Array
    ip_device: Array
    ip_party: Array


def links_of(ctx: PartitionContext, piece: Piece) -> Links:
    """Read a piece; instruments that do not follow their accounts are counted on the way."""
    rows = piece.tables
    account_rows, device_rows, ip_rows = (
        rows["s2_account_base_6A"],
        rows["s4_device_base_6A"],
        rows["s4_ip_base_6A"],
    )
    parties = ctx.load(
        "s1_party_base_6A",
        rows=piece.parties,
        columns=("party_id", "country_iso", "party_type", "household_id"),
    )
    accounts = ctx.load("s2_account_base_6A", rows=account_rows, columns=("account_id", "owner_party_id"))
    device_columns = ("device_id", "primary_party_id", "shared_household_id")
    devices = ctx.load("s4_device_base_6A", rows=device_rows, columns=device_columns)
    ip_columns = ("ip_id", "ip_type", "country_iso", "owner_household_id", "owner_party_id", "links")
    ips = ctx.load("s4_ip_base_6A", rows=ip_rows, columns=ip_columns)
    instruments, instrument_rows = _instruments(ctx, account_rows)
    account_owner = row_of(accounts.owner_party_id, piece.parties)
    device_owner = row_of(devices.primary_party_id, piece.parties)
    link_columns = ("device_id", "link_role", "party_id", "account_id", "instrument_id")
    used = rows_with_ids(ctx, "s4_device_links_6A", device_rows, link_columns)
    # Found by their ids here, not by the counts the addresses give.
    reached = rows_with_ids(ctx, "s4_ip_links_6A", ip_rows, ("ip_id", "device_id", "party_id"))
    ip_device = row_of(reached.device_id, device_rows)
    ip_party = np.concatenate((device_owner, np.full(1, -1)))[ip_device]
    named, device = reached.present("party_id"), reached.present("device_id")
    direct, both = np.flatnonzero(named & ~device), np.flatnonzero(named & device)
    ip_party[direct] = row_of(reached.party_id[direct], piece.parties)
    ctx.count(
        _FAULTS["device links of another party than the owner"],
        int((row_of(reached.party_id[both], piece.parties) != ip_party[both]).sum()),
    )
    return Links(
        parties=parties,
        accounts=accounts,
        instruments=instruments,
        devices=devices,
        ips=ips,
        account_owner=account_owner,
        instrument_account=row_of(instruments.account_id, account_rows),
        device_owner=device_owner,
        used_device=row_of(used.device_id, device_rows),
        used_party=row_of(used.party_id, piece.parties),
        used_role=used.link_role,
        used_account=row_of(used.account_id, account_rows),
        used_instrument=row_of(used.instrument_id, instrument_rows),
        ip=row_of(reached.ip_id, ip_rows),
        ip_device=ip_device,
        ip_party=ip_party,
    )


def _instruments(ctx: PartitionContext, account_rows: tuple[int, int]) -> tuple[Frame, tuple[int, int]]:
    """Instruments of these accounts, found by their links; links and base must mirror each other."""
    columns = ("account_id", "instrument_id", "instrument_type", "scheme")
    links = rows_with_ids(ctx, "s3_account_instrument_links_6A", account_rows, columns)
    rows = (int(links.instrument_id.min()) - 1, int(links.instrument_id.max())) if len(links) else (0, 0)
    frame = ctx.load("s3_instrument_base_6A", rows=rows, columns=(*columns, "owner_party_id"))
    same = len(frame) == len(links) and all(np.array_equal(frame[name], links[name]) for name in columns)
    ctx.count(_FAULTS["instrument links unlike the base"], 0 if same else 1)
    return frame, rows


def count_sharing(ctx: PartitionContext, links: Links, circles: CircleRows) -> None:
    """Strangers on things of a household or an organisation, and links to what the user does not own."""
    home, owner = links.parties.household_id, links.device_owner
    users = np.isin(
        links.used_role, [ctx.code("device_link_role", name) for name in ("PRIMARY_OWNER", "SECONDARY_USER")]
    )
    device, party = links.used_device[users], links.used_party[users]
    circle = circles.of_party(len(links.parties))
    mates = (circle[party] >= 0) & (circle[party] == circle[owner[device]])
    at_home = home[party] == home[owner[device]]
    strange = (party < 0) | (owner[device] < 0) | ~(at_home | mates)
    ctx.count(_FAULTS["strangers on devices"], int(strange.sum()))
    count = np.bincount(device[at_home], minlength=len(links.devices))
    shared = links.devices.present("shared_household_id")
    wrong = (shared != (count > 1)) | (
        shared & (owner >= 0) & (links.devices.shared_household_id != home[owner])
    )
    ctx.count(_FAULTS["shared_household_id other than the users'"], int(wrong.sum()))
    for name, column, holder in (
        ("accounts of somebody else on a device", links.used_account, links.account_owner),
        (
            "instruments of somebody else on a device",
            links.used_instrument,
            links.account_owner[links.instrument_account],
        ),
    ):
        reached = np.flatnonzero(column >= 0)
        ctx.count(_FAULTS[name], int((holder[column[reached]] != links.used_party[reached]).sum()))
    _count_lines(ctx, links, circles)
    holder = links.accounts.owner_party_id[links.instrument_account]
    ctx.count(
        _FAULTS["instruments of another owner than their account's"],
        int((holder != links.instruments.owner_party_id).sum()),
    )


def _count_lines(ctx: PartitionContext, links: Links, circles: CircleRows) -> None:
    """Home lines serve one household and its circles, premises one organisation, both in their country."""
    private = links.ips.present("owner_household_id")[links.ip]
    at, party = links.ip[private], links.ip_party[private]
    there = (party >= 0) & (links.parties.household_id[party] == links.ips.owner_household_id[at])
    # Whoever is of a circle with somebody of the household may be there.
    circle, span = circles.of_party(len(links.parties)), np.uint64(len(circles.size) + 1)
    mates = links.parties.household_id[circles.party] * span + circles.circle.astype(np.uint64)
    visit = links.ips.owner_household_id[at] * span + circle[party].astype(np.uint64)
    there |= (party >= 0) & (circle[party] >= 0) & np.isin(visit, mates)
    ctx.count(_FAULTS["strangers on home lines"], int((~there).sum()))
    ctx.count(
        _FAULTS["home lines abroad"],
        int((links.parties.country_iso[party[there]] != links.ips.country_iso[at[there]]).sum()),
    )
    # Private persons who work there may use the line of an organisation; other organisations have their own.
    held = np.flatnonzero(links.ip_party >= 0)
    office = held[links.ips.present("owner_party_id")[links.ip[held]]]
    other = links.parties.party_id[links.ip_party[office]] != links.ips.owner_party_id[links.ip[office]]
    private = links.parties.party_type[links.ip_party[office]] == ctx.code("party_type", "RETAIL")
    ctx.count(
        _FAULTS["other organisations on premises"],
        int((other & ~(private & (links.ip_device[office] >= 0))).sum()),
    )
    ctx.count(
        _FAULTS["addresses with other links than they say"],
        int((np.bincount(links.ip, minlength=len(links.ips)) != links.ips.links).sum()),
    )
    homes = links.ips.ip_type == ctx.code("ip_type", "RESIDENTIAL")
    ctx.count(_FAULTS["home lines of nobody"], int((homes & ~links.ips.present("owner_household_id")).sum()))


def count_orphans(ctx: PartitionContext, links: Links) -> None:
    """Rows nothing hangs on that something should hang on."""
    idle = _unreached(links.ip_device, len(links.devices))
    lost = {
        "parties without account": int(_unreached(links.account_owner, len(links.parties)).sum()),
        "parties without address": int(_unreached(links.ip_party, len(links.parties)).sum()),
        "accounts of nobody": int((links.account_owner < 0).sum()),
        "instruments of no account": int((links.instrument_account < 0).sum()),
        "devices of parties without address": int((idle & (links.device_owner >= 0)).sum()),
        "devices without link": int(_unreached(links.used_device, len(links.devices)).sum()),
        "addresses without link": int(_unreached(links.ip, len(links.ips)).sum()),
    }
    for name, count in lost.items():
        ctx.count(AuditCounts.orphans[name], count)


def _unreached(rows: Array, count: int) -> Array:
    """Which of `count` things no row (-1: none) names: bool."""
    idle = np.ones(count + 1, dtype=np.bool_)
    idle[rows] = False  # -1 falls on the last, which is nobody
    return idle[:count]


def count_degrees(ctx: PartitionContext, links: Links) -> None:
    """Histograms of how much hangs on what, values above `WIDEST` counted there."""
    people = len(links.parties)
    owned = links.device_owner[links.device_owner >= 0]
    on_line = np.bincount(links.ip[links.ip_device >= 0], minlength=len(links.ips))
    degrees = {
        "accounts a party": np.bincount(links.account_owner, minlength=people),
        "instruments a party": np.bincount(links.account_owner[links.instrument_account], minlength=people),
        "devices a party": np.bincount(owned, minlength=people),
        "instruments an account": np.bincount(links.instrument_account, minlength=len(links.accounts)),
        "addresses a device": np.bincount(
            links.ip_device[links.ip_device >= 0], minlength=len(links.devices)
        ),
    }
    for code, kind in enumerate(ctx.vocabulary("ip_type")):
        degrees[f"devices on {kind}"] = on_line[links.ips.ip_type == code]
    for name, degree in degrees.items():
        ctx.count(AuditCounts.degree[name], np.bincount(np.minimum(degree, WIDEST), minlength=WIDEST + 1))
        ctx.count(AuditCounts.links[name], int(degree.sum()))


def count_neighbourhoods(ctx: PartitionContext, piece: Piece, links: Links) -> None:
    """Published counts a party against a recount."""
    rows = ctx.load(
        "s4_entity_neighbourhoods_6A",
        rows=piece.parties,
        columns=("party_id", "accounts", "instruments", "devices_owned"),
    )
    people = len(links.parties)
    recount = {
        "accounts": np.bincount(links.account_owner, minlength=people),
        "instruments": np.bincount(links.account_owner[links.instrument_account], minlength=people),
        "devices_owned": np.bincount(links.device_owner[links.device_owner >= 0], minlength=people),
    }
    wrong = np.zeros(people, dtype=np.bool_)
    for name, counts in recount.items():
        wrong |= rows[name] != counts
    ctx.count(_FAULTS["neighbourhoods other than a recount"], int(wrong.sum()))


def whole(ctx: Context, dataset: str) -> int:
    """Rows of a published table."""
    return sum(file.rows for file in ctx.files(dataset))
