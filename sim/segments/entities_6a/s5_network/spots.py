"""Where addresses stand and who is near: metros of a partition, and the spots that serve them.

A spot is a metro with as many addresses of a kind as a device may use at most, and the smaller places that
are nearer to it than to any other such metro. A kind of which a country has too few addresses has one spot
there. So places come first, and a device's links to a spot always find different addresses with room for
them (`room.py`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_lengths, run_offsets
from sim.recipes.nearest import squared_distance
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.segments.entities_6a.s5_network.room import least_free, least_room
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_KM = np.float64(111.195e-6)  # kilometres of a microdegree of latitude
_ROWS = 1 << 22  # cells of a matrix of distances at a time
_PULL = np.float64(1 << 20)
_MIDDLE = np.uint64(1 << 63)

SPOTS_NEEDS = Needs(
    reference=("cities",), kernels=("capped_share",), uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS)
)


@dataclass(frozen=True)
class Metros:
    """Metros of some countries where somebody or something is, sorted by country and id.

    Attributes:
        country: int64, m: codes.
        id: uint32, m.
        lat, lon: int64, m: microdegrees of the principal city.
        lon_scale: float64, m: degrees of longitude in the length of one of latitude.
    """

    country: Array
    id: Array
    lat: Array
    lon: Array
    lon_scale: Array

    def row(self, country: Array, metro: Array) -> Array:
        """Row of each (country, metro): int64; each must be here."""
        rows: Array = np.searchsorted(_key(self.country, self.id), _key(country, metro))
        return rows

    def km(self, first: Array, second: Array) -> Array:
        """Kilometres between rows `first` (n) and rows `second` (k), as on a plain: float64, n x k."""
        return self.km_to(first, second[None, :])

    def km_to(self, first: Array, second: Array) -> Array:
        """Kilometres from each of n rows to rows of its own (int64, n x k, or 1 x k): float64, n x k."""
        square = squared_distance(
            self.lat[first][:, None] - self.lat[second],
            self.lon[first][:, None] - self.lon[second],
            self.lon_scale[first][:, None],
        )
        distance: Array = np.sqrt(square) * _KM
        return distance


def _key(country: Array, metro: Array) -> Array:
    return (country.astype(np.uint64) << _HALF) | metro.astype(np.uint64)


def metros_of(ctx: Context, places: list[tuple[Array, Array]]) -> Metros:
    """All metros among these.

    Args:
        ctx: Context.
        places: Pairs of country codes and metro ids.
    """
    keys = np.unique(np.concatenate([_key(country, metro) for country, metro in places]))
    id = (keys & _LOW).astype(np.uint32)
    cities = ctx.reference("cities")
    order = np.argsort(cities.city_id, kind="stable")
    row = order[np.searchsorted(cities.city_id[order], id)]
    lat, lon = cities.lat_udeg[row].astype(np.int64), cities.lon_udeg[row].astype(np.int64)
    return Metros((keys >> _HALF).astype(np.int64), id, lat, lon, cities.lon_scale[row])


@dataclass(frozen=True)
class Spots:
    """Spots of one kind of address.

    Attributes:
        of: int64, m: metro row of the spot that serves each metro.
        free: int64, m: addresses without an owner that stand in each metro; spots only have some.
    """

    of: Array
    free: Array


@dataclass(frozen=True)
class Supply:
    """Addresses of one kind in some countries.

    Attributes:
        metro: int64, o, never falling: metro row of each address with an owner that others use too.
        room: int64, o: links that it still takes.
        free: int64, by country code: addresses without an owner, at most the links of the country and at
            least `least_free` of them.
        pools: int64, by country code: pools of a spot, at least 1 where there are links.
        cap: Links that an address without an owner takes.
    """

    metro: Array
    room: Array
    free: Array
    pools: Array
    cap: int


def spots_of(ctx: Context, metros: Metros, links: Array, supply: Supply) -> Spots:
    """Spots of the countries of a partition.

    A metro is a spot if it has as many owned addresses as there are pools, or its share of all addresses is
    as many. What a spot needs (`room.py`) it has; the rest goes where owned addresses are fewest for the
    links.

    Args:
        ctx: Context with kernel `capped_share`.
        metros: Metros, m.
        links: int64, m: links of the kind to addresses in or near each metro.
        supply: Addresses.
    """
    many, of, need = len(links), np.arange(len(links)), np.zeros_like(links)
    ends = run_offsets(metros.country).astype(np.int64)
    for first, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        if links[first:stop].any():
            of[first:stop], need[first:stop] = _country_spots(metros, links, supply, first, stop)
    served, owned = np.zeros_like(links), np.bincount(of[supply.metro], minlength=many)
    np.add.at(served, of, links)
    start = ends[:-1]
    code = metros.country[start]
    total, kept = (np.add.reduceat(values, start) if many else values for values in (served, need))
    units = np.where(total > 0, supply.free[code] - kept, 0)
    each = np.diff(ends)
    addresses = np.repeat(supply.free[code] + (np.add.reduceat(owned, start) if many else owned), each)
    lacking = np.maximum(addresses * served - (owned + need) * np.repeat(total, each), 0)
    more = ctx.kernels.capped_share(
        offset=ends.astype(np.uint64),
        weight=(lacking + served).astype(np.uint64),
        cap=(served - need).astype(np.uint32),
        units=units.astype(np.uint64),
        start=np.full(len(units), _MIDDLE),
    )
    return Spots(of, need + more.astype(np.int64))


def _country_spots(
    metros: Metros, links: Array, supply: Supply, first: int, stop: int
) -> tuple[Array, Array]:
    """Spot of each metro row in [first, stop), and the free addresses that each needs: int64.

    While the needs of the spots are more than the country has, the smaller half of those that need some is
    given up. A single spot never needs more (`room.py`).
    """
    country = int(metros.country[first])
    free, pools = int(supply.free[country]), int(supply.pools[country])
    mine = slice(*np.searchsorted(supply.metro, (first, stop)).tolist())
    at, room = supply.metro[mine] - first, supply.room[mine]
    size = stop - first
    here, load = np.arange(size), links[first:stop]
    owned, total = np.bincount(at, minlength=size), int(load.sum())
    hub = (load > 0) & (np.maximum(owned, (len(at) + free) * load // total) >= pools)
    hub[int(np.argmax(load))] |= not hub.any()
    width = np.full(size, pools)
    while True:
        of, hubs = here.copy(), np.flatnonzero(hub)
        rest = np.flatnonzero(~hub)
        step = max(_ROWS // len(hubs), 1)
        for begin in range(0, len(rest), step):
            some = rest[begin : begin + step]
            of[some] = hubs[np.argmin(metros.km(some + first, hubs + first), axis=1)]
        served = np.zeros(size, dtype=np.int64)
        np.add.at(served, of, load)
        order = np.argsort(of[at], kind="stable")
        enough = least_room(of[at][order], room[order], width, size) >= -(-served // pools)
        need = np.where(enough, 0, least_free(served, width, supply.cap))
        if int(need.sum()) <= free or len(hubs) == 1:
            return of + first, need
        poor = np.flatnonzero(need)
        poor = poor[np.argsort(load[poor], kind="stable")]
        hub[poor[: max(min(len(poor) // 2, len(hubs) - 1), 1)]] = False


def elsewhere(
    ctx: Context, metros: Metros, near: Array | None, links: Array, km: float, words: Array, home: Array
) -> Array:
    """Another metro of the country for each of n devices: int64 rows; their own where there is no other.

    Args:
        ctx: Context.
        metros: Metros, m.
        near: int64, m x k: each one's nearest others, from `neighbours`; None for all of the country.
        links: int64, m: links that each metro has itself: its pull.
        km: Distance at which a pull is halved; unused without `near`.
        words: uint64, n.
        home: int64, n: their own metros.
    """
    if len(home) == 0:
        return home
    if near is None:
        offsets = run_offsets(metros.country)
        weight = links.astype(np.uint64)
        size = run_lengths(offsets)
        idle = np.add.reduceat(weight, offsets[:-1].astype(np.int64)) == 0
        weight = np.where(np.repeat(idle, size), np.uint64(1), weight)
        group = np.repeat(np.arange(len(size)), size)[home]
        return build_alias(ctx, offsets, weight).pick(ctx, words, group)
    used, place = np.unique(home, return_inverse=True)
    other = near[used]
    distance = metros.km_to(used, other)
    ratio = distance / np.float64(km)
    weight = np.floor(links[other].astype(np.float64) * (_PULL / (1.0 + ratio * ratio))).astype(np.uint64)
    weight[other == used[:, None]] = 0
    weight[weight.sum(axis=1) == 0, 0] = 1
    offsets = np.arange(len(used) + 1, dtype=np.uint64) * np.uint64(other.shape[1])
    found: Array = other.ravel()[build_alias(ctx, offsets, weight.ravel()).pick(ctx, words, place)]
    return found


def neighbours(metros: Metros, reach: int) -> Array:
    """The nearest other metros of each one's country: int64, m x reach; itself where there are fewer."""
    many = len(metros.country)
    near = np.repeat(np.arange(many)[:, None], reach, axis=1)
    ends = run_offsets(metros.country).astype(np.int64)
    for first, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        here, width = np.arange(first, stop), min(reach, stop - first - 1)
        if width == 0:
            continue
        step = max(_ROWS // len(here), 1)
        for begin in range(0, len(here), step):
            some = here[begin : begin + step]
            distance = metros.km(some, here)
            distance[np.arange(len(some)), some - first] = np.inf
            near[some, :width] = here[np.argsort(distance, axis=1, kind="stable")[:, :width]]
    return near
