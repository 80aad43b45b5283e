"""What devices ask for: how many addresses of each kind, and in which metros."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.recipes.groups import prefix
from sim.recipes.horizon import Horizon
from sim.recipes.words import WORDS_NEEDS, word, words
from sim.segments.entities_6a.network_tables import permille_word
from sim.segments.entities_6a.s5_network.days import DAYS_NEEDS, Days, pool_days
from sim.segments.entities_6a.s5_network.guests import Guests
from sim.segments.entities_6a.s5_network.inward import NetworkTargets
from sim.segments.entities_6a.s5_network.rows import Addresses
from sim.segments.entities_6a.s5_network.spots import SPOTS_NEEDS, Metros, elsewhere
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array

ASK, LINK, FAR, GUEST = "6A.ip_ask", "6A.ip_link", "6A.ip_far", "6A.ip_guest"

ASKING_NEEDS = Needs(
    config=("ip_place_prior_6A", "ip_prior_6A"),
    streams=(ASK, FAR, GUEST, LINK),
    kernels=("capped_share", "entity_hash", "expand_rows"),
    uses=(DAYS_NEEDS, SPOTS_NEEDS, WORDS_NEEDS),
)


@dataclass(frozen=True)
class Asking:
    """Devices of parties, in the order of their ids.

    Attributes:
        device: int64: row among all devices of the partition.
        owner: int64, never falling: row of the owner in the partition.
        parties: Parties of the partition.
        kind: int16: type of device.
        country: int16, never falling.
        metro: int64: row of the metro where the owner lives.
        private: bool: whether the owner is a RETAIL party.
        away: int64, devices x kinds: links abroad.
        address: uint64: field `device` of its address.
        cell: uint64: field `party_cell` of its address.
        life: Days on which it is used.
    """

    device: Array
    owner: Array
    parties: int
    kind: Array
    country: Array
    metro: Array
    private: Array
    away: Array
    address: Array
    cell: Array
    life: Days


@dataclass(frozen=True)
class Ground:
    """What links of all kinds are dealt on.

    Attributes:
        targets: Targets of the world.
        addresses: Addresses of the partition.
        metros: Its metros.
        office_metro: int64, one an address of premises that others use too, by country and rank: its metro.
        span: Country codes [first, stop).
        horizon: Days of the world.
        devices: Devices of the partition, terminals too: rows of guests follow.
    """

    targets: NetworkTargets
    addresses: Addresses
    metros: Metros
    office_metro: Array
    span: tuple[int, int]
    horizon: Horizon
    devices: int


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


@dataclass(frozen=True)
class Asked:
    """Links of a kind before they have an address, one element a link.

    Attributes:
        device: int64: row of the device, ascending.
        owner: int64: row of its owner; -1 for guests.
        number, far: See `Dealt.asked`.
        metro: int64: where it goes.
        order: uint64: word that puts the links of a pool in order.
        days: When.
    """

    device: Array
    owner: Array
    number: Array
    far: Array
    metro: Array
    order: Array
    days: Days


def asked_of(
    ctx: PartitionContext, ground: Ground, asking: Asking, kind: int, weight: Array, may: Array, near: Array
) -> Asked:
    """Links of the partition's own devices."""
    first, stop = ground.span
    pools, units = ground.targets.pools[first:stop, kind], ground.targets.links[first:stop, kind]
    most = int(ctx.params.ip_prior_6A.ips_per_device[ctx.vocabulary("ip_type")[kind]])
    cap = np.minimum(pools[asking.country - first], most - asking.away[:, kind])
    start, here = np.zeros(stop - first, dtype=np.uint64), np.flatnonzero(units)
    start[here] = word(ctx, ASK, ip_cell=entity_of(ctx, kind, here + first))
    offsets = np.searchsorted(asking.country, np.arange(first, stop + 1, dtype=np.int16)).astype(np.uint64)
    count = ctx.kernels.capped_share(
        offset=offsets,
        weight=weight,
        cap=np.where(may, np.maximum(cap, 0), 0).astype(np.uint32),
        units=units.astype(np.uint64),
        start=start,
    )
    source, number = ctx.kernels.expand_rows(offset=prefix(count), dims={"m": int(count.sum())})
    link = {
        "device": asking.address[source],
        "ip_type": np.full(len(source), kind),
        "link_number": number,
        "party_cell": asking.cell[source],
    }
    order, coin = words(ctx, LINK, **link)
    metro, far = _where(ctx, ground, kind, asking.metro[source], coin, link, near)
    days = pool_days(ctx, ground.horizon, kind, link, number, asking.life.take(source))
    return Asked(
        asking.device[source], asking.owner[source], number.astype(np.int64), far, metro, order, days
    )


def _where(
    ctx: PartitionContext,
    ground: Ground,
    kind: int,
    home: Array,
    coin: Array,
    link: dict[str, Array],
    near: Array,
) -> tuple[Array, Array]:
    """Metro of each link (int64), and whether it is another one than where the owner lives (bool).

    All links of a kind without a place in people's lives go to the first metro of their country.
    """
    law, name = ctx.params.ip_place_prior_6A, ctx.vocabulary("ip_type")[kind]
    if name not in law.same_metro_permille:
        return _first_metro(ground.metros)[home], np.zeros(len(home), dtype=np.bool_)
    same = permille_word(np.array([law.same_metro_permille[name]], dtype=np.int64))[0]
    far, metro = coin >= same, home.copy()
    rows = np.flatnonzero(far)
    x = word(ctx, FAR, **{field: values[rows] for field, values in link.items()})
    pull = np.bincount(home, minlength=len(ground.metros.id))
    commute = name in law.commute_km
    km = float(law.commute_km[name]) if commute else 0.0
    metro[rows] = elsewhere(ctx, ground.metros, near if commute else None, pull, km, x, home[rows])
    return metro, far


def _first_metro(metros: Metros) -> Array:
    """Row of the first metro of each one's country: int64."""
    found: Array = np.searchsorted(metros.country, metros.country)
    return found


def with_guests(ctx: PartitionContext, ground: Ground, asked: Asked, guests: Guests, kind: int) -> Asked:
    """The same with the guests of the kind after them."""
    rows = np.flatnonzero(guests.kind == kind)
    if len(rows) == 0:
        return asked
    metro = ground.metros.row(guests.country[rows], guests.metro[rows])
    if ctx.vocabulary("ip_type")[kind] not in ctx.params.ip_place_prior_6A.same_metro_permille:
        metro = _first_metro(ground.metros)[metro]
    order = word(ctx, GUEST, **{field: values[rows] for field, values in guests.fields.items()})
    days = guests.days.take(rows)
    more = {
        "device": ground.devices + rows,
        "owner": np.full(len(rows), -1, dtype=np.int64),
        "number": rows,
        "far": np.zeros(len(rows), dtype=np.bool_),
        "metro": metro,
        "order": order,
    }
    both = {name: np.concatenate((getattr(asked, name), column)) for name, column in more.items()}
    first, last = (
        np.concatenate((getattr(asked.days, one), getattr(days, one))) for one in ("first", "last")
    )
    return replace(asked, **both, days=Days(first, last))


def entity_of(ctx: PartitionContext, kind: int, country: Array) -> Array:
    """Field `ip_cell` of each country (code) and the kind: uint64."""
    names = ctx.name_hashes("ip_type")[kind]
    return ctx.field(
        "ip_cell", country_name=ctx.name_hashes("country")[country], ip_type_name=np.full(len(country), names)
    )
