"""5B.S1: the UTC bucket grid of a scenario, and which keys move together.

A group is what its keys share: scenario band, demand class, channel, virtual band, zone group (hash of the
tzid), and a hash bucket of the merchant. Ids are dense in the order of those parts; draws are addressed by
the parts, never by the id. A key also has a metro, whose weather it feels, and its merchant's number of
outlets, over which their noise averages out.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.entities import ENTITY_NEEDS, pair_entity
from sim.recipes.horizon import horizon_of
from sim.segments.arrivals_5b.keys import KEY
from sim.segments.arrivals_5b.metros import METROS_NEEDS, main_metro, places_of
from sim.state.context import Context, PartitionContext
from sim.state.counters import Counters, PerScenario, Scalar
from sim.state.declaration import ROW_LEVEL, Check, Frames, Measurement, Partition, State
from sim.state.frames import Frame
from sim.state.refuse import refuse
from sim.state.totals import Totals


class Counts(Counters):
    """Keys of generated merchants and groups of each scenario: how many, how large, how many share theirs."""

    keys = PerScenario(Scalar())
    groups = PerScenario(Scalar())
    largest = PerScenario(Scalar())
    shared = PerScenario(Scalar())
    several = PerScenario(Scalar())
    median = PerScenario(Scalar())


STATE = State(
    id="5B.S1",
    title="Time grid and groups",
    reads={
        "scenario_manifest_5A": ROW_LEVEL,
        "merchant_zone_profile_5A": ROW_LEVEL,
        "merchant_supplied_1A": ROW_LEVEL,
    },
    config=("time_grid_policy_5B", "grouping_policy_5B", "arrival_placement_policy_5B", "realism_gates_5B"),
    writes=("s1_time_grid_5B", "s1_grouping_5B"),
    per_scenario=True,
    counts=(Counts,),
    uses=(ENTITY_NEEDS, METROS_NEEDS),
)

DAY_US = 86_400_000_000
_MERCHANT_TAG = np.uint64(0x6D65726368616E74)  # ASCII "merchant"


def preflight(ctx: Context) -> None:
    """A horizon that does not fit the time grid is refused before anything is built."""
    for name in ctx.scenarios:
        horizon = horizon_of(ctx.params.scenario_horizon_5A, name)
        _require_aligned(
            ctx, horizon.start_us, horizon.end_us, horizon.buckets, horizon.bucket_seconds * 1_000_000
        )


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Grid and groups of one scenario."""
    manifest = ctx.load("scenario_manifest_5A", scenario=part.scenario)
    grouping = _groups(ctx, int(manifest.band[0]))
    # The user's own merchants are as they are: a hundred shops of one trade in one town are one group.
    supplied = ctx.load("merchant_supplied_1A", columns=("merchant_id",)).merchant_id
    generated = ~np.isin(grouping.merchant_id, supplied)
    _, members = np.unique(grouping.group_id[generated], return_counts=True)
    ctx.count(Counts.keys[part.scenario], int(np.count_nonzero(generated)))
    ctx.count(Counts.groups[part.scenario], len(members))
    ctx.count(Counts.largest[part.scenario], int(members.max(initial=0)))
    ctx.count(Counts.shared[part.scenario], int(members[members > 1].sum()))
    ctx.count(Counts.several[part.scenario], int((members > 1).sum()))
    ctx.count(
        Counts.median[part.scenario], int(np.sort(members)[(len(members) - 1) // 2]) if len(members) else 0
    )
    return {"s1_time_grid_5B": _grid(ctx, manifest), "s1_grouping_5B": grouping}


def _grid(ctx: Context, manifest: Frame) -> Frame:
    policy = ctx.params.time_grid_policy_5B
    start, end = int(manifest.horizon_start_utc[0]), int(manifest.horizon_end_utc[0])
    buckets, width = int(manifest.buckets[0]), int(manifest.bucket_seconds[0]) * 1_000_000
    _require_aligned(ctx, start, end, buckets, width)
    begin = start + np.arange(buckets, dtype=np.int64) * width
    weekday = ((begin // DAY_US + 3) % 7 + 1).astype(np.uint8)  # 1970-01-01 was a Thursday, ISO 4
    return Frame(
        {
            "bucket_index": np.arange(buckets, dtype=np.uint32),
            "bucket_start_utc": begin,
            "bucket_end_utc": begin + width,
            "utc_day_of_week": weekday,
            "is_weekend_utc": np.isin(weekday, np.array(policy.weekend_days_utc, dtype=np.uint8)),
        }
    )


def _require_aligned(ctx: Context, start: int, end: int, buckets: int, width: int) -> None:
    """Refuse a horizon (us since 1970) that is no whole number of days of buckets (us) the grid takes."""
    policy = ctx.params.time_grid_policy_5B
    slot = int(ctx.params.arrival_placement_policy_5B.slot_seconds) * 1_000_000
    aligned = (
        start % DAY_US == 0
        and end - start == buckets * width
        and (end - start) % DAY_US == 0
        and width % slot == 0
    )
    if (
        not aligned
        or width // 1_000_000 not in policy.bucket_seconds
        or not 0 < buckets <= policy.largest_bucket_count
    ):
        refuse(
            ctx,
            "HORIZON_NOT_ALIGNED",
            "the scenario's horizon does not fit the time grid",
            found=f"{buckets} buckets of {width // 1_000_000} s from {start} to {end} us since epoch",
            expected=(
                f"whole UTC days, at most {policy.largest_bucket_count} buckets of "
                f"{list(policy.bucket_seconds)} s"
            ),
            at=("scenario_horizon_5A.bucket_seconds", "time_grid_policy_5B.largest_bucket_count"),
            do="change the dates or bucket_seconds of scenario_horizon_5A, or time_grid_policy_5B",
        )


def _groups(ctx: Context, band: int) -> Frame:
    policy = ctx.params.grouping_policy_5B
    keys = ctx.load("merchant_zone_profile_5A", columns=(*KEY, "demand_class", "virtual_share"))
    places = places_of(ctx)
    zone_group = (ctx.name_hashes("tzid") % np.uint64(policy.zone_groups)).astype(np.uint8)[keys.tzid]
    spread = pair_entity(ctx, keys.merchant_id, np.full(len(keys), _MERCHANT_TAG))
    bucket = (spread % np.uint64(policy.merchant_buckets)).astype(np.uint16)
    online, offline = ctx.code("virtual_band", "virtual"), ctx.code("virtual_band", "physical")
    virtual = np.where(keys.virtual_share >= 0.5, online, offline).astype(np.int16)
    natural = np.zeros(len(keys), dtype=np.int64)
    for values, bits in (
        (keys.demand_class, 15),
        (keys.channel_group, 8),
        (virtual, 2),
        (zone_group, 8),
        (bucket, 16),
    ):
        natural = (natural << bits) | values
    _, group = np.unique(natural, return_inverse=True)
    return keys.select(*KEY).with_columns(
        group_id=group.astype(np.uint32),
        scenario_band=np.full(len(keys), band, dtype=np.int16),
        demand_class=keys.demand_class,
        virtual_band=virtual,
        zone_group=zone_group,
        merchant_bucket=bucket,
        metro_id=main_metro(ctx, keys, virtual == online, places),
        outlets=places.outlets(keys.merchant_id),
    )


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """Groups are many, none dominates, most are shared - each in proportion to the size of the world."""
    seen, gates = Counts(totals), ctx.params.realism_gates_5B.grouping
    found = []
    for scenario in ctx.scenarios:
        keys, groups, largest, shared = (
            figure[scenario] for figure in (seen.keys, seen.groups, seen.largest, seen.shared)
        )
        floor = min(gates.groups_floor, keys // gates.keys_a_group)
        most = gates.largest_share * keys + gates.largest_allowance_keys
        least = gates.shared_share_floor * min(1.0, keys / gates.full_scale_keys)
        found += [
            Check(
                f"groups {scenario}",
                groups >= floor,
                groups,
                floor,
                "at least this many groups, by the number of keys",
            ),
            Check(f"largest group {scenario}", largest <= most, largest, most, "keys in the largest group"),
            Check(
                f"shared groups {scenario}",
                shared >= int(least * keys),
                shared / max(1, keys),
                least,
                "share of keys that share their group",
            ),
        ]
    return found


def measure(ctx: Context, totals: Totals) -> list[Measurement]:
    """How groups are made up, scenario by scenario."""
    seen, found = Counts(totals), []
    for scenario in ctx.scenarios:
        keys, groups, several, median = (
            figure[scenario] for figure in (seen.keys, seen.groups, seen.several, seen.median)
        )
        found += [
            Measurement(
                f"median group members {scenario}",
                median,
                "keys",
                "the lower one, of an even number of groups",
            ),
            Measurement(f"mean group members {scenario}", keys / max(1, groups), "keys"),
            Measurement(
                f"groups of several members {scenario}", several / max(1, groups), "share", "of all groups"
            ),
        ]
    return found
