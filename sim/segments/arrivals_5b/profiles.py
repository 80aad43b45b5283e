"""Minute-of-hour profiles as alias tables: one for each class and starting slot in the local hour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sim.recipes.tables import ALIAS_BUILD_NEEDS, AliasTables, build_alias
from sim.state.context import Context
from sim.state.declaration import Needs
from sim.state.frames import Array

HOUR_MINUTES = 60

PROFILES_NEEDS = Needs(config=("arrival_placement_policy_5B", "demand_classes_5A"), uses=(ALIAS_BUILD_NEEDS,))


@dataclass(frozen=True)
class Profiles:
    """Alias tables of `slots` rows each, class after class, begin after begin.

    Attributes:
        tables: The concatenated tables.
        weight: uint64: the weights they were made of.
        slots: Slots a bucket covers.
        slot_minutes: Length of a slot.
    """

    tables: AliasTables
    weight: Array
    slots: int
    slot_minutes: int

    @property
    def slot_us(self) -> int:
        """Length of a slot in microseconds."""
        return self.slot_minutes * 60_000_000

    def table_of(self, demand_class: Array, minute: Array) -> Array:
        """First row (uint32) of each bucket's table, by class and local minute at which the bucket begins."""
        begins = HOUR_MINUTES // self.slot_minutes
        table = demand_class.astype(np.uint32) * np.uint32(begins) + (minute // self.slot_minutes).astype(
            np.uint32
        )
        return table * np.uint32(self.slots)


def profiles_of(ctx: Context, bucket_us: int) -> Profiles:
    """Profiles for buckets of a length.

    Args:
        ctx: Context.
        bucket_us: Length of a bucket: a whole number of slots, at most an hour.
    """
    slot_minutes = int(ctx.params.arrival_placement_policy_5B.slot_seconds) // 60
    begins = HOUR_MINUTES // slot_minutes
    slots = bucket_us // (slot_minutes * 60_000_000)
    classes = ctx.params.demand_classes_5A.classes
    hour = np.array(
        [classes[name].minute_of_hour_profile for name in ctx.vocabulary("demand_class")], dtype=np.uint64
    )
    wanted = (np.arange(begins)[:, None] + np.arange(slots)) % begins
    weight = np.ascontiguousarray(hour[:, wanted]).reshape(-1)
    offsets = np.arange(0, len(weight) + 1, slots, dtype=np.uint64)
    return Profiles(build_alias(ctx, offsets, weight), weight, slots, slot_minutes)
