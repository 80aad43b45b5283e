"""The nearest city of a country to coordinates the user gave."""

from __future__ import annotations

import numpy as np

from sim.recipes.places import Cities
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame
from sim.state.refuse import refuse

_TURN = np.int64(360_000_000)
_BLOCK = 256  # sites compared with all cities of a country at a time: some 10 MB

NEAREST_NEEDS = Needs(config=("placement_policy_1B",))


def nearest_cities(ctx: Context, cities: Cities, outlets: Frame) -> Array:
    """City row (int64, n) nearest to each outlet's given coordinates, within its legal country.

    Distances are flat around the city: degrees of longitude shrunk by the city's latitude. Equally near: the
    smaller row.

    Raises:
        ContractError: `1B.S1.SITE_FAR_FROM_COUNTRY` where the nearest city is farther away than policy
            allows.
    """
    found = np.zeros(len(outlets), dtype=np.int64)
    distance = np.zeros(len(outlets), dtype=np.float64)
    for country in np.unique(outlets.legal_country_iso):
        rows = np.flatnonzero(cities.frame.country_iso == country)
        sites = np.flatnonzero(outlets.legal_country_iso == country)
        for block in np.split(sites, range(_BLOCK, len(sites), _BLOCK)):
            square = _squares(cities.frame.take(rows), outlets.take(block))
            best = np.argmin(square, axis=1)
            found[block], distance[block] = rows[best], np.sqrt(square[np.arange(len(block)), best])
    _refuse_far(ctx, outlets, distance)
    return found


def _squares(cities: Frame, outlets: Frame) -> Array:
    """Squared distances in microdegrees of latitude: float64, outlets x cities."""
    north = (
        outlets.given_lat_udeg.astype(np.int64)[:, None] - cities.lat_udeg.astype(np.int64)[None, :]
    ).astype(np.float64)
    turn = np.abs(
        outlets.given_lon_udeg.astype(np.int64)[:, None] - cities.lon_udeg.astype(np.int64)[None, :]
    )
    east = np.minimum(turn, _TURN - turn).astype(np.float64) / cities.lon_scale[None, :]
    square: Array = north * north + east * east
    return square


def _refuse_far(ctx: Context, outlets: Frame, distance: Array) -> None:
    limit = ctx.params.placement_policy_1B.given_within_udeg
    far = np.flatnonzero(distance > np.float64(limit))
    if len(far) == 0:
        return
    names = ctx.vocabulary("country")
    refuse(
        ctx,
        "SITE_FAR_FROM_COUNTRY",
        f"{len(far)} outlet(s) of the merchants file are nowhere near a city of their country",
        at="placement_policy_1B.given_within_udeg",
        expected=f"within {limit / 1e6:g} degrees of one (placement_policy_1B.given_within_udeg)",
        examples=[
            f"merchant {outlets.merchant_id[row]}, {names[outlets.legal_country_iso[row]]}: lat "
            f"{outlets.given_lat_udeg[row] / 1e6}, "
            f"lon {outlets.given_lon_udeg[row] / 1e6}, nearest {distance[row] / 1e6:.2f} degrees away"
            for row in far[:5].tolist()
        ],
        total=len(far),
        do="check the country and that lat and lon are not exchanged",
    )
