"""Links of parties' devices to addresses besides their own home or premises.

For each kind of address, a country's links go to its devices by activity x affinity, and no device exceeds
its cap. A device's links go to different pools of the country's addresses (link s of a country to pool
s mod P), so no device has two links to one address. Inside a pool, addresses have lognormal sizes under
their caps and at least one link each; links are dealt to them in random order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.words import WORDS_NEEDS, block_at, word, words
from sim.segments.entities_6a.network_tables import integers, matrix, numbers, permille_word
from sim.segments.entities_6a.s5_network.rows import Addresses
from sim.segments.entities_6a.s5_network.targets import IpTargets
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

DEMAND, START, LINK = "6A.ip_demand", "6A.ip_start", "6A.ip_link"
_UNITS = np.float64(1 << 20)
_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)

IP_POOLS_NEEDS = Needs(
    config=("ip_prior_6A",),
    streams=(DEMAND, LINK, START),
    kernels=("capped_share", "expand_rows", "gated_weight"),
    uses=(WORDS_NEEDS,),
)


@dataclass(frozen=True)
class Dealt:
    """Links to the addresses of one kind, address by address.

    Attributes:
        ip: int64: positions of addresses.
        degree: int64: links of each.
        device: int64, one a link: row of the device, ascending within an address.
        met: int64, one a party: different addresses of the kind its devices meet.
    """

    ip: Array
    degree: Array
    device: Array
    met: Array


@dataclass(frozen=True)
class Asking:
    """Devices of parties, in the order of their ids.

    Attributes:
        device: int64: row among all devices of the partition.
        owner: int64, never falling: row of the owner in the partition.
        parties: Parties of the partition.
        kind: int16: type of device.
        country: int16, never falling.
        private: bool: whether the owner is a RETAIL party.
        address: uint64: field `device` of its address.
        cell: uint64: field `party_cell` of its address.
    """

    device: Array
    owner: Array
    parties: int
    kind: Array
    country: Array
    private: Array
    address: Array
    cell: Array


def pool_links(
    ctx: PartitionContext,
    targets: IpTargets,
    addresses: Addresses,
    asking: Asking,
    used: Array,
    span: tuple[int, int],
) -> list[Dealt]:
    """All such links of a partition, one element a kind that has some.

    Args:
        ctx: Context of the partition.
        targets: Targets of the world.
        addresses: Addresses of the partition.
        asking: Its parties' devices.
        used: int64, one an address: devices linked to it already.
        span: Country codes [first, stop).
    """
    prior = ctx.params.ip_prior_6A
    at = ctx.address(DEMAND, device=asking.address, party_cell=asking.cell)
    block = block_at(ctx, at)
    sigma = np.full(len(asking.kind), float(prior.activity_sigma))
    activity = ctx.kernels.gated_weight(x=block[0], idle=np.zeros(len(sigma)), sigma=sigma).astype(np.float64)
    affinity = matrix(ctx, "device_type", "ip_type", prior.affinity)
    idle = permille_word(integers(ctx, "ip_type", prior.idle_permille))
    spread = numbers(ctx, "ip_type", prior.degree_sigma)
    cap = integers(ctx, "ip_type", prior.devices_per_ip)
    offsets = np.searchsorted(asking.country, np.arange(span[0], span[1] + 1, dtype=np.int16)).astype(
        np.uint64
    )
    found: list[Dealt] = []
    office = ctx.code("ip_type", "CORPORATE")
    # Draw 0 is the activity, draw 1 + kind the gate of a kind.
    ctx.ledger(at, draws=1 + len(cap))
    for kind in range(len(cap)):
        if (1 + kind) % 2 == 0:
            block = block_at(ctx, at, (1 + kind) // 2)
        if targets.links[span[0] : span[1], kind].sum() == 0:
            continue
        taste = affinity[:, kind][asking.kind]
        # An organisation's devices are at work on its own premises already.
        may = (taste > 0) & asking.private if kind == office else taste > 0
        weight = wish(activity, taste, block[(1 + kind) % 2], idle[kind])
        found.append(
            _links_of_kind(
                ctx,
                targets,
                addresses,
                asking,
                kind,
                (offsets, weight, may),
                (spread[kind], cap[kind] - used),
                span,
            )
        )
    return found


def wish(activity: Array, taste: Array, gate: Array, idle: np.uint64) -> Array:
    """Weight of each device for its country's links to a kind of address: uint64, n, at least 1.

    Args:
        activity: float64, n: how active the device is.
        taste: float64, n: affinity of its type to the kind.
        gate: uint64, n: word that decides whether it uses the kind.
        idle: It does not use the kind if the word is below this.
    """
    weight = np.maximum(np.floor(activity * taste), 1.0).astype(np.uint64)
    return np.where(gate < idle, np.uint64(1), weight)


def _links_of_kind(
    ctx: PartitionContext,
    targets: IpTargets,
    addresses: Addresses,
    asking: Asking,
    kind: int,
    wants: tuple[Array, Array, Array],
    law: tuple[float, Array],
    span: tuple[int, int],
) -> Dealt:
    offsets, weight, may = wants
    first, stop = span
    pools, units = targets.pools[first:stop, kind], targets.links[first:stop, kind]
    country = asking.country.astype(np.int64) - first
    entity = _entity_of(addresses, targets, kind, span)
    # Draw 0 of pool 0 begins the devices' shares.
    start, _ = block_at(ctx, ctx.address(START, pool=0, ip_cell=entity))
    count = ctx.kernels.capped_share(
        offset=offsets,
        weight=weight,
        cap=np.where(may, pools[country], 0).astype(np.uint32),
        units=units.astype(np.uint64),
        start=start,
    )
    slots = prefix(count)
    total = int(slots[-1])
    source, ordinal = ctx.kernels.expand_rows(offset=slots, dims={"m": total})
    place = country[source]
    before = np.cumsum(units) - units
    widest = int(pools.max())
    pool = place * widest + (np.arange(total) - before[place]) % pools[place]
    x = word(
        ctx,
        LINK,
        device=asking.address[source],
        ip_type=kind,
        link_number=ordinal,
        party_cell=asking.cell[source],
    )
    # 32 random bits put the links of a pool in order; equal ones go by position.
    order = np.argsort(pool.astype(np.int16) if len(pools) * widest < 1 << 15 else pool, kind="stable")
    packed = ((x >> _HALF) << _HALF)[order] | order.astype(np.uint64)
    size = np.bincount(pool, minlength=len(pools) * widest)
    ctx.sort_segments(packed, prefix(size))
    dealt = packed & _LOW
    ip, degree = _degrees(ctx, targets, addresses, kind, law, (size, entity, widest), span)
    device = asking.device[source[dealt]].astype(np.uint64)
    ctx.sort_segments(device, prefix(degree))
    # Back in the order of devices, hence of owners: what each party meets.
    meets = np.empty(total, dtype=np.uint64)
    meets[dealt] = np.repeat(ip.astype(np.uint64), degree)
    owner = asking.owner[source]
    ctx.sort_segments(meets, prefix(np.bincount(owner, minlength=asking.parties)))
    new = np.ones(total, dtype=np.bool_)
    new[1:] = (meets[1:] != meets[:-1]) | (owner[1:] != owner[:-1])
    return Dealt(ip, degree, device.astype(np.int64), np.bincount(owner[new], minlength=asking.parties))


def _entity_of(addresses: Addresses, targets: IpTargets, kind: int, span: tuple[int, int]) -> Array:
    """Entity of (country, kind) for each country of the span: uint64; 0 if it has no such address."""
    entity = np.zeros(span[1] - span[0], dtype=np.uint64)
    here = np.flatnonzero(targets.addresses[span[0] : span[1], kind])
    entity[here] = addresses.entity[addresses.start[here + span[0], kind]]
    return entity


def _degrees(
    ctx: PartitionContext,
    targets: IpTargets,
    addresses: Addresses,
    kind: int,
    law: tuple[float, Array],
    groups: tuple[Array, Array, int],
    span: tuple[int, int],
) -> tuple[Array, Array]:
    """Addresses in the order country, pool, rank, and the links each gets: int64 each."""
    (sigma, capacity), (size, entity, widest), (first, stop) = law, groups, span
    open_ = (targets.offices + targets.shared)[first:stop, kind]
    open_ = np.where(targets.links[first:stop, kind] > 0, open_, 0)
    place = np.repeat(np.arange(stop - first), open_)
    rank = np.arange(len(place)) - np.repeat(np.cumsum(open_) - open_, open_)
    pools = np.maximum(targets.pools[first:stop, kind], 1)
    pool = place * widest + rank % pools[place]
    order = np.argsort(pool, kind="stable")
    place, rank = place[order], rank[order]
    ip = addresses.start[place + first, kind] + rank
    # Premises have their owner's link; any other address gets one first, the rest goes by size.
    sure = (rank >= targets.offices[first:stop, kind][place]).astype(np.int64)
    nodes = np.bincount(pool, minlength=len(size))
    bounds = prefix(nodes)
    rest = size.copy()
    np.subtract.at(rest, pool[order], sure)
    start = np.zeros(len(size), dtype=np.uint64)
    here = np.flatnonzero(size)
    _, start[here] = words(ctx, START, pool=here % widest, ip_cell=entity[here // widest])
    weight = ctx.kernels.gated_weight(
        x=addresses.size_word[ip], idle=np.zeros(len(ip)), sigma=np.full(len(ip), float(sigma))
    )
    more = ctx.kernels.capped_share(
        offset=bounds,
        weight=weight,
        cap=np.maximum(capacity[ip] - sure, 0).astype(np.uint32),
        units=rest.astype(np.uint64),
        start=start,
    )
    return ip, more.astype(np.int64) + sure
