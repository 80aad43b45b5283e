"""Metros of the world's footprint in one order: what cells, units, zones and trips are counted by."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_of_row, run_offsets
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

FOOTPRINT = "world_footprint_1A"

METROS_NEEDS = Needs(reads={FOOTPRINT: ROW_LEVEL}, reference=("cities",))


@dataclass(frozen=True)
class Metros:
    """Metros in the order of their countries and numbers; a metro is called after its city.

    Attributes:
        country: int16.
        metro_id: uint32.
        lat_udeg: int64: its city's.
        lon_udeg: int64.
        lon_scale: float64: degrees of longitude in the length of one of latitude.
        city_id: uint32, ascending: cities of the footprint.
        of_city: int64: metro of each.
    """

    country: Array
    metro_id: Array
    lat_udeg: Array
    lon_udeg: Array
    lon_scale: Array
    city_id: Array
    of_city: Array

    def __len__(self) -> int:
        return len(self.metro_id)

    def of(self, city_id: Array) -> Array:
        """Metro of each city of the footprint: int64."""
        found: Array = self.of_city[np.searchsorted(self.city_id, city_id)]
        return found

    def called(self, country: Array, metro_id: Array) -> Array:
        """Metro by country and number: int64."""
        key = (self.country.astype(np.int64) << 32) | self.metro_id.astype(np.int64)
        found: Array = np.searchsorted(key, (country.astype(np.int64) << 32) | metro_id.astype(np.int64))
        return found


def metros(ctx: Context) -> Metros:
    """All metros of the footprint."""
    places = ctx.load(FOOTPRINT, columns=("country_iso", "city_id", "metro_id"))
    places = places.take(np.lexsort((places.city_id, places.metro_id, places.country_iso)))
    offsets = run_offsets(places.country_iso, places.metro_id)
    of = run_of_row(offsets)
    first = offsets[:-1].astype(np.int64)
    order = np.argsort(places.city_id, kind="stable")
    cities = ctx.reference("cities")
    by_id = np.argsort(cities.city_id, kind="stable")
    centre = by_id[np.searchsorted(cities.city_id[by_id], places.metro_id[first])]
    return Metros(
        places.country_iso[first],
        places.metro_id[first],
        cities.lat_udeg[centre].astype(np.int64),
        cities.lon_udeg[centre].astype(np.int64),
        cities.lon_scale[centre],
        places.city_id[order],
        of[order],
    )
