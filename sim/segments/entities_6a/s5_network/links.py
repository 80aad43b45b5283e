"""From pairs of addresses and their users to the published tables of links and addresses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.segments.entities_6a.link_rules import IP_IDS, LINK_RULES_NEEDS, ip_demands
from sim.segments.entities_6a.s5_network.days import OPEN, Days
from sim.segments.entities_6a.s5_network.numbers import Numbers
from sim.segments.entities_6a.s5_network.places import Atlas
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
        renewed: int64, one an address: position of the one that its home has after it, -1 for none.
        lines: Days of each address that somebody owns.
        hub_device: int64, h: devices that use an address of their circle ...
        hub_ip: int64, h: ... this one.
        hub_days: When.
        life: Days on which each device of the partition is used.
    """

    own: Array
    dealt: list[Dealt]
    party_ip: Array
    merchant_ip: Array
    merchant: Array
    renewed: Array
    lines: Days
    hub_device: Array
    hub_ip: Array
    hub_days: Days
    life: Days

    def movers(self) -> tuple[Array, Array]:
        """Devices with a second address, as `second`; not those that ended on the first."""
        rows, after = self.second(self.own)
        stays = self.life.last[rows] >= self.lines.first[after]
        return rows[stays], after[stays]

    def second(self, ip: Array) -> tuple[Array, Array]:
        """Who has a second address: int64 rows, ascending by it, and the address of each.

        Args:
            ip: int64, n: first address of each row.
        """
        rows = np.flatnonzero(self.renewed[ip] >= 0)
        order = rows[_by_address(self.renewed[ip[rows]])]
        return order, self.renewed[ip[order]]


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
        ids: `device_id` and `owner_party_id` (0 for terminals) by row of the device, guests' after the
            partition's own; `party_id` by row of the party.
        first_ip: Id of the first address.
    """
    many = len(addresses.kind)
    own = np.bincount(np.concatenate((users.own, users.hub_ip)), minlength=many)
    mover, new_home = users.movers()
    member, new_line = users.second(users.party_ip)
    devices = own + np.bincount(new_home, minlength=many)
    for dealt in users.dealt:
        devices[dealt.ip] += dealt.degree
    parties = np.concatenate((np.arange(len(users.party_ip)), member))
    party_ip = np.concatenate((users.party_ip, new_line))
    degree = {
        "devices": devices,
        "parties": np.bincount(party_ip, minlength=many),
        "merchants": np.bincount(users.merchant_ip, minlength=many),
    }
    links = degree["devices"] + degree["parties"] + degree["merchants"]
    start = np.cumsum(links) - links
    total = int(links.sum())
    role = np.repeat(device_roles(ctx)[addresses.kind], links)
    columns = {name: np.zeros(total, dtype=np.uint64) for name in IP_IDS}
    first, last = np.zeros(total, dtype=np.int32), np.zeros(total, dtype=np.int32)
    held = np.concatenate((np.arange(len(users.own)), mover, users.hub_device))
    home = np.concatenate((users.own, new_home, users.hub_ip))
    lined = np.concatenate((users.own, new_home))
    days = Days(
        np.concatenate((users.lines.first[lined], users.hub_days.first)),
        np.concatenate((users.lines.last[lined], users.hub_days.last)),
    ).inside(users.life.take(held))
    order = _by_address(home)
    held, home = held[order], home[order]
    rows = _rows(home, np.bincount(home, minlength=many), start)
    columns["device_id"][rows], columns["party_id"][rows] = (
        ids["device_id"][held],
        ids["owner_party_id"][held],
    )
    first[rows], last[rows] = days.first[order], days.last[order]
    for dealt in users.dealt:
        rows = np.repeat(
            start[dealt.ip] + own[dealt.ip] - (np.cumsum(dealt.degree) - dealt.degree), dealt.degree
        )
        rows += np.arange(len(rows))
        columns["device_id"][rows], columns["party_id"][rows] = (
            ids["device_id"][dealt.device],
            ids["owner_party_id"][dealt.device],
        )
        first[rows], last[rows] = dealt.days.first, dealt.days.last
    order = _by_address(party_ip)
    parties, party_ip = parties[order], party_ip[order]
    rows = _rows(party_ip, degree["parties"], start + degree["devices"])
    columns["party_id"][rows] = ids["party_id"][parties]
    role[rows] = ctx.code("ip_link_role", "PARTY_HOME_IP")
    first[rows], last[rows] = users.lines.first[party_ip], users.lines.last[party_ip]
    rows = _rows(users.merchant_ip, degree["merchants"], start + degree["devices"] + degree["parties"])
    columns["merchant_id"][rows] = users.merchant
    role[rows] = ctx.code("ip_link_role", "MERCHANT_IP")
    first[rows], last[rows] = users.lines.first[users.merchant_ip], users.lines.last[users.merchant_ip]
    demands = ip_demands(ctx)
    present = {name: demands[:, position][role] for position, name in enumerate(IP_IDS)}
    present["party_id"] &= columns["party_id"] > 0  # a terminal is a merchant's: no party owns it
    columns["party_id"][~present["party_id"]] = 0
    ended = last != OPEN
    present["valid_to"] = ended
    frame = Frame(
        {
            "ip_id": np.repeat(np.arange(many, dtype=np.uint64) + np.uint64(first_ip), links),
            "link_no": (np.arange(total) - np.repeat(start, links) + 1).astype(np.uint32),
            "link_role": role,
            **columns,
            "valid_from": first,
            "valid_to": np.where(ended, last, np.int32(0)),
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
    where: tuple[Atlas, Array, Numbers],
    first_ip: int,
) -> Frame:
    """Rows of s4_ip_base_6A.

    Args:
        addresses: Addresses of the partition.
        owners: Column -> positions of addresses that have such an owner, and its id.
        degree: Links by sort.
        region: Region code of each country.
        where: Cities of the snapshot; the city of each address; what the addresses are called.
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
    atlas, city, numbers = where
    row = np.searchsorted(atlas.id, city)
    return Frame(
        {
            "ip_id": np.arange(many, dtype=np.uint64) + np.uint64(first_ip),
            "ip_type": addresses.kind,
            "ip_address": numbers.text,
            "ip_prefix": numbers.prefix,
            "ip_version": numbers.version,
            "asn": numbers.asn,
            "asn_class": addresses.asn,
            "country_iso": addresses.country,
            "region_id": region[addresses.country],
            "metro_id": atlas.metro[row],
            "city_id": city,
            "lat_deg": atlas.lat[row],
            "lon_deg": atlas.lon[row],
            **columns,
            "devices": degree["devices"].astype(np.uint32),
            "links": (degree["devices"] + degree["parties"] + degree["merchants"]).astype(np.uint32),
        },
        valid,
    )
