"""Places of the world: weighted picks within a country, and points around a city."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_offsets
from sim.recipes.join import look_up
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array, Frame

MICRO = np.float64(1_000_000.0)
_QUARTER, _HALF, _TURN = np.int64(90_000_000), np.int64(180_000_000), np.int64(360_000_000)

PLACES_NEEDS = Needs(
    reads={"world_footprint_1A": ROW_LEVEL},
    reference=("cities",),
    uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS),
)
DISK_NEEDS = Needs(kernels=("disk_offset",))


@dataclass(frozen=True)
class Cities:
    """Cities sorted by country, with one alias table a country.

    Attributes:
        frame: Columns of the reference table `cities`, `jitter_radius_udeg` as the footprint has it, and
            `weight`, uint64.
        tables: Alias tables over its rows.
        group: int64, one a country code: which table is that country's; -1 for a country outside the world.
    """

    frame: Frame
    tables: AliasTables
    group: Array

    def pick(self, ctx: Context, words: Array, country: Array) -> Array:
        """City row (int64, n) for each word (uint64, n) and country code."""
        return self.tables.pick(ctx, words, self.group[country])

    def around(
        self, ctx: Context, city: Array, words: tuple[Array, Array, Array], reach: float | Array
    ) -> tuple[Array, Array]:
        """Points uniform on the cities' disks.

        Args:
            ctx: Context.
            city: int64, n: city rows.
            words: Three uint64 words a point.
            reach: Factor on the city's jitter radius: one for all, or float64, n.

        Returns:
            Latitude and longitude in degrees, float64, n: exact microdegrees / 1e6, longitudes in [-180,
            180).
        """
        radius = self.frame.jitter_radius_udeg[city].astype(np.float64) * np.float64(reach)
        x0, x1, x2 = words
        north, east = ctx.kernels.disk_offset(
            x0=x0, x1=x1, x2=x2, radius_udeg=radius, lon_scale=self.frame.lon_scale[city]
        )
        lat = np.clip(self.frame.lat_udeg[city] + north, -_QUARTER, _QUARTER)
        lon = (self.frame.lon_udeg[city] + east + _HALF) % _TURN - _HALF
        return lat.astype(np.float64) / MICRO, lon.astype(np.float64) / MICRO


def world_places(ctx: Context, of: str) -> Cities:
    """The places of the world, drawn by their weights within their country.

    Args:
        ctx: Context.
        of: What lies there: `sites`, `homes` (in towns with the countryside around them), or `seats`, head
            offices, which lie in metros alone and weigh as sites do.
    """
    footprint = ctx.load("world_footprint_1A")
    if of == "seats":
        footprint = footprint.take(footprint.place_kind == ctx.code("place_kind", "METRO"))
    table = ctx.reference("cities").sort("city_id")
    frame = table.take(look_up(table.city_id, footprint.city_id))
    radius = footprint.home_radius_udeg if of == "homes" else footprint.site_radius_udeg
    weight = footprint.home_weight if of == "homes" else footprint.site_weight
    offsets = run_offsets(frame.country_iso)
    group = np.full(len(ctx.vocabulary("country")), -1, dtype=np.int64)
    group[frame.country_iso[offsets[:-1].astype(np.int64)]] = np.arange(len(offsets) - 1)
    return Cities(
        frame.with_columns(jitter_radius_udeg=radius, weight=weight),
        build_alias(ctx, offsets, weight),
        group,
    )


def country_letters(ctx: Context) -> Array:
    """The two ISO letters of each country as a 16-bit number, uint64.

    Addresses use it because it does not change when other countries are added.
    """
    return np.array(
        [int.from_bytes(code.encode("ascii"), "big") for code in ctx.vocabulary("country")], dtype=np.uint64
    )
