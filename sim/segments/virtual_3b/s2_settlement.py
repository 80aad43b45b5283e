"""3B.S2: where an online merchant settles: a metro of its home country, by the weights of outlets.

Its clock cuts the business day.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.audits import ledger_check
from sim.recipes.partitions import row_ranges, rows_of
from sim.recipes.places import MICRO, PLACES_NEEDS, world_places
from sim.recipes.tables import ALIAS_PICK_NEEDS
from sim.recipes.words import WORDS_NEEDS, word
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals

STREAM = "3B.settlement_city"


class Counts(Counters):
    """Settlements, merchants online, and settlements abroad."""

    settlements = Scalar()
    online = Scalar()
    abroad = Scalar()


STATE = State(
    id="3B.S2",
    title="Settlement places",
    reads={"virtual_classification_3B": ROW_LEVEL, "merchant_catalogue_1A": ROW_LEVEL},
    writes=("virtual_settlement_3B",),
    streams=(STREAM,),
    counts=(Counts,),
    uses=(ALIAS_PICK_NEEDS, PLACES_NEEDS, WORDS_NEEDS),
)


def plan(ctx: Context) -> list[Partition]:
    """Ranges of merchants; the classification has one row for each row of the catalogue."""
    return row_ranges(sum(file.rows for file in ctx.files("virtual_classification_3B")), 1 << 18)


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """City, place and zone of the online merchants of a range."""
    mode = ctx.load("virtual_classification_3B", rows=rows_of(part), columns=("virtual_mode",)).virtual_mode
    merchants = ctx.load(
        "merchant_catalogue_1A", rows=rows_of(part), columns=("merchant_id", "home_country_iso")
    )
    online = merchants.take(mode != ctx.code("virtual_mode", "NON_VIRTUAL"))
    cities = world_places(ctx, "seats")
    x = word(ctx, STREAM, merchant_id=online.merchant_id)
    place = cities.frame.take(cities.pick(ctx, x, online.home_country_iso))
    ctx.count(Counts.settlements, len(online))
    ctx.count(Counts.online, int((mode != ctx.code("virtual_mode", "NON_VIRTUAL")).sum()))
    ctx.count(Counts.abroad, int((place.country_iso != online.home_country_iso).sum()))
    row = {
        "merchant_id": online.merchant_id,
        "settlement_country_iso": online.home_country_iso,
        "city_id": place.city_id,
        "lat_deg": place.lat_udeg.astype(np.float64) / MICRO,
        "lon_deg": place.lon_udeg.astype(np.float64) / MICRO,
        "tzid_settlement": place.tzid,
    }
    return {"virtual_settlement_3B": Frame(row)}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Every online merchant settles, at home."""
    seen = Counts(totals)
    settlements, online, abroad = seen.settlements, seen.online, seen.abroad
    return [
        Check("every online merchant settles", settlements == online, settlements, online),
        Check("settlement city in the home country", abroad == 0, abroad, 0),
        ledger_check(totals, STREAM, settlements, 1),
    ]
