"""How rows of 5B find their draws: for `closedworld explain`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.drawn import (
    CHOICE,
    COUNT,
    INTEGER,
    NORMAL,
    Drawn,
    Explained,
    MadeOf,
    Told,
    Word,
    at,
    position,
)
from sim.recipes.horizon import DAY_S
from sim.recipes.join import look_up
from sim.segments.arrivals_5b.clock import clock_of
from sim.segments.arrivals_5b.days import civil
from sim.segments.arrivals_5b.intensity import Cells, demand, horizon_of_run
from sim.segments.arrivals_5b.keys import KEY, key_of_row
from sim.segments.arrivals_5b.noise import Noise
from sim.segments.arrivals_5b.s3_bucket_counts import means, pieces
from sim.segments.arrivals_5b.s4_arrival_events import placed
from sim.state.context import Context
from sim.state.declaration import Partition
from sim.state.frames import Array, Frame

_LOW = np.uint64(0xFFFFFFFF)
_GROUP = ("demand_class", "channel_group", "virtual_band", "zone_group", "merchant_bucket")


def _field_steps(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Steps of the groups' paths."""
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    groups, first = np.unique(grouping.group_id, return_index=True)
    shared = grouping.take(first[look_up(groups, rows.group_id)])
    return at(rows, np.arange(len(rows)), **{name: shared[name] for name in _GROUP})


def _steps_of_keys(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Steps of the paths that a key's demand is moved by, in the row's bucket."""
    grouping = ctx.load("s1_grouping_5B", scenario=part.scenario)
    mine = grouping.take(_key_rows(ctx, grouping, rows))
    return at(rows, np.arange(len(rows)), **{name: mine[name] for name in _GROUP})


def _dates(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Rows of a local day, each drawn at its date."""
    return at(rows, np.arange(len(rows)), civil_day=civil(rows.local_day))


def _key_rows(ctx: Context, keys: Frame, rows: Frame) -> Array:
    found: Array = key_of_row(ctx, keys, rows).astype(np.int64) if len(rows) else np.zeros(0, dtype=np.int64)
    return found


def _counts(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Draws of each count: one for each piece of its mean; `draw` is the piece's number."""
    made = _means(ctx, part, rows.merchant_id)
    return _every_part(ctx, rows, np.arange(len(rows)), made.mean[made.row_of(ctx, rows)])


def _counts_of_days(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Draws of the counts of all buckets and keys of a merchant's day; counts of zero are included."""
    made = _means(ctx, part, rows.merchant_id)
    assert part.scenario is not None
    a_day = DAY_S // horizon_of_run(ctx, part.scenario).bucket_seconds
    keys, days = made.cells.keys, np.uint64(made.cells.buckets // a_day)
    merchants = np.unique(keys.merchant_id)

    def code(merchant: Array, day: Array) -> Array:
        return np.searchsorted(merchants, merchant).astype(np.uint64) * days + day

    key, bucket = made.cells.key_and_bucket(np.arange(len(made.cells)))
    wanted, found = (
        code(rows.merchant_id, rows.utc_day),
        code(keys.merchant_id[key], bucket // np.uint32(a_day)),
    )
    here = np.flatnonzero((made.mean > 0.0) & np.isin(found, wanted))
    fields = keys.select(*KEY).take(key[here]).with_columns(bucket_index=bucket[here])
    return _every_part(ctx, fields, position(wanted, found[here]), made.mean[here])


def _every_part(ctx: Context, fields: Frame, row: Array, mu: Array) -> Frame:
    size = pieces(ctx, mu)
    index = np.repeat(np.arange(len(fields)), size)
    number = np.arange(len(index)) - np.repeat(np.cumsum(size) - size, size)
    return fields.take(index).with_columns(row=row[index], draw=number)


@dataclass(frozen=True)
class Means:
    """Cells of some merchants, and the mean of each."""

    cells: Cells
    noise: Noise
    mean: Array

    def row_of(self, ctx: Context, rows: Frame) -> Array:
        """Cell of each row: int64."""
        key = _key_rows(ctx, self.cells.keys, rows)
        bucket = rows.bucket_index.astype(np.uint64)
        found: Array = (self.cells.first[key] + bucket * self.cells.stride[key]).astype(np.int64)
        return found


def _means(ctx: Context, part: Partition, merchant_id: Array) -> Means:
    """The means of the merchants from the least to the greatest of some, as 5B.S3 counts them."""
    assert part.scenario is not None
    merchants = ctx.load("s1_grouping_5B", scenario=part.scenario, columns=("merchant_id",)).merchant_id
    if len(merchant_id) == 0:
        return Means(*means(ctx, part.scenario, (0, 0)))
    first = int(np.searchsorted(merchants, merchant_id.min(), side="left"))
    stop = int(np.searchsorted(merchants, merchant_id.max(), side="right"))
    return Means(*means(ctx, part.scenario, (first, stop)))


def _why(ctx: Context, part: Partition, rows: Frame) -> list[str]:
    """The mean that a count was drawn with, and what it is made of."""
    made = _means(ctx, part, rows.merchant_id[:1])
    cell = int(made.row_of(ctx, rows.slice(0, 1))[0])
    mean, plain = float(made.mean[cell]), float(demand(ctx, made.cells, made.noise)[cell])
    key, bucket = (int(value[0]) for value in made.cells.key_and_bucket(np.array([cell])))
    step = int(made.cells.demand["step"][int(made.cells.demand["map_start"][key]) + bucket])
    field = float(made.noise.field[int(made.noise.field_row[key]) + bucket])
    day = float(made.noise.slow[int(made.noise.slow_row[key]) + step])
    return [
        f"mean     {mean:.12g} arrivals expected of the key in the bucket",
        f"demand   {plain:.12g} of them by its week and the calendar",
        f"noise    {field:.12g} of its group in the bucket x {day:.12g} of its local day",
    ]


def _arrivals(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Arrivals with their `arrival_rank`, their place in the bucket before it was put in time order.

    No column holds the rank, so the partition is placed again: the rank is that of the arrival which lands
    in the row's place.
    """
    again = ctx.for_partition(part)
    made = placed(again, part, again.load("s1_time_grid_5B", scenario=part.scenario), clock_of(again))
    row, rank, packed = (again.on_host(column) for column in (made.row, made.rank, made.packed))
    first = np.searchsorted(made.counts.merchant_id[row], rows.merchant_id)
    # The partition's first merchant goes on where the partition before ended.
    goes_on = rows.merchant_id == made.counts.merchant_id[0]
    number = rows.arrival_seq.astype(np.int64) - np.where(goes_on, int(part.spec["first_seq"]), 1)
    slot = int(ctx.params.arrival_placement_policy_5B.slot_seconds) * 1_000_000
    return at(
        rows,
        np.arange(len(rows)),
        tzid=rows.zone_representation,
        arrival_rank=rank[(packed[first + number] & _LOW).astype(np.int64)].astype(np.uint64),
        slot=np.full(len(rows), slot),
    )


def _at_tills(ctx: Context, part: Partition, rows: Frame) -> Frame:
    """Arrivals at terminals."""
    here = np.flatnonzero(rows.present("terminal_id"))
    if len(here) == 0:
        return at(rows, here)
    found = _arrivals(ctx, part, rows.take(here))
    return found.with_columns(row=here[found.row])


_FIELD, _REALISED = "s2_latent_field_5B", "s2_realised_intensity_5B"
_COUNTRY, _METRO, _MERCHANT = "s2_country_day_5B", "s2_metro_day_5B", "s2_merchant_day_5B"
_ZONE = "s2_zone_day_5B"
_COUNTS, _COUNT_SUMMARY, _ARRIVALS = "s3_bucket_counts_5B", "s3_count_summary_5B", "arrival_events_5B"
_STEP = (
    Word(
        "bucket_index",
        NORMAL,
        "latent_z = phi x the bucket before + sigma sqrt(1 - phi^2) n; sigma n in bucket 0",
    ),
)
_DAY_STEP = "phi x the day before + sigma sqrt(1 - phi^2) n; sigma n on the first day"
_FACTOR = (Word("bucket_index", NORMAL, "step of the group's path in this bucket"),)
_PLACE = (
    Word(0, CHOICE, "slot of the bucket, by the minute-of-hour profile"),
    Word(1, INTEGER, "microseconds into the slot", below="slot"),
)
_TILL = (Word(0, CHOICE, "terminal_id, of those of its site by their shares of the work", "terminal_id"),)
_ROUTE = (
    Word(0, CHOICE, "site_id or edge_id, by the alias table of its key"),
    Word(1, CHOICE, "is_virtual, for keys that have both; arrival_kind, whether it recurs"),
)

_DRAWS = (
    Drawn(_FIELD, "5B.latent_field", _STEP, _field_steps),
    Drawn(_COUNTRY, "5B.world_day", (Word(0, NORMAL, "world_z = sigma n"),), _dates),
    Drawn(_COUNTRY, "5B.country_day", (Word(0, NORMAL, "country_z = sigma n"),), _dates),
    Drawn(_COUNTRY, "5B.country_class_day", (Word(0, NORMAL, "class_z = sigma n"),), _dates),
    Drawn(_METRO, "5B.metro_day", (Word(0, NORMAL, f"latent_z = {_DAY_STEP}"),), _dates),
    Drawn(
        _MERCHANT,
        "5B.merchant_day",
        (
            Word(0, NORMAL, f"merchant_z = {_DAY_STEP}"),
            Word(1, NORMAL, "outlet_z = sigma n over the root of the number of outlets"),
        ),
        _dates,
    ),
    Drawn(_ZONE, "5B.zone_day", (Word(0, NORMAL, "gamma = exp(sigma n - sigma^2 / 2)"),), _dates),
    Drawn(_REALISED, "5B.latent_field", _FACTOR, _steps_of_keys),
    Drawn(_COUNTS, "5B.bucket_count", (Word("draw", COUNT, "count_n, or a piece of it"),), _counts),
    Drawn(
        _COUNT_SUMMARY,
        "5B.bucket_count",
        (Word("draw", COUNT, "arrivals of one bucket and key, or a piece of them"),),
        _counts_of_days,
    ),
    Drawn(_ARRIVALS, "5B.arrival_place", _PLACE, _arrivals),
    Drawn(_ARRIVALS, "5B.arrival_route", _ROUTE, _arrivals),
    Drawn(_ARRIVALS, "5B.arrival_terminal", _TILL, _at_tills),
)

_KEY = {name: name for name in KEY}
_CELL = {**_KEY, "bucket_index": "bucket_index"}

_MADE_OF = (
    MadeOf(_REALISED, "merchant_zone_scenario_utc_5A", "intensity before the field moved it", _CELL),
    MadeOf(_REALISED, "s1_grouping_5B", "its key's group", _KEY),
    MadeOf(_REALISED, _MERCHANT, "its merchant's days", {"merchant_id": "merchant_id"}),
    MadeOf(_COUNTS, _REALISED, "with which intensity it was drawn", _CELL),
    MadeOf(_COUNT_SUMMARY, _COUNTS, "counts of the merchant", {"merchant_id": "merchant_id"}),
    MadeOf(
        _ARRIVALS,
        _COUNTS,
        "how many arrivals its key has in its bucket",
        {**_CELL, "tzid": "zone_representation"},
    ),
    MadeOf(
        _ARRIVALS, _REALISED, "with which intensity they were drawn", {**_CELL, "tzid": "zone_representation"}
    ),
)

_TOLD = (Told(_COUNTS, _why), Told(_REALISED, _why))

EXPLAINED = Explained(_DRAWS, _MADE_OF, _TOLD)
"""How rows of 5B are explained."""
