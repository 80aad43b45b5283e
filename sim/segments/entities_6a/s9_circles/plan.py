"""How many circles of which sort each country has: rings by the organisers, clusters, and the honest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, id_of, pair_entity
from sim.segments.entities_6a.s6_fraud_roles.targets import ROLE_TARGETS_NEEDS, party_targets
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

RING, CLUSTER, HONEST = 0, 1 << 28, 2 << 28
"""Numbers of circles of a sort count up from here, so that one sort more moves no other."""
# ASCII "ring" above the number: no other thing of a country has this key
_TAG = np.uint64(0x72696E6700000000)

CIRCLE_IDS_NEEDS = Needs(uses=(ENTITY_NEEDS,))
CIRCLE_PLAN_NEEDS = Needs(uses=(CIRCLE_IDS_NEEDS, ROLE_TARGETS_NEEDS))


@dataclass(frozen=True)
class Demand:
    """What is asked of each country, int64 by country code.

    Attributes:
        rings: Rings, one an organiser.
        mules: Parties that are mules.
        associates: Parties that are associates.
        synthetic: Parties that are synthetic identities.
        parties: All parties.
    """

    rings: Array
    mules: Array
    associates: Array
    synthetic: Array
    parties: Array


def demand_of(ctx: Context) -> Demand:
    """Targets of the roles that circles bear."""
    summary, targets = party_targets(ctx)
    countries = len(ctx.vocabulary("country"))

    def total(values: Array) -> Array:
        sums = np.zeros(countries, dtype=np.int64)
        np.add.at(sums, summary.country_iso, values.astype(np.int64))
        return sums

    by_role = {
        name: total(targets[:, ctx.code("party_role", name)])
        for name in ("ORGANISER", "MULE", "ASSOCIATE", "SYNTHETIC_ID")
    }
    return Demand(
        by_role["ORGANISER"],
        by_role["MULE"],
        by_role["ASSOCIATE"],
        by_role["SYNTHETIC_ID"],
        total(summary.parties),
    )


def circle_ids(ctx: Context, country: Array, number: Array) -> Array:
    """Ids of circles by country code and number: uint64."""
    return id_of(pair_entity(ctx, ctx.name_hashes("country")[country], _TAG | number.astype(np.uint64)))
