"""Addresses that members of a circle use together: a few of their leader's, of the kinds it likes.

Nobody's links are taken away: members get one or two links more.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.segments.entities_6a.circle_members import CIRCLE_ROWS_NEEDS, CircleRows
from sim.segments.entities_6a.network_tables import integers
from sim.segments.entities_6a.s5_network.days import OPEN, Days
from sim.segments.entities_6a.s5_network.pools import Dealt
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

PLACELESS = ("VPN_PROXY", "DATACENTRE")
"""Kinds of addresses that one uses from anywhere."""
MOST = 3
"""Most hubs of a circle; a member uses two of them at most."""

HUBS_NEEDS = Needs(config=("circles_6A", "ip_prior_6A"), uses=(CIRCLE_ROWS_NEEDS,))


def _choices(ctx: Context) -> Array:
    """Rank of a kind of address among those a kind of circle likes, -1: none: int64, circles x addresses."""
    kinds = ctx.params.circles_6A.kinds
    table = np.full((len(ctx.vocabulary("circle_kind")), len(ctx.vocabulary("ip_type"))), -1, dtype=np.int64)
    for name, law in kinds.items():
        for rank, kind in enumerate(law.hub_ip_types):
            table[ctx.code("circle_kind", name), ctx.code("ip_type", kind)] = rank
    return table


def hub_links(
    ctx: Context,
    circles: CircleRows,
    owner: Array,
    private: Array,
    ip_kind: Array,
    own: Array,
    dealt: list[Dealt],
    used: Array,
) -> tuple[Array, Array, Array]:
    """Further links of members: no party meets an address twice.

    Returns:
        Rows of devices and positions of addresses (int64 each), and the day on which the circle began
        (int32).

    Args:
        ctx: Context of 6A.S5.
        circles: Circles of the partition.
        owner: int64, d: row of each device's owner, -1 for terminals; never falls but for these.
        private: bool, n: whether a party is a private person.
        ip_kind: int16, a: kind of each address.
        own: int64, d: home, premises or site of each device.
        dealt: Links of devices to other addresses.
        used: int64, a: devices linked to each address.
    """
    led = np.flatnonzero(circles.led)
    heads = circles.party[run_starts(circles.circle)][led] if len(led) else led
    circle_led = np.full(len(private), -1, dtype=np.int64)
    circle_led[heads] = led
    device = np.full(len(private), -1, dtype=np.int64)
    mine = np.flatnonzero(owner >= 0)
    first = mine[run_starts(owner[mine])]
    device[owner[first]] = first
    hub, circle = _hubs(ctx, circles, circle_led, owner, ip_kind, own, dealt)
    if len(hub) == 0:
        return hub, hub, hub.astype(np.int32)
    # Hubs of a circle are adjacent: a member takes one in turn, every third member the next one too.
    begin = np.searchsorted(circle, np.arange(len(circles.size)))
    count = np.bincount(circle, minlength=len(circles.size))
    follows = np.flatnonzero((count[circles.circle] > 0) & ~np.isin(circles.party, heads))
    turn = circles.place[follows]
    more = follows[(turn % 3 == 0) & (count[circles.circle[follows]] > 1)]
    member = np.concatenate((follows, more))
    step = np.concatenate((turn, circles.place[more] + 1))
    at = hub[begin[circles.circle[member]] + step % count[circles.circle[member]]]
    party = circles.party[member]
    office = ctx.code("ip_type", "CORPORATE")
    anywhere = np.isin(ip_kind[at], [ctx.code("ip_type", name) for name in PLACELESS])
    may = (
        (anywhere | circles.in_metro[member])
        & (private[party] | (ip_kind[at] != office))
        & (device[party] >= 0)
    )
    party, at = party[may], at[may]
    party, at = _new(party, at, owner, own, dealt, len(private))
    # An address takes as many as its kind allows.
    order = np.argsort(at, kind="stable")
    party, at = party[order], at[order]
    rank = np.arange(len(at)) - np.searchsorted(at, at)
    fits = used[at] + rank < integers(ctx, "ip_type", ctx.params.ip_prior_6A.devices_per_ip)[ip_kind[at]]
    since = circles.start[circles.of_party(len(private))[party[fits]]]
    return device[party[fits]], at[fits], since


def hub_days(since: Array, line: Days, owned: Array) -> Days:
    """Days of links to hubs: those of an address that somebody owns, or from the circle's beginning on.

    Args:
        since: int32, h: day on which the circle began.
        line: Days of the addresses.
        owned: bool, h: whether somebody owns the address.
    """
    first = np.where(owned, line.first, since).astype(np.int32)
    return Days(first, np.where(owned, line.last, OPEN).astype(np.int32))


def successors(devices: Frame) -> Array:
    """Row of each device's successor, -1 for none: int64, d.

    Args:
        devices: Rows of s4_device_base_6A of whole countries.
    """
    rows = np.flatnonzero(devices.present("predecessor_device_id"))
    found = np.full(len(devices), -1, dtype=np.int64)
    found[(devices.predecessor_device_id[rows] - devices.device_id[:1]).astype(np.int64)] = rows
    return found


def in_use(device: Array, life: Days, days: Days, after: Array) -> Array:
    """The same devices, or their successors where those are in use when a link begins: int64, h.

    Args:
        device: int64, h: rows of devices.
        life: Of all devices.
        days: Of the links.
        after: int64, one a device: row of its successor.
    """
    over = np.flatnonzero(life.last[device] < days.first)
    found = device.copy()
    found[over] = after[device[over]]
    return found


def _hubs(
    ctx: Context,
    circles: CircleRows,
    circle_led: Array,
    owner: Array,
    ip_kind: Array,
    own: Array,
    dealt: list[Dealt],
) -> tuple[Array, Array]:
    """Positions of the hubs and their circles, in the order of the circles: int64 each."""
    lead = np.flatnonzero((owner >= 0) & (circle_led[np.maximum(owner, 0)] >= 0))
    is_lead = np.zeros(len(owner), dtype=np.bool_)
    is_lead[lead] = True
    device, ip = [lead], [own[lead]]
    for links in dealt:
        mine = links.device < len(owner)
        rows = np.flatnonzero(mine)
        rows = rows[is_lead[links.device[rows]]]
        device.append(links.device[rows])
        ends = np.cumsum(links.degree)
        ip.append(links.ip[np.searchsorted(ends, rows, side="right")])
    who, where = circle_led[owner[np.concatenate(device)]], np.concatenate(ip)
    rank = _choices(ctx)[circles.kind[who], ip_kind[where]]
    liked = np.flatnonzero(rank >= 0)
    who, where, rank = who[liked], where[liked], rank[liked]
    order = np.lexsort((where, rank, who))
    who, where = who[order], where[order]
    once = run_starts(who, where)
    who, where = who[once], where[once]
    starts = run_starts(who)
    place = np.arange(len(who)) - np.repeat(starts, np.diff(np.append(starts, len(who))))
    wanted = 1 + np.minimum(circles.size[who] // 5, MOST - 1)
    kept = place < wanted
    return where[kept], who[kept]


def _new(
    party: Array, at: Array, owner: Array, own: Array, dealt: list[Dealt], parties: int
) -> tuple[Array, Array]:
    """Pairs of parties and addresses that have not met yet, each once."""
    span = np.int64(parties + 1)
    pairs = np.unique(at * span + party)
    hubs = np.unique(at)
    known = []
    mine = np.flatnonzero(owner >= 0)
    here = mine[np.isin(own[mine], hubs)]
    known.append(own[here] * span + owner[here])
    for links in dealt:
        inside = np.flatnonzero(np.isin(links.ip, hubs))
        if len(inside) == 0:
            continue
        before = np.cumsum(links.degree) - links.degree
        size = links.degree[inside]
        rows = np.repeat(before[inside] - (np.cumsum(size) - size), size) + np.arange(int(size.sum()))
        met = np.repeat(links.ip[inside], size)
        own_device = links.device[rows] < len(owner)
        known.append(met[own_device] * span + owner[links.device[rows[own_device]]])
    pairs = pairs[~np.isin(pairs, np.concatenate(known))]
    return pairs % span, pairs // span
