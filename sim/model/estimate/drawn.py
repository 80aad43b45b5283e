"""A small world's volumes as they will be: read from the states up to the demand profile, computed in memory.

A few hundred merchants with heavy tails are seldom near their mean, but everything about them is a function
of its address: what a run will draw can be drawn now. Large worlds are near their mean, and are estimated by
it (`volumes`).
"""

from __future__ import annotations

import numpy as np

from sim.model.estimate.volumes import Volumes, weeks_of_demand
from sim.state.model import Facts, Rehearse

PROFILE = "merchant_zone_profile_5A"
MOST_OUTLETS = 20_000


def drawn_volumes(facts: Facts, rehearse: Rehearse) -> Volumes:
    """Figures of the merchants a run of this request has.

    Args:
        facts: The request.
        rehearse: Computes the states behind a dataset in memory.

    Raises:
        SimError: Whatever one of these states would refuse in a run.
    """
    rows = rehearse(PROFILE)
    profile = rows.load(PROFILE)
    weeks = weeks_of_demand(facts)[profile.demand_class, profile.legal_country_iso]
    return Volumes(
        merchants=len(rows.load("merchant_catalogue_1A")),
        outlets=float(len(rows.load("outlet_catalogue"))),
        keys=float(len(profile)),
        weekly=float(np.sum(profile.weekly_volume_expected)),
        arrivals=float(np.sum(profile.weekly_volume_expected * weeks)),
    )
