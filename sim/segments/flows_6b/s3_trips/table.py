"""How many trips go from each metro to each: one table, balanced in a fixed order and rounded.

Rows are origins, which ask for trips by their travellers; columns are destinations, which ask for as many
days as their visitors' purchases need. Journeys that 6A has shown are taken off first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.horizon import life_span
from sim.recipes.sphere import RADIUS_KM, half_chord, unit_vectors
from sim.recipes.weights import POWER_NEEDS, power
from sim.segments.flows_6b.clientele import CLIENTELE_NEEDS, clientele
from sim.segments.flows_6b.metros import Metros
from sim.segments.flows_6b.s3_trips.law import Lengths
from sim.state.context import Context
from sim.state.declaration import ROW_LEVEL, Needs
from sim.state.frames import Array

UNITS = "units_6B"
SCALE = 1 << 20
"""Parts of a trip in which the table is rounded, and of a purchase in which demand is added up."""

TABLE_NEEDS = Needs(
    reads={UNITS: ROW_LEVEL},
    config=("trip_law_6B", "scenario_horizon_5A"),
    uses=(CLIENTELE_NEEDS, POWER_NEEDS),
)


@dataclass(frozen=True)
class Table:
    """Expected trips that parties draw.

    Attributes:
        trips: uint64, origins x destinations, in 1 / SCALE trips.
        mean: float64, one an origin: mean number of trips of a party, by 1 of its mass.
        wanted: float64, one a destination: trip-days that its visitors' purchases need, journeys included.
        domestic: Share of `trips` inside a country.
        most_domestic: The largest share of all wanted days that could be spent inside countries, about.
    """

    trips: Array
    mean: Array
    wanted: Array
    domestic: float
    most_domestic: float


def visitors_demand(ctx: Context, every: Metros) -> Array:
    """Purchases that units of each metro expect of visitors over the lives' horizon: uint64, 1 / SCALE."""
    columns = (
        "site_id",
        "country_iso",
        "metro_id",
        "clientele_class",
        "expected_arrivals",
        "recurring_arrivals",
    )
    units = ctx.load(UNITS, columns=columns)
    share = np.where(units.present("site_id"), clientele(ctx).visitors[units.clientele_class], 0.0)
    ordinary = np.maximum(units.expected_arrivals - units.recurring_arrivals, 0.0)
    found = np.zeros(len(every), dtype=np.uint64)
    whole = np.floor(ordinary * share * np.float64(SCALE)).astype(np.uint64)
    np.add.at(found, every.called(units.country_iso, units.metro_id), whole)
    return found


def table(ctx: Context, every: Metros, law: Lengths, mass: Array, journeys: Array) -> Table:
    """The table.

    Args:
        ctx: Context.
        every: Metros.
        law: Lengths of trips.
        mass: int64, one a metro: sum of what its parties ask by (`Travellers.asks`).
        journeys: int64, one a metro: days of journeys there of parties that pay.
    """
    pack = ctx.params.trip_law_6B
    days = np.float64(law.horizon.days) / np.float64(life_span(ctx.params.scenario_horizon_5A).days)
    bought = visitors_demand(ctx, every).astype(np.float64) / np.float64(SCALE)
    wanted = bought * days / np.float64(pack.purchases_a_trip_day)
    column = np.maximum(wanted - journeys, 0.0) / np.float64(law.inside)
    row = mass.astype(np.float64)
    pull, home = _pull(ctx, every)
    seed = np.where((row > 0)[:, None], pull * column[None, :], 0.0)
    column = np.where(_down(seed) > 0, column, 0.0)
    total = _whole(column)
    row = row / max(_whole(row), 1.0) * total
    # Days abroad are short of the journeys that are days abroad already.
    everything = _whole(wanted)
    away = max(0.0, (1.0 - float(pack.domestic_share)) * everything - float(journeys.sum())) / law.inside
    trips = _balanced(seed, row, column, home, total - min(away, total), int(pack.rounds))
    mean = _along(trips) / np.maximum(mass.astype(np.float64), 1.0)
    whole = np.floor(trips * np.float64(SCALE)).astype(np.uint64)
    inside = int(np.where(home, whole, np.uint64(0)).sum())
    return Table(
        whole,
        mean,
        wanted,
        inside / max(1, int(whole.sum())),
        _most_domestic(every, row, column) * law.inside / max(everything, 1.0),
    )


def _balanced(seed: Array, row: Array, column: Array, home: Array, at_home: float, rounds: int) -> Array:
    """Furness (iterative proportional fitting): rows, then the share at home, then columns, which hold."""
    trips, total = seed, _whole(column)
    trips = trips * _factor(column, _down(trips))[None, :]
    for _ in range(rounds):
        trips = trips * _factor(row, _along(trips))[:, None]
        inside = _whole(_down(np.where(home, trips, 0.0)))
        outside = _whole(_down(np.where(home, 0.0, trips)))
        if inside > 0.0 and outside > 0.0:
            trips = trips * np.where(home, at_home / inside, (total - at_home) / outside)
        trips = trips * _factor(column, _down(trips))[None, :]
    return trips


def _factor(wanted: Array, found: Array) -> Array:
    some = found > 0.0
    result: Array = np.where(some, wanted / np.where(some, found, 1.0), 0.0)
    return result


def _pull(ctx: Context, every: Metros) -> tuple[Array, Array]:
    """Pull of each metro on those of each other (0 on itself), and whether both are in one country."""
    pack = ctx.params.trip_law_6B
    place = unit_vectors(every.lat_udeg.astype(np.float64) / 1e6, every.lon_udeg.astype(np.float64) / 1e6)
    one = tuple(axis[:, None] for axis in place)
    two = tuple(axis[None, :] for axis in place)
    km = half_chord(one, two) * np.float64(2.0 * RADIUS_KM)
    home = every.country[:, None] == every.country[None, :]
    near, far = (
        power(ctx, (1.0 + km / np.float64(pack[name].scale_km)).ravel(), -float(pack[name].exponent))
        for name in ("domestic", "foreign")
    )
    pull = np.where(home, near.reshape(km.shape), far.reshape(km.shape))
    np.fill_diagonal(pull, 0.0)
    return pull, home


def _most_domestic(every: Metros, row: Array, column: Array) -> float:
    """Trips that origins and destinations of countries with several metros could exchange at home."""
    many = np.bincount(every.country, minlength=1)
    found = 0.0
    for country in np.flatnonzero(many > 1).tolist():
        mine = every.country == country
        found += min(_whole(row[mine]), _whole(column[mine]))
    return found


def _down(values: Array) -> Array:
    """Sums of columns, row by row."""
    found: Array = np.add.accumulate(values, axis=0)[-1]
    return found


def _along(values: Array) -> Array:
    """Sums of rows, column by column."""
    found: Array = np.add.accumulate(values, axis=1)[:, -1]
    return found


def _whole(values: Array) -> float:
    """Sum, one after the other."""
    return float(np.add.accumulate(values)[-1]) if len(values) else 0.0
