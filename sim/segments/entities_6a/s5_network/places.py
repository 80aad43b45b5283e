"""Where every address of a partition is: the city of its home, premises or site, of its metro, or any."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.join import look_up
from sim.recipes.places import MICRO
from sim.segments.entities_6a.s5_network.asking import Ground
from sim.segments.entities_6a.s5_network.pools import Dealt
from sim.segments.entities_6a.s5_network.rows import Addresses
from sim.segments.entities_6a.snapshot_cities import SNAPSHOT_CITIES_NEEDS, snapshot_cities
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

PLACES_NEEDS = Needs(reference=("cities",), config=("ip_place_prior_6A",), uses=(SNAPSHOT_CITIES_NEEDS,))


@dataclass(frozen=True)
class Atlas:
    """Cities of the snapshot by id.

    Attributes:
        id, metro: uint32, ascending by id.
        lat, lon: float64, degrees.
    """

    id: Array
    metro: Array
    lat: Array
    lon: Array

    def metro_of(self, city: Array) -> Array:
        """Metro of each city id: uint32."""
        metro: Array = self.metro[look_up(self.id, city)] if len(city) else city.astype(np.uint32)
        return metro


def atlas_of(ctx: Context) -> Atlas:
    """All cities."""
    cities = ctx.reference("cities").sort("city_id")
    lat, lon = (cities[name].astype(np.float64) / MICRO for name in ("lat_udeg", "lon_udeg"))
    return Atlas(cities.city_id, cities.metro_id, lat, lon)


def cities_of(ctx: Context, ground: Ground, owned: tuple[Array, Array], dealt: list[Dealt]) -> Array:
    """City id of each address: uint32.

    Args:
        ctx: Context.
        ground: Addresses and metros of the partition.
        owned: Positions of addresses that somebody owns (int64), and their cities.
        dealt: Links to pools, whose spots say where the others are.
    """
    addresses, law = ground.addresses, ctx.params.ip_place_prior_6A
    city = np.zeros(len(addresses.kind), dtype=np.uint32)
    for one in dealt:
        # An address that nobody owns has a link.
        first = (np.cumsum(one.degree) - one.degree)[one.degree > 0]
        city[one.ip[one.degree > 0]] = ground.metros.id[one.asked.spot[first]]
    anywhere = np.isin(
        addresses.kind,
        [
            code
            for code, name in enumerate(ctx.vocabulary("ip_type"))
            if name not in law.same_metro_permille and name != "RESIDENTIAL"
        ],
    )
    rows = np.flatnonzero(anywhere)
    cities = snapshot_cities(ctx, law.hosting_exponent)
    if len(rows):
        picked = cities.pick(ctx, addresses.words[2][rows], addresses.country[rows])
        city[rows] = cities.frame.city_id[picked]
    position, where = owned
    city[position] = where
    return city


def owned_places(
    addresses: Addresses, homes: tuple[Array, Array, Array], renewed: Array, sites: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Positions of addresses that somebody owns (int64), and their cities (uint32).

    Args:
        addresses: Addresses of the partition.
        homes: First address of each household (int64), how many it has, city of each (uint32).
        renewed: int64, one an address: position of its second address, -1 for none.
        sites: Address of each site, and its city.
    """
    first, needed, where = homes
    household = np.repeat(np.arange(len(needed)), needed)
    position = first[household] + np.arange(len(household)) - np.repeat(np.cumsum(needed) - needed, needed)
    city = np.zeros(len(addresses.kind), dtype=np.uint32)
    city[position] = where[household]
    again = position[renewed[position] >= 0]
    return (
        np.concatenate((position, renewed[again], sites[0])),
        np.concatenate((where[household], city[again], sites[1])),
    )
