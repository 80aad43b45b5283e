"""6A.S8: devices of parties that are seen in another country - travellers, and who hides or computes there.

It runs before addresses are made (6A.S5), which lie in partitions of their own countries: a country's
addresses learn from these rows who comes from abroad. A destination need not be a country of the world.
"""

from __future__ import annotations

import numpy as np

from sim.recipes.horizon import life_span
from sim.segments.entities_6a.cells import CELL_WORDS_NEEDS
from sim.segments.entities_6a.country_partitions import COUNTRY_PARTITIONS_NEEDS, country_ranges, span
from sim.segments.entities_6a.s4_devices.rows import cells_of, fields_of
from sim.segments.entities_6a.s8_abroad.checks import (
    ABROAD_CHECKS_NEEDS,
    AbroadCounts,
    abroad_checks,
    count_abroad,
)
from sim.segments.entities_6a.s8_abroad.law import ABROAD_LAW_NEEDS, Owned, links_abroad
from sim.segments.entities_6a.s8_abroad.policy import ABROAD_POLICY_NEEDS, require_possible
from sim.segments.entities_6a.tenure import NEVER
from sim.state.context import Context, PartitionContext
from sim.state.declaration import ROW_LEVEL, Check, Frames, Partition, State
from sim.state.frames import Frame
from sim.state.totals import Totals

STATE = State(
    id="6A.S8",
    title="Devices abroad",
    reads={
        "s1_party_base_6A": ROW_LEVEL,
        "s1_party_summary_6A": ROW_LEVEL,
        "s4_device_base_6A": ROW_LEVEL,
    },
    config=("scenario_horizon_5A",),
    writes=("s8_links_abroad_6A",),
    counts=(AbroadCounts,),
    uses=(
        ABROAD_CHECKS_NEEDS,
        ABROAD_LAW_NEEDS,
        ABROAD_POLICY_NEEDS,
        CELL_WORDS_NEEDS,
        COUNTRY_PARTITIONS_NEEDS,
    ),
)


def preflight(ctx: Context) -> None:
    """Refuse laws that contradict themselves."""
    require_possible(ctx)


def plan(ctx: Context) -> list[Partition]:
    """One partition a file of parties: whole countries."""
    ranges = country_ranges(ctx, ctx.load("s1_party_summary_6A"))
    return [
        Partition(index, spec={"countries": [first, stop]}, weight=rows)
        for index, (first, stop, rows) in enumerate(ranges)
    ]


def compute(ctx: PartitionContext, part: Partition) -> Frames:
    """Links abroad of the devices of a run of countries."""
    parties = ctx.load("s1_party_base_6A", part=part.index, columns=("party_id",))
    columns = (
        "device_id",
        "device_type",
        "primary_party_id",
        "home_country_iso",
        "first_seen",
        "last_seen",
    )
    devices = ctx.load("s4_device_base_6A", part=part.index, columns=columns)
    mine = devices.take(np.flatnonzero(devices.present("primary_party_id")))
    first = parties.party_id[0] if len(parties) else np.uint64(1)
    owner = (mine.primary_party_id - first).astype(np.int64)
    summary = ctx.load("s1_party_summary_6A")
    cells = cells_of(ctx, summary, np.zeros((len(summary), 0), dtype=np.uint64), parties)
    address, cell = fields_of(ctx, mine, owner, cells)
    first_day, last = mine.first_seen.astype(np.int64), mine.last_seen.astype(np.int64)
    last = np.where(mine.present("last_seen"), last, np.int64(NEVER))
    owned = Owned(owner, mine.device_type, mine.home_country_iso, address, cell, first_day, last)
    links = links_abroad(ctx, cells, owned, span(part))
    last_day = life_span(ctx.params.scenario_horizon_5A)
    ended = links.valid_to < last_day.first_day + last_day.days
    frame = Frame(
        {
            "party_id": parties.party_id[owner[links.device]] if len(parties) else mine.device_id[:0],
            "abroad_no": (links.abroad_number + np.uint64(1)).astype(np.uint16),
            "device_id": mine.device_id[links.device],
            "ip_type": links.ip_type,
            "home_country_iso": mine.home_country_iso[links.device],
            "country_iso": links.country_iso,
            "metro_id": links.metro_id,
            "valid_from": links.valid_from,
            "valid_to": np.where(ended, links.valid_to, np.int32(0)),
        },
        {"valid_to": ended},
    )
    count_abroad(ctx, frame, len(parties), (first_day[links.device], last[links.device]))
    return {"s8_links_abroad_6A": frame}


def checks(ctx: Context, totals: Totals) -> list[Check]:
    """See `abroad_checks`."""
    return abroad_checks(ctx, totals)
