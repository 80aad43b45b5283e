"""Journeys that 6A has shown: devices of a party abroad in some days are the party abroad."""

from __future__ import annotations

import numpy as np

from sim.recipes.groups import run_starts
from sim.recipes.horizon import life_span
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Frame

LINKS = "s8_links_abroad_6A"

JOURNEYS_NEEDS = Needs(reads={LINKS: ROW_LEVEL}, config=("ip_abroad_prior_6A", "scenario_horizon_5A"))


def journeys(ctx: Context, part: int) -> Frame:
    """Journeys of the parties of a file of 6A, in their order.

    Where a journey goes on when 6A's horizon ends, it ends on the day after: nobody sees more of it.

    Returns:
        `party_id`, `country_iso`, `metro_id`, `first_day`, `last_day` (int64, days since 1970).
    """
    columns = ("party_id", "ip_type", "country_iso", "metro_id", "valid_from", "valid_to")
    links = ctx.load(LINKS, part=part, columns=columns)
    names = ctx.params.ip_abroad_prior_6A.travel_kinds
    travels = np.array([name in names for name in ctx.vocabulary("ip_type")], dtype=np.bool_)
    there = links.take(np.flatnonzero(travels[links.ip_type]))
    there = there.take(np.argsort(there.party_id, kind="stable"))
    one = there.take(run_starts(there.party_id))
    lives = life_span(ctx.params.scenario_horizon_5A)
    last = np.where(one.present("valid_to"), one.valid_to.astype(np.int64), lives.first_day + lives.days)
    return Frame(
        {
            "party_id": one.party_id,
            "country_iso": one.country_iso,
            "metro_id": one.metro_id,
            "first_day": one.valid_from.astype(np.int64),
            "last_day": last,
        }
    )
