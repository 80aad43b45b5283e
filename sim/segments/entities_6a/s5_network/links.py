"""From pairs of addresses and their users to the published tables of links and addresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.link_rules import IP_IDS, LINK_RULES_NEEDS, ip_demands
from sim.segments.entities_6a.s5_network.pools import Dealt
from sim.segments.entities_6a.s5_network.rows import Addresses
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

IP_LINKS_NEEDS = Needs(config=("ip_taxonomy_6A",), uses=(LINK_RULES_NEEDS,))


@dataclass(frozen=True)
class Users:
    """Who uses which address (position in the partition).

    Attributes:
        own: int64, one a device: its home, premises or site.
        dealt: Links of devices to other addresses.
        party_ip: int64, one a party.
        merchant_ip: int64, links of merchants, ascending.
        merchant: uint64: their ids.
    """

    own: Array
    dealt: list[Dealt]
    party_ip: Array
    merchant_ip: Array
    merchant: Array


def device_roles(ctx: Context) -> Array:
    """Role code of a device's link by kind of address: int16."""
    kinds = ctx.params.ip_taxonomy_6A.types
    return np.array(
        [ctx.code("ip_link_role", kinds[name].device_role) for name in ctx.vocabulary("ip_type")],
        dtype=np.int16,
    )


def link_frame(
    ctx: Context, addresses: Addresses, users: Users, ids: dict[str, Array], first_ip: int
) -> tuple[Frame, dict[str, Array]]:
    """Rows of s4_ip_links_6A and how many links of devices, parties and merchants each address has.

    Args:
        ctx: Context with `graph_linkage_6A` and `ip_taxonomy_6A`.
        addresses: Addresses of the partition.
        users: Their users.
        ids: `device_id` and `owner_party_id` (0 for terminals) by row of the device, `party_id` by row of the
            party.
        first_ip: Id of the first address.
    """
    many = len(addresses.kind)
    own = np.bincount(users.own, minlength=many)
    devices = own.copy()
    for dealt in users.dealt:
        devices[dealt.ip] += dealt.degree
    degree = {
        "devices": devices,
        "parties": np.bincount(users.party_ip, minlength=many),
        "merchants": np.bincount(users.merchant_ip, minlength=many),
    }
    links = degree["devices"] + degree["parties"] + degree["merchants"]
    start = np.cumsum(links) - links
    total = int(links.sum())
    role = np.repeat(device_roles(ctx)[addresses.kind], links)
    columns = {name: np.zeros(total, dtype=np.uint64) for name in IP_IDS}
    order = _by_address(users.own)
    rows = _rows(users.own[order], own, start)
    columns["device_id"][rows], columns["party_id"][rows] = (
        ids["device_id"][order],
        ids["owner_party_id"][order],
    )
    for dealt in users.dealt:
        rows = np.repeat(
            start[dealt.ip] + own[dealt.ip] - (np.cumsum(dealt.degree) - dealt.degree), dealt.degree
        )
        rows += np.arange(len(rows))
        columns["device_id"][rows], columns["party_id"][rows] = (
            ids["device_id"][dealt.device],
            ids["owner_party_id"][dealt.device],
        )
    order = _by_address(users.party_ip)
    rows = _rows(users.party_ip[order], degree["parties"], start + degree["devices"])
    columns["party_id"][rows] = ids["party_id"][order]
    role[rows] = ctx.code("ip_link_role", "PARTY_HOME_IP")
    rows = _rows(users.merchant_ip, degree["merchants"], start + degree["devices"] + degree["parties"])
    columns["merchant_id"][rows] = users.merchant
    role[rows] = ctx.code("ip_link_role", "MERCHANT_IP")
    demands = ip_demands(ctx)
    present = {name: demands[:, position][role] for position, name in enumerate(IP_IDS)}
    present["party_id"] &= columns["party_id"] > 0  # a terminal is a merchant's: no party owns it
    columns["party_id"][~present["party_id"]] = 0
    frame = Frame(
        {
            "ip_id": np.repeat(np.arange(many, dtype=np.uint64) + np.uint64(first_ip), links),
            "link_no": (np.arange(total) - np.repeat(start, links) + 1).astype(np.uint32),
            "link_role": role,
            **columns,
        },
        present,
    )
    return frame, degree


def _by_address(ip: Array) -> Array:
    """Stable order of rows by address: positions below 2**32."""
    packed = (ip.astype(np.uint64) << _HALF) | np.arange(len(ip), dtype=np.uint64)
    packed.sort()
    return (packed & _LOW).astype(np.int64)


def _rows(ip: Array, degree: Array, start: Array) -> Array:
    """Row of each link in the order by address: its address's first row of that kind, then the next ones."""
    before = np.cumsum(degree) - degree
    rows: Array = start[ip] + np.arange(len(ip)) - before[ip]
    return rows


def base_frame(
    addresses: Addresses,
    owners: dict[str, tuple[Array, Array]],
    degree: dict[str, Array],
    region: Array,
    first_ip: int,
) -> Frame:
    """Rows of s4_ip_base_6A.

    Args:
        addresses: Addresses of the partition.
        owners: Column -> positions of addresses that have such an owner, and its id.
        degree: Links by sort.
        region: Region code of each country.
        first_ip: Id of the first address.
    """
    many = len(addresses.kind)
    columns: dict[str, Array] = {}
    valid: dict[str, Array] = {}
    for name, (position, id) in owners.items():
        columns[name] = np.zeros(many, dtype=np.uint64)
        valid[name] = np.zeros(many, dtype=np.bool_)
        columns[name][position] = id
        valid[name][position] = True
    return Frame(
        {
            "ip_id": np.arange(many, dtype=np.uint64) + np.uint64(first_ip),
            "ip_type": addresses.kind,
            "asn_class": addresses.asn,
            "country_iso": addresses.country,
            "region_id": region[addresses.country],
            **columns,
            "devices": degree["devices"].astype(np.uint32),
            "links": (degree["devices"] + degree["parties"] + degree["merchants"]).astype(np.uint32),
        },
        valid,
    )
