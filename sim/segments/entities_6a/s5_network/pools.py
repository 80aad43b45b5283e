"""Links of devices to addresses besides their own home or premises.

For each kind of address, a country's links go to its devices by activity x affinity, and no device exceeds
its cap. A link goes to a metro: mostly the one where the device's owner lives, else another one of the
country; guests from abroad come on top where their journey took them. Metros have spots (`spots.py`), whose
links go to different pools of its addresses (link s of a spot to pool s mod P), so no device has two links to
one address. Inside a pool, addresses have lognormal sizes under their caps and at least one link each; links
are dealt to them in random order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.words import WORDS_NEEDS, block_at, word
from sim.segments.entities_6a.network_tables import integers, matrix, numbers, permille_word
from sim.segments.entities_6a.s5_network.asking import (
    ASKING_NEEDS,
    Asked,
    Asking,
    Ground,
    asked_of,
    entity_of,
    wish,
    with_guests,
)
from sim.segments.entities_6a.s5_network.days import Days
from sim.segments.entities_6a.s5_network.guests import Guests
from sim.segments.entities_6a.s5_network.spots import SPOTS_NEEDS, Spots, Supply, neighbours, spots_of
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

DEMAND, POOL = "6A.ip_demand", "6A.ip_pool"
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

IP_POOLS_NEEDS = Needs(
    config=("ip_place_prior_6A", "ip_prior_6A"),
    streams=(DEMAND, POOL),
    kernels=("capped_share", "gated_weight"),
    uses=(ASKING_NEEDS, SPOTS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Dealt:
    """Links to the addresses of one kind, address by address.

    Attributes:
        ip: int64: positions of addresses.
        degree: int64: links of each.
        device: int64, one a link: row of the device, ascending within an address; guests follow the
            partition's own devices, one row a link of theirs.
        met: int64, one a party: different addresses of the kind its devices meet in the country.
        days: When each link holds.
        spots: Where the addresses are.
        asked: One row a link, for `explain` and the checks: `number` (int32, ordinal among the device's links
            of the kind, or the guest's row), `far` (bool), `spot` (int32, row of the metro), `pool` (int32).
    """

    ip: Array
    degree: Array
    device: Array
    met: Array
    days: Days
    spots: Spots
    asked: Frame


def pool_links(
    ctx: PartitionContext, ground: Ground, asking: Asking, guests: Guests, used: Array
) -> list[Dealt]:
    """All such links of a partition, one element a kind that has some.

    Args:
        ctx: Context of the partition.
        ground: What they are dealt on.
        asking: The devices of its parties.
        guests: Links of devices from other countries.
        used: int64, one an address: devices linked to it already.
    """
    prior, (first, stop) = ctx.params.ip_prior_6A, ground.span
    at = ctx.address(DEMAND, device=asking.address, party_cell=asking.cell)
    block = block_at(ctx, at)
    sigma = np.full(len(asking.kind), float(prior.activity_sigma))
    activity = ctx.kernels.gated_weight(x=block[0], idle=np.zeros(len(sigma)), sigma=sigma).astype(np.float64)
    affinity = matrix(ctx, "device_type", "ip_type", prior.affinity)
    idle = permille_word(integers(ctx, "ip_type", prior.idle_permille))
    spread = numbers(ctx, "ip_type", prior.degree_sigma)
    cap = integers(ctx, "ip_type", prior.devices_per_ip)
    found: list[Dealt] = []
    office = ctx.code("ip_type", "CORPORATE")
    near = neighbours(ground.metros, int(ctx.params.ip_place_prior_6A.reach))
    # Draw 0 is the activity, draw 1 + kind the gate of a kind.
    ctx.ledger(at, draws=1 + len(cap))
    for kind in range(len(cap)):
        if (1 + kind) % 2 == 0:
            block = block_at(ctx, at, (1 + kind) // 2)
        if ground.targets.received[first:stop, kind].sum() == 0:
            continue
        taste = affinity[:, kind][asking.kind]
        # An organisation's devices are at work on its own premises already.
        may = (taste > 0) & asking.private if kind == office else taste > 0
        weight = wish(activity, taste, block[(1 + kind) % 2], idle[kind])
        asked = asked_of(ctx, ground, asking, kind, weight, may, near)
        asked = with_guests(ctx, ground, asked, guests, kind)
        found.append(_dealt(ctx, ground, asking, kind, asked, (spread[kind], cap[kind] - used)))
    return found


def _dealt(
    ctx: PartitionContext, ground: Ground, asking: Asking, kind: int, asked: Asked, law: tuple[float, Array]
) -> Dealt:
    """Addresses for the links of a kind."""
    many = len(ground.metros.id)
    ip, spot, free, spots = _open(ctx, ground, kind, np.bincount(asked.metro, minlength=many), law[1])
    target = spots.of[asked.metro]
    open_ = np.bincount(spot, minlength=many)
    pools = np.where(open_ > 0, ground.targets.pools[ground.metros.country, kind], 0)
    base = np.cumsum(pools) - pools
    # Links of a spot go to its pools in turn, in the order of devices: none has more than there are pools.
    links = np.bincount(target, minlength=many)
    by_spot = np.argsort(target.astype(np.int16) if many < 1 << 15 else target, kind="stable")
    place = np.arange(len(target)) - np.repeat(np.cumsum(links) - links, links)
    pool = np.empty(len(target), dtype=np.int64)
    pool[by_spot] = base[target[by_spot]] + place % np.maximum(pools[target[by_spot]], 1)
    size = np.bincount(pool, minlength=int(pools.sum()))
    # 32 random bits put the links of a pool in order; equal ones go by position.
    by_pool = np.argsort(pool.astype(np.int16) if len(size) < 1 << 15 else pool, kind="stable")
    packed = ((asked.order >> _HALF) << _HALF)[by_pool] | by_pool.astype(np.uint64)
    ctx.sort_segments(packed, prefix(size))
    dealt = (packed & _LOW).astype(np.int64)
    number = np.arange(len(ip)) - np.repeat(np.cumsum(open_) - open_, open_)
    at = base[spot] + number % pools[spot]
    ip, degree = _degrees(
        ctx, ground, kind, law, (ip, at, free), (size, np.repeat(np.arange(many), pools), base)
    )
    packed = (asked.device[dealt].astype(np.uint64) << _HALF) | dealt.astype(np.uint64)
    ctx.sort_segments(packed, prefix(degree))
    link = (packed & _LOW).astype(np.int64)
    met = _met(ctx, asked, link, np.repeat(ip, degree), asking.parties)
    rows = Frame(
        {
            "number": asked.number[link].astype(np.int32),
            "far": asked.far[link],
            "spot": target[link].astype(np.int32),
            "pool": (pool[link] - base[target[link]]).astype(np.int32),
        }
    )
    return Dealt(ip, degree, asked.device[link], met, asked.days.take(link), spots, rows)


def _open(
    ctx: PartitionContext, ground: Ground, kind: int, links: Array, room: Array
) -> tuple[Array, Array, Array, Spots]:
    """Addresses that take links: position and spot (int64), whether nobody owns them (bool); by spot.

    Within a spot, those that nobody owns come first.

    Args:
        ctx: Context.
        ground: What they are dealt on.
        kind: Of address.
        links: int64, one a metro: links there.
        room: int64, one an address: further links that it takes.
    """
    targets, metros, (first, stop) = ground.targets, ground.metros, ground.span
    many, codes = len(metros.id), np.arange(first, stop)
    offices = np.where(targets.received[first:stop, kind] > 0, targets.offices[first:stop, kind], 0)
    country = np.repeat(codes, offices)
    rank = np.arange(len(country)) - np.repeat(np.cumsum(offices) - offices, offices)
    all_before = np.cumsum(targets.offices[first:stop, kind]) - targets.offices[first:stop, kind]
    office_metro = ground.office_metro[(all_before[country - first] + rank) if len(country) else country]
    premises = ground.addresses.start[country, kind] + rank
    free = np.where(targets.received[:, kind] > 0, targets.shared[:, kind], 0)
    order = np.argsort(office_metro, kind="stable")
    premises, office_metro = premises[order], office_metro[order]
    cap = int(ctx.params.ip_prior_6A.devices_per_ip[ctx.vocabulary("ip_type")[kind]])
    supply = Supply(office_metro, room[premises], free, targets.pools[:, kind], cap)
    spots = spots_of(ctx, metros, links, supply)
    place = np.repeat(np.arange(many), spots.free)
    owner = metros.country[place]
    ahead = np.arange(len(place)) - np.searchsorted(owner, owner)
    ip = ground.addresses.start[owner, kind] + targets.offices[owner, kind] + ahead
    spot = np.concatenate((place, spots.of[office_metro]))
    nobody = np.arange(len(spot)) < len(place)
    order = np.argsort(spot, kind="stable")
    return np.concatenate((ip, premises))[order], spot[order], nobody[order], spots


def _degrees(
    ctx: PartitionContext,
    ground: Ground,
    kind: int,
    law: tuple[float, Array],
    open_: tuple[Array, Array, Array],
    groups: tuple[Array, Array, Array],
) -> tuple[Array, Array]:
    """Addresses in the order of pools, and the links each gets: int64 each."""
    (sigma, capacity), (ip, pool, free), (size, spot, base) = law, open_, groups
    order = np.argsort(pool, kind="stable")
    ip, pool = ip[order], pool[order]
    # Premises have their owner's link; any other address gets one first, the rest goes by size.
    sure = free[order].astype(np.int64)
    rest = size.copy()
    np.subtract.at(rest, pool, sure)
    start = np.zeros(len(size), dtype=np.uint64)
    here = np.flatnonzero(size)
    where = spot[here]
    start[here] = word(
        ctx,
        POOL,
        metro_id=ground.metros.id[where],
        pool=here - base[where],
        ip_cell=entity_of(ctx, kind, ground.metros.country[where]),
    )
    weight = ctx.kernels.gated_weight(
        x=ground.addresses.size_word[ip], idle=np.zeros(len(ip)), sigma=np.full(len(ip), float(sigma))
    )
    cap = np.maximum(capacity[ip] - sure, 0)
    more = ctx.kernels.capped_share(
        offset=prefix(np.bincount(pool, minlength=len(size))),
        weight=weight,
        cap=cap.astype(np.uint32),
        units=rest.astype(np.uint64),
        start=start,
    )
    return ip, more.astype(np.int64) + sure


def _met(ctx: PartitionContext, asked: Asked, link: Array, ip: Array, parties: int) -> Array:
    """Different addresses that the devices of each party meet: int64."""
    own = int((asked.owner >= 0).sum())
    meets = np.empty(len(link), dtype=np.uint64)
    meets[link] = ip.astype(np.uint64)
    meets, owner = meets[:own], asked.owner[:own]
    ctx.sort_segments(meets, prefix(np.bincount(owner, minlength=parties)))
    new = np.ones(own, dtype=np.bool_)
    new[1:] = (meets[1:] != meets[:-1]) | (owner[1:] != owner[:-1])
    return np.bincount(owner[new], minlength=parties)
