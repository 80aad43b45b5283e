"""All devices of a partition: those of parties with their lives and successors, and terminals among them."""

from __future__ import annotations

import numpy as np

from sim.recipes.words import WORDS_NEEDS, words
from sim.segments.entities_6a.s4_devices.life import (
    DEVICE_LIFE_NEEDS,
    LifeLaw,
    chosen,
    lives_of,
    replaced_targets,
)
from sim.segments.entities_6a.s4_devices.rows import Cells
from sim.segments.entities_6a.s4_devices.successors import Owned, with_successors
from sim.segments.entities_6a.s4_devices.systems import SYSTEMS_NEEDS, country_groups, systems_of
from sim.segments.entities_6a.s4_devices.terminal_life import TERMINAL_LIFE_NEEDS, terminal_lives
from sim.segments.entities_6a.s4_devices.traits import TRAITS_NEEDS, traits_of
from sim.state.context import PartitionContext
from sim.state.declaration import Needs
from sim.state.frames import Array, Frame

TRAITS = "6A.device_traits"
ASSEMBLED_NEEDS = Needs(
    streams=(TRAITS,),
    uses=(DEVICE_LIFE_NEEDS, SYSTEMS_NEEDS, TERMINAL_LIFE_NEEDS, TRAITS_NEEDS, WORDS_NEEDS),
)


def owned_devices(
    ctx: PartitionContext,
    made: Frame,
    cells: Cells,
    word: Array,
    lived: Array,
    kept: tuple[LifeLaw, Array],
) -> Owned:
    """Devices of parties with their systems, lives and successors.

    Args:
        ctx: Context.
        made: Devices as they were made.
        cells: Cells of their owners.
        word: uint64: of each one's system.
        lived: int16, one a party: its country.
        kept: Laws of lives, and devices by country and kind.
    """
    law, devices = kept
    country = lived[made.owner]
    system, group = systems_of(ctx, word, made, country)
    rows = chosen(ctx, made.device_type, country, devices, replaced_targets(ctx, law, devices))
    return with_successors(ctx, made, cells.rank, lives_of(ctx, law, made, rows), system, group)


def all_devices(
    ctx: PartitionContext,
    begun: Owned,
    lived: Array,
    standing: Frame,
    shops: tuple[Array, LifeLaw, Frame],
    order: Array,
) -> Frame:
    """All devices in the order of their ids; `before` is the row of each one's predecessor, -1 for none.

    Args:
        ctx: Context.
        begun: Devices of parties.
        lived: int16, one a party: its country.
        standing: Terminals.
        shops: Country of each terminal; laws of lives; sites.
        order: Rows of both in that order.
    """
    mine, (where, law, sites) = begun.frame, shops
    rows = np.flatnonzero(begun.before >= 0)
    said = words(ctx, TRAITS, device=mine.device, party_cell=mine.party_cell)
    # Who replaces a device speaks the same language to it.
    tongue = said[3].copy()
    tongue[rows] = said[3][begun.before[rows]]
    says = traits_of(
        ctx,
        (*said[:3], tongue),
        mine.device_type,
        mine.os_family,
        lived[mine.owner],
        mine.first,
        (rows, begun.before[rows]),
    )
    days = terminal_lives(ctx, law, sites, standing.site, standing.device_type)
    seen = standing.model_word, standing.version_word
    shows = traits_of(ctx, seen, standing.device_type, standing.os_family, where, days.first)
    none = np.full(len(standing), -1, dtype=np.int64)
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    before = np.full(len(mine), -1, dtype=np.int64)
    before[rows] = place[begun.before[rows]]
    frame = Frame(
        {
            **{name: np.concatenate([values, shows[name]]) for name, values in says.items()},
            "owner": np.concatenate([mine.owner, none]),
            "site": np.concatenate([np.full(len(mine), -1, dtype=np.int64), standing.site]),
            "terminal_id": np.concatenate([np.zeros(len(mine), dtype=np.uint64), standing.terminal_id]),
            "device_type": np.concatenate([mine.device_type, standing.device_type]),
            "os_family": np.concatenate([mine.os_family, standing.os_family]),
            "country": np.concatenate([lived[mine.owner], where]),
            "group": np.concatenate([mine.group, country_groups(ctx, where, standing.device_type)]),
            "first": np.concatenate([mine.first, days.first]),
            "last": np.concatenate([mine.last, days.last]),
            "before": np.concatenate([before, none]),
        }
    )
    return frame.take(order)
