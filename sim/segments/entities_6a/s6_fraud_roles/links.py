"""Who uses which device and address.

What a party does abroad (s8_links_abroad_6A) says of it what the same would at home. The guests of an address
are strangers who share it, and no more: their roles belong to other countries, which stay independent.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.country_pieces import Piece, row_of, rows_with_ids
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

ROLE_LINKS_NEEDS = Needs(
    reads={
        "s4_device_links_6A": ROW_LEVEL,
        "s4_ip_links_6A": ROW_LEVEL,
        "s8_links_abroad_6A": ROW_LEVEL,
    },
    config=("fraud_roles_party_6A",),
)


@dataclass(frozen=True)
class Links:
    """Links of a piece, as rows within the piece.

    Attributes:
        user_device: int64, u: device of each (device, party) link, ascending.
        user_party: int64, u.
        users_of_device: int64, one a device.
        users_of_ip: int64, one an address: links to parties of its country or to their devices.
        ip_party: int32: who they are, in order of the addresses.
        guest_ip: int64, ascending: address of each link of a device from another country.
        guest: uint64: who that is.
        hidden: int64: parties who use an address that hides who is behind it, in their country or abroad,
            perhaps repeatedly.
    """

    user_device: Array
    user_party: Array
    users_of_device: Array
    users_of_ip: Array
    ip_party: Array
    guest_ip: Array
    guest: Array
    hidden: Array


def links_of(ctx: Context, piece: Piece, devices: Frame, ips: Frame) -> Links:
    """Read the links of a piece.

    Args:
        ctx: Context of 6A.S6.
        piece: Countries.
        devices: Their devices with `primary_party_id`.
        ips: Their addresses with `ip_type` and `links`.
    """
    user_device, user_party = _users(ctx, piece)
    users_of_ip, ip_party, guest_ip, guest = _callers(ctx, piece, devices, ips)
    hiding = ctx.params.fraud_roles_party_6A.anonymiser_ip_types
    at_home = ip_party[np.repeat(_of_type(ctx, ips, hiding), users_of_ip)]
    abroad = rows_with_ids(ctx, "s8_links_abroad_6A", piece.parties, ("party_id", "ip_type"))
    there = row_of(abroad.party_id[_of_type(ctx, abroad, hiding)], piece.parties)
    counts = np.bincount(user_device, minlength=len(devices))
    hidden = np.concatenate((at_home.astype(np.int64), there))
    return Links(user_device, user_party, counts, users_of_ip, ip_party, guest_ip, guest, hidden)


def _of_type(ctx: Context, ips: Frame, names: Sequence[str]) -> Array:
    """Which rows have an `ip_type` among these: bool."""
    found: Array = np.isin(ips.ip_type, [ctx.code("ip_type", name) for name in names])
    return found


def _users(ctx: Context, piece: Piece) -> tuple[Array, Array]:
    """Devices and the parties who own or use them."""
    rows = piece.tables["s4_device_base_6A"]
    used = rows_with_ids(ctx, "s4_device_links_6A", rows, ("device_id", "link_role", "party_id"))
    owner, guest = (ctx.code("device_link_role", name) for name in ("PRIMARY_OWNER", "SECONDARY_USER"))
    people = np.flatnonzero((used.link_role == owner) | (used.link_role == guest))
    return row_of(used.device_id[people], rows), row_of(used.party_id[people], piece.parties)


def _callers(ctx: Context, piece: Piece, devices: Frame, ips: Frame) -> tuple[Array, Array, Array, Array]:
    """Links of each address to parties of its country or their devices, who they are, and guests.

    Returns:
        `users_of_ip`, `ip_party`, `guest_ip` and `guest` of `Links`.
    """
    reached = ctx.load("s4_ip_links_6A", rows=piece.ip_links, columns=("device_id", "party_id"))
    each = ips.links.astype(np.int64)
    device = row_of(reached.device_id, piece.tables["s4_device_base_6A"])
    # The last row means no device of the piece, and -1 points to it.
    home = np.concatenate((devices.home_country_iso, np.full(1, -1, dtype=np.int16)))[device]
    away = reached.present("device_id") & (home != np.repeat(ips.country_iso, each))
    # The same for parties: terminals, and merchants without a device, have none.
    owners = np.concatenate((row_of(devices.primary_party_id, piece.parties), np.full(1, -1))).astype(
        np.int32
    )
    party = row_of(reached.party_id, piece.parties).astype(np.int32)
    rest = np.flatnonzero(party < 0)
    party[rest] = owners[device[rest]]
    party[away] = -1
    guests = np.flatnonzero(away)
    ends = np.cumsum(each)
    guest_ip = np.searchsorted(ends, guests, side="right")
    who = np.where(reached.present("party_id")[guests], reached.party_id[guests], reached.device_id[guests])
    known = party >= 0
    if known.all():
        return each, party, guest_ip, who
    return np.add.reduceat(known.view(np.uint8), ends - each, dtype=np.int64), party[known], guest_ip, who
