"""Where addresses stand and who is near: metros of a partition, and the spots that serve them.

A spot is a metro with as many addresses of a kind as a device may use at most, and the smaller places that
are nearer to it than to any other such metro. A kind of which a country has too few addresses has one spot
there. So places come first, and a device's links to a spot always find different addresses.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.apportion import LARGEST_REMAINDER_NEEDS, largest_remainder
from sim.recipes.groups import prefix, run_lengths, run_offsets
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, build_alias
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

_HALF, _LOW = np.uint64(32), np.uint64(0xFFFFFFFF)
_KM = np.float64(111.195e-6)  # kilometres of a microdegree of latitude
_TURN, _HALF_TURN = np.int64(360_000_000), np.int64(180_000_000)
_ROWS = 1 << 22  # cells of a matrix of distances at a time
_PULL = np.float64(1 << 20)

SPOTS_NEEDS = Needs(
    reference=("cities",), uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, LARGEST_REMAINDER_NEEDS)
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
        north = (self.lat[first][:, None] - self.lat[second]).astype(np.float64)
        east = (self.lon[first][:, None] - self.lon[second] + _HALF_TURN) % _TURN - _HALF_TURN
        scaled = east.astype(np.float64) / self.lon_scale[first][:, None]
        distance: Array = np.sqrt(north * north + scaled * scaled) * _KM
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


def spots_of(
    ctx: Context, metros: Metros, links: Array, offices: Array, free: Array, need: Array, most: int
) -> Spots:
    """Spots of the countries of a partition.

    Addresses without an owner stand where links lack addresses: a metro's part of all addresses is that of
    its links, less those that its organisations have.

    Args:
        ctx: Context.
        metros: Metros, m.
        links: int64, m: links of the kind to addresses in or near each metro.
        offices: int64, m: addresses with an owner there that others use too.
        free: int64, by country code: addresses without an owner.
        need: int64, by country code: addresses that a spot must have.
        most: Links that an address takes; neighbours serve a spot of more, if there are any.
    """
    country = metros.country
    ends = run_offsets(country).astype(np.int64)
    lack, whole = _lack(ends, links, offices, free[country])
    able = (links > 0) & (offices + free[country] * lack // np.maximum(whole, 1) >= need[country])
    while True:
        of = _served_by(metros, ends, links, able)
        served, own = np.zeros_like(links), np.zeros_like(links)
        np.add.at(served, of, links)
        np.add.at(own, of, offices)
        placed = _placed(ctx, ends, served, own, free[country])
        # The only spot of a country takes what there is: its targets fit.
        several = _by_country(np.add, ends, able.astype(np.int64)) > 1
        short = able & several & _short(ends, served, own + placed, need[country], most)
        if not short.any():
            return Spots(of, placed)
        able &= ~short


def _by_country(sum_or_most: np.ufunc, ends: Array, values: Array) -> Array:
    """Sum or maximum over each metro's country: m."""
    if len(values) == 0:
        return values
    found: Array = np.repeat(sum_or_most.reduceat(values, ends[:-1]), np.diff(ends))
    return found


def _lack(ends: Array, links: Array, offices: Array, free: Array) -> tuple[Array, Array]:
    """Addresses that each metro lacks, in a unit of its country, and their sum there: int64, m each.

    Where nothing is lacking, links themselves.
    """
    addresses = _by_country(np.add, ends, offices) + free
    lack = np.maximum(links * addresses - offices * _by_country(np.add, ends, links), 0)
    lack = np.where(_by_country(np.add, ends, lack) > 0, lack, links)
    # Below 2**37: the product with addresses of a country (below 2**22) fits.
    lack = lack // np.maximum(_by_country(np.maximum, ends, lack) >> 36, 1)
    return lack, _by_country(np.add, ends, lack)


def _served_by(metros: Metros, ends: Array, links: Array, able: Array) -> Array:
    """Metro row of the spot that serves each metro: int64, m."""
    of = np.arange(len(links))
    for first, stop in zip(ends[:-1].tolist(), ends[1:].tolist(), strict=True):
        here = np.arange(first, stop)
        hubs = here[able[first:stop]]
        if len(hubs) < 2:
            of[first:stop] = hubs[0] if len(hubs) else first + int(np.argmax(links[first:stop]))
            continue
        rest = here[~able[first:stop]]
        step = max(_ROWS // len(hubs), 1)
        for begin in range(0, len(rest), step):
            some = rest[begin : begin + step]
            of[some] = hubs[np.argmin(metros.km(some, hubs), axis=1)]
    return of


def _placed(ctx: Context, ends: Array, served: Array, own: Array, free: Array) -> Array:
    """Addresses without an owner of each spot: int64, m."""
    placed = np.zeros_like(served)
    lack, whole = _lack(ends, served, own, free)
    some = np.flatnonzero(whole > 0)
    if len(some):
        offsets = prefix(np.diff(ends)[whole[ends[:-1]] > 0])
        units = free[some[offsets[:-1].astype(np.int64)]].astype(np.uint64)
        placed[some] = largest_remainder(ctx, lack[some].astype(np.uint64), offsets, units).astype(np.int64)
    return placed


def _short(ends: Array, served: Array, open_: Array, need: Array, most: int) -> Array:
    """Spots with fewer addresses than a device may use, and of each country the fullest that overflows."""
    pools = np.maximum(need, 1)
    held = open_ // pools * pools * most
    over = np.where(served > held, served / np.maximum(open_, 1), 0.0)
    fullest = _by_country(np.maximum, ends, over)
    found: Array = (open_ < need) | ((over > 0.0) & (over == fullest))
    return found


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
