"""Metros of the world snapshot: cities of a country within 40 km of a larger one belong to it."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

METRO_RADIUS_UDEG: Final = 359_728
"""40 km along a meridian, in microdegrees: a degree of latitude is 111.195 km on a sphere of 6,371.0 km."""

Row = dict[str, Any]


def metro_ids(cities: list[Row]) -> list[int]:
    """The city id of the principal city of each city's metro.

    Within a country, the largest city that has no metro yet (equally large: the smaller city id) is the next
    principal city. It takes all cities without a metro within 40 km of its centre, itself included, so no
    metro spans more than 80 km and none holds a larger city than its principal one. A metro's people are
    those of its principal city: GeoNames gives many of these the figure of their agglomeration, and lists its
    boroughs beside it, so a sum would count people twice.

    Distances are flat around the principal city, degrees of longitude shrunk by its latitude. Only basic
    binary64 operations decide, so all machines agree.

    Args:
        cities: Rows of `cities` in any order.

    Returns:
        One id a row, in the order of `cities`.
    """
    country = np.array([row["country_iso"] for row in cities])
    city_id = np.array([row["city_id"] for row in cities], dtype=np.int64)
    lat = np.array([row["lat_udeg"] for row in cities], dtype=np.int64)
    lon = np.array([row["lon_udeg"] for row in cities], dtype=np.int64)
    scale = np.array([row["lon_scale"] for row in cities], dtype=np.float64)
    people = np.array([row["population"] for row in cities], dtype=np.int64)
    metro = np.zeros(len(cities), dtype=np.int64)
    for code in np.unique(country):
        here = np.flatnonzero(country == code)
        for centre in here[np.lexsort((city_id[here], -people[here]))]:
            if metro[centre]:
                continue
            free = here[metro[here] == 0]
            north = (lat[free] - lat[centre]).astype(np.float64)
            turn = np.abs(lon[free] - lon[centre])
            east = np.minimum(turn, 360_000_000 - turn).astype(np.float64) / scale[centre]
            near = north * north + east * east <= np.float64(METRO_RADIUS_UDEG) ** 2
            metro[free[near]] = city_id[centre]
    found: list[int] = metro.tolist()
    return found
