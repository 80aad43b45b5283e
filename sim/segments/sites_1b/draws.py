"""How rows of 1B find their draws: for `closedworld explain`."""

from __future__ import annotations

from sim.recipes.drawn import CHOICE, NORMAL, UNIFORM, Drawn, Explained, Word, position, where
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Frame


def _placed(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Sites whose coordinates were not given."""
    outlets = ctx.load("outlet_catalogue", columns=("site_id", "given_lat_udeg"))
    return where(rows, ~outlets.present("given_lat_udeg")[position(outlets.site_id, rows.site_id)])


_POINT = (
    Word(0, UNIFORM, "distance from the city's centre: its root, in radii"),
    Word(1, NORMAL, "direction: northward part"),
    Word(2, NORMAL, "direction: eastward part"),
)

_DRAWS = (
    Drawn(
        "site_locations",
        "1B.site_city",
        (Word(0, CHOICE, "city_id, by the outlets of places", "city_id"),),
        _placed,
    ),
    Drawn("site_locations", "1B.site_place", _POINT, _placed),
)

EXPLAINED = Explained(_DRAWS)
"""How rows of 1B are explained."""
