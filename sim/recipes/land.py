"""Points on land: a point of a city's disk that lies in the sea is drawn again.

The sea is that of the reference table `land_edges`, a grid of 30 arc seconds. A grid knows neither piers nor
islets below its cells, so 0.7 % of the cities have their very centre in its sea.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.recipes.drawn import NORMAL, UNIFORM, Word
from sim.recipes.places import DISK_NEEDS, MICRO, Cities
from sim.recipes.words import WORDS_NEEDS, block_at
from sim.state.addressed import Address
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import Check, Needs
from sim.state.frames import Array, Frame
from sim.state.totals import Totals

_CELLS_A_DEGREE, _COLUMNS = np.int64(120), np.int64(43_200)
_NORTH, _WEST = np.int64(90_000_000), np.int64(180_000_000)
_REACH = (1.0, 1.0, 1.0, 0.5, 0.25, 0.125, 0.0625)
"""Factor on the disk's radius of each further try (assumption): three that keep the law of the first, then
closer to the centre, so that few points end on the centre itself."""
WORDS_A_TRY = 3

POINT = (
    (UNIFORM, "distance from the city's centre: its root, in radii"),
    (NORMAL, "direction: northward part"),
    (NORMAL, "direction: eastward part"),
)
FURTHER_WORDS = tuple(
    Word(f"x{number}", made, f"{what}, of a further try: the one before is in the sea")
    for number, (made, what) in enumerate(POINT)
)
"""Words of rows of `further_tries`."""

LAND_NEEDS = Needs(reference=("land_edges",), uses=(DISK_NEEDS, WORDS_NEEDS))


class LandCounts(Counters):
    """Points as published, those in the sea, and further tries."""

    points = Scalar()
    at_sea = Scalar()
    at_sea_inland = Scalar()
    again = Scalar()
    again_words = Scalar()
    again_blocks = Scalar()


@dataclass(frozen=True)
class Landed:
    """Points after all tries.

    Attributes:
        lat, lon: Degrees, float64, n: exact microdegrees / 1e6.
        row: int64, m: points that were drawn again.
        tries: int64, m: how often.
        at: Address of their further tries.
    """

    lat: Array
    lon: Array
    row: Array
    tries: Array
    at: Address


def on_land(ctx: Context, lat_deg: Array, lon_deg: Array) -> Array:
    """Whether points of whole microdegrees are on land: bool, n.

    Args:
        ctx: Context of a state that may read `land_edges`.
        lat_deg: Degrees north, float64, n.
        lon_deg: Degrees east in [-180, 180), float64, n.
    """
    edges = ctx.reference("land_edges").cell
    south = _NORTH - np.rint(lat_deg * MICRO).astype(np.int64)
    east = np.rint(lon_deg * MICRO).astype(np.int64) + _WEST
    per_cell = np.int64(MICRO)
    row = np.minimum(south * _CELLS_A_DEGREE // per_cell, np.int64(180) * _CELLS_A_DEGREE - 1)
    cell = row * _COLUMNS + (east * _CELLS_A_DEGREE // per_cell) % _COLUMNS
    odd: Array = np.searchsorted(edges, cell.astype(edges.dtype), side="right") % 2 == 1
    return odd


def landed(
    ctx: Context,
    cities: Cities,
    city: Array,
    point: tuple[Array, Array],
    reach: float,
    again: str,
    /,
    **fields: Any,
) -> Landed:
    """Points of which those in the sea are drawn again, at most seven times; then they are the city's centre.

    A try is uniform on the disk; from the fourth on its radius is halved each time, if the centre is on land.

    Args:
        ctx: Context of a state that declares stream `again`.
        cities: The cities.
        city: int64, n: city row of each point.
        point: Latitude and longitude of the first try, as `Cities.around` gives them.
        reach: Factor on the cities' radius, as of the first try.
        again: Stream of the further tries: three words each.
        **fields: What its addresses are made of: arrays of n.
    """
    lat, lon = point[0].copy(), point[1].copy()
    row = np.flatnonzero(~on_land(ctx, lat, lon))
    at = ctx.address(again, **{name: values[row] for name, values in fields.items()})
    centre_lat, centre_lon = centres(cities.frame, city[row])
    inland = on_land(ctx, centre_lat, centre_lon)
    tries, left = np.zeros(len(row), dtype=np.int64), np.arange(len(row))
    for number, factor in enumerate(_REACH):
        if not len(left):
            break
        first, here = WORDS_A_TRY * number, row[left]
        blocks = range(first // 2, (first + WORDS_A_TRY + 1) // 2)
        lanes = [word for block in blocks for word in block_at(ctx, at.take(left), block)]
        x0, x1, x2 = lanes[first % 2 : first % 2 + WORDS_A_TRY]
        near = np.where(inland[left], np.float64(reach * factor), np.float64(reach))
        lat[here], lon[here] = cities.around(ctx, city[here], (x0, x1, x2), near)
        tries[left] += 1
        left = left[~on_land(ctx, lat[row[left]], lon[row[left]])]
    lat[row[left]], lon[row[left]] = centre_lat[left], centre_lon[left]
    return Landed(lat, lon, row, tries, at)


def further_tries(drew: Frame, found: Landed) -> Frame:
    """Rows of `Find` for the further tries: one a try, with the numbers of its draws in `x0`, `x1`, `x2`.

    Args:
        drew: Rows that drew their first point, n: as a `Find` gives them.
        found: Their points.
    """
    index = np.repeat(np.arange(len(found.row)), found.tries)
    number = np.arange(len(index)) - np.repeat(np.cumsum(found.tries) - found.tries, found.tries)
    numbers = {f"x{word}": WORDS_A_TRY * number + word for word in range(WORDS_A_TRY)}
    return drew.take(found.row[index]).with_columns(None, **numbers)


def enter(ctx: PartitionContext, found: Landed) -> None:
    """Enter the further tries in the ledger and count them."""
    words = found.tries * WORDS_A_TRY
    ctx.ledger(found.at, draws=words)
    ctx.count(LandCounts.again, len(found.row))
    ctx.count(LandCounts.again_words, int(words.sum()))
    ctx.count(LandCounts.again_blocks, int(((words + 1) // 2).sum()))


def count_at_sea(ctx: PartitionContext, cities: Cities, city: Array, lat: Array, lon: Array) -> None:
    """Count points in the sea among published ones, and those of them whose city's centre is on land."""
    wet = np.flatnonzero(~on_land(ctx, lat, lon))
    ctx.count(LandCounts.points, len(lat))
    ctx.count(LandCounts.at_sea, len(wet))
    ctx.count(
        LandCounts.at_sea_inland, int(on_land(ctx, *centres(cities.frame, city[wet])).sum(dtype=np.int64))
    )


def centres(cities: Frame, city: Array) -> tuple[Array, Array]:
    """Latitude and longitude in degrees of rows of the reference table `cities`: float64, n."""
    return cities.lat_udeg[city] / MICRO, cities.lon_udeg[city] / MICRO


def land_checks(totals: Totals, again: str, what: str) -> list[Check]:
    """Nothing lies in the sea but where a city's centre does; the further tries against the ledger."""
    seen = LandCounts(totals)
    found = list(totals.drawn(again))
    expected = [seen.again, seen.again_words, seen.again_blocks]
    return [
        Check(
            f"{what} in the sea",
            seen.at_sea_inland == 0,
            {what: seen.points, "in the sea": seen.at_sea, "of a city on land": seen.at_sea_inland},
            {"of a city on land": 0},
            "only harbours and islets that the grid of 30 arc seconds takes for sea are left",
        ),
        Check(
            f"ledger {again}",
            found == expected,
            found,
            expected,
            "points drawn again, three words a try, and their blocks",
        ),
    ]
