"""How rows of 1B find their draws: for `closedworld explain`."""

from __future__ import annotations

from sim.recipes.drawn import CHOICE, Drawn, Explained, Word, position, where
from sim.recipes.land import FURTHER_WORDS, POINT, further_tries, landed
from sim.recipes.places import country_letters, world_places
from sim.recipes.words import words_at
from sim.segments.sites_1b.s1_locations import AGAIN
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _placed(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Sites whose coordinates were not given."""
    outlets = ctx.load("outlet_catalogue", columns=("site_id", "given_lat_udeg"))
    return where(rows, ~outlets.present("given_lat_udeg")[position(outlets.site_id, rows.site_id)])


def _further(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Further tries of sites whose first point lies in the sea."""
    policy, drew = ctx.params.placement_policy_1B, _placed(ctx, part, rows)
    cities = world_places(ctx, "sites")
    city = position(cities.frame.city_id, drew.city_id)
    site = ctx.field(
        "site", country_letters=country_letters(ctx)[drew.legal_country_iso], site_order=drew.site_order
    )
    fields = {"site": site, "merchant_id": drew.merchant_id}
    x0, x1, x2 = words_at(ctx, ctx.address("1B.site_place", **fields))
    first = cities.around(ctx, city, (x0, x1, x2), policy.reach)
    return further_tries(drew, landed(ctx, cities, city, first, policy.reach, AGAIN, **fields))


_POINT = tuple(Word(number, made, what) for number, (made, what) in enumerate(POINT))

_DRAWS = (
    Drawn(
        "site_locations",
        "1B.site_city",
        (Word(0, CHOICE, "city_id, by the outlets of places", "city_id"),),
        _placed,
    ),
    Drawn("site_locations", "1B.site_place", _POINT, _placed),
    Drawn("site_locations", AGAIN, FURTHER_WORDS, _further),
)

EXPLAINED = Explained(_DRAWS)
"""How rows of 1B are explained."""
