"""Distances between near places, as on a plain, and the nearest city to coordinates the user gave."""

from __future__ import annotations

import numpy as np

from sim.state.frames import Array, Frame

_TURN = np.int64(360_000_000)
_BLOCK = 256  # sites compared with all cities of a country at a time: some 10 MB


def squared_distance(north: Array, east: Array, lon_scale: Array) -> Array:
    """Square of a distance on a plain, in microdegrees of latitude: float64.

    Args:
        north: int64: difference of latitudes in microdegrees.
        east: int64: difference of longitudes in microdegrees, within a turn.
        lon_scale: float64: degrees of longitude in the length of one of latitude.
    """
    up, across = north.astype(np.float64), turned(east).astype(np.float64) / lon_scale
    square: Array = up * up + across * across
    return square


def turned(east: Array) -> Array:
    """The shorter way round the Earth between longitudes that far apart, in microdegrees: int64."""
    apart = np.abs(east)
    shorter: Array = np.minimum(apart, _TURN - apart)
    return shorter


def nearest_cities(cities: Frame, outlets: Frame) -> tuple[Array, Array]:
    """The city nearest to each outlet's given coordinates, within its legal country.

    Distances are flat around the city: degrees of longitude shrunk by the city's latitude. Equally near: the
    smaller row.

    Args:
        cities: Rows of the reference table `cities`.
        outlets: Rows with legal_country_iso, given_lat_udeg, given_lon_udeg.

    Returns:
        City row (int64, n) and distance in microdegrees of latitude (float64, n).
    """
    found = np.zeros(len(outlets), dtype=np.int64)
    distance = np.zeros(len(outlets), dtype=np.float64)
    for country in np.unique(outlets.legal_country_iso):
        rows = np.flatnonzero(cities.country_iso == country)
        sites = np.flatnonzero(outlets.legal_country_iso == country)
        for block in np.split(sites, range(_BLOCK, len(sites), _BLOCK)):
            square = _squares(cities.take(rows), outlets.take(block))
            best = np.argmin(square, axis=1)
            found[block], distance[block] = rows[best], np.sqrt(square[np.arange(len(block)), best])
    return found, distance


def given_places(rows: Frame) -> Frame:
    """The outlets that the rows of `merchants_input_1A` locate, as `nearest_cities` takes them."""
    country = np.where(rows.present("outlet_country"), rows.outlet_country, rows.country)
    places = Frame(
        {
            "merchant_id": rows.merchant_id,
            "legal_country_iso": country,
            "given_lat_udeg": rows.lat_udeg,
            "given_lon_udeg": rows.lon_udeg,
        }
    )
    return places.take(rows.present("lat_udeg"))


def _squares(cities: Frame, outlets: Frame) -> Array:
    """Squared distances in microdegrees of latitude: float64, outlets x cities."""
    return squared_distance(
        outlets.given_lat_udeg.astype(np.int64)[:, None] - cities.lat_udeg.astype(np.int64)[None, :],
        outlets.given_lon_udeg.astype(np.int64)[:, None] - cities.lon_udeg.astype(np.int64)[None, :],
        cities.lon_scale[None, :],
    )
