"""All cities of the snapshot, drawn by population: where the world's own places end, abroad begins."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.groups import run_offsets
from sim.recipes.tables import ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, AliasTables, build_alias
from sim.recipes.weights import POWER_NEEDS, power
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

_UNIT = np.float64(1 << 16)
MOST_EXPONENT = 1.5
"""Up to this the cities of a country sum to less than 2**63 at 2**16 a unit."""

SNAPSHOT_CITIES_NEEDS = Needs(reference=("cities",), uses=(ALIAS_BUILD_NEEDS, ALIAS_PICK_NEEDS, POWER_NEEDS))


@dataclass(frozen=True)
class SnapshotCities:
    """Cities sorted by country, with one alias table a country.

    Attributes:
        frame: Columns of the reference table `cities`.
        tables: Alias tables over its rows.
        group: int64, one a country code: which table is that country's; -1 for a country without a city.
    """

    frame: Frame
    tables: AliasTables
    group: Array

    def pick(self, ctx: Context, words: Array, country: Array) -> Array:
        """City row (int64, n) for each word (uint64, n) and country code."""
        return self.tables.pick(ctx, words, self.group[country])


def snapshot_cities(ctx: Context, exponent: float) -> SnapshotCities:
    """Cities drawn in proportion to population ** exponent within their country.

    Args:
        ctx: Context.
        exponent: 1 follows people; above 1 favours large cities.
    """
    table = ctx.reference("cities")
    frame = table.take(np.argsort(table.country_iso, kind="stable"))
    weight = power(ctx, frame.population.astype(np.float64), exponent)
    offsets = run_offsets(frame.country_iso)
    group = np.full(len(ctx.vocabulary("country")), -1, dtype=np.int64)
    group[frame.country_iso[offsets[:-1].astype(np.int64)]] = np.arange(len(offsets) - 1)
    # A power of two keeps a town's weight exact to 1e-5 and a country's total far below 2**63.
    return SnapshotCities(frame, build_alias(ctx, offsets, np.floor(weight * _UNIT).astype(np.uint64)), group)
